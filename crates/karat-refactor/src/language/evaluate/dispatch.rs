//! Python's `@singledispatch`: one name, and the function that is run is chosen by the type of the first argument.
//!
//! Types are not followed, so a call enters every function that could take its arguments.

use std::sync::Arc;

use super::{Given, Machine};
use crate::language::program::{Expression, Function, Kind};
use crate::language::values::{Closure, Dispatch, Value};
use crate::session::Namespace;

impl Dispatch {
    /// Adds a function, once.
    pub(in crate::language) fn register(&mut self, closure: &Arc<Closure>) {
        let is_same = |known: &Arc<Closure>| Arc::ptr_eq(&known.function, &closure.function);
        if !self.registered.iter().any(is_same) {
            self.registered.push(Arc::clone(closure));
        }
    }
}

impl Machine<'_, '_> {
    /// What the decorators of a function that was just defined make of it: one that dispatches, or one that is registered.
    pub(super) fn dispatches(&mut self, function: &Arc<Function>) {
        if self.namespace != Namespace::Python {
            return;
        }
        let Some(Value::Function(defined)) = self.get(&function.name).cloned() else {
            return;
        };
        for decorator in &function.decorators {
            if self.is_singledispatch(decorator) {
                let dispatch = Dispatch {
                    otherwise: Arc::clone(&defined),
                    registered: Vec::new(),
                    incomplete: false,
                };
                self.state.dispatches.insert(address_of(&defined), dispatch);
            } else if let Some(address) = self.registers_at(decorator)
                && let Some(dispatch) = self.state.dispatches.get_mut(&address)
            {
                dispatch.register(&defined);
                // With other decorators around it, what is run is not this function.
                dispatch.incomplete |= function.decorators.len() > 1;
            }
        }
    }

    pub(super) fn is_dispatched(&self, closure: &Arc<Closure>) -> bool {
        self.state.dispatches.contains_key(&address_of(closure))
    }

    /// `f.register(dict, g)`; without a function it gives a decorator, which is not followed.
    pub(super) fn register(&mut self, closure: &Arc<Closure>, given: &[Given]) -> Value {
        let added = match given {
            [_, added] if !added.spread => match &added.value {
                Value::Function(added) => Some(Arc::clone(added)),
                _ => None,
            },
            _ => None,
        };
        if let Some(dispatch) = self.state.dispatches.get_mut(&address_of(closure)) {
            match &added {
                Some(added) => dispatch.register(added),
                None => dispatch.incomplete = true,
            }
        }
        added.map_or_else(Value::unknown, Value::Function)
    }

    /// Enters what a call of a function runs.
    pub(super) fn enter_called(&mut self, closure: &Arc<Closure>, given: &[Given]) -> Value {
        let Some(dispatch) = self.state.dispatches.get(&address_of(closure)).cloned() else {
            return self.enter(closure, given, false);
        };
        let all = std::iter::once(&dispatch.otherwise).chain(&dispatch.registered);
        let fitting: Vec<Arc<Closure>> = all
            .filter(|one| takes(&one.function, given))
            .map(Arc::clone)
            .collect();
        let mut values = self.one_of(&fitting, true, |machine, one| {
            machine.enter(one, given, false)
        });
        if dispatch.incomplete || values.is_empty() {
            self.escape_all(given, &closure.function.name);
            values.push(Value::unknown());
        }
        let first = values.remove(0);
        values.into_iter().fold(first, Value::or)
    }

    fn is_singledispatch(&mut self, decorator: &Expression) -> bool {
        let Some(path) = decorator.dotted() else {
            return false;
        };
        let (first, rest) = path.split_once('.').unwrap_or((path.as_str(), ""));
        let Some(Value::Object(module)) = self.get(first) else {
            return false;
        };
        match rest {
            "" => module.as_ref() == "functools.singledispatch",
            rest => module.as_ref() == "functools" && rest == "singledispatch",
        }
    }

    /// The address of the function that `@f.register` or `@f.register(dict)` adds to.
    pub(super) fn registers_at(&mut self, decorator: &Expression) -> Option<usize> {
        let method = match &decorator.kind {
            Kind::Call { function, .. } => function,
            _ => decorator,
        };
        let Kind::Attribute { object, name } = &method.kind else {
            return None;
        };
        match self.get(&object.dotted()?) {
            Some(Value::Function(closure)) if name == "register" => Some(address_of(closure)),
            _ => None,
        }
    }
}

fn address_of(closure: &Arc<Closure>) -> usize {
    Arc::as_ptr(&closure.function) as usize
}

/// Whether a call with these arguments is none that Python refuses for their number or names.
fn takes(function: &Function, given: &[Given]) -> bool {
    if given.iter().any(|argument| argument.spread) {
        return true;
    }
    let names: Vec<&str> = function
        .parameters
        .iter()
        .map(|parameter| parameter.name.as_str())
        .collect();
    let positional = given.iter().filter(|one| one.name.is_none()).count();
    let gathers = names
        .iter()
        .any(|name| name.starts_with('*') && !name.starts_with("**"));
    let gathers_named = names.iter().any(|name| name.starts_with("**"));
    let places = names.iter().filter(|name| !name.starts_with('*')).count();
    let is_named = |name: &str| given.iter().any(|one| one.name.as_deref() == Some(name));
    let known = given.iter().filter_map(|one| one.name.as_deref());
    let all_known = known.into_iter().all(|name| names.contains(&name));
    let parameters = function.parameters.iter();
    let missing = parameters
        .filter(|parameter| !parameter.name.starts_with('*'))
        .enumerate()
        .any(|(at, parameter)| {
            at >= positional && parameter.default.is_none() && !is_named(&parameter.name)
        });
    (gathers || positional <= places) && (gathers_named || all_known) && !missing
}
