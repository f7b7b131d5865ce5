//! JSON as text (RFC 8259, strictly): where a value ends, the members of an object, what a string says. No value is converted, so that a number keeps
//! its digits and a nested value its text; no recursion follows the nesting, so that none is too deep for the stack.
//!
//! Written here because what there is does less: serde_json gives raw text only under a feature that would be on for all crates, and bounds the depth;
//! struson, which streams, prints nested values anew. Columns and rows are left to `json_file`.

use std::ops::Range;

/// What is no JSON, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed {
    /// Bytes before it.
    pub(crate) at: usize,
    pub(crate) why: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A value is expected.
    Value,
    /// Behind `[`.
    FirstElement,
    /// Behind `{`.
    FirstKey,
    /// Behind `,` in an object.
    Key,
    Colon,
    /// Behind a value in a container.
    Comma,
    Text,
    Escape,
    /// So many hexadecimal digits are still to come.
    Hex(u8),
    Minus,
    Zero,
    Digits,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
    /// The rest of `true`, `false` or `null`.
    Word(&'static [u8]),
    End,
}

/// Finds where one value ends, in pieces of any size.
#[derive(Debug)]
pub(crate) struct Scanner {
    state: State,
    /// Open containers; true for an object.
    open: Vec<bool>,
    in_key: bool,
    deepest: usize,
    seen: usize,
}

impl Scanner {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Value,
            open: Vec::new(),
            in_key: false,
            deepest: 0,
            seen: 0,
        }
    }

    /// How many containers were open at once.
    pub(crate) fn depth(&self) -> usize {
        self.deepest
    }

    /// How many bytes of the value were taken.
    pub(crate) fn passed(&self) -> usize {
        self.seen
    }

    pub(crate) fn is_done(&self) -> bool {
        self.state == State::End
    }

    /// Takes bytes up to the end of the value; how many belong to it. If they all do, [`Scanner::is_done`] tells whether it has ended.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && self.state != State::End {
            if self.state == State::Text {
                // Most bytes are inside texts.
                let rest = &bytes[at..];
                at += rest
                    .iter()
                    .position(|b| matches!(b, b'"' | b'\\' | 0..0x20))
                    .unwrap_or(rest.len());
                if at == bytes.len() {
                    break;
                }
            }
            match self.step(bytes[at]) {
                Ok(true) => at += 1,
                Ok(false) => {}
                Err(why) => {
                    return Err(Malformed {
                        at: self.seen + at,
                        why,
                    });
                }
            }
        }
        self.seen += at;
        Ok(at)
    }

    /// The input ends here.
    pub(crate) fn finish(&mut self) -> Result<(), Malformed> {
        if self.ends_number() && self.open.is_empty() {
            self.state = State::End;
        }
        if self.state == State::End {
            return Ok(());
        }
        Err(Malformed {
            at: self.seen,
            why: "it ends early",
        })
    }

    fn ends_number(&self) -> bool {
        matches!(
            self.state,
            State::Zero | State::Digits | State::Fraction | State::ExponentDigits
        )
    }

    fn value_is_over(&mut self) {
        self.state = match self.open.is_empty() {
            true => State::End,
            false => State::Comma,
        };
    }

    /// Takes a byte; false if it ends a number and is to be looked at again.
    fn step(&mut self, byte: u8) -> Result<bool, &'static str> {
        let is_space = matches!(byte, b' ' | b'\t' | b'\n' | b'\r');
        match self.state {
            State::Value
            | State::FirstElement
            | State::FirstKey
            | State::Key
            | State::Colon
            | State::Comma
                if is_space => {}
            State::FirstElement if byte == b']' => self.close(false)?,
            State::Value | State::FirstElement => self.begin_value(byte)?,
            State::FirstKey if byte == b'}' => self.close(true)?,
            State::FirstKey | State::Key => match byte {
                b'"' => {
                    self.in_key = true;
                    self.state = State::Text;
                }
                _ => return Err("a name in quotes is expected"),
            },
            State::Colon => match byte {
                b':' => self.state = State::Value,
                _ => return Err("`:` is expected"),
            },
            State::Comma => match (byte, self.open.last()) {
                (b',', Some(true)) => self.state = State::Key,
                (b',', _) => self.state = State::Value,
                (b'}', _) => self.close(true)?,
                (b']', _) => self.close(false)?,
                (_, Some(true)) => return Err("`,` or `}` is expected"),
                _ => return Err("`,` or `]` is expected"),
            },
            State::Text => match byte {
                b'"' if self.in_key => {
                    self.in_key = false;
                    self.state = State::Colon;
                }
                b'"' => self.value_is_over(),
                b'\\' => self.state = State::Escape,
                0..0x20 => return Err("a control character stands in a text"),
                _ => {}
            },
            State::Escape => {
                self.state = match byte {
                    b'u' => State::Hex(4),
                    b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => State::Text,
                    _ => return Err("an escape is none of JSON"),
                }
            }
            State::Hex(left) => {
                if !byte.is_ascii_hexdigit() {
                    return Err("`\\u` needs four hexadecimal digits");
                }
                self.state = match left {
                    1 => State::Text,
                    more => State::Hex(more - 1),
                };
            }
            State::Minus => {
                self.state = match byte {
                    b'0' => State::Zero,
                    b'1'..=b'9' => State::Digits,
                    _ => return Err("a digit is expected"),
                }
            }
            State::Zero | State::Digits => match byte {
                b'0'..=b'9' if self.state == State::Zero => {
                    return Err("a number begins with a zero");
                }
                b'0'..=b'9' => {}
                b'.' => self.state = State::Point,
                b'e' | b'E' => self.state = State::Exponent,
                _ => return self.number_ends(byte),
            },
            State::Point => match byte {
                b'0'..=b'9' => self.state = State::Fraction,
                _ => return Err("a digit is expected"),
            },
            State::Fraction => match byte {
                b'0'..=b'9' => {}
                b'e' | b'E' => self.state = State::Exponent,
                _ => return self.number_ends(byte),
            },
            State::Exponent => {
                self.state = match byte {
                    b'+' | b'-' => State::ExponentSign,
                    b'0'..=b'9' => State::ExponentDigits,
                    _ => return Err("a digit is expected"),
                }
            }
            State::ExponentSign => match byte {
                b'0'..=b'9' => self.state = State::ExponentDigits,
                _ => return Err("a digit is expected"),
            },
            State::ExponentDigits => match byte {
                b'0'..=b'9' => {}
                _ => return self.number_ends(byte),
            },
            State::Word(rest) => match rest {
                [only] if *only == byte => self.value_is_over(),
                [next, rest @ ..] if *next == byte => self.state = State::Word(rest),
                _ => return Err(NO_VALUE),
            },
            State::End => return Ok(false),
        }
        Ok(true)
    }

    fn number_ends(&mut self, byte: u8) -> Result<bool, &'static str> {
        if !matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}') {
            return Err("a number does not end like one");
        }
        self.value_is_over();
        Ok(false)
    }

    fn begin_value(&mut self, byte: u8) -> Result<(), &'static str> {
        self.state = match byte {
            b'{' => {
                self.open.push(true);
                self.deepest = self.deepest.max(self.open.len());
                State::FirstKey
            }
            b'[' => {
                self.open.push(false);
                self.deepest = self.deepest.max(self.open.len());
                State::FirstElement
            }
            b'"' => State::Text,
            b'-' => State::Minus,
            b'0' => State::Zero,
            b'1'..=b'9' => State::Digits,
            b't' => State::Word(b"rue"),
            b'f' => State::Word(b"alse"),
            b'n' => State::Word(b"ull"),
            _ => return Err(NO_VALUE),
        };
        Ok(())
    }

    fn close(&mut self, object: bool) -> Result<(), &'static str> {
        if self.open.pop() != Some(object) {
            return Err("a bracket closes another");
        }
        self.value_is_over();
        Ok(())
    }
}

const NO_VALUE: &str = "it is no value of JSON";

pub(crate) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r')
}

/// A text that is one value with nothing but space around it: the value, and how deep it nests.
pub(crate) fn only_value(text: &[u8]) -> Result<(&[u8], usize), Malformed> {
    let mut scanner = Scanner::new();
    let end = scanner.push(text)?;
    scanner.finish()?;
    if let Some(more) = text[end..].iter().position(|b| !is_space(*b)) {
        return Err(Malformed {
            at: end + more,
            why: "something follows the value",
        });
    }
    let start = text.iter().position(|b| !is_space(*b)).unwrap_or(end);
    Ok((&text[start..end], scanner.depth()))
}

/// The members of an object, or the elements of an array, of a text that a [`Scanner`] has passed.
pub(crate) struct Items<'t> {
    text: &'t [u8],
    at: usize,
    named: bool,
}

/// One member or element: its name as it stands in the text, in quotes, its value, and where that begins.
pub(crate) struct Item<'t> {
    pub(crate) name: &'t [u8],
    pub(crate) value: &'t [u8],
    pub(crate) at: usize,
}

impl<'t> Items<'t> {
    /// Of an object; none if the value is none.
    pub(crate) fn of_object(value: &'t [u8]) -> Option<Self> {
        value.starts_with(b"{").then_some(Self {
            text: value,
            at: 1,
            named: true,
        })
    }

    /// Of an array; none if the value is none.
    pub(crate) fn of_array(value: &'t [u8]) -> Option<Self> {
        value.starts_with(b"[").then_some(Self {
            text: value,
            at: 1,
            named: false,
        })
    }

    fn skip(&mut self, also: u8) {
        while let Some(byte) = self.text.get(self.at)
            && (is_space(*byte) || *byte == also)
        {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Range<usize> {
        let start = self.at;
        let mut scanner = Scanner::new();
        // Looked at before: it is well formed.
        let length = scanner.push(&self.text[start..]).unwrap_or(0);
        self.at = start + length;
        start..self.at
    }
}

impl<'t> Iterator for Items<'t> {
    type Item = Item<'t>;

    fn next(&mut self) -> Option<Item<'t>> {
        self.skip(b',');
        if matches!(self.text.get(self.at), None | Some(b'}' | b']')) {
            return None;
        }
        let name = match self.named {
            true => self.value(),
            false => 0..0,
        };
        self.skip(b':');
        let value = self.value();
        // A value that takes no byte would be met for ever.
        (!value.is_empty()).then(|| Item {
            at: value.start,
            name: &self.text[name],
            value: &self.text[value],
        })
    }
}

/// What a text in quotes says; the reason if it is no Unicode.
pub(crate) fn text_of(quoted: &[u8]) -> Result<Vec<u8>, TextFlaw> {
    let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or(b"");
    let mut out = Vec::with_capacity(inside.len());
    let mut rest = inside;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend_from_slice(&rest[..at]);
        let escape = rest.get(at + 1).copied().unwrap_or(b'\\');
        let mut used = at + 2;
        match escape {
            b'u' => {
                let first = hex(rest, used).ok_or(TextFlaw::Escape)?;
                used += 4;
                let code = match first {
                    0xD800..0xDC00 => {
                        let second = (rest.get(used..used + 2) == Some(b"\\u"))
                            .then(|| hex(rest, used + 2))
                            .flatten()
                            .filter(|low| (0xDC00..0xE000).contains(low))
                            .ok_or(TextFlaw::Escape)?;
                        used += 6;
                        0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00)
                    }
                    code => code,
                };
                let letter = char::from_u32(code).ok_or(TextFlaw::Escape)?;
                out.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
            }
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            other => out.push(other),
        }
        rest = rest.get(used..).unwrap_or(b"");
    }
    out.extend_from_slice(rest);
    match std::str::from_utf8(&out) {
        Ok(_) => Ok(out),
        Err(_) => Err(TextFlaw::Encoding),
    }
}

/// Why a text cannot be kept as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TextFlaw {
    /// Half of a surrogate pair.
    Escape,
    /// Bytes that are no UTF-8.
    Encoding,
}

fn hex(text: &[u8], at: usize) -> Option<u32> {
    let digits = std::str::from_utf8(text.get(at..at + 4)?).ok()?;
    u32::from_str_radix(digits, 16).ok()
}

/// A JSON Pointer (RFC 6901) in which `*` stands for each element of an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pointer(pub(crate) Vec<Token>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Token {
    /// A member of this name, or the element of this number.
    Name(String),
    /// Each element.
    Each,
}

impl Pointer {
    /// Reads a pointer; a slash before the first token may be missing.
    pub(crate) fn new(text: &str) -> Self {
        let text = text.strip_prefix('/').unwrap_or(text);
        if text.is_empty() {
            return Self(Vec::new());
        }
        let token = |token: &str| match token {
            "*" => Token::Each,
            name => Token::Name(name.replace("~1", "/").replace("~0", "~")),
        };
        Self(text.split('/').map(token).collect())
    }
}

/// What a pointer without `*` names within a value; `Err` if a name on the way stands twice.
pub(crate) fn find<'t>(
    mut value: &'t [u8],
    tokens: &[Token],
) -> Result<Option<&'t [u8]>, Repeated> {
    for token in tokens {
        let Token::Name(name) = token else {
            return Ok(None);
        };
        let next = if let Some(members) = Items::of_object(value) {
            let mut named = members.filter(|item| is_named(item.name, name));
            let first = named.next();
            if first.is_some() && named.next().is_some() {
                return Err(Repeated);
            }
            first
        } else if let Some(mut elements) = Items::of_array(value) {
            name.parse().ok().and_then(|nth| elements.nth(nth))
        } else {
            None
        };
        match next {
            Some(item) => value = item.value,
            None => return Ok(None),
        }
    }
    Ok(Some(value))
}

/// All that a pointer names within a value, where names stand several times.
pub(crate) fn find_all<'t>(value: &'t [u8], tokens: &[Token], found: &mut Vec<&'t [u8]>) {
    let Some((Token::Name(name), rest)) = tokens.split_first() else {
        found.push(value);
        return;
    };
    match (Items::of_object(value), Items::of_array(value)) {
        (Some(members), _) => {
            for item in members.filter(|item| is_named(item.name, name)) {
                find_all(item.value, rest, found);
            }
        }
        (None, Some(mut elements)) => {
            if let Some(item) = name.parse().ok().and_then(|nth| elements.nth(nth)) {
                find_all(item.value, rest, found);
            }
        }
        (None, None) => {}
    }
}

/// A name stands twice in an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Repeated;

/// Whether a name in quotes is this one.
pub(crate) fn is_named(quoted: &[u8], name: &str) -> bool {
    let inside = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or(b"");
    inside == name.as_bytes() && !name.contains('\\')
        || (memchr::memchr(b'\\', inside).is_some()
            && text_of(quoted).is_ok_and(|text| text == name.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a text is, whatever pieces it comes in.
    fn told(text: &str) -> String {
        let whole = only_value(text.as_bytes());
        let mut scanner = Scanner::new();
        let mut in_bytes = Ok(());
        for byte in text.as_bytes().chunks(1) {
            in_bytes = scanner.push(byte).map(drop);
            if in_bytes.is_err() {
                break;
            }
        }
        let in_bytes = in_bytes.and_then(|()| scanner.finish());
        match whole {
            Ok((value, depth)) => {
                assert_eq!(in_bytes, Ok(()), "{text}");
                format!("{} ({depth})", String::from_utf8_lossy(value))
            }
            Err(malformed) => {
                if malformed.why != "something follows the value" {
                    assert_eq!(in_bytes, Err(malformed), "{text}");
                }
                format!("{} at {}", malformed.why, malformed.at)
            }
        }
    }

    #[test]
    fn what_serde_json_takes_is_taken_and_nothing_else() {
        let texts = [
            "0",
            "-0",
            "01",
            "1.",
            ".5",
            "-",
            "1e5",
            "1E+5",
            "1e",
            "1e+",
            "-0.10e-2",
            "1a",
            "true",
            "tru",
            "truex",
            "null",
            "NaN",
            "Infinity",
            "\"\"",
            "\"a\\u00e9\\n\"",
            "\"\\u12\"",
            "\"\\x\"",
            "\"a",
            "\"\t\"",
            "[]",
            "[ ]",
            "[1,2]",
            "[1,]",
            "[,1]",
            "[1 2]",
            "[1}",
            "{}",
            "{\"a\":1}",
            "{\"a\":1,}",
            "{a:1}",
            "{\"a\" 1}",
            "{\"a\":}",
            "{\"a\":1 \"b\":2}",
            "{\"a\":[{\"b\":[]}]}",
            "",
            " ",
            " 1 ",
            "1 2",
            "[1]]",
            "{\"a\":1}}",
            "'a'",
            "\u{feff}1",
            "[1,\n2]",
            "\"\u{7f}\"",
        ];
        for text in texts {
            let serde: Result<serde_json::Value, _> = serde_json::from_str(text);
            assert_eq!(
                only_value(text.as_bytes()).is_ok(),
                serde.is_ok(),
                "{text}: {}",
                told(text)
            );
        }
        assert_eq!(told(" {\"a\":[{\"b\":[]}]} "), "{\"a\":[{\"b\":[]}]} (4)");
        assert_eq!(told("[1,}"), "it is no value of JSON at 3");
        assert_eq!(told("{\"a\":[1"), "it ends early at 7");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { rng_seed: proptest::test_runner::RngSeed::Fixed(7), failure_persistence: None, cases: 4_000, ..Default::default() })]

        #[test]
        fn any_text_is_judged_as_serde_json_does(text in r#"([\[\]{}:, ]|"[a\\u0n]{0,4}"|-?[0-9]{1,2}(\.[0-9]|e[0-9])?|true|null|[a-z"\\.+-]){0,9}"#) {
            let serde: Result<serde::de::IgnoredAny, _> = serde_json::from_str(&text);
            proptest::prop_assert_eq!(only_value(text.as_bytes()).is_ok(), serde.is_ok(), "{}", told(&text));
        }
    }

    #[test]
    fn a_million_brackets_are_no_matter() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        let (_, depth) = only_value(deep.as_bytes()).unwrap_or_default();
        assert_eq!(depth, 1_000_000);
    }

    #[test]
    fn pointers_find_what_they_name() {
        let text = br#"{"a": {"b/c": [10, {"~": "x"}]}, "d": 1, "d": 2, "\u0065": null}"#;
        let at = |pointer: &str| match find(text, &Pointer::new(pointer).0) {
            Ok(Some(value)) => String::from_utf8_lossy(value).into_owned(),
            Ok(None) => "nothing".to_owned(),
            Err(Repeated) => "twice".to_owned(),
        };
        assert_eq!(at("/a/b~1c/0"), "10");
        assert_eq!(at("a/b~1c/1/~0"), "\"x\"");
        assert_eq!(at("/a/b~1c/2"), "nothing");
        assert_eq!(at("/a/d"), "nothing");
        assert_eq!(at("/d"), "twice");
        assert_eq!(at("/e"), "null");
        assert_eq!(at(""), String::from_utf8_lossy(text));
    }

    #[test]
    fn texts_say_what_their_escapes_mean() {
        let said = |quoted: &str| {
            text_of(quoted.as_bytes()).map(|text| String::from_utf8_lossy(&text).into_owned())
        };
        assert_eq!(
            said(r#""a\"\\\/\b\f\n\r\t\u0041\ud83d\ude00\u0000""#),
            Ok("a\"\\/\u{8}\u{c}\n\r\tA😀\0".to_owned())
        );
        for half in [r#""\ud83d""#, r#""\ud83d\u0041""#, r#""\ude00""#] {
            assert_eq!(said(half), Err(TextFlaw::Escape));
        }
        assert_eq!(text_of(b"\"\xff\""), Err(TextFlaw::Encoding));
    }
}
