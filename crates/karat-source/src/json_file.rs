//! One JSON object of a source: lines that are each a document, or documents whose records are streamed, and the rows that they make (B3, B5).
//!
//! A record is a line (`ndjson`), an element of an array or a document of its own (`json`), or what the feed's `records` points to; each further `*` in
//! it is taken apart in memory, so that a row can hold what stands in the documents around it. Every value lands as its text. How JSON is cut is left to
//! `json`, how bytes become text to `decode`.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use serde_json::{Map, Value, json};

use crate::decode::{Decoded, hex, original};
use crate::format::{FileFormat, ObjectCount, Opened, Sample, SampleColumn, reading};
use crate::json::{
    Items, Malformed, Pointer, Repeated, Scanner, TextFlaw, Token, find, find_all, is_named,
    is_space, only_value, text_of,
};
use crate::packed::Part;
use crate::rows::{self, OwnColumns, TextColumn};
use crate::{Column, Encoding, ErrorKind, FeedSpec, Format, Object, SourceError, discover, names};

/// A record that nests deeper is rescued whole: what reads its text later may not bear it.
const DEPTH_MAX: usize = 1_000;
/// The fields of so many records of a file become columns in the order in which they appear; later ones follow in the order of their names.
const FIRST_RECORDS: u64 = 100;
/// More fields than this are no fields but data.
const COLUMNS_MAX: usize = 4_096;

/// The formats `json` and `ndjson`.
pub(crate) struct Json;

impl FileFormat for Json {
    fn check(&self, feed: &FeedSpec) -> Result<(), SourceError> {
        Wanted::of(feed).map(drop)
    }

    fn flaw(&self, _: &Opened, _: bool) -> Result<Option<String>, SourceError> {
        Ok(None)
    }

    fn columns_are_costly(&self) -> bool {
        true
    }

    fn columns(&self, object: &Opened) -> Result<Option<Vec<Column>>, SourceError> {
        let wanted = Wanted::of(object.feed)?;
        let mut fields = Fields::default();
        let (mut records, mut with_columns) = (0_u64, 0_u64);
        each_record(object, &wanted, &mut |record| {
            records += 1;
            let Ok(text) = &record.text else {
                return Ok(true);
            };
            let members = match &wanted.columns {
                Some(_) => None,
                None => Items::of_object(text),
            };
            let is_kept = wanted.columns.is_some() || wanted.document.is_some();
            with_columns += u64::from(is_kept || members.is_some());
            if let Some(members) = members {
                for member in members {
                    fields.see(member.name, records);
                    if fields.seen.len() > COLUMNS_MAX {
                        let why =
                            format!("its records have more than {COLUMNS_MAX} different fields");
                        return Err(object.broken(&why).hint("name those that are columns under `columns` of the feed, or keep the record whole with `json: { document: NAME }`"));
                    }
                }
            }
            Ok(true)
        })?;
        if records == 0 {
            return Ok(None);
        }
        // One line that is no JSON is a row to rescue; where all are, the file is something else. With `records`, there may be lines of none.
        let lines_are_records = object.feed.format == Format::Ndjson && wanted.records.is_none();
        if with_columns == 0 && lines_are_records {
            return Err(object.broken(NO_RECORD).hint(
                "if it holds one document over several lines, declare `format: json`; if what its records are stands deeper, say where with `records` under `json`",
            ));
        }
        wanted.layout(object, fields).map(Some)
    }

    fn has_rows(&self, object: &Opened) -> Result<bool, SourceError> {
        let mut any = false;
        each_record(object, &Wanted::of(object.feed)?, &mut |_| {
            any = true;
            Ok(false)
        })?;
        Ok(any)
    }

    fn read(
        &self,
        object: &Opened,
        of: &Object,
        columns: Vec<Column>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), SourceError>,
    ) -> Result<ObjectCount, SourceError> {
        let wanted = Wanted::of(object.feed)?;
        let mut builder = Rows::new(object, of, &wanted, columns);
        let blank_lines = each_record(object, &wanted, &mut |record| {
            if builder.push(&record)
                && let Some(batch) = builder.finish()?
            {
                each(batch)?;
            }
            Ok(true)
        })?;
        if let Some(batch) = builder.finish()? {
            each(batch)?;
        }
        Ok(ObjectCount {
            rows: builder.own.rows,
            rescued: builder.own.rows_rescued,
            blank_lines,
        })
    }

    fn sample(&self, object: &Opened, rows_max: u64) -> Result<Option<Sample>, SourceError> {
        let wanted = Wanted::of(object.feed)?;
        let mut fields = Fields::default();
        let mut seen: Vec<(String, discover::Profile)> = Vec::new();
        let mut rows = 0;
        each_record(object, &wanted, &mut |record| {
            rows += 1;
            let mut see = |name: &str, value: &[u8]| {
                let text = match value.first() {
                    Some(b'"') => text_of(value).unwrap_or_default(),
                    _ if value == b"null" => return,
                    _ => value.to_vec(),
                };
                let text = String::from_utf8_lossy(&text);
                let at = match seen.iter().position(|(one, _)| one == name) {
                    Some(at) => at,
                    None => {
                        seen.push((name.to_owned(), discover::Profile::default()));
                        seen.len() - 1
                    }
                };
                if !object.feed.null_values.iter().any(|null| *null == text) {
                    seen[at].1.see(&text);
                }
            };
            match &wanted.columns {
                Some(columns) => {
                    for (name, from) in columns {
                        if let Ok(Some(value)) = from.value(&record) {
                            see(name, value);
                        }
                    }
                }
                None => {
                    let text = record.text.as_ref().ok().copied().unwrap_or_default();
                    for member in Items::of_object(text).into_iter().flatten() {
                        fields.see(member.name, rows);
                        if let Ok(name) = text_of(member.name) {
                            see(&String::from_utf8_lossy(&name), member.value);
                        }
                    }
                }
            }
            Ok(rows < rows_max)
        })?;
        let columns = wanted.layout(object, fields)?;
        let profile = |source_name: &str| {
            let mut seen = seen.iter();
            let found = seen.find(|(one, _)| one == source_name);
            found.map_or_else(discover::Profile::default, |(_, profile)| profile.clone())
        };
        Ok(Some(Sample {
            columns: columns
                .into_iter()
                .map(|column| SampleColumn {
                    profile: profile(&column.source_name),
                    source_name: column.source_name,
                    name: column.name,
                    typed: None,
                })
                .collect(),
            rows,
            written: "JSON",
            ..Sample::default()
        }))
    }
}

/// How reasons begin that another setting of the feed may do away with.
const SETTINGS: [&str; 6] = [
    NO_RECORD,
    "its fields cannot be columns",
    "its records have more than",
    "it holds several documents",
    "what `records` of the feed's `json` points to",
    "the record that begins in line",
];

/// Whether an object known to be broken for this reason, which this file gave, might be whole under the settings of today.
pub(crate) fn may_be_whole_now(reason: &str, feed: &FeedSpec) -> bool {
    SETTINGS.iter().any(|start| reason.starts_with(start))
        || (reason.starts_with(NO_JSON) && feed.format != Format::Json)
}

/// Why a file of lines is no NDJSON.
const NO_RECORD: &str = "none of its lines is a JSON object";

/// How the reason begins of a file that is no JSON.
const NO_JSON: &str = "it is no JSON: ";

/// What a feed takes from each record.
struct Wanted {
    records: Option<Pointer>,
    /// Declared columns, in their order.
    columns: Option<Vec<(String, Origin)>>,
    document: Option<String>,
    /// The pointers that begin at the document.
    outside: Vec<Pointer>,
    bytes_max: usize,
}

/// Where a declared column comes from.
#[derive(Clone)]
enum Origin {
    /// From the record itself.
    Record(Vec<Token>),
    /// From the element that the so-manieth `*` of `records` stands for.
    Around(usize, Vec<Token>),
    /// From the document: the so-manieth of `outside`.
    Document(usize),
}

impl Origin {
    fn value<'t>(&self, record: &Record<'t>) -> Result<Option<&'t [u8]>, Repeated> {
        match self {
            Self::Record(tokens) => match record.text {
                Ok(text) => find(text, tokens),
                Err(_) => Ok(None),
            },
            Self::Around(nth, tokens) => match record.around.get(*nth) {
                Some(text) => find(text, tokens),
                None => Ok(None),
            },
            Self::Document(nth) => Ok(record.outside.get(*nth).copied().flatten()),
        }
    }
}

impl Wanted {
    fn of(feed: &FeedSpec) -> Result<Self, SourceError> {
        let json = &feed.json;
        let records = json.records.as_deref().map(Pointer::new);
        let mut wanted = Self {
            columns: None,
            document: json.document.clone(),
            outside: Vec::new(),
            bytes_max: json.max_record_bytes,
            records,
        };
        let fail = |name: &str, why: &str| {
            SourceError::new(
                ErrorKind::Config,
                format!(
                    "cannot read column `{name}` of feed `{}`: its pointer {why}",
                    feed.name
                ),
            )
            .hint("a `*` in it stands where `records` has one, and means the same element")
        };
        let Some(declared) = &json.columns else {
            return Ok(wanted);
        };
        let mut columns = Vec::new();
        for (name, text) in declared {
            let pointer = Pointer::new(text);
            let is_absolute = text.starts_with('/') && wanted.records.is_some();
            let stars = |tokens: &[Token]| tokens.iter().filter(|t| **t == Token::Each).count();
            let from = match (&wanted.records, is_absolute, stars(&pointer.0)) {
                (_, false, 0) => Origin::Record(pointer.0),
                (Some(_), true, 0) => {
                    wanted.outside.push(pointer);
                    Origin::Document(wanted.outside.len() - 1)
                }
                (Some(records), true, count) => {
                    let last = pointer.0.iter().rposition(|t| *t == Token::Each);
                    let end = last.map_or(0, |last| last + 1);
                    if records.0.get(..end) != Some(&pointer.0[..end]) {
                        return Err(fail(
                            name,
                            "leaves the way to the records before its last `*`",
                        ));
                    }
                    Origin::Around(count - 1, pointer.0[end..].to_vec())
                }
                _ => return Err(fail(name, "names several values")),
            };
            columns.push((name.clone(), from));
        }
        wanted.columns = Some(columns);
        Ok(wanted)
    }

    /// The columns: declared ones, or the fields that were found and are not left out; then the document.
    fn layout(&self, object: &Opened, fields: Fields) -> Result<Vec<Column>, SourceError> {
        let names: Vec<String> = match &self.columns {
            Some(columns) => columns.iter().map(|(name, _)| name.clone()).collect(),
            None => fields.in_order(),
        };
        let folded = names::fold_unique(&names).map_err(|why| {
            object.broken(&format!("its fields cannot be columns: {why}")).hint(
                "name those that are columns, and where they stand, under `columns` of the feed",
            )
        })?;
        let chosen = object.feed.columns.as_deref();
        let is_chosen = |source: &String, name: &String| {
            chosen.is_none_or(|chosen| chosen.contains(source) || chosen.contains(name))
        };
        let text = |name: String, source_name: String| Column {
            name,
            source_name,
            data_type: DataType::Utf8,
        };
        let mut columns: Vec<Column> = names
            .into_iter()
            .zip(folded)
            .filter(|(source, name)| is_chosen(source, name))
            .map(|(source, name)| text(name, source))
            .collect();
        // What a feed takes is there, if only as null: a field that no record of a file has is as good as one that some lack.
        for name in chosen.into_iter().flatten() {
            let is_it = |column: &Column| column.source_name == *name || column.name == *name;
            if !columns.iter().any(is_it) {
                columns.push(text(names::fold(name, columns.len() + 1), name.clone()));
            }
        }
        if let Some(document) = &self.document {
            if columns.iter().any(|column| column.name == *document) {
                return Err(SourceError::new(
                    ErrorKind::Config,
                    format!(
                        "cannot keep the records of feed `{}` whole in `{document}`: they have a field of that name",
                        object.feed.name
                    ),
                )
                .hint("give `document` under `json` another name"));
            }
            columns.push(text(document.clone(), document.clone()));
        }
        Ok(columns)
    }
}

/// The fields of the records of a file.
#[derive(Default)]
struct Fields {
    first: Vec<String>,
    later: BTreeSet<String>,
    /// Names as they stand in the file.
    seen: HashSet<Vec<u8>>,
}

impl Fields {
    fn see(&mut self, quoted: &[u8], record: u64) {
        if self.seen.contains(quoted) {
            return;
        }
        self.seen.insert(quoted.to_vec());
        // A name that is no text can be no column; its record is rescued.
        let Some(name) = text_of(quoted)
            .ok()
            .and_then(|name| String::from_utf8(name).ok())
        else {
            return;
        };
        if self.first.contains(&name) {
            return;
        }
        if record <= FIRST_RECORDS {
            self.first.push(name);
        } else {
            self.later.insert(name);
        }
    }

    fn in_order(self) -> Vec<String> {
        let mut names = self.first;
        names.extend(self.later);
        names
    }
}

/// One record, and where it stands.
struct Record<'t> {
    /// Its text, or why that is no JSON, with the line it stands in.
    text: Result<&'t [u8], (Malformed, &'t [u8])>,
    /// Why its rows cannot be told.
    flaw: Option<&'static str>,
    depth: usize,
    /// The elements around it, one for each `*` of `records`; the last is the record or holds it.
    around: &'t [&'t [u8]],
    /// Values of the document that the feed's columns ask for.
    outside: &'t [Option<&'t [u8]>],
    /// Its line, or its number.
    row: u64,
    encoding: Encoding,
}

/// What is done with a record; false ends the reading.
type EachRecord<'e> = &'e mut dyn FnMut(Record) -> Result<bool, SourceError>;

/// Gives every record of the object; how many blank lines there were.
fn each_record(object: &Opened, wanted: &Wanted, each: EachRecord) -> Result<u64, SourceError> {
    let mut texts = object.parts()?;
    let mut place = Place::default();
    loop {
        let outside = match object.feed.format {
            // They may stand behind the records: a pass of its own looks for them, before the other begins.
            Format::Json => outside_values(object, wanted, &place)?,
            _ => Vec::new(),
        };
        let Some(part) = texts.next()? else { break };
        let input = Decoded::new(part, Encoding::Utf8);
        let mut stream = Stream::new(input, object, wanted.bytes_max);
        let goes_on = match object.feed.format {
            Format::Ndjson => lines(&mut stream, wanted, &mut place, each)?,
            _ => documents(&mut stream, object, wanted, &outside, &mut place, each)?,
        };
        if !goes_on {
            break;
        }
        place.lines_before += stream.line - 1 + u64::from(stream.ends_within_line);
        place.texts += 1;
    }
    Ok(place.blank_lines)
}

#[derive(Default)]
struct Place {
    lines_before: u64,
    blank_lines: u64,
    records: u64,
    /// Texts of the object before this one.
    texts: usize,
}

/// Documents that are a line each.
fn lines(
    stream: &mut Stream,
    wanted: &Wanted,
    place: &mut Place,
    each: EachRecord,
) -> Result<bool, SourceError> {
    while let Some(line) = stream.next_line()? {
        let encoding = stream.input.encoding();
        let number = place.lines_before + stream.line - 1 + u64::from(stream.ends_within_line);
        let text = stream.captured(line);
        if text.iter().all(|byte| is_space(*byte)) {
            place.blank_lines += 1;
            continue;
        }
        let mut one = |text, flaw, depth, around: &[&[u8]], outside: &[Option<&[u8]>]| {
            place.records += 1;
            each(Record {
                text,
                flaw,
                depth,
                around,
                outside,
                // With `records`, a line may hold several.
                row: wanted.records.as_ref().map_or(number, |_| place.records),
                encoding,
            })
        };
        let goes_on = match only_value(text) {
            Err(malformed) => one(Err((malformed, text)), None, 0, &[], &[])?,
            Ok((value, depth)) => {
                let outside: Vec<Option<&[u8]>> = wanted
                    .outside
                    .iter()
                    .map(|pointer| find(value, &pointer.0).ok().flatten())
                    .collect();
                let tokens = wanted
                    .records
                    .as_ref()
                    .map_or(&[][..], |records| &records.0);
                expand(
                    value,
                    tokens,
                    &mut Vec::new(),
                    &mut |record, flaw, around| one(Ok(record), flaw, depth, around, &outside),
                )?
            }
        };
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A text that holds documents one after another.
fn documents(
    stream: &mut Stream,
    object: &Opened,
    wanted: &Wanted,
    outside: &[Option<Vec<u8>>],
    place: &mut Place,
    each: EachRecord,
) -> Result<bool, SourceError> {
    let outside: Vec<Option<&[u8]>> = outside.iter().map(Option::as_deref).collect();
    let encoding = stream.input.encoding();
    let mut goes_on = true;
    let mut count = 0;
    while goes_on && stream.begins_value()? {
        count += 1;
        if count > 1 && !wanted.outside.is_empty() {
            return Err(object
                .broken("it holds several documents, and columns of the feed point to the document around the records")
                .hint("if each line is a document, declare `format: ndjson`"));
        }
        let tokens = match &wanted.records {
            Some(records) => records.0.as_slice(),
            // Without `records`, a document that is an array is one of records.
            None if stream.peek()? == Some(b'[') => &[Token::Each][..],
            None => &[],
        };
        // Up to the first `*` it is streamed; what is inside an element is taken apart in memory.
        let each_at = tokens.iter().position(|token| *token == Token::Each);
        let (way, inside) = tokens.split_at(each_at.map_or(tokens.len(), |at| at + 1));
        goes_on = stream.walk(way, &mut |text, depth| {
            let mut around = Vec::new();
            if each_at.is_some() {
                around.push(text);
            }
            expand(text, inside, &mut around, &mut |record, flaw, around| {
                place.records += 1;
                each(Record {
                    text: Ok(record),
                    flaw,
                    depth,
                    around,
                    outside: &outside,
                    row: place.records,
                    encoding,
                })
            })
        })?;
    }
    Ok(goes_on)
}

/// Values that stand outside the records of one text of the object; the text is the one that is read next.
fn outside_values(
    object: &Opened,
    wanted: &Wanted,
    place: &Place,
) -> Result<Vec<Option<Vec<u8>>>, SourceError> {
    let mut values = Vec::new();
    for pointer in &wanted.outside {
        let mut texts = object.parts()?;
        let mut part = texts.next()?;
        for _ in 0..place.texts {
            part = texts.next()?;
        }
        let Some(part) = part else { break };
        let mut stream = Stream::new(Decoded::new(part, Encoding::Utf8), object, wanted.bytes_max);
        let mut found = None;
        if stream.begins_value()? {
            stream.walk(&pointer.0, &mut |text, _| {
                found = Some(text.to_vec());
                Ok(false)
            })?;
        }
        values.push(found);
    }
    Ok(values)
}

/// What takes the records of a value: each with what is wrong with it, and the elements around it.
type EachInside<'e, 't> =
    &'e mut dyn FnMut(&'t [u8], Option<&'static str>, &[&'t [u8]]) -> Result<bool, SourceError>;

/// Hands over the records that the rest of the way leads to within a value. What is not there or null holds no record; what should be an array and
/// is none is handed over as it is, with the reason.
fn expand<'t>(
    value: &'t [u8],
    way: &[Token],
    around: &mut Vec<&'t [u8]>,
    each: EachInside<'_, 't>,
) -> Result<bool, SourceError> {
    let stop = way.iter().position(|token| *token == Token::Each);
    let found = match find(value, &way[..stop.unwrap_or(way.len())]) {
        Ok(Some(found)) => found,
        Ok(None) => return Ok(true),
        Err(Repeated) => return each(value, Some("duplicate_key"), around),
    };
    let Some(stop) = stop else {
        return each(found, None, around);
    };
    let Some(elements) = Items::of_array(found) else {
        return match found {
            b"null" => Ok(true),
            _ => each(value, Some("no_array"), around),
        };
    };
    for element in elements {
        around.push(element.value);
        let goes_on = expand(element.value, &way[stop + 1..], around, each)?;
        around.pop();
        if !goes_on {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes a value, and how deep it nests; false ends the reading.
type EachValue<'e> = &'e mut dyn FnMut(&[u8], usize) -> Result<bool, SourceError>;

/// A text that is read once, in pieces; of it no more than a record is held.
struct Stream<'o> {
    input: Decoded<Part>,
    object: &'o Opened<'o>,
    bytes_max: usize,
    buffer: Vec<u8>,
    /// What is read and not passed yet.
    at: usize,
    end: usize,
    ended: bool,
    /// The line of `at`, from 1.
    line: u64,
    /// Bytes since the line began.
    column: u64,
    ends_within_line: bool,
}

impl<'o> Stream<'o> {
    fn new(input: Decoded<Part>, object: &'o Opened<'o>, bytes_max: usize) -> Self {
        Self {
            input,
            object,
            bytes_max,
            buffer: Vec::new(),
            at: 0,
            end: 0,
            ended: false,
            line: 1,
            column: 0,
            ends_within_line: false,
        }
    }

    /// Reads more behind what is there, keeping what begins at `from`; false at the end.
    fn fill(&mut self, from: &mut usize) -> Result<bool, SourceError> {
        if self.ended {
            return Ok(false);
        }
        if *from > 0 {
            self.buffer.copy_within(*from..self.end, 0);
            self.end -= *from;
            self.at -= *from;
            *from = 0;
        }
        let chunk = self.object.chunk.max(1);
        if self.buffer.len() < self.end + chunk {
            let room = (self.end + chunk).max(self.buffer.len() * 2);
            self.buffer.resize(room, 0);
        }
        let out = &mut self.buffer[self.end..self.end + chunk];
        let n = self
            .input
            .fill(out)
            .map_err(|e| reading(self.object.path, e))?;
        self.end += n;
        self.ended = n == 0;
        Ok(n > 0)
    }

    /// Passes bytes that were looked at.
    fn pass(&mut self, bytes: usize) {
        let passed = &self.buffer[self.at..self.at + bytes];
        self.line += memchr::memchr_iter(b'\n', passed).count() as u64;
        match memchr::memrchr(b'\n', passed) {
            Some(last) => self.column = (bytes - last - 1) as u64,
            None => self.column += bytes as u64,
        }
        self.at += bytes;
    }

    fn too_long(&self, line: u64) -> SourceError {
        self.object
            .broken(&format!(
                "the record that begins in line {line} is longer than {} bytes",
                self.bytes_max
            ))
            .hint("raise `max_record_bytes` under `json` of the feed, or name the records with `records` there")
    }

    /// What is wrong where the stream stands.
    fn malformed(&self, why: &str) -> SourceError {
        self.object.broken(&format!(
            "{NO_JSON}{why}, in line {} at byte {}",
            self.line,
            self.column + 1
        ))
    }

    /// The next line without its end; none at the end of the input.
    fn next_line(&mut self) -> Result<Option<Range<usize>>, SourceError> {
        let mut start = self.at;
        let mut looked_to = self.at;
        loop {
            if let Some(length) = memchr::memchr(b'\n', &self.buffer[looked_to..self.end]) {
                let end = looked_to + length;
                self.check_length(end - start)?;
                self.at = end + 1;
                self.line += 1;
                return Ok(Some(start..end));
            }
            self.check_length(self.end - start)?;
            looked_to = self.end - start;
            if !self.fill(&mut start)? {
                if start == self.end {
                    return Ok(None);
                }
                self.at = self.end;
                self.ends_within_line = true;
                return Ok(Some(start..self.end));
            }
            looked_to += start;
        }
    }

    fn check_length(&self, bytes: usize) -> Result<(), SourceError> {
        match bytes > self.bytes_max {
            true => Err(self.too_long(self.line)),
            false => Ok(()),
        }
    }

    fn captured(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    /// The next byte that is no space.
    fn peek(&mut self) -> Result<Option<u8>, SourceError> {
        loop {
            let rest = &self.buffer[self.at..self.end];
            match rest.iter().position(|byte| !is_space(*byte)) {
                Some(spaces) => {
                    self.pass(spaces);
                    return Ok(Some(self.buffer[self.at]));
                }
                None => self.pass(rest.len()),
            }
            let mut from = self.at;
            if !self.fill(&mut from)? {
                return Ok(None);
            }
        }
    }

    fn begins_value(&mut self) -> Result<bool, SourceError> {
        Ok(self.peek()?.is_some())
    }

    /// The next byte that is no space, which must be this.
    fn expect(&mut self, byte: u8, why: &str) -> Result<(), SourceError> {
        match self.peek()? {
            Some(found) if found == byte => {
                self.pass(1);
                Ok(())
            }
            Some(_) => Err(self.malformed(why)),
            None => Err(self.malformed("it ends early")),
        }
    }

    /// Reads a value whole: where it stands in the buffer, and how deep it nests. Not held, it may be of any length.
    fn value(&mut self, held: bool) -> Result<(Range<usize>, usize), SourceError> {
        self.peek()?;
        let first_line = self.line;
        let mut scanner = Scanner::new();
        let mut start = self.at;
        loop {
            let taken = match scanner.push(&self.buffer[self.at..self.end]) {
                Ok(taken) => taken,
                Err(Malformed { at, why }) => {
                    // Of the bytes of the value, some may have been passed in an earlier piece.
                    let before = scanner.passed();
                    self.pass(at.saturating_sub(before).min(self.end - self.at));
                    return Err(self.malformed(why));
                }
            };
            self.pass(taken);
            if held && self.at - start > self.bytes_max {
                return Err(self.too_long(first_line));
            }
            if scanner.is_done() {
                return Ok((start..self.at, scanner.depth()));
            }
            if !held {
                start = self.at;
            }
            if !self.fill(&mut start)? {
                return match scanner.finish() {
                    Ok(()) => Ok((start..self.at, scanner.depth())),
                    Err(Malformed { why, .. }) => Err(self.malformed(why)),
                };
            }
        }
    }

    /// Hands over what the way leads to; false if that ended the reading. Anything beside it is passed.
    fn walk(&mut self, way: &[Token], each: EachValue) -> Result<bool, SourceError> {
        let Some((token, rest)) = way.split_first() else {
            let (value, depth) = self.value(true)?;
            return each(&self.buffer[value], depth);
        };
        match (self.peek()?, token) {
            (Some(b'['), token) => {
                let nth = match token {
                    Token::Name(name) => name.parse::<u64>().ok(),
                    Token::Each => None,
                };
                self.pass(1);
                let mut number = 0;
                if self.peek()? == Some(b']') {
                    self.pass(1);
                    return Ok(true);
                }
                loop {
                    if (*token == Token::Each || nth == Some(number)) && !self.walk(rest, each)? {
                        return Ok(false);
                    }
                    if *token != Token::Each && nth != Some(number) {
                        self.value(false)?;
                    }
                    number += 1;
                    match self.peek()? {
                        Some(b']') => {
                            self.pass(1);
                            return Ok(true);
                        }
                        _ => self.expect(b',', "`,` or `]` is expected")?,
                    }
                }
            }
            (Some(b'{'), Token::Name(name)) => {
                self.pass(1);
                if self.peek()? == Some(b'}') {
                    self.pass(1);
                    return Ok(true);
                }
                let mut found = false;
                loop {
                    if self.peek()? != Some(b'"') {
                        return Err(self.malformed("a name in quotes is expected"));
                    }
                    let (quoted, _) = self.value(true)?;
                    let is_it = is_named(&self.buffer[quoted], name);
                    self.expect(b':', "`:` is expected")?;
                    if is_it && found {
                        let why =
                            format!("`{name}` stands twice on the way that the feed points to");
                        return Err(self.object.broken(&why));
                    }
                    if !is_it {
                        self.value(false)?;
                    } else if !self.walk(rest, each)? {
                        return Ok(false);
                    }
                    found |= is_it;
                    match self.peek()? {
                        Some(b'}') => {
                            self.pass(1);
                            return Ok(true);
                        }
                        _ => self.expect(b',', "`,` or `}` is expected")?,
                    }
                }
            }
            (Some(b'n') | None, _) | (_, Token::Name(_)) => self.value(false).map(|_| true),
            _ => Err(self
                .object
                .broken("what `records` of the feed's `json` points to is no array")),
        }
    }
}

/// Fills batches with records.
struct Rows<'w> {
    wanted: &'w Wanted,
    texts: Vec<TextColumn>,
    columns: Vec<Column>,
    schema: SchemaRef,
    /// Without declared columns: the column of each field.
    by_name: HashMap<String, usize>,
    /// With them: where each comes from, and its column.
    declared: Vec<(Origin, usize)>,
    document: Option<usize>,
    /// Where the value of each column stands in the record.
    places: Vec<Option<Range<usize>>>,
    all_land: bool,
    own: OwnColumns,
}

impl<'w> Rows<'w> {
    fn new(object: &Opened, of: &Object, wanted: &'w Wanted, columns: Vec<Column>) -> Self {
        let place = |name: &str| columns.iter().position(|column| column.source_name == name);
        let declared = wanted.columns.iter().flatten();
        let declared: Vec<(Origin, usize)> = declared
            .filter_map(|(name, from)| Some((from.clone(), place(name)?)))
            .collect();
        let document = wanted.document.as_deref().and_then(place);
        let fields = columns.iter().enumerate();
        let by_name = fields
            .filter(|(at, _)| wanted.columns.is_none() && Some(*at) != document)
            .map(|(at, column)| (column.source_name.clone(), at))
            .collect();
        let is_all = wanted.columns.is_none() && object.feed.columns.is_none();
        Self {
            texts: columns.iter().map(|_| TextColumn::default()).collect(),
            schema: rows::schema(&columns),
            by_name,
            declared,
            all_land: is_all || document.is_some(),
            document,
            places: vec![None; columns.len()],
            own: OwnColumns::new(object.path, object.op(), &of.mark),
            columns,
            wanted,
        }
    }

    /// Takes a record; true if the batch is full.
    fn push(&mut self, record: &Record) -> bool {
        let mut flaws = Flaws::default();
        let whole = match record.text {
            Ok(text) => text,
            Err((_, line)) => line,
        };
        match record.text {
            Err((malformed, _)) => {
                flaws.reasons.push("invalid_json");
                let place = json!({"byte": malformed.at + 1, "why": malformed.why});
                flaws.details.insert("json".to_owned(), place);
                flaws.whole = true;
            }
            Ok(_) if record.flaw.is_some() => {
                flaws.reasons.extend(record.flaw);
                flaws.whole = true;
            }
            Ok(_) if record.depth > DEPTH_MAX => {
                flaws.reasons.push("too_deep");
                flaws
                    .details
                    .insert("depth".to_owned(), json!(record.depth));
                flaws.whole = true;
            }
            Ok(text) if self.wanted.columns.is_none() => self.push_fields(text, record, &mut flaws),
            Ok(_) => self.push_declared(record, &mut flaws),
        }
        if flaws.whole {
            for (at, column) in self.texts.iter_mut().enumerate() {
                if Some(at) != self.document {
                    column.push_null();
                }
            }
        }
        if let Some(at) = self.document {
            let text = whole.trim_ascii();
            if std::str::from_utf8(text).is_ok() {
                self.texts[at].push(text);
            } else {
                self.texts[at].push_null();
                flaws.invalid(&self.columns[at].name, text, record.encoding);
            }
        }
        let keeps_whole = self.document.is_some() && std::str::from_utf8(whole).is_ok();
        let rescued = flaws.told(whole, record.encoding, self.all_land, keeps_whole);
        self.own.push(record.row, rescued.as_deref(), whole.len())
    }

    /// The fields of a record, each into its column.
    fn push_fields(&mut self, text: &[u8], record: &Record, flaws: &mut Flaws) {
        let Some(members) = Items::of_object(text) else {
            flaws.reasons.push("not_an_object");
            flaws.whole = true;
            return;
        };
        self.places.fill(None);
        let mut repeated: Vec<usize> = Vec::new();
        for member in members {
            let quoted = &member.name[1..member.name.len() - 1];
            let plain = (!quoted.contains(&b'\\'))
                .then(|| std::str::from_utf8(quoted).ok())
                .flatten();
            let found = match plain {
                Some(name) => self.by_name.get(name),
                None => match text_of(member.name).map(String::from_utf8) {
                    Ok(Ok(name)) => self.by_name.get(&name),
                    _ => {
                        flaws.unnamed = true;
                        None
                    }
                },
            };
            let Some(&at) = found else { continue };
            let place = member.at..member.at + member.value.len();
            if self.places[at].replace(place).is_some() {
                repeated.push(at);
            }
        }
        for at in 0..self.columns.len() {
            if Some(at) == self.document {
                continue;
            }
            match self.places[at].clone() {
                Some(_) if repeated.contains(&at) => {
                    let name = Token::Name(self.columns[at].source_name.clone());
                    self.push_repeated(at, text, &[name], flaws);
                }
                Some(place) => self.place(at, &text[place], record.encoding, flaws),
                None => self.texts[at].push_null(),
            }
        }
    }

    fn push_declared(&mut self, record: &Record, flaws: &mut Flaws) {
        for nth in 0..self.declared.len() {
            let at = self.declared[nth].1;
            match self.declared[nth].0.value(record) {
                Ok(Some(value)) => self.place(at, value, record.encoding, flaws),
                Ok(None) => self.texts[at].push_null(),
                Err(Repeated) => match self.declared[nth].0.clone() {
                    Origin::Around(around, tokens) => {
                        self.push_repeated(at, record.around[around], &tokens, flaws)
                    }
                    Origin::Record(tokens) => {
                        self.push_repeated(at, record.text.unwrap_or_default(), &tokens, flaws)
                    }
                    Origin::Document(_) => self.texts[at].push_null(),
                },
            }
        }
    }

    /// Which of several values is meant cannot be told: all are kept aside.
    fn push_repeated(&mut self, at: usize, text: &[u8], tokens: &[Token], flaws: &mut Flaws) {
        let mut values = Vec::new();
        find_all(text, tokens, &mut values);
        let told = values
            .iter()
            .map(|value| json!(String::from_utf8_lossy(value)));
        let name = self.columns[at].name.clone();
        flaws.repeated.insert(name, told.collect());
        self.texts[at].push_null();
    }

    /// A value as its text: what is in the quotes, else as it stands in the file.
    fn place(&mut self, at: usize, value: &[u8], encoding: Encoding, flaws: &mut Flaws) {
        let column = &mut self.texts[at];
        if value == b"null" {
            column.push_null();
        } else if value.starts_with(b"\"") {
            let inside = &value[1..value.len() - 1];
            if memchr::memchr(b'\\', inside).is_none() && std::str::from_utf8(inside).is_ok() {
                column.push(inside);
                return;
            }
            match text_of(value) {
                Ok(text) => column.push(&text),
                Err(TextFlaw::Escape) => {
                    column.push_null();
                    let name = self.columns[at].name.clone();
                    flaws
                        .escapes
                        .insert(name, json!(String::from_utf8_lossy(value)));
                }
                Err(TextFlaw::Encoding) => {
                    column.push_null();
                    flaws.invalid(&self.columns[at].name, inside, encoding);
                }
            }
        } else if std::str::from_utf8(value).is_ok() {
            column.push(value);
        } else {
            column.push_null();
            flaws.invalid(&self.columns[at].name, value, encoding);
        }
    }

    fn finish(&mut self) -> Result<Option<RecordBatch>, SourceError> {
        if self.own.is_empty() {
            return Ok(None);
        }
        let texts = self.texts.iter_mut();
        let payload = texts
            .map(|column| Ok(Arc::new(column.finish()?) as ArrayRef))
            .collect::<Result<Vec<_>, SourceError>>()?;
        self.own.finish(&self.schema, payload).map(Some)
    }
}

/// What is wrong with a record.
#[derive(Default)]
struct Flaws {
    reasons: Vec<&'static str>,
    details: Map<String, Value>,
    /// Nothing of it could be placed.
    whole: bool,
    /// A field has a name that is no text.
    unnamed: bool,
    repeated: Map<String, Value>,
    escapes: Map<String, Value>,
    bytes: Map<String, Value>,
}

impl Flaws {
    fn invalid(&mut self, column: &str, bytes: &[u8], encoding: Encoding) {
        let bytes = hex(&original(bytes, encoding));
        self.bytes.insert(column.to_owned(), json!(bytes));
    }

    /// The text for `_rescued`; none if nothing is wrong.
    fn told(
        mut self,
        whole: &[u8],
        encoding: Encoding,
        all_land: bool,
        kept_whole: bool,
    ) -> Option<String> {
        if self.unnamed {
            self.reasons.push("invalid_name");
            self.whole = true;
        }
        for (reason, key, values) in [
            ("duplicate_key", "repeated", self.repeated),
            ("invalid_escape", "escapes", self.escapes),
            ("invalid_encoding", "bytes", self.bytes),
        ] {
            if !values.is_empty() {
                self.reasons.push(reason);
                self.details.insert(key.to_owned(), Value::Object(values));
            }
        }
        if self.reasons.is_empty() {
            return None;
        }
        // What was not chosen must not land by the back door (B9); what is kept whole need not land twice.
        if self.whole && !kept_whole {
            let (key, value) = match std::str::from_utf8(whole) {
                _ if !all_land => ("text_bytes", json!(whole.len())),
                Ok(text) => ("text", json!(text)),
                Err(_) => ("hex", json!(hex(&original(whole, encoding)))),
            };
            self.details.insert(key.to_owned(), value);
        }
        let mut rescued = Map::new();
        rescued.insert("reason".to_owned(), json!(self.reasons.join(", ")));
        rescued.extend(self.details);
        Some(Value::Object(rescued).to_string())
    }
}
