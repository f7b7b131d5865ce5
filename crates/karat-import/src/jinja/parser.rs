//! Trees of templates and of their expressions.

use super::lexer::{Piece, Spot, Token, of_expression, pieces};
use super::{DEPTH_MAX, LINKS_MAX, NotPlain, Value};

/// A whole file, with the macros, snapshots and docs that it defines apart.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template {
    pub(crate) nodes: Vec<Node>,
    pub(crate) macros: Vec<Macro>,
    pub(crate) snapshots: Vec<Block>,
    pub(crate) docs: Vec<Block>,
}

/// `{% snapshot name %}`, `{% docs name %}`.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    pub(crate) name: String,
    pub(crate) line: u32,
    pub(crate) nodes: Vec<Node>,
}

/// `{% macro name(a, b='x') %}`.
#[derive(Clone, Debug)]
pub(crate) struct Macro {
    pub(crate) name: String,
    pub(crate) parameters: Vec<(String, Option<Expr>)>,
    pub(crate) nodes: Vec<Node>,
}

#[derive(Clone, Debug)]
pub(crate) enum Node {
    Text {
        line: u32,
        text: String,
    },
    Comment {
        line: u32,
        text: String,
    },
    Output {
        line: u32,
        expr: Expr,
    },
    Do {
        line: u32,
        expr: Expr,
    },
    Set {
        line: u32,
        names: Vec<String>,
        expr: Expr,
    },
    SetBlock {
        line: u32,
        name: String,
        nodes: Vec<Node>,
    },
    If {
        line: u32,
        branches: Vec<(Expr, Vec<Node>)>,
        otherwise: Vec<Node>,
    },
    For {
        line: u32,
        names: Vec<String>,
        over: Expr,
        only: Option<Expr>,
        nodes: Vec<Node>,
        otherwise: Vec<Node>,
    },
    /// A statement that is not taken over, wherever it is reached.
    Unknown(NotPlain),
}

impl Node {
    /// Its line, as far as it has one.
    pub(crate) fn line(&self) -> u32 {
        match self {
            Node::Text { line, .. }
            | Node::Comment { line, .. }
            | Node::Output { line, .. }
            | Node::Do { line, .. }
            | Node::Set { line, .. }
            | Node::SetBlock { line, .. }
            | Node::If { line, .. }
            | Node::For { line, .. } => *line,
            Node::Unknown(found) => found.line,
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Expr {
    Const(Value),
    Name(String),
    List(Vec<Expr>),
    Map(Vec<(Expr, Expr)>),
    Attribute(Box<Expr>, String),
    Item(Box<Expr>, Box<Expr>),
    Call(Box<Expr>, Given),
    Filter(Box<Expr>, String, Given),
    Test {
        of: Box<Expr>,
        name: String,
        given: Vec<Expr>,
        negated: bool,
    },
    Not(Box<Expr>),
    Minus(Box<Expr>),
    Binary(Box<Expr>, &'static str, Box<Expr>),
    Choice {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Option<Box<Expr>>,
    },
}

/// Arguments of a call, in order and by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    pub(crate) ordered: Vec<Expr>,
    pub(crate) named: Vec<(String, Expr)>,
}

/// Reads a whole file.
pub(crate) fn parse(text: &str) -> Result<Template, NotPlain> {
    let mut parser = Blocks {
        pieces: pieces(text)?,
        at: 0,
        template: Template::default(),
    };
    let (nodes, end) = parser.nodes(0, &[])?;
    if let Some((tag, line)) = end {
        return Err(NotPlain::broken(
            line,
            tag,
            "nothing is open that it closes",
        ));
    }
    parser.template.nodes = nodes;
    Ok(parser.template)
}

/// An expression alone.
pub(crate) fn expression(text: &str, line: u32) -> Result<Expr, NotPlain> {
    Expressions::whole(&of_expression(text, line)?, line)
}

struct Blocks {
    pieces: Vec<Piece>,
    at: usize,
    template: Template,
}

type End = Option<(String, u32)>;

impl Blocks {
    /// Nodes up to one of the closing tags, which is given back and not passed over when it is one of `else`, `elif`.
    fn nodes(&mut self, depth: usize, closing: &[&str]) -> Result<(Vec<Node>, End), NotPlain> {
        let mut nodes = Vec::new();
        while let Some(piece) = self.pieces.get(self.at).cloned() {
            let (line, tokens) = match piece {
                Piece::Text { line, text } => {
                    nodes.push(Node::Text { line, text });
                    self.at += 1;
                    continue;
                }
                Piece::Comment { line, text } => {
                    nodes.push(Node::Comment { line, text });
                    self.at += 1;
                    continue;
                }
                Piece::Output { line, tokens } => {
                    let expr = Expressions::whole(&tokens, line)?;
                    nodes.push(Node::Output { line, expr });
                    self.at += 1;
                    continue;
                }
                Piece::Statement { line, tokens } => (line, tokens),
            };
            if depth > DEPTH_MAX {
                return Err(NotPlain::broken(line, "{%", "it is nested too deeply"));
            }
            let Some(Token::Name(tag)) = tokens.first().map(|spot| &spot.token) else {
                return Err(NotPlain::broken(line, "{%", "it has no statement"));
            };
            let tag = tag.clone();
            if closing.contains(&tag.as_str()) {
                return Ok((nodes, Some((tag, line))));
            }
            if tag.starts_with("end") || tag == "else" || tag == "elif" {
                return Ok((nodes, Some((tag, line))));
            }
            self.at += 1;
            if let Some(node) = self.statement(&tag, line, &tokens[1..], depth)? {
                nodes.push(node);
            }
        }
        Ok((nodes, None))
    }

    /// The body of a block up to its closing tag, which is passed over.
    fn body(&mut self, tag: &str, line: u32, depth: usize) -> Result<Vec<Node>, NotPlain> {
        let close = format!("end{tag}");
        let (nodes, end) = self.nodes(depth + 1, &[&close])?;
        match end {
            Some((found, _)) if found == close => {
                self.at += 1;
                Ok(nodes)
            }
            Some((found, at)) => Err(NotPlain::broken(
                at,
                found,
                format!("`{close}` of line {line} was to come first"),
            )),
            None => Err(NotPlain::broken(line, tag, format!("it has no `{close}`"))),
        }
    }

    fn statement(
        &mut self,
        tag: &str,
        line: u32,
        tokens: &[Spot],
        depth: usize,
    ) -> Result<Option<Node>, NotPlain> {
        let mut read = Expressions {
            tokens,
            at: 0,
            line,
            depth: 0,
            links: 0,
        };
        let node = match tag {
            "set" => {
                let names = read.names()?;
                if read.takes("=") {
                    let expr = read.list_or_one()?;
                    read.end()?;
                    Node::Set { line, names, expr }
                } else {
                    read.end()?;
                    let nodes = self.body("set", line, depth)?;
                    let name = names.into_iter().next().unwrap_or_default();
                    Node::SetBlock { line, name, nodes }
                }
            }
            "do" => {
                let expr = read.expr()?;
                read.end()?;
                Node::Do { line, expr }
            }
            "if" => self.branches(line, read, depth)?,
            "for" => {
                let names = read.names()?;
                if !read.takes_word("in") {
                    return Err(NotPlain::broken(line, "for", "`in` does not follow"));
                }
                let over = read.or()?;
                let only = match read.takes_word("if") {
                    true => Some(read.expr()?),
                    false => None,
                };
                read.end()?;
                let (nodes, end) = self.nodes(depth + 1, &["endfor"])?;
                let mut otherwise = Vec::new();
                match end {
                    Some((found, _)) if found == "else" => {
                        self.at += 1;
                        otherwise = self.body("for", line, depth)?;
                    }
                    Some((found, _)) if found == "endfor" => self.at += 1,
                    _ => return Err(NotPlain::broken(line, "for", "it has no `endfor`")),
                }
                Node::For {
                    line,
                    names,
                    over,
                    only,
                    nodes,
                    otherwise,
                }
            }
            "macro" => {
                let name = read.name()?;
                let parameters = read.parameters()?;
                read.end()?;
                let nodes = self.body("macro", line, depth)?;
                self.template.macros.push(Macro {
                    name,
                    parameters,
                    nodes,
                });
                return Ok(None);
            }
            "snapshot" | "docs" => {
                let name = read.name()?;
                let nodes = self.body(tag, line, depth)?;
                let block = Block { name, line, nodes };
                match tag {
                    "docs" => self.template.docs.push(block),
                    _ => self.template.snapshots.push(block),
                }
                return Ok(None);
            }
            "test" | "materialization" | "call" | "filter" => {
                self.body(tag, line, depth)?;
                Node::Unknown(NotPlain::new(
                    line,
                    format!("{{% {tag} %}}"),
                    "blocks of this kind are not taken over",
                    "write out what it gives",
                ))
            }
            other => Node::Unknown(NotPlain::new(
                line,
                format!("{{% {other} %}}"),
                "this statement is not taken over",
                "write out what it gives",
            )),
        };
        Ok(Some(node))
    }

    fn branches(
        &mut self,
        line: u32,
        mut read: Expressions<'_>,
        depth: usize,
    ) -> Result<Node, NotPlain> {
        let mut condition = read.expr()?;
        read.end()?;
        let mut branches = Vec::new();
        loop {
            let (nodes, end) = self.nodes(depth + 1, &["endif"])?;
            branches.push((condition, nodes));
            let Some((found, at)) = end else {
                return Err(NotPlain::broken(line, "if", "it has no `endif`"));
            };
            match found.as_str() {
                "endif" => {
                    self.at += 1;
                    return Ok(Node::If {
                        line,
                        branches,
                        otherwise: Vec::new(),
                    });
                }
                "else" => {
                    self.at += 1;
                    let otherwise = self.body("if", line, depth)?;
                    return Ok(Node::If {
                        line,
                        branches,
                        otherwise,
                    });
                }
                "elif" => {
                    let Some(Piece::Statement { tokens, .. }) = self.pieces.get(self.at).cloned()
                    else {
                        return Err(NotPlain::broken(at, "elif", "it is not understood"));
                    };
                    self.at += 1;
                    condition = Expressions::whole(&tokens[1..], at)?;
                }
                _ => {
                    return Err(NotPlain::broken(
                        at,
                        found,
                        format!("`endif` of line {line} was to come first"),
                    ));
                }
            }
        }
    }
}

struct Expressions<'a> {
    tokens: &'a [Spot],
    at: usize,
    line: u32,
    depth: usize,
    /// Steps of the tree down to the place that is read.
    links: usize,
}

impl Expressions<'_> {
    fn whole(tokens: &[Spot], line: u32) -> Result<Expr, NotPlain> {
        let mut read = Expressions {
            tokens,
            at: 0,
            line,
            depth: 0,
            links: 0,
        };
        let expr = read.list_or_one()?;
        read.end()?;
        Ok(expr)
    }

    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|spot| &spot.token)
    }

    fn here(&self) -> u32 {
        let last = self.tokens.last().map_or(self.line, |spot| spot.line);
        self.tokens.get(self.at).map_or(last, |spot| spot.line)
    }

    fn takes(&mut self, mark: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Mark(found)) if *found == mark);
        self.at += usize::from(found);
        found
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Name(found)) if found == word);
        self.at += usize::from(found);
        found
    }

    fn needs(&mut self, mark: &str) -> Result<(), NotPlain> {
        match self.takes(mark) {
            true => Ok(()),
            false => Err(self.unexpected(&format!("`{mark}`"))),
        }
    }

    fn unexpected(&self, wanted: &str) -> NotPlain {
        let found = match self.peek() {
            Some(Token::Name(name)) => name.clone(),
            Some(Token::Text(text)) => format!("'{text}'"),
            Some(Token::Int(value)) => value.to_string(),
            Some(Token::Number(text)) => text.clone(),
            Some(Token::Mark(mark)) => (*mark).to_owned(),
            None => "the end".to_owned(),
        };
        NotPlain::broken(self.here(), found, format!("{wanted} was to come"))
    }

    fn end(&self) -> Result<(), NotPlain> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("the end")),
        }
    }

    fn name(&mut self) -> Result<String, NotPlain> {
        match self.peek() {
            Some(Token::Name(name)) => {
                let name = name.clone();
                self.at += 1;
                Ok(name)
            }
            _ => Err(self.unexpected("a name")),
        }
    }

    fn names(&mut self) -> Result<Vec<String>, NotPlain> {
        let mut names = vec![self.name()?];
        while self.takes(",") {
            names.push(self.name()?);
        }
        Ok(names)
    }

    fn parameters(&mut self) -> Result<Vec<(String, Option<Expr>)>, NotPlain> {
        let mut parameters = Vec::new();
        self.needs("(")?;
        while !self.takes(")") {
            let name = self.name()?;
            let default = match self.takes("=") {
                true => Some(self.expr()?),
                false => None,
            };
            parameters.push((name, default));
            if !self.takes(",") {
                self.needs(")")?;
                break;
            }
        }
        Ok(parameters)
    }

    /// `a, b` is a list.
    fn list_or_one(&mut self) -> Result<Expr, NotPlain> {
        let first = self.expr()?;
        if !matches!(self.peek(), Some(Token::Mark(","))) {
            return Ok(first);
        }
        let mut items = vec![first];
        while self.takes(",") {
            if self.peek().is_none() {
                break;
            }
            items.push(self.beside()?);
        }
        Ok(Expr::List(items))
    }

    fn expr(&mut self) -> Result<Expr, NotPlain> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err(NotPlain::broken(
                self.here(),
                "(",
                "it is nested too deeply",
            ));
        }
        let then = self.or()?;
        let expr = match self.takes_word("if") {
            false => then,
            true => {
                let condition = Box::new(self.or()?);
                let otherwise = match self.takes_word("else") {
                    true => Some(Box::new(self.expr()?)),
                    false => None,
                };
                Expr::Choice {
                    condition,
                    then: Box::new(then),
                    otherwise,
                }
            }
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn or(&mut self) -> Result<Expr, NotPlain> {
        let mut left = self.and()?;
        while self.takes_word("or") {
            self.link()?;
            left = Expr::Binary(Box::new(left), "or", Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Result<Expr, NotPlain> {
        let mut left = self.not()?;
        while self.takes_word("and") {
            self.link()?;
            left = Expr::Binary(Box::new(left), "and", Box::new(self.not()?));
        }
        Ok(left)
    }

    fn not(&mut self) -> Result<Expr, NotPlain> {
        let mut negated = false;
        while self.takes_word("not") {
            negated = !negated;
        }
        let of = self.comparison()?;
        Ok(match negated {
            true => Expr::Not(Box::new(of)),
            false => of,
        })
    }

    fn comparison(&mut self) -> Result<Expr, NotPlain> {
        let mut left = self.sum()?;
        loop {
            let found = ["==", "!=", "<=", ">=", "<", ">"]
                .into_iter()
                .find(|mark| self.takes(mark));
            if let Some(mark) = found {
                self.link()?;
                left = Expr::Binary(Box::new(left), mark, Box::new(self.sum()?));
                continue;
            }
            if self.takes_word("in") {
                self.link()?;
                left = Expr::Binary(Box::new(left), "in", Box::new(self.sum()?));
                continue;
            }
            let next = self.tokens.get(self.at + 1).map(|spot| &spot.token);
            let is_not_in = matches!(self.peek(), Some(Token::Name(name)) if name == "not")
                && matches!(next, Some(Token::Name(name)) if name == "in");
            if is_not_in {
                self.at += 2;
                self.link()?;
                let right = Box::new(self.sum()?);
                left = Expr::Not(Box::new(Expr::Binary(Box::new(left), "in", right)));
                continue;
            }
            if self.takes_word("is") {
                self.link()?;
                let negated = self.takes_word("not");
                let name = self.name()?;
                let mut given = Vec::new();
                if self.takes("(") {
                    while !self.takes(")") {
                        given.push(self.beside()?);
                        if !self.takes(",") {
                            self.needs(")")?;
                            break;
                        }
                    }
                }
                left = Expr::Test {
                    of: Box::new(left),
                    name,
                    given,
                    negated,
                };
                continue;
            }
            return Ok(left);
        }
    }

    fn sum(&mut self) -> Result<Expr, NotPlain> {
        let mut left = self.product()?;
        while let Some(mark) = ["+", "-", "~"].into_iter().find(|mark| self.takes(mark)) {
            self.link()?;
            left = Expr::Binary(Box::new(left), mark, Box::new(self.product()?));
        }
        Ok(left)
    }

    fn product(&mut self) -> Result<Expr, NotPlain> {
        let mut left = self.unary()?;
        while let Some(mark) = ["**", "*", "//", "/", "%"]
            .into_iter()
            .find(|mark| self.takes(mark))
        {
            self.link()?;
            left = Expr::Binary(Box::new(left), mark, Box::new(self.unary()?));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, NotPlain> {
        let mut negative = false;
        while self.takes("-") {
            negative = !negative;
        }
        let of = self.postfix()?;
        Ok(match negative {
            true => Expr::Minus(Box::new(of)),
            false => of,
        })
    }

    fn postfix(&mut self) -> Result<Expr, NotPlain> {
        let mut of = self.primary()?;
        loop {
            if self.takes(".") {
                of = match self.peek() {
                    Some(Token::Int(at)) => {
                        let at = Expr::Const(Value::Int(*at));
                        self.at += 1;
                        Expr::Item(Box::new(of), Box::new(at))
                    }
                    _ => Expr::Attribute(Box::new(of), self.name()?),
                };
            } else if self.takes("[") {
                let item = self.expr()?;
                self.needs("]")?;
                of = Expr::Item(Box::new(of), Box::new(item));
            } else if self.takes("(") {
                of = Expr::Call(Box::new(of), self.given()?);
            } else if self.takes("|") {
                let name = self.name()?;
                let given = match self.takes("(") {
                    true => self.given()?,
                    false => Given::default(),
                };
                of = Expr::Filter(Box::new(of), name, given);
            } else {
                return Ok(of);
            }
            self.link()?;
        }
    }

    /// Counts a step that makes the tree one deeper: of a chain, or behind a value.
    fn link(&mut self) -> Result<(), NotPlain> {
        self.links += 1;
        match self.links > LINKS_MAX {
            true => Err(NotPlain::broken(
                self.here(),
                "{{ … }}",
                format!("the expression has more than {LINKS_MAX} operators in a row"),
            )),
            false => Ok(()),
        }
    }

    /// An expression beside others: what it chains makes them no deeper.
    fn beside(&mut self) -> Result<Expr, NotPlain> {
        let links = self.links;
        let expr = self.expr()?;
        self.links = links;
        Ok(expr)
    }

    fn given(&mut self) -> Result<Given, NotPlain> {
        let mut given = Given::default();
        while !self.takes(")") {
            let next = self.tokens.get(self.at + 1).map(|spot| &spot.token);
            let is_named = matches!(self.peek(), Some(Token::Name(_)))
                && matches!(next, Some(Token::Mark("=")));
            if is_named {
                let name = self.name()?;
                self.needs("=")?;
                given.named.push((name, self.beside()?));
            } else {
                given.ordered.push(self.beside()?);
            }
            if !self.takes(",") {
                self.needs(")")?;
                break;
            }
        }
        Ok(given)
    }

    fn primary(&mut self) -> Result<Expr, NotPlain> {
        let Some(token) = self.peek().cloned() else {
            return Err(self.unexpected("a value"));
        };
        match token {
            Token::Text(mut text) => {
                self.at += 1;
                // Texts side by side are one.
                while let Some(Token::Text(more)) = self.peek() {
                    text.push_str(more);
                    self.at += 1;
                }
                Ok(Expr::Const(Value::Text(text)))
            }
            Token::Int(value) => {
                self.at += 1;
                Ok(Expr::Const(Value::Int(value)))
            }
            Token::Number(text) => {
                self.at += 1;
                Ok(Expr::Const(Value::Number(text)))
            }
            Token::Name(name) => {
                self.at += 1;
                Ok(match name.as_str() {
                    "true" | "True" => Expr::Const(Value::Bool(true)),
                    "false" | "False" => Expr::Const(Value::Bool(false)),
                    "none" | "None" => Expr::Const(Value::None),
                    _ => Expr::Name(name),
                })
            }
            Token::Mark("(") => {
                self.at += 1;
                if self.takes(")") {
                    return Ok(Expr::List(Vec::new()));
                }
                let first = self.expr()?;
                if self.takes(")") {
                    return Ok(first);
                }
                let mut items = vec![first];
                while self.takes(",") {
                    if matches!(self.peek(), Some(Token::Mark(")"))) {
                        break;
                    }
                    items.push(self.beside()?);
                }
                self.needs(")")?;
                Ok(Expr::List(items))
            }
            Token::Mark("[") => {
                self.at += 1;
                let mut items = Vec::new();
                while !self.takes("]") {
                    items.push(self.beside()?);
                    if !self.takes(",") {
                        self.needs("]")?;
                        break;
                    }
                }
                Ok(Expr::List(items))
            }
            Token::Mark("{") => {
                self.at += 1;
                let mut entries = Vec::new();
                while !self.takes("}") {
                    let key = self.beside()?;
                    self.needs(":")?;
                    entries.push((key, self.beside()?));
                    if !self.takes(",") {
                        self.needs("}")?;
                        break;
                    }
                }
                Ok(Expr::Map(entries))
            }
            Token::Mark(_) => Err(self.unexpected("a value")),
        }
    }
}
