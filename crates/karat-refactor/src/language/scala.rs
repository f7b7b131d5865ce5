//! Scala, read with tree-sitter into the small tree of [`super::program`].
//!
//! Notebook cells are scripts: definitions and expressions in any order. `if`, `match`, `try` and blocks are values.

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
    let language = tree_sitter_scala::LANGUAGE.into();
    let tree = match syntax::parse(&language, text) {
        Ok(tree) => tree,
        Err(why) => return Program::not_parsed(text, why.words()),
    };
    let (comments, broken) = syntax::comments_and_errors(&tree, &["comment", "block_comment"]);
    let mut reader = Scala {
        walk: Walk::new(text),
    };
    let body = reader.statements(tree.root_node());
    reader.walk.finish(body, comments, broken)
}

struct Scala<'a> {
    walk: Walk<'a>,
}

impl<'a> FrontEnd<'a> for Scala<'a> {
    fn walk(&mut self) -> &mut Walk<'a> {
        &mut self.walk
    }

    fn statements(&mut self, block: Node<'_>) -> Vec<Statement> {
        let mut statements = Vec::new();
        let mut nodes = named(block).into_iter().peekable();
        while let Some(node) = nodes.next() {
            // `def f(x: Int) { … }` without `=`: the grammar sees a declaration and a block.
            let procedure = node.kind() == "function_declaration"
                && node.child_by_field_name("return_type").is_none()
                && nodes.peek().is_some_and(|next| {
                    next.kind() == "block"
                        && self
                            .walk
                            .text
                            .get(node.end_byte()..next.start_byte())
                            .is_some_and(|between| between.trim().is_empty())
                });
            match nodes.next_if(|_| procedure) {
                Some(body) => {
                    let mut function = self.function(node);
                    function.body = self.statements(body);
                    function.last_is_value = false;
                    statements.push(Statement::Function(Arc::new(function)));
                }
                None => self.statement(node, &mut statements),
            }
        }
        statements
    }

    fn statement_of(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        match node.kind() {
            "val_definition" | "var_definition" => {
                let Some(pattern) = node.child_by_field_name("pattern") else {
                    return;
                };
                let target = self.pattern(pattern);
                let value = self.field(node, "value");
                into.push(Statement::Assign {
                    target,
                    value,
                    adds: false,
                });
            }
            "val_declaration"
            | "var_declaration"
            | "type_definition"
            | "function_declaration"
            | "package_clause" => {
                for body in in_field(node, "body") {
                    into.extend(self.statements(body));
                }
            }
            "function_definition" => {
                let function = self.function(node);
                into.push(Statement::Function(Arc::new(function)));
            }
            "object_definition" | "class_definition" | "trait_definition" | "package_object"
            | "enum_definition" => {
                let name = self.name_of(node);
                let mut parameters = Vec::new();
                for list in in_field(node, "class_parameters") {
                    parameters.extend(self.parameters(list));
                }
                if let Some(extends) = node.child_by_field_name("extend") {
                    for arguments in in_field(extends, "arguments") {
                        into.extend(
                            self.arguments(arguments)
                                .into_iter()
                                .map(|argument| Statement::Expression(argument.value)),
                        );
                    }
                }
                let mut body = Vec::new();
                for template in in_field(node, "body") {
                    body.extend(self.statements(template));
                }
                into.push(Statement::Class {
                    name,
                    parameters,
                    body,
                });
            }
            "import_declaration" => self.import(node, into),
            "assignment_expression" => {
                let target = self.field(node, "left");
                let value = self.field(node, "right");
                // `map("key") = value` is an index.
                let target = match target.kind {
                    Kind::Call {
                        function,
                        mut arguments,
                    } if arguments.len() == 1 => {
                        let index = arguments
                            .pop()
                            .map(|argument| argument.value)
                            .unwrap_or_default();
                        Expression::new(
                            target.span,
                            Kind::Index {
                                object: function,
                                index: Box::new(index),
                            },
                        )
                    }
                    kind => Expression::new(target.span, kind),
                };
                into.push(Statement::Assign {
                    target,
                    value,
                    adds: false,
                });
            }
            "infix_expression" if self.operator(node) == "+=" => {
                let target = self.field(node, "left");
                let value = self.field(node, "right");
                into.push(Statement::Assign {
                    target,
                    value,
                    adds: true,
                });
            }
            "for_expression" if !self.yields(node) => self.loops(node, into),
            "while_expression" | "do_while_expression" => {
                let condition = self.field(node, "condition");
                let body = node
                    .child_by_field_name("body")
                    .map(|body| self.body(body))
                    .unwrap_or_default();
                into.push(Statement::While { condition, body });
            }
            "return_expression" => {
                let value = named(node).first().map(|child| self.expression(*child));
                into.push(Statement::Return(value));
            }
            "template_body" | "with_template_body" => into.extend(self.statements(node)),
            _ => {
                let expression = self.expression(node);
                into.push(Statement::Expression(expression));
            }
        }
    }

    fn kind(&mut self, node: Node<'_>) -> Kind {
        match node.kind() {
            "string" => match self.plain_text(node) {
                Some(text) => Kind::Text(text),
                None => Kind::Other(Vec::new()),
            },
            "interpolated_string_expression" => self.interpolated(node),
            "identifier" | "operator_identifier" => Kind::Name(self.walk.of(node).to_owned()),
            "integer_literal"
            | "floating_point_literal"
            | "boolean_literal"
            | "null_literal"
            | "unit" => Kind::Constant(self.walk.of(node).to_owned()),
            "parenthesized_expression" => match named(node).as_slice() {
                [only] => self.expression(*only).kind,
                _ => Kind::List(self.inner(node)),
            },
            "field_expression" => {
                let object = Box::new(self.field(node, "value"));
                let name = node
                    .child_by_field_name("field")
                    .map(|name| self.walk.of(name).to_owned());
                let name = name.unwrap_or_default();
                // Methods without parentheses are calls: `"…".stripMargin`, `x.trim`.
                let calls = matches!(
                    name.as_str(),
                    "stripMargin"
                        | "trim"
                        | "toLowerCase"
                        | "toUpperCase"
                        | "strip"
                        | "toString"
                        | "rdd"
                        | "toList"
                        | "toSeq"
                        | "toArray"
                        | "keys"
                        | "values"
                );
                let attribute = Kind::Attribute { object, name };
                if calls && attribute_is_method(&attribute) {
                    let function = Box::new(Expression::new(node.byte_range(), attribute));
                    Kind::Call {
                        function,
                        arguments: Vec::new(),
                    }
                } else {
                    attribute
                }
            }
            "call_expression" => self.call(node),
            "generic_function" => self.field(node, "function").kind,
            "instance_expression" => {
                let name = named(node)
                    .into_iter()
                    .find(|child| child.kind().contains("type") || child.kind() == "identifier");
                let name = name.map(|name| {
                    self.walk
                        .of(name)
                        .split(['[', '('])
                        .next()
                        .unwrap_or_default()
                        .to_owned()
                });
                let name = name.unwrap_or_default();
                let name = name.rsplit('.').next().unwrap_or_default().to_owned();
                let function = Box::new(Expression::new(
                    node.start_byte()..node.start_byte(),
                    Kind::Name(name),
                ));
                let mut arguments = Vec::new();
                for list in in_field(node, "arguments") {
                    arguments.extend(self.arguments(list));
                }
                Kind::Call {
                    function,
                    arguments,
                }
            }
            "infix_expression" => self.infix(node),
            "postfix_expression" => {
                let parts = named(node);
                match parts.as_slice() {
                    [value, name] if name.kind() == "identifier" => {
                        let object = Box::new(self.expression(*value));
                        Kind::Attribute {
                            object,
                            name: self.walk.of(*name).to_owned(),
                        }
                    }
                    _ => Kind::Other(self.inner(node)),
                }
            }
            "prefix_expression" => Kind::Other(self.inner(node)),
            "tuple_expression" => Kind::List(self.inner(node)),
            "if_expression" => {
                let mut conditions = Vec::new();
                for condition in in_field(node, "condition")
                    .into_iter()
                    .filter(Node::is_named)
                {
                    conditions.push(self.expression(condition));
                }
                let mut arms = Vec::new();
                let mut complete = false;
                if let Some(yes) = node.child_by_field_name("consequence") {
                    arms.push(self.body(yes));
                }
                if let Some(no) = node.child_by_field_name("alternative") {
                    complete = true;
                    arms.push(self.body(no));
                }
                Kind::Block(vec![Statement::Branch {
                    conditions,
                    arms,
                    complete,
                }])
            }
            "match_expression" => {
                let conditions = vec![self.field(node, "value")];
                let arms = node
                    .child_by_field_name("body")
                    .map(|cases| self.cases(cases))
                    .unwrap_or_default();
                Kind::Block(vec![Statement::Branch {
                    conditions,
                    arms,
                    complete: true,
                }])
            }
            "try_expression" => {
                let body = node
                    .child_by_field_name("body")
                    .map(|body| self.body(body))
                    .unwrap_or_default();
                let (mut handlers, mut finally) = (Vec::new(), Vec::new());
                for clause in named(node) {
                    match clause.kind() {
                        "catch_clause" => {
                            for cases in named(clause) {
                                if matches!(cases.kind(), "case_block" | "indented_cases") {
                                    handlers.extend(self.cases(cases));
                                }
                            }
                        }
                        "finally_clause" => {
                            for inner in named(clause) {
                                finally.extend(self.body(inner));
                            }
                        }
                        _ => {}
                    }
                }
                // The value is that of the body.
                Kind::Block(vec![Statement::Try {
                    body,
                    otherwise: Vec::new(),
                    handlers,
                    finally,
                }])
            }
            "for_expression" => {
                let (loops, conditions) = self.enumerators(node);
                let element = node
                    .child_by_field_name("body")
                    .map(|body| self.expression(body))
                    .unwrap_or_default();
                Kind::Comprehension {
                    loops,
                    conditions,
                    element: Box::new(element),
                }
            }
            "block" | "indented_block" => {
                // `{ x => … }` is a function, `{ … }` a block.
                match named(node).as_slice() {
                    [only] if only.kind() == "lambda_expression" => self.expression(*only).kind,
                    _ => Kind::Block(self.statements(node)),
                }
            }
            "case_block" | "indented_cases" => {
                let arms = self.cases(node);
                let function = Function {
                    name: String::new(),
                    span: node.byte_range(),
                    parameters: vec![Parameter {
                        name: "it".to_owned(),
                        default: None,
                    }],
                    body: vec![Statement::Branch {
                        conditions: Vec::new(),
                        arms,
                        complete: true,
                    }],
                    decorators: Vec::new(),
                    last_is_value: true,
                };
                Kind::Lambda(Arc::new(function))
            }
            "lambda_expression" => {
                let mut parameters = Vec::new();
                for list in in_field(node, "parameters") {
                    match list.kind() {
                        "bindings" => parameters.extend(self.parameters(list)),
                        "identifier" | "wildcard" => {
                            parameters.push(Parameter {
                                name: self.walk.of(list).to_owned(),
                                default: None,
                            });
                        }
                        _ => {}
                    }
                }
                let first_body = in_field(node, "parameters")
                    .iter()
                    .map(Node::end_byte)
                    .max()
                    .unwrap_or(node.start_byte());
                let mut body = Vec::new();
                for child in named(node) {
                    if child.start_byte() >= first_body {
                        if matches!(child.kind(), "block" | "indented_block") {
                            body.extend(self.statements(child));
                        } else {
                            self.statement(child, &mut body);
                        }
                    }
                }
                Kind::Lambda(Arc::new(Function {
                    name: String::new(),
                    span: node.byte_range(),
                    parameters,
                    body,
                    decorators: Vec::new(),
                    last_is_value: true,
                }))
            }
            "ascription_expression" => match named(node).first() {
                Some(first) => self.expression(*first).kind,
                None => Kind::Other(Vec::new()),
            },
            "throw_expression" => {
                let inner = self.inner(node);
                let function = Box::new(Expression::new(
                    node.start_byte()..node.start_byte(),
                    Kind::Name("print".to_owned()),
                ));
                let arguments = inner
                    .into_iter()
                    .map(|value| Argument {
                        name: None,
                        spread: false,
                        value,
                    })
                    .collect();
                let shown = Kind::Call {
                    function,
                    arguments,
                };
                let shown = Expression::new(node.byte_range(), shown);
                Kind::Block(vec![Statement::Raise(shown)])
            }
            kind if kind.ends_with("_definition")
                || matches!(
                    kind,
                    "assignment_expression"
                        | "while_expression"
                        | "return_expression"
                        | "import_declaration"
                ) =>
            {
                let mut statements = Vec::new();
                self.statement_of(node, &mut statements);
                Kind::Block(statements)
            }
            _ if node.is_error() => Kind::Block(self.statements(node)),
            _ => Kind::Other(self.inner(node)),
        }
    }

    fn field(&mut self, node: Node<'_>, field: &str) -> Expression {
        let child = in_field(node, field).into_iter().find(Node::is_named);
        child
            .map(|child| self.expression(child))
            .unwrap_or_default()
    }
}

impl Scala<'_> {
    /// The statements of a body that is a block or an expression.
    fn body(&mut self, node: Node<'_>) -> Vec<Statement> {
        match node.kind() {
            "block" | "indented_block" | "template_body" => self.statements(node),
            _ => {
                let mut statements = Vec::new();
                self.statement(node, &mut statements);
                statements
            }
        }
    }

    fn name_of(&self, node: Node<'_>) -> String {
        node.child_by_field_name("name")
            .map(|name| self.walk.of(name).to_owned())
            .unwrap_or_default()
    }

    fn operator(&self, node: Node<'_>) -> String {
        node.child_by_field_name("operator")
            .map(|operator| self.walk.of(operator).to_owned())
            .unwrap_or_default()
    }

    fn yields(&self, node: Node<'_>) -> bool {
        children(node).iter().any(|child| child.kind() == "yield")
    }

    fn import(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        let path: Vec<&str> = in_field(node, "path")
            .into_iter()
            .filter(Node::is_named)
            .map(|part| self.walk.of(part))
            .collect();
        let mut names = Vec::new();
        for child in named(node) {
            if child.kind() == "namespace_selectors" {
                for selector in named(child) {
                    let parts = named(selector);
                    let name = parts
                        .first()
                        .map_or_else(|| self.walk.of(selector), |name| self.walk.of(*name));
                    let alias = parts.last().map_or(name, |alias| self.walk.of(*alias));
                    names.push((name.to_owned(), alias.to_owned()));
                }
            }
        }
        // What is imported is known by its last names, as it is written in calls.
        if names.is_empty()
            && let [module @ .., name] = path.as_slice()
        {
            into.push(Statement::Import {
                span: node.byte_range(),
                module: module.join("."),
                names: vec![((*name).to_owned(), (*name).to_owned())],
            });
            return;
        }
        into.push(Statement::Import {
            span: node.byte_range(),
            module: path.join("."),
            names,
        });
    }

    /// `for (a <- as; b <- bs if c) body`: loops in loops.
    fn loops(&mut self, node: Node<'_>, into: &mut Vec<Statement>) {
        let (loops, conditions) = self.enumerators(node);
        let mut body: Vec<Statement> = conditions.into_iter().map(Statement::Expression).collect();
        if let Some(inner) = node.child_by_field_name("body") {
            body.extend(self.body(inner));
        }
        for (target, iterable) in loops.into_iter().rev() {
            body = vec![Statement::For {
                target,
                iterable,
                body,
            }];
        }
        into.extend(body);
    }

    fn enumerators(&mut self, node: Node<'_>) -> (Vec<(Expression, Expression)>, Vec<Expression>) {
        let mut loops = Vec::new();
        let mut conditions = Vec::new();
        for list in in_field(node, "enumerators")
            .into_iter()
            .filter(|list| list.kind() == "enumerators")
        {
            for enumerator in named(list) {
                let parts = named(enumerator);
                let assigned = children(enumerator).iter().any(|child| child.kind() == "=");
                match parts.as_slice() {
                    [pattern, value, guards @ ..] if value.kind() != "guard" => {
                        let target = self.pattern(*pattern);
                        let value = self.expression(*value);
                        let value = if assigned {
                            Expression::new(value.span.clone(), Kind::List(vec![value]))
                        } else {
                            value
                        };
                        loops.push((target, value));
                        for guard in guards {
                            conditions.extend(self.inner(*guard));
                        }
                    }
                    several => conditions.extend(several.iter().map(|part| self.expression(*part))),
                }
            }
        }
        (loops, conditions)
    }

    fn function(&mut self, node: Node<'_>) -> Function {
        let mut parameters = Vec::new();
        for list in in_field(node, "parameters")
            .into_iter()
            .filter(|list| list.kind() == "parameters")
        {
            parameters.extend(self.parameters(list));
        }
        let body = node
            .child_by_field_name("body")
            .map(|body| self.body(body))
            .unwrap_or_default();
        Function {
            name: self.name_of(node),
            span: node.byte_range(),
            parameters,
            body,
            decorators: Vec::new(),
            last_is_value: true,
        }
    }

    fn parameters(&mut self, list: Node<'_>) -> Vec<Parameter> {
        let mut parameters = Vec::new();
        for node in named(list) {
            match node.kind() {
                "parameter" | "class_parameter" | "binding" => {
                    let name = self.name_of(node);
                    let default = node
                        .child_by_field_name("default_value")
                        .map(|value| self.expression(value));
                    parameters.push(Parameter { name, default });
                }
                "identifier" => parameters.push(Parameter {
                    name: self.walk.of(node).to_owned(),
                    default: None,
                }),
                _ => {}
            }
        }
        parameters
    }

    /// The names that a pattern binds.
    fn pattern(&mut self, node: Node<'_>) -> Expression {
        if !self.walk.deeper(node) {
            return Expression::default();
        }
        let kind = with_stack(|| match node.kind() {
            "identifier" => Kind::Name(self.walk.of(node).to_owned()),
            "tuple_pattern" => Kind::List(
                named(node)
                    .into_iter()
                    .map(|child| self.pattern(child))
                    .collect(),
            ),
            "typed_pattern" => match node.child_by_field_name("pattern") {
                Some(inner) => self.pattern(inner).kind,
                None => Kind::Other(Vec::new()),
            },
            "infix_pattern" => {
                let left = node
                    .child_by_field_name("left")
                    .map(|child| self.pattern(child))
                    .unwrap_or_default();
                let right = node
                    .child_by_field_name("right")
                    .map(|child| self.pattern(child))
                    .unwrap_or_default();
                Kind::List(vec![left, right])
            }
            "case_class_pattern" | "capture_pattern" | "alternative_pattern" => {
                let inner = in_field(node, "pattern").into_iter().filter(Node::is_named);
                Kind::List(inner.map(|child| self.pattern(child)).collect())
            }
            _ => Kind::Other(Vec::new()),
        });
        self.walk.depth -= 1;
        Expression::new(node.byte_range(), kind)
    }

    fn cases(&mut self, block: Node<'_>) -> Vec<Vec<Statement>> {
        let mut arms = Vec::new();
        for case in named(block) {
            let mut arm = Vec::new();
            if let Some(pattern) = case.child_by_field_name("pattern") {
                let target = self.pattern(pattern);
                if let Kind::Name(name) = &target.kind {
                    arm.push(Statement::Forget(vec![name.clone()]));
                }
            }
            for body in in_field(case, "body").into_iter().filter(Node::is_named) {
                self.statement(body, &mut arm);
            }
            arms.push(arm);
        }
        arms
    }

    fn call(&mut self, node: Node<'_>) -> Kind {
        let function = self.field(node, "function");
        let arguments = match node.child_by_field_name("arguments") {
            Some(list) => self.arguments(list),
            None => Vec::new(),
        };
        if let Kind::Name(name) = &function.kind {
            match name.as_str() {
                "Seq" | "List" | "Array" | "Set" | "Vector" | "IndexedSeq" | "ListBuffer"
                | "ArrayBuffer" | "Iterator" | "Stream" => {
                    return Kind::List(
                        arguments
                            .into_iter()
                            .map(|argument| argument.value)
                            .collect(),
                    );
                }
                "Map" | "HashMap" | "TreeMap" | "LinkedHashMap" | "ListMap" => {
                    let pair = |argument: &Argument| match &argument.value.kind {
                        Kind::List(pair) => matches!(pair.as_slice(), [_, _]),
                        _ => false,
                    };
                    if arguments.iter().all(pair) {
                        let pairs = arguments.into_iter().filter_map(|argument| {
                            match argument.value.kind {
                                Kind::List(pair) => {
                                    let mut pair = pair.into_iter();
                                    Some((pair.next()?, pair.next()?))
                                }
                                _ => None,
                            }
                        });
                        return Kind::Map(pairs.collect());
                    }
                }
                _ => {}
            }
        }
        // `"…".stripMargin` was made a call already; `x.trim()` is the same call.
        if let Kind::Call {
            arguments: inner, ..
        } = &function.kind
            && inner.is_empty()
            && arguments.is_empty()
        {
            return function.kind;
        }
        Kind::Call {
            function: Box::new(function),
            arguments,
        }
    }

    fn arguments(&mut self, list: Node<'_>) -> Vec<Argument> {
        let mut arguments = Vec::new();
        if matches!(list.kind(), "block" | "case_block" | "colon_argument") {
            let value = match list.kind() {
                "colon_argument" => {
                    Expression::new(list.byte_range(), Kind::Block(self.statements(list)))
                }
                _ => self.expression(list),
            };
            return vec![Argument {
                name: None,
                spread: false,
                value,
            }];
        }
        for child in named(list) {
            match child.kind() {
                "assignment_expression" => {
                    let name = child
                        .child_by_field_name("left")
                        .map(|left| self.walk.of(left).to_owned());
                    let value = self.field(child, "right");
                    arguments.push(Argument {
                        name,
                        spread: false,
                        value,
                    });
                }
                "vararg" => {
                    let value = self.inner(child).into_iter().next().unwrap_or_default();
                    arguments.push(Argument {
                        name: None,
                        spread: true,
                        value,
                    });
                }
                _ => {
                    let value = self.expression(child);
                    arguments.push(Argument {
                        name: None,
                        spread: false,
                        value,
                    });
                }
            }
        }
        arguments
    }

    /// `a + b` is a sum, `a -> b` a pair, `a == b` a comparison, `a method b` a call.
    fn infix(&mut self, node: Node<'_>) -> Kind {
        let operator = self.operator(node);
        if operator == "+" {
            let mut terms = Vec::new();
            let mut at = node;
            loop {
                if let Some(right) = at.child_by_field_name("right") {
                    terms.push(self.expression(right));
                }
                let Some(left) = at.child_by_field_name("left") else {
                    break;
                };
                if left.kind() != "infix_expression" || self.operator(left) != "+" {
                    terms.push(self.expression(left));
                    break;
                }
                at = left;
            }
            terms.reverse();
            return Kind::Sum(terms);
        }
        let left = self.field(node, "left");
        let right = self.field(node, "right");
        match operator.as_str() {
            "->" | "→" => Kind::List(vec![left, right]),
            "==" | "!=" | "eq" | "ne" | "equals" => Kind::Comparison(vec![left, right]),
            // Columns: `$"a" === "b"`.
            "===" | "=!=" | "<=>" | "&&&" => {
                let function = Box::new(Expression::new(
                    left.span.start..left.span.start,
                    Kind::Name("col".to_owned()),
                ));
                let arguments = vec![
                    Argument {
                        name: None,
                        spread: false,
                        value: left,
                    },
                    Argument {
                        name: None,
                        spread: false,
                        value: right,
                    },
                ];
                Kind::Call {
                    function,
                    arguments,
                }
            }
            "++" => Kind::Sum(vec![left, right]),
            "&&" | "||" => Kind::Other(vec![left, right.if_at_all()]),
            name if name.starts_with(|letter: char| letter.is_alphabetic()) => {
                let span = left.span.start..right.span.start;
                let function = Kind::Attribute {
                    object: Box::new(left),
                    name: operator.clone(),
                };
                let arguments = match right.kind {
                    Kind::List(values) => values
                        .into_iter()
                        .map(|value| Argument {
                            name: None,
                            spread: false,
                            value,
                        })
                        .collect(),
                    kind => vec![Argument {
                        name: None,
                        spread: false,
                        value: Expression::new(right.span, kind),
                    }],
                };
                Kind::Call {
                    function: Box::new(Expression::new(span, function)),
                    arguments,
                }
            }
            _ => Kind::Other(vec![left, right]),
        }
    }

    /// `"…"` and `"""…"""`.
    fn plain_text(&mut self, node: Node<'_>) -> Option<Text> {
        self.walk.texts.push(node.byte_range());
        let (inside, triple) = between_quotes(self.walk.of(node), node.start_byte())?;
        let writing = Writing::known(Writing {
            close: if triple { "\"\"\"" } else { "\"" },
            escapes: if triple {
                Escapes::UnicodeOnly
            } else {
                Escapes::Scala
            },
            braces: false,
            dollars: false,
            ascii: false,
        })?;
        let parts = decode(self.walk.text, inside, writing);
        Some(Text {
            parts,
            writing,
            bytes: false,
            foreign: false,
        })
    }

    /// `s"…"`, `f"…"`, `raw"…"`, `$"column"`, and interpolators of others.
    fn interpolated(&mut self, node: Node<'_>) -> Kind {
        let interpolator = node
            .child_by_field_name("interpolator")
            .map(|name| self.walk.of(name))
            .unwrap_or_default();
        let string = named(node)
            .into_iter()
            .find(|child| child.kind() == "interpolated_string");
        let Some(string) = string else {
            return Kind::Other(Vec::new());
        };
        let span = string.byte_range();
        self.walk.texts.push(span.clone());
        let Some((inside, triple)) = between_quotes(self.walk.of(string), string.start_byte())
        else {
            return Kind::Other(self.inner(string));
        };
        let writing = Writing::known(Writing {
            close: if triple { "\"\"\"" } else { "\"" },
            escapes: match (interpolator, triple) {
                ("raw", _) => Escapes::UnicodeOnly,
                // `s"""…"""` knows the escapes of `"…"`.
                _ => Escapes::Scala,
            },
            braces: false,
            dollars: true,
            ascii: false,
        });
        let Some(writing) = writing else {
            return Kind::Other(Vec::new());
        };
        let mut text = Text {
            parts: Vec::new(),
            writing,
            bytes: false,
            foreign: !matches!(interpolator, "s" | "f" | "raw" | "$"),
        };
        let mut at = inside.start;
        for part in named(string) {
            if part.kind() != "interpolation" {
                continue;
            }
            text.parts
                .extend(decode(self.walk.text, at..part.start_byte(), writing));
            let hole: Range<usize> = part.byte_range();
            self.walk.holes.push(hole.clone());
            let value = match named(part).as_slice() {
                [only] => self.expression(*only),
                _ => Expression::default(),
            };
            // `f"${x}%05d"` formats what it is given.
            let formatted = interpolator == "f"
                && self.walk.text[hole.end..].starts_with('%')
                && !self.walk.text[hole.end..].starts_with("%s");
            let formatted =
                formatted || interpolator == "f" && self.walk.text[hole.end..].starts_with("%s");
            text.parts.push(TextPart::Hole {
                span: hole.clone(),
                value: Box::new(value),
                plain: !formatted,
            });
            at = hole.end;
        }
        text.parts
            .extend(decode(self.walk.text, at..inside.end, writing));
        let text = Expression::new(span, Kind::Text(text));
        if interpolator == "$" {
            let function = Box::new(Expression::new(
                node.start_byte()..node.start_byte(),
                Kind::Name("col".to_owned()),
            ));
            return Kind::Call {
                function,
                arguments: vec![Argument {
                    name: None,
                    spread: false,
                    value: text,
                }],
            };
        }
        // The literal is where its quotes are; the interpolator stands in front of it.
        match text.kind {
            Kind::Text(inner) => Kind::Block(vec![Statement::Expression(Expression::new(
                text.span,
                Kind::Text(inner),
            ))]),
            kind => kind,
        }
    }
}

/// Whether what stands before the dot can be a text or collection rather than a package.
fn attribute_is_method(attribute: &Kind) -> bool {
    match attribute {
        Kind::Attribute { object, name } => {
            name != "rdd" && name != "values" && name != "keys"
                || !matches!(object.kind, Kind::Name(_))
        }
        _ => false,
    }
}

/// The bytes between the quotes of a literal that begins at `start`, and whether there are three of them.
fn between_quotes(literal: &str, start: usize) -> Option<(Range<usize>, bool)> {
    if literal.len() >= 6 && literal.starts_with("\"\"\"") && literal.ends_with("\"\"\"") {
        return Some((start + 3..start + literal.len() - 3, true));
    }
    if literal.len() >= 2
        && literal.starts_with('"')
        && literal.ends_with('"')
        && !literal.starts_with("\"\"\"")
    {
        return Some((start + 1..start + literal.len() - 1, false));
    }
    None
}
