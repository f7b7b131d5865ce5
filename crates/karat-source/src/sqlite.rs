//! A SQLite file as a source: tables by declared types (B3), full loads in key order (B6), incremental loads by a cursor (B7).
//!
//! Opened read-only; each plan and each read is one transaction, so that it sees one state of the database even while others write.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, BinaryBuilder, Float64Builder, Int64Array, Int64Builder};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use chrono::NaiveDateTime;
use rusqlite::types::{Value as Cell, ValueRef};
use rusqlite::{Connection, OpenFlags, Row, Transaction};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::decode::hex;
use crate::pulse::Pulse;
use crate::rows::{BATCH_ROWS, TextColumn, constant, epoch_bytes, internal, schema, too_large};
use crate::text_order::{self, Disorder, TextOrder};
use crate::{
    Column, Cursor, Discovered, DiscoveredColumn, ErrorKind, FeedSpec, Inventory, Known, Lag, Load,
    Mode, Object, Planned, ReadCount, SinkError, Source, SourceBatch, SourceConfig, SourceError,
    TestReport, discover, names,
};

/// Rows that a proposal looks at.
const SAMPLE_ROWS: usize = 10_000;

/// The `sqlite` source.
#[derive(Debug)]
pub struct Sqlite {
    path: PathBuf,
    busy_wait: Duration,
}

struct Table {
    /// As the database spells it.
    name: String,
    columns: Vec<TableColumn>,
}

struct TableColumn {
    folded: String,
    name: String,
    declared: String,
    /// Place in the primary key, from 1; 0 is none.
    key_place: i64,
}

impl TableColumn {
    /// As columns of a view are that are calculated, and any column may be.
    fn is_untyped(&self) -> bool {
        self.declared.trim().is_empty()
    }

    fn column(&self) -> Column {
        Column {
            name: self.folded.clone(),
            source_name: self.name.clone(),
            data_type: bronze_type(&self.declared),
        }
    }
}

/// The bronze type of a declared type: SQLite's rules of affinity, but dates and times are text (B3).
#[must_use]
pub fn bronze_type(declared: &str) -> DataType {
    let upper = declared.to_ascii_uppercase();
    let has = |part: &str| upper.contains(part);
    if has("DATE") || has("TIME") {
        DataType::Utf8
    } else if has("INT") {
        DataType::Int64
    } else if has("CHAR") || has("CLOB") || has("TEXT") {
        DataType::Utf8
    } else if has("BLOB") || upper.trim().is_empty() {
        DataType::Binary
    } else {
        // REAL, FLOAT, DOUBLE, and NUMERIC, which is all that is left.
        DataType::Float64
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

impl Sqlite {
    /// The source at the file of this configuration. Does not touch the disk.
    pub fn open(config: &SourceConfig) -> Result<Self, SourceError> {
        Ok(Self {
            path: config.path.clone(),
            busy_wait: config.busy_wait,
        })
    }

    fn shown(&self) -> String {
        self.path.display().to_string()
    }

    fn connect(&self) -> Result<Connection, SourceError> {
        let stat = std::fs::metadata(&self.path)
            .map_err(|e| SourceError::io("open the database", &self.shown(), e))?;
        if stat.is_dir() {
            return Err(SourceError::new(
                ErrorKind::Config,
                format!(
                    "cannot open the database `{}`: it is a folder",
                    self.shown()
                ),
            )
            .hint("set the source's path to the database file"));
        }
        // SQLite says CANTOPEN for all troubles alike; the system says which.
        std::fs::File::open(&self.path)
            .map_err(|e| SourceError::io("open the database", &self.shown(), e))?;
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)
            .map_err(|e| self.fail("open the database", e))?;
        connection
            .busy_timeout(self.busy_wait)
            .map_err(|e| self.fail("open the database", e))?;
        Ok(connection)
    }

    /// Begins the one transaction, and takes its snapshot.
    fn begin<'a>(&self, connection: &'a mut Connection) -> Result<Transaction<'a>, SourceError> {
        let transaction = connection
            .transaction()
            .map_err(|e| self.fail("read the database", e))?;
        transaction
            .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
            .map_err(|e| self.fail("read the database", e))?;
        Ok(transaction)
    }

    fn fail(&self, doing: &str, cause: rusqlite::Error) -> SourceError {
        use rusqlite::ffi::ErrorCode as Code;
        let what = self.shown();
        let code = cause.sqlite_error_code();
        let (kind, why, hint) = match code {
            Some(Code::DatabaseBusy | Code::DatabaseLocked) => (
                ErrorKind::Locked,
                format!("another process holds it, and did not let go within {} s", self.busy_wait.as_secs_f64()),
                "run again when the writer is done, or read from a copy",
            ),
            Some(Code::NotADatabase) => (ErrorKind::Corrupt, "it is no SQLite database, or encrypted".to_owned(), "check the source's path"),
            Some(Code::DatabaseCorrupt) => {
                (ErrorKind::Corrupt, "the file is damaged".to_owned(), "run `PRAGMA integrity_check` with the sqlite3 shell, and restore the file from its backup")
            }
            Some(Code::PermissionDenied) => (ErrorKind::Permission, "permission denied".to_owned(), "give the user who runs karat the right to read it"),
            Some(Code::ReadOnly | Code::CannotOpen) => (
                ErrorKind::Permission,
                "SQLite cannot open it for reading: a database in WAL mode, or one whose writer died, needs its `-wal` and `-shm` files beside it, and a folder where they may be made".to_owned(),
                "give write permission on the folder, open the database once with its own program, or read from a copy made with `.backup`",
            ),
            Some(Code::SystemIoFailure) => (ErrorKind::Io, "the system could not read it".to_owned(), "check the disk, then run again"),
            _ => (ErrorKind::Io, "SQLite refused".to_owned(), "see the cause"),
        };
        SourceError::new(kind, format!("cannot {doing} `{what}`: {why}"))
            .hint(hint)
            .cause(cause)
    }

    fn tables(&self, transaction: &Transaction) -> Result<Vec<String>, SourceError> {
        let fail = |e| self.fail("list the tables of", e);
        let sql = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name";
        let mut statement = transaction.prepare(sql).map_err(fail)?;
        let found = statement
            .query_map([], |row| row.get(0))
            .map_err(fail)?
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        Ok(found)
    }

    fn table(&self, transaction: &Transaction, wanted: &str) -> Result<Table, SourceError> {
        let tables = self.tables(transaction)?;
        let Some(name) = tables
            .iter()
            .find(|t| *t == wanted)
            .or_else(|| tables.iter().find(|t| t.eq_ignore_ascii_case(wanted)))
        else {
            let near: Vec<&str> = tables.iter().map(String::as_str).take(20).collect();
            return Err(SourceError::new(
                ErrorKind::NotFound,
                format!(
                    "cannot read table `{wanted}` of `{}`: there is none of that name",
                    self.shown()
                ),
            )
            .hint(match near.as_slice() {
                [] => "the database has no table: check the source's path".to_owned(),
                _ => format!(
                    "it has: {}{}",
                    near.join(", "),
                    if tables.len() > 20 { ", …" } else { "" }
                ),
            })
            .object(wanted));
        };
        self.table_of(transaction, name)
    }

    /// The columns of a table of exactly this name.
    fn table_of(&self, transaction: &Transaction, name: &str) -> Result<Table, SourceError> {
        let doing = format!("read the columns of table `{name}` of");
        let fail = |e| self.fail(&doing, e).object(name);
        let mut statement = transaction
            .prepare(
                "SELECT name, type, pk FROM pragma_table_xinfo(?1) WHERE hidden <> 1 ORDER BY cid",
            )
            .map_err(fail)?;
        let columns: Vec<(String, String, i64)> = statement
            .query_map([name], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
            .map_err(fail)?
            .collect::<Result<_, _>>()
            .map_err(fail)?;
        let spelled: Vec<&str> = columns.iter().map(|c| c.0.as_str()).collect();
        let folded = names::fold_all(&spelled, name)?;
        let columns = columns
            .into_iter()
            .zip(folded)
            .map(|((name, declared, key_place), folded)| TableColumn {
                folded,
                name,
                declared,
                key_place,
            })
            .collect();
        Ok(Table {
            name: name.to_owned(),
            columns,
        })
    }

    fn feed_table(&self, transaction: &Transaction, feed: &FeedSpec) -> Result<Table, SourceError> {
        let Some(table) = &feed.table else {
            return Err(SourceError::new(
                ErrorKind::Config,
                format!("cannot read feed `{}`: it names no table", feed.name),
            )
            .hint("add `table:` to the feed"));
        };
        self.table(transaction, table)
    }
}

impl Table {
    fn find(&self, wanted: &str, as_what: &str) -> Result<usize, SourceError> {
        let by_spelling = self.columns.iter().position(|c| c.name == wanted);
        by_spelling.or_else(|| self.columns.iter().position(|c| c.folded == wanted)).ok_or_else(|| {
            let all: Vec<&str> = self.columns.iter().map(|c| c.name.as_str()).collect();
            SourceError::new(ErrorKind::Drift, format!("cannot read table `{}`: it has no column `{wanted}`, which the feed names as {as_what}", self.name))
                .hint(format!("name one of its columns in the feed: {}", all.join(", ")))
                .object(&self.name)
        })
    }

    /// The columns that land (B9).
    fn chosen(&self, feed: &FeedSpec) -> Result<Vec<usize>, SourceError> {
        let Some(chosen) = &feed.columns else {
            return Ok((0..self.columns.len()).collect());
        };
        let chosen: HashSet<usize> = chosen
            .iter()
            .map(|c| self.find(c, "a column to read"))
            .collect::<Result<_, _>>()?;
        Ok((0..self.columns.len())
            .filter(|i| chosen.contains(i))
            .collect())
    }

    /// The feed's key, else the primary key.
    fn key(&self, feed: &FeedSpec) -> Result<Vec<usize>, SourceError> {
        if !feed.key.is_empty() {
            return feed.key.iter().map(|k| self.find(k, "key")).collect();
        }
        Ok(self.primary_key())
    }

    fn primary_key(&self) -> Vec<usize> {
        let mut key: Vec<usize> = (0..self.columns.len())
            .filter(|&i| self.columns[i].key_place > 0)
            .collect();
        key.sort_by_key(|&i| self.columns[i].key_place);
        key
    }

    fn sql_list(&self, columns: &[usize], suffix: &str) -> String {
        columns
            .iter()
            .map(|&i| format!("{}{suffix}", quoted(&self.columns[i].name)))
            .collect::<Vec<_>>()
            .join(", ")
    }

    /// The key, then every column, so that the order is total. Text by bytes, whatever collation is declared (F1).
    fn order_by(&self, first: &[usize], chosen: &[usize]) -> String {
        let rest = chosen.iter().filter(|i| !first.contains(i));
        let all: Vec<usize> = first.iter().chain(rest).copied().collect();
        self.sql_list(&all, " COLLATE BINARY")
    }
}

/// A position of a cursor, with a digest of the rows that the next load would read again.
struct Position {
    value: Value,
    window: Option<String>,
}

impl Position {
    fn read(value: &Value) -> Self {
        match value {
            Value::Object(map) if map.contains_key("cursor") => Self {
                value: map.get("cursor").cloned().unwrap_or_default(),
                window: map.get("window").and_then(Value::as_str).map(str::to_owned),
            },
            bare => Self {
                value: bare.clone(),
                window: None,
            },
        }
    }
}

/// A cursor value as JSON. A real is text within: not every JSON reader gives back the last bit, and infinity is no JSON number.
fn json_of(cell: Option<Cell>) -> Value {
    match cell {
        Some(Cell::Integer(i)) => json!(i),
        Some(Cell::Real(r)) => json!({"real": format!("{r:?}")}),
        Some(Cell::Text(t)) => json!(t),
        _ => Value::Null,
    }
}

fn cell_of(value: &Value) -> Option<Cell> {
    match value {
        Value::Number(n) => n
            .as_i64()
            .map(Cell::Integer)
            .or_else(|| n.as_f64().map(Cell::Real)),
        Value::String(s) => Some(Cell::Text(s.clone())),
        Value::Object(map) => map
            .get("real")
            .and_then(Value::as_str)
            .and_then(|t| t.parse().ok())
            .map(Cell::Real),
        _ => None,
    }
}

/// A position that a person typed is text: of a column of numbers it is the number.
fn of_kind(position: Cell, maximum: Option<&Cell>) -> Cell {
    match (&position, maximum) {
        (Cell::Text(text), Some(Cell::Integer(_) | Cell::Real(_))) => text
            .parse()
            .map(Cell::Integer)
            .or_else(|_| text.parse().map(Cell::Real))
            .unwrap_or(position),
        _ => position,
    }
}

fn cell_is_less(a: &Cell, b: &Cell) -> bool {
    let encoded = |cell: &Cell| {
        let mut out = Vec::new();
        encode(&ValueRef::from(cell), &mut out);
        out
    };
    encoded(a) < encoded(b)
}

/// `value - lag`, in the same shape.
fn lagged(value: &Cell, lag: Option<Lag>, column: &str) -> Result<Cell, SourceError> {
    let Some(lag) = lag else {
        return Ok(value.clone());
    };
    let fail = |why: &str| {
        Err(SourceError::new(ErrorKind::Config, format!("cannot take the lag from cursor `{column}`: {why}"))
            .hint("a number as lag suits integer and real cursors, a duration (`15m`) suits dates and times kept as text (`2026-10-29 08:00:00`)"))
    };
    match (value, lag) {
        (Cell::Integer(v), Lag::Number(n)) => Ok(Cell::Integer(v.saturating_sub(n))),
        (Cell::Real(v), Lag::Number(n)) => Ok(Cell::Real(v - n as f64)),
        (Cell::Text(text), Lag::Time(duration)) => match text_minus(text, duration) {
            Some(earlier) => Ok(Cell::Text(earlier)),
            None => fail("its greatest value is no date or time that karat reads"),
        },
        (Cell::Text(_), Lag::Number(_)) => fail("it holds text, and the lag is a number"),
        _ => fail("it holds numbers, and the lag is a duration"),
    }
}

/// An earlier time in the same shape: `YYYY-MM-DD`, then perhaps a space or `T`, the time, a fraction, and anything after it unchanged.
/// Whether a text is a date or time that a cursor's lag can be taken from.
pub fn reads_as_time(text: &str) -> bool {
    text_minus(text, Duration::ZERO).is_some()
}

fn text_minus(text: &str, duration: Duration) -> Option<String> {
    let date = text.get(..10)?;
    let (time, rest) = match text.get(10..19) {
        Some(time) => (time, &text[19..]),
        None if text.len() == 10 => (" 00:00:00", ""),
        None => return None,
    };
    let digits = rest
        .strip_prefix('.')
        .map_or(0, |r| r.bytes().take_while(u8::is_ascii_digit).count());
    let (fraction, zone) = if digits == 0 {
        ("", rest)
    } else {
        rest.split_at(1 + digits)
    };
    let separator = time.get(..1)?;
    if !matches!(separator, " " | "T") {
        return None;
    }
    let whole = NaiveDateTime::parse_from_str(
        &format!("{date} {}{fraction}", &time[1..]),
        "%Y-%m-%d %H:%M:%S%.f",
    )
    .ok()?;
    let earlier = whole.checked_sub_signed(chrono::TimeDelta::from_std(duration).ok()?)?;
    if text.len() == 10 {
        return Some(earlier.format("%Y-%m-%d").to_string());
    }
    let mut out = earlier
        .format(&format!("%Y-%m-%d{separator}%H:%M:%S"))
        .to_string();
    if digits > 0 {
        let nanos = format!("{:09}", earlier.and_utc().timestamp_subsec_nanos());
        out.push('.');
        out.push_str(&format!("{nanos:0<digits$}")[..digits]);
    }
    out.push_str(zone);
    Some(out)
}

/// The shortest text of the same time, without a zone: `2026-01-06` of `2026-01-06 00:00:00.000Z`. It sorts before all others of that time, so that
/// a row which writes it shorter than the position does is read.
fn shortest_writing(text: &str) -> &str {
    let Some(time) = text.get(10..19).filter(|_| reads_as_time(text)) else {
        return text;
    };
    let rest = &text[19..];
    let digits = rest.strip_prefix('.').map_or(0, |rest| {
        rest.bytes().take_while(u8::is_ascii_digit).count()
    });
    let fraction = if digits > 0 {
        rest[..=digits].trim_end_matches('0')
    } else {
        ""
    };
    match fraction {
        "" | "." if &time[1..] == "00:00:00" => &text[..10],
        "" | "." => &text[..19],
        fraction => &text[..19 + fraction.len()],
    }
}

/// Appends bytes that sort as the value does: nulls, numbers by value (integer and real alike), text by bytes, blobs.
fn encode(value: &ValueRef, out: &mut Vec<u8>) {
    match value {
        ValueRef::Null => out.push(1),
        // The nearest double, then how far it is off.
        ValueRef::Integer(i) => encode_number(
            *i as f64,
            (i128::from(*i) - (*i as f64) as i128) as i64,
            out,
        ),
        ValueRef::Real(r) => encode_number(*r, 0, out),
        ValueRef::Text(t) => encode_bytes(3, t, out),
        ValueRef::Blob(b) => encode_bytes(4, b, out),
    }
}

fn encode_number(real: f64, rest: i64, out: &mut Vec<u8>) {
    let bits = if real == 0.0 {
        0.0f64.to_bits()
    } else {
        real.to_bits()
    };
    let sortable = if bits >> 63 == 1 {
        !bits
    } else {
        bits | 1 << 63
    };
    out.push(2);
    out.extend(sortable.to_be_bytes());
    out.extend(epoch_bytes(rest));
}

/// A zero byte is written as two bytes, so that two zero bytes end the value.
fn encode_bytes(tag: u8, bytes: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    let mut rest = bytes;
    while let Some(zero) = memchr::memchr(0, rest) {
        out.extend_from_slice(&rest[..zero]);
        out.extend([0, 0xFF]);
        rest = &rest[zero + 1..];
    }
    out.extend_from_slice(rest);
    out.extend([0, 0]);
}

/// SHA-256 of all cells of a row.
fn row_digest(row: &Row, columns: usize) -> Result<[u8; 32], rusqlite::Error> {
    let mut hash = Sha256::new();
    let mut bytes = Vec::new();
    for i in 0..columns {
        let cell = row.get_ref(i)?;
        // 1 and 1.0 sort alike and are not the same.
        bytes.clear();
        bytes.push(cell.data_type() as u8);
        encode(&cell, &mut bytes);
        hash.update(&bytes);
    }
    Ok(hash.finalize().into())
}

enum CellColumn {
    Integer(Int64Builder),
    Real(Float64Builder),
    Text(TextColumn),
    Blob(BinaryBuilder),
}

impl CellColumn {
    fn new(data_type: &DataType) -> Self {
        match data_type {
            DataType::Int64 => Self::Integer(Int64Builder::with_capacity(BATCH_ROWS)),
            DataType::Float64 => Self::Real(Float64Builder::with_capacity(BATCH_ROWS)),
            DataType::Binary => Self::Blob(BinaryBuilder::new()),
            _ => Self::Text(TextColumn::default()),
        }
    }

    /// False: the cell is not of the column's type; a null stands for it.
    fn push(&mut self, cell: ValueRef) -> bool {
        match (self, cell) {
            (Self::Integer(b), ValueRef::Integer(i)) => b.append_value(i),
            (Self::Real(b), ValueRef::Real(r)) => b.append_value(r),
            // SQLite keeps a real that is whole as an integer.
            (Self::Real(b), ValueRef::Integer(i)) if (i as f64) as i128 == i128::from(i) => {
                b.append_value(i as f64)
            }
            (Self::Blob(b), ValueRef::Blob(bytes)) => b.append_value(bytes),
            (Self::Text(b), ValueRef::Text(bytes)) if std::str::from_utf8(bytes).is_ok() => {
                b.push(bytes)
            }
            (column, cell) => {
                match column {
                    Self::Integer(b) => b.append_null(),
                    Self::Real(b) => b.append_null(),
                    Self::Blob(b) => b.append_null(),
                    Self::Text(b) => b.push_null(),
                }
                return matches!(cell, ValueRef::Null);
            }
        }
        true
    }

    fn finish(&mut self) -> Result<ArrayRef, SourceError> {
        Ok(match self {
            Self::Integer(b) => Arc::new(b.finish()),
            Self::Real(b) => Arc::new(b.finish()),
            Self::Blob(b) => Arc::new(b.finish()),
            Self::Text(b) => Arc::new(b.finish()?),
        })
    }
}

/// What to do about a column without a declared type.
pub const GIVE_A_TYPE: &str = "give it one in the database (in a view `cast(… as integer)`, `real` or `text`), or leave it out with `columns` of the feed";

/// Why cells are rescued: where all of them are of columns without a type, no value but a blob would ever fit.
fn reason(misfits: &Map<String, Value>, untyped: &[&str]) -> &'static str {
    match misfits.keys().all(|name| untyped.contains(&name.as_str())) {
        true => "no_declared_type",
        false => "type_mismatch",
    }
}

/// A cell as JSON with its type, for `_rescued`.
fn rescued_cell(cell: ValueRef) -> Value {
    match cell {
        ValueRef::Null => json!({"type": "null"}),
        ValueRef::Integer(i) => json!({"type": "integer", "text": i.to_string()}),
        ValueRef::Real(r) => json!({"type": "real", "text": format!("{r:?}")}),
        ValueRef::Text(t) => match std::str::from_utf8(t) {
            Ok(text) => json!({"type": "text", "text": text}),
            Err(_) => json!({"type": "text", "hex": hex(t)}),
        },
        ValueRef::Blob(b) => json!({"type": "blob", "hex": hex(b)}),
    }
}

/// Texts that do not begin like `2026-10-29`; `{c}` is the column.
const UNDATED: &str =
    "{c} IS NOT NULL AND NOT {c} GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'";

/// The opposite of [`UNDATED`].
fn begins_as_date(text: &str) -> bool {
    text.len() >= 10
        && text
            .bytes()
            .take(10)
            .enumerate()
            .all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            })
}

/// The texts of one writing ([`text_order::written_time`]).
fn written_so(writing: &str) -> String {
    let (separator, zone) = writing.split_at(1);
    match zone.split_at_checked(1) {
        None => {
            format!("{{c}} GLOB '??????????{separator}*' AND substr({{c}}, 12) NOT GLOB '*[-+Zz]*'")
        }
        Some((utc @ ("Z" | "z"), length)) => {
            format!("{{c}} GLOB '??????????{separator}*{utc}' AND length({{c}}) = {length}")
        }
        Some(_) => format!("{{c}} GLOB '??????????{separator}*{zone}'"),
    }
}

/// What the texts of a cursor are, as far as their order goes.
#[derive(Default)]
struct Texts {
    /// How many begin like `2026-10-29`, and how many do not.
    dates: u64,
    others: u64,
    /// How often each writing of a time is there ([`text_order::written_time`]).
    writings: HashMap<String, u64>,
    order: TextOrder,
    /// The first text that is out of order, and why.
    disorder: Option<(String, Disorder)>,
    /// Whether one lies below the position.
    is_below: bool,
    /// The writing that was seen last, kept for the next.
    last: String,
}

impl Texts {
    fn see(&mut self, text: &str) {
        match begins_as_date(text) {
            true => self.dates += 1,
            false => self.others += 1,
        }
        if text_order::written_time(text, &mut self.last) {
            match self.writings.get_mut(&self.last) {
                Some(count) => *count += 1,
                None => {
                    self.writings.insert(self.last.clone(), 1);
                }
            }
        }
        if self.disorder.is_none()
            && let Some(disorder) = self.order.see(text)
        {
            self.disorder = Some((text.to_owned(), disorder));
        }
    }
}

impl Sqlite {
    /// The error of rows whose cursor value, `what`, has no place in the order of the others: a load would skip them, or all that
    /// follow them, in silence. Names the first of the rows that meet `condition`, `{c}` being the column.
    fn misplaced(
        &self,
        transaction: &Transaction,
        table: &Table,
        at: usize,
        condition: &str,
        what: &str,
    ) -> SourceError {
        let column = &table.columns[at].name;
        let (name, from) = (quoted(column), quoted(&table.name));
        let condition = condition.replace("{c}", &name);
        let count = match self.count(
            transaction,
            &table.name,
            &format!("SELECT count(*) FROM {from} WHERE {condition}"),
        ) {
            Ok(count) => count,
            Err(error) => return error,
        };
        let rowid = format!("SELECT rowid FROM {from} WHERE {condition} ORDER BY rowid LIMIT 1");
        let row = match transaction.query_row(&rowid, [], |row| row.get::<_, Option<i64>>(0)) {
            Ok(Some(rowid)) => format!("the row with rowid {rowid}"),
            // A view, or a table without: its key says which, and a message says that by its digest (H2).
            _ => self.key_digest(transaction, table, &condition).map_or_else(
                || "a row".to_owned(),
                |digest| format!("the row whose key has the digest {digest}"),
            ),
        };
        let more = match count {
            ..=1 => String::new(),
            more => format!(" and {} more", more - 1),
        };
        let has = if count > 1 { "have" } else { "has" };
        SourceError::new(
            ErrorKind::Cursor,
            format!("cannot read table `{}` by its cursor `{column}`: {row}{more} {has} {what} there", table.name),
        )
        .hint(format!("correct it at the source (`select * from {from} where {condition}`), or choose another cursor"))
        .object(&table.name)
    }

    /// The beginning of the digest of the primary key of the first row that meets a condition.
    fn key_digest(
        &self,
        transaction: &Transaction,
        table: &Table,
        condition: &str,
    ) -> Option<String> {
        let key = table.primary_key();
        if key.is_empty() {
            return None;
        }
        let sql = format!(
            "SELECT {} FROM {} WHERE {condition} ORDER BY {} LIMIT 1",
            table.sql_list(&key, ""),
            quoted(&table.name),
            table.sql_list(&key, " COLLATE BINARY")
        );
        let digest = transaction
            .query_row(&sql, [], |row| row_digest(row, key.len()))
            .ok()?;
        Some(hex(&digest[..6]))
    }

    /// The rows of a load, as a condition of SQL with parameters: all of a full one.
    fn range_of(
        table: &Table,
        feed: &FeedSpec,
        load: &Load,
    ) -> Result<(String, Vec<Cell>), SourceError> {
        match (feed.mode, &feed.cursor) {
            (Mode::Incremental, Some(cursor)) => {
                let lower = load.from.get("from").and_then(cell_of);
                let bound = load.to.get("cursor").and_then(cell_of);
                Self::range(table, cursor, lower.as_ref(), bound.as_ref())
            }
            _ => Ok((String::new(), Vec::new())),
        }
    }

    /// The range of a cursor, as SQL with parameters.
    fn range(
        table: &Table,
        cursor: &Cursor,
        lower: Option<&Cell>,
        bound: Option<&Cell>,
    ) -> Result<(String, Vec<Cell>), SourceError> {
        let column = quoted(&table.columns[table.find(&cursor.column, "cursor")?].name);
        let mut values: Vec<Cell> = Vec::new();
        let mut conditions: Vec<String> = Vec::new();
        for (operator, cell) in [(">=", lower), ("<=", bound)] {
            if let Some(cell) = cell {
                values.push(cell.clone());
                conditions.push(format!(
                    "{column} COLLATE BINARY {operator} ?{}",
                    values.len()
                ));
            }
        }
        let within = if bound.is_none() {
            "0".to_owned()
        } else {
            format!("({})", conditions.join(" AND "))
        };
        if bound.is_none() {
            values.clear();
        }
        let nulls = if cursor.nulls_include {
            format!(" OR {column} IS NULL")
        } else {
            String::new()
        };
        Ok((format!("WHERE {within}{nulls}"), values))
    }

    /// A table with proposals, from its declarations and a sample of its rows.
    fn discovered(
        &self,
        transaction: &Transaction,
        table: &Table,
        feed: Option<&FeedSpec>,
    ) -> Result<Discovered, SourceError> {
        let fail = |e| {
            self.fail(&format!("read table `{}` of", table.name), e)
                .object(&table.name)
        };
        let chosen = match feed {
            Some(feed) => table.chosen(feed)?,
            None => (0..table.columns.len()).collect(),
        };
        let sql = format!(
            "SELECT {} FROM {} LIMIT {SAMPLE_ROWS}",
            table.sql_list(&chosen, ""),
            quoted(&table.name)
        );
        let mut statement = transaction.prepare(&sql).map_err(fail)?;
        let mut rows = statement.query([]).map_err(fail)?;
        let mut profiles = vec![discover::Profile::default(); chosen.len()];
        while let Some(row) = rows.next().map_err(fail)? {
            for (i, profile) in profiles.iter_mut().enumerate() {
                let bronze = bronze_type(&table.columns[chosen[i]].declared);
                // Cells that do not fit their column are rescued: silver does not see them.
                match (bronze, row.get_ref(i).map_err(fail)?) {
                    (DataType::Utf8, ValueRef::Text(text)) => {
                        let text = String::from_utf8_lossy(text);
                        let is_null = |feed: &FeedSpec| feed.null_values.iter().any(|n| *n == text);
                        if !feed.is_some_and(is_null) {
                            profile.see(&text);
                        }
                    }
                    (DataType::Float64, ValueRef::Real(real)) => profile.see_double(real),
                    (DataType::Float64, ValueRef::Integer(i))
                        if (i as f64) as i128 == i128::from(i) =>
                    {
                        profile.see_double(i as f64);
                    }
                    _ => {}
                }
            }
        }
        let chosen: Vec<&TableColumn> = chosen.iter().map(|&i| &table.columns[i]).collect();
        let column = |(c, profile): (&&TableColumn, &discover::Profile)| {
            let (proposed, stays_double) =
                profile.propose_declared(&c.folded, &c.declared, &bronze_type(&c.declared));
            DiscoveredColumn {
                name: c.folded.clone(),
                source_name: c.name.clone(),
                source_type: c.declared.clone(),
                proposed,
                stays_double,
            }
        };
        let untyped = chosen.iter().filter(|c| c.is_untyped());
        let key: Vec<String> = table
            .primary_key()
            .iter()
            .map(|&i| table.columns[i].folded.clone())
            .collect();
        let feed_hint = feed.is_none().then(|| {
            let key = match key.as_slice() {
                [] => String::new(),
                key => format!(", key: [{}]", key.join(", ")),
            };
            format!("table: {}, mode: full{key}", names::quoted(&table.name))
        });
        Ok(Discovered {
            name: table.name.clone(),
            columns: chosen.iter().zip(&profiles).map(column).collect(),
            mode_hint: feed.map_or(Mode::Full, |feed| feed.mode).word().to_owned(),
            key_hint: key,
            feed_hint,
            notes: untyped
                .map(|c| format!("column `{}` declares no type: it is read as binary, and cells that are none are rescued: {GIVE_A_TYPE}", c.name))
                .collect(),
        })
    }

    /// Reads all texts of a cursor, once: in SQL each question about them would be a pass of its own.
    fn texts(
        &self,
        transaction: &Transaction,
        table: &Table,
        at: usize,
        position: Option<&Cell>,
    ) -> Result<Texts, SourceError> {
        let fail = |e| self.fail(&cursor_of(&table.name), e);
        let name = quoted(&table.columns[at].name);
        let sql = format!(
            "SELECT {name} FROM {} WHERE {name} IS NOT NULL",
            quoted(&table.name)
        );
        let position = match position {
            Some(Cell::Text(position)) => Some(position.as_bytes()),
            _ => None,
        };
        let mut texts = Texts::default();
        let mut statement = transaction.prepare(&sql).map_err(fail)?;
        let mut rows = statement.query([]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            if let ValueRef::Text(text) = row.get_ref(0).map_err(fail)? {
                texts.is_below |= position.is_some_and(|position| text < position);
                texts.see(&String::from_utf8_lossy(text));
            }
        }
        Ok(texts)
    }

    /// The one way in which the times of a cursor are written; None if there are none. Where there are several, the order of the
    /// texts is not that of the times, and a later one could lie behind the position.
    fn writing(
        &self,
        transaction: &Transaction,
        table: &Table,
        at: usize,
        texts: &Texts,
    ) -> Result<Option<String>, SourceError> {
        let mut found: Vec<(&String, &u64)> = texts.writings.iter().collect();
        found.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        match found.as_slice() {
            [] => Ok(None),
            [(writing, _)] => Ok(Some((*writing).clone())),
            [_, (rarer, _), ..] => Err(self.misplaced(
                transaction,
                table,
                at,
                &written_so(rarer),
                "a time that is not written as the others (separator, zone or digits)",
            )),
        }
    }

    /// Refuses a cursor of texts whose order by bytes is not that of the numbers or times that they are: a later one would lie behind the
    /// position, and never be read. The position counts as one of them, unless it lies before them all.
    fn check_order(
        &self,
        transaction: &Transaction,
        table: &Table,
        at: usize,
        position: Option<&Cell>,
        texts: &mut Texts,
    ) -> Result<(), SourceError> {
        let column = &table.columns[at].name;
        let name = quoted(column);
        if let Some((text, disorder)) = texts.disorder.take() {
            let condition = format!("{{c}} GLOB '{}'", text_order::written_as(&text));
            let (like, view) = match disorder.is_time {
                true => (
                    "a text like `2026-10-29 08:00:00`",
                    "cast(… as text)".to_owned(),
                ),
                false => (
                    "an integer (what is no number is cast to 0)",
                    format!("cast({name} as integer)"),
                ),
            };
            let hint = format!(
                "texts are ordered by their bytes, and rows that come later would be passed over: let the feed read a view of the source that has {like} there (`create view … as select *, {view} as … from {from}`), or the whole table with `mode: full`; `select * from {from} where {written}` shows these rows",
                from = quoted(&table.name),
                written = condition.replace("{c}", &name),
            );
            return Err(self
                .misplaced(transaction, table, at, &condition, &disorder.what)
                .hint(hint));
        }
        let position = match position {
            Some(Cell::Text(position)) if texts.is_below => Some(position),
            _ => None,
        };
        let Some(disorder) = position.and_then(|position| texts.order.see(position)) else {
            return Ok(());
        };
        Err(SourceError::new(
            ErrorKind::Cursor,
            format!("cannot go on reading table `{}` by `{column}`: the position has {}, and texts are ordered by their bytes", table.name, disorder.what),
        )
        .hint("set the position anew with `karat position set`, to a value written as the column's")
        .object(&table.name))
    }

    fn count(&self, transaction: &Transaction, of: &str, sql: &str) -> Result<i64, SourceError> {
        transaction
            .query_row(sql, [], |row| row.get(0))
            .map_err(|e| self.fail(&cursor_of(of), e))
    }

    /// Count and order-free sum over the rows of a window: tells whether reading it again could bring anything.
    fn window(
        &self,
        transaction: &Transaction,
        table: &Table,
        chosen: &[usize],
        range: &(String, Vec<Cell>),
    ) -> Result<String, SourceError> {
        let fail = |e| self.fail(&format!("read table `{}` of", table.name), e);
        let sql = format!(
            "SELECT {} FROM {} {}",
            table.sql_list(chosen, ""),
            quoted(&table.name),
            range.0
        );
        let mut statement = transaction.prepare(&sql).map_err(fail)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(&range.1))
            .map_err(fail)?;
        let (mut count, mut sum) = (0u64, 0u128);
        while let Some(row) = rows.next().map_err(fail)? {
            let digest = row_digest(row, chosen.len()).map_err(fail)?;
            sum = sum.wrapping_add(u128::from_be_bytes(
                digest[..16].try_into().expect("16 of 32 bytes"),
            ));
            count += 1;
        }
        Ok(format!("{count}:{sum:032x}"))
    }

    fn plan_cursor(
        &self,
        feed: &FeedSpec,
        cursor: &Cursor,
        from: Option<&Value>,
    ) -> Result<Planned, SourceError> {
        let mut connection = self.connect()?;
        let transaction = self.begin(&mut connection)?;
        let table = self.feed_table(&transaction, feed)?;
        let chosen = table.chosen(feed)?;
        table.key(feed)?;
        let at = table.find(&cursor.column, "cursor")?;
        let column = &table.columns[at];
        let (name, from_table) = (quoted(&column.name), quoted(&table.name));
        let refuse = |why: String, hint: &str| {
            Err(SourceError::new(
                ErrorKind::Config,
                format!(
                    "cannot use `{}` of table `{}` as cursor: {why}",
                    column.name, table.name
                ),
            )
            .hint(hint)
            .object(&table.name))
        };

        let nulls = self.count(
            &transaction,
            &table.name,
            &format!("SELECT count(*) FROM {from_table} WHERE {name} IS NULL"),
        )?;
        if nulls > 0 && !cursor.nulls_include {
            return Err(SourceError::new(ErrorKind::NullCursor, format!("cannot read table `{}` by its cursor `{}`: {} none, and no load would ever see {}", table.name, column.name, if nulls == 1 { "1 row has".to_owned() } else { format!("{nulls} rows have") }, if nulls == 1 { "it" } else { "them" }))
                .hint("choose a column that is never null, or state `cursor: { nulls: include }` to read these rows with every load")
                .object(&table.name));
        }
        let types = "CASE typeof({c}) WHEN 'text' THEN 1 WHEN 'blob' THEN 4 ELSE 2 END"
            .replace("{c}", &name);
        let kinds = self.count(&transaction, &table.name, &format!("SELECT coalesce(sum(DISTINCT {types}), 0) FROM {from_table} WHERE {name} IS NOT NULL"))?;
        let misplaced =
            |condition: &str, what: &str| self.misplaced(&transaction, &table, at, condition, what);
        match kinds {
            0..=2 => {}
            3 if bronze_type(&column.declared) == DataType::Utf8 => {
                return Err(misplaced(
                    "typeof({c}) IN ('integer', 'real')",
                    "a number among texts",
                ));
            }
            3 => return Err(misplaced("typeof({c}) = 'text'", "a text among numbers")),
            4 => {
                return refuse(
                    "it holds blobs".to_owned(),
                    "choose an integer, real or text column",
                );
            }
            _ => {
                return Err(misplaced(
                    "typeof({c}) = 'blob'",
                    "a blob among other values",
                ));
            }
        }
        let is_timed = matches!(cursor.lag, Some(Lag::Time(_)));
        let mut holds_dates = false;
        let mut writing = None;
        let before = from.map(Position::read);
        let stored = before.as_ref().and_then(|p| cell_of(&p.value));
        let mut texts = Texts::default();
        if kinds == 1 {
            texts = self.texts(&transaction, &table, at, stored.as_ref())?;
            holds_dates = is_timed || texts.dates > 0;
            // Where nothing looks like a date, the order of texts is meant.
            if holds_dates && texts.others > 0 {
                return Err(misplaced(UNDATED, "no date"));
            }
        }
        if holds_dates {
            writing = self.writing(&transaction, &table, at, &texts)?;
        }
        let maximum: Cell = transaction
            .query_row(
                &format!("SELECT max({name} COLLATE BINARY) FROM {from_table}"),
                [],
                |row| row.get(0),
            )
            .map_err(|e| self.fail(&cursor_of(&table.name), e))?;
        let maximum = (maximum != Cell::Null).then_some(maximum);
        if matches!(maximum, Some(Cell::Real(value)) if value == f64::INFINITY) {
            return Err(misplaced(
                "{c} = 9e999",
                "no number that another could be greater than (infinity)",
            ));
        }
        if let (true, Some(Cell::Text(text))) = (is_timed, &maximum)
            && !reads_as_time(text)
        {
            let greatest = format!("{{c}} = (SELECT max({{c}} COLLATE BINARY) FROM {from_table})");
            return Err(misplaced(&greatest, "no date or time that karat reads"));
        }
        let position = stored.map(|position| of_kind(position, maximum.as_ref()));
        if kinds == 1 {
            // A position among dates is held against how they are written, below.
            let position = position.as_ref().filter(|_| !holds_dates);
            self.check_order(&transaction, &table, at, position, &mut texts)?;
        }

        let mut planned = Planned::default();
        let kind = |cell: &Cell| matches!(cell, Cell::Text(_));
        if let (Some(position), Some(maximum)) = (&position, &maximum)
            && kind(position) != kind(maximum)
        {
            return Err(SourceError::new(ErrorKind::Drift, format!("cannot go on reading table `{}` by `{}`: the position and the column are not of one type any more", table.name, column.name))
                .hint("set the position anew with `karat position set`")
                .object(&table.name));
        }
        if let (true, Some(Cell::Text(text))) = (holds_dates, &position) {
            let is_date = begins_as_date(text);
            let other_writing = match &writing {
                Some(writing) if is_date => {
                    let mut of_position = String::new();
                    text_order::written_time(text, &mut of_position) && of_position != *writing
                }
                _ => false,
            };
            let why = match (is_date, other_writing) {
                (true, false) => None,
                (false, _) => Some("the position is no date, and the column holds dates"),
                (true, true) => Some(
                    "the position and the column write a time differently (separator, zone or digits), and texts are ordered by their bytes",
                ),
            };
            if let Some(why) = why {
                return Err(SourceError::new(
                    ErrorKind::Cursor,
                    format!("cannot go on reading table `{}` by `{}`: {why}", table.name, column.name),
                )
                .hint("set the position anew with `karat position set`, to a value written as the column's")
                .object(&table.name));
            }
        }
        let bound = match (position.clone(), maximum) {
            (Some(position), Some(maximum)) if cell_is_less(&maximum, &position) => {
                planned.warnings.push(format!("the greatest `{}` of table `{}` is below the position: rows were removed, or the table was restored", column.name, table.name));
                Some(position)
            }
            (position, maximum) => maximum.or(position),
        };
        let lag = cursor.lag;
        let from_here = |cell: &Cell| {
            lagged(cell, lag, &column.name).map(|cell| match cell {
                Cell::Text(text) if holds_dates => Cell::Text(shortest_writing(&text).to_owned()),
                other => other,
            })
        };
        let lower = position.as_ref().map(from_here).transpose()?;
        let range = Self::range(&table, cursor, lower.as_ref(), bound.as_ref())?;
        let unchanged = match &before {
            Some(Position {
                window: Some(window),
                ..
            }) if position == bound => {
                *window == self.window(&transaction, &table, &chosen, &range)?
            }
            _ => false,
        };
        let any: bool = transaction
            .query_row(
                &format!("SELECT EXISTS (SELECT 1 FROM {from_table} {})", range.0),
                rusqlite::params_from_iter(&range.1),
                |row| row.get(0),
            )
            .map_err(|e| self.fail(&cursor_of(&table.name), e))?;
        if !any || unchanged {
            return Ok(planned);
        }
        let next_lower = bound.as_ref().map(from_here).transpose()?;
        let next_range = Self::range(&table, cursor, next_lower.as_ref(), bound.as_ref())?;
        let window = self.window(&transaction, &table, &chosen, &next_range)?;
        planned.loads.push(Load {
            header: Some(chosen.iter().map(|&i| table.columns[i].column()).collect()),
            from: json!({"cursor": json_of(position), "from": json_of(lower)}),
            to: json!({"cursor": json_of(bound), "window": window}),
            ..Load::default()
        });
        Ok(planned)
    }
}

fn cursor_of(table: &str) -> String {
    format!("read the cursor of table `{table}` of")
}

impl Sqlite {
    /// Rows that are followed need a name: without one, a row that changes while its cursor stands still is another row, and which reading
    /// is the later nobody could tell (B1).
    fn check_named(&self, feed: &FeedSpec) -> Result<(), SourceError> {
        if !feed.followed {
            return Ok(());
        }
        let mut connection = self.connect()?;
        let transaction = self.begin(&mut connection)?;
        let table = self.feed_table(&transaction, feed)?;
        if !table.key(feed)?.is_empty() {
            return Ok(());
        }
        let what = format!(
            "cannot follow rows of `{}` with `auto_cdc`: it has no primary key, and feed `{}` no `key` (B1)",
            table.name, feed.name
        );
        Err(SourceError::new(ErrorKind::Config, what)
            .hint("declare the columns that name a row as `key` of the feed; a feed that was loaded without needs another `name`, too")
            .object(&table.name))
    }
}

impl Source for Sqlite {
    fn kind(&self) -> &'static str {
        "sqlite"
    }

    fn test(&self) -> Result<TestReport, SourceError> {
        let mut connection = self.connect()?;
        let transaction = self.begin(&mut connection)?;
        let tables = self.tables(&transaction)?;
        Ok(TestReport {
            summary: match tables.len() {
                1 => "SQLite database with 1 table or view".to_owned(),
                several => format!("SQLite database with {several} tables and views"),
            },
            details: tables,
        })
    }

    fn pulse(&self) -> Result<u64, SourceError> {
        let mut wal = self.path.as_os_str().to_owned();
        wal.push("-wal");
        let mut pulse = Pulse::default();
        pulse.file(&self.path);
        pulse.file(Path::new(&wal));
        Ok(pulse.finish())
    }

    fn discover(&self, feed: Option<&FeedSpec>) -> Result<Vec<Discovered>, SourceError> {
        let mut connection = self.connect()?;
        let transaction = self.begin(&mut connection)?;
        if let Some(feed) = feed {
            let table = self.feed_table(&transaction, feed)?;
            return Ok(vec![self.discovered(&transaction, &table, Some(feed))?]);
        }
        let mut found = Vec::new();
        for name in self.tables(&transaction)? {
            let table = self.table(&transaction, &name);
            match table.and_then(|table| self.discovered(&transaction, &table, None)) {
                Ok(table) => found.push(table),
                // One table that cannot be a feed (its columns fold alike, a view that is broken) hides no other.
                Err(e) if e.object_name().is_some() => {
                    found.push(Discovered {
                        name,
                        columns: Vec::new(),
                        mode_hint: "full".to_owned(),
                        key_hint: Vec::new(),
                        feed_hint: None,
                        notes: vec![e.to_string()],
                    });
                }
                Err(e) => return Err(e),
            }
        }
        Ok(found)
    }

    fn inventory(&self) -> Result<Inventory, SourceError> {
        let mut connection = self.connect()?;
        // Worth no waiting.
        connection
            .busy_timeout(Duration::ZERO)
            .map_err(|e| self.fail("open the database", e))?;
        let transaction = self.begin(&mut connection)?;
        let tables = self.tables(&transaction)?;
        let mut untyped = BTreeMap::new();
        for name in &tables {
            // What cannot be described (a view that is broken) is the run's business.
            let Ok(table) = self.table_of(&transaction, name) else {
                continue;
            };
            let columns = table.columns.iter().filter(|column| column.is_untyped());
            let columns: Vec<(String, String)> = columns
                .map(|column| (column.folded.clone(), column.name.clone()))
                .collect();
            if !columns.is_empty() {
                untyped.insert(name.to_lowercase(), columns);
            }
        }
        Ok(Inventory::of_tables(tables, untyped))
    }

    fn header(
        &self,
        feed: &FeedSpec,
        _object: Option<&Object>,
    ) -> Result<Option<Vec<Column>>, SourceError> {
        let mut connection = self.connect()?;
        let transaction = self.begin(&mut connection)?;
        let table = self.feed_table(&transaction, feed)?;
        Ok(Some(
            table
                .chosen(feed)?
                .iter()
                .map(|&i| table.columns[i].column())
                .collect(),
        ))
    }

    fn plan(&self, feed: &FeedSpec, from: &Known) -> Result<Planned, SourceError> {
        match (feed.mode, from, &feed.cursor) {
            (Mode::Incremental, Known::Cursor(position), Some(cursor)) => {
                self.check_named(feed)?;
                self.plan_cursor(feed, cursor, position.as_ref().filter(|p| !p.is_null()))
            }
            (Mode::Full, Known::Full { mark }, _) => {
                let header = self.header(feed, None)?;
                let mut connection = self.connect()?;
                let transaction = self.begin(&mut connection)?;
                self.feed_table(&transaction, feed)?.key(feed)?;
                let load = Load {
                    header,
                    from: Value::Null,
                    to: json!({"mark": mark}),
                    mark: Some(mark.clone()),
                    ..Load::default()
                };
                Ok(Planned {
                    loads: vec![load],
                    ..Planned::default()
                })
            }
            (Mode::Incremental, _, None) => Err(SourceError::new(
                ErrorKind::Config,
                format!(
                    "cannot read feed `{}` incrementally: it has no cursor",
                    feed.name
                ),
            )
            .hint("add `cursor: { column: … }`, or read it in full with `mode: full`")),
            _ => Err(SourceError::new(
                ErrorKind::Config,
                format!(
                    "cannot plan feed `{}`: its position is of another mode",
                    feed.name
                ),
            )
            .hint("the mode of the feed changed; set the position anew with `karat position set`")),
        }
    }

    fn count(
        &self,
        feed: &FeedSpec,
        load: &Load,
        _bytes_max: u64,
    ) -> Result<Option<u64>, SourceError> {
        let mut connection = self.connect()?;
        let transaction = self.begin(&mut connection)?;
        let table = self.feed_table(&transaction, feed)?;
        let (range, values) = Self::range_of(&table, feed, load)?;
        let sql = format!("SELECT count(*) FROM {} {range}", quoted(&table.name));
        let rows: i64 = transaction
            .query_row(&sql, rusqlite::params_from_iter(&values), |row| row.get(0))
            .map_err(|e| {
                self.fail(&format!("count table `{}` of", table.name), e)
                    .object(&table.name)
            })?;
        Ok(u64::try_from(rows).ok())
    }

    fn read(
        &self,
        feed: &FeedSpec,
        load: &Load,
        sink: &mut dyn FnMut(SourceBatch) -> Result<(), SinkError>,
    ) -> Result<ReadCount, SourceError> {
        let mut connection = self.connect()?;
        let transaction = self.begin(&mut connection)?;
        let table = self.feed_table(&transaction, feed)?;
        let fail = |e| {
            self.fail(&format!("read table `{}` of", table.name), e)
                .object(&table.name)
        };
        let chosen = table.chosen(feed)?;
        let key = table.key(feed)?;
        let columns: Vec<Column> = chosen.iter().map(|&i| table.columns[i].column()).collect();
        let schema = schema(&columns);
        let untyped = chosen.iter().map(|&i| &table.columns[i]);
        let untyped = untyped.filter(|column| column.is_untyped());
        let untyped: Vec<&str> = untyped.map(|column| column.folded.as_str()).collect();
        let cursor = match feed.mode {
            Mode::Full => None,
            Mode::Incremental => feed.cursor.as_ref(),
        };
        let cursor_at = cursor
            .map(|c| table.find(&c.column, "cursor"))
            .transpose()?;
        let (range, values) = Self::range_of(&table, feed, load)?;
        // The payload, then what `_seq` is made of.
        let seq_columns: Vec<usize> = cursor_at.iter().chain(&key).copied().collect();
        let all: Vec<usize> = chosen.iter().chain(&seq_columns).copied().collect();
        let order = table.order_by(&seq_columns, &chosen);
        let sql = format!(
            "SELECT {} FROM {} {range} ORDER BY {order}",
            table.sql_list(&all, ""),
            quoted(&table.name)
        );
        let mut statement = transaction.prepare(&sql).map_err(fail)?;
        let mut rows = statement
            .query(rusqlite::params_from_iter(&values))
            .map_err(fail)?;

        let prefix: Vec<u8> = match (cursor, &load.mark) {
            // Two loads of one time are two: the later is the later fact.
            (None, Some(mark)) => {
                let epoch = load.epoch.map(epoch_bytes);
                [
                    mark.as_bytes(),
                    &[0],
                    epoch.as_ref().map_or(&[], |e| &e[..]),
                ]
                .concat()
            }
            (None, None) => {
                return Err(SourceError::new(
                    ErrorKind::Config,
                    format!(
                        "cannot read feed `{}` in full: the load has no mark",
                        feed.name
                    ),
                )
                .hint("plan the load first"));
            }
            (Some(_), _) => Vec::new(),
        };
        let op = if cursor.is_some() { "U" } else { "R" };
        let mut cells: Vec<CellColumn> = columns
            .iter()
            .map(|c| CellColumn::new(&c.data_type))
            .collect();
        let mut seq = BinaryBuilder::new();
        let mut rescued = TextColumn::default();
        let mut count = ReadCount::default();
        let mut one: Vec<u8> = Vec::new();
        let (mut in_batch, mut bytes) = (0, 0);
        loop {
            let row = rows.next().map_err(fail)?;
            if in_batch == BATCH_ROWS || bytes > 64 << 20 || (row.is_none() && in_batch > 0) {
                let mut arrays: Vec<ArrayRef> = cells
                    .iter_mut()
                    .map(CellColumn::finish)
                    .collect::<Result<_, _>>()?;
                arrays.push(Arc::new(seq.finish()));
                arrays.push(Arc::new(constant(op, in_batch)?));
                arrays.push(Arc::new(constant(&table.name, in_batch)?));
                arrays.push(Arc::new(Int64Array::new_null(in_batch)));
                arrays.push(Arc::new(rescued.finish()?));
                let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).map_err(internal)?;
                sink(SourceBatch {
                    object: None,
                    batch,
                })
                .map_err(|e| SourceError::sink(&table.name, e))?;
                (in_batch, bytes) = (0, 0);
            }
            let Some(row) = row else { break };
            let mut misfits = Map::new();
            for (i, column) in cells.iter_mut().enumerate() {
                let cell = row.get_ref(i).map_err(fail)?;
                bytes += match cell {
                    ValueRef::Text(b) | ValueRef::Blob(b) => b.len(),
                    _ => 8,
                };
                if !column.push(cell) {
                    misfits.insert(columns[i].name.clone(), rescued_cell(cell));
                }
            }
            if misfits.is_empty() {
                rescued.push_null();
            } else {
                rescued.push(
                    json!({"reason": reason(&misfits, &untyped), "cells": misfits})
                        .to_string()
                        .as_bytes(),
                );
                count.rescued += 1;
            }
            one.clear();
            one.extend_from_slice(&prefix);
            for i in chosen.len()..all.len() {
                encode(&row.get_ref(i).map_err(fail)?, &mut one);
            }
            if key.is_empty() {
                match cursor {
                    Some(_) => one.extend(row_digest(row, chosen.len()).map_err(fail)?),
                    None => one.extend((count.rows + 1).to_be_bytes()),
                }
            }
            if let (Some(_), Some(epoch)) = (cursor, load.epoch) {
                one.extend(epoch_bytes(epoch));
            }
            if seq.values_slice().len() + one.len() > i32::MAX as usize {
                return Err(too_large().object(&table.name));
            }
            seq.append_value(&one);
            count.rows += 1;
            in_batch += 1;
        }
        count.bytes = bytes_of(&transaction).unwrap_or(0);
        Ok(count)
    }
}

/// Size of the database, as a measure of what a load reads at most.
fn bytes_of(transaction: &Transaction) -> Option<u64> {
    let pages: i64 = transaction
        .query_row("PRAGMA page_count", [], |row| row.get(0))
        .ok()?;
    let size: i64 = transaction
        .query_row("PRAGMA page_size", [], |row| row.get(0))
        .ok()?;
    u64::try_from(pages * size).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_sort_as_values_do() {
        let cells = [
            Cell::Null,
            Cell::Real(f64::NEG_INFINITY),
            Cell::Integer(i64::MIN),
            Cell::Integer(-9_007_199_254_740_993),
            Cell::Real(-9_007_199_254_740_992.0),
            Cell::Real(-0.5),
            Cell::Integer(0),
            Cell::Real(0.5),
            Cell::Integer(1),
            Cell::Real(9_007_199_254_740_992.0),
            Cell::Integer(9_007_199_254_740_993),
            Cell::Integer(i64::MAX - 1),
            Cell::Integer(i64::MAX),
            Cell::Text(String::new()),
            Cell::Text("a".to_owned()),
            Cell::Text("a\0".to_owned()),
            Cell::Text("ab".to_owned()),
            Cell::Blob(vec![]),
        ];
        for pair in cells.windows(2) {
            assert!(cell_is_less(&pair[0], &pair[1]), "{pair:?}");
        }
        let equal = |a: Cell, b: Cell| !cell_is_less(&a, &b) && !cell_is_less(&b, &a);
        assert!(equal(Cell::Integer(2), Cell::Real(2.0)));
    }

    #[test]
    fn a_lag_keeps_the_shape_of_the_text() {
        let minus = |text: &str| text_minus(text, Duration::from_secs(900));
        assert_eq!(
            minus("2026-10-29 00:10:00").as_deref(),
            Some("2026-10-28 23:55:00")
        );
        assert_eq!(
            minus("2026-10-29T00:10:00.123Z").as_deref(),
            Some("2026-10-28T23:55:00.123Z")
        );
        assert_eq!(minus("2026-10-29").as_deref(), Some("2026-10-28"));
        assert_eq!(minus("yesterday"), None);
        assert_eq!(minus("2026-10-29ä0:10:000"), None);
        assert_eq!(minus("29.10.2026 00:10"), None);
    }
}
