//! What this machine and this moment are: clock, user, threads, memory. The only place that asks the environment.

use std::path::PathBuf;

use chrono::{DateTime, SecondsFormat, Utc};

use crate::failure::Failure;

/// Memory for operators where the machine does not say how much it has.
const MEMORY_UNKNOWN: usize = 1 << 30;
/// Most memory that is taken without being told.
const MEMORY_MOST: usize = 4 << 30;
/// Least memory that is taken without being told.
const MEMORY_LEAST: usize = 256 << 20;

/// This execution's moment and its name.
#[derive(Debug, Clone)]
pub(crate) struct Moment {
    /// The wall clock at the start.
    pub(crate) now: DateTime<Utc>,
    /// The one logical time (A6).
    pub(crate) logical: DateTime<Utc>,
    /// Id of the run: sorts by time, and no two are equal.
    pub(crate) run: String,
}

impl Moment {
    /// This moment, with the logical time that was given.
    pub(crate) fn now(at: Option<&str>) -> Result<Self, Failure> {
        let now = Utc::now();
        let logical = match at {
            Some(text) => parse_time(text)?,
            None => now,
        };
        let random = uuid::Uuid::new_v4().simple().to_string();
        let run = format!("{}-{}", now.format("%Y%m%dT%H%M%S%3fZ"), &random[..8]);
        Ok(Self { now, logical, run })
    }

    /// The logical time in microseconds since 1970.
    pub(crate) fn logical_us(&self) -> i64 {
        self.logical.timestamp_micros()
    }

    /// The logical time as RFC 3339.
    pub(crate) fn logical_text(&self) -> String {
        DateTime::<Utc>::from_timestamp_micros(self.logical_us())
            .unwrap_or(self.logical)
            .to_rfc3339_opts(SecondsFormat::AutoSi, true)
    }

    /// The wall clock in nanoseconds since 1970.
    pub(crate) fn now_ns(&self) -> i64 {
        self.now.timestamp_nanos_opt().unwrap_or(i64::MAX)
    }
}

/// Reads RFC 3339; the error says how to write it.
pub(crate) fn parse_time(text: &str) -> Result<DateTime<Utc>, Failure> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.to_utc())
        .map_err(|_| {
            Failure::usage(
                format!("`{text}` is no time"),
                "write it like 2026-10-29T18:00:00Z or 2026-10-29T18:00:00+01:00",
            )
        })
}

/// Milliseconds since 1970 by the wall clock.
pub(crate) fn clock_ms() -> i64 {
    Utc::now().timestamp_millis()
}

/// Who runs this, `user@host`.
pub(crate) fn principal() -> String {
    let user = user();
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname")
        .ok()
        .map(|text| text.trim().to_owned())
        .filter(|text| !text.is_empty())
        .or_else(|| first_set(&["HOSTNAME", "COMPUTERNAME"]))
        .unwrap_or_else(|| "localhost".to_owned());
    format!("{user}@{host}")
}

/// The user's name, as the environment tells it, else as the machine does.
fn user() -> String {
    first_set(&["USER", "LOGNAME", "USERNAME"])
        .or_else(user_of_machine)
        .unwrap_or_else(|| "unknown".to_owned())
}

/// The name that belongs to the id of this process, or the id.
fn user_of_machine() -> Option<String> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        let id = std::fs::metadata("/proc/self").ok()?.uid();
        let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        Some(name_of(&users, id).unwrap_or_else(|| id.to_string()))
    }
    #[cfg(not(unix))]
    None
}

/// Lines are `name:password:id:…`.
#[cfg(unix)]
fn name_of(users: &str, id: u32) -> Option<String> {
    let id = id.to_string();
    let mut fields = users.lines().map(|line| line.split(':'));
    fields.find_map(|mut fields| {
        let name = fields.next().filter(|name| !name.is_empty())?;
        (fields.nth(1) == Some(id.as_str())).then(|| name.to_owned())
    })
}

/// Where programs of this user keep what they remember; none if the environment does not tell.
pub(crate) fn state_folder() -> Option<PathBuf> {
    if let Some(folder) = first_set(&["XDG_STATE_HOME", "LOCALAPPDATA"]) {
        return Some(PathBuf::from(folder).join("karat"));
    }
    first_set(&["HOME"]).map(|home| PathBuf::from(home).join(".local/state/karat"))
}

/// An environment variable, as `${env:NAME}` of a project asks for it.
pub(crate) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn first_set(names: &[&str]) -> Option<String> {
    names
        .iter()
        .filter_map(|name| variable(name))
        .find(|text| !text.is_empty())
}

/// Threads to use.
pub(crate) fn threads(asked: Option<u16>) -> usize {
    match asked {
        Some(threads) => usize::from(threads),
        None => std::thread::available_parallelism().map_or(1, usize::from),
    }
}

/// Memory for operators that hold rows.
pub(crate) fn memory(asked: Option<usize>) -> usize {
    match (asked, memory_of_machine()) {
        (Some(bytes), _) => bytes,
        (None, Some(all)) => (all / 2).clamp(MEMORY_LEAST, MEMORY_MOST),
        (None, None) => MEMORY_UNKNOWN,
    }
}

/// Memory of the machine, or of the container if that is less.
pub(crate) fn memory_of_machine() -> Option<usize> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kilobytes: usize = line.split_whitespace().nth(1)?.parse().ok()?;
    let limit = std::fs::read_to_string("/sys/fs/cgroup/memory.max")
        .ok()
        .and_then(|text| text.trim().parse().ok());
    Some((kilobytes * 1024).min(limit.unwrap_or(usize::MAX)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_logical_time_is_kept_to_the_microsecond_in_utc() {
        let moment = Moment::now(Some("2026-10-29T19:00:00.1234567+01:00")).unwrap();
        assert_eq!(moment.logical_text(), "2026-10-29T18:00:00.123456Z");
        assert!(Moment::now(Some("yesterday")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_user_has_the_name_of_its_id() {
        let users = "root:x:0:0::/root:/bin/sh\n:x:7:7\nada:x:1000:1000:Ada:/:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("ada"));
        assert_eq!(name_of(users, 7), None);
        assert_eq!(name_of(users, 100), None);
    }

    #[test]
    fn runs_have_different_names() {
        assert_ne!(
            Moment::now(None).unwrap().run,
            Moment::now(None).unwrap().run
        );
    }
}
