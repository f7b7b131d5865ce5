//! Cuts UTF-8 text into records and fields, as a stream, with any delimiter and terminator. It knows nothing of columns or Arrow.
//!
//! Two passes over each chunk: the first notes where a byte stands that could begin a delimiter, a terminator or a quote (without a branch, so that
//! short fields cost little); the second walks over these marks only. All state outlives a chunk, so that where chunks end changes nothing.
//!
//! What the world ships, and what becomes of it:
//! - A field is quoted if the quote is its first character; inside, the quote is doubled, and delimiters and terminators are text.
//! - A quote elsewhere, or text after a closing quote, is a *stray quote*: the field is kept exactly as it stands in the file, and flagged.
//! - A quote that is never closed: the field is everything up to the end of the file, and flagged.
//! - The terminator after the last record may be missing. Bytes of the terminator that do not make it up are text.
//! - Without a declared terminator, `\n` and `\r\n` end a record, mixed or not; a lone `\r` is text.
//! - Lines are counted by `\n`, or by the terminator where it holds no `\n`.

use std::io::Read;

use crate::decode::Decoded;
use crate::{CsvOptions, Encoding, ErrorKind, SourceError};

/// How a field stood in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// Not quoted.
    Plain,
    /// Quoted; the span is what is inside.
    Quoted,
    /// Quoted, with doubled quotes inside.
    Escaped,
    /// With a quote where none belongs; the span is the field as it stands.
    Stray,
    /// Opened, never closed; the span is the rest of the file, the opening quote included.
    Unclosed,
}

/// Where a field stands in its record.
#[derive(Debug, Clone, Copy)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// Byte after the last.
    pub end: u32,
    /// How it stood there.
    pub kind: FieldKind,
}

/// The options, checked.
#[derive(Debug, Clone)]
pub struct Dialect {
    delimiter: Vec<u8>,
    /// None: `\n` or `\r\n`.
    terminator: Option<Vec<u8>>,
    quote: Option<u8>,
    terminator_in_fields: bool,
    line_bytes_max: usize,
}

impl Dialect {
    /// Checks the options of a feed.
    pub fn new(options: &CsvOptions) -> Result<Self, SourceError> {
        let fail = |what: String, hint: &str| {
            Err(
                SourceError::new(ErrorKind::Config, format!("cannot read CSV with {what}"))
                    .hint(hint),
            )
        };
        let delimiter = options.delimiter.as_bytes().to_vec();
        let terminator = options.terminator.as_ref().map(|t| t.as_bytes().to_vec());
        if delimiter.is_empty() || terminator.as_ref().is_some_and(Vec::is_empty) {
            return fail(
                "an empty delimiter or terminator".to_owned(),
                "give at least one character, e.g. `delimiter: \";\"`",
            );
        }
        if terminator.as_ref() == Some(&delimiter) {
            return fail(
                "a delimiter that is also the terminator".to_owned(),
                "fields and rows must end differently",
            );
        }
        if terminator.is_none() && delimiter.iter().any(|b| matches!(b, b'\r' | b'\n')) {
            return fail(
                "a line break in the delimiter".to_owned(),
                "declare `terminator:` too",
            );
        }
        let quote = match options.quote {
            None => None,
            Some(c) if c.is_ascii() && !matches!(c, '\r' | '\n') => Some(c as u8),
            Some(c) => {
                return fail(
                    format!("`{}` as quote", c.escape_debug()),
                    "use an ASCII character, or `quote: none`",
                );
            }
        };
        let clashes = |pattern: &[u8]| quote.is_some_and(|q| pattern.contains(&q));
        if clashes(&delimiter) || terminator.as_ref().is_some_and(|t| clashes(t)) {
            return fail(
                "a quote that is part of the delimiter or terminator".to_owned(),
                "set `quote: none` or another quote",
            );
        }
        if options.max_line_bytes > LINE_BYTES_MAX {
            return fail(
                format!("`max_line_bytes: {}`", options.max_line_bytes),
                &format!("a row has at most {LINE_BYTES_MAX} bytes"),
            );
        }
        Ok(Self {
            delimiter,
            terminator,
            quote,
            terminator_in_fields: options.terminator_in_fields,
            line_bytes_max: options.max_line_bytes.max(1),
        })
    }

    fn is_simple(&self) -> bool {
        let newline = self.terminator.as_deref().is_none_or(|t| t == b"\n");
        self.delimiter.len() == 1 && newline && !self.terminator_in_fields
    }
}

enum State {
    /// In a field that is not quoted.
    Plain,
    /// Behind an opening quote.
    Quoted { escaped: bool },
    /// Behind a quote inside a quoted field: closed, or the first of two.
    QuoteSeen { escaped: bool, close: usize },
}

enum Step {
    Record,
    More,
}

enum Boundary {
    Delimiter(usize),
    Terminator(usize),
    /// The chunk ends before it can be told.
    Unknown,
    None,
}

/// How a message says that a row is longer than it may be.
pub(crate) fn over_limit(line_bytes_max: usize) -> String {
    format!("is longer than {line_bytes_max} bytes")
}

/// A reader of records.
pub struct CsvReader<R> {
    input: Decoded<R>,
    name: String,
    dialect: Dialect,
    chunk: usize,
    fields_expected: usize,

    buffer: Vec<u8>,
    end: usize,
    input_ended: bool,
    /// Bytes known to be UTF-8, from the start of the buffer.
    valid_to: usize,
    /// An invalid byte was met: each record is looked at from now on.
    invalid_met: bool,

    is_mark: [bool; 256],
    marks: Vec<u32>,
    marks_end: usize,
    mark_next: usize,

    state: State,
    stray: bool,
    quote_met: bool,
    flawed: bool,
    record_start: usize,
    field_start: usize,
    spans: Vec<Span>,

    record_end: usize,
    next_start: usize,
    line: u64,
    next_line: u64,
}

/// Fields of one record; a terminator that never comes must not fill the memory.
pub(crate) const FIELDS_MAX: usize = 1 << 20;
/// The greatest `max_line_bytes`: as JSON in `_rescued` a row may take six times its bytes, and a column of a batch holds 2 GiB.
const LINE_BYTES_MAX: usize = 256 << 20;

impl<R: Read> CsvReader<R> {
    /// Reads `input`, called `name` in errors, `chunk` bytes at a time.
    pub fn new(input: Decoded<R>, name: &str, dialect: Dialect, chunk: usize) -> Self {
        let mut is_mark = [false; 256];
        is_mark[usize::from(dialect.delimiter[0])] = true;
        is_mark[usize::from(dialect.terminator.as_ref().map_or(b'\n', |t| t[0]))] = true;
        if let Some(quote) = dialect.quote {
            is_mark[usize::from(quote)] = true;
        }
        Self {
            input,
            name: name.to_owned(),
            dialect,
            chunk: chunk.max(1),
            fields_expected: 0,
            buffer: Vec::new(),
            end: 0,
            input_ended: false,
            valid_to: 0,
            invalid_met: false,
            is_mark,
            marks: Vec::new(),
            marks_end: 0,
            mark_next: 0,
            state: State::Plain,
            stray: false,
            quote_met: false,
            flawed: false,
            record_start: 0,
            field_start: 0,
            spans: Vec::new(),
            record_end: 0,
            next_start: 0,
            line: 1,
            next_line: 1,
        }
    }

    /// How many fields a record has; needed where a terminator may be part of a field.
    pub fn expect_fields(&mut self, n: usize) {
        self.fields_expected = n;
    }

    /// The encoding found.
    pub fn encoding(&self) -> Encoding {
        self.input.encoding()
    }

    /// Gives the input back.
    pub fn into_input(self) -> R {
        self.input.into_inner()
    }

    /// Goes to the next record; false at the end.
    pub fn advance(&mut self) -> Result<bool, SourceError> {
        self.record_start = self.next_start;
        self.field_start = self.record_start;
        self.line = self.next_line;
        self.spans.clear();
        self.state = State::Plain;
        self.stray = false;
        self.quote_met = false;
        self.flawed = false;
        loop {
            let step = if self.dialect.is_simple() {
                self.scan::<true>()
            } else {
                self.scan::<false>()
            };
            match step {
                Step::Record => break,
                Step::More => {
                    // The bytes at the end may belong to a terminator that is not complete yet.
                    let slack = self.dialect.delimiter.len()
                        + self.dialect.terminator.as_ref().map_or(2, Vec::len);
                    self.check_size(self.end.saturating_sub(slack).max(self.record_start))?;
                    if self.input_ended {
                        if !self.finish() {
                            return Ok(false);
                        }
                        break;
                    }
                    self.refill()?;
                }
            }
        }
        self.check_size(self.record_end)?;
        self.next_line += self.lines_in_record();
        Ok(true)
    }

    /// The bytes of the record, without its terminator.
    pub fn record(&self) -> &[u8] {
        &self.buffer[self.record_start..self.record_end]
    }

    /// What follows the record in the buffer too: lets short fields be copied in one step.
    pub(crate) fn record_and_beyond(&self) -> &[u8] {
        &self.buffer[self.record_start..]
    }

    /// Its fields.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Whether it is the end of the input that ends it.
    pub(crate) fn is_last(&self) -> bool {
        self.input_ended && self.next_start >= self.end
    }

    /// Its first line, from 1.
    pub fn line(&self) -> u64 {
        self.line
    }

    /// Lines up to the end of the record.
    pub(crate) fn lines(&self) -> u64 {
        self.line.max(self.next_line - 1)
    }

    /// Whether the record is an empty line.
    pub fn is_blank(&self) -> bool {
        matches!(self.spans[..], [Span { start, end, kind: FieldKind::Plain }] if start == end)
    }

    /// Whether a field of the record is stray or unclosed.
    pub fn is_flawed(&self) -> bool {
        self.flawed
    }

    /// Whether the record is valid UTF-8.
    pub fn is_valid(&self) -> bool {
        !self.invalid_met || std::str::from_utf8(self.record()).is_ok()
    }

    /// The text of a field, doubled quotes made single.
    pub fn field(&self, span: Span) -> Vec<u8> {
        let mut out = Vec::with_capacity((span.end - span.start) as usize);
        self.append_field(span, &mut out);
        out
    }

    /// Appends the text of a field.
    pub fn append_field(&self, span: Span, out: &mut Vec<u8>) {
        let mut rest = &self.record()[span.start as usize..span.end as usize];
        if span.kind != FieldKind::Escaped {
            out.extend_from_slice(rest);
            return;
        }
        let quote = self.dialect.quote.expect("an escaped field is quoted");
        while let Some(i) = memchr::memchr(quote, rest) {
            out.extend_from_slice(&rest[..=i]);
            rest = rest.get(i + 2..).unwrap_or_default();
        }
        out.extend_from_slice(rest);
    }

    fn check_size(&self, end: usize) -> Result<(), SourceError> {
        let too_long = end - self.record_start > self.dialect.line_bytes_max;
        if !too_long && self.spans.len() <= FIELDS_MAX {
            return Ok(());
        }
        let what = if too_long {
            over_limit(self.dialect.line_bytes_max)
        } else {
            format!("has more than {FIELDS_MAX} fields")
        };
        let why = if matches!(self.state, State::Quoted { .. }) {
            "; a quote in it is opened and not closed"
        } else {
            ""
        };
        Err(SourceError::new(ErrorKind::Broken, format!("cannot read `{}`: the row that begins in line {} {what}{why}", self.name, self.line))
            .hint(if too_long { "check `terminator`, `delimiter` and `quote` under `csv` of the feed, or raise `max_line_bytes` there" } else { "check `terminator` and `delimiter` under `csv` of the feed" })
            .object(&self.name))
    }

    fn lines_in_record(&self) -> u64 {
        let bytes = &self.buffer[self.record_start..self.next_start];
        match self.dialect.terminator.as_deref() {
            None | Some(b"\n") if !self.quote_met && !self.dialect.terminator_in_fields => 1,
            Some(t) if !t.contains(&b'\n') => memchr::memmem::find_iter(bytes, t).count() as u64,
            _ => memchr::memchr_iter(b'\n', bytes).count() as u64,
        }
    }

    /// The last record, which the end of the input ends.
    fn finish(&mut self) -> bool {
        if self.record_start == self.end {
            return false;
        }
        let kind = match self.state {
            State::Plain => (
                self.field_start,
                self.end,
                if self.stray {
                    FieldKind::Stray
                } else {
                    FieldKind::Plain
                },
            ),
            State::Quoted { .. } => (self.field_start, self.end, FieldKind::Unclosed),
            State::QuoteSeen { escaped, close } => (
                self.field_start + 1,
                close,
                if escaped {
                    FieldKind::Escaped
                } else {
                    FieldKind::Quoted
                },
            ),
        };
        self.push(kind.0, kind.1, kind.2);
        self.record_end = self.end;
        self.next_start = self.end;
        true
    }

    #[inline]
    fn push(&mut self, start: usize, end: usize, kind: FieldKind) {
        self.flawed |= matches!(kind, FieldKind::Stray | FieldKind::Unclosed);
        self.spans.push(Span {
            start: (start - self.record_start) as u32,
            end: (end - self.record_start) as u32,
            kind,
        });
    }

    fn refill(&mut self) -> Result<(), SourceError> {
        if self.record_start > 0 {
            let shift = self.record_start;
            self.buffer.copy_within(shift..self.end, 0);
            self.end -= shift;
            self.field_start -= shift;
            self.record_start = 0;
            self.valid_to = self.valid_to.saturating_sub(shift);
            if let State::QuoteSeen { close, .. } = &mut self.state {
                *close -= shift;
            }
            for mark in &mut self.marks[self.mark_next..self.marks_end] {
                *mark -= shift as u32;
            }
        }
        // Within a long record too, or its marks would take more room than its bytes.
        self.marks.copy_within(self.mark_next..self.marks_end, 0);
        self.marks_end -= self.mark_next;
        self.mark_next = 0;
        if self.buffer.len() < self.end + self.chunk {
            self.buffer
                .resize((self.end + self.chunk).max(self.buffer.len() * 2), 0);
        }
        let n = self
            .input
            .fill(&mut self.buffer[self.end..self.end + self.chunk])
            .map_err(|e| match e.kind() {
                std::io::ErrorKind::InvalidInput
                | std::io::ErrorKind::InvalidData
                | std::io::ErrorKind::UnexpectedEof => SourceError::new(
                    ErrorKind::Broken,
                    format!(
                        "cannot read `{}`: its compression ends early or is damaged",
                        self.name
                    ),
                )
                .hint("have it delivered again")
                .object(&self.name)
                .cause(e),
                _ => crate::format::reading(&self.name, e),
            })?;
        let from = self.end;
        self.end += n;
        self.input_ended = n == 0;
        self.find_marks(from);
        self.validate();
        Ok(())
    }

    fn find_marks(&mut self, from: usize) {
        let bytes = &self.buffer[from..self.end];
        if self.marks.len() < self.marks_end + bytes.len() {
            self.marks
                .resize((self.marks_end + bytes.len()).max(self.marks.len() * 2), 0);
        }
        let marks = &mut self.marks[self.marks_end..];
        let mut n = 0;
        for (i, &byte) in bytes.iter().enumerate() {
            marks[n] = (from + i) as u32;
            n += usize::from(self.is_mark[usize::from(byte)]);
        }
        self.marks_end += n;
    }

    fn validate(&mut self) {
        if self.invalid_met {
            return;
        }
        match std::str::from_utf8(&self.buffer[self.valid_to..self.end]) {
            Ok(_) => self.valid_to = self.end,
            // A character that the chunk cuts: the next one completes it.
            Err(e) if e.error_len().is_none() && !self.input_ended => {
                self.valid_to += e.valid_up_to()
            }
            Err(_) => self.invalid_met = true,
        }
    }

    /// Walks over the marks until the record ends or the marks do.
    fn scan<const SIMPLE: bool>(&mut self) -> Step {
        loop {
            match self.state {
                State::Plain => {
                    let Some(step) = self.scan_plain::<SIMPLE>() else {
                        continue;
                    };
                    return step;
                }
                State::Quoted { escaped } => {
                    let quote = self.dialect.quote.expect("a quoted field has a quote");
                    loop {
                        if self.mark_next == self.marks_end {
                            return Step::More;
                        }
                        let at = self.marks[self.mark_next] as usize;
                        self.mark_next += 1;
                        if self.buffer[at] == quote && at > self.field_start {
                            self.state = State::QuoteSeen { escaped, close: at };
                            break;
                        }
                    }
                }
                State::QuoteSeen { escaped, close } => {
                    let at = close + 1;
                    if at == self.end {
                        return Step::More;
                    }
                    if Some(self.buffer[at]) == self.dialect.quote {
                        self.mark_next += 1;
                        self.state = State::Quoted { escaped: true };
                        continue;
                    }
                    let kind = if escaped {
                        FieldKind::Escaped
                    } else {
                        FieldKind::Quoted
                    };
                    let boundary = match (&self.dialect.terminator, self.buffer[at]) {
                        (None, b'\r') if at + 1 == self.end && !self.input_ended => {
                            Boundary::Unknown
                        }
                        (None, b'\r') if at + 1 < self.end && self.buffer[at + 1] == b'\n' => {
                            Boundary::Terminator(2)
                        }
                        _ => self.boundary(at),
                    };
                    match boundary {
                        Boundary::Unknown => return Step::More,
                        Boundary::Delimiter(length) => {
                            self.push(self.field_start + 1, close, kind);
                            self.begin_field(at + length);
                        }
                        Boundary::Terminator(length) if self.may_end() => {
                            self.push(self.field_start + 1, close, kind);
                            return self.end_record(at, at + length);
                        }
                        Boundary::Terminator(_) | Boundary::None => {
                            self.stray = true;
                            self.state = State::Plain;
                        }
                    }
                }
            }
        }
    }

    /// None: the state has changed.
    #[inline]
    fn scan_plain<const SIMPLE: bool>(&mut self) -> Option<Step> {
        let delimiter = self.dialect.delimiter[0];
        // A byte that is never a mark where nothing is quoted.
        let quote = self.dialect.quote.unwrap_or(delimiter);
        loop {
            if self.mark_next == self.marks_end {
                return Some(Step::More);
            }
            let at = self.marks[self.mark_next] as usize;
            let byte = self.buffer[at];
            if !SIMPLE && at < self.field_start {
                // Inside a delimiter of several bytes that is behind us.
                self.mark_next += 1;
                continue;
            }
            let boundary = if byte == quote && quote != delimiter {
                self.mark_next += 1;
                self.quote_met = true;
                if at == self.field_start {
                    self.state = State::Quoted { escaped: false };
                    return None;
                }
                self.stray = true;
                continue;
            } else if SIMPLE {
                if byte == delimiter {
                    Boundary::Delimiter(1)
                } else {
                    Boundary::Terminator(1)
                }
            } else {
                self.boundary(at)
            };
            let kind = if self.stray {
                FieldKind::Stray
            } else {
                FieldKind::Plain
            };
            match boundary {
                Boundary::Delimiter(length) => {
                    self.mark_next += 1;
                    self.push(self.field_start, at, kind);
                    self.field_start = at + length;
                    self.stray = false;
                    if self.spans.len() > FIELDS_MAX {
                        return Some(Step::More);
                    }
                }
                Boundary::Terminator(length) if self.may_end() => {
                    let carriage_return = self.dialect.terminator.is_none()
                        && at > self.field_start
                        && self.buffer[at - 1] == b'\r';
                    let end = at - usize::from(carriage_return);
                    self.push(self.field_start, end, kind);
                    self.mark_next += 1;
                    return Some(self.end_record(end, at + length));
                }
                Boundary::Unknown => return Some(Step::More),
                Boundary::Terminator(_) | Boundary::None => self.mark_next += 1,
            }
        }
    }

    fn may_end(&self) -> bool {
        !self.dialect.terminator_in_fields || self.spans.len() + 1 >= self.fields_expected
    }

    fn begin_field(&mut self, at: usize) {
        self.field_start = at;
        self.stray = false;
        self.state = State::Plain;
        self.skip_marks_before(at);
    }

    fn end_record(&mut self, end: usize, next: usize) -> Step {
        self.record_end = end;
        self.next_start = next;
        self.skip_marks_before(next);
        Step::Record
    }

    fn skip_marks_before(&mut self, at: usize) {
        while self.mark_next < self.marks_end && (self.marks[self.mark_next] as usize) < at {
            self.mark_next += 1;
        }
    }

    /// What begins at `at`; of a delimiter and a terminator that begin alike, the longer.
    fn boundary(&self, at: usize) -> Boundary {
        let rest = &self.buffer[at..self.end];
        let delimiter = &self.dialect.delimiter[..];
        let terminator = self.dialect.terminator.as_deref().unwrap_or(b"\n");
        let is = |pattern: &[u8]| {
            if rest.len() >= pattern.len() {
                Some(rest.starts_with(pattern))
            } else if pattern.starts_with(rest) && !self.input_ended {
                None
            } else {
                Some(false)
            }
        };
        let terminator_found = || match is(terminator) {
            None => Boundary::Unknown,
            Some(true) => Boundary::Terminator(terminator.len()),
            Some(false) => Boundary::None,
        };
        let delimiter_found = || match is(delimiter) {
            None => Boundary::Unknown,
            Some(true) => Boundary::Delimiter(delimiter.len()),
            Some(false) => Boundary::None,
        };
        if terminator.len() >= delimiter.len() {
            if let found @ (Boundary::Unknown | Boundary::Terminator(_)) = terminator_found() {
                found
            } else {
                delimiter_found()
            }
        } else if let found @ (Boundary::Unknown | Boundary::Delimiter(_)) = delimiter_found() {
            found
        } else {
            terminator_found()
        }
    }
}
