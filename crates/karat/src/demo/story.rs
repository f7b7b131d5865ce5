//! The story that `karat demo` tells: each fact is measured on the project or on a copy of it, printed, and followed by
//! the command that shows it again. Writing the project is left to the module above, starting processes to
//! [`super::child`].

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use karat_lake::Format;
use serde_json::{Value, json};

use super::child::{
    Answer, Karat, Killed, Progress, Scratch, copy_tree, count, hundredths, plain, spelt,
};
use super::ledger::{CURRENCIES, Day, PlantedDay, decimal_text, sha256_hex};
use super::{DayRange, DemoError, DemoOptions, PLANTED_FILE, Place};
use crate::output::{WIDTH, seconds, short, thousands, wrapped};
use crate::progress::Activity;
use crate::verb::run::TERMS;

const BRONZE: &str = "ledger_bronze.landing__entries";
const SILVER: &str = "ledger_silver.entries";
const GOLD: &str = "ledger_gold.daily_balance";
/// Where the ledger's run is killed for the first time, in per cent.
const KILL_PERCENT: u64 = 37;

const QUERY_FILES: &str = "select _object, _delivery, count(*) as lines from ledger_bronze.landing__entries group by _object, _delivery";
const QUERY_TOTALS: &str = "select currency, count(*) as entries, sum(amount) as total from ledger_silver.entries group by currency";
const QUERY_AMOUNTS: &str =
    "select amount from ledger_silver.entries where currency = 'EUR' order by entry_id";
const QUERY_SUM: &str =
    "select sum(amount) as total from ledger_silver.entries where currency = 'EUR'";

/// Runs of the sum as doubles, by their threads.
const THREADS: [usize; 5] = [1, 2, 3, 4, 8];

/// Width of the label column, where text begins.
const INDENT: usize = 16;

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
    /// Whether it is as it should be; None where this machine lacks what shows it.
    pub(crate) ok: Option<bool>,
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
        self.facts.iter().all(|fact| fact.ok != Some(false))
    }
}

/// Collects facts and prints each as soon as it is known.
struct Teller<'a> {
    json: bool,
    activity: &'a Activity,
    facts: Vec<Fact>,
}

impl Teller<'_> {
    /// What comes next and takes a while.
    fn working(&self, text: &str) {
        self.activity.now(text);
    }

    fn fact(&mut self, name: &str, ok: bool, text: String, command: &str) {
        self.tell(name, name, Some(ok), text, command);
    }

    /// What this machine lacks the means to show.
    fn not_run(&mut self, name: &str, text: String, command: &str) {
        self.tell(name, name, None, text, command);
    }

    /// A fact that belongs to the one before: its name is not printed.
    fn more(&mut self, name: &str, ok: bool, text: String, command: &str) {
        self.tell("", name, Some(ok), text, command);
    }

    fn tell(&mut self, label: &str, name: &str, ok: Option<bool>, text: String, command: &str) {
        if !self.json {
            let mark = match ok {
                Some(false) => "   NOT AS IT SHOULD BE",
                _ => "",
            };
            let lines = laid_out(&format!("{text}{mark}"), command);
            self.activity.above(|| {
                for (nth, line) in lines.iter().enumerate() {
                    let label = if nth == 0 { label } else { "" };
                    say(&format!("{label:<INDENT$}{line}"));
                }
            });
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
            self.activity.above(|| say(text));
        }
    }
}

/// A fact and the command that shows it, as lines to the right of the label. A command begins with `$ `; where it goes on
/// in a line of its own, that line is indented by two more.
fn laid_out(text: &str, command: &str) -> Vec<String> {
    const SHARED: usize = 54;
    let mut lines = wrapped(text, WIDTH - INDENT);
    match lines.as_mut_slice() {
        _ if command.is_empty() => {}
        // A short fact and a short command share a line.
        [line] if line.chars().count() < SHARED && command.chars().count() <= 28 => {
            *line = format!("{line:<SHARED$}$ {command}");
        }
        _ => lines.extend(command_lines(command)),
    }
    lines
}

fn command_lines(command: &str) -> Vec<String> {
    let begins = ["$ ", "  "];
    let parts = wrapped_command(command).into_iter().enumerate();
    parts
        .map(|(nth, part)| format!("{}{part}", begins[nth.min(1)]))
        .collect()
}

/// A command line cut so that a shell still reads it as one: inside double quotes (where SQL and Python's brackets take a line
/// break as a space), after an operator, else before a backslash, which awk in single quotes understands too.
fn wrapped_command(command: &str) -> Vec<String> {
    let width = WIDTH - INDENT - "$ ".len() - " \\".len();
    let mut lines = Vec::new();
    let mut quote = None;
    let mut line: Vec<(&str, LineEnd)> = Vec::new();
    for word in command.split(' ') {
        let length = |words: &[(&str, LineEnd)]| -> usize {
            words.iter().map(|(word, _)| word.chars().count() + 1).sum()
        };
        if length(&line) + word.chars().count() > width {
            // Rather a short line than one that ends in the middle of something.
            let good = (0..line.len())
                .rev()
                .find(|at| line[*at].1.is_good && length(&line[..=*at]) > width / 2);
            let possible = || (0..line.len()).rev().find(|at| line[*at].1.is_possible);
            if let Some(at) = good.or_else(possible) {
                let rest = line.split_off(at + 1);
                lines.push(joined(&line));
                line = rest;
            }
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
        line.push((word, LineEnd::after(word, quote)));
    }
    lines.push(joined(&line));
    if let Some(last) = lines.last_mut() {
        *last = last.trim_end_matches(" \\").to_owned();
    }
    lines
}

/// What a line break behind a word would mean.
#[derive(Clone, Copy)]
struct LineEnd {
    is_possible: bool,
    is_good: bool,
    needs_backslash: bool,
}

impl LineEnd {
    fn after(word: &str, quote: Option<char>) -> Self {
        let ends = |marks: &[&str]| marks.iter().any(|mark| word.ends_with(mark));
        match quote {
            None => {
                let is_operator = ends(&["&&", "||", "|", ";", "{"]);
                Self {
                    is_possible: true,
                    is_good: is_operator,
                    needs_backslash: !is_operator,
                }
            }
            // A statement of Python's must not be indented.
            Some('"') => Self {
                is_possible: !ends(&[";"]),
                is_good: false,
                needs_backslash: false,
            },
            Some(_) => Self {
                is_possible: true,
                is_good: ends(&[";", "{", "}"]),
                needs_backslash: true,
            },
        }
    }
}

fn joined(line: &[(&str, LineEnd)]) -> String {
    let words: Vec<&str> = line.iter().map(|(word, _)| *word).collect();
    let goes_on = match line.last() {
        Some((_, end)) if end.needs_backslash => " \\",
        _ => "",
    };
    format!("{}{goes_on}", words.join(" "))
}

/// A line for the reader of stdout; whether somebody reads is no matter to the demo.
fn say(line: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

pub(super) fn tell(options: &DemoOptions, activity: &Activity) -> Result<DemoOutcome, DemoError> {
    let place = super::place(&options.dir)?;
    if let Some(found) = super::format_of(&options.dir).filter(|_| place != Place::Free)
        && found != options.format
    {
        return Err(DemoError::OtherFormat {
            dir: options.dir.clone(),
            wanted: options.format,
            found,
        });
    }
    let mut teller = Teller {
        json: options.json,
        activity,
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
        format: options.format,
    };
    let shown = options.dir.display();
    match place {
        Place::Free => {
            teller.heading(&format!(
                "Two business days of a treasury group, {} ledger lines, in {shown}.",
                thousands(options.lines)
            ));
            stage.tell_how_to_check(&teller);
            stage.first_time(&mut teller)?;
        }
        Place::Unfinished => {
            teller.heading(&format!(
                "The demo in {shown} was interrupted: both days are put in place, and karat goes on."
            ));
            stage.tell_how_to_check(&teller);
            super::write_project(&stage.dir, options.lines, options.format, DayRange::Both)?;
            stage.again_whole(&mut teller)?;
        }
        Place::Ours => {
            teller.heading(&format!(
                "The demo is there already, in {shown}: it is verified and run again. Remove the folder to see it all."
            ));
            stage.tell_how_to_check(&teller);
            stage.again_whole(&mut teller)?;
        }
    }
    activity.done();
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
    format: Format,
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
            .map(|(name, rows)| format!("{} {name}", thousands(*rows)))
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

    fn first_time(&self, teller: &mut Teller<'_>) -> Result<(), DemoError> {
        let karat = self.karat();
        teller.working("writing day 1");
        let planted = super::write_project(&self.dir, self.lines, self.format, DayRange::First)?;
        teller.working("karat run, day 1");
        let day = self.run_day(&karat)?;
        let nothing = Objects::new();
        let objects =
            self.tell_day(teller, &karat, Day::First, &planted.days[0], &day, &nothing)?;

        teller.working("writing day 2");
        super::write_project(&self.dir, self.lines, self.format, DayRange::Second)?;
        let killed = Scratch::new("killed")?;
        // The metadata of Iceberg holds whole paths: in a copy, both days are loaded from nothing.
        match self.format {
            Format::Delta => copy_tree(&self.dir, killed.path(), &[".karat"])?,
            Format::Iceberg => copy_tree(&self.dir, killed.path(), &[".karat", "lake"])?,
        }
        teller.working("karat run, day 2");
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

        teller.working("killing a run of day 2 in a copy, twice");
        self.tell_killed(teller, killed.path(), &tables, day.answer.took)?;
        drop(killed);
        teller.working("the same days in another order, with one thread, in a copy");
        self.tell_same(teller, &tables)?;
        teller.working("karat replay");
        self.tell_replayed(teller, &karat)?;
        self.tell_changed(teller, &karat)?;
        self.tell_why(teller, &karat)?;
        teller.working("the same sum as doubles");
        let total = self.tell_doubles(teller, &karat)?;
        self.tell_other_reader(teller, &tables, &total);
        teller.working("flipping a byte");
        self.tell_attack(teller, &tables)?;
        teller.working("karat run, again");
        let run = karat.answer(&["run", "--json"], &[0, 1])?;
        tell_again(teller, &run, &tables, &super::story::tables(&karat)?)?;
        self.tell_head(teller, &plain(day.answer.get("/head")?))
    }

    /// The demo typed again. Where it was interrupted, or changed since, karat goes on first.
    fn again_whole(&self, teller: &mut Teller<'_>) -> Result<(), DemoError> {
        let karat = self.karat();
        teller.working("karat run");
        let mut before = tables(&karat)?;
        let mut run = karat.answer(&["run", "--json"], &[0, 1])?;
        let mut after = tables(&karat)?;
        if before != after {
            let made = after
                .iter()
                .filter(|(name, table)| before.get(*name) != Some(*table));
            let text = format!(
                "there was something to do: {} of {} tables have a new version, {}",
                made.count(),
                after.len(),
                seconds(run.took.as_secs_f64())
            );
            teller.fact("continued", true, text, "karat status");
            before = after;
            run = karat.answer(&["run", "--json"], &[0, 1])?;
            after = tables(&karat)?;
        }
        teller.working("karat verify");
        let verified = karat.answer(&["verify", "--json"], &[0, 1])?;
        let ok = verified.code == 0 && verified.get("/ok")? == &Value::Bool(true);
        let text = format!(
            "{} tables {}, {}",
            verified.list("/tables")?.len(),
            if ok {
                "are as their receipts say"
            } else {
                "read, not all are as their receipts say"
            },
            seconds(verified.took.as_secs_f64())
        );
        teller.fact("verify", ok, text, "karat verify");
        tell_again(teller, &run, &before, &after)
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
        teller: &mut Teller<'_>,
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
            format!(", {} with day 1", thousands(run.silver.read))
        };
        let name = match day {
            Day::First => "day 1  29 Oct",
            Day::Second => "day 2  30 Oct",
        };
        let text = format!(
            "{} lines in {files} files{read} = {}   {}",
            thousands(lines),
            run.silver.text(),
            if adds_up {
                "adds up"
            } else {
                "DOES NOT ADD UP"
            }
        );
        let shows = [BRONZE, SILVER].map(|table| {
            let version = step_version(&run.answer, table)?;
            Ok(spelt(&["receipt", "show", &format!("{table}@{version}")]))
        });
        let [load, silver] = shows;
        let command = format!("{}; {}", load?, silver?);
        teller.fact(name, adds_up && all_came, text, &command);
        let expected_code = i32::from(planted.files_broken > 0);
        let text = format!(
            "karat run took {} and ended with {}{}",
            seconds(run.answer.took.as_secs_f64()),
            run.answer.code,
            if run.answer.code == 1 {
                ": a file is broken and needs a person"
            } else {
                ""
            }
        );
        teller.more(
            "the run of the day",
            run.answer.code == expected_code,
            text,
            "",
        );
        self.tell_planted(teller, karat, day, planted, run)?;
        Ok(objects)
    }

    fn tell_planted(
        &self,
        teller: &mut Teller<'_>,
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
        compare("lines", thousands(run.load.read), thousands(planted.lines));
        if day == Day::First {
            let again = run.silver.of("duplicate")
                + run.silver.of("superseded")
                + run.silver.of("unchanged");
            compare("copies", thousands(again), thousands(planted.traps.copies));
            compare(
                "quarantined",
                thousands(run.silver.of("quarantined")),
                thousands(planted.traps.spoilt),
            );
        }
        let listed = karat.answer(&["quarantine", "list", "--json"], &[0])?;
        let held = listed.list("/rows")?.iter().filter(|row| {
            row.get("table")
                .is_none_or(|table| plain(table).starts_with("ledger_"))
        });
        compare(
            "rows in quarantine",
            thousands(held.count() as u64),
            thousands(planted.quarantined),
        );
        let totals = totals(karat)?;
        compare(
            "entries",
            thousands(totals.values().map(|(entries, _)| entries).sum()),
            thousands(planted.rows),
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
        .map(|(planted, what)| format!("{} {what}", thousands(*planted)))
        .collect();
        let ok = differences.is_empty();
        let text = if ok {
            format!(
                "as planted: {}; {} entries, sums of {} currencies to the cent",
                what.join(", "),
                thousands(planted.rows),
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
        teller: &mut Teller<'_>,
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
                    thousands(lines)
                }
            ));
        }
        let text = format!("{} file broken: {}", held.len(), texts.join("; "));
        teller.more("broken file", ok, text, "karat quarantine list");
        Ok(())
    }

    fn tell_killed(
        &self,
        teller: &mut Teller<'_>,
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
            "killed (SIGKILL) {}, continued twice: {}",
            kills.join(" and "),
            same.text()
        );
        // Both days from nothing take longer than the second: half of that is on the way.
        let command = format!(
            "(d=$(mktemp -d) && cp -r karat.yaml domains landing $d && cd $d && \
             {{ karat run & sleep {:.1}; kill -9 $!; wait; karat run; karat status; }})",
            took.as_secs_f64() / 2.0
        );
        teller.more("killed", same.ok() && kills.len() == 2, text, &command);
        Ok(())
    }

    /// From nothing, with one thread, the ledger's second day before its first.
    fn tell_same(&self, teller: &mut Teller<'_>, tables: &Tables) -> Result<(), DemoError> {
        let scratch = Scratch::new("same")?;
        let copy = scratch.path();
        copy_tree(&self.dir, copy, &[".karat", "lake"])?;
        let [first, _] = super::DAYS;
        let (inside, outside) = (copy.join("landing/ledger").join(first), copy.join(first));
        let moved = |from: &Path, to: &Path| {
            fs::rename(from, to).map_err(|source| DemoError::io("move", from, source))
        };
        moved(&inside, &outside)?;
        let karat = self.karat_in(copy);
        karat.answer(&["run", "--threads", "1", "--json"], &[0, 1])?;
        moved(&outside, &inside)?;
        karat.answer(&["run", "--threads", "1", "--json"], &[0, 1])?;
        let same = compared(tables, &super::story::tables(&karat)?);
        let text = format!(
            "1 thread, the second day's files before the first's, from nothing: {}",
            same.text()
        );
        let command = format!(
            "(d=$(mktemp -d) && cp -r karat.yaml domains landing $d && cd $d && \
             mv landing/ledger/{first} . && {{ karat run --threads 1; mv {first} landing/ledger; \
             karat run --threads 1; karat status; }})"
        );
        teller.fact("same bytes", same.ok(), text, &command);

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

    /// The second day once more, from its record alone.
    fn tell_replayed(&self, teller: &mut Teller<'_>, karat: &Karat) -> Result<(), DemoError> {
        let answer = karat.answer(&["replay", "--json"], &[0, 1])?;
        let ok = answer.code == 0 && answer.get("/ok")? == &Value::Bool(true);
        let text = format!(
            "day 2 made again from recorded code and inputs, {} silver and gold tables: {}",
            answer.list("/tables")?.len(),
            if ok { "the same" } else { "not all the same" },
        );
        teller.fact("replay", ok, text, "karat replay");
        Ok(())
    }

    /// What the second day changed of the first day's balances: late and corrected entries.
    fn tell_changed(&self, teller: &mut Teller<'_>, karat: &Karat) -> Result<(), DemoError> {
        let answer = karat.answer(&["diff", GOLD, "--json"], &[0])?;
        let rows = |what: &str| -> Result<u64, DemoError> {
            Ok(answer.get(&format!("/rows/{what}"))?.as_u64().unwrap_or(0))
        };
        let sums = answer.list("/columns")?.iter();
        let difference = sums
            .filter(|column| column["column"] == "balance")
            .find_map(|column| column["sum"]["difference"].as_str())
            .unwrap_or("0");
        let (changed, added) = (rows("changed")?, rows("added")?);
        let text = format!(
            "what day 2 did to the daily balances: {changed} of day 1 corrected, {added} added, {difference} in all"
        );
        let command = spelt(&["diff", GOLD]);
        teller.fact("correction", changed > 0 && added > 0, text, &command);
        Ok(())
    }

    /// What made a balance of day 1 that day 2 corrected: the entries, and the lines of the files that they came in.
    fn tell_why(&self, teller: &mut Teller<'_>, karat: &Karat) -> Result<(), DemoError> {
        let answer = karat.answer(&["diff", GOLD, "--json"], &[0])?;
        let mut first = answer.list("/first")?.iter();
        let corrected = first.find(|row| row["change"] == "changed");
        let of = |column: &str| corrected.and_then(|row| row["row"][column].as_str());
        let (day, currency) = (
            of("book_date").unwrap_or_default(),
            of("currency").unwrap_or_default(),
        );
        let condition = format!("book_date = '{day}' and currency = '{currency}'");
        let question = ["explain", GOLD, "--where", &condition, "--limit", "1"];
        let answer = karat.answer(&[&question[..], &["--json"]].concat(), &[0])?;
        let entries = answer.get("/row/entries")?.as_u64().unwrap_or(0);
        let count = answer.get("/sources/0/count")?.as_u64().unwrap_or(0);
        let text = format!(
            "{currency} {} of {day} is made of {} entries, and of these the same again; the first came in {}",
            plain(answer.get("/row/balance")?),
            thousands(count),
            plain(answer.get("/sources/0/rows/0/received/0/address")?),
        );
        let ok = *answer.get("/same")? == true && count == entries && count > 0;
        teller.fact("why", ok, text, &spelt(&question));
        Ok(())
    }

    /// Sums the same amounts as doubles, shared among threads as an engine does it, and exactly; returns the exact sum.
    fn tell_doubles(&self, teller: &mut Teller<'_>, karat: &Karat) -> Result<i128, DemoError> {
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
        let mut sums: Vec<f64> = THREADS
            .iter()
            .map(|threads| sum_as_doubles(&amounts, *threads))
            .collect();
        sums.sort_by(f64::total_cmp);
        sums.dedup();
        let between = match sums.as_slice() {
            [low, .., high] => format!(", from {low:.8} to {high:.8}"),
            _ => String::new(),
        };
        let text = format!(
            "the sum of {} amounts in EUR as doubles, in five runs of 1, 2, 3, 4 and 8 threads: {} answer{}{between}",
            thousands(amounts.len() as u64),
            sums.len(),
            if sums.len() == 1 { "" } else { "s" },
        );
        // The same shares, added up by a program that nobody here wrote.
        let awk = "NR > 1 { a[NR - 2] = $1 } END { n = NR - 1; split(\"1,2,3,4,8\", threads, \",\"); \
                   for (r = 1; r <= 5; r++) { t = threads[r]; c = int((n + t - 1) / t); sum = 0; \
                   for (s = 0; s < t; s++) { part = 0; for (i = s * c; i < n && i < (s + 1) * c; i++) \
                   part += a[i]; sum += part } print t, sprintf(\"%.8f\", sum) } }";
        let command = format!(
            "{} | awk '{awk}'",
            spelt(&["query", "--format", "csv", QUERY_AMOUNTS])
        );
        // How many answers doubles give is their business; that karat's is the exact one is ours.
        teller.fact("without karat", true, text, &command);

        let mut answers = BTreeSet::new();
        for threads in ["1", "8"] {
            let sum = karat.answer(&["query", "--json", "--threads", threads, QUERY_SUM], &[0])?;
            let row = sum.rows()?.into_iter().next().unwrap_or_default();
            answers.insert(row.get("total").map(plain).unwrap_or_default());
        }
        let right = answers.len() == 1 && answers.contains(&decimal_text(exact));
        let answers: Vec<String> = answers.into_iter().collect();
        let text = format!(
            "the same sum by karat, of 1 thread and of 8: {}",
            answers.join(" and ")
        );
        teller.fact(
            "with karat",
            right,
            text,
            &spelt(&["query", "--threads", "8", QUERY_SUM]),
        );
        Ok(exact)
    }

    /// A reader that nobody here wrote, where it is installed.
    fn tell_other_reader(&self, teller: &mut Teller<'_>, tables: &Tables, total: &i128) {
        let path = tables
            .get(GOLD)
            .map_or("lake/ledger/gold/daily_balance", |table| {
                table.path.as_str()
            });
        let (package, needs, who) = match self.format {
            Format::Delta => (
                "deltalake",
                "import deltalake; deltalake.QueryBuilder",
                "delta-rs from Python",
            ),
            Format::Iceberg => (
                "pyiceberg[pyarrow]",
                "import pyarrow; from pyiceberg.table import StaticTable",
                "PyIceberg",
            ),
        };
        let script = match self.format {
            Format::Iceberg => format!(
                "from pyiceberg.table import StaticTable; from pyiceberg.expressions import EqualTo; import pyarrow.compute as c; print(c.sum(StaticTable.from_metadata('{path}').scan(row_filter=EqualTo('currency', 'EUR')).to_arrow()['balance']).as_py())"
            ),
            Format::Delta => format!(
                "import deltalake as d; print(d.QueryBuilder().register('t', d.DeltaTable('{path}')).execute('''select cast(sum(balance) as varchar) as total from t where currency = 'EUR' ''').read_all()['total'][0].as_py())"
            ),
        };
        let installed = ["python3", "python"].into_iter().find(|python| {
            Command::new(python)
                .args(["-c", needs])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success())
        });
        let Some(python) = installed else {
            let text = format!(
                "not run: there is no Python with the package `{package}` here. This fetches it and runs it:"
            );
            let command = format!(
                "(v=$(mktemp -d) && python3 -m venv $v && $v/bin/pip install -q '{package}' && $v/bin/python -c \"{script}\")"
            );
            teller.not_run("another reader", text, &command);
            return;
        };
        let command = format!("{python} -c \"{script}\"");
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
            format!("{who} reads the same total in EUR: {found}")
        } else {
            format!("{who} reads `{found}` instead of {expected}")
        };
        teller.fact("another reader", same, text, &command);
    }

    fn tell_attack(&self, teller: &mut Teller<'_>, tables: &Tables) -> Result<(), DemoError> {
        let scratch = Scratch::new("attacked")?;
        let attacked = match self.format {
            Format::Delta => {
                let copy = scratch.path();
                copy_tree(&self.dir, copy, &[".karat", "landing"])?;
                // Sources may be looked for, but need not hold anything.
                let landing = copy.join("landing");
                fs::create_dir_all(&landing)
                    .map_err(|source| DemoError::io("make", &landing, source))?;
                copy
            }
            // A copy of an Iceberg table is none: its metadata holds whole paths. It is undone below.
            Format::Iceberg => self.dir.as_path(),
        };
        let table = tables
            .get(SILVER)
            .map_or("lake/ledger/silver/entries", |table| table.path.as_str());
        let victim = largest_file(&attacked.join(table))?;
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
        let write = |bytes: &[u8]| {
            fs::write(&victim, bytes).map_err(|source| DemoError::io("write", &victim, source))
        };
        write(&bytes)?;
        let verified = self
            .karat_in(attacked)
            .answer(&["verify", "--json"], &[0, 1]);
        let (place, undone) = match self.format {
            Format::Delta => ("in a copy", ""),
            Format::Iceberg => {
                bytes[middle] ^= 1;
                write(&bytes)?;
                ("in place", "; it is flipped back")
            }
        };
        let verified = verified?;
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
                "one byte flipped {place}, of {table}/{start}…: verify names the file ({outcome}), exit {}{undone}",
                verified.code
            ),
            None => format!(
                "one byte flipped {place}: verify does not name the file, exit {}",
                verified.code
            ),
        };
        let flip = |byte: u8| {
            format!("printf '\\{byte:03o}' | dd of=$f bs=1 seek={middle} conv=notrunc status=none")
        };
        let command = match self.format {
            Format::Delta => format!(
                "(d=$(mktemp -d) && cp -r . $d && cd $d && f=$(echo {table}/{start}*) && {}; karat verify)",
                flip(flipped)
            ),
            Format::Iceberg => format!(
                "(f=$(echo {table}/{start}*) && {}; karat verify; {})",
                flip(flipped),
                flip(flipped ^ 1)
            ),
        };
        teller.fact("attack", ok, text, &command);
        Ok(())
    }

    /// The head is the digest of the run's manifest in the lake, so that any tool can compute it.
    fn tell_head(&self, teller: &mut Teller<'_>, head: &str) -> Result<(), DemoError> {
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

    /// Where to type the commands, and how to have `karat` there.
    fn tell_how_to_check(&self, teller: &Teller<'_>) {
        let mut text = format!(
            "What stands behind a $ shows the fact above it. In another shell, first:\n{:INDENT$}$ cd {}",
            "",
            quoted(&self.shown)
        );
        if let Some(folder) = self.folder_not_on_path() {
            text.push_str(&format!(
                "\n{:INDENT$}$ export PATH={}:\"$PATH\"",
                "",
                quoted(&folder)
            ));
        }
        teller.heading(&format!("{text}\n"));
    }

    fn closing(&self, outcome: &DemoOutcome) {
        let of = |ok: Option<bool>| outcome.facts.iter().filter(|fact| fact.ok == ok).count();
        let (right, not_run) = (of(Some(true)), of(None));
        let count = outcome.facts.len() - not_run;
        let not_run = match not_run {
            0 => String::new(),
            some => format!(", {some} could not be shown on this machine"),
        };
        let look = if outcome.ok() {
            "Look around"
        } else {
            "Look closer"
        };
        let verdict = format!(
            "{right} of {count} facts are as they should be{not_run}. {look} in {}:",
            self.shown.display()
        );
        say("");
        say(&verdict);
        for command in [
            "karat query \"select * from ledger_gold.exposure_eur\"",
            "karat query \"select * from accounts_silver.accounts where account_id = 'ACC-000017'\"",
            "karat receipt list",
        ] {
            for line in command_lines(command) {
                say(&format!("{:INDENT$}{line}", ""));
            }
        }
        say(&format!(
            "Where things come from: README.md, files.csv and {PLANTED_FILE} there."
        ));
    }
}

/// A run with nothing to do.
fn tell_again(
    teller: &mut Teller<'_>,
    run: &Answer,
    before: &Tables,
    after: &Tables,
) -> Result<(), DemoError> {
    let moved: Vec<&String> = after
        .iter()
        .filter(|(name, table)| before.get(*name) != Some(*table))
        .map(|(name, _)| name)
        .collect();
    let ok = run.code == 0 && moved.is_empty() && after.len() == before.len();
    let took = seconds(run.took.as_secs_f64());
    let text = if ok {
        let steps = run.list("/steps")?.len();
        format!("nothing to do: {steps} tables up to date, no new version, {took}")
    } else {
        format!("exit {}, {took}, changed: {moved:?}", run.code)
    };
    teller.fact("again", ok, text, "karat run");
    Ok(())
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
    rows.outcomes
        .sort_by_key(|(name, _)| TERMS.iter().position(|term| term == name));
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

/// Each thread adds up an equal share of the rows, then the parts are added in their order.
fn sum_as_doubles(amounts: &[f64], threads: usize) -> f64 {
    let share = amounts.len().div_ceil(threads).max(1);
    std::thread::scope(|scope| {
        let threads: Vec<_> = amounts
            .chunks(share)
            .map(|amounts| scope.spawn(|| amounts.iter().fold(0.0, |sum, amount| sum + amount)))
            .collect();
        threads
            .into_iter()
            .fold(0.0, |sum, thread| match thread.join() {
                Ok(part) => sum + part,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })
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
