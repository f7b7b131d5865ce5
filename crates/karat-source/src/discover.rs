//! Proposes silver expressions: from a sample of the rows, and from what a database declares. A person edits them; a run never infers (B3).

use arrow::datatypes::DataType;
use chrono::{NaiveDate, NaiveDateTime};

use crate::DiscoveredColumn;

/// Words that SQL would not take for a column unless they are quoted.
const KEYWORDS: [&str; 76] = [
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "current_user",
    "default",
    "delete",
    "desc",
    "distinct",
    "div",
    "drop",
    "else",
    "end",
    "except",
    "exists",
    "extract",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "insert",
    "intersect",
    "interval",
    "into",
    "is",
    "join",
    "lateral",
    "left",
    "like",
    "limit",
    "natural",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "primary",
    "qualify",
    "right",
    "select",
    "set",
    "struct",
    "table",
    "then",
    "true",
    "union",
    "unique",
    "unnest",
    "using",
    "when",
    "where",
    "with",
];

/// Digits after the point that a decimal may keep when a double is read as one.
const SCALE_MAX: usize = 10;
/// Most digits of a decimal.
const DIGITS_MAX: usize = 38;

/// A column's name in an expression.
pub(crate) fn in_sql(name: &str) -> String {
    let is_word = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if is_word && !KEYWORDS.contains(&name) {
        name.to_owned()
    } else {
        format!("\"{name}\"")
    }
}

/// The first of the names of a header that is a number or a date, as values are and names seldom: in a row of numbers or dates that follow
/// one another, such as years, it may well be a name.
pub(crate) fn value_among_names<S: AsRef<str>>(names: &[S]) -> Option<&str> {
    let values = names.iter().map(AsRef::as_ref);
    let values: Vec<&str> = values.filter(|name| is_number_or_date(name)).collect();
    let numbers: Option<Vec<i64>> = values.iter().map(|value| value.parse().ok()).collect();
    let is_series = match numbers {
        Some(numbers) => numbers.windows(2).all(|two| two[1] - two[0] == 1),
        None => values
            .iter()
            .all(|value| value.contains(['-', '/', ':']) || value.matches('.').count() > 1),
    };
    values
        .first()
        .copied()
        .filter(|_| !is_series || values.len() < 3)
}

/// Whether a column between others has no name; the first has none where a program writes its row numbers there, and the last ones where a sheet
/// was wider.
pub(crate) fn lacks_a_name(names: &[String]) -> bool {
    let named = |name: &String| !name.trim().is_empty();
    let last = names.iter().rposition(named).unwrap_or(0);
    names[..last].iter().skip(1).any(|name| !named(name))
}

/// Digits with the signs that stand in numbers, dates and times, and nothing else.
fn is_number_or_date(name: &str) -> bool {
    let name = name.trim();
    let digits = name.strip_prefix(['-', '+']).unwrap_or(name);
    digits.starts_with(|c: char| c.is_ascii_digit())
        && digits.bytes().all(|byte| {
            byte.is_ascii_digit()
                || matches!(byte, b'.' | b',' | b'-' | b'/' | b':' | b'T' | b'Z' | b' ')
        })
}

/// What the values of a column have in common so far.
#[derive(Debug, Default, Clone)]
pub(crate) struct Profile {
    values: u64,
    not_integer: bool,
    not_decimal: bool,
    digits_before: usize,
    digits_after: usize,
    not_date: bool,
    not_timestamp: bool,
    not_zoned: bool,
}

impl Profile {
    /// A text.
    pub(crate) fn see(&mut self, value: &str) {
        if value.is_empty() {
            return;
        }
        self.values += 1;
        match decimal_digits(value) {
            None => (self.not_integer, self.not_decimal) = (true, true),
            Some((before, after)) => {
                self.not_integer |= after > 0 || value.contains('.') || before > 18;
                self.see_digits(before, after);
            }
        }
        let moment = Moment::of(value);
        self.not_date |= moment != Some(Moment::Date);
        self.not_timestamp |= moment != Some(Moment::Timestamp);
        self.not_zoned |= moment != Some(Moment::Zoned);
    }

    /// A double, by the shortest text that reads back as it.
    pub(crate) fn see_double(&mut self, value: f64) {
        self.values += 1;
        match decimal_digits(&value.to_string()) {
            Some((before, after)) if after <= SCALE_MAX => self.see_digits(before, after),
            _ => self.not_decimal = true,
        }
    }

    /// With what another sample saw.
    pub(crate) fn join(&mut self, other: &Self) {
        self.values += other.values;
        self.not_integer |= other.not_integer;
        self.not_decimal |= other.not_decimal;
        self.not_date |= other.not_date;
        self.not_timestamp |= other.not_timestamp;
        self.not_zoned |= other.not_zoned;
        self.see_digits(other.digits_before, other.digits_after);
    }

    fn see_digits(&mut self, before: usize, after: usize) {
        self.digits_before = self.digits_before.max(before);
        self.digits_after = self.digits_after.max(after);
        self.not_decimal |= self.digits_before + self.digits_after > DIGITS_MAX;
    }

    /// Precision and scale with room for larger values.
    fn decimal(&self) -> (usize, usize) {
        let room = DIGITS_MAX - self.digits_after;
        let before = (self.digits_before + 4).max(10).min(room);
        (before + self.digits_after, self.digits_after)
    }

    /// A date or a timestamp, if every value is one.
    fn moment(&self, name: &str) -> Option<String> {
        let column = in_sql(name);
        match self {
            Self { values: 0, .. } => None,
            Self {
                not_date: false, ..
            } => Some(format!("cast({column} as date)")),
            Self {
                not_timestamp: false,
                ..
            } => Some(format!("cast({column} as timestamp)")),
            Self {
                not_zoned: false, ..
            } => Some(format!("cast({column} as timestamp with time zone)")),
            _ => None,
        }
    }

    /// The proposal for a column of a text file.
    pub(crate) fn propose(&self, name: String, source_name: &str) -> DiscoveredColumn {
        let column = in_sql(&name);
        let proposed = if self.values == 0 {
            column
        } else if !self.not_integer {
            format!("cast({column} as bigint)")
        } else if !self.not_decimal {
            let (precision, scale) = self.decimal();
            format!("cast({column} as decimal({precision}, {scale}))")
        } else {
            self.moment(&name).unwrap_or(column)
        };
        DiscoveredColumn {
            name,
            source_name: source_name.to_owned(),
            source_type: "text".to_owned(),
            proposed,
            stays_double: false,
        }
    }

    /// The proposal for a column that a database declares, and whether it is a double that no decimal holds.
    pub(crate) fn propose_declared(
        &self,
        name: &str,
        declared: &str,
        bronze: &DataType,
    ) -> (String, bool) {
        let upper = declared.to_ascii_uppercase();
        let base = upper.split('(').next().unwrap_or_default().trim();
        let column = in_sql(name);
        let proposed = match (base, bronze) {
            ("BOOLEAN" | "BOOL", _) => format!("{column} = 1"),
            ("DATE", DataType::Utf8) if self.values == 0 => format!("cast({column} as date)"),
            ("DATETIME" | "TIMESTAMP", DataType::Utf8) if self.values == 0 => {
                format!("cast({column} as timestamp)")
            }
            // That text holds numbers is meant by whoever declared it; times have no type of their own in SQLite.
            (_, DataType::Utf8) => self.moment(name).unwrap_or(column),
            (_, DataType::Float64) if self.not_decimal => return (column, true),
            (_, DataType::Float64) => {
                let (precision, scale) = match declared_decimal(&upper) {
                    Some((precision, scale))
                        if self.digits_after <= scale
                            && self.digits_before + scale <= precision =>
                    {
                        (precision, scale)
                    }
                    _ if self.values == 0 => {
                        return (format!("decimal_from_double({column})"), false);
                    }
                    _ => self.decimal(),
                };
                // With its scale, so that a digit too many is found and not rounded away.
                format!(
                    "cast(decimal_from_double({column}, {scale}) as decimal({precision}, {scale}))"
                )
            }
            _ => column,
        };
        (proposed, false)
    }
}

/// The arguments of a declared NUMERIC or DECIMAL.
fn declared_decimal(upper: &str) -> Option<(usize, usize)> {
    let (base, rest) = upper.split_once('(')?;
    if !matches!(base.trim(), "NUMERIC" | "DECIMAL") {
        return None;
    }
    let (inside, _) = rest.split_once(')')?;
    let arguments: Vec<usize> = inside
        .split(',')
        .map(|n| n.trim().parse().ok())
        .collect::<Option<_>>()?;
    let (precision, scale) = match arguments[..] {
        [precision] => (precision, 0),
        [precision, scale] => (precision, scale),
        _ => return None,
    };
    (scale <= precision && precision <= DIGITS_MAX).then_some((precision, scale))
}

/// Digits before and after the point. A number with a leading zero is a code, not a number.
fn decimal_digits(value: &str) -> Option<(usize, usize)> {
    let digits = value.strip_prefix(['-', '+']).unwrap_or(value);
    let (before, after) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    let is_code = before.len() > 1 && before.starts_with('0');
    let has_digits = !before.is_empty() || !after.is_empty();
    (!is_code && has_digits && all_digits(before) && all_digits(after))
        .then_some((before.len(), after.len()))
}

/// A text that is a moment in a spelling that casts read (F2).
#[derive(Debug, PartialEq, Eq)]
enum Moment {
    Date,
    Timestamp,
    /// With an offset.
    Zoned,
}

impl Moment {
    fn of(value: &str) -> Option<Self> {
        if value.len() == 10 {
            let date = NaiveDate::parse_from_str(value, "%Y-%m-%d").ok()?;
            // The same text again: chrono also reads digits that are not there.
            return (date.to_string() == value).then_some(Self::Date);
        }
        let (whole, rest) = (value.get(..19)?, value.get(19..)?);
        let whole = whole.replacen('T', " ", 1);
        let time = NaiveDateTime::parse_from_str(&whole, "%Y-%m-%d %H:%M:%S").ok()?;
        if time.format("%Y-%m-%d %H:%M:%S").to_string() != whole {
            return None;
        }
        let (fraction, zone) = match rest.strip_prefix('.') {
            Some(rest) => {
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                rest.split_at(digits)
            }
            None => ("", rest),
        };
        if fraction.len() > 6 || (rest.starts_with('.') && fraction.is_empty()) {
            return None;
        }
        let is_offset = |zone: &str| {
            zone.len() == 6
                && zone.starts_with(['+', '-'])
                && zone.bytes().zip(b"+00:00").skip(1).all(|(b, shape)| {
                    if *shape == b'0' {
                        b.is_ascii_digit()
                    } else {
                        b == *shape
                    }
                })
        };
        match zone {
            "" => Some(Self::Timestamp),
            "Z" => Some(Self::Zoned),
            zone if is_offset(zone) => Some(Self::Zoned),
            _ => None,
        }
    }
}
