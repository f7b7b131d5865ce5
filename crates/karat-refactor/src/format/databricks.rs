//! Jobs, workflows, declarative pipelines and asset bundles of Databricks, in JSON and YAML.
//!
//! Parameters of notebooks are facts for the notebooks; names in them go to a person. SQL in a job is read as SQL. A pipeline that
//! publishes to the metastore (`target` without `catalog`) is a finding: it needs a catalog, and its tables then have three parts.

use std::sync::Arc;

use super::suspect::{self, Suspicion};
use super::tree::{Id, Kind, Tree};
use crate::fragment::Fragment;
use crate::language::Language;
use crate::mapping::DatabaseLookup;
use crate::occurrence::{Doubt, Means, NotATable, Severity, rule};
use crate::reader::Reader;
use crate::session::Session;

/// A pipeline that publishes to the metastore.
pub const PIPELINE_TARGET: &str = "databricks/pipeline-target";
/// A cluster that cannot read Unity Catalog.
pub const CLUSTER_MODE: &str = "databricks/cluster-access-mode";

/// Reads a file of jobs or pipelines; `false` if it is none.
pub(crate) fn read(reader: &mut Reader<'_>, file: &Arc<Fragment>, tree: &Tree) -> bool {
    if !tree.roots().iter().any(|root| is_job(tree, *root)) {
        return false;
    }
    let mut known = vec![false; tree.ids().len()];
    for id in tree.ids() {
        if known[id] {
            continue;
        }
        let holder = tree.node(id).kind == Kind::Map;
        if holder && let Some(path) = notebook_path(tree, id) {
            call(reader, file, tree, id, path, &mut known);
        }
        if holder && is_pipeline(tree, id) {
            pipeline(reader, file, tree, id, &mut known);
        }
        if let Some(key) = tree.key(id) {
            keyed(reader, file, tree, id, key, &mut known);
        }
    }
    let data = Suspicion::new(
        rule::METADATA,
        "a name in the settings of a job; what it is used for is decided elsewhere",
    );
    for id in tree.ids().filter(|id| !known[*id]) {
        if !tree.text(id).is_some_and(suspect::is_worth_reading) {
            continue;
        }
        if let Some(fragment) = tree.fragment(file, id) {
            suspect::read(reader, &fragment, &data);
        }
    }
    suspect::keys(reader, file, tree);
    true
}

/// Told by the words that only jobs, pipelines and bundles have.
fn is_job(tree: &Tree, root: Id) -> bool {
    let has = |id: Id, key: &str| tree.get(id, key).is_some();
    let settings = [
        Some(root),
        tree.get(root, "settings"),
        tree.get(root, "spec"),
        tree.get(root, "resources"),
    ];
    settings.into_iter().flatten().any(|id| {
        let task = has(id, "notebook_task")
            || has(id, "spark_python_task")
            || has(id, "sql_task")
            || has(id, "spark_jar_task");
        let job = has(id, "tasks")
            || has(id, "job_clusters")
            || has(id, "new_cluster") && has(id, "name");
        let declarative = has(id, "libraries")
            && (has(id, "target")
                || has(id, "catalog")
                || has(id, "storage")
                || has(id, "clusters"));
        let bundle = has(id, "bundle")
            || has(id, "jobs")
                && tree
                    .get(id, "jobs")
                    .is_some_and(|jobs| tree.node(jobs).kind == Kind::Map)
            || has(id, "pipelines") && id != root;
        let cluster = has(id, "spark_version")
            && (has(id, "node_type_id") || has(id, "cluster_name") || has(id, "num_workers"));
        let run = has(id, "job_id") && (has(id, "notebook_params") || has(id, "job_parameters"));
        task || job || declarative || bundle || cluster || run
    })
}

/// The path of a notebook task and the node that holds its parameters.
fn notebook_path(tree: &Tree, id: Id) -> Option<Id> {
    tree.get(id, "notebook_path")
        .filter(|path| tree.text(*path).is_some())
}

fn call(
    reader: &mut Reader<'_>,
    file: &Arc<Fragment>,
    tree: &Tree,
    task: Id,
    path: Id,
    known: &mut [bool],
) {
    known[path] = true;
    if let Some(fragment) = tree.fragment(file, path) {
        reader.region(
            &fragment,
            0..fragment.text().len(),
            Means::NotATable(NotATable::WorkspacePath),
        );
    }
    let target = tree.text(path).unwrap_or_default().to_owned();
    reader.call(&target, "job task");
    let Some(parameters) = tree.get(task, "base_parameters") else {
        return;
    };
    for parameter in tree.children(parameters) {
        let name = tree.key(*parameter).unwrap_or_default().to_owned();
        let value = match &tree.node(*parameter).kind {
            Kind::Text(scalar) => Some(scalar.text.clone()),
            Kind::Plain(written) => Some(written.clone()),
            Kind::List | Kind::Map => None,
        };
        // `{{job.run_id}}` and `${var.x}` are filled in when the job runs.
        let fixed = value.filter(|value| !value.contains("{{") && !value.contains("${"));
        reader.passes(&target, &name, fixed.into_iter().collect());
        known[*parameter] = true;
        if let Some(fragment) = tree.fragment(file, *parameter) {
            let message = format!(
                "passed to a notebook as `{name}`; right only if the notebook takes three-part names there, so change both together"
            );
            let suspicion = Suspicion::new(rule::METADATA, message);
            suspect::database(reader, &fragment, &name, &suspicion);
            suspect::read(reader, &fragment, &suspicion);
        }
    }
}

/// Whether a map is the settings of a declarative pipeline.
fn is_pipeline(tree: &Tree, id: Id) -> bool {
    let libraries = tree
        .get(id, "libraries")
        .filter(|list| tree.node(*list).kind == Kind::List);
    let of_code = |library: &Id| {
        ["notebook", "file", "glob"]
            .iter()
            .any(|key| tree.get(*library, key).is_some())
    };
    libraries.is_some_and(|list| tree.children(list).iter().any(of_code))
        && tree.get(id, "notebook_task").is_none()
}

fn pipeline(
    reader: &mut Reader<'_>,
    file: &Arc<Fragment>,
    tree: &Tree,
    id: Id,
    known: &mut [bool],
) {
    for library in tree
        .get(id, "libraries")
        .map(|list| tree.children(list))
        .unwrap_or_default()
    {
        if let Some(path) = tree
            .at(*library, &["notebook", "path"])
            .or_else(|| tree.at(*library, &["file", "path"]))
        {
            known[path] = true;
            if let Some(fragment) = tree.fragment(file, path) {
                reader.region(
                    &fragment,
                    0..fragment.text().len(),
                    Means::NotATable(NotATable::WorkspacePath),
                );
            }
            if let Some(target) = tree.text(path) {
                reader.call(target, "declarative pipeline");
            }
        }
    }
    if tree.get(id, "catalog").is_some() {
        return;
    }
    let Some(target) = tree.get(id, "target").or_else(|| tree.get(id, "schema")) else {
        return;
    };
    known[target] = true;
    let (Some(fragment), Some(database)) = (tree.fragment(file, target), tree.text(target)) else {
        return;
    };
    let advice = match reader.mapping.database(database) {
        DatabaseLookup::One(schema) => format!(
            "`catalog: {}` and `schema: {}`",
            schema.catalog, schema.schema
        ),
        DatabaseLookup::Several(schemas) => {
            let names: Vec<String> = schemas.iter().map(|schema| schema.sql()).collect();
            format!(
                "a catalog; by the mapping its tables go to {}",
                names.join(", ")
            )
        }
        DatabaseLookup::Unknown => "a catalog; the mapping has no row for this database".to_owned(),
    };
    let message = format!(
        "this pipeline publishes to the metastore. A pipeline cannot be switched: it needs a clone with {advice}, and its tables are made anew"
    );
    reader.finding(
        &fragment,
        0..fragment.text().len(),
        Severity::Error,
        Doubt::new(PIPELINE_TARGET, message),
    );
}

/// What stands under keys whose meaning does not depend on what is around them.
fn keyed(
    reader: &mut Reader<'_>,
    file: &Arc<Fragment>,
    tree: &Tree,
    id: Id,
    key: &str,
    known: &mut [bool],
) {
    let explained = |reader: &mut Reader<'_>, reason: NotATable, known: &mut [bool]| {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            known[id] = true;
            if let Some(fragment) = tree.fragment(file, id) {
                reader.region(
                    &fragment,
                    0..fragment.text().len(),
                    Means::NotATable(reason),
                );
            }
            waiting.extend(tree.children(id));
        }
    };
    match key {
        "description" | "comment" => explained(reader, NotATable::Comment, known),
        "run_as"
        | "permissions"
        | "email_notifications"
        | "webhook_notifications"
        | "notification_settings"
        | "tags"
        | "custom_tags"
        | "schedule"
        | "git_source"
        | "workspace"
        | "package_name"
        | "main_class_name"
        | "entry_point" => {
            explained(reader, NotATable::OtherWord, known);
        }
        "pypi" | "maven" | "cran" | "docker_image" => {
            explained(reader, NotATable::HostOrFile, known)
        }
        "query" | "warehouse_sql" | "sql" | "statement" if tree.text(id).is_some() => {
            known[id] = true;
            if let Some(fragment) = tree.fragment(file, id) {
                let session = std::mem::replace(&mut reader.session, Session::new());
                reader.read(&fragment, Language::Sql);
                reader.session = session;
            }
        }
        "python_file" | "jar" | "whl" | "egg" if tree.text(id).is_some() => {
            known[id] = true;
            if let Some(fragment) = tree.fragment(file, id) {
                reader.region(
                    &fragment,
                    0..fragment.text().len(),
                    Means::NotATable(NotATable::PathSegment),
                );
                reader.path(&fragment, 0..fragment.text().len());
            }
        }
        "spark_version" => {
            if let Some(cluster) = tree.node(id).parent {
                cluster_mode(reader, file, tree, cluster, id);
            }
        }
        _ => {}
    }
}

/// Unity Catalog is read by clusters with an access mode that isolates users, or one user.
fn cluster_mode(
    reader: &mut Reader<'_>,
    file: &Arc<Fragment>,
    tree: &Tree,
    cluster: Id,
    version: Id,
) {
    let mode = tree.text_at(cluster, &["data_security_mode"]);
    let refused = matches!(
        mode,
        None | Some(
            "NONE"
                | "LEGACY_TABLE_ACL"
                | "LEGACY_PASSTHROUGH"
                | "LEGACY_SINGLE_USER"
                | "LEGACY_SINGLE_USER_STANDARD"
        )
    );
    if !refused {
        return;
    }
    let place = tree.get(cluster, "data_security_mode").unwrap_or(version);
    let Some(fragment) = tree.fragment(file, place) else {
        return;
    };
    let message = match mode {
        Some(mode) => format!("a cluster of access mode `{mode}` cannot read Unity Catalog; use `SINGLE_USER` or `USER_ISOLATION`"),
        None => "a cluster without `data_security_mode` may be one that cannot read Unity Catalog; say `SINGLE_USER` or `USER_ISOLATION`".to_owned(),
    };
    let severity = if mode.is_some() {
        Severity::Error
    } else {
        Severity::Warning
    };
    reader.finding(
        &fragment,
        0..fragment.text().len(),
        severity,
        Doubt::new(CLUSTER_MODE, message),
    );
}
