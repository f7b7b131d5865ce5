//! JSON and YAML as one kind of tree: maps, lists and scalars with their bytes, and each text as a [`Fragment`] of the file.
//!
//! What the values mean is for [`super::json`], [`super::yaml`] and the formats behind them. Nodes lie in one list, parents before children;
//! nothing here calls itself, so depth is no danger.

use std::ops::Range;
use std::sync::Arc;

use super::yaml_scalar;
use crate::fragment::Fragment;
use crate::json;

/// Index of a node in its [`Tree`].
pub(crate) type Id = usize;

/// A text of JSON or YAML, read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    roots: Vec<Id>,
}

/// A value, its bytes, and where it hangs.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Its bytes in the file, quotes included.
    pub(crate) span: Range<usize>,
    /// The key it stands under.
    pub(crate) key: Option<Scalar>,
    pub(crate) parent: Option<Id>,
    children: Vec<Id>,
}

/// What a value is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    /// Nothing, a truth or a number, as written.
    Plain(String),
    /// A text.
    Text(Scalar),
    List,
    Map,
}

/// A text as it stands in the file.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Scalar {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
    pub(crate) form: Form,
}

/// How a text is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Json,
    Yaml(yaml_scalar::Style),
}

/// Why a file could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Broken {
    pub(crate) message: String,
    /// Byte in the file.
    pub(crate) at: usize,
}

impl Scalar {
    /// The text as a fragment of the file; `None` where it cannot be traced back to its bytes.
    pub(crate) fn fragment(&self, file: &Arc<Fragment>) -> Option<Arc<Fragment>> {
        match self.form {
            Form::Json => Some(json::string(file, &self.span)),
            Form::Yaml(style) => yaml_scalar::fragment(file, &self.span, style, &self.text),
        }
    }
}

impl Tree {
    /// Reads JSON.
    pub(crate) fn json(text: &str) -> Result<Tree, Broken> {
        let document = json::Document::parse(text).map_err(|error| Broken {
            message: error.message,
            at: error.at,
        })?;
        let mut tree = Tree::default();
        let scalar = |span: &Range<usize>| Scalar {
            text: json::decode(&text[json::inside(span)]),
            span: span.clone(),
            form: Form::Json,
        };
        let index: std::collections::HashMap<json::NodeId, Id> = document
            .ids()
            .enumerate()
            .map(|(index, id)| (id, index))
            .collect();
        for id in document.ids() {
            let node = document.node(id);
            let kind = match node.kind {
                json::Kind::String => Kind::Text(scalar(&node.span)),
                json::Kind::Array(_) => Kind::List,
                json::Kind::Object(_) => Kind::Map,
                json::Kind::Null | json::Kind::Bool(_) | json::Kind::Number => {
                    Kind::Plain(text[node.span.clone()].to_owned())
                }
            };
            let parent = node.parent.and_then(|parent| index.get(&parent).copied());
            tree.push(
                kind,
                node.span.clone(),
                node.key.as_ref().map(&scalar),
                parent,
            );
        }
        Ok(tree)
    }

    /// Adds a node; parents first.
    pub(crate) fn push(
        &mut self,
        kind: Kind,
        span: Range<usize>,
        key: Option<Scalar>,
        parent: Option<Id>,
    ) -> Id {
        let id = self.nodes.len();
        match parent {
            Some(parent) => self.nodes[parent].children.push(id),
            None => self.roots.push(id),
        }
        self.nodes.push(Node {
            kind,
            span,
            key,
            parent,
            children: Vec::new(),
        });
        id
    }

    /// Ends a node's span, for readers that know it late.
    pub(crate) fn close(&mut self, id: Id, end: usize) {
        self.nodes[id].span.end = end.max(self.nodes[id].span.start);
    }

    pub(crate) fn roots(&self) -> &[Id] {
        &self.roots
    }

    pub(crate) fn node(&self, id: Id) -> &Node {
        &self.nodes[id]
    }

    pub(crate) fn ids(&self) -> Range<Id> {
        0..self.nodes.len()
    }

    /// The values of a list or map, in order.
    pub(crate) fn children(&self, id: Id) -> &[Id] {
        &self.nodes[id].children
    }

    /// The key a node stands under, decoded.
    pub(crate) fn key(&self, id: Id) -> Option<&str> {
        self.nodes[id].key.as_ref().map(|key| key.text.as_str())
    }

    /// The value under a key, the last one if there are two; letter case counts not, as in ARM.
    pub(crate) fn get(&self, id: Id, key: &str) -> Option<Id> {
        let under = |child: &&Id| {
            self.key(**child)
                .is_some_and(|found| found.eq_ignore_ascii_case(key))
        };
        self.children(id).iter().rev().find(under).copied()
    }

    /// The value at the end of a path of keys.
    pub(crate) fn at(&self, id: Id, path: &[&str]) -> Option<Id> {
        path.iter().try_fold(id, |node, key| self.get(node, key))
    }

    /// The text of a node that is one.
    pub(crate) fn text(&self, id: Id) -> Option<&str> {
        match &self.nodes[id].kind {
            Kind::Text(scalar) => Some(&scalar.text),
            _ => None,
        }
    }

    /// The text at the end of a path of keys.
    pub(crate) fn text_at(&self, id: Id, path: &[&str]) -> Option<&str> {
        self.text(self.at(id, path)?)
    }

    /// A text node as a fragment of the file.
    pub(crate) fn fragment(&self, file: &Arc<Fragment>, id: Id) -> Option<Arc<Fragment>> {
        match &self.nodes[id].kind {
            Kind::Text(scalar) => scalar.fragment(file),
            _ => None,
        }
    }

    /// The keys from the top down to a node; `[]` for an element of a list.
    #[cfg(test)]
    pub(crate) fn path(&self, id: Id) -> Vec<&str> {
        let mut steps = Vec::new();
        let mut at = id;
        while let Some(parent) = self.nodes[at].parent {
            steps.push(self.key(at).unwrap_or("[]"));
            at = parent;
        }
        steps.reverse();
        steps
    }

    /// A node as a value, without its bytes; what lies deeper than 64 levels is left out.
    pub(crate) fn value(&self, id: Id) -> serde_json::Value {
        self.value_to_depth(id, 64)
    }

    fn value_to_depth(&self, id: Id, depth: usize) -> serde_json::Value {
        use serde_json::Value;
        if depth == 0 {
            return Value::Null;
        }
        let children = self.children(id).iter();
        match &self.nodes[id].kind {
            Kind::Text(scalar) => Value::String(scalar.text.clone()),
            Kind::Plain(written) => match written.as_str() {
                "true" | "True" | "TRUE" => Value::Bool(true),
                "false" | "False" | "FALSE" => Value::Bool(false),
                _ => serde_json::from_str(written).unwrap_or(Value::Null),
            },
            Kind::List => Value::Array(
                children
                    .map(|child| self.value_to_depth(*child, depth - 1))
                    .collect(),
            ),
            Kind::Map => Value::Object(
                children
                    .map(|child| {
                        (
                            self.key(*child).unwrap_or_default().to_owned(),
                            self.value_to_depth(*child, depth - 1),
                        )
                    })
                    .collect(),
            ),
        }
    }
}
