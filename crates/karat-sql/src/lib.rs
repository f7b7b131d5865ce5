//! SQL as text: what a query names, what it gives back, where it is wrong.
//!
//! This crate knows no table, no type and no file. It parses in the dialect of DataFusion and answers, with line and
//! column, which tables a query reads, which columns it names and which it returns. Whether they exist is for others to say.
//!
//! - `slips`: what a text most likely meant that is read as something else, or not at all.
//! - [`token`]: the token stream, and the normalised text that a code digest is made of.
//! - [`asked`]: the values that a text takes from the run.
//! - `passed_over`: clauses that the engine would pass over, refused by name.
//! - [`query`]: one SELECT: references, output columns, column references, stars.
//! - [`expression`]: one expression, as silver models write them.

pub mod asked;
pub mod expression;
mod names;
mod passed_over;
pub mod query;
mod slips;
pub mod token;

pub use asked::{Asked, AskedValue};
pub use expression::Expression;
pub use query::{ColumnRef, Derived, OutputColumn, Query, TableRef};
pub use token::{normalised, shown};

/// A place in a SQL text: line and column count from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

/// A stretch of SQL text; `end` is the first position behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The first character.
    pub start: Position,
    /// Just behind the last character.
    pub end: Position,
}

impl Span {
    /// Number of characters where the span stays on one line, else 1.
    pub fn length(&self) -> u32 {
        if self.start.line == self.end.line {
            self.end.column.saturating_sub(self.start.column).max(1)
        } else {
            1
        }
    }
}

/// Why a SQL text was not understood, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct SqlTextError {
    /// What is wrong.
    pub message: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// How many characters to mark.
    pub length: u32,
    /// What to do instead, where we know.
    pub hint: Option<String>,
}

impl SqlTextError {
    fn at(position: Position, length: u32, message: impl Into<String>) -> Self {
        SqlTextError {
            message: message.into(),
            line: position.line,
            column: position.column,
            length,
            hint: None,
        }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What to do instead, where we know.
    pub fn hint_text(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

/// The tables that one SELECT reads, in the order in which the text names them.
///
/// ```
/// let tables = karat_sql::references("select o.id from sales_silver.orders o").expect("a query");
/// assert_eq!(tables[0].parts, ["sales_silver", "orders"]);
/// ```
pub fn references(sql: &str) -> Result<Vec<TableRef>, SqlTextError> {
    Ok(Query::read(sql)?.0.tables)
}

/// The columns that the top SELECT gives back, left to right.
pub fn output_columns(sql: &str) -> Result<Vec<OutputColumn>, SqlTextError> {
    Ok(Query::parse(sql)?.outputs)
}
