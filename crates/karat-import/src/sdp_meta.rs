//! Onboarding files of sdp-meta (once dlt-meta): each data flow becomes the statements of a pipeline, which are taken over as such.

use crate::dbt::{Log, own_name, text_of};
use crate::dlt::{Changes, Constraint, Pipeline, Table, Text};
use crate::folder::Folder;
use crate::import::{Import, ImportError};
use crate::outline::{Origin, Outline};
use crate::tree::{Node, parse};

/// Keys that change no row, by how they begin: names of catalogs, places, layouts.
const PASSED: [&str; 18] = [
    "data_flow_id",
    "data_flow_group",
    "source_system",
    "source_format",
    "source_details",
    "bronze_catalog",
    "bronze_database",
    "bronze_table",
    "bronze_partition_columns",
    "bronze_cluster_by",
    "bronze_quarantine",
    "bronze_catalog_quarantine",
    "bronze_database_quarantine",
    "silver_catalog",
    "silver_database",
    "silver_table",
    "silver_partition_columns",
    "silver_cluster_by",
];

/// Makes a project of karat, called `name`, out of the onboarding files of a folder.
pub fn import(folder: &Folder, name: &str) -> Result<Import, ImportError> {
    let mut log = Log::default();
    let mut pipeline = Pipeline::default();
    for path in folder.paths() {
        let is_read = [".json", ".yml", ".yaml", ".template"]
            .iter()
            .any(|ending| path.ends_with(ending));
        let Some(Ok(text)) = folder.text(path).filter(|_| is_read) else {
            continue;
        };
        if !text.contains("data_flow_id") {
            continue;
        }
        match parse(text) {
            Ok(node) => {
                for flow in node.items() {
                    Flow {
                        folder,
                        path,
                        node: flow,
                    }
                    .read(&mut pipeline, &mut log);
                }
            }
            Err((line, why)) => {
                let origin = Origin {
                    file: path.to_owned(),
                    line,
                    name: path.to_owned(),
                };
                log.unmapped(
                    &origin,
                    path,
                    format!("the file is broken: {why}"),
                    "mend it: nothing of it is taken over",
                );
            }
        }
    }
    if pipeline.is_empty() && log.findings.is_empty() {
        return Err(ImportError::NoProject {
            what: "no file in the folder has a `data_flow_id`: it holds no onboarding of sdp-meta"
                .to_owned(),
            hint: "name the folder with the onboarding file, and the files that it names"
                .to_owned(),
        });
    }
    let domain = own_name(name);
    let mut outline = Outline {
        project: domain.clone(),
        comment:
            "Imported from an onboarding of sdp-meta: IMPORT.md says what became of each data flow."
                .to_owned(),
        domain,
        ..Outline::default()
    };
    pipeline.write(&mut outline, &mut log);
    Ok(Import::of(outline, log.items, log.findings))
}

/// One data flow.
struct Flow<'f> {
    folder: &'f Folder,
    path: &'f str,
    node: &'f Node,
}

impl Flow<'_> {
    fn origin(&self, line: u32, name: &str) -> Origin {
        Origin {
            file: self.path.to_owned(),
            line,
            name: name.to_owned(),
        }
    }

    /// A key, with whatever environment stands behind it.
    fn of_any(&self, node: &Node, key: &str) -> Option<(String, u32)> {
        let mut entries = node.entries().iter();
        let found = entries.find(|(name, _)| {
            name == key
                || name
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.starts_with('_'))
        });
        found.and_then(|(_, node)| Some((node.scalar()?, node.line)))
    }

    /// A key that has several values, by environment.
    fn ambiguous(&self) -> Option<(String, u32)> {
        let details = self.node.get("source_details").unwrap_or(self.node);
        let keys = [
            (details, "source_path"),
            (self.node, "bronze_data_quality_expectations_json"),
            (self.node, "silver_data_quality_expectations_json"),
            (self.node, "silver_transformation_json"),
        ];
        keys.into_iter().find_map(|(node, key)| {
            let mut found = node.entries().iter().filter(|(name, _)| {
                name == key
                    || name
                        .strip_prefix(key)
                        .is_some_and(|rest| rest.starts_with('_'))
            });
            let (_, first) = found.next()?;
            let other = found.find(|(_, node)| node.scalar() != first.scalar());
            other.map(|(name, node)| (name.clone(), node.line))
        })
    }

    fn read(&self, pipeline: &mut Pipeline, log: &mut Log) {
        let node = self.node;
        let id = node.text("data_flow_id").unwrap_or_default();
        let origin = self.origin(node.line, &format!("data flow {id}"));
        let format = node.text("source_format").unwrap_or_default();
        if !format.eq_ignore_ascii_case("cloudFiles") {
            log.item("data flow", &origin, None);
            log.unmapped(
                &origin,
                format!("source_format: {format}"),
                "karat reads files and SQLite in this version",
                "land the source as files",
            );
            return;
        }
        if let Some((key, line)) = self.ambiguous() {
            log.item("data flow", &origin, None);
            log.unmapped(
                &self.origin(line, &key),
                &key,
                "it has another value in each environment, and nothing says which is meant",
                "import an onboarding of one environment",
            );
            return;
        }
        let bronze = node
            .text("bronze_table")
            .unwrap_or_else(|| format!("flow_{id}"));
        let silver = node.text("silver_table");
        let own = match &silver {
            Some(silver) if own_name(silver) == own_name(&bronze) => format!("{bronze}_bronze"),
            _ => bronze.clone(),
        };
        let Some(query) = self.files(log, &origin) else {
            log.item("data flow", &origin, None);
            return;
        };
        self.list_others(&origin, log);
        let table = Table {
            name: own.clone(),
            kind: "bronze table",
            comment: node.text("bronze_table_comment"),
            constraints: self.rules("bronze_data_quality_expectations_json", log),
            query: Some(Text {
                text: query,
                line: node.line,
            }),
            ..Table::default()
        };
        let line = node.get("bronze_table").map_or(node.line, |node| node.line);
        pipeline.add_table(table, self.origin(line, &own), log);
        if let Some(changes) = node.get("bronze_cdc_apply_changes") {
            let at = self.origin(changes.line, "bronze_cdc_apply_changes");
            log.unmapped(
                &at,
                "bronze_cdc_apply_changes",
                "bronze of karat keeps what was received: changes are applied in silver",
                "state them as `silver_cdc_apply_changes`, or write `auto_cdc` in the silver model",
            );
        }
        let Some(silver) = silver else { return };
        let line = node.get("silver_table").map_or(node.line, |node| node.line);
        self.silver(&silver, &own, line, pipeline, log);
    }

    fn silver(
        &self,
        silver: &str,
        bronze: &str,
        line: u32,
        pipeline: &mut Pipeline,
        log: &mut Log,
    ) {
        let origin = self.origin(line, silver);
        let Some((select, condition)) = self.transformation(silver, log) else {
            log.item("silver table", &origin, None);
            return;
        };
        let changes = self.node.get("silver_cdc_apply_changes");
        let name = match changes {
            Some(_) => format!("{silver}_changes"),
            None => silver.to_owned(),
        };
        let text = format!("SELECT {select} FROM {bronze}{condition}");
        let comment = self.node.text("silver_table_comment");
        let table = Table {
            name: name.clone(),
            kind: "silver table",
            comment: comment.clone(),
            constraints: self.rules("silver_data_quality_expectations_json", log),
            query: Some(Text { text, line }),
            ..Table::default()
        };
        pipeline.add_table(table, self.origin(line, &name), log);
        let Some(node) = changes else { return };
        let lower = |key: &str| -> Vec<String> {
            node.texts(key)
                .iter()
                .map(|name| name.trim().to_lowercase())
                .collect()
        };
        let at = self.origin(node.line, silver);
        for (key, value) in node.entries() {
            let known = [
                "keys",
                "sequence_by",
                "scd_type",
                "apply_as_deletes",
                "apply_as_truncates",
                "except_column_list",
                "ignore_null_updates",
                "track_history_column_list",
                "track_history_except_column_list",
            ];
            if !known.contains(&key.as_str()) {
                let at = self.origin(value.line, key);
                log.unmapped(
                    &at,
                    key,
                    "it is not taken over",
                    "say it in `auto_cdc` of the silver model where it is needed",
                );
            }
        }
        let says = |key: &str| node.text(key).map(|text| text.to_lowercase());
        let ignores_nulls = match says("ignore_null_updates").as_deref() {
            None | Some("false" | "") => Some(false),
            Some("true") => Some(true),
            _ => None,
        };
        let scd_type = match says("scd_type").as_deref() {
            None | Some("1") => Some(1),
            Some("2") => Some(2),
            _ => None,
        };
        let (Some(ignores_nulls), Some(scd_type)) = (ignores_nulls, scd_type) else {
            log.item("auto cdc", &at, None);
            log.unmapped(
                &at,
                "silver_cdc_apply_changes",
                "`scd_type` is neither 1 nor 2, or `ignore_null_updates` neither true nor false",
                "state one of them",
            );
            return;
        };
        let sequence = node.text("sequence_by").unwrap_or_default();
        let sequence_by = sequence
            .split(',')
            .map(|name| name.trim().to_lowercase())
            .filter(|name| !name.is_empty());
        let changes = Changes {
            target: silver.to_owned(),
            source: name,
            keys: lower("keys"),
            sequence_by: sequence_by.collect(),
            deletes: node
                .text("apply_as_deletes")
                .filter(|text| !text.trim().is_empty()),
            truncates: node
                .text("apply_as_truncates")
                .filter(|text| !text.trim().is_empty()),
            ignores_nulls,
            except: lower("except_column_list"),
            scd_type,
            track: lower("track_history_column_list"),
            track_except: lower("track_history_except_column_list"),
            ..Changes::default()
        };
        if changes.keys.is_empty() || changes.sequence_by.is_empty() {
            log.item("auto cdc", &at, None);
            log.unmapped(
                &at,
                "silver_cdc_apply_changes",
                "it names no keys, or no sequence",
                "state both",
            );
            return;
        }
        pipeline.add_changes(changes, at, log);
    }

    /// The query over the files of the flow.
    fn files(&self, log: &mut Log, origin: &Origin) -> Option<String> {
        let details = self.node.get("source_details")?;
        let Some((path, _)) = self.of_any(details, "source_path") else {
            log.unmapped(
                origin,
                "source_details",
                "it names no path",
                "state `source_path_…`",
            );
            return None;
        };
        for (key, found) in details.entries() {
            let is_read = key.starts_with("source_path")
                || ["source_schema_path", "source_database", "source_table"]
                    .contains(&key.as_str());
            if !is_read {
                log.unmapped(
                    &self.origin(found.line, key),
                    key,
                    "it is not taken over",
                    "write it in the feed, or in the silver model, where it is needed",
                );
            }
        }
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "''"));
        // `{uc_volume_path}/demo` is filled in by the launcher.
        let mut parts = vec![quoted(&path.replace('{', "${"))];
        for (key, value) in self
            .node
            .get("bronze_reader_options")
            .map_or(&[][..], Node::entries)
        {
            let key = key.strip_prefix("cloudFiles.").unwrap_or(key);
            parts.push(format!(
                "{key} => {}",
                quoted(&value.scalar().unwrap_or_default())
            ));
        }
        if let Some(schema) = details.text("source_schema_path") {
            match self.named(&schema) {
                Some(file) => {
                    let text = text_of(self.folder, file, log)?;
                    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
                    parts.push(format!("schema => {}", quoted(text.trim_end_matches(','))));
                }
                None => log.unmapped(
                    origin,
                    format!("source_schema_path: {schema}"),
                    "the file is not in the folder",
                    "import the folder that holds it, too",
                ),
            }
        }
        Some(format!(
            "SELECT * FROM STREAM read_files({})",
            parts.join(", ")
        ))
    }

    /// The file of the folder that a path with placeholders names.
    fn named(&self, path: &str) -> Option<&str> {
        let tail = path
            .rsplit('}')
            .next()
            .unwrap_or(path)
            .trim_start_matches('/');
        // The same path, seen from another root; a file that is called alike is not it.
        let is_end = |long: &str, short: &str| {
            long == short
                || long
                    .strip_suffix(short)
                    .is_some_and(|rest| rest.ends_with('/'))
        };
        let mut paths = self.folder.paths();
        paths.find(|file| is_end(tail, file) || is_end(file, tail))
    }

    /// The same; that it is not there is told.
    fn named_or_told(&self, path: &str, at: &Origin, log: &mut Log) -> Option<&str> {
        let file = self.named(path);
        if file.is_none() {
            log.unmapped(
                at,
                path,
                "the file is not in the folder",
                "import the folder that holds it, too",
            );
        }
        file
    }

    /// The select list and the condition of a silver table.
    fn transformation(&self, silver: &str, log: &mut Log) -> Option<(String, String)> {
        let Some((path, line)) = self.of_any(self.node, "silver_transformation_json") else {
            return Some(("*".to_owned(), String::new()));
        };
        let at = self.origin(line, "silver_transformation_json");
        let Some(file) = self.named_or_told(&path, &at, log) else {
            return None;
        };
        let node = match parse(text_of(self.folder, file, log)?) {
            Ok(node) => node,
            Err((line, why)) => {
                let at = Origin {
                    file: file.to_owned(),
                    line,
                    name: file.to_owned(),
                };
                log.unmapped(&at, file, format!("the file is broken: {why}"), "mend it");
                return None;
            }
        };
        let own = node
            .items()
            .iter()
            .find(|one| one.text("target_table").as_deref() == Some(silver));
        let Some(own) = own else {
            log.unmapped(
                &at,
                &path,
                format!("it says nothing of `{silver}`"),
                "add it there",
            );
            return None;
        };
        let select = own.texts("select_exp");
        let conditions = own
            .texts("where_clause")
            .into_iter()
            .filter(|text| !text.trim().is_empty());
        let conditions: Vec<String> = conditions
            .map(|text| format!("({})", text.trim()))
            .collect();
        let select = match select.is_empty() {
            true => "*".to_owned(),
            false => select.join(", "),
        };
        let condition = match conditions.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", conditions.join(" AND ")),
        };
        Some((select, condition))
    }

    /// Rules of a JSON file of expectations.
    fn rules(&self, key: &str, log: &mut Log) -> Vec<Constraint> {
        let Some((path, line)) = self.of_any(self.node, key) else {
            return Vec::new();
        };
        let at = self.origin(line, key);
        let Some(file) = self.named_or_told(&path, &at, log) else {
            return Vec::new();
        };
        let node = match text_of(self.folder, file, log).map(parse) {
            Some(Ok(node)) => node,
            Some(Err((line, why))) => {
                let at = Origin {
                    file: file.to_owned(),
                    line,
                    name: file.to_owned(),
                };
                log.unmapped(&at, file, format!("the file is broken: {why}"), "mend it");
                return Vec::new();
            }
            None => return Vec::new(),
        };
        // A quarantine of sdp-meta keeps a copy of rows that its own condition finds; what the table drops, it drops. In karat what the
        // table would drop goes to quarantine.
        let quarantines = ["expect_or_quarantine", "expect_all_or_quarantine"];
        let held = quarantines.iter().any(|kind| node.get(kind).is_some());
        let mut rules: Vec<Constraint> = Vec::new();
        for (kind, conditions) in node.entries() {
            let action = match kind.as_str() {
                "expect" | "expect_all" => "warn",
                "expect_or_drop" | "expect_all_or_drop" if held => "quarantine",
                "expect_or_drop" | "expect_all_or_drop" => "drop",
                "expect_or_fail" | "expect_all_or_fail" => "fail",
                kind if quarantines.contains(&kind) => {
                    let why = "rows that the table drops are held in karat's quarantine; a condition of its own it has not";
                    log.note(
                        &at,
                        kind,
                        why,
                        "look whether it finds rows that the table keeps",
                    );
                    continue;
                }
                other => {
                    let why = "this kind of expectation is not taken over";
                    log.unmapped(&at, other, why, "write it in the silver model");
                    continue;
                }
            };
            for (name, condition) in conditions.entries() {
                let Some(text) = condition.scalar() else {
                    continue;
                };
                let words: Vec<&str> = text.split_whitespace().collect();
                let is_rescue = words
                    .join(" ")
                    .eq_ignore_ascii_case("_rescued_data is null");
                if text.to_lowercase().contains("_rescued_data") && !is_rescue {
                    let why = "bronze of karat has no `_rescued_data`: what does not fit is held back by the built-in rule `_rescued`";
                    log.unmapped(
                        &at,
                        name,
                        why,
                        "write the rest of it as an expectation of the silver model",
                    );
                    continue;
                }
                if is_rescue {
                    let why = "rows with something that does not fit are held back by the built-in rule `_rescued`";
                    log.note(&at, name, why, "nothing");
                    continue;
                }
                rules.push(Constraint {
                    name: name.clone(),
                    expect: text,
                    action,
                    line,
                });
            }
        }
        rules
    }

    /// What has no place, by name.
    fn list_others(&self, origin: &Origin, log: &mut Log) {
        for (key, node) in self.node.entries() {
            let is_read = PASSED.iter().any(|passed| key.starts_with(passed))
                || [
                    "bronze_reader_options",
                    "bronze_cdc_apply_changes",
                    "silver_cdc_apply_changes",
                ]
                .contains(&key.as_str())
                || [
                    "bronze_data_quality",
                    "silver_data_quality",
                    "silver_transformation_json",
                ]
                .iter()
                .any(|known| key.starts_with(known));
            if !is_read {
                let at = Origin {
                    line: node.line,
                    ..origin.clone()
                };
                log.unmapped(
                    &at,
                    key,
                    "it is not taken over",
                    "write it in karat by hand where it is needed",
                );
            }
        }
    }
}
