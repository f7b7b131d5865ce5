//! What is told to the reader: tables, SQL, databases, paths and views that values reach.

use std::ops::Range;
use std::sync::Arc;

use super::Machine;
use crate::fragment::Fragment;
use crate::language::Language;
use crate::language::literal::Writing;
use crate::language::values::{
    Assembled, Fate, Filling, LiteralId, Segment, Use, Value, texts_given,
};
use crate::occurrence::{Doubt, Role, rule};
use crate::rules;
use crate::session;
use crate::session::Namespace;

impl Machine<'_, '_> {
    /// Reports a value as the name of a table.
    pub(in crate::language) fn table(&mut self, value: &Value, span: &Range<usize>, role: Role) {
        self.report(value, span, "the name of the table", |machine, fragment| {
            let range = 0..fragment.text().len();
            if fragment.text().is_empty() {
                return;
            }
            machine.reader.table_text(fragment, range, role);
        });
    }

    pub(super) fn sql(&mut self, value: &Value, span: &Range<usize>) {
        self.report(value, span, "the SQL text", |machine, fragment| {
            machine.reader.read(fragment, Language::Sql);
        });
    }

    /// SQL of an expression on the columns of what `path` is; a query in it is read as such.
    pub(super) fn condition(&mut self, value: &Value, span: &Range<usize>, path: &str) {
        let query = value
            .known_texts()
            .iter()
            .any(|text| text.to_ascii_lowercase().contains("select "));
        if !query {
            self.fate(value, &Fate::Column);
            self.columns_of(value, span, path);
            return;
        }
        self.sql(value, span);
    }

    /// SQL that another session runs: what is current in this one, and its views, mean nothing there.
    pub(super) fn sql_elsewhere(&mut self, value: &Value, span: &Range<usize>) {
        let elsewhere = session::Session {
            variables: self.reader.session.variables.clone(),
            ..session::Session::default()
        };
        let here = std::mem::replace(&mut self.reader.session, elsewhere);
        self.sql(value, span);
        self.reader.session = here;
    }

    pub(super) fn database(&mut self, value: &Value, span: &Range<usize>, current: bool) {
        let known = value.all_texts();
        let mut uses = std::collections::BTreeSet::new();
        self.report(
            value,
            span,
            "the name of the database",
            |machine, fragment| {
                let Some(parts) =
                    crate::reader::name_parts(fragment.text(), 0..fragment.text().len())
                else {
                    return;
                };
                machine.reader.database(fragment, &parts);
                if current {
                    machine.reader.use_database(fragment, &parts);
                    uses.extend(machine.reader.session.uses.last.iter().cloned());
                }
            },
        );
        if current {
            self.reader.session.uses.last = uses;
        }
        if current && known.is_none() {
            self.reader.session.database = session::Value::Unknown;
        }
        if current
            && let Some(known) = known
            && known.len() > 1
        {
            let names = known.into_iter().map(|name| name.to_lowercase()).collect();
            self.reader.session.database = session::Value::OneOf(names);
        }
    }

    pub(super) fn path(&mut self, value: &Value) {
        self.path_with(value, &Fate::Path);
    }

    /// The path of a table that the catalog keeps.
    pub(super) fn location(&mut self, value: &Value, span: &Range<usize>) {
        self.path_with(value, &Fate::Location);
        // A text of this asset is told where it stands.
        if value.begins_in(self.reader) {
            return;
        }
        let texts = value.known_texts();
        let doubt = texts
            .iter()
            .find_map(|path| self.reader.doubt_of_location(path));
        if let Some(doubt) = doubt {
            self.found(&rules::LOCATION_IN_VOLUME, span.clone(), &doubt.message);
        }
    }

    fn path_with(&mut self, value: &Value, fate: &Fate) {
        // Only what a path begins with says where it lies.
        if let Value::Texts { alternatives, .. } = value {
            for alternative in alternatives.iter() {
                let mut parts = alternative.iter();
                if let Some(first) = parts.next() {
                    self.fate(&Value::text(vec![first.clone()]), fate);
                }
                let first = first_literal(alternative);
                let rest = parts
                    .filter(|part| literal_of(part) != first)
                    .cloned()
                    .collect::<Assembled>();
                self.fate(&Value::text(rest), &Fate::Segment);
            }
            return;
        }
        self.fate(value, fate);
    }

    pub(super) fn view(&mut self, value: &Value, _span: &Range<usize>, made: bool) {
        self.fate(value, &Fate::View);
        match value.all_texts() {
            Some(names) => {
                for name in names {
                    let name = name.trim_matches('`').to_lowercase();
                    if made {
                        self.state.aliases.insert(name.clone());
                        self.reader.session.temporary_views.insert(name);
                    } else {
                        self.reader.session.temporary_views.remove(&name);
                    }
                }
            }
            None if made => {
                for name in value.known_texts() {
                    self.reader
                        .session
                        .temporary_views
                        .insert(name.to_lowercase());
                }
                self.reader.session.views_incomplete = true;
            }
            None => {}
        }
    }

    /// A data set of a pipeline: a bare name is the pipeline's own, a dotted one is a table.
    pub(super) fn dataset(&mut self, value: &Value, span: &Range<usize>, role: Role) {
        let texts = value.known_texts();
        let dotted = texts
            .iter()
            .any(|text| text.contains('.') && !text.to_uppercase().starts_with("LIVE."));
        if dotted {
            return self.table(value, span, role);
        }
        for text in texts {
            let name = text.trim_start_matches("LIVE.").to_lowercase();
            self.reader.session.temporary_views.insert(name);
        }
        self.fate(value, &Fate::View);
    }

    /// Makes a fragment of each text that a value can be, and hands it on; says so if it can be others.
    pub(super) fn report(
        &mut self,
        value: &Value,
        span: &Range<usize>,
        what: &str,
        mut hand: impl FnMut(&mut Self, &Arc<Fragment>),
    ) {
        let broken = self.broken.iter().any(|range| {
            range.start < span.end && range.end > span.start && range.end > range.start
        });
        let (alternatives, complete) = match value {
            Value::Texts {
                alternatives,
                complete,
            } => (Arc::clone(alternatives), *complete),
            _ => (Arc::new(Vec::new()), false),
        };
        for alternative in alternatives.iter() {
            let mut made = Made::default();
            let fragment = self.fragment(alternative, complete, span, &mut made);
            let first = self.reader.occurrences();
            hand(self, &fragment);
            if !made.from_caller.is_empty() && self.reader.without(first, &made.from_caller) {
                self.note_caller(span.clone());
            }
            if self.reader.occurrences() == first {
                self.assembled_abroad(alternative, &fragment, span, &mut hand);
            }
            let occurrences = first..self.reader.occurrences();
            for literal in &made.sources {
                if let Some(literal) = self.state.literals.get_mut(*literal) {
                    literal.note(&Fate::Named);
                    if broken {
                        literal.note(&Fate::Unknown(
                            "stands in code that was not understood".to_owned(),
                        ));
                    }
                }
            }
            for filling in &made.holes {
                if let Some(literal) = self.state.literals.get_mut(filling.literal) {
                    literal.note(&Fate::Filled);
                }
            }
            self.state.uses.push(Use {
                occurrences,
                sources: made.sources,
                holes: made.holes,
            });
        }
        if !complete {
            let fate = Fate::Unknown(format!(
                "may be {what}, put together in a way that is not followed"
            ));
            if let Value::Texts { .. } = value {
            } else {
                self.fate(value, &fate);
            }
            let cell = Arc::clone(&self.cell);
            let written: String = cell
                .text()
                .get(span.clone())
                .unwrap_or_default()
                .chars()
                .take(80)
                .collect();
            let doubt = Doubt::new(
                rule::UNRESOLVED,
                format!("{what} is decided at run time by `{written}`"),
            );
            if self.is_open_parameter(value) {
                self.note_caller(span.clone());
            } else if alternatives.is_empty() {
                self.reader
                    .needs_person(&cell, span.clone(), doubt, Vec::new());
            }
        }
    }

    /// A text that a function of an included notebook put together: what it says of its names has no place here, so it is told
    /// where the function is called.
    pub(super) fn assembled_abroad(
        &mut self,
        text: &Assembled,
        fragment: &Arc<Fragment>,
        span: &Range<usize>,
        hand: &mut impl FnMut(&mut Self, &Arc<Fragment>),
    ) {
        if self.reader.is_own(fragment, 0) || !self.reader.is_own(&self.cell, span.start) {
            return;
        }
        let known = texts_given(text);
        let cell = Arc::clone(&self.cell);
        let what: String = cell
            .text()
            .get(span.clone())
            .unwrap_or_default()
            .chars()
            .take(60)
            .collect();
        let mut builder = cell.inside(layer(self.namespace));
        builder.escape(&Closed);
        builder.hole(span.clone(), known.into_iter().collect(), &what);
        hand(self, &builder.build());
    }

    /// Whether a value is a parameter of the function that is evaluated, of which nothing is known here.
    pub(super) fn is_open_parameter(&self, value: &Value) -> bool {
        match value {
            Value::Object(path) => self
                .frames
                .last()
                .is_some_and(|frame| frame.open.contains(path.as_ref())),
            _ => false,
        }
    }

    pub(super) fn note_caller(&mut self, span: Range<usize>) {
        rules::from_caller(self, span);
    }

    /// The fragment of a text, with the literals that stand in it and those that fill its holes.
    pub(super) fn assembled(
        &mut self,
        text: &Assembled,
        complete: bool,
        written: &Range<usize>,
    ) -> (Arc<Fragment>, Vec<LiteralId>, Vec<Filling>) {
        let mut made = Made::default();
        let fragment = self.fragment(text, complete, written, &mut made);
        (fragment, made.sources, made.holes)
    }

    /// The fragment of a text. Bytes of literals lead back to them; words that variables hold are holes.
    fn fragment(
        &mut self,
        text: &Assembled,
        complete: bool,
        written: &Range<usize>,
        made: &mut Made,
    ) -> Arc<Fragment> {
        let home = text.iter().find_map(|segment| match segment {
            Segment::Source { home, .. } => Some(Arc::clone(home)),
            _ => None,
        });
        let home = home.unwrap_or_else(|| Arc::clone(&self.cell));
        // The place in code has bytes in this cell only.
        let written = if Arc::ptr_eq(&home, &self.cell) {
            written.clone()
        } else {
            0..0
        };
        let mut builder = home.inside(layer(self.namespace));
        // Where text in front of a hole of a sum can be written: the end of the literal before it.
        let mut before: Option<(usize, &'static Writing)> = None;
        let mut last = None;
        for segment in text {
            let quoted = ends_in_open_quotes(builder.text());
            match segment {
                Segment::Source {
                    home: of,
                    literal,
                    range,
                    decoded,
                    writing,
                } => {
                    if !made.sources.contains(literal) {
                        made.sources.push(*literal);
                    }
                    if quoted
                        && last.is_some_and(|last| last != *literal)
                        && let Some(literal) = self.state.literals.get_mut(*literal)
                    {
                        literal.note(&Fate::Quoted);
                    }
                    last = Some(*literal);
                    // What stands in an included notebook is edited when that one is read.
                    if self.reader.is_own(of, range.start) {
                        builder.escape(*writing);
                    } else {
                        builder.escape(&Closed);
                    }
                    match (Arc::ptr_eq(of, &home), decoded) {
                        (true, None) => builder.verbatim(range.clone()),
                        (true, Some(text)) => builder.escaped(range.clone(), text),
                        (false, None) => builder.elsewhere(of, range.clone(), None),
                        (false, Some(text)) => builder.elsewhere(of, range.clone(), Some(text)),
                    };
                    before = Arc::ptr_eq(of, &home).then_some((range.end, *writing));
                }
                Segment::Lent {
                    literal,
                    text: known,
                } => {
                    builder.escape(&Closed);
                    let what = shown_of(&home, &written);
                    let values = complete.then(|| known.clone()).into_iter().collect();
                    let likely = vec![known.clone()];
                    made.holes.push(Filling {
                        literal: *literal,
                        mark: builder.mark(),
                        place: home.locate(&written),
                        is_whole: true,
                    });
                    builder.hole(written.clone(), values, &what).likely(likely);
                    before = None;
                }
                Segment::Fixed(known) => {
                    if !text
                        .iter()
                        .any(|segment| matches!(segment, Segment::Source { .. }))
                    {
                        let what = shown_of(&home, &written);
                        builder.escape(&Closed);
                        let values = if complete {
                            vec![known.clone()]
                        } else {
                            Vec::new()
                        };
                        builder
                            .hole(written.clone(), values, &what)
                            .likely(vec![known.clone()]);
                    } else {
                        builder.invented(known);
                    }
                    before = None;
                }
                Segment::Hole(hole) => {
                    let mut literals = Vec::new();
                    hole.value.literals(&mut literals);
                    let is_whole = hole.value.is_of_whole_literals();
                    let values = hole.value.all_texts().unwrap_or_default();
                    let outer = Arc::ptr_eq(&hole.home, &home).then(|| hole.span.clone());
                    let own = self.reader.is_own(&hole.home, hole.span.start);
                    let place = match (hole.inside.filter(|_| own), outer, before.filter(|_| own)) {
                        (Some(writing), Some(span), _) => {
                            builder.escape(writing);
                            span
                        }
                        (_, _, Some((end, writing))) => {
                            builder.escape(writing);
                            end..end
                        }
                        (_, outer, None) => {
                            builder.escape(&Closed);
                            outer.unwrap_or_else(|| written.clone())
                        }
                    };
                    let mark = builder.mark();
                    builder
                        .hole(place.clone(), values, &hole.what)
                        .likely(hole.value.known_texts());
                    let place = home.locate(&place);
                    if self.is_open_parameter(&hole.value) {
                        made.from_caller.push(place.clone());
                    }
                    made.holes
                        .extend(literals.into_iter().map(|literal| Filling {
                            literal,
                            mark,
                            place: place.clone(),
                            is_whole,
                        }));
                    before = None;
                }
            }
        }
        builder.build()
    }
}

/// The literal that a stretch of a text stands in.
fn literal_of(segment: &Segment) -> Option<LiteralId> {
    match segment {
        Segment::Source { literal, .. } => Some(*literal),
        Segment::Fixed(_) | Segment::Lent { .. } | Segment::Hole(_) => None,
    }
}

/// The code at a place, for messages.
fn shown_of(home: &Fragment, place: &Range<usize>) -> String {
    let code = home.text().get(place.clone()).unwrap_or_default();
    code.chars().take(60).collect()
}

fn first_literal(text: &Assembled) -> Option<LiteralId> {
    text.first().and_then(literal_of)
}

#[derive(Default)]
struct Made {
    sources: Vec<LiteralId>,
    holes: Vec<Filling>,
    /// Holes that the caller of the function fills.
    from_caller: Vec<Range<usize>>,
}

/// Nothing can be written here: the place lies in code, not in a text.
#[derive(Debug)]
struct Closed;

impl crate::fragment::Escape for Closed {
    fn escape(&self, _text: &str) -> Result<String, crate::fragment::Refusal> {
        Err(crate::fragment::Refusal(
            "the name begins with a variable".to_owned(),
        ))
    }
}

fn layer(namespace: Namespace) -> &'static str {
    match namespace {
        Namespace::Python => "Python text",
        Namespace::Scala => "Scala text",
        Namespace::R => "R text",
        Namespace::Conf | Namespace::Sql => "text",
    }
}

/// Whether what comes next stands in quotes that were opened just now. Where comments may hold quotes, the last one counts as one that opens.
fn ends_in_open_quotes(text: &str) -> bool {
    if !text.ends_with(['\'', '"']) {
        return false;
    }
    if text.contains("--") || text.contains("/*") {
        return true;
    }
    let mut open = None;
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match letter {
            '\\' => {
                letters.next();
            }
            '\'' | '"' if open == Some(letter) => open = None,
            '\'' | '"' if open.is_none() => open = Some(letter),
            _ => {}
        }
    }
    open.is_some()
}
