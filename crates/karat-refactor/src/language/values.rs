//! What a program's values can be: texts with the literals that their bytes come from, lists, functions, objects.
//!
//! A text is a list of [`Segment`]s. Bytes of a literal keep their way back, so that a name that lies whole in one literal can be
//! edited there, wherever it is used. What is put in from a variable is a hole with all texts that it can be. The evaluation is in
//! [`super::evaluate`]; what is decided at the end of an asset is in [`super::settle`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, OnceLock};

use super::carried::{Carried, Lender};
use super::literal::Writing;
use super::program::Function;
use crate::fragment::Fragment;
use crate::reader::Reader;
use crate::session::Namespace;
use crate::words;

/// More texts than this are as good as any text.
pub(super) const ALTERNATIVES_MAX: usize = 64;

/// Values of more parts, at all depths, are not followed.
const WEIGHT_MAX: usize = 4_096;

/// So many literals of a value are told.
const LITERALS_MAX: usize = 2_048;

/// So many parts of a value are looked at for its literals.
const VISITS_MAX: usize = 16_384;

/// A literal of the asset, by its number.
pub(super) type LiteralId = usize;

/// A stretch of a text and where it comes from.
#[derive(Clone, Debug)]
pub(super) enum Segment {
    /// Bytes of a literal; `decoded` is what an escape sequence stands for.
    Source {
        /// The cell of the literal.
        home: Arc<Fragment>,
        /// The literal.
        literal: LiteralId,
        /// Its bytes in the cell.
        range: Range<usize>,
        /// What they stand for, if not for themselves.
        decoded: Option<String>,
        /// How new text is written there.
        writing: &'static Writing,
    },
    /// Text that stands in no literal of this asset, or was computed from one.
    Fixed(String),
    /// All of a literal of a notebook that this one includes: a name, or a part of one.
    Lent {
        /// The literal, among those of this asset; in [`Left`] its place in the list there.
        literal: LiteralId,
        /// What stands in it.
        text: String,
    },
    /// What a variable or expression gives.
    Hole(Arc<Hole>),
}

/// A segment of a literal that stands for itself, of which parts can be taken.
#[derive(Clone, Copy)]
pub(super) struct Stretch<'s> {
    /// The cell of the literal.
    pub(super) home: &'s Arc<Fragment>,
    literal: LiteralId,
    start: usize,
    /// Its bytes.
    pub(super) text: &'s str,
    /// How new text is written there.
    pub(super) writing: &'static Writing,
}

impl Segment {
    /// The segment as one that stands for itself, if it does.
    pub(super) fn stretch(&self) -> Option<Stretch<'_>> {
        match self {
            Self::Source {
                home,
                literal,
                range,
                decoded: None,
                writing,
            } => Some(Stretch {
                home,
                literal: *literal,
                start: range.start,
                text: home.text().get(range.clone()).unwrap_or_default(),
                writing,
            }),
            _ => None,
        }
    }
}

impl Stretch<'_> {
    /// Where bytes of it lie in the cell.
    pub(super) fn span(&self, bytes: Range<usize>) -> Range<usize> {
        self.start + bytes.start..self.start + bytes.end
    }

    /// Bytes of it.
    pub(super) fn part(&self, bytes: Range<usize>) -> Segment {
        self.standing_for(bytes, None)
    }

    /// The same, where new text is written in another way.
    pub(super) fn written_as(self, writing: &'static Writing) -> Self {
        Self { writing, ..self }
    }

    /// Bytes of it, and what they stand for if not for themselves.
    pub(super) fn standing_for(&self, bytes: Range<usize>, decoded: Option<String>) -> Segment {
        Segment::Source {
            home: Arc::clone(self.home),
            literal: self.literal,
            range: self.span(bytes),
            decoded,
            writing: self.writing,
        }
    }
}

/// A place that is filled when the code runs.
#[derive(Debug)]
pub(super) struct Hole {
    /// The cell.
    pub(super) home: Arc<Fragment>,
    /// Its bytes: `{db}` with the braces, or the name in a sum.
    pub(super) span: Range<usize>,
    /// Whether its bytes lie in a literal, so that text can be put in front of it.
    pub(super) inside: Option<&'static Writing>,
    /// What it can be.
    pub(super) value: Value,
    /// How a person calls it.
    pub(super) what: String,
    /// How many segments the value is made of, at all depths.
    pub(super) weight: usize,
}

/// A text.
pub(super) type Assembled = Vec<Segment>;

/// What an expression can be.
#[derive(Clone, Debug)]
pub(super) enum Value {
    /// Anything; the literals are those that it was made from.
    Unknown(Arc<Vec<LiteralId>>),
    /// Texts.
    Texts {
        /// Those that are known.
        alternatives: Arc<Vec<Assembled>>,
        /// Whether it can be no other.
        complete: bool,
    },
    /// A list, tuple or set.
    List(Arc<Vec<Value>>),
    /// A dictionary.
    Map(Arc<Vec<(Value, Value)>>),
    /// A function of the program.
    Function(Arc<Closure>),
    /// A class of the program.
    Class(Arc<str>),
    /// An object of a class of the program.
    Instance(Arc<str>),
    /// An object that is only known by how it is reached, as `spark.read.format()`.
    Object(Arc<str>),
    /// A number, a truth value, nothing.
    Constant(Arc<str>),
}

/// A function and the cell it stands in.
#[derive(Debug)]
pub(super) struct Closure {
    /// The function.
    pub(super) function: Arc<Function>,
    /// Its cell.
    pub(super) home: Arc<Fragment>,
    /// Its class, for methods.
    pub(super) class: Option<Arc<str>>,
    /// The language.
    pub(super) namespace: Namespace,
    /// The words of the function, once someone asked.
    pub(super) words: OnceLock<Vec<u64>>,
}

impl Closure {
    /// The words of the function, as numbers.
    pub(super) fn words(&self) -> &[u64] {
        self.words.get_or_init(|| {
            let text = self.home.text().get(self.function.span.clone());
            let all: BTreeSet<u64> = words::words(text.unwrap_or_default())
                .map(words::number)
                .collect();
            all.into_iter().collect()
        })
    }
}

/// What a function with Python's `@singledispatch` runs: itself, or what was registered for the type of its first argument.
#[derive(Clone, Debug)]
pub(super) struct Dispatch {
    /// Itself, for arguments of other types.
    pub(super) otherwise: Arc<Closure>,
    /// In the order of the text.
    pub(super) registered: Vec<Arc<Closure>>,
    /// Whether something was registered that is not followed.
    pub(super) incomplete: bool,
}

/// Such functions by the address of their code.
pub(super) type Dispatches = HashMap<usize, Dispatch>;

impl Value {
    pub(super) fn unknown() -> Self {
        Self::Unknown(Arc::new(Vec::new()))
    }

    pub(super) fn object(path: &str) -> Self {
        // Long chains keep their beginning and their end.
        if path.len() > 160 {
            let head = path.char_indices().nth(60).map_or(path.len(), |(at, _)| at);
            let tail = path.char_indices().rev().nth(60).map_or(0, |(at, _)| at);
            let shortened = format!(
                "{}.{}",
                &path[..head],
                path[tail..]
                    .trim_start_matches(|letter| letter != '.')
                    .trim_start_matches('.')
            );
            let shortened = super::evaluate::columns::without_frame(&shortened);
            return Self::Object(shortened.into());
        }
        Self::Object(path.into())
    }

    pub(super) fn text(assembled: Assembled) -> Self {
        Self::Texts {
            alternatives: Arc::new(vec![assembled]),
            complete: true,
        }
    }

    pub(super) fn fixed(text: &str) -> Self {
        Self::text(vec![Segment::Fixed(text.to_owned())])
    }

    /// All literals that a value is made of.
    pub(super) fn literals(&self, into: &mut Vec<LiteralId>) {
        let mut visits = VISITS_MAX;
        self.literals_within(into, &mut visits);
    }

    /// Values may share parts many times over: no more than so many are looked at.
    fn literals_within(&self, into: &mut Vec<LiteralId>, visits: &mut usize) {
        if *visits == 0 || into.len() >= LITERALS_MAX {
            return;
        }
        *visits -= 1;
        match self {
            Self::Unknown(literals) => into.extend(literals.iter()),
            Self::Texts { alternatives, .. } => {
                for segment in alternatives.iter().flatten() {
                    match segment {
                        Segment::Source { literal, .. } | Segment::Lent { literal, .. } => {
                            if into.last() != Some(literal) {
                                into.push(*literal);
                            }
                        }
                        Segment::Hole(hole) => hole.value.literals_within(into, visits),
                        Segment::Fixed(_) => {}
                    }
                }
            }
            Self::List(values) => values
                .iter()
                .for_each(|value| value.literals_within(into, visits)),
            Self::Map(pairs) => pairs.iter().for_each(|(key, value)| {
                key.literals_within(into, visits);
                value.literals_within(into, visits);
            }),
            Self::Function(_)
            | Self::Class(_)
            | Self::Instance(_)
            | Self::Object(_)
            | Self::Constant(_) => {}
        }
    }

    /// How many parts it is made of, at all depths; counted up to a limit.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Texts { alternatives, .. } => alternatives
                .iter()
                .flatten()
                .map(|segment| match segment {
                    Segment::Hole(hole) => hole.weight + 1,
                    _ => 1,
                })
                .sum(),
            Self::List(values) => {
                let mut weight = 1;
                for value in values.iter() {
                    weight += value.weight();
                    if weight > WEIGHT_MAX {
                        break;
                    }
                }
                weight
            }
            Self::Map(pairs) => {
                let mut weight = 1;
                for (key, value) in pairs.iter() {
                    weight += key.weight() + value.weight();
                    if weight > WEIGHT_MAX {
                        break;
                    }
                }
                weight
            }
            _ => 1,
        }
    }

    /// Whether both are one value, or copies that share what it is made of.
    pub(super) fn is_shared_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unknown(these), Self::Unknown(those)) => Arc::ptr_eq(these, those),
            (
                Self::Texts {
                    alternatives: these,
                    complete: all,
                },
                Self::Texts {
                    alternatives: those,
                    complete: all_too,
                },
            ) => all == all_too && Arc::ptr_eq(these, those),
            (Self::List(these), Self::List(those)) => Arc::ptr_eq(these, those),
            (Self::Map(these), Self::Map(those)) => Arc::ptr_eq(these, those),
            (Self::Function(this), Self::Function(that)) => Arc::ptr_eq(this, that),
            (Self::Class(this), Self::Class(that))
            | (Self::Instance(this), Self::Instance(that))
            | (Self::Object(this), Self::Object(that))
            | (Self::Constant(this), Self::Constant(that)) => this == that,
            _ => false,
        }
    }

    /// The value, or one that is not followed if it has too many parts.
    pub(super) fn bounded(self) -> Self {
        if self.weight() > WEIGHT_MAX {
            self.lost()
        } else {
            self
        }
    }

    /// Unknown, made from what this is made of.
    pub(super) fn lost(&self) -> Self {
        let mut literals = Vec::new();
        self.literals(&mut literals);
        literals.sort_unstable();
        literals.dedup();
        Self::Unknown(Arc::new(literals))
    }

    /// Either this or that.
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Texts {
                    alternatives: these,
                    complete: all,
                },
                Self::Texts {
                    alternatives: those,
                    complete: all_too,
                },
            ) => {
                if Arc::ptr_eq(&these, &those) {
                    return Self::Texts {
                        alternatives: these,
                        complete: all && all_too,
                    };
                }
                let mut alternatives = (*these).clone();
                for other in those.iter() {
                    if !alternatives.iter().any(|known| same(known, other)) {
                        alternatives.push(other.clone());
                    }
                }
                let complete = all && all_too;
                let value = Self::Texts {
                    alternatives: Arc::new(alternatives),
                    complete,
                };
                match &value {
                    Self::Texts { alternatives, .. } if alternatives.len() > ALTERNATIVES_MAX => {
                        value.lost()
                    }
                    _ => value,
                }
            }
            (Self::Texts { alternatives, .. }, Self::Unknown(literals))
            | (Self::Unknown(literals), Self::Texts { alternatives, .. })
                if literals.is_empty() =>
            {
                Self::Texts {
                    alternatives,
                    complete: false,
                }
            }
            // A missing text is no text: `x = None` and later a text.
            (
                Self::Texts {
                    alternatives,
                    complete,
                },
                Self::Constant(constant),
            )
            | (
                Self::Constant(constant),
                Self::Texts {
                    alternatives,
                    complete,
                },
            ) if is_nothing(&constant) => Self::Texts {
                alternatives,
                complete,
            },
            (
                Self::Texts { alternatives, .. },
                Self::Object(_) | Self::Constant(_) | Self::Instance(_),
            )
            | (
                Self::Object(_) | Self::Constant(_) | Self::Instance(_),
                Self::Texts { alternatives, .. },
            ) => Self::Texts {
                alternatives,
                complete: false,
            },
            (Self::List(these), Self::List(those)) => {
                if Arc::ptr_eq(&these, &those) {
                    return Self::List(these);
                }
                let mut values = (*these).clone();
                values.extend(those.iter().cloned());
                Self::List(Arc::new(values))
            }
            (Self::Map(these), Self::Map(those)) => {
                if Arc::ptr_eq(&these, &those) {
                    return Self::Map(these);
                }
                let mut pairs = (*these).clone();
                pairs.extend(those.iter().cloned());
                Self::Map(Arc::new(pairs))
            }
            (Self::Function(this), Self::Function(that)) if Arc::ptr_eq(&this, &that) => {
                Self::Function(this)
            }
            (Self::Object(this), Self::Object(that)) if this == that => Self::Object(this),
            (Self::Constant(this), Self::Constant(that)) if this == that => Self::Constant(this),
            (Self::Class(this), Self::Class(that)) if this == that => Self::Class(this),
            (Self::Instance(this), Self::Instance(that)) if this == that => Self::Instance(this),
            (Self::Object(path), Self::Constant(constant))
            | (Self::Constant(constant), Self::Object(path))
                if is_nothing(&constant) =>
            {
                Self::Object(path)
            }
            (this, that) => {
                let mut literals = Vec::new();
                this.literals(&mut literals);
                that.literals(&mut literals);
                literals.sort_unstable();
                literals.dedup();
                Self::Unknown(Arc::new(literals))
            }
        }
    }

    /// The same, and it may be something else too.
    pub(super) fn or_else(self) -> Self {
        match self {
            Self::Texts { alternatives, .. } => Self::Texts {
                alternatives,
                complete: false,
            },
            other => other,
        }
    }

    /// Whether each text that it can be is one literal.
    pub(super) fn is_of_whole_literals(&self) -> bool {
        let is_one = |text: &Assembled| {
            matches!(
                text.as_slice(),
                [Segment::Source { decoded: None, .. } | Segment::Lent { .. }]
            )
        };
        matches!(self, Self::Texts { alternatives, complete: true } if alternatives.iter().all(is_one))
    }

    /// Whether it is the texts of another value, and tells where they stand, which that one does not.
    pub(super) fn is_text_of(&self, other: &Self) -> bool {
        let stands = |value: &Self| {
            let mut literals = Vec::new();
            value.literals(&mut literals);
            !literals.is_empty()
        };
        stands(self) && !stands(other) && {
            let texts = self.all_texts();
            texts.is_some() && texts == other.all_texts()
        }
    }

    /// All texts it can be; `None` if it can be others.
    pub(super) fn all_texts(&self) -> Option<Vec<String>> {
        match self {
            Self::Texts {
                alternatives,
                complete: true,
            } => {
                let mut all = Vec::new();
                for alternative in alternatives.iter() {
                    all.extend(texts_of(alternative)?);
                    if all.len() > ALTERNATIVES_MAX {
                        return None;
                    }
                }
                all.sort();
                all.dedup();
                Some(all)
            }
            Self::Constant(text) if text.parse::<i64>().is_ok() => Some(vec![text.to_string()]),
            _ => None,
        }
    }

    /// The texts that are known, whether or not there are others.
    pub(super) fn known_texts(&self) -> Vec<String> {
        match self {
            Self::Texts { alternatives, .. } => {
                alternatives.iter().filter_map(texts_of).flatten().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Whether all that it can be begins with a text that stands in the asset itself.
    pub(super) fn begins_in(&self, reader: &Reader<'_>) -> bool {
        let Self::Texts { alternatives, .. } = self else {
            return false;
        };
        alternatives.iter().all(|assembled| {
            matches!(assembled.first(), Some(Segment::Source { home, range, .. }) if reader.is_own(home, range.start))
        })
    }

    /// The texts that are known, with `…` for what is not.
    pub(super) fn shapes(&self) -> Vec<String> {
        let Self::Texts { alternatives, .. } = self else {
            return Vec::new();
        };
        let shape = |assembled: &Assembled| {
            let mut shape = String::new();
            for segment in assembled {
                match segment {
                    Segment::Source {
                        decoded: Some(text),
                        ..
                    }
                    | Segment::Lent { text, .. }
                    | Segment::Fixed(text) => shape.push_str(text),
                    Segment::Source { home, range, .. } => {
                        shape.push_str(home.text().get(range.clone()).unwrap_or_default())
                    }
                    Segment::Hole(_) => shape.push('…'),
                }
            }
            shape
        };
        alternatives.iter().map(shape).collect()
    }

    /// The one text it is.
    pub(super) fn only_text(&self) -> Option<String> {
        let mut all = self.all_texts()?;
        if all.len() == 1 { all.pop() } else { None }
    }
}

pub(super) fn is_nothing(constant: &str) -> bool {
    matches!(
        constant,
        "None" | "null" | "NULL" | "NA" | "Nothing" | "False" | "false" | "FALSE"
    )
}

/// Whether two texts are the same bytes of the same literals.
fn same(this: &Assembled, that: &Assembled) -> bool {
    this.len() == that.len()
        && this.iter().zip(that).all(|pair| match pair {
            (
                Segment::Source { literal, range, .. },
                Segment::Source {
                    literal: other,
                    range: other_range,
                    ..
                },
            ) => literal == other && range == other_range,
            (Segment::Fixed(text), Segment::Fixed(other)) => text == other,
            (
                Segment::Lent { literal, text },
                Segment::Lent {
                    literal: other,
                    text: other_text,
                },
            ) => literal == other && text == other_text,
            (Segment::Hole(hole), Segment::Hole(other)) => Arc::ptr_eq(hole, other),
            _ => false,
        })
}

/// The last letter of a text, as far as it is known.
pub(super) fn last_letter(assembled: &Assembled) -> Option<char> {
    match assembled.last()? {
        Segment::Source {
            decoded: Some(text),
            ..
        }
        | Segment::Lent { text, .. }
        | Segment::Fixed(text) => text.chars().next_back(),
        Segment::Source { home, range, .. } => home.text().get(range.clone())?.chars().next_back(),
        Segment::Hole(_) => None,
    }
}

/// The text that a text with holes is, if each hole has one known value, whether or not it can have others.
pub(super) fn texts_given(assembled: &Assembled) -> Option<String> {
    let mut text = String::new();
    for segment in assembled {
        match segment {
            Segment::Source {
                decoded: Some(decoded),
                ..
            }
            | Segment::Lent { text: decoded, .. }
            | Segment::Fixed(decoded) => text.push_str(decoded),
            Segment::Source { home, range, .. } => {
                text.push_str(home.text().get(range.clone()).unwrap_or_default())
            }
            Segment::Hole(hole) => match &hole.value {
                Value::Texts { alternatives, .. } if alternatives.len() == 1 => {
                    text.push_str(&texts_given(&alternatives[0])?)
                }
                _ => return None,
            },
        }
        if text.len() > 1024 * 1024 {
            return None;
        }
    }
    Some(text)
}

/// All texts that a text with holes can be; `None` if a hole is open or there are too many.
pub(super) fn texts_of(assembled: &Assembled) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    for segment in assembled {
        match segment {
            Segment::Source {
                home,
                range,
                decoded,
                ..
            } => {
                let text = match decoded {
                    Some(text) => text.as_str(),
                    None => home.text().get(range.clone()).unwrap_or_default(),
                };
                texts.iter_mut().for_each(|start| start.push_str(text));
            }
            Segment::Fixed(text) | Segment::Lent { text, .. } => {
                texts.iter_mut().for_each(|start| start.push_str(text))
            }
            Segment::Hole(hole) => {
                let values = hole.value.all_texts()?;
                if texts.len() * values.len() > ALTERNATIVES_MAX || values.is_empty() {
                    return None;
                }
                texts = texts
                    .iter()
                    .flat_map(|start| values.iter().map(move |value| format!("{start}{value}")))
                    .collect();
            }
        }
        // Texts that double and double again are no names.
        if texts.iter().map(String::len).sum::<usize>() > 4 * 1024 * 1024 {
            return None;
        }
    }
    Some(texts)
}

/// What became of a literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is, or holds, names of tables or databases, or SQL; occurrences tell the rest.
    Named,
    /// It is a path of storage.
    Path,
    /// It is the path of a table that the catalog keeps.
    Location,
    /// It is a part of a path, and not its beginning.
    Segment,
    /// It is a path of the driver's own files.
    File,
    /// It is the name of a temporary view.
    View,
    /// It names columns.
    Column,
    /// It is shown to people.
    Shown,
    /// It is a comment, as a docstring.
    Comment,
    /// It is a word of its own.
    Word,
    /// It fills a hole of a text that was told to the reader; [`Use`] says which.
    Filled,
    /// Something may be done with it that is not followed and that a whole name in it would survive; a part of a name would not.
    Aside(&'static str),
    /// It belongs to another system.
    Foreign,
    /// It names a notebook.
    Notebook,
    /// It stands in quotes in a SQL text: data that must stay as it is.
    Quoted,
    /// It is used in a way that is not followed.
    Unknown(String),
    /// It is used in a way that breaks when it changes.
    Broken(String),
}

/// A literal.
#[derive(Clone, Debug)]
pub(super) struct Literal {
    /// Its cell.
    pub(super) home: Arc<Fragment>,
    /// Its bytes, quotes included.
    pub(super) span: Range<usize>,
    /// Its holes.
    pub(super) holes: Vec<Range<usize>>,
    /// All that became of it.
    pub(super) fates: Vec<Fate>,
    /// The name it is assigned to, for messages.
    pub(super) name: Option<String>,
    /// Its decoded text, for paths; holes have their values where known.
    pub(super) text: Assembled,
    /// Whether it lies in a stretch that the grammar did not understand.
    pub(super) broken: bool,
    /// The asset it stands in, if that is another one, and where.
    pub(super) lender: Option<Lender>,
    /// Whether it stands in a function.
    pub(super) is_local: bool,
    /// Whether it stands where a database does: under such a key, in front of a dot.
    pub(super) is_like_database: bool,
    /// What it is for those who may exchange it, as `the default of the widget …`.
    pub(super) for_others: Option<String>,
}

impl Literal {
    pub(super) fn note(&mut self, fate: &Fate) {
        if !self.fates.contains(fate) && self.fates.len() < 8 {
            self.fates.push(fate.clone());
        }
    }
}

/// One report to the reader: which literals it read.
#[derive(Clone, Debug)]
pub(super) struct Use {
    /// The occurrences that came of it, by their numbers.
    pub(super) occurrences: Range<usize>,
    /// Literals whose bytes it can edit.
    pub(super) sources: Vec<LiteralId>,
    /// Literals that only fill a hole.
    pub(super) holes: Vec<Filling>,
}

/// A name in front of a column of a data frame, which may be a table.
#[derive(Clone, Debug)]
pub(super) struct Qualified {
    /// Its occurrence, by its number.
    pub(super) index: usize,
    /// Its first part in lower case: what an alias would be called.
    pub(super) name: String,
    /// Whether the frame is known to be that table.
    pub(super) is_frame: bool,
    /// The table, if its database is written too.
    pub(super) table: Option<(String, String)>,
}

/// A literal in a hole.
#[derive(Clone, Debug)]
pub(super) struct Filling {
    pub(super) literal: LiteralId,
    /// The hole, by its mark.
    pub(super) mark: usize,
    /// The bytes of the hole in the asset.
    pub(super) place: Range<usize>,
    /// Whether all that can fill the hole is one literal each.
    pub(super) is_whole: bool,
}

/// What is kept from cell to cell of one asset.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub(super) literals: Vec<Literal>,
    pub(super) by_place: HashMap<(usize, usize), LiteralId>,
    pub(super) uses: Vec<Use>,
    /// Variables of the notebook by language.
    pub(super) globals: BTreeMap<Namespace, HashMap<String, Value>>,
    /// The values whose texts were last written to the session.
    pub(super) told: BTreeMap<Namespace, HashMap<String, Value>>,
    /// The texts that were last written to the session, by variable.
    pub(super) written: BTreeMap<(Namespace, String), crate::session::Value>,
    /// Every function, in the order of the text.
    pub(super) functions: Vec<Arc<Closure>>,
    /// Functions that were evaluated, by the address of their code.
    pub(super) called: std::collections::HashSet<usize>,
    /// What included notebooks left, as far as it is known here already.
    pub(super) seen: Carried,
    /// Methods by class.
    pub(super) classes: HashMap<(Arc<str>, String), Arc<Closure>>,
    /// What is run by the type of an argument.
    pub(super) dispatches: Dispatches,
    /// Notebook-level options by key, as `spark.conf.set`.
    pub(super) findings: std::collections::HashSet<(&'static str, usize, usize)>,
    /// Calls of functions that were evaluated so far.
    pub(super) calls: usize,
    /// Literals of included notebooks, by where they stand there.
    pub(super) lenders: BTreeMap<Lender, LiteralId>,
    /// Names in front of columns of data frames that may be tables.
    pub(super) qualified: Vec<Qualified>,
    /// Aliases that data frames get anywhere, in lower case.
    pub(super) aliases: BTreeSet<String>,
    /// Whether a data frame gets an alias that is not known.
    pub(super) aliases_incomplete: bool,
    /// Tables that are read as data frames: database and table.
    pub(super) frames: BTreeSet<(String, String)>,
}

impl State {
    /// Whether any variable has a value so far.
    pub(crate) fn has_variables(&self) -> bool {
        self.globals.values().any(|variables| !variables.is_empty())
    }
}
