//! Snapshots: a silver table with the history of a source or seed, and a gold one that calls its columns as dbt does.

use crate::folder::Folder;
use crate::jinja::{Value, parse, render_block};
use crate::outline::{Feed, Gold, Origin, Outline, Silver};
use crate::sql::{Shape, quoted, read as read_query, respelled};
use crate::tree::Node;
use crate::yaml_text::{item, list};

use super::known::Known;
use super::properties::enabled;
use super::relations::{Relation, Relations};
use super::{Log, Shared, own_name, text_of};

/// How a snapshot sees that a row changed.
enum Strategy {
    Timestamp {
        updated_at: String,
    },
    /// All columns of whole snapshots are compared, and a row that is gone ends.
    Check,
}

/// A snapshot of all columns of one table.
pub(crate) struct History {
    origin: Origin,
    table: String,
    /// The silver table whose feed it reads.
    pub(crate) reads: String,
    keys: Vec<String>,
    strategy: Strategy,
}

impl History {
    /// The columns that it names.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut columns = self.keys.clone();
        if let Strategy::Timestamp { updated_at } = &self.strategy {
            columns.push(updated_at.clone());
        }
        columns
    }
}

pub(crate) fn read(
    folder: &Folder,
    shared: &Shared,
    outline: &Outline,
    relations: &mut Relations,
    log: &mut Log,
) -> Vec<History> {
    let mut histories = Vec::new();
    let paths: Vec<&str> = folder
        .paths()
        .filter(|path| path.ends_with(".sql"))
        .filter(|path| shared.project.is_in("snapshot-paths", path))
        .collect();
    for path in paths {
        let Some(text) = text_of(folder, path, log) else {
            continue;
        };
        let whole = Origin {
            file: path.to_owned(),
            line: 1,
            name: path.to_owned(),
        };
        let blocks = match parse(text) {
            Ok(template) => template.snapshots,
            Err(found) => {
                log.not_plain(&whole, &found);
                continue;
            }
        };
        for block in blocks {
            let origin = Origin {
                line: block.line,
                name: block.name.clone(),
                ..whole.clone()
            };
            let mut known = Known::new(shared);
            match render_block(&block, &mut known) {
                Ok(rendered) => {
                    let config = |key: &str| {
                        let own = known.config(key).cloned();
                        own.or_else(|| configured(shared, &origin, key))
                    };
                    histories.extend(history(
                        origin.clone(),
                        &rendered.text,
                        &config,
                        shared,
                        outline,
                        relations,
                        log,
                    ));
                }
                Err(found) => {
                    log.item("snapshot", &origin, None);
                    log.not_plain(&origin, &found);
                }
            }
        }
    }
    for entry in &shared.properties.snapshots {
        let name = entry.node.text("name").unwrap_or_default();
        let origin = entry.origin(&name);
        let relation = entry.node.text("relation").unwrap_or_default();
        let mut known = Known::new(shared);
        let rendered = parse(&format!("select * from {{{{ {relation} }}}}"))
            .and_then(|template| crate::jinja::render(&template, &mut known));
        match rendered {
            Ok(rendered) => {
                let config = |key: &str| {
                    let own = entry.config(key).map(Node::value);
                    own.or_else(|| configured(shared, &origin, key))
                };
                histories.extend(history(
                    origin.clone(),
                    &rendered.text,
                    &config,
                    shared,
                    outline,
                    relations,
                    log,
                ));
            }
            Err(found) => {
                log.item("snapshot", &origin, None);
                log.not_plain(&origin, &found);
            }
        }
    }
    histories
}

/// What YAML configures for a snapshot that says nothing of it itself.
fn configured(shared: &Shared, origin: &Origin, key: &str) -> Option<Value> {
    let entry = shared.properties.of(&origin.name);
    let entry = entry.and_then(|entry| entry.config(key));
    let kinds = ["snapshot-paths", "model-paths"].into_iter();
    let mut below = kinds.filter_map(|kind| shared.project.below(kind, &origin.file));
    let below = below.next().unwrap_or(&origin.file);
    let found = entry.or_else(|| shared.project.configured("snapshots", below, key));
    found.map(Node::value)
}

/// A text, or each of a list.
fn texts(value: Option<Value>) -> Vec<String> {
    match value {
        Some(Value::Text(text)) => vec![text.to_lowercase()],
        Some(Value::List(items)) => {
            let texts = items.iter().filter_map(Value::text);
            texts.map(str::to_lowercase).collect()
        }
        _ => Vec::new(),
    }
}

fn history(
    origin: Origin,
    sql: &str,
    config: &dyn Fn(&str) -> Option<Value>,
    shared: &Shared,
    outline: &Outline,
    relations: &mut Relations,
    log: &mut Log,
) -> Option<History> {
    let is_on = enabled(config("enabled").as_ref(), shared);
    if is_on == Ok(false) {
        log.note(
            &origin,
            &origin.name,
            "the snapshot is switched off (`enabled`)",
            "switch it on there if it is wanted",
        );
        return None;
    }
    let mut refuse = |construct: &str, why: &str, fix: &str| {
        log.item("snapshot", &origin, None);
        log.unmapped(&origin, construct, why, fix);
        None
    };
    if let Err(text) = is_on {
        return refuse(
            &format!("enabled: {text}"),
            "whether the snapshot is switched on is not known",
            "write true or false",
        );
    }
    for key in ["dbt_valid_to_current", "snapshot_meta_column_names"] {
        if config(key).is_some_and(|value| value != Value::None) {
            return refuse(
                key,
                "columns of histories have karat's own names, and an end that is open is null",
                "leave it out, and rename the columns where the table is read",
            );
        }
    }
    let found = respelled(sql, shared.dialect)
        .and_then(|(sql, _)| read_query(&sql, shared.dialect, relations));
    let found = match found {
        Ok(found) => found,
        Err(trouble) => return refuse(&trouble.construct, &trouble.why, &trouble.fix),
    };
    let plain = sql
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .to_lowercase();
    let is_plain = plain.starts_with("select * from karat_") && plain.split(' ').count() == 4;
    let (true, [reads]) = (is_plain, found.tables.as_slice()) else {
        return refuse(
            "snapshot",
            "its query is more than all columns of one source or seed: its history would be that of a table that is computed",
            "take the history of the source in a silver model with `auto_cdc`, and compute from that in gold",
        );
    };
    if !reads.contains("_silver.") {
        return refuse(
            "snapshot",
            "it reads a model, and karat keeps histories of what comes in",
            "take the history of the source in a silver model with `auto_cdc`, and compute from that in gold",
        );
    }
    let is_seed = outline
        .silver
        .iter()
        .any(|model| outline.silver_name(&model.table) == *reads);
    if is_seed {
        return refuse(
            "snapshot",
            "it reads a seed, a file of the project: its columns have the types of all its values, and nobody dates its states",
            "take the history of the source that the file stands for, in a silver model with `auto_cdc`",
        );
    }
    let keys = texts(config("unique_key"));
    let is_name = |name: &String| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    if keys.is_empty() || !keys.iter().all(is_name) {
        return refuse("unique_key", "it is no list of columns", "name columns");
    }
    let strategy = match config("strategy").as_ref().and_then(Value::text) {
        Some("timestamp") => match texts(config("updated_at")).as_slice() {
            [column] if is_name(column) => Strategy::Timestamp {
                updated_at: column.clone(),
            },
            _ => return refuse("updated_at", "it is no column", "name a column"),
        },
        Some("check") => match config("check_cols") {
            Some(Value::Text(all)) if all == "all" => Strategy::Check,
            _ => {
                return refuse(
                    "check_cols",
                    "a state of dbt keeps the other columns as they were when it began, one of karat shows their newest values",
                    "write `check_cols: all`",
                );
            }
        },
        _ => {
            return refuse(
                "strategy",
                "it is neither `timestamp` nor `check`",
                "state one of them",
            );
        }
    };
    let closes = match (config("hard_deletes"), config("invalidate_hard_deletes")) {
        (Some(Value::Text(word)), _) if word == "new_record" => {
            return refuse(
                "hard_deletes: new_record",
                "a row for what is gone is not made",
                "use `invalidate`",
            );
        }
        (Some(Value::Text(word)), _) => word == "invalidate",
        (_, Some(value)) => value.is_true(),
        _ => false,
    };
    let is_check = matches!(strategy, Strategy::Check);
    if is_check != closes {
        let why = match is_check {
            true => {
                "karat compares whole snapshots, in which a row that is gone ends; this one keeps it"
            }
            false => "with `timestamp` karat reads events, of which none says that a row is gone",
        };
        return refuse(
            "hard_deletes",
            why,
            "use `strategy: check` with `hard_deletes: invalidate`, or `timestamp` without it",
        );
    }
    let table = own_name(&origin.name);
    let full = format!("{}_gold.{table}", shared.project.domain);
    if !relations.take(&full, "snapshot", &origin, log) {
        return None;
    }
    let relation = Relation {
        name: full,
        shape: Shape {
            known: ["dbt_valid_from", "dbt_valid_to"]
                .map(str::to_owned)
                .to_vec(),
            open: Some(reads.clone()),
        },
    };
    relations.refs.insert(origin.name.clone(), relation);
    let reads = reads.clone();
    Some(History {
        origin,
        table,
        reads,
        keys,
        strategy,
    })
}

impl History {
    pub(crate) fn write(
        self,
        shared: &Shared,
        outline: &mut Outline,
        relations: &mut Relations,
        log: &mut Log,
    ) {
        let History {
            origin,
            table,
            reads,
            keys,
            strategy,
        } = self;
        let source = outline
            .silver
            .iter()
            .find(|model| outline.silver_name(&model.table) == reads)
            .cloned();
        let feed = source.as_ref().and_then(|model| {
            outline
                .feeds
                .iter()
                .find(|feed| feed.short_name() == model.from)
        });
        let (Some(source), Some(feed)) = (source.as_ref(), feed.cloned()) else {
            relations.refs.remove(&origin.name);
            log.item("snapshot", &origin, None);
            log.unmapped(
                &origin,
                "snapshot",
                format!("it reads `{reads}`, which is left out"),
                format!("bring `{reads}` over first"),
            );
            return;
        };
        let own = format!("{table}_states");
        let mut cdc = vec![("keys", list(&keys))];
        let mut keys_of_feed = feed.keys.clone();
        match &strategy {
            Strategy::Timestamp { updated_at } => {
                cdc.push(("sequence_by", item(updated_at)));
                for (key, value) in &mut keys_of_feed {
                    if *key == "mode" {
                        *value = "incremental".to_owned();
                    }
                }
            }
            Strategy::Check => cdc.push(("from", "snapshots".to_owned())),
        }
        cdc.push(("stored_as_scd_type", "2".to_owned()));
        let mut columns: Vec<String> = source.select.iter().map(|(name, _)| quoted(name)).collect();
        let known: Vec<String> = source.select.iter().map(|(name, _)| name.clone()).collect();
        let mut shape = known;
        columns.extend(
            ["__start_at as dbt_valid_from", "__end_at as dbt_valid_to"].map(str::to_owned),
        );
        shape.extend(["dbt_valid_from", "dbt_valid_to"].map(str::to_owned));
        if let Strategy::Timestamp { updated_at } = &strategy {
            columns.push(format!("{} as dbt_updated_at", quoted(updated_at)));
            shape.push("dbt_updated_at".to_owned());
        }
        let reads = outline.silver_name(&own);
        let sql = format!("select\n    {}\nfrom {reads}", columns.join(",\n    "));
        let from = format!("{}.{own}", feed.source);
        outline.feeds.push(Feed {
            name: own.clone(),
            comment: String::new(),
            keys: keys_of_feed,
            source: feed.source,
        });
        let mut silver = Silver {
            comment: String::new(),
            table: own,
            from,
            auto_cdc: cdc,
            checks: Vec::new(),
            key: Vec::new(),
            origin: origin.clone(),
            ..source.clone()
        };
        silver.description = None;
        outline.silver.push(silver);
        if let Some(relation) = relations.refs.get_mut(&origin.name) {
            relation.shape = Shape::of(shape);
        }
        let entry = shared.properties.of(&origin.name);
        let what = match &strategy {
            Strategy::Timestamp { .. } => {
                "its states are those that the files bring from now on, dated by `updated_at`; states that dbt has kept and files no longer have are not known to karat"
            }
            Strategy::Check => {
                "its states are those that the files bring from now on, each dated by its load, or by `snapshot_version`; states that dbt has kept and files no longer have are not known to karat"
            }
        };
        if let Strategy::Timestamp { updated_at } = &strategy {
            log.unmapped(
                &origin,
                format!("updated_at: {updated_at}"),
                "a row of which only this time moves begins a new state in dbt, and none in karat (C5)",
                "look whether the rows are read by their states, or by what they say at a time",
            );
        }
        log.note(
            &origin,
            "snapshot",
            what,
            "export the table of dbt once if its past is wanted",
        );
        log.item("snapshot", &origin, Some(outline.gold_name(&table)));
        outline.gold.push(Gold {
            table,
            sql,
            description: entry.and_then(|entry| entry.description(shared)),
            reads: vec![reads],
            origin,
            ..Gold::default()
        });
    }
}
