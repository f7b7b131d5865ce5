//! What the three tree-sitter front ends share: parsing, children, ranges, and the list of what was not understood.

use std::ops::{ControlFlow, Range};

use tree_sitter::{Language, Node, ParseOptions, ParseState, Parser, Tree};

use super::program::{DEPTH_MAX, Expression, Kind, Program, Statement, with_stack};

/// Texts longer than this are not parsed: the grammar's stack could not hold what a hostile one asks for.
pub(super) const BYTES_MAX: usize = 8 * 1024 * 1024;

/// Parses a text; `None` if it is too long or the grammar gives up.
pub(crate) fn parse(language: &Language, text: &str) -> Option<Tree> {
    if text.len() > BYTES_MAX {
        return None;
    }
    let mut parser = Parser::new();
    parser.set_language(language).ok()?;
    // Text that is no program can make the grammar try for hours. Steps are counted, so that the answer does not depend on the clock:
    // real programs need up to two a byte; the callback comes every hundred.
    let steps_max = 200 + text.len() / 20;
    let mut steps = 0;
    let mut count = |_: &ParseState| {
        steps += 1;
        if steps > steps_max {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let bytes = text.as_bytes();
    let options = ParseOptions::new().progress_callback(&mut count);
    parser.parse_with_options(
        &mut |at, _| bytes.get(at..).unwrap_or_default(),
        None,
        Some(options),
    )
}

/// What a front end collects while it walks a tree.
pub(super) struct Walk<'a> {
    /// The text of the cell.
    pub(super) text: &'a str,
    /// Stretches that were not understood.
    pub(super) broken: Vec<Range<usize>>,
    /// All texts.
    pub(super) texts: Vec<Range<usize>>,
    /// Holes of texts.
    pub(super) holes: Vec<Range<usize>>,
    /// How deep the walk is.
    pub(super) depth: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self {
            text,
            broken: Vec::new(),
            texts: Vec::new(),
            holes: Vec::new(),
            depth: 0,
        }
    }

    /// The program, when all of it was walked.
    pub(super) fn finish(
        mut self,
        body: Vec<Statement>,
        comments: Vec<Range<usize>>,
        broken: Vec<Range<usize>>,
    ) -> Program {
        self.broken.extend(broken);
        self.broken.sort_by_key(|range| (range.start, range.end));
        self.texts.sort_by_key(|range| (range.start, range.end));
        Program {
            body,
            comments,
            broken: self.broken,
            texts: self.texts,
            holes: self.holes,
            shell: Vec::new(),
        }
    }

    /// The text of a node.
    pub(super) fn of(&self, node: Node<'_>) -> &'a str {
        self.text.get(node.byte_range()).unwrap_or_default()
    }

    /// Goes one level deeper; `false` if that is too deep, and then the node is noted as not understood.
    pub(super) fn deeper(&mut self, node: Node<'_>) -> bool {
        if self.depth >= DEPTH_MAX {
            self.broken.push(node.byte_range());
            return false;
        }
        self.depth += 1;
        true
    }
}

/// What the front ends do alike: go through a tree, no deeper than is safe. What the nodes mean is each one's own.
pub(super) trait FrontEnd<'a> {
    /// What is collected.
    fn walk(&mut self) -> &mut Walk<'a>;

    /// The statements that a node stands for.
    fn statement_of(&mut self, node: Node<'_>, into: &mut Vec<Statement>);

    /// What an expression is.
    fn kind(&mut self, node: Node<'_>) -> Kind;

    /// The statements of a file or block.
    fn statements(&mut self, block: Node<'_>) -> Vec<Statement> {
        let mut statements = Vec::new();
        for node in named(block) {
            self.statement(node, &mut statements);
        }
        statements
    }

    /// The statements of a node, if that is not too deep.
    fn statement(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        if !self.walk().deeper(node) {
            return;
        }
        with_stack(|| self.statement_of(node, into));
        self.walk().depth -= 1;
    }

    /// The expression of a node, if that is not too deep.
    fn expression(&mut self, node: Node<'_>) -> Expression {
        if !self.walk().deeper(node) {
            return Expression::new(node.byte_range(), Kind::Other(Vec::new()));
        }
        let kind = with_stack(|| self.kind(node));
        self.walk().depth -= 1;
        Expression::new(node.byte_range(), kind)
    }

    /// The expressions right below a node.
    fn inner(&mut self, node: Node<'_>) -> Vec<Expression> {
        named(node)
            .into_iter()
            .map(|child| self.expression(child))
            .collect()
    }

    /// The expression in a field.
    fn field(&mut self, node: Node<'_>, field: &str) -> Expression {
        node.child_by_field_name(field)
            .map(|child| self.expression(child))
            .unwrap_or_default()
    }
}

/// The named children of a node without comments.
pub(super) fn named<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.named_children(&mut cursor)
        .filter(|child| !child.is_extra() || child.is_error())
        .collect()
}

/// All children of a node.
pub(super) fn children<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.children(&mut cursor).collect()
}

/// Children in a field.
pub(super) fn in_field<'t>(node: Node<'t>, field: &str) -> Vec<Node<'t>> {
    let mut cursor = node.walk();
    node.children_by_field_name(field, &mut cursor).collect()
}

/// Comments, errors and missing tokens of a whole tree, without recursion.
pub(super) fn comments_and_errors(
    tree: &Tree,
    comment_kinds: &[&str],
) -> (Vec<Range<usize>>, Vec<Range<usize>>) {
    let mut comments = Vec::new();
    let mut errors = Vec::new();
    let mut cursor = tree.walk();
    loop {
        let node = cursor.node();
        if comment_kinds.contains(&node.kind()) {
            comments.push(node.byte_range());
        } else if node.is_error() || node.is_missing() {
            errors.push(node.byte_range());
        }
        if cursor.goto_first_child() {
            continue;
        }
        loop {
            if cursor.goto_next_sibling() {
                break;
            }
            if !cursor.goto_parent() {
                return (comments, errors);
            }
        }
    }
}
