//! `karat import`: projects of other tools as projects of karat. What `validate` would refuse of the new project is left out and
//! listed, before a file of it is written.

use std::path::Path;

use karat_import::{Folder, Import, ImportError, Rejection, Weight};
use serde_json::{Value, json};

use crate::args::{Global, ImportArgs, ImportNamed, ImportVerb};
use crate::failure::Failure;
use crate::output::{Voice, counted, in_shell};
use crate::scratch::Scratch;
use crate::verb::validate;

impl From<ImportError> for Failure {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::NoProject { what, hint } => Failure::usage(what, hint),
            ImportError::Read { path, source } => Failure::Io {
                doing: "read",
                path,
                source,
            },
            ImportError::Write { path, source } => Failure::Io {
                doing: "write",
                path,
                source,
            },
            ImportError::TooLarge(_) => Failure::usage(
                format!("cannot import: {error}"),
                "name the folder of the project alone",
            ),
            ImportError::NotEmpty(_) => Failure::usage(error.to_string(), "name another folder"),
        }
    }
}

/// Imports, validates, writes; 1 if something needs a person.
pub(crate) fn run(voice: Voice, global: &Global, what: &ImportVerb) -> Result<u8, Failure> {
    match what {
        ImportVerb::Dbt(arguments) => {
            let settings = karat_import::DbtSettings {
                dialect: arguments.dialect,
                vars: arguments.vars.clone(),
            };
            take_over(voice, global, "dbt", &arguments.common, |folder| {
                karat_import::dbt(folder, &settings)
            })
        }
        ImportVerb::Dlt(arguments) => {
            let name = name_of(arguments);
            take_over(voice, global, "dlt", &arguments.common, |folder| {
                karat_import::dlt(folder, &name)
            })
        }
        ImportVerb::SdpMeta(arguments) => {
            let name = name_of(arguments);
            take_over(voice, global, "sdp-meta", &arguments.common, |folder| {
                karat_import::sdp_meta(folder, &name)
            })
        }
    }
}

/// The name that was given, else the folder's.
fn name_of(arguments: &ImportNamed) -> String {
    match &arguments.name {
        Some(name) => name.clone(),
        None => folder_name(&arguments.common.path),
    }
}

fn folder_name(path: &Path) -> String {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let name = absolute.components().next_back();
    name.map_or_else(
        || "pipeline".to_owned(),
        |name| name.as_os_str().to_string_lossy().into_owned(),
    )
}

fn take_over(
    voice: Voice,
    global: &Global,
    kind: &str,
    arguments: &ImportArgs,
    import: impl FnOnce(&Folder) -> Result<Import, ImportError>,
) -> Result<u8, Failure> {
    // Before the work, and again when the files are written.
    Import::check_empty(&arguments.out)?;
    let folder = Folder::read(&arguments.path)?;
    let mut import = import(&folder)?;
    leave_out_what_is_refused(global, &mut import)?;
    let files = import.write(&arguments.out)?;
    voice.answer(
        || document(kind, &arguments.out, &import, &files),
        || text(kind, &arguments.out, &import),
    )?;
    Ok(u8::from(import.needs_person()))
}

/// Validates what would be written, in a place of its own, until nothing is refused.
fn leave_out_what_is_refused(global: &Global, import: &mut Import) -> Result<(), Failure> {
    loop {
        let scratch = Scratch::temporary()?;
        let root = scratch.path().join("project");
        import.write_texts(&root)?;
        let mistakes = validate::mistakes(&root, global)?;
        if mistakes.is_empty() {
            return Ok(());
        }
        let rejections: Vec<Rejection> = mistakes
            .iter()
            .map(|found| Rejection {
                file: found.file.display().to_string().replace('\\', "/"),
                line: found.line,
                message: found.message.clone(),
                hint: found.hint.clone(),
            })
            .collect();
        if !import.reject(&rejections) {
            return Err(Failure::Project(mistakes));
        }
    }
}

fn document(kind: &str, out: &Path, import: &Import, files: &[String]) -> Value {
    let total = import.total();
    let counts: Vec<Value> = import
        .counts()
        .into_iter()
        .map(|(statement, count)| {
            json!({ "statement": statement, "mapped": count.mapped, "unmapped": count.unmapped })
        })
        .collect();
    let statements: Vec<Value> = import
        .items()
        .iter()
        .map(|item| json!({ "statement": item.kind, "name": item.name, "file": item.file, "line": item.line, "became": item.became }))
        .collect();
    let findings: Vec<Value> = import
        .findings()
        .iter()
        .map(|found| {
            json!({
                "weight": found.weight.name(), "file": found.file, "line": found.line,
                "construct": found.construct, "why": found.why, "fix": found.fix,
            })
        })
        .collect();
    json!({
        "kind": kind, "project": import.project, "out": out, "mapped": total.mapped, "unmapped": total.unmapped,
        "counts": counts, "statements": statements, "findings": findings, "files": files,
    })
}

fn text(kind: &str, out: &Path, import: &Import) -> String {
    let total = import.total();
    let mut text = format!(
        "{kind} to the project `{}` in {}: {} taken over, {} left out\n",
        import.project,
        out.display(),
        counted(total.mapped, "statement"),
        total.unmapped
    );
    for (statement, count) in import.counts() {
        text.push_str(&format!(
            "  {statement:<16} {:>6} taken over  {:>6} left out\n",
            count.mapped, count.unmapped
        ));
    }
    for (weight, title) in [
        (Weight::Unmapped, "needs a person"),
        (Weight::Note, "worth knowing"),
    ] {
        let found: Vec<_> = import
            .findings()
            .iter()
            .filter(|found| found.weight == weight)
            .collect();
        if found.is_empty() {
            continue;
        }
        text.push_str(&format!("{title}:\n"));
        for one in found {
            text.push_str(&format!(
                "  {}:{} `{}`: {}\n    {}\n",
                one.file, one.line, one.construct, one.why, one.fix
            ));
        }
    }
    text.push_str(&format!(
        "next:\n  cd {}\n  karat validate\n  karat run\n",
        in_shell(&out.display().to_string())
    ));
    text
}
