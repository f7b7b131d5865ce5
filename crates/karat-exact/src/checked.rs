//! karat's own scalar functions: one type for all checked operations, which DataFusion calls (a failed row raises) and
//! [`crate::rows`] calls (a failed row is a bit in a mask).

use std::hash::Hash;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, StringArray, StringBuilder, new_null_array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::cast as arrow_cast;
use arrow::datatypes::{
    DataType, Decimal128Type, Field, FieldRef, Float64Type, Int64Type, TimeUnit,
};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};
use xxhash_rust::xxh3::xxh3_128;

use crate::calendar::{self, Format, Formats, Unit};
use crate::conversion::{self, Rules, castable};
use crate::elementary::{self, Elementary};
use crate::error::{ExactError, SqlError, SqlErrorKind};
use crate::numbers::{self, Number, Op, Outcome, Rest, Why, number, union_failed};
use crate::places::{to_places, type_at_any_place};
use crate::scalar::Scalar;
use crate::text;
use crate::types::type_name;

/// A comparison of numbers of different kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Comparison {
    Eq,
    NotEq,
    Lt,
    LtEq,
    Gt,
    GtEq,
    Distinct,
    NotDistinct,
}

impl Comparison {
    fn symbol(self) -> &'static str {
        match self {
            Comparison::Eq => "=",
            Comparison::NotEq => "!=",
            Comparison::Lt => "<",
            Comparison::LtEq => "<=",
            Comparison::Gt => ">",
            Comparison::GtEq => ">=",
            Comparison::Distinct => "IS DISTINCT FROM",
            Comparison::NotDistinct => "IS NOT DISTINCT FROM",
        }
    }

    fn holds(self, order: i64) -> bool {
        match self {
            Comparison::Eq | Comparison::NotDistinct => order == 0,
            Comparison::NotEq | Comparison::Distinct => order != 0,
            Comparison::Lt => order < 0,
            Comparison::LtEq => order <= 0,
            Comparison::Gt => order > 0,
            Comparison::GtEq => order >= 0,
        }
    }
}

/// How a number loses its decimal places.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Places {
    Round,
    Truncate,
    Floor,
    Ceiling,
}

/// What a clock function answers with: the run's logical time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Clock {
    Now,
    Date,
    Time,
}

/// What a function does.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    Arithmetic(Op),
    /// Operators that bind alike, from left to right, each with the result so far and the next operand: what nesting says, without its levels.
    Chain(Vec<Op>),
    Negate,
    Absolute,
    Round(Places),
    Cast {
        to: DataType,
        null_on_failure: bool,
    },
    Compare(Comparison),
    /// An integer as a double where nobody wrote the cast: one that a double does not hold fails.
    WholeDouble,
    DecimalFromDouble,
    ToDate,
    ToTimestamp,
    ShiftDays {
        minus: bool,
    },
    DaysBetween,
    AddInterval {
        minus: bool,
    },
    DateTrunc,
    UuidFrom,
    Elementary(Elementary),
    Clock(Clock),
    Scalar(Scalar),
}

/// A checked scalar function.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Checked {
    pub(crate) operation: Operation,
    pub(crate) rules: Rules,
    logical_time_us: i64,
    signature: Signature,
    /// The call as its author would write it; errors name it.
    text: Option<Arc<str>>,
    /// Whether the types of its operands prove that no value makes it fail ([`crate::bounds`]).
    proven: bool,
}

fn plan_error(kind: SqlErrorKind, message: String, hint: Option<&str>) -> DataFusionError {
    SqlError {
        message,
        line: None,
        column: None,
        hint: hint.map(str::to_string),
        kind,
    }
    .into()
}

pub(crate) fn type_error(message: String, hint: Option<&str>) -> DataFusionError {
    plan_error(SqlErrorKind::Type, message, hint)
}

pub(crate) fn refusal(message: String, hint: Option<&str>) -> DataFusionError {
    plan_error(SqlErrorKind::Refused, message, hint)
}

impl Checked {
    pub(crate) fn new(operation: Operation, rules: Rules, logical_time_us: i64) -> Checked {
        Checked {
            operation,
            rules,
            logical_time_us,
            signature: Signature::user_defined(Volatility::Immutable),
            text: None,
            proven: false,
        }
    }

    /// Whether it fails only where a result is too large for its type.
    pub(crate) fn only_overflows(&self) -> bool {
        let grows = |op: &Op| matches!(op, Op::Add | Op::Sub | Op::Mul);
        match &self.operation {
            Operation::Arithmetic(op) => grows(op),
            Operation::Chain(ops) => ops.iter().all(grows),
            Operation::Negate | Operation::ShiftDays { .. } | Operation::AddInterval { .. } => true,
            _ => false,
        }
    }

    /// Why it fails on rows of these operands, where that is the same for all of them.
    pub(crate) fn only_reason(&self, args: &[ColumnarValue]) -> Option<Why> {
        let Operation::Cast { to, .. } = &self.operation else {
            return None;
        };
        let from = args.first()?.data_type();
        let is_text = matches!(
            from,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        // Others are read as these first, and may lose something then.
        let is_read_at_once = match to {
            DataType::Timestamp(unit, _) | DataType::Time64(unit) => *unit == TimeUnit::Microsecond,
            DataType::Boolean | DataType::Date32 | DataType::Float64 => true,
            DataType::Decimal128(..) | DataType::Decimal256(..) => true,
            other => other.is_integer(),
        };
        conversion::not_a(to).filter(|_| is_text && is_read_at_once)
    }

    pub(crate) fn is_proven(&self) -> bool {
        self.proven
    }

    pub(crate) fn proven(&self) -> Checked {
        Checked {
            proven: true,
            ..self.clone()
        }
    }

    /// The call as its author wrote it, where that is not how it reads in the plan.
    pub(crate) fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    pub(crate) fn has_text(&self) -> bool {
        self.text.is_some()
    }

    pub(crate) fn with_text(&self, text: &str) -> Checked {
        Checked {
            text: Some(text.into()),
            ..self.clone()
        }
    }

    pub(crate) fn call(self, args: Vec<Expr>) -> Expr {
        ScalarUDF::new_from_impl(self).call(args)
    }

    pub(crate) fn sql_name(&self) -> &'static str {
        match &self.operation {
            Operation::Arithmetic(op) => op.symbol(),
            Operation::Chain(ops) => ops.first().map_or("+", |op| op.symbol()),
            Operation::Negate => "-",
            Operation::Absolute => "abs",
            Operation::Round(Places::Round) => "round",
            Operation::Round(Places::Truncate) => "trunc",
            Operation::Round(Places::Floor) => "floor",
            Operation::Round(Places::Ceiling) => "ceil",
            Operation::Cast {
                null_on_failure: false,
                ..
            } => "cast",
            Operation::Cast {
                null_on_failure: true,
                ..
            } => "try_cast",
            Operation::Compare(comparison) => comparison.symbol(),
            Operation::WholeDouble => "cast",
            Operation::DecimalFromDouble => "decimal_from_double",
            Operation::ToDate => "to_date",
            Operation::ToTimestamp => "to_timestamp",
            Operation::ShiftDays { minus: false } | Operation::AddInterval { minus: false } => "+",
            Operation::ShiftDays { minus: true }
            | Operation::AddInterval { minus: true }
            | Operation::DaysBetween => "-",
            Operation::DateTrunc => "date_trunc",
            Operation::UuidFrom => "uuid_from",
            Operation::Elementary(function) => function.sql_name(),
            Operation::Clock(Clock::Now) => "now",
            Operation::Clock(Clock::Date) => "current_date",
            Operation::Clock(Clock::Time) => "current_time",
            Operation::Scalar(function) => function.sql_name(),
        }
    }

    /// How tightly an operator binds; calls bind tightest.
    fn binds(&self) -> u8 {
        match &self.operation {
            Operation::Arithmetic(op) => op.binds(),
            Operation::Chain(ops) => ops.first().map_or(4, |op| op.binds()),
            Operation::ShiftDays { .. }
            | Operation::AddInterval { .. }
            | Operation::DaysBetween
            | Operation::Scalar(
                Scalar::ShiftTime { .. }
                | Scalar::Between
                | Scalar::AtTimeOfDay
                | Scalar::AddIntervals { .. }
                | Scalar::Shift { .. },
            ) => 2,
            Operation::Compare(_) => 1,
            _ => 4,
        }
    }

    /// Writes the call as SQL, given how its arguments are written.
    fn write(&self, args: &[Expr], write: WriteOperand, out: &mut String) {
        let name = self.sql_name();
        let operand = |index: usize, out: &mut String| {
            let Some(arg) = args.get(index) else {
                return;
            };
            let inner = match arg {
                Expr::ScalarFunction(call) => call
                    .func
                    .inner()
                    .downcast_ref::<Checked>()
                    .map_or(4, Checked::binds),
                Expr::BinaryExpr(_) | Expr::Case(_) => 0,
                _ => 4,
            };
            if inner < self.binds() || (inner == self.binds() && index > 0 && inner < 4) {
                out.push('(');
                write(arg, out);
                out.push(')');
            } else {
                write(arg, out);
            }
        };
        let listed = |args: &[Expr], out: &mut String| {
            for (nth, arg) in args.iter().enumerate() {
                if nth > 0 {
                    out.push_str(", ");
                }
                write(arg, out);
            }
        };
        match &self.operation {
            Operation::Negate => {
                out.push_str("(- ");
                operand(0, out);
                out.push(')');
            }
            Operation::Chain(ops) => {
                operand(0, out);
                for (nth, op) in ops.iter().enumerate() {
                    out.push(' ');
                    out.push_str(op.symbol());
                    out.push(' ');
                    operand(nth + 1, out);
                }
            }
            _ if self.binds() < 4 => {
                operand(0, out);
                out.push(' ');
                out.push_str(name);
                out.push(' ');
                operand(1, out);
            }
            operation => {
                let name = match operation {
                    Operation::Arithmetic(Op::IntDiv) => "div",
                    _ => name,
                };
                out.push_str(name);
                out.push('(');
                match operation {
                    Operation::WholeDouble | Operation::Cast { .. } => {
                        listed(&args[..args.len().min(1)], out)
                    }
                    Operation::Arithmetic(Op::IntDiv) => listed(&args[..args.len().min(2)], out),
                    _ => listed(args, out),
                }
                match operation {
                    Operation::WholeDouble => out.push_str(" as double"),
                    Operation::Cast { to, .. } => {
                        out.push_str(" as ");
                        out.push_str(&type_name(to));
                    }
                    _ => {}
                }
                out.push(')');
            }
        }
    }

    fn result(&self, types: &[DataType], literals: &[Option<&ScalarValue>]) -> Result<DataType> {
        let count = |least: usize, most: usize| {
            if (least..=most).contains(&types.len()) {
                return Ok(());
            }
            let wants = match (least, most) {
                (1, 1) => "1 argument".to_string(),
                (0, 0) => "no argument".to_string(),
                _ if least == most => format!("{least} arguments"),
                _ => format!("{least} to {most} arguments"),
            };
            Err(type_error(
                format!("`{}` takes {wants}, not {}", self.sql_name(), types.len()),
                None,
            ))
        };
        let no_number = |t: &DataType| {
            type_error(
                format!("`{}` takes a number, not {}", self.sql_name(), type_name(t)),
                Some("cast it first"),
            )
        };
        match &self.operation {
            Operation::Arithmetic(op) => {
                count(2, 2)?;
                numbers::result_type(*op, &types[0], &types[1])
                    .map_err(|text| type_error(text, Some("cast the operands to numbers first")))
            }
            Operation::Chain(ops) => {
                count(ops.len() + 1, ops.len() + 1)?;
                let steps = chain_types(ops, types)?;
                Ok(steps.last().unwrap_or(&types[0]).clone())
            }
            Operation::Negate | Operation::Absolute => {
                count(1, 1)?;
                numbers::signed_type(&types[0]).ok_or_else(|| no_number(&types[0]))
            }
            Operation::Round(places) => {
                count(
                    1,
                    if matches!(places, Places::Round | Places::Truncate) {
                        2
                    } else {
                        1
                    },
                )?;
                match self.places(literals)? {
                    Some(places) => numbers::rounded_type(&types[0], places),
                    None => type_at_any_place(&types[0]),
                }
                .map_err(|text| type_error(text, None))
            }
            Operation::Cast { to, .. } => {
                count(1, 1)?;
                castable(&types[0], to).map_err(|text| type_error(text, None))?;
                Ok(to.clone())
            }
            Operation::WholeDouble => {
                count(1, 1)?;
                Ok(DataType::Float64)
            }
            Operation::Compare(_) => {
                count(2, 2)?;
                for t in types {
                    number(t).ok_or_else(|| no_number(t))?;
                }
                Ok(DataType::Boolean)
            }
            Operation::DecimalFromDouble => {
                count(1, 2)?;
                if !matches!(number(&types[0]), Some(Number::Double | Number::Null)) {
                    return Err(type_error(
                        format!(
                            "`decimal_from_double` takes a double, not {}",
                            type_name(&types[0])
                        ),
                        Some("a text or decimal is cast to a decimal directly"),
                    ));
                }
                let scale = match types.len() {
                    1 => 10,
                    _ => match literals
                        .get(1)
                        .copied()
                        .flatten()
                        .map(|v| v.cast_to(&DataType::Int64))
                    {
                        Some(Ok(ScalarValue::Int64(Some(scale)))) if (0..=38).contains(&scale) => {
                            scale as i8
                        }
                        _ => {
                            return Err(type_error(
                                "the scale of `decimal_from_double` is a literal from 0 to 38"
                                    .to_string(),
                                None,
                            ));
                        }
                    },
                };
                Ok(DataType::Decimal128(38, scale))
            }
            Operation::ToDate | Operation::ToTimestamp => {
                count(1, 255)?;
                let date = self.operation == Operation::ToDate;
                if types.len() == 1 {
                    let to = if date {
                        DataType::Date32
                    } else {
                        DataType::Timestamp(TimeUnit::Microsecond, None)
                    };
                    castable(&types[0], &to).map_err(|text| type_error(text, None))?;
                    return Ok(to);
                }
                if !matches!(
                    types[0],
                    DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null
                ) {
                    return Err(type_error(
                        format!(
                            "`{}` reads text, not {}",
                            self.sql_name(),
                            type_name(&types[0])
                        ),
                        None,
                    ));
                }
                let formats = self.formats(literals.get(1..).unwrap_or_default())?;
                Ok(match (date, formats.has_offset()) {
                    (true, _) => DataType::Date32,
                    (false, true) => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                    (false, false) => DataType::Timestamp(TimeUnit::Microsecond, None),
                })
            }
            Operation::ShiftDays { .. } => Ok(DataType::Date32),
            Operation::DaysBetween => Ok(DataType::Int64),
            Operation::AddInterval { .. } => Ok(micros_type(&types[0])),
            Operation::DateTrunc => {
                count(2, 2)?;
                self.unit(literals.first().copied().flatten())?;
                match &types[1] {
                    DataType::Date32 => Ok(DataType::Date32),
                    DataType::Timestamp(..) => Ok(micros_type(&types[1])),
                    t if conversion::is_time(t) => {
                        if self.unit(literals.first().copied().flatten())?.is_of_days() {
                            return Err(type_error(
                                "a time of day is cut to an hour or less".to_string(),
                                Some("'hour', 'minute', 'second', 'millisecond' or 'microsecond'"),
                            ));
                        }
                        Ok(DataType::Time64(TimeUnit::Microsecond))
                    }
                    DataType::Null => Ok(DataType::Timestamp(TimeUnit::Microsecond, None)),
                    other => Err(type_error(
                        format!(
                            "`date_trunc` takes a date, time or timestamp, not {}",
                            type_name(other)
                        ),
                        Some("cast it first"),
                    )),
                }
            }
            Operation::UuidFrom => {
                if types.is_empty() {
                    count(1, 255)?;
                }
                for t in types {
                    castable(t, &DataType::Utf8).map_err(|text| type_error(text, None))?;
                }
                Ok(DataType::Utf8)
            }
            Operation::Elementary(function) => {
                let (least, most) = function.arguments();
                count(least, most)?;
                match types.iter().find(|t| number(t).is_none()) {
                    Some(other) => Err(no_number(other)),
                    None => Ok(DataType::Float64),
                }
            }
            Operation::Clock(clock) => {
                count(0, 0)?;
                Ok(match clock {
                    Clock::Now => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
                    Clock::Date => DataType::Date32,
                    Clock::Time => DataType::Time64(TimeUnit::Microsecond),
                })
            }
            Operation::Scalar(function) => function.result(types, literals),
        }
    }

    /// The decimal places to round to; None if each row has its own.
    fn places(&self, literals: &[Option<&ScalarValue>]) -> Result<Option<i32>> {
        let literal = match literals.get(1) {
            None => return Ok(Some(0)),
            Some(None) => return Ok(None),
            Some(Some(value)) if value.is_null() => return Ok(None),
            Some(Some(value)) => value,
        };
        let whole = literal.cast_to(&DataType::Int64);
        match whole.as_ref() {
            Ok(ScalarValue::Int64(Some(places)))
                if (-400..=400).contains(places)
                    && whole.as_ref().is_ok_and(|whole| {
                        whole
                            .cast_to(&literal.data_type())
                            .is_ok_and(|back| back == **literal)
                    }) =>
            {
                // No decimal has more.
                Ok(Some((*places).clamp(-76, 76) as i32))
            }
            _ => Err(type_error(
                format!(
                    "the places of `{}` are a whole number from -400 to 400",
                    self.sql_name()
                ),
                None,
            )),
        }
    }

    fn formats(&self, literals: &[Option<&ScalarValue>]) -> Result<Formats> {
        let mut formats = Vec::with_capacity(literals.len());
        for literal in literals {
            let Some(text) = literal.and_then(|value| value.try_as_str().flatten()) else {
                return Err(type_error(
                    format!("the format of `{}` must be a literal", self.sql_name()),
                    None,
                ));
            };
            formats.push(Format::parse(text).map_err(|why| self.wrong_format(&why))?);
        }
        if self.operation == Operation::ToDate {
            return Ok(Formats::of_dates(formats));
        }
        Formats::new(formats).map_err(|why| self.wrong_format(&why))
    }

    fn wrong_format(&self, why: &str) -> DataFusionError {
        type_error(
            format!("`{}`: {why}", self.sql_name()),
            Some("for example '%Y-%m-%d %H:%M:%S'"),
        )
    }

    fn unit(&self, literal: Option<&ScalarValue>) -> Result<Unit> {
        literal.and_then(|value| value.try_as_str().flatten()).and_then(Unit::parse).ok_or_else(|| {
            type_error(
                "the first argument of `date_trunc` must be a literal unit".to_string(),
                Some("'year', 'quarter', 'month', 'week', 'day', 'hour', 'minute', 'second', 'millisecond' or 'microsecond'"),
            )
        })
    }

    /// Values and failed rows. Never an error for what the rows hold.
    pub(crate) fn apply(
        &self,
        args: &[ColumnarValue],
        rows: usize,
        out: &DataType,
    ) -> Result<Outcome> {
        let constant = args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        if !constant || rows == 1 {
            return self.compute(args, rows, out);
        }
        let one = self.compute(args, 1, out)?;
        let array = ScalarValue::try_from_array(&one.array, 0)?.to_array_of_size(rows)?;
        Ok(Outcome {
            array,
            failed: one.failed.map(|_| BooleanBuffer::new_set(rows)),
            why: one.why,
        })
    }

    fn compute(&self, args: &[ColumnarValue], rows: usize, out: &DataType) -> Result<Outcome> {
        let array = |index: usize| -> Result<ArrayRef> {
            match args.get(index) {
                Some(arg) => arg.to_array(rows),
                None => Err(ExactError::Internal(format!(
                    "`{}` lacks an argument",
                    self.sql_name()
                ))
                .into()),
            }
        };
        let literal = |index: usize| match args.get(index) {
            Some(ColumnarValue::Scalar(value)) => Some(value.clone()),
            _ => None,
        };
        let rules = self.rules;
        Ok(match &self.operation {
            Operation::Arithmetic(op) => {
                numbers::arithmetic(*op, &args[0], &args[1], rows, out, rules.rounding)?
            }
            Operation::Chain(ops) => chain(ops, args, rows, rules)?,
            // A null has no type, the answer has.
            Operation::Negate | Operation::Absolute if array(0)?.data_type().is_null() => {
                Outcome::fine(new_null_array(out, rows))
            }
            Operation::Negate => numbers::negate(&array(0)?)?,
            Operation::Absolute => numbers::absolute(&array(0)?)?,
            Operation::Round(places) => {
                let rest = match places {
                    Places::Round => Rest::Round(rules.rounding),
                    Places::Truncate => Rest::Drop,
                    Places::Floor => Rest::Down,
                    Places::Ceiling => Rest::Up,
                };
                match args.len() {
                    1 => numbers::round(&array(0)?, out, rest)?,
                    _ => self.to_places(&array(0)?, args, rows, out, rest)?,
                }
            }
            Operation::Cast {
                to,
                null_on_failure,
            } => {
                let outcome = conversion::cast(&array(0)?, to, rules)?;
                if *null_on_failure {
                    Outcome {
                        failed: None,
                        ..outcome
                    }
                } else {
                    outcome
                }
            }
            Operation::Compare(comparison) => compare(*comparison, &args[0], &args[1], rows)?,
            Operation::WholeDouble => whole_double(&array(0)?, rules)?,
            Operation::DecimalFromDouble => decimal_from_double(&array(0)?, out)?,
            Operation::ToDate | Operation::ToTimestamp if args.len() == 1 => {
                conversion::cast(&array(0)?, out, rules)?
            }
            Operation::ToDate | Operation::ToTimestamp => {
                let literals: Vec<Option<ScalarValue>> = (1..args.len()).map(literal).collect();
                let literals: Vec<Option<&ScalarValue>> =
                    literals.iter().map(Option::as_ref).collect();
                let (formats, text) = (self.formats(&literals)?, as_text(&array(0)?)?);
                match self.operation {
                    Operation::ToDate => formats.dates(&text)?,
                    _ => formats.timestamps(&text)?,
                }
            }
            Operation::ShiftDays { minus } => {
                let days = conversion::cast(&array(1)?, &DataType::Int64, rules)?;
                let outcome = calendar::shift_days(&array(0)?, &days.array, *minus)?;
                Outcome {
                    failed: union_failed(days.failed, outcome.failed.clone()),
                    ..outcome
                }
            }
            Operation::DaysBetween => calendar::days_between(&array(0)?, &array(1)?)?,
            Operation::AddInterval { minus } => {
                let moments = conversion::cast(&array(0)?, out, rules)?;
                let outcome =
                    calendar::add_interval(&moments.array, &array(1)?, *minus, rules.timezone)?;
                Outcome {
                    failed: union_failed(moments.failed, outcome.failed.clone()),
                    ..outcome
                }
            }
            Operation::DateTrunc => {
                let moments = conversion::cast(&array(1)?, out, rules)?;
                let outcome = calendar::truncate(
                    &moments.array,
                    self.unit(literal(0).as_ref())?,
                    rules.timezone,
                )?;
                Outcome {
                    failed: union_failed(moments.failed, outcome.failed.clone()),
                    ..outcome
                }
            }
            Operation::UuidFrom => {
                let arrays: Vec<ArrayRef> = (0..args.len()).map(array).collect::<Result<_>>()?;
                uuid_from(&arrays, rows)?
            }
            Operation::Elementary(function) => {
                let arrays: Vec<ArrayRef> = (0..args.len()).map(array).collect::<Result<_>>()?;
                elementary::apply(*function, &arrays, rows)?
            }
            Operation::Clock(_) => Outcome::fine(self.clock()?.to_array_of_size(rows)?),
            Operation::Scalar(function) => function.compute(args, rows, out, rules)?,
        })
    }

    fn to_places(
        &self,
        array: &ArrayRef,
        args: &[ColumnarValue],
        rows: usize,
        out: &DataType,
        rest: Rest,
    ) -> Result<Outcome> {
        let literals = [args.first(), args.get(1)].map(|arg| match arg {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            _ => None,
        });
        let by_type = match number(array.data_type()) {
            Some(Number::Decimal(..)) => self.places(&literals)?.filter(|places| *places >= 0),
            _ => None,
        };
        if by_type.is_some() {
            return Ok(numbers::round(array, out, rest)?);
        }
        let places = match args.get(1) {
            Some(places) => places.to_array(rows)?,
            None => ScalarValue::from(0i64).to_array_of_size(rows)?,
        };
        Ok(to_places(array, &places, out, rest, self.rules)?)
    }

    fn clock(&self) -> Result<ScalarValue> {
        let now = self.logical_time_us;
        Ok(match self.operation {
            Operation::Clock(Clock::Date) => {
                ScalarValue::Date32(calendar::local_date(now, self.rules.timezone))
            }
            Operation::Clock(Clock::Time) => {
                ScalarValue::Time64Microsecond(calendar::local_time(now, self.rules.timezone))
            }
            _ => ScalarValue::TimestampMicrosecond(Some(now), Some("UTC".into())),
        })
    }
}

fn micros_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(_, zone) => {
            DataType::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        other => other.clone(),
    }
}

/// Writes an expression behind a text. Into one text all the way down: a text for each level would copy those below it.
type WriteOperand = fn(&Expr, &mut String);

/// An expression as its author would write it.
pub(crate) fn sql_text(expr: &Expr) -> String {
    let mut text = String::new();
    write_sql(expr, &mut text);
    text
}

fn write_sql(expr: &Expr, out: &mut String) {
    match expr {
        Expr::Column(column) => out.push_str(&column.flat_name()),
        Expr::Alias(alias) => write_sql(&alias.expr, out),
        Expr::Literal(value, _) => out.push_str(&literal_text(value)),
        Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Checked>() {
            Some(checked) => checked.write(&call.args, write_sql, out),
            None => {
                out.push_str(call.func.name());
                out.push('(');
                for (nth, arg) in call.args.iter().enumerate() {
                    if nth > 0 {
                        out.push_str(", ");
                    }
                    write_sql(arg, out);
                }
                out.push(')');
            }
        },
        other => out.push_str(&other.schema_name().to_string()),
    }
}

/// Writes an expression as plans name it.
fn write_name(expr: &Expr, out: &mut String) {
    match expr {
        Expr::Literal(..) => write_sql(expr, out),
        Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<Checked>() {
            Some(checked) => checked.write(&call.args, write_name, out),
            None => out.push_str(&expr.schema_name().to_string()),
        },
        _ => out.push_str(&expr.schema_name().to_string()),
    }
}

fn literal_text(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Utf8(Some(text))
        | ScalarValue::Utf8View(Some(text))
        | ScalarValue::LargeUtf8(Some(text)) => {
            format!("'{}'", text.replace('\'', "''"))
        }
        ScalarValue::Decimal128(..) | ScalarValue::Decimal256(..) => match value
            .to_array()
            .and_then(|a| Ok(arrow_cast(&a, &DataType::Utf8)?))
        {
            Ok(text) if !text.is_null(0) => text.as_string::<i32>().value(0).to_string(),
            _ => "null".to_string(),
        },
        value if value.is_null() => "null".to_string(),
        ScalarValue::IntervalMonthDayNano(Some(length)) => {
            let parts = [
                (i128::from(length.months), "month"),
                (i128::from(length.days), "day"),
                (i128::from(length.nanoseconds), "nanosecond"),
            ];
            let parts: Vec<String> = parts
                .iter()
                .filter(|(count, _)| *count != 0)
                .map(|(count, unit)| format!("{count} {unit}"))
                .collect();
            format!("interval '{}'", parts.join(" "))
        }
        value => value.to_string(),
    }
}

impl ScalarUDFImpl for Checked {
    fn name(&self) -> &str {
        match &self.operation {
            Operation::Arithmetic(op) => op.function(),
            Operation::Chain(_) => "karat_chain",
            Operation::Negate => "karat_negate",
            Operation::Absolute => "karat_abs",
            Operation::Round(Places::Round) => "karat_round",
            Operation::Round(Places::Truncate) => "karat_trunc",
            Operation::Round(Places::Floor) => "karat_floor",
            Operation::Round(Places::Ceiling) => "karat_ceil",
            Operation::Cast {
                null_on_failure: false,
                ..
            } => "karat_cast",
            Operation::Cast {
                null_on_failure: true,
                ..
            } => "karat_try_cast",
            Operation::Compare(comparison) => match comparison {
                Comparison::Eq => "karat_equal",
                Comparison::NotEq => "karat_not_equal",
                Comparison::Lt => "karat_less",
                Comparison::LtEq => "karat_less_or_equal",
                Comparison::Gt => "karat_greater",
                Comparison::GtEq => "karat_greater_or_equal",
                Comparison::Distinct => "karat_distinct",
                Comparison::NotDistinct => "karat_not_distinct",
            },
            Operation::WholeDouble => "karat_whole_double",
            Operation::DecimalFromDouble => "karat_decimal_from_double",
            Operation::ToDate => "karat_to_date",
            Operation::ToTimestamp => "karat_to_timestamp",
            Operation::ShiftDays { minus: false } => "karat_add_days",
            Operation::ShiftDays { minus: true } => "karat_subtract_days",
            Operation::DaysBetween => "karat_days_between",
            Operation::AddInterval { minus: false } => "karat_add_interval",
            Operation::AddInterval { minus: true } => "karat_subtract_interval",
            Operation::DateTrunc => "karat_date_trunc",
            Operation::UuidFrom => "karat_uuid_from",
            Operation::Elementary(function) => function.name(),
            Operation::Clock(Clock::Now) => "karat_now",
            Operation::Clock(Clock::Date) => "karat_current_date",
            Operation::Clock(Clock::Time) => "karat_current_time",
            Operation::Scalar(function) => function.name(),
        }
    }

    fn aliases(&self) -> &[String] {
        use std::sync::LazyLock;
        static NAMES: LazyLock<std::collections::BTreeMap<&str, Vec<String>>> =
            LazyLock::new(|| {
                let entry = |name, aliases: &[&str]| {
                    (name, aliases.iter().map(ToString::to_string).collect())
                };
                [
                    entry("karat_div", &["div"]),
                    entry("karat_abs", &["abs"]),
                    entry("karat_round", &["round"]),
                    entry("karat_trunc", &["trunc", "truncate"]),
                    entry("karat_floor", &["floor"]),
                    entry("karat_ceil", &["ceil", "ceiling"]),
                    entry("karat_decimal_from_double", &["decimal_from_double"]),
                    entry("karat_to_date", &["to_date"]),
                    entry("karat_to_timestamp", &["to_timestamp"]),
                    entry("karat_date_trunc", &["date_trunc", "datetrunc"]),
                    entry("karat_uuid_from", &["uuid_from"]),
                    entry("karat_now", &["now", "current_timestamp"]),
                    entry("karat_current_date", &["current_date", "today"]),
                    entry("karat_current_time", &["current_time"]),
                ]
                .into_iter()
                .chain(Elementary::ALL.map(|function| entry(function.name(), function.aliases())))
                .chain(Scalar::NAMED.map(|f| (f.name(), f.sql_names())))
                .collect()
            });
        NAMES.get(self.name()).map_or(&[], Vec::as_slice)
    }

    /// Unlike DataFusion's, a cast has a name of its own: as the key of a join it stands beside the column that it casts.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let mut name = String::new();
        self.write(args, write_name, &mut name);
        Ok(name)
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(types.to_vec())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.result(types, &[])
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args
            .arg_fields
            .iter()
            .map(|field| field.data_type().clone())
            .collect();
        let nullable = !matches!(self.operation, Operation::Clock(_));
        Ok(Arc::new(Field::new(
            self.name(),
            self.result(&types, args.scalar_arguments)?,
            nullable,
        )))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let out = args.return_field.data_type();
        if args.number_rows == 0 {
            return Ok(ColumnarValue::Array(arrow::array::new_empty_array(out)));
        }
        let constant = args
            .args
            .iter()
            .all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let outcome = self.compute(&args.args, if constant { 1 } else { args.number_rows }, out)?;
        if outcome.failed.is_some() {
            return Err(outcome
                .why
                .error(self.text.as_deref().unwrap_or(self.sql_name()))
                .into());
        }
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
                &outcome.array,
                0,
            )?));
        }
        Ok(ColumnarValue::Array(outcome.array))
    }
}

/// The type of each result of a chain.
fn chain_types(ops: &[Op], types: &[DataType]) -> Result<Vec<DataType>> {
    let mut steps: Vec<DataType> = Vec::with_capacity(ops.len());
    for (op, next) in ops.iter().zip(types.iter().skip(1)) {
        let so_far = steps.last().unwrap_or(&types[0]);
        let step = numbers::result_type(*op, so_far, next)
            .map_err(|text| type_error(text, Some("cast the operands to numbers first")))?;
        steps.push(step);
    }
    Ok(steps)
}

fn chain(ops: &[Op], args: &[ColumnarValue], rows: usize, rules: Rules) -> Result<Outcome> {
    let types: Vec<DataType> = args.iter().map(ColumnarValue::data_type).collect();
    let mut so_far = args[0].clone();
    let (mut failed, mut why) = (None, Why::Conversion);
    for ((op, next), out) in ops.iter().zip(&args[1..]).zip(chain_types(ops, &types)?) {
        let step = numbers::arithmetic(*op, &so_far, next, rows, &out, rules.rounding)?;
        if failed.is_none() {
            why = step.why;
        }
        // What has failed is null from here on.
        failed = union_failed(failed, step.failed);
        so_far = ColumnarValue::Array(step.array);
    }
    Ok(Outcome {
        array: so_far.to_array(rows)?,
        failed,
        why,
    })
}

/// Integers as doubles that are equal to them.
fn whole_double(array: &ArrayRef, rules: Rules) -> Result<Outcome> {
    let whole = conversion::cast(array, &DataType::Decimal128(20, 0), rules)?;
    let doubles = conversion::cast(array, &DataType::Float64, rules)?;
    let values = doubles.array.as_primitive::<Float64Type>().values();
    let exact = whole.array.as_primitive::<Decimal128Type>().values();
    let bad: Vec<usize> = (0..values.len())
        .filter(|row| values[*row] as i128 != exact[*row])
        .collect();
    let (nulls, failed) = conversion::failures(array.nulls(), &bad, array.len());
    let array = arrow::array::Float64Array::new(values.clone(), nulls);
    Ok(Outcome {
        array: Arc::new(array),
        failed,
        why: Why::Conversion,
    })
}

fn compare(
    comparison: Comparison,
    left: &ColumnarValue,
    right: &ColumnarValue,
    rows: usize,
) -> Result<Outcome> {
    let order = numbers::compare(left, right, rows)?;
    let order = order.as_primitive::<Int64Type>();
    let values = BooleanBuffer::collect_bool(rows, |row| comparison.holds(order.values()[row]));
    let distinct = match comparison {
        Comparison::Distinct => true,
        Comparison::NotDistinct => false,
        _ => {
            return Ok(Outcome::fine(Arc::new(BooleanArray::new(
                values,
                order.nulls().cloned(),
            ))));
        }
    };
    let null = |value: &ColumnarValue, row: usize| match value {
        ColumnarValue::Array(array) => array.is_null(row),
        ColumnarValue::Scalar(value) => value.is_null(),
    };
    let values =
        BooleanBuffer::collect_bool(rows, |row| match (null(left, row), null(right, row)) {
            (true, true) => !distinct,
            (false, false) => values.value(row),
            _ => distinct,
        });
    Ok(Outcome::fine(Arc::new(BooleanArray::new(values, None))))
}

fn as_text(array: &ArrayRef) -> Result<StringArray> {
    Ok(arrow_cast(array, &DataType::Utf8)?
        .as_string::<i32>()
        .clone())
}

/// The shortest text that reads back as the double, read as a decimal.
fn decimal_from_double(array: &ArrayRef, out: &DataType) -> Result<Outcome> {
    let DataType::Decimal128(p, s) = *out else {
        return Err(ExactError::Internal(format!("decimal_from_double to {out}")).into());
    };
    let doubles = arrow_cast(array, &DataType::Float64)?;
    let single = *array.data_type() == DataType::Float32;
    let doubles = doubles.as_primitive::<Float64Type>();
    let power = 10f64.powi(i32::from(s.clamp(0, 22)));
    let mut buffer = String::new();
    let mut bad = Vec::new();
    let mut values = Vec::with_capacity(doubles.len());
    for (row, x) in doubles.values().iter().enumerate() {
        use std::fmt::Write as _;
        // At most one number of 15 digits reads back as x: if one does, it is the shortest text. Both sides of the division are exact.
        let units = (x * power).round();
        if !single && units.abs() < 1e15 && units / power == *x && s <= 22 && p >= 15 {
            values.push(units as i128);
            continue;
        }
        buffer.clear();
        let written = if single {
            write!(buffer, "{:e}", *x as f32)
        } else {
            write!(buffer, "{x:e}")
        };
        let value = written
            .ok()
            .filter(|()| x.is_finite())
            .and_then(|()| text::decimal(buffer.as_bytes(), p, s));
        values.push(value.unwrap_or_else(|| {
            bad.push(row);
            0
        }));
    }
    let (nulls, failed) = conversion::failures(doubles.nulls(), &bad, doubles.len());
    let array =
        arrow::array::Decimal128Array::new(values.into(), nulls).with_precision_and_scale(p, s)?;
    Ok(Outcome {
        array: Arc::new(array),
        failed,
        why: Why::Conversion,
    })
}

/// A version 8 UUID out of the xxh3-128 hash of the arguments: each is a tag, the length of its canonical text, and the text.
fn uuid_from(arrays: &[ArrayRef], rows: usize) -> Result<Outcome> {
    let mut columns: Vec<(u8, StringArray, Option<NullBuffer>)> = Vec::with_capacity(arrays.len());
    let mut failed = None;
    for array in arrays {
        let tag = match array.data_type() {
            t if matches!(number(t), Some(Number::Integer(_) | Number::Decimal(..))) => b'n',
            t if matches!(number(t), Some(Number::Double)) => b'f',
            DataType::Boolean => b'b',
            DataType::Date32 | DataType::Date64 => b'd',
            DataType::Timestamp(_, None) => b't',
            DataType::Timestamp(_, Some(_)) => b'z',
            DataType::Time32(_) | DataType::Time64(_) => b'c',
            _ => b's',
        };
        let rules = Rules {
            rounding: numbers::Rounding::default(),
            timezone: chrono_tz::Tz::UTC,
        };
        let text = conversion::cast(array, &DataType::Utf8, rules)?;
        failed = union_failed(failed, text.failed);
        let text = text.array.as_string::<i32>().clone();
        let nulls = text.nulls().cloned();
        columns.push((tag, text, nulls));
    }
    let mut builder = StringBuilder::with_capacity(rows, rows * 36);
    let mut bytes = Vec::new();
    for row in 0..rows {
        bytes.clear();
        for (tag, text, nulls) in &columns {
            if nulls.as_ref().is_some_and(|nulls| nulls.is_null(row)) {
                bytes.push(0);
                continue;
            }
            let mut value = text.value(row);
            if *tag == b'n' && value.contains('.') {
                value = value.trim_end_matches('0').trim_end_matches('.');
            }
            bytes.push(*tag);
            bytes.extend((value.len() as u64).to_be_bytes());
            bytes.extend(value.as_bytes());
        }
        let mut id = xxh3_128(&bytes).to_be_bytes();
        id[6] = id[6] & 0x0f | 0x80;
        id[8] = id[8] & 0x3f | 0x80;
        let hex = format!("{:032x}", u128::from_be_bytes(id));
        builder.append_value(format!(
            "{}-{}-{}-{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[12..16],
            &hex[16..20],
            &hex[20..]
        ));
    }
    Ok(Outcome {
        array: Arc::new(builder.finish()),
        failed,
        why: Why::Conversion,
    })
}
