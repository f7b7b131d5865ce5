//! What types and literals prove before any row is read: operations that no value can make fail. E5 asks nothing of them: they stand in
//! conditions as they are, are pushed down, and carry no error.

use arrow::datatypes::DataType;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::{Cast, Expr, ExprSchemable, ScalarUDF};

use crate::checked::{Checked, Operation};
use crate::conversion::lossless;
use crate::numbers::{Number, Op, always_fits, number};
use crate::walks::Walk;

/// How many bits the magnitude of a bigint has.
const BIGINT: u32 = 63;

/// The expression with each operation marked that its operands' types prove.
pub(crate) fn proven(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    expr.walk_up(|expr| {
        let Expr::ScalarFunction(call) = &expr else {
            return Ok(Transformed::no(expr));
        };
        let Some(checked) = call.func.inner().downcast_ref::<Checked>() else {
            return Ok(Transformed::no(expr));
        };
        if checked.is_proven() || !never_fails(&checked.operation, &call.args, schema)? {
            return Ok(Transformed::no(expr));
        }
        let proven = ScalarUDF::new_from_impl(checked.proven());
        Ok(Transformed::yes(proven.call(call.args.clone())))
    })
}

/// A cast that loses nothing as the engine's own, which knows how to prune by it.
pub(crate) fn as_plain_cast(expr: Expr, schema: &DFSchema) -> Result<Transformed<Expr>> {
    if let Expr::ScalarFunction(call) = &expr
        && let Some(checked) = call.func.inner().downcast_ref::<Checked>()
        && let (Operation::Cast { to, .. }, [arg]) = (&checked.operation, call.args.as_slice())
        && lossless(&arg.get_type(schema)?, to)
    {
        let cast = Cast::new(Box::new(arg.clone()), to.clone());
        return Ok(Transformed::yes(Expr::Cast(cast)));
    }
    Ok(Transformed::no(expr))
}

fn never_fails(operation: &Operation, args: &[Expr], schema: &DFSchema) -> Result<bool> {
    let types = args
        .iter()
        .map(|arg| arg.get_type(schema))
        .collect::<Result<Vec<_>>>()?;
    Ok(match (operation, args, types.as_slice()) {
        (Operation::Arithmetic(op), [left, right], [l, r]) => {
            arithmetic(*op, (bits(left, l), l), (bits(right, r), r), right)
        }
        (Operation::Negate | Operation::Absolute, [arg], [of]) => match number(of) {
            Some(Number::Decimal(..) | Number::Double) => true,
            Some(Number::Integer(_)) => bits(arg, of) < BIGINT,
            Some(Number::Null) | None => false,
        },
        (Operation::Cast { to, .. }, [_], [from]) => lossless(from, to),
        _ => false,
    })
}

fn arithmetic(
    op: Op,
    (left_bits, left): (u32, &DataType),
    (right_bits, right): (u32, &DataType),
    divisor: &Expr,
) -> bool {
    let integers = |t: &DataType| matches!(number(t), Some(Number::Integer(_)));
    if left_bits > BIGINT || right_bits > BIGINT {
        return false;
    }
    match (op, integers(left) && integers(right)) {
        (Op::Add | Op::Sub, true) => left_bits.max(right_bits) < BIGINT,
        (Op::Mul, true) => left_bits + right_bits < BIGINT,
        // The least bigint has no quotient by −1.
        (Op::IntDiv, true) => {
            integer(divisor).is_some_and(|by| by != 0 && (by != -1 || left_bits < BIGINT))
        }
        (Op::Mod, true) => integer(divisor).is_some_and(|by| by != 0),
        (Op::Add | Op::Sub | Op::Mul, false) => always_fits(op, left, right),
        (Op::Div | Op::IntDiv | Op::Mod, _) => false,
    }
}

/// How many bits the magnitude of an integer has at most, but for the least one of its type, which has one more; 0 for other numbers.
fn bits(expr: &Expr, of: &DataType) -> u32 {
    if let Some(value) = integer(expr) {
        return 64 - value.unsigned_abs().leading_zeros();
    }
    match of {
        DataType::Int8 => 7,
        DataType::UInt8 => 8,
        DataType::Int16 => 15,
        DataType::UInt16 => 16,
        DataType::Int32 => 31,
        DataType::UInt32 => 32,
        DataType::Int64 => 63,
        DataType::UInt64 => 64,
        DataType::Dictionary(_, value) => bits(expr, value),
        _ => 0,
    }
}

fn integer(expr: &Expr) -> Option<i64> {
    match expr {
        Expr::Literal(value, _) if value.data_type().is_integer() => {
            match value.cast_to(&DataType::Int64) {
                Ok(ScalarValue::Int64(value)) => value,
                _ => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, Schema};
    use datafusion::common::DFSchema;
    use datafusion::logical_expr::{col, lit};

    use super::*;

    #[test]
    fn the_edge_is_where_a_value_could_fail() {
        let fields = [
            ("i32", DataType::Int32),
            ("i64", DataType::Int64),
            ("u64", DataType::UInt64),
            ("d18", DataType::Decimal128(18, 2)),
            ("d38", DataType::Decimal128(38, 0)),
            ("d38s", DataType::Decimal128(38, 38)),
            ("x", DataType::Float64),
            ("t", DataType::Utf8),
        ];
        let fields: Vec<Field> = fields
            .into_iter()
            .map(|(name, of)| Field::new(name, of, true))
            .collect();
        let schema = DFSchema::try_from(Schema::new(fields)).unwrap();
        let holds =
            |operation: Operation, args: &[Expr]| never_fails(&operation, args, &schema).unwrap();
        let of = |op, left: Expr, right: Expr| holds(Operation::Arithmetic(op), &[left, right]);

        assert!(of(Op::Add, col("i32"), col("i32")));
        assert!(of(Op::Mul, col("i32"), col("i32")) && of(Op::Mul, col("i32"), lit(1i64 << 30)));
        assert!(!of(Op::Mul, col("i32"), lit(1i64 << 31)));
        assert!(!of(Op::Add, col("i64"), lit(1i64)) && !of(Op::Add, col("u64"), col("i32")));
        assert!(of(Op::Mod, col("i64"), lit(7i64)) && !of(Op::Mod, col("i64"), lit(0i64)));
        assert!(of(Op::IntDiv, col("i32"), lit(-1i64)));
        assert!(!of(Op::IntDiv, col("i64"), lit(-1i64)) && !of(Op::Mod, col("i64"), col("i32")));

        assert!(of(Op::Mul, col("d38"), col("d38")) && of(Op::Sub, lit(1i64), col("d18")));
        assert!(!of(Op::Add, col("d38"), col("d38s")) && !of(Op::Mul, col("u64"), col("d18")));
        assert!(!of(Op::Div, col("d18"), lit(2i64)));
        assert!(of(Op::Mul, col("x"), col("d18")) && !of(Op::Div, col("x"), lit(2.0)));

        assert!(holds(Operation::Negate, &[col("i32")]) && holds(Operation::Negate, &[col("d38")]));
        assert!(!holds(Operation::Negate, &[col("i64")]));
        let cast = |to: DataType| Operation::Cast {
            to,
            null_on_failure: false,
        };
        assert!(holds(cast(DataType::Int64), &[col("i32")]));
        assert!(!holds(cast(DataType::Int32), &[col("i64")]));
        assert!(!holds(cast(DataType::Decimal128(18, 1)), &[col("d18")]));
        assert!(!holds(cast(DataType::Date32), &[col("t")]));
    }
}
