//! What the three tree-sitter front ends share: parsing, children, ranges, and the list of what was not understood.

use std::ops::{ControlFlow, Range};

use tree_sitter::{Language, Node, ParseOptions, ParseState, Parser, Tree};

use super::program::{DEPTH_MAX, Expression, Kind, Program, Statement, with_stack};

/// Texts longer than this are not parsed: the grammar's stack could not hold what a hostile one asks for.
const BYTES_MAX: usize = 8 * 1024 * 1024;

/// The text is handed to the parser in pieces of so many bytes, so that it is seen how often it reads on.
const PIECE: usize = 256;

/// A text with so many hundreds of steps in which no reading of it is without a mistake is no program.
const LOST_MAX: usize = 1_000;

/// Why a text has no tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotParsed {
    /// It is longer than [`BYTES_MAX`].
    TooLong,
    /// It asks for more work than programs of its length do.
    TooMuchWork,
}

impl NotParsed {
    /// The reason in words.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::TooLong => "it is longer than 8 MiB",
            Self::TooMuchWork => {
                "its grammar gave up (programs of its length need far less work; is it broken, or in another language?)"
            }
        }
    }
}

/// Parses a text, with a budget: what is no program can keep a grammar busy for hours. Work is counted and not timed, so that every machine
/// comes to the same answer. Counted are
///
/// - steps: real programs need up to two a byte, and a piece is looked at in each;
/// - pieces that are read: a grammar that looks for the end of a text reads far ahead, and does so again at each of its steps (real programs
///   are read up to seven times);
/// - steps in which no reading of the text is without a mistake: each of them tries all that the grammar knows.
pub(crate) fn parse(language: &Language, text: &str) -> Result<Tree, NotParsed> {
    if text.len() > BYTES_MAX {
        return Err(NotParsed::TooLong);
    }
    let mut parser = Parser::new();
    parser
        .set_language(language)
        .map_err(|_| NotParsed::TooMuchWork)?;
    let (mut steps, mut lost) = (0, 0);
    let steps_max = 200 + text.len() / 20;
    // It comes every hundred steps.
    let mut count = |state: &ParseState| {
        steps += 1;
        lost += usize::from(state.has_error());
        if steps > steps_max || lost > LOST_MAX {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let mut pieces = 0;
    let pieces_max = 2_000 + text.len() * 16 / PIECE;
    let mut read = |at: usize, _| {
        pieces += 1;
        // Over the budget the text ends everywhere, and the parser is soon done.
        let end = if pieces > pieces_max {
            at
        } else {
            text.floor_char_boundary(at.saturating_add(PIECE))
        };
        text.as_bytes().get(at..end).unwrap_or_default()
    };
    let options = ParseOptions::new().progress_callback(&mut count);
    let tree = parser.parse_with_options(&mut read, None, Some(options));
    tree.filter(|_| pieces <= pieces_max)
        .ok_or(NotParsed::TooMuchWork)
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
            not_parsed: None,
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
