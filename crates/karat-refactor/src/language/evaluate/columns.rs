//! Columns in texts of data frames: `select("sales.orders.id")`, `where("orders.id = 3")`. Where a table stands in front of a column, it
//! gets its new name, as in SQL, if the frame is known to be that table; else a person is told what it would be. Aliases anywhere in the
//! asset win: what they hide is only known when all was read, so [`settle`] has the last word. What a text is a column of is not known here.

use std::ops::Range;
use std::sync::Arc;

use super::Machine;
use crate::fragment::Fragment;
use crate::language::sql;
use crate::language::values::{Qualified, State, Use, Value};
use crate::occurrence::{Doubt, NotATable, rule};
use crate::reader::{NamePart, Reader};

/// Opens, in the path of an object, the table that a frame is: `spark.table()#sales/orders.where()`.
const FRAME: char = '#';

/// Calls whose texts name columns, or are conditions on them.
const OF_COLUMNS: &[&str] = &[
    "agg",
    "array",
    "asc",
    "avg",
    "coalesce",
    "col",
    "collect_list",
    "collect_set",
    "column",
    "concat",
    "count",
    "countDistinct",
    "cube",
    "delete",
    "desc",
    "drop",
    "dropDuplicates",
    "drop_duplicates",
    "dropna",
    "explode",
    "expr",
    "filter",
    "first",
    "groupBy",
    "groupby",
    "insertExpr",
    "join",
    "last",
    "max",
    "mean",
    "merge",
    "min",
    "orderBy",
    "partitionBy",
    "repartition",
    "rollup",
    "select",
    "selectExpr",
    "size",
    "sort",
    "sortWithinPartitions",
    "struct",
    "sum",
    "to_date",
    "to_timestamp",
    "update",
    "updateExpr",
    "whenMatched",
    "whenMatchedDelete",
    "whenMatchedUpdate",
    "whenNotMatched",
    "whenNotMatchedInsert",
    "where",
];

/// Methods after which the columns of a frame are still those of its table.
const KEEPS: &[&str] = &[
    "agg",
    "cache",
    "coalesce",
    "distinct",
    "drop",
    "dropDuplicates",
    "drop_duplicates",
    "dropna",
    "filter",
    "groupBy",
    "groupby",
    "hint",
    "join",
    "limit",
    "orderBy",
    "persist",
    "repartition",
    "sample",
    "select",
    "selectExpr",
    "sort",
    "sortWithinPartitions",
    "where",
    "withColumn",
];

/// The path of the frame that a call gives which reads a table.
pub(super) fn frame_of(result: String, table: Option<(String, String)>) -> String {
    match table {
        Some((database, table)) if is_word(&database) && is_word(&table) => {
            format!("{result}{FRAME}{database}/{table}")
        }
        _ => result,
    }
}

/// What can stand in a path and be found in it again.
fn is_word(text: &str) -> bool {
    text.chars()
        .all(|letter| letter.is_alphanumeric() || letter == '_')
}

/// A path without the table that it is: its middle was cut out, and an alias may have been there.
pub(in crate::language) fn without_frame(path: &str) -> String {
    let Some((before, rest)) = path.split_once(FRAME) else {
        return path.to_owned();
    };
    let behind = rest.find('.').map_or("", |at| &rest[at..]);
    format!("{before}{behind}")
}

/// The table that a frame is, and whether others may be joined to it.
fn table_of(path: &str) -> Option<((String, String), bool)> {
    let (_, frame) = path.split_once(FRAME)?;
    let mut parts = frame.split('.');
    let (database, table) = parts.next()?.split_once('/')?;
    let mut joined = false;
    for method in parts {
        let method = method.trim_end_matches("()");
        if !KEEPS.contains(&method) {
            return None;
        }
        joined |= method == "join";
    }
    is_word(table).then(|| ((database.to_owned(), table.to_owned()), joined))
}

impl Machine<'_, '_> {
    /// The argument of a call that may name columns of tables.
    pub(super) fn columns(&mut self, value: &Value, span: &Range<usize>, path: &str, method: &str) {
        if !OF_COLUMNS.contains(&method) {
            return;
        }
        self.columns_of(value, span, path);
    }

    /// Columns of what `path` is: all dotted names of a text.
    pub(super) fn columns_of(&mut self, value: &Value, span: &Range<usize>, path: &str) {
        if let Value::Map(pairs) = value {
            let pairs = Arc::clone(pairs);
            for (key, value) in pairs.iter() {
                self.columns_of(key, span, path);
                self.columns_of(value, span, path);
            }
            return;
        }
        let Value::Texts {
            alternatives,
            complete,
        } = value
        else {
            return;
        };
        let frame = table_of(path);
        for alternative in Arc::clone(alternatives).iter() {
            let first = self.reader.occurrences();
            let (fragment, sources, holes) = self.assembled(alternative, *complete, span);
            for parts in sql::dotted_names(fragment.text()) {
                self.qualified(&fragment, &parts, frame.as_ref());
            }
            let occurrences = first..self.reader.occurrences();
            if !occurrences.is_empty() {
                self.state.uses.push(Use {
                    occurrences,
                    sources,
                    holes,
                });
            }
        }
    }

    /// A dotted name: columns, fields, and in front of them perhaps a table.
    fn qualified(
        &mut self,
        fragment: &Arc<Fragment>,
        parts: &[NamePart],
        frame: Option<&((String, String), bool)>,
    ) {
        let lower: Vec<String> = parts.iter().map(|part| part.text.to_lowercase()).collect();
        let index = self.reader.occurrences();
        if let Some(length) = self.reader.qualifier_length(&lower) {
            self.reader.qualifier(fragment, &parts[..length]);
            let table = (lower[length - 2].clone(), lower[length - 1].clone());
            let is_frame = frame.is_some_and(|(known, _)| *known == table);
            self.note_qualified(index, lower[0].clone(), is_frame, Some(table));
            return;
        }
        if lower.len() < 2 {
            return;
        }
        let name = &lower[0];
        let frames_own = frame
            .map(|((database, table), _)| (database, table))
            .filter(|(database, table)| *table == name && !database.is_empty());
        let news = match (frames_own, frame) {
            (Some((database, table)), _) => {
                self.reader.renamed(database, table).into_iter().collect()
            }
            // A frame of another table has no such qualifier, unless others are joined to it.
            (None, Some((_, false))) => return,
            (None, _) => self.reader.renamed_tables(name),
        };
        match (news.first(), news.len()) {
            (None, _) => return,
            (Some(only), 1) => self.reader.rename_qualifier(fragment, &parts[0], only),
            _ => {
                let message = "tables of this name get several new names, and which one this column is of is not known";
                let doubt = Doubt::new(rule::QUALIFIER, message);
                let range = parts[0].range.clone();
                let candidates = news.into_iter().collect();
                self.reader.needs_person(fragment, range, doubt, candidates);
            }
        }
        self.note_qualified(index, name.clone(), frames_own.is_some(), None);
    }

    fn note_qualified(
        &mut self,
        index: usize,
        name: String,
        is_frame: bool,
        table: Option<(String, String)>,
    ) {
        if self.reader.occurrences() > index {
            self.state.qualified.push(Qualified {
                index,
                name,
                is_frame,
                table,
            });
        }
    }

    /// A text that becomes the alias of a frame, or the name of a column.
    pub(super) fn alias(&mut self, value: &Value, method: &str) {
        match value.all_texts() {
            Some(texts) => {
                let texts = texts.iter().map(|text| text.to_lowercase());
                self.state.aliases.extend(texts);
            }
            None => self.state.aliases_incomplete |= method != "withColumn",
        }
    }
}

/// Now that all aliases are known: which of these names are tables.
pub(in crate::language) fn settle(reader: &mut Reader<'_>, state: &State) {
    for one in &state.qualified {
        let has_alias = state.aliases.contains(&one.name);
        if has_alias && !one.is_frame {
            reader.is_no_table(one.index, NotATable::AliasColumn);
            continue;
        }
        let is_read = one
            .table
            .as_ref()
            .is_some_and(|table| state.frames.contains(table));
        if one.is_frame && !has_alias || is_read && !state.aliases_incomplete {
            continue;
        }
        let message = if has_alias {
            format!(
                "`{}` is a table in front of a column, or an alias or column of the same name",
                one.name
            )
        } else {
            format!(
                "`{}` may be a table in front of a column; which frame this is, and whether it has an alias, is not known",
                one.name
            )
        };
        reader.demote(one.index, Doubt::new(rule::QUALIFIER, message));
    }
}
