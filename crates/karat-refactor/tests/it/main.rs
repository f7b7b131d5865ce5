//! What the crate does to texts: each test gives files and a mapping and compares verdicts and the texts afterwards.

#![allow(clippy::unwrap_used)]

mod beside;
mod columns;
mod constants;
mod deep;
mod factory;
mod locations;
mod not_parsed;
mod notebooks;
mod parameter;
mod patterns;
mod programs;
mod properties;
mod python;
mod report;
mod rules;
mod scala;
mod script;
mod show;
mod soak;
mod soak_inputs;
mod spreadsheet;
mod sql;
mod values;
mod verify;
