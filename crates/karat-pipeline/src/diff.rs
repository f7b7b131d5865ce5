//! Two versions of a table, or any two tables, against each other: rows by key, columns, sums. What both have a file in common of is
//! equal without being read. How the answer is shown is left to others.

use std::collections::BTreeSet;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::{DataType, Field, Int64Type};
use karat_exact::{Engine, FileSet, SqlError, Tables, type_name};
use karat_project::TableName;

use crate::context::Site;
use crate::cut::{self, Cut};
use crate::error::PipelineError;
use crate::gold::unique_key;
use crate::ingest::arrow_error;
use crate::publish::read_receipt;
use crate::questions::{all_rows, quoted, quoted_list};
use crate::read;

/// One of the two.
#[derive(Debug, Clone)]
pub struct Side {
    /// What it is called in messages.
    pub name: String,
    /// Its rows; the key is the declared one.
    pub files: FileSet,
    /// Fingerprint of its receipt, if it has one.
    pub fingerprint: Option<String>,
    /// Columns that say how a row came, not what it is (B2): no difference by themselves.
    pub provenance: &'static [&'static str],
}

impl Side {
    fn rows(&self) -> u64 {
        self.files.files.iter().map(|file| file.rows).sum()
    }

    fn field(&self, name: &str) -> Option<&Field> {
        self.columns()
            .find(|column| column.name == name)
            .map(|column| column.field)
    }

    fn has_sum(&self, name: &str) -> bool {
        self.field(name).is_some_and(is_number)
    }

    fn is_integer(&self, name: &str) -> bool {
        self.field(name)
            .is_some_and(|field| field.data_type().is_integer())
    }

    fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        let fields = self.files.schema.fields().iter();
        fields
            .map(|field| Column {
                name: field.name().to_lowercase(),
                field,
            })
            .filter(|column| !self.provenance.contains(&column.name.as_str()))
    }
}

/// Which version of a table of the lake is meant.
#[derive(Debug, Clone)]
pub enum At {
    /// The one before the newest.
    Before,
    /// The one that this cut holds.
    Cut(Box<Cut>),
}

/// A version of a table of the lake, and its number.
pub fn of_lake(site: &Site, name: &TableName, at: &At) -> Result<(Side, i64), PipelineError> {
    let table = site.lake.table(&name.folder());
    let refused = |what: String| PipelineError::Refused {
        what,
        hint: format!("`karat receipt list {name}` shows the versions"),
    };
    let Some(newest) = table.newest_version()? else {
        return Err(PipelineError::Refused {
            what: format!("there is no table `{name}` in the lake"),
            hint: "`karat status` lists the tables".to_owned(),
        });
    };
    let version = match at {
        At::Before if newest == 0 => {
            return Err(refused(format!(
                "`{name}` has one version only: there is none before it to compare with"
            )));
        }
        At::Before => newest - 1,
        At::Cut(cut) => cut::version(site, cut, name)?
            .ok_or_else(|| refused(format!("`{name}` was not there yet")))?,
    };
    let snapshot = match version {
        0.. if version <= newest => table.load_at(version)?,
        _ => None,
    };
    let snapshot = snapshot.ok_or_else(|| {
        refused(format!(
            "`{name}` has no version {version}; the newest is {newest}"
        ))
    })?;
    let record = table.record(version)?;
    let digest = record
        .as_ref()
        .and_then(|record| record.receipt.as_deref())
        .and_then(|text| text.parse().ok());
    let fingerprint = match digest {
        Some(digest) => Some(read_receipt(site, digest)?.fingerprint),
        None => None,
    };
    let files = read::in_written_order(&snapshot);
    let side = Side {
        name: format!("{name}@{version}"),
        files: read::file_set(&table, &snapshot, files, unique_key(&site.project, name)),
        fingerprint,
        provenance: read::excluded(name.layer.as_str()),
    };
    Ok((side, version))
}

struct Column<'f> {
    name: String,
    field: &'f Field,
}

/// What is asked.
#[derive(Debug, Clone, Default)]
pub struct Question {
    /// Columns that identify a row; without them, the declared key.
    pub key: Option<Vec<String>>,
    /// Only these columns beside the key.
    pub columns: Option<Vec<String>>,
    /// How many of the rows that differ are wanted.
    pub first: usize,
}

/// What differs.
#[derive(Debug, Clone, Default)]
pub struct Diff {
    /// Columns that identify a row; none where rows are compared as a whole.
    pub key: Option<Vec<String>>,
    /// Rows of the old.
    pub old: u64,
    /// Rows of the new.
    pub new: u64,
    /// Rows, by key or as a whole, that only the new has.
    pub added: u64,
    /// Rows that only the old has.
    pub removed: u64,
    /// Rows of one key whose other columns differ; none without a key.
    pub changed: Option<u64>,
    /// Columns whose values or sums differ.
    pub columns: Vec<ColumnDiff>,
    /// Columns that only the new has, with their types.
    pub columns_added: Vec<(String, String)>,
    /// Columns that only the old has, with their types.
    pub columns_removed: Vec<(String, String)>,
    /// Columns whose type is another: name, old type, new type.
    pub columns_retyped: Vec<(String, String, String)>,
    /// Of these, the columns whose values cannot be compared.
    pub not_compared: Vec<String>,
    /// The first rows that differ.
    pub first: Option<First>,
    /// Bytes of the files that had to be read; 0 where the fingerprints or the files were equal.
    pub bytes_read: u64,
    /// What the reader should know.
    pub notes: Vec<String>,
}

/// One column that differs.
#[derive(Debug, Clone)]
pub struct ColumnDiff {
    /// Its name.
    pub column: String,
    /// Rows of one key in which it differs; none without a key.
    pub changed: Option<u64>,
    /// Sum over all rows of the old, of the new, and the new less the old, each one value or null; none of columns that have no sum.
    pub sums: Option<RecordBatch>,
}

/// Rows that differ, sorted by what identifies them.
#[derive(Debug, Clone)]
pub struct First {
    /// Columns that identify a row: the key, or all.
    pub identity: Vec<String>,
    /// The other columns.
    pub others: Vec<String>,
    /// `added`, `removed` or `changed`; the identity; then of each other column the old value, the new one, and whether they differ.
    pub rows: RecordBatch,
}

impl Diff {
    /// Whether both hold the same rows in the same columns.
    pub fn is_empty(&self) -> bool {
        self.added == 0
            && self.removed == 0
            && self.changed.unwrap_or(0) == 0
            && self.columns_added.is_empty()
            && self.columns_removed.is_empty()
            && self.columns_retyped.is_empty()
    }

    /// Rows that both have.
    pub fn equal(&self) -> u64 {
        self.new - self.added - self.changed.unwrap_or(0)
    }
}

/// Compares two tables.
pub async fn diff(
    engine: &Engine,
    old: &Side,
    new: &Side,
    question: &Question,
) -> Result<Diff, PipelineError> {
    let mut diff = columns_against_each_other(old, new);
    let compared = compared(old, new, &diff, question)?;
    diff.key = key(old, new, question)?;
    (diff.old, diff.new) = (old.rows(), new.rows());
    let parts = Parts::of(old, new);
    let same = old.fingerprint.is_some() && old.fingerprint == new.fingerprint;
    if same || parts.is_empty() {
        diff.changed = diff.key.as_ref().map(|_| 0);
        return Ok(diff);
    }
    diff.bytes_read = parts.bytes();
    let asked = Asked {
        engine,
        old,
        new,
        tables: parts.tables(old, new)?,
    };
    let by_key = question.key.is_some();
    if let Some(key) = &diff.key
        && let Some(what) = asked.ambiguous(key).await?
    {
        if by_key {
            return Err(PipelineError::Refused {
                what,
                hint: "name more columns with `--key`, or leave it out".to_owned(),
            });
        }
        diff.notes
            .push(format!("{what}: rows are compared as a whole"));
        diff.key = None;
    }
    let joined = match diff.key.clone() {
        Some(key) => {
            let others = compared.iter().filter(|name| !key.contains(name));
            Joined {
                others: others.cloned().collect(),
                identity: key,
                by_key: true,
            }
        }
        None => Joined {
            identity: compared,
            others: Vec::new(),
            by_key: false,
        },
    };
    let counts = asked.one_row(&joined.counts()).await?;
    (diff.removed, diff.added) = (number(&counts, 0), number(&counts, 1));
    diff.changed = joined.by_key.then(|| number(&counts, 2));
    if diff.added + diff.removed + diff.changed.unwrap_or(0) == 0 {
        return Ok(diff);
    }
    asked.columns(&joined, &counts, &mut diff).await?;
    if question.first > 0 {
        let rows = asked.all(&joined.first(question.first)).await?;
        diff.first = Some(First {
            identity: joined.identity,
            others: joined.others,
            rows,
        });
    }
    Ok(diff)
}

/// Which columns one of them lacks, or has with another type.
fn columns_against_each_other(old: &Side, new: &Side) -> Diff {
    let mut diff = Diff::default();
    let typed = |column: &Column<'_>| (column.name.clone(), type_name(column.field.data_type()));
    for column in old.columns() {
        match new.columns().find(|other| other.name == column.name) {
            None => diff.columns_removed.push(typed(&column)),
            Some(other) if other.field.data_type() == column.field.data_type() => {}
            Some(other) => {
                let comparable = is_number(column.field) && is_number(other.field);
                if !comparable {
                    diff.not_compared.push(column.name.clone());
                }
                diff.columns_retyped.push((
                    column.name.clone(),
                    type_name(column.field.data_type()),
                    type_name(other.field.data_type()),
                ));
            }
        }
    }
    let in_old: BTreeSet<String> = old.columns().map(|column| column.name).collect();
    let added = new
        .columns()
        .filter(|column| !in_old.contains(&column.name));
    diff.columns_added = added.map(|column| typed(&column)).collect();
    diff
}

/// The columns that both have and that can be compared, or those of them that are asked for.
fn compared(
    old: &Side,
    new: &Side,
    diff: &Diff,
    question: &Question,
) -> Result<Vec<String>, PipelineError> {
    let in_new: BTreeSet<String> = new.columns().map(|column| column.name).collect();
    let mut both: Vec<String> = old.columns().map(|column| column.name).collect();
    both.retain(|name| in_new.contains(name) && !diff.not_compared.contains(name));
    if let Some(wanted) = &question.columns {
        let wanted = folded(wanted);
        known(&wanted, &both, old, new)?;
        both.retain(|name| wanted.contains(name));
    }
    match both.is_empty() {
        false => Ok(both),
        true => Err(PipelineError::Refused {
            what: format!(
                "{} and {} have no column in common that can be compared",
                old.name, new.name
            ),
            hint: "`karat query \"describe TABLE\"` shows the columns of each".to_owned(),
        }),
    }
}

fn key(old: &Side, new: &Side, question: &Question) -> Result<Option<Vec<String>>, PipelineError> {
    let in_new: BTreeSet<String> = new.columns().map(|column| column.name).collect();
    let mut both: Vec<String> = old.columns().map(|column| column.name).collect();
    both.retain(|name| in_new.contains(name));
    // A file has no key of its own, whichever side it is on.
    let declared = new.files.key.as_ref().or(old.files.key.as_ref());
    match (&question.key, declared) {
        (Some(key), _) => {
            let key = folded(key);
            known(&key, &both, old, new)?;
            Ok(Some(key))
        }
        (None, Some(declared)) => {
            let declared = folded(declared);
            Ok(declared
                .iter()
                .all(|name| both.contains(name))
                .then_some(declared))
        }
        (None, None) => Ok(None),
    }
}

fn folded(names: &[String]) -> Vec<String> {
    names.iter().map(|name| name.to_lowercase()).collect()
}

fn known(names: &[String], both: &[String], old: &Side, new: &Side) -> Result<(), PipelineError> {
    match names.iter().find(|name| !both.contains(name)) {
        None => Ok(()),
        Some(name) => Err(PipelineError::Refused {
            what: format!(
                "`{name}` is no column that {} and {} have in common",
                old.name, new.name
            ),
            hint: format!("both have: {}", both.join(", ")),
        }),
    }
}

fn is_number(field: &Field) -> bool {
    field.data_type().is_numeric()
}

const OLD: &str = "old";
const NEW: &str = "new";

/// What only one of the two has of files.
struct Parts {
    old: FileSet,
    new: FileSet,
}

impl Parts {
    fn of(old: &Side, new: &Side) -> Self {
        let only = |side: &Side, other: &Side| {
            let others: BTreeSet<_> = other.files.files.iter().map(|file| &file.path).collect();
            let mut part = side.files.clone();
            part.files.retain(|file| !others.contains(&file.path));
            part.key = None;
            part
        };
        Parts {
            old: only(old, new),
            new: only(new, old),
        }
    }

    fn is_empty(&self) -> bool {
        self.old.files.is_empty() && self.new.files.is_empty()
    }

    fn bytes(&self) -> u64 {
        let files = self.old.files.iter().chain(&self.new.files);
        files.map(|file| file.size).sum()
    }

    fn tables(self, old: &Side, new: &Side) -> Result<Tables, PipelineError> {
        let mut tables = Tables::new();
        tables.insert_plain(OLD, self.old)?;
        tables.insert_plain(NEW, self.new)?;
        for (name, side) in [("old_whole", old), ("new_whole", new)] {
            let mut whole = side.files.clone();
            whole.key = None;
            tables.insert_plain(name, whole)?;
        }
        Ok(tables)
    }
}

/// How rows of both meet: by a key, or as a whole.
struct Joined {
    by_key: bool,
    /// The key, or all columns.
    identity: Vec<String>,
    /// The columns beside the key.
    others: Vec<String>,
}

impl Joined {
    /// Counts of removed, added, and by key also of changed rows, and of changed rows by column.
    fn counts(&self) -> String {
        if !self.by_key {
            return format!(
                "select (select count(*) from ({}) as r) as c0, (select count(*) from ({}) as a) as c1",
                without(&self.identity, OLD, NEW),
                without(&self.identity, NEW, OLD),
            );
        }
        let mut counts = vec![
            format!("count(*) filter (where n.{IN} is null)"),
            format!("count(*) filter (where o.{IN} is null)"),
            format!("count(*) filter (where {})", self.any_differs()),
        ];
        let others = self.others.iter();
        counts.extend(others.map(|other| format!("count(*) filter (where {})", differs(other))));
        let named = counts.iter().enumerate();
        let named: Vec<String> = named
            .map(|(nth, count)| format!("{count} as c{nth}"))
            .collect();
        format!("select {} from {}", named.join(", "), self.full_join())
    }

    /// The first rows that differ.
    fn first(&self, limit: usize) -> String {
        if !self.by_key {
            let names = quoted_list(&self.identity);
            return format!(
                "select 'removed' as change, {names} from ({}) as r union all select 'added' as change, {names} from ({}) as a \
                 order by {names}, change limit {limit}",
                without(&self.identity, OLD, NEW),
                without(&self.identity, NEW, OLD),
            );
        }
        let mut shown = vec![format!(
            "case when n.{IN} is null then 'removed' when o.{IN} is null then 'added' else 'changed' end as change"
        )];
        for (nth, name) in self.identity.iter().enumerate() {
            let name = quoted(name);
            shown.push(format!(
                "case when n.{IN} is null then o.{name} else n.{name} end as k{nth}"
            ));
        }
        for (nth, other) in self.others.iter().enumerate() {
            let name = quoted(other);
            shown.push(format!("o.{name} as o{nth}, n.{name} as n{nth}"));
            shown.push(format!("{} as d{nth}", differs(other)));
        }
        let order: Vec<String> = (0..self.identity.len())
            .map(|nth| format!("k{nth}"))
            .collect();
        format!(
            "select {} from {} where n.{IN} is null or o.{IN} is null or {} order by {} limit {limit}",
            shown.join(", "),
            self.full_join(),
            self.any_differs(),
            order.join(", "),
        )
    }

    fn full_join(&self) -> String {
        let columns: Vec<String> = self.identity.iter().chain(&self.others).cloned().collect();
        let columns = quoted_list(&columns);
        let same = self.identity.iter().map(|name| {
            let name = quoted(name);
            format!("(o.{name} is not distinct from n.{name})")
        });
        format!(
            "(select {columns}, true as {IN} from {OLD}) as o full join (select {columns}, true as {IN} from {NEW}) as n on {}",
            same.collect::<Vec<_>>().join(" and ")
        )
    }

    fn any_differs(&self) -> String {
        match self.others.is_empty() {
            true => "false".to_owned(),
            false => {
                let each = self.others.iter().map(|name| differs(name));
                format!("({})", each.collect::<Vec<_>>().join(" or "))
            }
        }
    }
}

/// Set where a side has the row.
const IN: &str = "\"_karat_in\"";

fn differs(column: &str) -> String {
    let name = quoted(column);
    format!("(o.{IN} and n.{IN} and (o.{name} is distinct from n.{name}))")
}

/// Rows of one that the other lacks; equal rows count one by one.
fn without(columns: &[String], these: &str, those: &str) -> String {
    let names = quoted_list(columns);
    format!("select {names} from {these} except all select {names} from {those}")
}

/// Questions to both tables.
struct Asked<'e> {
    engine: &'e Engine,
    old: &'e Side,
    new: &'e Side,
    tables: Tables,
}

impl Asked<'_> {
    async fn all(&self, sql: &str) -> Result<RecordBatch, PipelineError> {
        let refused = |error: SqlError| PipelineError::Refused {
            what: format!("these tables cannot be compared: {}", error.message),
            hint: "leave columns out: `--columns` names those to compare".to_owned(),
        };
        all_rows(self.engine, sql, &self.tables, refused).await
    }

    async fn one_row(&self, sql: &str) -> Result<RecordBatch, PipelineError> {
        let row = self.all(sql).await?;
        match row.num_rows() {
            1 => Ok(row),
            rows => Err(PipelineError::Internal(format!("{rows} rows of counts"))),
        }
    }

    /// Says so if a key stands more than once in one of them.
    async fn ambiguous(&self, key: &[String]) -> Result<Option<String>, PipelineError> {
        let names = quoted_list(key);
        for (side, of) in [(OLD, self.old), (NEW, self.new)] {
            let twice = format!(
                "select count(*) from (select {names} from {side} group by {names} having count(*) > 1) as t"
            );
            if number(&self.one_row(&twice).await?, 0) > 0 {
                let key = key.join(", ");
                return Ok(Some(format!(
                    "`{key}` does not identify the rows of {}",
                    of.name
                )));
            }
        }
        Ok(None)
    }

    /// Which columns differ, in how many rows and in their sums.
    async fn columns(
        &self,
        joined: &Joined,
        counts: &RecordBatch,
        diff: &mut Diff,
    ) -> Result<(), PipelineError> {
        let columns = match joined.by_key {
            true => &joined.others,
            false => &joined.identity,
        };
        let summed: Vec<&String> = columns
            .iter()
            .filter(|name| self.old.has_sum(name) && self.new.has_sum(name))
            .collect();
        let sums = match self.sums(&summed).await {
            Ok(sums) => sums,
            Err(error) => {
                diff.notes.push(format!("sums are left out: {error}"));
                None
            }
        };
        for (nth, column) in columns.iter().enumerate() {
            let at = summed.iter().position(|name| *name == column);
            let sums = match (&sums, at) {
                (Some(sums), Some(at)) => Some(three(sums, at)?),
                _ => None,
            };
            let other_sum = match &sums {
                Some(sums) => distinct(sums.column(0), sums.column(1))
                    .map_err(arrow_error)?
                    .value(0),
                None => false,
            };
            let changed = joined.by_key.then(|| number(counts, 3 + nth));
            if changed.unwrap_or(0) > 0 || other_sum {
                diff.columns.push(ColumnDiff {
                    column: column.clone(),
                    changed,
                    sums,
                });
            }
        }
        Ok(())
    }

    /// Of each column its sum in the old, in the new, and the new less the old.
    async fn sums(&self, columns: &[&String]) -> Result<Option<RecordBatch>, PipelineError> {
        if columns.is_empty() {
            return Ok(None);
        }
        // As wide as there is, so that both have one type.
        let of = |letter: &str| {
            let sums = columns.iter().enumerate().map(|(nth, name)| {
                let name = quoted(name);
                match self.old.is_integer(columns[nth]) && self.new.is_integer(columns[nth]) {
                    true => format!("sum(cast({name} as decimal(38, 0))) as {letter}{nth}"),
                    false => format!("sum({name}) as {letter}{nth}"),
                }
            });
            sums.collect::<Vec<_>>().join(", ")
        };
        let shown = (0..columns.len())
            .map(|nth| format!("o.o{nth}, n.n{nth}, n.n{nth} - o.o{nth} as d{nth}"));
        let sql = format!(
            "select {} from (select {} from old_whole) as o cross join (select {} from new_whole) as n",
            shown.collect::<Vec<_>>().join(", "),
            of("o"),
            of("n"),
        );
        self.one_row(&sql).await.map(Some)
    }
}

/// The sums of one column out of those of all.
fn three(sums: &RecordBatch, at: usize) -> Result<RecordBatch, PipelineError> {
    sums.project(&[3 * at, 3 * at + 1, 3 * at + 2])
        .map_err(arrow_error)
}

fn number(row: &RecordBatch, column: usize) -> u64 {
    let column = row.column(column);
    match column.data_type() {
        DataType::Int64 if !column.is_null(0) => {
            u64::try_from(column.as_primitive::<Int64Type>().value(0)).unwrap_or(0)
        }
        _ => 0,
    }
}
