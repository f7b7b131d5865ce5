//! What the programs of a notebook leave to the one that includes it: variables, functions and methods, without places in the notebook they come from.
//!
//! A notebook sees the part of it that it mentions ([`Carried::seen_by`]); what it leaves takes the place of that part ([`Carried::after`]).

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write;
use std::sync::Arc;

use super::values::{Assembled, Closure, Dispatches, Hole, LiteralId, Segment, Value, texts_given};
use crate::session::Namespace;
use crate::words::{self, Mentioned};

/// What the programs of a notebook leave to the one that includes it. Two are the same if they are the same copy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Carried(pub(super) Option<Arc<Left>>);

/// Variables, functions, methods and what is registered, without places in the notebook they come from.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) globals: BTreeMap<Namespace, HashMap<String, Value>>,
    pub(super) classes: HashMap<(Arc<str>, String), Arc<Closure>>,
    pub(super) dispatches: Dispatches,
    /// The literals that [`Segment::Lent`] means, with what stands in them.
    pub(super) lent: Arc<Vec<(Lender, String)>>,
}

/// A literal of an asset, for others: the asset and the first byte between its quotes.
pub(super) type Lender = (Arc<str>, usize);

impl Carried {
    fn address(&self) -> usize {
        self.0.as_ref().map_or(0, |left| Arc::as_ptr(left) as usize)
    }
}

impl PartialEq for Carried {
    fn eq(&self, other: &Self) -> bool {
        self.address() == other.address()
    }
}

impl Eq for Carried {}

impl PartialOrd for Carried {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Carried {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.address().cmp(&other.address())
    }
}

/// What a notebook may see of those that ran before it: what it mentions, what functions mention that it may call, and so on.
pub(crate) struct Sight<'m> {
    mentioned: &'m Mentioned,
    /// Words that were met on the way.
    more: HashSet<u64>,
    /// Classes whose methods it may call.
    classes: HashSet<Arc<str>>,
    /// Functions that it may call, by address.
    functions: HashSet<usize>,
    /// How many parts of values may be looked at yet.
    visits: usize,
}

/// Values share parts: of more than so many nobody tells what they reach.
const VISITS_MAX: usize = 1_000_000;

impl<'m> Sight<'m> {
    pub(crate) fn of(mentioned: &'m Mentioned) -> Self {
        Self {
            mentioned,
            more: HashSet::new(),
            classes: HashSet::new(),
            functions: HashSet::new(),
            visits: VISITS_MAX,
        }
    }

    /// Whether a variable may be used.
    pub(crate) fn has(&self, variable: &[u64]) -> bool {
        let known = |word: &u64| self.mentioned.has(*word) || self.more.contains(word);
        variable.iter().all(known)
    }

    /// A text may be used: as a format, it may mention others.
    pub(crate) fn text(&mut self, text: &str) {
        if text.contains(['{', '%', '$']) {
            self.words(text);
        }
    }

    fn words(&mut self, text: &str) {
        self.more.extend(words::words(text).map(words::number));
    }

    /// How much was seen so far.
    pub(crate) fn size(&self) -> usize {
        self.more.len() + self.classes.len() + self.functions.len()
    }

    /// Whether all that is reached was seen.
    pub(crate) fn is_whole(&self) -> bool {
        self.visits > 0
    }

    fn value(&mut self, value: &Value) {
        self.visits = self.visits.saturating_sub(1);
        if self.visits == 0 {
            return;
        }
        match value {
            Value::Unknown(_) => {}
            Value::Texts { alternatives, .. } => {
                for segment in alternatives.iter().flatten() {
                    match segment {
                        Segment::Fixed(text)
                        | Segment::Lent { text, .. }
                        | Segment::Source {
                            decoded: Some(text),
                            ..
                        } => self.text(text),
                        Segment::Source { home, range, .. } => {
                            self.text(home.text().get(range.clone()).unwrap_or_default());
                        }
                        Segment::Hole(hole) => self.value(&hole.value),
                    }
                }
            }
            Value::List(values) => values.iter().for_each(|value| self.value(value)),
            Value::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                self.value(key);
                self.value(value);
            }),
            Value::Function(closure) => self.function(closure),
            Value::Class(class) | Value::Instance(class) => {
                self.words(class);
                self.classes.insert(Arc::clone(class));
            }
            // What is reached from it may be a variable: `module.NAME`.
            Value::Object(path) => self.words(path.split('.').next().unwrap_or(path)),
            Value::Constant(_) => {}
        }
    }

    fn function(&mut self, closure: &Arc<Closure>) {
        if self
            .functions
            .insert(Arc::as_ptr(&closure.function) as usize)
        {
            self.more.extend(closure.words());
            if let Some(class) = &closure.class {
                self.words(class);
                self.classes.insert(Arc::clone(class));
            }
        }
    }
}

impl Carried {
    /// Takes into sight all that can be reached of it.
    pub(crate) fn look(&self, sight: &mut Sight<'_>) {
        let Some(left) = &self.0 else { return };
        let names = left.globals.values().flatten();
        let mut unseen: Vec<(Vec<u64>, &Value)> = names
            .map(|(name, value)| (words::words_of_variable(name).collect(), value))
            .collect();
        let of_class = left.classes.iter();
        let mut methods: Vec<(Vec<u64>, &Arc<str>, &Arc<Closure>)> = of_class
            .map(|((class, _), method)| {
                (
                    words::words(class).map(words::number).collect(),
                    class,
                    method,
                )
            })
            .collect();
        loop {
            let before = sight.size();
            unseen.retain(|(words, value)| {
                let has = sight.has(words);
                if has {
                    sight.value(value);
                }
                !has
            });
            methods.retain(|(words, class, method)| {
                let has = sight.classes.contains(*class) || sight.has(words);
                if has {
                    sight.function(method);
                }
                !has
            });
            for (address, dispatch) in &left.dispatches {
                if sight.functions.contains(address) {
                    sight.function(&dispatch.otherwise);
                    dispatch
                        .registered
                        .iter()
                        .for_each(|one| sight.function(one));
                }
            }
            if sight.size() == before {
                return;
            }
        }
    }

    /// The part of it that is in sight.
    pub(crate) fn seen_by(&self, sight: &Sight<'_>) -> Self {
        let Some(left) = &self.0 else {
            return Self::default();
        };
        let mut globals: BTreeMap<Namespace, HashMap<String, Value>> = BTreeMap::new();
        for (of, variables) in &left.globals {
            let seen: HashMap<String, Value> = variables
                .iter()
                .filter(|(name, _)| {
                    sight.has(&words::words_of_variable(name).collect::<Vec<u64>>())
                })
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            if !seen.is_empty() {
                globals.insert(*of, seen);
            }
        }
        let classes = left.classes.iter();
        let classes: HashMap<_, _> = classes
            .filter(|(_, method)| {
                sight
                    .functions
                    .contains(&(Arc::as_ptr(&method.function) as usize))
            })
            .map(|(key, method)| (key.clone(), Arc::clone(method)))
            .collect();
        let dispatches = left.dispatches.iter();
        let dispatches: Dispatches = dispatches
            .filter(|(address, _)| sight.functions.contains(address))
            .map(|(address, dispatch)| (*address, dispatch.clone()))
            .collect();
        if globals.is_empty() && classes.is_empty() && dispatches.is_empty() {
            return Self::default();
        }
        Self(Some(Arc::new(Left {
            globals,
            classes,
            dispatches,
            lent: Arc::clone(&left.lent),
        })))
    }

    /// What is left if a notebook saw only this part of it, and left that.
    pub(crate) fn after(&self, seen: &Self, left: &Self) -> Self {
        if left == seen {
            return self.clone();
        }
        let (Some(whole), Some(new)) = (&self.0, &left.0) else {
            return left.clone();
        };
        let mut lent = Arc::clone(&whole.lent);
        let mut numbers: Vec<LiteralId> = Vec::new();
        let mut known: HashMap<&Lender, LiteralId> = whole
            .lent
            .iter()
            .enumerate()
            .map(|(number, (lender, _))| (lender, number))
            .collect();
        for (lender, text) in new.lent.iter() {
            let next = lent.len();
            let number = *known.entry(lender).or_insert_with(|| {
                Arc::make_mut(&mut lent).push((lender.clone(), text.clone()));
                next
            });
            numbers.push(number);
        }
        let mut renumbered = |segment: &Segment| match segment {
            Segment::Lent { literal, .. } => numbers.get(*literal).copied(),
            _ => None,
        };
        let mut globals = whole.globals.clone();
        if let Some(seen) = &seen.0 {
            for (of, variables) in &seen.globals {
                let here = globals.entry(*of).or_default();
                variables.keys().for_each(|name| {
                    here.remove(name);
                });
            }
        }
        // Members of an object are known for the class that was defined last.
        let of_seen = seen.0.as_ref().map(|seen| &seen.classes);
        if new
            .classes
            .keys()
            .any(|method| of_seen.is_none_or(|seen| !seen.contains_key(method)))
        {
            for variables in globals.values_mut() {
                variables.retain(|name, _| !name.starts_with("self."));
            }
        }
        for (of, variables) in &new.globals {
            let here = globals.entry(*of).or_default();
            here.extend(
                variables
                    .iter()
                    .map(|(name, value)| (name.clone(), value.abroad(&mut renumbered))),
            );
        }
        let mut classes = whole.classes.clone();
        classes.extend(
            new.classes
                .iter()
                .map(|(key, method)| (key.clone(), Arc::clone(method))),
        );
        let mut dispatches = whole.dispatches.clone();
        dispatches.extend(
            new.dispatches
                .iter()
                .map(|(address, one)| (*address, one.clone())),
        );
        Self(Some(Arc::new(Left {
            globals,
            classes,
            dispatches,
            lent,
        })))
    }

    /// Writes what tells it from others, as long as it is not dropped: functions and cells are told by their addresses.
    pub(crate) fn identify(&self, into: &mut impl Write) -> std::io::Result<()> {
        let Some(left) = &self.0 else { return Ok(()) };
        for (of, variables) in &left.globals {
            let sorted: BTreeMap<&String, &Value> = variables.iter().collect();
            write!(into, "{of:?}{};", sorted.len())?;
            for (name, value) in sorted {
                write!(into, "{name:?}")?;
                left.identify(value, into)?;
            }
        }
        let methods = left.classes.iter();
        let methods: BTreeMap<_, usize> = methods
            .map(|(key, method)| (key, Arc::as_ptr(method) as usize))
            .collect();
        write!(into, "{methods:?}")?;
        let dispatches: BTreeMap<_, _> = left.dispatches.iter().collect();
        for (address, dispatch) in dispatches {
            let registered = dispatch.registered.iter();
            let registered: Vec<usize> = registered.map(|one| Arc::as_ptr(one) as usize).collect();
            let otherwise = Arc::as_ptr(&dispatch.otherwise) as usize;
            write!(
                into,
                "{address} {otherwise} {registered:?} {}",
                dispatch.incomplete
            )?;
        }
        Ok(())
    }

    /// Writes what tells this copy from others, as long as it is not dropped.
    pub(crate) fn identify_copy(&self, into: &mut impl Write) -> std::io::Result<()> {
        write!(into, "{}", self.address())
    }
}

impl Left {
    fn identify(&self, value: &Value, into: &mut impl Write) -> std::io::Result<()> {
        match value {
            Value::Unknown(_) => write!(into, "?"),
            Value::Texts {
                alternatives,
                complete,
            } => {
                write!(into, "t{complete}{};", alternatives.len())?;
                for text in alternatives.iter() {
                    write!(into, "{};", text.len())?;
                    for segment in text {
                        self.identify_segment(segment, into)?;
                    }
                }
                Ok(())
            }
            Value::List(values) => {
                write!(into, "l{};", values.len())?;
                values
                    .iter()
                    .try_for_each(|value| self.identify(value, into))
            }
            Value::Map(pairs) => {
                write!(into, "m{};", pairs.len())?;
                pairs.iter().try_for_each(|(key, value)| {
                    self.identify(key, into)?;
                    self.identify(value, into)
                })
            }
            Value::Function(closure) => write!(into, "f{};", Arc::as_ptr(closure) as usize),
            Value::Class(class) => write!(into, "c{class:?}"),
            Value::Instance(class) => write!(into, "i{class:?}"),
            Value::Object(path) => write!(into, "o{path:?}"),
            Value::Constant(constant) => write!(into, "k{constant:?}"),
        }
    }

    fn identify_segment(&self, segment: &Segment, into: &mut impl Write) -> std::io::Result<()> {
        match segment {
            Segment::Source {
                home,
                range,
                decoded,
                ..
            } => write!(into, "s{} {range:?}{decoded:?}", Arc::as_ptr(home) as usize),
            Segment::Fixed(text) => write!(into, "x{text:?}"),
            Segment::Lent { literal, text } => {
                write!(into, "b{:?}{text:?}", self.lent.get(*literal))
            }
            Segment::Hole(hole) => {
                write!(
                    into,
                    "h{} {:?}",
                    Arc::as_ptr(&hole.home) as usize,
                    hole.span
                )?;
                self.identify(&hole.value, into)
            }
        }
    }
}

impl Value {
    /// The value without places in this asset: for notebooks that include it. `lend` gives the number that a literal has for them.
    pub(super) fn abroad(&self, lend: &mut impl FnMut(&Segment) -> Option<LiteralId>) -> Self {
        self.changed_abroad(lend).unwrap_or_else(|| self.clone())
    }

    /// The same, if it differs: what is handed on from notebook to notebook is not copied each time.
    fn changed_abroad(&self, lend: &mut impl FnMut(&Segment) -> Option<LiteralId>) -> Option<Self> {
        match self {
            Self::Unknown(literals) => (!literals.is_empty()).then(Self::unknown),
            Self::Texts {
                alternatives,
                complete,
            } => {
                let changed = changed(alternatives, |text| text_abroad(text, lend))?;
                Some(Self::Texts {
                    alternatives: Arc::new(changed),
                    complete: *complete,
                })
            }
            Self::List(values) => {
                let changed = changed(values, |value| value.changed_abroad(lend))?;
                Some(Self::List(Arc::new(changed)))
            }
            Self::Map(pairs) => {
                let changed = changed(pairs, |(key, value)| {
                    let (new_key, new_value) =
                        (key.changed_abroad(lend), value.changed_abroad(lend));
                    if new_key.is_none() && new_value.is_none() {
                        return None;
                    }
                    Some((
                        new_key.unwrap_or_else(|| key.clone()),
                        new_value.unwrap_or_else(|| value.clone()),
                    ))
                })?;
                Some(Self::Map(Arc::new(changed)))
            }
            _ => None,
        }
    }
}

/// A list with what becomes of its elements; `None` if all stay.
fn changed<T: Clone>(list: &[T], mut change: impl FnMut(&T) -> Option<T>) -> Option<Vec<T>> {
    let mut all: Option<Vec<T>> = None;
    for (at, one) in list.iter().enumerate() {
        let new = change(one);
        match (&mut all, new) {
            (Some(all), new) => all.push(new.unwrap_or_else(|| one.clone())),
            (None, Some(new)) => {
                let mut before = list[..at].to_vec();
                before.push(new);
                all = Some(before);
            }
            (None, None) => {}
        }
    }
    all
}

/// A text without places in this asset, if it differs.
fn text_abroad(
    assembled: &Assembled,
    lend: &mut impl FnMut(&Segment) -> Option<LiteralId>,
) -> Option<Assembled> {
    let is_fixed = |segment: &Segment| matches!(segment, Segment::Fixed(_));
    if assembled.iter().all(is_fixed) {
        return None;
    }
    let mut parts: Assembled = Vec::new();
    let mut differs = false;
    for segment in assembled {
        if let Some(literal) = lend(segment) {
            differs |=
                !matches!(segment, Segment::Lent { literal: before, .. } if *before == literal);
            let text = texts_given(&vec![segment.clone()]).unwrap_or_default();
            parts.push(Segment::Lent { literal, text });
            continue;
        }
        let text = match segment {
            Segment::Fixed(text) => text.clone(),
            Segment::Source {
                decoded: Some(text),
                ..
            }
            | Segment::Lent { text, .. } => {
                differs = true;
                text.clone()
            }
            Segment::Source { home, range, .. } => {
                differs = true;
                home.text()
                    .get(range.clone())
                    .unwrap_or_default()
                    .to_owned()
            }
            Segment::Hole(hole) => {
                let value = hole.value.changed_abroad(lend);
                if value.is_none() && hole.inside.is_none() {
                    parts.push(segment.clone());
                    continue;
                }
                differs = true;
                parts.push(Segment::Hole(Arc::new(Hole {
                    home: Arc::clone(&hole.home),
                    span: hole.span.clone(),
                    inside: None,
                    value: value.unwrap_or_else(|| hole.value.clone()),
                    what: hole.what.clone(),
                    weight: hole.weight,
                })));
                continue;
            }
        };
        match parts.last_mut() {
            Some(Segment::Fixed(before)) => before.push_str(&text),
            _ => parts.push(Segment::Fixed(text)),
        }
    }
    differs.then_some(parts)
}
