//! The digest of the list of a table's live files: one number that pins which files a version consists of.

use crate::digest::{Digest, DigestWriter};

/// The digest of a table's live files, given as (path, size in bytes, SHA-256 in hexadecimal digits), in any order.
///
/// It is the SHA-256 of a text with one line a file, sorted by the bytes of the path:
///
/// ```text
/// {sha256} {size} {path}\n
/// ```
///
/// Path is what the table's log names, percent-encoding decoded; in it a backslash is written `\\` and a line feed `\n`,
/// so that no path can pretend to be two. The list of a table without files is the empty text.
#[must_use]
pub fn live_files_digest<'a>(files: impl Iterator<Item = (&'a str, u64, &'a str)>) -> Digest {
    let mut files: Vec<_> = files.collect();
    files.sort_unstable();
    let mut writer = DigestWriter::new();
    for (path, size, sha256) in files {
        let path = path.replace('\\', "\\\\").replace('\n', "\\n");
        let line = format!("{sha256} {size} {path}\n");
        std::io::Write::write_all(&mut writer, line.as_bytes()).expect("a digest takes every byte");
    }
    writer.finish()
}
