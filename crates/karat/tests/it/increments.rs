//! Gold that is kept up to date: of `incremental: { by }` only what changes of the inputs touch is computed, and the table is a rebuild's (A7).

use expect_test::expect;

use crate::dice::Dice;
use crate::project::Project;

const DAILY: &str = "select t.day, a.name, sum(t.v) as total, count(*) as n
from d_silver.t as t join d_silver.a as a on t.acc = a.acc group by t.day, a.name";

fn project() -> Project {
    Project::of(&[
        (
            "karat.yaml",
            "karat: 1\nproject: p\nsources:\n  landing: { type: files, path: landing }\n",
        ),
        (
            "domains/d/domain.yaml",
            "domain: d\nfeeds:\n  - { source: landing, name: e, mode: incremental, path: \"e_*.csv\" }\n  - { source: landing, name: a, mode: incremental, path: \"a_*.csv\" }\n",
        ),
        (
            "domains/d/silver/t.yaml",
            "from: landing.e\nselect:\n  id: cast(id as bigint)\n  day: cast(day as date)\n  acc: acc\n  v: \"cast(v as decimal(18,2))\"\n  op: op\nauto_cdc: { keys: [id], apply_as_deletes: \"op = 'D'\" }\n",
        ),
        (
            "domains/d/silver/a.yaml",
            "from: landing.a\nselect: { acc: acc, name: name }\nauto_cdc: { keys: [acc] }\n",
        ),
        ("domains/d/gold/daily.sql", DAILY),
        (
            "domains/d/gold/daily.yaml",
            "key: [day, name]\nincremental: { by: [day], rebuild_on: [d_silver.a] }\n",
        ),
        ("landing/a_1.csv", "acc,name\na0,zero\na1,one\na2,two\n"),
    ])
}

fn how(project: &Project, table: &str) -> String {
    let run = project.karat(&["run", "--json"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let run = run.json();
    let steps = run["steps"].as_array().unwrap();
    let step = steps.iter().find(|step| step["table"] == table).unwrap();
    step["how"].as_str().unwrap_or("nothing to do").to_owned()
}

/// What a run does, and why, as a person sees it before and after.
#[test]
pub(crate) fn only_the_days_that_changed_are_computed() {
    let project = project();
    project.write(
        "landing/e_1.csv",
        "id,day,acc,v,op\n1,2026-01-01,a0,1,I\n2,2026-01-01,a1,2,I\n3,2026-01-02,a1,3,I\n4,2026-01-03,a2,4,I\n5,,a2,5,I\n",
    );
    expect!["rebuild: first version"].assert_eq(&how(&project, "d_gold.daily"));
    // A correction moves a row to another day, a delete empties one, a row without a day is one of those.
    project.write(
        "landing/e_2.csv",
        "id,day,acc,v,op\n1,2026-01-02,a0,1,I\n4,,,,D\n6,,a0,6,I\n",
    );
    let silver = project.karat(&[
        "run",
        "--quiet",
        "--select",
        "landing.e",
        "--select",
        "d_silver.t",
    ]);
    assert_eq!(silver.code, 0, "{}", silver.text());
    let plan = project.karat(&["plan", "--json"]).json();
    let steps = plan["steps"].as_array().unwrap();
    let gold = steps
        .iter()
        .find(|step| step["table"] == "d_gold.daily")
        .unwrap();
    expect!["incremental 4 of 4 `day`: `d_silver.t` changed"].assert_eq(&format!(
        "{} {}",
        gold["action"].as_str().unwrap(),
        gold["reason"].as_str().unwrap()
    ));
    expect!["incremental: 4 of 4 `day`: `d_silver.t` changed"]
        .assert_eq(&how(&project, "d_gold.daily"));
    expect![[r#"
        day,name,total,n
        2026-01-01,one,2.00,1
        2026-01-02,one,3.00,1
        2026-01-02,zero,1.00,1
        ,two,5.00,1
        ,zero,6.00,1
    "#]]
    .assert_eq(&project.rows("select * from d_gold.daily"));
    // A row that only changes what no model reads, and comes back: nothing of gold is another.
    project.write("landing/e_3.csv", "id,day,acc,v,op\n3,2026-01-02,a1,3,U\n");
    expect!["incremental: 1 of 3 `day`: `d_silver.t` changed"]
        .assert_eq(&how(&project, "d_gold.daily"));
    expect!["nothing to do"].assert_eq(&how(&project, "d_gold.daily"));
    // What does not hold the day is read whole.
    project.write("landing/a_2.csv", "acc,name\na1,uno\n");
    expect!["rebuild: `d_silver.a` changed, which is read whole"]
        .assert_eq(&how(&project, "d_gold.daily"));
    let replayed = project.karat(&["replay", "--rebuild", "d_gold.daily@1"]);
    assert_eq!(replayed.code, 0, "{}", replayed.text());
    let verified = project.karat(&["verify", "--all"]);
    assert_eq!(verified.code, 0, "{}", verified.text());
}

/// Joins, grouping, distinct, windows, unions, a table of a table: after any changes the rows of a rebuild.
#[test]
fn any_changes_give_the_table_of_a_rebuild() {
    for seed in 0..2 {
        let mut dice = Dice(700 + seed);
        let parts = project();
        for (name, sql, yaml) in [
            (
                "pairs",
                "select t.day, t.id, u.id as other, t.v - u.v as more from d_silver.t as t, d_silver.t as u where t.day = u.day and t.acc = u.acc and t.id < u.id",
                "incremental: { by: [day] }\n",
            ),
            (
                "kinds",
                "select distinct day, acc from d_silver.t where v > 3",
                "key: [day, acc]\nincremental: { by: [day] }\n",
            ),
            (
                "ranks",
                "select day, id, row_number() over (partition by day order by v, id) as place, sum(v) over (partition by day, acc) as of_acc from d_silver.t",
                "incremental: { by: [day] }\n",
            ),
            (
                "moves",
                "select day, acc, v from d_silver.t where op = 'U' union all select day, name, total from d_gold.daily",
                "incremental: { by: [day] }\n",
            ),
            (
                "lonely",
                "select t.day, t.acc, count(*) as n from d_silver.t as t left join (select day from d_gold.daily where n > 2 group by day) as g on g.day = t.day where g.day is null group by t.day, t.acc",
                "incremental: { by: [day] }\n",
            ),
            (
                "outer_days",
                "select t.day, t.id, g.total from d_silver.t as t left join d_gold.daily as g on g.day = t.day and g.n = 1",
                "incremental: { by: [day] }\n",
            ),
        ] {
            parts.write(&format!("domains/d/gold/{name}.sql"), sql);
            parts.write(&format!("domains/d/gold/{name}.yaml"), yaml);
        }
        let mut incremental = 0;
        for round in 0..5 {
            let mut text = "id,day,acc,v,op\n".to_owned();
            let rows = if round == 0 { 60 } else { 1 + dice.roll(4) };
            for _ in 0..rows {
                let day = match dice.roll(12) {
                    0 => String::new(),
                    day => format!("2026-01-{day:02}"),
                };
                let op = ["I", "U", "D", "I"][dice.roll(4) as usize];
                let (id, acc, v) = (dice.roll(80), dice.roll(4), dice.roll(9));
                text += &format!("{id},{day},a{acc},{v}.25,{op}\n");
            }
            parts.write(&format!("landing/e_{round}.csv"), &text);
            if round == 3 {
                parts.write("landing/a_2.csv", "acc,name\na3,three\na0,nil\n");
            }
            let run = parts.karat(&["run", "--json"]);
            assert_eq!(run.code, 0, "seed {seed}: {}", run.text());
            let steps = run.json()["steps"].as_array().unwrap().clone();
            let is_part = |step: &&serde_json::Value| {
                step["kind"] == "gold"
                    && step["how"]
                        .as_str()
                        .is_some_and(|how| how.starts_with("incremental"))
            };
            incremental += steps.iter().filter(is_part).count();
            let whole = Project::copy_of(&parts);
            whole.remove("lake");
            whole.remove(".karat");
            whole.run(0);
            for table in [
                "daily",
                "pairs",
                "kinds",
                "ranks",
                "moves",
                "lonely",
                "outer_days",
            ] {
                let table = format!("d_gold.{table}");
                let rows = |project: &Project| project.rows(&format!("select * from {table}"));
                assert_eq!(
                    rows(&parts),
                    rows(&whole),
                    "seed {seed}, round {round}, {table}"
                );
                assert_eq!(
                    parts.fingerprint(&table),
                    whole.fingerprint(&table),
                    "seed {seed}, round {round}, {table}"
                );
            }
        }
        assert!(incremental > 15, "seed {seed}: {incremental}");
        let verified = parts.karat(&["verify", "--all"]);
        assert_eq!(verified.code, 0, "{}", verified.text());
    }
}

/// What could touch any row is refused, with the reason and the place.
#[test]
fn a_model_whose_inputs_do_not_hold_the_columns_is_refused() {
    let project = project();
    project.write("landing/e_1.csv", "id,day,acc,v,op\n");
    let told = |sql: &str, yaml: &str| {
        project.write("domains/d/gold/daily.sql", sql);
        project.write("domains/d/gold/daily.yaml", yaml);
        let validated = project.karat(&["validate"]);
        assert_eq!(validated.code, 2, "{}", validated.text());
        validated.stderr
    };
    let by_day = "incremental: { by: [day] }\n";
    let mut all = String::new();
    for (sql, yaml) in [
        (DAILY, by_day),
        (
            "select day, sum(v) over (order by id) as running from d_silver.t",
            by_day,
        ),
        (
            "select date_trunc('month', day) as day, sum(v) as v from d_silver.t group by 1",
            by_day,
        ),
        (
            "select day, v from d_silver.t order by v, id limit 10",
            by_day,
        ),
        (
            "select t.day, (select max(v) from d_silver.t) as most from d_silver.t as t",
            by_day,
        ),
        (
            "select t.day from d_silver.t as t where t.v = any (select v from d_silver.t as u where u.v > 1)",
            by_day,
        ),
        (
            "select day, v from d_silver.t",
            "incremental: { by: [week] }\n",
        ),
        (
            "select day, v from d_silver.t",
            "key: [v]\nincremental: { by: [day] }\n",
        ),
        (
            "select day, v from d_silver.t",
            "incremental: { by: [day], rebuild_on: [d_silver.a, nonsense] }\n",
        ),
        ("select day, v from d_silver.t", "incremental: { by: [] }\n"),
    ] {
        all += &told(sql, yaml);
        all += "\n";
    }
    expect![[r#"
        error: `d_gold.daily` cannot be computed by `day` alone: all of `d_silver.a` is read, since a join with it does not equate `day`
         --> domains/d/gold/daily.yaml:1:14
          |
        1 | incremental: { by: [day] }
          |              ^^^^^^^^^^^^
          = hint: carry `day` from every table to the answer, or state `rebuild_on: [d_silver.a]`: a change of it computes all


        error: `d_gold.daily` cannot be computed by `day` alone: all of `d_silver.t` is read, since a window sees rows of other values of `day`
         --> domains/d/gold/daily.yaml:1:14
          |
        1 | incremental: { by: [day] }
          |              ^^^^^^^^^^^^
          = hint: leave out `incremental`: no part of the model can be told, and it is computed in full


        error: `d_gold.daily` cannot be computed by `day` alone: all of `d_silver.t` is read, since its rows are grouped by `date_trunc('month', d_silver.t.day)`, and no column of it holds that
         --> domains/d/gold/daily.yaml:1:14
          |
        1 | incremental: { by: [day] }
          |              ^^^^^^^^^^^^
          = hint: leave out `incremental`: no part of the model can be told, and it is computed in full


        error: `d_gold.daily` cannot be computed by `day` alone: all of `d_silver.t` is read, since LIMIT counts rows of all values
         --> domains/d/gold/daily.yaml:1:14
          |
        1 | incremental: { by: [day] }
          |              ^^^^^^^^^^^^
          = hint: leave out `incremental`: no part of the model can be told, and it is computed in full


        error: `d_gold.daily` cannot be computed by `day` alone: all of `d_silver.t` is read, since a subquery asks it for rows of all values
         --> domains/d/gold/daily.yaml:1:14
          |
        1 | incremental: { by: [day] }
          |              ^^^^^^^^^^^^
          = hint: leave out `incremental`: no part of the model can be told, and it is computed in full


        error: `d_gold.daily` cannot be computed by `day` alone: all of `d_silver.t` is read, since a subquery asks it for rows of all values
         --> domains/d/gold/daily.yaml:1:14
          |
        1 | incremental: { by: [day] }
          |              ^^^^^^^^^^^^
          = hint: leave out `incremental`: no part of the model can be told, and it is computed in full


        error: unknown column `week`
         --> domains/d/gold/daily.yaml:1:21
          |
        1 | incremental: { by: [week] }
          |                     ^^^^
          = hint: it must be a column of the model


        error: `key` does not hold `day`
         --> domains/d/gold/daily.yaml:2:21
          |
        2 | incremental: { by: [day] }
          |                     ^^^
          = hint: a key is proved among the rows that are computed: add the column to `key`, or leave `key` out


        error: `d_gold.daily` does not read `d_silver.a`, which `rebuild_on` names
         --> domains/d/gold/daily.yaml:1:14
          |
        1 | incremental: { by: [day], rebuild_on: [d_silver.a, nonsense] }
          |              ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
          = hint: name tables that the SELECT reads

        error: `nonsense` is no table name
         --> domains/d/gold/daily.yaml:1:52
          |
        1 | incremental: { by: [day], rebuild_on: [d_silver.a, nonsense] }
          |                                                    ^^^^^^^^
          = hint: write it like `sales_silver.orders`


        error: `by` names no column
         --> domains/d/gold/daily.yaml:1:14
          |
        1 | incremental: { by: [] }
          |              ^^^^^^^^^
          = hint: name the columns whose values tell which rows to compute again


    "#]].assert_eq(&all);
}

/// Checks are made on the whole version that a part would make, and hold it back as a rebuild's (C7).
#[test]
pub(crate) fn checks_see_the_whole_version() {
    let project = project();
    project.write(
        "domains/d/gold/daily.yaml",
        "key: [day, name]\nincremental: { by: [day], rebuild_on: [d_silver.a] }\nchecks:\n  balance: { sum: { of: total, max: 10 } }\n  days: { rows: { min: 2 } }\n",
    );
    project.write(
        "landing/e_1.csv",
        "id,day,acc,v,op\n1,2026-01-01,a0,4,I\n2,2026-01-02,a1,4,I\n",
    );
    project.run(0);
    project.write("landing/e_2.csv", "id,day,acc,v,op\n3,2026-01-02,a1,3,I\n");
    let held = project.run(1);
    assert!(held.stderr.contains("check `balance`"), "{}", held.text());
    assert_eq!(
        project.rows("select sum(total) as total from d_gold.daily"),
        "total\n8.00\n"
    );
    project.write("landing/e_3.csv", "id,day,acc,v,op\n3,2026-01-02,a1,2,I\n");
    expect!["incremental: 1 of 2 `day`: `d_silver.t` changed"]
        .assert_eq(&how(&project, "d_gold.daily"));
    assert_eq!(
        project.rows("select sum(total) as total from d_gold.daily"),
        "total\n10.00\n"
    );
}

/// What a function makes is no table that could change.
#[test]
fn rows_that_a_function_makes_need_no_day() {
    let project = project();
    project.write(
        "domains/d/gold/daily.sql",
        "select t.day, s.value as copy, sum(t.v) as total from d_silver.t as t cross join generate_series(1, 2) as s group by t.day, s.value",
    );
    project.write("domains/d/gold/daily.yaml", "incremental: { by: [day] }\n");
    project.write(
        "landing/e_1.csv",
        "id,day,acc,v,op\n1,2026-01-01,a0,4,I\n2,2026-01-02,a1,4,I\n",
    );
    project.run(0);
    project.write("landing/e_2.csv", "id,day,acc,v,op\n3,2026-01-02,a1,3,I\n");
    expect!["incremental: 1 of 2 `day`: `d_silver.t` changed"]
        .assert_eq(&how(&project, "d_gold.daily"));
    assert_eq!(
        project.rows("select sum(total) as total from d_gold.daily"),
        "total\n22.00\n"
    );
    // A day that the table did not have is one of those that it has now.
    project.write(
        "landing/e_3.csv",
        "id,day,acc,v,op\n4,2026-01-03,a1,1,I\n1,2026-01-01,a1,1,U\n",
    );
    expect!["incremental: 2 of 3 `day`: `d_silver.t` changed"]
        .assert_eq(&how(&project, "d_gold.daily"));
}

/// Killed anywhere, an incremental version is made again, the same (A2).
#[test]
pub(crate) fn a_part_survives_a_kill() {
    let whole = project();
    whole.write(
        "landing/e_1.csv",
        "id,day,acc,v,op\n1,2026-01-01,a0,1,I\n2,2026-01-02,a1,2,I\n",
    );
    whole.run(0);
    whole.write("landing/e_2.csv", "id,day,acc,v,op\n3,2026-01-02,a1,5,I\n");
    let silver = whole.karat(&[
        "run",
        "--quiet",
        "--select",
        "landing.e",
        "--select",
        "d_silver.t",
    ]);
    assert_eq!(silver.code, 0, "{}", silver.text());
    let killed = Project::copy_of(&whole);
    whole.run(0);
    for point in [
        "intent.after",
        "files.after",
        "receipt.after",
        "commit.before",
        "commit.after",
        "manifest.before",
    ] {
        let copy = Project::copy_of(&killed);
        let run = copy.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", point)]);
        assert_eq!(run.code, -1, "{point}: {}", run.text());
        copy.run(0);
        assert_eq!(
            copy.fingerprint("d_gold.daily"),
            whole.fingerprint("d_gold.daily"),
            "{point}"
        );
        let verified = copy.karat(&["verify"]);
        assert_eq!(verified.code, 0, "{point}: {}", verified.text());
    }
}
