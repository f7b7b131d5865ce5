//! SQL of Delta Live Tables (Lakeflow pipelines): files become feeds, tables of their rows silver, AUTO CDC silver with `auto_cdc`,
//! everything else gold.
//!
//! - `statement`: what declares a table.
//! - `files`: `read_files`, `cloud_files`, and paths behind a format.
//! - `rows`: queries that take each row for itself, which silver tables are made of.
//! - `pipeline`: all tables of a pipeline, in the order in which they read each other.

mod files;
mod pipeline;
mod rows;
mod statement;

use crate::dbt::Log;
pub(crate) use crate::dbt::own_name;
use crate::folder::Folder;
use crate::import::{Import, ImportError};
use crate::outline::{Origin, Outline};

pub(crate) use pipeline::Pipeline;
pub(crate) use statement::{Changes, Constraint, Table, Text};

use statement::{What, statements};

/// Makes a project of karat, called `name`, out of the SQL of a pipeline.
pub fn import(folder: &Folder, name: &str) -> Result<Import, ImportError> {
    let mut log = Log::default();
    let mut pipeline = Pipeline::default();
    for path in folder.paths() {
        match path.rsplit_once('.').map(|(_, ending)| ending) {
            Some("sql") => read_sql(folder, path, &mut pipeline, &mut log),
            Some("py" | "ipynb") => list_python(folder, path, &mut log),
            _ => {}
        }
    }
    if pipeline.is_empty() {
        let is_python = log.items.iter().any(|item| item.kind == "python");
        let what = match is_python {
            false => "no SQL in the folder declares a table: it holds no pipeline",
            true => "the pipeline is written in Python: this version takes over SQL alone",
        };
        return Err(ImportError::NoProject {
            what: what.to_owned(),
            hint: "name the folder with `CREATE OR REFRESH STREAMING TABLE …`".to_owned(),
        });
    }
    let domain = own_name(name);
    let mut outline = Outline {
        project: domain.clone(),
        comment:
            "Imported from a pipeline of Databricks: IMPORT.md says what became of each statement."
                .to_owned(),
        domain,
        ..Outline::default()
    };
    pipeline.write(&mut outline, &mut log);
    Ok(Import::of(outline, log.items, log.findings))
}

fn read_sql(folder: &Folder, path: &str, pipeline: &mut Pipeline, log: &mut Log) {
    let origin = |line: u32, name: &str| Origin {
        file: path.to_owned(),
        line,
        name: name.to_owned(),
    };
    let Some(text) = crate::dbt::text_of(folder, path, log) else {
        return;
    };
    for found in statements(text) {
        match found {
            Err((line, trouble)) => {
                let at = origin(line, &trouble.construct);
                log.item("statement", &at, None);
                log.unmapped(&at, &trouble.construct, &trouble.why, &trouble.fix);
            }
            Ok(statement) => match statement.what {
                What::Table(table) => {
                    let at = origin(statement.line, &table.name);
                    pipeline.add_table(*table, at, log);
                }
                What::Changes(changes) => {
                    let at = origin(statement.line, &changes.target);
                    pipeline.add_changes(*changes, at, log);
                }
                What::Setting(text) => {
                    let at = origin(statement.line, &text);
                    log.note(
                        &at,
                        &text,
                        "settings of a session change nothing in karat",
                        "nothing",
                    );
                }
                What::Other(construct, why) => {
                    let at = origin(statement.line, &construct);
                    log.item("statement", &at, None);
                    log.unmapped(
                        &at,
                        &construct,
                        why,
                        "write it in karat by hand where it is needed",
                    );
                }
            },
        }
    }
}

/// Python is not read in this version: each place that declares something is listed.
fn list_python(folder: &Folder, path: &str, log: &mut Log) {
    const MARKS: [&str; 8] = [
        "@dlt.table",
        "@dlt.view",
        "@dp.table",
        "@dp.materialized_view",
        "@dp.temporary_view",
        "dlt.apply_changes",
        "create_auto_cdc_flow",
        "create_auto_cdc_from_snapshot_flow",
    ];
    let Some(Ok(text)) = folder.text(path) else {
        return;
    };
    for (nth, line) in text.lines().enumerate() {
        let bare = line.trim().trim_start_matches('"');
        let Some(mark) = MARKS.iter().find(|mark| bare.starts_with(**mark)) else {
            continue;
        };
        let origin = Origin {
            file: path.to_owned(),
            line: nth as u32 + 1,
            name: (*mark).to_owned(),
        };
        log.item("python", &origin, None);
        log.unmapped(
            &origin,
            *mark,
            "this version takes over SQL alone",
            "write the table in SQL, or as a karat model",
        );
    }
}
