//! What the parser reads and the engine passes over or gets wrong: an answer without it would be another answer, so it is refused.

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArguments, GroupByExpr, Query, Select, Spanned, TableFactor,
    Value,
};
use sqlparser::tokenizer::Span;

/// A refusal: where, what, and what to write instead.
pub(crate) type Refusal = (Span, &'static str, &'static str);

pub(crate) fn in_query(query: &Query) -> Option<Refusal> {
    let at = query.body.span();
    if query.for_clause.is_some() {
        return Some((
            at,
            "SQL: `for xml` and `for json` are not available",
            "remove it; `karat query --format json` prints JSON",
        ));
    }
    if query.settings.is_some() {
        return Some((
            at,
            "SQL: `settings` are not available",
            "remove them; no setting changes an answer",
        ));
    }
    if query.format_clause.is_some() {
        return Some((
            at,
            "SQL: `format` is not available",
            "remove it; `karat query --format` says how rows are printed",
        ));
    }
    None
}

pub(crate) fn in_select(select: &Select) -> Option<Refusal> {
    let at = select.span();
    if let Some(condition) = &select.prewhere {
        return Some((
            condition.span(),
            "SQL: `prewhere` is not available",
            "write `where`",
        ));
    }
    if !select.connect_by.is_empty() {
        return Some((
            at,
            "SQL: `connect by` is not available",
            "write `with recursive`",
        ));
    }
    if !select.distribute_by.is_empty() || !select.cluster_by.is_empty() {
        return Some((
            at,
            "SQL: `distribute by` and `cluster by` are not available",
            "remove it; where rows are computed changes no answer",
        ));
    }
    if select.value_table_mode.is_some() {
        return Some((
            at,
            "SQL: `select as struct` and `select as value` are not available",
            "name the columns",
        ));
    }
    let (GroupByExpr::All(modifiers) | GroupByExpr::Expressions(_, modifiers)) = &select.group_by;
    if !modifiers.is_empty() {
        return Some((
            select.group_by.span(),
            "SQL: `group by … with …` is not available",
            "write `group by rollup (…)`, `cube (…)` or `grouping sets (…)`",
        ));
    }
    None
}

pub(crate) fn in_table(factor: &TableFactor) -> Option<Refusal> {
    let at = factor.span();
    match factor {
        TableFactor::Table {
            sample: Some(_), ..
        }
        | TableFactor::Derived {
            sample: Some(_), ..
        } => Some((
            at,
            "SQL: a sample of rows has no single answer",
            "choose rows by what they hold, for example id % 100 = 0",
        )),
        TableFactor::Table {
            version: Some(_), ..
        } => Some((
            at,
            "SQL: a version inside a query is not there yet",
            "`karat query --run RUN` or `--as-of TIME` reads all tables as they were",
        )),
        TableFactor::Table { partitions, .. } if !partitions.is_empty() => Some((
            at,
            "SQL: `partition (…)` is not available",
            "choose the rows with `where`",
        )),
        TableFactor::Table {
            with_hints,
            index_hints,
            ..
        } if !with_hints.is_empty() || !index_hints.is_empty() => Some((
            at,
            "SQL: hints at a table are not available",
            "remove them; a table is read as one version",
        )),
        TableFactor::Table {
            with_ordinality: true,
            ..
        }
        | TableFactor::UNNEST {
            with_offset: true, ..
        } => Some((
            at,
            "SQL: the positions of elements are asked for otherwise",
            "write unnest(x) with ordinality as t(element, place), which counts from 1",
        )),
        TableFactor::Table {
            json_path: Some(_), ..
        } => Some((
            at,
            "SQL: a path behind a table is not available",
            "take the field in the select list",
        )),
        _ => None,
    }
}

pub(crate) fn in_expression(expr: &Expr) -> Option<Refusal> {
    match expr {
        // The parser gives `a is distinct from b and c` as `a is distinct from (b and c)`.
        Expr::IsDistinctFrom(_, right) | Expr::IsNotDistinctFrom(_, right)
            if binds_looser(right) =>
        {
            Some((
                expr.span(),
                "SQL: where this comparison ends is not clear",
                "put it in brackets: (a is distinct from b) and …",
            ))
        }
        // Never true, and never an error: not what anybody asks.
        Expr::BinaryOp { left, op, right } if is_null(left) || is_null(right) => match op {
            BinaryOperator::Eq => Some((
                expr.span(),
                "SQL: nothing is equal to null: this is never true",
                "write `x is null`",
            )),
            BinaryOperator::NotEq => Some((
                expr.span(),
                "SQL: nothing is other than null: this is never true",
                "write `x is not null`",
            )),
            _ => None,
        },
        Expr::Function(function) if function.parameters != FunctionArguments::None => Some((
            function.name.span(),
            "SQL: a function has one list of arguments",
            "write f(a, b)",
        )),
        _ => None,
    }
}

/// The word `null`.
fn is_null(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(value) if value.value == Value::Null)
}

/// Whether an operator of this expression binds no tighter than a comparison.
fn binds_looser(expr: &Expr) -> bool {
    match expr {
        Expr::BinaryOp { op, .. } => matches!(
            op,
            BinaryOperator::And
                | BinaryOperator::Or
                | BinaryOperator::Xor
                | BinaryOperator::Eq
                | BinaryOperator::NotEq
                | BinaryOperator::Lt
                | BinaryOperator::LtEq
                | BinaryOperator::Gt
                | BinaryOperator::GtEq
        ),
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsTrue(_)
        | Expr::IsNotTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsNotFalse(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::Between { .. }
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Like { .. }
        | Expr::ILike { .. }
        | Expr::SimilarTo { .. } => true,
        _ => false,
    }
}
