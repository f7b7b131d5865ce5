//! `karat query`: exact SQL on a cut of the lake, or on files. Rows go out as they come.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::SchemaRef;
use futures::TryStreamExt;
use karat_exact::{
    Engine, ExactError, FileSet, Parameters, Prepared, Purpose, SqlError, SqlErrorKind, Tables,
    function_names, type_name,
};
use karat_lake::TableDir;
use karat_pipeline::journal::Journal;
use karat_pipeline::{PipelineError, cut, damage, event_log, manifest};
use karat_project::{Project, TableName};
use karat_sql::TableRef;
use serde_json::json;

use crate::answer::{self, Answer};
use crate::args::{Format, Global, QueryArgs};
use crate::failure::{Failure, error_json, error_text};
use crate::machine;
use crate::named_files::{self, AsOf, NamedFiles};
use crate::output::{self, Voice};
use crate::scratch::Scratch;
use crate::shell;
use crate::site::{self, Interrupt, OpenSite};
use crate::statement::{self, Statement};

/// Prints the rows of one SELECT, or opens a shell.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &QueryArgs) -> Result<u8, Failure> {
    let format = arguments.format.unwrap_or(if voice.json {
        Format::Json
    } else {
        Format::Table
    });
    let answered = answered(voice, global, arguments, format);
    if let Err(failure) = &answered
        && format == Format::Json
        && !voice.json
        && arguments.output.is_none()
        && !failure.reader_is_gone()
    {
        output::print_json(&failure.json())?;
    }
    answered
}

fn answered(
    voice: Voice,
    global: &Global,
    arguments: &QueryArgs,
    format: Format,
) -> Result<u8, Failure> {
    let sql = sql_text(arguments)?;
    if sql.is_some() {
        answer::check(format, arguments.output.as_deref())?;
    }
    let scratch = Scratch::temporary()?;
    let as_of = AsOf::parse(arguments.as_of.as_deref());
    let mut files = NamedFiles::new(scratch.path(), &as_of, arguments.lenient);
    let mut named = BTreeMap::new();
    for text in &arguments.tables {
        let (name, set) = files.open(text)?;
        if named.insert(name.clone(), set).is_some() {
            return Err(Failure::usage(
                format!("`--table` names `{name}` twice"),
                "name each table once; a folder or pattern names several files",
            ));
        }
    }
    let (notes, has_versions) = (files.notes, files.has_versions);
    let threads = machine::threads(arguments.resources.threads);
    let at = arguments.time.at.as_deref();
    let (engine, lake, journal) = site::engine_and_lake(
        voice,
        global,
        at,
        &arguments.day,
        &arguments.resources,
        &scratch,
    )?;
    let project = lake.as_ref().map(|site| &site.project);
    let parameters = parameters(arguments, project)?;
    let desk = Desk {
        voice,
        arguments,
        format,
        threads,
        engine,
        named,
        has_versions,
        lake,
        journal,
        scratch: &scratch,
        as_of: as_of.clone(),
        parameters,
        notes,
    };
    match sql {
        Some(sql) => desk.answer(&sql, Stop::Never),
        None => shell::run(&desk),
    }
}

/// The text of the query; none where a shell is wanted.
fn sql_text(arguments: &QueryArgs) -> Result<Option<String>, Failure> {
    match (&arguments.file, arguments.sql.as_deref()) {
        (Some(file), _) => std::fs::read_to_string(file)
            .map(Some)
            .map_err(Failure::io("read", file)),
        (None, Some("-")) => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(Failure::io("read", Path::new("-")))?;
            Ok(Some(text))
        }
        (None, Some(sql)) => Ok(Some(sql.to_owned())),
        (None, None) if output::is_at_a_terminal() => Ok(None),
        (None, None) => Err(Failure::usage(
            "there is no SELECT to run",
            "give it as an argument, with `--file`, or as `-` on stdin; at a terminal a shell opens without it",
        )),
    }
}

/// Values of the command line; a parameter of the project has its own type.
fn parameters(arguments: &QueryArgs, project: Option<&Project>) -> Result<Parameters, Failure> {
    let mut parameters = Parameters::new();
    for text in &arguments.parameters {
        let Some((name, value)) = text.split_once('=') else {
            return Err(Failure::usage(
                format!("`--param {text}` gives no value"),
                "write it like `--param day=2026-01-31`, or with its type: `--param day:date=2026-01-31`",
            ));
        };
        let plain = name.trim().trim_start_matches('$').to_lowercase();
        let declared = project.and_then(|project| project.params.get(&plain));
        let name = match declared {
            Some(param) if param.of.value(value).is_none() => {
                return Err(Failure::usage(
                    format!("`--param {text}`: `{value}` is no {}", param.of),
                    format!("write it like `--param {plain}={}`", param.of.example()),
                ));
            }
            Some(param) => format!("{plain}:{}", param.of),
            None => name.to_owned(),
        };
        parameters.insert(&name, value).map_err(|error| {
            Failure::usage(
                format!("`--param {text}`: {}", error.message),
                error.hint.unwrap_or_default(),
            )
        })?;
    }
    Ok(parameters)
}

/// The tables of the lake that a query reads, with the files of the version that it reads.
type OfLake = Vec<(TableName, FileSet)>;

/// Whether a query can be given up half way.
pub(crate) enum Stop {
    /// Only with the process.
    Never,
    /// By this Ctrl-C, which leaves the process alone.
    On(Interrupt),
}

/// What queries of this execution read, and how they are answered.
pub(crate) struct Desk<'a> {
    voice: Voice,
    arguments: &'a QueryArgs,
    format: Format,
    threads: usize,
    engine: Engine,
    named: BTreeMap<String, FileSet>,
    has_versions: bool,
    lake: Option<OpenSite>,
    journal: Option<Journal>,
    scratch: &'a Scratch,
    as_of: AsOf,
    parameters: Parameters,
    notes: Vec<String>,
}

/// A version by number, asked of more than one table of a lake, or of another one.
fn version_of_several(version: &str, tables: Option<&[String]>) -> Failure {
    let read = match tables {
        Some(tables) => format!("`{}`", tables.join("`, `")),
        None => "all tables".to_owned(),
    };
    Failure::usage(
        format!(
            "`--as-of {version}` is a version of one table, and what is read of the lake is {read}"
        ),
        "write `TABLE@VERSION` where that table alone is read; for several tables give a time or a run",
    )
}

impl Desk<'_> {
    /// Answers one statement.
    pub(crate) fn answer(&self, sql: &str, stop: Stop) -> Result<u8, Failure> {
        match statement::understood(sql)? {
            Statement::Tables => self.print(tables_batch(&self.tables()?)?),
            Statement::Functions => self.print(names_batch("function", function_names())?),
            Statement::Describe(name) => match self.columns(&name)? {
                Some(schema) => self.print(columns_batch(&schema)?),
                None => Err(Failure::usage(
                    format!("there is no table `{name}`"),
                    "`show tables` lists the tables",
                )),
            },
            Statement::DescribeQuery(sql) => {
                self.print(columns_batch(&self.prepared(&sql)?.0.schema())?)
            }
            Statement::Explain(sql) => self.explain(&sql),
            Statement::Select(sql) if self.arguments.plan => self.explain(&sql),
            Statement::Select(sql) => self.select(&sql, stop),
        }
    }

    /// Names of tables with their rows and files, sorted; those of the event log are made when they are read, so they have no counts.
    pub(crate) fn tables(&self) -> Result<Vec<(String, Option<Size>)>, Failure> {
        let mut tables: BTreeMap<String, Option<Size>> = BTreeMap::new();
        if let Some(site) = &self.lake {
            let of_event_log = event_log::TABLES.iter();
            tables
                .extend(of_event_log.map(|table| (format!("{}.{table}", event_log::SCHEMA), None)));
            let cut = self.cut(site, None)?;
            for name in manifest::heads(&site.lake)?.into_keys() {
                if let Ok(table) = name.parse::<TableName>()
                    && let Some(set) = cut::file_set(site, &cut, &table)?
                {
                    tables.insert(name, Some(Size::of(&set)));
                }
            }
        }
        for (name, set) in &self.named {
            tables.insert(name.clone(), Some(Size::of(set)));
        }
        Ok(tables.into_iter().collect())
    }

    /// Columns of a table, as SQL names them.
    pub(crate) fn columns(&self, name: &str) -> Result<Option<SchemaRef>, Failure> {
        if let Some(set) = self.named.get(name) {
            return Ok(Some(set.schema.clone()));
        }
        if let Some(set) = self.of_event_log(name)? {
            return Ok(Some(set.schema));
        }
        let (Some(site), Ok(table)) = (&self.lake, name.parse::<TableName>()) else {
            return Ok(None);
        };
        let cut = self.cut(site, Some(&[table.to_string()]))?;
        let set = cut::file_set(site, &cut, &table)?;
        Ok(set.map(|set| set.schema))
    }

    /// What is read of the lake; `tables` are the names of what that is, none for all.
    fn cut(&self, site: &OpenSite, tables: Option<&[String]>) -> Result<cut::Cut, Failure> {
        Ok(match (&self.arguments.run, &self.as_of) {
            (Some(run), _) | (None, AsOf::Run(run)) => cut::of_run(site, run)?,
            (None, AsOf::Time(time)) => cut::as_of(site, &time.to_rfc3339())?,
            (None, AsOf::Version(version)) => match tables {
                Some([_]) => cut::Cut::Version(*version),
                _ => return Err(version_of_several(&version.to_string(), tables)),
            },
            (None, AsOf::TableVersion(of, version)) => match tables {
                Some([only]) if only == of => cut::Cut::Version(*version),
                // It is one of `--table`, which has it.
                _ if self.named.contains_key(of) => cut::Cut::Newest,
                _ => return Err(version_of_several(&format!("{of}@{version}"), tables)),
            },
            (None, AsOf::Newest) => cut::Cut::Newest,
        })
    }

    /// The query, and what it reads of the lake.
    fn prepared(&self, sql: &str) -> Result<(Prepared, OfLake), Failure> {
        let failed = |error| Failure::Sql {
            sql: sql.to_owned(),
            error,
        };
        let references = karat_sql::references(sql).map_err(|error| {
            failed(SqlError {
                message: error.message.clone(),
                line: Some(u64::from(error.line)),
                column: Some(u64::from(error.column)),
                hint: error.hint.clone(),
                kind: SqlErrorKind::Syntax,
            })
        })?;
        let (tables, of_lake) = self.read(sql, &references)?;
        let purpose = Purpose::Query {
            strict: self.arguments.strict,
        };
        let prepared = self
            .engine
            .prepare_with(sql, &tables, &purpose, &self.parameters);
        Ok((prepared.map_err(failed)?, of_lake))
    }

    /// The tables that a query names.
    fn read(&self, sql: &str, references: &[TableRef]) -> Result<(Tables, OfLake), Failure> {
        let mut tables = Tables::new();
        let mut of_lake: Vec<&TableRef> = Vec::new();
        for reference in references {
            let name = reference.name();
            let given = match self.named.get(&name) {
                Some(set) => Some(set.clone()),
                None => self.of_event_log(&name)?,
            };
            match given {
                Some(set) => insert_named(&mut tables, &name, set)?,
                None if of_lake.iter().any(|other| other.name() == name) => {}
                None => of_lake.push(reference),
            }
        }
        if of_lake.is_empty() {
            if let Some(run) = &self.arguments.run {
                return Err(Failure::usage(
                    format!("`--run {run}`: nothing that is read here is of the lake"),
                    "leave it out, or name a table of the lake",
                ));
            }
            if self.as_of != AsOf::Newest && !self.has_versions {
                return Err(Failure::usage(
                    "`--as-of`: nothing that is read here has versions",
                    "name the folder of a Delta or Iceberg table, or a table of the lake",
                ));
            }
            return Ok((tables, OfLake::new()));
        }
        let missing = |reference: &TableRef| Failure::Sql {
            sql: sql.to_owned(),
            error: self.no_table(reference),
        };
        let Some(site) = &self.lake else {
            return Err(missing(of_lake[0]));
        };
        let names: Vec<String> = of_lake.iter().map(|reference| reference.name()).collect();
        let cut = self.cut(site, Some(&names))?;
        let mut read = OfLake::new();
        for reference in of_lake {
            let parsed: Option<TableName> = reference.name().parse().ok();
            let set = match &parsed {
                Some(table) => cut::file_set(site, &cut, table)?,
                None => None,
            };
            match (parsed, set) {
                (Some(table), Some(set)) => {
                    tables.insert(&table.schema(), &table.table, set.clone())?;
                    read.push((table, set));
                }
                _ => return Err(missing(reference)),
            }
        }
        Ok((tables, read))
    }

    /// A table of the event log, as it is now, whatever cut of the lake is read.
    fn of_event_log(&self, name: &str) -> Result<Option<FileSet>, Failure> {
        let (Some(site), Some((event_log::SCHEMA, table))) = (&self.lake, name.split_once('.'))
        else {
            return Ok(None);
        };
        match event_log::table(site, self.journal.as_ref(), table)? {
            Some(rows) => {
                let path = self.scratch.path().join(format!("{name}.parquet"));
                Ok(Some(named_files::written(&rows, &path, name)?))
            }
            None => Ok(None),
        }
    }

    fn no_table(&self, reference: &TableRef) -> SqlError {
        let of_event_log = reference
            .name()
            .starts_with(&format!("{}.", event_log::SCHEMA));
        let (place, hint) = match (&self.lake, self.named.is_empty()) {
            (Some(_), _) if of_event_log => (
                " in the event log",
                format!("it has {}", event_log::TABLES.join(", ")),
            ),
            (Some(site), _) => (
                " in the lake",
                match self.nearest_table(site, &reference.name()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => "`karat status` lists the tables; `--table NAME=PATH` names files"
                        .to_owned(),
                },
            ),
            (None, true) => ("", "`--table NAME=PATH` names files".to_owned()),
            (None, false) => {
                let names: Vec<&str> = self.named.keys().map(String::as_str).collect();
                let hint = format!(
                    "`--table` names {}; there is no project here whose tables could be read",
                    names.join(", ")
                );
                ("", hint)
            }
        };
        SqlError {
            message: format!("there is no table `{}`{place}", reference.name()),
            // The parser keeps no place of a name in single quotes.
            line: Some(u64::from(reference.span.start.line)).filter(|line| *line > 0),
            column: Some(u64::from(reference.span.start.column)).filter(|column| *column > 0),
            hint: Some(hint),
            kind: SqlErrorKind::Name,
        }
    }

    /// The table whose name is like this one, or that has it without its domain and layer.
    fn nearest_table(&self, site: &OpenSite, name: &str) -> Option<String> {
        // A lake that cannot be listed is told where it is read.
        let folders = site.lake.tables().unwrap_or_default();
        let of_lake = folders.iter().map(TableDir::name);
        let names: Vec<String> = of_lake.chain(self.named.keys().cloned()).collect();
        let near = karat_project::nearest(name, names.iter().map(String::as_str));
        if near.is_some() || name.contains('.') {
            return near.map(str::to_owned);
        }
        // Rows in quarantine are looked for by their whole name.
        let short = |full: &&String| match full.split_once('.') {
            Some((schema, table)) if !schema.ends_with("_quarantine") => Some(table.to_owned()),
            _ => None,
        };
        let tables: Vec<String> = names.iter().filter_map(|full| short(&full)).collect();
        let near = karat_project::nearest(name, tables.iter().map(String::as_str))?;
        let of_that_name = names
            .iter()
            .filter(|full| short(full).as_deref() == Some(near));
        let of_that_name: Vec<&str> = of_that_name.map(String::as_str).collect();
        Some(of_that_name.join("` or `"))
    }

    fn explain(&self, sql: &str) -> Result<u8, Failure> {
        let (prepared, read) = self.prepared(sql)?;
        let lines = site::block_on(self.threads, prepared.explain())?
            .map_err(|error| self.named(&read, error.into()))?;
        if self.format == Format::Json {
            output::print_json(&json!({ "plan": lines }))?;
        } else {
            output::print(&format!("{}\n", lines.join("\n")))?;
        }
        Ok(0)
    }

    fn select(&self, sql: &str, stop: Stop) -> Result<u8, Failure> {
        let (prepared, read) = self.prepared(sql)?;
        if self.format != Format::Table {
            names_are_different(&prepared.schema())?;
        }
        let mut notes = self.notes.clone();
        notes.extend(prepared.notes());
        for note in &notes {
            self.voice.note(&format!("note: {note}"));
        }
        let output = self.arguments.output.clone();
        let work = rows(
            self.engine.clone(),
            prepared,
            self.format,
            output,
            notes.clone(),
        );
        let ended = match stop {
            Stop::Never => site::block_on(self.threads, work)?,
            Stop::On(interrupt) => interrupt
                .or_end_of(self.threads, work)?
                .unwrap_or(Err(Failure::Interrupted)),
        }?;
        let Ended::Failed { error, begun } = ended else {
            return Ok(0);
        };
        let error = self.named(&read, error);
        let Some(answer) = begun else {
            return Err(error.into());
        };
        let reason = error_json(&error, error.hint(), error.exit_code());
        answer.fail(&notes, &reason)?;
        output::print_error(&error_text(&error, error.hint()));
        Ok(error.exit_code())
    }

    /// The error with the damaged file of the lake that caused it, if one did.
    fn named(&self, read: &OfLake, error: PipelineError) -> PipelineError {
        let Some(site) = &self.lake else {
            return error;
        };
        damage::named_in(site, read.iter().map(|(name, set)| (name, set)), error)
    }

    /// Rows that karat made itself.
    fn print(&self, batch: RecordBatch) -> Result<u8, Failure> {
        let output = self.arguments.output.as_deref();
        let mut answer = Answer::new(self.format, batch.schema(), output)?;
        answer.rows(&batch)?;
        answer.end(&[])?;
        Ok(0)
    }
}

/// How an answer ended.
enum Ended {
    /// With its last row.
    Whole,
    /// Before that, perhaps with rows out already.
    Failed {
        error: PipelineError,
        begun: Option<Answer>,
    },
}

async fn rows(
    engine: Engine,
    prepared: Prepared,
    format: Format,
    output: Option<PathBuf>,
    notes: Vec<String>,
) -> Result<Ended, Failure> {
    let failed = |error: ExactError, begun| {
        let error = error.into();
        Ok(Ended::Failed { error, begun })
    };
    let mut stream = match engine.stream(&prepared).await {
        Ok(stream) => stream,
        Err(error) => return failed(error, None),
    };
    // Before the first rows an error is an answer of its own.
    let mut next = match stream.try_next().await {
        Ok(batch) => batch,
        Err(error) => return failed(error.into(), None),
    };
    let mut answer = Answer::new(format, prepared.schema(), output.as_deref())?;
    while let Some(batch) = next {
        answer.rows(&batch)?;
        next = match stream.try_next().await {
            Ok(batch) => batch,
            Err(error) => return failed(error.into(), Some(answer)),
        };
    }
    answer.end(&notes)?;
    Ok(Ended::Whole)
}

/// A program finds a column by its name: of two with one name it would read the wrong one, or lose one.
fn names_are_different(schema: &SchemaRef) -> Result<(), Failure> {
    let mut names = BTreeSet::new();
    match schema
        .fields()
        .iter()
        .find(|field| !names.insert(field.name()))
    {
        None => Ok(()),
        Some(field) => Err(Failure::usage(
            format!("two columns of the answer are called `{}`", field.name()),
            "give one another name with `as`; only `--format table` shows both under one",
        )),
    }
}

/// What a table holds.
pub(crate) struct Size {
    rows: u64,
    files: usize,
}

impl Size {
    fn of(set: &FileSet) -> Self {
        Self {
            rows: set.files.iter().map(|file| file.rows).sum(),
            files: set.files.len(),
        }
    }
}

/// A name of one part, or of two.
fn insert_named(tables: &mut Tables, name: &str, set: FileSet) -> Result<(), Failure> {
    match name.rsplit_once('.') {
        Some((schema, table)) => tables.insert(schema, table, set)?,
        None => tables.insert_plain(name, set)?,
    }
    Ok(())
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch, Failure> {
    RecordBatch::try_from_iter(columns)
        .map_err(|error| PipelineError::Internal(error.to_string()).into())
}

fn names_batch(title: &str, names: Vec<String>) -> Result<RecordBatch, Failure> {
    batch(vec![(title, Arc::new(StringArray::from(names)))])
}

fn tables_batch(tables: &[(String, Option<Size>)]) -> Result<RecordBatch, Failure> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let names: StringArray = tables.iter().map(|(name, _)| Some(name)).collect();
    let sizes = tables.iter().map(|(_, size)| size.as_ref());
    let rows: Int64Array = sizes
        .clone()
        .map(|size| size.map(|size| number(size.rows)))
        .collect();
    let files: Int64Array = sizes
        .map(|size| size.map(|size| number(size.files as u64)))
        .collect();
    batch(vec![
        ("table", Arc::new(names)),
        ("rows", Arc::new(rows)),
        ("files", Arc::new(files)),
    ])
}

fn columns_batch(schema: &SchemaRef) -> Result<RecordBatch, Failure> {
    let fields = schema.fields().iter();
    let names: StringArray = fields
        .clone()
        .map(|field| Some(field.name().to_lowercase()))
        .collect();
    let types: StringArray = fields
        .map(|field| Some(type_name(field.data_type())))
        .collect();
    batch(vec![("column", Arc::new(names)), ("type", Arc::new(types))])
}
