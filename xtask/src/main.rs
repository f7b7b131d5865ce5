//! The developer's errands: `cargo xtask tidy`, `peers`, `test`, `bench`, `soak`. Starts only child processes that end before it
//! does, and needs nothing but Rust, a C compiler and python3.

mod bench;
mod edges;
mod links;
mod mask;
mod peers;
mod process;
mod rules;
mod soak;
mod suite;
mod tidy;
mod tree;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND
  tidy [--clippy]                  format, crate edges, source rules, links; with --clippy also lints
  peers                            the Python peers alone: installs them unless they are there, prints their Python
  test                             tidy, the Python peers, the tests of the workspace
  bench [SCRIPT] [ARGS...]         release build, then bench/*.py (or bench/SCRIPT.py) with ARGS
  soak [--minutes N] [--seed S] [--package P] [--files DIR]
                                   long random tests, of all packages or one, with the files in DIR to break;
                                   notes the result in docs/soak.md";

/// Why an errand ended badly.
pub(crate) enum Failure {
    /// The command line is wrong.
    Usage(String),
    /// Something was found or did not work; the text says what.
    Failed(String),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Failed(message)) => {
            eprintln!("xtask: {message}");
            ExitCode::from(1)
        }
        Err(Failure::Usage(message)) => {
            if !message.is_empty() {
                eprintln!("xtask: {message}");
            }
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(arguments: &[String]) -> Result<(), Failure> {
    let Some((command, rest)) = arguments.split_first() else {
        return Err(Failure::Usage(String::new()));
    };
    let root = tree::root();
    match (command.as_str(), rest) {
        ("tidy", []) => tidy::run(&root, tidy::Lints::Skip),
        ("tidy", [flag]) if flag == "--clippy" => tidy::run(&root, tidy::Lints::Run),
        ("peers", []) => {
            println!("{}", peers::ensure(&root)?.display());
            Ok(())
        }
        ("test", []) => suite::run(&root),
        ("bench", rest) => bench::run(&root, rest),
        ("soak", rest) => soak::run(&root, &soak::Options::parse(rest)?),
        ("tidy" | "peers" | "test", [other, ..]) => Err(Failure::Usage(format!(
            "`{command}` does not know `{other}`"
        ))),
        _ => Err(Failure::Usage(format!("there is no command `{command}`"))),
    }
}
