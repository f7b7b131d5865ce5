//! A feed that is no longer declared as its table was loaded: rows of both declarations in one table would have no common order, or another
//! meaning (B1, B6, B7), so neither loads nor models go on. What of a declaration counts is decided in `karat_project::FeedShape`.

use karat_project::{Feed, FeedShape};
use karat_receipt::Intent;

use crate::context::Site;
use crate::epochs::Epochs;
use crate::error::PipelineError;
use crate::layout;

/// Refuses a feed whose committed loads were made with another mode, key, order of files or cursor. `position set` says from where on
/// another cursor reads.
pub(crate) fn check(site: &Site, feed: &Feed, epochs: &Epochs) -> Result<(), PipelineError> {
    let now = FeedShape::of(feed);
    let loads = [
        (epochs.last_done(), false),
        (epochs.last_done().and(epochs.last_current()), true),
    ];
    for (load, with_cursor) in loads {
        let Some(before) = load.map(|load| recorded(site, load)).transpose()?.flatten() else {
            continue;
        };
        if let Some((before, now)) = before.differs(&now, with_cursor) {
            let mut hint = format!(
                "take the change back, or give feed `{}` another `name`, so that it makes a table of its own, and its models the new `from`",
                feed.short_name()
            );
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

/// None if the lake has lost the text, which `verify` tells.
fn recorded(site: &Site, load: &Intent) -> Result<Option<FeedShape>, PipelineError> {
    let text = site.lake.get(&layout::code(load.code))?;
    Ok(text.and_then(|bytes| FeedShape::recorded(&String::from_utf8_lossy(&bytes))))
}
