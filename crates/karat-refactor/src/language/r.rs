//! R, read with tree-sitter into the small tree of [`super::program`].
//!
//! Names may hold dots; only those of `dbutils` are taken apart. Pipes put the left side in front of the arguments.

use std::sync::Arc;

use tree_sitter::Node;

use super::literal::{Escapes, Writing, decode};
use super::program::{Argument, Expression, Function, Kind, Parameter, Program, Statement, Text};
use super::syntax::{self, FrontEnd, Walk, in_field, named};

/// Reads a cell or file.
pub fn read(text: &str) -> Program {
    let language = tree_sitter_r::LANGUAGE.into();
    let tree = match syntax::parse(&language, text) {
        Ok(tree) => tree,
        Err(why) => return Program::not_parsed(text, why.words()),
    };
    let (comments, broken) = syntax::comments_and_errors(&tree, &["comment"]);
    let mut reader = R {
        walk: Walk::new(text),
    };
    let body = reader.statements(tree.root_node());
    reader.walk.finish(body, comments, broken)
}

struct R<'a> {
    walk: Walk<'a>,
}

impl<'a> FrontEnd<'a> for R<'a> {
    fn walk(&mut self) -> &mut Walk<'a> {
        &mut self.walk
    }

    fn statement_of(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        match node.kind() {
            "binary_operator" => {
                let operator = self.operator(node);
                let (target, value) = match operator {
                    "<-" | "=" | "<<-" | ":=" => ("lhs", "rhs"),
                    "->" | "->>" => ("rhs", "lhs"),
                    _ => {
                        let expression = self.expression(node);
                        into.push(Statement::Expression(expression));
                        return;
                    }
                };
                let Some(left) = node.child_by_field_name(target) else {
                    return;
                };
                let Some(right) = node.child_by_field_name(value) else {
                    return;
                };
                if right.kind() == "function_definition" && left.kind() == "identifier" {
                    let mut function = self.function(right);
                    function.name = self.walk.of(left).to_owned();
                    into.push(Statement::Function(Arc::new(function)));
                    return;
                }
                // a <- b <- value: the inner one first.
                let inner_assigns = right.kind() == "binary_operator"
                    && matches!(self.operator(right), "<-" | "=" | "<<-");
                let value = if inner_assigns {
                    self.statement(right, into);
                    right
                        .child_by_field_name("lhs")
                        .map(|left| self.expression(left))
                        .unwrap_or_default()
                } else {
                    self.expression(right)
                };
                let target = match left.kind() {
                    // `"name" <- value` assigns the name.
                    "string" => {
                        let name = self.walk.of(left).trim_matches(['"', '\'']).to_owned();
                        Expression::new(left.byte_range(), Kind::Name(name))
                    }
                    _ => self.expression(left),
                };
                into.push(Statement::Assign {
                    target,
                    value,
                    adds: false,
                });
            }
            "for_statement" => {
                let target = self.field(node, "variable");
                let iterable = self.field(node, "sequence");
                let body = self.body(node, "body");
                into.push(Statement::For {
                    target,
                    iterable,
                    body,
                });
            }
            "while_statement" => {
                let condition = self.field(node, "condition");
                let body = self.body(node, "body");
                into.push(Statement::While { condition, body });
            }
            "repeat_statement" => {
                let body = self.body(node, "body");
                into.push(Statement::While {
                    condition: Expression::default(),
                    body,
                });
            }
            "braced_expression" => into.extend(self.statements(node)),
            _ => {
                let expression = self.expression(node);
                into.push(Statement::Expression(expression));
            }
        }
    }

    fn kind(&mut self, node: Node<'_>) -> Kind {
        match node.kind() {
            "string" => match self.text(node) {
                Some(text) => Kind::Text(text),
                None => Kind::Other(Vec::new()),
            },
            "identifier" => self.name(node),
            "integer" | "float" | "complex" | "true" | "false" | "null" | "na" | "inf" | "nan" => {
                Kind::Constant(self.walk.of(node).to_owned())
            }
            "parenthesized_expression" => match named(node).as_slice() {
                [only] => self.expression(*only).kind,
                _ => Kind::Other(self.inner(node)),
            },
            "braced_expression" => Kind::Block(self.statements(node)),
            "if_statement" => {
                let conditions = vec![self.field(node, "condition")];
                let mut arms = vec![self.body(node, "consequence")];
                let complete = node.child_by_field_name("alternative").is_some();
                if complete {
                    arms.push(self.body(node, "alternative"));
                }
                Kind::Block(vec![Statement::Branch {
                    conditions,
                    arms,
                    complete,
                }])
            }
            "function_definition" => Kind::Lambda(Arc::new(self.function(node))),
            "extract_operator" | "namespace_operator" => {
                let object = Box::new(self.field(node, "lhs"));
                let name = node
                    .child_by_field_name("rhs")
                    .map(|name| self.walk.of(name).trim_matches(['`', '"', '\'']).to_owned());
                Kind::Attribute {
                    object,
                    name: name.unwrap_or_default(),
                }
            }
            "call" => {
                let function = self.field(node, "function");
                let arguments = node
                    .child_by_field_name("arguments")
                    .map(|list| self.arguments(list))
                    .unwrap_or_default();
                if let Kind::Name(name) = &function.kind {
                    match name.as_str() {
                        "c" if arguments.iter().all(|argument| argument.name.is_none()) => {
                            return Kind::List(
                                arguments
                                    .into_iter()
                                    .map(|argument| argument.value)
                                    .collect(),
                            );
                        }
                        "list" | "c"
                            if !arguments.is_empty()
                                && arguments.iter().all(|argument| argument.name.is_some()) =>
                        {
                            return Kind::Map(self.pairs(arguments));
                        }
                        "list" => {
                            return Kind::List(
                                arguments
                                    .into_iter()
                                    .map(|argument| argument.value)
                                    .collect(),
                            );
                        }
                        "return" | "invisible" | "identity" | "suppressWarnings"
                        | "suppressMessages"
                            if arguments.len() == 1 =>
                        {
                            let value = arguments
                                .into_iter()
                                .next()
                                .map(|argument| argument.value)
                                .unwrap_or_default();
                            if name == "return" {
                                return Kind::Block(vec![Statement::Return(Some(value))]);
                            }
                            return value.kind;
                        }
                        _ => {}
                    }
                }
                Kind::Call {
                    function: Box::new(function),
                    arguments,
                }
            }
            "subset" | "subset2" => {
                let object = Box::new(self.field(node, "function"));
                let arguments = node
                    .child_by_field_name("arguments")
                    .map(|list| self.arguments(list))
                    .unwrap_or_default();
                let mut arguments = arguments.into_iter().map(|argument| argument.value);
                let first = arguments.next().unwrap_or_default();
                // R counts from 1.
                let index = match &first.kind {
                    Kind::Constant(number) => match number.trim_end_matches('L').parse::<i64>() {
                        Ok(number) if number > 0 => Kind::Constant((number - 1).to_string()),
                        _ => Kind::Other(vec![first.clone()]),
                    },
                    _ => first.kind.clone(),
                };
                let index = Expression::new(first.span, index);
                let rest: Vec<_> = arguments.collect();
                let index = if rest.is_empty() {
                    index
                } else {
                    Expression::new(
                        index.span.clone(),
                        Kind::List(std::iter::once(index).chain(rest).collect()),
                    )
                };
                Kind::Index {
                    object,
                    index: Box::new(index),
                }
            }
            "binary_operator" => self.binary(node),
            _ if node.is_error() => Kind::Block(self.statements(node)),
            kind if kind.ends_with("_statement") => {
                let mut statements = Vec::new();
                self.statement_of(node, &mut statements);
                Kind::Block(statements)
            }
            _ => Kind::Other(self.inner(node)),
        }
    }
}

impl R<'_> {
    fn body(&mut self, node: Node<'_>, field: &str) -> Vec<Statement> {
        match node.child_by_field_name(field) {
            Some(block) if block.kind() == "braced_expression" => self.statements(block),
            Some(only) => {
                let mut statements = Vec::new();
                self.statement(only, &mut statements);
                statements
            }
            None => Vec::new(),
        }
    }

    fn operator(&self, node: Node<'_>) -> &str {
        node.child_by_field_name("operator")
            .map(|operator| self.walk.of(operator))
            .unwrap_or_default()
    }

    fn function(&mut self, node: Node<'_>) -> Function {
        let mut parameters = Vec::new();
        if let Some(list) = node.child_by_field_name("parameters") {
            for parameter in in_field(list, "parameter") {
                let name = parameter
                    .child_by_field_name("name")
                    .map(|name| self.walk.of(name).to_owned());
                let default = parameter
                    .child_by_field_name("default")
                    .map(|default| self.expression(default));
                parameters.push(Parameter {
                    name: name.unwrap_or_default(),
                    default,
                });
            }
        }
        let body = self.body(node, "body");
        Function {
            name: String::new(),
            span: node.byte_range(),
            parameters,
            body,
            decorators: Vec::new(),
            last_is_value: true,
        }
    }

    fn pairs(&mut self, arguments: Vec<Argument>) -> Vec<(Expression, Expression)> {
        // The keys stand in no quotes: they are names, known by their spelling.
        arguments
            .into_iter()
            .map(|argument| {
                let at = argument.value.span.start;
                let key =
                    Expression::new(at..at, Kind::Constant(argument.name.unwrap_or_default()));
                (key, argument.value)
            })
            .collect()
    }

    fn name(&self, node: Node<'_>) -> Kind {
        let name = self.walk.of(node).trim_matches('`');
        if !name.starts_with("dbutils.") {
            return Kind::Name(name.to_owned());
        }
        let mut parts = name.split('.');
        let first = parts.next().unwrap_or_default();
        let mut whole = Expression::new(node.byte_range(), Kind::Name(first.to_owned()));
        for part in parts {
            whole = Expression::new(
                node.byte_range(),
                Kind::Attribute {
                    object: Box::new(whole),
                    name: part.to_owned(),
                },
            );
        }
        whole.kind
    }

    fn binary(&mut self, node: Node<'_>) -> Kind {
        let operator = self.operator(node).to_owned();
        match operator.as_str() {
            "<-" | "=" | "<<-" | "->" | "->>" | ":=" => {
                let mut statements = Vec::new();
                self.statement_of(node, &mut statements);
                if let Some(Statement::Assign { target, .. }) = statements.last() {
                    let read = target.clone();
                    statements.push(Statement::Expression(read));
                }
                Kind::Block(statements)
            }
            "%>%" | "|>" | "%<>%" => {
                let left = self.field(node, "lhs");
                let right = self.field(node, "rhs");
                let first = Argument {
                    name: None,
                    spread: false,
                    value: left,
                };
                match right.kind {
                    Kind::Call {
                        function,
                        arguments,
                    } => Kind::Call {
                        function,
                        arguments: std::iter::once(first).chain(arguments).collect(),
                    },
                    kind => {
                        let function = Box::new(Expression::new(right.span, kind));
                        Kind::Call {
                            function,
                            arguments: vec![first],
                        }
                    }
                }
            }
            "&&" | "||" => {
                let left = self.field(node, "lhs");
                let right = self.field(node, "rhs");
                Kind::Other(vec![left, right.if_at_all()])
            }
            "==" | "!=" | "%in%" => {
                let left = self.field(node, "lhs");
                let right = self.field(node, "rhs");
                Kind::Comparison(vec![left, right])
            }
            "%+%" => {
                let left = self.field(node, "lhs");
                let right = self.field(node, "rhs");
                Kind::Sum(vec![left, right])
            }
            _ => {
                let left = self.field(node, "lhs");
                let right = self.field(node, "rhs");
                Kind::Other(vec![left, right])
            }
        }
    }

    fn arguments(&mut self, list: Node<'_>) -> Vec<Argument> {
        let mut arguments = Vec::new();
        for argument in in_field(list, "argument") {
            let name = argument
                .child_by_field_name("name")
                .map(|name| self.walk.of(name).trim_matches(['`', '"', '\'']).to_owned());
            let value = self.field(argument, "value");
            let spread = self.walk.of(argument) == "...";
            arguments.push(Argument {
                name,
                spread,
                value,
            });
        }
        arguments
    }

    fn text(&mut self, node: Node<'_>) -> Option<Text> {
        self.walk.texts.push(node.byte_range());
        let open = node.child_by_field_name("open")?;
        let close = node
            .child_by_field_name("close")
            .filter(|close| !close.is_missing())?;
        let raw = self.walk.of(open).starts_with(['r', 'R']);
        let known = Writing::known(Writing {
            close: closing(self.walk.of(close))?,
            escapes: if raw { Escapes::None } else { Escapes::R },
            braces: false,
            dollars: false,
            ascii: false,
        })?;
        let parts = decode(self.walk.text, open.end_byte()..close.start_byte(), known);
        Some(Text {
            parts,
            writing: known,
            bytes: false,
            foreign: false,
        })
    }
}

/// The closing of a text as one that [`Writing`] knows.
fn closing(text: &str) -> Option<&'static str> {
    super::literal::CLOSES
        .iter()
        .copied()
        .find(|close| *close == text)
}
