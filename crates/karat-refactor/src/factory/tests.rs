//! Pipelines, datasets and templates in, verdicts out.

use std::sync::Arc;

use expect_test::{Expect, expect};
use proptest::prelude::*;

use crate::edit::Edit;
use crate::format::{self, Format};
use crate::fragment::Fragment;
use crate::mapping::Mapping;
use crate::mapping::read::of_pairs;
use crate::occurrence::Verdict;
use crate::reader::{Facts, NoIncludes, Options, Reader};
use crate::session::Session;

fn mapping() -> Mapping {
    of_pairs(&[
        ("curated.sales", "main.curated.sales"),
        ("curated.dim", "main.curated.dim"),
        ("raw.stg_a", "land.bronze.a"),
        ("raw.stg_b", "land.bronze.stg_b"),
        ("it's.t", "main.its.t"),
        ("/mnt/raw", "abfss://raw@lake.dfs.core.windows.net"),
    ])
}

/// What was found in a file, and the file with all safe edits made.
fn read(files: &[(&str, &str)]) -> String {
    let mapping = mapping();
    let options = Options::default();
    let mut facts = Facts::default();
    for (path, text) in files {
        facts.factory.add(path, text);
    }
    let mut shown = String::new();
    for (path, text) in files {
        let mut reader = Reader::new(
            path,
            &mapping,
            &options,
            &facts,
            &NoIncludes,
            Session::new(),
        );
        let file = Fragment::root((*text).to_owned(), "file");
        format::read(&mut reader, &file, Format::of(path, text));
        let (mut found, _) = reader.finish();
        found
            .occurrences
            .sort_by_key(|occurrence| (occurrence.range.start, occurrence.range.end));
        found.occurrences.dedup();
        let mut edits: Vec<Edit> = Vec::new();
        for occurrence in &found.occurrences {
            let what = match &occurrence.verdict {
                Verdict::Rewritten { new, edits: made } => {
                    edits.extend(made.clone());
                    format!("-> {new}")
                }
                Verdict::NotATable { reason } => format!("is no table: {}", reason.words()),
                Verdict::NeedsPerson {
                    doubt,
                    candidates,
                    suggestion,
                } => {
                    let suggestion: Vec<String> = suggestion
                        .iter()
                        .map(|edit| format!(" [{} -> {}]", &text[edit.range.clone()], edit.new))
                        .collect();
                    format!(
                        "? {} {}{}",
                        doubt.rule,
                        candidates.join("|"),
                        suggestion.concat()
                    )
                }
            };
            shown.push_str(&format!("{} {what}\n", &text[occurrence.range.clone()]));
        }
        for finding in &found.findings {
            shown.push_str(&format!(
                "! {} {}\n",
                finding.doubt.rule,
                &text[finding.range.clone()]
            ));
        }
        for passed in &found.passed {
            shown.push_str(&format!(
                "passes {} {}={}\n",
                passed.notebook,
                passed.parameter,
                passed.values.join("|")
            ));
        }
        for call in &found.calls {
            shown.push_str(&format!("calls {} ({})\n", call.target, call.how));
        }
        edits.sort_by_key(|edit| edit.range.start);
        edits.dedup();
        let mut changed = (*text).to_owned();
        for edit in edits.iter().rev() {
            changed.replace_range(edit.range.clone(), &edit.new);
        }
        for (old, new) in text
            .lines()
            .zip(changed.lines())
            .filter(|(old, new)| old != new)
        {
            shown.push_str(&format!("- {}\n+ {}\n", old.trim(), new.trim()));
        }
    }
    shown
}

fn check(files: &[(&str, &str)], expected: Expect) {
    expected.assert_eq(&read(files));
}

/// A pipeline with one Lookup on a Databricks connection.
fn lookup(query: &str) -> String {
    format!(
        r#"{{"name": "p", "properties": {{"activities": [{{"name": "a", "type": "Lookup", "typeProperties": {{
"source": {{"type": "AzureDatabricksDeltaLakeSource",
"query": {query}
}}, "dataset": {{"referenceName": "d", "type": "DatasetReference"}}}}}}],
"parameters": {{"db": {{"type": "string", "defaultValue": "curated"}}, "t": {{"type": "string"}}}},
"variables": {{"schema": {{"type": "String", "defaultValue": "curated"}}}}}}}}"#
    )
}

#[test]
fn pattern_38_sql_in_concat() {
    check(
        &[(
            "pipeline/p.json",
            &lookup(
                r#"{"value": "@concat('SELECT * FROM curated.sales WHERE x=''', pipeline().parameters.t, ''' AND s = ''raw.stg_a''')", "type": "Expression"}"#,
            ),
        )],
        expect![[r#"
            curated.sales -> main.curated.sales
            curated ? name/metadata main.curated [curated -> main.curated]
            curated ? name/metadata main.curated [curated -> main.curated]
            - "query": {"value": "@concat('SELECT * FROM curated.sales WHERE x=''', pipeline().parameters.t, ''' AND s = ''raw.stg_a''')", "type": "Expression"}
            + "query": {"value": "@concat('SELECT * FROM main.curated.sales WHERE x=''', pipeline().parameters.t, ''' AND s = ''raw.stg_a''')", "type": "Expression"}
        "#]],
    );
}

#[test]
fn pattern_38_interpolation() {
    check(
        &[(
            "pipeline/p.json",
            &lookup(
                r#""select *\nfrom raw.stg_a where d = '@{pipeline().parameters.t}' and \"x\" = 'é' union select * from `curated`.`dim`""#,
            ),
        )],
        expect![[r#"
            raw.stg_a -> land.bronze.a
            `curated`.`dim` -> main.curated.dim
            curated ? name/metadata main.curated [curated -> main.curated]
            curated ? name/metadata main.curated [curated -> main.curated]
            - "query": "select *\nfrom raw.stg_a where d = '@{pipeline().parameters.t}' and \"x\" = 'é' union select * from `curated`.`dim`"
            + "query": "select *\nfrom land.bronze.a where d = '@{pipeline().parameters.t}' and \"x\" = 'é' union select * from main.`curated`.`dim`"
        "#]],
    );
}

#[test]
fn pattern_38_templates_that_are_replaced() {
    check(
        &[(
            "pipeline/p.json",
            &lookup(
                r#""@replace(replace('select * from curated.<<TABLE>> join <<DB>>.stg_b on raw.stg_a', '<<TABLE>>', 'sales'), '<<DB>>', variables('schema'))""#,
            ),
        )],
        expect![[r#"
            curated.<<TABLE>> -> main.curated.sales
            <<DB>>.stg_b ? name/not-mapped 
            raw.stg_a is no table: field of a column
            curated ? name/metadata main.curated [curated -> main.curated]
            curated is no table: part of names that are judged where they are put together
            - "query": "@replace(replace('select * from curated.<<TABLE>> join <<DB>>.stg_b on raw.stg_a', '<<TABLE>>', 'sales'), '<<DB>>', variables('schema'))"
            + "query": "@replace(replace('select * from main.curated.<<TABLE>> join <<DB>>.stg_b on raw.stg_a', '<<TABLE>>', 'sales'), '<<DB>>', variables('schema'))"
        "#]],
    );
}

#[test]
fn pattern_38_names_split_over_arguments() {
    check(
        &[(
            "pipeline/p.json",
            &lookup(r#""@concat('select * from raw.', pipeline().parameters.t)""#),
        )],
        expect![[r#"
            raw.', pipeline().parameters.t ? name/unresolved land.bronze.a|land.bronze.stg_b
            curated ? name/metadata main.curated [curated -> main.curated]
            curated ? name/metadata main.curated [curated -> main.curated]
        "#]],
    );
    check(
        &[(
            "pipeline/p.json",
            &lookup(
                r#""@concat('select * from ', variables('schema'), '.sales, ', pipeline().parameters.db, '.sales')""#,
            ),
        )],
        expect![[r#"
            variables('schema'), '.sales -> main.curated.sales
            pipeline().parameters.db, '.sales ? name/unresolved main.curated.sales
            curated is no table: part of names that are judged where they are put together
            curated is no table: part of names that are judged where they are put together
            - "query": "@concat('select * from ', variables('schema'), '.sales, ', pipeline().parameters.db, '.sales')"
            + "query": "@concat('select * from ', 'main.', variables('schema'), '.sales, ', pipeline().parameters.db, '.sales')"
        "#]],
    );
    check(
        &[
            (
                "pipeline/p.json",
                &lookup(r#""@{variables('schema')}.sales""#),
            ),
            (
                "pipeline/q.json",
                &lookup(r#""select * from @{variables('schema')}.sales""#),
            ),
        ],
        expect![[r#"
            curated ? name/metadata main.curated [curated -> main.curated]
            curated is no table: part of names that are judged where they are put together
            @{variables('schema')}.sales -> main.curated.sales
            curated ? name/metadata main.curated [curated -> main.curated]
            curated is no table: part of names that are judged where they are put together
            - "query": "select * from @{variables('schema')}.sales"
            + "query": "select * from main.@{variables('schema')}.sales"
        "#]],
    );
    check(
        &[(
            "pipeline/p.json",
            &lookup(
                r#""@concat('select * from ', if(equals(1, 2), 'curated.sales', 'raw.stg_a'), ' where 1 = 1')""#,
            ),
        )],
        expect![[r#"
            curated.sales -> main.curated.sales
            raw.stg_a -> land.bronze.a
            curated ? name/metadata main.curated [curated -> main.curated]
            curated ? name/metadata main.curated [curated -> main.curated]
            - "query": "@concat('select * from ', if(equals(1, 2), 'curated.sales', 'raw.stg_a'), ' where 1 = 1')"
            + "query": "@concat('select * from ', if(equals(1, 2), 'main.curated.sales', 'land.bronze.a'), ' where 1 = 1')"
        "#]],
    );
}

#[test]
fn pattern_39_notebooks_and_their_parameters() {
    let pipeline = r#"{"name": "run", "properties": {
"parameters": {"task": {"type": "object"}, "db": {"type": "string", "defaultValue": "curated"}},
"activities": [
 {"name": "each", "type": "ForEach", "typeProperties": {"items": {"value": "@createArray('a', 'b')", "type": "Expression"}, "activities": [
 {"name": "n", "type": "DatabricksNotebook", "linkedServiceName": {"referenceName": "dbx", "type": "LinkedServiceReference"},
  "typeProperties": {"notebookPath": "/MDP/load", "baseParameters": {
   "db": {"value": "@pipeline().parameters.db", "type": "Expression"},
   "table": "@concat('stg_', item())",
   "target": "curated.sales",
   "task": "@string(pipeline().parameters.task)",
   "env": "@pipeline().globalParameters.env"}}}]}},
 {"name": "v", "type": "SetVariable", "typeProperties": {"variableName": "x",
  "value": "@json(concat('{\"notebookPath\":\"/MDP/', item(), '\",\"sql\":\"select * from curated.sales\",\"t\":\"raw.stg_a\"}'))"}}]}}"#;
    let trigger = r#"{"name": "t", "properties": {"type": "ScheduleTrigger", "pipelines": [{"pipelineReference": {"referenceName": "run", "type": "PipelineReference"}, "parameters": {"db": "raw"}}]}}"#;
    let factory = r#"{"name": "f", "properties": {"globalParameters": {"env": {"type": "string", "value": "dev"}}}}"#;
    check(
        &[
            ("pipeline/run.json", pipeline),
            ("trigger/t.json", trigger),
            ("factory/f.json", factory),
        ],
        expect![[r#"
            curated ? name/metadata main.curated [curated -> main.curated]
            curated.sales ? name/metadata main.curated.sales [curated -> main.curated]
            curated.sales ? name/metadata main.curated.sales [curated -> main.curated]
            raw.stg_a ? name/metadata land.bronze.a [raw -> land.bronze] [stg_a -> a]
            passes /MDP/load db=curated|raw
            passes /MDP/load env=dev
            passes /MDP/load table=stg_a|stg_b
            passes /MDP/load target=curated.sales
            passes /MDP/load task=
            calls /MDP/load (notebook activity)
            raw ? name/metadata land.bronze [raw -> land.bronze]
            calls run (pipeline)
        "#]],
    );
}

#[test]
fn pattern_39_templates_with_doubled_escapes() {
    let template = r#"{"$schema": "http://schema.management.azure.com/schemas/2015-01-01/deploymentTemplate.json#",
"parameters": {"factoryName": {"type": "string"}, "table": {"type": "string", "defaultValue": "curated.dim"}},
"resources": [{"name": "[concat(parameters('factoryName'), '/p')]", "type": "Microsoft.DataFactory/factories/pipelines", "properties": {
"activities": [{"name": "a", "type": "Copy", "typeProperties": {
 "source": {"type": "AzureDatabricksDeltaLakeSource",
 "query": "[concat('@concat(''select * from raw.stg_a where x = '''''', pipeline().parameters.p, '''''''')')]"},
 "sink": {"type": "AzureDatabricksDeltaLakeSink",
 "preCopyScript": "[concat('delete from ', parameters('table'), ' ; delete from curated.sales')]"}}},
 {"name": "b", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource",
 "query": "[[select * from curated.sales]"}}}]}}]}"#;
    check(
        &[("arm/template.json", template)],
        expect![[r#"
            curated.dim ? name/metadata main.curated.dim [curated -> main.curated]
            raw.stg_a -> land.bronze.a
            parameters('table') ? name/unresolved 
            curated.sales -> main.curated.sales
            - "query": "[concat('@concat(''select * from raw.stg_a where x = '''''', pipeline().parameters.p, '''''''')')]"},
            + "query": "[concat('@concat(''select * from land.bronze.a where x = '''''', pipeline().parameters.p, '''''''')')]"},
            - "preCopyScript": "[concat('delete from ', parameters('table'), ' ; delete from curated.sales')]"}}},
            + "preCopyScript": "[concat('delete from ', parameters('table'), ' ; delete from main.curated.sales')]"}}},
        "#]],
    );
}

#[test]
fn patterns_21_and_40_the_connection_decides() {
    let pipeline = r#"{"name": "p", "properties": {"description": "loads curated.sales", "activities": [
{"name": "sql", "type": "Lookup", "typeProperties": {"source": {"type": "AzureSqlSource", "sqlReaderQuery": "select * from curated.sales"}}},
{"name": "proc", "type": "SqlServerStoredProcedure", "typeProperties": {"storedProcedureName": "[curated].[sales]", "storedProcedureParameters": {"t": {"value": "curated.sales", "type": "String"}}}},
{"name": "s1", "type": "Script", "linkedServiceName": {"referenceName": "ora", "type": "LinkedServiceReference"}, "typeProperties": {"scripts": [{"type": "Query", "text": "select * from curated.sales"}]}},
{"name": "s2", "type": "Script", "linkedServiceName": {"referenceName": "dbx", "type": "LinkedServiceReference"}, "typeProperties": {"scripts": [{"type": "Query", "text": "select * from curated.sales"}]}},
{"name": "s3", "type": "Script", "linkedServiceName": {"referenceName": "lost", "type": "LinkedServiceReference"}, "typeProperties": {"scripts": [{"type": "Query", "text": "select * from curated.sales"}]}},
{"name": "h", "type": "Lookup", "typeProperties": {"source": {"type": "HiveSource", "query": "select * from curated.sales"}}},
{"name": "c", "type": "Copy", "inputs": [{"referenceName": "delta", "type": "DatasetReference"}], "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "select * from curated.sales timestamp as of '2024-01-01'"}, "sink": {"type": "ParquetSink"},
 "translator": {"type": "TabularTranslator", "mappings": [{"source": {"name": "curated.sales"}}]}}}]}}"#;
    let oracle = r#"{"name": "ora", "properties": {"type": "Oracle", "typeProperties": {"connectionString": "host=curated.sales"}}}"#;
    let databricks = r#"{"name": "dbx", "properties": {"type": "AzureDatabricks", "typeProperties": {"domain": "x"}}}"#;
    let delta = r#"{"name": "delta", "properties": {"linkedServiceName": {"referenceName": "dl", "type": "LinkedServiceReference"}, "type": "AzureDatabricksDeltaLakeDataset", "typeProperties": {"database": "CURATED", "table": "sales"}}}"#;
    let sql = r#"{"name": "sql", "properties": {"linkedServiceName": {"referenceName": "x", "type": "LinkedServiceReference"}, "type": "SqlServerTable", "typeProperties": {"schema": "curated", "table": "sales", "tableName": "curated.sales"}}}"#;
    check(
        &[
            ("pipeline/p.json", pipeline),
            ("linkedService/ora.json", oracle),
            ("linkedService/dbx.json", databricks),
            ("dataset/delta.json", delta),
            ("dataset/sql.json", sql),
        ],
        expect![[r#"
            curated.sales ? name/metadata main.curated.sales [curated -> main.curated]
            curated.sales -> main.curated.sales
            curated.sales ? adf/unknown-connection main.curated.sales [curated -> main.curated]
            curated.sales ? adf/hive-connector main.curated.sales [curated -> main.curated]
            curated.sales -> main.curated.sales
            - {"name": "s2", "type": "Script", "linkedServiceName": {"referenceName": "dbx", "type": "LinkedServiceReference"}, "typeProperties": {"scripts": [{"type": "Query", "text": "select * from curated.sales"}]}},
            + {"name": "s2", "type": "Script", "linkedServiceName": {"referenceName": "dbx", "type": "LinkedServiceReference"}, "typeProperties": {"scripts": [{"type": "Query", "text": "select * from main.curated.sales"}]}},
            - {"name": "c", "type": "Copy", "inputs": [{"referenceName": "delta", "type": "DatasetReference"}], "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "select * from curated.sales timestamp as of '2024-01-01'"}, "sink": {"type": "ParquetSink"},
            + {"name": "c", "type": "Copy", "inputs": [{"referenceName": "delta", "type": "DatasetReference"}], "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "select * from main.curated.sales timestamp as of '2024-01-01'"}, "sink": {"type": "ParquetSink"},
            CURATED ? adf/delta-lake-dataset main.curated.sales
        "#]],
    );
}

#[test]
fn variables_are_read_where_they_are_used() {
    let pipeline = r#"{"name": "p", "properties": {"variables": {"SQL": {"type": "String", "defaultValue": "select 1"}, "other": {"type": "String"}}, "activities": [
{"name": "s", "type": "SetVariable", "typeProperties": {"variableName": "SQL", "value": "select * from curated.sales where t = '<<T>>'"}},
{"name": "o", "type": "SetVariable", "typeProperties": {"variableName": "other", "value": "select * from curated.dim"}},
{"name": "l", "type": "Lookup", "typeProperties": {"source": {"type": "AzureDatabricksDeltaLakeSource", "query": "@replace(variables('sql'), '<<T>>', 'x')"}}},
{"name": "m", "type": "Lookup", "typeProperties": {"source": {"type": "SqlServerSource", "sqlReaderQuery": "@variables('other')"}}}]}}"#;
    check(
        &[("pipeline/p.json", pipeline)],
        expect![[r#"
        curated.sales -> main.curated.sales
        - {"name": "s", "type": "SetVariable", "typeProperties": {"variableName": "SQL", "value": "select * from curated.sales where t = '<<T>>'"}},
        + {"name": "s", "type": "SetVariable", "typeProperties": {"variableName": "SQL", "value": "select * from main.curated.sales where t = '<<T>>'"}},
    "#]],
    );
}

#[test]
fn patterns_14_and_15_escapes_and_case() {
    check(
        &[(
            "pipeline/p.json",
            &lookup(
                r#""SELECT * FROM CURATED.Sales -- curated.dim\r\nWHERE 'curated.dim' = \"\u0063urated.dim\"""#,
            ),
        )],
        expect![[r#"
            CURATED.Sales -> main.curated.sales
            curated ? name/metadata main.curated [curated -> main.curated]
            curated ? name/metadata main.curated [curated -> main.curated]
            - "query": "SELECT * FROM CURATED.Sales -- curated.dim\r\nWHERE 'curated.dim' = \"\u0063urated.dim\""
            + "query": "SELECT * FROM main.CURATED.Sales -- curated.dim\r\nWHERE 'curated.dim' = \"\u0063urated.dim\""
        "#]],
    );
}

#[test]
fn patterns_35_and_36_metadata_is_for_a_person() {
    check(
        &[
            (
                "meta/feeds.csv",
                "source,target,comment\r\nraw.stg_a,\"curated.sales\",see curated.dim\r\nx@raw.stg_a,raw.unknown,/mnt/raw/x\r\n",
            ),
            (
                "meta/feeds.json",
                "{\"feeds\": [{\"t\": \"raw.stg_a\", \"description\": \"raw.stg_a\", \"raw.stg_b\": 1}]} // raw.stg_a",
            ),
            (
                "meta/feeds.yml",
                "feeds:\n  - t: raw.stg_a # raw.stg_a\n    sql: |\n      select * from curated.sales\n",
            ),
        ],
        expect![[r#"
            raw.stg_a ? name/metadata land.bronze.a [raw -> land.bronze] [stg_a -> a]
            curated.sales ? name/metadata main.curated.sales [curated -> main.curated]
            raw.stg_a ? name/metadata land.bronze.a [raw -> land.bronze] [stg_a -> a]
            raw.stg_b ? name/metadata land.bronze.stg_b [raw -> land.bronze]
            raw.stg_a ? name/metadata land.bronze.a [raw -> land.bronze] [stg_a -> a]
            curated.sales ? name/metadata main.curated.sales [curated -> main.curated]
        "#]],
    );
}

#[test]
fn jobs_and_bundles() {
    let bundle = "resources:\n  jobs:\n    load:\n      name: load\n      tasks:\n        - task_key: a\n          notebook_task:\n            notebook_path: ../src/load.py\n            base_parameters:\n              db: curated\n              table: curated.sales\n              run: \"{{job.run_id}}\"\n        - task_key: b\n          sql_task:\n            query:\n              query_id: x\n      job_clusters:\n        - new_cluster:\n            spark_version: 13.3.x\n            data_security_mode: NONE\n            init_scripts:\n              - dbfs:\n                  destination: dbfs:/mnt/raw/init.sh\n  pipelines:\n    p:\n      target: curated\n      libraries:\n        - notebook:\n            path: ./dlt\n";
    check(
        &[("bundle/databricks.yml", bundle)],
        expect![[r#"
            curated ? name/metadata main.curated [curated -> main.curated]
            curated.sales ? name/metadata main.curated.sales [curated -> main.curated]
            dbfs:/mnt/raw ? name/metadata abfss://raw@lake.dfs.core.windows.net [dbfs:/mnt/raw -> abfss://raw@lake.dfs.core.windows.net]
            ! databricks/cluster-access-mode NONE
            ! databricks/pipeline-target curated
            passes ../src/load.py db=curated
            passes ../src/load.py table=curated.sales
            passes ../src/load.py run=
            calls ../src/load.py (job task)
            calls ./dlt (declarative pipeline)
        "#]],
    );
}

#[test]
fn broken_files_are_told() {
    check(
        &[
            ("pipeline/p.json", "{\"a\": curated.sales}"),
            ("x.yml", "a: [curated.sales"),
        ],
        expect![[r#"
            ! file/unreadable c
            ! file/unreadable 
        "#]],
    );
}

/// Text with holes, wrapped in layers; the layers are undone by the reader alone.
fn wrapped(sql: &str, layers: &[u8]) -> (String, bool) {
    let mut text = sql.to_owned();
    let mut arm = false;
    for layer in layers {
        if arm {
            break;
        }
        text = match layer % 3 {
            0 => format!("@concat('{}')", text.replace('\'', "''")),
            1 => {
                arm = true;
                format!("[concat('{}')]", text.replace('\'', "''"))
            }
            _ => text,
        };
        // An expression is the value of nothing but JSON or ARM.
        if text.starts_with('@') {
            let rest = layers
                .iter()
                .skip_while(|other| *other != layer)
                .any(|layer| layer % 3 == 1);
            if rest {
                arm = true;
                text = format!("[concat('{}')]", text.replace('\'', "''"));
            }
            break;
        }
    }
    (text, arm)
}

/// JSON with every letter escaped that a tool may escape.
fn json_string(text: &str, escape_every: usize) -> String {
    let mut out = String::from("\"");
    for (index, letter) in text.chars().enumerate() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            letter if (letter as u32) < 0x20 => out.push_str(&format!("\\u{:04x}", letter as u32)),
            letter
                if escape_every > 0 && index % escape_every == 0 && (letter as u32) < 0x1_0000 =>
            {
                out.push_str(&format!("\\u{:04X}", letter as u32));
            }
            letter => out.push(letter),
        }
    }
    out.push('"');
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// A query with known names in any nesting of escapes is rewritten exactly; decoding what comes out gives the query with new names.
    #[test]
    fn known_names_in_any_nesting(
        pieces in proptest::collection::vec((0..6usize, 0..2usize), 1..5),
        layers in proptest::collection::vec(any::<u8>(), 0..3),
        escape_every in 0..7usize,
        blank in "[ \n\t]{1,3}",
    ) {
        let names = [("raw.stg_a", "land.bronze.a"), ("`raw`.stg_b", "land.`bronze`.stg_b"), ("curated.sales", "main.curated.sales"), ("CURATED.dim", "main.CURATED.dim"), ("x.y.z", "x.y.z"), ("raw . stg_b", "land.bronze . stg_b")];
        let noise = ["where a = 'raw.stg_a'", "where a = 'it''s \"x\" \\ é'"];
        let build = |new: bool| {
            let selects: Vec<String> = pieces.iter().map(|(name, tail)| {
                let (old, renamed) = names[*name];
                format!("select{blank}*{blank}from{blank}{}{blank}{}", if new { renamed } else { old }, noise[*tail])
            }).collect();
            selects.join(" union all ")
        };
        let document = |sql: &str| {
            let (text, arm) = wrapped(sql, &layers);
            let query = json_string(&text, escape_every);
            let pipeline = format!(r#"{{"name": "p", "type": "Microsoft.DataFactory/factories/pipelines", "properties": {{"activities": [{{"type": "Lookup", "typeProperties": {{"source": {{"type": "AzureDatabricksDeltaLakeSource", "query": {query}}}}}}}]}}}}"#);
            if arm {
                format!(r#"{{"$schema": "x/deploymentTemplate.json#", "resources": [{pipeline}]}}"#)
            } else {
                pipeline
            }
        };
        let text = document(&build(false));
        let after = rewritten(&text);
        // Escapes of untouched letters stay, so the two are compared as what they mean.
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).expect("JSON");
        prop_assert_eq!(value(&after), value(&document(&build(true))), "{}", after);
        prop_assert_eq!(rewritten(&after), after);
    }

    #[test]
    fn any_text_is_read_as_an_expression_or_refused(text in r#"[@\[({'a.,$ \])}]{0,30}|\PC{0,30}"#) {
        let (json, _) = (json_string(&text, 0), ());
        read(&[("pipeline/p.json", &lookup(&json))]);
        read(&[("arm/t.json", &format!(r#"{{"$schema": "x/deploymentTemplate.json#", "resources": [{}]}}"#, lookup(&json)))]);
    }
}

fn rewritten(text: &str) -> String {
    let mapping = mapping();
    let (options, facts) = (Options::default(), Facts::default());
    let mut reader = Reader::new(
        "pipeline/p.json",
        &mapping,
        &options,
        &facts,
        &NoIncludes,
        Session::new(),
    );
    let file: Arc<Fragment> = Fragment::root(text.to_owned(), "file");
    format::read(&mut reader, &file, Format::Json);
    let (found, _) = reader.finish();
    assert!(
        found
            .regions
            .iter()
            .all(|region| region.range.end <= text.len())
    );
    let mut edits: Vec<Edit> = found
        .occurrences
        .iter()
        .filter_map(|occurrence| match &occurrence.verdict {
            Verdict::Rewritten { edits, .. } => Some(edits.clone()),
            _ => None,
        })
        .flatten()
        .collect();
    edits.sort_by_key(|edit| edit.range.start);
    edits.dedup();
    let mut changed = text.to_owned();
    for edit in edits.iter().rev() {
        assert_eq!(&changed[edit.range.clone()], edit.old);
        changed.replace_range(edit.range.clone(), &edit.new);
    }
    changed
}
