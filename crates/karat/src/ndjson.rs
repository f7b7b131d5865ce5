//! Lines of JSON objects as a Parquet file of texts: each value stands as the line writes it, numbers with all their digits (B3).

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringBuilder};
use arrow::datatypes::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;

use crate::failure::Failure;

/// Rows of a batch.
const BATCH_ROWS: usize = 8192;

/// Writes the lines of `file` as rows of `target`; a key that a line lacks is null there.
pub(crate) fn as_parquet(file: &Path, target: &Path) -> Result<(), Failure> {
    let mut names: Vec<String> = Vec::new();
    each_line(file, |line, row| {
        for (at, (name, _)) in row.iter().enumerate() {
            if row[..at].iter().any(|(other, _)| other == name) {
                return Err(broken(file, line, &format!("`{name}` stands in it twice")));
            }
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        Ok(())
    })?;
    if names.is_empty() {
        return Err(Failure::usage(
            format!("`{}` is empty", file.display()),
            "a table needs at least one object with a key",
        ));
    }
    let field = |name: &String| Field::new(name, DataType::Utf8, true);
    let schema = Arc::new(Schema::new(names.iter().map(field).collect::<Vec<_>>()));
    let failed = |error: parquet::errors::ParquetError| Failure::Io {
        doing: "write",
        path: target.to_path_buf(),
        source: std::io::Error::other(error),
    };
    let output = File::create(target).map_err(Failure::io("create", target))?;
    let mut writer = ArrowWriter::try_new(output, schema.clone(), None).map_err(failed)?;
    let mut columns: Vec<StringBuilder> = names.iter().map(|_| StringBuilder::new()).collect();
    let mut rows = 0;
    let mut flush = |columns: &mut Vec<StringBuilder>| {
        let arrays = columns
            .iter_mut()
            .map(|column| Arc::new(column.finish()) as ArrayRef)
            .collect();
        let batch =
            RecordBatch::try_new(schema.clone(), arrays).map_err(|error| failed(error.into()))?;
        writer.write(&batch).map_err(failed)
    };
    each_line(file, |_, mut row| {
        for (name, column) in names.iter().zip(&mut columns) {
            let value = row
                .iter_mut()
                .find(|(key, _)| key == name)
                .and_then(|(_, value)| value.take());
            column.append_option(value);
        }
        rows += 1;
        if rows % BATCH_ROWS == 0 {
            flush(&mut columns)?;
        }
        Ok(())
    })?;
    flush(&mut columns)?;
    writer.close().map_err(failed)?;
    Ok(())
}

type Row = Vec<(String, Option<String>)>;

fn each_line(
    file: &Path,
    mut take: impl FnMut(usize, Row) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let input = File::open(file).map_err(Failure::io("open", file))?;
    let packed = file
        .extension()
        .is_some_and(|end| end.eq_ignore_ascii_case("gz"));
    let input: Box<dyn Read> = match packed {
        true => Box::new(flate2::read::MultiGzDecoder::new(input)),
        false => Box::new(input),
    };
    let mut lines = BufReader::new(input);
    let mut text = String::new();
    let mut number = 0;
    loop {
        text.clear();
        number += 1;
        let read = lines
            .read_line(&mut text)
            .map_err(|error| match error.kind() {
                std::io::ErrorKind::InvalidData => broken(file, number, "it is no UTF-8"),
                _ => Failure::io("read", file)(error),
            })?;
        if read == 0 {
            return Ok(());
        }
        let line = text.trim_start_matches('\u{feff}').trim();
        if line.is_empty() {
            continue;
        }
        let row = object(line).ok_or_else(|| broken(file, number, "it is no JSON object"))?;
        take(number, row)?;
    }
}

fn broken(file: &Path, line: usize, why: &str) -> Failure {
    Failure::NeedsPerson {
        what: format!("cannot read line {line} of `{}`: {why}", file.display()),
        hint: "each line is one object, like {\"id\": 1, \"name\": \"a\"}".to_owned(),
    }
}

/// Keys and values of an object: a text without its quotes, null as none, everything else as it is written.
fn object(line: &str) -> Option<Row> {
    // What this accepts is JSON; below only the places of values are looked for.
    serde_json::from_str::<serde::de::IgnoredAny>(line).ok()?;
    let mut rest = line.strip_prefix('{')?.trim_start();
    let mut row = Vec::new();
    loop {
        if rest.starts_with('}') {
            return Some(row);
        }
        let (key, behind) = value(rest);
        let key: String = serde_json::from_str(key).ok()?;
        rest = behind.trim_start().strip_prefix(':')?.trim_start();
        let (written, behind) = value(rest);
        let held = match written.as_bytes().first()? {
            b'"' => Some(serde_json::from_str(written).ok()?),
            b'n' => None,
            _ => Some(written.trim_end().to_owned()),
        };
        row.push((key, held));
        rest = behind.trim_start();
        rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
    }
}

/// The value at the beginning of a text, and what stands behind it.
fn value(text: &str) -> (&str, &str) {
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (at, letter) in text.char_indices() {
        if quoted {
            match letter {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                '"' => quoted = false,
                _ => {}
            }
            if !quoted && depth == 0 {
                return text.split_at(at + 1);
            }
            continue;
        }
        match letter {
            '"' => quoted = true,
            '{' | '[' => depth += 1,
            '}' | ']' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return text.split_at(at + 1);
                }
            }
            ',' | '}' | ':' if depth == 0 => return text.split_at(at),
            _ => {}
        }
    }
    (text, "")
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::object;

    #[test]
    fn values_stand_as_they_are_written() {
        let line = r#"{"a": 1.10, "b":"x\"},é","c":null ,"d": {"e": [1, "}"]}, "f":true}"#;
        expect![[r#"Some([("a", Some("1.10")), ("b", Some("x\"},é")), ("c", None), ("d", Some("{\"e\": [1, \"}\"]}")), ("f", Some("true"))])"#]]
            .assert_eq(&format!("{:?}", object(line)));
        assert_eq!(object("[1]"), None);
        assert_eq!(object("{\"a\": 01}"), None);
        assert_eq!(object("{}"), Some(Vec::new()));
    }
}
