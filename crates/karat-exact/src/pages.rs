//! A column of a Parquet file page by page, where what is coded by a dictionary stays coded.
//!
//! Flat columns in the encodings that nearly all files have: plain, and by dictionary. For anything else this module has an error and
//! no opinion: whoever gets one reads the file with DataFusion, which knows all encodings and says what is wrong with a file.

use std::sync::Arc;

use arrow::buffer::{BooleanBuffer, Buffer};
use datafusion::parquet::basic::{Encoding, Type as PhysicalType};
use datafusion::parquet::column::page::{Page, PageReader};
use datafusion::parquet::errors::{ParquetError, Result};
use datafusion::parquet::file::metadata::ColumnChunkMetaData;
use datafusion::parquet::file::serialized_reader::SerializedPageReader;

use crate::checksums::CheckedFile;

/// Values that are unpacked together; a multiple of eight, so that they begin at a byte.
const BLOCK: usize = 32;

fn unexpected(what: &str) -> ParquetError {
    ParquetError::General(format!("a column chunk: {what}"))
}

/// What a page holds of some rows, without the nulls.
pub(crate) enum Values<'p> {
    /// Positions in the dictionary.
    Codes(&'p [u32]),
    /// Values as they are stored, one after the other.
    Plain(&'p [u8]),
}

/// One column of one row group.
pub(crate) struct ColumnPages {
    pages: SerializedPageReader<CheckedFile>,
    physical: PhysicalType,
    /// Bytes of a value; none for strings.
    width: Option<usize>,
    optional: bool,
    dictionary: Option<(Buffer, usize)>,
    page: DataPage,
    codes: Vec<u32>,
}

#[derive(Default)]
struct DataPage {
    rows_left: usize,
    at_row: usize,
    valid: Option<BooleanBuffer>,
    bytes: Buffer,
    at: usize,
    codes: Option<Hybrid>,
}

impl ColumnPages {
    /// The pages of a flat column; `optional` if it may hold nulls.
    pub(crate) fn open(
        file: Arc<CheckedFile>,
        chunk: &ColumnChunkMetaData,
        rows: usize,
    ) -> Result<ColumnPages> {
        let column = chunk.column_descr();
        if column.max_rep_level() > 0 || column.max_def_level() > 1 {
            return Err(unexpected("it is nested"));
        }
        let physical = column.physical_type();
        let width = match physical {
            PhysicalType::INT32 | PhysicalType::FLOAT => Some(4),
            PhysicalType::INT64 | PhysicalType::DOUBLE => Some(8),
            PhysicalType::FIXED_LEN_BYTE_ARRAY => usize::try_from(column.type_length()).ok(),
            PhysicalType::BYTE_ARRAY => None,
            PhysicalType::BOOLEAN | PhysicalType::INT96 => {
                return Err(unexpected("of a type that is not read here"));
            }
        };
        Ok(ColumnPages {
            pages: SerializedPageReader::new(file, chunk, rows, None)?,
            physical,
            width,
            optional: column.max_def_level() == 1,
            dictionary: None,
            page: DataPage::default(),
            codes: Vec::new(),
        })
    }

    pub(crate) fn physical(&self) -> PhysicalType {
        self.physical
    }

    /// Bytes of a value of fixed width.
    pub(crate) fn width(&self) -> usize {
        self.width.unwrap_or(0)
    }

    /// The dictionary that was met since this was last asked: values as they are stored, and how many.
    pub(crate) fn new_dictionary(&mut self) -> Option<(Buffer, usize)> {
        self.dictionary.take()
    }

    /// Rows left in the page at hand, which is the next one if there are none; 0 at the end.
    pub(crate) fn rows_at_hand(&mut self) -> Result<usize> {
        while self.page.rows_left == 0 {
            let Some(page) = self.pages.get_next_page()? else {
                return Ok(0);
            };
            self.turn(page)?;
        }
        Ok(self.page.rows_left)
    }

    fn turn(&mut self, page: Page) -> Result<()> {
        match page {
            Page::DictionaryPage {
                buf,
                num_values,
                encoding,
                ..
            } => {
                if !matches!(encoding, Encoding::PLAIN | Encoding::PLAIN_DICTIONARY) {
                    return Err(unexpected("its dictionary is not plain"));
                }
                self.dictionary = Some((Buffer::from(buf), num_values as usize));
                Ok(())
            }
            Page::DataPage {
                buf,
                num_values,
                encoding,
                def_level_encoding,
                ..
            } => {
                let (rows, bytes) = (num_values as usize, Buffer::from(buf));
                if !self.optional {
                    return self.data(rows, None, bytes, encoding);
                }
                if def_level_encoding != Encoding::RLE {
                    return Err(unexpected("its levels are packed in an old way"));
                }
                let (length, rest) = bytes
                    .split_first_chunk::<4>()
                    .ok_or_else(|| unexpected("a page ends before its levels"))?;
                let length = u32::from_le_bytes(*length) as usize;
                let levels = rest
                    .get(..length)
                    .ok_or_else(|| unexpected("a page ends within its levels"))?;
                let valid = validity(levels, rows)?;
                self.data(rows, valid, bytes.slice(4 + length), encoding)
            }
            Page::DataPageV2 {
                buf,
                num_values,
                encoding,
                def_levels_byte_len,
                rep_levels_byte_len,
                ..
            } => {
                let (rows, bytes) = (num_values as usize, Buffer::from(buf));
                let length = def_levels_byte_len as usize;
                let levels = bytes
                    .get(..length)
                    .filter(|_| rep_levels_byte_len == 0)
                    .ok_or_else(|| unexpected("a page ends within its levels"))?;
                let valid = match self.optional {
                    true => validity(levels, rows)?,
                    false => None,
                };
                self.data(rows, valid, bytes.slice(length), encoding)
            }
        }
    }

    fn data(
        &mut self,
        rows: usize,
        valid: Option<BooleanBuffer>,
        values: Buffer,
        encoding: Encoding,
    ) -> Result<()> {
        let codes = match encoding {
            Encoding::PLAIN => None,
            Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY => {
                Some(Hybrid::new(values.first().copied().unwrap_or(0))?)
            }
            _ => return Err(unexpected("it has an encoding that is not read here")),
        };
        self.page = DataPage {
            rows_left: rows,
            at_row: 0,
            valid,
            at: usize::from(codes.is_some()),
            bytes: values,
            codes,
        };
        Ok(())
    }

    /// Whether the next rows of the page at hand all have codes of a dictionary, and none is null.
    pub(crate) fn is_coded(&self, rows: usize) -> bool {
        let page = &self.page;
        page.codes.is_some()
            && page.valid.as_ref().is_none_or(|valid| {
                page.at_row + rows <= valid.len()
                    && valid.slice(page.at_row, rows).count_set_bits() == rows
            })
    }

    /// The codes that were read last.
    pub(crate) fn codes(&self) -> &[u32] {
        &self.codes
    }

    /// The next rows of the page at hand: which of them are not null, if some are, and the values of those.
    pub(crate) fn read(&mut self, rows: usize) -> Result<(Option<BooleanBuffer>, Values<'_>)> {
        let page = &mut self.page;
        page.rows_left = page
            .rows_left
            .checked_sub(rows)
            .ok_or_else(|| unexpected("more rows are asked for than a page has"))?;
        let valid = page
            .valid
            .as_ref()
            .map(|valid| valid.slice(page.at_row, rows));
        page.at_row += rows;
        let present = valid.as_ref().map_or(rows, BooleanBuffer::count_set_bits);
        let valid = valid.filter(|_| present < rows);
        if let Some(hybrid) = &mut page.codes {
            self.codes.resize(present, 0);
            hybrid.read(&page.bytes, &mut page.at, &mut self.codes)?;
            return Ok((valid, Values::Codes(&self.codes)));
        }
        let from = page.at;
        let bytes = match self.width {
            Some(width) => width * present,
            None => length_of_strings(page.bytes.get(from..).unwrap_or_default(), present)?,
        };
        page.at += bytes;
        let plain = page
            .bytes
            .get(from..page.at)
            .ok_or_else(|| unexpected("a page ends within its values"))?;
        Ok((valid, Values::Plain(plain)))
    }
}

fn length_of_strings(bytes: &[u8], count: usize) -> Result<usize> {
    let mut at = 0;
    for _ in 0..count {
        at += 4 + length_at(bytes, at)?;
    }
    Ok(at)
}

fn length_at(bytes: &[u8], at: usize) -> Result<usize> {
    let length = bytes
        .get(at..)
        .and_then(|rest| rest.first_chunk::<4>())
        .ok_or_else(|| unexpected("a page ends before a string"))?;
    Ok(u32::from_le_bytes(*length) as usize)
}

/// Calls `f` with every string of a plain page or dictionary.
pub(crate) fn each_string<'b>(
    bytes: &'b [u8],
    count: usize,
    mut f: impl FnMut(&'b [u8]) -> Result<()>,
) -> Result<()> {
    let mut at = 0;
    for _ in 0..count {
        let length = length_at(bytes, at)?;
        let string = bytes
            .get(at + 4..)
            .and_then(|rest| rest.get(..length))
            .ok_or_else(|| unexpected("a page ends within a string"))?;
        f(string)?;
        at += 4 + length;
    }
    Ok(())
}

/// Which of the rows are not null; none if all are.
fn validity(levels: &[u8], rows: usize) -> Result<Option<BooleanBuffer>> {
    let (mut hybrid, mut at) = (Hybrid::new(1)?, 0);
    hybrid.turn(levels, &mut at)?;
    if let Run::Repeated { value: 1, left } = hybrid.run
        && left >= rows
    {
        return Ok(None);
    }
    let mut values = vec![0; rows];
    hybrid.read(levels, &mut at, &mut values)?;
    Ok(Some(BooleanBuffer::collect_bool(rows, |row| {
        values[row] == 1
    })))
}

/// Runs of one repeated value and runs of packed ones, in turn.
struct Hybrid {
    width: u8,
    unpack: fn(&[u8], &mut [u32; BLOCK]),
    run: Run,
    /// Values unpacked and not yet taken.
    block: [u32; BLOCK],
    taken: usize,
}

enum Run {
    Repeated { value: u32, left: usize },
    Packed { left: usize },
}

impl Hybrid {
    fn new(width: u8) -> Result<Hybrid> {
        let unpack = unpacker(width).ok_or_else(|| unexpected("codes of more than 32 bits"))?;
        Ok(Hybrid {
            width,
            unpack,
            run: Run::Repeated { value: 0, left: 0 },
            block: [0; BLOCK],
            taken: BLOCK,
        })
    }

    /// Reads the head of the next run.
    fn turn(&mut self, bytes: &[u8], at: &mut usize) -> Result<()> {
        let ends = || unexpected("a page ends within its codes");
        let (mut head, mut shift) = (0u64, 0);
        loop {
            let byte = *bytes.get(*at).ok_or_else(ends)?;
            *at += 1;
            head |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
            shift += 7;
            if shift > 35 {
                return Err(unexpected("a run that is too long"));
            }
        }
        let count = (head >> 1) as usize;
        if head & 1 == 1 {
            self.run = Run::Packed { left: count * 8 };
            self.taken = BLOCK;
            return Ok(());
        }
        let width = usize::from(self.width).div_ceil(8);
        let mut value = [0; 4];
        let stored = bytes.get(*at..*at + width).ok_or_else(ends)?;
        value[..width].copy_from_slice(stored);
        *at += width;
        self.run = Run::Repeated {
            value: u32::from_le_bytes(value),
            left: count,
        };
        Ok(())
    }

    /// Fills `out` with the next values.
    fn read(&mut self, bytes: &[u8], at: &mut usize, mut out: &mut [u32]) -> Result<()> {
        while !out.is_empty() {
            match &mut self.run {
                Run::Repeated { left: 0, .. } | Run::Packed { left: 0 } => {
                    self.turn(bytes, at)?;
                }
                Run::Repeated { value, left } => {
                    let count = out.len().min(*left);
                    let (head, rest) = std::mem::take(&mut out).split_at_mut(count);
                    head.fill(*value);
                    *left -= count;
                    out = rest;
                }
                Run::Packed { left } => {
                    let block = usize::from(self.width) * (BLOCK / 8);
                    // Whole blocks go straight to where they are wanted.
                    while self.taken == BLOCK && *left >= BLOCK && out.len() >= BLOCK {
                        let packed = bytes
                            .get(*at..*at + block)
                            .ok_or_else(|| unexpected("a page ends within its codes"))?;
                        let (head, rest) = std::mem::take(&mut out)
                            .split_first_chunk_mut::<BLOCK>()
                            .ok_or_else(|| unexpected("no room for codes"))?;
                        (self.unpack)(packed, head);
                        *at += block;
                        *left -= BLOCK;
                        out = rest;
                    }
                    if out.is_empty() || *left == 0 {
                        continue;
                    }
                    if self.taken == BLOCK {
                        let mut packed = [0; 4 * BLOCK];
                        let stored = bytes.get(*at..).unwrap_or_default();
                        // The last run of a page may be cut short where its padding begins.
                        let length = block
                            .min(usize::from(self.width) * left.div_ceil(8))
                            .min(stored.len());
                        packed[..length].copy_from_slice(&stored[..length]);
                        (self.unpack)(&packed, &mut self.block);
                        *at += length;
                        self.taken = 0;
                    }
                    let count = out.len().min(BLOCK - self.taken).min(*left);
                    let (head, rest) = std::mem::take(&mut out).split_at_mut(count);
                    head.copy_from_slice(&self.block[self.taken..self.taken + count]);
                    self.taken += count;
                    *left -= count;
                    out = rest;
                }
            }
        }
        Ok(())
    }
}

/// Unpacks 32 values of W bits each. Where a value lies within four bytes, wherever it begins, it is loaded, shifted and masked by itself,
/// with nothing between one value and the next; the compiler unrolls it all into constants.
fn unpack<const W: usize>(packed: &[u8], out: &mut [u32; BLOCK]) {
    /// Bytes of a block of the widest values that are loaded so, and what is loaded beyond the last.
    const ROOM: usize = 25 * BLOCK / 8 + 4;
    if W <= 25 {
        let mut block = [0; ROOM];
        block[..W * BLOCK / 8].copy_from_slice(&packed[..W * BLOCK / 8]);
        // Eight values take as many bytes as one has bits; a longer loop is not unrolled.
        for (eight, values) in out.as_chunks_mut::<8>().0.iter_mut().enumerate() {
            let bytes = &block[eight * W..eight * W + W + 4];
            for (index, value) in values.iter_mut().enumerate() {
                let (at, shift) = (index * W / 8, index * W % 8);
                let word = [bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]];
                *value = u32::from_le_bytes(word) >> shift & ((1 << W) - 1);
            }
        }
        return;
    }
    let mut words = [0u32; W];
    for (word, bytes) in words.iter_mut().zip(packed.chunks_exact(4)) {
        *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    }
    let mask = if W == 32 { u32::MAX } else { (1 << W) - 1 };
    for (index, value) in out.iter_mut().enumerate() {
        let (word, shift) = (index * W / 32, index * W % 32);
        let mut bits = words[word] >> shift;
        if shift + W > 32 {
            bits |= words[word + 1] << (32 - shift);
        }
        *value = bits & mask;
    }
}

fn unpacker(width: u8) -> Option<fn(&[u8], &mut [u32; BLOCK])> {
    macro_rules! of_width {
        ($($w:literal)*) => {
            match width {
                0 => |_: &[u8], out: &mut [u32; BLOCK]| out.fill(0),
                $($w => unpack::<$w>,)*
                _ => return None,
            }
        };
    }
    Some(
        of_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Packs values as Parquet does, lowest bit first.
    fn packed(values: &[u32], width: u8) -> Vec<u8> {
        let mut bits: Vec<bool> = Vec::new();
        for value in values {
            bits.extend((0..width).map(|k| value >> k & 1 == 1));
        }
        let byte = |bits: &[bool]| {
            let set = bits.iter().enumerate();
            set.fold(0u8, |byte, (k, bit)| byte | u8::from(*bit) << k)
        };
        bits.chunks(8).map(byte).collect()
    }

    fn varint(mut value: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        while value >= 0x80 {
            bytes.push(value as u8 | 0x80);
            value >>= 7;
        }
        bytes.push(value as u8);
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn runs_come_back_in_pieces_of_any_size(
            width in 0u8..=32,
            runs in prop::collection::vec((any::<bool>(), any::<u32>(), 1usize..12), 1..8),
            piece in 1usize..100,
        ) {
            let mask = if width == 32 { u32::MAX } else { (1 << width) - 1 };
            let (mut bytes, mut expected) = (Vec::new(), Vec::new());
            for (repeated, value, count) in runs {
                if repeated {
                    bytes.extend(varint(count << 1));
                    let stored = (value & mask).to_le_bytes();
                    bytes.extend(&stored[..usize::from(width).div_ceil(8)]);
                    expected.extend(vec![value & mask; count]);
                } else {
                    let values: Vec<u32> = (0..count as u32 * 8)
                        .map(|k| value.wrapping_mul(2 * k + 1) & mask)
                        .collect();
                    bytes.extend(varint(count << 1 | 1));
                    bytes.extend(packed(&values, width));
                    expected.extend(values);
                }
            }
            let (mut hybrid, mut at) = (Hybrid::new(width).expect("a width"), 0);
            let mut found = vec![0; expected.len()];
            for part in found.chunks_mut(piece) {
                hybrid.read(&bytes, &mut at, part).expect("whole runs");
            }
            prop_assert_eq!(found, expected);
            let mut beyond = [0];
            prop_assert!(hybrid.read(&bytes, &mut at, &mut beyond).is_err());
        }

        #[test]
        fn broken_pages_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..40), width in 0u8..40, rows in 0usize..100) {
            if let Ok(mut hybrid) = Hybrid::new(width) {
                let mut out = vec![0; rows];
                let _ = hybrid.read(&bytes, &mut 0, &mut out);
            }
            let _ = validity(&bytes, rows);
            let _ = each_string(&bytes, rows, |_| Ok(()));
            let _ = length_of_strings(&bytes, rows);
        }
    }
}
