//! Plans every model's expressions and SQL against the schemas that are known, without reading data: what `karat validate` does
//! after the project itself is sound. A model that passed, with the same code over the same inputs, is not planned again.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use karat_exact::fingerprint::schema_text;
use karat_exact::{
    Engine, Purpose, RowExpressions, SqlError, float_columns, refused_in_expression,
    refused_in_query,
};
use karat_lake::Lake;
use karat_project::{
    Feed, Gold, Graph, Model, ModelKind, Place, Project, Silver, SourceKind, TableName, fold_name,
};
use karat_receipt::Digest;

use crate::bronze::{self, PayloadColumn};
use crate::gold::unique_key;
use crate::ingest::ColumnsRead;
use crate::scd::{END_AT, START_AT};
use crate::schedule::columns_read;

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
    /// Planned before: the schema is computed again only if somebody needs it.
    Unread,
    /// A feed without declared columns that was never loaded, or a model over one.
    Unknown,
    /// A model with mistakes: what reads it is not blamed.
    Wrong,
}

struct Node {
    /// Digest of everything that the columns follow from.
    key: String,
    columns: Columns,
}

/// Plans all models, those of one level side by side.
pub fn check(
    project: &Project,
    lake: &Lake,
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
                    kind: karat_exact::SqlErrorKind::Name,
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
        project,
        engine,
        assumed,
    };
    for level in Graph::of(project).levels() {
        let models: Vec<&Model> = level
            .iter()
            .filter_map(|name| project.model(name))
            .collect();
        let mut open: Vec<(&Model, String)> = Vec::new();
        for model in models {
            let inputs: Vec<&Node> = model
                .inputs
                .iter()
                .filter_map(|input| nodes.get(input))
                .collect();
            let key = key_of(model, &inputs, karat_version);
            let blocked = inputs
                .iter()
                .find(|node| matches!(node.columns, Columns::Unknown | Columns::Wrong));
            let columns = match blocked {
                _ if inputs.len() < model.inputs.len() => Columns::Unknown,
                Some(node) => node.columns.clone(),
                None if known_keys.contains(&key) => Columns::Unread,
                None => {
                    open.push((model, key));
                    continue;
                }
            };
            match columns {
                Columns::Unread => {
                    checked.known += 1;
                    checked.keys.insert(key.clone());
                }
                _ => {
                    checked.findings.extend(refused_functions(model));
                    checked.skipped.push(model.name.clone());
                }
            }
            nodes.insert(model.name.clone(), Node { key, columns });
        }
        for (model, _) in &open {
            for input in &model.inputs {
                planner.make_known(&mut nodes, input);
            }
        }
        let chunk = open.len().div_ceil(threads.max(1)).max(1);
        let outcomes: Vec<(TableName, String, Result<SchemaRef, Vec<Finding>>)> =
            std::thread::scope(|scope| {
                let workers: Vec<_> = open
                    .chunks(chunk)
                    .map(|models| {
                        let (planner, nodes) = (&planner, &nodes);
                        scope.spawn(move || {
                            models
                                .iter()
                                .map(|(model, key)| {
                                    let outcome = planner.plan(model, nodes);
                                    (model.name.clone(), key.clone(), outcome)
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
        for (name, key, outcome) in outcomes {
            checked.planned += 1;
            let columns = match outcome {
                Ok(schema) => {
                    checked.keys.insert(key.clone());
                    Columns::Known { schema }
                }
                Err(findings) => {
                    checked.findings.extend(findings);
                    Columns::Wrong
                }
            };
            nodes.insert(name, Node { key, columns });
        }
    }
    checked
}

fn key_of(model: &Model, inputs: &[&Node], karat_version: &str) -> String {
    let mut text = format!(
        "{karat_version}\n{}\nallow_float {}\n",
        model.code_text(),
        model.allow_float.is_some()
    );
    for (name, node) in model.inputs.iter().zip(inputs) {
        text.push_str(&format!("{name} {}\n", node.key));
    }
    Digest::of(text.as_bytes()).to_string()
}

/// The columns of a bronze table: as it is, else as the feed declares them. A database's types are known only from the table.
fn bronze_schema(project: &Project, lake: &Lake, feed: &Feed) -> Option<SchemaRef> {
    let table = lake.table(&feed.bronze.folder());
    // A table that cannot be read is the run's business, and `verify`'s.
    if let Ok(Some(snapshot)) = table.load() {
        return Some(snapshot.schema);
    }
    let columns = feed.columns.as_ref().filter(|_| is_text(project, feed))?;
    let columns: Vec<PayloadColumn> = columns
        .iter()
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

/// All functions of a model that are refused by name; for that no column need be known.
fn refused_functions(model: &Model) -> Vec<Finding> {
    let found = |at: Option<Place>, errors: Vec<SqlError>| {
        errors.into_iter().map(move |error| Finding {
            table: model.name.clone(),
            at,
            error,
        })
    };
    match &model.kind {
        ModelKind::Gold(gold) => found(None, refused_in_query(&gold.sql)).collect(),
        ModelKind::Silver(silver) => {
            let columns = silver.select.iter().map(|column| (&column.sql, column.at));
            let rules = silver.expectations.iter();
            columns
                .chain(rules.filter_map(|rule| Some((rule.sql.as_ref()?, rule.at))))
                .flat_map(|(sql, at)| found(Some(at), refused_in_expression(sql)))
                .collect()
        }
    }
}

struct Planner<'a> {
    project: &'a Project,
    engine: &'a Engine,
    /// Bronze tables whose columns are taken to be there.
    assumed: HashSet<TableName>,
}

impl Planner<'_> {
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
        let columns = match self.plan(model, nodes) {
            Ok(schema) => Columns::Known { schema },
            Err(_) => Columns::Wrong,
        };
        if let Some(node) = nodes.get_mut(table) {
            node.columns = columns;
        }
    }

    fn plan(
        &self,
        model: &Model,
        nodes: &HashMap<TableName, Node>,
    ) -> Result<SchemaRef, Vec<Finding>> {
        let refused = refused_functions(model);
        if !refused.is_empty() {
            return Err(refused);
        }
        let schema = match &model.kind {
            ModelKind::Silver(silver) => self.silver(model, silver, nodes)?,
            ModelKind::Gold(gold) => self.gold(model, gold, nodes)?,
        };
        let floats = float_columns(&schema);
        if floats.is_empty() || model.allow_float.is_some() {
            return Ok(schema);
        }
        let error = SqlError {
            message: format!(
                "`{}` has columns of floating point: {}",
                model.name,
                floats.join(", ")
            ),
            line: None,
            column: None,
            hint: Some(
                "cast to decimal (`decimal_from_double(x)`), or state `allow_float: \"reason\"`"
                    .to_owned(),
            ),
            kind: karat_exact::SqlErrorKind::Refused,
        };
        Err(vec![Finding {
            table: model.name.clone(),
            at: Some(model.at),
            error,
        }])
    }

    fn gold(
        &self,
        model: &Model,
        gold: &Gold,
        nodes: &HashMap<TableName, Node>,
    ) -> Result<SchemaRef, Vec<Finding>> {
        let mut schemas: BTreeMap<String, (SchemaRef, Option<Vec<String>>)> = BTreeMap::new();
        for input in &model.inputs {
            if let Some(Columns::Known { schema }) = nodes.get(input).map(|node| &node.columns) {
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
        self.engine
            .plan_schema(&gold.sql, &schemas, &purpose)
            .map_err(|error| {
                vec![Finding {
                    table: model.name.clone(),
                    at: None,
                    error,
                }]
            })
    }

    fn silver(
        &self,
        model: &Model,
        silver: &Silver,
        nodes: &HashMap<TableName, Node>,
    ) -> Result<SchemaRef, Vec<Finding>> {
        let Some(Columns::Known { schema: bronze }) =
            nodes.get(&silver.from).map(|node| &node.columns)
        else {
            return Ok(Arc::new(Schema::empty()));
        };
        let compile = |input: &SchemaRef, expressions: &[(String, String, Place)]| {
            let texts: Vec<(String, String)> = expressions
                .iter()
                .map(|(name, sql, _)| (name.clone(), sql.clone()))
                .collect();
            RowExpressions::compile(self.engine, input.clone(), &texts).map_err(|errors| {
                errors
                    .into_iter()
                    .map(|(nth, error)| Finding {
                        table: model.name.clone(),
                        at: Some(expressions.get(nth).map_or(model.at, |(_, _, at)| *at)),
                        error,
                    })
                    .collect::<Vec<_>>()
            })
        };
        let select: Vec<(String, String, Place)> = silver
            .select
            .iter()
            .map(|column| (column.name.clone(), column.sql.clone(), column.at))
            .collect();
        let selected = compile(bronze, &select)?.output_schema();
        let rules: Vec<(String, String, Place)> = silver
            .expectations
            .iter()
            .filter_map(|rule| Some((rule.name.clone(), rule.sql.clone()?, rule.at)))
            .collect();
        if !rules.is_empty() {
            let conditions = compile(&selected, &rules)?.output_schema();
            let wrong: Vec<Finding> = rules
                .iter()
                .zip(conditions.fields())
                .filter(|(_, field)| {
                    !matches!(field.data_type(), DataType::Boolean | DataType::Null)
                })
                .map(|((name, _, at), field)| Finding {
                    table: model.name.clone(),
                    at: Some(*at),
                    error: SqlError {
                        message: format!(
                            "expectation `{name}` is a {}, not a condition",
                            karat_exact::type_name(field.data_type())
                        ),
                        line: None,
                        column: None,
                        hint: Some("write an expression that is true or false".to_owned()),
                        kind: karat_exact::SqlErrorKind::Type,
                    },
                })
                .collect();
            if !wrong.is_empty() {
                return Err(wrong);
            }
        }
        let Some(cdc) = &silver.auto_cdc else {
            return Ok(selected);
        };
        // It may name columns that no `select` does: they are known after the first load.
        let deletes = cdc.apply_as_deletes.as_ref();
        if let Some(delete) = deletes.filter(|_| !self.assumed.contains(&silver.from)) {
            let mut fields: Vec<Arc<Field>> = selected.fields().iter().cloned().collect();
            for field in bronze.fields() {
                if selected.field_with_name(field.name()).is_err() {
                    fields.push(field.clone());
                }
            }
            let combined: SchemaRef = Arc::new(Schema::new(fields));
            compile(
                &combined,
                &[("_delete".to_owned(), delete.clone(), model.at)],
            )?;
        }
        if cdc.scd_type != 2 {
            return Ok(selected);
        }
        let dated_by = cdc.valid_from.as_ref().or(cdc.sequence_by.as_ref());
        let range_type = dated_by
            .and_then(|name| selected.field_with_name(name).ok())
            .map_or(DataType::Binary, |field| field.data_type().clone());
        if let Some((what, hint)) = crate::judge::undated_history(cdc, &selected, &range_type) {
            return Err(vec![Finding {
                table: model.name.clone(),
                at: Some(model.at),
                error: SqlError {
                    message: format!("`{}` cannot keep a history: {what}", model.name),
                    line: None,
                    column: None,
                    hint: Some(hint),
                    kind: karat_exact::SqlErrorKind::Type,
                },
            }]);
        }
        let mut fields: Vec<Arc<Field>> = selected.fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new(START_AT, range_type.clone(), true)));
        fields.push(Arc::new(Field::new(END_AT, range_type, true)));
        Ok(Arc::new(Schema::new(fields)))
    }
}
