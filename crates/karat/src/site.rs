//! Opens a project at one of its targets: finds its folder, reads what is declared, opens the lake and the engine.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use karat_exact::{Engine, EngineConfig, Parameters};
use karat_lake::{Format, Formats, Lake};
use karat_pipeline::at_work::Claims;
use karat_pipeline::journal::{self, Journal};
use karat_pipeline::proven::Proven;
use karat_pipeline::verify::KnownHead;
use karat_pipeline::{Context, Progress, Silent, Site};
use karat_project::{Project, Rounding, Severity, TableFormat, TableName, Target};
use karat_receipt::{KeyRing, SigningKey};

use crate::allocator;
use crate::anchor;
use crate::args::{BusinessDay, GivenArgs, Global, Resources};
use crate::failure::Failure;
use crate::given::Given;
use crate::machine::{self, Moment};
use crate::output::{Voice, counted};
use crate::scratch::Scratch;
use crate::sources::ProjectSources;

/// Folder of the cache in a project.
pub(crate) const CACHE: &str = ".karat";
/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// A project and the target to work on; only `validate` opens one with mistakes.
pub(crate) struct Opened {
    /// Folder of the project.
    pub(crate) root: PathBuf,
    /// What it declares.
    pub(crate) project: Project,
    /// Name of the target.
    pub(crate) target: String,
    /// When, and under which name.
    pub(crate) moment: Moment,
    /// Threads.
    pub(crate) threads: usize,
    memory: usize,
    /// Values of parameters, and the business date.
    pub(crate) given: Given,
    /// Mistakes of the project that do not keep a reader from the lake; what it declares is then not known.
    pub(crate) mistakes: usize,
}

/// What a verb needs of the site beyond the project.
pub(crate) struct Wants {
    /// Whether the lake is made if there is none.
    pub(crate) writes: bool,
    /// Whether the signing key is read: where something is signed, or foretold.
    pub(crate) signs: bool,
    /// How long to wait for a lock.
    pub(crate) wait: Duration,
    /// `--accept-deletes`.
    pub(crate) accept_deletes: bool,
    /// `--restate`.
    pub(crate) restate: Option<String>,
    /// What set it off.
    pub(crate) trigger: String,
    /// Where progress goes.
    pub(crate) progress: Arc<dyn Progress>,
}

impl Wants {
    /// Reads the lake.
    pub(crate) fn reading() -> Self {
        Self {
            writes: false,
            signs: false,
            wait: Duration::ZERO,
            accept_deletes: false,
            restate: None,
            trigger: "manual".to_owned(),
            progress: Arc::new(Silent),
        }
    }

    /// Writes to the lake, by hand.
    pub(crate) fn writing() -> Self {
        Self {
            writes: true,
            signs: true,
            ..Self::reading()
        }
    }
}

/// A path as people write it: `lake/./x` is `lake/x`.
pub(crate) fn without_dots(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Finds the project's folder.
pub(crate) fn find_root(global: &Global) -> Result<PathBuf, Failure> {
    match &global.project {
        Some(folder) if folder.join("karat.yaml").is_file() => Ok(folder.clone()),
        Some(folder) => Err(Failure::usage(
            format!(
                "there is no project in `{}`: it has no karat.yaml",
                folder.display()
            ),
            "`karat init FOLDER` starts one",
        )),
        None => {
            let here = std::env::current_dir().map_err(Failure::io("find", Path::new(".")))?;
            let found = here
                .ancestors()
                .find(|folder| folder.join("karat.yaml").is_file());
            match found {
                Some(folder) => Ok(folder.to_path_buf()),
                None if here.join("karat.yml").is_file() => Err(Failure::usage(
                    "there is no project here: its file is called karat.yaml, and this one is karat.yml",
                    "rename it: `mv karat.yml karat.yaml`",
                )),
                None => Err(Failure::usage(
                    "there is no project here: neither this folder nor one above it has a karat.yaml",
                    "go to a project's folder, name it with `--project DIR`, or start one with `karat init FOLDER`",
                )),
            }
        }
    }
}

/// Reads the project; mistakes are the failure.
pub(crate) fn open(
    global: &Global,
    at: Option<&str>,
    resources: Option<&Resources>,
) -> Result<Opened, Failure> {
    let root = find_root(global)?;
    let loaded = karat_project::load_for(&root, &machine::variable, global.target.as_deref());
    let project = loaded.sound().map_err(Failure::Project)?;
    Ok(Opened::of(
        root,
        project,
        global,
        Moment::now(at)?,
        resources,
    ))
}

/// The same for a verb that asks the sources alone: whoever writes the first feeds and models looks at the sources meanwhile, so of a project
/// with mistakes only karat.yaml must be without one. The reader is told.
pub(crate) fn open_sources(voice: Voice, global: &Global) -> Result<Opened, Failure> {
    let root = find_root(global)?;
    let moment = Moment::now(None)?;
    let loaded = karat_project::load_for(&root, &machine::variable, global.target.as_deref());
    let mistakes = || {
        let found = loaded.diagnostics.iter();
        found.filter(|found| found.severity == Severity::Error)
    };
    if mistakes().any(|mistake| mistake.file == Path::new("karat.yaml")) {
        return Err(Failure::Project(mistakes().cloned().collect()));
    }
    let count = mistakes().count();
    if count > 0 {
        voice.note(&format!(
            "note: the project has {}, which `karat validate` shows; the sources are asked all the same",
            counted(count as u64, "mistake")
        ));
    }
    let (project, _) = loaded.partial.split();
    let mut opened = Opened::of(root, project, global, moment, None);
    opened.mistakes = count;
    Ok(opened)
}

/// The same for a verb that reads the lake alone: who may read it need not reach the sources, and of a project with mistakes only
/// the target must be readable (G5). The reader is told.
pub(crate) fn open_lake(
    voice: Voice,
    global: &Global,
    at: Option<&str>,
    resources: Option<&Resources>,
) -> Result<Opened, Failure> {
    let root = find_root(global)?;
    let target = global.target.as_deref();
    let moment = Moment::now(at)?;
    let whole = karat_project::load_for_lake(&root, &machine::variable, target);
    let mistakes = match whole.sound() {
        Ok(project) => return Ok(Opened::of(root, project, global, moment, resources)),
        Err(mistakes) => mistakes,
    };
    let Ok(alone) = karat_project::load_target(&root, &machine::variable, target) else {
        return Err(Failure::Project(mistakes));
    };
    voice.note(&format!(
        "note: the project has {}, which `karat validate` shows; the lake is read without what the project declares",
        counted(mistakes.len() as u64, "mistake")
    ));
    let mut opened = Opened::of(root, alone, global, moment, resources);
    opened.mistakes = mistakes.len();
    Ok(opened)
}

/// The same for a verb that also writes: the project must be whole.
pub(crate) fn open_lake_to_write(global: &Global) -> Result<Opened, Failure> {
    let root = find_root(global)?;
    let loaded = karat_project::load_for_lake(&root, &machine::variable, global.target.as_deref());
    let project = loaded.sound().map_err(Failure::Project)?;
    Ok(Opened::of(root, project, global, Moment::now(None)?, None))
}

impl Opened {
    /// A project that was read already.
    pub(crate) fn of(
        root: PathBuf,
        project: Project,
        global: &Global,
        moment: Moment,
        resources: Option<&Resources>,
    ) -> Self {
        let target = global
            .target
            .clone()
            .unwrap_or_else(|| project.default_target.clone());
        Self {
            root,
            target,
            threads: machine::threads(resources.and_then(|resources| resources.threads)),
            memory: machine::memory(resources.and_then(|resources| resources.memory)),
            given: Given::defaults(&project, &moment),
            project,
            moment,
            mistakes: 0,
        }
    }

    /// The same with what the command line gives.
    pub(crate) fn given(mut self, arguments: &GivenArgs) -> Result<Self, Failure> {
        self.given = Given::of(&self.project, arguments, &self.moment)?;
        Ok(self)
    }

    /// Whether what the project declares could be read.
    pub(crate) fn is_whole(&self) -> bool {
        self.mistakes == 0
    }

    fn target(&self) -> Result<&Target, Failure> {
        self.project.target(Some(&self.target)).ok_or_else(|| {
            let names: Vec<&str> = self.project.targets.keys().map(String::as_str).collect();
            Failure::usage(
                format!("there is no target `{}`", self.target),
                format!("karat.yaml declares: {}", names.join(", ")),
            )
        })
    }

    /// Bronze tables of the feeds: those declared, or where that is not known those that the lake has a record of.
    pub(crate) fn feeds(&self) -> Result<Vec<TableName>, Failure> {
        if self.is_whole() {
            return Ok(self
                .project
                .feeds()
                .map(|feed| feed.bronze.clone())
                .collect());
        }
        Ok(karat_pipeline::epochs::feeds(&self.lake()?)?)
    }

    /// Folder of the target's lake.
    pub(crate) fn lake_folder(&self) -> Result<PathBuf, Failure> {
        Ok(without_dots(&self.root.join(self.target()?.lake.value())))
    }

    /// In which formats tables are made that are not there yet.
    fn formats(&self) -> Result<Formats, Failure> {
        let target = self.target()?;
        let format = |format: &TableFormat| match format {
            TableFormat::Delta => Format::Delta,
            TableFormat::Iceberg => Format::Iceberg,
        };
        let of = self.project.table_formats(target);
        Ok(Formats {
            default: format(&target.format),
            of: of
                .iter()
                .map(|(table, of)| (table.folder(), format(of)))
                .collect(),
        })
    }

    /// The lake, for reading.
    pub(crate) fn lake(&self) -> Result<Lake, Failure> {
        let lake = Lake::open_or_empty(&self.lake_folder()?)?;
        Ok(lake.with_formats(self.formats()?))
    }

    /// The project's sources.
    pub(crate) fn sources(&self) -> Arc<ProjectSources> {
        Arc::new(ProjectSources::of(
            &self.project,
            &self.root,
            self.moment.now_ns(),
        ))
    }

    /// A folder for rows that do not fit into memory: in the project, or for temporary files where it may not be written in.
    pub(crate) fn scratch(&self) -> Result<Scratch, Failure> {
        match self.cache_folder().is_dir() {
            true => {
                Scratch::below(&self.cache_folder().join("spill")).or_else(|_| Scratch::temporary())
            }
            false => Scratch::temporary(),
        }
    }

    /// An engine for this project, and the folder for rows that do not fit into memory.
    pub(crate) fn engine(&self) -> Result<(Engine, Scratch), Failure> {
        let scratch = self.scratch()?;
        let engine = engine(
            &scratch,
            self.threads,
            self.memory,
            &self.moment,
            Some(&self.project),
        )?;
        let engine = engine.given(self.given.parameters(&self.project)?);
        Ok((engine, scratch))
    }

    /// The public keys that the project trusts.
    pub(crate) fn keys(&self) -> Result<KeyRing, Failure> {
        Ok(KeyRing::load(&self.root.join("keys"))?)
    }

    /// The anchor of this target and the heads that it names, where it can be read again.
    pub(crate) fn anchored_heads(&self) -> Result<Option<(String, Vec<KnownHead>)>, Failure> {
        let Some(anchor) = self.target()?.anchor.as_ref() else {
            return Ok(None);
        };
        let heads = anchor::published(anchor, &self.root)?.unwrap_or_default();
        Ok(anchor::shown(anchor, &self.root).map(|place| (place, heads)))
    }

    /// The private key of the target, if it has one.
    pub(crate) fn signing_key(&self) -> Result<Option<SigningKey>, Failure> {
        match &self.target()?.key {
            Some(pem) => Ok(Some(SigningKey::from_pkcs8_pem(pem.value())?)),
            None => Ok(None),
        }
    }

    fn cache_folder(&self) -> PathBuf {
        self.root.join(CACHE)
    }

    /// The journal. A cache: if it cannot be opened, the work goes on without it.
    pub(crate) fn journal(&self) -> Option<Journal> {
        let folder = self.cache_folder();
        if let Err(error) = std::fs::create_dir_all(&folder) {
            let folder = folder.display();
            tracing::warn!(
                "could not create the folder `{folder}` for the journal: {error}; going on without it"
            );
            return None;
        }
        match Journal::open(&folder.join(journal::FILE)) {
            Ok(journal) => Some(journal),
            Err(error) => {
                tracing::warn!("{error}; going on without it");
                None
            }
        }
    }

    /// That the journal may be written: by a file that is there for a moment.
    pub(crate) fn try_cache(&self) -> Result<(), String> {
        let cache = self.cache_folder();
        let folder = if cache.is_dir() { &cache } else { &self.root };
        let file = folder.join(format!(".karat-doctor-{}", std::process::id()));
        std::fs::File::create_new(&file)
            .and_then(|_| std::fs::remove_file(&file))
            .map_err(|error| format!("could not write in `{}`: {error}", folder.display()))
    }

    /// The journal, for a verb that writes nothing.
    pub(crate) fn journal_if_there(&self) -> Option<Journal> {
        let path = self.cache_folder().join(journal::FILE);
        path.exists().then(|| self.journal()).flatten()
    }

    /// The site: project, lake, engine and the facts of this execution.
    pub(crate) fn site(self, wants: Wants) -> Result<OpenSite, Failure> {
        let key = match wants.signs {
            true => self.signing_key()?,
            false => None,
        };
        let lake = if wants.writes {
            // Before the engine: spilled rows belong into the project, too.
            let _ = std::fs::create_dir_all(self.cache_folder());
            Lake::create(&self.lake_folder()?)?.with_formats(self.formats()?)
        } else {
            self.lake()?
        };
        let (engine, scratch) = self.engine()?;
        let site = self.over(lake, engine, key, wants);
        Ok(OpenSite { site, scratch })
    }

    /// The same over another lake and engine than the project's own.
    pub(crate) fn over(
        self,
        lake: Lake,
        engine: Engine,
        key: Option<SigningKey>,
        wants: Wants,
    ) -> Site {
        Site {
            context: Context {
                run: self.moment.run.clone(),
                logical_time_us: self.moment.logical_us(),
                logical_time: self.moment.logical_text(),
                principal: machine::principal(),
                target: self.target.clone(),
                trigger: wants.trigger,
                karat_version: env!("CARGO_PKG_VERSION").to_owned(),
                parameters: self.given.values().clone(),
                parallel_steps: self.threads.clamp(1, 8),
                wait: wants.wait,
                accept_deletes: wants.accept_deletes,
                restate: wants.restate,
                key,
                progress: wants.progress,
                clock: Arc::new(machine::clock_ms),
            },
            project: self.project,
            root: self.root,
            lake,
            engine,
            proven: Proven::default(),
            claims: Claims::default(),
        }
    }
}

/// A site, and the scratch folder that its engine uses: dropped after it.
pub(crate) struct OpenSite {
    site: Site,
    scratch: Scratch,
}

impl OpenSite {
    /// Both apart, for work that shares the site; the folder goes with its value.
    pub(crate) fn split(self) -> (Site, Scratch) {
        (self.site, self.scratch)
    }
}

impl Deref for OpenSite {
    type Target = Site;

    fn deref(&self) -> &Site {
        &self.site
    }
}

/// An engine, and the lake with its project's journal if there is a project: what reads files alone needs none.
pub(crate) fn engine_and_lake(
    voice: Voice,
    global: &Global,
    at: Option<&str>,
    day: &BusinessDay,
    resources: &Resources,
    scratch: &Scratch,
) -> Result<(Engine, Option<OpenSite>, Option<Journal>), Failure> {
    if global.project.is_none() && find_root(global).is_err() {
        let threads = machine::threads(resources.threads);
        let memory = machine::memory(resources.memory);
        let moment = Moment::now(at)?;
        let mut given = Parameters::new();
        if let Some(day) = day.business_date {
            given.set_business_date(&day.to_string());
        }
        let engine = engine(scratch, threads, memory, &moment, None)?.given(given);
        return Ok((engine, None, None));
    }
    let mut opened = open_lake(voice, global, at, Some(resources))?;
    if let Some(day) = day.business_date {
        opened.given.set_business_date(day);
    }
    let journal = opened.journal_if_there();
    let site = opened.site(Wants::reading())?;
    Ok((site.engine.clone(), Some(site), journal))
}

/// An engine without a project is one in UTC that rounds half away from zero.
pub(crate) fn engine(
    scratch: &Scratch,
    threads: usize,
    memory: usize,
    moment: &Moment,
    project: Option<&Project>,
) -> Result<Engine, Failure> {
    let rounding = match project.map(|project| project.rounding) {
        Some(Rounding::HalfEven) => karat_exact::Rounding::HalfEven,
        _ => karat_exact::Rounding::HalfAwayFromZero,
    };
    allocator::within(memory);
    Ok(Engine::new(EngineConfig {
        threads,
        memory_bytes: Some(memory),
        spill_dir: scratch.path().to_path_buf(),
        logical_time_us: moment.logical_us(),
        timezone: project.map_or_else(|| "UTC".to_owned(), |project| project.timezone.clone()),
        rounding,
        batch_rows: BATCH_ROWS,
    })?)
}

/// Runs async work to its end.
pub(crate) fn block_on<T>(threads: usize, work: impl Future<Output = T>) -> Result<T, Failure> {
    Ok(runtime(threads)?.block_on(work))
}

/// A Ctrl-C from now on, which no longer ends the process.
pub(crate) struct Interrupt {
    /// Threads at work do not hear signals, so this one listens apart.
    listener: tokio::runtime::Runtime,
    heard: Pin<Box<dyn Future<Output = std::io::Result<()>>>>,
}

impl Interrupt {
    /// Begins to listen. What is heard before [`Self::or_end_of`] is asked is kept until then.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listener = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(Failure::io("listen in", Path::new(".")))?;
        let mut heard = Box::pin(tokio::signal::ctrl_c());
        // It begins when it is asked for the first time.
        let _ = listener.block_on(async { futures::poll!(&mut heard) });
        Ok(Self { listener, heard })
    }

    /// Runs async work to its end, or to the interrupt: then none.
    pub(crate) fn or_end_of<T: Send + 'static>(
        self,
        threads: usize,
        work: impl Future<Output = T> + Send + 'static,
    ) -> Result<Option<T>, Failure> {
        let workers = runtime(threads)?;
        let task = workers.spawn(work);
        let stop = task.abort_handle();
        let done = self.listener.block_on(async {
            tokio::select! {
                done = task => done.ok(),
                _ = self.heard => None,
            }
        });
        stop.abort();
        // What has not come to a point where it can stop is not waited for.
        workers.shutdown_background();
        Ok(done)
    }
}

/// Of each thread that plans: enough for the longest chain of operators that a text may have, also without optimisation.
pub(crate) const STACK_BYTES: usize = 64 << 20;

fn runtime(threads: usize) -> Result<tokio::runtime::Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.max(1))
        .thread_stack_size(STACK_BYTES)
        .enable_all()
        .build()
        .map_err(Failure::io("start threads in", Path::new(".")))
}
