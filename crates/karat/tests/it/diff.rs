//! `karat diff`: versions of a table and files against each other, held against a count by hand.

use std::collections::BTreeMap;

use expect_test::expect;

use crate::dice::Dice;
use crate::project::Project;

const FEED: &str = "{ source: landing, name: e, mode: full, key: [id], path: \"*.csv\" }";
const SILVER: &str = "from: landing.e\nselect: { id: id, amount: 'cast(amount as decimal(9,2))', note: note }\nauto_cdc: { keys: [id] }\n";

#[test]
fn versions_of_a_table() {
    let project = Project::one_feed(FEED, SILVER);
    project.write(
        "landing/1.csv",
        "id,amount,note\na,1.10,x\nb,2.20,\nc,3.30,y\nd,4.40,z\n",
    );
    project.run(0);
    let one = project.karat(&["diff", "d_silver.t"]);
    expect![[r#"
        --- stderr
        error: `d_silver.t` has one version only: there is none before it to compare with
        hint: `karat receipt list d_silver.t` shows the versions
        --- exit 2
    "#]]
    .assert_eq(&one.text());

    project.write(
        "landing/2.csv",
        "id,amount,note\na,1.10,x\nb,9.20,\"\"\nc,3.30,y\ne,5.50,z\n",
    );
    let run = project.karat(&["run", "--quiet", "--accept-deletes"]);
    assert_eq!(run.code, 0, "{}", run.text());
    expect![[r#"
        d_silver.t@0 → d_silver.t@1, by id
        rows 4 → 4: 1 added, 1 removed, 1 changed, 2 equal

        column  rows  old sum  new sum  difference
        amount     1    11.00    19.10        8.10
        note       1

        changed  id=b: amount 2.20 → 9.20; note null → ""
        removed  id=d: amount=4.40, note=z
        added    id=e: amount=5.50, note=z
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["diff", "d_silver.t"]).text());
    let backwards = project.karat(&["diff", "d_silver.t@1", "@0", "--limit", "1", "--check"]);
    expect![[r#"
        d_silver.t@1 → d_silver.t@0, by id
        rows 4 → 4: 1 added, 1 removed, 1 changed, 2 equal

        column  rows  old sum  new sum  difference
        amount     1    19.10    11.00       -8.10
        note       1

        changed  id=b: amount 9.20 → 2.20; note "" → null
        and 2 more; `--limit N` shows more of them
        --- exit 1
    "#]]
    .assert_eq(&backwards.text());

    // The same rows come back: the fingerprints tell, and nothing is read.
    project.write(
        "landing/3.csv",
        "id,amount,note\na,1.10,x\nb,2.20,\nc,3.30,y\nd,4.40,z\n",
    );
    let run = project.karat(&["run", "--quiet", "--accept-deletes"]);
    assert_eq!(run.code, 0, "{}", run.text());
    let same = project.karat(&["diff", "d_silver.t@0", "--check"]);
    expect![[r#"
        d_silver.t@0 → d_silver.t@2, by id
        equal: the same 4 rows, nothing had to be read
        --- exit 0
    "#]]
    .assert_eq(&same.text());

    // A table of a lake and a file, which has no key of its own and texts only.
    project.write(
        "elsewhere.csv",
        "id,amount,note,who\na,1.10,x,me\nb,2.20,,me\n",
    );
    expect![[r#"
        d_silver.t@2 → elsewhere.csv, by id
        rows 4 → 2: 0 added, 2 removed, 0 changed, 2 equal
        column only in the new: who string
        column amount: decimal(9,2) → string; not compared

        removed  id=c: note=y
        removed  id=d: note=z
        --- exit 0
    "#]]
    .assert_eq(
        &project
            .karat(&["diff", "d_silver.t", "elsewhere.csv", "--key", "ID"])
            .text(),
    );
    for (arguments, told) in [
        (
            vec!["diff", "d_silver.t@7"],
            "error: `d_silver.t` has no version 7; the newest is 2\n",
        ),
        (
            vec!["diff", "d_silver.t", "--key", "nobody"],
            "error: `nobody` is no column that d_silver.t@1 and d_silver.t@2 have in common\nhint: both have: id, amount, note\n",
        ),
        (
            vec!["diff", "elsewhere.csv@1", "d_silver.t"],
            "error: `elsewhere.csv@1`: a file has no versions\n",
        ),
        (
            vec!["diff", "elsewhere.csv"],
            "error: there is nothing to compare `elsewhere.csv` with\n",
        ),
    ] {
        let answer = project.karat(&arguments);
        assert!(answer.stderr.starts_with(told), "{}", answer.text());
        assert_eq!(answer.code, 2, "{}", answer.text());
    }
}

#[test]
fn random_files_as_counted_by_hand() {
    let project = Project::empty();
    for seed in 0..12 {
        let mut dice = Dice(seed);
        let mut sides = Vec::new();
        for name in ["a.csv", "b.csv"] {
            let mut rows: BTreeMap<u64, u64> = BTreeMap::new();
            for _ in 0..dice.roll(40) {
                rows.insert(dice.roll(30), dice.roll(3));
            }
            let lines = rows.iter().map(|(key, value)| match value {
                2 => format!("{key},\n"),
                value => format!("{key},{value}\n"),
            });
            project.write(name, &format!("k,v\n{}", lines.collect::<String>()));
            sides.push(rows);
        }
        let (old, new) = (&sides[0], &sides[1]);
        let added = new.keys().filter(|key| !old.contains_key(key)).count();
        let removed = old.keys().filter(|key| !new.contains_key(key)).count();
        let equal = new
            .iter()
            .filter(|(key, value)| old.get(key) == Some(value));
        let equal = equal.count();
        let changed = new.len() - added - equal;
        let by_key = project.karat(&["diff", "a.csv", "b.csv", "--key", "k", "--json"]);
        assert_eq!(
            by_key.json()["rows"],
            serde_json::json!({ "added": added, "removed": removed, "changed": changed, "equal": equal }),
            "seed {seed}"
        );
        let whole = project.karat(&["diff", "a.csv", "b.csv", "--json", "--limit", "1000"]);
        let whole = whole.json();
        assert_eq!(
            whole["rows"],
            serde_json::json!({ "added": added + changed, "removed": removed + changed, "changed": null, "equal": equal }),
            "seed {seed}"
        );
        let shown = whole["first"].as_array().unwrap().len();
        assert_eq!(shown, added + removed + 2 * changed, "seed {seed}");
    }
    // Provenance is of bronze tables; a file's column of such a name is a column.
    project.write("a.csv", "k,_run\n1,x\n");
    project.write("b.csv", "k,_run\n1,y\n");
    let same_name = project.karat(&["diff", "a.csv", "b.csv", "--key", "k", "--json"]);
    assert_eq!(
        same_name.json()["rows"]["changed"],
        1,
        "{}",
        same_name.text()
    );
    project.write("twice.csv", "k,v\n1,1\n1,2\n");
    expect![[r#"
        --- stderr
        error: `k` does not identify the rows of twice.csv
        hint: name more columns with `--key`, or leave it out
        --- exit 2
    "#]]
    .assert_eq(
        &project
            .karat(&["diff", "a.csv", "twice.csv", "--key", "k"])
            .text(),
    );
}
