//! Chunks into Parquet files under temporary names, hashed on their way to the disk.

use std::cmp::Reverse;
use std::fs::{self, File};
use std::io::{self, Write};
use std::panic::resume_unwind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{
    ArrowColumnWriter, ArrowRowGroupWriterFactory, ArrowWriterOptions, compute_leaves,
};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use sha2::{Digest, Sha256};

use crate::LakeError;
use crate::canonical::{Layout, encode_by, hex};
use crate::constant::{Constants, Held, OneValue};
use crate::folder::{create_dirs, create_temporary};
use crate::worker::Consumer;

/// Name of the Parquet schema, as Iceberg's writers have it.
pub(crate) const SCHEMA_ROOT: &str = "table";

/// Chunks that are encoded together, each column of them as one task.
const SLAB_CHUNKS: usize = 8;
/// Bytes of rows at which fewer chunks are enough.
const SLAB_BYTES: usize = 32 << 20;
/// Rows for which threads are worth starting.
const ROWS_FOR_THREADS: usize = 32_768;

/// Encodes the chunks of one table, a file after the other.
pub(crate) struct Encoder {
    pub(crate) dir: PathBuf,
    pub(crate) label: String,
    /// The schema with field ids.
    pub(crate) physical: SchemaRef,
    pub(crate) properties: WriterProperties,
    pub(crate) layout: Layout,
    pub(crate) constants: Constants,
    pub(crate) open: Option<OpenFile>,
    /// The last closed file on its way to the disk.
    pub(crate) syncing: Option<JoinHandle<Result<EncodedFile, LakeError>>>,
    pub(crate) closed: Vec<EncodedFile>,
}

pub(crate) struct OpenFile {
    temporary: Temporary,
    writer: SerializedFileWriter<HashingFile>,
    columns: ArrowRowGroupWriterFactory,
    /// The row group that is being made; its columns are independent of each other until it is closed.
    group: Vec<Column>,
    /// Rows that wait to be encoded.
    slab: Vec<RecordBatch>,
    slab_bytes: usize,
    /// Rows taken for this file.
    rows: usize,
}

/// One top-level column of a row group: a writer for each of its leaves.
struct Column {
    at: usize,
    leaves: Vec<ArrowColumnWriter>,
    rows: Rows,
}

/// What the rows of a column of a row group have been so far.
enum Rows {
    None,
    /// One value: not encoded yet.
    Alike(Held),
    /// Encoded, each chunk as it came.
    Encoded,
}

/// A file that is on disk under a temporary name.
pub(crate) struct EncodedFile {
    pub(crate) temporary: Temporary,
    /// Bytes.
    pub(crate) size: u64,
    /// 64 hex digits.
    pub(crate) sha256: String,
    /// Rows by its footer.
    pub(crate) rows: u64,
}

/// A file that is removed unless it gets its name.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    /// Gives the file its name, in place of one that has it.
    pub(crate) fn rename(self, target: &Path) -> io::Result<()> {
        fs::rename(&self.0, target)?;
        std::mem::forget(self);
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // Best effort: what stays is a hidden temporary file, garbage to every reader.
        if let Err(error) = fs::remove_file(&self.0) {
            tracing::debug!(path = %self.0.display(), %error, "temporary file left behind");
        }
    }
}

impl Consumer for Encoder {
    type Outcome = Vec<EncodedFile>;

    fn take(&mut self, chunk: &RecordBatch) -> Result<(), LakeError> {
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let file = self.open_file()?;
                self.open.insert(file)
            }
        };
        open.rows += chunk.num_rows();
        open.slab_bytes += chunk.get_array_memory_size();
        open.slab.push(chunk.clone());
        let encoded = if open.rows.is_multiple_of(self.layout.rows_per_group) {
            open.end_group(&self.physical, &self.properties, &mut self.constants)
        } else if open.slab.len() == SLAB_CHUNKS || open.slab_bytes >= SLAB_BYTES {
            open.encode(&self.physical)
        } else {
            Ok(())
        };
        encoded.map_err(|error| write_error(&self.label, &open.temporary.0, error))?;
        if open.rows == self.layout.rows_per_file {
            self.close_file()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Self::Outcome, LakeError> {
        self.close_file()?;
        self.synced()?;
        Ok(std::mem::take(&mut self.closed))
    }
}

impl Drop for Encoder {
    fn drop(&mut self) {
        // Given up: the file on its way to the disk is removed before we are gone, whatever became of it.
        let _ = self.synced();
    }
}

impl Encoder {
    fn open_file(&self) -> Result<OpenFile, LakeError> {
        create_dirs(&self.dir)?;
        let (temporary, file) = create_temporary(&self.dir)?;
        let temporary = Temporary(temporary);
        let options = ArrowWriterOptions::new()
            .with_properties(self.properties.clone())
            .with_skip_arrow_metadata(true)
            .with_schema_root(SCHEMA_ROOT.to_owned());
        let sink = HashingFile {
            file,
            hash: Sha256::new(),
            size: 0,
        };
        let opened = ArrowWriter::try_new_with_options(sink, Arc::clone(&self.physical), options)
            .and_then(ArrowWriter::into_serialized_writer);
        match opened {
            Ok((writer, columns)) => Ok(OpenFile {
                temporary,
                writer,
                columns,
                group: Vec::new(),
                slab: Vec::new(),
                slab_bytes: 0,
                rows: 0,
            }),
            Err(error) => Err(write_error(&self.label, &temporary.0, error)),
        }
    }

    fn close_file(&mut self) -> Result<(), LakeError> {
        let Some(mut open) = self.open.take() else {
            return Ok(());
        };
        let ended = open.end_group(&self.physical, &self.properties, &mut self.constants);
        let OpenFile {
            temporary, writer, ..
        } = open;
        let failed = |error| write_error(&self.label, &temporary.0, error);
        ended.map_err(failed)?;
        let groups = writer.flushed_row_groups().iter();
        let rows: i64 = groups.map(|group| group.num_rows()).sum();
        let sink = writer.into_inner().map_err(failed)?;
        // One file at a time, while the next is encoded: the disk need not be waited for.
        self.synced()?;
        let synced = thread::Builder::new()
            .name("karat-sync".to_owned())
            .spawn(move || {
                sink.file
                    .sync_all()
                    .map_err(LakeError::io("write", &temporary.0))?;
                Ok(EncodedFile {
                    temporary,
                    size: sink.size,
                    sha256: hex(&sink.hash.finalize()),
                    rows: rows.unsigned_abs(),
                })
            })
            .map_err(LakeError::io("start a thread for writing", "a table"))?;
        self.syncing = Some(synced);
        Ok(())
    }

    /// Waits for the last closed file.
    fn synced(&mut self) -> Result<(), LakeError> {
        if let Some(syncing) = self.syncing.take() {
            let file = syncing
                .join()
                .unwrap_or_else(|panic| resume_unwind(panic))?;
            self.closed.push(file);
        }
        Ok(())
    }
}

impl OpenFile {
    /// Encodes the waiting rows, columns side by side. Each column is encoded in the order of the rows, so threads do not show.
    fn encode(&mut self, schema: &Schema) -> Result<(), ParquetError> {
        let slab = std::mem::take(&mut self.slab);
        self.slab_bytes = 0;
        if slab.is_empty() {
            return Ok(());
        }
        if self.group.is_empty() {
            self.group = self.new_group(schema)?;
        }
        let rows: usize = slab.iter().map(RecordBatch::num_rows).sum();
        let threads = match rows < ROWS_FOR_THREADS {
            true => 1,
            false => thread::available_parallelism().map_or(1, usize::from),
        };
        if threads.min(self.group.len()) == 1 {
            return self
                .group
                .iter_mut()
                .try_for_each(|column| column.encode(schema, &slab));
        }
        // The largest columns first, so that no thread is left with one at the end.
        let size = |column: &Column| -> usize {
            let arrays = slab.iter().map(|chunk| chunk.column(column.at));
            arrays.map(|array| array.get_buffer_memory_size()).sum()
        };
        let mut columns: Vec<&mut Column> = self.group.iter_mut().collect();
        columns.sort_by_cached_key(|column| (Reverse(size(column)), column.at));
        let waiting = Mutex::new(columns.into_iter());
        let next = || {
            let mut waiting = waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.next()
        };
        thread::scope(|scope| {
            let work =
                || std::iter::from_fn(next).try_for_each(|column| column.encode(schema, &slab));
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(work)).collect();
            let mut outcome = work();
            for other in others {
                let theirs = other.join().unwrap_or_else(|panic| resume_unwind(panic));
                outcome = outcome.and(theirs);
            }
            outcome
        })
    }

    /// Writers for a row group, those of a column's leaves together.
    fn new_group(&self, schema: &Schema) -> Result<Vec<Column>, ParquetError> {
        let number = self.writer.flushed_row_groups().len();
        let mut leaves = self.columns.create_column_writers(number)?.into_iter();
        let fields = schema.fields().iter().enumerate();
        Ok(fields
            .map(|(at, field)| Column {
                at,
                leaves: leaves
                    .by_ref()
                    .take(leaf_count(field.data_type()))
                    .collect(),
                rows: Rows::None,
            })
            .collect())
    }

    /// Writes the row group that is being made into the file, column after column.
    fn end_group(
        &mut self,
        schema: &Schema,
        properties: &WriterProperties,
        constants: &mut Constants,
    ) -> Result<(), ParquetError> {
        self.encode(schema)?;
        if self.group.is_empty() {
            return Ok(());
        }
        let mut group = self.writer.next_row_group()?;
        for column in self.group.drain(..) {
            if let Rows::Alike(held) = column.rows {
                let field = &schema.fields()[column.at];
                let encoded = constants.encoded(column.at, field, held, properties)?;
                group.append_column(&encoded.bytes, encoded.close)?;
                continue;
            }
            for leaf in column.leaves {
                leaf.close()?.append_to_row_group(&mut group)?;
            }
        }
        group.close()?;
        Ok(())
    }
}

impl Column {
    fn encode(&mut self, schema: &Schema, slab: &[RecordBatch]) -> Result<(), ParquetError> {
        for chunk in slab {
            let chunk = chunk.column(self.at);
            self.rows = match std::mem::replace(&mut self.rows, Rows::Encoded) {
                Rows::None if self.leaves.len() == 1 => match OneValue::of(chunk) {
                    Some(value) => Rows::Alike(Held::new(value, chunk)),
                    None => Rows::Encoded,
                },
                Rows::Alike(mut held) => match held.goes_on(chunk) {
                    true => Rows::Alike(held),
                    false => {
                        for chunk in held.chunks() {
                            self.write(schema, &chunk)?;
                        }
                        Rows::Encoded
                    }
                },
                Rows::None | Rows::Encoded => Rows::Encoded,
            };
            if matches!(self.rows, Rows::Encoded) {
                self.write(schema, chunk)?;
            }
        }
        Ok(())
    }

    fn write(&mut self, schema: &Schema, chunk: &ArrayRef) -> Result<(), ParquetError> {
        let values = compute_leaves(schema.field(self.at), chunk)?;
        for (writer, values) in self.leaves.iter_mut().zip(&values) {
            writer.write(values)?;
        }
        Ok(())
    }
}

/// Columns of Parquet that a column of this type becomes.
fn leaf_count(data_type: &DataType) -> usize {
    match data_type {
        DataType::Struct(fields) => fields
            .iter()
            .map(|field| leaf_count(field.data_type()))
            .sum(),
        DataType::List(item) | DataType::Map(item, _) => leaf_count(item.data_type()),
        _ => 1,
    }
}

/// A file that hashes what goes into it.
struct HashingFile {
    file: File,
    hash: Sha256,
    size: u64,
}

impl Write for HashingFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A failure while Parquet was writing: the disk's, if it was the disk.
fn write_error(label: &str, path: &Path, error: ParquetError) -> LakeError {
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = next {
        if let Some(io) = cause.downcast_ref::<io::Error>() {
            let copy = io
                .raw_os_error()
                .map_or_else(|| io.kind().into(), io::Error::from_raw_os_error);
            return LakeError::io("write", path)(copy);
        }
        next = cause.source();
    }
    encode_by(label, error)
}
