//! The journal in `.karat/`: which models were checked, and what was attempted. A cache: deleting it changes no answer (A1).
//!
//! A journal that cannot be read is thrown away and begun anew: nothing is in it that the lake or the project does not know better.

use std::collections::{BTreeSet, HashSet};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};
use serde_json::Value;

/// Name of the file below `.karat/`.
pub const FILE: &str = "journal.sqlite";

/// Stands among failing tables for a run as a whole.
pub const WHOLE_RUN: &str = "";

/// Runs that are looked through for what fails.
const LOOKED_BACK: u32 = 1000;

/// Number of this layout of the tables below.
const LAYOUT: i64 = 2;

const TABLES: &str = "
create table if not exists checked (key text primary key) without rowid;
create table if not exists attempts (
    run text primary key, verb text not null, principal text not null, logical_time text not null,
    started_ms integer not null, finished_ms integer, exit_code integer, report text, target text not null
) without rowid;
";

/// Why the journal cannot be used; whoever meets this goes on without it.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// SQLite refused.
    #[error("cannot use the journal: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A damaged file could not be removed.
    #[error("cannot throw away the damaged journal")]
    Remove(#[source] std::io::Error),
}

/// One attempt of a run, as the journal remembers it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// Id of the run.
    pub run: String,
    /// The target.
    pub target: String,
    /// The verb.
    pub verb: String,
    /// Who.
    pub principal: String,
    /// The run's logical time.
    pub logical_time: String,
    /// When it began, milliseconds since 1970.
    pub started_ms: i64,
    /// When it ended; None if it is at work, or was killed.
    pub finished_ms: Option<i64>,
    /// How it ended.
    pub exit_code: Option<u8>,
}

/// An open journal.
pub struct Journal {
    connection: Connection,
}

impl Journal {
    /// Opens the journal, beginning a new one if there is none or if the one there is damaged.
    pub fn open(path: &Path) -> Result<Self, JournalError> {
        match Self::try_open(path) {
            Ok(journal) => Ok(journal),
            Err(rusqlite::Error::SqliteFailure(error, _)) if is_busy(error.code) => Err(
                JournalError::Sqlite(rusqlite::Error::SqliteFailure(error, None)),
            ),
            Err(_) if path.exists() => {
                for suffix in ["", "-wal", "-shm"] {
                    let mut name = path.as_os_str().to_owned();
                    name.push(suffix);
                    match std::fs::remove_file(&name) {
                        Ok(()) => {}
                        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                        Err(error) => return Err(JournalError::Remove(error)),
                    }
                }
                Ok(Self::try_open(path)?)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn try_open(path: &Path) -> rusqlite::Result<Self> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(Duration::from_secs(5))?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // What is lost in a power cut is a cache.
        connection.pragma_update(None, "synchronous", "normal")?;
        let layout: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if layout != LAYOUT {
            connection
                .execute_batch("drop table if exists checked; drop table if exists attempts;")?;
            connection.pragma_update(None, "user_version", LAYOUT)?;
        }
        connection.execute_batch(TABLES)?;
        // Pages of a damaged file may only show when they are read.
        connection.query_row("select count(*) from checked", [], |row| {
            row.get::<_, i64>(0)
        })?;
        Ok(Self { connection })
    }

    /// Keys of models that were checked without a finding.
    pub fn checked(&self) -> Result<HashSet<String>, JournalError> {
        let mut statement = self.connection.prepare("select key from checked")?;
        let keys = statement.query_map([], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    /// Replaces the keys by these: what is no longer in the project is forgotten.
    pub fn keep_checked(&mut self, keys: &HashSet<String>) -> Result<(), JournalError> {
        let before = self.checked()?;
        if &before == keys {
            return Ok(());
        }
        let transaction = self.connection.transaction()?;
        {
            let mut insert =
                transaction.prepare("insert or ignore into checked (key) values (?1)")?;
            for key in keys.difference(&before) {
                insert.execute([key])?;
            }
            let mut delete = transaction.prepare("delete from checked where key = ?1")?;
            for key in before.difference(keys) {
                delete.execute([key])?;
            }
        }
        transaction.commit()?;
        Ok(())
    }

    /// Notes that an attempt begins.
    pub fn begin(&self, attempt: &Attempt) -> Result<(), JournalError> {
        self.connection.execute(
            "insert or replace into attempts (run, verb, principal, logical_time, started_ms, target) values (?1, ?2, ?3, ?4, ?5, ?6)",
            params![attempt.run, attempt.verb, attempt.principal, attempt.logical_time, attempt.started_ms, attempt.target],
        )?;
        Ok(())
    }

    /// Notes how an attempt ended.
    pub fn finish(
        &self,
        run: &str,
        finished_ms: i64,
        exit_code: u8,
        report: &str,
    ) -> Result<(), JournalError> {
        self.connection.execute(
            "update attempts set finished_ms = ?2, exit_code = ?3, report = ?4 where run = ?1",
            params![run, finished_ms, exit_code, report],
        )?;
        Ok(())
    }

    /// What the newest runs reported, newest first.
    pub fn reports(&self, most: u32) -> Result<Vec<String>, JournalError> {
        let mut statement = self.connection.prepare(
            "select report from attempts where verb = 'run' and report is not null order by run desc limit ?1",
        )?;
        let reports = statement.query_map([most], |row| row.get(0))?;
        Ok(reports.collect::<rusqlite::Result<_>>()?)
    }

    /// What fails at a target: tables whose step failed in the newest run that had one of theirs which ended well or badly; and
    /// [`WHOLE_RUN`], where the newest run failed before its first step.
    pub fn failing(&self, target: &str) -> Result<BTreeSet<String>, JournalError> {
        let mut statement = self.connection.prepare(
            "select exit_code, report from attempts where verb = 'run' and target = ?1 and report is not null order by run desc limit ?2",
        )?;
        let reports = statement.query_map(params![target, LOOKED_BACK], |row| {
            Ok((row.get::<_, Option<u8>>(0)?, row.get::<_, String>(1)?))
        })?;
        let (mut seen, mut failing) = (BTreeSet::new(), BTreeSet::new());
        for report in reports {
            let (code, report) = report?;
            let report: Value = serde_json::from_str(&report).unwrap_or(Value::Null);
            let is_newest = seen.insert(WHOLE_RUN.to_owned());
            let Some(steps) = report["steps"].as_array() else {
                if is_newest && code != Some(0) {
                    failing.insert(WHOLE_RUN.to_owned());
                }
                continue;
            };
            for step in steps {
                let (Some(table), Some(status)) = (step["table"].as_str(), step["status"].as_str())
                else {
                    continue;
                };
                // Another run was at it.
                let waits = step["error"]["exit_code"] == 5;
                if status != "skipped"
                    && !waits
                    && seen.insert(table.to_owned())
                    && status == "failed"
                {
                    failing.insert(table.to_owned());
                }
            }
        }
        Ok(failing)
    }

    /// Attempts, newest first.
    pub fn attempts(&self, most: u32) -> Result<Vec<Attempt>, JournalError> {
        let mut statement = self.connection.prepare(
            "select run, verb, principal, logical_time, started_ms, finished_ms, exit_code, target from attempts order by run desc limit ?1",
        )?;
        let attempts = statement.query_map([most], |row| {
            Ok(Attempt {
                run: row.get(0)?,
                verb: row.get(1)?,
                principal: row.get(2)?,
                logical_time: row.get(3)?,
                started_ms: row.get(4)?,
                finished_ms: row.get(5)?,
                exit_code: row.get(6)?,
                target: row.get(7)?,
            })
        })?;
        Ok(attempts.collect::<rusqlite::Result<_>>()?)
    }
}

fn is_busy(code: rusqlite::ErrorCode) -> bool {
    matches!(
        code,
        rusqlite::ErrorCode::DatabaseBusy | rusqlite::ErrorCode::DatabaseLocked
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn keys(names: &[&str]) -> HashSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_was_checked_is_remembered_and_what_is_gone_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        let mut journal = Journal::open(&path).unwrap();
        journal.keep_checked(&keys(&["a", "b"])).unwrap();
        journal.keep_checked(&keys(&["b", "c"])).unwrap();
        drop(journal);
        assert_eq!(
            Journal::open(&path).unwrap().checked().unwrap(),
            keys(&["b", "c"])
        );
    }

    #[test]
    fn a_damaged_journal_is_begun_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(FILE);
        std::fs::write(
            &path,
            "this is no database, and long enough to be seen as none",
        )
        .unwrap();
        let mut journal = Journal::open(&path).unwrap();
        journal.keep_checked(&keys(&["a"])).unwrap();
        assert_eq!(journal.checked().unwrap(), keys(&["a"]));
    }

    #[test]
    fn attempts_are_listed_newest_first() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(&folder.path().join(FILE)).unwrap();
        let attempt = |run: &str| Attempt {
            run: run.to_owned(),
            target: "dev".to_owned(),
            verb: "run".to_owned(),
            principal: "ann@desk".to_owned(),
            logical_time: "2026-10-29T00:00:00Z".to_owned(),
            started_ms: 5,
            finished_ms: None,
            exit_code: None,
        };
        journal.begin(&attempt("1")).unwrap();
        journal.begin(&attempt("2")).unwrap();
        journal.finish("1", 9, 0, "{}").unwrap();
        let attempts = journal.attempts(10).unwrap();
        assert_eq!(attempts[0], attempt("2"));
        assert_eq!(attempts[1].finished_ms, Some(9));
        assert_eq!(attempts[1].exit_code, Some(0));
    }
}
