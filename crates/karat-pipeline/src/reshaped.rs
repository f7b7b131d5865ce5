//! A feed that is no longer declared as its table was loaded: rows of both declarations in one table would have no common order, or another
//! meaning (B1, B6, B7), so neither loads nor models go on. What of a declaration counts is decided in `karat_project::FeedShape`.

use karat_project::{Feed, FeedShape};
use karat_receipt::Intent;
use karat_source::Load;

use crate::context::Site;
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::layout;
use crate::publish::{Head, newest_load};

/// Refuses a feed whose committed loads were made with another mode, key, order of files or cursor. `position set` says from where on
/// another cursor reads.
pub(crate) fn check(site: &Site, feed: &Feed, epochs: &Epochs) -> Result<(), PipelineError> {
    let now = FeedShape::of(feed);
    let Some(done) = epochs.last_done() else {
        return Ok(());
    };
    let current = epochs.position().unwrap_or(done);
    // The rows are those of the one, the position is that of the other; mostly both have one declaration.
    let rows = (done.code != current.code).then_some((done, false));
    for (load, with_cursor) in rows.into_iter().chain([(current, true)]) {
        let Some(before) = recorded(site, load)? else {
            continue;
        };
        if let Some((before, now)) = before.differs(&now, with_cursor) {
            let mut hint = another_name(feed);
            if now.starts_with("`cursor") {
                hint.push_str("; or say with `karat position set` from which value on to read");
            }
            return Err(PipelineError::Refused {
                what: format!(
                    "`{}` was loaded with {before}, and its feed now has {now}: rows of both would not make one table",
                    feed.bronze
                ),
                hint,
            });
        }
    }
    Ok(())
}

/// Refuses a keyed full load whose order mark lies before one that is loaded: `file_order` was another then, and `_seq` would take its rows
/// for older ones. With one order such an extract is late, and held (B6).
pub(crate) fn check_mark(feed: &Feed, load: &Load, epochs: &Epochs) -> Result<(), PipelineError> {
    let (Some(mark), Some(object)) = (load.mark.as_deref(), load.objects.first()) else {
        return Ok(());
    };
    let newest = epochs.done().filter_map(|done| done.to["mark"].as_str());
    let Some(newest) = newest
        .max()
        .filter(|newest| !feed.key.is_empty() && mark < *newest)
    else {
        return Ok(());
    };
    Err(PipelineError::Refused {
        what: format!(
            "`{}` has the order mark `{mark}`, and `{}` holds a load with `{newest}`, made with another `file_order`: the rows of that one would count as the newer",
            object.path, feed.bronze
        ),
        hint: another_name(feed),
    })
}

fn another_name(feed: &Feed) -> String {
    format!(
        "take the change back, or give feed `{}` another `name`, so that it makes a table of its own, and its models the new `from`",
        feed.short_name()
    )
}

/// Why an open load of a feed that is declared otherwise now is not taken up: its range and objects are those of the other declaration.
pub(crate) fn since_open(
    site: &Site,
    feed: &Feed,
    open: &Intent,
) -> Result<Option<String>, PipelineError> {
    let before = recorded(site, open)?;
    let differs = before.and_then(|before| before.differs(&FeedShape::of(feed), true));
    Ok(differs
        .map(|(before, now)| format!("it was planned with {before}, and its feed now has {now}")))
}

/// What a feed's bytes are read with, in the words of its code text.
const READ_WITH: [&str; 4] = ["csv", "format", "excel", "columns"];

/// Says that what is loaded was read with other options than the feed has now: it stays as it was read.
pub(crate) fn read_otherwise(
    site: &Site,
    feed: &Feed,
    head: Option<&Head>,
    epochs: &Epochs,
) -> Result<Option<String>, PipelineError> {
    let Some(digest) = head.and_then(|head| head.receipt) else {
        return Ok(None);
    };
    // After an undo of all of it nothing is loaded.
    if epochs.last_done().is_none() {
        return Ok(None);
    }
    // Not the intent of the load: what it had planned may have been read with today's options.
    let Ok(done) = newest_load(site, digest) else {
        // That it is missing is told by whoever needs it.
        return Ok(None);
    };
    let Some(before) = site.lake.get(&layout::code(done.code))? else {
        return Ok(None);
    };
    let (before, now) = (
        String::from_utf8_lossy(&before).into_owned(),
        feed.code_text(),
    );
    let of = |text: &str, key: &str| {
        let mut lines = text.lines();
        let found =
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' ').map(str::to_owned));
        found.unwrap_or_default()
    };
    let changed: Vec<String> = READ_WITH
        .iter()
        .filter(|key| of(&before, key) != of(&now, key))
        .map(|key| format!("`{key}`"))
        .collect();
    Ok((!changed.is_empty()).then(|| {
        format!(
            "what is loaded was read with another {}, and stays as it was read; {}",
            changed.join(" and "),
            how_to_read_anew(feed, epochs)
        )
    }))
}

/// The shortest way to have all that is loaded of a feed read anew: the runs that loaded it taken back, or another table.
pub(crate) fn how_to_read_anew(feed: &Feed, epochs: &Epochs) -> String {
    let mut runs: Vec<&str> = epochs.done().map(|load| load.run.as_str()).collect();
    runs.dedup();
    let reset = format!("`karat position reset {}`", feed.short_name());
    let undo = match runs.as_slice() {
        [] => return format!("{reset} lets the next run read it anew"),
        [run] => format!(
            "to have it read anew, `karat undo {run} --reason TEXT` (`--plan` shows what else that run wrote), {reset}, `karat run`"
        ),
        [.., newest] => format!(
            "to have it read anew, take back the {} runs that loaded it, from the newest (`karat undo {newest} --reason TEXT`), then {reset}, `karat run`",
            runs.len()
        ),
    };
    format!("{undo}; or give the feed another `name`, which makes a table of its own")
}

/// Says of columns that `rename` takes for others that objects loaded before brought them under their own names.
pub(crate) fn renamed_late(feed: &Feed, head: Option<&Head>, epochs: &Epochs) -> Vec<String> {
    let columns = |name: &str| head.is_some_and(|head| head.snapshot.schema.index_of(name).is_ok());
    let mut notes = Vec::new();
    for (bronze, source) in &feed.rename {
        if source != bronze && columns(bronze) && columns(source) {
            notes.push(format!(
                "what was loaded before `rename` has `{source}` in a column of its own: a model gets all of it as `coalesce({bronze}, {source})`, but not in a lake that begins with `rename`, which has no `{source}`; for all lakes take `rename` back, or {}",
                how_to_read_anew(feed, epochs)
            ));
        }
    }
    notes
}

/// None if the lake has lost the text, which `verify` tells.
fn recorded(site: &Site, load: &Intent) -> Result<Option<FeedShape>, PipelineError> {
    let text = site.lake.get(&layout::code(load.code))?;
    Ok(text.and_then(|bytes| FeedShape::recorded(&String::from_utf8_lossy(&bytes))))
}
