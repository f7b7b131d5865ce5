//! Python, read with tree-sitter into the small tree of [`super::program`].
//!
//! Lines of IPython (`%magic`, `!command`) are passed over like comments. What calls mean is told elsewhere.

use std::ops::Range;
use std::sync::Arc;

use tree_sitter::Node;

use super::literal::{Escapes, Writing, decode};
use super::program::{
    Argument, Expression, Function, Kind, Parameter, Program, Statement, Text, TextPart, with_stack,
};
use super::syntax::{self, FrontEnd, Walk, children, in_field, named};

/// Reads a cell or file.
pub fn read(text: &str) -> Program {
    let language = tree_sitter_python::LANGUAGE.into();
    let (masked, shell) = without_magics(text);
    let tree = match syntax::parse(&language, &masked) {
        Ok(tree) => tree,
        Err(why) => return Program::not_parsed(text, why.words()),
    };
    let (comments, broken) = syntax::comments_and_errors(&tree, &["comment"]);
    let mut reader = Python {
        walk: Walk::new(text),
    };
    let body = reader.statements(tree.root_node());
    let comments = comments
        .into_iter()
        .filter(|comment| !shell.iter().any(|line| line.start == comment.start + 1))
        .collect();
    let mut program = reader.walk.finish(body, comments, broken);
    program.shell = shell;
    program
}

/// The text with lines of IPython made comments, length for length, and the commands behind `!`. Lines inside of brackets and triple
/// quotes stay as they are.
pub(crate) fn without_magics(text: &str) -> (String, Vec<Range<usize>>) {
    let suspicious = |line: &str| {
        let line = line.trim_start();
        let mut letters = line.chars();
        match letters.next() {
            Some('%') => letters
                .next()
                .is_some_and(|letter| letter == '%' || letter.is_ascii_alphabetic()),
            Some('!') => letters.next().is_some_and(|letter| letter != '='),
            _ => false,
        }
    };
    if !text.lines().any(suspicious) {
        return (text.to_owned(), Vec::new());
    }
    let mut shell = Vec::new();
    let mut masked = text.as_bytes().to_vec();
    let mut state = Quiet::default();
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if state.outside() && suspicious(line) {
            let mark = line.len() - line.trim_start().len();
            if line[mark..].starts_with('!') {
                shell.push(at + mark + 1..at + line.trim_end().len());
            }
            masked[at + mark] = b'#';
        } else {
            state.pass(line);
        }
        at += line.len();
    }
    let masked = String::from_utf8(masked).unwrap_or_else(|_| text.to_owned());
    (masked, shell)
}

/// Whether a line begins outside of brackets and triple quotes; good enough to find lines of IPython.
#[derive(Default)]
struct Quiet {
    brackets: usize,
    quote: Option<&'static str>,
    continued: bool,
}

impl Quiet {
    fn outside(&self) -> bool {
        self.brackets == 0 && self.quote.is_none() && !self.continued
    }

    fn pass(&mut self, line: &str) {
        let mut rest = line;
        self.continued = line.trim_end_matches(['\r', '\n']).ends_with('\\');
        while let Some(letter) = rest.chars().next() {
            let mut step = letter.len_utf8();
            if let Some(quote) = self.quote {
                if letter == '\\' {
                    step += rest[step..].chars().next().map_or(0, char::len_utf8);
                } else if rest.starts_with(quote) || (quote.len() == 1 && letter == '\n') {
                    self.quote = None;
                    step = if letter == '\n' { 1 } else { quote.len() };
                }
            } else {
                match letter {
                    '#' => return,
                    '(' | '[' | '{' => self.brackets += 1,
                    ')' | ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
                    '"' | '\'' => {
                        let quote = ["\"\"\"", "'''", "\"", "'"]
                            .into_iter()
                            .find(|quote| rest.starts_with(quote));
                        self.quote = quote;
                        step = quote.map_or(1, str::len);
                    }
                    _ => {}
                }
            }
            rest = &rest[step..];
        }
    }
}

struct Python<'a> {
    walk: Walk<'a>,
}

impl<'a> FrontEnd<'a> for Python<'a> {
    fn walk(&mut self) -> &mut Walk<'a> {
        &mut self.walk
    }

    fn statement_of(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        match node.kind() {
            "expression_statement" => {
                for child in named(node) {
                    match child.kind() {
                        "assignment" | "augmented_assignment" => self.assignment(child, into),
                        _ => into.push(Statement::Expression(self.expression(child))),
                    }
                }
            }
            "if_statement" => {
                let mut conditions = vec![self.field(node, "condition")];
                let mut arms = vec![self.body(node, "consequence")];
                let mut complete = false;
                for alternative in in_field(node, "alternative") {
                    if alternative.kind() == "elif_clause" {
                        conditions.push(self.field(alternative, "condition"));
                        arms.push(self.body(alternative, "consequence"));
                    } else {
                        complete = true;
                        arms.push(self.body(alternative, "body"));
                    }
                }
                into.push(Statement::Branch {
                    conditions,
                    arms,
                    complete,
                });
            }
            "match_statement" => {
                let conditions = in_field(node, "subject")
                    .into_iter()
                    .map(|child| self.expression(child))
                    .collect();
                let mut arms = Vec::new();
                for block in in_field(node, "body") {
                    for case in named(block) {
                        arms.push(self.body(case, "consequence"));
                    }
                }
                into.push(Statement::Branch {
                    conditions,
                    arms,
                    complete: false,
                });
            }
            "for_statement" => {
                let target = self.field(node, "left");
                let iterable = self.field(node, "right");
                let body = self.body(node, "body");
                into.push(Statement::For {
                    target,
                    iterable,
                    body,
                });
                for clause in in_field(node, "alternative") {
                    into.extend(self.body(clause, "body"));
                }
            }
            "while_statement" => {
                let condition = self.field(node, "condition");
                let body = self.body(node, "body");
                into.push(Statement::While { condition, body });
                for clause in in_field(node, "alternative") {
                    into.extend(self.body(clause, "body"));
                }
            }
            "try_statement" => {
                let body = self.body(node, "body");
                let (mut otherwise, mut handlers, mut finally) =
                    (Vec::new(), Vec::new(), Vec::new());
                for clause in named(node) {
                    match clause.kind() {
                        "else_clause" => otherwise.extend(self.body(clause, "body")),
                        "except_clause" | "except_group_clause" => {
                            let mut arm = Vec::new();
                            for block in named(clause)
                                .into_iter()
                                .filter(|child| child.kind() == "block")
                            {
                                arm.extend(self.statements(block));
                            }
                            handlers.push(arm);
                        }
                        "finally_clause" => {
                            for block in named(clause) {
                                finally.extend(self.statements(block));
                            }
                        }
                        _ => {}
                    }
                }
                into.push(Statement::Try {
                    body,
                    otherwise,
                    handlers,
                    finally,
                });
            }
            "with_statement" => {
                let mut bindings = Vec::new();
                for clause in named(node)
                    .into_iter()
                    .filter(|child| child.kind() == "with_clause")
                {
                    for item in named(clause) {
                        let Some(value) = item.child_by_field_name("value") else {
                            continue;
                        };
                        if value.kind() == "as_pattern" {
                            let inner = named(value)
                                .first()
                                .map(|child| self.expression(*child))
                                .unwrap_or_default();
                            let alias = value
                                .child_by_field_name("alias")
                                .map(|alias| self.target_of(alias));
                            bindings.push((alias, inner));
                        } else {
                            bindings.push((None, self.expression(value)));
                        }
                    }
                }
                let mut body = self.body(node, "body");
                if bindings.iter().any(|(_, value)| swallows_errors(value)) {
                    body = vec![Statement::Try {
                        body,
                        otherwise: Vec::new(),
                        handlers: vec![Vec::new()],
                        finally: Vec::new(),
                    }];
                }
                into.push(Statement::Block { bindings, body });
            }
            "function_definition" => {
                let function = self.function(node, Vec::new());
                into.push(Statement::Function(Arc::new(function)));
            }
            "class_definition" => self.class(node, into),
            "decorated_definition" => {
                let mut decorators = Vec::new();
                for child in named(node) {
                    if child.kind() == "decorator" {
                        decorators
                            .extend(named(child).into_iter().map(|child| self.expression(child)));
                    }
                }
                match node.child_by_field_name("definition") {
                    Some(definition) if definition.kind() == "function_definition" => {
                        let mut function = self.function(definition, decorators);
                        function.span = node.byte_range();
                        into.push(Statement::Function(Arc::new(function)));
                    }
                    Some(definition) => {
                        into.extend(decorators.into_iter().map(Statement::Expression));
                        self.statement(definition, into);
                    }
                    None => {}
                }
            }
            "return_statement" => {
                let value = named(node).first().map(|child| self.expression(*child));
                into.push(Statement::Return(value));
            }
            "import_statement" => {
                for name in in_field(node, "name") {
                    let (module, alias) = self.imported(name);
                    into.push(Statement::Import {
                        span: node.byte_range(),
                        names: vec![(String::new(), alias)],
                        module,
                    });
                }
            }
            "import_from_statement" => {
                let module = node
                    .child_by_field_name("module_name")
                    .map(|module| self.walk.of(module).to_owned());
                let names = in_field(node, "name")
                    .into_iter()
                    .map(|name| self.imported(name))
                    .collect();
                into.push(Statement::Import {
                    span: node.byte_range(),
                    module: module.unwrap_or_default(),
                    names,
                });
            }
            "future_import_statement"
            | "pass_statement"
            | "break_statement"
            | "continue_statement" => {}
            "global_statement" | "nonlocal_statement" | "delete_statement" => {
                let names = named(node).into_iter().flat_map(|child| {
                    if child.kind() == "expression_list" {
                        named(child)
                    } else {
                        vec![child]
                    }
                });
                let names = names.filter(|name| name.kind() == "identifier");
                let names = names.map(|name| self.walk.of(name).to_owned()).collect();
                into.push(Statement::Forget(names));
            }
            "assert_statement" | "raise_statement" | "print_statement" | "exec_statement" => {
                let kind = node.kind();
                let inner: Vec<_> = named(node)
                    .into_iter()
                    .map(|child| self.expression(child))
                    .collect();
                // A print statement of Python 2 is the call of the function, an error's text is shown likewise.
                let shown = matches!(
                    kind,
                    "print_statement" | "assert_statement" | "raise_statement"
                );
                let name = if shown { "print" } else { "exec" };
                let function = Expression::new(
                    node.start_byte()..node.start_byte(),
                    Kind::Name(name.to_owned()),
                );
                let arguments = inner
                    .into_iter()
                    .map(|value| Argument {
                        name: None,
                        spread: false,
                        value,
                    })
                    .collect();
                let call = Kind::Call {
                    function: Box::new(function),
                    arguments,
                };
                let call = Expression::new(node.byte_range(), call);
                into.push(match kind {
                    "raise_statement" => Statement::Raise(call),
                    _ => Statement::Expression(call),
                });
            }
            "block" | "module" => into.extend(self.statements(node)),
            // Errors and whatever a later grammar adds: its parts, in order.
            _ if node.is_error() || !node.kind().ends_with("_statement") => {
                let expression = self.expression(node);
                into.push(Statement::Expression(expression));
            }
            _ => {
                for child in named(node) {
                    self.statement(child, into);
                }
            }
        }
    }

    fn kind(&mut self, node: Node<'_>) -> Kind {
        match node.kind() {
            "string" => match self.text(node) {
                Some(text) => Kind::Text(text),
                None => Kind::Other(self.inner(node)),
            },
            "concatenated_string" => Kind::Sum(self.inner(node)),
            "identifier" => Kind::Name(self.walk.of(node).to_owned()),
            "integer" | "float" | "true" | "false" | "none" => {
                Kind::Constant(self.walk.of(node).to_owned())
            }
            "parenthesized_expression" => match named(node).as_slice() {
                [only] => self.expression(*only).kind,
                several => Kind::List(
                    several
                        .iter()
                        .map(|child| self.expression(*child))
                        .collect(),
                ),
            },
            "attribute" => {
                let object = Box::new(self.field(node, "object"));
                let name = node
                    .child_by_field_name("attribute")
                    .map(|name| self.walk.of(name).to_owned());
                Kind::Attribute {
                    object,
                    name: name.unwrap_or_default(),
                }
            }
            "call" => {
                let function = Box::new(self.field(node, "function"));
                let arguments = match node.child_by_field_name("arguments") {
                    Some(list) if list.kind() == "argument_list" => self.arguments(list),
                    Some(generator) => {
                        vec![Argument {
                            name: None,
                            spread: false,
                            value: self.expression(generator),
                        }]
                    }
                    None => Vec::new(),
                };
                Kind::Call {
                    function,
                    arguments,
                }
            }
            "binary_operator" => self.binary(node),
            "boolean_operator" => {
                let left = self.field(node, "left");
                let right = self.field(node, "right");
                let or = node
                    .child_by_field_name("operator")
                    .is_some_and(|operator| operator.kind() == "or");
                if or {
                    Kind::Choice {
                        condition: None,
                        arms: vec![left, right],
                    }
                } else {
                    Kind::Choice {
                        condition: Some(Box::new(left)),
                        arms: vec![right],
                    }
                }
            }
            "comparison_operator" => Kind::Comparison(self.inner(node)),
            "conditional_expression" => {
                let mut inner = self.inner(node).into_iter();
                let yes = inner.next().unwrap_or_default();
                let condition = inner.next().map(Box::new);
                let no = inner.next().unwrap_or_default();
                Kind::Choice {
                    condition,
                    arms: vec![yes, no],
                }
            }
            "subscript" => {
                let object = Box::new(self.field(node, "value"));
                let mut indices = in_field(node, "subscript")
                    .into_iter()
                    .map(|child| self.expression(child));
                let index = indices.next().unwrap_or_default();
                let rest: Vec<_> = indices.collect();
                let index = if rest.is_empty() {
                    index
                } else {
                    let span = index.span.clone();
                    Expression::new(
                        span,
                        Kind::List(std::iter::once(index).chain(rest).collect()),
                    )
                };
                Kind::Index {
                    object,
                    index: Box::new(index),
                }
            }
            "list" | "tuple" | "set" | "expression_list" => Kind::List(self.inner(node)),
            "dictionary" => {
                let mut pairs = Vec::new();
                let mut others = Vec::new();
                for child in named(node) {
                    if child.kind() == "pair" {
                        pairs.push((self.field(child, "key"), self.field(child, "value")));
                    } else {
                        others.push(self.expression(child));
                    }
                }
                if others.is_empty() {
                    Kind::Map(pairs)
                } else {
                    others.extend(pairs.into_iter().flat_map(|(key, value)| [key, value]));
                    Kind::Other(others)
                }
            }
            "list_comprehension"
            | "set_comprehension"
            | "generator_expression"
            | "dictionary_comprehension" => {
                let mut loops = Vec::new();
                let mut conditions = Vec::new();
                for child in named(node) {
                    match child.kind() {
                        "for_in_clause" => {
                            let target = child
                                .child_by_field_name("left")
                                .map(|left| self.target_of(left));
                            let mut iterables =
                                in_field(child, "right").into_iter().filter(Node::is_named);
                            let iterable = iterables.next().map(|right| self.expression(right));
                            loops.push((target.unwrap_or_default(), iterable.unwrap_or_default()));
                        }
                        "if_clause" => conditions.extend(self.inner(child)),
                        _ => {}
                    }
                }
                let element = node.child_by_field_name("body");
                let element = match element {
                    Some(pair) if pair.kind() == "pair" => {
                        let pair = vec![self.field(pair, "key"), self.field(pair, "value")];
                        Expression::new(node.byte_range(), Kind::Other(pair))
                    }
                    Some(body) => self.expression(body),
                    None => Expression::default(),
                };
                Kind::Comprehension {
                    loops,
                    conditions,
                    element: Box::new(element),
                }
            }
            "lambda" => {
                let parameters = node
                    .child_by_field_name("parameters")
                    .map(|list| self.parameters(list));
                let body = self.field(node, "body");
                Kind::Lambda(Arc::new(Function {
                    name: String::new(),
                    span: node.byte_range(),
                    parameters: parameters.unwrap_or_default(),
                    body: vec![Statement::Return(Some(body))],
                    decorators: Vec::new(),
                    last_is_value: false,
                }))
            }
            "named_expression" => {
                let target = self.field(node, "name");
                let value = self.field(node, "value");
                let read = target.clone();
                Kind::Block(vec![
                    Statement::Assign {
                        target,
                        value,
                        adds: false,
                    },
                    Statement::Expression(read),
                ])
            }
            "await" | "type" => match named(node).as_slice() {
                [only] => self.expression(*only).kind,
                _ => Kind::Other(self.inner(node)),
            },
            _ if node.is_error() => {
                let mut statements = Vec::new();
                for child in named(node) {
                    if child.kind().ends_with("_statement") || child.kind().ends_with("_definition")
                    {
                        self.statement(child, &mut statements);
                    } else {
                        statements.push(Statement::Expression(self.expression(child)));
                    }
                }
                Kind::Block(statements)
            }
            _ => Kind::Other(self.inner(node)),
        }
    }
}

impl Python<'_> {
    fn body(&mut self, node: Node<'_>, field: &str) -> Vec<Statement> {
        let mut statements = Vec::new();
        for block in in_field(node, field) {
            statements.extend(self.statements(block));
        }
        statements
    }

    fn imported(&self, node: Node<'_>) -> (String, String) {
        let name = node
            .child_by_field_name("name")
            .map_or_else(|| self.walk.of(node), |name| self.walk.of(name));
        let alias = node
            .child_by_field_name("alias")
            .map(|alias| self.walk.of(alias).to_owned());
        let alias = alias.unwrap_or_else(|| name.split('.').next().unwrap_or_default().to_owned());
        (name.to_owned(), alias)
    }

    fn assignment(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        let Some(left) = node.child_by_field_name("left") else {
            return;
        };
        let target = self.target_of(left);
        let Some(right) = node.child_by_field_name("right") else {
            return; // `name: type` alone
        };
        let mut value = match right.kind() {
            // a = b = value: the inner one first.
            "assignment" | "augmented_assignment" => {
                self.statement_of_assignment(right, into);
                right
                    .child_by_field_name("left")
                    .map(|left| self.expression(left))
                    .unwrap_or_default()
            }
            _ => self.expression(right),
        };
        let operator = node
            .child_by_field_name("operator")
            .map(|operator| self.walk.of(operator));
        let adds = operator == Some("+=");
        if operator.is_some_and(|operator| operator != "+=") {
            value = Expression::new(node.byte_range(), Kind::Other(vec![value]));
        }
        into.push(Statement::Assign {
            target,
            value,
            adds,
        });
    }

    fn statement_of_assignment(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        if self.walk.deeper(node) {
            with_stack(|| self.assignment(node, into));
            self.walk.depth -= 1;
        }
    }

    /// The target of an assignment: a name, an attribute, an index, or a list of such.
    fn target_of(&mut self, node: Node<'_>) -> Expression {
        match node.kind() {
            "pattern_list" | "tuple_pattern" | "list_pattern" => {
                let inner = named(node)
                    .into_iter()
                    .map(|child| self.target_of(child))
                    .collect();
                Expression::new(node.byte_range(), Kind::List(inner))
            }
            "as_pattern_target" => named(node)
                .first()
                .map(|child| self.expression(*child))
                .unwrap_or_default(),
            _ => self.expression(node),
        }
    }

    fn function(&mut self, node: Node<'_>, decorators: Vec<Expression>) -> Function {
        let name = node
            .child_by_field_name("name")
            .map(|name| self.walk.of(name).to_owned());
        let parameters = node
            .child_by_field_name("parameters")
            .map(|list| self.parameters(list));
        Function {
            name: name.unwrap_or_default(),
            span: node.byte_range(),
            parameters: parameters.unwrap_or_default(),
            body: self.body(node, "body"),
            decorators,
            last_is_value: false,
        }
    }

    fn parameters(&mut self, list: Node<'_>) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for node in named(list) {
            match node.kind() {
                "default_parameter" | "typed_default_parameter" => {
                    let name = node
                        .child_by_field_name("name")
                        .map(|name| self.walk.of(name).to_owned());
                    let default = node
                        .child_by_field_name("value")
                        .map(|value| self.expression(value));
                    parameters.push(Parameter {
                        name: name.unwrap_or_default(),
                        default,
                    });
                }
                "identifier" => parameters.push(Parameter {
                    name: self.walk.of(node).to_owned(),
                    default: None,
                }),
                "typed_parameter" => {
                    let name = named(node)
                        .first()
                        .map(|name| self.walk.of(*name).to_owned());
                    parameters.push(Parameter {
                        name: name.unwrap_or_default(),
                        default: None,
                    });
                }
                "list_splat_pattern" | "dictionary_splat_pattern" => {
                    parameters.push(Parameter {
                        name: self.walk.of(node).to_owned(),
                        default: None,
                    });
                }
                _ => {}
            }
        }
        parameters
    }

    fn class(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        let name = node
            .child_by_field_name("name")
            .map(|name| self.walk.of(name).to_owned());
        if let Some(bases) = node.child_by_field_name("superclasses") {
            for base in named(bases) {
                if base.kind() == "keyword_argument" {
                    let value = self.field(base, "value");
                    into.push(Statement::Expression(value));
                }
            }
        }
        let body = self.body(node, "body");
        into.push(Statement::Class {
            name: name.unwrap_or_default(),
            parameters: Vec::new(),
            body,
        });
    }

    /// Sums are long rather than deep: `a + b + c` is one list.
    fn binary(&mut self, node: Node<'_>) -> Kind {
        let operator = node
            .child_by_field_name("operator")
            .map_or("", |operator| operator.kind());
        match operator {
            "+" => {
                let mut terms = Vec::new();
                let mut at = node;
                loop {
                    if let Some(right) = at.child_by_field_name("right") {
                        terms.push(self.expression(right));
                    }
                    let Some(left) = at.child_by_field_name("left") else {
                        break;
                    };
                    let is_sum = left.kind() == "binary_operator"
                        && left
                            .child_by_field_name("operator")
                            .is_some_and(|operator| operator.kind() == "+");
                    if !is_sum {
                        terms.push(self.expression(left));
                        break;
                    }
                    at = left;
                }
                terms.reverse();
                Kind::Sum(terms)
            }
            "%" => Kind::Percent {
                format: Box::new(self.field(node, "left")),
                value: Box::new(self.field(node, "right")),
            },
            _ => {
                let left = self.field(node, "left");
                let right = self.field(node, "right");
                Kind::Other(vec![left, right])
            }
        }
    }

    fn arguments(&mut self, list: Node<'_>) -> Vec<Argument> {
        let mut arguments = Vec::new();
        for child in named(list) {
            let (name, spread, value) = match child.kind() {
                "keyword_argument" => {
                    let name = child
                        .child_by_field_name("name")
                        .map(|name| self.walk.of(name).to_owned());
                    (name, false, self.field(child, "value"))
                }
                "list_splat" | "dictionary_splat" => {
                    let inner = named(child).first().map(|inner| self.expression(*inner));
                    (None, true, inner.unwrap_or_default())
                }
                _ => (None, false, self.expression(child)),
            };
            arguments.push(Argument {
                name,
                spread,
                value,
            });
        }
        arguments
    }

    /// A text with its parts; `None` if its quotes are not there.
    fn text(&mut self, node: Node<'_>) -> Option<Text> {
        self.walk.texts.push(node.byte_range());
        let parts = children(node);
        let open = parts
            .first()
            .filter(|child| child.kind() == "string_start")?;
        let end = parts
            .last()
            .filter(|child| child.kind() == "string_end" && !child.is_missing())?;
        let writing = writing(self.walk.of(*open), self.walk.of(*end))?;
        let mut text = Text {
            parts: Vec::new(),
            bytes: writing.ascii,
            foreign: self.walk.of(*open).contains(['t', 'T']),
            writing,
        };
        let mut at = open.end_byte();
        for part in &parts {
            if part.kind() != "interpolation" {
                continue;
            }
            text.parts
                .extend(decode(self.walk.text, at..part.start_byte(), text.writing));
            text.parts.push(self.hole(*part));
            at = part.end_byte();
        }
        text.parts
            .extend(decode(self.walk.text, at..end.start_byte(), text.writing));
        Some(text)
    }

    fn hole(&mut self, node: Node<'_>) -> TextPart {
        let span: Range<usize> = node.byte_range();
        self.walk.holes.push(span.clone());
        let mut plain = true;
        for child in children(node) {
            match child.kind() {
                "format_specifier" | "=" => plain = false,
                "type_conversion" => plain = plain && self.walk.of(child) == "!s",
                _ => {}
            }
        }
        // A nested format (`{x:{width}}`) holds expressions too, but never a name of a table.
        let value = Box::new(self.field(node, "expression"));
        TextPart::Hole { span, value, plain }
    }
}

/// How new text is written behind an opening like `rb"`; `None` for what is no opening.
fn writing(open: &str, close: &str) -> Option<&'static Writing> {
    let quote = open.find(['"', '\''])?;
    let (prefix, quote) = open.split_at(quote);
    let close = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|known| *known == close && *known == quote)?;
    let has = |letter: char| {
        prefix
            .chars()
            .any(|other| other.eq_ignore_ascii_case(&letter))
    };
    let bytes = has('b');
    Writing::known(Writing {
        close,
        escapes: if has('r') {
            Escapes::None
        } else {
            Escapes::Python { bytes }
        },
        braces: has('f') || has('t'),
        dollars: false,
        ascii: bytes,
    })
}

/// Whether a `with` of this goes on behind its body when that fails.
fn swallows_errors(context: &Expression) -> bool {
    let Kind::Call { function, .. } = &context.kind else {
        return false;
    };
    let path = function.dotted().unwrap_or_default();
    let name = path.rsplit('.').next().unwrap_or_default();
    matches!(
        name,
        "suppress" | "raises" | "assertRaises" | "assertRaisesRegex"
    )
}
