//! Texts of Python, Scala and R, byte for byte: what an escape sequence stands for, and how new text is written between the quotes.
//!
//! Nothing is rewritten here. [`decode`] splits the inside of a literal into verbatim stretches and escape sequences; [`Writing`] says how a
//! replacement must look so that it reads back as itself, or that it cannot.

use std::ops::Range;
use std::sync::LazyLock;

use super::program::TextPart;

/// The escape sequences of a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Escapes {
    /// None: raw texts.
    None,
    /// Python's.
    Python {
        /// A text of bytes knows no `\u`, `\U`, `\N`.
        bytes: bool,
    },
    /// Scala's, in `"…"` and `s"…"`.
    Scala,
    /// R's.
    R,
    /// Only `\uXXXX`: Scala's `"""…"""` and `raw"…"` before Scala 2.13.2. Later ones read it as it stands, so it is never edited.
    UnicodeOnly,
}

/// How text is written in a literal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Writing {
    /// What ends it.
    pub close: &'static str,
    /// Its escape sequences.
    pub escapes: Escapes,
    /// Whether braces are doubled (f-strings).
    pub braces: bool,
    /// Whether dollars are doubled (Scala's interpolators).
    pub dollars: bool,
    /// Whether only ASCII may stand in it (bytes).
    pub ascii: bool,
}

/// Every way of writing that there is: fragments hold on to them for as long as they like.
static ALL: LazyLock<Vec<Writing>> = LazyLock::new(|| {
    let mut all = Vec::new();
    let escapes = [
        Escapes::None,
        Escapes::Python { bytes: false },
        Escapes::Python { bytes: true },
        Escapes::Scala,
        Escapes::R,
        Escapes::UnicodeOnly,
    ];
    let closes = CLOSES.iter().copied();
    for close in closes {
        for escapes in escapes {
            for flags in 0..8_u8 {
                all.push(Writing {
                    close,
                    escapes,
                    braces: flags & 1 != 0,
                    dollars: flags & 2 != 0,
                    ascii: flags & 4 != 0,
                });
            }
        }
    }
    all
});

/// What can end a text in the three languages; R's raw texts end with a bracket, dashes and a quote.
pub(super) const CLOSES: [&str; 24] = [
    "\"\"\"", "'''", "\"", "'", ")\"", "]\"", "}\"", ")'", "]'", "}'", ")-\"", "]-\"", "}-\"",
    ")-'", "]-'", "}-'", ")--\"", "]--\"", "}--\"", ")--'", "]--'", "}--'", ")---\"", ")---'",
];

impl Writing {
    /// The one of the known ways that is equal to this; `None` if it is none of them.
    pub fn known(writing: Self) -> Option<&'static Self> {
        ALL.iter().find(|known| **known == writing)
    }

    /// The same, in a text whose braces are read by `.format`.
    pub fn with_braces(&self) -> &'static Self {
        Self::known(Self {
            braces: true,
            ..*self
        })
        .unwrap_or(&ALL[0])
    }

    /// `text` as it must stand between the quotes; the reason if it cannot.
    pub fn write(&self, text: &str) -> Result<String, String> {
        let mut written = String::with_capacity(text.len());
        for letter in text.chars() {
            match letter {
                '\n' | '\r' => return Err("the new name holds a line break".to_owned()),
                letter if self.ascii && !letter.is_ascii() => {
                    return Err(format!("{letter:?} cannot stand in a text of bytes"));
                }
                '\\' => match self.escapes {
                    Escapes::None | Escapes::UnicodeOnly => {
                        return Err("a backslash cannot be written in a raw text".to_owned());
                    }
                    _ => written.push_str("\\\\"),
                },
                '{' | '}' if self.braces => {
                    written.push(letter);
                    written.push(letter);
                }
                '$' if self.dollars => written.push_str("$$"),
                letter if self.close.starts_with(letter) || self.close.ends_with(letter) => {
                    match self.escapes {
                        Escapes::None | Escapes::UnicodeOnly => {
                            return Err(format!("{letter} would end the text"));
                        }
                        _ => {
                            written.push('\\');
                            written.push(letter);
                        }
                    }
                }
                letter => written.push(letter),
            }
        }
        Ok(written)
    }
}

/// Splits a stretch between the quotes (holes excluded) into parts. `text` is the whole cell, `range` the stretch.
pub fn decode(text: &str, range: Range<usize>, writing: &Writing) -> Vec<TextPart> {
    let mut parts = Vec::new();
    let Some(inside) = text.get(range.clone()) else {
        return parts;
    };
    let bytes = inside.as_bytes();
    let mut start = 0;
    let mut at = 0;
    while at < bytes.len() {
        let found = match bytes[at] {
            b'\\' => escape(&inside[at..], writing.escapes),
            brace @ (b'{' | b'}') if writing.braces && bytes.get(at + 1) == Some(&brace) => {
                Some((2, char::from(brace).to_string()))
            }
            b'$' if writing.dollars && matches!(bytes.get(at + 1), Some(b'$' | b'"')) => {
                Some((2, inside[at + 1..at + 2].to_owned()))
            }
            // Python and Scala read a carriage return with its line feed as one line feed.
            _ => None,
        };
        match found {
            Some((length, value)) => {
                if start < at {
                    parts.push(TextPart::Verbatim(range.start + start..range.start + at));
                }
                parts.push(TextPart::Escape(
                    range.start + at..range.start + at + length,
                    value,
                ));
                at += length;
                start = at;
            }
            // A backslash that begins no escape sequence stands for itself, and so does what follows it.
            None if bytes[at] == b'\\' && writing.escapes != Escapes::UnicodeOnly => {
                at += 1 + inside[at + 1..].chars().next().map_or(0, char::len_utf8);
            }
            None => at += 1,
        }
    }
    if start < bytes.len() {
        parts.push(TextPart::Verbatim(range.start + start..range.end));
    }
    parts
}

/// The escape sequence at the beginning of `text`: its length in bytes and what it stands for. `None` if the backslash stands for itself.
fn escape(text: &str, escapes: Escapes) -> Option<(usize, String)> {
    let mut letters = text.char_indices().skip(1);
    let (_, letter) = letters.next()?;
    let simple = |value: &str| Some((1 + letter.len_utf8(), value.to_owned()));
    match escapes {
        Escapes::None => None,
        Escapes::UnicodeOnly => match letter {
            'u' => unicode_u(text),
            _ => None,
        },
        Escapes::Python { bytes } => match letter {
            '\n' => simple(""),
            '\r' => Some((
                if text[2..].starts_with('\n') { 3 } else { 2 },
                String::new(),
            )),
            '\\' | '\'' | '"' => simple(&letter.to_string()),
            'a' => simple("\u{7}"),
            'b' => simple("\u{8}"),
            'f' => simple("\u{c}"),
            'n' => simple("\n"),
            'r' => simple("\r"),
            't' => simple("\t"),
            'v' => simple("\u{b}"),
            '0'..='7' => octal(text),
            'x' => fixed(text, 2, 2),
            'u' if !bytes => fixed(text, 2, 4),
            'U' if !bytes => fixed(text, 2, 8),
            // A letter by its name: what it is, is not looked up; a letter that no name holds stands for it.
            'N' if !bytes && text[2..].starts_with('{') => {
                text.find('}').map(|end| (end + 1, '\u{FFFD}'.to_string()))
            }
            _ => None,
        },
        Escapes::Scala => match letter {
            '\\' | '\'' | '"' => simple(&letter.to_string()),
            'b' => simple("\u{8}"),
            'f' => simple("\u{c}"),
            'n' => simple("\n"),
            'r' => simple("\r"),
            't' => simple("\t"),
            '0'..='7' => octal(text),
            'u' => unicode_u(text),
            _ => None,
        },
        Escapes::R => match letter {
            '\\' | '\'' | '"' | '`' | ' ' | '\n' => simple(&letter.to_string()),
            'a' => simple("\u{7}"),
            'b' => simple("\u{8}"),
            'f' => simple("\u{c}"),
            'n' => simple("\n"),
            'r' => simple("\r"),
            't' => simple("\t"),
            'v' => simple("\u{b}"),
            '0'..='7' => octal(text),
            'x' => ranged(text, 2, 2),
            'u' | 'U' => {
                let most = if letter == 'u' { 4 } else { 8 };
                if text[2..].starts_with('{') {
                    let end = text.find('}')?;
                    Some((end + 1, code(&text[3..end])))
                } else {
                    ranged(text, 2, most)
                }
            }
            _ => None,
        },
    }
}

/// `\u` may repeat its letter in Scala and Java.
fn unicode_u(text: &str) -> Option<(usize, String)> {
    let us = text[1..].bytes().take_while(|byte| *byte == b'u').count();
    fixed(text, 1 + us, 4)
}

fn fixed(text: &str, from: usize, digits: usize) -> Option<(usize, String)> {
    let value = text.get(from..from + digits)?;
    value
        .bytes()
        .all(|byte| byte.is_ascii_hexdigit())
        .then(|| (from + digits, code(value)))
}

fn ranged(text: &str, from: usize, most: usize) -> Option<(usize, String)> {
    let digits = text[from..]
        .bytes()
        .take(most)
        .take_while(u8::is_ascii_hexdigit)
        .count();
    (digits > 0).then(|| (from + digits, code(&text[from..from + digits])))
}

fn octal(text: &str) -> Option<(usize, String)> {
    let digits = text[1..]
        .bytes()
        .take(3)
        .take_while(|byte| (b'0'..=b'7').contains(byte))
        .count();
    let value = u32::from_str_radix(&text[1..1 + digits], 8).ok()?;
    Some((
        1 + digits,
        char::from_u32(value).unwrap_or('\u{FFFD}').to_string(),
    ))
}

/// The letter of a number in hexadecimal; halves of surrogate pairs and other numbers without a letter become one that no name holds.
fn code(hexadecimal: &str) -> String {
    let letter = u32::from_str_radix(hexadecimal, 16)
        .ok()
        .and_then(char::from_u32);
    letter.unwrap_or('\u{FFFD}').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PYTHON: Writing = Writing {
        close: "\"",
        escapes: Escapes::Python { bytes: false },
        braces: false,
        dollars: false,
        ascii: false,
    };

    fn read(text: &str, writing: &Writing) -> String {
        decode(text, 0..text.len(), writing)
            .into_iter()
            .map(|part| match part {
                TextPart::Verbatim(range) => text[range].to_owned(),
                TextPart::Escape(_, value) => value,
                TextPart::Hole { .. } => unreachable!("decode makes no holes"),
            })
            .collect()
    }

    #[test]
    fn escapes_of_python() {
        assert_eq!(
            read(r"a\n\x41\u0042\101\q\\ü\N{DASH}", &PYTHON),
            "a\nABA\\q\\ü\u{FFFD}"
        );
        assert_eq!(read("from \\\n a.b", &PYTHON), "from  a.b");
        assert_eq!(read("\\", &PYTHON), "\\");
        let formatted = Writing {
            braces: true,
            ..PYTHON
        };
        assert_eq!(read("{{a}} \\{", &formatted), "{a} \\{");
    }

    #[test]
    fn escapes_of_scala_and_r() {
        let scala = Writing {
            escapes: Escapes::Scala,
            dollars: true,
            ..PYTHON
        };
        assert_eq!(read(r#"$$a\t\uu0041$""#, &scala), "$a\tA\"");
        let triple = Writing {
            escapes: Escapes::UnicodeOnly,
            close: "\"\"\"",
            ..PYTHON
        };
        assert_eq!(read(r"\n\u0041\d", &triple), "\\nA\\d");
        let r = Writing {
            escapes: Escapes::R,
            ..PYTHON
        };
        assert_eq!(read(r"\x4a\u{e4}\u41z", &r), "JäAz");
    }

    #[test]
    fn what_is_written_reads_back() {
        let all = ["a.b", "`it's`.\"x\"", "a\\b", "{x}$y"];
        for close in ["\"", "'", "\"\"\""] {
            for (braces, dollars) in [(false, false), (true, false)] {
                let writing = Writing {
                    close,
                    braces,
                    dollars,
                    ..PYTHON
                };
                for text in all {
                    let written = writing.write(text).expect("can be written");
                    assert_eq!(read(&written, &writing), text);
                }
            }
        }
        let raw = Writing {
            escapes: Escapes::None,
            ..PYTHON
        };
        assert!(raw.write("a\"b").is_err());
        assert!(raw.write("a\\b").is_err());
        assert_eq!(raw.write("`a`.b"), Ok("`a`.b".to_owned()));
    }
}
