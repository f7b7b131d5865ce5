//! Values for `$name` in a query: literals that take the name's place before anything is planned, so a value never becomes SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Statement, UnaryOperator, Value, ValueWithSpan, VisitorMut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::Parser;
use datafusion::sql::sqlparser::tokenizer::{Span, Token};

use crate::error::{SqlError, SqlErrorKind};
use crate::walks;

/// Values by name, for `$name`; `$1` is a name, too.
#[derive(Clone, Debug, Default)]
pub struct Parameters {
    values: BTreeMap<String, Expr>,
}

impl Parameters {
    /// No values.
    pub fn new() -> Parameters {
        Parameters::default()
    }

    /// Adds a value. `name` may state its type, as `day:date`. Without one the value is what it is as a literal of SQL: a number,
    /// `true`, `false`, `null`, `date '2026-01-31'`, a quoted text; what is no literal is a text as it stands.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), SqlError> {
        let (name, data_type) = match name.split_once(':') {
            Some((name, data_type)) => (name, Some(data_type)),
            None => (name, None),
        };
        let name = name.trim().trim_start_matches('$').to_lowercase();
        let plain = |letter: char| letter.is_alphanumeric() || letter == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(error(
                format!("`{name}` is no name of a parameter"),
                None,
                "a name has letters, digits and `_`",
            ));
        }
        let literal = match data_type {
            Some(data_type) => typed(value, data_type.trim()).ok_or_else(|| {
                error(
                    format!("`{data_type}` is no type"),
                    None,
                    "write it as in SQL: bigint, decimal(18,2), date, timestamp, string",
                )
            })?,
            None => literal(value).unwrap_or_else(|| text(value)),
        };
        if self.values.insert(name.clone(), literal).is_some() {
            return Err(error(
                format!("the parameter `{name}` is given twice"),
                None,
                "give each once",
            ));
        }
        Ok(())
    }

    /// Puts the values into the text's tree. A name without a value is a mistake, and so is a value without a name.
    pub(crate) fn bind(&self, statement: &mut Statement) -> Result<(), SqlError> {
        let mut binding = Binding {
            parameters: self,
            used: BTreeSet::new(),
            mistake: None,
        };
        walks::edit(statement, &mut binding);
        if let Some(mistake) = binding.mistake {
            return Err(mistake);
        }
        match self
            .values
            .keys()
            .find(|name| !binding.used.contains(*name))
        {
            Some(name) => Err(error(
                format!("the query has no `${name}`"),
                None,
                "leave the parameter out, or write its name with `$` where the value belongs",
            )),
            None => Ok(()),
        }
    }

    fn without_value(&self, written: &str, span: Span) -> SqlError {
        let message = match written.starts_with('$') {
            true => format!("`{written}` has no value"),
            false => format!("`{written}` names no parameter"),
        };
        let hint = match (self.values.is_empty(), written.starts_with('$')) {
            (_, false) => "write parameters as `$name`, or as `$1`, `$2`".to_owned(),
            (true, true) => "a query gets it by `--param NAME=VALUE`; a model has no parameters: write the value, or read it from a table".to_owned(),
            (false, true) => {
                let names: Vec<String> =
                    self.values.keys().map(|name| format!("${name}")).collect();
                format!("there are {}", names.join(", "))
            }
        };
        error(message, Some(span), &hint)
    }
}

/// Values on their way into a text.
struct Binding<'a> {
    parameters: &'a Parameters,
    used: BTreeSet<String>,
    mistake: Option<SqlError>,
}

impl VisitorMut for Binding<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let Expr::Value(ValueWithSpan {
            value: Value::Placeholder(written),
            span,
        }) = expr
        else {
            return ControlFlow::Continue(());
        };
        let name = written.trim_start_matches('$').to_lowercase();
        match self.parameters.values.get(&name) {
            Some(literal) => {
                self.used.insert(name);
                *expr = literal.clone();
                ControlFlow::Continue(())
            }
            None => {
                self.mistake = Some(self.parameters.without_value(written, *span));
                ControlFlow::Break(())
            }
        }
    }
}

fn error(message: String, span: Option<Span>, hint: &str) -> SqlError {
    let at = span.filter(|span| span.start.line > 0);
    SqlError {
        message,
        line: at.map(|span| span.start.line),
        column: at.map(|span| span.start.column),
        hint: Some(hint.to_owned()),
        kind: SqlErrorKind::Name,
    }
}

fn text(value: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(value.to_owned()).with_empty_span())
}

/// The text as a value of a type that is named as in SQL.
fn typed(value: &str, data_type: &str) -> Option<Expr> {
    let mut parser = Parser::new(&GenericDialect {})
        .try_with_sql(data_type)
        .ok()?;
    let data_type = parser.parse_data_type().ok()?;
    if parser.peek_token().token != Token::EOF || matches!(data_type, DataType::Custom(..)) {
        return None;
    }
    Some(Expr::Cast {
        kind: CastKind::Cast,
        expr: Box::new(text(value)),
        data_type,
        array: false,
        format: None,
    })
}

/// The text as a literal of SQL, if it is one.
fn literal(value: &str) -> Option<Expr> {
    let mut parser = Parser::new(&GenericDialect {}).try_with_sql(value).ok()?;
    let expr = parser.parse_expr().ok()?;
    let whole = parser.peek_token().token == Token::EOF;
    (whole && is_literal(&expr)).then_some(expr)
}

fn is_literal(expr: &Expr) -> bool {
    match expr {
        Expr::Value(value) => matches!(
            value.value,
            Value::Number(..) | Value::SingleQuotedString(_) | Value::Boolean(_) | Value::Null
        ),
        Expr::TypedString(_) => true,
        Expr::UnaryOp {
            op: UnaryOperator::Minus | UnaryOperator::Plus,
            expr,
        } => matches!(
            expr.as_ref(),
            Expr::Value(ValueWithSpan {
                value: Value::Number(..),
                ..
            })
        ),
        _ => false,
    }
}
