//! One line typed at a terminal: moving, deleting, history, completion. Nothing but `console`, which draws the progress bars too, is needed.

use std::io;

use console::{Key, Term, measure_text_width};

/// What became of a line.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Typed {
    /// It was entered.
    Line(String),
    /// Ctrl-C: it is thrown away.
    GivenUp,
    /// Ctrl-D on an empty line, or the terminal is gone.
    End,
}

/// A line while it is typed.
struct Line {
    letters: Vec<char>,
    /// The cursor stands before this letter.
    at: usize,
}

impl Line {
    fn of(text: &str) -> Self {
        let letters: Vec<char> = text.chars().collect();
        Self {
            at: letters.len(),
            letters,
        }
    }

    fn text(&self) -> String {
        self.letters.iter().collect()
    }

    fn before(&self) -> String {
        self.letters[..self.at].iter().collect()
    }

    fn insert(&mut self, text: &str) {
        for letter in text.chars() {
            self.letters.insert(self.at, letter);
            self.at += 1;
        }
    }

    fn delete(&mut self, from: usize, to: usize) {
        self.letters.drain(from..to);
        self.at = from;
    }

    /// Where the word before the cursor begins.
    fn word(&self) -> usize {
        let mut at = self.at;
        while at > 0 && self.letters[at - 1].is_whitespace() {
            at -= 1;
        }
        while at > 0 && !self.letters[at - 1].is_whitespace() {
            at -= 1;
        }
        at
    }
}

/// Reads lines, and remembers what was entered.
pub(crate) struct Reader {
    term: Term,
    /// Oldest first.
    pub(crate) history: Vec<String>,
}

/// Names that the text before the cursor could go on with: how many letters of it they replace, and the names.
pub(crate) type Complete<'c> = &'c dyn Fn(&str) -> (usize, Vec<String>);

impl Reader {
    /// A reader at the terminal of stdout.
    pub(crate) fn new(history: Vec<String>) -> Self {
        Self {
            term: Term::stdout(),
            history,
        }
    }

    /// One line.
    pub(crate) fn read(&self, prompt: &str, complete: Complete<'_>) -> io::Result<Typed> {
        let _keys = Keys::taken();
        let mut line = Line::of("");
        // What was typed before going back in history stands behind its newest entry.
        let mut past = self.history.len();
        let mut newest = String::new();
        // Terminal rows from the first of the line to the cursor.
        let mut below = 0;
        loop {
            below = self.draw(prompt, &line, below)?;
            let key = match self.term.read_key_raw() {
                Ok(key) => key,
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Ok(Typed::End);
                }
                Err(error) => return Err(error),
            };
            match key {
                Key::Enter => {
                    line.at = line.letters.len();
                    self.draw(prompt, &line, below)?;
                    self.term.write_line("")?;
                    return Ok(Typed::Line(line.text()));
                }
                Key::CtrlC => {
                    self.term.write_line("^C")?;
                    return Ok(Typed::GivenUp);
                }
                Key::Char('\u{4}') if line.letters.is_empty() => {
                    self.term.write_line("")?;
                    return Ok(Typed::End);
                }
                Key::Char('\u{4}') | Key::Del if line.at < line.letters.len() => {
                    line.delete(line.at, line.at + 1);
                }
                Key::Backspace if line.at > 0 => line.delete(line.at - 1, line.at),
                Key::Char('\u{b}') => line.letters.truncate(line.at),
                Key::Char('\u{15}') => line.delete(0, line.at),
                Key::Char('\u{17}') => line.delete(line.word(), line.at),
                Key::Char('\u{c}') => {
                    self.term.clear_screen()?;
                    below = 0;
                }
                Key::ArrowLeft => line.at = line.at.saturating_sub(1),
                Key::ArrowRight => line.at = (line.at + 1).min(line.letters.len()),
                Key::Home => line.at = 0,
                Key::End => line.at = line.letters.len(),
                Key::ArrowUp if past > 0 => {
                    if past == self.history.len() {
                        newest = line.text();
                    }
                    past -= 1;
                    line = Line::of(&self.history[past]);
                }
                Key::ArrowDown if past < self.history.len() => {
                    past += 1;
                    line = Line::of(self.history.get(past).unwrap_or(&newest));
                }
                Key::Tab => {
                    let (letters, names) = complete(&line.before());
                    let common = common_beginning(&names);
                    if common.chars().count() > letters || names.len() == 1 {
                        line.delete(line.at - letters, line.at);
                        line.insert(&common);
                    } else if names.len() > 1 {
                        self.term.write_line("")?;
                        self.term.write_line(&names.join("  "))?;
                        below = 0;
                    }
                }
                Key::Char(letter) if !letter.is_control() => line.insert(&letter.to_string()),
                _ => {}
            }
        }
    }

    /// Writes the line anew, the cursor in its place; gives the rows between the line's first and the cursor.
    fn draw(&self, prompt: &str, line: &Line, below: usize) -> io::Result<usize> {
        let width = usize::from(self.term.size().1).max(1);
        self.term.move_cursor_up(below)?;
        self.term.write_str("\r")?;
        self.term.clear_to_end_of_screen()?;
        self.term.write_str(&format!("{prompt}{}", line.text()))?;
        let cells = |text: &str| measure_text_width(prompt) + measure_text_width(text);
        let (end, cursor) = (cells(&line.text()), cells(&line.before()));
        // At the right edge the cursor hangs on the last cell until more comes.
        if end > 0 && end % width == 0 {
            self.term.write_str("\r\n")?;
        }
        self.term.move_cursor_up(end / width - cursor / width)?;
        self.term.write_str("\r")?;
        self.term.move_cursor_right(cursor % width)?;
        Ok(cursor / width)
    }
}

/// Keys come as they are typed and are not shown by the terminal itself, also between two that are read.
#[cfg(unix)]
struct Keys(Option<rustix::termios::Termios>);

#[cfg(unix)]
impl Keys {
    fn taken() -> Self {
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(io::stdin()).ok();
        if let Some(before) = &before {
            let mut raw = before.clone();
            raw.make_raw();
            raw.output_modes = before.output_modes;
            // A terminal that cannot be set still reads lines.
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, &raw);
        }
        Self(before)
    }
}

#[cfg(unix)]
impl Drop for Keys {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        if let Some(before) = &self.0 {
            let _ = tcsetattr(io::stdin(), OptionalActions::Drain, before);
        }
    }
}

#[cfg(not(unix))]
struct Keys;

#[cfg(not(unix))]
impl Keys {
    fn taken() -> Self {
        Self
    }
}

fn common_beginning(names: &[String]) -> String {
    let Some((first, others)) = names.split_first() else {
        return String::new();
    };
    let mut common = first.as_str();
    for name in others {
        while !name.starts_with(common) {
            let mut letters = common.chars();
            letters.next_back();
            common = letters.as_str();
        }
    }
    common.to_owned()
}
