//! Proposes silver expressions: from a sample of text, or from what a database declares. A person edits them; a run never infers (B3).

use crate::DiscoveredColumn;

/// What the values of a text column have in common so far.
#[derive(Debug, Default)]
pub(crate) struct TextProfile {
    values: u64,
    not_integer: bool,
    not_decimal: bool,
    digits_before: usize,
    digits_after: usize,
    not_date: bool,
    not_timestamp: bool,
}

impl TextProfile {
    pub(crate) fn see(&mut self, value: &str) {
        if value.is_empty() {
            return;
        }
        self.values += 1;
        match decimal_digits(value) {
            None => (self.not_integer, self.not_decimal) = (true, true),
            Some((before, after)) => {
                self.not_integer |= after > 0 || value.contains('.') || before > 18;
                self.digits_before = self.digits_before.max(before);
                self.digits_after = self.digits_after.max(after);
                self.not_decimal |= self.digits_before + self.digits_after > 38;
            }
        }
        let shaped = |shape: &str| {
            value.len() >= shape.len()
                && value.bytes().zip(shape.bytes()).all(|(v, s)| {
                    if s == b'0' {
                        v.is_ascii_digit()
                    } else {
                        v == s
                    }
                })
        };
        self.not_date |= value.len() != 10 || !shaped("0000-00-00");
        let time = shaped("0000-00-00 00:00:00") || shaped("0000-00-00T00:00:00");
        self.not_timestamp |=
            !time || !value[19..].bytes().all(|b| b.is_ascii_digit() || b == b'.');
    }

    pub(crate) fn propose(&self, name: String, source_name: &str) -> DiscoveredColumn {
        let proposed = if self.values == 0 {
            name.clone()
        } else if !self.not_integer {
            format!("cast({name} as bigint)")
        } else if !self.not_decimal {
            let before = (self.digits_before + 4).max(10).min(38 - self.digits_after);
            format!(
                "cast({name} as decimal({}, {}))",
                before + self.digits_after,
                self.digits_after
            )
        } else if !self.not_date {
            format!("cast({name} as date)")
        } else if !self.not_timestamp {
            format!("cast({name} as timestamp)")
        } else {
            name.clone()
        };
        DiscoveredColumn {
            name,
            source_name: source_name.to_owned(),
            source_type: "text".to_owned(),
            proposed,
        }
    }
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

/// The proposal for a column that a database declares.
pub(crate) fn propose_declared(name: &str, declared: &str) -> String {
    let upper = declared.to_ascii_uppercase();
    let base = upper.split('(').next().unwrap_or_default().trim();
    match base {
        "DATE" => format!("cast({name} as date)"),
        "DATETIME" | "TIMESTAMP" => format!("cast({name} as timestamp)"),
        "BOOLEAN" | "BOOL" => format!("{name} = 1"),
        "NUMERIC" | "DECIMAL" => {
            let arguments: Vec<u8> = upper
                .split_once('(')
                .and_then(|(_, rest)| rest.split_once(')'))
                .map(|(inside, _)| {
                    inside
                        .split(',')
                        .filter_map(|n| n.trim().parse().ok())
                        .collect()
                })
                .unwrap_or_default();
            match arguments[..] {
                [precision, scale] if scale <= precision && precision <= 38 => {
                    format!("cast(decimal_from_double({name}) as decimal({precision}, {scale}))")
                }
                [precision] if precision <= 38 => {
                    format!("cast(decimal_from_double({name}) as decimal({precision}, 0))")
                }
                _ => format!("decimal_from_double({name})"),
            }
        }
        _ => name.to_owned(),
    }
}
