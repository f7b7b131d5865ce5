//! Reads a mapping document and tells its mistakes, each with its row.
//!
//! A mistake is told once, with the row's number as the person sees it in Excel. Rows with mistakes that leave their meaning open
//! are left out; [`Reading::problems`] says so.

use std::collections::BTreeMap;

use karat_receipt::Digest;
use serde::{Deserialize, Serialize};

use super::rules::Rule;
use super::{Mapping, NewSchema, NewTable, OldTable, TableLookup};

/// The columns that karat reads; a document may have more, which are kept.
pub const COLUMNS: [&str; 7] = [
    "old_database",
    "old_table",
    "old_path",
    "new_catalog",
    "new_schema",
    "new_table",
    "new_path",
];

/// One row, with all its columns by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// Its number in the document, the headings being row 1.
    pub number: usize,
    /// Cells by heading.
    pub cells: BTreeMap<String, String>,
}

impl Row {
    /// A cell without the blanks around it; empty if there is none.
    pub fn cell(&self, column: &str) -> &str {
        self.cells.get(column).map_or("", |cell| cell.trim())
    }
}

/// How much a problem weighs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// Worth knowing.
    Warning,
    /// The mapping cannot be used.
    Error,
}

/// What is wrong with a mapping document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// The row, as Excel counts.
    pub row: usize,
    /// The column, where one is to blame.
    pub column: Option<String>,
    /// What is wrong.
    pub message: String,
    /// Whether it stops the work.
    pub weight: Weight,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "row {}", self.row)?;
        if let Some(column) = &self.column {
            write!(f, ", column `{column}`")?;
        }
        write!(f, ": {}", self.message)
    }
}

/// A mapping and what is wrong with its document.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// The mapping of the rows that are right.
    pub mapping: Mapping,
    /// What is wrong, by row.
    pub problems: Vec<Problem>,
}

impl Reading {
    /// Whether a problem stops the work.
    pub fn has_errors(&self) -> bool {
        self.problems
            .iter()
            .any(|problem| problem.weight == Weight::Error)
    }
}

/// A mapping from `old_database.old_table=new_catalog.new_schema.new_table` and `path=path` entries, for tests and scripts.
pub fn of_pairs(pairs: &[(&str, &str)]) -> Mapping {
    let mut rows = Vec::new();
    for (at, (old, new)) in pairs.iter().enumerate() {
        let mut row = Row {
            number: at + 2,
            ..Row::default()
        };
        let mut set = |column: &str, text: &str| {
            row.cells.insert(column.to_owned(), text.to_owned());
        };
        if old.contains('/') {
            set("old_path", old);
            set("new_path", new);
        } else {
            let (database, table) = old.split_once('.').unwrap_or((old, ""));
            let new: Vec<&str> = new.splitn(3, '.').collect();
            set("old_database", database);
            set("old_table", table);
            set("new_catalog", new.first().unwrap_or(&""));
            set("new_schema", new.get(1).unwrap_or(&""));
            set("new_table", new.get(2).unwrap_or(&""));
        }
        rows.push(row);
    }
    of_rows(&rows).mapping
}

/// The mapping that rows make, and what is wrong with them.
pub fn of_rows(rows: &[Row]) -> Reading {
    let mut reading = Reading::default();
    let mut seen: BTreeMap<OldTable, usize> = BTreeMap::new();
    let mut targets: BTreeMap<NewTable, (usize, OldTable)> = BTreeMap::new();
    let mut paths: BTreeMap<String, (usize, String)> = BTreeMap::new();
    let mut facts: Vec<String> = Vec::new();
    for row in rows {
        let before = reading.problems.len();
        check_cells(row, &mut reading.problems);
        let broken = reading.problems[before..]
            .iter()
            .any(|problem| problem.weight == Weight::Error);
        if broken {
            continue;
        }
        let mut problem = |column: Option<&str>, weight: Weight, message: String| {
            reading.problems.push(Problem {
                row: row.number,
                column: column.map(str::to_owned),
                message,
                weight,
            });
        };
        let database = row.cell("old_database").to_lowercase();
        let table = row.cell("old_table").to_lowercase();
        let (catalog, schema, new_table) = (
            row.cell("new_catalog").to_owned(),
            row.cell("new_schema").to_owned(),
            row.cell("new_table").to_owned(),
        );
        if !database.is_empty() {
            facts.push(format!(
                "t\t{database}\t{table}\t{catalog}\t{schema}\t{new_table}"
            ));
            let is_rule = database.contains('*') || table.contains('*') || table.is_empty();
            let mapping = &mut reading.mapping;
            mapping.catalogs.insert(catalog.to_lowercase());
            if is_rule {
                mapping.rules.push(Rule {
                    database,
                    table: if table.is_empty() {
                        "*".to_owned()
                    } else {
                        table
                    },
                    catalog,
                    schema,
                    new_table: if new_table == "*" {
                        String::new()
                    } else {
                        new_table
                    },
                    row: row.number,
                });
            } else {
                mapping.table_names.insert(table.clone());
                let old = OldTable { database, table };
                let new = NewTable {
                    catalog,
                    schema: if schema.is_empty() {
                        old.database.clone()
                    } else {
                        schema
                    },
                    table: if new_table.is_empty() {
                        old.table.clone()
                    } else {
                        new_table
                    },
                };
                mapping
                    .databases
                    .entry(old.database.clone())
                    .or_default()
                    .insert(NewSchema {
                        catalog: new.catalog.clone(),
                        schema: new.schema.clone(),
                    });
                let known = mapping.tables.entry(old.clone()).or_default();
                if known.contains(&new) {
                    problem(
                        Some("old_table"),
                        Weight::Warning,
                        format!(
                            "`{old}` stands in row {} already, with the same new name",
                            seen[&old]
                        ),
                    );
                } else {
                    known.push(new.clone());
                    if let Some(first) = seen.get(&old) {
                        problem(
                            Some("old_table"),
                            Weight::Error,
                            format!(
                                "`{old}` has another new name in row {first}: keep one of them"
                            ),
                        );
                    }
                }
                seen.entry(old.clone()).or_insert(row.number);
                let folded = NewTable {
                    catalog: new.catalog.to_lowercase(),
                    schema: new.schema.to_lowercase(),
                    table: new.table.to_lowercase(),
                };
                match targets.get(&folded) {
                    Some((first, other)) if *other != old => problem(
                        Some("new_table"),
                        Weight::Error,
                        format!(
                            "`{old}` and `{other}` (row {first}) would both become `{}`",
                            new.sql()
                        ),
                    ),
                    Some(_) => {}
                    None => {
                        targets.insert(folded, (row.number, old));
                    }
                }
            }
        }
        let (old_path, new_path) = (row.cell("old_path"), row.cell("new_path"));
        if !old_path.is_empty() && !new_path.is_empty() {
            let old_path = normal_path(old_path);
            let new_path = new_path.trim_end_matches('/').to_owned();
            facts.push(format!("p\t{old_path}\t{new_path}"));
            match paths.get(&old_path) {
                Some((first, other)) if *other != new_path => problem(
                    Some("old_path"),
                    Weight::Error,
                    format!("`{old_path}` has another new path in row {first}: `{other}`"),
                ),
                Some(_) => {}
                None => {
                    paths.insert(old_path, (row.number, new_path));
                }
            }
        }
    }
    let rows_of_paths: Vec<(usize, String)> = paths.values().cloned().collect();
    let mut all: Vec<(String, String)> = paths
        .into_iter()
        .map(|(old, (_, new))| (old, new))
        .collect();
    all.sort_by(|a, b| b.0.len().cmp(&a.0.len()).then_with(|| a.0.cmp(&b.0)));
    reading.mapping.paths = all;
    // Names have three parts afterwards; paths look as before.
    for (row, new) in rows_of_paths {
        if let Some((length, next)) = reading.mapping.path(&new)
            && *next != new[..length]
        {
            let message = format!(
                "`{new}` lies in `{}`, which moves too: apply this mapping only once",
                &new[..length]
            );
            reading.problems.push(Problem {
                row,
                column: Some("new_path".to_owned()),
                message,
                weight: Weight::Warning,
            });
        }
    }
    let shared = with_one_new_name(&reading.mapping, &seen);
    reading.problems.extend(shared);
    if facts.is_empty() && reading.problems.is_empty() {
        reading.problems.push(Problem {
            row: 1,
            column: None,
            message: "no row below says what becomes of a table, a database or a path, so no name would be found".to_owned(),
            weight: Weight::Error,
        });
    }
    facts.sort();
    facts.dedup();
    reading.mapping.digest = Digest::of(facts.join("\n").as_bytes()).to_string();
    reading.problems.sort();
    reading
}

/// Tables that would get one new name by a rule and a row, or by two rules, if there are such tables: the mapping does not say which there are.
fn with_one_new_name(mapping: &Mapping, rows: &BTreeMap<OldTable, usize>) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut tell = |row: usize, column: &str, message: String| {
        problems.push(Problem {
            row,
            column: Some(column.to_owned()),
            message,
            weight: Weight::Warning,
        });
    };
    for (old, news) in &mapping.tables {
        for new in news {
            for rule in &mapping.rules {
                let Some(other) = rule.source_of(new).filter(|other| other != old) else {
                    continue;
                };
                let TableLookup::Mapped(its) = mapping.table(&other.database, &other.table) else {
                    continue;
                };
                if its.sql().eq_ignore_ascii_case(&new.sql()) {
                    tell(
                        rows.get(old).copied().unwrap_or(rule.row),
                        "new_table",
                        format!(
                            "`{old}` becomes `{}`, and so would `{other}` by the rule in row {}, if there is such a table",
                            new.sql(),
                            rule.row
                        ),
                    );
                }
            }
        }
    }
    let mut targets: BTreeMap<NewSchema, &Rule> = BTreeMap::new();
    for rule in &mapping.rules {
        let Some(target) = rule.target() else {
            continue;
        };
        match targets.get(&target) {
            Some(first) if first.database != rule.database => tell(
                rule.row,
                "new_schema",
                format!(
                    "tables of one name in `{}` and in `{}` (row {}) would both go to `{}`, under that name",
                    rule.database,
                    first.database,
                    first.row,
                    target.sql()
                ),
            ),
            Some(_) => {}
            None => {
                targets.insert(target, rule);
            }
        }
    }
    problems
}

/// A path as it is looked up: without `dbfs:`, without a slash at its end.
fn normal_path(path: &str) -> String {
    let path = path.trim_end_matches(['/', '*']);
    match path.get(..5) {
        Some(start) if start.eq_ignore_ascii_case("dbfs:") => {
            format!("/{}", path[5..].trim_start_matches('/'))
        }
        _ => path.to_owned(),
    }
}

/// No storage has longer paths.
const PATH_SIZE_MAX: usize = 4096;

/// Catalogs that no table can move to: the metastore itself by its names, and those of Databricks.
const NO_TARGETS: &[&str] = &[
    "hive_metastore",
    "spark_catalog",
    "system",
    "samples",
    "__databricks_internal",
];

/// What is wrong with single cells.
fn check_cells(row: &Row, problems: &mut Vec<Problem>) {
    let mut tell = |column: &str, weight: Weight, message: String| {
        problems.push(Problem {
            row: row.number,
            column: Some(column.to_owned()),
            message,
            weight,
        });
    };
    for column in COLUMNS {
        let cell = row.cell(column);
        if cell.is_empty() {
            continue;
        }
        if let Some(what) = mangled(cell, column.ends_with("path")) {
            tell(column, Weight::Error, what);
        }
    }
    for column in COLUMNS.iter().filter(|column| !column.ends_with("path")) {
        if let Some(what) = no_name(row.cell(column), column.starts_with("new")) {
            tell(column, Weight::Error, what);
        }
    }
    let has_name = !row.cell("old_database").is_empty();
    if row.cell("old_table").contains('.') && !has_name {
        tell(
            "old_table",
            Weight::Error,
            "the database belongs in the column `old_database`".to_owned(),
        );
    } else if !row.cell("old_table").is_empty() && !has_name {
        tell(
            "old_database",
            Weight::Error,
            "a table needs its database; the metastore's own is called `default`".to_owned(),
        );
    }
    let metastore = row.cell("old_database").to_lowercase();
    if metastore.starts_with("hive_metastore.") || metastore.starts_with("spark_catalog.") {
        tell(
            "old_database",
            Weight::Error,
            "write the database without the name of the metastore".to_owned(),
        );
    }
    if has_name && row.cell("new_catalog").is_empty() {
        tell(
            "new_catalog",
            Weight::Error,
            "the new catalog is missing".to_owned(),
        );
    }
    let catalog = row.cell("new_catalog").to_lowercase();
    if NO_TARGETS.contains(&catalog.as_str()) {
        tell(
            "new_catalog",
            Weight::Error,
            format!(
                "`{catalog}` cannot be the new catalog: it is the metastore that names move away from, or belongs to Databricks; write a catalog of \
                 your own, and leave out rows of tables that stay"
            ),
        );
    }
    let stars = |column: &str| row.cell(column).matches('*').count();
    if stars("old_database") + stars("old_table") > 4 {
        tell(
            "old_table",
            Weight::Error,
            "a rule has at most four `*`".to_owned(),
        );
    }
    if stars("new_catalog") > 0 {
        tell(
            "new_catalog",
            Weight::Error,
            "a rule names its catalog: `*` stands for parts of schemas and tables only".to_owned(),
        );
    }
    if stars("new_schema") > stars("old_database") {
        tell(
            "new_schema",
            Weight::Error,
            "more `*` than `old_database` has".to_owned(),
        );
    }
    if stars("new_table") > stars("old_table").max(usize::from(row.cell("old_table").is_empty())) {
        tell(
            "new_table",
            Weight::Error,
            "more `*` than `old_table` has".to_owned(),
        );
    }
    let (old_path, new_path) = (row.cell("old_path"), row.cell("new_path"));
    if old_path.is_empty() && !new_path.is_empty() {
        tell(
            "old_path",
            Weight::Warning,
            "a new path without an old one moves nothing in code".to_owned(),
        );
    }
    if !has_name && !old_path.is_empty() && new_path.is_empty() {
        tell(
            "new_path",
            Weight::Error,
            "the new path is missing".to_owned(),
        );
    }
    if !old_path.is_empty() && normal_path(old_path).len() < 2 {
        tell(
            "old_path",
            Weight::Error,
            "the root of the storage cannot be moved by one row".to_owned(),
        );
    }
    if !has_name && old_path.is_empty() && COLUMNS.iter().any(|column| !row.cell(column).is_empty())
    {
        tell(
            "old_database",
            Weight::Error,
            "the row names neither an old table nor an old path".to_owned(),
        );
    }
}

/// Why a cell cannot be one part of a name. Names of Unity Catalog have neither dots nor blanks in them; old ones in backticks may.
fn no_name(cell: &str, is_new: bool) -> Option<String> {
    if cell.contains(['`', '"', '\'', '[', ']']) {
        return Some(format!(
            "`{}` has quotes: write the name as it is, without them",
            cell.replace('`', "'")
        ));
    }
    if is_new && cell.contains('.') {
        return Some(format!(
            "`{cell}` holds a dot, and names of Unity Catalog have none: write each part of the name in its own column"
        ));
    }
    if is_new && (cell.contains("${") || cell.contains("{{")) {
        return Some(format!(
            "`{cell}` holds `${{` or `{{{{`, and Spark or a template would fill in what stands behind it"
        ));
    }
    (is_new && cell.contains(char::is_whitespace))
        .then(|| format!("`{cell}` holds a blank, and names of Unity Catalog have none"))
}

/// What a spreadsheet did to a cell, if it looks like it.
fn mangled(cell: &str, is_path: bool) -> Option<String> {
    const ERRORS: &[&str] = &[
        "#REF!", "#N/A", "#NAME?", "#VALUE!", "#DIV/0!", "#NULL!", "#NUM!", "#NV", "#BEZUG!",
        "#WERT!",
    ];
    if ERRORS.contains(&cell.to_uppercase().as_str()) {
        return Some(format!("`{cell}` is an error of the spreadsheet's formula"));
    }
    if cell.starts_with('=') || cell.starts_with("+") {
        return Some(format!(
            "`{cell}` is a formula, not a value: paste the values"
        ));
    }
    if let Some(letter) = cell.chars().find(|letter| {
        letter.is_control()
            || matches!(
                letter,
                '\u{a0}' | '\u{200b}' | '\u{feff}' | '‘' | '’' | '“' | '”' | '…'
            )
    }) {
        return Some(format!(
            "`{cell}` holds the character U+{:04X}, which the spreadsheet put in",
            u32::from(letter)
        ));
    }
    if is_path {
        return (cell.len() > PATH_SIZE_MAX)
            .then(|| format!("a path has at most {PATH_SIZE_MAX} bytes"));
    }
    let looks_scientific = cell
        .split_once(['E', 'e'])
        .is_some_and(|(number, exponent)| {
            (number.contains(['.', ',']) || exponent.starts_with(['+', '-']))
                && !number.is_empty()
                && number
                    .chars()
                    .all(|c| c.is_ascii_digit() || matches!(c, '.' | ','))
                && exponent
                    .trim_start_matches(['+', '-'])
                    .chars()
                    .all(|c| c.is_ascii_digit())
        });
    if looks_scientific {
        return Some(format!(
            "`{cell}` is a number that the spreadsheet rounded; the name it was is lost"
        ));
    }
    let looks_like_date = {
        let parts: Vec<&str> = cell
            .split(['-', '.', '/', ' ', ':'])
            .filter(|part| !part.is_empty())
            .collect();
        let months = [
            "jan", "feb", "mar", "mär", "mrz", "apr", "may", "mai", "jun", "jul", "aug", "sep",
            "sept", "oct", "okt", "nov", "dec", "dez", "janv", "févr", "avr", "juin", "juil",
            "août", "déc",
        ];
        parts.len() >= 2
            && parts.iter().all(|part| {
                part.chars().all(|c| c.is_ascii_digit())
                    || months.contains(&part.to_lowercase().as_str())
            })
    };
    if looks_like_date {
        return Some(format!(
            "`{cell}` is a date or number that the spreadsheet made of a name"
        ));
    }
    if cell.contains('/') || cell.contains('\\') {
        return Some(format!("`{cell}` is no name: it holds a slash"));
    }
    if cell.chars().count() > 255 {
        return Some("a name has at most 255 letters".to_owned());
    }
    None
}
