//! What a factory says as a whole: which systems connections lead to, and what parameters and variables can be.
//!
//! The facts of all files are joined by name, without regard to case, as the factory does it; where two files say different
//! things, both count. A parameter is closed if somebody in the estate starts its pipeline and all that is passed is known: its
//! values are then its default and what is passed. Reading the texts themselves is [`super::read`]'s.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::Value;

use super::evaluate::{self, Possible, Reference, Scope};
use super::expression::{self, Syntax, Text};
use super::resources::{Resource, ResourceKind, is_template, resources};
use super::spots::{Connections, dataset_system};
use super::system::{self, System};
use crate::format::tree::{Id, Tree};
use crate::occurrence::Passed;

/// References are followed through this many values.
const DEPTH_MAX: usize = 8;
/// And no more of them are followed for one question: variables that are made of one another grow without end.
const LOOK_UPS_MAX: usize = 2_000;

/// What the files of a factory say.
#[derive(Clone, Debug, Default)]
pub struct Factory {
    assets: BTreeSet<String>,
    /// Types of linked services.
    linked_services: BTreeMap<String, BTreeSet<String>>,
    datasets: BTreeMap<String, Vec<Dataset>>,
    pipelines: BTreeMap<String, Pipeline>,
    globals: BTreeMap<String, Vec<Value>>,
    notebooks: Vec<NotebookCall>,
}

#[derive(Clone, Debug)]
struct Dataset {
    kind: String,
    linked_service: String,
}

#[derive(Clone, Debug, Default)]
struct Pipeline {
    /// With their defaults.
    parameters: BTreeMap<String, Vec<Value>>,
    /// With their defaults.
    variables: BTreeMap<String, Vec<Value>>,
    /// Whether anything in the estate starts it.
    started: bool,
    given: Vec<(String, Given)>,
    set: Vec<(String, Given)>,
}

/// A value as written, and where its references are to be looked up.
#[derive(Clone, Debug)]
struct Given {
    /// `None`: cannot be told.
    value: Option<Value>,
    /// Key of the pipeline.
    pipeline: Option<String>,
    items: Option<Value>,
}

#[derive(Clone, Debug)]
struct NotebookCall {
    asset: String,
    path: Given,
    parameters: Vec<(String, Given)>,
}

impl Factory {
    /// Whether the factory's files have a global parameter of this name.
    pub(crate) fn has_global(&self, name: &str) -> bool {
        self.globals.contains_key(&name.to_lowercase())
    }

    /// Adds what a JSON file says; files that are no part of a factory say nothing.
    pub fn add(&mut self, asset: &str, text: &str) {
        // Most JSON of an estate is none of a factory's; the keys are cheaper to find than to parse.
        let telling = ["\"properties\"", "\"resources\""];
        if !telling.iter().any(|key| text.contains(key)) {
            return;
        }
        if let Ok(tree) = Tree::json(text) {
            self.add_tree(asset, &tree);
        }
    }

    pub(crate) fn add_tree(&mut self, asset: &str, tree: &Tree) {
        if !self.assets.insert(asset.to_owned()) {
            return;
        }
        for resource in resources(tree, asset) {
            let mut facts = Reading {
                factory: self,
                asset,
                tree,
                arm: resource.arm,
                arm_values: ArmValues::of(tree),
            };
            facts.resource(&resource);
        }
    }

    /// Adds what another one knows, of other files.
    pub fn join(&mut self, other: Factory) {
        self.assets.extend(other.assets);
        for (name, kinds) in other.linked_services {
            self.linked_services.entry(name).or_default().extend(kinds);
        }
        for (name, datasets) in other.datasets {
            self.datasets.entry(name).or_default().extend(datasets);
        }
        for (name, pipeline) in other.pipelines {
            let own = self.pipelines.entry(name).or_default();
            own.started |= pipeline.started;
            own.given.extend(pipeline.given);
            own.set.extend(pipeline.set);
            for (name, values) in pipeline.parameters {
                own.parameters.entry(name).or_default().extend(values);
            }
            for (name, values) in pipeline.variables {
                own.variables.entry(name).or_default().extend(values);
            }
        }
        for (name, values) in other.globals {
            self.globals.entry(name).or_default().extend(values);
        }
        self.notebooks.extend(other.notebooks);
    }

    pub(crate) fn has(&self, asset: &str) -> bool {
        self.assets.contains(asset)
    }

    /// What pipelines pass to notebooks; no values where not all are known.
    pub fn passed(&self) -> Vec<Passed> {
        self.passed_where(|_| true)
    }

    /// What the pipelines of one file pass to notebooks.
    pub fn passed_by(&self, asset: &str) -> Vec<Passed> {
        self.passed_where(|by| by == asset)
    }

    fn passed_where(&self, wanted: impl Fn(&str) -> bool) -> Vec<Passed> {
        let mut passed = Vec::new();
        for call in self.notebooks.iter().filter(|call| wanted(&call.asset)) {
            for notebook in self.possible(&call.path).texts() {
                for (parameter, given) in &call.parameters {
                    let possible = self.possible(given);
                    let values = if possible.is_complete() {
                        possible.texts().into_iter().collect()
                    } else {
                        Vec::new()
                    };
                    passed.push(Passed {
                        notebook: notebook.clone(),
                        parameter: parameter.clone(),
                        values,
                    });
                }
            }
        }
        passed.sort();
        passed.dedup();
        passed
    }

    fn possible(&self, given: &Given) -> Possible {
        self.view(None, None).given(given)
    }

    /// The scope of a pipeline's texts.
    pub(crate) fn view<'f>(
        &'f self,
        pipeline: Option<&'f str>,
        items: Option<&'f Value>,
    ) -> View<'f> {
        View {
            factory: self,
            pipeline,
            items,
            depth: DEPTH_MAX,
            look_ups: Rc::new(Cell::new(LOOK_UPS_MAX)),
        }
    }
}

impl Connections for Factory {
    fn linked_service(&self, name: &str) -> System {
        let kinds = self.linked_services.get(&name.to_lowercase());
        one_system(
            kinds
                .into_iter()
                .flatten()
                .map(|kind| system::of_type(kind)),
        )
    }

    fn dataset(&self, name: &str) -> System {
        let datasets = self.datasets.get(&name.to_lowercase());
        let of = |dataset: &Dataset| {
            dataset_system(&dataset.kind, self.linked_service(&dataset.linked_service))
        };
        one_system(datasets.into_iter().flatten().map(of))
    }
}

/// The system that all agree on; foreign ones agree whatever they are called.
fn one_system(systems: impl Iterator<Item = System>) -> System {
    let mut found: Option<System> = None;
    for system in systems {
        match (&found, &system) {
            (None, _) => found = Some(system),
            (Some(known), _) if *known == system => {}
            (Some(System::Foreign(_)), System::Foreign(_)) => {}
            _ => return System::Unknown,
        }
    }
    found.unwrap_or(System::Unknown)
}

/// Looks references up from inside one pipeline.
pub(crate) struct View<'f> {
    factory: &'f Factory,
    /// Key of the pipeline.
    pipeline: Option<&'f str>,
    /// What `item()` runs over.
    items: Option<&'f Value>,
    depth: usize,
    /// How many are left.
    look_ups: Rc<Cell<usize>>,
}

impl<'f> View<'f> {
    fn deeper<'v>(
        &'v self,
        pipeline: Option<&'v str>,
        items: Option<&'v Value>,
    ) -> Option<View<'v>> {
        let left = self.look_ups.get().checked_sub(1)?;
        self.look_ups.set(left);
        Some(View {
            factory: self.factory,
            pipeline,
            items,
            depth: self.depth.checked_sub(1)?,
            look_ups: Rc::clone(&self.look_ups),
        })
    }

    /// What a value as written can be.
    fn value(&self, value: &Value) -> Possible {
        match value {
            Value::String(text) => match expression::parse(text, Syntax::DataFactory) {
                Ok(parsed) => evaluate::values(text, &parsed, Syntax::DataFactory, self),
                Err(_) => Possible::unknown("an expression that cannot be read"),
            },
            Value::Object(object)
                if object
                    .get("type")
                    .and_then(Value::as_str)
                    .is_some_and(|kind| kind.eq_ignore_ascii_case("expression")) =>
            {
                object.get("value").map_or_else(
                    || Possible::unknown("an empty expression"),
                    |inner| self.value(inner),
                )
            }
            other => Possible::one(other.clone()),
        }
    }

    fn given(&self, given: &Given) -> Possible {
        let Some(value) = &given.value else {
            return Possible::unknown("a value that is set while the pipeline runs");
        };
        match self.deeper(given.pipeline.as_deref(), given.items.as_ref()) {
            Some(view) => view.value(value),
            None => Possible::unknown("a value passed on too often"),
        }
    }

    fn parameter(&self, pipeline: &Pipeline, name: &str) -> Possible {
        let mut possible = Possible::default();
        let key = name.to_lowercase();
        let defaults = pipeline.parameters.get(&key);
        for default in defaults.into_iter().flatten() {
            possible.add(default.clone());
        }
        for (_, given) in pipeline
            .given
            .iter()
            .filter(|(parameter, _)| *parameter == key)
        {
            possible.join(self.given(given));
        }
        if !pipeline.started {
            possible.open.insert(format!(
                "parameter `{name}`: nothing in the estate starts the pipeline"
            ));
        }
        if possible.values.is_empty() {
            possible
                .open
                .insert(format!("parameter `{name}` has no known value"));
        }
        possible
    }
}

impl Scope for View<'_> {
    fn look_up(&self, reference: &Reference) -> Possible {
        let pipeline = self
            .pipeline
            .and_then(|key| self.factory.pipelines.get(key));
        match reference {
            Reference::Parameter(name) => match pipeline {
                Some(pipeline) => self.parameter(pipeline, name),
                None => Possible::unknown(format!("parameter `{name}`")),
            },
            Reference::Global(name) => match self.factory.globals.get(&name.to_lowercase()) {
                Some(values) => {
                    let mut possible = Possible::default();
                    values.iter().for_each(|value| possible.add(value.clone()));
                    possible
                }
                None => Possible::unknown(format!("global parameter `{name}`")),
            },
            Reference::Variable(name) => {
                let key = name.to_lowercase();
                let mut possible = Possible::default();
                if let Some(pipeline) = pipeline {
                    for default in pipeline.variables.get(&key).into_iter().flatten() {
                        possible.add(default.clone());
                    }
                    for (_, given) in pipeline.set.iter().filter(|(variable, _)| *variable == key) {
                        possible.join(self.given(given));
                    }
                }
                if possible.values.is_empty() {
                    possible
                        .open
                        .insert(format!("variable `{name}` has no known value"));
                }
                possible
            }
            Reference::Item => {
                let Some(items) = self.items else {
                    return Possible::unknown("`item()`");
                };
                let Some(view) = self.deeper(self.pipeline, None) else {
                    return Possible::unknown("`item()`");
                };
                let lists = view.value(items);
                let mut possible = Possible {
                    values: Vec::new(),
                    open: lists.open,
                };
                for list in lists.values {
                    match list {
                        Value::Array(values) => {
                            values.into_iter().for_each(|value| possible.add(value))
                        }
                        _ => {
                            possible
                                .open
                                .insert("`item()` of something that is no list".to_owned());
                        }
                    }
                }
                possible
            }
            Reference::System(what) => Possible::unknown(format!("`{what}`")),
            Reference::Activity(name) => Possible::unknown(format!("the output of `{name}`")),
        }
    }
}

/// Parameters and variables of an ARM template: parameters are set anew for every environment, so they stay open.
#[derive(Default)]
pub(crate) struct ArmValues {
    parameters: BTreeMap<String, Value>,
    variables: BTreeMap<String, Value>,
}

impl ArmValues {
    pub(crate) fn of(tree: &Tree) -> Self {
        let mut values = ArmValues::default();
        for root in tree.roots().iter().filter(|root| is_template(tree, **root)) {
            let entries = |key: &str| {
                tree.get(*root, key)
                    .map(|map| tree.children(map))
                    .unwrap_or_default()
            };
            for entry in entries("parameters") {
                if let (Some(name), Some(default)) =
                    (tree.key(*entry), tree.get(*entry, "defaultValue"))
                {
                    values
                        .parameters
                        .insert(name.to_lowercase(), tree.value(default));
                }
            }
            for entry in entries("variables") {
                if let Some(name) = tree.key(*entry) {
                    values
                        .variables
                        .insert(name.to_lowercase(), tree.value(*entry));
                }
            }
        }
        values
    }
}

impl Scope for ArmValues {
    fn look_up(&self, reference: &Reference) -> Possible {
        match reference {
            Reference::Parameter(name) => {
                let mut possible = Possible::unknown(format!("template parameter `{name}`"));
                if let Some(value) = self.parameters.get(&name.to_lowercase()) {
                    possible.add(value.clone());
                }
                possible
            }
            Reference::Variable(name) => match self.variables.get(&name.to_lowercase()) {
                Some(Value::String(text)) if !text.starts_with('[') => {
                    Possible::one(Value::String(text.clone()))
                }
                Some(value) if !value.is_string() => Possible::one(value.clone()),
                _ => Possible::unknown(format!("template variable `{name}`")),
            },
            other => Possible::unknown(format!("{other:?}")),
        }
    }
}

struct Reading<'f> {
    factory: &'f mut Factory,
    asset: &'f str,
    tree: &'f Tree,
    arm: bool,
    arm_values: ArmValues,
}

impl Reading<'_> {
    /// A value as the factory gets it: ARM expressions in it are computed. `None` if one of them is not known.
    fn value(&self, id: Id) -> Option<Value> {
        let mut value = self.tree.value(id);
        if self.arm && !self.deployed(&mut value, 0) {
            return None;
        }
        Some(value)
    }

    fn deployed(&self, value: &mut Value, depth: usize) -> bool {
        if depth > 64 {
            return false;
        }
        match value {
            Value::String(text) => {
                let Ok(parsed) = expression::parse(text, Syntax::Arm) else {
                    return false;
                };
                if parsed == Text::Plain(0..text.len()) {
                    return true;
                }
                let possible = evaluate::values(text, &parsed, Syntax::Arm, &self.arm_values);
                match possible.values.as_slice() {
                    [only] if possible.is_complete() => {
                        *value = only.clone();
                        true
                    }
                    _ => false,
                }
            }
            Value::Array(values) => values
                .iter_mut()
                .all(|value| self.deployed(value, depth + 1)),
            Value::Object(entries) => entries
                .values_mut()
                .all(|value| self.deployed(value, depth + 1)),
            _ => true,
        }
    }

    fn given(&self, id: Id, pipeline: Option<&str>, items: Option<Id>) -> Given {
        Given {
            value: self.value(id),
            pipeline: pipeline.map(str::to_owned),
            items: items.and_then(|items| self.value(items)),
        }
    }

    fn resource(&mut self, resource: &Resource) {
        let tree = self.tree;
        let key = resource.name.to_lowercase();
        let kind = tree
            .text_at(resource.properties, &["type"])
            .unwrap_or_default()
            .to_owned();
        match resource.kind {
            ResourceKind::LinkedService => {
                self.factory
                    .linked_services
                    .entry(key)
                    .or_default()
                    .insert(kind);
            }
            ResourceKind::Dataset => {
                let linked_service = tree
                    .text_at(resource.properties, &["linkedServiceName", "referenceName"])
                    .unwrap_or_default()
                    .to_owned();
                self.factory.datasets.entry(key).or_default().push(Dataset {
                    kind,
                    linked_service,
                });
            }
            ResourceKind::Factory => self.globals(resource.properties),
            ResourceKind::Trigger => self.trigger(resource.properties),
            ResourceKind::Pipeline => self.pipeline(resource.properties, &key),
            ResourceKind::DataFlow => {}
        }
    }

    fn children(&self, id: Option<Id>) -> Vec<Id> {
        id.map(|id| self.tree.children(id).to_vec())
            .unwrap_or_default()
    }

    fn globals(&mut self, properties: Id) {
        for entry in self.children(self.tree.get(properties, "globalParameters")) {
            if let (Some(name), Some(value)) = (
                self.tree.key(entry),
                self.tree.get(entry, "value").and_then(|id| self.value(id)),
            ) {
                self.factory
                    .globals
                    .entry(name.to_lowercase())
                    .or_default()
                    .push(value);
            }
        }
    }

    fn trigger(&mut self, properties: Id) {
        let pipelines = self.children(self.tree.get(properties, "pipelines"));
        // Tumbling windows have one.
        let one = self.tree.get(properties, "pipeline");
        for pipeline in pipelines.into_iter().chain(one) {
            if let Some(name) = self
                .tree
                .text_at(pipeline, &["pipelineReference", "referenceName"])
            {
                let name = name.to_lowercase();
                self.start(&name, self.tree.get(pipeline, "parameters"), None, None);
            }
        }
    }

    fn start(
        &mut self,
        pipeline: &str,
        parameters: Option<Id>,
        from: Option<&str>,
        items: Option<Id>,
    ) {
        let given: Vec<(String, Given)> = self
            .children(parameters)
            .into_iter()
            .map(|entry| {
                (
                    self.tree.key(entry).unwrap_or_default().to_lowercase(),
                    self.given(entry, from, items),
                )
            })
            .collect();
        let pipeline = self
            .factory
            .pipelines
            .entry(pipeline.to_owned())
            .or_default();
        pipeline.started = true;
        pipeline.given.extend(given);
    }

    fn pipeline(&mut self, properties: Id, key: &str) {
        for group in ["parameters", "variables"] {
            for entry in self.children(self.tree.get(properties, group)) {
                let Some(name) = self.tree.key(entry) else {
                    continue;
                };
                let default = self
                    .tree
                    .get(entry, "defaultValue")
                    .and_then(|id| self.value(id));
                let pipeline = self.factory.pipelines.entry(key.to_owned()).or_default();
                let values = match group {
                    "parameters" => pipeline.parameters.entry(name.to_lowercase()).or_default(),
                    _ => pipeline.variables.entry(name.to_lowercase()).or_default(),
                };
                values.extend(default);
            }
        }
        // Activities hold activities; what stands under `items` is what `item()` runs over.
        let mut waiting: Vec<(Id, Option<Id>)> = self
            .tree
            .get(properties, "activities")
            .map(|list| (list, None))
            .into_iter()
            .collect();
        while let Some((list, items)) = waiting.pop() {
            for activity in self.children(Some(list)) {
                let Some(inner) = self.tree.get(activity, "typeProperties") else {
                    continue;
                };
                let kind = self
                    .tree
                    .text_at(activity, &["type"])
                    .unwrap_or_default()
                    .to_lowercase();
                self.activity(&kind, inner, key, items);
                let below = if kind == "foreach" {
                    self.tree.get(inner, "items")
                } else {
                    items
                };
                for name in [
                    "activities",
                    "ifTrueActivities",
                    "ifFalseActivities",
                    "defaultActivities",
                ] {
                    waiting.extend(self.tree.get(inner, name).map(|list| (list, below)));
                }
                for case in self.children(self.tree.get(inner, "cases")) {
                    waiting.extend(self.tree.get(case, "activities").map(|list| (list, below)));
                }
            }
        }
    }

    fn activity(&mut self, kind: &str, inner: Id, key: &str, items: Option<Id>) {
        match kind {
            "executepipeline" => {
                if let Some(name) = self.tree.text_at(inner, &["pipeline", "referenceName"]) {
                    let name = name.to_lowercase();
                    self.start(&name, self.tree.get(inner, "parameters"), Some(key), items);
                }
            }
            "setvariable" | "appendvariable" => {
                let name = self
                    .tree
                    .text_at(inner, &["variableName"])
                    .unwrap_or_default()
                    .to_lowercase();
                let given = match self
                    .tree
                    .get(inner, "value")
                    .filter(|_| kind == "setvariable")
                {
                    Some(value) => self.given(value, Some(key), items),
                    None => Given {
                        value: None,
                        pipeline: None,
                        items: None,
                    },
                };
                self.factory
                    .pipelines
                    .entry(key.to_owned())
                    .or_default()
                    .set
                    .push((name, given));
            }
            "databricksnotebook" => {
                let Some(path) = self.tree.get(inner, "notebookPath") else {
                    return;
                };
                let parameters = self.children(self.tree.get(inner, "baseParameters"));
                let parameters = parameters
                    .into_iter()
                    .map(|entry| {
                        (
                            self.tree.key(entry).unwrap_or_default().to_owned(),
                            self.given(entry, Some(key), items),
                        )
                    })
                    .collect();
                let path = self.given(path, Some(key), items);
                self.factory.notebooks.push(NotebookCall {
                    asset: self.asset.to_owned(),
                    path,
                    parameters,
                });
            }
            "synapsenotebook" => {
                let Some(path) = self.tree.at(inner, &["notebook", "referenceName"]) else {
                    return;
                };
                let parameters = self.children(self.tree.get(inner, "parameters"));
                let parameters = parameters
                    .into_iter()
                    .filter_map(|entry| {
                        Some((
                            self.tree.key(entry)?.to_owned(),
                            self.given(self.tree.get(entry, "value")?, Some(key), items),
                        ))
                    })
                    .collect();
                let path = self.given(path, Some(key), items);
                self.factory.notebooks.push(NotebookCall {
                    asset: self.asset.to_owned(),
                    path,
                    parameters,
                });
            }
            _ => {}
        }
    }
}
