//! One Avro object container file: the types that its writer gave are kept (B3), its rows are numbered in the order of the file.
//!
//! The decoder takes a file that ends within a block for one that ends before it. So the blocks are walked first: each must be there whole, with the
//! marker that the header announces (B4). How values become the types of bronze is left to `typed`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};

use arrow::array::RecordBatch;
use arrow_avro::reader::ReaderBuilder;

use crate::format::{FileFormat, ObjectCount, Opened, Sample};
use crate::rows::BATCH_ROWS;
use crate::typed::{self, Batches, Rows};
use crate::{Column, FeedSpec, Object, SourceError};

/// The format.
pub(crate) struct Avro;

impl FileFormat for Avro {
    fn check(&self, _: &FeedSpec) -> Result<(), SourceError> {
        Ok(())
    }

    fn flaw(&self, object: &Opened, _: bool) -> Result<Option<String>, SourceError> {
        let rows = match walk(&mut BufReader::new(object.file()?)) {
            Ok(Ok(rows)) => rows,
            Ok(Err(why)) => return Ok(Some(why.to_owned())),
            Err(e) => return Err(SourceError::io("read", object.path, e)),
        };
        match typed::prove(object, &|| Reader::open(object), DAMAGED)? {
            None => {}
            why => return Ok(why),
        }
        // Every row that the blocks announce must have come out.
        let mut reader = Reader::open(object)?;
        let mut decoded = 0;
        while let Some(batch) = reader.next(object)? {
            decoded += batch.rescued.len() as u64;
        }
        Ok((decoded != rows).then(|| DAMAGED.to_owned()))
    }

    fn columns(&self, object: &Opened) -> Result<Option<Vec<Column>>, SourceError> {
        let columns = Reader::open(object)?.columns();
        Ok((!columns.is_empty()).then_some(columns))
    }

    fn has_rows(&self, object: &Opened) -> Result<bool, SourceError> {
        let rows = walk(&mut BufReader::new(object.file()?));
        match rows.map_err(|e| SourceError::io("read", object.path, e))? {
            Ok(rows) => Ok(rows > 0),
            Err(why) => Err(object.broken(why)),
        }
    }

    fn read(
        &self,
        object: &Opened,
        of: &Object,
        _: Vec<Column>,
        each: &mut dyn FnMut(RecordBatch) -> Result<(), SourceError>,
    ) -> Result<ObjectCount, SourceError> {
        typed::read(object, of, Reader::open(object)?, each)
    }

    fn sample(&self, object: &Opened, rows_max: u64) -> Result<Option<Sample>, SourceError> {
        typed::sample(object, Reader::open(object)?, rows_max, "Avro").map(Some)
    }
}

const DAMAGED: &str = "Avro is damaged";
const SHORT: &str = "Avro ends early";
const EMPTY: &str = "it is empty, and should be Avro";
const NONE: &str = "it is no Avro object container file";
/// How the reason begins of a file whose schema or packing the decoder does not take.
const REFUSED: &str = "its Avro schema or codec is not read";

/// Whether an object known to be broken for this reason, which this file gave, might be whole under the settings of today.
pub(crate) fn may_be_whole_now(reason: &str, feed: &FeedSpec) -> bool {
    [DAMAGED, SHORT, EMPTY, NONE, REFUSED].contains(&reason) && feed.format != crate::Format::Avro
}

/// The length of a header, or of a name in it, beyond which it is damage.
const LENGTH_MAX: u64 = 256 << 20;

/// Walks over the blocks; how many rows they announce, or the reason.
fn walk(file: &mut BufReader<File>) -> io::Result<Result<u64, &'static str>> {
    match blocks(file) {
        Ok(outcome) => Ok(outcome),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(Err(SHORT)),
        Err(e) => Err(e),
    }
}

fn blocks(file: &mut BufReader<File>) -> io::Result<Result<u64, &'static str>> {
    if file.fill_buf()?.is_empty() {
        return Ok(Err(EMPTY));
    }
    let mut magic = [0; 4];
    file.read_exact(&mut magic)?;
    if magic != *b"Obj\x01" {
        return Ok(Err(NONE));
    }
    // The metadata: blocks of names and values, each text with its length before it.
    loop {
        let count = long(file)?;
        if count == 0 {
            break;
        }
        if count < 0 {
            long(file)?;
        }
        for _ in 0..count.unsigned_abs().saturating_mul(2) {
            let length = long(file)?;
            if length < 0
                || length.unsigned_abs() > LENGTH_MAX
                || !skip(file, length.unsigned_abs())?
            {
                return Ok(Err(SHORT));
            }
        }
    }
    let mut marker = [0; 16];
    file.read_exact(&mut marker)?;
    let mut rows = 0_u64;
    while !file.fill_buf()?.is_empty() {
        let (count, length) = (long(file)?, long(file)?);
        if count < 0 || length < 0 {
            return Ok(Err(DAMAGED));
        }
        if !skip(file, length.unsigned_abs())? {
            return Ok(Err(SHORT));
        }
        let mut found = [0; 16];
        file.read_exact(&mut found)?;
        if found != marker {
            return Ok(Err(DAMAGED));
        }
        rows = rows.saturating_add(count.unsigned_abs());
    }
    Ok(Ok(rows))
}

/// A number of variable length.
fn long(file: &mut impl Read) -> io::Result<i64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let mut byte = [0];
        file.read_exact(&mut byte)?;
        value |= u64::from(byte[0] & 0x7F) << shift;
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

/// Passes bytes; false if there are fewer.
fn skip(file: &mut BufReader<File>, bytes: u64) -> io::Result<bool> {
    let passed = io::copy(&mut file.by_ref().take(bytes), &mut io::sink())?;
    Ok(passed == bytes)
}

/// Reads batches in the types of bronze.
struct Reader {
    columns: Vec<(usize, Column)>,
    batches: arrow_avro::reader::Reader<BufReader<File>>,
}

impl Reader {
    fn open(object: &Opened) -> Result<Box<dyn Batches>, SourceError> {
        let file = BufReader::new(object.file()?);
        let batches = ReaderBuilder::new()
            .with_batch_size(BATCH_ROWS)
            .build(file)
            .map_err(|e| object.broken(REFUSED).cause(e))?;
        let columns = typed::landing(object, batches.schema().fields())?;
        Ok(Box::new(Self { columns, batches }))
    }
}

impl Batches for Reader {
    fn columns(&self) -> Vec<Column> {
        self.columns
            .iter()
            .map(|(_, column)| column.clone())
            .collect()
    }

    fn next(&mut self, object: &Opened) -> Result<Option<Rows>, SourceError> {
        let batch = self.batches.next().transpose();
        let Some(batch) = batch.map_err(|e| object.broken(DAMAGED).cause(e))? else {
            return Ok(None);
        };
        let mut rows = Rows::of(batch.num_rows());
        for (at, column) in &self.columns {
            rows.push(object, column, batch.column(*at), DAMAGED)?;
        }
        Ok(Some(rows))
    }
}
