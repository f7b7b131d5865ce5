//! `karat source discover`: what it proposes is valid and runs as it is (B3).

use expect_test::expect;

use crate::project::Project;

/// Writes the proposal for a feed, and runs it.
fn proposed(project: &Project, source: &str, feed: &str) -> String {
    project.remove("domains/d/silver/t.yaml");
    let shown = project.karat(&["source", "discover", source, feed]);
    assert_eq!(shown.code, 0, "{}", shown.text());
    let written = project.karat(&["source", "discover", source, feed, "--write"]);
    assert_eq!(written.code, 0, "{}", written.text());
    let validated = project.karat(&["validate"]);
    assert_eq!(validated.code, 0, "{}\n{}", shown.stdout, validated.text());
    project.run(0);
    let again = project.karat(&["run", "--quiet"]);
    assert_eq!(again.code, 0, "{}", again.text());
    shown.stdout
}

#[test]
fn a_table_of_a_database() {
    let project = Project::one_feed(
        "{ source: db, table: Sales, mode: incremental, cursor: { column: changed_at }, deletes: none }",
        "",
    );
    project.sqlite(
        "create table Sales (Id integer primary key, \"Order\" text, \"2nd\" text, amount real, price numeric(10,2), ratio double, paid boolean,
         day text, changed_at text, seen datetime, zoned text, code text, note);
         insert into Sales values (1, 'a', 'x', 1.5, 9.99, 0.1, 1, '2026-10-29', '2026-10-29 08:00:00', '2026-10-29T08:00:00.5', '2026-10-29T08:00:00Z', '007', null),
                                  (2, 'b', null, 200.125, 1, 1e-300, 0, '2026-10-30', '2026-10-30 08:00:00', null, '2026-10-29 08:00:00+02:00', '12', null)",
    );
    expect![[r#"
        Sales (incremental)
        from: db.sales
        select:
          id:         id
          order:      '"order"'
          c_2nd:      '"2nd"'
          amount:     cast(decimal_from_double(amount, 3) as decimal(13, 3))
          price:      cast(decimal_from_double(price, 2) as decimal(10, 2))
          # ratio:      ratio  # a double that no decimal holds: state `allow_float: "why"` to take it
          paid:       "paid = 1"
          day:        cast(day as date)
          changed_at: cast(changed_at as timestamp)
          seen:       cast(seen as timestamp)
          zoned:      cast(zoned as timestamp with time zone)
          code:       code
          note:       note
        auto_cdc: { keys: [id] }
          note: column `note` declares no type: it is read as binary, and cells that are none are rescued: give it one in the database (in a view `cast(… as integer)`, `real` or `text`), or leave it out with `columns` of the feed
    "#]].assert_eq(&proposed(&project, "db", "sales"));
    expect![[r#"
        id,order,c_2nd,amount,price,paid,day,changed_at,seen,zoned,code,note
        1,a,x,1.500,9.99,true,2026-10-29,2026-10-29T08:00:00,2026-10-29T08:00:00.500,2026-10-29T08:00:00Z,007,
        2,b,,200.125,1.00,false,2026-10-30,2026-10-30T08:00:00,,2026-10-29T06:00:00Z,12,
    "#]].assert_eq(&project.rows("select * from d_silver.sales"));
    // With a reason, the double that was left out is taken.
    let model = std::fs::read_to_string(project.path("domains/d/silver/sales.yaml")).unwrap();
    project.write(
        "domains/d/silver/sales.yaml",
        &format!(
            "{}allow_float: measured\n",
            model.replace("# ratio", "ratio")
        ),
    );
    project.run(0);
    assert_eq!(
        project.rows("select ratio from d_silver.sales where id = 2"),
        "ratio\n1e-300\n"
    );
}

#[test]
fn files_of_a_feed_together() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: full, key: [id], path: \"o_*.csv\", file_order: 'o_(\\d+)', rename: { v: value } }",
        "",
    );
    // The newest alone would say that amounts are integers; `old` is gone, `group` is new.
    project.write("landing/o_1.csv", "id,amount,v,old\n1,1.25,a,x\n2,7,b,y\n");
    project.write(
        "landing/o_2.csv",
        "id,amount,value,group\n1,1,a,g\n2,3,c,h\n",
    );
    expect![[r#"
        o_*.csv (full)
        from: landing.o
        select:
          id:     cast(id as bigint)
          amount: cast(amount as decimal(12, 2))
          v:      v
          group:  '"group"'
        auto_cdc: { keys: [id] }
          note: 4 rows of 2 files looked at, utf-8
          note: `v` is not in every file: left out
          note: `old` is not in every file: left out
    "#]]
    .assert_eq(&proposed(&project, "landing", "o"));
    expect![[r#"
        id,amount,v,group
        1,1.00,a,g
        2,3.00,c,h
    "#]]
    .assert_eq(&project.rows("select * from d_silver.o"));
}

#[test]
fn a_source_that_is_not_declared_is_told_once() {
    let project = Project::initial();
    expect![[r#"
        --- stderr
        error: there is no source `nope`
        hint: karat.yaml declares: landing
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["source", "test", "nope"]).text());
}

#[test]
fn sources_answer_while_models_are_still_wrong() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"o_*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigin) }\n",
    );
    project.write("landing/o_1.csv", "id\n7\n");
    project.write("domains/d/gold/g.sql", "selec 1\n");
    let tested = project.karat(&["source", "test", "landing"]);
    assert_eq!(tested.code, 0, "{}", tested.text());
    assert!(
        tested.stderr.starts_with("note: the project has ")
            && tested.stderr.contains("`karat validate` shows"),
        "{}",
        tested.text()
    );
    let found = project.karat(&["source", "discover", "landing", "o"]);
    assert_eq!(found.code, 0, "{}", found.text());
    assert!(
        found.stdout.contains("cast(id as bigint)"),
        "{}",
        found.text()
    );
    // Where the sources stand themselves, nothing may be wrong.
    let karat = std::fs::read_to_string(project.path("karat.yaml")).unwrap();
    project.write("karat.yaml", &karat.replace("type: files", "type: file"));
    assert_eq!(project.karat(&["source", "test"]).code, 2);
}

/// What a sample says of the encoding is said of rows that were looked at; what a file is written with is tried (B3).
#[test]
fn files_in_another_encoding_or_with_another_separator() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"latin.csv\" }",
        "",
    );
    project.write_bytes("landing/latin.csv", b"id;ort\n1;Bern\n2;Z\xFCrich\n");
    project.write("landing/long.csv", &format!("id\n{}", "1\n".repeat(10_001)));
    project.write("landing/one.csv", "text\na; b\n");
    let of_feed = project.karat(&["source", "discover", "landing", "o"]);
    let of_source = project.karat(&["source", "discover", "landing"]);
    expect![[r#"
        latin.csv (incremental)
        from: landing.o
        select:
          id_ort: id_ort
          note: 2 rows of `latin.csv` looked at, utf-8
          note: 1 of them is not valid in `utf-8`, and would be rescued: declare `encoding` under `csv` of the feed, e.g. `windows-1252`
          note: one column; if its parts are columns, declare `csv: { delimiter: ";" }`
        --
        latin.csv (incremental)
          column  type  for silver
          id      text  cast(id as bigint)
          ort     text  ort
          feed: - { source: landing, name: latin, mode: incremental, path: "latin.csv", csv: { delimiter: ";", encoding: windows-1252 } }
          note: it is not valid in `utf-8`, and is read as Windows-1252 here: look whether its letters are right
          note: 2 rows of `latin.csv` looked at, windows-1252
        long.csv (incremental)
          column  type  for silver
          id      text  cast(id as bigint)
          feed: - { source: landing, name: long, mode: incremental, path: "long.csv" }
          note: the first 10000 rows of `long.csv` looked at, utf-8 so far
        one.csv (incremental)
          column  type  for silver
          text    text  text
          feed: - { source: landing, name: one, mode: incremental, path: "one.csv" }
          note: 1 row of `one.csv` looked at, utf-8
        readme.txt (incremental)
          column           type  for silver
          files_land_here  text  files_land_here
          feed: - { source: landing, name: readme, mode: incremental, path: "readme.txt" }
          note: 0 rows of `readme.txt` looked at, utf-8
    "#]].assert_eq(&(of_feed.stdout + "--\n" + &of_source.stdout));
}

/// A row that was taken for names, UTF-8 that is read as something else, and files that nobody looks at (B3).
#[test]
fn files_whose_declaration_forgets_something() {
    let project = Project::one_feed(
        "{ source: landing, name: c, mode: incremental, path: \"cur*.csv\" }\n  - { source: landing, name: g, mode: incremental, path: \"g.csv\", csv: { encoding: windows-1252 } }",
        "",
    );
    project.remove("domains/d/silver/t.yaml");
    project.remove("landing/readme.txt");
    project.write("landing/cur.csv", "1,afa,afghani\n2,eur,euro\n");
    project.write("landing/g.csv", "id,size\n1,groß\n");
    project.write("landing/word.csv", "short,long\neur,euro\nshort,x\n");
    project.write("landing/years.csv", "country,2019,2020,2021\nde,1,2,3\n");
    let tabs = "\u{feff}id\tname\n1\tä\n".encode_utf16();
    let tabs: Vec<u8> = tabs.flat_map(u16::to_le_bytes).collect();
    project.write_bytes("landing/ship/s.txt", &tabs);
    project.write("landing/ship/s.dat", "x\n");
    let shown = ["landing c", "landing g", "landing"].map(|of| {
        let words = of.split(' ');
        let words: Vec<&str> = ["source", "discover"].into_iter().chain(words).collect();
        project.karat(&words).stdout
    });
    expect![[r#"
        cur.csv (incremental)
        from: landing.c
        select:
          c_1:     'cast("1" as bigint)'
          afa:     afa
          afghani: afghani
          note: the first row, `1,afa,afghani`, looks like values and not like names: if it is a row, declare `csv: { header: false }` and name the columns, `columns: [first, second, …]`; else it is lost
          note: 1 row of `cur.csv` looked at, utf-8
        --
        g.csv (incremental)
        from: landing.g
        select:
          id:   cast(id as bigint)
          size: size
          note: it is read as `windows-1252`, and is valid UTF-8 throughout: its letters beyond ASCII come out wrong (`Ã¤` for `ä`); take `encoding` out of `csv` of the feed
          note: 1 row of `g.csv` looked at, windows-1252
        --
        cur.csv (incremental)
          column    type  for silver
          column_1  text  cast(column_1 as bigint)
          column_2  text  column_2
          column_3  text  column_3
          feed: - { source: landing, name: cur, mode: incremental, path: "cur.csv", csv: { header: false }, columns: [column_1, column_2, column_3] }
          note: the first row, `1,afa,afghani`, looks like values: it is read as a row here, and names are made up: give better ones in `columns`
          note: 2 rows of `cur.csv` looked at, utf-8
        g.csv (incremental)
          column  type  for silver
          id      text  cast(id as bigint)
          size    text  size
          feed: - { source: landing, name: g, mode: incremental, path: "g.csv" }
          note: 1 row of `g.csv` looked at, utf-8
        ship/s.txt (incremental)
          column  type  for silver
          id      text  cast(id as bigint)
          name    text  name
          feed: - { source: landing, name: s, mode: incremental, path: "ship/s.txt", csv: { delimiter: "\t" } }
          note: 1 row of `ship/s.txt` looked at, utf-16le
        word.csv (incremental)
          column  type  for silver
          short   text  short
          long    text  long
          feed: - { source: landing, name: word, mode: incremental, path: "word.csv" }
          note: the first row, `short,long`, looks like values and not like names: if it is a row, declare `csv: { header: false }` and name the columns, `columns: [first, second, …]`; else it is lost
          note: 2 rows of `word.csv` looked at, utf-8
        years.csv (incremental)
          column   type  for silver
          country  text  country
          2019     text  cast("2019" as bigint)
          2020     text  cast("2020" as bigint)
          2021     text  cast("2021" as bigint)
          feed: - { source: landing, name: years, mode: incremental, path: "years.csv" }
          note: 1 row of `years.csv` looked at, utf-8
        note: `ship/s.dat` is not looked at: files are that end in .csv, .tsv, .txt, .json, .ndjson, .jsonl, .parquet, .avro, .xlsx, .xlsm, .xlsb, .xls or .ods, those of text also packed (.gz, .zst, .bz2, .zip); a feed reads a file of any name (`path`, `format`)
    "#]].assert_eq(&shown.join("--\n"));
    project.write("landing/cur2.csv", "1,afa,afghani\n2,eur,euro\n");
    expect![[r#"
        step  table                would  because        reads            takes
        load  d_bronze.landing__c  load   2 new objects  2 objects, 50 B  no estimate: never run
        load  d_bronze.landing__g  load   1 new object   1 object, 16 B   no estimate: never run
        note: d_bronze.landing__c: `cur2.csv` holds, byte for byte, what `cur.csv` holds, and counts as a duplicate: where both count, declare `on_duplicate: load`
        note: d_bronze.landing__c: `cur.csv` has the column name `1`: if its first row holds values, it is lost; declare `csv: { header: false }` and name the columns, `columns: [first, second, …]`; if these are names, list them in `columns`
        note: d_bronze.landing__g: `g.csv` is read as `windows-1252`, and is valid UTF-8 throughout: its letters beyond ASCII come out wrong (`Ã¤` for `ä`); take `encoding` out of `csv` of the feed
        2 steps to do; nothing was written
    "#]].assert_eq(&project.karat(&["plan"]).stdout);
    let notes = project.karat(&["run"]).stderr;
    for said in ["valid UTF-8", "the column name `1`", "on_duplicate: load"] {
        assert_eq!(notes.matches(said).count(), 1, "{said}: {notes}");
    }
}
