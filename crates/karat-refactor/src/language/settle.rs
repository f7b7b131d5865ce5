//! What is decided at the end of an asset: literals whose uses are only known when all cells were read.
//!
//! A name is edited in its literal only if all uses of the literal agree. If it is also compared, split, or given to something that is not
//! followed, its edits become suggestions for a person. Literals without a table in them are explained here, for the scanner's count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::carried::{Carried, Left, Lender};
use super::evaluate::Machine;
use super::values::{Assembled, Fate, Literal, LiteralId, Segment, State, Value};
use crate::fragment::Fragment;
use crate::occurrence::{Doubt, Means, NotATable, Role, Severity, Subject, Verdict, rule};
use crate::reader::{Reader, is_called_like_database, is_metastore};
use crate::session::{self, Namespace};
use crate::words::Mentioned;

/// A literal holds a name, and is used in other ways too.
pub(super) const USED_OTHERWISE: &str = "name/used-otherwise";
/// A literal's use is not followed.
pub(super) const NOT_FOLLOWED: &str = "name/not-followed";

/// Another notebook runs among the variables of this one. What it does with those that it may read is seen there, but not in the
/// literals here, so what they hold is not followed. `words` is `None` if nobody knows what it reads.
pub(crate) fn shared(reader: &mut Reader<'_>, target: &str, words: Option<&Mentioned>) {
    let state = &mut reader.programs;
    let mut literals = Vec::new();
    for (name, value) in state.globals.values().flatten() {
        let variable = name.split('.').next().unwrap_or(name);
        if words.is_none_or(|words| words.may_read(variable)) {
            value.literals(&mut literals);
        }
    }
    let fate = Fate::Unknown(format!(
        "may be used by `{target}`, which runs among the variables of this notebook"
    ));
    for literal in literals {
        if let Some(literal) = state.literals.get_mut(literal) {
            literal.note(&fate);
        }
    }
}

/// Draws the conclusions for the whole asset.
pub(crate) fn finish(reader: &mut Reader<'_>) {
    let mut homes: Vec<(Namespace, Arc<Fragment>)> = Vec::new();
    for closure in &reader.programs.functions {
        if !homes
            .iter()
            .any(|(namespace, _)| *namespace == closure.namespace)
        {
            homes.push((closure.namespace, Arc::clone(&closure.home)));
        }
    }
    for (namespace, home) in homes {
        let mut machine = Machine::new(reader, &home, namespace);
        machine.enter_the_rest();
        machine.finish();
    }
    let mut state = std::mem::take(&mut reader.programs);
    leave(reader, &state);
    paths(reader, &mut state);
    super::evaluate::columns::settle(reader, &state);
    super::constants::settle(reader, &mut state);
    demote(reader, &state);
    super::parameter::apply(reader, &state);
    whole_names(reader, &state);
    regions(reader, &state);
}

/// Literals that are a mapped database where one reads like it, or a name that others may exchange, and that nothing else told.
fn whole_names(reader: &mut Reader<'_>, state: &State) {
    let mut told: Option<BTreeSet<(usize, usize)>> = None;
    for literal in &state.literals {
        let is_named = literal.fates.contains(&Fate::Named) || literal.lender.is_some();
        let Some((content, text)) = super::constants::content_of(literal).filter(|_| !is_named)
        else {
            continue;
        };
        let is_database = !text.contains('.');
        let is_asked = match &literal.name {
            _ if literal.is_like_database => true,
            Some(name) if is_called_like_database(name) => true,
            _ => !is_database && literal.for_others.is_some(),
        };
        if !is_asked
            || is_database && (is_metastore(text) || !reader.mapping.knows_database(text))
            || !reader.is_own(&literal.home, content.start)
        {
            continue;
        }
        let Some(layer) = super::constants::layer_of(reader, literal, &content) else {
            continue;
        };
        let place = literal.home.locate(&content);
        let told = told.get_or_insert_with(|| {
            let all = (0..reader.occurrences()).filter_map(|index| reader.occurrence_at(index));
            all.map(|one| (one.range.start, one.range.end)).collect()
        });
        if told
            .range(..(place.end, 0))
            .next_back()
            .is_some_and(|(_, end)| *end > place.start)
        {
            continue;
        }
        if let Some(why) = &literal.for_others {
            reader.value_for_others(&layer, Doubt::new(rule::PARAMETER, why));
            continue;
        }
        if !is_database {
            continue;
        }
        let is_filled = literal.fates.contains(&Fate::Filled);
        let is_filled_elsewhere = literal.fates.iter().all(is_aside)
            && reader
                .facts
                .constants
                .elsewhere
                .contains(&super::constants::own_place(reader, literal, &content));
        let verdict = match meaning(literal) {
            _ if is_filled_elsewhere => Verdict::NotATable {
                reason: NotATable::NamePart,
            },
            Some(Means::NeedsPerson(doubt)) => {
                let (candidates, suggestion) = reader.database_for_others(&layer, text);
                Verdict::NeedsPerson {
                    doubt,
                    candidates,
                    suggestion,
                }
            }
            Some(Means::NotATable(NotATable::StringData)) | None if is_filled => {
                Verdict::NotATable {
                    reason: NotATable::NamePart,
                }
            }
            Some(Means::NotATable(reason)) => Verdict::NotATable { reason },
            None => continue,
        };
        let whole = 0..layer.text().len();
        let old = Some(text.to_lowercase());
        reader.occurrence(&layer, whole, Subject::Database, Role::Name, old, verdict);
    }
}

/// Leaves variables, functions and methods to the notebooks that include this one.
fn leave(reader: &mut Reader<'_>, state: &State) {
    if state
        .globals
        .values()
        .all(std::collections::HashMap::is_empty)
    {
        return;
    }
    let mut lent: Vec<(Lender, String)> = Vec::new();
    let mut numbers: HashMap<Lender, LiteralId> = HashMap::new();
    let mut lend = |segment: &Segment| {
        let (lender, text) = super::constants::lender(reader, state, segment)?;
        Some(*numbers.entry(lender.clone()).or_insert_with(|| {
            lent.push((lender, text));
            lent.len() - 1
        }))
    };
    let mut globals: BTreeMap<Namespace, HashMap<String, Value>> = BTreeMap::new();
    for (namespace, variables) in &state.globals {
        // In a fixed order, so that what is lent is numbered the same every time.
        let sorted: BTreeMap<&String, &Value> = variables.iter().collect();
        let variables = sorted
            .into_iter()
            .map(|(name, value)| (name.clone(), value.abroad(&mut lend)));
        globals.insert(*namespace, variables.collect());
    }
    let left = Left {
        globals,
        classes: state.classes.clone(),
        dispatches: state.dispatches.clone(),
        lent: Arc::new(lent),
    };
    reader.session.carried = Carried(Some(Arc::new(left)));
}

/// Literals that are paths by their beginning, wherever they go.
fn paths(reader: &mut Reader<'_>, state: &mut State) {
    for id in 0..state.literals.len() {
        let literal = &state.literals[id];
        let named = literal
            .fates
            .iter()
            .any(|fate| matches!(fate, Fate::Named | Fate::Comment));
        if named || !begins_like_a_path(literal) {
            continue;
        }
        let fragment = path_fragment(literal, &literal.text);
        let mut fates = literal.fates.iter().filter(|fate| !is_aside(fate));
        let shown = fates.clone().next().is_some() && fates.all(|fate| *fate == Fate::Shown);
        let first = reader.occurrences();
        let is_location = literal.fates.contains(&Fate::Location);
        if !fragment.text().is_empty() && is_location {
            reader.location(&fragment, 0..fragment.text().len());
        } else if !fragment.text().is_empty() && !shown {
            reader.path(&fragment, 0..fragment.text().len());
        }
        let occurrences = first..reader.occurrences();
        state.uses.push(super::values::Use {
            occurrences,
            sources: vec![id],
            holes: Vec::new(),
        });
    }
}

/// The text of a literal, holes with their values.
fn path_fragment(literal: &Literal, text: &Assembled) -> Arc<Fragment> {
    let mut builder = literal.home.inside("text");
    for segment in text {
        match segment {
            Segment::Source {
                home,
                range,
                decoded,
                writing,
                ..
            } if Arc::ptr_eq(home, &literal.home) && inside(range, &literal.span) => {
                builder.escape(*writing);
                match decoded {
                    None => builder.verbatim(range.clone()),
                    Some(text) => builder.escaped(range.clone(), text),
                };
            }
            // What another literal puts in stands there, not here.
            Segment::Source { .. } | Segment::Fixed(_) | Segment::Lent { .. } => {
                builder.hole(literal.span.end..literal.span.end, Vec::new(), "a value");
            }
            Segment::Hole(hole) => {
                builder.hole(
                    hole.span.clone(),
                    hole.value.all_texts().unwrap_or_default(),
                    &hole.what,
                );
            }
        }
    }
    builder.build()
}

fn inside(range: &Range<usize>, span: &Range<usize>) -> bool {
    range.start >= span.start && range.end <= span.end
}

fn begins_like_a_path(literal: &Literal) -> bool {
    let Some(Segment::Source {
        home,
        range,
        decoded: None,
        ..
    }) = literal.text.first()
    else {
        return false;
    };
    if !inside(range, &literal.span) {
        return false;
    }
    let text = home.text().get(range.clone()).unwrap_or_default();
    const STARTS: &[&str] = &[
        "/mnt/",
        "/dbfs/",
        "dbfs:/",
        "wasb://",
        "wasbs://",
        "abfs://",
        "abfss://",
        "adl://",
        "s3://",
        "s3a://",
        "s3n://",
        "gs://",
        "hdfs://",
        "file:/",
        "/filestore/",
        "/user/hive/",
        "/databricks-datasets/",
    ];
    let lower = text
        .get(..text.len().min(24))
        .unwrap_or(text)
        .to_ascii_lowercase();
    STARTS.iter().any(|start| lower.starts_with(start))
        || text.starts_with('/')
            && (literal.fates.contains(&Fate::Path) || literal.fates.contains(&Fate::Location))
        || lower == "/mnt"
}

/// Whether a path is written as the driver sees DBFS, `/dbfs/…`, or as an address.
fn is_window_on_dbfs(literal: &Literal) -> bool {
    match literal.text.first() {
        Some(Segment::Source { home, range, .. }) => {
            let text = home.text().get(range.clone()).unwrap_or_default();
            text.starts_with("/dbfs/") || text.contains(":/")
        }
        _ => false,
    }
}

fn is_aside(fate: &Fate) -> bool {
    matches!(fate, Fate::Aside(_))
}

/// Why a literal must not be edited.
pub(super) fn obstacle(literal: &Literal, subject: Subject) -> Option<String> {
    if literal.broken {
        return Some("stands in code that was not understood".to_owned());
    }
    literal.fates.iter().find_map(|fate| match (fate, subject) {
        (Fate::Broken(why), _) => Some(why.clone()),
        (Fate::File, Subject::Path) if !is_window_on_dbfs(literal) => {
            Some("is opened as a file of the driver's own disk".to_owned())
        }
        // A path says itself what it is; whoever gets it, gets the new one.
        (Fate::Unknown(_) | Fate::Foreign, Subject::Path) => None,
        (Fate::Unknown(why), _) => Some(why.clone()),
        (
            Fate::Path | Fate::Location | Fate::File | Fate::Segment,
            Subject::Table | Subject::Database | Subject::Qualifier,
        ) => Some("is part of a path too".to_owned()),
        (Fate::Quoted, Subject::Table | Subject::Database | Subject::Qualifier) => {
            Some("is data in a SQL text too".to_owned())
        }
        (Fate::Column, Subject::Table | Subject::Database) => Some("names a column too".to_owned()),
        (Fate::View, Subject::Table) => Some("names a temporary view too".to_owned()),
        (Fate::Foreign, _) => Some("is used for another system too".to_owned()),
        _ => None,
    })
}

/// Takes back edits of literals that are used in ways that do not agree.
fn demote(reader: &mut Reader<'_>, state: &State) {
    let places: Vec<Range<usize>> = state
        .literals
        .iter()
        .map(|literal| literal.home.locate(&literal.span))
        .collect();
    // Literals that are edited themselves, with the occurrences that do it.
    let mut edited: std::collections::BTreeMap<LiteralId, Vec<usize>> =
        std::collections::BTreeMap::new();
    let mut filled: std::collections::BTreeMap<LiteralId, Vec<usize>> =
        std::collections::BTreeMap::new();
    let mut doubts: Vec<(usize, String)> = Vec::new();
    for used in &state.uses {
        for index in used.occurrences.clone() {
            let Some(occurrence) = reader.occurrence_at(index) else {
                continue;
            };
            let Verdict::Rewritten { edits, .. } = &occurrence.verdict else {
                continue;
            };
            let subject = occurrence.subject;
            for id in &used.sources {
                let touches = edits.iter().any(|edit| inside(&edit.range, &places[*id]));
                if !touches {
                    continue;
                }
                if let Some(why) = obstacle(&state.literals[*id], subject) {
                    doubts.push((index, why));
                }
                edited.entry(*id).or_default().push(index);
            }
            for filling in &used.holes {
                let place = &filling.place;
                let around =
                    place.start <= occurrence.range.end && place.end >= occurrence.range.start;
                if around && !reader.changes_in_constant(index) {
                    filled.entry(filling.literal).or_default().push(index);
                }
            }
        }
    }
    for (index, why) in doubts {
        let doubt = Doubt::new(
            USED_OTHERWISE,
            format!("the text that holds this name {why}"),
        );
        reader.demote(index, doubt);
    }
    for (id, occurrences) in &edited {
        let Some(others) = filled.get(id) else {
            continue;
        };
        let holds = state.literals[*id].holes.is_empty();
        if !holds {
            continue;
        }
        for index in occurrences.iter().chain(others) {
            let message =
                "this text is a name by itself in one place and a part of a name in another";
            reader.demote(*index, Doubt::new(USED_OTHERWISE, message));
        }
    }
}

/// Explains the literals that hold no name.
fn regions(reader: &mut Reader<'_>, state: &State) {
    for literal in &state.literals {
        if literal.lender.is_some() {
            continue;
        }
        let means = if literal.broken {
            Some(Means::NeedsPerson(Doubt::new(
                NOT_FOLLOWED,
                "this text stands in code that was not understood",
            )))
        } else {
            meaning(literal)
        };
        if let Some(means) = means {
            // Between the holes only: what stands in a hole is code, and has literals of its own.
            let mut at = literal.span.start;
            for hole in &literal.holes {
                if hole.start > at {
                    reader.region(&literal.home, at..hole.start, means.clone());
                }
                at = hole.end.max(at);
            }
            if at < literal.span.end {
                reader.region(&literal.home, at..literal.span.end, means);
            }
        }
    }
}

fn meaning(literal: &Literal) -> Option<Means> {
    let fates = &literal.fates;
    if fates.contains(&Fate::Named) {
        return None;
    }
    let person = |message: String| Some(Means::NeedsPerson(Doubt::new(NOT_FOLLOWED, message)));
    let not = |reason| Some(Means::NotATable(reason));
    for fate in fates {
        if let Fate::Unknown(why) | Fate::Broken(why) = fate {
            return person(format!("this text {why}"));
        }
    }
    if fates.iter().all(is_aside) {
        return match &literal.name {
            Some(name) => person(format!(
                "this text is kept in `{name}`, and nothing here uses it"
            )),
            None => person("what becomes of this text is not known".to_owned()),
        };
    }
    if fates.contains(&Fate::Foreign) {
        return not(NotATable::ForeignSource);
    }
    if fates.contains(&Fate::Comment) {
        return not(NotATable::Comment);
    }
    if fates.contains(&Fate::Notebook) {
        return not(NotATable::WorkspacePath);
    }
    if fates.iter().any(|fate| {
        matches!(
            fate,
            Fate::Path | Fate::Location | Fate::File | Fate::Segment
        )
    }) {
        return not(NotATable::PathSegment);
    }
    if fates.contains(&Fate::View) {
        return not(NotATable::TemporaryView);
    }
    if fates.contains(&Fate::Column) {
        return not(NotATable::AliasColumn);
    }
    not(NotATable::StringData)
}

/// Reads a program in one of the three languages.
pub(crate) fn read(
    reader: &mut Reader<'_>,
    cell: &Arc<Fragment>,
    namespace: Namespace,
    program: &super::program::Program,
) {
    if let Some(why) = program.not_parsed {
        not_parsed(reader, cell, namespace, why);
        return;
    }
    let mut machine = Machine::new(reader, cell, namespace);
    code_and_comments(&mut machine, cell, program);
    machine.run(program);
    machine.finish();
    for command in &program.shell {
        let part = cell.part(command.clone(), "shell command");
        reader.read(&part, super::Language::Shell);
    }
}

/// A cell that nobody read: its names are left to the independent scanner, which leaves them to a person. It may have done anything to the
/// session and to the variables, and what they hold may be used in it.
fn not_parsed(reader: &mut Reader<'_>, cell: &Arc<Fragment>, namespace: Namespace, why: &str) {
    let first_line = cell.text().lines().next().unwrap_or_default().len();
    reader.unparsed(cell);
    reader.finding(
        cell,
        0..first_line,
        Severity::Warning,
        Doubt::new(
            rule::NOT_PARSED,
            format!(
                "this code was not read: {why}. No name in it is rewritten, and what it does to later cells is not known; mend or divide it, or look \
                 through it yourself"
            ),
        ),
    );
    super::take_over(reader);
    shared(reader, "code that was not read", None);
    reader.programs.globals.remove(&namespace);
    let session = &mut reader.session;
    session.may_change_anything = true;
    session.views_incomplete = true;
    session.database = session::Value::Unknown;
    session.widgets.clear();
    for ((of, _), value) in &mut session.variables {
        if [namespace, Namespace::Conf, Namespace::Sql].contains(of) {
            *value = session::Value::Unknown;
        }
    }
}

/// Code and comments are no tables; texts are explained when it is known what becomes of them.
fn code_and_comments(
    machine: &mut Machine<'_, '_>,
    cell: &Arc<Fragment>,
    program: &super::program::Program,
) {
    let whole = 0..cell.text().len();
    if !program.broken.is_empty() {
        machine.reader.unparsed(cell);
    }
    if program.broken.contains(&whole) && !whole.is_empty() {
        return;
    }
    // Outermost texts only.
    let mut at = 0;
    for text in &program.texts {
        if text.start >= at {
            if text.start > at {
                machine.region(at..text.start, NotATable::Code);
            }
            at = text.end;
        }
    }
    if at < whole.end {
        machine.region(at..whole.end, NotATable::Code);
    }
    for comment in &program.comments {
        machine.region(comment.clone(), NotATable::Comment);
    }
    for broken in &program.broken {
        if !broken.is_empty() {
            let doubt = Doubt::new(NOT_FOLLOWED, "this code was not understood");
            machine
                .reader
                .region(cell, broken.clone(), Means::NeedsPerson(doubt));
        }
    }
    for hole in &program.holes {
        machine.region(hole.clone(), NotATable::Code);
    }
}
