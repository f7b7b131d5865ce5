//! The resources that a JSON file holds: one in a file of a repository, many in an ARM template.

use super::evaluate::{self, Nothing};
use super::expression::{self, Syntax, Text};
use crate::format::tree::{Id, Kind, Tree};

/// What a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum ResourceKind {
    Pipeline,
    Dataset,
    LinkedService,
    Trigger,
    DataFlow,
    /// The factory itself, for its global parameters.
    Factory,
}

/// A resource in a tree.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) kind: ResourceKind,
    /// Its name, as others refer to it.
    pub(crate) name: String,
    /// The whole of it.
    pub(crate) root: Id,
    /// Its `properties`.
    pub(crate) properties: Id,
    /// Whether its texts are ARM expressions first.
    pub(crate) arm: bool,
}

/// The resources of a file; none if it is no file of a factory. `asset` names a resource that has no name of its own.
pub(crate) fn resources(tree: &Tree, asset: &str) -> Vec<Resource> {
    let mut found = Vec::new();
    for root in tree.roots() {
        if is_template(tree, *root) {
            template(tree, *root, &mut found);
        } else if let Some(resource) = single(tree, *root, asset) {
            found.push(resource);
        }
    }
    found
}

/// Whether a value is an ARM template.
pub(crate) fn is_template(tree: &Tree, root: Id) -> bool {
    let schema = tree
        .text_at(root, &["$schema"])
        .unwrap_or_default()
        .to_lowercase();
    schema.contains("deploymenttemplate") && tree.get(root, "resources").is_some()
}

fn single(tree: &Tree, root: Id, asset: &str) -> Option<Resource> {
    let properties = tree
        .get(root, "properties")
        .filter(|id| tree.node(*id).kind == Kind::Map)?;
    let by_type = tree.text_at(root, &["type"]).and_then(kind_of_type);
    let kind = by_type.or_else(|| kind_of_shape(tree, properties, asset))?;
    let file = asset.rsplit('/').next().unwrap_or(asset);
    let stem = file.strip_suffix(".json").unwrap_or(file);
    let name = tree.text_at(root, &["name"]).unwrap_or(stem).to_owned();
    Some(Resource {
        kind,
        name,
        root,
        properties,
        arm: false,
    })
}

/// A repository keeps one kind of resource in a folder; without such a folder the properties tell.
fn kind_of_shape(tree: &Tree, properties: Id, asset: &str) -> Option<ResourceKind> {
    let has = |key: &str| tree.get(properties, key).is_some();
    let kind = tree.text_at(properties, &["type"]).unwrap_or_default();
    if has("activities") {
        return Some(ResourceKind::Pipeline);
    }
    if kind.ends_with("DataFlow") || kind == "Flowlet" {
        return Some(ResourceKind::DataFlow);
    }
    if kind.ends_with("Trigger") || has("pipelines") && has("runtimeState") {
        return Some(ResourceKind::Trigger);
    }
    if has("globalParameters") {
        return Some(ResourceKind::Factory);
    }
    if has("linkedServiceName") {
        return Some(ResourceKind::Dataset);
    }
    let folder = asset.to_lowercase().replace('\\', "/");
    let in_folder = |name: &str| {
        folder
            .split('/')
            .rev()
            .nth(1)
            .is_some_and(|found| found == name)
    };
    if has("typeProperties")
        && (has("connectVia") || in_folder("linkedservice") || in_folder("linkedservices"))
    {
        return Some(ResourceKind::LinkedService);
    }
    if in_folder("dataset") && has("typeProperties") {
        return Some(ResourceKind::Dataset);
    }
    let known = super::system::of_type(kind) != super::system::System::Unknown;
    (has("typeProperties") && known).then_some(ResourceKind::LinkedService)
}

fn kind_of_type(kind: &str) -> Option<ResourceKind> {
    let kind = kind.to_lowercase();
    let (service, kind) = kind.rsplit_once('/')?;
    match (service, kind) {
        ("microsoft.datafactory", "factories") => return Some(ResourceKind::Factory),
        ("microsoft.datafactory/factories" | "microsoft.synapse/workspaces", _) => {}
        _ => return None,
    }
    match kind {
        "pipelines" => Some(ResourceKind::Pipeline),
        "datasets" => Some(ResourceKind::Dataset),
        "linkedservices" => Some(ResourceKind::LinkedService),
        "triggers" => Some(ResourceKind::Trigger),
        "dataflows" => Some(ResourceKind::DataFlow),
        _ => None,
    }
}

/// The resources of a template, nested templates included.
fn template(tree: &Tree, root: Id, found: &mut Vec<Resource>) {
    let mut lists = vec![(root, String::new())];
    while let Some((holder, prefix)) = lists.pop() {
        let Some(list) = tree.get(holder, "resources") else {
            continue;
        };
        for root in tree.children(list) {
            let own = tree.text_at(*root, &["type"]).unwrap_or_default();
            let whole = if own.contains('/') {
                own.to_owned()
            } else {
                format!("{prefix}{own}")
            };
            lists.push((*root, format!("{whole}/")));
            if let Some(nested) = tree.at(*root, &["properties", "template"]) {
                lists.push((nested, String::new()));
            }
            let (Some(kind), Some(properties)) =
                (kind_of_type(&whole), tree.get(*root, "properties"))
            else {
                continue;
            };
            let name = name_of(tree.text_at(*root, &["name"]).unwrap_or_default());
            found.push(Resource {
                kind,
                name,
                root: *root,
                properties,
                arm: true,
            });
        }
    }
    found.sort_by_key(|resource| resource.root);
}

/// `[concat(parameters('factoryName'), '/Load')]` is called `Load`.
fn name_of(written: &str) -> String {
    let last = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    let Ok(parsed) = expression::parse(written, Syntax::Arm) else {
        return written.to_owned();
    };
    if let Text::Plain(range) = &parsed {
        return last(&written[range.clone()]);
    }
    for built in evaluate::texts(written, &parsed, Syntax::Arm, &Nothing) {
        if let Some(evaluate::Piece::Literal { outer, .. }) = built.pieces.last() {
            return last(&expression::decode(&written[outer.clone()]).0);
        }
    }
    written.to_owned()
}
