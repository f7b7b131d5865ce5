//! How the texts of an asset parse, without the names in them: what must be the same before and after edits.
//!
//! Each text that a front end hands to the reader is parsed here again: programs by tree-sitter, SQL statement by statement (its tokens,
//! and what sqlparser makes of it), JSON and YAML as trees with the pipeline expressions in them. What remains when dotted names and the
//! contents of texts are taken out is a digest; [`crate::proof`] compares them. What was found in the texts plays no part here.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use karat_receipt::Digest;
use sqlparser::ast::Statement;
use sqlparser::dialect::DatabricksDialect;
use sqlparser::parser::Parser;

use crate::factory::expression::{self, Expr, ExprKind, Syntax};
use crate::format::{Format, tree};
use crate::fragment::{Fragment, is_placeholder};
use crate::language::Language;
use crate::language::python::without_magics;
use crate::language::{has_table_query, lexer, next_substitution, syntax};

/// One text, parsed: where it lies in the asset, what it is, and a digest of how it parses.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Parsed {
    /// Its first byte in the text of the asset.
    pub at: usize,
    /// What it is.
    pub what: &'static str,
    /// How it parses.
    digest: [u8; 32],
}

impl Parsed {
    fn new(at: usize, what: &'static str, parsed: &str) -> Self {
        Self {
            at,
            what,
            digest: *Digest::of(parsed.as_bytes()).as_bytes(),
        }
    }

    /// Whether another text parses in the same way, wherever it lies.
    pub fn is_like(&self, other: &Self) -> bool {
        (self.what, self.digest) == (other.what, other.digest)
    }
}

/// Statements longer than this are not parsed, only taken apart into tokens.
const STATEMENT_MAX: usize = 256 * 1024;

/// How a text in a language parses.
pub(crate) fn of_code(fragment: &Arc<Fragment>, language: Language) -> Vec<Parsed> {
    let text = fragment.text();
    let program = |what: &'static str, text: &str, grammar: tree_sitter::Language| {
        let (from, parsed) = match syntax::parse(&grammar, text) {
            // Where a grammar goes on behind a mistake depends on how long the names around it are: that it is one is all that must stay.
            Ok(tree) if tree.root_node().has_error() => {
                (of_program(&tree)?.0, "with mistakes".to_owned())
            }
            Ok(tree) => of_program(&tree)?,
            Err(_) => (0, "not parsed".to_owned()),
        };
        let at = fragment.locate(&(from..from + 1)).start;
        Some(Parsed::new(at, what, &parsed))
    };
    match language {
        Language::Python => {
            let (text, _) = without_magics(text);
            program("Python", &text, tree_sitter_python::LANGUAGE.into())
                .into_iter()
                .collect()
        }
        Language::Scala => program("Scala", text, tree_sitter_scala::LANGUAGE.into())
            .into_iter()
            .collect(),
        Language::R => program("R", text, tree_sitter_r::LANGUAGE.into())
            .into_iter()
            .collect(),
        Language::Sql => of_sql(fragment),
        Language::Shell | Language::Markdown => Vec::new(),
    }
}

/// The kinds of all nodes in order, with their depth, and where the first of them begins; `None` if there are none. Comments, and the
/// contents of texts, which edits may divide in other ways, are left out.
fn of_program(tree: &tree_sitter::Tree) -> Option<(usize, String)> {
    let mut parsed = String::new();
    let mut first = None;
    let mut cursor = tree.walk();
    let mut depth = 0_usize;
    loop {
        let node = cursor.node();
        let kind = node.kind();
        let is_comment = node.is_extra() && !node.is_error();
        let is_left_out = is_comment || kind.contains("string_content") || kind.contains("escape");
        if !is_left_out {
            if depth == 1 {
                first.get_or_insert(node.start_byte());
            }
            let _ = writeln!(
                parsed,
                "{depth} {} {} {}",
                node.kind_id(),
                node.is_error(),
                node.is_missing()
            );
        }
        if !is_left_out && cursor.goto_first_child() {
            depth += 1;
            continue;
        }
        loop {
            if cursor.goto_next_sibling() {
                break;
            }
            if !cursor.goto_parent() {
                return first.map(|first| (first, parsed));
            }
            depth -= 1;
        }
    }
}

/// One shape a statement.
fn of_sql(fragment: &Arc<Fragment>) -> Vec<Parsed> {
    let text = plain(fragment.text());
    let mut shapes = Vec::new();
    let mut statement = |range: Range<usize>| {
        let sql = &text[range.clone()];
        let parsed = (sql.len() <= STATEMENT_MAX).then(|| {
            Parser::new(&DatabricksDialect {})
                .with_recursion_limit(100)
                .try_with_sql(sql)
                .and_then(|mut parser| parser.parse_statements())
                .ok()
        });
        // What it does not know behind SHOW is a list of words for it, without the dots that join them.
        let is_read = |statements: &Vec<Statement>| {
            let of_words = |one: &Statement| matches!(one, Statement::ShowVariable { .. });
            !statements.iter().any(of_words) && !has_table_query(statements)
        };
        let parsed = parsed.flatten().filter(is_read).map(|statements| {
            let written: Vec<String> = statements.iter().map(ToString::to_string).collect();
            without_names(&written.join(";"))
        });
        let at = fragment.locate(&(range.start..range.start + 1)).start;
        let tokens = without_names(sql);
        shapes.push(Parsed::new(at, "SQL", &format!("{tokens}\n{parsed:?}")));
    };
    // From the first token that says something.
    let mut from = None;
    for token in lexer::tokens(&text) {
        if &text[token.range.clone()] == ";" {
            if let Some(from) = from.take() {
                statement(from..token.range.start);
            }
        } else if !matches!(token.kind, lexer::Kind::Blank | lexer::Kind::Comment) {
            from.get_or_insert(token.range.start);
        }
    }
    if let Some(from) = from {
        statement(from..text.len());
    }
    shapes
}

/// SQL with letters in the place of what is decided at run time, as many bytes.
fn plain(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut at = 0;
    while let Some((start, end, _)) = next_substitution(sql, at) {
        text.push_str(&sql[at..start]);
        text.extend(std::iter::repeat_n('x', end - start));
        at = end;
    }
    text.push_str(&sql[at..]);
    let mut plain = String::with_capacity(text.len());
    for letter in text.chars() {
        match is_placeholder(letter) {
            true => plain.extend(std::iter::repeat_n('x', letter.len_utf8())),
            false => plain.push(letter),
        }
    }
    plain
}

/// The tokens of SQL: `n` for a name of any number of parts, a letter for the kind of other tokens, symbols as they are.
fn without_names(sql: &str) -> String {
    use lexer::Kind;
    let mut kinds = String::new();
    for token in lexer::tokens(sql) {
        match token.kind {
            Kind::Blank | Kind::Comment => {}
            // `a.b.c` is one name, and so is a word alone.
            Kind::Word | Kind::Quoted if kinds.ends_with("n.") => {
                kinds.pop();
            }
            Kind::Word | Kind::Quoted => kinds.push('n'),
            Kind::String => kinds.push('s'),
            Kind::Number => kinds.push('0'),
            Kind::Symbol => kinds.push_str(&sql[token.range]),
        }
    }
    kinds
}

/// How a file of data parses as a whole; `None` for files that are none.
pub(crate) fn of_data(text: &str, format: Format) -> Option<Parsed> {
    let (what, tree) = match format {
        Format::Json | Format::Jupyter | Format::Archived => ("JSON", tree::Tree::json(text)),
        Format::Yaml => ("YAML", crate::format::yaml_tree(text)),
        _ => return None,
    };
    let Ok(tree) = tree else {
        return Some(Parsed::new(0, what, "not parsed"));
    };
    let mut parsed = String::new();
    for id in tree.ids() {
        let node = tree.node(id);
        let _ = write!(parsed, "{:?} {:?} ", node.parent, tree.key(id));
        match &node.kind {
            tree::Kind::Plain(text) => parsed.push_str(text),
            tree::Kind::Text(text) => of_text(&text.text, &mut parsed),
            tree::Kind::List => parsed.push('l'),
            tree::Kind::Map => parsed.push('m'),
        }
        parsed.push('\n');
    }
    Some(Parsed::new(0, what, &parsed))
}

/// A text of a file: that it is one, and the expressions in it.
fn of_text(text: &str, parsed: &mut String) {
    let syntax = match text.as_bytes().first() {
        Some(b'[') => Syntax::Arm,
        _ if text.contains('@') => Syntax::DataFactory,
        _ => return parsed.push('t'),
    };
    match expression::parse(text, syntax) {
        Ok(expression::Text::Expression(expression)) => of_expression(&expression, parsed),
        Ok(expression::Text::Mixed(parts)) => {
            for part in &parts {
                if let expression::Part::Expression(expression) = part {
                    of_expression(expression, parsed);
                }
            }
        }
        Ok(expression::Text::Plain(_)) | Err(_) => parsed.push('t'),
    }
}

fn of_expression(expression: &Expr, parsed: &mut String) {
    match &expression.kind {
        ExprKind::Text => parsed.push('t'),
        ExprKind::Number => parsed.push('0'),
        ExprKind::Bool(_) | ExprKind::Null => parsed.push('b'),
        ExprKind::Call { name, arguments } => {
            let _ = write!(parsed, "{name:?}(");
            for argument in arguments {
                of_expression(argument, parsed);
                parsed.push(',');
            }
            parsed.push(')');
        }
        ExprKind::Member { of, name } => {
            of_expression(of, parsed);
            let _ = write!(parsed, ".{name:?}");
        }
        ExprKind::Index { of, index } => {
            of_expression(of, parsed);
            parsed.push('[');
            of_expression(index, parsed);
            parsed.push(']');
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alike(language: Language, before: &str, after: &str) -> bool {
        let shapes = |text: &str| {
            let root = Fragment::root(text.to_owned(), "code");
            of_code(&root, language)
        };
        let (before, after) = (shapes(before), shapes(after));
        before.len() == after.len() && before.iter().zip(&after).all(|(a, b)| a.is_like(b))
    }

    #[test]
    fn names_play_no_part_and_all_else_does() {
        for (language, before, after, expected) in [
            (
                Language::Sql,
                "select o.id from orders o; use sales",
                "select o.id from `prod-eu`.b.orders o; use prod.sales",
                true,
            ),
            (
                Language::Sql,
                "select * from ${db}.t where x = 'a'",
                "select * from prod.${db}.t where x = 'b.c'",
                true,
            ),
            (
                Language::Sql,
                "select * from a.b",
                "select * from prod-eu.a.b",
                false,
            ),
            (
                Language::Sql,
                "select * from a.b",
                "select * from p.a.b where x",
                false,
            ),
            (
                Language::Python,
                "spark.sql(f'select * from {db}.t')",
                "spark.sql(f'select * from prod.{db}.t')",
                true,
            ),
            (Language::Python, "t('a.b')", "t('a'.b)", false),
            (Language::Python, "t('a.b')\n", "t('a.b'\n", false),
            (
                Language::Scala,
                "spark.table(s\"$db.t\")",
                "spark.table(s\"prod.$db.t\")",
                true,
            ),
            (
                Language::Scala,
                "spark.table(\"a.t\")",
                "spark.table(\"p.a.t\\\")",
                false,
            ),
            (Language::R, "tbl(sc, 'a.t')", "tbl(sc, 'p.a.t')", true),
            (Language::R, "tbl(sc, 'a.t')", "tbl(sc, 'p.a.t', 1)", false),
        ] {
            assert_eq!(
                alike(language, before, after),
                expected,
                "{before} / {after}"
            );
        }
        let data = |text: &str, format| of_data(text, format).map(|shape| shape.digest);
        let json = r#"{"a": ["@concat('select ', item().b, ' from a.t')", "b.t @{item()}.t"]}"#;
        assert_eq!(
            data(json, Format::Json),
            data(
                &json.replace("a.t", "p.a.t").replace("b.t", "p.b.t"),
                Format::Json
            )
        );
        assert_ne!(
            data(json, Format::Json),
            data(&json.replace("a.t'", "a.t"), Format::Json)
        );
        assert_ne!(
            data("a: b.t\n", Format::Yaml),
            data("a: [p, b.t]\n", Format::Yaml)
        );
        assert_eq!(
            data("a: b.t\n", Format::Yaml),
            data("a: '`p-q`.b.t'\n", Format::Yaml)
        );
    }
}
