//! Checksums of Parquet pages, held against their bytes as they are read. A writer need not leave any, and then a flipped bit that still
//! decodes is somebody else's to notice.
//!
//! The reader of the `parquet` crate leaves them alone as it is built here, so what it asks for passes through this module: a range of
//! bytes that begins at a page, for DataFusion's scans ([`CheckedReaders`]), and single pages of a file ([`CheckedFile`]). What a page's head
//! says of its size is read here too ([`page_sizes`]).

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::ParquetFileReaderFactory;
use datafusion::datasource::physical_plan::parquet::DefaultParquetFileReaderFactory;
use datafusion::object_store::local::LocalFileSystem;
use datafusion::parquet::arrow::arrow_reader::ArrowReaderOptions;
use datafusion::parquet::arrow::async_reader::AsyncFileReader;
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::ParquetMetaData;
use datafusion::parquet::file::reader::{ChunkReader, Length};
use datafusion::physical_plan::metrics::ExecutionPlanMetricsSet;
use futures::FutureExt;
use futures::future::BoxFuture;

/// What a page's head says of the bytes behind it.
struct Body {
    /// Where it begins, from the start of the head.
    from: usize,
    length: usize,
    checksum: u32,
}

impl Body {
    fn check(&self, body: &[u8]) -> Result<()> {
        if crc32fast::hash(body) == self.checksum {
            return Ok(());
        }
        Err(ParquetError::General(
            "the checksum of a page is not that of its bytes".to_owned(),
        ))
    }
}

/// The body of the page whose head begins here; none if there is no checksum, or no head that is understood: the decoder tells of that.
fn body(bytes: &[u8]) -> Option<Body> {
    let mut head = Head { bytes, at: 0 };
    let [_, _, length] = head.first_numbers()?;
    let checksum = head.next_number()?;
    head.skip_struct(0)?;
    Some(Body {
        from: head.at,
        length: usize::try_from(length).ok()?,
        checksum: checksum as u32,
    })
}

/// What a page takes.
pub(crate) struct PageSizes {
    /// Bytes of its head.
    pub(crate) head: usize,
    /// Bytes of its body as it lies in the file.
    pub(crate) compressed: usize,
    /// Bytes of its body without compression.
    pub(crate) plain: usize,
}

/// The sizes of the page whose head begins here; none if these bytes hold no whole head that is understood.
pub(crate) fn page_sizes(bytes: &[u8]) -> Option<PageSizes> {
    let mut head = Head { bytes, at: 0 };
    let [_, plain, compressed] = head.first_numbers()?;
    head.skip_struct(0)?;
    Some(PageSizes {
        head: head.at,
        compressed: usize::try_from(compressed).ok()?,
        plain: usize::try_from(plain).ok()?,
    })
}

/// Checks the pages that lie here one after the other.
fn check_pages(mut bytes: &[u8]) -> Result<()> {
    while let Some(found) = body(bytes) {
        let Some(page) = bytes[found.from..].get(..found.length) else {
            break;
        };
        found.check(page)?;
        bytes = &bytes[found.from + found.length..];
    }
    Ok(())
}

/// Thrift's compact protocol, as far as one must know it to find the end of a head.
struct Head<'b> {
    bytes: &'b [u8],
    at: usize,
}

const BYTE: u8 = 3;
const I16: u8 = 4;
const I32: u8 = 5;
const I64: u8 = 6;
const DOUBLE: u8 = 7;
const BINARY: u8 = 8;
const LIST: u8 = 9;
const SET: u8 = 10;
const STRUCT: u8 = 12;

/// Structs within structs that are followed.
const DEPTH: u8 = 8;

impl Head<'_> {
    fn byte(&mut self) -> Option<u8> {
        let byte = *self.bytes.get(self.at)?;
        self.at += 1;
        Some(byte)
    }

    fn varint(&mut self) -> Option<u64> {
        let (mut value, mut shift) = (0u64, 0);
        while shift < u64::BITS {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
            shift += 7;
        }
        None
    }

    /// Kind of page, size without compression, size.
    fn first_numbers(&mut self) -> Option<[i64; 3]> {
        let mut numbers = [0i64; 3];
        for number in &mut numbers {
            *number = self.next_number()?;
        }
        Some(numbers)
    }

    /// The number in the field that follows at once.
    fn next_number(&mut self) -> Option<i64> {
        match self.byte()? == (1 << 4 | I32) {
            true => self.zigzag(),
            false => None,
        }
    }

    fn zigzag(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1) as i64 ^ -((value & 1) as i64))
    }

    fn pass(&mut self, count: u64) -> Option<()> {
        self.at = self.at.checked_add(usize::try_from(count).ok()?)?;
        (self.at <= self.bytes.len()).then_some(())
    }

    /// Passes over the fields that are left of a struct.
    fn skip_struct(&mut self, depth: u8) -> Option<()> {
        if depth > DEPTH {
            return None;
        }
        loop {
            let field = self.byte()?;
            if field == 0 {
                return Some(());
            }
            // Far from the field before, its number follows.
            if field >> 4 == 0 {
                self.zigzag()?;
            }
            // Of a boolean the kind is the value.
            if !matches!(field & 0x0f, 1 | 2) {
                self.skip(field & 0x0f, depth)?;
            }
        }
    }

    fn skip(&mut self, kind: u8, depth: u8) -> Option<()> {
        match kind {
            1 | 2 | BYTE => self.pass(1),
            I16 | I32 | I64 => self.varint().map(|_| ()),
            DOUBLE => self.pass(8),
            BINARY => {
                let length = self.varint()?;
                self.pass(length)
            }
            LIST | SET => {
                let head = self.byte()?;
                let count = match head >> 4 {
                    15 => self.varint()?,
                    few => u64::from(few),
                };
                for _ in 0..count {
                    self.skip(head & 0x0f, depth)?;
                }
                Some(())
            }
            STRUCT => self.skip_struct(depth + 1),
            _ => None,
        }
    }
}

/// A file whose pages are checked.
pub(crate) struct CheckedFile {
    file: File,
    /// By where it begins, what is expected of a page whose head was read.
    expected: Mutex<HashMap<u64, Body>>,
}

impl CheckedFile {
    pub(crate) fn new(file: File) -> CheckedFile {
        CheckedFile {
            file,
            expected: Mutex::default(),
        }
    }
}

impl Length for CheckedFile {
    fn len(&self) -> u64 {
        self.file.len()
    }
}

impl ChunkReader for CheckedFile {
    type T = BufReader<File>;

    fn get_read(&self, start: u64) -> Result<Self::T> {
        let mut read = self.file.get_read(start)?;
        // A head that is longer than the buffer is passed over.
        if let Some(body) = body(read.fill_buf()?) {
            let at = start + body.from as u64;
            let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
            expected.insert(at, body);
        }
        Ok(read)
    }

    fn get_bytes(&self, start: u64, length: usize) -> Result<Bytes> {
        let bytes = self.file.get_bytes(start, length)?;
        let mut expected = self.expected.lock().unwrap_or_else(PoisonError::into_inner);
        let body = expected.remove(&start);
        drop(expected);
        match body {
            Some(body) if body.length == length => body.check(&bytes)?,
            // A page that is read together with its head.
            _ => check_pages(&bytes)?,
        }
        Ok(bytes)
    }
}

/// Readers of local files for DataFusion's scans.
#[derive(Debug)]
pub(crate) struct CheckedReaders {
    inner: DefaultParquetFileReaderFactory,
}

impl CheckedReaders {
    pub(crate) fn new() -> CheckedReaders {
        CheckedReaders {
            inner: DefaultParquetFileReaderFactory::new(Arc::new(LocalFileSystem::new())),
        }
    }
}

impl ParquetFileReaderFactory for CheckedReaders {
    fn create_reader(
        &self,
        partition: usize,
        file: PartitionedFile,
        footer_hint: Option<usize>,
        metrics: &ExecutionPlanMetricsSet,
    ) -> datafusion::common::Result<Box<dyn AsyncFileReader + Send>> {
        let inner = self
            .inner
            .create_reader(partition, file, footer_hint, metrics)?;
        Ok(Box::new(CheckedReader { inner }))
    }
}

struct CheckedReader {
    inner: Box<dyn AsyncFileReader + Send>,
}

impl AsyncFileReader for CheckedReader {
    fn get_bytes(&mut self, range: Range<u64>) -> BoxFuture<'_, Result<Bytes>> {
        let read = self.inner.get_bytes(range);
        async move {
            let bytes = read.await?;
            check_pages(&bytes)?;
            Ok(bytes)
        }
        .boxed()
    }

    fn get_byte_ranges(&mut self, ranges: Vec<Range<u64>>) -> BoxFuture<'_, Result<Vec<Bytes>>> {
        let read = self.inner.get_byte_ranges(ranges);
        async move {
            let parts = read.await?;
            for part in &parts {
                check_pages(part)?;
            }
            Ok(parts)
        }
        .boxed()
    }

    fn get_metadata<'a>(
        &'a mut self,
        options: Option<&'a ArrowReaderOptions>,
    ) -> BoxFuture<'a, Result<Arc<ParquetMetaData>>> {
        self.inner.get_metadata(options)
    }
}
