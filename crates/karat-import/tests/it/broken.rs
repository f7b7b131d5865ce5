//! Input that is wrong is told, never a panic.

use expect_test::expect;
use karat_import::{DbtSettings, Dialect, Folder, ImportError, dbt, dlt};

use super::{folder, told};

fn imported(files: Vec<(&str, Vec<u8>)>) -> Result<karat_import::Import, ImportError> {
    let settings = DbtSettings {
        dialect: Some(Dialect::DuckDb),
        vars: Vec::new(),
    };
    let files = files
        .into_iter()
        .map(|(path, bytes)| (path.to_owned(), bytes));
    dbt(&Folder::of(files), &settings)
}

#[test]
fn no_project_is_refused() {
    for (files, wanted) in [
        (vec![], "holds no dbt project"),
        (vec![("dbt_project.yml", b"name: [".to_vec())], "is broken"),
        (
            vec![("dbt_project.yml", b"version: 1".to_vec())],
            "names no project",
        ),
        (vec![("dbt_project.yml", b"\xff\xfe".to_vec())], "no UTF-8"),
        (
            vec![("dbt_project.yml", "[".repeat(10_000).into_bytes())],
            "nested too deeply",
        ),
    ] {
        let error = imported(files).unwrap_err().to_string();
        assert!(error.contains(wanted), "{error}");
    }
}

#[test]
fn what_is_broken_is_listed_and_the_rest_goes_on() {
    let deep = format!(
        "select {}1{} as x from {{{{ ref('a') }}}}",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    let deep_template = format!(
        "select {{{{ {}1{} }}}} as x",
        "(".repeat(10_000),
        ")".repeat(10_000)
    );
    let nested = format!(
        "{}x{}",
        "{% if true %}".repeat(10_000),
        "{% endif %}".repeat(10_000)
    );
    let import = imported(vec![
        ("dbt_project.yml", b"name: shop".to_vec()),
        ("seeds/a.csv", b"id\n1\n".to_vec()),
        ("seeds/twice.csv", b"id,ID\n1,2\n".to_vec()),
        ("seeds/ragged.csv", b"id,b\n1\n".to_vec()),
        ("seeds/empty.csv", b"".to_vec()),
        ("seeds/latin.csv", b"name\nM\xfcller\n".to_vec()),
        ("models/deep.sql", deep.into_bytes()),
        ("models/deep_template.sql", deep_template.into_bytes()),
        ("models/nested.sql", nested.into_bytes()),
        ("models/open.sql", b"select {{ ref('a' }}".to_vec()),
        ("models/endless.sql", b"select {{ ref('a')".to_vec()),
        (
            "models/no_end.sql",
            b"\n{% if true %}select 1 as x".to_vec(),
        ),
        (
            "models/loop.sql",
            b"{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}"
                .to_vec(),
        ),
        ("models/itself.sql", b"{{ m() }}".to_vec()),
        ("models/not_sql.sql", b"select from where".to_vec()),
        ("models/two.sql", b"select 1 as a; select 2 as b".to_vec()),
        ("models/delete.sql", b"delete from t".to_vec()),
        ("models/nothing.sql", b"-- only a comment\n".to_vec()),
        ("models/quote.sql", b"select 'abc as x".to_vec()),
        ("models/latin.sql", b"select 'M\xfcller' as x".to_vec()),
        ("models/fine.sql", b"select id from {{ ref('a') }}".to_vec()),
        ("models/broken.yml", b"models:\n  - name: [\n".to_vec()),
        (
            "models/odd.yml",
            b"models: 7\nsources: {a: b}\nunit_tests: [x]\n".to_vec(),
        ),
        (
            "macros/m.sql",
            b"{% macro m() %}{{ m() }}{% endmacro %}".to_vec(),
        ),
    ])
    .unwrap();
    expect![[r#"
        ---
        model: 1 mapped, 14 unmapped
        seed: 1 mapped, 4 unmapped
        unit test: 0 mapped, 1 unmapped
        unmapped models/broken.yml:3 `models/broken.yml`: the YAML is broken: while parsing a node, did not find expected node content; mend it: nothing of this file is taken over
        unmapped models/deep.sql:1 `SQL`: it is not understood: it is nested too deeply; write it in karat's SQL
        unmapped models/deep_template.sql:1 `(`: it is nested too deeply; mend the template
        unmapped models/delete.sql:1 `SQL`: it is no SELECT; a model is exactly one SELECT
        unmapped models/endless.sql:1 `{{`: `}}` does not follow; mend the template
        unmapped models/itself.sql:1 `m`: in the macro `m`: the macro calls itself without an end; write out what it gives
        unmapped models/latin.sql:1 `models/latin.sql`: the file is no UTF-8; save it as UTF-8
        unmapped models/loop.sql:1 `for`: it takes more than 1000000 steps; write out what it gives
        unmapped models/nested.sql:1 `{%`: it is nested too deeply; mend the template
        unmapped models/no_end.sql:2 `if`: it has no `endif`; mend the template
        unmapped models/not_sql.sql:1 `where`: no statement that is taken over makes this table; bring it over first, or declare it as a source
        unmapped models/nothing.sql:1 `SQL`: there is no SELECT; a model is exactly one SELECT
        unmapped models/odd.yml:3 `model: `: `` is left out; write it as a test of karat (`domains/*/tests/*.yaml`)
        unmapped models/open.sql:1 `the end`: `)` was to come; mend the template
        unmapped models/quote.sql:1 `SQL`: Unterminated string literal; mend the SQL
        unmapped models/two.sql:1 `SQL`: there is more than one statement; a model is exactly one SELECT
        unmapped seeds/empty.csv:1 `empty`: the file is empty; mend the file
        unmapped seeds/latin.csv:2 `seeds/latin.csv`: the file is no UTF-8; save it as UTF-8
        unmapped seeds/ragged.csv:2 `ragged`: the CSV is broken: CSV error: record 1 (line: 2, byte: 5): found record with 1 fields, but the previous record has 2 fields; mend the file
        unmapped seeds/twice.csv:1 `twice`: the column `ID` has no name of its own (F3); mend the file
    "#]].assert_eq(&told(&import));
}

#[test]
fn a_folder_that_holds_something_is_not_written_into() {
    let import = dbt(
        &folder("--- dbt_project.yml\nname: shop\n"),
        &DbtSettings::default(),
    )
    .unwrap();
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mine"), "x").unwrap();
    let error = import.write(dir.path()).unwrap_err().to_string();
    assert!(error.contains("is not empty"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    import.write(&dir.path().join("new")).unwrap();
}

#[test]
fn what_grows_without_a_bound_is_told() {
    let chain = format!("select {{{{ {} }}}} as x", vec!["1"; 50_000].join(" + "));
    let sides = format!(
        "select {{{{ {} }}}} as x",
        vec!["a.b"; 50_000].join(" and ")
    );
    let ifs = format!(
        "{{% macro deep() %}}{}{{{{ deep() }}}}{}{{% endmacro %}}",
        "{% if true %}".repeat(60),
        "{% endif %}".repeat(60)
    );
    let doubled = format!(
        "{{% set a = 'xxxxxxxx' %}}{}select 1 as x",
        "{% set a = a ~ a %}".repeat(40)
    );
    let listed = format!(
        "{{% set a = [1] %}}{}select 1 as x",
        "{% set a = a + a %}".repeat(40)
    );
    let replaced = format!(
        "{{% set a = 'xxxxxxxx' %}}{}select 1 as x",
        "{% set a = a.replace('x', a) %}".repeat(40)
    );
    let wide: String = (1..35)
        .map(|nth| format!(", c{} as (select a.*, a.* from c{nth} a)", nth + 1))
        .collect();
    let wide = format!("with c1 as (select 1 as x){wide} select * from c35");
    let import = imported(vec![
        ("dbt_project.yml", b"name: shop".to_vec()),
        ("macros/m.sql", ifs.into_bytes()),
        ("models/chain.sql", chain.into_bytes()),
        ("models/sides.sql", sides.into_bytes()),
        ("models/deep.sql", b"{{ deep() }}".to_vec()),
        ("models/doubled.sql", doubled.into_bytes()),
        ("models/listed.sql", listed.into_bytes()),
        ("models/replaced.sql", replaced.into_bytes()),
        ("models/wide.sql", wide.into_bytes()),
        (
            "models/range.sql",
            b"{% for a in range(-9223372036854775807, 9223372036854775807) %}x{% endfor %}"
                .to_vec(),
        ),
        (
            "models/least.sql",
            b"select {{ -(-9223372036854775807 - 1) }} as x".to_vec(),
        ),
        (
            "models/abs.sql",
            b"select {{ (-9223372036854775807 - 1) | abs }} as x".to_vec(),
        ),
    ])
    .unwrap();
    expect![[r#"
        ---
        model: 0 mapped, 10 unmapped
        unmapped models/abs.sql:1 `| abs`: this filter is not taken over for a number; write out what it gives
        unmapped models/chain.sql:1 `{{ … }}`: the expression has more than 128 operators in a row; mend the template
        unmapped models/deep.sql:1 `{{ … }}`: in the macro `deep`: it is nested too deeply, with the macros that it calls; write out what it gives
        unmapped models/doubled.sql:1 `{{ … }}`: the values that it makes are larger than 1 MiB, or 256 MiB together; write out what it gives
        unmapped models/least.sql:1 `-`: it is not taken over for a number; write out what it gives
        unmapped models/listed.sql:1 `{{ … }}`: the values that it makes are larger than 1 MiB, or 256 MiB together; write out what it gives
        unmapped models/range.sql:1 `range`: this call is not taken over: what it gives is known to dbt alone; write out the SQL that it gives (`dbt compile` shows it)
        unmapped models/replaced.sql:1 `{{ … }}`: the values that it makes are larger than 1 MiB, or 256 MiB together; write out what it gives
        unmapped models/sides.sql:1 `{{ … }}`: the expression has more than 128 operators in a row; mend the template
        unmapped models/wide.sql:1 `*`: it stands for more than 10000 columns; name the columns
        unmapped models/wide.sql:1 `*`: which columns it stands for is not known: nothing that is taken over names them; name the columns
    "#]].assert_eq(&told(&import));
}

#[test]
fn a_text_without_an_end_is_told_once() {
    let text = format!(
        "--- p.sql\nCREATE LIVE TABLE a AS SELECT 1 AS x;\n{}\n SELECT 'open",
        "'a;' ".repeat(20_000)
    );
    let import = dlt(&folder(&text), "x").unwrap();
    expect![[r#"
        ---
        statement: 0 mapped, 1 unmapped
        table: 1 mapped, 0 unmapped
        unmapped p.sql:3 `SQL`: Unterminated string literal; mend the SQL
    "#]]
    .assert_eq(&told(&import));
}
