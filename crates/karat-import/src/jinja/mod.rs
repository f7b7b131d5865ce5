//! Templates as dbt writes them, evaluated where they are plain: constants, `set`, `if`, `for`, macros of the project, and what the
//! caller knows (`ref`, `source`, `var`). Everything else stops with its line and what it was.
//!
//! - `lexer`: a template as texts, outputs and statements; an expression as tokens.
//! - `parser`: trees of both, never deeper than [`DEPTH_MAX`].
//! - `value`: what an expression is.
//! - `filters`: filters and tests of values.
//! - `evaluate`: the text that comes of it, with the line of the template for each piece.

mod evaluate;
mod filters;
mod lexer;
mod parser;
mod value;

pub(crate) use evaluate::{Arguments, Knowing, Rendered, constant, render, render_block};
pub(crate) use parser::{Macro, expression, parse};
pub(crate) use value::Value;

/// How deep templates and expressions may nest.
pub(crate) const DEPTH_MAX: usize = 64;

/// How many operators, attributes and calls of an expression may stand in each other.
pub(crate) const LINKS_MAX: usize = 128;

/// Why a template is not plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NotPlain {
    /// Line of the template, from 1.
    pub(crate) line: u32,
    /// What stands there, like `run_query`.
    pub(crate) construct: String,
    /// Why it is not taken over.
    pub(crate) why: String,
    /// What a person does about it.
    pub(crate) fix: String,
}

impl NotPlain {
    pub(crate) fn new(
        line: u32,
        construct: impl Into<String>,
        why: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        NotPlain {
            line,
            construct: construct.into(),
            why: why.into(),
            fix: fix.into(),
        }
    }

    /// What is no template at all.
    fn broken(line: u32, construct: impl Into<String>, why: impl Into<String>) -> Self {
        NotPlain::new(line, construct, why, "mend the template")
    }
}
