//! `unnest` where a table stands: `lateral unnest(a)` is `unnest(a)`, which may ask for the tables before it anyway, and of
//! `unnest(a, b) with ordinality as t(x, y, n)` the places of the elements, from 1, are one more list that is taken apart beside the others.

use datafusion::sql::sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Spanned, TableFactor, Value,
};
use datafusion::sql::sqlparser::tokenizer::Location;

use crate::spellings::call;

/// `lateral unnest(a)` without the word.
pub(crate) fn without_lateral(table: &mut TableFactor) {
    let TableFactor::Function {
        lateral: true,
        name,
        args,
        with_ordinality,
        alias,
    } = table
    else {
        return;
    };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let lists: Option<Vec<Expr>> = args.iter().map(plain).collect();
    if let Some(array_exprs) = lists
        && name.to_string().eq_ignore_ascii_case("unnest")
    {
        *table = TableFactor::UNNEST {
            alias: alias.take(),
            array_exprs,
            with_offset: false,
            with_offset_alias: None,
            with_ordinality: *with_ordinality,
        };
    }
}

/// What a call without names for its columns begins with, and what to write instead.
pub(crate) const NAMED: &str =
    "name its columns and the places: unnest(x) with ordinality as t(element, place)";

/// The table with a list of places in place of the words, or where columns lack a name.
pub(crate) fn with_places(table: &mut TableFactor) -> Result<(), Location> {
    let at = table.span().start;
    let TableFactor::UNNEST {
        alias,
        array_exprs,
        with_ordinality: with @ true,
        ..
    } = table
    else {
        return Ok(());
    };
    let names = alias.as_ref().map_or(0, |alias| alias.columns.len());
    if names != array_exprs.len() + 1 {
        return Err(at);
    }
    let number =
        |number: &str| Expr::Value(Value::Number(number.to_owned(), false).with_empty_span());
    let length = |list: &Expr| {
        let length = call("array_length", vec![list.clone()]);
        call("coalesce", vec![length, number("0")])
    };
    let lengths: Vec<Expr> = array_exprs.iter().map(length).collect();
    let longest = call("greatest", lengths);
    array_exprs.push(call("generate_series", vec![number("1"), longest]));
    *with = false;
    Ok(())
}
