//! Files that a pipeline reads: `read_files`, `cloud_files`, and paths behind a format.

use std::collections::BTreeMap;

use sqlparser::tokenizer::Token;

use crate::outline::Feed;
use crate::sql::{Edit, Trouble, applied};
use crate::yaml_text::item;

use super::statement::{Word, words};

/// What stands for files in a text, until the feeds are written.
pub(crate) const FILES: &str = "karat_files";

/// Options that change no row that karat reads.
const PASSED: [&str; 17] = [
    "header",
    "sep",
    "delimiter",
    "multiline",
    "infercolumntypes",
    "schemaevolutionmode",
    "schemalocation",
    "useincrementallisting",
    "usenotifications",
    "maxfilespertrigger",
    "maxbytespertrigger",
    "includeexistingfiles",
    "inferschema",
    "format",
    "rescueddatacolumn",
    "schema",
    "schemahints",
];

/// Files of one folder, in one format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Files {
    pub(crate) path: String,
    pub(crate) format: &'static str,
    options: BTreeMap<String, String>,
    /// Columns with types, where they are declared.
    pub(crate) columns: Vec<(String, String)>,
    /// Whether `columns` are all of them.
    pub(crate) is_whole: bool,
}

impl Files {
    fn new(
        path: &str,
        format: &str,
        options: BTreeMap<String, String>,
    ) -> Result<Files, (String, String)> {
        let is_many_lines = options
            .get("multiline")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"));
        let format = match format.to_ascii_lowercase().as_str() {
            "csv" => "csv",
            "json" if is_many_lines => "json",
            "json" => "ndjson",
            "parquet" => "parquet",
            "avro" => "avro",
            other => {
                return Err((
                    format!("format {other}"),
                    "karat reads CSV, JSON, Parquet, Avro and Excel".to_owned(),
                ));
            }
        };
        let odd = options
            .keys()
            .find(|key| !PASSED.contains(&key.as_str()) && key.as_str() != "nullvalue");
        if let Some(odd) = odd {
            return Err((
                odd.clone(),
                "what this option changes is not taken over".to_owned(),
            ));
        }
        let declared = options.get("schema").or_else(|| options.get("schemahints"));
        let columns = match declared {
            Some(text) => columns_of(text)
                .ok_or_else(|| ("schema".to_owned(), "it is not understood".to_owned()))?,
            None => Vec::new(),
        };
        Ok(Files {
            is_whole: options.contains_key("schema"),
            path: own_path(path),
            format,
            options,
            columns,
        })
    }

    /// Its name, which the last folder or file of its path gives.
    pub(crate) fn name(&self) -> String {
        let last = self
            .path
            .split('/')
            .rev()
            .find(|part| !part.is_empty() && !part.contains('*'));
        let last = last.unwrap_or("files");
        super::own_name(last.split('.').next().unwrap_or(last))
    }

    pub(crate) fn is_text(&self) -> bool {
        self.format != "parquet" && self.format != "avro"
    }

    pub(crate) fn feed(&self, name: &str) -> Feed {
        let is_file = self.path.contains('*')
            || self
                .path
                .rsplit('/')
                .next()
                .is_some_and(|last| last.contains('.'));
        let path = match is_file {
            true => self.path.clone(),
            false => format!("{}/**", self.path.trim_end_matches('/')),
        };
        let mut keys = vec![
            ("mode", "incremental".to_owned()),
            ("path", item(path.trim_start_matches('/'))),
            ("format", self.format.to_owned()),
            ("on_duplicate", "load".to_owned()),
        ];
        let mut csv = Vec::new();
        if let Some(mark) = self
            .options
            .get("sep")
            .or_else(|| self.options.get("delimiter"))
        {
            let mark = if mark == "\\t" || mark == "\t" {
                "\"\\t\"".to_owned()
            } else {
                item(mark)
            };
            csv.push(format!("delimiter: {mark}"));
        }
        if self.format == "csv" && self.has_no_header() {
            csv.push("header: false".to_owned());
            let names: Vec<String> = self.columns.iter().map(|(name, _)| name.clone()).collect();
            keys.push(("columns", crate::yaml_text::list(&names)));
        }
        if self.format == "csv" && !csv.is_empty() {
            keys.push(("csv", format!("{{ {} }}", csv.join(", "))));
        }
        // A declared column that a file has not is null there.
        if self.is_text() && !self.columns.is_empty() {
            keys.push(("on_schema_change", "{ missing: \"null\" }".to_owned()));
        }
        if let Some(null) = self.options.get("nullvalue") {
            keys.push((
                "null_values",
                crate::yaml_text::list(std::slice::from_ref(null)),
            ));
        }
        Feed {
            source: "landing".to_owned(),
            name: name.to_owned(),
            comment: String::new(),
            keys,
        }
    }

    fn has_no_header(&self) -> bool {
        match self.options.get("header") {
            Some(value) => value.eq_ignore_ascii_case("false"),
            None => self.is_whole,
        }
    }
}

/// A path below the source's folder: without scheme, variables and the slash before it.
fn own_path(path: &str) -> String {
    let path = path.rsplit_once("://").map_or(path, |(_, path)| path);
    let path = path.strip_prefix("dbfs:").unwrap_or(path);
    let mut out = String::new();
    let mut rest = path;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        rest = after.split_once('}').map_or("", |(_, rest)| rest);
    }
    out.push_str(rest);
    let parts: Vec<&str> = out
        .split('/')
        .filter(|part| !part.is_empty() && *part != "." && *part != "..")
        .collect();
    parts.join("/")
}

/// `id INT, name STRING`.
pub(crate) fn columns_of(text: &str) -> Option<Vec<(String, String)>> {
    let words = words(text).ok()?;
    let mut columns = Vec::new();
    let mut depth = 0usize;
    let mut begins = 0;
    for nth in 0..=words.len() {
        match words.get(nth).map(|word| &word.token) {
            Some(Token::LParen | Token::Lt) => depth += 1,
            Some(Token::RParen | Token::Gt) => depth = depth.saturating_sub(1),
            Some(Token::Comma) if depth == 0 => {}
            None => {}
            _ => continue,
        }
        let ends = matches!(
            words.get(nth).map(|word| &word.token),
            Some(Token::Comma) | None
        ) && depth == 0;
        if !ends {
            continue;
        }
        let own = &words[begins..nth];
        begins = nth + 1;
        let (name, rest) = own.split_first()?;
        let stop = rest
            .iter()
            .position(|word| word.is("comment") || word.is("not"))
            .unwrap_or(rest.len());
        let (first, last) = (rest[..stop].first()?, rest[..stop].last()?);
        let data_type = text[first.range.start..last.range.end]
            .trim_start_matches(':')
            .trim();
        columns.push((name.name()?.to_owned(), data_type.to_owned()));
    }
    Some(columns)
}

/// The text with names in the place of files and streams; files are added to those that are known.
pub(crate) fn with_names(sql: &str, known: &mut Vec<Files>) -> Result<String, Trouble> {
    let words = words(sql)?;
    let mut edits: Vec<Edit> = Vec::new();
    let mut nth = 0;
    while nth < words.len() {
        let word = &words[nth];
        let next = words.get(nth + 1);
        if word
            .text()
            .or_else(|| word.name())
            .is_some_and(|text| text.contains("${"))
        {
            return Err(Trouble {
                at: word.range.start,
                construct: "${…}".to_owned(),
                why: "what is put in its place is known to the pipeline's settings alone"
                    .to_owned(),
                fix: "write its value, or a parameter of karat (`params`)".to_owned(),
            });
        }
        let opens = |word: Option<&Word>| word.is_some_and(|word| word.token == Token::LParen);
        let is_files = |word: Option<&Word>| {
            word.is_some_and(|word| word.is("read_files") || word.is("cloud_files"))
        };
        if word.is("stream") && is_files(next) && opens(words.get(nth + 2)) {
            edits.push(Edit {
                range: word.range.start..words[nth + 1].range.start,
                text: String::new(),
            });
        } else if word.is("stream")
            && opens(next)
            && words.get(nth + 2).is_some_and(|word| word.name().is_some())
        {
            // `STREAM(x)`, `STREAM(LIVE.x)`: the rows that are new are karat's to find.
            let close = closing(&words, nth + 1);
            let Some(close) = close else { break };
            edits.push(Edit {
                range: word.range.start..words[nth + 2].range.start,
                text: String::new(),
            });
            edits.push(Edit {
                range: words[close].range.clone(),
                text: String::new(),
            });
        } else if word.is("stream")
            && next.is_some_and(|word| word.name().is_some())
            && before_is(&words, nth)
        {
            edits.push(Edit {
                range: word.range.start..words[nth + 1].range.start,
                text: String::new(),
            });
        } else if is_files(Some(word)) && opens(next) {
            let Some(close) = closing(&words, nth + 1) else {
                break;
            };
            let files = called(&words[nth + 2..close]).map_err(|found| no_feed(word, found))?;
            edits.push(Edit {
                range: word.range.start..words[close].range.end,
                text: named(files, known),
            });
            nth = close;
        } else if let (Some(format), Some(path)) = (word.name(), words.get(nth + 2))
            && ["csv", "json", "parquet", "avro", "delta", "text", "orc"]
                .contains(&format.to_ascii_lowercase().as_str())
            && next.is_some_and(|word| word.token == Token::Period)
            && matches!(&path.token, Token::Word(found) if found.quote_style == Some('`'))
        {
            let files = Files::new(path.name().unwrap_or_default(), format, BTreeMap::new());
            let files = files.map_err(|found| no_feed(word, found))?;
            edits.push(Edit {
                range: word.range.start..path.range.end,
                text: named(files, known),
            });
            nth += 2;
        }
        nth += 1;
    }
    Ok(applied(sql, edits))
}

/// Whether a table may stand here.
fn before_is(words: &[Word], nth: usize) -> bool {
    let before = nth.checked_sub(1).and_then(|nth| words.get(nth));
    before.is_some_and(|word| word.is("from") || word.is("join") || word.token == Token::Comma)
}

fn named(files: Files, known: &mut Vec<Files>) -> String {
    let nth = match known.iter().position(|other| *other == files) {
        Some(nth) => nth,
        None => {
            known.push(files);
            known.len() - 1
        }
    };
    format!("{FILES}.f{nth}")
}

fn closing(words: &[Word], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (nth, word) in words.iter().enumerate().skip(open) {
        match word.token {
            Token::LParen => depth += 1,
            Token::RParen => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return Some(nth);
        }
    }
    None
}

/// Files that are read as no feed of karat reads them: what, and why.
fn no_feed(word: &Word, (construct, why): (String, String)) -> Trouble {
    Trouble {
        at: word.range.start,
        construct,
        why,
        fix: "write the feed in domain.yaml, and a silver model over it".to_owned(),
    }
}

/// `("path", format => "csv")`, `("path", "csv", map("header", "true"))`.
fn called(words: &[Word]) -> Result<Files, (String, String)> {
    let not_stated = |what: &str| {
        (
            what.to_owned(),
            "it is no text that stands there".to_owned(),
        )
    };
    let mut options: BTreeMap<String, String> = BTreeMap::new();
    let mut ordered: Vec<String> = Vec::new();
    let mut nth = 0;
    while nth < words.len() {
        let word = &words[nth];
        let next = words.get(nth + 1).map(|word| &word.token);
        if word.token == Token::Comma {
            nth += 1;
        } else if word.is("map") && next == Some(&Token::LParen) {
            let close = closing(words, nth + 1).ok_or_else(|| not_stated("map"))?;
            let texts: Option<Vec<&str>> = words[nth + 2..close]
                .iter()
                .filter(|word| word.token != Token::Comma)
                .map(|word| word.text().or_else(|| word.name()))
                .collect();
            let texts = texts.ok_or_else(|| not_stated("map"))?;
            for pair in texts.chunks_exact(2) {
                options.insert(option_name(pair[0]), pair[1].to_owned());
            }
            nth = close + 1;
        } else if next == Some(&Token::RArrow) {
            let name = word.name().ok_or_else(|| not_stated("option"))?;
            let value = words.get(nth + 2).ok_or_else(|| not_stated(name))?;
            let value = match (&value.token, value.text().or_else(|| value.name())) {
                (_, Some(text)) => text.to_owned(),
                (Token::Number(number, _), _) => number.clone(),
                _ => return Err(not_stated(name)),
            };
            options.insert(option_name(name), value);
            nth += 3;
        } else {
            ordered.push(word.text().ok_or_else(|| not_stated("path"))?.to_owned());
            nth += 1;
        }
    }
    let path = ordered.first().ok_or_else(|| not_stated("path"))?;
    let format = ordered
        .get(1)
        .cloned()
        .or_else(|| options.get("format").cloned());
    let format = format.ok_or_else(|| {
        (
            "format".to_owned(),
            "it is not stated, and found by looking at files".to_owned(),
        )
    })?;
    Files::new(path, &format, options)
}

fn option_name(name: &str) -> String {
    let lower = name.to_ascii_lowercase();
    lower
        .strip_prefix("cloudfiles.")
        .unwrap_or(&lower)
        .to_owned()
}
