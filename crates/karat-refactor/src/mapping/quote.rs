//! Names as Databricks SQL writes them: bare where it can read them, in backticks where it must.

/// Words that Databricks reserves, or that cannot be the first part of a table's name unquoted.
const RESERVED: &[&str] = &[
    "anti",
    "cross",
    "except",
    "full",
    "inner",
    "intersect",
    "join",
    "lateral",
    "left",
    "minus",
    "natural",
    "on",
    "right",
    "select",
    "semi",
    "union",
    "using",
    "where",
    "from",
    "table",
    "values",
];

/// A name, in backticks if it needs them.
pub fn quoted(name: &str) -> String {
    let bare = !name.is_empty()
        && name
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        && !name.chars().all(|letter| letter.is_ascii_digit())
        && !RESERVED.contains(&name.to_ascii_lowercase().as_str())
        // `1e5` would be read as a number.
        && !name.starts_with(|letter: char| letter.is_ascii_digit());
    if bare {
        name.to_owned()
    } else {
        format!("`{}`", name.replace('`', "``"))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn backticks_only_where_they_must_be() {
        for (name, written) in [
            ("sales", "sales"),
            ("prod-eu", "`prod-eu`"),
            ("a`b", "`a``b`"),
            ("2024", "`2024`"),
            ("1e5", "`1e5`"),
            ("left", "`left`"),
            ("größe", "`größe`"),
        ] {
            assert_eq!(quoted(name), written);
        }
    }
}
