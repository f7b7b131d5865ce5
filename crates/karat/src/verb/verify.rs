//! `karat verify`: receipts, logs, files and rows against each other.

use karat_pipeline::verify::{KnownHead, Level, VerifyOptions, VerifyReport, verify};
use karat_receipt::Digest;
use serde_json::{Value, json};

use crate::args::{Global, VerifyArgs};
use crate::failure::Failure;
use crate::output::{self, Table, Voice, counted, short};
use crate::site::{self, Opened, Wants};

/// Prints what was found; 1 if something contradicts the record, 4 if something may not be read.
pub(crate) fn run(voice: Voice, global: &Global, arguments: &VerifyArgs) -> Result<u8, Failure> {
    let only = arguments
        .table
        .as_deref()
        .map(table_and_version)
        .transpose()?;
    let head = arguments.head.as_deref().map(head).transpose()?;
    let opened = site::open_lake(voice, global, None, Some(&arguments.resources))?;
    let anchored = opened.anchored_heads()?;
    let mut heads: Vec<KnownHead> = anchored
        .iter()
        .flat_map(|(_, heads)| heads.clone())
        .collect();
    heads.extend(head.map(|digest| KnownHead {
        digest: Some(digest),
        from: "`--head`".to_owned(),
    }));
    let keys = opened.keys()?;
    let threads = opened.threads;
    let unsigned = unsigned_hint(&opened);
    let site = opened.site(Wants::reading())?;
    let level = match (arguments.signatures, arguments.files, arguments.all) {
        (true, ..) => Level::Signatures,
        (_, true, _) => Level::Files,
        (.., true) => Level::All,
        // A version that is named is looked at as a whole.
        _ if matches!(only, Some((_, Some(_)))) => Level::All,
        _ => Level::Newest,
    };
    let report = site::block_on(
        threads,
        verify(&site, &keys, &VerifyOptions { level, only, heads }),
    )??;
    let anchor = anchored
        .as_ref()
        .map(|(place, heads)| (place.as_str(), heads.len()));
    // An anchor that names nothing of a lake that has runs is none.
    let lost = matches!(anchor, Some((_, 0))) && report.head.is_some();
    voice.answer(|| document(&report, anchor), || text(&report, anchor))?;
    if let (Some((place, _)), true) = (anchor, lost) {
        output::print_error(&format!(
            "error: the anchor `{place}` names no head of this lake\nhint: bring the file back, or see to its path in karat.yaml; a new one is begun by the next `karat run`\n"
        ));
    }
    if report.unsigned > 0 {
        output::print_error(&unsigned);
    }
    Ok(match report.was_denied() {
        true => 4,
        false => u8::from(!report.ok() || lost),
    })
}

/// What to do about versions without the signature that is demanded, once for all of them.
fn unsigned_hint(opened: &Opened) -> String {
    let target = &opened.target;
    let declared = opened.project.targets.get(target);
    let key = match declared.is_some_and(|target| target.key.is_some()) {
        true => String::new(),
        false => format!(
            "make a key (`openssl genpkey -algorithm ed25519 -out KEY`), put its public half into the project (`openssl pkey -in KEY -pubout -out keys/NAME.pub`), and give it to target `{target}` in karat.yaml (`key: \"${{file:KEY}}\"`, or `key: \"${{env:VARIABLE}}\"` with its text); then "
        ),
    };
    format!(
        "hint: target `{target}` has `require_signature: true`: {key}`karat receipt adopt --all REASON` signs for what is right with the target's key\n"
    )
}

pub(super) fn table_and_version(text: &str) -> Result<(String, Option<i64>), Failure> {
    match text.split_once('@') {
        None => Ok((text.to_owned(), None)),
        Some((table, version)) => match version.parse() {
            Ok(version) => Ok((table.to_owned(), Some(version))),
            Err(_) => Err(Failure::usage(
                format!("`{version}` is no version"),
                "write it like `sales_silver.orders@3`",
            )),
        },
    }
}

fn head(text: &str) -> Result<Digest, Failure> {
    text.parse().map_err(|_| {
        Failure::usage(
            format!("`{text}` is no head"),
            "give all 64 digits of the head that `karat run` printed",
        )
    })
}

fn document(report: &VerifyReport, anchor: Option<(&str, usize)>) -> Value {
    let tables: Vec<Value> = report
        .tables
        .iter()
        .map(|table| {
            json!({
                "table": table.table, "version": table.version, "outcome": table.outcome, "expected": table.expected,
                "found": table.found, "detail": table.detail,
            })
        })
        .collect();
    let files: Vec<Value> = report
        .files
        .iter()
        .map(|file| json!({ "path": file.path, "outcome": file.outcome, "detail": file.detail }))
        .collect();
    json!({
        "ok": report.ok(), "tables": tables, "files": files, "receipts": report.receipts, "files_hashed": report.files_hashed,
        "rows_decoded": report.rows_decoded, "head": report.head.map(|head| head.to_string()),
        "anchor": anchor.map(|(place, heads)| json!({ "place": place, "heads": heads })),
    })
}

fn text(report: &VerifyReport, anchor: Option<(&str, usize)>) -> String {
    if report.tables.is_empty() && report.files.is_empty() {
        return "the lake has no tables yet: nothing to verify\n".to_owned();
    }
    // Tables and files are two lists with one first column.
    let outcomes = report.tables.iter().map(|table| table.outcome);
    let outcomes = outcomes.chain(report.files.iter().map(|file| file.outcome));
    let width = outcomes.map(str::len).max().unwrap_or_default();
    let mut lines = Table::new(&["outcome", "table", ">version", "fingerprint", ""]);
    for table in &report.tables {
        let fingerprint = table
            .found
            .as_deref()
            .or(table.expected.as_deref())
            .map(short)
            .unwrap_or_default();
        lines.row([
            format!("{:<width$}", table.outcome),
            table.table.clone(),
            table.version.to_string(),
            fingerprint,
            table.detail.clone(),
        ]);
    }
    let mut text = lines.text();
    let mut files = Table::new(&["outcome", "file", ""]);
    for file in &report.files {
        files.row([
            format!("{:<width$}", file.outcome),
            file.path.clone(),
            file.detail.clone(),
        ]);
    }
    if !report.tables.is_empty() && !report.files.is_empty() {
        text.push('\n');
    }
    text.push_str(&files.text());
    let looked_at = format!(
        "{}, {} hashed, {} decoded",
        counted(report.receipts, "receipt"),
        counted(report.files_hashed, "file"),
        counted(report.rows_decoded, "row")
    );
    text.push_str(&match report.ok() {
        true => format!("verified: {looked_at}\n"),
        false => format!("NOT as the record says: {looked_at}\n"),
    });
    if let Some(head) = &report.head {
        text.push_str(&format!("head {head}\n"));
    }
    if let Some((place, heads)) = anchor.filter(|(_, heads)| *heads > 0) {
        text.push_str(&format!(
            "anchor {place}: {}\n",
            counted(heads as u64, "head")
        ));
    }
    text
}
