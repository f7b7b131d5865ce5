//! One expression as text, as in the `select` of a silver model.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, Spanned, Visit, Visitor};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::asked::{Asked, asked};
use crate::names::{Names, span_of};
use crate::query::ColumnRef;
use crate::slips::{explained, misread};
use crate::token::{join, parser, syntax_error, tokenize};
use crate::{Position, Span, SqlTextError};

/// An expression over the columns of one row.
#[derive(Clone, Debug)]
pub struct Expression {
    /// Each column that it names; no table is known, so [`ColumnRef::tables`] is empty.
    pub columns: Vec<ColumnRef>,
    /// What it takes from the run, in text order.
    pub asked: Vec<Asked>,
    normalised: String,
}

impl Expression {
    /// Parses a text that must hold exactly one expression: no `*`, no subquery.
    pub fn parse(sql: &str) -> Result<Expression, SqlTextError> {
        let tokens = tokenize(sql)?;
        let normalised = join(&tokens);
        if normalised.is_empty() {
            return Err(SqlTextError::at(
                Position { line: 1, column: 1 },
                1,
                "SQL: the expression is empty",
            ));
        }
        if let Some(slip) = misread(&tokens) {
            return Err(slip);
        }
        let asked = asked(&tokens);
        let expr = whole(tokens, sql)
            .map_err(|error| explained(error, sql, |tokens| whole(tokens, sql).map(drop)))?;
        let mut subquery = FirstSubquery(None);
        let _ = expr.visit(&mut subquery);
        if let Some(span) = subquery.0 {
            return Err(SqlTextError::at(
                span.start,
                span.length(),
                "SQL: a subquery is not available in an expression over one row",
            )
            .hint("join in a gold model instead"));
        }
        if let Expr::Wildcard(_) | Expr::QualifiedWildcard(..) = expr {
            let span = span_of(expr.span());
            return Err(SqlTextError::at(
                span.start,
                span.length(),
                "SQL: `*` is not an expression (B8)",
            )
            .hint("name the columns"));
        }
        let mut names = Names::default();
        let _ = expr.visit(&mut names);
        if let Some(error) = names.error {
            return Err(error);
        }
        Ok(Expression {
            columns: names.columns,
            asked,
            normalised,
        })
    }

    /// The text for a code digest: see [`crate::normalised`].
    pub fn normalised(&self) -> &str {
        &self.normalised
    }
}

/// The expression of these tokens, all of them.
fn whole(tokens: Vec<TokenWithSpan>, sql: &str) -> Result<Expr, SqlTextError> {
    let mut parser = parser(tokens);
    let expr = parser
        .parse_expr()
        .map_err(|error| syntax_error(&error, sql))?;
    let next = parser.peek_token();
    if next.token == Token::EOF {
        return Ok(expr);
    }
    let found = next.token.to_string();
    let message = match next.token {
        Token::SemiColon => "SQL: a semicolon does not belong in an expression".to_string(),
        Token::Word(ref word) if word.value.eq_ignore_ascii_case("as") => {
            "SQL: `as` does not belong here: the key is the name".to_string()
        }
        _ => format!("SQL: expected the end of the expression, found {found}"),
    };
    let at = span_of(next.span).start;
    Err(SqlTextError::at(at, found.chars().count() as u32, message))
}

struct FirstSubquery(Option<Span>);

impl Visitor for FirstSubquery {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        self.0 = Some(span_of(query.span()));
        ControlFlow::Break(())
    }
}
