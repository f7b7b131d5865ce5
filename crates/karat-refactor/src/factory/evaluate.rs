//! What an expression can be: the finite set of values it can take, and the texts it builds out of literals and holes.
//!
//! A text built by `concat`, `replace`, `format` or `@{…}` keeps, for each letter, the bytes of the literal it was written in, so
//! that a name in it can be edited where it stands. What parameters, variables and items can be is asked of a [`Scope`];
//! reading the documents that answer is the part of [`super::facts`].

use std::collections::BTreeSet;
use std::ops::Range;

use serde_json::Value;

use super::expression::{self, Expr, ExprKind, Part, Syntax, Text};

/// More values than this are no finite set that a person would read.
pub const VALUES_MAX: usize = 64;
/// More ways than this through `if` and `coalesce` are not told apart.
const WAYS_MAX: usize = 16;

/// The values something can take.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Possible {
    /// Those we know, each once, in the order found.
    pub values: Vec<Value>,
    /// What else may decide it; empty: the values are all there are.
    pub open: BTreeSet<String>,
}

impl Possible {
    /// One value and no other.
    pub fn one(value: Value) -> Self {
        Possible {
            values: vec![value],
            open: BTreeSet::new(),
        }
    }

    /// Not known, and why.
    pub fn unknown(why: impl Into<String>) -> Self {
        Possible {
            values: Vec::new(),
            open: BTreeSet::from([why.into()]),
        }
    }

    /// Whether the values are all there are.
    pub fn is_complete(&self) -> bool {
        self.open.is_empty()
    }

    /// The values that are texts, numbers or truths, as text, sorted.
    pub fn texts(&self) -> BTreeSet<String> {
        self.values.iter().filter_map(text_of).collect()
    }

    /// Adds a value, once.
    pub fn add(&mut self, value: Value) {
        if self.values.contains(&value) {
            return;
        }
        if self.values.len() >= VALUES_MAX {
            self.open.insert(format!("more than {VALUES_MAX} values"));
            return;
        }
        self.values.push(value);
    }

    /// Adds all that another can be.
    pub fn join(&mut self, other: Possible) {
        other.values.into_iter().for_each(|value| self.add(value));
        self.open.extend(other.open);
    }

    fn map(self, change: impl Fn(&Value) -> Option<Value>, what: &str) -> Self {
        let mut changed = Possible {
            values: Vec::new(),
            open: self.open,
        };
        for value in &self.values {
            match change(value) {
                Some(value) => changed.add(value),
                None => {
                    changed.open.insert(what.to_owned());
                }
            }
        }
        changed
    }

    fn map_text(self, change: impl Fn(&str) -> String, what: &str) -> Self {
        self.map(
            |value| text_of(value).map(|text| Value::String(change(&text))),
            what,
        )
    }
}

/// A value as text, where it has one.
pub fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(truth) => Some(if *truth { "True" } else { "False" }.to_owned()),
        _ => None,
    }
}

/// Something that an expression refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reference {
    /// `pipeline().parameters.x`, `dataset().x`, `linkedService().x`; in ARM `parameters('x')`.
    Parameter(String),
    /// `pipeline().globalParameters.x`
    Global(String),
    /// `variables('x')`
    Variable(String),
    /// `item()`
    Item,
    /// `pipeline().Pipeline` and the like.
    System(String),
    /// `activity('x')`
    Activity(String),
}

/// Who knows what references can be.
pub trait Scope {
    /// All values that a reference can take.
    fn look_up(&self, reference: &Reference) -> Possible;
}

/// A scope that knows nothing.
pub struct Nothing;

impl Scope for Nothing {
    fn look_up(&self, reference: &Reference) -> Possible {
        Possible::unknown(format!("{reference:?}"))
    }
}

/// A stretch of a built text.
#[derive(Clone, Debug, PartialEq)]
pub enum Piece {
    /// Letters that stand in the string.
    Literal {
        /// Its bytes in the string, as written there.
        outer: Range<usize>,
        /// How it is written there.
        quoting: Quoting,
    },
    /// Something computed.
    Hole {
        /// The expression's bytes in the string.
        span: Range<usize>,
        /// What it can be.
        possible: Possible,
        /// What stands around it.
        place: Place,
    },
}

/// What stands around a hole, which decides how text can be put in front of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// It is an argument of `concat`: another argument can go before it.
    Argument,
    /// It stands in text as `@{…}`, braces included: text can go before it.
    Braces,
    /// It stands in a literal, as a pattern that `replace` finds there: text can go before it.
    Pattern(Quoting),
    /// Nothing can go before it.
    Inside,
}

/// How letters of a literal are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quoting {
    /// As they are, in text with `@{…}` in it or plain text.
    Bare,
    /// Between single quotes, quotes doubled.
    Single,
}

/// What a text that an expression builds is used for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Use {
    /// It is the value of the string.
    Value,
    /// It is read as JSON, and that is the value.
    Json,
    /// It is an argument of a function that decides or changes something: the function, in lower case.
    Argument(String),
    /// It names a parameter, variable or activity.
    Label,
}

/// A text that an expression builds.
#[derive(Clone, Debug, PartialEq)]
pub struct Built {
    /// Its pieces, in order.
    pub pieces: Vec<Piece>,
    /// What it is used for.
    pub used: Use,
}

/// All texts that a string builds, and the literals it uses on the way.
pub fn texts(text: &str, parsed: &Text, syntax: Syntax, scope: &dyn Scope) -> Vec<Built> {
    let mut builder = Builder {
        text,
        syntax,
        scope,
        found: Vec::new(),
    };
    match parsed {
        Text::Plain(range) => builder.found.push(Built {
            pieces: vec![builder.bare(range.clone())],
            used: Use::Value,
        }),
        Text::Expression(expression) => builder.value(expression, Use::Value),
        Text::Mixed(parts) => {
            let mut ways = vec![Vec::new()];
            for part in parts {
                let next = match part {
                    Part::Text(range) => vec![vec![builder.bare(range.clone())]],
                    Part::Expression(expression) => {
                        let mut next = builder.ways(expression);
                        let braces = builder.braces(&expression.span);
                        set_place(&mut next, &expression.span, &braces, Place::Braces);
                        next
                    }
                };
                ways = builder.product(ways, next, 0..text.len());
            }
            builder.found.extend(ways.into_iter().map(|pieces| Built {
                pieces,
                used: Use::Value,
            }));
        }
    }
    builder.found
}

/// All values that a string can take.
pub fn values(text: &str, parsed: &Text, syntax: Syntax, scope: &dyn Scope) -> Possible {
    let evaluator = Evaluator {
        text,
        syntax,
        scope,
    };
    match parsed {
        Text::Plain(range) => {
            Possible::one(Value::String(text[range.clone()].replace("@@{", "@{")))
        }
        Text::Expression(expression) => evaluator.expression(expression),
        Text::Mixed(parts) => {
            let pieces = parts.iter().map(|part| match part {
                Part::Text(range) => {
                    Possible::one(Value::String(text[range.clone()].replace("@@{", "@{")))
                }
                Part::Expression(expression) => evaluator.expression(expression),
            });
            concat(pieces)
        }
    }
}

struct Builder<'t> {
    text: &'t str,
    syntax: Syntax,
    scope: &'t dyn Scope,
    found: Vec<Built>,
}

impl Builder<'_> {
    fn bare(&self, range: Range<usize>) -> Piece {
        Piece::Literal {
            outer: range,
            quoting: Quoting::Bare,
        }
    }

    fn literal(&self, expression: &Expr) -> Piece {
        let outer = expression.span.start + 1..expression.span.end - 1;
        Piece::Literal {
            outer,
            quoting: Quoting::Single,
        }
    }

    fn hole(&self, expression: &Expr) -> Piece {
        let evaluator = Evaluator {
            text: self.text,
            syntax: self.syntax,
            scope: self.scope,
        };
        Piece::Hole {
            span: expression.span.clone(),
            possible: evaluator.expression(expression),
            place: Place::Inside,
        }
    }

    /// The bytes of `@{…}` around an expression.
    fn braces(&self, span: &Range<usize>) -> Range<usize> {
        let start = self.text[..span.start].rfind("@{").unwrap_or(span.start);
        let end = self.text[span.end..]
            .find('}')
            .map_or(span.end, |found| span.end + found + 1);
        start..end
    }

    /// The expression gives the value of something.
    fn value(&mut self, expression: &Expr, used: Use) {
        if let ExprKind::Call { name, arguments } = &expression.kind
            && name == "json"
            && let [argument] = arguments.as_slice()
        {
            return self.value(argument, Use::Json);
        }
        for pieces in self.ways(expression) {
            self.found.push(Built {
                pieces,
                used: used.clone(),
            });
        }
    }

    /// The texts that an expression can be, as pieces; literals that it only uses are put aside.
    fn ways(&mut self, expression: &Expr) -> Vec<Vec<Piece>> {
        let (name, arguments) = match &expression.kind {
            ExprKind::Text => return vec![vec![self.literal(expression)]],
            ExprKind::Call { name, arguments } => (name.as_str(), arguments.as_slice()),
            _ => {
                self.put_aside(expression);
                return vec![vec![self.hole(expression)]];
            }
        };
        match (name, arguments) {
            ("concat", arguments) => {
                let mut ways = vec![Vec::new()];
                for argument in arguments {
                    let mut next = self.ways(argument);
                    set_place(&mut next, &argument.span, &argument.span, Place::Argument);
                    ways = self.product(ways, next, argument.span.clone());
                }
                ways
            }
            ("if", [condition, yes, no]) => {
                self.put_aside(condition);
                let mut ways = self.ways(yes);
                ways.extend(self.ways(no));
                self.at_most(ways, expression)
            }
            ("coalesce", arguments) => {
                let ways = arguments
                    .iter()
                    .flat_map(|argument| self.ways(argument))
                    .collect();
                self.at_most(ways, expression)
            }
            ("string" | "trim" | "tolower" | "toupper" | "json", [argument]) => self.ways(argument),
            ("replace", [text, pattern, with]) if pattern.kind == ExprKind::Text => {
                let pattern = pattern.span.start + 1..pattern.span.end - 1;
                let texts = self.ways(text);
                let withs = self.ways(with);
                let mut ways = Vec::new();
                for text in texts {
                    let cut = self.cut(&text, &self.text[pattern.clone()]);
                    if cut.len() == 1 {
                        // What is replaced comes from a hole, or never comes.
                        ways.push(text);
                        continue;
                    }
                    ways.extend(withs.iter().map(|put| self.put_in(&cut, put, with)));
                }
                self.at_most(ways, expression)
            }
            ("format", [pattern, values @ ..])
                if pattern.kind == ExprKind::Text && self.syntax == Syntax::Arm =>
            {
                let start = pattern.span.start + 1;
                let raw = &self.text[start..pattern.span.end - 1];
                let mut ways = vec![Vec::new()];
                for (range, index) in placeholders(raw) {
                    let next = match index {
                        None => {
                            let outer = start + range.start..start + range.end;
                            vec![vec![Piece::Literal {
                                outer,
                                quoting: Quoting::Single,
                            }]]
                        }
                        Some(index) => match values.get(index) {
                            Some(value) => self.ways(value),
                            None => vec![Vec::new()],
                        },
                    };
                    ways = self.product(ways, next, expression.span.clone());
                }
                ways
            }
            _ => {
                self.put_aside(expression);
                vec![vec![self.hole(expression)]]
            }
        }
    }

    /// Each way followed by each next one; where there are too many, what follows becomes a hole.
    fn product(
        &mut self,
        ways: Vec<Vec<Piece>>,
        next: Vec<Vec<Piece>>,
        span: Range<usize>,
    ) -> Vec<Vec<Piece>> {
        if next.len() > 1 && ways.len() * next.len() > WAYS_MAX {
            for pieces in next {
                self.found.push(Built {
                    pieces,
                    used: Use::Argument("if".to_owned()),
                });
            }
            let possible = Possible::unknown("too many ways through `if`");
            let hole = Piece::Hole {
                span,
                possible,
                place: Place::Inside,
            };
            return ways
                .into_iter()
                .map(|way| [way, vec![hole.clone()]].concat())
                .collect();
        }
        let follow = |way: &Vec<Piece>| -> Vec<Vec<Piece>> {
            next.iter()
                .map(|tail| [way.clone(), tail.clone()].concat())
                .collect()
        };
        ways.iter().flat_map(follow).collect()
    }

    fn at_most(&mut self, ways: Vec<Vec<Piece>>, expression: &Expr) -> Vec<Vec<Piece>> {
        if ways.len() <= WAYS_MAX {
            return ways;
        }
        for pieces in ways {
            self.found.push(Built {
                pieces,
                used: Use::Argument("if".to_owned()),
            });
        }
        vec![vec![self.hole(expression)]]
    }

    /// Literals inside an expression whose value is not a text built of them.
    fn put_aside(&mut self, expression: &Expr) {
        match &expression.kind {
            ExprKind::Call { name, arguments } => {
                let used = match name.as_str() {
                    "parameters" | "variables" | "activity" | "pipeline" | "dataset" => Use::Label,
                    _ => Use::Argument(name.clone()),
                };
                for argument in arguments {
                    for pieces in self.ways(argument) {
                        let has_literal = pieces
                            .iter()
                            .any(|piece| matches!(piece, Piece::Literal { .. }));
                        if has_literal {
                            self.found.push(Built {
                                pieces,
                                used: used.clone(),
                            });
                        }
                    }
                }
            }
            ExprKind::Member { of, .. } => self.put_aside(of),
            ExprKind::Index { of, index } => {
                self.put_aside(of);
                self.put_aside(index);
            }
            ExprKind::Text => {
                let pieces = vec![self.literal(expression)];
                self.found.push(Built {
                    pieces,
                    used: Use::Argument("[]".to_owned()),
                });
            }
            ExprKind::Number | ExprKind::Bool(_) | ExprKind::Null => {}
        }
    }
}

/// Pieces up to a place where a pattern stands, and that place; the last ones have none behind them.
type Stretch = (Vec<Piece>, Option<(Range<usize>, Quoting)>);

impl Builder<'_> {
    /// The pieces, cut at each place where `pattern` (as written between quotes) stands in a literal.
    fn cut(&self, pieces: &[Piece], pattern: &str) -> Vec<Stretch> {
        let mut cut = Vec::new();
        let mut stretch = Vec::new();
        for piece in pieces {
            let Piece::Literal { outer, quoting } = piece else {
                stretch.push(piece.clone());
                continue;
            };
            let pattern = match quoting {
                Quoting::Bare => pattern.replace("''", "'"),
                Quoting::Single => pattern.to_owned(),
            };
            let raw = &self.text[outer.clone()];
            let absolute = |range: Range<usize>| outer.start + range.start..outer.start + range.end;
            let literal = |range: Range<usize>| {
                (!range.is_empty()).then(|| Piece::Literal {
                    outer: absolute(range),
                    quoting: *quoting,
                })
            };
            let mut from = 0;
            if !pattern.is_empty() {
                for (at, _) in raw.match_indices(&pattern) {
                    stretch.extend(literal(from..at));
                    from = at + pattern.len();
                    cut.push((
                        std::mem::take(&mut stretch),
                        Some((absolute(at..from), *quoting)),
                    ));
                }
            }
            stretch.extend(literal(from..raw.len()));
        }
        cut.push((stretch, None));
        cut
    }

    /// The pieces with something in the place of the pattern: a literal with dots or blanks as itself, so that a name in it is edited
    /// where it stands; anything else as a hole where the pattern stands, so that text can go before it.
    fn put_in(&self, cut: &[Stretch], put: &[Piece], with: &Expr) -> Vec<Piece> {
        let as_itself = put.iter().all(|piece| match piece {
            Piece::Literal { outer, .. } => self.text[outer.clone()].contains(['.', ' ', '/']),
            Piece::Hole { .. } => false,
        });
        let mut pieces = Vec::new();
        for (stretch, place) in cut {
            pieces.extend(stretch.iter().cloned());
            match place {
                None => {}
                Some(_) if as_itself => pieces.extend(put.iter().cloned()),
                Some((span, quoting)) => {
                    let evaluator = Evaluator {
                        text: self.text,
                        syntax: self.syntax,
                        scope: self.scope,
                    };
                    let possible = evaluator.expression(with);
                    pieces.push(Piece::Hole {
                        span: span.clone(),
                        possible,
                        place: Place::Pattern(*quoting),
                    });
                }
            }
        }
        pieces
    }
}

/// Says what stands around a hole that is a whole argument.
fn set_place(
    ways: &mut [Vec<Piece>],
    whole: &Range<usize>,
    with_braces: &Range<usize>,
    around: Place,
) {
    for way in ways {
        if let [Piece::Hole { span, place, .. }] = way.as_mut_slice()
            && span == whole
        {
            *span = with_braces.clone();
            *place = around;
        }
    }
}

/// Cuts the pattern of `format` (as written) at `{0}`, `{1}`, …; `{{` and `}}` stay in the text.
fn placeholders(raw: &str) -> Vec<(Range<usize>, Option<usize>)> {
    let mut cut = Vec::new();
    let mut from = 0;
    let mut at = 0;
    while let Some(found) = raw[at..].find('{') {
        let open = at + found;
        let digits = raw[open + 1..]
            .bytes()
            .take_while(u8::is_ascii_digit)
            .count();
        let index = raw[open + 1..open + 1 + digits].parse().ok();
        let close = raw[open + 1 + digits..].find('}');
        match (index, close) {
            (Some(index), Some(close)) => {
                cut.push((from..open, None));
                cut.push((open..open, Some(index)));
                from = open + 1 + digits + close + 1;
                at = from;
            }
            _ => {
                at = open
                    + if raw[open + 1..].starts_with('{') {
                        2
                    } else {
                        1
                    }
            }
        }
    }
    cut.push((from..raw.len(), None));
    cut.retain(|(range, index)| index.is_some() || !range.is_empty());
    cut
}

/// The texts of some values, one behind the other.
fn concat(parts: impl IntoIterator<Item = Possible>) -> Possible {
    let mut all = Possible::one(Value::String(String::new()));
    for part in parts {
        let mut next = Possible {
            values: Vec::new(),
            open: all.open.clone(),
        };
        next.open.extend(part.open.iter().cloned());
        for head in &all.values {
            for tail in &part.values {
                match (text_of(head), text_of(tail)) {
                    (Some(head), Some(tail)) => next.add(Value::String(head + &tail)),
                    _ => {
                        next.open.insert("a value that is no text".to_owned());
                    }
                }
            }
        }
        all = next;
    }
    all
}

struct Evaluator<'t> {
    text: &'t str,
    syntax: Syntax,
    scope: &'t dyn Scope,
}

impl Evaluator<'_> {
    fn written(&self, expression: &Expr) -> String {
        let text: String = self.text[expression.span.clone()]
            .chars()
            .take(80)
            .collect();
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    fn expression(&self, expression: &Expr) -> Possible {
        let raw = &self.text[expression.span.clone()];
        match &expression.kind {
            ExprKind::Text => {
                Possible::one(Value::String(expression::decode(&raw[1..raw.len() - 1]).0))
            }
            ExprKind::Number => {
                serde_json::from_str(raw).map_or_else(|_| Possible::unknown(raw), Possible::one)
            }
            ExprKind::Bool(truth) => Possible::one(Value::Bool(*truth)),
            ExprKind::Null => Possible::one(Value::Null),
            ExprKind::Member { of, name } => {
                if let Some(reference) = self.reference(expression) {
                    return self.scope.look_up(&reference);
                }
                let what = format!("`{}`", self.written(expression));
                self.expression(of).map(|value| member(value, name), &what)
            }
            ExprKind::Index { of, index } => {
                let what = format!("`{}`", self.written(expression));
                let mut result = Possible::default();
                for index in self.expression(index).values {
                    let element = |value: &Value| match &index {
                        Value::Number(index) => value.get(index.as_u64()? as usize).cloned(),
                        Value::String(name) => member(value, name),
                        _ => None,
                    };
                    result.join(self.expression(of).map(element, &what));
                }
                if result == Possible::default() {
                    return Possible::unknown(what);
                }
                result
            }
            ExprKind::Call { name, arguments } => match self.reference(expression) {
                Some(reference) => self.scope.look_up(&reference),
                None => self.call(name, arguments, expression),
            },
        }
    }

    /// What a chain of names refers to, if it is a reference and nothing else.
    fn reference(&self, expression: &Expr) -> Option<Reference> {
        match &expression.kind {
            ExprKind::Call { name, arguments } => match (name.as_str(), arguments.as_slice()) {
                ("item", []) => Some(Reference::Item),
                ("variables", [name]) => Some(Reference::Variable(self.label(name)?)),
                ("parameters", [name]) => Some(Reference::Parameter(self.label(name)?)),
                ("activity", [name]) => Some(Reference::Activity(self.label(name)?)),
                _ => None,
            },
            ExprKind::Member { of, name } => match &of.kind {
                ExprKind::Member {
                    of: root,
                    name: group,
                } if is_call(root, "pipeline") => match group.to_lowercase().as_str() {
                    "parameters" => Some(Reference::Parameter(name.clone())),
                    "globalparameters" => Some(Reference::Global(name.clone())),
                    _ => Some(Reference::System(self.written(expression))),
                },
                ExprKind::Call {
                    name: root,
                    arguments,
                } if arguments.is_empty() => match root.as_str() {
                    "dataset" | "linkedservice" => Some(Reference::Parameter(name.clone())),
                    "pipeline"
                        if !matches!(
                            name.to_lowercase().as_str(),
                            "parameters" | "globalparameters"
                        ) =>
                    {
                        Some(Reference::System(self.written(expression)))
                    }
                    "trigger" => Some(Reference::System(self.written(expression))),
                    _ => None,
                },
                _ => None,
            },
            _ => None,
        }
    }

    fn label(&self, expression: &Expr) -> Option<String> {
        (expression.kind == ExprKind::Text).then(|| {
            let raw = &self.text[expression.span.clone()];
            expression::decode(&raw[1..raw.len() - 1]).0
        })
    }

    fn call(&self, name: &str, arguments: &[Expr], whole: &Expr) -> Possible {
        let what = format!("`{}`", self.written(whole));
        let text = |argument: &Expr| self.expression(argument);
        match (name, arguments) {
            ("concat", arguments) => concat(arguments.iter().map(text)),
            ("if", [_, yes, no]) => {
                let mut both = text(yes);
                both.join(text(no));
                both
            }
            ("coalesce", arguments) => {
                let mut all = Possible::default();
                arguments
                    .iter()
                    .for_each(|argument| all.join(text(argument)));
                all.values.retain(|value| !value.is_null());
                all
            }
            ("string", [value]) => text(value).map(
                |value| {
                    Some(Value::String(
                        text_of(value).unwrap_or_else(|| value.to_string()),
                    ))
                },
                &what,
            ),
            ("json", [value]) => {
                text(value).map(|value| serde_json::from_str(value.as_str()?).ok(), &what)
            }
            ("trim", [value]) => text(value).map_text(|value| value.trim().to_owned(), &what),
            ("tolower", [value]) => text(value).map_text(str::to_lowercase, &what),
            ("toupper", [value]) => text(value).map_text(str::to_uppercase, &what),
            ("replace", [value, pattern, with]) => {
                let mut all = Possible::default();
                let (pattern, with) = (text(pattern), text(with));
                all.open
                    .extend(pattern.open.iter().chain(&with.open).cloned());
                for pattern in pattern.texts() {
                    for with in with.texts() {
                        let change = |value: &str| match pattern.is_empty() {
                            true => value.to_owned(),
                            false => value.replace(&pattern, &with),
                        };
                        all.join(text(value).map_text(change, &what));
                    }
                }
                all
            }
            ("split", [value, separator]) => {
                let mut all = Possible::default();
                let separator = text(separator);
                all.open.extend(separator.open.iter().cloned());
                for separator in separator
                    .texts()
                    .iter()
                    .filter(|separator| !separator.is_empty())
                {
                    let split = |value: &Value| {
                        let parts = text_of(value)?;
                        Some(Value::Array(
                            parts
                                .split(separator.as_str())
                                .map(|part| Value::String(part.to_owned()))
                                .collect(),
                        ))
                    };
                    all.join(text(value).map(split, &what));
                }
                all
            }
            ("first", [value]) => {
                text(value).map(|value| value.as_array()?.first().cloned(), &what)
            }
            ("last", [value]) => text(value).map(|value| value.as_array()?.last().cloned(), &what),
            ("createarray" | "array", arguments) => {
                let mut lists = Possible::one(Value::Array(Vec::new()));
                for argument in arguments {
                    let argument = text(argument);
                    let mut next = Possible {
                        values: Vec::new(),
                        open: lists.open.clone(),
                    };
                    next.open.extend(argument.open.iter().cloned());
                    for list in lists.values.iter().filter_map(Value::as_array) {
                        for value in &argument.values {
                            next.add(Value::Array(
                                [list.as_slice(), std::slice::from_ref(value)].concat(),
                            ));
                        }
                    }
                    lists = next;
                }
                lists
            }
            ("format", [pattern, values @ ..])
                if self.syntax == Syntax::Arm && pattern.kind == ExprKind::Text =>
            {
                let raw = &self.text[pattern.span.start + 1..pattern.span.end - 1];
                let parts = placeholders(raw)
                    .into_iter()
                    .map(|(range, index)| match index {
                        None => Possible::one(Value::String(expression::decode(&raw[range]).0)),
                        Some(index) => values
                            .get(index)
                            .map_or_else(|| Possible::unknown(what.clone()), text),
                    });
                concat(parts)
            }
            _ => Possible::unknown(what),
        }
    }
}

fn is_call(expression: &Expr, wanted: &str) -> bool {
    matches!(&expression.kind, ExprKind::Call { name, arguments } if name == wanted && arguments.is_empty())
}

fn member(value: &Value, name: &str) -> Option<Value> {
    let object = value.as_object()?;
    let found = object.get(name).or_else(|| {
        let same = |entry: &&String| entry.eq_ignore_ascii_case(name);
        object.keys().find(same).and_then(|key| object.get(key))
    });
    found.cloned()
}
