//! `karat`: reads the command line, opens the project, lets the crates below do the work, prints what came of it, and exits with
//! a code that means something (H1). Decisions are left to `karat-pipeline`; what a verb prints is in its file below `verb`.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};

mod alerts;
mod allocator;
mod anchor;
mod answer;
mod args;
mod demo;
mod failure;
mod footers;
mod given;
mod line;
mod machine;
mod named_files;
mod ndjson;
mod operand;
mod output;
mod progress;
mod rows;
mod scratch;
mod shell;
mod site;
mod sources;
mod statement;
mod verb;
mod webhook;

use args::{Cli, Verb};
use failure::Failure;
use output::Voice;

fn main() -> ExitCode {
    allocator::begin();
    if cfg!(debug_assertions)
        && let Ok(spec) = std::env::var("KARAT_FAILPOINT")
    {
        karat_lake::failpoint::arm(&spec);
    }
    // Whoever looks for a defect wants all that Rust says.
    let wanted = std::env::var("RUST_BACKTRACE").is_ok_and(|value| value == "full");
    let usual = wanted.then(std::panic::take_hook);
    karat_exact::remember_panics(move |panic| {
        if let Some(usual) = &usual {
            usual(panic);
        }
    });
    let done = on_a_deep_stack(|| std::panic::catch_unwind(understood_and_done));
    let broke_off = karat_exact::panics_untold();
    for panic in &broke_off {
        output::print_error(&format!("error: karat broke off: {panic}\n"));
    }
    if !broke_off.is_empty() {
        output::print_error(
            "hint: this is a defect: please report what you did, and these lines\n",
        );
    }
    done.unwrap_or(ExitCode::from(3))
}

/// Runs where expressions that nest deep can be walked. Of the bytes only those are taken that are used; where the system gives no thread
/// so large, the first one does it.
fn on_a_deep_stack<T: Send>(work: impl Fn() -> T + Send + Sync) -> T {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("karat".to_owned())
            .stack_size(site::STACK_BYTES);
        match thread.spawn_scoped(scope, &work) {
            Ok(thread) => match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            },
            Err(_) => work(),
        }
    })
}

fn understood_and_done() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    let voice = Voice {
        json: cli.global.json,
        quiet: cli.global.quiet,
    };
    log_to_stderr(cli.global.verbose);
    match run(cli, voice) {
        Ok(code) => ExitCode::from(code),
        Err(failure) if failure.reader_is_gone() => ExitCode::SUCCESS,
        Err(failure) => {
            if voice.json {
                // If stdout fails too, stderr still says why.
                let _ = output::print_json(&failure.json());
            }
            output::print_error(&failure.text());
            ExitCode::from(failure.exit_code())
        }
    }
}

/// Does what was asked for; the exit code is the verb's own.
fn run(cli: Cli, voice: Voice) -> Result<u8, Failure> {
    let global = &cli.global;
    match cli.verb {
        Verb::Init { dir } => verb::init::run(voice, &dir),
        Verb::Demo { dir, lines, format } => verb::tour::run(voice, global, dir, lines, format),
        Verb::Doctor => verb::doctor::run(voice, global),
        Verb::Validate(given) => verb::validate::run(voice, global, &given),
        Verb::Plan(arguments) if arguments.expanded => {
            verb::expanded::run(voice, global, &arguments.select)
        }
        Verb::Plan(arguments) => verb::plan::run(voice, global, &arguments),
        Verb::Run(arguments) => verb::run::run(voice, global, &arguments),
        Verb::Retry(arguments) => verb::run::retry(voice, global, &arguments),
        Verb::Close(arguments) => verb::close::run(voice, global, &arguments),
        Verb::Undo(arguments) => verb::undo::run(voice, global, &arguments),
        Verb::Backfill(arguments) => verb::backfill::run(voice, global, &arguments),
        Verb::Status => verb::status::run(voice, global),
        Verb::Test(arguments) => verb::test::run(voice, global, &arguments),
        Verb::Verify(arguments) => verb::verify::run(voice, global, &arguments),
        Verb::Replay(arguments) => verb::replay::run(voice, global, &arguments),
        Verb::Explain(arguments) => verb::explain::run(voice, global, &arguments),
        Verb::Query(arguments) => verb::query::run(voice, global, &arguments),
        Verb::Diff(arguments) => verb::diff::run(voice, global, &arguments),
        Verb::Profile(arguments) => verb::profile::run(voice, global, &arguments),
        Verb::Source(what) => verb::source::run(voice, global, &what),
        Verb::Schema(what) => verb::schema::run(voice, global, &what),
        Verb::Position(what) => verb::position::run(voice, global, &what),
        Verb::Quarantine(what) => verb::quarantine::run(voice, global, &what),
        Verb::Receipt(what) => verb::receipt::run(voice, global, &what),
        Verb::Import(what) => verb::import::run(voice, global, &what),
        Verb::Refactor(what) => verb::refactor::run(voice, &what),
        Verb::Bench(args::BenchVerb::Trillion(arguments)) => {
            verb::bench::trillion(voice, &arguments)
        }
        Verb::Completions { shell } => completions(shell),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<u8, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "karat", &mut script);
    output::print(&String::from_utf8_lossy(&script))?;
    Ok(0)
}

/// Verbs of the design that this version does not have: refused by name, not taken for typing mistakes.
const NOT_YET: [&str; 13] = [
    "adopt-table",
    "cluster",
    "erase",
    "executor",
    "lineage",
    "maintain",
    "migrate",
    "product",
    "reconcile",
    "restate",
    "scheduler",
    "serve",
    "tune",
];

/// Help and version are answers, anything else is a usage error: clap knows the codes 0 and 2.
fn not_understood(error: &clap::Error) -> ExitCode {
    let asked_for_json = std::env::args_os().any(|argument| argument == "--json");
    let usage = error.render().to_string();
    let hint = usage_hint(&usage);
    if let Some(verb) = not_there_yet(error) {
        let failure = Failure::usage(format!("the verb `{verb}` is not there yet"), &hint);
        if asked_for_json {
            let _ = output::print_json(&failure.json());
        }
        output::print_error(&format!(
            "error: the verb `{verb}` is not there yet\nhint: {hint}\n"
        ));
        return ExitCode::from(2);
    }
    if !error.use_stderr() {
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    if asked_for_json {
        let message = usage
            .trim_start_matches("error: ")
            .lines()
            .next()
            .unwrap_or_default()
            .to_owned();
        let _ = output::print_json(&Failure::usage(message, &hint).json());
    }
    let told = usage.split("\nFor more information").next();
    let told = told.unwrap_or_default().trim_end();
    output::print_error(&format!("{told}\n\nhint: {hint}\n"));
    ExitCode::from(2)
}

/// What to type next, by the verb in clap's line of usage.
fn usage_hint(usage: &str) -> String {
    let line = usage
        .lines()
        .find_map(|line| line.strip_prefix("Usage: karat"));
    let is_verb = |word: &&str| {
        word.bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte == b'-')
    };
    let words = line.unwrap_or_default().split_whitespace();
    let verbs: Vec<&str> = words
        .take_while(is_verb)
        .take_while(|word| !word.starts_with('-'))
        .collect();
    match verbs.is_empty() {
        true => "`karat help` shows what there is".to_owned(),
        false => format!("`karat {} --help` shows how it is written", verbs.join(" ")),
    }
}

fn not_there_yet(error: &clap::Error) -> Option<&str> {
    use clap::error::{ContextKind, ContextValue};
    match error.get(ContextKind::InvalidSubcommand)? {
        ContextValue::String(verb) => NOT_YET.contains(&verb.as_str()).then_some(verb),
        _ => None,
    }
}

fn log_to_stderr(verbose: u8) {
    let level = match verbose {
        0 => return,
        1 => "karat=info,karat_pipeline=info,karat_lake=info,karat_source=info",
        _ => "debug",
    };
    // Only the first subscriber counts; there is no other.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(level)
        .with_writer(std::io::stderr)
        .try_init();
}
