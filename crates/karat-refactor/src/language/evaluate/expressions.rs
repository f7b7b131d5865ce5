//! Expressions: what each can be. Texts are in [`super::texts`], calls in [`super::calls`].

use std::sync::Arc;

use super::{Frame, Machine};
use crate::language::program::{Expression, Kind, with_stack};
use crate::language::values::{Fate, Value, is_nothing};
use crate::rules;
use crate::session::Namespace;

impl Machine<'_, '_> {
    pub(super) fn expression(&mut self, expression: &Expression) -> Value {
        with_stack(|| self.expression_inside(expression))
    }

    pub(super) fn expression_inside(&mut self, expression: &Expression) -> Value {
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
                    let value = self.expression(value);
                    if let Some(key) = key.only_text() {
                        self.under_name(&value, &key);
                    }
                    known.push((key, value));
                }
                Value::Map(Arc::new(known)).bounded()
            }
            Kind::Choice { condition, arms } => {
                if let Some(condition) = condition {
                    let value = self.expression(condition);
                    self.tested(&value);
                }
                let values = match (condition, arms.as_slice()) {
                    // `a or b`: the first one is evaluated in any case.
                    (None, [first, others @ ..]) => {
                        let mut values = vec![self.expression(first)];
                        for other in others {
                            values.push(self.maybe(|machine| machine.expression(other)));
                        }
                        values
                    }
                    (_, arms) => self.one_of(arms, arms.len() > 1, Self::expression),
                };
                let all = values.into_iter().reduce(Value::or);
                all.unwrap_or_else(Value::unknown)
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
                let value = self.maybe(|machine| machine.expression(element));
                self.frames.pop();
                Value::List(Arc::new(vec![value.or_else()]))
            }
            Kind::Block(statements) => self.block(statements),
            Kind::Other(terms) => {
                let values: Vec<Value> = terms.iter().map(|term| self.expression(term)).collect();
                let value = Value::List(Arc::new(values)).lost();
                let fate = Fate::Aside("stands in an expression that is not followed");
                self.fate(&value, &fate);
                value
            }
        }
    }

    pub(super) fn attribute(
        &mut self,
        expression: &Expression,
        object: &Expression,
        name: &str,
    ) -> Value {
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

    pub(super) fn index(&mut self, object: &Expression, index: &Expression) -> Value {
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
                self.columns_of(&key, &index.span, &path);
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

    pub(super) fn looked_up(&mut self, pairs: &[(Value, Value)], known: &str) -> Value {
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

    /// What one element of a value is.
    pub(super) fn element(&mut self, value: &Value) -> Value {
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

    /// A condition: a text in it is only asked whether it is there.
    pub(super) fn tested(&mut self, value: &Value) {
        match value {
            Value::Unknown(_) => self.fate(
                value,
                &Fate::Unknown("is part of a condition that is not followed".to_owned()),
            ),
            _ => self.fate(value, &Fate::Aside("decides about what is done")),
        }
    }
}
