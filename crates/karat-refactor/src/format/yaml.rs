//! YAML files: Databricks jobs and bundles, and whatever else holds names.
//!
//! Reads events of the parser into a [`Tree`]; what a tree means is decided in [`super::databricks`] and [`super::metadata`].

use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::tree::{Broken, Form, Id, Kind, Scalar, Tree};
use super::yaml_scalar::Style;
use super::{databricks, metadata};
use crate::fragment::Fragment;
use crate::reader::Reader;

/// Reads a YAML file.
pub(crate) fn read(reader: &mut Reader<'_>, file: &Arc<Fragment>) {
    match parse(file.text()) {
        Ok(tree) => {
            if !databricks::read(reader, file, &tree) {
                metadata::read_tree(reader, file, &tree);
            }
        }
        Err(broken) => super::unreadable(reader, file, "YAML", &broken),
    }
    comments(reader, file);
}

/// Whole lines that are comments.
fn comments(reader: &mut Reader<'_>, file: &Arc<Fragment>) {
    let mut at = 0;
    for line in file.text().split_inclusive('\n') {
        if line.trim_start().starts_with('#') {
            super::comment(reader, file, at..at + line.len());
        }
        at += line.len();
    }
}

/// Reads YAML into a tree; aliases become empty values, since their text stands elsewhere.
pub(crate) fn parse(text: &str) -> Result<Tree, Broken> {
    let mark = if text.starts_with('\u{feff}') {
        '\u{feff}'.len_utf8()
    } else {
        0
    };
    let body = &text[mark..];
    let places = Places::of(body, mark);
    let mut tree = Tree::default();
    let mut open: Vec<Id> = Vec::new();
    // The key that waits for its value, one for each open map.
    let mut keys: Vec<Option<Scalar>> = Vec::new();
    let mut parser = Parser::new_from_str(body);
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| Broken {
            message: error.info().to_owned(),
            at: places.byte(error.marker().index()),
        })?;
        let span = places.byte(span.start.index())..places.byte(span.end.index());
        let is_map = open
            .last()
            .is_some_and(|id| tree.node(*id).kind == Kind::Map);
        let kind = match event {
            Event::Scalar(value, style, _, _) => {
                let plain = style == ScalarStyle::Plain;
                let style = match style {
                    ScalarStyle::Plain => Style::Plain,
                    ScalarStyle::SingleQuoted => Style::Single,
                    ScalarStyle::DoubleQuoted => Style::Double,
                    ScalarStyle::Literal => Style::Literal,
                    ScalarStyle::Folded => Style::Folded,
                };
                let scalar = Scalar {
                    text: value.into_owned(),
                    span: span.clone(),
                    form: Form::Yaml(style),
                };
                if is_map && keys.last().is_some_and(Option::is_none) {
                    if let Some(key) = keys.last_mut() {
                        *key = Some(scalar);
                    }
                    continue;
                }
                if plain && is_no_text(&scalar.text) {
                    Kind::Plain(scalar.text)
                } else {
                    Kind::Text(scalar)
                }
            }
            Event::Alias(_) => Kind::Plain(String::new()),
            Event::SequenceStart(..) => Kind::List,
            Event::MappingStart(..) => Kind::Map,
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(id) = open.pop() {
                    tree.close(id, span.end);
                    if tree.node(id).kind == Kind::Map {
                        keys.pop();
                    }
                }
                continue;
            }
            _ => continue,
        };
        let key = if is_map {
            keys.last_mut().and_then(Option::take)
        } else {
            None
        };
        let opens = matches!(kind, Kind::List | Kind::Map);
        let map = kind == Kind::Map;
        // A map or list as a key: its values hang in the map as if it were a list.
        let id = tree.push(kind, span, key, open.last().copied());
        if opens {
            open.push(id);
        }
        if map {
            keys.push(None);
        }
    }
    if tree.roots().is_empty() {
        return Err(Broken {
            message: "the text holds no value".to_owned(),
            at: 0,
        });
    }
    Ok(tree)
}

fn is_no_text(plain: &str) -> bool {
    matches!(
        plain,
        "" | "~"
            | "null"
            | "Null"
            | "NULL"
            | "true"
            | "True"
            | "TRUE"
            | "false"
            | "False"
            | "FALSE"
    ) || plain.parse::<f64>().is_ok()
}

/// Characters to bytes.
struct Places {
    /// Byte of each character, empty if all are ASCII.
    bytes: Vec<usize>,
    length: usize,
    offset: usize,
}

impl Places {
    fn of(text: &str, offset: usize) -> Self {
        let bytes = if text.is_ascii() {
            Vec::new()
        } else {
            text.char_indices().map(|(at, _)| at).collect()
        };
        Places {
            bytes,
            length: text.len(),
            offset,
        }
    }

    fn byte(&self, character: usize) -> usize {
        let at = if self.bytes.is_empty() {
            character.min(self.length)
        } else {
            self.bytes.get(character).copied().unwrap_or(self.length)
        };
        self.offset + at
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Each text of a file with the bytes that a replacement of its word `a.t` would take.
    fn shown(text: &str) -> String {
        let tree = match parse(text) {
            Ok(tree) => tree,
            Err(broken) => return format!("{} at {}", broken.message, broken.at),
        };
        let file = Fragment::root(text.to_owned(), "file");
        let mut shown = Vec::new();
        for id in tree.ids() {
            let Some(value) = tree.text(id) else { continue };
            let edit = tree.fragment(&file, id).map(|fragment| {
                let Some(at) = value.find("a.t") else {
                    return "-".to_owned();
                };
                match fragment.edit(at..at + 3, "m.a.t") {
                    Ok(edit) => {
                        format!("{}..{}", &text[edit.range.start..edit.range.end], edit.new)
                    }
                    Err(refusal) => refusal.to_string(),
                }
            });
            shown.push(format!(
                "{}={value:?} {}",
                tree.path(id).join("."),
                edit.unwrap_or_else(|| "-".to_owned())
            ));
        }
        shown.join("\n")
    }

    #[test]
    fn scalars_of_every_style_are_traced() {
        let text = "plain: from a.t\nfolded plain: from\n   a.t\n\n   x\nsingle: 'it''s a.t'\ndouble: \"\\u00e9 \\\"a.t\\\" \\\n  b\"\nliteral: |\n  select\n    from a.t\n\n  x\nclip: |-\n  a.t\nfold: >\n  select\n  from a.t\n\n  x\n";
        expect_test::expect![[r#"
            plain="from a.t" a.t..m.a.t
            folded plain="from a.t\nx" a.t..m.a.t
            single="it's a.t" a.t..m.a.t
            double="é \"a.t\" b" a.t..m.a.t
            literal="select\n  from a.t\n\nx\n" a.t..m.a.t
            clip="a.t" a.t..m.a.t
            fold="select from a.t\nx\n" a.t..m.a.t"#]]
        .assert_eq(&shown(text));
        assert_eq!(
            shown(&format!("\u{feff}{}", text.replace('\n', "\r\n"))).replace("\\r", ""),
            shown(text)
        );
        assert_eq!(
            shown("é: [{b: a.t}, 'a.t']"),
            "é.[].b=\"a.t\" a.t..m.a.t\né.[]=\"a.t\" a.t..m.a.t"
        );
    }

    #[test]
    fn block_scalars_are_traced_wherever_they_stand() {
        for text in [
            "feeds:\n  - t: x # y\n    sql: |\n      select * from a.t\n",
            "- |\n  from a.t",
            "a: |2\n    from a.t\nb: 1\n",
            "a:\n  b: >-\n    from\n\n      a.t\n    end\n\n\nc: 1\n",
            "a: |+\n  a.t\n\n\nb: 1\n",
            "a: | # why\n\n  a.t\n",
        ] {
            let shown = shown(text);
            assert!(shown.contains("a.t..m.a.t"), "{text:?}: {shown}");
        }
    }

    proptest! {
        #[test]
        fn any_input_is_read_or_refused(text in r#"(?s)[\[\]{}"':,\\|>&*!a. \n#-]{0,40}|.{0,40}"#) {
            shown(&text);
        }
    }
}
