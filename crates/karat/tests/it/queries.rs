//! `karat query` on a lake and on files.

use expect_test::expect;

use crate::project::Project;

#[test]
fn gold_in_all_formats() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let query = "select * from shop_gold.revenue order by country";
    expect![[r#"
        country  orders  revenue
        CH            2   140.45
        DE            1    80.00
        FR            1   210.10
        (3 rows)
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["query", query]).text());
    expect![[r#"
        country,orders,revenue
        CH,2,140.45
        DE,1,80.00
        FR,1,210.10
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["query", "--format", "csv", query]).text());
    expect![[r#"
        {"country": "CH", "orders": 2, "revenue": 140.45}
        {"country": "DE", "orders": 1, "revenue": 80.00}
        {"country": "FR", "orders": 1, "revenue": 210.10}
        --- exit 0
    "#]]
    .assert_eq(
        &project
            .karat(&["query", "--format", "ndjson", query])
            .text(),
    );
    let document = project.karat(&["query", "--json", query]).json();
    assert_eq!(document["rows"][1]["country"], "DE");
}

#[test]
fn a_query_on_files_needs_no_project() {
    let project = Project::of(&[("orders.csv", "id,amount\n1,2.50\n2,\n3,4.00\n")]);
    let query = "select count(*) as orders, sum(cast(amount as decimal(9,2))) as amount from o";
    expect![[r#"
        orders  amount
             3    6.50
        (1 row)
        --- exit 0
    "#]]
    .assert_eq(
        &project
            .karat(&["query", "--table", "o=orders.csv", query])
            .text(),
    );
}

#[test]
fn a_file_with_rows_that_do_not_fit_or_with_none() {
    let project = Project::of(&[
        ("ragged.csv", "id,v\n1,one\n2,two,zwei\n3\n"),
        ("header.csv", "id,v\n"),
        ("empty.csv", ""),
        ("carriage.csv", "id,v\r1,one\r"),
        ("quote.csv", "id,v\n1,one\n\"2,two\n3,three\n"),
        ("[x] y.csv", "id,v\n1,one\n"),
    ]);
    std::fs::write(project.path("latin.csv"), b"id,v\n1,\xFCber\n").unwrap();
    let place = |text: String| text.replace(&project.path("").display().to_string(), "");
    let query = |file: &str, sql: &str| {
        let answer = project.karat(&["query", "--table", &format!("t={file}"), sql]);
        place(answer.text())
    };
    expect![[r#"
        --- stderr
        error: cannot read line 3 of `ragged.csv`: it has more fields than the header
        hint: mend the file, or read what fits of such rows with `--lenient`
        --- exit 1
    "#]]
    .assert_eq(&query("ragged.csv", "select * from t"));
    expect![[r#"
        --- stderr
        error: cannot read line 3 of `quote.csv`: a quote that opens in it is never closed
        hint: mend the file, or read what fits of such rows with `--lenient`
        --- exit 1
    "#]]
    .assert_eq(&query("quote.csv", "select * from t"));
    expect![[r#"
        --- stderr
        error: cannot read line 2 of `latin.csv`: it is not valid in its encoding (UTF-8, where no byte order mark says another)
        hint: mend the file, or read what fits of such rows with `--lenient`
        --- exit 1
    "#]]
    .assert_eq(&query("latin.csv", "select * from t"));
    expect![[r#"
        id  v
        1   one
        (1 row)
        --- exit 0
    "#]]
    .assert_eq(&query("[x] y.csv", "select * from t"));
    let lenient = |file: &str, sql: &str| {
        let table = format!("t={file}");
        place(
            project
                .karat(&["query", "--lenient", "--table", &table, sql])
                .text(),
        )
    };
    expect![[r#"
        id  v
        1   one
        2   two
        3
        (3 rows)
        --- stderr
        note: 2 of 3 rows of `ragged.csv` do not fit its columns; they are read as far as they do
        --- exit 0
    "#]]
    .assert_eq(&lenient("ragged.csv", "select * from t order by id"));
    expect![[r#"
        n  v
        0
        (1 row)
        --- exit 0
    "#]]
    .assert_eq(&query(
        "header.csv",
        "select count(*) as n, max(v) as v from t",
    ));
    expect![[r#"
        --- stderr
        error: `empty.csv` is empty
        hint: a table needs a header
        --- exit 2
    "#]]
    .assert_eq(&query("empty.csv", "select * from t"));
    expect![[r#"
        --- stderr
        error: cannot read `carriage.csv`: its header cannot be read: lines end in a carriage return alone; `csv: { terminator: "\r" }` of a feed reads it
        --- exit 1
    "#]].assert_eq(&query("carriage.csv", "select * from t"));
}

#[test]
fn a_table_that_is_not_there() {
    let project = Project::initial();
    expect![[r#"
        --- stderr
        error: there is no table `shop_gold.nothing` in the lake
         --> line 1, column 15
          |
        1 | select * from shop_gold.nothing
          |               ^
        hint: `karat status` lists the tables; `--table NAME=PATH` names files
        --- exit 2
    "#]]
    .assert_eq(
        &project
            .karat(&["query", "select * from shop_gold.nothing"])
            .text(),
    );
    project.run(0);
    let near = project.karat(&["query", "select * from shop_gold.revenues"]);
    let hint = "hint: did you mean `shop_gold.revenue`?\n";
    assert!(near.stderr.ends_with(hint), "{}", near.text());
    // A table is called by domain and layer; whoever leaves them out is told.
    for (name, meant) in [
        ("revenue", "shop_gold.revenue"),
        ("Orders", "shop_silver.orders"),
        ("landing__order", "shop_bronze.landing__orders"),
    ] {
        let near = project.karat(&["query", &format!("from {name}")]);
        let hint = format!("hint: did you mean `{meant}`?\n");
        assert!(near.stderr.ends_with(&hint), "{}", near.text());
    }
    // Feeds are known by their last part, too, but not called so.
    for name in ["orders", "landing.order"] {
        let near = project.karat(&["schema", "accept", name]);
        let hint = "hint: did you mean `landing.orders`?\n";
        assert!(near.stderr.ends_with(hint), "{}", near.text());
    }
}

#[test]
fn a_run_or_a_time_names_the_cut() {
    let project = Project::initial();
    let run = project.karat(&["run", "--json", "--at", "2026-01-05T18:00:00Z"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let first = run.json()["run_id"].as_str().unwrap().to_owned();
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n6,ch,1.00,2026-01-06 08:00:00\n",
    );
    let run = project.karat(&["run", "--quiet", "--at", "2026-01-06T18:00:00Z"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    let query = "select sum(orders) as orders from shop_gold.revenue";
    let orders = |more: &[&str]| {
        let answer = project.karat(&[&["query", "--json", query], more].concat());
        assert_eq!(answer.code, 0, "{}", answer.stderr);
        answer.json()["rows"][0]["orders"].as_i64().unwrap()
    };
    assert_eq!(orders(&[]), 5);
    assert_eq!(orders(&["--run", &first]), 4);
    assert_eq!(orders(&["--as-of", "2026-01-06T00:00:00Z"]), 4);
    assert_eq!(orders(&["--as-of", "2026-01-06T18:00:00Z"]), 5);
    let before = project.karat(&["query", "--as-of", "2026-01-01T00:00:00Z", query]);
    assert_eq!(before.code, 2, "{}", before.stderr);
}

#[test]
fn an_error_behind_the_first_rows_leaves_one_document() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let failed = project.karat(&[
        "query",
        "--json",
        "select revenue / (orders - 1) as x from shop_gold.revenue",
    ]);
    assert_eq!(failed.code, 3);
    assert_eq!(failed.json()["error"]["exit_code"], 3);
}

#[cfg(unix)]
#[test]
fn a_reader_that_leaves_is_no_error() {
    use std::process::{Command, Stdio};
    let project = Project::empty();
    let rows: String = (0..200_000).map(|row| format!("{row}\n")).collect();
    project.write("rows.csv", &format!("n\n{rows}"));
    let mut child = Command::new(env!("CARGO_BIN_EXE_karat"))
        .args([
            "query",
            "--format",
            "csv",
            "--table",
            "r=rows.csv",
            "select * from r",
        ])
        .current_dir(project.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
}

/// What stands on stdout and stderr, without the place of the test's folder.
fn told(project: &Project, arguments: &[&str]) -> String {
    let answer = project.karat(&[&["query"], arguments].concat());
    let folder = project.path("").canonicalize().unwrap();
    let text = answer.text();
    text.replace(&format!("{}/", folder.display()), "")
        .replace(&project.path("").display().to_string(), "")
}

#[test]
fn folders_patterns_and_lines_of_json() {
    let project = Project::of(&[
        ("sales/a.csv", "id,v\n1,one\n"),
        ("sales/more/b.csv", "id,w\n2,two\n"),
        ("sales/_SUCCESS", ""),
        (
            "events.ndjson",
            "{\"id\": 1, \"x\": 1.50}\n\n{\"id\": 2, \"tags\": [\"a\"], \"x\": null}\n",
        ),
        ("broken.jsonl", "{\"id\": 1}\n{\"id\": }\n"),
        ("mixed/a.csv", "id\n1\n"),
        ("mixed/b.ndjson", "{\"id\": 1}\n"),
    ]);
    let rows = |table: &str| {
        told(
            &project,
            &["--format", "ndjson", "--table", table, "select * from t"],
        )
    };
    expect![[r#"
        {"id": "1", "v": "one", "w": null}
        {"id": "2", "v": null, "w": "two"}
        --- exit 0
    "#]]
    .assert_eq(&rows("t=sales"));
    expect![[r#"
        {"id": "1", "v": "one"}
        --- exit 0
    "#]]
    .assert_eq(&rows("t=sales/*.csv"));
    expect![[r#"
        {"id": "1", "x": "1.50", "tags": null}
        {"id": "2", "x": null, "tags": "[\"a\"]"}
        --- exit 0
    "#]]
    .assert_eq(&rows("t=events.ndjson"));
    expect![[r#"
        --- stderr
        error: cannot read line 2 of `broken.jsonl`: it is no JSON object
        hint: each line is one object, like {"id": 1, "name": "a"}
        --- exit 1
    "#]]
    .assert_eq(&rows("t=broken.jsonl"));
    expect![[r#"
        --- stderr
        error: `mixed` holds files of several kinds: `mixed/a.csv` and `mixed/b.ndjson`
        hint: name one kind with a pattern, like `folder/*.csv`
        --- exit 2
    "#]]
    .assert_eq(&rows("t=mixed"));
    expect![[r#"
        --- stderr
        error: there is nothing to read at `nothing/*.csv`
        hint: name a Parquet, CSV or NDJSON file, a folder or pattern of such files, or the folder of a Delta or Iceberg table
        --- exit 2
    "#]].assert_eq(&rows("t=nothing/*.csv"));
}

#[test]
fn a_footer_that_contradicts_itself_and_a_damaged_column() {
    let project = Project::empty();
    let make = "select value as id from generate_series(0, 999)";
    let written = project.karat(&[
        "query",
        "--format",
        "parquet",
        "--output",
        "good.parquet",
        make,
    ]);
    assert_eq!(written.code, 0, "{}", written.text());
    let good = std::fs::read(project.path("good.parquet")).unwrap();
    // A field of the footer with the value 1,000: of the file, of its column, of its row group.
    let rows = [0x16, 0xd0, 0x0f];
    let places = good.windows(3).enumerate();
    let places: Vec<usize> = places
        .filter(|(_, w)| *w == rows)
        .map(|(at, _)| at)
        .collect();
    assert_eq!(places.len(), 3);
    let mut said = String::new();
    for at in places {
        let mut lie = good.clone();
        lie[at + 1] = 0xd2;
        std::fs::write(project.path("lie.parquet"), lie).unwrap();
        said += &told(
            &project,
            &["--table", "t=lie.parquet", "select count(*) from t"],
        );
    }
    let mut damaged = good;
    damaged[60..100].fill(0xff);
    project.write("many/readme.txt", "");
    project.remove("many/readme.txt");
    std::fs::copy(project.path("good.parquet"), project.path("many/1.parquet")).unwrap();
    std::fs::write(project.path("many/2.parquet"), damaged).unwrap();
    said += &told(&project, &["--table", "t=many", "select sum(id) from t"]);
    expect![[r#"
        --- stderr
        error: `lie.parquet` is damaged: its footer contradicts itself
          caused by: Parquet error: the file has 1001 rows and its row groups have 1000
        hint: get the file again from where it came, or leave it out
        --- exit 3
        --- stderr
        error: `lie.parquet` is damaged: its footer contradicts itself
          caused by: Parquet error: column `id` of row group 0 has 1001 values for 1000 rows
        hint: get the file again from where it came, or leave it out
        --- exit 3
        --- stderr
        error: `lie.parquet` is damaged: its footer contradicts itself
          caused by: Parquet error: column `id` of row group 0 has 1000 values for 1001 rows
        hint: get the file again from where it came, or leave it out
        --- exit 3
        --- stderr
        error: `many/2.parquet` is damaged: its column `id` cannot be decoded
          caused by: Parquet error: Data corruption detected
        hint: get the file again from where it came, or leave it out
        --- exit 3
    "#]]
    .assert_eq(&said);
}

/// What a file says of a column beside its type, like the ids that karat and Iceberg write, is no part of the answer.
#[test]
fn columns_with_ids() {
    let project = Project::empty();
    let make = "select value as id, value % 2 as k, cast(value as double) / 4 as x, [value] as l from generate_series(1, 5)";
    let file = [
        "query",
        "--format",
        "parquet",
        "--output",
        "t.parquet",
        make,
    ];
    let written = project.karat(&file);
    assert_eq!(written.code, 0, "{}", written.text());
    let ask = |sql: &str| told(&project, &["-q", "--table", "t=t.parquet", sql]);
    let said = [
        "select k, max(x) as x, count(*) as n from t group by k",
        "select max(x) as x, sum(x) as s from t",
        "select x from t where x < 0.6 union select x from t",
        "select l, x from t group by l, x order by x desc limit 1",
        "select id, lag(x) over (order by id) as x from t where id < 3",
    ];
    let said: String = said.map(ask).concat();
    expect![[r#"
        k     x  n
        0   1.0  2
        1  1.25  3
        (2 rows)
        --- exit 0
           x     s
        1.25  3.75
        (1 row)
        --- exit 0
           x
        0.25
         0.5
        0.75
         1.0
        1.25
        (5 rows)
        --- exit 0
        l       x
        [5]  1.25
        (1 row)
        --- exit 0
        id     x
         1
         2  0.25
        (2 rows)
        --- exit 0
    "#]]
    .assert_eq(&said);
    // The first and the last bytes are those of a Parquet file, and what is between them is not.
    let mut damaged = std::fs::read(project.path("t.parquet")).unwrap();
    let end = damaged.len() - 8;
    damaged[end - 40..end].fill(0xab);
    std::fs::write(project.path("t.parquet"), &damaged).unwrap();
    let cut = ask("select 1 from t");
    std::fs::write(project.path("t.parquet"), &damaged[..end]).unwrap();
    let cut = cut + &ask("select 1 from t");
    std::fs::write(project.path("t.parquet"), "id\n1\n").unwrap();
    let cut = cut + &ask("select 1 from t");
    expect![[r#"
        --- stderr
        error: `t.parquet` is damaged: its footer cannot be read
          caused by: Parquet error: EOF: Unexpected EOF
        hint: get the file again from where it came, or leave it out
        --- exit 3
        --- stderr
        error: `t.parquet` is damaged: its footer cannot be read
          caused by: Parquet error: Invalid Parquet file. Corrupt footer
        hint: get the file again from where it came, or leave it out
        --- exit 3
        --- stderr
        error: `t.parquet` is no Parquet file: EOF: Parquet file too small. Size is 5 but need 8
        hint: text files are known by their names: `.csv`, `.tsv`, `.ndjson` or `.jsonl`, each also with `.gz`
        --- exit 2
    "#]].assert_eq(&cut);
}

/// One bit of a file flipped that pyarrow 22 wrote with `write_page_checksum=True`: in its body, in the Arrow schema of its footer (at
/// which the decoder panics), in the footer's offset of a page.
#[test]
fn a_flipped_bit_is_told_with_its_file() {
    let project = Project::empty();
    let good = include_bytes!("../golden/checksums.parquet");
    std::fs::write(project.path("good.parquet"), good).unwrap();
    let ask = |file: &str, sql: &str| told(&project, &["-q", "--table", &format!("t={file}"), sql]);
    let mut said = ask("good.parquet", "select sum(id) from t where id > 3");
    for (place, bit, sql) in [
        (137, 1, "select sum(id) from t where id > 3"),
        (137, 1, "select id % 1, sum(id), min(at) from t group by 1"),
        (1297, 1, "select sum(id) from t"),
        (872, 1, "select sum(id) from t where id > 3"),
    ] {
        let mut flipped = good.to_vec();
        flipped[place] ^= bit;
        std::fs::write(project.path("flipped.parquet"), flipped).unwrap();
        said += &ask("flipped.parquet", sql);
    }
    expect![[r#"
        sum(t.id)
              774
        (1 row)
        --- exit 0
        --- stderr
        error: `flipped.parquet` is damaged: its column `id` cannot be decoded
          caused by: Parquet error: the checksum of a page is not that of its bytes
        hint: get the file again from where it came, or leave it out
        --- exit 3
        --- stderr
        error: `flipped.parquet` is damaged: its column `id` cannot be decoded
          caused by: Parquet error: the checksum of a page is not that of its bytes
        hint: get the file again from where it came, or leave it out
        --- exit 3
        --- stderr
        error: `flipped.parquet` is damaged: its footer cannot be read
          caused by: Parquet error: Int type with bit width of 128 and signed of true not supported (arrow-ipc-59.3.2/src/convert.rs:332)
        hint: get the file again from where it came, or leave it out
        --- exit 3
        --- stderr
        error: `flipped.parquet` is damaged: its column `id` cannot be decoded
          caused by: Parquet error: column start and length should not be negative (parquet-59.3.2/src/file/metadata/mod.rs:1063)
        hint: get the file again from where it came, or leave it out
        --- exit 3
    "#]].assert_eq(&said);
}

/// The engine's own first_value meets an order of fewer columns than it was made for (DataFusion 55.2). The process goes on, and
/// nothing of Rust's own report of a panic is printed.
#[test]
fn a_panic_of_the_engine_is_one_error() {
    let project = Project::empty();
    let sql = "with t(a, b) as (values (1, 10), (1, 20), (2, 30)) \
               select distinct on (a) a, unnest(array_agg(b)) as b from t group by a order by a, b desc";
    expect![[r#"
        --- stderr
        note: the order of DISTINCT ON was completed with all columns, in name order: no unique key is known
        error: the engine broke off: assertion `left == right` failed (datafusion-functions-aggregate-55.2.0/src/first_last.rs:566)
        hint: this is a defect: please report the query; another way to write it may work
        --- exit 3
    "#]]
    .assert_eq(&told(&project, &[sql]));
}

#[test]
fn a_column_of_two_types_and_a_table_of_two_paths() {
    let project = Project::of(&[("a.csv", "id\n1\n"), ("many/readme.txt", "x\n")]);
    project.remove("many/readme.txt");
    for (file, sql) in [
        ("many/1.parquet", "select 1 as id"),
        ("many/2.parquet", "select 'a' as id"),
    ] {
        let written = project.karat(&["query", "--format", "parquet", "--output", file, sql]);
        assert_eq!(written.code, 0, "{}", written.text());
    }
    expect![[r#"
        --- stderr
        error: the column `id` of `t` is bigint in `many/1.parquet` and string in `many/2.parquet`
        hint: name them as two tables, and cast in the query
        --- exit 2
    "#]]
    .assert_eq(&told(&project, &["--table", "t=many", "select * from t"]));
    expect![[r#"
        --- stderr
        error: `--table` names `t` twice
        hint: name each table once; a folder or pattern names several files
        --- exit 2
    "#]]
    .assert_eq(&told(
        &project,
        &[
            "--table",
            "t=a.csv",
            "--table",
            "T=a.csv",
            "select * from t",
        ],
    ));
}

#[test]
fn parameters_are_values_and_never_sql() {
    let project = Project::of(&[(
        "t.csv",
        "id,name,day\n1,a,2026-01-01\n2,O'Brien,2026-01-02\n3,null,2026-01-03\n",
    )]);
    let rows = |arguments: &[&str]| {
        told(
            &project,
            &[
                &["--quiet", "--format", "csv", "--table", "t=t.csv"],
                arguments,
            ]
            .concat(),
        )
    };
    expect![[r#"
        id,x
        2,1.50
        --- exit 0
    "#]]
    .assert_eq(&rows(&[
        "--param",
        "name=O'Brien",
        "--param",
        "x=1.50",
        "select id, $x as x from t where name = $NAME",
    ]));
    expect![[r#"
        id
        3
        --- exit 0
    "#]]
    .assert_eq(&rows(&[
        "--param",
        "1:date=2026-01-03",
        "--param",
        "2=1",
        "select id from t where cast(day as date) >= $1 limit $2",
    ]));
    expect![[r#"
        id
        --- exit 0
    "#]]
    .assert_eq(&rows(&[
        "--param",
        "name=a' or '1'='1",
        "select id from t where name = $name",
    ]));
    expect![[r#"
        --- stderr
        error: `$y` has no value
         --> line 2, column 19
          |
        2 | from t where id = $y
          |                   ^
        hint: there are $x
        --- exit 2
    "#]]
    .assert_eq(&rows(&[
        "--param",
        "x=1",
        "select id\nfrom t where id = $y",
    ]));
    expect![[r#"
        --- stderr
        error: the query has no `$x`
        hint: leave the parameter out, or write its name with `$` where the value belongs
        --- exit 2
    "#]]
    .assert_eq(&rows(&["--param", "x=1", "select id from t"]));
    expect![[r#"
        --- stderr
        error: `--param x:dated=1`: `dated` is no type
        hint: write it as in SQL: bigint, decimal(18,2), date, timestamp, string
        --- exit 2
    "#]]
    .assert_eq(&rows(&["--param", "x:dated=1", "select $x"]));
    expect![[r#"
        --- stderr
        error: `--param x` gives no value
        hint: write it like `--param day=2026-01-31`, or with its type: `--param day:date=2026-01-31`
        --- exit 2
    "#]].assert_eq(&rows(&["--param", "x", "select $x"]));
    expect![[r#"
        --- stderr
        error: a text is no date in `cast('soon' as date)`
        hint: a date is written 2026-01-31; read others with to_date(text, format), like to_date(x, '%d.%m.%Y'), one with a time behind it with cast(cast(x as timestamp) as date), or let try_cast make them null
        --- exit 3
    "#]].assert_eq(&rows(&["--param", "day:date=soon", "select $day as day"]));
}

#[test]
fn tables_columns_functions_and_plans() {
    let project = Project::of(&[("t.csv", "id,name\n1,a\n"), ("u.csv", "id\n1\n2\n")]);
    let rows = |sql: &str| {
        told(
            &project,
            &["--quiet", "--table", "t=t.csv", "--table", "u=u.csv", sql],
        )
    };
    expect![[r#"
        table  rows  files
        t         1      1
        u         2      1
        (2 rows)
        --- exit 0
    "#]]
    .assert_eq(&rows("show tables"));
    expect![[r#"
        column  type
        id      string
        name    string
        (2 rows)
        --- exit 0
    "#]]
    .assert_eq(&rows("describe T"));
    expect![[r#"
        column  type
        id      string
        x       decimal(2,1)
        (2 rows)
        --- exit 0
    "#]]
    .assert_eq(&rows("describe select id, 1.5 as x from t"));
    expect![[r#"
        --- stderr
        error: there is no table `nothing`
        hint: `show tables` lists the tables
        --- exit 2
    "#]]
    .assert_eq(&rows("describe nothing"));
    expect![[r#"
        merge sorted: [n ASC NULLS LAST, name ASC NULLS LAST], fetch=3
          sort: TopK(fetch=3), expr=[n ASC NULLS LAST, name ASC NULLS LAST], preserve_partitioning=[true]
            select: expr=[CAST(name AS Utf8) as name, count(*) as n]
              group: mode=FinalPartitioned, gby=[name as name], aggr=[count(*)]
                exchange: partitioning=Hash([name], 2), input_partitions=2
                  group: mode=Partial, gby=[name as name], aggr=[count(*)]
                    hash join: mode=CollectLeft, join_type=Inner, on=[(id, id)], projection=[name]
                      gather
                        filter: id != 2
                          exchange: partitioning=RoundRobinBatch(2), input_partitions=1
                            scan 1 file: columns [id]
                      select: expr=[id as id, CAST(name AS Utf8View) as name]
                        filter: id != 2
                          exchange: partitioning=RoundRobinBatch(2), input_partitions=1
                            scan 1 file: columns [id, name]
        --- exit 0
    "#]].assert_eq(&rows(
        "explain select t.name, count(*) as n from t join u on t.id = u.id where u.id <> '2' group by t.name order by n limit 3",
    ));
    expect![[r#"
        --- stderr
        error: no column `nothing`
         --> line 2, column 1
          |
        2 | nothing from t
          | ^
        hint: there are id, name
        --- exit 2
    "#]]
    .assert_eq(&rows("explain select\nnothing from t"));
    expect![[r#"
        --- stderr
        error: `explain analyze` is not there yet
        hint: `explain select …` shows the plan
        --- exit 2
    "#]]
    .assert_eq(&rows("explain analyze select 1"));
    expect![[r#"
        --- stderr
        error: `create` is no query
        hint: name files with `--table NAME=PATH`, and parts of a query with `with name as (…)`
        --- exit 2
    "#]]
    .assert_eq(&rows("create table x as select 1"));
    expect![[r#"
        --- stderr
        error: `show` is no query
        hint: there are `show tables`, `show functions` and `describe NAME`
        --- exit 2
    "#]]
    .assert_eq(&rows("show all"));
    expect![[r#"
        --- stderr
        error: there is no table `nothing`
         --> line 1, column 15
          |
        1 | select * from nothing
          |               ^
        hint: `--table` names t, u; there is no project here whose tables could be read
        --- exit 2
    "#]]
    .assert_eq(&rows("select * from nothing"));
    let plan = project
        .karat(&["query", "--json", "--plan", "select 1 as x"])
        .json();
    assert!(plan["plan"].as_array().unwrap().len() > 1);
    let functions = rows("show functions");
    assert!(
        functions.contains("\nrow_number\n") && !functions.contains("karat_"),
        "{functions}"
    );
}

/// A link stays a link, and a pipe a pipe: what it leads to has the rows.
#[test]
fn an_answer_goes_through_links_and_into_pipes() {
    let project = Project::of(&[("t.csv", "id\n1\n"), ("there/old.csv", "old\n")]);
    let query = |output: &str| {
        let query = [
            "query",
            "--format",
            "csv",
            "--output",
            output,
            "select 1 as a",
        ];
        project.karat(&query)
    };
    let link = |name: &str, to: &str| std::os::unix::fs::symlink(to, project.path(name)).unwrap();
    link("link.csv", "there/old.csv");
    link("dangling.csv", "there/new.csv");
    for (name, to) in [
        ("link.csv", "there/old.csv"),
        ("dangling.csv", "there/new.csv"),
    ] {
        assert_eq!(query(name).text(), "--- exit 0\n");
        assert!(project.path(name).is_symlink());
        assert_eq!(
            std::fs::read_to_string(project.path(to)).unwrap(),
            "a\r\n1\r\n"
        );
    }
    // Who may read it stays, too.
    use std::os::unix::fs::PermissionsExt;
    let mode = |name: &str| {
        std::fs::metadata(project.path(name))
            .unwrap()
            .permissions()
            .mode()
    };
    let secret = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(project.path("there/old.csv"), secret).unwrap();
    assert_eq!(query("link.csv").text(), "--- exit 0\n");
    assert_eq!(mode("link.csv") & 0o777, 0o600);
    link("a.csv", "b.csv");
    link("b.csv", "a.csv");
    let looped = query("a.csv");
    assert_eq!(looped.code, 3, "{}", looped.text());
    assert!(project.path("b.csv").is_symlink());
    let pipe = project.path("pipe");
    assert!(
        std::process::Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let reader = std::thread::spawn({
        let pipe = pipe.clone();
        move || std::fs::read_to_string(pipe).unwrap()
    });
    assert_eq!(query("pipe").text(), "--- exit 0\n");
    assert_eq!(reader.join().unwrap(), "a\r\n1\r\n");
    assert!(!std::fs::metadata(&pipe).unwrap().is_file());
}

#[test]
fn an_answer_in_a_file_is_whole_or_not_there() {
    let project = Project::of(&[("t.csv", "id,v\n1,\n2,x\n")]);
    let written = |format: &str, file: &str, sql: &str| {
        told(
            &project,
            &[
                "--format", format, "--output", file, "--table", "t=t.csv", sql,
            ],
        )
    };
    for format in ["csv", "parquet", "arrow"] {
        for file in ["answer", "again"] {
            assert_eq!(written(format, file, "select id, v from t"), "--- exit 0\n");
        }
        let bytes = |file: &str| std::fs::read(project.path(file)).unwrap();
        assert_eq!(bytes("answer"), bytes("again"), "{format}");
    }
    assert_eq!(
        written("parquet", "none.parquet", "select id from t where false"),
        "--- exit 0\n"
    );
    expect![[r#"
        id
        (0 rows)
        --- exit 0
    "#]]
    .assert_eq(&told(
        &project,
        &["--table", "n=none.parquet", "select * from n"],
    ));
    let failed = written(
        "csv",
        "failed.csv",
        "select 1 / (cast(id as int) - 2) as x from t",
    );
    assert!(failed.ends_with("--- exit 3\n"), "{failed}");
    let mut left: Vec<_> = std::fs::read_dir(project.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["again", "answer", "none.parquet", "t.csv"]);
    expect![[r#"
        --- stderr
        error: `--format parquet` writes a file
        hint: name it: `--output FILE`
        --- exit 2
    "#]]
    .assert_eq(&told(&project, &["--format", "parquet", "select 1 as x"]));
}

#[test]
fn a_delta_table_as_it_was() {
    let project = Project::initial();
    let run = project.karat(&["run", "--json", "--at", "2026-01-05T18:00:00Z"]);
    let first = run.json()["run_id"].as_str().unwrap().to_owned();
    project.write(
        "landing/orders/orders_20260106.csv",
        "order_id,country,amount,ordered_at\n6,ch,1.00,2026-01-06 08:00:00\n",
    );
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let rows = |more: &[&str]| {
        let query = [
            &[
                "query",
                "--format",
                "csv",
                "--table",
                "r=lake/shop/gold/revenue",
            ],
            more,
            &["select sum(orders) as n from r"],
        ];
        let answer = project.karat(&query.concat());
        answer.text().replace(&first, "RUN")
    };
    assert_eq!(rows(&[]), rows(&["--as-of", "1"]));
    expect!["n\n4\n--- exit 0\n"].assert_eq(&rows(&["--as-of", "0"]));
    assert_eq!(rows(&["--as-of", &first]), rows(&["--as-of", "0"]));
    assert_eq!(rows(&["--as-of", "2100-01-01T00:00:00Z"]), rows(&[]));
    let before = rows(&["--as-of", "2000-01-01T00:00:00Z"]);
    assert!(
        before.contains("has no version that was there then"),
        "{before}"
    );
    let other = rows(&["--as-of", "7"]);
    assert!(other.contains("has no version 7: it has 0 to 1"), "{other}");
    // A table of the lake has versions of its own: one that is read alone.
    let lake = |as_of: &str, sql: &str| project.karat(&["query", "--as-of", as_of, sql]).text();
    let count = "select count(*) as n from shop_silver.orders";
    assert_eq!(lake("1", count), lake("shop_silver.orders@1", count));
    assert_ne!(lake("0", count), lake("1", count));
    let described = lake("0", "describe shop_silver.orders");
    assert!(described.ends_with("--- exit 0\n"), "{described}");
    expect![[r#"
        --- stderr
        error: `shop/silver/orders` has no version 5: it has 0 to 1
        --- exit 2
    "#]]
    .assert_eq(&lake("5", count));
    let join = "select count(*) as n from shop_silver.orders o join shop_gold.revenue r on o.country = r.country";
    expect![[r#"
        --- stderr
        error: `--as-of 1` is a version of one table, and what is read of the lake is `shop_silver.orders`, `shop_gold.revenue`
        hint: write `TABLE@VERSION` where that table alone is read; for several tables give a time or a run
        --- exit 2
    "#]]
    .assert_eq(&lake("1", join));
    expect![[r#"
        --- stderr
        error: `--as-of shop_silver.orders@1` is a version of one table, and what is read of the lake is `shop_gold.revenue`
        hint: write `TABLE@VERSION` where that table alone is read; for several tables give a time or a run
        --- exit 2
    "#]].assert_eq(&lake("shop_silver.orders@1", "select * from shop_gold.revenue"));
}

#[test]
fn everything_of_bronze() {
    let project = Project::initial();
    assert_eq!(project.karat(&["run", "--quiet"]).code, 0);
    let rows = project
        .karat(&[
            "query",
            "--json",
            "select * from shop_bronze.landing__orders",
        ])
        .json();
    let names: Vec<_> = rows["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    expect![[r#"
        5 rows of order_id, country, amount, ordered_at, _seq, _op, _object, _delivery, _row, _epoch, _rescued, _fixes, _run, _loaded_at
    "#]].assert_eq(&format!("{} rows of {}\n", rows["rows"].as_array().unwrap().len(), names.join(", ")));
}

#[test]
fn two_columns_of_one_name_are_only_for_people() {
    let project = Project::of(&[("a.csv", "k,v\n1,a\n"), ("b.csv", "k,v\n1,x\n")]);
    let query = |arguments: &[&str]| {
        let tables = ["query", "--table", "a=a.csv", "--table", "b=b.csv"];
        let sql = ["select a.v, b.v from a join b on a.k = b.k"];
        project.karat(&[&tables, arguments, &sql].concat()).text()
    };
    expect![[r#"
        v  v
        a  x
        (1 row)
        --- exit 0
    "#]]
    .assert_eq(&query(&[]));
    expect![[r#"
        --- stderr
        error: two columns of the answer are called `v`
        hint: give one another name with `as`; only `--format table` shows both under one
        --- exit 2
    "#]]
    .assert_eq(&query(&["--format", "ndjson"]));
    for format in ["json", "csv", "arrow", "parquet"] {
        let text = query(&["--format", format, "--output", "out"]);
        assert!(
            text.contains("two columns of the answer"),
            "{format}: {text}"
        );
    }
}

#[test]
fn a_file_without_columns_and_one_beside_a_loop() {
    let project = Project::of(&[("a.csv", "k\n1\n")]);
    let schema = std::sync::Arc::new(arrow::datatypes::Schema::empty());
    let file = std::fs::File::create(project.path("none.parquet")).unwrap();
    let writer = parquet::arrow::ArrowWriter::try_new(file, schema, None).unwrap();
    writer.close().unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(project.path("loop.csv"), project.path("loop.csv")).unwrap();
    let query = |file: &str| {
        let answer = project.karat(&["query", "--table", &format!("t={file}"), "select * from t"]);
        answer
            .text()
            .replace(&project.path("").display().to_string(), "")
    };
    expect![[r#"
        --- stderr
        error: `none.parquet` has no columns
        hint: a table needs at least one column
        --- exit 2
    "#]]
    .assert_eq(&query("none.parquet"));
    expect![[r#"
        k
        1
        (1 row)
        --- exit 0
    "#]]
    .assert_eq(&query("a.csv"));
}

#[cfg(unix)]
#[test]
fn temporary_files_belong_to_their_process_alone() {
    use std::os::unix::fs::PermissionsExt;
    let project = Project::of(&[("a.csv", "k\n1\n")]);
    let temporary = project.path("temporary");
    std::fs::create_dir(&temporary).unwrap();
    // What another user's process has there is none of ours, under whatever name.
    std::fs::write(temporary.join("karat-unknown"), "").unwrap();
    let place = temporary.display().to_string();
    let query = ["query", "--table", "t=a.csv", "select * from t"];
    let answer = project.karat_with(&query, &[("TMPDIR", &place), ("USER", "")]);
    assert_eq!(answer.code, 0, "{}", answer.text());
    std::fs::remove_file(temporary.join("karat-unknown")).unwrap();
    std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o700)).unwrap();
    let nowhere = temporary.join("none/none").display().to_string();
    std::fs::write(temporary.join("none"), "").unwrap();
    let answer = project.karat_with(&query, &[("TMPDIR", &nowhere)]);
    let text = answer.text().replace(&place, "TEMPORARY");
    let name = text.split("karat-").nth(1).unwrap_or_default();
    let name = name.split('`').next().unwrap_or_default().to_owned();
    expect![[r#"
        --- stderr
        error: cannot make the folder `TEMPORARY/none/none/karat-ID`
          caused by: Not a directory (os error 20)
        hint: name a folder that this user can write to with the variable TMPDIR
        --- exit 3
    "#]]
    .assert_eq(&text.replace(&name, "ID"));
}

#[test]
fn a_run_is_for_tables_of_the_lake() {
    let project = Project::initial();
    expect![[r#"
        --- stderr
        error: `--run foo`: nothing that is read here is of the lake
        hint: leave it out, or name a table of the lake
        --- exit 2
    "#]]
    .assert_eq(&project.karat(&["query", "--run", "foo", "select 1"]).text());
}

/// Values of foreign files that no answer holds are told with their column, its type and what to write (H2).
#[test]
fn a_column_of_a_type_that_no_answer_holds_is_told_by_name() {
    use arrow::array::{
        ArrayRef, Decimal256Array, RecordBatch, Time64NanosecondArray, TimestampNanosecondArray,
        UInt64Array,
    };
    use arrow::datatypes::i256;
    use std::sync::Arc;

    let large = i256::from_string(&"9".repeat(50)).unwrap();
    let decimals = Decimal256Array::from(vec![large])
        .with_precision_and_scale(60, 2)
        .unwrap();
    let columns: [(&str, ArrayRef); 4] = [
        ("n", Arc::new(TimestampNanosecondArray::from(vec![1]))),
        ("u", Arc::new(UInt64Array::from(vec![u64::MAX]))),
        ("d", Arc::new(decimals)),
        ("t", Arc::new(Time64NanosecondArray::from(vec![1_000]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let project = Project::empty();
    let file = std::fs::File::create(project.path("f.parquet")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let ask = |sql: &str| {
        let answer = project.karat(&["query", "--format", "csv", "--table", "f=f.parquet", sql]);
        format!("{sql}\n{}", answer.text())
    };
    let mut told = String::new();
    for column in ["n", "u", "d", "t"] {
        told.push_str(&ask(&format!("select {column} from f")));
    }
    // What is told to write does it.
    for column in [
        "try_cast(n as timestamp)",
        "cast(u as decimal(20, 0))",
        "cast(d as string)",
        "try_cast(d as decimal(38, 2))",
        "cast(t as time)",
    ] {
        told.push_str(&ask(&format!("select {column} as x from f")));
    }
    expect![[r#"
        select n from f
        --- stderr
        error: a value of column `f.n` (timestamp(9)) does not fit timestamp, as which it is answered, at 1:8
        hint: write try_cast(f.n as timestamp), which makes null what is finer, or write the file in microseconds
        --- exit 3
        select u from f
        --- stderr
        error: a value of column `f.u` (bigint unsigned) does not fit bigint, as which it is answered, at 1:8
        hint: write cast(f.u as decimal(20, 0))
        --- exit 3
        select d from f
        --- stderr
        error: a value of column `f.d` (decimal(60,2)) does not fit decimal(38,2), as which it is answered, at 1:8
        hint: write cast(f.d as string), or try_cast(f.d as decimal(38, s)), which makes null what does not fit
        --- exit 3
        select t from f
        --- stderr
        error: the column `t` has the type time, which no table holds
         --> line 1, column 8
          |
        1 | select t from f
          |        ^
        hint: write cast(x as time), which has microseconds; in a model as a text: cast(cast(x as time) as string)
        --- exit 2
        select try_cast(n as timestamp) as x from f
        x

        --- exit 0
        select cast(u as decimal(20, 0)) as x from f
        x
        DIGEST
        --- exit 0
        select cast(d as string) as x from f
        x
        999999999999999999999999999999999999999999999999.99
        --- exit 0
        select try_cast(d as decimal(38, 2)) as x from f
        x

        --- exit 0
        select cast(t as time) as x from f
        x
        00:00:00.000001
        --- exit 0
    "#]].assert_eq(&told);
}

#[test]
fn chains_of_operators_are_long() {
    let project = Project::of(&[("t.csv", "n\n1\n2\n7\n")]);
    let chain = |of: &str, count: usize, operator: &str| vec![of; count].join(operator);
    let mut all = String::new();
    for (what, query) in [
        (
            "select n from t where",
            format!("{} or n = '2'", chain("n = '1'", 700, " or ")),
        ),
        ("select n from t where", chain("n <> '1'", 700, " and ")),
        (
            "select",
            format!("{} as s from t", chain("cast(n as int)", 700, " + ")),
        ),
        ("select n from t where", chain("n = '1'", 5_002, " or ")),
    ] {
        let told = told(
            &project,
            &["--table", "t=t.csv", &format!("{what} {query}")],
        );
        for line in told.lines() {
            all += &line.chars().take(100).collect::<String>();
            all.push('\n');
        }
    }
    expect![[r#"
        n
        1
        2
        (2 rows)
        --- exit 0
        n
        2
        7
        (2 rows)
        --- exit 0
           s
         700
        1400
        4900
        (3 rows)
        --- exit 0
        --- stderr
        error: more than 5000 operators stand in one chain
         --> line 1, column 55031
          |
        1 | select n from t where n = '1' or n = '1' or n = '1' or n = '1' or n = '1' or n = '1' or n = '1' 
          |                                                                                                 
        hint: write many values as `in (…)`, or as a table that is joined
        --- exit 2
    "#]].assert_eq(&all);
}
