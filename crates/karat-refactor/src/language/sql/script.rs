//! SQL scripts: which statements run in any case, which only on some way through `IF`, `CASE`, loops and handlers, and what is current behind
//! them. What a single statement names is told by [`super::statement`].
//!
//! The text is taken apart first ([`steps`]), and walked afterwards. Behind a branch one of several databases is current, as in Python.
//! Words that only look like a script's (`IF` without `THEN`, `FOR` without `DO`) leave the statement whole.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::sync::Arc;

use super::lexer::{Kind, Token, Tokens};
use super::{statement, string_inside};
use crate::fragment::Fragment;
use crate::language::Language;
use crate::occurrence::{Doubt, Means, rule};
use crate::reader::Reader;
use crate::session::{Current, Value};

/// What encloses statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Block {
    /// `BEGIN … END`.
    Compound,
    /// `IF` and `CASE`: one of several ways.
    Branch,
    /// `WHILE`, `LOOP`, `REPEAT`, `FOR`.
    Loop,
    /// `DECLARE … HANDLER FOR …`: whether the block goes on behind it.
    Handler { goes_on: bool },
    /// The body of a procedure: it does not run here.
    Procedure,
}

/// A step through a script. Ranges are tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Statement(Range<usize>),
    /// A condition, or what a `CASE` compares.
    Expression(Range<usize>),
    Enter(Block, Option<String>),
    /// One more way of the branch.
    Way {
        /// Whether it is the one that runs if no other does.
        otherwise: bool,
    },
    Leave(String),
    Exit,
}

/// A text, taken apart.
struct Script<'t> {
    text: &'t str,
    /// Without blanks and comments.
    tokens: &'t [Token],
    steps: Vec<Step>,
    /// Blocks that are open: the step that entered them, the word that ends them.
    open: Vec<(usize, &'static str)>,
    /// How many of them end with each word.
    words: BTreeMap<&'static str, usize>,
    /// Those of them that are compounds, by the step that entered them.
    compounds: Vec<usize>,
    /// Compounds with a handler that leaves them, by the step that entered them.
    handled: BTreeSet<usize>,
}

/// Reads the statements of a text, given as its tokens without blanks and comments.
pub(super) fn read(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    tokens: &[Token],
    hints: &[Range<usize>],
) {
    let mut script = Script {
        text: fragment.text(),
        tokens,
        steps: Vec::new(),
        open: Vec::new(),
        words: BTreeMap::new(),
        compounds: Vec::new(),
        handled: BTreeSet::new(),
    };
    script.take_apart();
    let variables = Variables::of(fragment.text(), tokens);
    Run {
        exits: exits(&script.steps),
        uses: script.uses(),
        script: &script,
        fragment,
        hints,
        variables,
        frames: Vec::new(),
        labels: BTreeMap::new(),
    }
    .all(reader);
}

/// The step behind each block, by the step that enters it.
fn exits(steps: &[Step]) -> BTreeMap<usize, usize> {
    let mut open = Vec::new();
    let mut exits = BTreeMap::new();
    for (at, step) in steps.iter().enumerate() {
        match step {
            Step::Enter(..) => open.push(at),
            Step::Exit => exits.extend(open.pop().map(|enter| (enter, at))),
            _ => {}
        }
    }
    exits
}

impl Tokens for Script<'_> {
    fn text(&self) -> &str {
        self.text
    }

    fn tokens(&self) -> &[Token] {
        self.tokens
    }
}

impl Script<'_> {
    /// How many statements up to each step change what is current.
    fn uses(&self) -> Vec<usize> {
        let mut uses = Vec::with_capacity(self.steps.len() + 1);
        let mut count = 0;
        uses.push(count);
        for step in &self.steps {
            if let Step::Statement(tokens) = step {
                let may_change = self.is_one_of(tokens.start, &["USE", "EXECUTE", "CALL"])
                    || self.is(tokens.start, "SET") && self.is(tokens.start + 1, "CATALOG");
                count += usize::from(may_change);
            }
            uses.push(count);
        }
        uses
    }

    fn take_apart(&mut self) {
        let mut from = 0;
        for at in 0..=self.tokens.len() {
            let is_end = at == self.tokens.len()
                || self.tokens[at].kind == Kind::Symbol && self.token_text(at) == ";";
            if is_end {
                self.piece(from, at);
                from = at + 1;
            }
        }
        while !self.open.is_empty() {
            self.exit();
        }
    }

    /// What stands between two semicolons: any number of openings and closings around at most one statement.
    fn piece(&mut self, from: usize, end: usize) {
        let mut at = from;
        while at < end {
            let label = (self.token_text(at + 1) == ":"
                && self.is_one_of(at + 2, &["BEGIN", "LOOP", "WHILE", "REPEAT", "FOR"]))
            .then(|| self.token_text(at).trim_matches('`').to_lowercase());
            let opening = if label.is_some() { at + 2 } else { at };
            match self.opening(opening, end, label) {
                Some(behind) => at = behind,
                None => break,
            }
        }
        if at < end {
            self.steps.push(Step::Statement(at..end));
        }
        while self.ends_with_statement() {
            self.exit();
        }
    }

    /// Whether the innermost block is a handler of one statement.
    fn ends_with_statement(&self) -> bool {
        self.open.last().is_some_and(|(_, word)| word.is_empty())
    }

    /// What opens, continues or closes a block here; the token behind it, or none if a statement begins here.
    fn opening(&mut self, at: usize, end: usize, label: Option<String>) -> Option<usize> {
        let word = self.token_text(at).to_ascii_uppercase();
        match word.as_str() {
            "BEGIN" if !self.is_one_of(at + 1, &["TRANSACTION", "TRAN", "WORK"]) => {
                self.enter(Block::Compound, label, "");
                let mut at = at + 1;
                if self.is(at, "NOT") && self.is(at + 1, "ATOMIC") {
                    at += 1;
                }
                at += usize::from(self.is(at, "ATOMIC"));
                Some(at)
            }
            "IF" => {
                let then = self.find(at + 1, end, &["THEN"])?;
                self.steps.push(Step::Expression(at + 1..then));
                self.enter(Block::Branch, None, "IF");
                self.steps.push(Step::Way { otherwise: false });
                Some(then + 1)
            }
            "CASE" => {
                let when = self.find(at + 1, end, &["WHEN"])?;
                let then = self.find(when + 1, end, &["THEN"])?;
                self.steps.push(Step::Expression(at + 1..when));
                self.steps.push(Step::Expression(when + 1..then));
                self.enter(Block::Branch, None, "CASE");
                self.steps.push(Step::Way { otherwise: false });
                Some(then + 1)
            }
            "ELSEIF" | "WHEN" => {
                let then = self.find(at + 1, end, &["THEN"])?;
                self.back_to(if word == "WHEN" { &["CASE"] } else { &["IF"] })?;
                self.steps.push(Step::Expression(at + 1..then));
                self.steps.push(Step::Way { otherwise: false });
                Some(then + 1)
            }
            "ELSE" => {
                self.back_to(&["IF", "CASE"])?;
                self.steps.push(Step::Way { otherwise: true });
                Some(at + 1)
            }
            "WHILE" | "FOR" => {
                let then = self.find(at + 1, end, &["DO"])?;
                if word == "WHILE" {
                    self.steps.push(Step::Expression(at + 1..then));
                } else {
                    let named = usize::from(self.is(at + 2, "AS")) * 2;
                    self.steps.push(Step::Statement(at + 1 + named..then));
                }
                self.enter(
                    Block::Loop,
                    label,
                    if word == "FOR" { "FOR" } else { "WHILE" },
                );
                Some(then + 1)
            }
            "LOOP" if at + 1 < end => {
                self.enter(Block::Loop, label, "LOOP");
                Some(at + 1)
            }
            "REPEAT" if self.token_text(at + 1) != "(" => {
                self.enter(Block::Loop, label, "REPEAT");
                Some(at + 1)
            }
            "UNTIL" => {
                let close = self.find(at + 1, end, &["END"])?;
                self.back_to(&["REPEAT"])?;
                self.steps.push(Step::Expression(at + 1..close));
                Some(close)
            }
            "END" => self.end(at, end),
            "LEAVE" | "ITERATE" if at + 2 == end => {
                let label = self.token_text(at + 1).trim_matches('`').to_lowercase();
                self.steps.push(Step::Leave(label));
                Some(end)
            }
            "DECLARE" => self.handler(at),
            "CREATE" => self.procedure(at, end),
            _ => None,
        }
    }

    fn end(&mut self, at: usize, end: usize) -> Option<usize> {
        const KINDS: &[&str] = &["IF", "CASE", "WHILE", "LOOP", "FOR", "REPEAT"];
        let kind = KINDS.iter().find(|kind| self.is(at + 1, kind));
        self.back_to(&[*kind.unwrap_or(&"END")])?;
        self.exit();
        // A handler whose statement was this block.
        while self.ends_with_statement() {
            self.exit();
        }
        let behind = at + 1 + usize::from(kind.is_some());
        // The label again.
        Some(behind + usize::from(behind + 1 == end))
    }

    /// `DECLARE EXIT HANDLER FOR SQLEXCEPTION, NOT FOUND …`.
    fn handler(&mut self, at: usize) -> Option<usize> {
        let goes_on = self.is(at + 1, "CONTINUE");
        if !goes_on && !self.is(at + 1, "EXIT")
            || !self.is(at + 2, "HANDLER")
            || !self.is(at + 3, "FOR")
        {
            return None;
        }
        let mut at = at + 4;
        loop {
            if self.is(at, "SQLSTATE") {
                at += 1 + usize::from(self.is(at + 1, "VALUE"));
            } else if self.is(at, "NOT") {
                at += 1;
            }
            at += 1;
            if self.token_text(at) != "," {
                break;
            }
            at += 1;
        }
        if !goes_on {
            self.handled.extend(self.compounds.last());
        }
        self.enter_until(Block::Handler { goes_on }, None, "");
        Some(at)
    }

    /// `CREATE PROCEDURE … AS BEGIN`: its body is a block that does not run here.
    fn procedure(&mut self, at: usize, end: usize) -> Option<usize> {
        let what = at + if self.is(at + 1, "OR") { 3 } else { 1 };
        if !self.is(what, "PROCEDURE") {
            return None;
        }
        let body = (what..end).find(|at| self.is(*at, "BEGIN"))?;
        self.steps.push(Step::Statement(at..body));
        self.enter_until(Block::Procedure, None, "");
        Some(body)
    }

    fn enter(&mut self, block: Block, label: Option<String>, word: &'static str) {
        self.enter_until(block, label, if word.is_empty() { "END" } else { word });
    }

    /// Enters a block that ends with a word behind `END`; with the next statement, if there is none.
    fn enter_until(&mut self, block: Block, label: Option<String>, word: &'static str) {
        self.open.push((self.steps.len(), word));
        *self.words.entry(word).or_default() += 1;
        if block == Block::Compound {
            self.compounds.push(self.steps.len());
        }
        self.steps.push(Step::Enter(block, label));
    }

    fn exit(&mut self) {
        if let Some((enter, word)) = self.open.pop() {
            if let Some(count) = self.words.get_mut(word) {
                *count -= 1;
            }
            self.compounds.pop_if(|compound| *compound == enter);
            self.steps.push(Step::Exit);
        }
    }

    /// Closes what is open within the innermost block that ends with one of these words; none if there is no such block.
    fn back_to(&mut self, words: &[&str]) -> Option<()> {
        let is_open = |word: &&str| self.words.get(*word).is_some_and(|count| *count > 0);
        if !words.iter().any(is_open) {
            return None;
        }
        let at = self
            .open
            .iter()
            .rposition(|(_, word)| words.contains(word))?;
        while self.open.len() > at + 1 {
            self.exit();
        }
        Some(())
    }

    /// The first of these words that stands in no parentheses and no `CASE … END`.
    fn find(&self, from: usize, end: usize, words: &[&str]) -> Option<usize> {
        let (mut parentheses, mut cases) = (0_usize, 0_usize);
        for at in from..end {
            match self.tokens[at].kind {
                Kind::Symbol => match self.token_text(at) {
                    "(" => parentheses += 1,
                    ")" => parentheses = parentheses.saturating_sub(1),
                    _ => {}
                },
                Kind::Word if parentheses == 0 => {
                    if cases == 0 && self.is_one_of(at, words) {
                        return Some(at);
                    }
                    if self.is(at, "CASE") {
                        cases += 1;
                    } else if self.is(at, "END") {
                        cases = cases.saturating_sub(1);
                    }
                }
                _ => {}
            }
        }
        None
    }
}

/// Variables whose text `EXECUTE IMMEDIATE` runs.
#[derive(Default)]
struct Variables {
    /// By name in lower case.
    executed: BTreeMap<String, Variable>,
    /// Tokens of texts that are kept in variables.
    kept: BTreeSet<usize>,
}

#[derive(Default)]
struct Variable {
    /// Tokens of the texts that it is given.
    texts: Vec<usize>,
    /// Whether it is given, or does, anything else.
    is_open: bool,
    /// How many statements run it.
    runs: usize,
}

impl Variables {
    fn of(text: &str, tokens: &[Token]) -> Self {
        let shown = |at: usize| {
            tokens
                .get(at)
                .map_or("", |token| &text[token.range.clone()])
        };
        let is = |at: usize, word: &str| shown(at).eq_ignore_ascii_case(word);
        let mut variables = Self::default();
        for at in 2..tokens.len() {
            if is_run(text, tokens, at) {
                let name = shown(at).trim_matches('`').to_lowercase();
                variables.executed.entry(name).or_default().runs += 1;
            }
        }
        let mut first = 0;
        let mut declares = false;
        let mut at = 0;
        while at < tokens.len() {
            if shown(at) == ";" {
                first = at + 1;
                declares = false;
                at += 1;
                continue;
            }
            // In a script a statement may begin behind these.
            if matches!(
                shown(at).to_ascii_uppercase().as_str(),
                "BEGIN" | "THEN" | "ELSE" | "DO" | "LOOP"
            ) {
                first = at + 1;
                declares = false;
            }
            let gives = match at.checked_sub(first) {
                Some(0) => {
                    declares = is(at, "DECLARE")
                        && !["EXIT", "CONTINUE", "@"]
                            .iter()
                            .any(|word| is(at + 1, word));
                    false
                }
                Some(1..=4) if declares => true,
                Some(1) => is(first, "SET"),
                Some(2) => is(first, "SET") && (is(first + 1, "VAR") || is(first + 1, "VARIABLE")),
                _ => false,
            };
            let is_variables_own = || {
                let of_executed = || {
                    let name = shown(first + 1).trim_matches('`').to_lowercase();
                    variables.executed.contains_key(&name)
                };
                let is_set = is(first, "SET");
                declares
                    || is_set
                        && (is(first + 1, "VAR") || is(first + 1, "VARIABLE") || of_executed())
            };
            if tokens[at].kind == Kind::String && is_variables_own() {
                variables.kept.insert(at);
            }
            let is_name = matches!(tokens[at].kind, Kind::Word | Kind::Quoted);
            let known = is_name
                .then(|| shown(at).trim_matches('`').to_lowercase())
                .and_then(|name| variables.executed.get_mut(&name));
            if let Some(variable) = known
                && !is_run(text, tokens, at)
            {
                match gives.then(|| given(text, tokens, at, declares)).flatten() {
                    Some(Some(given)) => variable.texts.push(given),
                    Some(None) => {}
                    None => variable.is_open = true,
                }
            }
            at += 1;
        }
        variables
    }
}

/// Whether the word here is all that an `EXECUTE IMMEDIATE` runs.
fn is_run(text: &str, tokens: &[Token], at: usize) -> bool {
    let shown = |at: usize| {
        tokens
            .get(at)
            .map_or("", |token| &text[token.range.clone()])
    };
    at >= 2
        && matches!(tokens[at].kind, Kind::Word | Kind::Quoted)
        && shown(at - 1).eq_ignore_ascii_case("IMMEDIATE")
        && shown(at - 2).eq_ignore_ascii_case("EXECUTE")
        && ["", ";", "USING", "INTO"]
            .iter()
            .any(|word| shown(at + 1).eq_ignore_ascii_case(word))
}

/// The text that a variable is given in the rest of its statement: the outer none if that is anything else, the inner none if it is given nothing.
fn given(text: &str, tokens: &[Token], name: usize, declared: bool) -> Option<Option<usize>> {
    let shown = |at: usize| {
        tokens
            .get(at)
            .map_or("", |token| &text[token.range.clone()])
    };
    let mut at = name + 1;
    if declared {
        // Its type.
        at += usize::from(shown(at).eq_ignore_ascii_case("STRING"));
        if matches!(shown(at), "" | ";") {
            return Some(None);
        }
    }
    let is_assigned = shown(at) == "=" || declared && shown(at).eq_ignore_ascii_case("DEFAULT");
    let is_text = tokens.get(at + 1).map(|token| token.kind) == Some(Kind::String);
    (is_assigned && is_text && matches!(shown(at + 2), "" | ";")).then_some(Some(at + 1))
}

/// A block that is being walked through.
struct Frame {
    block: Block,
    /// The step that entered it.
    enter: usize,
    label: Option<String>,
    /// What was current in front of it.
    before: Current,
    /// What is current behind ways through it that are done.
    behind: Option<Current>,
    /// Whether one of its ways runs in any case.
    is_complete: bool,
    /// Whether a way was begun.
    has_begun: bool,
    /// What was current at any time in it, where a handler may leave it.
    met: Option<Current>,
    /// Whether a handler of its own may leave it.
    is_handled: bool,
    /// Whether a handler, also of a block around it, may run at any time.
    is_watched: bool,
    /// Whether a handler may change what is current at any time, and go on.
    is_shaken: bool,
}

fn or(one: Option<Current>, other: Current) -> Option<Current> {
    Some(match one {
        Some(one) if one == other => one,
        Some(one) => one.or(other),
        None => other,
    })
}

/// A walk through a script.
struct Run<'s, 't> {
    script: &'s Script<'t>,
    fragment: &'s Arc<Fragment>,
    hints: &'s [Range<usize>],
    variables: Variables,
    exits: BTreeMap<usize, usize>,
    uses: Vec<usize>,
    frames: Vec<Frame>,
    /// The frames of each label.
    labels: BTreeMap<String, Vec<usize>>,
}

impl Run<'_, '_> {
    fn all(mut self, reader: &mut Reader<'_>) {
        for (at, step) in self.script.steps.iter().enumerate() {
            match step {
                Step::Statement(tokens) => {
                    self.statement(reader, tokens.clone());
                    self.settle(reader);
                }
                Step::Expression(tokens) => {
                    let tokens = &self.script.tokens[tokens.clone()];
                    statement::expression(reader, self.fragment, tokens, self.hints);
                }
                Step::Enter(block, label) => self.enter(reader, at, *block, label.clone()),
                Step::Way { otherwise } => {
                    if let Some(frame) = self.frames.last_mut() {
                        if frame.has_begun {
                            frame.behind = or(frame.behind.take(), reader.session.current());
                            reader.session.make_current(frame.before.clone());
                        }
                        frame.has_begun = true;
                        frame.is_complete |= otherwise;
                    }
                }
                Step::Leave(label) => {
                    let left = self.labels.get(label).and_then(|labelled| labelled.last());
                    if let Some(frame) = left.and_then(|at| self.frames.get_mut(*at)) {
                        frame.behind = or(frame.behind.take(), reader.session.current());
                    }
                }
                Step::Exit => self.exit(reader, at),
            }
        }
        for at in std::mem::take(&mut self.variables.kept) {
            self.leave_text(reader, at);
        }
    }

    /// Whether anything between two steps may change what is current.
    fn may_change(&self, from: usize, to: usize) -> bool {
        self.uses.get(to) != self.uses.get(from)
    }

    fn enter(&mut self, reader: &mut Reader<'_>, at: usize, block: Block, label: Option<String>) {
        let exit = self.exits.get(&at).copied().unwrap_or(at);
        let before = reader.session.current();
        let around = self.frames.last();
        let is_handled = self.script.handled.contains(&at);
        let frame = Frame {
            block,
            enter: at,
            label,
            behind: None,
            is_complete: false,
            has_begun: false,
            met: is_handled.then(|| before.clone()),
            is_handled,
            is_watched: is_handled || around.is_some_and(|frame| frame.is_watched),
            is_shaken: around.is_some_and(|frame| frame.is_shaken),
            before,
        };
        let is_unknown = match block {
            // It may run again, from where it ended.
            Block::Loop => self.may_change(at, exit),
            // It may run wherever the block around it fails; what that does is not known yet.
            Block::Handler { .. } => self.may_change(at, self.script.steps.len()),
            Block::Procedure => true,
            Block::Compound | Block::Branch => false,
        };
        if is_unknown {
            reader.session.database = Value::Unknown;
        }
        if let Some(label) = &frame.label {
            let labelled = self.labels.entry(label.clone()).or_default();
            labelled.push(self.frames.len());
        }
        self.frames.push(frame);
    }

    fn exit(&mut self, reader: &mut Reader<'_>, at: usize) {
        let Some(frame) = self.frames.pop() else {
            return;
        };
        if let Some(label) = &frame.label
            && let Some(labelled) = self.labels.get_mut(label)
        {
            labelled.pop();
        }
        let here = reader.session.current();
        let behind = match frame.block {
            Block::Procedure => frame.before,
            Block::Handler { goes_on } => {
                let changes = self.may_change(frame.enter, at);
                if let Some(around) = self.frames.last_mut() {
                    if goes_on {
                        around.is_shaken |= changes;
                    } else {
                        around.behind = or(around.behind.take(), here);
                    }
                }
                frame.before
            }
            Block::Loop => here.or(frame.before),
            Block::Branch if !frame.is_complete => here.or(frame.before),
            Block::Branch | Block::Compound => here,
        };
        let mut behind = match frame.behind {
            Some(others) => others.or(behind),
            None => behind,
        };
        if let Some(met) = frame.met {
            if let Some(around) = self.frames.last_mut()
                && around.is_watched
            {
                around.met = or(around.met.take(), met.clone());
            }
            if frame.is_handled {
                behind = behind.or(met);
            }
        }
        reader.session.make_current(behind);
        self.settle(reader);
    }

    /// What handlers may do to what is current, now that something was done.
    fn settle(&mut self, reader: &mut Reader<'_>) {
        let Some(frame) = self.frames.last_mut() else {
            return;
        };
        if frame.is_shaken {
            reader.session.database = Value::Unknown;
        }
        if frame.is_watched {
            frame.met = or(frame.met.take(), reader.session.current());
        }
    }

    fn statement(&mut self, reader: &mut Reader<'_>, range: Range<usize>) {
        let tokens = &self.script.tokens[range.clone()];
        statement::run_substituted(reader, self.fragment, tokens, self.hints);
        if self.script.is(range.start, "EXECUTE") && self.script.is(range.start + 1, "IMMEDIATE") {
            self.execute(reader, range.start + 2, range.end);
        }
    }

    /// `EXECUTE IMMEDIATE` of a text or a variable, from behind the words.
    fn execute(&mut self, reader: &mut Reader<'_>, at: usize, end: usize) {
        let tokens = self.script.tokens;
        if is_run(self.script.text, tokens, at) {
            let name = self.script.token_text(at).trim_matches('`').to_lowercase();
            let variable = self.variables.executed.get_mut(&name);
            let Some(variable) = variable.filter(|one| !one.is_open && !one.texts.is_empty())
            else {
                let doubt = Doubt::new(
                    rule::UNRESOLVED,
                    format!("the statement in `{name}` is put together at run time"),
                );
                reader.needs_person(self.fragment, tokens[at].range.clone(), doubt, Vec::new());
                reader.session.database = Value::Unknown;
                return;
            };
            let is_only = variable.texts.len() == 1 && variable.runs == 1;
            // Run again, it is the same text.
            let texts = std::mem::take(&mut variable.texts);
            variable.is_open = true;
            self.variables.kept.retain(|kept| !texts.contains(kept));
            if !is_only {
                // Which of them runs where is not followed.
                reader.session.database = Value::Unknown;
            }
            for text in texts {
                self.run_text(reader, text);
            }
            if !is_only {
                reader.session.database = Value::Unknown;
            }
            return;
        }
        let is_text = tokens.get(at).map(|token| token.kind) == Some(Kind::String);
        let is_whole = at + 1 >= end || self.script.is_one_of(at + 1, &["USING", "INTO"]);
        if is_text && is_whole {
            self.run_text(reader, at);
            return;
        }
        let all = tokens.iter().enumerate().take(end).skip(at);
        for (at, _) in all.filter(|(_, token)| token.kind == Kind::String) {
            self.leave_text(reader, at);
        }
        reader.session.database = Value::Unknown;
    }

    fn run_text(&self, reader: &mut Reader<'_>, at: usize) {
        let range = self.script.tokens[at].range.clone();
        let doubt = Doubt::new(
            rule::NOT_UNDERSTOOD,
            "this stands in a statement that `EXECUTE IMMEDIATE` runs",
        );
        reader.region(self.fragment, range.clone(), Means::NeedsPerson(doubt));
        let inner = string_inside(self.fragment, range);
        reader.read(&inner, Language::Sql);
    }

    /// A text that is, or is a part of, a statement or name that is put together at run time.
    fn leave_text(&self, reader: &mut Reader<'_>, at: usize) {
        let doubt = Doubt::new(
            rule::UNRESOLVED,
            "this text is kept in a variable or put together with others; what runs it, or takes it for a name, is not followed",
        );
        let range = self.script.tokens[at].range.clone();
        reader.region(self.fragment, range, Means::NeedsPerson(doubt));
    }
}
