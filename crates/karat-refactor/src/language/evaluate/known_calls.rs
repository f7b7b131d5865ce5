//! Calls that need more than the catalogue: readers and writers with options, notebooks that are run, widgets.

use std::sync::Arc;

use super::{Given, Machine, from_session};
use crate::language::calls::{self, Place};
use crate::language::program::Expression;
use crate::language::values::{Fate, Value};
use crate::session::{self, Namespace};

impl Machine<'_, '_> {
    /// Calls that do more than name things.
    pub(super) fn special(
        &mut self,
        expression: &Expression,
        path: &str,
        method: &str,
        given: &[Given],
    ) -> Option<Value> {
        let first = given.first();
        let text = |index: usize| given.get(index).map(|argument| argument.value.clone());
        let named = |name: &str, index: usize| {
            let by_name = given
                .iter()
                .find(|argument| argument.name.as_deref() == Some(name));
            by_name
                .or_else(|| given.get(index))
                .map(|argument| argument.value.clone())
        };
        if method == "start" {
            let stream = std::mem::take(&mut self.stream);
            if let (true, Some((name, span))) = (stream.in_memory, stream.name) {
                self.view(&name, &span, true);
            }
        }
        match (path, method) {
            (_, "dbConnect") if self.namespace == Namespace::R => {
                // The connection is told by its driver.
                let driver = match first.map(|argument| &argument.value) {
                    Some(Value::Object(driver)) => driver.to_string(),
                    _ => String::new(),
                };
                self.words(given);
                Some(Value::object(&format!("{driver}.dbConnect()")))
            }
            (_, "read_sql" | "read_sql_query") => {
                let over = named("con", 1)?;
                let Value::Object(over) = &over else {
                    return None;
                };
                let place = match calls::connection(over) {
                    calls::Connection::Metastore => Place::SqlElsewhere,
                    calls::Connection::Foreign => Place::Foreign,
                    calls::Connection::Session | calls::Connection::Unknown => return None,
                };
                if let Some(query) = first {
                    self.placed(query, place, path, method);
                }
                self.words(given.get(1..).unwrap_or_default());
                Some(Value::object("pandas.read_sql()"))
            }
            ("dbutils.widgets", "text" | "dropdown" | "combobox" | "multiselect") => {
                let name = named("name", 0)?.only_text();
                let default = named("defaultValue", 1).unwrap_or_else(Value::unknown);
                self.words(given);
                let shown = name.clone().unwrap_or_default();
                for argument in given.iter().skip(1) {
                    self.for_others(&argument.value, &shown);
                }
                if let Some(name) = name {
                    let choices = if method == "text" {
                        None
                    } else {
                        named("choices", 2)
                    };
                    let value = match (default.all_texts(), choices) {
                        (Some(texts), None) => session::Value::OneOf(texts.into_iter().collect()),
                        (_, Some(Value::List(choices))) if method == "dropdown" => {
                            let texts: Vec<String> = choices
                                .iter()
                                .filter_map(Value::all_texts)
                                .flatten()
                                .collect();
                            session::Value::OneOf(texts.into_iter().collect())
                        }
                        (Some(texts), Some(_)) => {
                            session::Value::OneOf(texts.into_iter().collect())
                        }
                        _ => session::Value::Unknown,
                    };
                    self.reader.widget(&name, value);
                }
                Some(Value::Constant("None".into()))
            }
            ("dbutils.widgets", "get" | "getArgument") | ("", "getArgument") => {
                let name = first.and_then(|argument| argument.value.only_text());
                self.words(given);
                // A person or job may give a widget anything; what the whole estate passes is taken as all there is.
                let passed = name
                    .as_ref()
                    .is_some_and(|name| self.reader.is_passed(name));
                let value = name
                    .and_then(|name| self.reader.session.widgets.get(&name))
                    .map_or_else(Value::unknown, from_session);
                Some(if passed { value } else { value.or_else() })
            }
            ("spark.conf" | "spark.sqlContext" | "sqlContext", "set" | "setConf") => {
                let key = named("key", 0)?.only_text();
                let value = named("value", 1)?;
                self.words(given);
                if let Some(key) = key {
                    let known = match value.all_texts() {
                        Some(texts) => session::Value::OneOf(texts.into_iter().collect()),
                        None => session::Value::Unknown,
                    };
                    self.reader
                        .session
                        .variables
                        .insert((Namespace::Conf, key), known);
                }
                Some(Value::Constant("None".into()))
            }
            ("spark.conf" | "sqlContext", "get" | "getConf") => {
                let key = first.and_then(|argument| argument.value.only_text());
                let fallback = text(1);
                self.words(&given[..given.len().min(1)]);
                let known =
                    key.and_then(|key| self.reader.session.variables.get(&(Namespace::Conf, key)));
                let value = known.map_or_else(Value::unknown, from_session);
                Some(match fallback {
                    Some(fallback) => value.or(fallback),
                    None => value,
                })
            }
            ("dbutils.notebook" | "mssparkutils.notebook" | "notebookutils.notebook", "run") => {
                self.notebook(given);
                Some(Value::object("dbutils.notebook.run()"))
            }
            ("os.path" | "posixpath", "join") => Some(self.path_joined(given)),
            ("" | "builtins", "str") | ("", "String.valueOf" | "as.character" | "toString") => {
                Some(text(0).unwrap_or_else(Value::unknown))
            }
            ("textwrap", "dedent") | ("inspect", "cleandoc") | ("", "dedent") => text(0),
            ("" | "builtins", "sorted" | "list" | "set" | "tuple" | "reversed" | "unique")
                if given.len() == 1 =>
            {
                let value = text(0)?;
                matches!(value, Value::List(_) | Value::Map(_)).then_some(value)
            }
            ("" | "builtins", "enumerate") => {
                let element = self.element(&text(0)?);
                let number = Value::Constant("0".into());
                Some(Value::List(Arc::new(vec![Value::List(Arc::new(vec![
                    number, element,
                ]))])))
            }
            ("" | "builtins", "zip") => {
                let elements = given
                    .iter()
                    .map(|argument| self.element(&argument.value))
                    .collect::<Vec<_>>();
                Some(Value::List(Arc::new(vec![Value::List(Arc::new(elements))])))
            }
            ("" | "builtins", "map" | "filter") if given.len() >= 2 => {
                let element = self.element(&given[1].value);
                Some(self.each(&given[..1], element))
            }
            ("" | "builtins", "dict") => {
                let pairs = given.iter().filter_map(|argument| {
                    let name = argument.name.as_ref()?;
                    Some((Value::fixed(name), argument.value.clone()))
                });
                let pairs: Vec<_> = pairs.collect();
                (pairs.len() == given.len()).then(|| Value::Map(Arc::new(pairs)))
            }
            ("" | "base", "paste0") => Some(self.pasted(given, "")),
            ("" | "base", "paste") => {
                let separator = given
                    .iter()
                    .find(|argument| argument.name.as_deref() == Some("sep"));
                let separator =
                    separator.map_or(Some(" ".to_owned()), |argument| argument.value.only_text());
                match separator {
                    Some(separator) => Some(self.pasted(given, &separator)),
                    None => Some(
                        Value::List(Arc::new(
                            given
                                .iter()
                                .map(|argument| argument.value.clone())
                                .collect(),
                        ))
                        .lost(),
                    ),
                }
            }
            ("" | "base", "sprintf") if self.namespace == Namespace::R => {
                let format = text(0)?;
                let values = given
                    .iter()
                    .skip(1)
                    .map(|argument| (argument.value.clone(), argument.span.clone()))
                    .collect();
                Some(self.percent(&format, values))
            }
            ("" | "glue", "glue" | "glue_sql") if self.namespace == Namespace::R => {
                let format = text(0)?;
                Some(self.format(&format, &given[1..], true))
            }
            (_, "option") if is_of_reader_or_writer(path) => {
                self.option(path, given);
                // Which source is read decides about `load` and `table`.
                Some(Value::object(&format!("{path}.option()")))
            }
            (_, "options") if is_of_reader_or_writer(path) => {
                self.options(path, given);
                Some(Value::object(&format!("{path}.options()")))
            }
            (_, "format")
                if path.contains("read") || path.contains("write") || path.contains("Stream") =>
            {
                self.words(given);
                let format = first.and_then(|argument| argument.value.only_text());
                let format = format.unwrap_or_default();
                self.stream.in_memory = format.eq_ignore_ascii_case("memory");
                let foreign = is_foreign(&format);
                let format = if foreign {
                    "format(foreign)"
                } else {
                    "format()"
                };
                Some(Value::object(&format!("{path}.{format}")))
            }
            (_, "queryName") if is_of_reader_or_writer(path) => {
                self.words(given);
                self.stream.name = first.map(|name| (name.value.clone(), name.span.clone()));
                Some(Value::object(&format!("{path}.queryName()")))
            }
            ("", "write.stream") if self.namespace == Namespace::R => {
                let source = named("source", 1)?.only_text();
                let name = given
                    .iter()
                    .find(|one| one.name.as_deref() == Some("queryName"));
                if source.is_some_and(|source| source.eq_ignore_ascii_case("memory"))
                    && let Some(name) = name
                {
                    self.view(&name.value, &name.span, true);
                }
                None
            }
            (_, "load" | "save" | "start") if path.contains("format(foreign)") => {
                for argument in given {
                    self.fate(&argument.value, &Fate::Foreign);
                }
                Some(Value::object(&format!("{path}.{method}()")))
            }
            (_, "sql")
                if !given.is_empty()
                    && (path == "spark"
                        || path.ends_with("spark")
                        || path.is_empty()
                        || path.ends_with("sqlContext")) =>
            {
                // `spark.sql("… {t}", t=…)` and `args=`: what is put in is data frames and values.
                if self.namespace == Namespace::Python && given.len() > 1 {
                    let query = given[0].value.clone();
                    let spliced: Vec<Given> = given[1..]
                        .iter()
                        .filter(|argument| {
                            argument.name.as_deref().is_some_and(|name| name != "args")
                        })
                        .map(|argument| Given {
                            name: argument.name.clone(),
                            value: argument.value.clone(),
                            span: argument.span.clone(),
                            spread: false,
                        })
                        .collect();
                    for argument in &given[1..] {
                        self.fate(&argument.value, &Fate::Word);
                    }
                    let query = if spliced.is_empty() {
                        query
                    } else {
                        self.format(&query, &spliced, false)
                    };
                    self.sql(&query, &given[0].span);
                    return Some(Value::object("spark.sql()"));
                }
                None
            }
            _ => {
                if (path.is_empty() || path == "builtins")
                    && matches!(method, "eval" | "exec" | "compile")
                {
                    self.evaluated(given, method, expression);
                    return Some(Value::unknown());
                }
                // `Path("/dbfs/…")`, `Some("x")`, `Option("x")`: the same text in a wrapper.
                if matches!(
                    method,
                    "Path" | "PurePath" | "Some" | "Option" | "URI" | "I"
                ) && given.len() == 1
                {
                    return text(0);
                }
                None
            }
        }
    }

    pub(super) fn words(&mut self, given: &[Given]) {
        for argument in given {
            self.fate(&argument.value, &Fate::Word);
        }
    }

    /// Code in a text is not followed.
    pub(super) fn evaluated(&mut self, given: &[Given], method: &str, _expression: &Expression) {
        for argument in given {
            self.fate(
                &argument.value,
                &Fate::Unknown(format!("is code that `{method}` runs")),
            );
        }
    }

    /// `.option(key, value)`.
    pub(super) fn option(&mut self, path: &str, given: &[Given]) {
        let [key, value] = given else {
            self.words(given);
            return;
        };
        self.fate(&key.value, &Fate::Word);
        let key = key.value.only_text().unwrap_or_default().to_lowercase();
        self.option_value(path, &key, value);
    }

    pub(super) fn options(&mut self, path: &str, given: &[Given]) {
        for argument in given {
            match (&argument.name, &argument.value) {
                (Some(name), _) => self.option_value(path, &name.to_lowercase(), argument),
                (None, Value::Map(pairs)) => {
                    let pairs = Arc::clone(pairs);
                    for (key, value) in pairs.iter() {
                        self.fate(key, &Fate::Word);
                        let key = key.only_text().unwrap_or_default().to_lowercase();
                        let inner = Given {
                            name: None,
                            value: value.clone(),
                            span: argument.span.clone(),
                            spread: false,
                        };
                        self.option_value(path, &key, &inner);
                    }
                }
                _ => self.fate(&argument.value, &Fate::Word),
            }
        }
    }

    pub(super) fn option_value(&mut self, path: &str, key: &str, value: &Given) {
        match key {
            "path" if !path.contains("read") && !self.writes_files => {
                self.location(&value.value, &value.span)
            }
            "path"
            | "checkpointlocation"
            | "cloudfiles.schemalocation"
            | "badrecordspath"
            | "tempdir"
            | "cloudfiles.backfilllocation"
            | "schemalocation" => self.path(&value.value),
            "dbtable" | "query" | "preparequery" | "url" | "dbtablename" | "collection"
            | "database" | "subscribe" | "topic" => {
                self.fate(&value.value, &Fate::Foreign);
            }
            _ => self.fate(&value.value, &Fate::Word),
        }
    }

    pub(super) fn notebook(&mut self, given: &[Given]) {
        let path = given
            .first()
            .and_then(|argument| argument.value.only_text());
        if let Some(argument) = given.first() {
            self.fate(&argument.value, &Fate::Notebook);
        }
        if let Some(path) = &path {
            self.reader.call(path, "notebook.run");
        }
        for argument in given.iter().skip(1) {
            let is_arguments = matches!(argument.value, Value::Map(_));
            if !is_arguments {
                self.fate(&argument.value, &Fate::Word);
                continue;
            }
            let Value::Map(pairs) = &argument.value else {
                continue;
            };
            let pairs = Arc::clone(pairs);
            for (key, value) in pairs.iter() {
                self.fate(key, &Fate::Word);
                if let (Some(path), Some(key)) = (&path, key.only_text()) {
                    self.reader
                        .passes(path, &key, value.all_texts().unwrap_or_default());
                }
                self.fate(
                    value,
                    &Fate::Unknown("is passed to another notebook".to_owned()),
                );
            }
        }
    }
}

/// Formats whose tables lie in another system.
fn is_foreign(format: &str) -> bool {
    let format = format.to_ascii_lowercase();
    matches!(
        format.as_str(),
        "jdbc"
            | "sqlserver"
            | "mysql"
            | "postgresql"
            | "snowflake"
            | "bigquery"
            | "redshift"
            | "kafka"
            | "eventhubs"
            | "cosmos.oltp"
            | "mongodb"
            | "mongo"
            | "kinesis"
            | "salesforce"
            | "oracle"
            | "teradata"
            | "es"
    ) || format.contains("sqldw")
        || format.contains("synapse")
        || format.contains("cosmosdb")
        || format.contains("sqlserver")
        || format.contains("snowflake")
        || format.contains("redshift")
        || format.contains("mongo")
        || format.contains("elasticsearch")
        || format.contains("cassandra")
        || format.contains("jdbc")
}

/// Whether options are those of a reader or writer of Spark; a format in front of them says so, whatever it is called on: texts that `format`
/// fills have no options.
fn is_of_reader_or_writer(path: &str) -> bool {
    ["read", "write", "Stream", ".format()"]
        .iter()
        .any(|part| path.contains(part))
}
