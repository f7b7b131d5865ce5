//! Calls: which function is meant, and what the catalogue of [`crate::language::calls`] says about its arguments.

use std::sync::Arc;

use super::{Given, Machine, columns};
use crate::language::calls;
use crate::language::calls::Place;
use crate::language::program::{Argument, Expression, Kind};
use crate::language::values::{Fate, Value};
use crate::mapping::TableLookup;
use crate::occurrence::Doubt;
use crate::rules;
use crate::session;

impl Machine<'_, '_> {
    pub(super) fn given(&mut self, arguments: &[Argument]) -> Vec<Given> {
        let mut all = Vec::with_capacity(arguments.len());
        for argument in arguments {
            let value = self.expression(&argument.value);
            if let Some(name) = &argument.name {
                self.under_name(&value, name);
            }
            all.push(Given {
                name: argument.name.clone(),
                value,
                span: argument.value.span.clone(),
                spread: argument.spread,
            });
        }
        all
    }

    pub(super) fn call(
        &mut self,
        expression: &Expression,
        function: &Expression,
        arguments: &[Argument],
    ) -> Value {
        let name = match &function.kind {
            Kind::Name(name) | Kind::Attribute { name, .. } => name.as_str(),
            _ => "",
        };
        match calls::evaluates(self.namespace, name) {
            calls::Evaluates::All => self.called(expression, function, arguments),
            calls::Evaluates::UntilItFails => {
                self.in_attempt(|machine| machine.called(expression, function, arguments))
            }
            calls::Evaluates::Some => {
                self.maybe(|machine| machine.called(expression, function, arguments))
            }
            calls::Evaluates::AndLeaves => {
                let value = self.called(expression, function, arguments);
                self.frame().left = true;
                value
            }
        }
    }

    fn called(
        &mut self,
        expression: &Expression,
        function: &Expression,
        arguments: &[Argument],
    ) -> Value {
        // What is called, without evaluating a method as if it were a value.
        let (receiver, method) = match &function.kind {
            Kind::Attribute { object, name } => {
                let whole = function.dotted().and_then(|path| self.get(&path).cloned());
                match whole {
                    Some(value @ (Value::Function(_) | Value::Class(_))) => {
                        (Some(value), name.clone())
                    }
                    _ => {
                        let holder = self.chain(object, name);
                        match &holder {
                            Value::Class(_) | Value::Instance(_) => {
                                (Some(self.attribute(function, object, name)), name.clone())
                            }
                            _ => return self.method(expression, function, holder, name, arguments),
                        }
                    }
                }
            }
            Kind::Name(name) => (self.get(name).cloned(), name.clone()),
            _ => (Some(self.expression(function)), String::new()),
        };
        let given = self.given(arguments);
        match receiver {
            Some(Value::Function(closure)) => self.enter_called(&closure, &given),
            Some(Value::Class(class)) => {
                if let Some(initialiser) = self
                    .state
                    .classes
                    .get(&(Arc::clone(&class), "__init__".to_owned()))
                    .cloned()
                {
                    self.enter(&initialiser, &given, false);
                } else {
                    self.escape_all(&given, &class);
                }
                Value::Instance(class)
            }
            Some(Value::Object(path)) => {
                // An imported function: `from pyspark.sql.functions import col`.
                let (path, method) = match path.rsplit_once('.') {
                    Some((path, method)) => (path.to_owned(), method.to_owned()),
                    None => (String::new(), path.to_string()),
                };
                self.known(expression, &path, &method, &given)
            }
            Some(other) => {
                // `texts(0)` of Scala is an index, and so is a call of a map.
                if let (Value::Map(_) | Value::List(_), [only]) = (&other, arguments) {
                    return self.index_value(&other, &only.value);
                }
                self.escape_all(&given, &method);
                other.lost()
            }
            None => self.known(expression, "", &method, &given),
        }
    }

    /// What a method is called on. The last of a chain says whether what is written is files or a table that the catalog keeps.
    fn chain(&mut self, object: &Expression, method: &str) -> Value {
        let before = self.writes_files;
        self.writes_files = calls::writes_files(method).unwrap_or(before);
        let holder = self.expression(object);
        self.writes_files = before;
        holder
    }

    pub(super) fn index_value(&mut self, holder: &Value, index: &Expression) -> Value {
        let name = "\u{0}indexed";
        self.set(name, holder.clone());
        let object = Expression::new(index.span.clone(), Kind::Name(name.to_owned()));
        let value = self.index(&object, index);
        self.frame().variables.remove(name);
        value
    }

    pub(super) fn escape_all(&mut self, given: &[Given], name: &str) {
        let fate = Fate::Unknown(if name.is_empty() {
            "is given to a function that is not followed".to_owned()
        } else {
            format!("is given to `{name}`, which is not followed")
        });
        for argument in given {
            if let Value::Function(closure) = &argument.value {
                let closure = Arc::clone(closure);
                self.enter_for_others(&closure);
            }
            self.fate(&argument.value, &fate);
        }
    }

    /// A call of something that is not written in the program.
    pub(super) fn known(
        &mut self,
        expression: &Expression,
        path: &str,
        method: &str,
        given: &[Given],
    ) -> Value {
        rules::call(self, path, method, given, expression.span.clone());
        if method == "source" && self.namespace == session::Namespace::R {
            self.reader.imports(R_SOURCE);
        }
        if let Some(value) = self.special(expression, path, method, given) {
            return value;
        }
        let result = if path.is_empty() {
            format!("{method}()")
        } else {
            format!("{path}.{method}()")
        };
        let count = given
            .iter()
            .filter(|argument| argument.name.is_none())
            .count();
        let Some(meaning) = calls::meaning(self.namespace, path, method, count) else {
            let shown = if path.is_empty() || path == "?" {
                method.to_owned()
            } else {
                format!("{path}.{method}")
            };
            self.escape_all(given, &shown);
            return Value::object(&result);
        };
        let apart = meaning
            .places
            .iter()
            .any(|(_, _, place)| *place == Place::Apart);
        let mut position = 0;
        let mut apart_values = Vec::new();
        for argument in given {
            let place = match &argument.name {
                Some(name) => meaning.places.iter().find(|(_, known, _)| known == name),
                None => {
                    let at = position;
                    position += 1;
                    meaning.places.iter().find(|(index, _, _)| *index == at)
                }
            };
            let place = match place.map_or(meaning.rest, |(_, _, place)| *place) {
                Place::SqlOver => match connection_of(given) {
                    calls::Connection::Session => Place::Sql,
                    calls::Connection::Metastore => Place::SqlElsewhere,
                    calls::Connection::Foreign => Place::Foreign,
                    calls::Connection::Unknown => Place::Unknown,
                },
                Place::TableOver(role) => match connection_of(given) {
                    calls::Connection::Session => Place::Table(role),
                    calls::Connection::Foreign => Place::Foreign,
                    calls::Connection::Metastore | calls::Connection::Unknown => Place::Unknown,
                },
                place => place,
            };
            if apart && place == Place::Apart {
                apart_values.push(argument);
            }
            self.placed(argument, place, path, method);
        }
        if !apart_values.is_empty() && (apart_values.len() > 1 || given.len() > 1) {
            self.database_apart(expression, given);
        }
        let read = given.iter().find(|argument| {
            let place = meaning
                .places
                .iter()
                .find(|(_, _, place)| matches!(place, Place::Table(_)));
            place.is_some_and(|(_, name, _)| {
                argument.name.as_deref().is_none_or(|known| known == *name)
            })
        });
        let is_frame = matches!(
            method,
            "table" | "read_table" | "forName" | "spark_read_table" | "tbl" | "tableToDF"
        );
        let table = read
            .filter(|_| is_frame)
            .and_then(|argument| self.reader.table_of_text(&argument.value.only_text()?));
        self.state
            .frames
            .extend(table.clone().filter(|(database, _)| !database.is_empty()));
        Value::object(&columns::frame_of(result, table))
    }

    /// An argument whose meaning is known.
    pub(super) fn placed(&mut self, argument: &Given, place: Place, path: &str, method: &str) {
        if let Value::Function(closure) = &argument.value {
            // What a function does with each element or row.
            let closure = Arc::clone(closure);
            self.enter_for_others(&closure);
            return;
        }
        if let (
            Value::List(values),
            Place::Path
            | Place::Location
            | Place::Column
            | Place::Condition
            | Place::Word
            | Place::Shown
            | Place::Sql
            | Place::SqlElsewhere
            | Place::Table(_),
        ) = (&argument.value, place)
        {
            let values = Arc::clone(values);
            for value in values.iter() {
                let element = Given {
                    name: None,
                    value: value.clone(),
                    span: argument.span.clone(),
                    spread: false,
                };
                self.placed(&element, place, path, method);
            }
            return;
        }
        let value = &argument.value;
        match place {
            Place::Table(role) => self.table(value, &argument.span, role),
            Place::Sql => self.sql(value, &argument.span),
            Place::SqlElsewhere => self.sql_elsewhere(value, &argument.span),
            Place::Condition => self.condition(value, &argument.span, path),
            Place::Database => self.database(value, &argument.span, false),
            Place::SetDatabase => self.database(value, &argument.span, true),
            Place::SetCatalog => {
                self.fate(value, &Fate::Word);
                match value.only_text() {
                    Some(catalog) => self.reader.use_catalog(&catalog),
                    None => self.reader.session.database = session::Value::Unknown,
                }
            }
            Place::Path => self.path(value),
            Place::Location => self.location(value, &argument.span),
            Place::File => self.fate(value, &Fate::File),
            Place::View => self.view(value, &argument.span, true),
            Place::DroppedView => self.view(value, &argument.span, false),
            Place::Dataset(role) => self.dataset(value, &argument.span, role),
            Place::Column => {
                let fate = if self.is_mapped_table(value)
                    && is_ambiguous(method)
                    && !is_data_frame(path)
                {
                    Fate::Unknown(format!(
                        "is given to `{method}` of something that may be no data frame"
                    ))
                } else {
                    Fate::Column
                };
                self.fate(value, &fate);
                if matches!(method, "alias" | "as" | "withColumn") {
                    self.alias(value, method);
                } else if fate == Fate::Column {
                    self.columns(value, &argument.span, path, method);
                }
            }
            Place::Shown => self.fate(value, &Fate::Shown),
            Place::Word => self.fate(value, &Fate::Word),
            Place::Foreign => self.fate(value, &Fate::Foreign),
            Place::Notebook => self.fate(value, &Fate::Notebook),
            Place::Apart => self.fate(
                value,
                &Fate::Broken("names a table and its database apart".to_owned()),
            ),
            Place::Unknown | Place::SqlOver | Place::TableOver(_) => {
                self.fate(
                    value,
                    &Fate::Unknown(format!(
                        "is given to `{method}`, and what runs it is not known"
                    )),
                );
            }
        }
    }

    pub(super) fn is_mapped_table(&self, value: &Value) -> bool {
        value.known_texts().iter().any(|text| {
            text.split_once('.').is_some_and(|(database, table)| {
                !matches!(
                    self.reader
                        .mapping
                        .table(&database.to_lowercase(), &table.to_lowercase()),
                    TableLookup::UnknownDatabase
                )
            })
        })
    }

    /// `tableExists(database, table)`: the candidates, from both.
    pub(super) fn database_apart(&mut self, expression: &Expression, given: &[Given]) {
        let texts: Vec<Vec<String>> = given
            .iter()
            .take(2)
            .map(|argument| argument.value.known_texts())
            .collect();
        let mut candidates = Vec::new();
        if let [first, second] = texts.as_slice() {
            for first in first {
                for second in second {
                    for (database, table) in [(first, second), (second, first)] {
                        let table = table.rsplit('.').next().unwrap_or(table);
                        if let TableLookup::Mapped(new) = self
                            .reader
                            .mapping
                            .table(&database.to_lowercase(), &table.to_lowercase())
                        {
                            candidates.push(new.sql());
                        }
                    }
                }
            }
        }
        let doubt = Doubt::new(
            rules::DATABASE_APART.id,
            "the database is given apart from the table; in Unity Catalog give the three-part name as one text",
        );
        let cell = Arc::clone(&self.cell);
        let span = match (given.first(), given.last()) {
            (Some(first), Some(last)) => first.span.start..last.span.end,
            _ => expression.span.clone(),
        };
        self.reader.needs_person(&cell, span, doubt, candidates);
    }
}

/// Stands for any script that a program of R runs among its variables.
pub(crate) const R_SOURCE: &str = "source()";

/// What the first argument of a call is connected to.
fn connection_of(given: &[Given]) -> calls::Connection {
    match given.first().map(|argument| &argument.value) {
        Some(Value::Object(path)) => calls::connection(path),
        _ => calls::Connection::Unknown,
    }
}

/// Methods that other objects than data frames have too.
fn is_ambiguous(method: &str) -> bool {
    !matches!(
        method,
        "col"
            | "withColumn"
            | "withColumnRenamed"
            | "groupBy"
            | "orderBy"
            | "select"
            | "selectExpr"
            | "isin"
            | "cast"
            | "alias"
            | "when"
            | "otherwise"
            | "partitionBy"
            | "over"
            | "colRegex"
            | "agg"
            | "pivot"
            | "dropDuplicates"
    )
}

fn is_data_frame(path: &str) -> bool {
    path.contains("spark") || path.contains("()") || path.to_ascii_lowercase().contains("df")
}
