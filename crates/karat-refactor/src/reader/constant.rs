//! What the texts that fill a name would have to be, so that the name is right without an edit of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Reader;
use super::names::{NamePart, combinations, name_parts, whole};
use super::table::Decision;
use crate::edit::Edit;
use crate::fragment::{Fragment, Hole};
use crate::mapping::{DatabaseLookup, NewTable, TableLookup, quoted};

/// More values are not followed.
const VALUES_MAX: usize = 256;

/// What a name would have the texts be that fill its holes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Wish {
    /// By the mark of the hole: what fills it, and what should.
    pub(crate) fillings: Vec<(usize, String, String)>,
    /// The name it would be.
    pub(crate) new: String,
    /// What else would change, in the name itself.
    pub(crate) edits: Vec<Edit>,
}

/// The holes of a name, by their marks, and what it would have them be filled with, if it could be right so.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filled {
    pub(crate) marks: Vec<usize>,
    pub(crate) wish: Option<Wish>,
    /// Whether it is right because of the texts that fill it.
    pub(crate) settled: bool,
}

/// A part of a name: written, one hole, or a mixture.
enum Part<'f> {
    Written(&'f str),
    Hole(&'f Hole),
    Mixed,
}

impl Reader<'_> {
    /// The wish of a table, if it has one.
    pub(super) fn wish_of_table(
        &self,
        fragment: &Arc<Fragment>,
        parts: &[NamePart],
    ) -> Option<Wish> {
        if self.session.catalog.is_some() || parts.iter().any(|part| part.quoted) {
            return None;
        }
        let range = whole(parts)?;
        let holes = fragment.holes_in(&range);
        if let [hole] = holes.as_slice()
            && hole.inner == range
        {
            return self.wish_of_whole(hole);
        }
        let [database, table] = parts else {
            return None;
        };
        let kind = |part: &'_ NamePart| match fragment.holes_in(&part.range).as_slice() {
            [] => Part::Written(&fragment.text()[part.range.clone()]),
            [hole] if hole.inner == part.range => Part::Hole(hole),
            _ => Part::Mixed,
        };
        let (of_database, of_table) = (kind(database), kind(table));
        let databases = match &of_database {
            Part::Written(text) => vec![(*text).to_owned()],
            Part::Hole(hole) if !hole.values.is_empty() => hole.values.clone(),
            Part::Hole(_) | Part::Mixed => return None,
        };
        let tables = match &of_table {
            Part::Written(text) => Some(vec![(*text).to_owned()]),
            Part::Hole(hole) if !hole.values.is_empty() => Some(hole.values.clone()),
            Part::Hole(_) | Part::Mixed => combinations(fragment, std::slice::from_ref(table))
                .map(|all| all.into_iter().map(|parts| parts.join(".")).collect()),
        };
        let is_word = |text: &String| {
            !text.is_empty() && text.chars().all(|c| c.is_alphanumeric() || c == '_')
        };
        let all = tables.iter().flatten().chain(&databases);
        if !all.clone().all(is_word)
            || databases.len() * tables.as_ref().map_or(1, Vec::len) > VALUES_MAX
        {
            return None;
        }
        let mut schemas: BTreeMap<&String, String> = BTreeMap::new();
        let mut renamed: BTreeMap<&String, String> = BTreeMap::new();
        let mut news: Vec<NewTable> = Vec::new();
        for database in &databases {
            let lower = database.to_lowercase();
            let Some(tables) = &tables else {
                let schema = self.moves_as_one(&lower)?;
                schemas.insert(database, schema.sql());
                news.push(NewTable {
                    catalog: schema.catalog,
                    schema: schema.schema,
                    table: "*".to_owned(),
                });
                continue;
            };
            for table in tables {
                let TableLookup::Mapped(new) = self.mapping.table(&lower, &table.to_lowercase())
                else {
                    return None;
                };
                let schema = new.schema().sql();
                let stays = new.table.eq_ignore_ascii_case(table);
                let name = if stays {
                    table.clone()
                } else {
                    quoted(&new.table)
                };
                let other_schema = schemas
                    .insert(database, schema.clone())
                    .is_some_and(|before| before != schema);
                let other_name = renamed
                    .insert(table, name.clone())
                    .is_some_and(|before| before != name);
                if other_schema || other_name || !stays && matches!(of_table, Part::Mixed) {
                    return None;
                }
                news.push(new);
            }
        }
        if news.iter().any(|new| self.besides.of(new).is_some()) {
            return None;
        }
        let mut wish = Wish {
            new: one_name(&news)?,
            ..Wish::default()
        };
        match &of_database {
            Part::Hole(hole) => {
                let fillings = schemas.iter();
                wish.fillings
                    .extend(fillings.map(|(old, new)| (hole.mark, (*old).clone(), new.clone())));
            }
            _ => {
                let new = news.first()?;
                let edit = if new.schema.eq_ignore_ascii_case(&databases[0]) {
                    let at = database.range.start;
                    fragment.edit(at..at, &format!("{}.", quoted(&new.catalog)))
                } else {
                    fragment.edit(database.range.clone(), &new.schema().sql())
                };
                wish.edits.push(edit.ok()?);
            }
        }
        match &of_table {
            Part::Hole(hole) if !hole.values.is_empty() => {
                let fillings = renamed.iter();
                wish.fillings
                    .extend(fillings.map(|(old, new)| (hole.mark, (*old).clone(), new.clone())));
            }
            Part::Written(text) => {
                if let Some(new) = renamed.values().find(|new| new.as_str() != *text) {
                    let edit = fragment.edit(table.range.clone(), new);
                    wish.edits.push(edit.ok()?);
                }
            }
            Part::Hole(_) | Part::Mixed => {}
        }
        Some(wish)
    }

    /// A name that is one hole.
    fn wish_of_whole(&self, hole: &Hole) -> Option<Wish> {
        if hole.values.is_empty() || hole.values.len() > VALUES_MAX {
            return None;
        }
        let mut wish = Wish::default();
        let mut news = Vec::new();
        for value in &hole.values {
            let parts = name_parts(value, 0..value.len())?;
            if parts.iter().any(|part| part.quoted) {
                return None;
            }
            let texts: Vec<&str> = parts.iter().map(|part| part.text.as_str()).collect();
            let Decision::Mapped { new, .. } = self.decide(&texts, false) else {
                return None;
            };
            if self.besides.of(&new).is_some() {
                return None;
            }
            wish.fillings.push((hole.mark, value.clone(), new.sql()));
            news.push(new);
        }
        wish.new = one_name(&news)?;
        Some(wish)
    }

    /// The wish of a database that is one hole.
    pub(super) fn wish_of_database(
        &self,
        fragment: &Arc<Fragment>,
        parts: &[NamePart],
    ) -> Option<Wish> {
        let [database] = parts else { return None };
        if self.session.catalog.is_some() || database.quoted {
            return None;
        }
        let [hole] = fragment.holes_in(&database.range)[..] else {
            return None;
        };
        if hole.inner != database.range || hole.values.is_empty() {
            return None;
        }
        let mut wish = Wish::default();
        for value in &hole.values {
            let DatabaseLookup::One(schema) = self.mapping.database(&value.to_lowercase()) else {
                return None;
            };
            if self
                .besides
                .of_schema(&schema.catalog, &schema.schema)
                .is_some()
            {
                return None;
            }
            wish.new = match hole.values.len() {
                1 => schema.sql(),
                _ => format!("{}.*", quoted(&schema.catalog)),
            };
            wish.fillings.push((hole.mark, value.clone(), schema.sql()));
        }
        Some(wish)
    }
}

/// What several new names have in common, as a name; `None` if they lie in several catalogs.
fn one_name(news: &[NewTable]) -> Option<String> {
    let first = news.first()?;
    if news.iter().any(|new| new.catalog != first.catalog) {
        return None;
    }
    Some(
        if first.table != "*" && news.iter().all(|new| new == first) {
            first.sql()
        } else if news.iter().all(|new| new.schema() == first.schema()) {
            format!("{}.*", first.schema().sql())
        } else {
            format!("{}.*", quoted(&first.catalog))
        },
    )
}
