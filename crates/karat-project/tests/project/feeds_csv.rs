//! The control table as a spreadsheet: the same feeds, the same mistakes.

use expect_test::{Expect, expect};
use karat_project::{Feed, Severity, json_schema};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select, subsequence};
use serde_json::{Map, Value, json};

use crate::{CUSTOMERS, KARAT, diagnostics, load_text};

/// A domain whose feeds stand in its feeds.csv alone, beside the given files.
fn project(table: &str, more: &str) -> String {
    format!(
        "{KARAT}--- domains/sales/domain.yaml\ndomain: sales\n--- domains/sales/feeds.csv\n{table}{more}"
    )
}

fn check(table: &str, expected: Expect) {
    expected.assert_eq(&diagnostics(&project(table, "")));
}

/// What counts of the feeds: all but where they stand.
fn feeds(files: &str) -> Vec<String> {
    let loaded = load_text(files);
    let shown = |feed: &Feed| {
        let mut feed = feed.clone();
        feed.at = loaded.partial.project().domains[0].at;
        feed.object_at = feed.at;
        feed.file_order_at = feed.file_order_at.map(|_| feed.at);
        format!("{feed:#?}")
    };
    loaded.partial.project().feeds().map(shown).collect()
}

/// The same feeds in `domain.yaml`.
fn yaml(feeds: &str) -> String {
    format!("{KARAT}--- domains/sales/domain.yaml\ndomain: sales\nfeeds:\n{feeds}")
}

const TWO_FEEDS: &str = r#"
  - { source: shop, table: rates, mode: incremental, key: [day, currency], cursor: { column: updated_at, lag: 15m }, rename: { price: "Price EUR", rate: fx } }
  - { source: landing, name: targets, mode: full, path: "plans/*.csv", csv: { delimiter: ";", header: false }, columns: [region, month], null_values: [N/A, "", 0], parts: true, max_delete: 2.5% }
"#;

/// As Excel in Europe writes it, as LibreOffice does, as it is pasted from there, and as people write it.
#[test]
fn a_sheet_gives_the_feeds_of_the_yaml_however_it_was_saved() {
    let german = "\u{feff}source;name;table;path;mode;key;cursor.column;cursor.lag;rename.price;rename.rate;csv.delimiter;csv.header;columns;null_values;parts;max_delete;;\r\n\
        shop;;rates;;incremental;day;updated_at;15m;;;;;;;;;;\r\n\
        ;;;;;;;;;;;;;;;;;\r\n\
        landing;targets;;plans/*.csv;full;;;;;;\";\";FALSE;\"region; month\";\"N/A; \"\"\"\"; 0\";TRUE;2,50%;;\r\n\
        \r\n";
    let german = german.replace(
        "incremental;day;updated_at;15m;;;",
        "incremental;\"day;currency\";updated_at;15m;Price EUR;fx;",
    );
    let english = "source,name,mode,key,table,cursor,path,csv.delimiter,csv.header,columns,null_values,parts,max_delete,rename\n\
        shop,,incremental,\"day\ncurrency\",rates,\"{ column: updated_at, lag: 15m }\",,,,,,,,\"{ price: \"\"Price EUR\"\", rate: fx }\"\n\
        landing,targets,full,,,,plans/*.csv,;,false,\"[region, month]\",\"[N/A, '', 0]\",true,2.5%\n";
    let tabs = english.replace(",false,", "\tfalse\t");
    let tabs: String = {
        // Outside of quotes.
        let mut within = false;
        tabs.chars()
            .map(|letter| {
                within ^= letter == '"';
                if letter == ',' && !within {
                    '\t'
                } else {
                    letter
                }
            })
            .collect()
    };
    let wanted = feeds(&yaml(TWO_FEEDS));
    assert_eq!(wanted.len(), 2);
    for table in [
        german.clone(),
        format!(
            "sep=;\n{german}",
            german = german.trim_start_matches('\u{feff}')
        ),
        german.replace("\r\n", "\r"),
        english.to_string(),
        tabs,
    ] {
        assert_eq!(
            diagnostics(&project(&table, "")),
            "nothing to say",
            "{table}"
        );
        assert_eq!(feeds(&project(&table, "")), wanted, "{table}");
    }
}

#[test]
fn it_stands_beside_the_feeds_of_the_yaml() {
    let beside = format!(
        "{}--- domains/sales/feeds.csv\nsource,name,mode,path\nlanding,plans,incremental,plans/*.csv\n{CUSTOMERS}",
        yaml("  - { source: shop, table: customers, mode: full, key: [id] }\n")
    );
    assert_eq!(diagnostics(&beside), "nothing to say");
    assert_eq!(feeds(&beside).len(), 2);
}

#[test]
fn all_mistakes_are_found_in_one_pass() {
    check(
        "source;name;table;path;mode;key;max_delete;parts;csv.delimter;done\r\n\
         shop;;customers;;ful;id;0,05;;;\r\n\
         landing;Plans;;plans/*.csv;incremental;id, day;5;WAHR;;x\r\n\
         lanading;plans;;/plans/*.csv;incremental;;;;|;;\r\n\
         landing;plans;t;;full;\"[id, id\";1,5;#NAME?;;;y\r\n",
        expect![[r#"
            error: unknown column `csv.delimter`
             --> domains/sales/feeds.csv:1:50
              |
            1 | source;name;table;path;mode;key;max_delete;parts;csv.delimter;done
              |                                                  ^^^^^^^^^^^^
              = hint: did you mean `csv.delimiter`?

            error: unknown column `done`
             --> domains/sales/feeds.csv:1:63
              |
            1 | source;name;table;path;mode;key;max_delete;parts;csv.delimter;done
              |                                                               ^^^^
              = hint: known columns: source, name, description, table, path, format, table_format, mode, key, cursor, csv, json, excel, unpack, columns, file_order, parts, rename, null_values, on_schema_change, on_duplicate, on_broken_object, max_delete, deletes, stable_for, done_file, control_file, expect; a dot leads into a map, like `csv.delimiter`

            error: `mode` must be `full` or `incremental`, found `ful`
             --> domains/sales/feeds.csv:2:18
              |
            2 | shop;;customers;;ful;id;0,05;;;
              |                  ^^^
              = hint: did you mean `full`?

            error: `max_delete` must be a share in percent, like `1%`
             --> domains/sales/feeds.csv:2:25
              |
            2 | shop;;customers;;ful;id;0,05;;;
              |                         ^^^^
              = hint: write `5%` if a spreadsheet made this of 5%, `0.05%` if you mean 0.05 percent

            error: `Plans` is not a name: lower case letters, digits and `_`, a letter first
             --> domains/sales/feeds.csv:3:9
              |
            3 | landing;Plans;;plans/*.csv;incremental;id, day;5;WAHR;;x
              |         ^^^^^
              = hint: write `plans`

            error: `key` has one item with a comma in it
             --> domains/sales/feeds.csv:3:40
              |
            3 | landing;Plans;;plans/*.csv;incremental;id, day;5;WAHR;;x
              |                                        ^^^^^^^
              = hint: items are separated by `;`; if it is meant, write `["id, day"]`

            error: `max_delete` must be a share in percent, like `1%`
             --> domains/sales/feeds.csv:3:48
              |
            3 | landing;Plans;;plans/*.csv;incremental;id, day;5;WAHR;;x
              |                                                ^
              = hint: write `5%` if you mean 5 percent

            error: `parts` must be true or false, found text
             --> domains/sales/feeds.csv:3:50
              |
            3 | landing;Plans;;plans/*.csv;incremental;id, day;5;WAHR;;x
              |                                                  ^^^^
              = hint: write `parts: true`

            error: there is no source `lanading`
             --> domains/sales/feeds.csv:4:1
              |
            4 | lanading;plans;;/plans/*.csv;incremental;;;;|;;
              | ^^^^^^^^
              = hint: did you mean `landing`?

            error: `path` leaves the source's folder
             --> domains/sales/feeds.csv:4:17
              |
            4 | lanading;plans;;/plans/*.csv;incremental;;;;|;;
              |                 ^^^^^^^^^^^^
              = hint: write it from the source's folder, like `plans/*.csv`

            error: `path` is missing: which files?
             --> domains/sales/feeds.csv:5:1
              |
            5 | landing;plans;t;;full;"[id, id";1,5;#NAME?;;;y
              | ^
              = hint: add it, like `path: "plans/*.csv"`

            error: a source of files has no tables
             --> domains/sales/feeds.csv:5:15
              |
            5 | landing;plans;t;;full;"[id, id";1,5;#NAME?;;;y
              |               ^
              = hint: use `name` and `path`

            error: YAML: a `[` before this has no `]`, or its entries no `,` between them
             --> domains/sales/feeds.csv:5:31
              |
            5 | landing;plans;t;;full;"[id, id";1,5;#NAME?;;;y
              |                               ^
              = hint: look at the lines before this one

            error: `max_delete` must be a share in percent, like `1%`
             --> domains/sales/feeds.csv:5:33
              |
            5 | landing;plans;t;;full;"[id, id";1,5;#NAME?;;;y
              |                                 ^^^
              = hint: write `1.5%` if you mean 1.5 percent

            error: `#NAME?` is what a spreadsheet shows for a formula that failed
             --> domains/sales/feeds.csv:5:37
              |
            5 | landing;plans;t;;full;"[id, id";1,5;#NAME?;;;y
              |                                     ^^^^^^
              = hint: write the value itself

            error: `parts` must be true or false, found text
             --> domains/sales/feeds.csv:5:37
              |
            5 | landing;plans;t;;full;"[id, id";1,5;#NAME?;;;y
              |                                     ^^^^^^

            error: this cell has no column: the first row names 10
             --> domains/sales/feeds.csv:5:46
              |
            5 | landing;plans;t;;full;"[id, id";1,5;#NAME?;;;y
              |                                              ^
              = hint: put a text that holds `;` in quotes
        "#]],
    );
}

#[test]
fn two_rows_or_files_that_make_one_table_are_told_with_both_lines() {
    let table = "source,name,mode,path\nlanding,plans,full,a/*.csv\nlanding,plans,full,b/*.csv\n";
    check(
        table,
        expect![[r#"
        error: two feeds make the table `sales_bronze.landing__plans` (B10); the first is `landing.plans` in domains/sales/feeds.csv:2
         --> domains/sales/feeds.csv:3:1
          |
        3 | landing,plans,full,b/*.csv
          | ^^^^^^^
          = hint: give one of them another `name`
    "#]],
    );
    let across = format!(
        "{}--- domains/sales/feeds.csv\nsource,table,mode\nshop,customers,full\n",
        yaml("  - { source: shop, table: customers, mode: full }\n")
    );
    expect![[r#"
        error: two feeds make the table `sales_bronze.shop__customers` (B10); the first is `shop.customers` in domains/sales/domain.yaml:3
         --> domains/sales/feeds.csv:2:1
          |
        2 | shop,customers,full
          | ^^^^
          = hint: give one of them another `name`
    "#]].assert_eq(&diagnostics(&across));
}

#[test]
fn columns_that_are_none_are_told_once() {
    check(
        "sorce,mode,Name,path,csv.delimiter.x,name,name,mask,\nlanding,full,a,a.csv\nlanding,full,b,b.csv,,,,,stray\n",
        expect![[r#"
            error: unknown column `sorce`
             --> domains/sales/feeds.csv:1:1
              |
            1 | sorce,mode,Name,path,csv.delimiter.x,name,name,mask,
              | ^^^^^
              = hint: did you mean `source`?

            error: unknown column `Name`
             --> domains/sales/feeds.csv:1:12
              |
            1 | sorce,mode,Name,path,csv.delimiter.x,name,name,mask,
              |            ^^^^
              = hint: did you mean `name`?

            error: unknown column `csv.delimiter.x`: `csv.delimiter` has no parts
             --> domains/sales/feeds.csv:1:22
              |
            1 | sorce,mode,Name,path,csv.delimiter.x,name,name,mask,
              |                      ^^^^^^^^^^^^^^^
              = hint: write the values under `csv.delimiter`

            error: the column `name` stands twice; the first begins at 1:38
             --> domains/sales/feeds.csv:1:43
              |
            1 | sorce,mode,Name,path,csv.delimiter.x,name,name,mask,
              |                                           ^^^^
              = hint: remove one of them

            error: `mask` is not available in this version
             --> domains/sales/feeds.csv:1:48
              |
            1 | sorce,mode,Name,path,csv.delimiter.x,name,name,mask,
              |                                                ^^^^
              = hint: remove the column

            error: this cell stands in a column without a name
             --> domains/sales/feeds.csv:3:26
              |
            3 | landing,full,b,b.csv,,,,,stray
              |                          ^^^^^
              = hint: name the column in the first row, or empty the cell
        "#]],
    );
    check(
        "landing|full|a\n",
        expect![[r#"
        error: the first row names no column of a feed
         --> domains/sales/feeds.csv:1:1
          |
        1 | landing|full|a
          | ^^^^^^^^^^^^^^
          = hint: name the columns there, like `source;name;mode;path`; they are separated by `;`, `,` or tabs
    "#]],
    );
    check(
        "source;mode|name\n",
        expect![[r#"
        error: the column `mode` is missing
         --> domains/sales/feeds.csv:1:1
          |
        1 | source;mode|name
          | ^^^^^^
          = hint: each feed needs it: add it to the first row

        error: unknown column `mode|name`
         --> domains/sales/feeds.csv:1:8
          |
        1 | source;mode|name
          |        ^^^^^^^^^
          = hint: columns are separated by `;`, `,` or tabs
    "#]],
    );
    check(
        "",
        expect![[r#"
        error: the file is empty
         --> domains/sales/feeds.csv:1:1
          = hint: its first row names the columns, like `source;name;mode;path`
    "#]],
    );
    check(
        "source,mode,name,path\nlanding,full,\"a,a.csv\n",
        expect![[r#"
            error: a quote is opened here and not closed
             --> domains/sales/feeds.csv:2:14
              |
            2 | landing,full,"a,a.csv
              |              ^
              = hint: close it at the end of the cell; a quote within a quoted cell is written twice
        "#]],
    );
    check(
        "source,mode,name,path\nlanding,full,a,\"a\".csv\"\n",
        expect![[r#"
            error: `.csv"` stands after the quote that ends the cell
             --> domains/sales/feeds.csv:2:19
              |
            2 | landing,full,a,"a".csv"
              |                   ^
              = hint: a quote within a quoted cell is written twice
        "#]],
    );
    // A row names what it lacks, a sheet without the column once.
    check(
        "source,name,path\nlanding,a,a.csv\nlanding,b,b.csv\n",
        expect![[r#"
            error: the column `mode` is missing
             --> domains/sales/feeds.csv:1:1
              |
            1 | source,name,path
              | ^^^^^^
              = hint: each feed needs it: add it to the first row
        "#]],
    );
    check(
        "source,mode,name,path\nlanding,,a,a.csv\n",
        expect![[r#"
        error: `mode` is missing in a feed
         --> domains/sales/feeds.csv:2:1
          |
        2 | landing,,a,a.csv
          | ^
          = hint: it needs: source, mode
    "#]],
    );
}

#[test]
fn what_a_spreadsheet_made_of_a_value_is_not_read_as_another() {
    check(
        "source,name,mode,path,max_delete,null_values,excel.header_row,csv\n\
         landing,a,full,a.xlsx,0.05,1.23457E+11,1E+05,\n\
         landing,b,full,b.csv,5%,\"[\"\"1.23457E+11\"\"]\",,\"{ delimiter: x, header }\"\n\
         landing,c,full,#REF!,1,#N/A,,{ delimter: x }\n",
        expect![[r#"
            error: `max_delete` must be a share in percent, like `1%`
             --> domains/sales/feeds.csv:2:23
              |
            2 | landing,a,full,a.xlsx,0.05,1.23457E+11,1E+05,
              |                       ^^^^
              = hint: write `5%` if a spreadsheet made this of 5%, `0.05%` if you mean 0.05 percent

            error: `1.23457E+11` looks like a long number that a spreadsheet shortened
             --> domains/sales/feeds.csv:2:28
              |
            2 | landing,a,full,a.xlsx,0.05,1.23457E+11,1E+05,
              |                            ^^^^^^^^^^^
              = hint: format the column as text and write the value again; if it is meant, put it in quotes

            error: `1E+05` looks like a long number that a spreadsheet shortened
             --> domains/sales/feeds.csv:2:40
              |
            2 | landing,a,full,a.xlsx,0.05,1.23457E+11,1E+05,
              |                                        ^^^^^
              = hint: format the column as text and write the value again; if it is meant, put it in quotes

            error: `header_row` must be a whole number from 1 to 1048576, found text
             --> domains/sales/feeds.csv:2:40
              |
            2 | landing,a,full,a.xlsx,0.05,1.23457E+11,1E+05,
              |                                        ^^^^^

            error: `header` has no value
             --> domains/sales/feeds.csv:3:63
              |
            3 | landing,b,full,b.csv,5%,"[""1.23457E+11""]",,"{ delimiter: x, header }"
              |                                                               ^^^^^^
              = hint: expected true or false

            error: `#REF!` is what a spreadsheet shows for a formula that failed
             --> domains/sales/feeds.csv:4:16
              |
            4 | landing,c,full,#REF!,1,#N/A,,{ delimter: x }
              |                ^^^^^
              = hint: write the value itself

            error: `max_delete` must be a share in percent, like `1%`
             --> domains/sales/feeds.csv:4:22
              |
            4 | landing,c,full,#REF!,1,#N/A,,{ delimter: x }
              |                      ^
              = hint: write `100%` if a spreadsheet made this of 100%, `1%` if you mean 1 percent

            error: unknown key `delimter` in `csv`
             --> domains/sales/feeds.csv:4:32
              |
            4 | landing,c,full,#REF!,1,#N/A,,{ delimter: x }
              |                                ^^^^^^^^
              = hint: did you mean `delimiter`?
        "#]],
    );
}

/// A row with both `csv` and a part of it says two things.
#[test]
fn a_part_of_what_is_said_as_a_whole_is_told() {
    check(
        "source,name,mode,path,csv,csv.header\nlanding,a,full,a.csv,{ delimiter: x },FALSE\nlanding,b,full,b.csv,{ delimiter: x },\n",
        expect![[r#"
            error: this row has `csv` and `csv.header`: one is a part of the other
             --> domains/sales/feeds.csv:2:39
              |
            2 | landing,a,full,a.csv,{ delimiter: x },FALSE
              |                                       ^^^^^
              = hint: empty one of the two cells
        "#]],
    );
}

/// No model is blamed for a table that nobody could read.
#[test]
fn mistakes_of_the_table_are_not_told_of_models() {
    let model = "--- domains/sales/silver/a.yaml\nfrom: landing.a\nselect: { id: id }\n";
    for (table, told) in [
        ("source,mode,name\nlanding,full,\"a\n", 1),
        (
            "source,mode,name,path,colums\nlanding,full,a,a.csv,key\n",
            1,
        ),
        ("nothing,at,all\n", 1),
    ] {
        let loaded = load_text(&project(table, model));
        assert_eq!(loaded.diagnostics.len(), told, "{table}");
    }
}

#[test]
fn a_sheet_under_another_name_is_told_where_there_is_no_table() {
    let other = format!("{}--- domains/sales/feeds.xlsx\nPK\n", yaml("  []\n"));
    expect![[r#"
        error: nothing reads this file
         --> domains/sales/feeds.xlsx
          = hint: save it beside as feeds.csv (in Excel: `CSV UTF-8`)
    "#]]
    .assert_eq(&diagnostics(&other));
    let beside = "--- domains/sales/feeds.xlsx\nPK\n";
    let table = "source,mode,name,path\nlanding,full,a,a.csv\n";
    assert_eq!(diagnostics(&project(table, beside)), "nothing to say");
}

/// Texts that a spreadsheet, CSV or YAML might take for something else.
const TEXTS: [&str; 22] = [
    "a",
    "Region",
    "x y",
    "1.10",
    "007",
    "true",
    "FALSE",
    "null",
    "~",
    "a, b",
    "a;b",
    "[a]",
    "{b}",
    "\"q\"",
    "'q'",
    "\"",
    "it's",
    "ünï",
    "#REF!",
    "1.5E+10",
    " x ",
    "two\nlines",
];

/// A value that a schema of the key tables allows.
fn of_schema(name: &str, schema: &Value) -> BoxedStrategy<Value> {
    let fixed: Option<&[&str]> = match name {
        "source" => Some(&["landing", "shop"]),
        "path" | "members" => Some(&["plans/*.csv", "[ab]/{a,b}*.csv", "a b/**/x.csv"]),
        "file_order" => Some(&[r"plan_(\d{8})", r"[a-z;,]+(\d+)"]),
        "range" => Some(&["A1:F", "A:F"]),
        "delimiter" => Some(&[";", ",", "\t", "\\t", "|", " ", "'", "||"]),
        "quote" => Some(&["\"", "'", "none", "|"]),
        "records" => Some(&["/orders/*", "/a/*/b/*"]),
        "column" | "soft" | "document" => Some(&["a", "b", "Updated At"]),
        _ => None,
    };
    if let Some(words) = fixed {
        return select(words).prop_map(|word| json!(word)).boxed();
    }
    if let Some(words) = schema["enum"].as_array() {
        return select(words.clone()).boxed();
    }
    if let Some(kinds) = schema["oneOf"].as_array() {
        let kinds: Vec<_> = kinds.iter().map(|kind| of_schema(name, kind)).collect();
        return any::<Index>()
            .prop_flat_map(move |which| which.get(&kinds).clone())
            .boxed();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].as_str().unwrap().to_string(),
        kind => kind.as_str().unwrap().to_string(),
    };
    match (kind.as_str(), schema["pattern"].as_str()) {
        ("boolean", _) => any::<bool>().prop_map(|flag| json!(flag)).boxed(),
        ("integer", _) => {
            let (min, max) = (schema["minimum"].as_u64(), schema["maximum"].as_u64());
            (min.unwrap()..=max.unwrap()).prop_map(|n| json!(n)).boxed()
        }
        ("string", Some(pattern)) if pattern.ends_with('%') || pattern.ends_with("%$") => {
            select(&["0.1%", "5%", "100 %"][..])
                .prop_map(|text| json!(text))
                .boxed()
        }
        ("string", Some(pattern)) if pattern.contains("ms|s") => select(&["15m", "90s", "2d"][..])
            .prop_map(|text| json!(text))
            .boxed(),
        ("string", Some(_)) => select(&["a", "b_2"][..])
            .prop_map(|text| json!(text))
            .boxed(),
        ("string", None) => select(&TEXTS[..]).prop_map(|text| json!(text)).boxed(),
        ("array", _) => {
            let item = of_schema("", &schema["items"]);
            vec(item, 0..4).prop_map(Value::from).boxed()
        }
        ("object", _) => match schema["properties"].as_object() {
            Some(properties) => object(properties, &schema["required"]),
            None => {
                let value = of_schema("", &schema["additionalProperties"]);
                let keys = select(&["a", "b_2", "Total"][..]);
                let named = btree_map(keys.prop_map(str::to_string), value, 0..3);
                named
                    .prop_map(|entries| Value::Object(entries.into_iter().collect()))
                    .boxed()
            }
        },
        other => panic!("a type that the test does not know: {other:?}"),
    }
}

fn object(properties: &Map<String, Value>, required: &Value) -> BoxedStrategy<Value> {
    let names: Vec<String> = properties.keys().cloned().collect();
    let must: Vec<String> = serde_json::from_value(required.clone()).unwrap_or_default();
    let values: Vec<BoxedStrategy<Value>> = properties
        .iter()
        .map(|(name, schema)| of_schema(name, schema))
        .collect();
    let count = names.len();
    (values, subsequence(names.clone(), 0..=count.min(6)))
        .prop_map(move |(values, chosen)| {
            let entries = names.iter().cloned().zip(values);
            entries
                .filter(|(name, _)| must.contains(name) || chosen.contains(name))
                .collect::<Map<_, _>>()
                .into()
        })
        .boxed()
}

/// A feed; most times one that its source can have.
fn feed() -> impl Strategy<Value = Value> {
    let schema = json_schema("domain").unwrap();
    let feed = of_schema("", &schema["properties"]["feeds"]["items"]);
    (feed, 0..10).prop_map(|(mut feed, dice)| {
        let entries = feed.as_object_mut().unwrap();
        let files = entries["source"] == "landing";
        if dice > 0 {
            let others: &[&str] = match files {
                true => &["table", "cursor", "deletes"],
                false => &[
                    "path",
                    "format",
                    "csv",
                    "json",
                    "excel",
                    "unpack",
                    "columns",
                    "file_order",
                    "parts",
                    "stable_for",
                    "on_duplicate",
                    "on_broken_object",
                    "max_delete",
                    "deletes",
                ],
            };
            entries.retain(|key, _| !others.contains(&key.as_str()));
            entries.insert("name".into(), json!("a"));
            entries
                .entry(if files { "path" } else { "table" })
                .or_insert(json!("t"));
            if !files {
                entries.insert("mode".into(), json!("full"));
                entries.remove("cursor");
            }
        }
        feed
    })
}

/// A cell's text for a value: as people write it where that says the same, else in flow syntax.
fn cell(value: &Value) -> String {
    let plain = |text: &str| {
        let trimmed = text.trim();
        let quoted = |quote| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
        let number = text.contains("E+");
        trimmed == text
            && !text.is_empty()
            && !quoted('"')
            && !quoted('\'')
            && !number
            && !text.starts_with('#')
    };
    match value {
        Value::String(text) if plain(text) => text.clone(),
        Value::Array(items) => {
            let bare = |item: &Value| {
                let text = item.as_str()?;
                let special = text.contains([';', ',', '\n', '"', '\'', '[', '{']);
                (plain(text) && !special).then(|| text.to_string())
            };
            let texts: Option<Vec<String>> = items.iter().map(bare).collect();
            match texts {
                Some(texts) if !texts.is_empty() => texts.join("; "),
                _ => value.to_string(),
            }
        }
        value => value.to_string(),
    }
}

/// The row's cells by column; maps whole or by their parts.
fn cells(
    prefix: &str,
    value: &Value,
    dice: &mut impl Iterator<Item = bool>,
) -> Vec<(String, String)> {
    match value {
        Value::Object(entries)
            if !entries.is_empty() && (prefix.is_empty() || dice.next() == Some(true)) =>
        {
            entries
                .iter()
                .flat_map(|(key, value)| {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    cells(&format!("{prefix}{dot}{key}"), value, dice)
                })
                .collect()
        }
        value => vec![(prefix.to_string(), cell(value))],
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever stands in the sheet: an answer, never a panic, and each place lies in its line.
    #[test]
    fn any_sheet_gives_an_answer(
        cuts in vec((any::<Index>(), 0_usize..6, "[-;,\t\"'{}\\[\\]:|&*!#%@. \r\n(a-cäß€\u{a0}0-9]{0,4}"), 1..5),
    ) {
        let mut text: Vec<char> = "source;name;mode;path;csv.delimiter;columns;null_values;max_delete\r\n\
            landing;a;full;a/*.csv;\";\";\"x; y\";[N/A, \"\"-\"\"];5%\r\n\
            landing;b;incremental;b.csv;{ a: b };\"{ z: /z }\";;\r\n"
            .chars()
            .collect();
        for (at, remove, insert) in cuts {
            let from = at.index(text.len());
            let to = (from + remove).min(text.len());
            text.splice(from..to, insert.chars());
        }
        let table: String = text.into_iter().collect();
        prop_assume!(!table.contains("--- "));
        for found in load_text(&project(&table, "")).diagnostics {
            prop_assert!(found.line == 0 || found.column >= 1);
            prop_assert!(found.column as usize <= found.source_line.chars().count() + 2, "{}", found);
        }
    }

    /// Equal in power: each feed of a YAML, written as a row, is the equal feed, and has the same mistakes.
    #[test]
    fn a_feed_of_the_yaml_written_as_a_row_is_the_same_feed(
        feed in feed(),
        dice in vec(any::<bool>(), 16),
        separator in select(&[';', ',', '\t'][..]),
    ) {
        let quoted = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let row = cells("", &feed, &mut dice.into_iter());
        let line = |texts: Vec<String>| texts.join(&separator.to_string()) + "\r\n";
        let table = line(row.iter().map(|(name, _)| quoted(name)).collect())
            + &line(row.iter().map(|(_, text)| quoted(text)).collect());
        let (yaml, csv) = (yaml(&format!("  - {feed}\n")), project(&table, ""));
        let told = |files: &str| {
            let mut told: Vec<(Severity, String, Option<String>)> = load_text(files)
                .diagnostics
                .into_iter()
                .map(|found| (found.severity, found.message, found.hint))
                .collect();
            told.sort();
            told
        };
        prop_assert_eq!(told(&csv), told(&yaml), "{}\n{}", table, feed);
        prop_assert_eq!(feeds(&csv), feeds(&yaml), "{}\n{}", table, feed);
    }
}
