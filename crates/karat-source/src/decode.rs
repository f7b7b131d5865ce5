//! Makes UTF-8 of a file's bytes, as a stream. Nothing is replaced: what is no valid text passes through as bytes that are no valid UTF-8 and from
//! which [`original`] gives back what stood in the file, so that the row can be rescued whole.
//!
//! UTF-8 passes unchanged. Of UTF-16, a surrogate without its partner becomes the three bytes of its code point (as in WTF-8), and an odd last byte
//! `0xFF` and two bytes for its halves. In Windows-1252 every byte is a character.

use std::io::{ErrorKind, Read, Result};

use encoding_rs::{DecoderResult, WINDOWS_1252};

use crate::Encoding;

/// A reader whose bytes are UTF-8, but for what was invalid.
pub struct Decoded<R> {
    input: R,
    declared: Encoding,
    converter: Option<Converter>,
    /// Bytes read to look for a byte order mark, not given out yet.
    ahead: Vec<u8>,
    raw: Vec<u8>,
    staged: Vec<u8>,
    staged_at: usize,
    finished: bool,
}

enum Converter {
    Utf8,
    Utf16 {
        big_endian: bool,
        odd: Option<u8>,
        high: Option<u16>,
    },
    Windows1252(encoding_rs::Decoder),
}

impl<R: Read> Decoded<R> {
    /// Reads `input` in the declared encoding, unless a byte order mark says otherwise.
    pub fn new(input: R, declared: Encoding) -> Self {
        Self {
            input,
            declared,
            converter: None,
            ahead: Vec::new(),
            raw: Vec::new(),
            staged: Vec::new(),
            staged_at: 0,
            finished: false,
        }
    }

    /// Gives the input back.
    pub fn into_inner(self) -> R {
        self.input
    }

    /// The encoding found; the declared one before the first byte is read.
    pub fn encoding(&self) -> Encoding {
        match &self.converter {
            None => self.declared,
            Some(Converter::Utf8) => Encoding::Utf8,
            Some(Converter::Utf16 {
                big_endian: true, ..
            }) => Encoding::Utf16Be,
            Some(Converter::Utf16 { .. }) => Encoding::Utf16Le,
            Some(Converter::Windows1252(_)) => Encoding::Windows1252,
        }
    }

    /// Puts the next bytes into `out`; 0 is the end.
    pub fn fill(&mut self, out: &mut [u8]) -> Result<usize> {
        if self.converter.is_none() {
            self.begin()?;
        }
        if out.is_empty() {
            return Ok(0);
        }
        if matches!(self.converter, Some(Converter::Utf8)) {
            if !self.ahead.is_empty() {
                let n = self.ahead.len().min(out.len());
                out[..n].copy_from_slice(&self.ahead[..n]);
                self.ahead.drain(..n);
                return Ok(n);
            }
            return read_some(&mut self.input, out);
        }
        while self.staged_at == self.staged.len() {
            if self.finished {
                return Ok(0);
            }
            self.staged.clear();
            self.staged_at = 0;
            self.convert(out.len())?;
        }
        let n = out.len().min(self.staged.len() - self.staged_at);
        out[..n].copy_from_slice(&self.staged[self.staged_at..self.staged_at + n]);
        self.staged_at += n;
        Ok(n)
    }

    fn begin(&mut self) -> Result<()> {
        let mut first = [0; 3];
        let mut n = 0;
        while n < 3 {
            match read_some(&mut self.input, &mut first[n..])? {
                0 => break,
                more => n += more,
            }
        }
        let (encoding, mark) = match &first[..n] {
            [0xEF, 0xBB, 0xBF] => (Encoding::Utf8, 3),
            [0xFF, 0xFE, ..] => (Encoding::Utf16Le, 2),
            [0xFE, 0xFF, ..] => (Encoding::Utf16Be, 2),
            _ => (self.declared, 0),
        };
        self.ahead = first[mark..n].to_vec();
        self.converter = Some(match encoding {
            Encoding::Utf8 => Converter::Utf8,
            Encoding::Utf16 | Encoding::Utf16Le => Converter::Utf16 {
                big_endian: false,
                odd: None,
                high: None,
            },
            Encoding::Utf16Be => Converter::Utf16 {
                big_endian: true,
                odd: None,
                high: None,
            },
            Encoding::Windows1252 => {
                Converter::Windows1252(WINDOWS_1252.new_decoder_without_bom_handling())
            }
        });
        Ok(())
    }

    /// Reads some raw bytes and stages what they mean.
    fn convert(&mut self, wanted: usize) -> Result<()> {
        let mut raw = std::mem::take(&mut self.raw);
        if self.ahead.is_empty() {
            raw.resize(wanted.clamp(1, 1 << 16), 0);
            let n = read_some(&mut self.input, &mut raw)?;
            raw.truncate(n);
            self.finished = n == 0;
        } else {
            raw.clear();
            raw.append(&mut self.ahead);
        }
        match self.converter.as_mut().expect("begun") {
            Converter::Utf8 => self.staged.extend_from_slice(&raw),
            Converter::Utf16 {
                big_endian,
                odd,
                high,
            } => {
                for &byte in &raw {
                    let Some(first) = odd.take() else {
                        *odd = Some(byte);
                        continue;
                    };
                    let unit = if *big_endian {
                        u16::from_be_bytes([first, byte])
                    } else {
                        u16::from_le_bytes([first, byte])
                    };
                    push_unit(&mut self.staged, high, unit);
                }
                if self.finished {
                    if let Some(lone) = high.take() {
                        push_code(&mut self.staged, u32::from(lone));
                    }
                    if let Some(byte) = odd.take() {
                        self.staged
                            .extend([0xFF, 0x80 | byte >> 4, 0x80 | byte & 0x0F]);
                    }
                }
            }
            Converter::Windows1252(decoder) => {
                // Each byte becomes at most three, so one call takes them all.
                let old = self.staged.len();
                self.staged.resize(old + raw.len() * 3 + 16, 0);
                let (result, _, written) = decoder.decode_to_utf8_without_replacement(
                    &raw,
                    &mut self.staged[old..],
                    self.finished,
                );
                debug_assert!(
                    matches!(result, DecoderResult::InputEmpty),
                    "Windows-1252 has no invalid byte"
                );
                self.staged.truncate(old + written);
            }
        }
        self.raw = raw;
        Ok(())
    }
}

fn read_some(input: &mut impl Read, out: &mut [u8]) -> Result<usize> {
    loop {
        match input.read(out) {
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            other => return other,
        }
    }
}

fn push_unit(out: &mut Vec<u8>, high: &mut Option<u16>, unit: u16) {
    if let Some(first) = high.take() {
        if (0xDC00..0xE000).contains(&unit) {
            push_code(
                out,
                0x10000 + (u32::from(first - 0xD800) << 10) + u32::from(unit - 0xDC00),
            );
            return;
        }
        push_code(out, u32::from(first));
    }
    if (0xD800..0xDC00).contains(&unit) {
        *high = Some(unit);
    } else {
        push_code(out, u32::from(unit));
    }
}

/// UTF-8 of a code point, also of a surrogate.
fn push_code(out: &mut Vec<u8>, code: u32) {
    let tail = |shift: u32| 0x80 | (code >> shift & 0x3F) as u8;
    match code {
        0..0x80 => out.push(code as u8),
        0x80..0x800 => out.extend([0xC0 | (code >> 6) as u8, tail(0)]),
        0x800..0x10000 => out.extend([0xE0 | (code >> 12) as u8, tail(6), tail(0)]),
        _ => out.extend([0xF0 | (code >> 18) as u8, tail(12), tail(6), tail(0)]),
    }
}

/// The bytes of the file that [`Decoded`] made these bytes of.
#[must_use]
pub fn original(bytes: &[u8], encoding: Encoding) -> Vec<u8> {
    let big_endian = match encoding {
        Encoding::Utf8 => return bytes.to_vec(),
        Encoding::Windows1252 => {
            let text = String::from_utf8_lossy(bytes);
            return WINDOWS_1252.encode(&text).0.into_owned();
        }
        Encoding::Utf16 | Encoding::Utf16Le => false,
        Encoding::Utf16Be => true,
    };
    let mut out = Vec::with_capacity(bytes.len() * 2);
    let mut push = |unit: u16| {
        out.extend(if big_endian {
            unit.to_be_bytes()
        } else {
            unit.to_le_bytes()
        })
    };
    let mut odd = None;
    let mut i = 0;
    while i < bytes.len() {
        let at = |n: usize| u32::from(bytes.get(i + n).copied().unwrap_or(0x80) & 0x3F);
        let b = u32::from(bytes[i]);
        let (code, length) = match bytes[i] {
            0..0x80 => (b, 1),
            0xC0..0xE0 => ((b & 0x1F) << 6 | at(1), 2),
            0xE0..0xF0 => ((b & 0x0F) << 12 | at(1) << 6 | at(2), 3),
            0xF0..0xF8 => ((b & 0x07) << 18 | at(1) << 12 | at(2) << 6 | at(3), 4),
            _ => {
                odd = Some((at(1) << 4 | at(2)) as u8);
                break;
            }
        };
        if code >= 0x10000 {
            push(0xD800 + ((code - 0x10000) >> 10) as u16);
            push(0xDC00 + ((code - 0x10000) & 0x3FF) as u16);
        } else {
            push(code as u16);
        }
        i += length;
    }
    out.extend(odd);
    out
}

/// Tells of bytes in another encoding whether they are UTF-8 with letters beyond ASCII: a text in a one-byte encoding is that by chance as good as
/// never. Past the first byte that is none it costs nothing.
#[derive(Debug, Default)]
pub(crate) struct LooksUtf8 {
    begun: bool,
    beyond_ascii: bool,
    other: bool,
    /// The begin of a character that a chunk cut.
    cut: Vec<u8>,
}

impl LooksUtf8 {
    pub(crate) fn see(&mut self, mut chunk: &[u8]) {
        // A byte order mark wins over what is declared.
        self.other |= !std::mem::replace(&mut self.begun, true)
            && [&b"\xEF\xBB\xBF"[..], b"\xFF\xFE", b"\xFE\xFF"]
                .iter()
                .any(|mark| chunk.starts_with(mark));
        while !self.other
            && !self.cut.is_empty()
            && let Some((first, rest)) = chunk.split_first()
        {
            self.cut.push(*first);
            chunk = rest;
            match std::str::from_utf8(&self.cut) {
                Ok(_) => self.cut.clear(),
                Err(e) => self.other = e.error_len().is_some(),
            }
        }
        if self.other || chunk.is_ascii() {
            return;
        }
        self.beyond_ascii = true;
        if let Err(e) = std::str::from_utf8(chunk) {
            self.other = e.error_len().is_some();
            self.cut = chunk[e.valid_up_to()..].to_vec();
        }
    }

    /// Whether all that was seen is; what ends within a character is not.
    pub(crate) fn is_utf8(&self) -> bool {
        self.begins_as_utf8() && self.cut.is_empty()
    }

    /// Whether it is so far.
    pub(crate) fn begins_as_utf8(&self) -> bool {
        self.beyond_ascii && !self.other
    }
}

/// Lower-case hex digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut out = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(bytes: &[u8], declared: Encoding, step: usize) -> (Vec<u8>, Encoding) {
        let mut decoded = Decoded::new(bytes, declared);
        let mut out = Vec::new();
        let mut chunk = vec![0; step];
        loop {
            let n = decoded.fill(&mut chunk).expect("memory");
            if n == 0 {
                return (out, decoded.encoding());
            }
            out.extend_from_slice(&chunk[..n]);
        }
    }

    #[test]
    fn every_encoding_is_read_and_given_back_at_any_step() {
        let text = "a;ä€😀\r\n";
        let utf16 = |big: bool| {
            text.encode_utf16()
                .flat_map(|u| {
                    if big {
                        u.to_be_bytes()
                    } else {
                        u.to_le_bytes()
                    }
                })
                .collect::<Vec<u8>>()
        };
        for step in [1, 2, 3, 7, 100] {
            for (bytes, mark, declared, found) in [
                (
                    text.as_bytes().to_vec(),
                    &b""[..],
                    Encoding::Utf8,
                    Encoding::Utf8,
                ),
                (
                    text.as_bytes().to_vec(),
                    &b"\xEF\xBB\xBF"[..],
                    Encoding::Windows1252,
                    Encoding::Utf8,
                ),
                (
                    utf16(false),
                    &b"\xFF\xFE"[..],
                    Encoding::Utf8,
                    Encoding::Utf16Le,
                ),
                (
                    utf16(true),
                    &b"\xFE\xFF"[..],
                    Encoding::Utf16,
                    Encoding::Utf16Be,
                ),
                (utf16(false), &b""[..], Encoding::Utf16, Encoding::Utf16Le),
                (utf16(true), &b""[..], Encoding::Utf16Be, Encoding::Utf16Be),
            ] {
                let file = [mark, &bytes].concat();
                let (out, encoding) = decode(&file, declared, step);
                assert_eq!(
                    (String::from_utf8_lossy(&out).as_ref(), encoding),
                    (text, found)
                );
                assert_eq!(original(&out, encoding), bytes);
            }
            let (out, _) = decode(b"\x80\xE4\x81", Encoding::Windows1252, step);
            assert_eq!(String::from_utf8(out.clone()).expect("text"), "€ä\u{81}");
            assert_eq!(original(&out, Encoding::Windows1252), b"\x80\xE4\x81");
        }
    }

    #[test]
    fn utf8_is_known_at_any_step() {
        for step in [3, 4, 5, 100] {
            for (file, is) in [
                ("Größe 12 €".as_bytes(), true),
                (b"Gr\xF6\xDFe", false),
                (b"Gr\xC3\xB6 \xDF", false),
                (b"plain", false),
                ("\u{feff}ä".as_bytes(), false),
            ] {
                let mut looks = LooksUtf8::default();
                file.chunks(step).for_each(|chunk| looks.see(chunk));
                assert_eq!(looks.is_utf8(), is, "{file:?} by {step}");
            }
        }
    }

    #[test]
    fn broken_utf16_is_given_back_byte_for_byte() {
        for file in [&b"a\0\x00\xD8b\0\xAB"[..], b"\x00\xDC", b"\x3D\xD8", b"a"] {
            for step in [1, 2, 5] {
                let (out, encoding) = decode(file, Encoding::Utf16Le, step);
                assert!(std::str::from_utf8(&out).is_err());
                assert_eq!(original(&out, encoding), file);
            }
        }
    }
}
