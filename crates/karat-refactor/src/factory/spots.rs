//! Every text of a resource, and what it means: the SQL of which system, a notebook's path, a parameter, a description.
//!
//! What a text means is told by where it stands: the type of its activity, of its source or sink, of its linked service. Each
//! text gets exactly one meaning; what no rule knows is [`Meaning::Data`], which a person sees if a mapped name is in it.

use super::resources::{Resource, ResourceKind};
use super::system::{self, System};
use crate::format::tree::{Id, Tree};
use crate::occurrence::NotATable;

/// What a text means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// SQL that a system runs.
    Sql(System),
    /// The path of a notebook.
    Notebook,
    /// A parameter of the notebook whose path is this node.
    NotebookParameter { path: Option<Id>, name: String },
    /// What a variable or parameter of the pipeline is given.
    Value(Holder),
    /// A dataset's database, schema or table: judged together.
    TableName,
    /// No table, whatever it looks like.
    Not(NotATable),
    /// Anything else.
    Data,
}

/// What holds a value for other texts of the same pipeline, by its name in lower case.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    Parameter(String),
    Variable(String),
}

/// A text and what it means.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) id: Id,
    pub(crate) meaning: Meaning,
    /// What `item()` runs over here.
    pub(crate) items: Option<Id>,
}

/// Who knows the types of linked services and datasets.
pub(crate) trait Connections {
    /// The system behind a linked service.
    fn linked_service(&self, name: &str) -> System;
    /// The system behind a dataset.
    fn dataset(&self, name: &str) -> System;
}

/// Activities nested deeper than this are read as data.
const DEPTH_MAX: usize = 48;

/// All texts of a resource, in the order of the file.
pub(crate) fn spots(tree: &Tree, resource: &Resource, connections: &dyn Connections) -> Vec<Spot> {
    let mut walk = Walk {
        tree,
        connections,
        spots: Vec::new(),
        taken: vec![false; tree.ids().len()],
    };
    match resource.kind {
        ResourceKind::Pipeline => walk.pipeline(resource.properties),
        ResourceKind::Dataset => walk.dataset(resource.properties),
        ResourceKind::LinkedService => walk.linked_service(resource.properties),
        ResourceKind::Trigger => walk.trigger(resource.properties),
        ResourceKind::DataFlow => walk.data_flow(resource.properties),
        ResourceKind::Factory => walk.all_under(
            tree.get(resource.properties, "globalParameters"),
            &Meaning::Data,
            None,
        ),
    }
    walk.all(resource.properties, &Meaning::Data, None);
    walk.all(resource.root, &Meaning::Not(NotATable::OtherWord), None);
    walk.spots.sort_by_key(|spot| spot.id);
    walk.spots
}

struct Walk<'t> {
    tree: &'t Tree,
    connections: &'t dyn Connections,
    spots: Vec<Spot>,
    taken: Vec<bool>,
}

impl Walk<'_> {
    fn take(&mut self, id: Id, meaning: Meaning, items: Option<Id>) {
        if !self.taken[id] {
            self.taken[id] = true;
            self.spots.push(Spot { id, meaning, items });
        }
    }

    /// All texts in and under a node that nobody has taken.
    fn all(&mut self, id: Id, meaning: &Meaning, items: Option<Id>) {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            if self.tree.text(id).is_some() {
                self.take(id, meaning.clone(), items);
            }
            waiting.extend(self.tree.children(id));
        }
    }

    fn all_under(&mut self, id: Option<Id>, meaning: &Meaning, items: Option<Id>) {
        if let Some(id) = id {
            self.all(id, meaning, items);
        }
    }

    fn get(&self, id: Id, key: &str) -> Option<Id> {
        self.tree.get(id, key)
    }

    /// What stands around every resource.
    fn frame(&mut self, properties: Id) {
        self.all_under(
            self.get(properties, "description"),
            &Meaning::Not(NotATable::Comment),
            None,
        );
        for key in [
            "folder",
            "annotations",
            "type",
            "concurrency",
            "policy",
            "lastPublishTime",
        ] {
            self.all_under(
                self.get(properties, key),
                &Meaning::Not(NotATable::OtherWord),
                None,
            );
        }
    }

    /// Defaults of parameters and variables.
    fn defaults(&mut self, properties: Id, key: &str, holder: fn(String) -> Holder) {
        let Some(map) = self.get(properties, key) else {
            return;
        };
        for entry in self.tree.children(map) {
            let name = self.tree.key(*entry).unwrap_or_default().to_lowercase();
            self.all_under(
                self.get(*entry, "type"),
                &Meaning::Not(NotATable::OtherWord),
                None,
            );
            self.all(*entry, &Meaning::Value(holder(name)), None);
        }
    }

    fn pipeline(&mut self, properties: Id) {
        self.frame(properties);
        self.defaults(properties, "parameters", Holder::Parameter);
        self.defaults(properties, "variables", Holder::Variable);
        self.activities(self.get(properties, "activities"), None, 0);
    }

    fn activities(&mut self, list: Option<Id>, items: Option<Id>, depth: usize) {
        let Some(list) = list.filter(|_| depth < DEPTH_MAX) else {
            return;
        };
        for activity in self.tree.children(list) {
            self.activity(*activity, items, depth);
        }
    }

    /// The system behind a reference: `{"referenceName": "x", "parameters": {…}}`. Its parameters are data.
    fn referenced(
        &mut self,
        reference: Option<Id>,
        of: fn(&dyn Connections, &str) -> System,
        items: Option<Id>,
    ) -> System {
        let Some(reference) = reference else {
            return System::Unknown;
        };
        let system = match self.tree.text_at(reference, &["referenceName"]) {
            Some(name) => of(self.connections, name),
            None => System::Unknown,
        };
        self.all_under(
            self.get(reference, "referenceName"),
            &Meaning::Not(NotATable::OtherWord),
            items,
        );
        self.all_under(
            self.get(reference, "type"),
            &Meaning::Not(NotATable::OtherWord),
            items,
        );
        self.all_under(self.get(reference, "parameters"), &Meaning::Data, items);
        system
    }

    fn activity(&mut self, activity: Id, items: Option<Id>, depth: usize) {
        let tree = self.tree;
        let kind = tree
            .text_at(activity, &["type"])
            .unwrap_or_default()
            .to_owned();
        self.all_under(
            self.get(activity, "description"),
            &Meaning::Not(NotATable::Comment),
            None,
        );
        for key in [
            "name",
            "type",
            "dependsOn",
            "userProperties",
            "policy",
            "state",
            "onInactiveMarkAs",
        ] {
            self.all_under(
                self.get(activity, key),
                &Meaning::Not(NotATable::OtherWord),
                items,
            );
        }
        let service = self.referenced(
            self.get(activity, "linkedServiceName"),
            |connections, name| connections.linked_service(name),
            items,
        );
        let mut ends = [System::Unknown, System::Unknown];
        for (end, key) in ends.iter_mut().zip(["inputs", "outputs"]) {
            for reference in self
                .get(activity, key)
                .map(|list| tree.children(list))
                .unwrap_or_default()
            {
                *end = self.referenced(
                    Some(*reference),
                    |connections, name| connections.dataset(name),
                    items,
                );
            }
        }
        let Some(properties) = self.get(activity, "typeProperties") else {
            return;
        };
        let data = |walk: &mut Self, key: &str| {
            walk.all_under(walk.get(properties, key), &Meaning::Data, items)
        };
        match kind.to_lowercase().as_str() {
            "foreach" => {
                let list = self.get(properties, "items");
                data(self, "items");
                self.activities(self.get(properties, "activities"), list, depth + 1);
            }
            "until" => {
                data(self, "expression");
                self.activities(self.get(properties, "activities"), items, depth + 1);
            }
            "ifcondition" => {
                data(self, "expression");
                self.activities(self.get(properties, "ifTrueActivities"), items, depth + 1);
                self.activities(self.get(properties, "ifFalseActivities"), items, depth + 1);
            }
            "switch" => {
                data(self, "on");
                for case in self
                    .get(properties, "cases")
                    .map(|list| tree.children(list))
                    .unwrap_or_default()
                {
                    self.activities(self.get(*case, "activities"), items, depth + 1);
                }
                self.activities(self.get(properties, "defaultActivities"), items, depth + 1);
            }
            "copy" => {
                self.end(self.get(properties, "source"), &ends[0], items);
                self.end(self.get(properties, "sink"), &ends[1], items);
                let columns = Meaning::Not(NotATable::StructField);
                self.all_under(self.get(properties, "translator"), &columns, items);
                self.staging(properties, items);
            }
            "lookup" | "getmetadata" | "delete" | "validation" => {
                let dataset = self.referenced(
                    self.get(properties, "dataset"),
                    |connections, name| connections.dataset(name),
                    items,
                );
                self.end(self.get(properties, "source"), &dataset, items);
                self.all_under(
                    self.get(properties, "fieldList"),
                    &Meaning::Not(NotATable::OtherWord),
                    items,
                );
            }
            "script" => {
                for script in self
                    .get(properties, "scripts")
                    .map(|list| tree.children(list))
                    .unwrap_or_default()
                {
                    self.all_under(
                        self.get(*script, "text"),
                        &Meaning::Sql(service.clone()),
                        items,
                    );
                    self.all_under(
                        self.get(*script, "type"),
                        &Meaning::Not(NotATable::OtherWord),
                        items,
                    );
                }
            }
            "sqlserverstoredprocedure" | "sqlpoolstoredprocedure" => {
                self.all_under(
                    self.get(properties, "storedProcedureName"),
                    &Meaning::Not(NotATable::ForeignSource),
                    items,
                );
                self.referenced(
                    self.get(properties, "sqlPool"),
                    |connections, name| connections.linked_service(name),
                    items,
                );
            }
            "databricksnotebook" => {
                let path = self.get(properties, "notebookPath");
                self.all_under(path, &Meaning::Notebook, items);
                self.notebook_parameters(self.get(properties, "baseParameters"), path, items);
                self.all_under(self.get(properties, "libraries"), &Meaning::Data, items);
            }
            "synapsenotebook" => {
                let path = self
                    .get(properties, "notebook")
                    .and_then(|notebook| self.get(notebook, "referenceName"));
                self.all_under(path, &Meaning::Notebook, items);
                self.all_under(
                    self.get(properties, "notebook"),
                    &Meaning::Not(NotATable::OtherWord),
                    items,
                );
                for parameter in self
                    .get(properties, "parameters")
                    .map(|map| tree.children(map))
                    .unwrap_or_default()
                {
                    self.all_under(
                        self.get(*parameter, "type"),
                        &Meaning::Not(NotATable::OtherWord),
                        items,
                    );
                }
                self.notebook_parameters(self.get(properties, "parameters"), path, items);
            }
            "databrickssparkpython" => {
                self.all_under(self.get(properties, "pythonFile"), &Meaning::Data, items);
                self.all_under(self.get(properties, "libraries"), &Meaning::Data, items);
            }
            "databrickssparkjar" => {
                self.all_under(
                    self.get(properties, "mainClassName"),
                    &Meaning::Not(NotATable::Code),
                    items,
                );
                self.all_under(self.get(properties, "libraries"), &Meaning::Data, items);
            }
            "executepipeline" => {
                self.referenced(
                    self.get(properties, "pipeline"),
                    |_, _| System::Unknown,
                    items,
                );
            }
            "executedataflow" => {
                self.referenced(
                    self.get(properties, "dataFlow"),
                    |_, _| System::Unknown,
                    items,
                );
                self.referenced(
                    self.get(properties, "dataflow"),
                    |_, _| System::Unknown,
                    items,
                );
                self.staging(properties, items);
            }
            "setvariable" | "appendvariable" => {
                let name = tree
                    .text_at(properties, &["variableName"])
                    .unwrap_or_default()
                    .to_lowercase();
                self.all_under(
                    self.get(properties, "variableName"),
                    &Meaning::Not(NotATable::OtherWord),
                    items,
                );
                self.all_under(
                    self.get(properties, "value"),
                    &Meaning::Value(Holder::Variable(name)),
                    items,
                );
            }
            "fail" => {
                self.all_under(
                    self.get(properties, "message"),
                    &Meaning::Not(NotATable::Comment),
                    items,
                );
            }
            "webactivity" | "webhook" | "azurefunctionactivity" => {
                for key in ["url", "functionName", "method", "authentication"] {
                    self.all_under(
                        self.get(properties, key),
                        &Meaning::Not(NotATable::HostOrFile),
                        items,
                    );
                }
            }
            _ => {}
        }
        self.all(activity, &Meaning::Data, items);
    }

    fn staging(&mut self, properties: Id, items: Option<Id>) {
        for key in [
            "stagingSettings",
            "staging",
            "redirectIncompatibleRowSettings",
            "logSettings",
            "logStorageSettings",
        ] {
            let Some(settings) = self.get(properties, key) else {
                continue;
            };
            self.all(settings, &Meaning::Not(NotATable::PathSegment), items);
        }
    }

    fn notebook_parameters(&mut self, map: Option<Id>, path: Option<Id>, items: Option<Id>) {
        for entry in map.map(|map| self.tree.children(map)).unwrap_or_default() {
            let name = self.tree.key(*entry).unwrap_or_default().to_owned();
            self.all(*entry, &Meaning::NotebookParameter { path, name }, items);
        }
    }

    /// A source or a sink.
    fn end(&mut self, end: Option<Id>, dataset: &System, items: Option<Id>) {
        let Some(end) = end else { return };
        let by_type = self
            .tree
            .text_at(end, &["type"])
            .map_or(System::Unknown, system::of_type);
        let system = if by_type == System::Unknown {
            dataset.clone()
        } else {
            by_type
        };
        self.all_under(
            self.get(end, "type"),
            &Meaning::Not(NotATable::OtherWord),
            items,
        );
        for child in self.tree.children(end) {
            let key = self.tree.key(*child).unwrap_or_default().to_lowercase();
            if key.ends_with("query") || key == "precopyscript" {
                self.all(*child, &Meaning::Sql(system.clone()), items);
            }
        }
        match system {
            System::Foreign(_) => self.all(end, &Meaning::Not(NotATable::ForeignSource), items),
            System::Files => self.all(end, &Meaning::Not(NotATable::PathSegment), items),
            _ => {
                for key in [
                    "exportSettings",
                    "importSettings",
                    "partitionSettings",
                    "partitionOption",
                ] {
                    self.all_under(
                        self.get(end, key),
                        &Meaning::Not(NotATable::OtherWord),
                        items,
                    );
                }
            }
        }
    }

    fn dataset(&mut self, properties: Id) {
        self.frame(properties);
        let service = self.referenced(
            self.get(properties, "linkedServiceName"),
            |connections, name| connections.linked_service(name),
            None,
        );
        let by_type = self
            .tree
            .text_at(properties, &["type"])
            .map_or(System::Unknown, system::of_type);
        let system = if by_type == System::Unknown {
            service
        } else {
            by_type
        };
        for key in ["schema", "structure"] {
            self.all_under(
                self.get(properties, key),
                &Meaning::Not(NotATable::StructField),
                None,
            );
        }
        self.defaults(properties, "parameters", Holder::Parameter);
        let meaning = match system {
            System::Foreign(_) => Meaning::Not(NotATable::ForeignSource),
            System::Files => Meaning::Not(NotATable::PathSegment),
            System::Databricks | System::Hive | System::Unknown => Meaning::TableName,
        };
        self.all_under(self.get(properties, "typeProperties"), &meaning, None);
    }

    fn linked_service(&mut self, properties: Id) {
        self.frame(properties);
        self.defaults(properties, "parameters", Holder::Parameter);
        self.referenced(
            self.get(properties, "connectVia"),
            |_, _| System::Unknown,
            None,
        );
        let Some(inner) = self.get(properties, "typeProperties") else {
            return;
        };
        for key in [
            "newClusterSparkConf",
            "newClusterSparkEnvVars",
            "newClusterCustomTags",
        ] {
            self.all_under(self.get(inner, key), &Meaning::Data, None);
        }
        for key in ["newClusterInitScripts", "newClusterLogDestination"] {
            self.all_under(self.get(inner, key), &Meaning::Data, None);
        }
        self.all(inner, &Meaning::Not(NotATable::HostOrFile), None);
    }

    fn trigger(&mut self, properties: Id) {
        self.frame(properties);
        for pipeline in self
            .get(properties, "pipelines")
            .map(|list| self.tree.children(list))
            .unwrap_or_default()
        {
            self.referenced(
                self.get(*pipeline, "pipelineReference"),
                |_, _| System::Unknown,
                None,
            );
            self.all_under(self.get(*pipeline, "parameters"), &Meaning::Data, None);
        }
        self.all_under(
            self.get(properties, "typeProperties"),
            &Meaning::Not(NotATable::PathSegment),
            None,
        );
    }

    /// Data flows read and write datasets and files; of all their stores only Hive's holds tables of the metastore.
    fn data_flow(&mut self, properties: Id) {
        self.frame(properties);
        let Some(inner) = self.get(properties, "typeProperties") else {
            return;
        };
        for key in ["sources", "sinks", "transformations"] {
            for part in self
                .get(inner, key)
                .map(|list| self.tree.children(list))
                .unwrap_or_default()
            {
                self.all_under(
                    self.get(*part, "description"),
                    &Meaning::Not(NotATable::Comment),
                    None,
                );
                self.all(*part, &Meaning::Not(NotATable::OtherWord), None);
            }
        }
        let scripts: Vec<Id> = ["script", "scriptLines"]
            .iter()
            .filter_map(|key| self.get(inner, key))
            .collect();
        for script in scripts {
            let lines: Vec<&str> = std::iter::once(script)
                .chain(self.tree.children(script).iter().copied())
                .filter_map(|id| self.tree.text(id))
                .collect();
            let compact: String = lines
                .concat()
                .chars()
                .filter(|letter| !letter.is_whitespace())
                .collect::<String>()
                .to_lowercase();
            let hive = compact.contains("store:'hive'") || compact.contains("store:\"hive\"");
            let meaning = if hive {
                Meaning::Data
            } else {
                Meaning::Not(NotATable::ForeignSource)
            };
            self.all(script, &meaning, None);
        }
    }
}

/// The system behind a dataset with these types.
pub(crate) fn dataset_system(kind: &str, service: System) -> System {
    match system::of_type(kind) {
        System::Unknown => service,
        known => known,
    }
}
