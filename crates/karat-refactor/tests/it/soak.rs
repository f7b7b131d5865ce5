//! Long: broken files, mutations of whole ones, and random bytes through scan, apply and verify, for as long as `cargo xtask soak` says.
//!
//! A case is made of a seed alone (and of the files in the folder `KARAT_SOAK_FILES`, if it is named), so that it can be had again. It may not
//! panic and may not take long; edits must come back bit for bit; `verify` and the proof must license what was made; a second apply changes
//! nothing. What fails is made smaller and written to the folder of the target that the message names.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use karat_receipt::Digest;
use karat_refactor::estate::{FILE_SIZE_MAX, Files as _, InMemory, Scan, scan};
use karat_refactor::mapping::document;
use karat_refactor::proof::{FileProof, Proof, Tree};
use karat_refactor::style::{Style, Styles};
use karat_refactor::verify::verify_in;
use karat_refactor::walk::{self, Walk};
use karat_refactor::{Mapping, Options, asset, packed, patch, proof, text};

use crate::soak_inputs::{self, Dice, Inputs};

/// How much of the processor one case may take in a debug build; where that is not told, how long. Cases take a tenth of a second.
const CASE_SECONDS_MAX: f64 = 40.0;
/// Cases of the ordinary test.
const CASES: u64 = 60;

/// The files of a case and the document of its mapping.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) files: Vec<(String, Vec<u8>)>,
    pub(crate) mapping: (String, Vec<u8>),
    pub(crate) style: Style,
    /// By what its proof is broken.
    pub(crate) dice: u64,
}

#[test]
fn soak_of_broken_files() {
    let number = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seed = number("KARAT_SOAK_SEED").unwrap_or(1);
    let until = number("KARAT_SOAK_MINUTES")
        .map(|minutes| Instant::now() + Duration::from_secs(60 * minutes));
    let inputs = Inputs::of(
        std::env::var_os("KARAT_SOAK_FILES")
            .map(PathBuf::from)
            .as_deref(),
    );
    let (mut done, mut edits, mut slowest) = (0, 0, Duration::ZERO);
    let spent_before = processor_seconds();
    for number in 0.. {
        match until {
            Some(until) if Instant::now() >= until => break,
            None if number == CASES => break,
            _ => {}
        }
        // Far apart, so that cases of neighbouring seeds differ.
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(number);
        let case = inputs.case(&mut Dice(seed));
        let begun = Instant::now();
        match outcome(&case) {
            Ok(made) => edits += made,
            Err(why) => {
                let (case, why) = smaller(case, why);
                panic!(
                    "case {seed}: {why}\nkept in {}",
                    keep(seed, &case).display()
                );
            }
        }
        slowest = slowest.max(begun.elapsed());
        done += 1;
    }
    assert!(
        edits > done / 10,
        "{done} cases made {edits} edits: they miss what they are for"
    );
    // On a machine with other work an hour by the clock is less of an hour.
    let spent = processor_seconds().zip(spent_before);
    let spent = spent.map_or_else(String::new, |(now, before)| {
        format!(", {:.0} minutes of the processor", (now - before) / 60.0)
    });
    println!(
        "soaked: {done} cases, {edits} edits, the slowest {} ms{spent}",
        slowest.as_millis()
    );
}

/// What becomes of a case, told from a thread of its own so that one that hangs is told too.
fn outcome(case: &Case) -> Result<usize, String> {
    let (send, receive) = mpsc::channel();
    let own = case.clone();
    let worker = std::thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || {
            let found = catch_unwind(AssertUnwindSafe(|| properties(&own)));
            let told = found.unwrap_or_else(|panic| {
                let why = panic.downcast_ref::<String>().cloned();
                let why = why.or_else(|| panic.downcast_ref::<&str>().map(|why| (*why).to_owned()));
                Err(format!("panic: {}", why.unwrap_or_default()))
            });
            let _ = send.send(told);
        });
    worker.map_err(|error| format!("no thread: {error}"))?;
    let begun = Instant::now();
    let spent = || processor_seconds().unwrap_or_else(|| begun.elapsed().as_secs_f64());
    let before = spent();
    loop {
        match receive.recv_timeout(Duration::from_millis(200)) {
            Ok(told) => return told,
            Err(RecvTimeoutError::Timeout) if spent() - before < CASE_SECONDS_MAX => {}
            Err(_) => return Err(format!("it takes more than {CASE_SECONDS_MAX} s")),
        }
    }
}

/// What this process has used of the processor, where the system says so: a case that waits for other programs does not hang.
fn processor_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Behind the name in brackets, the 12th and 13th number, in hundredths.
    let mut numbers = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: f64 = numbers.next()?.parse().ok()?;
    let system: f64 = numbers.next()?.parse().ok()?;
    Some((user + system) / 100.0)
}

/// Checks a case; how many edits it made.
pub(crate) fn properties(case: &Case) -> Result<usize, String> {
    let Ok(reading) = document::read(&case.mapping.0, &case.mapping.1) else {
        return Ok(0);
    };
    if reading.has_errors() {
        return Ok(0);
    }
    let options = Options {
        styles: Styles::all(case.style),
        ..Options::default()
    };
    if case.files.iter().any(|(name, _)| name.ends_with(".dbc")) {
        return archives(case, &reading.mapping, &options);
    }
    let files = case
        .files
        .iter()
        .map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    let before = InMemory::new(files);
    let after = applied(&before, &reading.mapping, &options)?;
    let then = InMemory::new(
        after
            .files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
    );
    judge(&before, &then, &reading.mapping, &options.styles)?;
    one_byte_more(case, &before, &after, &reading.mapping, &options.styles)?;
    prove(
        case,
        &before,
        &then,
        &after,
        &reading.mapping,
        &options.styles,
    )?;
    let again = applied(&then, &reading.mapping, &options)?;
    if again.edits > 0 {
        return Err(format!("a second apply makes {} edits", again.edits));
    }
    Ok(after.edits)
}

struct Applied {
    scan: Scan,
    proofs: Vec<FileProof>,
    files: Vec<(String, Vec<u8>)>,
    edits: usize,
}

/// Every file after its edits, which must come back.
fn applied(before: &InMemory, mapping: &Mapping, options: &Options) -> Result<Applied, String> {
    let found = scan(before, mapping, options, 1);
    let mut applied = Applied {
        scan: Scan::default(),
        proofs: Vec::new(),
        files: Vec::new(),
        edits: 0,
    };
    for (index, report) in found.assets.iter().enumerate() {
        let bytes = before.read(index).map_err(|doubt| doubt.message)?;
        let edits = report.edits();
        let Ok(decoded) = asset::decode(&report.path, &bytes) else {
            if !edits.is_empty() {
                return Err(format!("{}: edits of what is no text", report.path));
            }
            applied.files.push((report.path.clone(), bytes));
            continue;
        };
        let (after, proof) = proof::edited(report, &bytes, &decoded, mapping)
            .map_err(|refusal| format!("{}: {}", report.path, refusal.0))?;
        let (changed, back) = patch::inverted(&decoded.text, &edits);
        let restored =
            text::edited(&after, &changed, decoded.encoding, &back).map_err(|refusal| refusal.0)?;
        if restored != bytes {
            return Err(format!(
                "{}: the inverse edits do not give it back",
                report.path
            ));
        }
        if !edits.is_empty() {
            applied.proofs.push(proof);
        }
        applied.edits += edits.len();
        applied.files.push((report.path.clone(), after));
    }
    applied.scan = found;
    Ok(applied)
}

/// The proof holds; broken, it does not, unless it says the same.
fn prove(
    case: &Case,
    before: &InMemory,
    after: &InMemory,
    made: &Applied,
    mapping: &Mapping,
    styles: &Styles,
) -> Result<(), String> {
    let digests = |files: &InMemory| -> BTreeMap<String, String> {
        let digest = |(index, path): (usize, &String)| {
            let bytes = files.read(index).unwrap_or_default();
            (path.clone(), Digest::of(&bytes).to_string())
        };
        files.paths().iter().enumerate().map(digest).collect()
    };
    let (old, new) = (digests(before), digests(after));
    let proof = proof::whole(
        "0",
        mapping,
        &made.scan,
        made.proofs.clone(),
        &old,
        &BTreeMap::new(),
    );
    let check = |bytes: &[u8]| {
        let before = Tree {
            files: before,
            digests: &old,
        };
        let after = Tree {
            files: after,
            digests: &new,
        };
        proof::check(bytes, before, after, mapping, styles, 1)
    };
    let mut bytes = serde_json::to_vec(&proof).map_err(|error| error.to_string())?;
    check(&bytes).map_err(|fault| format!("the proof does not hold: {fault}"))?;
    soak_inputs::broken(&mut Dice(case.dice), &mut bytes, &[]);
    match serde_json::from_slice::<Proof>(&bytes) {
        // Who wrote it is not checked.
        Ok(same)
            if (Proof {
                karat: proof.karat.clone(),
                ..same.clone()
            }) == proof =>
        {
            Ok(())
        }
        _ => match check(&bytes) {
            Err(_) => Ok(()),
            Ok(_) => Err(format!(
                "a broken proof holds: {}",
                String::from_utf8_lossy(&bytes)
            )),
        },
    }
}

fn judge(
    before: &InMemory,
    after: &InMemory,
    mapping: &Mapping,
    styles: &Styles,
) -> Result<(), String> {
    for judged in verify_in(before, after, mapping, styles, 1) {
        if !judged.outcome.is_licensed() {
            return Err(format!("verify refuses karat's own edits: {judged:?}"));
        }
    }
    Ok(())
}

/// Somebody changed one more byte of a file: `verify` says so.
fn one_byte_more(
    case: &Case,
    before: &InMemory,
    made: &Applied,
    mapping: &Mapping,
    styles: &Styles,
) -> Result<(), String> {
    let dice = &mut Dice(case.dice);
    let mut files = made.files.clone();
    let at = dice.roll(files.len());
    let (name, bytes) = &mut files[at];
    let right = bytes.clone();
    let old = before.read(at).unwrap_or_default();
    soak_inputs::one_byte(dice, bytes, same(&old, &right));
    if *bytes == right {
        return Ok(());
    }
    let (name, wrong) = (name.clone(), bytes.clone());
    let after = InMemory::new(
        files
            .iter()
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice())),
    );
    let judged = verify_in(before, &after, mapping, styles, 1);
    if judged.iter().all(|one| one.outcome.is_licensed()) {
        let first = same(&right, &wrong);
        let ended = old.iter().rev().zip(right.iter().rev());
        let ends_alike = ended.take_while(|(a, b)| a == b).count();
        let in_edits = first >= same(&old, &right) && first < right.len() - ends_alike;
        // Names are the same in any case of letters.
        if in_edits && wrong.eq_ignore_ascii_case(&right) {
            return Ok(());
        }
        let near = |bytes: &[u8]| {
            let window = first.saturating_sub(60)..(first + 40).min(bytes.len());
            String::from_utf8_lossy(bytes.get(window).unwrap_or_default()).into_owned()
        };
        return Err(format!(
            "verify licenses one more byte: {name} at {first}: {:?} and not {:?}",
            near(&wrong),
            near(&right)
        ));
    }
    Ok(())
}

/// How many bytes at the beginning are the same.
fn same(these: &[u8], those: &[u8]) -> usize {
    these.iter().zip(those).take_while(|(a, b)| a == b).count()
}

/// Archives lie on a disk: their members are read, edited and packed again.
fn archives(case: &Case, mapping: &Mapping, options: &Options) -> Result<usize, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    for (name, bytes) in &case.files {
        std::fs::write(folder.path().join(name.replace(['/', '!'], "_")), bytes)
            .map_err(|error| error.to_string())?;
    }
    let files = Walk::of(folder.path()).map_err(|error| error.to_string())?;
    let found = scan(&files, mapping, options, 1);
    let mut made = 0;
    for (index, report) in found.assets.iter().enumerate() {
        let edits = report.edits();
        let Some((archive, member)) = report.path.split_once("!/").filter(|_| !edits.is_empty())
        else {
            continue;
        };
        made += edits.len();
        let bytes = files.read(index).map_err(|doubt| doubt.message)?;
        let decoded = asset::decode(&report.path, &bytes).map_err(|doubt| doubt.message)?;
        let (after, _) = proof::edited(report, &bytes, &decoded, mapping)
            .map_err(|refusal| format!("{}: {}", report.path, refusal.0))?;
        let packed = std::fs::read(files.disk_path(archive)).map_err(|error| error.to_string())?;
        let replaced = [(member.to_owned(), after.clone())].into_iter().collect();
        // An archive may be readable and hold what cannot be written again; that is told, and no panic.
        let Ok(again) = walk::repacked(&packed, &replaced) else {
            continue;
        };
        let again = packed::Archive::read(&again)
            .map_err(|error| format!("{archive} cannot be read again: {error}"))?;
        let unpacked = again
            .members()
            .iter()
            .find(|found| found.name == member)
            .map(|found| again.unpack(found, FILE_SIZE_MAX));
        if unpacked.and_then(Result::ok) != Some(after) {
            return Err(format!("{} is not what was packed", report.path));
        }
    }
    Ok(made)
}

/// The case with as many files and bytes taken out as the failure survives, within a bound of time.
fn smaller(case: Case, why: String) -> (Case, String) {
    let until = Instant::now() + Duration::from_secs(120);
    let kind = |why: &str| why.split(':').next().map(str::to_owned);
    let fails_alike = |candidate: &Case| match outcome(candidate) {
        Err(other) if kind(&other) == kind(&why) => Some(other),
        _ => None,
    };
    let (mut best, mut told) = (case, why.clone());
    for at in (0..best.files.len()).rev() {
        let mut fewer = best.clone();
        fewer.files.remove(at);
        if !fewer.files.is_empty()
            && let Some(why) = fails_alike(&fewer)
        {
            (best, told) = (fewer, why);
            continue;
        }
        let mut step = best.files[at].1.len().div_ceil(2);
        while step > 0 {
            let mut from = 0;
            while from < best.files[at].1.len() {
                if Instant::now() > until {
                    return (best, told);
                }
                let mut fewer = best.clone();
                let end = (from + step).min(fewer.files[at].1.len());
                fewer.files[at].1.drain(from..end);
                match fails_alike(&fewer) {
                    Some(why) => (best, told) = (fewer, why),
                    None => from += step,
                }
            }
            step /= 2;
        }
    }
    (best, told)
}

/// Writes a case that failed, so that it can be looked at.
fn keep(seed: u64, case: &Case) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("soak-refactor-{seed}"));
    let _ = std::fs::create_dir_all(&folder);
    let mut names = String::new();
    for (at, (name, bytes)) in case.files.iter().chain([&case.mapping]).enumerate() {
        let _ = writeln!(names, "{at}: {name}");
        let _ = std::fs::write(folder.join(format!("{at}")), bytes);
    }
    let _ = std::fs::write(
        folder.join("names"),
        names + &format!("style: {:?}\n", case.style),
    );
    folder
}

#[test]
fn what_was_found_once_holds() {
    for (name, text, style) in [
        // A name in a text that is not closed, which is for a person as a whole.
        (
            "a.py",
            "catalog.isCached(\"sales.items\"\")",
            Style::Literal,
        ),
        // The names under a `USE` that moves are a person's where a view may hide them.
        (
            "b.py",
            "# Databricks notebook source\n# MAGIC %run .\n\n# MAGIC %sql\n# MAGIC use old;\n# MAGIC\n# MAGIC DROP TABLE IF EXISTS t",
            Style::Literal,
        ),
        // The source of a MERGE whose target has become a parameter.
        (
            "a.sql",
            "-- Databricks notebook source\nuse sales\n-- COMMAND ----------\nmerge into people.emp t using(c",
            Style::Parameter,
        ),
        // Names that only the parser sees, which reads no statement with a parameter for a name.
        (
            "b.sql",
            "use sales;with c(select*from order)insert overwrite table sales.items partition(t='\\')select''from c join e.e",
            Style::Parameter,
        ),
        // A letter that a name has only between backticks.
        (
            "h.py",
            "spark.sql(\"select*from t join curated.Ú\")\n('')",
            Style::UseCatalog,
        ),
        // A backtick of a new name pairs up with a stray one.
        (
            "c.py",
            "q=`'select from people.emp'\nspark.sql(q)",
            Style::UseCatalog,
        ),
        // A statement that is put in shifts the cells behind it.
        (
            "d.scala",
            "// Databricks notebook source\n// MAGIC%sql\n// MAGICselect from sales.orders",
            Style::UseCatalog,
        ),
        // Without its backtick a name would be one word with the letter in front of it.
        (
            "g.py",
            "#\nspark.sql(\"select*d`sales`.`orders`.i\")",
            Style::Literal,
        ),
        // A name that is taken back needs no parameter.
        (
            "f.r",
            "# Databricks notebook source\n\"\"''saveAsTable(f,\"people.emp\"",
            Style::Parameter,
        ),
        // A name whose end stands in another literal, in front of it.
        (
            "f.py",
            "for t in['t,':spark.sql(f\"select from old.{t}\")",
            Style::Literal,
        ),
        (
            "g.py",
            "for t in['t,':spark.sql(f\"select from old.{t}\")",
            Style::Parameter,
        ),
        (
            "h.py",
            "t = 'orders, people.emp e'\nspark.sql(f\"select * from sales.{t}\")",
            Style::Literal,
        ),
        (
            "i.py",
            "t = 't, people.emp e'\nspark.sql(f\"select * from old.{t}\")",
            Style::Literal,
        ),
        // A value that makes no name.
        (
            "e.py",
            "for t in 'orders', '.':\n    spark.sql(f\"select * from sales.{t} \")",
            Style::Literal,
        ),
    ] {
        let case = Case {
            files: vec![(name.to_owned(), text.as_bytes().to_vec())],
            mapping: Inputs::of(None).mapping_csv(),
            style,
            dice: 1,
        };
        assert_eq!(properties(&case).err(), None, "{name}");
    }
}

/// Every kind of statement of Databricks: verify licenses what is made of it, and its proof holds.
#[test]
fn statements_of_every_kind_hold() {
    let statements = STATEMENTS
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let mut wrong = Vec::new();
    for statement in statements {
        for (name, text) in [
            ("a.sql", format!("{statement};\n")),
            ("b.py", format!("spark.sql(\"\"\"{statement}\"\"\")\n")),
        ] {
            for style in [Style::Literal, Style::Parameter] {
                let case = Case {
                    files: vec![(name.to_owned(), text.clone().into_bytes())],
                    mapping: Inputs::of(None).mapping_csv(),
                    style,
                    dice: 1,
                };
                match properties(&case) {
                    Err(why) => wrong.push(format!("{name} {style:?}: {statement}: {why}")),
                    Ok(0) if style == Style::Literal => {
                        wrong.push(format!("{name} {style:?}: {statement}: no edit"))
                    }
                    Ok(_) => {}
                }
            }
        }
    }
    assert_eq!(wrong.join("\n"), "");
}

const STATEMENTS: &str = "
show tblproperties sales.orders
show tblproperties sales.orders ('a.b')
show partitions sales.orders
show partitions sales.orders partition (d = '1')
show columns in sales.orders
show columns from sales.orders
show create table sales.orders
show table extended in people like 'emp'
show tables in people
show views from people like 'e*'
show functions in people
show tables in people like 'x'
describe sales.orders
describe table extended sales.orders
describe detail sales.orders
describe history sales.orders
describe extended sales.orders id
describe database people
desc formatted sales.orders
describe query select * from sales.orders
analyze table sales.orders compute statistics for columns a, b
analyze tables in people compute statistics
cache table sales.orders
cache select a, b from sales.orders where a = 1
uncache table if exists sales.orders
refresh table sales.orders
refresh sales.orders
msck repair table sales.orders sync metadata
repair table sales.orders
optimize sales.orders where d > '1' zorder by (a, b)
vacuum sales.orders retain 168 hours dry run
restore table sales.orders to version as of 3
restore sales.orders timestamp as of '2024-01-01'
reorg table sales.orders apply (purge)
fsck repair table sales.orders dry run
generate symlink_format_manifest for table sales.orders
convert to delta sales.orders partitioned by (d date)
create table sales.items deep clone sales.orders version as of 2
create or replace table sales.items shallow clone sales.orders
create table if not exists sales.items like sales.orders
create table sales.items (a int comment 'x', b string generated always as (cast(a as string))) using delta partitioned by (b) tblproperties ('a' = 'b')
create or replace table sales.items as select * from sales.orders
create external table sales.items (a int) row format delimited fields terminated by ',' stored as textfile
create view sales.items (a comment 'c') as select a from sales.orders
create or replace view sales.items tblproperties (a = 'b') as with c as (select 1) select * from c, sales.orders
create materialized view sales.items as select * from sales.orders
create or refresh streaming table sales.items as select * from stream(sales.orders)
create temporary view v as select * from sales.orders
create bloomfilter index on table sales.orders for columns (a options (fpp = 0.1))
create schema if not exists people
create database people comment 'x'
drop database if exists people cascade
drop schema people
use people
use schema people
use database people
alter database people set dbproperties (a = 'b')
alter schema people owner to `a@b.c`
comment on schema people is 'x'
comment on table sales.orders is 'sales.items'
alter table sales.orders add columns (a int after b)
alter table sales.orders add partition (d = '1')
alter table sales.orders drop if exists partition (d = '1')
alter table sales.orders partition (d = '1') rename to partition (d = '2')
alter table sales.orders recover partitions
alter table sales.orders rename to sales.items
alter table sales.orders rename column a to b
alter table sales.orders alter column a comment 'x'
alter table sales.orders change column a a int first
alter table sales.orders set tblproperties ('a' = 'b')
alter table sales.orders unset tblproperties if exists ('a')
alter table sales.orders set location 's3://b/p'
alter table sales.orders owner to `a@b.c`
alter table sales.orders cluster by (a, b)
alter table sales.orders add constraint c check (a > 0)
alter table sales.orders drop constraint c
alter view sales.items as select * from sales.orders
alter view sales.items set tblproperties ('a' = 'b')
drop table if exists sales.orders
drop view sales.items
drop materialized view sales.items
truncate table sales.orders partition (d = '1')
insert into sales.orders values (1, 'sales.items')
insert into table sales.orders (a, b) select a, b from sales.items
insert into sales.orders by name select 1 as a
insert overwrite sales.orders partition (d) select * from sales.items
insert overwrite table sales.orders partition (d = '1') if not exists select * from sales.items
insert into sales.orders replace where a = 1 select * from sales.items
insert into sales.orders table sales.items
insert overwrite directory '/data/x' using parquet select * from sales.orders
from sales.orders insert into sales.items select * where a = 1 insert into people.emp select * where a = 2
copy into sales.orders from (select a::int from 's3://b/p') fileformat = csv format_options ('header' = 'true')
load data local inpath '/data/x' overwrite into table sales.orders partition (d = '1')
update sales.orders set a = 1, b = (select max(b) from sales.items) where sales.orders.c = 2
delete from sales.orders o where exists (select 1 from sales.items i where i.a = o.a)
merge into sales.orders t using sales.items s on t.a = s.a when matched and s.b then delete when not matched then insert * when not matched by source then update set t.x = 1
merge with schema evolution into sales.orders t using (select * from sales.items) s on t.a = s.a when matched then update set *
grant select, modify on table sales.orders to `a@b.c`
grant usage on schema people to x
revoke all privileges on table sales.orders from x
deny select on view sales.items to x
show grants on table sales.orders
show grant x on table sales.orders
explain extended select * from sales.orders
explain cost select * from sales.orders
table sales.orders
from sales.orders select *
from sales.orders |> where a = 1 |> join sales.items on a = b |> aggregate sum(a) group by b
select * from sales.orders version as of 3
select * from sales.orders timestamp as of current_timestamp() - interval 1 day t
select * from sales.orders@v3
select * from sales.orders@20240101000000000
select * from sales.orders tablesample (10 percent) repeatable (3)
select * from sales.orders pivot (sum(a) for b in ('x' as y, 'z'))
select * from sales.orders unpivot include nulls (v for n in (a as x, b))
select * from sales.orders lateral view outer explode(a) t as c lateral view explode(b) u
select * from sales.orders, lateral (select * from sales.items i where i.a = orders.a)
select * from sales.orders left semi join sales.items using (a) left anti join people.emp e on e.a = orders.a
select * from sales.orders natural full outer join sales.items cross join people.emp
select * from (sales.orders join sales.items on orders.a = items.a)
select * except (a) from sales.orders qualify row_number() over (partition by a order by b desc) = 1
select a, grouping(a) from sales.orders group by grouping sets ((a), ()) having count(*) > 1 sort by a limit 3 offset 2
select a from sales.orders cluster by a union all select a from sales.items distribute by a minus select a from people.emp
select * from table_changes('sales.orders', 1, 2)
select * from stream sales.orders
select * from stream(sales.orders)
select transform(a) using 'cat' as (b) from sales.orders
select map(a, b)[c].d, x:y.z::int, arr[0], filter(a, x -> x > 1), `a b` from sales.orders
select sales.orders.a, orders.b from sales.orders where orders.a in (select items.a from sales.items)
select /*+ broadcast(orders) */ * from sales.orders
select case when exists (select 1 from sales.orders) then 1 end, (select max(a) from sales.items) from values (1) t(a)
with a as (select * from sales.orders), b (c) as (select * from a) select * from b join sales.items on true
with recursive r(n) as (select 1 union all select n + 1 from r where n < 3) select * from r, sales.orders
declare or replace variable x int default (select max(a) from sales.orders)
set var x = (select max(a) from sales.orders)
execute immediate 'select * from sales.orders where a = ?' using 1
create function people.f (a int) returns int return (select max(b) from sales.orders)
create or replace function f() returns table (a int) return select a from sales.orders
create temporary function f(x int) returns int return with c as (select * from sales.orders) select max(a) from c
select 1 union all table sales.orders
";

/// A row for one table does not say where the others of its database go, if a rule says something else.
#[test]
fn a_database_with_a_rule_and_an_exception() {
    let case = Case {
        files: vec![("a.sql".to_owned(), b"--\nmerge into curated.\xee\x80\x80;\nuse curated;\nselect * from t, facts".to_vec())],
        mapping: (
            "m.csv".to_owned(),
            b"old_database,old_table,new_catalog,new_schema,new_table\ncurated,*,main,curated,*\ncurated,facts,prod,curated,facts\n".to_vec(),
        ),
        style: Style::Parameter,
        dice: 1,
    };
    assert_eq!(properties(&case), Ok(2));
}

/// How a grammar goes on behind a mistake depends on how long the texts in front of it are.
#[test]
fn code_with_a_mistake_is_code_with_a_mistake_afterwards() {
    let text = "# Databricks notebook source\nd\n# COMMAND ----------\n\nname = 'people' + '.emp'\nfor t in ['orders', 'items']:\n    spark.sql(f\"\"\"select * from sales.{t} a\n      left join curated.facts f on f.id = a.id\"\"\")\ndf.write.format('delta').saveAsTable('{}.{}'.format('sales', 'orders'))\n}.{}'";
    let mapping = "old_database,old_table,new_catalog,new_schema,new_table\ncurated,*,main,curated,*\npeople,emp,prod-eu,people,emp\nsales,items,my-cat,sales_new,items\nsales,orders,my-cat,sales_new,orders\n";
    let case = Case {
        files: vec![("b.py".to_owned(), text.as_bytes().to_vec())],
        mapping: ("m.csv".to_owned(), mapping.as_bytes().to_vec()),
        style: Style::Parameter,
        dice: 1,
    };
    assert_eq!(properties(&case), Ok(2));
}

#[test]
fn inputs_are_whole_before_they_are_broken() {
    let inputs = Inputs::of(None);
    let mapping = document::read(&inputs.mapping_csv().0, &inputs.mapping_csv().1).unwrap();
    assert!(!mapping.has_errors(), "{:?}", mapping.problems);
    let workbook = document::read("m.xlsx", &soak_inputs::workbook()).unwrap();
    assert_eq!(workbook.mapping.digest(), mapping.mapping.digest());
    let files: Vec<(String, Vec<u8>)> = inputs.all();
    for (name, bytes) in files {
        let case = Case {
            files: vec![(name.clone(), bytes)],
            mapping: inputs.mapping_csv(),
            style: Style::Literal,
            dice: 1,
        };
        assert!(properties(&case).unwrap() > 0, "{name}");
    }
}
