//! What goes to stdout and stderr: lines, aligned tables, JSON documents, numbers as people read them.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use crate::failure::Failure;

/// Lines for people are cut at this width, if they can be.
pub(crate) const WIDTH: usize = 100;

/// How this execution talks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Voice {
    /// One JSON document on stdout.
    pub(crate) json: bool,
    /// Errors only.
    pub(crate) quiet: bool,
}

impl Voice {
    /// Prints the answer: the document for scripts, or the text for people.
    pub(crate) fn answer(
        self,
        document: impl FnOnce() -> Value,
        text: impl FnOnce() -> String,
    ) -> Result<(), Failure> {
        if self.json {
            print_json(&document())
        } else {
            print(&shown_lines(&text()))
        }
    }

    /// Something worth knowing, on stderr.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            let _ = writeln!(io::stderr().lock(), "{}", shown_lines(text));
        }
    }
}

/// Writes text to stdout.
pub(crate) fn print(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(Failure::Stdout)
}

/// Writes an error's text to stderr; if that is gone, nobody can be told.
pub(crate) fn print_error(text: &str) {
    let _ = io::stderr().lock().write_all(shown_lines(text).as_bytes());
}

/// Writes one JSON document to stdout.
pub(crate) fn print_json(document: &Value) -> Result<(), Failure> {
    print(&format!("{document:#}\n"))
}

/// Whether stdout is a terminal.
pub(crate) fn stdout_is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// Whether a person sits in front of stdin and stdout.
pub(crate) fn is_at_a_terminal() -> bool {
    io::stdin().is_terminal() && stdout_is_terminal()
}

/// Whether stderr is a terminal.
pub(crate) fn stderr_is_terminal() -> bool {
    io::stderr().is_terminal()
}

/// `1234567` as `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Bytes with separators and unit.
pub(crate) fn bytes(number: u64) -> String {
    format!("{} B", thousands(number))
}

/// `1 file`, `2 files`.
pub(crate) fn counted(number: u64, word: &str) -> String {
    format!(
        "{} {word}{}",
        thousands(number),
        if number == 1 { "" } else { "s" }
    )
}

/// Seconds as people say them.
pub(crate) fn seconds(seconds: f64) -> String {
    if seconds < 60.0 {
        format!("{seconds:.1} s")
    } else if seconds >= 7200.0 {
        let minutes = (seconds / 60.0).round();
        let (hours, rest) = ((minutes / 60.0).floor(), minutes % 60.0);
        format!("{hours:.0} h {rest:02.0} min")
    } else {
        let whole = seconds.round();
        let (minutes, rest) = ((whole / 60.0).floor(), whole % 60.0);
        format!("{minutes:.0} min {rest:02.0} s")
    }
}

/// The beginning of a digest or fingerprint, enough to recognise it.
pub(crate) fn short(digest: &str) -> String {
    let hex = digest.rsplit(':').next().unwrap_or(digest);
    if hex.chars().count() <= 12 {
        hex.to_owned()
    } else {
        format!("{}…", hex.chars().take(12).collect::<String>())
    }
}

/// Text cut between words into lines that fit; only a single word may be longer.
pub(crate) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if line.is_empty() {
            line.push_str(word);
        } else if line.chars().count() + 1 + word.chars().count() > room {
            line.truncate(line.trim_end().len());
            lines.push(word.to_owned());
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines
}

/// A text on one line of a terminal: names of files and values of rows may hold characters that would move its cursor.
pub(crate) fn shown(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect()
}

/// The same for text of several lines.
fn shown_lines(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\n' | '\t' => c,
            c if c.is_control() => '\u{fffd}',
            c => c,
        })
        .collect()
}

/// Which way a column leans.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Align {
    Left,
    Right,
}

/// Rows in aligned columns.
#[derive(Debug)]
pub(crate) struct Table {
    columns: Vec<(String, Align)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings; a heading that begins with `>` leans right.
    pub(crate) fn new(headings: &[&str]) -> Self {
        let columns = headings
            .iter()
            .map(|heading| match heading.strip_prefix('>') {
                Some(heading) => (heading.to_owned(), Align::Right),
                None => ((*heading).to_owned(), Align::Left),
            })
            .collect();
        Self {
            columns,
            rows: Vec::new(),
        }
    }

    /// Adds a row.
    pub(crate) fn row<I: IntoIterator<Item = String>>(&mut self, cells: I) {
        self.rows
            .push(cells.into_iter().map(|cell| shown(&cell)).collect());
    }

    /// The text, a line a row; nothing if there is no row.
    pub(crate) fn text(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut widths: Vec<usize> = self
            .columns
            .iter()
            .map(|(heading, _)| heading.chars().count())
            .collect();
        for row in &self.rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let aligns: Vec<Align> = self.columns.iter().map(|(_, align)| *align).collect();
        let headings: Vec<String> = self
            .columns
            .iter()
            .map(|(heading, _)| heading.clone())
            .collect();
        let mut text = aligned(&headings, &widths, &aligns);
        for row in &self.rows {
            text.push_str(&aligned(row, &widths, &aligns));
        }
        text
    }
}

/// One line of aligned cells.
pub(crate) fn aligned(cells: &[String], widths: &[usize], aligns: &[Align]) -> String {
    let mut line = String::new();
    for (at, ((cell, width), align)) in cells.iter().zip(widths).zip(aligns).enumerate() {
        let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
        if at > 0 {
            line.push_str("  ");
        }
        match align {
            Align::Left => line.push_str(&format!("{cell}{blanks}")),
            Align::Right => line.push_str(&format!("{blanks}{cell}")),
        }
    }
    let mut line = line.trim_end().to_owned();
    line.push('\n');
    line
}

/// A path as a shell takes it.
pub(crate) fn in_shell(path: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%=\\".contains(c);
    match path.chars().all(is_plain) && !path.starts_with('-') {
        true => path.to_owned(),
        false => format!("'{}'", path.replace('\'', "'\\''")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_as_people_read_them() {
        assert_eq!(thousands(0), "0");
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_234_567), "1,234,567");
        assert_eq!(counted(1, "row"), "1 row");
        assert_eq!(seconds(0.04), "0.0 s");
        assert_eq!(seconds(75.0), "1 min 15 s");
        assert_eq!(seconds(250_200.0), "69 h 30 min");
        assert_eq!(short("12:0123456789abcdef"), "0123456789ab…");
    }

    #[test]
    fn text_is_cut_between_words() {
        assert_eq!(wrapped("5 = 3 kept   new", 8), ["5 = 3", "kept", "new"]);
        assert_eq!(wrapped("indivisible", 3), ["indivisible"]);
        assert_eq!(wrapped("", 3), [""]);
    }

    #[test]
    fn no_name_moves_the_cursor() {
        let mut table = Table::new(&["object"]);
        table.row(["a\u{1b}[2J\nb".to_owned()]);
        assert_eq!(table.text(), "object\na\u{fffd}[2J\u{fffd}b\n");
        assert_eq!(
            shown_lines("a\u{1b}[2J\r\n\tb"),
            "a\u{fffd}[2J\u{fffd}\n\tb"
        );
    }

    #[test]
    fn columns_line_up() {
        let mut table = Table::new(&["name", ">rows"]);
        table.row(["a".to_owned(), "1".to_owned()]);
        table.row(["longer".to_owned(), "1,000".to_owned()]);
        expect_test::expect![[r#"
            name     rows
            a           1
            longer  1,000
        "#]]
        .assert_eq(&table.text());
    }
}
