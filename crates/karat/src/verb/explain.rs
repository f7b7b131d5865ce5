//! `karat explain`: why a row is what it is. What stands behind it is found by the pipeline, with recorded code over recorded versions.

use arrow::array::RecordBatch;
use arrow::error::ArrowError;
use karat_pipeline::explain::{Explained, Received, Source, of_gold, of_silver, row_where};
use karat_pipeline::repairs::Repair;
use karat_pipeline::replay::{Recorded, of_table};
use karat_pipeline::{PipelineError, Site};
use karat_project::Layer;
use serde_json::{Map, Value, json};

use super::replay::{recorded, remove, staged};
use crate::args::{ExplainArgs, Global};
use crate::failure::Failure;
use crate::output::{Table, Voice, counted, short};
use crate::rows::{cell, json_value};
use crate::scratch::Scratch;
use crate::site::{self, OpenSite, Wants};

/// What was found.
struct Found {
    of: Recorded,
    row: RecordBatch,
    /// Of a gold row.
    explained: Option<Explained>,
    /// What was received of the rows of each source, or of the row itself.
    received: Vec<Vec<Received>>,
}

/// Prints what stands behind the row; 1 if recorded code does not make the row from it.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &ExplainArgs) -> Result<u8, Failure> {
    let opened = site::open_lake(voice, global, None, Some(&arguments.resources))?;
    let threads = opened.threads;
    let scratch = opened.scratch()?;
    let site = opened.site(Wants::reading())?;
    let of = recorded(&site, &arguments.table)?;
    let condition = arguments.condition.as_deref();
    let row = site::block_on(threads, row_where(&site, &of, condition))??;
    let places = Places {
        global,
        arguments,
        site: &site,
        scratch: &scratch,
    };
    let mut found = Found {
        of: of.clone(),
        row,
        explained: None,
        received: Vec::new(),
    };
    if of.table.layer == Layer::Gold {
        let limit = arguments.limit as usize;
        let work = |staged: &OpenSite| {
            site::block_on(threads, of_gold(staged, &of, &found.row, limit))?.map_err(Failure::from)
        };
        let explained = places.within(&of, work)?;
        for source in &explained.sources {
            let received = match source.table.layer {
                Layer::Silver => {
                    let of = of_table(&site, &source.table, Some(source.version));
                    let of = made_by_code(&site, source, of)?;
                    let rows = &source.rows;
                    let work = |staged: &OpenSite| {
                        site::block_on(threads, of_silver(staged, &of, rows))?
                            .map_err(Failure::from)
                    };
                    places.within(&of, work)?
                }
                _ => Vec::new(),
            };
            found.received.push(received);
        }
        found.explained = Some(explained);
    } else {
        let work = |staged: &OpenSite| {
            site::block_on(threads, of_silver(staged, &of, &found.row))?.map_err(Failure::from)
        };
        found.received.push(places.within(&of, work)?);
    }
    let shown = match &arguments.column {
        Some(column) => only(&found.row, column, &of)?,
        None => found.row.clone(),
    };
    let text = text(&found, &shown).map_err(not_shown)?;
    let document = document(&found, &shown).map_err(not_shown)?;
    voice.answer(|| document, || text)?;
    Ok(u8::from(
        found.explained.is_some_and(|explained| !explained.same),
    ))
}

/// Where recorded versions are put to be asked.
struct Places<'p> {
    global: &'p Global,
    arguments: &'p ExplainArgs,
    site: &'p Site,
    scratch: &'p Scratch,
}

impl Places<'_> {
    /// Does something in the lake of a version's recorded code and inputs.
    fn within<T>(
        &self,
        of: &Recorded,
        work: impl FnOnce(&OpenSite) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let folder = self.scratch.path().join("explain");
        let resources = &self.arguments.resources;
        let wants = Wants::reading();
        let staged = staged(self.global, resources, self.site, of, &folder, wants)??;
        let done = work(&staged);
        drop(staged);
        remove(&folder, self.scratch)?;
        done
    }
}

/// The newest version up to that of a source which code made: one without data may have been committed after it.
fn made_by_code(
    site: &Site,
    source: &Source,
    of: Result<Recorded, PipelineError>,
) -> Result<Recorded, Failure> {
    let mut of = of;
    let mut version = source.version;
    while of.is_err() && version > 0 {
        version -= 1;
        of = of_table(site, &source.table, Some(version));
    }
    Ok(of?)
}

fn only(row: &RecordBatch, column: &str, of: &Recorded) -> Result<RecordBatch, Failure> {
    let at = row.schema().index_of(&column.to_lowercase()).map_err(|_| {
        let schema = row.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        Failure::usage(
            format!("`{}` has no column `{column}`", of.table),
            format!("its columns: {}", names.join(", ")),
        )
    })?;
    row.project(&[at]).map_err(not_shown)
}

fn not_shown(error: ArrowError) -> Failure {
    Failure::Pipeline(PipelineError::Internal(format!(
        "cannot show the rows: {error}"
    )))
}

fn text(found: &Found, shown: &RecordBatch) -> Result<String, ArrowError> {
    let receipt = &found.of.receipt;
    let mut text = format!("{}@{}\n", found.of.table, receipt.version);
    let mut row = Table::new(&["  column", "value"]);
    for (field, column) in shown.schema().fields().iter().zip(shown.columns()) {
        row.row([format!("  {}", field.name()), cell(column, 0)?]);
    }
    // Without its headings.
    text.extend(row.text().split_inclusive('\n').skip(1));
    text += &format!(
        "made by run {}, code {}\n",
        receipt.run,
        short(&receipt.code.to_string())
    );
    let Some(explained) = &found.explained else {
        let received = found.received.first().map_or(&[][..], Vec::as_slice);
        let feed = receipt
            .inputs
            .first()
            .map_or("", |input| input.table.as_str());
        text += &format!("\n{feed}: {}\n", counted(received.len() as u64, "row"));
        text += &lines_of(received, 0, "");
        return Ok(text);
    };
    text += match explained.same {
        true => "computed again from the rows below: the same\n",
        false => "computed again from the rows below: NOT the same\n",
    };
    for (nth, source) in explained.sources.iter().enumerate() {
        let shown = source.rows.num_rows();
        let more = match source.count > shown as u64 {
            true => format!(", the first {shown}"),
            false => String::new(),
        };
        text += &format!(
            "\n{}@{}: {}{more}\n",
            source.table,
            source.version,
            counted(source.count, "row")
        );
        let schema = source.rows.schema();
        let names: Vec<&str> = schema
            .fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        let mut rows = Table::new(&names);
        for row in 0..shown {
            let cells = source.rows.columns().iter().map(|column| cell(column, row));
            rows.row(cells.collect::<Result<Vec<_>, _>>()?);
        }
        let mut lines = rows.text();
        let received = found.received.get(nth).map_or(&[][..], Vec::as_slice);
        if !received.is_empty() {
            let mut with_places = String::new();
            for (line, row) in lines.split_inclusive('\n').zip(0..) {
                with_places += line;
                if let Some(row) = usize::checked_sub(row, 1) {
                    with_places += &lines_of(received, row, "    ");
                }
            }
            lines = with_places;
        }
        text += &lines;
    }
    if !explained.untold.is_empty() {
        text += &format!(
            "\nalso read, by a subquery or behind a join, and not told: {}\n",
            explained.untold.join(", ")
        );
    }
    Ok(text)
}

/// Where a row was received, a line each.
fn lines_of(received: &[Received], row: usize, indent: &str) -> String {
    let of_row = received.iter().filter(|one| one.of == row);
    of_row
        .map(|one| {
            let repaired = one.repair.as_ref().map_or_else(String::new, |repair| {
                let Repair {
                    kind,
                    principal,
                    reason,
                    ..
                } = repair;
                format!("{indent}  {} by {principal}: {reason}\n", kind.word())
            });
            format!(
                "{indent}{}  {}  load {} at {}, run {}\n{repaired}",
                one.address, one.op, one.epoch, one.loaded_at, one.run
            )
        })
        .collect()
}

fn document(found: &Found, shown: &RecordBatch) -> Result<Value, ArrowError> {
    let receipt = &found.of.receipt;
    let received = |nth: usize, row: usize| -> Vec<Value> {
        let all = found.received.get(nth).map_or(&[][..], Vec::as_slice);
        let of_row = all.iter().filter(|one| one.of == row);
        let place = |one: &Received| json!({ "address": one.address, "op": one.op, "epoch": one.epoch, "run": one.run, "loaded_at": one.loaded_at, "repair": one.repair });
        of_row.map(place).collect()
    };
    let mut sources = Vec::new();
    for (nth, source) in found
        .explained
        .iter()
        .flat_map(|one| one.sources.iter().enumerate())
    {
        let mut rows = Vec::with_capacity(source.rows.num_rows());
        for row in 0..source.rows.num_rows() {
            let values = object(&source.rows, row)?;
            rows.push(json!({ "row": values, "received": received(nth, row) }));
        }
        sources.push(json!({
            "table": source.table.to_string(), "version": source.version, "count": source.count, "rows": rows,
        }));
    }
    let explained = found.explained.as_ref();
    Ok(json!({
        "table": found.of.table.to_string(), "version": receipt.version, "run": receipt.run,
        "code": receipt.code.to_string(), "row": object(shown, 0)?,
        "received": match explained {
            None => received(0, 0),
            Some(_) => Vec::new(),
        },
        "same": explained.map(|one| one.same),
        "sources": sources,
        "untold": explained.map_or(&[][..], |one| one.untold.as_slice()),
    }))
}

fn object(rows: &RecordBatch, row: usize) -> Result<Value, ArrowError> {
    let mut object = Map::new();
    for (field, column) in rows.schema().fields().iter().zip(rows.columns()) {
        object.insert(field.name().clone(), json_value(column, row)?);
    }
    Ok(Value::Object(object))
}
