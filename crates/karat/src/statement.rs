//! What somebody types where a SELECT is expected: a SELECT, a question about tables or plans, or a verb that karat has elsewhere.

use crate::failure::Failure;

/// One statement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Statement {
    /// Rows are wanted.
    Select(String),
    /// `explain select …`: the plan is wanted.
    Explain(String),
    /// `describe select …`: the columns of the answer are wanted.
    DescribeQuery(String),
    /// `describe NAME`: the columns of a table are wanted.
    Describe(String),
    /// `show tables`.
    Tables,
    /// `show functions`.
    Functions,
}

/// Says what a text asks for. What is no question about tables goes on as a SELECT, so that its mistakes are told with their place.
pub(crate) fn understood(sql: &str) -> Result<Statement, Failure> {
    let Ok(normal) = karat_sql::normalised(sql) else {
        return Ok(Statement::Select(sql.to_owned()));
    };
    let words: Vec<&str> = normal.split(' ').collect();
    let queries = ["select", "with", "(", "from", "values"];
    let found = match words.as_slice() {
        ["show", "tables"] => Statement::Tables,
        ["show", "functions"] => Statement::Functions,
        ["show", "columns", "from" | "in", name @ ..] if !name.is_empty() => {
            Statement::Describe(table(name))
        }
        ["describe" | "desc", first, ..] if queries.contains(first) => {
            Statement::DescribeQuery(without_first_word(sql))
        }
        ["describe" | "desc", "table", name @ ..] | ["describe" | "desc", name @ ..]
            if !name.is_empty() =>
        {
            Statement::Describe(table(name))
        }
        ["explain", word @ ("analyze" | "verbose"), ..] => {
            return Err(Failure::usage(
                format!("`explain {word}` is not there yet"),
                "`explain select …` shows the plan",
            ));
        }
        ["explain", _, ..] => Statement::Explain(without_first_word(sql)),
        [word, ..] => match instead(word) {
            Some(hint) => return Err(Failure::usage(format!("`{word}` is no query"), hint)),
            None => Statement::Select(sql.to_owned()),
        },
        [] => Statement::Select(sql.to_owned()),
    };
    Ok(found)
}

fn table(words: &[&str]) -> String {
    let name: String = words.concat();
    name.replace(['"', '`'], "").to_lowercase()
}

/// The text with blanks for its first word, so that places in it stay what they are.
fn without_first_word(sql: &str) -> String {
    let mut text = String::with_capacity(sql.len());
    let mut rest = sql;
    while let Some(behind) = comment(rest) {
        text.push_str(&blank(&rest[..rest.len() - behind.len()]));
        rest = behind;
    }
    let end = rest
        .find(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .unwrap_or(rest.len());
    text.push_str(&blank(&rest[..end]));
    text.push_str(&rest[end..]);
    text
}

fn blank(text: &str) -> String {
    let kept = |letter: char| if letter == '\n' { '\n' } else { ' ' };
    text.chars().map(kept).collect()
}

/// What stands behind the white space or comment with which a text begins; none if it begins with neither.
fn comment(text: &str) -> Option<&str> {
    let trimmed = text.trim_start();
    if trimmed.len() < text.len() {
        return Some(trimmed);
    }
    if text.starts_with("--") {
        return Some(text.find('\n').map_or("", |end| &text[end..]));
    }
    if text.starts_with("/*") {
        return Some(text.find("*/").map_or("", |end| &text[end + 2..]));
    }
    None
}

/// What karat has in the place of a statement that is none of a query's.
fn instead(word: &str) -> Option<&'static str> {
    Some(match word {
        "show" => "there are `show tables`, `show functions` and `describe NAME`",
        "insert" | "update" | "delete" | "merge" | "truncate" => {
            "a query reads; tables are written by the feeds and models of a project, with `karat run`"
        }
        "create" | "drop" | "alter" => {
            "name files with `--table NAME=PATH`, and parts of a query with `with name as (…)`"
        }
        "copy" | "export" | "unload" => {
            "`--format parquet --output FILE` writes the rows to a file"
        }
        "set" | "reset" | "pragma" => {
            "what can be set are options: `--threads`, `--memory`, `--at`, `--param`, `--strict`"
        }
        "use" | "attach" | "detach" | "install" | "load" | "import" => {
            "`--table NAME=PATH` names files; a project's tables are there by their two-part names"
        }
        "begin" | "commit" | "rollback" | "start" => {
            "a query reads one cut of the lake and needs no transaction"
        }
        "call" | "execute" | "prepare" => {
            "write one SELECT; values go in with `--param NAME=VALUE`"
        }
        "analyze" | "vacuum" | "optimize" => "karat needs no such statement before a query",
        _ => return None,
    })
}

/// The statements that a `;` ends, and what stands behind the last of them. A `;` within quotes or a comment ends nothing.
pub(crate) fn split(text: &str) -> (Vec<String>, String) {
    let mut statements = Vec::new();
    let mut start = 0;
    let mut at = 0;
    while let Some(letter) = text[at..].chars().next() {
        let rest = &text[at..];
        let step = match letter {
            '\'' | '"' | '`' => match rest[1..].find(letter) {
                Some(end) => end + 2,
                None => rest.len(),
            },
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            ';' => {
                let statement = text[start..at].trim();
                if !statement.is_empty() {
                    statements.push(statement.to_owned());
                }
                start = at + 1;
                1
            }
            letter => letter.len_utf8(),
        };
        at += step;
    }
    (statements, text[start..].trim_start().to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use expect_test::{Expect, expect};

    use super::*;

    fn check(sql: &str, expected: Expect) {
        let found = match understood(sql) {
            Ok(statement) => format!("{statement:?}"),
            Err(failure) => failure.text().trim_end().to_owned(),
        };
        expected.assert_eq(&found);
    }

    #[test]
    fn questions_about_tables_and_plans() {
        check("SHOW tables;", expect!["Tables"]);
        check(
            "describe Shop_Gold.revenue",
            expect![[r#"Describe("shop_gold.revenue")"#]],
        );
        check("desc table \"T\"", expect![[r#"Describe("t")"#]]);
        check(
            "-- why\nexplain select 1",
            expect![[r#"Explain("      \n        select 1")"#]],
        );
        check(
            "describe select 1",
            expect![[r#"DescribeQuery("         select 1")"#]],
        );
        check(
            "select 'show tables'",
            expect![[r#"Select("select 'show tables'")"#]],
        );
        check(
            "copy t to 'x'",
            expect![[r#"
                error: `copy` is no query
                hint: `--format parquet --output FILE` writes the rows to a file"#]],
        );
    }

    #[test]
    fn statements_end_with_a_semicolon_outside_of_quotes_and_comments() {
        let (statements, rest) = split("select ';' -- a; b\n; select 1 /* ; */;;\nselect");
        expect![[r#"(["select ';' -- a; b", "select 1 /* ; */"], "select")"#]]
            .assert_eq(&format!("{:?}", (statements, rest)));
        assert_eq!(split("select 'open;").0.len(), 0);
    }
}
