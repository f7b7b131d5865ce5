//! Models: rendered, ordered by what they read, and written as gold tables.

use std::collections::{BTreeMap, BTreeSet};

use crate::folder::Folder;
use crate::jinja::{Rendered, Value, parse, render};
use crate::outline::{Gold, Origin, Outline};
use crate::sql::{Found, Shape, Tables, Trouble, applied, read as read_query, respelled};
use crate::tree::Node;

use super::known::{Known, REF, SOURCE, as_written};
use super::properties::enabled;
use super::relations::{Relation, Relations, write_sources};
use super::snapshots::History;
use super::{Log, Shared, own_name, stem, text_of};

/// What makes the rows of the SELECT, and no others.
const MATERIALIZED: [&str; 5] = [
    "table",
    "view",
    "ephemeral",
    "incremental",
    "materialized_view",
];

/// A model whose template is plain.
pub(crate) struct Model {
    pub(crate) origin: Origin,
    pub(crate) table: String,
    pub(crate) refs: Vec<String>,
    rendered: Rendered,
}

/// Renders all models; what is not plain is told and left out.
pub(crate) fn read(
    folder: &Folder,
    shared: &Shared,
    relations: &mut Relations,
    log: &mut Log,
) -> Vec<Model> {
    let mut models = Vec::new();
    let paths: Vec<&str> = folder
        .paths()
        .filter(|path| shared.project.is_in("model-paths", path))
        .filter(|path| path.ends_with(".sql") || path.ends_with(".py"))
        .collect();
    for path in paths {
        let name = stem(path);
        let origin = Origin {
            file: path.to_owned(),
            line: 1,
            name: name.to_owned(),
        };
        if path.ends_with(".py") {
            log.item("model", &origin, None);
            log.unmapped(
                &origin,
                name,
                "a model of Python is a program",
                "write it as one SELECT",
            );
            continue;
        }
        let Some(text) = text_of(folder, path, log) else {
            log.item("model", &origin, None);
            continue;
        };
        if let Some(model) = read_one(text, origin, shared, relations, log) {
            models.push(model);
        }
    }
    models
}

fn read_one(
    text: &str,
    origin: Origin,
    shared: &Shared,
    relations: &mut Relations,
    log: &mut Log,
) -> Option<Model> {
    let entry = shared.properties.of(&origin.name);
    let below = shared
        .project
        .below("model-paths", &origin.file)
        .unwrap_or(&origin.file);
    let configured = |key: &str| {
        let own = entry.and_then(|entry| entry.config(key));
        own.or_else(|| shared.project.configured("models", below, key))
    };
    let mut known = Known::new(shared);
    let rendered = parse(text).and_then(|template| render(&template, &mut known));
    let switch = match known.config("enabled") {
        Some(value) => Some(value.clone()),
        None => configured("enabled").map(Node::value),
    };
    let is_on = match enabled(switch.as_ref(), shared) {
        Ok(is_on) => is_on,
        Err(text) => {
            log.item("model", &origin, None);
            log.unmapped(
                &origin,
                format!("enabled: {text}"),
                "whether the model is switched on is not known",
                "write true or false, or give its variable with `--var`",
            );
            return None;
        }
    };
    if !is_on {
        log.note(
            &origin,
            &origin.name,
            "the model is switched off (`enabled`)",
            "switch it on there if it is wanted",
        );
        return None;
    }
    let rendered = match rendered {
        Ok(rendered) => rendered,
        Err(found) => {
            log.item("model", &origin, None);
            log.not_plain(&origin, &found);
            return None;
        }
    };
    for (line, construct, what) in &known.notes {
        let at = Origin {
            line: *line,
            ..origin.clone()
        };
        log.note(&at, construct, what, "look whether that is what is wanted");
    }
    let text_of = |key: &str| match known.config(key) {
        Some(value) => value.text().map(str::to_owned),
        None => configured(key).and_then(Node::scalar),
    };
    let materialized = match known.config("materialized") {
        Some(value) => Some(value.printed().unwrap_or_default()),
        None => text_of("materialized"),
    };
    if let Some(other) = materialized
        .as_deref()
        .filter(|name| !MATERIALIZED.contains(name))
    {
        log.item("model", &origin, None);
        log.unmapped(
            &origin,
            format!("materialized: {other}"),
            "what it makes of the SELECT is not known",
            "write it as a table or view, if its rows are those of the SELECT",
        );
        return None;
    }
    if materialized.as_deref() == Some("incremental") && known.notes.is_empty() {
        log.note(&origin, "materialized: incremental", "karat makes the whole table, as a full refresh does", "look whether that is the table that is wanted; `incremental: { by: […] }` computes changed parts alone");
    }
    if let Some(alias) = text_of("alias").filter(|alias| *alias != origin.name) {
        log.note(
            &origin,
            format!("alias: {alias}"),
            "the table has the model's own name in karat",
            "rename the model's files where the alias is wanted",
        );
    }
    for hook in ["pre_hook", "post_hook", "pre-hook", "post-hook"] {
        let is_there = match known.config(hook) {
            Some(value) => *value != Value::None,
            None => configured(hook).is_some(),
        };
        if is_there {
            log.unmapped(
                &origin,
                hook,
                "karat runs no statements beside models",
                "run it where the schedule is",
            );
        }
    }
    let table = own_name(&origin.name);
    let full = format!("{}_gold.{table}", shared.project.domain);
    if relations.refs.contains_key(&origin.name) {
        log.item("model", &origin, None);
        log.unmapped(
            &origin,
            &origin.name,
            "a seed has this name, and `ref` means one table",
            "rename one of them",
        );
        return None;
    }
    if !relations.take(&full, "model", &origin, log) {
        return None;
    }
    let relation = Relation {
        name: full,
        shape: Shape::default(),
    };
    relations.refs.insert(origin.name.clone(), relation);
    Some(Model {
        table,
        refs: known.refs,
        rendered,
        origin,
    })
}

/// Those that read before those that are read by them; of a circle each is told.
fn ordered(models: Vec<Model>, relations: &mut Relations, log: &mut Log) -> Vec<Model> {
    let mut left: BTreeMap<String, Model> = models
        .into_iter()
        .map(|model| (model.origin.name.clone(), model))
        .collect();
    let mut ordered = Vec::new();
    loop {
        let free: Vec<String> = left
            .values()
            .filter(|model| model.refs.iter().all(|name| !left.contains_key(name)))
            .map(|model| model.origin.name.clone())
            .collect();
        if free.is_empty() {
            break;
        }
        for name in free {
            ordered.extend(left.remove(&name));
        }
    }
    // Who only waits for a circle is told by what it reads.
    let names: BTreeSet<String> = left.keys().cloned().collect();
    for (name, model) in left {
        relations.refs.remove(&name);
        log.item("model", &model.origin, None);
        let way: Vec<&str> = model
            .refs
            .iter()
            .filter(|name| names.contains(*name))
            .map(String::as_str)
            .collect();
        let why = format!(
            "it reads {}, and a circle of models leads back",
            way.join(", ")
        );
        log.unmapped(
            &model.origin,
            &name,
            why,
            "break the circle with a model of its own",
        );
    }
    ordered
}

/// A model in karat's SQL, as far as it goes.
struct Read {
    sql: String,
    found: Found,
}

fn read_model(model: &Model, shared: &Shared, relations: &Relations) -> Result<Read, Vec<Trouble>> {
    let (sql, mut troubles) =
        respelled(&model.rendered.text, shared.dialect).map_err(|trouble| vec![trouble])?;
    match read_query(&sql, shared.dialect, relations) {
        Ok(found) => {
            troubles.extend(found.troubles.iter().cloned());
            match troubles.is_empty() {
                true => Ok(Read { sql, found }),
                false => Err(troubles),
            }
        }
        Err(trouble) => {
            troubles.push(trouble);
            Err(troubles)
        }
    }
}

/// Writes sources, histories and models.
pub(crate) fn write(
    models: Vec<Model>,
    histories: Vec<History>,
    shared: &Shared,
    outline: &mut Outline,
    relations: &mut Relations,
    log: &mut Log,
) {
    let models = ordered(models, relations, log);
    let mut demands: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut kept: Vec<Model> = Vec::new();
    for model in models {
        let missing = model
            .refs
            .iter()
            .find(|name| !relations.refs.contains_key(*name));
        if let Some(missing) = missing {
            let why =
                format!("it reads `{missing}`, which is left out, or which the project has not");
            log.item("model", &model.origin, None);
            log.unmapped(
                &model.origin,
                format!("ref('{missing}')"),
                why,
                format!("bring `{missing}` over first"),
            );
            relations.refs.remove(&model.origin.name);
            continue;
        }
        match read_model(&model, shared, relations) {
            Ok(read) => {
                for (table, column) in read.found.demands {
                    let columns = demands.entry(table).or_default();
                    if !columns.contains(&column) {
                        columns.push(column);
                    }
                }
                if let Some(relation) = relations.refs.get_mut(&model.origin.name) {
                    relation.shape = read.found.shape;
                }
                kept.push(model);
            }
            Err(troubles) => {
                log.item("model", &model.origin, None);
                for found in troubles {
                    let at = Origin {
                        line: model.rendered.line_of(found.at),
                        ..model.origin.clone()
                    };
                    // A source that no YAML declares.
                    let construct = found.construct.replace("karat_source.", "source ");
                    log.unmapped(&at, construct, &found.why, &found.fix);
                }
                relations.refs.remove(&model.origin.name);
            }
        }
    }
    for history in &histories {
        for column in history.columns() {
            let columns = demands.entry(history.reads.clone()).or_default();
            if !columns.contains(&column) {
                columns.push(column);
            }
        }
    }
    for (table, columns) in &demands {
        relations.learn(table, &Shape::of(columns.clone()));
    }
    write_sources(shared, &demands, outline, relations, log);
    for history in histories {
        history.write(shared, outline, relations, log);
    }
    for model in kept {
        write_model(&model, shared, outline, relations, log);
    }
}

fn write_model(
    model: &Model,
    shared: &Shared,
    outline: &mut Outline,
    relations: &mut Relations,
    log: &mut Log,
) {
    // Its troubles were told when it was read first: now only the columns of sources are known, too.
    let Ok(Read { sql, found }) = read_model(model, shared, relations) else {
        relations.refs.remove(&model.origin.name);
        log.item("model", &model.origin, None);
        log.unmapped(
            &model.origin,
            &model.origin.name,
            "which columns it reads is not known",
            "declare the columns of the sources",
        );
        return;
    };
    let was = relations
        .refs
        .get(&model.origin.name)
        .map(|relation| relation.shape.clone());
    if was.is_some_and(|was| was.open.is_some()) {
        log.unmapped(
            &model.origin,
            "*",
            "it gives all columns of a source that declares none: only those that models name are there",
            "declare the columns of the source, or add those that are missing",
        );
    }
    if let Some(relation) = relations.refs.get_mut(&model.origin.name) {
        relation.shape = found.shape.clone();
    }
    for doubt in &found.doubts {
        let at = Origin {
            line: model.rendered.line_of(doubt.at),
            ..model.origin.clone()
        };
        log.note(&at, &doubt.construct, &doubt.why, &doubt.fix);
    }
    let reads = found.tables.clone();
    let text = named_in_comments(&applied(&sql, found.edits), relations);
    let body = text.trim_start();
    let first = text[..text.len() - body.len()].matches('\n').count();
    let body = body.trim_end().trim_end_matches(';').trim_end();
    let mut lines = Vec::new();
    let mut at = 0;
    for (nth, line) in model.rendered.text.split('\n').enumerate() {
        if nth >= first {
            lines.push(model.rendered.line_of(at));
        }
        at += line.len() + 1;
    }
    let entry = shared.properties.of(&model.origin.name);
    log.item(
        "model",
        &model.origin,
        Some(outline.gold_name(&model.table)),
    );
    outline.gold.push(Gold {
        table: model.table.clone(),
        sql: tidied(body),
        lines,
        comment: entry
            .map(|entry| entry.columns_comment(shared))
            .unwrap_or_default(),
        description: entry.and_then(|entry| entry.description(shared)),
        reads,
        origin: model.origin.clone(),
        ..Gold::default()
    });
}

/// What `ref` and `source` gave in comments (`-- depends_on: …`), by the names of karat: the rest of the text has none of their marks.
pub(super) fn named_in_comments(sql: &str, relations: &Relations) -> String {
    let mut out = String::new();
    let mut rest = sql;
    while let Some(at) = [REF, SOURCE]
        .iter()
        .filter_map(|kind| rest.find(&format!("{kind}.`")))
        .min()
    {
        let (before, marked) = rest.split_at(at);
        out.push_str(before);
        let wanted = 2 * (1 + usize::from(marked.starts_with(SOURCE)));
        let ends = marked.match_indices('`').nth(wanted - 1);
        let length = ends.map_or(marked.len(), |(at, _)| at + 1);
        let parts: Vec<String> = marked[..length]
            .split('.')
            .map(|part| part.trim_matches('`').to_owned())
            .collect();
        let names: Vec<String> = parts.iter().skip(1).map(|part| as_written(part)).collect();
        match relations.find(&parts) {
            Some((name, _)) => out.push_str(&name),
            None => out.push_str(&names.join(".")),
        }
        rest = &marked[length..];
    }
    out + rest
}

/// Without blanks at the ends of lines, which templates leave.
fn tidied(sql: &str) -> String {
    let lines: Vec<&str> = sql.lines().map(str::trim_end).collect();
    lines.join("\n")
}
