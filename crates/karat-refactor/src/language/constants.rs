//! Texts that fill a part of names: what an asset does with them is told here, and what was decided about them is carried out.
//!
//! A text is told with everything that names would have it be, and with the first thing that speaks against a change: that it is printed,
//! compared, part of a path, or in code that nobody can follow. [`crate::constants`] decides, over all assets.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::Language;
use super::carried::Lender;
use super::evaluate::CALLS_MAX;
use super::settle::{USED_OTHERWISE, obstacle};
use super::values::{Fate, Literal, LiteralId, Segment, State, Use, Value};
use crate::constants::{Constant, Made, Place};
use crate::edit::{Edit, applied};
use crate::fragment::Fragment;
use crate::occurrence::{Doubt, Role, Subject, Verdict};
use crate::reader::{Reader, Wish};

/// The literal of another asset, as one of this asset's.
pub(super) fn borrowed(state: &mut State, lender: &Lender, text: &str) -> LiteralId {
    if let Some(known) = state.lenders.get(lender) {
        return *known;
    }
    let id = state.literals.len();
    state.literals.push(Literal {
        home: Fragment::root(String::new(), "another notebook"),
        span: 0..0,
        holes: Vec::new(),
        fates: Vec::new(),
        name: None,
        text: vec![Segment::Fixed(text.to_owned())],
        broken: false,
        lender: Some(lender.clone()),
        is_local: false,
        is_like_database: false,
        for_others: None,
    });
    state.lenders.insert(lender.clone(), id);
    id
}

/// Where a text stands that other notebooks may be lent: all of a literal, and a word of the mapping.
pub(super) fn lender(
    reader: &Reader<'_>,
    state: &State,
    segment: &Segment,
) -> Option<(Lender, String)> {
    match segment {
        Segment::Lent { literal, text } => {
            let lender = state.literals.get(*literal)?.lender.clone()?;
            Some((lender, text.clone()))
        }
        Segment::Source { literal, .. } => {
            let literal = state.literals.get(*literal)?;
            let (content, text) = content_of(literal)?;
            let is_own = reader.is_own(&literal.home, content.start);
            (is_own && is_of_mapping(reader, text))
                .then(|| (own_place(reader, literal, &content), text.to_owned()))
        }
        Segment::Fixed(_) | Segment::Hole(_) => None,
    }
}

pub(super) fn own_place(reader: &Reader<'_>, literal: &Literal, content: &Range<usize>) -> Place {
    (reader.asset.into(), literal.home.locate(content).start)
}

fn is_of_mapping(reader: &Reader<'_>, text: &str) -> bool {
    let lower = text.to_lowercase();
    let parts: Vec<&str> = lower.split('.').collect();
    match parts.as_slice() {
        [word] => reader.mapping.knows_database(word) || reader.mapping.knows_table_name(word),
        [.., database, _] => parts.len() <= 3 && reader.mapping.knows_database(database),
        [] => false,
    }
}

/// The bytes between the quotes of a literal that is one name or a part of one, and nothing else.
pub(super) fn content_of(literal: &Literal) -> Option<(Range<usize>, &str)> {
    let [
        Segment::Source {
            home,
            range,
            decoded: None,
            ..
        },
    ] = literal.text.as_slice()
    else {
        return None;
    };
    let text = home.text().get(range.clone())?;
    let is_name = !text.is_empty()
        && text
            .chars()
            .all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '.'));
    (is_name && literal.holes.is_empty() && Arc::ptr_eq(home, &literal.home))
        .then(|| (range.clone(), text))
}

/// What speaks against a text, or a name against its change.
#[derive(Default)]
struct Seen {
    news: BTreeSet<String>,
    obstacle: Option<String>,
    is_name: bool,
}

/// A name and the texts that fill it.
struct Name {
    index: usize,
    of: BTreeSet<LiteralId>,
    /// Those of them that it would have be other texts.
    changing: BTreeSet<LiteralId>,
}

/// Tells what the asset does with texts that fill names, and carries out what is decided about them.
pub(super) fn settle(reader: &mut Reader<'_>, state: &mut State) {
    let Some(root) = reader.cells.first().map(|(cell, _)| root_of(cell)) else {
        return;
    };
    let mut seen: BTreeMap<LiteralId, Seen> = BTreeMap::new();
    let mut names: Vec<Name> = Vec::new();
    for used in &state.uses {
        fillings(reader, state, used, &mut seen, &mut names);
    }
    // Those that other notebooks may use, and those of other notebooks that are used here.
    for value in state
        .globals
        .values()
        .flat_map(|variables| variables.values())
    {
        for id in lendable(reader, state, value) {
            seen.entry(id).or_default();
        }
    }
    for id in state.lenders.values() {
        seen.entry(*id).or_default();
    }
    let own: Vec<LiteralId> = seen
        .keys()
        .copied()
        .filter(|id| state.literals[*id].lender.is_none())
        .collect();
    by_themselves(reader, state, root.text(), &own, &mut seen);
    let of_asset = against_all(reader, state, root.text());
    let mut constants = Vec::new();
    let mut keys: BTreeMap<LiteralId, Place> = BTreeMap::new();
    for (id, seen) in &mut seen {
        let literal = &state.literals[*id];
        let fate = literal.fates.iter().find_map(against);
        let full = literal.fates.len() >= FATES_MAX;
        let others = fate.or_else(|| full.then(|| "is used in many ways".to_owned()));
        seen.obstacle = of_asset
            .clone()
            .or_else(|| seen.obstacle.take())
            .or(others)
            .or_else(|| {
                literal
                    .broken
                    .then(|| "stands in code that was not understood".to_owned())
            });
        let (place, old, can_be_written) = match (&literal.lender, content_of(literal)) {
            (Some(place), _) => (place.clone(), String::new(), false),
            (None, Some((content, text))) if reader.is_own(&literal.home, content.start) => {
                let can_be_written = edit_of(reader, literal, &content, "`a`.b").is_some();
                let place = own_place(reader, literal, &content);
                (place, text.to_owned(), can_be_written)
            }
            // Not one name: other names that it is a part of cannot change by it.
            _ => continue,
        };
        keys.insert(*id, place.clone());
        let used = !literal.fates.is_empty();
        if literal.lender.is_some() && !used && of_asset.is_none() {
            continue;
        }
        constants.push(Constant {
            place,
            name: literal.name.clone(),
            old,
            news: seen.news.clone(),
            obstacle: seen.obstacle.clone(),
            fixed: obstacle(literal, Subject::Table),
            is_name: seen.is_name,
            used,
            can_be_written,
        });
    }
    let mut made = Vec::new();
    for name in &names {
        let Some(occurrence) = reader.occurrence_at(name.index) else {
            continue;
        };
        let of: Option<Vec<Place>> = name.of.iter().map(|id| keys.get(id).cloned()).collect();
        let Some(of) = of else { continue };
        let is_rewritten = matches!(occurrence.verdict, Verdict::Rewritten { .. });
        made.push(Made {
            of,
            needs_it: !is_rewritten || occurrence.text.contains('.') && is_one_hole(reader, name),
        });
    }
    let own = carry_out(reader, state, &names, &keys, &seen);
    state.uses.extend(own);
    reader.tell(constants, made);
}

const FATES_MAX: usize = 8;

fn is_one_hole(reader: &Reader<'_>, name: &Name) -> bool {
    let Some((marks, Some(wish))) = reader.filled_at(name.index) else {
        return false;
    };
    marks.len() == 1 && wish.fillings.iter().all(|(_, old, _)| old.contains('.'))
}

fn root_of(fragment: &Arc<Fragment>) -> Arc<Fragment> {
    let mut root = Arc::clone(fragment);
    while let Some(outer) = root.outer() {
        root = Arc::clone(outer);
    }
    root
}

/// The literals of this asset that a value is made of and that others may be lent.
fn lendable(reader: &Reader<'_>, state: &State, value: &Value) -> Vec<LiteralId> {
    let mut literals = Vec::new();
    value.literals(&mut literals);
    literals.retain(|id| {
        let literal = &state.literals[*id];
        literal.lender.is_none()
            && content_of(literal).is_some_and(|(content, text)| {
                reader.is_own(&literal.home, content.start) && is_of_mapping(reader, text)
            })
    });
    literals
}

/// What the names of one text that was told to the reader say about the texts that fill them.
fn fillings(
    reader: &Reader<'_>,
    state: &State,
    used: &Use,
    seen: &mut BTreeMap<LiteralId, Seen>,
    names: &mut Vec<Name>,
) {
    if used.holes.is_empty() {
        return;
    }
    let against = |id: LiteralId, why: &str, seen: &mut BTreeMap<LiteralId, Seen>| {
        let seen = seen.entry(id).or_default();
        seen.obstacle.get_or_insert_with(|| why.to_owned());
    };
    let at = |mark: usize| {
        used.holes
            .iter()
            .filter(move |filling| filling.mark == mark)
    };
    let mut covered: BTreeSet<usize> = BTreeSet::new();
    for index in used.occurrences.clone() {
        let Some((marks, wish)) = reader.filled_at(index) else {
            continue;
        };
        covered.extend(marks);
        let wish = wish.filter(|wish| can_be_had(reader, state, used, index, wish));
        let Some(wish) = wish else {
            for filling in marks.iter().flat_map(|mark| at(*mark)) {
                let why = "is part of a name that has no one new name";
                against(filling.literal, why, seen);
            }
            continue;
        };
        let mut name = Name {
            index,
            of: BTreeSet::new(),
            changing: BTreeSet::new(),
        };
        for (mark, old, new) in &wish.fillings {
            for filling in at(*mark) {
                if text_of(state, filling.literal, old) {
                    let seen = seen.entry(filling.literal).or_default();
                    seen.news.insert(new.clone());
                    name.of.insert(filling.literal);
                    if old != new {
                        name.changing.insert(filling.literal);
                    }
                }
            }
        }
        names.push(name);
    }
    for filling in &used.holes {
        if !covered.contains(&filling.mark) {
            against(
                filling.literal,
                "is put into a text where it is no part of a name",
                seen,
            );
        }
    }
}

/// Whether a literal is this text.
fn text_of(state: &State, id: LiteralId, text: &str) -> bool {
    let literal = &state.literals[id];
    match literal.text.as_slice() {
        [Segment::Fixed(lent)] if literal.lender.is_some() => lent == text,
        _ => content_of(literal).is_some_and(|(_, content)| content == text),
    }
}

/// Whether all that a name wishes can be changed: every text stands in a literal, and what else it would change is not used otherwise.
fn can_be_had(reader: &Reader<'_>, state: &State, used: &Use, index: usize, wish: &Wish) -> bool {
    for (mark, old, new) in &wish.fillings {
        let mut any = false;
        for filling in used.holes.iter().filter(|filling| filling.mark == *mark) {
            if !filling.is_whole {
                return old == new;
            }
            any |= text_of(state, filling.literal, old);
        }
        if !any && old != new {
            return false;
        }
    }
    let Some(occurrence) = reader.occurrence_at(index) else {
        return false;
    };
    wish.edits.iter().all(|edit| {
        let lies_in =
            |range: &Range<usize>| range.start <= edit.range.start && edit.range.end <= range.end;
        let holds = |id: &&LiteralId| {
            let literal = &state.literals[**id];
            lies_in(&literal.home.locate(&literal.span))
        };
        let literal = used.sources.iter().find(holds);
        lies_in(&occurrence.range)
            && literal.is_none_or(|id| obstacle(&state.literals[*id], occurrence.subject).is_none())
    })
}

/// What texts become that are names by themselves too.
fn by_themselves(
    reader: &Reader<'_>,
    state: &State,
    text: &str,
    own: &[LiteralId],
    seen: &mut BTreeMap<LiteralId, Seen>,
) {
    for used in &state.uses {
        for id in used.sources.iter().filter(|id| own.contains(id)) {
            let literal = &state.literals[*id];
            let Some((content, _)) = content_of(literal) else {
                continue;
            };
            let place = literal.home.locate(&content);
            for index in used.occurrences.clone() {
                let Some(occurrence) = reader.occurrence_at(index) else {
                    continue;
                };
                let range = &occurrence.range;
                if range.start >= place.end || range.end <= place.start {
                    continue;
                }
                let new = match &occurrence.verdict {
                    Verdict::Rewritten { edits, .. } => applied(text, &place, edits),
                    _ => None,
                };
                let Some(seen) = seen.get_mut(id) else {
                    continue;
                };
                match new {
                    Some(new) => {
                        seen.news.insert(new);
                        seen.is_name = true;
                    }
                    None => {
                        let why = "is a name by itself too, and stays as it is there";
                        seen.obstacle.get_or_insert_with(|| why.to_owned());
                    }
                }
            }
        }
    }
}

/// The text of a literal, as a layer of its own.
pub(super) fn layer_of(
    reader: &Reader<'_>,
    literal: &Literal,
    content: &Range<usize>,
) -> Option<Arc<Fragment>> {
    let [Segment::Source { writing, .. }] = literal.text.as_slice() else {
        return None;
    };
    let cell = reader
        .cells
        .iter()
        .find(|(cell, _)| Arc::ptr_eq(cell, &literal.home));
    let what = match cell.map(|(_, language)| language) {
        Some(Language::Python) => "Python text",
        Some(Language::Scala) => "Scala text",
        Some(Language::R) => "R text",
        _ => "text",
    };
    let mut builder = literal.home.inside(what);
    builder.escape(*writing).verbatim(content.clone());
    Some(builder.build())
}

/// The edit that writes another text there.
fn edit_of(
    reader: &Reader<'_>,
    literal: &Literal,
    content: &Range<usize>,
    new: &str,
) -> Option<Edit> {
    let fragment = layer_of(reader, literal, content)?;
    let whole = 0..fragment.text().len();
    fragment.edit(whole, new).ok()
}

/// What speaks against a text by what becomes of it, other than being a name or a part of one.
fn against(fate: &Fate) -> Option<String> {
    let why = match fate {
        Fate::Named | Fate::Filled => return None,
        Fate::Unknown(why) | Fate::Broken(why) => return Some(why.clone()),
        Fate::Path | Fate::Location | Fate::File | Fate::Segment => "is part of a path too",
        Fate::View => "names a temporary view too",
        Fate::Column => "names a column too",
        Fate::Shown => "is shown too",
        Fate::Comment => "is a comment too",
        Fate::Word => "is a word of its own too",
        Fate::Aside(why) => why,
        Fate::Foreign => "is used for another system too",
        Fate::Notebook => "names a notebook too",
        Fate::Quoted => "is data in a SQL text too",
    };
    Some(why.to_owned())
}

/// Code that reaches variables by texts: nobody can say what it does with them.
const BY_TEXT: &[&str] = &[
    "eval(", "exec(", "globals(", "locals(", "vars(", "assign(", "mget(",
];

/// What speaks against every text of the asset.
fn against_all(reader: &Reader<'_>, state: &State, text: &str) -> Option<String> {
    if reader.has_unparsed() {
        return Some("may be used in code that was not understood".to_owned());
    }
    if state.calls >= CALLS_MAX {
        return Some("may be used in calls that were not followed".to_owned());
    }
    let is_called = |mark: &&str| {
        text.match_indices(mark).any(|(at, _)| {
            let before = text[..at].chars().next_back();
            before.is_none_or(|letter| !letter.is_alphanumeric() && !matches!(letter, '_' | '.'))
        })
    };
    BY_TEXT
        .iter()
        .find(|mark| is_called(mark))
        .map(|mark| format!("may be used by `{}…)`", mark))
}

/// Carries out what is decided; the texts that are told as names of their own now.
fn carry_out(
    reader: &mut Reader<'_>,
    state: &State,
    names: &[Name],
    keys: &BTreeMap<LiteralId, Place>,
    seen: &BTreeMap<LiteralId, Seen>,
) -> Vec<Use> {
    let mut own = Vec::new();
    let facts = reader.facts;
    let decided = &facts.constants;
    if decided.is_empty() {
        return own;
    }
    for name in names {
        let places: Option<Vec<Place>> = name
            .changing
            .iter()
            .map(|id| {
                keys.get(id)
                    .filter(|place| decided.new.contains_key(*place))
            })
            .map(|place| place.cloned())
            .collect();
        if let Some(places) = places.filter(|places| !places.is_empty()) {
            reader.settle_by_constants(name.index, places);
            continue;
        }
        let refused: Vec<Place> = name
            .changing
            .iter()
            .filter_map(|id| keys.get(id))
            .filter(|place| decided.refused.contains_key(*place))
            .cloned()
            .collect();
        if !refused.is_empty() {
            reader.leave_constants(name.index, refused);
        }
    }
    for (id, place) in keys {
        let literal = &state.literals[*id];
        let Some((content, text)) = content_of(literal).filter(|_| literal.lender.is_none()) else {
            continue;
        };
        let called = match &literal.name {
            Some(name) => format!("what is kept in `{name}`"),
            None => "this text".to_owned(),
        };
        if let Some(why) = decided.kept.get(place) {
            keep(reader, state, *id, why);
        }
        if seen.get(id).is_some_and(|seen| seen.is_name) {
            continue;
        }
        let verdict = if let Some(new) = decided.new.get(place) {
            let edit = edit_of(reader, literal, &content, new);
            edit.map(|edit| Verdict::Rewritten {
                new: new.clone(),
                edits: vec![edit],
            })
        } else if let Some(refused) = decided.refused.get(place) {
            let suggestion = match refused.news.iter().collect::<Vec<_>>().as_slice() {
                [only] => edit_of(reader, literal, &content, only),
                _ => None,
            };
            Some(Verdict::NeedsPerson {
                doubt: Doubt::new(
                    USED_OTHERWISE,
                    format!("{called} is a part of names, and {}", refused.why),
                ),
                candidates: refused.news.iter().cloned().collect(),
                suggestion: suggestion.into_iter().collect(),
            })
        } else {
            None
        };
        let Some(verdict) = verdict else { continue };
        let subject = match text.contains('.') {
            true => Subject::Table,
            false => Subject::Database,
        };
        let old = Some(text.to_lowercase());
        let Some(layer) = layer_of(reader, literal, &content) else {
            continue;
        };
        let whole = 0..layer.text().len();
        let index = reader.occurrences();
        reader.occurrence(&layer, whole, subject, Role::Name, old, verdict);
        own.push(Use {
            occurrences: index..reader.occurrences(),
            sources: vec![*id],
            holes: Vec::new(),
        });
    }
    own
}

/// Leaves the names that stand in a text to a person.
fn keep(reader: &mut Reader<'_>, state: &State, id: LiteralId, why: &str) {
    let literal = &state.literals[id];
    let place = literal.home.locate(&literal.span);
    for used in state.uses.iter().filter(|used| used.sources.contains(&id)) {
        for index in used.occurrences.clone() {
            let touches = reader.occurrence_at(index).is_some_and(|occurrence| {
                occurrence.range.start < place.end && occurrence.range.end > place.start
            });
            if touches {
                let message = format!("the text that holds this name {why}");
                reader.demote(index, Doubt::new(USED_OTHERWISE, message));
            }
        }
    }
}
