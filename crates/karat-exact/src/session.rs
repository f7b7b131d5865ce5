//! One session recipe: DataFusion's settings, rules and functions, replaced by lists that karat vouches for.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use datafusion::common::config::ConfigNonZeroUsize;
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
use datafusion::physical_plan::operator_statistics::StatisticsRegistry;
use datafusion::prelude::SessionConfig;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::checked::{Checked, Clock, Operation};
use crate::common_parts::{CommonParts, OncePlanner};
use crate::conditions::Conditions;
use crate::conversion::Rules;
use crate::dictionary_aggregate::GroupOnCodes;
use crate::error::{SqlError, SqlErrorKind};
use crate::functions::{self, Registry};
use crate::guesses::Guesses;
use crate::held_back::held_back;
use crate::join_order::JoinOrder;
use crate::joined_groups::JoinedGroups;
use crate::latest::FirstRows;
use crate::memory::CountedWindows;
use crate::numbers::Rounding;
use crate::outputs::twin;
use crate::passing_texts::PassingTexts;
use crate::planning::{CheckedCoercions, CheckedExpressions, Operators, TypeNames};
use crate::scan_filters::{self, ScanFilters};
use crate::series;
use crate::tables::{CATALOG, SCHEMA};
use crate::viewed_texts::ViewedTexts;
use crate::walks::Walk;
use crate::words::in_our_words;
use crate::yielding::YieldingJoins;

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
    /// For questions whose answer no setting changes.
    pub(crate) fn plain() -> Settings {
        Settings {
            rounding: Rounding::default(),
            timezone: chrono_tz::Tz::UTC,
            logical_time_us: 0,
        }
    }

    pub(crate) fn rules(&self) -> Rules {
        Rules {
            rounding: self.rounding,
            timezone: self.timezone,
        }
    }
}

/// Rules of DataFusion that are left out: they change answers, or choose by statistics or by function names.
const LEFT_OUT: &[&str] = &["aggregate_statistics", scan_filters::NOT_NEEDED];

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
        .with_query_planner(Arc::new(OncePlanner))
        .with_statistics_registry(StatisticsRegistry::with_providers(vec![Arc::new(Guesses)]))
        .with_expr_planners(planners)
        .with_type_planner(Arc::new(TypeNames))
        .with_scalar_functions(registry.scalar)
        .with_table_function_list(series::table_functions(rules))
        .with_aggregate_functions(registry.aggregate)
        .with_window_functions(registry.window)
        .with_higher_order_functions(registry.higher_order)
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
    // Each batch that an exchange spills has a file of its own. With several in one, batches are written to files that are all still open,
    // the reader waits at the first of them for what is in the second, the writers wait for the reader, and the query never ends.
    options.execution.max_spill_file_size_bytes = ConfigNonZeroUsize::try_new(1).expect("not zero");
    options.execution.parquet.schema_force_view_types = false;
    options.optimizer.enable_dynamic_filter_pushdown = false;
    options.optimizer.enable_join_dynamic_filter_pushdown = false;
    options.optimizer.enable_topk_dynamic_filter_pushdown = false;
    options.optimizer.enable_aggregate_dynamic_filter_pushdown = false;
    options.optimizer.enable_window_topn = false;
    // A table of so many rows is read into one map for all threads: dealing out the rows of the other side to maps of their own would
    // cost more than filling one.
    options.optimizer.hash_join_single_partition_threshold = 64 << 20;
    options.optimizer.hash_join_single_partition_threshold_rows = 2 << 20;
    options.optimizer.use_statistics_registry = true;
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
    let rules = Optimizer::new().rules.into_iter();
    let kept = rules.filter(|rule| !LEFT_OUT.contains(&rule.name()));
    let mut list: Vec<_> = kept.map(held_back).collect();
    // Conditions stand at their tables then, and nothing between the joins yet.
    let after = list
        .iter()
        .position(|rule| rule.name() == "push_down_filter")
        .map_or(list.len(), |at| at + 1);
    list.insert(after, Arc::new(JoinOrder));
    list.push(Arc::new(Conditions));
    list.push(Arc::new(FirstRows));
    list.push(Arc::new(PassingTexts));
    list
}

fn physical_rules() -> Vec<Arc<dyn PhysicalOptimizerRule + Send + Sync>> {
    let mut list = PhysicalOptimizer::new().rules;
    list.retain(|rule| !LEFT_OUT.contains(&rule.name()));
    for rule in &mut list {
        if rule.name() == scan_filters::REPLACED {
            *rule = Arc::new(ScanFilters);
        }
    }
    let selected = list
        .iter()
        .position(|rule| rule.name() == "join_selection")
        .map_or(list.len(), |at| at + 1);
    list.insert(selected, Arc::new(JoinedGroups));
    let check = list
        .iter()
        .position(|rule| rule.name() == "SanityCheckPlan")
        .unwrap_or(list.len());
    list.insert(check, Arc::new(GroupOnCodes));
    list.push(Arc::new(CountedWindows));
    list.push(Arc::new(YieldingJoins));
    list.push(Arc::new(ViewedTexts));
    list.push(Arc::new(CommonParts));
    list
}

/// What an answer takes from the run's time (A7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockUse {
    /// Nothing.
    #[default]
    None,
    /// The day alone, in the project's time zone.
    Day,
    /// The moment.
    Time,
}

/// Whether an expression, as planned and not yet optimised, asks for the run's time.
pub(crate) fn uses_clock(expr: &Expr) -> bool {
    clock_use(expr) != ClockUse::None
}

/// What an expression, as planned and not yet optimised, takes from the run's time.
pub(crate) fn clock_use(expr: &Expr) -> ClockUse {
    use datafusion::common::tree_node::TreeNodeRecursion;
    let mut most = ClockUse::None;
    let visited = expr.walk(|e| {
        if let Expr::ScalarFunction(call) = e
            && let Some(Checked {
                operation: Operation::Clock(clock),
                ..
            }) = call.func.inner().downcast_ref::<Checked>()
        {
            most = most.max(match clock {
                Clock::Date => ClockUse::Day,
                Clock::Now | Clock::Time => ClockUse::Time,
            });
        }
        Ok(TreeNodeRecursion::Continue)
    });
    visited.map_or(ClockUse::Time, |_| most)
}

/// DataFusion's error about a query as ours: what is wrong, where, and what to do.
pub(crate) fn sql_error(error: DataFusionError, sql: &str) -> SqlError {
    if let Some(found) = retold(&error, sql) {
        return found;
    }
    let mut found = explain(error);
    if found.message == MANY_DIGITS
        && let Some(literal) = long_number(sql)
    {
        return SqlError {
            message: format!("`{}` has more than 76 digits", literal.text),
            hint: Some(match literal.text.parse::<f64>() {
                Ok(double) if double.is_finite() => {
                    format!("for a double write double '{}'", literal.text)
                }
                _ => "no type holds it: the greatest double is about 1.8e308".to_string(),
            }),
            line: Some(literal.line),
            column: Some(literal.column),
            ..found
        };
    }
    if found.line.is_none()
        && let Some((line, column)) = word_in_question(&found.message)
            .and_then(|word| position_of(&word, sql))
            .or_else(|| position_of_text(&found.message, sql))
    {
        found.line = Some(line);
        found.column = Some(column);
    }
    if found.kind == SqlErrorKind::Name
        && found.message.starts_with("no column")
        && let Some(text) = found
            .line
            .zip(found.column)
            .and_then(|at| in_quotes(at, sql))
    {
        let more = found.hint.map(|hint| format!("; {hint}"));
        found.hint = Some(format!(
            "text stands in single quotes: '{}'{}",
            text.replace('\'', "''"),
            more.unwrap_or_default()
        ));
    }
    found
}

/// The name that stands at a place between double quotes.
fn in_quotes(at: (u64, u64), sql: &str) -> Option<String> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    tokens.ok()?.into_iter().find_map(|token| {
        let here = (token.span.start.line, token.span.start.column) == at;
        match token.token {
            Token::Word(word) if here && word.quote_style == Some('"') => Some(word.value),
            _ => None,
        }
    })
}

/// Where the text literal stands that a message quotes, if it stands there once.
fn position_of_text(message: &str, sql: &str) -> Option<(u64, u64)> {
    let quoted = message.split('`').nth(1)?;
    let tokens = |text: &str| {
        let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize_with_location();
        let tokens = tokens.unwrap_or_default().into_iter();
        tokens.filter(|token| matches!(token.token, Token::SingleQuotedString(_)))
    };
    let wanted = tokens(quoted).next()?.token;
    let mut found = tokens(sql).filter(|token| token.token == wanted);
    match (found.next(), found.next()) {
        (Some(one), None) => Some((one.span.start.line, one.span.start.column)),
        _ => None,
    }
}

/// What the text itself tells better than DataFusion's words.
fn retold(error: &DataFusionError, sql: &str) -> Option<SqlError> {
    if !is_of_one_name(error) {
        return None;
    }
    let (message, at) = match twin(sql) {
        Some((name, at)) => (
            format!("two columns of this select list are called `{name}`"),
            Some(at),
        ),
        None => (
            "two columns of a select list have one name".to_string(),
            None,
        ),
    };
    Some(SqlError {
        message,
        line: at.map(|at| at.0),
        column: at.map(|at| at.1),
        hint: Some("give each a name of its own with `as`".to_string()),
        kind: SqlErrorKind::Name,
    })
}

/// Whether two columns of a select list have one name.
pub(crate) fn is_of_one_name(error: &DataFusionError) -> bool {
    let DataFusionError::Plan(text) = error.find_root() else {
        return false;
    };
    text.starts_with("Projections require unique expression names")
}

/// What is said of a number literal that no decimal holds, until it is found in the text.
pub(crate) const MANY_DIGITS: &str = "a number literal of more than 76 digits";

/// A number literal and its place.
struct Literal {
    text: String,
    line: u64,
    column: u64,
}

/// The first number literal of a text that no decimal holds.
fn long_number(sql: &str) -> Option<Literal> {
    use datafusion::sql::sqlparser::dialect::GenericDialect;
    use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};
    let tokens = Tokenizer::new(&GenericDialect {}, sql).tokenize_with_location();
    tokens.ok()?.into_iter().find_map(|token| {
        let Token::Number(text, _) = &token.token else {
            return None;
        };
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, places) = digits.split_once('.').unwrap_or((digits, ""));
        let exponent: i64 = exponent.parse().unwrap_or(i64::MAX / 4);
        let whole = whole.trim_start_matches('0').len() as i64 + exponent;
        let places = places.len() as i64 - exponent;
        let at = token.span.start;
        (whole.max(0) + places.max(0) > 76).then(|| Literal {
            text: text.clone(),
            line: at.line,
            column: at.column,
        })
    })
}

/// The word of the text that a message is about: the name that it quotes, or the function or clause with which it begins.
fn word_in_question(message: &str) -> Option<String> {
    quoted(message).or_else(|| {
        let first = message.split([' ', '(']).next()?;
        let named =
            message.starts_with(&format!("{first}(")) || first == "LIMIT" || first == "DISTINCT";
        named.then(|| first.to_string())
    })
}

fn explain(error: DataFusionError) -> SqlError {
    let new = |kind, message: String, hint: Option<String>| SqlError {
        message,
        line: None,
        column: None,
        hint,
        kind,
    };
    match error {
        DataFusionError::Context(_, inner) => explain(*inner),
        DataFusionError::Diagnostic(diagnostic, inner) => {
            let mut found = explain(*inner);
            if let Some(span) = diagnostic.span {
                found.line.get_or_insert(span.start.line);
                found.column.get_or_insert(span.start.column);
            }
            found
        }
        DataFusionError::Collection(mut errors) if !errors.is_empty() => {
            explain(errors.swap_remove(0))
        }
        DataFusionError::Shared(inner) => match Arc::try_unwrap(inner) {
            Ok(inner) => explain(inner),
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
            let infix = message
                .strip_prefix("no infix parser for token Word(Word { value: \"")
                .and_then(|rest| rest.split('"').next());
            let (message, hint) = match infix {
                Some(word) if word.eq_ignore_ascii_case("div") => (
                    "`div` is a function here, not an operator".to_string(),
                    Some("write div(a, b) for the integer quotient".to_string()),
                ),
                Some(word) => (format!("`{word}` is no operator"), None),
                None => (message, None),
            };
            SqlError {
                line: at.map(|p| p.0),
                column: at.map(|p| p.1),
                ..new(SqlErrorKind::Syntax, message, hint)
            }
        }
        DataFusionError::SchemaError(schema, _) => match *schema {
            SchemaError::FieldNotFound {
                field,
                valid_fields,
            } => {
                let mut names: Vec<String> = Vec::new();
                for field in &valid_fields {
                    if !names.contains(&field.name) {
                        names.push(field.name.clone());
                    }
                }
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
                SqlError {
                    line: field.spans().first().map(|span| span.start.line),
                    column: field.spans().first().map(|span| span.start.column),
                    ..new(
                        SqlErrorKind::Name,
                        format!("no column `{}`", field.flat_name()),
                        Some(hint),
                    )
                }
            }
            SchemaError::AmbiguousReference { field } => SqlError {
                line: field.spans().first().map(|span| span.start.line),
                column: field.spans().first().map(|span| span.start.column),
                ..new(
                    SqlErrorKind::Name,
                    format!("column `{}` is ambiguous", field.name),
                    Some("write it with its table: t.column".to_string()),
                )
            },
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
                MANY_DIGITS.to_string(),
                Some("for a double write cast('1e200' as double)".to_string()),
            )
        }
        DataFusionError::NotImplemented(text) => {
            let told = in_our_words(&plain(&text));
            let kind = match told.kind {
                // Nobody knows it: the engine does not do it.
                SqlErrorKind::Type if told.hint.is_none() => SqlErrorKind::Refused,
                known => known,
            };
            new(kind, told.message, told.hint)
        }
        other => {
            let text = plain(&other.strip_backtrace());
            if let Some(name) = text
                .strip_prefix("table function '")
                .and_then(|rest| rest.strip_suffix("' not found"))
            {
                return new(
                    SqlErrorKind::Name,
                    format!("there is no table function `{name}`"),
                    Some(
                        "`karat query --table NAME=PATH` reads a file as a table; tables are made by generate_series and range"
                            .to_string(),
                    ),
                );
            }
            if let Some((_, rest)) =
                text.split_once("user-defined coercion failed with: External error: ")
            {
                let message = rest.split(". No function matches").next().unwrap_or(rest);
                return new(
                    SqlErrorKind::Type,
                    message.to_string(),
                    Some("cast the argument first".to_string()),
                );
            }
            if let Some(message) = wrong_type(&text) {
                let hint = Some("cast the argument first".to_string());
                return new(SqlErrorKind::Type, message, hint);
            }
            if let Some((_, rest)) = text.split_once("column \"")
                && let Some((name, _)) = rest.split_once("\" must appear in the GROUP BY")
            {
                return new(
                    SqlErrorKind::Name,
                    format!("column `{name}` is neither grouped by nor in an aggregate"),
                    Some(
                        "add it to `group by`, or say which value is meant, for example max(x)"
                            .to_string(),
                    ),
                );
            }
            if text.starts_with("Aggregate functions are not allowed in the WHERE clause") {
                return new(
                    SqlErrorKind::Refused,
                    "an aggregate stands in `where`".to_string(),
                    Some("conditions on groups go into `having`".to_string()),
                );
            }
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
                // Nobody wrote these.
                let mut name = name;
                for own in [CATALOG, SCHEMA] {
                    name = name
                        .strip_prefix(own)
                        .and_then(|rest| rest.strip_prefix('.'))
                        .unwrap_or(name);
                }
                return new(SqlErrorKind::Name, format!("no table `{name}`"), None);
            }
            let told = in_our_words(&text);
            new(told.kind, told.message, told.hint)
        }
    }
}

/// The functions that SQL may call; the same for every session.
pub(crate) fn known_functions() -> &'static BTreeSet<String> {
    static NAMES: OnceLock<BTreeSet<String>> = OnceLock::new();
    NAMES.get_or_init(|| Registry::new(&Settings::plain()).names())
}

/// Whether SQL may call a function of this name.
pub(crate) fn is_known(name: &str) -> bool {
    known_functions().contains(name)
}

/// Which function of DataFusion's takes no arguments of which types, if a message says so.
fn wrong_type(text: &str) -> Option<String> {
    let named = |list: &str| {
        let names = list.split(", ").map(|t| {
            t.parse()
                .map_or_else(|_| t.to_lowercase(), |t| crate::types::type_name(&t))
        });
        names.collect::<Vec<_>>().join(", ")
    };
    if let Some((_, rest)) = text.split_once("Function '")
        && let Some((name, rest)) = rest.split_once("' requires ")
        && let Some((wanted, rest)) = rest.split_once(", but received ")
        && let Some((_, rest)) = rest.split_once("(DataType: ")
        && let Some((found, _)) = rest.split_once(").")
    {
        let (wanted, found) = (wanted.to_lowercase(), named(found));
        return Some(format!(
            "`{name}` takes arguments of type {wanted}, not {found}"
        ));
    }
    let (_, rest) = text.split_once("to satisfy a call to '")?;
    let (name, rest) = rest.split_once("' function: coercion from ")?;
    let (found, _) = rest.split_once(" to the signature")?;
    let found = found.trim_start_matches('[').trim_end_matches(']');
    Some(format!(
        "`{name}` takes no arguments of type {}",
        named(found)
    ))
}

/// Why a function cannot be called: refused, or not known.
pub(crate) fn unknown_function(name: &str) -> SqlError {
    let name = name.to_ascii_lowercase();
    let (kind, message, hint) = match functions::refused(&name) {
        Some((why, hint)) => (
            SqlErrorKind::Refused,
            format!("`{name}` {why}"),
            Some(hint.to_string()).filter(|h| !h.is_empty()),
        ),
        None if is_known(&name) => (
            SqlErrorKind::Refused,
            format!("`{name}` cannot be called like this"),
            Some("a window function needs `over (order by …)`, and only those and aggregates have one".to_string()),
        ),
        None => {
            let near = || {
                nearest(&name, known_functions().iter().map(String::as_str))
                    .map(|near| format!("did you mean `{near}`?"))
            };
            let hint = functions::called_elsewhere(&name)
                .map(str::to_owned)
                .or_else(near)
                .or_else(|| Some("`karat query \"show functions\"` lists those that there are".to_owned()));
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

/// The first word of what a message quotes; of a name with dots the last part.
fn quoted(message: &str) -> Option<String> {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    let name = message.split('`').nth(1)?;
    let name = name.split(|c: char| !part(c) && c != '.').next()?;
    let last = name.rsplit('.').next()?;
    Some(last.to_string()).filter(|word| !word.is_empty())
}

/// Where a word first stands in the text, outside of comments and strings.
fn position_of(word: &str, sql: &str) -> Option<(u64, u64)> {
    let tokens = Tokenizer::new(&GenericDialect {}, sql)
        .tokenize_with_location()
        .ok()?;
    tokens.iter().find_map(|token| match &token.token {
        Token::Word(found) if found.value.eq_ignore_ascii_case(word) => {
            Some((token.span.start.line, token.span.start.column))
        }
        _ => None,
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{
        Array, ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array, RecordBatch,
        StringArray,
    };
    use arrow::datatypes::DataType;
    use datafusion::datasource::MemTable;
    use datafusion::prelude::SessionContext;
    use expect_test::{Expect, expect};

    fn batches() -> Vec<RecordBatch> {
        let batch = |k: Vec<Option<&str>>,
                     n: Vec<Option<i64>>,
                     d: Vec<Option<i128>>,
                     f: Vec<Option<f64>>| {
            let d = Decimal128Array::from(d)
                .with_precision_and_scale(18, 2)
                .expect("a decimal");
            RecordBatch::try_from_iter_with_nullable([
                ("k", Arc::new(StringArray::from(k)) as ArrayRef, true),
                ("n", Arc::new(Int64Array::from(n)) as ArrayRef, true),
                ("d", Arc::new(d) as ArrayRef, true),
                ("f", Arc::new(Float64Array::from(f)) as ArrayRef, true),
            ])
            .expect("a batch")
        };
        vec![
            batch(
                vec![Some("a"), Some("a"), Some("b")],
                vec![Some(1), Some(2), Some(0)],
                vec![Some(100), Some(205), Some(-1)],
                vec![Some(0.1), Some(1e300), Some(2.5)],
            ),
            batch(
                vec![Some("a"), None, Some("b")],
                vec![None, Some(7), Some(9007199254740993)],
                vec![Some(33), None, Some(50)],
                vec![Some(-1e300), Some(f64::INFINITY), None],
            ),
        ]
    }

    fn context() -> SessionContext {
        let settings = Settings {
            rounding: Rounding::HalfEven,
            timezone: chrono_tz::Tz::UTC,
            logical_time_us: 1_700_000_000_000_000,
        };
        let state = session_state(
            &settings,
            SessionConfig::new()
                .with_target_partitions(2)
                .with_default_catalog_and_schema(CATALOG, SCHEMA),
            Arc::new(RuntimeEnv::default()),
        );
        let context = SessionContext::new_with_state(state);
        let batches = batches();
        let schema = batches[0].schema();
        let table = MemTable::try_new(schema, batches.into_iter().map(|b| vec![b]).collect())
            .expect("a table");
        context
            .register_table("t", Arc::new(table))
            .expect("registers");
        context
    }

    async fn answer(context: &SessionContext, sql: &str) -> String {
        use std::fmt::Write as _;
        let mut out = format!("{sql}\n");
        let frame = match context.sql(sql).await {
            Ok(frame) => frame,
            Err(error) => {
                let e = sql_error(error, sql);
                let _ = writeln!(
                    out,
                    "  refused: {} [{:?} {:?}:{:?}; {}]",
                    e.message,
                    e.kind,
                    e.line,
                    e.column,
                    e.hint.unwrap_or_default()
                );
                return out;
            }
        };
        let schema = Arc::new(frame.schema().as_arrow().clone());
        match frame.collect().await {
            Ok(batches) => {
                let schema = batches.first().map_or(schema, RecordBatch::schema);
                let names: Vec<String> = schema
                    .fields()
                    .iter()
                    .map(|f| format!("{} {}", f.name(), crate::types::type_name(f.data_type())))
                    .collect();
                let _ = writeln!(out, "  {}", names.join(" | "));
                let batch = arrow::compute::concat_batches(&schema, &batches).expect("one schema");
                let mut lines: Vec<String> = (0..batch.num_rows())
                    .map(|row| {
                        let cell = |column: &ArrayRef| {
                            let text = arrow::compute::cast(column, &DataType::Utf8).expect("text");
                            if text.is_null(row) {
                                "null".to_string()
                            } else {
                                text.as_string::<i32>().value(row).to_string()
                            }
                        };
                        format!(
                            "  {}\n",
                            batch
                                .columns()
                                .iter()
                                .map(cell)
                                .collect::<Vec<_>>()
                                .join(" | ")
                        )
                    })
                    .collect();
                lines.sort();
                out.extend(lines);
            }
            Err(error) => {
                let _ = writeln!(out, "  failed: {:?}", crate::error::ExactError::from(error));
            }
        }
        out
    }

    fn check(queries: &[&str], expected: Expect) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let context = context();
        let text: String = queries
            .iter()
            .map(|sql| runtime.block_on(answer(&context, sql)))
            .collect();
        expected.assert_eq(&text);
    }

    #[test]
    fn aggregates() {
        check(
            &[
                "select k, sum(n), sum(d), avg(d), sum(f), count(*) from t group by k",
                "select sum(n), avg(n), avg(f), mean(d), min(f), max(d) from t where k is not null",
                "select sum(distinct n), sum(n), count(distinct k) from t",
                "select sum(n) + 1 as x, sum(d) - avg(d) from t",
                "select sum(cast(9223372036854775807 as bigint)) from t",
                "select n, sum(d) over (order by n rows between 1 preceding and current row) as s from t",
                "select k, sum(n) filter (where n > 1) from t group by k having sum(n) > 3",
                "select sum(k) from t",
                "select sum(n) from t where false",
                "select sum(n + 1) as x, sum(d * 2), avg(n) over (partition by k) from t where n = 1 group by n, k",
                "select avg(d), sum(d) from t group by k having count(*) > 1",
                "select abs(k) from t",
                "select min(k), max(f), bool_and(n > 0), string_agg(k, ',' order by k) from t where n < 9",
            ],
            expect![[r#"
                select k, sum(n), sum(d), avg(d), sum(f), count(*) from t group by k
                  k string | sum(t.n) bigint | sum(t.d) decimal(38,2) | avg(t.d) decimal(38,8) | sum(t.f) double | count(*) bigint
                  a | 3 | 3.38 | 1.12666667 | 0.1 | 3
                  b | 9007199254740993 | 0.49 | 0.24500000 | 2.5 | 2
                  null | 7 | null | null | inf | 1
                select sum(n), avg(n), avg(f), mean(d), min(f), max(d) from t where k is not null
                  sum(t.n) bigint | avg(t.n) decimal(38,6) | avg(t.f) double | avg(t.d) decimal(38,8) | min(t.f) double | max(t.d) decimal(18,2)
                  9007199254740996 | 2251799813685249.000000 | 0.65 | 0.77400000 | -1e300 | 2.05
                select sum(distinct n), sum(n), count(distinct k) from t
                  sum(DISTINCT t.n) bigint | sum(t.n) bigint | count(DISTINCT t.k) bigint
                  9007199254741003 | 9007199254741003 | 2
                select sum(n) + 1 as x, sum(d) - avg(d) from t
                  x bigint | sum(t.d) - avg(t.d) decimal(38,8)
                  9007199254741004 | 3.09600000
                select sum(cast(9223372036854775807 as bigint)) from t
                  failed: Overflow("sum(Int64(9223372036854775807))")
                select n, sum(d) over (order by n rows between 1 preceding and current row) as s from t
                  n bigint | s decimal(38,2)
                  0 | -0.01
                  1 | 0.99
                  2 | 3.05
                  7 | 2.05
                  9007199254740993 | 0.50
                  null | 0.83
                select k, sum(n) filter (where n > 1) from t group by k having sum(n) > 3
                  k string | sum(t.n) FILTER (WHERE t.n > Int64(1)) bigint
                  b | 9007199254740993
                  null | 7
                select sum(k) from t
                  refused: `sum` takes a number, not string [Type Some(1):Some(8); cast the argument first]
                select sum(n) from t where false
                  sum(t.n) bigint
                  null
                select sum(n + 1) as x, sum(d * 2), avg(n) over (partition by k) from t where n = 1 group by n, k
                  x bigint | sum(t.d * 2) decimal(38,2) | avg(t.n) PARTITION BY [t.k] ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING decimal(38,6)
                  2 | 2.00 | 1.000000
                select avg(d), sum(d) from t group by k having count(*) > 1
                  avg(t.d) decimal(38,8) | sum(t.d) decimal(38,2)
                  0.24500000 | 0.49
                  1.12666667 | 3.38
                select abs(k) from t
                  refused: `abs` takes a number, not string [Type Some(1):Some(8); cast it first]
                select min(k), max(f), bool_and(n > 0), string_agg(k, ',' order by k) from t where n < 9
                  min(t.k) string | max(t.f) double | bool_and(t.n > Int64(0)) boolean | string_agg(t.k,Utf8(",")) ORDER BY [t.k ASC NULLS LAST] string
                  a | inf | false | a,a,b
            "#]],
        );
    }

    #[test]
    fn moments_and_percentiles() {
        check(
            &[
                "select k, var_samp(n), stddev_pop(d), corr(d, n), regr_count(d, n) from t where n < 9 group by k",
                "select var(f), variance(d), stddev(distinct n), covar(n, d), regr_slope(d, n), regr_intercept(d, n), regr_r2(d, n) from t where n < 3",
                "select median(n), median(d), percentile_cont(0.9) within group (order by d desc), quantile_cont(n, 0.25), quantile(k, 0.5) from t",
                "select mode(k), mode() within group (order by n desc), any_value(k), arg_min(k, n), max_by(n, k) from t",
                "select bit_and(n), bit_or(n), bit_xor(n), bool_or(n > 1), avg(distinct n) from t where n < 9",
                "select k, sum(n), grouping(k), median(n) filter (where n > 1) from t where n < 9 group by grouping sets ((k), ())",
                "select n, var_samp(d) over (order by n rows between 1 preceding and current row) as v, median(n) over (order by n rows 1 preceding) as m from t",
                "select k, n, any_value(k) over (partition by n) as a from t where n < 3",
                "select var_samp(n), median(n), regr_count(n, d), mode(k), max_by(k, n) from t where false",
                "select (select regr_count(u.n, u.d) from t u where u.n = t.n + 100) as c from t where n = 1",
                "select median(k) from t",
                "select corr(n) from t",
                "select corr(n, k) from t",
                "select percentile_cont(n, 2) from t",
                "select percentile_cont(n, 'x') from t",
                "select percentile_cont(n, d) from t",
                "select percentile_disc(n, 0.1234567890123456789) from t",
                "select bit_and(k) from t",
                "select bool_and(n) from t",
                "select max_by(n) from t",
                "select approx_median(n) from t",
                "select approx_percentile_cont(n, 0.5) from t",
                "select approx_distinct(n) from t",
                "select n, max_by(k, n) over (order by n rows 1 preceding) as x from t where n < 3",
                "select k, percent_rank() over (order by k) as p, cume_dist() over (order by k) as c from t where n < 3",
                "select bit_and(n) over (order by n rows 1 preceding) from t",
            ],
            expect![[r#"
                select k, var_samp(n), stddev_pop(d), corr(d, n), regr_count(d, n) from t where n < 9 group by k
                  k string | var_samp(t.n) double | stddev_pop(t.d) double | corr(t.d,t.n) double | regr_count(t.d,t.n) bigint
                  a | 0.5 | 0.525 | 1.0 | 2
                  b | null | 0.0 | null | 1
                  null | null | null | null | 0
                select var(f), variance(d), stddev(distinct n), covar(n, d), regr_slope(d, n), regr_intercept(d, n), regr_r2(d, n) from t where n < 3
                  var_samp(t.f) double | var_samp(t.d) double | stddev_samp(DISTINCT t.n) double | covar_samp(t.n,t.d) double | regr_slope(t.d,t.n) double | regr_intercept(t.d,t.n) double | regr_r2(t.d,t.n) double
                  inf | 1.0610333333333333 | 1.0 | 1.03 | 1.03 | -0.016666666666666666 | 0.9998743363387892
                select median(n), median(d), percentile_cont(0.9) within group (order by d desc), quantile_cont(n, 0.25), quantile(k, 0.5) from t
                  median(t.n) decimal(38,6) | median(t.d) decimal(38,8) | percentile_cont(Decimal128(0.9,1,1)) WITHIN GROUP [t.d DESC NULLS LAST] decimal(38,8) | percentile_cont(t.n,Decimal128(0.25,2,2)) decimal(38,6) | percentile_disc(t.k,Decimal128(0.5,1,1)) string
                  2.000000 | 0.50000000 | 0.12600000 | 1.000000 | a
                select mode(k), mode() within group (order by n desc), any_value(k), arg_min(k, n), max_by(n, k) from t
                  mode(t.k) string | mode() WITHIN GROUP [t.n DESC NULLS LAST] bigint | any_value(t.k) string | min_by(t.k,t.n) string | max_by(t.n,t.k) bigint
                  a | 9007199254740993 | a | b | 0
                select bit_and(n), bit_or(n), bit_xor(n), bool_or(n > 1), avg(distinct n) from t where n < 9
                  bit_and(t.n) bigint | bit_or(t.n) bigint | bit_xor(t.n) bigint | bool_or(t.n > Int64(1)) boolean | avg(DISTINCT t.n) decimal(38,6)
                  0 | 7 | 4 | true | 2.500000
                select k, sum(n), grouping(k), median(n) filter (where n > 1) from t where n < 9 group by grouping sets ((k), ())
                  k string | sum(t.n) bigint | grouping(t.k) integer | median(t.n) FILTER (WHERE t.n > Int64(1)) decimal(38,6)
                  a | 3 | 0 | 2.000000
                  b | 0 | 0 | null
                  null | 10 | 1 | 4.500000
                  null | 7 | 0 | 7.000000
                select n, var_samp(d) over (order by n rows between 1 preceding and current row) as v, median(n) over (order by n rows 1 preceding) as m from t
                  n bigint | v double | m decimal(38,6)
                  0 | null | 0.000000
                  1 | 0.51005 | 0.500000
                  2 | 0.55125 | 1.500000
                  7 | null | 4.500000
                  9007199254740993 | null | 4503599627370500.000000
                  null | 0.01445 | 9007199254740993.000000
                select k, n, any_value(k) over (partition by n) as a from t where n < 3
                  k string | n bigint | a string
                  a | 1 | a
                  a | 2 | a
                  b | 0 | b
                select var_samp(n), median(n), regr_count(n, d), mode(k), max_by(k, n) from t where false
                  var_samp(t.n) double | median(t.n) decimal(38,6) | regr_count(t.n,t.d) bigint | mode(t.k) string | max_by(t.k,t.n) string
                  null | null | 0 | null | null
                select (select regr_count(u.n, u.d) from t u where u.n = t.n + 100) as c from t where n = 1
                  c bigint
                  0
                select median(k) from t
                  refused: `median` takes a number, not string [Type Some(1):Some(8); cast the argument first]
                select corr(n) from t
                  refused: `corr` takes 2 arguments, not 1 [Type Some(1):Some(8); cast the argument first]
                select corr(n, k) from t
                  refused: `corr` takes a number, not string [Type Some(1):Some(8); cast the argument first]
                select percentile_cont(n, 2) from t
                  failed: Refused { what: "the fraction of `percentile_cont` lies between 0 and 1", hint: "for example 0.9" }
                select percentile_cont(n, 'x') from t
                  refused: the fraction of `percentile_cont` is a number from 0 to 1, not string [Type Some(1):Some(8); cast the argument first]
                select percentile_cont(n, d) from t
                  failed: Refused { what: "the fraction of `percentile_cont` must be a literal", hint: "for example 0.9" }
                select percentile_disc(n, 0.1234567890123456789) from t
                  failed: Refused { what: "the fraction of `percentile_disc` has more than 18 decimal places", hint: "for example 0.9" }
                select bit_and(k) from t
                  refused: `bit_and` takes arguments of type integer, not string [Type Some(1):Some(8); cast the argument first]
                select bool_and(n) from t
                  refused: `bool_and` takes no arguments of type bigint [Type Some(1):Some(8); cast the argument first]
                select max_by(n) from t
                  refused: `max_by` takes 2 arguments, not 1 [Type Some(1):Some(8); cast the argument first]
                select approx_median(n) from t
                  approx_median(t.n) decimal(38,6)
                  2.000000
                select approx_percentile_cont(n, 0.5) from t
                  approx_percentile_cont(t.n,Decimal128(0.5,1,1)) decimal(38,6)
                  2.000000
                select approx_distinct(n) from t
                  approx_distinct(t.n) bigint
                  5
                select n, max_by(k, n) over (order by n rows 1 preceding) as x from t where n < 3
                  n bigint | x string
                  0 | b
                  1 | a
                  2 | a
                select k, percent_rank() over (order by k) as p, cume_dist() over (order by k) as c from t where n < 3
                  k string | p double | c double
                  a | 0.0 | 0.6666666666666666
                  a | 0.0 | 0.6666666666666666
                  b | 1.0 | 1.0
                select bit_and(n) over (order by n rows 1 preceding) from t
                  failed: Refused { what: "`bit_and` over a frame whose start moves", hint: "let the frame begin with the partition: rows between unbounded preceding and ..." }
            "#]],
        );
    }

    #[test]
    fn elementary_functions() {
        check(
            &[
                "select exp(n), ln(n + 1), sqrt(d), pow(n, 0.5), log(2, n + 1), log(d), sin(f), atan2(n, d), pi() from t where n in (1, 2)",
                "select sign(d), degrees(pi()) as d, radians(cast(180 as double)) as r, cbrt(-27), round(power(2, 10), 0) from t where n = 0",
                "select ln(n) from t",
                "select exp(f) from t where f > 1",
                "select n from t where n <> 0 and ln(n) > 0",
                "select coalesce(try_cast(k as double), sqrt(n)) as x from t where n = 2",
                "select ln(k) from t",
                "select power(n) from t",
                "select sqrt(null) as x from t where n = 1",
                "select pi(1) from t",
                "select ln(n - 1) + 1 from t where n = 1",
                "select gcd(n, 12), lcm(n, -12), factorial(n), isnan(f), iszero(n), nanvl(cast('NaN' as double), f) as v from t where n < 9",
                "select factorial(n) from t",
                "select gcd(d, 2) from t",
                "select lcm(n, 4611686018427387904) from t where n = 7",
            ],
            expect![[r#"
                select exp(n), ln(n + 1), sqrt(d), pow(n, 0.5), log(2, n + 1), log(d), sin(f), atan2(n, d), pi() from t where n in (1, 2)
                  exp(t.n) double | ln(karat_add(t.n, Int64(1))) double | sqrt(t.d) double | pow(t.n,Decimal128(0.5,1,1)) double | log(Int64(2),karat_add(t.n, Int64(1))) double | log(t.d) double | sin(t.f) double | atan2(t.n,t.d) double | pi() double
                  2.718281828459045 | 0.6931471805599453 | 1.0 | 1.0 | 1.0 | 0.0 | 0.09983341664682815 | 0.7853981633974483 | 3.141592653589793
                  7.38905609893065 | 1.0986122886681098 | 1.4317821063276353 | 1.4142135623730951 | 1.584962500721156 | 0.31175386105575426 | -0.8178819121159085 | 0.7730531115532239 | 3.141592653589793
                select sign(d), degrees(pi()) as d, radians(cast(180 as double)) as r, cbrt(-27), round(power(2, 10), 0) from t where n = 0
                  sign(t.d) double | d double | r double | cbrt(Int64(-27)) double | round(karat_power(Int64(2), Int64(10)) AS power(Int64(2),Int64(10)),Int64(0)) double
                  -1.0 | 180.0 | 3.141592653589793 | -3.0 | 1024.0
                select ln(n) from t
                  failed: Domain("ln(t.n)")
                select exp(f) from t where f > 1
                  failed: Overflow("exp(t.f)")
                select n from t where n <> 0 and ln(n) > 0
                  n bigint
                  2
                  7
                  9007199254740993
                select coalesce(try_cast(k as double), sqrt(n)) as x from t where n = 2
                  x double
                  1.4142135623730951
                select ln(k) from t
                  refused: `ln` takes a number, not string [Type Some(1):Some(8); cast it first]
                select power(n) from t
                  refused: `power` takes 2 arguments, not 1 [Type Some(1):Some(8); ]
                select sqrt(null) as x from t where n = 1
                  x double
                  null
                select pi(1) from t
                  refused: `pi` takes no argument, not 1 [Type Some(1):Some(8); ]
                select ln(n - 1) + 1 from t where n = 1
                  failed: Domain("ln(t.n - 1)")
                select gcd(n, 12), lcm(n, -12), factorial(n), isnan(f), iszero(n), nanvl(cast('NaN' as double), f) as v from t where n < 9
                  gcd(t.n,Int64(12)) bigint | lcm(t.n,Int64(-12)) bigint | factorial(t.n) bigint | isnan(t.f) boolean | iszero(t.n) boolean | v double
                  1 | 12 | 1 | false | false | 0.1
                  1 | 84 | 5040 | false | false | inf
                  12 | 0 | 1 | false | true | 2.5
                  2 | 12 | 2 | false | false | 1e300
                select factorial(n) from t
                  failed: Overflow("factorial(t.n)")
                select gcd(d, 2) from t
                  refused: `gcd` takes whole numbers, not decimal(18,2) [Type Some(1):Some(8); cast to bigint first]
                select lcm(n, 4611686018427387904) from t where n = 7
                  failed: Overflow("lcm(t.n, 4611686018427387904)")
            "#]],
        );
    }

    #[test]
    fn expressions() {
        check(
            &[
                "select n + 1, -n, d / 3 from t where n < 3 and n > 0",
                "select d / n from t",
                "select cast(k as int) from t",
                "select n from t where f = 0.1",
                "select n from t where n = cast(9007199254740992 as double)",
                "select case when false then cast('x' as int) else n end as x from t where n = 1",
                "select a.n from t a join t b on a.n = b.f",
                "select a.n from t a join t b using (n) where a.n = 1",
                "select n from t where n in (1, 2.0, cast(7 as double))",
                "select 1 + 2 * 3 as x, (1 + 2) * 3 as y, cast(1 + 2 as decimal(5, 1)) z",
                "select k, 1 as x from t where n = 7 union all select 'x', 2.5 from t where n = 7",
                "select n from t order by n limit 2",
                "select date '2024-01-31' + interval '1 month' as d, current_date as today",
                "select try_cast(k as int) as x from t where n = 1",
                "select n from t where (select max(n) from t) = n",
                "select * from t where exists (select 1 from t u where u.n = t.n + 1) and n = 1",
                "select cast(n as decimal(38, 0)) * cast(n as decimal(38, 0)) * 1.5 as x from t where n = 2",
                "select random() from t",
                "select nn from t",
                "select n from tt",
                "select n from a.tt",
                "select n from",
                "select n from t where k > 1",
                "select row_number() over (order by n) as r, first_value(n) over (order by n) as f, lag(n) over (order by n) as l from t where n < 3",
                "select coalesce(n, 1 / n) from t where n is null",
                "select extract(year from date '2024-02-29') as y",
                "select make_date(2024, 13, 1) from t",
                "select make_date(2024, cast(n as int), 1) as d, regexp_like(k, '^a') as r, substr(k, 1, 1) as s, lpad(k, 3, '.') as p from t where n = 2",
                "select regexp_match(k, '(') from t",
                "select array_length(make_array(1, 2, n)) as l, [1, n][2] as e, array_to_string(string_to_array('a b', ' '), '+') as s from t where n = 1",
                "select n from t where n <> 0 and 100 / n > 20",
                "select n from t where 100 / n > 20 and n <> 0",
                "select n from t where 100 / n > 20 or n = 0",
                "select n from t where 100 / n > 20",
                "select n from (select * from t where n <> 0) where 100 / n > 20",
                "select n from (select n, 100 / n as q from t) where q > 20 and n <> 0",
                "with a as (select n, k from t where n <> 0), b as (select n from a where 100 / n > 20 and k is not null) select n from b where 10 / (n - 2) < 0 and n <> 2",
                "select n from t where 100 / n > 20 and cast(k as int) = 1 and n < 5",
                "select n from t where n in (select n from t) and 100 / n > 20 and n > 0",
                "select a.n from t a join t b on a.n = b.n and b.n <> 0 and 10 / a.n > 2",
                "select n > 0 and 100 / n > 20 as x, case when n = 0 or 1 / n > 5 then 'yes' end as y from t",
                "select sum(case when n <> 0 and 100 / n > 20 then 1 else 0 end) as x from t",
            ],
            expect![[r#"
                select n + 1, -n, d / 3 from t where n < 3 and n > 0
                  t.n + 1 bigint | (- t.n) bigint | t.d / 3 decimal(38,8)
                  2 | -1 | 0.33333333
                  3 | -2 | 0.68333333
                select d / n from t
                  failed: DivideByZero("t.d / t.n")
                select cast(k as int) from t
                  failed: NotA { what: "number that fits", expression: "cast(t.k as integer)" }
                select n from t where f = 0.1
                  n bigint
                select n from t where n = cast(9007199254740992 as double)
                  n bigint
                select case when false then cast('x' as int) else n end as x from t where n = 1
                  x bigint
                  1
                select a.n from t a join t b on a.n = b.f
                  n bigint
                select a.n from t a join t b using (n) where a.n = 1
                  n bigint
                  1
                select n from t where n in (1, 2.0, cast(7 as double))
                  n bigint
                  1
                  2
                  7
                select 1 + 2 * 3 as x, (1 + 2) * 3 as y, cast(1 + 2 as decimal(5, 1)) z
                  x bigint | y bigint | z decimal(5,1)
                  7 | 9 | 3.0
                select k, 1 as x from t where n = 7 union all select 'x', 2.5 from t where n = 7
                  k string | x decimal(21,1)
                  null | 1.0
                  x | 2.5
                select n from t order by n limit 2
                  n bigint
                  0
                  1
                select date '2024-01-31' + interval '1 month' as d, current_date as today
                  d date | today date
                  2024-02-29 | 2023-11-14
                select try_cast(k as int) as x from t where n = 1
                  x integer
                  null
                select n from t where (select max(n) from t) = n
                  n bigint
                  9007199254740993
                select * from t where exists (select 1 from t u where u.n = t.n + 1) and n = 1
                  k string | n bigint | d decimal(18,2) | f double
                  a | 1 | 1.00 | 0.1
                select cast(n as decimal(38, 0)) * cast(n as decimal(38, 0)) * 1.5 as x from t where n = 2
                  x decimal(38,1)
                  6.0
                select random() from t
                  refused: `random` has no single answer [Refused Some(1):Some(8); take a value from a column, or uuid_from(...) of a key]
                select nn from t
                  refused: no column `nn` [Name Some(1):Some(8); did you mean `n`?]
                select n from tt
                  refused: no table `tt` [Name Some(1):Some(15); ]
                select n from a.tt
                  refused: no table `a.tt` [Name Some(1):Some(15); ]
                select n from
                  refused: Expected: identifier, found: EOF [Syntax None:None; ]
                select n from t where k > 1
                  failed: NotA { what: "number that fits", expression: "cast(t.k as bigint)" }
                select row_number() over (order by n) as r, first_value(n) over (order by n) as f, lag(n) over (order by n) as l from t where n < 3
                  r bigint | f bigint | l bigint
                  1 | 0 | null
                  2 | 0 | 0
                  3 | 0 | 1
                select coalesce(n, 1 / n) from t where n is null
                  coalesce(t.n,1 / t.n) decimal(38,6)
                  null
                select extract(year from date '2024-02-29') as y
                  y integer
                  2024
                select make_date(2024, 13, 1) from t
                  failed: Domain("make_date")
                select make_date(2024, cast(n as int), 1) as d, regexp_like(k, '^a') as r, substr(k, 1, 1) as s, lpad(k, 3, '.') as p from t where n = 2
                  d date | r boolean | s string | p string
                  2024-02-01 | true | a | ..a
                select regexp_match(k, '(') from t
                  failed: Domain("regexp_match")
                select array_length(make_array(1, 2, n)) as l, [1, n][2] as e, array_to_string(string_to_array('a b', ' '), '+') as s from t where n = 1
                  l bigint | e bigint | s string
                  3 | 1 | a+b
                select n from t where n <> 0 and 100 / n > 20
                  n bigint
                  1
                  2
                select n from t where 100 / n > 20 and n <> 0
                  n bigint
                  1
                  2
                select n from t where 100 / n > 20 or n = 0
                  n bigint
                  0
                  1
                  2
                select n from t where 100 / n > 20
                  failed: DivideByZero("100 / t.n")
                select n from (select * from t where n <> 0) where 100 / n > 20
                  n bigint
                  1
                  2
                select n from (select n, 100 / n as q from t) where q > 20 and n <> 0
                  n bigint
                  1
                  2
                with a as (select n, k from t where n <> 0), b as (select n from a where 100 / n > 20 and k is not null) select n from b where 10 / (n - 2) < 0 and n <> 2
                  n bigint
                  1
                select n from t where 100 / n > 20 and cast(k as int) = 1 and n < 5
                  failed: NotA { what: "number that fits", expression: "cast(t.k as integer)" }
                select n from t where n in (select n from t) and 100 / n > 20 and n > 0
                  n bigint
                  1
                  2
                select a.n from t a join t b on a.n = b.n and b.n <> 0 and 10 / a.n > 2
                  n bigint
                  1
                  2
                select n > 0 and 100 / n > 20 as x, case when n = 0 or 1 / n > 5 then 'yes' end as y from t
                  x boolean | y string
                  false | null
                  false | null
                  false | yes
                  null | null
                  true | null
                  true | null
                select sum(case when n <> 0 and 100 / n > 20 then 1 else 0 end) as x from t
                  x bigint
                  2
            "#]],
        );
    }

    /// What the example projects ask.
    #[test]
    fn models() {
        check(
            &[
                "with e as (select k, d as amount, date '2024-01-15' + n as entry_date from t where n < 100) \
                 select month, amount, sum(amount) over (order by month rows between unbounded preceding and current row) as running \
                 from (select date_trunc('month', entry_date) as month, sum(amount) as amount from e group by date_trunc('month', entry_date)) as monthly",
                "with e as (select k, d as amount, date '2024-01-15' + n as entry_date from t where n < 100) \
                 select o.k as organization, extract(year from e.entry_date) as year, count(*) as entries, sum(e.amount) as amount, avg(e.amount) as mean \
                 from e join t o on o.k = e.k group by o.k, extract(year from e.entry_date)",
                "select i.n, i.d, l.total from t i join (select n, sum(d * n) as total from t group by n) l on l.n = i.n where i.d <> l.total",
                "select b.k, b.d / r.d as balance_eur from t b join t r on r.n = b.n and r.k = b.k where b.n = 2",
                "select n, 'EUR' as c, cast(1 as decimal(18, 6)) as rate from t where n = 1 union all select n, 'USD' as c, d as rate from t where d is not null and n = 2",
                "select k, count(*) over (partition by k) as c, rank() over (partition by k order by n) as r from t where n is not null",
                "select distinct n / 2 as h from t where n < 9 order by h desc",
                "select n % 2 as odd, sum(d) as s from t where n < 9 group by n % 2 having sum(d) > 0 order by s / 3",
                "select round(f, 0) as r, round(d, 1) as s, div(n, 2) as h, -d as m from t where n = 2",
            ],
            expect![[r#"
                with e as (select k, d as amount, date '2024-01-15' + n as entry_date from t where n < 100) select month, amount, sum(amount) over (order by month rows between unbounded preceding and current row) as running from (select date_trunc('month', entry_date) as month, sum(amount) as amount from e group by date_trunc('month', entry_date)) as monthly
                  month date | amount decimal(38,2) | running decimal(38,2)
                  2024-01-01 | 3.04 | 3.04
                with e as (select k, d as amount, date '2024-01-15' + n as entry_date from t where n < 100) select o.k as organization, extract(year from e.entry_date) as year, count(*) as entries, sum(e.amount) as amount, avg(e.amount) as mean from e join t o on o.k = e.k group by o.k, extract(year from e.entry_date)
                  organization string | year integer | entries bigint | amount decimal(38,2) | mean decimal(38,8)
                  a | 2024 | 6 | 9.15 | 1.52500000
                  b | 2024 | 2 | -0.02 | -0.01000000
                select i.n, i.d, l.total from t i join (select n, sum(d * n) as total from t group by n) l on l.n = i.n where i.d <> l.total
                  n bigint | d decimal(18,2) | total decimal(38,2)
                  0 | -0.01 | 0.00
                  2 | 2.05 | 4.10
                  9007199254740993 | 0.50 | 4503599627370496.50
                select b.k, b.d / r.d as balance_eur from t b join t r on r.n = b.n and r.k = b.k where b.n = 2
                  k string | balance_eur decimal(38,8)
                  a | 1.00000000
                select n, 'EUR' as c, cast(1 as decimal(18, 6)) as rate from t where n = 1 union all select n, 'USD' as c, d as rate from t where d is not null and n = 2
                  n bigint | c string | rate decimal(22,6)
                  1 | EUR | 1.000000
                  2 | USD | 2.050000
                select k, count(*) over (partition by k) as c, rank() over (partition by k order by n) as r from t where n is not null
                  k string | c bigint | r bigint
                  a | 2 | 1
                  a | 2 | 2
                  b | 2 | 1
                  b | 2 | 2
                  null | 1 | 1
                select distinct n / 2 as h from t where n < 9 order by h desc
                  h decimal(38,6)
                  0.000000
                  0.500000
                  1.000000
                  3.500000
                select n % 2 as odd, sum(d) as s from t where n < 9 group by n % 2 having sum(d) > 0 order by s / 3
                  odd bigint | s decimal(38,2)
                  0 | 2.04
                  1 | 1.00
                select round(f, 0) as r, round(d, 1) as s, div(n, 2) as h, -d as m from t where n = 2
                  r double | s decimal(18,1) | h bigint | m decimal(18,2)
                  1e300 | 2.0 | 1 | -2.05
            "#]],
        );
    }

    #[test]
    fn a_new_datafusion_shows_its_new_rules() {
        let names = [
            Analyzer::new()
                .rules
                .iter()
                .map(|r| r.name().to_string())
                .collect::<Vec<_>>()
                .join(" "),
            Optimizer::new()
                .rules
                .iter()
                .map(|r| r.name().to_string())
                .collect::<Vec<_>>()
                .join(" "),
            PhysicalOptimizer::new()
                .rules
                .iter()
                .map(|r| r.name().to_string())
                .collect::<Vec<_>>()
                .join(" "),
        ];
        expect![[r#"
            resolve_grouping_function type_coercion
            rewrite_set_comparison optimize_unions unions_to_filter simplify_expressions replace_distinct_aggregate eliminate_join decorrelate_predicate_subquery scalar_subquery_to_join decorrelate_lateral_join extract_equijoin_predicate eliminate_duplicated_expr eliminate_filter eliminate_cross_join eliminate_limit propagate_empty_relation filter_null_join_keys eliminate_outer_join push_down_limit push_down_filter single_distinct_aggregation_to_group_by eliminate_group_by_constant common_sub_expression_eliminate extract_leaf_expressions push_down_leaf_projections optimize_projections
            OutputRequirements aggregate_statistics join_selection LimitedDistinctAggregation FilterPushdown WindowTopN EnsureRequirements CombinePartialFinalAggregate OptimizeAggregateOrder ProjectionPushdown OutputRequirements LimitAggregation LimitPushPastWindows HashJoinBuffering LimitPushdown TopKRepartition ProjectionPushdown PushdownSort EnsureCooperative FilterPushdown(Post) SanityCheckPlan"#]].assert_eq(&names.join("\n"));
        for left_out in LEFT_OUT {
            assert!(
                names.iter().any(|list| list
                    .to_lowercase()
                    .split(' ')
                    .any(|name| name == left_out.to_lowercase())),
                "{left_out} is gone"
            );
        }
    }

    #[test]
    fn the_functions_of_sql() {
        let settings = Settings {
            rounding: Rounding::default(),
            timezone: chrono_tz::Tz::UTC,
            logical_time_us: 0,
        };
        let names: Vec<String> = Registry::new(&settings).names().into_iter().collect();
        expect!["abs acos acosh any_match any_value approx_count_distinct approx_distinct approx_median approx_percentile_cont arg_max arg_min array_add array_agg array_any_match array_any_value array_append array_avg array_cat array_compact array_concat array_contains array_dims array_distance array_distinct array_element array_empty array_except array_extract array_filter array_first array_has array_has_all array_has_any array_indexof array_intersect array_join array_length array_max array_min array_ndims array_normalize array_pop_back array_pop_front array_position array_positions array_prepend array_product array_push_back array_push_front array_remove array_remove_all array_remove_n array_repeat array_replace array_replace_all array_replace_n array_resize array_reverse array_scale array_slice array_sort array_subtract array_sum array_to_string array_transform array_union arrays_overlap arrays_zip arrow_cast arrow_try_cast arrow_typeof ascii asin asinh at_time_zone atan atan2 atanh avg bit_and bit_length bit_or bit_xor bool_and bool_or btrim cardinality cast_to_type cbrt ceil ceiling char_length character_length chr coalesce concat concat_ws contains corr cos cosh cosine_distance cot count covar covar_pop covar_samp cume_dist current_date current_time current_timestamp date_bin date_format date_part date_trunc datepart datetrunc decimal_from_double decode degrees dense_rank digest div dot_product element_at empty encode ends_with exp factorial find_in_set first_value flatten floor from_unixtime gcd generate_series get_field greatest grouping ifnull initcap inner_product instr isnan iszero lag last_value lcm lead least left length levenshtein list_add list_any_match list_any_value list_append list_avg list_cat list_compact list_concat list_contains list_cosine_distance list_dims list_distance list_distinct list_dot_product list_element list_empty list_except list_extract list_filter list_first list_has list_has_all list_has_any list_indexof list_inner_product list_intersect list_join list_length list_max list_ndims list_normalize list_pop_back list_pop_front list_position list_positions list_prepend list_product list_push_back list_push_front list_remove list_remove_all list_remove_n list_repeat list_replace list_replace_all list_replace_n list_resize list_reverse list_scale list_slice list_sort list_subtract list_sum list_to_string list_transform list_union list_zip ln log log10 log2 lower lpad ltrim make_array make_date make_list make_time map map_entries map_extract map_keys map_values max max_by md5 mean median min min_by mode named_struct nanvl now nth_value ntile nullif nvl nvl2 octet_length overlay percent_rank percentile_cont percentile_disc pi position pow power quantile quantile_cont quantile_disc radians range rank regexp_count regexp_instr regexp_like regexp_match regexp_replace regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy regr_syy repeat replace reverse right round row row_number rpad rtrim sha224 sha256 sha384 sha512 sign signum sin sinh split_part sqrt starts_with stddev stddev_pop stddev_samp string_agg string_to_array string_to_list strpos struct substr substr_index substring substring_index sum tan tanh to_char to_date to_hex to_local_time to_time to_timestamp to_timestamp_micros to_timestamp_millis to_timestamp_nanos to_timestamp_seconds to_unixtime today translate trim trunc truncate try_cast_to_type upper uuid_from var var_pop var_population var_samp var_sample variance"].assert_eq(&names.join(" "));
    }
}
