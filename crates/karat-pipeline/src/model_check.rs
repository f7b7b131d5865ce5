//! Plans every model's expressions and SQL against the schemas that are known, without reading data: what `karat validate` does
//! beside reading the files. A project with mistakes is planned as far as it goes: who reads a table that is wrong is not blamed.
//! A model that passed, with the same code over the same inputs, is not planned again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use karat_exact::fingerprint::schema_text;
use karat_exact::{
    Engine, KnownTables, Purpose, RowExpressions, SqlError, SqlErrorKind, doubles_unasked,
    float_columns, output_place, type_name, wrong_calls_in_expression, wrong_calls_in_query,
};
use karat_lake::Lake;
use karat_project::{
    AutoCdc, Check, EventCondition, Expectation, Feed, Gold, Graph, Incremental, Model, ModelKind,
    Place, Project, Silver, SourceKind, Standing, Standings, THIS, TableName, fold_name,
};
use karat_receipt::Digest;

use crate::bronze::{self, PayloadColumn};
use crate::checks::{self, Asking};
use crate::error::PipelineError;
use crate::gold::unique_key;
use crate::increment;
use crate::ingest::ColumnsRead;
use crate::judge::with_spelling;
use crate::scd::{END_AT, START_AT};
use crate::schedule::{columns_read, columns_read_of};

/// One thing wrong with a model's SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The model's table.
    pub table: TableName,
    /// Where in a file of the project; None: in the model's SQL text.
    pub at: Option<Place>,
    /// What is wrong, and where in the text at that place.
    pub error: SqlError,
}

impl From<Finding> for PipelineError {
    fn from(finding: Finding) -> Self {
        Self::Sql {
            at: finding.at,
            table: finding.table.to_string(),
            error: finding.error,
        }
    }
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Checked {
    /// Mistakes, by table.
    pub findings: Vec<Finding>,
    /// Models planned now.
    pub planned: usize,
    /// Models that were planned before, unchanged since.
    pub known: usize,
    /// Models whose input columns nobody knows yet.
    pub skipped: Vec<TableName>,
    /// Keys of all models without a finding, for the next time.
    pub keys: HashSet<String>,
}

/// What is known of a table's columns.
#[derive(Clone)]
enum Columns {
    Known {
        schema: SchemaRef,
    },
    /// Of a model that is wrong elsewhere, or that reads one: the columns hold, the key may not.
    Likely {
        schema: SchemaRef,
    },
    /// Planned before: the schema is computed again only if somebody needs it.
    Unread,
    /// A feed without declared columns that was never loaded, or a model over one.
    Unknown,
    /// A model with mistakes: what reads it is not blamed.
    Wrong,
}

impl Columns {
    fn schema(&self) -> Option<&SchemaRef> {
        match self {
            Columns::Known { schema } | Columns::Likely { schema } => Some(schema),
            Columns::Unread | Columns::Unknown | Columns::Wrong => None,
        }
    }
}

struct Node {
    /// Digest of everything that the columns follow from.
    key: String,
    columns: Columns,
}

/// Plans all models, those of one level side by side. Without a lake, columns are known as far as they are declared.
pub fn check(
    project: &Project,
    standings: &Standings,
    lake: Option<&Lake>,
    engine: &Engine,
    known_keys: &HashSet<String>,
    karat_version: &str,
    threads: usize,
) -> Checked {
    let mut checked = Checked::default();
    let mut nodes: HashMap<TableName, Node> = HashMap::new();
    let reads = columns_read(project);
    let mut assumed = HashSet::new();
    for feed in project.feeds() {
        let mut schema = bronze_schema(project, lake, feed);
        if schema.is_none() && is_text(project, feed) {
            schema = reads.get(&feed.bronze).map(assumed_schema);
            assumed.insert(feed.bronze.clone());
        }
        if let Some(schema) = schema.as_ref().filter(|_| !assumed.contains(&feed.bronze))
            && let Some((message, hint)) = bronze::absent(feed, schema)
        {
            checked.findings.push(Finding {
                table: feed.bronze.clone(),
                at: Some(feed.at),
                error: SqlError {
                    message,
                    line: None,
                    column: None,
                    hint: Some(hint),
                    kind: SqlErrorKind::Name,
                },
            });
        }
        let key = match &schema {
            Some(schema) => Digest::of(schema_text(schema).as_bytes()).to_string(),
            None => String::new(),
        };
        let columns = schema.map_or(Columns::Unknown, |schema| Columns::Known { schema });
        nodes.insert(feed.bronze.clone(), Node { key, columns });
    }
    let planner = Planner {
        standings,
        project,
        engine,
        assumed,
    };
    for level in Graph::of(project).levels() {
        let models: Vec<&Model> = level
            .iter()
            .filter_map(|name| project.model(name))
            .collect();
        let mut open: Vec<(&Model, String, Basis)> = Vec::new();
        for model in models {
            let inputs: Vec<&Node> = model
                .inputs
                .iter()
                .filter_map(|input| nodes.get(input))
                .collect();
            let key = key_of(model, &inputs, karat_version);
            let others: Vec<(&TableName, Option<&Node>)> = model
                .checked_against()
                .into_iter()
                .map(|other| (other, nodes.get(other)))
                .collect();
            let key = with_checks(key, project, model, &others);
            let blocked = inputs
                .iter()
                .find(|node| matches!(node.columns, Columns::Unknown | Columns::Wrong));
            let likely = inputs
                .iter()
                .any(|node| matches!(node.columns, Columns::Likely { .. }));
            let basis = match standings.of(&model.name) {
                Standing::Unresolved => None,
                // A cycle, or a table whose file cannot be read.
                _ if inputs.len() < model.inputs.len() => None,
                Standing::Mistaken | Standing::Gapped => Some(Basis::Doubtful),
                Standing::Sound if likely => Some(Basis::Doubtful),
                Standing::Sound => Some(Basis::Firm),
            };
            let columns = match (basis, blocked) {
                (None, _) => Columns::Unknown,
                (_, Some(node)) => node.columns.clone(),
                (Some(Basis::Firm), None) if known_keys.contains(&key) => Columns::Unread,
                (Some(basis), None) => {
                    open.push((model, key, basis));
                    continue;
                }
            };
            match columns {
                Columns::Unread => {
                    checked.known += 1;
                    checked.keys.insert(key.clone());
                }
                _ => {
                    checked.findings.extend(wrong_calls(model));
                    checked.skipped.push(model.name.clone());
                }
            }
            nodes.insert(model.name.clone(), Node { key, columns });
        }
        for (model, ..) in &open {
            for input in model.comes_after() {
                planner.make_known(&mut nodes, input);
            }
        }
        let chunk = open.len().div_ceil(threads.max(1)).max(1);
        let outcomes: Vec<(TableName, String, Columns, Vec<Finding>)> =
            std::thread::scope(|scope| {
                let workers: Vec<_> = open
                    .chunks(chunk)
                    .map(|models| {
                        let (planner, nodes) = (&planner, &nodes);
                        scope.spawn(move || {
                            models
                                .iter()
                                .map(|(model, key, basis)| {
                                    let (columns, mut findings) =
                                        planner.plan(model, nodes, *basis);
                                    if let Columns::Known { schema } = &columns {
                                        findings.extend(planner.checks(model, schema, nodes));
                                    }
                                    (model.name.clone(), key.clone(), columns, findings)
                                })
                                .collect::<Vec<_>>()
                        })
                    })
                    .collect();
                workers
                    .into_iter()
                    .flat_map(|worker| match worker.join() {
                        Ok(outcomes) => outcomes,
                        Err(panic) => std::panic::resume_unwind(panic),
                    })
                    .collect()
            });
        for (name, key, columns, findings) in outcomes {
            checked.planned += 1;
            if matches!(columns, Columns::Known { .. }) && findings.is_empty() {
                checked.keys.insert(key.clone());
            }
            checked.findings.extend(findings);
            nodes.insert(name, Node { key, columns });
        }
    }
    checked
}

/// The columns of one table, as far as they are declared or loaded; none where nobody knows them.
pub fn columns_of(
    project: &Project,
    lake: Option<&Lake>,
    engine: &Engine,
    table: &TableName,
) -> Result<Option<SchemaRef>, PipelineError> {
    let mut nodes = HashMap::new();
    let mut planner = Planner {
        standings: &Standings::default(),
        project,
        engine,
        assumed: HashSet::new(),
    };
    planner.learn(&mut nodes, lake, table)?;
    Ok(nodes
        .get(table)
        .and_then(|node: &Node| node.columns.schema().cloned()))
}

/// What is wrong with the models that a run would compute, over tables as it will find them: those that it changes as their code says,
/// others as they are.
pub(crate) struct Foreseen<'a> {
    planner: Planner<'a>,
    lake: &'a Lake,
    nodes: HashMap<TableName, Node>,
}

impl<'a> Foreseen<'a> {
    /// Nothing is planned yet. All that the project says is sound.
    pub(crate) fn new(
        project: &'a Project,
        standings: &'a Standings,
        lake: &'a Lake,
        engine: &'a Engine,
    ) -> Self {
        let planner = Planner {
            standings,
            project,
            engine,
            assumed: HashSet::new(),
        };
        Self {
            planner,
            lake,
            nodes: HashMap::new(),
        }
    }

    /// The columns that a table will have.
    pub(crate) fn known(&mut self, table: &TableName, schema: SchemaRef) {
        let columns = Columns::Known { schema };
        self.insert(table, columns);
    }

    fn insert(&mut self, table: &TableName, columns: Columns) {
        let key = String::new();
        let node = Node { key, columns };
        self.nodes.insert(table.clone(), node);
    }

    /// Looks for what is known of a table that no step changes.
    fn look_at(&mut self, table: &TableName) {
        if self.nodes.contains_key(table) {
            return;
        }
        let project = self.planner.project;
        let schema = match project.feed(table) {
            Some(feed) => bronze_schema(project, Some(self.lake), feed),
            // A table that cannot be read has its own error.
            None => match self.lake.table(&table.folder()).load() {
                Ok(Some(snapshot)) => Some(snapshot.schema),
                Ok(None) | Err(_) => None,
            },
        };
        let columns = schema.map_or(Columns::Unknown, |schema| Columns::Known { schema });
        self.insert(table, columns);
    }

    /// The first mistake of a model that the run would compute, if one can be told. Its inputs were asked for before, or no step changes them.
    pub(crate) fn mistake(&mut self, model: &Model) -> Option<PipelineError> {
        for table in model.comes_after() {
            self.look_at(table);
        }
        let nodes = &self.nodes;
        let known = |input| {
            nodes
                .get(input)
                .is_some_and(|node| node.columns.schema().is_some())
        };
        if !model.inputs.iter().all(known) {
            self.insert(&model.name, Columns::Unknown);
            return None;
        }
        let (columns, mut findings) = self.planner.plan(model, nodes, Basis::Firm);
        if let Columns::Known { schema } = &columns {
            findings.extend(self.planner.checks(model, schema, nodes));
        }
        self.insert(&model.name, columns);
        findings.into_iter().next().map(PipelineError::from)
    }
}

/// A `business_day` that is no day.
pub(crate) fn wrong_day(model: &Model, schema: &SchemaRef) -> Option<Finding> {
    let column = model.business_day.as_ref()?;
    let found = schema.field_with_name(column).ok()?.data_type();
    if matches!(found, DataType::Date32 | DataType::Timestamp(..)) {
        return None;
    }
    Some(Finding {
        table: model.name.clone(),
        at: Some(model.at),
        error: SqlError {
            message: format!(
                "`business_day: {column}` is a {}: it must be a date or a timestamp",
                type_name(found)
            ),
            line: None,
            column: None,
            hint: Some("name a column that says to which day a row belongs".to_owned()),
            kind: SqlErrorKind::Name,
        },
    })
}

fn key_of(model: &Model, inputs: &[&Node], karat_version: &str) -> String {
    let mut text = format!(
        "{karat_version}\n{}\nallow_float {}\n",
        model.code_text(),
        model.allow_float.is_some()
    );
    if let ModelKind::Gold(gold) = &model.kind
        && let Some(incremental) = &gold.incremental
    {
        let Incremental { by, rebuild_on, .. } = incremental;
        text.push_str(&format!("incremental {by:?} {rebuild_on:?}\n"));
    }
    if let Some(day) = &model.business_day {
        text.push_str(&format!("business_day {day}\n"));
    }
    for (name, node) in model.inputs.iter().zip(inputs) {
        text.push_str(&format!("{name} {}\n", node.key));
    }
    Digest::of(text.as_bytes()).to_string()
}

/// The same with the model's checks, and the columns of what they read.
fn with_checks(
    key: String,
    project: &Project,
    model: &Model,
    others: &[(&TableName, Option<&Node>)],
) -> String {
    if model.checks.is_empty() {
        return key;
    }
    let mut text = format!("{key}\n{}", project.checks_text(model));
    for (name, node) in others {
        let key = node.map_or("", |node| node.key.as_str());
        text.push_str(&format!("{name} {key}\n"));
    }
    Digest::of(text.as_bytes()).to_string()
}

/// The columns of a bronze table: as it is, else as the feed declares them. A database's types are known only from the table.
fn bronze_schema(project: &Project, lake: Option<&Lake>, feed: &Feed) -> Option<SchemaRef> {
    // A table that cannot be read is the run's business, and `verify`'s.
    if let Some(Ok(Some(snapshot))) = lake.map(|lake| lake.table(&feed.bronze.folder()).load()) {
        return Some(snapshot.schema);
    }
    let pointers = feed.pointers.as_ref();
    let named = pointers.map(|pointers| pointers.iter().map(|(name, _)| name.clone()).collect());
    let columns: Vec<String> = named.or_else(|| feed.columns.clone())?;
    if !is_text(project, feed) {
        return None;
    }
    let columns: Vec<PayloadColumn> = columns
        .iter()
        .chain(&feed.json.document)
        .map(|column| PayloadColumn {
            name: bronze::bronze_name(&fold_name(column), &feed.rename),
            source_name: column.clone(),
            data_type: DataType::Utf8,
        })
        .collect();
    Some(bronze::create_schema(&columns))
}

/// Text formats: every payload column is a string (B3).
fn is_text(project: &Project, feed: &Feed) -> bool {
    is_of_files(project, feed) && feed.format.is_text()
}

/// Whether the feed's rows come from files.
pub(crate) fn is_of_files(project: &Project, feed: &Feed) -> bool {
    matches!(
        project.sources.get(&feed.source).map(|source| &source.kind),
        Some(SourceKind::Files { .. })
    )
}

/// Before the first load of text files: the columns that models read, taken to be there. Their type is known in any case.
fn assumed_schema(reads: &ColumnsRead) -> SchemaRef {
    let columns: Vec<PayloadColumn> = reads
        .iter()
        .filter(|name| !bronze::OWN.contains(&name.as_str()))
        .map(|name| PayloadColumn {
            name: name.clone(),
            source_name: name.clone(),
            data_type: DataType::Utf8,
        })
        .collect();
    bronze::create_schema(&columns)
}

/// All functions that a model calls and that do not exist or are refused; for that no column need be known.
fn wrong_calls(model: &Model) -> Vec<Finding> {
    let found = |at: Option<Place>, errors: Vec<SqlError>| {
        errors.into_iter().map(move |error| Finding {
            table: model.name.clone(),
            at,
            error,
        })
    };
    match &model.kind {
        ModelKind::Gold(gold) => found(None, wrong_calls_in_query(&gold.sql)).collect(),
        ModelKind::Silver(silver) => {
            let columns = silver.select.iter().map(|column| (&column.sql, column.at));
            let rules = silver.expectations.iter();
            let rules = rules.filter_map(|rule| Some((rule.sql.as_ref()?, rule.sql_at)));
            let cdc = silver.auto_cdc.iter();
            let conditions = cdc.flat_map(AutoCdc::conditions);
            let conditions = conditions.map(|condition| (&condition.sql, condition.at));
            columns
                .chain(rules)
                .chain(conditions)
                .flat_map(|(sql, at)| found(Some(at), wrong_calls_in_expression(sql)))
                .collect()
        }
    }
}

/// How much can be said of a model.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// All that it reads and says is sound.
    Firm,
    /// Something around it is wrong: only what stands on its own in its text is told, and no rule about keys and order.
    Doubtful,
}

/// An expression of a silver model: name, text, place.
type Expression = (String, String, Place);

struct Planner<'a> {
    standings: &'a Standings,
    project: &'a Project,
    engine: &'a Engine,
    /// Bronze tables whose columns are taken to be there.
    assumed: HashSet<TableName>,
}

impl Planner<'_> {
    /// Plans a table and what it reads, and nothing else.
    fn learn(
        &mut self,
        nodes: &mut HashMap<TableName, Node>,
        lake: Option<&Lake>,
        table: &TableName,
    ) -> Result<(), PipelineError> {
        if nodes.contains_key(table) {
            return Ok(());
        }
        let columns = if let Some(feed) = self.project.feed(table) {
            let mut schema = bronze_schema(self.project, lake, feed);
            if schema.is_none() && is_text(self.project, feed) {
                let reads = columns_read_of(self.project, table);
                schema = Some(assumed_schema(&reads));
                self.assumed.insert(table.clone());
            }
            schema.map_or(Columns::Unknown, |schema| Columns::Known { schema })
        } else if let Some(model) = self.project.model(table) {
            for input in &model.inputs {
                self.learn(nodes, lake, input)?;
            }
            let known = |input| {
                nodes
                    .get(input)
                    .is_some_and(|node| node.columns.schema().is_some())
            };
            match model.inputs.iter().all(known) {
                false => Columns::Unknown,
                true => {
                    let (columns, findings) = self.plan(model, nodes, Basis::Firm);
                    if let Some(finding) = findings.into_iter().next() {
                        return Err(finding.into());
                    }
                    columns
                }
            }
        } else {
            Columns::Unknown
        };
        let key = String::new();
        nodes.insert(table.clone(), Node { key, columns });
        Ok(())
    }

    /// Plans a model that was not planned again, because something new reads it.
    fn make_known(&self, nodes: &mut HashMap<TableName, Node>, table: &TableName) {
        let unread = nodes
            .get(table)
            .is_some_and(|node| matches!(node.columns, Columns::Unread));
        let Some(model) = self.project.model(table).filter(|_| unread) else {
            return;
        };
        for input in &model.inputs {
            self.make_known(nodes, input);
        }
        let (columns, _) = self.plan(model, nodes, Basis::Firm);
        if let Some(node) = nodes.get_mut(table) {
            node.columns = columns;
        }
    }

    fn plan(
        &self,
        model: &Model,
        nodes: &HashMap<TableName, Node>,
        basis: Basis,
    ) -> (Columns, Vec<Finding>) {
        let mut findings = Vec::new();
        let schema = match &model.kind {
            ModelKind::Silver(silver) => self.silver(model, silver, nodes, basis, &mut findings),
            ModelKind::Gold(gold) => self.gold(model, gold, nodes, &mut findings),
        };
        findings.extend(schema.as_ref().and_then(|schema| wrong_day(model, schema)));
        let standing = self.standings.of(&model.name);
        if basis == Basis::Doubtful {
            let own_is_sound = standing == Standing::Sound;
            findings.retain(|finding| stands_on_its_own(finding, own_is_sound));
        }
        if basis == Basis::Doubtful || !findings.is_empty() {
            findings.extend(wrong_calls(model));
        }
        let mut told: Vec<Finding> = Vec::new();
        for finding in findings {
            if !told.contains(&finding) {
                told.push(finding);
            }
        }
        let columns = match schema {
            Some(schema) if basis == Basis::Firm && told.is_empty() => Columns::Known { schema },
            Some(schema) if standing != Standing::Gapped => Columns::Likely { schema },
            _ => Columns::Wrong,
        };
        (columns, told)
    }

    /// What is wrong with the checks of a model whose columns are known; of one that reads what nobody knows yet nothing is said.
    fn checks(
        &self,
        model: &Model,
        schema: &SchemaRef,
        nodes: &HashMap<TableName, Node>,
    ) -> Vec<Finding> {
        let asking = Asking {
            model,
            schema,
            // Only its type counts.
            logical_time: "2000-01-01T00:00:00Z",
            timezone: &self.project.timezone,
        };
        let own = (schema.clone(), unique_key(self.project, &model.name));
        let mut schemas = BTreeMap::from([
            (THIS.to_owned(), own.clone()),
            (model.name.to_string(), own),
        ]);
        let mut unknown = HashSet::new();
        for table in model.checks.iter().flat_map(|check| &check.reads) {
            match nodes.get(table).and_then(|node| node.columns.schema()) {
                Some(schema) => {
                    let key = unique_key(self.project, table);
                    schemas.insert(table.to_string(), (schema.clone(), key));
                }
                None => drop(unknown.insert(table)),
            }
        }
        let known = |check: &&Check| !check.reads.iter().any(|table| unknown.contains(table));
        let checks = model.checks.iter().filter(known);
        checks
            .flat_map(|check| checks::plan(self.engine, &asking, check, &schemas))
            .map(|(at, error)| Finding {
                table: model.name.clone(),
                at: Some(at),
                error,
            })
            .collect()
    }

    /// Columns of floating point that nobody asked for.
    fn floats(&self, model: &Model, schema: &Schema) -> Option<Finding> {
        let floats = float_columns(schema);
        let first = floats.first().filter(|_| model.allow_float.is_none())?;
        let nth = schema.index_of(first).unwrap_or_default();
        let (at, place) = match &model.kind {
            ModelKind::Gold(gold) => (None, output_place(&gold.sql, nth)),
            ModelKind::Silver(silver) => (silver.select.get(nth).map(|column| column.at), None),
        };
        let (message, hint) = doubles_unasked(&floats);
        let error = SqlError {
            message,
            line: place.map(|place| place.0),
            column: place.map(|place| place.1),
            hint: Some(hint),
            kind: SqlErrorKind::Refused,
        };
        Some(Finding {
            table: model.name.clone(),
            at,
            error,
        })
    }

    fn gold(
        &self,
        model: &Model,
        gold: &Gold,
        nodes: &HashMap<TableName, Node>,
        findings: &mut Vec<Finding>,
    ) -> Option<SchemaRef> {
        let mut schemas = KnownTables::new();
        for input in &model.inputs {
            if let Some(schema) = nodes.get(input).and_then(|node| node.columns.schema()) {
                let key = unique_key(self.project, input);
                schemas.insert(input.to_string(), (schema.clone(), key));
            }
        }
        let purpose = Purpose::Model {
            key: model.key.clone(),
            cluster_by: model.cluster_by.clone(),
            // Float columns are named by the caller.
            allow_float: true,
        };
        match self.engine.plan_schema(&gold.sql, &schemas, &purpose) {
            Ok(schema) => {
                findings.extend(self.floats(model, &schema));
                // Columns that are none are told beside the file.
                let are_columns = |by: &[String]| by.iter().all(|one| gold.columns.contains(one));
                if let Some(incremental) = &gold.incremental
                    && are_columns(&incremental.by)
                {
                    findings.extend(self.incremental(model, gold, incremental, &schemas));
                }
                Some(schema)
            }
            Err(errors) => {
                findings.extend(errors.into_iter().map(|error| Finding {
                    table: model.name.clone(),
                    at: None,
                    error,
                }));
                None
            }
        }
    }

    /// Why a model cannot be kept up to date by the columns that it states.
    fn incremental(
        &self,
        model: &Model,
        gold: &Gold,
        incremental: &Incremental,
        tables: &KnownTables,
    ) -> Vec<Finding> {
        let found = self
            .engine
            .slice_sources(&gold.sql, tables, &incremental.by)
            .map_err(|error| vec![error])
            .and_then(|sources| increment::check(model, incremental, &sources));
        let errors = found.err().unwrap_or_default().into_iter();
        let findings = errors.map(|error| Finding {
            table: model.name.clone(),
            at: Some(incremental.at),
            error: SqlError {
                line: None,
                column: None,
                ..error
            },
        });
        findings.collect()
    }

    /// The schema of the expressions that are sound; of the others the mistakes are told.
    fn compile(
        &self,
        model: &Model,
        input: &SchemaRef,
        expressions: &[Expression],
        findings: &mut Vec<Finding>,
    ) -> SchemaRef {
        let compile = |expressions: &[&Expression]| {
            let texts: Vec<(String, String)> = expressions
                .iter()
                .map(|(name, sql, _)| (name.clone(), sql.clone()))
                .collect();
            RowExpressions::compile(self.engine, input.clone(), &texts)
        };
        let mut sound: Vec<&Expression> = expressions.iter().collect();
        let errors = match compile(&sound) {
            Ok(compiled) => return compiled.output_schema(),
            Err(errors) => errors,
        };
        let mut wrong: HashSet<usize> = HashSet::new();
        for (nth, error) in errors {
            wrong.insert(nth);
            findings.push(Finding {
                table: model.name.clone(),
                at: Some(expressions.get(nth).map_or(model.at, |(_, _, at)| *at)),
                error: with_spelling(error, input),
            });
        }
        let mut nth = 0..;
        sound.retain(|_| nth.next().is_some_and(|nth| !wrong.contains(&nth)));
        match compile(&sound) {
            Ok(compiled) => compiled.output_schema(),
            Err(_) => Arc::new(Schema::empty()),
        }
    }

    /// The model's columns; None if a mistake keeps them from being known.
    fn silver(
        &self,
        model: &Model,
        silver: &Silver,
        nodes: &HashMap<TableName, Node>,
        basis: Basis,
        findings: &mut Vec<Finding>,
    ) -> Option<SchemaRef> {
        let bronze = nodes.get(&silver.from)?.columns.schema()?;
        let select: Vec<Expression> = silver
            .select
            .iter()
            .map(|column| (column.name.clone(), column.sql.clone(), column.at))
            .collect();
        let selected = self.compile(model, bronze, &select, findings);
        // Who names a column that is wrong, or that `select` does not have, is judged when it is mended.
        let is_known = |name: &String| selected.field_with_name(name).is_ok();
        let rules: Vec<Expression> = silver
            .expectations
            .iter()
            .filter(|rule| rule.reads.iter().all(is_known))
            .filter_map(|rule| Some((rule.name.clone(), rule.sql.clone()?, rule.sql_at)))
            .collect();
        if !rules.is_empty() {
            let conditions = self.compile(model, &selected, &rules, findings);
            findings.extend(unconditional(model, &silver.expectations, &conditions));
        }
        let whole = selected.fields().len() == silver.select.len();
        let judged = whole && basis == Basis::Firm;
        findings.extend(self.floats(model, &selected).filter(|_| judged));
        let Some(cdc) = &silver.auto_cdc else {
            return whole.then_some(selected);
        };
        // It may name columns that no `select` does: they are known after the first load.
        for condition in cdc.conditions() {
            let calls = wrong_calls_in_expression(&condition.sql);
            let calls = calls.into_iter().map(|error| Finding {
                table: model.name.clone(),
                at: Some(condition.at),
                error,
            });
            findings.extend(calls);
        }
        for condition in cdc.conditions().filter(|_| whole) {
            let assumed = self.assumed.contains(&silver.from);
            let mut fields: Vec<Arc<Field>> = selected.fields().iter().cloned().collect();
            for field in bronze.fields().iter().filter(|_| !assumed) {
                if selected.field_with_name(field.name()).is_err() {
                    fields.push(field.clone());
                }
            }
            let combined: SchemaRef = Arc::new(Schema::new(fields));
            let sql = condition.sql.clone();
            let expression = [("_condition".to_owned(), sql, condition.at)];
            let mut mistakes = Vec::new();
            let compiled = self.compile(model, &combined, &expression, &mut mistakes);
            findings.extend(mistakes.into_iter().filter(|_| !assumed));
            findings.extend(no_condition(model, condition, &compiled));
        }
        let feed = self.project.feeds().find(|feed| feed.bronze == silver.from);
        let undated = feed.and_then(|feed| {
            crate::judge::undated_deletes(cdc, feed, is_of_files(self.project, feed), &selected)
        });
        if let Some((what, hint)) = undated.filter(|_| basis == Basis::Firm) {
            findings.push(Finding {
                table: model.name.clone(),
                at: Some(model.at),
                error: SqlError {
                    message: format!("`{}` cannot order deletes: {what}", model.name),
                    line: None,
                    column: None,
                    hint: Some(hint),
                    kind: SqlErrorKind::Type,
                },
            });
        }
        let by_text = crate::judge::ordered_by_text(silver, &selected);
        findings.extend(
            by_text
                .filter(|_| basis == Basis::Firm)
                .map(|(at, error)| Finding {
                    table: model.name.clone(),
                    at: Some(at),
                    error,
                }),
        );
        let version = match crate::snapshots::version_of(cdc) {
            Ok(version) => version,
            Err((what, hint)) => {
                findings.push(Finding {
                    table: model.name.clone(),
                    at: cdc.snapshots.as_ref().map(|snapshots| snapshots.at),
                    error: SqlError {
                        message: format!("`{}` cannot date its snapshots: {what}", model.name),
                        line: None,
                        column: None,
                        hint: Some(hint),
                        kind: SqlErrorKind::Type,
                    },
                });
                return None;
            }
        };
        if cdc.scd_type != 2 {
            return whole.then_some(selected);
        }
        let dated_by = cdc.valid_from.as_ref().or(cdc.sequence_by.first());
        let dated_by_type = dated_by
            .and_then(|name| selected.field_with_name(name).ok())
            .map(|field| field.data_type().clone());
        if dated_by.is_some() && dated_by_type.is_none() {
            return None;
        }
        let range_type = match &cdc.snapshots {
            Some(_) => crate::snapshots::range_type(version.as_ref()),
            None => dated_by_type.unwrap_or(DataType::Binary),
        };
        let undated = crate::judge::undated_history(cdc, &selected, &range_type);
        if let Some((what, hint)) = undated.filter(|_| basis == Basis::Firm) {
            findings.push(Finding {
                table: model.name.clone(),
                at: Some(model.at),
                error: SqlError {
                    message: format!("`{}` cannot keep a history: {what}", model.name),
                    line: None,
                    column: None,
                    hint: Some(hint),
                    kind: SqlErrorKind::Type,
                },
            });
            return None;
        }
        let mut fields: Vec<Arc<Field>> = selected.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(START_AT, range_type.clone(), true)));
        fields.push(Arc::new(Field::new(END_AT, range_type, true)));
        whole.then(|| Arc::new(Schema::new(fields)))
    }
}

/// An `apply_as_deletes` or the like that is no condition; `compiled` holds its type, if it is sound.
fn no_condition(model: &Model, condition: &EventCondition, compiled: &Schema) -> Option<Finding> {
    let found = compiled.fields().first()?.data_type();
    let error = crate::judge::is_no_condition(condition.word, found)?;
    Some(Finding {
        table: model.name.clone(),
        at: Some(condition.at),
        error,
    })
}

/// Expectations that are no conditions; `compiled` holds the types of those that are sound.
fn unconditional(model: &Model, rules: &[Expectation], compiled: &Schema) -> Vec<Finding> {
    let wrong = |rule: &Expectation| {
        let field = compiled.field_with_name(&rule.name).ok()?;
        if matches!(field.data_type(), DataType::Boolean | DataType::Null) {
            return None;
        }
        Some(Finding {
            table: model.name.clone(),
            at: Some(rule.sql_at),
            error: SqlError {
                message: format!(
                    "expectation `{}` is a {}, not a condition",
                    rule.name,
                    karat_exact::type_name(field.data_type())
                ),
                line: None,
                column: None,
                hint: Some("write an expression that is true or false".to_owned()),
                kind: SqlErrorKind::Type,
            },
        })
    };
    rules.iter().filter_map(wrong).collect()
}

/// Whether a mistake is one whatever is wrong around it.
fn stands_on_its_own(finding: &Finding, own_is_sound: bool) -> bool {
    // An expression over one row has no order and no key.
    if finding.at.is_some() {
        return true;
    }
    // What concerns the text as a whole may follow from a mistake that was told.
    let of_the_text = own_is_sound || finding.error.line.is_some();
    of_the_text && matches!(finding.error.kind, SqlErrorKind::Name | SqlErrorKind::Type)
}
