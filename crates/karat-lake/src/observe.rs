//! What a commit says of each file's rows: how many, their fingerprint, their statistics.

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use karat_exact::Fingerprint;
use karat_exact::fingerprint::Fingerprinter;

use crate::LakeError;
use crate::canonical::encode_by;
use crate::stats::{ColumnStats, FileStats};
use crate::worker::Consumer;

/// Looks at the chunks of one table, a file after the other, cut where the encoder cuts.
pub(crate) struct Observer {
    label: String,
    /// The schema with field ids.
    physical: SchemaRef,
    exclude: Vec<String>,
    rows_per_file: usize,
    open: Option<OpenFile>,
    closed: Vec<ObservedFile>,
}

struct OpenFile {
    rows: usize,
    stats: FileStats,
    fingerprinter: Fingerprinter,
}

/// What is said of one file.
pub(crate) struct ObservedFile {
    pub(crate) rows: u64,
    pub(crate) fingerprint: Fingerprint,
    /// JSON text.
    pub(crate) stats: String,
    pub(crate) columns: Vec<ColumnStats>,
}

impl Observer {
    /// An observer of files of so many rows; the columns named in `exclude` stay out of the fingerprint.
    pub(crate) fn new(
        label: String,
        physical: SchemaRef,
        exclude: Vec<String>,
        rows_per_file: usize,
    ) -> Result<Self, LakeError> {
        let observer = Self {
            label,
            physical,
            exclude,
            rows_per_file,
            open: None,
            closed: Vec::new(),
        };
        // A column that has no fingerprint is refused before the first row.
        observer.fingerprinter()?;
        Ok(observer)
    }

    fn fingerprinter(&self) -> Result<Fingerprinter, LakeError> {
        let exclude: Vec<&str> = self.exclude.iter().map(String::as_str).collect();
        Fingerprinter::new(&self.physical, &exclude).map_err(|error| encode_by(&self.label, error))
    }

    fn close_file(&mut self) {
        if let Some(open) = self.open.take() {
            self.closed.push(ObservedFile {
                rows: open.rows as u64,
                fingerprint: open.fingerprinter.finish(),
                stats: open.stats.to_json(),
                columns: open.stats.columns(),
            });
        }
    }
}

impl Consumer for Observer {
    type Outcome = Vec<ObservedFile>;

    fn take(&mut self, chunk: &RecordBatch) -> Result<(), LakeError> {
        let open = match &mut self.open {
            Some(open) => open,
            None => {
                let file = OpenFile {
                    rows: 0,
                    stats: FileStats::new(&self.physical),
                    fingerprinter: self.fingerprinter()?,
                };
                self.open.insert(file)
            }
        };
        open.stats.update(chunk);
        open.fingerprinter
            .update(chunk)
            .map_err(|error| encode_by(&self.label, error))?;
        open.rows += chunk.num_rows();
        if open.rows == self.rows_per_file {
            self.close_file();
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Self::Outcome, LakeError> {
        self.close_file();
        Ok(self.closed)
    }
}
