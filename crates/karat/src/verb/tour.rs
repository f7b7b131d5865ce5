//! `karat demo`: hands the tour this very program, and its folder.

use std::path::{Path, PathBuf};

use karat_lake::Format;

use crate::args::Global;
use crate::demo::{self, DemoOptions};
use crate::failure::Failure;
use crate::output::Voice;
use crate::progress::Activity;

/// Tells the demo; 1 if a fact is not as it should be.
pub(crate) fn run(
    voice: Voice,
    global: &Global,
    dir: PathBuf,
    lines: u64,
    format: Format,
) -> Result<u8, Failure> {
    let karat = std::env::current_exe().map_err(Failure::io("find", Path::new("karat")))?;
    let activity = Activity::new("demo", voice.quiet, global.progress);
    let options = DemoOptions {
        dir,
        karat,
        lines,
        format,
        json: voice.json,
    };
    let outcome = demo::run(&options, &activity);
    activity.done();
    let outcome = outcome?;
    Ok(u8::from(!outcome.ok()))
}
