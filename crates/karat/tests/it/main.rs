//! What a person or a script sees of `karat`: each test starts the program in a project of its own and compares text and codes.

#![allow(clippy::unwrap_used)]

mod accounting;
mod adventures;
mod bad_input;
mod beside;
mod checks;
mod crash;
mod demo;
mod dice;
mod diff;
mod discover;
mod documents;
mod explains;
mod first_run;
mod flips;
mod formats;
mod gold;
mod golden;
mod history;
mod increments;
mod loads;
mod mistakes;
mod model_tests;
mod numbers;
mod peers;
mod plans;
mod project;
mod queries;
mod readers;
mod rebuild;
mod refactor;
mod refactor_proof;
mod repairs;
mod replay;
mod reshaped;
mod running;
mod runs;
mod signatures;
mod silver;
mod soak;
mod sql;
mod survey;
mod together;
mod two_days;
