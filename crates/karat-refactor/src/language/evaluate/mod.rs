//! Runs a program without running it: follows texts from the literals they stand in to the calls they end in.
//!
//! Statements are taken in order, branches are joined, loops are passed once, functions of the program are entered with what they
//! are given. Every table, database, path and SQL text that is reached is reported to the [`Reader`]; what became of each literal is noted, and
//! [`super::settle`] draws the conclusions at the end of the asset. Whatever is not followed makes a value unknown, never wrong.

mod assignments;
mod calls;
pub(super) mod columns;
mod databases;
mod dispatch;
mod expressions;
mod formats;
mod functions;
mod known_calls;
mod methods;
mod reports;
mod statements;
mod texts;

pub(crate) use calls::R_SOURCE;

use std::collections::{BTreeSet, HashMap};
use std::ops::Range;
use std::sync::Arc;

use super::program::Program;
use super::values::{Fate, LiteralId, Segment, State, Value};
use crate::fragment::Fragment;
use crate::occurrence::{Doubt, NotATable};
use crate::reader::Reader;
use crate::rules;
use crate::session::{self, Current, Namespace};

/// Functions inside functions are entered to this depth.
const CALLS_DEEP: usize = 8;
/// So many calls of functions are followed in one asset.
pub(super) const CALLS_MAX: usize = 4_000;
/// Texts of more segments are not followed.
const SEGMENTS_MAX: usize = 2_048;

/// An argument with what it can be.
pub(crate) struct Given {
    pub(crate) name: Option<String>,
    pub(super) value: Value,
    pub(crate) span: Range<usize>,
    spread: bool,
}

impl Given {
    /// The texts that are known.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.value.known_texts()
    }

    /// The texts that are known, with a mark for what is not.
    pub(crate) fn shape(&self) -> Vec<String> {
        self.value.shapes()
    }

    /// Whether it is exactly one known text.
    pub(crate) fn is_known(&self) -> bool {
        self.value.only_text().is_some()
    }
}

/// The evaluation of one cell.
pub(crate) struct Machine<'r, 'e> {
    pub(super) reader: &'r mut Reader<'e>,
    pub(super) state: State,
    cell: Arc<Fragment>,
    namespace: Namespace,
    frames: Vec<Frame>,
    /// Functions being evaluated.
    entered: Vec<usize>,
    broken: Vec<Range<usize>>,
    class: Option<Arc<str>>,
    /// What was current at any place of each body that may stop anywhere.
    attempts: Vec<Current>,
    /// Whether what is written at the end of the chain of calls is files.
    writes_files: bool,
    /// The stream that is being described: its name, and whether it is kept in memory, as a temporary view of that name.
    stream: Stream,
}

#[derive(Default)]
struct Stream {
    in_memory: bool,
    name: Option<(Value, Range<usize>)>,
}

#[derive(Default)]
struct Frame {
    variables: HashMap<String, Value>,
    returned: Option<Value>,
    /// Whether statements from here on may not be reached.
    left: bool,
    /// What was current where it returned early.
    current: Option<Current>,
    /// Parameters of which nothing is known.
    open: BTreeSet<String>,
}

impl<'r, 'e> Machine<'r, 'e> {
    /// A machine for a cell; takes over what earlier cells left.
    pub(super) fn new(
        reader: &'r mut Reader<'e>,
        cell: &Arc<Fragment>,
        namespace: Namespace,
    ) -> Self {
        take_over(reader);
        let mut state = std::mem::take(&mut reader.programs);
        let mut globals = state.globals.remove(&namespace).unwrap_or_default();
        // What `%run` brought, or SQL set: texts without a place in this asset.
        for (key, value) in &reader.session.variables {
            let (of, name) = key;
            if *of != namespace || state.written.get(key) == Some(value) {
                continue;
            }
            let value = from_session(value);
            globals.insert(name.clone(), value);
        }
        let frame = Frame {
            variables: globals,
            ..Frame::default()
        };
        Self {
            reader,
            state,
            cell: Arc::clone(cell),
            namespace,
            frames: vec![frame],
            entered: Vec::new(),
            broken: Vec::new(),
            class: None,
            attempts: Vec::new(),
            writes_files: false,
            stream: Stream::default(),
        }
    }

    /// Evaluates a cell.
    pub(super) fn run(&mut self, program: &Program) {
        self.broken = program.broken.clone();
        let value = self.block(&program.body);
        // The last expression of a cell is shown.
        self.fate(&value, &Fate::Shown);
    }

    /// Hands everything back.
    pub(super) fn finish(mut self) {
        let globals = self
            .frames
            .drain(..)
            .next()
            .map(|frame| frame.variables)
            .unwrap_or_default();
        let told = self.state.told.entry(self.namespace).or_default();
        for (name, value) in &globals {
            // A notebook has many variables, and a cell gives a value to few.
            if told
                .get(name)
                .is_some_and(|told| told.is_shared_with(value))
            {
                continue;
            }
            told.insert(name.clone(), value.clone());
            let written = match value.all_texts() {
                Some(texts) => session::Value::OneOf(texts.into_iter().collect::<BTreeSet<_>>()),
                None => session::Value::Unknown,
            };
            let key = (self.namespace, name.clone());
            if written != session::Value::Unknown
                || self.reader.session.variables.contains_key(&key)
            {
                self.reader
                    .session
                    .variables
                    .insert(key.clone(), written.clone());
                self.state.written.insert(key, written);
            }
        }
        self.state.globals.insert(self.namespace, globals);
        self.reader.programs = std::mem::take(&mut self.state);
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        self.frames.last_mut().expect("one was pushed")
    }

    fn set(&mut self, name: &str, value: Value) {
        self.frame().variables.insert(name.to_owned(), value);
    }

    fn get(&self, name: &str) -> Option<&Value> {
        self.frames
            .iter()
            .rev()
            .find_map(|frame| frame.variables.get(name))
    }

    /// Notes what became of the literals of a value.
    pub(super) fn fate(&mut self, value: &Value, fate: &Fate) {
        let mut literals = Vec::new();
        value.literals(&mut literals);
        for id in literals {
            if let Some(literal) = self.state.literals.get_mut(id) {
                literal.note(fate);
            }
        }
    }

    /// The language.
    pub(crate) fn namespace(&self) -> Namespace {
        self.namespace
    }

    /// Reports a finding, once for each place.
    pub(crate) fn found(&mut self, rule: &'static rules::Rule, span: Range<usize>, message: &str) {
        let place = self.cell.locate(&span);
        if !self
            .state
            .findings
            .insert((rule.id, place.start, place.end))
        {
            return;
        }
        let cell = Arc::clone(&self.cell);
        self.reader
            .finding(&cell, span, rule.severity, Doubt::new(rule.id, message));
    }

    /// Whether a region is a comment etc. is told by [`super::settle`]; this one says it at once.
    pub(super) fn region(&mut self, span: Range<usize>, reason: NotATable) {
        let cell = Arc::clone(&self.cell);
        self.reader
            .region(&cell, span, crate::occurrence::Means::NotATable(reason));
    }
}

/// Takes over what included notebooks left, if that is new.
pub(crate) fn take_over(reader: &mut Reader<'_>) {
    let state = &mut reader.programs;
    if state.seen == reader.session.carried {
        return;
    }
    state.seen = reader.session.carried.clone();
    let Some(left) = state.seen.0.clone() else {
        return;
    };
    let numbers: Vec<LiteralId> = left
        .lent
        .iter()
        .map(|(lender, text)| super::constants::borrowed(state, lender, text))
        .collect();
    let mut renumbered = |segment: &Segment| match segment {
        Segment::Lent { literal, .. } => numbers.get(*literal).copied(),
        _ => None,
    };
    for (of, variables) in &left.globals {
        let here = state.globals.entry(*of).or_default();
        for (name, value) in variables {
            // What this notebook gave to the other one came back: it has its places here.
            let known = here.get(name);
            if known.is_some_and(|known| known.is_text_of(value)) {
                continue;
            }
            here.insert(name.clone(), value.abroad(&mut renumbered));
            // The session knows the same; its texts need not be taken once more.
            let key = (*of, name.clone());
            if let Some(value) = reader.session.variables.get(&key) {
                state.written.insert(key, value.clone());
            }
        }
    }
    let classes = left.classes.iter();
    state
        .classes
        .extend(classes.map(|(key, closure)| (key.clone(), Arc::clone(closure))));
    for (address, dispatch) in &left.dispatches {
        let known = state.dispatches.entry(*address);
        let known = known.or_insert_with(|| dispatch.clone());
        known.incomplete |= dispatch.incomplete;
        for closure in &dispatch.registered {
            known.register(closure);
        }
    }
}

impl crate::fragment::Escape for super::literal::Writing {
    fn escape(&self, text: &str) -> Result<String, crate::fragment::Refusal> {
        self.write(text).map_err(crate::fragment::Refusal)
    }
}

fn from_session(value: &session::Value) -> Value {
    match value {
        session::Value::Unknown => Value::unknown(),
        session::Value::OneOf(texts) => {
            let alternatives = texts
                .iter()
                .map(|text| vec![Segment::Fixed(text.clone())])
                .collect();
            Value::Texts {
                alternatives: Arc::new(alternatives),
                complete: true,
            }
        }
    }
}
