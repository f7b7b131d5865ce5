//! Tests of karat-exact, one binary.
#![allow(clippy::unwrap_used, missing_docs)]

mod fingerprint;
