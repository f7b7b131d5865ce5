//! Avro object container files, as far as Iceberg's manifests need them: any schema is read, values are found by their field ids; two
//! schemas are written.
//!
//! What is read may be anybody's: every length is held against what is left, and nesting, unpacking and the values that bytes stand for
//! have limits.

use std::collections::{BTreeMap, HashMap};
use std::io::{Read, Write};
use std::sync::Arc;

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use serde_json::Value as Json;
use sha2::{Digest, Sha256};

const MAGIC: &[u8; 4] = b"Obj\x01";
/// How deep a schema may nest.
const DEPTH_MAX: usize = 32;
/// Bytes that a block may unpack to.
const UNPACKED_MAX: u64 = 1 << 30;
/// Values that a byte may stand for: a null in a union is one byte and two values, a null of its own none and one.
const VALUES_A_BYTE: usize = 8;
/// Values beyond that, of a block of few bytes.
const VALUES_MORE: usize = 1024;
/// Values of one record: what a manifest says of a file with a hundred thousand columns.
const RECORD_MAX: usize = 1 << 21;

/// A value as it stands in a file; a record's fields carry the field ids of the schema, 0 where it has none.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Long(i64),
    Double(f64),
    Bytes(Vec<u8>),
    Text(String),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
    Record(Vec<(i32, Value)>),
}

impl Value {
    /// The field of this id; null where the record has none.
    pub(crate) fn field(&self, id: i32) -> &Value {
        match self {
            Self::Record(fields) => fields
                .iter()
                .find(|(of, _)| *of == id)
                .map_or(&Self::Null, |(_, value)| value),
            _ => &Self::Null,
        }
    }

    pub(crate) fn long(&self) -> Option<i64> {
        match self {
            Self::Long(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        match self {
            Self::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub(crate) fn list(&self) -> &[Value] {
        match self {
            Self::List(items) => items,
            _ => &[],
        }
    }
}

#[derive(Debug, PartialEq)]
enum Type {
    Null,
    Bool,
    Int,
    Float,
    Double,
    Bytes,
    Text,
    Fixed(usize),
    Enum(Vec<String>),
    List(Arc<Type>),
    Map(Arc<Type>),
    Union(Vec<Arc<Type>>),
    Record(Vec<(i32, Arc<Type>)>),
}

/// Reads the records of a file, one after the other; the error says what is wrong with it.
pub(crate) fn read<T>(
    bytes: &[u8],
    mut of_record: impl FnMut(&Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let mut input = Input {
        rest: bytes,
        values: 0,
    };
    if input.take(4)? != MAGIC {
        return Err("it does not begin as an Avro file does".into());
    }
    let mut metadata = BTreeMap::new();
    loop {
        let count = input.block_count()?;
        if count == 0 {
            break;
        }
        for _ in 0..count {
            let key = input.text()?;
            let value = input.sized()?.to_vec();
            metadata.insert(key, value);
        }
    }
    let sync = input.take(16)?;
    let schema = metadata.get("avro.schema").ok_or("it has no schema")?;
    let schema: Json = serde_json::from_slice(schema).map_err(|_| "its schema is no JSON")?;
    let schema = Names::default().parse(&schema, 0)?.of;
    let codec = metadata
        .get("avro.codec")
        .map_or(&b"null"[..], |codec| codec);
    let mut records = Vec::new();
    while !input.rest.is_empty() {
        let count = input.count()?;
        let packed = input.sized()?;
        let unpacked = unpack(codec, packed)?;
        let mut left = VALUES_A_BYTE * unpacked.len() + VALUES_MORE;
        let mut block = Input {
            rest: &unpacked,
            values: 0,
        };
        if count > unpacked.len() {
            return Err("a count in it is none".into());
        }
        for _ in 0..count {
            let most = left.min(RECORD_MAX);
            block.values = most;
            records.push(of_record(&block.value(&schema)?)?);
            left -= most - block.values;
        }
        if !block.rest.is_empty() {
            return Err("a block of it is longer than its records".into());
        }
        if input.take(16)? != sync {
            return Err("a block of it does not end as it should".into());
        }
    }
    Ok(records)
}

fn unpack(codec: &[u8], packed: &[u8]) -> Result<Vec<u8>, String> {
    let mut unpacked = Vec::new();
    let read = match codec {
        b"null" => return Ok(packed.to_vec()),
        b"deflate" => DeflateDecoder::new(packed)
            .take(UNPACKED_MAX)
            .read_to_end(&mut unpacked),
        b"zstandard" => zstd::Decoder::new(packed)
            .and_then(|decoder| decoder.take(UNPACKED_MAX).read_to_end(&mut unpacked)),
        other => {
            return Err(format!(
                "it is packed with {}, which karat does not know",
                String::from_utf8_lossy(other).escape_debug()
            ));
        }
    };
    match read {
        Ok(read) if (read as u64) < UNPACKED_MAX => Ok(unpacked),
        Ok(_) => Err("a block of it is too large".into()),
        Err(error) => Err(format!("a block of it cannot be unpacked: {error}")),
    }
}

/// A type of a schema.
#[derive(Debug, Clone)]
struct Parsed {
    of: Arc<Type>,
    /// How deep it nests types, itself among them.
    height: usize,
    /// Whether each of its values has a byte or more.
    takes_bytes: bool,
}

/// Types that a schema has given names.
#[derive(Default)]
struct Names {
    known: HashMap<String, Parsed>,
}

impl Names {
    /// `depth` is that of the type in the schema's text. A type that is named, not spelled out, nests as deep as where it was spelled out.
    fn parse(&mut self, schema: &Json, depth: usize) -> Result<Parsed, String> {
        let broken = || "its schema is none of Avro".to_owned();
        let too_deep = || "its schema nests too deep".to_owned();
        if depth > DEPTH_MAX {
            return Err(too_deep());
        }
        let (mut height, mut takes_bytes) = (0, false);
        let mut inner = |parsed: Parsed| {
            height = height.max(parsed.height);
            takes_bytes |= parsed.takes_bytes;
            parsed.of
        };
        let (made, name) = if let Some(name) = schema.as_str() {
            return self.named(name);
        } else if let Some(options) = schema.as_array() {
            let options = options.iter();
            let options = options.map(|option| Ok(inner(self.parse(option, depth + 1)?)));
            (Type::Union(options.collect::<Result<_, String>>()?), None)
        } else {
            let kind = &schema["type"];
            let Some(kind) = kind.as_str() else {
                return self.parse(kind, depth + 1);
            };
            let made = match kind {
                "record" => {
                    let mut fields = Vec::new();
                    for field in schema["fields"].as_array().ok_or_else(broken)? {
                        let id = field["field-id"].as_i64().unwrap_or(0);
                        let id = i32::try_from(id).map_err(|_| broken())?;
                        fields.push((id, inner(self.parse(&field["type"], depth + 1)?)));
                    }
                    Type::Record(fields)
                }
                "array" => {
                    let item = self.parse(&schema["items"], depth + 1)?;
                    if !item.takes_bytes {
                        return Err("its schema has a list of nothing".into());
                    }
                    Type::List(inner(item))
                }
                "map" => Type::Map(inner(self.parse(&schema["values"], depth + 1)?)),
                "fixed" => {
                    let size = schema["size"].as_u64().ok_or_else(broken)?;
                    Type::Fixed(usize::try_from(size).map_err(|_| broken())?)
                }
                "enum" => {
                    let symbols = schema["symbols"].as_array().ok_or_else(broken)?.iter();
                    let symbols = symbols.map(|symbol| symbol.as_str().map(str::to_owned));
                    Type::Enum(symbols.collect::<Option<_>>().ok_or_else(broken)?)
                }
                name => return self.named(name),
            };
            (made, schema["name"].as_str())
        };
        let made = Parsed {
            takes_bytes: match &made {
                Type::Record(_) => takes_bytes,
                Type::Fixed(size) => *size > 0,
                _ => true,
            },
            of: Arc::new(made),
            height: height + 1,
        };
        if made.height > DEPTH_MAX {
            return Err(too_deep());
        }
        if let Some(name) = name {
            self.known.insert(name.to_owned(), made.clone());
        }
        Ok(made)
    }

    fn named(&self, name: &str) -> Result<Parsed, String> {
        let of = Arc::new(match name {
            "null" => Type::Null,
            "boolean" => Type::Bool,
            "int" | "long" => Type::Int,
            "float" => Type::Float,
            "double" => Type::Double,
            "bytes" => Type::Bytes,
            "string" => Type::Text,
            name => {
                let known = self.known.get(name).cloned();
                return known
                    .ok_or_else(|| "its schema names a type that it does not have".to_owned());
            }
        });
        Ok(Parsed {
            takes_bytes: *of != Type::Null,
            of,
            height: 1,
        })
    }
}

struct Input<'b> {
    rest: &'b [u8],
    /// How many values more it may hold.
    values: usize,
}

impl<'b> Input<'b> {
    fn take(&mut self, count: usize) -> Result<&'b [u8], String> {
        match self.rest.split_at_checked(count) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err("it ends early".into()),
        }
    }

    fn long(&mut self) -> Result<i64, String> {
        let mut value: u64 = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((value >> 1).cast_signed() ^ -(value & 1).cast_signed());
            }
        }
        Err("a number in it is too long".into())
    }

    fn count(&mut self) -> Result<usize, String> {
        let count = self.long()?;
        // Nothing of them takes less than a bit; a count beyond that is a lie.
        match usize::try_from(count) {
            Ok(count) if count <= UNPACKED_MAX as usize => Ok(count),
            _ => Err("a count in it is none".into()),
        }
    }

    /// Items of a block of a list or map; a negative count is followed by the block's bytes.
    fn block_count(&mut self) -> Result<usize, String> {
        let count = self.long()?;
        if count < 0 {
            self.long()?;
        }
        match usize::try_from(count.unsigned_abs()) {
            Ok(count) if count <= self.rest.len() => Ok(count),
            _ => Err("a count in it is none".into()),
        }
    }

    fn sized(&mut self) -> Result<&'b [u8], String> {
        let size = self.count()?;
        self.take(size)
    }

    fn text(&mut self) -> Result<String, String> {
        let bytes = self.sized()?;
        String::from_utf8(bytes.to_vec()).map_err(|_| "a text in it is no UTF-8".into())
    }

    fn value(&mut self, of: &Type) -> Result<Value, String> {
        let left = self.values.checked_sub(1);
        self.values = left.ok_or("it stands for more values than a file of its size can hold")?;
        Ok(match of {
            Type::Null => Value::Null,
            Type::Bool => Value::Bool(self.take(1)?[0] != 0),
            Type::Int => Value::Long(self.long()?),
            Type::Float => {
                let bytes: [u8; 4] = self.take(4)?.try_into().unwrap_or_default();
                Value::Double(f32::from_le_bytes(bytes).into())
            }
            Type::Double => {
                let bytes: [u8; 8] = self.take(8)?.try_into().unwrap_or_default();
                Value::Double(f64::from_le_bytes(bytes))
            }
            Type::Bytes => Value::Bytes(self.sized()?.to_vec()),
            Type::Text => Value::Text(self.text()?),
            Type::Fixed(size) => Value::Bytes(self.take(*size)?.to_vec()),
            Type::Enum(symbols) => {
                let at = self.count()?;
                let symbol = symbols.get(at).ok_or("a word in it is not of its schema")?;
                Value::Text(symbol.clone())
            }
            Type::Union(options) => {
                let at = self.count()?;
                let of = options
                    .get(at)
                    .ok_or("a value in it has a type that its schema does not name")?;
                self.value(of)?
            }
            Type::List(item) => {
                let mut items = Vec::new();
                loop {
                    let count = self.block_count()?;
                    if count == 0 {
                        break;
                    }
                    for _ in 0..count {
                        items.push(self.value(item)?);
                    }
                }
                Value::List(items)
            }
            Type::Map(item) => {
                let mut entries = Vec::new();
                loop {
                    let count = self.block_count()?;
                    if count == 0 {
                        break;
                    }
                    for _ in 0..count {
                        entries.push((self.text()?, self.value(item)?));
                    }
                }
                Value::Map(entries)
            }
            Type::Record(fields) => {
                let mut values = Vec::with_capacity(fields.len().min(self.values));
                for (id, of) in fields {
                    values.push((*id, self.value(of)?));
                }
                Value::Record(values)
            }
        })
    }
}

/// The values of records, one after the other, as they stand in a file.
#[derive(Debug, Default)]
pub(crate) struct Output {
    bytes: Vec<u8>,
}

impl Output {
    pub(crate) fn long(&mut self, value: i64) -> &mut Self {
        let mut rest = ((value << 1) ^ (value >> 63)).cast_unsigned();
        while rest > 0x7f {
            self.bytes.push((rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        self.bytes.push(rest as u8);
        self
    }

    pub(crate) fn count(&mut self, value: u64) -> &mut Self {
        self.long(i64::try_from(value).unwrap_or(i64::MAX))
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) -> &mut Self {
        self.count(value.len() as u64);
        self.bytes.extend_from_slice(value);
        self
    }

    /// A value of a union of null and its type.
    pub(crate) fn maybe<T>(
        &mut self,
        value: Option<T>,
        write: impl FnOnce(&mut Self, T),
    ) -> &mut Self {
        match value {
            None => {
                self.long(0);
            }
            Some(value) => {
                self.long(1);
                write(self, value);
            }
        }
        self
    }

    /// A list; its items are written by `write`.
    pub(crate) fn list<T>(
        &mut self,
        items: impl ExactSizeIterator<Item = T>,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        if items.len() > 0 {
            self.count(items.len() as u64);
            for item in items {
                write(self, item);
            }
        }
        self.long(0)
    }

    /// The file of so many records that were written.
    pub(crate) fn into_file(
        self,
        schema: &Json,
        metadata: &[(&str, String)],
        records: u64,
    ) -> std::io::Result<Vec<u8>> {
        let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
        deflated.write_all(&self.bytes)?;
        let packed = deflated.finish()?;
        let schema = schema.to_string();
        let mut entries: Vec<(&str, &str)> =
            vec![("avro.schema", &schema), ("avro.codec", "deflate")];
        entries.extend(metadata.iter().map(|(key, value)| (*key, value.as_str())));
        let mut file = Output::default();
        file.bytes.extend_from_slice(MAGIC);
        file.list(entries.into_iter(), |file, (key, value)| {
            file.bytes(key.as_bytes()).bytes(value.as_bytes());
        });
        // Any sixteen bytes will do: no random ones.
        let sync = Sha256::digest(&packed);
        file.bytes.extend_from_slice(&sync[..16]);
        if records > 0 {
            file.count(records).bytes(&packed);
            file.bytes.extend_from_slice(&sync[..16]);
        }
        Ok(file.bytes)
    }
}
