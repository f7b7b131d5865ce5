//! Recorded code texts as the files of a project that says the same (A7): what a version was made with can be read and run again. The
//! texts are written by `model`, whose tests and those of `karat replay` hold the two together. Where the sources were, no text knows.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::table_name::{Layer, TableName};

/// A code text that is none of this version's.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recorded code of `{table}` is not written as this version writes it: {why}")]
pub struct NotRecorded {
    /// Whose code it is.
    pub table: TableName,
    /// What is missing or wrong.
    pub why: String,
}

/// Files of a project by path, in which the tables are declared as recorded. Rounding and time zone are those of `of`.
pub fn recorded_project(
    of: &TableName,
    code: &BTreeMap<TableName, String>,
) -> Result<BTreeMap<String, String>, NotRecorded> {
    let mut files = BTreeMap::new();
    let mut sources = BTreeMap::new();
    let mut params: BTreeMap<String, String> = BTreeMap::new();
    let mut feeds: BTreeMap<String, BTreeMap<TableName, String>> = BTreeMap::new();
    let text = |table: &TableName| Lines::of(table, code.get(table).map(String::as_str));
    for table in code.keys().filter(|table| table.layer != Layer::Bronze) {
        let model = text(table)?;
        for param in model.all("param") {
            let (name, data_type) = split(&model, param, " ")?;
            // A type is what it was for the table itself; what it reads is not made again.
            if table == of || !params.contains_key(name) {
                params.insert(name.to_owned(), data_type.to_owned());
            }
        }
        let domain = table.domain.as_str();
        feeds.entry(domain.to_owned()).or_default();
        let folder = format!("domains/{domain}/{}", table.layer);
        let mut yaml = String::from("access: public\nallow_float: as it was\n");
        for key in ["key", "cluster_by"] {
            if let Some(columns) = model.get(key) {
                line(
                    &mut yaml,
                    format_args!("{key}: [{}]", model.flow_list(columns)?),
                );
            }
        }
        if table.layer == Layer::Gold {
            let sql = unescaped(model.one("sql")?);
            files.insert(format!("{folder}/{}.sql", table.table), format!("{sql}\n"));
        } else {
            let from: TableName = model
                .one("from")?
                .parse()
                .map_err(|_| model.wrong("its feed has no name"))?;
            let feed = text(&from)?;
            let (source, kind, entry) = feed_entry(&from, &feed, &model)?;
            sources.insert(source, kind);
            // A feed is declared once, for several models perhaps: as the one that counts saw it.
            let entries = feeds.entry(from.domain.clone()).or_default();
            if table == of || !entries.contains_key(&from) {
                entries.insert(from, entry);
            }
            yaml.push_str(&silver(&model)?);
        }
        files.insert(format!("{folder}/{}.yaml", table.table), yaml);
    }
    let model = text(of)?;
    let mut project = format!(
        "karat: 1\nproject: recorded\nrounding: {}\ntimezone: {}\ntargets:\n  recorded: {{ lake: ./lake, default: true }}\nsources:\n",
        model.one("rounding")?,
        model.flow_list(model.one("timezone")?)?,
    );
    for (source, kind) in sources {
        line(
            &mut project,
            format_args!("  {source}: {{ type: {kind}, path: unknown }}"),
        );
    }
    if !params.is_empty() {
        project.push_str("params:\n");
    }
    for (name, data_type) in params {
        line(
            &mut project,
            format_args!("  {name}: {{ type: {} }}", quoted(&data_type)),
        );
    }
    files.insert("karat.yaml".to_owned(), project);
    for (domain, entries) in feeds {
        let mut text = format!("domain: {domain}\n");
        if !entries.is_empty() {
            text.push_str("feeds:\n");
            text.extend(entries.into_values());
        }
        files.insert(format!("domains/{domain}/domain.yaml"), text);
    }
    Ok(files)
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string");
}

/// What of a feed acts when silver reads it, as an entry of the control table; its source and that one's kind.
fn feed_entry(
    bronze: &TableName,
    feed: &Lines<'_>,
    model: &Lines<'_>,
) -> Result<(String, &'static str, String), NotRecorded> {
    let Some((source, name)) = bronze.table.split_once("__") else {
        return Err(feed.wrong("its table names no source"));
    };
    let (mode, key) = model.two("mode", " key ")?;
    let (on_duplicate, file_order) = model.two("on_duplicate", " file_order ")?;
    let mut entry = format!("  - source: {source}\n    name: {name}\n    mode: {mode}\n");
    line(
        &mut entry,
        format_args!("    key: [{}]", model.flow_list(key)?),
    );
    line(
        &mut entry,
        format_args!(
            "    null_values: [{}]",
            model.flow_list(model.one("null_values")?)?
        ),
    );
    if let Some(deletes) = model.get("deletes") {
        let column = deletes.strip_prefix("soft ").unwrap_or(deletes);
        line(
            &mut entry,
            format_args!("    deletes: {{ soft: {} }}", model.flow_list(column)?),
        );
    }
    let renames = feed.all("rename");
    let renames = renames.map(|rename| match feed.list(rename)?.as_slice() {
        [bronze, source] => Ok(format!("{}: {}", quoted(bronze), quoted(source))),
        _ => Err(feed.wrong("a `rename` has not two names")),
    });
    let renames = renames.collect::<Result<Vec<_>, _>>()?.join(", ");
    if !renames.is_empty() {
        line(&mut entry, format_args!("    rename: {{ {renames} }}"));
    }
    let table = feed.single(feed.one("table")?)?;
    if table.is_empty() {
        let path = feed.single(feed.one("path")?)?;
        line(&mut entry, format_args!("    path: {}", quoted(&path)));
        line(
            &mut entry,
            format_args!("    on_duplicate: {}", on_duplicate.to_lowercase()),
        );
        let file_order = model.single(file_order)?;
        if !file_order.is_empty() {
            line(
                &mut entry,
                format_args!("    file_order: {}", quoted(&file_order)),
            );
        }
        return Ok((source.to_owned(), "files", entry));
    }
    line(&mut entry, format_args!("    table: {}", quoted(&table)));
    if let Some(cursor) = feed.get("cursor") {
        let (columns, _) = feed.texts(cursor)?;
        let column = columns
            .first()
            .ok_or_else(|| feed.wrong("its cursor has no column"))?;
        line(
            &mut entry,
            format_args!("    cursor: {{ column: {} }}", quoted(column)),
        );
    }
    Ok((source.to_owned(), "sqlite", entry))
}

fn silver(model: &Lines<'_>) -> Result<String, NotRecorded> {
    let mut yaml = format!("from: {}\n", model.one("from")?);
    if let Some(trim) = model.get("trim") {
        line(&mut yaml, format_args!("trim: {trim}"));
    }
    yaml.push_str("select:\n");
    for column in model.all("select") {
        let (name, sql) = split(model, column, " ")?;
        line(
            &mut yaml,
            format_args!("  {}: {}", quoted(name), quoted(&unescaped(sql))),
        );
    }
    let mut rules = model.all("expect").peekable();
    if rules.peek().is_some() {
        yaml.push_str("expectations:\n");
    }
    for rule in rules {
        let (name, rest) = split(model, rule, " ")?;
        let (action, rest) = split(model, rest, " ")?;
        let (on, sql) = match rest.strip_prefix("on all ") {
            Some(sql) => (", on: all", sql),
            None => ("", rest),
        };
        let expect = match sql {
            "" => String::new(),
            sql => format!(", expect: {}", quoted(&unescaped(sql))),
        };
        line(
            &mut yaml,
            format_args!("  {}: {{ action: {action}{on}{expect} }}", quoted(name)),
        );
    }
    let Some(scd) = model.get("scd") else {
        return Ok(yaml);
    };
    let (kind, keys) = split(model, scd, " keys ")?;
    line(
        &mut yaml,
        format_args!(
            "auto_cdc:\n  keys: [{}]\n  stored_as_scd_type: {kind}",
            model.flow_list(keys)?
        ),
    );
    for key in ["sequence_by", "valid_from"] {
        let columns = model.one(key)?;
        match model.list(columns)?.as_slice() {
            [none] if none.is_empty() => {}
            [one] => line(&mut yaml, format_args!("  {key}: {}", quoted(one))),
            _ => line(
                &mut yaml,
                format_args!("  {key}: [{}]", model.flow_list(columns)?),
            ),
        }
    }
    if let Some(version) = model.get("from_snapshots") {
        yaml.push_str("  from: snapshots\n");
        let version = model.single(version)?;
        if !version.is_empty() {
            line(
                &mut yaml,
                format_args!("  snapshot_version: {}", quoted(&version)),
            );
        }
    }
    for key in ["apply_as_deletes", "apply_as_truncates"] {
        let condition = model.get(key).map(unescaped).unwrap_or_default();
        if !condition.is_empty() {
            line(&mut yaml, format_args!("  {key}: {}", quoted(&condition)));
        }
    }
    for (key, list) in [
        ("ignore_null_updates", "ignore_null_updates"),
        ("track", "track_history"),
    ] {
        let Some(columns) = model.get(key) else {
            continue;
        };
        let (word, columns) = split(model, columns, " ")?;
        let columns = model.flow_list(columns)?;
        match word {
            "only" => line(&mut yaml, format_args!("  {list}_column_list: [{columns}]")),
            "except" => line(
                &mut yaml,
                format_args!("  {list}_except_column_list: [{columns}]"),
            ),
            _ if key == list => line(&mut yaml, format_args!("  {key}: true")),
            _ => {}
        }
    }
    Ok(yaml)
}

/// The lines of a code text: a key, a blank, the rest.
struct Lines<'c> {
    table: TableName,
    lines: Vec<(&'c str, &'c str)>,
}

impl<'c> Lines<'c> {
    fn of(table: &TableName, code: Option<&'c str>) -> Result<Self, NotRecorded> {
        let mut found = Self {
            table: table.clone(),
            lines: Vec::new(),
        };
        let head = match table.layer {
            Layer::Bronze => "karat feed 1",
            _ => "karat model 1",
        };
        let Some(code) = code else {
            return Err(found.wrong("there is none"));
        };
        let mut lines = code.lines();
        if lines.next() != Some(head) {
            return Err(found.wrong(&format!("it does not begin with `{head}`")));
        }
        for line in lines {
            // Of an empty value the blank stays.
            match line.split_once(' ') {
                Some(parts) => found.lines.push(parts),
                None => return Err(found.wrong("a line has no value")),
            }
        }
        Ok(found)
    }

    fn wrong(&self, why: &str) -> NotRecorded {
        NotRecorded {
            table: self.table.clone(),
            why: why.to_owned(),
        }
    }

    fn all<'l>(&'l self, key: &'l str) -> impl Iterator<Item = &'c str> + 'l {
        let lines = self.lines.iter().filter(move |(of, _)| *of == key);
        lines.map(|(_, rest)| *rest)
    }

    fn get(&self, key: &str) -> Option<&'c str> {
        self.all(key).next()
    }

    fn one(&self, key: &str) -> Result<&'c str, NotRecorded> {
        self.get(key)
            .ok_or_else(|| self.wrong(&format!("it has no `{key}`")))
    }

    fn two(&self, key: &str, between: &str) -> Result<(&'c str, &'c str), NotRecorded> {
        split(self, self.one(key)?, between)
    }

    /// Quoted texts with blanks between, and what follows them.
    fn texts<'t>(&self, text: &'t str) -> Result<(Vec<String>, &'t str), NotRecorded> {
        let mut texts = Vec::new();
        let mut rest = text;
        while let Some(begun) = rest.strip_prefix('"') {
            let mut escaped = false;
            let end = begun.find(|letter| {
                let ends = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            });
            let end = end.ok_or_else(|| self.wrong("a quote does not end"))?;
            texts.push(unescaped(&begun[..end]));
            rest = begun[end + 1..].trim_start();
        }
        Ok((texts, rest))
    }

    fn list(&self, text: &str) -> Result<Vec<String>, NotRecorded> {
        match self.texts(text)? {
            (texts, "") => Ok(texts),
            (_, rest) => Err(self.wrong(&format!("`{rest}` is no quoted text"))),
        }
    }

    fn single(&self, text: &str) -> Result<String, NotRecorded> {
        match self.list(text)?.pop() {
            Some(one) => Ok(one),
            None => Err(self.wrong("a text is missing")),
        }
    }

    /// The same as what stands between the brackets of a list in YAML.
    fn flow_list(&self, text: &str) -> Result<String, NotRecorded> {
        let texts = self.list(text)?;
        let texts = texts.iter().map(|text| quoted(text));
        Ok(texts.collect::<Vec<_>>().join(", "))
    }
}

fn split<'c>(
    lines: &Lines<'_>,
    text: &'c str,
    between: &str,
) -> Result<(&'c str, &'c str), NotRecorded> {
    text.split_once(between)
        .ok_or_else(|| lines.wrong(&format!("`{text}` has no `{}`", between.trim())))
}

fn unescaped(text: &str) -> String {
    let mut out = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        out.push(match letter {
            '\\' => match letters.next() {
                Some('n') => '\n',
                Some('r') => '\r',
                Some(other) => other,
                None => '\\',
            },
            letter => letter,
        });
    }
    out
}

/// A text as YAML reads it in one line: a JSON string is one.
pub(crate) fn quoted(text: &str) -> String {
    let mut out = String::from('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            control if control.is_control() => {
                write!(out, "\\u{:04x}", u32::from(control)).expect("writing to a string");
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}
