//! What a project declares, once it has been checked: the types that other crates see.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::path::PathBuf;
use std::time::Duration;

use crate::calendar::Calendar;
use crate::checks::{Check, checks_text};
use crate::decode::{At, Ratio};
use crate::diagnostic::Place;
use crate::expected::Expected;
use crate::graph::Graph;
use crate::params::{Param, types_text};
use crate::table_name::{Layer, TableName};
use crate::test_file::ModelTest;

/// What a project declares. One without mistakes comes from [`crate::Loaded::sound`].
#[derive(Clone, Debug)]
pub struct Project {
    /// The project folder, as it was given.
    pub root: PathBuf,
    /// Its name.
    pub name: String,
    /// Time zone of `now()` and `current_date`; an IANA name.
    pub timezone: String,
    /// Where it stands in karat.yaml, if it does.
    pub timezone_at: Option<Place>,
    /// How decimals are rounded (E2).
    pub rounding: Rounding,
    /// Declared parameters by name (A9).
    pub params: BTreeMap<String, Param>,
    /// Business days, if they are declared (A9).
    pub calendar: Option<Calendar>,
    /// Environments by name; never empty.
    pub targets: BTreeMap<String, Target>,
    /// The target in use when none is named.
    pub default_target: String,
    /// Systems that data comes from.
    pub sources: BTreeMap<String, SourceDecl>,
    /// Domains by name.
    pub domains: Vec<Domain>,
    /// Silver and gold models, sorted by table name.
    pub models: Vec<Model>,
    /// Tests of models, in the order of their files.
    pub tests: Vec<ModelTest>,
    /// The files that were read, relative to the project folder: [`Place::file`] counts in this list.
    pub files: Vec<PathBuf>,
}

impl Project {
    /// What reads what, in the order of work.
    pub fn graph(&self) -> Graph {
        Graph::of(self)
    }

    /// All feeds, by domain and in the order they are written.
    pub fn feeds(&self) -> impl Iterator<Item = &Feed> {
        self.domains.iter().flat_map(|domain| &domain.feeds)
    }

    /// The feed that fills a bronze table.
    pub fn feed(&self, bronze: &TableName) -> Option<&Feed> {
        let at = self
            .domains
            .binary_search_by(|domain| domain.name.cmp(&bronze.domain))
            .ok()?;
        self.domains[at]
            .feeds
            .iter()
            .find(|feed| feed.bronze == *bronze)
    }

    /// The model that makes a silver or gold table.
    pub fn model(&self, name: &TableName) -> Option<&Model> {
        self.models
            .binary_search_by(|model| model.name.cmp(name))
            .ok()
            .map(|at| &self.models[at])
    }

    /// In which format each table is made, by what stands nearest to it: the feed or model, its domain, the target. What is said of a
    /// silver model holds for its quarantine, too.
    pub fn table_formats(&self, target: &Target) -> BTreeMap<TableName, TableFormat> {
        let mut formats = BTreeMap::new();
        for domain in &self.domains {
            for feed in &domain.feeds {
                let format = feed.table_format.or(domain.format);
                formats.insert(feed.bronze.clone(), format.unwrap_or(target.format));
            }
        }
        for model in &self.models {
            let domain = self
                .domains
                .binary_search_by(|domain| domain.name.cmp(&model.name.domain));
            let of_domain = domain.ok().and_then(|at| self.domains[at].format);
            let format = model.format.or(of_domain).unwrap_or(target.format);
            formats.insert(model.name.clone(), format);
            if model.name.layer == Layer::Silver {
                formats.insert(model.name.quarantine(), format);
            }
        }
        formats
    }

    /// The canonical text of a model's checks, for their digest: alike where they ask the same. Empty where it has none.
    pub fn checks_text(&self, model: &Model) -> String {
        checks_text(
            &model.checks,
            self.rounding.as_str(),
            &self.timezone,
            &self.params,
        )
    }

    /// The named target, or the default one.
    pub fn target(&self, name: Option<&str>) -> Option<&Target> {
        self.targets.get(name.unwrap_or(&self.default_target))
    }

    /// `file:line` of a place, for messages.
    pub fn show_place(&self, at: Place) -> String {
        let file = self
            .files
            .get(at.file as usize)
            .map(|file| file.display().to_string())
            .unwrap_or_default();
        if at.line == 0 {
            file
        } else {
            format!("{file}:{}", at.line)
        }
    }
}

/// How decimals are rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Rounding {
    /// 0.5 becomes 1, -0.5 becomes -1.
    #[default]
    HalfAwayFromZero,
    /// 0.5 becomes 0, 1.5 becomes 2.
    HalfEven,
}

impl Rounding {
    /// The word in `karat.yaml` and in code texts.
    pub fn as_str(self) -> &'static str {
        match self {
            Rounding::HalfAwayFromZero => "half_away_from_zero",
            Rounding::HalfEven => "half_even",
        }
    }
}

/// A value from `sources` or `targets`, with its variables replaced. `Debug` shows it as it was written.
#[derive(Clone, PartialEq, Eq)]
pub struct Setting {
    pub(crate) value: String,
    pub(crate) written: String,
    pub(crate) at: Place,
}

impl Setting {
    /// The value to use: may be a secret, never print it.
    pub fn value(&self) -> &str {
        &self.value
    }

    /// What may be printed: variables stand as they were written.
    pub fn written(&self) -> &str {
        &self.written
    }

    /// Where it stands.
    pub fn at(&self) -> Place {
        self.at
    }
}

impl fmt::Debug for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.written.contains("${") {
            write!(f, "{:?}", self.written)
        } else {
            f.write_str("\"…\"")
        }
    }
}

/// An environment.
#[derive(Clone, Debug)]
pub struct Target {
    /// Its name.
    pub name: String,
    /// The lake's folder as declared: absolute, or relative to the project folder.
    pub lake: Setting,
    /// First part of full table names.
    pub catalog: String,
    /// Format of the tables that are made in it, where nothing nearer to them says otherwise.
    pub format: TableFormat,
    /// Whether receipts must be signed.
    pub require_signature: bool,
    /// The signing key, in PEM.
    pub key: Option<Setting>,
    /// Where heads are published.
    pub anchor: Option<Anchor>,
    /// The URL that is told when runs begin to fail, and when they end well again.
    pub alerts: Option<Setting>,
    /// Where it is declared.
    pub at: Place,
}

/// Where the heads of runs are published (G4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Anchor {
    /// Lines of a file.
    File(Setting),
    /// Lines of a file in a Git repository.
    Git(Setting),
    /// A URL that takes them by POST.
    Http(Setting),
}

/// A table format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TableFormat {
    /// Delta Lake.
    Delta,
    /// Apache Iceberg.
    Iceberg,
}

impl TableFormat {
    /// The words for them.
    pub(crate) const WORDS: [(&str, Self); 2] =
        [("delta", Self::Delta), ("iceberg", Self::Iceberg)];
}

/// A system that data comes from.
#[derive(Clone, Debug)]
pub struct SourceDecl {
    /// Its name.
    pub name: String,
    /// What it is, with its options.
    pub kind: SourceKind,
    /// Where it is declared.
    pub at: Place,
}

/// The kinds of source of this version.
#[derive(Clone, Debug)]
pub enum SourceKind {
    /// Files below a folder (absolute, or relative to the project folder).
    Files {
        /// The folder.
        path: Setting,
    },
    /// A SQLite file (absolute, or relative to the project folder).
    Sqlite {
        /// The file.
        path: Setting,
    },
}

impl SourceKind {
    /// The word under `type`.
    pub fn as_str(&self) -> &'static str {
        match self {
            SourceKind::Files { .. } => "files",
            SourceKind::Sqlite { .. } => "sqlite",
        }
    }

    /// Its path.
    pub fn path(&self) -> &Setting {
        match self {
            SourceKind::Files { path } | SourceKind::Sqlite { path } => path,
        }
    }
}

/// A business group's folder.
#[derive(Clone, Debug)]
pub struct Domain {
    /// Its name, the folder's.
    pub name: String,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is about.
    pub description: Option<String>,
    /// Format of its tables that are made, where it says one.
    pub format: Option<TableFormat>,
    /// What it takes in.
    pub feeds: Vec<Feed>,
    /// Where it is declared.
    pub at: Place,
}

/// One table or file set of a source.
#[derive(Clone, Debug)]
pub struct Feed {
    /// The domain.
    pub domain: String,
    /// The source's name.
    pub source: String,
    /// The feed's name (B10).
    pub name: String,
    /// The bronze table it fills.
    pub bronze: TableName,
    /// Format of that table when it is made, if the feed says one. No part of the code.
    pub table_format: Option<TableFormat>,
    /// What it is.
    pub description: Option<String>,
    /// Table of the source.
    pub table: Option<String>,
    /// Which files, relative to the source's root.
    pub path: Option<String>,
    /// How it is read.
    pub mode: Mode,
    /// Columns that name a row, folded (F3).
    pub key: Vec<String>,
    /// The column that grows.
    pub cursor: Option<Cursor>,
    /// How text files are written.
    pub csv: Csv,
    /// What the files are written in.
    pub format: Format,
    /// What is read of JSON.
    pub json: Json,
    /// What is read of a workbook.
    pub excel: Excel,
    /// How far packed files may grow, and what is read of an archive.
    pub unpack: Unpack,
    /// Declared or chosen columns, in the source's spelling.
    pub columns: Option<Vec<String>>,
    /// Of JSON: columns and the pointer to each, in their order.
    pub pointers: Option<Vec<(String, String)>>,
    /// Regular expression with one group.
    pub file_order: Option<String>,
    /// Whether files of one mark are one load.
    pub parts: bool,
    /// Bronze name to the source's new name.
    pub rename: BTreeMap<String, String>,
    /// Texts that silver reads as null.
    pub null_values: Vec<String>,
    /// What happens when columns change.
    pub on_schema_change: OnSchemaChange,
    /// A file that cannot be read whole.
    pub on_broken_object: OnBrokenObject,
    /// A file with the content of another.
    pub on_duplicate: OnDuplicate,
    /// Share of the rows that a full load may delete.
    pub max_delete: Ratio,
    /// What an incremental feed says about deletes; `None` if nothing.
    pub deletes: Option<Deletes>,
    /// How long a file must be unchanged.
    pub stable_for: Duration,
    /// The file that tells that one is complete, by its path from that one's folder.
    pub done_file: Option<String>,
    /// The file that tells what is in one.
    pub control_file: Option<ControlFile>,
    /// What is delivered for each business date.
    pub expect: Option<Expected>,
    /// Where it is declared.
    pub at: Place,
    /// Where `path` or `table` stands.
    pub object_at: Place,
    /// Where `file_order` stands, if it does.
    pub file_order_at: Option<Place>,
    /// What defaults add to it; `None` if they add nothing.
    pub expanded: Option<Expanded>,
}

/// A feed or model with what defaults add to it. It is read as if all of that stood in its own file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expanded {
    /// As YAML, for people: what is inherited has `# from FILE:LINE` beside it.
    pub yaml: String,
    pub(crate) inherited: Vec<Inherited>,
}

impl Expanded {
    /// What is inherited, by its dotted key.
    pub fn inherited(&self) -> &[Inherited] {
        &self.inherited
    }
}

/// One key that a default gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inherited {
    /// Dotted: `csv.delimiter`.
    pub key: String,
    /// As YAML.
    pub value: String,
    /// Where the default stands.
    pub at: Place,
}

impl Feed {
    /// `source.feed`, as people write it.
    pub fn short_name(&self) -> String {
        format!("{}.{}", self.source, self.name)
    }

    /// The canonical text of what shapes its bronze rows, for the load's code digest.
    pub fn code_text(&self) -> String {
        let mut text = String::from("karat feed 1\n");
        let mut line = |key: &str, value: String| {
            writeln!(text, "{key} {value}").expect("writing to a string")
        };
        line("bronze", self.bronze.to_string());
        line("table", quoted(self.table.as_deref().unwrap_or("")));
        line("path", quoted(self.path.as_deref().unwrap_or("")));
        line("mode", self.mode.as_str().to_string());
        line("key", quoted_list(&self.key));
        if let Some(cursor) = &self.cursor {
            let lag = match cursor.lag {
                None => String::new(),
                Some(Lag::Time(time)) => format!(" lag {}ms", time.as_millis()),
                Some(Lag::Count(count)) => format!(" lag {count}"),
            };
            line(
                "cursor",
                format!(
                    "{}{lag} nulls {}",
                    quoted(&cursor.column),
                    cursor.nulls_include
                ),
            );
        }
        let csv = &self.csv;
        let control = |key: &str, record: &Option<ControlRecord>| match record {
            Some(record) => format!(" {key} {}", quoted(&record.starts_with)),
            None => String::new(),
        };
        line(
            "csv",
            format!(
                "delimiter {} terminator {} quote {} header {} encoding {} compression {} max_line_bytes {}{}{}{}",
                quoted(&csv.delimiter),
                quoted(csv.terminator.as_deref().unwrap_or("")),
                quoted(&csv.quote.map(String::from).unwrap_or_default()),
                csv.header,
                csv.encoding.as_str(),
                csv.compression.as_str(),
                csv.max_line_bytes,
                // Only where it is on: a feed without it keeps its digest.
                if csv.terminator_in_fields {
                    " terminator_in_fields true"
                } else {
                    ""
                },
                // Which records are rows. What they say of the rows decides whether a file is taken, not what is taken.
                control("header_record", &csv.header_record),
                control("trailer", &csv.trailer),
            ),
        );
        // What is left out keeps the digest that a feed had before the key was known.
        if self.format != Format::Csv {
            let json = &self.json;
            let told = |key: &str, value: &Option<String>| match value {
                Some(value) => format!(" {key} {}", quoted(value)),
                None => String::new(),
            };
            let records = told("records", &json.records);
            let document = told("document", &json.document);
            line(
                "format",
                format!("{}{records}{document}", self.format.as_str()),
            );
        }
        if self.format == Format::Excel {
            let excel = &self.excel;
            line(
                "excel",
                format!(
                    "sheet {} header_row {} range {} fill_merged {}",
                    quoted(excel.sheet.as_deref().unwrap_or("")),
                    excel.header_row.unwrap_or(0),
                    quoted(excel.range.as_deref().unwrap_or("")),
                    excel.fill_merged
                ),
            );
        }
        for (name, pointer) in self.pointers.iter().flatten() {
            line("column", format!("{} {}", quoted(name), quoted(pointer)));
        }
        if let Some(members) = &self.unpack.members {
            line("unpack", format!("members {}", quoted(members)));
        }
        if let Some(columns) = &self.columns {
            line("columns", quoted_list(columns));
        }
        line(
            "file_order",
            quoted(self.file_order.as_deref().unwrap_or("")),
        );
        line("parts", self.parts.to_string());
        for (bronze, source) in &self.rename {
            line("rename", format!("{} {}", quoted(bronze), quoted(source)));
        }
        let change = &self.on_schema_change;
        line(
            "on_schema_change",
            format!("added {:?} missing {:?}", change.added, change.missing).to_lowercase(),
        );
        text
    }
}

/// How a feed is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Each load is the whole table.
    Full,
    /// Each load is what is new.
    Incremental,
}

impl Mode {
    /// The word in `domain.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Mode::Full => "full",
            Mode::Incremental => "incremental",
        }
    }
}

/// A column that grows with each change (B7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cursor {
    /// The column, folded.
    pub column: String,
    /// How far behind the newest value to read again.
    pub lag: Option<Lag>,
    /// Whether rows with a null are read each time; otherwise a null fails the load.
    pub nulls_include: bool,
}

/// How far behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lag {
    /// For dates and timestamps.
    Time(Duration),
    /// For numbers.
    Count(u64),
}

/// How a text file is written (F1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Csv {
    /// One character or several.
    pub delimiter: String,
    /// `None`: a line feed, with or without a carriage return.
    pub terminator: Option<String>,
    /// `None`: nothing is quoted.
    pub quote: Option<char>,
    /// Whether the first row holds the names.
    pub header: bool,
    /// The encoding; a byte order mark wins.
    pub encoding: Encoding,
    /// The compression.
    pub compression: Compression,
    /// Whether a row ends only at the terminator that follows its last column.
    pub terminator_in_fields: bool,
    /// Longest row.
    pub max_line_bytes: u64,
    /// The record before the names and rows that is neither.
    pub header_record: Option<ControlRecord>,
    /// The record behind the rows that is none.
    pub trailer: Option<ControlRecord>,
}

/// A record of a file that is no row: what the sender says of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlRecord {
    /// How it begins.
    pub starts_with: String,
    /// What it says.
    pub totals: Totals,
}

/// What a sender says of the rows of a file.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Totals {
    /// The field, from 1, with the number of rows.
    pub count: Option<usize>,
    /// Columns, by their names in bronze, and the field with the sum of each.
    pub sums: Vec<(String, usize)>,
}

/// A file beside another, with what the sender says of that one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlFile {
    /// From the other's folder; `{name}` stands for its name, `{stem}` for that without the last ending.
    pub path: String,
    /// How the line begins that is about it; `None` for the first.
    pub starts_with: Option<String>,
    /// What separates its fields.
    pub delimiter: String,
    /// What it says.
    pub totals: Totals,
    /// The field with the SHA-256 of the other's bytes.
    pub sha256: Option<usize>,
}

impl Default for Csv {
    fn default() -> Self {
        Csv {
            delimiter: ",".to_string(),
            terminator: None,
            quote: Some('"'),
            header: true,
            encoding: Encoding::Utf8,
            compression: Compression::Auto,
            terminator_in_fields: false,
            max_line_bytes: 64 << 20,
            header_record: None,
            trailer: None,
        }
    }
}

/// What the files of a feed are written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Text with separators.
    Csv,
    /// JSON, each line a document.
    Ndjson,
    /// JSON.
    Json,
    /// Parquet.
    Parquet,
    /// Avro object container files.
    Avro,
    /// Workbooks.
    Excel,
}

impl Format {
    pub(crate) const WORDS: [(&'static str, Format); 6] = [
        ("csv", Format::Csv),
        ("ndjson", Format::Ndjson),
        ("json", Format::Json),
        ("parquet", Format::Parquet),
        ("avro", Format::Avro),
        ("excel", Format::Excel),
    ];

    /// The word in `domain.yaml`.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, format)| *format == self)
            .map_or("", |(word, _)| word)
    }

    /// Whether it knows no types: every payload column is a string (B3).
    pub fn is_text(self) -> bool {
        !matches!(self, Self::Parquet | Self::Avro)
    }

    /// Whether its files may be packed.
    pub(crate) fn may_be_packed(self) -> bool {
        matches!(self, Self::Csv | Self::Ndjson | Self::Json)
    }

    /// By the ending of a feed's pattern, if that tells it.
    pub(crate) fn by_ending(path: &str) -> Option<Self> {
        let path = path.to_lowercase();
        let packings = [".gz", ".zst", ".bz2", ".zip"];
        let packing = packings
            .into_iter()
            .find_map(|ending| path.strip_suffix(ending));
        let (_, ending) = packing.unwrap_or(&path).rsplit_once('.')?;
        let format = match ending {
            "ndjson" | "jsonl" => Self::Ndjson,
            "json" => Self::Json,
            "parquet" => Self::Parquet,
            "avro" => Self::Avro,
            "xlsx" | "xlsm" | "xlsb" | "xls" | "ods" => Self::Excel,
            _ => return None,
        };
        (packing.is_none() || format.may_be_packed()).then_some(format)
    }
}

/// What is read of a workbook.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Excel {
    /// Name or number of the sheet.
    pub sheet: Option<String>,
    /// The row that names the columns.
    pub header_row: Option<u32>,
    /// What is read of the sheet.
    pub range: Option<String>,
    /// Whether every cell that a merged one covers has its value.
    pub fill_merged: bool,
}

/// What is read of a JSON file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Json {
    /// Pointer to the records.
    pub records: Option<String>,
    /// Column that keeps each record whole.
    pub document: Option<String>,
    /// Longest record.
    pub max_record_bytes: u64,
}

impl Default for Json {
    fn default() -> Self {
        Json {
            records: None,
            document: None,
            max_record_bytes: 64 << 20,
        }
    }
}

/// How far packed files may grow, and what is read of an archive. The limits shape no row, so they are no part of a load's code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unpack {
    /// An object may grow to so many times its size.
    pub max_ratio: u64,
    /// And to so many bytes.
    pub max_bytes: u64,
    /// Pattern of the files in an archive that are read; `None` for all.
    pub members: Option<String>,
}

impl Default for Unpack {
    fn default() -> Self {
        Unpack {
            max_ratio: 250,
            max_bytes: 256 << 30,
            members: None,
        }
    }
}

/// A text encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// UTF-8.
    Utf8,
    /// UTF-16 with a byte order mark.
    Utf16,
    /// UTF-16, little endian.
    Utf16Le,
    /// UTF-16, big endian.
    Utf16Be,
    /// Windows-1252.
    Windows1252,
}

impl Encoding {
    pub(crate) const WORDS: [(&'static str, Encoding); 5] = [
        ("utf-8", Encoding::Utf8),
        ("utf-16", Encoding::Utf16),
        ("utf-16le", Encoding::Utf16Le),
        ("utf-16be", Encoding::Utf16Be),
        ("windows-1252", Encoding::Windows1252),
    ];

    /// The word in `domain.yaml`.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, encoding)| *encoding == self)
            .map_or("", |(word, _)| word)
    }
}

/// A compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// By the first bytes.
    Auto,
    /// None.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
    /// bzip2.
    Bzip2,
    /// A ZIP archive.
    Zip,
}

impl Compression {
    pub(crate) const WORDS: [(&'static str, Compression); 6] = [
        ("auto", Compression::Auto),
        ("none", Compression::None),
        ("gzip", Compression::Gzip),
        ("zstd", Compression::Zstd),
        ("bzip2", Compression::Bzip2),
        ("zip", Compression::Zip),
    ];

    /// The word in `domain.yaml`.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, compression)| *compression == self)
            .map_or("", |(word, _)| word)
    }
}

/// What happens when the columns of a source change (B8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct OnSchemaChange {
    /// A column that bronze does not have.
    pub added: OnAdded,
    /// A column that a model reads and the source no longer has.
    pub missing: OnMissing,
    /// A column whose type changed.
    pub types: OnTypes,
}

/// What happens to a new column.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnAdded {
    /// Bronze gets it.
    #[default]
    Evolve,
    /// It is left out.
    Ignore,
    /// The load is refused.
    Fail,
}

/// What happens when a column is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnMissing {
    /// The load is refused if a model reads it.
    #[default]
    Fail,
    /// It is null.
    Null,
}

/// What happens when a type changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnTypes {
    /// The load is refused.
    #[default]
    Freeze,
}

/// What happens to a file that cannot be read whole (B4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnBrokenObject {
    /// It is listed in quarantine, the feed goes on.
    #[default]
    Continue,
    /// The feed stops before it.
    Stop,
}

/// What happens to a file with the content of another (B4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum OnDuplicate {
    /// Silver reads it once.
    #[default]
    Once,
    /// It is a load of its own.
    Load,
}

/// What an incremental feed says about deletes (B7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletes {
    /// Rows are never deleted.
    Never,
    /// This column (folded) marks a deleted row.
    Soft(String),
}

/// One silver or gold table's definition.
#[derive(Clone, Debug)]
pub struct Model {
    /// The table it makes.
    pub name: TableName,
    /// The file that defines it, relative to the project folder.
    pub file: PathBuf,
    /// Where it begins.
    pub at: Place,
    /// What a row is.
    pub description: Option<String>,
    /// What its rows depend on beside the tables: `$name` of parameters, [`crate::BUSINESS_DATE`]; sorted, each once (A9).
    pub asks: Vec<String>,
    /// The tables it reads, sorted, each once.
    pub inputs: Vec<TableName>,
    /// Who may read it.
    pub access: Access,
    /// `key:` as declared; of a model with `auto_cdc` see [`Model::row_key`].
    pub key: Option<Vec<String>>,
    /// The column that says to which business day a row belongs (A8).
    pub business_day: Option<String>,
    /// Columns that its rows are ordered by, before the key.
    pub cluster_by: Vec<String>,
    /// Format of the table when it is made, if the model says one. No part of the code.
    pub format: Option<TableFormat>,
    /// Why its columns may be doubles.
    pub allow_float: Option<String>,
    /// What each version must keep before it is visible (C7), in the order in which they are written. No part of the code.
    pub checks: Vec<Check>,
    /// What defaults add to it; `None` if they add nothing.
    pub expanded: Option<Expanded>,
    /// Silver or gold.
    pub kind: ModelKind,
    pub(crate) code: String,
}

impl Model {
    /// The canonical text for the code digest: what shapes the table's content and order, and nothing else. A comment, white
    /// space, the order of expectations, a limit, a description leave it alone. Rounding and time zone are part of it (E2, A6).
    pub fn code_text(&self) -> &str {
        &self.code
    }

    /// Tables that its checks read and its rows do not, sorted.
    pub fn checked_against(&self) -> Vec<&TableName> {
        let reads = self.checks.iter().flat_map(|check| &check.reads);
        let mut tables: Vec<&TableName> =
            reads.filter(|table| !self.inputs.contains(table)).collect();
        tables.sort();
        tables.dedup();
        tables
    }

    /// All tables that are made before this one: what its rows are made from, and what its checks read.
    pub fn comes_after(&self) -> Vec<&TableName> {
        let mut tables: Vec<&TableName> = self.inputs.iter().collect();
        tables.extend(self.checked_against());
        tables
    }

    /// The table's column names in order; SCD 2's own columns last.
    pub fn columns(&self) -> Vec<String> {
        match &self.kind {
            ModelKind::Silver(silver) => {
                let mut columns: Vec<String> = silver
                    .select
                    .iter()
                    .map(|column| column.name.clone())
                    .collect();
                if silver
                    .auto_cdc
                    .as_ref()
                    .is_some_and(|cdc| cdc.scd_type == 2)
                {
                    columns.extend(["__START_AT".to_string(), "__END_AT".to_string()]);
                }
                columns
            }
            ModelKind::Gold(gold) => gold.columns.clone(),
        }
    }

    /// The key that D2 completes orders from: `auto_cdc.keys` (with `__START_AT` for SCD 2), else `key:`.
    pub fn row_key(&self) -> Option<Vec<String>> {
        match &self.kind {
            ModelKind::Silver(Silver {
                auto_cdc: Some(cdc),
                ..
            }) => {
                let mut key = cdc.keys.clone();
                if cdc.scd_type == 2 {
                    key.push("__START_AT".to_string());
                }
                Some(key)
            }
            _ => self.key.clone(),
        }
    }
}

/// What kind of model it is.
#[derive(Clone, Debug)]
pub enum ModelKind {
    /// A feed, typed and checked.
    Silver(Silver),
    /// A SELECT.
    Gold(Gold),
}

/// Who may read a table in this project (D1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Access {
    /// Only its own domain.
    #[default]
    Private,
    /// Any domain.
    Public,
}

/// What a silver model says.
#[derive(Clone, Debug)]
pub struct Silver {
    /// The bronze table it reads.
    pub from: TableName,
    /// Whether text is read without the blanks at its ends.
    pub trim: bool,
    /// Columns in order.
    pub select: Vec<SelectColumn>,
    /// Rules in the order they are written; restated built-in ones have no SQL.
    pub expectations: Vec<Expectation>,
    /// How events become rows.
    pub auto_cdc: Option<AutoCdc>,
}

/// One column of a silver model.
#[derive(Clone, Debug)]
pub struct SelectColumn {
    /// The name.
    pub name: String,
    /// The expression over bronze, as written.
    pub sql: String,
    /// Bronze columns that it names, folded, sorted.
    pub reads: Vec<String>,
    /// Where the expression stands.
    pub at: Place,
    pub(crate) normalised: String,
}

impl SelectColumn {
    /// The expression as messages and quarantine show it: alike for equal code.
    pub fn shown(&self) -> String {
        karat_sql::shown(&self.normalised)
    }

    /// Whether it is a text of a column of bronze as it is, or without blanks or nulls: in brackets, trimmed, or with another for a null.
    pub fn is_text_of_one(&self) -> bool {
        let [name] = self.reads.as_slice() else {
            return false;
        };
        let mut written = self.normalised.trim();
        loop {
            if name.eq_ignore_ascii_case(written.trim_matches('"')) {
                return true;
            }
            let Some((call, inner)) = written.strip_suffix(')').and_then(|it| it.split_once('('))
            else {
                return false;
            };
            let keeps = [
                "", "trim", "btrim", "ltrim", "rtrim", "coalesce", "nullif", "upper", "lower",
            ];
            if !keeps.contains(&call.trim().to_lowercase().as_str()) {
                return false;
            }
            // The first argument; a bracket or comma within another would say otherwise, and is none of these.
            let first = match inner.contains('(') {
                true => inner,
                false => inner.split(',').next().unwrap_or(inner),
            };
            written = first.trim();
        }
    }
}

/// A rule for each row (C2).
#[derive(Clone, Debug)]
pub struct Expectation {
    /// The name.
    pub name: String,
    /// What must be true, over the selected columns; `None` for a restated built-in rule.
    pub sql: Option<String>,
    /// What happens to a row that breaks it.
    pub action: Action,
    /// Share of the rows that may break it.
    pub limit: Option<Ratio>,
    /// Whether deletes are judged too.
    pub on_all: bool,
    /// Where it stands.
    pub at: Place,
    /// The columns that it names, in lower case.
    pub reads: Vec<String>,
    /// Where its SQL stands; of a built-in rule, where it stands.
    pub sql_at: Place,
    pub(crate) normalised: String,
}

/// What happens to a row that breaks a rule; the later decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Count it.
    Warn,
    /// Leave the row out.
    Drop,
    /// Put the row into quarantine.
    Quarantine,
    /// Make no version.
    Fail,
}

impl Action {
    pub(crate) const WORDS: [(&'static str, Action); 4] = [
        ("warn", Action::Warn),
        ("drop", Action::Drop),
        ("quarantine", Action::Quarantine),
        ("fail", Action::Fail),
    ];

    /// The word in a silver model.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, action)| *action == self)
            .map_or("", |(word, _)| word)
    }
}

/// How events become rows (C4, C5).
#[derive(Clone, Debug)]
pub struct AutoCdc {
    /// Selected columns that name a row.
    pub keys: Vec<String>,
    /// Where they stand.
    pub keys_at: Place,
    /// Selected columns that order events, the first before the next; none: `_seq` alone.
    pub sequence_by: Vec<String>,
    /// When an event deletes its key.
    pub apply_as_deletes: Option<EventCondition>,
    /// When an event empties the table.
    pub apply_as_truncates: Option<EventCondition>,
    /// Columns in which a null leaves the value as it was; `None`: in no column.
    pub ignore_null_updates: Option<WhichColumns>,
    /// Where full loads are whole tables, and not events.
    pub snapshots: Option<Snapshots>,
    /// 1 or 2.
    pub scd_type: u8,
    /// Selected column from which a state holds.
    pub valid_from: Option<String>,
    /// Which columns open a new state.
    pub track: WhichColumns,
}

impl AutoCdc {
    /// What tells the kinds of events apart.
    pub fn conditions(&self) -> impl Iterator<Item = &EventCondition> {
        let deletes = self.apply_as_deletes.iter();
        deletes.chain(&self.apply_as_truncates)
    }
}

/// What is true of the events of one kind.
#[derive(Clone, Debug)]
pub struct EventCondition {
    /// The key of `auto_cdc` that it stands under.
    pub word: &'static str,
    /// SQL over the selected columns, and those of bronze under other names.
    pub sql: String,
    /// Where it stands.
    pub at: Place,
    /// Columns that it names, of bronze or selected.
    pub reads: Vec<String>,
    pub(crate) normalised: String,
}

impl EventCondition {
    /// The condition as messages and quarantine show it: alike for equal code.
    pub fn shown(&self) -> String {
        karat_sql::shown(&self.normalised)
    }
}

/// `from: snapshots`: what a full load no longer has is gone (C5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshots {
    /// How the order mark of a load is written as a date or a time, which dates the ranges; `None`: the load's logical time does.
    pub version: Option<String>,
    /// Where that stands, else `from`.
    pub at: Place,
}

/// A choice among the columns of a table.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum WhichColumns {
    /// All.
    #[default]
    All,
    /// These.
    Only(Vec<String>),
    /// All but these.
    Except(Vec<String>),
}

impl WhichColumns {
    /// Whether a column is one of them.
    pub fn contains(&self, column: &str) -> bool {
        let named = |columns: &[String]| columns.iter().any(|name| name == column);
        match self {
            WhichColumns::All => true,
            WhichColumns::Only(columns) => named(columns),
            WhichColumns::Except(columns) => !named(columns),
        }
    }

    fn as_code(&self) -> String {
        let (word, mut columns) = match self {
            WhichColumns::All => ("all", Vec::new()),
            WhichColumns::Only(columns) => ("only", columns.clone()),
            WhichColumns::Except(columns) => ("except", columns.clone()),
        };
        columns.sort();
        format!("{word} {}", quoted_list(&columns))
    }
}

/// What a gold model says.
#[derive(Clone, Debug)]
pub struct Gold {
    /// The SELECT, as written.
    pub sql: String,
    /// Output columns, in order.
    pub columns: Vec<String>,
    /// How a version is made from the one before, if not in full.
    pub incremental: Option<Incremental>,
    pub(crate) normalised: String,
}

/// That only the rows of some values are computed again (A7). It is no part of the code: the table is the same.
#[derive(Clone, Debug)]
pub struct Incremental {
    /// Output columns whose values tell which rows.
    pub by: Vec<String>,
    /// Inputs that do not hold these columns: where one of them changed, all is computed.
    pub rebuild_on: Vec<TableName>,
    /// Where it stands.
    pub at: Place,
}

/// Text that cannot be mistaken for anything else in a code text.
pub(crate) fn quoted(text: &str) -> String {
    format!("\"{}\"", one_line(text).replace('"', "\\\""))
}

/// Keeps a text on its line, so that no literal can look like a line of its own.
pub(crate) fn one_line(text: &str) -> Cow<'_, str> {
    if !text.contains(['\\', '\n', '\r']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(
        text.replace('\\', "\\\\")
            .replace('\n', "\\n")
            .replace('\r', "\\r"),
    )
}

pub(crate) fn quoted_list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| quoted(item))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What of the project and the feed shapes a model.
pub(crate) struct Surroundings<'a> {
    pub(crate) timezone: &'a str,
    pub(crate) rounding: Rounding,
    pub(crate) feed: Option<&'a Feed>,
    pub(crate) params: &'a BTreeMap<String, Param>,
}

/// See [`Model::code_text`].
pub(crate) fn code_text(model: &Model, around: &Surroundings<'_>) -> String {
    let mut text = String::from("karat model 1\n");
    let mut line =
        |key: &str, value: String| writeln!(text, "{key} {value}").expect("writing to a string");
    line("layer", model.name.layer.to_string());
    line("rounding", around.rounding.as_str().to_string());
    line("timezone", quoted(around.timezone));
    if !model.cluster_by.is_empty() {
        line("cluster_by", quoted_list(&model.cluster_by));
    }
    if let Some(key) = &model.key {
        line("key", quoted_list(key));
    }
    for param in types_text(&model.asks, around.params) {
        line("param", param);
    }
    match &model.kind {
        ModelKind::Gold(gold) => line("sql", one_line(&gold.normalised).into_owned()),
        ModelKind::Silver(silver) => {
            line("from", silver.from.to_string());
            if let Some(feed) = around.feed {
                // What of the feed acts when silver reads: F1, B4, B6, B7.
                line(
                    "mode",
                    format!("{} key {}", feed.mode.as_str(), quoted_list(&feed.key)),
                );
                let mut null_values = feed.null_values.clone();
                null_values.sort();
                null_values.dedup();
                line("null_values", quoted_list(&null_values));
                line(
                    "on_duplicate",
                    format!(
                        "{:?} file_order {}",
                        feed.on_duplicate,
                        quoted(feed.file_order.as_deref().unwrap_or(""))
                    ),
                );
                if let Some(Deletes::Soft(column)) = &feed.deletes {
                    line("deletes", format!("soft {}", quoted(column)));
                }
            }
            // Only where it is on: a model without it keeps its digest.
            if silver.trim {
                line("trim", "true".to_owned());
            }
            for column in &silver.select {
                line(
                    "select",
                    format!("{} {}", column.name, one_line(&column.normalised)),
                );
            }
            let mut rules: Vec<&Expectation> = silver.expectations.iter().collect();
            rules.sort_by(|a, b| a.name.cmp(&b.name));
            for rule in rules {
                let on = if rule.on_all { " on all" } else { "" };
                line(
                    "expect",
                    format!(
                        "{} {}{on} {}",
                        rule.name,
                        rule.action.as_str(),
                        one_line(&rule.normalised)
                    ),
                );
            }
            if let Some(cdc) = &silver.auto_cdc {
                line(
                    "scd",
                    format!("{} keys {}", cdc.scd_type, quoted_list(&cdc.keys)),
                );
                line(
                    "sequence_by",
                    match cdc.sequence_by.as_slice() {
                        [] => quoted(""),
                        columns => quoted_list(columns),
                    },
                );
                line(
                    "valid_from",
                    quoted(cdc.valid_from.as_deref().unwrap_or("")),
                );
                let deletes = cdc.apply_as_deletes.as_ref();
                let deletes = deletes.map_or("", |condition| &condition.normalised);
                line("apply_as_deletes", one_line(deletes).into_owned());
                // What is new since tables have been made is a line only where it is declared.
                if let Some(truncates) = &cdc.apply_as_truncates {
                    let truncates = one_line(&truncates.normalised);
                    line("apply_as_truncates", truncates.into_owned());
                }
                if let Some(columns) = &cdc.ignore_null_updates {
                    line("ignore_null_updates", columns.as_code());
                }
                if let Some(snapshots) = &cdc.snapshots {
                    let version = snapshots.version.as_deref().unwrap_or("");
                    line("from_snapshots", quoted(version));
                }
                line("track", cdc.track.as_code());
            }
        }
    }
    text
}

/// A list of located names without the places.
pub(crate) fn bare(names: &[At<String>]) -> Vec<String> {
    names.iter().map(|name| name.value.clone()).collect()
}
