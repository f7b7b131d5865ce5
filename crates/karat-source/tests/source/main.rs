//! What a source promises, shown from outside: text in, rows out.
#![allow(clippy::unwrap_used, missing_docs)]

mod dialects;
mod objects;
mod python;
mod real_data;
mod show;
mod sqlite;
mod text;
