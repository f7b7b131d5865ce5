//! Rows with `*`: one rule for many tables. A rule's weight is the number of its literal letters, so that the closer rule wins;
//! rows without `*` win over all rules.

use super::{NewSchema, NewTable, OldTable};

/// A row whose old database or table holds `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) database: String,
    pub(super) table: String,
    pub(super) catalog: String,
    /// `*` stands for what the `*` of the database matched; empty means the database's own name.
    pub(super) schema: String,
    /// `*` stands for what the `*` of the table matched; empty means the table's own name.
    pub(super) new_table: String,
    /// Its row in the document.
    pub(super) row: usize,
}

impl Rule {
    pub(super) fn weight(&self) -> usize {
        let literal = |pattern: &str| pattern.chars().filter(|letter| *letter != '*').count();
        literal(&self.database) * 1000 + literal(&self.table)
    }

    pub(super) fn matches_database(&self, database: &str) -> bool {
        // A rule for every database says nothing about which names are databases.
        self.database != "*" && captures(&self.database, database).is_some()
    }

    pub(super) fn keeps_table_names(&self) -> bool {
        self.new_table.is_empty() || self.new_table == self.table
    }

    /// Whether its tables, of this database or of any, go to this catalog under the schema and table names that they have.
    pub(super) fn only_adds(&self, catalog: &str, database: Option<&str>) -> bool {
        let schema_stays = match database {
            Some(database) => self
                .schema_of(database)
                .schema
                .eq_ignore_ascii_case(database),
            None => self.schema.is_empty() || self.schema == self.database,
        };
        schema_stays && self.keeps_table_names() && self.catalog.eq_ignore_ascii_case(catalog)
    }

    /// Whether tables of a database may go by this rule.
    pub(super) fn fits(&self, database: &str) -> bool {
        captures(&self.database, database).is_some()
    }

    /// Whether it is about all tables of its databases.
    pub(super) fn is_about_all_tables(&self) -> bool {
        self.table == "*"
    }

    /// The schema that tables of a database go to by this rule.
    pub(super) fn schema_of(&self, database: &str) -> NewSchema {
        let matched = captures(&self.database, database).unwrap_or_default();
        NewSchema {
            catalog: filled(&self.catalog, &matched, database),
            schema: filled(&self.schema, &matched, database),
        }
    }

    /// The one table that this rule would give a name, if there is such a table; `None` if it gives it to none, or to those of several databases.
    pub(super) fn source_of(&self, new: &NewTable) -> Option<OldTable> {
        let back = |new_pattern: &str, old_pattern: &str, name: &str| {
            let pattern = if new_pattern.is_empty() {
                old_pattern
            } else {
                new_pattern
            };
            let pattern = pattern.to_lowercase();
            let matched = captures(&pattern, name)?;
            let stars = |pattern: &str| pattern.matches('*').count();
            (stars(&pattern) == stars(old_pattern)).then(|| filled(old_pattern, &matched, name))
        };
        let old = OldTable {
            database: back(&self.schema, &self.database, &new.schema.to_lowercase())?,
            table: back(&self.new_table, &self.table, &new.table.to_lowercase())?,
        };
        self.catalog
            .eq_ignore_ascii_case(&new.catalog)
            .then_some(old)
    }

    /// Where the tables of its one database go, if it takes all of them along under their own names.
    pub(super) fn target(&self) -> Option<NewSchema> {
        let alone =
            !self.database.contains('*') && self.is_about_all_tables() && self.keeps_table_names();
        alone.then(|| {
            let schema = self.schema_of(&self.database);
            NewSchema {
                catalog: schema.catalog.to_lowercase(),
                schema: schema.schema.to_lowercase(),
            }
        })
    }

    pub(super) fn apply(&self, old: &OldTable) -> Option<NewTable> {
        let in_database = captures(&self.database, &old.database)?;
        let in_table = captures(&self.table, &old.table)?;
        Some(NewTable {
            catalog: filled(&self.catalog, &in_database, &old.database),
            schema: filled(&self.schema, &in_database, &old.database),
            table: filled(&self.new_table, &in_table, &old.table),
        })
    }
}

fn filled(pattern: &str, captures: &[&str], own: &str) -> String {
    if pattern.is_empty() {
        return own.to_owned();
    }
    let mut next = captures.iter();
    pattern
        .split('*')
        .enumerate()
        .fold(String::new(), |mut text, (at, part)| {
            if at > 0 {
                text.push_str(next.next().copied().unwrap_or_default());
            }
            text.push_str(part);
            text
        })
}

/// What each `*` of a pattern matches, the first ones as little as they can; `None` if the text does not fit.
fn captures<'t>(pattern: &str, text: &'t str) -> Option<Vec<&'t str>> {
    let (first, rest) = match pattern.split_once('*') {
        None => return (pattern == text).then(Vec::new),
        Some(parts) => parts,
    };
    let text = text.strip_prefix(first)?;
    let ends = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    for end in ends {
        if let Some(mut found) = captures(rest, &text[end..]) {
            found.insert(0, &text[..end]);
            return Some(found);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::captures;

    #[test]
    fn stars_capture() {
        assert_eq!(captures("dev_*", "dev_sales"), Some(vec!["sales"]));
        assert_eq!(captures("*_*", "a_b_c"), Some(vec!["a", "b_c"]));
        assert_eq!(captures("*", ""), Some(vec![""]));
        assert_eq!(captures("x", "xy"), None);
    }
}
