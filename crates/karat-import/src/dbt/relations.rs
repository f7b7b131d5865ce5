//! Tables by the names that templates give: what `ref` and `source` stand for.

use std::collections::BTreeMap;

use crate::outline::{Feed, Origin, Outline, Silver};
use crate::sql::{Shape, Tables, quoted, respelled};
use crate::tree::Node;
use crate::yaml_text::item;

use super::known::{REF, SOURCE, as_written};
use super::{Log, Shared, own_name};

/// A table of the project to be.
#[derive(Clone, Debug)]
pub(crate) struct Relation {
    /// Its two-part name in karat.
    pub(crate) name: String,
    pub(crate) shape: Shape,
}

#[derive(Debug, Default)]
pub(crate) struct Relations {
    /// By what `ref` names.
    pub(crate) refs: BTreeMap<String, Relation>,
    /// By source and table.
    pub(crate) sources: BTreeMap<(String, String), Relation>,
    /// Which places the names of karat are from, so that two never make one.
    pub(crate) taken: BTreeMap<String, Origin>,
    /// Schemas and names of seeds in the database.
    pub(crate) seeds_there: BTreeMap<(String, String), String>,
}

impl Relations {
    /// Takes a name of karat; a second place for one is told.
    pub(crate) fn take(
        &mut self,
        name: &str,
        kind: &'static str,
        origin: &Origin,
        log: &mut Log,
    ) -> bool {
        let Some(first) = self.taken.get(name) else {
            self.taken.insert(name.to_owned(), origin.clone());
            return true;
        };
        let why = match first.name == origin.name {
            true => format!("{}:{} has the same name", first.file, first.line),
            false => format!(
                "`{}` of {}:{} is the same name in karat, where names are lower case letters, digits and `_` (F3)",
                first.name, first.file, first.line
            ),
        };
        log.item(kind, origin, None);
        log.unmapped(origin, &origin.name, why, "rename one of them");
        false
    }

    /// The table that a two-part name of karat stands for.
    fn named(&self, name: &str) -> Option<&Relation> {
        let mut all = self.refs.values().chain(self.sources.values());
        all.find(|relation| relation.name == name)
    }

    /// Sets the columns of a table, wherever it is named.
    pub(crate) fn learn(&mut self, name: &str, shape: &Shape) {
        let all = self.refs.values_mut().chain(self.sources.values_mut());
        for relation in all.filter(|relation| relation.name == name) {
            relation.shape = shape.clone();
        }
    }

    /// The columns of a table of karat, as far as they are known.
    pub(crate) fn columns(&self, name: &str) -> &[String] {
        self.named(name)
            .map_or(&[][..], |relation| &relation.shape.known)
    }
}

impl Tables for Relations {
    fn find(&self, parts: &[String]) -> Option<(String, Shape)> {
        // `ref` is exact, and names in SQL have no case.
        let found = match parts {
            [kind, name] if kind == REF => self.refs.get(&as_written(name)),
            [kind, source, table] if kind == SOURCE => {
                self.sources.get(&(as_written(source), as_written(table)))
            }
            [_, _] => self.named(&parts.join(".")),
            _ => None,
        }?;
        Some((found.name.clone(), found.shape.clone()))
    }
}

/// Sources become feeds of files: where their rows come from is for a person to say.
pub(crate) fn add_sources(
    shared: &Shared,
    outline: &Outline,
    relations: &mut Relations,
    log: &mut Log,
) {
    for found in &shared.properties.sources {
        let origin = found
            .entry
            .origin(&format!("{}.{}", found.source, found.table));
        let key = (found.source.clone(), found.table.clone());
        let there = (found.schema.to_lowercase(), found.identifier.to_lowercase());
        if let Some(seed) = relations.seeds_there.get(&there).cloned() {
            let Some(relation) = relations.refs.get(&seed).cloned() else {
                continue;
            };
            log.item("source", &origin, Some(relation.name.clone()));
            relations.sources.insert(key, relation);
            continue;
        }
        let name = outline.silver_name(&table_name(&found.source, &found.table));
        if !relations.take(&name, "source", &origin, log) {
            continue;
        }
        let columns: Vec<String> = declared(&found.entry.node)
            .iter()
            .map(|(name, _)| karat_project::fold_name(name))
            .collect();
        let shape = match columns.is_empty() {
            true => Shape::open(&name),
            false => Shape::of(columns),
        };
        relations.sources.insert(key, Relation { name, shape });
    }
}

fn table_name(source: &str, table: &str) -> String {
    own_name(&format!("{source}_{table}"))
}

/// Columns that YAML declares, with their types.
fn declared(node: &Node) -> Vec<(String, Option<String>)> {
    let columns = node.get("columns").map_or(&[][..], Node::items).iter();
    columns
        .filter_map(|column| Some((column.text("name")?, column.text("data_type"))))
        .collect()
}

/// Writes the sources that are read, with the columns that are declared, else those that models name.
pub(crate) fn write_sources(
    shared: &Shared,
    demands: &BTreeMap<String, Vec<String>>,
    outline: &mut Outline,
    relations: &Relations,
    log: &mut Log,
) {
    for found in &shared.properties.sources {
        let key = (found.source.clone(), found.table.clone());
        let Some(relation) = relations.sources.get(&key) else {
            continue;
        };
        let table = table_name(&found.source, &found.table);
        let origin = found
            .entry
            .origin(&format!("{}.{}", found.source, found.table));
        // One that a seed stands for, or whose name is another's.
        let is_own = relation.name == outline.silver_name(&table)
            && relations.taken.get(&relation.name) == Some(&origin);
        if !is_own {
            continue;
        }
        let mut select: Vec<(String, String)> = Vec::new();
        let types = declared(&found.entry.node);
        for (name, data_type) in &types {
            let own = karat_project::fold_name(name);
            let bronze = quoted(&bronze_name(&own));
            let sql = match data_type {
                None => bronze,
                Some(data_type) => {
                    match respelled(&format!("cast({bronze} as {data_type})"), shared.dialect) {
                        Ok((sql, troubles)) if troubles.is_empty() => sql,
                        Ok((_, troubles)) => {
                            let why = troubles.first().map_or("", |found| found.why.as_str());
                            log.unmapped(
                                &origin,
                                format!("data_type: {data_type}"),
                                why,
                                "name a type of docs/types.md in the model's `select`",
                            );
                            bronze
                        }
                        Err(found) => {
                            log.unmapped(
                                &origin,
                                format!("data_type: {data_type}"),
                                found.why,
                                "name a type of docs/types.md in the model's `select`",
                            );
                            bronze
                        }
                    }
                }
            };
            select.push((bronze_name(&own), sql));
        }
        if types.is_empty() {
            let wanted = demands.get(&relation.name).map_or(&[][..], Vec::as_slice);
            select.extend(
                wanted
                    .iter()
                    .map(|name| (bronze_name(name), quoted(&bronze_name(name)))),
            );
        }
        if select.is_empty() {
            log.item("source", &origin, None);
            log.unmapped(
                &origin,
                &origin.name,
                "no model reads it, and its columns are not declared",
                "nothing, until a model reads it",
            );
            continue;
        }
        if types.is_empty() {
            log.note(
                &origin,
                &origin.name,
                "its columns are not declared: those that models name are taken, as text",
                "cast them in the silver model, and add those that are missing",
            );
        }
        log.item("source", &origin, Some(relation.name.clone()));
        log.unmapped(
            &origin,
            &origin.name,
            "where the rows come from is known to the loader of the warehouse alone",
            format!(
                "put files into landing/{}/{}/, or name another source of the feed in domain.yaml",
                own_name(&found.source),
                own_name(&found.table)
            ),
        );
        outline
            .sources
            .insert("landing".to_owned(), "./landing".to_owned());
        let path = format!(
            "{}/{}/*.csv",
            own_name(&found.source),
            own_name(&found.table)
        );
        outline.feeds.push(Feed {
            source: "landing".to_owned(),
            name: table.clone(),
            comment: String::new(),
            keys: vec![("mode", "full".to_owned()), ("path", item(&path))],
        });
        outline.silver.push(Silver {
            comment: found.entry.columns_comment(shared),
            description: found.entry.description(shared),
            from: format!("landing.{table}"),
            table,
            select,
            origin,
            ..Silver::default()
        });
    }
}

/// What bronze calls a column: no `_` comes first (B2).
fn bronze_name(folded: &str) -> String {
    match folded.starts_with('_') {
        true => format!("src_{folded}"),
        false => folded.to_owned(),
    }
}
