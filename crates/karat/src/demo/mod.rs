//! `karat demo`: writes `./karat-demo`, an ordinary project over two business days of a treasury group, and tells
//! what karat does with it. It only writes files and starts `karat` as child processes with public verbs; every
//! figure that it prints comes from their JSON or from the clock. In the order data passes through: [`ledger`] makes
//! the ledger's lines and counts its traps, this file writes the project,
//! [`child`] starts child processes, [`story`] runs them on the project and checks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod child;
mod ledger;
mod story;

pub(crate) use ledger::Planted;
pub(crate) use story::DemoOutcome;

use karat_lake::Format;

use ledger::{ACCOUNTS, DAYS, Day, FilePlan, SplitMix64};

use crate::progress::Activity;

/// The line of its README by which the demo knows its own folder.
const MARK: &str = "This folder was written by `karat demo`.";
/// The line of its `karat.yaml` that must be there too.
const MARK_PROJECT: &str = "project: treasury";
/// The target in its `karat.yaml`, and the same with Iceberg tables.
const TARGET: &str = "dev: { lake: ./lake, default: true }";
const ICEBERG_TARGET: &str = "dev: { lake: ./lake, format: iceberg, default: true }";
/// Written when both days are in place.
const PLANTED_FILE: &str = "planted.json";

/// What to write, where, and by which karat.
#[derive(Debug, Clone)]
pub(crate) struct DemoOptions {
    /// The project's folder; made if missing.
    pub(crate) dir: PathBuf,
    /// The executable to start, normally this one.
    pub(crate) karat: PathBuf,
    /// Ledger lines over both days; the demo tells its story with [`LINES`].
    pub(crate) lines: u64,
    /// Format of its tables.
    pub(crate) format: Format,
    /// One JSON document instead of lines of text on stdout.
    pub(crate) json: bool,
}

/// The ledger lines of the demo as everybody sees it.
pub(crate) const LINES: u64 = 1_000_000;

/// What keeps the demo from being told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    /// The folder holds something else.
    #[error("cannot write the demo into `{}`: the folder exists and is not a demo of karat", .0.display())]
    NotOurs(PathBuf),
    /// The folder holds a demo with tables of the other format.
    #[error("cannot tell the demo of {} tables in `{}`: it is one of {} tables", wanted.name(), dir.display(), found.name())]
    OtherFormat {
        /// The folder.
        dir: PathBuf,
        /// What was asked for.
        wanted: Format,
        /// What is there.
        found: Format,
    },
    /// A file could not be written, read or copied.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        /// A verb: write, read, copy.
        doing: &'static str,
        /// What it was done to.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// karat could not be started.
    #[error("cannot start `{command}`")]
    Start {
        /// The command line.
        command: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// karat ended as it should not have.
    #[error("`{command}` ended with {status}\n{stderr}")]
    Failed {
        /// The command line.
        command: String,
        /// Exit code or signal.
        status: String,
        /// The end of what it said.
        stderr: String,
    },
    /// karat answered with something that is not what it promises.
    #[error("cannot read the answer of `{command}`: {why}")]
    Answer {
        /// The command line.
        command: String,
        /// What is missing.
        why: String,
    },
}

impl DemoError {
    /// What to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        match self {
            Self::NotOurs(_) | Self::OtherFormat { .. } => Some(
                "name another folder with `karat demo --dir FOLDER`, or move this one away"
                    .to_owned(),
            ),
            Self::Failed { .. } => {
                Some("run the command in the demo's folder to see all it says".to_owned())
            }
            Self::Io { .. } | Self::Start { .. } | Self::Answer { .. } => None,
        }
    }

    /// The exit code of H1 that fits.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::NotOurs(_) | Self::OtherFormat { .. } => 2,
            Self::Io { .. } | Self::Start { .. } => 3,
            Self::Failed { .. } | Self::Answer { .. } => 1,
        }
    }

    fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io {
            doing,
            path: path.to_owned(),
            source,
        }
    }
}

/// Which days' files to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DayRange {
    /// The project and what arrives on day 1.
    First,
    /// What arrives on day 2, on top of day 1.
    Second,
    /// The project as the demo leaves it.
    Both,
}

/// Tells the whole story, or, where its folder is there already, checks it and runs again.
pub(crate) fn run(options: &DemoOptions, activity: &Activity) -> Result<DemoOutcome, DemoError> {
    story::tell(options, activity)
}

/// What is at the place where the demo is to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Free,
    /// A demo that was interrupted before day 2 was in place.
    Unfinished,
    Ours,
}

fn place(dir: &Path) -> Result<Place, DemoError> {
    let not_ours = || DemoError::NotOurs(dir.to_owned());
    match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Place::Free),
        Err(error) => return Err(DemoError::io("read", dir, error)),
        Ok(_) => {}
    }
    let mut entries = fs::read_dir(dir).map_err(|_| not_ours())?;
    if entries.next().is_none() {
        return Ok(Place::Free);
    }
    let holds = |name: &str, line: &str| {
        fs::read_to_string(dir.join(name))
            .is_ok_and(|text| text.lines().any(|other| other.starts_with(line)))
    };
    // The README is the first file of a demo, `karat.yaml` the second.
    if !holds("README.md", MARK)
        || (dir.join("karat.yaml").exists() && !holds("karat.yaml", MARK_PROJECT))
    {
        return Err(not_ours());
    }
    Ok(if dir.join(PLANTED_FILE).is_file() {
        Place::Ours
    } else {
        Place::Unfinished
    })
}

/// The format of a demo that is there; none if its `karat.yaml` is not there yet.
fn format_of(dir: &Path) -> Option<Format> {
    let text = fs::read_to_string(dir.join("karat.yaml")).ok()?;
    Some(match text.contains("format: iceberg") {
        true => Format::Iceberg,
        false => Format::Delta,
    })
}

/// The files of the project that do not depend on the day.
const PROJECT: [(&str, &str); 18] = [
    ("README.md", include_str!("project/README.md")),
    ("karat.yaml", include_str!("project/karat.yaml")),
    (
        "domains/ledger/domain.yaml",
        include_str!("project/domains/ledger/domain.yaml"),
    ),
    (
        "domains/ledger/silver/entries.yaml",
        include_str!("project/domains/ledger/silver/entries.yaml"),
    ),
    (
        "domains/ledger/gold/daily_balance.sql",
        include_str!("project/domains/ledger/gold/daily_balance.sql"),
    ),
    (
        "domains/ledger/gold/daily_balance.yaml",
        include_str!("project/domains/ledger/gold/daily_balance.yaml"),
    ),
    (
        "domains/ledger/gold/desk_totals.sql",
        include_str!("project/domains/ledger/gold/desk_totals.sql"),
    ),
    (
        "domains/ledger/gold/desk_totals.yaml",
        include_str!("project/domains/ledger/gold/desk_totals.yaml"),
    ),
    (
        "domains/ledger/gold/country_totals.sql",
        include_str!("project/domains/ledger/gold/country_totals.sql"),
    ),
    (
        "domains/ledger/gold/country_totals.yaml",
        include_str!("project/domains/ledger/gold/country_totals.yaml"),
    ),
    (
        "domains/ledger/gold/exposure_eur.sql",
        include_str!("project/domains/ledger/gold/exposure_eur.sql"),
    ),
    (
        "domains/ledger/gold/exposure_eur.yaml",
        include_str!("project/domains/ledger/gold/exposure_eur.yaml"),
    ),
    (
        "domains/accounts/domain.yaml",
        include_str!("project/domains/accounts/domain.yaml"),
    ),
    (
        "domains/accounts/silver/accounts.yaml",
        include_str!("project/domains/accounts/silver/accounts.yaml"),
    ),
    (
        "domains/rates/domain.yaml",
        include_str!("project/domains/rates/domain.yaml"),
    ),
    (
        "domains/rates/silver/reference.yaml",
        include_str!("project/domains/rates/silver/reference.yaml"),
    ),
    (
        "domains/rates/gold/reference_rates.sql",
        include_str!("project/domains/rates/gold/reference_rates.sql"),
    ),
    (
        "domains/rates/gold/reference_rates.yaml",
        include_str!("project/domains/rates/gold/reference_rates.yaml"),
    ),
];

/// Reference rates of the European Central Bank, newest day first, as published.
const RATES: &str = include_str!("project/landing/eurofxref.csv");

/// Writes the demo's project, or the files of one of its days, and says what was planted in them. Writing twice
/// writes the same.
pub(crate) fn write_project(
    dir: &Path,
    lines: u64,
    format: Format,
    days: DayRange,
) -> Result<Planted, DemoError> {
    let landing = dir.join("landing");
    let first_wanted = days != DayRange::Second;
    let second_wanted = days != DayRange::First;
    if first_wanted {
        for (name, text) in PROJECT {
            let text = match format {
                Format::Delta => text.to_owned(),
                Format::Iceberg => text.replace(TARGET, ICEBERG_TARGET),
            };
            write(&dir.join(name), text.as_bytes())?;
        }
        write_small(&landing, Day::First)?;
    }
    let sink = |plan: &FilePlan| match &plan.gzip {
        Some(gzip) => write(&landing.join(&plan.path), gzip),
        None => Ok(()),
    };
    let first = ledger::generate(lines, Day::First, first_wanted, &sink)?;
    let second = ledger::generate(lines, Day::Second, second_wanted, &sink)?;
    let planted = ledger::add_up(lines, &first, &second);
    if second_wanted {
        write_small(&landing, Day::Second)?;
    }
    write(
        &dir.join("files.csv"),
        file_list(&first, &second, second_wanted).as_bytes(),
    )?;
    if second_wanted {
        let mut text =
            serde_json::to_string_pretty(&planted.to_json()).expect("a JSON value becomes text");
        text.push('\n');
        // The last file: with it the folder is complete.
        write(&dir.join(PLANTED_FILE), text.as_bytes())?;
    }
    Ok(planted)
}

fn file_list(first: &[FilePlan], second: &[FilePlan], both: bool) -> String {
    let mut plans: Vec<&FilePlan> = first.iter().collect();
    if both {
        // What was delivered again is listed as it is now.
        plans.retain(|plan| !second.iter().any(|newer| newer.path == plan.path));
        plans.extend(second);
        plans.sort_by(|left, right| left.path.cmp(&right.path));
    }
    let mut text = ledger::file_list(&plans);
    for day in if both {
        &[Day::First, Day::Second][..]
    } else {
        &[Day::First]
    } {
        for (path, content, source) in small_files(*day) {
            let lines = content.lines().count() - 1;
            text.push_str(&format!(
                "landing/{path};{lines};{};{source};\n",
                ledger::sha256_hex(content.as_bytes())
            ));
        }
    }
    text
}

/// The files of accounts and rates of one day: path below `landing/`, text, source.
fn small_files(day: Day) -> [(String, String, &'static str); 2] {
    let date = day.date();
    let compact = date.replace('-', "");
    [
        (
            format!("accounts/accounts_{compact}.csv"),
            accounts_text(day),
            "karat demo",
        ),
        (
            format!("rates/eurofxref_{compact}.csv"),
            rates_text(date),
            "European Central Bank, eurofxref-hist.csv",
        ),
    ]
}

fn write_small(landing: &Path, day: Day) -> Result<(), DemoError> {
    for (path, text, _) in small_files(day) {
        write(&landing.join(path), text.as_bytes())?;
    }
    Ok(())
}

/// The rates as they stood in the evening of a day: without the lines that came later.
fn rates_text(date: &str) -> String {
    let mut lines = RATES.lines();
    let mut text = String::with_capacity(RATES.len());
    let header = lines.next().unwrap_or_default();
    for line in std::iter::once(header)
        .chain(lines.filter(|line| line.get(..date.len()).is_some_and(|day| day <= date)))
    {
        text.push_str(line);
        text.push('\n');
    }
    text
}

/// The chart of accounts on a day: on day 2 some limits are raised, one account moves, two are blocked, one is new.
fn accounts_text(day: Day) -> String {
    const COUNTRIES: [&str; 7] = ["CH", "DE", "AT", "FR", "GB", "SE", "US"];
    const HOLDERS: [&str; 5] = [
        "Treasury Zürich",
        "Treasury \"Nord\"",
        "Holding, Group",
        "Clearing Genève",
        "Pension Fund",
    ];
    let second = day == Day::Second;
    let mut text = String::from("account_id,holder,country,credit_limit,status,changed_at\n");
    for account in 0..ACCOUNTS + u64::from(second) {
        let mut random = SplitMix64::at(7 << 61 | account);
        let mut country = COUNTRIES[random.below(COUNTRIES.len() as u64) as usize];
        let holder = HOLDERS[random.below(HOLDERS.len() as u64) as usize].replace('"', "\"\"");
        let mut limit = (random.below(90) + 10) * 10_000;
        let mut status = "open";
        let mut changed = format!(
            "2026-0{}-{:02} 09:00:00",
            random.below(9) + 1,
            random.below(28) + 1
        );
        let mut change = || changed = format!("{} 08:{:02}:00", DAYS[1], account % 60);
        if account == ACCOUNTS {
            change();
        } else if second && account % 40 == 17 {
            limit += 250_000;
            change();
        } else if second && account == 100 {
            country = "LI";
            change();
        } else if second && (account == 205 || account == 310) {
            status = "blocked";
            change();
        }
        text.push_str(&format!(
            "ACC-{account:06},\"{holder}\",{country},{limit}.00,{status},{changed}\n"
        ));
    }
    text
}

/// Writes a file whole or not at all, with its folders.
fn write(path: &Path, bytes: &[u8]) -> Result<(), DemoError> {
    let fail = |source| DemoError::io("write", path, source);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".part");
    let part = path.with_file_name(name);
    fs::write(&part, bytes).map_err(fail)?;
    fs::rename(&part, path).map_err(fail)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::{BTreeMap, HashMap, HashSet};
    use std::io::Read as _;

    use super::*;

    const FEW: u64 = 4_000;

    /// Files below a folder, by relative path, with their bytes.
    fn tree(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let mut files = BTreeMap::new();
        let mut folders = vec![dir.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    files.insert(
                        path.strip_prefix(dir).unwrap().to_owned(),
                        fs::read(&path).unwrap(),
                    );
                }
            }
        }
        files
    }

    fn fields(line: &str) -> Vec<String> {
        let mut fields = vec![String::new()];
        let mut quoted = false;
        for character in line.chars() {
            match character {
                '"' => quoted = !quoted,
                ';' if !quoted => fields.push(String::new()),
                other => fields.last_mut().unwrap().push(other),
            }
        }
        fields
    }

    /// Entries, quarantined lines and the total of each currency, as a plain reading of the files gives them.
    fn read_again(dir: &Path) -> (u64, u64, BTreeMap<String, i128>) {
        let mut newest: HashMap<String, (String, bool, String, i128)> = HashMap::new();
        let mut spoilt = 0;
        let mut seen = HashSet::new();
        for (_, gzip) in tree(&dir.join("landing/ledger")) {
            let mut text = Vec::new();
            if flate2::read::GzDecoder::new(&gzip[..])
                .read_to_end(&mut text)
                .is_err()
                || !seen.insert(gzip)
            {
                continue;
            }
            for line in text
                .split(|byte| *byte == b'\n')
                .skip(1)
                .filter(|line| !line.is_empty())
            {
                let fields = std::str::from_utf8(line).map(fields).unwrap_or_default();
                let amount = fields.get(6).and_then(|amount| child::hundredths(amount));
                let (11, Some(amount)) = (fields.len(), amount) else {
                    spoilt += 1;
                    continue;
                };
                if fields[0].is_empty() || !ledger::CURRENCIES.contains(&&*fields[5]) {
                    spoilt += 1;
                    continue;
                }
                let state = (
                    fields[10].clone(),
                    fields[9] == "X",
                    fields[5].clone(),
                    amount,
                );
                let entry = newest
                    .entry(fields[0].clone())
                    .or_insert_with(|| state.clone());
                if entry.0 < state.0 {
                    *entry = state;
                }
            }
        }
        let mut totals = BTreeMap::new();
        let mut rows = 0;
        for (_, cancelled, currency, amount) in newest.into_values() {
            if !cancelled {
                rows += 1;
                *totals.entry(currency).or_default() += amount;
            }
        }
        (rows, spoilt, totals)
    }

    #[test]
    fn planted_figures_are_those_of_a_plain_reading_of_the_files() {
        let dir = tempfile::tempdir().unwrap();
        for (range, day) in [(DayRange::First, 0), (DayRange::Second, 1)] {
            let planted = &write_project(dir.path(), FEW, Format::Delta, range)
                .unwrap()
                .days[day];
            let (rows, spoilt, totals) = read_again(dir.path());
            assert_eq!((rows, spoilt), (planted.rows, planted.quarantined));
            for (index, currency) in ledger::CURRENCIES.iter().enumerate() {
                assert_eq!(totals[*currency], planted.totals[index], "{currency}");
            }
        }
    }

    #[test]
    fn a_day_at_a_time_and_both_at_once_and_twice_write_the_same() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        write_project(one.path(), FEW, Format::Delta, DayRange::First).unwrap();
        write_project(one.path(), FEW, Format::Delta, DayRange::Second).unwrap();
        write_project(two.path(), FEW, Format::Delta, DayRange::Both).unwrap();
        let first = tree(two.path());
        assert!(tree(one.path()) == first);
        write_project(two.path(), FEW, Format::Delta, DayRange::Both).unwrap();
        assert!(tree(two.path()) == first);
    }

    #[test]
    fn the_seed_decides_every_row() {
        let dir = tempfile::tempdir().unwrap();
        write_project(dir.path(), FEW, Format::Delta, DayRange::Both).unwrap();
        // The list holds a digest of the text of each file. If this changes, so do all figures of the demo.
        let list = fs::read(dir.path().join("files.csv")).unwrap();
        expect_test::expect!["88c5b4c47fba14c1e6e915f741378a8e2eddc625e2622f2f468a8297d4f63cbc"]
            .assert_eq(&ledger::sha256_hex(&list));
    }

    #[test]
    fn only_an_empty_place_or_its_own_folder_will_do() {
        let dir = tempfile::tempdir().unwrap();
        let demo = dir.path().join("demo");
        assert_eq!(place(&demo).unwrap(), Place::Free);
        write_project(&demo, FEW, Format::Delta, DayRange::First).unwrap();
        assert_eq!(place(&demo).unwrap(), Place::Unfinished);
        write_project(&demo, FEW, Format::Delta, DayRange::Second).unwrap();
        assert_eq!(place(&demo).unwrap(), Place::Ours);
        fs::write(demo.join("karat.yaml"), "karat: 1\nproject: mine\n").unwrap();
        assert!(matches!(place(&demo), Err(DemoError::NotOurs(_))));
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(
            place(&dir.path().join("file")),
            Err(DemoError::NotOurs(_))
        ));
        assert!(matches!(place(dir.path()), Err(DemoError::NotOurs(_))));
    }
}
