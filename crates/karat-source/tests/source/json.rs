//! JSON: every value as its text, wherever chunks end; what is no JSON is a row set aside (`ndjson`) or a broken object (`json`).

use expect_test::{Expect, expect};
use karat_source::{FeedSpec, Format, JsonOptions, Known, Source};

use crate::show::{Folder, collect, error_text, feed, load_all, show, show_columns};

fn spec(format: Format, json: JsonOptions) -> FeedSpec {
    FeedSpec {
        format,
        json,
        ..feed("*")
    }
}

fn ndjson() -> FeedSpec {
    spec(Format::Ndjson, JsonOptions::default())
}

fn json() -> FeedSpec {
    spec(Format::Json, JsonOptions::default())
}

fn records(pointer: &str, columns: &[(&str, &str)]) -> JsonOptions {
    let columns = columns
        .iter()
        .map(|(a, b)| ((*a).to_owned(), (*b).to_owned()));
    JsonOptions {
        records: (!pointer.is_empty()).then(|| pointer.to_owned()),
        columns: Some(columns.collect::<Vec<_>>()).filter(|columns| !columns.is_empty()),
        ..JsonOptions::default()
    }
}

fn check(text: impl AsRef<[u8]>, feed: &FeedSpec, expected: Expect) {
    let folder = Folder::new();
    folder.put("t", text.as_ref(), 1);
    let read = |chunk| {
        let source = folder.source().with_chunk(chunk);
        let load = match source.plan(feed, &Known::Files(Vec::new())) {
            Ok(planned) => planned.loads.into_iter().next().unwrap(),
            Err(e) => return error_text(&e),
        };
        match (&load.objects[0].broken, collect(&source, feed, &load)) {
            (Some(reason), _) => format!("broken: {reason}\n"),
            (None, Ok(batches)) => show(&batches, false),
            (None, Err(e)) => error_text(&e),
        }
    };
    let whole = read(1 << 18);
    for chunk in [1, 2, 3, 7] {
        assert_eq!(read(chunk), whole, "chunks of {chunk} bytes");
    }
    expected.assert_eq(&whole);
}

#[test]
fn every_value_is_its_text() {
    let text = concat!(
        "\u{feff}",
        r#"{"n": 1.10, "big": 123456789012345678901234567890.5e-3, "t": "a\"\u00e9\n", "b": true, "o": {"x": [1,  2]}, "z": null, "e": ""}"#,
        "\r\n\n",
        r#"{"t":"second","new":-0,"N2":1E5}"#,
    );
    check(
        text,
        &ndjson(),
        expect![[r#"
           n | big | t | b | o | z | e | new | n2
        1: 1.10 | 123456789012345678901234567890.5e-3 | a"é\n | true | {"x": [1,  2]} | ∅ | '' | ∅ | ∅
        3: ∅ | ∅ | second | ∅ | ∅ | ∅ | ∅ | -0 | 1E5
    "#]],
    );
    check(
        format!(
            "[{},\n {{\"n\": 7}}]",
            text.lines().next().unwrap().trim_start_matches('\u{feff}')
        ),
        &json(),
        expect![[r#"
               n | big | t | b | o | z | e
            1: 1.10 | 123456789012345678901234567890.5e-3 | a"é\n | true | {"x": [1,  2]} | ∅ | ''
            2: 7 | ∅ | ∅ | ∅ | ∅ | ∅ | ∅
        "#]],
    );
}

#[test]
fn lines_that_are_no_record_are_set_aside() {
    let mut text = b"{\"a\":1,\"b\":2}\n{\"a\":1,}\n[1,2]\n7\n{\"a\":1,\"a\":2,\"b\":3}\n{\"a\":\"\\ud800\",\"b\":\"\xff\"}\n".to_vec();
    text.extend_from_slice(b"{\"a\":\xfe}\n{\"a\":NaN}\n{\"a\":{\"x\":1,\"x\":2}}\n{\"a\":1");
    check(
        &text,
        &ndjson(),
        expect![[r#"
           a | b
        1: 1 | 2
        2: ∅ | ∅   {"reason":"invalid_json","json":{"byte":8,"why":"a name in quotes is expected"},"text":"{\"a\":1,}"}
        3: ∅ | ∅   {"reason":"not_an_object","text":"[1,2]"}
        4: ∅ | ∅   {"reason":"not_an_object","text":"7"}
        5: ∅ | 3   {"reason":"duplicate_key","repeated":{"a":["1","2"]}}
        6: ∅ | ∅   {"reason":"invalid_escape, invalid_encoding","escapes":{"a":"\"\\ud800\""},"bytes":{"b":"ff"}}
        7: ∅ | ∅   {"reason":"invalid_json","json":{"byte":6,"why":"it is no value of JSON"},"hex":"7b2261223afe7d"}
        8: ∅ | ∅   {"reason":"invalid_json","json":{"byte":6,"why":"it is no value of JSON"},"text":"{\"a\":NaN}"}
        9: {"x":1,"x":2} | ∅
        10: ∅ | ∅   {"reason":"invalid_json","json":{"byte":7,"why":"it ends early"},"text":"{\"a\":1"}
    "#]],
    );
    // What was not chosen does not land by the back door.
    let mut chosen = ndjson();
    chosen.columns = Some(vec!["b".to_owned()]);
    check(
        &text,
        &chosen,
        expect![[r#"
           b
        1: 2
        2: ∅   {"reason":"invalid_json","json":{"byte":8,"why":"a name in quotes is expected"},"text_bytes":8}
        3: ∅   {"reason":"not_an_object","text_bytes":5}
        4: ∅   {"reason":"not_an_object","text_bytes":1}
        5: 3
        6: ∅   {"reason":"invalid_encoding","bytes":{"b":"ff"}}
        7: ∅   {"reason":"invalid_json","json":{"byte":6,"why":"it is no value of JSON"},"text_bytes":7}
        8: ∅   {"reason":"invalid_json","json":{"byte":6,"why":"it is no value of JSON"},"text_bytes":9}
        9: ∅
        10: ∅   {"reason":"invalid_json","json":{"byte":7,"why":"it ends early"},"text_bytes":6}
    "#]],
    );
    chosen.columns = Some(vec!["Not there".to_owned(), "b".to_owned()]);
    check(
        "{\"a\":1,\"b\":2}\n",
        &chosen,
        expect![[r#"
           b | not_there
        1: 2 | ∅
    "#]],
    );
    let document = JsonOptions {
        document: Some("raw".to_owned()),
        ..JsonOptions::default()
    };
    check(
        "{\"a\": 1, \"x\":[ ]}\n{\"a\"\n",
        &spec(Format::Ndjson, document),
        expect![[r#"
               a | x | raw
            1: 1 | [ ] | {"a": 1, "x":[ ]}
            2: ∅ | ∅ | {"a"   {"reason":"invalid_json","json":{"byte":5,"why":"it ends early"}}
        "#]],
    );
}

#[test]
fn what_is_no_json_is_a_broken_object() {
    for (text, expected) in [
        (
            "[{\"a\":1},\n {\"a\":2}",
            expect![[r#"
            broken: it is no JSON: it ends early, in line 2 at byte 9
        "#]],
        ),
        (
            "[{\"a\":1},\n {\"a\" 2}]",
            expect![[r#"
            broken: it is no JSON: `:` is expected, in line 2 at byte 7
        "#]],
        ),
        (
            "[{\"a\":1},]",
            expect![[r#"
            broken: it is no JSON: it is no value of JSON, in line 1 at byte 10
        "#]],
        ),
        (
            "[{\"a\":1}",
            expect![[r#"
            broken: it is no JSON: it ends early, in line 1 at byte 9
        "#]],
        ),
        (
            "{\"a\":",
            expect![[r#"
            broken: it is no JSON: it ends early, in line 1 at byte 6
        "#]],
        ),
        ("", expect![[""]]),
        ("[]", expect![[""]]),
        (
            "[{\"a\":1}] x",
            expect![[r#"
            broken: it is no JSON: it is no value of JSON, in line 1 at byte 11
        "#]],
        ),
        (
            "{\"a\":1} {\"a\":2}",
            expect![[r#"
               a
            1: 1
            2: 2
        "#]],
        ),
        (
            "[{\"A\":1},{\"a\":2}]",
            expect![[r#"
            broken: its fields cannot be columns: `A` (column 1) and `a` (column 2) are both `a` in lower case letters, digits and `_`
        "#]],
        ),
    ] {
        check(text, &json(), expected);
    }
    // Of lines, one that is no JSON is a row; a file of nothing else is no NDJSON (B4).
    for text in [
        "\u{1}\u{2}\n\u{3}garbage\n",
        "7\n[1]\n",
        "{\"a\": 1",
        "[\n{\"a\": 1}\n",
    ] {
        let expected = match text.starts_with("[\n") {
            true => expect![[r#"
                   a
                1: ∅   {"reason":"invalid_json","json":{"byte":2,"why":"it ends early"},"text":"["}
                2: 1
            "#]],
            false => expect![[r#"
                broken: none of its lines is a JSON object
            "#]],
        };
        check(text, &ndjson(), expected);
    }
}

#[test]
fn records_are_where_the_pointer_says() {
    let text = r#"{"meta": {"day": "2026-01-05"}, "orders": [
        {"id": 1, "items": [{"sku": "x", "n": 2}, {"sku": "y", "n": 0.50}], "ship": {"to": ["CH", "Bern"]}},
        {"items": null, "id": 2},
        {"items": [{"sku": "z"}], "id": 3}], "count": 3}"#;
    check(
        text,
        &spec(Format::Json, records("/orders/*", &[])),
        expect![[r#"
               id | items | ship
            1: 1 | [{"sku": "x", "n": 2}, {"sku": "y", "n": 0.50}] | {"to": ["CH", "Bern"]}
            2: 2 | ∅ | ∅
            3: 3 | [{"sku": "z"}] | ∅
        "#]],
    );
    let items = records(
        "/orders/*/items/*",
        &[
            ("order_id", "/orders/*/id"),
            ("sku", "sku"),
            ("n", "n"),
            ("day", "/meta/day"),
            ("orders", "/count"),
            ("country", "/orders/*/ship/to/0"),
        ],
    );
    check(
        text,
        &spec(Format::Json, items.clone()),
        expect![[r#"
           order_id | sku | n | day | orders | country
        1: 1 | x | 2 | 2026-01-05 | 3 | CH
        2: 1 | y | 0.50 | 2026-01-05 | 3 | CH
        3: 3 | z | ∅ | 2026-01-05 | 3 | ∅
    "#]],
    );
    // The same documents, one a line.
    let line = text.replace('\n', " ");
    check(
        format!("{line}\n{line}\n"),
        &spec(Format::Ndjson, items.clone()),
        expect![[r#"
               order_id | sku | n | day | orders | country
            1: 1 | x | 2 | 2026-01-05 | 3 | CH
            2: 1 | y | 0.50 | 2026-01-05 | 3 | CH
            3: 3 | z | ∅ | 2026-01-05 | 3 | ∅
            4: 1 | x | 2 | 2026-01-05 | 3 | CH
            5: 1 | y | 0.50 | 2026-01-05 | 3 | CH
            6: 3 | z | ∅ | 2026-01-05 | 3 | ∅
        "#]],
    );
    check(
        "{\"orders\": {\"id\": 1}}",
        &spec(Format::Json, items.clone()),
        expect![[r#"
            broken: what `records` of the feed's `json` points to is no array
        "#]],
    );
    check(
        "{\"orders\": [{\"id\": 1, \"items\": 7}]}",
        &spec(Format::Json, items.clone()),
        expect![[r#"
               order_id | sku | n | day | orders | country
            1: ∅ | ∅ | ∅ | ∅ | ∅ | ∅   {"reason":"no_array","text_bytes":21}
        "#]],
    );
    check(
        "{\"orders\": [], \"orders\": []}",
        &spec(Format::Json, items.clone()),
        expect![[r#"
            broken: `orders` stands twice on the way that the feed points to
        "#]],
    );
    check(
        format!("{text}\n{text}"),
        &spec(Format::Json, items),
        expect![[r#"
            broken: it holds several documents, and columns of the feed point to the document around the records
        "#]],
    );
    let inner = records("", &[("a", "/x/y"), ("b", "t/1")]);
    check(
        "{\"x\":{\"y\":{\"z\": 1}},\"t\":[1,\"two\"]}\n{\"x\":3}\n{\"x\":{\"y\":1,\"y\":2}}\n",
        &spec(Format::Ndjson, inner),
        expect![[r#"
               a | b
            1: {"z": 1} | two
            2: ∅ | ∅
            3: ∅ | ∅   {"reason":"duplicate_key","repeated":{"a":["1","2"]}}
        "#]],
    );
    let elsewhere = records("/orders/*", &[("a", "/others/*/id")]);
    check(
        text,
        &spec(Format::Json, elsewhere),
        expect![[r#"
        Config: cannot read column `a` of feed `f`: its pointer leaves the way to the records before its last `*`
        hint: a `*` in it stands where `records` has one, and means the same element
    "#]],
    );
}

#[test]
fn ten_thousand_brackets_are_a_row_set_aside() {
    let deep = |n| format!("{{\"a\":{}{}}}\n", "[".repeat(n), "]".repeat(n));
    let folder = Folder::new();
    folder.put(
        "t",
        format!("{}{}{{\"a\":1}}\n", deep(998), deep(10_000)),
        1,
    );
    let rows = load_all(&folder.source(), &ndjson()).unwrap();
    let shown = show(&rows, false)
        .replace(&"[".repeat(998), "[…")
        .replace(&"]".repeat(998), "…]");
    let shown: String = shown
        .lines()
        .map(|line| format!("{}\n", line.chars().take(90).collect::<String>()))
        .collect();
    expect![[r#"
           a
        1: [……]
        2: ∅   {"reason":"too_deep","depth":10001,"text":"{\"a\":[…[…[…[…[…[…[…[…[…[…[[[[[[[[[[[[[
        3: 1
    "#]]
    .assert_eq(&shown);
}

#[test]
fn columns_come_in_the_order_of_the_first_records_and_then_of_their_names() {
    let mut text = String::new();
    for i in 0..100 {
        text.push_str(&format!("{{\"id\":{i},\"Name\":\"x\"}}\n"));
    }
    text.push_str("{\"zeta\":1,\"id\":1}\n{\"alpha\":1}\n");
    let folder = Folder::new();
    folder.put("a.ndjson", &text, 1);
    let source = folder.source();
    let planned = source.plan(&ndjson(), &Known::Files(Vec::new())).unwrap();
    expect![[r#"
        id (id) Utf8
        name (Name) Utf8
        alpha (alpha) Utf8
        zeta (zeta) Utf8
    "#]]
    .assert_eq(&show_columns(planned.loads[0].header.as_ref().unwrap()));
    let found = source.discover(Some(&ndjson())).unwrap();
    let proposed: String = found[0]
        .columns
        .iter()
        .map(|c| format!("{}: {}\n", c.name, c.proposed))
        .collect();
    expect![[r#"
        id: cast(id as bigint)
        name: name
        alpha: cast(alpha as bigint)
        zeta: cast(zeta as bigint)
        ["102 rows of `a.ndjson` looked at, JSON"]
    "#]]
    .assert_eq(&format!("{proposed}{:?}\n", found[0].notes));
}
