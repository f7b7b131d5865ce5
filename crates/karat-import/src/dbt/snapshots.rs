//! Snapshots: a silver table with the history of a source or seed, and a gold one that calls its columns as dbt does.

use crate::folder::Folder;
use crate::jinja::{Value, parse, render_block};
use crate::outline::{Feed, Gold, Origin, Outline, Silver};
use crate::sql::{Shape, quoted, read as read_query, respelled};
use crate::yaml_text::{item, list};

use super::known::Known;
use super::relations::{Relation, Relations};
use super::{Log, Shared, own_name, text_of};

/// How a snapshot sees that a row changed.
enum Strategy {
    Timestamp { updated_at: String },
    Check { columns: Vec<String> },
}

/// A snapshot of all columns of one table.
pub(crate) struct History {
    origin: Origin,
    table: String,
    /// The silver table whose feed it reads.
    pub(crate) reads: String,
    keys: Vec<String>,
    strategy: Strategy,
    /// Whether a row that is gone ends.
    closes: bool,
}

impl History {
    /// The columns that it names.
    pub(crate) fn columns(&self) -> Vec<String> {
        let mut columns = self.keys.clone();
        match &self.strategy {
            Strategy::Timestamp { updated_at } => columns.push(updated_at.clone()),
            Strategy::Check { columns: checked } => columns.extend(checked.iter().cloned()),
        }
        columns
    }
}

pub(crate) fn read(
    folder: &Folder,
    shared: &Shared,
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
                    let config = |key: &str| known.config(key).cloned();
                    histories.extend(history(
                        origin,
                        &rendered.text,
                        &config,
                        shared,
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
                let config = |key: &str| entry.config(key).map(crate::tree::Node::value);
                histories.extend(history(
                    origin,
                    &rendered.text,
                    &config,
                    shared,
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
    relations: &mut Relations,
    log: &mut Log,
) -> Option<History> {
    let mut refuse = |construct: &str, why: &str, fix: &str| {
        log.item("snapshot", &origin, None);
        log.unmapped(&origin, construct, why, fix);
        None
    };
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
            Some(Value::Text(all)) if all == "all" => Strategy::Check {
                columns: Vec::new(),
            },
            columns @ Some(Value::List(_)) => Strategy::Check {
                columns: texts(columns),
            },
            _ => {
                return refuse(
                    "check_cols",
                    "it is neither `all` nor a list",
                    "name columns",
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
    let is_check = matches!(strategy, Strategy::Check { .. });
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
        closes,
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
            closes,
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
            Strategy::Check { columns } => {
                debug_assert!(closes);
                cdc.push(("from", "snapshots".to_owned()));
                if !columns.is_empty() {
                    cdc.push(("track_history_column_list", list(columns)));
                }
            }
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
        let what = match strategy {
            Strategy::Timestamp { .. } => {
                "its states are those that the files bring from now on, dated by `updated_at`; states that dbt has kept and files no longer have are not known to karat"
            }
            Strategy::Check { .. } => {
                "its states are those that the files bring from now on, each dated by its load, or by `snapshot_version`; states that dbt has kept and files no longer have are not known to karat"
            }
        };
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
