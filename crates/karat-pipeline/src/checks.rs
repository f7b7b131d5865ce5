//! What a check asks of a table, as SQL over `this` (C7). Pure: who asks it is [`crate::audit`], and [`crate::model_check`] plans it.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema, SchemaRef};
use chrono::{DateTime, TimeDelta};
use chrono_tz::Tz;
use karat_exact::{Engine, Purpose, RowExpressions, SqlError, SqlErrorKind, type_name};
use karat_project::{Check, CheckKind, Model, Place, Ratio, SqlText, SumBounds, THIS};

use crate::questions::{quoted, quoted_list};

/// Rows of which a message says where they are.
pub(crate) const SAMPLE: usize = 3;

/// How a check is answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It holds, whatever the rows are.
    Proven {
        /// Why.
        note: &'static str,
    },
    /// From the number of rows, which is on record.
    Rows {
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
    },
    /// From the number of rows and those of earlier versions.
    Volume {
        /// Share of the mean that they may differ by.
        within: Ratio,
        /// How far back, microseconds.
        of_last_us: i64,
    },
    /// By a query of one row, whose first column counts what is wrong.
    Count {
        /// The query.
        sql: String,
        /// A query for the first rows that are wrong: what identifies them.
        sample: Option<String>,
    },
    /// By a query of one row, whose first column is the number of rows that must lie within limits.
    CountedRows {
        /// The query.
        sql: String,
        /// At least.
        min: Option<u64>,
        /// At most.
        max: Option<u64>,
    },
    /// By a query of which each row is one thing wrong.
    Answer {
        /// The query.
        sql: String,
    },
}

/// What is asked beside the check itself.
pub(crate) struct Asking<'a> {
    /// Whose table it is.
    pub(crate) model: &'a Model,
    /// Its columns.
    pub(crate) schema: &'a SchemaRef,
    /// The run's logical time, RFC 3339.
    pub(crate) logical_time: &'a str,
    /// The project's time zone.
    pub(crate) timezone: &'a str,
}

impl Asking<'_> {
    /// How the check is answered; `width` is the number of columns of the query that the table is held against.
    pub(crate) fn of(&self, check: &Check, width: usize) -> Asked {
        let from = from(check.condition.as_ref());
        match &check.kind {
            CheckKind::Unique { columns } if self.is_proven(columns) => Asked::Proven {
                note: "proven by the key of the model",
            },
            CheckKind::Unique { columns } => {
                let columns = quoted_list(columns);
                let twice = format!("{from} group by {columns} having count(*) > 1");
                Asked::Count {
                    sql: format!(
                        "select coalesce(sum(n), 0) as n from (select count(*) as n {twice}) as t"
                    ),
                    sample: Some(format!(
                        "select {columns} {twice} order by {columns} limit {SAMPLE}"
                    )),
                }
            }
            CheckKind::NotNull { columns } => {
                let nulls: Vec<String> = columns
                    .iter()
                    .map(|column| format!("{} is null", quoted(column)))
                    .collect();
                self.count(&format!("{from} where {}", nulls.join(" or ")))
            }
            CheckKind::ForeignKey {
                columns,
                references,
                keys,
            } => {
                let present = columns.iter().map(|column| quoted(column));
                let mut all: Vec<String> = present
                    .map(|name| format!("t.{name} is not null"))
                    .collect();
                let pairs = columns.iter().zip(keys);
                let pairs =
                    pairs.map(|(column, key)| format!("r.{} = t.{}", quoted(key), quoted(column)));
                let pairs: Vec<String> = pairs.collect();
                all.push(format!(
                    "not exists (select 1 from {}.{} as r where {})",
                    quoted(&references.schema()),
                    quoted(&references.table),
                    pairs.join(" and ")
                ));
                self.count(&format!("{from} where {}", all.join(" and ")))
            }
            CheckKind::Rows { min, max } => match check.condition {
                None => Asked::Rows {
                    min: *min,
                    max: *max,
                },
                Some(_) => Asked::CountedRows {
                    sql: format!("select count(*) as n {from}"),
                    min: *min,
                    max: *max,
                },
            },
            CheckKind::Sum { of, bounds } => Asked::Count {
                sql: format!(
                    "select count(*) as n from (select coalesce(sum({}), 0) as s {from}) as t where not ({})",
                    of.normalised,
                    within(bounds)
                ),
                sample: None,
            },
            CheckKind::Freshness { column, within, .. } => {
                let of = self.schema.fields().iter();
                let of = of
                    .clone()
                    .find(|field| field.name().to_lowercase() == *column);
                let limit = limit(
                    self.logical_time,
                    TimeDelta::from_std(*within).unwrap_or(TimeDelta::MAX),
                    self.timezone,
                    of.map(|field| field.data_type()),
                );
                Asked::Count {
                    sql: format!(
                        "select count(*) as n from (select max({}) as newest {from}) as t where newest is null or {limit}",
                        quoted(column)
                    ),
                    sample: None,
                }
            }
            CheckKind::Volume {
                within, of_last, ..
            } => Asked::Volume {
                within: *within,
                of_last_us: i64::try_from(of_last.as_micros()).unwrap_or(i64::MAX),
            },
            CheckKind::SameAs { this, query } => {
                let names: Vec<String> = (0..width).map(|nth| format!("c{nth}")).collect();
                let names = names.join(", ");
                let this = match this {
                    Some(this) => this.normalised.clone(),
                    None => format!("select * from {THIS}"),
                };
                let side = |sql: &str, sign: &str| {
                    format!(
                        "select {names}, cast({sign}1 as bigint) as n from ({sql}) as s({names})"
                    )
                };
                Asked::Count {
                    sql: format!(
                        "select coalesce(sum(abs(n)), 0) as n from (select {names}, sum(n) as n from ({} union all {}) as u group by {names} having sum(n) <> 0) as d",
                        side(&this, ""),
                        side(&query.normalised, "-")
                    ),
                    sample: None,
                }
            }
            CheckKind::Sql(query) => Asked::Answer {
                sql: query.sql.clone(),
            },
        }
    }

    /// Whether no two rows can have the same values in these columns: those of the key are among them.
    fn is_proven(&self, columns: &[String]) -> bool {
        self.key()
            .is_some_and(|key| key.iter().all(|name| columns.contains(name)))
    }

    /// The key of the table, in lower case; none where it has none.
    pub(crate) fn key(&self) -> Option<Vec<String>> {
        let key = self.model.row_key()?;
        let key: Vec<String> = key.iter().map(|name| name.to_lowercase()).collect();
        Some(key).filter(|key| !key.is_empty())
    }

    /// The rows that a text selects are wrong.
    fn count(&self, wrong: &str) -> Asked {
        Asked::Count {
            sql: format!("select count(*) as n {wrong}"),
            sample: self.key().map(|key| {
                let key = quoted_list(&key);
                format!("select {key} {wrong} order by {key} limit {SAMPLE}")
            }),
        }
    }
}

/// What is wrong, in words that hold counts and names, and no value.
pub(crate) fn said(check: &Check, count: u64) -> String {
    let rows = rows(count);
    let listed = |columns: &[String]| columns.join(", ");
    match &check.kind {
        CheckKind::Unique { columns } => {
            format!("{rows} share their ({}) with another", listed(columns))
        }
        CheckKind::NotNull { columns } => format!("{rows} with a null in ({})", listed(columns)),
        CheckKind::ForeignKey {
            columns,
            references,
            keys,
        } => format!(
            "{rows} whose ({}) is not in `{references}` ({})",
            listed(columns),
            listed(keys)
        ),
        CheckKind::Rows { min, max } => {
            let limits = [
                min.map(|min| format!("at least {min}")),
                max.map(|max| format!("at most {max}")),
            ];
            let limits: Vec<String> = limits.into_iter().flatten().collect();
            format!("{rows}, and not {}", limits.join(" and "))
        }
        CheckKind::Sum { of, bounds } => {
            let shown = format!("`sum({})`", of.shown());
            let mut limits = Vec::new();
            if let Some(equals) = &bounds.equals {
                let off = bounds.tolerance.as_ref();
                let off = off.map_or(String::new(), |off| format!(" within {off}"));
                limits.push(format!("{equals}{off}"));
            }
            limits.extend(bounds.min.as_ref().map(|min| format!("at least {min}")));
            limits.extend(bounds.max.as_ref().map(|max| format!("at most {max}")));
            format!("{shown} is not {}", limits.join(" and "))
        }
        CheckKind::Freshness { column, shown, .. } => {
            format!("no `{column}` lies within {shown} before the logical time")
        }
        CheckKind::Volume { within, shown, .. } => {
            format!("the number of rows is more than {within} off the mean of the last {shown}")
        }
        CheckKind::SameAs { .. } => format!("{rows} of the two answers are in one of them only"),
        CheckKind::Sql(_) => format!("its query finds {rows}"),
    }
}

fn rows(count: u64) -> String {
    match count {
        1 => "1 row".to_owned(),
        _ => format!("{count} rows"),
    }
}

fn from(condition: Option<&SqlText>) -> String {
    match condition {
        None => format!("from {THIS} as t"),
        Some(condition) => format!(
            "from (select * from {THIS} where {}) as t",
            condition.normalised
        ),
    }
}

fn within(bounds: &SumBounds) -> String {
    let mut all = Vec::new();
    match (&bounds.equals, &bounds.tolerance) {
        (Some(equals), Some(off)) => all.push(format!("abs(s - ({equals})) <= {off}")),
        (Some(equals), None) => all.push(format!("s = ({equals})")),
        (None, _) => {}
    }
    all.extend(bounds.min.as_ref().map(|min| format!("s >= ({min})")));
    all.extend(bounds.max.as_ref().map(|max| format!("s <= ({max})")));
    all.join(" and ")
}

/// The condition that the newest value is too old.
fn limit(logical_time: &str, within: TimeDelta, timezone: &str, of: Option<&DataType>) -> String {
    let zone: Tz = timezone.parse().unwrap_or(Tz::UTC);
    let time = DateTime::parse_from_rfc3339(logical_time).map(|time| time.to_utc());
    let oldest = time
        .ok()
        .and_then(|time| time.checked_sub_signed(within))
        .unwrap_or(DateTime::UNIX_EPOCH);
    const FORM: &str = "%Y-%m-%dT%H:%M:%S%.6f";
    match of {
        Some(DataType::Timestamp(_, Some(_))) => format!(
            "newest < cast('{}Z' as timestamp with time zone)",
            oldest.format(FORM)
        ),
        _ => format!(
            "cast(newest as timestamp) < cast('{}' as timestamp)",
            oldest.with_timezone(&zone).format(FORM)
        ),
    }
}

/// A mistake in a check: where it stands, and what it is.
pub(crate) type Mistake = (Place, SqlError);

/// The tables that checks are planned over: columns and key by name.
pub(crate) type Schemas = BTreeMap<String, (SchemaRef, Option<Vec<String>>)>;

/// Plans a check over the columns of its table and of those that it reads; gives all that is wrong with it.
pub(crate) fn plan(
    engine: &Engine,
    asking: &Asking<'_>,
    check: &Check,
    schemas: &Schemas,
) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    if let Some(condition) = &check.condition {
        let is_condition = |of: &DataType| matches!(of, DataType::Boolean | DataType::Null);
        let what = ("`where`", "write a condition, which is true or false");
        mistakes.extend(expression(
            engine,
            asking.schema,
            condition,
            is_condition,
            what,
        ));
    }
    match &check.kind {
        CheckKind::Sum { of, .. } => {
            let is_exact = |of: &DataType| of.is_integer() || of.is_decimal() || of.is_null();
            let what = (
                "`of`",
                "a sum is exact: cast to decimal (`decimal_from_double(x)`)",
            );
            mistakes.extend(expression(engine, asking.schema, of, is_exact, what));
        }
        CheckKind::Freshness { column, .. } => {
            let mut fields = asking.schema.fields().iter();
            let field = fields.find(|field| field.name().to_lowercase() == *column);
            if let Some(field) = field
                && !matches!(
                    field.data_type(),
                    DataType::Date32 | DataType::Timestamp(..)
                )
            {
                let message = format!(
                    "`{column}` is a {}: only a date or timestamp tells how fresh a table is",
                    type_name(field.data_type())
                );
                mistakes.push((check.at, of_type(message, "name a date or timestamp")));
            }
        }
        _ => {}
    }
    let mut width = asking.schema.fields().len();
    let mut widths = Vec::new();
    for query in check.kind.queries() {
        match engine.plan_schema(&query.sql, schemas, &PURPOSE) {
            Ok(schema) => widths.push(schema.fields().len()),
            Err(errors) => mistakes.extend(errors.into_iter().map(|error| (query.at, error))),
        }
    }
    if !mistakes.is_empty() {
        return mistakes;
    }
    if let CheckKind::SameAs { this, query } = &check.kind {
        let other = widths.pop().unwrap_or_default();
        width = match this {
            Some(_) => widths.pop().unwrap_or_default(),
            None => width,
        };
        if other != width {
            let message = format!(
                "it does not give as many columns as it is held against: {other}, and not {width}"
            );
            let hint = match this {
                Some(_) => "give as many columns, in the same order",
                None => {
                    "say with `this` which columns are compared: `this: \"select … from this\"`"
                }
            };
            return vec![(query.at, of_type(message, hint))];
        }
    }
    let sql = match asking.of(check, width) {
        Asked::Count { sql, .. } | Asked::CountedRows { sql, .. } => sql,
        _ => return mistakes,
    };
    if let Err(errors) = engine.plan_schema(&sql, schemas, &PURPOSE) {
        let first = errors.into_iter().next();
        mistakes.extend(first.map(|error| {
            (
                check.at,
                of_type(error.message, error.hint.as_deref().unwrap_or_default()),
            )
        }));
    }
    mistakes
}

/// Checks are held to the rules of models, but for names: their answers are counted, not stored.
pub(crate) const PURPOSE: Purpose = Purpose::Query { strict: true };

fn expression(
    engine: &Engine,
    schema: &SchemaRef,
    written: &SqlText,
    fits: impl Fn(&DataType) -> bool,
    (what, otherwise): (&str, &str),
) -> Vec<Mistake> {
    let expressions = [("x".to_owned(), written.sql.clone())];
    // As SQL sees the table: in lower case (F3).
    let folded = schema.fields().iter().map(|field| {
        let name = field.name().to_lowercase();
        field.as_ref().clone().with_name(name)
    });
    let folded = Arc::new(Schema::new(folded.collect::<Vec<_>>()));
    match RowExpressions::compile(engine, folded, &expressions) {
        Ok(compiled) => {
            let found = compiled.output_schema();
            let found = found.field(0).data_type();
            match fits(found) {
                true => Vec::new(),
                false => {
                    let message = format!("{what} is a {}", type_name(found));
                    vec![(written.at, of_type(message, otherwise))]
                }
            }
        }
        Err(errors) => errors
            .into_iter()
            .map(|(_, error)| (written.at, error))
            .collect(),
    }
}

fn of_type(message: String, hint: &str) -> SqlError {
    SqlError {
        message,
        line: None,
        column: None,
        hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()),
        kind: SqlErrorKind::Type,
    }
}
