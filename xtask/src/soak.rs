//! `cargo xtask soak`: the long random tests of the binary, and a note of the last result in `docs/soak.md`.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::Failure;
use crate::process::{self, TestCount};

/// The packages that have soak tests.
const PACKAGES: [&str; 3] = ["karat", "karat-exact", "karat-refactor"];

/// How long, from which seed, of which packages, and with which files to break.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    minutes: u64,
    seed: u64,
    package: Option<&'static str>,
    files: Option<PathBuf>,
}

impl Options {
    /// Reads `--minutes N --seed S --package P --files DIR`; ten minutes of each package from seed 1 unless told.
    pub(crate) fn parse(arguments: &[String]) -> Result<Self, Failure> {
        let mut options = Self {
            minutes: 10,
            seed: 1,
            package: None,
            files: None,
        };
        let mut rest = arguments.iter();
        while let Some(name) = rest.next() {
            let slot = match name.as_str() {
                "--minutes" => &mut options.minutes,
                "--seed" => &mut options.seed,
                "--package" => {
                    let wanted = rest.next();
                    let known = PACKAGES
                        .iter()
                        .find(|known| wanted.is_some_and(|wanted| wanted == *known));
                    let hint = || {
                        Failure::Usage(format!("`--package` wants one of {}", PACKAGES.join(", ")))
                    };
                    options.package = Some(known.ok_or_else(hint)?);
                    continue;
                }
                "--files" => {
                    let folder = rest
                        .next()
                        .ok_or_else(|| Failure::Usage("`--files` wants a folder".to_owned()))?;
                    let folder = std::path::absolute(folder);
                    options.files =
                        Some(folder.map_err(|error| Failure::Failed(error.to_string()))?);
                    continue;
                }
                _ => return Err(Failure::Usage(format!("`soak` does not know `{name}`"))),
            };
            let value = rest.next().and_then(|value| value.parse().ok());
            *slot =
                value.ok_or_else(|| Failure::Usage(format!("`{name}` wants a whole number")))?;
        }
        Ok(options)
    }
}

const HEAD: &str = "# Soak\n\nLong random tests: `cargo xtask soak --minutes N --seed S`; of one package, `--package karat-refactor`, with files of public estates to break, `--files DIR`. The last one:\n\n";

/// Before what a soak test says of itself at its end.
const SAID: &str = "soaked: ";

/// Runs the tests whose name contains `soak`, and notes date, seed and result: of one package in a line of its own.
pub(crate) fn run(root: &Path, options: &Options) -> Result<(), Failure> {
    let mut count = TestCount::default();
    let mut said = String::new();
    let mut command = process::cargo(root);
    command.args(["test", "--locked", "--test", "it"]);
    let packages = match &options.package {
        Some(package) => std::slice::from_ref(package),
        None => &PACKAGES[..],
    };
    for package in packages {
        command.args(["--package", package]);
    }
    command.args(["--", "soak", "--nocapture"]);
    command.env("KARAT_SOAK_MINUTES", options.minutes.to_string());
    command.env("KARAT_SOAK_SEED", options.seed.to_string());
    if let Some(files) = &options.files {
        command.env("KARAT_SOAK_FILES", files);
    }
    let succeeded = process::watch("cargo test", &mut command, |line| {
        count.see(line);
        if let Some((_, more)) = line.split_once(SAID) {
            said = format!("; {more}");
        }
    })?;
    if count.passed + count.failed == 0 {
        return Err(Failure::Failed("no soak test ran".to_owned()));
    }
    let result = if succeeded { "ok" } else { "failed" };
    let result = format!(
        "{result}: {} passed, {} failed, {} minutes",
        count.passed, count.failed, options.minutes
    );
    let page = root.join("docs").join("soak.md");
    let before = std::fs::read_to_string(&page).unwrap_or_else(|_| HEAD.to_owned());
    let notes = match options.package {
        Some(package) => vec![(
            package,
            format!("{}, seed {}, {result}{said}", today(), options.seed),
        )],
        None => vec![
            ("Date", today()),
            ("Seed", options.seed.to_string()),
            ("Result", result.clone()),
        ],
    };
    std::fs::write(&page, with_notes(&before, &notes))
        .map_err(|error| Failure::Failed(format!("cannot write docs/soak.md: {error}")))?;
    println!("soak: {result}, seed {}", options.seed);
    if succeeded {
        Ok(())
    } else {
        Err(Failure::Failed(format!(
            "soak failed with seed {}",
            options.seed
        )))
    }
}

/// The page with the lines `- Name: value` replaced; missing ones are added at the end.
fn with_notes(page: &str, notes: &[(&str, String)]) -> String {
    let mut lines: Vec<String> = page.lines().map(str::to_owned).collect();
    for (name, value) in notes {
        let start = format!("- {name}: ");
        let line = format!("{start}{value}");
        match lines.iter_mut().find(|line| line.starts_with(&start)) {
            Some(old) => *old = line,
            None => lines.push(line),
        }
    }
    lines.join("\n") + "\n"
}

/// The date in UTC.
fn today() -> String {
    let seconds = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    let mut day = seconds / 86_400;
    let mut year = 1970;
    let days_of = |year: u64| {
        if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) {
            366
        } else {
            365
        }
    };
    while day >= days_of(year) {
        day -= days_of(year);
        year += 1;
    }
    let february = days_of(year) - 337;
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if day < days {
            break;
        }
        day -= days;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", day + 1)
}

#[cfg(test)]
mod tests {
    use super::{HEAD, Options, with_notes};

    fn parse(text: &str) -> Option<Options> {
        let arguments: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
        Options::parse(&arguments).ok()
    }

    #[test]
    fn options_are_read() {
        assert_eq!(
            parse(""),
            Some(Options {
                minutes: 10,
                seed: 1,
                package: None,
                files: None
            })
        );
        assert_eq!(
            parse("--seed 5 --minutes 60 --package karat-refactor --files /estates"),
            Some(Options {
                minutes: 60,
                seed: 5,
                package: Some("karat-refactor"),
                files: Some("/estates".into())
            })
        );
        assert!(
            parse("--minutes").is_none()
                && parse("--minutes x").is_none()
                && parse("--hours 1").is_none()
                && parse("--package karat-lake").is_none()
                && parse("--files").is_none()
        );
    }

    #[test]
    fn notes_replace_those_before() {
        let notes = |date: &str| [("Date", date.to_owned()), ("Seed", "5".to_owned())];
        let first = with_notes(HEAD, &notes("2026-10-29"));
        assert!(first.ends_with("The last one:\n\n- Date: 2026-10-29\n- Seed: 5\n"));
        assert_eq!(
            with_notes(&first, &notes("2026-10-30")),
            first.replace("-29", "-30")
        );
    }
}
