//! One SELECT, from text to rows: parsed, planned, guarded, ordered, run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DataFusionError};
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::logical_expr::expr::InSubquery;
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::sql::parser::Statement as DataFusionStatement;
use datafusion::sql::sqlparser::ast::Statement;
use datafusion::sql::sqlparser::parser::{Parser, ParserError};
use datafusion::sql::sqlparser::tokenizer::Token;
use futures::FutureExt;

use crate::BatchStream;
use crate::aliases::{meant, tables_apart};
use crate::bags::counted;
use crate::carried::{Carried, carried, may_lack_a_rule};
use crate::chains::balanced;
use crate::conversion::whole_days;
use crate::dialect::{DEPTH, Understood, tokens};
use crate::domains::over_domains;
use crate::engine::Engine;
use crate::error::{ExactError, SqlError, SqlErrorKind};
use crate::memory;
use crate::missing::mistakes;
use crate::order::{Unknown, complete, order_answer};
use crate::origins::of_row;
use crate::outcome::outcome;
use crate::outputs::{output_place, title_all, written_titles};
use crate::panics::{caught, caught_in};
use crate::parameters::Parameters;
use crate::plan_text;
use crate::session::{ClockUse, clock_use, is_of_one_name, sql_error};
use crate::sets::over_columns;
use crate::slices::{Slice, SliceSources, sliced, sources};
use crate::slips::{corrected, lists_of_one};
use crate::spellings::{by_own_names, in_our_spelling};
use crate::subqueries::joinable;
use crate::tables::{FileSet, SCHEMA, Tables, one_zero, tables_read};
use crate::types::{float_columns, type_name};
use crate::walks::{Walk, WalkPlan};
use crate::words::in_our_words;
use crate::zones::at_time_zone_as_call;

/// Provenance columns, which no model may read (B2).
const PROVENANCE: [&str; 4] = ["_run", "_loaded_at", "_epoch", "_delivery"];

/// What a query is for: a model is held to more rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A table will hold the answer.
    Model {
        /// Columns that identify its rows.
        key: Option<Vec<String>>,
        /// Columns that its rows are ordered by first.
        cluster_by: Vec<String>,
        /// Whether it may hold doubles.
        allow_float: bool,
    },
    /// Somebody looks at the answer.
    Query {
        /// Refuse what is not provably deterministic, as for a model.
        strict: bool,
    },
}

/// A planned query.
pub struct Prepared {
    state: SessionState,
    plan: LogicalPlan,
    /// The same with errors as values, if something in it can fail.
    carried: Option<Result<Carried, String>>,
    schema: SchemaRef,
    tables: BTreeSet<String>,
    clock: ClockUse,
    notes: Vec<String>,
}

/// What tells where a row of an answer comes from.
pub struct Origins {
    /// The row once more, computed from the rows that stand behind it.
    pub again: Prepared,
    /// Tables, and their distinct rows that stand behind it. A table that is joined twice is there twice.
    pub tables: Vec<(String, Prepared)>,
    /// Tables that are read as well, and whose part in it cannot be told.
    pub untold: Vec<String>,
}

impl Prepared {
    /// Columns of the answer.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// Tables that it reads, `schema.table`, sorted.
    pub fn tables_read(&self) -> Vec<String> {
        self.tables.iter().cloned().collect()
    }

    /// What the answer takes from the logical time (A7).
    pub fn clock_use(&self) -> ClockUse {
        self.clock
    }

    /// What a person should know, for example that an order was completed.
    pub fn notes(&self) -> Vec<String> {
        self.notes.clone()
    }

    /// The plan as it will run.
    pub(crate) async fn physical(&self) -> Result<Arc<dyn ExecutionPlan>, ExactError> {
        let plan = caught_in(memory::physical(&self.state, &self.plan)).await?;
        plan.map_err(cannot_run)
    }

    /// With the plan that carries errors as values; a query of which nobody can say whether it fails is refused.
    fn carrying(mut self, sql: &str) -> Result<Prepared, SqlError> {
        self.carried = match carried(&self.plan, &self.state, sql, &parse(sql)?) {
            Ok(carried) => carried.map(Ok),
            Err(error) if refuses_to_carry(&error) => return Err(sql_error(error, sql)),
            // A plan that DataFusion does not take is one that is never needed, as long as nothing fails.
            Err(error) => Some(Err(outline(&error.strip_backtrace()))),
        };
        Ok(self)
    }

    /// The plan as it will run, one operator a line.
    pub async fn explain(&self) -> Result<Vec<String>, ExactError> {
        Ok(plan_text::lines(self.physical().await?.as_ref()))
    }
}

impl Engine {
    /// Plans a query over tables, or says what is wrong with it.
    pub fn prepare(
        &self,
        sql: &str,
        tables: &Tables,
        purpose: &Purpose,
    ) -> Result<Prepared, SqlError> {
        self.prepare_with(sql, tables, purpose, &Parameters::new())
    }

    /// The same with values for the query's `$names`.
    pub fn prepare_with(
        &self,
        sql: &str,
        tables: &Tables,
        purpose: &Purpose,
        parameters: &Parameters,
    ) -> Result<Prepared, SqlError> {
        caught(|| {
            let state = self.state_over(tables, sql)?;
            let mut statement = parse(sql)?;
            let lists = lists_of_one(&statement);
            parameters.bind(&mut statement, &self.given)?;
            let planned = self
                .planned(&state, statement)
                .map_err(|error| sql_error(error, sql))?;
            let mut prepared = guarded(state, planned, sql, purpose)?.carrying(sql)?;
            prepared.notes.extend(lists);
            Ok(prepared)
        })
        .unwrap_or_else(|panic| Err(sql_error(panic.into(), sql)))
    }

    /// Plans a part of a query's answer, as [`Engine::prepare`] plans the whole: the same rows as among all, by the same rules.
    pub fn prepare_slice(
        &self,
        sql: &str,
        tables: &Tables,
        purpose: &Purpose,
        slice: &Slice,
    ) -> Result<Prepared, SqlError> {
        caught(|| {
            let state = self.state_over(tables, sql)?;
            let planned = self.planned_text(&state, sql)?;
            let sliced = sliced(&planned, slice).map_err(|error| sql_error(error, sql))?;
            guarded(state, sliced, sql, purpose)?.carrying(sql)
        })
        .unwrap_or_else(|panic| Err(sql_error(panic.into(), sql)))
    }

    /// Which tables hold the columns `by` of a query's answer, so that a part of it needs only a part of them, and which do not. Of the
    /// tables only the columns and keys need to be known.
    pub fn slice_sources(
        &self,
        sql: &str,
        tables: &KnownTables,
        by: &[String],
    ) -> Result<SliceSources, SqlError> {
        caught(|| {
            let known = without_files(tables).map_err(|error| sql_error(error.into(), sql))?;
            let state = self.state_over(&known, sql)?;
            let planned = self.planned_text(&state, sql)?;
            sources(&planned, by).map_err(|error| sql_error(error, sql))
        })
        .unwrap_or_else(|panic| Err(sql_error(panic.into(), sql)))
    }

    /// Plans what tells where a row of a query's answer comes from. The row has the answer's columns, in their order.
    pub fn prepare_origins(
        &self,
        sql: &str,
        tables: &Tables,
        row: &RecordBatch,
    ) -> Result<Origins, SqlError> {
        caught(|| {
            let state = self.state_over(tables, sql)?;
            let planned = self.planned_text(&state, sql)?;
            let found = of_row(&planned, row).map_err(|error| sql_error(error, sql))?;
            let purpose = Purpose::Query { strict: false };
            let prepare = |plan| {
                guarded(state.clone(), plan, sql, &purpose).and_then(|one| one.carrying(sql))
            };
            let mut tables = Vec::with_capacity(found.tables.len());
            for (table, plan) in found.tables {
                tables.push((table, prepare(plan)?));
            }
            Ok(Origins {
                again: prepare(found.again)?,
                tables,
                untold: found.untold.into_iter().collect(),
            })
        })
        .unwrap_or_else(|panic| Err(sql_error(panic.into(), sql)))
    }

    /// A model's text, planned with the values that the engine was given.
    fn planned_text(&self, state: &SessionState, sql: &str) -> Result<LogicalPlan, SqlError> {
        let mut statement = parse(sql)?;
        Parameters::new().bind(&mut statement, &self.given)?;
        self.planned(state, statement)
            .map_err(|error| sql_error(error, sql))
    }

    fn state_over(&self, tables: &Tables, sql: &str) -> Result<SessionState, SqlError> {
        let catalog = tables.catalog().map_err(|error| sql_error(error, sql))?;
        Ok(SessionStateBuilder::new_from_existing(self.state.clone())
            .with_catalog_list(catalog)
            .build())
    }

    /// Plans a statement over the tables of a session, in forms that count equal rows and that joins answer.
    fn planned(
        &self,
        state: &SessionState,
        statement: Statement,
    ) -> Result<LogicalPlan, DataFusionError> {
        let plan = match as_written(state, statement.clone()) {
            Err(error) if is_of_one_name(&error) => {
                let mut titled = statement;
                title_all(&mut titled);
                // What cannot be told apart by its text either is told as it was.
                as_written(state, titled).map_err(|_| error)?
            }
            Ok(plan) if takes_a_table_for_a_column(&plan)? => {
                let mut apart = statement;
                title_all(&mut apart);
                tables_apart(&mut apart);
                // One that is a field of a column after all has its own mistake.
                as_written(state, apart).unwrap_or(plan)
            }
            planned => planned?,
        };
        let plan = over_columns(counted(plan)?)?;
        over_domains(joinable(plan, self.settings.rules())?)
    }

    /// Runs a planned query: its rows in their one order.
    pub async fn stream(&self, prepared: &Prepared) -> Result<BatchStream, ExactError> {
        let (state, carried) = (prepared.state.clone(), prepared.carried.clone());
        outcome(state, &prepared.plan, carried, prepared.schema.clone()).await
    }

    /// Columns of a query's answer, planned over tables of which only the columns and keys are known; else all that is wrong with
    /// it, in text order.
    pub fn plan_schema(
        &self,
        sql: &str,
        tables: &KnownTables,
        purpose: &Purpose,
    ) -> Result<SchemaRef, Vec<SqlError>> {
        let one = |error: SqlError| vec![error];
        let known = without_files(tables).map_err(|error| one(sql_error(error.into(), sql)))?;
        let state = self.state_over(&known, sql).map_err(one)?;
        let mut statement = parse(sql).map_err(one)?;
        Parameters::new()
            .bind(&mut statement, &self.given)
            .map_err(one)?;
        match self.planned(&state, statement) {
            Ok(planned) => {
                let prepared = guarded(state, planned, sql, purpose).map_err(one)?;
                let schema = prepared.schema();
                // To look for a rule is as much work as all the rest: it is done where one may be missing.
                if may_lack_a_rule(&prepared.plan) {
                    prepared.carrying(sql).map_err(one)?;
                }
                Ok(schema)
            }
            Err(error) => {
                let mut statement = parse(sql).map_err(one)?;
                Parameters::new()
                    .bind(&mut statement, &self.given)
                    .map_err(one)?;
                let again = |text| self.planned(&state, text).map(drop);
                Err(mistakes(error, &statement, sql, again))
            }
        }
    }
}

/// Columns and key of tables, by name.
pub type KnownTables = BTreeMap<String, (SchemaRef, Option<Vec<String>>)>;

fn without_files(tables: &KnownTables) -> Result<Tables, ExactError> {
    let mut known = Tables::new();
    for (name, (schema, key)) in tables {
        let files = FileSet {
            schema: schema.clone(),
            files: Vec::new(),
            key: key.clone(),
        };
        let (schema, table) = name.split_once('.').unwrap_or((SCHEMA, name));
        known.insert(schema, table, files)?;
    }
    Ok(known)
}

/// Whether `t.k` was read as a field of a column `t` that has none.
fn takes_a_table_for_a_column(plan: &LogicalPlan) -> Result<bool, DataFusionError> {
    let mut found = false;
    plan.walk_with_subqueries(|node| {
        let schema = merge_schema(&node.inputs());
        node.see_expressions(|expr| {
            found |= expr.has(|e| {
                let Expr::ScalarFunction(call) = e else {
                    return Ok(false);
                };
                let of = call
                    .args
                    .first()
                    .filter(|_| call.func.name() == "get_field");
                let of = of.and_then(|of| of.get_type(&schema).ok());
                Ok(of.is_some_and(|of| !of.is_nested()))
            })?;
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

/// Plans a statement over the tables of a session.
fn as_written(
    state: &SessionState,
    mut statement: Statement,
) -> Result<LogicalPlan, DataFusionError> {
    by_own_names(&mut statement, state);
    balanced(&mut statement);
    state
        .statement_to_plan(DataFusionStatement::Statement(Box::new(statement)))
        .now_or_never()
        .unwrap_or_else(|| {
            let why = "a table of the catalog was not at hand".to_owned();
            Err(DataFusionError::from(ExactError::Internal(why)))
        })
}

/// Holds a plan to the rules, and gives its answer one order.
fn guarded(
    state: SessionState,
    planned: LogicalPlan,
    sql: &str,
    purpose: &Purpose,
) -> Result<Prepared, SqlError> {
    refuse_lost_nulls(&planned)?;
    let tables = tables_read(&planned).map_err(|error| sql_error(error, sql))?;
    let clock = plan_clock_use(&planned).map_err(|error| sql_error(error, sql))?;
    if matches!(purpose, Purpose::Model { .. }) {
        refuse_provenance(&planned)?;
    }

    let mut notes = Vec::new();
    let unknown = match purpose {
        Purpose::Model { .. } | Purpose::Query { strict: true } => Unknown::Refuse,
        Purpose::Query { strict: false } => Unknown::AllColumns,
    };
    let first: &[String] = match purpose {
        Purpose::Model {
            key, cluster_by, ..
        } if cluster_by.is_empty() => key.as_deref().unwrap_or_default(),
        Purpose::Model { cluster_by, .. } => cluster_by,
        Purpose::Query { .. } => &[],
    };
    let plan = complete(planned, unknown, &mut notes)
        .and_then(|plan| order_answer(plan, first))
        .and_then(|plan| {
            let options = state.config_options();
            state.analyzer().execute_and_check(plan, options, |_, _| {})
        })
        .map_err(|error| sql_error(error, sql))?;
    notes.dedup();
    let schema = answer_schema(&plan, sql, purpose)?;
    if matches!(purpose, Purpose::Model { .. }) && may_have_no_way(&plan) {
        let way = state.create_physical_plan(&plan).now_or_never();
        if let Some(Err(error)) = way {
            return Err(sql_error(cannot_run(error).into(), sql));
        }
    }
    Ok(Prepared {
        state,
        plan,
        carried: None,
        schema,
        tables,
        clock,
        notes,
    })
}

/// Whether the plan holds what the engine cannot run everywhere: only planning it to the end tells.
fn may_have_no_way(plan: &LogicalPlan) -> bool {
    let unusual = |expr: &Expr| {
        expr.has(|e| {
            Ok(matches!(
                e,
                Expr::ScalarSubquery(_)
                    | Expr::Exists(_)
                    | Expr::InSubquery(_)
                    | Expr::OuterReferenceColumn(..)
            ))
        })
    };
    let windows = |expr: &Expr| expr.has(|e| Ok(matches!(e, Expr::WindowFunction(_))));
    let mut found = false;
    let visited = plan.walk_with_subqueries(|node| {
        let filter = matches!(node, LogicalPlan::Filter(_));
        node.see_expressions(|expr| {
            found |= unusual(expr)? || (filter && windows(expr)?);
            Ok(TreeNodeRecursion::Continue)
        })
    });
    found || visited.is_err()
}

fn refuses_to_carry(error: &DataFusionError) -> bool {
    match error.find_root() {
        DataFusionError::External(inner) => {
            matches!(
                inner.downcast_ref::<ExactError>(),
                Some(ExactError::Refused { .. })
            )
        }
        _ => false,
    }
}

/// What the engine understands and cannot run, like a subquery in a place where it has no join for it.
pub(crate) fn cannot_run(error: DataFusionError) -> ExactError {
    let hint = "write a correlated subquery as a join, a window function inside a subquery, and give each column its own name";
    match error.find_root() {
        DataFusionError::NotImplemented(text) | DataFusionError::Plan(text) => {
            let told = in_our_words(outline(text).as_str());
            match told.hint {
                Some(hint) => ExactError::refused(told.message, hint),
                None => ExactError::refused(
                    format!("the engine has no way to run this query: {}", told.message),
                    hint.to_owned(),
                ),
            }
        }
        DataFusionError::SchemaError(..) => ExactError::refused(
            "the engine has no way to run this query: two of its columns have one name".to_owned(),
            hint.to_owned(),
        ),
        _ => ExactError::from(error),
    }
}

/// The beginning of a message that goes on with a dump of the plan.
fn outline(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    let end = line.find(['(', '{']).unwrap_or(line.len());
    line[..end].trim_end().to_owned()
}

/// Exactly one SELECT, with identifiers folded to lower case, quoted or not (F3).
fn parse(sql: &str) -> Result<Statement, SqlError> {
    let mut parser = Parser::new(&Understood)
        .with_recursion_limit(DEPTH)
        .with_tokens_with_locations(tokens(sql)?);
    let statements = parser
        .parse_statements()
        // It stops before an `end`, as if a block of statements ended there.
        .and_then(|statements| match parser.peek_token() {
            next if next.token == Token::EOF => Ok(statements),
            next => parser.expected("the end of the query", next),
        })
        .map_err(|error| match error {
            ParserError::RecursionLimitExceeded => SqlError {
                message: format!("the query is nested deeper than {DEPTH} levels"),
                line: None,
                column: None,
                hint: Some("split it into several models".to_owned()),
                kind: SqlErrorKind::Syntax,
            },
            error => sql_error(DataFusionError::SQL(Box::new(error), None), sql),
        })?;
    let refused = |message: &str, hint: &str| SqlError {
        message: message.to_owned(),
        line: None,
        column: None,
        hint: Some(hint.to_owned()),
        kind: SqlErrorKind::Refused,
    };
    let mut statements = statements.into_iter();
    match (statements.next(), statements.next()) {
        (Some(mut statement @ Statement::Query(_)), None) => {
            in_our_spelling(&mut statement);
            meant(&mut statement);
            corrected(&mut statement)?;
            at_time_zone_as_call(&mut statement);
            Ok(statement)
        }
        (None, _) => Err(refused("there is no statement", "write one SELECT")),
        (_, Some(_)) => Err(refused(
            "there is more than one statement",
            "write one SELECT, without `;` inside",
        )),
        (Some(_), None) => Err(refused(
            "only SELECT is understood",
            "karat writes tables by `run`; a query reads",
        )),
    }
}

fn plan_clock_use(plan: &LogicalPlan) -> Result<ClockUse, DataFusionError> {
    let mut found = ClockUse::None;
    plan.walk_with_subqueries(|node| {
        node.see_expressions(|expr| {
            found = found.max(clock_use(expr));
            Ok(TreeNodeRecursion::Continue)
        })
    })?;
    Ok(found)
}

fn refuse_provenance(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut named: Option<Column> = None;
    let visited = plan.walk_with_subqueries(|node| {
        node.see_expressions(|expr| {
            expr.walk(|inner| {
                if let Expr::Column(column) = inner
                    && PROVENANCE.contains(&column.name.as_str())
                {
                    named.get_or_insert_with(|| column.clone());
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    });
    visited.map_err(|error| sql_error(error, ""))?;
    let Some(column) = named else { return Ok(()) };
    let at = column.spans().first();
    Err(SqlError {
        message: format!(
            "`{}` says how a row came in, not what it is: no model may read it (B2)",
            column.name
        ),
        line: at.map(|span| span.start.line),
        column: at.map(|span| span.start.column),
        hint: Some("`karat query` may".to_owned()),
        kind: SqlErrorKind::Refused,
    })
}

/// Refuses `in (subquery)` where the engine's answer would take a null for false: it makes a join of it, and only a condition that
/// stands for itself, or `and` and `or` of conditions, come out the same.
fn refuse_lost_nulls(plan: &LogicalPlan) -> Result<(), SqlError> {
    let mut lost: Option<Option<(u64, u64)>> = None;
    let visited = plan.walk_with_subqueries(|node| {
        let filter = matches!(node, LogicalPlan::Filter(_));
        node.see_expressions(|expr| {
            if let Some(found) = lost_null(expr, filter, filter) {
                let span = found
                    .column_refs()
                    .into_iter()
                    .find_map(|c| c.spans().first());
                lost.get_or_insert(span.map(|span| (span.start.line, span.start.column)));
            }
            Ok(TreeNodeRecursion::Continue)
        })
    });
    visited.map_err(|error| sql_error(error, ""))?;
    let Some(at) = lost else { return Ok(()) };
    Err(SqlError {
        message: "`in (select …)` in this place would take an unknown answer for a no".to_owned(),
        line: at.map(|at| at.0),
        column: at.map(|at| at.1),
        hint: Some(
            "write `exists (select 1 from … where …)` or `not exists`, which are never unknown, or let it be a condition of its own"
                .to_owned(),
        ),
        kind: SqlErrorKind::Refused,
    })
}

/// The operand of an `in (subquery)` whose null would be lost. `alone`: the expression is a condition of its own; `positive`: it is
/// reached from one through `and` and `or` only.
fn lost_null(expr: &Expr, alone: bool, positive: bool) -> Option<&Expr> {
    match expr {
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::And,
            right,
        }) => lost_null(left, alone, positive).or_else(|| lost_null(right, alone, positive)),
        Expr::BinaryExpr(BinaryExpr {
            left,
            op: Operator::Or,
            right,
        }) => lost_null(left, false, positive).or_else(|| lost_null(right, false, positive)),
        Expr::Not(inner) => match inner.as_ref() {
            Expr::InSubquery(inside) if !inside.negated => refuses(inside, alone),
            inner => lost_null(inner, false, false),
        },
        Expr::InSubquery(inside) if inside.negated => refuses(inside, alone),
        Expr::InSubquery(inside) => (!positive).then_some(inside.expr.as_ref()),
        other => {
            let mut found = None;
            let visited = other.apply_children(|child| {
                found = found.or_else(|| lost_null(child, false, false));
                Ok(TreeNodeRecursion::Continue)
            });
            visited.ok().and(found)
        }
    }
}

/// `not in` is right as a condition of its own, over a subquery that does not ask for the row.
fn refuses(inside: &InSubquery, alone: bool) -> Option<&Expr> {
    let right = alone && inside.subquery.outer_ref_columns.is_empty();
    (!right).then_some(inside.expr.as_ref())
}

/// The columns that an answer has in a table: standard types, all nullable.
fn answer_schema(plan: &LogicalPlan, sql: &str, purpose: &Purpose) -> Result<SchemaRef, SqlError> {
    let error = |nth, kind, message, hint: &str| {
        let at = output_place(sql, nth);
        SqlError {
            message,
            line: at.map(|at| at.0),
            column: at.map(|at| at.1),
            hint: Some(hint.to_owned()),
            kind,
        }
    };
    let model = match purpose {
        Purpose::Model { allow_float, .. } => Some(*allow_float),
        Purpose::Query { .. } => None,
    };
    let mut fields: Vec<Field> = Vec::new();
    let mut titles = None;
    for (nth, field) in plan.schema().fields().iter().enumerate() {
        let mut name = field.name().as_str();
        if model.is_none() && is_of_the_engine(name) {
            let titles = titles.get_or_insert_with(|| written_titles(sql).unwrap_or_default());
            if titles.len() == plan.schema().fields().len() {
                name = &titles[nth];
            }
        }
        if model.is_some() && !is_column_name(name) {
            return Err(error(
                nth,
                SqlErrorKind::Name,
                format!("the output column `{name}` has no proper name"),
                "name it with AS: small letters, digits and `_`, not beginning with a digit",
            ));
        }
        if model.is_some() && fields.iter().any(|other| other.name() == name) {
            return Err(error(
                nth,
                SqlErrorKind::Name,
                format!("two output columns are called `{name}`"),
                "rename one of them with AS",
            ));
        }
        let shown = match model {
            Some(_) => stored_type(field.data_type()),
            None => shown_type(field.data_type()),
        };
        let data_type = shown.ok_or_else(|| {
            let held = type_name(field.data_type());
            error(
                nth,
                SqlErrorKind::Type,
                format!("the column `{name}` has the type {held}, which no table holds"),
                match field.data_type() {
                    DataType::Decimal256(..) => "cast it to decimal(p, s) with at most 38 digits",
                    DataType::Time32(_) | DataType::Time64(_) => {
                        "write cast(x as time), which has microseconds; in a model as a text: cast(cast(x as time) as string)"
                    }
                    _ => "cast it to a type that a table holds",
                },
            )
        })?;
        if model.is_some() && field.data_type().is_null() {
            return Err(error(
                nth,
                SqlErrorKind::Type,
                format!("the column `{name}` has no type: it is always null"),
                "cast it, for example cast(null as string)",
            ));
        }
        fields.push(Field::new(name, data_type, true).with_metadata(field.metadata().clone()));
    }
    let schema = Schema::new(fields);
    if model == Some(false)
        && let Some(column) = float_columns(&schema).first()
    {
        let nth = schema.index_of(column).unwrap_or_default();
        let (message, hint) = doubles_unasked(std::slice::from_ref(column));
        return Err(error(nth, SqlErrorKind::Refused, message, &hint));
    }
    Ok(Arc::new(schema))
}

/// What is said of a model whose columns hold doubles without `allow_float` (E3), and what to do.
pub fn doubles_unasked(columns: &[String]) -> (String, String) {
    let message = match columns {
        [one] => format!("the column `{one}` holds doubles, which no model stores unasked"),
        several => format!(
            "the columns `{}` hold doubles, which no model stores unasked",
            several.join("`, `")
        ),
    };
    let hint = "round and cast to decimal, for example decimal_from_double(round(x, 4), 4), or state `allow_float: \"reason\"` in the model";
    (message, hint.to_owned())
}

/// A title that DataFusion made, with types in it: `Utf8("x") || Int64(1)`.
fn is_of_the_engine(name: &str) -> bool {
    let bytes = name.as_bytes();
    name.match_indices('(').any(|(open, _)| {
        let word = bytes[..open]
            .iter()
            .rposition(|byte| !byte.is_ascii_alphanumeric());
        let word = &bytes[word.map_or(0, |at| at + 1)..open];
        word.first().is_some_and(u8::is_ascii_uppercase) && word.iter().any(u8::is_ascii_lowercase)
    })
}

fn is_column_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    name.bytes().all(plain)
        && name
            .bytes()
            .next()
            .is_some_and(|first| !first.is_ascii_digit())
}

/// The type under which a table holds values of this type; None if none does.
fn stored_type(data_type: &DataType) -> Option<DataType> {
    let stored = match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => {
            DataType::Utf8
        }
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => DataType::Binary,
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Decimal256(..) => return None,
        DataType::Date64 => DataType::Date32,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => return None,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Dictionary(_, value) => return stored_type(value),
        DataType::List(item) | DataType::LargeList(item) => {
            DataType::List(Arc::new(stored_field(item)?))
        }
        DataType::Struct(fields) => {
            let fields: Option<Vec<Field>> =
                fields.iter().map(|field| stored_field(field)).collect();
            DataType::Struct(fields?.into())
        }
        DataType::Boolean
        | DataType::Int8
        | DataType::Int16
        | DataType::Int32
        | DataType::Int64
        | DataType::Float32
        | DataType::Float64
        | DataType::Decimal128(..)
        | DataType::Date32 => data_type.clone(),
        _ => return None,
    };
    Some(stored)
}

/// The type in which somebody sees values of this type: that of a table, and times, intervals and maps, which no table holds.
fn shown_type(data_type: &DataType) -> Option<DataType> {
    let shown = |field: &Field| -> Option<Field> {
        let data_type = shown_type(field.data_type())?;
        Some(field.clone().with_data_type(data_type))
    };
    Some(match data_type {
        DataType::Time64(TimeUnit::Microsecond) | DataType::Interval(_) => data_type.clone(),
        DataType::Map(entries, sorted) => {
            let DataType::Struct(pair) = entries.data_type() else {
                return None;
            };
            let pair: Option<Vec<Field>> = pair.iter().map(|field| shown(field)).collect();
            let entries = entries
                .as_ref()
                .clone()
                .with_data_type(DataType::Struct(pair?.into()));
            DataType::Map(Arc::new(entries), *sorted)
        }
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::FixedSizeList(item, _)
        | DataType::ListView(item)
        | DataType::LargeListView(item) => {
            DataType::List(Arc::new(shown(item)?.with_nullable(true)))
        }
        DataType::Struct(fields) => {
            let fields: Option<Vec<Field>> = fields
                .iter()
                .map(|field| Some(shown(field)?.with_nullable(true)))
                .collect();
            DataType::Struct(fields?.into())
        }
        other => return stored_type(other),
    })
}

fn stored_field(field: &Field) -> Option<Field> {
    Some(Field::new(
        field.name(),
        stored_type(field.data_type())?,
        true,
    ))
}

/// A batch in the types of the answer, with one zero and one NaN (E6).
pub(crate) fn normalise(
    batch: &RecordBatch,
    schema: &SchemaRef,
) -> Result<RecordBatch, ExactError> {
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(batch.num_columns());
    for (column, field) in batch.columns().iter().zip(schema.fields()) {
        let column = if column.data_type() == field.data_type() {
            column.clone()
        } else if *column.data_type() == DataType::Date64 {
            let days = whole_days(column);
            if days.failed.is_some() {
                return Err(ExactError::Conversion(field.name().clone()));
            }
            days.array
        } else {
            cast_with_options(column, field.data_type(), &strict)
                .map_err(|_| ExactError::Overflow(field.name().clone()))?
        };
        columns.push(one_zero(column));
    }
    RecordBatch::try_new(schema.clone(), columns).map_err(ExactError::arrow)
}
