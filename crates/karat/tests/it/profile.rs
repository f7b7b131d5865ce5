//! `karat profile`: what it tells of columns, and that the rules it proposes are ones that a model takes and that the rows keep.

use expect_test::expect;

use crate::project::Project;

const ROWS: &str = "id,country,name,amount,since,select\n\
1,CH,Anna,0.00,2026-01-01,x1\n2,CH, Bea,1.50,2026-01-02,x2\n3,DE,\"C, d\",2.00,2026-01-03,x3\n4,DE,,7,2026-01-04,x4\n\
5,CH,Eve,8,2026-01-05,x5\n6,CH,Fay,9,2026-01-06,x6\n7,CH,Gus,10,2026-01-07,x7\n8,DE,Hal,11,2026-01-08,x8\n\
9,DE,Ida,12,2026-01-09,x9\n10,CH,Jon,13.25,2026-01-10,y0\n";

#[test]
fn a_profile_proposes_rules_that_its_rows_keep() {
    let project = Project::one_feed(
        "{ source: landing, name: e, mode: incremental, path: \"*.csv\" }",
        "from: landing.e\nselect: { id: cast(id as bigint), country: country, name: name, amount: \"cast(amount as decimal(9,2))\", since: cast(since as date), select: \"\\\"select\\\"\" }\n",
    );
    project.write("landing/a.csv", ROWS);
    project.run(0);
    let told = project.karat(&["profile", "d_silver.t"]);
    expect![[r#"
        d_silver.t@0: 10 rows

        column   type          null  distinct  least       greatest
        id       bigint           0        10  1           10
        country  string           0         2  CH          DE
        name     string           1         9   Bea        Jon         1 with spaces at an end: trim
        amount   decimal(9,2)     0        10  0.00        13.25
        since    date             0        10  2026-01-01  2026-01-10
        select   string           0        10  x1          y0

        # What all rows of today keep; what of it is a rule, you decide.
        expectations:
          id_is_there: { expect: "id is not null", action: warn }
          id_is_positive: { expect: "id > 0", action: warn }
          country_is_there: { expect: "country is not null", action: warn }
          country_is_known: { expect: "country in ('CH', 'DE')", action: warn }
          name_is_not_empty: { expect: "name is null or name <> ''", action: warn }
          amount_is_there: { expect: "amount is not null", action: warn }
          amount_is_not_negative: { expect: "amount >= 0", action: warn }
          since_is_there: { expect: "since is not null", action: warn }
          select_is_there: { expect: "select is not null", action: warn }
          select_has_length: { expect: "length(select) = 2", action: warn }
        checks:
          id_is_unique: { unique: [id] }
          since_is_unique: { unique: [since] }
          select_is_unique: { unique: [select] }
        --- exit 0
    "#]]
    .assert_eq(&told.text());
    // What it proposes is pasted into the model as it stands.
    let model = std::fs::read_to_string(project.path("domains/d/silver/t.yaml")).unwrap();
    let at = told.stdout.find("expectations:").unwrap();
    let proposed = told.stdout[at..].replace("action: warn", "action: fail");
    project.write("domains/d/silver/t.yaml", &format!("{model}{proposed}"));
    project.run(0);
    // Of a file, some columns, as JSON.
    let document = project
        .karat(&[
            "profile",
            "landing/a.csv",
            "--columns",
            "name,amount",
            "--json",
        ])
        .json();
    expect![[r#"
        {
          "column": "name",
          "type": "string",
          "nulls": 1,
          "distinct": 9,
          "least": " Bea",
          "greatest": "Jon",
          "text": {
            "empty": 0,
            "padded": 1,
            "shortest": 3,
            "longest": 4
          },
          "words": [],
          "expectations": [
            {
              "name": "name_is_not_empty",
              "expect": "name is null or name <> ''"
            }
          ],
          "not_null": false,
          "unique": false
        }
    "#]]
    .assert_eq(&format!("{:#}\n", document["columns"][0]));
    let unknown = project.karat(&["profile", "d_silver.t", "--columns", "nam"]);
    expect![[r#"
        --- stderr
        error: there is no column `nam`
        hint: the columns are id, country, name, amount, since, select
        --- exit 2
    "#]]
    .assert_eq(&unknown.text());
}
