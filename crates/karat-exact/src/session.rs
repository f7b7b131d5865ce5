//! One session recipe: DataFusion's settings, rules and functions, replaced by lists that karat vouches for.

use std::sync::Arc;

use datafusion::common::{DataFusionError, SchemaError};
use datafusion::execution::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::Expr;
use datafusion::optimizer::analyzer::Analyzer;
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::optimizer::{AnalyzerRule, OptimizerRule};
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;
use datafusion::prelude::SessionConfig;

use crate::checked::{Checked, Operation};
use crate::conversion::Rules;
use crate::error::{SqlError, SqlErrorKind};
use crate::functions::{self, Registry};
use crate::numbers::Rounding;
use crate::planning::{CheckedCoercions, CheckedExpressions, Operators, TypeNames};
use crate::types::type_name;

/// The version of the time-zone tables.
pub const TZDATA_VERSION: &str = chrono_tz::IANA_TZDB_VERSION;

const UNICODE: (u8, u8, u8) = char::UNICODE_VERSION;

/// The version of the Unicode tables.
pub const UNICODE_VERSION: &str = match UNICODE {
    (16, 0, 0) => "16.0.0",
    (17, 0, 0) => "17.0.0",
    (18, 0, 0) => "18.0.0",
    _ => panic!("name the Unicode version of this compiler"),
};

/// What shapes values: part of every code digest and receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) rounding: Rounding,
    pub(crate) timezone: chrono_tz::Tz,
    pub(crate) logical_time_us: i64,
}

impl Settings {
    pub(crate) fn rules(&self) -> Rules {
        Rules {
            rounding: self.rounding,
            timezone: self.timezone,
        }
    }
}

/// Rules of DataFusion that are left out: they change answers, or choose by statistics or by function names.
const LEFT_OUT: &[&str] = &[
    "single_distinct_aggregation_to_group_by",
    "aggregate_statistics",
];

/// A session with karat's rules and functions.
pub(crate) fn session_state(
    settings: &Settings,
    config: SessionConfig,
    runtime: Arc<RuntimeEnv>,
) -> SessionState {
    let rules = settings.rules();
    let registry = Registry::new(settings);
    let mut planners = SessionStateBuilder::new_with_default_features()
        .expr_planners()
        .take()
        .unwrap_or_default();
    planners.insert(0, Arc::new(Operators { rules }));
    SessionStateBuilder::new()
        .with_config(configured(config))
        .with_runtime_env(runtime)
        .with_analyzer_rules(analyzer_rules(rules))
        .with_optimizer_rules(optimizer_rules())
        .with_physical_optimizer_rules(physical_rules())
        .with_expr_planners(planners)
        .with_type_planner(Arc::new(TypeNames))
        .with_scalar_functions(registry.scalar)
        .with_aggregate_functions(registry.aggregate)
        .with_window_functions(registry.window)
        .build()
}

fn configured(mut config: SessionConfig) -> SessionConfig {
    let options = config.options_mut();
    options.sql_parser.parse_float_as_decimal = true;
    options.sql_parser.enable_ident_normalization = true;
    options.sql_parser.support_varchar_with_length = true;
    options.sql_parser.map_string_types_to_utf8view = false;
    options.sql_parser.collect_spans = true;
    options.sql_parser.default_null_ordering = "nulls_last".to_string();
    options.execution.time_zone = Some("UTC".to_string());
    options.execution.parquet.pushdown_filters = false;
    options.execution.parquet.schema_force_view_types = false;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.optimizer.enable_window_topn = false;
    options.optimizer.skip_failed_rules = false;
    options.optimizer.expand_views_at_output = false;
    options.explain.show_statistics = false;
    config
}

fn analyzer_rules(rules: Rules) -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut list = Analyzer::new().rules;
    let at = list
        .iter()
        .position(|rule| rule.name() == "type_coercion")
        .unwrap_or(list.len());
    list.insert(at, Arc::new(CheckedExpressions { rules }));
    list.push(Arc::new(CheckedCoercions {
        checked: CheckedExpressions { rules },
    }));
    list
}

fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut list = Optimizer::new().rules;
    list.retain(|rule| !LEFT_OUT.contains(&rule.name()));
    list
}

fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut list = PhysicalOptimizer::new().rules;
    list.retain(|rule| !LEFT_OUT.contains(&rule.name()));
    list
}

/// Whether an expression, as planned and not yet optimised, asks for the run's time.
pub(crate) fn uses_clock(expr: &Expr) -> bool {
    use datafusion::common::tree_node::TreeNode;
    expr.exists(|e| {
        Ok(match e {
            Expr::ScalarFunction(call) => {
                matches!(
                    call.func.inner().downcast_ref::<Checked>(),
                    Some(Checked {
                        operation: Operation::Clock(_),
                        ..
                    })
                )
            }
            _ => false,
        })
    })
    .unwrap_or(false)
}

/// The first column whose decimal is wider than a table can hold, as an error.
pub(crate) fn too_wide(schema: &arrow::datatypes::Schema) -> Option<SqlError> {
    let field = schema.fields().iter().find(|field| {
        matches!(
            field.data_type(),
            arrow::datatypes::DataType::Decimal256(..)
        )
    })?;
    let scale = match field.data_type() {
        arrow::datatypes::DataType::Decimal256(_, s) => (*s).min(38),
        _ => 0,
    };
    Some(SqlError {
        message: format!(
            "column `{}` is {}: a table holds up to 38 digits",
            field.name(),
            type_name(field.data_type())
        ),
        line: None,
        column: None,
        hint: Some(format!(
            "cast it, for example cast(... as decimal(38, {scale}))"
        )),
        kind: SqlErrorKind::Type,
    })
}

/// DataFusion's error about a query as ours: what is wrong, where, and what to do.
pub(crate) fn sql_error(error: DataFusionError, sql: &str) -> SqlError {
    let mut found = explain(error, sql);
    if found.line.is_none()
        && let Some(name) = quoted(&found.message)
        && let Some((line, column)) = position_of(&name, sql)
    {
        found.line = Some(line);
        found.column = Some(column);
    }
    found
}

fn explain(error: DataFusionError, sql: &str) -> SqlError {
    let new = |kind, message: String, hint: Option<String>| SqlError {
        message,
        line: None,
        column: None,
        hint,
        kind,
    };
    match error {
        DataFusionError::Context(_, inner) => explain(*inner, sql),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let mut found = explain(*inner, sql);
            if let Some(span) = diagnostic.span {
                found.line.get_or_insert(span.start.line);
                found.column.get_or_insert(span.start.column);
            }
            found
        }
        DataFusionError::Collection(mut errors) if !errors.is_empty() => {
            explain(errors.swap_remove(0), sql)
        }
        DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
            Ok(inner) => explain(inner, sql),
            Err(shared) => new(SqlErrorKind::Type, plain(&shared.strip_backtrace()), None),
        },
        DataFusionError::External(inner) => match inner.downcast::<SqlError>() {
            Ok(own) => *own,
            Err(inner) => match inner.downcast::<crate::error::ExactError>() {
                Ok(own) => new(SqlErrorKind::Refused, own.to_string(), own.hint()),
                Err(other) => new(SqlErrorKind::Type, plain(&other.to_string()), None),
            },
        },
        DataFusionError::SQL(parser, _) => {
            let text = match *parser {
                datafusion::sql::sqlparser::parser::ParserError::TokenizerError(text)
                | datafusion::sql::sqlparser::parser::ParserError::ParserError(text) => text,
                datafusion::sql::sqlparser::parser::ParserError::RecursionLimitExceeded => {
                    return new(
                        SqlErrorKind::Refused,
                        "the query nests too deeply".to_string(),
                        Some("use `with` to split it".to_string()),
                    );
                }
            };
            let (message, at) = located(&text);
            if message.contains("as BigDecimal") {
                return new(
                    SqlErrorKind::Refused,
                    message,
                    Some("for a double write cast('1e200' as double)".to_string()),
                );
            }
            SqlError {
                line: at.map(|p| p.0),
                column: at.map(|p| p.1),
                ..new(SqlErrorKind::Syntax, message, None)
            }
        }
        DataFusionError::SchemaError(schema, _) => match *schema {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => {
                let names: Vec<String> = valid_fields.iter().map(|c| c.name.clone()).collect();
                let hint = match nearest(&field.name, names.iter().map(String::as_str)) {
                    Some(name) => format!("did you mean `{name}`?"),
                    None if names.is_empty() => "no columns are visible here".to_string(),
                    None => {
                        let shown: Vec<&str> = names.iter().take(20).map(String::as_str).collect();
                        let more = if names.len() > shown.len() {
                            ", ..."
                        } else {
                            ""
                        };
                        format!("there are {}{more}", shown.join(", "))
                    }
                };
                new(
                    SqlErrorKind::Name,
                    format!("no column `{}`", field.flat_name()),
                    Some(hint),
                )
            }
            SchemaError::AmbiguousReference { field } => new(
                SqlErrorKind::Name,
                format!("column `{}` is ambiguous", field.name),
                Some("write it with its table: t.column".to_string()),
            ),
            SchemaError::DuplicateQualifiedField { name, .. }
            | SchemaError::DuplicateUnqualifiedField { name } => new(
                SqlErrorKind::Name,
                format!("two columns are named `{name}`"),
                Some("name them with `as`".to_string()),
            ),
        },
        DataFusionError::NotImplemented(text)
            if text.contains("Decimal scale") || text.contains("Decimal precision") =>
        {
            new(
                SqlErrorKind::Refused,
                "a number literal of more than 76 digits".to_string(),
                Some("for a double write cast('1e200' as double)".to_string()),
            )
        }
        DataFusionError::NotImplemented(text) => new(SqlErrorKind::Refused, plain(&text), None),
        other => {
            let text = plain(&other.strip_backtrace());
            if let Some(name) = text
                .strip_prefix("Invalid function '")
                .and_then(|rest| rest.split('\'').next())
            {
                return unknown_function(name);
            }
            if let Some(name) = text
                .strip_prefix("table '")
                .and_then(|rest| rest.split('\'').next())
            {
                let name = name.strip_prefix("datafusion.").unwrap_or(name);
                let name = name.strip_prefix("public.").unwrap_or(name);
                return new(SqlErrorKind::Name, format!("no table `{name}`"), None);
            }
            new(SqlErrorKind::Type, text, None)
        }
    }
}

fn unknown_function(name: &str) -> SqlError {
    let name = name.to_ascii_lowercase();
    let (kind, message, hint) = match functions::refused(&name) {
        Some((why, hint)) => (
            SqlErrorKind::Refused,
            format!("`{name}` {why}"),
            Some(hint.to_string()).filter(|h| !h.is_empty()),
        ),
        None => {
            let known = Registry::new(&Settings {
                rounding: Rounding::default(),
                timezone: chrono_tz::Tz::UTC,
                logical_time_us: 0,
            })
            .names();
            let hint = nearest(&name, known.iter().map(String::as_str))
                .map(|near| format!("did you mean `{near}`?"));
            (SqlErrorKind::Name, format!("no function `{name}`"), hint)
        }
    };
    SqlError {
        message,
        line: None,
        column: None,
        hint,
        kind,
    }
}

/// Without DataFusion's prefixes, and one line only.
fn plain(text: &str) -> String {
    let mut text = text.lines().next().unwrap_or_default().trim();
    for prefix in [
        "Error during planning: ",
        "This feature is not implemented: ",
        "Execution error: ",
        "type_coercion",
        "caused by",
        "Internal error: ",
        "Schema error: ",
    ] {
        text = text.strip_prefix(prefix).unwrap_or(text).trim_start();
    }
    text.to_string()
}

/// A parser's message and its "at Line: 1, Column: 8".
fn located(text: &str) -> (String, Option<(u64, u64)>) {
    let Some((message, at)) = text.rsplit_once(" at Line: ") else {
        return (text.to_string(), None);
    };
    let mut numbers = at.split(", Column: ").map(|n| {
        n.trim()
            .trim_end_matches(|c: char| !c.is_ascii_digit())
            .parse::<u64>()
    });
    match (numbers.next(), numbers.next()) {
        (Some(Ok(line)), Some(Ok(column))) => (
            message.trim_start_matches("sql parser error: ").to_string(),
            Some((line, column)),
        ),
        _ => (text.to_string(), None),
    }
}

fn quoted(message: &str) -> Option<String> {
    let name = message.split('`').nth(1)?;
    let last = name.rsplit('.').next()?;
    last.chars()
        .all(|c| c.is_alphanumeric() || c == '_')
        .then(|| last.to_string())
        .filter(|n| !n.is_empty())
}

/// Where a word first stands in the text.
fn position_of(word: &str, sql: &str) -> Option<(u64, u64)> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    for (index, line) in sql.lines().enumerate() {
        let lower = line.to_ascii_lowercase();
        let mut from = 0;
        while let Some(at) = lower
            .get(from..)
            .and_then(|rest| rest.find(&word.to_ascii_lowercase()))
        {
            let start = from + at;
            let end = start + word.len();
            let before = lower[..start].chars().next_back().is_some_and(part);
            let after = lower[end..].chars().next().is_some_and(part);
            if !before && !after {
                return Some((index as u64 + 1, lower[..start].chars().count() as u64 + 1));
            }
            from = end;
        }
    }
    None
}

/// The name that differs in the fewest letters, if few enough.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (name.chars().count() / 3).max(1);
    names
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|(d, _)| *d <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let cost = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = cost.min(row[j] + 1).min(row[j + 1] + 1);
        }
    }
    row[b.len()]
}
