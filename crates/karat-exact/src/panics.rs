//! Panics of the engine below as errors: a query that it cannot take ends with a message, not with the process.
//!
//! A panic is caught where its message is known and its place is not, often on another thread than the one that it happened on. So
//! [`remember_panics`] has the place kept when it happens, instead of being written to stderr, and the error takes it from there.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, PanicHookInfo, catch_unwind};
use std::sync::{Mutex, PoisonError};

use futures::FutureExt;

use crate::error::ExactError;

/// What the work gives, or its panic as an error. What it was at is given up with it, so nobody sees half of a change.
pub(crate) fn caught<T>(work: impl FnOnce() -> T) -> Result<T, ExactError> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| told(panic.as_ref()))
}

/// The same of a future.
pub(crate) async fn caught_in<T>(work: impl Future<Output = T>) -> Result<T, ExactError> {
    let done = AssertUnwindSafe(work).catch_unwind().await;
    done.map_err(|panic| told(panic.as_ref()))
}

/// Panics that no error has told of yet, as they happened.
static UNTOLD: Mutex<Vec<Panic>> = Mutex::new(Vec::new());
/// What is kept of them at most.
const UNTOLD_MAX: usize = 64;
/// What errors have told of: a thread beside may meet the same a moment later.
static TOLD: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Panic {
    message: String,
    place: String,
}

/// From now on a panic anywhere in the process is kept, for the error that comes of it, instead of being written to stderr. Whoever
/// calls this prints what [`panics_untold`] gives, so that none gets lost. `besides` is called with each as well.
pub fn remember_panics(besides: impl Fn(&PanicHookInfo<'_>) + Send + Sync + 'static) {
    std::panic::set_hook(Box::new(move |info| {
        let mut untold = UNTOLD.lock().unwrap_or_else(PoisonError::into_inner);
        if untold.len() < UNTOLD_MAX {
            untold.push(Panic {
                message: message(info.payload()).to_owned(),
                place: info.location().map(place).unwrap_or_default(),
            });
        }
        drop(untold);
        besides(info);
    }));
}

/// What each panic said, with its place, unless an error has told of it; each is given once.
pub fn panics_untold() -> Vec<String> {
    let mut untold = UNTOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let all = untold.drain(..);
    all.filter(|panic| !told.contains(&panic.message))
        .map(|panic| with_place(&panic.message, &panic.place))
        .collect()
}

/// A file of a crate, without where this machine keeps it, and the line.
fn place(location: &Location<'_>) -> String {
    let file = location.file().replace('\\', "/");
    let file = match file.split_once("/registry/src/") {
        Some((_, rest)) => rest.split_once('/').map_or(rest, |(_, file)| file),
        None => file
            .rsplit_once("/library/")
            .map_or(&*file, |(_, file)| file),
    };
    format!("{file}:{}", location.line())
}

fn with_place(message: &str, place: &str) -> String {
    match place {
        "" => message.to_owned(),
        place => format!("{message} ({place})"),
    }
}

/// What a panic said, in one line.
fn message(panic: &(dyn Any + Send)) -> &str {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied());
    let text = text.unwrap_or("without a word");
    text.lines().next().unwrap_or_default()
}

/// What an error says that holds the messages of panics: they need not be told again.
pub(crate) fn told_of(text: &str) {
    let mut untold = UNTOLD.lock().unwrap_or_else(PoisonError::into_inner);
    untold.retain(|kept| !text.contains(&kept.message));
}

fn told(panic: &(dyn Any + Send)) -> ExactError {
    let message = message(panic);
    let mut untold = UNTOLD.lock().unwrap_or_else(PoisonError::into_inner);
    let first = untold.iter().position(|kept| kept.message == message);
    let place = first.map(|at| untold.remove(at).place);
    // Threads that worked side by side may have met the same.
    untold.retain(|kept| kept.message != message);
    let mut told = TOLD.lock().unwrap_or_else(PoisonError::into_inner);
    if told.len() < UNTOLD_MAX && !told.iter().any(|one| one == message) {
        told.push(message.to_owned());
    }
    ExactError::Panic(with_place(message, &place.unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let usual = std::panic::take_hook();
        remember_panics(usual);
        let told = caught(|| -> u8 { panic!("no rows\nand more") });
        let waited = caught_in(async { panic!("{} rows", 7) }).now_or_never();
        let waited: Result<u8, ExactError> = waited.expect("it does not wait");
        let thread = std::thread::spawn(|| panic!("elsewhere")).join();
        let elsewhere =
            caught(|| -> u8 { std::panic::resume_unwind(thread.expect_err("a panic")) });
        let lost = std::thread::spawn(|| panic!("and nobody asks")).join();
        assert!(lost.is_err());
        let told: Vec<String> = [told, waited, elsewhere]
            .into_iter()
            .map(|done| match done {
                Ok(value) => value.to_string(),
                Err(error) => format!("{error} ({})", error.hint().unwrap_or_default()),
            })
            .chain(
                panics_untold()
                    .into_iter()
                    .filter(|told| told.contains("nobody")),
            )
            .map(|text| {
                text.split_once("panics.rs:")
                    .map_or(text.clone(), |(before, after)| {
                        let after = after.trim_start_matches(|c: char| c.is_ascii_digit());
                        format!("{before}panics.rs:…{after}")
                    })
            })
            .collect();
        expect_test::expect![[r#"
            the engine broke off: no rows (crates/karat-exact/src/panics.rs:…) (this is a defect: please report the query; another way to write it may work)
            the engine broke off: 7 rows (crates/karat-exact/src/panics.rs:…) (this is a defect: please report the query; another way to write it may work)
            the engine broke off: elsewhere (crates/karat-exact/src/panics.rs:…) (this is a defect: please report the query; another way to write it may work)
            and nobody asks (crates/karat-exact/src/panics.rs:…)"#]]
        .assert_eq(&told.join("\n"));
        assert_eq!(caught(|| 7).ok(), Some(7));
    }
}
