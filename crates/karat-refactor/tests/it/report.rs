//! Reports: issues with fingerprints, decisions, baseline, overview, HTML, CSV and SARIF.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use expect_test::expect;
use karat_refactor::estate::{InMemory, Scan, scan};
use karat_refactor::report::baseline::Baseline;
use karat_refactor::report::decisions::{Answer, Decisions, why_no_edit};
use karat_refactor::report::issue::IssueKind;
use karat_refactor::report::owners::Owners;
use karat_refactor::report::{Issue, Overview, html, sarif, tables};
use karat_refactor::{Options, Verdict};

use crate::show::mapping;

const WRITER: (&str, &str) = (
    "etl/load.sql",
    "-- Databricks notebook source\ninsert into sales.orders select * from sales.lost;\n",
);
const READER: (&str, &str) = (
    "bi/show.sql",
    "-- Databricks notebook source\nselect * from sales.orders;\n",
);
const PIPELINE: (&str, &str) = (
    "adf/pipeline/run.json",
    r#"{"name": "run", "properties": {"activities": [{"name": "n", "type": "DatabricksNotebook",
"typeProperties": {"notebookPath": "/Repos/x/etl/load", "baseParameters": {"t": "sales.orders", "u": "<b>'=cmd'!sales.items</b>"}}}]}}"#,
);

fn scanned(files: &[(&str, &str)], decisions: &Decisions) -> (Scan, Vec<Issue>) {
    let files = InMemory::new(files.iter().map(|(path, text)| (*path, text.as_bytes())));
    let options = Options {
        decisions: decisions.clone(),
        issues: true,
        ..Options::default()
    };
    let mut scan = scan(&files, &mapping(), &options, 2);
    let issues = scan
        .assets
        .iter_mut()
        .flat_map(|asset| std::mem::take(&mut asset.issues))
        .collect();
    (scan, issues)
}

fn open(files: &[(&str, &str)], decisions: &Decisions) -> Vec<String> {
    let (_, issues) = scanned(files, decisions);
    let shown = issues.iter().map(|issue| {
        format!(
            "{}:{} {} {}",
            issue.path, issue.start.line, issue.rule, issue.text
        )
    });
    shown.collect()
}

#[test]
fn order_of_work_and_scores() {
    let (scan, issues) = scanned(&[WRITER, READER, PIPELINE], &Decisions::default());
    let owners = Owners::parse("* @all\n/etl/ @etl\n");
    let overview = Overview::of(&scan.assets, issues, &owners);
    expect![[r#"
        path,format,owner,score,rewritten,not_a_table,needs_person,findings,step
        adf/pipeline/run.json,JSON,@all,0,0,0,2,0,2
        bi/show.sql,source notebook,@all,100,1,0,0,0,2
        etl/load.sql,source notebook,@etl,50,1,0,1,0,1
    "#]]
    .assert_eq(&tables::assets_csv(&overview).replace('\r', ""));
    expect![[r#"
        old,new,score,readers,writers,occurrences,open
        sales.items,prod.sales.items,0,1,0,1,1
        sales.lost,,0,1,0,1,1
        sales.orders,prod.sales.orders,66,2,1,3,1
    "#]]
    .assert_eq(&tables::tables_csv(&overview).replace('\r', ""));
    expect![[r#"
        path,line,column,kind,severity,rule,text,old,new,message,context,owner,fingerprint
        adf/pipeline/run.json,2,82,needs a person,warning,name/metadata,sales.orders,sales.orders,prod.sales.orders,"passed to a notebook as `t`; right only if the notebook takes three-part names there, so change both together","""typeProperties"": {""notebookPath"": ""/Repos/x/etl/load"", ""baseParameters"": {""t"": ""sales.orders"", ""u"": ""<b>'=cmd'!sales.items</b>""}}}]}}",@all,3af76933abbffc03c01c027ba166d267
        adf/pipeline/run.json,2,113,needs a person,warning,name/metadata,sales.items,sales.items,prod.sales.items,"passed to a notebook as `u`; right only if the notebook takes three-part names there, so change both together","""typeProperties"": {""notebookPath"": ""/Repos/x/etl/load"", ""baseParameters"": {""t"": ""sales.orders"", ""u"": ""<b>'=cmd'!sales.items</b>""}}}]}}",@all,63021381db51cc25a8ddb0ff70c93342
        bi/show.sql,2,15,rewritten,note,name/two-part,sales.orders,sales.orders,prod.sales.orders,`sales.orders` becomes `prod.sales.orders`,"select * from sales.orders;",@all,8369bf28bc54c1708ddb74dd22c406d7
        etl/load.sql,2,13,rewritten,note,name/two-part,sales.orders,sales.orders,prod.sales.orders,`sales.orders` becomes `prod.sales.orders`,"insert into sales.orders select * from sales.lost;",@etl,0a4e49b09b606f62950aba7170a896a6
        etl/load.sql,2,40,needs a person,warning,name/not-mapped,sales.lost,sales.lost,,"the mapping has the database `sales`, and no row for `sales.lost`","insert into sales.orders select * from sales.lost;",@etl,8b8e6dbe35541dba755d3d1deb727564
    "#]].assert_eq(&tables::issues_csv(&overview).replace('\r', ""));
    // What writes comes before what reads; what is run before what runs it.
    assert_eq!(
        overview.order,
        [
            vec!["etl/load.sql"],
            vec!["adf/pipeline/run.json", "bi/show.sql"]
        ]
    );
}

#[test]
fn the_page_needs_no_network_and_runs_nothing_of_the_files() {
    let (scan, issues) = scanned(&[WRITER, READER, PIPELINE], &Decisions::default());
    let overview = Overview::of(&scan.assets, issues, &Owners::default());
    let page = html::html(&overview, "a <title>");
    for outside in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("<title>a &lt;title&gt;</title>"));
    assert!(!page.contains("<b>&#39;"), "text of files is escaped");
    assert!(page.contains("adf/pipeline/run.json runs etl/load.sql"));
    assert!(page.contains("bi/show.sql reads sales.orders"));
    let parsed: serde_json::Value = serde_json::from_str(&tables::json(&overview)).unwrap();
    assert_eq!(parsed["counts"]["rewritten"], 2);
}

#[test]
fn sarif_has_places_and_fixes() {
    let (_, issues) = scanned(&[WRITER], &Decisions::default());
    expect![[r#"
        {
          "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
          "version": "2.1.0",
          "runs": [
            {
              "tool": {
                "driver": {
                  "name": "karat",
                  "semanticVersion": "1.2.3",
                  "rules": [
                    {
                      "id": "name/not-mapped",
                      "shortDescription": {
                        "text": "Name: not mapped"
                      },
                      "defaultConfiguration": {
                        "level": "warning"
                      }
                    },
                    {
                      "id": "name/two-part",
                      "shortDescription": {
                        "text": "Name: two part"
                      },
                      "defaultConfiguration": {
                        "level": "note"
                      }
                    }
                  ]
                }
              },
              "columnKind": "unicodeCodePoints",
              "results": [
                {
                  "ruleId": "name/two-part",
                  "ruleIndex": 1,
                  "level": "note",
                  "message": {
                    "text": "`sales.orders` becomes `prod.sales.orders`"
                  },
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "etl/load.sql"
                        },
                        "region": {
                          "startLine": 2,
                          "startColumn": 13,
                          "endLine": 2,
                          "endColumn": 25,
                          "snippet": {
                            "text": "sales.orders"
                          }
                        }
                      }
                    }
                  ],
                  "partialFingerprints": {
                    "karat/v1": "0a4e49b09b606f62950aba7170a896a6"
                  },
                  "fixes": [
                    {
                      "description": {
                        "text": "write `prod.sales.orders`"
                      },
                      "artifactChanges": [
                        {
                          "artifactLocation": {
                            "uri": "etl/load.sql"
                          },
                          "replacements": [
                            {
                              "deletedRegion": {
                                "startLine": 2,
                                "startColumn": 13,
                                "endLine": 2,
                                "endColumn": 18
                              },
                              "insertedContent": {
                                "text": "prod.sales"
                              }
                            }
                          ]
                        }
                      ]
                    }
                  ]
                },
                {
                  "ruleId": "name/not-mapped",
                  "ruleIndex": 0,
                  "level": "warning",
                  "message": {
                    "text": "the mapping has the database `sales`, and no row for `sales.lost`"
                  },
                  "locations": [
                    {
                      "physicalLocation": {
                        "artifactLocation": {
                          "uri": "etl/load.sql"
                        },
                        "region": {
                          "startLine": 2,
                          "startColumn": 40,
                          "endLine": 2,
                          "endColumn": 50,
                          "snippet": {
                            "text": "sales.lost"
                          }
                        }
                      }
                    }
                  ],
                  "partialFingerprints": {
                    "karat/v1": "8b8e6dbe35541dba755d3d1deb727564"
                  }
                }
              ]
            }
          ]
        }
    "#]]
    .assert_eq(&sarif::sarif(&issues, "1.2.3"));
}

#[test]
fn decisions_survive_moved_lines_and_are_asked_again_when_their_line_changes() {
    let (_, issues) = scanned(&[PIPELINE], &Decisions::default());
    let mut decisions = Decisions::default();
    let of = |text: &str| issues.iter().find(|issue| issue.text == text).unwrap();
    decisions.decide(
        of("sales.orders"),
        Answer::Rewrite,
        "ann",
        "the notebook takes it",
        "2026-01-01",
    );
    decisions.decide(
        of("sales.items"),
        Answer::Keep,
        "bob",
        "a label",
        "2026-01-01",
    );
    let decisions = Decisions::parse(&decisions.to_text()).unwrap();

    let (scan, issues) = scanned(&[PIPELINE], &decisions);
    assert_eq!(issues.len(), 1, "one is rewritten, one is kept");
    assert!(
        matches!(&scan.assets[0].occurrences[0].verdict, Verdict::Rewritten { new, .. } if new == "prod.sales.orders")
    );
    assert_eq!(scan.assets[0].edits().len(), 1);

    let moved = PIPELINE
        .1
        .replace("{\"name\": \"run\"", "{\n\n  \"name\": \"run\"");
    assert_eq!(
        open(&[(PIPELINE.0, &moved)], &decisions),
        open(&[PIPELINE], &decisions)
            .iter()
            .map(|line| line.replace(":2 ", ":4 "))
            .collect::<Vec<_>>()
    );

    let changed = PIPELINE
        .1
        .replace("\"t\": \"sales.orders\"", "\"t2\": \"sales.orders\"");
    expect![[r#"
        adf/pipeline/run.json:2 name/metadata sales.orders
        adf/pipeline/run.json:2 name/metadata sales.items"#]]
    .assert_eq(&open(&[(PIPELINE.0, &changed)], &decisions).join("\n"));
    let (scan, _) = scanned(&[(PIPELINE.0, &changed)], &decisions);
    let used: BTreeSet<String> = scan
        .assets
        .iter()
        .flat_map(|asset| asset.decided.used.clone())
        .collect();
    assert_eq!(decisions.stale(&used).len(), 2);
}

#[test]
fn a_decision_needs_a_name_and_a_reason() {
    let (_, issues) = scanned(&[PIPELINE], &Decisions::default());
    let mut decisions = Decisions::default();
    decisions.decide(&issues[0], Answer::Keep, "ann", " ", "");
    let error = Decisions::parse(&decisions.to_text()).unwrap_err();
    expect!["the decision on `sales.orders` in adf/pipeline/run.json names nobody or no reason; fill in `by` and `why`"].assert_eq(&error.to_string());
    assert!(Decisions::parse("{").is_err());
    assert!(Decisions::parse("{\"karat_decisions\": 2, \"decisions\": []}").is_err());
}

#[test]
fn a_check_fails_on_new_names_only() {
    let (_, before) = scanned(&[WRITER], &Decisions::default());
    let baseline = Baseline::parse(&Baseline::of(&before).to_text()).unwrap();
    assert!(baseline.check(&before, |_| true).passes());

    let moved = format!(
        "{}\n\nselect * from sales.orders;\n",
        WRITER.1.replace("source\n", "source\n\n\n")
    );
    let (_, after) = scanned(&[(WRITER.0, &moved)], &Decisions::default());
    let check = baseline.check(&after, |_| true);
    let new: Vec<&str> = check.new.iter().map(|issue| issue.line.as_str()).collect();
    assert_eq!(new, ["select * from sales.orders;"]);
    assert_eq!((check.known, check.gone.len()), (2, 0));

    let (_, after) = scanned(&[(WRITER.0, "select 1\n")], &Decisions::default());
    let check = baseline.check(&after, |_| true);
    assert!(check.passes());
    assert_eq!(check.gone.len(), 2);
    assert!(!Baseline::default().check(&before, |_| true).passes());
}

#[test]
fn a_file_with_another_name_brings_its_old_names_along() {
    let (_, before) = scanned(&[WRITER], &Decisions::default());
    let baseline = Baseline::of(&before);
    let more = format!(
        "{}\n-- COMMAND ----------\n\nselect * from sales.orders s;\n",
        WRITER.1
    );
    let checked = |files: &[(&str, &str)]| {
        let (scan, after) = scanned(files, &Decisions::default());
        let exists = |path: &str| scan.assets.iter().any(|asset| asset.path == path);
        let check = baseline.check(&after, exists);
        let new: Vec<String> = check
            .new
            .iter()
            .map(|issue| format!("{} {}", issue.path, issue.line))
            .collect();
        format!(
            "{} known, {} gone, new: {new:?}\n",
            check.known,
            check.gone.len()
        )
    };
    expect![[r#"
        2 known, 0 gone, new: []
        2 known, 0 gone, new: ["moved/a.sql select * from sales.orders s;"]
        2 known, 0 gone, new: ["copied/a.sql insert into sales.orders select * from sales.lost;", "copied/a.sql insert into sales.orders select * from sales.lost;"]
        2 known, 0 gone, new: ["moved/a.sql insert into sales.orders select * from sales.lost;", "moved/a.sql insert into sales.orders select * from sales.lost;", "moved/a.sql select * from sales.orders s;"]
    "#]].assert_eq(
        &[
            // Moved; moved and one name more; copied; moved and copied.
            checked(&[("moved/a.sql", WRITER.1)]),
            checked(&[("moved/a.sql", &more)]),
            checked(&[WRITER, ("copied/a.sql", WRITER.1)]),
            checked(&[("copied/a.sql", WRITER.1), ("moved/a.sql", &more)]),
        ]
        .concat(),
    );
}

#[test]
fn decisions_that_cannot_be_read_or_made() {
    let finding = (
        "n.py",
        "# Databricks notebook source\nname = 'sales.orders'\nspark.table(name)\nprint(name.split('.')[1])\n",
    );
    let (_, issues) = scanned(&[finding], &Decisions::default());
    let issue = issues
        .iter()
        .find(|issue| issue.kind == IssueKind::Finding)
        .unwrap();
    let mut decisions = Decisions::default();
    decisions.decide(issue, Answer::Rewrite, "ann", "three parts", "");
    let (scan, after) = scanned(&[finding], &decisions);
    let told: Vec<&str> = scan.assets[0]
        .decided
        .without_edit
        .iter()
        .map(|one| one.rule.as_str())
        .collect();
    assert_eq!(told, [issue.rule.as_str()]);
    assert_eq!(after.len(), issues.len());

    let mut other = Decisions::default();
    other.decide(issue, Answer::Keep, "bob", "it stays", "");
    let entry = |decisions: &Decisions| {
        let text = decisions.to_text();
        let (from, to) = (text.find("    {").unwrap(), text.rfind("  ]").unwrap());
        text[from..to].trim_end().to_owned()
    };
    let file =
        |entries: &str| format!("{{\"karat_decisions\": 1, \"decisions\": [\n{entries}\n]}}");
    let (ann, bob) = (entry(&decisions), entry(&other));
    let told = |text: &str| match Decisions::parse(text) {
        Ok(read) => format!("{} bytes\n", read.to_text().len()),
        Err(error) => format!("{error}\n"),
    };
    assert_eq!(
        Decisions::parse(&format!("\u{feff}{}", file(&ann))),
        Ok(decisions.clone())
    );
    assert_eq!(
        Decisions::parse(&file(&format!("{ann},\n{ann}"))),
        Ok(decisions.clone())
    );
    expect![[r#"
        two decisions on `name.split('.')` in n.py contradict each other: ann says `rewrite`, bob says `keep`; keep one
        the decisions cannot be read: expected value at line 2 column 1; a merge left its marks in it: keep the entries of both sides, with commas between them
        the decisions cannot be read: EOF while parsing a string at line 5 column 17; the file is written by karat, take it back from version control
        the decisions cannot be read: unknown field `who`, expected one of `path`, `rule`, `text`, `line`, `fingerprint`, `answer`, `by`, `why`, `at` at line 9 column 11; the file is written by karat, take it back from version control
    "#]].assert_eq(
        &[
            told(&file(&format!("{ann},\n{bob}"))),
            told(&file(&format!(
                "<<<<<<< HEAD\n{ann}\n=======\n{bob}\n>>>>>>> bob"
            ))),
            told(&file(&ann)[..120]),
            told(&file(&ann.replace("\"by\"", "\"who\""))),
        ]
        .concat(),
    );
}

/// A decision to rewrite comes to something, or is not taken at all.
#[test]
fn a_rewrite_is_decided_only_where_there_is_an_edit() {
    let pandas = (
        "n.py",
        "# Databricks notebook source\npandas.read_sql('select * from sales.orders', engine)\nprint(spark.table('sales.x').rdd.map(f))\n",
    );
    let mut shown = String::new();
    for files in [[pandas], [PIPELINE]] {
        let (scan, issues) = scanned(&files, &Decisions::default());
        for issue in &issues {
            let why = why_no_edit(&scan.assets[0], issue);
            let why = why.unwrap_or_else(|| "can be rewritten".to_owned());
            writeln!(shown, "{} {}: {why}", issue.rule, issue.text).unwrap();
        }
    }
    expect![[r#"
        name/not-followed sales.orders: karat knows no new name for it
        refused/rdd spark.table('sales.x').rdd: it is about the code, for which karat makes no edits
        name/not-mapped sales.x: karat knows no new name for it
        name/metadata sales.orders: can be rewritten
        name/metadata sales.items: can be rewritten
    "#]]
    .assert_eq(&shown);
}
