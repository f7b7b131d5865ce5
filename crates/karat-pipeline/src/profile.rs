//! What the data of a table look like, column by column, and which rules they keep: proposals for a person, since what all rows of today
//! have in common may be chance.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Int64Type};
use karat_exact::{Engine, FileSet, Purpose, SqlError, Tables, type_name};

use crate::error::PipelineError;
use crate::ingest::arrow_error;
use crate::questions::{all_rows, quoted};

/// A text column with at most so many values may be a list of words.
const WORDS_MAX: u64 = 12;
/// How often each word must occur on average to be taken for one.
const WORDS_REPEAT_MIN: u64 = 5;
/// Rows that there must be before something is taken for a rule.
pub const ROWS_MIN: u64 = 10;
/// Words that SQL takes for a value where a column could stand.
const NO_NAMES: [&str; 7] = [
    "true",
    "false",
    "null",
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
];
/// The name of the table in the questions.
const TABLE: &str = "t";

/// What is known of a table.
#[derive(Debug)]
pub struct Profile {
    /// Its rows.
    pub rows: u64,
    /// Its columns, in their order.
    pub columns: Vec<Column>,
}

/// What is known of a column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The name as SQL takes it: in quotes where it must be.
    pub sql_name: String,
    /// Its type, as SQL names it.
    pub kind: String,
    /// Rows in which it is null.
    pub nulls: u64,
    /// Different values; none of a type that has no equality.
    pub distinct: Option<u64>,
    /// Least and greatest value, a column of one row each; none of a type without an order.
    pub range: Option<RecordBatch>,
    /// Of a column of text.
    pub text: Option<Text>,
    /// Of a column of numbers, whether none is below 0, and whether none is 0.
    pub signs: Option<(bool, bool)>,
    /// The values, sorted, of a column of few words.
    pub words: Vec<String>,
}

/// What is known of a column of text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    /// Values of no character.
    pub empty: u64,
    /// Values with white space at an end.
    pub padded: u64,
    /// Characters of the shortest value.
    pub shortest: u64,
    /// Characters of the longest value.
    pub longest: u64,
}

/// A rule that all rows keep.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Proposal {
    /// A rule for each row: its name, and the SQL.
    Expectation(String, String),
    /// The column is never null.
    NotNull,
    /// The column identifies a row.
    Unique,
}

/// Looks at all rows. `wanted` are the columns to look at; all, if it is empty.
///
/// # Errors
/// [`PipelineError::Refused`] for a column that is not there; what reading ends in.
pub async fn profile(
    engine: &Engine,
    files: &FileSet,
    leave_out: &[&str],
    wanted: &[String],
) -> Result<Profile, PipelineError> {
    let mut tables = Tables::new();
    tables.insert_plain(TABLE, files.clone())?;
    let fields: Vec<_> = files.schema.fields().iter().collect();
    let names: Vec<String> = fields
        .iter()
        .map(|field| field.name().to_lowercase())
        .collect();
    let wanted: Vec<String> = wanted.iter().map(|name| name.to_lowercase()).collect();
    if let Some(absent) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(PipelineError::Refused {
            what: format!("there is no column `{absent}`"),
            hint: format!("the columns are {}", names.join(", ")),
        });
    }
    let mut profile = Profile {
        rows: files.files.iter().map(|file| file.rows).sum(),
        columns: Vec::new(),
    };
    for (field, name) in fields.into_iter().zip(names) {
        let is_wanted = match wanted.is_empty() {
            true => !leave_out.contains(&name.as_str()),
            false => wanted.contains(&name),
        };
        if is_wanted {
            let asked = Asked {
                engine,
                tables: &tables,
                name,
                kind: field.data_type(),
            };
            profile.columns.push(asked.column(profile.rows).await?);
        }
    }
    Ok(profile)
}

/// Questions about one column.
struct Asked<'a> {
    engine: &'a Engine,
    tables: &'a Tables,
    name: String,
    kind: &'a DataType,
}

impl Asked<'_> {
    async fn column(&self, rows: u64) -> Result<Column, PipelineError> {
        let name = quoted(&self.name);
        let is_text = matches!(
            self.kind,
            DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View
        );
        let is_number = self.kind.is_numeric();
        let is_nested = self.kind.is_nested();
        // Each a number, but for the last two.
        let mut asked = vec![format!("count({name})")];
        if !is_nested {
            asked.push(format!("count(distinct {name})"));
        }
        if is_text {
            asked.push(format!("count(*) filter (where {name} = '')"));
            asked.push(format!("count(*) filter (where {name} <> trim({name}))"));
            asked.push(format!("min(character_length({name}))"));
            asked.push(format!("max(character_length({name}))"));
        }
        if is_number {
            asked.push(format!("count(*) filter (where {name} < 0)"));
            asked.push(format!("count(*) filter (where {name} = 0)"));
        }
        let numbers = asked.len();
        if !is_nested && !matches!(self.kind, DataType::Null) {
            asked.push(format!("min({name})"));
            asked.push(format!("max({name})"));
        }
        let row = self
            .answer(&format!("select {} from {TABLE}", asked.join(", ")))
            .await?;
        let mut counts = (0..numbers).map(|at| number(&row, at));
        let present = counts.next().unwrap_or(0);
        let distinct = if is_nested { None } else { counts.next() };
        let text = is_text.then(|| Text {
            empty: counts.next().unwrap_or(0),
            padded: counts.next().unwrap_or(0),
            shortest: counts.next().unwrap_or(0),
            longest: counts.next().unwrap_or(0),
        });
        let signs = is_number.then(|| (counts.next() == Some(0), counts.next() == Some(0)));
        let few = distinct.is_some_and(|distinct| {
            (1..=WORDS_MAX).contains(&distinct) && present >= distinct * WORDS_REPEAT_MIN
        });
        let words = match is_text && few {
            true => self.words().await?,
            false => Vec::new(),
        };
        let range = (row.num_columns() > numbers && present > 0)
            .then(|| row.project(&[numbers, numbers + 1]))
            .transpose();
        Ok(Column {
            name: self.name.clone(),
            sql_name: self.sql_name(),
            kind: type_name(self.kind),
            nulls: rows.saturating_sub(present),
            distinct,
            range: range.map_err(arrow_error)?,
            text,
            signs,
            words,
        })
    }

    /// Without quotes, if SQL then knows it for this column.
    fn sql_name(&self) -> String {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        let asked = format!(
            "select {0} is null from {TABLE} where {0} is null",
            self.name
        );
        let purpose = Purpose::Query { strict: false };
        let is_literal = NO_NAMES.contains(&self.name.as_str());
        match !is_literal
            && self.name.chars().all(is_plain)
            && self.engine.prepare(&asked, self.tables, &purpose).is_ok()
        {
            true => self.name.clone(),
            false => quoted(&self.name),
        }
    }

    async fn words(&self) -> Result<Vec<String>, PipelineError> {
        let name = quoted(&self.name);
        let sql = format!(
            "select distinct cast({name} as string) as word from {TABLE} where {name} is not null order by word"
        );
        let rows = self.answer(&sql).await?;
        let words = arrow::compute::cast(rows.column(0), &DataType::Utf8).map_err(arrow_error)?;
        let words = words.as_string::<i32>();
        Ok((0..words.len())
            .map(|at| words.value(at).to_owned())
            .collect())
    }

    async fn answer(&self, sql: &str) -> Result<RecordBatch, PipelineError> {
        let refused = |error: SqlError| PipelineError::Refused {
            what: format!(
                "cannot look at the column `{}`: {}",
                self.name, error.message
            ),
            hint: "leave it out: `--columns` names those to look at".to_owned(),
        };
        all_rows(self.engine, sql, self.tables, refused).await
    }
}

fn number(row: &RecordBatch, at: usize) -> u64 {
    let cast = arrow::compute::cast(row.column(at), &DataType::Int64);
    let value = cast
        .ok()
        .filter(|column| !column.is_empty() && column.is_valid(0));
    value.map_or(0, |column| {
        u64::try_from(column.as_primitive::<Int64Type>().value(0)).unwrap_or(0)
    })
}

/// The rules that a column's values keep. Too few rows tell nothing.
#[must_use]
pub fn proposals(column: &Column, rows: u64) -> Vec<Proposal> {
    let mut found = Vec::new();
    let present = rows - column.nulls;
    // What karat adds itself (`__START_AT`) is no rule of the data.
    if rows < ROWS_MIN || present == 0 || column.name.starts_with("__") {
        return found;
    }
    let name = &column.sql_name;
    let is_whole = column.nulls == 0;
    // Null is broken (C2): where there are nulls the rule says that they may be.
    let rule = |word: &str, sql: String| {
        let sql = match is_whole {
            true => sql,
            false => format!("{name} is null or {sql}"),
        };
        Proposal::Expectation(format!("{}_{word}", column.name), sql)
    };
    if is_whole {
        found.push(Proposal::NotNull);
    }
    if !column.words.is_empty() {
        let words = column
            .words
            .iter()
            .map(|word| format!("'{}'", word.replace('\'', "''")));
        let words = words.collect::<Vec<_>>().join(", ");
        found.push(rule("is_known", format!("{name} in ({words})")));
    } else if let Some(text) = column.text {
        if text.shortest == text.longest && text.shortest > 0 && column.distinct > Some(1) {
            found.push(rule(
                "has_length",
                format!("length({name}) = {}", text.shortest),
            ));
        } else if text.empty == 0 {
            found.push(rule("is_not_empty", format!("{name} <> ''")));
        }
    }
    match column.signs {
        Some((true, true)) => found.push(rule("is_positive", format!("{name} > 0"))),
        Some((true, false)) if column.distinct > Some(1) => {
            found.push(rule("is_not_negative", format!("{name} >= 0")));
        }
        _ => {}
    }
    let kinds = ["int", "date", "timestamp"];
    let names_rows = column.text.is_some() || kinds.iter().any(|kind| column.kind.contains(kind));
    if names_rows && is_whole && column.distinct == Some(rows) {
        found.push(Proposal::Unique);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, nulls: u64, distinct: u64) -> Column {
        Column {
            name: name.to_owned(),
            sql_name: name.to_owned(),
            kind: "string".to_owned(),
            nulls,
            distinct: Some(distinct),
            range: None,
            text: Some(Text {
                empty: 0,
                padded: 0,
                shortest: 1,
                longest: 9,
            }),
            signs: None,
            words: Vec::new(),
        }
    }

    fn said(column: &Column, rows: u64) -> String {
        let lines = proposals(column, rows)
            .into_iter()
            .map(|proposal| match proposal {
                Proposal::Expectation(name, sql) => format!("{name}: {sql}\n"),
                Proposal::NotNull => "not null\n".to_owned(),
                Proposal::Unique => "unique\n".to_owned(),
            });
        lines.collect()
    }

    #[test]
    fn what_all_rows_keep_is_proposed_and_nulls_are_allowed_where_there_are_some() {
        let mut quoted = column("ÄRGER", 0, 40);
        quoted.sql_name = "\"ÄRGER\"".to_owned();
        let mut of = column("country", 3, 2);
        of.words = vec!["C'H".to_owned(), "DE".to_owned()];
        let mut number = column("id", 0, 50);
        number.text = None;
        number.kind = "bigint".to_owned();
        number.signs = Some((true, true));
        let told = [
            said(&of, 100),
            said(&quoted, 100),
            said(&number, 50),
            said(&number, 9),
        ];
        expect_test::expect![[r#"
            country_is_known: country is null or country in ('C''H', 'DE')

            not null
            ÄRGER_is_not_empty: "ÄRGER" <> ''

            not null
            id_is_positive: id > 0
            unique

        "#]]
        .assert_eq(&told.join("\n"));
    }
}
