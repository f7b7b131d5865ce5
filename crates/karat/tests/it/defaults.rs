//! The control table as a spreadsheet, and defaults by pattern: what a run makes of them is what it makes of the same in each file.

use expect_test::expect;

use crate::project::Project;

const SILVER: &str = r#"from: landing.o
select: { id: cast(id as bigint), name: name }
key: [id]
"#;

fn project() -> Project {
    let project = Project::one_feed(
        "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }",
        SILVER,
    );
    project.write("landing/a.csv", "id,name\n 1 ,  Ada \n2,\" - \"\n,Bob\n");
    project
}

/// All silver of a domain: text trimmed, the key not null. Bronze and quarantine keep what came.
#[test]
fn defaults_of_a_domain_trim_and_judge() {
    let project = project();
    project.run(0);
    let feed = "{ source: landing, name: o, mode: incremental, path: \"*.csv\" }";
    project.write(
        "domains/d/domain.yaml",
        &format!(
            "domain: d\ndefaults:\n  null_values: [\"-\"]\n  silver:\n    \"*\": {{ trim: true, key_not_null: quarantine }}\nfeeds:\n  - {feed}\n"
        ),
    );
    expect![[r#"
        step    table                would    because           reads            takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           rebuild  its code changed  3 rows, 2,919 B  about N s
        1 step to do, about N s; nothing was written
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["plan"]).text());
    project.run(0);
    expect![[r#"
        id,name,letters
        1,Ada,3
        2,,
    "#]]
    .assert_eq(&project.rows("select id, name, length(name) as letters from d_silver.t"));
    expect![[r#"
        _object,_delivery,_row,_seq,rules,row,code,why
        a.csv,1,4,612e637376000000000000000003,key_not_null,"{""name"":""Bob""}",a5d36973418a0fb417b332ab21dfde08291fb18f8d46045ecd4ef6dca74cf3a8,
    "#]].assert_eq(&project.rows("select * from d_quarantine.t"));
    expect![[r#"
        id,name
         1 ,  Ada 
        2, - 
        ,Bob
    "#]]
    .assert_eq(&project.rows("select id, name from d_bronze.landing__o"));
    expect![[r##"
        # domains/d/domain.yaml:7
        - source: landing
          name: o
          mode: incremental
          path: "*.csv"
          null_values: ["-"]  # from domains/d/domain.yaml:3

        # domains/d/silver/t.yaml
        from: landing.o
        select:
          id: cast(id as bigint)
          name: name
        key: [id]
        trim: true  # from domains/d/domain.yaml:5
        expectations:
          key_not_null: { expect: "\"id\" is not null", action: quarantine }  # from domains/d/domain.yaml:5

        --- exit 0
    "##]].assert_eq(&project.karat(&["plan", "--expanded"]).text());
    expect![[r##"
        {
          "tables": [
            {
              "table": "d_silver.t",
              "defaults": [
                {
                  "key": "trim",
                  "value": "true",
                  "from": "domains/d/domain.yaml:5"
                },
                {
                  "key": "expectations.key_not_null",
                  "value": "{ expect: \"\\\"id\\\" is not null\", action: quarantine }",
                  "from": "domains/d/domain.yaml:5"
                }
              ],
              "expanded": "# domains/d/silver/t.yaml\nfrom: landing.o\nselect:\n  id: cast(id as bigint)\n  name: name\nkey: [id]\ntrim: true  # from domains/d/domain.yaml:5\nexpectations:\n  key_not_null: { expect: \"\\\"id\\\" is not null\", action: quarantine }  # from domains/d/domain.yaml:5\n"
            }
          ]
        }
        --- exit 0
    "##]].assert_eq(
        &project
            .karat(&["plan", "--expanded", "--json", "--select", "d_silver.t"])
            .text(),
    );
    // What is on record makes the version again, without the defaults of today.
    project.write(
        "domains/d/domain.yaml",
        &format!("domain: d\nfeeds:\n  - {feed}\n"),
    );
    let replay = project.karat(&["replay", "--rebuild", "d_silver.t"]);
    assert_eq!(replay.code, 0, "{}", replay.text());
}

/// Where a feed is declared changes nothing of what is loaded: the second run has nothing to do.
#[test]
fn a_feed_moves_into_a_spreadsheet() {
    let project = project();
    project.run(0);
    project.write("domains/d/domain.yaml", "domain: d\n");
    project.write(
        "domains/d/feeds.csv",
        "\u{feff}source;name;mode;path;key;\r\nlanding;o;incremental;*.csv;;\r\n;;;;;\r\n",
    );
    expect![[r#"
        step    table                would    because     reads  takes
        load    d_bronze.landing__o  nothing  up to date
        silver  d_silver.t           nothing  up to date
        nothing to do
        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["plan"]).text());
    // What is wrong only where the files are is told at the cell.
    project.write(
        "domains/d/feeds.csv",
        "source,name,mode,path\nlanding,o,incremental,*.csv\nlanding,p,full,plans/*.csv\n",
    );
    expect![[r#"
        no mistakes in 1 model
        --- stderr
        warning: no file matches `plans/*.csv` in source `landing`
         --> domains/d/feeds.csv:3:16
          |
        3 | landing,p,full,plans/*.csv
          |                ^^^^^^^^^^^

        --- exit 0
    "#]]
    .assert_eq(&project.karat(&["validate"]).text());
}
