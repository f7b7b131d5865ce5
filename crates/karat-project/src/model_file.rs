//! Reads silver and gold models. What needs other files (does the feed exist, may it be read) is left to [`crate::links`].

use std::path::PathBuf;

use karat_sql::{AskedValue, Query};

use crate::checks::{self, Drafted};
use crate::decode::{
    self, At, BUILT_IN_RULES, PROVENANCE, choice, column, column_or_columns, columns, flag,
    fold_name, is_own_name, printable, ratio, text, texts,
};
use crate::defaults::Defaults;
use crate::diagnostic::{Place, Reporter};
use crate::domain_file::no_twins;
use crate::model::{
    Access, Action, AutoCdc, EventCondition, Expectation, Gold, Incremental, Model, ModelKind,
    SelectColumn, Silver, Snapshots, TableFormat, WhichColumns, bare,
};
use crate::nearest::did_you_mean;
use crate::params::placed;
use crate::table_name::{Layer, TableName};
use crate::yaml::{Entry, Node};

/// A model as far as its own file tells.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) model: Model,
    /// Silver: what `from` says.
    pub(crate) from: Option<At<String>>,
    /// Gold: its query, if it parses, and the file it stands in.
    pub(crate) query: Option<(u32, Query)>,
    /// Its checks; those of the model are filled in when links are checked.
    pub(crate) checks: Vec<Drafted>,
    /// The files that declare it.
    pub(crate) files: Vec<u32>,
    /// Whether all that it reads was found; said when links are checked.
    pub(crate) reads_known: bool,
    /// Whether all its output columns are known.
    pub(crate) columns_known: bool,
    /// Whether its `access` could be read; who reads it is else not to blame.
    pub(crate) access_known: bool,
    /// Silver: bronze columns that its expressions name, with their places.
    pub(crate) bronze_columns: Vec<At<String>>,
    /// What its rows take from the run, with the places.
    pub(crate) asked: Vec<At<AskedValue>>,
    /// Silver: how many columns `select` names, also those whose expression is wrong.
    pub(crate) selected: usize,
    /// Silver: output columns in lower case, also those whose expression is wrong.
    pub(crate) silver_outputs: Vec<String>,
}

pub(crate) fn read_silver(
    domain: &str,
    table: &str,
    own: &Node,
    defaults: &Defaults,
    report: &mut Reporter,
) -> Draft {
    let file = own.at.file;
    let (node, expanded) = defaults.silver(own, domain, table, report);
    let node = &node;
    let mut named = Named::default();
    let select = read_select(node, &mut named, report);
    let outputs = node.keys_of("select");
    let selected = outputs.len();
    let expectations = read_expectations(node, &outputs, &mut named, report);
    let auto_cdc = node
        .get("auto_cdc")
        .and_then(|cdc| read_auto_cdc(cdc, &outputs, &mut named, report));
    let key = columns(node, "key");
    if let (Some(entry), Some(_)) = (node.entry("key"), node.get("auto_cdc")) {
        report.error(
            entry.key_at,
            "with `auto_cdc`, the key is `auto_cdc.keys`",
            "remove `key`",
        );
    }
    let common = Common::read(node, &outputs, report);
    if let Some(select) = node.get("select")
        && outputs.is_empty()
    {
        report.error(
            select.at,
            "`select` names no column",
            "add columns, like `id: cast(id as bigint)`",
        );
    }
    let model = Model {
        name: TableName::new(domain, Layer::Silver, table),
        file: PathBuf::from(report.path(file)),
        at: Place::start(file),
        description: common.description,
        asks: Vec::new(),
        inputs: Vec::new(),
        access: common.access,
        key: key.map(|key| bare(&key)),
        business_day: common.business_day,
        cluster_by: common.cluster_by,
        format: common.format,
        allow_float: common.allow_float,
        checks: Vec::new(),
        expanded,
        kind: ModelKind::Silver(Silver {
            // Replaced when the feed is found; without one there is no project.
            from: TableName::new(domain, Layer::Bronze, "unknown"),
            trim: flag(node, "trim").unwrap_or(false),
            select,
            expectations,
            auto_cdc,
        }),
        code: String::new(),
    };
    let mut silver_outputs: Vec<String> = outputs.iter().map(|name| name.to_string()).collect();
    if matches!(
        &model.kind,
        ModelKind::Silver(Silver {
            auto_cdc: Some(AutoCdc { scd_type: 2, .. }),
            ..
        })
    ) {
        silver_outputs.extend(["__start_at".to_string(), "__end_at".to_string()]);
    }
    Draft {
        model,
        from: text(node, "from"),
        query: None,
        checks: common.checks,
        files: vec![file],
        reads_known: false,
        selected,
        columns_known: node.get("select").is_some(),
        access_known: true,
        bronze_columns: named.columns,
        asked: named.asked,
        silver_outputs,
    }
}

/// What the expressions of a silver model name, with the places.
#[derive(Default)]
struct Named {
    /// Columns of bronze.
    columns: Vec<At<String>>,
    /// Values of the run.
    asked: Vec<At<AskedValue>>,
}

fn read_select(node: &Node, all: &mut Named, report: &mut Reporter) -> Vec<SelectColumn> {
    let mut select = Vec::new();
    for entry in node.get("select").map(Node::entries).unwrap_or(&[]) {
        let Some(expression) = decode::expression(&entry.value, report) else {
            continue;
        };
        let asked = placed(&expression.asked, |span| {
            place_in(&entry.value, span, report)
        });
        all.asked.extend(asked);
        let mut reads: Vec<String> = Vec::new();
        for named in &expression.columns {
            let at = place_in(&entry.value, named.span, report);
            if named.qualifier.is_empty() {
                all.columns.push(At {
                    value: named.name.clone(),
                    at,
                });
                reads.push(named.name.clone());
            }
        }
        reads.sort();
        reads.dedup();
        select.push(SelectColumn {
            name: entry.key.clone(),
            sql: entry.value.scalar().unwrap_or_default().to_string(),
            reads,
            at: entry.value.at,
            normalised: expression.normalised().to_string(),
        });
    }
    select
}

/// Where a span of a scalar's SQL stands in the file. Cheap where it is asked for often: a scalar on one line without escapes.
pub(crate) fn place_in(node: &Node, span: karat_sql::Span, report: &Reporter) -> Place {
    let written = node.at.length;
    let quotes = match node.scalar().map(|text| text.chars().count() as u32) {
        Some(length) if length == written => Some(0),
        // As many letters more as it has quotes: no escapes.
        Some(length) if length + 2 == written => Some(1),
        _ => None,
    };
    let at = match quotes {
        Some(quote) if span.start.line == 1 => Place {
            column: node.at.column + quote + span.start.column - 1,
            ..node.at
        },
        _ => crate::yaml::locate(
            node,
            report.text(node.at.file),
            span.start.line,
            span.start.column,
        ),
    };
    Place {
        length: span.length(),
        ..at
    }
}

fn read_expectations(
    node: &Node,
    outputs: &[&str],
    all: &mut Named,
    report: &mut Reporter,
) -> Vec<Expectation> {
    let mut expectations = Vec::new();
    for entry in node.get("expectations").map(Node::entries).unwrap_or(&[]) {
        expectations.extend(read_expectation(entry, outputs, all, report));
    }
    expectations
}

fn read_expectation(
    entry: &Entry,
    outputs: &[&str],
    all: &mut Named,
    report: &mut Reporter,
) -> Option<Expectation> {
    let Entry {
        key: name,
        key_at,
        value: rule,
    } = entry;
    let built_in = BUILT_IN_RULES.contains(&name.as_str());
    let action = choice(rule, "action", &Action::WORDS);
    let mut reads: Vec<String> = Vec::new();
    let (sql, normalised) = match (rule.entry("expect"), built_in) {
        (Some(entry), true) => {
            report.error(
                entry.key_at,
                format!("`{name}` is built in: its rule cannot be written"),
                "state only `action`, `limit` or `on`",
            );
            return None;
        }
        (None, true) => (None, String::new()),
        (None, false) => {
            report.error(
                *key_at,
                format!("expectation `{name}` has no `expect`"),
                "write what must be true, like `expect: \"id is not null\"`",
            );
            return None;
        }
        (Some(entry), false) => {
            let expression = decode::expression(&entry.value, report)?;
            let asked = placed(&expression.asked, |span| {
                place_in(&entry.value, span, report)
            });
            all.asked.extend(asked);
            let names = expression
                .columns
                .iter()
                .filter(|named| named.qualifier.is_empty());
            reads.extend(names.clone().map(|named| named.name.clone()));
            for named in names.filter(|named| !outputs.contains(&named.name.as_str())) {
                let at = place_in(&entry.value, named.span, report);
                let hint = did_you_mean(
                    &named.name,
                    outputs
                        .iter()
                        .copied()
                        .filter(|name| !name.starts_with('_')),
                )
                .unwrap_or_else(|| "an expectation sees the selected columns (C2)".to_string());
                report.error(
                    at,
                    format!(
                        "unknown column `{}`: `select` does not name it",
                        printable(&named.name)
                    ),
                    hint,
                );
            }
            (
                entry.value.scalar().map(str::to_string),
                expression.normalised().to_string(),
            )
        }
    };
    Some(Expectation {
        name: name.clone(),
        sql,
        action: action.unwrap_or(if built_in {
            Action::Quarantine
        } else {
            Action::Warn
        }),
        limit: ratio(rule, "limit"),
        on_all: rule.get("on").is_some(),
        at: *key_at,
        reads,
        sql_at: rule.get("expect").map_or(*key_at, |sql| sql.at),
        normalised,
    })
}

fn read_auto_cdc(
    node: &Node,
    outputs: &[&str],
    all: &mut Named,
    report: &mut Reporter,
) -> Option<AutoCdc> {
    let keys = columns(node, "keys").unwrap_or_default();
    no_twins(&keys, "keys", report);
    if let Some(entry) = node.entry("keys")
        && entry.value.items().is_empty()
        && matches!(entry.value.data, crate::yaml::Data::List(_))
    {
        report.error(
            entry.value.at,
            "`keys` names no column",
            "name the columns that make a row unique",
        );
    }
    selected(&keys, outputs, report);
    let sequence_by = read_sequence(node, outputs, report);
    let valid_from = column(node, "valid_from");
    selected(valid_from.as_slice(), outputs, report);
    let scd_type = match text(node, "stored_as_scd_type")
        .as_ref()
        .map(|kind| kind.value.as_str())
    {
        Some("2") => 2,
        _ => 1,
    };
    let snapshots = read_snapshots(node, scd_type, report);
    let only = columns(node, "track_history_column_list");
    let except = columns(node, "track_history_except_column_list");
    for list in [&only, &except].into_iter().flatten() {
        selected(list, outputs, report);
    }
    if scd_type == 1 {
        for key in [
            "valid_from",
            "track_history_column_list",
            "track_history_except_column_list",
        ] {
            if let Some(entry) = node.entry(key) {
                report.error(
                    entry.key_at,
                    format!("`{key}` says nothing with `stored_as_scd_type: 1`"),
                    "remove it, or keep history with type 2",
                );
            }
        }
    } else if snapshots.is_none() && sequence_by.is_empty() && valid_from.is_none() {
        let at = node
            .entry("stored_as_scd_type")
            .map_or(node.at, |entry| entry.key_at);
        let sequence = match node.entry("sequence_by") {
            Some(_) => "`_seq` is none, and `valid_from` is missing",
            None => "`sequence_by` is missing and `valid_from` too",
        };
        report.error(
            at,
            format!("type 2 needs a time: {sequence} (C5)"),
            "add `sequence_by` or `valid_from` with a date or timestamp column; over full loads without one `from: snapshots`, each load a snapshot",
        );
    }
    let track = match (only, except) {
        (Some(_), Some(_)) => {
            let at = node
                .entry("track_history_except_column_list")
                .map_or(node.at, |entry| entry.key_at);
            report.error(at, "both lists of tracked columns are given", "keep one");
            WhichColumns::All
        }
        (Some(only), None) => WhichColumns::Only(bare(&only)),
        (None, Some(except)) => WhichColumns::Except(bare(&except)),
        (None, None) => WhichColumns::All,
    };
    let apply_as_deletes = read_condition(node, "apply_as_deletes", all, report);
    let apply_as_truncates = read_condition(node, "apply_as_truncates", all, report);
    if let (Some(entry), Some(_)) = (node.entry("apply_as_truncates"), &valid_from) {
        report.error(
            entry.key_at,
            "`apply_as_truncates` does not go with `valid_from`: nobody knows what was dated before it, and came after",
            "order by the date itself: name it first in `sequence_by`, and leave `valid_from` out",
        );
    }
    let ignore_null_updates = read_null_updates(node, outputs, report);
    Some(AutoCdc {
        keys: bare(&keys),
        keys_at: node.entry("keys").map_or(node.at, |keys| keys.key_at),
        sequence_by: bare(&sequence_by),
        apply_as_deletes,
        apply_as_truncates,
        ignore_null_updates,
        snapshots,
        scd_type,
        valid_from: valid_from.map(|from| from.value),
        track,
    })
}

/// A condition that tells the events of one kind.
fn read_condition(
    node: &Node,
    word: &'static str,
    all: &mut Named,
    report: &mut Reporter,
) -> Option<EventCondition> {
    let when = node.get(word)?;
    let expression = decode::expression(when, report)?;
    let asked = placed(&expression.asked, |span| place_in(when, span, report));
    all.asked.extend(asked);
    let named = expression.columns.iter();
    let named = named.filter(|named| named.qualifier.is_empty());
    let mut reads = Vec::new();
    for named in named {
        reads.push(named.name.clone());
        all.columns.push(At {
            value: named.name.clone(),
            at: place_in(when, named.span, report),
        });
    }
    Some(EventCondition {
        word,
        sql: when.scalar()?.to_string(),
        at: when.at,
        reads,
        normalised: expression.normalised().to_string(),
    })
}

/// In which columns a null leaves the value as it was: one of three keys says.
fn read_null_updates(node: &Node, outputs: &[&str], report: &mut Reporter) -> Option<WhichColumns> {
    let keys = [
        "ignore_null_updates",
        "ignore_null_updates_column_list",
        "ignore_null_updates_except_column_list",
    ];
    let given: Vec<&Entry> = keys.iter().filter_map(|key| node.entry(key)).collect();
    if let [first, second, ..] = given.as_slice() {
        report.error(
            second.key_at,
            format!("`{}` and `{}` are both given", first.key, second.key),
            "keep one",
        );
    }
    let only = columns(node, keys[1]);
    let except = columns(node, keys[2]);
    for list in [&only, &except].into_iter().flatten() {
        selected(list, outputs, report);
    }
    match (flag(node, keys[0]), only, except) {
        (Some(true), _, _) => Some(WhichColumns::All),
        (_, Some(only), _) => Some(WhichColumns::Only(bare(&only))),
        (_, _, Some(except)) => Some(WhichColumns::Except(bare(&except))),
        _ => None,
    }
}

/// Why nulls of snapshots are not ignored.
const NULL_COUNTS: &str = "a null in a snapshot is the value";

/// `from: snapshots`, and what says nothing beside it.
fn read_snapshots(node: &Node, scd_type: u8, report: &mut Reporter) -> Option<Snapshots> {
    let version = text(node, "snapshot_version");
    if text(node, "from").is_none_or(|from| from.value != "snapshots") {
        if let Some(entry) = node.entry("snapshot_version") {
            report.error(
                entry.key_at,
                "`snapshot_version` says nothing without `from: snapshots`",
                "remove it, or add `from: snapshots`",
            );
        }
        return None;
    }
    for (key, instead) in [
        (
            "sequence_by",
            "snapshots follow each other in the order of their marks",
        ),
        (
            "valid_from",
            "a state holds from its snapshot on: see `snapshot_version`",
        ),
        ("apply_as_deletes", "what a snapshot no longer has is gone"),
        (
            "apply_as_truncates",
            "what a snapshot no longer has is gone",
        ),
        ("ignore_null_updates", NULL_COUNTS),
        ("ignore_null_updates_column_list", NULL_COUNTS),
        ("ignore_null_updates_except_column_list", NULL_COUNTS),
    ] {
        if let Some(entry) = node.entry(key) {
            report.error(
                entry.key_at,
                format!("`{key}` says nothing with `from: snapshots`"),
                format!("remove it: {instead}"),
            );
        }
    }
    if let Some(entry) = node.entry("snapshot_version")
        && scd_type == 1
    {
        report.error(
            entry.key_at,
            "`snapshot_version` says nothing with `stored_as_scd_type: 1`",
            "remove it, or keep history with type 2",
        );
    }
    Some(Snapshots {
        at: match (&version, node.entry("from")) {
            (Some(version), _) => version.at,
            (None, Some(from)) => from.key_at,
            (None, None) => node.at,
        },
        version: version.map(|version| version.value),
    })
}

/// The columns of `sequence_by`; none of `_seq` alone, which orders events that are equal in all of them anyway.
fn read_sequence(node: &Node, outputs: &[&str], report: &mut Reporter) -> Vec<At<String>> {
    let written = text(node, "sequence_by").map(|by| by.value.to_lowercase());
    let columns = column_or_columns(node, "sequence_by").unwrap_or_default();
    if let (Some(list), [by]) = (
        written
            .as_deref()
            .and_then(|by| by.trim().strip_prefix("struct(")),
        columns.as_slice(),
    ) {
        // Within `{ … }` a comma has cut it in two.
        let list = list.strip_suffix(')').unwrap_or("first, second");
        report.error(
            by.at,
            "`sequence_by` is a column, or a list of columns",
            format!("write `sequence_by: [{}]`", printable(list)),
        );
        return Vec::new();
    }
    match columns.as_slice() {
        [by] if by.value == "_seq" => return Vec::new(),
        [] if node
            .get("sequence_by")
            .is_some_and(|by| matches!(by.data, crate::yaml::Data::List(_))) =>
        {
            let at = node.get("sequence_by").map_or(node.at, |by| by.at);
            report.error(
                at,
                "`sequence_by` names no column",
                "name the columns that order the events, or leave it out",
            );
        }
        _ => {}
    }
    no_twins(&columns, "sequence_by", report);
    let (seq, named): (Vec<_>, Vec<_>) = columns.into_iter().partition(|by| by.value == "_seq");
    for seq in seq {
        report.error(
            seq.at,
            "`_seq` orders events that are equal in all columns of `sequence_by` anyway",
            "leave it out",
        );
    }
    selected(&named, outputs, report);
    named
}

/// Reports the names that `outputs` does not have.
pub(crate) fn selected(names: &[At<String>], outputs: &[&str], report: &mut Reporter) {
    for name in names
        .iter()
        .filter(|name| !outputs.contains(&name.value.as_str()))
    {
        let hint = did_you_mean(&name.value, outputs.iter().copied())
            .unwrap_or_else(|| "it must be a column of the model".to_string());
        report.error(
            name.at,
            format!("unknown column `{}`", printable(&name.value)),
            hint,
        );
    }
}

struct Common {
    description: Option<String>,
    access: Access,
    business_day: Option<String>,
    cluster_by: Vec<String>,
    format: Option<TableFormat>,
    allow_float: Option<String>,
    checks: Vec<Drafted>,
}

impl Common {
    /// `key` is checked here too, since both kinds of model have it.
    fn read(node: &Node, outputs: &[&str], report: &mut Reporter) -> Common {
        let key = columns(node, "key").unwrap_or_default();
        no_twins(&key, "key", report);
        let mut with_history = outputs.to_vec();
        if node
            .get("auto_cdc")
            .and_then(|cdc| text(cdc, "stored_as_scd_type"))
            .is_some_and(|kind| kind.value == "2")
        {
            with_history.extend(["__start_at", "__end_at"]);
        }
        let cluster_by = columns(node, "cluster_by").unwrap_or_default();
        no_twins(&cluster_by, "cluster_by", report);
        let business_day = column(node, "business_day");
        if !outputs.is_empty() {
            selected(&key, outputs, report);
            selected(business_day.as_slice(), &with_history, report);
            selected(&cluster_by, &with_history, report);
        }
        let allow_float = text(node, "allow_float");
        if let Some(reason) = &allow_float
            && (flag(node, "allow_float").is_some() || reason.value.trim().len() < 3)
        {
            report.error(
                reason.at,
                "`allow_float` must say why: a sentence",
                "like `allow_float: \"scores of a model, not money\"`",
            );
        }
        Common {
            description: text(node, "description").map(|description| description.value),
            access: choice(
                node,
                "access",
                &[("private", Access::Private), ("public", Access::Public)],
            )
            .unwrap_or_default(),
            business_day: business_day.map(|column| column.value),
            cluster_by: bare(&cluster_by),
            format: choice(node, "format", &TableFormat::WORDS),
            allow_float: allow_float.map(|reason| reason.value),
            checks: match outputs.is_empty() {
                true => checks::read(node, &[], report),
                false => checks::read(node, &with_history, report),
            },
        }
    }
}

pub(crate) fn read_gold(
    domain: &str,
    table: &str,
    sql_file: u32,
    node: Option<&Node>,
    report: &mut Reporter,
) -> Draft {
    let sql = report.text(sql_file).to_string();
    let query = match Query::parse(&sql) {
        Ok(query) => Some(query),
        Err(error) => {
            let at = Place {
                file: sql_file,
                line: error.line,
                column: error.column,
                length: error.length,
            };
            report.error(at, error.message, error.hint.unwrap_or_default());
            None
        }
    };
    let asked = query
        .iter()
        .flat_map(|query| placed(&query.asked, |span| place_of(sql_file, span)));
    let asked = asked.collect();
    let (columns_of, columns_known) = match &query {
        Some(query) => check_outputs(query, sql_file, report),
        None => (Vec::new(), false),
    };
    let outputs: Vec<&str> = if columns_known {
        columns_of.iter().map(String::as_str).collect()
    } else {
        Vec::new()
    };
    let common = match node {
        Some(node) => Common::read(node, &outputs, report),
        None => Common {
            description: None,
            access: Access::Private,
            business_day: None,
            cluster_by: Vec::new(),
            format: None,
            allow_float: None,
            checks: Vec::new(),
        },
    };
    let key = node.and_then(|node| columns(node, "key"));
    let incremental = node
        .and_then(|node| node.get("incremental"))
        .map(|node| read_incremental(node, &outputs, key.as_deref(), report));
    let cluster_by = match &incremental {
        Some(incremental) if common.cluster_by.is_empty() => incremental.by.clone(),
        _ => common.cluster_by,
    };
    let model = Model {
        name: TableName::new(domain, Layer::Gold, table),
        file: PathBuf::from(report.path(sql_file)),
        at: Place::start(sql_file),
        description: common.description,
        asks: Vec::new(),
        inputs: Vec::new(),
        access: common.access,
        key: key.map(|key| bare(&key)),
        business_day: common.business_day,
        cluster_by,
        format: common.format,
        allow_float: common.allow_float,
        checks: Vec::new(),
        expanded: None,
        kind: ModelKind::Gold(Gold {
            normalised: query
                .as_ref()
                .map(|query| query.normalised().to_string())
                .unwrap_or_default(),
            columns: columns_of,
            incremental,
            sql,
        }),
        code: String::new(),
    };
    Draft {
        model,
        from: None,
        query: query.map(|query| (sql_file, query)),
        checks: common.checks,
        files: vec![sql_file],
        reads_known: false,
        selected: 0,
        columns_known,
        access_known: true,
        bronze_columns: Vec::new(),
        asked,
        silver_outputs: Vec::new(),
    }
}

fn read_incremental(
    node: &Node,
    outputs: &[&str],
    key: Option<&[At<String>]>,
    report: &mut Reporter,
) -> Incremental {
    let by = columns(node, "by").unwrap_or_default();
    no_twins(&by, "by", report);
    if !outputs.is_empty() {
        selected(&by, outputs, report);
    }
    if by.is_empty() && node.get("by").is_some() {
        report.error(
            node.at,
            "`by` names no column",
            "name the columns whose values tell which rows to compute again",
        );
    }
    if let Some(key) = key
        && let Some(column) = by
            .iter()
            .find(|column| key.iter().all(|one| one.value != column.value))
    {
        report.error(
            column.at,
            format!("`key` does not hold `{}`", printable(&column.value)),
            "a key is proved among the rows that are computed: add the column to `key`, or leave `key` out",
        );
    }
    let mut rebuild_on = Vec::new();
    for name in texts(node, "rebuild_on").unwrap_or_default() {
        match name.value.parse::<TableName>() {
            Ok(table) => rebuild_on.push(table),
            Err(_) => report.error(
                name.at,
                format!("`{}` is no table name", printable(&name.value)),
                "write it like `sales_silver.orders`",
            ),
        }
    }
    Incremental {
        by: bare(&by),
        rebuild_on,
        at: node.at,
    }
}

/// A span of a .sql file.
pub(crate) fn place_of(file: u32, span: karat_sql::Span) -> Place {
    Place {
        file,
        line: span.start.line,
        column: span.start.column,
        length: span.length(),
    }
}

/// B8, B2, F3 for the columns of the answer.
fn check_outputs(query: &Query, file: u32, report: &mut Reporter) -> (Vec<String>, bool) {
    for star in &query.stars {
        report.error(
            place_of(file, star.span),
            "`*` is refused in a model: a new column would change the table (B8)",
            "name the columns",
        );
    }
    let mut names: Vec<String> = Vec::new();
    let mut known = query.stars.is_empty();
    for output in query.outputs.iter().filter(|output| !output.star) {
        let at = place_of(file, output.span);
        let Some(name) = &output.name else {
            report.error(at, "this column has no name", "add `as name`");
            known = false;
            continue;
        };
        if name.starts_with('_') {
            if !PROVENANCE.contains(&name.as_str()) {
                report.error(
                    at,
                    format!(
                        "`{}` begins with `_`, which is reserved (B2)",
                        printable(name)
                    ),
                    "add `as name`",
                );
            }
        } else if !is_own_name(name) {
            let folded = fold_name(name);
            let hint = if is_own_name(&folded) {
                format!("write `as {folded}`")
            } else {
                String::new()
            };
            report.error(at, format!("`{}` cannot be a column's name: names are lower case letters, digits and `_`, a letter first (F3)", printable(name)), hint);
        } else if names.contains(name) {
            report.error(
                at,
                format!("column `{name}` stands twice in the answer"),
                "rename one with `as`",
            );
        }
        names.push(name.clone());
    }
    (names, known)
}
