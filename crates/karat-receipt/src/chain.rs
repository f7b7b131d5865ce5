//! Whether the receipts of one table follow from one another. No data is read: versions, digests, file lists and
//! fingerprints must agree with what the receipt before says.

use std::collections::BTreeMap;
use std::fmt;

use crate::digest::Digest;
use crate::live::live_files_digest;
use crate::receipt::{FileRef, Kind, Receipt, parse_fingerprint};

/// A receipt with its name, as a link of the chain.
#[derive(Clone, Copy, Debug)]
pub struct ChainLink<'a> {
    /// The receipt's digest.
    pub digest: Digest,
    /// The receipt.
    pub receipt: &'a Receipt,
}

/// What is wrong with a chain, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainFinding {
    /// The version whose receipt shows it.
    pub version: i64,
    /// That receipt.
    pub receipt: Digest,
    /// What is wrong.
    pub problem: ChainProblem,
}

/// A way in which a receipt does not follow from the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChainProblem {
    /// It is a receipt of another table.
    OtherTable {
        /// The chain's table.
        expected: String,
        /// The receipt's table.
        found: String,
    },
    /// Its version does not come after the one before.
    VersionOrder {
        /// The version before.
        before: i64,
    },
    /// Versions between it and the one before have no receipt, and it does not adopt them.
    ForeignVersions {
        /// The first of them.
        first: i64,
        /// The last of them.
        last: i64,
    },
    /// It names another receipt as the one before.
    Previous {
        /// The receipt before.
        expected: Option<Digest>,
        /// What it names.
        found: Option<Digest>,
    },
    /// It removes a file that was not live, or adds one that was.
    FileList {
        /// The file.
        path: String,
    },
    /// Its digest of the live files is not that of the files before, less the removed, with the added.
    LiveFiles {
        /// What follows from the chain.
        expected: Digest,
        /// What it states.
        found: Digest,
    },
    /// Its fingerprint is not the one before, less the removed files' with the added files'.
    Fingerprint {
        /// What follows from the chain.
        expected: String,
        /// What it states.
        found: String,
    },
}

impl fmt::Display for ChainFinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "version {}: {} (receipt {})",
            self.version, self.problem, self.receipt
        )
    }
}

impl fmt::Display for ChainProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name =
            |digest: &Option<Digest>| digest.map_or("none".to_owned(), |digest| digest.to_string());
        match self {
            Self::OtherTable { expected, found } => {
                write!(f, "its receipt is of `{found}`, not of `{expected}`")
            }
            Self::VersionOrder { before } => {
                write!(f, "its receipt does not come after version {before}")
            }
            Self::ForeignVersions { first, last } if first == last => {
                write!(f, "version {first} has no receipt")
            }
            Self::ForeignVersions { first, last } => {
                write!(f, "versions {first} to {last} have no receipt")
            }
            Self::Previous { expected, found } => {
                write!(
                    f,
                    "it names {} as the receipt before, expected {}",
                    name(found),
                    name(expected)
                )
            }
            Self::FileList { path } => write!(
                f,
                "its lists of files do not fit the files before: `{path}`"
            ),
            Self::LiveFiles { expected, found } => {
                write!(
                    f,
                    "its live files have the digest {found}, expected {expected}"
                )
            }
            Self::Fingerprint { expected, found } => {
                write!(f, "its fingerprint is {found}, expected {expected}")
            }
        }
    }
}

/// Checks the receipts of one table, oldest first. Nothing wrong is an empty list.
///
/// A chain whose first receipt names one before (older versions are gone) is taken from there: links and versions are
/// checked; file lists only once they are known from the beginning.
///
/// A receipt of kind [`Kind::Adopt`] covers the foreign versions before it: its file lists and its fingerprint are the
/// difference to the last receipt, so the sums go on through it.
#[must_use]
pub fn check_chain<'a>(links: impl IntoIterator<Item = ChainLink<'a>>) -> Vec<ChainFinding> {
    let mut findings = Vec::new();
    let mut before: Option<ChainLink<'a>> = None;
    let mut live: Option<LiveFiles<'a>> = None;
    for link in links {
        let problems = match before {
            None => check_first(&link, &mut live),
            Some(before) => check_next(&before, &link, &mut live),
        };
        let at = |problem| ChainFinding {
            version: link.receipt.version,
            receipt: link.digest,
            problem,
        };
        findings.extend(problems.into_iter().map(at));
        before = Some(link);
    }
    findings
}

/// The live files that follow from the chain so far, by path.
type LiveFiles<'a> = BTreeMap<&'a str, &'a FileRef>;

fn check_first<'a>(link: &ChainLink<'a>, live: &mut Option<LiveFiles<'a>>) -> Vec<ChainProblem> {
    let receipt = link.receipt;
    let mut problems = Vec::new();
    match (receipt.version, receipt.previous) {
        (0, Some(found)) => problems.push(ChainProblem::Previous {
            expected: None,
            found: Some(found),
        }),
        (version, None) if version > 0 && receipt.kind != Kind::Adopt => {
            problems.push(ChainProblem::ForeignVersions {
                first: 0,
                last: version - 1,
            });
        }
        _ => {}
    }
    if receipt.previous.is_none() && (receipt.version == 0 || receipt.kind == Kind::Adopt) {
        *live = Some(LiveFiles::new());
        problems.extend(check_files(receipt, live));
        problems.extend(check_sum((0, 0), receipt));
    }
    problems
}

fn check_next<'a>(
    before: &ChainLink<'a>,
    link: &ChainLink<'a>,
    live: &mut Option<LiveFiles<'a>>,
) -> Vec<ChainProblem> {
    let (last, receipt) = (before.receipt, link.receipt);
    let mut problems = Vec::new();
    if receipt.table != last.table {
        problems.push(ChainProblem::OtherTable {
            expected: last.table.clone(),
            found: receipt.table.clone(),
        });
    }
    if receipt.version <= last.version {
        problems.push(ChainProblem::VersionOrder {
            before: last.version,
        });
    } else if receipt.version > last.version + 1 && receipt.kind != Kind::Adopt {
        problems.push(ChainProblem::ForeignVersions {
            first: last.version + 1,
            last: receipt.version - 1,
        });
    }
    if receipt.previous != Some(before.digest) {
        problems.push(ChainProblem::Previous {
            expected: Some(before.digest),
            found: receipt.previous,
        });
    }
    // One broken link is told once: what follows from it is checked from the stated state on.
    if !problems.is_empty() {
        *live = None;
        return problems;
    }
    problems.extend(check_files(receipt, live));
    // A rename changes every row's fingerprint without touching a file; sums hold within one schema.
    if receipt.schema == last.schema
        && let Some(start) = parse_fingerprint(&last.fingerprint)
    {
        problems.extend(check_sum(start, receipt));
    }
    problems
}

fn check_files<'a>(receipt: &'a Receipt, live: &mut Option<LiveFiles<'a>>) -> Vec<ChainProblem> {
    let Some(files) = live else { return Vec::new() };
    let mut problems = Vec::new();
    for removed in &receipt.files_removed {
        let known = files.remove(removed.path.as_str());
        if known.is_none_or(|known| known.sha256 != removed.sha256) {
            problems.push(ChainProblem::FileList {
                path: removed.path.clone(),
            });
        }
    }
    for added in &receipt.files_added {
        if files.insert(&added.path, added).is_some() {
            problems.push(ChainProblem::FileList {
                path: added.path.clone(),
            });
        }
    }
    let list = files
        .values()
        .map(|file| (file.path.as_str(), file.size, file.sha256.as_str()));
    let expected = live_files_digest(list);
    if expected != receipt.live_files {
        problems.push(ChainProblem::LiveFiles {
            expected,
            found: receipt.live_files,
        });
    }
    if !problems.is_empty() {
        *live = None;
    }
    problems
}

fn check_sum(start: (u64, u128), receipt: &Receipt) -> Option<ChainProblem> {
    let (mut rows, mut sum) = start;
    // Rows may pass below zero on the way (a file is removed before its successor is added): the end counts.
    for file in &receipt.files_removed {
        let (file_rows, file_sum) = parse_fingerprint(&file.fingerprint)?;
        (rows, sum) = (rows.wrapping_sub(file_rows), sum.wrapping_sub(file_sum));
    }
    for file in &receipt.files_added {
        let (file_rows, file_sum) = parse_fingerprint(&file.fingerprint)?;
        (rows, sum) = (rows.wrapping_add(file_rows), sum.wrapping_add(file_sum));
    }
    let expected = format!("{rows}:{sum:032x}");
    (expected != receipt.fingerprint).then(|| ChainProblem::Fingerprint {
        expected,
        found: receipt.fingerprint.clone(),
    })
}
