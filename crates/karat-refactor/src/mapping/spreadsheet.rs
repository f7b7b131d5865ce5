//! The sheets of an XLSX document, cell by cell: what is text and what a spreadsheet made something else of. No formula is computed.

use std::collections::HashMap;

use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use crate::packed::Archive;

/// A cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Cell {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// A number, as stored.
    Number(String),
    /// A number that is shown as a date or time.
    Date(String),
    /// A truth value.
    Bool(String),
    /// An error of a formula.
    Error(String),
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
            | Self::Error(text) => text,
        }
    }
}

/// A row: its number from 1, and its cells from column A on.
pub(super) type SheetRow = (usize, Vec<Cell>);

/// A part that is unpacked may have this many bytes.
const PART_SIZE_MAX: u64 = 512 * 1024 * 1024;
/// Columns beyond this are not read (Excel has as many).
const COLUMNS_MAX: usize = 16_384;

/// All sheets of a document in their order.
pub(super) fn sheets(bytes: &[u8]) -> Result<Vec<Vec<SheetRow>>, String> {
    let archive = Archive::read(bytes).map_err(|error| error.to_string())?;
    let part = |name: &str| -> Result<Option<String>, String> {
        let Some(member) = archive.member(name) else {
            return Ok(None);
        };
        let bytes = archive
            .unpack(member, PART_SIZE_MAX)
            .map_err(|error| error.to_string())?;
        String::from_utf8(bytes)
            .map(Some)
            .map_err(|_| format!("its part `{name}` is no UTF-8"))
    };
    let workbook = part("xl/workbook.xml")?.ok_or("it is no XLSX document: it has no workbook")?;
    let relations = part("xl/_rels/workbook.xml.rels")?.unwrap_or_default();
    let shared = match part("xl/sharedStrings.xml")? {
        Some(text) => shared_strings(&text)?,
        None => Vec::new(),
    };
    let dates = match part("xl/styles.xml")? {
        Some(text) => date_styles(&text)?,
        None => Vec::new(),
    };
    let mut targets = HashMap::new();
    each_start(&relations, |tag| {
        if tag.local_name().as_ref() == b"Relationship"
            && let (Some(id), Some(target)) = (attribute(tag, b"Id"), attribute(tag, b"Target"))
        {
            targets.insert(id, target);
        }
    })?;
    let mut names = Vec::new();
    each_start(&workbook, |tag| {
        if tag.local_name().as_ref() == b"sheet" {
            // `r:id`, whatever its prefix.
            let id = tag
                .attributes()
                .flatten()
                .find(|found| found.key.local_name().as_ref() == b"id");
            names.extend(id.map(|id| String::from_utf8_lossy(&id.value).into_owned()));
        }
    })?;
    let mut sheets = Vec::new();
    for id in names {
        let Some(target) = targets.get(&id) else {
            continue;
        };
        let path = match target.strip_prefix('/') {
            Some(absolute) => absolute.to_owned(),
            None => format!("xl/{target}"),
        };
        if let Some(text) = part(&path)? {
            sheets.push(sheet(&text, &shared, &dates)?);
        }
    }
    Ok(sheets)
}

fn attribute(tag: &BytesStart<'_>, name: &[u8]) -> Option<String> {
    let found = tag
        .attributes()
        .flatten()
        .find(|found| found.key.local_name().as_ref() == name)?;
    let raw = String::from_utf8_lossy(&found.value).into_owned();
    Some(quick_xml::escape::unescape(&raw).map_or_else(|_| raw.clone(), |text| text.into_owned()))
}

fn each_start(text: &str, mut see: impl FnMut(&BytesStart<'_>)) -> Result<(), String> {
    let mut reader = Reader::from_str(text);
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) | Event::Empty(tag) => see(&tag),
            Event::Eof => return Ok(()),
            _ => {}
        }
    }
}

/// What character data and references stand for.
fn push_text(event: &Event<'_>, text: &mut String) {
    match event {
        Event::Text(part) => text.push_str(&part.decode().unwrap_or_default()),
        Event::CData(part) => text.push_str(&part.decode().unwrap_or_default()),
        Event::GeneralRef(name) => {
            if let Ok(Some(letter)) = name.resolve_char_ref() {
                text.push(letter);
            } else if let Some(known) = std::str::from_utf8(name)
                .ok()
                .and_then(quick_xml::escape::resolve_predefined_entity)
            {
                text.push_str(known);
            }
        }
        _ => {}
    }
}

fn shared_strings(text: &str) -> Result<Vec<String>, String> {
    let mut reader = Reader::from_str(text);
    let (mut strings, mut current) = (Vec::new(), String::new());
    // Readings of Japanese words (`rPh`) are no part of the text.
    let (mut in_text, mut in_reading) = (false, false);
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match &event {
            Event::Start(tag) => match tag.local_name().as_ref() {
                b"si" => current.clear(),
                b"t" => in_text = true,
                b"rPh" => in_reading = true,
                _ => {}
            },
            Event::End(tag) => match tag.local_name().as_ref() {
                b"si" => strings.push(std::mem::take(&mut current)),
                b"t" => in_text = false,
                b"rPh" => in_reading = false,
                _ => {}
            },
            Event::Empty(tag) if tag.local_name().as_ref() == b"si" => strings.push(String::new()),
            Event::Eof => return Ok(strings),
            other if in_text && !in_reading => push_text(other, &mut current),
            _ => {}
        }
    }
}

/// For each style of cells, whether it shows a date.
fn date_styles(text: &str) -> Result<Vec<bool>, String> {
    let mut custom: HashMap<String, bool> = HashMap::new();
    let mut styles = Vec::new();
    let mut reader = Reader::from_str(text);
    let mut in_cells = false;
    loop {
        match reader.read_event().map_err(|error| error.to_string())? {
            Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                b"cellXfs" => in_cells = true,
                b"numFmt" => {
                    if let (Some(id), Some(code)) =
                        (attribute(&tag, b"numFmtId"), attribute(&tag, b"formatCode"))
                    {
                        custom.insert(id, shows_date(&code));
                    }
                }
                b"xf" if in_cells => {
                    let id = attribute(&tag, b"numFmtId").unwrap_or_default();
                    let built_in = id
                        .parse::<u16>()
                        .is_ok_and(|id| matches!(id, 14..=22 | 27..=36 | 45..=47 | 50..=58));
                    styles.push(custom.get(&id).copied().unwrap_or(built_in));
                }
                _ => {}
            },
            Event::End(tag) if tag.local_name().as_ref() == b"cellXfs" => in_cells = false,
            Event::Eof => return Ok(styles),
            _ => {}
        }
    }
}

fn shows_date(code: &str) -> bool {
    let mut quoted = false;
    let mut bracket = false;
    code.to_lowercase().chars().any(|letter| {
        match letter {
            '"' => quoted = !quoted,
            '[' => bracket = true,
            ']' => bracket = false,
            _ => {}
        }
        !quoted && !bracket && matches!(letter, 'y' | 'd' | 'h' | 'm')
    })
}

fn sheet(text: &str, shared: &[String], dates: &[bool]) -> Result<Vec<SheetRow>, String> {
    let mut reader = Reader::from_str(text);
    let mut rows: Vec<SheetRow> = Vec::new();
    let (mut column, mut kind, mut style) = (0, String::new(), 0);
    let (mut value, mut reading) = (String::new(), false);
    loop {
        let event = reader.read_event().map_err(|error| error.to_string())?;
        match &event {
            Event::Start(tag) | Event::Empty(tag) => match tag.local_name().as_ref() {
                b"row" => {
                    let before = rows.last().map_or(0, |(number, _)| *number);
                    let number = attribute(tag, b"r")
                        .and_then(|number| number.parse().ok())
                        .unwrap_or(before + 1);
                    rows.push((number, Vec::new()));
                }
                b"c" => {
                    let next = rows.last().map_or(0, |(_, cells)| cells.len());
                    column = attribute(tag, b"r")
                        .and_then(|place| column_of(&place))
                        .unwrap_or(next);
                    kind = attribute(tag, b"t").unwrap_or_default();
                    style = attribute(tag, b"s")
                        .and_then(|style| style.parse().ok())
                        .unwrap_or(0);
                    value.clear();
                }
                b"v" | b"t" => reading = matches!(event, Event::Start(_)),
                _ => {}
            },
            Event::End(tag) => match tag.local_name().as_ref() {
                b"v" | b"t" => reading = false,
                b"c" => {
                    let text = std::mem::take(&mut value);
                    let cell = match kind.as_str() {
                        _ if text.is_empty() => Cell::Empty,
                        "s" => {
                            let at = text.trim().parse::<usize>().ok();
                            let known = at.and_then(|at| shared.get(at));
                            Cell::Text(
                                known
                                    .ok_or("a cell names a text that is not there")?
                                    .clone(),
                            )
                        }
                        "str" | "inlineStr" => Cell::Text(text),
                        "b" => Cell::Bool(if text == "1" {
                            "TRUE".to_owned()
                        } else {
                            "FALSE".to_owned()
                        }),
                        "e" => Cell::Error(text),
                        "d" => Cell::Date(text),
                        _ if dates.get(style).copied().unwrap_or(false) => Cell::Date(text),
                        _ => Cell::Number(text),
                    };
                    if let Some((_, cells)) = rows.last_mut()
                        && column < COLUMNS_MAX
                    {
                        if cells.len() <= column {
                            cells.resize(column + 1, Cell::Empty);
                        }
                        cells[column] = cell;
                    }
                }
                _ => {}
            },
            Event::Eof => return Ok(rows),
            other if reading => push_text(other, &mut value),
            _ => {}
        }
    }
}

/// `AB12` is column 27, counted from 0.
fn column_of(place: &str) -> Option<usize> {
    let mut column = 0_usize;
    for letter in place.bytes().take_while(u8::is_ascii_alphabetic) {
        column = column
            .checked_mul(26)?
            .checked_add(usize::from(letter.to_ascii_uppercase() - b'A') + 1)?;
    }
    column.checked_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_of_every_kind() {
        let bytes = crate::packed::tests::archive(&[
            ("xl/workbook.xml", br#"<workbook xmlns:r="r"><sheets><sheet name="m" r:id="rId1"/></sheets></workbook>"#),
            ("xl/_rels/workbook.xml.rels", br#"<Relationships><Relationship Id="rId1" Target="worksheets/sheet1.xml"/></Relationships>"#),
            ("xl/sharedStrings.xml", br#"<sst><si><t>a &amp; b</t></si><si><r><t>two</t></r><r><t> runs</t></r></si></sst>"#),
            ("xl/styles.xml", br#"<s><numFmts><numFmt numFmtId="170" formatCode="dd.mm.yyyy"/></numFmts><cellXfs><xf numFmtId="0"/><xf numFmtId="170"/></cellXfs></s>"#),
            (
                "xl/worksheets/sheet1.xml",
                br#"<worksheet><sheetData><row r="2"><c r="A2" t="s"><v>0</v></c><c r="C2" t="s"><v>1</v></c><c r="D2"><v>1E10</v></c><c r="E2" s="1"><v>45000</v></c>
                <c r="F2" t="b"><v>1</v></c><c r="G2" t="e"><v>#REF!</v></c><c r="H2" t="inlineStr"><is><t>in line</t></is></c></row></sheetData></worksheet>"#,
            ),
        ]);
        expect_test::expect![[r##"[[(2, [Text("a & b"), Empty, Text("two runs"), Number("1E10"), Date("45000"), Bool("TRUE"), Error("#REF!"), Text("in line")])]]"##]]
            .assert_eq(&format!("{:?}", sheets(&bytes).expect("a document")));
    }
}
