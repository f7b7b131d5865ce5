//! How new names are written: as literals, with the catalog as a parameter, or by one `USE CATALOG`. This module holds the choice;
//! what it does to an asset is decided in [`crate::reader`].

/// The style of the target.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub enum Style {
    /// Three-part names in the text.
    #[default]
    Literal,
}
