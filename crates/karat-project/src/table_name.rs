//! The one name of a table, and its folder.

use std::fmt;
use std::str::FromStr;

/// The layer a table lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// As received.
    Bronze,
    /// Typed, checked, current or historised.
    Silver,
    /// SQL models for use.
    Gold,
    /// Rows that broke a rule.
    Quarantine,
}

impl Layer {
    /// The word in names and folders.
    pub fn as_str(self) -> &'static str {
        match self {
            Layer::Bronze => "bronze",
            Layer::Silver => "silver",
            Layer::Gold => "gold",
            Layer::Quarantine => "quarantine",
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A table's two-part name: `{domain}_{layer}.{table}`.
///
/// ```
/// use karat_project::TableName;
/// let name: TableName = "ledger_silver.entries".parse().expect("a name");
/// assert_eq!(name.folder(), "ledger/silver/entries");
/// assert_eq!(name.to_string(), "ledger_silver.entries");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TableName {
    /// The domain that owns it.
    pub domain: String,
    /// The layer it lies in.
    pub layer: Layer,
    /// Its name within the layer.
    pub table: String,
}

impl TableName {
    /// Puts a name together.
    pub fn new(domain: impl Into<String>, layer: Layer, table: impl Into<String>) -> Self {
        TableName {
            domain: domain.into(),
            layer,
            table: table.into(),
        }
    }

    /// The first part, `{domain}_{layer}`.
    pub fn schema(&self) -> String {
        format!("{}_{}", self.domain, self.layer)
    }

    /// The folder in the lake, `{domain}/{layer}/{table}`.
    pub fn folder(&self) -> String {
        format!("{}/{}/{}", self.domain, self.layer, self.table)
    }

    /// The quarantine table that belongs to a silver table.
    pub fn quarantine(&self) -> TableName {
        TableName::new(self.domain.clone(), Layer::Quarantine, self.table.clone())
    }

    /// Puts a name together from its two parts, if they are one.
    pub fn from_parts(schema: &str, table: &str) -> Option<TableName> {
        let (domain, layer) = schema.rsplit_once('_')?;
        let layer = match layer {
            "bronze" => Layer::Bronze,
            "silver" => Layer::Silver,
            "gold" => Layer::Gold,
            "quarantine" => Layer::Quarantine,
            _ => return None,
        };
        let whole = crate::decode::is_own_name(domain) && crate::decode::is_own_name(table);
        whole.then(|| TableName::new(domain, layer, table))
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}.{}", self.domain, self.layer, self.table)
    }
}

/// A text that is no table name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a table's name: it is written `domain_layer.table`, like `sales_silver.orders`"
)]
pub struct NotATableName(String);

impl FromStr for TableName {
    type Err = NotATableName;

    fn from_str(text: &str) -> Result<Self, NotATableName> {
        text.split_once('.')
            .and_then(|(schema, table)| TableName::from_parts(schema, table))
            .ok_or_else(|| NotATableName(text.to_string()))
    }
}
