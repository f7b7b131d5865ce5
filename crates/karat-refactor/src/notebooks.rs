//! The notebooks of an estate by their paths, and the sessions that they leave to those who `%run` them.
//!
//! A notebook is read once for each session that differs in what it can see of it: in variables that it, or a notebook that it runs in turn,
//! mentions. What it does not mention goes past it. So twenty notebooks that run the same five are twenty-five readings and not a hundred.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use karat_receipt::Digest;

use crate::asset;
use crate::estate::Files;
use crate::format::Format;
use crate::mapping::Mapping;
use crate::reader::{Facts, Includes, Options, Reader, notebook_key};
use crate::session::Session;
use crate::words::{Mentioned, Words};

thread_local! {
    /// The notebooks that are being read on this thread, so that one that runs itself ends.
    static OPEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) };
    /// Whether such an end was reached: what was read then is no answer for other callers.
    static CUT: Cell<bool> = const { Cell::new(false) };
    /// How often a notebook was read for the asset that is being read on this thread, those counted in that were known already.
    static READS: Cell<usize> = const { Cell::new(0) };
    /// How many notebooks were open at most since this was last set, those counted in that were known already.
    static DEEPEST: Cell<usize> = const { Cell::new(0) };
}

/// So often notebooks are read for one asset: two that run two others each, and so on, would never end.
const READS_MAX: usize = 1_000;

/// Notebooks by path, and the sessions that they leave.
pub(crate) struct Notebooks<'e> {
    files: &'e dyn Files,
    mapping: &'e Mapping,
    options: &'e Options,
    facts: &'e Facts,
    by_key: ByKey,
    /// By notebook and what it could see of the session.
    left: Mutex<HashMap<(usize, Digest), Left>>,
    words: Mutex<HashMap<usize, Option<Arc<Words>>>>,
    mentioned: Mutex<HashMap<usize, Arc<Mentioned>>>,
}

/// What a notebook left of a session.
#[derive(Clone)]
struct Left {
    /// What it saw: keeps alive what this is known by.
    _seen: Session,
    session: Arc<Session>,
    /// How many reads it took.
    reads: usize,
    /// How many notebooks were open at most, itself counted in.
    depth: usize,
}

/// Notebooks by the paths that others know them by.
pub(crate) struct ByKey {
    whole: HashMap<String, usize>,
    /// By the last part of the key.
    by_name: HashMap<String, Vec<usize>>,
}

impl ByKey {
    pub(crate) fn of(paths: &[String]) -> Self {
        let mut whole = HashMap::new();
        let mut by_name: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, path) in paths.iter().enumerate() {
            let key = notebook_key(&path.replace("!/", "/"));
            if key.len() == path.len() && !path.contains("!/") {
                // No extension of a notebook.
                continue;
            }
            let key = without_archive_extension(&key);
            let name = key.rsplit('/').next().unwrap_or(&key).to_owned();
            by_name.entry(name).or_default().push(index);
            whole.entry(key).or_insert(index);
        }
        Self { whole, by_name }
    }

    /// The notebook that `target` means in `from`: relative to its folder; else the only one whose path ends so.
    pub(crate) fn resolve(&self, paths: &[String], from: &str, target: &str) -> Option<usize> {
        let from_key = without_archive_extension(&notebook_key(&from.replace("!/", "/")));
        let target = notebook_key(target.trim_end_matches('/'));
        let relative = target.starts_with('.') || !target.contains('/');
        let folder = from_key.rsplit_once('/').map_or("", |(folder, _)| folder);
        if let Some(joined) = join(folder, &target)
            && let Some(index) = self.whole.get(&joined)
        {
            return Some(*index);
        }
        if relative {
            return None;
        }
        let name = target.rsplit('/').next().unwrap_or(&target);
        let possible = self.by_name.get(name)?;
        // `/Repos/x/project/includes/setup` is `includes/setup` in a checkout: the longest common end decides.
        let score = |index: &usize| {
            let key = without_archive_extension(&notebook_key(&paths[*index].replace("!/", "/")));
            key.rsplit('/')
                .zip(target.rsplit('/'))
                .take_while(|(a, b)| a == b)
                .count()
        };
        let best = possible.iter().map(score).max()?;
        let mut with_best = possible.iter().filter(|index| score(index) == best);
        match (with_best.next(), with_best.next()) {
            (Some(only), None) => Some(*only),
            _ => None,
        }
    }
}

/// Chains of `%run` longer than this are cut.
const RUN_DEPTH_MAX: usize = 32;

impl<'e> Notebooks<'e> {
    pub(crate) fn new(
        files: &'e dyn Files,
        mapping: &'e Mapping,
        options: &'e Options,
        facts: &'e Facts,
    ) -> Self {
        let by_key = ByKey::of(files.paths());
        Self {
            files,
            mapping,
            options,
            facts,
            by_key,
            left: Mutex::default(),
            words: Mutex::default(),
            mentioned: Mutex::default(),
        }
    }

    /// Reads an asset of the estate, which may run others.
    pub(crate) fn reading<T>(&self, index: usize, work: impl FnOnce() -> T) -> T {
        READS.set(0);
        opened(index, work)
    }

    fn words_of(&self, index: usize) -> Option<Arc<Words>> {
        if let Some(words) = locked(&self.words).get(&index) {
            return words.clone();
        }
        let words = self.files.read(index).ok().and_then(|bytes| {
            let decoded = asset::decode(&self.files.paths()[index], &bytes).ok()?;
            let escapes = matches!(decoded.format, Format::Jupyter | Format::Archived);
            Some(Arc::new(Words::of(&decoded.text, escapes)))
        });
        locked(&self.words).insert(index, words.clone());
        words
    }

    /// What a notebook and those that it runs mention.
    fn mentioned_by(&self, index: usize) -> Arc<Mentioned> {
        if let Some(known) = locked(&self.mentioned).get(&index) {
            return Arc::clone(known);
        }
        let mut mentioned = Mentioned::default();
        let mut seen = BTreeSet::from([index]);
        let mut open = vec![index];
        while let Some(index) = open.pop() {
            let Some(words) = self.words_of(index) else {
                mentioned.is_whole = false;
                continue;
            };
            mentioned.add(&words);
            for target in &words.runs {
                match self.resolve(&self.files.paths()[index], target) {
                    Some(next) if seen.insert(next) => open.push(next),
                    Some(_) => {}
                    None => mentioned.is_whole = false,
                }
            }
        }
        let is_long = seen.len() > MENTIONED_KEPT_MAX;
        let mentioned = Arc::new(mentioned.of_notebooks(seen));
        // Of long chains the last ones would be kept over and over.
        if !is_long {
            locked(&self.mentioned).insert(index, Arc::clone(&mentioned));
        }
        mentioned
    }

    /// Whether the notebook that is being read is known to run this one: else what it mentions is not all that it may see.
    fn is_expected(&self, index: usize) -> bool {
        let reading = OPEN.with_borrow(|open| {
            open.get(1..)
                .and_then(|of_others| of_others.last().copied())
        });
        reading.is_none_or(|reading| self.mentioned_by(reading).runs(index))
    }

    /// The notebook that `target` means in `from`.
    pub(crate) fn resolve(&self, from: &str, target: &str) -> Option<usize> {
        self.by_key.resolve(self.files.paths(), from, target)
    }

    /// The session that a notebook leaves of the one that it sees; `None` if it cannot be read, or not any more.
    fn left_of(&self, index: usize, identity: Digest, seen: &Session) -> Option<Arc<Session>> {
        let key = (index, identity);
        let known = locked(&self.left).get(&key).cloned();
        let depth = OPEN.with_borrow(Vec::len);
        // What would be cut is cut for whoever asks, whether others asked before or not.
        if let Some(known) = known
            && READS.get() + known.reads <= READS_MAX
            && depth + known.depth <= RUN_DEPTH_MAX
        {
            READS.set(READS.get() + known.reads);
            DEEPEST.set(DEEPEST.get().max(depth + known.depth));
            return Some(known.session);
        }
        let reads_before = READS.get();
        if reads_before >= READS_MAX {
            CUT.set(true);
            return None;
        }
        READS.set(reads_before + 1);
        let path = &self.files.paths()[index];
        let bytes = self.files.read(index).ok()?;
        let decoded = asset::decode(path, &bytes).ok()?;
        if !matches!(
            decoded.format,
            Format::SourceNotebook(_) | Format::Jupyter | Format::Archived | Format::Code(_)
        ) {
            return None;
        }
        let reader = Reader::new(
            path,
            self.mapping,
            self.options,
            self.facts,
            self,
            seen.clone(),
        );
        let cut_before = CUT.replace(false);
        let deepest_before = DEEPEST.replace(0);
        let (_, session) = opened(index, || asset::read(reader, &decoded));
        let session = Arc::new(session);
        if !CUT.get() {
            let left = Left {
                _seen: seen.clone(),
                session: Arc::clone(&session),
                reads: READS.get() - reads_before,
                depth: DEEPEST.get() - depth,
            };
            locked(&self.left).insert(key, left);
        }
        CUT.set(cut_before || CUT.get());
        DEEPEST.set(deepest_before.max(DEEPEST.get()));
        Some(session)
    }
}

/// What more notebooks than this mention together is found anew each time.
const MENTIONED_KEPT_MAX: usize = 1_000;

fn opened<T>(index: usize, work: impl FnOnce() -> T) -> T {
    let depth = OPEN.with_borrow_mut(|open| {
        open.push(index);
        open.len()
    });
    DEEPEST.set(DEEPEST.get().max(depth));
    let result = work();
    OPEN.with_borrow_mut(Vec::pop);
    result
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn without_archive_extension(key: &str) -> String {
    [".python"]
        .iter()
        .find_map(|end| key.strip_suffix(end))
        .unwrap_or(key)
        .to_owned()
}

/// A path with `.` and `..` taken out; `None` if it leaves the estate.
fn join(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            other => parts.push(other),
        }
    }
    Some(parts.join("/"))
}

impl Includes for Notebooks<'_> {
    fn after(&self, from: &str, target: &str, session: &Session) -> Option<Session> {
        let index = self.resolve(from, target)?;
        let (is_open, depth) = OPEN.with_borrow(|open| (open.contains(&index), open.len()));
        if is_open || depth >= RUN_DEPTH_MAX {
            CUT.set(true);
            // A notebook that runs itself never gets further; what it does is in the session already.
            return is_open.then(|| session.clone());
        }
        let is_expected = self.is_expected(index);
        let reads_before = READS.get();
        if let Some(seen) = session.seen_by(&self.mentioned_by(index)) {
            let left = self.left_of(index, seen.identity(), &seen)?;
            if !left.may_change_anything {
                let mut after = session.after(&seen, &left);
                after.may_change_anything |= !is_expected;
                return Some(after);
            }
            READS.set(reads_before);
        }
        let left = self.left_of(index, session.identity_of_copy(), session)?;
        let mut after = Session::clone(&left);
        after.may_change_anything |= !is_expected;
        Some(after)
    }

    fn may_read(&self, from: &str, target: &str) -> Option<Arc<Mentioned>> {
        let index = self.resolve(from, target)?;
        let mentioned = self.mentioned_by(index);
        mentioned.is_whole.then_some(mentioned)
    }
}
