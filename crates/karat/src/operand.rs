//! What a verb is asked to look at: a table of the lake at one of its versions, or files of anybody.

use std::path::Path;

use karat_pipeline::cut::{self, Cut};
use karat_pipeline::diff::{At, Side, of_lake};
use karat_project::TableName;

use crate::failure::Failure;
use crate::named_files::{AsOf, NamedFiles};
use crate::site::OpenSite;

/// Stands for the version before the newest; nobody types it.
pub(crate) const BEFORE: &str = "\u{0}before";

/// Table or path, and what stands behind its last `@`. A file whose own name has an `@` is that file.
pub(crate) fn parts(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once('@') {
        Some((place, version)) if !place.is_empty() && !Path::new(text).exists() => {
            (place, Some(version))
        }
        _ => (text, None),
    }
}

/// A table or files, opened.
pub(crate) struct Operand {
    /// Its rows.
    pub(crate) side: Side,
    /// The table, if it is one of the lake.
    pub(crate) table: Option<TableName>,
    /// Its version.
    pub(crate) version: Option<i64>,
}

impl Operand {
    /// `stem` names what text files become in the scratch folder; `lenient` reads rows of text that do not fit as far as they do.
    pub(crate) fn open(
        text: &str,
        stem: &str,
        lake: Option<&OpenSite>,
        scratch: &Path,
        lenient: bool,
        notes: &mut Vec<String>,
    ) -> Result<Self, Failure> {
        let (place, version) = parts(text);
        // Names of tables have no case (F3).
        let named = place.to_lowercase().parse::<TableName>();
        if let (Ok(name), Some(site)) = (named.clone(), lake) {
            let at = match version {
                Some(BEFORE) => At::Before,
                Some(version) => at(site, version)?,
                None => At::Cut(Box::new(Cut::Newest)),
            };
            let (side, version) = of_lake(site, &name, &at)?;
            return Ok(Operand {
                side,
                table: Some(name),
                version: Some(version),
            });
        }
        if named.is_ok() && !Path::new(place).exists() {
            return Err(Failure::usage(
                format!("`{place}` is a table of a lake, and there is no project here"),
                "go to a project's folder, or name it with `--project DIR`",
            ));
        }
        let as_of = AsOf::parse(version);
        let mut files = NamedFiles::new(scratch, &as_of, lenient);
        let (_, set) = files.open(&format!("{stem}={place}"))?;
        if version.is_some() && !files.has_versions {
            return Err(Failure::usage(
                format!("`{text}`: a file has no versions"),
                "only tables of a lake and folders of Delta and Iceberg tables take `@VERSION`",
            ));
        }
        notes.append(&mut files.notes);
        Ok(Operand {
            side: Side {
                name: text.to_owned(),
                files: set,
                fingerprint: None,
                provenance: &[],
            },
            table: None,
            version: None,
        })
    }
}

fn at(site: &OpenSite, version: &str) -> Result<At, Failure> {
    let number = version.strip_prefix('v').unwrap_or(version);
    let cut = match AsOf::parse(Some(number)) {
        AsOf::Newest => Cut::Newest,
        AsOf::Version(version) | AsOf::TableVersion(_, version) => Cut::Version(version),
        AsOf::Time(time) => cut::as_of(site, &time.to_rfc3339())?,
        AsOf::Run(_) => cut::of_run(site, version)?,
    };
    Ok(At::Cut(Box::new(cut)))
}
