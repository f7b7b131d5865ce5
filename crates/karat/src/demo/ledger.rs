//! The generator of the demo's input: about a million ledger lines over two business days, with traps that it
//! counts while it plants them. It computes what the ledger must say after each day by its own book-keeping, so that
//! karat's figures can be checked against something that is not karat. Writing projects and telling the story is
//! left to the modules beside.
//!
//! Everything follows from [`SEED`]: an entry is a pure function of (day, file, number), its random bits come from
//! SplitMix64. The same version writes the same rows on every machine; the gzip bytes around them may differ between
//! versions of the compressor, which is why [`FilePlan::sha256`] is the digest of the text inside.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// What all random choices of the demo start from.
pub(crate) const SEED: u64 = 0x6b61_7261_7420_2401;

/// The fewest lines that leave room for every trap in every file.
pub(crate) const LINES_MIN: u64 = 2_000;

/// The two business days, as the files spell them.
pub(crate) const DAYS: [&str; 2] = ["2026-10-29", "2026-10-30"];

/// The currencies of the ledger; all have a reference rate of the European Central Bank.
pub(crate) const CURRENCIES: [&str; 8] = ["EUR", "USD", "CHF", "GBP", "JPY", "SEK", "NOK", "PLN"];

/// How many of 100 entries are in each of [`CURRENCIES`].
const CURRENCY_WEIGHTS: [u64; 8] = [34, 29, 12, 9, 6, 4, 3, 3];

const FILES_A_DAY: u32 = 14;
/// Arrivals over both days that are whole: 14, then 13 under new names and one under an old name with new content.
const ARRIVALS: u64 = 28;

/// Day 1: delivered again on day 2, with other content.
const REDELIVERED: u32 = 7;
/// Day 1: sent again on day 2, byte for byte, as [`DUPLICATE`].
const TWICE: u32 = 3;
/// Day 2: the same bytes as [`TWICE`] under a new name.
const DUPLICATE: u32 = 12;
/// Day 2: its gzip stream ends early.
const BROKEN: u32 = 9;

/// Accounts that entries are booked on.
pub(crate) const ACCOUNTS: u64 = 400;

const DESKS: [&str; 6] = [
    "FX Spot",
    "Money Market",
    "Rates",
    "Repo",
    "Credit",
    "Liquidity",
];

/// Parties as they come: umlauts, quotes and the file's own delimiter included.
const COUNTERPARTIES: [&str; 16] = [
    "Müller & Söhne AG",
    "Bäckerei \"Zur Krone\"; Inh. Groß",
    "Société Générique du Léman SA",
    "Ångström Kraft AB",
    "Øresund Handel A/S",
    "Zakłady Łódzkie sp. z o.o.",
    "Northern Grain, Ltd.",
    "Harbour & Lee LLP",
    "三洋商事",
    "Tessiner Holz; Stein; Erde GmbH",
    "Peña y Asociados",
    "Global \"Best\" Trading Inc.",
    "Kantonale Pensionskasse Üri",
    "Fjord Shipping ASA",
    "O'Brien Foods",
    "Alpenverein Sektion Süd",
];

const HEADER_DAY_1: &str = "entry_id;booked_at;book_date;account_id;counterparty;currency;amount;desk;narrative;action;updated_at\n";
const HEADER_DAY_2: &str = "entry_id;booked_at;book_date;account_id;counterparty;currency;amount;trading_desk;narrative;action;updated_at\n";

/// SplitMix64 (Steele, Lea, Flood 2014): small, well mixed, and a few lines to write again in any language.
#[derive(Debug, Clone)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    /// A stream of its own for each place that needs random bits.
    pub(crate) fn at(place: u64) -> Self {
        let mut seed = Self(SEED ^ place.wrapping_mul(0xd6e8_feb8_6659_fd93));
        Self(seed.next())
    }

    /// The next 64 bits.
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number in `0..limit`; the slight bias is the same everywhere and of no matter here.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(limit)) >> 64) as u64
    }
}

/// An amount of each of [`CURRENCIES`], in hundredths.
pub(crate) type Totals = [i128; CURRENCIES.len()];

/// One business day of the demo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Day {
    /// 29 October 2026.
    First,
    /// 30 October 2026.
    Second,
}

impl Day {
    fn number(self) -> u64 {
        match self {
            Self::First => 0,
            Self::Second => 1,
        }
    }

    /// The date as the files spell it.
    pub(crate) fn date(self) -> &'static str {
        DAYS[self.number() as usize]
    }

    fn header(self) -> &'static str {
        match self {
            Self::First => HEADER_DAY_1,
            Self::Second => HEADER_DAY_2,
        }
    }
}

/// How a line is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spoilt {
    /// Cut off after the fifth field.
    Short,
    /// One field too many.
    Long,
    /// The amount is `12,3x`.
    Amount,
    /// No key.
    NoKey,
    /// A Windows-1252 umlaut in a UTF-8 file.
    Encoding,
    /// A currency that does not exist.
    Currency,
}

const SPOILT: [Spoilt; 6] = [
    Spoilt::Short,
    Spoilt::Long,
    Spoilt::Amount,
    Spoilt::NoKey,
    Spoilt::Encoding,
    Spoilt::Currency,
];

/// One line to write, before it is spelt out.
#[derive(Debug, Clone, Copy)]
enum Line {
    /// A new entry of this file, by its number.
    New { number: u64 },
    /// A new entry of this file that belongs to the day before.
    Late { number: u64 },
    /// An entry of another file, word for word.
    Copy { day: Day, file: u32, number: u64 },
    /// Another state of an entry of day 1.
    State { of: State, file: u32, number: u64 },
    /// A line that cannot be loaded as it is.
    Spoilt { kind: Spoilt, number: u64 },
}

/// What a later file says of an entry of day 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// A newer state, with another amount.
    Corrected,
    /// An older state that comes too late to matter.
    Stale,
    /// It is taken back.
    Cancelled,
    /// A state of a cancelled entry from before its cancellation, which must not revive it.
    BeforeCancel,
}

/// The entry behind a line.
struct Entry {
    day: Day,
    file: u32,
    number: u64,
    booked_s: u64,
    late: bool,
    account: u64,
    counterparty: &'static str,
    currency: usize,
    cents: i64,
    desk: &'static str,
    narrative: u64,
    /// Milliseconds after midnight of `day`.
    updated_ms: u64,
}

/// What the traps of one arrival, or of one day, add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Traps {
    /// Lines that are word for word a line of another file.
    pub(crate) copies: u64,
    /// Lines of a file that came before under another name.
    pub(crate) lines_sent_twice: u64,
    /// Lines that must end in quarantine: ragged, not a number, without key, not UTF-8, unknown currency.
    pub(crate) spoilt: u64,
    /// New entries that belong to the day before.
    pub(crate) late: u64,
    /// Newer states of entries of the day before.
    pub(crate) corrected: u64,
    /// Older states that come too late to matter.
    pub(crate) stale: u64,
    /// Entries taken back.
    pub(crate) cancelled: u64,
    /// Entries with the amount 0.00, which an expectation warns of.
    pub(crate) zero: u64,
}

impl Traps {
    fn add(&mut self, other: &Self) {
        self.copies += other.copies;
        self.lines_sent_twice += other.lines_sent_twice;
        self.spoilt += other.spoilt;
        self.late += other.late;
        self.corrected += other.corrected;
        self.stale += other.stale;
        self.cancelled += other.cancelled;
        self.zero += other.zero;
    }

    fn to_json(&self) -> Value {
        json!({
            "copies": self.copies, "lines_sent_twice": self.lines_sent_twice, "spoilt": self.spoilt,
            "late": self.late, "corrected": self.corrected, "stale": self.stale,
            "cancelled": self.cancelled, "zero": self.zero,
        })
    }
}

/// What one day brought and what the ledger must say after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PlantedDay {
    /// The business day, `2026-10-29`.
    pub(crate) date: String,
    /// Files that arrived, broken ones included.
    pub(crate) files: u64,
    /// Files that arrived broken.
    pub(crate) files_broken: u64,
    /// Lines without headers in all whole files that arrived.
    pub(crate) lines: u64,
    /// What was planted among them.
    pub(crate) traps: Traps,
    /// Rows in quarantine after the day.
    pub(crate) quarantined: u64,
    /// Entries in the ledger after the day.
    pub(crate) rows: u64,
    /// The sum of their amounts by currency, in hundredths.
    pub(crate) totals: Totals,
}

impl PlantedDay {
    /// The sum of one currency as karat prints it.
    pub(crate) fn total(&self, currency: usize) -> String {
        decimal_text(self.totals[currency])
    }
}

/// What the generator planted on each day.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Planted {
    /// The lines asked for.
    pub(crate) lines: u64,
    /// Day 1 and day 2.
    pub(crate) days: [PlantedDay; 2],
}

impl Planted {
    /// As the demo keeps it in `planted.json`.
    pub(crate) fn to_json(&self) -> Value {
        let days: Vec<Value> = self
            .days
            .iter()
            .map(|day| {
                let totals: serde_json::Map<String, Value> = CURRENCIES
                    .iter()
                    .enumerate()
                    .map(|(index, currency)| ((*currency).to_owned(), Value::from(day.total(index))))
                    .collect();
                json!({
                    "date": day.date, "files": day.files, "files_broken": day.files_broken, "lines": day.lines,
                    "traps": day.traps.to_json(), "quarantined_after": day.quarantined, "rows_after": day.rows,
                    "totals_after": totals,
                })
            })
            .collect();
        json!({ "seed": format!("{SEED:#x}"), "lines": self.lines, "days": days })
    }
}

/// One file that arrives on a day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    day: Day,
    role: Role,
    file: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Regular,
    /// [`REDELIVERED`] of day 1, as it comes on day 1.
    FirstDelivery,
    /// [`REDELIVERED`] of day 1, as it comes on day 2.
    SecondDelivery,
    /// [`TWICE`] of day 1, free of traps, since it comes again.
    Clean,
    /// [`DUPLICATE`] of day 2.
    Duplicate,
    /// [`BROKEN`] of day 2.
    Broken,
}

impl Arrival {
    /// The files that arrive on a day, in the order of their names.
    pub(crate) fn of(day: Day) -> Vec<Self> {
        let mut arrivals: Vec<Self> = (1..=FILES_A_DAY)
            .map(|file| {
                let role = match (day, file) {
                    (Day::First, REDELIVERED) => Role::FirstDelivery,
                    (Day::First, TWICE) => Role::Clean,
                    (Day::Second, DUPLICATE) => Role::Duplicate,
                    (Day::Second, BROKEN) => Role::Broken,
                    _ => Role::Regular,
                };
                Self { day, role, file }
            })
            .collect();
        if day == Day::Second {
            arrivals.push(Self {
                day,
                role: Role::SecondDelivery,
                file: REDELIVERED,
            });
        }
        arrivals
    }

    /// Where it lands, below `landing/`.
    pub(crate) fn path(self) -> String {
        let date = if self.role == Role::SecondDelivery {
            DAYS[0]
        } else {
            self.day.date()
        };
        format!(
            "ledger/{date}/entries_{}_{:02}.csv.gz",
            date.replace('-', ""),
            self.file
        )
    }

    /// What is special about it, for the list of files.
    fn remark(self) -> &'static str {
        match self.role {
            Role::Regular => "",
            Role::FirstDelivery => "delivered again on day 2 with other content",
            Role::SecondDelivery => "the second delivery: rows corrected, removed, added",
            Role::Clean => "sent again on day 2 under another name",
            Role::Duplicate => "the same bytes as entries_20261029_03.csv.gz",
            Role::Broken => "its gzip stream ends early",
        }
    }
}

/// A file of the ledger as it was, or would be, written.
#[derive(Debug, Clone)]
pub(crate) struct FilePlan {
    /// Below `landing/`.
    pub(crate) path: String,
    /// Lines without the header.
    pub(crate) lines: u64,
    /// SHA-256 of the text before compression.
    pub(crate) sha256: String,
    /// What is special about it.
    pub(crate) remark: &'static str,
    /// The gzip bytes, where they were asked for.
    pub(crate) gzip: Option<Vec<u8>>,
    traps: Traps,
    rows: i64,
    totals: Totals,
}

/// How many traps a file holds, scaled from the demo's million lines.
struct Scale {
    lines: u64,
}

impl Scale {
    fn of(&self, in_a_million: u64) -> u64 {
        (in_a_million * self.lines / 1_000_000).max(1)
    }
}

/// Writes, or only counts, the arrivals of one day; `sink` receives each file as it is ready, on a worker's thread.
/// The plans come back in the order of the names.
pub(crate) fn generate<E: Send>(
    lines: u64,
    day: Day,
    compress: bool,
    sink: &(dyn Fn(&FilePlan) -> Result<(), E> + Sync),
) -> Result<Vec<FilePlan>, E> {
    let lines = lines.max(LINES_MIN);
    let arrivals = Arrival::of(day);
    let next = AtomicUsize::new(0);
    let done: Mutex<Vec<(usize, Result<FilePlan, E>)>> =
        Mutex::new(Vec::with_capacity(arrivals.len()));
    let workers = std::thread::available_parallelism()
        .map_or(1, std::num::NonZero::get)
        .min(8);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(arrival) = arrivals.get(index) else {
                        return;
                    };
                    let mut plan = file_plan(lines, *arrival, compress);
                    let outcome = sink(&plan);
                    plan.gzip = None;
                    done.lock()
                        .unwrap_or_else(std::sync::PoisonError::into_inner)
                        .push((index, outcome.map(|()| plan)));
                }
            });
        }
    });
    let mut done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, plan)| plan).collect()
}

/// What the two days add up to, from the plans of their files.
pub(crate) fn add_up(lines: u64, first: &[FilePlan], second: &[FilePlan]) -> Planted {
    let mut planted = Planted {
        lines,
        ..Planted::default()
    };
    let mut rows: i64 = 0;
    let mut totals: Totals = Totals::default();
    let mut quarantined: u64 = 0;
    for (day, plans) in [(Day::First, first), (Day::Second, second)] {
        let mut sum = PlantedDay {
            date: day.date().to_owned(),
            files: plans.len() as u64,
            ..PlantedDay::default()
        };
        for (arrival, plan) in Arrival::of(day).into_iter().zip(plans) {
            if arrival.role == Role::Broken {
                sum.files_broken += 1;
                continue;
            }
            sum.lines += plan.lines;
            sum.traps.add(&plan.traps);
            quarantined += plan.traps.spoilt;
            rows += plan.rows;
            add(&mut totals, &plan.totals, 1);
            if arrival.role == Role::SecondDelivery {
                // The newer delivery takes the place of the older as if that had never come.
                let older = first
                    .iter()
                    .find(|older| older.path == plan.path)
                    .expect("day 1 holds what day 2 delivers again");
                quarantined -= older.traps.spoilt;
                rows -= older.rows;
                add(&mut totals, &older.totals, -1);
            }
        }
        sum.rows = rows as u64;
        sum.totals = totals;
        sum.quarantined = quarantined;
        planted.days[day.number() as usize] = sum;
    }
    planted
}

/// The list of files that lies in the project, with who they come from.
pub(crate) fn file_list(plans: &[&FilePlan]) -> String {
    let mut text = String::from("path;lines;sha256_of_the_text;source;remark\n");
    for plan in plans {
        let _ = writeln!(
            text,
            "landing/{};{};{};karat demo, seed {SEED:#x};{}",
            plan.path, plan.lines, plan.sha256, plan.remark
        );
    }
    text
}

fn add(totals: &mut Totals, other: &Totals, sign: i128) {
    for (total, amount) in totals.iter_mut().zip(other) {
        *total += sign * amount;
    }
}

/// Hundredths as text with two digits after the point.
pub(crate) fn decimal_text(cents: i128) -> String {
    let sign = if cents < 0 { "-" } else { "" };
    let cents = cents.unsigned_abs();
    format!("{sign}{}.{:02}", cents / 100, cents % 100)
}

/// Files that hold corrections, copies and spoilt lines, or are their subject, in the order of their names.
fn regular_files(day: Day) -> impl Iterator<Item = u32> {
    Arrival::of(day)
        .into_iter()
        .filter(|arrival| arrival.role == Role::Regular)
        .map(|arrival| arrival.file)
}

/// How many lines a file of a day has.
fn line_count(lines: u64, day: Day, file: u32) -> u64 {
    let even = lines / ARRIVALS;
    let spread = even / 20;
    even - spread / 2
        + SplitMix64::at(1 << 62 | day.number() << 8 | u64::from(file)).below(spread + 1)
}

/// The kinds of use that an entry can be put to by another file; each has numbers of its own, so that no two traps
/// meet on one entry.
#[derive(Clone, Copy)]
enum Use {
    CopiedToday,
    CopiedTomorrow,
    Corrected,
    Stale,
    Cancelled,
}
const USES: u64 = 5;

fn used_number(scale: &Scale, use_: Use, nth: u64) -> u64 {
    // They stay in the first half of a file, which always has more new entries than that: the traps take one line in
    // ten at most, where the ledger is smallest.
    let stride = (scale.lines / ARRIVALS / 2 / (USES * scale.of(125))).max(1);
    (nth * USES + use_ as u64) * stride
}

/// Which lines a file has, in order.
fn lines_of(lines: u64, arrival: Arrival) -> Vec<Line> {
    let scale = Scale { lines };
    let Arrival { day, role, file } = arrival;
    let mut special: Vec<Line> = Vec::new();
    let spoilt = |special: &mut Vec<Line>, count: u64| {
        for nth in 0..count {
            let kind = SPOILT[(nth + u64::from(file)) as usize % SPOILT.len()];
            special.push(Line::Spoilt {
                kind,
                number: 900_000 + nth,
            });
        }
    };
    let position = regular_files(day).position(|other| other == file);
    match (role, day, position) {
        (Role::Regular, Day::First, Some(position)) => {
            spoilt(&mut special, scale.of(4));
            if position > 0 {
                let source = regular_files(day)
                    .nth(position - 1)
                    .expect("position counts these files");
                special.extend((0..scale.of(8)).map(|nth| Line::Copy {
                    day,
                    file: source,
                    number: used_number(&scale, Use::CopiedToday, nth),
                }));
            }
        }
        (Role::Regular, Day::Second, Some(position)) => {
            let subject = regular_files(Day::First)
                .nth(position)
                .expect("both days have twelve regular files");
            let number = |use_, nth| used_number(&scale, use_, nth);
            spoilt(&mut special, scale.of(5));
            special.extend((0..scale.of(15)).map(|nth| Line::Copy {
                day: Day::First,
                file: subject,
                number: number(Use::CopiedTomorrow, nth),
            }));
            let states = |of, count, use_| {
                (0..count).map(move |nth| Line::State {
                    of,
                    file: subject,
                    number: number(use_, nth),
                })
            };
            special.extend(states(State::Corrected, scale.of(125), Use::Corrected));
            special.extend(states(State::Stale, scale.of(25), Use::Stale));
            special.extend(states(State::Cancelled, scale.of(10), Use::Cancelled));
            special.extend((0..scale.of(20)).map(|nth| Line::Late {
                number: 800_000 + nth,
            }));
            // After the cancellations, in the order of the file too.
            special.extend(states(State::BeforeCancel, scale.of(5), Use::Cancelled));
        }
        (Role::FirstDelivery, ..) => spoilt(&mut special, scale.of(4)),
        _ => {}
    }
    let count = line_count(lines, day, file);
    let mut result = Vec::with_capacity(count as usize);
    let mut used = 0;
    let mut number = 0;
    for at in 0..count {
        // The traps lie evenly over the file.
        if used < special.len() && at * (special.len() as u64 + 1) >= (used as u64 + 1) * count {
            result.push(special[used]);
            used += 1;
        } else {
            result.push(Line::New { number });
            number += 1;
        }
    }
    if role == Role::SecondDelivery {
        redeliver(&scale, &mut result);
    }
    result
}

/// From the first delivery of a file to the second: spoilt lines are gone, every 500th entry too, others come in.
fn redeliver(scale: &Scale, lines: &mut Vec<Line>) {
    lines.retain(|line| !matches!(line, Line::New { number } if number % 500 == 7));
    lines.extend((0..scale.of(20)).map(|nth| Line::New {
        number: 700_000 + nth,
    }));
}

fn file_plan(lines: u64, arrival: Arrival, compress: bool) -> FilePlan {
    // The same bytes under another name, and the second delivery, come from the plan of their originals.
    let (source, header) = match arrival.role {
        Role::Duplicate => (
            Arrival {
                day: Day::First,
                role: Role::Clean,
                file: TWICE,
            },
            Day::First.header(),
        ),
        Role::SecondDelivery => (
            Arrival {
                day: Day::First,
                ..arrival
            },
            Day::Second.header(),
        ),
        _ => (arrival, arrival.day.header()),
    };
    let todo = lines_of(lines, source);
    let mut text = Vec::with_capacity(todo.len() * 160);
    text.extend_from_slice(header.as_bytes());
    let mut plan = FilePlan {
        path: arrival.path(),
        lines: todo.len() as u64,
        sha256: String::new(),
        remark: arrival.remark(),
        gzip: None,
        traps: Traps::default(),
        rows: 0,
        totals: Totals::default(),
    };
    for line in &todo {
        write_line(
            &mut text,
            source,
            *line,
            todo.len() as u64,
            lines,
            &mut plan,
        );
    }
    if arrival.role == Role::Duplicate {
        // It changes nothing: every line came before.
        plan.traps = Traps {
            lines_sent_twice: plan.lines,
            ..Traps::default()
        };
        plan.rows = 0;
        plan.totals = Totals::default();
    }
    plan.sha256 = sha256_hex(&text);
    if compress {
        let mut gzip = compressed(&text);
        if arrival.role == Role::Broken {
            gzip.truncate(gzip.len() * 6 / 10);
        }
        plan.gzip = Some(gzip);
    }
    plan
}

/// SHA-256 as 64 hexadecimal digits.
pub(crate) fn sha256_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(bytes) {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Gzip without a time and without the name of a system, so that only the compressor's version shapes the bytes.
fn compressed(text: &[u8]) -> Vec<u8> {
    let mut encoder = GzBuilder::new()
        .mtime(0)
        .operating_system(255)
        .write(Vec::with_capacity(text.len() / 3), Compression::new(3));
    encoder
        .write_all(text)
        .expect("memory takes what is written");
    encoder.finish().expect("memory takes what is written")
}

/// Spells a line out and books what it does to the ledger.
fn write_line(
    text: &mut Vec<u8>,
    place: Arrival,
    line: Line,
    count: u64,
    lines: u64,
    plan: &mut FilePlan,
) {
    let Arrival { day, role, file } = place;
    match line {
        Line::New { number } => {
            let mut entry = entry(lines, day, file, number, count);
            if role == Role::SecondDelivery && number % 250 == 11 {
                entry.cents += 1_000;
            }
            if entry.cents == 0 {
                plan.traps.zero += 1;
            }
            plan.rows += 1;
            plan.totals[entry.currency] += i128::from(entry.cents);
            write_entry(text, &entry, Spelling::new('N'));
        }
        Line::Late { number } => {
            let mut entry = entry(lines, day, file, number, count);
            entry.late = true;
            plan.traps.late += 1;
            plan.rows += 1;
            plan.totals[entry.currency] += i128::from(entry.cents);
            write_entry(text, &entry, Spelling::new('N'));
        }
        Line::Copy { day, file, number } => {
            plan.traps.copies += 1;
            write_entry(
                text,
                &original(lines, day, file, number),
                Spelling::new('N'),
            );
        }
        Line::State { of, file, number } => {
            let mut entry = original(lines, Day::First, file, number);
            let total = &mut plan.totals[entry.currency];
            let before = entry.cents;
            if of != State::Cancelled {
                entry.cents = corrected(before);
            }
            let (action, updated) = match of {
                State::Corrected => {
                    plan.traps.corrected += 1;
                    *total += i128::from(entry.cents - before);
                    ('C', Updated::DayTwo)
                }
                State::Cancelled => {
                    plan.traps.cancelled += 1;
                    plan.rows -= 1;
                    *total -= i128::from(before);
                    ('X', Updated::DayTwo)
                }
                State::Stale => {
                    plan.traps.stale += 1;
                    ('C', Updated::Before)
                }
                State::BeforeCancel => {
                    plan.traps.stale += 1;
                    ('C', Updated::SameDay)
                }
            };
            let spelling = Spelling {
                updated,
                ..Spelling::new(action)
            };
            write_entry(text, &entry, spelling);
        }
        Line::Spoilt { kind, number } => {
            plan.traps.spoilt += 1;
            write_entry(
                text,
                &entry(lines, day, file, number, count),
                Spelling {
                    spoilt: Some(kind),
                    ..Spelling::new('N')
                },
            );
        }
    }
}

/// An amount as somebody corrects it.
fn corrected(cents: i64) -> i64 {
    cents - cents / 10 + 125
}

/// An entry of another file, as that file has it.
fn original(lines: u64, day: Day, file: u32, number: u64) -> Entry {
    entry(lines, day, file, number, line_count(lines, day, file))
}

fn entry(lines: u64, day: Day, file: u32, number: u64, count: u64) -> Entry {
    let mut random = SplitMix64::at(day.number() << 60 | u64::from(file) << 40 | number);
    // The files of a day cut it into equal parts from seven to half past six.
    let part_s = 11 * 3_600 / u64::from(FILES_A_DAY) + 128;
    let first_s = 7 * 3_600 + u64::from(file - 1) * part_s;
    let booked_s = first_s + (number.min(count) * part_s) / count.max(lines / ARRIVALS).max(1);
    let currency = {
        let mut ticket = random.below(100);
        let mut chosen = 0;
        while ticket >= CURRENCY_WEIGHTS[chosen] {
            ticket -= CURRENCY_WEIGHTS[chosen];
            chosen += 1;
        }
        chosen
    };
    // Sizes from cents to tens of millions, both signs, a few zeros: sums of these as doubles depend on their order.
    let size = random.below(9) as u32;
    let mut cents = random.below(100 * 10_u64.pow(size)) as i64 + 1;
    if random.below(20) < 9 {
        cents = -cents;
    }
    if CURRENCIES[currency] == "JPY" {
        cents = cents / 100 * 100 + 100;
    }
    if random.below(50_000) == 0 {
        cents = 0;
    }
    Entry {
        day,
        file,
        number,
        booked_s,
        late: false,
        account: random.below(ACCOUNTS),
        counterparty: COUNTERPARTIES[random.below(COUNTERPARTIES.len() as u64) as usize],
        currency,
        cents,
        desk: DESKS[random.below(DESKS.len() as u64) as usize],
        narrative: random.next(),
        updated_ms: booked_s * 1_000 + 1_000 + random.below(90_000),
    }
}

/// When a state of an entry says that it was made.
#[derive(Clone, Copy)]
enum Updated {
    /// As the entry was booked.
    AsBooked,
    /// Just before that.
    Before,
    /// A second after that.
    SameDay,
    /// On the second business day.
    DayTwo,
}

#[derive(Clone, Copy)]
struct Spelling {
    action: char,
    updated: Updated,
    spoilt: Option<Spoilt>,
}

impl Spelling {
    fn new(action: char) -> Self {
        Self {
            action,
            updated: Updated::AsBooked,
            spoilt: None,
        }
    }
}

fn write_entry(text: &mut Vec<u8>, entry: &Entry, spelling: Spelling) {
    let date = entry.day.date();
    let book_date = if entry.late { DAYS[0] } else { date };
    if spelling.spoilt != Some(Spoilt::NoKey) {
        text.push(b'E');
        text.extend(date.bytes().filter(|byte| *byte != b'-'));
        push_digits(text, u64::from(entry.file), 2);
        push_digits(text, entry.number, 6);
    }
    text.push(b';');
    text.extend_from_slice(date.as_bytes());
    push_time(text, entry.booked_s * 1_000, false);
    text.push(b';');
    text.extend_from_slice(book_date.as_bytes());
    text.extend_from_slice(b";ACC-");
    push_digits(text, entry.account, 6);
    text.push(b';');
    push_quoted_where_needed(text, entry.counterparty);
    if spelling.spoilt == Some(Spoilt::Short) {
        text.push(b'\n');
        return;
    }
    text.push(b';');
    let currency = if spelling.spoilt == Some(Spoilt::Currency) {
        "XXU"
    } else {
        CURRENCIES[entry.currency]
    };
    text.extend_from_slice(currency.as_bytes());
    text.push(b';');
    if spelling.spoilt == Some(Spoilt::Amount) {
        text.extend_from_slice(b"12,3x");
    } else {
        push_amount(text, entry.cents);
    }
    text.push(b';');
    text.extend_from_slice(entry.desk.as_bytes());
    text.push(b';');
    if spelling.spoilt == Some(Spoilt::Encoding) {
        text.extend_from_slice(b"Filiale Z\xfcrich");
    } else {
        push_narrative(text, entry.narrative);
    }
    text.push(b';');
    text.push(spelling.action as u8);
    text.push(b';');
    let (updated_date, updated_ms) = match spelling.updated {
        Updated::AsBooked => (date, entry.updated_ms),
        Updated::Before => (date, entry.updated_ms - 500),
        Updated::SameDay => (date, entry.updated_ms + 1_000),
        Updated::DayTwo => (DAYS[1], entry.updated_ms + 600_000),
    };
    text.extend_from_slice(updated_date.as_bytes());
    push_time(text, updated_ms, true);
    if spelling.spoilt == Some(Spoilt::Long) {
        text.extend_from_slice(b";surplus");
    }
    text.push(b'\n');
}

/// What people write into such fields: nothing, an empty text, quotes, the delimiter, umlauts.
fn push_narrative(text: &mut Vec<u8>, bits: u64) {
    let number = bits >> 8 & 0xf_ffff;
    let (before, after) = match bits & 0xf {
        0 => return,
        1 => ("\"\"", ""),
        2 => ("\"Netting; Ref. ", "\""),
        3 => ("\"said \"\"net 30\"\", ", "\""),
        4 => ("Überweisung ", ""),
        5 => ("Gebühr für Rückläufer ", ""),
        6 => ("FX leg ", " near"),
        7 => ("FX leg ", " far"),
        _ => ("Payment ", ""),
    };
    text.extend_from_slice(before.as_bytes());
    if before != "\"\"" {
        push_digits(text, number, 7);
    }
    text.extend_from_slice(after.as_bytes());
}

fn push_quoted_where_needed(text: &mut Vec<u8>, field: &str) {
    if !field.contains(['"', ';']) {
        text.extend_from_slice(field.as_bytes());
        return;
    }
    text.push(b'"');
    for byte in field.bytes() {
        if byte == b'"' {
            text.push(b'"');
        }
        text.push(byte);
    }
    text.push(b'"');
}

fn push_amount(text: &mut Vec<u8>, cents: i64) {
    if cents < 0 {
        text.push(b'-');
    }
    let cents = cents.unsigned_abs();
    push_digits(text, cents / 100, 1);
    text.push(b'.');
    push_digits(text, cents % 100, 2);
}

/// ` 08:15:23`, with milliseconds where asked for.
fn push_time(text: &mut Vec<u8>, ms: u64, with_ms: bool) {
    let s = ms / 1_000;
    for (mark, value) in [(b' ', s / 3_600), (b':', s / 60 % 60), (b':', s % 60)] {
        text.push(mark);
        push_digits(text, value, 2);
    }
    if with_ms {
        text.push(b'.');
        push_digits(text, ms % 1_000, 3);
    }
}

/// A number with at least `width` digits.
fn push_digits(text: &mut Vec<u8>, mut value: u64, width: usize) {
    let mut digits = [b'0'; 20];
    let mut at = digits.len();
    while value > 0 {
        at -= 1;
        digits[at] = b'0' + (value % 10) as u8;
        value /= 10;
    }
    text.extend_from_slice(&digits[at.min(digits.len() - width)..]);
}
