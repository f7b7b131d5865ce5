//! Functions and classes of the program: what a definition makes, and how one is entered with what it is given.

use std::sync::{Arc, OnceLock};

use super::{CALLS_DEEP, CALLS_MAX, Frame, Given, Machine};
use crate::language::program::{Expression, Function, Kind, Parameter, Statement};
use crate::language::values::{Closure, Fate, Segment, Value, texts_of};
use crate::rules;
use crate::session::Namespace;

impl Machine<'_, '_> {
    pub(super) fn define(&mut self, function: &Arc<Function>) {
        let closure = Arc::new(Closure {
            function: Arc::clone(function),
            home: Arc::clone(&self.cell),
            class: self.class.clone(),
            namespace: self.namespace,
            words: OnceLock::new(),
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

    pub(super) fn closure(&mut self, function: &Arc<Function>) -> Arc<Closure> {
        let closure = Arc::new(Closure {
            function: Arc::clone(function),
            home: Arc::clone(&self.cell),
            class: None,
            namespace: self.namespace,
            words: OnceLock::new(),
        });
        self.state.functions.push(Arc::clone(&closure));
        closure
    }

    pub(super) fn class(&mut self, name: &str, parameters: &[Parameter], body: &[Statement]) {
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
            self.fate(&value, &Fate::Aside("is kept in a member of an object"));
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
            self.maybe(|machine| machine.enter(&initialiser, &[], true));
        }
    }

    /// `@dlt.table(name="x")`, `@udf("…")`: evaluated like any call; the data set's name may be that of the function.
    pub(super) fn decorator(&mut self, decorator: &Expression, function: &Arc<Function>) {
        if self
            .registers_at(decorator)
            .is_some_and(|address| self.state.dispatches.contains_key(&address))
        {
            return;
        }
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
    pub(super) fn parameter(&mut self, parameter: &Parameter, given: Option<Value>) -> Value {
        match (given, &parameter.default) {
            (Some(value), _) => value,
            (None, Some(default)) => {
                let default = self.expression(default);
                self.under_name(&default, &parameter.name);
                default.or_else()
            }
            (None, None) => Value::object(&parameter.name),
        }
    }

    /// Evaluates the body of a function. `open`: what it is given is not known.
    pub(in crate::language) fn enter(
        &mut self,
        closure: &Arc<Closure>,
        given: &[Given],
        open: bool,
    ) -> Value {
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
        if let Some(early) = frame.current.clone() {
            self.or_current(early);
        }
        self.broken = broken;
        for value in frame.returned.iter().chain([&last]) {
            self.returned(value);
        }
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

    /// What stands in a function and leaves it may be used by notebooks that call it.
    fn returned(&mut self, value: &Value) {
        let mut literals = Vec::new();
        value.literals(&mut literals);
        for id in literals {
            if let Some(literal) = self.state.literals.get_mut(id)
                && literal.is_local
            {
                literal.note(&Fate::Aside("is returned by a function"));
            }
        }
    }

    /// Enters a function whose result goes where nobody follows it.
    pub(super) fn enter_for_others(&mut self, closure: &Arc<Closure>) {
        let value = self.maybe(|machine| machine.enter(closure, &[], true));
        let fate = Fate::Aside("is returned to code that is not followed");
        self.fate(&value, &fate);
    }

    /// Notes a function that puts a name together from a database and a table.
    pub(super) fn joins_two(&mut self, value: &Value, closure: &Arc<Closure>) {
        let Value::Texts { alternatives, .. } = value else {
            return;
        };
        let two = alternatives.iter().any(|text| match text.as_slice() {
            [
                Segment::Hole(_),
                dot @ Segment::Source { .. },
                Segment::Hole(_),
            ] => texts_of(&vec![dot.clone()]).is_some_and(|texts| texts == ["."]),
            _ => false,
        });
        if two {
            rules::name_helper(self, closure.function.span.clone());
        }
    }

    /// Evaluates, with nothing known, every function that nobody called here.
    pub(in crate::language) fn enter_the_rest(&mut self) {
        let mut next = 0;
        while next < self.state.functions.len() {
            let closure = Arc::clone(&self.state.functions[next]);
            next += 1;
            let address = Arc::as_ptr(&closure.function) as usize;
            if !self.state.called.contains(&address) {
                self.class = closure.class.clone();
                self.enter_for_others(&closure);
                self.class = None;
            }
        }
    }
}
