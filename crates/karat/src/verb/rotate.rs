//! `karat receipt rotate`: the target's signing key hands over to a new one (G7).

use std::path::Path;

use karat_lake::{Put, put_if_absent};
use karat_pipeline::{epochs, undo};
use karat_receipt::{Instant, Rotation, SigningKey};
use serde_json::json;

use crate::failure::Failure;
use crate::machine;
use crate::output::Voice;
use crate::site::{Opened, Wants};

/// Writes the statement, signed by both keys, among the project's public keys.
pub(crate) fn run(voice: Voice, opened: Opened, to: &Path, reason: &str) -> Result<u8, Failure> {
    if reason.trim().is_empty() {
        return Err(Failure::usage(
            "a rotation needs a reason",
            "say why the key is replaced: `karat receipt rotate --to FILE REASON`",
        ));
    }
    let Some(old) = opened.signing_key()? else {
        return Err(Failure::usage(
            "the target signs with no key that could hand over",
            "give it the first one as `key: \"${file:PATH}\"` in karat.yaml, and its public half as `keys/NAME.pub`",
        ));
    };
    let text = std::fs::read_to_string(to).map_err(Failure::io("read the new key", to))?;
    let new = SigningKey::from_pkcs8_pem(&text)?;
    let mut ring = opened.keys()?;
    let folder = opened.root.join("keys");
    let at = Instant::parse(&opened.moment.logical_text())?;
    let rotation = Rotation {
        from: old.id(),
        to: new.public_key(),
        at,
        reason: reason.trim().to_owned(),
        principal: machine::principal(),
    };
    let bytes = rotation.seal(&old, &new)?;
    let file = rotation.file_name();
    // Read back as every verifier will: a key that may not hand over is refused before anything is written.
    ring.follow(vec![(file.clone(), Rotation::open(&file, &bytes)?)])?;
    let site = opened.site(Wants::reading())?;
    let unsettled = epochs::unsettled(&site)?;
    for one in &unsettled {
        if one.is_taken_up(&site)? {
            // Whoever takes it up signs with the new key for the old one's time, which no verifier accepts.
            return Err(Failure::usage(
                format!(
                    "`{}` has work that a stopped run left, of a time at which the old key signs",
                    one.table
                ),
                "let `karat run` finish it, then rotate",
            ));
        }
    }
    if let Some(undo) = undo::unfinished(&site)?.first() {
        return Err(Failure::usage(
            format!(
                "the undo of run {} is not finished, of a time at which the old key signs",
                undo.run
            ),
            format!("{}; then rotate", undo::how_to_finish(&undo.run)),
        ));
    }
    for one in unsettled {
        one.give_up(
            &site,
            "its run ended early, the project no longer declares the table, and the signing key handed over",
        )?;
    }
    let path = folder.join(&file);
    // Whole or not at all: half of it would keep everybody from reading the keys.
    if put_if_absent(&path, &bytes)? == Put::Exists {
        return Err(Failure::usage(
            format!("`keys/{file}` is there already"),
            "these two keys have handed over: let the target's `key` name the new one",
        ));
    }
    let (from, to_id) = (&rotation.from, rotation.to.id());
    voice.answer(
        || json!({ "from": from.as_str(), "to": to_id.as_str(), "at": at.to_string(), "file": format!("keys/{file}") }),
        || {
            format!(
                "{from} hands over to {to_id} at {at}: `keys/{file}`, signed by both\nhint: commit that file with the project, and let the target's `key` name {} from now on\n",
                to.display()
            )
        },
    )?;
    Ok(0)
}
