//! Whether the texts of a cursor can grow with time: texts are ordered by their bytes (B7), so `10` lies before `9`, and `01.02.2026` before
//! `30.01.2026`. What sorts as it means is not told here from what means nothing: only writings that are known to sort otherwise are found.

use std::collections::HashMap;

/// Beginnings of numbered texts (`ORD-` of `ORD-9`) that are remembered: cursors have one, or none.
const BEGINNINGS_MAX: usize = 1000;

/// The texts of one column, seen one after the other.
#[derive(Debug, Default)]
pub(crate) struct TextOrder {
    /// What stands before a number, to the digits of the first number that was seen behind it, and the length of that text.
    numbered: HashMap<String, (usize, usize)>,
    /// What stands around numbers (`#-#` of `2026-9`), to the digits of each in the first such text, and the length of that text.
    shapes: HashMap<String, (Vec<usize>, usize)>,
}

/// Why the texts of a column are not in the order of what they mean.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Disorder {
    /// What the text has, as it goes on after "the row has": `a date that does not begin with its year`.
    pub(crate) what: String,
    /// Whether it is a date or time, not a number.
    pub(crate) is_time: bool,
}

impl Disorder {
    fn time(what: &str) -> Option<Self> {
        Some(Self {
            what: what.to_owned(),
            is_time: true,
        })
    }
}

impl TextOrder {
    /// Takes one more text, and says what keeps it, and those before it, from being ordered by their bytes.
    pub(crate) fn see(&mut self, text: &str) -> Option<Disorder> {
        date_out_of_order(text)
            .or_else(|| self.number_out_of_order(text))
            .or_else(|| self.later_number_out_of_order(text))
    }

    /// `2026-9` and `2026-10`, `1.9.0` and `1.10.0`. What follows a single point are decimal places, which may be any.
    fn later_number_out_of_order(&mut self, text: &str) -> Option<Disorder> {
        let places = match text.matches('.').count() {
            1 => text.find('.'),
            _ => None,
        };
        let (mut shape, mut digits) = (String::new(), Vec::new());
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            shape.push_str(&rest[..start]);
            let at = text.len() - rest.len() + start;
            let is_places = at > 0 && places == Some(at - 1);
            let count = leading_digits(&rest[start..]);
            rest = &rest[start + count..];
            if rest.starts_with(|c: char| c.is_alphanumeric() && !matches!(c, 'T' | 'Z')) {
                return None;
            }
            shape.push('#');
            digits.push(if is_places { 0 } else { count });
        }
        shape.push_str(rest);
        if digits.len() < 2 {
            return None;
        }
        let Some((first, length)) = self.shapes.get(&shape) else {
            if self.shapes.len() < BEGINNINGS_MAX {
                self.shapes.insert(shape, (digits, text.len()));
            }
            return None;
        };
        if *length == text.len() && !text.contains(['.', ',', ':', '/', ' ']) {
            return None;
        }
        let other = first.iter().zip(&digits).find(|(one, other)| one != other);
        other.map(|(one, other)| Disorder {
            what: format!(
                "a number of {} where others have {one} (as text)",
                counted(*other)
            ),
            is_time: false,
        })
    }

    /// `9` and `10`, `ORD-9` and `ORD-10`, `9:30` and `10:15`, `9.5` and `10.25`; `-1`.
    fn number_out_of_order(&mut self, text: &str) -> Option<Disorder> {
        let start = text.find(|c: char| c.is_ascii_digit())?;
        let (before, number) = text.split_at(start);
        let digits = leading_digits(number);
        let after = number[digits..].chars().next();
        if after.is_some_and(char::is_alphanumeric) {
            // Hexadecimal digits, ULIDs and the like.
            return None;
        }
        if before == "-" {
            return Some(Disorder {
                what: "a number below zero (as text)".to_owned(),
                is_time: false,
            });
        }
        let Some(&(first, length)) = self.numbered.get(before) else {
            if self.numbered.len() < BEGINNINGS_MAX {
                self.numbered
                    .insert(before.to_owned(), (digits, text.len()));
            }
            return None;
        };
        // Identifiers of one length have such signs anywhere.
        let of_one_length =
            length == text.len() && !matches!(after, None | Some('.' | ',' | ':' | '/' | ' '));
        (first != digits && !of_one_length).then(|| Disorder {
            what: format!(
                "a number of {} among numbers of {first} (as text)",
                counted(digits)
            ),
            is_time: false,
        })
    }
}

/// How a date with a time is written, as far as it decides whether the order of bytes is the order of time: what stands before the time, the
/// zone after it, and where that is `Z` (which sorts after digits) how long it is. False where it is no date with a time.
pub(crate) fn written_time(text: &str, writing: &mut String) -> bool {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let is = |at: usize, signs: &[u8]| bytes.get(at).is_some_and(|byte| signs.contains(byte));
    let is_timed = is(4, b"-") && is(7, b"-") && is(10, b" T") && is(13, b":");
    if !is_timed || ![11, 12, 14, 15].into_iter().all(digit) {
        return false;
    }
    writing.clear();
    writing.push(char::from(bytes[10]));
    let ends = |form: &str| {
        let from = bytes.len().checked_sub(form.len())?;
        let fits = bytes[from..]
            .iter()
            .zip(form.bytes())
            .all(|(byte, form)| match form {
                b'9' => byte.is_ascii_digit(),
                b'+' => matches!(byte, b'+' | b'-'),
                sign => *byte == sign,
            });
        fits.then_some(from)
    };
    if let [.., utc @ (b'Z' | b'z')] = bytes {
        writing.push(char::from(*utc));
        writing.push_str(&text.chars().count().to_string());
    } else if let Some(from) = ["+99:99", "+9999", "+99"].into_iter().find_map(ends) {
        writing.push_str(&text[from..]);
    }
    true
}

fn counted(digits: usize) -> String {
    match digits {
        1 => "1 digit".to_owned(),
        several => format!("{several} digits"),
    }
}

/// A date or time that does not sort by its bytes, told by its own text alone.
fn date_out_of_order(text: &str) -> Option<Disorder> {
    let text = text.trim();
    if has_name_of_month(text) {
        return Disorder::time("a date with the name of its month");
    }
    let first = leading_digits(text);
    let separator = text[first..].chars().next()?;
    if !matches!(separator, '.' | '/' | '-' | ' ') {
        return None;
    }
    let rest = &text[first + 1..];
    let second = leading_digits(rest);
    let behind = &rest[second..];
    let ends = |rest: &str| {
        rest.chars()
            .next()
            .is_none_or(|c| matches!(c, ' ' | 'T' | ','))
    };
    // 10/2026
    if matches!(first, 1 | 2) && second == 4 && behind.is_empty() && is_year(&rest[..4]) {
        return Disorder::time("a month that stands before its year");
    }
    let third_part = behind.strip_prefix(separator)?;
    let third = leading_digits(third_part);
    let behind = &third_part[third..];
    if !matches!(second, 1 | 2) || !ends(behind) {
        return None;
    }
    match (first, third) {
        // Groups of digits are a date where the last is a year.
        (1 | 2, 2 | 4) if separator != ' ' || third == 4 && is_year(third_part) => {
            return Disorder::time("a date that does not begin with a year of four digits");
        }
        (4, 1 | 2) if is_year(text) => {}
        _ => return None,
    }
    if second == 1 || third == 1 {
        return Disorder::time("a date whose month or day has one digit");
    }
    let time = behind.trim_start_matches([' ', 'T', ',']);
    if time[leading_digits(time)..].starts_with(':') && leading_digits(time) == 1 {
        return Disorder::time("a time whose hour has one digit");
    }
    let last = time.get(time.len().saturating_sub(2)..).unwrap_or_default();
    if !time.is_empty() && (last.eq_ignore_ascii_case("am") || last.eq_ignore_ascii_case("pm")) {
        return Disorder::time("a time of twelve hours (AM, PM)");
    }
    None
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn is_year(text: &str) -> bool {
    matches!(text.get(..2), Some("19" | "20"))
}

/// `29-Oct-2026`, `1. Februar 2026`; `Oct 29, 2026`, `Thu, 29 Oct 2026 08:00:00 GMT`.
fn has_name_of_month(text: &str) -> bool {
    let mut words = text
        .split([' ', '-', '.', '/', ','])
        .filter(|word| !word.is_empty());
    let is_day = |word: &str| matches!(leading_digits(word), n @ (1 | 2) if n == word.len());
    let is_name = |word: &str| word.chars().count() >= 3 && word.chars().all(char::is_alphabetic);
    let is_month = |word: &str| {
        const MONTHS: [&str; 12] = [
            "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
        ];
        let month = word.get(..3).map(str::to_ascii_lowercase);
        is_name(word) && month.is_some_and(|month| MONTHS.contains(&month.as_str()))
    };
    let is_number = |word: &str| leading_digits(word) > 0;
    match (words.next(), words.next(), words.next(), words.next()) {
        (Some(day), Some(name), Some(year), _)
            if is_day(day) && is_name(name) && matches!(leading_digits(year), 2 | 4) =>
        {
            true
        }
        (Some(month), Some(day), Some(year), _)
            if is_month(month) && is_day(day) && is_number(year) =>
        {
            true
        }
        // Jan 2026; 2026-Jan-30
        (Some(month), Some(year), None, _) if is_month(month) && leading_digits(year) == 4 => true,
        (Some(year), Some(month), _, _) if is_month(month) && leading_digits(year) == 4 => true,
        (Some(weekday), Some(one), Some(other), Some(year)) if is_name(weekday) => {
            is_number(year) && (is_day(one) && is_month(other) || is_month(one) && is_day(other))
        }
        _ => false,
    }
}

/// How a text is written, as a pattern of SQLite's GLOB: `29.10.2026` is `[0-9][0-9].[0-9][0-9].[0-9][0-9][0-9][0-9]`.
/// It tells neither digits nor letters, since a message holds no value (H2).
pub(crate) fn written_as(text: &str) -> String {
    let mut pattern = String::new();
    for (at, c) in text.chars().enumerate() {
        match c {
            _ if at == 40 => {
                pattern.push('*');
                break;
            }
            '0'..='9' => pattern.push_str("[0-9]"),
            '.' | '-' | '/' | ':' | ',' | ' ' | '_' | '#' | '+' => pattern.push(c),
            _ => pattern.push('?'),
        }
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(texts: &str) -> String {
        let mut order = TextOrder::default();
        let found = texts.split('|').find_map(|text| order.see(text));
        found.map_or("sorts".to_owned(), |found| found.what)
    }

    #[test]
    fn texts_that_do_not_sort_as_they_mean() {
        let texts = [
            "8|9|10",
            "0008|0009|0010",
            "9.5|9.25|8.125",
            "9.5|10.5",
            "-1",
            "ORD-9|ORD-10",
            "ORD-09|ORD-10|INV-123",
            "9:30|10:15",
            "30.01.2026|01.02.2026",
            "1/2/26 8:00 AM",
            "10-29-2026 08:00",
            "10/2026",
            "2026-9-30",
            "2026/10/29 9:05",
            "2026/10/29 09:05 PM",
            "2026/09/30|2026/10/01",
            "2026-10-29T08:00:00Z|2026-10-30T08:00:00.5Z",
            "20261029|20261030",
            "2026-W44|2026-W45",
            "29-Oct-2026|30-Oct-2026",
            "Thu Oct 29 08:00:00 2026",
            "Thu, 29 Oct 2026 08:00:00 GMT",
            "29. Oktober 2026",
            "01ARZ3NDEKTSV4RRFFQ69G5FAV|01234567890123456789012345",
            "9f3a|0012|ffff|a123|ab12",
            "12345678-1234-1234-1234-123456789012|a2345678-1b34-1234-1234-123456789012|1b345678-1c34-1234-1234-123456789012",
            "-N1-bcDEfg|-N12bcDEfg|-N123cDE-g|-N12-cDE-g",
            "10.0.0.1|10.0.0.2",
            "alpha|beta 2|beta 3",
            "2026-9|2026-10",
            "2026-W9|2026-W10",
            "1.9.0|1.10.0",
            "31 01 2026|01 02 2026",
            "Jan 2026|Mar 2026",
            "2026-Jan-30|2026-Feb-01",
            "2026-01-01 10:9|2026-01-01 10:10",
            "2026-01-01 09:00:00.9|2026-01-01 09:00:00.91",
            "A1-22|A11-2",
            "2026-10-29/1|2026-10-29/2",
            "",
        ];
        let told: Vec<String> = texts.map(|text| format!("{text}: {}", seen(text))).into();
        expect_test::expect![[r#"
            8|9|10: a number of 2 digits among numbers of 1 (as text)
            0008|0009|0010: sorts
            9.5|9.25|8.125: sorts
            9.5|10.5: a number of 2 digits among numbers of 1 (as text)
            -1: a number below zero (as text)
            ORD-9|ORD-10: a number of 2 digits among numbers of 1 (as text)
            ORD-09|ORD-10|INV-123: sorts
            9:30|10:15: a number of 2 digits among numbers of 1 (as text)
            30.01.2026|01.02.2026: a date that does not begin with a year of four digits
            1/2/26 8:00 AM: a date that does not begin with a year of four digits
            10-29-2026 08:00: a date that does not begin with a year of four digits
            10/2026: a month that stands before its year
            2026-9-30: a date whose month or day has one digit
            2026/10/29 9:05: a time whose hour has one digit
            2026/10/29 09:05 PM: a time of twelve hours (AM, PM)
            2026/09/30|2026/10/01: sorts
            2026-10-29T08:00:00Z|2026-10-30T08:00:00.5Z: sorts
            20261029|20261030: sorts
            2026-W44|2026-W45: sorts
            29-Oct-2026|30-Oct-2026: a date with the name of its month
            Thu Oct 29 08:00:00 2026: a date with the name of its month
            Thu, 29 Oct 2026 08:00:00 GMT: a date with the name of its month
            29. Oktober 2026: a date with the name of its month
            01ARZ3NDEKTSV4RRFFQ69G5FAV|01234567890123456789012345: sorts
            9f3a|0012|ffff|a123|ab12: sorts
            12345678-1234-1234-1234-123456789012|a2345678-1b34-1234-1234-123456789012|1b345678-1c34-1234-1234-123456789012: sorts
            -N1-bcDEfg|-N12bcDEfg|-N123cDE-g|-N12-cDE-g: sorts
            10.0.0.1|10.0.0.2: sorts
            alpha|beta 2|beta 3: sorts
            2026-9|2026-10: a number of 2 digits where others have 1 (as text)
            2026-W9|2026-W10: a number of 2 digits where others have 1 (as text)
            1.9.0|1.10.0: a number of 2 digits where others have 1 (as text)
            31 01 2026|01 02 2026: a date that does not begin with a year of four digits
            Jan 2026|Mar 2026: a date with the name of its month
            2026-Jan-30|2026-Feb-01: a date with the name of its month
            2026-01-01 10:9|2026-01-01 10:10: a number of 2 digits where others have 1 (as text)
            2026-01-01 09:00:00.9|2026-01-01 09:00:00.91: sorts
            A1-22|A11-2: sorts
            2026-10-29/1|2026-10-29/2: sorts
            : sorts"#]].assert_eq(&told.join("\n"));
    }
}
