//! Rules that a machine can check in the text of a file (STYLE). A remark repeated in review becomes a rule here.

use crate::mask;
use crate::tree::SourceFile;

/// Names that say where code ended up, not what it holds.
const EMPTY_NAMES: &[&str] = &["utils", "util", "common", "helpers", "helper", "misc"];

/// Calls and attributes that must not be committed.
const LEFT_OVERS: &[&str] = &["todo!", "dbg!", "unimplemented!", "#[ignore"];

/// Starts of paths that exist on somebody's machine only. Written in two parts, so that this file passes.
const MACHINE_PATHS: &[&str] = &[
    concat!("/", "work/"),
    concat!("/", "root/"),
    concat!("/", "tmp/"),
    concat!("/", "home/"),
    concat!("/", "Users/"),
];

/// What is wrong with one file.
pub(crate) fn check(file: &SourceFile) -> Vec<String> {
    let mut findings = check_name(&file.path);
    let Some(text) = &file.text else {
        return findings;
    };
    if !file.path.starts_with(".ci/") {
        findings.extend(check_machine_paths(&file.path, text));
    }
    if file.path.ends_with(".rs") {
        findings.extend(check_rust(&file.path, text));
    }
    findings
}

fn check_name(path: &str) -> Vec<String> {
    let is_code = path.ends_with(".rs") || path.ends_with(".py");
    let stems = path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part));
    let mut findings = Vec::new();
    for stem in stems.filter(|stem| is_code && EMPTY_NAMES.contains(stem)) {
        findings.push(format!(
            "{path}: `{stem}` names no thing; name the file after what it holds"
        ));
    }
    findings
}

fn check_machine_paths(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    for (number, line) in text.lines().enumerate() {
        for machine_path in MACHINE_PATHS {
            if line
                .match_indices(machine_path)
                .any(|(at, _)| begins_path(line, at))
            {
                findings.push(format!(
                    "{path}:{}: `{machine_path}` is a path of one machine",
                    number + 1
                ));
            }
        }
    }
    findings
}

/// Whether a path begins here, and does not only go on (`a/tmp/b`, `https://host/home/`).
fn begins_path(line: &str, at: usize) -> bool {
    let before = line[..at].chars().next_back();
    before.is_none_or(|letter| {
        !letter.is_alphanumeric() && !matches!(letter, '_' | '-' | '.' | '}' | '>' | '*' | '~')
    })
}

fn check_rust(path: &str, text: &str) -> Vec<String> {
    let mut findings = Vec::new();
    if !text
        .trim_start_matches(['\u{feff}', '\n', '\r', ' '])
        .starts_with("//!")
    {
        findings.push(format!(
            "{path}:1: open the file with `//!`: what it is for, and what it leaves to others"
        ));
    }
    let code = mask::code_only(text);
    for (number, line) in code.lines().enumerate() {
        for left_over in LEFT_OVERS
            .iter()
            .filter(|left_over| contains_word(line, left_over))
        {
            findings.push(format!(
                "{path}:{}: `{left_over}` must not be committed",
                number + 1
            ));
        }
    }
    if !is_test(path) {
        for (number, line) in mask::without_tests(&code).lines().enumerate() {
            if line.contains(".unwrap()") {
                let advice = "return the error, or state the invariant with `expect`";
                findings.push(format!(
                    "{path}:{}: `unwrap()` outside tests; {advice}",
                    number + 1
                ));
            }
        }
    }
    findings
}

fn is_test(path: &str) -> bool {
    path.split('/')
        .any(|part| matches!(part, "tests" | "benches" | "examples" | "tests.rs"))
}

fn contains_word(line: &str, word: &str) -> bool {
    line.match_indices(word).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        before.is_none_or(|letter| !letter.is_alphanumeric() && letter != '_')
    })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::SourceFile;

    fn findings(path: &str, text: &str) -> Vec<String> {
        check(&SourceFile {
            path: path.to_owned(),
            text: Some(text.to_owned()),
        })
    }

    #[test]
    fn a_clean_file_has_no_findings() {
        let text = "//! Head.\nfn f() { g(\"dbg!\"); } // todo!\n#[cfg(test)]\nmod tests { fn t() { x.unwrap(); } }\n";
        assert_eq!(findings("crates/a/src/lib.rs", text), Vec::<String>::new());
    }

    #[test]
    fn left_overs_are_found_with_their_line() {
        for left_over in ["todo!()", "dbg!(x)", "unimplemented!()", "x.unwrap()"] {
            let found = findings(
                "crates/a/src/lib.rs",
                &format!("//! Head.\nfn f() {{ {left_over} }}\n"),
            );
            assert_eq!(found.len(), 1, "{left_over}: {found:?}");
            assert!(found[0].starts_with("crates/a/src/lib.rs:2: "), "{found:?}");
        }
        assert_eq!(
            findings(
                "crates/a/tests/it/a.rs",
                "//! Head.\n#[ignore]\nfn f() { x.unwrap() }"
            )
            .len(),
            1
        );
    }

    #[test]
    fn a_file_without_head_is_found() {
        assert_eq!(findings("a.rs", "fn f() {}").len(), 1);
    }

    #[test]
    fn names_without_meaning_are_found() {
        assert_eq!(findings("crates/a/src/utils.rs", "//! x").len(), 1);
        assert_eq!(findings("crates/a/tests/common/mod.rs", "//! x").len(), 1);
        assert_eq!(findings("docs/common.md", "x").len(), 0);
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        let machine = concat!("see /", "work/x, file:///", "root/y");
        assert_eq!(findings("README.md", machine).len(), 2);
        assert_eq!(findings(".ci/run", machine).len(), 0);
        assert_eq!(
            findings(
                "README.md",
                concat!("lake/", "tmp/ and https://a.b/", "home/c")
            )
            .len(),
            0
        );
    }
}
