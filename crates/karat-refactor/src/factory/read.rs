//! Hands the texts of a factory's files to the reader, each as what it means.
//!
//! A text is taken out of its JSON string, out of its ARM expression if it has one, out of its pipeline expression if it has one,
//! and out of the JSON that such an expression may hold; every layer is a [`Fragment`], so that an edit comes back through all of them.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::evaluate::{self, Built, Piece, Place, Quoting, Scope, Use};
use super::expression::{self, Expr, ExprKind, Part, Syntax, Text};
use super::facts::{ArmValues, Factory};
use super::resources::{Resource, ResourceKind, is_template, resources};
use super::spots::{Connections, Holder, Meaning, Spot, spots};
use super::system::System;
use crate::format::suspect::{self, Suspicion};
use crate::format::tree::{Id, Tree};
use crate::fragment::{Escape, Fragment, Refusal};
use crate::language::Language;
use crate::mapping::TableLookup;
use crate::occurrence::{Doubt, Means, NotATable, Role, Severity, Subject, Verdict, rule};
use crate::reader::{Reader, is_called_like_database};
use crate::session::Session;

/// A dataset that has no room for a catalog.
pub(crate) const DELTA_LAKE_DATASET: &str = "adf/delta-lake-dataset";
/// A connector to Hive or Spark that knows no catalogs.
pub(crate) const HIVE_CONNECTOR: &str = "adf/hive-connector";
/// A query whose system cannot be told.
pub(crate) const UNKNOWN_CONNECTION: &str = "adf/unknown-connection";
/// An expression that cannot be read.
pub(crate) const EXPRESSION: &str = "adf/expression";

/// Reads a file of a factory; `false` if it is none.
pub(crate) fn read(reader: &mut Reader<'_>, file: &Arc<Fragment>, tree: &Tree) -> bool {
    let resources = resources(tree, reader.asset);
    let template = tree.roots().iter().any(|root| is_template(tree, *root));
    if resources.is_empty() && !template {
        return false;
    }
    let mut alone = Factory::default();
    let facts = reader.facts;
    let factory = if facts.factory.has(reader.asset) {
        &facts.factory
    } else {
        alone.add_tree(reader.asset, tree);
        &alone
    };
    let arm_values = ArmValues::of(tree);
    let mut done = vec![false; tree.ids().len()];
    for resource in &resources {
        let spots = spots(tree, resource, factory);
        let fed = fed_systems(tree, &spots);
        let mut document = Document {
            reader: &mut *reader,
            file,
            tree,
            factory,
            arm_values: &arm_values,
            resource,
            fed,
        };
        for spot in &spots {
            done[spot.id] = true;
            document.spot(spot);
        }
        if resource.kind == ResourceKind::Dataset {
            document.dataset();
        }
    }
    // What is left of a template: parameters, other resources.
    for id in tree.ids().filter(|id| !done[*id]) {
        if !tree.text(id).is_some_and(suspect::is_worth_reading) {
            continue;
        }
        if let Some(fragment) = tree.fragment(file, id) {
            let arm = template.then_some(&arm_values as &dyn Scope);
            for fragment in deployed(reader, &fragment, arm) {
                suspect::read(reader, &fragment, &data());
            }
        }
    }
    for id in tree.ids() {
        if tree.key(id) == Some("referenceName")
            && let Some(name) = tree.text(id)
            && let Some(parent) = tree.node(id).parent
            && tree
                .text_at(parent, &["type"])
                .is_some_and(|kind| kind.eq_ignore_ascii_case("PipelineReference"))
        {
            reader.call(name, "pipeline");
        }
    }
    for passed in factory.passed_by(reader.asset) {
        reader.passes(&passed.notebook, &passed.parameter, passed.values);
    }
    suspect::keys(reader, file, tree);
    true
}

fn data() -> Suspicion {
    Suspicion::new(
        rule::METADATA,
        "a name in a value of the pipeline; what it is used for is decided elsewhere",
    )
}

fn passed_to_notebook(name: &str) -> Suspicion {
    let message = format!(
        "passed to a notebook as `{name}`; right only if the notebook takes three-part names there, so change both together"
    );
    Suspicion::new(rule::METADATA, message)
}

struct Document<'d, 'e> {
    reader: &'d mut Reader<'e>,
    file: &'d Arc<Fragment>,
    tree: &'d Tree,
    factory: &'d Factory,
    arm_values: &'d ArmValues,
    resource: &'d Resource,
    /// The systems that run what parameters and variables hold; `None` where they are used for more than SQL.
    fed: BTreeMap<Holder, Option<BTreeSet<System>>>,
}

impl Document<'_, '_> {
    fn spot(&mut self, spot: &Spot) {
        let worth = self
            .tree
            .text(spot.id)
            .is_some_and(suspect::is_worth_reading);
        if !worth && spot.meaning != Meaning::Notebook {
            return self.word(spot);
        }
        let Some(fragment) = self.tree.fragment(self.file, spot.id) else {
            return;
        };
        if let Meaning::Not(reason) = spot.meaning {
            return self
                .reader
                .region(&fragment, whole(&fragment), Means::NotATable(reason));
        }
        let arm = self.resource.arm.then_some(self.arm_values as &dyn Scope);
        for text in deployed(self.reader, &fragment, arm) {
            self.text(&text, spot);
        }
    }

    /// A word by itself: a database, if what it is given to reads like one.
    fn word(&mut self, spot: &Spot) {
        let (name, suspicion) = match &spot.meaning {
            Meaning::NotebookParameter { name, .. } => (name.as_str(), passed_to_notebook(name)),
            Meaning::Value(Holder::Parameter(name) | Holder::Variable(name)) => {
                (name.as_str(), data())
            }
            Meaning::Data => (self.tree.key(spot.id).unwrap_or_default(), data()),
            Meaning::Sql(_) | Meaning::Notebook | Meaning::TableName | Meaning::Not(_) => return,
        };
        let system = match &spot.meaning {
            Meaning::Value(holder) => self.fed.get(holder).cloned().flatten(),
            _ => None,
        };
        let is_foreign = |system: &System| matches!(system, System::Foreign(_) | System::Files);
        let in_queries = match &system {
            Some(systems) if systems.iter().all(is_foreign) => return,
            Some(systems) => systems.iter().all(|system| *system == System::Databricks),
            None => false,
        };
        let Some(fragment) = self.tree.fragment(self.file, spot.id) else {
            return;
        };
        // What only queries read is judged there: its names get the catalog in front.
        if in_queries {
            if is_called_like_database(name) && self.reader.mapping.knows_database(fragment.text())
            {
                let reason = NotATable::NamePart;
                self.reader.not_a_table(&fragment, whole(&fragment), reason);
            }
            return;
        }
        suspect::database(self.reader, &fragment, name, &suspicion);
    }

    /// A text as the factory gets it.
    fn text(&mut self, text: &Arc<Fragment>, spot: &Spot) {
        let parsed = match expression::parse(text.text(), Syntax::DataFactory) {
            Ok(parsed) => parsed,
            Err(error) => {
                let message = format!(
                    "this begins like an expression, and cannot be read: {}",
                    error.message
                );
                return suspect::read(self.reader, text, &Suspicion::new(EXPRESSION, message));
            }
        };
        if parsed == Text::Plain(0..text.text().len()) {
            return self.meaning(text, spot);
        }
        let items = spot.items.map(|items| self.tree.value(items));
        let key = self.resource.name.to_lowercase();
        let pipeline = (self.resource.kind == ResourceKind::Pipeline).then_some(key.as_str());
        let view = self.factory.view(pipeline, items.as_ref());
        let builts = evaluate::texts(text.text(), &parsed, Syntax::DataFactory, &view);
        if !matches!(parsed, Text::Plain(_)) {
            code(self.reader, text, &parsed);
        }
        for built in builts {
            let fragment = fragment_of(text, &built, "pipeline expression");
            match built.used {
                Use::Value => self.meaning(&fragment, spot),
                Use::Json => self.json(&fragment, spot),
                Use::Label => self.reader.region(
                    &fragment,
                    whole(&fragment),
                    Means::NotATable(NotATable::Code),
                ),
                Use::Argument(function) => {
                    let message = format!(
                        "a name in an argument of `{function}`; what becomes of it is decided when the pipeline runs"
                    );
                    suspect::read(
                        self.reader,
                        &fragment,
                        &Suspicion::new(rule::METADATA, message),
                    );
                }
            }
        }
    }

    /// Text that an expression reads as JSON.
    fn json(&mut self, text: &Arc<Fragment>, spot: &Spot) {
        let Ok(tree) = Tree::json(text.text()) else {
            return suspect::read(self.reader, text, &data());
        };
        for id in tree.ids() {
            let Some(inner) = tree.fragment(text, id) else {
                continue;
            };
            let meaning = match tree.key(id) {
                Some(key) if key.eq_ignore_ascii_case("notebookPath") => Meaning::Notebook,
                _ => match &spot.meaning {
                    Meaning::NotebookParameter { .. } | Meaning::Notebook => spot.meaning.clone(),
                    _ => Meaning::Data,
                },
            };
            self.meaning(
                &inner,
                &Spot {
                    id: spot.id,
                    meaning,
                    items: spot.items,
                },
            );
        }
    }

    fn meaning(&mut self, text: &Arc<Fragment>, spot: &Spot) {
        match &spot.meaning {
            Meaning::Sql(system) => self.sql(text, system),
            Meaning::Value(holder) => match self.fed.get(holder) {
                Some(Some(systems))
                    if systems
                        .iter()
                        .all(|system| matches!(system, System::Foreign(_) | System::Files)) =>
                {
                    self.reader.region(
                        text,
                        whole(text),
                        Means::NotATable(NotATable::ForeignSource),
                    );
                }
                Some(Some(systems))
                    if systems.iter().all(|system| *system == System::Databricks)
                        && is_statement(text.text()) =>
                {
                    self.sql(text, &System::Databricks);
                }
                _ => suspect::read(self.reader, text, &data()),
            },
            Meaning::Notebook => {
                self.reader.region(
                    text,
                    whole(text),
                    Means::NotATable(NotATable::WorkspacePath),
                );
                if !text.text().is_empty() && !crate::fragment::has_placeholder(text.text()) {
                    self.reader.call(text.text(), "notebook activity");
                }
            }
            Meaning::NotebookParameter { name, .. } => {
                suspect::read(self.reader, text, &passed_to_notebook(name));
            }
            Meaning::TableName => {
                let suspicion = match self.tree.text_at(self.resource.properties, &["type"]) {
                    Some(kind) if super::system::of_type(kind) == System::Databricks => {
                        delta_lake(&[])
                    }
                    Some(kind) => hive(kind),
                    None => data(),
                };
                suspect::read(self.reader, text, &suspicion);
            }
            Meaning::Not(reason) => {
                self.reader
                    .region(text, whole(text), Means::NotATable(*reason))
            }
            Meaning::Data => suspect::read(self.reader, text, &data()),
        }
    }

    fn sql(&mut self, text: &Arc<Fragment>, system: &System) {
        match system {
            System::Databricks => {
                // Each query has a session of its own.
                let session = std::mem::replace(&mut self.reader.session, Session::new());
                self.reader.read(text, Language::Sql);
                self.reader.session = session;
            }
            System::Foreign(_) | System::Files => {
                self.reader.region(
                    text,
                    whole(text),
                    Means::NotATable(NotATable::ForeignSource),
                );
            }
            System::Hive => suspect::read(self.reader, text, &hive("Hive")),
            System::Unknown => {
                let message = "which system runs this query cannot be told from the files; if it is Databricks, the new name is right";
                suspect::read(
                    self.reader,
                    text,
                    &Suspicion::new(UNKNOWN_CONNECTION, message),
                );
            }
        }
    }

    /// A dataset of tables: what it names as a whole.
    fn dataset(&mut self) {
        let tree = self.tree;
        let kind = tree
            .text_at(self.resource.properties, &["type"])
            .unwrap_or_default();
        let service = tree
            .text_at(
                self.resource.properties,
                &["linkedServiceName", "referenceName"],
            )
            .unwrap_or_default();
        let Some(inner) = tree.get(self.resource.properties, "typeProperties") else {
            return;
        };
        let system = match super::system::of_type(kind) {
            System::Unknown => self.factory.linked_service(service),
            known => known,
        };
        if !matches!(system, System::Databricks | System::Hive) {
            return;
        }
        let first = |keys: &[&str]| keys.iter().find_map(|key| tree.get(inner, key));
        let database = first(&["database", "schema"]);
        let table = first(&["table", "tableName"]);
        let names = |id: Option<Id>| id.map(|id| self.values(id)).unwrap_or_default();
        let (databases, tables) = (names(database), names(table));
        let mut old = Vec::new();
        let mut candidates = Vec::new();
        for database in &databases {
            for table in &tables {
                match self.reader.mapping.table(database, table) {
                    TableLookup::Mapped(new) => candidates.push(new.sql()),
                    TableLookup::Contradiction(several) => {
                        candidates.extend(several.iter().map(|new| new.sql()))
                    }
                    TableLookup::NotMapped | TableLookup::UnknownDatabase => {}
                }
                old.push(format!(
                    "{}.{}",
                    database.to_lowercase(),
                    table.to_lowercase()
                ));
            }
        }
        let suspicion = match system {
            System::Databricks => delta_lake(&candidates),
            _ => hive(kind),
        };
        let Some(place) = database.or(table) else {
            return;
        };
        let Some(fragment) = self.place(place) else {
            return;
        };
        let doubt = Doubt::new(suspicion.rule, suspicion.message);
        if old.is_empty() {
            return self
                .reader
                .finding(&fragment, whole(&fragment), Severity::Warning, doubt);
        }
        let verdict = Verdict::NeedsPerson {
            doubt,
            candidates,
            suggestion: Vec::new(),
        };
        let old = if old.len() == 1 { old.pop() } else { None };
        self.reader.occurrence(
            &fragment,
            whole(&fragment),
            Subject::Table,
            Role::Name,
            old,
            verdict,
        );
    }

    /// The text at a node, or in its expression object.
    fn place(&self, id: Id) -> Option<Arc<Fragment>> {
        let id = self.tree.get(id, "value").unwrap_or(id);
        self.tree.fragment(self.file, id)
    }

    fn values(&self, id: Id) -> BTreeSet<String> {
        let id = self.tree.get(id, "value").unwrap_or(id);
        let Some(text) = self.tree.text(id) else {
            return BTreeSet::new();
        };
        let Ok(parsed) = expression::parse(text, Syntax::DataFactory) else {
            return BTreeSet::new();
        };
        let view = self.factory.view(None, None);
        evaluate::values(text, &parsed, Syntax::DataFactory, &view).texts()
    }
}

fn delta_lake(candidates: &[String]) -> Suspicion {
    let catalog = candidates
        .first()
        .and_then(|name| name.split('.').next())
        .unwrap_or("<catalog>");
    let name = candidates
        .first()
        .map_or("<catalog>.<schema>.<table>", String::as_str);
    Suspicion::new(
        DELTA_LAKE_DATASET,
        format!(
            "this dataset type has a database and a table, and no field for a catalog; it is never edited. What works: in a source, give the activity a query \
             (`select * from {name}`); in a sink, let the linked service use a cluster of its own with `spark.databricks.sql.initial.catalog.namespace {catalog}`, \
             or write files and load them in a notebook"
        ),
    )
}

fn hive(kind: &str) -> Suspicion {
    Suspicion::new(
        HIVE_CONNECTOR,
        format!(
            "`{kind}` connects to a metastore without catalogs, and cannot read three-part names; move this reader to Databricks, then write the new name"
        ),
    )
}

/// Whether a text is a statement, not a part of one.
fn is_statement(text: &str) -> bool {
    const BEGINNINGS: &[&str] = &[
        "alter", "analyze", "create", "delete", "desc", "describe", "drop", "insert", "merge",
        "msck", "optimize", "refresh", "select", "show", "truncate", "update", "use", "vacuum",
        "with",
    ];
    let first: String = text
        .trim_start()
        .chars()
        .take_while(char::is_ascii_alphabetic)
        .collect();
    BEGINNINGS.contains(&first.to_ascii_lowercase().as_str())
}

pub(crate) fn whole(fragment: &Fragment) -> Range<usize> {
    0..fragment.text().len()
}

/// The texts that a string of a template becomes when it is deployed; the string itself where there is no template.
fn deployed(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    arm: Option<&dyn Scope>,
) -> Vec<Arc<Fragment>> {
    let Some(scope) = arm else {
        return vec![Arc::clone(fragment)];
    };
    let text = fragment.text();
    let parsed = match expression::parse(text, Syntax::Arm) {
        Ok(Text::Plain(range)) if range == (0..text.len()) => return vec![Arc::clone(fragment)],
        Ok(Text::Plain(range)) => return vec![fragment.part(range, "ARM text")],
        Ok(parsed) => parsed,
        // Square brackets that are no expression: deployed as it stands, or not at all.
        Err(_) => return vec![Arc::clone(fragment)],
    };
    code(reader, fragment, &parsed);
    let mut texts = Vec::new();
    for built in evaluate::texts(text, &parsed, Syntax::Arm, scope) {
        let inner = fragment_of(fragment, &built, "ARM expression");
        match built.used {
            Use::Value | Use::Json => texts.push(inner),
            Use::Label => reader.region(&inner, whole(&inner), Means::NotATable(NotATable::Code)),
            Use::Argument(_) => suspect::read(reader, &inner, &data()),
        }
    }
    texts
}

/// Everything of a string that is code of an expression.
fn code(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, parsed: &Text) {
    let spans: Vec<Range<usize>> = match parsed {
        Text::Plain(_) => Vec::new(),
        Text::Expression(expression) => vec![expression.span.clone()],
        Text::Mixed(parts) => parts
            .iter()
            .filter_map(|part| match part {
                Part::Expression(expression) => Some(expression.span.clone()),
                Part::Text(_) => None,
            })
            .collect(),
    };
    for span in spans {
        reader.region(fragment, span, Means::NotATable(NotATable::Code));
    }
}

/// A literal between single quotes.
#[derive(Clone, Copy, Debug)]
struct QuotedEscape;

impl Escape for QuotedEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        Ok(expression::escape(text))
    }
}

/// Text around `@{…}`.
#[derive(Clone, Copy, Debug)]
struct MixedEscape;

impl Escape for MixedEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        Ok(expression::escape_mixed(text))
    }
}

/// In front of an argument of `concat`: one more argument.
#[derive(Clone, Copy, Debug)]
struct ArgumentEscape;

impl Escape for ArgumentEscape {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        Ok(format!("'{}', ", expression::escape(text)))
    }
}

/// Inside a call that takes no further argument.
#[derive(Clone, Copy, Debug)]
struct NoEscape;

impl Escape for NoEscape {
    fn escape(&self, _text: &str) -> Result<String, Refusal> {
        Err(Refusal("the text is the result of a call".to_owned()))
    }
}

/// A built text as a fragment of the string that builds it.
fn fragment_of(outer: &Arc<Fragment>, built: &Built, what: &'static str) -> Arc<Fragment> {
    let mut builder = outer.inside(what);
    let text = outer.text();
    for piece in &built.pieces {
        match piece {
            Piece::Literal {
                outer: span,
                quoting,
            } => {
                let (mark, plain): (&str, &str) = match quoting {
                    Quoting::Single => {
                        builder.escape(&QuotedEscape);
                        ("''", "'")
                    }
                    Quoting::Bare => {
                        builder.escape(&MixedEscape);
                        ("@@{", "@{")
                    }
                };
                let mut at = span.start;
                while at < span.end {
                    let rest = &text[at..span.end];
                    let length = rest.find(mark).unwrap_or(rest.len());
                    if length > 0 {
                        builder.verbatim(at..at + length);
                    }
                    at += length;
                    if at < span.end {
                        builder.escaped(at..at + mark.len(), plain);
                        at += mark.len();
                    }
                }
            }
            Piece::Hole {
                span,
                possible,
                place,
            } => {
                match place {
                    Place::Argument => builder.escape(&ArgumentEscape),
                    Place::Braces => builder.escape(&MixedEscape),
                    Place::Pattern(Quoting::Single) => builder.escape(&QuotedEscape),
                    Place::Pattern(Quoting::Bare) => builder.escape(&MixedEscape),
                    Place::Inside => builder.escape(&NoEscape),
                };
                let values = if possible.is_complete() {
                    possible.texts().into_iter().collect()
                } else {
                    Vec::new()
                };
                let what: String = text
                    .get(span.clone())
                    .unwrap_or_default()
                    .chars()
                    .take(60)
                    .collect();
                builder.hole(span.clone(), values, &format!("`{what}`"));
            }
        }
    }
    builder.build()
}

/// Which systems run what parameters and variables of a pipeline hold. `None`: they are used for something else as well.
fn fed_systems(tree: &Tree, spots: &[Spot]) -> BTreeMap<Holder, Option<BTreeSet<System>>> {
    let mut fed: BTreeMap<Holder, Option<BTreeSet<System>>> = BTreeMap::new();
    // ARM expressions that build pipeline expressions are not taken apart here: what they may refer to is used for anything.
    let mut unread: Vec<String> = Vec::new();
    // A holder that feeds another one feeds what that one feeds.
    let mut chains: Vec<(Holder, Holder)> = Vec::new();
    for spot in spots {
        let Some(text) = tree
            .text(spot.id)
            .filter(|text| text.contains('@') || text.starts_with('['))
        else {
            continue;
        };
        if text.starts_with('[') && text.contains('@') {
            unread.push(text.to_lowercase());
        }
        for holder in holders(text) {
            match &spot.meaning {
                Meaning::Sql(system) => {
                    if let Some(systems) =
                        fed.entry(holder).or_insert_with(|| Some(BTreeSet::new()))
                    {
                        systems.insert(system.clone());
                    }
                }
                Meaning::Value(into) => chains.push((holder, into.clone())),
                Meaning::Not(NotATable::Comment | NotATable::OtherWord) => {}
                _ => {
                    fed.insert(holder, None);
                }
            }
        }
    }
    for (holder, systems) in &mut fed {
        let (Holder::Parameter(name) | Holder::Variable(name)) = holder;
        if unread.iter().any(|text| text.contains(name.as_str())) {
            *systems = None;
        }
    }
    for _ in 0..chains.len().min(16) {
        for (from, into) in &chains {
            let reached = fed.get(into).cloned().unwrap_or(None);
            let entry = fed
                .entry(from.clone())
                .or_insert_with(|| Some(BTreeSet::new()));
            match (entry.as_mut(), reached) {
                (Some(systems), Some(more)) => systems.extend(more),
                _ => *entry = None,
            }
        }
    }
    fed
}

/// The parameters and variables that a string refers to.
fn holders(text: &str) -> Vec<Holder> {
    let mut found = Vec::new();
    let mut waiting: Vec<Expr> = Vec::new();
    match expression::parse(text, Syntax::DataFactory) {
        Ok(Text::Expression(expression)) => waiting.push(expression),
        Ok(Text::Mixed(parts)) => waiting.extend(parts.into_iter().filter_map(|part| match part {
            Part::Expression(expression) => Some(expression),
            Part::Text(_) => None,
        })),
        _ => {}
    }
    while let Some(expression) = waiting.pop() {
        match expression.kind {
            ExprKind::Call { name, arguments } => {
                if name == "variables"
                    && let [argument] = arguments.as_slice()
                    && argument.kind == ExprKind::Text
                {
                    let inside = argument.span.start + 1..argument.span.end - 1;
                    found.push(Holder::Variable(
                        expression::decode(&text[inside]).0.to_lowercase(),
                    ));
                }
                waiting.extend(arguments);
            }
            ExprKind::Member { of, name } => {
                if let ExprKind::Member {
                    of: root,
                    name: group,
                } = &of.kind
                    && group.eq_ignore_ascii_case("parameters")
                    && matches!(&root.kind, ExprKind::Call { name, .. } if name == "pipeline")
                {
                    found.push(Holder::Parameter(name.to_lowercase()));
                }
                waiting.push(*of);
            }
            ExprKind::Index { of, index } => waiting.extend([*of, *index]),
            _ => {}
        }
    }
    found
}
