//! Panics of the engine below as errors: a query that it cannot take ends with a message, not with the process.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};

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

fn told(panic: &(dyn Any + Send)) -> ExactError {
    let text = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without a word");
    ExactError::Panic(text.lines().next().unwrap_or_default().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        let told = caught(|| -> u8 { panic!("no rows\nand more") });
        let waited = caught_in(async { panic!("{} rows", 7) }).now_or_never();
        let waited: Result<u8, ExactError> = waited.expect("it does not wait");
        let told: Vec<String> = [told, waited]
            .into_iter()
            .map(|done| match done {
                Ok(value) => value.to_string(),
                Err(error) => format!("{error} ({})", error.hint().unwrap_or_default()),
            })
            .collect();
        expect_test::expect![[r#"
            the engine broke off: no rows (this is a defect: please report the query; another way to write it may work)
            the engine broke off: 7 rows (this is a defect: please report the query; another way to write it may work)"#]]
        .assert_eq(&told.join("\n"));
        assert_eq!(caught(|| 7).ok(), Some(7));
    }
}
