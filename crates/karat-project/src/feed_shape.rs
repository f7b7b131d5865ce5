//! What of a feed's declaration the rows in its bronze table depend on: how `_seq` orders them, what `_op` means, where the position stands.
//!
//! Read from the feed and from the code text of an earlier load ([`Feed::code_text`]); who holds one against the other is no business of this file.

use crate::model::{Feed, Mode, quoted, quoted_list};

/// How the rows of a load are ordered, and what they stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FeedShape {
    mode: String,
    /// Of a full feed: with a key, bronze holds changes. Of a cursor: the key is a part of `_seq`.
    key: Option<String>,
    /// Of files that are new each time: what orders them. Full loads are compared by their marks.
    file_order: Option<String>,
    cursor: Option<String>,
}

impl FeedShape {
    /// Of a feed as it is declared.
    pub fn of(feed: &Feed) -> Self {
        let renamed = |name: &str| {
            let mut names = feed.rename.iter();
            let found = names.find(|(_, source)| source.as_str() == name);
            found.map_or(name.to_owned(), |(bronze, _)| bronze.clone())
        };
        Self {
            mode: feed.mode.as_str().to_owned(),
            key: (feed.mode == Mode::Full || feed.cursor.is_some()).then(|| quoted_list(&feed.key)),
            file_order: (feed.table.is_none() && feed.mode == Mode::Incremental)
                .then(|| quoted(feed.file_order.as_deref().unwrap_or(""))),
            cursor: feed
                .cursor
                .as_ref()
                .map(|cursor| quoted(&renamed(&cursor.column))),
        }
    }

    /// Of a load, from the code text that it was made with; None if this is no such text.
    pub fn recorded(code: &str) -> Option<Self> {
        let value = |key: &str| {
            let mut lines = code.lines();
            lines.find_map(|line| line.strip_prefix(key)?.strip_prefix(' '))
        };
        let mode = value("mode")?.to_owned();
        let renames = code.lines().filter_map(|line| {
            let (bronze, source) = line.strip_prefix("rename ")?.split_once(' ')?;
            Some((source, bronze))
        });
        let cursor = value("cursor").and_then(|line| line.split(' ').next());
        let renamed = |name: &str| {
            let mut renames = renames;
            let found = renames.find(|(source, _)| *source == name);
            found.map_or(name, |(_, bronze)| bronze).to_owned()
        };
        Some(Self {
            key: (mode == "full" || value("cursor").is_some())
                .then(|| value("key").unwrap_or("").to_owned()),
            file_order: (value("table") == Some("\"\"") && mode == "incremental")
                .then(|| value("file_order").unwrap_or("\"\"").to_owned()),
            cursor: cursor.map(renamed),
            mode,
        })
    }

    /// The first thing that differs, as it was and as it is: `("no `key`", "`key: [id]`")`. A cursor is compared only if asked for: setting
    /// the position says where another begins.
    pub fn differs(&self, now: &Self, with_cursor: bool) -> Option<(String, String)> {
        let told = |key: &str, value: &str| match value {
            "" | "\"\"" => format!("no `{key}`"),
            value => format!("`{key}: {}`", value.replace("\" \"", ", ").replace('"', "")),
        };
        if self.mode != now.mode {
            return Some((told("mode", &self.mode), told("mode", &now.mode)));
        }
        let pairs = [
            ("key", &self.key, &now.key, true),
            ("file_order", &self.file_order, &now.file_order, true),
            ("cursor", &self.cursor, &now.cursor, with_cursor),
        ];
        pairs.into_iter().find_map(|(key, before, now, asked)| {
            let (before, now) = (before.as_ref()?, now.as_ref()?);
            (asked && before != now).then(|| (told(key, before), told(key, now)))
        })
    }
}
