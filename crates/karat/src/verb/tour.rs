//! `karat demo`: hands the tour this very program, and its folder.

use std::path::{Path, PathBuf};

use crate::demo::{self, DemoOptions};
use crate::failure::Failure;
use crate::output::Voice;

/// Tells the demo; 1 if a fact is not as it should be.
pub(crate) fn run(voice: Voice, dir: PathBuf, lines: u64) -> Result<u8, Failure> {
    let karat = std::env::current_exe().map_err(Failure::io("find", Path::new("karat")))?;
    let outcome = demo::run(&DemoOptions {
        dir,
        karat,
        lines,
        json: voice.json,
    })?;
    Ok(u8::from(!outcome.ok()))
}
