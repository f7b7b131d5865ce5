//! `karat demo`: writes `./karat-demo`, an ordinary project over two business days of a treasury group, and tells
//! what karat does with it. It only writes files and starts `karat` as child processes with public verbs; every
//! figure that it prints comes from their JSON or from the clock. In the order data passes through: [`ledger`] makes
//! the ledger's lines and counts its traps, this file writes the project, [`story`] runs karat on it and checks.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

mod ledger;
mod story;

pub use ledger::{Day, Planted, PlantedDay, Traps};
pub use story::{DemoOutcome, Fact};

use ledger::{ACCOUNTS, DAYS, FilePlan, SplitMix64};

/// The line of its README by which the demo knows its own folder.
const MARK: &str = "This folder was written by `karat demo`.";
/// The line of its `karat.yaml` that must be there too.
const MARK_PROJECT: &str = "project: treasury";
/// Written when both days are in place.
const PLANTED_FILE: &str = "planted.json";

/// What to write, where, and by which karat.
#[derive(Debug, Clone)]
pub struct DemoOptions {
    /// The project's folder; made if missing.
    pub dir: PathBuf,
    /// The executable to start, normally this one.
    pub karat: PathBuf,
    /// Ledger lines over both days; the demo tells its story with [`LINES`].
    pub lines: u64,
    /// One JSON document instead of lines of text on stdout.
    pub json: bool,
}

/// The ledger lines of the demo as everybody sees it.
pub const LINES: u64 = 1_000_000;

/// What keeps the demo from being told.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// The folder holds something else.
    #[error("cannot write the demo into {}: the folder exists and is not a demo of karat", .0.display())]
    NotOurs(PathBuf),
    /// A file could not be written, read or copied.
    #[error("cannot {doing} {}", path.display())]
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
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NotOurs(_) => Some(
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
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotOurs(_) => 2,
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
pub enum DayRange {
    /// The project and what arrives on day 1.
    First,
    /// What arrives on day 2, on top of day 1.
    Second,
    /// The project as the demo leaves it.
    Both,
}

/// Tells the whole story, or, where its folder is there already, checks it and runs again.
pub fn run(options: &DemoOptions) -> Result<DemoOutcome, DemoError> {
    story::tell(options)
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
pub fn write_project(dir: &Path, lines: u64, days: DayRange) -> Result<Planted, DemoError> {
    let landing = dir.join("landing");
    let first_wanted = days != DayRange::Second;
    let second_wanted = days != DayRange::First;
    if first_wanted {
        for (name, text) in PROJECT {
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
