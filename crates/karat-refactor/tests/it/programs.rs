//! Random programs whose names are known by construction are rewritten exactly; arbitrary bytes never panic.

use karat_refactor::Verdict;
use proptest::prelude::*;

use crate::show::{after, mapping, scanned};

/// A mapped name, as it is written and as it must become, bare and in the backticks of SQL.
const NAMES: [(&str, &str); 4] = [
    ("sales.orders", "prod.sales.orders"),
    ("sales.items", "prod.sales.items"),
    ("old.t", "prod.fresh.t2"),
    ("people.emp", "`prod-eu`.people.emp"),
];

/// What is written around a name; `@` stands for it. None of them is in a place where it must stay.
const PYTHON: &[&str] = &[
    "spark.table('@').count()",
    "df = spark.read.table(\"@\")",
    "df.write.mode('append').saveAsTable('''@''')",
    "spark.sql(f\"select a, {b} from @ where c = 'x.y'\")",
    "spark.sql(\"select * from @ t \\\n  join @ u\")",
    "spark.sql(r'insert into @ select 1')",
    "spark.sql('select ' 'a from @ ' + 'where ' + c)",
    "spark.sql('''\nmerge into @ t using (select 1 as id) s on t.id = s.id\nwhen matched then delete -- gone\n''')",
    "t = '@'\nspark.table(t)",
    "def read(n):\n    return spark.table(n)\nread('@')",
    "for n in ['@', \"@\"]:\n    spark.catalog.refreshTable(n)",
    "spark.sql('select * from {}'.format('@'))",
    "spark.sql('select * from %s where x = 1' % '@')",
    "if x:\n    spark.sql(f'optimize @ zorder by (a)')\nelse:\n    spark.table('@')",
    "DeltaTable.forName(spark, '@')",
    "spark.sql('\\x64escribe history @')",
    "q = 'delete from @'\nq += ' where a = 1'\nspark.sql(q)",
];

/// The same for texts that must stay.
const PYTHON_STAYS: &[&str] = &[
    "# @",
    "print('@')",
    "df.select('@')",
    "spark.sql(\"select '@' as a\")",
    "spark.read.format('jdbc').option('dbtable', '@').load()",
    "def f():\n    \"\"\"@\"\"\"",
    "x = {'a': 1}  # not @",
    "logger.info(f'{n} rows of @')",
    "spark.sql('''select 1 /* @ */''')",
];

const SCALA: &[&str] = &[
    "spark.table(\"@\").count()",
    "spark.sql(s\"select $a from @ where b = '${c.d}'\")",
    "spark.sql(\"\"\"\nselect *\nfrom @\n\"\"\")",
    "spark.sql(\"\"\"select *\n  |from @\"\"\".stripMargin)",
    "val t = \"@\"\nspark.read.table(t)",
    "df.write\n  .mode(\"overwrite\")\n  .saveAsTable(\"@\")",
    "spark.sql(\"select * from \" + \"@\" + \" where a = 1\")",
    "Seq(\"@\", \"@\").foreach { n => spark.catalog.refreshTable(n) }",
    "def read(n: String) = spark.table(n)\nread(\"@\")",
    "spark.sql(\"select * from %s\".format(\"@\"))",
    "DeltaTable.forName(spark, \"@\")",
];

const SCALA_STAYS: &[&str] = &[
    "// @",
    "/* @ */",
    "println(\"@\")",
    "df.filter($\"@\" === 1)",
    "spark.read.format(\"jdbc\").option(\"dbtable\", \"@\").load()",
    "spark.sql(\"select '@' as a\")",
];

const R: &[&str] = &[
    "df <- tableToDF(\"@\")",
    "sql('select * from @')",
    "saveAsTable(df, \"@\", mode = \"append\")",
    "q <- paste0(\"select * from \", \"@\")\nsql(q)",
    "SparkR::sql(\"select * from @ where a = 'x.y'\")",
    "read <- function(n) { tableToDF(n) }\nread('@')",
    "for (n in c('@', '@')) { refreshTable(n) }",
    "sql(sprintf(\"select * from %s\", \"@\"))",
    "sql(r\"(select * from @)\")",
];

const R_STAYS: &[&str] = &[
    "# @",
    "print(\"@\")",
    "cat('@')",
    "sql(\"select '@' as a\")",
];

/// A program of pieces, each with a name, before and as it must become.
fn program(
    pieces: &[(usize, usize, bool)],
    moves: &[&str],
    stays: &[&str],
) -> (String, String, usize) {
    let mut before = String::new();
    let mut expected = String::new();
    let mut moved = 0;
    for (piece, name, stay) in pieces {
        let (old, new) = NAMES[name % NAMES.len()];
        let kinds = if *stay { stays } else { moves };
        let piece = kinds[piece % kinds.len()];
        before.push_str(&piece.replace('@', old));
        expected.push_str(&piece.replace('@', if *stay { old } else { new }));
        moved += if *stay { 0 } else { piece.matches('@').count() };
        before.push_str("\n\n");
        expected.push_str("\n\n");
    }
    (before, expected, moved)
}

fn rewritten_exactly(path: &str, program: (String, String, usize)) -> Result<(), TestCaseError> {
    let (before, expected, moved) = program;
    let scan = scanned(&[(path, &before)], &mapping());
    let report = &scan.assets[0];
    prop_assert_eq!(&after(report, &before), &expected);
    let rewritten = report
        .occurrences
        .iter()
        .filter(|occurrence| matches!(occurrence.verdict, Verdict::Rewritten { .. }));
    prop_assert_eq!(rewritten.count(), moved);
    prop_assert_eq!(report.counts().needs_person, 0);
    // Twice is once.
    let again = scanned(&[(path, &expected)], &mapping());
    prop_assert_eq!(again.assets[0].edits(), vec![]);
    Ok(())
}

fn pieces() -> impl Strategy<Value = Vec<(usize, usize, bool)>> {
    prop::collection::vec((0..64_usize, 0..4_usize, prop::bool::weighted(0.3)), 0..8)
}

/// Code-like text: pieces of programs, cut anywhere and mixed with quotes, brackets and letters of all kinds.
fn rubble() -> impl Strategy<Value = String> {
    let all: Vec<&'static str> = [PYTHON, PYTHON_STAYS, SCALA, SCALA_STAYS, R, R_STAYS].concat();
    let piece = prop_oneof![
        4 => (prop::sample::select(all), any::<prop::sample::Index>()).prop_map(|(piece, cut)| {
            let piece = piece.replace('@', "sales.orders");
            let letters: Vec<char> = piece.chars().collect();
            letters[..cut.index(letters.len() + 1)].iter().collect()
        }),
        2 => prop::sample::select(vec!["\"\"\"", "'''", "f'{", "}", "s\"${", "\\", "\\u", "%", "{0}", "(", ")", "`", "\r\n", "\t", "r\"--(", "%>%", "!", "%run x"]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn python_is_rewritten_exactly(pieces in pieces()) {
        rewritten_exactly("x.py", program(&pieces, PYTHON, PYTHON_STAYS))?;
    }

    #[test]
    fn scala_is_rewritten_exactly(pieces in pieces()) {
        rewritten_exactly("x.scala", program(&pieces, SCALA, SCALA_STAYS))?;
    }

    #[test]
    fn r_is_rewritten_exactly(pieces in pieces()) {
        rewritten_exactly("x.r", program(&pieces, R, R_STAYS))?;
    }

    #[test]
    fn rubble_never_panics(text in rubble()) {
        for path in ["x.py", "x.scala", "x.r", "x.sh"] {
            let scan = scanned(&[(path, &text)], &mapping());
            let report = &scan.assets[0];
            let edited = after(report, &text);
            prop_assert_eq!(edited.lines().count(), text.lines().count());
        }
    }
}

#[test]
fn depth_is_no_danger() {
    for (path, open, close) in [
        ("x.py", "(", ")"),
        ("x.py", "{'a':", "}"),
        ("x.scala", "[", "]"),
        ("x.scala", "f(", ")"),
        ("x.r", "f(", ")"),
    ] {
        let text = format!(
            "{}'sales.orders'{}",
            open.repeat(1_600),
            close.repeat(1_600)
        );
        let scan = scanned(&[(path, &text)], &mapping());
        assert_eq!(scan.assets[0].counts().rewritten, 0);
    }
    let sum = format!("spark.sql('from sales.orders'{})", " + 'a'".repeat(2_000));
    scanned(&[("x.py", &sum)], &mapping());
    let grown = format!("q = ''\n{}spark.sql(q)", "q += f'{q} a.b'\n".repeat(200));
    scanned(&[("x.py", &grown)], &mapping());
}
