//! Which expression failed: every expression of a query that can fail has a number in text order, and an error is carried as that
//! number with its reason, so that the first is the least, whatever rows come first (rule E5).

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use arrow::array::{Array, ArrayRef, AsArray, Int32Array};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Int32Type;
use datafusion::common::Result;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::logical_expr::{Expr, LogicalPlan, Operator};
use datafusion::sql::sqlparser::ast::{self, Spanned, Visitor};

use crate::checked::{Checked, Operation, sql_text};
use crate::conversion::NUMBER;
use crate::error::ExactError;
use crate::numbers::Why;
use crate::planning::place_of;
use crate::rows::can_fail;
use crate::walks::{self, Walk, WalkPlan};

/// No error.
const FINE: i32 = i32::MAX;
/// The key of `not in` is unknown for a row: less than no error and more than any.
pub(crate) const UNKNOWN: i32 = i32::MAX - 1;
/// Reasons an expression has room for.
pub(crate) const REASONS: i32 = 16;
/// The reason of a scalar subquery that gives several rows.
const MANY_ROWS: i32 = 4;
/// What a text is not, by its reason.
const NOT_A: [(i32, &str); 5] = [
    (5, "boolean"),
    (6, "date"),
    (7, "time"),
    (8, "timestamp"),
    (9, NUMBER),
];

/// The code of an expression that failed for a reason; `code` is that of [`Failures::code`].
pub(crate) fn code_of(code: i32, why: Why) -> i32 {
    code + match why {
        Why::DivideByZero => 0,
        Why::Overflow => 1,
        Why::Conversion => 2,
        Why::Domain => 3,
        Why::ManyRows => MANY_ROWS,
        Why::NotA(what) => {
            let known = NOT_A.iter().find(|(_, word)| *word == what);
            known.map_or(2, |(reason, _)| *reason)
        }
    }
}

/// The reason that is part of a code.
fn why_of(code: i32) -> Why {
    let reason = code % REASONS;
    match NOT_A.iter().find(|(known, _)| *known == reason) {
        Some((_, what)) => Why::NotA(what),
        None => match reason {
            0 => Why::DivideByZero,
            1 => Why::Overflow,
            2 => Why::Conversion,
            MANY_ROWS => Why::ManyRows,
            _ => Why::Domain,
        },
    }
}

/// What each row of a batch failed with.
#[derive(Clone, Debug)]
pub(crate) struct Failed(Vec<i32>);

impl Failed {
    pub(crate) fn none(rows: usize) -> Failed {
        Failed(vec![FINE; rows])
    }

    pub(crate) fn all(rows: usize, code: i32) -> Failed {
        Failed(vec![code; rows])
    }

    pub(crate) fn set(&mut self, row: usize, code: i32) {
        if let Some(slot) = self.0.get_mut(row) {
            *slot = code;
        }
    }

    /// The codes that a column carries; None if it carries none.
    pub(crate) fn carried(column: &ArrayRef) -> Result<Option<Failed>, ExactError> {
        let Some(codes) = column.as_primitive_opt::<Int32Type>() else {
            let what = format!("error codes of type {}", column.data_type());
            return Err(ExactError::Internal(what));
        };
        if codes.null_count() == codes.len() {
            return Ok(None);
        }
        Ok(Some(Failed(
            codes.iter().map(|code| code.unwrap_or(FINE)).collect(),
        )))
    }

    /// As a column: null where nothing failed.
    pub(crate) fn column(&self) -> Int32Array {
        let code = |code: &i32| (*code != FINE).then_some(*code);
        self.0.iter().map(code).collect()
    }

    /// Why a row of an expression failed; None if it did not.
    pub(crate) fn error(&self, row: usize, expression: &str) -> Option<ExactError> {
        let code = self.0.get(row).filter(|code| **code != FINE)?;
        Some(why_of(*code).error(expression))
    }

    pub(crate) fn mask(&self) -> BooleanBuffer {
        BooleanBuffer::collect_bool(self.0.len(), |row| self.0[row] != FINE)
    }

    /// The first of both in text order, row by row.
    pub(crate) fn union(of: [Option<Failed>; 2]) -> Option<Failed> {
        match of {
            [Some(mut a), Some(b)] => {
                for (a, b) in a.0.iter_mut().zip(b.0) {
                    *a = (*a).min(b);
                }
                Some(a)
            }
            [one, other] => one.or(other),
        }
    }

    /// The codes of the rows of the mask alone; None if there are none.
    pub(crate) fn only(mut self, mask: &BooleanBuffer) -> Option<Failed> {
        let mut any = false;
        for (row, code) in self.0.iter_mut().enumerate() {
            if !mask.value(row) {
                *code = FINE;
            }
            any |= *code != FINE;
        }
        any.then_some(self)
    }
}

/// An expression that can fail, as its author wrote it.
#[derive(Clone, Debug)]
struct Failing {
    text: String,
    /// Line and column.
    at: Option<(u64, u64)>,
}

/// The expressions of a query that can fail, in text order.
#[derive(Debug, Default)]
pub(crate) struct Failures {
    list: Vec<Failing>,
    /// Numbers in the list by the plan's text of the expression.
    numbers: BTreeMap<String, usize>,
}

impl Failures {
    /// The expressions of a plan that can fail, where the text has them.
    pub(crate) fn of(
        plan: &LogicalPlan,
        sql: &str,
        statement: &ast::Statement,
    ) -> Result<Failures> {
        let mut written = Written {
            lines: sql.lines().map(|line| line.chars().collect()).collect(),
            ..Written::default()
        };
        walks::read(statement, &mut written);
        let mut found: BTreeMap<String, Failing> = BTreeMap::new();
        plan.walk_with_subqueries(|node| {
            node.see_expressions(|expr| {
                expr.walk(|e| {
                    if may_fail(e) {
                        found
                            .entry(sql_text(e))
                            .or_insert_with(|| written.failing(e));
                    }
                    Ok(TreeNodeRecursion::Continue)
                })
            })
        })?;
        let mut ordered: Vec<(String, Failing)> = found.into_iter().collect();
        ordered.sort_by(|(a, x), (b, y)| {
            let key = |text: &String, failing: &Failing| {
                let at = failing.at.unwrap_or((u64::MAX, u64::MAX));
                (at, text.len(), text.clone())
            };
            key(a, x).cmp(&key(b, y))
        });
        let numbers = ordered.iter().enumerate();
        let numbers = numbers.map(|(number, (text, _))| (text.clone(), number));
        Ok(Failures {
            numbers: numbers.collect(),
            list: ordered.into_iter().map(|(_, failing)| failing).collect(),
        })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// The code of an expression, to which its reason is added; 0 if it is none of the list.
    pub(crate) fn code(&self, expr: &Expr) -> i32 {
        let number = self.numbers.get(&sql_text(expr)).copied();
        number.map_or(0, |number| code_at(number + 1))
    }

    /// The code of a scalar subquery that gives more than one row.
    pub(crate) fn many_rows(&self) -> i32 {
        code_at(self.list.len() + 1) + MANY_ROWS
    }

    /// The error that a code stands for.
    pub(crate) fn error(&self, code: i32) -> ExactError {
        let reason = code % REASONS;
        if reason == MANY_ROWS {
            return ExactError::ManyRows;
        }
        let number = usize::try_from(code / REASONS).ok();
        let failing = number.and_then(|n| self.list.get(n.checked_sub(1)?));
        let Some(failing) = failing else {
            return ExactError::failed_in("an expression");
        };
        let error = why_of(code).error(&failing.text);
        match failing.at {
            Some((line, column)) => ExactError::At {
                error: Box::new(error),
                line,
                column,
            },
            None => error,
        }
    }
}

fn code_at(number: usize) -> i32 {
    let number = i32::try_from(number).unwrap_or(i32::MAX);
    number.saturating_mul(REASONS).min(UNKNOWN - REASONS)
}

/// Whether the expression itself, and not only a part of it, may fail.
fn may_fail(expr: &Expr) -> bool {
    match expr {
        Expr::ScalarFunction(call) => {
            let alone = Expr::ScalarFunction(datafusion::logical_expr::expr::ScalarFunction {
                func: call.func.clone(),
                args: Vec::new(),
            });
            can_fail(&alone)
        }
        Expr::HigherOrderFunction(_) => true,
        Expr::AggregateFunction(call) => crate::total::aggregate_can_fail(call.func.name()),
        Expr::WindowFunction(call) => crate::total::aggregate_can_fail(call.fun.name()),
        _ => false,
    }
}

/// The expressions of a text by what they compute, without spaces and brackets, with their qualifiers and without.
#[derive(Default)]
struct Written {
    found: BTreeMap<String, Failing>,
    /// The same by their text alone, in text order.
    squeezed: Vec<(String, Failing)>,
    lines: Vec<Vec<char>>,
}

impl Visitor for Written {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &ast::Expr) -> ControlFlow<()> {
        // These fail by their parts alone, and come in long chains.
        if let ast::Expr::BinaryOp { op, .. } = expr
            && matches!(op, ast::BinaryOperator::And | ast::BinaryOperator::Or)
        {
            return ControlFlow::Continue(());
        }
        let failing = Failing {
            text: written(expr),
            at: self.start(expr),
        };
        self.squeezed
            .push((squeezed(&failing.text), failing.clone()));
        for full in [true, false] {
            let slot = self.found.entry(key_of_text(expr, full));
            let slot = slot.or_insert_with(|| failing.clone());
            if failing.at < slot.at {
                *slot = failing.clone();
            }
        }
        ControlFlow::Continue(())
    }
}

impl Written {
    /// Where an expression begins.
    fn start(&self, expr: &ast::Expr) -> Option<(u64, u64)> {
        let word = match expr {
            ast::Expr::Nested(inner) => return self.start(inner),
            ast::Expr::BinaryOp { left, .. } => return self.start(left),
            ast::Expr::UnaryOp {
                op: ast::UnaryOperator::Minus,
                expr,
            } => {
                let at = self.start(expr)?;
                return Some(self.before(at, "-").unwrap_or(at));
            }
            ast::Expr::Cast {
                kind: ast::CastKind::Cast,
                ..
            } => Some("cast".to_owned()),
            ast::Expr::TypedString(text) => Some(text.data_type.to_string().to_lowercase()),
            _ => None,
        };
        let start = expr.span().start;
        let at = (start.line > 0).then_some((start.line, start.column))?;
        Some(word.and_then(|word| self.before(at, &word)).unwrap_or(at))
    }

    /// Where a word stands before a place, with nothing but brackets and spaces between them: the parser knows the place of a cast's
    /// operand, not of the cast.
    fn before(&self, (line, column): (u64, u64), word: &str) -> Option<(u64, u64)> {
        let at = usize::try_from(line).ok()?.checked_sub(1)?;
        let text = self.lines.get(at)?;
        let mut end = usize::try_from(column).ok()?.checked_sub(1)?;
        while end > 0 && matches!(text.get(end - 1), Some('(' | ' ' | '\t')) {
            end -= 1;
        }
        let start = end.checked_sub(word.chars().count())?;
        let found: String = text.get(start..end)?.iter().collect();
        (found.to_lowercase() == word).then_some((line, start as u64 + 1))
    }

    fn failing(&self, expr: &Expr) -> Failing {
        let found = |expr: &Expr| {
            let full = self.found.get(&key_of_plan(expr, true));
            full.or_else(|| self.found.get(&key_of_plan(expr, false)))
        };
        if let Some(found) = found(expr) {
            return found.clone();
        }
        // A conversion that nobody wrote stands where its operand does.
        let operand = match expr {
            Expr::ScalarFunction(call) => call.args.iter().find_map(|arg| found(arg)?.at),
            _ => None,
        };
        let text = match expr {
            Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<Checked>(),
            _ => None,
        };
        let text = text.and_then(Checked::text);
        let text = text.map_or_else(|| sql_text(expr), str::to_owned);
        let same = squeezed(&text);
        if let Some((_, found)) = self.squeezed.iter().find(|(key, _)| *key == same) {
            return found.clone();
        }
        Failing {
            text,
            at: operand.or_else(|| place_of(expr)),
        }
    }
}

/// A text without spaces, brackets, qualifiers and case.
fn squeezed(text: &str) -> String {
    let letter = |c: char| c.is_alphanumeric() || c == '_';
    let mut out = String::with_capacity(text.len());
    let mut word = 0;
    for c in text.chars() {
        let qualifier =
            c == '.' && out[word..].starts_with(|c: char| c.is_alphabetic() || c == '_');
        if qualifier {
            out.truncate(word);
        } else if !c.is_whitespace() && !"()".contains(c) {
            out.extend(c.to_lowercase());
        }
        if !letter(c) {
            word = out.len();
        }
    }
    out
}

fn listed(name: &str, parts: impl Iterator<Item = String>) -> String {
    format!("{name}({})", parts.collect::<Vec<_>>().join(","))
}

/// The expression as its author would write it.
fn written(expr: &ast::Expr) -> String {
    match expr {
        ast::Expr::Nested(inner) => written(inner),
        ast::Expr::BinaryOp { left, op, right } => {
            format!("{} {op} {}", operand(left), operand(right))
        }
        ast::Expr::UnaryOp {
            op: ast::UnaryOperator::Minus,
            expr,
        } => format!("-{}", operand(expr)),
        ast::Expr::Cast {
            kind: ast::CastKind::Cast,
            expr,
            data_type,
            ..
        } => format!(
            "cast({} as {})",
            written(expr),
            data_type.to_string().to_lowercase()
        ),
        ast::Expr::TypedString(text) => {
            let data_type = text.data_type.to_string().to_lowercase();
            format!("{data_type} {}", text.value)
        }
        ast::Expr::Function(call) if call.over.is_none() && call.filter.is_none() => {
            match &call.args {
                ast::FunctionArguments::List(list) if list.clauses.is_empty() => {
                    let args = list.args.iter().map(|arg| match arg {
                        ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => {
                            written(expr)
                        }
                        other => other.to_string(),
                    });
                    let distinct = match list.duplicate_treatment {
                        Some(ast::DuplicateTreatment::Distinct) => "distinct ",
                        _ => "",
                    };
                    let args = args.collect::<Vec<_>>().join(", ");
                    format!("{}({distinct}{args})", call.name)
                }
                _ => expr.to_string(),
            }
        }
        other => other.to_string(),
    }
}

fn operand(expr: &ast::Expr) -> String {
    match expr {
        ast::Expr::Nested(inner) => format!("({})", written(inner)),
        expr => written(expr),
    }
}

/// `coalesce`, which stands in the plan as the CASE that it means.
fn first_known(mut args: Vec<String>) -> String {
    let last = args.pop().unwrap_or_default();
    let arms = args
        .into_iter()
        .flat_map(|arg| [format!("some({arg})"), arg]);
    listed("case", arms.chain([last]))
}

fn key_of_text(expr: &ast::Expr, full: bool) -> String {
    match expr {
        ast::Expr::Nested(inner) => key_of_text(inner, full),
        ast::Expr::Identifier(name) => name.value.to_lowercase(),
        ast::Expr::CompoundIdentifier(names) if full => {
            let names = names.iter().map(|name| name.value.to_lowercase());
            names.collect::<Vec<_>>().join(".")
        }
        ast::Expr::CompoundIdentifier(names) => names
            .last()
            .map_or_else(String::new, |name| name.value.to_lowercase()),
        ast::Expr::Value(value) => match &value.value {
            ast::Value::SingleQuotedString(text) => format!("'{text}'"),
            other => other.to_string().to_lowercase(),
        },
        ast::Expr::UnaryOp {
            op: ast::UnaryOperator::Minus,
            expr,
        } => format!("-{}", key_of_text(expr, full)),
        ast::Expr::BinaryOp { left, op, right } => {
            format!(
                "({}{op}{})",
                key_of_text(left, full),
                key_of_text(right, full)
            )
        }
        ast::Expr::TypedString(text) => {
            let value = text.value.to_string();
            listed("cast", std::iter::once(value))
        }
        ast::Expr::Cast { expr, .. } => listed("cast", std::iter::once(key_of_text(expr, full))),
        ast::Expr::Function(call) => {
            let name = call.name.to_string().to_lowercase();
            let ast::FunctionArguments::List(list) = &call.args else {
                return listed(&name, std::iter::empty());
            };
            let args = list.args.iter().map(|arg| match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => {
                    key_of_text(expr, full)
                }
                other => other.to_string(),
            });
            if matches!(name.as_str(), "coalesce" | "nvl" | "ifnull") {
                return first_known(args.collect());
            }
            listed(&name, args)
        }
        ast::Expr::UnaryOp {
            op: ast::UnaryOperator::Not,
            expr,
        } => listed("not", std::iter::once(key_of_text(expr, full))),
        ast::Expr::IsNull(expr) => listed("null", std::iter::once(key_of_text(expr, full))),
        ast::Expr::IsNotNull(expr) => listed("some", std::iter::once(key_of_text(expr, full))),
        ast::Expr::Case {
            operand: None,
            conditions,
            else_result,
            ..
        } => {
            let arms = conditions.iter().flat_map(|arm| {
                let when = key_of_text(&arm.condition, full);
                [when, key_of_text(&arm.result, full)]
            });
            let otherwise = else_result.iter().map(|expr| key_of_text(expr, full));
            listed("case", arms.chain(otherwise))
        }
        other => format!("\u{0}{}", other.to_string().to_lowercase()),
    }
}

fn key_of_plan(expr: &Expr, full: bool) -> String {
    match expr {
        Expr::Alias(alias) => key_of_plan(&alias.expr, full),
        Expr::Column(column) if full => column.flat_name(),
        Expr::Column(column) => column.name.clone(),
        Expr::Cast(cast) => key_of_plan(&cast.expr, full),
        Expr::ScalarFunction(call) => {
            let args = call.args.iter().map(|arg| key_of_plan(arg, full));
            let Some(checked) = call.func.inner().downcast_ref::<Checked>() else {
                return listed(call.func.name(), args);
            };
            match (&checked.operation, call.args.as_slice()) {
                (Operation::Chain(ops), [first, rest @ ..]) => {
                    ops.iter()
                        .zip(rest)
                        .fold(key_of_plan(first, full), |so_far, (op, next)| {
                            format!("({so_far}{}{})", op.symbol(), key_of_plan(next, full))
                        })
                }
                (Operation::Negate, [one]) => format!("-{}", key_of_plan(one, full)),
                (
                    Operation::Arithmetic(_)
                    | Operation::ShiftDays { .. }
                    | Operation::DaysBetween
                    | Operation::AddInterval { .. },
                    [left, right],
                ) if checked.sql_name() != "div" => {
                    let (left, right) = (key_of_plan(left, full), key_of_plan(right, full));
                    format!("({left}{}{right})", checked.sql_name())
                }
                (Operation::Cast { .. }, _) => listed("cast", args),
                _ => listed(checked.sql_name(), args),
            }
        }
        Expr::AggregateFunction(call) => {
            let name = call.func.name();
            let name = name.strip_prefix("karat_").unwrap_or(name);
            listed(
                name,
                call.params.args.iter().map(|arg| key_of_plan(arg, full)),
            )
        }
        Expr::WindowFunction(call) => {
            let name = call.fun.name();
            let name = name.strip_prefix("karat_").unwrap_or(name);
            listed(
                name,
                call.params.args.iter().map(|arg| key_of_plan(arg, full)),
            )
        }
        Expr::Not(expr) => listed("not", std::iter::once(key_of_plan(expr, full))),
        Expr::IsNull(expr) => listed("null", std::iter::once(key_of_plan(expr, full))),
        Expr::IsNotNull(expr) => listed("some", std::iter::once(key_of_plan(expr, full))),
        Expr::BinaryExpr(binary) => {
            let (left, right) = (
                key_of_plan(&binary.left, full),
                key_of_plan(&binary.right, full),
            );
            let op = match binary.op {
                Operator::NotEq => "<>".to_owned(),
                op => op.to_string(),
            };
            format!("({left}{op}{right})")
        }
        Expr::Case(case) if case.expr.is_none() => {
            let arms = case
                .when_then_expr
                .iter()
                .flat_map(|(when, then)| [key_of_plan(when, full), key_of_plan(then, full)]);
            let otherwise = case.else_expr.iter().map(|expr| key_of_plan(expr, full));
            listed("case", arms.chain(otherwise))
        }
        other => sql_text(other).to_lowercase(),
    }
}
