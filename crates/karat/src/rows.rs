//! Rows as text: what `karat query` prints.
