//! Expressions over the rows of a batch, where an error is a value (rule E5): each expression gives its values and a mask of the rows
//! on which it failed. No data makes an evaluation fail.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, new_empty_array,
    new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::kernels::zip::zip;
use arrow::compute::{concat, nullif};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, DataFusionError, Result as PlanResult, ScalarValue};
use datafusion::execution::SessionState;
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::{Between, BinaryExpr, Case, InList, ScalarFunction};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Expr, ExprSchemable, Operator};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::sql::sqlparser::ast;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::Token;

use crate::chains::balanced;
use crate::checked::{Checked, Operation, refusal, sql_text, type_error};
use crate::conversion::stored_type;
use crate::dialect::tokens;
use crate::engine::Engine;
use crate::error::{ExactError, SqlError};
use crate::failures::{Failed, Failures, REASONS, code_of};
use crate::functions;
use crate::missing::mistakes;
use crate::numbers::Why;
use crate::parameters::Parameters;
use crate::planning::CheckedExpressions;
use crate::session::{ClockUse, Settings, clock_use, sql_error};
use crate::spellings::{by_own_names, in_our_spelling};
use crate::total;
use crate::walks::{self, Walk};
use crate::zones::at_time_zone_as_call;

/// Expressions over one input schema.
pub struct RowExpressions {
    nodes: Vec<Node>,
    input: SchemaRef,
    output: SchemaRef,
    columns: BTreeSet<String>,
    clock: ClockUse,
    /// What the nodes were built from, and by what.
    planned: Vec<Expr>,
    builder: Nodes,
}

/// What a batch gives: for each expression its values, and the rows on which it failed (their value is null).
pub struct Evaluated {
    /// One array an expression.
    pub columns: Vec<ArrayRef>,
    /// The rows on which it failed; `None` if there are none.
    pub failed: Vec<Option<BooleanBuffer>>,
}

impl RowExpressions {
    /// Plans the expressions (output name, SQL text); errors carry the index of their expression, in text order within it.
    pub fn compile(
        engine: &Engine,
        input: SchemaRef,
        expressions: &[(String, String)],
    ) -> Result<RowExpressions, Vec<(usize, SqlError)>> {
        let given = &engine.given;
        RowExpressions::compile_with(&engine.state, &engine.settings, given, input, expressions)
    }

    pub(crate) fn compile_with(
        state: &SessionState,
        settings: &Settings,
        given: &Parameters,
        input: SchemaRef,
        expressions: &[(String, String)],
    ) -> Result<RowExpressions, Vec<(usize, SqlError)>> {
        let whole = |error: DataFusionError| vec![(0, sql_error(error, ""))];
        let builder = Nodes::new(input.clone(), state.config_options()).map_err(whole)?;
        let compiler = Compiler {
            state,
            rules: CheckedExpressions {
                rules: settings.rules(),
            },
            given,
            nodes: &builder,
        };
        let (mut nodes, mut fields, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut exprs = Vec::new();
        let (mut columns, mut clock) = (BTreeSet::new(), ClockUse::None);
        for (index, (name, sql)) in expressions.iter().enumerate() {
            let parsed = match compiler.parse(sql) {
                Ok(parsed) => parsed,
                Err(error) => {
                    errors.push((index, sql_error(error, sql)));
                    continue;
                }
            };
            let planned = compiler
                .plan(parsed)
                .and_then(|planned| Ok((builder.node(&planned.expr)?, planned)));
            match planned {
                Ok((node, planned)) => {
                    nodes.push(node);
                    fields.push(Field::new(name, planned.data_type, true));
                    columns.extend(planned.columns);
                    clock = clock.max(planned.clock);
                    exprs.push(planned.expr);
                }
                Err(error) => match compiler.parse(sql) {
                    Ok(parsed) => {
                        let again = |text| compiler.plan(text).map(drop);
                        let all = mistakes(error, &parsed, sql, again);
                        errors.extend(all.into_iter().map(|error| (index, error)));
                    }
                    Err(error) => errors.push((index, sql_error(error, sql))),
                },
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(RowExpressions {
            nodes,
            input,
            output: Arc::new(Schema::new(fields)),
            columns,
            clock,
            planned: exprs,
            builder: builder.telling_why(),
        })
    }

    /// The columns that the expressions make, in order.
    pub fn output_schema(&self) -> SchemaRef {
        self.output.clone()
    }

    /// The input columns that some expression reads.
    pub fn columns_used(&self) -> BTreeSet<String> {
        self.columns.clone()
    }

    /// What the expressions take from the run's time.
    pub fn clock_use(&self) -> ClockUse {
        self.clock
    }

    /// The values on a batch of the input schema. Fails only for a reason that is not in the data.
    pub fn evaluate(&self, batch: &RecordBatch) -> Result<Evaluated, ExactError> {
        if batch.num_columns() != self.input.fields().len() {
            return Err(ExactError::Internal(format!(
                "{} columns where the expressions read {}",
                batch.num_columns(),
                self.input.fields().len()
            )));
        }
        let rows = batch.num_rows();
        let mut evaluated = Evaluated {
            columns: Vec::with_capacity(self.nodes.len()),
            failed: Vec::with_capacity(self.nodes.len()),
        };
        for node in &self.nodes {
            let value = node.evaluate(batch)?;
            let array = value.array(rows)?;
            evaluated
                .columns
                .push(blanked(array, value.failed.as_ref())?);
            let failed = value.failed.map(|failed| failed.mask());
            evaluated
                .failed
                .push(failed.filter(|failed| failed.count_set_bits() > 0));
        }
        Ok(evaluated)
    }

    /// Why an expression, of which this is the text, fails on the one row of a batch; None if it does not.
    pub fn error(
        &self,
        expression: usize,
        row: &RecordBatch,
        sql: &str,
    ) -> Result<Option<ExactError>, ExactError> {
        let Some(planned) = self.planned.get(expression) else {
            return Ok(None);
        };
        let value = self.builder.node(planned)?.evaluate(row)?;
        Ok(value.failed.and_then(|failed| failed.error(0, sql)))
    }
}

struct Planned {
    expr: Expr,
    data_type: DataType,
    columns: BTreeSet<String>,
    clock: ClockUse,
}

/// Turns planned expressions over one schema into nodes.
pub(crate) struct Nodes {
    schema: DFSchema,
    input: SchemaRef,
    properties: ExecutionProps,
    /// Columns whose values may be errors, and the column that holds their codes.
    carried: BTreeMap<usize, usize>,
    failures: Option<Arc<Failures>>,
    tells_why: bool,
    /// The columns under their names in the plan, by which it is known which expression is which.
    names: BTreeMap<String, Expr>,
}

struct Compiler<'a> {
    state: &'a SessionState,
    rules: CheckedExpressions,
    given: &'a Parameters,
    nodes: &'a Nodes,
}

/// Folds every identifier of an expression to lower case, quoted or not (rule F3).
struct Fold;

impl ast::VisitorMut for Fold {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut ast::Expr) -> std::ops::ControlFlow<()> {
        let fold = |ident: &mut ast::Ident| {
            ident.value = ident.value.to_lowercase();
        };
        match expr {
            ast::Expr::Identifier(ident) => fold(ident),
            ast::Expr::CompoundIdentifier(idents) => idents.iter_mut().for_each(fold),
            _ => {}
        }
        std::ops::ControlFlow::Continue(())
    }
}

impl Compiler<'_> {
    fn parse(&self, sql: &str) -> PlanResult<ast::Expr> {
        let nested = self.state.config().options().sql_parser.recursion_limit;
        let mut parser = Parser::new(&GenericDialect {})
            .with_recursion_limit(nested.get())
            .with_tokens_with_locations(tokens(sql)?);
        let parsed = parser.parse_expr_with_alias().and_then(|parsed| {
            let next = parser.peek_token();
            match next.token {
                Token::EOF => Ok(parsed),
                _ => parser.expected("end of expression", next),
            }
        });
        let mut parsed = parsed.map_err(|error| DataFusionError::SQL(Box::new(error), None))?;
        if let Some(alias) = &parsed.alias {
            return Err(refusal(
                format!("`as {alias}` inside an expression"),
                Some("the column's name is its key"),
            ));
        }
        Parameters::new().bind(&mut parsed.expr, self.given)?;
        walks::edit(&mut parsed.expr, &mut Fold);
        in_our_spelling(&mut parsed.expr);
        at_time_zone_as_call(&mut parsed.expr);
        Ok(parsed.expr)
    }

    fn plan(&self, mut expr: ast::Expr) -> PlanResult<Planned> {
        by_own_names(&mut expr, self.state);
        balanced(&mut expr);
        let parsed = ast::ExprWithAlias { expr, alias: None };
        let expr = self
            .state
            .create_logical_expr_from_sql_expr(parsed, &self.nodes.schema)?;
        expr.walk(|e| {
            #[expect(deprecated)]
            let what = match e {
                Expr::AggregateFunction(call) => format!(
                    "the aggregate `{}`",
                    call.func.aliases().first().map_or(call.func.name(), |a| a)
                ),
                Expr::WindowFunction(call) => format!("the window function `{}`", call.fun.name()),
                Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_) => "a subquery".to_string(),
                Expr::Wildcard { .. } => "`*`".to_string(),
                Expr::Unnest(_) => "unnest".to_string(),
                Expr::Placeholder(_) => "a placeholder".to_string(),
                _ => return Ok(TreeNodeRecursion::Continue),
            };
            Err(refusal(
                format!("{what} in an expression over one row"),
                Some("compute it in a gold model"),
            ))
        })?;
        let columns = expr
            .column_refs()
            .into_iter()
            .map(|column| column.name.clone())
            .collect();
        let clock = clock_use(&expr);
        let expr = expr
            .walk_up(|e| self.rules.rewrite(e, &self.nodes.schema))?
            .data;
        let context = SimplifyContext::builder()
            .with_schema(Arc::new(self.nodes.schema.clone()))
            .with_config_options(Arc::clone(self.state.config_options()))
            .build();
        let expr = ExprSimplifier::new(context).coerce(expr, &self.nodes.schema)?;
        let expr = expr
            .walk_up(|e| self.rules.rewrite_coerced(e, &self.nodes.schema))?
            .data;
        let found = expr.get_type(&self.nodes.schema)?;
        let data_type = stored_type(&found).map_err(|why| type_error(why, None))?;
        let expr = if found == data_type {
            expr
        } else {
            self.rules.converted(expr, &data_type)
        };
        let expr = expr.walk_up(|e| folded(e, &self.nodes.schema))?.data;
        Ok(Planned {
            expr,
            data_type,
            columns,
            clock,
        })
    }
}

/// A call on literals as its value, unless it fails: then it fails on each row that sees it.
pub(crate) fn folded(expr: Expr, schema: &DFSchema) -> PlanResult<Transformed<Expr>> {
    let Expr::ScalarFunction(call) = &expr else {
        return Ok(Transformed::no(expr));
    };
    let Some(checked) = call.func.inner().downcast_ref::<Checked>() else {
        return Ok(Transformed::no(expr));
    };
    let mut args = Vec::with_capacity(call.args.len());
    for arg in &call.args {
        let Expr::Literal(value, _) = arg else {
            return Ok(Transformed::no(expr));
        };
        args.push(ColumnarValue::Scalar(value.clone()));
    }
    let outcome = checked.apply(&args, 1, &expr.get_type(schema)?)?;
    if outcome.failed.is_some() {
        return Ok(Transformed::no(expr));
    }
    Ok(Transformed::yes(Expr::Literal(
        ScalarValue::try_from_array(&outcome.array, 0)?,
        None,
    )))
}

impl Nodes {
    pub(crate) fn new(input: SchemaRef, config: &Arc<ConfigOptions>) -> PlanResult<Nodes> {
        let mut properties = ExecutionProps::new();
        properties.config_options = Some(Arc::clone(config));
        Ok(Nodes {
            schema: DFSchema::try_from(input.as_ref().clone())?,
            input,
            properties,
            carried: BTreeMap::new(),
            failures: None,
            tells_why: false,
            names: BTreeMap::new(),
        })
    }

    /// The same, of which each row that fails says why.
    fn telling_why(self) -> Nodes {
        Nodes {
            tells_why: true,
            ..self
        }
    }

    /// The same over columns some of which carry errors, naming the expressions that fail.
    pub(crate) fn with_errors(
        self,
        carried: BTreeMap<usize, usize>,
        failures: Arc<Failures>,
        names: BTreeMap<String, Expr>,
    ) -> Nodes {
        Nodes {
            carried,
            failures: Some(failures),
            names,
            ..self
        }
    }

    /// Whether the expression may be an error on some row.
    fn fails(&self, expr: &Expr) -> bool {
        let carries = |column: &Column| self.carries(column);
        can_fail(expr) || (!self.carried.is_empty() && expr.column_refs().into_iter().any(carries))
    }

    /// Whether the column may be an error.
    fn carries(&self, column: &Column) -> bool {
        let index = self.schema.index_of_column(column);
        index.map_or(true, |index| self.carried.contains_key(&index))
    }

    fn code(&self, expr: &Expr) -> PlanResult<i32> {
        let Some(failures) = &self.failures else {
            return Ok(if self.tells_why { REASONS } else { 0 });
        };
        let written = expr.clone().walk_up(|e| {
            let name = match &e {
                Expr::Column(column) => self.names.get(&column.name),
                _ => None,
            };
            Ok(match name {
                Some(name) => Transformed::yes(name.clone()),
                None => Transformed::no(e),
            })
        })?;
        Ok(failures.code(&written.data))
    }

    pub(crate) fn physical(
        &self,
        expr: &Expr,
        schema: &DFSchema,
    ) -> PlanResult<Arc<dyn PhysicalExpr>> {
        let expr = spelled_out(expr.clone())?.data;
        create_physical_expr(
            &expr,
            schema,
            &self.properties,
            &PhysicalPlanningContext::default(),
        )
    }

    pub(crate) fn node(&self, expr: &Expr) -> PlanResult<Node> {
        match expr {
            Expr::Alias(alias) => return self.node(&alias.expr),
            Expr::Column(column) => {
                let index = self.schema.index_of_column(column)?;
                return Ok(match self.carried.get(&index) {
                    Some(error) => Node::Carried {
                        value: index,
                        error: *error,
                    },
                    None => Node::Column(index),
                });
            }
            Expr::Literal(value, _) => return Ok(Node::Literal(value.clone())),
            _ if !self.fails(expr) => {
                let physical = self.physical(expr, &self.schema)?;
                return Ok(Node::Native(Native {
                    inputs: Vec::new(),
                    schema: self.input.clone(),
                    expr: physical,
                    out: expr.get_type(&self.schema)?,
                    code: 0,
                }));
            }
            _ => {}
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::And,
                right,
            }) => Ok(Node::And(
                Box::new(self.node(left)?),
                Box::new(self.node(right)?),
            )),
            Expr::BinaryExpr(BinaryExpr {
                left,
                op: Operator::Or,
                right,
            }) => Ok(Node::Or(
                Box::new(self.node(left)?),
                Box::new(self.node(right)?),
            )),
            Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            }) => {
                let compare = |left: &Expr, op, right: &Expr| {
                    Expr::BinaryExpr(BinaryExpr::new(
                        Box::new(left.clone()),
                        op,
                        Box::new(right.clone()),
                    ))
                };
                let spelled = if *negated {
                    compare(expr, Operator::Lt, low).or(compare(expr, Operator::Gt, high))
                } else {
                    compare(expr, Operator::GtEq, low).and(compare(expr, Operator::LtEq, high))
                };
                self.node(&spelled)
            }
            Expr::InList(InList {
                expr,
                list,
                negated,
            }) if list.iter().any(|item| self.fails(item)) => {
                let (op, join) = if *negated {
                    (Operator::NotEq, Operator::And)
                } else {
                    (Operator::Eq, Operator::Or)
                };
                let tests = list.iter().map(|item| {
                    Expr::BinaryExpr(BinaryExpr::new(expr.clone(), op, Box::new(item.clone())))
                });
                match tests.reduce(|all, test| {
                    Expr::BinaryExpr(BinaryExpr::new(Box::new(all), join, Box::new(test)))
                }) {
                    Some(spelled) => self.node(&spelled),
                    None => Ok(Node::Literal(ScalarValue::Boolean(Some(*negated)))),
                }
            }
            Expr::Case(case) => self.case(case, expr.get_type(&self.schema)?),
            Expr::ScalarFunction(ScalarFunction { func, args }) => {
                if let Some(checked) = func.inner().downcast_ref::<Checked>() {
                    let args = args
                        .iter()
                        .map(|arg| self.node(arg))
                        .collect::<PlanResult<_>>()?;
                    return Ok(Node::Checked {
                        checked: checked.clone(),
                        args,
                        out: expr.get_type(&self.schema)?,
                        code: self.code(expr)?,
                    });
                }
                match (func.name(), args.as_slice()) {
                    ("coalesce" | "nvl", args) => Ok(Node::Coalesce(
                        args.iter()
                            .map(|arg| self.node(arg))
                            .collect::<PlanResult<_>>()?,
                    )),
                    ("nvl2", [test, then, otherwise]) => Ok(Node::Case {
                        arms: vec![(self.node(&test.clone().is_not_null())?, self.node(then)?)],
                        otherwise: Some(Box::new(self.node(otherwise)?)),
                        out: expr.get_type(&self.schema)?,
                    }),
                    _ => self.native(expr),
                }
            }
            other => self.native(other),
        }
    }

    fn case(&self, case: &Case, out: DataType) -> PlanResult<Node> {
        let mut arms = Vec::with_capacity(case.when_then_expr.len());
        for (when, then) in &case.when_then_expr {
            let test = match &case.expr {
                Some(operand) => self.node(&Expr::BinaryExpr(BinaryExpr::new(
                    operand.clone(),
                    Operator::Eq,
                    when.clone(),
                )))?,
                None => self.node(when)?,
            };
            arms.push((test, self.node(then)?));
        }
        let otherwise = match &case.else_expr {
            Some(expr) => Some(Box::new(self.node(expr)?)),
            None => None,
        };
        Ok(Node::Case {
            arms,
            otherwise,
            out,
        })
    }

    /// DataFusion's expression over the batch, with one more column for each argument that can fail.
    fn native(&self, expr: &Expr) -> PlanResult<Node> {
        let mut inputs = Vec::new();
        let mut fields: Vec<Field> = self
            .input
            .fields()
            .iter()
            .map(|field| field.as_ref().clone())
            .collect();
        let replaced = expr
            .clone()
            .map_children(|child| {
                if !self.fails(&child) {
                    return Ok(Transformed::no(child));
                }
                // A function of elements is part of the call: what fails in it fails the row.
                if let Expr::Lambda(lambda) = &child {
                    if lambda
                        .body
                        .column_refs()
                        .into_iter()
                        .any(|c| self.carries(c))
                    {
                        return Err(ExactError::refused(
                            format!(
                                "`{}` cannot carry the error of a column (E5)",
                                sql_text(&child)
                            ),
                            "write try_cast and nullif(divisor, 0), which give null".to_owned(),
                        )
                        .into());
                    }
                    return Ok(Transformed::no(child));
                }
                let name = format!("\u{1}{}", inputs.len());
                fields.push(Field::new(&name, child.get_type(&self.schema)?, true));
                inputs.push(self.node(&child)?);
                Ok(Transformed::yes(Expr::Column(Column::new_unqualified(
                    name,
                ))))
            })?
            .data;
        let schema = Arc::new(Schema::new(fields));
        let physical = self.physical(&replaced, &DFSchema::try_from(schema.as_ref().clone())?)?;
        Ok(Node::Native(Native {
            inputs,
            schema,
            expr: physical,
            out: expr.get_type(&self.schema)?,
            code: self.code(expr)?,
        }))
    }
}

/// The expression with `coalesce` and its kin as the CASE that they mean: DataFusion computes them in no other form.
pub(crate) fn spelled_out(expr: Expr) -> PlanResult<Transformed<Expr>> {
    expr.walk_up(|e| {
        let Expr::ScalarFunction(ScalarFunction { func, args }) = e else {
            return Ok(Transformed::no(e));
        };
        if !matches!(func.name(), "coalesce" | "nvl" | "nvl2") {
            return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction {
                func,
                args,
            })));
        }
        Ok(match func.simplify(args, &SimplifyContext::default())? {
            ExprSimplifyResult::Simplified(expr) => Transformed::yes(expr),
            ExprSimplifyResult::Original(args) => {
                Transformed::no(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
        })
    })
}

/// Whether some row's values can make the expression fail.
pub(crate) fn can_fail(expr: &Expr) -> bool {
    expr.has(|e| {
        Ok(match e {
            Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Checked>() {
                Some(checked) if checked.is_proven() => false,
                Some(Checked {
                    operation: Operation::Scalar(function),
                    ..
                }) => function.can_fail(),
                Some(checked) => !matches!(
                    checked.operation,
                    Operation::Compare(_)
                        | Operation::Clock(_)
                        | Operation::Cast {
                            null_on_failure: true,
                            ..
                        }
                ),
                None => {
                    !total::is_total(call.func.name())
                        && functions::fails_on_values(call.func.name())
                }
            },
            Expr::HigherOrderFunction(_) => true,
            _ => false,
        })
    })
    .unwrap_or(true)
}

#[derive(Debug)]
pub(crate) enum Node {
    Column(usize),
    /// A column whose values may be errors, and the column that says which.
    Carried {
        value: usize,
        error: usize,
    },
    Literal(ScalarValue),
    Checked {
        checked: Checked,
        args: Vec<Node>,
        out: DataType,
        code: i32,
    },
    Native(Native),
    And(Box<Node>, Box<Node>),
    Or(Box<Node>, Box<Node>),
    Case {
        arms: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
        out: DataType,
    },
    Coalesce(Vec<Node>),
}

#[derive(Debug)]
pub(crate) struct Native {
    inputs: Vec<Node>,
    schema: SchemaRef,
    expr: Arc<dyn PhysicalExpr>,
    out: DataType,
    code: i32,
}

pub(crate) struct Value {
    value: ColumnarValue,
    pub(crate) failed: Option<Failed>,
}

impl Value {
    fn fine(array: ArrayRef) -> Value {
        Value {
            value: ColumnarValue::Array(array),
            failed: None,
        }
    }

    pub(crate) fn array(&self, rows: usize) -> Result<ArrayRef, ExactError> {
        Ok(match &self.value {
            ColumnarValue::Array(array) => array.clone(),
            ColumnarValue::Scalar(value) => value.to_array_of_size(rows)?,
        })
    }
}

/// The values with null where the row failed.
pub(crate) fn blanked(array: ArrayRef, failed: Option<&Failed>) -> Result<ArrayRef, ExactError> {
    match failed {
        Some(failed) => {
            nullif(&array, &BooleanArray::new(failed.mask(), None)).map_err(ExactError::arrow)
        }
        None => Ok(array),
    }
}

/// Three-valued logic with a fourth value, as masks.
struct Logic {
    yes: BooleanBuffer,
    no: BooleanBuffer,
    failed: BooleanBuffer,
}

impl Logic {
    fn of(value: &Value, rows: usize) -> Result<Logic, ExactError> {
        let array = value.array(rows)?;
        let failed = value
            .failed
            .as_ref()
            .map_or_else(|| BooleanBuffer::new_unset(rows), Failed::mask);
        if *array.data_type() == DataType::Null {
            return Ok(Logic {
                yes: BooleanBuffer::new_unset(rows),
                no: BooleanBuffer::new_unset(rows),
                failed,
            });
        }
        let Some(array) = array.as_boolean_opt() else {
            return Err(ExactError::Internal(format!(
                "a condition of type {}",
                array.data_type()
            )));
        };
        let mut known = match array.nulls() {
            Some(nulls) => nulls.inner().clone(),
            None => BooleanBuffer::new_set(rows),
        };
        if value.failed.is_some() {
            known = &known & &!&failed;
        }
        Ok(Logic {
            yes: array.values() & &known,
            no: &known & &!array.values(),
            failed,
        })
    }

    fn value(
        yes: BooleanBuffer,
        no: &BooleanBuffer,
        failed: &BooleanBuffer,
        of: [Option<Failed>; 2],
    ) -> Value {
        let known = &yes | no;
        let array = BooleanArray::new(
            yes,
            Some(NullBuffer::new(known)).filter(|nulls| nulls.null_count() > 0),
        );
        Value {
            value: ColumnarValue::Array(Arc::new(array)),
            failed: Failed::union(of).and_then(|codes| codes.only(failed)),
        }
    }
}

impl Node {
    pub(crate) fn evaluate(&self, batch: &RecordBatch) -> Result<Value, ExactError> {
        let rows = batch.num_rows();
        match self {
            Node::Column(index) => Ok(Value::fine(batch.column(*index).clone())),
            Node::Carried { value, error } => Ok(Value {
                value: ColumnarValue::Array(batch.column(*value).clone()),
                failed: Failed::carried(batch.column(*error))?,
            }),
            Node::Literal(value) => Ok(Value {
                value: ColumnarValue::Scalar(value.clone()),
                failed: None,
            }),
            Node::Checked {
                checked,
                args,
                out,
                code,
            } => {
                let mut values = Vec::with_capacity(args.len());
                let mut failed = None;
                for arg in args {
                    let value = arg.evaluate(batch)?;
                    values.push(match (value.value, &value.failed) {
                        (ColumnarValue::Array(array), Some(mask)) => {
                            ColumnarValue::Array(blanked(array, Some(mask))?)
                        }
                        (value, _) => value,
                    });
                    failed = Failed::union([failed, value.failed]);
                }
                let outcome = checked.apply(&values, rows, out)?;
                let own = match &outcome.failed {
                    Some(mask) => Some(why_each(checked, &values, rows, out, mask, *code)?),
                    None => None,
                };
                Ok(Value {
                    value: ColumnarValue::Array(outcome.array),
                    failed: Failed::union([failed, own]),
                })
            }
            Node::Native(native) => native.evaluate(batch),
            // `false AND error` is false, `null AND error` null.
            Node::And(left, right) => {
                let (left, right) = (left.evaluate(batch)?, right.evaluate(batch)?);
                let (l, r) = (Logic::of(&left, rows)?, Logic::of(&right, rows)?);
                let no = &l.no | &r.no;
                let yes = &l.yes & &r.yes;
                let unknown = |side: &Logic| !&(&(&side.yes | &side.no) | &side.failed);
                let null = &unknown(&l) | &unknown(&r);
                let failed = &(&l.failed | &r.failed) & &!&(&no | &null);
                Ok(Logic::value(yes, &no, &failed, [left.failed, right.failed]))
            }
            // `true OR error` is true, `null OR error` an error.
            Node::Or(left, right) => {
                let (left, right) = (left.evaluate(batch)?, right.evaluate(batch)?);
                let (l, r) = (Logic::of(&left, rows)?, Logic::of(&right, rows)?);
                let yes = &l.yes | &r.yes;
                let no = &l.no & &r.no;
                let failed = &(&l.failed | &r.failed) & &!&yes;
                Ok(Logic::value(yes, &no, &failed, [left.failed, right.failed]))
            }
            Node::Case {
                arms,
                otherwise,
                out,
            } => {
                let mut result = match otherwise {
                    Some(node) => node.evaluate(batch)?,
                    None => Value::fine(new_null_array(out, rows)),
                };
                for (test, then) in arms.iter().rev() {
                    let test = test.evaluate(batch)?;
                    let yes = Logic::of(&test, rows)?.yes;
                    let then = then.evaluate(batch)?;
                    result = choose(&yes, test.failed.as_ref(), &then, &result, rows)?;
                }
                Ok(result)
            }
            Node::Coalesce(args) => {
                let mut rest = args.iter().rev();
                let Some(last) = rest.next() else {
                    return Err(ExactError::Internal("coalesce of nothing".into()));
                };
                let mut result = last.evaluate(batch)?;
                for node in rest {
                    let value = node.evaluate(batch)?;
                    let array = value.array(rows)?;
                    let mut present = array
                        .logical_nulls()
                        .map_or_else(|| BooleanBuffer::new_set(rows), |nulls| nulls.into_inner());
                    if let Some(failed) = &value.failed {
                        present = &present & &!&failed.mask();
                    }
                    result = choose(&present, value.failed.as_ref(), &value, &result, rows)?;
                }
                Ok(result)
            }
        }
    }
}

/// `then` where the test holds, an error where it failed, else `otherwise`.
fn choose(
    yes: &BooleanBuffer,
    failed: Option<&Failed>,
    then: &Value,
    otherwise: &Value,
    rows: usize,
) -> Result<Value, ExactError> {
    let mask = BooleanArray::new(yes.clone(), None);
    let (a, b) = (then.array(rows)?, otherwise.array(rows)?);
    let array = zip(&mask, &a, &b).map_err(ExactError::arrow)?;
    let mut rest = !yes;
    if let Some(failed) = failed {
        rest = &rest & &!&failed.mask();
    }
    let then = then.failed.clone().and_then(|codes| codes.only(yes));
    let otherwise = otherwise.failed.clone().and_then(|codes| codes.only(&rest));
    Ok(Value {
        value: ColumnarValue::Array(array),
        failed: Failed::union([failed.cloned(), Failed::union([then, otherwise])]),
    })
}

/// The codes of the rows on which a checked function failed; one batch may hold several reasons.
fn why_each(
    checked: &Checked,
    args: &[ColumnarValue],
    rows: usize,
    out: &DataType,
    mask: &BooleanBuffer,
    code: i32,
) -> Result<Failed, ExactError> {
    let mut codes = Failed::none(rows);
    if let Some(why) = checked.only_reason(args) {
        for row in mask.set_indices() {
            codes.set(row, code_of(code, why));
        }
        return Ok(codes);
    }
    for row in mask.set_indices() {
        let one: Vec<ColumnarValue> = args
            .iter()
            .map(|arg| match arg {
                ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(row, 1)),
                scalar => scalar.clone(),
            })
            .collect();
        let why = match code {
            // Nobody asks which expression it was, nor why.
            0 => Why::Domain,
            _ => checked.apply(&one, 1, out)?.why,
        };
        codes.set(row, code_of(code, why));
        if code != 0
            && args
                .iter()
                .all(|arg| matches!(arg, ColumnarValue::Scalar(_)))
        {
            return Ok(Failed::all(rows, code_of(code, why)));
        }
    }
    Ok(codes)
}

impl Native {
    fn evaluate(&self, batch: &RecordBatch) -> Result<Value, ExactError> {
        let rows = batch.num_rows();
        let mut failed = None;
        let extended;
        let batch = if self.inputs.is_empty() {
            batch
        } else {
            let mut columns = batch.columns().to_vec();
            for node in &self.inputs {
                let value = node.evaluate(batch)?;
                columns.push(blanked(value.array(rows)?, value.failed.as_ref())?);
                failed = Failed::union([failed, value.failed]);
            }
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            extended = RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
                .map_err(ExactError::arrow)?;
            &extended
        };
        match self.expr.evaluate(batch) {
            Ok(value) => Ok(Value { value, failed }),
            Err(error @ DataFusionError::ResourcesExhausted(_)) => Err(ExactError::from(error)),
            // No row is to blame for what DataFusion cannot do at all.
            Err(error) if matches!(error.find_root(), DataFusionError::Internal(_)) => {
                Err(ExactError::from(error))
            }
            Err(_) => {
                let one_by_one = self.one_by_one(batch)?;
                Ok(Value {
                    failed: Failed::union([failed, one_by_one.failed.clone()]),
                    ..one_by_one
                })
            }
        }
    }

    /// Some row made DataFusion's function fail: find out which.
    fn one_by_one(&self, batch: &RecordBatch) -> Result<Value, ExactError> {
        let rows = batch.num_rows();
        if rows == 0 {
            return Ok(Value::fine(new_empty_array(&self.out)));
        }
        let mut parts = Vec::with_capacity(rows);
        let mut failed = Failed::none(rows);
        for row in 0..rows {
            let value = self
                .expr
                .evaluate(&batch.slice(row, 1))
                .and_then(|value| value.into_array(1));
            if value.is_err() {
                failed.set(row, code_of(self.code, Why::Domain));
            }
            parts.push(value.unwrap_or_else(|_| new_null_array(&self.out, 1)));
        }
        let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
        let array = concat(&parts).map_err(ExactError::arrow)?;
        Ok(Value {
            value: ColumnarValue::Array(array),
            failed: Some(failed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::type_name;
    use arrow::array::{Decimal128Array, Float64Array, Int64Array, StringArray};
    use datafusion::execution::runtime_env::RuntimeEnv;
    use datafusion::prelude::SessionConfig;
    use expect_test::{Expect, expect};

    fn batch() -> RecordBatch {
        let text = StringArray::from(vec![Some("12.50"), Some("x"), None, Some("-7")]);
        let day = StringArray::from(vec![
            Some("2024-02-29"),
            Some("2024-13-01"),
            None,
            Some("2024-12-31"),
        ]);
        let at = StringArray::from(vec![
            Some("2024-02-29 12:34:56.5"),
            Some("2024-03-31 02:30:00"),
            None,
            Some("2024-12-31T00:00:00Z"),
        ]);
        let n = Int64Array::from(vec![Some(0), Some(3), None, Some(i64::MAX)]);
        let d = Decimal128Array::from(vec![Some(250), Some(-125), None, Some(999)])
            .with_precision_and_scale(9, 2)
            .expect("a decimal");
        let f = Float64Array::from(vec![Some(-657_203.8), Some(0.1), None, Some(f64::NAN)]);
        RecordBatch::try_from_iter_with_nullable([
            ("text", Arc::new(text) as ArrayRef, true),
            ("day", Arc::new(day) as ArrayRef, true),
            ("at", Arc::new(at) as ArrayRef, true),
            ("n", Arc::new(n) as ArrayRef, true),
            ("d", Arc::new(d) as ArrayRef, true),
            ("f", Arc::new(f) as ArrayRef, true),
        ])
        .expect("a batch")
    }

    fn compile(sql: &str) -> Result<RowExpressions, SqlError> {
        let settings = Settings {
            rounding: Default::default(),
            timezone: chrono_tz::Europe::Berlin,
            logical_time_us: 1_700_000_000_000_000,
        };
        let state = crate::session::session_state(
            &settings,
            SessionConfig::new(),
            Arc::new(RuntimeEnv::default()),
        );
        RowExpressions::compile_with(
            &state,
            &settings,
            &Parameters::new(),
            batch().schema(),
            &[("x".to_string(), sql.to_string())],
        )
        .map_err(|mut errors| errors.remove(0).1)
    }

    fn show(sql: &str) -> String {
        let compiled = match compile(sql) {
            Ok(compiled) => compiled,
            Err(e) => {
                return format!(
                    "{sql}\n  refused: {} [{:?} {:?}:{:?}; {}]\n",
                    e.message,
                    e.kind,
                    e.line,
                    e.column,
                    e.hint.unwrap_or_default()
                );
            }
        };
        let evaluated = match compiled.evaluate(&batch()) {
            Ok(evaluated) => evaluated,
            Err(e) => return format!("{sql}\n  ERROR {e}\n"),
        };
        let array = &evaluated.columns[0];
        let text = arrow::compute::cast(array, &DataType::Utf8).expect("text");
        let text = text.as_string::<i32>();
        let cells: Vec<String> = (0..array.len())
            .map(|row| match (&evaluated.failed[0], text.is_null(row)) {
                (Some(failed), null) if failed.value(row) => {
                    if null {
                        "error".into()
                    } else {
                        "ERROR WITH VALUE".into()
                    }
                }
                (_, true) => "null".into(),
                _ => text.value(row).to_string(),
            })
            .collect();
        format!(
            "{sql}\n  {}: {}\n",
            type_name(compiled.output_schema().field(0).data_type()),
            cells.join(" | ")
        )
    }

    fn check(queries: &[&str], expected: Expect) {
        let text: String = queries.iter().map(|sql| show(sql)).collect();
        expected.assert_eq(&text);
    }

    #[test]
    fn casts_fail_their_row() {
        check(
            &[
                "cast(text as decimal(18, 2))",
                "text::int",
                "cast(text as double)",
                "cast(day as date)",
                "cast(at as timestamp)",
                "cast(at as timestamp with time zone)",
                "cast(cast(day as timestamp) as date)",
                "cast(decimal_from_double(f) as decimal(18, 2))",
                "decimal_from_double(f, 2)",
                "cast(f as decimal(18, 2))",
                "cast(d as int)",
                "cast(n as int)",
                "cast(d as decimal(3, 1))",
                "cast(d as decimal(2, 1))",
                "cast(d as string)",
                "cast(f as string)",
                "try_cast(text as int)",
                "cast(cast(day as date) as string)",
                "cast('12' as int)",
                "cast('x' as int)",
                "cast(n as timestamp)",
                "cast(text as decimal)",
                "cast(text as float)",
                "cast(text as boolean)",
            ],
            expect![[r#"
                cast(text as decimal(18, 2))
                  decimal(18,2): 12.50 | error | null | -7.00
                text::int
                  integer: error | error | null | -7
                cast(text as double)
                  double: 12.5 | error | null | -7.0
                cast(day as date)
                  date: 2024-02-29 | error | null | 2024-12-31
                cast(at as timestamp)
                  timestamp: 2024-02-29T12:34:56.500 | 2024-03-31T02:30:00 | null | error
                cast(at as timestamp with time zone)
                  timestamp with time zone: 2024-02-29T11:34:56.500Z | error | null | 2024-12-31T00:00:00Z
                cast(cast(day as timestamp) as date)
                  date: 2024-02-29 | error | null | 2024-12-31
                cast(decimal_from_double(f) as decimal(18, 2))
                  decimal(18,2): -657203.80 | 0.10 | null | error
                decimal_from_double(f, 2)
                  decimal(38,2): -657203.80 | 0.10 | null | error
                cast(f as decimal(18, 2))
                  decimal(18,2): error | error | null | error
                cast(d as int)
                  integer: 3 | -1 | null | 10
                cast(n as int)
                  integer: 0 | 3 | null | error
                cast(d as decimal(3, 1))
                  decimal(3,1): 2.5 | -1.3 | null | 10.0
                cast(d as decimal(2, 1))
                  decimal(2,1): 2.5 | -1.3 | null | error
                cast(d as string)
                  string: 2.50 | -1.25 | null | 9.99
                cast(f as string)
                  string: -657203.8 | 0.1 | null | NaN
                try_cast(text as int)
                  integer: null | null | null | -7
                cast(cast(day as date) as string)
                  string: 2024-02-29 | error | null | 2024-12-31
                cast('12' as int)
                  integer: 12 | 12 | 12 | 12
                cast('x' as int)
                  integer: error | error | error | error
                cast(n as timestamp)
                  refused: no cast from bigint to timestamp [Type None:None; say what the number counts: to_timestamp_seconds(n), or _millis, _micros, _nanos]
                cast(text as decimal)
                  refused: `DECIMAL` states no precision [Refused Some(1):Some(14); write decimal(p, s), for example decimal(18, 2)]
                cast(text as float)
                  refused: `float` means 4 bytes in some databases and 8 in others [Refused Some(1):Some(14); write double or real]
                cast(text as boolean)
                  boolean: error | error | null | error
            "#]],
        );
    }

    #[test]
    fn arithmetic() {
        check(
            &[
                "n + 1",
                "-n",
                "n * n",
                "d / n",
                "n / 3",
                "div(n, 2)",
                "n % 2",
                "d + 0.001",
                "d * d",
                "d * d * d * d * d * d",
                "cast(d * d * d * d * d * d as decimal(38, 2))",
                "(d + n) * 2 - n / 7",
                "f / 0",
                "round(d)",
                "round(d, 1)",
                "floor(d)",
                "ceil(d)",
                "trunc(d)",
                "round(f, 2)",
                "abs(d)",
                "1e10",
                "1e200",
                "n + text",
                "d = 2.5",
                "f = 0.1",
                "f > d",
                "f between 0 and 1",
                "f in (0.1, 2)",
                "n in (3, 4.0)",
                "cast('1e200' as double)",
                "-1e3 * 2",
                "-2 % 3",
                "n - (n - 1)",
                "n - n - 1",
                "10.0 / 4 / n",
                "cast(n as double) = 9223372036854775807",
                "cast(0.1 as double) + 0.2",
                "n is distinct from 3.0",
                "cast(true as int) + 1",
                "cast(cast(n as boolean) as string)",
            ],
            expect![[r#"
                n + 1
                  bigint: 1 | 4 | null | error
                -n
                  bigint: 0 | -3 | null | -9223372036854775807
                n * n
                  bigint: 0 | 9 | null | error
                d / n
                  decimal(38,8): error | -0.41666667 | null | 0.00000000
                n / 3
                  decimal(38,6): 0.000000 | 1.000000 | null | 3074457345618258602.333333
                div(n, 2)
                  bigint: 0 | 1 | null | 4611686018427387903
                n % 2
                  bigint: 0 | 1 | null | 1
                d + 0.001
                  decimal(11,3): 2.501 | -1.249 | null | 9.991
                d * d
                  decimal(18,4): 6.2500 | 1.5625 | null | 99.8001
                d * d * d * d * d * d
                  decimal(38,12): 244.140625000000 | 3.814697265625 | null | 994014.980014994001
                cast(d * d * d * d * d * d as decimal(38, 2))
                  decimal(38,2): 244.14 | 3.81 | null | 994014.98
                (d + n) * 2 - n / 7
                  decimal(38,6): 5.000000 | 3.071429 | null | 17129119497016012232.980000
                f / 0
                  double: error | error | null | error
                round(d)
                  decimal(8,0): 3 | -1 | null | 10
                round(d, 1)
                  decimal(9,1): 2.5 | -1.3 | null | 10.0
                floor(d)
                  decimal(8,0): 2 | -2 | null | 9
                ceil(d)
                  decimal(8,0): 3 | -1 | null | 10
                trunc(d)
                  decimal(8,0): 2 | -1 | null | 9
                round(f, 2)
                  double: -657203.8 | 0.1 | null | NaN
                abs(d)
                  decimal(9,2): 2.50 | 1.25 | null | 9.99
                1e10
                  decimal(11,0): 10000000000 | 10000000000 | 10000000000 | 10000000000
                1e200
                  refused: `1e200` has more than 76 digits [Refused Some(1):Some(1); for a double write double '1e200']
                n + text
                  refused: no operation bigint + string [Type Some(1):Some(1); cast the text to a number, for example cast(x as decimal(18, 2))]
                d = 2.5
                  boolean: true | false | null | false
                f = 0.1
                  boolean: false | false | null | false
                f > d
                  boolean: false | true | null | true
                f between 0 and 1
                  boolean: false | true | null | false
                f in (0.1, 2)
                  boolean: false | false | null | false
                n in (3, 4.0)
                  boolean: false | true | null | false
                cast('1e200' as double)
                  double: 1e200 | 1e200 | 1e200 | 1e200
                -1e3 * 2
                  decimal(23,0): -2000 | -2000 | -2000 | -2000
                -2 % 3
                  bigint: -2 | -2 | -2 | -2
                n - (n - 1)
                  bigint: 1 | 1 | null | 1
                n - n - 1
                  bigint: -1 | -1 | null | -1
                10.0 / 4 / n
                  decimal(38,7): error | 0.8333333 | null | 0.0000000
                cast(n as double) = 9223372036854775807
                  boolean: false | false | null | false
                cast(0.1 as double) + 0.2
                  double: 0.30000000000000004 | 0.30000000000000004 | 0.30000000000000004 | 0.30000000000000004
                n is distinct from 3.0
                  boolean: true | false | true | true
                cast(true as int) + 1
                  bigint: 2 | 2 | 2 | 2
                cast(cast(n as boolean) as string)
                  string: false | error | null | error
            "#]],
        );
    }

    /// Rule E5; `1 / 0 = 1` is the error.
    #[test]
    fn errors_are_values() {
        check(
            &[
                "false and 1 / 0 = 1",
                "1 / 0 = 1 and false",
                "true and 1 / 0 = 1",
                "null and 1 / 0 = 1",
                "1 / 0 = 1 and null",
                "true or 1 / 0 = 1",
                "1 / 0 = 1 or true",
                "false or 1 / 0 = 1",
                "null or 1 / 0 = 1",
                "1 / 0 = 1 or null",
                "not 1 / 0 = 1",
                "1 / 0 is null",
                "case when n = 0 then null else d / n end",
                "case when d / n > 0 then 1 else 2 end",
                "case n when 0 then 'zero' when 3 then text else cast(1 / n as string) end",
                "case when false then cast('x' as int) else 1 end",
                "coalesce(d, 1 / 0)",
                "coalesce(1 / n, 5)",
                "coalesce(null, cast(text as int), 7)",
                "nullif(cast(text as int), -7)",
                "cast(text as int) between -10 and 0",
                "cast(text as int) in (1, -7)",
                "-7 in (n, cast(text as int))",
                "length(cast(day as date)::string)",
                "make_date(2024, cast(n as int), 1)",
                "upper(substr(text, 1, cast(n - 1 as bigint)))",
                "extract(year from cast(day as date))",
            ],
            expect![[r#"
                false and 1 / 0 = 1
                  boolean: false | false | false | false
                1 / 0 = 1 and false
                  boolean: false | false | false | false
                true and 1 / 0 = 1
                  boolean: error | error | error | error
                null and 1 / 0 = 1
                  boolean: null | null | null | null
                1 / 0 = 1 and null
                  boolean: null | null | null | null
                true or 1 / 0 = 1
                  boolean: true | true | true | true
                1 / 0 = 1 or true
                  boolean: true | true | true | true
                false or 1 / 0 = 1
                  boolean: error | error | error | error
                null or 1 / 0 = 1
                  boolean: error | error | error | error
                1 / 0 = 1 or null
                  boolean: error | error | error | error
                not 1 / 0 = 1
                  boolean: error | error | error | error
                1 / 0 is null
                  boolean: error | error | error | error
                case when n = 0 then null else d / n end
                  decimal(38,8): null | -0.41666667 | null | 0.00000000
                case when d / n > 0 then 1 else 2 end
                  bigint: error | 2 | 2 | 2
                case n when 0 then 'zero' when 3 then text else cast(1 / n as string) end
                  string: zero | x | null | 0.000000
                case when false then cast('x' as int) else 1 end
                  bigint: 1 | 1 | 1 | 1
                coalesce(d, 1 / 0)
                  decimal(38,6): 2.500000 | -1.250000 | error | 9.990000
                coalesce(1 / n, 5)
                  decimal(38,6): error | 0.333333 | 5.000000 | 0.000000
                coalesce(null, cast(text as int), 7)
                  bigint: error | error | 7 | -7
                nullif(cast(text as int), -7)
                  bigint: error | error | null | null
                cast(text as int) between -10 and 0
                  boolean: error | error | null | true
                cast(text as int) in (1, -7)
                  boolean: error | error | null | true
                -7 in (n, cast(text as int))
                  boolean: error | error | null | true
                length(cast(day as date)::string)
                  integer: 10 | error | null | 10
                make_date(2024, cast(n as int), 1)
                  date: error | 2024-03-01 | null | error
                upper(substr(text, 1, cast(n - 1 as bigint)))
                  string: error | X | null | -7
                extract(year from cast(day as date))
                  integer: 2024 | error | null | 2024
            "#]],
        );
    }

    #[test]
    fn dates() {
        check(
            &[
                "cast(day as date) + 1",
                "cast(day as date) - date '2024-01-01'",
                "cast(day as date) + interval '1 month'",
                "cast(day as date) + interval '1 hour'",
                "cast(at as timestamp with time zone) - interval '1 hour'",
                "date_trunc('month', cast(day as date))",
                "date_trunc('day', cast(at as timestamp with time zone))",
                "extract(hour from cast(at as timestamp with time zone))",
                "to_date(day, '%Y-%m-%d')",
                "to_timestamp(at, '%Y-%m-%d %H:%M:%S.%f')",
                "to_date(day, 'yyyy-MM-dd')",
                "to_date(day)",
                "current_date",
                "current_timestamp",
                "now()",
                "cast(day as date) >= date '2024-03-01'",
                "cast(day as date) >= '2024-03-01'",
                "cast(day as date) - interval '1 day' * 2",
                "at - at",
            ],
            expect![[r#"
                cast(day as date) + 1
                  date: 2024-03-01 | error | null | 2025-01-01
                cast(day as date) - date '2024-01-01'
                  bigint: 59 | error | null | 365
                cast(day as date) + interval '1 month'
                  date: 2024-03-29 | error | null | 2025-01-31
                cast(day as date) + interval '1 hour'
                  date: error | error | null | error
                cast(at as timestamp with time zone) - interval '1 hour'
                  timestamp with time zone: 2024-02-29T10:34:56.500Z | error | null | 2024-12-30T23:00:00Z
                date_trunc('month', cast(day as date))
                  date: 2024-02-01 | error | null | 2024-12-01
                date_trunc('day', cast(at as timestamp with time zone))
                  timestamp with time zone: 2024-02-28T23:00:00Z | error | null | 2024-12-30T23:00:00Z
                extract(hour from cast(at as timestamp with time zone))
                  integer: 12 | error | null | 1
                to_date(day, '%Y-%m-%d')
                  date: 2024-02-29 | error | null | 2024-12-31
                to_timestamp(at, '%Y-%m-%d %H:%M:%S.%f')
                  timestamp: 2024-02-29T12:34:56.500 | error | null | error
                to_date(day, 'yyyy-MM-dd')
                  refused: `to_date`: the format holds no %: formats are written as in strptime, for example '%Y-%m-%d' for yyyy-MM-dd [Type Some(1):Some(1); for example '%Y-%m-%d %H:%M:%S']
                to_date(day)
                  date: 2024-02-29 | error | null | 2024-12-31
                current_date
                  date: 2023-11-14 | 2023-11-14 | 2023-11-14 | 2023-11-14
                current_timestamp
                  timestamp with time zone: 2023-11-14T22:13:20Z | 2023-11-14T22:13:20Z | 2023-11-14T22:13:20Z | 2023-11-14T22:13:20Z
                now()
                  timestamp with time zone: 2023-11-14T22:13:20Z | 2023-11-14T22:13:20Z | 2023-11-14T22:13:20Z | 2023-11-14T22:13:20Z
                cast(day as date) >= date '2024-03-01'
                  boolean: false | error | null | true
                cast(day as date) >= '2024-03-01'
                  boolean: false | error | null | true
                cast(day as date) - interval '1 day' * 2
                  refused: no operation interval * bigint: `interval '1 day' * 2` [Type Some(1):Some(21); cast the other side to a number]
                at - at
                  refused: no operation string - string [Type Some(1):Some(1); columns of CSV are text until they are cast, for example cast(x as decimal(18, 2)) or cast(x as date)]
            "#]],
        );
    }

    #[test]
    fn names_and_refusals() {
        check(
            &[
                "\"TEXT\"",
                "txt",
                "lenght(text)",
                "random()",
                "sum(n)",
                "row_number() over ()",
                "(select 1)",
                "*",
                "n +",
                "business_date()",
                "stddev(n)",
                "sqrt(f)",
                "null",
                "text as y",
                "uuid_from(text, n)",
                "uuid_from(1.50) = uuid_from(1.5)",
                "text || '!'",
                "trim(text)",
                "text like '1%'",
                "regexp_replace(text, '[0-9]', 'd', 'g')",
                "position('2' in text)",
                "substring(text from 2 for 2)",
                "left(text, 2)",
            ],
            expect![[r#"
                "TEXT"
                  string: 12.50 | x | null | -7
                txt
                  refused: no column `txt` [Name Some(1):Some(1); did you mean `text`?]
                lenght(text)
                  refused: no function `lenght` [Name Some(1):Some(1); did you mean `length`?]
                random()
                  refused: `random` has no single answer [Refused Some(1):Some(1); take a value from a column, or uuid_from(...) of a key]
                sum(n)
                  refused: the aggregate `sum` in an expression over one row [Refused Some(1):Some(1); compute it in a gold model]
                row_number() over ()
                  refused: the window function `row_number` in an expression over one row [Refused Some(1):Some(1); compute it in a gold model]
                (select 1)
                  refused: a subquery in an expression over one row [Refused None:None; compute it in a gold model]
                *
                  refused: Expected: an expression, found: * [Syntax Some(1):Some(1); ]
                n +
                  refused: Expected: an expression, found: EOF [Syntax None:None; ]
                business_date()
                  refused: there is no business date [Name Some(1):Some(1); give it by `--business-date 2026-10-30`, or declare a `calendar` in karat.yaml]
                stddev(n)
                  refused: the aggregate `stddev_samp` in an expression over one row [Refused None:None; compute it in a gold model]
                sqrt(f)
                  double: error | 0.31622776601683794 | null | NaN
                null
                  refused: a null without a type: write cast(null as type) [Type None:None; ]
                text as y
                  refused: `as y` inside an expression [Refused Some(1):Some(6); the column's name is its key]
                uuid_from(text, n)
                  string: cdb98f6a-723b-8b33-92ba-b269c486e9ce | f1861ea7-53f5-8846-a4ee-fd1a5e97c229 | 4758ddac-5f9e-8938-b325-230e1f285505 | 868b6be5-acb7-8514-b648-83b08c88db9f
                uuid_from(1.50) = uuid_from(1.5)
                  boolean: true | true | true | true
                text || '!'
                  string: 12.50! | x! | null | -7!
                trim(text)
                  string: 12.50 | x | null | -7
                text like '1%'
                  boolean: true | false | null | false
                regexp_replace(text, '[0-9]', 'd', 'g')
                  string: dd.dd | x | null | -d
                position('2' in text)
                  integer: 2 | 0 | null | 0
                substring(text from 2 for 2)
                  string: 2. |  | null | 7
                left(text, 2)
                  string: 12 | x | null | -7
            "#]],
        );
    }

    #[test]
    fn what_cannot_fail_does_not() {
        check(
            &[
                "coalesce(text, '-')",
                "nvl(text, '-')",
                "ifnull(text, '-')",
                "nvl2(text, 'x', 'y')",
                "upper(coalesce(text, 'none'))",
                "coalesce(text, '-') <> 'x' and coalesce(n, 1) > 0",
                "nullif(text, 'x')",
                "greatest(text, 'm')",
            ],
            expect![[r#"
                coalesce(text, '-')
                  string: 12.50 | x | - | -7
                nvl(text, '-')
                  string: 12.50 | x | - | -7
                ifnull(text, '-')
                  string: 12.50 | x | - | -7
                nvl2(text, 'x', 'y')
                  string: x | x | y | x
                upper(coalesce(text, 'none'))
                  string: 12.50 | X | NONE | -7
                coalesce(text, '-') <> 'x' and coalesce(n, 1) > 0
                  boolean: false | false | true | true
                nullif(text, 'x')
                  string: 12.50 | null | null | -7
                greatest(text, 'm')
                  string: m | x | m | m
            "#]],
        );
    }

    #[test]
    fn no_rows_are_no_error() {
        for expression in [
            "coalesce(text, '-')",
            "case when n > 0 then text end",
            "100 / n",
            "upper(text)",
        ] {
            let compiled = compile(expression).expect("compiles");
            let none = compiled.evaluate(&batch().slice(0, 0)).expect("computes");
            assert_eq!(none.columns[0].len(), 0, "{expression}");
        }
    }

    #[test]
    fn what_an_expression_reads() {
        let compiled = compile("case when n > 0 then d end").expect("compiles");
        assert_eq!(
            compiled.columns_used().into_iter().collect::<Vec<_>>(),
            ["d", "n"]
        );
        assert_eq!(compiled.clock_use(), ClockUse::None);
        let clock = |sql: &str| compile(sql).expect("compiles").clock_use();
        assert_eq!(clock("cast(day as date) < current_date"), ClockUse::Day);
        assert_eq!(clock("cast(now() as date) < current_date"), ClockUse::Time);
    }
}
