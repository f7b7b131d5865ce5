//! Digests of bytes, and bytes as text and back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryArray, BinaryBuilder, StringArray};
use base64::Engine as _;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use md5::Md5;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512};

use crate::conversion::failures;
use crate::numbers::{Outcome, Why};

/// An algorithm.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Md5,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
}

impl Kind {
    pub(crate) fn parse(name: &str) -> Option<Kind> {
        Some(match name.to_ascii_lowercase().as_str() {
            "md5" => Kind::Md5,
            "sha224" => Kind::Sha224,
            "sha256" => Kind::Sha256,
            "sha384" => Kind::Sha384,
            "sha512" => Kind::Sha512,
            _ => return None,
        })
    }

    fn of(self, bytes: &[u8]) -> Vec<u8> {
        match self {
            Kind::Md5 => Md5::digest(bytes).to_vec(),
            Kind::Sha224 => Sha224::digest(bytes).to_vec(),
            Kind::Sha256 => Sha256::digest(bytes).to_vec(),
            Kind::Sha384 => Sha384::digest(bytes).to_vec(),
            Kind::Sha512 => Sha512::digest(bytes).to_vec(),
        }
    }
}

/// The digest of each value, as bytes or as hexadecimal text.
pub(crate) fn digest(values: &BinaryArray, kind: Kind, as_text: bool) -> ArrayRef {
    let digests = values.iter().map(|bytes| bytes.map(|bytes| kind.of(bytes)));
    if as_text {
        Arc::new(
            digests
                .map(|digest| digest.map(|digest| hex(&digest)))
                .collect::<StringArray>(),
        )
    } else {
        Arc::new(digests.collect::<BinaryArray>())
    }
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Encoding {
    Hex,
    Base64 { padded: bool },
}

/// Without padding, and reading text with and without.
const UNPADDED: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

impl Encoding {
    pub(crate) fn parse(name: &str) -> Option<Encoding> {
        Some(match name.to_ascii_lowercase().as_str() {
            "hex" => Encoding::Hex,
            "base64" => Encoding::Base64 { padded: false },
            "base64pad" => Encoding::Base64 { padded: true },
            _ => return None,
        })
    }
}

/// Bytes as text.
pub(crate) fn encode(values: &BinaryArray, encoding: Encoding) -> ArrayRef {
    let texts = values.iter().map(|bytes| {
        bytes.map(|bytes| match encoding {
            Encoding::Hex => hex(bytes),
            Encoding::Base64 { padded: false } => UNPADDED.encode(bytes),
            Encoding::Base64 { padded: true } => STANDARD.encode(bytes),
        })
    });
    Arc::new(texts.collect::<StringArray>())
}

/// Text as the bytes that it stands for.
pub(crate) fn decode(texts: &BinaryArray, encoding: Encoding) -> Outcome {
    let mut bad = Vec::new();
    let mut values = BinaryBuilder::with_capacity(texts.len(), texts.value_data().len());
    for (row, text) in texts.iter().enumerate() {
        let Some(text) = text else {
            values.append_null();
            continue;
        };
        let decoded = match encoding {
            Encoding::Hex => from_hex(text),
            Encoding::Base64 { padded: false } => UNPADDED.decode(text).ok(),
            Encoding::Base64 { padded: true } => STANDARD.decode(text).ok(),
        };
        match decoded {
            Some(decoded) => values.append_value(decoded),
            None => {
                bad.push(row);
                values.append_null();
            }
        }
    }
    let (_, failed) = failures(texts.nulls(), &bad, texts.len());
    Outcome {
        array: Arc::new(values.finish()),
        failed,
        why: Why::Domain,
    }
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| {
            [
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]
        })
        .map(char::from)
        .collect()
}

fn from_hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let pairs = text.chunks_exact(2);
    pairs.remainder().is_empty().then_some(())?;
    pairs
        .map(|pair| Some((digit(pair[0])? * 16 + digit(pair[1])?) as u8))
        .collect()
}
