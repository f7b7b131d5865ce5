//! The key tables: every key of every file, its type, its default and its meaning, in one place.
//!
//! The decoder, the JSON Schemas for editors and `docs/project.md` are all made from these tables, so they cannot disagree.

use crate::yaml::Node;

/// A map with known keys.
#[derive(Debug)]
pub(crate) struct Object {
    /// What it is, in a message: "a feed".
    pub(crate) name: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) keys: &'static [Key],
}

impl Object {
    /// Whether all keys of a map are among these.
    pub(crate) fn knows_keys_of(&self, node: &Node) -> bool {
        let mut entries = node.entries().iter();
        entries.all(|entry| self.keys.iter().any(|key| key.name == entry.key))
    }
}

#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) of: Type,
    pub(crate) presence: Presence,
    pub(crate) doc: &'static str,
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum Presence {
    Required,
    Optional,
    /// Optional, with the value that holds if it is left out.
    Default(&'static str),
    /// Designed, refused by name in this version.
    NotYet,
}

/// What a value may be.
#[derive(Debug)]
pub(crate) enum Type {
    Bool,
    /// A whole number.
    Integer {
        min: u64,
        max: u64,
    },
    /// Any text; a number or a boolean counts as the text that was written.
    Text,
    /// A value of a row: any text, or nothing, which is null.
    Cell,
    /// Text in which `${env:NAME}` and `${file:PATH}` are replaced (A9).
    Setting,
    /// One of our own names: `[a-z][a-z0-9_]*`.
    Name,
    /// A column's name: as it stands in bronze, after folding (F3).
    Column,
    /// A SQL expression over one row.
    Expression,
    /// A share in percent: `1%`.
    Ratio,
    /// A span of time: `15m`.
    Duration,
    /// A span of time, or a whole number for a cursor that counts.
    Lag,
    /// Exactly one of these words.
    Choice(&'static [Choice]),
    List(&'static Type),
    /// A column, or a list of columns.
    ColumnOrList,
    /// A list of columns, or a map from columns to where each comes from.
    ColumnsOrMap,
    Map(&'static Type, MapKey),
    Object(&'static Object),
    /// An object whose keys depend on the word under `type`.
    Tagged(&'static [Variant]),
    /// A word, or an object.
    ChoiceOr(&'static [Choice], &'static Object),
}

#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(crate) enum MapKey {
    /// One of our own names.
    Name,
    /// The name of an output column: no leading `_`.
    Output,
    /// The name of an expectation: a leading `_` only for the built-in ones.
    Rule,
    /// A column of bronze.
    Column,
    /// A feed or table.
    Table,
    /// A pattern of names: `*` is any part of one.
    Pattern,
}

#[derive(Debug)]
pub(crate) struct Choice {
    pub(crate) word: &'static str,
    pub(crate) doc: &'static str,
    pub(crate) available: bool,
}

#[derive(Debug)]
pub(crate) struct Variant {
    pub(crate) tag: &'static str,
    pub(crate) doc: &'static str,
    /// `None`: designed, refused by name in this version.
    pub(crate) object: Option<&'static Object>,
}

const fn required(name: &'static str, of: Type, doc: &'static str) -> Key {
    Key {
        name,
        of,
        presence: Presence::Required,
        doc,
    }
}
const fn optional(name: &'static str, of: Type, doc: &'static str) -> Key {
    Key {
        name,
        of,
        presence: Presence::Optional,
        doc,
    }
}
const fn default(name: &'static str, of: Type, value: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        of,
        presence: Presence::Default(value),
        doc,
    }
}
const fn not_yet(name: &'static str, doc: &'static str) -> Key {
    Key {
        name,
        of: Type::Text,
        presence: Presence::NotYet,
        doc,
    }
}
const fn word(word: &'static str, doc: &'static str) -> Choice {
    Choice {
        word,
        doc,
        available: true,
    }
}
const fn later(word: &'static str, doc: &'static str) -> Choice {
    Choice {
        word,
        doc,
        available: false,
    }
}

/// The kinds of file, by the name that [`crate::json_schema`] takes.
pub(crate) const KINDS: [(&str, &Object, &str); 5] = [
    ("karat", &PROJECT, "karat.yaml"),
    ("domain", &DOMAIN, "domains/*/domain.yaml"),
    ("silver", &SILVER, "domains/*/silver/*.yaml"),
    ("gold", &GOLD, "domains/*/gold/*.yaml"),
    ("tests", &TESTS, "domains/*/tests/*.yaml"),
];

pub(crate) static PROJECT: Object = Object {
    name: "the project",
    doc: "`karat.yaml` in the project folder: where data comes from and where it goes.",
    keys: &[
        required(
            "karat",
            Type::Integer { min: 1, max: 1 },
            "Version of this format.",
        ),
        required("project", Type::Name, "Name of the project."),
        optional("description", Type::Text, "What it is for."),
        default(
            "timezone",
            Type::Text,
            "UTC",
            "Time zone of `now()`, `current_date` and of zoned timestamps without an offset (A6). Part of every code digest.",
        ),
        default(
            "rounding",
            Type::Choice(&[
                word("half_away_from_zero", "0.5 becomes 1, -0.5 becomes -1"),
                word("half_even", "0.5 becomes 0, 1.5 becomes 2"),
            ]),
            "half_away_from_zero",
            "How decimals are rounded (E2). Part of every code digest.",
        ),
        optional(
            "targets",
            Type::Map(&Type::Object(&TARGET), MapKey::Name),
            "Environments by name. Left out: one target `dev` with the lake `./lake`.",
        ),
        optional(
            "sources",
            Type::Map(&Type::Tagged(SOURCES), MapKey::Name),
            "Systems that data comes from, by name.",
        ),
        optional(
            "defaults",
            Type::Object(&DEFAULTS),
            "What holds for each feed that does not say otherwise.",
        ),
        optional(
            "params",
            Type::Map(&Type::Object(&PARAM), MapKey::Name),
            "Values that a run is given, by name; SQL of models and checks asks for one by `$name` (A9).",
        ),
        not_yet("externals", "Tables of other catalogs (D1)."),
        optional(
            "calendar",
            Type::Object(&CALENDAR),
            "Business days: what `business_date()` is where `--business-date` does not say (A9).",
        ),
        not_yet("schedules", "When to run."),
        not_yet("retention", "How long logs and files are kept (A11)."),
    ],
};

static PARAM: Object = Object {
    name: "a parameter",
    doc: "A value that a run is given: `--param name=value`, else its default. What asks for it is made again when it changes.",
    keys: &[
        required(
            "type",
            Type::Text,
            "`string`, `boolean`, `integer`, `bigint`, `decimal(18, 2)`, `date` or `timestamp`.",
        ),
        optional(
            "default",
            Type::Text,
            "Its value where none is given. Left out: a run that needs it must be given one.",
        ),
        optional("description", Type::Text, "What it is for."),
    ],
};

static CALENDAR: Object = Object {
    name: "the calendar",
    doc: "Which days are business days, and which of them a run is for.",
    keys: &[
        default(
            "weekend",
            Type::List(&Type::Choice(&[
                word("monday", ""),
                word("tuesday", ""),
                word("wednesday", ""),
                word("thursday", ""),
                word("friday", ""),
                word("saturday", ""),
                word("sunday", ""),
            ])),
            "[saturday, sunday]",
            "Days of the week without business. `[]`: none.",
        ),
        optional(
            "holidays",
            Type::Text,
            "A CSV file in the project folder: a day a row, like 2026-12-25, in the first column or in one called `date`. It covers the years from its first day to its last; to ask of a day outside of them is an error. Left out: there are none.",
        ),
        default(
            "business_date",
            Type::Choice(&[
                word(
                    "same_day",
                    "the day of the run, or the last business day before it",
                ),
                word(
                    "day_before",
                    "the last business day before the day of the run",
                ),
            ]),
            "same_day",
            "Which business day a run is for, by its logical time in the project's time zone.",
        ),
    ],
};

pub(crate) static TARGET: Object = Object {
    name: "a target",
    doc: "An environment. `${env:NAME}` and `${file:PATH}` are replaced in its texts; a variable that is missing is an error for the target in use only.",
    keys: &[
        required(
            "lake",
            Type::Setting,
            "Folder of the lake, absolute or relative to the project folder.",
        ),
        optional(
            "default",
            Type::Bool,
            "Whether commands use this target when none is named. Needed on one target if there are several.",
        ),
        optional(
            "catalog",
            Type::Setting,
            "First part of the tables' full names. Left out: `{project}_{target}`.",
        ),
        default(
            "format",
            Type::Choice(&[
                word("delta", "Delta Lake"),
                word("iceberg", "Apache Iceberg, format version 2"),
            ]),
            "delta",
            "Format of the tables that are made, where the domain, the feed or the model says none. A table that is there keeps its own.",
        ),
        default(
            "require_signature",
            Type::Bool,
            "false",
            "Sign what is written, and build on no version without a valid signature (G7).",
        ),
        optional(
            "key",
            Type::Setting,
            "Ed25519 key that signs receipts, in PEM: write `${file:PATH}` or `${env:NAME}`.",
        ),
        optional(
            "anchor",
            Type::Object(&ANCHOR),
            "Where the head of each run is published: whoever can write the lake cannot put an older state of it back unseen (G4).",
        ),
        optional(
            "alerts",
            Type::Setting,
            "A URL that is told by POST when a run fails after one that ended well, and when one ends well again.",
        ),
        not_yet("rights", "Who may read what."),
        not_yet("mirror", "Publish tables in a second format."),
    ],
};

static ANCHOR: Object = Object {
    name: "`anchor`",
    doc: "One of these. It is worth what it is out of reach for those who write the lake. `karat verify` reads `file` and `git` again: each head there must still be in the lake.",
    keys: &[
        optional(
            "file",
            Type::Setting,
            "A file, to which a line of JSON is added for each head.",
        ),
        optional(
            "git",
            Type::Setting,
            "A folder of a Git repository: the line is added to `karat-heads.ndjson` in it and committed, and pushed where its branch has an upstream.",
        ),
        optional(
            "http",
            Type::Setting,
            "A URL, to which the line is sent by POST.",
        ),
    ],
};

pub(crate) static SOURCES: &[Variant] = &[
    Variant {
        tag: "files",
        doc: "Files below a folder.",
        object: Some(&FILES),
    },
    Variant {
        tag: "sqlite",
        doc: "A SQLite database file.",
        object: Some(&SQLITE),
    },
    Variant {
        tag: "postgres",
        doc: "PostgreSQL.",
        object: None,
    },
    Variant {
        tag: "mysql",
        doc: "MySQL and MariaDB.",
        object: None,
    },
    Variant {
        tag: "sqlserver",
        doc: "Microsoft SQL Server.",
        object: None,
    },
    Variant {
        tag: "oracle",
        doc: "Oracle Database.",
        object: None,
    },
    Variant {
        tag: "rest",
        doc: "A REST API.",
        object: None,
    },
    Variant {
        tag: "kafka",
        doc: "Apache Kafka.",
        object: None,
    },
    Variant {
        tag: "delta",
        doc: "Delta tables of somebody else.",
        object: None,
    },
    Variant {
        tag: "iceberg",
        doc: "Iceberg tables of somebody else.",
        object: None,
    },
];

static FILES: Object = Object {
    name: "a source of files",
    doc: "Files below a folder.",
    keys: &[
        required("type", Type::Text, "`files`"),
        required(
            "path",
            Type::Setting,
            "The folder, absolute or relative to the project folder.",
        ),
        optional("description", Type::Text, "What it is."),
    ],
};

static SQLITE: Object = Object {
    name: "a SQLite source",
    doc: "A SQLite database file, read in one transaction a load.",
    keys: &[
        required("type", Type::Text, "`sqlite`"),
        required(
            "path",
            Type::Setting,
            "The file, absolute or relative to the project folder.",
        ),
        optional("description", Type::Text, "What it is."),
    ],
};

static ON_SCHEMA_CHANGE: Object = Object {
    name: "`on_schema_change`",
    doc: "What happens when the columns of a source change (B8).",
    keys: &[
        default(
            "added",
            Type::Choice(&[
                word("evolve", "bronze gets the new column"),
                word("ignore", "the new column is left out"),
                word("fail", "the load is refused"),
            ]),
            "evolve",
            "A column that bronze does not have.",
        ),
        default(
            "missing",
            Type::Choice(&[
                word("fail", "the load is refused if a model reads the column"),
                word("null", "the column is null"),
            ]),
            "fail",
            "A column that a model reads and the source no longer has. The word null stands in quotes: YAML reads it as no value.",
        ),
        default(
            "types",
            Type::Choice(&[word("freeze", "the load is refused")]),
            "freeze",
            "A column whose type changed (typed sources).",
        ),
    ],
};

static SOFT: Object = Object {
    name: "`deletes`",
    doc: "How the source marks a deleted row.",
    keys: &[required(
        "soft",
        Type::Column,
        "Column that is true, 1 or a time where the row is deleted.",
    )],
};

const ON_DUPLICATE: Type = Type::Choice(&[
    word(
        "once",
        "silver reads it once, from the path that is first in `file_order`",
    ),
    word("load", "it is a load of its own"),
]);
const ON_BROKEN_OBJECT: Type = Type::Choice(&[
    word("continue", "it is listed in quarantine, the feed goes on"),
    word("stop", "the feed stops before it"),
]);

/// What may be said of many feeds at once, and what follows.
macro_rules! defaults_of_feeds {
    ($($more:expr),* $(,)?) => {
        &[
            optional(
                "on_schema_change",
                Type::Object(&ON_SCHEMA_CHANGE),
                "See the feed.",
            ),
            optional("on_duplicate", ON_DUPLICATE, "See the feed."),
            optional("on_broken_object", ON_BROKEN_OBJECT, "See the feed."),
            optional("max_delete", Type::Ratio, "See the feed."),
            optional("null_values", Type::List(&Type::Text), "See the feed."),
            optional("stable_for", Type::Duration, "See the feed."),
            optional("csv", Type::Object(&CSV), "See the feed."),
            optional("unpack", Type::Object(&UNPACK), "See the feed."),
            $($more),*
        ]
    };
}

pub(crate) static DEFAULTS: Object = Object {
    name: "`defaults`",
    doc: "What holds for each feed that does not say otherwise, and for feeds and silver models by the pattern of their names. In a `domain.yaml` it holds for that domain. A pattern is compared with the table's or the feed's own name, one with a dot in it with `sales_silver.customers` or `landing.customers`; `*` stands for any part of a name, `[ab]` and `{a,b}` for a choice. What stands nearest counts: the feed or model itself, the domain's patterns, what the domain says of all feeds, the project's patterns, what the project says of all feeds; of several patterns that fit, the one that stands last. `csv`, `unpack` and `on_schema_change` fall back key by key, anything else as a whole. What says nothing for a feed (`csv` for a table) is no mistake here. `karat plan --expanded` shows what comes of it.",
    keys: defaults_of_feeds!(
        optional(
            "feeds",
            Type::Map(&Type::Object(&FEED_DEFAULTS), MapKey::Pattern),
            "What holds for the feeds called like a pattern.",
        ),
        optional(
            "silver",
            Type::Map(&Type::Object(&SILVER_DEFAULTS), MapKey::Pattern),
            "What holds for the silver models called like a pattern. It is a part of a model's code as if it stood there.",
        ),
    ),
};

static FEED_DEFAULTS: Object = Object {
    name: "defaults of feeds",
    doc: "The keys from `on_schema_change` to `unpack` of `defaults`, for some feeds.",
    keys: defaults_of_feeds!(),
};

static SILVER_DEFAULTS: Object = Object {
    name: "defaults of silver models",
    doc: "What holds for a silver model that does not say otherwise.",
    keys: &[
        optional("trim", Type::Bool, TRIM_DOC),
        optional(
            "key_not_null",
            KEY_NOT_NULL,
            "What happens to a row with a null in its key; says nothing for a model without one.",
        ),
        optional(
            "expectations",
            Type::Map(&Type::Object(&EXPECTATION), MapKey::Rule),
            "Rules by name, each for the models that select every column that it names; a model's own rule of the same name takes its place.",
        ),
        optional("access", ACCESS, ACCESS_DOC),
    ],
};

pub(crate) static DOMAIN: Object = Object {
    name: "the domain",
    doc: "`domain.yaml` in a domain's folder: who owns it and what it takes in.",
    keys: &[
        required(
            "domain",
            Type::Name,
            "Name of the domain, the same as its folder's.",
        ),
        optional("owner", Type::Text, "Who answers for it."),
        optional("description", Type::Text, "What it is about."),
        optional(
            "format",
            TABLE_FORMAT,
            "Format of the tables of this domain when they are made. Left out: the target's.",
        ),
        optional(
            "feeds",
            Type::List(&Type::Object(&FEED)),
            "What is taken in: the control table. `feeds.csv` beside this file may hold feeds, too.",
        ),
        optional(
            "defaults",
            Type::Object(&DEFAULTS),
            "What holds for the feeds and silver models of this domain: the keys of `defaults` in `karat.yaml`.",
        ),
        not_yet("products", "Data products with contracts."),
    ],
};

pub(crate) static FEED: Object = Object {
    name: "a feed",
    doc: "One table or file set of a source. It fills the bronze table `{domain}_bronze.{source}__{name}`.",
    keys: &[
        required("source", Type::Name, "A source of `karat.yaml`."),
        optional(
            "name",
            Type::Name,
            "Name of the feed. Left out: the last part of `table` (B10).",
        ),
        optional("description", Type::Text, "What it is."),
        optional("table", Type::Text, "Table of the source (sqlite)."),
        optional(
            "path",
            Type::Text,
            "Which files, relative to the source's folder: `*` within a folder, `**` across folders; names that begin with a dot too (files).",
        ),
        optional(
            "format",
            Type::Choice(&[
                word("csv", "text with separators: CSV, TSV and their kin"),
                word("ndjson", "JSON, each line a document"),
                word("json", "JSON, most times one document or one array"),
                word("parquet", "Parquet, with the types of its writer"),
                word(
                    "avro",
                    "Avro object container files, with the types of their writer",
                ),
                word("excel", "a workbook: xlsx, xlsm, xlsb, xls, ods"),
            ]),
            "Format of the files (files). Left out: by the ending of `path` (`.ndjson`, `.jsonl`, `.json`, each also packed; `.parquet`, `.avro`; `.xlsx` and its like), else `csv`.",
        ),
        optional(
            "table_format",
            TABLE_FORMAT,
            "Format of the bronze table when it is made. Left out: the domain's, else the target's.",
        ),
        required(
            "mode",
            Type::Choice(&[
                word(
                    "full",
                    "each load is the whole table; of files, each file is one (B6)",
                ),
                word(
                    "incremental",
                    "each load is what is new: by `cursor`, or new files (B4, B7)",
                ),
                later("cdc", "the source's change log"),
            ]),
            "How it is read.",
        ),
        optional(
            "key",
            Type::List(&Type::Column),
            "Columns that name a row. With it, bronze keeps only the changes of a full load (B6).",
        ),
        optional(
            "cursor",
            Type::Object(&CURSOR),
            "Column that grows (incremental, sqlite).",
        ),
        optional(
            "csv",
            Type::Object(&CSV),
            "How the text is written (files).",
        ),
        optional("json", Type::Object(&JSON), "What is read of JSON (files)."),
        optional(
            "excel",
            Type::Object(&EXCEL),
            "What is read of a workbook (files).",
        ),
        optional(
            "unpack",
            Type::Object(&UNPACK),
            "How far packed files may grow, and what is read of an archive (files).",
        ),
        optional(
            "columns",
            Type::ColumnsOrMap,
            "With `header: false`: the names of the columns, in order. Otherwise: which columns to take, in the source's spelling (B9). Of JSON one that no record has is null; also a map of columns to JSON Pointers: `city: /address/city` begins at the record; with `records` a pointer with a slash first begins at the document, one without at the record.",
        ),
        optional(
            "file_order",
            Type::Text,
            "Regular expression with one group: the part of the path that gives the order of files (B1), by number where it may capture more digits or fewer (`\\d+`). Left out: the whole path, as text.",
        ),
        default(
            "parts",
            Type::Bool,
            "false",
            "Whether files with the same order mark make one full load together (B6).",
        ),
        optional(
            "rename",
            Type::Map(&Type::Text, MapKey::Column),
            "Bronze name to the source's new name of a column (B8).",
        ),
        default(
            "null_values",
            Type::List(&Type::Text),
            "[]",
            "Texts that silver reads as null; bronze keeps them (F1).",
        ),
        optional(
            "on_schema_change",
            Type::Object(&ON_SCHEMA_CHANGE),
            "What happens when columns change (B8).",
        ),
        default(
            "on_duplicate",
            ON_DUPLICATE,
            "once",
            "A file with the content of another (B4).",
        ),
        default(
            "on_broken_object",
            ON_BROKEN_OBJECT,
            "continue",
            "A file that cannot be read whole (B4).",
        ),
        default(
            "max_delete",
            Type::Ratio,
            "5%",
            "Share of the rows that a full load may delete (B6).",
        ),
        optional(
            "deletes",
            Type::ChoiceOr(
                &[
                    word("none", "rows are never deleted"),
                    later("key_diff", "compare the keys with the source's"),
                ],
                &SOFT,
            ),
            "What an incremental feed says about deletes (B7).",
        ),
        default(
            "stable_for",
            Type::Duration,
            "0s",
            "How long a file must be unchanged before it is read (B4).",
        ),
        optional(
            "done_file",
            Type::Text,
            "File that tells that another is complete, from that one's folder: `{name}.done`, or one for a folder, like `_SUCCESS`. `{name}` stands for the file's name, `{stem}` for the name without its last ending. Until it is there the file is left for a later run; of a file that is delivered again it must not be older (B4).",
        ),
        optional(
            "control_file",
            Type::Object(&CONTROL_FILE),
            "File beside each that tells what is in it (files).",
        ),
        not_yet("where", "A filter at the source (B9)."),
        not_yet("mask", "Columns made unreadable before they land (B9)."),
        optional(
            "expect",
            Type::Object(&EXPECT),
            "The file that is delivered for each business date, and by when (files). Where it is not there by then, nothing that depends on the feed is made.",
        ),
    ],
};

static EXPECT: Object = Object {
    name: "an expected delivery",
    doc: "A file for each business date. It is due on the business date itself; with `calendar: { business_date: day_before }` on the business day after it, when runs for that date are made.",
    keys: &[
        required(
            "file",
            Type::Text,
            "Its path from the source's folder: `{date}` stands for 2026-10-30, `{date:%Y%m%d}` for 20261030; `*` is any part of a name.",
        ),
        required(
            "by",
            Type::Text,
            "The time of the day by which it must be there, like `06:00`, in the project's time zone.",
        ),
        default(
            "date",
            Type::Choice(&[
                word("business_date", "the business date"),
                word("day_before", "the business day before it"),
            ]),
            "business_date",
            "Which date its name has.",
        ),
    ],
};

static CURSOR: Object = Object {
    name: "a cursor",
    doc: "A column that grows with each change (B7). Texts are ordered by their bytes: all must be written alike, dates and times with the year first (`2026-10-29 08:00:00`), numbers with equally many digits (`0042`). A column of other texts, like `29.10.2026`, or `9` and `10`, is refused, since later rows would be passed over. Let the feed read a view of the source then, with such a text or an integer in it: `create view orders_by_day as select *, cast(substr(at, 7, 4) || '-' || substr(at, 4, 2) || '-' || substr(at, 1, 2) as text) as day from orders`, or `cast(at as integer)`, which makes 0 of what is no number; the cast gives the column its type, and since a view has no primary key, declare `key`. Or read the table whole with `mode: full`.",
    keys: &[
        required("column", Type::Column, "The column."),
        optional(
            "lag",
            Type::Lag,
            "How far behind the newest value to read again: a time (`15m`) or, for numbers, a whole number.",
        ),
        default(
            "nulls",
            Type::Choice(&[
                word("fail", "a null fails the load"),
                word("include", "rows with a null are read each time"),
            ]),
            "fail",
            "Rows whose cursor is null.",
        ),
    ],
};

static JSON: Object = Object {
    name: "`json`",
    doc: "What is read of a JSON file. Every value lands as its text: numbers with their digits, nested values as they stand in the file (B3).",
    keys: &[
        optional(
            "records",
            Type::Text,
            "JSON Pointer to the records, where `*` stands for each element of an array: `/orders/*`, `/orders/*/items/*`. Left out: each document is one, or each element of a document that is an array.",
        ),
        optional(
            "document",
            Type::Column,
            "A column that keeps each record whole, as it stands in the file.",
        ),
        optional(
            "max_record_bytes",
            Type::Integer {
                min: 1024,
                max: 256 << 20,
            },
            "Longest record, 256 MiB at most; a longer one makes the file a broken object. Left out: 64 MiB.",
        ),
    ],
};

static EXCEL: Object = Object {
    name: "`excel`",
    doc: "What is read of a workbook. A cell lands as the text that Excel shows for a value without a format: `12`, `0.1`, `2026-01-05`, `TRUE`; of a formula its last value. Errors (`#N/A`) and days that are none (29 February 1900, before 1900) are set aside.",
    keys: &[
        optional(
            "sheet",
            Type::Text,
            "Name of the sheet, or its number from 1. Left out: the first that is not hidden.",
        ),
        optional(
            "header_row",
            Type::Integer {
                min: 1,
                max: 1_048_576,
            },
            "The row that names the columns, by its number in the sheet. Left out: the first that holds something.",
        ),
        optional(
            "range",
            Type::Text,
            "What is read of the sheet, like `A1:F` or `B3:D200`. Left out: all.",
        ),
        default(
            "fill_merged",
            Type::Bool,
            "false",
            "Whether every cell that a merged one covers has its value (xlsx, xls); otherwise the first has it.",
        ),
    ],
};

static UNPACK: Object = Object {
    name: "`unpack`",
    doc: "How packed files are unpacked: what grows beyond the limits is a broken object (B4).",
    keys: &[
        default(
            "max_ratio",
            Type::Integer {
                min: 2,
                max: 1_000_000,
            },
            "250",
            "How many times its size an object may grow to; up to 64 MiB it may in any case.",
        ),
        optional(
            "max_bytes",
            Type::Integer {
                min: 1024,
                max: 1 << 50,
            },
            "How many bytes an object may grow to. Left out: 256 GiB, of a workbook 2 GiB.",
        ),
        optional(
            "members",
            Type::Text,
            "Which files of a ZIP archive are read, like `*.csv`: `*` within a folder, `**` across folders. Left out: all.",
        ),
    ],
};

static CSV: Object = Object {
    name: "`csv`",
    doc: "How a text file is written (F1). How numbers and dates of German spreadsheets are read is told in [sql.md](sql.md#numbers-and-dates-as-german-spreadsheets-write-them).",
    keys: &[
        default(
            "delimiter",
            Type::Text,
            ",",
            "What separates columns: one character or several; `\"\\t\"` is a tab.",
        ),
        optional(
            "terminator",
            Type::Text,
            "What ends a row. Left out: a line feed, with or without a carriage return before it.",
        ),
        default("quote", Type::Text, "\"", "The quote character, or `none`."),
        default(
            "header",
            Type::Bool,
            "true",
            "Whether the first row holds the names. If not, `columns` names them.",
        ),
        default(
            "encoding",
            Type::Choice(&[
                word("utf-8", "UTF-8"),
                word("utf-16", "UTF-16, its byte order by its mark"),
                word("utf-16le", "UTF-16, little endian"),
                word("utf-16be", "UTF-16, big endian"),
                word("windows-1252", "Windows-1252"),
            ]),
            "utf-8",
            "Encoding; a byte order mark wins.",
        ),
        default(
            "compression",
            Type::Choice(&[
                word("auto", "by the file's first bytes, else by its name"),
                word("none", "not compressed"),
                word("gzip", "gzip"),
                word("zstd", "Zstandard"),
                word("bzip2", "bzip2"),
                word(
                    "zip",
                    "a ZIP archive: its files together are one object, read in the order of their names",
                ),
            ]),
            "auto",
            "Compression.",
        ),
        default(
            "terminator_in_fields",
            Type::Bool,
            "false",
            "Whether the terminator may stand unquoted in a field, as SQL Server's bulk copy writes it: a row ends at the one that follows its last column.",
        ),
        optional(
            "max_line_bytes",
            Type::Integer {
                min: 1024,
                max: 256 << 20,
            },
            "Longest row, 256 MiB at most; a longer one makes the file a broken object. Left out: 64 MiB.",
        ),
        optional(
            "header_record",
            Type::Object(&CONTROL_RECORD),
            "The first record, where it is neither the names nor a row.",
        ),
        optional(
            "trailer",
            Type::Object(&CONTROL_RECORD),
            "The last record, where it is no row.",
        ),
        not_yet("comment", "A character that begins a line to be left out."),
    ],
};

const FIELD: Type = Type::Integer {
    min: 1,
    max: 100_000,
};
const COUNT_DOC: &str = "The field, from 1, with the number of rows.";
const SUMS_DOC: &str = "Column to the field with its sum: of the decimals as they are written, exactly; null and empty count as nothing.";

static CONTROL_RECORD: Object = Object {
    name: "a control record",
    doc: "What the sender says of the rows. It is no row of bronze. A file without it, one that goes on behind its trailer, and one that does not add up are broken objects: held whole (B4). In an archive each file has its own.",
    keys: &[
        required(
            "starts_with",
            Type::Text,
            "How the record begins, delimiters included, like `T|`.",
        ),
        optional("count", FIELD, COUNT_DOC),
        optional("sums", Type::Map(&FIELD, MapKey::Column), SUMS_DOC),
    ],
};

static CONTROL_FILE: Object = Object {
    name: "a control file",
    doc: "What the sender says of a file, in another file beside it. Until that is there the file is left for a later run; one that does not add up is a broken object (B4), and is asked again by each run, since the control file may be mended.",
    keys: &[
        required(
            "path",
            Type::Text,
            "From the file's folder, like `{stem}.ctl`: `{name}` stands for the file's name, `{stem}` for the name without its last ending.",
        ),
        optional(
            "starts_with",
            Type::Text,
            "How the line begins that is about the file, like `{name};`. Left out: the first line with text.",
        ),
        default(
            "delimiter",
            Type::Text,
            ",",
            "What separates the line's fields; `\"\\t\"` is a tab.",
        ),
        optional("count", FIELD, COUNT_DOC),
        optional("sums", Type::Map(&FIELD, MapKey::Column), SUMS_DOC),
        optional(
            "sha256",
            FIELD,
            "The field with the SHA-256 of the file's bytes, in hexadecimal digits.",
        ),
    ],
};

const ACCESS: Type = Type::Choice(&[
    word("private", "only this domain's models read it"),
    word("public", "any domain's models may read it"),
]);
const ACCESS_DOC: &str = "Who may read the table in this project (D1).";
const ALLOW_FLOAT_DOC: &str = "Why columns of this table may be doubles: a sentence (B3 keeps a source's doubles, E2 makes decimals of them).";
const BUSINESS_DAY_DOC: &str = "A date or timestamp that says to which business day a row belongs: once that day is closed, its rows change only with `--restate` (A8). No part of the code.";
const CLUSTER_BY_DOC: &str = "Columns that the table's rows are ordered by, before the key (D2).";

const TRIM_DOC: &str = "Whether text columns of bronze are read without the blanks at their ends, as `trim(column)` gives them: before `null_values` and every expression. Bronze keeps them (F1).";
const KEY_NOT_NULL: Type = Type::Choice(&[
    word("off", "nothing"),
    word("warn", "count it"),
    word("drop", "leave the row out"),
    word(
        "quarantine",
        "put the row into `{domain}_quarantine.{table}`",
    ),
    word("fail", "make no version"),
]);

const TABLE_FORMAT: Type = Type::Choice(&[
    word("delta", "Delta Lake"),
    word("iceberg", "Apache Iceberg, format version 2"),
]);
const MODEL_FORMAT_DOC: &str =
    "Format of the table when it is made. Left out: the domain's, else the target's.";

pub(crate) static SILVER: Object = Object {
    name: "a silver model",
    doc: "One silver table: what it takes from a feed, checked, current or historised. The file's name is the table's.",
    keys: &[
        required(
            "from",
            Type::Text,
            "The feed: `source.feed`, or its bronze table `{domain}_bronze.{source}__{feed}`.",
        ),
        optional("description", Type::Text, "What a row is."),
        default("trim", Type::Bool, "false", TRIM_DOC),
        required(
            "select",
            Type::Map(&Type::Expression, MapKey::Output),
            "Column to SQL expression over the columns of bronze, in the table's column order.",
        ),
        optional(
            "expectations",
            Type::Map(&Type::Object(&EXPECTATION), MapKey::Rule),
            "Rules for each selected row, by name (C2). `_expression` and `_rescued` restate the built-in ones.",
        ),
        default(
            "key_not_null",
            KEY_NOT_NULL,
            "off",
            "What happens to a row with a null in a column of `auto_cdc.keys` or `key`: an expectation of this name.",
        ),
        optional(
            "auto_cdc",
            Type::Object(&AUTO_CDC),
            "Makes events the current state or the history of each key (C4).",
        ),
        optional("checks", CHECKS, CHECKS_DOC),
        optional(
            "key",
            Type::List(&Type::Column),
            "Columns that name a row, without `auto_cdc` (D2).",
        ),
        optional("cluster_by", Type::List(&Type::Column), CLUSTER_BY_DOC),
        optional("business_day", Type::Column, BUSINESS_DAY_DOC),
        optional("allow_float", Type::Text, ALLOW_FLOAT_DOC),
        optional("format", TABLE_FORMAT, MODEL_FORMAT_DOC),
        default("access", ACCESS, "private", ACCESS_DOC),
        not_yet("where", "A filter: use an expectation with `action: drop`."),
        not_yet("truncate_to", "Cut finer timestamps to microseconds (F2)."),
        not_yet("flows", "Several feeds into one table."),
    ],
};

static EXPECTATION: Object = Object {
    name: "an expectation",
    doc: "A rule for each row. Null is broken (C2).",
    keys: &[
        optional(
            "expect",
            Type::Expression,
            "What must be true: SQL over the selected columns. Left out only for `_expression` and `_rescued`.",
        ),
        default(
            "action",
            Type::Choice(&[
                word("warn", "count it"),
                word("drop", "leave the row out"),
                word(
                    "quarantine",
                    "put the row into `{domain}_quarantine.{table}`",
                ),
                word("fail", "make no version"),
            ]),
            "warn",
            "What happens to a row that breaks it. The built-in ones: `quarantine`.",
        ),
        optional(
            "limit",
            Type::Ratio,
            "Share of the rows that may break it; more make no version.",
        ),
        optional(
            "on",
            Type::Choice(&[word("all", "deletes are judged too")]),
            "Which rows. Left out: all but deletes and truncates.",
        ),
        optional("description", Type::Text, "Why."),
    ],
};

const CHECKS: Type = Type::Map(&Type::Object(&CHECK), MapKey::Name);
const CHECKS_DOC: &str =
    "Rules for the whole table, by name: a version that breaks one is never visible (C7).";

static CHECK: Object = Object {
    name: "a check",
    doc: "A rule for the whole table, made on each version before it is visible (C7). It has one of the keys from `unique` to `sql`. In queries the table is called `this`, or by its own name; other silver and gold tables may be read as in a gold model, and are made before this one. A check reads the whole version, also where the table is made incrementally; what `rows`, `volume` and a `unique` over the key ask is known without.",
    keys: &[
        optional(
            "unique",
            Type::List(&Type::Column),
            "No two rows have the same values in these columns; null is a value, as in `key`.",
        ),
        optional(
            "not_null",
            Type::List(&Type::Column),
            "None of these columns is null.",
        ),
        optional(
            "foreign_key",
            Type::Object(&FOREIGN_KEY),
            "The values of columns stand in those of another table, or of the same.",
        ),
        optional("rows", Type::Object(&ROW_COUNT), "How many rows there are."),
        optional(
            "sum",
            Type::Object(&SUM),
            "What the sum of an expression is.",
        ),
        optional(
            "freshness",
            Type::Object(&FRESHNESS),
            "How old the newest value of a column may be.",
        ),
        optional(
            "volume",
            Type::Object(&VOLUME),
            "How far the number of rows may be from that of the versions before.",
        ),
        optional(
            "same_as",
            Type::Object(&SAME_AS),
            "Another query gives the same rows.",
        ),
        optional(
            "sql",
            Type::Text,
            "A SELECT whose rows are what is wrong, like `select id from this where debit <> credit`.",
        ),
        optional(
            "where",
            Type::Expression,
            "Which rows are asked: SQL over the table's columns. Not beside `volume`, `same_as` and `sql`.",
        ),
        default(
            "action",
            Type::Choice(&[
                word("fail", "make no version"),
                word("warn", "make it, and say so"),
            ]),
            "fail",
            "What happens when it is broken.",
        ),
        optional("description", Type::Text, "Why."),
    ],
};

static FOREIGN_KEY: Object = Object {
    name: "`foreign_key`",
    doc: "Each row has its partner in a table. A row with a null in one of `columns` is exempt. The table is made before this one.",
    keys: &[
        required("columns", Type::List(&Type::Column), "The columns."),
        required(
            "references",
            Type::Text,
            "The table, like `accounts_silver.accounts`.",
        ),
        optional(
            "keys",
            Type::List(&Type::Column),
            "Its columns, one for each of `columns`. Left out: those of the same names.",
        ),
    ],
};

const COUNT: Type = Type::Integer {
    min: 0,
    max: u64::MAX >> 1,
};

static ROW_COUNT: Object = Object {
    name: "`rows`",
    doc: "How many rows there are.",
    keys: &[
        optional("min", COUNT, "At least so many."),
        optional("max", COUNT, "At most so many."),
    ],
};

static SUM: Object = Object {
    name: "`sum`",
    doc: "What the sum of an expression over all rows is, exactly; 0 where there is no row.",
    keys: &[
        required(
            "of",
            Type::Expression,
            "A number for each row: SQL over the table's columns; no double.",
        ),
        optional("equals", Type::Text, "What the sum is: a decimal."),
        optional("tolerance", Type::Text, "How far from `equals` it may be."),
        optional("min", Type::Text, "At least this."),
        optional("max", Type::Text, "At most this."),
    ],
};

static FRESHNESS: Object = Object {
    name: "`freshness`",
    doc: "How old the newest value of a column may be at the run's logical time (A6); a table without one is not fresh. Asked by each run, also where nothing is new.",
    keys: &[
        required(
            "column",
            Type::Column,
            "A date or timestamp. Without an offset it is one of the project's time zone, a date its beginning.",
        ),
        required("within", Type::Duration, "How old it may be."),
    ],
};

static VOLUME: Object = Object {
    name: "`volume`",
    doc: "How far the number of rows may be from the mean of the versions before, as their receipts state them. Where there is none it passes, with a note.",
    keys: &[
        required("within", Type::Ratio, "Share of the mean."),
        required(
            "of_last",
            Type::Duration,
            "Which versions count: those whose logical time is not longer before this one's.",
        ),
    ],
};

static SAME_AS: Object = Object {
    name: "`same_as`",
    doc: "Two queries give the same rows, as often and in any order; numbers are equal by value.",
    keys: &[
        required(
            "query",
            Type::Text,
            "A SELECT over silver and gold tables, with as many columns.",
        ),
        optional(
            "this",
            Type::Text,
            "A SELECT over `this`. Left out: all columns of the table.",
        ),
    ],
};

pub(crate) static AUTO_CDC: Object = Object {
    name: "`auto_cdc`",
    doc: "Events become the current row of each key (type 1) or its history (type 2). Lakeflow's words (C4, C5).",
    keys: &[
        required(
            "keys",
            Type::List(&Type::Column),
            "Selected columns that name a row.",
        ),
        optional(
            "sequence_by",
            Type::ColumnOrList,
            "Selected column that orders the events of a key, before `_seq`; or several, compared from left to right (`struct(a, b)` of Lakeflow is `[a, b]`). Left out: `_seq` alone.",
        ),
        default(
            "from",
            Type::Choice(&[
                word("events", "each row of the feed says what became of its key"),
                word(
                    "snapshots",
                    "each full load of the feed is the whole table: a key that it no longer has is gone (Lakeflow's `AUTO CDC FROM SNAPSHOT`)",
                ),
            ]),
            "events",
            "What the rows are.",
        ),
        optional(
            "snapshot_version",
            Type::Text,
            "How the order mark of a snapshot (what `file_order` captures) is written: a date like `%Y%m%d`, or a time like `%Y%m%d_%H%M%S`. It dates the ranges of type 2 (files). Left out: the logical time of the load.",
        ),
        optional(
            "apply_as_deletes",
            Type::Expression,
            "When an event deletes its key: SQL over the selected columns, and those of bronze under other names.",
        ),
        optional(
            "apply_as_truncates",
            Type::Expression,
            "When an event empties the table: SQL like that of `apply_as_deletes`. What comes after it by the sequence is there again; with type 2 every range ends at its date.",
        ),
        default(
            "ignore_null_updates",
            Type::Bool,
            "false",
            "Whether a null in an event leaves its column as it was, in all columns.",
        ),
        optional(
            "ignore_null_updates_column_list",
            Type::List(&Type::Column),
            "Columns in which a null leaves the value as it was; in the others it counts.",
        ),
        optional(
            "ignore_null_updates_except_column_list",
            Type::List(&Type::Column),
            "Columns in which a null counts; in the others it leaves the value as it was.",
        ),
        default(
            "stored_as_scd_type",
            Type::Integer { min: 1, max: 2 },
            "1",
            "1: the current row. 2: every state, with `__START_AT` and `__END_AT` (in the table in lower case, as all names: F3).",
        ),
        optional(
            "valid_from",
            Type::Column,
            "Selected date or timestamp from which a state holds, where the (first) column of `sequence_by` is none (C5).",
        ),
        optional(
            "track_history_column_list",
            Type::List(&Type::Column),
            "Columns whose change opens a new state (type 2). Left out: all but those of `sequence_by`.",
        ),
        optional(
            "track_history_except_column_list",
            Type::List(&Type::Column),
            "Columns whose change opens none (type 2), beside those of `sequence_by`.",
        ),
        not_yet("column_list", "Columns to keep: use `select`."),
        not_yet("except_column_list", "Columns to leave out: use `select`."),
        not_yet("once", "A flow that runs once."),
        not_yet("flow_name", "One of several flows."),
    ],
};

pub(crate) static GOLD: Object = Object {
    name: "a gold model",
    doc: "What there is to say about the gold table whose SELECT stands in the `.sql` file beside it. May be left out.",
    keys: &[
        optional("description", Type::Text, "What a row is."),
        optional(
            "key",
            Type::List(&Type::Column),
            "Columns that name a row (D2).",
        ),
        optional("cluster_by", Type::List(&Type::Column), CLUSTER_BY_DOC),
        optional("business_day", Type::Column, BUSINESS_DAY_DOC),
        optional("allow_float", Type::Text, ALLOW_FLOAT_DOC),
        optional("format", TABLE_FORMAT, MODEL_FORMAT_DOC),
        optional(
            "checks",
            CHECKS,
            "Rules for the whole table, by name, as in a silver model (C7).",
        ),
        default("access", ACCESS, "private", ACCESS_DOC),
        optional(
            "incremental",
            Type::Object(&INCREMENTAL),
            "Compute only the rows of the values that changes of the inputs touch; the table is that of a rebuild (A7).",
        ),
    ],
};

static INCREMENTAL: Object = Object {
    name: "incremental",
    doc: "Which rows are computed again. `validate`, `plan` and `run` refuse a model where a table that it reads does not hold the columns as they are (a `date_trunc` of one is no column of it), so that a change of it could touch any row; without `incremental` it is computed in full.",
    keys: &[
        required(
            "by",
            Type::List(&Type::Column),
            "Columns of the model whose values tell which rows, like a business date. Without `cluster_by`, the rows are ordered by them first; a `key` must hold them.",
        ),
        optional(
            "rebuild_on",
            Type::List(&Type::Text),
            "Tables that the model reads and that do not hold the columns: a change of one computes all.",
        ),
    ],
};

const ROWS: Type = Type::List(&Type::Map(&Type::Cell, MapKey::Column));

pub(crate) static TESTS: Object = Object {
    name: "a file of tests",
    doc: "Tests of one model: what it makes of a few rows. `karat test` runs them; no lake and no source is needed, except for a model that reads a table over a database: its types are those of the source, known once its feed was loaded.",
    keys: &[
        required(
            "model",
            Type::Text,
            "The model's table, like `sales_gold.daily_revenue`; one of this domain.",
        ),
        required("tests", Type::List(&Type::Object(&TEST)), "The tests."),
    ],
};

static TEST: Object = Object {
    name: "a test",
    doc: "Rows that the model reads, and what it must make of them.",
    keys: &[
        required("name", Type::Text, "What it shows."),
        optional(
            "at",
            Type::Text,
            "The logical time of `now()` and `current_date`, as RFC 3339; without it, 2000-01-01T00:00:00Z.",
        ),
        optional(
            "params",
            Type::Map(&Type::Text, MapKey::Name),
            "Values of parameters, by name; without one `--param`, else its default.",
        ),
        optional(
            "business_date",
            Type::Text,
            "The business date, like 2026-10-30; without it `--business-date`, else the calendar's for `at`.",
        ),
        optional(
            "given",
            Type::Map(&ROWS, MapKey::Table),
            "Rows by feed (`source.feed`, with the names of the source) or table; columns that are left out are null, tables that are left out are empty. Rows of a feed are loaded as one object.",
        ),
        optional(
            "expect",
            ROWS,
            "The rows that the model makes, in any order; only the columns that are named are compared. `[]`: none.",
        ),
        optional(
            "quarantine",
            Type::List(&Type::Object(&HELD)),
            "Of a silver model: exactly these rows are held back. `[]`: none.",
        ),
        optional(
            "checks",
            Type::List(&Type::Text),
            "Exactly these checks of the model are broken. `[]`: none. Left out: none with the action `fail`. `rows`, `volume` and `freshness` are not asked of a few rows, nor what reads tables that are not given.",
        ),
    ],
};

static HELD: Object = Object {
    name: "a row in quarantine",
    doc: "A row that is held back.",
    keys: &[
        required(
            "row",
            Type::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Its number among the rows that are given, from 1.",
        ),
        required("rules", Type::List(&Type::Text), "The rules that it broke."),
    ],
};
