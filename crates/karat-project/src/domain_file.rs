//! Reads a domain's `domain.yaml`, and its feeds, the control table, from there and from the rows of `feeds.csv`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::decode::{
    self, At, Ratio, bronze_name, choice, column, columns, flag, fold_name, is_own_name,
    parse_duration, printable, ratio, text, texts,
};
use crate::defaults::{Defaults, FeedFacts};
use crate::diagnostic::{Place, Reporter};
use crate::expected;
use crate::feeds_csv::Row;
use crate::links::domain_marker;
use crate::model::{
    Compression, ControlFile, ControlRecord, Csv, Cursor, Deletes, Domain, Encoding, Excel, Feed,
    Format, Json, Lag, Mode, OnAdded, OnBrokenObject, OnDuplicate, OnMissing, OnSchemaChange,
    TableFormat, Totals, Unpack, bare,
};
use crate::nearest::did_you_mean;
use crate::project_file::ProjectFile;
use crate::table_name::{Layer, TableName};
use crate::yaml::{Data, Node};

/// 5 % (B6).
const MAX_DELETE: Ratio = Ratio {
    billionths: 50_000_000,
};

/// Keys that say something about files only.
const FILE_KEYS: [&str; 15] = [
    "path",
    "format",
    "csv",
    "json",
    "excel",
    "unpack",
    "columns",
    "file_order",
    "parts",
    "stable_for",
    "done_file",
    "control_file",
    "expect",
    "on_duplicate",
    "on_broken_object",
];

/// What a domain is read with.
pub(crate) struct Around<'a> {
    pub(crate) project: &'a ProjectFile,
    /// Whether `karat.yaml` could be read: else no source is missed.
    pub(crate) project_known: bool,
    /// Its own are among them.
    pub(crate) defaults: &'a Defaults,
}

/// Reads the domain, its feeds also from the rows of `feeds.csv`; a feed whose place in bronze is unclear is left out, its mistakes reported. A feed with another mistake
/// is given and its table is among the `broken`.
pub(crate) fn read(
    folder: &str,
    node: &Node,
    table: &[Row],
    around: &Around<'_>,
    broken: &mut BTreeSet<TableName>,
    report: &mut Reporter,
) -> Domain {
    if let Some(name) = text(node, "domain")
        && name.value != folder
        && is_own_name(&name.value)
    {
        report.error(
            name.at,
            format!("`domain` is `{}` but the folder is `{folder}`", name.value),
            format!("write `domain: {folder}`, or rename the folder"),
        );
    }
    let mut feeds = Vec::new();
    let mut read: Vec<(&Node, TableName)> = Vec::new();
    let items = node.get("feeds").map(Node::items).unwrap_or(&[]);
    let rows = table.iter().map(|row| (&row.node, row.mistaken));
    let items = items.iter().map(|item| (item, false)).chain(rows);
    for (item, mistaken) in items.filter(|(item, _)| matches!(item.data, Data::Map(_))) {
        match read_feed(folder, item, around, report) {
            Some(feed) => {
                let project = around.project;
                // A model names the source that is meant: it is not blamed.
                if around.project_known && !project.source_names.contains(&feed.source) {
                    broken.extend(project.source_names.iter().map(|source| {
                        let table = format!("{source}__{}", feed.name);
                        TableName::new(folder, Layer::Bronze, table)
                    }));
                }
                if mistaken {
                    broken.insert(feed.bronze.clone());
                }
                read.push((item, feed.bronze.clone()));
                feeds.push(feed);
            }
            // Which table it would fill is not known, so no model's `from` is blamed.
            None => drop(broken.insert(domain_marker(folder))),
        }
    }
    let files: BTreeSet<u32> = read.iter().map(|(item, _)| item.at.file).collect();
    let mistakes: BTreeMap<u32, BTreeSet<(u32, u32)>> = files
        .into_iter()
        .map(|file| (file, report.errors_in(file)))
        .collect();
    for (item, bronze) in read {
        let within = (item.at.line, item.at.column)..=last_place(item);
        if mistakes[&item.at.file].range(within).next().is_some() {
            broken.insert(bronze);
        }
    }
    Domain {
        name: folder.to_string(),
        owner: text(node, "owner").map(|owner| owner.value),
        description: text(node, "description").map(|description| description.value),
        format: choice(node, "format", &TableFormat::WORDS),
        feeds,
        at: Place::start(node.at.file),
    }
}

/// Line and column of the last thing in a node.
fn last_place(node: &Node) -> (u32, u32) {
    let here = (node.at.line, node.at.column);
    let items = node.items().iter().map(last_place);
    let entries = node.entries().iter().flat_map(|entry| {
        let key = (entry.key_at.line, entry.key_at.column);
        [key, last_place(&entry.value)]
    });
    items.chain(entries).fold(here, std::cmp::Ord::max)
}

fn read_feed(
    domain: &str,
    node: &Node,
    around: &Around<'_>,
    report: &mut Reporter,
) -> Option<Feed> {
    let project = around.project;
    let project_known = around.project_known;
    let own = node;
    let source = text(node, "source")?;
    let kind = project
        .sources
        .get(&source.value)
        .map(|source| source.kind.as_str());
    if project_known && !project.source_names.contains(&source.value) {
        let names = project.source_names.iter().map(String::as_str);
        let hint = did_you_mean(&source.value, names).unwrap_or_else(|| {
            match project.source_names.as_slice() {
                [] => "declare it under `sources` in karat.yaml".to_string(),
                names => format!("karat.yaml declares: {}", names.join(", ")),
            }
        });
        report.error(
            source.at,
            format!("there is no source `{}`", printable(&source.value)),
            hint,
        );
    }
    let table = text(node, "table");
    let name = feed_name(node, table.as_ref(), report)?;
    let mode = choice(
        node,
        "mode",
        &[("full", Mode::Full), ("incremental", Mode::Incremental)],
    );
    if let Some(kind) = kind {
        check_kind(node, kind, mode, report);
    }
    let format = choice(node, "format", &Format::WORDS)
        .or_else(|| Format::by_ending(&text(node, "path")?.value))
        .unwrap_or(Format::Csv);
    let facts = FeedFacts {
        domain,
        source: &source.value,
        name: &name,
        of_files: kind.is_none_or(|kind| kind == "files"),
        format,
        mode: mode.unwrap_or(Mode::Full),
    };
    let (node, expanded) = around.defaults.feed(own, &facts, report);
    let node = &node;
    let key = columns(node, "key").unwrap_or_default();
    no_twins(&key, "key", report);
    let cursor = read_cursor(node);
    let csv = read_csv(node, report);
    let unpack = read_unpack(node, report);
    if kind == Some("files") {
        check_format_keys(node, format, report);
    }
    let json = read_json(node, report);
    let excel = read_excel(node, report);
    let pointers = read_pointers(node, format, json.records.as_deref(), report);
    let declared = texts(node, "columns");
    let names = match &pointers {
        Some(pointers) => Some(pointers.iter().map(|(name, _)| name.clone()).collect()),
        None => declared.clone(),
    };
    if let Some(declared) = &names {
        let folded: Vec<At<String>> = declared
            .iter()
            .map(|name| At {
                value: fold_name(&name.value),
                at: name.at,
            })
            .collect();
        no_twins(&folded, "columns", report);
        for key in &key {
            if !folded.iter().any(|name| name.value == key.value) {
                let hint = did_you_mean(&key.value, folded.iter().map(|name| name.value.as_str()));
                report.error(
                    key.at,
                    format!("key column `{}` is not in `columns`", printable(&key.value)),
                    hint.unwrap_or_else(|| "add it to `columns`".to_string()),
                );
            }
        }
        if let Some(cursor) = node.get("cursor")
            && let Some(by) = column(cursor, "column")
            && !folded.iter().any(|name| name.value == by.value)
        {
            let hint = did_you_mean(&by.value, folded.iter().map(|name| name.value.as_str()));
            report.error(
                by.at,
                format!(
                    "cursor column `{}` is not in `columns`",
                    printable(&by.value)
                ),
                hint.unwrap_or_else(|| "add it to `columns`".to_string()),
            );
        }
    }
    if kind == Some("files") && format == Format::Csv && !csv.header && declared.is_none() {
        let at = own
            .get("csv")
            .and_then(|csv| csv.entry("header"))
            .map_or(node.at, |header| header.key_at);
        report.error(
            Place {
                length: at.length.max(1),
                ..at
            },
            "without a header, `columns` must name the columns",
            "add `columns: [a, b]` to the feed",
        );
    }
    let path = text(node, "path");
    if let Some(path) = &path
        && let Some((message, hint)) = path_problem(&path.value)
    {
        report.error(path.at, message, hint);
    }
    let object_at = path
        .as_ref()
        .or(table.as_ref())
        .map_or(node.at, |named| named.at);
    let file_order = text(node, "file_order");
    if let Some(order) = &file_order {
        let groups = count_groups(&order.value);
        if let Some(problem) = unbalanced(&order.value) {
            report.error(
                order.at,
                format!("`file_order` is no regular expression: {problem}"),
                "write it like `entries_(\\d{8})`; a bracket that is meant itself needs a `\\` before it",
            );
        } else if groups != 1 {
            let message = format!("`file_order` needs exactly one group `(…)`, found {groups}");
            report.error(order.at, message, "put brackets around the part that gives the order, like `entries_(\\d{8})`; `(?:…)` is no group");
        }
    }
    let parts = flag(node, "parts").unwrap_or(false);
    if parts && mode == Some(Mode::Incremental) {
        report.error(
            node.entry("parts")?.key_at,
            "`parts` says nothing with mode `incremental`",
            "remove it",
        );
    }
    let rename = read_rename(node);
    let deletes = read_deletes(node, &rename);
    if let (Some(entry), Some(Mode::Full)) = (node.entry("deletes"), mode) {
        report.error(
            entry.key_at,
            "`deletes` says nothing with mode `full`: what is gone from the table is deleted",
            "remove it",
        );
    }
    if let (Some(entry), Some(Mode::Incremental)) = (node.entry("max_delete"), mode) {
        report.error(
            entry.key_at,
            "`max_delete` says nothing with mode `incremental`",
            "remove it",
        );
    }
    let stable_for = node
        .get("stable_for")
        .and_then(Node::scalar)
        .and_then(parse_duration);
    let null_values = texts(node, "null_values").unwrap_or_default();
    let done_file = text(node, "done_file");
    if let Some(done) = &done_file {
        check_beside(done, path.as_ref(), report);
    }
    let control_file = read_control_file(node, path.as_ref(), report);
    if let Some(names) = &names {
        let folded: Vec<String> = names.iter().map(|name| bronze_name(&name.value)).collect();
        let records = ["header_record", "trailer"].map(|key| node.get("csv")?.get(key));
        for record in records
            .into_iter()
            .chain([node.get("control_file")])
            .flatten()
        {
            check_sums(record, &folded, report);
        }
    }
    Some(Feed {
        bronze: TableName::new(domain, Layer::Bronze, format!("{}__{name}", source.value)),
        domain: domain.to_string(),
        source: source.value,
        name,
        table_format: choice(node, "table_format", &TableFormat::WORDS),
        description: text(node, "description").map(|description| description.value),
        table: table.map(|table| table.value),
        path: path.map(|path| path.value),
        mode: mode.unwrap_or(Mode::Full),
        key: bare(&key),
        cursor,
        csv,
        format,
        json,
        excel,
        unpack,
        columns: declared.map(|declared| bare(&declared)),
        pointers: pointers.map(|pointers| {
            let pointers = pointers.into_iter();
            pointers
                .map(|(name, pointer)| (name.value, pointer))
                .collect()
        }),
        file_order_at: file_order.as_ref().map(|order| order.at),
        file_order: file_order.map(|order| order.value),
        parts,
        rename,
        null_values: bare(&null_values),
        on_schema_change: read_schema_change(node),
        on_broken_object: choice(
            node,
            "on_broken_object",
            &[
                ("continue", OnBrokenObject::Continue),
                ("stop", OnBrokenObject::Stop),
            ],
        )
        .unwrap_or_default(),
        on_duplicate: choice(
            node,
            "on_duplicate",
            &[("once", OnDuplicate::Once), ("load", OnDuplicate::Load)],
        )
        .unwrap_or_default(),
        max_delete: ratio(node, "max_delete").unwrap_or(MAX_DELETE),
        deletes,
        stable_for: stable_for.unwrap_or(Duration::ZERO),
        done_file: done_file.map(|done| done.value),
        control_file,
        expect: expected::read(node, project.calendar_declared, report),
        at: node.entries().first().map_or(node.at, |entry| entry.key_at),
        object_at,
        expanded,
    })
}

/// What a control record or file says, and in which fields.
fn read_totals(record: &Node) -> Totals {
    let number = |node: &Node| node.scalar().and_then(|field| field.parse().ok());
    let sums = record.get("sums").map(Node::entries).unwrap_or(&[]);
    Totals {
        count: record.get("count").and_then(number),
        sums: sums
            .iter()
            .filter_map(|entry| Some((bronze_name(&entry.key), number(&entry.value)?)))
            .collect(),
    }
}

fn read_control_record(csv: &Node, key: &str, report: &mut Reporter) -> Option<ControlRecord> {
    let record = csv.get(key)?;
    let starts_with = text(record, "starts_with")?;
    if starts_with.value.is_empty() {
        report.error(
            starts_with.at,
            "`starts_with` is empty: every record begins so",
            "write how the record begins, like `T|`",
        );
    }
    if flag(csv, "terminator_in_fields") == Some(true) {
        report.error(
            csv.entry(key)?.key_at,
            format!("`{key}` cannot be told where `terminator_in_fields` is on: a record ends behind its last column"),
            "remove one of them",
        );
    }
    Some(ControlRecord {
        starts_with: tab(&starts_with.value),
        totals: read_totals(record),
    })
}

fn read_control_file(
    node: &Node,
    of: Option<&At<String>>,
    report: &mut Reporter,
) -> Option<ControlFile> {
    let entry = node.entry("control_file")?;
    let file = &entry.value;
    let path = text(file, "path")?;
    check_beside(&path, of, report);
    let totals = read_totals(file);
    let sha256 = text(file, "sha256").and_then(|field| field.value.parse().ok());
    if file.get("count").is_none() && file.get("sums").is_none() && file.get("sha256").is_none() {
        report.error(
            entry.key_at,
            "`control_file` tells nothing of a file",
            "add `count`, `sums` or `sha256`; if it is enough that it is there, use `done_file`",
        );
    }
    let delimiter = text(file, "delimiter");
    if let Some(delimiter) = delimiter.as_ref().filter(|text| text.value.is_empty()) {
        report.error(
            delimiter.at,
            "`delimiter` is empty",
            "leave it out for commas",
        );
    }
    Some(ControlFile {
        path: path.value,
        starts_with: text(file, "starts_with").map(|begins| tab(&begins.value)),
        delimiter: delimiter.map_or(",".to_owned(), |delimiter| tab(&delimiter.value)),
        totals,
        sha256,
    })
}

/// A file beside another may not be that other, nor lie outside of the source.
fn check_beside(beside: &At<String>, of: Option<&At<String>>, report: &mut Reporter) {
    let name = beside.value.as_str();
    let plain = name.replace("{name}", "n").replace("{stem}", "s");
    let hint = "write it from the file's folder, like `{name}.done`; `{stem}` is the name without its last ending";
    if name == "{name}" || of.is_some_and(|of| of.value == name) {
        report.error(beside.at, "this names the file itself", hint);
    } else if plain.contains(['{', '}', '*', '?', '[']) {
        report.error(
            beside.at,
            "only `{name}` and `{stem}` stand for something here",
            hint,
        );
    } else if let Some((message, _)) = path_problem(&plain) {
        report.error(beside.at, message.replace("`path`", "this"), hint);
    }
}

/// Sums of columns that a feed does not have.
fn check_sums(record: &Node, columns: &[String], report: &mut Reporter) {
    for entry in record.get("sums").map(Node::entries).unwrap_or(&[]) {
        let name = bronze_name(&entry.key);
        if !columns.contains(&name) {
            let hint = did_you_mean(&name, columns.iter().map(String::as_str));
            report.error(
                entry.key_at,
                format!("column `{}` is not in `columns`", printable(&entry.key)),
                hint.unwrap_or_else(|| "add it to `columns`".to_string()),
            );
        }
    }
}

/// B10: `name`, else the last part of `table`.
fn feed_name(node: &Node, table: Option<&At<String>>, report: &mut Reporter) -> Option<String> {
    if let Some(name) = text(node, "name") {
        return is_own_name(&name.value).then_some(name.value);
    }
    let Some(table) = table else {
        if node.entry("name").is_none() {
            report.error(
                Place {
                    length: 1,
                    ..node.at
                },
                "this feed has neither `name` nor `table`",
                "add `name`",
            );
        }
        return None;
    };
    let last = table.value.rsplit('.').next().unwrap_or("");
    let name = fold_name(last.trim_matches(['"', '`', '[', ']']));
    if is_own_name(&name) {
        return Some(name);
    }
    if table.value.contains("${") {
        return None;
    }
    report.error(
        table.at,
        format!(
            "the feed cannot be named after the table `{}`",
            printable(last)
        ),
        "add `name`",
    );
    None
}

fn check_kind(node: &Node, kind: &str, mode: Option<Mode>, report: &mut Reporter) {
    let at = Place {
        length: 1,
        ..node.at
    };
    match kind {
        "files" => {
            if node.entry("path").is_none() {
                report.error(
                    at,
                    "`path` is missing: which files?",
                    "add it, like `path: \"plans/*.csv\"`",
                );
            }
            if let Some(entry) = node.entry("table") {
                report.error(
                    entry.key_at,
                    "a source of files has no tables",
                    "use `name` and `path`",
                );
            }
            if let Some(entry) = node.entry("cursor") {
                report.error(
                    entry.key_at,
                    "files have no cursor: mode `incremental` loads new files",
                    "remove it",
                );
            }
        }
        _ => {
            if node.entry("table").is_none() {
                report.error(
                    at,
                    "`table` is missing: which table?",
                    "add it, like `table: customers`",
                );
            }
            for entry in node.entries() {
                if FILE_KEYS.contains(&entry.key.as_str()) && entry.key != "columns" {
                    report.error(
                        entry.key_at,
                        format!("`{}` says nothing for a {kind} source", entry.key),
                        "remove it",
                    );
                }
            }
            match (mode, node.entry("cursor")) {
                (Some(Mode::Incremental), None) => {
                    report.error(
                        at,
                        "mode `incremental` needs a `cursor`",
                        "add `cursor: { column: updated_at }`, or use mode `full`",
                    );
                }
                (Some(Mode::Full), Some(entry)) => {
                    report.error(
                        entry.key_at,
                        "`cursor` says nothing with mode `full`",
                        "use mode `incremental`, or remove it",
                    );
                }
                _ => {}
            }
        }
    }
}

fn read_cursor(node: &Node) -> Option<Cursor> {
    let cursor = node.get("cursor")?;
    let lag = cursor.get("lag").and_then(|lag| match &lag.data {
        Data::Number(count) => count.parse().ok().map(Lag::Count),
        _ => lag.scalar().and_then(parse_duration).map(Lag::Time),
    });
    Some(Cursor {
        column: column(cursor, "column")?.value,
        lag,
        nulls_include: choice(cursor, "nulls", &[("fail", false), ("include", true)])
            .unwrap_or(false),
    })
}

fn read_csv(node: &Node, report: &mut Reporter) -> Csv {
    let mut csv = Csv::default();
    if let Some(layer) = node.get("csv") {
        if let Some(delimiter) = text(layer, "delimiter") {
            csv.delimiter = tab(&delimiter.value);
            if csv.delimiter.is_empty() || csv.delimiter.contains(['\n', '\r']) {
                report.error(
                    delimiter.at,
                    "`delimiter` must be one character or several, and no line end",
                    "like `\";\"`, or `\"\\t\"` for a tab",
                );
            }
        }
        if let Some(terminator) = text(layer, "terminator") {
            if terminator.value.is_empty() {
                report.error(
                    terminator.at,
                    "`terminator` is empty",
                    "leave it out for lines",
                );
            }
            csv.terminator = Some(tab(&terminator.value));
        }
        if let Some(quote) = text(layer, "quote") {
            let mut chars = quote.value.chars();
            csv.quote = match (quote.value.as_str(), chars.next(), chars.next()) {
                ("none", ..) => None,
                (_, Some(one), None) if one.is_ascii() && !matches!(one, '\r' | '\n') => Some(one),
                _ => {
                    report.error(
                        quote.at,
                        "`quote` must be one ASCII character, or `none`",
                        "",
                    );
                    csv.quote
                }
            };
        }
        let terminator = csv.terminator.as_deref().unwrap_or_default();
        for (key, text) in [
            ("delimiter", csv.delimiter.as_str()),
            ("terminator", terminator),
        ] {
            if csv.quote.is_some_and(|quote| text.contains(quote)) {
                let at = layer
                    .entry("quote")
                    .or(layer.entry(key))
                    .map_or(layer.at, |entry| entry.key_at);
                report.error(
                    at,
                    format!("`{key}` contains the quote character"),
                    "if nothing is quoted, write `quote: none`",
                );
            }
        }
        if terminator == csv.delimiter && !terminator.is_empty() {
            let at = layer
                .entry("terminator")
                .or(layer.entry("delimiter"))
                .map_or(layer.at, |entry| entry.key_at);
            report.error(
                at,
                "`delimiter` and `terminator` are the same",
                "fields and rows must end differently",
            );
        }
        csv.header = flag(layer, "header").unwrap_or(csv.header);
        csv.encoding = choice(layer, "encoding", &Encoding::WORDS).unwrap_or(csv.encoding);
        csv.compression =
            choice(layer, "compression", &Compression::WORDS).unwrap_or(csv.compression);
        csv.terminator_in_fields =
            flag(layer, "terminator_in_fields").unwrap_or(csv.terminator_in_fields);
        csv.header_record = read_control_record(layer, "header_record", report);
        csv.trailer = read_control_record(layer, "trailer", report);
        csv.max_line_bytes = text(layer, "max_line_bytes")
            .and_then(|max| max.value.parse().ok())
            .unwrap_or(csv.max_line_bytes);
    }
    csv
}

/// Keys that say something about one format only.
fn check_format_keys(node: &Node, format: Format, report: &mut Reporter) {
    let keys: [(&str, &[Format], &str); 4] = [
        ("csv", &[Format::Csv], "remove it"),
        (
            "json",
            &[Format::Ndjson, Format::Json],
            "add `format: ndjson` (each line a document) or `format: json`, or remove it",
        ),
        (
            "excel",
            &[Format::Excel],
            "add `format: excel`, or remove it",
        ),
        (
            "unpack",
            &[Format::Csv, Format::Ndjson, Format::Json, Format::Excel],
            "remove it",
        ),
    ];
    for (key, formats, hint) in keys {
        if let (Some(entry), false) = (node.entry(key), formats.contains(&format)) {
            let message = format!("`{key}` says nothing with format `{}`", format.as_str());
            report.error(entry.key_at, message, hint);
        }
    }
}

/// What is read of a workbook.
fn read_excel(node: &Node, report: &mut Reporter) -> Excel {
    let Some(excel) = node.get("excel") else {
        return Excel::default();
    };
    let range = text(excel, "range");
    if let Some(range) = &range
        && !is_range(&range.value)
    {
        report.error(
            range.at,
            format!("`{}` is no range of a sheet", printable(&range.value)),
            "write it like `A1:F`, `B3:D200` or `A:F`",
        );
    }
    let header_row = text(excel, "header_row").and_then(|row| row.value.parse().ok());
    Excel {
        sheet: text(excel, "sheet").map(|sheet| sheet.value),
        header_row,
        range: range.map(|range| range.value),
        fill_merged: flag(excel, "fill_merged").unwrap_or(false),
    }
}

/// Two corners, each a column with or without a row.
fn is_range(text: &str) -> bool {
    let is_corner = |corner: &str| {
        let letters = corner.trim_end_matches(|c: char| c.is_ascii_digit());
        let row = &corner[letters.len()..];
        (1..=3).contains(&letters.len())
            && letters.bytes().all(|b| b.is_ascii_alphabetic())
            && (row.is_empty() || row.parse::<u32>().is_ok_and(|row| row > 0))
    };
    let text = text.replace('$', "");
    text.split_once(':')
        .is_some_and(|(from, to)| is_corner(from.trim()) && is_corner(to.trim()))
}

/// What is read of JSON.
fn read_json(node: &Node, report: &mut Reporter) -> Json {
    let mut json = Json::default();
    let Some(entry) = node.entry("json") else {
        return json;
    };
    if let Some(records) = text(&entry.value, "records") {
        if !records.value.starts_with('/') {
            report.error(
                records.at,
                "`records` must begin with `/`: it is a JSON Pointer from the document",
                "like `/orders/*`",
            );
        }
        json.records = Some(records.value);
    }
    json.document = column(&entry.value, "document").map(|document| document.value);
    let max = text(&entry.value, "max_record_bytes").and_then(|max| max.value.parse().ok());
    json.max_record_bytes = max.unwrap_or(json.max_record_bytes);
    json
}

/// Columns and the pointer to each. A `*` of a pointer stands for the element that the same `*` of `records` stands for.
fn read_pointers(
    node: &Node,
    format: Format,
    records: Option<&str>,
    report: &mut Reporter,
) -> Option<Vec<(At<String>, String)>> {
    let entry = node.entry("columns")?;
    if !matches!(entry.value.data, Data::Map(_)) {
        return None;
    }
    if !matches!(format, Format::Ndjson | Format::Json) {
        report.error(
            entry.key_at,
            "`columns` with pointers is for JSON",
            "write a list, like `columns: [id, name]`",
        );
    }
    let mut pointers = Vec::new();
    for entry in entry.value.entries() {
        let Some(pointer) = entry.value.scalar() else {
            continue;
        };
        let way = |text: &str| -> Vec<String> {
            let text = text.strip_prefix('/').unwrap_or(text);
            text.split('/').map(str::to_string).collect()
        };
        let tokens = way(pointer);
        if let Some(last) = tokens.iter().rposition(|token| token == "*") {
            let follows = records.is_some_and(|records| {
                pointer.starts_with('/') && way(records).get(..=last) == Some(&tokens[..=last])
            });
            if !follows {
                report.error(
                    entry.value.at,
                    format!("the pointer of `{}` has a `*` that `records` does not have", printable(&entry.key)),
                    "a `*` stands for the element that the same `*` of `records` stands for; for a row an element, add it to `records`",
                );
            }
        }
        let name = At {
            value: entry.key.clone(),
            at: entry.key_at,
        };
        pointers.push((name, pointer.to_string()));
    }
    Some(pointers)
}

fn read_unpack(node: &Node, report: &mut Reporter) -> Unpack {
    let mut unpack = Unpack::default();
    if let Some(layer) = node.get("unpack") {
        let number = |key: &str| text(layer, key).and_then(|number| number.value.parse().ok());
        unpack.max_ratio = number("max_ratio").unwrap_or(unpack.max_ratio);
        unpack.max_bytes = number("max_bytes").unwrap_or(unpack.max_bytes);
        if let Some(members) = text(layer, "members") {
            if let Some((message, hint)) = path_problem(&members.value) {
                let message = message.replace("`path`", "`members`");
                report.error(
                    members.at,
                    message.replace("the source's folder", "the archive"),
                    hint.replace(
                        "from the source's folder, like `plans/*.csv`",
                        "like `*.csv`",
                    ),
                );
            }
            unpack.members = Some(members.value);
        }
    }
    unpack
}

/// `'\t'` in single quotes is a backslash and a letter in YAML; nobody means that.
fn tab(text: &str) -> String {
    text.replace("\\t", "\t")
        .replace("\\r", "\r")
        .replace("\\n", "\n")
}

fn read_rename(node: &Node) -> BTreeMap<String, String> {
    let entries = node.get("rename").map(Node::entries).unwrap_or(&[]);
    entries
        .iter()
        // Both go by their folded names (F3), however a header spells them.
        .filter_map(|entry| Some((fold_name(&entry.key), bronze_name(entry.value.scalar()?))))
        .collect()
}

fn read_deletes(node: &Node, rename: &BTreeMap<String, String>) -> Option<Deletes> {
    let deletes = node.get("deletes")?;
    // As a cursor may: by the name that the column has at the source now.
    let in_bronze = |name: String| {
        let mut renames = rename.iter();
        let found = renames.find(|(_, source)| **source == name);
        found.map_or(name.clone(), |(bronze, _)| bronze.clone())
    };
    match deletes.data {
        Data::Map(_) => column(deletes, "soft").map(|soft| Deletes::Soft(in_bronze(soft.value))),
        _ => (deletes.scalar() == Some("none")).then_some(Deletes::Never),
    }
}

fn read_schema_change(node: &Node) -> OnSchemaChange {
    let mut change = OnSchemaChange::default();
    if let Some(layer) = node.get("on_schema_change") {
        let added = [
            ("evolve", OnAdded::Evolve),
            ("ignore", OnAdded::Ignore),
            ("fail", OnAdded::Fail),
        ];
        change.added = choice(layer, "added", &added).unwrap_or(change.added);
        change.missing = choice(
            layer,
            "missing",
            &[("fail", OnMissing::Fail), ("null", OnMissing::Null)],
        )
        .unwrap_or(change.missing);
    }
    change
}

/// Reports names that stand twice in a list.
pub(crate) fn no_twins(names: &[At<String>], key: &str, report: &mut Reporter) {
    let mut seen = std::collections::BTreeSet::new();
    for name in names {
        if !seen.insert(&name.value) {
            report.error(
                name.at,
                format!(
                    "`{}` stands twice in `{key}`",
                    decode::printable(&name.value)
                ),
                "remove one",
            );
        }
    }
}

/// Groups of a regular expression that capture.
/// What is wrong with the files that a feed names, and what to write.
fn path_problem(path: &str) -> Option<(String, String)> {
    if path.contains("${") {
        // Reported where values are checked.
        return None;
    }
    let example = "write it from the source's folder, like `plans/*.csv`".to_string();
    if path.trim().is_empty() {
        return Some(("`path` is empty".to_string(), example));
    }
    if path.contains('\\') {
        let hint = format!("write `{}`", printable(&path.replace('\\', "/")));
        return Some((
            "`path` holds a `\\`; folders are separated by `/`".to_string(),
            hint,
        ));
    }
    if path.starts_with('/') || path.split('/').any(|part| part == "..") {
        let message = "`path` leaves the source's folder".to_string();
        return Some((message, example));
    }
    if path.split('/').any(|part| part == ".") {
        let plain: Vec<&str> = path.split('/').filter(|part| *part != ".").collect();
        let message = "`path` holds a `.` folder".to_string();
        return Some((message, format!("write `{}`", printable(&plain.join("/")))));
    }
    match globset::GlobBuilder::new(path).literal_separator(true).build() {
        Ok(_) => None,
        Err(error) => Some((
            format!("`path` is no pattern: {}", error.kind()),
            "`*` stands for any part of a name, `**` for any folders, `[ab]` and `{a,b}` for a choice".to_string(),
        )),
    }
}

/// A bracket of a regular expression that is not closed, or closes nothing.
fn unbalanced(pattern: &str) -> Option<&'static str> {
    let (mut escaped, mut in_class, mut open) = (false, false, 0usize);
    for letter in pattern.chars() {
        match letter {
            _ if escaped => {
                escaped = false;
                continue;
            }
            '\\' => escaped = true,
            ']' => in_class = false,
            '[' => in_class = true,
            '(' if !in_class => open += 1,
            ')' if !in_class => match open.checked_sub(1) {
                Some(left) => open = left,
                None => return Some("a `)` closes nothing"),
            },
            _ => {}
        }
    }
    match (escaped, in_class, open) {
        (true, ..) => Some("it ends with `\\`"),
        (_, true, _) => Some("a `[` is not closed"),
        (.., 1..) => Some("a `(` is not closed"),
        _ => None,
    }
}

/// Capture groups, plain and named.
fn count_groups(pattern: &str) -> usize {
    let chars: Vec<char> = pattern.chars().collect();
    let (mut at, mut groups, mut in_class) = (0, 0, false);
    while at < chars.len() {
        match chars[at] {
            '\\' => at += 1,
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class => {
                let named = chars.get(at + 1) == Some(&'?')
                    && (chars.get(at + 2) == Some(&'P')
                        || (chars.get(at + 2) == Some(&'<')
                            && !matches!(chars.get(at + 3), Some('=' | '!'))));
                if chars.get(at + 1) != Some(&'?') || named {
                    groups += 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    groups
}
