//! A gold version made from the one before: of `incremental: { by }` only the values that changes of the inputs touch are computed (A7).
//!
//! The result is a rebuild's, fingerprint for fingerprint; what is decided here shows in the work alone. Where a part would not do, or
//! nobody can say which part, the model is made in full, and the reason is told.

use std::collections::{BTreeMap, HashSet};

use futures::TryStreamExt;
use karat_exact::fingerprint::row_hashes;
use karat_exact::{ExactError, KnownTables, SliceSources, SqlError, SqlErrorKind};
use karat_lake::LiveFile;
use karat_project::{Gold, Incremental, Model, TableName};
use karat_receipt::Intent;

use crate::context::Site;
use crate::error::PipelineError;
use crate::gold::unique_key;
use crate::publish::{Head, own_receipt, recorded_version};
use crate::read;
use crate::touched::Touched;

/// How the next version of a gold model comes about.
pub(crate) enum Approach {
    /// From all rows of all inputs.
    Whole {
        /// Why.
        reason: String,
    },
    /// From the version before, and the rows of some values.
    Part(Part),
}

/// Which part is computed.
pub(crate) struct Part {
    /// The values whose rows are computed, and take the place of those of the version before.
    pub(crate) touched: Touched,
    /// Where the inputs hold them.
    sources: SliceSources,
    /// For people: `3 of 250 book_date`.
    pub(crate) words: String,
}

impl Part {
    /// The files of an input that are read for it.
    pub(crate) fn input_files<'f>(
        &self,
        name: &str,
        files: Vec<&'f LiveFile>,
    ) -> Result<Vec<&'f LiveFile>, PipelineError> {
        match self.sources.carried.get(name) {
            Some(ways) => self.touched.files(files, ways),
            None => Ok(files),
        }
    }
}

/// Why a model cannot be kept up to date by the columns that it states: a change of a table that does not hold them could touch any row.
pub(crate) fn check(
    model: &Model,
    incremental: &Incremental,
    sources: &SliceSources,
) -> Result<(), Vec<SqlError>> {
    let by = incremental.by.join(", ");
    let refused = |message: String, hint: String| SqlError {
        message,
        line: None,
        column: None,
        hint: Some(hint),
        kind: SqlErrorKind::Refused,
    };
    let nothing_holds_it = sources.carried.is_empty();
    let mut errors = Vec::new();
    for (table, why) in &sources.whole {
        let stated = incremental
            .rebuild_on
            .iter()
            .any(|one| one.to_string() == *table);
        if stated && !nothing_holds_it {
            continue;
        }
        let hint = match nothing_holds_it {
            true => "leave out `incremental`: no part of the model can be told, and it is computed in full".to_owned(),
            false => format!("carry `{by}` from every table to the answer, or state `rebuild_on: [{table}]`: a change of it computes all"),
        };
        let message = format!(
            "`{}` cannot be computed by `{by}` alone: all of `{table}` is read, since {why}",
            model.name
        );
        errors.push(refused(message, hint));
    }
    for table in &incremental.rebuild_on {
        if !model.inputs.contains(table) {
            errors.push(refused(
                format!(
                    "`{}` does not read `{table}`, which `rebuild_on` names",
                    model.name
                ),
                "name tables that the SELECT reads".to_owned(),
            ));
        }
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(errors)
}

/// Where the inputs hold the columns by which a model is kept up to date; none of a model that states none. One whose inputs do not hold them
/// is refused, whether a part or all of it is to be computed.
pub(crate) fn sources(
    site: &Site,
    (model, gold): (&Model, &Gold),
    inputs: &BTreeMap<String, (TableName, Head, String)>,
) -> Result<Option<SliceSources>, PipelineError> {
    let Some(incremental) = &gold.incremental else {
        return Ok(None);
    };
    let tables: KnownTables = inputs
        .iter()
        .map(|(name, (table, head, _))| {
            let key = unique_key(&site.project, table);
            (name.clone(), (head.snapshot.schema.clone(), key))
        })
        .collect();
    let refuse = |at, error: SqlError| PipelineError::Sql {
        at,
        table: model.name.to_string(),
        error,
    };
    let sources = site
        .engine
        .slice_sources(&gold.sql, &tables, &incremental.by)
        .map_err(|error| refuse(None, error))?;
    if let Err(mut errors) = check(model, incremental, &sources)
        && !errors.is_empty()
    {
        return Err(refuse(Some(incremental.at), errors.swap_remove(0)));
    }
    Ok(Some(sources))
}

/// Decides on the part, from what changed since the newest version. The model is stale; nothing but its inputs changed.
pub(crate) async fn approach(
    site: &Site,
    model: &Model,
    (incremental, sources): (&Incremental, SliceSources),
    (head, last): (&Head, &Intent),
    inputs: &BTreeMap<String, (TableName, Head, String)>,
    reason: String,
) -> Result<Approach, PipelineError> {
    let whole = |reason: String| Ok(Approach::Whole { reason });
    if last.to["uses_clock"].as_bool() == Some(true) {
        return whole(format!("{reason}, and it asks for the time"));
    }
    let (own, holds_adopted) = own_receipt(site, head)?;
    if holds_adopted {
        return whole(format!("{reason}, and its table holds adopted rows"));
    }
    let mut touched = Touched::of(&incremental.by);
    for (name, (table, now, fingerprint)) in inputs {
        let Some(before) = last.inputs.get(name) else {
            return whole(format!("it did not read `{name}` before"));
        };
        if before.fingerprint == *fingerprint {
            continue;
        }
        let Some(ways) = sources.carried.get(name) else {
            return whole(format!("`{name}` changed, which is read whole"));
        };
        let lake_table = site.lake.table(&table.folder());
        let read = own
            .as_ref()
            .and_then(|own| own.inputs.iter().find(|input| input.table == *name));
        let receipt = read.and_then(|input| input.receipt);
        let Some(before) = recorded_version(&lake_table, before.version, receipt)? else {
            return whole(format!(
                "`{name}` changed, and its version {} is gone",
                before.version
            ));
        };
        if before.schema.fields() != now.snapshot.schema.fields() {
            return whole(format!("the columns of `{name}` changed"));
        }
        let versions = (&before, &now.snapshot);
        if !touched.take_in(site, &lake_table, versions, ways).await? {
            let by = incremental.by.join(", ");
            return whole(format!("`{name}` changed in too many values of `{by}`"));
        }
    }
    if touched.are_too_many() {
        return whole(format!("{reason}, in too many values"));
    }
    // Those that the version has, and those that it gets.
    let others = values_beside(site, model, head, &incremental.by, &touched).await?;
    let words = format!(
        "{} of {} `{}`: {reason}",
        touched.count(),
        touched.count() + others,
        incremental.by.join(", ")
    );
    Ok(Approach::Part(Part {
        touched,
        sources,
        words,
    }))
}

/// How many values the version has beside those that are touched.
async fn values_beside(
    site: &Site,
    model: &Model,
    head: &Head,
    by: &[String],
    touched: &Touched,
) -> Result<u64, PipelineError> {
    let table = site.lake.table(&model.name.folder());
    let files = &head.snapshot.files;
    crate::proven::prove(site, &table, files).await?;
    let set = read::file_set(&table, &head.snapshot, files, None);
    let mut rows = site.engine.scan(&set, Some(by)).await?;
    let mut values = HashSet::new();
    while let Some(batch) = rows.try_next().await.map_err(ExactError::from)? {
        let of_part = touched.has(&batch)?;
        let hashes = row_hashes(&batch)?.into_iter().zip(of_part.iter());
        values.extend(hashes.filter_map(|(hash, of_part)| (of_part != Some(true)).then_some(hash)));
    }
    Ok(values.len() as u64)
}
