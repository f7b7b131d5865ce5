//! The shell of `karat query`: statements over several lines, ended by `;`, with history and completion of names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::failure::Failure;
use crate::line::{Reader, Typed};
use crate::machine;
use crate::output;
use crate::site::Interrupt;
use crate::statement;
use crate::verb::query::{Desk, Stop};

/// Statements that are kept between shells.
const REMEMBERED: usize = 1000;

const HELP: &str = "\
Statements end with `;` and may have several lines.
  \\d          list the tables
  \\d NAME     list the columns of a table
  \\?          this text
  \\q          leave; so does Ctrl-D
Ctrl-C gives up a statement, typed or running. Tab completes names.
`explain select …;` shows the plan, `show functions;` what can be called.
";

/// Words of SQL that are completed.
const WORDS: &str = "select distinct from where group by having order limit offset join left right full cross on using union all \
    intersect except with as and or not in exists between like is null true false case when then else end cast over partition rows \
    range preceding following current row asc desc nulls first last filter within interval date timestamp explain describe show tables";

/// Reads statements and answers them until nobody wants more.
pub(crate) fn run(desk: &Desk<'_>) -> Result<u8, Failure> {
    let remembered = machine::state_folder().map(|folder| folder.join("query_history"));
    // A shell without its history is still one.
    let known = remembered
        .as_ref()
        .and_then(|file| fs::read_to_string(file).ok());
    let history = known.map(|text| text.lines().map(str::to_owned).collect());
    let mut reader = Reader::new(history.unwrap_or_default());
    let names = names(desk);
    // Between a line and its statement a Ctrl-C must not end the shell; who listened once is not ended later.
    drop(Interrupt::listen()?);
    output::print("Exact SQL. `\\?` tells what can be typed, `\\q` leaves.\n")?;
    let mut text = String::new();
    loop {
        let prompt = if text.is_empty() {
            "karat> "
        } else {
            "   ...> "
        };
        let typed = reader
            .read(prompt, &|before| completed(&names, before))
            .map_err(Failure::io("read", Path::new("the terminal")))?;
        let line = match typed {
            Typed::Line(line) => line,
            Typed::GivenUp => {
                text.clear();
                continue;
            }
            Typed::End => break,
        };
        if text.is_empty()
            && let Some(line) = as_command(line.trim())
        {
            if command(desk, line) == Next::Leave {
                break;
            }
            continue;
        }
        text.push_str(&line);
        text.push('\n');
        let (statements, rest) = statement::split(&text);
        for sql in &statements {
            if let Some(entry) = entry(sql)
                && reader.history.last() != Some(&entry)
            {
                reader.history.push(entry);
            }
            // Planning is given up, too, as soon as it is done.
            show(Interrupt::listen().and_then(|interrupt| desk.answer(sql, Stop::On(interrupt))));
        }
        text = rest;
    }
    if let Some(file) = &remembered {
        let from = reader.history.len().saturating_sub(REMEMBERED);
        let _ = remember(file, &reader.history[from..]);
    }
    Ok(0)
}

/// The statement on one line, if it fits there. Lines are joined where that changes nothing; else only its words count.
fn entry(sql: &str) -> Option<String> {
    let line = if !sql.contains('\n') {
        sql.to_owned()
    } else if sql.contains(['\'', '"', '`', '$']) || sql.contains("--") || sql.contains("/*") {
        karat_sql::normalised(sql).ok()?
    } else {
        sql.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    (!line.contains(char::is_control)).then(|| format!("{line};"))
}

/// Statements can hold what others should not read.
fn remember(file: &Path, history: &[String]) -> std::io::Result<()> {
    use std::io::Write as _;
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    for entry in history {
        writeln!(file, "{entry}")?;
    }
    Ok(())
}

/// A line that is no SQL: what begins with `\`, and the words with which people look for help and for the way out.
fn as_command(line: &str) -> Option<&str> {
    match line.trim_end_matches(';').trim_end() {
        "help" | "?" => Some("\\?"),
        "exit" | "quit" => Some("\\q"),
        _ => line.starts_with('\\').then_some(line),
    }
}

#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Leave,
}

fn command(desk: &Desk<'_>, line: &str) -> Next {
    let line = line.trim_end_matches(';').trim_end();
    let (word, name) = line.split_once(' ').unwrap_or((line, ""));
    match (word, name.trim()) {
        ("\\q", _) => return Next::Leave,
        ("\\?" | "\\h", _) => show(output::print(HELP).map(|()| 0)),
        ("\\d" | "\\dt", "") => show(desk.answer("show tables", Stop::Never)),
        ("\\d", name) => show(desk.answer(&format!("describe {name}"), Stop::Never)),
        _ => output::print_error(&format!(
            "error: there is no `{word}` here\nhint: `\\?` tells what there is\n"
        )),
    }
    Next::GoOn
}

fn show(answered: Result<u8, Failure>) {
    if let Err(failure) = answered {
        output::print_error(&failure.text());
    }
}

/// Names that can be completed.
fn names(desk: &Desk<'_>) -> BTreeSet<String> {
    let mut names: BTreeSet<String> = WORDS.split_whitespace().map(str::to_owned).collect();
    names.extend(karat_exact::function_names());
    // What cannot be listed cannot be completed; a query will say why.
    for (table, ..) in desk.tables().unwrap_or_default() {
        if let Ok(Some(schema)) = desk.columns(&table) {
            let columns = schema.fields().iter();
            names.extend(columns.map(|field| field.name().to_lowercase()));
        }
        names.insert(table);
    }
    names
}

/// The names with which the text could go on, and how many of its letters they take the place of.
fn completed(names: &BTreeSet<String>, before: &str) -> (usize, Vec<String>) {
    let of_name = |letter: &char| letter.is_alphanumeric() || *letter == '_' || *letter == '.';
    let letters: Vec<char> = before.chars().rev().take_while(of_name).collect();
    let begun: String = letters.into_iter().rev().collect::<String>().to_lowercase();
    let going_on = |begun: &str| -> Vec<String> {
        let from = names.range(begun.to_owned()..);
        from.take_while(|name| name.starts_with(begun))
            .cloned()
            .collect()
    };
    let mut found = (begun.chars().count(), going_on(&begun));
    // Behind an alias a column stands alone.
    if found.1.is_empty()
        && let Some((_, column)) = begun.rsplit_once('.')
    {
        found = (column.chars().count(), going_on(column));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_completed_also_behind_an_alias() {
        let names: BTreeSet<String> = ["amount", "sales_gold.revenue", "select", "sum"]
            .map(str::to_owned)
            .into();
        let found = |before: &str| completed(&names, before);
        assert_eq!(
            found("select s"),
            (
                1,
                vec!["sales_gold.revenue".into(), "select".into(), "sum".into()]
            )
        );
        assert_eq!(found("select R.AM"), (2, vec!["amount".into()]));
        assert_eq!(found("from sales_gold.r").1.len(), 1);
        assert_eq!(found("select nothing").1.len(), 0);
    }
}
