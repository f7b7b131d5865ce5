//! Paths of storage: which part of one the mapping moves, and whether it can be written where it stands.

use std::ops::Range;
use std::sync::Arc;

use super::Reader;
use super::table::unless_beside;
use crate::beside::Already;
use crate::fragment::{self, Fragment};
use crate::occurrence::{Doubt, Role, Subject, Verdict, rule};
use crate::rules::LOCATION_IN_VOLUME;

impl Reader<'_> {
    /// A path of storage: rewritten if the mapping moves it, else no occurrence. A range that holds more than the path is fine as
    /// long as the path begins it.
    pub fn path(&mut self, fragment: &Arc<Fragment>, range: Range<usize>) {
        let Some(text) = fragment.text().get(range.clone()) else {
            return;
        };
        crate::rules::path(self, fragment, range.clone());
        let literal_end = text.find(fragment::is_placeholder).unwrap_or(text.len());
        let literal = &text[..literal_end];
        let skipped = path_scheme(literal);
        let Some((length, new)) = self.mapping.path(&literal[skipped..]) else {
            // What is put in behind the last slash may be any name.
            let known = match literal_end < text.len() {
                true => literal.rfind('/').filter(|slash| *slash >= skipped),
                false => Some(literal.len()),
            };
            let known = known.map_or("", |end| &literal[skipped..end]);
            let already = Already::path(self.mapping, known);
            self.found.already.extend(already);
            if let Some((known, _)) = self.mapping.paths().find(|(old, _)| {
                literal_end < text.len()
                    && literal.len() > skipped + 1
                    && starts_like(old, &literal[skipped..])
            }) {
                let message =
                    format!("the path is put together at run time, and may lie in `{known}`");
                self.occurrence(
                    fragment,
                    range,
                    Subject::Path,
                    Role::Name,
                    None,
                    Verdict::NeedsPerson {
                        doubt: Doubt::new(rule::PATH, message),
                        candidates: Vec::new(),
                        suggestion: Vec::new(),
                    },
                );
            }
            return;
        };
        let (new, end) = (new.to_owned(), range.start + skipped + length);
        let old = Some(literal[skipped..skipped + length].to_owned());
        let longer = literal_end < text.len()
            && self
                .mapping
                .paths()
                .any(|(path, _)| path.len() > length && starts_like(path, &literal[skipped..]));
        let local = literal.starts_with("/dbfs/") && !new.starts_with("/Volumes/");
        let verdict = if longer || local {
            let message = if local {
                format!(
                    "a path of the driver's file system cannot become `{new}`; only volumes can be opened as files"
                )
            } else {
                "the path is put together at run time, and a longer mapped path may be meant"
                    .to_owned()
            };
            Verdict::NeedsPerson {
                doubt: Doubt::new(rule::PATH, message),
                candidates: vec![new],
                suggestion: Vec::new(),
            }
        } else {
            match fragment.edit(range.start..end, &new) {
                Ok(edit) => {
                    let whole = format!("{new}{}", &literal[skipped + length..]);
                    let beside = self.besides.of_path(&whole);
                    let edits = vec![edit];
                    unless_beside(Verdict::Rewritten { new, edits }, beside)
                }
                Err(refusal) => Verdict::NeedsPerson {
                    doubt: Doubt::new(
                        rule::PATH,
                        format!("the new path cannot be written here: {refusal}"),
                    ),
                    candidates: vec![new],
                    suggestion: Vec::new(),
                },
            }
        };
        self.occurrence(fragment, range, Subject::Path, Role::Name, old, verdict);
    }

    /// A path of storage that is the place of a table or schema: like [`Reader::path`], but it may not come to lie in a volume.
    pub(crate) fn location(&mut self, fragment: &Arc<Fragment>, range: Range<usize>) {
        let Some(text) = fragment.text().get(range.clone()) else {
            return;
        };
        let literal_end = text.find(fragment::is_placeholder).unwrap_or(text.len());
        let literal = &text[..literal_end];
        let skipped = path_scheme(literal);
        if let Some((length, new)) = self.mapping.path(&literal[skipped..])
            && is_volume(new)
        {
            let doubt = in_volume(&format!(
                "`{}` would become `{new}{}`",
                &literal[..skipped + length],
                &literal[skipped + length..]
            ));
            let old = Some(literal[skipped..skipped + length].to_owned());
            let verdict = Verdict::NeedsPerson {
                doubt,
                candidates: Vec::new(),
                suggestion: Vec::new(),
            };
            crate::rules::path(self, fragment, range.clone());
            self.occurrence(fragment, range, Subject::Path, Role::Name, old, verdict);
            return;
        }
        // What is put in at the beginning says where it lies.
        let first = range.start..range.start + 1;
        let put_in: Vec<String> = match literal_end {
            0 => fragment
                .holes_in(&first)
                .first()
                .map(|hole| [hole.values.clone(), hole.likely.clone()].concat())
                .unwrap_or_default(),
            _ => vec![literal.to_owned()],
        };
        if let Some(doubt) = put_in.iter().find_map(|path| self.doubt_of_location(path)) {
            self.finding(fragment, range.clone(), LOCATION_IN_VOLUME.severity, doubt);
        }
        self.path(fragment, range);
    }

    /// What is the matter with the place of a table or schema that begins so.
    pub(crate) fn doubt_of_location(&self, path: &str) -> Option<Doubt> {
        if is_volume(path) {
            return Some(in_volume(&format!("`{path}` lies in a volume")));
        }
        let (length, new) = self.mapping.path(&path[path_scheme(path)..])?;
        let rest = &path[path_scheme(path) + length..];
        is_volume(new).then(|| in_volume(&format!("`{path}` becomes `{new}{rest}`")))
    }
}

fn is_volume(path: &str) -> bool {
    const START: &str = "/volumes/";
    let path = &path[path_scheme(path)..];
    path.get(..START.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(START))
}

fn in_volume(what: &str) -> Doubt {
    Doubt::new(
        LOCATION_IN_VOLUME.id,
        format!(
            "{what}, and Unity Catalog refuses a table or schema whose location lies in a volume: write the URL of an external location \
             (`abfss://…`, `s3://…`), or drop the location, so that the catalog manages it"
        ),
    )
}

/// The length of what Databricks allows in front of a path without changing it: `dbfs:`, `/dbfs`.
fn path_scheme(path: &str) -> usize {
    if path
        .get(..5)
        .is_some_and(|start| start.eq_ignore_ascii_case("dbfs:"))
    {
        // `dbfs:///mnt` is `dbfs:/mnt`.
        let slashes = path[5..].bytes().take_while(|byte| *byte == b'/').count();
        return 5 + slashes.saturating_sub(1);
    }
    if path.starts_with("/dbfs/") {
        return 5;
    }
    0
}

fn starts_like(old: &str, text: &str) -> bool {
    old.get(..text.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(text))
}
