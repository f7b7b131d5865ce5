//! The mapping's document: CSV (any usual delimiter, any encoding), XLSX, JSON; read and written with all its columns.

use std::collections::BTreeMap;

use serde_json::Value;

use super::read::{COLUMNS, Problem, Reading, Row, Weight, of_rows};
use super::spreadsheet::{self, Cell, Sheet};
use crate::text;

/// Why a document cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read `{name}`: {why}")]
pub struct DocumentError {
    /// The document's name.
    pub name: String,
    /// Why.
    pub why: String,
    /// What to do.
    pub hint: String,
}

/// A table of cells: headings in their order, and rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Headings, as written.
    pub headings: Vec<String>,
    /// Rows with their numbers.
    pub rows: Vec<Row>,
    /// Cells that a spreadsheet holds as something else than text.
    pub problems: Vec<Problem>,
}

/// Headings of other tools' mappings, and what they are here.
const OTHER_HEADINGS: &[(&str, &str)] = &[
    ("src_schema", "old_database"),
    ("src_table", "old_table"),
    ("catalog_name", "new_catalog"),
    ("dst_schema", "new_schema"),
    ("dst_table", "new_table"),
];

/// Reads a mapping from a document; its name tells the format.
pub fn read(name: &str, bytes: &[u8]) -> Result<Reading, DocumentError> {
    let document = Document::read(name, bytes)?;
    let mut reading = of_rows(&document.rows);
    reading.problems.extend(document.problems);
    reading.problems.extend(doubtful_catalogs(&document.rows));
    reading.problems.sort();
    Ok(reading)
}

impl Document {
    /// Reads the cells of a mapping.
    pub fn read(name: &str, bytes: &[u8]) -> Result<Self, DocumentError> {
        Self::with_columns(name, bytes, &COLUMNS)
    }

    /// Reads the cells of a document that has at least one of these columns.
    pub fn with_columns(name: &str, bytes: &[u8], columns: &[&str]) -> Result<Self, DocumentError> {
        let error = |why: String, hint: &str| DocumentError {
            name: name.to_owned(),
            why,
            hint: hint.to_owned(),
        };
        let extension = name
            .rsplit_once('.')
            .map(|(_, extension)| extension.to_ascii_lowercase());
        let document = match extension.as_deref() {
            Some("xlsx" | "xlsm") => {
                spreadsheet(bytes).map_err(|why| error(why, "save it again as XLSX, or as CSV"))?
            }
            Some("json") => json(bytes)
                .map_err(|why| error(why, "write a list of objects with the columns as keys"))?,
            Some("csv" | "tsv" | "txt") => delimited(bytes)
                .map_err(|why| error(why, "save it as CSV with headings in its first line"))?,
            _ => {
                return Err(error(
                    "its name ends in none of .csv, .tsv, .xlsx, .json".to_owned(),
                    "rename it after what it holds",
                ));
            }
        };
        let named = document
            .headings
            .iter()
            .any(|heading| columns.contains(&heading.as_str()));
        if !named {
            return Err(error(
                format!("it has none of the columns {}", columns.join(", ")),
                "name the columns in its first row",
            ));
        }
        Ok(document)
    }

    /// As CSV, with all columns.
    pub fn csv(&self) -> String {
        let mut writer = csv::Writer::from_writer(Vec::new());
        // Writing to memory does not fail.
        let _ = writer.write_record(&self.headings);
        for row in &self.rows {
            let cells = self
                .headings
                .iter()
                .map(|heading| row.cells.get(heading).map_or("", String::as_str));
            let _ = writer.write_record(cells);
        }
        let bytes = writer.into_inner().unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

fn heading(text: &str) -> String {
    let folded = text.trim().to_lowercase().replace([' ', '-'], "_");
    OTHER_HEADINGS
        .iter()
        .find(|(other, _)| *other == folded)
        .map_or(folded, |(_, own)| (*own).to_owned())
}

fn delimited(bytes: &[u8]) -> Result<Document, String> {
    let (text, _) = text::decode(bytes).map_err(|error| error.to_string())?;
    let first = text.lines().next().unwrap_or_default();
    // `sep=;` in the first line is how Excel is told.
    let told = first
        .get(..4)
        .filter(|start| start.eq_ignore_ascii_case("sep="))
        .and_then(|_| first[4..].trim_end_matches([',', ' ']).chars().next());
    let delimiter = told.unwrap_or_else(|| {
        [',', ';', '\t', '|']
            .into_iter()
            .max_by_key(|mark| (first.matches(*mark).count(), u8::from(*mark == ',')))
            .unwrap_or(',')
    });
    let headings_at = usize::from(told.is_some());
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(u8::try_from(delimiter).unwrap_or(b','))
        .flexible(true)
        .has_headers(false)
        .from_reader(text.as_bytes());
    let mut document = Document::default();
    for (at, record) in reader.records().enumerate() {
        let record = record.map_err(|error| error.to_string())?;
        if at < headings_at {
            continue;
        }
        if at == headings_at {
            document.headings = record.iter().map(heading).collect();
            continue;
        }
        if record.len() > document.headings.len()
            && record
                .iter()
                .skip(document.headings.len())
                .any(|cell| !cell.trim().is_empty())
        {
            document.problems.push(Problem {
                row: at + 1,
                column: None,
                message: format!(
                    "the row has {} cells, the headings are {}",
                    record.len(),
                    document.headings.len()
                ),
                weight: Weight::Error,
            });
        }
        push(&mut document, at + 1, record.iter().map(str::to_owned));
    }
    twice(&document.headings)?;
    Ok(document)
}

fn twice(headings: &[String]) -> Result<(), String> {
    for (at, heading) in headings.iter().enumerate() {
        if COLUMNS.contains(&heading.as_str()) && headings[..at].contains(heading) {
            return Err(format!("the column `{heading}` is there twice"));
        }
    }
    Ok(())
}

fn push(document: &mut Document, number: usize, cells: impl Iterator<Item = String>) {
    let cells: BTreeMap<String, String> = document.headings.iter().cloned().zip(cells).collect();
    if cells.values().any(|cell| !cell.trim().is_empty()) {
        document.rows.push(Row { number, cells });
    }
}

fn json(bytes: &[u8]) -> Result<Document, String> {
    let value: Value =
        serde_json::from_slice(bytes.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(bytes))
            .map_err(|error| error.to_string())?;
    let list = match &value {
        Value::Array(list) => list,
        Value::Object(object) => object
            .get("mapping")
            .and_then(Value::as_array)
            .ok_or("it is an object without a list `mapping`")?,
        _ => return Err("it is neither a list nor an object".to_owned()),
    };
    let mut document = Document::default();
    for item in list {
        let object = item
            .as_object()
            .ok_or("an entry of the list is no object")?;
        for key in object.keys().map(|key| heading(key)) {
            if !document.headings.contains(&key) {
                document.headings.push(key);
            }
        }
    }
    for (at, item) in list.iter().enumerate() {
        let mut cells = BTreeMap::new();
        for (key, value) in item.as_object().into_iter().flatten() {
            let text = match value {
                Value::Null => String::new(),
                Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            cells.insert(heading(key), text);
        }
        document.rows.push(Row {
            // JSON has no headings: the first entry is row 1.
            number: at + 1,
            cells,
        });
    }
    Ok(document)
}

fn spreadsheet(bytes: &[u8]) -> Result<Document, String> {
    let named = |sheet: &Sheet| {
        let is_ours = |cell: &Cell| COLUMNS.contains(&heading(cell.text()).as_str());
        sheet
            .rows
            .first()
            .is_some_and(|(_, cells)| cells.iter().any(is_ours))
    };
    let mut sheets: Vec<Sheet> = spreadsheet::sheets(bytes)?
        .into_iter()
        .filter(named)
        .collect();
    if sheets.iter().any(|sheet| sheet.is_visible) {
        sheets.retain(|sheet| sheet.is_visible);
    }
    if let [one, other, ..] = sheets.as_slice() {
        return Err(format!(
            "its sheets `{}` and `{}` both have columns of a mapping: keep one, or hide the other",
            one.name, other.name
        ));
    }
    let Some(sheet) = sheets.pop() else {
        return Err("none of its sheets has the columns of a mapping in its first row".to_owned());
    };
    let mut rows = sheet.rows.into_iter();
    let headings: Vec<String> = rows
        .next()
        .map(|(_, first)| first.iter().map(|cell| heading(cell.text())).collect())
        .unwrap_or_default();
    twice(&headings)?;
    let mut document = Document {
        headings,
        ..Document::default()
    };
    let is_ours = |heading: &String| COLUMNS.contains(&heading.as_str());
    for ((top, bottom), (left, right)) in sheet.merged {
        let within = document.headings.iter().skip(left).take(right + 1 - left);
        if let Some(heading) = within.clone().find(|heading| is_ours(heading)) {
            document.problems.push(Problem {
                row: top,
                column: Some(heading.clone()),
                message: format!(
                    "the cells of rows {top} to {bottom} are merged, and only the first has a text: unmerge them, and fill in each"
                ),
                weight: Weight::Error,
            });
        }
    }
    if let Some(row) = spreadsheet::hidden_row(bytes) {
        document.problems.push(Problem {
            row,
            column: None,
            message: "the row is hidden, and counts all the same, as all hidden rows: take out what must not be moved".to_owned(),
            weight: Weight::Warning,
        });
    }
    for (number, cells) in rows {
        for (heading, cell) in document.headings.iter().zip(&cells) {
            if is_ours(heading)
                && let Some(message) = not_text(cell)
            {
                document.problems.push(Problem {
                    row: number,
                    column: Some(heading.clone()),
                    message,
                    weight: Weight::Error,
                });
            }
        }
        push(
            &mut document,
            number,
            cells.iter().map(|cell| cell.text().to_owned()),
        );
    }
    Ok(document)
}

/// What a spreadsheet made of a name.
fn not_text(cell: &Cell) -> Option<String> {
    match cell {
        // A formula is told as one, as in CSV.
        Cell::Text(_) | Cell::Empty | Cell::Formula(_) => None,
        Cell::Number(shown) => Some(format!(
            "the cell holds the number {shown}; format the column as text, and check the name (zeros in front are lost)"
        )),
        Cell::Bool(shown) => Some(format!(
            "the cell holds the truth value {shown}; format the column as text"
        )),
        Cell::Error(shown) => Some(format!("the cell holds the error {shown}")),
        Cell::Date(shown) => Some(format!(
            "the cell holds a date (stored as {shown}); format the column as text, and write the name again"
        )),
    }
}

/// Catalogs of few rows that differ by one letter from one of many.
fn doubtful_catalogs(rows: &[Row]) -> Vec<Problem> {
    let mut counts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for row in rows {
        let catalog = row.cell("new_catalog").to_lowercase();
        if !catalog.is_empty() {
            counts.entry(catalog).or_insert((0, row.number)).0 += 1;
        }
    }
    let mut problems = Vec::new();
    for (catalog, (count, row)) in &counts {
        let like = counts
            .iter()
            .find(|(other, (others, _))| *others >= 4 * count && one_letter_apart(catalog, other));
        if let Some((other, _)) = like {
            problems.push(Problem {
                row: *row,
                column: Some("new_catalog".to_owned()),
                message: format!(
                    "`{catalog}` is named {count} times, `{other}` far more often: a slip?"
                ),
                weight: Weight::Warning,
            });
        }
    }
    problems
}

fn one_letter_apart(a: &str, b: &str) -> bool {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    if a == b || a.len().abs_diff(b.len()) > 1 {
        return false;
    }
    let start = a.iter().zip(&b).take_while(|(x, y)| x == y).count();
    let end = a[start..]
        .iter()
        .rev()
        .zip(b[start..].iter().rev())
        .take_while(|(x, y)| x == y)
        .count();
    let (left_a, left_b) = (a.len() - start - end, b.len() - start - end);
    let swapped =
        left_a == 2 && left_b == 2 && a[start] == b[start + 1] && a[start + 1] == b[start];
    left_a.max(left_b) <= 1 || swapped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, text: &str) -> String {
        match read(name, text.as_bytes()) {
            Ok(reading) => reading
                .problems
                .iter()
                .map(|problem| format!("{:?} {problem}\n", problem.weight))
                .collect(),
            Err(error) => format!("{error}\n"),
        }
    }

    #[test]
    fn mistakes_are_told_with_their_row() {
        expect_test::expect![[r#"
            Warning row 3, column `old_table`: `sales.orders` stands in row 2 already, with the same new name
            Error row 4, column `old_table`: `sales.orders` has another new name in row 2: keep one of them
            Error row 5, column `new_table`: `shop.orders` and `sales.orders` (row 2) would both become `prod.sales.ORDERS`
            Error row 6, column `old_table`: `1,23E+10` is a number that the spreadsheet rounded; the name it was is lost
            Error row 7, column `old_table`: `Mar-24` is a date or number that the spreadsheet made of a name
            Error row 8, column `old_table`: `#REF!` is an error of the spreadsheet's formula
            Error row 9, column `old_table`: `x y` holds the character U+00A0, which the spreadsheet put in
            Error row 10, column `new_catalog`: the new catalog is missing
            Error row 11, column `old_database`: a table needs its database; the metastore's own is called `default`
            Error row 11, column `old_database`: the row names neither an old table nor an old path
            Error row 12, column `old_table`: a rule has at most four `*`
            Error row 13, column `new_schema`: more `*` than `old_database` has
            Error row 15, column `old_path`: `/mnt/a` has another new path in row 14: `/Volumes/a`
            Error row 16, column `old_path`: the root of the storage cannot be moved by one row
            Warning row 17, column `new_catalog`: `prd` is named 1 times, `prod` far more often: a slip?
            Error row 20, column `new_path`: a path has at most 4096 bytes
        "#]].assert_eq(&problems(
            "m.csv",
            &format!("old_database;old_table;new_catalog;new_schema;new_table;old_path;new_path;owner\n\
             sales;orders;prod;sales;orders;;;me\n\
             SALES;Orders;prod;sales;orders;;;\n\
             sales;orders;prod;other;orders;;;\n\
             shop;orders;prod;sales;ORDERS;;;\n\
             shop;1,23E+10;prod;;;;;\n\
             shop;Mar-24;prod;;;;;\n\
             shop;#REF!;prod;;;;;\n\
             shop;x\u{a0}y;prod;;;;;\n\
             shop;y;;;;;;\n\
             ;z;prod;;;;;\n\
             shop;a*b*c*d*e*;prod;;;;;\n\
             shop;;prod;x*;;;;\n\
             ;;;;;/mnt/a;/Volumes/a;\n\
             ;;;;;dbfs:/mnt/a/;/Volumes/b;\n\
             ;;;;;/;/Volumes/b;\n\
             p;q;prd;;;;;\n\
             p;q2;prod;;;;;\np;q3;prod;;;;;\n;;;;;/mnt/long;/{}\n", "a".repeat(4096)),
        ));
    }

    /// A file of Excel with its own first line; a rule without a catalog would have taken the database for one.
    #[test]
    fn rules_and_paths_say_where_they_go() {
        expect_test::expect![[r#"
            Error row 3, column `new_catalog`: a rule names its catalog: `*` stands for parts of schemas and tables only
            Error row 4, column `new_path`: the new path is missing
        "#]]
        .assert_eq(&problems(
            "m.csv",
            "sep=;\nold_database;old_table;new_catalog;new_schema;new_table;old_path;new_path\n*;*;*;*;*;;\n;;;;;/mnt/a;\nsales;orders;prod;;;/mnt/b;\n",
        ));
    }

    /// In SQL `${db}` is a variable, in whatever quotes (found by the soak).
    #[test]
    fn new_names_that_would_be_filled_in() {
        expect_test::expect![[r#"
            Error row 2, column `new_table`: `sale${db}s` holds `${` or `{{`, and Spark or a template would fill in what stands behind it
            Error row 3, column `new_schema`: `{{x}}` holds `${` or `{{`, and Spark or a template would fill in what stands behind it
        "#]].assert_eq(&problems(
            "m.csv",
            "old_database,old_table,new_catalog,new_schema,new_table\nsales,items,prod,items,sale${db}s\nsales,orders,prod,{{x}},orders\n",
        ));
    }

    #[test]
    fn cells_that_are_no_part_of_a_name() {
        expect_test::expect![[r#"
            Error row 2, column `old_database`: `'sales'` has quotes: write the name as it is, without them
            Error row 3, column `old_database`: write the database without the name of the metastore
            Error row 4, column `new_catalog`: `prod.sales` holds a dot, and names of Unity Catalog have none: write each part of the name in its own column
            Error row 5, column `new_table`: `sales.b` holds a dot, and names of Unity Catalog have none: write each part of the name in its own column
            Error row 6, column `new_schema`: `my sales` holds a blank, and names of Unity Catalog have none
            Error row 7, column `old_table`: `"d"` has quotes: write the name as it is, without them
            Error row 8, column `old_table`: `01. Mrz` is a date or number that the spreadsheet made of a name
            Error row 9, column `old_table`: `3. Mär 24` is a date or number that the spreadsheet made of a name
            Error row 10, column `old_table`: `2024-03-01 00:00:00` is a date or number that the spreadsheet made of a name
            Error row 11, column `old_table`: `1E+10` is a number that the spreadsheet rounded; the name it was is lost
            Error row 12, column `old_table`: `=A2` is a formula, not a value: paste the values
            Error row 13, column `new_catalog`: `hive_metastore` cannot be the new catalog: it is the metastore that names move away from, or belongs to Databricks; write a catalog of your own, and leave out rows of tables that stay
            Error row 14, column `new_catalog`: `spark_catalog` cannot be the new catalog: it is the metastore that names move away from, or belongs to Databricks; write a catalog of your own, and leave out rows of tables that stay
            Error row 15, column `new_catalog`: `system` cannot be the new catalog: it is the metastore that names move away from, or belongs to Databricks; write a catalog of your own, and leave out rows of tables that stay
            Error row 16, column `new_catalog`: `samples` cannot be the new catalog: it is the metastore that names move away from, or belongs to Databricks; write a catalog of your own, and leave out rows of tables that stay
        "#]].assert_eq(&problems(
            "m.csv",
            "old_database,old_table,new_catalog,new_schema,new_table\n\
             `sales`,orders,prod,,\n\
             hive_metastore.sales,orders,prod,,\n\
             sales,a,prod.sales,,\n\
             sales,b,prod,,sales.b\n\
             sales,c,prod,my sales,\n\
             sales,\"\"\"d\"\"\",prod,,\n\
             sales,01. Mrz,prod,,\n\
             sales,3. Mär 24,prod,,\n\
             sales,2024-03-01 00:00:00,prod,,\n\
             sales,1E+10,prod,,\n\
             sales,=A2,prod,,\n\
             sales,h,Hive_Metastore,,\n\
             sales,i,spark_catalog,,\n\
             sales,j,system,,\n\
             samples,*,samples,,\n\
             sales,  padded  ,prod,,\n\
             sales,2e5,prod,,\n\
             sales,2024,prod,,\n",
        ));
    }

    #[test]
    fn documents_that_are_none() {
        expect_test::expect![[r#"
            cannot read `m.csv`: it has none of the columns old_database, old_table, old_path, new_catalog, new_schema, new_table, new_path
            cannot read `m.csv`: the column `old_database` is there twice
            cannot read `m.doc`: its name ends in none of .csv, .tsv, .xlsx, .json
            cannot read `m.json`: it is an object without a list `mapping`
            cannot read `m.xlsx`: it is no ZIP file, or is broken: it has no directory
        "#]].assert_eq(
            &[
                problems("m.csv", "a,b\n1,2\n"),
                problems("m.csv", "old_database,old_database\n"),
                problems("m.doc", ""),
                problems("m.json", "{}"),
                problems("m.xlsx", "PK"),
            ]
            .concat(),
        );
    }

    #[test]
    fn a_path_that_would_move_twice_is_told() {
        expect_test::expect![[r#"
            Warning row 2, column `new_path`: `/mnt/raw/v2` lies in `/mnt/raw`, which moves too: apply this mapping only once
            Warning row 3, column `new_path`: `/mnt/b` lies in `/mnt/b`, which moves too: apply this mapping only once
        "#]]
        .assert_eq(&problems(
            "m.csv",
            "old_path,new_path\n/mnt/raw,/mnt/raw/v2\n/mnt/a,/mnt/b\n/mnt/b,/mnt/c\n/mnt/same,/mnt/same\n",
        ));
    }

    #[test]
    fn formats_say_the_same() {
        let csv = read(
            "m.csv",
            b"src_schema,src_table,catalog_name,dst_schema,dst_table\na,t,m,b,t\nb,t,m,a,t\n",
        )
        .expect("a mapping");
        let json = read(
            "m.json",
            br#"[{"old_database":"b","old_table":"t","new_catalog":"m","new_schema":"a","new_table":"t"},
                 {"old_database":"A","old_table":"t","new_catalog":"m","new_schema":"b","new_table":"t"}]"#,
        )
        .expect("a mapping");
        assert_eq!(csv.mapping.digest(), json.mapping.digest());
        assert_eq!(csv.problems, []);
    }
}
