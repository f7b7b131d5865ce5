//! Files of other formats than plain CSV, from landing to silver: rows add up, a broken file among good ones is held, a delivery again counts once.

use std::io::Write as _;
use std::path::Path;

use expect_test::expect;

use crate::peers;
use crate::project::Project;

fn zip(members: &[(&str, &str)]) -> Vec<u8> {
    let mut packer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, text) in members {
        packer
            .start_file(*name, zip::write::SimpleFileOptions::default())
            .unwrap();
        packer.write_all(text.as_bytes()).unwrap();
    }
    packer.finish().unwrap().into_inner()
}

#[test]
fn packed_files_of_any_kind_fill_one_table() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.{csv,gz,zst,zip}\", unpack: { members: \"*.csv\" } }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\nkey: [id]\n",
    );
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 3).unwrap();
    project.write("landing/a.csv", "id,v\n1,plain\n");
    project.write_gzip("landing/b.csv.gz", "id,v\n2,gzip\n");
    project.write_bytes("landing/c.zst", &zstd("id,v\n3,zstd\n"));
    let members = [
        ("x.csv", "v,id\nzip,4\n"),
        ("y.csv", "id,v\n5,zip\n6\n"),
        ("README", "…"),
    ];
    project.write_bytes("landing/d.zip", &zip(&members));
    let whole = zstd(&"id,v\n7,half\n".repeat(1000));
    project.write_bytes("landing/e.zst", &whole[..whole.len() / 2]);
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  6 read = 6 kept
        done  d_silver.t                 0  N s  6 read = 5 kept + 1 quarantined
        held    e.zst of d_bronze.landing__o: Zstandard ends early
        sources 6 read = 6 kept; silver 6 read = 5 kept + 1 quarantined
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]]
    .assert_eq(&project.run(1).text());
    project.run(0);
    expect![[r#"
        id,v
        1,plain
        2,gzip
        3,zstd
        4,zip
        5,zip
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        table       rule      rows
        d_silver.t  _rescued     1

        table       row        rules     what failed
        d_silver.t  d.zip@1:6  _rescued  missing_fields

        table                object  reason
        d_bronze.landing__o  e.zst   Zstandard ends early
        1 row, 1 object in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    // Delivered again, whole, and the archive with another member.
    project.write_bytes("landing/e.zst", &zstd("id,v\n7,whole\n"));
    project.write_bytes("landing/d.zip", &zip(&[("x.csv", "id,v\n4,again\n")]));
    project.run(0);
    expect![[r#"
        id,v
        1,plain
        2,gzip
        3,zstd
        4,again
        7,whole
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    assert_eq!(project.karat(&["verify"]).code, 0);
}

const ORDERS: &str = r#"{"order": 1, "customer": {"name": "Ada", "tags": ["a", "b"]}, "total": 12.50, "lines": [{"sku": "x", "n": 1}, {"sku": "y", "n": 2}]}
{"order": 2, "customer": null, "total": 1e2, "lines": []}
"#;

#[test]
fn json_documents_and_their_arrays_are_two_tables() {
    let project = Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n",
        ),
        (
            "domains/d/domain.yaml",
            concat!(
                "domain: d\nfeeds:\n",
                "  - { source: landing, name: orders, mode: incremental, path: \"orders/*.jsonl\", json: { document: raw } }\n",
                "  - source: landing\n    name: lines\n    mode: incremental\n    path: \"orders/*.jsonl\"\n    json: { records: /lines/* }\n",
                "    columns: { order_id: /order, sku: sku, n: n }\n",
            ),
        ),
        (
            "domains/d/silver/orders.yaml",
            "from: landing.orders\nselect:\n  id: cast(\"order\" as bigint)\n  total: cast(total as decimal(10, 2))\n  customer: customer\nkey: [id]\n",
        ),
        (
            "domains/d/silver/lines.yaml",
            "from: landing.lines\nselect: { order_id: cast(order_id as bigint), sku: sku, n: cast(n as int) }\nkey: [order_id, sku]\n",
        ),
        ("landing/orders/a.jsonl", ORDERS),
    ]);
    expect![[r#"
              table                     version   time  rows
        done  d_bronze.landing__orders        0  N s  2 read = 2 kept
        done  d_bronze.landing__lines         0  N s  2 read = 2 kept
        done  d_silver.lines                  0  N s  2 read = 2 kept
        done  d_silver.orders                 0  N s  2 read = 2 kept
        sources 4 read = 4 kept; silver 4 read = 4 kept
        run RUN: 4 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&project.run(0).text());
    expect![[r#"
        id,total,customer
        1,12.50,"{""name"": ""Ada"", ""tags"": [""a"", ""b""]}"
        2,100.00,
    "#]]
    .assert_eq(&project.rows("select * from d_silver.orders"));
    expect![[r#"
        order_id,sku,n
        1,x,1
        1,y,2
    "#]]
    .assert_eq(&project.rows("select * from d_silver.lines"));
    expect![[r#"
        raw
        "{""order"": 2, ""customer"": null, ""total"": 1e2, ""lines"": []}"
    "#]]
    .assert_eq(&project.rows("select raw from d_bronze.landing__orders where \"order\" = '2'"));
    // A line that is no JSON is a row set aside; the first file again, corrected, takes its rows' place.
    project.write(
        "landing/orders/b.jsonl",
        "{\"order\": 3, \"customer\": null, \"total\": 7}\n{\"order\": 4, \"tot\n",
    );
    project.write("landing/orders/a.jsonl", &ORDERS.replace("12.50", "13.50"));
    expect![[r#"
              table                     version   time  rows
        done  d_bronze.landing__orders        1  N s  4 read = 4 kept
        done  d_bronze.landing__lines         1  N s  3 read = 3 kept
        done  d_silver.lines                  1  N s  5 read = 2 kept
                                                        + 2 superseded
                                                        + 1 quarantined   rebuild: an object that it had read was delivered again
        done  d_silver.orders                 1  N s  6 read = 3 kept
                                                        + 2 superseded
                                                        + 1 quarantined   rebuild: an object that it had read was delivered again
        sources 7 read = 7 kept; silver 11 read = 5 kept + 4 superseded + 2 quarantined
        run RUN: 4 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 0
    "#]].assert_eq(&project.run(0).text());
    expect![[r#"
        id,total
        1,13.50
        2,100.00
        3,7.00
    "#]]
    .assert_eq(&project.rows("select id, total from d_silver.orders"));
    expect![[r#"
        table            rule      rows
        d_silver.lines   _rescued     1
        d_silver.orders  _rescued     1

        table            row                 rules     what failed
        d_silver.lines   orders/b.jsonl@1:1  _rescued  invalid_json
        d_silver.orders  orders/b.jsonl@1:2  _rescued  invalid_json
        2 rows, 0 objects in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    assert_eq!(project.karat(&["verify"]).code, 0);
}

#[test]
fn an_array_that_is_cut_off_is_held_as_an_object() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.json\" }",
        "from: landing.o\nselect: { id: cast(id as bigint), v: v }\nkey: [id]\n",
    );
    project.write(
        "landing/a.json",
        "[{\"id\": 1, \"v\": \"one\"},\n{\"v\": \"two\", \"id\": 2}]",
    );
    project.write(
        "landing/b.json",
        "[{\"id\": 3, \"v\": \"three\"},\n{\"id\": 4",
    );
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  2 read = 2 kept
        done  d_silver.t                 0  N s  2 read = 2 kept
        held    b.json of d_bronze.landing__o: it is no JSON: it ends early, in line 2 at byte 9
        sources 2 read = 2 kept; silver 2 read = 2 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]]
    .assert_eq(&project.run(1).text());
    project.run(0);
    // New fields are new columns (B8).
    project.write(
        "landing/b.json",
        "{\"id\": 3, \"v\": \"three\", \"w\": {\"x\": 1.0}}",
    );
    project.run(0);
    expect![[r#"
        id,v,w
        1,one,
        2,two,
        3,three,"{""x"": 1.0}"
    "#]]
    .assert_eq(&project.rows("select id, v, w from d_bronze.landing__o"));
}

/// Files that Python wrote, and what their rows say.
fn made_by_python(project: &Project, kind: &str) -> String {
    peers::script("formats.py", &[&project.path("landing"), Path::new(kind)])
}

/// The rows of the silver table, which must be these.
fn check_rows(project: &Project, header: &str, expected: &str) {
    let rows = project.rows("select * from d_silver.t");
    let (found, rows) = rows.split_once('\n').unwrap();
    assert_eq!(found, header);
    for (karat, python) in rows.lines().zip(expected.lines()) {
        assert_eq!(karat, python);
    }
    assert_eq!(rows.lines().count(), expected.lines().count());
}

#[test]
fn parquet_of_pyarrow_keeps_types_and_values() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.parquet\" }",
        "from: landing.o\nselect: { id: id, big: big, amount: amount, day: day, at: at, word: word, text: text, flag: flag }\nkey: [id]\n",
    );
    let expected = made_by_python(&project, "parquet");
    let whole = std::fs::read(project.path("landing/b.parquet")).unwrap();
    project.write_bytes("landing/half.parquet", &whole[..whole.len() / 2]);
    project.write("landing/none.parquet", "id,v\n1,x\n");
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  20,033 read = 20,033 kept
        done  d_silver.t                 0  N s  20,033 read = 20,033 kept
        held    half.parquet of d_bronze.landing__o: it is no Parquet file, or ends early
        held    none.parquet of d_bronze.landing__o: it is no Parquet file, or ends early
        sources 20,033 read = 20,033 kept; silver 20,033 read = 20,033 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]]
    .assert_eq(&project.run(1).text());
    project.run(0);
    check_rows(&project, "id,big,amount,day,at,word,text,flag", &expected);
    expect![[r#"
        column      type
        id          bigint
        big         decimal(20,0)
        amount      decimal(18,3)
        day         date
        at          timestamp
        zoned       timestamp with time zone
        word        string
        text        string
        flag        boolean
        ratio       double
        _seq        binary
        _op         string
        _object     string
        _delivery   bigint
        _row        bigint
        _epoch      bigint
        _rescued    string
        _fixes      string
        _run        string
        _loaded_at  timestamp with time zone
        (20 rows)
    "#]]
    .assert_eq(
        &project
            .karat(&["query", "describe d_bronze.landing__o"])
            .stdout,
    );
    // Delivered whole, it has the content of another.
    project.write_bytes("landing/half.parquet", &whole);
    project.run(0);
    check_rows(&project, "id,big,amount,day,at,word,text,flag", &expected);
    assert_eq!(project.karat(&["verify"]).code, 0);
}

#[test]
fn lists_structs_and_maps_are_compared_and_set_aside_like_any_value() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: full, key: [id], path: \"*.parquet\" }",
        "from: landing.o\nselect: { id: id, tags: tags, inner: inner, pairs: pairs, at: at }\nauto_cdc: { keys: [id] }\nallow_float: as received\n",
    );
    made_by_python(&project, "nested");
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        1  N s  7 read = 7 kept
        done  d_silver.t                 0  N s  7 read = 3 kept + 3 superseded
                                                   + 1 quarantined
        sources 7 read = 7 kept; silver 7 read = 3 kept + 3 superseded + 1 quarantined
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&project.run(0).text());
    expect![[r#"
        id,tags,inner,pairs,at
        1,"[a, null]","{x: 1, Y: 0.5}",{k: 1},2026-01-05T12:00:00.000001
        2,[],"{x: 2, Y: null}",{},2026-01-05T12:00:00.000001
        3,,"{x: null, Y: null}",{k: null},2026-01-05T12:00:00.000001
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect![[r#"
        id,_op,_row,_object,tags,_rescued
        1,I,1,day1.parquet,[a],
        1,U,1,day2.parquet,"[a, null]",
        2,I,2,day1.parquet,[],
        2,U,2,day2.parquet,[],
        3,I,3,day1.parquet,,
        3,U,3,day2.parquet,,
        4,I,4,day2.parquet,[z],"{""reason"":""finer_than_microseconds"",""values"":{""at"":""2026-01-05 12:00:00.000000001""}}"
    "#]].assert_eq(
        &project.rows("select id, _op, _row, _object, tags, _rescued from d_bronze.landing__o"),
    );
    expect![[r#"
        table       rule      rows
        d_silver.t  _rescued     1

        table       row               rules     what failed
        d_silver.t  day2.parquet@1:4  _rescued  finer_than_microseconds
        1 row, 0 objects in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    assert_eq!(project.karat(&["verify"]).code, 0);
}

#[test]
fn avro_of_fastavro_keeps_types_and_values() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.avro\" }",
        "from: landing.o\nselect: { id: id, amount: amount, day: day, at: cast(at as timestamp), word: word }\nkey: [id]\n",
    );
    let expected = made_by_python(&project, "avro");
    let whole = std::fs::read(project.path("landing/c.avro")).unwrap();
    project.write_bytes("landing/half.avro", &whole[..whole.len() - 20]);
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  20,020 read = 20,020 kept
        done  d_silver.t                 0  N s  20,020 read = 20,020 kept
        held    half.avro of d_bronze.landing__o: Avro ends early
        sources 20,020 read = 20,020 kept; silver 20,020 read = 20,020 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]]
    .assert_eq(&project.run(1).text());
    project.run(0);
    check_rows(&project, "id,amount,day,at,word", &expected);
    expect![[r#"
        column      type
        id          bigint
        amount      decimal(18,3)
        day         date
        at          timestamp with time zone
        local       timestamp
        word        string
        tags        list<string>
        pairs       map<string, integer>
        inner       struct<x: double>
        code        binary
        _seq        binary
        _op         string
        _object     string
        _delivery   bigint
        _row        bigint
        _epoch      bigint
        _rescued    string
        _fixes      string
        _run        string
        _loaded_at  timestamp with time zone
        (20 rows)
    "#]]
    .assert_eq(
        &project
            .karat(&["query", "describe d_bronze.landing__o"])
            .stdout,
    );
    expect![[r#"
        tags,pairs,inner,code,local
        "[t20, t20]",{k: 20},{x: 2.0},0014,2026-01-05T12:30:00.250
    "#]]
    .assert_eq(
        &project
            .rows("select tags, pairs, inner, code, local from d_bronze.landing__o where id = 20"),
    );
    assert_eq!(project.karat(&["verify"]).code, 0);
}

#[test]
fn a_workbook_of_openpyxl_is_read_from_its_sheet() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: full, key: [id], path: \"*.xlsx\", excel: { sheet: Plan, header_row: 3 } }",
        "from: landing.o\nselect: { id: cast(id as bigint), amount: amount, day: day, at: at, text: text, share: share }\nkey: [id]\n",
    );
    let expected = made_by_python(&project, "excel");
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  1,000 read = 1,000 kept
        done  d_silver.t                 0  N s  1,000 read = 1,000 kept
        sources 1,000 read = 1,000 kept; silver 1,000 read = 1,000 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 0
    "#]]
    .assert_eq(&project.run(0).text());
    check_rows(&project, "id,amount,day,at,text,share", &expected);
    project.write("landing/plan2.xlsx", "no workbook");
    expect![[r#"
        held    plan2.xlsx of d_bronze.landing__o: it is no workbook that can be read: xlsx, xlsb, xls and ods without a password are
        nothing written: 2 tables up to date, N s
        head DIGEST
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    assert_eq!(project.karat(&["verify"]).code, 0);
}
