//! Parameters, the calendar, and what asks for them (A9).

use expect_test::expect;
use karat_project::{Day, Project};

use crate::{KARAT, SALES, diagnostics, load_text};

fn with(project: &str, more: &str) -> String {
    format!("{KARAT}{project}{SALES}{more}")
}

fn sound(files: &str) -> Project {
    load_text(files).sound().unwrap_or_else(|mistakes| {
        panic!(
            "{}",
            mistakes
                .iter()
                .map(|one| format!("{one}\n"))
                .collect::<String>()
        )
    })
}

const MODELS: &str = "\
--- domains/sales/silver/plans.yaml
from: landing.plans
select: { id: id, amount: 'cast(amount as decimal(9,2)) * $Rate -- $other' }
expectations: { late: { expect: \"day <= business_date() and id <> '$none'\", action: drop } }
checks: { few: { sql: 'select id from this where amount > $limit' } }
--- domains/sales/gold/revenue.sql
select p.business_date, p.id from (select id, current_date as business_date from sales_silver.plans) as p where p.id <> $region
--- domains/sales/gold/plain.sql
select id from sales_silver.plans
";

const PARAMS: &str = "\
params:
  rate: { type: \"DECIMAL( 9,4 )\", default: 1.5 }
  limit: { type: bigint, default: 007 }
  region: { type: string, description: where }
";

#[test]
fn models_ask_for_what_is_declared() {
    let select = "select: { id: id, amount: 'cast(amount as decimal(9,2)) * $Rate -- $other', day: cast(day as date) }";
    let models = MODELS.replace(
        "select: { id: id, amount: 'cast(amount as decimal(9,2)) * $Rate -- $other' }",
        select,
    );
    let project = sound(&with(PARAMS, &models));
    let asks: Vec<String> = project
        .models
        .iter()
        .map(|model| {
            let checks: Vec<&String> = model.checks.iter().flat_map(|check| &check.asks).collect();
            let code = model.code_text().lines();
            let code: Vec<&str> = code.filter(|line| line.starts_with("param")).collect();
            format!("{} {:?} {checks:?} {code:?}", model.name, model.asks)
        })
        .collect();
    expect![[r#"
        sales_silver.plans ["$rate", "business_date()"] ["$limit"] ["param rate decimal(9, 4)"]
        sales_gold.plain [] [] []
        sales_gold.revenue ["$region"] [] ["param region string"]"#]]
    .assert_eq(&asks.join("\n"));
    let params: Vec<String> = project
        .params
        .values()
        .map(|param| format!("{} {} {:?}", param.name, param.of, param.default))
        .collect();
    expect![[r#"
        limit bigint Some("7")
        rate decimal(9, 4) Some("1.5000")
        region string None"#]]
    .assert_eq(&params.join("\n"));
}

#[test]
fn what_is_wrong_with_parameters() {
    let params = "\
params:
  rat: { type: decimal(9,4), default: much }
  business_date: { type: date }
  region: { type: text }
  limit: {}
";
    expect![[r#"
        error: `$region` is no parameter of the project
         --> domains/sales/gold/revenue.sql:1:121
          |
        1 | …p.business_date, p.id from (select id, current_date as business_date from sales_silver.plans) as p where p.id <> $region
          |                                                                                                                   ^^^^^^^
          = hint: declare it in karat.yaml: `params: { region: { type: date } }`

        error: `$rate` is no parameter of the project
         --> domains/sales/silver/plans.yaml:2:59
          |
        2 | select: { id: id, amount: 'cast(amount as decimal(9,2)) * $Rate -- $other' }
          |                                                           ^^^^^
          = hint: declare it in karat.yaml: `params: { rate: { type: date } }`

        error: unknown column `day`: `select` does not name it
         --> domains/sales/silver/plans.yaml:3:34
          |
        3 | expectations: { late: { expect: "day <= business_date() and id <> '$none'", action: drop } }
          |                                  ^^^
          = hint: an expectation sees the selected columns (C2)

        error: `$limit` is no parameter of the project
         --> domains/sales/silver/plans.yaml:4:59
          |
        4 | checks: { few: { sql: 'select id from this where amount > $limit' } }
          |                                                           ^^^^^^
          = hint: declare it in karat.yaml: `params: { limit: { type: date } }`

        error: `decimal(9` is no type of a parameter
         --> karat.yaml:7:16
          |
        7 |   rat: { type: decimal(9,4), default: much }
          |                ^^^^^^^^^
          = hint: one of string, boolean, integer, bigint, decimal(18, 2), date, timestamp

        error: unknown key `4)` in a parameter
         --> karat.yaml:7:26
          |
        7 |   rat: { type: decimal(9,4), default: much }
          |                          ^^
          = hint: a comma within `{ … }` ends a value: put the SQL in quotes, or write each column on its own line

        error: `business_date` is no parameter: every run has one
         --> karat.yaml:8:3
          |
        8 |   business_date: { type: date }
          |   ^^^^^^^^^^^^^
          = hint: remove it; SQL asks for it by `business_date()`, `--business-date` gives it

        error: `text` is no type of a parameter
         --> karat.yaml:9:19
          |
        9 |   region: { type: text }
          |                   ^^^^
          = hint: one of string, boolean, integer, bigint, decimal(18, 2), date, timestamp

        error: `type` is missing in a parameter
          --> karat.yaml:10:10
           |
        10 |   limit: {}
           |          ^
           = hint: it needs: type
    "#]].assert_eq(&diagnostics(&with(params, MODELS)));
    expect![[r#"
        error: `$day` is no parameter of the project
         --> domains/sales/gold/one.sql:1:46
          |
        1 | select id from sales_silver.plans where id > $day
          |                                              ^^^^
          = hint: declare it in karat.yaml: `params: { day: { type: date } }`
    "#]].assert_eq(&diagnostics(&with(
        "",
        "--- domains/sales/gold/one.sql\nselect id from sales_silver.plans where id > $day\n--- domains/sales/silver/plans.yaml\nfrom: landing.plans\nselect: { id: id }\n",
    )));
}

#[test]
fn what_is_wrong_with_an_expected_delivery() {
    let told = |calendar: &str, feed: &str| {
        diagnostics(&format!(
            "{KARAT}{calendar}--- domains/sales/domain.yaml\ndomain: sales\nfeeds:\n  - {{ {feed} }}\n"
        ))
    };
    let calendar = "calendar: {}\n";
    let file = "source: landing, name: e, mode: incremental, path: e.csv, expect:";
    let fine =
        format!("{file} {{ file: 'e_{{date:%y%m%d}}_*.csv', by: '23:59', date: day_before }}");
    assert_eq!(told(calendar, &fine), "nothing to say");
    expect![[r#"
        error: `expect` needs to know which days are business days
         --> domains/sales/domain.yaml:3:65
          |
        3 | …{ source: landing, name: e, mode: incremental, path: e.csv, expect: { file: 'e_{date:%y%m%d}_*.csv', by: '23:59', date: …
          |                                                              ^^^^^^
          = hint: declare a `calendar` in karat.yaml, like `calendar: { holidays: calendar/holidays.csv }`
    "#]].assert_eq(&told("", &fine));
    expect![[r#"
        error: the file has no date: every day's would be the same
         --> domains/sales/domain.yaml:3:81
          |
        3 |   - { source: landing, name: e, mode: incremental, path: e.csv, expect: { file: e.csv, by: 6 } }
          |                                                                                 ^^^^^
          = hint: write `{date}` where it stands, or `{date:%Y%m%d}` for 20261030

        error: `6` is no time of the day
         --> domains/sales/domain.yaml:3:92
          |
        3 |   - { source: landing, name: e, mode: incremental, path: e.csv, expect: { file: e.csv, by: 6 } }
          |                                                                                            ^
          = hint: write it like `"06:00"`, in the project's time zone
    "#]].assert_eq(&told(calendar, &format!("{file} {{ file: e.csv, by: 6 }}")));
    expect![[r#"
        error: `file`: `{day}` stands for nothing
         --> domains/sales/domain.yaml:3:81
          |
        3 |   - { source: landing, name: e, mode: incremental, path: e.csv, expect: { file: 'e_{day}', by: '24:00' } }
          |                                                                                 ^^^^^^^^^
          = hint: write `{date}` for 2026-10-30, `{date:%Y%m%d}` for 20261030

        error: `24:00` is no time of the day
         --> domains/sales/domain.yaml:3:96
          |
        3 |   - { source: landing, name: e, mode: incremental, path: e.csv, expect: { file: 'e_{day}', by: '24:00' } }
          |                                                                                                ^^^^^^^^
          = hint: write it like `"06:00"`, in the project's time zone
    "#]].assert_eq(&told(
        calendar,
        &format!("{file} {{ file: 'e_{{day}}', by: '24:00' }}"),
    ));
    expect![[r#"
        error: `by` is missing in an expected delivery
         --> domains/sales/domain.yaml:3:73
          |
        3 |   - { source: landing, name: e, mode: incremental, path: e.csv, expect: { file: 'e_{date:%B}', date: today } }
          |                                                                         ^
          = hint: it needs: file, by

        error: `date` must be `business_date` or `day_before`, found `today`
         --> domains/sales/domain.yaml:3:102
          |
        3 |   - { source: landing, name: e, mode: incremental, path: e.csv, expect: { file: 'e_{date:%B}', date: today } }
          |                                                                                                      ^^^^^
    "#]].assert_eq(&told(
        calendar,
        &format!("{file} {{ file: 'e_{{date:%B}}', date: today }}"),
    ));
    expect![[r#"
        error: `expect` says nothing for a sqlite source
         --> domains/sales/domain.yaml:3:43
          |
        3 |   - { source: shop, table: t, mode: full, expect: { file: '{date}', by: '06:00' } }
          |                                           ^^^^^^
          = hint: remove it
    "#]]
    .assert_eq(&told(
        calendar,
        "source: shop, table: t, mode: full, expect: { file: '{date}', by: '06:00' }",
    ));
}

fn dates(calendar: &str, holidays: &str, days: &[&str]) -> String {
    let files = with(
        &format!("calendar: {calendar}\n"),
        &format!("--- c/h.csv\n{holidays}"),
    );
    let calendar = sound(&files).calendar.unwrap();
    let shown = days.iter().map(|text| {
        let day = Day::parse(text).unwrap();
        match calendar.business_date(day) {
            Ok(date) => format!("{text} {date}\n"),
            Err(error) => format!("{text} {error}; {}\n", error.hint()),
        }
    });
    shown.collect()
}

#[test]
fn the_business_date_of_a_day() {
    // Good Friday and Easter Monday of 2026 are 3 and 6 April.
    let easter =
        "name,date\nGood Friday,2026-04-03\n\n\"Easter, Monday\",2026-04-06\nNew Year,2026-01-01\n";
    let days = [
        "2026-04-02",
        "2026-04-03",
        "2026-04-06",
        "2026-04-07",
        "2026-04-08",
        "2026-01-01",
        "2027-01-01",
    ];
    expect![[r#"
        2026-04-02 2026-04-02
        2026-04-03 2026-04-02
        2026-04-06 2026-04-02
        2026-04-07 2026-04-07
        2026-04-08 2026-04-08
        2026-01-01 the calendar does not cover 2025-12-31: its holidays (c/h.csv) are those of 2026; add the holidays of 2025 to c/h.csv
        2027-01-01 the calendar does not cover 2027-01-01: its holidays (c/h.csv) are those of 2026; add the holidays of 2027 to c/h.csv
    "#]].assert_eq(&dates("{ holidays: c/h.csv }", easter, &days));
    expect![[r#"
        2026-04-02 2026-04-01
        2026-04-03 2026-04-02
        2026-04-06 2026-04-02
        2026-04-07 2026-04-02
        2026-04-08 2026-04-07
        2026-01-01 the calendar does not cover 2025-12-31: its holidays (c/h.csv) are those of 2026; add the holidays of 2025 to c/h.csv
        2027-01-01 2026-12-31
    "#]].assert_eq(&dates(
        "{ holidays: c/h.csv, business_date: day_before }",
        easter,
        &days,
    ));
    // Without holidays every year is covered; a weekend can be another.
    expect![[r#"
        2026-04-04 2026-04-02
        1999-12-31 1999-12-30
    "#]]
    .assert_eq(&dates(
        "{ weekend: [friday, saturday] }",
        "",
        &["2026-04-04", "1999-12-31"],
    ));
    expect![[r#"
        2026-04-04 2026-04-04
    "#]]
    .assert_eq(&dates("{ weekend: [] }", "", &["2026-04-04"]));
}

#[test]
fn what_is_wrong_with_a_calendar() {
    let told = |calendar: &str, holidays: &str| {
        let files = with(
            &format!("calendar: {calendar}\n"),
            &format!("--- c/h.csv\n{holidays}"),
        );
        diagnostics(&files)
    };
    let of_file = "{ holidays: c/h.csv }";
    expect![[r#"
        error: `26.12.2026` is no day
         --> c/h.csv:3:1
          |
        3 | 26.12.2026
          | ^^^^^^^^^^
          = hint: write holidays like 2026-12-25, one a row, in the first column or in one called `date`
    "#]].assert_eq(&told(of_file, "date\n2026-12-25\n26.12.2026\n"));
    expect![[r#"
        error: the file has no holiday
         --> c/h.csv
          = hint: write one a row, like 2026-12-25; without holidays leave `holidays` out of the calendar
    "#]].assert_eq(&told(of_file, "date\n"));
    expect![[r#"
        error: the holidays of 2025 are missing between those of other years
         --> c/h.csv
          = hint: a calendar covers the years from its first holiday to its last: add them
    "#]]
    .assert_eq(&told(of_file, "2024-12-25\n2026-12-25\n"));
    expect![[r#"
        error: `../h.csv` does not lie in the project folder
         --> karat.yaml:6:23
          |
        6 | calendar: { holidays: ../h.csv, weekend: [sun] }
          |                       ^^^^^^^^
          = hint: holidays decide what rows are made: keep them with the project, like `calendar/holidays.csv`

        error: `weekend` must be `monday`, `tuesday`, `wednesday`, `thursday`, `friday`, `saturday` or `sunday`, found `sun`
         --> karat.yaml:6:43
          |
        6 | calendar: { holidays: ../h.csv, weekend: [sun] }
          |                                           ^^^
    "#]].assert_eq(&told("{ holidays: ../h.csv, weekend: [sun] }", ""));
    expect![[r#"
        error: cannot read the file: no such file or directory
         --> c/none.csv
    "#]]
    .assert_eq(&told("{ holidays: c/none.csv }", ""));
    expect![[r#"
        error: no day of the week is left for business
         --> karat.yaml:6:13
          |
        6 | calendar: { weekend: [monday, tuesday, wednesday, thursday, friday, saturday, sunday] }
          |             ^^^^^^^
          = hint: name the days of the weekend
    "#]]
    .assert_eq(&told(
        "{ weekend: [monday, tuesday, wednesday, thursday, friday, saturday, sunday] }",
        "",
    ));
}
