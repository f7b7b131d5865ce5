//! What an expression of a template is.

/// A value; numbers keep their text, so that `0.10` stays `0.10`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// A number with a fraction, as written.
    Number(String),
    Text(String),
    List(Vec<Value>),
    /// In the order in which it is written.
    Map(Vec<(String, Value)>),
    /// Something that can be called or asked for an attribute: a name with dots.
    Named(String),
}

impl Value {
    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn is_true(&self) -> bool {
        match self {
            Value::None => false,
            Value::Bool(value) => *value,
            Value::Int(value) => *value != 0,
            Value::Number(text) => text.parse::<f64>().is_ok_and(|value| value != 0.0),
            Value::Text(text) => !text.is_empty(),
            Value::List(items) => !items.is_empty(),
            Value::Map(entries) => !entries.is_empty(),
            Value::Named(_) => true,
        }
    }

    /// As a template prints it; `None` of what has no text of its own.
    pub(crate) fn printed(&self) -> Option<String> {
        Some(match self {
            Value::None => "None".to_owned(),
            Value::Bool(true) => "True".to_owned(),
            Value::Bool(false) => "False".to_owned(),
            Value::Int(value) => value.to_string(),
            Value::Number(text) | Value::Text(text) => text.clone(),
            Value::List(_) | Value::Map(_) | Value::Named(_) => return None,
        })
    }

    /// Its size, about in bytes.
    pub(crate) fn size(&self) -> usize {
        const EACH: usize = 16;
        match self {
            Value::None | Value::Bool(_) | Value::Int(_) => EACH,
            Value::Number(text) | Value::Text(text) | Value::Named(text) => EACH + text.len(),
            Value::List(items) => items
                .iter()
                .map(Value::size)
                .fold(EACH, usize::saturating_add),
            Value::Map(entries) => entries
                .iter()
                .map(|(key, value)| key.len() + value.size())
                .fold(EACH, usize::saturating_add),
        }
    }

    /// What it is, in the words of a message.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::None => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
            Value::Named(_) => "a name",
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        match self {
            Value::Map(entries) => entries
                .iter()
                .rev()
                .find_map(|(name, value)| (name == key).then_some(value)),
            _ => None,
        }
    }
}
