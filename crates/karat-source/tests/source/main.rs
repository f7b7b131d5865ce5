//! What a source promises, shown from outside: text in, rows out.
#![allow(clippy::unwrap_used, missing_docs)]

mod avro;
mod control;
mod dialects;
mod excel;
mod json;
mod objects;
mod packed;
mod parquet;
mod python;
mod real_data;
mod show;
mod sqlite;
mod text;
