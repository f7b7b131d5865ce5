//! Text with separators, as spreadsheets write it, cut into cells with positions; nothing about what the cells mean.
//!
//! The separator is the one that the first row uses: `;`, `,` or a tab, or what a line `sep=;` before it says. Blanks around a cell's text
//! do not count, rows without any text neither.

use crate::decode::printable;
use crate::diagnostic::{Place, Reporter};
use crate::yaml;

/// A sheet's rows that hold something.
#[derive(Debug)]
pub(crate) struct Sheet {
    pub(crate) separator: char,
    pub(crate) rows: Vec<Vec<Cell>>,
    letters: Vec<char>,
}

/// One cell.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Where its text begins.
    pub(crate) at: Place,
    /// Without the quotes and blanks around it; empty if there is nothing else.
    pub(crate) text: String,
    /// The first letter of its text in the file.
    start: usize,
    quoted: bool,
}

/// A letter of a cell's text in the file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spot {
    pub(crate) line: u32,
    pub(crate) column: u32,
    /// From the beginning of the file.
    pub(crate) index: usize,
}

/// What spreadsheets put around a text: the blank that does not break, too.
pub(crate) fn is_blank(letter: char) -> bool {
    matches!(letter, ' ' | '\t' | '\r' | '\n' | '\u{a0}' | '\u{202f}')
}

/// Cuts a file into rows; what is wrong is reported. `None` if the rest cannot be read.
pub(crate) fn read(file: u32, text: &str, report: &mut Reporter) -> Option<Sheet> {
    if !yaml::fits(file, text, report) {
        return None;
    }
    let letters: Vec<char> = text.chars().collect();
    let mut cutter = Cutter {
        file,
        letters: &letters,
        at: 0,
        line: 1,
        column: 1,
        separator: ',',
    };
    cutter.find_separator();
    let mut rows = Vec::new();
    while cutter.at < letters.len() {
        let row = cutter.row(report)?;
        if row.iter().any(|cell| !cell.text.is_empty()) {
            rows.push(row);
        }
    }
    Some(Sheet {
        separator: cutter.separator,
        rows,
        letters,
    })
}

impl Sheet {
    /// Where each letter of a cell's text stands in the file; one more for its end.
    pub(crate) fn spots(&self, cell: &Cell) -> Vec<Spot> {
        let mut spots = Vec::with_capacity(cell.text.len() + 1);
        let mut spot = Spot {
            line: cell.at.line,
            column: cell.at.column,
            index: cell.start,
        };
        let forward = |spot: &mut Spot| {
            if self.letters.get(spot.index) == Some(&'\n') {
                spot.line += 1;
                spot.column = 0;
            }
            spot.column += 1;
            spot.index += 1;
        };
        for letter in cell.text.chars() {
            if letter == '\n' && self.letters.get(spot.index) == Some(&'\r') {
                forward(&mut spot);
            }
            spots.push(spot);
            forward(&mut spot);
            // Within quotes a quote is written twice.
            if cell.quoted && letter == '"' {
                forward(&mut spot);
            }
        }
        spots.push(spot);
        spots
    }
}

struct Cutter<'t> {
    file: u32,
    letters: &'t [char],
    at: usize,
    line: u32,
    column: u32,
    separator: char,
}

impl Cutter<'_> {
    fn peek(&self) -> Option<char> {
        self.letters.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let letter = self.peek()?;
        self.at += 1;
        self.column += 1;
        if letter == '\n' {
            self.line += 1;
            self.column = 1;
        }
        Some(letter)
    }

    fn here(&self) -> Place {
        Place {
            file: self.file,
            line: self.line,
            column: self.column,
            length: 1,
        }
    }

    /// The one that separates most in the first row with text; a line `sep=;` is Excel's own and no row.
    fn find_separator(&mut self) {
        let lines: String = self.letters.iter().collect();
        let first = lines.lines().find(|line| !line.trim().is_empty());
        let said = first.and_then(|line| line.trim_end().strip_prefix("sep="));
        if let Some(said) = said
            && let (Some(separator), None) = (said.chars().next(), said.chars().nth(1))
        {
            self.separator = separator;
            while self.next().is_some_and(|letter| letter != '\n') {}
            return;
        }
        let mut within = false;
        let mut counts = [(';', 0), (',', 0), ('\t', 0)];
        for letter in first.unwrap_or_default().chars() {
            within ^= letter == '"';
            for (separator, count) in &mut counts {
                *count += usize::from(!within && letter == *separator);
            }
        }
        // Of as many the first.
        let most = counts.iter().map(|(_, count)| *count).max().unwrap_or(0);
        if let Some((separator, 1..)) = counts.iter().find(|(_, count)| *count == most) {
            self.separator = *separator;
        }
    }

    fn ends_cell(&self) -> bool {
        self.peek()
            .is_none_or(|letter| letter == self.separator || letter == '\n')
    }

    fn row(&mut self, report: &mut Reporter) -> Option<Vec<Cell>> {
        let mut row = Vec::new();
        loop {
            row.push(self.cell(report)?);
            match self.next() {
                Some(letter) if letter == self.separator => {}
                _ => return Some(row),
            }
        }
    }

    fn cell(&mut self, report: &mut Reporter) -> Option<Cell> {
        self.skip_blanks();
        let mut cell = Cell {
            at: self.here(),
            text: String::new(),
            start: self.at,
            quoted: self.peek() == Some('"'),
        };
        if cell.quoted {
            let opened = self.here();
            self.next();
            while self.peek().is_some_and(is_blank) {
                self.next();
            }
            cell.at = self.here();
            cell.start = self.at;
            loop {
                match self.next() {
                    Some('"') if self.peek() == Some('"') => {
                        self.next();
                        cell.text.push('"');
                    }
                    Some('"') => break,
                    Some('\r') if self.peek() == Some('\n') => {}
                    Some(letter) => cell.text.push(letter),
                    None => {
                        report.error(
                            opened,
                            "a quote is opened here and not closed",
                            "close it at the end of the cell; a quote within a quoted cell is written twice",
                        );
                        return None;
                    }
                }
            }
            let rest = self.here();
            let mut left = String::new();
            while !self.ends_cell() {
                left.extend(self.next());
            }
            if !left.trim_matches(is_blank).is_empty() {
                report.error(
                    rest,
                    format!(
                        "`{}` stands after the quote that ends the cell",
                        printable(left.trim_matches(is_blank))
                    ),
                    "a quote within a quoted cell is written twice",
                );
            }
        } else {
            while !self.ends_cell() {
                cell.text.extend(self.next());
            }
        }
        let length = cell.text.trim_end_matches(is_blank).len();
        cell.text.truncate(length);
        let written = cell.text.chars().count();
        let doubled = match cell.quoted {
            true => cell.text.matches('"').count(),
            false => 0,
        };
        cell.at.length = match cell.text.contains('\n') {
            true => 1,
            false => (written + doubled).max(1) as u32,
        };
        Some(cell)
    }

    /// Blanks of the line that separate nothing.
    fn skip_blanks(&mut self) {
        while self
            .peek()
            .is_some_and(|letter| is_blank(letter) && letter != '\n' && letter != self.separator)
        {
            self.next();
        }
    }
}
