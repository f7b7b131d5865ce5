//! What a feed expects to be delivered for each business date, and by when: its words in the control table, and the names of files that come
//! of a date. Whether a file is there is for others to say.

use globset::GlobBuilder;

use crate::calendar::{Calendar, NotCovered};
use crate::day::Day;
use crate::decode::{choice, printable, text};
use crate::diagnostic::Reporter;
use crate::yaml::Node;

/// A file for each business date.
#[derive(Clone, Debug)]
pub struct Expected {
    /// The file's path from the source's folder; `{date}` stands for the date.
    pub file: String,
    /// Minutes of the day by which it must be there.
    pub by_minutes: u32,
    /// Whether the date is the business day before the business date.
    pub of_day_before: bool,
}

/// One file that is expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpectedFile {
    /// Its path from the source's folder, perhaps with `*`.
    pub file: String,
    /// The day on which it is due.
    pub due_day: Day,
    /// The minute of that day.
    pub due_minutes: u32,
}

impl ExpectedFile {
    /// When it is due, in the project's time zone: `2026-10-30T06:00:00`.
    pub fn due(&self) -> String {
        let (hour, minute) = (self.due_minutes / 60, self.due_minutes % 60);
        format!("{}T{hour:02}:{minute:02}:00", self.due_day)
    }

    /// Tells of an object's path whether it is this file.
    pub fn matcher(&self) -> impl Fn(&str) -> bool + use<> {
        let glob = GlobBuilder::new(&self.file).literal_separator(true).build();
        let matcher = glob.ok().map(|glob| glob.compile_matcher());
        move |path| {
            matcher
                .as_ref()
                .is_some_and(|matcher| matcher.is_match(path))
        }
    }
}

impl Expected {
    /// The file for a business date.
    ///
    /// # Errors
    /// [`NotCovered`] where the calendar says nothing of a day that counts.
    pub fn of(&self, business_date: Day, calendar: &Calendar) -> Result<ExpectedFile, NotCovered> {
        let date = match self.of_day_before {
            true => calendar.previous(business_date)?,
            false => business_date,
        };
        Ok(ExpectedFile {
            file: with_date(&self.file, date).unwrap_or_else(|_| self.file.clone()),
            due_day: calendar.delivery_day(business_date)?,
            due_minutes: self.by_minutes,
        })
    }
}

/// The text with a date in the place of `{date}` or `{date:%Y%m%d}`; what is wrong with it else.
fn with_date(text: &str, date: Day) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        out.push_str(&rest[..at]);
        let inner = rest[at..]
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'));
        let Some((inner, after)) = inner else {
            return Err("a bracket is not closed".to_owned());
        };
        let form = match inner.split_once(':') {
            None if inner == "date" => "%Y-%m-%d",
            Some(("date", form)) => form,
            _ => return Err(format!("`{{{}}}` stands for nothing", printable(inner))),
        };
        let mut letters = form.chars();
        while let Some(letter) = letters.next() {
            if letter != '%' {
                out.push(letter);
                continue;
            }
            match letters.next() {
                Some(part @ ('Y' | 'y' | 'm' | 'd')) => {
                    out.push_str(&date.date().format(&format!("%{part}")).to_string());
                }
                Some('%') => out.push('%'),
                _ => {
                    return Err(format!(
                        "`{}` has another part than %Y, %y, %m and %d",
                        printable(form)
                    ));
                }
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// `06:00` as minutes of the day.
fn minutes(text: &str) -> Option<u32> {
    let (hour, minute) = text.split_once(':')?;
    let part = |text: &str, below: u32| -> Option<u32> {
        let is_two = text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let number = is_two.then(|| text.parse().ok()).flatten()?;
        (number < below).then_some(number)
    };
    Some(part(hour, 24)? * 60 + part(minute, 60)?)
}

/// Reads `expect` of a feed.
pub(crate) fn read(node: &Node, has_calendar: bool, report: &mut Reporter) -> Option<Expected> {
    let entry = node.entry("expect")?;
    let expect = &entry.value;
    let (file, by) = (text(expect, "file")?, text(expect, "by")?);
    let mut fine = true;
    match with_date(&file.value, Day::parse("2000-01-01")?) {
        Ok(dated) if dated == file.value => {
            fine = false;
            report.error(
                file.at,
                "the file has no date: every day's would be the same",
                "write `{date}` where it stands, or `{date:%Y%m%d}` for 20261030",
            );
        }
        Ok(dated) if GlobBuilder::new(&dated).build().is_err() => {
            fine = false;
            report.error(
                file.at,
                "`file` is no pattern of a path",
                "`*` is any part of a name, `[ab]` one of these letters",
            );
        }
        Ok(_) => {}
        Err(why) => {
            fine = false;
            let hint = "write `{date}` for 2026-10-30, `{date:%Y%m%d}` for 20261030";
            report.error(file.at, format!("`file`: {why}"), hint);
        }
    }
    let by_minutes = minutes(&by.value);
    if by_minutes.is_none() {
        report.error(
            by.at,
            format!("`{}` is no time of the day", printable(&by.value)),
            "write it like `\"06:00\"`, in the project's time zone",
        );
    }
    if !has_calendar {
        fine = false;
        report.error(
            entry.key_at,
            "`expect` needs to know which days are business days",
            "declare a `calendar` in karat.yaml, like `calendar: { holidays: calendar/holidays.csv }`",
        );
    }
    fine.then_some(Expected {
        file: file.value,
        by_minutes: by_minutes?,
        of_day_before: choice(
            expect,
            "date",
            &[("business_date", false), ("day_before", true)],
        )
        .unwrap_or(false),
    })
}
