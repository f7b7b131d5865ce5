//! Texts from literals, interpolation and concatenation; what they are filled with.

use std::ops::Range;
use std::sync::Arc;

use super::{Given, Machine, SEGMENTS_MAX};
use crate::language::literal::Writing;
use crate::language::program::{Expression, Text, TextPart};
use crate::language::values::{
    Assembled, Fate, Hole, Literal, LiteralId, Segment, Stretch, Value, last_letter, texts_given,
    texts_of,
};

impl Machine<'_, '_> {
    pub(super) fn text(&mut self, expression: &Expression, text: &Text) -> Value {
        let place = (Arc::as_ptr(&self.cell) as usize, expression.span.start);
        let id = match self.state.by_place.get(&place) {
            Some(id) => *id,
            None => {
                let id = self.state.literals.len();
                let span = expression.span.clone();
                let broken = self
                    .broken
                    .iter()
                    .any(|range| range.start < span.end && range.end > span.start);
                self.state.literals.push(Literal {
                    home: Arc::clone(&self.cell),
                    span,
                    holes: Vec::new(),
                    fates: Vec::new(),
                    name: None,
                    text: Vec::new(),
                    broken,
                    lender: None,
                    is_local: !self.entered.is_empty(),
                    is_like_database: false,
                    for_others: None,
                });
                self.state.by_place.insert(place, id);
                id
            }
        };
        let mut assembled: Assembled = Vec::new();
        let mut holes = Vec::new();
        for part in &text.parts {
            match part {
                TextPart::Verbatim(range) => {
                    assembled.push(self.source(id, range.clone(), None, text))
                }
                TextPart::Escape(range, decoded) => {
                    assembled.push(self.source(id, range.clone(), Some(decoded.clone()), text));
                }
                TextPart::Hole { span, value, plain } => {
                    holes.push(span.clone());
                    let given = self.expression(value);
                    let given = if *plain { given } else { given.lost() };
                    let what = self
                        .cell
                        .text()
                        .get(span.clone())
                        .unwrap_or_default()
                        .to_owned();
                    self.fill(
                        &mut assembled,
                        given,
                        span.clone(),
                        Some(text.writing),
                        what,
                    );
                }
            }
        }
        if assembled.is_empty() {
            // An empty text still has its literal.
            let at = expression.span.end.saturating_sub(text.writing.close.len());
            assembled.push(self.source(id, at..at, None, text));
        }
        if let Some(literal) = self.state.literals.get_mut(id) {
            literal.holes = holes;
            literal.text = assembled.clone();
        }
        self.parts_of_names(&assembled);
        if text.foreign || assembled.len() > SEGMENTS_MAX {
            return Value::text(assembled).lost();
        }
        Value::text(assembled)
    }

    pub(super) fn source(
        &self,
        literal: LiteralId,
        range: Range<usize>,
        decoded: Option<String>,
        text: &Text,
    ) -> Segment {
        Segment::Source {
            home: Arc::clone(&self.cell),
            literal,
            range,
            decoded,
            writing: text.writing,
        }
    }

    /// Puts a value into a text: a word as a hole, anything longer as its own bytes.
    pub(super) fn fill(
        &mut self,
        into: &mut Assembled,
        value: Value,
        span: Range<usize>,
        inside: Option<&'static Writing>,
        what: String,
    ) {
        let value = value.bounded();
        if let Value::Texts { alternatives, .. } = &value
            && let [only] = alternatives.as_slice()
        {
            let word = texts_of(only).is_some_and(|texts| {
                texts.len() == 1
                    && texts[0].len() <= 128
                    && texts[0]
                        .chars()
                        .all(|letter| letter.is_alphanumeric() || letter == '_')
            });
            // What stands in another notebook is named here, and not written.
            let lent = matches!(only.as_slice(), [Segment::Lent { .. }]);
            if !word && !lent {
                // `"/dbfs" + path`: another path behind it means something else.
                let glued = last_letter(into)
                    .is_some_and(|last| last.is_alphanumeric() || matches!(last, ':' | '/' | '_'));
                if glued
                    && texts_given(only)
                        .is_some_and(|text| text.starts_with('/') || text.contains(":/"))
                {
                    let fate = Fate::Broken("is put behind other text of a path".to_owned());
                    self.fate(&value, &fate);
                }
                into.extend(only.iter().cloned());
                return;
            }
        }
        let weight = value.weight();
        let home = Arc::clone(&self.cell);
        into.push(Segment::Hole(Arc::new(Hole {
            home,
            span,
            inside,
            value,
            what,
            weight,
        })));
    }

    /// The value in place of a part of a literal, in the literal's own cell.
    pub(super) fn fill_at(
        &mut self,
        into: &mut Assembled,
        value: Value,
        own: &Stretch<'_>,
        part: Range<usize>,
    ) {
        let what = own.text[part.clone()].to_owned();
        let cell = std::mem::replace(&mut self.cell, Arc::clone(own.home));
        self.fill(into, value, own.span(part), Some(own.writing), what);
        self.cell = cell;
    }

    /// A sum of texts. `appended`: the first is what a variable held, and stays as it is.
    pub(super) fn sum(&mut self, terms: Vec<(Value, Range<usize>)>, appended: bool) -> Value {
        let texts = terms
            .iter()
            .any(|(value, _)| matches!(value, Value::Texts { .. }));
        if terms
            .iter()
            .all(|(value, _)| matches!(value, Value::List(_)))
        {
            let all = terms.into_iter().flat_map(|(value, _)| match value {
                Value::List(values) => (*values).clone(),
                _ => Vec::new(),
            });
            return Value::List(Arc::new(all.collect()));
        }
        if !texts {
            return Value::List(Arc::new(
                terms.into_iter().map(|(value, _)| value).collect(),
            ))
            .lost();
        }
        let mut assembled: Assembled = Vec::new();
        for (index, (value, span)) in terms.into_iter().enumerate() {
            match value {
                // What is written here, and what was put together before, keeps its places.
                Value::Texts {
                    alternatives,
                    complete,
                } if complete
                    && alternatives.len() == 1
                    && (self.is_written(&alternatives[0], &span) || appended && index == 0) =>
                {
                    assembled.extend(alternatives[0].iter().cloned());
                }
                value => {
                    let what = self.cell.text().get(span.clone()).unwrap_or_default();
                    let what: String = what.chars().take(60).collect();
                    self.fill(&mut assembled, value, span, None, what);
                }
            }
        }
        self.parts_of_names(&assembled);
        let value = Value::text(assembled);
        match &value {
            Value::Texts { alternatives, .. } if alternatives[0].len() > SEGMENTS_MAX => {
                value.lost()
            }
            _ => value,
        }
    }

    /// Whether a text is the literal that is written at this place.
    pub(super) fn is_written(&self, text: &Assembled, span: &Range<usize>) -> bool {
        text.iter().any(|segment| match segment {
            Segment::Source { home, range, .. } => {
                Arc::ptr_eq(home, &self.cell) && range.start >= span.start && range.end <= span.end
            }
            Segment::Hole(hole) => {
                Arc::ptr_eq(&hole.home, &self.cell)
                    && hole.span.start >= span.start
                    && hole.span.end <= span.end
            }
            Segment::Fixed(_) | Segment::Lent { .. } => false,
        })
    }

    pub(super) fn joined(
        &mut self,
        separator: &Value,
        values: &Value,
        expression: &Expression,
    ) -> Value {
        let (Value::List(values), Some(separator)) = (values, separator.only_text()) else {
            return values.lost();
        };
        let mut assembled = Vec::new();
        for (index, value) in values.iter().enumerate() {
            if index > 0 {
                assembled.push(Segment::Fixed(separator.clone()));
            }
            match value {
                Value::Texts {
                    alternatives,
                    complete: true,
                } if alternatives.len() == 1 => {
                    assembled.extend(alternatives[0].iter().cloned());
                }
                value => {
                    let span = expression.span.clone();
                    self.fill(
                        &mut assembled,
                        value.clone(),
                        span,
                        None,
                        "an element of the list".to_owned(),
                    );
                }
            }
        }
        Value::text(assembled)
    }

    pub(super) fn path_joined(&mut self, given: &[Given]) -> Value {
        let mut terms = Vec::new();
        for (index, argument) in given.iter().enumerate() {
            if index > 0 {
                terms.push((Value::fixed("/"), argument.span.start..argument.span.start));
            }
            terms.push((argument.value.clone(), argument.span.clone()));
        }
        self.sum(terms, false)
    }

    pub(super) fn pasted(&mut self, given: &[Given], separator: &str) -> Value {
        let mut terms = Vec::new();
        let options = ["sep", "collapse", "recycle0"];
        for argument in given {
            if argument
                .name
                .as_deref()
                .is_some_and(|name| options.contains(&name))
            {
                self.fate(&argument.value, &Fate::Word);
                continue;
            }
            if !terms.is_empty() && !separator.is_empty() {
                terms.push((
                    Value::fixed(separator),
                    argument.span.start..argument.span.start,
                ));
            }
            terms.push((argument.value.clone(), argument.span.clone()));
        }
        self.sum(terms, false)
    }
}
