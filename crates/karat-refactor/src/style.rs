//! How new names are written: three-part names in the text, one `USE CATALOG` where that is enough, or the catalog from a parameter.
//!
//! Which style a file has, and which parameter stands for a catalog, is told by [`Styles`]; how a parameter gets into a text is decided where
//! the text was understood, in [`crate::language`].
//!
//! `USE CATALOG` is enough where every name of a notebook keeps its schema and table and goes to one catalog, where nothing is open, and
//! where no other notebook shares the session. Where it would be enough and the style is literal, a note says so. The inserted
//! statement is an edit like any other: listed in the proof, taken back by the inverse patch.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::asset::{AssetReport, Decoded};
use crate::edit::{Edit, Insertion};
use crate::format::Format;
use crate::language::Language;
use crate::mapping::document::Document;
use crate::mapping::read::Row;
use crate::mapping::{Mapping, quoted};
use crate::occurrence::{Doubt, Finding, NotATable, Severity, Subject, Verdict};
use crate::reader::name_parts;
use crate::report::owners::Pattern;

/// The style of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Three-part names in the text.
    #[default]
    Literal,
    /// One `USE CATALOG` where it is enough, else three-part names.
    UseCatalog,
    /// The catalog comes from a widget or parameter where that is safe, else three-part names.
    Parameter,
}

/// A parameter that stands for a catalog.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parameter {
    /// The catalog of the mapping.
    pub catalog: String,
    /// What the widget, and the variable that holds its value, are called.
    pub name: String,
    /// What it is if nobody passes anything.
    pub default: String,
}

/// Which style each file has.
#[derive(Clone, Debug, Default)]
pub struct Styles {
    /// The style of files for which no rule says otherwise.
    pub style: Style,
    /// What the parameter is called; `catalog` if not said.
    pub parameter: Option<String>,
    /// The default of the parameter; the catalog itself if not said.
    pub default: Option<String>,
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    path: Option<Pattern>,
    style: Option<Style>,
    catalog: String,
    parameter: String,
    default: String,
}

/// The columns of a document of style rules.
pub const COLUMNS: [&str; 5] = ["path", "style", "catalog", "parameter", "default"];

impl Styles {
    /// Everything in one style.
    pub fn all(style: Style) -> Self {
        Self {
            style,
            ..Self::default()
        }
    }

    /// Reads the rules of a document (CSV, XLSX, JSON) with the columns `path`, `style`, `catalog`, `parameter`, `default`. The mistakes
    /// are told, each with its row.
    pub fn add_rules(&mut self, document: &Document) -> Result<(), Vec<String>> {
        let mut mistakes = Vec::new();
        for row in &document.rows {
            match rule(row) {
                Ok(rule) => self.rules.push(rule),
                Err(why) => mistakes.push(format!("row {}: {why}", row.number)),
            }
        }
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(mistakes)
        }
    }

    /// What is wrong with the parameter's name or default, if anything is.
    pub fn mistake(&self, mapping: &Mapping) -> Option<String> {
        if let Some(name) = &self.parameter
            && !is_variable(name)
        {
            return Some(format!("`{name}` cannot be the name of a variable"));
        }
        let default = self.default.as_ref()?;
        if !is_plain(default) {
            return Some(format!("`{default}` cannot be a catalog"));
        }
        let several = mapping.catalogs().count() > 1;
        several.then(|| {
            "the mapping has several catalogs, and one default cannot be right for all".to_owned()
        })
    }

    /// The style of a file: the last rule that fits it and says a style decides.
    pub fn of(&self, path: &str) -> Style {
        self.rules
            .iter()
            .rev()
            .filter(|rule| rule.fits(path))
            .find_map(|rule| rule.style)
            .unwrap_or(self.style)
    }

    /// The same with names in the place of `USE CATALOG`.
    pub(crate) fn without_statements(&self) -> Self {
        let literal = |style: Style| match style {
            Style::UseCatalog => Style::Literal,
            other => other,
        };
        let mut styles = self.clone();
        styles.style = literal(styles.style);
        for rule in &mut styles.rules {
            rule.style = rule.style.map(literal);
        }
        styles
    }

    /// The parameter that stands for a catalog in a file; `None` if its name would stand for another catalog too.
    pub fn parameter(&self, path: &str, catalog: &str, mapping: &Mapping) -> Option<Parameter> {
        let names: Vec<(&str, String)> = mapping
            .catalogs()
            .map(|other| (other, self.name_for(path, other, mapping)))
            .collect();
        let (known, name) = names
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(catalog))?;
        if !is_plain(known) || names.iter().filter(|(_, other)| other == name).count() > 1 {
            return None;
        }
        let default = self
            .said(path, known, |rule| &rule.default)
            .or(self.default.as_deref())
            .unwrap_or(known);
        Some(Parameter {
            catalog: (*known).to_owned(),
            name: name.clone(),
            default: default.to_owned(),
        })
    }

    fn name_for(&self, path: &str, catalog: &str, mapping: &Mapping) -> String {
        if let Some(said) = self.said(path, catalog, |rule| &rule.parameter) {
            return said.to_owned();
        }
        let name = self.parameter.as_deref().unwrap_or("catalog");
        if mapping.catalogs().count() < 2 {
            return name.to_owned();
        }
        let letters = catalog.chars().map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter.to_ascii_lowercase()
            } else {
                '_'
            }
        });
        format!("{name}_{}", letters.collect::<String>())
    }

    fn said<'s>(
        &'s self,
        path: &str,
        catalog: &str,
        cell: impl Fn(&'s Rule) -> &'s String,
    ) -> Option<&'s str> {
        self.rules
            .iter()
            .rev()
            .filter(|rule| {
                rule.fits(path)
                    && (rule.catalog.is_empty() || rule.catalog.eq_ignore_ascii_case(catalog))
            })
            .map(|rule| cell(rule).as_str())
            .find(|said| !said.is_empty())
    }
}

impl Rule {
    fn fits(&self, path: &str) -> bool {
        self.path.as_ref().is_none_or(|pattern| pattern.fits(path))
    }
}

fn rule(row: &Row) -> Result<Rule, String> {
    let style = match row.cell("style").to_ascii_lowercase().as_str() {
        "" => None,
        "literal" => Some(Style::Literal),
        "use_catalog" | "use-catalog" => Some(Style::UseCatalog),
        "parameter" => Some(Style::Parameter),
        other => {
            return Err(format!(
                "`{other}` is no style; there are literal, use_catalog and parameter"
            ));
        }
    };
    let path = match row.cell("path") {
        "" => None,
        written => match Pattern::of(written) {
            Some(pattern) => Some(pattern),
            None => return Err(format!("`{written}` is no pattern of paths")),
        },
    };
    let parameter = row.cell("parameter").to_owned();
    if !parameter.is_empty() && !is_variable(&parameter) {
        return Err(format!("`{parameter}` cannot be the name of a variable"));
    }
    let default = row.cell("default").to_owned();
    if !default.is_empty() && !is_plain(&default) {
        return Err(format!("`{default}` cannot be a catalog"));
    }
    if path.is_none() && style.is_none() && parameter.is_empty() && default.is_empty() {
        return Err("it says nothing".to_owned());
    }
    Ok(Rule {
        path,
        style,
        catalog: row.cell("catalog").to_owned(),
        parameter,
        default,
    })
}

/// Words that are no variable in one of the languages.
const KEYWORDS: &[&str] = &[
    "abstract",
    "and",
    "as",
    "assert",
    "async",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "continue",
    "def",
    "del",
    "do",
    "elif",
    "else",
    "enum",
    "except",
    "export",
    "extends",
    "false",
    "final",
    "finally",
    "for",
    "from",
    "function",
    "given",
    "global",
    "if",
    "implicit",
    "import",
    "in",
    "is",
    "lambda",
    "lazy",
    "match",
    "new",
    "next",
    "nonlocal",
    "not",
    "null",
    "object",
    "or",
    "override",
    "package",
    "pass",
    "private",
    "protected",
    "raise",
    "repeat",
    "return",
    "sealed",
    "super",
    "then",
    "this",
    "throw",
    "trait",
    "true",
    "try",
    "type",
    "val",
    "var",
    "while",
    "with",
    "yield",
    "spark",
    "dbutils",
    "sc",
];

fn is_variable(name: &str) -> bool {
    name.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !KEYWORDS.contains(&name.to_ascii_lowercase().as_str())
}

/// Whether a text can stand in quotes of any language as it is.
fn is_plain(catalog: &str) -> bool {
    let forbidden: BTreeSet<char> = "'\"\\`{}$./".chars().collect();
    !catalog.is_empty()
        && catalog
            .chars()
            .all(|letter| !letter.is_control() && !forbidden.contains(&letter))
}

/// Notes on notebooks for which one statement would do.
pub const ADVICE: &str = "style/use-catalog";

/// Whether one statement could do for an asset that nobody includes.
pub(crate) fn concerns(report: &AssetReport) -> bool {
    report.calls.iter().all(|call| call.how != "%run") && enough(report).is_some()
}

/// Applies the style to an asset that it concerns.
pub(crate) fn apply(report: &mut AssetReport, decoded: &Decoded, style: Style) {
    let Some(catalog) = enough(report) else {
        return;
    };
    let edits = report.edits().len();
    let Some(insertion) = insertion(decoded, &catalog) else {
        return;
    };
    match style {
        Style::Literal if edits > 1 => {
            report.findings.insert(
                0,
                Finding {
                    range: insertion.range,
                    doubt: Doubt::new(
                        ADVICE,
                        format!(
                            "one statement `USE CATALOG {}` would do instead of {edits} edits",
                            quoted(&catalog)
                        ),
                    ),
                    severity: Severity::Note,
                    suggestion: Vec::new(),
                },
            );
            report.finding_places.insert(0, (1, 1));
        }
        Style::Literal | Style::Parameter => {}
        Style::UseCatalog => {
            for occurrence in &mut report.occurrences {
                if let Verdict::Rewritten { edits, .. } = &mut occurrence.verdict
                    && is_name(occurrence.subject)
                {
                    edits.clear();
                }
            }
            report.insertions.push(Insertion::of_file(insertion));
        }
    }
}

fn is_name(subject: Subject) -> bool {
    matches!(
        subject,
        Subject::Table | Subject::Database | Subject::Qualifier
    )
}

/// The catalog that one statement could set for all names of an asset.
fn enough(report: &AssetReport) -> Option<String> {
    let mut catalog: Option<String> = None;
    if report.findings.iter().any(Finding::is_not_parsed) {
        return None;
    }
    for occurrence in &report.occurrences {
        match &occurrence.verdict {
            Verdict::Rewritten { new, edits } if is_name(occurrence.subject) => {
                if edits.is_empty() {
                    continue;
                }
                let parts: Vec<String> = name_parts(
                    new.trim_end_matches(".*"),
                    0..new.trim_end_matches(".*").len(),
                )?
                .into_iter()
                .map(|part| part.text)
                .collect();
                let first = parts.first()?.clone();
                // `hive_metastore.a.b` says its catalog itself.
                let written = name_parts(&occurrence.text, 0..occurrence.text.len())
                    .map_or(0, |parts| parts.len());
                let limit = if occurrence.subject == Subject::Database {
                    1
                } else {
                    2
                };
                if written == 0
                    || written > limit
                    || !keeps_names(occurrence.old.as_deref()?, &parts[1..], occurrence.subject)
                {
                    return None;
                }
                if catalog.as_ref().is_some_and(|known| *known != first) {
                    return None;
                }
                catalog = Some(first);
            }
            Verdict::NeedsPerson { .. } if occurrence.subject != Subject::Path => return None,
            Verdict::NotATable {
                reason: NotATable::AlreadyThreePart,
            } => return None,
            _ => {}
        }
    }
    catalog
}

fn keeps_names(old: &str, new: &[String], subject: Subject) -> bool {
    let old: Vec<&str> = old.split('.').collect();
    match (old.as_slice(), new) {
        ([database, table], [schema, name]) => {
            database.eq_ignore_ascii_case(schema) && table.eq_ignore_ascii_case(name)
        }
        ([database], [schema]) if subject == Subject::Database => {
            database.eq_ignore_ascii_case(schema)
        }
        _ => false,
    }
}

/// The statement, where it goes in an asset of this format.
pub(crate) fn insertion(decoded: &Decoded, catalog: &str) -> Option<Edit> {
    let text = &decoded.text;
    let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let statement = |language: Language| match language {
        Language::Sql => Some((format!("USE CATALOG {};", quoted(catalog)), "--")),
        Language::Python => Some((
            format!("spark.sql(\"USE CATALOG {}\")", quoted(catalog)),
            "#",
        )),
        Language::Scala => Some((
            format!("spark.sql(\"USE CATALOG {}\")", quoted(catalog)),
            "//",
        )),
        Language::R => Some((
            format!("SparkR::sql(\"USE CATALOG {}\")", quoted(catalog)),
            "#",
        )),
        _ => None,
    };
    let (at, new) = match decoded.format {
        Format::SourceNotebook(language) => {
            let (statement, mark) = statement(language)?;
            let at = text.find('\n')? + 1;
            (
                at,
                format!("{statement}{newline}{newline}{mark} COMMAND ----------{newline}"),
            )
        }
        Format::Code(Language::Sql) => (0, format!("{}{newline}", statement(Language::Sql)?.0)),
        _ => return None,
    };
    Some(Edit {
        range: at..at,
        old: String::new(),
        new,
    })
}
