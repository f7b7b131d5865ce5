//! Names that are values which others read: the default of a widget, a parameter, an argument. Who reads them is not known here, so the edit
//! that would write the new name is a suggestion.

use std::sync::Arc;

use super::Reader;
use super::names::{is_metastore, name_parts, whole};
use crate::edit::Edit;
use crate::fragment::{Fragment, has_placeholder};
use crate::mapping::{DatabaseLookup, NewTable, TableLookup};
use crate::occurrence::{Doubt, Role, Subject, Verdict};

/// Why the value of a widget is left to a person.
pub(crate) fn of_widget(widget: &str) -> String {
    format!(
        "a value of the widget `{widget}`, to which anybody may give another; change it together with what reads the widget"
    )
}

impl Reader<'_> {
    /// A text that is a value for others: if it is a mapped table as a whole, or a mapped database, a person is told.
    pub(crate) fn value_for_others(&mut self, fragment: &Arc<Fragment>, doubt: Doubt) {
        let text = fragment.text();
        if has_placeholder(text) || !fragment.holes().is_empty() {
            return;
        }
        let Some(parts) = name_parts(text, 0..text.len()) else {
            return;
        };
        let Some(range) = whole(&parts) else { return };
        let table = match parts.as_slice() {
            [database] => {
                if self.mapping.knows_database(&database.text) && !is_metastore(&database.text) {
                    let old = Some(database.text.to_lowercase());
                    let (candidates, suggestion) =
                        self.database_for_others(fragment, &database.text);
                    let verdict = Verdict::NeedsPerson {
                        doubt,
                        candidates,
                        suggestion,
                    };
                    self.occurrence(fragment, range, Subject::Database, Role::Name, old, verdict);
                }
                return;
            }
            [database, table] => (database, table),
            [catalog, database, table] if is_metastore(&catalog.text) => (database, table),
            _ => return,
        };
        let old = format!("{}.{}", table.0.text, table.1.text).to_lowercase();
        let (candidates, suggestion) = match self.mapping.table(&table.0.text, &table.1.text) {
            TableLookup::Mapped(new) => match self.rewrite(fragment, &parts, &old, &new) {
                Verdict::Rewritten { edits, .. } => (vec![new.sql()], edits),
                _ => (vec![new.sql()], Vec::new()),
            },
            TableLookup::Contradiction(several) => {
                (several.iter().map(NewTable::sql).collect(), Vec::new())
            }
            TableLookup::NotMapped | TableLookup::UnknownDatabase => return,
        };
        let verdict = Verdict::NeedsPerson {
            doubt,
            candidates,
            suggestion,
        };
        self.occurrence(
            fragment,
            range,
            Subject::Table,
            Role::Name,
            Some(old),
            verdict,
        );
    }

    /// What a database becomes that is the whole of a text, and the edit that would write it.
    pub(crate) fn database_for_others(
        &self,
        fragment: &Arc<Fragment>,
        database: &str,
    ) -> (Vec<String>, Vec<Edit>) {
        match self.mapping.database(database) {
            DatabaseLookup::One(schema) => {
                let text = fragment.text();
                let start = text.len() - text.trim_start().len();
                let range = start..start + text.trim().len();
                let edit = fragment.edit(range, &schema.sql());
                (vec![schema.sql()], edit.into_iter().collect())
            }
            DatabaseLookup::Several(several) => (
                several.iter().map(|schema| schema.sql()).collect(),
                Vec::new(),
            ),
            DatabaseLookup::Unknown => (Vec::new(), Vec::new()),
        }
    }
}
