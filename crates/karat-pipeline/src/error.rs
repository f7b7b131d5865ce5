//! What can go wrong in a run, with the exit code that it means (H1) and what to do next.

use std::collections::BTreeSet;
use std::fmt;

use karat_exact::{ExactError, SqlError, doubles_unasked};
use karat_lake::{ErrorClass, LakeError};
use karat_project::Place;
use karat_receipt::{CheckCount, ReceiptError, SignatureOutcome};
use karat_source::{ErrorKind as SourceErrorKind, SourceError};
use thiserror::Error;

/// Why a step failed.
#[derive(Debug, Error)]
pub enum PipelineError {
    /// A table could not be read or committed.
    #[error(transparent)]
    Lake(#[from] LakeError),
    /// A computation failed.
    #[error(transparent)]
    Exact(#[from] ExactError),
    /// A model's rows could not be computed.
    #[error("cannot compute `{table}`: {source}")]
    Compute {
        /// Table of the model.
        table: String,
        /// What failed.
        source: ExactError,
    },
    /// A source could not be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// A receipt, intent or manifest is damaged.
    #[error(transparent)]
    Receipt(#[from] ReceiptError),
    /// A document of `_karat/` is damaged.
    #[error("cannot use `{path}`: {source}")]
    Document {
        /// Its path, relative to the lake.
        path: String,
        /// What is wrong with it.
        source: ReceiptError,
    },
    /// A model's SQL cannot be planned.
    #[error("cannot plan `{table}`: {error}")]
    Sql {
        /// Table of the model.
        table: String,
        /// The expression in the model's file; None: the model's SQL text.
        at: Option<Place>,
        /// What is wrong with the text.
        error: SqlError,
    },
    /// A row rule with `action: fail` was broken.
    #[error("`{table}` was not committed: {} `{rule}` (action: fail){}", rows_break(*rows), places(at, *rows))]
    Expectation {
        /// Table of the model.
        table: String,
        /// Name of the rule.
        rule: String,
        /// Rows that break it.
        rows: u64,
        /// Addresses of the first of them.
        at: Vec<String>,
    },
    /// A file that a feed expects for the business date is not there in time.
    #[error(
        "`{table}`: `{file}` was expected for {business_date} by {due} and {}",
        not_there(why)
    )]
    NotDelivered {
        /// Table of the feed.
        table: String,
        /// The file, as the feed names it for that date.
        file: String,
        /// The business date.
        business_date: String,
        /// When it was due.
        due: String,
        /// Why it cannot be loaded, if it is there.
        why: Option<String>,
    },
    /// A business day has something left to do.
    #[error("{day} cannot be closed: {left}")]
    NotDone {
        /// The day.
        day: String,
        /// What a run for it would still do.
        left: String,
    },
    /// A version would change rows of a closed business day.
    #[error("`{table}` was not committed: it changes {}, and business days up to {closed} are closed{}", days(dates), kept(*version))]
    DayClosed {
        /// Table of the model.
        table: String,
        /// The closed days whose rows would be others, the first of them.
        dates: Vec<String>,
        /// The last closed day.
        closed: String,
        /// The version that stays.
        version: Option<i64>,
    },
    /// The expression of a row rule failed.
    #[error(
        "`{table}` was not committed: the expression of its expectation `{rule}` fails on row `{row}`"
    )]
    FailedExpectation {
        /// Table of the model.
        table: String,
        /// Name of the rule.
        rule: String,
        /// Address of the row.
        row: String,
        /// What failed.
        #[source]
        why: Option<ExactError>,
    },
    /// More rows broke a rule than its limit allows.
    #[error(
        "`{table}` was not committed: {rows} of {judged} rows broke `{rule}`, its limit is {limit}{}", places(at, *rows)
    )]
    Limit {
        /// Table of the model.
        table: String,
        /// Name of the rule.
        rule: String,
        /// Rows that break it.
        rows: u64,
        /// Rows that were judged.
        judged: u64,
        /// The limit as declared.
        limit: String,
        /// Addresses of the first rows that break it.
        at: Vec<String>,
    },
    /// Checks with `action: fail` are broken.
    #[error("{}", broken_text(table, *version, broken))]
    Check {
        /// Table of the model.
        table: String,
        /// The version that was there and is checked; None: the one that was to be made.
        version: Option<i64>,
        /// What is broken.
        broken: Vec<BrokenCheck>,
        /// What all checks counted.
        checks: Vec<CheckCount>,
    },
    /// A check could not be computed.
    #[error("`{table}` cannot be checked: its check `{check}` fails: {source}")]
    FailedCheck {
        /// Table of the model.
        table: String,
        /// Name of the check.
        check: String,
        /// What failed.
        source: ExactError,
    },
    /// A table that a check reads has no version.
    #[error(
        "`{table}` cannot be checked: `{input}`, which its check `{check}` reads, has no version yet"
    )]
    NotChecked {
        /// Table of the model.
        table: String,
        /// Name of the check.
        check: String,
        /// The table that was never made.
        input: String,
    },
    /// Two rows have one key.
    #[error("`{table}` was not committed: its rows are not unique by `key: [{key}]`{}", places(at, at.len() as u64))]
    NotUnique {
        /// Table of the model.
        table: String,
        /// Its columns.
        key: String,
        /// Addresses of rows that share one; none where rows have no address.
        at: Vec<String>,
        /// The way out.
        hint: String,
    },
    /// A model was selected without what it reads.
    #[error(
        "cannot make `{table}`: `{input}`, which it reads, has no version yet and is not selected"
    )]
    NotMade {
        /// Table of the model.
        table: String,
        /// The table that was never loaded or made.
        input: String,
    },
    /// A full load would delete too much.
    #[error("{}", deletes_text(table, object.as_deref(), *deleted, *before))]
    Deletes {
        /// Bronze table.
        table: String,
        /// The first object of the load; none of a database.
        object: Option<String>,
        /// Rows missing from the load.
        deleted: u64,
        /// Rows before.
        before: u64,
    },
    /// A full load of a live source at a time before the newest load's.
    #[error(
        "`{table}` was not loaded: the logical time {mark} is before {newest}, that of its newest load, and what changed would count as older"
    )]
    GoesBack {
        /// Bronze table.
        table: String,
        /// Logical time of the load.
        mark: String,
        /// Logical time of the newest load.
        newest: String,
    },
    /// The source's columns changed in a way that is not allowed.
    #[error("cannot load `{table}`: {what}")]
    Drift {
        /// Bronze table.
        table: String,
        /// What changed.
        what: String,
        /// The way out.
        hint: String,
    },
    /// Rows were lost or doubled between two operators.
    #[error(
        "`{table}` was not committed: its rows do not add up, {read} read but {accounted} accounted for ({terms})"
    )]
    Accounting {
        /// Table.
        table: String,
        /// Rows read.
        read: u64,
        /// Sum of the outcomes.
        accounted: u64,
        /// All terms.
        terms: String,
    },
    /// The newest commit of a table is not karat's.
    #[error(
        "`{table}` is not as karat left it: version {version} was committed by another writer and has no receipt"
    )]
    Foreign {
        /// Table.
        table: String,
        /// Version without receipt.
        version: i64,
    },
    /// A head that is known outside is not in the lake.
    #[error(
        "the lake is not the one that it was: no run of it has the head {head}, which {from} names"
    )]
    Behind {
        /// Where the head is known from.
        from: String,
        /// The head.
        head: String,
    },
    /// A data file is not as it was written.
    #[error("`{table}` is not as its record says: its file `{file}` {how}")]
    Damaged {
        /// Table.
        table: String,
        /// The file, relative to the lake.
        file: String,
        /// What is wrong with it.
        how: &'static str,
    },
    /// Another writer committed first.
    #[error(
        "cannot commit `{table}`: another run committed first; nothing of this step was published"
    )]
    LostRace {
        /// Table.
        table: String,
    },
    /// A receipt that a commit names is gone.
    #[error("receipt {digest} is named by a commit but missing in `_karat/receipts`")]
    MissingReceipt {
        /// Its digest.
        digest: String,
    },
    /// A column of an undeclared double.
    #[error("cannot plan `{table}`: {}", doubles_unasked(columns).0)]
    Float {
        /// Table of the model.
        table: String,
        /// Names.
        columns: Vec<String>,
    },
    /// Something asked for is not there.
    #[error("{what}")]
    Refused {
        /// What is refused and why.
        what: String,
        /// The way out.
        hint: String,
    },
    /// The target demands signatures and there is no key.
    #[error("target `{target}` has `require_signature: true` and the project has no signing key")]
    NoKey {
        /// Target.
        target: String,
    },
    /// The target demands signatures and its key is none that may sign.
    #[error(
        "target `{target}` has `require_signature: true`, and its key {key} {why}: nobody could verify what it signs"
    )]
    KeyNotTrusted {
        /// Target.
        target: String,
        /// Id of the key.
        key: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The target demands signatures and a version to build on has none that counts.
    #[error(
        "version {version} of `{table}` is {}, and target `{target}` has `require_signature: true`: nothing is built on it",
        signature_text(signature)
    )]
    NotSigned {
        /// Target.
        target: String,
        /// Table.
        table: String,
        /// Its newest version.
        version: i64,
        /// What the keys say of its receipt.
        signature: SignatureOutcome,
    },
    /// A mistake of karat's own.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

/// A check that is broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenCheck {
    /// Its name.
    pub name: String,
    /// What is wrong, with counts and without values.
    pub what: String,
    /// Where the first rows are (H2).
    pub at: Vec<String>,
    /// How many more there are.
    pub more: u64,
}

impl fmt::Display for BrokenCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = places(&self.at, self.at.len() as u64 + self.more);
        write!(f, "check `{}`: {}{places}", self.name, self.what)
    }
}

fn broken_text(table: &str, version: Option<i64>, broken: &[BrokenCheck]) -> String {
    let broken: Vec<String> = broken.iter().map(BrokenCheck::to_string).collect();
    let broken = match broken.as_slice() {
        [one] => format!(" {one}"),
        // Each on a line of its own.
        several => several.iter().map(|one| format!("\n  {one}")).collect(),
    };
    match version {
        None => format!("`{table}` was not committed:{broken}"),
        Some(version) => {
            format!("version {version} of `{table}` is not what it should be:{broken}")
        }
    }
}

/// Exit code of steps with these errors: of several, 2, 4, 5, 3, 1 in this precedence (H1).
pub fn exit_code_of<'e>(
    errors: impl Iterator<Item = &'e PipelineError>,
    needs_a_person: bool,
) -> u8 {
    let mut codes: BTreeSet<u8> = errors.map(PipelineError::exit_code).collect();
    if needs_a_person {
        codes.insert(1);
    }
    [2, 4, 5, 3, 1]
        .into_iter()
        .find(|code| codes.contains(code))
        .unwrap_or(0)
}

impl PipelineError {
    /// What a document of the lake at `path` turned out to be.
    pub(crate) fn document(path: &str) -> impl FnOnce(ReceiptError) -> Self {
        let path = path.to_owned();
        move |source| Self::Document { path, source }
    }

    /// Exit code of SEMANTICS H1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Sql { .. } | Self::Refused { .. } | Self::Float { .. } => 2,
            Self::Lake(error) => match error.class() {
                ErrorClass::NotAllowed => 4,
                ErrorClass::Conflict => 5,
                ErrorClass::Refused => 2,
                ErrorClass::Io | ErrorClass::Corrupt => 3,
            },
            Self::Exact(error)
            | Self::Compute { source: error, .. }
            | Self::FailedCheck { source: error, .. } => match error {
                ExactError::Refused { .. } => 2,
                error if error.is_denied() => 4,
                _ => 3,
            },
            Self::Source(error) => match error.kind() {
                SourceErrorKind::Config => 2,
                SourceErrorKind::Permission => 4,
                SourceErrorKind::Drift
                | SourceErrorKind::NullCursor
                | SourceErrorKind::Cursor
                | SourceErrorKind::Broken => 1,
                _ => 3,
            },
            Self::Expectation { .. }
            | Self::Limit { .. }
            | Self::NotUnique { .. }
            | Self::NotMade { .. }
            | Self::NotDelivered { .. }
            | Self::DayClosed { .. }
            | Self::NotDone { .. }
            | Self::Check { .. }
            | Self::NotChecked { .. }
            | Self::Deletes { .. }
            | Self::GoesBack { .. }
            | Self::Drift { .. }
            | Self::Foreign { .. }
            | Self::Behind { .. }
            | Self::NotSigned { .. }
            | Self::Damaged { .. }
            | Self::MissingReceipt { .. } => 1,
            Self::Receipt(ReceiptError::PrivateKey | ReceiptError::PublicKey { .. }) => 2,
            Self::NoKey { .. } | Self::KeyNotTrusted { .. } => 4,
            Self::LostRace { .. } => 5,
            Self::FailedExpectation { .. }
            | Self::Accounting { .. }
            | Self::Receipt(_)
            | Self::Document { .. }
            | Self::Internal(_) => 3,
        }
    }

    /// What to do next.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Lake(error) => error.hint(),
            Self::Exact(error) | Self::Compute { source: error, .. } | Self::FailedCheck { source: error, .. } => error.hint(),
            Self::Source(error) => error.hint_text().map(str::to_owned),
            Self::Receipt(error) | Self::Document { source: error, .. } => error.hint().map(str::to_owned),
            Self::Sql { error, .. } => error.hint.clone(),
            Self::Expectation { table, .. } => Some(format!(
                "nothing was written; look at the source rows of `{table}`, correct them there, or give the rule the action `quarantine`"
            )),
            Self::Check { version: None, .. } => Some(
                "nothing was written, and readers see the version before; correct the rows where they come from, or give the check the action `warn`".to_owned(),
            ),
            Self::Check { .. } => Some(
                "the version stays as it is; correct the rows where they come from, the table that the check reads, or the check".to_owned(),
            ),
            Self::NotChecked { input, .. } => {
                Some(format!("make it first: `karat run --select +{input}`; or leave the check out"))
            }
            Self::FailedExpectation { .. } => Some(
                "an overflow, a division by zero or a cast: let the rule leave such rows out with `case when … then … end`".to_owned(),
            ),
            Self::Limit { .. } => Some("nothing was written; look at the source, or raise the rule's `limit`".to_owned()),
            Self::NotMade { table, .. } => {
                Some(format!("`karat run --select +{table}` loads and makes what it reads before it"))
            }
            Self::NotDone { day, .. } => Some(format!(
                "bring it to an end first: `karat run --business-date {day}`"
            )),
            Self::DayClosed { .. } => Some(
                "nothing was written; if what was reported is to be corrected, run again with `--restate REASON`, which the receipt will state".to_owned(),
            ),
            Self::NotDelivered { why: None, .. } => Some(
                "what depends on it is not made before it has come: ask for it, and run again".to_owned(),
            ),
            Self::NotDelivered { .. } => Some(
                "what depends on it is not made before it comes whole: ask for it again, and run again".to_owned(),
            ),
            Self::Deletes { object, deleted, before, .. } => {
                let source = match object {
                    Some(object) => format!("have `{object}` delivered again, or take it away"),
                    None => "put it right there".to_owned(),
                };
                let (really, or) = match deleted == before {
                    true => ("is really empty", ""),
                    false => ("really shrank", "; or raise `max_delete` in the feed"),
                };
                Some(format!(
                    "nothing of it was loaded; if the source is wrong, {source}, and run again; if it {really}, run again with `--accept-deletes`{or}"
                ))
            }
            Self::Drift { hint, .. } | Self::NotUnique { hint, .. } | Self::Refused { hint, .. } => Some(hint.clone()),
            Self::GoesBack { newest, .. } => Some(format!(
                "run with a later `--at`, or without it; if the clock was wrong or `--at` was, go on with `--at {newest}` or later"
            )),
            Self::Foreign { table, .. } => Some(format!(
                "look at what it wrote; then `karat receipt adopt {table} REASON` makes it part of the record{}",
                match table.contains("_bronze.") {
                    true => "",
                    false => ", until the model is computed again",
                }
            )),
            Self::Behind { .. } => Some("an older state was put back, or it is another lake: bring the newest back; if this state is meant to go on, begin a new anchor (keep the old file, and name another in karat.yaml)".to_owned()),
            Self::Damaged { file, .. } if file.contains(".checkpoint.") => Some(
                "`karat verify` lists all that differs; move the checkpoint away, and `_last_checkpoint` beside it: the log says all that it should".to_owned(),
            ),
            Self::Damaged { .. } => Some("`karat verify` lists all that differs; restore the file from a backup of the lake".to_owned()),
            Self::LostRace { .. } => Some("run again".to_owned()),
            Self::MissingReceipt { .. } => Some("restore it from a backup of the lake; `karat verify` lists all of them".to_owned()),
            Self::Float { columns, .. } => Some(doubles_unasked(columns).1),
            Self::NoKey { .. } => Some("give the key to the target in karat.yaml: `key: \"${file:PATH}\"`".to_owned()),
            Self::KeyNotTrusted { .. } => Some("put its public half into the project as `keys/NAME.pub` (`openssl pkey -in KEY -pubout`), or give the target a key that is there".to_owned()),
            Self::NotSigned { table, signature, .. } => Some(not_signed_hint(table, signature)),
            Self::Accounting { .. } | Self::Internal(_) => None,
        }
    }
}

/// What the keys say of a receipt, after "is".
fn signature_text(signature: &SignatureOutcome) -> String {
    match signature {
        SignatureOutcome::Invalid => "signed, but its signature does not fit".to_owned(),
        other => other.to_string(),
    }
}

fn not_signed_hint(table: &str, signature: &SignatureOutcome) -> String {
    let adopt = format!(
        "`karat receipt adopt {table} REASON` signs for it with the target's key (`karat receipt list {table}` tells which runs made it)"
    );
    match signature {
        SignatureOutcome::UnknownKey { .. } => format!(
            "if you trust that key, put its public half into the project as `keys/NAME.pub`; else look at the table, then {adopt}"
        ),
        SignatureOutcome::Invalid => format!(
            "somebody may have changed its receipt: `karat verify {table}` tells more, and a backup of the lake has the old one; if it is right all the same, {adopt}"
        ),
        _ => format!("look at the table; if it is right, {adopt}"),
    }
}

/// Closed days, not all of them.
fn days(dates: &[String]) -> String {
    const SHOWN: usize = 5;
    let shown = dates.iter().take(SHOWN).cloned().collect::<Vec<_>>();
    let more = match dates.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!("rows of {}{more}", shown.join(", "))
}

fn kept(version: Option<i64>) -> String {
    version.map_or_else(String::new, |version| format!("; version {version} stays"))
}

/// After what was expected.
fn not_there(why: &Option<String>) -> String {
    match why {
        None => "is not there".to_owned(),
        Some(why) => format!("cannot be loaded: {why}"),
    }
}

fn rows_break(rows: u64) -> String {
    if rows == 1 {
        return "1 row breaks".to_owned();
    }
    format!("{rows} rows break")
}

/// What a rule with `action: warn` found.
pub(crate) fn warning(rule: &str, rows: u64, judged: u64, at: &[String]) -> String {
    let places = places(at, rows);
    format!("{rows} of {judged} rows break `{rule}` (action: warn){places}")
}

/// Addresses of some rows (H2), if there are any.
fn places(at: &[String], rows: u64) -> String {
    if at.is_empty() {
        return String::new();
    }
    let more = match rows.saturating_sub(at.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(": {}{more}", at.join(", "))
}

fn deletes_text(table: &str, object: Option<&str>, deleted: u64, before: u64) -> String {
    // What the same run loaded before it stays.
    let (not_loaded, load) = match object {
        Some(object) => (format!("`{object}` was not loaded into `{table}`"), "it"),
        None => (format!("`{table}` was not loaded"), "the load"),
    };
    if deleted == before {
        return format!(
            "{not_loaded}: {load} is empty or keeps none of the {before} rows before it"
        );
    }
    format!(
        "{not_loaded}: {load} deletes {deleted} of {before} rows, more than `max_delete` allows"
    )
}
