//! The text that comes of a template.

use std::collections::HashMap;
use std::rc::Rc;

use super::filters::{filtered, tested};
use super::parser::{Block, Expr, Given, Macro, Node, Template};
use super::{DEPTH_MAX, NotPlain, Value};

/// No template of a project makes more than this many bytes or takes more steps.
const BYTES_MAX: usize = 16 << 20;
const STEPS_MAX: usize = 1_000_000;
/// No value is larger, and all that are made on the way are not larger together.
const VALUE_MAX: usize = 1 << 20;
const MADE_MAX: usize = 256 << 20;
/// Nodes and expressions that are evaluated within each other.
const FRAMES_MAX: usize = 300;

/// What the caller knows beside the template.
pub(crate) trait Knowing {
    /// What a call like `ref('orders')` gives; `name` may have dots. `None`: it is not known.
    fn call(&mut self, name: &str, given: &Arguments, line: u32)
    -> Result<Option<Value>, NotPlain>;

    /// What a name like `target.type` stands for.
    fn name(&mut self, name: &str, line: u32) -> Result<Option<Value>, NotPlain>;

    /// A macro of the project.
    fn find_macro(&self, name: &str) -> Option<Rc<Macro>>;
}

/// Arguments of a call.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arguments {
    pub(crate) ordered: Vec<Value>,
    pub(crate) named: Vec<(String, Value)>,
}

impl Arguments {
    /// The argument at a place, or of a name.
    pub(crate) fn get(&self, nth: usize, name: &str) -> Option<&Value> {
        let named = self.named.iter().find(|(found, _)| found == name);
        self.ordered.get(nth).or(named.map(|(_, value)| value))
    }

    /// Refuses arguments beside those that are read.
    pub(super) fn check(&self, of: &str, takes: &[&str], line: u32) -> Result<(), NotPlain> {
        let odd = self
            .named
            .iter()
            .map(|(name, _)| name.as_str())
            .find(|name| !takes.contains(name));
        if odd.is_none() && self.ordered.len() <= takes.len() {
            return Ok(());
        }
        Err(NotPlain::new(
            line,
            of,
            match odd {
                Some(odd) => format!("what `{odd}` changes is not taken over"),
                None => "an argument of it is not taken over".to_owned(),
            },
            "write out what it gives",
        ))
    }

    pub(crate) fn text(&self, nth: usize, name: &str) -> Option<&str> {
        self.get(nth, name).and_then(Value::text)
    }
}

/// The text, with the line of the template for each stretch of it.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    pub(crate) text: String,
    marks: Vec<Mark>,
    inside: Inside,
    /// Up to where `inside` was looked for.
    looked: usize,
}

/// What the end of a text of SQL is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Inside {
    #[default]
    Nothing,
    /// `-- …`
    Line,
    /// `/* … */`
    Block,
    /// A text or a name in quotes.
    Quote(u8),
    /// By a letter that begins or ends a text to some engines alone.
    NotKnown,
}

#[derive(Debug)]
struct Mark {
    at: usize,
    line: u32,
    /// Whether lines of the text are lines of the template from here on.
    counts: bool,
}

impl Rendered {
    /// Whether a comment may stand at its end: in no quotes, and in no comment of several lines.
    fn is_between(&mut self) -> bool {
        let bytes = self.text.as_bytes();
        let mut at = self.looked;
        while let Some(byte) = bytes.get(at) {
            let next = bytes.get(at + 1);
            let (inside, length) = match (self.inside, byte, next) {
                (Inside::Nothing, b'-', Some(b'-')) => (Inside::Line, 2),
                (Inside::Nothing, b'/', Some(b'*')) => (Inside::Block, 2),
                (Inside::Nothing, b'\'' | b'"' | b'`', _) => (Inside::Quote(*byte), 1),
                (Inside::Nothing, b'$', Some(b'$')) => (Inside::NotKnown, 1),
                (Inside::Line, b'\n', _) => (Inside::Nothing, 1),
                (Inside::Block, b'*', Some(b'/')) => (Inside::Nothing, 2),
                (Inside::Quote(_), b'\\', _) => (Inside::NotKnown, 1),
                (Inside::Quote(mark), byte, _) if mark == *byte => (Inside::Nothing, 1),
                (inside, _, _) => (inside, 1),
            };
            self.inside = inside;
            at += length;
        }
        self.looked = at;
        matches!(self.inside, Inside::Nothing | Inside::Line)
    }

    /// The line of the template that a byte of the text comes from.
    pub(crate) fn line_of(&self, at: usize) -> u32 {
        let nth = self.marks.partition_point(|mark| mark.at <= at);
        let Some(mark) = nth.checked_sub(1).and_then(|nth| self.marks.get(nth)) else {
            return 1;
        };
        if !mark.counts {
            return mark.line;
        }
        let passed = self.text.as_bytes().get(mark.at..at).unwrap_or_default();
        mark.line + passed.iter().filter(|byte| **byte == b'\n').count() as u32
    }
}

/// Evaluates a template.
pub(crate) fn render(template: &Template, known: &mut dyn Knowing) -> Result<Rendered, NotPlain> {
    render_nodes(&template.nodes, known)
}

/// Evaluates the nodes of a block.
pub(crate) fn render_block(block: &Block, known: &mut dyn Knowing) -> Result<Rendered, NotPlain> {
    render_nodes(&block.nodes, known)
}

fn render_nodes(nodes: &[Node], known: &mut dyn Knowing) -> Result<Rendered, NotPlain> {
    let mut evaluation = Evaluation::new(known);
    let mut rendered = Rendered::default();
    evaluation.nodes(nodes, &mut rendered)?;
    Ok(rendered)
}

/// Evaluates an expression alone.
pub(crate) fn constant(expr: &Expr, line: u32, known: &mut dyn Knowing) -> Result<Value, NotPlain> {
    Evaluation::new(known).expr(expr, line)
}

struct Evaluation<'k> {
    known: &'k mut dyn Knowing,
    scopes: Vec<HashMap<String, Value>>,
    /// Where `set` of a macro must not reach.
    macros: usize,
    steps: usize,
    frames: usize,
    /// Texts that are made apart: where they will stand is not known.
    captured: usize,
    /// Size of all values that were made.
    made: usize,
    returned: Option<Value>,
}

impl<'k> Evaluation<'k> {
    fn new(known: &'k mut dyn Knowing) -> Self {
        Evaluation {
            known,
            scopes: vec![HashMap::new()],
            macros: 0,
            steps: 0,
            frames: 0,
            captured: 0,
            made: 0,
            returned: None,
        }
    }

    fn step(&mut self, line: u32) -> Result<(), NotPlain> {
        self.steps += 1;
        match self.steps > STEPS_MAX {
            true => Err(NotPlain::new(
                line,
                "for",
                format!("it takes more than {STEPS_MAX} steps"),
                "write out what it gives",
            )),
            false => Ok(()),
        }
    }

    /// One deeper; whoever comes back takes it off `frames`.
    fn enter(&mut self, line: u32) -> Result<(), NotPlain> {
        self.frames += 1;
        match self.frames > FRAMES_MAX {
            true => Err(NotPlain::new(
                line,
                "{{ … }}",
                "it is nested too deeply, with the macros that it calls",
                "write out what it gives",
            )),
            false => Ok(()),
        }
    }

    /// Counts a value that was made.
    fn weigh(&mut self, size: usize, line: u32) -> Result<(), NotPlain> {
        self.made = self.made.saturating_add(size);
        match size > VALUE_MAX || self.made > MADE_MAX {
            true => Err(too_large(line)),
            false => Ok(()),
        }
    }

    fn nodes(&mut self, nodes: &[Node], out: &mut Rendered) -> Result<(), NotPlain> {
        for node in nodes {
            if self.returned.is_some() {
                return Ok(());
            }
            let line = node.line();
            self.enter(line)?;
            self.node(node, out)?;
            self.frames -= 1;
        }
        Ok(())
    }

    fn write(
        &self,
        out: &mut Rendered,
        text: &str,
        line: u32,
        counts: bool,
    ) -> Result<(), NotPlain> {
        if out.text.len() + text.len() > BYTES_MAX {
            return Err(NotPlain::new(
                line,
                "for",
                "the text becomes larger than 16 MiB",
                "write out what it gives",
            ));
        }
        let at = out.text.len();
        out.marks.push(Mark { at, line, counts });
        out.text.push_str(text);
        Ok(())
    }

    fn node(&mut self, node: &Node, out: &mut Rendered) -> Result<(), NotPlain> {
        match node {
            Node::Text { line, text } => {
                self.step(*line)?;
                self.write(out, text, *line, true)
            }
            Node::Comment { line, text } => {
                if self.macros == 0
                    && self.captured == 0
                    && out.is_between()
                    && let Some(comment) = as_sql_comment(text, &out.text)
                {
                    self.write(out, &comment, *line, false)?;
                }
                Ok(())
            }
            Node::Output { line, expr } => {
                self.step(*line)?;
                let value = self.expr(expr, *line)?;
                if self.returned.is_some() {
                    return Ok(());
                }
                let text = self.printed(&value, *line)?;
                self.write(out, &text, *line, false)
            }
            Node::Do { line, expr } => self.expr(expr, *line).map(drop),
            Node::Set { line, names, expr } => {
                let value = self.expr(expr, *line)?;
                self.bind(names, value, *line)
            }
            Node::SetBlock { line, name, nodes } => {
                let mut inner = Rendered::default();
                self.captured += 1;
                self.nodes(nodes, &mut inner)?;
                self.captured -= 1;
                self.weigh(inner.text.len(), *line)?;
                self.set(name, Value::Text(inner.text));
                Ok(())
            }
            Node::If {
                line,
                branches,
                otherwise,
            } => {
                for (condition, nodes) in branches {
                    let value = self.expr(condition, *line)?;
                    if self.truth(&value, *line)? {
                        return self.nodes(nodes, out);
                    }
                }
                self.nodes(otherwise, out)
            }
            Node::For {
                line,
                names,
                over,
                only,
                nodes,
                otherwise,
            } => self.repeat(*line, names, (over, only.as_ref()), nodes, otherwise, out),
            Node::Unknown(found) => Err(found.clone()),
        }
    }

    fn repeat(
        &mut self,
        line: u32,
        names: &[String],
        (over, only): (&Expr, Option<&Expr>),
        nodes: &[Node],
        otherwise: &[Node],
        out: &mut Rendered,
    ) -> Result<(), NotPlain> {
        let over = self.expr(over, line)?;
        let items = match over {
            Value::List(items) => items,
            Value::Map(entries) => entries
                .into_iter()
                .map(|(key, _)| Value::Text(key))
                .collect(),
            other => {
                return Err(NotPlain::new(
                    line,
                    "for",
                    format!(
                        "it runs over {}, no list that the project states",
                        other.kind()
                    ),
                    "write out what it gives",
                ));
            }
        };
        let mut kept = Vec::new();
        for item in items {
            self.step(line)?;
            let Some(only) = only else {
                kept.push(item);
                continue;
            };
            self.scopes.push(HashMap::new());
            self.bind(names, item.clone(), line)?;
            let value = self.expr(only, line)?;
            let is_kept = self.truth(&value, line)?;
            self.scopes.pop();
            if is_kept {
                kept.push(item);
            }
        }
        if kept.is_empty() {
            return self.nodes(otherwise, out);
        }
        let count = kept.len();
        for (nth, item) in kept.into_iter().enumerate() {
            self.step(line)?;
            let facts = [
                ("index", Value::Int(nth as i64 + 1)),
                ("index0", Value::Int(nth as i64)),
                ("first", Value::Bool(nth == 0)),
                ("last", Value::Bool(nth + 1 == count)),
                ("length", Value::Int(count as i64)),
                ("revindex", Value::Int((count - nth) as i64)),
            ];
            let facts = facts.map(|(name, value)| (name.to_owned(), value));
            self.scopes.push(HashMap::new());
            self.set("loop", Value::Map(facts.to_vec()));
            self.bind(names, item, line)?;
            self.nodes(nodes, out)?;
            self.scopes.pop();
        }
        Ok(())
    }

    fn set(&mut self, name: &str, value: Value) {
        let scope = self.scopes.last_mut().expect("there is always a scope");
        scope.insert(name.to_owned(), value);
    }

    fn bind(&mut self, names: &[String], value: Value, line: u32) -> Result<(), NotPlain> {
        match names {
            [name] => self.set(name, value),
            names => {
                let items = match value {
                    Value::List(items) if items.len() == names.len() => items,
                    other => {
                        return Err(NotPlain::new(
                            line,
                            names.join(", "),
                            format!("{} cannot be taken apart into them", other.kind()),
                            "write out what it gives",
                        ));
                    }
                };
                for (name, item) in names.iter().zip(items) {
                    self.set(name, item);
                }
            }
        }
        Ok(())
    }

    fn truth(&self, value: &Value, line: u32) -> Result<bool, NotPlain> {
        match value {
            Value::Named(name) => Err(not_known(name, line)),
            value => Ok(value.is_true()),
        }
    }

    fn printed(&self, value: &Value, line: u32) -> Result<String, NotPlain> {
        match value {
            Value::Named(name) => Err(not_known(name, line)),
            value => value.printed().ok_or_else(|| {
                NotPlain::new(
                    line,
                    "{{ … }}",
                    format!("{} has no text of its own", value.kind()),
                    "write out what it gives",
                )
            }),
        }
    }

    fn expr(&mut self, expr: &Expr, line: u32) -> Result<Value, NotPlain> {
        self.step(line)?;
        self.enter(line)?;
        let value = self.value(expr, line)?;
        self.frames -= 1;
        self.weigh(value.size(), line)?;
        Ok(value)
    }

    fn value(&mut self, expr: &Expr, line: u32) -> Result<Value, NotPlain> {
        Ok(match expr {
            Expr::Const(value) => value.clone(),
            Expr::Name(name) => {
                let found = self.scopes.iter().rev().find_map(|scope| scope.get(name));
                match found.cloned() {
                    Some(value) => value,
                    None => self
                        .known
                        .name(name, line)?
                        .unwrap_or_else(|| Value::Named(name.clone())),
                }
            }
            Expr::List(items) => {
                let items = items.iter().map(|item| self.expr(item, line));
                Value::List(items.collect::<Result<_, _>>()?)
            }
            Expr::Map(entries) => {
                let mut map = Vec::new();
                for (key, value) in entries {
                    let key = self.expr(key, line)?;
                    let key = self.printed(&key, line)?;
                    map.push((key, self.expr(value, line)?));
                }
                Value::Map(map)
            }
            Expr::Attribute(of, name) => {
                let of = self.expr(of, line)?;
                self.attribute(of, name, line)?
            }
            Expr::Item(of, at) => {
                let (of, at) = (self.expr(of, line)?, self.expr(at, line)?);
                item_of(&of, &at, line)?
            }
            Expr::Call(of, given) => {
                let arguments = self.arguments(given, line)?;
                // A method of a value: `'a'.upper()`, `items.append(x)`.
                if let Expr::Attribute(inner, method) = of.as_ref() {
                    let inner = self.expr(inner, line)?;
                    match inner {
                        Value::Named(_) => {
                            let named = self.attribute(inner, method, line)?;
                            self.call(named, &arguments, line)?
                        }
                        value => method_of(value, method, &arguments, line)?,
                    }
                } else {
                    let of = self.expr(of, line)?;
                    self.call(of, &arguments, line)?
                }
            }
            Expr::Filter(of, name, given) => {
                let of = self.expr(of, line)?;
                let arguments = self.arguments(given, line)?;
                let is_default = name == "default" || name == "d";
                match of {
                    Value::Named(found) if is_default && self.is_nobodys(&found) => {
                        arguments.check(name, &["default_value", "boolean"], line)?;
                        let default = arguments.get(0, "default_value").cloned();
                        default.unwrap_or(Value::Text(String::new()))
                    }
                    Value::Named(found) => return Err(not_known(&found, line)),
                    of => filtered(of, name, &arguments, line)?,
                }
            }
            Expr::Test {
                of,
                name,
                given,
                negated,
            } => {
                let of = self.expr(of, line)?;
                let given = given.iter().map(|item| self.expr(item, line));
                let given: Vec<Value> = given.collect::<Result<_, _>>()?;
                Value::Bool(tested(&of, name, &given, line)? != *negated)
            }
            Expr::Not(of) => {
                let of = self.expr(of, line)?;
                Value::Bool(!self.truth(&of, line)?)
            }
            Expr::Minus(of) => match self.expr(of, line)? {
                Value::Int(value) => match value.checked_neg() {
                    Some(value) => Value::Int(value),
                    None => return Err(no_operator("-", &Value::Int(value), line)),
                },
                Value::Number(text) => Value::Number(format!("-{text}")),
                other => return Err(no_operator("-", &other, line)),
            },
            Expr::Binary(left, "and", right) => {
                let left = self.expr(left, line)?;
                match self.truth(&left, line)? {
                    true => self.expr(right, line)?,
                    false => left,
                }
            }
            Expr::Binary(left, "or", right) => {
                let left = self.expr(left, line)?;
                match self.truth(&left, line)? {
                    true => left,
                    false => self.expr(right, line)?,
                }
            }
            Expr::Binary(left, mark, right) => {
                let (left, right) = (self.expr(left, line)?, self.expr(right, line)?);
                for side in [&left, &right] {
                    if let Value::Named(name) = side {
                        return Err(not_known(name, line));
                    }
                }
                self.binary(&left, mark, &right, line)?
            }
            Expr::Choice {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.expr(condition, line)?;
                match (self.truth(&condition, line)?, otherwise) {
                    (true, _) => self.expr(then, line)?,
                    (false, Some(otherwise)) => self.expr(otherwise, line)?,
                    (false, None) => Value::Text(String::new()),
                }
            }
        })
    }

    /// Whether a name is one that dbt has not, either: then it is not defined.
    fn is_nobodys(&self, name: &str) -> bool {
        const OF_DBT: [&str; 30] = [
            "adapter",
            "api",
            "builtins",
            "caller",
            "column_name",
            "config",
            "context",
            "database",
            "dbt_metadata_envs",
            "dbt_version",
            "exceptions",
            "execute",
            "flags",
            "graph",
            "invocation_args_dict",
            "invocation_id",
            "kwargs",
            "loop",
            "model",
            "modules",
            "node",
            "project_name",
            "run_started_at",
            "schema",
            "selected_resources",
            "sql",
            "target",
            "this",
            "thread_id",
            "varargs",
        ];
        !name.contains('.') && !OF_DBT.contains(&name) && self.known.find_macro(name).is_none()
    }

    fn attribute(&mut self, of: Value, name: &str, line: u32) -> Result<Value, NotPlain> {
        match of {
            Value::Named(of) => {
                let name = format!("{of}.{name}");
                let found = self.known.name(&name, line)?;
                Ok(found.unwrap_or(Value::Named(name)))
            }
            of => of.get(name).cloned().ok_or_else(|| {
                NotPlain::new(
                    line,
                    format!(".{name}"),
                    format!("{} has no such attribute", of.kind()),
                    "write out what it gives",
                )
            }),
        }
    }

    fn arguments(&mut self, given: &Given, line: u32) -> Result<Arguments, NotPlain> {
        let mut arguments = Arguments::default();
        for expr in &given.ordered {
            arguments.ordered.push(self.expr(expr, line)?);
        }
        for (name, expr) in &given.named {
            arguments.named.push((name.clone(), self.expr(expr, line)?));
        }
        Ok(arguments)
    }

    fn call(&mut self, of: Value, given: &Arguments, line: u32) -> Result<Value, NotPlain> {
        let Value::Named(name) = of else {
            return Err(NotPlain::new(
                line,
                "(…)",
                format!("{} cannot be called", of.kind()),
                "write out what it gives",
            ));
        };
        if name == "return" && self.macros > 0 {
            self.returned = Some(given.ordered.first().cloned().unwrap_or(Value::None));
            return Ok(Value::Text(String::new()));
        }
        if let Some(found) = self.known.find_macro(&name) {
            return self.run(&name, &found, given, line);
        }
        match self.known.call(&name, given, line)? {
            Some(value) => Ok(value),
            None => Err(NotPlain::new(
                line,
                name,
                "this call is not taken over: what it gives is known to dbt alone",
                "write out the SQL that it gives (`dbt compile` shows it)",
            )),
        }
    }

    fn run(
        &mut self,
        name: &str,
        found: &Macro,
        given: &Arguments,
        line: u32,
    ) -> Result<Value, NotPlain> {
        if self.macros >= DEPTH_MAX {
            return Err(NotPlain::new(
                line,
                name,
                "the macro calls itself without an end",
                "write out what it gives",
            ));
        }
        let mut scope = HashMap::new();
        for (nth, (parameter, default)) in found.parameters.iter().enumerate() {
            let value = match (given.get(nth, parameter), default) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => self.expr(default, line)?,
                // It is not defined, and what asks for it is told.
                (None, None) => continue,
            };
            scope.insert(parameter.clone(), value);
        }
        let parameters: Vec<&str> = found.parameters.iter().map(|(name, _)| &**name).collect();
        if let Some((odd, _)) = given
            .named
            .iter()
            .find(|(name, _)| !parameters.contains(&name.as_str()))
        {
            return Err(NotPlain::broken(
                line,
                name,
                format!("the macro takes no argument `{odd}`"),
            ));
        }
        if given.ordered.len() > found.parameters.len() {
            return Err(NotPlain::broken(
                line,
                name,
                format!("the macro takes {} arguments", found.parameters.len()),
            ));
        }
        let outer = std::mem::replace(&mut self.scopes, vec![scope]);
        let outer_return = self.returned.take();
        self.macros += 1;
        let mut out = Rendered::default();
        let ended = self.nodes(&found.nodes, &mut out);
        self.macros -= 1;
        self.scopes = outer;
        let returned = std::mem::replace(&mut self.returned, outer_return);
        // Lines of a macro are those of another file.
        ended.map_err(|mut error| {
            error.line = line;
            if !error.why.starts_with("in the macro") {
                error.why = format!("in the macro `{name}`: {}", error.why);
            }
            error
        })?;
        Ok(returned.unwrap_or(Value::Text(out.text)))
    }

    fn binary(
        &self,
        left: &Value,
        mark: &'static str,
        right: &Value,
        line: u32,
    ) -> Result<Value, NotPlain> {
        let ordering = || -> Option<std::cmp::Ordering> {
            match (left, right) {
                (Value::Int(left), Value::Int(right)) => Some(left.cmp(right)),
                (Value::Text(left), Value::Text(right)) => Some(left.cmp(right)),
                _ => None,
            }
        };
        let compared = match mark {
            // To Python 1, 1.0 and True are one.
            "==" | "!=" if may_be_equal(left, right) => return Err(no_operator(mark, left, line)),
            "==" => return Ok(Value::Bool(left == right)),
            "!=" => return Ok(Value::Bool(left != right)),
            "~" => {
                let (left, right) = (self.printed(left, line)?, self.printed(right, line)?);
                return Ok(Value::Text(left + &right));
            }
            "in" => {
                return match (left, right) {
                    (_, Value::List(items)) => Ok(Value::Bool(items.contains(left))),
                    (Value::Text(part), Value::Text(text)) => {
                        Ok(Value::Bool(text.contains(part.as_str())))
                    }
                    (Value::Text(key), Value::Map(_)) => Ok(Value::Bool(right.get(key).is_some())),
                    _ => Err(no_operator(mark, right, line)),
                };
            }
            "<" => ordering().map(std::cmp::Ordering::is_lt),
            "<=" => ordering().map(std::cmp::Ordering::is_le),
            ">" => ordering().map(std::cmp::Ordering::is_gt),
            ">=" => ordering().map(std::cmp::Ordering::is_ge),
            _ => {
                let computed = match (left, mark, right) {
                    (Value::Int(left), "+", Value::Int(right)) => left.checked_add(*right),
                    (Value::Int(left), "-", Value::Int(right)) => left.checked_sub(*right),
                    (Value::Int(left), "*", Value::Int(right)) => left.checked_mul(*right),
                    // Python rounds down.
                    (Value::Int(left), "//", Value::Int(right)) if *right > 0 => {
                        left.checked_div_euclid(*right)
                    }
                    (Value::Int(left), "%", Value::Int(right)) if *right > 0 => {
                        left.checked_rem_euclid(*right)
                    }
                    (Value::Text(left), "+", Value::Text(right)) => {
                        return Ok(Value::Text(format!("{left}{right}")));
                    }
                    (Value::List(left), "+", Value::List(right)) => {
                        let both = left.iter().chain(right).cloned();
                        return Ok(Value::List(both.collect()));
                    }
                    _ => None,
                };
                return computed
                    .map(Value::Int)
                    .ok_or_else(|| no_operator(mark, left, line));
            }
        };
        compared
            .map(Value::Bool)
            .ok_or_else(|| no_operator(mark, left, line))
    }
}

/// A value that would not fit the machine.
pub(super) fn too_large(line: u32) -> NotPlain {
    NotPlain::new(
        line,
        "{{ … }}",
        "the values that it makes are larger than 1 MiB, or 256 MiB together",
        "write out what it gives",
    )
}

/// `replace` of a text, unless it makes one that is too large.
pub(super) fn replaced(text: &str, from: &str, to: &str, line: u32) -> Result<String, NotPlain> {
    let grown = text.matches(from).count().saturating_mul(to.len());
    match grown.saturating_add(text.len()) > 2 * VALUE_MAX {
        true => Err(too_large(line)),
        false => Ok(text.replace(from, to)),
    }
}

/// Texts with a mark between them, unless they make one that is too large.
pub(super) fn joined(texts: &[String], mark: &str, line: u32) -> Result<String, NotPlain> {
    let marks = texts.len().saturating_mul(mark.len());
    let size = texts
        .iter()
        .map(String::len)
        .fold(marks, usize::saturating_add);
    match size > 2 * VALUE_MAX {
        true => Err(too_large(line)),
        false => Ok(texts.join(mark)),
    }
}

fn not_known(name: &str, line: u32) -> NotPlain {
    NotPlain::new(
        line,
        name,
        "nothing in the project says what it is",
        "write out what it gives (`dbt compile` shows it)",
    )
}

fn no_operator(mark: &str, of: &Value, line: u32) -> NotPlain {
    NotPlain::new(
        line,
        mark,
        format!("it is not taken over for {}", of.kind()),
        "write out what it gives",
    )
}

fn item_of(of: &Value, at: &Value, line: u32) -> Result<Value, NotPlain> {
    let found = match (of, at) {
        (Value::List(items), Value::Int(at)) => {
            let length = items.len() as i64;
            let at = if *at < 0 { at + length } else { *at };
            usize::try_from(at)
                .ok()
                .and_then(|at| items.get(at))
                .cloned()
        }
        (Value::Map(_), Value::Text(key)) => of.get(key).cloned(),
        _ => None,
    };
    found.ok_or_else(|| {
        NotPlain::new(
            line,
            "[…]",
            format!("{} has no such item", of.kind()),
            "write out what it gives",
        )
    })
}

/// Numbers that are written otherwise and may be the same.
fn may_be_equal(left: &Value, right: &Value) -> bool {
    let is_number =
        |value: &Value| matches!(value, Value::Bool(_) | Value::Int(_) | Value::Number(_));
    let is_one_kind = matches!(
        (left, right),
        (Value::Bool(_), Value::Bool(_)) | (Value::Int(_), Value::Int(_))
    );
    is_number(left) && is_number(right) && !is_one_kind && left != right
}

/// Methods of Python that leave no doubt.
fn method_of(value: Value, method: &str, given: &Arguments, line: u32) -> Result<Value, NotPlain> {
    let unknown = || {
        NotPlain::new(
            line,
            format!(".{method}()"),
            "this method is not taken over",
            "write out what it gives",
        )
    };
    let takes: &[&str] = match method {
        "replace" => &["old", "new"],
        "split" => &["sep"],
        "startswith" | "endswith" | "join" => &["of"],
        "get" => &["key", "default"],
        _ => &[],
    };
    given.check(method, takes, line)?;
    Ok(match (&value, method) {
        (Value::Text(text), "upper") => Value::Text(text.to_uppercase()),
        (Value::Text(text), "lower") => Value::Text(text.to_lowercase()),
        (Value::Text(text), "strip") if given.ordered.is_empty() => {
            Value::Text(text.trim().to_owned())
        }
        (Value::Text(text), "replace") => match (given.text(0, ""), given.text(1, "")) {
            (Some(from), Some(to)) => Value::Text(replaced(text, from, to, line)?),
            _ => return Err(unknown()),
        },
        (Value::Text(text), "split") => match given.text(0, "sep") {
            Some(mark) if !mark.is_empty() => {
                let parts = text.split(mark).map(|part| Value::Text(part.to_owned()));
                Value::List(parts.collect())
            }
            _ => return Err(unknown()),
        },
        (Value::Text(text), "startswith") => match given.text(0, "") {
            Some(start) => Value::Bool(text.starts_with(start)),
            None => return Err(unknown()),
        },
        (Value::Text(text), "endswith") => match given.text(0, "") {
            Some(end) => Value::Bool(text.ends_with(end)),
            None => return Err(unknown()),
        },
        (Value::Text(mark), "join") => match given.ordered.first() {
            Some(Value::List(_)) => {
                let mark = Arguments {
                    ordered: vec![Value::Text(mark.clone())],
                    named: Vec::new(),
                };
                let list = given.ordered[0].clone();
                filtered(list, "join", &mark, line)?
            }
            _ => return Err(unknown()),
        },
        (Value::Map(entries), "items") => {
            let pairs = entries
                .iter()
                .map(|(key, value)| Value::List(vec![Value::Text(key.clone()), value.clone()]));
            Value::List(pairs.collect())
        }
        (Value::Map(entries), "keys") => {
            let keys = entries.iter().map(|(key, _)| Value::Text(key.clone()));
            Value::List(keys.collect())
        }
        (Value::Map(entries), "values") => {
            Value::List(entries.iter().map(|(_, value)| value.clone()).collect())
        }
        (Value::Map(_), "get") => {
            let key = given.text(0, "key").ok_or_else(unknown)?;
            let default = given.ordered.get(1).cloned();
            value.get(key).cloned().or(default).unwrap_or(Value::None)
        }
        _ => return Err(unknown()),
    })
}

/// A template's comment in SQL, where one may stand: not inside a word, and in a comment of one line on that line.
fn as_sql_comment(text: &str, before: &str) -> Option<String> {
    let after_word = before.ends_with(|c: char| c.is_alphanumeric() || "_'\"".contains(c));
    if after_word || text.contains("*/") || text.contains("/*") || text.trim().is_empty() {
        return None;
    }
    let line = before.rsplit('\n').next().unwrap_or_default();
    Some(match line.contains("--") {
        true => text.split_whitespace().collect::<Vec<_>>().join(" "),
        false => format!("/* {} */", text.trim()),
    })
}
