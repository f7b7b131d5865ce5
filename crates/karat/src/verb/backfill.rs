//! `karat backfill`: a range of a cursor's feed read again, or what that would bring.

use karat_pipeline::backfill::{self, Backfilled, Range};
use karat_project::{Feed, TableName};
use serde_json::{Value, json};

use crate::anchor;
use crate::args::{BackfillArgs, Global};
use crate::failure::Failure;
use crate::output::{Voice, counted, thousands};
use crate::site::{self, Wants};

/// Reads a range again, or says what that would bring.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &BackfillArgs) -> Result<u8, Failure> {
    let opened = site::open(global, None, None)?;
    let feed = super::feed(&opened.project, &arguments.feed)?.clone();
    let sources = opened.sources();
    let threads = opened.threads;
    let wants = match arguments.plan {
        true => Wants::reading(),
        false => Wants::writing(),
    };
    let site = opened.site(Wants {
        wait: arguments.wait.unwrap_or_default(),
        ..wants
    })?;
    if !arguments.plan {
        anchor::check_newest(&site)?;
    }
    let range = Range {
        from: arguments.from.clone(),
        to: arguments.to.clone(),
    };
    let work = backfill::backfill(&site, sources.as_ref(), &feed, &range, arguments.plan);
    let done = site::block_on(threads, work)??;
    let names =
        |tables: &[TableName]| -> Vec<String> { tables.iter().map(ToString::to_string).collect() };
    voice.answer(
        || {
            let mut document = json!({
                "feed": feed.short_name(), "table": feed.bronze.to_string(), "from": range.from, "to": range.to,
                "rows": {
                    "read": of(&done, "read"), "kept": of(&done, "kept"), "unchanged": of(&done, "unchanged"),
                },
                "models": names(&done.models), "beside": names(&done.beside),
            });
            if !arguments.plan {
                document["run"] = json!(site.context.run);
                document["version"] = json!(done.step.as_ref().and_then(|step| step.version));
                document["head"] = done.head.map_or(Value::Null, |head| json!(head.to_string()));
            }
            document
        },
        || text(&feed, &done, arguments.plan),
    )?;
    if !voice.quiet && of(&done, "kept") > 0 {
        for table in &done.beside {
            voice.note(&format!(
                "note: `{table}` has no `auto_cdc`: a row that changed stands there beside what it was before"
            ));
        }
    }
    if !arguments.plan {
        anchor::publish_newest(&site)?;
    }
    Ok(0)
}

fn of(done: &Backfilled, term: &str) -> u64 {
    done.rows.get(term).copied().unwrap_or(0)
}

fn text(feed: &Feed, done: &Backfilled, is_planned: bool) -> String {
    let (read, kept, unchanged) = (of(done, "read"), of(done, "kept"), of(done, "unchanged"));
    let mut text = format!(
        "`{}`: {} read = {} {} + {} unchanged\n",
        feed.bronze,
        counted(read, "row"),
        thousands(kept),
        if is_planned { "to load" } else { "kept" },
        thousands(unchanged),
    );
    match (is_planned, &done.step) {
        (true, _) => text.push_str("nothing was written\n"),
        (false, None) => text.push_str("nothing new in this range\n"),
        (false, Some(step)) => {
            let version = step.version.unwrap_or_default();
            text.push_str(&format!(
                "version {version}; `karat run` takes it into the models\n"
            ));
        }
    }
    if let (Some(head), false) = (&done.head, is_planned) {
        text.push_str(&format!("head {head}\n"));
    }
    text
}
