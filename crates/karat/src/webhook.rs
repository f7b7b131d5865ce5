//! Telling a server something by POST.

use std::path::PathBuf;
use std::time::Duration;

use karat_project::Setting;

use crate::failure::Failure;
use crate::site::block_on;

/// How long a server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);
/// Pauses before another attempt, where the server could not be reached, was too busy, or broke.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(3)];

/// Sends a JSON document. `key` is the same for each attempt to tell the same thing.
///
/// # Errors
/// [`Failure::Io`] with what was done, the URL as it was written (its variables may be secrets), and why it failed.
pub(crate) fn post(
    url: &Setting,
    doing: &'static str,
    document: &str,
    key: &str,
) -> Result<(), Failure> {
    block_on(1, attempts(url, doing, document, key))?
}

async fn attempts(
    url: &Setting,
    doing: &'static str,
    document: &str,
    key: &str,
) -> Result<(), Failure> {
    let failed = |why: String| {
        let place = PathBuf::from(url.written());
        Failure::io(doing, &place)(std::io::Error::other(why))
    };
    let client = reqwest::Client::builder().timeout(TIMEOUT).build();
    let client = client.map_err(|error| failed(reason(error)))?;
    let mut pauses = PAUSES.iter();
    loop {
        let request = client
            .post(url.value())
            .header("content-type", "application/json")
            .header("idempotency-key", key)
            .body(document.to_owned());
        let why = match request.send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) if answer.status().is_client_error() && answer.status() != 429 => {
                return Err(failed(format!("the server says {}", answer.status())));
            }
            Ok(answer) => format!("the server says {}", answer.status()),
            Err(error) => reason(error),
        };
        match pauses.next() {
            Some(pause) => tokio::time::sleep(*pause).await,
            None => return Err(failed(why)),
        }
    }
}

/// The innermost reason, without the URL.
fn reason(error: reqwest::Error) -> String {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
