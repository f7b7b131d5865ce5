//! Tests of models on a few rows: what is given is put into a lake of its own, the generic processors make the table, and what they made is
//! held against what is expected. Which tests there are, and how the outcome is shown, is left to others.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use karat_exact::{FileSet, RowExpressions, type_name};
use karat_lake::{Lake, Layout, Table};
use karat_project::{
    Feed, GivenRows, Model, ModelKind, ModelTest, Silver, TableName, fold_name, nearest,
};
use karat_receipt::{CheckCount, Digest, Kind};
use karat_source::FeedSpec;

use crate::bronze;
use crate::context::Site;
use crate::diff::{self, Diff, Question, Side};
use crate::error::PipelineError;
use crate::gold::unique_key;
use crate::ingest::{self, arrow_error};
use crate::layout;
use crate::model_check::{columns_of, is_of_files};
use crate::publish::{Change, publish};
use crate::quarantine;
use crate::read;
use crate::schedule::{self, Sources};
use crate::snapshots::version_of;
use crate::step::receipt_base;
use crate::unique::UniqueKey;

/// What came of a test.
#[derive(Debug, Default)]
pub struct Tested {
    /// Expected rows against those that were made, if rows are expected.
    pub rows: Option<Diff>,
    /// Rows in quarantine that are expected and not there, with their rules.
    pub not_held: Vec<(u64, Vec<String>)>,
    /// Rows in quarantine that nobody expects, with their rules.
    pub held: Vec<(u64, Vec<String>)>,
    /// Checks that are to be broken and are not.
    pub kept: Vec<String>,
    /// Checks that are broken and are not to be: name, kind, what they counted.
    pub broken: Vec<(String, String, u64)>,
    /// All rows in quarantine, where the test says nothing of them: why a row may be missing.
    pub aside: Vec<(u64, Vec<String>)>,
}

impl Tested {
    /// Whether all is as expected.
    pub fn passed(&self) -> bool {
        self.rows.as_ref().is_none_or(Diff::is_empty)
            && self.not_held.is_empty()
            && self.held.is_empty()
            && self.kept.is_empty()
            && self.broken.is_empty()
    }
}

/// Sources over rows that were landed for a test.
pub trait LandedSources: Sync {
    /// Sources of which each gives what was landed.
    fn over(&self, landed: &Landed) -> Arc<dyn Sources>;
    /// What the project's own sources are told of the feed.
    fn spec(&self, feed: &Feed) -> FeedSpec;
}

/// Rows of a feed where a source finds them.
#[derive(Debug, Clone)]
pub struct Landed {
    /// `files` or `sqlite`.
    pub kind: &'static str,
    /// The folder or the database.
    pub path: PathBuf,
    /// What the source must know of the feed.
    pub spec: FeedSpec,
    /// The line at which each row begins; none of a database.
    lines: Option<Vec<i64>>,
}

/// Runs a test; `fails` are the checks whose action in the model is `fail`. `site` is a lake for this test alone, `folder` a folder for files, `loaded` the project's lake, if there is one: of a
/// database only a loaded table knows the types.
pub async fn run(
    site: &Site,
    sources: &dyn LandedSources,
    folder: &Path,
    loaded: Option<&Lake>,
    test: &ModelTest,
    fails: &[String],
) -> Result<Tested, PipelineError> {
    let Some(model) = site.project.model(&test.model) else {
        return Err(PipelineError::Internal(format!("no `{}`", test.model)));
    };
    let mut landed = None;
    match &model.kind {
        ModelKind::Silver(silver) => {
            landed = Some(load(site, sources, folder, loaded, silver, test).await?);
        }
        ModelKind::Gold(_) => {
            for table in &model.inputs {
                let rows = test.given.iter().find(|(given, _)| given == table);
                let none = GivenRows::default();
                let rows = rows.map_or(&none, |(_, rows)| rows);
                stand_in(site, loaded, table, rows).await?;
            }
        }
    }
    for table in model.checked_against() {
        if let Some((_, rows)) = test.given.iter().find(|(given, _)| given == table) {
            stand_in(site, loaded, table, rows).await?;
        }
    }
    let report = schedule::model(site, &test.model).await?;
    let mut tested = Tested::default();
    let asked = report.checks.iter().filter(|check| check.violations > 0);
    let broken: Vec<&CheckCount> = asked.collect();
    let expected = test.checks.as_deref().unwrap_or_default();
    let is_broken = |name: &&String| broken.iter().any(|check| check.name == **name);
    tested.kept = expected
        .iter()
        .filter(|name| !is_broken(name))
        .cloned()
        .collect();
    let unexpected = broken.iter().filter(|check| {
        // In a test each check warns, so that the rows are there to be compared: what it says in the model decides.
        let may = test.checks.is_none() && !fails.contains(&check.name);
        !expected.contains(&check.name) && !may
    });
    tested.broken = unexpected
        .map(|check| (check.name.clone(), check.kind.clone(), check.violations))
        .collect();
    if let Some(expected) = &test.expect {
        tested.rows = Some(compare(site, folder, model, expected).await?);
    }
    if let (None, Some(landed)) = (&test.quarantine, &landed)
        && landed.lines.is_some()
    {
        tested.aside = held(site, landed).await?;
    }
    if let (Some(expected), Some(landed)) = (&test.quarantine, &landed) {
        let found = held(site, landed).await?;
        let lacks = |of: &[(u64, Vec<String>)], row: &&(u64, Vec<String>)| !of.contains(row);
        tested.not_held = expected
            .iter()
            .filter(|row| lacks(&found, row))
            .cloned()
            .collect();
        tested.held = found
            .iter()
            .filter(|row| lacks(expected, row))
            .cloned()
            .collect();
    }
    Ok(tested)
}

/// Loads the rows of a silver model's feed, as a source gives them.
async fn load(
    site: &Site,
    sources: &dyn LandedSources,
    folder: &Path,
    loaded: Option<&Lake>,
    silver: &Silver,
    test: &ModelTest,
) -> Result<Landed, PipelineError> {
    let Some(feed) = site.project.feed(&silver.from) else {
        return Err(PipelineError::Internal(format!(
            "no feed `{}`",
            silver.from
        )));
    };
    let none = GivenRows::default();
    let given = test.given.iter().find(|(table, _)| *table == feed.bronze);
    let rows = given.map_or(&none, |(_, rows)| rows);
    check_spelling(feed, silver, rows)?;
    let rows = with_what_is_read(feed, silver, rows);
    let landed = match (is_of_files(&site.project, feed), feed.format.is_text()) {
        (true, true) => {
            let file = name_of_file(site, feed, silver);
            as_csv(file, sources.spec(feed), &rows, folder)?
        }
        (true, false) => {
            return Err(PipelineError::Refused {
                what: format!(
                    "feed `{}` brings typed files, whose rows cannot be given as text yet",
                    feed.short_name()
                ),
                hint: "test the models that read its silver table".to_owned(),
            });
        }
        (false, _) => as_database(feed, sources.spec(feed), &rows, folder, loaded)?,
    };
    let source = sources.over(&landed).open(&feed.source)?;
    let reads = schedule::columns_read_of(&site.project, &feed.bronze);
    let report = ingest::load(site, feed, &landed.spec, &source, &reads).await?;
    match (report.error, report.broken.into_iter().next()) {
        (Some(error), _) => Err(error),
        (None, Some((_, why))) => Err(PipelineError::Refused {
            what: format!(
                "the rows that are given for `{}` cannot be loaded: {why}",
                feed.short_name()
            ),
            hint: "look at their columns: they go by the names of the source".to_owned(),
        }),
        (None, None) => Ok(landed),
    }
}

/// What bronze calls a column that is given.
fn in_bronze(feed: &Feed, name: &str) -> String {
    bronze::bronze_name(&fold_name(name), &feed.rename)
}

/// Columns of bronze that a model reads, and those that its feed needs.
fn read_by<'m>(feed: &'m Feed, silver: &'m Silver) -> impl Iterator<Item = &'m String> {
    let selected = silver.select.iter().flat_map(|column| &column.reads);
    let cdc = silver.auto_cdc.iter().flat_map(|cdc| cdc.conditions());
    let cdc = cdc.flat_map(|condition| &condition.reads);
    let cursor = feed.cursor.iter().map(|cursor| &cursor.column);
    selected.chain(cdc).chain(&feed.key).chain(cursor)
}

/// A source may have more columns than the model reads; one that is almost one of those is a slip.
fn check_spelling(feed: &Feed, silver: &Silver, rows: &GivenRows) -> Result<(), PipelineError> {
    for column in &rows.columns {
        let name = in_bronze(feed, &column.value);
        if read_by(feed, silver).any(|read| *read == name) {
            continue;
        }
        let unnamed = |read: &&String| {
            let mut given = rows.columns.iter();
            !given.any(|column| in_bronze(feed, &column.value) == **read)
        };
        let left = read_by(feed, silver).filter(unnamed).map(String::as_str);
        if let Some(near) = nearest(&name, left) {
            return Err(PipelineError::Refused {
                what: format!(
                    "the rows for `{}` have a column `{}`, which the model does not read",
                    feed.short_name(),
                    column.value
                ),
                hint: format!("did you mean `{near}`?"),
            });
        }
    }
    Ok(())
}

/// The rows with the columns that the model reads and that are not given: null.
fn with_what_is_read(feed: &Feed, silver: &Silver, rows: &GivenRows) -> GivenRows {
    let mut rows = rows.clone();
    let columns = rows.columns.iter();
    let mut known: Vec<String> = columns
        .map(|column| in_bronze(feed, &column.value))
        .collect();
    for name in read_by(feed, silver) {
        if known.contains(name) || bronze::OWN.contains(&name.as_str()) {
            continue;
        }
        let source = feed.rename.get(name).unwrap_or(name);
        rows.columns.push(karat_project::At {
            value: source.clone(),
            at: feed.at,
        });
        for row in &mut rows.rows {
            row.push(None);
        }
        known.push(name.clone());
    }
    rows
}

/// What a feed's file is called in a test: a snapshot whose version its name tells has the test's time.
fn name_of_file(site: &Site, feed: &Feed, silver: &Silver) -> String {
    let version = silver
        .auto_cdc
        .as_ref()
        .and_then(|cdc| version_of(cdc).ok()?);
    match version {
        Some(version) => version.write(site.context.logical_time_us),
        None => format!("{}.csv", feed.bronze.table),
    }
}

/// A CSV file in which every text is quoted and null is nothing (F1).
fn as_csv(
    file: String,
    spec: FeedSpec,
    rows: &GivenRows,
    folder: &Path,
) -> Result<Landed, PipelineError> {
    let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
    let names = rows.columns.iter().map(|column| quoted(&column.value));
    let mut text = names.collect::<Vec<_>>().join(",");
    text.push('\n');
    let mut lines = Vec::new();
    for row in &rows.rows {
        lines.push(1 + text.matches('\n').count() as i64);
        let cells = row.iter().map(|cell| match cell {
            Some(text) => quoted(text),
            None => String::new(),
        });
        text.push_str(&cells.collect::<Vec<_>>().join(","));
        text.push('\n');
    }
    let path = folder.join("landing");
    put(&path, &file, &text)?;
    Ok(Landed {
        kind: "files",
        path,
        lines: Some(lines),
        spec: FeedSpec {
            path: Some(file),
            format: Default::default(),
            json: Default::default(),
            unpack: Default::default(),
            csv: Default::default(),
            columns: None,
            file_order: None,
            stable_for: None,
            done_file: None,
            control_file: None,
            ..spec
        },
    })
}

fn put(folder: &Path, name: &str, text: &str) -> Result<(), PipelineError> {
    let failed = |error: std::io::Error| PipelineError::Refused {
        what: format!(
            "cannot write rows of a test into `{}`: {error}",
            folder.display()
        ),
        hint: "make room in the folder for temporary files".to_owned(),
    };
    let path = folder.join(name);
    std::fs::create_dir_all(path.parent().unwrap_or(folder)).map_err(failed)?;
    std::fs::write(path, text).map_err(failed)
}

/// A table of a SQLite database: typed as the loaded one is, else as the values look.
fn as_database(
    feed: &Feed,
    spec: FeedSpec,
    rows: &GivenRows,
    folder: &Path,
    loaded: Option<&Lake>,
) -> Result<Landed, PipelineError> {
    let snapshot = match loaded {
        Some(lake) => lake.table(&feed.bronze.folder()).load()?,
        None => None,
    };
    let known = |name: &str| {
        let name = bronze::bronze_name(&fold_name(name), &feed.rename);
        let schema = &snapshot.as_ref()?.schema;
        let field = schema.field_with_name(&name).ok()?;
        Some(match field.data_type() {
            DataType::Int64 => "INTEGER",
            DataType::Float64 => "REAL",
            DataType::Binary => "BLOB",
            _ => "TEXT",
        })
    };
    let looks = |nth: usize| {
        let mut values = rows.rows.iter().filter_map(|row| row[nth].as_deref());
        match values.clone().next() {
            Some(_) if values.clone().all(|text| text.parse::<i64>().is_ok()) => "INTEGER",
            Some(_) if values.all(|text| text.parse::<f64>().is_ok()) => "REAL",
            _ => "TEXT",
        }
    };
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let table = spec.table.clone().unwrap_or_else(|| feed.name.clone());
    // `main.orders` is table `orders` of the database itself.
    let bare = table.rsplit('.').next().unwrap_or(&table);
    let mut columns = Vec::new();
    for (nth, column) in rows.columns.iter().enumerate() {
        let kind = known(&column.value).unwrap_or_else(|| looks(nth));
        columns.push(format!("{} {kind}", quoted(&column.value)));
    }
    let path = folder.join("given.db");
    let failed = |error: rusqlite::Error| PipelineError::Refused {
        what: format!(
            "the rows that a test gives for `{}` make no table of SQLite: {error}",
            feed.short_name()
        ),
        hint: "look at the names of its columns".to_owned(),
    };
    put(folder, "given.db", "")?;
    let mut database = rusqlite::Connection::open(&path).map_err(failed)?;
    let transaction = database.transaction().map_err(failed)?;
    let columns = columns.join(", ");
    let create = format!("create table {} ({columns})", quoted(bare));
    transaction.execute(&create, []).map_err(failed)?;
    let places = vec!["?"; rows.columns.len()].join(", ");
    let insert = format!("insert into {} values ({places})", quoted(bare));
    for row in &rows.rows {
        // The column's affinity makes numbers of texts that are numbers.
        transaction
            .execute(&insert, rusqlite::params_from_iter(row))
            .map_err(failed)?;
    }
    transaction.commit().map_err(failed)?;
    Ok(Landed {
        kind: "sqlite",
        path,
        spec,
        lines: None,
    })
}

/// Makes a table that the model reads out of the rows that are given.
async fn stand_in(
    site: &Site,
    loaded: Option<&Lake>,
    name: &TableName,
    rows: &GivenRows,
) -> Result<(), PipelineError> {
    let Some(schema) = columns_of(&site.project, loaded, &site.engine, name)? else {
        return Err(PipelineError::Refused {
            what: format!("the types of `{name}` are not known before its feed was loaded"),
            hint: format!(
                "load it once: `karat run --select +{name}`; or test the model that makes it"
            ),
        });
    };
    let batch = typed(site, &name.to_string(), &schema, rows)?;
    let key = unique_key(&site.project, name).unwrap_or_default();
    let mut unique = UniqueKey::in_any_order(&key);
    if !unique.holds(&batch)? {
        return Err(PipelineError::Refused {
            what: format!(
                "two rows that are given for `{name}` have one key ({})",
                key.join(", ")
            ),
            hint: "a table never holds such rows: give one of them another key".to_owned(),
        });
    }
    let table = site.lake.table(&name.folder());
    let added = written(table.clone(), &batch)?;
    let code = Digest::of(b"given by a test");
    let receipt = receipt_base(site, name, Kind::Transform, 1, code);
    publish(
        site,
        &table,
        Change {
            base: None,
            schema,
            added,
            removed: Vec::new(),
            app: layout::app(name),
            operation: "CREATE",
            receipt,
            excluded: &[],
        },
    )
    .await?;
    Ok(())
}

fn written(
    table: Table,
    batch: &RecordBatch,
) -> Result<Vec<karat_lake::WrittenFile>, PipelineError> {
    let layout = Layout::default();
    let mut writer = table.writer(&batch.schema(), layout, 1, 0, &[])?;
    writer.write(batch)?;
    Ok(writer.finish()?)
}

/// Texts as values of a table's columns; columns that are not named are null.
fn typed(
    site: &Site,
    table: &str,
    schema: &SchemaRef,
    rows: &GivenRows,
) -> Result<RecordBatch, PipelineError> {
    let folded = |name: &str| name.to_lowercase();
    let names: Vec<String> = schema
        .fields()
        .iter()
        .map(|field| folded(field.name()))
        .collect();
    for column in &rows.columns {
        if !names.contains(&folded(&column.value)) {
            let near = nearest(&folded(&column.value), names.iter().map(String::as_str));
            return Err(PipelineError::Refused {
                what: format!("`{table}` has no column `{}`", column.value),
                hint: match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("its columns: {}", names.join(", ")),
                },
            });
        }
    }
    let mut fields = vec![Field::new("nth", DataType::Utf8, true)];
    let mut texts: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(vec![Some(""); rows.rows.len()]))];
    let mut expressions = Vec::new();
    for (nth, field) in schema.fields().iter().enumerate() {
        let place = rows
            .columns
            .iter()
            .position(|column| folded(&column.value) == names[nth]);
        let cells = rows.rows.iter().map(|row| row[place?].as_deref());
        texts.push(Arc::new(cells.collect::<StringArray>()));
        fields.push(Field::new(format!("c{nth}"), DataType::Utf8, true));
        let sql = format!("cast(c{nth} as {})", type_name(field.data_type()));
        expressions.push((field.name().clone(), sql));
    }
    let given = RecordBatch::try_new(Arc::new(Schema::new(fields)), texts).map_err(arrow_error)?;
    let compiled = RowExpressions::compile(&site.engine, given.schema(), &expressions);
    let compiled = compiled.map_err(|errors| {
        let (nth, error) = &errors[0];
        PipelineError::Refused {
            what: format!(
                "column `{}` of `{table}` cannot be given as text: {}",
                names[*nth], error.message
            ),
            hint: "leave the column out: it is null then".to_owned(),
        }
    })?;
    let values = compiled.evaluate(&given)?;
    for (nth, failed) in values.failed.iter().enumerate() {
        let row = failed
            .as_ref()
            .and_then(|failed| failed.set_indices().next());
        if let Some(row) = row {
            return Err(PipelineError::Refused {
                what: format!(
                    "row {} for `{table}`: the value of `{}` is no {}",
                    row + 1,
                    names[nth],
                    type_name(schema.field(nth).data_type())
                ),
                hint: "write it as SQL reads it from text; null is `null`, or leaving it out"
                    .to_owned(),
            });
        }
    }
    let columns = values.columns.iter().zip(schema.fields());
    let columns = columns.map(|(column, field)| arrow::compute::cast(column, field.data_type()));
    let columns = columns
        .collect::<Result<Vec<_>, _>>()
        .map_err(arrow_error)?;
    RecordBatch::try_new(schema.clone(), columns).map_err(arrow_error)
}

/// What is expected against what was made, in the columns that are named.
async fn compare(
    site: &Site,
    folder: &Path,
    model: &Model,
    expected: &GivenRows,
) -> Result<Diff, PipelineError> {
    let table = site.lake.table(&model.name.folder());
    let made = table.load()?;
    let Some(made) = made else {
        return Err(PipelineError::Internal(format!(
            "`{}` was not made",
            model.name
        )));
    };
    let batch = typed(site, &model.name.to_string(), &made.schema, expected)?;
    let path = folder.join("expected");
    let files = written(Table::at(&path), &batch)?;
    let files = files.iter().map(|file| karat_exact::DataFileRef {
        path: path.join(&file.path),
        size: file.size,
        rows: file.rows,
    });
    let named: Vec<String> = expected
        .columns
        .iter()
        .map(|column| column.value.to_lowercase())
        .collect();
    let key = unique_key(&site.project, &model.name);
    let key = key.filter(|key| key.iter().all(|name| named.contains(&name.to_lowercase())));
    let old = Side {
        name: "expected".to_owned(),
        files: FileSet {
            schema: made.schema.clone(),
            files: files.collect(),
            key: key.clone(),
        },
        fingerprint: None,
        provenance: &[],
    };
    let live = read::in_written_order(&made);
    let new = Side {
        name: "made".to_owned(),
        files: read::file_set(&table, &made, live, key),
        fingerprint: None,
        provenance: &[],
    };
    let question = Question {
        key: None,
        // Where no row is expected, every row that was made is one too many.
        columns: (!named.is_empty()).then_some(named),
        first: 20,
    };
    diff::diff(&site.engine, &old, &new, &question).await
}

/// What quarantine holds, by the number of the row that was given.
async fn held(site: &Site, landed: &Landed) -> Result<Vec<(u64, Vec<String>)>, PipelineError> {
    let (rows, _) = quarantine::list(site, None, &[]).await?;
    let mut found = Vec::new();
    for row in rows {
        let place = match (&landed.lines, row.row) {
            (Some(lines), Some(line)) => lines.iter().position(|begun| *begun == line),
            _ => None,
        };
        let Some(place) = place else {
            return Err(PipelineError::Refused {
                what: "rows of a database have no number in quarantine".to_owned(),
                hint: "leave `quarantine` out of the test, and expect the rows that are kept"
                    .to_owned(),
            });
        };
        let mut rules = row.rules;
        rules.sort();
        found.push((place as u64 + 1, rules));
    }
    found.sort();
    Ok(found)
}
