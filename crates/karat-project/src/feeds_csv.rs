//! Reads `feeds.csv`, the control table as a spreadsheet: a row becomes the tree that the same feed in `domain.yaml` is, with positions,
//! so that everything after it is one mechanism.
//!
//! A column is a key of a feed, a dot leads into a map: `csv.delimiter`. What a cell holds is told by the key's type, never by its looks.

use std::ops::Range;

use crate::cells::{self, Cell, Sheet, Spot, is_blank};
use crate::decode::{self, printable};
use crate::diagnostic::{Place, Reporter};
use crate::nearest::nearest;
use crate::schema::{FEED, Key, Object, Presence, Type};
use crate::yaml::{self, Data, Entry, Node};

/// A feed of the table.
pub(crate) struct Row {
    pub(crate) node: Node,
    /// Whether something of it could not be read: a cell under a column that is none.
    pub(crate) mistaken: bool,
}

/// A column whose name is one.
struct Column {
    /// The keys that lead to the value.
    path: Vec<String>,
    of: &'static Type,
}

/// Reads and checks the table; `None` if its rows mean nothing.
pub(crate) fn read(file: u32, report: &mut Reporter) -> Option<Vec<Row>> {
    let text = report.text(file).to_string();
    let sheet = cells::read(file, &text, report)?;
    let Some((header, rows)) = sheet.rows.split_first() else {
        report.error(
            Place::start(file),
            "the file is empty",
            "its first row names the columns, like `source;name;mode;path`",
        );
        return None;
    };
    let (columns, excused) = read_header(header, report)?;
    let rows = rows.iter().map(|cells| {
        let row = read_row(&sheet, cells, &columns, report);
        decode::check_item(&row.node, &FEED, &excused, report);
        row
    });
    Some(rows.collect())
}

/// The columns, and the keys whose lack a row is not to blame for; `None` if the first row is no header at all.
fn read_header(
    header: &[Cell],
    report: &mut Reporter,
) -> Option<(Vec<Option<Column>>, Vec<&'static str>)> {
    let found: Vec<Result<Column, Unknown>> =
        header.iter().map(|cell| resolve(&cell.text)).collect();
    if !found.iter().any(Result::is_ok) {
        let first = header.iter().find(|cell| !cell.text.is_empty());
        report.error(
            first.map_or(header[0].at, |cell| cell.at),
            "the first row names no column of a feed",
            "name the columns there, like `source;name;mode;path`; they are separated by `;`, `,` or tabs",
        );
        return None;
    }
    let mut misspelt: Vec<&'static str> = Vec::new();
    let mut columns: Vec<Option<Column>> = Vec::with_capacity(header.len());
    for (cell, found) in header.iter().zip(found) {
        let column = match found {
            Ok(column) => {
                let twin = columns
                    .iter()
                    .zip(header)
                    .find(|(other, _)| matches!(other, Some(other) if other.path == column.path));
                match twin {
                    Some((_, first)) => {
                        let message = format!(
                            "the column `{}` stands twice; the first begins at {}:{}",
                            printable(&cell.text),
                            first.at.line,
                            first.at.column
                        );
                        report.error(cell.at, message, "remove one of them");
                        None
                    }
                    None => Some(column),
                }
            }
            Err(_) if cell.text.is_empty() => None,
            Err(unknown) => {
                let (message, hint) = unknown.told(&cell.text, &mut misspelt);
                report.error(cell.at, message, hint);
                None
            }
        };
        columns.push(column);
    }
    let required = FEED
        .keys
        .iter()
        .filter(|key| key.presence == Presence::Required)
        .map(|key| key.name);
    let absent: Vec<&'static str> = required
        .filter(|name| {
            let mut known = columns.iter().flatten();
            !known.any(|column| column.path.first().is_some_and(|first| first == name))
        })
        .collect();
    let missing: Vec<String> = absent
        .iter()
        .filter(|name| !misspelt.contains(name))
        .map(|name| format!("`{name}`"))
        .collect();
    if !missing.is_empty() {
        let what = match missing.len() {
            1 => "the column {} is missing",
            _ => "the columns {} are missing",
        };
        report.error(
            header[0].at,
            what.replace("{}", &missing.join(", ")),
            "each feed needs it: add it to the first row",
        );
    }
    Some((columns, absent))
}

/// Why a column's name is none.
enum Unknown {
    Key,
    NotYet(&'static Key),
    /// What stands before the dot is no map.
    NoParts(String),
}

impl Unknown {
    /// Message and hint; the key that was probably meant joins the `misspelt`.
    fn told(&self, name: &str, misspelt: &mut Vec<&'static str>) -> (String, String) {
        match self {
            Unknown::NotYet(key) => (
                format!("`{}` is not available in this version", printable(name)),
                match key.doc.split_once(": use ") {
                    Some((_, instead)) => format!("use {}", instead.trim_end_matches('.')),
                    None => "remove the column".to_string(),
                },
            ),
            Unknown::NoParts(key) => (
                format!("unknown column `{}`: `{key}` has no parts", printable(name)),
                format!("write the values under `{key}`"),
            ),
            Unknown::Key => {
                let mut known = Vec::new();
                dotted_names("", &FEED, &mut known);
                let folded = name.to_lowercase();
                let meant = nearest(&folded, known.iter().map(String::as_str));
                let required = FEED.keys.iter().find(|key| meant == Some(key.name));
                misspelt.extend(required.map(|key| key.name));
                let hint = match meant {
                    Some(meant) => format!("did you mean `{meant}`?"),
                    None if name.contains('|') => {
                        "columns are separated by `;`, `,` or tabs".to_string()
                    }
                    None => {
                        let names: Vec<&str> = known
                            .iter()
                            .map(String::as_str)
                            .filter(|name| !name.contains('.'))
                            .collect();
                        format!(
                            "known columns: {}; a dot leads into a map, like `csv.delimiter`",
                            names.join(", ")
                        )
                    }
                };
                (format!("unknown column `{}`", printable(name)), hint)
            }
        }
    }
}

/// Every key of a map by its dotted name.
fn dotted_names(before: &str, object: &Object, names: &mut Vec<String>) {
    for key in object
        .keys
        .iter()
        .filter(|key| key.presence != Presence::NotYet)
    {
        let name = format!("{before}{}", key.name);
        names.push(name.clone());
        if let Type::Object(of) | Type::ChoiceOr(_, of) = &key.of {
            dotted_names(&format!("{name}."), of, names);
        }
    }
}

fn resolve(name: &str) -> Result<Column, Unknown> {
    let mut path = Vec::new();
    let mut object = &FEED;
    let mut rest = name;
    loop {
        let (first, more) = match rest.split_once('.') {
            Some((first, more)) => (first.trim(), Some(more.trim())),
            None => (rest.trim(), None),
        };
        let key = object.keys.iter().find(|key| key.name == first);
        let key = key.ok_or(Unknown::Key)?;
        if key.presence == Presence::NotYet {
            return Err(Unknown::NotYet(key));
        }
        path.push(key.name.to_string());
        let Some(more) = more else {
            return Ok(Column { path, of: &key.of });
        };
        match &key.of {
            Type::Object(of) | Type::ChoiceOr(_, of) => {
                object = of;
                rest = more;
            }
            // The keys of such a map are names of the user's own, with dots or not.
            Type::Map(of, _) if !more.is_empty() => {
                path.push(more.to_string());
                return Ok(Column { path, of });
            }
            Type::ColumnsOrMap if !more.is_empty() => {
                path.push(more.to_string());
                return Ok(Column {
                    path,
                    of: &Type::Text,
                });
            }
            _ => return Err(Unknown::NoParts(path.join("."))),
        }
    }
}

fn read_row(
    sheet: &Sheet,
    cells: &[Cell],
    columns: &[Option<Column>],
    report: &mut Reporter,
) -> Row {
    let filled = || cells.iter().filter(|cell| !cell.text.is_empty());
    let start = filled().next().or(cells.first());
    let at = start.map_or(Place::whole(0), |cell| cell.at);
    let mut row = Row {
        node: Node {
            at: Place { length: 1, ..at },
            chars: (0, 0),
            data: Data::Map(Vec::new()),
        },
        mistaken: false,
    };
    let mut paths: Vec<&[String]> = Vec::new();
    for (index, cell) in cells.iter().enumerate() {
        if cell.text.is_empty() {
            continue;
        }
        let column = match columns.get(index) {
            Some(Some(column)) => column,
            // Told where the columns are named, if it was named there.
            Some(None) if sheet.rows[0][index].text.is_empty() => {
                row.mistaken = true;
                report.error(
                    cell.at,
                    "this cell stands in a column without a name",
                    "name the column in the first row, or empty the cell",
                );
                continue;
            }
            Some(None) => {
                row.mistaken = true;
                continue;
            }
            None => {
                row.mistaken = true;
                report.error(
                    cell.at,
                    format!(
                        "this cell has no column: the first row names {}",
                        columns.len()
                    ),
                    match sheet.separator {
                        '\t' => "put a text that holds a tab in quotes".to_string(),
                        other => format!("put a text that holds `{other}` in quotes"),
                    },
                );
                continue;
            }
        };
        let whole = paths
            .iter()
            .find(|path| column.path.starts_with(path) || path.starts_with(column.path.as_slice()));
        if let Some(whole) = whole {
            row.mistaken = true;
            report.error(
                cell.at,
                format!(
                    "this row has `{}` and `{}`: one is a part of the other",
                    whole.join("."),
                    column.path.join(".")
                ),
                "empty one of the two cells",
            );
            continue;
        }
        paths.push(&column.path);
        let name = column.path.last().map_or("", String::as_str);
        match CellOf::new(sheet, cell).value(column.of, name, report) {
            Some(value) => insert(&mut row.node, &column.path, cell.at, value),
            None => row.mistaken = true,
        }
    }
    row
}

/// Puts a value where its keys lead; maps on the way begin where their first value stands.
fn insert(node: &mut Node, path: &[String], at: Place, value: Node) {
    let (Data::Map(entries), Some((key, rest))) = (&mut node.data, path.split_first()) else {
        return;
    };
    let entry = |value: Node| Entry {
        key: key.clone(),
        key_at: at,
        value,
    };
    if rest.is_empty() {
        return entries.push(entry(value));
    }
    let known = entries.iter().position(|entry| entry.key == *key);
    let known = known.unwrap_or_else(|| {
        entries.push(entry(Node {
            at,
            chars: value.chars,
            data: Data::Map(Vec::new()),
        }));
        entries.len() - 1
    });
    insert(&mut entries[known].value, rest, at, value);
}

/// What spreadsheets show where a formula failed. `#N/A` is also what people write for nothing.
const ERRORS: [&str; 6] = ["#NAME?", "#REF!", "#VALUE!", "#DIV/0!", "#NUM!", "#NULL!"];

struct CellOf<'s> {
    sheet: &'s Sheet,
    cell: &'s Cell,
    letters: Vec<char>,
    /// Where each stands, and the end.
    spots: Vec<Spot>,
}

impl<'s> CellOf<'s> {
    fn new(sheet: &'s Sheet, cell: &'s Cell) -> Self {
        Self {
            sheet,
            cell,
            letters: cell.text.chars().collect(),
            spots: sheet.spots(cell),
        }
    }

    /// The place of some of its letters.
    fn place(&self, letters: Range<usize>) -> Place {
        let last = self.spots.len() - 1;
        let from = self.spots[letters.start.min(last)];
        let to = self.spots[letters.end.min(last)];
        Place {
            line: from.line,
            column: from.column,
            length: match from.line == to.line {
                true => to.index.saturating_sub(from.index).max(1) as u32,
                false => 1,
            },
            ..self.cell.at
        }
    }

    fn index(&self, letter: usize) -> usize {
        self.spots[letter.min(self.spots.len() - 1)].index
    }

    fn node(&self, data: Data) -> Node {
        Node {
            at: self.cell.at,
            chars: (self.index(0), self.index(self.letters.len())),
            data,
        }
    }

    /// What a cell says under a column of this type. Whether that is right, the key tables say.
    fn value(&self, of: &Type, name: &str, report: &mut Reporter) -> Option<Node> {
        let text = self.cell.text.as_str();
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let data = match of {
            Type::Bool if text.eq_ignore_ascii_case("true") => Data::Bool(true),
            Type::Bool if text.eq_ignore_ascii_case("false") => Data::Bool(false),
            Type::Integer { .. } | Type::Lag if digits => Data::Number(text.to_string()),
            Type::Ratio if text == "0" => Data::Number(text.to_string()),
            // Where `;` separates, a comma is the decimal point.
            Type::Ratio if self.sheet.separator == ';' => Data::Text(text.replace(',', ".")),
            Type::List(_) if text.starts_with('[') => return self.flow(report),
            Type::ColumnsOrMap if text.starts_with(['[', '{']) => return self.flow(report),
            Type::Object(_) | Type::ChoiceOr(..) | Type::Map(..) if text.starts_with('{') => {
                return self.flow(report);
            }
            Type::List(_) | Type::ColumnsOrMap => return self.list(name, report),
            _ => return self.scalar(0..self.letters.len(), report),
        };
        Some(self.node(data))
    }

    /// Items that are separated by `;` or stand on lines of their own.
    fn list(&self, name: &str, report: &mut Reporter) -> Option<Node> {
        let letters = &self.letters;
        let mut items = Vec::new();
        let mut at = 0;
        while at <= letters.len() {
            let begins = at + letters[at..].iter().take_while(|c| is_blank(**c)).count();
            let mut ends = begins;
            // Within quotes a separator is text.
            if let Some(quote @ ('"' | '\'')) = letters.get(begins) {
                let close = letters[begins + 1..].iter().position(|c| c == quote);
                ends = close.map_or(begins, |close| begins + 1 + close);
            }
            while letters.get(ends).is_some_and(|c| !matches!(c, ';' | '\n')) {
                ends += 1;
            }
            let item = letters[begins..ends].iter();
            let blank = item.rev().take_while(|c| is_blank(**c)).count();
            let range = begins..ends - blank;
            at = ends + 1;
            if !range.is_empty() {
                items.push(range);
            }
        }
        if let [only] = items.as_slice()
            && !matches!(letters[only.start], '"' | '\'')
            && letters[only.clone()].contains(&',')
        {
            report.error(
                self.cell.at,
                format!("`{name}` has one item with a comma in it"),
                format!(
                    "items are separated by `;`; if it is meant, write `[\"{}\"]`",
                    printable(&self.cell.text)
                ),
            );
        }
        let items = items.into_iter();
        let items: Option<Vec<Node>> = items.map(|item| self.scalar(item, report)).collect();
        Some(self.node(Data::List(items?)))
    }

    /// Some letters of the cell as a text: as they are, or without the quotes around them.
    fn scalar(&self, letters: Range<usize>, report: &mut Reporter) -> Option<Node> {
        let text: String = self.letters[letters.clone()].iter().collect();
        let quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        if quoted('"') || quoted('\'') {
            return self.parsed(&text, letters.start, report);
        }
        let at = self.place(letters.clone());
        if ERRORS.contains(&text.as_str()) {
            report.error(
                at,
                format!("`{text}` is what a spreadsheet shows for a formula that failed"),
                "write the value itself",
            );
        }
        if is_shortened(&text) {
            report.error(
                at,
                format!("`{text}` looks like a long number that a spreadsheet shortened"),
                "format the column as text and write the value again; if it is meant, put it in quotes",
            );
        }
        Some(Node {
            at,
            chars: (self.index(letters.start), self.index(letters.end)),
            data: Data::Text(text),
        })
    }

    /// The cell in flow style.
    fn flow(&self, report: &mut Reporter) -> Option<Node> {
        self.parsed(&self.cell.text, 0, report)
    }

    /// A part of the cell, read as YAML; `skipped` letters stand before it.
    fn parsed(&self, text: &str, skipped: usize, report: &mut Reporter) -> Option<Node> {
        let mut line_starts = vec![skipped];
        for line in text.split_inclusive('\n') {
            let last = line_starts[line_starts.len() - 1];
            line_starts.push(last + line.chars().count());
        }
        let moved = |place: Place| {
            let line = place.line.saturating_sub(1) as usize;
            let line_start = line_starts[line.min(line_starts.len() - 1)];
            let letter = line_start + place.column.saturating_sub(1) as usize;
            self.place(letter..letter + place.length as usize)
        };
        let mut own = report.fork();
        let node = yaml::parse(self.cell.at.file, text, "", &mut own);
        report.join_moved(own, moved);
        let mut node = node?;
        self.move_node(&mut node, skipped, &moved);
        Some(node)
    }

    /// Gives everything in the node its place in the file.
    fn move_node(&self, node: &mut Node, skipped: usize, moved: &dyn Fn(Place) -> Place) {
        node.at = moved(node.at);
        let (from, to) = node.chars;
        node.chars = (self.index(skipped + from), self.index(skipped + to));
        match &mut node.data {
            Data::List(items) => {
                for item in items {
                    self.move_node(item, skipped, moved);
                }
            }
            Data::Map(entries) => {
                for entry in entries {
                    entry.key_at = moved(entry.key_at);
                    self.move_node(&mut entry.value, skipped, moved);
                }
            }
            _ => {}
        }
    }
}

/// `1.23457E+11`: what a spreadsheet writes for 123456789012.
fn is_shortened(text: &str) -> bool {
    let Some((number, power)) = text.split_once("E+") else {
        return false;
    };
    let (whole, part) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    whole.len() == 1 && digits(whole) && digits(part) && digits(power)
}
