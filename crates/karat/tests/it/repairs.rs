//! Repairs of rows in quarantine (C3): each kind end to end, what counts, what lapses, what is refused; killed anywhere, two at once; and
//! in any order with any events equal to a naive model.

use std::collections::BTreeMap;
use std::sync::Mutex;

use expect_test::expect;

use crate::dice::Dice;
use crate::history::{Event, naive};
use crate::project::{Answer, Project};
use crate::running::Running;

const FEED: &str =
    "{ source: landing, name: e, mode: incremental, path: \"*.csv\", file_order: '_(\\d+)' }";

const SILVER: &str = "from: landing.e
select: { id: cast(id as bigint), v: v, n: cast(n as bigint) }
key: [id]
expectations:
  known: { expect: \"v in ('a', 'b')\", action: quarantine }
  small: { expect: \"n < 100\", action: quarantine }
";

/// Five rows, four of them in quarantine.
fn held() -> Project {
    let project = Project::one_feed(FEED, SILVER);
    project.write(
        "landing/e_1.csv",
        "id,v,n\n1,a,1\n2,x,2\n3,b,many\n4,y,500\n5,x,5\n",
    );
    project.run(0);
    project
}

fn quarantine(project: &Project, words: &[&str]) -> Answer {
    let arguments: Vec<&str> = ["quarantine"]
        .into_iter()
        .chain(words.iter().copied())
        .collect();
    project.karat(&arguments)
}

/// A repair that is made.
fn made(project: &Project, words: &[&str]) -> Answer {
    let answer = quarantine(project, words);
    assert_eq!(answer.code, 0, "{words:?}: {}", answer.text());
    answer
}

/// A repair that is refused.
fn refused(project: &Project, words: &[&str]) -> String {
    let answer = quarantine(project, words);
    assert_eq!(answer.code, 2, "{words:?}: {}", answer.text());
    answer.stderr
}

/// Silver and its quarantine are what a rebuild from the record makes of bronze, and the lake is as its record says.
fn is_proven(project: &Project, case: &str) {
    let replayed = project.karat(&["replay", "--quiet", "--rebuild", "d_silver.t"]);
    assert_eq!(replayed.code, 0, "{case}: {}", replayed.text());
    let verified = project.karat(&["verify", "--json"]);
    assert_eq!(verified.code, 0, "{case}: {}", verified.text());
    for file in verified.json()["files"].as_array().unwrap() {
        assert_eq!(file["outcome"], "orphan", "{case}: {file}");
    }
}

#[test]
pub(crate) fn rows_are_fixed_released_and_discarded() {
    let project = held();
    expect![[r#"
        1 row of `d_bronze.landing__e` fixed: repair 1, version 1
        `karat run` brings `d_silver.t` up to date
        --- exit 0
    "#]]
    .assert_eq(
        &made(
            &project,
            &[
                "fix",
                "e_1.csv@1:4",
                "--set",
                "N=3",
                "--reason",
                "typed by hand",
            ],
        )
        .text(),
    );
    made(&project, &["release", "e_1.csv@1:5", "--reason", "seen"]);
    made(
        &project,
        &["discard", "e_1.csv@1:6", "--reason", "a test row"],
    );
    // Still broken: it goes to quarantine again, as it is now.
    made(
        &project,
        &["fix", "e_1.csv@1:3", "--set", "v=z", "--reason", "a guess"],
    );
    expect![[r#"
        table       rule         rows
        d_silver.t  _expression     1
        d_silver.t  known           3
        d_silver.t  small           1

        table       row          rules         what failed           repair
        d_silver.t  e_1.csv@1:3  known                               fix, waits for a run
        d_silver.t  e_1.csv@1:4  _expression   n: cast(n as bigint)  fix, waits for a run
        d_silver.t  e_1.csv@1:5  known, small                        release, waits for a run
        d_silver.t  e_1.csv@1:6  known                               discard, waits for a run
        4 rows, 0 objects in quarantine
    "#]]
    .assert_eq(&quarantine(&project, &["list"]).stdout);
    expect!["incremental: 4 rows in quarantine were repaired"].assert_eq(&how_planned(&project));
    project.run(0);
    expect![[r#"
        id,v,n
        1,a,1
        3,b,3
        4,y,500
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    // Read are four: the one that was discarded is not.
    expect!["4 read = 3 kept + 1 quarantined; 1 discarded; 3 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    expect![[r#"
        _object,_row,rules,row
        e_1.csv,3,known,"{""id"":""2"",""n"":""2"",""v"":""z""}"
    "#]]
    .assert_eq(&project.rows("select _object, _row, rules, row from d_quarantine.t"));
    // Bronze has every row as it was appended.
    let bronze = project.rows(
        "select _row, id, v, n, _repair from d_bronze.landing__e order by _row, _repair nulls first",
    );
    let receipt = project.receipt("d_bronze.landing__e");
    let principal = receipt["principal"].as_str().unwrap();
    assert!(principal.starts_with("tester"), "{principal}");
    expect![[r#"
        _row,id,v,n,_repair
        2,1,a,1,
        3,2,x,2,
        3,2,z,2,"{""epoch"":4,""kind"":""fix"",""rules"":[],""reason"":""a guess"",""principal"":""WHO""}"
        4,3,b,many,
        4,3,b,3,"{""epoch"":1,""kind"":""fix"",""rules"":[],""reason"":""typed by hand"",""principal"":""WHO""}"
        5,4,y,500,
        5,4,y,500,"{""epoch"":2,""kind"":""release"",""rules"":[""known"",""small""],""reason"":""seen"",""principal"":""WHO""}"
        6,5,x,5,
        6,5,x,5,"{""epoch"":3,""kind"":""discard"",""rules"":[],""reason"":""a test row"",""principal"":""WHO""}"
    "#]]
    .assert_eq(&bronze.replace(principal, "WHO"));
    expect!["9 read = 9 kept"].assert_eq(&project.accounting("d_bronze.landing__e"));
    assert_eq!(receipt["kind"], "repair");
    assert_eq!(receipt["reason"], "a guess");
    is_proven(&project, "all kinds");
    // Nothing is left to do, and a load that comes later is taken in alone.
    assert!(project.run(0).stdout.starts_with("nothing to do"));
    project.write("landing/e_2.csv", "id,v,n\n6,a,6\n7,x,7\n");
    project.run(0);
    expect!["6 read = 4 kept + 2 quarantined; 1 discarded; 3 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "a load more");
    expect![[r#"
        e_1.csv@1:4 fix [] counts: typed by hand
        e_1.csv@1:5 release ["known","small"] counts: seen
        e_1.csv@1:6 discard [] counts: a test row
        e_1.csv@1:3 fix [] counts: a guess
    "#]]
    .assert_eq(&repairs_of(&project));
}

/// All repairs, and whether they count.
fn repairs_of(project: &Project) -> String {
    let listed = quarantine(project, &["list", "--repaired", "--json"]).json();
    let repairs = listed["repairs"].as_array().unwrap().iter();
    let lines = repairs.map(|one| {
        let text = |key: &str| one[key].as_str().unwrap().to_owned();
        let (id, kind, standing, reason) =
            (text("id"), text("kind"), text("standing"), text("reason"));
        format!("{id} {kind} {} {standing}: {reason}\n", one["rules"])
    });
    lines.collect()
}

/// What `plan` says of the silver table.
fn how_planned(project: &Project) -> String {
    let plan = project.karat(&["plan", "--json"]).json();
    let steps = plan["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["table"] == "d_silver.t");
    let text = |key: &str| step.unwrap()[key].as_str().unwrap().to_owned();
    format!("{}: {}", text("action"), text("reason"))
}

#[test]
pub(crate) fn the_newest_repair_counts_and_lapses_with_its_delivery() {
    let project = held();
    let fix = |v: &str| {
        made(
            &project,
            &[
                "fix",
                "e_1.csv@1:3",
                "--set",
                &format!("v={v}"),
                "--reason",
                "so",
            ],
        )
    };
    fix("a");
    fix("b");
    project.run(0);
    // A fix takes the row as it is read: the value of the repair before stays.
    made(
        &project,
        &["fix", "e_1.csv@1:3", "--set", "n=7", "--reason", "so"],
    );
    project.run(0);
    expect![[r#"
        id,v,n
        1,a,1
        2,b,7
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    // The same again writes nothing; discarded and back again.
    let files = project.lake_files();
    expect![[r#"
        1 row of `d_bronze.landing__e` has this repair already
        --- exit 0
    "#]]
    .assert_eq(
        &made(
            &project,
            &["fix", "e_1.csv@1:3", "--set", "n=7", "--reason", "again"],
        )
        .text(),
    );
    assert_eq!(project.lake_files(), files);
    made(&project, &["discard", "e_1.csv@1:3", "--reason", "so"]);
    project.run(0);
    expect!["4 read = 1 kept + 3 quarantined; 1 discarded"]
        .assert_eq(&project.accounting("d_silver.t"));
    made(
        &project,
        &["fix", "e_1.csv@1:3", "--set", "n=8", "--reason", "so"],
    );
    project.run(0);
    expect!["5 read = 2 kept + 3 quarantined; 1 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "newest");
    // Names of the rules, one after the other: what was waived stays waived.
    made(
        &project,
        &[
            "release",
            "e_1.csv@1:5",
            "--rule",
            "known",
            "--reason",
            "so",
        ],
    );
    project.run(0);
    expect![[r#"
        _row,rules
        4,_expression
        5,small
        6,known
    "#]]
    .assert_eq(&project.rows("select _row, rules from d_quarantine.t"));
    made(&project, &["release", "e_1.csv@1:5", "--reason", "so"]);
    project.run(0);
    expect!["5 read = 3 kept + 2 quarantined; 2 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    // The object comes again: silver is what it would be had the older never come.
    project.write("landing/e_1.csv", "id,v,n\n1,a,1\n2,x,2\n");
    project.run(0);
    let fresh = Project::one_feed(FEED, SILVER);
    fresh.write("landing/e_1.csv", "id,v,n\n1,a,1\n2,x,2\n");
    fresh.run(0);
    assert_eq!(
        project.fingerprint("d_silver.t"),
        fresh.fingerprint("d_silver.t")
    );
    expect!["7 read = 1 kept + 1 quarantined + 5 superseded"]
        .assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "lapsed");
    let stderr = refused(
        &project,
        &["fix", "e_1.csv@1:3", "--set", "v=a", "--reason", "so"],
    );
    expect![[r#"
        error: `e_1.csv@1:3` is not read any more: `e_1.csv` was delivered again to `d_bronze.landing__e`
        hint: `karat run` judges the newest delivery; then `karat quarantine list` shows its rows
    "#]]
    .assert_eq(&stderr);
    expect![[r#"
        e_1.csv@1:3 fix [] replaced: so
        e_1.csv@1:3 fix [] replaced: so
        e_1.csv@1:3 fix [] replaced: so
        e_1.csv@1:3 discard [] replaced: so
        e_1.csv@1:3 fix [] lapsed: so
        e_1.csv@1:5 release ["known"] replaced: so
        e_1.csv@1:5 release ["known","small"] lapsed: so
    "#]]
    .assert_eq(&repairs_of(&project));
    // A repair of the new delivery counts.
    made(
        &project,
        &["fix", "e_1.csv@2:3", "--set", "v=b", "--reason", "so"],
    );
    project.run(0);
    expect!["7 read = 2 kept + 5 superseded; 1 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
}

/// Repairs of rows in objects that hold the same are those of the object that is read (B4).
#[test]
fn repairs_of_duplicate_objects() {
    let project = held();
    made(
        &project,
        &["fix", "e_1.csv@1:3", "--set", "v=a", "--reason", "so"],
    );
    let text = std::fs::read_to_string(project.path("landing/e_1.csv")).unwrap();
    project.write("landing/e_2.csv", &text);
    project.run(0);
    expect!["10 read = 5 duplicate + 2 kept + 3 quarantined; 1 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    // The one that comes first in order takes its place, and the row is in quarantine by that name.
    project.write("landing/e_0.csv", &text);
    project.run(0);
    expect!["15 read = 10 duplicate + 1 kept + 4 quarantined"]
        .assert_eq(&project.accounting("d_silver.t"));
    let stderr = refused(&project, &["discard", "e_1.csv@1:3", "--reason", "so"]);
    assert!(stderr.contains("another object"), "{stderr}");
    made(
        &project,
        &["fix", "e_0.csv@1:3", "--set", "v=a", "--reason", "so"],
    );
    project.run(0);
    expect!["15 read = 10 duplicate + 2 kept + 3 quarantined; 1 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "duplicates");
}

/// Original and repair are one event to `auto_cdc` (C4), for the current row and for ranges.
#[test]
fn repairs_of_events() {
    for (scd, expected) in [
        (
            1,
            expect![[r#"
            k,v,at
            a,3,2026-01-05
            b,9,2026-01-02
        "#]],
        ),
        (
            2,
            expect![[r#"
            k,v,at,__start_at,__end_at
            a,1,2026-01-01,2026-01-01,2026-01-03
            a,2,2026-01-03,2026-01-03,2026-01-05
            a,3,2026-01-05,2026-01-05,
            b,1,2026-01-01,2026-01-01,2026-01-02
            b,9,2026-01-02,2026-01-02,
        "#]],
        ),
    ] {
        let project = Project::one_feed(
            FEED,
            &format!(
                "from: landing.e\nselect: {{ k: k, v: v, at: cast(at as date) }}\nexpectations: {{ known: {{ expect: \"v < '5'\", action: quarantine }} }}\nauto_cdc: {{ keys: [k], sequence_by: at, stored_as_scd_type: {scd} }}\n"
            ),
        );
        project.write(
            "landing/e_1.csv",
            "k,v,at\na,1,2026-01-01\na,8,2026-01-03\nb,1,2026-01-01\nb,9,2026-01-02\nb,7,2026-01-08\nc,1,soon\n",
        );
        project.run(0);
        project.write("landing/e_2.csv", "k,v,at\na,3,2026-01-05\n");
        project.run(0);
        made(
            &project,
            &["fix", "e_1.csv@1:3", "--set", "v=2", "--reason", "so"],
        );
        made(&project, &["release", "e_1.csv@1:5", "--reason", "so"]);
        made(&project, &["discard", "e_1.csv@1:6", "--reason", "so"]);
        // A row that lacks a value cannot be released.
        expect![[r#"
            error: `e_1.csv@1:7` cannot be released from `_expression`: the row lacks a value, or a place, that it needs
            hint: `karat quarantine fix` gives it one; `karat quarantine discard` leaves it out
        "#]]
        .assert_eq(&refused(&project, &["release", "e_1.csv@1:7", "--reason", "so"]));
        project.run(0);
        expected.assert_eq(&project.rows("select * from d_silver.t"));
        is_proven(&project, "events");
    }
}

/// A tie is resolved by what is left out: no rule says which event is the later (C4).
#[test]
fn ties_are_resolved_by_discarding() {
    let project = Project::one_feed(
        FEED,
        "from: landing.e\nselect: { k: k, v: v }\nauto_cdc: { keys: [k] }\n",
    );
    project.write("landing/x_1.csv", "k,v\na,1\n");
    project.write("landing/y_1.csv", "k,v\na,2\n");
    project.run(0);
    expect!["2 read = 2 quarantined"].assert_eq(&project.accounting("d_silver.t"));
    let stderr = refused(&project, &["release", "x_1.csv@1:2", "--reason", "so"]);
    assert!(stderr.contains("`sequence_tie`"), "{stderr}");
    made(
        &project,
        &["discard", "x_1.csv@1:2", "--reason", "the desk's counts"],
    );
    project.run(0);
    expect![[r#"
        k,v
        a,2
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    expect!["1 read = 1 kept; 1 discarded"].assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "ties");
}

/// Full loads are compared with what the source said, not with what a person made of it (B6): a repair stands until the source says otherwise.
#[test]
fn repairs_of_full_loads() {
    let silver = "from: db.c\nselect: { id: id, v: v }\nkey: [id]\nexpectations: { known: { expect: \"v in ('a', 'b')\", action: quarantine } }\n";
    let project = Project::one_feed(
        "{ source: db, table: c, mode: full, key: [id], max_delete: 100% }",
        silver,
    );
    project.sqlite("create table c (id integer primary key, v text, n integer); insert into c values (1, 'a', 1), (2, 'x', 2), (3, 'y', 3)");
    project.run(0);
    // A row of a database is named by its position; its first digits are enough.
    let listed = quarantine(&project, &["list", "--json"]).json();
    let ids: Vec<String> = listed["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap().to_owned())
        .collect();
    let short = &ids[0][..ids[0].rfind(':').unwrap() + 6];
    let stderr = refused(
        &project,
        &["fix", short, "--set", "n=two", "--reason", "so"],
    );
    expect![[r#"
        error: the value given for `n` is no bigint
        hint: bronze keeps the types of its source: give the value as it would be there
    "#]]
    .assert_eq(&stderr);
    made(
        &project,
        &[
            "fix", short, "--set", "v=b", "--set", "n=22", "--reason", "so",
        ],
    );
    made(&project, &["discard", &ids[1], "--reason", "so"]);
    project.run(0);
    let rows = "select * from d_silver.t";
    expect![[r#"
        id,v
        1,a
        2,b
    "#]]
    .assert_eq(&project.rows(rows));
    expect!["2 read = 2 kept; 1 discarded; 1 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "full");
    // The source says the same: nothing new. Then it says otherwise, and what it says is the later word.
    assert!(project.run(0).stdout.starts_with("nothing to do"));
    project.sqlite("update c set v = 'a' where id = 2");
    project.run(0);
    expect![[r#"
        id,v
        1,a
        2,a
    "#]]
    .assert_eq(&project.rows(rows));
    project.sqlite("delete from c where id = 2");
    project.run(0);
    expect![[r#"
        id,v
        1,a
    "#]]
    .assert_eq(&project.rows(rows));
    is_proven(&project, "full, later");

    // Without a key silver reads the newest load alone, and the next load ends what was repaired.
    let project = Project::one_feed("{ source: db, table: c, mode: full }", silver);
    project.sqlite("create table c (id integer, v text, n integer); insert into c values (1, 'a', 1), (2, 'x', 2)");
    project.run(0);
    made(
        &project,
        &[
            "release",
            "--table",
            "d_silver.t",
            "--rule",
            "known",
            "--reason",
            "so",
        ],
    );
    // An equal load is none (A3), and the repair stays.
    project.run(0);
    expect!["2 read = 2 kept; 1 repaired"].assert_eq(&project.accounting("d_silver.t"));
    assert!(project.run(0).stdout.starts_with("nothing to do"));
    project.sqlite("insert into c values (3, 'b', 3)");
    project.run(0);
    expect!["3 read = 2 kept + 1 quarantined"].assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "full without a key");
}

#[test]
fn what_could_not_be_placed_is_settled_by_a_person() {
    let project = held();
    project.write("landing/e_2.csv", "id,v,n\n6,a,6,left over\n7,b,7,too\n");
    project.run(0);
    made(
        &project,
        &["release", "e_2.csv@1:2", "--reason", "not needed"],
    );
    project.write("row.json", "{\"id\": \"7\", \"v\": \"a\", \"n\": 70}");
    made(
        &project,
        &[
            "fix",
            "e_2.csv@1:3",
            "--row",
            "row.json",
            "--set",
            "n=71",
            "--reason",
            "so",
        ],
    );
    project.run(0);
    expect![[r#"
        id,v,n
        1,a,1
        6,a,6
        7,a,71
    "#]]
    .assert_eq(&project.rows("select * from d_silver.t"));
    is_proven(&project, "rescued");
    let shown = quarantine(&project, &["show", "e_2.csv@1:3"]);
    let lines: Vec<&str> = shown.stdout.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "e_2.csv@1:3 of d_bronze.landing__e",
            "in quarantine no more"
        ]
    );
    assert!(lines[3].starts_with("fix"), "{}", shown.stdout);
    expect![[r#"
        e_1.csv@1:4 of d_bronze.landing__e
        held back from  rules        what failed
        d_silver.t      _expression  n: cast(n as bigint)
        --- exit 0
    "#]]
    .assert_eq(&quarantine(&project, &["show", "e_1.csv@1:4"]).text());
}

/// Rows of one feed are repaired for every model that reads it.
#[test]
fn several_models_over_one_feed() {
    let project = held();
    project.write(
        "domains/d/silver/all.yaml",
        "from: landing.e\nselect: { id: id, v: v }\nexpectations: { no_y: { expect: \"v <> 'y'\", action: quarantine } }\n",
    );
    project.run(0);
    // Chosen by rule: both rows that broke it, waived for that rule alone.
    made(
        &project,
        &[
            "release",
            "--table",
            "d_silver.t",
            "--rule",
            "known",
            "--object",
            "e_1.csv",
            "--reason",
            "so",
        ],
    );
    project.run(0);
    expect!["5 read = 3 kept + 2 quarantined; 3 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    expect!["5 read = 4 kept + 1 quarantined; 3 repaired"]
        .assert_eq(&project.accounting("d_silver.all"));
    made(
        &project,
        &[
            "fix",
            "--table",
            "d_silver.all",
            "--rule",
            "no_y",
            "--set",
            "v=a",
            "--set",
            "n=4",
            "--reason",
            "so",
        ],
    );
    project.run(0);
    expect!["5 read = 4 kept + 1 quarantined; 3 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    expect!["5 read = 5 kept; 3 repaired"].assert_eq(&project.accounting("d_silver.all"));
    is_proven(&project, "two models");
}

#[test]
fn what_no_repair_can_be_is_refused() {
    let project = held();
    project.write(
        "domains/d/domain.yaml",
        &format!("domain: d\nfeeds:\n  - {FEED}\n  - {{ source: landing, name: f, mode: incremental, path: \"e_1.csv\" }}\n"),
    );
    project.write(
        "domains/d/silver/u.yaml",
        &SILVER.replace("landing.e", "landing.f"),
    );
    project.run(0);
    project.write("list.json", "[1]");
    let mut told = String::new();
    for words in [
        &["fix", "e_1.csv@1:99", "--set", "v=a", "--reason", "so"][..],
        &["fix", "e_1.csv@1:3", "--set", "v=a", "--reason", "so"],
        &[
            "fix",
            "e_1.csv@1:3",
            "--table",
            "d_silver.t",
            "--set",
            "w=a",
            "--reason",
            "so",
        ],
        &[
            "fix",
            "e_1.csv@1:3",
            "--table",
            "d_silver.t",
            "--set",
            "_op=D",
            "--reason",
            "so",
        ],
        &[
            "fix",
            "e_1.csv@1:3",
            "--table",
            "d_silver.t",
            "--row",
            "list.json",
            "--reason",
            "so",
        ],
        &[
            "discard",
            "e_1.csv@1:3",
            "--table",
            "d_silver.t",
            "--reason",
            " ",
        ],
        &[
            "release",
            "e_1.csv@1:3",
            "--table",
            "d_silver.t",
            "--rule",
            "knwon",
            "--reason",
            "so",
        ],
        &[
            "release",
            "--table",
            "d_silver.t",
            "--rule",
            "other",
            "--reason",
            "so",
        ],
        &["show", "e_1.csv@1:99"],
        &[
            "fix",
            "e_1.csv@1:3",
            "--table",
            "d_silver.nothing",
            "--set",
            "v=a",
            "--reason",
            "so",
        ],
    ] {
        told.push_str(&refused(&project, words));
    }
    expect![[r#"
        error: no row `e_1.csv@1:99` is in quarantine, and none was repaired
        hint: `karat quarantine list` names the rows: OBJECT@DELIVERY:LINE, of a database OBJECT@DELIVERY:POSITION
        error: `e_1.csv@1:3` names 2 rows: e_1.csv@1:3 of `d_bronze.landing__e`, e_1.csv@1:3 of `d_bronze.landing__f`
        hint: say more digits, or which table with `--table`
        error: `d_bronze.landing__e` has no column `w`
        hint: did you mean `n`?
        error: `_op` is a column of karat's own, and says where a row of `d_bronze.landing__e` came from
        hint: its columns are id, v, n
        error: `list.json` holds no JSON object
        hint: write `{"column": "value", …}`, with every column that is not null
        error: a repair needs a reason
        hint: say with `--reason` why it is right: it becomes part of the record
        error: no model over `d_bronze.landing__e` has a rule `knwon`
        hint: did you mean `known`?
        error: no row in quarantine is chosen by that
        hint: `karat quarantine list` shows the rows and the rules that they broke
        error: no row `e_1.csv@1:99` is in quarantine, and none was repaired
        hint: `karat quarantine list` names the rows: OBJECT@DELIVERY:LINE, of a database OBJECT@DELIVERY:POSITION
        error: cannot select `d_silver.nothing`: no table or feed has this name
        hint: names are written like `d_silver.t`, `landing.e`, `domain:d`
    "#]].assert_eq(&told);
    for words in [
        &["fix", "e_1.csv@1:3", "--reason", "so"][..],
        &["fix", "e_1.csv@1:3", "--set", "v", "--reason", "so"],
        &["discard", "--reason", "so"],
        &["discard", "e_1.csv@1:3"],
    ] {
        refused(&project, words);
    }
    // Nothing was written by any of them.
    assert!(project.run(0).stdout.starts_with("nothing to do"));
    expect!["5 read = 5 kept"].assert_eq(&project.accounting("d_bronze.landing__e"));
    // A target that may not be written, and one that demands a signature.
    project.write(
        "karat.yaml",
        "karat: 1\nproject: p\ntargets:\n  dev: { lake: ./lake, default: true, require_signature: true }\nsources:\n  landing: { type: files, path: landing }\n",
    );
    let unsigned = quarantine(
        &project,
        &[
            "discard",
            "e_1.csv@1:3",
            "--table",
            "d_silver.t",
            "--reason",
            "so",
        ],
    );
    assert_eq!(unsigned.code, 4, "{}", unsigned.text());
}

/// A repair that is killed anywhere is made or not, whole; typed again it is made, and silver is the same (A2, A4).
#[test]
pub(crate) fn a_repair_killed_anywhere_is_typed_again() {
    let start = held();
    let words = [
        "quarantine",
        "fix",
        "e_1.csv@1:3",
        "--set",
        "v=a",
        "--reason",
        "so",
        "--quiet",
    ];
    let whole = Project::copy_of(&start);
    assert_eq!(whole.karat(&words).code, 0);
    whole.run(0);
    let expected = ["d_silver.t", "d_quarantine.t"].map(|table| whole.fingerprint(table));
    let mut kills = 0;
    for step in [
        "intent", "files", "receipt", "commit", "close", "manifest", "put",
    ] {
        for side in ["before", "after"] {
            for nth in 1.. {
                let point = format!("{step}.{side}:{nth}");
                let project = Project::copy_of(&start);
                let killed = project.karat_with(&words, &[("KARAT_FAILPOINT", &point)]);
                if killed.code == 0 {
                    break;
                }
                assert_eq!(killed.code, -1, "{point}: {}", killed.text());
                kills += 1;
                // A run between sees the repair whole or not at all.
                if kills % 2 == 0 {
                    project.run(0);
                }
                let again = project.karat(&words);
                assert_eq!(again.code, 0, "{point}: {}", again.text());
                project.run(0);
                let found =
                    ["d_silver.t", "d_quarantine.t"].map(|table| project.fingerprint(table));
                assert_eq!(found, expected, "{point}");
                if kills % 3 == 0 {
                    is_proven(&project, &point);
                }
            }
        }
    }
    assert!(kills > 12, "only {kills} kills");
    // A run that is killed while it takes a repair in is continued.
    made(&start, &words[1..]);
    for step in ["intent", "receipt", "commit", "between.tables"] {
        let point = if step.contains('.') {
            step.to_owned()
        } else {
            format!("{step}.after")
        };
        let project = Project::copy_of(&start);
        let killed = project.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", &point)]);
        assert_eq!(killed.code, -1, "{point}: {}", killed.text());
        // Another repair meanwhile is in what the next run makes.
        made(&project, &["discard", "e_1.csv@1:6", "--reason", "so"]);
        project.run(0);
        expect!["4 read = 2 kept + 2 quarantined; 1 discarded; 1 repaired"]
            .assert_eq(&project.accounting("d_silver.t"));
        is_proven(&project, &point);
    }
}

/// A row that is lost or doubled on the way of a repair fails what was asked for, and leaves all as it was (G6).
#[test]
fn rows_of_repairs_are_counted() {
    let project = held();
    let fix = [
        "quarantine",
        "fix",
        "e_1.csv@1:3",
        "--set",
        "v=a",
        "--reason",
        "so",
    ];
    let fails = |words: &[&str], point: &str| {
        let files = |project: &Project| {
            let mut files = project.lake_files();
            files.retain(|file| file.contains("_delta_log"));
            files
        };
        for how in ["lost", "doubled"] {
            let before = files(&project);
            let failed =
                project.karat_with(words, &[("KARAT_FAILPOINT", &format!("{point}={how}"))]);
            // A row that is there twice may break the key first.
            let stopped = failed.code == 3 || (failed.code == 1 && how == "doubled");
            assert!(stopped, "{point}: {}", failed.text());
            let logs = files(&project);
            // Quarantine is written before silver: it may be ahead.
            let silver = |files: &[String]| {
                files
                    .iter()
                    .filter(|file| !file.contains("quarantine"))
                    .count()
            };
            assert_eq!(silver(&logs), silver(&before), "{point}={how}");
        }
    };
    fails(&fix, "repair.written");
    assert_eq!(project.karat(&fix).code, 0);
    let run = ["run", "--quiet"];
    for point in [
        "repairs.read",
        "silver.held_before",
        "silver.stays_held",
        "silver.repaired",
    ] {
        fails(&run, point);
    }
    project.run(0);
    expect!["5 read = 2 kept + 3 quarantined; 1 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "counted");
}

/// Two at once: the second waits, or stops with exit code 5 (A5).
#[test]
fn two_repairs_at_once() {
    let project = held();
    let first = [
        "quarantine",
        "fix",
        "e_1.csv@1:3",
        "--set",
        "v=a",
        "--reason",
        "first",
    ];
    // It stands between receipt and commit, and holds the feed.
    let stopped = Running::stopped_at(&project, &first, "receipt.after", 1);
    let words = ["discard", "e_1.csv@1:6", "--reason", "second"];
    let refused = quarantine(&project, &words);
    assert_eq!(refused.code, 5, "{}", refused.text());
    let waiting: Vec<&str> = ["quarantine"]
        .into_iter()
        .chain(words)
        .chain(["--wait", "1m"])
        .collect();
    let second = Running::start(&project, &waiting, "");
    for repair in [stopped.go_on(), second.end()] {
        assert_eq!(repair.code, 0, "{}", repair.text());
    }
    project.run(0);
    expect!["4 read = 2 kept + 2 quarantined; 1 discarded; 1 repaired"]
        .assert_eq(&project.accounting("d_silver.t"));
    is_proven(&project, "two at once");
}

/// What silver keeps.
#[derive(Clone, Copy, PartialEq)]
enum Kept {
    Rows,
    Current,
    History,
}

fn cdc(scd: u32) -> String {
    format!(
        "auto_cdc: {{ keys: [k], sequence_by: at, apply_as_deletes: \"op = 'D'\", stored_as_scd_type: {scd} }}\n"
    )
}

/// A row of the model: what it holds now, and what was done to it.
#[derive(Clone)]
struct Row {
    event: Event,
    released: bool,
    discarded: bool,
    touched: bool,
}

impl Row {
    fn breaks(&self) -> bool {
        self.event.value == "x" && !self.event.delete && !self.released
    }
}

/// Random events in random files, in any order of arrival, delivered again, cut into any runs, repaired at any time: silver is what a naive
/// model makes of the rows as they are read, and what a rebuild makes (C3, C4, C6).
#[test]
fn any_repairs_of_any_events_in_any_order() {
    let seeds = Mutex::new(0..12_u64);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let Some(seed) = { seeds.lock().unwrap().next() } {
                    any_repairs(seed);
                }
            });
        }
    });
}

fn any_repairs(seed: u64) {
    let mut dice = Dice(seed);
    let kept = [Kept::Rows, Kept::Current, Kept::History][(seed % 3) as usize];
    let cdc = match kept {
        Kept::Rows => String::new(),
        Kept::Current => cdc(1),
        Kept::History => cdc(2),
    };
    let project = Project::one_feed(
        FEED,
        &format!(
            "from: landing.e\nselect: {{ k: k, v: v, at: cast(at as date) }}\nexpectations: {{ known: {{ expect: \"v <> 'x'\", action: quarantine }} }}\n{cdc}"
        ),
    );
    // By file: its delivery and the rows of it that are read.
    let mut files: BTreeMap<u64, (u64, Vec<Row>)> = BTreeMap::new();
    let mut waiting: BTreeMap<u64, Vec<Row>> = BTreeMap::new();
    for step in 0..14 {
        let case = format!("seed {seed}, step {step}");
        match dice.roll(5) {
            0 | 1 => {
                // A file that is new, or that comes again with other content.
                let file = 1 + dice.roll(6);
                let rows: Vec<Row> = (0..1 + dice.roll(5))
                    .map(|line| random_row(&mut dice, kept, file, line))
                    .collect();
                let mut text = "k,v,at,op\n".to_owned();
                for row in &rows {
                    let op = if row.event.delete { "D" } else { "U" };
                    let (key, value, day) = (&row.event.key, &row.event.value, row.event.day);
                    text.push_str(&format!("{key},{value},2026-01-{day:02},{op}\n"));
                }
                // The number of the row keeps contents apart: equal objects are another rule's affair.
                text = text.replace("k,v,at,op\n", &format!("k,v,at,op,c{file}_{step}\n"));
                text = text.replace("U\n", "U,\n").replace("D\n", "D,\n");
                project.write(&format!("landing/e_{file}.csv"), &text);
                waiting.insert(file, rows);
            }
            2 if waiting.is_empty() && files.is_empty() => {}
            2 => {
                project.run(0);
                for (file, rows) in std::mem::take(&mut waiting) {
                    let delivery = files.get(&file).map_or(1, |(before, _)| before + 1);
                    files.insert(file, (delivery, rows));
                }
                mark_held(&mut files);
                agrees(&project, &files, kept, &case);
            }
            _ => {
                let mut places = Vec::new();
                for (file, (delivery, rows)) in &files {
                    for (line, row) in rows.iter().enumerate().filter(|(_, row)| row.touched) {
                        let id = format!("e_{file}.csv@{delivery}:{}", line + 2);
                        places.push((*file, line, id, row.clone()));
                    }
                }
                if places.is_empty() {
                    continue;
                }
                let chosen = dice.roll(places.len() as u64) as usize;
                let (file, line, id, mut row) = places.swap_remove(chosen);
                let value = if dice.roll(3) == 0 {
                    "x".to_owned()
                } else {
                    dice.roll(3).to_string()
                };
                let day = 1 + dice.roll(6) as u32;
                let (set_v, set_at) = (format!("v={value}"), format!("at=2026-01-{day:02}"));
                let words: Vec<&str> = match dice.roll(3) {
                    0 => {
                        (row.event.value, row.event.day) = (value, day);
                        (row.released, row.discarded) = (false, false);
                        vec![
                            "fix", &id, "--set", &set_v, "--set", &set_at, "--reason", "so",
                        ]
                    }
                    1 => {
                        (row.released, row.discarded) = (true, false);
                        vec!["release", &id, "--rule", "known", "--reason", "so"]
                    }
                    _ => {
                        (row.released, row.discarded) = (false, true);
                        vec!["discard", &id, "--reason", "so"]
                    }
                };
                made(&project, &words);
                files.get_mut(&file).unwrap().1[line] = row;
            }
        }
    }
    for (file, rows) in waiting {
        let delivery = files.get(&file).map_or(1, |(before, _)| before + 1);
        files.insert(file, (delivery, rows));
    }
    if !files.is_empty() {
        project.run(0);
        let case = format!("seed {seed}, end");
        agrees(&project, &files, kept, &case);
        is_proven(&project, &case);
    }
}

fn random_row(dice: &mut Dice, kept: Kept, file: u64, line: u64) -> Row {
    Row {
        event: Event {
            key: ["a", "b", "c"][dice.roll(3) as usize].to_owned(),
            value: match dice.roll(3) {
                0 => "x".to_owned(),
                other => other.to_string(),
            },
            day: 1 + dice.roll(6) as u32,
            delete: kept != Kept::Rows && dice.roll(6) == 0,
            gone: false,
            seq: file * 100 + line,
        },
        released: false,
        discarded: false,
        touched: false,
    }
}

/// Rows that are in quarantine may be repaired from now on.
fn mark_held(files: &mut BTreeMap<u64, (u64, Vec<Row>)>) {
    for row in files.values_mut().flat_map(|(_, rows)| rows) {
        row.touched |= row.breaks();
    }
}

fn agrees(project: &Project, files: &BTreeMap<u64, (u64, Vec<Row>)>, kept: Kept, case: &str) {
    if files.is_empty() {
        return;
    }
    let read = || {
        files
            .values()
            .flat_map(|(_, rows)| rows)
            .filter(|row| !row.discarded)
    };
    let events: Vec<Event> = read()
        .filter(|row| !row.breaks())
        .map(|row| row.event.clone())
        .collect();
    let held = read().filter(|row| row.breaks()).count();
    let columns = match kept {
        Kept::History => "k, v, __START_AT, __END_AT",
        _ => "k, v",
    };
    let found = project.rows(&format!("select {columns} from d_silver.t"));
    let mut found: Vec<&str> = found.lines().skip(1).collect();
    found.sort_unstable();
    let expected = match kept {
        Kept::Rows => {
            let rows = events
                .iter()
                .map(|event| format!("{},{}", event.key, event.value));
            let mut rows: Vec<String> = rows.collect();
            rows.sort();
            rows
        }
        Kept::Current => naive(&events, false),
        Kept::History => naive(&events, true),
    };
    assert_eq!(found, expected, "{case}");
    let listed = quarantine(project, &["list", "--json"]).json();
    let rows = listed["rows"].as_array().unwrap();
    assert_eq!(rows.len(), held, "{case}: held");
}
