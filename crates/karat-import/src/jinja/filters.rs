//! Filters (`x | upper`) and tests (`x is none`) of values.

use super::evaluate::{joined, replaced};
use super::{Arguments, NotPlain, Value};

pub(crate) fn filtered(
    of: Value,
    name: &str,
    given: &Arguments,
    line: u32,
) -> Result<Value, NotPlain> {
    let unknown = |of: &Value| {
        NotPlain::new(
            line,
            format!("| {name}"),
            format!("this filter is not taken over for {}", of.kind()),
            "write out what it gives",
        )
    };
    let takes: &[&str] = match name {
        "replace" => &["old", "new"],
        "join" => &["d"],
        "default" | "d" => &["default_value", "boolean"],
        _ => &[],
    };
    given.check(name, takes, line)?;
    Ok(match (&of, name) {
        (Value::Text(text), "upper") => Value::Text(text.to_uppercase()),
        (Value::Text(text), "lower") => Value::Text(text.to_lowercase()),
        (Value::Text(text), "trim") => Value::Text(text.trim().to_owned()),
        (Value::Text(text), "capitalize") => {
            let mut letters = text.chars();
            let first = letters.next().map(|c| c.to_uppercase().to_string());
            Value::Text(first.unwrap_or_default() + &letters.as_str().to_lowercase())
        }
        (Value::Text(text), "replace") => match (given.text(0, "old"), given.text(1, "new")) {
            (Some(from), Some(to)) => Value::Text(replaced(text, from, to, line)?),
            _ => return Err(unknown(&of)),
        },
        (Value::Text(text), "length" | "count") => Value::Int(text.chars().count() as i64),
        (Value::List(items), "length" | "count") => Value::Int(items.len() as i64),
        (Value::Map(entries), "length" | "count") => Value::Int(entries.len() as i64),
        (Value::List(items), "first") => items.first().cloned().ok_or_else(|| unknown(&of))?,
        (Value::List(items), "last") => items.last().cloned().ok_or_else(|| unknown(&of))?,
        (Value::List(items), "unique") => {
            let mut kept: Vec<Value> = Vec::new();
            for item in items {
                if !kept.contains(item) {
                    kept.push(item.clone());
                }
            }
            Value::List(kept)
        }
        (Value::List(items), "reverse") => Value::List(items.iter().rev().cloned().collect()),
        (Value::List(items), "sort") => {
            let mut texts: Vec<String> = Vec::new();
            for item in items {
                texts.push(item.text().ok_or_else(|| unknown(&of))?.to_owned());
            }
            texts.sort_by_key(|text| text.to_lowercase());
            Value::List(texts.into_iter().map(Value::Text).collect())
        }
        (Value::List(items), "join") => {
            let mark = match given.get(0, "d") {
                None => "",
                Some(mark) => mark.text().ok_or_else(|| unknown(mark))?,
            };
            let mut texts = Vec::new();
            for item in items {
                texts.push(item.printed().ok_or_else(|| unknown(item))?);
            }
            Value::Text(joined(&texts, mark, line)?)
        }
        (Value::List(_), "list") => of,
        (Value::Text(text), "int") => match text.trim().parse() {
            Ok(value) => Value::Int(value),
            Err(_) => return Err(unknown(&of)),
        },
        (Value::Int(_), "int") => of,
        (Value::Int(value), "abs") => Value::Int(value.checked_abs().ok_or_else(|| unknown(&of))?),
        (_, "string") => Value::Text(of.printed().ok_or_else(|| unknown(&of))?),
        (_, "default" | "d") => {
            // With `true` behind it, what is empty has the default, too.
            let counts_empty = given.get(1, "boolean").is_some_and(Value::is_true);
            match counts_empty && !of.is_true() {
                true => given
                    .get(0, "default_value")
                    .cloned()
                    .unwrap_or(Value::Text(String::new())),
                false => of,
            }
        }
        // What dbt does to types of values; SQL sees the text.
        (_, "as_text" | "as_native" | "as_bool" | "as_number") => of,
        _ => return Err(unknown(&of)),
    })
}

pub(crate) fn tested(of: &Value, name: &str, given: &[Value], line: u32) -> Result<bool, NotPlain> {
    let takes = usize::from(["in", "eq", "equalto"].contains(&name));
    // A name that nothing says anything of is known to dbt alone.
    if matches!(of, Value::Named(_)) || given.len() != takes {
        return Err(unknown(name, line));
    }
    Ok(match name {
        "defined" => true,
        "undefined" => false,
        "none" => *of == Value::None,
        "string" => matches!(of, Value::Text(_)),
        "number" => matches!(of, Value::Int(_) | Value::Number(_)),
        "mapping" => matches!(of, Value::Map(_)),
        "sequence" | "iterable" => matches!(of, Value::List(_) | Value::Map(_) | Value::Text(_)),
        "boolean" => matches!(of, Value::Bool(_)),
        "true" => *of == Value::Bool(true),
        "false" => *of == Value::Bool(false),
        "in" => match given {
            [Value::List(items)] => items.contains(of),
            _ => return Err(unknown(name, line)),
        },
        "eq" | "equalto" => given.first() == Some(of),
        "odd" | "even" => match of {
            Value::Int(value) => (value.rem_euclid(2) == 1) == (name == "odd"),
            _ => return Err(unknown(name, line)),
        },
        _ => return Err(unknown(name, line)),
    })
}

fn unknown(name: &str, line: u32) -> NotPlain {
    NotPlain::new(
        line,
        format!("is {name}"),
        "this test is not taken over",
        "write out what it gives",
    )
}
