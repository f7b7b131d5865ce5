//! Control records: what a sender says of a file, in a record before its rows, in one behind them, or in a file beside it, and whether it adds up.
//!
//! Sums are those of the decimals as they are written: nothing is rounded, and no double is in it. An object that does not add up is a broken
//! one (B4); that its control records are no rows, `csv_file` sees to.

use std::fs;
use std::io;
use std::path::Path;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, i256};

use crate::{ControlFile, ControlRecord, FeedSpec, names};

/// How the reasons begin: what they say depends on the declaration, or on another file, too.
const TRAILER: &str = "its trailer";
const HEADER_RECORD: &str = "its header record";
const CONTROL_FILE: &str = "its control file";

/// Whether an object that is broken for this reason may be whole now, with the same bytes.
pub(crate) fn may_be_whole_now(reason: &str) -> bool {
    [TRAILER, HEADER_RECORD, CONTROL_FILE]
        .iter()
        .any(|begins| reason.starts_with(begins))
}

/// Which of the two records of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Which {
    Header,
    Trailer,
}

impl Which {
    fn words(self) -> &'static str {
        match self {
            Which::Header => HEADER_RECORD,
            Which::Trailer => TRAILER,
        }
    }

    /// That there is none.
    pub(crate) fn missing(self, record: &ControlRecord) -> String {
        let place = match self {
            Which::Header => "first",
            Which::Trailer => "last",
        };
        format!(
            "{} is missing: no {place} record begins with `{}`",
            self.words(),
            record.starts_with.escape_default()
        )
    }

    /// That it does not stand where it must.
    pub(crate) fn misplaced(self, line: u64, next: u64) -> String {
        format!(
            "{} stands on line {line} and is not its last record: line {next} follows",
            self.words()
        )
    }
}

/// An exact sum of decimals, and how many digits it has behind the point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sum {
    units: i256,
    scale: u32,
}

/// Digits behind the point, and before it, that a sum can have together.
const DIGITS_MAX: u32 = 76;

impl Sum {
    const ZERO: Sum = Sum {
        units: i256::ZERO,
        scale: 0,
    };

    /// Reads a decimal: a sign, digits, a point, digits; `None` of anything else.
    fn parse(text: &str) -> Option<Sum> {
        let text = text.trim_matches(' ');
        let (negative, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (text.starts_with('-'), digits),
            None => (false, text),
        };
        let (whole, part) = digits.split_once('.').unwrap_or((digits, ""));
        let part = part.trim_end_matches('0');
        let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !all_digits(whole) || !all_digits(part) || digits.is_empty() || digits == "." {
            return None;
        }
        if part.len() > DIGITS_MAX as usize {
            return None;
        }
        let digits = whole.bytes().chain(part.bytes());
        let digits = digits.map(|digit| i128::from(digit - b'0'));
        // Most numbers fit where counting is quick.
        let units = if whole.len() + part.len() <= 38 {
            i256::from_i128(digits.fold(0, |units, digit| units * 10 + digit))
        } else {
            let ten = i256::from_i128(10);
            let mut units = i256::ZERO;
            for digit in digits {
                units = units
                    .checked_mul(ten)?
                    .checked_add(i256::from_i128(digit))?;
            }
            units
        };
        Some(Sum {
            units: if negative {
                units.checked_neg()?
            } else {
                units
            },
            scale: part.len() as u32,
        })
    }

    fn at_scale(self, scale: u32) -> Option<i256> {
        if self.scale == scale {
            return Some(self.units);
        }
        let power = i256::from_i128(10).checked_pow(scale.checked_sub(self.scale)?)?;
        self.units.checked_mul(power)
    }

    fn plus(self, other: Sum) -> Option<Sum> {
        let scale = self.scale.max(other.scale);
        let units = self.at_scale(scale)?.checked_add(other.at_scale(scale)?)?;
        Some(Sum { units, scale })
    }

    fn equals(self, other: Sum) -> bool {
        let scale = self.scale.max(other.scale);
        matches!((self.at_scale(scale), other.at_scale(scale)), (Some(a), Some(b)) if a == b)
    }
}

impl std::fmt::Display for Sum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = self.units.to_string();
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => ("-", digits),
            None => ("", text.as_str()),
        };
        let scale = self.scale as usize;
        let digits = format!("{digits:0>width$}", width = scale + 1);
        let (whole, part) = digits.split_at(digits.len() - scale);
        let part = part.trim_end_matches('0');
        match part.is_empty() {
            true => write!(f, "{sign}{whole}"),
            false => write!(f, "{sign}{whole}.{part}"),
        }
    }
}

/// What the rows of a text come to.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) rows: u64,
    sums: Vec<Column>,
}

#[derive(Debug)]
struct Column {
    /// Folded.
    name: String,
    sum: Sum,
    /// Why it has no sum.
    flaw: Option<String>,
}

impl Tally {
    /// Of the columns that these sums are of.
    pub(crate) fn of<'a>(columns: impl Iterator<Item = &'a str>) -> Self {
        let mut tally = Self::default();
        for name in columns {
            if !tally.sums.iter().any(|known| known.name == name) {
                tally.sums.push(Column {
                    name: name.to_owned(),
                    sum: Sum::ZERO,
                    flaw: None,
                });
            }
        }
        tally
    }

    /// The columns, in the order in which [`Tally::add`] counts them.
    pub(crate) fn columns(&self) -> impl Iterator<Item = &str> {
        self.sums.iter().map(|column| column.name.as_str())
    }

    /// Adds a row's value to the sum of a column; none for null.
    pub(crate) fn add(
        &mut self,
        column: usize,
        value: Option<&str>,
        feed: &FeedSpec,
        place: &dyn Fn() -> String,
    ) {
        let column = &mut self.sums[column];
        let value = value.filter(|value| {
            !value.trim_matches(' ').is_empty()
                && !feed.null_values.iter().any(|null| null == value)
        });
        let (Some(value), None) = (value, &column.flaw) else {
            return;
        };
        let sum = Sum::parse(value).map(|value| column.sum.plus(value));
        match sum {
            Some(Some(sum)) => column.sum = sum,
            Some(None) => {
                column.flaw = Some(format!("their sum has more than {DIGITS_MAX} digits"))
            }
            None => column.flaw = Some(format!("the value {} is no decimal", place())),
        }
    }

    /// Adds a batch of rows.
    fn add_batch(&mut self, batch: &RecordBatch, feed: &FeedSpec) {
        for index in 0..self.sums.len() {
            let Some(column) = batch.column_by_name(&self.sums[index].name) else {
                self.sums[index].flaw = Some("there is no such column".to_owned());
                continue;
            };
            let exact = column.data_type().is_integer()
                || matches!(
                    column.data_type(),
                    DataType::Utf8 | DataType::Decimal128(..) | DataType::Decimal256(..)
                );
            let texts = exact.then(|| cast(column, &DataType::Utf8).ok()).flatten();
            let Some(texts) = texts else {
                self.sums[index].flaw = Some(format!("{} has no exact sum", column.data_type()));
                continue;
            };
            let texts = texts.as_string::<i32>();
            for row in 0..texts.len() {
                let value = texts.is_valid(row).then(|| texts.value(row));
                let number = self.rows + row as u64 + 1;
                self.add(index, value, feed, &|| format!("of row {number}"));
            }
        }
        self.rows += batch.num_rows() as u64;
    }

    /// Why what was said does not hold; `said` gives a field by its number.
    fn differs(
        &self,
        what: &str,
        count: Option<usize>,
        sums: &[(String, usize)],
        said: &dyn Fn(usize) -> Option<String>,
    ) -> Option<String> {
        if let Some(field) = count {
            let Some(text) = said(field) else {
                return Some(format!("{what} has no field {field}"));
            };
            let digits = text.trim_matches(' ');
            let number = digits
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| digits.parse::<u64>().ok())
                .flatten();
            match number {
                None => return Some(format!("{what} has no number of rows in field {field}")),
                Some(number) if number != self.rows => {
                    return Some(format!(
                        "{what} says that the number of rows is {number}, and it is {}",
                        self.rows
                    ));
                }
                Some(_) => {}
            }
        }
        for (name, field) in sums {
            let Some(text) = said(*field) else {
                return Some(format!("{what} has no field {field}"));
            };
            let Some(wanted) = Sum::parse(&text) else {
                return Some(format!("{what} has no decimal in field {field}"));
            };
            let found = self.sums.iter().find(|column| column.name == *name)?;
            if let Some(flaw) = &found.flaw {
                return Some(format!(
                    "{what} says what the sum of `{name}` is, and it cannot be computed: {flaw}"
                ));
            }
            if !wanted.equals(found.sum) {
                return Some(format!(
                    "{what} says that the sum of `{name}` is {wanted}, and it is {}",
                    found.sum
                ));
            }
        }
        None
    }

    /// Why a control record does not hold.
    pub(crate) fn against(
        &self,
        which: Which,
        record: &ControlRecord,
        fields: &[String],
    ) -> Option<String> {
        let said = |field: usize| fields.get(field.checked_sub(1)?).cloned();
        self.differs(which.words(), record.count, &record.sums, &said)
    }
}

/// The path of a file beside an object: `{name}` stands for its name, `{stem}` for the name without the last ending.
pub(crate) fn beside(object: &str, pattern: &str) -> String {
    let (folder, name) = object.rsplit_once('/').unwrap_or(("", object));
    let path = named(pattern, name);
    match folder {
        "" => path,
        folder => format!("{folder}/{path}"),
    }
}

fn named(pattern: &str, name: &str) -> String {
    let stem = match name.rsplit_once('.') {
        Some((stem, _)) if !stem.is_empty() => stem,
        _ => name,
    };
    pattern.replace("{name}", name).replace("{stem}", stem)
}

/// Why an object does not hold what its control file says of it. `read` gives all of its rows.
pub(crate) fn against_file<E>(
    control: &ControlFile,
    feed: &FeedSpec,
    object: &str,
    file: &Path,
    sha256: &str,
    read: impl FnOnce(&mut dyn FnMut(RecordBatch)) -> Result<(), E>,
) -> Result<Option<String>, E> {
    let bytes = match fs::read(file) {
        Ok(bytes) => bytes,
        Err(e) if e.kind() == io::ErrorKind::NotFound => {
            return Ok(Some(format!("{CONTROL_FILE} is gone")));
        }
        Err(e) => return Ok(Some(format!("{CONTROL_FILE} cannot be read: {e}"))),
    };
    let text = String::from_utf8_lossy(&bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let name = object.rsplit_once('/').map_or(object, |(_, name)| name);
    let begins = control
        .starts_with
        .as_ref()
        .map(|pattern| named(pattern, name));
    let begins = begins.as_deref().unwrap_or("");
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let Some(line) = lines.find(|line| line.starts_with(begins)) else {
        return Ok(Some(match begins {
            "" => format!("{CONTROL_FILE} is empty"),
            begins => format!(
                "{CONTROL_FILE} has no line that begins with `{}`",
                begins.escape_default()
            ),
        }));
    };
    let fields: Vec<&str> = line.split(control.delimiter.as_str()).collect();
    let said = |field: usize| {
        let field = fields.get(field.checked_sub(1)?)?;
        Some(field.trim().trim_matches('"').to_owned())
    };
    if let Some(field) = control.sha256
        && said(field).is_none_or(|said| !said.eq_ignore_ascii_case(sha256))
    {
        return Ok(Some(format!(
            "{CONTROL_FILE} has another SHA-256 in field {field}"
        )));
    }
    if control.count.is_none() && control.sums.is_empty() {
        return Ok(None);
    }
    let mut tally = Tally::of(control.sums.iter().map(|(column, _)| column.as_str()));
    read(&mut |batch| tally.add_batch(&batch, feed))?;
    Ok(tally.differs(CONTROL_FILE, control.count, &control.sums, &said))
}

/// Where the columns that are summed stand among these names; a missing one is the reason of the object.
pub(crate) fn positions(tally: &Tally, header: &[String]) -> Result<Vec<usize>, String> {
    let folded: Vec<String> = header
        .iter()
        .enumerate()
        .map(|(nth, name)| names::fold(name, nth + 1))
        .collect();
    let found = tally.columns().map(|column| {
        let at = folded.iter().position(|name| name == column);
        at.ok_or_else(|| {
            format!(
                "{TRAILER} or header record has the sum of `{column}`, and there is no such column"
            )
        })
    });
    found.collect()
}
