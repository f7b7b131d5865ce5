//! `karat schema accept`: a person's word that columns which models read may be missing from now on (B8).

use karat_pipeline::{Sources, schedule, schema_accept};
use serde_json::json;

use crate::args::{Global, SchemaVerb};
use crate::failure::Failure;
use crate::output::Voice;
use crate::site::{self, Wants};

/// Accepts what the next loads lack.
pub(crate) fn run(voice: Voice, global: &Global, what: &SchemaVerb) -> Result<u8, Failure> {
    let SchemaVerb::Accept { feed: name } = what;
    let opened = site::open(global, None, None)?;
    let feed = super::feed(&opened.project, name)?.clone();
    let sources = opened.sources();
    let threads = opened.threads;
    let site = opened.site(Wants::writing())?;
    let source = sources.open(&feed.source)?;
    let reads = schedule::columns_read(&site.project)
        .remove(&feed.bronze)
        .unwrap_or_default();
    let spec = sources.spec(&feed);
    let missing = schema_accept::missing_now(&site, &feed, &spec, &source, &reads);
    let missing: Vec<String> = site::block_on(threads, missing)??.into_iter().collect();
    if !missing.is_empty() {
        schema_accept::accept(&site, &feed.bronze, &missing)?;
    }
    voice.answer(
        || json!({ "feed": feed.short_name(), "table": feed.bronze.to_string(), "accepted": missing }),
        || match missing.is_empty() {
            true => format!("nothing to accept: no column that models read is missing from what `{}` has next\n", feed.short_name()),
            false => format!("accepted: {} of `{}` may be missing, and is null then\n", missing.join(", "), feed.short_name()),
        },
    )?;
    Ok(0)
}
