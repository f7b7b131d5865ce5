//! Tests of karat-exact, one binary: text in, text out.
#![allow(clippy::unwrap_used, missing_docs)]

mod answered;
mod answers;
mod comparisons;
mod errors;
mod fingerprint;
mod frames;
mod functions;
mod grouping;
mod harness;
mod interpreter;
mod mistakes;
mod mixtures;
mod names;
mod order;
mod outcomes;
mod queries;
mod sets;
mod slips;
mod spellings;
mod subqueries;
