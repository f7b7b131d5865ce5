//! Small tables in Parquet files, and answers as text.

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::csv::ReaderBuilder;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::parquet::arrow::ArrowWriter;
use futures::TryStreamExt;
use karat_exact::{
    DataFileRef, Engine, EngineConfig, ExactError, FileSet, Purpose, Rounding, Tables,
};
use tempfile::TempDir;

/// Tables of one test, and how to run SQL over them.
pub(crate) struct Bench {
    folder: TempDir,
    tables: Tables,
    files: usize,
    pub(crate) threads: usize,
    pub(crate) memory: Option<usize>,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench {
            folder: TempDir::new().unwrap(),
            tables: Tables::new(),
            files: 0,
            threads: 2,
            memory: None,
        }
    }

    /// Adds `schema.table` with columns `name type, …` from CSV texts, one file each; an empty field is null.
    pub(crate) fn table(
        mut self,
        name: &str,
        columns: &str,
        key: &[&str],
        files: &[&str],
    ) -> Bench {
        let schema = schema(columns);
        let written = files.iter().map(|text| {
            self.files += 1;
            let path = self.folder.path().join(format!("{} ü.parquet", self.files));
            write(&path, &schema, &rows(&schema, text))
        });
        let set = FileSet {
            schema: schema.clone(),
            files: written.collect(),
            key: (!key.is_empty()).then(|| key.iter().map(|&name| name.to_owned()).collect()),
        };
        let (schema, table) = name.split_once('.').unwrap();
        self.tables.insert(schema, table, set).unwrap();
        self
    }

    /// Adds `schema.table` with the rows of a batch, in one file.
    pub(crate) fn of_batch(mut self, name: &str, batch: &RecordBatch) -> Bench {
        self.files += 1;
        let path = self.folder.path().join(format!("{} ü.parquet", self.files));
        let set = FileSet {
            schema: batch.schema(),
            files: vec![write(&path, &batch.schema(), batch)],
            key: None,
        };
        let (schema, table) = name.split_once('.').unwrap();
        self.tables.insert(schema, table, set).unwrap();
        self
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::new(EngineConfig {
            threads: self.threads,
            memory_bytes: self.memory,
            spill_dir: self.folder.path().join("spill"),
            logical_time_us: 1_793_250_000_000_000,
            timezone: "Europe/Berlin".to_owned(),
            rounding: Rounding::HalfAwayFromZero,
            batch_rows: 8192,
        })
        .unwrap()
    }

    /// Types and rows of a query's answer, or its error.
    pub(crate) fn query(&self, sql: &str) -> String {
        self.run(sql, &Purpose::Query { strict: false })
    }

    /// Each query, and below it what it gives.
    pub(crate) fn told(&self, queries: &[&str]) -> String {
        queries
            .iter()
            .map(|sql| format!("{sql}\n{}\n", self.query(sql)))
            .collect()
    }

    /// The same for the SQL of a model.
    pub(crate) fn model(&self, sql: &str) -> String {
        let purpose = Purpose::Model {
            key: None,
            cluster_by: Vec::new(),
            allow_float: false,
        };
        self.run(sql, &purpose)
    }

    fn run(&self, sql: &str, purpose: &Purpose) -> String {
        let engine = self.engine();
        let prepared = match engine.prepare(sql, &self.tables, purpose) {
            Ok(prepared) => prepared,
            Err(error) => {
                let at = error.line.zip(error.column);
                let at = at.map_or(String::new(), |(line, column)| format!("{line}:{column}: "));
                let hint = error
                    .hint
                    .map_or(String::new(), |hint| format!("\nhint: {hint}"));
                return format!("{:?}: {at}{}{hint}", error.kind, error.message);
            }
        };
        let mut text = String::new();
        for note in prepared.notes() {
            text += &format!("note: {note}\n");
        }
        let columns = prepared.schema();
        let columns = columns.fields().iter().map(|field| {
            format!(
                "{} {}",
                field.name(),
                karat_exact::type_name(field.data_type())
            )
        });
        text += &columns.collect::<Vec<_>>().join(", ");
        let answer = wait(async {
            let stream = engine.stream(&prepared).await?;
            let batches: Vec<RecordBatch> = stream.try_collect().await?;
            Ok::<_, ExactError>(batches)
        });
        match answer {
            Ok(batches) => {
                for batch in &batches {
                    text += &lines(batch);
                }
                text
            }
            Err(error) => {
                let hint = error
                    .hint()
                    .map_or(String::new(), |hint| format!("\nhint: {hint}"));
                format!("{text}\nerror: {error}{hint}")
            }
        }
    }
}

/// Runs a future on threads of its own.
pub(crate) fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(future)
}

fn lines(batch: &RecordBatch) -> String {
    let options = FormatOptions::default().with_null("null");
    let columns: Vec<ArrayFormatter<'_>> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column, &options).unwrap())
        .collect();
    let row = |row: usize| {
        let cells = columns.iter().map(|column| column.value(row).to_string());
        format!("\n{}", cells.collect::<Vec<_>>().join(" | "))
    };
    (0..batch.num_rows()).map(row).collect()
}

fn schema(columns: &str) -> SchemaRef {
    let fields = columns.split("; ").map(|column| {
        let (name, data_type) = column.split_once(' ').unwrap();
        Field::new(name, data_type.parse::<DataType>().unwrap(), true)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn rows(schema: &SchemaRef, text: &str) -> RecordBatch {
    let reader = ReaderBuilder::new(schema.clone())
        .build(text.as_bytes())
        .unwrap();
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    arrow::compute::concat_batches(schema, &batches).unwrap()
}

/// Writes one file and says what it is.
pub(crate) fn write(path: &Path, schema: &SchemaRef, batch: &RecordBatch) -> DataFileRef {
    let file = File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, schema.clone(), None).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    DataFileRef {
        path: path.to_owned(),
        size: path.metadata().unwrap().len(),
        rows: batch.num_rows() as u64,
    }
}
