//! Methods of texts, lists and dictionaries whose result is known.

use std::sync::Arc;

use super::{Given, Machine, SEGMENTS_MAX};
use crate::language::program::{Argument, Expression, Kind};
use crate::language::values::{Assembled, Fate, Value};
use crate::rules;
use crate::session::Namespace;

impl Machine<'_, '_> {
    /// A method of a value.
    pub(super) fn method(
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
                self.enter_called(&closure, &given)
            }
            Value::Function(closure) if name == "register" && self.is_dispatched(closure) => {
                let closure = Arc::clone(closure);
                self.register(&closure, &given)
            }
            Value::Unknown(_) => self.known(expression, "?", name, &given),
            _ => {
                let path = expression_path(function);
                self.known(expression, &path, name, &given)
            }
        }
    }

    /// The pairs of a map, position by position, so that `for k, v in d.items()` knows both.
    pub(super) fn pairs(&mut self, items: Vec<Value>) -> Value {
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
    pub(super) fn each(&mut self, given: &[Given], element: Value) -> Value {
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
                    let result = self.maybe(|machine| machine.enter(&closure, &elements, false));
                    results.push(result);
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

    pub(super) fn text_method(
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
    pub(super) fn changed(&mut self, holder: &Value, name: &str, given: &[Given]) -> Value {
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
    pub(super) fn replaced(
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
    pub(super) fn with_replaced(
        &mut self,
        holder: &Value,
        mark: &str,
        value: &Value,
    ) -> Option<Value> {
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
                let Some(own) = segment.stretch() else {
                    assembled.push(segment.clone());
                    continue;
                };
                let text = own.text;
                let mut start = 0;
                while let Some(found) = text[start..].find(mark) {
                    let at = start + found;
                    if start < at {
                        assembled.push(own.part(start..at));
                    }
                    start = at + mark.len();
                    self.fill_at(&mut assembled, value.clone(), &own, at..start);
                }
                if start < text.len() || text.is_empty() {
                    assembled.push(own.part(start..text.len()));
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
    pub(super) fn without_margin(&mut self, holder: &Value) -> Value {
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
                let Some(own) = segment.stretch() else {
                    line_start = false;
                    assembled.push(segment.clone());
                    continue;
                };
                let mut at = 0;
                for line in own.text.split_inclusive('\n') {
                    let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
                    let bar = (line_start || at > 0) && line[indent..].starts_with('|');
                    let skipped = if bar { indent + 1 } else { 0 };
                    if skipped < line.len() {
                        assembled.push(own.part(at + skipped..at + line.len()));
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
    pub(super) fn split(&mut self, holder: &Value, separators: &[String]) -> Value {
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
            let Some(own) = segment.stretch() else {
                pieces
                    .last_mut()
                    .expect("begins with one")
                    .push(segment.clone());
                continue;
            };
            let mut at = 0;
            for (index, part) in own.text.split(separator.as_str()).enumerate() {
                if index > 0 {
                    pieces.push(Vec::new());
                }
                if !part.is_empty() {
                    pieces
                        .last_mut()
                        .expect("begins with one")
                        .push(own.part(at..at + part.len()));
                }
                at += part.len() + separator.len();
            }
        }
        if pieces.len() > ALTERNATIVES_OF_A_SPLIT {
            return holder.lost();
        }
        Value::List(Arc::new(pieces.into_iter().map(Value::text).collect()))
    }
}

const ALTERNATIVES_OF_A_SPLIT: usize = 512;

fn expression_path(function: &Expression) -> String {
    match &function.kind {
        Kind::Attribute { object, .. } => object.dotted().unwrap_or_else(|| "?".to_owned()),
        _ => String::new(),
    }
}
