//! Nested text: text that was decoded out of another text, with the way back.
//!
//! A notebook cell in a JSON string, SQL in a Python f-string in that cell, a name in that SQL: every nesting is one [`Fragment`]
//! over an outer one. A fragment knows, for the stretches that correspond exactly, where its bytes lie in the outer text, and how
//! a replacement must be written there. [`Fragment::edit`] walks outwards through all layers, or says which layer refuses.
//! What a layer's text means is left to the languages.

use std::ops::Range;
use std::sync::Arc;

use crate::edit::Edit;

/// How a layer writes a replacement in its outer text.
pub trait Escape: std::fmt::Debug + Send + Sync {
    /// The replacement, written for the outer text; or why it cannot stand there.
    fn escape(&self, text: &str) -> Result<String, Refusal>;
}

/// Why a replacement cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refusal(pub String);

/// The outer text stands as it is: cells of a notebook, lines without their prefix.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

impl Escape for Plain {
    fn escape(&self, text: &str) -> Result<String, Refusal> {
        if text.contains(['\n', '\r']) {
            return Err(Refusal("the replacement would begin a new line".to_owned()));
        }
        Ok(text.to_owned())
    }
}

/// How a stretch of inner text corresponds to the outer text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// Byte for byte the same.
    Verbatim,
    /// One escape sequence (or another stretch that can only be replaced whole).
    Escaped,
    /// The text of a value that the outer text only names, as `{db}` in an f-string: may be read, never edited; text can be
    /// inserted before and behind it. `hole` is its index in [`Fragment::holes`].
    Hole {
        /// Index in [`Fragment::holes`].
        hole: usize,
    },
}

/// A stretch of a fragment and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    inner: (usize, usize),
    outer: (usize, usize),
    kind: PieceKind,
    escape: &'static dyn Escape,
    /// The fragment that the bytes stand in, if it is not the outer one: its index in `Fragment::homes`.
    home: Option<usize>,
}

impl Piece {
    /// Its bytes in the fragment.
    pub fn inner(&self) -> Range<usize> {
        self.inner.0..self.inner.1
    }

    /// Its bytes in the outer fragment.
    pub fn outer(&self) -> Range<usize> {
        self.outer.0..self.outer.1
    }

    /// How the two correspond.
    pub fn kind(&self) -> PieceKind {
        self.kind
    }
}

/// A place whose text is decided when the code runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hole {
    /// Its bytes in this fragment: the value if it is one known text, else a placeholder made by [`placeholder`].
    pub inner: Range<usize>,
    /// All texts that it can be, if they are known; empty if not. A single one stands in the fragment itself.
    pub values: Vec<String>,
    /// Texts that it can be among others, if not all are known.
    pub likely: Vec<String>,
    /// How a person calls it, as `{db}` or `widget env`.
    pub what: String,
    /// The number in its placeholder: unique among the layers of one fragment.
    pub mark: usize,
}

/// Letters that stand for what is not known, by the mark of the hole. They come from a private range of Unicode, so that no real name holds them;
/// lexers take them for letters of a word.
pub fn placeholder(mark: usize) -> String {
    let digits = format!("{mark:04}");
    let digits = digits
        .chars()
        .filter_map(|digit| char::from_u32(0xE000 + digit.to_digit(10)?));
    std::iter::once('\u{E010}').chain(digits).collect()
}

/// Whether a text holds a placeholder.
pub fn has_placeholder(text: &str) -> bool {
    text.chars().any(is_placeholder)
}

/// Whether a character is part of a placeholder.
pub fn is_placeholder(letter: char) -> bool {
    ('\u{E000}'..='\u{E010}').contains(&letter)
}

/// Text decoded out of an outer text.
#[derive(Debug)]
pub struct Fragment {
    text: String,
    what: &'static str,
    outer: Option<Arc<Fragment>>,
    pieces: Vec<Piece>,
    holes: Vec<Hole>,
    /// Other fragments of the same asset that pieces stand in: the constant of another cell.
    homes: Vec<Arc<Fragment>>,
    next_mark: usize,
}

impl Fragment {
    /// The text of a whole asset: the outermost layer.
    pub fn root(text: String, what: &'static str) -> Arc<Self> {
        Arc::new(Self {
            text,
            what,
            outer: None,
            pieces: Vec::new(),
            holes: Vec::new(),
            homes: Vec::new(),
            next_mark: 0,
        })
    }

    /// Begins a fragment over this one; `what` names the layer for people (`JSON string`, `Python f-string`).
    pub fn inside(self: &Arc<Self>, what: &'static str) -> Builder {
        Builder {
            text: String::new(),
            what,
            outer: Arc::clone(self),
            pieces: Vec::new(),
            holes: Vec::new(),
            homes: Vec::new(),
            next_mark: self.next_mark,
            escape: &Plain,
        }
    }

    /// A stretch of this fragment as a fragment of its own, unchanged.
    pub fn part(self: &Arc<Self>, range: Range<usize>, what: &'static str) -> Arc<Self> {
        let mut builder = self.inside(what);
        builder.verbatim(range);
        builder.build()
    }

    /// The decoded text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the layer is called.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// The layer around it.
    pub fn outer(&self) -> Option<&Arc<Fragment>> {
        self.outer.as_ref()
    }

    /// The stretches it is made of, in order.
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }

    /// The places that are decided when the code runs.
    pub fn holes(&self) -> &[Hole] {
        &self.holes
    }

    /// The holes that lie in or touch a range with at least one byte.
    pub fn holes_in(&self, range: &Range<usize>) -> Vec<&Hole> {
        self.holes
            .iter()
            .filter(|hole| hole.inner.start < range.end && hole.inner.end > range.start)
            .collect()
    }

    /// Names of the layers, outermost first.
    pub fn layers(&self) -> Vec<&'static str> {
        let mut names = self
            .outer
            .as_ref()
            .map(|outer| outer.layers())
            .unwrap_or_default();
        names.push(self.what);
        names
    }

    /// Where a range lies in the text of the asset: the smallest stretch that holds all of it, for reports. Not for edits.
    pub fn locate(&self, range: &Range<usize>) -> Range<usize> {
        let Some(outer) = &self.outer else {
            return range.clone();
        };
        let (first, last) = self.covering(range);
        let Some((first, last)) = first.zip(last) else {
            // Text without a place of its own: the place of what is next to it.
            let at = self.pieces.iter().map(|piece| piece.outer.0).min();
            let at = at.unwrap_or(0);
            return outer.locate(&(at..at));
        };
        let start = match first.kind {
            PieceKind::Verbatim => first.outer.0 + range.start.saturating_sub(first.inner.0),
            _ => first.outer.0,
        };
        let end = match last.kind {
            PieceKind::Verbatim => {
                (last.outer.0 + range.end.saturating_sub(last.inner.0)).min(last.outer.1)
            }
            _ => last.outer.1,
        };
        // Text that begins in one cell and ends in another, or in front of its beginning, is told by where it begins.
        let end = if first.home == last.home && end >= start {
            end
        } else {
            first.outer.1
        };
        self.home(first, outer).locate(&(start..end.max(start)))
    }

    /// The address of the outermost text that a place lies in: that of the asset, or of another one whose code was entered.
    pub(crate) fn root_at(self: &Arc<Self>, at: usize) -> usize {
        let Some(outer) = &self.outer else {
            return Arc::as_ptr(self) as usize;
        };
        let (first, _) = self.covering(&(at..at + 1));
        match first {
            Some(piece) => self.home(piece, outer).root_at(piece.outer.0),
            None => outer.root_at(0),
        }
    }

    /// The fragment that the bytes of a piece stand in.
    fn home<'a>(&'a self, piece: &Piece, outer: &'a Arc<Fragment>) -> &'a Arc<Fragment> {
        piece
            .home
            .and_then(|home| self.homes.get(home))
            .unwrap_or(outer)
    }

    /// First and last piece that share a byte with a range; for an empty range those that it touches.
    fn covering(&self, range: &Range<usize>) -> (Option<&Piece>, Option<&Piece>) {
        let from = self
            .pieces
            .partition_point(|piece| piece.inner.1 <= range.start && piece.inner.0 < range.start);
        let covered = |piece: &&Piece| {
            if range.is_empty() {
                piece.inner.0 <= range.start && piece.inner.1 >= range.start
            } else {
                piece.inner.0 < range.end && piece.inner.1 > range.start
            }
        };
        let mut found = self.pieces[from..]
            .iter()
            .skip_while(|piece| !covered(piece))
            .take_while(covered);
        let first = found.next();
        let last = found.last().or(first);
        (first, last)
    }

    /// The edit of the asset's text that puts `replacement` in the place of a range of this fragment. An empty range inserts:
    /// before the piece that begins there, else behind the one that ends there.
    pub fn edit(&self, range: Range<usize>, replacement: &str) -> Result<Edit, Refusal> {
        let Some(outer) = &self.outer else {
            let old = self.text.get(range.clone()).unwrap_or_default().to_owned();
            return Ok(Edit {
                range,
                old,
                new: replacement.to_owned(),
            });
        };
        if range.is_empty() {
            let (place, piece) = self.insertion_point(range.start)?;
            let written = piece.escape.escape(replacement)?;
            return self.home(piece, outer).edit(place..place, &written);
        }
        let from = self
            .pieces
            .partition_point(|piece| piece.inner.1 <= range.start);
        let mut place: Option<Range<usize>> = None;
        let mut from_piece: Option<&Piece> = None;
        let mut next = range.start;
        for piece in &self.pieces[from..] {
            if piece.inner.0 >= range.end {
                break;
            }
            if piece.inner.0 == piece.inner.1 {
                continue;
            }
            let start = piece.inner.0.max(range.start);
            let end = piece.inner.1.min(range.end);
            let whole = start == piece.inner.0 && end == piece.inner.1;
            let stretch = match piece.kind {
                PieceKind::Verbatim => {
                    piece.outer.0 + (start - piece.inner.0)..piece.outer.0 + (end - piece.inner.0)
                }
                PieceKind::Escaped if whole => piece.outer.0..piece.outer.1,
                PieceKind::Escaped => {
                    return Err(Refusal(format!(
                        "a part of an escape sequence of the {}",
                        self.what
                    )));
                }
                PieceKind::Hole { hole } => {
                    let what = self.holes.get(hole).map_or("a value", |hole| &hole.what);
                    return Err(Refusal(format!("the text comes from {what}")));
                }
            };
            if start != next
                || from_piece.is_some_and(|first| first.home != piece.home)
                || place
                    .as_ref()
                    .is_some_and(|place| place.end != stretch.start)
            {
                return Err(Refusal(format!(
                    "the {} is put together from several places",
                    self.what
                )));
            }
            place = Some(place.map_or(stretch.start, |place| place.start)..stretch.end);
            from_piece = from_piece.or(Some(piece));
            next = end;
        }
        match (place, from_piece) {
            (Some(place), Some(piece)) if next == range.end => self
                .home(piece, outer)
                .edit(place, &piece.escape.escape(replacement)?),
            _ => Err(Refusal(format!(
                "the text has no place of its own in the {}",
                outer.what
            ))),
        }
    }

    fn insertion_point(&self, at: usize) -> Result<(usize, &Piece), Refusal> {
        let inside = self.pieces.iter().find(|piece| {
            piece.kind == PieceKind::Verbatim && piece.inner.0 < at && piece.inner.1 > at
        });
        if let Some(piece) = inside {
            return Ok((piece.outer.0 + (at - piece.inner.0), piece));
        }
        let before = self
            .pieces
            .iter()
            .find(|piece| piece.inner.0 == at && piece.inner.1 > at);
        if let Some(piece) = before {
            return Ok((piece.outer.0, piece));
        }
        let behind = self.pieces.iter().rev().find(|piece| piece.inner.1 == at);
        if let Some(piece) = behind {
            return Ok((piece.outer.1, piece));
        }
        Err(Refusal(format!(
            "there is no place for it in the {}",
            self.what
        )))
    }
}

/// Puts a fragment together, piece by piece, from left to right.
#[derive(Debug)]
pub struct Builder {
    text: String,
    what: &'static str,
    outer: Arc<Fragment>,
    pieces: Vec<Piece>,
    holes: Vec<Hole>,
    homes: Vec<Arc<Fragment>>,
    next_mark: usize,
    escape: &'static dyn Escape,
}

impl Builder {
    /// How replacements in the pieces that follow are written in the outer text.
    pub fn escape(&mut self, escape: &'static dyn Escape) -> &mut Self {
        self.escape = escape;
        self
    }

    /// The text so far.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The mark of the next hole.
    pub(crate) fn mark(&self) -> usize {
        self.next_mark
    }

    /// The outer text, as it stands. A range outside the outer text, or one that cuts a character, adds nothing.
    pub fn verbatim(&mut self, outer: Range<usize>) -> &mut Self {
        let text = Arc::clone(&self.outer);
        let layer = text;
        let Some(text) = layer
            .text
            .get(outer.clone())
            .filter(|text| !text.is_empty())
        else {
            return self;
        };
        // Holes of the outer text are holes of this one.
        let start = self.text.len();
        for hole in layer.holes_in(&outer) {
            let from = hole.inner.start.max(outer.start) - outer.start;
            let to = hole.inner.end.min(outer.end) - outer.start;
            self.holes.push(Hole {
                inner: start + from..start + to,
                ..hole.clone()
            });
        }
        self.push(outer, text, PieceKind::Verbatim)
    }

    /// An escape sequence of the outer text and what it stands for.
    pub fn escaped(&mut self, outer: Range<usize>, text: &str) -> &mut Self {
        self.push(outer, text, PieceKind::Escaped)
    }

    /// A place whose text is decided at run time: `values` are all texts that it can be, empty if they are not known.
    /// Insertions before and behind it are written by the escape that is set, so set one that fits its surroundings.
    pub fn hole(&mut self, outer: Range<usize>, values: Vec<String>, what: &str) -> &mut Self {
        let index = self.holes.len();
        let mark = self.next_mark;
        self.next_mark += 1;
        let text = match values.as_slice() {
            [only] => only.clone(),
            _ => placeholder(mark),
        };
        let start = self.text.len();
        self.holes.push(Hole {
            inner: start..start + text.len(),
            values,
            likely: Vec::new(),
            what: what.to_owned(),
            mark,
        });
        self.push(outer, &text, PieceKind::Hole { hole: index })
    }

    /// What the last hole can be among other texts; it stays open.
    pub fn likely(&mut self, texts: Vec<String>) -> &mut Self {
        if let Some(hole) = self.holes.last_mut().filter(|hole| hole.values.is_empty()) {
            hole.likely = texts;
        }
        self
    }

    /// Text that stands nowhere in the outer text, as a line break between the elements of a list of lines.
    pub fn invented(&mut self, text: &str) -> &mut Self {
        self.text.push_str(text);
        self
    }

    fn push(&mut self, outer: Range<usize>, text: &str, kind: PieceKind) -> &mut Self {
        let start = self.text.len();
        self.text.push_str(text);
        let piece = Piece {
            inner: (start, self.text.len()),
            outer: (outer.start, outer.end),
            kind,
            escape: self.escape,
            home: None,
        };
        self.pieces.push(piece);
        self
    }

    /// Text of another fragment of the same asset, as it stands or as the escape sequence that `decoded` tells: a constant of one
    /// cell in the SQL of another. Edits of it go to where it stands.
    pub fn elsewhere(
        &mut self,
        home: &Arc<Fragment>,
        range: Range<usize>,
        decoded: Option<&str>,
    ) -> &mut Self {
        let Some(text) = home.text.get(range.clone()) else {
            return self;
        };
        let index = match self.homes.iter().position(|known| Arc::ptr_eq(known, home)) {
            Some(index) => index,
            None => {
                self.homes.push(Arc::clone(home));
                self.homes.len() - 1
            }
        };
        match decoded {
            Some(decoded) => self.push(range, decoded, PieceKind::Escaped),
            None => self.push(range, text, PieceKind::Verbatim),
        };
        if let Some(piece) = self.pieces.last_mut() {
            piece.home = Some(index);
        }
        self
    }

    /// The fragment.
    pub fn build(self) -> Arc<Fragment> {
        Arc::new(Fragment {
            text: self.text,
            what: self.what,
            outer: Some(self.outer),
            pieces: self.pieces,
            holes: self.holes,
            homes: self.homes,
            next_mark: self.next_mark,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Doubled;

    impl Escape for Doubled {
        fn escape(&self, text: &str) -> Result<String, Refusal> {
            Ok(text.replace('\'', "''"))
        }
    }

    fn apply(text: &str, edit: &Edit) -> String {
        format!(
            "{}{}{}",
            &text[..edit.range.start],
            edit.new,
            &text[edit.range.end..]
        )
    }

    #[test]
    fn an_edit_walks_out_through_all_layers() {
        let text = "x = '-- MAGIC from a.t'";
        let root = Fragment::root(text.to_owned(), "file");
        let mut string = root.inside("string");
        string.escape(&Doubled).verbatim(5..22);
        let string = string.build();
        let mut magic = string.inside("lines");
        magic.verbatim(9..17);
        let sql = magic.build();
        assert_eq!(sql.text(), "from a.t");
        let edit = sql.edit(5..8, "`it's`.a.t").expect("an edit");
        assert_eq!(apply(text, &edit), "x = '-- MAGIC from `it''s`.a.t'");
        assert_eq!(sql.layers(), ["file", "string", "lines"]);
        assert_eq!(&text[sql.locate(&(5..8))], "a.t");
    }

    #[test]
    fn holes_are_read_and_not_edited() {
        let text = "f'from {db}.t'";
        let root = Fragment::root(text.to_owned(), "file");
        let mut sql = root.inside("f-string");
        sql.verbatim(2..7)
            .hole(7..11, vec!["a".to_owned()], "{db}")
            .verbatim(11..13);
        let sql = sql.build();
        assert_eq!(sql.text(), "from a.t");
        assert!(sql.edit(5..8, "m.a.t").is_err());
        let edit = sql.edit(5..5, "m.").expect("an insertion");
        assert_eq!(apply(text, &edit), "f'from m.{db}.t'");
        assert_eq!(sql.holes_in(&(5..6)).len(), 1);
        assert_eq!(sql.holes_in(&(7..8)).len(), 0);
    }

    #[test]
    fn text_from_several_places_is_refused() {
        let text = "'from a' '.t'";
        let root = Fragment::root(text.to_owned(), "file");
        let mut sql = root.inside("string");
        sql.verbatim(1..7).verbatim(10..12);
        let sql = sql.build();
        assert_eq!(sql.text(), "from a.t");
        assert!(sql.edit(5..8, "m.a.t").is_err());
        assert!(sql.edit(5..6, "m.a").is_ok());
    }
}
