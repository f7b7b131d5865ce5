//! What whoever reads a row group of a Parquet file holds at once, known before a row is read.
//!
//! A footer says how large a column chunk is and not of how many pages it is made, so their heads are read, and the bodies passed over.
//! Writers cut pages in one way for a whole file: the largest chunk of a column speaks for the others. What to do about it is
//! [`crate::large_pages`]'s to decide.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};

use datafusion::parquet::file::metadata::{ColumnChunkMetaData, ParquetMetaData};

use crate::checksums::page_sizes;

/// Chunks up to here are taken for one page: it is not worth looking.
const BYTES_SMALL_CHUNK: usize = 1 << 20;
/// What a page's head takes, most of the time; long statistics make it longer.
const HEAD: usize = 1 << 10;
const HEAD_AT_MOST: usize = 1 << 20;

/// Bytes of the row group for which they are most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// With DataFusion's scan: compressed chunks as a whole, and of each column the page at hand beside the next.
    pub(crate) by_scan: usize,
    /// With a reader that reads compressed pages one by one.
    pub(crate) by_pages: usize,
    /// The column with the largest page, and its bytes without compression.
    pub(crate) largest: Option<(String, usize)>,
}

/// The most that the footer leaves possible: each chunk one page.
pub(crate) fn at_most(meta: &ParquetMetaData, leaves: &[usize], groups: &[usize]) -> usize {
    let of_group = |group: &usize| -> usize {
        let chunks = leaves
            .iter()
            .map(|leaf| meta.row_group(*group).column(*leaf));
        chunks.map(|chunk| compressed(chunk) + plain(chunk)).sum()
    };
    groups.iter().map(of_group).max().unwrap_or(0)
}

/// What these columns of these row groups take; a page whose head is not understood is taken for its whole chunk.
pub(crate) fn held(
    file: &mut File,
    meta: &ParquetMetaData,
    leaves: &[usize],
    groups: &[usize],
) -> Held {
    let mut found = Held::default();
    let mut pages = Vec::with_capacity(leaves.len());
    for leaf in leaves {
        let chunks = groups
            .iter()
            .map(|group| meta.row_group(*group).column(*leaf));
        let Some(largest) = chunks.max_by_key(|chunk| plain(chunk)) else {
            return found;
        };
        let whole = Page {
            plain: plain(largest),
            compressed: compressed(largest),
        };
        let page = match whole.plain <= BYTES_SMALL_CHUNK {
            true => whole,
            false => largest_page(file, largest).unwrap_or(whole),
        };
        if found
            .largest
            .as_ref()
            .is_none_or(|(_, bytes)| *bytes < page.plain)
        {
            found.largest = Some((largest.column_path().string(), page.plain));
        }
        pages.push(page);
    }
    for group in groups {
        let (mut chunks, mut live, mut one) = (0, 0, 0);
        for (leaf, page) in leaves.iter().zip(&pages) {
            let chunk = meta.row_group(*group).column(*leaf);
            chunks += compressed(chunk);
            // The next page is there before the one at hand is let go.
            live += plain(chunk).min(page.plain * 2);
            one = one.max(page.compressed.min(compressed(chunk)));
        }
        found.by_scan = found.by_scan.max(chunks + live);
        found.by_pages = found.by_pages.max(one + live);
    }
    found
}

#[derive(Default)]
struct Page {
    plain: usize,
    compressed: usize,
}

/// The largest sizes among the pages of a chunk; none if a head cannot be read or understood.
fn largest_page(file: &mut File, chunk: &ColumnChunkMetaData) -> Option<Page> {
    let (start, length) = chunk.byte_range();
    let (mut at, end) = (start, start.checked_add(length)?);
    let mut most = Page::default();
    while at < end {
        let mut room = HEAD;
        let sizes = loop {
            let mut head = Vec::with_capacity(room);
            file.seek(SeekFrom::Start(at)).ok()?;
            let within = (end - at).min(room as u64);
            Read::by_ref(file)
                .take(within)
                .read_to_end(&mut head)
                .ok()?;
            match page_sizes(&head) {
                Some(sizes) => break sizes,
                None if room < HEAD_AT_MOST => room *= 32,
                None => return None,
            }
        };
        most.plain = most.plain.max(sizes.plain);
        most.compressed = most.compressed.max(sizes.compressed);
        at = at.checked_add((sizes.head + sizes.compressed) as u64)?;
    }
    Some(most)
}

fn compressed(chunk: &ColumnChunkMetaData) -> usize {
    usize::try_from(chunk.compressed_size()).unwrap_or(0)
}

fn plain(chunk: &ColumnChunkMetaData) -> usize {
    usize::try_from(chunk.uncompressed_size()).unwrap_or(0)
}
