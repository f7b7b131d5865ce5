//! The command line as clap sees it: verbs, options, help texts. What a verb does is left to its own module.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum, ValueHint};
use karat_lake::Format as TableFormat;
use karat_project::Day;

/// Raw data to gold, with proof.
#[derive(Debug, Parser)]
#[command(
    name = "karat",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    subcommand_value_name = "VERB",
    subcommand_help_heading = "Verbs",
    max_term_width = 100
)]
#[command(
    after_help = "Exit codes: 0 all current; 1 something needs a person; 2 usage, project or SQL; 3 source, disk or computation; 4 not allowed; 5 conflict."
)]
pub(crate) struct Cli {
    #[command(flatten, next_help_heading = "Options of every verb")]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// Options of every verb.
#[derive(Debug, Clone, Args)]
pub(crate) struct Global {
    /// Folder of the project; without it, the nearest folder upwards that holds a karat.yaml.
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) project: Option<PathBuf>,
    /// Target to work on; without it, the project's default target.
    #[arg(long, global = true, value_name = "NAME", value_hint = ValueHint::Other)]
    pub(crate) target: Option<String>,
    /// One JSON document on stdout instead of text.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// No progress, no notes: the answer and errors only.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// How to show progress: bars where stderr is a terminal, or plain lines always.
    #[arg(
        long,
        global = true,
        value_enum,
        default_value = "auto",
        value_name = "HOW"
    )]
    pub(crate) progress: ProgressStyle,
    /// More on stderr about what happens; twice for still more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressStyle {
    /// Bars on a terminal, plain lines without one.
    Auto,
    /// Plain lines.
    Plain,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start a small working project in a new folder, or beside files that are there; none is overwritten.
    Init {
        /// The folder; made if it does not exist.
        #[arg(default_value = ".", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
    },
    /// Take the tour: two days of a treasury group, loaded, killed, attacked and verified.
    Demo {
        /// Folder of the demo's project.
        #[arg(long, default_value = "karat-demo", value_hint = ValueHint::DirPath)]
        dir: PathBuf,
        /// Format of its tables: `delta` or `iceberg`.
        #[arg(long, value_name = "FORMAT", default_value = "delta", value_parser = parse_table_format)]
        format: TableFormat,
        /// Ledger lines over both days, for tests.
        #[arg(long, hide = true, default_value_t = crate::demo::LINES)]
        lines: u64,
    },
    /// Say what is missing on this machine, in the lake and in the sources.
    Doctor,
    /// Find all mistakes of the project at once; reads no data, writes nothing. Columns of CSV files are known once one was loaded: a name that none has is told by the first `plan`.
    Validate(GivenArgs),
    /// Show what a run would read and write, why, how long that takes and where it would stop; writes nothing.
    Plan(PlanArgs),
    /// Load feeds and bring models up to date.
    Run(RunArgs),
    /// Run what fails, as far as this machine remembers, and what depends on it; feeds and models that ended well are left alone.
    Retry(Running),
    /// Close a business day: the versions of all tables are tagged with it, and rows of it, and of days before, change only with a reason.
    Close(CloseArgs),
    /// Take a run back: each table that it wrote has again the rows that it had before, and what it loaded is held.
    Undo(UndoArgs),
    /// Read a range of a cursor's feed again, as a new load; what is as it was read last is not loaded again, and the position stays.
    Backfill(BackfillArgs),
    /// Show the tables of the lake: versions, rows, fingerprints, and whether what their checks promise of freshness and volume holds now.
    Status,
    /// Run the tests of models: rows given in `domains/*/tests/*.yaml` against rows expected; needs no lake and no source.
    Test(TestArgs),
    /// Check receipts, logs, files and rows against each other; runs no model.
    Verify(VerifyArgs),
    /// Make recorded versions again, from the code and the inputs that are on record, and compare; writes nothing into the lake.
    Replay(ReplayArgs),
    /// Why a row is what it is: the rows that recorded code made it from, and the objects and lines they were received in.
    Explain(ExplainArgs),
    /// Exact SQL on the lake, or on files.
    Query(QueryArgs),
    /// What differs between two versions of a table, or between two tables: rows by key, columns, sums.
    Diff(DiffArgs),
    /// What the data of a table or of files look like, and expectations and checks that they keep.
    Profile(ProfileArgs),
    /// Look at the sources.
    #[command(subcommand)]
    Source(SourceVerb),
    /// Accept changes of a feed's columns.
    #[command(subcommand)]
    Schema(SchemaVerb),
    /// How far feeds have been read.
    #[command(subcommand)]
    Position(PositionVerb),
    /// Rows and objects that are held back.
    #[command(subcommand)]
    Quarantine(QuarantineVerb),
    /// The record of what was done.
    #[command(subcommand)]
    Receipt(ReceiptVerb),
    /// Take over a project of another tool: a new project, and a line for everything that has no place in it.
    #[command(subcommand)]
    Import(ImportVerb),
    /// Code and pipelines from two-part names to those of Unity Catalog; every byte that is no name stays.
    #[command(subcommand)]
    Refactor(RefactorVerb),
    /// Measure this machine.
    #[command(subcommand)]
    Bench(BenchVerb),
    /// Print the completion script of a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Whose project it is.
#[derive(Debug, Subcommand)]
pub(crate) enum ImportVerb {
    /// dbt: seeds become silver tables, models gold ones, tests checks, snapshots AUTO CDC.
    Dbt(ImportDbt),
    /// SQL of Delta Live Tables (Lakeflow pipelines): files become feeds, row by row tables and AUTO CDC silver, the others gold.
    Dlt(ImportNamed),
    /// Onboarding files of sdp-meta (once dlt-meta): data flows become feeds and silver tables, with their expectations and AUTO CDC.
    SdpMeta(ImportNamed),
}

/// What each import asks.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Folder of the project; nothing in it is changed.
    #[arg(value_hint = ValueHint::DirPath)]
    pub(crate) path: PathBuf,
    /// Folder of the new project: empty, or not there yet.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: PathBuf,
}

/// Arguments of `import dbt`.
#[derive(Debug, Args)]
pub(crate) struct ImportDbt {
    #[command(flatten)]
    pub(crate) common: ImportArgs,
    /// Whose SQL the models are: duckdb, postgres, redshift, databricks, spark, snowflake or bigquery; without it the project's profiles.yml tells.
    #[arg(long, value_name = "ADAPTER", value_parser = parse_dialect)]
    pub(crate) dialect: Option<karat_import::Dialect>,
    /// A variable, as dbt's `--vars` gives it; may be repeated.
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = parse_assignment)]
    pub(crate) vars: Vec<(String, String)>,
}

/// Arguments of imports that have no name of their own.
#[derive(Debug, Args)]
pub(crate) struct ImportNamed {
    #[command(flatten)]
    pub(crate) common: ImportArgs,
    /// Name of the new project; without it, that of the folder.
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

fn parse_dialect(text: &str) -> Result<karat_import::Dialect, String> {
    karat_import::Dialect::of_adapter(text).ok_or_else(|| {
        "it is one of duckdb, postgres, redshift, databricks, spark, snowflake, bigquery".to_owned()
    })
}

fn parse_assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write NAME=VALUE".to_owned()),
    }
}

/// What to do with the code.
#[derive(Debug, Subcommand)]
pub(crate) enum RefactorVerb {
    /// Find every name and path, and say what becomes of each; changes nothing.
    Scan(RefactorScan),
    /// Make the edits that are safe.
    Apply(RefactorApply),
    /// Judge anybody's edits: every change must be licensed by the mapping.
    Verify(RefactorVerify),
    /// Tell the mistakes of a mapping.
    Mapping(RefactorMapping),
    /// Join the edits of people with a mapping that was made anew.
    Merge(RefactorMerge),
    /// Remember what was decided about an open question: who, and why.
    Decide(RefactorDecide),
}

/// What is known beside the code, and the reports to write.
#[derive(Debug, Args)]
pub(crate) struct RefactorReports {
    /// Decisions of people, as `karat refactor decide` writes them.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) decisions: Option<PathBuf>,
    /// Write report.html (one page, no network), report.json, issues.csv, assets.csv and tables.csv into this folder.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) report: Option<PathBuf>,
    /// Write what was found as SARIF 2.1.0, with the edits as fixes.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) sarif: Option<PathBuf>,
    /// Who owns what; without it, the tree's CODEOWNERS.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) owners: Option<PathBuf>,
    /// For CI: exit 1 if and only if there are old names, open questions or findings that the baseline does not know.
    #[arg(long)]
    pub(crate) check: bool,
    /// What is known already; without it, nothing is.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, requires = "check")]
    pub(crate) baseline: Option<PathBuf>,
    /// Write all that is found as what is known.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) write_baseline: Option<PathBuf>,
}

impl RefactorReports {
    /// Whether issues with their lines are needed.
    pub(crate) fn need_issues(&self) -> bool {
        self.report.is_some() || self.sarif.is_some() || self.check || self.write_baseline.is_some()
    }
}

/// Arguments of `refactor decide`.
#[derive(Debug, Args)]
pub(crate) struct RefactorDecide {
    /// Folder with notebooks, pipelines and scripts, or one file.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
    /// Where the question is open, as `scan` prints it.
    #[arg(value_name = "PATH:LINE")]
    pub(crate) place: String,
    /// The mapping: CSV, XLSX or JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mapping: PathBuf,
    /// The file of decisions; made if it is not there.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) decisions: PathBuf,
    /// What was decided.
    #[arg(long, value_enum, value_name = "ANSWER")]
    pub(crate) answer: RefactorAnswer,
    /// Only questions of this rule.
    #[arg(long, value_name = "RULE")]
    pub(crate) rule: Option<String>,
    /// Who decided.
    #[arg(long, value_name = "NAME")]
    pub(crate) by: String,
    /// Why.
    #[arg(long, value_name = "TEXT")]
    pub(crate) why: String,
    /// Threads; without it, as many as the machine has. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// What can be decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RefactorAnswer {
    /// Make the suggested edits.
    Rewrite,
    /// It is no table.
    NotATable,
    /// It stays as it is, and that is right.
    Keep,
}

/// Arguments of `refactor scan`.
#[derive(Debug, Args)]
pub(crate) struct RefactorScan {
    /// Folder with notebooks, pipelines and scripts, or one file.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
    /// The mapping: CSV, XLSX or JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mapping: PathBuf,
    #[command(flatten)]
    pub(crate) style: RefactorStyle,
    /// Rewrite old names in comments too.
    #[arg(long)]
    pub(crate) comments: bool,
    #[command(flatten)]
    pub(crate) reports: RefactorReports,
    /// Show also what is rewritten and what is no table, not only what needs a person.
    #[arg(long)]
    pub(crate) all: bool,
    /// Threads; without it, as many as the machine has. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// Arguments of `refactor apply`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("where").required(true).multiple(false).args(["in_place", "out", "patch"]))]
pub(crate) struct RefactorApply {
    /// Folder with notebooks, pipelines and scripts, or one file.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) path: PathBuf,
    /// The mapping: CSV, XLSX or JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mapping: PathBuf,
    #[command(flatten)]
    pub(crate) style: RefactorStyle,
    /// Rewrite old names in comments too.
    #[arg(long)]
    pub(crate) comments: bool,
    /// Decisions of people, as `karat refactor decide` writes them; those to rewrite are made too.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) decisions: Option<PathBuf>,
    /// Change the files where they are.
    #[arg(long)]
    pub(crate) in_place: bool,
    /// Write the whole tree into this new folder, untouched files byte for byte.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) out: Option<PathBuf>,
    /// Write a unified diff, and no file.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) patch: Option<PathBuf>,
    /// Write also one unified diff an owner into this new folder, by the tree's CODEOWNERS.
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) patch_by_owner: Option<PathBuf>,
    /// Write also the diff that takes the edits back.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) inverse: Option<PathBuf>,
    /// Write also the proof: every edit in bytes, with digests before and after.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) proof: Option<PathBuf>,
    /// Threads; without it, as many as the machine has. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// How new names are written.
#[derive(Debug, Clone, Args)]
pub(crate) struct RefactorStyle {
    /// `literal`: three-part names in the text; `use_catalog`: one `USE CATALOG` where that is enough; `parameter`: the catalog from a widget.
    #[arg(
        long = "style",
        value_enum,
        value_name = "STYLE",
        default_value = "literal"
    )]
    pub(crate) of: RefactorStyleName,
    /// What the widget and its variable are called; `catalog` if not given. If the mapping has several catalogs, each has its own, as `catalog_prod`.
    #[arg(long, value_name = "NAME")]
    pub(crate) parameter: Option<String>,
    /// What the widget is if nothing is passed; the catalog of the mapping if not given.
    #[arg(long, value_name = "CATALOG")]
    pub(crate) parameter_default: Option<String>,
    /// Rules by file: CSV, XLSX or JSON with the columns `path`, `style`, `catalog`, `parameter`, `default`; the last row that fits decides.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) style_rules: Option<PathBuf>,
}

/// Names of styles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RefactorStyleName {
    /// Three-part names in the text.
    Literal,
    /// One `USE CATALOG` where that is enough, else three-part names.
    #[value(name = "use_catalog", alias = "use-catalog")]
    UseCatalog,
    /// The catalog from a widget where that is safe, else three-part names.
    Parameter,
}

/// Arguments of `refactor verify`.
#[derive(Debug, Args)]
pub(crate) struct RefactorVerify {
    /// The tree as it was.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) before: PathBuf,
    /// The tree as it is.
    #[arg(value_hint = ValueHint::AnyPath)]
    pub(crate) after: PathBuf,
    /// The mapping: CSV, XLSX or JSON.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) mapping: PathBuf,
    #[command(flatten)]
    pub(crate) style: RefactorStyle,
    /// Decisions of people, as `karat refactor decide` writes them: names that a person had to allow may change where one did.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) decisions: Option<PathBuf>,
    /// The proof that `apply --proof` wrote: check it too, against both trees and the mapping.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) proof: Option<PathBuf>,
    /// Threads; without it, as many as the machine has. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
}

/// Arguments of `refactor mapping`.
#[derive(Debug, Args)]
pub(crate) struct RefactorMapping {
    /// The mapping: CSV, XLSX or JSON.
    #[arg(value_hint = ValueHint::FilePath)]
    pub(crate) file: PathBuf,
}

/// Arguments of `refactor merge`.
#[derive(Debug, Args)]
pub(crate) struct RefactorMerge {
    /// The mapping that was handed out.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) base: PathBuf,
    /// The mapping that came back.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) person: PathBuf,
    /// The mapping as it would be handed out now.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) anew: PathBuf,
    /// Where the merged mapping goes, as CSV.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: PathBuf,
}

/// Which part of the project.
#[derive(Debug, Clone, Args)]
pub(crate) struct Select {
    /// Only these tables: `NAME`, `+NAME` with what it reads, `NAME+` with what reads it, `+NAME+`, or `domain:x`; of `run` and `plan` also
    /// `changed`, the models whose code is not that of their newest version, with or without `+`.
    #[arg(long, value_name = "SELECTOR", num_args = 1.., allow_hyphen_values = false, value_hint = ValueHint::Other)]
    pub(crate) select: Vec<String>,
}

/// The one logical time.
#[derive(Debug, Clone, Args)]
pub(crate) struct LogicalTime {
    /// Logical time of `now()` and of the record, as RFC 3339; without it, this moment.
    #[arg(long, value_name = "TIME", value_hint = ValueHint::Other)]
    pub(crate) at: Option<String>,
}

/// What a run is given beside its inputs.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct GivenArgs {
    /// Give a parameter that karat.yaml declares a value; without it, it has its default. May be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE", value_hint = ValueHint::Other)]
    pub(crate) parameters: Vec<String>,
    #[command(flatten)]
    pub(crate) day: BusinessDay,
}

impl GivenArgs {
    /// As they stand on the command line.
    pub(crate) fn as_written(&self) -> Vec<String> {
        let parameters = self.parameters.iter().map(|text| format!("--param {text}"));
        let day = self.day.business_date;
        let day = day.map(|day| format!("--business-date {day}"));
        parameters.chain(day).collect()
    }
}

/// Which business day.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct BusinessDay {
    /// The day that `business_date()` is, like 2026-10-30; without it, the one that the project's calendar gives for the logical time.
    #[arg(long, value_name = "DATE", value_parser = parse_day, value_hint = ValueHint::Other)]
    pub(crate) business_date: Option<Day>,
}

/// How much of the machine.
#[derive(Debug, Clone, Args)]
pub(crate) struct Resources {
    /// Threads; without it, as many as the machine has. Results do not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// Memory for operators that hold rows, like `2GiB`; what does not fit is spilled to disk. Without it, half of the machine's, 4 GiB at most.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub(crate) memory: Option<usize>,
}

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub(crate) struct PlanArgs {
    /// Show the feeds and models with everything that `defaults` add to them, and from which line; plans nothing.
    #[arg(long, conflicts_with_all = ["at", "rehearse"])]
    pub(crate) expanded: bool,
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) time: LogicalTime,
    #[command(flatten)]
    pub(crate) given: GivenArgs,
    /// As of a run that may delete more rows than `max_delete` allows.
    #[arg(long)]
    pub(crate) accept_deletes: bool,
    /// Also make each model that the run would make, over all that the lake has today and in a place of its own, and compare: rows, what goes
    /// into quarantine, which rows break which rule. Takes what these steps take; what feeds would load is not read.
    #[arg(long)]
    pub(crate) rehearse: bool,
}

/// Arguments of `run`.
#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) select: Select,
    #[command(flatten)]
    pub(crate) running: Running,
    /// Stay, and run again whenever a source, or the project, has changed, until Ctrl-C. With --json each run that did something is one line.
    #[arg(long, conflicts_with_all = ["run_key", "at"])]
    pub(crate) watch: bool,
    /// How often --watch looks, like `5s`.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, default_value = "1s", requires = "watch")]
    pub(crate) every: Duration,
}

/// How a run is made.
#[derive(Debug, Args)]
pub(crate) struct Running {
    #[command(flatten)]
    pub(crate) time: LogicalTime,
    #[command(flatten)]
    pub(crate) given: GivenArgs,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// Wait this long for a table that another run is at, like `10m`; without it, do not wait.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) wait: Option<Duration>,
    /// Let full loads delete more rows than `max_delete` allows.
    #[arg(long)]
    pub(crate) accept_deletes: bool,
    /// Let rows of closed business days change, for this reason; the receipts of the versions that do it state it, and the days.
    #[arg(long, value_name = "REASON", value_parser = clap::builder::NonEmptyStringValueParser::new(), value_hint = ValueHint::Other)]
    pub(crate) restate: Option<String>,
    /// What set the run off, for the record.
    #[arg(long, value_name = "WORD", default_value = "manual")]
    pub(crate) trigger: String,
    /// A key of whoever starts the run, like the id of a scheduler's activity: once a run with it has ended well, further ones do nothing and say so;
    /// one that is begun beside it waits for the tables that it is at.
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new(), value_hint = ValueHint::Other)]
    pub(crate) run_key: Option<String>,
}

/// Arguments of `close`.
#[derive(Debug, Args)]
pub(crate) struct CloseArgs {
    /// The day, like 2026-10-30. A run for it must have nothing left to do.
    #[arg(value_name = "DATE", value_parser = parse_day, value_hint = ValueHint::Other)]
    pub(crate) date: Day,
    #[command(flatten)]
    pub(crate) time: LogicalTime,
    /// Give a parameter the value that it had for that day, as `run` takes it.
    #[arg(long = "param", value_name = "NAME=VALUE", value_hint = ValueHint::Other)]
    pub(crate) parameters: Vec<String>,
}

/// Arguments of `undo`.
#[derive(Debug, Args)]
pub(crate) struct UndoArgs {
    /// The run, as `karat run` printed it and `karat receipt list` shows it.
    #[arg(value_name = "RUN", value_hint = ValueHint::Other)]
    pub(crate) run: String,
    /// Why; becomes part of the record.
    #[arg(long, value_name = "TEXT", required_unless_present = "plan")]
    pub(crate) reason: Option<String>,
    /// Show what would be taken back, and what would be held; writes nothing.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Wait this long for runs that are at the tables, like `10m`; without it, do not wait.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) wait: Option<Duration>,
}

/// Arguments of `backfill`.
#[derive(Debug, Args)]
pub(crate) struct BackfillArgs {
    /// The feed.
    #[arg(value_name = "SOURCE.FEED", value_hint = ValueHint::Other)]
    pub(crate) feed: String,
    /// The least value of the cursor that is read.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) from: String,
    /// The greatest.
    #[arg(long, value_name = "VALUE", allow_negative_numbers = true)]
    pub(crate) to: String,
    /// Read the range, and say what would be loaded; writes nothing.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Wait this long for a run that is at the feed, like `10m`; without it, do not wait.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) wait: Option<Duration>,
}

/// Arguments of `test`.
#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    #[command(flatten)]
    pub(crate) select: Select,
    /// Only tests whose name has this text in it.
    #[arg(long, value_name = "TEXT", value_hint = ValueHint::Other)]
    pub(crate) name: Option<String>,
    #[command(flatten)]
    pub(crate) given: GivenArgs,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Only this table, like `sales_silver.orders`, or one of its versions, like `sales_silver.orders@3`.
    #[arg(value_name = "TABLE[@VERSION]", value_hint = ValueHint::Other)]
    pub(crate) table: Option<String>,
    /// Receipts, keys and chains only: no data is read.
    #[arg(long, conflicts_with_all = ["files", "all"])]
    pub(crate) signatures: bool,
    /// Also the size and SHA-256 of every file; no rows are decoded.
    #[arg(long, conflicts_with = "all")]
    pub(crate) files: bool,
    /// Also the fingerprints of all readable versions, not only of the newest.
    #[arg(long)]
    pub(crate) all: bool,
    /// Also that the lake still has the run of this head, which `karat run` printed: nothing up to it was cut off.
    #[arg(long, value_name = "DIGEST", conflicts_with = "table")]
    pub(crate) head: Option<String>,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub(crate) struct ReplayArgs {
    /// The run whose silver and gold versions are made again, as `karat run` printed it and `karat receipt list` shows it; without it, the
    /// newest run that made any.
    #[arg(value_name = "RUN", value_hint = ValueHint::Other)]
    pub(crate) run: Option<String>,
    /// Make the newest version of this model's table again, or the one of a number, like `sales_silver.orders@3`: whatever work was saved when
    /// it was made, the rebuild must give the same.
    #[arg(long, value_name = "TABLE[@VERSION]", num_args = 1.., conflicts_with = "run", value_hint = ValueHint::Other)]
    pub(crate) rebuild: Vec<String>,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

/// Arguments of `explain`.
#[derive(Debug, Args)]
pub(crate) struct ExplainArgs {
    /// A silver or gold table, at its newest version or at the one of a number, like `sales_gold.revenue@3`.
    #[arg(value_name = "TABLE[@VERSION]", value_hint = ValueHint::Other)]
    pub(crate) table: String,
    /// Which row: a condition over the table's columns that holds for one. A table of one row needs none.
    #[arg(long = "where", value_name = "SQL", value_hint = ValueHint::Other)]
    pub(crate) condition: Option<String>,
    /// Show only this column of the row.
    #[arg(long, value_name = "COLUMN", value_hint = ValueHint::Other)]
    pub(crate) column: Option<String>,
    /// Show so many rows of each table that stands behind the row.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

/// Arguments of `query`.
#[derive(Debug, Args)]
pub(crate) struct QueryArgs {
    /// One SELECT, or `show tables`, `describe NAME`, `explain SELECT`; `-` reads it from stdin. Without it, and at a terminal, a shell.
    pub(crate) sql: Option<String>,
    /// Read the SELECT from this file.
    #[arg(long, value_name = "FILE", conflicts_with = "sql", value_hint = ValueHint::FilePath)]
    pub(crate) file: Option<PathBuf>,
    /// Read the tables of the lake as this run left them.
    #[arg(long, value_name = "RUN", value_hint = ValueHint::Other)]
    pub(crate) run: Option<String>,
    /// Read tables as they were: at this time, as RFC 3339 (of the lake: as the newest run up to it left them), as a run left them, or at
    /// the version of this number: of Delta and Iceberg tables named by --table, and of a table of the lake that is read alone. `TABLE@VERSION` names the table.
    #[arg(long, value_name = "TIME|RUN|[TABLE@]VERSION", conflicts_with = "run", value_hint = ValueHint::Other)]
    pub(crate) as_of: Option<String>,
    /// Name files as a table: a Parquet, CSV or NDJSON file (text files: all columns text), a folder or pattern of such files, or the folder
    /// of a Delta or Iceberg table. May be given several times.
    #[arg(long = "table", value_name = "NAME=PATH")]
    pub(crate) tables: Vec<String>,
    /// Read rows of CSV files that do not fit the header as far as they do; without it, the first such row is an error.
    #[arg(long)]
    pub(crate) lenient: bool,
    /// Give `$NAME` in the query a value: a number, `true`, `false`, `null`, `date '2026-01-31'`, or a text. `NAME:TYPE=VALUE` states its
    /// type, a parameter of the project has its own; `1=VALUE` is for `$1`. May be given several times.
    #[arg(long = "param", value_name = "NAME=VALUE")]
    pub(crate) parameters: Vec<String>,
    /// How to write the rows; without it, `table`, or `json` with --json.
    #[arg(long, value_enum)]
    pub(crate) format: Option<Format>,
    /// Write the rows to this file instead of stdout; it is there once it is whole.
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) output: Option<PathBuf>,
    /// Show the plan instead of running it.
    #[arg(long)]
    pub(crate) plan: bool,
    /// Refuse a query whose order is not fixed by itself or by declared keys.
    #[arg(long)]
    pub(crate) strict: bool,
    #[command(flatten)]
    pub(crate) time: LogicalTime,
    #[command(flatten)]
    pub(crate) day: BusinessDay,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

/// Arguments of `diff`.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// A table of the lake, like `sales_gold.revenue`, at a version, a run or a time: `sales_gold.revenue@3`; or a Parquet, CSV or NDJSON file,
    /// a folder or pattern of such files, or the folder of a Delta or Iceberg table, like `tables/revenue@3`. A table of the lake alone is compared with
    /// the version before its newest, one with `@` with its newest.
    #[arg(value_name = "OLD", value_hint = ValueHint::AnyPath)]
    pub(crate) old: String,
    /// The same of the new; `@4` is that version of the same table.
    #[arg(value_name = "NEW", value_hint = ValueHint::AnyPath)]
    pub(crate) new: Option<String>,
    /// Columns that identify a row, with commas between them; without it, the key that the project declares; without that, rows are compared as
    /// a whole.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) key: Vec<String>,
    /// Compare only these columns, with commas between them.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Show so many of the rows that differ.
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) limit: u32,
    /// For scripts: exit 1 if anything differs.
    #[arg(long)]
    pub(crate) check: bool,
    /// Read rows of text files that do not fit as far as they do.
    #[arg(long)]
    pub(crate) lenient: bool,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

/// Arguments of `profile`.
#[derive(Debug, Args)]
pub(crate) struct ProfileArgs {
    /// A table of the lake, like `sales_silver.orders`, at its newest version or at another, a run or a time: `sales_silver.orders@3`; or a
    /// Parquet, CSV or NDJSON file, a folder or pattern of such files, or the folder of a Delta or Iceberg table.
    #[arg(value_name = "TABLE", value_hint = ValueHint::AnyPath)]
    pub(crate) table: String,
    /// Look only at these columns, with commas between them.
    #[arg(long, value_name = "COLUMNS", value_delimiter = ',')]
    pub(crate) columns: Vec<String>,
    /// Read rows of text files that do not fit as far as they do.
    #[arg(long)]
    pub(crate) lenient: bool,
    #[command(flatten)]
    pub(crate) resources: Resources,
}

/// How `query` writes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// Aligned columns; null is empty, an empty text is `""`.
    Table,
    /// One document: columns with types, rows as objects; integers and decimals are numbers with all their digits.
    Json,
    /// One JSON object a line.
    Ndjson,
    /// RFC 4180 with a header; null is empty, an empty text is `""`.
    Csv,
    /// An Arrow IPC stream; timestamps with a zone are in UTC.
    Arrow,
    /// A Parquet file in karat's canonical layout, to --output.
    Parquet,
}

/// Verbs of `bench`.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchVerb {
    /// The One Trillion Row Challenge: make rows of its shape, answer its question exactly, say what a trillion would take.
    Trillion(TrillionArgs),
}

/// Arguments of `bench trillion`.
#[derive(Debug, Args)]
pub(crate) struct TrillionArgs {
    /// Rows to make and read; they lie on the disk in files of ten million, one a thread at a time.
    #[arg(long, value_name = "N", default_value_t = 100_000_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    pub(crate) rows: u64,
    /// Threads; without it, as many as the machine has. The answer does not depend on it.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub(crate) threads: Option<u16>,
    /// What the rows are made from: the same seed, the same rows.
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub(crate) seed: u64,
    /// Cores of the machine that a trillion rows are reckoned for; without it, as many as were used.
    #[arg(long, value_name = "N", value_parser = parse_positive)]
    pub(crate) cores: Option<f64>,
    /// What that machine costs an hour.
    #[arg(long, value_name = "PRICE", value_parser = parse_positive)]
    pub(crate) price_per_hour: Option<f64>,
    /// How fast it reads from where the files are, in gigabits a second.
    #[arg(long, value_name = "GBIT", value_parser = parse_positive)]
    pub(crate) network_gbit: Option<f64>,
}

fn parse_day(text: &str) -> Result<Day, String> {
    Day::parse(text).ok_or_else(|| "write a day like 2026-10-30".to_owned())
}

fn parse_positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if number > 0.0 && number.is_finite() => Ok(number),
        _ => Err("write a number above 0, like 64 or 3.5".to_owned()),
    }
}

/// Verbs of `source`.
#[derive(Debug, Subcommand)]
pub(crate) enum SourceVerb {
    /// Say whether sources can be reached.
    Test {
        /// Only this source.
        #[arg(value_hint = ValueHint::Other)]
        name: Option<String>,
    },
    /// List what a source holds, with types that silver could use.
    Discover {
        /// The source.
        #[arg(value_hint = ValueHint::Other)]
        name: String,
        /// Only this feed of it: proposes its silver model.
        #[arg(value_hint = ValueHint::Other)]
        feed: Option<String>,
        /// Write the proposal as a file of the project; needs FEED, overwrites nothing.
        #[arg(long, requires = "feed")]
        write: bool,
    },
}

/// Verbs of `schema`.
#[derive(Debug, Subcommand)]
pub(crate) enum SchemaVerb {
    /// Accept that columns which models read are missing from what comes next; they are null from then on.
    Accept {
        /// The feed.
        #[arg(value_name = "SOURCE.FEED", value_hint = ValueHint::Other)]
        feed: String,
    },
}

/// Verbs of `position`.
#[derive(Debug, Subcommand)]
pub(crate) enum PositionVerb {
    /// Show how far feeds have been read.
    Show {
        /// Only this feed.
        #[arg(value_name = "SOURCE.FEED", value_hint = ValueHint::Other)]
        feed: Option<String>,
    },
    /// Set the cursor of an incremental feed: the next load reads what lies after it.
    Set {
        /// The feed.
        #[arg(value_name = "SOURCE.FEED", value_hint = ValueHint::Other)]
        feed: String,
        /// The cursor's value.
        #[arg(allow_negative_numbers = true)]
        value: String,
    },
    /// Let a feed load again what was undone: its objects count as never met, its cursor goes back to where it was before.
    Reset {
        /// The feed.
        #[arg(value_name = "SOURCE.FEED", value_hint = ValueHint::Other)]
        feed: String,
        /// Why; becomes part of the record.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
}

/// Verbs of `quarantine`.
#[derive(Debug, Subcommand)]
pub(crate) enum QuarantineVerb {
    /// List rows that broke rules and objects that could not be loaded.
    List {
        /// Only of these: a silver model or its quarantine table, the bronze table of a feed; `+NAME+` or `domain:x` (see `run --select`).
        #[arg(value_name = "TABLE|SELECTION", value_hint = ValueHint::Other)]
        tables: Vec<String>,
        /// List so many rows and so many objects at most; the counts are of all.
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
        /// Show what the rows hold; only at a terminal.
        #[arg(long)]
        show_values: bool,
        /// List the repairs instead: by whom, why, and whether they count.
        #[arg(long)]
        repaired: bool,
    },
    /// Show one row: the rules that it broke, its place in the source, its repairs.
    Show {
        /// The row, as `quarantine list` names it.
        #[arg(value_name = "ID", value_hint = ValueHint::Other)]
        id: String,
        /// Of this silver or bronze table.
        #[arg(long, value_name = "TABLE", value_hint = ValueHint::Other)]
        table: Option<String>,
        /// Show what the row holds; only at a terminal.
        #[arg(long)]
        show_values: bool,
    },
    /// Give rows other values; they are judged by the same rules.
    Fix {
        #[command(flatten)]
        rows: RepairRows,
        /// Only of rows that broke this rule; with TABLE instead of IDs.
        #[arg(long, value_name = "NAME", conflicts_with = "ids", value_hint = ValueHint::Other)]
        rule: Option<String>,
        /// Give a column a value, as the source would have written it; `COLUMN=` is null, `COLUMN=""` the empty text.
        #[arg(long, value_name = "COLUMN=VALUE", required_unless_present = "row", value_parser = parse_set)]
        set: Vec<(String, String)>,
        /// A JSON object that states the row whole; columns that it does not name are null.
        #[arg(long, value_name = "FILE.json", value_hint = ValueHint::FilePath)]
        row: Option<PathBuf>,
    },
    /// Let rows go on although they break rules.
    Release {
        #[command(flatten)]
        rows: RepairRows,
        /// Waive this rule; may be given more than once; without it, all that the row broke. With TABLE instead of IDs: of the rows that broke it.
        #[arg(long, value_name = "NAME", value_hint = ValueHint::Other)]
        rule: Vec<String>,
    },
    /// Leave rows out of what is read.
    Discard {
        #[command(flatten)]
        rows: RepairRows,
        /// Only rows that broke this rule; with TABLE instead of IDs.
        #[arg(long, value_name = "NAME", conflicts_with = "ids", value_hint = ValueHint::Other)]
        rule: Option<String>,
    },
}

/// Which rows a repair is for, and why it is made.
#[derive(Debug, Args)]
pub(crate) struct RepairRows {
    /// Rows, as `quarantine list` names them.
    #[arg(value_name = "ID", required_unless_present = "table", value_hint = ValueHint::Other)]
    pub(crate) ids: Vec<String>,
    /// Rows of this silver table or of this feed's bronze table; without IDs, all in quarantine that the other options choose.
    #[arg(long, value_name = "TABLE", value_hint = ValueHint::Other)]
    pub(crate) table: Option<String>,
    /// Only rows of this object; with TABLE instead of IDs.
    #[arg(long, value_name = "OBJECT", conflicts_with = "ids", value_hint = ValueHint::Other)]
    pub(crate) object: Option<String>,
    /// Why; becomes part of the record.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Wait this long for a run that is at the feed, like `10m`; without it, do not wait.
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) wait: Option<Duration>,
}

/// Verbs of `receipt`.
#[derive(Debug, Subcommand)]
pub(crate) enum ReceiptVerb {
    /// List receipts, newest last.
    List {
        /// Only of this table.
        #[arg(value_hint = ValueHint::Other)]
        table: Option<String>,
    },
    /// Show one receipt.
    Show {
        /// A receipt's digest (or its beginning), or a table with or without version.
        #[arg(value_name = "DIGEST|TABLE[@VERSION]", value_hint = ValueHint::Other)]
        what: String,
    },
    /// Write the record of a run into a folder of its own: its manifest, the receipts of all tables back to their first, what they name, the
    /// public keys, and a program that checks it all without karat. It holds no row.
    Export {
        /// The run, as `karat run` printed it and `karat receipt list` shows it; without it, the newest.
        #[arg(value_hint = ValueHint::Other)]
        run: Option<String>,
        /// The folder to make; without it, `karat-export-RUN` here.
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
        out: Option<PathBuf>,
    },
    /// Hand over from the target's signing key to a new one: writes a statement that both sign among the public keys, and whoever trusts the
    /// old key trusts the new one by it. The old one signs no more from now on.
    Rotate {
        /// The new private key, PKCS#8 PEM as `openssl genpkey -algorithm ed25519` writes it.
        #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
        to: PathBuf,
        /// Why; becomes part of the statement.
        reason: String,
    },
    /// Vouch for versions that another writer committed or nobody signed.
    #[command(allow_missing_positional = true)]
    Adopt {
        /// A table of the lake; `+NAME+` or `domain:x` for all that wait among those (see `run --select`).
        #[arg(value_name = "TABLE|SELECTION", required_unless_present = "all", conflicts_with = "all", value_hint = ValueHint::Other)]
        table: Option<String>,
        /// Why; becomes part of the receipts.
        reason: String,
        /// All tables that wait for a person's word; each is listed.
        #[arg(long)]
        all: bool,
    },
}

/// A format of tables, by its word.
fn parse_table_format(text: &str) -> Result<TableFormat, String> {
    let known = [TableFormat::Delta, TableFormat::Iceberg];
    let named = known.into_iter().find(|format| format.name() == text);
    named.ok_or_else(|| "write `delta` or `iceberg`".to_owned())
}

/// Bytes of `2GiB`, `512MiB`, `1500MB`, `1000000`.
fn parse_size(text: &str) -> Result<usize, String> {
    let digits = text
        .trim_end_matches(|c: char| c.is_ascii_alphabetic() || c == ' ')
        .trim();
    let unit = text[digits.len()..].trim().to_ascii_lowercase();
    let factor: u64 = match unit.as_str() {
        "" | "b" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        _ => return Err("write a size like `2GiB` or `512MiB`".to_owned()),
    };
    let bytes = digits
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(factor))
        .and_then(|bytes| usize::try_from(bytes).ok());
    match bytes {
        Some(bytes) if bytes >= 16 << 20 => Ok(bytes),
        Some(_) => Err("karat needs at least 16MiB".to_owned()),
        None => Err("write a size like `2GiB` or `512MiB`".to_owned()),
    }
}

/// `90s`, `10m`, `2h`; a bare number is seconds.
/// As in the project's files: `--wait 5` is not taken for seconds where `stable_for: 5` is refused.
fn parse_set(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((column, value)) if !column.is_empty() => Ok((column.to_owned(), value.to_owned())),
        _ => Err("it is written COLUMN=VALUE".to_owned()),
    }
}

fn parse_duration(text: &str) -> Result<Duration, String> {
    karat_project::parse_duration(text)
        .ok_or_else(|| "write a duration with its unit, like `90s`, `10m` or `2h`".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;
    use expect_test::expect_file;
    use std::collections::BTreeSet;
    use std::fmt::Write;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn sizes_and_durations() {
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("512 MiB"), Ok(512 << 20));
        assert!(parse_size("2").is_err());
        assert!(parse_size("two").is_err());
        assert_eq!(parse_duration("10m"), Ok(Duration::from_secs(600)));
        assert!(parse_duration("5").is_err(), "as `stable_for: 5` is");
        assert!(parse_duration("soon").is_err());
    }

    /// `docs/cli.md` is this test's output: run it with `UPDATE_EXPECT=1` after a change and commit the difference you meant.
    #[test]
    fn reference_page() {
        let mut command = Cli::command();
        command.build();
        let mut page = String::from(
            "# Command line\n\nWritten by a test from the program itself. Data go to stdout, progress and messages to stderr.\n\n\
             `karat [OPTIONS] VERB`\n\n",
        );
        options(&command, &mut page, true);
        page.push_str(JSON_SHAPES);
        for verb in command
            .get_subcommands()
            .filter(|verb| verb.get_name() != "help")
        {
            section(verb, "karat", &mut page);
        }
        expect_file!["../../../docs/cli.md"].assert_eq(&page);
    }

    /// A reader of the rules must not type what is not there: `docs/semantics.md` says of each verb and option that it has none yet.
    #[test]
    fn the_rules_say_which_verbs_and_options_are_not_there_yet() {
        fn longs(command: &clap::Command, found: &mut BTreeSet<String>) {
            let options = command
                .get_arguments()
                .filter_map(|option| option.get_long());
            found.extend(options.map(|long| format!("--{long}")));
            command
                .get_subcommands()
                .for_each(|verb| longs(verb, found));
        }
        let rules = include_str!("../../../docs/semantics.md");
        let start = rules.find("## Not there yet").expect("a section");
        let end = start + rules[start..].find("\n## A ").expect("the rules follow");
        let (section, body) = (&rules[start..end], &rules[end..]);
        let words = |text: &str, of: fn(&str) -> bool| -> BTreeSet<String> {
            let is_inside = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            let words = text.split(|c| !is_inside(c));
            words.filter(|word| of(word)).map(str::to_owned).collect()
        };
        let mut command = Cli::command();
        command.build();
        let mut known = BTreeSet::new();
        longs(&command, &mut known);
        let is_option = |word: &str| {
            let name = word.strip_prefix("--");
            name.is_some_and(|name| name.starts_with(|c: char| c.is_ascii_lowercase()))
        };
        let unknown: Vec<String> = words(body, is_option).difference(&known).cloned().collect();
        let said = words(section, is_option);
        let kept_back: Vec<&String> = unknown
            .iter()
            .filter(|option| !said.contains(*option))
            .collect();
        assert!(
            kept_back.is_empty(),
            "{kept_back:?} of the rules are in no verb and not in the section"
        );

        let line = section
            .lines()
            .find(|line| line.starts_with("| verbs |"))
            .expect("a line");
        let line = line.split('|').nth(2).expect("a cell");
        let verbs: BTreeSet<String> = line
            .split('`')
            .skip(1)
            .step_by(2)
            .map(str::to_owned)
            .collect();
        for verb in &verbs {
            let last = verb.rsplit(' ').next().unwrap_or_default();
            assert!(
                crate::NOT_YET.contains(&last),
                "`karat {verb}` would be called a typing mistake"
            );
            let arguments = ["karat"].into_iter().chain(verb.split(' '));
            assert!(
                Cli::try_parse_from(arguments).is_err(),
                "`karat {verb}` is there"
            );
        }
        let code: BTreeSet<&str> = body.split('`').skip(1).step_by(2).collect();
        for verb in crate::NOT_YET {
            let named = code.iter().any(|code| {
                *code == verb
                    || code.starts_with(&format!("{verb} -"))
                    || *code == format!("quarantine {verb}")
            });
            let is_said = verbs
                .iter()
                .any(|said| said.rsplit(' ').next() == Some(verb));
            assert!(
                !named || is_said,
                "the rules name `{verb}`, and the section does not"
            );
        }
    }

    const JSON_SHAPES: &str = include_str!("json_shapes.md");

    fn section(command: &clap::Command, before: &str, page: &mut String) {
        let name = format!("{before} {}", command.get_name());
        let verbs: Vec<_> = command
            .get_subcommands()
            .filter(|verb| verb.get_name() != "help")
            .collect();
        if verbs.is_empty() {
            writeln!(page, "## `{name}`\n").expect("a string");
            if let Some(about) = command.get_about() {
                writeln!(page, "{about}.\n").expect("a string");
            }
            let mut usage = name.clone();
            for argument in command.get_positionals() {
                let value = value_name(argument);
                usage.push_str(&if argument.is_required_set() {
                    format!(" {value}")
                } else {
                    format!(" [{value}]")
                });
            }
            let longs = |argument: &clap::Arg| {
                let long = argument.get_long()?;
                Some(match argument.get_action().takes_values() {
                    true => format!("--{long} {}", value_name(argument)),
                    false => format!("--{long}"),
                })
            };
            let required = command.get_opts().filter(|option| option.is_required_set());
            for option in required.filter_map(longs) {
                usage.push_str(&format!(" {option}"));
            }
            for group in command.get_groups().filter(|group| group.is_required_set()) {
                let one_of: Vec<String> = group
                    .get_args()
                    .filter_map(|id| {
                        let mut arguments = command.get_arguments();
                        longs(arguments.find(|argument| argument.get_id() == id)?)
                    })
                    .collect();
                usage.push_str(&format!(" ({})", one_of.join(" | ")));
            }
            writeln!(page, "`{usage}`\n").expect("a string");
            options(command, page, false);
        }
        for verb in verbs {
            section(verb, &name, page);
        }
    }

    fn value_name(argument: &clap::Arg) -> String {
        argument
            .get_value_names()
            .and_then(|names| names.first())
            .map_or_else(
                || argument.get_id().to_string().to_uppercase(),
                ToString::to_string,
            )
    }

    fn options(command: &clap::Command, page: &mut String, globals: bool) {
        let own: Vec<_> = command
            .get_arguments()
            .filter(|argument| {
                argument.is_global_set() == globals
                    && !argument.is_hide_set()
                    && !["help", "version"].contains(&argument.get_id().as_str())
            })
            .collect();
        if own.is_empty() {
            return;
        }
        page.push_str("| | |\n|---|---|\n");
        for argument in own {
            let value = value_name(argument);
            let shown = match (argument.get_long(), argument.get_action().takes_values()) {
                (Some(long), true) => format!("--{long} {value}"),
                (Some(long), false) => format!("--{long}"),
                (None, _) => value,
            };
            let shown = match argument.get_short() {
                Some(short) => format!("-{short}, {shown}"),
                None => shown,
            };
            let mut help = argument
                .get_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            if !help.is_empty() && !help.ends_with('.') {
                help.push('.');
            }
            let values: Vec<String> = argument
                .get_possible_values()
                .iter()
                .map(|value| format!("`{}`", value.get_name()))
                .collect();
            if argument.get_action().takes_values() && !values.is_empty() {
                help.push_str(&format!(" One of {}.", values.join(", ")));
            }
            let defaults: Vec<_> = argument
                .get_default_values()
                .iter()
                .map(|value| value.to_string_lossy())
                .collect();
            if argument.get_action().takes_values() && !defaults.is_empty() {
                help.push_str(&format!(" Default `{}`.", defaults.join(" ")));
            }
            let (shown, help) = (shown.replace('|', "\\|"), help.replace('|', "\\|"));
            writeln!(page, "| `{shown}` | {help} |").expect("a string");
        }
        page.push('\n');
    }
}
