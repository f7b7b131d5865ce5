//! The story that `karat demo` tells: each fact is measured on the project or on a copy of it, printed, and followed by
//! the command that shows it again. Writing the project is left to the module above, starting processes to
//! [`super::child`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};

use super::child::{
    Answer, Karat, Killed, Progress, Scratch, copy_tree, count, hundredths, plain, spelt,
};
use super::ledger::{CURRENCIES, Day, PlantedDay, decimal_text, sha256_hex};
use super::{DayRange, DemoError, DemoOptions, PLANTED_FILE, Place};

const BRONZE: &str = "ledger_bronze.landing__entries";
const SILVER: &str = "ledger_silver.entries";
const GOLD: &str = "ledger_gold.daily_balance";
/// Where the ledger's run is killed for the first time, in per cent.
const KILL_PERCENT: u64 = 37;

const QUERY_FILES: &str = "select _object, _delivery, count(*) as lines from ledger_bronze.landing__entries group by _object, _delivery";
const QUERY_TOTALS: &str = "select currency, count(*) as entries, sum(amount) as total from ledger_silver.entries group by currency";
const QUERY_AMOUNTS: &str = "select amount from ledger_silver.entries where currency = 'EUR'";

/// Width of the label column, where text begins.
const INDENT: usize = 16;
/// The longest line that is printed.
const WIDTH: usize = 100;

/// Fingerprints of the demo's silver and gold tables as this repository recorded them from `karat status --json`, by
/// number of lines; checked where they exist.
const RECORDED: &str = include_str!("project/fingerprints.json");

/// One thing that a viewer can check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fact {
    /// What it is about, as in the left column.
    pub(crate) name: String,
    /// What was measured.
    pub(crate) text: String,
    /// What shows it, typed in the project's folder; empty where the line above says it.
    pub(crate) command: String,
    /// Whether it is as it should be.
    pub(crate) ok: bool,
}

/// What the demo found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DemoOutcome {
    /// The project's folder.
    pub(crate) dir: PathBuf,
    /// All that was told, in order.
    pub(crate) facts: Vec<Fact>,
}

impl DemoOutcome {
    /// Whether every fact is as it should be; if not, the exit code is 1.
    pub(crate) fn ok(&self) -> bool {
        self.facts.iter().all(|fact| fact.ok)
    }
}

/// Collects facts and prints each as soon as it is known.
struct Teller {
    json: bool,
    facts: Vec<Fact>,
}

impl Teller {
    fn fact(&mut self, name: &str, ok: bool, text: String, command: &str) {
        self.tell(name, name, ok, text, command);
    }

    /// A fact that belongs to the one before: its name is not printed.
    fn more(&mut self, name: &str, ok: bool, text: String, command: &str) {
        self.tell("", name, ok, text, command);
    }

    fn tell(&mut self, label: &str, name: &str, ok: bool, text: String, command: &str) {
        if !self.json {
            let mark = if ok { "" } else { "   NOT AS IT SHOULD BE" };
            for (nth, line) in laid_out(&format!("{text}{mark}"), command)
                .iter()
                .enumerate()
            {
                let label = if nth == 0 { label } else { "" };
                say(&format!("{label:<INDENT$}{line}"));
            }
        }
        self.facts.push(Fact {
            name: name.to_owned(),
            text,
            command: command.to_owned(),
            ok,
        });
    }

    fn heading(&self, text: &str) {
        if !self.json {
            say(text);
        }
    }
}

/// A fact and the command that shows it, as lines to the right of the label. A command begins with `$ `; where it goes on
/// in a line of its own, that line is indented by two more.
fn laid_out(text: &str, command: &str) -> Vec<String> {
    const SHARED: usize = 54;
    let mut lines = wrapped(text);
    match lines.as_mut_slice() {
        _ if command.is_empty() => {}
        // A short fact and a short command share a line.
        [line] if line.chars().count() < SHARED && command.chars().count() <= 28 => {
            *line = format!("{line:<SHARED$}$ {command}");
        }
        _ => {
            let parts = wrapped_command(command);
            let begins = ["$ ", "  "];
            lines.extend(
                parts
                    .iter()
                    .enumerate()
                    .map(|(nth, part)| format!("{}{part}", begins[nth.min(1)])),
            );
        }
    }
    lines
}

/// Text cut between words into lines of readable length.
fn wrapped(text: &str) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > WIDTH - INDENT {
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
    }
    lines
}

/// A command line cut so that a shell still reads it as one: after an operator, inside double quotes (where SQL and Python's
/// brackets take a line break as a space), else before a backslash.
fn wrapped_command(command: &str) -> Vec<String> {
    let width = WIDTH - INDENT - "$ ".len() - " \\".len();
    let mut lines = vec![String::new()];
    let mut quote = None;
    for word in command.split(' ') {
        let line = lines.last_mut().expect("there is always a line");
        let is_full = line.chars().count() + 1 + word.chars().count() > width;
        let after_operator = ["&&", "||", "|", ";"]
            .iter()
            .any(|operator| line.ends_with(operator));
        let can_break = match quote {
            None => true,
            // A statement of Python's must not be indented.
            Some('"') => !after_operator,
            Some(_) => false,
        };
        if !line.is_empty() && is_full && can_break {
            if quote.is_none() && !after_operator {
                line.push_str(" \\");
            }
            lines.push(word.to_owned());
        } else {
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        let mut before = ' ';
        for character in word.chars() {
            match (quote, character) {
                (None, '"' | '\'') => quote = Some(character),
                (Some(open), _) if open == character && before != '\\' => quote = None,
                _ => {}
            }
            before = character;
        }
    }
    lines
}

/// A line for the reader of stdout; whether somebody reads is no matter to the demo.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

fn working(text: &str) {
    let _ = writeln!(std::io::stderr().lock(), "demo: {text}");
}

pub(super) fn tell(options: &DemoOptions) -> Result<DemoOutcome, DemoError> {
    let place = super::place(&options.dir)?;
    let mut teller = Teller {
        json: options.json,
        facts: Vec::new(),
    };
    // Children are started inside the project, so that both paths must not depend on where this process is.
    let absolute = |path: &Path| {
        std::path::absolute(path).map_err(|source| DemoError::io("find", path, source))
    };
    let executable = if options.karat.components().count() > 1 {
        absolute(&options.karat)?
    } else {
        options.karat.clone()
    };
    let stage = Stage {
        dir: absolute(&options.dir)?,
        shown: options.dir.clone(),
        executable,
        lines: options.lines,
    };
    match place {
        Place::Free => stage.first_time(&mut teller)?,
        Place::Unfinished => {
            teller.heading("The demo in this folder was interrupted: both days are put in place, karat goes on.");
            super::write_project(&stage.dir, options.lines, DayRange::Both)?;
            stage.karat().answer(&["run", "--json"], &[0, 1])?;
            stage.again_whole(&mut teller)?;
        }
        Place::Ours => {
            teller.heading(&format!(
                "{} is there already: it is verified, and run again.",
                options.dir.display()
            ));
            stage.again_whole(&mut teller)?;
        }
    }
    let outcome = DemoOutcome {
        dir: options.dir.clone(),
        facts: teller.facts,
    };
    if options.json {
        let facts: Vec<Value> = outcome
            .facts
            .iter()
            .map(|fact| json!({ "name": fact.name, "text": fact.text, "command": fact.command, "ok": fact.ok }))
            .collect();
        say(&json!({ "dir": outcome.dir, "ok": outcome.ok(), "facts": facts }).to_string());
    } else {
        stage.closing(&outcome);
    }
    Ok(outcome)
}

/// Where the story plays.
struct Stage {
    dir: PathBuf,
    /// The folder as the user named it.
    shown: PathBuf,
    executable: PathBuf,
    lines: u64,
}

/// What a run says about the ledger, and the position it started from.
struct DayRun {
    answer: Answer,
    load: Rows,
    silver: Rows,
}

/// Row accounting of one step.
#[derive(Debug, Clone, Default)]
struct Rows {
    read: u64,
    /// What became of them, without terms that are 0.
    outcomes: Vec<(String, u64)>,
}

impl Rows {
    fn adds_up(&self) -> bool {
        self.read == self.outcomes.iter().map(|(_, rows)| rows).sum::<u64>()
    }

    fn of(&self, outcome: &str) -> u64 {
        self.outcomes
            .iter()
            .filter(|(name, _)| name == outcome)
            .map(|(_, rows)| rows)
            .sum()
    }

    fn text(&self) -> String {
        let terms: Vec<String> = self
            .outcomes
            .iter()
            .map(|(name, rows)| format!("{} {name}", grouped(*rows)))
            .collect();
        terms.join(" + ")
    }
}

/// A table as `karat status` sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TableState {
    layer: String,
    path: String,
    version: String,
    rows: u64,
    fingerprint: String,
}

type Tables = BTreeMap<String, TableState>;

/// Files in bronze by path and delivery, with their lines.
type Objects = BTreeMap<(String, String), u64>;

impl Stage {
    fn karat(&self) -> Karat {
        Karat::new(&self.executable, &self.dir)
    }

    fn karat_in(&self, project: &Path) -> Karat {
        Karat::new(&self.executable, project)
    }

    fn first_time(&self, teller: &mut Teller) -> Result<(), DemoError> {
        let karat = self.karat();
        working("writing day 1");
        let planted = super::write_project(&self.dir, self.lines, DayRange::First)?;
        working("karat run, day 1");
        let day = self.run_day(&karat)?;
        let nothing = Objects::new();
        let objects =
            self.tell_day(teller, &karat, Day::First, &planted.days[0], &day, &nothing)?;

        working("writing day 2");
        super::write_project(&self.dir, self.lines, DayRange::Second)?;
        let killed = Scratch::new("killed")?;
        copy_tree(&self.dir, killed.path(), &[".karat"])?;
        working("karat run, day 2");
        let day = self.run_day(&karat)?;
        self.tell_day(
            teller,
            &karat,
            Day::Second,
            &planted.days[1],
            &day,
            &objects,
        )?;
        self.tell_held(teller, &karat, &planted.days[1])?;
        let tables = tables(&karat)?;

        working("killing a run of day 2 in a copy, twice");
        self.tell_killed(teller, killed.path(), &tables, day.answer.took)?;
        drop(killed);
        working("the same days in another order, with one thread, in a copy");
        self.tell_same(teller, &tables)?;
        working("the same sum as doubles");
        let total = self.tell_doubles(teller, &karat)?;
        self.tell_other_reader(teller, &tables, &total);
        working("flipping a byte in a copy");
        self.tell_attack(teller, &tables)?;
        working("karat run, again");
        self.tell_again(teller, &karat, &tables)?;
        self.tell_head(teller, &plain(day.answer.get("/head")?))
    }

    /// The demo typed again.
    fn again_whole(&self, teller: &mut Teller) -> Result<(), DemoError> {
        let karat = self.karat();
        working("karat verify");
        let verified = karat.answer(&["verify", "--json"], &[0, 1])?;
        let ok = verified.code == 0 && verified.get("/ok")? == &Value::Bool(true);
        let text = format!(
            "{} tables {}, {} s",
            verified.list("/tables")?.len(),
            if ok {
                "verified"
            } else {
                "read, not all are as their receipts say"
            },
            seconds(verified.took)
        );
        teller.fact("verify", ok, text, "karat verify");
        let tables = tables(&karat)?;
        self.tell_again(teller, &karat, &tables)
    }

    fn run_day(&self, karat: &Karat) -> Result<DayRun, DemoError> {
        let answer = karat.answer(&["run", "--json"], &[0, 1])?;
        Ok(DayRun {
            load: step_rows(&answer, BRONZE)?,
            silver: step_rows(&answer, SILVER)?,
            answer,
        })
    }

    /// The day's line, and what the generator's own books say to it.
    fn tell_day(
        &self,
        teller: &mut Teller,
        karat: &Karat,
        day: Day,
        planted: &PlantedDay,
        run: &DayRun,
        before: &Objects,
    ) -> Result<Objects, DemoError> {
        let objects = objects(karat)?;
        let arrived = objects
            .iter()
            .filter(|(object, _)| !before.contains_key(*object));
        let (files, lines_in_files) = arrived.fold((0_u64, 0), |(files, sum), (_, lines)| {
            (files + 1, sum + lines)
        });
        let lines = run.load.read;
        let adds_up = run.load.adds_up() && run.silver.adds_up() && lines == lines_in_files;
        let all_came = files + planted.files_broken == planted.files;
        let read = if run.silver.read == lines {
            String::new()
        } else {
            // A version is accounted for in full (G6): the rows of the day before are among those read.
            format!(", {} with day 1", grouped(run.silver.read))
        };
        let (name, length) = match day {
            Day::First => ("day 1  29 Oct", "exit 0"),
            Day::Second => ("day 2  30 Oct", "exit 1: a file needs a person"),
        };
        let text = format!(
            "{} lines in {files} files{read} = {}   {}",
            grouped(lines),
            run.silver.text(),
            if adds_up {
                "adds up"
            } else {
                "DOES NOT ADD UP"
            }
        );
        let expected_code = i32::from(planted.files_broken > 0);
        let ok = adds_up && all_came;
        let version = step_version(&run.answer, SILVER)?;
        teller.fact(
            name,
            ok,
            text,
            &spelt(&["receipt", "show", &format!("{SILVER}@{version}")]),
        );
        teller.more(
            "the run of the day",
            run.answer.code == expected_code,
            format!(
                "{} s, {}",
                seconds(run.answer.took),
                if run.answer.code == expected_code {
                    length.to_owned()
                } else {
                    format!("exit {}", run.answer.code)
                }
            ),
            "",
        );
        self.tell_planted(teller, karat, day, planted, run)?;
        Ok(objects)
    }

    fn tell_planted(
        &self,
        teller: &mut Teller,
        karat: &Karat,
        day: Day,
        planted: &PlantedDay,
        run: &DayRun,
    ) -> Result<(), DemoError> {
        let mut differences = Vec::new();
        let mut compare = |what: &str, found: String, expected: String| {
            if found != expected {
                differences.push(format!("{what} {found} instead of {expected}"));
            }
        };
        compare("lines", grouped(run.load.read), grouped(planted.lines));
        if day == Day::First {
            let again = run.silver.of("duplicate")
                + run.silver.of("superseded")
                + run.silver.of("unchanged");
            compare("copies", grouped(again), grouped(planted.traps.copies));
            compare(
                "quarantined",
                grouped(run.silver.of("quarantined")),
                grouped(planted.traps.spoilt),
            );
        }
        let listed = karat.answer(&["quarantine", "list", "--json"], &[0])?;
        let held = listed.list("/rows")?.iter().filter(|row| {
            row.get("table")
                .is_none_or(|table| plain(table).starts_with("ledger_"))
        });
        compare(
            "rows in quarantine",
            grouped(held.count() as u64),
            grouped(planted.quarantined),
        );
        let totals = totals(karat)?;
        compare(
            "entries",
            grouped(totals.values().map(|(entries, _)| entries).sum()),
            grouped(planted.rows),
        );
        for (index, currency) in CURRENCIES.iter().enumerate() {
            let found = totals
                .get(*currency)
                .map_or_else(String::new, |(_, total)| decimal_text(*total));
            compare(currency, found, planted.total(index));
        }
        let traps = &planted.traps;
        let what: Vec<String> = [
            (traps.spoilt, "spoilt lines"),
            (traps.copies, "copied lines"),
            (traps.corrected, "corrections"),
            (traps.late, "late entries"),
            (traps.cancelled, "cancellations"),
            (traps.stale, "states that come too late"),
            (traps.lines_sent_twice, "lines of a file sent twice"),
        ]
        .iter()
        .filter(|(planted, _)| *planted > 0)
        .map(|(planted, what)| format!("{} {what}", grouped(*planted)))
        .collect();
        let ok = differences.is_empty();
        let text = if ok {
            format!(
                "as planted: {}; {} entries, sums of {} currencies to the cent",
                what.join(", "),
                grouped(planted.rows),
                CURRENCIES.len()
            )
        } else {
            format!("planted was something else: {}", differences.join("; "))
        };
        let run = plain(run.answer.get("/run_id")?);
        let command = spelt(&["query", "--run", &run, QUERY_TOTALS]);
        teller.more("as planted", ok, text, &command);
        Ok(())
    }

    /// The broken file.
    fn tell_held(
        &self,
        teller: &mut Teller,
        karat: &Karat,
        planted: &PlantedDay,
    ) -> Result<(), DemoError> {
        let listed = karat.answer(&["quarantine", "list", "--json"], &[0])?;
        let held = listed.list("/objects")?;
        let loaded = objects(karat)?;
        let mut ok = held.len() as u64 == planted.files_broken;
        let mut texts = Vec::new();
        for object in held {
            let path = plain(object.get("object").unwrap_or(&Value::Null));
            let lines: u64 = loaded
                .iter()
                .filter(|((other, _), _)| *other == path)
                .map(|(_, lines)| lines)
                .sum();
            ok &= lines == 0;
            let reason = plain(object.get("reason").unwrap_or(&Value::Null));
            texts.push(format!(
                "{path} ({reason}): held whole, {} of its lines loaded",
                if lines == 0 {
                    "none".to_owned()
                } else {
                    grouped(lines)
                }
            ));
        }
        let text = format!("{} file broken: {}", held.len(), texts.join("; "));
        teller.more("broken file", ok, text, "karat quarantine list");
        Ok(())
    }

    fn tell_killed(
        &self,
        teller: &mut Teller,
        copy: &Path,
        tables: &Tables,
        took: Duration,
    ) -> Result<(), DemoError> {
        let karat = self.karat_in(copy);
        let mut kills = Vec::new();
        let of_ledger = |table: &str| table == BRONZE || table == SILVER;
        let half_way = karat.run_killed(|progress| {
            matches!(progress, Progress::Percent { table, percent } if of_ledger(table) && *percent >= KILL_PERCENT)
        })?;
        let at_commit = karat.run_killed(
            |progress| matches!(progress, Progress::Commit { table } if table.starts_with("ledger_gold.")),
        )?;
        for kill in [half_way, at_commit] {
            match kill {
                Killed::At(Progress::Percent { table, percent }) => {
                    kills.push(format!("at {percent} % of {table}"))
                }
                Killed::At(Progress::Commit { table }) => {
                    kills.push(format!("at the commit of {table}"))
                }
                Killed::No(code) => teller.more(
                    "killed",
                    false,
                    format!("a run that was to be killed ended before, exit {code}"),
                    "",
                ),
            }
        }
        karat.answer(&["run", "--json"], &[0, 1])?;
        let same = compared(tables, &super::story::tables(&karat)?);
        let text = format!(
            "killed (SIGKILL) {}, continued: {}",
            kills.join(" and "),
            same.text()
        );
        // Both days from nothing take longer than the second: half of that is on the way.
        let command = format!(
            "mkdir ../karat-killed && cp -r karat.yaml domains landing ../karat-killed && \
             (cd ../karat-killed; timeout -s KILL {:.2} karat run; karat run; karat status)",
            took.as_secs_f64() / 2.0
        );
        teller.more("killed", same.ok() && kills.len() == 2, text, &command);
        Ok(())
    }

    /// From nothing, with one thread, files in another order of arrival.
    fn tell_same(&self, teller: &mut Teller, tables: &Tables) -> Result<(), DemoError> {
        let scratch = Scratch::new("same")?;
        let copy = scratch.path();
        copy_tree(&self.dir, copy, &[".karat", "lake"])?;
        let mut files = Vec::new();
        for day in super::DAYS {
            let folder = copy.join("landing/ledger").join(day);
            let fail = |source| DemoError::io("read", &folder, source);
            for entry in fs::read_dir(&folder).map_err(fail)? {
                files.push(entry.map_err(fail)?.path());
            }
        }
        files.sort();
        // Every other file of both days waits outside until the rest has been loaded.
        let mut waiting = Vec::new();
        for (nth, file) in files.iter().enumerate().filter(|(nth, _)| nth % 2 == 0) {
            let outside = copy.join(format!("waiting-{nth}"));
            fs::rename(file, &outside).map_err(|source| DemoError::io("move", file, source))?;
            waiting.push((outside, file));
        }
        let karat = self.karat_in(copy);
        karat.answer(&["run", "--threads", "1", "--json"], &[0, 1])?;
        for (outside, file) in waiting.iter().rev() {
            fs::rename(outside, file).map_err(|source| DemoError::io("move", file, source))?;
        }
        karat.answer(&["run", "--threads", "1", "--json"], &[0, 1])?;
        let same = compared(tables, &super::story::tables(&karat)?);
        let text = format!(
            "1 thread, files in another order, from nothing: {}",
            same.text()
        );
        teller.fact(
            "same bytes",
            same.ok(),
            text,
            "mkdir ../karat-same && cp -r karat.yaml domains landing ../karat-same && \
             (cd ../karat-same; karat run --threads 1; karat status)",
        );

        let recorded: Value = serde_json::from_str(RECORDED).unwrap_or_default();
        if let Some(recorded) = recorded
            .get(self.lines.to_string())
            .and_then(Value::as_object)
        {
            let differing: Vec<&String> = recorded
                .iter()
                .filter(|(table, fingerprint)| {
                    tables.get(*table).is_none_or(|found| {
                        fingerprint.as_str() != Some(found.fingerprint.as_str())
                    })
                })
                .map(|(table, _)| table)
                .collect();
            let text = if differing.is_empty() {
                format!(
                    "this repository's fingerprints of {} tables: equal",
                    recorded.len()
                )
            } else {
                format!("this repository's fingerprints differ in {differing:?}")
            };
            teller.more(
                "recorded fingerprints",
                differing.is_empty(),
                text,
                "karat status",
            );
        }
        Ok(())
    }

    /// Sums the same amounts as doubles, the way an engine with several threads does; returns the exact sum.
    fn tell_doubles(&self, teller: &mut Teller, karat: &Karat) -> Result<i128, DemoError> {
        let answer = karat.answer(&["query", "--format", "json", QUERY_AMOUNTS], &[0])?;
        let mut amounts = Vec::new();
        let mut exact: i128 = 0;
        for row in answer.rows()? {
            let text = row.get("amount").map(plain).unwrap_or_default();
            let (Some(cents), Ok(double)) = (hundredths(&text), text.parse::<f64>()) else {
                return Err(DemoError::Answer {
                    command: answer.command,
                    why: "an amount is not a decimal".to_owned(),
                });
            };
            exact += cents;
            amounts.push(double);
        }
        let mut answers = BTreeMap::new();
        for threads in [1, 2, 3, 4, 8] {
            let sum = sum_as_doubles(&amounts, threads);
            answers.insert(sum.to_bits(), sum);
        }
        let (_, karats) = totals(karat)?.remove("EUR").unwrap_or_default();
        let mut shown: Vec<f64> = answers.values().copied().collect();
        shown.sort_by(f64::total_cmp);
        let between = match (shown.first(), shown.last()) {
            (Some(low), Some(high)) if shown.len() > 1 => format!(", from {low} to {high}"),
            _ => String::new(),
        };
        let text = format!(
            "the sum of {} amounts in EUR as doubles, five runs: {} answer{}{between}; karat's: {}",
            grouped(amounts.len() as u64),
            shown.len(),
            if shown.len() == 1 { "" } else { "s" },
            decimal_text(karats)
        );
        let command = spelt(&[
            "query",
            "select sum(amount) as total from ledger_silver.entries where currency = 'EUR'",
        ]);
        // How many answers doubles give is their business; that karat's is the exact one is ours.
        teller.fact("without karat", karats == exact, text, &command);
        Ok(karats)
    }

    /// A reader that nobody here wrote, where it is installed.
    fn tell_other_reader(&self, teller: &mut Teller, tables: &Tables, total: &i128) {
        let path = tables
            .get(GOLD)
            .map_or("lake/ledger/gold/daily_balance", |table| {
                table.path.as_str()
            });
        let script = format!(
            "import deltalake as d; print(d.QueryBuilder().register('t', d.DeltaTable('{path}')).execute('''select cast(sum(balance) as varchar) as total from t where currency = 'EUR' ''').read_all()['total'][0].as_py())"
        );
        let command = format!("python3 -c \"{script}\"");
        let installed = ["python3", "python"].into_iter().find(|python| {
            Command::new(python)
                .args(["-c", "import deltalake; deltalake.QueryBuilder"])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        });
        let Some(python) = installed else {
            let text =
                "not run: no Python with the package `deltalake` here (pip install deltalake):"
                    .to_owned();
            teller.fact("another reader", true, text, &command);
            return;
        };
        let output = Command::new(python)
            .args(["-c", &script])
            .current_dir(&self.dir)
            .stdin(Stdio::null())
            .output();
        let found = output
            .map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned())
            .unwrap_or_default();
        let expected = decimal_text(*total);
        let same = found == expected;
        let text = if same {
            format!("delta-rs from Python reads the same total in EUR: {found}")
        } else {
            format!("delta-rs from Python reads `{found}` instead of {expected}")
        };
        teller.fact("another reader", same, text, &command);
    }

    fn tell_attack(&self, teller: &mut Teller, tables: &Tables) -> Result<(), DemoError> {
        let scratch = Scratch::new("attacked")?;
        let copy = scratch.path();
        copy_tree(&self.dir, copy, &[".karat", "landing"])?;
        // Sources may be looked for, but need not hold anything.
        let landing = copy.join("landing");
        fs::create_dir_all(&landing).map_err(|source| DemoError::io("make", &landing, source))?;
        let table = tables
            .get(SILVER)
            .map_or("lake/ledger/silver/entries", |table| table.path.as_str());
        let victim = largest_file(&copy.join(table))?;
        let mut bytes =
            fs::read(&victim).map_err(|source| DemoError::io("read", &victim, source))?;
        let middle = bytes.len() / 2;
        let Some(byte) = bytes.get_mut(middle) else {
            return Err(DemoError::Answer {
                command: "karat status".to_owned(),
                why: format!("{} is empty", victim.display()),
            });
        };
        *byte ^= 1;
        let flipped = *byte;
        fs::write(&victim, &bytes).map_err(|source| DemoError::io("write", &victim, source))?;

        let verified = self.karat_in(copy).answer(&["verify", "--json"], &[0, 1])?;
        let name = victim
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        // The name begins with the digest of what the file held.
        let start: String = name.chars().take(12).collect();
        let named = verified
            .list("/files")?
            .iter()
            .find(|file| {
                file.get("path")
                    .is_some_and(|path| plain(path).ends_with(&name))
            })
            .map(|file| plain(file.get("outcome").unwrap_or(&Value::Null)))
            .filter(|outcome| outcome != "ok");
        let ok =
            named.is_some() && verified.code == 1 && verified.get("/ok")? == &Value::Bool(false);
        let text = match named {
            Some(outcome) => format!(
                "one byte flipped in a copy, of {table}/{start}…: verify names the file ({outcome}), exit {}",
                verified.code
            ),
            None => format!(
                "one byte flipped in a copy: verify does not name the file, exit {}",
                verified.code
            ),
        };
        let command = format!(
            "cp -r . ../karat-attack && (cd ../karat-attack; file=$(echo {table}/{start}*); \
             printf '\\{flipped:03o}' | dd of=$file bs=1 seek={middle} conv=notrunc status=none; karat verify)"
        );
        teller.fact("attack", ok, text, &command);
        Ok(())
    }

    fn tell_again(
        &self,
        teller: &mut Teller,
        karat: &Karat,
        before: &Tables,
    ) -> Result<(), DemoError> {
        let run = karat.answer(&["run", "--json"], &[0, 1])?;
        let after = tables(karat)?;
        let moved: Vec<&String> = after
            .iter()
            .filter(|(name, table)| before.get(*name) != Some(*table))
            .map(|(name, _)| name)
            .collect();
        let ok = run.code == 0 && moved.is_empty() && after.len() == before.len();
        let text = if ok {
            format!(
                "nothing to do, {} s, no new version in {} tables",
                seconds(run.took),
                after.len()
            )
        } else {
            format!(
                "exit {}, {} s, changed: {moved:?}",
                run.code,
                seconds(run.took)
            )
        };
        teller.fact("again", ok, text, "karat run");
        Ok(())
    }

    /// The head is the digest of the run's manifest in the lake, so that any tool can compute it.
    fn tell_head(&self, teller: &mut Teller, head: &str) -> Result<(), DemoError> {
        let runs = self.dir.join("lake/_karat/runs");
        let fail = |source| DemoError::io("read", &runs, source);
        let mut found = false;
        for entry in fs::read_dir(&runs).map_err(fail)? {
            let bytes = fs::read(entry.map_err(fail)?.path()).map_err(fail)?;
            found |= sha256_hex(&bytes) == head;
        }
        let text = if found {
            format!("{head}, the SHA-256 of the run's manifest")
        } else {
            format!("{head}, which is not the SHA-256 of any run's manifest")
        };
        teller.fact("head", found, text, "sha256sum lake/_karat/runs/*");
        Ok(())
    }

    /// The folder of this program, unless typing `karat` starts it.
    fn folder_not_on_path(&self) -> Option<PathBuf> {
        let this = fs::canonicalize(&self.executable).ok()?;
        let on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
            .map(|folder| folder.join("karat"))
            .find(|program| program.is_file());
        let is_this =
            on_path.is_some_and(|program| fs::canonicalize(program).is_ok_and(|path| path == this));
        if is_this {
            return None;
        }
        this.parent().map(Path::to_owned)
    }

    fn closing(&self, outcome: &DemoOutcome) {
        let verdict = if outcome.ok() {
            "All of this can be checked:".to_owned()
        } else {
            let wrong = outcome.facts.iter().filter(|fact| !fact.ok).count();
            format!(
                "{wrong} of {} facts are not as they should be. Look closer:",
                outcome.facts.len()
            )
        };
        say("");
        say(&verdict);
        say(&format!("  cd {}", quoted(&self.shown)));
        if let Some(folder) = self.folder_not_on_path() {
            say(&format!("  export PATH={}:\"$PATH\"", quoted(&folder)));
        }
        for command in [
            "karat status",
            "karat query \"select * from ledger_gold.exposure_eur\"",
            "karat quarantine list",
            "karat verify",
            "karat run",
        ] {
            say(&format!("  {command}"));
        }
        say(&format!(
            "Where things come from: {}/README.md, files.csv, {PLANTED_FILE}",
            self.shown.display()
        ));
    }
}

/// A path as a shell reads it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains([' ', '\'', '"', '$']) {
        format!("'{}'", text.replace('\'', "'\\''"))
    } else {
        text
    }
}

/// The version that a step made.
fn step_version(answer: &Answer, table: &str) -> Result<String, DemoError> {
    for step in answer.list("/steps")? {
        if step.get("table").map(plain).as_deref() == Some(table) {
            return Ok(step.get("version").map(plain).unwrap_or_default());
        }
    }
    Err(DemoError::Answer {
        command: answer.command.clone(),
        why: format!("it has no step for {table}"),
    })
}

/// Row accounting of the steps that write one table.
fn step_rows(answer: &Answer, table: &str) -> Result<Rows, DemoError> {
    let mut rows = Rows::default();
    let mut found = false;
    for step in answer.list("/steps")? {
        if step.get("table").map(plain).as_deref() != Some(table) {
            continue;
        }
        found = true;
        let Some(terms) = step.get("rows").and_then(Value::as_object) else {
            continue;
        };
        for (name, value) in terms {
            let value = count(Some(value));
            match name.as_str() {
                "read" => rows.read += value,
                // Rows written: in silver they follow from the outcomes.
                "written" => {}
                _ if value == 0 => {}
                _ => match rows.outcomes.iter_mut().find(|(other, _)| other == name) {
                    Some((_, sum)) => *sum += value,
                    None => rows.outcomes.push((name.clone(), value)),
                },
            }
        }
    }
    if !found {
        return Err(DemoError::Answer {
            command: answer.command.clone(),
            why: format!("it has no step for {table}"),
        });
    }
    let order = [
        "kept",
        "duplicate",
        "superseded",
        "unchanged",
        "deleted",
        "dropped",
        "quarantined",
    ];
    rows.outcomes.sort_by_key(|(name, _)| {
        order
            .iter()
            .position(|other| other == name)
            .unwrap_or(order.len())
    });
    Ok(rows)
}

fn objects(karat: &Karat) -> Result<Objects, DemoError> {
    let answer = karat.answer(&["query", "--format", "json", QUERY_FILES], &[0])?;
    let text = |row: &serde_json::Map<String, Value>, name: &str| {
        row.get(name).map(plain).unwrap_or_default()
    };
    let rows = answer.rows()?;
    Ok(rows
        .iter()
        .map(|row| {
            (
                (text(row, "_object"), text(row, "_delivery")),
                count(row.get("lines")),
            )
        })
        .collect())
}

/// Entries and their sum in hundredths, by currency.
fn totals(karat: &Karat) -> Result<BTreeMap<String, (u64, i128)>, DemoError> {
    let answer = karat.answer(&["query", "--format", "json", QUERY_TOTALS], &[0])?;
    let mut totals = BTreeMap::new();
    for row in answer.rows()? {
        let total = row.get("total").map(plain).unwrap_or_default();
        let Some(total) = hundredths(&total) else {
            return Err(DemoError::Answer {
                command: answer.command,
                why: "a total is not a decimal with two digits".to_owned(),
            });
        };
        let currency = row.get("currency").map(plain).unwrap_or_default();
        totals.insert(currency, (count(row.get("entries")), total));
    }
    Ok(totals)
}

fn tables(karat: &Karat) -> Result<Tables, DemoError> {
    let answer = karat.answer(&["status", "--json"], &[0, 1])?;
    let mut tables = Tables::new();
    for table in answer.list("/tables")? {
        let text = |name: &str| table.get(name).map(plain).unwrap_or_default();
        tables.insert(
            text("table"),
            TableState {
                layer: text("layer"),
                path: text("path"),
                version: text("version"),
                rows: count(table.get("rows")),
                fingerprint: text("fingerprint"),
            },
        );
    }
    Ok(tables)
}

/// Two projects' silver and gold tables side by side.
struct Compared {
    equal: u64,
    differing: Vec<String>,
    /// The fingerprint to show for all of them.
    shown: String,
}

impl Compared {
    fn ok(&self) -> bool {
        self.differing.is_empty() && self.equal > 0
    }

    fn text(&self) -> String {
        if self.ok() {
            format!(
                "{} silver and gold tables with the same fingerprints, {GOLD} {}",
                self.equal, self.shown
            )
        } else {
            format!("fingerprints differ in {}", self.differing.join(", "))
        }
    }
}

fn compared(left: &Tables, right: &Tables) -> Compared {
    let of_interest = |tables: &Tables| -> BTreeMap<String, String> {
        tables
            .iter()
            .filter(|(_, table)| table.layer == "silver" || table.layer == "gold")
            .map(|(name, table)| (name.clone(), table.fingerprint.clone()))
            .collect()
    };
    let (left, right) = (of_interest(left), of_interest(right));
    let mut compared = Compared {
        equal: 0,
        differing: Vec::new(),
        shown: left
            .get(GOLD)
            .map(|fingerprint| short(fingerprint))
            .unwrap_or_default(),
    };
    let names: BTreeSet<&String> = left.keys().chain(right.keys()).collect();
    for name in names {
        if left.get(name) == right.get(name) {
            compared.equal += 1;
        } else {
            compared.differing.push(name.clone());
        }
    }
    compared
}

/// The first digits of a fingerprint's sum, as many as `karat status` shows.
fn short(fingerprint: &str) -> String {
    let sum = fingerprint
        .split_once(':')
        .map_or(fingerprint, |(_, sum)| sum);
    format!("{}…", sum.chars().take(12).collect::<String>())
}

/// Blocks of rows go to whichever thread is free; each adds up its own, then the parts are added as they come.
fn sum_as_doubles(amounts: &[f64], threads: usize) -> f64 {
    let block = (amounts.len() / 64).clamp(1, 4_096);
    let next = AtomicUsize::new(0);
    let total = Mutex::new(0.0);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let mut part = 0.0;
                loop {
                    let from = next.fetch_add(block, Ordering::Relaxed);
                    let Some(rest) = amounts.get(from..) else {
                        break;
                    };
                    part += rest.iter().take(block).sum::<f64>();
                    // As an engine would, that waits for its next batch.
                    std::thread::yield_now();
                }
                *total
                    .lock()
                    .unwrap_or_else(std::sync::PoisonError::into_inner) += part;
            });
        }
    });
    total
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// The largest data file below a table's folder, the log left aside.
fn largest_file(table: &Path) -> Result<PathBuf, DemoError> {
    let fail = |source| DemoError::io("read", table, source);
    let mut largest: Option<(u64, PathBuf)> = None;
    for entry in fs::read_dir(table).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        if path
            .extension()
            .is_none_or(|extension| extension != "parquet")
        {
            continue;
        }
        let size = fs::metadata(&path).map_err(fail)?.len();
        if largest
            .as_ref()
            .is_none_or(|(other, name)| (size, &path) > (*other, name))
        {
            largest = Some((size, path));
        }
    }
    largest
        .map(|(_, path)| path)
        .ok_or_else(|| fail(std::io::Error::from(std::io::ErrorKind::NotFound)))
}

fn seconds(took: Duration) -> String {
    format!("{:.1}", took.as_secs_f64())
}

/// A count with commas between thousands.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
