//! Cursors of text: read where their bytes sort as they mean, refused where later rows would be passed over (B7).

use expect_test::expect;

use crate::project::Project;

fn of_texts(rows: &str) -> Project {
    let project = Project::one_feed(
        "{ source: db, table: o, mode: incremental, deletes: none, cursor: { column: at } }",
        "from: db.o\nselect: { id: id, at: at }\nauto_cdc: { keys: [id] }\n",
    );
    project.sqlite(&format!(
        "create table o (id integer primary key, at text); insert into o values {rows}"
    ));
    project
}

#[test]
fn texts_that_do_not_sort_as_they_mean_are_refused() {
    let said = |rows: &str| {
        let project = of_texts(rows);
        let plan = project.karat(&["plan", "--quiet"]);
        let run = project.run(1).stderr;
        assert_eq!((plan.code, &plan.stderr), (1, &run));
        run
    };
    let text = [
        said("(1, '30.01.2026'), (2, '31.01.2026')"),
        said("(1, '2026-1-30'), (2, '2026-1-31')"),
        said("(1, '9'), (2, '10')"),
        said("(1, '2026-10-29 01:00 PM'), (2, '2026-10-29 11:00 AM')"),
    ];
    expect![[r#"
        error: cannot read table `o` by its cursor `at`: the row with rowid 1 and 1 more have a date that does not begin with a year of four digits there
        hint: texts are ordered by their bytes, and rows that come later would be passed over: let the feed read a view of the source that has a text like `2026-10-29 08:00:00` there (`create view … as select *, cast(… as text) as … from "o"`), or the whole table with `mode: full`; `select * from "o" where "at" GLOB '[0-9][0-9].[0-9][0-9].[0-9][0-9][0-9][0-9]'` shows these rows
        error: cannot read table `o` by its cursor `at`: the row with rowid 1 and 1 more have a date whose month or day has one digit there
        hint: texts are ordered by their bytes, and rows that come later would be passed over: let the feed read a view of the source that has a text like `2026-10-29 08:00:00` there (`create view … as select *, cast(… as text) as … from "o"`), or the whole table with `mode: full`; `select * from "o" where "at" GLOB '[0-9][0-9][0-9][0-9]-[0-9]-[0-9][0-9]'` shows these rows
        error: cannot read table `o` by its cursor `at`: the row with rowid 2 has a number of 2 digits among numbers of 1 (as text) there
        hint: texts are ordered by their bytes, and rows that come later would be passed over: let the feed read a view of the source that has an integer (what is no number is cast to 0) there (`create view … as select *, cast("at" as integer) as … from "o"`), or the whole table with `mode: full`; `select * from "o" where "at" GLOB '[0-9][0-9]'` shows these rows
        error: cannot read table `o` by its cursor `at`: the row with rowid 1 and 1 more have a time of twelve hours (AM, PM) there
        hint: texts are ordered by their bytes, and rows that come later would be passed over: let the feed read a view of the source that has a text like `2026-10-29 08:00:00` there (`create view … as select *, cast(… as text) as … from "o"`), or the whole table with `mode: full`; `select * from "o" where "at" GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9] ??'` shows these rows
    "#]].assert_eq(&text.concat());
}

/// What came after the position as it means lies before it as bytes: it is found in the column, wherever the position stands.
#[test]
fn a_later_row_that_lies_before_the_position_is_found() {
    let project = of_texts("(1, '8'), (2, '9')");
    project.run(0);
    project.sqlite("insert into o values (3, '10')");
    let beside = project.run(1).stderr;
    // Also where the rows before it are gone.
    project.sqlite("delete from o where id < 3");
    let alone = project.run(1).stderr;
    expect![[r#"
        error: cannot read table `o` by its cursor `at`: the row with rowid 3 has a number of 2 digits among numbers of 1 (as text) there
        hint: texts are ordered by their bytes, and rows that come later would be passed over: let the feed read a view of the source that has an integer (what is no number is cast to 0) there (`create view … as select *, cast("at" as integer) as … from "o"`), or the whole table with `mode: full`; `select * from "o" where "at" GLOB '[0-9][0-9]'` shows these rows
        error: cannot go on reading table `o` by `at`: the position has a number of 1 digit among numbers of 2 (as text), and texts are ordered by their bytes
        hint: set the position anew with `karat position set`, to a value written as the column's
    "#]].assert_eq(&(beside + &alone));
    // A position before all is one to read all from.
    project.karat(&["position", "set", "db.o", "0"]);
    project.run(0);
    assert_eq!(
        project.rows("select count(*) as n from d_silver.t"),
        "n\n3\n"
    );
}

/// What the hint says is a way: a view, and `key` for what a view has not.
#[test]
fn a_view_gives_an_order() {
    for (at, view, later) in [
        (
            "30.01.2026",
            "cast(substr(at, 7, 4) || '-' || substr(at, 4, 2) || '-' || substr(at, 1, 2) as text)",
            "01.02.2026",
        ),
        ("9", "cast(at as integer)", "10"),
    ] {
        let project = Project::one_feed(
            "{ source: db, name: o, table: o_in_order, mode: incremental, key: [id], deletes: none, cursor: { column: place } }",
            "from: db.o\nselect: { id: id, at: at }\nauto_cdc: { keys: [id] }\n",
        );
        project.sqlite(&format!(
            "create table o (id integer primary key, at text); insert into o values (1, '{at}');
             create view o_in_order as select *, {view} as place from o"
        ));
        project.run(0);
        project.sqlite(&format!("insert into o values (2, '{later}')"));
        project.run(0);
        assert_eq!(
            project.rows("select at from d_silver.t order by id"),
            format!("at\n{at}\n{later}\n")
        );
    }
}

#[test]
fn texts_that_sort_as_they_mean_are_read() {
    for (first, then) in [
        ("2026-09-30", "2026-10-01"),
        ("2026/09/30 08:00", "2026/10/01 09:00"),
        ("2026-09-30T08:00:00.5Z", "2026-10-01T08:00:00.5Z"),
        ("20260930", "20261001"),
        ("0009", "0010"),
        ("ORD-0009", "ORD-0010"),
        ("01ARZ3NDEKTSV4RRFFQ69G5FAV", "01BX5ZZKBKACTAV9WEVGEMMVRZ"),
        ("00000000000009af", "0000000000000a00"),
        ("9.25", "9.5"),
    ] {
        let project = of_texts(&format!("(1, '{first}')"));
        project.run(0);
        project.sqlite(&format!("insert into o values (2, '{then}')"));
        project.run(0);
        assert_eq!(
            project.rows("select at from d_silver.t order by at"),
            format!("at\n{first}\n{then}\n")
        );
    }
}
