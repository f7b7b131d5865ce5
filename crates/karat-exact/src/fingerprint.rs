//! Content fingerprints, encoding v1: what a table holds, whatever its files and layout.
//!
//! The encoding is specified in `docs/fingerprint.md`; vectors are in `tests/fingerprint-vectors.json`. Every stored value depends on
//! it, so it never changes: another encoding would be another version. It compares content; it is no proof against forgery.

use std::fmt;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::str::FromStr;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, Decimal32Array,
    Decimal64Array, Decimal128Array, Decimal256Array, FixedSizeBinaryArray, Float64Array,
    LargeBinaryArray, LargeStringArray, PrimitiveArray, RecordBatch, StringArray, StringViewArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, Fields, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Schema,
    TimeUnit, UInt8Type, UInt16Type, UInt32Type, UInt64Type, i256,
};
use xxhash_rust::xxh3::{xxh3_64, xxh3_128};

use crate::error::ExactError;
use crate::types::type_name;

const NULL: u8 = 0x00;
const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const DECIMAL: u8 = 0x03;
const DOUBLE: u8 = 0x04;
const STRING: u8 = 0x05;
const BINARY: u8 = 0x06;
const DATE: u8 = 0x07;
const TIME: u8 = 0x08;
const TIMESTAMP: u8 = 0x09;
const TIMESTAMP_ZONE: u8 = 0x0a;
const LIST: u8 = 0x0b;
const STRUCT: u8 = 0x0c;
const MAP: u8 = 0x0d;
/// Set in the tag of a time or timestamp that carries nanoseconds.
const WITH_NANOSECONDS: u8 = 0x80;

/// The fingerprint of a bag of rows: how many, and the sum of their hashes modulo 2^128.
///
/// Bags add and subtract: the fingerprint of two files together is the sum of theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    /// Number of rows, duplicates counted.
    pub rows: u64,
    /// Sum of the rows' xxh3-128 hashes (seed 0) modulo 2^128.
    pub sum: u128,
}

impl Add for Fingerprint {
    type Output = Fingerprint;
    fn add(self, other: Fingerprint) -> Fingerprint {
        Fingerprint {
            rows: self.rows.wrapping_add(other.rows),
            sum: self.sum.wrapping_add(other.sum),
        }
    }
}

impl Sub for Fingerprint {
    type Output = Fingerprint;
    fn sub(self, other: Fingerprint) -> Fingerprint {
        Fingerprint {
            rows: self.rows.wrapping_sub(other.rows),
            sum: self.sum.wrapping_sub(other.sum),
        }
    }
}

impl AddAssign for Fingerprint {
    fn add_assign(&mut self, other: Fingerprint) {
        *self = *self + other;
    }
}

impl SubAssign for Fingerprint {
    fn sub_assign(&mut self, other: Fingerprint) {
        *self = *self - other;
    }
}

impl std::iter::Sum for Fingerprint {
    fn sum<I: Iterator<Item = Fingerprint>>(iter: I) -> Fingerprint {
        iter.fold(Fingerprint::default(), Add::add)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{:032x}", self.rows, self.sum)
    }
}

/// A text that is no fingerprint.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is no fingerprint: expected ROWS:32 lower-case hex digits")]
pub struct ParseFingerprintError(String);

impl FromStr for Fingerprint {
    type Err = ParseFingerprintError;
    fn from_str(text: &str) -> Result<Fingerprint, ParseFingerprintError> {
        let wrong = || ParseFingerprintError(text.chars().take(80).collect());
        let (rows, sum) = text.split_once(':').ok_or_else(wrong)?;
        let hex = sum.len() == 32
            && sum
                .bytes()
                .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !hex || !rows.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let rows = rows.parse().map_err(|_| wrong())?;
        let sum = u128::from_str_radix(sum, 16).map_err(|_| wrong())?;
        Ok(Fingerprint { rows, sum })
    }
}

impl serde::Serialize for Fingerprint {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Fingerprint {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Fingerprint, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Adds up the fingerprint of the batches of one schema.
#[derive(Debug)]
pub struct Fingerprinter {
    /// Position in the batch and name of each column, sorted by name.
    columns: Vec<(usize, String)>,
    width: usize,
    total: Fingerprint,
    row: Vec<u8>,
}

impl Fingerprinter {
    /// A fingerprinter for batches of `schema`, leaving out the columns named in `exclude`.
    pub fn new(schema: &Schema, exclude: &[&str]) -> Result<Fingerprinter, ExactError> {
        let mut columns: Vec<(usize, String)> = Vec::new();
        for (position, field) in schema.fields().iter().enumerate() {
            if exclude.contains(&field.name().as_str()) {
                continue;
            }
            supported(field.data_type(), field.name())?;
            columns.push((position, field.name().clone()));
        }
        columns.sort_by(|a, b| a.1.as_bytes().cmp(b.1.as_bytes()));
        if let Some(pair) = columns.windows(2).find(|pair| pair[0].1 == pair[1].1) {
            return Err(ExactError::refused(
                format!("cannot fingerprint rows with two columns `{}`", pair[0].1),
                "rename one of them".to_string(),
            ));
        }
        Ok(Fingerprinter {
            columns,
            width: schema.fields().len(),
            total: Fingerprint::default(),
            row: Vec::with_capacity(256),
        })
    }

    /// Adds the rows of a batch.
    pub fn update(&mut self, batch: &RecordBatch) -> Result<(), ExactError> {
        if batch.num_columns() != self.width {
            return Err(ExactError::Internal(format!(
                "fingerprint of {} columns got a batch of {}",
                self.width,
                batch.num_columns()
            )));
        }
        let mut encoders = Vec::with_capacity(self.columns.len());
        for (position, name) in &self.columns {
            let field = batch.schema_ref().field(*position);
            if field.name() != name {
                return Err(ExactError::Internal(format!(
                    "fingerprint expected column `{name}`, got `{}`",
                    field.name()
                )));
            }
            if let Some(encoder) = Column::new(name, batch.column(*position))? {
                encoders.push(encoder);
            }
        }
        let mut sum = 0u128;
        for row in 0..batch.num_rows() {
            self.row.clear();
            for column in &encoders {
                column.encode(row, &mut self.row)?;
            }
            sum = sum.wrapping_add(xxh3_128(&self.row));
        }
        self.total.rows += batch.num_rows() as u64;
        self.total.sum = self.total.sum.wrapping_add(sum);
        Ok(())
    }

    /// The fingerprint of all rows so far.
    pub fn current(&self) -> Fingerprint {
        self.total
    }

    /// The fingerprint of all rows.
    pub fn finish(self) -> Fingerprint {
        self.total
    }
}

/// The hash of each row, as it goes into the sum: equal rows have equal hashes.
pub fn row_hashes(batch: &RecordBatch) -> Result<Vec<u128>, ExactError> {
    let columns = columns_by_name(batch)?;
    let mut bytes = Vec::with_capacity(256);
    let mut hashes = Vec::with_capacity(batch.num_rows());
    for row in 0..batch.num_rows() {
        bytes.clear();
        for column in &columns {
            column.encode(row, &mut bytes)?;
        }
        hashes.push(xxh3_128(&bytes));
    }
    Ok(hashes)
}

/// The bytes that one row's hash is taken over: for vectors and for looking into a difference.
pub fn row_bytes(batch: &RecordBatch, row: usize) -> Result<Vec<u8>, ExactError> {
    let mut bytes = Vec::new();
    for column in columns_by_name(batch)? {
        column.encode(row, &mut bytes)?;
    }
    Ok(bytes)
}

/// Encoders of the columns that hold anything, sorted by name.
fn columns_by_name(batch: &RecordBatch) -> Result<Vec<Column>, ExactError> {
    let fields = batch.schema_ref().fields().iter();
    let mut named: Vec<(&str, &ArrayRef)> = fields
        .map(|field| field.name().as_str())
        .zip(batch.columns())
        .collect();
    named.sort_by(|a, b| a.0.as_bytes().cmp(b.0.as_bytes()));
    let mut columns = Vec::with_capacity(named.len());
    for (name, array) in named {
        columns.extend(Column::new(name, array)?);
    }
    Ok(columns)
}

/// The schema as text, one line a column in the order of the table: name, TAB, type, and `not null` where that is promised. Digests of schemas are taken over this.
pub fn schema_text(schema: &Schema) -> String {
    let mut text = String::new();
    for field in schema.fields() {
        text.push_str(&field.name().escape_default().to_string());
        text.push('\t');
        text.push_str(&type_name(field.data_type()));
        if !field.is_nullable() {
            text.push_str(" not null");
        }
        text.push('\n');
    }
    text
}

fn supported(data_type: &DataType, column: &str) -> Result<(), ExactError> {
    match data_type {
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            supported(item.data_type(), column)
        }
        DataType::Struct(fields) => fields
            .iter()
            .try_for_each(|field| supported(field.data_type(), column)),
        DataType::Map(entries, _) => supported(entries.data_type(), column),
        DataType::Dictionary(_, value) => supported(value, column),
        DataType::Interval(_)
        | DataType::Duration(_)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => Err(ExactError::refused(
            format!(
                "cannot fingerprint column `{column}` of type {}",
                type_name(data_type)
            ),
            "cast it to a type that a table can hold".to_string(),
        )),
        _ => Ok(()),
    }
}

/// One named column: its prefix is the hash of its name and its tag.
struct Column {
    name: [u8; 8],
    values: Values,
}

impl Column {
    /// `None` for a column that is null in every row.
    fn new(name: &str, array: &ArrayRef) -> Result<Option<Column>, ExactError> {
        if *array.data_type() == DataType::Null
            || (!array.is_empty() && array.null_count() == array.len())
        {
            return Ok(None);
        }
        Ok(Some(Column {
            name: xxh3_64(name.as_bytes()).to_le_bytes(),
            values: Values::new(array)?,
        }))
    }

    #[inline]
    fn encode(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ExactError> {
        if self.values.is_null(row) {
            return Ok(());
        }
        out.extend_from_slice(&self.name);
        self.values.encode(row, out)
    }
}

/// The values of an array with its null marks; `encode` writes tag and value of a row that is not null.
struct Values {
    nulls: Option<NullBuffer>,
    kind: Kind,
}

enum Kind {
    Null,
    Boolean(BooleanArray),
    I8(PrimitiveArray<Int8Type>),
    I16(PrimitiveArray<Int16Type>),
    I32(PrimitiveArray<Int32Type>),
    I64(PrimitiveArray<Int64Type>),
    U8(PrimitiveArray<UInt8Type>),
    U16(PrimitiveArray<UInt16Type>),
    U32(PrimitiveArray<UInt32Type>),
    U64(PrimitiveArray<UInt64Type>),
    Double(Float64Array),
    Decimal32(Decimal32Array, i8),
    Decimal64(Decimal64Array, i8),
    Decimal128(Decimal128Array, i8),
    Decimal256(Decimal256Array, i8),
    Utf8(StringArray),
    LargeUtf8(LargeStringArray),
    Utf8View(StringViewArray),
    Binary(BinaryArray),
    LargeBinary(LargeBinaryArray),
    BinaryView(BinaryViewArray),
    FixedBinary(FixedSizeBinaryArray),
    /// Days.
    Date32(PrimitiveArray<Int32Type>),
    /// Milliseconds.
    Date64(PrimitiveArray<Int64Type>),
    /// Tag, values in a unit: and what makes microseconds of them.
    Micros {
        tag: u8,
        values: PrimitiveArray<Int64Type>,
        factor: i64,
    },
    Nanos {
        tag: u8,
        values: PrimitiveArray<Int64Type>,
    },
    List {
        offsets: OffsetBuffer<i64>,
        items: Box<Values>,
    },
    Struct(Vec<Column>),
    Map {
        offsets: OffsetBuffer<i32>,
        keys: Box<Values>,
        values: Box<Values>,
    },
}

fn as_int64(array: &ArrayRef) -> Result<PrimitiveArray<Int64Type>, ExactError> {
    let array = match array.data_type() {
        DataType::Time32(_) => {
            cast(array, &DataType::Int32).and_then(|a| cast(&a, &DataType::Int64))
        }
        _ => cast(array, &DataType::Int64),
    };
    Ok(array
        .map_err(ExactError::arrow)?
        .as_primitive::<Int64Type>()
        .clone())
}

impl Values {
    fn new(array: &ArrayRef) -> Result<Values, ExactError> {
        let micros = |tag, factor| -> Result<Kind, ExactError> {
            Ok(Kind::Micros {
                tag,
                values: as_int64(array)?,
                factor,
            })
        };
        let kind = match array.data_type() {
            DataType::Null => Kind::Null,
            DataType::Boolean => Kind::Boolean(array.as_boolean().clone()),
            DataType::Int8 => Kind::I8(array.as_primitive().clone()),
            DataType::Int16 => Kind::I16(array.as_primitive().clone()),
            DataType::Int32 => Kind::I32(array.as_primitive().clone()),
            DataType::Int64 => Kind::I64(array.as_primitive().clone()),
            DataType::UInt8 => Kind::U8(array.as_primitive().clone()),
            DataType::UInt16 => Kind::U16(array.as_primitive().clone()),
            DataType::UInt32 => Kind::U32(array.as_primitive().clone()),
            DataType::UInt64 => Kind::U64(array.as_primitive().clone()),
            DataType::Float16 | DataType::Float32 | DataType::Float64 => {
                let array = cast(array, &DataType::Float64).map_err(ExactError::arrow)?;
                Kind::Double(array.as_primitive::<Float64Type>().clone())
            }
            DataType::Decimal32(_, scale) => Kind::Decimal32(array.as_primitive().clone(), *scale),
            DataType::Decimal64(_, scale) => Kind::Decimal64(array.as_primitive().clone(), *scale),
            DataType::Decimal128(_, scale) => {
                Kind::Decimal128(array.as_primitive().clone(), *scale)
            }
            DataType::Decimal256(_, scale) => {
                Kind::Decimal256(array.as_primitive().clone(), *scale)
            }
            DataType::Utf8 => Kind::Utf8(array.as_string().clone()),
            DataType::LargeUtf8 => Kind::LargeUtf8(array.as_string().clone()),
            DataType::Utf8View => Kind::Utf8View(array.as_string_view().clone()),
            DataType::Binary => Kind::Binary(array.as_binary().clone()),
            DataType::LargeBinary => Kind::LargeBinary(array.as_binary().clone()),
            DataType::BinaryView => Kind::BinaryView(array.as_binary_view().clone()),
            DataType::FixedSizeBinary(_) => Kind::FixedBinary(array.as_fixed_size_binary().clone()),
            DataType::Date32 => {
                let array = cast(array, &DataType::Int32).map_err(ExactError::arrow)?;
                Kind::Date32(array.as_primitive().clone())
            }
            DataType::Date64 => Kind::Date64(as_int64(array)?),
            DataType::Time32(TimeUnit::Second) => micros(TIME, 1_000_000)?,
            DataType::Time32(_) => micros(TIME, 1_000)?,
            DataType::Time64(TimeUnit::Nanosecond) => Kind::Nanos {
                tag: TIME,
                values: as_int64(array)?,
            },
            DataType::Time64(_) => micros(TIME, 1)?,
            DataType::Timestamp(unit, zone) => {
                let tag = if zone.is_some() {
                    TIMESTAMP_ZONE
                } else {
                    TIMESTAMP
                };
                match unit {
                    TimeUnit::Second => micros(tag, 1_000_000)?,
                    TimeUnit::Millisecond => micros(tag, 1_000)?,
                    TimeUnit::Microsecond => micros(tag, 1)?,
                    TimeUnit::Nanosecond => Kind::Nanos {
                        tag,
                        values: as_int64(array)?,
                    },
                }
            }
            DataType::List(_) => {
                let list = array.as_list::<i32>();
                let offsets = list
                    .offsets()
                    .iter()
                    .map(|o| i64::from(*o))
                    .collect::<Vec<_>>();
                Kind::List {
                    offsets: OffsetBuffer::new(offsets.into()),
                    items: Box::new(Values::new(list.values())?),
                }
            }
            DataType::LargeList(_) => {
                let list = array.as_list::<i64>();
                Kind::List {
                    offsets: list.offsets().clone(),
                    items: Box::new(Values::new(list.values())?),
                }
            }
            DataType::FixedSizeList(_, size) => {
                let list = array.as_fixed_size_list();
                let offsets = (0..=list.len() as i64)
                    .map(|row| row * i64::from(*size))
                    .collect::<Vec<_>>();
                Kind::List {
                    offsets: OffsetBuffer::new(offsets.into()),
                    items: Box::new(Values::new(list.values())?),
                }
            }
            DataType::Struct(fields) => Kind::Struct(struct_columns(fields, array)?),
            DataType::Map(..) => {
                let map = array.as_map();
                Kind::Map {
                    offsets: map.offsets().clone(),
                    keys: Box::new(Values::new(map.keys())?),
                    values: Box::new(Values::new(map.values())?),
                }
            }
            DataType::Dictionary(_, value) => {
                return Values::new(&cast(array, value).map_err(ExactError::arrow)?);
            }
            other => {
                return Err(ExactError::refused(
                    format!("cannot fingerprint a value of type {}", type_name(other)),
                    "cast it to a type that a table can hold".to_string(),
                ));
            }
        };
        let nulls = match array.data_type() {
            DataType::Null => None,
            _ => array
                .nulls()
                .filter(|nulls| nulls.null_count() > 0)
                .cloned(),
        };
        Ok(Values { nulls, kind })
    }

    #[inline]
    fn is_null(&self, row: usize) -> bool {
        match &self.nulls {
            Some(nulls) => nulls.is_null(row),
            None => matches!(self.kind, Kind::Null),
        }
    }

    /// Tag and value, or the null mark: how an element of a list or map is written.
    fn encode_element(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ExactError> {
        if self.is_null(row) {
            out.push(NULL);
            return Ok(());
        }
        self.encode(row, out)
    }

    #[inline]
    fn encode(&self, row: usize, out: &mut Vec<u8>) -> Result<(), ExactError> {
        match &self.kind {
            Kind::Null => out.push(NULL),
            Kind::Boolean(a) => out.extend_from_slice(&[BOOLEAN, u8::from(a.value(row))]),
            Kind::I8(a) => integer(i64::from(a.value(row)), out),
            Kind::I16(a) => integer(i64::from(a.value(row)), out),
            Kind::I32(a) => integer(i64::from(a.value(row)), out),
            Kind::I64(a) => integer(a.value(row), out),
            Kind::U8(a) => integer(i64::from(a.value(row)), out),
            Kind::U16(a) => integer(i64::from(a.value(row)), out),
            Kind::U32(a) => integer(i64::from(a.value(row)), out),
            Kind::U64(a) => match i64::try_from(a.value(row)) {
                Ok(value) => integer(value, out),
                Err(_) => {
                    out.push(INTEGER);
                    minimal(&i128::from(a.value(row)).to_le_bytes(), out);
                }
            },
            Kind::Double(a) => {
                let value = a.value(row);
                let bits = if value.is_nan() {
                    0x7ff8_0000_0000_0000
                } else {
                    value.to_bits()
                };
                out.push(DOUBLE);
                out.extend_from_slice(&bits.to_le_bytes());
            }
            Kind::Decimal32(a, scale) => decimal(i128::from(a.value(row)), *scale, out),
            Kind::Decimal64(a, scale) => decimal(i128::from(a.value(row)), *scale, out),
            Kind::Decimal128(a, scale) => decimal(a.value(row), *scale, out),
            Kind::Decimal256(a, scale) => decimal_wide(a.value(row), *scale, out),
            Kind::Utf8(a) => bytes(STRING, a.value(row).as_bytes(), out),
            Kind::LargeUtf8(a) => bytes(STRING, a.value(row).as_bytes(), out),
            Kind::Utf8View(a) => bytes(STRING, a.value(row).as_bytes(), out),
            Kind::Binary(a) => bytes(BINARY, a.value(row), out),
            Kind::LargeBinary(a) => bytes(BINARY, a.value(row), out),
            Kind::BinaryView(a) => bytes(BINARY, a.value(row), out),
            Kind::FixedBinary(a) => bytes(BINARY, a.value(row), out),
            Kind::Date32(a) => {
                out.push(DATE);
                out.extend_from_slice(&a.value(row).to_le_bytes());
            }
            Kind::Date64(a) => {
                let (day, rest) = (
                    a.value(row).div_euclid(86_400_000),
                    a.value(row).rem_euclid(86_400_000),
                );
                let day = i32::try_from(day).ok().filter(|_| rest == 0);
                let Some(day) = day else {
                    return Err(ExactError::refused(
                        "cannot fingerprint a date with a time of day".to_string(),
                        "cast it to a timestamp".to_string(),
                    ));
                };
                out.push(DATE);
                out.extend_from_slice(&day.to_le_bytes());
            }
            Kind::Micros {
                tag,
                values,
                factor,
            } => {
                let Some(value) = values.value(row).checked_mul(*factor) else {
                    return Err(ExactError::refused(
                        "cannot fingerprint a timestamp outside of the range of microseconds"
                            .to_string(),
                        String::new(),
                    ));
                };
                out.push(*tag);
                out.extend_from_slice(&value.to_le_bytes());
            }
            Kind::Nanos { tag, values } => {
                let (micros, rest) = (
                    values.value(row).div_euclid(1000),
                    values.value(row).rem_euclid(1000),
                );
                if rest == 0 {
                    out.push(*tag);
                    out.extend_from_slice(&micros.to_le_bytes());
                } else {
                    out.push(*tag | WITH_NANOSECONDS);
                    out.extend_from_slice(&micros.to_le_bytes());
                    out.extend_from_slice(&(rest as u16).to_le_bytes());
                }
            }
            Kind::List { offsets, items } => {
                let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
                out.push(LIST);
                out.extend_from_slice(&((to - from) as u64).to_le_bytes());
                for item in from..to {
                    items.encode_element(item, out)?;
                }
            }
            Kind::Struct(columns) => {
                let count = columns
                    .iter()
                    .filter(|column| !column.values.is_null(row))
                    .count();
                out.push(STRUCT);
                out.extend_from_slice(&(count as u64).to_le_bytes());
                for column in columns {
                    column.encode(row, out)?;
                }
            }
            Kind::Map {
                offsets,
                keys,
                values,
            } => {
                let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
                out.push(MAP);
                out.extend_from_slice(&((to - from) as u64).to_le_bytes());
                let mut entries = Vec::with_capacity(to - from);
                for entry in from..to {
                    let (mut key, mut value) = (Vec::new(), Vec::new());
                    keys.encode_element(entry, &mut key)?;
                    values.encode_element(entry, &mut value)?;
                    entries.push((key, value));
                }
                entries.sort();
                for (key, value) in entries {
                    out.extend_from_slice(&key);
                    out.extend_from_slice(&value);
                }
            }
        }
        Ok(())
    }
}

fn struct_columns(fields: &Fields, array: &ArrayRef) -> Result<Vec<Column>, ExactError> {
    let array = array.as_struct();
    let mut pairs: Vec<(&Field, &ArrayRef)> = fields
        .iter()
        .map(AsRef::as_ref)
        .zip(array.columns())
        .collect();
    pairs.sort_by(|a, b| a.0.name().as_bytes().cmp(b.0.name().as_bytes()));
    let mut columns = Vec::new();
    for (field, values) in pairs {
        columns.extend(Column::new(field.name(), values)?);
    }
    Ok(columns)
}

fn bytes(tag: u8, value: &[u8], out: &mut Vec<u8>) {
    out.push(tag);
    out.extend_from_slice(&(value.len() as u64).to_le_bytes());
    out.extend_from_slice(value);
}

/// Tag, length, and the shortest little-endian two's complement of at least one byte.
#[inline]
fn integer(value: i64, out: &mut Vec<u8>) {
    let bits = 65 - (value ^ (value >> 63)).leading_zeros() as usize;
    let length = bits.div_ceil(8);
    let bytes = value.to_le_bytes();
    let mut all = [0u8; 10];
    all[0] = INTEGER;
    all[1] = length as u8;
    all[2..10].copy_from_slice(&bytes);
    out.extend_from_slice(&all[..2 + length]);
}

/// Length and the shortest form of little-endian two's complement.
fn minimal(value: &[u8], out: &mut Vec<u8>) {
    let sign = if value[value.len() - 1] & 0x80 == 0 {
        0x00
    } else {
        0xff
    };
    let mut length = value.len();
    while length > 1 && value[length - 1] == sign && (value[length - 2] & 0x80) == (sign & 0x80) {
        length -= 1;
    }
    out.push(length as u8);
    out.extend_from_slice(&value[..length]);
}

/// Decimals by value: unscaled value without trailing zeros, and the scale that belongs to it (negative for 100 = 1e2).
fn decimal(value: i128, scale: i8, out: &mut Vec<u8>) {
    let mut scale = i16::from(scale);
    if let Ok(mut small) = i64::try_from(value) {
        if small == 0 {
            scale = 0;
        } else {
            while small % 10 == 0 {
                small /= 10;
                scale -= 1;
            }
        }
        out.push(DECIMAL);
        out.extend_from_slice(&scale.to_le_bytes());
        let bits = 65 - (small ^ (small >> 63)).leading_zeros() as usize;
        let length = bits.div_ceil(8);
        out.push(length as u8);
        out.extend_from_slice(&small.to_le_bytes()[..length]);
        return;
    }
    let mut value = value;
    while value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    out.push(DECIMAL);
    out.extend_from_slice(&scale.to_le_bytes());
    minimal(&value.to_le_bytes(), out);
}

fn decimal_wide(value: i256, scale: i8, out: &mut Vec<u8>) {
    if let Some(small) = value.to_i128() {
        return decimal(small, scale, out);
    }
    let (mut value, mut scale) = (value, i16::from(scale));
    let ten = i256::from_i128(10);
    while value % ten == i256::ZERO {
        value /= ten;
        scale -= 1;
    }
    out.push(DECIMAL);
    out.extend_from_slice(&scale.to_le_bytes());
    minimal(&value.to_le_bytes(), out);
}
