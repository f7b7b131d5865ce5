//! Shell scripts and cells: SQL that is handed to `spark-sql`, `beeline` or `hive`, paths, and comments.
//!
//! A shell has no table names of its own. Texts after `-e` of a SQL client are SQL; words that begin like paths are paths; what is
//! a comment is one. Everything else is left to a person.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::Language;
use super::syntax::{self, named};
use crate::fragment::{Escape, Fragment, Refusal};
use crate::occurrence::{Means, NotATable};
use crate::reader::Reader;

/// Programs that take SQL on their command line.
const SQL_CLIENTS: &[&str] = &[
    "spark-sql",
    "beeline",
    "hive",
    "dbsqlcli",
    "impala-shell",
    "spark3-sql",
];

/// Reads a script.
pub(crate) fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>) {
    let language = tree_sitter_bash::LANGUAGE.into();
    let Some(tree) = syntax::parse(&language, fragment.text()) else {
        return;
    };
    let (comments, _) = syntax::comments_and_errors(&tree, &["comment"]);
    let mut found = Found::default();
    collect(tree.root_node(), fragment.text(), &mut found);
    for comment in comments {
        reader.region(fragment, comment, Means::NotATable(NotATable::Comment));
    }
    for text in found.sql {
        reader.read(&inner(fragment, &text), Language::Sql);
    }
    for path in found.paths {
        let inside = inner(fragment, &path);
        if !inside.text().is_empty() {
            reader.path(&inside, 0..inside.text().len());
        }
        reader.region(
            fragment,
            path.range,
            Means::NotATable(NotATable::PathSegment),
        );
    }
    for echoed in found.shown {
        reader.region(fragment, echoed, Means::NotATable(NotATable::StringData));
    }
}

#[derive(Default)]
struct Found {
    sql: Vec<Quoted>,
    paths: Vec<Quoted>,
    shown: Vec<Range<usize>>,
}

/// A word or text of a script.
struct Quoted {
    range: Range<usize>,
    quote: Option<char>,
    holes: Vec<Range<usize>>,
}

/// Goes through all commands without recursion.
fn collect(root: Node<'_>, text: &str, found: &mut Found) {
    let mut open = vec![root];
    while let Some(node) = open.pop() {
        if node.kind() == "command" {
            command(node, text, found);
        } else if node.kind() == "variable_assignment"
            && let Some(value) = node.child_by_field_name("value")
        {
            let value = quoted(value);
            if begins_like_a_path(&text[inside(&value)]) {
                found.paths.push(value);
            }
        }
        let mut inner = named(node);
        inner.reverse();
        open.extend(inner);
    }
}

fn command(node: Node<'_>, text: &str, found: &mut Found) {
    let name = node
        .child_by_field_name("name")
        .and_then(|name| text.get(name.byte_range()))
        .unwrap_or_default();
    let name = name.rsplit('/').next().unwrap_or(name);
    let mut cursor = node.walk();
    let arguments: Vec<Node<'_>> = node
        .children_by_field_name("argument", &mut cursor)
        .collect();
    let client = SQL_CLIENTS.contains(&name);
    for (index, argument) in arguments.iter().enumerate() {
        let value = quoted(*argument);
        let option = index
            .checked_sub(1)
            .and_then(|before| text.get(arguments[before].byte_range()))
            .unwrap_or_default();
        if client && matches!(option, "-e" | "--execute" | "-q" | "-Q") {
            found.sql.push(value);
        } else if begins_like_a_path(text.get(inside(&value)).unwrap_or_default()) {
            found.paths.push(value);
        } else if matches!(name, "echo" | "printf") {
            found.shown.push(value.range);
        }
    }
}

fn quoted(node: Node<'_>) -> Quoted {
    let quote = match node.kind() {
        "string" => Some('"'),
        "raw_string" => Some('\''),
        _ => None,
    };
    let mut holes: Vec<Range<usize>> = named(node)
        .into_iter()
        .filter(|child| {
            matches!(
                child.kind(),
                "simple_expansion" | "expansion" | "command_substitution" | "arithmetic_expansion"
            )
        })
        .map(|child| child.byte_range())
        .collect();
    let range = node.byte_range();
    // A word with a variable in it is one node or several; what is no plain word is taken as one hole.
    if quote.is_none() && node.kind() != "word" && node.kind() != "concatenation" {
        holes = vec![range.clone()];
    }
    Quoted {
        range,
        quote,
        holes,
    }
}

fn inside(quoted: &Quoted) -> Range<usize> {
    match quoted.quote {
        Some(_) if quoted.range.len() >= 2 => quoted.range.start + 1..quoted.range.end - 1,
        _ => quoted.range.clone(),
    }
}

fn begins_like_a_path(text: &str) -> bool {
    [
        "/dbfs/", "dbfs:/", "wasb", "abfs", "adl://", "s3://", "s3a://", "gs://",
    ]
    .iter()
    .any(|start| text.starts_with(start))
}

/// Only letters that no shell reads otherwise, in quotes or without.
#[derive(Debug)]
struct Harmless;

impl Escape for Harmless {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        let harmless = |letter: char| {
            letter.is_alphanumeric()
                || matches!(letter, '_' | '.' | '/' | ':' | '-' | '@' | '+' | '=')
        };
        match text.chars().find(|letter| !harmless(*letter)) {
            Some(letter) => Err(Refusal(format!("a shell may read {letter} in another way"))),
            None => Ok(text.to_owned()),
        }
    }
}

/// The fragment of a text, with its variables as holes.
fn inner(fragment: &Arc<Fragment>, quoted: &Quoted) -> Arc<Fragment> {
    let mut builder = fragment.inside("shell text");
    let range = inside(quoted);
    builder.escape(&Harmless);
    let mut at = range.start;
    for hole in quoted
        .holes
        .iter()
        .filter(|hole| hole.start >= range.start && hole.end <= range.end)
    {
        builder.verbatim(at..hole.start);
        let what = fragment
            .text()
            .get(hole.clone())
            .unwrap_or_default()
            .to_owned();
        builder.hole(hole.clone(), Vec::new(), &what);
        at = hole.end;
    }
    if at < range.end {
        builder.verbatim(at..range.end);
    }
    builder.build()
}
