//! One CSV object: its header, where its fields go, whether each of its rows can be held, and its rows.
//!
//! An archive holds several texts, each with a header of its own; together they are one object, and their lines are counted through. How text is cut
//! into rows is left to `csv`, how batches are built to `rows`.

use std::collections::BTreeSet;
use std::io::Read;
use std::ops::Deref;

use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;

use crate::control::{self, Tally, Which};
use crate::csv::{CsvReader, Dialect, FIELDS_MAX, FieldKind};
use crate::decode::{Decoded, LooksUtf8, original};
use crate::format::{
    FileFormat, ObjectCount, Opened, Sample, SampleColumn, not_there, reading, reason_in,
};
use crate::packed::{CHUNK_BYTES, Part};
use crate::rows::{Layout, RowBuilder};
use crate::{
    Column, ControlRecord, CsvOptions, Encoding, ErrorKind, FeedSpec, Object, SourceError,
    discover, names,
};

/// As much of a file as a header takes, most times.
const HEADER_BYTES: usize = 16 << 10;
/// How a reason begins that is about the header.
pub(crate) const HEADER: &str = "its header cannot be read: ";

/// The format.
pub(crate) struct Csv;

impl FileFormat for Csv {
    fn check(&self, feed: &FeedSpec) -> Result<(), SourceError> {
        Dialect::new(&feed.csv).map(drop)
    }

    fn flaw(&self, object: &Opened, long: bool) -> Result<Option<String>, SourceError> {
        if object.feed.csv.header
            && let Some(why) = header_flaw(object)?
        {
            return Ok(Some(why));
        }
        if long && let Some(why) = cut(object)? {
            return Ok(Some(why));
        }
        match object.feed.csv.has_control_records() {
            true => control_flaw(object),
            false => Ok(None),
        }
    }

    fn columns(&self, object: &Opened) -> Result<Option<Vec<Column>>, SourceError> {
        let mut texts = object.parts()?;
        while let Some(part) = texts.next()? {
            let mut reader = reader(object, part, object.chunk)?;
            if let Some(layout) = layout(&mut reader, object.feed, object.path)? {
                return Ok(Some(layout.columns));
            }
        }
        Ok(None)
    }

    fn has_rows(&self, object: &Opened) -> Result<bool, SourceError> {
        let mut texts = object.parts()?;
        while let Some(part) = texts.next()? {
            let mut reader = reader(object, part, object.chunk)?;
            let Some(layout) = layout(&mut reader, object.feed, object.path)? else {
                continue;
            };
            reader.reader.expect_fields(layout.slots.len());
            while reader.advance()? {
                if layout.slots.len() <= 1 || !reader.is_blank() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn read(
        &self,
        object: &Opened,
        of: &Object,
        _: Vec<Column>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), SourceError>,
    ) -> Result<ObjectCount, SourceError> {
        let mut count = ObjectCount::default();
        let mut texts = object.parts()?;
        let mut builder: Option<RowBuilder> = None;
        let mut lines_before = 0;
        while let Some(part) = texts.next()? {
            let member = part.member.clone();
            let mut reader = reader(object, part, object.chunk)?;
            let Some(layout) = layout(&mut reader, object.feed, object.path)? else {
                continue;
            };
            let several = layout.slots.len() > 1;
            reader.reader.expect_fields(layout.slots.len());
            let builder = match &mut builder {
                Some(builder) => {
                    if !builder.go_on(layout, lines_before) {
                        return Err(object.broken(&other_columns(None, member.as_deref())));
                    }
                    builder
                }
                first => first.insert(RowBuilder::new(layout, object.path, object.op(), &of.mark)),
            };
            while reader.advance()? {
                if several && reader.is_blank() {
                    count.blank_lines += 1;
                    continue;
                }
                if builder.push(&reader)
                    && let Some(batch) = builder.finish()?
                {
                    each(batch)?;
                }
            }
            lines_before += reader.lines();
        }
        let Some(mut builder) = builder else {
            return Ok(count);
        };
        if let Some(batch) = builder.finish()? {
            each(batch)?;
        }
        count.rows = builder.own.rows;
        count.rescued = builder.own.rows_rescued;
        Ok(count)
    }

    fn sample(&self, object: &Opened, rows_max: u64) -> Result<Option<Sample>, SourceError> {
        let feed = object.feed;
        // Before the texts are opened: they share the place in the file.
        let mut sample = Sample {
            looks_utf8: feed.csv.encoding == Encoding::Windows1252 && begins_as_utf8(object)?,
            ..Sample::default()
        };
        let mut texts = object.parts()?;
        let Some(part) = texts.next()? else {
            return Ok(None);
        };
        let mut reader = reader(object, part, object.chunk)?;
        let mut pending = false;
        let names = match (feed.csv.header, &feed.columns) {
            (false, Some(columns)) => columns.clone(),
            (false, None) => {
                pending = next_record(&mut reader)?;
                sample.names_are_made_up = true;
                (1..=reader.spans().len())
                    .map(|i| format!("column_{i}"))
                    .collect()
            }
            (true, _) => match header_names(&mut reader, &feed.csv, object.path)? {
                Some(names) => names,
                // A file without a line says nothing.
                None => return Ok(None),
            },
        };
        let folded = names::fold_all(&names, object.path)?;
        let several = names.len() > 1;
        reader.reader.expect_fields(names.len());
        let mut profiles = vec![discover::Profile::default(); names.len()];
        let mut values = NamesAsValues::default();
        while sample.rows < rows_max && (pending || reader.advance()?) {
            pending = false;
            if several && reader.is_blank() {
                continue;
            }
            // What a row lacks or has too much is rescued, not typed.
            if reader.spans().len() == names.len() {
                values.see(&reader, &names);
                for (profile, span) in profiles.iter_mut().zip(reader.spans()) {
                    let value = reader.field(*span);
                    let value = String::from_utf8_lossy(&value);
                    if !feed.null_values.iter().any(|null| *null == value) {
                        profile.see(&value);
                    }
                }
            } else {
                sample.misfits += 1;
            }
            sample.invalid += u64::from(!reader.is_valid());
            sample.rows += 1;
        }
        sample.goes_on = sample.rows >= rows_max;
        sample.written = reader.encoding().name();
        if feed.csv.header && feed.columns.is_none() {
            let is_row = discover::value_among_names(&names);
            sample.first_is_number = is_row.is_some();
            let is_row = is_row.is_some() || values.met || discover::lacks_a_name(&names);
            sample.first_row = is_row.then(|| names.join(&feed.csv.delimiter));
        }
        let names = names.into_iter().zip(folded).zip(profiles);
        sample.columns = names
            .map(|((source_name, name), profile)| SampleColumn {
                source_name,
                name,
                typed: None,
                profile,
            })
            .collect();
        Ok(Some(sample))
    }
}

/// Whether the first rows have a name of their column as a value, which a header that came twice has not alone.
#[derive(Default)]
struct NamesAsValues {
    met: bool,
}

impl NamesAsValues {
    fn see(&mut self, reader: &Records, names: &[String]) {
        if self.met {
            return;
        }
        let spans = reader.spans().iter();
        let same = spans
            .zip(names)
            .filter(|(span, name)| !name.is_empty() && *reader.field(**span) == *name.as_bytes());
        let same = same.count();
        self.met = same > 0 && 2 * same <= names.len();
    }
}

/// As much of a file is looked at for its encoding where nobody reads all of it.
const ENCODING_BYTES: usize = 1 << 20;

/// Whether an object that is said to be in a one-byte encoding begins as UTF-8.
fn begins_as_utf8(object: &Opened) -> Result<bool, SourceError> {
    let mut texts = object.parts()?;
    let Some(mut part) = texts.next()? else {
        return Ok(false);
    };
    let mut looks = LooksUtf8::default();
    let mut chunk = vec![0; CHUNK_BYTES.min(ENCODING_BYTES)];
    let mut seen = 0;
    while seen < ENCODING_BYTES {
        match part.read(&mut chunk) {
            Ok(0) => break,
            Ok(n) => {
                looks.see(&chunk[..n]);
                seen += n;
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(reading(object.path, e)),
        }
    }
    Ok(match seen < ENCODING_BYTES {
        true => looks.is_utf8(),
        false => looks.begins_as_utf8(),
    })
}

/// The records of one text of an object; what the sender says of them is none.
struct Records {
    reader: CsvReader<Part>,
    header: Option<Control>,
    trailer: Option<Control>,
    /// Whether a record that is not blank was met.
    begun: bool,
}

/// A control record and what was found of it.
struct Control {
    declared: ControlRecord,
    /// Its fields and its line.
    met: Option<(Vec<String>, u64)>,
    /// The line of the first record that follows a trailer.
    followed: Option<u64>,
}

impl Control {
    fn of(declared: Option<&ControlRecord>) -> Option<Self> {
        Some(Self {
            declared: declared?.clone(),
            met: None,
            followed: None,
        })
    }

    /// Whether the reader stands at it; then it is remembered.
    fn meets(&mut self, reader: &CsvReader<Part>) -> bool {
        let begins = self.declared.starts_with.as_bytes();
        if self.met.is_some() || !reader.record().starts_with(begins) {
            return false;
        }
        let fields = reader.spans().iter().map(|span| reader.field(*span));
        let fields = fields.map(|field| String::from_utf8_lossy(&field).into_owned());
        self.met = Some((fields.collect(), reader.line()));
        true
    }
}

impl Records {
    /// Goes to the next record that is no control record; false at the end.
    fn advance(&mut self) -> Result<bool, SourceError> {
        while self.reader.advance()? {
            if (self.header.is_none() && self.trailer.is_none()) || self.reader.is_blank() {
                return Ok(true);
            }
            let first = !std::mem::replace(&mut self.begun, true);
            if first
                && let Some(header) = &mut self.header
                && header.meets(&self.reader)
            {
                continue;
            }
            if let Some(trailer) = &mut self.trailer {
                if trailer.meets(&self.reader) {
                    continue;
                }
                if trailer.met.is_some() {
                    trailer.followed.get_or_insert(self.reader.line());
                }
            }
            return Ok(true);
        }
        Ok(false)
    }
}

impl Deref for Records {
    type Target = CsvReader<Part>;

    fn deref(&self) -> &CsvReader<Part> {
        &self.reader
    }
}

/// A reader of one text of the object.
fn reader(object: &Opened, part: Part, chunk: usize) -> Result<Records, SourceError> {
    let csv = &object.feed.csv;
    let input = Decoded::new(part, csv.encoding);
    Ok(Records {
        reader: CsvReader::new(input, object.path, Dialect::new(csv)?, chunk),
        header: Control::of(csv.header_record.as_ref()),
        trailer: Control::of(csv.trailer.as_ref()),
        begun: false,
    })
}

/// Why the rows are not what the control records say of them; each text of an archive has its own.
fn control_flaw(object: &Opened) -> Result<Option<String>, SourceError> {
    let feed = object.feed;
    let mut texts = object.parts()?;
    while let Some(part) = texts.next()? {
        let member = part.member.clone();
        let mut reader = reader(object, part, object.chunk)?;
        if let Some(why) = text_flaw(&mut reader, feed, object.path)? {
            return Ok(Some(match member {
                Some(member) => format!("{why} (in its member `{member}`)"),
                None => why,
            }));
        }
    }
    Ok(None)
}

fn text_flaw(
    reader: &mut Records,
    feed: &FeedSpec,
    path: &str,
) -> Result<Option<String>, SourceError> {
    let declared = [&feed.csv.header_record, &feed.csv.trailer];
    let declared = declared.into_iter().flatten();
    let sums = declared.flat_map(|record| &record.sums);
    let mut tally = Tally::of(sums.map(|(column, _)| column.as_str()));
    let names = match (feed.csv.header, &feed.columns) {
        (true, _) => header_names(reader, &feed.csv, path)?,
        (false, names) => names.clone(),
    };
    if let Some(names) = names {
        let positions = match control::positions(&tally, &names) {
            Ok(positions) => positions,
            Err(why) => return Ok(Some(why)),
        };
        reader.reader.expect_fields(names.len());
        while reader.advance()? {
            if names.len() > 1 && reader.is_blank() {
                continue;
            }
            tally.rows += 1;
            for (column, at) in positions.iter().enumerate() {
                let value = reader.spans().get(*at).map(|span| reader.field(*span));
                let value = value.as_deref().map(String::from_utf8_lossy);
                let line = reader.line();
                tally.add(column, value.as_deref(), feed, &|| {
                    format!("on line {line}")
                });
            }
        }
    }
    let controls = [
        (Which::Header, &reader.header),
        (Which::Trailer, &reader.trailer),
    ];
    for (which, control) in controls {
        let Some(control) = control else { continue };
        let Some((fields, line)) = &control.met else {
            return Ok(Some(which.missing(&control.declared)));
        };
        if let Some(next) = control.followed {
            return Ok(Some(which.misplaced(*line, next)));
        }
        if let Some(why) = tally.against(which, &control.declared, fields) {
            return Ok(Some(why));
        }
    }
    Ok(None)
}

/// The members of an archive have the same columns.
fn other_columns(first: Option<&str>, member: Option<&str>) -> String {
    format!(
        "its member `{}` has other columns than `{}`; `members` under `unpack` of the feed names those that are read",
        member.unwrap_or_default(),
        first.unwrap_or_default()
    )
}

/// Why no names can be had from the header.
fn header_flaw(object: &Opened) -> Result<Option<String>, SourceError> {
    let (feed, path) = (object.feed, object.path);
    let mut first: Option<(Option<String>, Vec<String>)> = None;
    let mut texts = object.parts()?;
    while let Some(part) = texts.next()? {
        let member = part.member.clone();
        let mut reader = reader(object, part, object.chunk.min(HEADER_BYTES))?;
        let names = match header_names(&mut reader, &feed.csv, path) {
            Ok(None) => continue,
            Ok(Some(names)) => names,
            Err(e) if e.kind() == ErrorKind::Broken => {
                let message = e.to_string();
                let why = message.strip_prefix(&format!("cannot read the header of `{path}`: "));
                // A row that is too long is told with its line.
                return Ok(why.map(|why| format!("{HEADER}{why}")));
            }
            Err(e) => return Err(e),
        };
        let mut folded = match names::fold_unique(&names) {
            Ok(folded) => folded,
            Err(why) => return Ok(Some(format!("{HEADER}{why}"))),
        };
        if let Some(why) = other_delimiter(&names, feed) {
            return Ok(Some(format!("{HEADER}{why}")));
        }
        if let Some(why) = another_file(&names, &folded, feed) {
            return Ok(Some(format!("{HEADER}{why}")));
        }
        folded.sort_unstable();
        match &first {
            Some((name, first)) if *first != folded => {
                return Ok(Some(other_columns(name.as_deref(), member.as_deref())));
            }
            Some(_) => {}
            None => first = Some((member, folded)),
        }
    }
    Ok(None)
}

/// Cuts the whole object into rows, to see whether each can be held. Only where one might be too long.
fn cut(object: &Opened) -> Result<Option<String>, SourceError> {
    let mut texts = object.parts()?;
    while let Some(part) = texts.next()? {
        let mut reader = reader(object, part, object.chunk)?;
        loop {
            match reader.advance() {
                Ok(true) => {}
                Ok(false) => break,
                Err(e) if e.kind() == ErrorKind::Broken => {
                    return Ok(Some(reason_in(&e, object.path)));
                }
                Err(e) => return Err(e),
            }
        }
    }
    Ok(None)
}

/// Whether a row might be longer than it may be. Cheap: looks for two bytes a chunk; the rows themselves are cut only if it might.
pub(crate) struct Runs {
    last: u8,
    quote: Option<u8>,
    bytes_max: usize,
    bytes: usize,
    run: usize,
    longest: usize,
    /// A terminator may be text, so that runs do not tell how long a row is.
    hidden: bool,
    /// Of files in a one-byte encoding.
    looks_utf8: Option<LooksUtf8>,
}

impl Runs {
    pub(crate) fn new(csv: &CsvOptions) -> Self {
        let last = csv
            .terminator
            .as_ref()
            .and_then(|t| t.as_bytes().last().copied())
            .unwrap_or(b'\n');
        let quote = csv.quote.and_then(|q| u8::try_from(q).ok());
        let hidden = csv.terminator_in_fields
            || csv.terminator.as_ref().is_some_and(|t| t.len() > 1)
            || is_utf16(csv.encoding);
        // Runs between the first and the last terminator of a chunk are not looked at.
        let hidden = hidden || csv.max_line_bytes < CHUNK_BYTES;
        // A byte of Windows-1252 makes at most three of UTF-8.
        let bytes_max = if csv.encoding == Encoding::Utf8 {
            csv.max_line_bytes
        } else {
            csv.max_line_bytes / 3
        };
        Self {
            last,
            quote,
            bytes_max,
            bytes: 0,
            run: 0,
            longest: 0,
            hidden,
            looks_utf8: (csv.encoding == Encoding::Windows1252).then(LooksUtf8::default),
        }
    }

    /// Whether what is read in a one-byte encoding is UTF-8.
    pub(crate) fn are_utf8(&self) -> bool {
        self.looks_utf8.as_ref().is_some_and(LooksUtf8::is_utf8)
    }

    pub(crate) fn see(&mut self, chunk: &[u8]) {
        if let Some(looks) = &mut self.looks_utf8 {
            looks.see(chunk);
        }
        if self.bytes == 0 && (chunk.starts_with(b"\xFF\xFE") || chunk.starts_with(b"\xFE\xFF")) {
            self.hidden = true;
            self.bytes_max /= 2;
        }
        self.bytes = self.bytes.saturating_add(chunk.len());
        self.hidden = self.hidden
            || self
                .quote
                .is_some_and(|q| memchr::memchr(q, chunk).is_some());
        match memchr::memrchr(self.last, chunk) {
            None => self.run = self.run.saturating_add(chunk.len()),
            Some(last) => {
                self.run += memchr::memchr(self.last, chunk).unwrap_or(last);
                self.longest = self.longest.max(self.run);
                self.run = chunk.len() - last - 1;
            }
        }
    }

    pub(crate) fn are_suspicious(&self) -> bool {
        let longest = self.longest.max(self.run);
        longest > self.bytes_max.min(FIELDS_MAX) || (self.hidden && self.bytes > self.bytes_max)
    }
}

fn is_utf16(encoding: Encoding) -> bool {
    matches!(
        encoding,
        Encoding::Utf16 | Encoding::Utf16Le | Encoding::Utf16Be
    )
}

fn next_record(reader: &mut Records) -> Result<bool, SourceError> {
    while reader.advance()? {
        if !reader.is_blank() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The names in the header; none if the file holds no line. A header from which no names can be had breaks the file.
fn header_names(
    reader: &mut Records,
    csv: &CsvOptions,
    path: &str,
) -> Result<Option<Vec<String>>, SourceError> {
    if !next_record(reader)? {
        return Ok(None);
    }
    let has = |byte: u8, quoted: bool| {
        reader.spans().iter().any(|span| {
            (quoted || span.kind == FieldKind::Plain)
                && memchr::memchr(byte, &reader.field(*span)).is_some()
        })
    };
    let fields = || reader.spans().iter().map(|span| reader.field(*span));
    let zeros: usize = fields()
        .map(|field| memchr::memchr_iter(0, &field).count())
        .sum();
    let (why, remedy) = if reader.spans().iter().any(|s| s.kind == FieldKind::Unclosed) {
        (
            "a quote in it is never closed".to_owned(),
            "`csv: { quote: none }` of a feed reads files in which nothing is quoted".to_owned(),
        )
    } else if zeros > 0 && 4 * zeros >= reader.record().len() {
        let order = match reader.record().iter().position(|byte| *byte == 0) {
            Some(at) if at % 2 == 0 => Encoding::Utf16Be,
            _ => Encoding::Utf16Le,
        };
        (
            "it holds zero bytes, as UTF-16 does".to_owned(),
            read_by(order),
        )
    } else if csv.terminator.is_none() && has(b'\r', false) {
        (
            "lines end in a carriage return alone".to_owned(),
            "`csv: { terminator: \"\\r\" }` of a feed reads it".to_owned(),
        )
    } else if let Some(terminator) = &csv.terminator
        && (has(b'\n', false) || has(b'\r', false))
    {
        (
            format!("it runs over several lines, since none ends with `terminator: \"{}\"`", terminator.escape_default()),
            "leave `terminator` under `csv` of the feed out where lines end in a line feed, or declare what they end with".to_owned(),
        )
    } else if reader.is_last()
        && is_utf16(reader.encoding())
        && !fields().any(|field| field.iter().any(u8::is_ascii))
    {
        let encoding = reader.encoding();
        let bytes = original(reader.record(), encoding);
        let other = match (std::str::from_utf8(&bytes), encoding) {
            (Ok(text), _) if !text.contains('\0') => {
                "it is UTF-8, which is read where `csv` of the feed names no `encoding`".to_owned()
            }
            (_, Encoding::Utf16Be) => read_by(Encoding::Utf16Le),
            _ => read_by(Encoding::Utf16Be),
        };
        (
            format!(
                "read as `{}` it is all that the file holds, and no letter of it is a Latin one",
                encoding.name()
            ),
            other,
        )
    } else if fields().any(|field| field.iter().any(is_no_text)) {
        (
            "it holds control characters, as no text does".to_owned(),
            "if it is a text file, declare its `encoding` under `csv` of the feed".to_owned(),
        )
    } else if fields().any(|field| std::str::from_utf8(&field).is_err()) {
        match reader.encoding() {
            Encoding::Utf8 if is_windows_1252(reader.record()) => (
                "it is not valid in `utf-8`, the default".to_owned(),
                format!("if it is Windows-1252, {}", read_by(Encoding::Windows1252)),
            ),
            Encoding::Utf8 => (
                "it is not valid in `utf-8`, the default".to_owned(),
                "declare its `encoding` under `csv` of the feed".to_owned(),
            ),
            other => (
                format!("it is not valid in `{}`", other.name()),
                "mend `encoding` under `csv` of the feed, or have the file written anew".to_owned(),
            ),
        }
    } else {
        return Ok(Some(
            reader
                .spans()
                .iter()
                .map(|s| String::from_utf8_lossy(&reader.field(*s)).into_owned())
                .collect(),
        ));
    };
    Err(SourceError::new(
        ErrorKind::Broken,
        format!("cannot read the header of `{path}`: {why}; {remedy}"),
    )
    .object(path))
}

fn read_by(encoding: Encoding) -> String {
    format!(
        "`csv: {{ encoding: {} }}` of a feed reads it",
        encoding.name()
    )
}

/// Whether each byte has a meaning in Windows-1252; five have none.
fn is_windows_1252(bytes: &[u8]) -> bool {
    !bytes
        .iter()
        .any(|byte| matches!(byte, 0x81 | 0x8D | 0x8F | 0x90 | 0x9D))
}

/// A control character that no name of a column holds, whatever breaks its lines.
fn is_no_text(byte: &u8) -> bool {
    byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x1C..=0x1F)
}

/// What a header says that has none of the columns that every file of the feed has some of.
fn another_file(names: &[String], folded: &[String], feed: &FeedSpec) -> Option<String> {
    let of_feed = &feed.one_of_columns;
    let is_known = |name: &String| of_feed.contains(name);
    // Names with blanks around them are told with the `rename` that takes them (B8).
    let mut bare = names.iter().map(|name| names::fold(name.trim(), 1));
    if of_feed.is_empty() || folded.iter().any(is_known) || bare.any(|name| is_known(&name)) {
        return None;
    }
    let quoted = |names: &[String]| {
        let shown = names.iter().take(NAMES_SHOWN);
        let shown: Vec<String> = shown.map(|name| format!("`{name}`")).collect();
        let more = names.len().saturating_sub(NAMES_SHOWN);
        match more {
            0 => shown.join(", "),
            more => format!("{} and {more} more", shown.join(", ")),
        }
    };
    Some(format!(
        "of the feed's columns ({}) it has none, but {}; if they have other names now, `rename` of the feed says which",
        quoted(of_feed),
        quoted(names)
    ))
}

/// Columns that such a message lists.
const NAMES_SHOWN: usize = 5;

/// What a header of one column says that is the known columns between other delimiters.
fn other_delimiter(names: &[String], feed: &FeedSpec) -> Option<String> {
    let [only] = names else { return None };
    let is_known = |name: &String| feed.known_columns.contains(name);
    if is_known(&names::fold(only, 1)) {
        return None;
    }
    // What stands between words: the usual delimiters, or whatever else a system writes.
    let between = only
        .split(|char: char| char.is_alphanumeric() || char == '_')
        .map(|text| text.trim_matches('"'))
        .filter(|text| !text.is_empty());
    let delimiters: BTreeSet<&str> = between.collect();
    delimiters
        .into_iter()
        .filter(|delimiter| *delimiter != feed.csv.delimiter)
        .find_map(|delimiter| {
            let parts: Vec<String> = only
                .split(delimiter)
                .enumerate()
                .map(|(i, part)| names::fold(part.trim_matches(['"', ' ']), i + 1))
                .collect();
            let known: Vec<String> = parts
                .iter()
                .filter(|part| is_known(part))
                .map(|part| format!("`{part}`"))
                .collect();
            // One name may be chance, and a new column may be among them.
            (known.len() > 1 && 2 * known.len() > parts.len()).then(|| {
            format!(
                "it is one column with the delimiter `{}`; with `{}` it has the known columns {}",
                feed.csv.delimiter.escape_default(),
                delimiter.escape_default(),
                known.join(", ")
            )
        })
        })
}

/// Reads the header, if there is one, and finds where each field goes. None: the file holds no line.
fn layout(
    reader: &mut Records,
    feed: &FeedSpec,
    path: &str,
) -> Result<Option<Layout>, SourceError> {
    let column = |name: String, source_name: &str| Column {
        name,
        source_name: source_name.to_owned(),
        data_type: DataType::Utf8,
    };
    if !feed.csv.header {
        let Some(names) = feed.columns.as_deref().filter(|c| !c.is_empty()) else {
            return Err(SourceError::new(ErrorKind::Config, format!("cannot name the columns of feed `{}`: its files have no header and it declares no columns", feed.name))
                .hint("declare `columns: [first, second, …]`; `karat source discover` writes a proposal"));
        };
        let folded = names::fold_all(names, &feed.name)?;
        let columns: Vec<Column> = names
            .iter()
            .zip(folded)
            .map(|(source_name, name)| column(name, source_name))
            .collect();
        let slots = (0..columns.len()).map(Some).collect();
        return Ok(Some(Layout { columns, slots }));
    }
    let Some(found) = header_names(reader, &feed.csv, path)? else {
        return Ok(None);
    };
    let folded = names::fold_all(&found, path)?;
    let mut columns = Vec::new();
    let mut slots = Vec::new();
    let chosen = feed.columns.as_deref();
    if let Some(chosen) = chosen
        && let Some(missing) = chosen
            .iter()
            .find(|c| !found.contains(c) && !folded.contains(c))
    {
        return Err(not_there(path, missing, &found));
    }
    for (source_name, name) in found.iter().zip(folded) {
        if chosen.is_none_or(|chosen| chosen.contains(source_name) || chosen.contains(&name)) {
            slots.push(Some(columns.len()));
            columns.push(column(name, source_name));
        } else {
            slots.push(None);
        }
    }
    Ok(Some(Layout { columns, slots }))
}
