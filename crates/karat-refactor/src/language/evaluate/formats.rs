//! `%` and `format`: which part of a pattern a value goes to.

use std::ops::Range;
use std::sync::Arc;

use super::{Given, Machine};
use crate::language::values::{Fate, Value};

impl Machine<'_, '_> {
    /// `"… %s …" % (a, b)`.
    pub(super) fn percent(&mut self, format: &Value, values: Vec<(Value, Range<usize>)>) -> Value {
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
                let Some(own) = segment.stretch() else {
                    assembled.push(segment.clone());
                    continue;
                };
                let text = own.text;
                let mut start = 0;
                for (at, length, key) in directives(text) {
                    if start < at {
                        assembled.push(own.part(start..at));
                    }
                    start = at + length;
                    let directive = &text[at..start];
                    if directive == "%%" {
                        assembled.push(own.standing_for(at..start, Some("%".to_owned())));
                        continue;
                    }
                    let value = match (&named, key) {
                        (Some(pairs), Some(key)) => self.looked_up(pairs, key),
                        _ => queue
                            .next()
                            .map_or_else(Value::unknown, |(value, _)| value.clone()),
                    };
                    let plain = directive.ends_with(['s', 'd']);
                    let value = if plain { value } else { value.lost() };
                    self.fill_at(&mut assembled, value, &own, at..start);
                }
                if start < text.len() {
                    assembled.push(own.part(start..text.len()));
                }
            }
            self.parts_of_names(&assembled);
            let value = Value::text(assembled);
            results = Some(match results {
                Some(before) => before.or(value),
                None => value,
            });
        }
        let value = results.unwrap_or_else(Value::unknown);
        if *complete { value } else { value.or_else() }
    }

    /// `"… {} {0} {name} …".format(…)`, and `glue` of R.
    pub(super) fn format(&mut self, format: &Value, given: &[Given], lookup: bool) -> Value {
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
                let Some(own) = segment.stretch() else {
                    assembled.push(segment.clone());
                    continue;
                };
                let own = own.written_as(own.writing.with_braces());
                let text = own.text;
                let mut start = 0;
                for (at, length) in fields(text) {
                    if start < at {
                        assembled.push(own.part(start..at));
                    }
                    start = at + length;
                    let field = &text[at..start];
                    if field == "{{" || field == "}}" {
                        assembled.push(own.standing_for(at..start, Some(field[..1].to_owned())));
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
                    self.fill_at(&mut assembled, value, &own, at..start);
                }
                if start < text.len() {
                    assembled.push(own.part(start..text.len()));
                }
            }
            self.parts_of_names(&assembled);
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
