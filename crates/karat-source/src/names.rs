//! Column names as karat writes them (F3): lower case, `_` for every other character, and none twice.

use std::collections::HashMap;

use crate::{ErrorKind, SourceError};

/// The folded name of the `position`-th column (from 1) that the source calls `source_name`.
///
/// ```
/// use karat_source::names::fold;
/// assert_eq!(fold("Order No.", 1), "order_no_");
/// assert_eq!(fold("", 3), "column_3");
/// assert_eq!(fold("_run", 1), "src__run");
/// ```
#[must_use]
pub fn fold(source_name: &str, position: usize) -> String {
    if source_name.is_empty() {
        return format!("column_{position}");
    }
    let mut folded = String::with_capacity(source_name.len());
    if source_name.starts_with('_') {
        folded.push_str("src_");
    }
    for c in source_name.chars() {
        match c {
            'a'..='z' | '0'..='9' | '_' => folded.push(c),
            'A'..='Z' => folded.push(c.to_ascii_lowercase()),
            // The first character folding to `_` (`€`, `#`) must not make a reserved name either.
            _ if folded.is_empty() => folded.push_str("src__"),
            _ => folded.push('_'),
        }
    }
    folded
}

/// Folds all names of one table or file. Two that are equal after folding are an error that names both.
pub fn fold_all<S: AsRef<str>>(source_names: &[S], of: &str) -> Result<Vec<String>, SourceError> {
    fold_unique(source_names).map_err(|why| {
        SourceError::new(
            ErrorKind::Drift,
            format!("cannot name the columns of `{of}`: {why}"),
        )
        .hint("rename one of them at the source")
        .object(of)
    })
}

/// The same, with only the reason: which two names are one.
pub(crate) fn fold_unique<S: AsRef<str>>(source_names: &[S]) -> Result<Vec<String>, String> {
    let mut folded: Vec<String> = Vec::with_capacity(source_names.len());
    let mut seen: HashMap<String, usize> = HashMap::with_capacity(source_names.len());
    for (i, name) in source_names.iter().enumerate() {
        let one = fold(name.as_ref(), i + 1);
        if let Some(&first) = seen.get(&one) {
            return Err(format!(
                "`{}` (column {}) and `{}` (column {}) are both `{one}` in lower case letters, digits and `_`",
                source_names[first].as_ref(),
                first + 1,
                name.as_ref(),
                i + 1
            ));
        }
        seen.insert(one.clone(), i);
        folded.push(one);
    }
    Ok(folded)
}

/// A text as YAML and JSON write it.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folding_keeps_letters_digits_and_underscores() {
        let names = ["Id", "Größe", "2nd", "", "_x", "#", "a b"];
        let folded = fold_all(&names, "t").expect("no two are equal");
        assert_eq!(
            folded,
            ["id", "gr__e", "2nd", "column_4", "src__x", "src__", "a_b"]
        );
    }

    #[test]
    fn two_names_equal_after_folding_are_both_named() {
        let error = fold_all(&["id", "amount", "ID"], "a.csv").expect_err("id twice");
        assert_eq!(
            error.to_string(),
            "cannot name the columns of `a.csv`: `id` (column 1) and `ID` (column 3) are both `id` in lower case letters, digits and `_`"
        );
    }
}
