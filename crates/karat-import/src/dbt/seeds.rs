//! Seeds: CSV files, with the types that dbt reads in them.
//!
//! dbt looks at all values of a column and takes the first of whole number, number, date, time, boolean, text that fits them all; empty
//! cells and `null` are null. A number with places is a decimal here, and was a double in most databases.

use std::collections::BTreeMap;

use crate::folder::Folder;
use crate::outline::{Feed, Origin, Outline, Silver};
use crate::sql::{Shape, quoted, respelled};
use crate::tree::Node;
use crate::yaml_text::{item, list};

use super::properties::enabled;
use super::relations::{Relation, Relations};
use super::{Log, Shared, own_name, stem, text_of};

/// Texts that are null to dbt, in any case.
const NULL: &str = "null";

pub(crate) fn read(
    folder: &Folder,
    shared: &Shared,
    outline: &mut Outline,
    relations: &mut Relations,
    log: &mut Log,
) {
    let paths: Vec<&str> = folder
        .paths()
        .filter(|path| path.ends_with(".csv") && shared.project.is_in("seed-paths", path))
        .collect();
    for path in paths {
        let name = stem(path);
        let below = shared.project.below("seed-paths", path).unwrap_or(path);
        let origin = Origin {
            file: path.to_owned(),
            line: 1,
            name: name.to_owned(),
        };
        let entry = shared.properties.of(name);
        let configured = |key: &str| {
            let own = entry.and_then(|entry| entry.config(key));
            own.or_else(|| shared.project.configured("seeds", below, key))
        };
        match enabled(configured("enabled").map(Node::value).as_ref(), shared) {
            Ok(false) => {
                log.note(
                    &origin,
                    name,
                    "the seed is switched off (`enabled`)",
                    "switch it on there, or by `--var`, if it is wanted",
                );
                continue;
            }
            Err(text) => {
                log.item("seed", &origin, None);
                log.unmapped(
                    &origin,
                    format!("enabled: {text}"),
                    "whether the seed is switched on is not known",
                    "write true or false",
                );
                continue;
            }
            Ok(true) => {}
        }
        let Some(text) = text_of(folder, path, log) else {
            log.item("seed", &origin, None);
            continue;
        };
        let delimiter = configured("delimiter")
            .and_then(Node::scalar)
            .unwrap_or_else(|| ",".to_owned());
        let types = column_types(configured("column_types"));
        let seed = match Seed::read(text, &delimiter) {
            Ok(seed) => seed,
            Err((line, why)) => {
                let at = Origin {
                    line,
                    ..origin.clone()
                };
                log.item("seed", &origin, None);
                log.unmapped(&at, name, why, "mend the file");
                continue;
            }
        };
        let table = own_name(name);
        let full = outline.silver_name(&table);
        if !relations.take(&full, "seed", &origin, log) {
            continue;
        }
        let mut select = Vec::new();
        for column in &seed.columns {
            let own = karat_project::fold_name(&column.name);
            let own = if own.starts_with('_') {
                format!("src_{own}")
            } else {
                own
            };
            let sql = column.sql(
                &quoted(&own),
                types.get(&column.name.to_lowercase()),
                shared,
                &origin,
                log,
            );
            select.push((own, sql));
        }
        let schema = configured("schema")
            .and_then(Node::scalar)
            .unwrap_or_default();
        let alias = configured("alias")
            .and_then(Node::scalar)
            .unwrap_or_else(|| name.to_owned());
        relations.seeds_there.insert(
            (schema.to_lowercase(), alias.to_lowercase()),
            name.to_owned(),
        );
        let columns = select.iter().map(|(name, _)| name.clone()).collect();
        let relation = Relation {
            name: full.clone(),
            shape: Shape::of(columns),
        };
        relations.refs.insert(name.to_owned(), relation);
        outline
            .sources
            .insert("seeds".to_owned(), "./seeds".to_owned());
        let mut keys = vec![("mode", "full".to_owned()), ("path", item(&escaped(below)))];
        if delimiter != "," {
            let mark = if delimiter == "\t" {
                "\"\\t\"".to_owned()
            } else {
                item(&delimiter)
            };
            keys.push(("csv", format!("{{ delimiter: {mark} }}")));
        }
        if !seed.nulls.is_empty() {
            keys.push(("null_values", list(&seed.nulls)));
        }
        outline.feeds.push(Feed {
            source: "seeds".to_owned(),
            name: table.clone(),
            comment: String::new(),
            keys,
        });
        let bytes = folder.bytes(path).unwrap_or_default().to_vec();
        outline.data.insert(format!("seeds/{below}"), bytes);
        log.item("seed", &origin, Some(full));
        outline.silver.push(Silver {
            comment: entry
                .map(|entry| entry.columns_comment(shared))
                .unwrap_or_default(),
            description: entry.and_then(|entry| entry.description(shared)),
            from: format!("seeds.{table}"),
            table,
            select,
            origin,
            ..Silver::default()
        });
    }
}

/// A path whose own letters are no pattern.
fn escaped(path: &str) -> String {
    let mut out = String::new();
    for letter in path.chars() {
        match letter {
            '*' | '?' | '[' | '{' => {
                out.push('[');
                out.push(letter);
                out.push(']');
            }
            letter => out.push(letter),
        }
    }
    out
}

fn column_types(node: Option<&Node>) -> BTreeMap<String, String> {
    let entries = node.map_or(&[][..], Node::entries).iter();
    entries
        .filter_map(|(name, node)| Some((name.to_lowercase(), node.scalar()?)))
        .collect()
}

struct Seed {
    columns: Vec<Column>,
    /// Texts in the file that are null to dbt.
    nulls: Vec<String>,
}

struct Column {
    name: String,
    kind: Kind,
    /// Most places behind the point.
    places: usize,
}

/// In the order in which dbt tries them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Whole,
    Number,
    Date,
    Time,
    Boolean,
    Text,
}

impl Seed {
    fn read(text: &str, delimiter: &str) -> Result<Seed, (u32, String)> {
        let [delimiter] = delimiter.as_bytes() else {
            return Err((
                1,
                format!("the delimiter `{delimiter}` is no single letter"),
            ));
        };
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(*delimiter)
            .from_reader(text.as_bytes());
        let broken = |error: csv::Error| {
            let line = error.position().map_or(1, csv::Position::line);
            (line as u32, format!("the CSV is broken: {error}"))
        };
        let names: Vec<String> = reader
            .headers()
            .map_err(broken)?
            .iter()
            .map(str::to_owned)
            .collect();
        if names.iter().all(String::is_empty) {
            return Err((1, "the file is empty".to_owned()));
        }
        let mut folded: Vec<String> = Vec::new();
        for name in &names {
            let own = karat_project::fold_name(name);
            if own.is_empty() || folded.contains(&own) {
                return Err((
                    1,
                    format!("the column `{name}` has no name of its own (F3)"),
                ));
            }
            folded.push(own);
        }
        let mut columns: Vec<Vec<Kind>> = names.iter().map(|_| Kind::all()).collect();
        let mut places = vec![0; names.len()];
        let mut nulls: Vec<String> = Vec::new();
        for record in reader.records() {
            let record = record.map_err(broken)?;
            for (nth, cell) in record.iter().enumerate() {
                let bare = cell.trim();
                if bare.is_empty() || bare.eq_ignore_ascii_case(NULL) {
                    if !cell.is_empty() && !nulls.iter().any(|null| null == cell) {
                        nulls.push(cell.to_owned());
                    }
                    continue;
                }
                if let Some(kinds) = columns.get_mut(nth) {
                    kinds.retain(|kind| kind.fits(bare));
                    let fraction = bare
                        .rsplit_once('.')
                        .map_or(0, |(_, fraction)| fraction.len());
                    places[nth] = places[nth].max(fraction);
                }
            }
        }
        nulls.sort();
        let columns = names.into_iter().zip(columns).zip(places);
        let columns = columns.map(|((name, kinds), places)| Column {
            name,
            kind: kinds.first().copied().unwrap_or(Kind::Text),
            places,
        });
        Ok(Seed {
            columns: columns.collect(),
            nulls,
        })
    }
}

impl Kind {
    fn all() -> Vec<Kind> {
        vec![
            Kind::Whole,
            Kind::Number,
            Kind::Date,
            Kind::Time,
            Kind::Boolean,
            Kind::Text,
        ]
    }

    fn fits(self, cell: &str) -> bool {
        let digits = cell.strip_prefix(['-', '+']).unwrap_or(cell);
        let are_digits =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match self {
            Kind::Whole => are_digits(digits) && digits.len() <= 18,
            Kind::Number => match digits.split_once('.') {
                Some((whole, fraction)) => {
                    are_digits(whole) && are_digits(fraction) && digits.len() <= 38
                }
                None => are_digits(digits) && digits.len() <= 38,
            },
            Kind::Date => is_date(cell),
            Kind::Time => {
                let Some((date, time)) = cell.split_once([' ', 'T']) else {
                    return false;
                };
                let mut parts = time.split(':');
                let is_two = |part: Option<&str>| {
                    part.is_some_and(|part| part.len() == 2 && are_digits(part))
                };
                let (hour, minute) = (is_two(parts.next()), is_two(parts.next()));
                let seconds = parts.next().is_none_or(|part| {
                    let (whole, fraction) = part.split_once('.').unwrap_or((part, "0"));
                    is_two(Some(whole)) && are_digits(fraction) && fraction.len() <= 6
                });
                is_date(date) && hour && minute && seconds && parts.next().is_none()
            }
            Kind::Boolean => {
                cell.eq_ignore_ascii_case("true") || cell.eq_ignore_ascii_case("false")
            }
            Kind::Text => true,
        }
    }
}

fn is_date(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_shaped = bytes.len() == 10
        && bytes.iter().enumerate().all(|(nth, byte)| match nth {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let number =
        |range: std::ops::Range<usize>| text.get(range).and_then(|part| part.parse::<u32>().ok());
    is_shaped
        && number(5..7).is_some_and(|month| (1..=12).contains(&month))
        && number(8..10).is_some_and(|day| (1..=31).contains(&day))
}

impl Column {
    fn sql(
        &self,
        bronze: &str,
        declared: Option<&String>,
        shared: &Shared,
        origin: &Origin,
        log: &mut Log,
    ) -> String {
        if let Some(declared) = declared {
            match respelled(&format!("cast({bronze} as {declared})"), shared.dialect) {
                Ok((sql, troubles)) if troubles.is_empty() => {
                    let is_text =
                        ["varchar", "text", "string"].contains(&declared.to_lowercase().as_str());
                    return if is_text { bronze.to_owned() } else { sql };
                }
                Ok((_, troubles)) => {
                    let why = troubles.first().map_or("", |found| found.why.as_str());
                    log.unmapped(
                        origin,
                        format!("column_types: {declared}"),
                        why,
                        "name a type of docs/types.md in the model's `select`",
                    );
                }
                Err(found) => {
                    log.unmapped(
                        origin,
                        format!("column_types: {declared}"),
                        found.why,
                        "name a type of docs/types.md in the model's `select`",
                    );
                }
            }
            // A type of our own would read the text otherwise: `01234` is no number to who declares a text.
            return bronze.to_owned();
        }
        match self.kind {
            Kind::Whole => format!("cast({bronze} as bigint)"),
            Kind::Number => format!("cast({bronze} as decimal(38, {}))", self.places),
            Kind::Date => format!("cast({bronze} as date)"),
            Kind::Time => format!("cast({bronze} as timestamp)"),
            Kind::Boolean => format!("cast(lower({bronze}) as boolean)"),
            Kind::Text => bronze.to_owned(),
        }
    }
}
