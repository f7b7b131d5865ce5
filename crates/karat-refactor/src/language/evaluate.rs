//! Runs a program without running it: follows texts from the literals they stand in to the calls they end in.
//!
//! Statements are taken in order, branches are joined, loops are passed once, functions of the program are entered with what they
//! are given. Every table, database, path and SQL text that is reached is reported to the [`Reader`]; what became of each literal is noted, and
//! [`super::settle`] draws the conclusions at the end of the asset. Whatever is not followed makes a value unknown, never wrong.

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::Language;
use super::calls::{self, Place};
use super::program::{
    Argument, Expression, Function, Kind, Parameter, Program, Statement, Text, TextPart, with_stack,
};
use super::values::{
    Assembled, Closure, Fate, Hole, Literal, LiteralId, Segment, State, Use, Value, is_nothing,
};
use crate::fragment::Fragment;
use crate::mapping::TableLookup;
use crate::occurrence::{Doubt, NotATable, Role, rule};
use crate::reader::Reader;
use crate::rules;
use crate::session::{self, Namespace};

/// Functions inside functions are entered to this depth.
const CALLS_DEEP: usize = 8;
/// So many calls of functions are followed in one asset.
const CALLS_MAX: usize = 4_000;
/// Texts of more segments are not followed.
const SEGMENTS_MAX: usize = 2_048;

/// An argument with what it can be.
pub(crate) struct Given {
    pub(crate) name: Option<String>,
    pub(super) value: Value,
    pub(crate) span: Range<usize>,
    spread: bool,
}

impl Given {
    /// The texts that are known.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.value.known_texts()
    }

    /// The texts that are known, with a mark for what is not.
    pub(crate) fn shape(&self) -> Vec<String> {
        self.value.shapes()
    }

    /// Whether it is exactly one known text.
    pub(crate) fn is_known(&self) -> bool {
        self.value.only_text().is_some()
    }
}

/// The evaluation of one cell.
pub(crate) struct Machine<'r, 'e> {
    pub(super) reader: &'r mut Reader<'e>,
    pub(super) state: State,
    cell: Arc<Fragment>,
    namespace: Namespace,
    frames: Vec<Frame>,
    /// Functions being evaluated.
    entered: Vec<usize>,
    broken: Vec<Range<usize>>,
    class: Option<Arc<str>>,
}

#[derive(Default)]
struct Frame {
    variables: HashMap<String, Value>,
    returned: Option<Value>,
    /// Whether statements from here on may not be reached.
    left: bool,
    /// Parameters of which nothing is known.
    open: BTreeSet<String>,
}

impl<'r, 'e> Machine<'r, 'e> {
    /// A machine for a cell; takes over what earlier cells left.
    pub(super) fn new(
        reader: &'r mut Reader<'e>,
        cell: &Arc<Fragment>,
        namespace: Namespace,
    ) -> Self {
        let mut state = std::mem::take(&mut reader.programs);
        if state.seen != reader.session.carried {
            state.seen = reader.session.carried.clone();
            if let Some(left) = &state.seen.0 {
                for (of, variables) in &left.globals {
                    let here = state.globals.entry(*of).or_default();
                    here.extend(
                        variables
                            .iter()
                            .map(|(name, value)| (name.clone(), value.clone())),
                    );
                    for name in variables.keys() {
                        // The session knows the same; its texts need not be taken once more.
                        let key = (*of, name.clone());
                        if let Some(value) = reader.session.variables.get(&key) {
                            state.written.insert(key, value.clone());
                        }
                    }
                }
                state.classes.extend(
                    left.classes
                        .iter()
                        .map(|(key, closure)| (key.clone(), Arc::clone(closure))),
                );
            }
        }
        let mut globals = state.globals.remove(&namespace).unwrap_or_default();
        // What `%run` brought, or SQL set: texts without a place in this asset.
        for ((of, name), value) in &reader.session.variables {
            if *of != namespace || state.written.get(&(*of, name.clone())) == Some(value) {
                continue;
            }
            let value = from_session(value);
            globals.insert(name.clone(), value);
        }
        let frame = Frame {
            variables: globals,
            ..Frame::default()
        };
        Self {
            reader,
            state,
            cell: Arc::clone(cell),
            namespace,
            frames: vec![frame],
            entered: Vec::new(),
            broken: Vec::new(),
            class: None,
        }
    }

    /// Evaluates a cell.
    pub(super) fn run(&mut self, program: &Program) {
        self.broken = program.broken.clone();
        let value = self.block(&program.body);
        // The last expression of a cell is shown.
        self.fate(&value, &Fate::Shown);
    }

    /// Hands everything back.
    pub(super) fn finish(mut self) {
        let globals = self
            .frames
            .drain(..)
            .next()
            .map(|frame| frame.variables)
            .unwrap_or_default();
        for (name, value) in &globals {
            let written = match value.all_texts() {
                Some(texts) => session::Value::OneOf(texts.into_iter().collect::<BTreeSet<_>>()),
                None => session::Value::Unknown,
            };
            let key = (self.namespace, name.clone());
            if written != session::Value::Unknown
                || self.reader.session.variables.contains_key(&key)
            {
                self.reader
                    .session
                    .variables
                    .insert(key.clone(), written.clone());
                self.state.written.insert(key, written);
            }
        }
        self.state.globals.insert(self.namespace, globals);
        self.reader.programs = std::mem::take(&mut self.state);
    }

    fn block(&mut self, statements: &[Statement]) -> Value {
        let mut last = Value::Constant("None".into());
        for statement in statements {
            last = with_stack(|| self.statement(statement));
        }
        last
    }

    fn statement(&mut self, statement: &Statement) -> Value {
        let nothing = || Value::Constant("None".into());
        match statement {
            Statement::Expression(expression) => {
                let value = self.expression(expression);
                if let Kind::Text(_) = expression.kind
                    && self.namespace == Namespace::Python
                {
                    self.fate(&value, &Fate::Comment);
                    return nothing();
                }
                return value;
            }
            Statement::Assign {
                target,
                value,
                adds,
            } => {
                let mut given = self.expression(value);
                if *adds {
                    let before = self.expression(target);
                    given = self.sum(
                        vec![(before, target.span.clone()), (given, value.span.clone())],
                        true,
                    );
                }
                self.assign(target, given);
            }
            Statement::Function(function) => {
                for decorator in &function.decorators {
                    self.decorator(decorator, function);
                }
                self.define(function);
            }
            Statement::Class {
                name,
                parameters,
                body,
            } => self.class(name, parameters, body),
            Statement::For {
                target,
                iterable,
                body,
            } => {
                let iterable = self.expression(iterable);
                self.loosen(body);
                let element = self.element(&iterable);
                let before = self.frame().variables.clone();
                self.assign(target, element);
                self.block(body);
                self.join(vec![before]);
            }
            Statement::While { condition, body } => {
                self.loosen(body);
                let condition = self.expression(condition);
                self.tested(&condition);
                let before = self.frame().variables.clone();
                self.block(body);
                self.join(vec![before]);
            }
            Statement::Branch {
                conditions,
                arms,
                complete,
            } => {
                for condition in conditions {
                    let value = self.expression(condition);
                    self.tested(&value);
                }
                return self.branch(arms, *complete);
            }
            Statement::Block { bindings, body } => {
                for (target, value) in bindings {
                    let value = self.expression(value);
                    if let Some(target) = target {
                        self.assign(target, value);
                    }
                }
                return self.block(body);
            }
            Statement::Return(value) => {
                let value = value
                    .as_ref()
                    .map_or_else(nothing, |value| self.expression(value));
                self.returns(value);
            }
            Statement::Import {
                span,
                module,
                names,
            } => {
                rules::import(self, span.clone(), module, names);
                for (name, alias) in names {
                    let path = if name.is_empty() {
                        module.clone()
                    } else {
                        format!("{module}.{name}")
                    };
                    // `import a.b` binds `a`.
                    let path = if name.is_empty()
                        && alias == module.split('.').next().unwrap_or_default()
                    {
                        alias.clone()
                    } else {
                        path
                    };
                    self.set(alias, Value::object(&path));
                }
            }
            Statement::Forget(names) => {
                for name in names {
                    if let Some(global) = self.frames.first_mut() {
                        let lost = global
                            .variables
                            .get(name)
                            .map_or_else(Value::unknown, Value::lost);
                        global.variables.insert(name.clone(), lost);
                    }
                }
            }
        }
        nothing()
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        self.frames.last_mut().expect("one was pushed")
    }

    fn set(&mut self, name: &str, value: Value) {
        self.frame().variables.insert(name.to_owned(), value);
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.frames
            .iter()
            .rev()
            .find_map(|frame| frame.variables.get(name))
    }

    fn returns(&mut self, value: Value) {
        let frame = self.frame();
        frame.returned = Some(match frame.returned.take() {
            Some(before) => before.or(value),
            None => value,
        });
        frame.left = true;
    }

    /// Joins the variables of the current frame with others that are possible too.
    fn join(&mut self, others: Vec<HashMap<String, Value>>) {
        let mut joined = std::mem::take(&mut self.frame().variables);
        for other in others {
            for (name, value) in &mut joined {
                let that = match other.get(name) {
                    Some(that) => that.clone(),
                    // Not assigned on the other way: whoever reads it came this way.
                    None => continue,
                };
                let this = std::mem::replace(value, Value::unknown());
                *value = this.or(that);
            }
            for (name, value) in other {
                joined.entry(name).or_insert(value);
            }
        }
        self.frame().variables = joined;
    }

    fn branch(&mut self, arms: &[Vec<Statement>], complete: bool) -> Value {
        let before = self.frame().variables.clone();
        let mut ends = Vec::new();
        let mut value: Option<Value> = None;
        for arm in arms {
            self.frame().variables = before.clone();
            let left_before = std::mem::take(&mut self.frame().left);
            let arm_value = self.block(arm);
            let left = std::mem::replace(&mut self.frame().left, left_before);
            value = Some(match value {
                Some(value) => value.or(arm_value),
                None => arm_value,
            });
            let end = std::mem::take(&mut self.frame().variables);
            // A branch that returns leaves nothing behind.
            if !left {
                ends.push(end);
            }
        }
        if !complete || ends.is_empty() {
            ends.push(before);
        }
        self.frame().variables = ends.pop().unwrap_or_default();
        ends.reverse();
        self.join(ends);
        value.unwrap_or_else(Value::unknown)
    }

    /// Variables that a loop's body assigns may have been assigned by an earlier round already.
    fn loosen(&mut self, body: &[Statement]) {
        let mut names = BTreeSet::new();
        assigned(body, &mut names);
        for name in names {
            if let Some(value) = self.get(&name).cloned() {
                self.set(&name, value.or_else());
            }
        }
    }

    /// What one element of a value is.
    fn element(&mut self, value: &Value) -> Value {
        match value {
            Value::List(values) => {
                let mut values = values.iter().cloned();
                match values.next() {
                    Some(first) => values.fold(first, Value::or),
                    None => Value::unknown(),
                }
            }
            Value::Map(pairs) => {
                let keys: Vec<Value> = pairs.iter().map(|(key, _)| key.clone()).collect();
                self.element(&Value::List(Arc::new(keys)))
            }
            Value::Object(path) => Value::object(&format!("{path}[]")),
            other => other.lost(),
        }
    }

    fn assign(&mut self, target: &Expression, value: Value) {
        match &target.kind {
            Kind::Name(name) => {
                self.named(&value, name);
                self.set(name, value);
            }
            Kind::Attribute { .. } => {
                if let Some(path) = target.dotted() {
                    self.named(&value, &path);
                    if let Some(global) = self.frames.first_mut() {
                        global.variables.insert(path, value);
                    }
                } else {
                    self.fate(
                        &value,
                        &Fate::Unknown("is stored in an attribute".to_owned()),
                    );
                }
            }
            Kind::Index { object, index } => {
                let key = self.expression(index);
                let holder = self.expression(object);
                match (&holder, object.dotted()) {
                    (Value::Map(pairs), Some(name)) => {
                        let known = key.only_text();
                        let mut pairs = (**pairs).clone();
                        if let Some(known) = &known {
                            pairs.retain(|(key, _)| key.only_text().as_ref() != Some(known));
                        }
                        pairs.push((key, value));
                        self.store(&name, Value::Map(Arc::new(pairs)).bounded());
                    }
                    _ => {
                        self.fate(&key, &Fate::Word);
                        self.fate(
                            &value,
                            &Fate::Unknown("is stored in a container".to_owned()),
                        );
                    }
                }
            }
            Kind::List(targets) => match &value {
                Value::List(values) if values.len() == targets.len() => {
                    for (target, value) in targets.iter().zip(values.iter()) {
                        self.assign(target, value.clone());
                    }
                }
                // Elements of a list of pairs were joined: each position is one of several lists.
                _ => {
                    let lost = value.lost();
                    for target in targets {
                        self.assign(target, lost.clone());
                    }
                }
            },
            Kind::Block(_) | Kind::Other(_) => {
                self.fate(
                    &value,
                    &Fate::Unknown("is assigned in a way that is not followed".to_owned()),
                );
            }
            _ => {
                self.expression(target);
                self.fate(
                    &value,
                    &Fate::Unknown("is assigned in a way that is not followed".to_owned()),
                );
            }
        }
    }

    /// Replaces a variable where it lives.
    fn store(&mut self, name: &str, value: Value) {
        for frame in self.frames.iter_mut().rev() {
            if let Some(place) = frame.variables.get_mut(name) {
                *place = value;
                return;
            }
        }
        self.set(name, value);
    }

    /// Remembers for messages what a literal is called.
    fn named(&mut self, value: &Value, name: &str) {
        if let Value::Texts { alternatives, .. } = value {
            for segment in alternatives.iter().flatten() {
                if let Segment::Source { literal, .. } = segment
                    && let Some(literal) = self.state.literals.get_mut(*literal)
                    && literal.name.is_none()
                {
                    literal.name = Some(name.to_owned());
                }
            }
        }
    }

    fn define(&mut self, function: &Arc<Function>) {
        let closure = Arc::new(Closure {
            function: Arc::clone(function),
            home: Arc::clone(&self.cell),
            class: self.class.clone(),
            namespace: self.namespace,
        });
        self.state.functions.push(Arc::clone(&closure));
        if let Some(class) = &self.class {
            self.state.classes.insert(
                (Arc::clone(class), function.name.clone()),
                Arc::clone(&closure),
            );
        }
        self.set(&function.name, Value::Function(closure));
    }

    fn class(&mut self, name: &str, parameters: &[Parameter], body: &[Statement]) {
        let class: Arc<str> = name.into();
        if let Some(global) = self.frames.first_mut() {
            global
                .variables
                .retain(|name, _| !name.starts_with("self."));
        }
        let outer = self.class.replace(Arc::clone(&class));
        self.frames.push(Frame::default());
        for parameter in parameters {
            let value = self.parameter(parameter, None);
            self.set(&parameter.name, value);
        }
        self.block(body);
        let inner = self.frames.pop().unwrap_or_default();
        self.class = outer;
        for (field, value) in inner.variables {
            if let Some(global) = self.frames.first_mut()
                && parameters.iter().all(|parameter| parameter.name != field)
            {
                global
                    .variables
                    .insert(format!("{name}.{field}"), value.clone());
                global.variables.insert(format!("self.{field}"), value);
            }
        }
        self.set(name, Value::Class(Arc::clone(&class)));
        // What `__init__` stores is known to the methods: it is evaluated first, with nothing known of its parameters.
        if let Some(initialiser) = self
            .state
            .classes
            .get(&(class, "__init__".to_owned()))
            .cloned()
        {
            self.enter(&initialiser, &[], true);
        }
    }

    /// `@dlt.table(name="x")`, `@udf("…")`: evaluated like any call; the data set's name may be that of the function.
    fn decorator(&mut self, decorator: &Expression, function: &Arc<Function>) {
        self.expression(decorator);
        let path = match &decorator.kind {
            Kind::Call { function, .. } => function.dotted(),
            _ => decorator.dotted(),
        };
        let makes = path.as_deref().is_some_and(|path| {
            matches!(
                path,
                "dlt.table"
                    | "dlt.view"
                    | "dp.table"
                    | "dp.materialized_view"
                    | "dp.temporary_view"
                    | "dlt.create_table"
            )
        });
        if makes {
            self.reader
                .session
                .temporary_views
                .insert(function.name.to_lowercase());
        }
    }

    /// What a parameter is inside of a function: what is given, or its default, or anything.
    fn parameter(&mut self, parameter: &Parameter, given: Option<Value>) -> Value {
        match (given, &parameter.default) {
            (Some(value), _) => value,
            (None, Some(default)) => self.expression(default).or_else(),
            (None, None) => Value::object(&parameter.name),
        }
    }

    /// Evaluates the body of a function. `open`: what it is given is not known.
    pub(super) fn enter(&mut self, closure: &Arc<Closure>, given: &[Given], open: bool) -> Value {
        let address = Arc::as_ptr(&closure.function) as usize;
        if self.entered.len() >= CALLS_DEEP
            || self.entered.contains(&address)
            || self.state.calls >= CALLS_MAX
        {
            for argument in given {
                let fate = Fate::Unknown(format!(
                    "is given to `{}`, which calls itself or is called too often",
                    closure.function.name
                ));
                self.fate(&argument.value, &fate);
            }
            return Value::unknown();
        }
        self.state.calls += 1;
        self.state.called.insert(address);
        let elsewhere = !Arc::ptr_eq(&closure.home, &self.cell);
        let broken = if elsewhere {
            std::mem::take(&mut self.broken)
        } else {
            self.broken.clone()
        };
        self.entered.push(address);
        let mut positional: Vec<&Given> = given
            .iter()
            .filter(|argument| argument.name.is_none())
            .collect();
        let spread = given.iter().any(|argument| argument.spread);
        positional.reverse();
        let method = closure.class.is_some() && closure.namespace == Namespace::Python;
        let mut frame = Frame::default();
        let mut parameters = closure.function.parameters.iter().peekable();
        if method
            && parameters
                .peek()
                .is_some_and(|parameter| matches!(parameter.name.as_str(), "self" | "cls"))
        {
            parameters.next();
        }
        let cell = std::mem::replace(&mut self.cell, Arc::clone(&closure.home));
        let namespace = std::mem::replace(&mut self.namespace, closure.namespace);
        let mut used = 0;
        for parameter in parameters {
            if parameter.name.starts_with('*') {
                let name = parameter.name.trim_start_matches('*').to_owned();
                let rest: Vec<Value> = positional
                    .drain(..)
                    .rev()
                    .map(|argument| argument.value.clone())
                    .collect();
                used += rest.len();
                let value = if parameter.name.starts_with("**") || open || spread {
                    Value::List(Arc::new(rest)).lost()
                } else {
                    Value::List(Arc::new(rest))
                };
                frame.variables.insert(name, value);
                continue;
            }
            let by_name = given
                .iter()
                .find(|argument| argument.name.as_deref() == Some(parameter.name.as_str()));
            let argument = by_name.or_else(|| positional.pop());
            let argument = argument.map(|argument| {
                used += 1;
                argument.value.clone()
            });
            let unknown = open || spread;
            if argument.is_none() && open {
                frame.open.insert(parameter.name.clone());
            }
            let value = self.parameter(parameter, argument);
            // Other notebooks may give something else: what is given here is not all there can be.
            let value = if unknown || !matches!(value, Value::Texts { .. }) {
                value
            } else {
                value.or_else()
            };
            frame.variables.insert(parameter.name.clone(), value);
        }
        if used < given.len() {
            let fate = Fate::Unknown(format!(
                "is given to `{}` in a way that is not followed",
                closure.function.name
            ));
            for argument in given {
                let bound = argument.name.is_some()
                    || !positional.iter().any(|left| std::ptr::eq(*left, argument));
                if !bound || argument.spread {
                    self.fate(&argument.value, &fate);
                }
            }
        }
        self.frames.push(frame);
        let last = self.block(&closure.function.body);
        let frame = self.frames.pop().unwrap_or_default();
        self.broken = broken;
        if let Some(value) = &frame.returned {
            self.joins_two(value, closure);
        } else if closure.function.last_is_value {
            self.joins_two(&last, closure);
        }
        self.cell = cell;
        self.namespace = namespace;
        self.entered.pop();
        let value = match (frame.returned, closure.function.last_is_value) {
            (Some(returned), true) => returned.or(last),
            (Some(returned), false) => returned,
            (None, true) => last,
            (None, false) => Value::Constant("None".into()),
        };
        match value {
            // What a function returns may be another text for other arguments; here they are given.
            Value::Texts { .. } if open => value.or_else(),
            value => value,
        }
    }

    /// Notes a function that puts a name together from a database and a table.
    fn joins_two(&mut self, value: &Value, closure: &Arc<Closure>) {
        let Value::Texts { alternatives, .. } = value else {
            return;
        };
        let two = alternatives.iter().any(|text| match text.as_slice() {
            [
                Segment::Hole(_),
                dot @ Segment::Source { .. },
                Segment::Hole(_),
            ] => super::values::texts_of(&vec![dot.clone()]).is_some_and(|texts| texts == ["."]),
            _ => false,
        });
        if two {
            rules::name_helper(self, closure.function.span.clone());
        }
    }

    fn expression(&mut self, expression: &Expression) -> Value {
        with_stack(|| self.expression_inside(expression))
    }

    fn expression_inside(&mut self, expression: &Expression) -> Value {
        match &expression.kind {
            Kind::Text(text) => self.text(expression, text),
            Kind::Constant(constant) => Value::Constant(constant.as_str().into()),
            Kind::Name(name) => match self.get(name) {
                Some(value) => value.clone(),
                None => Value::object(name),
            },
            Kind::Attribute { object, name } => self.attribute(expression, object, name),
            Kind::Call {
                function,
                arguments,
            } => self.call(expression, function, arguments),
            Kind::Sum(terms) => {
                let mut values = Vec::with_capacity(terms.len());
                for term in terms {
                    values.push((self.expression(term), term.span.clone()));
                }
                self.sum(values, false)
            }
            Kind::Percent { format, value } => {
                let format_value = self.expression(format);
                let given = self.expression(value);
                let values = match (&value.kind, given) {
                    (Kind::List(terms), Value::List(values)) => values
                        .iter()
                        .cloned()
                        .zip(terms.iter().map(|term| term.span.clone()))
                        .collect(),
                    (_, given) => vec![(given, value.span.clone())],
                };
                self.percent(&format_value, values)
            }
            Kind::Comparison(terms) => {
                let values: Vec<Value> = terms.iter().map(|term| self.expression(term)).collect();
                let with_nothing = values.iter().any(
                    |value| matches!(value, Value::Constant(constant) if is_nothing(constant)),
                );
                if !with_nothing {
                    let fate = Fate::Broken("is compared with another value".to_owned());
                    for value in &values {
                        self.fate(value, &fate);
                    }
                }
                Value::Constant("True or False".into())
            }
            Kind::Index { object, index } => self.index(object, index),
            Kind::List(terms) => {
                let values = terms.iter().map(|term| self.expression(term)).collect();
                Value::List(Arc::new(values)).bounded()
            }
            Kind::Map(pairs) => {
                let mut known = Vec::with_capacity(pairs.len());
                for (key, value) in pairs {
                    let key = match &key.kind {
                        // R's names of elements stand in no quotes.
                        Kind::Constant(name) if self.namespace == Namespace::R => {
                            Value::fixed(name)
                        }
                        _ => self.expression(key),
                    };
                    known.push((key, self.expression(value)));
                }
                Value::Map(Arc::new(known)).bounded()
            }
            Kind::Choice { condition, arms } => {
                if let Some(condition) = condition {
                    let value = self.expression(condition);
                    self.tested(&value);
                }
                let mut arms = arms
                    .iter()
                    .map(|arm| self.expression(arm))
                    .collect::<Vec<_>>()
                    .into_iter();
                match arms.next() {
                    Some(first) => arms.fold(first, Value::or),
                    None => Value::unknown(),
                }
            }
            Kind::Lambda(function) => Value::Function(self.closure(function)),
            Kind::Comprehension {
                loops,
                conditions,
                element,
            } => {
                self.frames.push(Frame::default());
                for (target, iterable) in loops {
                    let iterable = self.expression(iterable);
                    let one = self.element(&iterable);
                    self.assign(target, one);
                }
                for condition in conditions {
                    let value = self.expression(condition);
                    self.tested(&value);
                }
                let value = self.expression(element);
                self.frames.pop();
                Value::List(Arc::new(vec![value.or_else()]))
            }
            Kind::Block(statements) => self.block(statements),
            Kind::Other(terms) => {
                let values: Vec<Value> = terms.iter().map(|term| self.expression(term)).collect();
                Value::List(Arc::new(values)).lost()
            }
        }
    }

    fn closure(&mut self, function: &Arc<Function>) -> Arc<Closure> {
        let closure = Arc::new(Closure {
            function: Arc::clone(function),
            home: Arc::clone(&self.cell),
            class: None,
            namespace: self.namespace,
        });
        self.state.functions.push(Arc::clone(&closure));
        closure
    }

    fn attribute(&mut self, expression: &Expression, object: &Expression, name: &str) -> Value {
        if let Some(path) = expression.dotted()
            && let Some(value) = self.get(&path)
        {
            return value.clone();
        }
        let holder = self.expression(object);
        match holder {
            Value::Object(path) => {
                let path = format!("{path}.{name}");
                rules::attribute(self, &path, expression.span.clone());
                Value::object(&path)
            }
            Value::Class(class) | Value::Instance(class) => {
                if let Some(method) = self
                    .state
                    .classes
                    .get(&(Arc::clone(&class), name.to_owned()))
                {
                    return Value::Function(Arc::clone(method));
                }
                match self.get(&format!("{class}.{name}")) {
                    Some(value) => value.clone(),
                    None => Value::object(&format!("{class}.{name}")),
                }
            }
            Value::Constant(_) | Value::Function(_) => Value::object(name),
            Value::Map(pairs) if self.namespace == Namespace::R => self.looked_up(&pairs, name),
            other => other.lost(),
        }
    }

    fn index(&mut self, object: &Expression, index: &Expression) -> Value {
        let holder = self.expression(object);
        let key = self.expression(index);
        match holder {
            Value::Map(pairs) => {
                self.fate(&key, &Fate::Word);
                match key.only_text() {
                    Some(known) => self.looked_up(&pairs, &known),
                    None => {
                        let mut values = pairs.iter().map(|(_, value)| value.clone());
                        match values.next() {
                            Some(first) => values.fold(first, Value::or),
                            None => Value::unknown(),
                        }
                    }
                }
            }
            Value::List(values) => match &key {
                Value::Constant(number) => {
                    let found = match number.parse::<i64>() {
                        Ok(at) if at >= 0 => usize::try_from(at).ok().and_then(|at| values.get(at)),
                        Ok(at) => usize::try_from(-at)
                            .ok()
                            .and_then(|at| values.len().checked_sub(at))
                            .and_then(|at| values.get(at)),
                        Err(_) => None,
                    };
                    found
                        .cloned()
                        .unwrap_or_else(|| Value::List(Arc::clone(&values)).lost())
                }
                _ => self.element(&Value::List(values)),
            },
            Value::Object(path) => {
                // A column of a data frame, a key of a row.
                self.fate(&key, &Fate::Column);
                Value::object(&format!("{path}[]"))
            }
            Value::Texts { .. } => {
                self.fate(
                    &holder,
                    &Fate::Broken("is cut into pieces by position".to_owned()),
                );
                holder.lost()
            }
            other => {
                self.fate(&key, &Fate::Word);
                other.lost()
            }
        }
    }

    fn looked_up(&mut self, pairs: &[(Value, Value)], known: &str) -> Value {
        let mut found: Option<Value> = None;
        for (key, value) in pairs {
            let may = match key.all_texts() {
                Some(texts) => texts.iter().any(|text| text == known),
                None => true,
            };
            if may {
                self.fate(key, &Fate::Broken("is looked up as a key".to_owned()));
                found = Some(match found {
                    Some(before) => before.or(value.clone()),
                    None => value.clone(),
                });
            }
        }
        found.unwrap_or_else(Value::unknown)
    }

    /// A condition: a text in it is only asked whether it is there.
    fn tested(&mut self, value: &Value) {
        if let Value::Unknown(_) = value {
            self.fate(
                value,
                &Fate::Unknown("is part of a condition that is not followed".to_owned()),
            );
        }
    }

    fn text(&mut self, expression: &Expression, text: &Text) -> Value {
        let place = (Arc::as_ptr(&self.cell) as usize, expression.span.start);
        let id = match self.state.by_place.get(&place) {
            Some(id) => *id,
            None => {
                let id = self.state.literals.len();
                let span = expression.span.clone();
                let broken = self
                    .broken
                    .iter()
                    .any(|range| range.start < span.end && range.end > span.start);
                self.state.literals.push(Literal {
                    home: Arc::clone(&self.cell),
                    span,
                    holes: Vec::new(),
                    fates: Vec::new(),
                    name: None,
                    text: Vec::new(),
                    broken,
                });
                self.state.by_place.insert(place, id);
                id
            }
        };
        let mut assembled: Assembled = Vec::new();
        let mut holes = Vec::new();
        for part in &text.parts {
            match part {
                TextPart::Verbatim(range) => {
                    assembled.push(self.source(id, range.clone(), None, text))
                }
                TextPart::Escape(range, decoded) => {
                    assembled.push(self.source(id, range.clone(), Some(decoded.clone()), text));
                }
                TextPart::Hole { span, value, plain } => {
                    holes.push(span.clone());
                    let given = self.expression(value);
                    let given = if *plain { given } else { given.lost() };
                    let what = self
                        .cell
                        .text()
                        .get(span.clone())
                        .unwrap_or_default()
                        .to_owned();
                    self.fill(
                        &mut assembled,
                        given,
                        span.clone(),
                        Some(text.writing),
                        what,
                    );
                }
            }
        }
        if assembled.is_empty() {
            // An empty text still has its literal.
            let at = expression.span.end.saturating_sub(text.writing.close.len());
            assembled.push(self.source(id, at..at, None, text));
        }
        if let Some(literal) = self.state.literals.get_mut(id) {
            literal.holes = holes;
            literal.text = assembled.clone();
        }
        if text.foreign || assembled.len() > SEGMENTS_MAX {
            return Value::text(assembled).lost();
        }
        Value::text(assembled)
    }

    fn source(
        &self,
        literal: LiteralId,
        range: Range<usize>,
        decoded: Option<String>,
        text: &Text,
    ) -> Segment {
        Segment::Source {
            home: Arc::clone(&self.cell),
            literal,
            range,
            decoded,
            writing: text.writing,
        }
    }

    /// Puts a value into a text: a word as a hole, anything longer as its own bytes.
    fn fill(
        &mut self,
        into: &mut Assembled,
        value: Value,
        span: Range<usize>,
        inside: Option<&'static super::literal::Writing>,
        what: String,
    ) {
        let value = value.bounded();
        if let Value::Texts { alternatives, .. } = &value
            && let [only] = alternatives.as_slice()
        {
            let word = super::values::texts_of(only).is_some_and(|texts| {
                texts.len() == 1
                    && texts[0].len() <= 128
                    && texts[0]
                        .chars()
                        .all(|letter| letter.is_alphanumeric() || letter == '_')
            });
            if !word {
                // `"/dbfs" + path`: another path behind it means something else.
                let glued = super::values::last_letter(into)
                    .is_some_and(|last| last.is_alphanumeric() || matches!(last, ':' | '/' | '_'));
                if glued
                    && super::values::texts_given(only)
                        .is_some_and(|text| text.starts_with('/') || text.contains(":/"))
                {
                    let fate = Fate::Broken("is put behind other text of a path".to_owned());
                    self.fate(&value, &fate);
                }
                into.extend(only.iter().cloned());
                return;
            }
        }
        let weight = value.weight();
        let home = Arc::clone(&self.cell);
        into.push(Segment::Hole(Arc::new(Hole {
            home,
            span,
            inside,
            value,
            what,
            weight,
        })));
    }

    /// A sum of texts. `appended`: the first is what a variable held, and stays as it is.
    fn sum(&mut self, terms: Vec<(Value, Range<usize>)>, appended: bool) -> Value {
        let texts = terms
            .iter()
            .any(|(value, _)| matches!(value, Value::Texts { .. }));
        if terms
            .iter()
            .all(|(value, _)| matches!(value, Value::List(_)))
        {
            let all = terms.into_iter().flat_map(|(value, _)| match value {
                Value::List(values) => (*values).clone(),
                _ => Vec::new(),
            });
            return Value::List(Arc::new(all.collect()));
        }
        if !texts {
            return Value::List(Arc::new(
                terms.into_iter().map(|(value, _)| value).collect(),
            ))
            .lost();
        }
        let mut assembled: Assembled = Vec::new();
        for (index, (value, span)) in terms.into_iter().enumerate() {
            match value {
                // What is written here, and what was put together before, keeps its places.
                Value::Texts {
                    alternatives,
                    complete,
                } if complete
                    && alternatives.len() == 1
                    && (self.is_written(&alternatives[0], &span) || appended && index == 0) =>
                {
                    assembled.extend(alternatives[0].iter().cloned());
                }
                value => {
                    let what = self.cell.text().get(span.clone()).unwrap_or_default();
                    let what: String = what.chars().take(60).collect();
                    self.fill(&mut assembled, value, span, None, what);
                }
            }
        }
        let value = Value::text(assembled);
        match &value {
            Value::Texts { alternatives, .. } if alternatives[0].len() > SEGMENTS_MAX => {
                value.lost()
            }
            _ => value,
        }
    }

    /// Whether a text is the literal that is written at this place.
    fn is_written(&self, text: &Assembled, span: &Range<usize>) -> bool {
        text.iter().any(|segment| match segment {
            Segment::Source { home, range, .. } => {
                Arc::ptr_eq(home, &self.cell) && range.start >= span.start && range.end <= span.end
            }
            Segment::Hole(hole) => {
                Arc::ptr_eq(&hole.home, &self.cell)
                    && hole.span.start >= span.start
                    && hole.span.end <= span.end
            }
            Segment::Fixed(_) => false,
        })
    }

    /// `"… %s …" % (a, b)`.
    fn percent(&mut self, format: &Value, values: Vec<(Value, Range<usize>)>) -> Value {
        let Value::Texts {
            alternatives,
            complete,
        } = format
        else {
            let mut all = vec![format.clone()];
            all.extend(values.into_iter().map(|(value, _)| value));
            return Value::List(Arc::new(all)).lost();
        };
        let named = values.first().and_then(|(value, _)| match value {
            Value::Map(pairs) if values.len() == 1 => Some(Arc::clone(pairs)),
            _ => None,
        });
        let mut results: Option<Value> = None;
        for alternative in alternatives.iter() {
            let mut queue = values.iter();
            let mut assembled = Vec::new();
            for segment in alternative {
                let Segment::Source {
                    home,
                    literal,
                    range,
                    decoded: None,
                    writing,
                } = segment
                else {
                    assembled.push(segment.clone());
                    continue;
                };
                let text = home.text().get(range.clone()).unwrap_or_default();
                let mut start = 0;
                for (at, length, key) in directives(text) {
                    let stretch = |from: usize, to: usize| Segment::Source {
                        home: Arc::clone(home),
                        literal: *literal,
                        range: range.start + from..range.start + to,
                        decoded: None,
                        writing,
                    };
                    if start < at {
                        assembled.push(stretch(start, at));
                    }
                    start = at + length;
                    let span = range.start + at..range.start + at + length;
                    if &text[at..at + length] == "%%" {
                        assembled.push(Segment::Source {
                            home: Arc::clone(home),
                            literal: *literal,
                            range: span,
                            decoded: Some("%".to_owned()),
                            writing,
                        });
                        continue;
                    }
                    let value = match (&named, key) {
                        (Some(pairs), Some(key)) => self.looked_up(pairs, key),
                        _ => queue
                            .next()
                            .map_or_else(Value::unknown, |(value, _)| value.clone()),
                    };
                    let plain = text[at..at + length].ends_with(['s', 'd']);
                    let value = if plain { value } else { value.lost() };
                    let what = text[at..at + length].to_owned();
                    self.fill_at(&mut assembled, value, home, span, Some(writing), what);
                }
                if start < text.len() {
                    assembled.push(Segment::Source {
                        home: Arc::clone(home),
                        literal: *literal,
                        range: range.start + start..range.end,
                        decoded: None,
                        writing,
                    });
                }
            }
            let value = Value::text(assembled);
            results = Some(match results {
                Some(before) => before.or(value),
                None => value,
            });
        }
        let value = results.unwrap_or_else(Value::unknown);
        if *complete { value } else { value.or_else() }
    }

    fn fill_at(
        &mut self,
        into: &mut Assembled,
        value: Value,
        home: &Arc<Fragment>,
        span: Range<usize>,
        inside: Option<&'static super::literal::Writing>,
        what: String,
    ) {
        let cell = std::mem::replace(&mut self.cell, Arc::clone(home));
        self.fill(into, value, span, inside, what);
        self.cell = cell;
    }

    /// `"… {} {0} {name} …".format(…)`, and `glue` of R.
    fn format(&mut self, format: &Value, given: &[Given], lookup: bool) -> Value {
        let Value::Texts {
            alternatives,
            complete,
        } = format
        else {
            let mut all = vec![format.clone()];
            all.extend(given.iter().map(|argument| argument.value.clone()));
            return Value::List(Arc::new(all)).lost();
        };
        let positional: Vec<&Given> = given
            .iter()
            .filter(|argument| argument.name.is_none() && !argument.spread)
            .collect();
        let spread = given.iter().any(|argument| argument.spread);
        let mut results: Option<Value> = None;
        let mut seen = vec![false; given.len()];
        for alternative in alternatives.iter() {
            let mut next = 0;
            let mut assembled = Vec::new();
            for segment in alternative {
                let Segment::Source {
                    home,
                    literal,
                    range,
                    decoded: None,
                    writing,
                } = segment
                else {
                    assembled.push(segment.clone());
                    continue;
                };
                let writing = writing.with_braces();
                let text = home.text().get(range.clone()).unwrap_or_default();
                let stretch = |from: usize, to: usize, decoded: Option<String>| Segment::Source {
                    home: Arc::clone(home),
                    literal: *literal,
                    range: range.start + from..range.start + to,
                    decoded,
                    writing,
                };
                let mut start = 0;
                for (at, length) in fields(text) {
                    if start < at {
                        assembled.push(stretch(start, at, None));
                    }
                    start = at + length;
                    let field = &text[at..at + length];
                    if field == "{{" || field == "}}" {
                        assembled.push(stretch(at, at + length, Some(field[..1].to_owned())));
                        continue;
                    }
                    let inner = &field[1..field.len() - 1];
                    let (name, plain) = match inner.split_once([':', '!']) {
                        Some((name, _)) => (name, false),
                        None => (inner, true),
                    };
                    let value = if name.is_empty() || name.bytes().all(|byte| byte.is_ascii_digit())
                    {
                        let index = if name.is_empty() {
                            next
                        } else {
                            name.parse().unwrap_or(usize::MAX)
                        };
                        next += usize::from(name.is_empty());
                        positional
                            .get(index)
                            .filter(|_| !spread)
                            .map(|argument| argument.value.clone())
                    } else {
                        let by_name = given
                            .iter()
                            .position(|argument| argument.name.as_deref() == Some(name));
                        if let Some(at) = by_name {
                            seen[at] = true;
                        }
                        let by_name = by_name.map(|at| given[at].value.clone());
                        by_name.or_else(|| {
                            if lookup {
                                self.get(name).cloned()
                            } else {
                                None
                            }
                        })
                    };
                    let value = value.unwrap_or_else(Value::unknown);
                    let value = if plain { value } else { value.lost() };
                    let span = range.start + at..range.start + at + length;
                    self.fill_at(
                        &mut assembled,
                        value,
                        home,
                        span,
                        Some(writing),
                        field.to_owned(),
                    );
                }
                if start < text.len() {
                    assembled.push(stretch(start, text.len(), None));
                }
            }
            let value = Value::text(assembled);
            results = Some(match results {
                Some(before) => before.or(value),
                None => value,
            });
        }
        if spread {
            for argument in given.iter().filter(|argument| argument.spread) {
                self.fate(
                    &argument.value,
                    &Fate::Unknown("is put into a format in a way that is not followed".to_owned()),
                );
            }
        }
        let value = results.unwrap_or_else(Value::unknown);
        if *complete { value } else { value.or_else() }
    }

    /// Notes what became of the literals of a value.
    pub(super) fn fate(&mut self, value: &Value, fate: &Fate) {
        let mut literals = Vec::new();
        value.literals(&mut literals);
        for id in literals {
            if let Some(literal) = self.state.literals.get_mut(id) {
                literal.note(fate);
            }
        }
    }

    fn given(&mut self, arguments: &[Argument]) -> Vec<Given> {
        arguments
            .iter()
            .map(|argument| Given {
                name: argument.name.clone(),
                value: self.expression(&argument.value),
                span: argument.value.span.clone(),
                spread: argument.spread,
            })
            .collect()
    }

    fn call(
        &mut self,
        expression: &Expression,
        function: &Expression,
        arguments: &[Argument],
    ) -> Value {
        // What is called, without evaluating a method as if it were a value.
        let (receiver, method) = match &function.kind {
            Kind::Attribute { object, name } => {
                let whole = function.dotted().and_then(|path| self.get(&path).cloned());
                match whole {
                    Some(value @ (Value::Function(_) | Value::Class(_))) => {
                        (Some(value), name.clone())
                    }
                    _ => {
                        let holder = self.expression(object);
                        match &holder {
                            Value::Class(_) | Value::Instance(_) => {
                                (Some(self.attribute(function, object, name)), name.clone())
                            }
                            _ => return self.method(expression, function, holder, name, arguments),
                        }
                    }
                }
            }
            Kind::Name(name) => (self.get(name).cloned(), name.clone()),
            _ => (Some(self.expression(function)), String::new()),
        };
        let given = self.given(arguments);
        match receiver {
            Some(Value::Function(closure)) => self.enter(&closure, &given, false),
            Some(Value::Class(class)) => {
                if let Some(initialiser) = self
                    .state
                    .classes
                    .get(&(Arc::clone(&class), "__init__".to_owned()))
                    .cloned()
                {
                    self.enter(&initialiser, &given, false);
                } else {
                    self.escape_all(&given, &class);
                }
                Value::Instance(class)
            }
            Some(Value::Object(path)) => {
                // An imported function: `from pyspark.sql.functions import col`.
                let (path, method) = match path.rsplit_once('.') {
                    Some((path, method)) => (path.to_owned(), method.to_owned()),
                    None => (String::new(), path.to_string()),
                };
                self.known(expression, &path, &method, &given)
            }
            Some(other) => {
                // `texts(0)` of Scala is an index, and so is a call of a map.
                if let (Value::Map(_) | Value::List(_), [only]) = (&other, arguments) {
                    return self.index_value(&other, &only.value);
                }
                self.escape_all(&given, &method);
                other.lost()
            }
            None => self.known(expression, "", &method, &given),
        }
    }

    fn index_value(&mut self, holder: &Value, index: &Expression) -> Value {
        let name = "\u{0}indexed";
        self.set(name, holder.clone());
        let object = Expression::new(index.span.clone(), Kind::Name(name.to_owned()));
        let value = self.index(&object, index);
        self.frame().variables.remove(name);
        value
    }

    /// A method of a value.
    fn method(
        &mut self,
        expression: &Expression,
        function: &Expression,
        holder: Value,
        name: &str,
        arguments: &[Argument],
    ) -> Value {
        let given = self.given(arguments);
        match &holder {
            Value::Object(path) => {
                let path = Arc::clone(path);
                self.known(expression, &path, name, &given)
            }
            Value::Texts { .. } => self.text_method(expression, &holder, name, &given),
            Value::List(values) => match name {
                "append" | "add" | "extend" | "insert" => {
                    let added = given.last().map(|argument| argument.value.clone());
                    let mut values = (**values).clone();
                    match added {
                        Some(Value::List(more)) if name == "extend" => {
                            values.extend(more.iter().cloned())
                        }
                        Some(added) => values.push(added),
                        None => {}
                    }
                    if let Kind::Attribute { object, .. } = &function.kind
                        && let Some(variable) = object.dotted()
                    {
                        self.store(&variable, Value::List(Arc::new(values)).bounded());
                    }
                    Value::Constant("None".into())
                }
                "foreach" | "map" | "filter" | "flatMap" | "apply" => {
                    let element = self.element(&holder);
                    self.each(&given, element)
                }
                "toList" | "toSeq" | "toArray" | "copy" | "par" | "distinct" | "sorted"
                | "toSet" | "reverse" => holder.clone(),
                "mkString" => {
                    let separator = given
                        .first()
                        .map_or_else(|| Value::fixed(""), |argument| argument.value.clone());
                    self.joined(&separator, &holder, expression)
                }
                "index" | "count" | "contains" | "remove" | "indexOf" => {
                    self.escape_all(&given, name);
                    Value::unknown()
                }
                _ => {
                    self.escape_all(&given, name);
                    holder.lost()
                }
            },
            Value::Map(pairs) => {
                let pairs = Arc::clone(pairs);
                match name {
                    "items" | "iteritems" | "toSeq" | "toList" => {
                        let items = pairs.iter().map(|(key, value)| {
                            Value::List(Arc::new(vec![key.clone(), value.clone()]))
                        });
                        self.pairs(items.collect())
                    }
                    "keys" | "keySet" => {
                        Value::List(Arc::new(pairs.iter().map(|(key, _)| key.clone()).collect()))
                    }
                    "values" => Value::List(Arc::new(
                        pairs.iter().map(|(_, value)| value.clone()).collect(),
                    )),
                    "get" | "getOrElse" | "apply" | "pop" | "setdefault" => {
                        let Some(key) = given.first() else {
                            return holder.lost();
                        };
                        let fallback = given.get(1).map(|argument| argument.value.clone());
                        self.fate(&key.value, &Fate::Word);
                        let found = match key.value.only_text() {
                            Some(known) => self.looked_up(&pairs, &known),
                            None => {
                                let values = Value::List(Arc::new(
                                    pairs.iter().map(|(_, value)| value.clone()).collect(),
                                ));
                                self.element(&values)
                            }
                        };
                        match fallback {
                            Some(fallback) => found.or(fallback),
                            None => found,
                        }
                    }
                    "foreach" | "map" | "flatMap" | "filter" => {
                        let items = pairs.iter().map(|(key, value)| {
                            Value::List(Arc::new(vec![key.clone(), value.clone()]))
                        });
                        let items = Value::List(Arc::new(items.collect()));
                        let element = self.element(&items);
                        self.each(&given, element)
                    }
                    _ => {
                        self.escape_all(&given, name);
                        holder.lost()
                    }
                }
            }
            Value::Function(closure) if matches!(name, "apply" | "__call__") => {
                let closure = Arc::clone(closure);
                self.enter(&closure, &given, false)
            }
            Value::Unknown(_) => self.known(expression, "?", name, &given),
            _ => {
                let path = expression_path(function);
                self.known(expression, &path, name, &given)
            }
        }
    }

    /// The pairs of a map, position by position, so that `for k, v in d.items()` knows both.
    fn pairs(&mut self, items: Vec<Value>) -> Value {
        let mut keys: Option<Value> = None;
        let mut values: Option<Value> = None;
        for item in &items {
            if let Value::List(pair) = item
                && let [key, value] = pair.as_slice()
            {
                keys = Some(keys.map_or_else(|| key.clone(), |before| before.or(key.clone())));
                values =
                    Some(values.map_or_else(|| value.clone(), |before| before.or(value.clone())));
            }
        }
        match (keys, values) {
            (Some(keys), Some(values)) => {
                Value::List(Arc::new(vec![Value::List(Arc::new(vec![keys, values]))]))
            }
            _ => Value::unknown(),
        }
    }

    /// Calls a function that is an argument with an element.
    fn each(&mut self, given: &[Given], element: Value) -> Value {
        let mut results = Vec::new();
        for argument in given {
            match &argument.value {
                Value::Function(closure) => {
                    let closure = Arc::clone(closure);
                    let span = argument.span.clone();
                    let mut elements = vec![Given {
                        name: None,
                        value: element.clone(),
                        span: span.clone(),
                        spread: false,
                    }];
                    if let Value::List(parts) = &element
                        && closure.function.parameters.len() == parts.len()
                        && parts.len() > 1
                    {
                        elements = parts
                            .iter()
                            .map(|part| Given {
                                name: None,
                                value: part.clone(),
                                span: span.clone(),
                                spread: false,
                            })
                            .collect();
                    }
                    results.push(self.enter(&closure, &elements, false));
                }
                Value::Object(path) if path.as_ref() == "println" || path.as_ref() == "print" => {
                    self.fate(&element, &Fate::Shown)
                }
                _ => {
                    let fate =
                        Fate::Unknown("is given to a function that is not followed".to_owned());
                    self.fate(&element, &fate);
                    self.fate(&argument.value, &fate);
                }
            }
        }
        Value::List(Arc::new(results))
    }

    fn joined(&mut self, separator: &Value, values: &Value, expression: &Expression) -> Value {
        let (Value::List(values), Some(separator)) = (values, separator.only_text()) else {
            return values.lost();
        };
        let mut assembled = Vec::new();
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                assembled.push(Segment::Fixed(separator.clone()));
            }
            match value {
                Value::Texts {
                    alternatives,
                    complete: true,
                } if alternatives.len() == 1 => {
                    assembled.extend(alternatives[0].iter().cloned());
                }
                value => {
                    let span = expression.span.clone();
                    self.fill(
                        &mut assembled,
                        value.clone(),
                        span,
                        None,
                        "an element of the list".to_owned(),
                    );
                }
            }
        }
        Value::text(assembled)
    }

    fn text_method(
        &mut self,
        expression: &Expression,
        holder: &Value,
        name: &str,
        given: &[Given],
    ) -> Value {
        match name {
            "format" | "formatted" | "format_map" if self.namespace == Namespace::Python => {
                self.format(holder, given, false)
            }
            "format" => {
                let values = given
                    .iter()
                    .map(|argument| (argument.value.clone(), argument.span.clone()))
                    .collect();
                self.percent(holder, values)
            }
            // The case of a name does not matter, nor do spaces around SQL.
            "lower" | "upper" | "toLowerCase" | "toUpperCase" | "casefold" | "toString"
            | "strip" | "lstrip" | "rstrip" | "trim" | "stripLineEnd" | "expandtabs" | "intern"
            | "encode" | "decode" | "title"
                if given.is_empty() || matches!(name, "encode" | "decode") =>
            {
                holder.clone()
            }
            "stripMargin" => self.without_margin(holder),
            "strip" | "lstrip" | "rstrip" => {
                let harmless = given.iter().all(|argument| {
                    argument.value.only_text().is_some_and(|text| {
                        text.chars()
                            .all(|letter| letter.is_whitespace() || letter == ';')
                    })
                });
                if harmless {
                    holder.clone()
                } else {
                    self.changed(holder, name, given)
                }
            }
            "replace" | "replaceAll" => self.replaced(expression, holder, name, given),
            "join" => {
                let values = given
                    .first()
                    .map_or_else(Value::unknown, |argument| argument.value.clone());
                let _ = expression;
                let joined = self.joined(holder, &values, expression);
                self.fate(holder, &Fate::Word);
                joined
            }
            "split" | "partition" | "rsplit" | "rpartition" | "splitlines" | "tokenize"
            | "lines" => {
                let by_lines = name == "splitlines" || name == "lines";
                let separators: Vec<String> = given
                    .first()
                    .map(|argument| argument.value.known_texts())
                    .unwrap_or_default();
                for argument in given {
                    self.fate(&argument.value, &Fate::Word);
                }
                let by_dot = separators.iter().any(|separator| {
                    separator.trim_start_matches('\\') == "." || separator == "[.]"
                });
                if by_dot {
                    rules::split_by_dot(self, expression.span.clone());
                    self.fate(holder, &Fate::Broken("is split at its dots".to_owned()));
                    return holder.lost();
                }
                if !by_lines && separators.is_empty() && !given.is_empty() {
                    self.fate(holder, &Fate::Broken("is split".to_owned()));
                }
                self.split(holder, &separators)
            }
            "startswith" | "endswith" | "startsWith" | "endsWith" | "contains" | "find"
            | "index" | "indexOf" | "count" | "equals" | "equalsIgnoreCase" | "matches"
            | "isdigit" | "rfind" | "lastIndexOf" | "isin" => {
                self.fate(holder, &Fate::Broken(format!("is looked into by `{name}`")));
                for argument in given {
                    self.fate(
                        &argument.value,
                        &Fate::Broken(format!("is looked for by `{name}`")),
                    );
                }
                Value::Constant("True or False".into())
            }
            "length" | "size" | "isEmpty" | "nonEmpty" | "hashCode" | "isBlank" => {
                Value::Constant("0".into())
            }
            "stripPrefix" | "stripSuffix" | "removeprefix" | "removesuffix" | "substring"
            | "take" | "takeRight" | "dropRight" | "drop" | "capitalize" => {
                self.changed(holder, name, given)
            }
            // Scala: `"table".toDF`, `$"col"`; R and others: a text has no such method.
            _ => self.changed(holder, name, given),
        }
    }

    /// A text after a method that changes it in a way that is not followed.
    fn changed(&mut self, holder: &Value, name: &str, given: &[Given]) -> Value {
        for argument in given {
            self.fate(
                &argument.value,
                &Fate::Unknown(format!("is given to `{name}`")),
            );
        }
        self.fate(holder, &Fate::Broken(format!("is changed by `{name}`")));
        holder.lost()
    }

    /// `.replace(a, b)`: known texts stay known where nothing or only space is replaced; else the chain is a hazard.
    fn replaced(
        &mut self,
        expression: &Expression,
        holder: &Value,
        name: &str,
        given: &[Given],
    ) -> Value {
        let texts: Vec<Option<String>> = given
            .iter()
            .take(2)
            .map(|argument| argument.value.only_text())
            .collect();
        if let [Some(from), Some(to)] = texts.as_slice() {
            let space = |text: &str| text.chars().all(char::is_whitespace);
            let literal = name == "replace"
                || !from.contains(['[', '(', '\\', '.', '*', '+', '?', '|', '^', '$', '{']);
            if space(from) && space(to) || name == "replaceAll" && from == "\\s+" && space(to) {
                for argument in given {
                    self.fate(&argument.value, &Fate::Word);
                }
                return holder.clone();
            }
            if literal
                && !from.is_empty()
                && let Some(value) = self.with_replaced(holder, from, &given[1].value)
            {
                self.fate(&given[0].value, &Fate::Word);
                return value;
            }
        }
        let dotted = texts
            .iter()
            .flatten()
            .any(|text| text == "." || text == "\\.");
        if dotted {
            rules::replaced_dot(self, expression.span.clone());
        }
        for argument in given {
            self.fate(
                &argument.value,
                &Fate::Unknown(format!("is given to `{name}`")),
            );
        }
        self.fate(holder, &Fate::Broken("parts of it are replaced".to_owned()));
        holder.lost()
    }

    /// Puts a value in the place of a mark, as in `template.replace("<<TABLE>>", name)`. Only whole marks in verbatim bytes, and only
    /// marks that no name can hold.
    fn with_replaced(&mut self, holder: &Value, mark: &str, value: &Value) -> Option<Value> {
        let Value::Texts {
            alternatives,
            complete,
        } = holder
        else {
            return None;
        };
        if !mark.contains(['<', '{', '$', '#', '%', '@', '[', '~', '?', ':']) {
            return None;
        }
        let mut all = Vec::new();
        for alternative in alternatives.iter() {
            let mut assembled = Vec::new();
            for segment in alternative {
                let Segment::Source {
                    home,
                    literal,
                    range,
                    decoded: None,
                    writing,
                } = segment
                else {
                    assembled.push(segment.clone());
                    continue;
                };
                let text = home.text().get(range.clone()).unwrap_or_default();
                let mut start = 0;
                let stretch = |from: usize, to: usize| Segment::Source {
                    home: Arc::clone(home),
                    literal: *literal,
                    range: range.start + from..range.start + to,
                    decoded: None,
                    writing,
                };
                while let Some(found) = text[start..].find(mark) {
                    let at = start + found;
                    if start < at {
                        assembled.push(stretch(start, at));
                    }
                    let span = range.start + at..range.start + at + mark.len();
                    self.fill_at(
                        &mut assembled,
                        value.clone(),
                        home,
                        span,
                        Some(writing),
                        mark.to_owned(),
                    );
                    start = at + mark.len();
                }
                if start < text.len() || text.is_empty() {
                    assembled.push(stretch(start, text.len()));
                }
            }
            all.push(assembled);
        }
        Some(Value::Texts {
            alternatives: Arc::new(all),
            complete: *complete,
        })
    }

    /// Scala's `stripMargin`: blanks and the bar at the start of each line go.
    fn without_margin(&mut self, holder: &Value) -> Value {
        let Value::Texts {
            alternatives,
            complete,
        } = holder
        else {
            return holder.clone();
        };
        let mut all = Vec::new();
        for alternative in alternatives.iter() {
            let mut assembled = Vec::new();
            let mut line_start = false;
            for segment in alternative {
                let Segment::Source {
                    home,
                    literal,
                    range,
                    decoded: None,
                    writing,
                } = segment
                else {
                    line_start = false;
                    assembled.push(segment.clone());
                    continue;
                };
                let text = home.text().get(range.clone()).unwrap_or_default();
                let mut at = 0;
                for line in text.split_inclusive('\n') {
                    let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
                    let bar = (line_start || at > 0) && line[indent..].starts_with('|');
                    let skipped = if bar { indent + 1 } else { 0 };
                    if skipped < line.len() {
                        assembled.push(Segment::Source {
                            home: Arc::clone(home),
                            literal: *literal,
                            range: range.start + at + skipped..range.start + at + line.len(),
                            decoded: None,
                            writing,
                        });
                    }
                    at += line.len();
                    line_start = line.ends_with('\n');
                }
            }
            all.push(assembled);
        }
        if all.iter().any(|assembled| assembled.len() > SEGMENTS_MAX) {
            return holder.lost();
        }
        Value::Texts {
            alternatives: Arc::new(all),
            complete: *complete,
        }
    }

    /// Splits a text of names at separators that no name holds: `"a.b,c.d".split(",")`, statements at `;`.
    fn split(&mut self, holder: &Value, separators: &[String]) -> Value {
        let (
            Value::Texts {
                alternatives,
                complete: true,
            },
            [separator],
        ) = (holder, separators)
        else {
            return holder.lost();
        };
        if separator.is_empty()
            || separator
                .chars()
                .any(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '`' | '\\' | '['))
        {
            self.fate(holder, &Fate::Broken("is split".to_owned()));
            return holder.lost();
        }
        let [only] = alternatives.as_slice() else {
            return holder.lost();
        };
        let mut pieces: Vec<Assembled> = vec![Vec::new()];
        for segment in only {
            let Segment::Source {
                home,
                literal,
                range,
                decoded: None,
                writing,
            } = segment
            else {
                pieces
                    .last_mut()
                    .expect("begins with one")
                    .push(segment.clone());
                continue;
            };
            let text = home.text().get(range.clone()).unwrap_or_default();
            let mut at = 0;
            for (index, part) in text.split(separator.as_str()).enumerate() {
                if index > 0 {
                    pieces.push(Vec::new());
                }
                if !part.is_empty() {
                    pieces
                        .last_mut()
                        .expect("begins with one")
                        .push(Segment::Source {
                            home: Arc::clone(home),
                            literal: *literal,
                            range: range.start + at..range.start + at + part.len(),
                            decoded: None,
                            writing,
                        });
                }
                at += part.len() + separator.len();
            }
        }
        if pieces.len() > ALTERNATIVES_OF_A_SPLIT {
            return holder.lost();
        }
        Value::List(Arc::new(pieces.into_iter().map(Value::text).collect()))
    }

    fn escape_all(&mut self, given: &[Given], name: &str) {
        let fate = Fate::Unknown(if name.is_empty() {
            "is given to a function that is not followed".to_owned()
        } else {
            format!("is given to `{name}`, which is not followed")
        });
        for argument in given {
            if let Value::Function(closure) = &argument.value {
                let closure = Arc::clone(closure);
                self.enter(&closure, &[], true);
            }
            self.fate(&argument.value, &fate);
        }
    }

    /// A call of something that is not written in the program.
    fn known(
        &mut self,
        expression: &Expression,
        path: &str,
        method: &str,
        given: &[Given],
    ) -> Value {
        rules::call(self, path, method, given, expression.span.clone());
        if let Some(value) = self.special(expression, path, method, given) {
            return value;
        }
        let result = if path.is_empty() {
            format!("{method}()")
        } else {
            format!("{path}.{method}()")
        };
        let count = given
            .iter()
            .filter(|argument| argument.name.is_none())
            .count();
        let Some(meaning) = calls::meaning(self.namespace, path, method, count) else {
            let shown = if path.is_empty() || path == "?" {
                method.to_owned()
            } else {
                format!("{path}.{method}")
            };
            self.escape_all(given, &shown);
            return Value::object(&result);
        };
        let apart = meaning
            .places
            .iter()
            .any(|(_, _, place)| *place == Place::Apart);
        let mut position = 0;
        let mut apart_values = Vec::new();
        for argument in given {
            let place = match &argument.name {
                Some(name) => meaning.places.iter().find(|(_, known, _)| known == name),
                None => {
                    let at = position;
                    position += 1;
                    meaning.places.iter().find(|(index, _, _)| *index == at)
                }
            };
            let place = match place.map_or(meaning.rest, |(_, _, place)| *place) {
                Place::SqlOver => match connection_of(given) {
                    calls::Connection::Session => Place::Sql,
                    calls::Connection::Metastore => Place::SqlElsewhere,
                    calls::Connection::Foreign => Place::Foreign,
                    calls::Connection::Unknown => Place::Unknown,
                },
                Place::TableOver(role) => match connection_of(given) {
                    calls::Connection::Session => Place::Table(role),
                    calls::Connection::Foreign => Place::Foreign,
                    calls::Connection::Metastore | calls::Connection::Unknown => Place::Unknown,
                },
                place => place,
            };
            if apart && place == Place::Apart {
                apart_values.push(argument);
            }
            self.placed(argument, place, path, method);
        }
        if !apart_values.is_empty() && (apart_values.len() > 1 || given.len() > 1) {
            self.database_apart(expression, given);
        }
        Value::object(&result)
    }

    /// An argument whose meaning is known.
    fn placed(&mut self, argument: &Given, place: Place, path: &str, method: &str) {
        if let Value::Function(closure) = &argument.value {
            // What a function does with each element or row.
            let closure = Arc::clone(closure);
            self.enter(&closure, &[], true);
            return;
        }
        if let (
            Value::List(values),
            Place::Path
            | Place::Column
            | Place::Condition
            | Place::Word
            | Place::Shown
            | Place::Sql
            | Place::SqlElsewhere
            | Place::Table(_),
        ) = (&argument.value, place)
        {
            let values = Arc::clone(values);
            for value in values.iter() {
                let element = Given {
                    name: None,
                    value: value.clone(),
                    span: argument.span.clone(),
                    spread: false,
                };
                self.placed(&element, place, path, method);
            }
            return;
        }
        let value = &argument.value;
        match place {
            Place::Table(role) => self.table(value, &argument.span, role),
            Place::Sql => self.sql(value, &argument.span, false),
            Place::SqlElsewhere => self.sql_elsewhere(value, &argument.span),
            Place::Condition => self.sql(value, &argument.span, true),
            Place::Database => self.database(value, &argument.span, false),
            Place::SetDatabase => self.database(value, &argument.span, true),
            Place::SetCatalog => {
                self.fate(value, &Fate::Word);
                match value.only_text() {
                    Some(catalog) => self.reader.use_catalog(&catalog),
                    None => self.reader.session.database = session::Value::Unknown,
                }
            }
            Place::Path => self.path(value, &argument.span),
            Place::File => self.fate(value, &Fate::File),
            Place::View => self.view(value, &argument.span, true),
            Place::DroppedView => self.view(value, &argument.span, false),
            Place::Dataset(role) => self.dataset(value, &argument.span, role),
            Place::Column => {
                let fate = if self.is_mapped_table(value)
                    && is_ambiguous(method)
                    && !is_data_frame(path)
                {
                    Fate::Unknown(format!(
                        "is given to `{method}` of something that may be no data frame"
                    ))
                } else {
                    Fate::Column
                };
                self.fate(value, &fate);
            }
            Place::Shown => self.fate(value, &Fate::Shown),
            Place::Word => self.fate(value, &Fate::Word),
            Place::Foreign => self.fate(value, &Fate::Foreign),
            Place::Notebook => self.fate(value, &Fate::Notebook),
            Place::Apart => self.fate(
                value,
                &Fate::Broken("names a table and its database apart".to_owned()),
            ),
            Place::Unknown | Place::SqlOver | Place::TableOver(_) => {
                self.fate(
                    value,
                    &Fate::Unknown(format!(
                        "is given to `{method}`, and what runs it is not known"
                    )),
                );
            }
        }
    }

    fn is_mapped_table(&self, value: &Value) -> bool {
        value.known_texts().iter().any(|text| {
            text.split_once('.').is_some_and(|(database, table)| {
                !matches!(
                    self.reader
                        .mapping
                        .table(&database.to_lowercase(), &table.to_lowercase()),
                    TableLookup::UnknownDatabase
                )
            })
        })
    }

    /// `tableExists(database, table)`: the candidates, from both.
    fn database_apart(&mut self, expression: &Expression, given: &[Given]) {
        let texts: Vec<Vec<String>> = given
            .iter()
            .take(2)
            .map(|argument| argument.value.known_texts())
            .collect();
        let mut candidates = Vec::new();
        if let [first, second] = texts.as_slice() {
            for first in first {
                for second in second {
                    for (database, table) in [(first, second), (second, first)] {
                        let table = table.rsplit('.').next().unwrap_or(table);
                        if let TableLookup::Mapped(new) = self
                            .reader
                            .mapping
                            .table(&database.to_lowercase(), &table.to_lowercase())
                        {
                            candidates.push(new.sql());
                        }
                    }
                }
            }
        }
        let doubt = Doubt::new(
            rules::DATABASE_APART.id,
            "the database is given apart from the table; in Unity Catalog give the three-part name as one text",
        );
        let cell = Arc::clone(&self.cell);
        let span = match (given.first(), given.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => expression.span.clone(),
        };
        self.reader.needs_person(&cell, span, doubt, candidates);
    }

    /// Calls that do more than name things.
    fn special(
        &mut self,
        expression: &Expression,
        path: &str,
        method: &str,
        given: &[Given],
    ) -> Option<Value> {
        let first = given.first();
        let text = |index: usize| given.get(index).map(|argument| argument.value.clone());
        let named = |name: &str, index: usize| {
            let by_name = given
                .iter()
                .find(|argument| argument.name.as_deref() == Some(name));
            by_name
                .or_else(|| given.get(index))
                .map(|argument| argument.value.clone())
        };
        match (path, method) {
            (_, "dbConnect") if self.namespace == Namespace::R => {
                // The connection is told by its driver.
                let driver = match first.map(|argument| &argument.value) {
                    Some(Value::Object(driver)) => driver.to_string(),
                    _ => String::new(),
                };
                self.words(given);
                Some(Value::object(&format!("{driver}.dbConnect()")))
            }
            (_, "read_sql" | "read_sql_query") => {
                let over = named("con", 1)?;
                let Value::Object(over) = &over else {
                    return None;
                };
                let place = match calls::connection(over) {
                    calls::Connection::Metastore => Place::SqlElsewhere,
                    calls::Connection::Foreign => Place::Foreign,
                    calls::Connection::Session | calls::Connection::Unknown => return None,
                };
                if let Some(query) = first {
                    self.placed(query, place, path, method);
                }
                self.words(given.get(1..).unwrap_or_default());
                Some(Value::object("pandas.read_sql()"))
            }
            ("dbutils.widgets", "text" | "dropdown" | "combobox" | "multiselect") => {
                let name = named("name", 0)?.only_text();
                let default = named("defaultValue", 1).unwrap_or_else(Value::unknown);
                self.words(given);
                if let Some(name) = name {
                    let choices = if method == "text" {
                        None
                    } else {
                        named("choices", 2)
                    };
                    let value = match (default.all_texts(), choices) {
                        (Some(texts), None) => session::Value::OneOf(texts.into_iter().collect()),
                        (_, Some(Value::List(choices))) if method == "dropdown" => {
                            let texts: Vec<String> = choices
                                .iter()
                                .filter_map(Value::all_texts)
                                .flatten()
                                .collect();
                            session::Value::OneOf(texts.into_iter().collect())
                        }
                        (Some(texts), Some(_)) => {
                            session::Value::OneOf(texts.into_iter().collect())
                        }
                        _ => session::Value::Unknown,
                    };
                    self.reader.widget(&name, value);
                }
                Some(Value::Constant("None".into()))
            }
            ("dbutils.widgets", "get" | "getArgument") | ("", "getArgument") => {
                let name = first.and_then(|argument| argument.value.only_text());
                self.words(given);
                // A person or job may give a widget anything; what the whole estate passes is taken as all there is.
                let passed = name
                    .as_ref()
                    .is_some_and(|name| self.reader.is_passed(name));
                let value = name
                    .and_then(|name| self.reader.session.widgets.get(&name))
                    .map_or_else(Value::unknown, from_session);
                Some(if passed { value } else { value.or_else() })
            }
            ("spark.conf" | "spark.sqlContext" | "sqlContext", "set" | "setConf") => {
                let key = named("key", 0)?.only_text();
                let value = named("value", 1)?;
                self.words(given);
                if let Some(key) = key {
                    let known = match value.all_texts() {
                        Some(texts) => session::Value::OneOf(texts.into_iter().collect()),
                        None => session::Value::Unknown,
                    };
                    self.reader
                        .session
                        .variables
                        .insert((Namespace::Conf, key), known);
                }
                Some(Value::Constant("None".into()))
            }
            ("spark.conf" | "sqlContext", "get" | "getConf") => {
                let key = first.and_then(|argument| argument.value.only_text());
                let fallback = text(1);
                self.words(&given[..given.len().min(1)]);
                let known =
                    key.and_then(|key| self.reader.session.variables.get(&(Namespace::Conf, key)));
                let value = known.map_or_else(Value::unknown, from_session);
                Some(match fallback {
                    Some(fallback) => value.or(fallback),
                    None => value,
                })
            }
            ("dbutils.notebook" | "mssparkutils.notebook" | "notebookutils.notebook", "run") => {
                self.notebook(given);
                Some(Value::object("dbutils.notebook.run()"))
            }
            ("os.path" | "posixpath", "join") => Some(self.path_joined(given)),
            ("" | "builtins", "str") | ("", "String.valueOf" | "as.character" | "toString") => {
                Some(text(0).unwrap_or_else(Value::unknown))
            }
            ("textwrap", "dedent") | ("inspect", "cleandoc") | ("", "dedent") => text(0),
            ("" | "builtins", "sorted" | "list" | "set" | "tuple" | "reversed" | "unique")
                if given.len() == 1 =>
            {
                let value = text(0)?;
                matches!(value, Value::List(_) | Value::Map(_)).then_some(value)
            }
            ("" | "builtins", "enumerate") => {
                let element = self.element(&text(0)?);
                let number = Value::Constant("0".into());
                Some(Value::List(Arc::new(vec![Value::List(Arc::new(vec![
                    number, element,
                ]))])))
            }
            ("" | "builtins", "zip") => {
                let elements = given
                    .iter()
                    .map(|argument| self.element(&argument.value))
                    .collect::<Vec<_>>();
                Some(Value::List(Arc::new(vec![Value::List(Arc::new(elements))])))
            }
            ("" | "builtins", "map" | "filter") if given.len() >= 2 => {
                let element = self.element(&given[1].value);
                Some(self.each(&given[..1], element))
            }
            ("" | "builtins", "dict") => {
                let pairs = given.iter().filter_map(|argument| {
                    let name = argument.name.as_ref()?;
                    Some((Value::fixed(name), argument.value.clone()))
                });
                let pairs: Vec<_> = pairs.collect();
                (pairs.len() == given.len()).then(|| Value::Map(Arc::new(pairs)))
            }
            ("" | "base", "paste0") => Some(self.pasted(given, "")),
            ("" | "base", "paste") => {
                let separator = given
                    .iter()
                    .find(|argument| argument.name.as_deref() == Some("sep"));
                let separator =
                    separator.map_or(Some(" ".to_owned()), |argument| argument.value.only_text());
                match separator {
                    Some(separator) => Some(self.pasted(given, &separator)),
                    None => Some(
                        Value::List(Arc::new(
                            given
                                .iter()
                                .map(|argument| argument.value.clone())
                                .collect(),
                        ))
                        .lost(),
                    ),
                }
            }
            ("" | "base", "sprintf") if self.namespace == Namespace::R => {
                let format = text(0)?;
                let values = given
                    .iter()
                    .skip(1)
                    .map(|argument| (argument.value.clone(), argument.span.clone()))
                    .collect();
                Some(self.percent(&format, values))
            }
            ("" | "glue", "glue" | "glue_sql") if self.namespace == Namespace::R => {
                let format = text(0)?;
                Some(self.format(&format, &given[1..], true))
            }
            (_, "option")
                if path.contains("read") || path.contains("write") || path.contains("Stream") =>
            {
                self.option(path, given);
                // Which source is read decides about `load` and `table`.
                Some(Value::object(&format!("{path}.option()")))
            }
            (_, "options")
                if path.contains("read") || path.contains("write") || path.contains("Stream") =>
            {
                self.options(path, given);
                Some(Value::object(&format!("{path}.options()")))
            }
            (_, "format")
                if path.contains("read") || path.contains("write") || path.contains("Stream") =>
            {
                self.words(given);
                let foreign = first
                    .and_then(|argument| argument.value.only_text())
                    .is_some_and(|format| is_foreign(&format));
                let format = if foreign {
                    "format(foreign)"
                } else {
                    "format()"
                };
                Some(Value::object(&format!("{path}.{format}")))
            }
            (_, "load" | "save" | "start") if path.contains("format(foreign)") => {
                for argument in given {
                    self.fate(&argument.value, &Fate::Foreign);
                }
                Some(Value::object(&format!("{path}.{method}()")))
            }
            (_, "sql")
                if !given.is_empty()
                    && (path == "spark"
                        || path.ends_with("spark")
                        || path.is_empty()
                        || path.ends_with("sqlContext")) =>
            {
                // `spark.sql("… {t}", t=…)` and `args=`: what is put in is data frames and values.
                if self.namespace == Namespace::Python && given.len() > 1 {
                    let query = given[0].value.clone();
                    let spliced: Vec<Given> = given[1..]
                        .iter()
                        .filter(|argument| {
                            argument.name.as_deref().is_some_and(|name| name != "args")
                        })
                        .map(|argument| Given {
                            name: argument.name.clone(),
                            value: argument.value.clone(),
                            span: argument.span.clone(),
                            spread: false,
                        })
                        .collect();
                    for argument in &given[1..] {
                        self.fate(&argument.value, &Fate::Word);
                    }
                    let query = if spliced.is_empty() {
                        query
                    } else {
                        self.format(&query, &spliced, false)
                    };
                    self.sql(&query, &given[0].span, false);
                    return Some(Value::object("spark.sql()"));
                }
                None
            }
            _ => {
                if (path.is_empty() || path == "builtins")
                    && matches!(method, "eval" | "exec" | "compile")
                {
                    self.evaluated(given, method, expression);
                    return Some(Value::unknown());
                }
                // `Path("/dbfs/…")`, `Some("x")`, `Option("x")`: the same text in a wrapper.
                if matches!(
                    method,
                    "Path" | "PurePath" | "Some" | "Option" | "URI" | "I"
                ) && given.len() == 1
                {
                    return text(0);
                }
                None
            }
        }
    }

    fn words(&mut self, given: &[Given]) {
        for argument in given {
            self.fate(&argument.value, &Fate::Word);
        }
    }

    /// Code in a text is not followed.
    fn evaluated(&mut self, given: &[Given], method: &str, _expression: &Expression) {
        for argument in given {
            self.fate(
                &argument.value,
                &Fate::Unknown(format!("is code that `{method}` runs")),
            );
        }
    }

    fn path_joined(&mut self, given: &[Given]) -> Value {
        let mut terms = Vec::new();
        for (index, argument) in given.iter().enumerate() {
            if index > 0 {
                terms.push((Value::fixed("/"), argument.span.start..argument.span.start));
            }
            terms.push((argument.value.clone(), argument.span.clone()));
        }
        self.sum(terms, false)
    }

    fn pasted(&mut self, given: &[Given], separator: &str) -> Value {
        let mut terms = Vec::new();
        let options = ["sep", "collapse", "recycle0"];
        for argument in given {
            if argument
                .name
                .as_deref()
                .is_some_and(|name| options.contains(&name))
            {
                self.fate(&argument.value, &Fate::Word);
                continue;
            }
            if !terms.is_empty() && !separator.is_empty() {
                terms.push((
                    Value::fixed(separator),
                    argument.span.start..argument.span.start,
                ));
            }
            terms.push((argument.value.clone(), argument.span.clone()));
        }
        self.sum(terms, false)
    }

    /// `.option(key, value)`.
    fn option(&mut self, path: &str, given: &[Given]) {
        let [key, value] = given else {
            self.words(given);
            return;
        };
        self.fate(&key.value, &Fate::Word);
        let key = key.value.only_text().unwrap_or_default().to_lowercase();
        self.option_value(path, &key, value);
    }

    fn options(&mut self, path: &str, given: &[Given]) {
        for argument in given {
            match (&argument.name, &argument.value) {
                (Some(name), _) => self.option_value(path, &name.to_lowercase(), argument),
                (None, Value::Map(pairs)) => {
                    let pairs = Arc::clone(pairs);
                    for (key, value) in pairs.iter() {
                        self.fate(key, &Fate::Word);
                        let key = key.only_text().unwrap_or_default().to_lowercase();
                        let inner = Given {
                            name: None,
                            value: value.clone(),
                            span: argument.span.clone(),
                            spread: false,
                        };
                        self.option_value(path, &key, &inner);
                    }
                }
                _ => self.fate(&argument.value, &Fate::Word),
            }
        }
    }

    fn option_value(&mut self, _path: &str, key: &str, value: &Given) {
        match key {
            "path"
            | "checkpointlocation"
            | "cloudfiles.schemalocation"
            | "badrecordspath"
            | "tempdir"
            | "cloudfiles.backfilllocation"
            | "schemalocation" => self.path(&value.value, &value.span),
            "dbtable" | "query" | "preparequery" | "url" | "dbtablename" | "collection"
            | "database" | "subscribe" | "topic" => {
                self.fate(&value.value, &Fate::Foreign);
            }
            _ => self.fate(&value.value, &Fate::Word),
        }
    }

    fn notebook(&mut self, given: &[Given]) {
        let path = given
            .first()
            .and_then(|argument| argument.value.only_text());
        if let Some(argument) = given.first() {
            self.fate(&argument.value, &Fate::Notebook);
        }
        if let Some(path) = &path {
            self.reader.call(path, "notebook.run");
        }
        for argument in given.iter().skip(1) {
            let is_arguments = matches!(argument.value, Value::Map(_));
            if !is_arguments {
                self.fate(&argument.value, &Fate::Word);
                continue;
            }
            let Value::Map(pairs) = &argument.value else {
                continue;
            };
            let pairs = Arc::clone(pairs);
            for (key, value) in pairs.iter() {
                self.fate(key, &Fate::Word);
                if let (Some(path), Some(key)) = (&path, key.only_text()) {
                    self.reader
                        .passes(path, &key, value.all_texts().unwrap_or_default());
                }
                self.fate(
                    value,
                    &Fate::Unknown("is passed to another notebook".to_owned()),
                );
            }
        }
    }

    // What is reported to the reader.

    /// Reports a value as the name of a table.
    pub(super) fn table(&mut self, value: &Value, span: &Range<usize>, role: Role) {
        self.report(value, span, "the name of the table", |machine, fragment| {
            let range = 0..fragment.text().len();
            if fragment.text().is_empty() {
                return;
            }
            machine.reader.table_text(fragment, range, role);
        });
    }

    fn sql(&mut self, value: &Value, span: &Range<usize>, condition: bool) {
        if condition {
            let query = value
                .known_texts()
                .iter()
                .any(|text| text.to_ascii_lowercase().contains("select "));
            if !query {
                self.fate(value, &Fate::Column);
                return;
            }
        }
        self.report(value, span, "the SQL text", |machine, fragment| {
            machine.reader.read(fragment, Language::Sql);
        });
    }

    /// SQL that another session runs: what is current in this one, and its views, mean nothing there.
    fn sql_elsewhere(&mut self, value: &Value, span: &Range<usize>) {
        let elsewhere = session::Session {
            variables: self.reader.session.variables.clone(),
            ..session::Session::default()
        };
        let here = std::mem::replace(&mut self.reader.session, elsewhere);
        self.sql(value, span, false);
        self.reader.session = here;
    }

    fn database(&mut self, value: &Value, span: &Range<usize>, current: bool) {
        let known = value.all_texts();
        self.report(
            value,
            span,
            "the name of the database",
            |machine, fragment| {
                let Some(parts) =
                    crate::reader::name_parts(fragment.text(), 0..fragment.text().len())
                else {
                    return;
                };
                machine.reader.database(fragment, &parts);
                if current {
                    machine.reader.use_database(fragment, &parts);
                }
            },
        );
        if current && known.is_none() {
            self.reader.session.database = session::Value::Unknown;
        }
        if current
            && let Some(known) = known
            && known.len() > 1
        {
            let names = known.into_iter().map(|name| name.to_lowercase()).collect();
            self.reader.session.database = session::Value::OneOf(names);
        }
    }

    fn path(&mut self, value: &Value, _span: &Range<usize>) {
        // Only what a path begins with says where it lies.
        if let Value::Texts { alternatives, .. } = value {
            for alternative in alternatives.iter() {
                let mut parts = alternative.iter();
                if let Some(first) = parts.next() {
                    self.fate(&Value::text(vec![first.clone()]), &Fate::Path);
                }
                let first = first_literal(alternative);
                let rest = parts
                    .filter(|part| literal_of(part) != first)
                    .cloned()
                    .collect::<Assembled>();
                self.fate(&Value::text(rest), &Fate::Segment);
            }
            return;
        }
        self.fate(value, &Fate::Path);
    }

    fn view(&mut self, value: &Value, _span: &Range<usize>, made: bool) {
        self.fate(value, &Fate::View);
        match value.all_texts() {
            Some(names) => {
                for name in names {
                    let name = name.trim_matches('`').to_lowercase();
                    if made {
                        self.reader.session.temporary_views.insert(name);
                    } else {
                        self.reader.session.temporary_views.remove(&name);
                    }
                }
            }
            None if made => {
                for name in value.known_texts() {
                    self.reader
                        .session
                        .temporary_views
                        .insert(name.to_lowercase());
                }
                self.reader.session.views_incomplete = true;
            }
            None => {}
        }
    }

    /// A data set of a pipeline: a bare name is the pipeline's own, a dotted one is a table.
    fn dataset(&mut self, value: &Value, span: &Range<usize>, role: Role) {
        let texts = value.known_texts();
        let dotted = texts
            .iter()
            .any(|text| text.contains('.') && !text.to_uppercase().starts_with("LIVE."));
        if dotted {
            return self.table(value, span, role);
        }
        for text in texts {
            let name = text.trim_start_matches("LIVE.").to_lowercase();
            self.reader.session.temporary_views.insert(name);
        }
        self.fate(value, &Fate::View);
    }

    /// Makes a fragment of each text that a value can be, and hands it on; says so if it can be others.
    fn report(
        &mut self,
        value: &Value,
        span: &Range<usize>,
        what: &str,
        mut hand: impl FnMut(&mut Self, &Arc<Fragment>),
    ) {
        let broken = self.broken.iter().any(|range| {
            range.start < span.end && range.end > span.start && range.end > range.start
        });
        let (alternatives, complete) = match value {
            Value::Texts {
                alternatives,
                complete,
            } => (Arc::clone(alternatives), *complete),
            _ => (Arc::new(Vec::new()), false),
        };
        for alternative in alternatives.iter() {
            let mut made = Made::default();
            let fragment = self.fragment(alternative, complete, span, &mut made);
            let first = self.reader.occurrences();
            hand(self, &fragment);
            if !made.from_caller.is_empty() && self.reader.without(first, &made.from_caller) {
                self.note_caller(span.clone());
            }
            if self.reader.occurrences() == first {
                self.assembled_abroad(alternative, &fragment, span, &mut hand);
            }
            let occurrences = first..self.reader.occurrences();
            for literal in &made.sources {
                if let Some(literal) = self.state.literals.get_mut(*literal) {
                    literal.note(&Fate::Named);
                    if broken {
                        literal.note(&Fate::Unknown(
                            "stands in code that was not understood".to_owned(),
                        ));
                    }
                }
            }
            for (literal, _) in &made.holes {
                if let Some(literal) = self.state.literals.get_mut(*literal) {
                    literal.note(&Fate::Word);
                }
            }
            self.state.uses.push(Use {
                occurrences,
                sources: made.sources,
                holes: made.holes,
            });
        }
        if !complete {
            let fate = Fate::Unknown(format!(
                "may be {what}, put together in a way that is not followed"
            ));
            if let Value::Texts { .. } = value {
            } else {
                self.fate(value, &fate);
            }
            let cell = Arc::clone(&self.cell);
            let written: String = cell
                .text()
                .get(span.clone())
                .unwrap_or_default()
                .chars()
                .take(80)
                .collect();
            let doubt = Doubt::new(
                rule::UNRESOLVED,
                format!("{what} is decided at run time by `{written}`"),
            );
            if self.is_open_parameter(value) {
                self.note_caller(span.clone());
            } else if alternatives.is_empty() {
                self.reader
                    .needs_person(&cell, span.clone(), doubt, Vec::new());
            }
        }
    }

    /// A text that a function of an included notebook put together: what it says of its names has no place here, so it is told
    /// where the function is called.
    fn assembled_abroad(
        &mut self,
        text: &Assembled,
        fragment: &Arc<Fragment>,
        span: &Range<usize>,
        hand: &mut impl FnMut(&mut Self, &Arc<Fragment>),
    ) {
        if self.reader.is_own(fragment, 0) || !self.reader.is_own(&self.cell, span.start) {
            return;
        }
        let known = super::values::texts_given(text);
        let cell = Arc::clone(&self.cell);
        let what: String = cell
            .text()
            .get(span.clone())
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect();
        let mut builder = cell.inside(layer(self.namespace));
        builder.escape(&Closed);
        builder.hole(span.clone(), known.into_iter().collect(), &what);
        hand(self, &builder.build());
    }

    /// Whether a value is a parameter of the function that is evaluated, of which nothing is known here.
    fn is_open_parameter(&self, value: &Value) -> bool {
        match value {
            Value::Object(path) => self
                .frames
                .last()
                .is_some_and(|frame| frame.open.contains(path.as_ref())),
            _ => false,
        }
    }

    fn note_caller(&mut self, span: Range<usize>) {
        rules::from_caller(self, span);
    }

    /// The fragment of a text. Bytes of literals lead back to them; words that variables hold are holes.
    fn fragment(
        &mut self,
        text: &Assembled,
        complete: bool,
        written: &Range<usize>,
        made: &mut Made,
    ) -> Arc<Fragment> {
        let home = text.iter().find_map(|segment| match segment {
            Segment::Source { home, .. } => Some(Arc::clone(home)),
            _ => None,
        });
        let home = home.unwrap_or_else(|| Arc::clone(&self.cell));
        // The place in code has bytes in this cell only.
        let written = if Arc::ptr_eq(&home, &self.cell) {
            written.clone()
        } else {
            0..0
        };
        let mut builder = home.inside(layer(self.namespace));
        // Where text in front of a hole of a sum can be written: the end of the literal before it.
        let mut before: Option<(usize, &'static super::literal::Writing)> = None;
        let mut last = None;
        for segment in text {
            let quoted = builder.text().ends_with(['\'', '"']);
            match segment {
                Segment::Source {
                    home: of,
                    literal,
                    range,
                    decoded,
                    writing,
                } => {
                    if !made.sources.contains(literal) {
                        made.sources.push(*literal);
                    }
                    if quoted
                        && last.is_some_and(|last| last != *literal)
                        && let Some(literal) = self.state.literals.get_mut(*literal)
                    {
                        literal.note(&Fate::Quoted);
                    }
                    last = Some(*literal);
                    // What stands in an included notebook is edited when that one is read.
                    if self.reader.is_own(of, range.start) {
                        builder.escape(*writing);
                    } else {
                        builder.escape(&Closed);
                    }
                    match (Arc::ptr_eq(of, &home), decoded) {
                        (true, None) => builder.verbatim(range.clone()),
                        (true, Some(text)) => builder.escaped(range.clone(), text),
                        (false, None) => builder.elsewhere(of, range.clone(), None),
                        (false, Some(text)) => builder.elsewhere(of, range.clone(), Some(text)),
                    };
                    before = Arc::ptr_eq(of, &home).then_some((range.end, *writing));
                }
                Segment::Fixed(known) => {
                    if !text
                        .iter()
                        .any(|segment| matches!(segment, Segment::Source { .. }))
                    {
                        let what: String = home
                            .text()
                            .get(written.clone())
                            .unwrap_or_default()
                            .chars()
                            .take(60)
                            .collect();
                        builder.escape(&Closed);
                        let values = if complete {
                            vec![known.clone()]
                        } else {
                            Vec::new()
                        };
                        builder.hole(written.clone(), values, &what);
                    } else {
                        builder.invented(known);
                    }
                    before = None;
                }
                Segment::Hole(hole) => {
                    let mut literals = Vec::new();
                    hole.value.literals(&mut literals);
                    let values = hole.value.all_texts().unwrap_or_default();
                    let outer = Arc::ptr_eq(&hole.home, &home).then(|| hole.span.clone());
                    let own = self.reader.is_own(&hole.home, hole.span.start);
                    let place = match (hole.inside.filter(|_| own), outer, before.filter(|_| own)) {
                        (Some(writing), Some(span), _) => {
                            builder.escape(writing);
                            span
                        }
                        (_, _, Some((end, writing))) => {
                            builder.escape(writing);
                            end..end
                        }
                        (_, outer, None) => {
                            builder.escape(&Closed);
                            outer.unwrap_or_else(|| written.clone())
                        }
                    };
                    builder.hole(place.clone(), values, &hole.what);
                    let place = home.locate(&place);
                    if self.is_open_parameter(&hole.value) {
                        made.from_caller.push(place.clone());
                    }
                    made.holes
                        .extend(literals.into_iter().map(|literal| (literal, place.clone())));
                    before = None;
                }
            }
        }
        builder.build()
    }

    // What rules may ask.

    /// The language.
    pub(crate) fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// Reports a finding, once for each place.
    pub(crate) fn found(&mut self, rule: &'static rules::Rule, span: Range<usize>, message: &str) {
        let place = self.cell.locate(&span);
        if !self
            .state
            .findings
            .insert((rule.id, place.start, place.end))
        {
            return;
        }
        let cell = Arc::clone(&self.cell);
        self.reader
            .finding(&cell, span, rule.severity, Doubt::new(rule.id, message));
    }

    /// Whether a region is a comment etc. is told by [`super::settle`]; this one says it at once.
    pub(super) fn region(&mut self, span: Range<usize>, reason: NotATable) {
        let cell = Arc::clone(&self.cell);
        self.reader
            .region(&cell, span, crate::occurrence::Means::NotATable(reason));
    }

    /// Evaluates, with nothing known, every function that nobody called here.
    pub(super) fn enter_the_rest(&mut self) {
        let mut next = 0;
        while next < self.state.functions.len() {
            let closure = Arc::clone(&self.state.functions[next]);
            next += 1;
            let address = Arc::as_ptr(&closure.function) as usize;
            if !self.state.called.contains(&address) {
                self.class = closure.class.clone();
                self.enter(&closure, &[], true);
                self.class = None;
            }
        }
    }
}

const ALTERNATIVES_OF_A_SPLIT: usize = 512;

/// The literal that a stretch of a text stands in.
fn literal_of(segment: &Segment) -> Option<LiteralId> {
    match segment {
        Segment::Source { literal, .. } => Some(*literal),
        Segment::Fixed(_) | Segment::Hole(_) => None,
    }
}

fn first_literal(text: &Assembled) -> Option<LiteralId> {
    text.first().and_then(literal_of)
}

#[derive(Default)]
struct Made {
    sources: Vec<LiteralId>,
    holes: Vec<(LiteralId, Range<usize>)>,
    /// Holes that the caller of the function fills.
    from_caller: Vec<Range<usize>>,
}

/// Nothing can be written here: the place lies in code, not in a text.
#[derive(Debug)]
struct Closed;

impl crate::fragment::Escape for Closed {
    fn escape(&self, _text: &str) -> Result<String, crate::fragment::Refusal> {
        Err(crate::fragment::Refusal(
            "the name begins with a variable".to_owned(),
        ))
    }
}

impl crate::fragment::Escape for super::literal::Writing {
    fn escape(&self, text: &str) -> Result<String, crate::fragment::Refusal> {
        self.write(text).map_err(crate::fragment::Refusal)
    }
}

fn layer(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::Python => "Python text",
        Namespace::Scala => "Scala text",
        Namespace::R => "R text",
        Namespace::Conf | Namespace::Sql => "text",
    }
}

fn from_session(value: &session::Value) -> Value {
    match value {
        session::Value::Unknown => Value::unknown(),
        session::Value::OneOf(texts) => {
            let alternatives = texts
                .iter()
                .map(|text| vec![Segment::Fixed(text.clone())])
                .collect();
            Value::Texts {
                alternatives: Arc::new(alternatives),
                complete: true,
            }
        }
    }
}

/// Names that statements assign, however deep.
fn assigned(statements: &[Statement], into: &mut BTreeSet<String>) {
    with_stack(|| {
        for statement in statements {
            match statement {
                Statement::Assign { target, .. } => targets(target, into),
                Statement::For { target, body, .. } => {
                    targets(target, into);
                    assigned(body, into);
                }
                Statement::While { body, .. } | Statement::Block { body, .. } => {
                    assigned(body, into)
                }
                Statement::Branch { arms, .. } => arms.iter().for_each(|arm| assigned(arm, into)),
                Statement::Forget(names) => into.extend(names.iter().cloned()),
                Statement::Expression(_)
                | Statement::Function(_)
                | Statement::Class { .. }
                | Statement::Return(_)
                | Statement::Import { .. } => {}
            }
        }
    });
}

fn targets(target: &Expression, into: &mut BTreeSet<String>) {
    match &target.kind {
        Kind::List(inner) => inner.iter().for_each(|target| targets(target, into)),
        Kind::Index { object, .. } => targets(object, into),
        _ => into.extend(target.dotted()),
    }
}

fn expression_path(function: &Expression) -> String {
    match &function.kind {
        Kind::Attribute { object, .. } => object.dotted().unwrap_or_else(|| "?".to_owned()),
        _ => String::new(),
    }
}

/// What the first argument of a call is connected to.
fn connection_of(given: &[Given]) -> calls::Connection {
    match given.first().map(|argument| &argument.value) {
        Some(Value::Object(path)) => calls::connection(path),
        _ => calls::Connection::Unknown,
    }
}

/// Methods that other objects than data frames have too.
fn is_ambiguous(method: &str) -> bool {
    !matches!(
        method,
        "col"
            | "withColumn"
            | "withColumnRenamed"
            | "groupBy"
            | "orderBy"
            | "select"
            | "selectExpr"
            | "isin"
            | "cast"
            | "alias"
            | "when"
            | "otherwise"
            | "partitionBy"
            | "over"
            | "colRegex"
            | "agg"
            | "pivot"
            | "dropDuplicates"
    )
}

fn is_data_frame(path: &str) -> bool {
    path.contains("spark") || path.contains("()") || path.to_ascii_lowercase().contains("df")
}

/// Formats whose tables lie in another system.
fn is_foreign(format: &str) -> bool {
    let format = format.to_ascii_lowercase();
    matches!(
        format.as_str(),
        "jdbc"
            | "sqlserver"
            | "mysql"
            | "postgresql"
            | "snowflake"
            | "bigquery"
            | "redshift"
            | "kafka"
            | "eventhubs"
            | "cosmos.oltp"
            | "mongodb"
            | "mongo"
            | "kinesis"
            | "salesforce"
            | "oracle"
            | "teradata"
            | "es"
    ) || format.contains("sqldw")
        || format.contains("synapse")
        || format.contains("cosmosdb")
        || format.contains("sqlserver")
        || format.contains("snowflake")
        || format.contains("redshift")
        || format.contains("mongo")
        || format.contains("elasticsearch")
        || format.contains("cassandra")
        || format.contains("jdbc")
}

/// The directives of a `%` format: where, how long, and the key of `%(key)s`.
fn directives(text: &str) -> Vec<(usize, usize, Option<&str>)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'%' {
            at += 1;
            continue;
        }
        let mut end = at + 1;
        let mut key = None;
        if bytes.get(end) == Some(&b'(') {
            let Some(close) = text[end..].find(')') else {
                break;
            };
            key = Some(&text[end + 1..end + close]);
            end += close + 1;
        }
        while bytes.get(end).is_some_and(|byte| {
            matches!(byte, b'0'..=b'9' | b'.' | b'-' | b'+' | b'#' | b' ' | b'$')
        }) {
            end += 1;
        }
        match bytes.get(end) {
            Some(b'%') if end == at + 1 => found.push((at, 2, None)),
            Some(byte) if byte.is_ascii_alphabetic() => found.push((at, end + 1 - at, key)),
            _ => {
                at += 1;
                continue;
            }
        }
        at = found
            .last()
            .map_or(at + 1, |(from, length, _)| from + length);
    }
    found
}

/// The fields of a `.format` text: where and how long. A field within a field ends it.
fn fields(text: &str) -> Vec<(usize, usize)> {
    let bytes = text.as_bytes();
    let mut found = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            brace @ (b'{' | b'}') if bytes.get(at + 1) == Some(&brace) => {
                found.push((at, 2));
                at += 2;
            }
            b'{' => {
                let Some(close) = text[at..].find('}') else {
                    break;
                };
                found.push((at, close + 1));
                at += close + 1;
            }
            _ => at += 1,
        }
    }
    found
}
