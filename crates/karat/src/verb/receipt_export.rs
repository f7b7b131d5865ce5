//! `karat receipt export`: the record of a run as a folder for somebody who has neither karat nor the lake.

use std::path::{Path, PathBuf};

use karat_pipeline::export::{Export, of_run};
use karat_pipeline::manifest;
use karat_receipt::KeyRing;
use karat_receipt::keys::files_in;
use karat_receipt::rotation::ROTATION_SUFFIX;
use serde_json::json;

use crate::failure::Failure;
use crate::output::{Voice, in_shell};
use crate::site::{Opened, Wants};

/// The program that checks an export.
const CHECKER: &str = include_str!("../../../../tools/check_receipt.py");
const CHECKER_NAME: &str = "check_receipt.py";

/// Writes the folder: whole, or not at all.
pub(crate) fn run(
    voice: Voice,
    opened: Opened,
    run: Option<&str>,
    out: Option<&Path>,
) -> Result<u8, Failure> {
    let keys = opened.keys()?;
    let rotations = files_in(&opened.root.join("keys"), ROTATION_SUFFIX)?;
    let site = opened.site(Wants::reading())?;
    let run = match run {
        Some(run) => run.to_owned(),
        None => match manifest::newest(&site.lake)? {
            Some((manifest, _)) => manifest.run,
            None => {
                return Err(Failure::usage(
                    "no run of this lake has made a version yet",
                    "`karat run` makes the first",
                ));
            }
        },
    };
    let out = out.map_or_else(
        || PathBuf::from(format!("karat-export-{run}")),
        Path::to_path_buf,
    );
    if out.exists() {
        return Err(Failure::usage(
            format!("`{}` exists: it is not overwritten", out.display()),
            "name a folder that is not there yet with `--out`",
        ));
    }
    let export = of_run(&site, &run)?;
    write(&export, &keys, &rotations, &out)?;
    let ids: Vec<String> = keys.iter().map(|(id, _)| id.to_string()).collect();
    voice.answer(
        || {
            json!({
                "run": export.run, "head": export.head.to_string(), "out": out, "tables": export.tables,
                "receipts": export.receipts, "documents": export.documents.len(), "keys": ids,
            })
        },
        || {
            let checker = in_shell(&out.join(CHECKER_NAME).display().to_string());
            format!(
                "run {}: {} tables, {} receipts, {} documents in `{}`\nwhoever gets it checks it with Python alone:\n  python3 {checker} --head {}\n{}",
                export.run,
                export.tables,
                export.receipts,
                export.documents.len(),
                out.display(),
                export.head,
                match ids.is_empty() {
                    true => "no public key is in `keys`: nobody can say who made it\n".to_owned(),
                    false => format!("and that these keys are yours: {}\n", ids.join(", ")),
                }
            )
        },
    )?;
    Ok(0)
}

fn write(
    export: &Export,
    keys: &KeyRing,
    rotations: &[(String, Vec<u8>)],
    out: &Path,
) -> Result<(), Failure> {
    let mut unfinished = out.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let folder = PathBuf::from(unfinished);
    let put = |path: &str, bytes: &[u8]| {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(Failure::io("make the folder", parent))?;
        }
        std::fs::write(&path, bytes).map_err(Failure::io("write", &path))
    };
    for (path, bytes) in &export.documents {
        put(path, bytes)?;
    }
    for (id, key) in keys.iter() {
        put(&format!("keys/{id}.pub"), key.to_text().as_bytes())?;
    }
    for (file, bytes) in rotations {
        put(&format!("keys/{file}"), bytes)?;
    }
    put(CHECKER_NAME, CHECKER.as_bytes())?;
    std::fs::rename(&folder, out).map_err(Failure::io("name the folder", out))
}
