//! What a step of a run reports, and what every receipt begins with.

use std::collections::BTreeMap;

use karat_project::TableName;
use karat_receipt::{CheckCount, Digest, KeyRing, Kind, Receipt, verify_signature};

use crate::accounting::Terms;
use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;
use crate::proven::check_head;
use crate::publish::{Head, open_receipt};

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StepStatus {
    /// It made a version.
    Done,
    /// There was nothing to do.
    Unchanged,
    /// It failed. Of a model nothing is visible; the loads that a feed committed before stay, and its report has their version.
    Failed,
    /// Something that it needs failed.
    Skipped,
}

impl StepStatus {
    /// The word for people and scripts.
    pub fn word(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// One step of a run.
#[derive(Debug)]
pub struct StepReport {
    /// The feed's or model's table.
    pub table: String,
    /// `load`, `silver` or `gold`.
    pub kind: &'static str,
    /// How it ended.
    pub status: StepStatus,
    /// Rows by outcome: this run's share.
    pub rows: Terms,
    /// Newest version of the table.
    pub version: Option<i64>,
    /// Its fingerprint.
    pub fingerprint: Option<String>,
    /// Bytes of data files and objects read.
    pub bytes_read: u64,
    /// Bytes of data files written.
    pub bytes_written: u64,
    /// How it was computed: `rebuild` or `incremental`, with the reason.
    pub how: Option<String>,
    /// Objects found broken by this run: path and reason.
    pub broken: Vec<(String, String)>,
    /// Of a feed without a version: no file has ever matched.
    pub found_nothing: bool,
    /// The checks that were made, on the version that the step made, would have made or found (C7).
    pub checks: Vec<CheckCount>,
    /// For a person.
    pub notes: Vec<String>,
    /// Why it failed.
    pub error: Option<PipelineError>,
    /// Wall clock, seconds.
    pub seconds: f64,
}

impl StepReport {
    /// Whether it made a version; one that failed may have made some before.
    pub fn made_a_version(&self) -> bool {
        match self.status {
            StepStatus::Done => true,
            StepStatus::Failed => self.version.is_some(),
            StepStatus::Unchanged | StepStatus::Skipped => false,
        }
    }

    /// A step that has not done anything yet.
    pub fn new(kind: &'static str, table: &str) -> Self {
        Self {
            table: table.to_owned(),
            kind,
            status: StepStatus::Unchanged,
            rows: BTreeMap::new(),
            version: None,
            fingerprint: None,
            bytes_read: 0,
            bytes_written: 0,
            how: None,
            broken: Vec::new(),
            found_nothing: false,
            checks: Vec::new(),
            notes: Vec::new(),
            error: None,
            seconds: 0.0,
        }
    }

    /// Adds rows of one load.
    pub fn add_rows(&mut self, share: &Terms) {
        self.rows = crate::accounting::add(&self.rows, share);
    }

    /// Notes a version made by this step.
    pub fn committed(&mut self, version: i64, fingerprint: &str) {
        self.status = StepStatus::Done;
        self.version = Some(version);
        self.fingerprint = Some(fingerprint.to_owned());
    }
}

/// A target that demands signatures gets no commit without a key, nor by one that `verify` would not accept (G7).
pub fn check_signature(site: &Site) -> Result<(), PipelineError> {
    if !site.demands_signatures() {
        return Ok(());
    }
    let target = site.context.target.clone();
    let Some(key) = &site.context.key else {
        return Err(PipelineError::NoKey { target });
    };
    let id = key.id();
    let ring = KeyRing::load(&site.root.join("keys"))?;
    let why = match ring.get(&id) {
        None => "has no public half in `keys/`",
        Some(trusted) if trusted.revoked => "is revoked",
        Some(trusted) if !trusted.may_sign_at(&site.context.logical_time) => {
            "is not valid at the run's logical time"
        }
        Some(_) => return Ok(()),
    };
    Err(PipelineError::KeyNotTrusted {
        target,
        key: id.to_string(),
        why,
    })
}

/// Builds on no version that `verify` would not accept, not on a table's own, not on one that is read: what a checkpoint says in place of
/// the log is what the receipt states (A7), and a target that demands signatures has one (G7).
pub(crate) fn check_trusted(
    site: &Site,
    table: &TableName,
    head: Option<&Head>,
) -> Result<(), PipelineError> {
    if let Some(head) = head {
        check_head(site, table, head)?;
    }
    if !site.demands_signatures() {
        return Ok(());
    }
    let Some((head, digest)) = head.and_then(|head| Some((head, head.receipt?))) else {
        return Ok(());
    };
    let ring = KeyRing::load(&site.root.join("keys"))?;
    let signature = verify_signature(&open_receipt(site, digest)?, &ring);
    if signature.is_valid() {
        return Ok(());
    }
    Err(PipelineError::NotSigned {
        target: site.context.target.clone(),
        table: table.to_string(),
        version: head.snapshot.version,
        signature,
    })
}

/// A receipt with what is known before a step computed anything.
pub fn receipt_base(
    site: &Site,
    table: &TableName,
    kind: Kind,
    epoch: i64,
    code: Digest,
) -> Receipt {
    Receipt {
        table: table.to_string(),
        version: 0,
        kind,
        layer: table.layer.as_str().to_owned(),
        run: site.context.run.clone(),
        logical_time: site.context.logical_time.clone(),
        epoch,
        intent: None,
        inputs: Vec::new(),
        objects: Vec::new(),
        code,
        parameters: BTreeMap::new(),
        principal: site.context.principal.clone(),
        target: site.context.target.clone(),
        trigger: site.context.trigger.clone(),
        karat_version: site.context.karat_version.clone(),
        tzdata: karat_exact::TZDATA_VERSION.to_owned(),
        unicode: karat_exact::UNICODE_VERSION.to_owned(),
        expectations: Vec::new(),
        audit: None,
        accounting: BTreeMap::new(),
        accounting_run: BTreeMap::new(),
        fingerprint: String::new(),
        schema: Digest::of(b""),
        files_added: Vec::new(),
        files_removed: Vec::new(),
        live_files: Digest::of(b""),
        file_fingerprints: Digest::of(b""),
        bytes_read: 0,
        bytes_written: 0,
        previous: None,
        reason: None,
        restated: Vec::new(),
    }
}

/// Keeps the code of a step under its digest (A1), so that a version can be rebuilt from the lake alone.
pub fn keep_code(site: &Site, text: &str) -> Result<Digest, PipelineError> {
    let digest = Digest::of(text.as_bytes());
    site.lake
        .put_if_absent(&layout::code(digest), text.as_bytes())?;
    Ok(digest)
}
