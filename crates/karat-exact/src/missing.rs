//! All the names of a text that do not exist, where planning stops at the first: each is taken out, and the text planned again.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use datafusion::common::{Column, DataFusionError, SchemaError};
use datafusion::sql::sqlparser::ast::helpers::attached_token::AttachedToken;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, Select, SelectItem, Value, Visit, VisitMut, Visitor, VisitorMut,
};

use crate::calls::wrong_calls;
use crate::error::SqlError;
use crate::session::sql_error;
use crate::walks;

/// How often a text is planned again; one that is wrong in more places is told of the rest when these are mended.
const ROUNDS_MAX: usize = 16;

/// Line and column where a name begins.
type Place = (u64, u64);

/// What is wrong with a text that cannot be planned, in text order: all that its planning says, and each function and column that
/// does not exist. What else goes wrong once a name was taken out is a consequence, and not told.
pub(crate) fn mistakes<T: Visit + VisitMut + Clone>(
    error: DataFusionError,
    text: &T,
    sql: &str,
    plan: impl Fn(T) -> Result<(), DataFusionError>,
) -> Vec<SqlError> {
    let mut found = wrong_calls(text);
    let calls = found.len();
    let mut taken: BTreeSet<Place> = found
        .iter()
        .filter_map(|call| Some((call.line?, call.column?)))
        .collect();
    let mut errors = each(error);
    for round in 0..ROUNDS_MAX {
        let mut more = round == 0 && calls > 0;
        for error in errors {
            let Some(field) = missing_column(&error) else {
                // The walk over the text has found all calls.
                let told = calls > 0 && is_missing_function(&error);
                if round == 0 && !told {
                    found.push(sql_error(error, sql));
                }
                continue;
            };
            let name = place_of(&error, &field).or_else(|| only_mention(text, &field));
            let name = name.and_then(|place| mention(text, place));
            if let Some(name) = name {
                let first = taken.insert(name.begins);
                more |= first;
                if first {
                    found.push(SqlError {
                        line: Some(name.column.0),
                        column: Some(name.column.1),
                        ..sql_error(error, sql)
                    });
                }
            } else if round == 0 {
                found.push(sql_error(error, sql));
            }
        }
        if !more {
            break;
        }
        let mut without = text.clone();
        walks::edit(&mut without, &mut TakeOut(&taken));
        match plan(without) {
            Ok(()) => break,
            Err(error) => errors = each(error),
        }
    }
    found.sort_by_key(|error| (error.line, error.column));
    found.dedup();
    found
}

/// DataFusion collects the errors of a select list.
fn each(error: DataFusionError) -> Vec<DataFusionError> {
    match error {
        DataFusionError::Collection(errors) => errors.into_iter().flat_map(each).collect(),
        DataFusionError::Context(_, inner)
            if matches!(
                *inner,
                DataFusionError::Collection(_) | DataFusionError::Context(..)
            ) =>
        {
            each(*inner)
        }
        other => vec![other],
    }
}

fn missing_column(error: &DataFusionError) -> Option<Column> {
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => Some(field.as_ref().clone()),
            _ => None,
        },
        _ => None,
    }
}

fn is_missing_function(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::Plan(text) if text.starts_with("Invalid function"))
}

fn place_of(error: &DataFusionError, field: &Column) -> Option<Place> {
    let mut next = error;
    let told = loop {
        match next {
            DataFusionError::Diagnostic(diagnostic, _) => break diagnostic.span,
            DataFusionError::Context(_, inner) => next = inner,
            DataFusionError::Shared(inner) => next = inner,
            _ => break None,
        }
    };
    let span = told.or_else(|| field.spans().first())?;
    Some((span.start.line, span.start.column))
}

/// A column's name in the text.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Mention {
    /// Where it begins, with its table.
    begins: Place,
    /// Where its own name begins.
    column: Place,
}

fn place(ident: &Ident) -> Place {
    (ident.span.start.line, ident.span.start.column)
}

fn idents(expr: &Expr) -> &[Ident] {
    match expr {
        Expr::Identifier(ident) => std::slice::from_ref(ident),
        Expr::CompoundIdentifier(idents) => idents,
        _ => &[],
    }
}

/// The column's name that begins here.
fn mention(text: &impl Visit, at: Place) -> Option<Mention> {
    let is_here = |idents: &[Ident]| idents.first().is_some_and(|first| place(first) == at);
    mentions(text, &is_here).first().copied()
}

/// The one place where the text names this column, if there is one.
fn only_mention(text: &impl Visit, field: &Column) -> Option<Place> {
    let table = field.relation.as_ref().map(|relation| relation.table());
    let is_meant = |idents: &[Ident]| match idents {
        [column] => table.is_none() && column.value == field.name,
        [.., named, column] => table == Some(named.value.as_str()) && column.value == field.name,
        [] => false,
    };
    match mentions(text, &is_meant).as_slice() {
        [one] => Some(one.begins),
        _ => None,
    }
}

fn mentions(text: &impl Visit, wanted: &dyn Fn(&[Ident]) -> bool) -> Vec<Mention> {
    struct Search<'a>(&'a dyn Fn(&[Ident]) -> bool, Vec<Mention>);
    impl Visitor for Search<'_> {
        type Break = ();

        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let idents = idents(expr);
            if let [first, ..] = idents
                && let [.., last] = idents
                && (self.0)(idents)
            {
                self.1.push(Mention {
                    begins: place(first),
                    column: place(last),
                });
            }
            ControlFlow::Continue(())
        }
    }
    let mut search = Search(wanted, Vec::new());
    walks::read(text, &mut search);
    search.1
}

/// Puts a null where a name is missing, and keeps the arguments of a call. A column of a select list keeps its name, so that nobody
/// who reads it is blamed.
struct TakeOut<'a>(&'a BTreeSet<Place>);

impl TakeOut<'_> {
    fn takes(&self, expr: &Expr) -> bool {
        let begins = match expr {
            Expr::Function(call) => match call.name.0.first().and_then(|part| part.as_ident()) {
                Some(name) => place(name),
                None => return false,
            },
            other => match idents(other).first() {
                Some(first) => place(first),
                None => return false,
            },
        };
        self.0.contains(&begins)
    }
}

impl VisitorMut for TakeOut<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) = item
                && self.takes(expr)
                && let Some(alias) = idents(expr).last().cloned()
            {
                let expr = expr.clone();
                *item = SelectItem::ExprWithAlias { expr, alias };
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if self.takes(expr) {
            let arguments = match &*expr {
                Expr::Function(call) => arguments(call),
                _ => Vec::new(),
            };
            *expr = null_that_reads(arguments);
        }
        ControlFlow::Continue(())
    }
}

fn arguments(call: &Function) -> Vec<Expr> {
    let FunctionArguments::List(list) = &call.args else {
        return Vec::new();
    };
    let plain = |arg: &FunctionArg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
        _ => None,
    };
    let arguments: Vec<Expr> = list.args.iter().filter_map(plain).collect();
    // Nobody but the function knows what a lambda's names stand for.
    match arguments.iter().any(is_lambda) {
        true => Vec::new(),
        false => arguments,
    }
}

fn is_lambda(expr: &Expr) -> bool {
    let arrow = |op: &BinaryOperator| matches!(op, BinaryOperator::Arrow);
    matches!(expr, Expr::Lambda(_)) || matches!(expr, Expr::BinaryOp { op, .. } if arrow(op))
}

/// A null without a type, in which these are planned too.
fn null_that_reads(arguments: Vec<Expr>) -> Expr {
    let null = || Expr::Value(Value::Null.with_empty_span());
    if arguments.is_empty() {
        return null();
    }
    let condition = Expr::InList {
        expr: Box::new(null()),
        list: arguments,
        negated: false,
    };
    let result = null();
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: vec![CaseWhen { condition, result }],
        else_result: None,
    }
}
