//! Databricks notebooks in source form: cells between `COMMAND` lines, cells in other languages behind `MAGIC` marks, `%run`.
//!
//! Each cell becomes a fragment in its language; the session goes on from cell to cell. Jupyter notebooks and archives share
//! [`cell`], which reads a cell's text with its magic.

use std::sync::Arc;

use crate::fragment::Fragment;
use crate::language::Language;
use crate::occurrence::{Means, NotATable};
use crate::reader::Reader;
use crate::session::Value;

/// The comment mark of a language.
fn mark(language: Language) -> &'static str {
    match language {
        Language::Sql => "--",
        Language::Scala => "//",
        _ => "#",
    }
}

/// The language of a source notebook by its first line; `None` if it is no notebook.
pub fn main_language(text: &str, by_name: Option<Language>) -> Option<Language> {
    let first = text.lines().next()?.trim_end();
    let (mark, rest) = first.split_once(' ')?;
    if rest != "Databricks notebook source" {
        return None;
    }
    match (mark, by_name) {
        ("--", _) => Some(Language::Sql),
        ("//", _) => Some(Language::Scala),
        ("#", Some(Language::R)) => Some(Language::R),
        ("#", _) => Some(Language::Python),
        _ => None,
    }
}

/// Reads a notebook in source form.
pub(super) fn read(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, language: Language) {
    let text = fragment.text();
    let separator = format!("{} COMMAND ----------", mark(language));
    let mut cell_start = 0;
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        if line.trim_end() == separator {
            source_cell(reader, fragment, cell_start..at, language);
            cell_start = at + line.len();
        }
        at += line.len();
    }
    source_cell(reader, fragment, cell_start..text.len(), language);
}

/// A cell between two separators: lines with MAGIC marks, or code of the main language.
fn source_cell(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    range: std::ops::Range<usize>,
    language: Language,
) {
    let magic = format!("{} MAGIC", mark(language));
    let title = format!("{} DBTITLE", mark(language));
    let text = &fragment.text()[range.clone()];
    let lines = || {
        let mut at = range.start;
        text.split_inclusive('\n').map(move |line| {
            let start = at;
            at += line.len();
            (start, line)
        })
    };
    for (start, line) in lines().filter(|(_, line)| line.starts_with(&title)) {
        reader.region(
            fragment,
            start..start + line.len(),
            Means::NotATable(NotATable::Comment),
        );
    }
    if !lines().any(|(_, line)| line.starts_with(&magic)) {
        let head = format!("{} Databricks notebook source", mark(language));
        let says_something = |line: &str| {
            !line.trim().is_empty() && !line.starts_with(&title) && !line.starts_with(&head)
        };
        let first = lines().find(|(_, line)| says_something(line));
        return match first {
            // `%sql` whose marks are gone, as some exports have it; what stood behind a mark may have kept its blank.
            Some((from, line)) if is_magic(line) => {
                let blank = line.starts_with(" %");
                let mut builder = fragment.inside("cell");
                for (start, line) in lines().filter(|(start, _)| *start >= from) {
                    let lead = usize::from(blank && line.starts_with(' '));
                    builder.verbatim(start + lead..start + line.len());
                }
                cell(reader, &builder.build(), language)
            }
            _ => cell(reader, &fragment.part(range.clone(), "cell"), language),
        };
    }
    // The first line that says anything names the language of the whole cell; lines that lost their mark belong to it all the same.
    let comment = mark(language);
    let told = lines().find(|(_, line)| {
        !line.trim().is_empty() && (line.starts_with(&magic) || !line.starts_with(comment))
    });
    let code = told.is_some_and(|(_, line)| {
        line.strip_prefix(&magic).is_some_and(|line| {
            ["%python", "%scala", "%r", "%sql"]
                .iter()
                .any(|word| line.trim() == *word || line.trim().starts_with(&format!("{word} ")))
        })
    });
    if code {
        let mut builder = fragment.inside("MAGIC cell");
        for (start, line) in lines() {
            let marked = match line.strip_prefix(&magic) {
                Some(rest) => magic.len() + usize::from(rest.starts_with(' ')),
                None if line.starts_with(comment) => continue,
                None => 0,
            };
            builder.verbatim(start + marked..start + line.len());
        }
        for (start, line) in lines() {
            if line.starts_with(comment) && !line.starts_with(&magic) {
                reader.region(
                    fragment,
                    start..start + line.len(),
                    Means::NotATable(NotATable::Comment),
                );
            }
        }
        return cell(reader, &builder.build(), language);
    }
    // Runs of lines of one kind; MAGIC lines without their marks.
    let mut run: Vec<(usize, &str)> = Vec::new();
    let mut in_magic = false;
    for (start, line) in lines() {
        if line.starts_with(&magic) != in_magic {
            flush(
                reader,
                fragment,
                &run,
                in_magic.then_some(magic.as_str()),
                language,
            );
            run.clear();
            in_magic = !in_magic;
        }
        run.push((start, line));
    }
    flush(
        reader,
        fragment,
        &run,
        in_magic.then_some(magic.as_str()),
        language,
    );
}

/// Whether a line begins a cell in another language.
fn is_magic(line: &str) -> bool {
    const WORDS: &[&str] = &[
        "fs",
        "md",
        "md-sandbox",
        "pip",
        "py",
        "python",
        "r",
        "run",
        "scala",
        "sh",
        "sql",
    ];
    let magic = line.strip_prefix(' ').unwrap_or(line).strip_prefix('%');
    magic.is_some_and(|line| {
        let word = line.split_whitespace().next().unwrap_or_default();
        line.starts_with(word) && WORDS.contains(&word)
    })
}

fn flush(
    reader: &mut Reader<'_>,
    fragment: &Arc<Fragment>,
    lines: &[(usize, &str)],
    magic: Option<&str>,
    language: Language,
) {
    let (Some((first, _)), Some((last, line))) = (lines.first(), lines.last()) else {
        return;
    };
    let end = last + line.len();
    let Some(magic) = magic else {
        let blank = lines.iter().all(|(_, line)| line.trim().is_empty());
        if !blank {
            cell(reader, &fragment.part(*first..end, "cell"), language);
        }
        return;
    };
    let mut builder = fragment.inside("MAGIC cell");
    for (start, line) in lines {
        let marked = magic.len() + usize::from(line[magic.len()..].starts_with(' '));
        builder.verbatim(start + marked..start + line.len());
    }
    cell(reader, &builder.build(), language);
}

/// Reads the text of a cell: `%sql` and its like on its first line decide the language.
pub(crate) fn cell(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, language: Language) {
    let text = fragment.text();
    // Behind lines of the notebook's machinery.
    let mut from = 0;
    loop {
        let lead = from + text[from..].len() - text[from..].trim_start().len();
        let first = text[lead..].lines().next().unwrap_or_default();
        let line_end = lead + first.len();
        let Some(magic) = first.strip_prefix('%') else {
            if from == 0 {
                reader.read(fragment, language);
            } else if lead < text.len() {
                reader.read(&fragment.part(from..text.len(), "cell"), language);
            }
            return;
        };
        let doubled = magic.starts_with('%');
        let word_start = usize::from(doubled);
        let word_end = magic[word_start..]
            .find(|letter: char| letter.is_whitespace())
            .map_or(magic.len(), |end| end + word_start);
        let word = magic[word_start..word_end].to_ascii_lowercase();
        let body_start = lead + 1 + word_end;
        let body = || fragment.part(body_start..text.len(), "magic cell");
        match word.as_str() {
            "sql" => reader.read(&body(), Language::Sql),
            "python" | "py" | "pyspark" | "spark" => reader.read(&body(), Language::Python),
            "scala" => reader.read(&body(), Language::Scala),
            "r" => reader.read(&body(), Language::R),
            "sh" | "bash" => reader.read(&body(), Language::Shell),
            "md" | "md-sandbox" | "markdown" | "html" | "latex" => {
                reader.read(&body(), Language::Markdown);
            }
            "run" => run(reader, fragment, body_start, line_end),
            "fs" => file_system(reader, fragment, body_start),
            // `%time x = f()`: code on the line of the magic.
            "time" | "timeit" | "prun" if !doubled => reader.read(&body(), language),
            "pip" | "conda" | "matplotlib" | "load_ext" | "reload_ext" | "autoreload"
            | "config" | "skip" | "lsmagic" | "tensorboard" | "time" | "timeit" | "prun"
            | "capture" => {
                // One line of the notebook's machinery; the rest is code, and may begin with more of it.
                // `%%timeit` may have code to begin with, which stays open.
                if !matches!(word.as_str(), "timeit" | "prun") {
                    reader.region(
                        fragment,
                        lead..line_end,
                        Means::NotATable(NotATable::OtherWord),
                    );
                }
                from = line_end;
                continue;
            }
            // A magic that we do not know; candidates in the cell go to a person.
            _ => {}
        }
        return;
    }
}

/// `%run ./setup $env="dev"`: the other notebook runs in this session.
fn run(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, start: usize, end: usize) {
    let text = fragment.text();
    reader.region(
        fragment,
        start..end,
        Means::NotATable(NotATable::WorkspacePath),
    );
    let line = text[start..end].trim();
    let (target, parameters) = match line.find(" $") {
        Some(at) => (&line[..at], &line[at..]),
        None => (line, ""),
    };
    let target = target.trim().trim_matches(['"', '\'']);
    if target.is_empty() {
        return;
    }
    for parameter in parameters.split(" $").skip(1) {
        if let Some((name, value)) = parameter.split_once('=') {
            let value = value.trim().trim_matches(['"', '\'']);
            reader.passes(target, name.trim(), vec![value.to_owned()]);
            reader
                .session
                .widgets
                .insert(name.trim().to_owned(), Value::text(value));
        }
    }
    reader.run(target);
    // What follows the line is code that Databricks would not run; leave it to the scanner.
}

/// `%fs ls /mnt/raw`: words that are paths.
fn file_system(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, start: usize) {
    let text = fragment.text();
    let mut at = start;
    for word in text[start..].split_inclusive(char::is_whitespace) {
        let trimmed = word.trim_end().trim_matches(['"', '\'']);
        let offset = word.find(trimmed).unwrap_or(0);
        if trimmed.contains('/') {
            reader.path(fragment, at + offset..at + offset + trimmed.len());
        }
        at += word.len();
    }
}
