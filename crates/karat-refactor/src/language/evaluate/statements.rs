//! Statements: blocks in order, branches joined, loops passed once, what is returned and imported.

use std::collections::{BTreeSet, HashMap};

use super::Machine;
use crate::language::program::{Expression, Kind, Statement, with_stack};
use crate::language::values::{Fate, Value};
use crate::rules;
use crate::session::{Current, Namespace};

impl Machine<'_, '_> {
    pub(super) fn block(&mut self, statements: &[Statement]) -> Value {
        let mut last = Value::Constant("None".into());
        for statement in statements {
            last = with_stack(|| self.statement(statement));
            self.note_current();
        }
        last
    }

    pub(super) fn statement(&mut self, statement: &Statement) -> Value {
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
                self.dispatches(function);
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
                self.maybe(|machine| machine.block(body));
                self.join(vec![before]);
            }
            Statement::While { condition, body } => {
                self.loosen(body);
                let condition = self.expression(condition);
                self.tested(&condition);
                let before = self.frame().variables.clone();
                self.maybe(|machine| machine.block(body));
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
            Statement::Try {
                body,
                otherwise,
                handlers,
                finally,
            } => {
                let value = self.tries(body, otherwise, handlers);
                self.block(finally);
                return value;
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
            Statement::Raise(value) => {
                self.expression(value);
                self.frame().left = true;
            }
            Statement::Import {
                span,
                module,
                names,
            } => {
                rules::import(self, span.clone(), module, names);
                self.reader.imports(module);
                for (name, _) in names {
                    self.reader.imports(name);
                }
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

    pub(super) fn returns(&mut self, value: Value) {
        let frame = self.frame();
        frame.returned = Some(match frame.returned.take() {
            Some(before) => before.or(value),
            None => value,
        });
        frame.left = true;
        let here = self.reader.session.current();
        let frame = self.frame();
        frame.current = Some(match frame.current.take() {
            Some(others) => others.or(here),
            None => here,
        });
    }

    /// A body that may stop anywhere, and what runs then.
    fn tries(
        &mut self,
        body: &[Statement],
        otherwise: &[Statement],
        handlers: &[Vec<Statement>],
    ) -> Value {
        let before = self.frame().variables.clone();
        let left_before = std::mem::take(&mut self.frame().left);
        let (mut value, on_the_way) = self.attempt(|machine| machine.block(body));
        let after = self.frame().variables.clone();
        self.block(otherwise);
        let mut ends = Vec::new();
        if !self.frame().left || handlers.is_empty() {
            ends.push((
                self.frame().variables.clone(),
                self.reader.session.current(),
            ));
        }
        let left = self.frame().left;
        self.frame().variables = after;
        self.join(vec![before]);
        let stopped = self.frame().variables.clone();
        for handler in handlers {
            self.frame().variables.clone_from(&stopped);
            self.reader.session.make_current(on_the_way.clone());
            self.frame().left = false;
            let of_handler = self.block(handler);
            if !self.frame().left {
                value = value.or(of_handler);
                ends.push((
                    std::mem::take(&mut self.frame().variables),
                    self.reader.session.current(),
                ));
            }
        }
        self.frame().left = left_before || ends.is_empty() || left && handlers.is_empty();
        if let Some((variables, current)) = ends.pop() {
            self.frame().variables = variables;
            let (others, currents): (Vec<_>, Vec<_>) = ends.into_iter().rev().unzip();
            self.join(others);
            let current = currents.into_iter().fold(current, |all, one| one.or(all));
            self.reader.session.make_current(current);
        }
        value
    }

    /// Does what may stop anywhere; with all that may be current when it does.
    fn attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> (T, Current) {
        let before = self.reader.session.current();
        self.attempts.push(before.clone());
        let result = work(self);
        self.note_current();
        (result, self.attempts.pop().unwrap_or(before))
    }

    /// Does what may stop anywhere, unnoticed.
    pub(super) fn in_attempt<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let (result, on_the_way) = self.attempt(work);
        self.or_current(on_the_way);
        result
    }

    /// Does what may not be done at all.
    pub(super) fn maybe<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let left = self.frame().left;
        let before = self.reader.session.current();
        let result = work(self);
        self.or_current(before);
        self.frame().left = left;
        result
    }

    /// Does one of several things, or none if they are not complete.
    pub(super) fn one_of<T>(
        &mut self,
        ways: &[T],
        complete: bool,
        mut work: impl FnMut(&mut Self, &T) -> Value,
    ) -> Vec<Value> {
        let before = self.reader.session.current();
        let mut current = (!complete || ways.is_empty()).then(|| before.clone());
        let mut values = Vec::with_capacity(ways.len());
        for way in ways {
            self.reader.session.make_current(before.clone());
            values.push(work(self, way));
            let here = self.reader.session.current();
            current = Some(match current {
                Some(others) => others.or(here),
                None => here,
            });
        }
        self.reader.session.make_current(current.unwrap_or(before));
        values
    }

    fn note_current(&mut self) {
        if self.attempts.is_empty() {
            return;
        }
        let here = self.reader.session.current();
        for attempt in &mut self.attempts {
            if *attempt != here {
                *attempt = attempt.clone().or(here.clone());
            }
        }
    }

    pub(super) fn branch(&mut self, arms: &[Vec<Statement>], complete: bool) -> Value {
        let before = self.frame().variables.clone();
        let current_before = self.reader.session.current();
        let mut ends = Vec::new();
        let mut current: Option<Current> = None;
        let mut value: Option<Value> = None;
        for arm in arms {
            self.frame().variables = before.clone();
            self.reader.session.make_current(current_before.clone());
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
                let here = self.reader.session.current();
                current = Some(match current {
                    Some(others) => others.or(here),
                    None => here,
                });
            }
        }
        if !complete || ends.is_empty() {
            ends.push(before);
            current = Some(match current {
                Some(others) => others.or(current_before),
                None => current_before,
            });
        }
        if let Some(current) = current {
            self.reader.session.make_current(current);
        }
        self.frame().variables = ends.pop().unwrap_or_default();
        ends.reverse();
        self.join(ends);
        value.unwrap_or_else(Value::unknown)
    }

    /// What was current before may be so still: what came since may not have been run.
    pub(super) fn or_current(&mut self, before: Current) {
        let here = self.reader.session.current();
        self.reader.session.make_current(before.or(here));
    }

    /// Joins the variables of the current frame with others that are possible too.
    pub(super) fn join(&mut self, others: Vec<HashMap<String, Value>>) {
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

    /// Variables that a loop's body assigns may have been assigned by an earlier round already.
    pub(super) fn loosen(&mut self, body: &[Statement]) {
        let mut names = BTreeSet::new();
        assigned(body, &mut names);
        for name in names {
            if let Some(value) = self.get(&name).cloned() {
                self.set(&name, value.or_else());
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
                Statement::Try {
                    body,
                    otherwise,
                    handlers,
                    finally,
                } => {
                    let parts = [body, otherwise, finally].into_iter().chain(handlers);
                    parts.for_each(|part| assigned(part, into));
                }
                Statement::Forget(names) => into.extend(names.iter().cloned()),
                Statement::Expression(_)
                | Statement::Function(_)
                | Statement::Class { .. }
                | Statement::Return(_)
                | Statement::Raise(_)
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
