//! `karat bench trillion`: makes measurements in the shape of the One Trillion Row Challenge, a few files at a time, answers its
//! question exactly, and says what a trillion rows would take on a machine that the user describes.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use karat_exact::DataFileRef;
use karat_exact::trillion::{Answer, Answered, Measurements};
use serde_json::{Value, json};

use crate::args::TrillionArgs;
use crate::failure::Failure;
use crate::machine::{self, Moment};
use crate::output::{Voice, bytes, counted, seconds, thousands};
use crate::scratch::Scratch;
use crate::site;

const TRILLION: f64 = 1e12;
/// Rows of a file, as in the challenge.
const ROWS_OF_A_FILE: u64 = 10_000_000;

/// What was measured.
struct Measured {
    rows: u64,
    bytes: u64,
    files: u64,
    threads: usize,
    /// Of reading and answering alone.
    took: Duration,
    made_in: Duration,
    answered: Answered,
}

/// Makes the rows, answers the question, prints how fast.
pub(crate) fn trillion(voice: Voice, arguments: &TrillionArgs) -> Result<u8, Failure> {
    let threads = machine::threads(arguments.threads);
    let scratch = Scratch::temporary()?;
    let measured = site::block_on(threads, measure(&scratch, threads, arguments))??;
    voice.answer(
        || document(&measured, arguments),
        || text(&measured, arguments),
    )?;
    Ok(0)
}

async fn measure(
    scratch: &Scratch,
    threads: usize,
    arguments: &TrillionArgs,
) -> Result<Measured, Failure> {
    let memory = machine::memory(None);
    let engine = site::engine(scratch, threads, memory, &Moment::now(None)?, None)?;
    let measurements = Measurements::new(arguments.seed);
    let mut answer = Answer::default();
    let (mut took, mut made_in, mut size) = (Duration::ZERO, Duration::ZERO, 0);
    let files = arguments.rows.div_ceil(ROWS_OF_A_FILE);
    let mut first = 0;
    // As many files as threads at a time: no more of them lie on the disk.
    while first < files {
        let last = files.min(first + threads as u64);
        let started = Instant::now();
        let made = make(&measurements, scratch.path(), first..last, arguments.rows)?;
        made_in += started.elapsed();
        size += made.iter().map(|file| file.size).sum::<u64>();
        let started = Instant::now();
        answer.read(&engine, made.clone()).await?;
        took += started.elapsed();
        for file in made {
            std::fs::remove_file(&file.path).map_err(Failure::io("remove", &file.path))?;
        }
        first = last;
    }
    Ok(Measured {
        rows: arguments.rows,
        bytes: size,
        files,
        threads,
        took,
        made_in,
        answered: answer.finish()?,
    })
}

/// Writes files of these numbers side by side.
fn make(
    measurements: &Measurements,
    folder: &Path,
    numbers: std::ops::Range<u64>,
    rows: u64,
) -> Result<Vec<DataFileRef>, Failure> {
    let made: Vec<_> = thread::scope(|scope| {
        let writers: Vec<_> = numbers
            .map(|number| {
                scope.spawn(move || {
                    let path = folder.join(format!("measurements-{number}.parquet"));
                    let rows = ROWS_OF_A_FILE.min(rows - number * ROWS_OF_A_FILE);
                    measurements.write(&path, number, rows)
                })
            })
            .collect();
        writers
            .into_iter()
            .map(thread::ScopedJoinHandle::join)
            .collect()
    });
    let mut files = Vec::with_capacity(made.len());
    for file in made {
        match file {
            Ok(file) => files.push(file?),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
    Ok(files)
}

impl Measured {
    fn rows_per_core_second(&self) -> f64 {
        self.rows as f64 / self.took.as_secs_f64().max(1e-9) / self.threads as f64
    }

    fn bytes_per_second(&self) -> f64 {
        self.bytes as f64 / self.took.as_secs_f64().max(1e-9)
    }

    /// Seconds of computing and of the network for a trillion rows, and what the longer of them costs.
    fn trillion(&self, arguments: &TrillionArgs) -> Trillion {
        let cores = arguments.cores.unwrap_or(self.threads as f64);
        let bytes = self.bytes as f64 / self.rows.max(1) as f64 * TRILLION;
        let computing = TRILLION / (self.rows_per_core_second() * cores);
        let network = arguments
            .network_gbit
            .map(|gbit| bytes * 8.0 / (gbit * 1e9));
        let seconds = network.map_or(computing, |network| network.max(computing));
        Trillion {
            cores,
            bytes,
            computing,
            network,
            seconds,
            cost: arguments
                .price_per_hour
                .map(|price| price * seconds / 3600.0),
        }
    }
}

/// A trillion rows on the machine that was described.
struct Trillion {
    cores: f64,
    bytes: f64,
    computing: f64,
    network: Option<f64>,
    seconds: f64,
    cost: Option<f64>,
}

fn document(measured: &Measured, arguments: &TrillionArgs) -> Value {
    let trillion = measured.trillion(arguments);
    json!({
        "rows": measured.rows,
        "files": measured.files,
        "bytes": measured.bytes,
        "seed": arguments.seed,
        "threads": measured.threads,
        "seconds": measured.took.as_secs_f64(),
        "seconds_making": measured.made_in.as_secs_f64(),
        "rows_per_second_per_core": measured.rows_per_core_second(),
        "bytes_per_second": measured.bytes_per_second(),
        "stations": measured.answered.rows.num_rows(),
        "fingerprint": measured.answered.fingerprint,
        "trillion": {
            "cores": trillion.cores,
            "bytes": trillion.bytes,
            "seconds_computing": trillion.computing,
            "seconds_network": trillion.network,
            "seconds": trillion.seconds,
            "cost": trillion.cost,
        },
    })
}

fn text(measured: &Measured, arguments: &TrillionArgs) -> String {
    let trillion = measured.trillion(arguments);
    let whole = |number: f64| thousands(number.round() as u64);
    let mut text = format!(
        "{} rows in {}, {}, made in {}\n\
         answered in {}: {} rows a second a core, {} MB a second\n\
         {} stations, fingerprint {}\n",
        thousands(measured.rows),
        counted(measured.files, "file"),
        bytes(measured.bytes),
        seconds(measured.made_in.as_secs_f64()),
        seconds(measured.took.as_secs_f64()),
        whole(measured.rows_per_core_second()),
        whole(measured.bytes_per_second() / 1e6),
        measured.answered.rows.num_rows(),
        measured.answered.fingerprint,
    );
    text += &format!(
        "\na trillion rows, {} GB, on {} core{} like these: {} of computing",
        whole(trillion.bytes / 1e9),
        trillion.cores,
        if trillion.cores == 1.0 { "" } else { "s" },
        seconds(trillion.computing),
    );
    if let Some(network) = trillion.network {
        text += &format!(", {} of network", seconds(network));
    }
    if let Some(cost) = trillion.cost {
        text += &format!("; {cost:.2} at that price");
    }
    text + "\n"
}
