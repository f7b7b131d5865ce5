//! `karat refactor`: reads the files of an estate, lets `karat-refactor` decide, writes edited files, patches and proofs, prints what came
//! of it. Nothing is written before everything is decided; a file is exchanged whole.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use karat_refactor::asset::{AssetReport, Counts};
use karat_refactor::estate::{Files, Scan, scan};
use karat_refactor::mapping::document::{self, Document};
use karat_refactor::mapping::merge;
use karat_refactor::mapping::read::{Problem, Weight};
use karat_refactor::proof::{self, FileProof};
use karat_refactor::style::{self, Style, Styles};
use karat_refactor::verify::{Judged, Outcome, verify_decided};
use karat_refactor::walk::{self, Walk};
use karat_refactor::{Mapping, Options, Verdict, asset, patch};
use serde_json::{Value, json};

use super::refactor_report;
use crate::args::{
    RefactorApply, RefactorDecide, RefactorMapping, RefactorMerge, RefactorScan, RefactorStyle,
    RefactorStyleName, RefactorVerb, RefactorVerify,
};
use crate::failure::Failure;
use crate::machine;
use crate::output::{Table, Voice, counted, thousands};

/// Does one of its verbs.
pub(crate) fn run(voice: Voice, what: &RefactorVerb) -> Result<u8, Failure> {
    match what {
        RefactorVerb::Scan(arguments) => run_scan(voice, arguments),
        RefactorVerb::Apply(arguments) => run_apply(voice, arguments),
        RefactorVerb::Verify(arguments) => run_verify(voice, arguments),
        RefactorVerb::Mapping(arguments) => run_mapping(voice, arguments),
        RefactorVerb::Merge(arguments) => run_merge(voice, arguments),
        RefactorVerb::Decide(arguments) => run_decide(voice, arguments),
    }
}

/// The mapping of a document; its mistakes stop the work, its warnings are told.
fn mapping(voice: Voice, path: &Path) -> Result<Mapping, Failure> {
    let reading = read_mapping(path)?;
    if reading.has_errors() {
        let all: Vec<String> = reading
            .problems
            .iter()
            .map(|problem| format!("  {problem}"))
            .collect();
        return Err(Failure::usage(
            format!(
                "the mapping `{}` has mistakes:\n{}",
                path.display(),
                all.join("\n")
            ),
            "correct these rows; `karat refactor mapping FILE` lists them at any time",
        ));
    }
    for problem in &reading.problems {
        voice.note(&format!("warning: {}: {problem}", path.display()));
    }
    Ok(reading.mapping)
}

fn read_mapping(path: &Path) -> Result<karat_refactor::mapping::read::Reading, Failure> {
    let bytes = fs::read(path).map_err(Failure::io("read the mapping", path))?;
    document::read(&path.display().to_string(), &bytes)
        .map_err(|error| Failure::usage(error.to_string(), error.hint.clone()))
}

fn walk(path: &Path) -> Result<Walk, Failure> {
    Walk::of(path).map_err(Failure::io("read", path))
}

fn styles(style: &RefactorStyle, mapping: &Mapping) -> Result<Styles, Failure> {
    let mut styles = Styles::all(match style.of {
        RefactorStyleName::Literal => Style::Literal,
        RefactorStyleName::UseCatalog => Style::UseCatalog,
        RefactorStyleName::Parameter => Style::Parameter,
    });
    styles.parameter = style.parameter.clone();
    styles.default = style.parameter_default.clone();
    if let Some(path) = &style.style_rules {
        let name = path.display().to_string();
        let bytes = fs::read(path).map_err(Failure::io("read the style rules", path))?;
        let rules = Document::with_columns(&name, &bytes, &style::COLUMNS)
            .map_err(|error| Failure::usage(error.to_string(), error.hint.clone()))?;
        styles.add_rules(&rules).map_err(|mistakes| {
            Failure::usage(
                format!(
                    "the style rules `{name}` have mistakes:\n  {}",
                    mistakes.join("\n  ")
                ),
                "correct these rows",
            )
        })?;
    }
    match styles.mistake(mapping) {
        None => Ok(styles),
        Some(why) => Err(Failure::usage(
            format!("cannot write the catalog as a parameter: {why}"),
            "choose another `--parameter` or `--parameter-default`, or say it by file and catalog in `--style-rules`",
        )),
    }
}

fn options(style: &RefactorStyle, mapping: &Mapping) -> Result<Options, Failure> {
    Ok(Options {
        styles: styles(style, mapping)?,
        ..Options::default()
    })
}

fn run_scan(voice: Voice, arguments: &RefactorScan) -> Result<u8, Failure> {
    let mapping = mapping(voice, &arguments.mapping)?;
    let files = walk(&arguments.path)?;
    let options = Options {
        decisions: refactor_report::decisions(arguments.reports.decisions.as_deref())?,
        issues: arguments.reports.need_issues(),
        comments: arguments.comments,
        ..options(&arguments.style, &mapping)?
    };
    let mut scan = scan(
        &files,
        &mapping,
        &options,
        machine::threads(arguments.threads),
    );
    let checked = refactor_report::write(voice, &arguments.reports, &arguments.path, &mut scan)?;
    voice.answer(
        || {
            let mut document = scan_json(&scan, &files);
            if checked.asked {
                document["check"] = checked.json();
            }
            document
        },
        || {
            if checked.asked {
                checked.text()
            } else {
                scan_text(&scan, &files, arguments.all)
            }
        },
    )?;
    Ok(u8::from(if checked.asked {
        checked.fails()
    } else {
        scan.needs_person()
    }))
}

fn run_decide(voice: Voice, arguments: &RefactorDecide) -> Result<u8, Failure> {
    let mapping = mapping(voice, &arguments.mapping)?;
    let files = walk(&arguments.path)?;
    let options = Options {
        issues: true,
        ..Options::default()
    };
    let scan = scan(
        &files,
        &mapping,
        &options,
        machine::threads(arguments.threads),
    );
    let at = machine::Moment::now(None)?.logical_text();
    refactor_report::decide(voice, arguments, &scan, &at)
}

fn scan_json(scan: &Scan, files: &Walk) -> Value {
    json!({
        "totals": totals(scan, files),
        "assets": scan.assets.iter().map(asset_json).collect::<Vec<_>>(),
    })
}

fn totals(scan: &Scan, files: &Walk) -> Value {
    let counts = scan.counts();
    let candidates: usize = scan.assets.iter().map(|asset| asset.candidates).sum();
    let unexplained: usize = scan.assets.iter().map(|asset| asset.unexplained).sum();
    let findings: usize = scan.assets.iter().map(|asset| asset.findings.len()).sum();
    let unread = scan
        .assets
        .iter()
        .filter(|asset| asset.trouble.is_some())
        .count();
    json!({
        "files": files.files.len(), "assets": scan.assets.len(), "unread": unread, "occurrences": counts.total(),
        "rewritten": counts.rewritten, "not_a_table": counts.not_a_table, "needs_person": counts.needs_person,
        "candidates": candidates, "not_understood": unexplained, "findings": findings,
    })
}

fn asset_json(asset: &AssetReport) -> Value {
    let occurrences: Vec<Value> = asset
        .occurrences
        .iter()
        .zip(&asset.places)
        .map(|(occurrence, (line, column))| {
            let mut value = serde_json::to_value(occurrence).unwrap_or_default();
            value["line"] = json!(line);
            value["column"] = json!(column);
            value["text"] = json!(shown(&occurrence.text));
            value
        })
        .collect();
    let findings: Vec<Value> = asset
        .findings
        .iter()
        .zip(&asset.finding_places)
        .map(|(finding, (line, column))| {
            json!({ "line": line, "column": column, "severity": finding.severity, "rule": finding.doubt.rule, "message": finding.doubt.message })
        })
        .collect();
    json!({
        "path": asset.path, "format": asset.format.map(karat_refactor::format::Format::name), "encoding": asset.encoding,
        "digest": asset.digest, "candidates": asset.candidates, "not_understood": asset.unexplained,
        "trouble": asset.trouble.as_ref().map(|doubt| json!({ "rule": doubt.rule, "message": doubt.message })),
        "occurrences": occurrences, "findings": findings, "calls": asset.calls,
    })
}

/// A text of an occurrence with its placeholders as people read them.
fn shown(text: &str) -> String {
    let mut shown = String::new();
    let mut in_placeholder = false;
    for letter in text.chars() {
        let placeholder = karat_refactor::fragment::is_placeholder(letter);
        if placeholder && !in_placeholder {
            shown.push_str("{…}");
        } else if !placeholder {
            shown.push(letter);
        }
        in_placeholder = placeholder;
    }
    shown
}

fn scan_text(scan: &Scan, files: &Walk, all: bool) -> String {
    let mut text = String::new();
    for asset in &scan.assets {
        if let Some(doubt) = &asset.trouble {
            text.push_str(&format!(
                "{}: needs a person: {} ({})\n",
                asset.path, doubt.message, doubt.rule
            ));
        }
        for (occurrence, (line, column)) in asset.occurrences.iter().zip(&asset.places) {
            let place = format!("{}:{line}:{column}", asset.path);
            let name = shown(&occurrence.text).replace(['\n', '\r'], " ");
            match &occurrence.verdict {
                Verdict::NeedsPerson {
                    doubt, candidates, ..
                } => {
                    text.push_str(&format!(
                        "{place}: needs a person: `{name}`: {} ({})\n",
                        doubt.message, doubt.rule
                    ));
                    if !candidates.is_empty() {
                        text.push_str(&format!("    may become {}\n", candidates.join(", ")));
                    }
                }
                Verdict::Rewritten { new, .. } if all => {
                    text.push_str(&format!("{place}: `{name}` becomes {new}\n"))
                }
                Verdict::NotATable { reason } if all => text.push_str(&format!(
                    "{place}: `{name}` is not a table: {}\n",
                    reason.words()
                )),
                _ => {}
            }
        }
        for (finding, (line, column)) in asset.findings.iter().zip(&asset.finding_places) {
            text.push_str(&format!(
                "{}:{line}:{column}: {} ({})\n",
                asset.path, finding.doubt.message, finding.doubt.rule
            ));
        }
    }
    text.push_str(&summary(scan, files));
    text
}

fn summary(scan: &Scan, files: &Walk) -> String {
    let mut kinds: BTreeMap<&str, (u64, Counts)> = BTreeMap::new();
    for asset in &scan.assets {
        let kind = kinds
            .entry(asset.format.map_or("not read", |format| format.name()))
            .or_default();
        kind.0 += 1;
        kind.1 = kind.1.plus(asset.counts());
    }
    let mut table = Table::new(&[
        "kind",
        ">assets",
        ">occurrences",
        ">rewritten",
        ">not a table",
        ">needs a person",
    ]);
    let number = |number: usize| thousands(number as u64);
    for (kind, (assets, counts)) in &kinds {
        table.row([
            (*kind).to_owned(),
            thousands(*assets),
            number(counts.total()),
            number(counts.rewritten),
            number(counts.not_a_table),
            number(counts.needs_person),
        ]);
    }
    let counts = scan.counts();
    table.row([
        "all".to_owned(),
        number(scan.assets.len()),
        number(counts.total()),
        number(counts.rewritten),
        number(counts.not_a_table),
        number(counts.needs_person),
    ]);
    let candidates: usize = scan.assets.iter().map(|asset| asset.candidates).sum();
    let unexplained: usize = scan.assets.iter().map(|asset| asset.unexplained).sum();
    let skipped: usize = files.skipped.values().sum();
    format!(
        "{}the independent scanner saw {}; all are accounted for, {} as not understood\n{} of binary kinds not opened, {} not followed\n",
        table.text(),
        counted(candidates as u64, "candidate"),
        number(unexplained),
        counted(skipped as u64, "file"),
        counted(files.links.len() as u64, "link"),
    )
}

/// A file that is to be written.
struct Changed {
    path: String,
    bytes: Vec<u8>,
}

/// What an `apply` would write.
struct Plan {
    scan: Scan,
    changed: Vec<Changed>,
    proofs: Vec<FileProof>,
    /// Unified diffs by path.
    patches: Vec<(String, String)>,
    inverse: String,
    /// Files that no patch can show, because they are no UTF-8 or lie in an archive.
    unpatchable: Vec<String>,
}

fn plan(
    files: &Walk,
    mapping: &Mapping,
    options: &Options,
    threads: usize,
) -> Result<Plan, Failure> {
    let mut plan = Plan {
        scan: scan(files, mapping, options, threads),
        changed: Vec::new(),
        proofs: Vec::new(),
        patches: Vec::new(),
        inverse: String::new(),
        unpatchable: Vec::new(),
    };
    let mut members: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for (index, report) in plan.scan.assets.iter().enumerate() {
        let edits = report.edits();
        if edits.is_empty() {
            continue;
        }
        let moved = |why: String| Failure::NeedsPerson {
            what: format!("cannot edit `{}`: {why}; nothing was written", report.path),
            hint: "let nobody write to the files, and run it again".to_owned(),
        };
        let bytes = files.read(index).map_err(|doubt| moved(doubt.message))?;
        let decoded = asset::decode(&report.path, &bytes).map_err(|doubt| moved(doubt.message))?;
        let (after, proof) =
            proof::edited(report, &bytes, &decoded, mapping).map_err(|refusal| moved(refusal.0))?;
        if proof.before != karat_receipt::Digest::of(&bytes).to_string() {
            return Err(moved("it changed since it was scanned".to_owned()));
        }
        plan.proofs.push(proof);
        let is_utf8 = matches!(
            decoded.encoding,
            karat_refactor::text::Encoding::Utf8 | karat_refactor::text::Encoding::Utf8Marked
        );
        let archived = report.format == Some(karat_refactor::format::Format::Archived);
        match report.path.split_once("!/").filter(|_| archived) {
            Some((archive, member)) => {
                plan.unpatchable.push(report.path.clone());
                members
                    .entry(archive.to_owned())
                    .or_default()
                    .insert(member.to_owned(), after);
            }
            None => {
                if is_utf8 {
                    // The byte order mark belongs to the first line.
                    let mark = if decoded.encoding == karat_refactor::text::Encoding::Utf8Marked {
                        "\u{feff}"
                    } else {
                        ""
                    };
                    let text = format!("{mark}{}", decoded.text);
                    let edits: Vec<karat_refactor::Edit> = edits
                        .into_iter()
                        .map(|edit| karat_refactor::Edit {
                            range: edit.range.start + mark.len()..edit.range.end + mark.len(),
                            ..edit
                        })
                        .collect();
                    plan.patches.push((
                        report.path.clone(),
                        patch::unified(&report.path, &text, &edits),
                    ));
                    plan.inverse
                        .push_str(&patch::inverse(&report.path, &text, &edits));
                } else {
                    plan.unpatchable.push(report.path.clone());
                }
                plan.changed.push(Changed {
                    path: report.path.clone(),
                    bytes: after,
                });
            }
        }
    }
    for (archive, members) in members {
        let disk = files.disk_path(&archive);
        let bytes = fs::read(&disk).map_err(Failure::io("read", &disk))?;
        let bytes = walk::repacked(&bytes, &members).map_err(|doubt| Failure::NeedsPerson {
            what: format!(
                "cannot edit `{archive}`: {}; nothing was written",
                doubt.message
            ),
            hint: "export the notebooks as source files, and edit those".to_owned(),
        })?;
        plan.changed.push(Changed {
            path: archive,
            bytes,
        });
    }
    plan.changed.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(plan)
}

fn run_apply(voice: Voice, arguments: &RefactorApply) -> Result<u8, Failure> {
    let mapping = mapping(voice, &arguments.mapping)?;
    let files = walk(&arguments.path)?;
    if let Some(out) = &arguments.out {
        check_out(&arguments.path, out)?;
    }
    let plan = plan(
        &files,
        &mapping,
        &Options {
            decisions: refactor_report::decisions(arguments.decisions.as_deref())?,
            comments: arguments.comments,
            ..options(&arguments.style, &mapping)?
        },
        machine::threads(arguments.threads),
    )?;
    let proof = match &arguments.proof {
        Some(path) => Some((
            path,
            prove(&plan, &files, &mapping, arguments.patch.is_some())?,
        )),
        None => None,
    };
    if let Some(path) = &arguments.patch {
        if !plan.unpatchable.is_empty() {
            voice.note(&format!(
                "note: {} cannot be shown in a patch (archives, or another encoding than UTF-8); use --in-place or --out for them",
                counted(plan.unpatchable.len() as u64, "file")
            ));
        }
        let all: String = plan
            .patches
            .iter()
            .map(|(_, patch)| patch.as_str())
            .collect();
        write_whole(path, all.as_bytes())?;
    }
    if let Some(folder) = &arguments.patch_by_owner {
        write_by_owner(folder, &arguments.path, &plan.patches)?;
    }
    if let Some(out) = &arguments.out {
        write_tree(out, &files, &plan.changed)?;
    }
    if arguments.in_place {
        exchange(&files, &plan.changed)?;
    }
    if let Some(path) = &arguments.inverse {
        write_whole(path, plan.inverse.as_bytes())?;
    }
    if let Some((path, proof)) = proof {
        write_whole(path, proof.as_bytes())?;
    }
    let edits: usize = plan.proofs.iter().map(|file| file.edits.len()).sum();
    voice.answer(
        || {
            json!({
                "totals": totals(&plan.scan, &files), "files_changed": plan.changed.len(), "edits": edits,
                "changed": plan.changed.iter().map(|changed| &changed.path).collect::<Vec<_>>(), "not_in_patch": plan.unpatchable,
                "assets": plan.scan.assets.iter().map(asset_json).collect::<Vec<_>>(),
            })
        },
        || {
            format!(
                "{}{} changed by {}\n",
                scan_text(&plan.scan, &files, false),
                counted(plan.changed.len() as u64, "file"),
                counted(edits as u64, "edit")
            )
        },
    )?;
    Ok(u8::from(plan.scan.needs_person()))
}

/// The proof of what is written; a patch leaves alone what it cannot show.
fn prove(plan: &Plan, files: &Walk, mapping: &Mapping, is_patch: bool) -> Result<String, Failure> {
    let digests = digests(files)?;
    let is_written = |path: &String| !is_patch || !plan.unpatchable.contains(path);
    let proofs = plan.proofs.iter();
    let made = proofs.filter(|proof| is_written(&proof.path)).cloned();
    let archives = plan.changed.iter().filter(|file| {
        let is_asset = plan.proofs.iter().any(|proof| proof.path == file.path);
        !is_patch && !is_asset
    });
    let archives = archives
        .map(|file| {
            let digest = karat_receipt::Digest::of(&file.bytes);
            (file.path.clone(), digest.to_string())
        })
        .collect();
    let version = env!("CARGO_PKG_VERSION");
    let proof = proof::whole(
        version,
        mapping,
        &plan.scan,
        made.collect(),
        &digests,
        &archives,
    );
    Ok(format!(
        "{:#}\n",
        serde_json::to_value(&proof).unwrap_or_default()
    ))
}

fn digests(files: &Walk) -> Result<BTreeMap<String, String>, Failure> {
    files
        .digests()
        .map_err(Failure::io("read", &files.disk_path("")))
}

/// One patch an owner; files without one in `nobody.patch`.
fn write_by_owner(folder: &Path, root: &Path, patches: &[(String, String)]) -> Result<(), Failure> {
    let owners = refactor_report::owners(None, root)?;
    if owners.is_empty() {
        return Err(Failure::usage(
            format!("`{}` has no CODEOWNERS with a rule", root.display()),
            "write one as CODEOWNERS, .github/CODEOWNERS or docs/CODEOWNERS, or leave out --patch-by-owner",
        ));
    }
    let mut by_owner: BTreeMap<String, String> = BTreeMap::new();
    for (path, patch) in patches {
        let names = owners.of(path);
        let name = if names.is_empty() {
            "nobody".to_owned()
        } else {
            names.join("+")
        };
        let safe: String = name
            .chars()
            .map(|letter| {
                if letter.is_alphanumeric() || "-_.+".contains(letter) {
                    letter
                } else {
                    '_'
                }
            })
            .collect();
        by_owner
            .entry(safe.trim_start_matches('_').to_owned())
            .or_default()
            .push_str(patch);
    }
    fs::create_dir(folder).map_err(Failure::io("make the folder", folder))?;
    for (owner, patch) in by_owner {
        write_whole(&folder.join(format!("{owner}.patch")), patch.as_bytes())?;
    }
    Ok(())
}

/// That a tree can be written there: a new folder, outside the old one.
fn check_out(path: &Path, out: &Path) -> Result<(), Failure> {
    if out.exists() {
        return Err(Failure::usage(
            format!("`{}` is there already", out.display()),
            "name a folder that does not exist; karat writes the whole tree into it",
        ));
    }
    let parent = out
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let (Ok(parent), Ok(root)) = (parent.canonicalize(), path.canonicalize()) else {
        return Err(Failure::usage(
            format!("the folder of `{}` does not exist", out.display()),
            "make it first",
        ));
    };
    if parent.starts_with(&root) {
        return Err(Failure::usage(
            format!("`{}` lies in the tree that is read", out.display()),
            "name a folder outside of it",
        ));
    }
    Ok(())
}

/// The whole tree, untouched files byte for byte; there under its name once it is complete.
fn write_tree(out: &Path, files: &Walk, changed: &[Changed]) -> Result<(), Failure> {
    let name = out
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let part = out.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let written = fill_tree(&part, files, changed)
        .and_then(|()| fs::rename(&part, out).map_err(Failure::io("write", out)));
    if written.is_err() {
        let _ = fs::remove_dir_all(&part);
    }
    written
}

fn fill_tree(part: &Path, files: &Walk, changed: &[Changed]) -> Result<(), Failure> {
    let changed: BTreeMap<&str, &[u8]> = changed
        .iter()
        .map(|file| (file.path.as_str(), file.bytes.as_slice()))
        .collect();
    fs::create_dir_all(part).map_err(Failure::io("write", part))?;
    for path in &files.files {
        let target = part.join(files.path_in_tree(path));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(Failure::io("write", folder))?;
        }
        let source = files.disk_path(path);
        let Some(bytes) = changed.get(path.as_str()) else {
            fs::copy(&source, &target).map_err(Failure::io("copy", &source))?;
            continue;
        };
        // Rights come last: the file may be one that nobody may write.
        fs::write(&target, bytes)
            .and_then(|()| fs::set_permissions(&target, fs::metadata(&source)?.permissions()))
            .map_err(Failure::io("write", &target))?;
    }
    #[cfg(unix)]
    for path in &files.links {
        let (source, target) = (files.disk_path(path), part.join(files.path_in_tree(path)));
        if let Some(folder) = target.parent() {
            fs::create_dir_all(folder).map_err(Failure::io("write", folder))?;
        }
        fs::read_link(&source)
            .and_then(|to| std::os::unix::fs::symlink(to, &target))
            .map_err(Failure::io("copy the link", &source))?;
    }
    Ok(())
}

/// Exchanges files of a tree: none of them before all new bytes lie beside them.
fn exchange(files: &Walk, changed: &[Changed]) -> Result<(), Failure> {
    let mut parts: Vec<(PathBuf, PathBuf)> = Vec::with_capacity(changed.len());
    let mut prepare = || -> Result<(), Failure> {
        for file in changed {
            let path = files.disk_path(&file.path);
            let part = beside(&path, &file.bytes).map_err(Failure::io("write", &path))?;
            parts.push((part, path));
        }
        Ok(())
    };
    let prepared = prepare();
    let mut left = parts.iter();
    let done = prepared.and_then(|()| {
        left.try_for_each(|(part, path)| {
            fs::rename(part, path)
                .inspect_err(|_| {
                    let _ = fs::remove_file(part);
                })
                .map_err(Failure::io("write", path))
        })
    });
    for (part, _) in left {
        let _ = fs::remove_file(part);
    }
    done
}

/// Exchanges a file whole: the new bytes lie beside it before it goes.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let write = || {
        let part = beside(path, bytes)?;
        fs::rename(&part, path).inspect_err(|_| {
            let _ = fs::remove_file(&part);
        })
    };
    write().map_err(Failure::io("write", path))
}

/// Writes bytes beside the file that they are for, with its rights; where they lie. Nothing lies there after an error.
fn beside(path: &Path, bytes: &[u8]) -> std::io::Result<PathBuf> {
    let name = path
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    let part: PathBuf = path.with_file_name(format!(".{name}.{}.part", std::process::id()));
    let write = || -> std::io::Result<()> {
        let mut file = fs::File::create(&part)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        if let Ok(known) = fs::metadata(path) {
            fs::set_permissions(&part, known.permissions())?;
        }
        Ok(())
    };
    write().inspect_err(|_| {
        let _ = fs::remove_file(&part);
    })?;
    Ok(part)
}

fn run_verify(voice: Voice, arguments: &RefactorVerify) -> Result<u8, Failure> {
    let mapping = mapping(voice, &arguments.mapping)?;
    let (before, after) = (walk(&arguments.before)?, walk(&arguments.after)?);
    let styles = styles(&arguments.style, &mapping)?;
    let decisions = refactor_report::decisions(arguments.decisions.as_deref())?;
    let mut judged = verify_decided(
        &before,
        &after,
        &mapping,
        (&styles, &decisions),
        machine::threads(arguments.threads),
    );
    judged.extend(compare_binary(&before, &after)?);
    judged.extend(compare_links(&before, &after)?);
    let wrong = judged
        .iter()
        .filter(|file| !file.outcome.is_licensed())
        .count();
    let changes: usize = judged
        .iter()
        .map(|file| {
            if let Outcome::Licensed { changes } = file.outcome {
                changes
            } else {
                0
            }
        })
        .sum();
    let open: usize = judged.iter().map(|file| file.open).sum();
    let proof = match &arguments.proof {
        // No proof of what is not licensed.
        Some(path) => Some(
            match check_proof(path, &before, &after, &mapping, arguments)? {
                Ok(holds) => unlicensed(&judged).map_or(Ok(holds), Err),
                fault => fault,
            },
        ),
        None => None,
    };
    let fault = proof.as_ref().and_then(|proof| proof.as_ref().err());
    voice.answer(
        || {
            let mut document = json!({
                "ok": wrong == 0 && fault.is_none(), "files": judged.len(), "licensed_changes": changes, "open": open,
                "unlicensed": judged.iter().filter(|file| !file.outcome.is_licensed()).collect::<Vec<_>>(),
                "changed": judged.iter().filter(|file| matches!(file.outcome, Outcome::Licensed { .. })).map(|file| &file.path).collect::<Vec<_>>(),
            });
            if let Some(proof) = &proof {
                document["proof"] = json!({
                    "ok": proof.is_ok(), "holds": proof.as_ref().ok(), "fault": proof.as_ref().err(),
                });
            }
            document
        },
        || {
            let text = verify_text(&judged, changes, open, wrong);
            match &proof {
                Some(Ok(holds)) => format!(
                    "{text}the proof holds: {}, {}, {} under the names that the mapping says, {} that parse as before\n",
                    counted(holds.files as u64, "file"),
                    counted(holds.edits as u64, "edit"),
                    counted(holds.tables as u64, "table"),
                    counted(holds.texts as u64, "text"),
                ),
                Some(Err(fault)) => format!("{text}the proof does not hold: {fault}\n"),
                None => text,
            }
        },
    )?;
    Ok(u8::from(wrong > 0 || fault.is_some()))
}

/// The first change that nothing licenses, as what is wrong with a proof of it.
fn unlicensed(judged: &[Judged]) -> Option<proof::Fault> {
    let first = judged.iter().find(|file| !file.outcome.is_licensed())?;
    let what = match &first.outcome {
        Outcome::Unlicensed(change) => change.what.as_str(),
        _ => "it is in one of the trees only",
    };
    Some(proof::Fault {
        path: Some(first.path.clone()),
        what: format!("the mapping does not license an edit: {what}"),
    })
}

/// Whether the proof in a file holds of two trees.
fn check_proof(
    path: &Path,
    before: &Walk,
    after: &Walk,
    mapping: &Mapping,
    arguments: &RefactorVerify,
) -> Result<Result<proof::Holds, proof::Fault>, Failure> {
    let bytes = fs::read(path).map_err(Failure::io("read the proof", path))?;
    let (old, new) = (digests(before)?, digests(after)?);
    let tree = |files, digests| proof::Tree { files, digests };
    Ok(proof::check(
        &bytes,
        tree(before, &old),
        tree(after, &new),
        mapping,
        &styles(&arguments.style, mapping)?,
        machine::threads(arguments.threads),
    ))
}

/// Files that are no text must be the same bytes.
fn compare_binary(before: &Walk, after: &Walk) -> Result<Vec<Judged>, Failure> {
    let judged = |path: &str, outcome: Outcome| Judged {
        path: path.to_owned(),
        outcome,
        open: 0,
    };
    let mut found = Vec::new();
    for path in before.skipped_paths() {
        let (old, new) = (before.disk_path(path), after.disk_path(path));
        if !new.is_file() {
            found.push(judged(path, Outcome::Missing));
            continue;
        }
        let old_bytes = fs::read(&old).map_err(Failure::io("read", &old))?;
        let new_bytes = fs::read(&new).map_err(Failure::io("read", &new))?;
        if old_bytes != new_bytes {
            found.push(judged(
                path,
                Outcome::Unlicensed(karat_refactor::verify::Change {
                    line: 1,
                    column: 1,
                    what: "bytes of a file that is no text".to_owned(),
                    before: String::new(),
                    after: String::new(),
                }),
            ));
        }
    }
    for path in after.skipped_paths() {
        if !before.disk_path(path).is_file() {
            found.push(judged(path, Outcome::Added));
        }
    }
    Ok(found)
}

/// Links must lead where they led.
fn compare_links(before: &Walk, after: &Walk) -> Result<Vec<Judged>, Failure> {
    let target = |walk: &Walk, path: &String| {
        let disk = walk.disk_path(path);
        fs::read_link(&disk).map_err(Failure::io("read the link", &disk))
    };
    let mut found = Vec::new();
    for path in &before.links {
        let outcome = if after.links.binary_search(path).is_err() {
            Outcome::Missing
        } else {
            let (old, new) = (target(before, path)?, target(after, path)?);
            if old == new {
                continue;
            }
            Outcome::Unlicensed(karat_refactor::verify::Change {
                line: 1,
                column: 1,
                what: "the target of a link".to_owned(),
                before: old.display().to_string(),
                after: new.display().to_string(),
            })
        };
        found.push(Judged {
            path: path.clone(),
            outcome,
            open: 0,
        });
    }
    let added = after
        .links
        .iter()
        .filter(|path| before.links.binary_search(path).is_err());
    found.extend(added.map(|path| Judged {
        path: path.clone(),
        outcome: Outcome::Added,
        open: 0,
    }));
    Ok(found)
}

fn verify_text(judged: &[Judged], changes: usize, open: usize, wrong: usize) -> String {
    let mut text = String::new();
    for file in judged {
        match &file.outcome {
            Outcome::Same | Outcome::Licensed { .. } => {}
            Outcome::Missing => text.push_str(&format!("{}: is gone\n", file.path)),
            Outcome::Added => text.push_str(&format!("{}: was not there before\n", file.path)),
            Outcome::Unlicensed(change) => text.push_str(&format!(
                "{}:{}:{}: {}\n  before: {}\n  after:  {}\n",
                file.path, change.line, change.column, change.what, change.before, change.after
            )),
        }
    }
    text.push_str(&format!(
        "{}, {} licensed by the mapping, {} still open\n",
        counted(judged.len() as u64, "file"),
        counted(changes as u64, "change"),
        counted(open as u64, "occurrence")
    ));
    text.push_str(&if wrong == 0 {
        "ok: every change is licensed\n".to_owned()
    } else {
        format!(
            "{} changed in a way that nothing licenses\n",
            counted(wrong as u64, "file")
        )
    });
    text
}

fn run_mapping(voice: Voice, arguments: &RefactorMapping) -> Result<u8, Failure> {
    let reading = read_mapping(&arguments.file)?;
    let errors = reading
        .problems
        .iter()
        .filter(|problem| problem.weight == Weight::Error)
        .count();
    let told = |problem: &Problem| {
        format!(
            "{}: {problem}\n",
            if problem.weight == Weight::Error {
                "error"
            } else {
                "warning"
            }
        )
    };
    voice.answer(
        || {
            json!({
                "ok": errors == 0, "digest": reading.mapping.digest(), "tables": reading.mapping.tables().count(),
                "paths": reading.mapping.paths().count(), "problems": reading.problems,
            })
        },
        || {
            let mut text: String = reading.problems.iter().map(told).collect();
            text.push_str(&format!(
                "{}, {}, {}\n",
                counted(reading.mapping.tables().count() as u64, "table"),
                counted(reading.mapping.paths().count() as u64, "path"),
                counted(errors as u64, "mistake"),
            ));
            text
        },
    )?;
    Ok(if errors > 0 { 2 } else { 0 })
}

fn run_merge(voice: Voice, arguments: &RefactorMerge) -> Result<u8, Failure> {
    let read = |path: &Path| -> Result<Document, Failure> {
        let bytes = fs::read(path).map_err(Failure::io("read the mapping", path))?;
        Document::read(&path.display().to_string(), &bytes)
            .map_err(|error| Failure::usage(error.to_string(), error.hint.clone()))
    };
    let (base, person, anew) = (
        read(&arguments.base)?,
        read(&arguments.person)?,
        read(&arguments.anew)?,
    );
    let (merged, conflicts) = merge::merge(&base, &person, &anew);
    write_whole(&arguments.output, merged.csv().as_bytes())?;
    voice.answer(
        || json!({ "ok": conflicts.is_empty(), "rows": merged.rows.len(), "conflicts": conflicts }),
        || {
            let mut text = String::new();
            for conflict in &conflicts {
                let column = conflict.column.as_deref().unwrap_or("the row");
                text.push_str(&format!(
                    "{}: {column}: was `{}`, a person made `{}` of it (kept), now it would be `{}`\n",
                    conflict.row, conflict.base, conflict.person, conflict.anew
                ));
            }
            text + &format!("{}, {}\n", counted(merged.rows.len() as u64, "row"), counted(conflicts.len() as u64, "conflict"))
        },
    )?;
    Ok(u8::from(!conflicts.is_empty()))
}
