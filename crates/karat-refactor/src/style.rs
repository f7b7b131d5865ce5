//! How new names are written: three-part names in the text, or one `USE CATALOG` where that is enough.
//!
//! `USE CATALOG` is enough where every name of a notebook keeps its schema and table and goes to one catalog, where nothing is open, and
//! where no other notebook shares the session. Where it would be enough and the style is literal, a note says so. The inserted
//! statement is an edit like any other: listed in the proof, taken back by the inverse patch.

use serde::{Deserialize, Serialize};

use crate::asset::{AssetReport, Decoded};
use crate::edit::Edit;
use crate::format::Format;
use crate::language::Language;
use crate::mapping::quoted;
use crate::occurrence::{Doubt, Finding, NotATable, Severity, Subject, Verdict};
use crate::reader::name_parts;

/// The style of the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    /// Three-part names in the text.
    #[default]
    Literal,
    /// One `USE CATALOG` where it is enough, else three-part names.
    UseCatalog,
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
        Style::Literal => {}
        Style::UseCatalog => {
            for occurrence in &mut report.occurrences {
                if let Verdict::Rewritten { edits, .. } = &mut occurrence.verdict
                    && is_name(occurrence.subject)
                {
                    edits.clear();
                }
            }
            report.insertions.push(insertion);
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
