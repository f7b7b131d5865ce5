//! Functions that are refused by name wherever they stand: found in the text alone, also where no column is known yet.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{Expr, Visit, Visitor};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;

use crate::error::SqlError;
use crate::session::unknown_function;

/// Refused functions in a query, in text order. A text that does not parse has none: planning says what is wrong with it.
pub fn refused_in_query(sql: &str) -> Vec<SqlError> {
    let statements = Parser::parse_sql(&GenericDialect {}, sql).unwrap_or_default();
    refused(&statements)
}

/// The same for one expression of a silver model.
pub fn refused_in_expression(sql: &str) -> Vec<SqlError> {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(sql);
    let expr = parser.and_then(|mut parser| parser.parse_expr());
    expr.map_or_else(|_| Vec::new(), |expr| refused(&expr))
}

fn refused(text: &impl Visit) -> Vec<SqlError> {
    let mut calls = Calls(Vec::new());
    let _ = text.visit(&mut calls);
    calls.0
}

struct Calls(Vec<SqlError>);

impl Visitor for Calls {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            && let [part] = call.name.0.as_slice()
            && let Some(name) = part.as_ident()
            && let Some(error) = refused_function(&name.value)
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

fn refused_function(name: &str) -> Option<SqlError> {
    let name = name.to_ascii_lowercase();
    crate::functions::refused(&name).map(|_| unknown_function(&name))
}
