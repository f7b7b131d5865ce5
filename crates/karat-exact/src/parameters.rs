//! Values for `$name`, and for `business_date()`: literals that take their place before anything is planned, so a value never becomes SQL.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use datafusion::sql::sqlparser::ast::{
    CastKind, DataType, Expr, Function, FunctionArguments, UnaryOperator, Value, ValueWithSpan,
    VisitMut, VisitorMut,
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
    business_date: BusinessDate,
}

/// What `business_date()` is.
#[derive(Clone, Debug, Default)]
enum BusinessDate {
    /// Nobody said.
    #[default]
    Unknown,
    /// This day.
    Is(Expr),
    /// None, for this reason; the hint says what to do.
    Not { message: String, hint: String },
}

/// The name of the function, which takes no argument.
pub(crate) const BUSINESS_DATE: &str = "business_date";

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

    /// Adds a parameter that has a type and no value yet: SQL can be planned with it, and what it computes is null.
    pub fn insert_without_value(&mut self, name: &str, data_type: &str) -> Result<(), SqlError> {
        self.insert(&format!("{name}:{data_type}"), "")?;
        if let Some(Expr::Cast { expr, .. }) = self.values.get_mut(name) {
            *expr = Box::new(Expr::Value(Value::Null.with_empty_span()));
        }
        Ok(())
    }

    /// The day that `business_date()` is, like `2026-10-30`.
    pub fn set_business_date(&mut self, day: &str) {
        self.business_date = match typed(day, "date") {
            Some(day) => BusinessDate::Is(day),
            None => BusinessDate::Unknown,
        };
    }

    /// Why there is no business date, told to whoever asks for it.
    pub fn set_no_business_date(&mut self, message: String, hint: String) {
        self.business_date = BusinessDate::Not { message, hint };
    }

    /// Puts the values into a text's tree, those of `others` where there are none. A name without a value is a mistake, and so is a value
    /// without a name; what `others` have may be left unused.
    pub(crate) fn bind(
        &self,
        text: &mut impl VisitMut,
        others: &Parameters,
    ) -> Result<(), SqlError> {
        let mut binding = Binding {
            parameters: self,
            others,
            used: BTreeSet::new(),
            mistake: None,
        };
        walks::edit(text, &mut binding);
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

    fn without_value(&self, others: &Parameters, written: &str, span: Span) -> SqlError {
        let message = match written.starts_with('$') {
            true => format!("`{written}` has no value"),
            false => format!("`{written}` names no parameter"),
        };
        let names: BTreeSet<&String> = self.values.keys().chain(others.values.keys()).collect();
        let hint = match (names.is_empty(), written.starts_with('$')) {
            (_, false) => "write parameters as `$name`, or as `$1`, `$2`".to_owned(),
            (true, true) => "a query gets it by `--param NAME=VALUE`; those of models are declared in karat.yaml, under `params`".to_owned(),
            (false, true) => {
                let names: Vec<String> = names.iter().map(|name| format!("${name}")).collect();
                format!("there are {}", names.join(", "))
            }
        };
        error(message, Some(span), &hint)
    }
}

/// Values on their way into a text.
struct Binding<'a> {
    parameters: &'a Parameters,
    others: &'a Parameters,
    used: BTreeSet<String>,
    mistake: Option<SqlError>,
}

impl VisitorMut for Binding<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Function(call) = expr
            && let Some(span) = asks_for_business_date(call)
        {
            return match self.business_date(span) {
                Ok(day) => {
                    *expr = day;
                    ControlFlow::Continue(())
                }
                Err(mistake) => {
                    self.mistake = Some(mistake);
                    ControlFlow::Break(())
                }
            };
        }
        let Expr::Value(ValueWithSpan {
            value: Value::Placeholder(written),
            span,
        }) = expr
        else {
            return ControlFlow::Continue(());
        };
        let name = written.trim_start_matches('$').to_lowercase();
        let own = self.parameters.values.get(&name);
        match own.or_else(|| self.others.values.get(&name)) {
            Some(literal) => {
                self.used.insert(name);
                *expr = literal.clone();
                ControlFlow::Continue(())
            }
            None => {
                let others = self.others;
                self.mistake = Some(self.parameters.without_value(others, written, *span));
                ControlFlow::Break(())
            }
        }
    }
}

impl Binding<'_> {
    fn business_date(&self, span: Span) -> Result<Expr, SqlError> {
        for parameters in [self.parameters, self.others] {
            match &parameters.business_date {
                BusinessDate::Unknown => {}
                BusinessDate::Is(day) => return Ok(day.clone()),
                BusinessDate::Not { message, hint } => {
                    return Err(error(message.clone(), Some(span), hint));
                }
            }
        }
        Err(error(
            "there is no business date".to_owned(),
            Some(span),
            "give it by `--business-date 2026-10-30`, or declare a `calendar` in karat.yaml",
        ))
    }
}

/// Where the name of the call stands, if it is `business_date()`.
pub(crate) fn asks_for_business_date(call: &Function) -> Option<Span> {
    let [part] = call.name.0.as_slice() else {
        return None;
    };
    let name = part.as_ident()?;
    let without_arguments = match &call.args {
        FunctionArguments::List(list) => list.args.is_empty(),
        FunctionArguments::None | FunctionArguments::Subquery(_) => false,
    };
    (without_arguments && name.value.eq_ignore_ascii_case(BUSINESS_DATE)).then_some(name.span)
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
