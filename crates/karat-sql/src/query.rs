//! One SELECT as text: the tables it reads, the columns it names, the columns it returns.

use std::collections::BTreeSet;

use sqlparser::ast::{Expr, SelectItem, SetExpr, Spanned, Statement, Visit};
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::asked::{Asked, asked};
use crate::names::{Names, fold, span_of, span_of_idents};
use crate::slips::{explained, misread};
use crate::token::{join, parser, syntax_error, tokenize, with_struct_types};
use crate::{Position, Span, SqlTextError};

/// A table that a query reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRef {
    /// The parts of the name in lower case, e.g. `["sales_silver", "orders"]`.
    pub parts: Vec<String>,
    /// Where it stands.
    pub span: Span,
}

impl TableRef {
    /// The name with dots.
    pub fn name(&self) -> String {
        self.parts.join(".")
    }
}

/// A column of the answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputColumn {
    /// The name as the engine will have it (lower case unless quoted); `None` for an expression without a name and for `*`.
    pub name: Option<String>,
    /// `*` or `t.*`.
    pub star: bool,
    /// Where its name stands, or the expression where it has none.
    pub span: Span,
}

/// A column that a query names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnRef {
    /// Its name in lower case.
    pub name: String,
    /// What stands before it, e.g. `["o"]` in `o.amount`.
    pub qualifier: Vec<String>,
    /// The name as it stands between double quotes, if it does: text is written in single ones.
    pub quoted: Option<String>,
    /// Where the name stands, without its qualifier.
    pub span: Span,
    /// The tables it must come from (indexes into [`Query::tables`]), if the text alone tells.
    pub tables: Option<Vec<usize>>,
    /// The subqueries that it may come from as well (indexes into [`Query::derived`]), if the text alone tells.
    pub derived: Vec<usize>,
}

/// A subquery in FROM or a CTE whose columns the text names one by one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Derived {
    /// Its alias or the CTE's name, in lower case.
    pub name: String,
    /// Its columns in lower case.
    pub columns: BTreeSet<String>,
}

/// A `*` in a select list, at any depth (`count(*)` is none).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Star {
    /// Where it stands.
    pub span: Span,
}

/// Exactly one SELECT (D1), understood as far as text goes.
#[derive(Clone, Debug)]
pub struct Query {
    /// Real tables only, in text order, each mention once: no CTE, alias, subquery or table function.
    pub tables: Vec<TableRef>,
    /// The columns of the answer, left to right.
    pub outputs: Vec<OutputColumn>,
    /// Mentions of subqueries and CTEs whose columns are known.
    pub derived: Vec<Derived>,
    /// Each column named anywhere.
    pub columns: Vec<ColumnRef>,
    /// Each `*` in a select list.
    pub stars: Vec<Star>,
    /// What it takes from the run, in text order.
    pub asked: Vec<Asked>,
    normalised: String,
}

impl Query {
    /// Parses a text that must hold exactly one SELECT, whose columns the text tells.
    pub fn parse(sql: &str) -> Result<Query, SqlTextError> {
        let (query, pipes) = Query::read(sql)?;
        match pipes {
            Some(span) => Err(SqlTextError::at(
                span.start,
                span.length(),
                "SQL: a model has no pipe operators",
            )
            .hint("write one SELECT with subqueries or `with`; `karat query` takes them")),
            None => Ok(query),
        }
    }

    /// The query, and where one with pipe operators begins, which say what its columns are.
    pub(crate) fn read(sql: &str) -> Result<(Query, Option<Span>), SqlTextError> {
        let tokens = tokenize(sql)?;
        let normalised = join(&tokens);
        if normalised.is_empty() {
            let at = Position { line: 1, column: 1 };
            return Err(SqlTextError::at(at, 1, "SQL: there is no SELECT")
                .hint("write one SELECT; comments alone make no table"));
        }
        one_statement(&tokens)?;
        if let Some(slip) = misread(&tokens) {
            return Err(slip);
        }
        let asked = asked(&tokens);
        let statements = statements(tokens, sql)
            .map_err(|error| explained(error, sql, |tokens| statements(tokens, sql).map(drop)))?;
        let query = match statements.as_slice() {
            [Statement::Query(query)] => query,
            other => {
                let span = other
                    .first()
                    .map_or(sqlparser::tokenizer::Span::empty(), |statement| {
                        statement.span()
                    });
                let verb = normalised.split(' ').next().unwrap_or_default().to_string();
                let start = if span.start.line == 0 {
                    first_word(sql)
                } else {
                    span_of(span).start
                };
                return Err(SqlTextError::at(
                    start,
                    verb.chars().count() as u32,
                    format!("SQL: `{verb}` is not a SELECT"),
                )
                .hint("write exactly one SELECT"));
            }
        };
        let mut names = Names::default();
        let _: std::ops::ControlFlow<()> = query.visit(&mut names);
        if let Some(error) = names.error {
            return Err(error);
        }
        let outputs = outputs_of(&query.body).ok_or_else(|| {
            SqlTextError::at(first_word(sql), 1, "SQL: a list of values is not a SELECT")
                .hint("write `select … from (values …) as t(a, b)`")
        })?;
        let query = Query {
            tables: names.tables,
            outputs,
            derived: names.derived,
            columns: names.columns,
            stars: names.stars,
            asked,
            normalised,
        };
        Ok((query, names.pipes))
    }

    /// The text for a code digest: see [`crate::normalised`].
    pub fn normalised(&self) -> &str {
        &self.normalised
    }
}

/// The statements of a text, all of it.
fn statements(tokens: Vec<TokenWithSpan>, sql: &str) -> Result<Vec<Statement>, SqlTextError> {
    let mut parser = parser(with_struct_types(tokens));
    let statements = parser.parse_statements();
    let statements = statements.map_err(|error| syntax_error(&error, sql))?;
    let next = parser.peek_token();
    match next.token {
        Token::EOF => Ok(statements),
        // The parser stops before an `end`, as if a block of statements ended there.
        other => {
            let found = other.to_string();
            let at = span_of(next.span).start;
            let length = found.chars().count() as u32;
            let message = format!("SQL: expected the end of the query, found {found}");
            Err(SqlTextError::at(at, length, message))
        }
    }
}

/// Refuses a second statement where it begins, so that the message does not depend on whether it parses.
fn one_statement(tokens: &[TokenWithSpan]) -> Result<(), SqlTextError> {
    let mut ended = false;
    for token in tokens {
        match &token.token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::SemiColon => ended = true,
            word if ended => {
                let at = span_of(token.span).start;
                let length = word.to_string().chars().count() as u32;
                return Err(
                    SqlTextError::at(at, length, "SQL: a second statement begins here")
                        .hint("write exactly one SELECT"),
                );
            }
            _ => {}
        }
    }
    Ok(())
}

fn first_word(sql: &str) -> crate::Position {
    tokenize(sql)
        .ok()
        .and_then(|tokens| {
            tokens
                .into_iter()
                .find(|token| !matches!(token.token, Token::Whitespace(_)))
        })
        .map_or(crate::Position { line: 1, column: 1 }, |token| {
            span_of(token.span).start
        })
}

/// The columns of a subquery in lower case, if each has a name and `alias` does not rename them.
pub(crate) fn column_names(
    body: &SetExpr,
    alias: Option<&sqlparser::ast::TableAlias>,
) -> Option<BTreeSet<String>> {
    if let Some(alias) = alias
        && !alias.columns.is_empty()
    {
        return Some(
            alias
                .columns
                .iter()
                .map(|column| fold(&column.name))
                .collect(),
        );
    }
    outputs_of(body)?
        .into_iter()
        .map(|output| output.name.map(|name| name.to_lowercase()))
        .collect()
}

/// The names of a set operation are those of its first SELECT.
fn outputs_of(body: &SetExpr) -> Option<Vec<OutputColumn>> {
    match body {
        SetExpr::Select(select) => {
            let mut outputs: Vec<OutputColumn> =
                select.projection.iter().flat_map(output_of).collect();
            if select.flavor == sqlparser::ast::SelectFlavor::FromFirstNoSelect {
                let span = span_of(
                    select
                        .from
                        .first()
                        .map_or(sqlparser::tokenizer::Span::empty(), |from| from.span()),
                );
                outputs.push(OutputColumn {
                    name: None,
                    star: true,
                    span,
                });
            }
            Some(outputs)
        }
        SetExpr::SetOperation { left, .. } => outputs_of(left),
        SetExpr::Query(query) => outputs_of(&query.body),
        // The engine names the columns of a list of values.
        SetExpr::Values(values) => {
            let span = span_of(body.span());
            let columns = values.rows.first().map_or(0, |row| row.len());
            let named = (1..=columns).map(|nth| OutputColumn {
                name: Some(format!("column{nth}")),
                star: false,
                span,
            });
            Some(named.collect())
        }
        _ => None,
    }
}

fn output_of(item: &SelectItem) -> Vec<OutputColumn> {
    let named = |ident: &sqlparser::ast::Ident| OutputColumn {
        name: Some(if ident.quote_style.is_some() {
            ident.value.clone()
        } else {
            fold(ident)
        }),
        star: false,
        span: span_of_idents(std::slice::from_ref(ident)),
    };
    match item {
        SelectItem::ExprWithAlias { alias, .. } => vec![named(alias)],
        SelectItem::ExprWithAliases { aliases, .. } => aliases.iter().map(named).collect(),
        SelectItem::UnnamedExpr(Expr::Identifier(ident)) => vec![named(ident)],
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(idents)) => {
            idents.last().map(named).into_iter().collect()
        }
        SelectItem::UnnamedExpr(expr) => vec![OutputColumn {
            name: None,
            star: false,
            span: span_of(expr.span()),
        }],
        SelectItem::QualifiedWildcard(..) | SelectItem::Wildcard(_) => {
            vec![OutputColumn {
                name: None,
                star: true,
                span: span_of(item.span()),
            }]
        }
    }
}
