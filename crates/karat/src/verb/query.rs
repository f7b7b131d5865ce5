//! `karat query`: exact SQL on a cut of the lake, or on files. Rows go out as they come.

use std::io::Read as _;
use std::path::Path;

use futures::TryStreamExt;
use karat_exact::{Engine, ExactError, FileSet, Prepared, Purpose, SqlError, SqlErrorKind, Tables};
use karat_pipeline::{PipelineError, Site, cut, damage};
use karat_project::TableName;
use karat_sql::TableRef;

use crate::args::{Format, Global, QueryArgs};
use crate::failure::{Failure, error_json, error_text};
use crate::machine::{self, Moment};
use crate::named_files::NamedFiles;
use crate::output::{self, Voice};
use crate::rows::RowText;
use crate::scratch::Scratch;
use crate::site::{self, Wants};

/// Prints the rows of one SELECT.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &QueryArgs) -> Result<u8, Failure> {
    let sql = sql_text(arguments)?;
    let scratch = Scratch::temporary()?;
    let mut files = NamedFiles::new(scratch.path());
    let mut tables = Tables::new();
    let mut named = Vec::new();
    for text in &arguments.tables {
        let (name, set) = files.open(text)?;
        insert_named(&mut tables, &name, set)?;
        named.push(name);
    }
    let references = karat_sql::references(&sql).map_err(|error| Failure::Sql {
        sql: sql.clone(),
        error: SqlError {
            message: error.message.clone(),
            line: Some(u64::from(error.line)),
            column: Some(u64::from(error.column)),
            hint: error.hint.clone(),
            kind: SqlErrorKind::Syntax,
        },
    })?;
    let of_lake: Vec<&TableRef> = references
        .iter()
        .filter(|table| !named.contains(&table.name()))
        .collect();
    let threads = machine::threads(arguments.resources.threads);
    let at = arguments.time.at.as_deref();
    // A query on files alone needs no project.
    if of_lake.is_empty() && site::find_root(global).is_err() {
        let memory = machine::memory(arguments.resources.memory);
        let engine = site::engine(&scratch, threads, memory, &Moment::now(at)?, None)?;
        let as_it_is = |error: PipelineError| error;
        return answer(
            voice,
            &engine,
            &sql,
            &tables,
            arguments,
            files.notes,
            &as_it_is,
        );
    }
    let opened = site::open_lake(voice, global, at, Some(&arguments.resources))?;
    let site = opened.site(Wants::reading())?;
    lake_tables(&site, arguments, &sql, &of_lake, &mut tables)?;
    let read: Vec<TableName> = of_lake
        .iter()
        .filter_map(|table| table.name().parse().ok())
        .collect();
    let named = |error: PipelineError| damage::named(&site, &read, error);
    answer(
        voice,
        &site.engine,
        &sql,
        &tables,
        arguments,
        files.notes,
        &named,
    )
}

fn sql_text(arguments: &QueryArgs) -> Result<String, Failure> {
    match (&arguments.file, arguments.sql.as_deref()) {
        (Some(file), _) => std::fs::read_to_string(file).map_err(Failure::io("read", file)),
        (None, Some("-")) => {
            let mut text = String::new();
            std::io::stdin()
                .read_to_string(&mut text)
                .map_err(Failure::io("read", Path::new("-")))?;
            Ok(text)
        }
        (None, Some(sql)) => Ok(sql.to_owned()),
        (None, None) => Err(Failure::usage(
            "there is no SELECT to run",
            "give it as an argument, or with `--file`",
        )),
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

fn lake_tables(
    site: &Site,
    arguments: &QueryArgs,
    sql: &str,
    references: &[&TableRef],
    tables: &mut Tables,
) -> Result<(), Failure> {
    let cut = match (&arguments.run, &arguments.as_of) {
        (Some(run), _) => cut::of_run(site, run)?,
        (None, Some(time)) => cut::as_of(site, &machine::parse_time(time)?.to_rfc3339())?,
        (None, None) => cut::Cut::Newest,
    };
    let mut inserted: Vec<String> = Vec::new();
    for reference in references {
        let name = reference.name();
        if inserted.contains(&name) {
            continue;
        }
        let parsed: Option<TableName> = name.parse().ok();
        let set = match &parsed {
            Some(table) => cut::file_set(site, &cut, table)?,
            None => None,
        };
        match (parsed, set) {
            (Some(table), Some(set)) => tables.insert(&table.schema(), &table.table, set)?,
            _ => {
                return Err(Failure::Sql {
                    sql: sql.to_owned(),
                    error: no_table(reference),
                });
            }
        }
        inserted.push(name);
    }
    Ok(())
}

fn no_table(reference: &TableRef) -> SqlError {
    SqlError {
        message: format!("there is no table `{}` in the lake", reference.name()),
        line: Some(u64::from(reference.span.start.line)),
        column: Some(u64::from(reference.span.start.column)),
        hint: Some("`karat status` lists the tables; `--table NAME=PATH` names files".to_owned()),
        kind: SqlErrorKind::Name,
    }
}

fn answer(
    voice: Voice,
    engine: &Engine,
    sql: &str,
    tables: &Tables,
    arguments: &QueryArgs,
    mut notes: Vec<String>,
    named: &(dyn Fn(PipelineError) -> PipelineError + Sync),
) -> Result<u8, Failure> {
    let purpose = Purpose::Query {
        strict: arguments.strict,
    };
    let prepared = engine
        .prepare(sql, tables, &purpose)
        .map_err(|error| Failure::Sql {
            sql: sql.to_owned(),
            error,
        })?;
    notes.extend(prepared.notes());
    for note in &notes {
        voice.note(&format!("note: {note}"));
    }
    let format = arguments.format.unwrap_or(if voice.json {
        Format::Json
    } else {
        Format::Table
    });
    let threads = machine::threads(arguments.resources.threads);
    site::block_on(
        threads,
        print_rows(engine, &prepared, format, &notes, named),
    )?
}

async fn print_rows(
    engine: &Engine,
    prepared: &Prepared,
    format: Format,
    notes: &[String],
    named: &(dyn Fn(PipelineError) -> PipelineError + Sync),
) -> Result<u8, Failure> {
    let mut stream = engine
        .stream(prepared)
        .await
        .map_err(|error| named(error.into()))?;
    let mut rows = RowText::new(format, prepared.schema());
    let mut text = rows.head();
    let error = loop {
        match stream.try_next().await {
            Ok(Some(batch)) => {
                let shown = rows
                    .batch(&batch)
                    .map_err(|error| PipelineError::Internal(error.to_string()))?;
                output::print(&format!("{text}{shown}"))?;
                text.clear();
            }
            Ok(None) => break None,
            Err(error) => break Some(named(ExactError::from(error).into())),
        }
    };
    let Some(error) = error else {
        output::print(&format!("{text}{}", rows.tail(notes, None)))?;
        return Ok(0);
    };
    // Rows are out already: the document is closed with the reason inside, so that it stays one document.
    if format == Format::Json {
        let reason = error_json(&error, error.hint(), error.exit_code());
        output::print(&format!("{text}{}", rows.tail(notes, Some(&reason))))?;
    }
    output::print_error(&error_text(&error, error.hint()));
    Ok(error.exit_code())
}
