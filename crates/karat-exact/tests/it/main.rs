//! Tests of karat-exact, one binary: text in, text out.
#![allow(clippy::unwrap_used, missing_docs)]

mod answers;
mod fingerprint;
mod grouping;
mod harness;
mod order;
