//! Parameters of a project (A9): their names, types and defaults, and what a text says as a value of such a type. Which models ask for which
//! is filled in here; what a run is given is left to whoever runs.

use std::collections::{BTreeMap, BTreeSet};

use karat_sql::{Asked, AskedValue};

use crate::day::Day;
use crate::decode::{At, printable, text};
use crate::diagnostic::{Place, Reporter};
use crate::model_file::Draft;
use crate::nearest::did_you_mean;
use crate::yaml::Node;

/// What the business date is called where values are recorded: no parameter can have this name.
pub const BUSINESS_DATE: &str = "business_date()";

/// A declared parameter.
#[derive(Clone, Debug)]
pub struct Param {
    /// Its name; SQL writes it with `$`.
    pub name: String,
    /// Its type.
    pub of: ParamType,
    /// Its value where none is given, in the one form of its type.
    pub default: Option<String>,
    /// Where it is declared.
    pub at: Place,
}

impl Param {
    /// The name under which its value is recorded, as SQL writes it: `$rate`.
    pub fn recorded_name(&self) -> String {
        format!("${}", self.name)
    }
}

/// The type of a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ParamType {
    /// Any text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number of 32 bits.
    Integer,
    /// A whole number of 64 bits.
    Bigint,
    /// A decimal number.
    Decimal {
        /// Digits, 38 at most.
        precision: u8,
        /// Digits behind the point.
        scale: u8,
    },
    /// A day.
    Date,
    /// A moment without a zone, to the microsecond.
    Timestamp,
}

impl std::fmt::Display for ParamType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ParamType::String => f.write_str("string"),
            ParamType::Boolean => f.write_str("boolean"),
            ParamType::Integer => f.write_str("integer"),
            ParamType::Bigint => f.write_str("bigint"),
            ParamType::Decimal { precision, scale } => write!(f, "decimal({precision}, {scale})"),
            ParamType::Date => f.write_str("date"),
            ParamType::Timestamp => f.write_str("timestamp"),
        }
    }
}

impl ParamType {
    /// Reads `decimal(18, 2)` and the like.
    pub fn parse(text: &str) -> Option<ParamType> {
        let folded = text.trim().to_lowercase();
        if let Some(digits) = folded.strip_prefix("decimal") {
            let digits = digits.trim().strip_prefix('(')?.strip_suffix(')')?;
            let (precision, scale) = digits.split_once(',').unwrap_or((digits, "0"));
            let (precision, scale): (u8, u8) =
                (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
            let fits = (1..=38).contains(&precision) && scale <= precision;
            return fits.then_some(ParamType::Decimal { precision, scale });
        }
        Some(match folded.as_str() {
            "string" => ParamType::String,
            "boolean" => ParamType::Boolean,
            "integer" => ParamType::Integer,
            "bigint" => ParamType::Bigint,
            "date" => ParamType::Date,
            "timestamp" => ParamType::Timestamp,
            _ => return None,
        })
    }

    /// The one form of a value of this type, so that equal values are recorded alike: `1.5` of a decimal(9, 4) is `1.5000`. `None` if the
    /// text is none.
    pub fn value(&self, text: &str) -> Option<String> {
        if let ParamType::String = self {
            return Some(text.to_owned());
        }
        let text = text.trim();
        match self {
            ParamType::String => None,
            ParamType::Boolean => match text.to_lowercase().as_str() {
                word @ ("true" | "false") => Some(word.to_owned()),
                _ => None,
            },
            ParamType::Integer => whole(text)?
                .parse::<i32>()
                .ok()
                .map(|number| number.to_string()),
            ParamType::Bigint => whole(text)?
                .parse::<i64>()
                .ok()
                .map(|number| number.to_string()),
            ParamType::Decimal { precision, scale } => decimal(text, *precision, *scale),
            ParamType::Date => Day::parse(text).map(|day| day.to_string()),
            ParamType::Timestamp => timestamp(text),
        }
    }

    /// How a value of the type is written, for messages.
    pub fn example(&self) -> &'static str {
        match self {
            ParamType::String => "EUR",
            ParamType::Boolean => "true",
            ParamType::Integer | ParamType::Bigint => "42",
            ParamType::Decimal { .. } => "1.05",
            ParamType::Date => "2026-10-30",
            ParamType::Timestamp => "2026-10-30T06:00:00",
        }
    }
}

/// Digits with or without a sign.
fn whole(text: &str) -> Option<&str> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    all_digits.then(|| text.strip_prefix('+').unwrap_or(text))
}

/// All digits behind the point that the type has; digits that it has no place for make no value of it, unless they are zeros.
fn decimal(text: &str, precision: u8, scale: u8) -> Option<String> {
    let (precision, scale) = (usize::from(precision), usize::from(scale));
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    let (before, behind) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (before.is_empty() && behind.is_empty()) || !all_digits(before) || !all_digits(behind) {
        return None;
    }
    let before = before.trim_start_matches('0');
    let behind = behind.trim_end_matches('0');
    if before.len() > precision - scale || behind.len() > scale {
        return None;
    }
    let is_zero = before.is_empty() && behind.is_empty();
    let sign = if text.starts_with('-') && !is_zero {
        "-"
    } else {
        ""
    };
    let before = if before.is_empty() { "0" } else { before };
    Some(match scale {
        0 => format!("{sign}{before}"),
        _ => format!("{sign}{before}.{behind:0<scale$}"),
    })
}

/// `2026-10-30T06:00:00.000000`; what the text leaves out is zero.
fn timestamp(text: &str) -> Option<String> {
    let (day, time) = match text.split_once(['T', 't', ' ']) {
        Some((day, time)) => (day, time),
        None => (text, "00:00:00"),
    };
    let day = Day::parse(day)?;
    let (time, part) = time.split_once('.').unwrap_or((time, "0"));
    let mut units = time.split(':');
    let mut next = |below: u8| -> Option<u8> {
        let unit = units.next().unwrap_or("00");
        let is_two = unit.len() == 2 && unit.bytes().all(|byte| byte.is_ascii_digit());
        is_two
            .then(|| unit.parse().ok())
            .flatten()
            .filter(|unit| *unit < below)
    };
    let (hour, minute, second) = (next(24)?, next(60)?, next(60)?);
    let all_digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if units.next().is_some() || !all_digits || part.len() > 6 {
        return None;
    }
    Some(format!(
        "{day}T{hour:02}:{minute:02}:{second:02}.{part:0<6}"
    ))
}

/// Reads `params`.
pub(crate) fn read(node: &Node, report: &mut Reporter) -> BTreeMap<String, Param> {
    let mut params = BTreeMap::new();
    for entry in node.get("params").map(Node::entries).unwrap_or(&[]) {
        let name = entry.key.clone();
        if name == "business_date" {
            report.error(
                entry.key_at,
                "`business_date` is no parameter: every run has one",
                "remove it; SQL asks for it by `business_date()`, `--business-date` gives it",
            );
            continue;
        }
        let Some(written) = text(&entry.value, "type") else {
            continue;
        };
        let Some(of) = ParamType::parse(&written.value) else {
            report.error(
                written.at,
                format!("`{}` is no type of a parameter", printable(&written.value)),
                "one of string, boolean, integer, bigint, decimal(18, 2), date, timestamp",
            );
            continue;
        };
        let default = text(&entry.value, "default");
        let value = default
            .as_ref()
            .and_then(|default| of.value(&default.value));
        if let (Some(default), None) = (&default, &value) {
            report.error(
                default.at,
                format!("`{}` is no {of}", printable(&default.value)),
                format!("write it like `{}`", of.example()),
            );
        }
        params.insert(
            name.clone(),
            Param {
                name,
                of,
                default: value,
                at: entry.key_at,
            },
        );
    }
    params
}

/// What texts ask for, as it is recorded: `$rate`, `business_date()`; sorted, each once.
pub(crate) fn names<'a>(asked: impl IntoIterator<Item = &'a AskedValue>) -> Vec<String> {
    let names: BTreeSet<String> = asked.into_iter().map(name).collect();
    names.into_iter().collect()
}

fn name(asked: &AskedValue) -> String {
    match asked {
        AskedValue::Parameter(name) => format!("${name}"),
        AskedValue::BusinessDate => BUSINESS_DATE.to_owned(),
    }
}

/// The values that texts ask for, with their places in files.
pub(crate) fn placed(
    asked: &[Asked],
    place: impl Fn(karat_sql::Span) -> Place,
) -> impl Iterator<Item = At<AskedValue>> {
    asked.iter().map(move |asked| At {
        value: asked.value.clone(),
        at: place(asked.span),
    })
}

/// Tells of parameters that models ask for and that nobody declares; fills in what models and their checks ask for.
pub(crate) fn check(params: &BTreeMap<String, Param>, drafts: &mut [Draft], report: &mut Reporter) {
    for draft in drafts {
        let of_checks = draft.checks.iter().flat_map(|drafted| &drafted.asked);
        for asked in draft.asked.iter().chain(of_checks) {
            let AskedValue::Parameter(name) = &asked.value else {
                continue;
            };
            if params.contains_key(name) {
                continue;
            }
            let known = params.keys().map(String::as_str);
            let hint = did_you_mean(name, known.clone()).unwrap_or_else(|| {
                let known: Vec<&str> = known.collect();
                match known.is_empty() {
                    true => format!(
                        "declare it in karat.yaml: `params: {{ {}: {{ type: date }} }}`",
                        printable(name)
                    ),
                    false => format!("karat.yaml declares: {}", known.join(", ")),
                }
            });
            report.error(
                asked.at,
                format!("`${}` is no parameter of the project", printable(name)),
                hint,
            );
        }
        draft.model.asks = names(draft.asked.iter().map(|asked| &asked.value));
        for drafted in &mut draft.checks {
            drafted.check.asks = names(drafted.asked.iter().map(|asked| &asked.value));
        }
    }
}

/// The types of the parameters among what a text asks for, a line each, for code digests.
pub(crate) fn types_text(asks: &[String], params: &BTreeMap<String, Param>) -> Vec<String> {
    let asked = asks.iter().filter_map(|name| name.strip_prefix('$'));
    asked
        .filter_map(|name| params.get(name))
        .map(|param| format!("{} {}", param.name, param.of))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(of: &str, values: &[&str], expected: &[&str]) {
        let of = ParamType::parse(of).expect("a type");
        let found: Vec<String> = values
            .iter()
            .map(|text| of.value(text).unwrap_or_else(|| "none".to_owned()))
            .collect();
        assert_eq!(found, expected, "{of}");
    }

    #[test]
    fn equal_values_have_one_form() {
        check(
            "decimal(9,4)",
            &[
                "1.5",
                "+01.50000",
                "-.25",
                "-0",
                "12345678",
                "1.00001",
                "1,5",
                ".",
            ],
            &[
                "1.5000", "1.5000", "-0.2500", "0.0000", "none", "none", "none", "none",
            ],
        );
        check(
            "bigint",
            &["007", "+7", "-7", "7.0", ""],
            &["7", "7", "-7", "none", "none"],
        );
        check("integer", &["2147483648"], &["none"]);
        check("boolean", &["TRUE", "yes"], &["true", "none"]);
        check(
            "date",
            &["2026-02-28", "2026-02-29", "2026-2-1"],
            &["2026-02-28", "none", "none"],
        );
        check(
            "timestamp",
            &[
                "2026-10-30",
                "2026-10-30 06:00",
                "2026-10-30T06:00:00.5",
                "2026-10-30T24:00:00",
            ],
            &[
                "2026-10-30T00:00:00.000000",
                "2026-10-30T06:00:00.000000",
                "2026-10-30T06:00:00.500000",
                "none",
            ],
        );
        check("string", &[" a "], &[" a "]);
        assert_eq!(ParamType::parse("decimal(39)"), None);
    }
}
