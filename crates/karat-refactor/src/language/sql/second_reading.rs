//! A second opinion: where sqlparser parses a query, the tables that it sees must be those that the scan saw.
//!
//! The two share no code. What only the parser sees goes to a person; what only the scan sees is not trusted either. Statements that
//! the parser does not know are left to the scan alone, and the candidates of the independent scanner are checked in any case.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use sqlparser::ast::{ObjectName, Query, SetExpr, Statement, Visit, Visitor};
use sqlparser::dialect::DatabricksDialect;
use sqlparser::parser::Parser;

use crate::fragment::is_placeholder;

/// Statements longer than this are not parsed again.
const LENGTH_MAX: usize = 256 * 1024;

/// What the two readings do not agree on.
#[derive(Debug, Default)]
pub(super) struct Disagreement {
    /// Names that only the parser takes for tables, in bytes of the statement.
    pub(super) only_parser: Vec<Range<usize>>,
    /// Starts of names that only the scan takes for tables.
    pub(super) only_scan: Vec<usize>,
}

/// Compares; `None` if the parser does not parse the statement. `tables`: where the scan saw tables, common table expressions and
/// functions of tables included, by their first byte.
pub(super) fn disagreement(statement: &str, tables: &BTreeSet<usize>) -> Option<Disagreement> {
    if statement.len() > LENGTH_MAX {
        return None;
    }
    // Letters of as many bytes, so that places stay; the parser takes no others for names.
    let mut text = String::with_capacity(statement.len());
    for letter in statement.chars() {
        match is_placeholder(letter) {
            true => text.extend(std::iter::repeat_n('x', letter.len_utf8())),
            false => text.push(letter),
        }
    }
    let parsed = Parser::new(&DatabricksDialect {})
        .with_recursion_limit(100)
        .try_with_sql(&text)
        .and_then(|mut parser| parser.parse_statements())
        .ok()?;
    let mut seen = Relations {
        lines: line_starts(&text),
        text: &text,
        found: Vec::new(),
        unplaced: false,
    };
    let _ = parsed.visit(&mut seen);
    if seen.unplaced {
        return None;
    }
    let starts: BTreeSet<usize> = seen.found.iter().map(|range| range.start).collect();
    Some(Disagreement {
        only_parser: seen
            .found
            .into_iter()
            .filter(|range| !tables.contains(&range.start))
            .collect(),
        only_scan: tables.difference(&starts).copied().collect(),
    })
}

struct Relations<'t> {
    lines: Vec<usize>,
    text: &'t str,
    found: Vec<Range<usize>>,
    unplaced: bool,
}

impl Relations<'_> {
    fn byte(&self, line: u64, column: u64) -> Option<usize> {
        let line = usize::try_from(line).ok()?.checked_sub(1)?;
        let start = *self.lines.get(line)?;
        let column = usize::try_from(column).ok()?.checked_sub(1)?;
        let mut letters = self.text[start..].char_indices().map(|(at, _)| at);
        letters
            .nth(column)
            .map(|at| start + at)
            .or(Some(self.text.len()))
    }
}

impl Visitor for Relations<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
        // The parser does not tell where the name behind TABLE stands.
        self.unplaced |= has_table(&query.body);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        let spans: Vec<_> = relation
            .0
            .iter()
            .filter_map(|part| part.as_ident())
            .map(|ident| ident.span)
            .collect();
        let (Some(first), Some(last)) = (spans.first(), spans.last()) else {
            self.unplaced = true;
            return ControlFlow::Continue(());
        };
        match (
            self.byte(first.start.line, first.start.column),
            self.byte(last.end.line, last.end.column),
        ) {
            (Some(start), Some(end)) if start < end => self.found.push(start..end),
            _ => self.unplaced = true,
        }
        ControlFlow::Continue(())
    }
}

/// Whether the parser found a query `TABLE t`: it knows no name of three parts there.
pub(crate) fn has_table_query(statements: &Vec<Statement>) -> bool {
    struct Tables(bool);
    impl Visitor for Tables {
        type Break = ();

        fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<()> {
            self.0 |= has_table(&query.body);
            ControlFlow::Continue(())
        }
    }
    let mut tables = Tables(false);
    let _ = statements.visit(&mut tables);
    tables.0
}

/// Whether `TABLE t` is a query, or one of those that UNION and its like put together.
fn has_table(body: &SetExpr) -> bool {
    let mut open = vec![body];
    while let Some(body) = open.pop() {
        match body {
            SetExpr::Table(_) => return true,
            SetExpr::SetOperation { left, right, .. } => open.extend([&**left, &**right]),
            _ => {}
        }
    }
    false
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(
            text.bytes()
                .enumerate()
                .filter(|(_, byte)| *byte == b'\n')
                .map(|(at, _)| at + 1),
        )
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(sql: &str, tables: &[&str]) -> String {
        let starts = tables
            .iter()
            .map(|table| sql.find(table).expect("the table"))
            .collect();
        match disagreement(sql, &starts) {
            None => "not parsed".to_owned(),
            Some(found) => {
                let parser: Vec<&str> = found
                    .only_parser
                    .iter()
                    .map(|range| &sql[range.clone()])
                    .collect();
                let scan: Vec<&str> = found.only_scan.iter().map(|start| &sql[*start..]).collect();
                format!("parser {parser:?} scan {scan:?}")
            }
        }
    }

    #[test]
    fn readings_are_compared() {
        let sql = "select 'é', a.x\n from s.a join `b`.c on extract(day from d) = 1";
        expect_test::expect!["parser [] scan []"].assert_eq(&told(sql, &["s.a", "`b`.c"]));
        expect_test::expect![[r#"parser ["`b`.c"] scan ["d) = 1"]"#]]
            .assert_eq(&told(sql, &["s.a", "d)"]));
        expect_test::expect!["not parsed"].assert_eq(&told("select from where", &[]));
    }
}
