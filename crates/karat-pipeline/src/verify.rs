//! Proof against data: receipts, chains, logs, files and fingerprints, without running a model and without `.karat/` (G5).

mod documents;
mod tags;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use karat_exact::Fingerprint;
use karat_exact::fingerprint::schema_text;
use karat_lake::{CommitRecord, ErrorClass, Lake, LakeError, LiveFile, Table, hash_file};
use karat_project::TableName;
use karat_receipt::{
    ChainLink, Digest, Input, KeyRing, Kind, Opened, Receipt, SignatureOutcome, check_chain,
    live_files_digest, open_expecting, verify_signature,
};

use crate::context::Site;
use crate::error::PipelineError;
use crate::layout;
use crate::publish::sha256_of_name;
use crate::read;

pub(crate) use documents::newest_checkpoint;

/// Outcome of a file that this user may not read, and of its table: nothing is known to contradict the record.
const UNREADABLE: &str = "unreadable";

/// How deep to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Receipts, keys, chains, intents, manifests, log: no data is read.
    Signatures,
    /// Also size and SHA-256 of every file that a readable version names.
    Files,
    /// Also fingerprints decoded from the rows of the newest versions.
    Newest,
    /// Fingerprints of all readable versions.
    All,
}

/// What to verify.
#[derive(Debug, Clone)]
pub struct VerifyOptions {
    /// How deep.
    pub level: Level,
    /// Only this table (two-part name), and of it only this version if one is given.
    pub only: Option<(String, Option<i64>)>,
    /// Heads that were written down: the manifest of each must be in the chain.
    pub heads: Vec<KnownHead>,
}

/// A head that is known from outside the lake.
#[derive(Debug, Clone)]
pub struct KnownHead {
    /// It; none where what should name one does not.
    pub digest: Option<Digest>,
    /// Where it is known from, for messages.
    pub from: String,
}

/// What was found of one table's version, or of the table as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableFinding {
    /// Two-part name.
    pub table: String,
    /// Version.
    pub version: i64,
    /// `ok`, `adopted`, `mismatch`, `missing`, `foreign`, `unreadable`.
    pub outcome: &'static str,
    /// What the record says.
    pub expected: Option<String>,
    /// What is there.
    pub found: Option<String>,
    /// One sentence for a person.
    pub detail: String,
}

/// What was found of one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileFinding {
    /// Path relative to the lake.
    pub path: String,
    /// `mismatch`, `missing`, `foreign`, `unreadable`; `orphan` or `unfinished`, which do no harm.
    pub outcome: &'static str,
    /// One sentence for a person.
    pub detail: String,
}

impl FileFinding {
    /// Whether no version of a table depends on it.
    fn is_harmless(&self) -> bool {
        matches!(self.outcome, "orphan" | "unfinished")
    }
}

/// The whole finding.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Per table.
    pub tables: Vec<TableFinding>,
    /// Files that are not as they should be, and those that a killed run left.
    pub files: Vec<FileFinding>,
    /// Receipts, files and rows that were looked at.
    pub receipts: u64,
    /// Files hashed.
    pub files_hashed: u64,
    /// Rows decoded.
    pub rows_decoded: u64,
    /// Head of the newest manifest.
    pub head: Option<Digest>,
    /// Versions without the signature that the target demands.
    pub unsigned: u64,
}

impl VerifyReport {
    /// Whether nothing contradicts the record.
    pub fn ok(&self) -> bool {
        self.tables
            .iter()
            .all(|table| matches!(table.outcome, "ok" | "adopted"))
            && self.files.iter().all(FileFinding::is_harmless)
    }

    /// Whether there was something that this user may not read.
    pub fn was_denied(&self) -> bool {
        self.files.iter().any(|file| file.outcome == UNREADABLE)
    }

    /// A table's version is not as the record says.
    fn contradict(
        &mut self,
        table: &str,
        version: i64,
        expected: Option<String>,
        found: Option<String>,
        detail: String,
    ) {
        self.tables
            .retain(|of| of.table != table || !matches!(of.outcome, "ok" | "adopted"));
        self.tables.push(TableFinding {
            table: table.to_owned(),
            version,
            outcome: "mismatch",
            expected,
            found,
            detail,
        });
        self.tables
            .sort_by(|left, right| (&left.table, left.version).cmp(&(&right.table, right.version)));
    }

    fn file(&mut self, path: &str, outcome: &'static str, detail: String) {
        self.files.push(FileFinding {
            path: path.to_owned(),
            outcome,
            detail,
        });
    }
}

/// Verifies a lake.
pub async fn verify(
    site: &Site,
    keys: &KeyRing,
    options: &VerifyOptions,
) -> Result<VerifyReport, PipelineError> {
    let mut report = VerifyReport::default();
    let mut seen_receipts = BTreeSet::new();
    let mut logs: BTreeMap<String, TableLog> = BTreeMap::new();
    let mut names = BTreeMap::new();
    for folder in site.lake.tables()? {
        names.insert(folder.name(), (folder.layer.clone(), folder.dir()));
    }
    for name in crate::manifest::versions(&site.lake)
        .unwrap_or_default()
        .into_keys()
    {
        let Ok(table) = name.parse::<TableName>() else {
            continue;
        };
        // What may not be looked into is not gone.
        if !names.contains_key(&name)
            && site
                .lake
                .table(&table.folder())
                .newest_version()
                .is_err_and(|error| is_hidden(&error))
        {
            names.insert(name, (table.layer.as_str().to_owned(), table.folder()));
        }
    }
    if let Some((only, _)) = &options.only
        && !names.contains_key(only)
    {
        return Err(PipelineError::Refused {
            what: format!("there is no table `{only}` in the lake"),
            hint: "`karat status` lists the tables".to_owned(),
        });
    }
    for (name, (layer, dir)) in &names {
        if options.only.as_ref().is_some_and(|(only, _)| only != name) {
            continue;
        }
        let mut check = TableCheck {
            site,
            keys,
            options,
            name,
            layer,
            dir,
            table: site.lake.table(dir),
            report: &mut report,
            receipts: &mut seen_receipts,
            hashed: BTreeMap::new(),
        };
        let log = check.run().await?;
        logs.insert(name.clone(), log);
    }
    if options.only.is_none() {
        documents::check(&site.lake, &mut report, &logs, &options.heads)?;
        tags::check(site, keys, &mut report, &logs)?;
        // A log that cannot be read names receipts that nobody sees.
        if logs.values().all(|log| log.versions.is_some()) {
            orphan_receipts(&site.lake, &seen_receipts, &mut report)?;
        }
    }
    report.files.sort();
    let same = |left: &FileFinding, right: &FileFinding| {
        (&left.path, left.outcome) == (&right.path, right.outcome)
    };
    report.files.dedup_by(|left, right| same(left, right));
    Ok(report)
}

/// A table's log as it was found.
struct TableLog {
    dir: String,
    /// Its entries; none if one cannot be read.
    versions: Option<BTreeMap<i64, LogEntry>>,
    /// Epochs of the table's own writer that it carries.
    epochs: BTreeSet<i64>,
    /// Epochs of its repairs.
    repairs: BTreeSet<i64>,
}

/// What an entry of a log says, and the receipt that it names.
struct LogEntry {
    /// Digest of its bytes.
    digest: Digest,
    run: Option<String>,
    receipt: Option<Digest>,
    /// What the receipt states, if it can be read.
    fingerprint: Option<String>,
    /// Tables that were read for it.
    inputs: Vec<Input>,
}

struct TableCheck<'a> {
    site: &'a Site,
    keys: &'a KeyRing,
    options: &'a VerifyOptions,
    name: &'a str,
    layer: &'a str,
    dir: &'a str,
    table: Table,
    report: &'a mut VerifyReport,
    receipts: &'a mut BTreeSet<Digest>,
    /// Data files that were hashed, and whether each is as it was written.
    hashed: BTreeMap<String, bool>,
}

impl TableCheck<'_> {
    /// Checks a table; gives its log as it was found.
    async fn run(&mut self) -> Result<TableLog, PipelineError> {
        // What cannot be looked at is told below.
        for (path, why) in self.table.altered_log_files().unwrap_or_default() {
            self.report.file(&path, "mismatch", why);
        }
        let history = match self.table.history(None) {
            Ok(history) => history,
            Err(error) => {
                let outcome = match is_hidden(&error) {
                    true => UNREADABLE,
                    false => "mismatch",
                };
                self.finding(
                    0,
                    outcome,
                    None,
                    None,
                    format!("its log cannot be read: {error}"),
                );
                if let Some(path) = error.path() {
                    let path = path.strip_prefix(self.site.lake.root()).unwrap_or(path);
                    self.report.file(&slashed(path), outcome, error.to_string());
                }
                return Ok(TableLog {
                    dir: self.dir.to_owned(),
                    versions: None,
                    epochs: BTreeSet::new(),
                    repairs: BTreeSet::new(),
                });
            }
        };
        if let Some((name, Some(version))) = &self.options.only
            && !history.iter().any(|record| record.version == *version)
        {
            return Err(PipelineError::Refused {
                what: format!("the log of `{name}` has no version {version}"),
                hint: format!("`karat receipt list {name}` lists its versions"),
            });
        }
        let before = self.report.tables.len();
        let files_before = self.report.files.len();
        let opened = self.read_receipts(&history)?;
        self.chain(&history, &opened);
        let adopted = adopted_versions(&opened);
        for record in &history {
            if record.receipt.is_none() && !adopted.contains(&record.version) {
                self.finding(
                    record.version,
                    "foreign",
                    None,
                    None,
                    "this version was committed by another writer".to_owned(),
                );
            }
        }
        self.against_log(&history, &opened);
        self.gaps(&history)?;
        if let Some((path, detail)) = self.table.wrong_pointer()? {
            // A run that was killed right before it wrote it is one that no manifest lists.
            let newest = history.last().and_then(|record| record.run.as_deref());
            let is_unfinished = match newest {
                Some(run) => self.site.lake.get(&layout::manifest(run))?.is_none(),
                None => false,
            };
            let outcome = match is_unfinished {
                true => "unfinished",
                false => "mismatch",
            };
            self.report.file(&path, outcome, detail);
        }
        if self.options.level >= Level::Files {
            self.files(&history, &opened)?;
        }
        if self.options.level >= Level::Newest {
            self.fingerprints(&history, &opened).await?;
        }
        let asked = match self.options.only {
            Some((_, Some(version))) => history.iter().find(|record| record.version == version),
            _ => history.last(),
        };
        if self.report.tables.len() == before
            && let Some(asked) = asked
        {
            let damaged: BTreeMap<&str, &'static str> = self.report.files[files_before..]
                .iter()
                .filter(|file| !file.is_harmless())
                .map(|file| (file.path.as_str(), file.outcome))
                .collect();
            let worst = match damaged.values().all(|outcome| *outcome == UNREADABLE) {
                true => UNREADABLE,
                false => "mismatch",
            };
            let (outcome, detail) = match damaged.len() {
                0 if adopted.contains(&asked.version) => ("adopted", String::new()),
                0 => ("ok", String::new()),
                1 => (worst, "a file of it, named below".to_owned()),
                several => (worst, format!("{several} files of it, named below")),
            };
            let expected = opened
                .get(&asked.version)
                .map(|opened| opened.receipt.fingerprint.clone());
            self.finding(asked.version, outcome, expected.clone(), expected, detail);
        }
        self.log(&history, &opened)
    }

    fn log(
        &self,
        history: &[CommitRecord],
        opened: &BTreeMap<i64, Opened>,
    ) -> Result<TableLog, PipelineError> {
        let name = self.name.parse::<TableName>().ok();
        let apps = name.map(|name| (layout::app(&name), layout::repair_app(&name)));
        let mut versions = BTreeMap::new();
        let (mut epochs, mut repairs) = (BTreeSet::new(), BTreeSet::new());
        for record in history {
            if let Some((app, repair_app)) = &apps {
                epochs.extend(record.app_versions.get(app));
                repairs.extend(record.app_versions.get(repair_app));
            }
            let digest = entry_digest(&self.table, record.version)?;
            let Some(digest) = digest else { continue };
            let receipt = opened.get(&record.version).map(|opened| &opened.receipt);
            let of_model =
                receipt.filter(|receipt| matches!(receipt.kind, Kind::Transform | Kind::Undo));
            versions.insert(
                record.version,
                LogEntry {
                    digest,
                    run: record.run.clone(),
                    receipt: record.receipt.as_deref().and_then(|text| text.parse().ok()),
                    fingerprint: receipt.map(|receipt| receipt.fingerprint.clone()),
                    inputs: of_model.map_or_else(Vec::new, |receipt| receipt.inputs.clone()),
                },
            );
        }
        Ok(TableLog {
            dir: self.dir.to_owned(),
            versions: Some(versions),
            epochs,
            repairs,
        })
    }

    fn finding(
        &mut self,
        version: i64,
        outcome: &'static str,
        expected: Option<String>,
        found: Option<String>,
        detail: String,
    ) {
        self.report.tables.push(TableFinding {
            table: self.name.to_owned(),
            version,
            outcome,
            expected,
            found,
            detail,
        });
    }

    fn wanted(&self, version: i64) -> bool {
        match self.options.only {
            Some((_, Some(only))) => only == version,
            _ => true,
        }
    }

    /// Opens the receipt of each version and checks what it says of itself.
    fn read_receipts(
        &mut self,
        history: &[CommitRecord],
    ) -> Result<BTreeMap<i64, Opened>, PipelineError> {
        let must_sign = self.site.demands_signatures();
        let mut opened = BTreeMap::new();
        let mut unacceptable: BTreeMap<i64, SignatureOutcome> = BTreeMap::new();
        for record in history {
            let Some(text) = &record.receipt else {
                continue;
            };
            let Ok(digest) = text.parse::<Digest>() else {
                self.finding(
                    record.version,
                    "mismatch",
                    None,
                    Some(text.clone()),
                    "its commit names a receipt by no digest".to_owned(),
                );
                continue;
            };
            self.receipts.insert(digest);
            let path = layout::receipt(digest);
            let Some(bytes) = self.site.lake.get(&path)? else {
                self.report.file(
                    &path,
                    "missing",
                    format!("receipt of {} version {}", self.name, record.version),
                );
                self.finding(
                    record.version,
                    "missing",
                    Some(digest.to_string()),
                    None,
                    "its receipt is missing".to_owned(),
                );
                continue;
            };
            self.report.receipts += 1;
            let receipt = match open_expecting(&bytes, &digest) {
                Ok(receipt) => receipt,
                Err(error) => {
                    self.report.file(&path, "mismatch", error.to_string());
                    let found = Digest::of(&bytes).to_string();
                    self.finding(
                        record.version,
                        "mismatch",
                        Some(digest.to_string()),
                        Some(found),
                        "its receipt was changed".to_owned(),
                    );
                    continue;
                }
            };
            let signature = verify_signature(&receipt, self.keys);
            let acceptable =
                signature.is_valid() || (signature == SignatureOutcome::Unsigned && !must_sign);
            if !acceptable {
                unacceptable.insert(record.version, signature);
            }
            self.intent(record.version, &receipt.receipt)?;
            let prints = layout::file_fingerprints(digest);
            if let Some(bytes) = self.site.lake.get(&prints)?
                && Digest::of(&bytes) != receipt.receipt.file_fingerprints
            {
                self.report.file(
                    &prints,
                    "mismatch",
                    "its digest is not the one that the receipt beside it states".to_owned(),
                );
            }
            opened.insert(record.version, receipt);
        }
        let vouched = vouched_for(
            opened
                .iter()
                .filter(|(version, _)| !unacceptable.contains_key(version))
                .map(|(_, opened)| opened),
        );
        for (version, signature) in unacceptable {
            let is_vouched = opened
                .get(&version)
                .is_some_and(|opened| vouched.contains(&opened.digest));
            if !is_vouched {
                self.report.unsigned += u64::from(signature == SignatureOutcome::Unsigned);
                let detail = format!("signature: {signature}");
                self.finding(version, "mismatch", None, None, detail);
            }
        }
        Ok(opened)
    }

    /// The intent that a receipt names must be there, with the digest that the receipt states.
    fn intent(&mut self, version: i64, receipt: &Receipt) -> Result<(), PipelineError> {
        let Some(expected) = receipt.intent else {
            return Ok(());
        };
        // The quarantine table is written under the intent of its silver table.
        let writer = match receipt.kind {
            Kind::Repair => format!("{}{}", layout::REPAIR, receipt.table),
            _ => receipt.table.clone(),
        };
        let path = intent_path(&writer, receipt.epoch);
        match self.site.lake.get(&path)? {
            None => {
                self.report.file(
                    &path,
                    "missing",
                    format!("intent of {} version {version}", self.name),
                );
            }
            Some(bytes) if Digest::of(&bytes) != expected => {
                self.report.file(
                    &path,
                    "mismatch",
                    "its digest is not the one that the receipt states".to_owned(),
                );
            }
            Some(_) => {}
        }
        let checks = receipt
            .audit
            .as_ref()
            .map(|audit| (audit.code, "checks", true));
        let own = (receipt.code, "code", receipt.kind != Kind::Adopt);
        for (digest, what, is_needed) in std::iter::once(own).chain(checks) {
            let code = layout::code(digest);
            match self.site.lake.get(&code)? {
                Some(bytes) if Digest::of(&bytes) != digest => {
                    self.report
                        .file(&code, "mismatch", "its digest is not its name".to_owned());
                }
                None if is_needed => {
                    self.report.file(
                        &code,
                        "missing",
                        format!("{what} of {} version {version}", self.name),
                    );
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn chain(&mut self, history: &[CommitRecord], opened: &BTreeMap<i64, Opened>) {
        let links: Vec<ChainLink<'_>> = history
            .iter()
            .filter_map(|record| opened.get(&record.version))
            .map(|opened| ChainLink {
                digest: opened.digest,
                receipt: &opened.receipt,
            })
            .collect();
        for finding in check_chain(links) {
            self.finding(
                finding.version,
                "mismatch",
                None,
                Some(finding.receipt.to_string()),
                finding.problem.to_string(),
            );
        }
    }

    /// Versions without a log entry: readers may have them from a checkpoint.
    fn gaps(&mut self, history: &[CommitRecord]) -> Result<(), PipelineError> {
        let (Some(first), Some(newest)) = (history.first(), self.table.newest_version()?) else {
            return Ok(());
        };
        for version in first.version..=newest {
            if !history.iter().any(|record| record.version == version) {
                let detail = "the log goes on without this version";
                let path = self.table.entry_path(version)?;
                self.report.file(&path, "missing", detail.to_owned());
            }
        }
        Ok(())
    }

    /// What the log says against what the receipts say: versions, transactions, files, schema.
    fn against_log(&mut self, history: &[CommitRecord], opened: &BTreeMap<i64, Opened>) {
        let stated = digests_stated(opened);
        let mut live: BTreeMap<String, u64> = BTreeMap::new();
        for record in history {
            for path in &record.removed {
                live.remove(path);
            }
            for file in &record.added {
                live.insert(file.path.clone(), file.size);
            }
            let Some(opened) = opened.get(&record.version) else {
                continue;
            };
            let receipt = &opened.receipt;
            if !self.wanted(record.version) {
                continue;
            }
            if receipt.table != self.name || receipt.version != record.version {
                let stated = format!("{}@{}", receipt.table, receipt.version);
                self.finding(
                    record.version,
                    "mismatch",
                    Some(format!("{}@{}", self.name, record.version)),
                    Some(stated),
                    "its receipt is for another version".to_owned(),
                );
                continue;
            }
            let found = live_files_digest(live.iter().map(|(path, size)| {
                (
                    path.as_str(),
                    *size,
                    digest_of(path, &stated).unwrap_or_default(),
                )
            }));
            if found != receipt.live_files {
                self.finding(
                    record.version,
                    "mismatch",
                    Some(receipt.live_files.to_string()),
                    Some(found.to_string()),
                    "the log lists other files than the receipt".to_owned(),
                );
            }
            if record.run.as_deref().is_some_and(|run| run != receipt.run) {
                self.finding(
                    record.version,
                    "mismatch",
                    Some(receipt.run.clone()),
                    record.run.clone(),
                    "the log names another run than the receipt".to_owned(),
                );
            }
        }
    }

    /// Size and SHA-256 of every file that a readable version names; files that none names.
    fn files(
        &mut self,
        history: &[CommitRecord],
        opened: &BTreeMap<i64, Opened>,
    ) -> Result<(), PipelineError> {
        let stated = digests_stated(opened);
        let mut named: BTreeMap<String, u64> = BTreeMap::new();
        for record in history {
            if !self.wanted(record.version) {
                continue;
            }
            for file in &record.added {
                named.insert(file.path.clone(), file.size);
            }
        }
        for (path, size) in &named {
            self.is_intact(path, *size, &stated)?;
        }
        if self.options.only.is_none() {
            for path in data_files(&self.site.lake.root().join(self.dir))? {
                if named.contains_key(&path) {
                    continue;
                }
                let shown = format!("{}/{path}", self.dir);
                let intact = hash_file(&self.table.path().join(&path))
                    .is_ok_and(|(_, sha256)| Some(sha256.as_str()) == sha256_of_name(&path));
                let detail = if intact {
                    "no version names it; its bytes are what its name says"
                } else {
                    "no version names it; its bytes are not what its name says"
                };
                self.report.file(&shown, "orphan", detail.to_owned());
            }
        }
        Ok(())
    }

    /// Whether a data file has the bytes that were written; hashed once, and reported if not.
    fn is_intact(
        &mut self,
        path: &str,
        size: u64,
        stated: &BTreeMap<String, String>,
    ) -> Result<bool, PipelineError> {
        if let Some(known) = self.hashed.get(path) {
            return Ok(*known);
        }
        let shown = format!("{}/{path}", self.dir);
        let absolute = self.table.path().join(path);
        self.report.files_hashed += 1;
        let expected = digest_of(path, stated);
        let wrong = match hash_file(&absolute) {
            Err(_) if !absolute.exists() => {
                Some(("missing", format!("named by the log of {}", self.name)))
            }
            // What may not be read is not known to be wrong.
            Err(error) if error.class() == ErrorClass::NotAllowed => {
                Some((UNREADABLE, error.to_string()))
            }
            Err(error) => Some(("mismatch", error.to_string())),
            Ok((found, _)) if found != size => Some((
                "mismatch",
                format!("its size is {found}, the log says {size}"),
            )),
            Ok((_, sha256)) if expected.is_none() => Some((
                "foreign",
                format!(
                    "another writer named it, and no receipt states its SHA-256, which is {sha256}"
                ),
            )),
            Ok((_, sha256)) => (Some(sha256.as_str()) != expected).then(|| {
                let expected = expected.unwrap_or_default();
                (
                    "mismatch",
                    format!("its SHA-256 is {sha256}, it was written as {expected}"),
                )
            }),
        };
        let intact = wrong.is_none();
        if let Some((outcome, detail)) = wrong {
            self.report.file(&shown, outcome, detail);
        }
        self.hashed.insert(path.to_owned(), intact);
        Ok(intact)
    }

    async fn fingerprints(
        &mut self,
        history: &[CommitRecord],
        opened: &BTreeMap<i64, Opened>,
    ) -> Result<(), PipelineError> {
        let newest = history.last().map(|record| record.version);
        let every = self.options.level == Level::All
            || self
                .options
                .only
                .as_ref()
                .is_some_and(|(_, version)| version.is_some());
        let stated = digests_stated(opened);
        let mut of_file: BTreeMap<String, Fingerprint> = BTreeMap::new();
        for record in history {
            if !(every || Some(record.version) == newest) || !self.wanted(record.version) {
                continue;
            }
            let Some(opened) = opened.get(&record.version) else {
                continue;
            };
            let snapshot = match self.table.load_at(record.version) {
                Ok(Some(snapshot)) => snapshot,
                Ok(None) => continue,
                Err(error) => {
                    self.finding(
                        record.version,
                        "mismatch",
                        None,
                        None,
                        format!("it cannot be read: {error}"),
                    );
                    continue;
                }
            };
            let schema = Digest::of(schema_text(&snapshot.schema).as_bytes());
            if schema != opened.receipt.schema {
                self.finding(
                    record.version,
                    "mismatch",
                    Some(opened.receipt.schema.to_string()),
                    Some(schema.to_string()),
                    "the log states another schema than the receipt".to_owned(),
                );
            }
            let mut total = Fingerprint::default();
            let mut unreadable = false;
            for file in &snapshot.files {
                // Only bytes that karat wrote are decoded: what a damaged file leads its reader to do is not known.
                if !self.is_intact(&file.path, file.size, &stated)? {
                    unreadable = true;
                    continue;
                }
                let fingerprint = match of_file.get(&file.path) {
                    Some(known) => *known,
                    None => match self.decode(&snapshot.schema, file).await {
                        Ok(fingerprint) => fingerprint,
                        Err(error) => {
                            self.report.file(
                                &format!("{}/{}", self.dir, file.path),
                                "mismatch",
                                format!("its rows cannot be decoded: {error}"),
                            );
                            unreadable = true;
                            continue;
                        }
                    },
                };
                of_file.insert(file.path.clone(), fingerprint);
                if fingerprint.rows != file.rows {
                    self.report.file(
                        &format!("{}/{}", self.dir, file.path),
                        "mismatch",
                        format!(
                            "it has {} rows, the log says {}",
                            fingerprint.rows, file.rows
                        ),
                    );
                }
                total += fingerprint;
            }
            if !unreadable && total.to_string() != opened.receipt.fingerprint {
                self.finding(
                    record.version,
                    "mismatch",
                    Some(opened.receipt.fingerprint.clone()),
                    Some(total.to_string()),
                    "its rows are not those that the receipt states".to_owned(),
                );
            }
        }
        Ok(())
    }

    async fn decode(
        &mut self,
        schema: &arrow::datatypes::SchemaRef,
        file: &LiveFile,
    ) -> Result<Fingerprint, PipelineError> {
        let fingerprint = read::fingerprint_file(
            self.site,
            &self.table,
            schema,
            file,
            read::excluded(self.layer),
        )
        .await?;
        self.report.rows_decoded += fingerprint.rows;
        Ok(fingerprint)
    }
}

/// SHA-256 of each file that a receipt adds.
fn digests_stated(opened: &BTreeMap<i64, Opened>) -> BTreeMap<String, String> {
    let added = opened
        .values()
        .flat_map(|opened| &opened.receipt.files_added);
    added
        .map(|file| (file.path.clone(), file.sha256.clone()))
        .collect()
}

/// What a file's bytes must hash to: its own name says so; of an adopted file, the receipt.
fn digest_of<'p>(path: &'p str, stated: &'p BTreeMap<String, String>) -> Option<&'p str> {
    sha256_of_name(path).or_else(|| stated.get(path).map(String::as_str))
}

/// Receipts that adoptions cover: who signed such an adoption vouches for them, whoever signed them (G7).
pub(crate) fn vouched_for<'o>(adoptions: impl Iterator<Item = &'o Opened>) -> BTreeSet<Digest> {
    adoptions
        .filter(|opened| opened.receipt.kind == Kind::Adopt)
        .flat_map(|opened| &opened.receipt.inputs)
        .filter_map(|input| input.receipt)
        .collect()
}

/// Versions that an adoption covers (G2).
fn adopted_versions(opened: &BTreeMap<i64, Opened>) -> BTreeSet<i64> {
    let mut adopted = BTreeSet::new();
    for (version, opened) in opened {
        if opened.receipt.kind == Kind::Adopt {
            adopted.insert(*version);
            adopted.extend(opened.receipt.inputs.iter().map(|input| input.version));
        }
    }
    adopted
}

/// Path of the intent of a writer's epoch: of a table, or of the repairs of one.
fn intent_path(writer: &str, epoch: i64) -> String {
    let repaired = writer.strip_prefix(layout::REPAIR);
    let table = repaired.unwrap_or(writer);
    let (schema, name) = table.split_once('.').unwrap_or((table, ""));
    let (domain, layer) = schema.rsplit_once('_').unwrap_or((schema, ""));
    let folder = match layer {
        "bronze" if repaired.is_some() => format!("repair.{name}"),
        "bronze" => name.to_owned(),
        "quarantine" => format!("silver.{name}"),
        layer => format!("{layer}.{name}"),
    };
    format!("_karat/intents/{domain}/{folder}/{epoch}.json")
}

/// Digest of a table's log up to a version: SHA-256 of the digest up to the version before and of the entry's own. A manifest
/// states it, so that a changed log entry is found though the receipt was sealed before the entry existed.
fn rolled(before: Option<Digest>, entry: Digest) -> Digest {
    let text = match before {
        Some(before) => format!("{before}\n{entry}\n"),
        None => format!("{entry}\n"),
    };
    Digest::of(text.as_bytes())
}

/// Digest of a log entry; none if it is not there.
fn entry_digest(table: &Table, version: i64) -> Result<Option<Digest>, PipelineError> {
    let entry = table.log_entry(version)?;
    Ok(entry.map(|entry| Digest::of(&entry.text)))
}

/// Rolling digest of a table's log up to a version, for a manifest; none if there is no such version. What an older manifest vouches for
/// is rolled on, not read again: a log entry that was changed since must not be vouched for anew.
pub fn log_digest(
    table: &Table,
    vouched: Option<(i64, Digest)>,
    version: i64,
) -> Result<Option<Digest>, PipelineError> {
    let from = vouched.map_or(0, |(version, _)| version + 1);
    let mut last = vouched.map(|(_, digest)| digest);
    let mut newest = None;
    for record in table.history(Some(from))? {
        if record.version > version {
            break;
        }
        if let Some(entry) = entry_digest(table, record.version)? {
            last = Some(rolled(last, entry));
            newest = Some(record.version);
        }
    }
    Ok(last.filter(|_| newest == Some(version)))
}

/// A path of the lake with slashes.
fn slashed(path: &Path) -> String {
    path.to_string_lossy().replace('\\', "/")
}

/// A receipt that no commit names is garbage of a killed run; it is listed, and does no harm.
/// Whether this user lacks the right to see something.
fn is_hidden(error: &LakeError) -> bool {
    error.class() == ErrorClass::NotAllowed
}

fn orphan_receipts(
    lake: &Lake,
    named: &BTreeSet<Digest>,
    report: &mut VerifyReport,
) -> Result<(), PipelineError> {
    for name in lake.list("_karat/receipts")? {
        let Some(digest) = name
            .strip_suffix(".json")
            .and_then(|stem| stem.parse::<Digest>().ok())
        else {
            continue;
        };
        if !named.contains(&digest) {
            report.file(
                &format!("_karat/receipts/{name}"),
                "orphan",
                "no commit names it".to_owned(),
            );
        }
    }
    Ok(())
}

fn data_files(folder: &Path) -> Result<Vec<String>, PipelineError> {
    let mut files = Vec::new();
    if let Ok(entries) = std::fs::read_dir(folder) {
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if name.ends_with(".parquet") {
                files.push(name);
            }
        }
    }
    files.sort();
    Ok(files)
}
