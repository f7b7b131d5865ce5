//! Calls that other databases have under names of their own, where ours say the same: `mod(a, b)` is `a % b`, `year(d)` is a part of a date,
//! `if(c, a, b)` is a `case`.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use datafusion::execution::SessionState;
use datafusion::logical_expr::ScalarUDF;
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, DateTimeField, Expr, ExtractSyntax, Function, FunctionArg,
    FunctionArgExpr, FunctionArgumentList, FunctionArguments, Ident, ObjectName, ObjectNamePart,
    VisitMut, VisitorMut,
};

use crate::walks;

/// The names that are understood, and no function's.
pub(crate) const SPELLINGS: [&str; 16] = [
    "mod",
    "if",
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "dayofmonth",
    "dayofweek",
    "dayofyear",
    "hour",
    "minute",
    "every",
    "list",
    "list_value",
    "count_if",
];

/// Replaces such calls everywhere in a parsed text.
pub(crate) fn in_our_spelling(text: &mut impl VisitMut) {
    walks::edit(text, &mut Spellings);
}

/// Calls scalar functions by the names that they have here, not by SQL's. A call by another name is planned as the call and an alias, whose
/// text holds its arguments' texts, theirs too: each level of nesting would double it.
pub(crate) fn by_own_names(text: &mut impl VisitMut, state: &SessionState) {
    walks::edit(text, &mut OwnNames(state.scalar_functions()));
}

struct OwnNames<'a>(&'a HashMap<String, Arc<ScalarUDF>>);

impl VisitorMut for OwnNames<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            && let [ObjectNamePart::Identifier(ident)] = call.name.0.as_mut_slice()
        {
            let written = match ident.quote_style {
                Some(_) => ident.value.clone(),
                None => ident.value.to_lowercase(),
            };
            if let Some(function) = self.0.get(&written)
                && function.name() != written
            {
                ident.value = function.name().to_owned();
            }
        }
        ControlFlow::Continue(())
    }
}

struct Spellings;

impl VisitorMut for Spellings {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            && let Some(ours) = ours(call)
        {
            *expr = ours;
        }
        ControlFlow::Continue(())
    }
}

/// The call of a function that no text wrote.
pub(crate) fn call(name: &str, args: Vec<Expr>) -> Expr {
    let args = args
        .into_iter()
        .map(|arg| FunctionArg::Unnamed(FunctionArgExpr::Expr(arg)))
        .collect();
    Expr::Function(Function {
        name: ObjectName::from(vec![Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: FunctionArguments::List(FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn ours(call: &mut Function) -> Option<Expr> {
    let [name] = call.name.0.as_slice() else {
        return None;
    };
    let name = name.as_ident()?.value.to_lowercase();
    let renamed = match name.as_str() {
        "every" => "bool_and",
        "list" => "array_agg",
        "list_value" => "make_array",
        _ => "",
    };
    if !renamed.is_empty() {
        let span = call.name.0.first()?.as_ident()?.span;
        let ident = Ident {
            span,
            ..Ident::new(renamed)
        };
        call.name = ObjectName::from(vec![ident]);
        return None;
    }
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let args = list.args.iter().map(plain).collect::<Option<Vec<_>>>()?;
    if name == "count_if" {
        let [condition] = args.as_slice() else {
            return None;
        };
        // What is unknown is not counted, and nothing is lost where the call has a filter of its own.
        let condition = match call.filter.take() {
            Some(filter) => Expr::BinaryOp {
                left: Box::new(Expr::Nested(filter)),
                op: BinaryOperator::And,
                right: Box::new(Expr::Nested(Box::new(condition.clone()))),
            },
            None => condition.clone(),
        };
        call.filter = Some(Box::new(condition));
        let FunctionArguments::List(list) = &mut call.args else {
            return None;
        };
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
        call.name = ObjectName::from(vec![Ident::new("count")]);
        return None;
    }
    if call.over.is_some() || call.filter.is_some() || list.duplicate_treatment.is_some() {
        return None;
    }
    match (name.as_str(), args.as_slice()) {
        ("mod", [left, right]) => Some(Expr::Nested(Box::new(Expr::BinaryOp {
            left: Box::new(Expr::Nested(Box::new(left.clone()))),
            op: BinaryOperator::Modulo,
            right: Box::new(Expr::Nested(Box::new(right.clone()))),
        }))),
        ("if", [condition, then, otherwise]) => Some(Expr::Case {
            case_token: AttachedToken::empty(),
            end_token: AttachedToken::empty(),
            operand: None,
            conditions: vec![CaseWhen {
                condition: condition.clone(),
                result: then.clone(),
            }],
            else_result: Some(Box::new(otherwise.clone())),
        }),
        (name, [of]) => Some(Expr::Extract {
            field: match name {
                "year" => DateTimeField::Year,
                "quarter" => DateTimeField::Quarter,
                "month" => DateTimeField::Month,
                "week" => DateTimeField::Week(None),
                "day" | "dayofmonth" => DateTimeField::Day,
                "dayofweek" => DateTimeField::Dow,
                "dayofyear" => DateTimeField::Doy,
                "hour" => DateTimeField::Hour,
                "minute" => DateTimeField::Minute,
                _ => return None,
            },
            syntax: ExtractSyntax::From,
            expr: Box::new(of.clone()),
        }),
        _ => None,
    }
}
