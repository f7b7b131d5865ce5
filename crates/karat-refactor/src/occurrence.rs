//! What was found in an asset: occurrences of names and paths, each with one of three verdicts, and findings about code.
//!
//! Every occurrence is *rewritten*, *proven not a table*, or *needs a person*; nothing is left open in silence. Who decides is
//! [`crate::reader`]; how they are counted against the independent scanner is told in [`crate::candidates`].

use std::collections::BTreeSet;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::beside::Already;
use crate::constants::{MadeOf, Told};
use crate::edit::{Edit, Insertion};
use crate::shape::Parsed;

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// A table or view.
    Table,
    /// A database (schema) alone, as in `USE sales`.
    Database,
    /// A table in front of a column (`sales.orders.id`).
    Qualifier,
    /// A path of storage.
    Path,
    /// Not known: only the independent scanner saw it.
    Candidate,
}

/// What the code does with a table; the edges of the graph are made of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Its rows are read.
    Read,
    /// Rows are written, changed or deleted, or the table is made, altered or dropped.
    Write,
    /// Only named: described, refreshed, analysed.
    Name,
}

/// Why a piece of text that looks like a table is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NotATable {
    /// The name of a common table expression.
    CommonTableExpression,
    /// A temporary view of the session.
    TemporaryView,
    /// A column behind the alias of a table.
    AliasColumn,
    /// A field of a struct, or of another column.
    StructField,
    /// A table of another system: JDBC, SQL Server, Oracle, a file of a source.
    ForeignSource,
    /// A text that is data.
    StringData,
    /// A comment or prose.
    Comment,
    /// Already a name of Unity Catalog.
    AlreadyThreePart,
    /// Code: a module, an attribute, a method, a variable.
    Code,
    /// A part of a path or URL that the mapping does not move.
    PathSegment,
    /// A path of the workspace: a notebook, a folder.
    WorkspacePath,
    /// A function, a keyword, a type, an option.
    OtherWord,
    /// A host, an address, a file name.
    HostOrFile,
    /// A part of names that are judged where they are put together.
    NamePart,
    /// The end of a longer dotted name, whose other parts stand in front: a module, a host, a name with a catalog.
    LongerName,
    /// A person has decided that it stays.
    Decided,
}

impl NotATable {
    /// The reason in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::CommonTableExpression => "common table expression",
            Self::TemporaryView => "temporary view",
            Self::AliasColumn => "column behind an alias",
            Self::StructField => "field of a column",
            Self::ForeignSource => "table of another system",
            Self::StringData => "text that is data",
            Self::Comment => "comment",
            Self::AlreadyThreePart => "already a name of Unity Catalog",
            Self::Code => "code",
            Self::PathSegment => "part of a path",
            Self::WorkspacePath => "path of the workspace",
            Self::OtherWord => "another word of the language",
            Self::HostOrFile => "host or file name",
            Self::LongerName => "end of a longer dotted name",
            Self::NamePart => "part of names that are judged where they are put together",
            Self::Decided => "decided by a person",
        }
    }
}

/// Why a person must look, for code and for names. The rule is a word that decisions, SARIF and baselines know it by.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Doubt {
    /// The rule, as `name/not-mapped`.
    pub rule: String,
    /// What is the matter, in a sentence.
    pub message: String,
}

impl Doubt {
    /// A doubt under a rule.
    pub fn new(rule: &str, message: impl Into<String>) -> Self {
        Self {
            rule: rule.to_owned(),
            message: message.into(),
        }
    }
}

/// The rules of this crate's core; languages add their own. `family/what`.
pub mod rule {
    /// The independent scanner saw it, and no language explained it.
    pub const NOT_UNDERSTOOD: &str = "name/not-understood";
    /// A parser and the scan over tokens do not agree.
    pub const TWO_READINGS: &str = "name/two-readings";
    /// The database is in the mapping, the table is not.
    pub const NOT_MAPPED: &str = "name/not-mapped";
    /// The mapping says two things about it.
    pub const CONTRADICTION: &str = "name/contradiction";
    /// The tables of the database go to more than one schema.
    pub const DATABASE_SPLIT: &str = "name/database-split";
    /// Which database is current is not known.
    pub const DATABASE_UNKNOWN: &str = "name/database-unknown";
    /// Temporary views of unknown names may hide the table.
    pub const MAY_BE_VIEW: &str = "name/may-be-view";
    /// A part of the name is decided at run time and not known.
    pub const UNRESOLVED: &str = "name/unresolved";
    /// A part of the name has several values, and no single edit is right for all.
    pub const SEVERAL: &str = "name/several-values";
    /// The name is put together from several places of the file.
    pub const SCATTERED: &str = "name/scattered";
    /// Its own new name stands in the code too, or the statement copies from the metastore.
    pub const BESIDE_NEW: &str = "name/beside-its-new-name";
    /// A `USE` that would take names along which stay as they are.
    pub const TAKES_ALONG: &str = "name/takes-along";
    /// Backticks make one name of it, dot included.
    pub const QUOTED_DOT: &str = "name/quoted-dot";
    /// A name without quotes has letters that only a quoted one may have.
    pub const LETTERS: &str = "name/letters";
    /// The SQL around it is not that of Databricks.
    pub const OTHER_DIALECT: &str = "name/other-dialect";
    /// A column qualifier that the new name breaks.
    pub const QUALIFIER: &str = "name/qualifier";
    /// The names in a configuration value or a list, used by code elsewhere.
    pub const METADATA: &str = "name/metadata";
    /// A value that others read or may exchange: the default of a widget.
    pub const PARAMETER: &str = "name/parameter";
    /// Code that was not read, because it is too long or its grammar gave up.
    pub const NOT_PARSED: &str = "code/not-parsed";
    /// A path that only begins like a mapped one, or is put together.
    pub const PATH: &str = "path/unresolved";
}

/// The verdict on an occurrence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Rewritten by these edits; none if an edit elsewhere (a `USE`) already gives it its new meaning.
    Rewritten {
        /// The new name.
        new: String,
        /// Edits of the asset's text.
        edits: Vec<Edit>,
    },
    /// Proven not a table.
    NotATable {
        /// What it is.
        reason: NotATable,
    },
    /// A person must decide.
    NeedsPerson {
        /// Why.
        doubt: Doubt,
        /// What it may become.
        candidates: Vec<String>,
        /// Edits that are probably right; never made unasked.
        suggestion: Vec<Edit>,
    },
}

impl Verdict {
    /// The word of the verdict, as in reports.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Rewritten { .. } => "rewritten",
            Self::NotATable { .. } => "not a table",
            Self::NeedsPerson { .. } => "needs a person",
        }
    }
}

/// One place of an asset where a name, a path or something that looks like one stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Occurrence {
    /// Bytes of the decoded text of the asset.
    pub range: Range<usize>,
    /// What stands there, as the innermost layer reads it.
    pub text: String,
    /// The layers of text around it, outermost first.
    pub layers: Vec<String>,
    /// What the name stands for.
    pub subject: Subject,
    /// What the code does with it.
    pub role: Role,
    /// What it resolves to, as `sales.orders`, where that is known.
    pub old: Option<String>,
    /// The tables that it reads or writes, in full, in lower case, each part quoted where it must be: two parts for a table of the
    /// metastore, three for one of Unity Catalog, `*` for a table that is decided at run time. Empty where that is not known.
    #[serde(skip)]
    pub tables: Vec<String>,
    /// Rewritten, not a table, or for a person.
    pub verdict: Verdict,
    /// The texts that make it, if it is right because they change.
    #[serde(skip)]
    pub made_of: Option<MadeOf>,
}

/// Something about the code itself: it breaks on three-part names, or Unity Catalog refuses it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Bytes of the decoded text of the asset.
    pub range: Range<usize>,
    /// Which rule, and what is the matter.
    pub doubt: Doubt,
    /// How bad it is.
    pub severity: Severity,
    /// Edits that would mend it; never made unasked.
    pub suggestion: Vec<Edit>,
}

impl Finding {
    /// Whether it says that code was not read.
    pub(crate) fn is_not_parsed(&self) -> bool {
        self.doubt.rule == rule::NOT_PARSED
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Worth knowing.
    Note,
    /// May break.
    Warning,
    /// Breaks.
    Error,
}

/// All of one asset.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// In the order of the text once the asset is settled.
    pub occurrences: Vec<Occurrence>,
    /// In the order of the text once the asset is settled.
    pub findings: Vec<Finding>,
    /// Stretches of the asset's text that explain the candidates inside them. Of overlapping ones the last, innermost, counts.
    pub regions: Vec<Region>,
    /// Programs with something in them that their grammar does not know.
    pub unparsed: Vec<Range<usize>>,
    /// What the asset passes to others (ADF baseParameters, job parameters, `dbutils.notebook.run` arguments).
    pub passed: Vec<Passed>,
    /// The assets it runs or includes.
    pub calls: Vec<Call>,
    /// What is put in beside names.
    pub insertions: Vec<Insertion>,
    /// How its texts parse, if that was asked for.
    pub shapes: Vec<Parsed>,
    /// What it does with texts that fill names.
    pub told: Told,
    /// New names that it has already.
    pub(crate) already: BTreeSet<Already>,
}

/// What every candidate in a stretch of text is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Region {
    /// Bytes of the decoded text of the asset.
    pub range: Range<usize>,
    /// What candidates in it are.
    pub means: Means,
}

/// What candidates in a region are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Means {
    /// Not tables.
    NotATable(NotATable),
    /// For a person.
    NeedsPerson(Doubt),
}

/// A parameter that one asset passes to a notebook.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Passed {
    /// The notebook's path as written, without extension.
    pub notebook: String,
    /// The widget's name.
    pub parameter: String,
    /// The texts it can be; empty if not known.
    pub values: Vec<String>,
}

/// That one asset runs another.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Call {
    /// The other's path as written.
    pub target: String,
    /// How: `%run`, `notebook activity`, `notebook.run`, `job task`.
    pub how: String,
}
