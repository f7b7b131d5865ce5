//! SQL of other engines in karat's dialect: what is written otherwise and means the same is edited in the text, the rest is told.
//!
//! - `text`: places in a text, and edits of it.
//! - `dialect`: whose SQL it is, and what that means.
//! - `functions`: names of functions, by what they mean.
//! - `spelling`: quotes and types, token by token, before the text is parsed.
//! - `query`: tables, `*` and columns of one SELECT.

mod dialect;
mod functions;
mod query;
mod spelling;
mod text;

pub use dialect::Dialect;
use functions::{Meaning, meaning, odd_call};
pub(crate) use query::{Found, Shape, Tables, read, read_expression};
pub(crate) use spelling::{quoted, respelled};
pub(crate) use text::{Edit, Lines, Trouble, applied, tokens, tokens_until};
