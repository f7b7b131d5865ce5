//! Where values go: variables, members, items, and the names that targets bind.

use std::sync::Arc;

use super::Machine;
use crate::language::program::{Expression, Kind};
use crate::language::values::{Fate, Segment, Value};

impl Machine<'_, '_> {
    pub(super) fn assign(&mut self, target: &Expression, value: Value) {
        match &target.kind {
            Kind::Name(name) => {
                self.named(&value, name);
                self.set(name, value);
            }
            Kind::Attribute { .. } => {
                if let Some(path) = target.dotted() {
                    self.named(&value, &path);
                    self.fate(&value, &Fate::Aside("is kept in a member of an object"));
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
                if let Some(key) = key.only_text() {
                    self.under_name(&value, &key);
                }
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
    pub(super) fn store(&mut self, name: &str, value: Value) {
        for frame in self.frames.iter_mut().rev() {
            if let Some(place) = frame.variables.get_mut(name) {
                *place = value;
                return;
            }
        }
        self.set(name, value);
    }

    /// Remembers for messages what a literal is called.
    pub(super) fn named(&mut self, value: &Value, name: &str) {
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
}
