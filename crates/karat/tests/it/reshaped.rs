//! A feed whose declaration changed in what its rows depend on, after it was loaded (B1, B6, B7): nothing goes on with both.

use std::fmt::Write as _;

use expect_test::expect;

use crate::project::Project;

const TABLE: &str = "from: landing.e\nselect: { id: id, v: v }\nkey: [id]\n";

fn declare(project: &Project, feed: &str) {
    project.write(
        "domains/d/domain.yaml",
        &format!("domain: d\nfeeds:\n  - {feed}\n"),
    );
}

/// What plan, run and a run of the model alone say, with their exit codes, and the rows that stand.
fn said(project: &Project) -> String {
    let mut text = String::new();
    for arguments in [
        &["plan", "--quiet"][..],
        &["run", "--quiet"],
        &["run", "--quiet", "--select", "d_silver.t"],
    ] {
        let answer = project.karat(arguments);
        writeln!(text, "{} -> {}", arguments.join(" "), answer.code).unwrap();
        text += &answer.stderr;
    }
    text + &project.rows("select * from d_silver.t")
}

#[test]
fn a_full_feed_gets_a_key_or_loses_it() {
    let full = |key: &str| {
        format!(
            "{{ source: landing, name: e, mode: full, {key}max_delete: 100%, path: \"*.csv\", file_order: '_(\\d+)' }}"
        )
    };
    let project = Project::one_feed(&full(""), TABLE);
    project.write("landing/e_1.csv", "id,v\n1,a\n2,b\n");
    project.run(0);
    project.write("landing/e_2.csv", "id,v\n1,a\n");
    project.run(0);
    // Row 2 is gone from the newest extract; among all rows of all extracts it is there.
    declare(&project, &full("key: [id], "));
    expect![[r#"
        plan --quiet -> 2
        error: `d_bronze.landing__e` was loaded with no `key`, and its feed now has `key: id`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet -> 2
        error: `d_bronze.landing__e` was loaded with no `key`, and its feed now has `key: id`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet --select d_silver.t -> 2
        error: `d_bronze.landing__e` was loaded with no `key`, and its feed now has `key: id`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        id,v
        1,a
    "#]].assert_eq(&said(&project));
    declare(&project, &full(""));
    project.run(0);

    let project = Project::one_feed(&full("key: [id], "), TABLE);
    project.write("landing/e_1.csv", "id,v\n1,a\n2,b\n");
    project.run(0);
    project.write("landing/e_2.csv", "id,v\n1,a\n2,c\n");
    project.run(0);
    // The newest load holds what it changed, and not row 1.
    declare(&project, &full(""));
    expect![[r#"
        plan --quiet -> 2
        error: `d_bronze.landing__e` was loaded with `key: id`, and its feed now has no `key`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet -> 2
        error: `d_bronze.landing__e` was loaded with `key: id`, and its feed now has no `key`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet --select d_silver.t -> 2
        error: `d_bronze.landing__e` was loaded with `key: id`, and its feed now has no `key`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        id,v
        1,a
        2,c
    "#]].assert_eq(&said(&project));
}

#[test]
fn files_get_another_order() {
    let files = |order: &str| {
        format!("{{ source: landing, name: e, mode: incremental, path: \"*.csv\"{order} }}")
    };
    let project = Project::one_feed(
        &files(""),
        "from: landing.e\nselect: { id: id, v: v }\nauto_cdc: { keys: [id] }\n",
    );
    project.write("landing/e_9.csv", "id,v\n1,old\n");
    project.run(0);
    // `10` comes before the `e_9.csv` that is in the table.
    declare(&project, &files(", file_order: '_(\\d+)'"));
    project.write("landing/e_10.csv", "id,v\n1,new\n");
    expect![[r#"
        plan --quiet -> 2
        error: `d_bronze.landing__e` was loaded with no `file_order`, and its feed now has `file_order: _(\\d+)`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet -> 2
        error: `d_bronze.landing__e` was loaded with no `file_order`, and its feed now has `file_order: _(\\d+)`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet --select d_silver.t -> 2
        error: `d_bronze.landing__e` was loaded with no `file_order`, and its feed now has `file_order: _(\\d+)`: rows of both would not make one table
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        id,v
        1,old
    "#]].assert_eq(&said(&project));
    // Another name is another table.
    declare(
        &project,
        &files(", file_order: '_(\\d+)'").replace("name: e", "name: f"),
    );
    project.write(
        "domains/d/silver/t.yaml",
        "from: landing.f\nselect: { id: id, v: v }\nauto_cdc: { keys: [id] }\n",
    );
    project.run(0);
    expect![[r#"
        id,v
        1,new
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
}

#[test]
fn full_loads_of_files_get_another_order() {
    let by = |order: &str| {
        format!(
            "{{ source: landing, name: e, mode: full, key: [id], max_delete: 100%, path: \"*.csv\", file_order: '{order}' }}"
        )
    };
    let project = Project::one_feed(&by("_(\\w)"), TABLE);
    project.write("landing/e_b_1.csv", "id,v\n1,old\n");
    project.run(0);
    project.write("landing/e_a_2.csv", "id,v\n1,new\n");
    project.run(1);
    // `2` comes after `1`, and before the `b` that is in the table.
    declare(&project, &by("(\\d)"));
    expect![[r#"
        plan --quiet -> 2
        error: `e_a_2.csv` has the order mark `2`, and `d_bronze.landing__e` holds a load with `b`, made with another `file_order`: the rows of that one would count as the newer
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet -> 2
        error: `e_a_2.csv` has the order mark `2`, and `d_bronze.landing__e` holds a load with `b`, made with another `file_order`: the rows of that one would count as the newer
        hint: take the change back, or give feed `landing.e` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet --select d_silver.t -> 0
        id,v
        1,old
    "#]].assert_eq(&said(&project));
}

#[test]
fn a_database_table_gets_another_cursor() {
    let by = |column: &str| {
        format!(
            "{{ source: db, table: o, mode: incremental, key: [id], cursor: {{ column: {column} }}, deletes: none }}"
        )
    };
    let project = Project::one_feed(
        &by("rev"),
        "from: db.o\nselect: { id: id, v: v }\nauto_cdc: { keys: [id] }\n",
    );
    project.sqlite("create table o (id integer, rev integer, v text); insert into o values (1, 100, 'a'), (2, 200, 'b')");
    project.run(0);
    // Row 3 lies after the position by `rev`, and before it by `id`.
    project.sqlite("insert into o values (3, 300, 'c')");
    declare(&project, &by("id"));
    expect![[r#"
        plan --quiet -> 2
        error: `d_bronze.db__o` was loaded with `cursor: rev`, and its feed now has `cursor: id`: rows of both would not make one table
        hint: take the change back, or give feed `db.o` another `name`, so that it makes a table of its own, and its models the new `from`; or say with `karat position set` from which value on to read
        run --quiet -> 2
        error: `d_bronze.db__o` was loaded with `cursor: rev`, and its feed now has `cursor: id`: rows of both would not make one table
        hint: take the change back, or give feed `db.o` another `name`, so that it makes a table of its own, and its models the new `from`; or say with `karat position set` from which value on to read
        run --quiet --select d_silver.t -> 2
        error: `d_bronze.db__o` was loaded with `cursor: rev`, and its feed now has `cursor: id`: rows of both would not make one table
        hint: take the change back, or give feed `db.o` another `name`, so that it makes a table of its own, and its models the new `from`; or say with `karat position set` from which value on to read
        id,v
        1,a
        2,b
    "#]].assert_eq(&said(&project));
    let set = project.karat(&["position", "set", "db.o", "2", "--quiet"]);
    assert_eq!(set.code, 0, "{}", set.text());
    project.run(0);
    expect![[r#"
        id,v
        1,a
        2,b
        3,c
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    // A column that the source calls otherwise from now on is the same cursor.
    project.sqlite("alter table o rename column id to nr; insert into o values (4, 400, 'd')");
    declare(
        &project,
        &by("nr").replace("mode:", "rename: { id: nr }, mode:"),
    );
    project.run(0);
    expect![[r#"
        id,v
        1,a
        2,b
        3,c
        4,d
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
}

/// A key is a part of `_seq`: rows with another, or with none, would not sort among the others by the time of their reading.
#[test]
fn a_database_table_keeps_its_key() {
    let by = |key: &str| {
        format!(
            "{{ source: db, table: o, mode: incremental, cursor: {{ column: rev, lag: 5 }}, deletes: none{key} }}"
        )
    };
    let project = Project::one_feed(&by(""), "from: db.o\nselect: { id: id, v: v }\n");
    project.sqlite("create table o (id integer, rev integer, v text); insert into o values (1, 1, 'a'), (2, 2, 'b')");
    project.run(0);
    project.sqlite("insert into o values (3, 3, 'c')");
    declare(&project, &by(", key: [id]"));
    expect![[r#"
        plan --quiet -> 2
        error: `d_bronze.db__o` was loaded with no `key`, and its feed now has `key: id`: rows of both would not make one table
        hint: take the change back, or give feed `db.o` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet -> 2
        error: `d_bronze.db__o` was loaded with no `key`, and its feed now has `key: id`: rows of both would not make one table
        hint: take the change back, or give feed `db.o` another `name`, so that it makes a table of its own, and its models the new `from`
        run --quiet --select d_silver.t -> 2
        error: `d_bronze.db__o` was loaded with no `key`, and its feed now has `key: id`: rows of both would not make one table
        hint: take the change back, or give feed `db.o` another `name`, so that it makes a table of its own, and its models the new `from`
        id,v
        1,a
        2,b
    "#]].assert_eq(&said(&project));
}

/// What is called otherwise at the source now is the same column of bronze, whichever part of a feed names it (B8).
#[test]
fn a_key_and_a_mark_of_deletes_are_renamed_at_the_source() {
    let feed = |more: &str| {
        format!(
            "{{ source: db, table: o, mode: incremental, key: [id], cursor: {{ column: rev }}, {more} }}"
        )
    };
    let project = Project::one_feed(
        &feed("deletes: { soft: gone }"),
        "from: db.o\nselect: { id: id, v: v }\nauto_cdc: { keys: [id] }\n",
    );
    project.sqlite("create table o (id integer, rev integer, v text, gone integer); insert into o values (1, 1, 'a', 0), (2, 2, 'b', 0)");
    project.run(0);
    project.sqlite(
        "alter table o rename column id to ident; alter table o rename column gone to weg;
         update o set rev = 3, weg = 1 where ident = 1; insert into o values (4, 4, 'd', 0)",
    );
    for soft in ["weg", "gone"] {
        declare(
            &project,
            &feed(&format!(
                "deletes: {{ soft: {soft} }}, rename: {{ id: Ident, gone: weg }}"
            )),
        );
        let validate = project.karat(&["validate"]);
        assert_eq!(validate.code, 0, "{}", validate.text());
        project.run(0);
        expect![[r#"
            id,v
            2,b
            4,d
        "#]]
        .assert_eq(&project.rows("select * from d_silver.t"));
    }
}

/// What a killed run had planned is of the declaration that it had.
#[test]
fn an_open_load_of_another_declaration_is_closed() {
    let by = |mode: &str| {
        format!(
            "{{ source: landing, name: e, mode: {mode}, path: \"*.csv\", file_order: '_(\\d+)' }}"
        )
    };
    let project = Project::one_feed(&by("incremental"), TABLE);
    project.write("landing/e_1.csv", "id,v\n1,a\n2,b\n");
    project.write("landing/e_2.csv", "id,v\n1,c\n");
    let killed = project.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", "intent.after")]);
    assert_eq!(killed.code, -1, "{}", killed.text());
    // The killed run had both files in one load; each is a full load of its own now.
    declare(&project, &by("full, max_delete: 100%"));
    expect![[r#"
        step    table                would    because        reads                    takes
        load    d_bronze.landing__e  load     2 new objects  2 objects, 3 rows, 22 B  no estimate: never run
        silver  d_silver.t           rebuild  first version                           no estimate: never run
        note: d_bronze.landing__e: load 1, left open by run RUN, cannot be taken up: it was planned with `mode: incremental`, and its feed now has `mode: full`; it is closed, and what is there is planned anew
        2 steps to do; nothing was written
        --- exit 0
    "#]].assert_eq(&project.karat(&["plan"]).text());
    project.run(0);
    expect![[r#"
        id,v,_epoch,_op
        1,a,2,R
        2,b,2,R
        1,c,3,R
    "#]]
    .assert_eq(
        &project.rows("select id, v, _epoch, _op from d_bronze.landing__e order by _epoch, id"),
    );
    expect![[r#"
        id,v
        1,c
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
}

/// What is loaded stays as it was read: other options, and a `rename` that comes late, are told and change nothing (B4, B8).
#[test]
fn what_is_read_otherwise_since_is_told() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        "from: landing.o\nselect: { id: cast(id as bigint) }\n",
    );
    let domain = |feed: &str| {
        project.write(
            "domains/d/domain.yaml",
            &format!("domain: d\nfeeds:\n  - {{ source: landing, name: o, mode: incremental, path: \"*.csv\"{feed} }}\n"),
        );
        let plan = project.karat(&["plan"]);
        let run = project.karat(&["run"]);
        let notes = |told: &str| -> String {
            let notes = told.lines().filter(|line| line.starts_with("note"));
            notes.map(|note| format!("{note}\n")).collect()
        };
        assert_eq!((plan.code, run.code), (0, 0), "{}", run.text());
        assert_eq!(notes(&plan.text()), notes(&run.text()));
        notes(&run.text())
    };
    project.write("landing/1.csv", "id,a\n1,x\n");
    project.write("landing/2.csv", "id,a_new\n2,y\n");
    assert_eq!(domain(""), "");
    let told = domain(", csv: { encoding: windows-1252 }");
    let late = domain(", rename: { a: a_new }");
    expect![[r#"
        note: d_bronze.landing__o: what is loaded was read with another `csv`, and stays as it was read; to have it read anew, `karat undo RUN --reason TEXT` (`--plan` shows what else that run wrote), `karat position reset landing.o`, `karat run`; or give the feed another `name`, which makes a table of its own
        --
        note: d_bronze.landing__o: what was loaded before `rename` has `a_new` in a column of its own: a model gets all of it as `coalesce(a, a_new)`, but not in a lake that begins with `rename`, which has no `a_new`; for all lakes take `rename` back, or to have it read anew, `karat undo RUN --reason TEXT` (`--plan` shows what else that run wrote), `karat position reset landing.o`, `karat run`; or give the feed another `name`, which makes a table of its own
    "#]]
    .assert_eq(&format!("{told}--\n{late}"));
    project.write("landing/3.csv", "id,a_new\n3,z\n");
    project.run(0);
    project.write(
        "domains/d/silver/t.yaml",
        "from: landing.o\nselect: { id: cast(id as bigint), a: \"coalesce(a, a_new)\" }\n",
    );
    project.run(0);
    assert_eq!(
        project.rows("select * from d_silver.t order by id"),
        "id,a\n1,x\n2,y\n3,z\n"
    );
}

/// Columns of a database's table that have other types are told at once, and the view that the hint gives goes on where the feed stood (B8).
#[test]
fn columns_of_a_table_with_other_types() {
    let feed = |table: &str| {
        format!(
            "domain: d\nfeeds:\n  - {{ source: db, name: o, table: {table}, mode: incremental, key: [id], deletes: none, cursor: {{ column: seqno }} }}\n"
        )
    };
    let project = Project::one_feed(
        "{ source: db, name: o, table: o, mode: full }",
        "from: db.o\nselect:\n  id: id\n  seqno: seqno\n  amt: decimal_from_double(amt, 2)\nauto_cdc: { keys: [id] }\n",
    );
    project.write("domains/d/domain.yaml", &feed("o"));
    project.sqlite("create table o (id integer primary key, seqno integer, amt real); insert into o values (1, 80, 1.5), (2, 90, 2.5)");
    project.run(0);
    project.sqlite("alter table o rename to before; create table o (id integer primary key, seqno text, amt text); insert into o select * from before; insert into o values (3, '120', '3.5')");
    let told = project.run(1).stderr;
    assert_eq!(project.karat(&["plan", "--quiet"]).stderr, told);
    let view = told.split('`').find(|part| part.starts_with("create view"));
    project.sqlite(view.unwrap());
    project.write("domains/d/domain.yaml", &feed("o_before"));
    project.run(0);
    expect![[r#"
        error: cannot load `d_bronze.db__o`: columns `seqno` (from bigint to string), `amt` (from double to string) changed their types in the source
        hint: restore the type at the source; or give the feed a view with the old types, and leave everything else as it is (`name: o`, `table: o_before`): `create view "o_before" as select "id", cast("seqno" as integer) as "seqno", cast("amt" as real) as "amt" from "o"` (SQLite casts what is no number to 0: look first whether there is such); or give feed `db.o` another `name`, which makes a table of its own, read from its beginning
        id,seqno,amt
        1,80,1.50
        2,90,2.50
        3,120,3.50
    "#]].assert_eq(&(told.clone() + &project.rows("select * from d_silver.t order by id")));
}
