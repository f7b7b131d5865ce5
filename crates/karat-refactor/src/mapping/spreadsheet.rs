//! The sheets of an XLSX document, cell by cell: what is text and what a spreadsheet made something else of. The crate `calamine` reads them;
//! no formula is computed.
//!
//! Ours are the limits, since `calamine` has none: it takes the memory for the shared texts that a document announces, and gives every style of
//! cells a copy of its font and format. Cells are read one after the other, as the rectangle of a sheet with two cells may not fit in memory.
//! A number comes as the number that it is, not in the digits that the document has for it.

use std::io::Cursor;

use calamine::{CellErrorType, DataRef, Reader, SheetType, SheetVisible, Xlsx, XlsxError};

use crate::packed::Archive;

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// A number.
    Number(String),
    /// A number that is shown as a date or time.
    Date(String),
    /// A truth value.
    Bool(String),
    /// An error of a formula.
    Error(String),
    /// A formula that nobody has computed: the program that wrote the document left its value out.
    Formula(String),
}

impl Cell {
    /// Its content as text.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Empty => "",
            Self::Text(text)
            | Self::Number(text)
            | Self::Date(text)
            | Self::Bool(text)
            | Self::Error(text)
            | Self::Formula(text) => text,
        }
    }
}

/// A row: its number from 1, and its cells from column A on.
pub(super) type SheetRow = (usize, Vec<Cell>);

/// A sheet.
pub(super) struct Sheet {
    /// Its name.
    pub(super) name: String,
    /// Whether people see it.
    pub(super) is_visible: bool,
    /// Its rows that have cells.
    pub(super) rows: Vec<SheetRow>,
    /// Cells that were made one: first and last row from 1, first and last column from 0. Only the first of them has the text.
    pub(super) merged: Vec<((usize, usize), (usize, usize))>,
}

/// The first row that is hidden, in a document that has any.
pub(super) fn hidden_row(bytes: &[u8]) -> Option<usize> {
    let archive = Archive::read(bytes).ok()?;
    let sheets = archive
        .members()
        .iter()
        .filter(|member| member.name.to_lowercase().contains("worksheets/sheet"));
    for member in sheets {
        let part = archive.unpack(member, PART_SIZE_MAX).ok()?;
        let text = String::from_utf8_lossy(&part);
        for tag in text.split("<row ").skip(1) {
            let tag = &tag[..tag.find('>').unwrap_or(tag.len())];
            let value = |name: &str| tag.split_once(name)?.1.split('"').next();
            if matches!(value("hidden=\""), Some("1" | "true")) {
                return value("r=\"").and_then(|number| number.parse().ok());
            }
        }
    }
    None
}

/// A part that is unpacked may have this many bytes.
const PART_SIZE_MAX: u64 = 512 * 1024 * 1024;
/// The part with the styles may have this many: each of its bytes becomes some thirty.
const STYLES_SIZE_MAX: u64 = 8 * 1024 * 1024;
/// An attribute of the styles may have this many bytes (in Excel, names of fonts have 31 letters and formats 255).
const STYLE_LENGTH_MAX: usize = 1024;
/// Columns beyond this are not read (Excel has as many).
const COLUMNS_MAX: usize = 16_384;
/// The most cells that a document may have, with the empty ones before others.
const CELLS_MAX: usize = 1 << 25;

/// All sheets of a document in their order.
pub(super) fn sheets(bytes: &[u8]) -> Result<Vec<Sheet>, String> {
    check(bytes)?;
    let mut document = Xlsx::new(Cursor::new(bytes)).map_err(|error| match error {
        XlsxError::FileNotFound(part) => format!("it is no XLSX document: it has no `{part}`"),
        other => other.to_string(),
    })?;
    let names: Vec<(String, bool)> = document
        .sheets_metadata()
        .iter()
        .filter(|sheet| sheet.typ == SheetType::WorkSheet)
        .map(|sheet| (sheet.name.clone(), sheet.visible == SheetVisible::Visible))
        .collect();
    let (mut sheets, mut count) = (Vec::new(), 0);
    for (name, is_visible) in names {
        let mut cells = match document.worksheet_cells_reader(&name) {
            Ok(cells) => cells,
            Err(XlsxError::WorksheetNotFound(_)) => continue,
            Err(error) => return Err(format!("its sheet `{name}`: {error}")),
        };
        let mut rows: Vec<SheetRow> = Vec::new();
        loop {
            let found = cells.next_cell().map_err(|error| {
                let row = rows.last().map_or(1, |(row, _)| *row);
                format!("its sheet `{name}`, in row {row} or after: {error}")
            })?;
            let Some(found) = found else {
                break;
            };
            let (row, column) = found.get_position();
            let (row, column) = (row as usize + 1, column as usize);
            if rows.last().is_none_or(|(last, _)| *last != row) {
                rows.push((row, Vec::new()));
            }
            let cell = cell(found.get_value());
            if let Some((_, cells)) = rows.last_mut()
                && column < COLUMNS_MAX
                && cell != Cell::Empty
            {
                let length = cells.len().max(column + 1);
                count += length - cells.len();
                if count > CELLS_MAX {
                    return Err(format!("it has more than {CELLS_MAX} cells"));
                }
                cells.resize(length, Cell::Empty);
                cells[column] = cell;
            }
        }
        drop(cells);
        formulas(&mut document, &name, &mut rows, &mut count)?;
        let merged = document
            .merge_cells_by_sheet_name(&name)
            .map_err(|error| format!("its sheet `{name}`: {error}"))?
            .iter()
            .map(|region| {
                let ((top, left), (bottom, right)) = (region.start, region.end);
                (
                    (top as usize + 1, bottom as usize + 1),
                    (left as usize, right as usize),
                )
            })
            .collect();
        sheets.push(Sheet {
            name,
            is_visible,
            rows,
            merged,
        });
    }
    Ok(sheets)
}

/// Puts formulas without a value where the document has nothing.
fn formulas(
    document: &mut Xlsx<Cursor<&[u8]>>,
    name: &str,
    rows: &mut Vec<SheetRow>,
    count: &mut usize,
) -> Result<(), String> {
    let told = |error: XlsxError| format!("its sheet `{name}`: {error}");
    let mut cells = document.worksheet_cells_reader(name).map_err(told)?;
    while let Some(found) = cells.next_formula().map_err(told)? {
        let (row, column) = found.get_position();
        let (row, column) = (row as usize + 1, column as usize);
        if found.get_value().is_empty() || column >= COLUMNS_MAX {
            continue;
        }
        let at = match rows.binary_search_by_key(&row, |(number, _)| *number) {
            Ok(at) => at,
            Err(at) => {
                rows.insert(at, (row, Vec::new()));
                at
            }
        };
        let cells = &mut rows[at].1;
        if cells.len() <= column {
            *count += column + 1 - cells.len();
            if *count > CELLS_MAX {
                return Err(format!("it has more than {CELLS_MAX} cells"));
            }
            cells.resize(column + 1, Cell::Empty);
        }
        if cells[column] == Cell::Empty {
            cells[column] = Cell::Formula(format!("={}", found.get_value()));
        }
    }
    Ok(())
}

/// Refuses documents that would take more memory than they have bytes.
fn check(bytes: &[u8]) -> Result<(), String> {
    let archive = Archive::read(bytes).map_err(|error| error.to_string())?;
    for member in archive.members() {
        let name = member.name.to_lowercase();
        let is_texts = name.ends_with("sharedstrings.xml");
        let is_styles = name.ends_with("styles.xml") || name.contains("theme/");
        let limit = if is_styles {
            STYLES_SIZE_MAX
        } else {
            PART_SIZE_MAX
        };
        // The sizes hold: what is larger than its archive says is not read to its end.
        if member.size > limit {
            return Err(format!("`{}` is larger than {limit} bytes", member.name));
        }
        if !is_texts && !is_styles {
            continue;
        }
        let part = archive
            .unpack(member, limit)
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8(part)
            .ok()
            .filter(|text| !text.contains(|c: char| c.is_control() && !c.is_whitespace()))
            .ok_or_else(|| format!("its part `{}` is no UTF-8", member.name))?;
        if is_texts && !announces_what_it_has(&text) {
            return Err(format!(
                "its part `{}` announces more texts than it has",
                member.name
            ));
        }
        if is_styles
            && text
                .split(['"', '\'', '<', '>'])
                .any(|run| run.len() > STYLE_LENGTH_MAX)
        {
            return Err(format!(
                "its part `{}` has a style with a name of more than {STYLE_LENGTH_MAX} bytes",
                member.name
            ));
        }
    }
    Ok(())
}

/// Whether there is room for all texts that a part of shared texts announces.
fn announces_what_it_has(text: &str) -> bool {
    text.split("uniqueCount").skip(1).all(|rest| {
        let digits = rest.trim_start_matches(|c: char| !c.is_ascii_digit());
        let end = digits
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(digits.len());
        digits[..end]
            .parse::<usize>()
            .is_ok_and(|count| count <= text.len())
    })
}

fn cell(value: &DataRef<'_>) -> Cell {
    match value {
        DataRef::Empty => Cell::Empty,
        DataRef::String(text) if text.is_empty() => Cell::Empty,
        DataRef::String(text) => Cell::Text(text.clone()),
        DataRef::SharedString(text) => Cell::Text((*text).to_owned()),
        DataRef::Int(number) => Cell::Number(number.to_string()),
        DataRef::Float(number) => Cell::Number(digits(*number)),
        DataRef::DateTime(date) => Cell::Date(digits(date.as_f64())),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => Cell::Date(text.clone()),
        DataRef::Bool(true) => Cell::Bool("TRUE".to_owned()),
        DataRef::Bool(false) => Cell::Bool("FALSE".to_owned()),
        DataRef::Error(error) => Cell::Error(error_text(error)),
    }
}

fn error_text(error: &CellErrorType) -> String {
    error.to_string()
}

/// A number as a person would know it again. A power of ten from 1E10 on is written as such: where a name belongs, it was one like `1E10`.
fn digits(number: f64) -> String {
    let short = format!("{number:E}");
    let size = number.abs();
    if size >= 1e17 || (size >= 1e10 && short.starts_with("1E")) || (size > 0.0 && size < 1e-9) {
        short
    } else {
        number.to_string()
    }
}
