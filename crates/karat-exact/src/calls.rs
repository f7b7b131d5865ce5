//! Calls of functions that do not exist, or that are refused by name: found in the text alone, also where no column is known yet.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, FunctionArguments, Visit, Visitor};
use datafusion::sql::sqlparser::parser::Parser;

use crate::dialect::{Understood, statements, tokens};
use crate::error::SqlError;
use crate::parameters::asks_for_business_date;
use crate::session::{is_known, unknown_function};
use crate::spellings::SPELLINGS;
use crate::walks;

/// What DataFusion plans by name, without a function of that name.
const PLANNED_BY_NAME: [&str; 4] = ["map", "make_map", "unnest", "unnest_outer"];

/// Such calls in a query, in text order. A text that does not parse has none: planning says what is wrong with it.
pub fn wrong_calls_in_query(sql: &str) -> Vec<SqlError> {
    let statements = statements(sql).unwrap_or_default();
    wrong_calls(&statements)
}

/// The same for one expression of a silver model.
pub fn wrong_calls_in_expression(sql: &str) -> Vec<SqlError> {
    let tokens = tokens(sql).unwrap_or_default();
    let mut parser = Parser::new(&Understood).with_tokens_with_locations(tokens);
    let expr = parser.parse_expr();
    expr.map_or_else(|_| Vec::new(), |expr| wrong_calls(&expr))
}

/// The same for a text that was parsed. Each has a place: where the function's name begins.
pub(crate) fn wrong_calls(text: &impl Visit) -> Vec<SqlError> {
    let mut calls = Calls(Vec::new());
    walks::read(text, &mut calls);
    calls.0
}

struct Calls(Vec<SqlError>);

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            // Without brackets it may be a column.
            && !matches!(call.args, FunctionArguments::None)
            && asks_for_business_date(call).is_none()
            && let [part] = call.name.0.as_slice()
            && let Some(name) = part.as_ident()
            && let Some(error) = wrong_call(&name.value.to_ascii_lowercase())
        {
            self.0.push(SqlError {
                line: Some(name.span.start.line),
                column: Some(name.span.start.column),
                ..error
            });
        }
        ControlFlow::Continue(())
    }
}

fn wrong_call(name: &str) -> Option<SqlError> {
    let known = is_known(name)
        || PLANNED_BY_NAME.contains(&name)
        || SPELLINGS.contains(&name)
        || name.starts_with("karat_");
    let refused = crate::functions::refused(name).is_some();
    (refused || !known).then(|| unknown_function(name))
}
