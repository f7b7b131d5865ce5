//! The whole estate: facts first (who passes what), then every asset, with `%run` followed into other notebooks.
//!
//! Files come through the trait [`Files`], so that an estate can lie on a disk, in an archive or in a test. Nothing is kept in memory but
//! reports: a text is read, settled and let go.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use karat_receipt::Digest;

use crate::asset::{self, AssetReport, Counts};
use crate::beside;
use crate::candidates::Scanner;
use crate::constants::{self, Decided, Place, Told};
use crate::current;
use crate::factory::Factory;
use crate::format::Format;
use crate::language::R_SOURCE;
use crate::mapping::Mapping;
use crate::notebooks::{ByKey, Notebooks};
use crate::occurrence::{Doubt, Occurrence, Verdict};
use crate::reader::{Facts, Options, Reader, notebook_key};
use crate::report::{decisions, issues};
use crate::session::{Session, Value};
use crate::style;
use crate::text::Encoding;

/// Where assets come from: a list in a fixed order, and their bytes.
pub trait Files: Sync {
    /// Paths with `/`, sorted; members of archives as `archive.dbc!/member`.
    fn paths(&self) -> &[String];
    /// The bytes of one; or why they cannot be had.
    fn read(&self, index: usize) -> Result<Vec<u8>, Doubt>;
    /// The digest of the bytes that one stands in, also where they cannot be read as an asset: an archive that is refused, a file that is
    /// too large; `None` if there are no such bytes.
    fn digest(&self, index: usize) -> Option<Digest> {
        self.read(index).ok().map(|bytes| Digest::of(&bytes))
    }
}

/// An estate in memory.
#[derive(Clone, Debug, Default)]
pub struct InMemory {
    paths: Vec<String>,
    bytes: Vec<Vec<u8>>,
}

impl InMemory {
    /// An estate of these files.
    pub fn new<'f>(files: impl IntoIterator<Item = (&'f str, &'f [u8])>) -> Self {
        let mut sorted: Vec<(&str, &[u8])> = files.into_iter().collect();
        sorted.sort();
        Self {
            paths: sorted.iter().map(|(path, _)| (*path).to_owned()).collect(),
            bytes: sorted.iter().map(|(_, bytes)| bytes.to_vec()).collect(),
        }
    }
}

impl Files for InMemory {
    fn paths(&self) -> &[String] {
        &self.paths
    }

    fn read(&self, index: usize) -> Result<Vec<u8>, Doubt> {
        Ok(self.bytes[index].clone())
    }
}

/// Files larger than this are not read; a person looks at them.
pub const FILE_SIZE_MAX: u64 = 256 * 1024 * 1024;

/// What a scan found.
#[derive(Clone, Debug, Default)]
pub struct Scan {
    /// One report an asset, in the order of the paths.
    pub assets: Vec<AssetReport>,
}

impl Scan {
    /// All verdicts together.
    pub fn counts(&self) -> Counts {
        self.assets
            .iter()
            .map(AssetReport::counts)
            .fold(Counts::default(), Counts::plus)
    }

    /// Whether anything needs a person.
    pub fn needs_person(&self) -> bool {
        self.assets.iter().any(AssetReport::needs_person)
    }
}

/// Scans an estate with a number of threads; the result does not depend on it.
pub fn scan(files: &dyn Files, mapping: &Mapping, options: &Options, threads: usize) -> Scan {
    let mut facts = facts(files, mapping, options, threads);
    let scanner = Scanner::new(mapping);
    let read = |facts: &Facts, indexes: &[usize]| {
        let notebooks = Notebooks::new(files, mapping, options, facts);
        in_parallel(indexes.len(), threads, |at| {
            let index = indexes[at];
            one(files, index, mapping, options, facts, &notebooks, &scanner)
        })
    };
    let all: Vec<usize> = (0..files.paths().len()).collect();
    let mut assets = read(&facts, &all);
    leave_besides(&mut assets, &mut facts, files, read);
    settle_constants(&mut assets, &mut facts, files, read);
    leave_uses(&mut assets, &mut facts, files, read);
    let included: HashSet<String> = assets
        .iter()
        .flat_map(|asset| &asset.calls)
        .filter(|call| call.how == "%run")
        .map(|call| last_part(&notebook_key(&call.target)))
        .collect();
    for (index, report) in assets.iter_mut().enumerate() {
        let is_included = included.contains(&last_part(&notebook_key(&report.path)));
        if is_included || !style::concerns(report) {
            continue;
        }
        if let Ok(bytes) = files.read(index)
            && let Ok(decoded) = asset::decode(&report.path, &bytes)
        {
            style::apply(report, &decoded, options.styles.of(&report.path));
        }
    }
    Scan { assets }
}

/// Names that would be merged with others of their session are left to a person; the assets with such are read once more.
fn leave_besides(
    assets: &mut [AssetReport],
    facts: &mut Facts,
    files: &dyn Files,
    read: impl Fn(&Facts, &[usize]) -> Vec<AssetReport>,
) {
    if assets.iter().all(|report| report.already.is_empty()) {
        return;
    }
    let by_key = ByKey::of(files.paths());
    let runs: Vec<Vec<usize>> = assets
        .iter()
        .map(|report| {
            let runs = report.calls.iter().filter(|call| call.how == "%run");
            runs.filter_map(|call| by_key.resolve(files.paths(), &report.path, &call.target))
                .collect()
        })
        .collect();
    facts.besides = beside::of_sessions(assets, &runs);
    let again: Vec<usize> = (0..assets.len())
        .filter(|index| facts.besides.contains_key(&assets[*index].path))
        .collect();
    for (index, report) in again.iter().zip(read(facts, &again)) {
        assets[*index] = report;
    }
}

/// A `USE` that would take names of other notebooks along is left to a person; the assets with such are read once more.
fn leave_uses(
    assets: &mut Vec<AssetReport>,
    facts: &mut Facts,
    files: &dyn Files,
    read: impl Fn(&Facts, &[usize]) -> Vec<AssetReport> + Copy,
) {
    for _ in 0..=ROUNDS_MAX {
        let taking = current::taking_along(assets);
        let edited: Vec<(bool, bool)> = assets
            .iter()
            .map(|report| current::edits_one_of(report, &taking))
            .collect();
        let again: Vec<usize> = (0..assets.len()).filter(|index| edited[*index].0).collect();
        if again.is_empty() {
            return;
        }
        facts.uses_left.extend(taking);
        if edited.iter().any(|(_, by_constant)| *by_constant) {
            // A text that fills a `USE` fills other names too: all is decided once more.
            facts.constants = Decided::default();
            let all: Vec<usize> = (0..assets.len()).collect();
            *assets = read(facts, &all);
            settle_constants(assets, facts, files, read);
            continue;
        }
        for (index, report) in again.iter().zip(read(facts, &again)) {
            assets[*index] = report;
            assets[*index].told = Told::default();
        }
    }
}

/// What fills names in several places changes only if all of them agree; the assets that it concerns are read once more when that is known.
fn settle_constants(
    assets: &mut [AssetReport],
    facts: &mut Facts,
    files: &dyn Files,
    read: impl Fn(&Facts, &[usize]) -> Vec<AssetReport>,
) {
    let told: Vec<Told> = assets
        .iter_mut()
        .map(|report| std::mem::take(&mut report.told))
        .collect();
    if told.iter().all(|told| told.made.is_empty()) {
        return;
    }
    let speaks_against = against_constants(assets, &told, files);
    let mut banned: BTreeSet<Place> = BTreeSet::new();
    let mut again: BTreeSet<usize> = BTreeSet::new();
    for round in 0..=ROUNDS_MAX {
        let by_path: Vec<(&str, &Told)> = assets
            .iter()
            .map(|report| report.path.as_str())
            .zip(&told)
            .collect();
        facts.constants = match round {
            ROUNDS_MAX => Decided::default(),
            _ => constants::decide(&by_path, &speaks_against, &banned),
        };
        again.extend((0..assets.len()).filter(|index| {
            let (path, told) = by_path[*index];
            facts.constants.concerns(path, told)
        }));
        if again.is_empty() {
            return;
        }
        let indexes: Vec<usize> = again.iter().copied().collect();
        for (index, report) in indexes.iter().zip(read(facts, &indexes)) {
            assets[*index] = report;
            assets[*index].told = Told::default();
        }
        let broken = indexes
            .iter()
            .flat_map(|index| not_carried_out(&assets[*index], &facts.constants));
        let before = banned.len();
        banned.extend(broken);
        if banned.len() == before {
            return;
        }
    }
}

/// So often it is tried to do without texts whose names are not rewritten after all.
const ROUNDS_MAX: usize = 4;

/// Texts that should change and do not, or that make a name which is not rewritten after all.
fn not_carried_out(report: &AssetReport, decided: &Decided) -> Vec<Place> {
    let is_rewritten =
        |occurrence: &Occurrence| matches!(occurrence.verdict, Verdict::Rewritten { .. });
    let made = report
        .occurrences
        .iter()
        .filter(|occurrence| !is_rewritten(occurrence))
        .filter_map(|occurrence| occurrence.made_of.as_ref())
        .filter(|made| made.settled)
        .flat_map(|made| made.constants.iter().cloned());
    let own = decided.new.keys().filter(|(path, start)| {
        let changes = |occurrence: &Occurrence| match &occurrence.verdict {
            Verdict::Rewritten { edits, .. } => {
                occurrence.range.contains(start) && !edits.is_empty()
            }
            _ => false,
        };
        path.as_ref() == report.path && !report.occurrences.iter().any(changes)
    });
    made.chain(own.cloned()).collect()
}

/// What speaks against a text of the first asset that the second one uses.
fn against_constants(
    assets: &[AssetReport],
    told: &[Told],
    files: &dyn Files,
) -> impl Fn(&str, &str) -> Option<String> + use<> {
    let by_key = ByKey::of(files.paths());
    let mut runs: BTreeSet<String> = BTreeSet::new();
    for report in assets {
        for call in report.calls.iter().filter(|call| call.how == "%run") {
            if by_key
                .resolve(files.paths(), &report.path, &call.target)
                .is_none()
            {
                runs.insert(last_part(&notebook_key(&call.target)));
            }
        }
    }
    let imports: BTreeSet<String> = told
        .iter()
        .flat_map(|told| told.imports.iter().cloned())
        .collect();
    let plain: BTreeSet<String> = assets
        .iter()
        .filter(|report| matches!(report.format, Some(Format::Code(_))))
        .map(|report| report.path.clone())
        .collect();
    let beyond_patches: BTreeSet<String> = assets
        .iter()
        .filter(|report| {
            let shown = [Encoding::Utf8, Encoding::Utf8Marked].map(|one| Some(one.name()));
            report.path.contains("!/") || !shown.contains(&report.encoding)
        })
        .map(|report| report.path.clone())
        .collect();
    move |owner, user| {
        let name = last_part(&notebook_key(owner));
        if runs.contains(&name) {
            return Some("may be used by a notebook that runs this one by another path".to_owned());
        }
        let is_script = owner.to_ascii_lowercase().ends_with(".r");
        let is_imported = imports.contains(&name) || is_script && imports.contains(R_SOURCE);
        if plain.contains(owner) && is_imported {
            return Some("may be used by what imports this file".to_owned());
        }
        if owner != user
            && [owner, user]
                .iter()
                .any(|path| beyond_patches.contains(*path))
        {
            return Some("is used in a file that cannot be part of one patch with it".to_owned());
        }
        None
    }
}

fn last_part(key: &str) -> String {
    key.rsplit('/').next().unwrap_or(key).to_owned()
}

fn one(
    files: &dyn Files,
    index: usize,
    mapping: &Mapping,
    options: &Options,
    facts: &Facts,
    notebooks: &Notebooks<'_>,
    scanner: &Scanner<'_>,
) -> AssetReport {
    let path = &files.paths()[index];
    let bytes = match files.read(index) {
        Ok(bytes) => bytes,
        Err(doubt) => return unread(AssetReport::unread(path, &[], doubt), options),
    };
    let decoded = match asset::decode(path, &bytes) {
        Ok(decoded) => decoded,
        Err(doubt) => return unread(AssetReport::unread(path, &bytes, doubt), options),
    };
    let reader = Reader::new(path, mapping, options, facts, notebooks, Session::new());
    let (found, session) = notebooks.reading(index, || asset::read(reader, &decoded));
    let mut report = asset::settle(path, &bytes, &decoded, found, scanner);
    report.behind = session.uses.behind;
    current::leave(&mut report, &facts.uses_left);
    if options.comments {
        asset::rewrite_comments(&mut report, &decoded.text, mapping);
    }
    if !options.decisions.is_empty() {
        let issues = issues(&report, &decoded.text);
        report.decided = decisions::apply(&mut report, &issues, &options.decisions);
    }
    if options.issues {
        report.issues = issues(&report, &decoded.text);
    }
    report
}

fn unread(mut report: AssetReport, options: &Options) -> AssetReport {
    if options.issues {
        report.issues = issues(&report, "");
    }
    report
}

/// What pipelines and jobs pass to notebooks.
fn facts(files: &dyn Files, mapping: &Mapping, options: &Options, threads: usize) -> Facts {
    let decoded = |index: usize, ends: &[&str]| {
        let path = &files.paths()[index];
        let lower = path.to_ascii_lowercase();
        if !ends.iter().any(|end| lower.ends_with(end)) {
            return None;
        }
        asset::decode(path, &files.read(index).ok()?).ok()
    };
    let mut facts = Facts {
        sql_server_projects: files
            .paths()
            .iter()
            .filter(|path| path.to_ascii_lowercase().ends_with(".sqlproj"))
            .map(|path| path[..path.rfind('/').map_or(0, |slash| slash + 1)].to_owned())
            .collect(),
        ..Facts::default()
    };
    let factories = in_parallel(files.paths().len(), threads, |index| {
        let mut factory = Factory::default();
        if let Some(decoded) = decoded(index, &[".json"]) {
            factory.add(&files.paths()[index], &decoded.text);
        }
        factory
    });
    for factory in factories {
        facts.factory.join(factory);
    }
    let none = &facts;
    let passed = in_parallel(files.paths().len(), threads, |index| {
        let path = &files.paths()[index];
        // What the factory passes is known by now, from all of its files.
        if facts.factory.has(path) {
            return Vec::new();
        }
        let Some(decoded) = decoded(index, &[".json", ".yml", ".yaml"]) else {
            return Vec::new();
        };
        let reader = Reader::new(
            path,
            mapping,
            options,
            none,
            &crate::reader::NoIncludes,
            Session::new(),
        );
        asset::read(reader, &decoded).0.passed
    });
    let by_job = files
        .paths()
        .iter()
        .zip(passed)
        .flat_map(|(path, passed)| passed.into_iter().map(move |one| (path.as_str(), one)));
    let by_factory = facts.factory.passed().into_iter().map(|one| ("", one));
    // What they call is joined with a notebook of the estate here, so that reading it needs only its path.
    let notebooks = Notebooks::new(files, mapping, options, &facts);
    let passed: Vec<_> = by_job
        .chain(by_factory)
        .map(|(from, passed)| {
            let called = notebooks.resolve(from, &passed.notebook);
            let path = called.map_or(passed.notebook.as_str(), |index| &files.paths()[index]);
            (notebook_key(path), passed)
        })
        .collect();
    for (notebook, passed) in passed {
        let value = if passed.values.is_empty() {
            Value::Unknown
        } else {
            Value::OneOf(passed.values.into_iter().collect())
        };
        let widgets = facts.passed.entry(notebook).or_default();
        let known = widgets.remove(&passed.parameter);
        widgets.insert(
            passed.parameter,
            match known {
                Some(known) => known.or(value),
                None => value,
            },
        );
    }
    facts
}

/// Runs a function for 0..count on several threads; results in order.
pub fn in_parallel<T: Send>(
    count: usize,
    threads: usize,
    work: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return done;
            }
            done.push((index, work(index)));
        }
    };
    let threads = threads.clamp(1, count.max(1));
    let mut all: Vec<(usize, T)> = std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads)
            .map(|_| {
                std::thread::Builder::new()
                    .stack_size(STACK_BYTES)
                    .spawn_scoped(scope, take)
            })
            .collect();
        let mut all = match std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, take)
        {
            Ok(own) => own
                .join()
                .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            // No thread can be had: the work is done here.
            Err(_) => take(),
        };
        for other in others.into_iter().flatten() {
            all.extend(
                other
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            );
        }
        all
    });
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, result)| result).collect()
}

/// Deeply nested code needs room.
const STACK_BYTES: usize = 64 * 1024 * 1024;
