//! One workbook: a sheet of it, its header, and its cells as the text that Excel shows for a value without a format: `12`, `0.1`, `2026-01-05`, `TRUE`
//! (B3). What is no value (`#N/A`) and what is no day (29 February 1900) is set aside with the reason (B5).
//!
//! Cells of xlsx and xlsb are streamed, those of xls and ods held: their libraries give no other way. What a workbook unpacks to is bounded before.

use std::fs::File;
use std::io::{BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use calamine::{
    Data, Dimensions, ExcelDateTime, ExcelDateTimeType, Ods, Reader as _, Sheet, SheetType,
    SheetVisible, Xls, Xlsb, Xlsx, open_workbook_from_rs,
};
use serde_json::{Map, Value, json};

use crate::format::{FileFormat, ObjectCount, Opened, Sample, SampleColumn, not_there, reading};
use crate::packed;
use crate::rows::{self, OwnColumns, TextColumn};
use crate::{Column, ErrorKind, FeedSpec, Object, SourceError, discover, names};

/// The format.
pub(crate) struct Excel;

impl FileFormat for Excel {
    fn check(&self, feed: &FeedSpec) -> Result<(), SourceError> {
        Area::of(feed).map(drop)
    }

    fn flaw(&self, object: &Opened, _: bool) -> Result<Option<String>, SourceError> {
        let all = || -> Result<(), SourceError> {
            bounded(object)?;
            let mut sheet = SheetReader::open(object)?;
            sheet.rows(object, &mut |_, _| Ok(true)).map(drop)
        };
        // What the decoder does not expect it may panic over.
        match catch_unwind(AssertUnwindSafe(all)) {
            Ok(read) => read.map(|()| None),
            Err(_) => Ok(Some(DAMAGED.to_owned())),
        }
    }

    fn columns_are_costly(&self) -> bool {
        true
    }

    fn columns(&self, object: &Opened) -> Result<Option<Vec<Column>>, SourceError> {
        let mut sheet = SheetReader::open(object)?;
        sheet.rows(object, &mut |_, _| Ok(false))?;
        let Some(header) = sheet.columns else {
            return Ok(None);
        };
        Ok(Some(header.into_iter().map(|(_, column)| column).collect()))
    }

    fn has_rows(&self, object: &Opened) -> Result<bool, SourceError> {
        let mut any = false;
        SheetReader::open(object)?.rows(object, &mut |_, _| {
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
        let schema = rows::schema(&columns);
        let mut texts: Vec<TextColumn> = columns.iter().map(|_| TextColumn::default()).collect();
        let mut own = OwnColumns::new(object.path, object.op(), &of.mark);
        let mut finish = |texts: &mut Vec<TextColumn>, own: &mut OwnColumns| {
            let payload = texts.iter_mut();
            let payload: Result<Vec<ArrayRef>, SourceError> = payload
                .map(|text| Ok(Arc::new(text.finish()?) as ArrayRef))
                .collect();
            each(own.finish(&schema, payload?)?)
        };
        let mut sheet = SheetReader::open(object)?;
        let blank = sheet.rows(object, &mut |number, cells| {
            let mut aside = Map::new();
            let mut reasons: Vec<&str> = Vec::new();
            let mut bytes = 0;
            for ((text, cell), column) in texts.iter_mut().zip(cells).zip(&columns) {
                match shown(cell) {
                    Shown::Nothing => text.push_null(),
                    Shown::Text(value) => {
                        bytes += value.len();
                        text.push(value.as_bytes());
                    }
                    Shown::Aside(why, value) => {
                        text.push_null();
                        if !reasons.contains(&why) {
                            reasons.push(why);
                        }
                        aside.insert(column.name.clone(), json!(value));
                    }
                }
            }
            let rescued = (!reasons.is_empty()).then(|| {
                json!({"reason": reasons.join(", "), "values": Value::Object(aside)}).to_string()
            });
            if own.push(u64::from(number), rescued.as_deref(), bytes) {
                finish(&mut texts, &mut own)?;
            }
            Ok(true)
        })?;
        if !own.is_empty() {
            finish(&mut texts, &mut own)?;
        }
        Ok(ObjectCount {
            rows: own.rows,
            rescued: own.rows_rescued,
            blank_lines: blank,
        })
    }

    fn sample(&self, object: &Opened, rows_max: u64) -> Result<Option<Sample>, SourceError> {
        let Some(columns) = self.columns(object)? else {
            return Ok(None);
        };
        let mut profiles = vec![discover::Profile::default(); columns.len()];
        let mut rows = 0;
        SheetReader::open(object)?.rows(object, &mut |_, cells| {
            for (profile, cell) in profiles.iter_mut().zip(cells) {
                if let Shown::Text(value) = shown(cell)
                    && !object.feed.null_values.contains(&value)
                {
                    profile.see(&value);
                }
            }
            rows += 1;
            Ok(rows < rows_max)
        })?;
        let columns = columns.into_iter().zip(profiles);
        Ok(Some(Sample {
            columns: columns
                .map(|(column, profile)| SampleColumn {
                    source_name: column.source_name,
                    name: column.name,
                    typed: None,
                    profile,
                })
                .collect(),
            rows,
            written: "a workbook",
            ..Sample::default()
        }))
    }
}

const DAMAGED: &str = "the workbook is damaged";
const NONE: &str =
    "it is no workbook that can be read: xlsx, xlsb, xls and ods without a password are";
/// How reasons begin that another setting of the feed may do away with.
const SETTINGS: [&str; 3] = ["it has no sheet", "its header, row ", "its merged cells"];

/// Whether an object known to be broken for this reason, which this file gave, might be whole under the settings of today.
pub(crate) fn may_be_whole_now(reason: &str, feed: &FeedSpec) -> bool {
    SETTINGS.iter().any(|start| reason.starts_with(start))
        || ([DAMAGED, NONE].contains(&reason) && feed.format != crate::Format::Excel)
}

/// A workbook is read into memory in part: what it unpacks to must be bounded.
fn bounded(object: &Opened) -> Result<(), SourceError> {
    let archive = packed::Parts::of_workbook(object.file()?, object.feed);
    let mut archive = match archive.map_err(|e| reading(object.path, e))? {
        Ok(Some(archive)) => archive,
        // No archive: xls is not packed.
        Ok(None) => return Ok(()),
        Err(why) => return Err(object.broken(&why)),
    };
    let mut chunk = vec![0; packed::CHUNK_BYTES];
    while let Some(mut part) = archive.next().map_err(|e| reading(object.path, e))? {
        loop {
            match part.read(&mut chunk) {
                Ok(0) => break,
                Ok(_) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(e) => return Err(reading(object.path, e)),
            }
        }
    }
    Ok(())
}

/// The part of a sheet that is read: columns and rows from 0, both ends included.
#[derive(Debug, Clone, Copy)]
struct Area {
    first: (u32, u32),
    last: (u32, u32),
}

impl Area {
    fn of(feed: &FeedSpec) -> Result<Self, SourceError> {
        let all = Self {
            first: (0, 0),
            last: (u32::MAX, u32::MAX),
        };
        let Some(range) = &feed.excel.range else {
            return Ok(all);
        };
        let fail = || {
            SourceError::new(
                ErrorKind::Config,
                format!("cannot read the range `{range}` of feed `{}`", feed.name),
            )
            .hint("write it like `A1:F`, `B3:D200` or `A:F`")
        };
        let (from, to) = range.split_once(':').ok_or_else(fail)?;
        let (first_column, first_row) = corner(from).ok_or_else(fail)?;
        let (last_column, last_row) = corner(to).ok_or_else(fail)?;
        let area = Self {
            first: (first_row.unwrap_or(0), first_column),
            last: (last_row.unwrap_or(u32::MAX), last_column),
        };
        match area.first.0 <= area.last.0 && area.first.1 <= area.last.1 {
            true => Ok(area),
            false => Err(fail()),
        }
    }
}

/// Column and row of `AB12`, from 0; the row may be missing.
fn corner(text: &str) -> Option<(u32, Option<u32>)> {
    let text = text.trim().replace('$', "");
    let cut = text
        .find(|c: char| c.is_ascii_digit())
        .unwrap_or(text.len());
    let (letters, digits) = text.split_at(cut);
    if letters.is_empty() || letters.len() > 3 {
        return None;
    }
    let mut column = 0;
    for letter in letters.chars() {
        let letter = letter.to_ascii_uppercase();
        if !letter.is_ascii_uppercase() {
            return None;
        }
        column = column * 26 + (u32::from(letter) - u32::from('A') + 1);
    }
    let row = match digits {
        "" => None,
        digits => Some(digits.parse::<u32>().ok()?.checked_sub(1)?),
    };
    Some((column - 1, row))
}

enum Book {
    Xlsx(Xlsx<BufReader<File>>),
    Xlsb(Xlsb<BufReader<File>>),
    Xls(Xls<BufReader<File>>),
    Ods(Ods<BufReader<File>>),
}

impl Book {
    fn open(object: &Opened) -> Result<Self, SourceError> {
        // Each kind looks at the file from its start.
        let file = || object.file().map(BufReader::new);
        if let Ok(book) = open_workbook_from_rs::<Xlsx<_>, _>(file()?) {
            return Ok(Self::Xlsx(book));
        }
        if let Ok(book) = open_workbook_from_rs::<Xlsb<_>, _>(file()?) {
            return Ok(Self::Xlsb(book));
        }
        if let Ok(book) = open_workbook_from_rs::<Ods<_>, _>(file()?) {
            return Ok(Self::Ods(book));
        }
        match open_workbook_from_rs::<Xls<_>, _>(file()?) {
            Ok(book) => Ok(Self::Xls(book)),
            Err(_) => Err(object.broken(NONE)),
        }
    }

    fn sheets(&self) -> &[Sheet] {
        match self {
            Self::Xlsx(book) => book.sheets_metadata(),
            Self::Xlsb(book) => book.sheets_metadata(),
            Self::Xls(book) => book.sheets_metadata(),
            Self::Ods(book) => book.sheets_metadata(),
        }
    }

    /// Merged cells; none if the kind of workbook does not tell them.
    fn merged(&mut self, sheet: &str) -> Option<Vec<Dimensions>> {
        match self {
            Self::Xlsx(book) => book.merge_cells_by_sheet_name(sheet).ok(),
            Self::Xls(book) => book.merge_cells_by_sheet_name(sheet).ok(),
            Self::Xlsb(_) | Self::Ods(_) => None,
        }
    }

    /// Gives the cells that hold something, row after row; stops when told to.
    fn cells(&mut self, sheet: &str, each: EachCell) -> Result<(), CellsError> {
        match self {
            Self::Xlsx(book) => {
                let mut cells = book
                    .worksheet_cells_reader(sheet)
                    .map_err(|_| CellsError::Damaged)?;
                while let Some(cell) = cells.next_cell().map_err(|_| CellsError::Damaged)? {
                    let (row, column) = cell.get_position();
                    if !each(row, column, Data::from(cell.get_value().clone()))? {
                        break;
                    }
                }
            }
            Self::Xlsb(book) => {
                let mut cells = book
                    .worksheet_cells_reader(sheet)
                    .map_err(|_| CellsError::Damaged)?;
                while let Some(cell) = cells.next_cell().map_err(|_| CellsError::Damaged)? {
                    let (row, column) = cell.get_position();
                    if !each(row, column, Data::from(cell.get_value().clone()))? {
                        break;
                    }
                }
            }
            Self::Xls(book) => held(book.worksheet_range(sheet), each)?,
            Self::Ods(book) => held(book.worksheet_range(sheet), each)?,
        }
        Ok(())
    }
}

/// Takes a row, by its number from 1; false ends the reading.
type EachRow<'e> = &'e mut dyn FnMut(u32, &[Data]) -> Result<bool, SourceError>;
/// Takes a cell, by its row and column from 0; false ends the reading.
type EachCell<'e> = &'e mut dyn FnMut(u32, u32, Data) -> Result<bool, SourceError>;

enum CellsError {
    Damaged,
    Other(SourceError),
}

impl From<SourceError> for CellsError {
    fn from(error: SourceError) -> Self {
        Self::Other(error)
    }
}

fn held<E>(range: Result<calamine::Range<Data>, E>, each: EachCell) -> Result<(), CellsError> {
    let range = range.map_err(|_| CellsError::Damaged)?;
    let (first_row, first_column) = range.start().unwrap_or((0, 0));
    for (row, column, value) in range.used_cells() {
        if !each(
            first_row + row as u32,
            first_column + column as u32,
            value.clone(),
        )? {
            break;
        }
    }
    Ok(())
}

/// The sheet that a feed reads.
struct SheetReader {
    book: Book,
    sheet: String,
    area: Area,
    header_row: Option<u32>,
    merged: Vec<Dimensions>,
    /// Once the header was met: the place of each column that lands.
    columns: Option<Vec<(u32, Column)>>,
}

impl SheetReader {
    fn open(object: &Opened) -> Result<Self, SourceError> {
        let excel = &object.feed.excel;
        let mut book = Book::open(object)?;
        let sheets: Vec<&Sheet> = book
            .sheets()
            .iter()
            .filter(|sheet| sheet.typ == SheetType::WorkSheet)
            .collect();
        let by_name = |name: &String| {
            let number = name.parse::<usize>().ok();
            let named = sheets.iter().find(|sheet| sheet.name == *name);
            // A number that is no name counts.
            named.or_else(|| sheets.get(number?.checked_sub(1)?))
        };
        let sheet = match &excel.sheet {
            Some(name) => by_name(name),
            None => sheets
                .iter()
                .find(|sheet| sheet.visible == SheetVisible::Visible),
        };
        let Some(sheet) = sheet.map(|sheet| sheet.name.clone()) else {
            let names: Vec<String> = sheets
                .iter()
                .map(|sheet| format!("`{}`", sheet.name))
                .collect();
            let why = match &excel.sheet {
                Some(name) => format!(
                    "it has no sheet `{name}`; its sheets are {}",
                    names.join(", ")
                ),
                None => "it has no sheet that is visible".to_owned(),
            };
            return Err(object.broken(&why));
        };
        let merged = match excel.fill_merged {
            true => book.merged(&sheet).ok_or_else(|| {
                object
                    .broken("its merged cells cannot be told: `fill_merged` works for xlsx and xls")
            })?,
            false => Vec::new(),
        };
        Ok(Self {
            book,
            sheet,
            area: Area::of(object.feed)?,
            header_row: excel.header_row,
            merged,
            columns: None,
        })
    }

    /// Gives each row with its number in the sheet, from 1, and the cells of the columns that land; stops when told to. How many rows were empty.
    fn rows(&mut self, object: &Opened, each: EachRow) -> Result<u64, SourceError> {
        let area = self.area;
        let mut filling = Filling {
            header_row: self.header_row,
            merged: std::mem::take(&mut self.merged),
            values: Vec::new(),
            columns: None,
            last: None,
            blank: 0,
            first_row: area.first.0,
        };
        filling.values.resize(filling.merged.len(), Data::Empty);
        let mut row: Option<u32> = None;
        let mut cells: Vec<(u32, Data)> = Vec::new();
        let mut goes_on = true;
        let read = self.book.cells(&self.sheet, &mut |at, column, value| {
            let is_inside = (area.first.0..=area.last.0).contains(&at)
                && (area.first.1..=area.last.1).contains(&column);
            if !is_inside || value == Data::Empty {
                return Ok(at <= area.last.0);
            }
            if row != Some(at) {
                if row.is_some_and(|row| row > at) {
                    return Err(object.broken(DAMAGED));
                }
                if let Some(row) = row {
                    goes_on = filling.take(object, row, &cells, each)?;
                }
                row = Some(at);
                cells.clear();
            }
            cells.push((column, value));
            Ok(goes_on)
        });
        match read {
            Ok(()) => {}
            Err(CellsError::Damaged) => return Err(object.broken(DAMAGED)),
            Err(CellsError::Other(e)) => return Err(e),
        }
        if goes_on
            && let Some(row) = row
            && filling.take(object, row, &cells, each)?
        {
            // A merged cell may reach below the last row that holds something.
            let below = filling.merged.iter().map(|merged| merged.end.0).max();
            if let Some(below) = below.filter(|below| *below > row) {
                filling.gap(object, below.min(area.last.0).saturating_add(1), each)?;
            }
        }
        self.columns = filling.columns;
        Ok(filling.blank)
    }
}

/// Makes rows of cells.
struct Filling {
    header_row: Option<u32>,
    merged: Vec<Dimensions>,
    /// The value of each merged cell, once it was met.
    values: Vec<Data>,
    columns: Option<Vec<(u32, Column)>>,
    last: Option<u32>,
    blank: u64,
    first_row: u32,
}

impl Filling {
    fn take(
        &mut self,
        object: &Opened,
        row: u32,
        cells: &[(u32, Data)],
        each: EachRow,
    ) -> Result<bool, SourceError> {
        if !self.gap(object, row, each)? {
            return Ok(false);
        }
        self.row(object, row, cells, each)
    }

    /// The rows before this one that hold nothing but a part of a merged cell.
    fn gap(&mut self, object: &Opened, row: u32, each: EachRow) -> Result<bool, SourceError> {
        let Some(last) = self.last else {
            return Ok(true);
        };
        let is_covered = |at: u32| {
            let mut merged = self.merged.iter();
            merged.any(|merged| merged.start.0 < at && at <= merged.end.0)
        };
        let covered: Vec<u32> = match self.merged.is_empty() {
            true => Vec::new(),
            false => (last + 1..row).filter(|at| is_covered(*at)).collect(),
        };
        self.blank += u64::from(row - last - 1) - covered.len() as u64;
        for at in covered {
            if !self.row(object, at, &[], each)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn row(
        &mut self,
        object: &Opened,
        row: u32,
        cells: &[(u32, Data)],
        each: EachRow,
    ) -> Result<bool, SourceError> {
        let mut cells = cells.to_vec();
        for (merged, value) in self.merged.iter().zip(&mut self.values) {
            if let Some((_, met)) = cells.iter().find(|(at, _)| (row, *at) == merged.start) {
                *value = met.clone();
            }
            if merged.start.0 <= row && row <= merged.end.0 && *value != Data::Empty {
                for at in merged.start.1..=merged.end.1.min(merged.start.1 + 16_384) {
                    if !cells.iter().any(|(column, _)| *column == at) {
                        cells.push((at, value.clone()));
                    }
                }
            }
        }
        cells.sort_by_key(|(at, _)| *at);
        let Some(columns) = &self.columns else {
            let is_header = match self.header_row {
                Some(number) => row + 1 >= number,
                None => true,
            };
            if !is_header {
                return Ok(true);
            }
            if let Some(number) = self.header_row.filter(|number| row + 1 > *number) {
                return Err(object.broken(&format!("its header, row {number}, is empty")));
            }
            self.columns = Some(header(object, row, &cells)?);
            self.last = Some(row);
            return Ok(true);
        };
        self.last = Some(row);
        let line: Vec<Data> = columns
            .iter()
            .map(|(at, _)| {
                let found = cells.binary_search_by_key(at, |(column, _)| *column);
                found.map_or(Data::Empty, |place| cells[place].1.clone())
            })
            .collect();
        let lands = |at: &u32| {
            columns
                .binary_search_by_key(at, |(column, _)| *column)
                .is_ok()
        };
        let extra = cells.iter().any(|(at, _)| !lands(at));
        if line.iter().all(|value| *value == Data::Empty) && !extra {
            self.blank += 1;
            return Ok(true);
        }
        debug_assert!(row >= self.first_row, "cells above the range are left out");
        each(row + 1, &line)
    }
}

/// The columns that the cells of the header name. An empty one between two others has its place as its name.
fn header(
    object: &Opened,
    row: u32,
    cells: &[(u32, Data)],
) -> Result<Vec<(u32, Column)>, SourceError> {
    let (first, last) = match (cells.first(), cells.last()) {
        (Some((first, _)), Some((last, _))) => (*first, *last),
        _ => return Err(object.broken(&format!("its header, row {}, is empty", row + 1))),
    };
    let names: Vec<String> = (first..=last)
        .map(|at| match cells.iter().find(|(column, _)| *column == at) {
            None => String::new(),
            Some((_, cell)) => match shown(cell) {
                Shown::Text(text) => text.trim().to_owned(),
                _ => String::new(),
            },
        })
        .collect();
    let folded = names::fold_unique(&names).map_err(|why| {
        object.broken(&format!(
            "its header, row {}, cannot be read: {why}",
            row + 1
        ))
    })?;
    let chosen = object.feed.columns.as_deref();
    if let Some(missing) = chosen
        .into_iter()
        .flatten()
        .find(|name| !names.contains(name) && !folded.contains(name))
    {
        return Err(not_there(object.path, missing, &names));
    }
    let places = (first..=last).zip(names).zip(folded);
    Ok(places
        .filter(|((_, source_name), name)| {
            chosen.is_none_or(|chosen| chosen.contains(source_name) || chosen.contains(name))
        })
        .map(|((at, source_name), name)| {
            let data_type = DataType::Utf8;
            (
                at,
                Column {
                    name,
                    source_name,
                    data_type,
                },
            )
        })
        .collect())
}

/// What a cell says.
enum Shown {
    Nothing,
    Text(String),
    /// Why it is set aside, and its text.
    Aside(&'static str, String),
}

fn shown(cell: &Data) -> Shown {
    match cell {
        Data::Empty => Shown::Nothing,
        Data::String(text) => Shown::Text(text.clone()),
        Data::Int(number) => Shown::Text(number.to_string()),
        Data::Float(number) => Shown::Text(number_text(*number)),
        Data::Bool(true) => Shown::Text("TRUE".to_owned()),
        Data::Bool(false) => Shown::Text("FALSE".to_owned()),
        // As of the other kinds: a day, or a day and a time.
        Data::DateTimeIso(text) => Shown::Text(text.replacen('T', " ", 1)),
        Data::DurationIso(text) => Shown::Text(text.clone()),
        Data::Error(error) => Shown::Aside("error_value", error.to_string()),
        Data::DateTime(time) => time_text(time),
    }
}

/// The shortest text that reads back as the number; a whole one without a point.
fn number_text(number: f64) -> String {
    match number == 0.0 {
        // Excel shows no sign of nothing.
        true => "0".to_owned(),
        false => number.to_string(),
    }
}

/// Days after 31 December 9999 are none of Excel's: their numbers, counted from 1900 and from 1904.
const BEYOND_1900: f64 = 2_958_466.0;
const BEYOND_1904: f64 = 2_957_004.0;

fn time_text(time: &ExcelDateTime) -> Shown {
    let serial = time.as_f64();
    if !serial.is_finite() || serial < 0.0 {
        return Shown::Aside("date_before_1900", number_text(serial));
    }
    if time.is_duration() {
        let millis = (serial * 86_400_000.0).round() as u64;
        let (seconds, rest) = (millis / 1_000, millis % 1_000);
        let text = format!(
            "{}:{:02}:{:02}",
            seconds / 3_600,
            seconds / 60 % 60,
            seconds % 60
        );
        return Shown::Text(text + &fraction(rest as u16));
    }
    // The calendar is told by comparing alone.
    let is_1904 = *time == ExcelDateTime::new(serial, ExcelDateTimeType::DateTime, true);
    let beyond = if is_1904 { BEYOND_1904 } else { BEYOND_1900 };
    if serial >= beyond {
        return Shown::Aside("date_out_of_range", number_text(serial));
    }
    let (year, month, day, hour, minute, second, milli) = time.to_ymd_hms_milli();
    let clock = format!("{hour:02}:{minute:02}:{second:02}{}", fraction(milli));
    let date = format!("{year:04}-{month:02}-{day:02}");
    match (year, month, day) {
        // Day 0: a time alone.
        _ if serial < 1.0 && (serial > 0.0 || !is_1904) => Shown::Text(clock),
        // Excel takes 1900 for a leap year.
        (1900, 2, 29) => Shown::Aside("no_such_day", date),
        _ if clock == "00:00:00" => Shown::Text(date),
        _ => Shown::Text(format!("{date} {clock}")),
    }
}

fn fraction(milli: u16) -> String {
    match milli {
        0 => String::new(),
        milli => format!(".{milli:03}"),
    }
}
