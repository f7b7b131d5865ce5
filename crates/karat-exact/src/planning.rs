//! Where karat's arithmetic, casts and comparisons enter DataFusion's plans: a first planner for binary operators, a planner for
//! type names, an analyser rule before type coercion (what the author wrote) and one after it (what DataFusion put in).

use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, FieldRef, IntervalUnit, TimeUnit};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{
    DFSchema, DataFusionError, NullEquality, Result, ScalarValue, SchemaError,
};
use datafusion::logical_expr::execution_props::ExecutionProps;
use datafusion::logical_expr::expr::{
    AggregateFunction, Between, BinaryExpr, Case, InList, InSubquery, ScalarFunction,
    WindowFunction, WindowFunctionParams,
};
use datafusion::logical_expr::expr_rewriter::NamePreserver;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawWindowExpr, TypePlanner,
};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::utils::{conjunction, merge_schema};
use datafusion::logical_expr::{
    Aggregate, Cast, Expr, ExprSchemable, Join, LogicalPlan, Operator, Projection, ScalarUDF,
    TryCast, Union,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::physical_expr::create_physical_expr;
use datafusion::sql::sqlparser::ast::{BinaryOperator, DataType as SqlType, TimezoneInfo};

use crate::bounds;
use crate::calendar::without_fields;
use crate::checked::{Checked, Comparison, Operation, refusal, sql_text, type_error};
use crate::conditions;
use crate::conversion::{Rules, is_text, is_time, lossless, stored_type};
use crate::error::{SqlError, read_as};
use crate::frames::with_typed_offsets;
use crate::numbers::{Number, Op, POWERS, number, power_wide};
use crate::rows::{folded, spelled_out};
use crate::scalar::Scalar;
use crate::session::uses_clock;
use crate::types::type_name;
use crate::walks::{Walk, WalkPlan};

fn datetime(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..)
    )
}

fn integer(data_type: &DataType) -> bool {
    matches!(number(data_type), Some(Number::Integer(_)))
}

/// Whether DataFusion would compare the two after a lossy conversion, or could not.
pub(crate) fn needs_exact_comparison(left: &DataType, right: &DataType) -> bool {
    let (Some(l), Some(r)) = (number(left), number(right)) else {
        return false;
    };
    let digits = |n: Number| match n {
        Number::Integer(digits) => Some((i32::from(digits), 0)),
        Number::Decimal(p, s) => Some((i32::from(p) - i32::from(s), i32::from(s))),
        Number::Double | Number::Null => None,
    };
    match (l, r) {
        (Number::Null, _) | (_, Number::Null) | (Number::Integer(_), Number::Integer(_)) => false,
        (Number::Double, Number::Double) => false,
        (Number::Double, _) | (_, Number::Double) => true,
        _ => match (digits(l), digits(r)) {
            (Some((whole, scale)), Some((other_whole, other_scale))) => {
                whole.max(other_whole) + scale.max(other_scale) > 38
            }
            _ => false,
        },
    }
}

/// Line and column of the first column that an expression names.
pub(crate) fn place_of(expr: &Expr) -> Option<(u64, u64)> {
    let mut places: Vec<(u64, u64)> = expr
        .column_refs()
        .into_iter()
        .filter_map(|column| column.spans().first())
        .map(|span| (span.start.line, span.start.column))
        .collect();
    places.sort_unstable();
    places.first().copied()
}

/// An expression's type. The error of a column that does not exist knows where the text names it.
fn type_of(expr: &Expr, schema: &DFSchema) -> Result<DataType> {
    expr.get_type(schema).map_err(|error| {
        let DataFusionError::SchemaError(found, _) = &error else {
            return error;
        };
        let SchemaError::FieldNotFound {
            field,
            valid_fields,
        } = found.as_ref()
        else {
            return error;
        };
        // A column of a schema says nothing of places.
        let named = expr.column_refs().into_iter().find(|column| {
            column.name == field.name
                && column.relation == field.relation
                && column.spans().first().is_some()
        });
        match named {
            Some(column) => DataFusionError::SchemaError(
                Box::new(SchemaError::FieldNotFound {
                    field: Box::new(column.clone()),
                    valid_fields: valid_fields.clone(),
                }),
                Box::new(None),
            ),
            None => error,
        }
    })
}

/// The error with its place in the text, if it is one of ours.
pub(crate) fn at(place: Option<(u64, u64)>, error: DataFusionError) -> DataFusionError {
    match (place, error) {
        (Some((line, column)), DataFusionError::External(inner)) => {
            match inner.downcast::<SqlError>() {
                Ok(own) => SqlError {
                    line: Some(line),
                    column: Some(column),
                    ..*own
                }
                .into(),
                Err(other) => DataFusionError::External(other),
            }
        }
        (_, error) => error,
    }
}

/// That two values can be compared, each as the other's type or both as a third.
fn comparable(left: &Expr, op: Operator, right: &Expr, schema: &DFSchema) -> Result<()> {
    let place = place_of(left).or_else(|| place_of(right));
    let (left, right) = (left.get_type(schema)?, right.get_type(schema)?);
    comparable_types(&left, op, &right).map_err(|error| at(place, error))
}

fn comparable_types(left: &DataType, op: Operator, right: &DataType) -> Result<()> {
    let counts = |t: &DataType| number(t).is_some() && !t.is_null();
    // DataFusion takes a number for the days since 1970.
    let days = datetime(left) && counts(right) || counts(left) && datetime(right);
    let coerced = || BinaryTypeCoercer::new(left, &op, right).get_input_types();
    if !days && (needs_exact_comparison(left, right) || coerced().is_ok()) {
        return Ok(());
    }
    let (of, with) = (type_name(left), type_name(right));
    Err(type_error(
        format!("no comparison {of} {op} {with}").to_lowercase(),
        Some(how_to_compare(left, right)),
    ))
}

/// What to do where values of two types cannot be compared.
fn how_to_compare(left: &DataType, right: &DataType) -> &'static str {
    let either = |is: fn(&DataType) -> bool| is(left) || is(right);
    if either(datetime) && (number(left).is_some() || number(right).is_some()) {
        "a date is written date '2026-01-31', a moment timestamp '2026-01-31 12:34:56'"
    } else if either(|t| matches!(t, DataType::Boolean)) {
        "a truth is compared with true and false, or is a condition by itself"
    } else if either(|t| t.is_nested()) {
        "an element of a list is asked for by array_has(list, x), a field by its name"
    } else {
        "cast one side to the type of the other"
    }
}

fn comparison(op: &Operator) -> Option<Comparison> {
    Some(match op {
        Operator::Eq => Comparison::Eq,
        Operator::NotEq => Comparison::NotEq,
        Operator::Lt => Comparison::Lt,
        Operator::LtEq => Comparison::LtEq,
        Operator::Gt => Comparison::Gt,
        Operator::GtEq => Comparison::GtEq,
        Operator::IsDistinctFrom => Comparison::Distinct,
        Operator::IsNotDistinctFrom => Comparison::NotDistinct,
        _ => return None,
    })
}

/// Levels of a chain of operators that stand in each other.
const NESTED: usize = 24;

fn chain_of(expr: &Expr) -> Option<&[Op]> {
    let Expr::ScalarFunction(call) = expr else {
        return None;
    };
    match &call.func.inner().downcast_ref::<Checked>()?.operation {
        Operation::Chain(ops) => Some(ops),
        _ => None,
    }
}

/// Whether an expression is a chain of as many levels as may be, all of operators that bind as this one.
fn is_deep(mut expr: &Expr, op: Op) -> bool {
    for _ in 0..NESTED {
        let Expr::ScalarFunction(call) = expr else {
            return false;
        };
        match (
            call.func.inner().downcast_ref::<Checked>(),
            call.args.first(),
        ) {
            (Some(checked), Some(first)) => match checked.operation {
                Operation::Arithmetic(inner) if inner.binds() == op.binds() => expr = first,
                _ => return false,
            },
            _ => return false,
        }
    }
    op.binds() < 4
}

/// Plans the operators of SQL; first in line.
#[derive(Debug)]
pub(crate) struct Operators {
    pub(crate) rules: Rules,
}

impl Operators {
    fn call(&self, operation: Operation, args: Vec<Expr>) -> Expr {
        Checked::new(operation, self.rules, 0).call(args)
    }

    /// `left op right`, where `left` may be a long chain of operators that bind as `op` does: its levels are nested up to [`NESTED`], the
    /// further ones are one call. DataFusion names each level anew by all that is below it, which takes time by the cube of the levels.
    fn chained(&self, op: Op, left: Expr, right: Expr) -> Expr {
        let mut args = vec![left];
        let operation = match chain_of(&args[0]) {
            Some(ops) if ops.iter().all(|inner| inner.binds() == op.binds()) => {
                let ops = ops.iter().copied().chain([op]).collect();
                if let Expr::ScalarFunction(call) = args.remove(0) {
                    args = call.args;
                }
                Operation::Chain(ops)
            }
            _ if is_deep(&args[0], op) => Operation::Chain(vec![op]),
            _ => Operation::Arithmetic(op),
        };
        args.push(right);
        self.call(operation, args)
    }

    fn arithmetic(
        &self,
        op: Op,
        left: Expr,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Option<Expr>> {
        let (left, right) = (whole_exponent(left)?, whole_exponent(right)?);
        let (l, r) = (type_of(&left, schema)?, type_of(&right, schema)?);
        let minus = op == Op::Sub;
        let sum = matches!(op, Op::Add | Op::Sub);
        let interval = |t: &DataType| matches!(t, DataType::Interval(_));
        let place = place_of(&left).or_else(|| place_of(&right));
        if number(&l).is_some() && number(&r).is_some() {
            crate::numbers::result_type(op, &l, &r)
                .map_err(|text| at(place, type_error(text, None)))?;
            return Ok(Some(self.chained(op, left, right)));
        }
        let date = |t: &DataType| *t == DataType::Date32;
        Ok(Some(match (&l, &r) {
            (l, r) if sum && date(l) && integer(r) => {
                self.call(Operation::ShiftDays { minus }, vec![left, right])
            }
            (l, r) if op == Op::Add && integer(l) && date(r) => {
                self.call(Operation::ShiftDays { minus }, vec![right, left])
            }
            (l, r) if minus && (datetime(l) && r.is_null() || l.is_null() && datetime(r)) => {
                let null = |t: &DataType| -> Result<Expr> {
                    Ok(Expr::Literal(ScalarValue::try_new_null(t)?, None))
                };
                let (left, right) = match r.is_null() {
                    true => (left, null(l)?),
                    false => (null(r)?, right),
                };
                return self.arithmetic(op, left, right, schema);
            }
            (l, r) if minus && date(l) && date(r) => {
                self.call(Operation::DaysBetween, vec![left, right])
            }
            (l, r) if sum && datetime(l) && interval(r) => {
                self.call(Operation::AddInterval { minus }, vec![left, right])
            }
            (l, r) if op == Op::Add && interval(l) && datetime(r) => {
                self.call(Operation::AddInterval { minus }, vec![right, left])
            }
            (l, r) if sum && is_time(l) && interval(r) => {
                let shift = Operation::Scalar(Scalar::ShiftTime { minus });
                self.call(shift, vec![left, right])
            }
            (l, r) if op == Op::Add && interval(l) && is_time(r) => {
                let shift = Operation::Scalar(Scalar::ShiftTime { minus });
                self.call(shift, vec![right, left])
            }
            (l, r) if minus && (datetime(l) && datetime(r) || is_time(l) && is_time(r)) => {
                let zoned = |t: &DataType| matches!(t, DataType::Timestamp(_, Some(_)));
                if zoned(l) != zoned(r) {
                    return Err(at(
                        place,
                        type_error(
                            format!("no operation {} - {}", type_name(l), type_name(r)),
                            Some("cast both to timestamp with time zone, or both to timestamp"),
                        ),
                    ));
                }
                self.call(Operation::Scalar(Scalar::Between), vec![left, right])
            }
            (l, r) if op == Op::Add && date(l) && is_time(r) => {
                self.call(Operation::Scalar(Scalar::AtTimeOfDay), vec![left, right])
            }
            (l, r) if op == Op::Add && is_time(l) && date(r) => {
                self.call(Operation::Scalar(Scalar::AtTimeOfDay), vec![right, left])
            }
            (l, r) if sum && interval(l) && interval(r) => {
                let add = Operation::Scalar(Scalar::AddIntervals { minus });
                self.call(add, vec![left, right])
            }
            (l, r) if sum && interval(l) && literal_interval(&right).is_some() && is_text(r) => {
                let right = literal_interval(&right).unwrap_or(right);
                return self.arithmetic(op, left, right, schema);
            }
            (l, r) if sum && is_text(l) && interval(r) && literal_interval(&left).is_some() => {
                let left = literal_interval(&left).unwrap_or(left);
                return self.arithmetic(op, left, right, schema);
            }
            _ => {
                let mut what = format!(
                    "no operation {} {} {}",
                    type_name(&l),
                    op.symbol(),
                    type_name(&r)
                );
                if place.is_none() {
                    let (left, right) = (sql_text(&left), sql_text(&right));
                    what.push_str(&format!(": `{left} {} {right}`", op.symbol()));
                }
                let hint = if datetime(&l) && datetime(&r) {
                    "moments can be subtracted: a - b is an interval"
                } else if number(&l).is_some() || number(&r).is_some() {
                    if is_text(&l) || is_text(&r) {
                        "cast the text to a number, for example cast(x as decimal(18, 2))"
                    } else {
                        "cast the other side to a number"
                    }
                } else if is_text(&l) && is_text(&r) {
                    "columns of CSV are text until they are cast, for example cast(x as decimal(18, 2)) or cast(x as date)"
                } else {
                    "dates take whole days or an interval: day + 1, moment + interval '1 hour'"
                };
                return Err(at(place, type_error(what, Some(hint))));
            }
        }))
    }
}

/// The interval that a literal text is, if it is one.
fn literal_interval(expr: &Expr) -> Option<Expr> {
    let Expr::Literal(value, _) = expr else {
        return None;
    };
    let to = DataType::Interval(IntervalUnit::MonthDayNano);
    let found = value.cast_to(&to).ok().filter(|value| !value.is_null())?;
    Some(Expr::Literal(found, None))
}

impl ExprPlanner for Operators {
    // DataFusion names a column after the alias that called the function, and forgets `distinct` there; ours name themselves.
    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        if !own(expr.func.name()) {
            return Ok(PlannerResult::Original(expr));
        }
        let RawAggregateExpr {
            func,
            args,
            distinct,
            filter,
            order_by,
            null_treatment,
        } = expr;
        Ok(PlannerResult::Planned(Expr::AggregateFunction(
            AggregateFunction::new_udf(func, args, distinct, filter, order_by, null_treatment),
        )))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        if !own(expr.func_def.name()) {
            return Ok(PlannerResult::Original(expr));
        }
        let RawWindowExpr {
            func_def,
            args,
            partition_by,
            order_by,
            window_frame,
            filter,
            null_treatment,
            distinct,
        } = expr;
        let params = WindowFunctionParams {
            args,
            partition_by,
            order_by,
            window_frame,
            filter,
            null_treatment,
            distinct,
        };
        Ok(PlannerResult::Planned(Expr::from(WindowFunction {
            fun: func_def,
            params,
        })))
    }

    fn plan_binary_op(
        &self,
        expr: RawBinaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawBinaryExpr>> {
        let op = match expr.op {
            BinaryOperator::Plus => Op::Add,
            BinaryOperator::Minus => Op::Sub,
            BinaryOperator::Multiply => Op::Mul,
            BinaryOperator::Divide => Op::Div,
            BinaryOperator::Modulo => Op::Mod,
            BinaryOperator::DuckIntegerDivide | BinaryOperator::MyIntegerDivide => Op::IntDiv,
            BinaryOperator::PGBitwiseShiftLeft | BinaryOperator::PGBitwiseShiftRight => {
                let left = expr.op == BinaryOperator::PGBitwiseShiftLeft;
                let shift = Operation::Scalar(Scalar::Shift { left });
                return Ok(PlannerResult::Planned(
                    self.call(shift, vec![expr.left, expr.right]),
                ));
            }
            BinaryOperator::BitwiseXor => {
                let place = place_of(&expr.left).or_else(|| place_of(&expr.right));
                return Err(at(
                    place,
                    refusal(
                        "`^` is a power in some databases and a bitwise xor in others".to_string(),
                        Some("for a power write the product: x * x"),
                    ),
                ));
            }
            ref other => {
                let operator = match other {
                    BinaryOperator::Eq => Operator::Eq,
                    BinaryOperator::NotEq => Operator::NotEq,
                    BinaryOperator::Lt => Operator::Lt,
                    BinaryOperator::LtEq => Operator::LtEq,
                    BinaryOperator::Gt => Operator::Gt,
                    BinaryOperator::GtEq => Operator::GtEq,
                    _ => return Ok(PlannerResult::Original(expr)),
                };
                let (Ok(l), Ok(r)) = (expr.left.get_type(schema), expr.right.get_type(schema))
                else {
                    return Ok(PlannerResult::Original(expr));
                };
                let interval = |t: &DataType| matches!(t, DataType::Interval(_));
                if interval(&l) && interval(&r) {
                    let length =
                        |of| self.call(Operation::Scalar(Scalar::IntervalLength), vec![of]);
                    let (left, right) = (length(expr.left), length(expr.right));
                    return Ok(PlannerResult::Planned(Expr::BinaryExpr(BinaryExpr::new(
                        Box::new(left),
                        operator,
                        Box::new(right),
                    ))));
                }
                return Ok(
                    match comparison(&operator).filter(|_| needs_exact_comparison(&l, &r)) {
                        Some(kind) => PlannerResult::Planned(self.call(
                            Operation::Compare(kind),
                            vec![whole_exponent(expr.left)?, whole_exponent(expr.right)?],
                        )),
                        None => PlannerResult::Original(RawBinaryExpr {
                            left: whole_exponent(expr.left)?,
                            right: whole_exponent(expr.right)?,
                            ..expr
                        }),
                    },
                );
            }
        };
        // Lists have operators of their own.
        let list = |e: &Expr| {
            matches!(
                e.get_type(schema),
                Ok(DataType::List(_) | DataType::LargeList(_) | DataType::FixedSizeList(..))
            )
        };
        if list(&expr.left) || list(&expr.right) {
            return Ok(PlannerResult::Original(expr));
        }
        match self.arithmetic(op, expr.left, expr.right, schema)? {
            Some(planned) => Ok(PlannerResult::Planned(planned)),
            None => Err(refusal(
                format!("`{}` is not offered here", op.symbol()),
                None,
            )),
        }
    }
}

/// Whether a function is one of karat's, known to SQL by an alias.
fn own(name: &str) -> bool {
    name.starts_with("karat_")
}

/// Types as karat stores them: strings, microseconds, instants in UTC.
#[derive(Debug)]
pub(crate) struct TypeNames;

impl TypePlanner for TypeNames {
    fn plan_type_field(&self, sql_type: &SqlType) -> Result<Option<FieldRef>> {
        let planned = match sql_type {
            SqlType::Timestamp(precision, zone) => {
                // A value with more places fails the cast; one with more than six is none of ours anyway.
                let unit = match precision {
                    None | Some(6 | 9) => TimeUnit::Microsecond,
                    Some(0) => TimeUnit::Second,
                    Some(3) => TimeUnit::Millisecond,
                    Some(_) => {
                        return Err(refusal(
                            format!("`{sql_type}`: timestamps have microseconds"),
                            Some(
                                "write timestamp, or timestamp(0) or timestamp(3) for what has no more places",
                            ),
                        ));
                    }
                };
                let zone = matches!(zone, TimezoneInfo::Tz | TimezoneInfo::WithTimeZone)
                    .then(|| "UTC".into());
                DataType::Timestamp(unit, zone)
            }
            SqlType::Datetime(None) => DataType::Timestamp(TimeUnit::Microsecond, None),
            SqlType::Time(None | Some(6), TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => {
                DataType::Time64(TimeUnit::Microsecond)
            }
            SqlType::Int64 => DataType::Int64,
            SqlType::Int32 => DataType::Int32,
            SqlType::Int16 => DataType::Int16,
            SqlType::Float64 => DataType::Float64,
            SqlType::Binary(None) | SqlType::Varbinary(None) | SqlType::Blob(None) => {
                DataType::Binary
            }
            // `float` is 4 bytes to DataFusion and 8 to most; nobody should have to guess.
            SqlType::Float(_) => {
                return Err(refusal(
                    "`float` means 4 bytes in some databases and 8 in others".to_string(),
                    Some("write double or real"),
                ));
            }
            SqlType::Varchar(Some(_))
            | SqlType::Char(Some(_))
            | SqlType::CharacterVarying(Some(_))
            | SqlType::Character(Some(_)) => {
                return Err(refusal(
                    format!("`{sql_type}`: strings have no declared length"),
                    Some("write string, and check the length with an expectation or left()"),
                ));
            }
            SqlType::CharacterVarying(None)
            | SqlType::Character(None)
            | SqlType::Nvarchar(None)
            | SqlType::Clob(None) => DataType::Utf8,
            SqlType::Numeric(info) | SqlType::Decimal(info) | SqlType::Dec(info) => {
                use datafusion::sql::sqlparser::ast::ExactNumberInfo as Info;
                let (p, s) = match *info {
                    Info::None => {
                        return Err(refusal(
                            format!("`{sql_type}` states no precision"),
                            Some("write decimal(p, s), for example decimal(18, 2)"),
                        ));
                    }
                    Info::Precision(p) => (p, 0),
                    Info::PrecisionAndScale(p, s) => (p, s),
                };
                if !(1..=76).contains(&p) || s < 0 || s as u64 > p {
                    return Err(type_error(
                        format!(
                            "`{sql_type}`: a decimal has 1 to 76 digits, 0 to that many of them decimal places"
                        ),
                        None,
                    ));
                }
                crate::numbers::decimal(p as i32, s as i32)
            }
            _ => return Ok(None),
        };
        Ok(Some(Arc::new(Field::new("", planned, true))))
    }
}

/// `1e10` comes as 1 with −10 decimal places: no type of a table. It is 10000000000.
fn whole_exponent(expr: Expr) -> Result<Expr> {
    let (value, precision, scale) = match &expr {
        Expr::Literal(ScalarValue::Decimal128(Some(value), p, s), _) if *s < 0 => {
            (arrow::datatypes::i256::from_i128(*value), *p, *s)
        }
        Expr::Literal(ScalarValue::Decimal256(Some(value), p, s), _) if *s < 0 => (*value, *p, *s),
        // What is more than a bigint is a decimal.
        Expr::Literal(ScalarValue::UInt64(Some(value)), _) if i64::try_from(*value).is_err() => {
            let digits = value.ilog10() as u8 + 1;
            let value = ScalarValue::Decimal128(Some(i128::from(*value)), digits, 0);
            return Ok(Expr::Literal(value, None));
        }
        _ => return Ok(expr),
    };
    let zeros = u32::from(scale.unsigned_abs());
    let digits = u32::from(precision) + zeros;
    if digits > 76 {
        return Err(refusal(
            crate::session::MANY_DIGITS.to_owned(),
            Some("for a double write cast('1e200' as double)"),
        ));
    }
    let value = value.wrapping_mul(power_wide(zeros));
    let literal = match value
        .to_i128()
        .filter(|v| digits <= 38 && v.unsigned_abs() <= POWERS[38] as u128)
    {
        Some(value) => ScalarValue::Decimal128(Some(value), digits as u8, 0),
        None => ScalarValue::Decimal256(Some(value), digits as u8, 0),
    };
    Ok(Expr::Literal(literal, None))
}

/// Rewrites every part of every expression of a plan, from the leaves up.
fn rewrite_plan(
    plan: LogicalPlan,
    rewrite: &dyn Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    map_plan(plan, &|expr, schema| {
        expr.walk_up(|expr| rewrite(expr, schema))
    })
}

/// Replaces every expression of a plan, with the schema of its inputs at hand; names of columns stay.
fn map_plan(
    plan: LogicalPlan,
    replace: &dyn Fn(Expr, &DFSchema) -> Result<Transformed<Expr>>,
) -> Result<LogicalPlan> {
    let plan = plan.walk_up_with_subqueries(|plan| {
        let mut schema = merge_schema(&plan.inputs());
        if let LogicalPlan::TableScan(scan) = &plan {
            schema.merge(&DFSchema::try_from_qualified_schema(
                scan.table_name.clone(),
                &scan.source.schema(),
            )?);
        }
        let names = NamePreserver::new(&plan);
        let changed = plan.change_expressions(|expr| {
            let name = names.save(&expr);
            Ok(replace(expr, &schema)?.update_data(|expr| name.restore(expr)))
        })?;
        if changed.transformed {
            changed.map_data(|plan| plan.recompute_schema())
        } else {
            Ok(changed)
        }
    })?;
    Ok(plan.data)
}

/// The plan with calls on literals in its conditions as their values, and lossless casts as the engine's: what cannot fail stands on its own,
/// is pushed down and prunes files.
fn with_constants(plan: LogicalPlan) -> Result<LogicalPlan> {
    let plan = plan.walk_up_with_subqueries(|plan| {
        if !matches!(plan, LogicalPlan::Filter(_) | LogicalPlan::Join(_)) {
            return Ok(Transformed::no(plan));
        }
        let schema = merge_schema(&plan.inputs());
        plan.change_expressions(|expr| {
            expr.walk_up(|expr| match uses_clock(&expr) {
                // Whether an answer depends on the clock is asked of the plan (A7).
                true => Ok(Transformed::no(expr)),
                false => folded(expr, &schema)?
                    .transform_data(|expr| bounds::as_plain_cast(expr, &schema)),
            })
        })
    })?;
    Ok(plan.data)
}

/// The plan with its limits as numbers, computed while planning; one that fails fails the query.
fn with_counted_limits(plan: LogicalPlan, config: &Arc<ConfigOptions>) -> Result<LogicalPlan> {
    let mut properties = ExecutionProps::new();
    properties.config_options = Some(Arc::clone(config));
    let schema = DFSchema::empty();
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    let one = RecordBatch::try_new_with_options(Arc::clone(schema.inner()), Vec::new(), &options)?;
    let plan = plan.walk_up_with_subqueries(|plan| {
        if !matches!(plan, LogicalPlan::Limit(_)) {
            return Ok(Transformed::no(plan));
        }
        plan.change_expressions(|expr| {
            let asks = expr.has(|e| {
                Ok(matches!(
                    e,
                    Expr::ScalarSubquery(_)
                        | Expr::Exists(_)
                        | Expr::InSubquery(_)
                        | Expr::OuterReferenceColumn(..)
                ))
            })?;
            if matches!(expr, Expr::Literal(..)) || asks || expr.any_column_refs() {
                return Ok(Transformed::no(expr));
            }
            let context = PhysicalPlanningContext::default();
            let computed = create_physical_expr(&expr, &schema, &properties, &context)?;
            let computed = computed.evaluate(&one)?;
            let value = ScalarValue::try_from_array(&computed.into_array(1)?, 0)?;
            Ok(Transformed::yes(Expr::Literal(value, None)))
        })
    })?;
    Ok(plan.data)
}

/// Replaces what the author wrote: casts, unary minus, comparisons of different kinds of numbers; and lets each call know its text.
#[derive(Debug)]
pub(crate) struct CheckedExpressions {
    pub(crate) rules: Rules,
}

impl AnalyzerRule for CheckedExpressions {
    fn name(&self) -> &str {
        "karat_checked_expressions"
    }

    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = rewrite_plan(plan, &|expr, schema| self.rewrite(expr, schema))?;
        let plan = self.whole_limits(plan)?;
        let mut widened = false;
        let plan = plan
            .walk_up_with_subqueries(|plan| match plan {
                LogicalPlan::Union(union) => {
                    let union = self.literals_in_unions(union)?;
                    widened |= union.transformed;
                    Ok(union)
                }
                // What is above it has its types from it.
                plan if widened => plan.recompute_schema().map(Transformed::yes),
                plan => Ok(Transformed::no(plan)),
            })?
            .data;
        plan.walk_with_subqueries(|plan| {
            if let LogicalPlan::Union(union) = plan {
                refuse_mixed_union(&union.inputs)?;
            }
            Ok(datafusion::common::tree_node::TreeNodeRecursion::Continue)
        })?;
        let plan = plan.walk_up_with_subqueries(|plan| match plan {
            LogicalPlan::Join(join) => self.exact_keys(join),
            other => Ok(Transformed::no(other)),
        })?;
        Ok(plan.data)
    }
}

impl CheckedExpressions {
    /// `limit 100 / 10`: a quotient is a decimal (E1), and rows are counted in whole numbers.
    fn whole_limits(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let plan = plan.walk_up_with_subqueries(|plan| {
            if !matches!(plan, LogicalPlan::Limit(_)) {
                return Ok(Transformed::no(plan));
            }
            let none = DFSchema::empty();
            plan.change_expressions(|expr| match expr.get_type(&none).map(|t| number(&t)) {
                Ok(Some(Number::Decimal(..) | Number::Double)) => {
                    Ok(Transformed::yes(self.converted(expr, &DataType::Int64)))
                }
                _ => Ok(Transformed::no(expr)),
            })
        })?;
        Ok(plan.data)
    }

    /// A number of the text in the place of a column of doubles is a double.
    fn literals_in_unions(&self, union: Union) -> Result<Transformed<LogicalPlan>> {
        let is_double = |input: &LogicalPlan, at: usize| {
            let field = input.schema().fields().get(at);
            field.is_some_and(|field| number(field.data_type()) == Some(Number::Double))
        };
        let mut inputs = union.inputs.clone();
        let mut changed = false;
        for input in &mut inputs {
            let LogicalPlan::Projection(projection) = input.as_ref() else {
                continue;
            };
            let mut exprs = projection.expr.clone();
            let mut mine = false;
            for (at, expr) in exprs.iter_mut().enumerate() {
                let own = expr.clone().unalias();
                let beside = union.inputs.iter().any(|input| is_double(input, at));
                let exact = matches!(
                    number(&own.get_type(projection.input.schema())?),
                    Some(Number::Integer(_) | Number::Decimal(..))
                );
                if beside && exact && is_constant(&own) {
                    let name = projection.schema.field(at).name().clone();
                    *expr = self.converted(own, &DataType::Float64).alias(name);
                    mine = true;
                }
            }
            if mine {
                let made = Projection::try_new(exprs, projection.input.clone())?;
                *input = LogicalPlan::Projection(made).into();
                changed = true;
            }
        }
        Ok(match changed {
            true => Transformed::yes(LogicalPlan::Union(Union::try_new_with_loose_types(inputs)?)),
            false => Transformed::no(LogicalPlan::Union(union)),
        })
    }

    /// A join whose keys are numbers of different kinds compares them exactly, in a condition of its own (E6): as keys they would be
    /// rounded to one type.
    fn exact_keys(&self, mut join: Join) -> Result<Transformed<LogicalPlan>> {
        let (mut keys, mut conditions) = (Vec::with_capacity(join.on.len()), Vec::new());
        for (left, right) in std::mem::take(&mut join.on) {
            let (l, r) = (
                left.get_type(join.left.schema())?,
                right.get_type(join.right.schema())?,
            );
            if !needs_exact_comparison(&l, &r) {
                keys.push((left, right));
                continue;
            }
            let kind = match join.null_equality {
                NullEquality::NullEqualsNothing => Comparison::Eq,
                NullEquality::NullEqualsNull => Comparison::NotDistinct,
            };
            conditions.push(self.call(Operation::Compare(kind), vec![left, right]));
        }
        join.on = keys;
        if conditions.is_empty() {
            return Ok(Transformed::no(LogicalPlan::Join(join)));
        }
        conditions.extend(join.filter.take());
        join.filter = conjunction(conditions);
        Ok(Transformed::yes(LogicalPlan::Join(join)))
    }
}

/// A union of exact numbers with doubles would round the exact ones (E1).
fn refuse_mixed_union(inputs: &[Arc<LogicalPlan>]) -> Result<()> {
    let Some((first, others)) = inputs.split_first() else {
        return Ok(());
    };
    let is_double = |t: &DataType| match number(t)? {
        Number::Double => Some(true),
        Number::Integer(_) | Number::Decimal(..) => Some(false),
        Number::Null => None,
    };
    for (nth, field) in first.schema().fields().iter().enumerate() {
        for other in others {
            let Some(twin) = other.schema().fields().get(nth) else {
                continue;
            };
            let (l, r) = (field.data_type(), twin.data_type());
            if let (Some(left), Some(right)) = (is_double(l), is_double(r))
                && left != right
            {
                return Err(refusal(
                    format!(
                        "a union of {} with {}: column `{}`",
                        type_name(l),
                        type_name(r),
                        field.name()
                    ),
                    Some("cast both to one type, for example with decimal_from_double(x)"),
                ));
            }
        }
    }
    Ok(())
}

impl CheckedExpressions {
    fn call(&self, operation: Operation, args: Vec<Expr>) -> Expr {
        with_text(Checked::new(operation, self.rules, 0), args)
    }

    fn compare(
        &self,
        kind: Comparison,
        left: Expr,
        right: Expr,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let exact = needs_exact_comparison(&left.get_type(schema)?, &right.get_type(schema)?);
        if exact {
            return Ok(self.call(Operation::Compare(kind), vec![left, right]));
        }
        let op = match kind {
            Comparison::Eq => Operator::Eq,
            Comparison::NotEq => Operator::NotEq,
            Comparison::Lt => Operator::Lt,
            Comparison::LtEq => Operator::LtEq,
            Comparison::Gt => Operator::Gt,
            Comparison::GtEq => Operator::GtEq,
            Comparison::Distinct => Operator::IsDistinctFrom,
            Comparison::NotDistinct => Operator::IsNotDistinctFrom,
        };
        Ok(Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left),
            op,
            Box::new(right),
        )))
    }

    /// One expression, its parts already done.
    pub(crate) fn rewrite(&self, expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
        let mixed = |left: &Expr, right: &Expr| -> Result<bool> {
            Ok(needs_exact_comparison(
                &left.get_type(schema)?,
                &right.get_type(schema)?,
            ))
        };
        Ok(Transformed::yes(match expr {
            Expr::Literal(ScalarValue::Decimal128(_, _, s), _) if s < 0 => whole_exponent(expr)?,
            Expr::Literal(ScalarValue::Decimal256(_, _, s), _) if s < 0 => whole_exponent(expr)?,
            Expr::Literal(ScalarValue::UInt64(_), _) => whole_exponent(expr)?,
            Expr::Cast(Cast { expr, field }) => {
                self.cast(*expr, field.data_type(), false, schema)?
            }
            Expr::TryCast(TryCast { expr, field }) => {
                self.cast(*expr, field.data_type(), true, schema)?
            }
            Expr::Negative(inner) if number(&inner.get_type(schema)?).is_some() => {
                self.call(Operation::Negate, vec![*inner])
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => match comparison(&op) {
                Some(kind) if mixed(&left, &right)? => {
                    self.call(Operation::Compare(kind), vec![*left, *right])
                }
                found => {
                    if found.is_some() {
                        comparable(&left, op, &right, schema)?;
                    }
                    return Ok(Transformed::no(Expr::BinaryExpr(BinaryExpr {
                        left,
                        op,
                        right,
                    })));
                }
            },
            Expr::Between(Between {
                expr,
                negated,
                low,
                high,
            }) => {
                comparable(&expr, Operator::GtEq, &low, schema)?;
                comparable(&expr, Operator::LtEq, &high, schema)?;
                if !mixed(&expr, &low)? && !mixed(&expr, &high)? {
                    return Ok(Transformed::no(Expr::Between(Between {
                        expr,
                        negated,
                        low,
                        high,
                    })));
                }
                if negated {
                    self.compare(Comparison::Lt, *expr.clone(), *low, schema)?
                        .or(self.compare(Comparison::Gt, *expr, *high, schema)?)
                } else {
                    self.compare(Comparison::GtEq, *expr.clone(), *low, schema)?
                        .and(self.compare(Comparison::LtEq, *expr, *high, schema)?)
                }
            }
            Expr::InList(InList {
                expr,
                list,
                negated,
            }) => {
                let mut any = false;
                for item in &list {
                    any |= mixed(&expr, item)?;
                    comparable(&expr, Operator::Eq, item, schema)?;
                }
                if !any {
                    return Ok(Transformed::no(Expr::InList(InList {
                        expr,
                        list,
                        negated,
                    })));
                }
                let kind = if negated {
                    Comparison::NotEq
                } else {
                    Comparison::Eq
                };
                let mut tests = Vec::with_capacity(list.len());
                for item in list {
                    tests.push(self.compare(kind, *expr.clone(), item, schema)?);
                }
                balanced(tests, if negated { Operator::And } else { Operator::Or })
            }
            Expr::Case(Case {
                expr: Some(operand),
                when_then_expr,
                else_expr,
            }) => {
                let mut any = false;
                for (when, _) in &when_then_expr {
                    any |= mixed(&operand, when)?;
                    comparable(&operand, Operator::Eq, when, schema)?;
                }
                if !any {
                    return Ok(Transformed::no(Expr::Case(Case {
                        expr: Some(operand),
                        when_then_expr,
                        else_expr,
                    })));
                }
                let mut arms = Vec::with_capacity(when_then_expr.len());
                for (when, then) in when_then_expr {
                    arms.push((
                        Box::new(self.compare(Comparison::Eq, *operand.clone(), *when, schema)?),
                        then,
                    ));
                }
                Expr::Case(Case {
                    expr: None,
                    when_then_expr: arms,
                    else_expr,
                })
            }
            Expr::InSubquery(InSubquery {
                expr,
                subquery,
                negated,
            }) => {
                let (l, r) = (
                    expr.get_type(schema)?,
                    subquery.subquery.schema().field(0).data_type().clone(),
                );
                if needs_exact_comparison(&l, &r) {
                    return Err(refusal(
                        format!(
                            "`{}` is {}, and the subquery gives {}",
                            sql_text(&expr),
                            type_name(&l),
                            type_name(&r)
                        ),
                        Some("cast both to one type"),
                    ));
                }
                comparable_types(&l, Operator::Eq, &r)
                    .map_err(|error| at(place_of(&expr), error))?;
                return Ok(Transformed::no(Expr::InSubquery(InSubquery {
                    expr,
                    subquery,
                    negated,
                })));
            }
            Expr::Like(like) | Expr::SimilarTo(like)
                if !matches!(like.escape_char, None | Some('\\')) =>
            {
                return Err(refusal(
                    "`like … escape` takes no character but the backslash".to_string(),
                    Some("write like 'a\\%b', or starts_with(), contains() and strpos()"),
                ));
            }
            Expr::AggregateFunction(call)
                if call.func.name() == "count"
                    && call.params.distinct
                    && call.params.args.len() > 1 =>
            {
                return Err(refusal(
                    "`count(distinct …)` of several columns".to_string(),
                    Some(
                        "count the rows of a subquery: select count(*) from (select distinct a, b from t)",
                    ),
                ));
            }
            Expr::WindowFunction(function) => match typed_by_default(&function, schema)? {
                Some(typed) => Expr::WindowFunction(Box::new(typed)),
                None => {
                    whole_default(&function, schema)?;
                    let params = &function.params;
                    let frame = with_typed_offsets(
                        &params.window_frame,
                        &params.order_by,
                        schema,
                        self.rules.timezone,
                    )?;
                    let Some(frame) = frame else {
                        return Ok(Transformed::no(Expr::WindowFunction(function)));
                    };
                    let mut typed = function;
                    typed.params.window_frame = frame;
                    Expr::WindowFunction(typed)
                }
            },
            // The format itself would be the answer, in every row.
            Expr::ScalarFunction(ScalarFunction { func, args })
                if func.name() == "to_char"
                    && let Some(Expr::Literal(format, _)) = args.get(1)
                    && let Some(why) = format.try_as_str().flatten().and_then(without_fields) =>
            {
                let hint = "for example to_char(day, '%Y-%m')";
                return Err(type_error(format!("`to_char`: {why}"), Some(hint)));
            }
            Expr::ScalarFunction(ScalarFunction { func, args })
                if chosen_from(func.name()).is_some_and(|first| {
                    doubles_beside_decimals(args.iter().skip(first), schema)
                }) =>
            {
                refuse_decimals_of_rows(args.iter(), schema)?;
                let double = |arg| self.beside_doubles(arg, schema);
                let args = args.into_iter().map(double).collect::<Result<_>>()?;
                Expr::ScalarFunction(ScalarFunction { func, args })
            }
            Expr::Case(Case {
                expr,
                when_then_expr,
                else_expr,
            }) if doubles_beside_decimals(
                when_then_expr
                    .iter()
                    .map(|(_, then)| then.as_ref())
                    .chain(else_expr.as_deref()),
                schema,
            ) =>
            {
                let arms = when_then_expr.iter().map(|(_, then)| then.as_ref());
                refuse_decimals_of_rows(arms.chain(else_expr.as_deref()), schema)?;
                let double = |expr: Box<Expr>| -> Result<Box<Expr>> {
                    Ok(Box::new(self.beside_doubles(*expr, schema)?))
                };
                let arms = when_then_expr.into_iter();
                Expr::Case(Case {
                    expr,
                    when_then_expr: arms
                        .map(|(when, then)| Ok((when, double(then)?)))
                        .collect::<Result<_>>()?,
                    else_expr: else_expr.map(double).transpose()?,
                })
            }
            Expr::ScalarFunction(ScalarFunction { func, mut args }) => {
                if let Some(checked) = func.inner().downcast_ref::<Checked>() {
                    if checked.has_text() {
                        return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction {
                            func,
                            args,
                        })));
                    }
                    with_text(checked.clone(), args)
                } else if matches!(func.name(), "date_part" | "to_char")
                    && let Some(index) = args.iter().position(|arg| {
                        matches!(arg.get_type(schema), Ok(DataType::Timestamp(_, Some(_))))
                    })
                    && !is_epoch(&args)
                {
                    // Parts of an instant are those of its local time (A6); the seconds since 1970 have no zone.
                    let local = DataType::Timestamp(TimeUnit::Microsecond, None);
                    let arg = args.remove(index);
                    args.insert(
                        index,
                        self.call(
                            Operation::Cast {
                                to: local,
                                null_on_failure: false,
                            },
                            vec![arg],
                        ),
                    );
                    Expr::ScalarFunction(ScalarFunction { func, args })
                } else {
                    return Ok(Transformed::no(Expr::ScalarFunction(ScalarFunction {
                        func,
                        args,
                    })));
                }
            }
            other => return Ok(Transformed::no(other)),
        }))
    }

    /// A constant decimal among doubles is the double nearest to it.
    fn beside_doubles(&self, expr: Expr, schema: &DFSchema) -> Result<Expr> {
        let decimal = matches!(number(&expr.get_type(schema)?), Some(Number::Decimal(..)));
        Ok(match literal_double(expr) {
            expr @ Expr::Literal(..) => expr,
            expr if decimal => self.converted(expr, &DataType::Float64),
            expr => expr,
        })
    }

    /// The expression as another type that it is known to fit or fail.
    pub(crate) fn converted(&self, expr: Expr, to: &DataType) -> Expr {
        self.call(
            Operation::Cast {
                to: to.clone(),
                null_on_failure: false,
            },
            vec![expr],
        )
    }

    fn cast(
        &self,
        expr: Expr,
        to: &DataType,
        null_on_failure: bool,
        schema: &DFSchema,
    ) -> Result<Expr> {
        let from = expr.get_type(schema)?;
        if let DataType::Interval(_) = to {
            let literal = matches!(&expr, Expr::Literal(ScalarValue::Utf8(Some(_)), _));
            if literal && !null_on_failure {
                return Ok(Expr::Cast(Cast::new(Box::new(expr), to.clone())));
            }
        }
        crate::conversion::castable(&from, to).map_err(|text| {
            let hint = match (&from, to) {
                (f, DataType::Timestamp(..)) if number(f).is_some() => Some("say what the number counts: to_timestamp_seconds(n), or _millis, _micros, _nanos"),
                _ => None,
            };
            type_error(text, hint)
        })?;
        Ok(self.call(
            Operation::Cast {
                to: to.clone(),
                null_on_failure,
            },
            vec![expr],
        ))
    }

    /// One expression after type coercion.
    pub(crate) fn rewrite_coerced(
        &self,
        expr: Expr,
        schema: &DFSchema,
    ) -> Result<Transformed<Expr>> {
        Ok(match expr {
            Expr::Cast(Cast { expr, field }) => {
                let from = expr.get_type(schema)?;
                let literal = matches!(expr.as_ref(), Expr::Literal(..));
                if lossless(&from, field.data_type())
                    || matches!(field.data_type(), DataType::Interval(_))
                        && (literal || !is_text(&from))
                {
                    return Ok(Transformed::no(Expr::Cast(Cast { expr, field })));
                }
                if integer(&from) && *field.data_type() == DataType::Float64 {
                    return Ok(Transformed::yes(
                        self.call(Operation::WholeDouble, vec![*expr]),
                    ));
                }
                let text = match expr.as_ref() {
                    Expr::Literal(value, _) if is_text(&from) && !value.is_null() => {
                        Some(sql_text(&expr))
                    }
                    _ => None,
                };
                let cast = self.cast(*expr, field.data_type(), false, schema)?;
                // Nobody wrote this cast: a text that is none of what stands beside it is a mistake.
                if let Some(text) = text
                    && folded(cast.clone(), schema)?.data == cast
                {
                    // A text is compared in nanoseconds, which nobody wrote.
                    let (needed, hint) = match field.data_type() {
                        DataType::Timestamp(_, zone) => (
                            DataType::Timestamp(TimeUnit::Microsecond, zone.clone()),
                            "a timestamp is written 2026-01-31 12:34:56; to_timestamp(text, format) reads others",
                        ),
                        DataType::Date32 => (
                            DataType::Date32,
                            "a date is written 2026-01-31; to_date(text, format) reads others",
                        ),
                        other => (
                            other.clone(),
                            "write a value of that type, or cast the other side to `string`",
                        ),
                    };
                    return Err(type_error(
                        format!(
                            "`{text}` stands where {} is needed, and cannot be read as one",
                            type_name(&needed)
                        ),
                        Some(hint),
                    ));
                }
                Transformed::yes(cast)
            }
            Expr::TryCast(TryCast { expr, field }) => {
                Transformed::yes(self.cast(*expr, field.data_type(), true, schema)?)
            }
            Expr::BinaryExpr(BinaryExpr { left, op, right }) => {
                let arithmetic = matches!(
                    op,
                    Operator::Plus
                        | Operator::Minus
                        | Operator::Multiply
                        | Operator::Divide
                        | Operator::Modulo
                        | Operator::IntegerDivide
                        | Operator::BitwiseShiftLeft
                        | Operator::BitwiseShiftRight
                );
                // `grouping(x)` comes as a shift of the bits that say which columns are grouped by.
                let grouping =
                    matches!(op, Operator::BitwiseShiftRight | Operator::BitwiseShiftLeft)
                        && left.any_column_refs()
                        && left
                            .column_refs()
                            .iter()
                            .all(|c| c.name == Aggregate::INTERNAL_GROUPING_ID);
                if arithmetic && !grouping {
                    return Err(refusal(
                        format!(
                            "`{} {op} {}` is not checked",
                            sql_text(&left),
                            sql_text(&right)
                        ),
                        None,
                    ));
                }
                Transformed::no(Expr::BinaryExpr(BinaryExpr { left, op, right }))
            }
            Expr::Negative(inner) => {
                if matches!(inner.get_type(schema)?, DataType::Interval(_)) {
                    return Ok(Transformed::no(Expr::Negative(inner)));
                }
                Transformed::yes(self.call(Operation::Negate, vec![*inner]))
            }
            other => Transformed::no(other),
        })
    }
}

/// The first argument of those from which a function of this name chooses its answer, or makes a list.
fn chosen_from(name: &str) -> Option<usize> {
    match name {
        "coalesce" | "greatest" | "least" | "make_array" | "nullif" | "nvl" => Some(0),
        "nvl2" => Some(1),
        _ => None,
    }
}

/// Whether some of the expressions are doubles and others decimals: DataFusion would make decimals of 15 places of all.
fn doubles_beside_decimals<'a>(
    exprs: impl IntoIterator<Item = &'a Expr>,
    schema: &DFSchema,
) -> bool {
    let (mut doubles, mut decimals) = (false, false);
    for expr in exprs {
        match expr.get_type(schema).map(|t| number(&t)) {
            Ok(Some(Number::Double)) => doubles = true,
            Ok(Some(Number::Decimal(..))) => decimals = true,
            _ => {}
        }
    }
    doubles && decimals
}

/// Whether an expression is a constant of the text, like `-0.5`.
fn is_constant(expr: &Expr) -> bool {
    !expr.any_column_refs()
        && crate::conditions::is_closed(expr)
        && !matches!(
            expr.has(|e| Ok(matches!(e, Expr::OuterReferenceColumn(..)))),
            Ok(true) | Err(_)
        )
}

/// A decimal of the rows beside a double has no type that keeps both: the exact one would be rounded, or the double refused (E1, E2).
fn refuse_decimals_of_rows<'a>(
    exprs: impl IntoIterator<Item = &'a Expr>,
    schema: &DFSchema,
) -> Result<()> {
    for expr in exprs {
        let of = expr.get_type(schema)?;
        if matches!(number(&of), Some(Number::Decimal(..))) && !is_constant(expr) {
            return Err(at(
                place_of(expr),
                type_error(
                    format!(
                        "`{}`, {}, stands for one value with doubles",
                        sql_text(expr),
                        type_name(&of)
                    ),
                    Some(
                        "cast it, cast(x as double), or the doubles, with decimal_from_double(x, s) or a cast that fails where digits would be lost",
                    ),
                ),
            ));
        }
    }
    Ok(())
}

/// A decimal literal among doubles is the double nearest to it.
fn literal_double(expr: Expr) -> Expr {
    let Expr::Literal(value @ (ScalarValue::Decimal128(..) | ScalarValue::Decimal256(..)), _) =
        &expr
    else {
        return expr;
    };
    let text = value.cast_to(&DataType::Utf8).ok();
    let double = text.and_then(|text| text.try_as_str().flatten()?.parse::<f64>().ok());
    match double {
        Some(double) => Expr::Literal(ScalarValue::Float64(Some(double)), None),
        None => expr,
    }
}

/// Whether `date_part` is asked for the seconds since 1970.
fn is_epoch(args: &[Expr]) -> bool {
    matches!(
        args.first(),
        Some(Expr::Literal(ScalarValue::Utf8(Some(part)), _)) if part.eq_ignore_ascii_case("epoch")
    )
}

/// `lag(null, 1, x)`: a null has the type of what stands for it.
fn typed_by_default(
    function: &WindowFunction,
    schema: &DFSchema,
) -> Result<Option<WindowFunction>> {
    let (true, [value, _, default]) = (
        matches!(function.fun.name(), "lag" | "lead"),
        function.params.args.as_slice(),
    ) else {
        return Ok(None);
    };
    let to = default.get_type(schema)?;
    if !value.get_type(schema)?.is_null() || to.is_null() {
        return Ok(None);
    }
    let mut typed = function.clone();
    if let Some(value) = typed.params.args.first_mut() {
        *value = Expr::Literal(ScalarValue::try_new_null(&to)?, None);
    }
    Ok(Some(typed))
}

/// The default of `lag` and `lead` takes the type of what it stands for; DataFusion would cut off its decimal places.
fn whole_default(function: &WindowFunction, schema: &DFSchema) -> Result<()> {
    let args = &function.params.args;
    let (true, [value, _, Expr::Literal(default, _)]) = (
        matches!(function.fun.name(), "lag" | "lead"),
        args.as_slice(),
    ) else {
        return Ok(());
    };
    let to = value.get_type(schema)?;
    let kept = default
        .cast_to(&to)
        .and_then(|cast| cast.cast_to(&default.data_type()))
        .is_ok_and(|back| back == *default);
    if default.is_null() || kept {
        return Ok(());
    }
    Err(type_error(
        format!(
            "the default of `{}` does not fit {}",
            function.fun.name(),
            type_name(&to)
        ),
        Some("cast the first argument to a type that holds both"),
    ))
}

fn with_text(checked: Checked, args: Vec<Expr>) -> Expr {
    let call = Expr::ScalarFunction(ScalarFunction::new_udf(
        Arc::new(ScalarUDF::new_from_impl(checked.clone())),
        args.clone(),
    ));
    checked.with_text(&sql_text(&call)).call(args)
}

/// Joined by `op` as a balanced tree, so that long lists do not nest deeply.
fn balanced(mut parts: Vec<Expr>, op: Operator) -> Expr {
    while parts.len() > 1 {
        let mut next = Vec::with_capacity(parts.len().div_ceil(2));
        let mut rest = parts.into_iter();
        while let Some(left) = rest.next() {
            next.push(match rest.next() {
                Some(right) => {
                    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), op, Box::new(right)))
                }
                None => left,
            });
        }
        parts = next;
    }
    parts
        .pop()
        .unwrap_or_else(|| Expr::Literal(ScalarValue::Boolean(Some(op == Operator::And)), None))
}

/// Replaces what type coercion put in, unless it loses nothing, and refuses arithmetic that is not ours.
#[derive(Debug)]
pub(crate) struct CheckedCoercions {
    pub(crate) checked: CheckedExpressions,
}

impl CheckedCoercions {
    /// At the result, types become those that a table stores: a decimal of more than 38 digits decimal(38, s), where a value that
    /// does not fit is an error (rule E1), an unsigned integer a signed one.
    fn stored(&self, plan: LogicalPlan) -> Result<LogicalPlan> {
        let change =
            |data_type: &DataType| stored_type(data_type).ok().filter(|to| to != data_type);
        let schema = plan.schema().clone();
        let asked = !matches!(
            plan,
            LogicalPlan::Explain(_)
                | LogicalPlan::Analyze(_)
                | LogicalPlan::Ddl(_)
                | LogicalPlan::Dml(_)
                | LogicalPlan::Statement(_)
        );
        if !asked
            || !schema
                .fields()
                .iter()
                .any(|field| change(field.data_type()).is_some())
        {
            return Ok(plan);
        }
        let columns = schema.iter().enumerate().map(|(at, (relation, field))| {
            let column = Expr::from((relation, field));
            match change(field.data_type()) {
                Some(to) => {
                    let null_on_failure = false;
                    let (held, answered) = (type_name(field.data_type()), type_name(&to));
                    let cast = Operation::Cast {
                        to,
                        null_on_failure,
                    };
                    let cast = Checked::new(cast, self.checked.rules, 0);
                    // Whoever wrote the query knows its expression, not the cast.
                    let converted = match made_by(&plan, at) {
                        Some(expr) => cast.with_text(&sql_text(expr)).call(vec![column]),
                        // Where the names are one, the values differ in a way that has words of its own.
                        None if held != answered => {
                            let text = read_as(&sql_text(&column), &held, &answered);
                            cast.with_text(&text).call(vec![column])
                        }
                        None => with_text(cast, vec![column]),
                    };
                    converted.alias_qualified(relation.cloned(), field.name())
                }
                None => column,
            }
        });
        let columns = columns.collect();
        Ok(LogicalPlan::Projection(Projection::try_new(
            columns,
            Arc::new(plan),
        )?))
    }
}

/// The expression that computes an output column, where it stands in the plan.
fn made_by(plan: &LogicalPlan, at: usize) -> Option<&Expr> {
    match plan {
        LogicalPlan::Projection(projection) => {
            let mut expr = projection.expr.get(at)?;
            while let Expr::Alias(alias) = expr {
                expr = &alias.expr;
            }
            let Expr::Column(column) = expr else {
                return Some(expr);
            };
            let below = projection.input.schema().index_of_column(column).ok()?;
            made_by(&projection.input, below)
        }
        LogicalPlan::Aggregate(aggregate) => {
            let computed = aggregate.schema.fields().len() - aggregate.aggr_expr.len();
            aggregate.aggr_expr.get(at.checked_sub(computed)?)
        }
        LogicalPlan::Window(window) => match at.checked_sub(window.input.schema().fields().len()) {
            Some(computed) => window.window_expr.get(computed),
            None => made_by(&window.input, at),
        },
        LogicalPlan::Sort(sort) => made_by(&sort.input, at),
        LogicalPlan::Limit(limit) => made_by(&limit.input, at),
        LogicalPlan::Filter(filter) => made_by(&filter.input, at),
        LogicalPlan::SubqueryAlias(subquery) => made_by(&subquery.input, at),
        _ => None,
    }
}

impl AnalyzerRule for CheckedCoercions {
    fn name(&self) -> &str {
        "karat_checked_coercions"
    }

    fn analyze(&self, plan: LogicalPlan, config: &ConfigOptions) -> Result<LogicalPlan> {
        let plan = rewrite_plan(plan, &|expr, schema| {
            self.checked.rewrite_coerced(expr, schema)
        })?;
        let plan = with_constants(plan)?;
        let config = Arc::new(config.clone());
        let plan = with_counted_limits(plan, &config)?;
        let plan = map_plan(plan, &|expr, schema| {
            spelled_out(expr)?
                .transform_data(|expr| bounds::proven(expr, schema))?
                .transform_data(|expr| conditions::guarded(expr, schema, &config))
        })?;
        self.stored(plan)
    }
}
