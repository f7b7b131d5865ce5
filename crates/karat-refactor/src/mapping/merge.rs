//! The three-way merge of people's edits to a mapping: what was handed out, what came back, what was made anew since.
//!
//! Rows are known by old database, old table and old path. A cell that only one side changed takes that side's text; one that both
//! changed differently is a conflict, told with all three texts, and keeps the person's.

use std::collections::BTreeMap;

use serde::Serialize;

use super::document::Document;
use super::read::Row;

/// A cell that both sides changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The row, by its old names.
    pub row: String,
    /// The column; `None` if one side removed the row that the other changed.
    pub column: Option<String>,
    /// What was handed out.
    pub base: String,
    /// What came back from people; it is kept.
    pub person: String,
    /// What was made anew.
    pub anew: String,
}

/// The merged document, and the conflicts.
pub fn merge(base: &Document, person: &Document, anew: &Document) -> (Document, Vec<Conflict>) {
    let mut headings = person.headings.clone();
    for heading in &anew.headings {
        if !headings.contains(heading) {
            headings.push(heading.clone());
        }
    }
    let (base, persons, anews) = (keyed(base), keyed(person), keyed(anew));
    let mut conflicts = Vec::new();
    let mut rows = Vec::new();
    let mut keys: Vec<&Key> = persons.keys().chain(anews.keys()).collect();
    keys.sort();
    keys.dedup();
    for key in keys {
        let (old, mine, new) = (base.get(key), persons.get(key), anews.get(key));
        let merged = match (old, mine, new) {
            (None, Some(mine), None) => (*mine).clone(),
            (None, None, Some(new)) => (*new).clone(),
            (Some(old), Some(mine), None) => {
                // No longer in the metastore: dropped, unless a person changed it.
                if old.cells == mine.cells {
                    continue;
                }
                conflicts.push(gone(key, old, mine, "the row is gone"));
                (*mine).clone()
            }
            (Some(_), None, Some(_)) => continue,
            (old, Some(mine), Some(new)) => {
                cells(key, old.copied(), mine, new, &headings, &mut conflicts)
            }
            (_, None, None) => continue,
        };
        rows.push(merged);
    }
    for (at, row) in rows.iter_mut().enumerate() {
        row.number = at + 2;
    }
    let merged = Document {
        headings,
        rows,
        problems: Vec::new(),
    };
    (merged, conflicts)
}

type Key = (String, String, String);

fn keyed(document: &Document) -> BTreeMap<Key, &Row> {
    let rows = document.rows.iter().map(|row| {
        let key = (
            row.cell("old_database").to_lowercase(),
            row.cell("old_table").to_lowercase(),
            row.cell("old_path").to_owned(),
        );
        // A path in the row of a table is a property of the table.
        let key = if key.0.is_empty() {
            key
        } else {
            (key.0, key.1, String::new())
        };
        (key, row)
    });
    rows.collect()
}

fn shown(key: &Key) -> String {
    if key.0.is_empty() {
        key.2.clone()
    } else {
        format!("{}.{}", key.0, key.1)
    }
}

fn gone(key: &Key, old: &Row, mine: &Row, anew: &str) -> Conflict {
    let all = |row: &Row| row.cells.values().cloned().collect::<Vec<_>>().join(", ");
    Conflict {
        row: shown(key),
        column: None,
        base: all(old),
        person: all(mine),
        anew: anew.to_owned(),
    }
}

fn cells(
    key: &Key,
    old: Option<&Row>,
    mine: &Row,
    new: &Row,
    headings: &[String],
    conflicts: &mut Vec<Conflict>,
) -> Row {
    let mut merged = Row {
        number: 0,
        cells: BTreeMap::new(),
    };
    for heading in headings {
        let base = old.map_or("", |row| row.cell(heading));
        let (person, anew) = (mine.cell(heading), new.cell(heading));
        let cell = if person == anew || anew == base {
            person
        } else if person == base {
            anew
        } else {
            conflicts.push(Conflict {
                row: shown(key),
                column: Some(heading.clone()),
                base: base.to_owned(),
                person: person.to_owned(),
                anew: anew.to_owned(),
            });
            person
        };
        merged.cells.insert(heading.clone(), cell.to_owned());
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        Document::read("m.csv", text.as_bytes()).expect("a document")
    }

    #[test]
    fn people_and_machine_both_win_where_only_one_changed() {
        let heading = "old_database,old_table,new_catalog,new_table,note\n";
        let base = document(&format!(
            "{heading}s,a,prod,a,\ns,b,prod,b,\ns,c,prod,c,\ns,d,prod,d,\n"
        ));
        let person = document(&format!(
            "{heading}s,a,prod,a2,mine\ns,b,eu,b,\ns,d,prod,d9,\n"
        ));
        let anew = document(&format!(
            "{heading}s,a,prod,a,\ns,b,us,b,\ns,c,prod,c,\ns,e,prod,e,\n"
        ));
        let (merged, conflicts) = merge(&base, &person, &anew);
        let told: String = conflicts
            .iter()
            .map(|c| {
                format!(
                    "{} {:?}: {} | {} | {}\n",
                    c.row, c.column, c.base, c.person, c.anew
                )
            })
            .collect();
        expect_test::expect![[r#"
            old_database,old_table,new_catalog,new_table,note
            s,a,prod,a2,mine
            s,b,eu,b,
            s,d,prod,d9,
            s,e,prod,e,
            s.b Some("new_catalog"): prod | eu | us
            s.d None: prod, d, , s, d | prod, d9, , s, d | the row is gone
        "#]]
        .assert_eq(&(merged.csv() + &told));
    }
}
