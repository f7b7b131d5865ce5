//! Bytes to text and back: UTF-8 with and without a byte order mark, UTF-16 with one, windows-1252 for what is neither. What is
//! written back has the same encoding, byte order mark and line ends.

use std::ops::Range;

use encoding_rs::WINDOWS_1252;

use crate::edit::Edit;
use crate::fragment::Refusal;

/// How a file's bytes stand for text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-8 with a byte order mark.
    Utf8Marked,
    /// UTF-16, low byte first, with a byte order mark.
    Utf16Le,
    /// UTF-16, high byte first, with a byte order mark.
    Utf16Be,
    /// Windows-1252: bytes that are no UTF-8.
    Windows1252,
}

impl Encoding {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Utf8 => "UTF-8",
            Self::Utf8Marked => "UTF-8 with a byte order mark",
            Self::Utf16Le => "UTF-16 LE",
            Self::Utf16Be => "UTF-16 BE",
            Self::Windows1252 => "windows-1252",
        }
    }

    fn encode(self, text: &str) -> Result<Vec<u8>, Refusal> {
        match self {
            Self::Utf8 | Self::Utf8Marked => Ok(text.as_bytes().to_vec()),
            Self::Utf16Le => Ok(text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
            Self::Utf16Be => Ok(text.encode_utf16().flat_map(u16::to_be_bytes).collect()),
            Self::Windows1252 => {
                let (bytes, _, unmappable) = WINDOWS_1252.encode(text);
                if unmappable {
                    return Err(Refusal(format!("windows-1252 cannot hold `{text}`")));
                }
                Ok(bytes.into_owned())
            }
        }
    }

    pub(crate) fn length(self, text: &str) -> usize {
        match self {
            Self::Utf8 | Self::Utf8Marked => text.len(),
            Self::Utf16Le | Self::Utf16Be => {
                text.chars().map(|letter| letter.len_utf16() * 2).sum()
            }
            Self::Windows1252 => text.chars().count(),
        }
    }

    pub(crate) fn mark(self) -> usize {
        match self {
            Self::Utf8 | Self::Windows1252 => 0,
            Self::Utf8Marked => 3,
            Self::Utf16Le | Self::Utf16Be => 2,
        }
    }
}

/// Why bytes are no text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotText {
    /// There are zero bytes: a binary file.
    #[error("the file is binary")]
    Binary,
    /// UTF-16 that is broken.
    #[error("the file is {0} by its first bytes, and is broken")]
    Broken(&'static str),
}

/// The text of bytes, and their encoding; the byte order mark is no part of the text.
pub fn decode(bytes: &[u8]) -> Result<(String, Encoding), NotText> {
    let units = |pairs: &[u8], join: fn([u8; 2]) -> u16| -> Option<String> {
        if !pairs.len().is_multiple_of(2) {
            return None;
        }
        let units: Vec<u16> = pairs
            .chunks_exact(2)
            .map(|pair| join([pair[0], pair[1]]))
            .collect();
        String::from_utf16(&units).ok()
    };
    if let Some(rest) = bytes.strip_prefix(&[0xff, 0xfe]) {
        let text = units(rest, u16::from_le_bytes).ok_or(NotText::Broken("UTF-16 LE"))?;
        return Ok((text, Encoding::Utf16Le));
    }
    if let Some(rest) = bytes.strip_prefix(&[0xfe, 0xff]) {
        let text = units(rest, u16::from_be_bytes).ok_or(NotText::Broken("UTF-16 BE"))?;
        return Ok((text, Encoding::Utf16Be));
    }
    if bytes.contains(&0) {
        return Err(NotText::Binary);
    }
    let (rest, encoding) = match bytes.strip_prefix(&[0xef, 0xbb, 0xbf]) {
        Some(rest) => (rest, Encoding::Utf8Marked),
        None => (bytes, Encoding::Utf8),
    };
    match std::str::from_utf8(rest) {
        Ok(text) => Ok((text.to_owned(), encoding)),
        Err(_) => {
            let (text, _) = WINDOWS_1252.decode_without_bom_handling(bytes);
            Ok((text.into_owned(), Encoding::Windows1252))
        }
    }
}

/// Ranges of the text as ranges of the file's bytes. The ranges must be in order.
pub fn byte_ranges(text: &str, encoding: Encoding, ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut found = Vec::with_capacity(ranges.len());
    let (mut at, mut bytes) = (0, encoding.mark());
    for range in ranges {
        if range.start < at {
            (at, bytes) = (0, encoding.mark());
        }
        bytes += encoding.length(&text[at..range.start]);
        let length = encoding.length(&text[range.clone()]);
        found.push(bytes..bytes + length);
        at = range.start;
    }
    found
}

/// The file's bytes after edits, which must be in order and not overlap; what no edit touches is copied byte for byte.
pub fn edited(
    bytes: &[u8],
    text: &str,
    encoding: Encoding,
    edits: &[Edit],
) -> Result<Vec<u8>, Refusal> {
    let ranges: Vec<Range<usize>> = edits.iter().map(|edit| edit.range.clone()).collect();
    let mut result = Vec::with_capacity(bytes.len() + edits.len() * 16);
    let mut at = 0;
    for (edit, range) in edits.iter().zip(byte_ranges(text, encoding, &ranges)) {
        if range.start < at || range.end > bytes.len() {
            return Err(Refusal(format!(
                "two edits overlap at byte {}",
                range.start
            )));
        }
        result.extend_from_slice(&bytes[at..range.start]);
        result.extend_from_slice(&encoding.encode(&edit.new)?);
        at = range.end;
    }
    result.extend_from_slice(&bytes[at..]);
    Ok(result)
}

/// Line and column (in characters), both from 1, of a place in a text.
pub fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
    (line, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn insert(at: usize, new: &str) -> Edit {
        Edit {
            range: at..at,
            old: String::new(),
            new: new.to_owned(),
        }
    }

    #[test]
    fn every_encoding_comes_back_as_it_was() {
        let files: [Vec<u8>; 5] = [
            "from ä.t\r\n".as_bytes().to_vec(),
            [&[0xef, 0xbb, 0xbf], "from ä.t\r\n".as_bytes()].concat(),
            [0xff_u8, 0xfe]
                .into_iter()
                .chain("from ä.t\r\n".encode_utf16().flat_map(u16::to_le_bytes))
                .collect(),
            [0xfe_u8, 0xff]
                .into_iter()
                .chain("from ä.t\r\n".encode_utf16().flat_map(u16::to_be_bytes))
                .collect(),
            b"from \xe4.t\r\n".to_vec(),
        ];
        for bytes in files {
            let (text, encoding) = decode(&bytes).expect("a text");
            assert_eq!(text, "from ä.t\r\n");
            let edits = [insert(5, "m."), insert(8, "t")];
            let after = edited(&bytes, &text, encoding, &edits).expect("edits");
            let (text, again) = decode(&after).expect("a text");
            assert_eq!((text.as_str(), again), ("from m.ä.tt\r\n", encoding));
        }
        assert_eq!(decode(b"a\0b"), Err(NotText::Binary));
        assert_eq!(decode(&[0xff, 0xfe, 0]), Err(NotText::Broken("UTF-16 LE")));
    }
}
