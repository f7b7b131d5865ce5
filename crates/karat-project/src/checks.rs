//! Checks: rules on a whole table, which a version keeps before anybody sees it (C7). Here is how models write them; what they ask of the
//! rows is left to whoever has the rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use karat_sql::{AskedValue, Expression, Query};

use crate::decode::{
    At, Ratio, choice, column, columns, expression, parse_duration, printable, ratio, text,
};
use crate::diagnostic::{Place, Reporter};
use crate::domain_file::no_twins;
use crate::model::{bare, one_line, quoted, quoted_list};
use crate::model_file::{place_in, selected};
use crate::nearest::did_you_mean;
use crate::params::{Param, placed, types_text};
use crate::table_name::TableName;
use crate::yaml::{Entry, Node, locate};

/// What a check calls the version that is about to be made.
pub const THIS: &str = "this";

/// A rule on a whole table.
#[derive(Clone, Debug)]
pub struct Check {
    /// Its name, unique in its model.
    pub name: String,
    /// Where it stands.
    pub at: Place,
    /// What it asks.
    pub kind: CheckKind,
    /// What happens when it is broken.
    pub action: CheckAction,
    /// Of which rows it is asked; all without one.
    pub condition: Option<SqlText>,
    /// Other tables that it reads, sorted, each once.
    pub reads: Vec<TableName>,
    /// What it asks beside rows: `$name` of parameters, [`crate::BUSINESS_DATE`]; sorted, each once (A9).
    pub asks: Vec<String>,
}

/// SQL as it was written, and where.
#[derive(Clone, Debug)]
pub struct SqlText {
    /// As written.
    pub sql: String,
    /// Where it stands.
    pub at: Place,
    /// In one form: alike for equal code, without comments.
    pub normalised: String,
}

impl SqlText {
    /// As messages show it: alike for equal code.
    pub fn shown(&self) -> String {
        karat_sql::shown(&self.normalised)
    }
}

/// What a check asks of the table.
#[derive(Clone, Debug)]
pub enum CheckKind {
    /// No two rows have the same values in these columns; null is a value, as in `key`.
    Unique {
        /// The columns.
        columns: Vec<String>,
    },
    /// None of these columns is null.
    NotNull {
        /// The columns.
        columns: Vec<String>,
    },
    /// The values of these columns stand in those of a table; a row with a null in one of them is exempt.
    ForeignKey {
        /// The columns.
        columns: Vec<String>,
        /// The table that has them.
        references: TableName,
        /// Its columns.
        keys: Vec<String>,
    },
    /// How many rows there are.
    Rows {
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
    },
    /// The sum of an expression over all rows; 0 where there are none.
    Sum {
        /// The expression over one row.
        of: SqlText,
        /// Exact decimals, as written.
        bounds: SumBounds,
    },
    /// The newest value of a column is not older than this at the run's logical time.
    Freshness {
        /// A date or timestamp.
        column: String,
        /// How old it may be.
        within: Duration,
        /// The same as written.
        shown: String,
    },
    /// The rows of a version against the mean of the versions before.
    Volume {
        /// Share of the mean that they may differ by.
        within: Ratio,
        /// How far back versions count.
        of_last: Duration,
        /// The same as written.
        shown: String,
    },
    /// Two queries give the same rows, in any order.
    SameAs {
        /// Over the table; all of its columns without one.
        this: Option<SqlText>,
        /// What it is held against.
        query: SqlText,
    },
    /// A query whose rows are what is wrong.
    Sql(SqlText),
}

/// What a sum must be: decimals as text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SumBounds {
    /// Exactly this, but for `tolerance`.
    pub equals: Option<String>,
    /// How far from `equals` it may be.
    pub tolerance: Option<String>,
    /// At least this.
    pub min: Option<String>,
    /// At most this.
    pub max: Option<String>,
}

/// What happens when a check is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CheckAction {
    /// The version is made, and the run says so.
    Warn,
    /// No version is made, and the run exits 1.
    Fail,
}

impl CheckAction {
    const WORDS: [(&'static str, CheckAction); 2] =
        [("fail", CheckAction::Fail), ("warn", CheckAction::Warn)];

    /// The word in a model.
    pub fn as_str(self) -> &'static str {
        match self {
            CheckAction::Warn => "warn",
            CheckAction::Fail => "fail",
        }
    }
}

/// The keys of which a check has exactly one.
const KINDS: [&str; 9] = [
    "unique",
    "not_null",
    "foreign_key",
    "rows",
    "sum",
    "freshness",
    "volume",
    "same_as",
    "sql",
];

impl CheckKind {
    /// The word in a model.
    pub fn as_str(&self) -> &'static str {
        match self {
            CheckKind::Unique { .. } => "unique",
            CheckKind::NotNull { .. } => "not_null",
            CheckKind::ForeignKey { .. } => "foreign_key",
            CheckKind::Rows { .. } => "rows",
            CheckKind::Sum { .. } => "sum",
            CheckKind::Freshness { .. } => "freshness",
            CheckKind::Volume { .. } => "volume",
            CheckKind::SameAs { .. } => "same_as",
            CheckKind::Sql(_) => "sql",
        }
    }

    /// The queries that people wrote in it.
    pub fn queries(&self) -> Vec<&SqlText> {
        match self {
            CheckKind::SameAs { this, query } => this.iter().chain([query]).collect(),
            CheckKind::Sql(query) => vec![query],
            _ => Vec::new(),
        }
    }
}

/// The canonical text of a model's checks, for their digest: what decides their outcome, and nothing else. Empty without any.
pub(crate) fn checks_text(
    checks: &[Check],
    rounding: &str,
    timezone: &str,
    params: &BTreeMap<String, Param>,
) -> String {
    if checks.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "karat checks 1\nrounding {rounding}\ntimezone {}\n",
        quoted(timezone)
    );
    let mut sorted: Vec<&Check> = checks.iter().collect();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    let of = |sql: &SqlText| one_line(&sql.normalised).into_owned();
    let option = |word: &str, value: &Option<String>| match value {
        Some(value) => format!(" {word} {value}"),
        None => String::new(),
    };
    let asks: BTreeSet<String> = checks.iter().flat_map(|check| check.asks.clone()).collect();
    for param in types_text(&Vec::from_iter(asks), params) {
        writeln!(text, "param {param}").expect("writing to a string");
    }
    for check in sorted {
        let what = match &check.kind {
            CheckKind::Unique { columns } | CheckKind::NotNull { columns } => quoted_list(columns),
            CheckKind::ForeignKey {
                columns,
                references,
                keys,
            } => format!(
                "{} references {references} {}",
                quoted_list(columns),
                quoted_list(keys)
            ),
            CheckKind::Rows { min, max } => format!("min {min:?} max {max:?}"),
            CheckKind::Sum { of: sum, bounds } => format!(
                "{}{}{}{}{}",
                of(sum),
                option("equals", &bounds.equals),
                option("tolerance", &bounds.tolerance),
                option("min", &bounds.min),
                option("max", &bounds.max)
            ),
            CheckKind::Freshness { column, within, .. } => {
                format!("{} within {}ms", quoted(column), within.as_millis())
            }
            CheckKind::Volume {
                within, of_last, ..
            } => format!("within {within} of_last {}ms", of_last.as_millis()),
            CheckKind::SameAs { this, query } => {
                let this = this.as_ref().map_or(String::new(), of);
                format!("{} this {}", quoted(&of(query)), quoted(&this))
            }
            CheckKind::Sql(query) => of(query),
        };
        let condition = check.condition.as_ref().map_or(String::new(), |condition| {
            format!(" where {}", quoted(&of(condition)))
        });
        writeln!(
            text,
            "check {} {} {}{condition} {what}",
            check.name,
            check.action.as_str(),
            check.kind.as_str()
        )
        .expect("writing to a string");
    }
    text
}

/// A check as far as its own file tells; what it names in other tables is found when links are checked.
#[derive(Debug)]
pub(crate) struct Drafted {
    pub(crate) check: Check,
    /// Of a foreign key: the table as written, and its columns.
    pub(crate) references: Option<(At<String>, Vec<At<String>>)>,
    /// The queries of its kind that could be read, each with the scalar that it stands in.
    pub(crate) queries: Vec<(Query, Node)>,
    /// What it takes from the run.
    pub(crate) asked: Vec<At<AskedValue>>,
}

/// Reads the checks of a model; `outputs` are its columns, none where nobody knows them.
pub(crate) fn read(node: &Node, outputs: &[&str], report: &mut Reporter) -> Vec<Drafted> {
    let entries = node.get("checks").map(Node::entries).unwrap_or(&[]);
    let mut checks = Vec::new();
    for entry in entries {
        checks.extend(read_one(entry, outputs, report));
    }
    checks
}

fn read_one(entry: &Entry, outputs: &[&str], report: &mut Reporter) -> Option<Drafted> {
    let rule = &entry.value;
    let kinds: Vec<&Entry> = rule
        .entries()
        .iter()
        .filter(|entry| KINDS.contains(&entry.key.as_str()))
        .collect();
    let kind = match kinds.as_slice() {
        [kind] => *kind,
        [] => {
            let known = ["action", "where", "description"];
            let mut others = rule.entries().iter();
            // A key that is not known was told already.
            if others.all(|entry| known.contains(&entry.key.as_str())) {
                report.error(
                    entry.key_at,
                    format!("check `{}` asks nothing", entry.key),
                    format!("give it one of {}", words(&KINDS)),
                );
            }
            return None;
        }
        [first, second, ..] => {
            report.error(
                second.key_at,
                format!(
                    "check `{}` asks two things: `{}` and `{}`",
                    entry.key, first.key, second.key
                ),
                "make a check of its own of each",
            );
            return None;
        }
    };
    let mut drafted = Drafting {
        outputs,
        references: None,
        queries: Vec::new(),
        asked: Vec::new(),
    };
    let condition = rule.entry("where").and_then(|written| {
        if matches!(kind.key.as_str(), "volume" | "same_as" | "sql") {
            let instead = match kind.key.as_str() {
                "volume" => "remove it: the versions before count all of their rows",
                _ => "write the condition into the query",
            };
            report.error(
                written.key_at,
                format!("`where` says nothing beside `{}`", kind.key),
                instead,
            );
            return None;
        }
        drafted.expression(&written.value, report)
    });
    let kind = drafted.kind(rule, kind, report)?;
    Some(Drafted {
        check: Check {
            name: entry.key.clone(),
            at: entry.key_at,
            kind,
            action: choice(rule, "action", &CheckAction::WORDS).unwrap_or(CheckAction::Fail),
            condition,
            reads: Vec::new(),
            asks: Vec::new(),
        },
        references: drafted.references,
        queries: drafted.queries,
        asked: drafted.asked,
    })
}

fn words(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    words.join(", ")
}

struct Drafting<'a> {
    outputs: &'a [&'a str],
    references: Option<(At<String>, Vec<At<String>>)>,
    queries: Vec<(Query, Node)>,
    asked: Vec<At<AskedValue>>,
}

impl Drafting<'_> {
    fn kind(&mut self, rule: &Node, written: &Entry, report: &mut Reporter) -> Option<CheckKind> {
        let Entry { key, value, key_at } = written;
        match key.as_str() {
            "unique" | "not_null" => {
                let mut columns = columns(rule, key)?;
                self.some_columns(&columns, key, value.at, report)?;
                // What it says does not depend on their order.
                columns.sort_by(|a, b| a.value.cmp(&b.value));
                let columns = bare(&columns);
                Some(match key.as_str() {
                    "unique" => CheckKind::Unique { columns },
                    _ => CheckKind::NotNull { columns },
                })
            }
            "foreign_key" => {
                let own = columns(value, "columns")?;
                self.some_columns(&own, "columns", value.at, report)?;
                let keys = columns(value, "keys").unwrap_or_else(|| own.clone());
                if keys.len() != own.len() {
                    let at = value.get("keys").map_or(*key_at, |keys| keys.at);
                    report.error(
                        at,
                        format!("{} columns are held against {}", own.len(), keys.len()),
                        "name one of `keys` for each of `columns`, in their order",
                    );
                    return None;
                }
                self.references = Some((text(value, "references")?, keys.clone()));
                Some(CheckKind::ForeignKey {
                    columns: bare(&own),
                    // Replaced when the table is found; without one there is no project.
                    references: TableName::new("", crate::Layer::Silver, "unknown"),
                    keys: bare(&keys),
                })
            }
            "rows" => {
                let count = |key| text(value, key).and_then(|text| text.value.parse::<u64>().ok());
                let (min, max) = (count("min"), count("max"));
                if value.entries().is_empty() {
                    report.error(
                        *key_at,
                        "`rows` has no limit",
                        "give it `min`, `max` or both",
                    );
                    return None;
                }
                if let (Some(least), Some(most)) = (min, max)
                    && least > most
                {
                    report.error(*key_at, "`min` is more than `max`", "no table can keep it");
                }
                Some(CheckKind::Rows { min, max })
            }
            "sum" => self.sum(*key_at, value, report),
            "freshness" => {
                let of = column(value, "column")?;
                self.known(std::slice::from_ref(&of), report);
                let within = text(value, "within")?;
                Some(CheckKind::Freshness {
                    column: of.value,
                    within: parse_duration(&within.value)?,
                    shown: within.value,
                })
            }
            "volume" => {
                let shown = text(value, "of_last")?.value;
                Some(CheckKind::Volume {
                    within: ratio(value, "within")?,
                    of_last: parse_duration(&shown)?,
                    shown,
                })
            }
            "same_as" => {
                let this = value.get("this").map(|this| self.query(this, report));
                let query = self.query(value.get("query")?, report)?;
                let this = match this {
                    Some(this) => Some(this?),
                    None => None,
                };
                Some(CheckKind::SameAs { this, query })
            }
            _ => self.query(value, report).map(CheckKind::Sql),
        }
    }

    fn sum(&mut self, at: Place, value: &Node, report: &mut Reporter) -> Option<CheckKind> {
        let mut number = |key: &str| {
            let written = text(value, key)?;
            if !is_decimal(&written.value) {
                report.error(
                    written.at,
                    format!("`{key}` must be a decimal number, like `0` or `-12.50`"),
                    "",
                );
            }
            Some(written)
        };
        let equals = number("equals");
        let tolerance = number("tolerance");
        let (min, max) = (number("min"), number("max"));
        if equals.is_none() && min.is_none() && max.is_none() {
            report.error(at, "`sum` has no bound", "give it `equals`, `min` or `max`");
            return None;
        }
        if let Some(tolerance) = tolerance
            .as_ref()
            .filter(|one| equals.is_none() || one.value.starts_with('-'))
        {
            let (what, hint) = match equals {
                None => ("`tolerance` says nothing without `equals`", "remove it"),
                Some(_) => (
                    "`tolerance` is less than nothing",
                    "write how far off the sum may be",
                ),
            };
            report.error(tolerance.at, what, hint);
        }
        let value_of = |written: Option<At<String>>| written.map(|written| written.value);
        Some(CheckKind::Sum {
            of: self.expression(value.get("of")?, report)?,
            bounds: SumBounds {
                equals: value_of(equals),
                tolerance: value_of(tolerance),
                min: value_of(min),
                max: value_of(max),
            },
        })
    }

    fn some_columns(
        &self,
        columns: &[At<String>],
        key: &str,
        at: Place,
        report: &mut Reporter,
    ) -> Option<()> {
        if columns.is_empty() {
            report.error(at, format!("`{key}` names no column"), "name at least one");
            return None;
        }
        no_twins(columns, key, report);
        self.known(columns, report);
        Some(())
    }

    fn known(&self, columns: &[At<String>], report: &mut Reporter) {
        if !self.outputs.is_empty() {
            selected(columns, self.outputs, report);
        }
    }

    /// An expression over one row of the table.
    fn expression(&mut self, node: &Node, report: &mut Reporter) -> Option<SqlText> {
        let read = expression(node, report)?;
        self.named(&read, node, report);
        let asked = placed(&read.asked, |span| place_in(node, span, report));
        self.asked.extend(asked);
        Some(SqlText {
            sql: node.scalar()?.to_owned(),
            at: node.at,
            normalised: read.normalised().to_owned(),
        })
    }

    fn named(&self, read: &Expression, node: &Node, report: &mut Reporter) {
        let unknown = read.columns.iter().filter(|named| {
            let known = self.outputs.contains(&named.name.as_str());
            named.qualifier.is_empty() && !known && !self.outputs.is_empty()
        });
        for named in unknown {
            let hint = did_you_mean(&named.name, self.outputs.iter().copied())
                .unwrap_or_else(|| "a check sees the columns of the table".to_owned());
            report.error(
                place_in(node, named.span, report),
                format!("unknown column `{}`", printable(&named.name)),
                hint,
            );
        }
    }

    /// A SELECT over the table, called `this`, and others.
    fn query(&mut self, node: &Node, report: &mut Reporter) -> Option<SqlText> {
        let sql = node.scalar()?;
        match Query::parse(sql) {
            Ok(query) => {
                let normalised = query.normalised().to_owned();
                let asked = placed(&query.asked, |span| place_in(node, span, report));
                self.asked.extend(asked);
                self.queries.push((query, node.clone()));
                Some(SqlText {
                    sql: sql.to_owned(),
                    at: node.at,
                    normalised,
                })
            }
            Err(error) => {
                let at = locate(node, report.text(node.at.file), error.line, error.column);
                let at = Place {
                    length: error.length,
                    ..at
                };
                report.error(at, error.message, error.hint.unwrap_or_default());
                None
            }
        }
    }
}

/// `0`, `-12.50`: what a decimal literal of SQL is.
fn is_decimal(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, part) = digits.split_once('.').unwrap_or((digits, "0"));
    let all_digits =
        |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all_digits(whole) && all_digits(part) && whole.len() + part.len() <= 38
}
