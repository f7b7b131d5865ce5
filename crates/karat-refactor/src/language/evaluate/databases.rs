//! Texts that stand where a database does, or are values for others: marked here, and judged by [`crate::language::settle`] when their uses
//! are known. Which words are databases is the mapping's to say.

use super::Machine;
use crate::language::values::{Assembled, LiteralId, Segment, Value};
use crate::reader::{is_called_like_database, of_widget};

impl Machine<'_, '_> {
    /// A value under a name: a key, an argument, a parameter.
    pub(super) fn under_name(&mut self, value: &Value, name: &str) {
        if !is_called_like_database(name) {
            return;
        }
        for id in literals_of(value) {
            if let Some(literal) = self.state.literals.get_mut(id) {
                literal.is_like_database = true;
            }
        }
    }

    /// What fills a text in front of a dot is a part of a name.
    pub(super) fn parts_of_names(&mut self, text: &Assembled) {
        for pair in text.windows(2) {
            let [
                first,
                Segment::Source {
                    home,
                    range,
                    decoded: None,
                    ..
                },
            ] = pair
            else {
                continue;
            };
            let behind = home.text().get(range.clone()).unwrap_or_default();
            let behind = behind.trim_start_matches('`');
            if !behind.starts_with('.') || behind.starts_with(". ") {
                continue;
            }
            let literals = match first {
                Segment::Hole(hole) => literals_of(&hole.value),
                Segment::Source { .. } | Segment::Fixed(_) | Segment::Lent { .. } => Vec::new(),
            };
            for id in literals {
                if let Some(literal) = self.state.literals.get_mut(id) {
                    literal.is_like_database = true;
                }
            }
        }
    }

    /// The default or a choice of a widget.
    pub(super) fn for_others(&mut self, value: &Value, widget: &str) {
        if let Value::List(values) = value {
            for value in values.iter() {
                self.for_others(value, widget);
            }
            return;
        }
        for id in literals_of(value) {
            if let Some(literal) = self.state.literals.get_mut(id) {
                literal.for_others = Some(of_widget(widget));
                literal.is_like_database |= is_called_like_database(widget);
            }
        }
    }
}

/// The literals that are the whole of a text each.
fn literals_of(value: &Value) -> Vec<LiteralId> {
    let Value::Texts { alternatives, .. } = value else {
        return Vec::new();
    };
    let whole = alternatives
        .iter()
        .filter_map(|text| match text.as_slice() {
            [Segment::Source { literal, .. }] => Some(*literal),
            _ => None,
        });
    whole.collect()
}
