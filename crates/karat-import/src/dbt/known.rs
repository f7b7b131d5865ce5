//! What a template of dbt may ask.

use std::rc::Rc;

use crate::jinja::{Arguments, Knowing, Macro, NotPlain, Value};
use crate::sql::Dialect;

use super::Shared;

/// What stands for a table in a rendered text, until it is known which tables there are.
pub(crate) const REF: &str = "karat_ref";
pub(crate) const SOURCE: &str = "karat_source";

/// A template that may ask nothing.
pub(crate) struct Nothing;

impl Knowing for Nothing {
    fn call(&mut self, _: &str, _: &Arguments, _: u32) -> Result<Option<Value>, NotPlain> {
        Ok(None)
    }

    fn name(&mut self, _: &str, _: u32) -> Result<Option<Value>, NotPlain> {
        Ok(None)
    }

    fn find_macro(&self, _: &str) -> Option<Rc<Macro>> {
        None
    }
}

/// A template of the project; what it configures and what it assumes is kept.
pub(crate) struct Known<'s> {
    shared: &'s Shared,
    /// `config(…)` of the file itself.
    pub(crate) config: Vec<(String, Value)>,
    /// What `ref` named.
    pub(crate) refs: Vec<String>,
    /// What was assumed: line, construct, what.
    pub(crate) notes: Vec<(u32, String, String)>,
}

impl<'s> Known<'s> {
    pub(crate) fn new(shared: &'s Shared) -> Self {
        Known {
            shared,
            config: Vec::new(),
            refs: Vec::new(),
            notes: Vec::new(),
        }
    }

    pub(crate) fn config(&self, key: &str) -> Option<&Value> {
        let mut config = self.config.iter().rev();
        config.find_map(|(name, value)| (name == key).then_some(value))
    }

    fn text(
        given: &Arguments,
        nth: usize,
        name: &str,
        of: &str,
        line: u32,
    ) -> Result<String, NotPlain> {
        match given.text(nth, name) {
            Some(text) => Ok(text.to_owned()),
            None => Err(NotPlain::new(
                line,
                format!("{of}(…)"),
                "what it names is not stated",
                "write the name as a text",
            )),
        }
    }

    fn reference(&mut self, given: &Arguments, line: u32) -> Result<Value, NotPlain> {
        if given
            .named
            .iter()
            .any(|(name, _)| name == "v" || name == "version")
        {
            return Err(NotPlain::new(
                line,
                "ref(…, v=…)",
                "versions of models are not taken over",
                "give each version a name of its own",
            ));
        }
        let first = Self::text(given, 0, "model_name", "ref", line)?;
        let name = match given.ordered.get(1) {
            None => first,
            Some(_) if first == self.shared.project.name => Self::text(given, 1, "", "ref", line)?,
            Some(_) => {
                return Err(NotPlain::new(
                    line,
                    format!("ref('{first}', …)"),
                    "models of other packages are not taken over",
                    "copy the model into the project",
                ));
            }
        };
        self.refs.push(name.clone());
        Ok(Value::Text(marked(REF, &[&name])))
    }

    fn variable(&mut self, given: &Arguments, line: u32) -> Result<Value, NotPlain> {
        let name = Self::text(given, 0, "name", "var", line)?;
        if let Some(value) = self.shared.project.var(&name) {
            return Ok(value.clone());
        }
        match given.get(1, "default") {
            Some(value) => Ok(value.clone()),
            None => Err(NotPlain::new(
                line,
                format!("var('{name}')"),
                "the variable has no value in the project and no default",
                format!("give it one with `--var {name}=VALUE`"),
            )),
        }
    }

    fn dispatched(&self, given: &Arguments, line: u32) -> Result<Value, NotPlain> {
        let name = Self::text(given, 0, "macro_name", "adapter.dispatch", line)?;
        let suffix = format!("__{name}");
        let mut own: Vec<&str> = self
            .shared
            .macros
            .keys()
            .filter_map(|found| found.strip_suffix(&suffix))
            .filter(|adapter| *adapter != "default")
            .collect();
        own.sort_unstable();
        if self.shared.dialect == Dialect::Unknown && !own.is_empty() {
            return Err(NotPlain::new(
                line,
                format!("adapter.dispatch('{name}')"),
                format!(
                    "it is another macro for {}, and nothing says whose SQL this is",
                    own.join(", ")
                ),
                "name the engine with `--dialect`",
            ));
        }
        // An adapter that has no macro of its own takes those of the one that it is made of.
        let way: &[&str] = match self.shared.dialect {
            Dialect::Redshift => &["redshift", "postgres"],
            Dialect::Spark => &["spark"],
            dialect => &[dialect.name()],
        };
        if self.shared.dialect == Dialect::Spark && own.contains(&"databricks") {
            return Err(NotPlain::new(
                line,
                format!("adapter.dispatch('{name}')"),
                "it is one macro for Databricks and another for Spark, and nothing says whose SQL this is",
                "write out the SQL of the one that is meant",
            ));
        }
        let chosen = way
            .iter()
            .find(|adapter| own.contains(adapter))
            .unwrap_or(&"default");
        Ok(Value::Named(format!("{chosen}{suffix}")))
    }
}

/// A name that no project has, for a table that is found later. Between backticks it is a name to every engine.
fn marked(kind: &str, parts: &[&str]) -> String {
    let quoted = |part: &&str| format!("`{}`", spelled_out(part).replace('`', ""));
    let parts: Vec<String> = parts.iter().map(quoted).collect();
    format!("{kind}.{}", parts.join("."))
}

/// A name that stays what it is in lower case, as `ref` tells large letters from small ones and SQL does not.
pub(crate) fn spelled_out(name: &str) -> String {
    let mut out = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() || letter == '^' {
            out.push('^');
        }
        out.extend(letter.to_lowercase());
    }
    out
}

/// The name that was spelled out.
pub(crate) fn as_written(spelled: &str) -> String {
    let mut out = String::new();
    let mut letters = spelled.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '^' => out.extend(letters.next().into_iter().flat_map(char::to_uppercase)),
            letter => out.push(letter),
        }
    }
    out
}

impl Knowing for Known<'_> {
    fn call(
        &mut self,
        name: &str,
        given: &Arguments,
        line: u32,
    ) -> Result<Option<Value>, NotPlain> {
        let empty = Value::Text(String::new());
        Ok(Some(match name {
            "ref" | "builtins.ref" => self.reference(given, line)?,
            "source" | "builtins.source" => {
                let source = Self::text(given, 0, "source_name", "source", line)?;
                let table = Self::text(given, 1, "table_name", "source", line)?;
                Value::Text(marked(SOURCE, &[&source, &table]))
            }
            "config" => {
                if let Some(Value::Map(entries)) = given.ordered.first() {
                    self.config.extend(entries.clone());
                }
                self.config.extend(given.named.clone());
                empty
            }
            "config.get" => {
                let key = Self::text(given, 0, "name", "config.get", line)?;
                let default = given.get(1, "default").cloned().unwrap_or(Value::None);
                self.config(&key).cloned().unwrap_or(default)
            }
            "var" => self.variable(given, line)?,
            "env_var" => {
                let variable = Self::text(given, 0, "var", "env_var", line)?;
                let Some(default) = given.get(1, "default") else {
                    return Err(NotPlain::new(
                        line,
                        format!("env_var('{variable}')"),
                        "variables of the environment shape no rows in karat (A9), and it has no default",
                        "write its value",
                    ));
                };
                let what = "the default is taken: variables of the environment shape no rows in karat (A9)";
                self.notes
                    .push((line, format!("env_var('{variable}')"), what.to_owned()));
                default.clone()
            }
            "is_incremental" => {
                let what = "it is false, as in a full refresh: karat makes the whole table";
                self.notes
                    .push((line, "is_incremental()".to_owned(), what.to_owned()));
                Value::Bool(false)
            }
            "adapter.dispatch" => self.dispatched(given, line)?,
            "log" | "print" => empty,
            "range" => match given.ordered.as_slice() {
                [Value::Int(end)] if (0..=10_000).contains(end) => {
                    Value::List((0..*end).map(Value::Int).collect())
                }
                [Value::Int(start), Value::Int(end)]
                    if end.checked_sub(*start).is_some_and(|count| count <= 10_000) =>
                {
                    Value::List((*start..*end).map(Value::Int).collect())
                }
                _ => return Ok(None),
            },
            "dbt.date_trunc" | "date_trunc" => {
                let unit = Self::text(given, 0, "datepart", name, line)?;
                let of = Self::text(given, 1, "date", name, line)?;
                Value::Text(format!("date_trunc('{unit}', {of})"))
            }
            "dbt.concat" | "concat" => {
                let parts = match given.ordered.first() {
                    Some(Value::List(items)) => items.iter().map(|item| item.printed()).collect(),
                    _ => None,
                };
                let Some(parts): Option<Vec<String>> = parts else {
                    return Ok(None);
                };
                Value::Text(parts.join(" || "))
            }
            "dbt.type_string" => Value::Text("varchar".to_owned()),
            "dbt.type_int" => Value::Text("integer".to_owned()),
            "dbt.type_bigint" => Value::Text("bigint".to_owned()),
            "dbt.type_boolean" => Value::Text("boolean".to_owned()),
            "dbt.type_timestamp" => Value::Text("timestamp".to_owned()),
            "dbt.current_timestamp" | "current_timestamp" => Value::Text("now()".to_owned()),
            "dbt.safe_cast" => {
                let of = Self::text(given, 0, "field", name, line)?;
                let to = Self::text(given, 1, "type", name, line)?;
                Value::Text(format!("try_cast({of} as {to})"))
            }
            "dbt_utils.generate_surrogate_key" => {
                let fields = match given.ordered.first() {
                    Some(Value::List(items)) => items.iter().map(|item| item.text()).collect(),
                    _ => None,
                };
                let Some(fields): Option<Vec<&str>> = fields else {
                    return Ok(None);
                };
                let parts: Vec<String> = fields
                    .iter()
                    .map(|field| {
                        format!(
                            "coalesce(cast({field} as varchar), '_dbt_utils_surrogate_key_null_')"
                        )
                    })
                    .collect();
                Value::Text(format!("md5({})", parts.join(" || '-' || ")))
            }
            _ => return Ok(None),
        }))
    }

    fn name(&mut self, name: &str, line: u32) -> Result<Option<Value>, NotPlain> {
        Ok(match name {
            // It is `spark` or `databricks`.
            "target.type" if !matches!(self.shared.dialect, Dialect::Unknown | Dialect::Spark) => {
                Some(Value::Text(self.shared.dialect.name().to_owned()))
            }
            "this" => {
                return Err(NotPlain::new(
                    line,
                    "this",
                    "a model does not read the table that it makes",
                    "write what is to be done with the rows that are there",
                ));
            }
            "execute" => {
                return Err(NotPlain::new(
                    line,
                    "execute",
                    "what it guards asks the database while SQL is written",
                    "write out what it gives (`dbt compile` shows it)",
                ));
            }
            "project_name" => Some(Value::Text(self.shared.project.name.clone())),
            _ => None,
        })
    }

    fn find_macro(&self, name: &str) -> Option<Rc<Macro>> {
        let own = name.strip_prefix(&self.shared.project.name);
        let own = own.and_then(|rest| rest.strip_prefix('.')).unwrap_or(name);
        self.shared.macros.get(own).cloned()
    }
}
