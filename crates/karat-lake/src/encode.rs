//! Chunks into Parquet files under temporary names, hashed on their way to the disk.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::file::properties::WriterProperties;
use sha2::{Digest, Sha256};

use crate::LakeError;
use crate::canonical::{Layout, encode_by, hex};
use crate::folder::{create_dirs, create_temporary};
use crate::worker::Consumer;

/// Name of the Parquet schema, as Iceberg's writers have it.
const SCHEMA_ROOT: &str = "table";

/// Encodes the chunks of one table, a file after the other.
pub(crate) struct Encoder {
    pub(crate) dir: PathBuf,
    pub(crate) label: String,
    /// The schema with field ids.
    pub(crate) physical: SchemaRef,
    pub(crate) properties: WriterProperties,
    pub(crate) layout: Layout,
    pub(crate) open: Option<OpenFile>,
    pub(crate) closed: Vec<EncodedFile>,
}

pub(crate) struct OpenFile {
    temporary: Temporary,
    writer: ArrowWriter<HashingFile>,
    rows: usize,
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
        let path = &open.temporary.0;
        open.writer
            .write(chunk)
            .map_err(|error| write_error(&self.label, path, error))?;
        open.rows += chunk.num_rows();
        if open.rows.is_multiple_of(self.layout.rows_per_group) {
            open.writer
                .flush()
                .map_err(|error| write_error(&self.label, path, error))?;
        }
        if open.rows == self.layout.rows_per_file {
            self.close_file()?;
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Self::Outcome, LakeError> {
        self.close_file()?;
        Ok(self.closed)
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
        match ArrowWriter::try_new_with_options(sink, Arc::clone(&self.physical), options) {
            Ok(writer) => Ok(OpenFile {
                temporary,
                writer,
                rows: 0,
            }),
            Err(error) => Err(write_error(&self.label, &temporary.0, error)),
        }
    }

    fn close_file(&mut self) -> Result<(), LakeError> {
        let Some(open) = self.open.take() else {
            return Ok(());
        };
        let OpenFile {
            temporary,
            mut writer,
            ..
        } = open;
        let failed = |error| write_error(&self.label, &temporary.0, error);
        writer.flush().map_err(failed)?;
        let groups = writer.flushed_row_groups().iter();
        let rows: i64 = groups.map(|group| group.num_rows()).sum();
        let sink = writer.into_inner().map_err(failed)?;
        sink.file
            .sync_all()
            .map_err(LakeError::io("write", &temporary.0))?;
        self.closed.push(EncodedFile {
            temporary,
            size: sink.size,
            sha256: hex(&sink.hash.finalize()),
            rows: rows.unsigned_abs(),
        });
        Ok(())
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
fn write_error(label: &str, path: &Path, error: parquet::errors::ParquetError) -> LakeError {
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
