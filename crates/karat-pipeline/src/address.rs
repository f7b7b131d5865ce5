//! Where a row came from: as people and messages name it (H2), never by a value of it, and as a repair finds it (C3).

use arrow::array::{Array, AsArray, BinaryArray, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::Int64Type;
use karat_receipt::Digest;

/// Digits of the digest that stands for the place of a row without a line.
const DIGITS: usize = 12;

/// The address of a bronze or quarantine row: `orders.csv@1:6`, by its line in a file; of a database `orders@1:3f09c1d2a4b7`, by the
/// digest of its `_seq`, which holds cursor, key and epoch.
pub(crate) fn of(batch: &RecordBatch, row: usize) -> String {
    Columns::of(batch).at(row).to_string()
}

/// What a row of bronze says: I, U, D, T or R (B2).
pub(crate) fn op(batch: &RecordBatch, row: usize) -> &str {
    let column = batch.column_by_name("_op");
    let column = column.and_then(|column| column.as_string_opt::<i32>());
    column.map_or("", |column| column.value(row))
}

/// The beginning of the digest of a row's `_seq`.
pub(crate) fn position(batch: &RecordBatch, row: usize) -> Option<String> {
    let columns = Columns::of(batch);
    let seq = columns.seq.filter(|column| column.is_valid(row))?;
    Some(digits(seq.value(row)))
}

fn digits(seq: &[u8]) -> String {
    let mut digest = Digest::of(seq).to_string();
    digest.truncate(DIGITS);
    digest
}

/// A row's place within its delivery.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// First physical line, from 1.
    Line(i64),
    /// `_seq`, of a row that has no line.
    Seq(Vec<u8>),
}

/// A row's address: object, delivery, place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The object; empty where a row came with none, as the deletes of full loads do.
    pub object: String,
    /// Which content of the object.
    pub delivery: i64,
    /// Where in it.
    pub place: Place,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}:", self.object, self.delivery)?;
        match &self.place {
            Place::Line(line) => write!(f, "{line}"),
            Place::Seq(seq) => f.write_str(&digits(seq)),
        }
    }
}

/// The columns of a batch that hold addresses.
pub(crate) struct Columns<'b> {
    object: Option<&'b StringArray>,
    delivery: Option<&'b Int64Array>,
    row: Option<&'b Int64Array>,
    seq: Option<&'b BinaryArray>,
    epoch: Option<&'b Int64Array>,
}

impl<'b> Columns<'b> {
    pub(crate) fn of(batch: &'b RecordBatch) -> Self {
        let number = |name: &str| {
            let column = batch.column_by_name(name);
            column.and_then(|column| column.as_primitive_opt::<Int64Type>())
        };
        let object = batch.column_by_name("_object");
        let seq = batch.column_by_name("_seq");
        Self {
            object: object.and_then(|column| column.as_string_opt::<i32>()),
            delivery: number("_delivery"),
            row: number("_row"),
            seq: seq.and_then(|column| column.as_binary_opt::<i32>()),
            epoch: number("_epoch"),
        }
    }

    pub(crate) fn object(&self, row: usize) -> &'b str {
        let column = self.object.filter(|column| column.is_valid(row));
        column.map_or("", |column| column.value(row))
    }

    pub(crate) fn delivery(&self, row: usize) -> i64 {
        number(self.delivery, row).unwrap_or(1)
    }

    /// The line; None of a row that has none.
    pub(crate) fn line(&self, row: usize) -> Option<i64> {
        number(self.row, row)
    }

    pub(crate) fn seq(&self, row: usize) -> &'b [u8] {
        let column = self.seq.filter(|column| column.is_valid(row));
        column.map_or(&[], |column| column.value(row))
    }

    /// The load that brought the row; 0 where the batch does not tell.
    pub(crate) fn epoch(&self, row: usize) -> i64 {
        number(self.epoch, row).unwrap_or(0)
    }

    pub(crate) fn at(&self, row: usize) -> Address {
        Address {
            object: self.object(row).to_owned(),
            delivery: self.delivery(row),
            place: match self.line(row) {
                Some(line) => Place::Line(line),
                None => Place::Seq(self.seq(row).to_vec()),
            },
        }
    }
}

fn number(column: Option<&Int64Array>, row: usize) -> Option<i64> {
    let column = column.filter(|column| column.is_valid(row))?;
    Some(column.value(row))
}
