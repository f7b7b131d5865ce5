//! Expected deliveries by calendar: what is not there in time is a failed check of its feed, past which nothing is made.

use expect_test::expect;

use crate::project::{Answer, Project};

/// Entries of each business day come in the morning of the next one.
fn project() -> Project {
    Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\ntimezone: Europe/Zurich\nsources:\n  landing: { type: files, path: landing }\n\
             calendar: { holidays: holidays.csv, business_date: day_before }\n",
        ),
        ("holidays.csv", "date\n2026-01-01\n2026-12-25\n"),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: e, mode: incremental, path: \"in/*.csv\", expect: { file: \"in/e_{date:%Y%m%d}*.csv\", by: \"06:00\" } }\n  - { source: landing, name: o, mode: incremental, path: \"other/*.csv\" }\n",
        ),
        (
            "domains/d/silver/t.yaml",
            "from: landing.e\nselect: { id: id }\nkey: [id]\n",
        ),
        (
            "domains/d/silver/o.yaml",
            "from: landing.o\nselect: { id: id }\nkey: [id]\n",
        ),
        ("domains/d/gold/g.sql", "select id from d_silver.t\n"),
        ("domains/d/gold/g.yaml", "key: [id]\n"),
        ("landing/in/e_20261028_1.csv", "id\n1\n"),
        ("landing/other/o.csv", "id\n1\n"),
    ])
}

fn steps(answer: &Answer) -> String {
    let document = answer.json();
    let steps = document["steps"].as_array().unwrap().iter();
    let steps = steps.map(|step| {
        let of = |key: &str| step[key].as_str().unwrap_or("-").to_owned();
        let did = match step["action"].is_null() {
            true => of("status"),
            false => of("action"),
        };
        let error = step["error"]["message"].as_str().unwrap_or_default();
        format!("{} {did} {} {error}\n", of("table"), step["notes"])
    });
    format!("{}exit {}\n", steps.collect::<String>(), answer.code)
}

#[test]
fn what_is_not_there_in_time_stops_what_depends_on_it() {
    let project = project();
    // Friday: the entries of Thursday are due at six.
    let run = |at: &str| project.karat(&["run", "--json", "--quiet", "--at", at]);
    let plan = |at: &str| project.karat(&["plan", "--json", "--quiet", "--at", at]);
    let early = "2026-10-30T04:59:59Z";
    let late = "2026-10-30T05:00:00Z";
    expect![[r#"
        d_bronze.landing__e load ["`in/e_20261029*.csv` is waited for: it is due at 2026-10-30T06:00:00"] 
        d_bronze.landing__o load [] 
        d_silver.o rebuild [] 
        d_silver.t rebuild [] 
        d_gold.g rebuild [] 
        exit 0
    "#]].assert_eq(&steps(&plan(early)));
    expect![[r#"
        d_bronze.landing__e done ["`in/e_20261029*.csv` is waited for: it is due at 2026-10-30T06:00:00"] 
        d_bronze.landing__o done [] 
        d_silver.o done [] 
        d_silver.t done [] 
        d_gold.g done [] 
        exit 0
    "#]].assert_eq(&steps(&run(early)));
    // What is waited for is left to do: the day stays open (A8).
    let close = |at: &str| project.karat(&["close", "2026-10-29", "--at", at]);
    expect![[r#"
        --- stderr
        error: 2026-10-29 cannot be closed: 1 step is not done: `d_bronze.landing__e` (`in/e_20261029*.csv` is waited for: it is due at 2026-10-30T06:00:00)
        hint: bring it to an end first: `karat run --business-date 2026-10-29`
        --- exit 1
    "#]].assert_eq(&close(early).text());
    project.write("landing/in/e_20261027.csv", "id\n2\n");
    expect![[r#"
        d_bronze.landing__e fail [] `d_bronze.landing__e`: `in/e_20261029*.csv` was expected for 2026-10-29 by 2026-10-30T06:00:00 (Europe/Zurich) and is not there
        d_bronze.landing__o nothing [] 
        d_silver.o nothing [] 
        d_silver.t skip [] 
        d_gold.g skip [] 
        exit 1
    "#]].assert_eq(&steps(&plan(late)));
    expect![[r#"
        d_bronze.landing__e failed [] `d_bronze.landing__e`: `in/e_20261029*.csv` was expected for 2026-10-29 by 2026-10-30T06:00:00 (Europe/Zurich) and is not there
        d_bronze.landing__o unchanged [] 
        d_silver.o unchanged [] 
        d_silver.t skipped ["skipped: `d_bronze.landing__e` failed"] 
        d_gold.g skipped ["skipped: `d_silver.t` failed"] 
        exit 1
    "#]].assert_eq(&steps(&run(late)));
    // What has come was loaded, and the run is on record; again it fails, and writes nothing.
    let files = project.lake_files();
    let again = project.karat(&["run", "--quiet", "--at", late]);
    expect![[r#"
                 table                version   time  rows
        failed   d_bronze.landing__e           N s
        skipped  d_silver.t                    N s
        skipped  d_gold.g                      N s
        run RUN: 0 tables written, 2 unchanged, 1 failed, 2 skipped, N s
        head DIGEST
        --- stderr
        error: `d_bronze.landing__e`: `in/e_20261029*.csv` was expected for 2026-10-29 by 2026-10-30T06:00:00 (Europe/Zurich) and is not there
        hint: what depends on it is not made before it has come: ask for it, and run again
        --- exit 1
    "#]].assert_eq(&again.text());
    assert_eq!(files, project.lake_files());
    // What was loaded is counted as written, whatever is overdue beside it.
    let another = Project::copy_of(&project);
    another.write("landing/in/e_20261026.csv", "id\n7\n");
    let loaded = another.karat(&["run", "--quiet", "--at", late]);
    assert!(
        loaded
            .stdout
            .contains(": 1 table written, 2 unchanged, 1 failed"),
        "{}",
        loaded.text()
    );
    // Nor is gold made past it by itself.
    let only = project.karat(&[
        "run", "--json", "--quiet", "--at", late, "--select", "d_gold.g",
    ]);
    expect![[r#"
        d_gold.g failed [] `d_bronze.landing__e`: `in/e_20261029*.csv` was expected for 2026-10-29 by 2026-10-30T06:00:00 (Europe/Zurich) and is not there
        exit 1
    "#]].assert_eq(&steps(&only));
    let log = project.karat(&[
        "query",
        "--quiet",
        "--format",
        "csv",
        "select distinct error from karat.steps where status = 'failed' and kind = 'load'",
    ]);
    expect![[r#"
        error
        `d_bronze.landing__e`: `in/e_20261029*.csv` was expected for 2026-10-29 by 2026-10-30T06:00:00 (Europe/Zurich) and is not there
        --- exit 0
    "#]].assert_eq(&log.text());
    project.write("landing/in/e_20261029_1.csv", "id\n3\n");
    expect![[r#"
        d_bronze.landing__e done [] 
        d_bronze.landing__o unchanged [] 
        d_silver.o unchanged [] 
        d_silver.t done [] 
        d_gold.g done [] 
        exit 0
    "#]]
    .assert_eq(&steps(&run(late)));
    let closed = close(late);
    assert_eq!(closed.code, 0, "{}", closed.text());
    // Over the weekend nothing is due; on Monday the entries of Friday are.
    let sunday = run("2026-11-01T12:00:00Z");
    assert_eq!(sunday.code, 0, "{}", sunday.text());
    let monday = run("2026-11-02T06:00:00Z");
    assert_eq!(monday.code, 1, "{}", monday.text());
    // Another day can be run for.
    let thursday = project.karat(&[
        "run",
        "--quiet",
        "--at",
        "2026-11-02T06:00:00Z",
        "--business-date",
        "2026-10-29",
    ]);
    assert_eq!(thursday.code, 0, "{}", thursday.text());
}

#[test]
fn a_file_that_cannot_be_loaded_is_not_there_either() {
    let project = project();
    project.write("landing/in/e_20261029.csv", "id,id\n1,2\n");
    let at = "2026-10-30T07:00:00Z";
    let run = project.karat(&["run", "--json", "--quiet", "--at", at]);
    expect![[r#"
        d_bronze.landing__e failed [] `d_bronze.landing__e`: `in/e_20261029*.csv` was expected for 2026-10-29 by 2026-10-30T06:00:00 (Europe/Zurich) and cannot be loaded: its header cannot be read: `id` (column 1) and `id` (column 2) are both `id` in lower case letters, digits and `_`
        d_bronze.landing__o done [] 
        d_silver.o done [] 
        d_silver.t skipped ["skipped: `d_bronze.landing__e` failed"] 
        d_gold.g skipped ["skipped: `d_silver.t` failed"] 
        exit 1
    "#]].assert_eq(&steps(&run));
    // A calendar without the day.
    let next_year = project.karat(&["plan", "--at", "2027-01-05T07:00:00Z"]);
    expect![[r#"
        --- stderr
        error: `d_bronze.landing__e` asks for the business date, and the calendar does not cover 2027-01-04: its holidays (holidays.csv) are those of 2026
        hint: add the holidays of 2027 to holidays.csv, or give `--business-date`
        --- exit 2
    "#]].assert_eq(&next_year.text());
    let day = project.karat(&[
        "plan",
        "--quiet",
        "--at",
        at,
        "--business-date",
        "2026-12-31",
        "--select",
        "d_bronze.landing__e",
    ]);
    expect![[r#"
        given   business_date() = 2026-12-31
        step  table                would  because                                                                                                                                       reads  takes
        load  d_bronze.landing__e  FAIL   which file `d_bronze.landing__e` expects is not known: the calendar does not cover 2027-01-01: its holidays (holidays.csv) are those of 2026
        1 step would fail, with exit 2; nothing was written
        --- stderr
        error: which file `d_bronze.landing__e` expects is not known: the calendar does not cover 2027-01-01: its holidays (holidays.csv) are those of 2026
        hint: add the holidays of 2027 to holidays.csv
        --- exit 2
    "#]].assert_eq(&day.text());
}

/// Text and JSON say the same of deliveries (H3), with tables and without; a day without a date is told as a run tells it.
#[test]
fn status_tells_what_is_expected() {
    let project = project();
    // Due at the first minute of the last business day, whichever day it is.
    let karat =
        "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\ncalendar: {}\n";
    project.write("karat.yaml", karat);
    let domain = std::fs::read_to_string(project.path("domains/d/domain.yaml")).unwrap();
    project.write("domains/d/domain.yaml", &domain.replace("06:00", "00:00"));
    let overdue = || {
        let status = project.karat(&["status"]);
        assert_eq!(status.code, 1, "{}", status.text());
        let lines = status.stdout.lines();
        let mut lines =
            lines.filter(|line| line.starts_with("overdue    d_bronze.landing__e: in/e_"));
        assert!(
            lines.next().is_some() && lines.next().is_none(),
            "{}",
            status.text()
        );
        let json = project.karat(&["status", "--json"]);
        assert_eq!(json.code, 1, "{}", json.text());
        let expected = json.json()["expected"].clone();
        assert_eq!(expected.as_array().unwrap().len(), 1, "{expected}");
        assert_eq!(expected[0]["standing"], "overdue");
        status.stdout
    };
    assert!(overdue().starts_with("the lake has no tables yet; `karat run` makes them\n"));
    assert_eq!(project.karat(&["run", "--quiet"]).code, 1);
    assert!(overdue().starts_with("table "));
    // The holidays are those of a year that is over.
    project.write(
        "karat.yaml",
        &karat.replace("{}", "{ holidays: holidays.csv }"),
    );
    project.write("holidays.csv", "date\n2020-01-01\n");
    let (status, run) = (project.karat(&["status"]), project.karat(&["run"]));
    assert_eq!((status.code, run.code), (2, 2), "{}", status.text());
    assert!(status.stdout.starts_with("table "), "{}", status.text());
    assert_eq!(status.stderr, run.stderr);
    assert!(
        status
            .stderr
            .contains("asks for the business date, and the calendar does not cover"),
        "{}",
        status.stderr
    );
}
