//! Where `IDENTIFIER(:parameter || …)` may stand for a name, as Databricks documents it: the subject of CREATE, ALTER and DROP, the target of
//! INSERT, MERGE, UPDATE, DELETE, COPY INTO, SHOW, DESCRIBE and USE, and tables of queries; never with a parameter in the body of a view or function.

use std::ops::Range;

use super::lexer::Tokens;
use super::statement::Statement;
use crate::reader::Spot;

/// Statements whose tables may be given so.
const QUERIES: &[&str] = &[
    "SELECT", "WITH", "FROM", "VALUES", "TABLE", "MAP", "REDUCE", "INSERT", "MERGE", "UPDATE",
    "DELETE", "COPY", "DROP", "USE", "DESCRIBE", "DESC",
];

/// Words in front of a statement.
const IN_FRONT: &[&str] = &[
    "BEGIN",
    "ELSE",
    "THEN",
    "DO",
    "LOOP",
    "EXPLAIN",
    "EXTENDED",
    "CODEGEN",
    "COST",
    "FORMATTED",
];

impl Statement<'_, '_, '_> {
    /// Whether the name at these bytes may be put together from a parameter.
    pub(super) fn spot(&self, name: &Range<usize>) -> Spot {
        let at = self
            .tokens
            .partition_point(|token| token.range.start < name.start);
        if self.text[name.end..].starts_with('@') {
            return Spot::Literal("`@` behind a name needs the name itself");
        }
        let mut first = self.behind_open().min(at);
        while self.token_text(first) == "(" || first < at && self.is_any(first, IN_FRONT) {
            first += 1;
        }
        let before = at.checked_sub(1);
        let behind = |words: &[&str]| before.is_some_and(|before| self.is_any(before, words));
        let elsewhere = Spot::Literal("`IDENTIFIER` may not stand in this statement");
        if self.is_any(first, QUERIES) {
            return Spot::Identifier;
        }
        if self.is(first, "SHOW") {
            let grants = self.is_any(first + 1, &["GRANT", "GRANTS"]);
            return if grants { elsewhere } else { Spot::Identifier };
        }
        if self.is(first, "ALTER") {
            return match behind(&["TABLE", "VIEW", "SCHEMA", "DATABASE", "EXISTS"]) {
                true => Spot::Identifier,
                false => elsewhere,
            };
        }
        if !self.is_any(first, &["CREATE", "REPLACE"]) {
            return elsewhere;
        }
        let kind = (first..at).find(|at| {
            self.is_any(
                *at,
                &[
                    "TABLE",
                    "VIEW",
                    "FUNCTION",
                    "SCHEMA",
                    "DATABASE",
                    "NAMESPACE",
                ],
            )
        });
        let Some(kind) = kind else { return elsewhere };
        let pipeline = (first..kind)
            .any(|at| self.is_any(at, &["LIVE", "STREAMING", "MATERIALIZED", "REFRESH"]));
        if pipeline {
            return Spot::Literal("a declarative pipeline has no parameters of a notebook");
        }
        if before == Some(kind) || behind(&["EXISTS"]) {
            return Spot::Identifier;
        }
        if self.is_any(kind, &["VIEW", "FUNCTION"]) {
            return Spot::Literal("a parameter may not stand in the body of a view or function");
        }
        match behind(&["LIKE", "CLONE"]) {
            true => elsewhere,
            false => Spot::Identifier,
        }
    }
}
