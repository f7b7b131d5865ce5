//! `karat query`: to come.

use crate::args::{Global, QueryArgs};
use crate::failure::Failure;
use crate::output::Voice;

pub(crate) fn run(_voice: Voice, _global: &Global, _arguments: &QueryArgs) -> Result<u8, Failure> {
    Err(Failure::usage("not yet", ""))
}
