//! What a sender says of its files: control records and files, and files that tell that others are complete (B4).

use expect_test::expect;

use crate::project::Project;

const SILVER: &str = "from: landing.o\nselect: { id: cast(id as bigint), amount: \"cast(amount as decimal(12, 2))\" }\nkey: [id]\n";

/// Held whole and told when first met; mended by a new delivery or by another declaration.
#[test]
fn a_file_that_does_not_add_up_is_a_broken_object() {
    let feed = |count: u8| {
        format!(
            "{{ source: landing, name: o, mode: incremental, path: \"*.csv\", csv: {{ delimiter: \"|\", header_record: {{ starts_with: \"H|\" }}, trailer: {{ starts_with: \"T|\", count: {count}, sums: {{ amount: 3 }} }} }} }}"
        )
    };
    let project = Project::one_feed(&feed(2), SILVER);
    project.write(
        "landing/a.csv",
        "H|2026-01-05\nid|amount\n1|10.10\n2|20.20\nT|2|30.30\n",
    );
    project.write(
        "landing/b.csv",
        "H|2026-01-06\nid|amount\n3|1.00\n4|2.00\nT|2|3.01\n",
    );
    project.write("landing/c.csv", "H|2026-01-07\nid|amount\n5|7\n");
    expect![[r#"
              table                version   time  rows
        done  d_bronze.landing__o        0  N s  2 read = 2 kept
        done  d_silver.t                 0  N s  2 read = 2 kept
        held    b.csv of d_bronze.landing__o: its trailer says that the sum of `amount` is 3.01, and it is 3
        held    c.csv of d_bronze.landing__o: its trailer is missing: no last record begins with `T|`
        sources 2 read = 2 kept; silver 2 read = 2 kept
        run RUN: 2 tables written, 0 unchanged, N s
        head DIGEST
        --- exit 1
    "#]].assert_eq(&project.run(1).text());
    // The same bytes are told once.
    project.run(0);
    expect![[r#"
        id,amount,_row
        1,10.10,3
        2,20.20,4
    "#]]
    .assert_eq(&project.rows("select id, amount, _row from d_bronze.landing__o order by id"));
    expect![[r#"
        table                object  reason
        d_bronze.landing__o  b.csv   its trailer says that the sum of `amount` is 3.01, and it is 3
        d_bronze.landing__o  c.csv   its trailer is missing: no last record begins with `T|`
        0 rows, 2 objects in quarantine
    "#]]
    .assert_eq(&project.karat(&["quarantine", "list"]).stdout);
    // A file with a trailer now, and a trailer that was meant otherwise.
    project.write("landing/c.csv", "H|2026-01-07\nid|amount\n5|7\nT|1|7.00\n");
    project.write(
        "landing/b.csv",
        "H|2026-01-06\nid|amount\n3|1.00\n4|2.00\nT|x|3|2\n",
    );
    project.run(1);
    project.write(
        "domains/d/domain.yaml",
        &format!("domain: d\nfeeds:\n  - {}\n", feed(4)),
    );
    project.run(0);
    expect![[r#"
        id,amount
        1,10.10
        2,20.20
        3,1.00
        4,2.00
        5,7.00
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t order by id"));
    assert_eq!(project.karat(&["verify"]).code, 0);
    // The trailer is no row of a rebuild either.
    assert_eq!(
        project.karat(&["replay", "--rebuild", "d_silver.t"]).code,
        0
    );
}

#[test]
fn a_file_waits_for_the_one_that_tells_of_it() {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\", done_file: \"{name}.done\", control_file: { path: \"{stem}.ctl\", delimiter: \"=\", starts_with: \"rows=\", count: 2 } }",
        SILVER,
    );
    project.write("landing/a.csv", "id,amount\n1,10\n");
    let plan = |project: &Project| project.karat(&["plan"]).text();
    expect![[r#"
        step    table                would    because                                   reads  takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           wait     `d_bronze.landing__o` has no version yet
        note: d_bronze.landing__o: `a.csv` has no `a.csv.done` beside it: left for a later run
        nothing to do
        --- exit 0
    "#]]
    .assert_eq(&plan(&project));
    project.write("landing/a.csv.done", "");
    expect![[r#"
        step    table                would    because                                   reads  takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           wait     `d_bronze.landing__o` has no version yet
        note: d_bronze.landing__o: `a.csv` has no `a.ctl` beside it: left for a later run
        nothing to do
        --- exit 0
    "#]]
    .assert_eq(&plan(&project));
    project.write("landing/a.ctl", "file=a.csv\nrows=2\n");
    project.run(1);
    project.run(0);
    project.write("landing/a.ctl", "file=a.csv\nrows=1\n");
    project.run(0);
    expect![[r#"
        id,amount
        1,10.00
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
}
