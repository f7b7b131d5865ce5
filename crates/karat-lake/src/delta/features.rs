//! Which Delta features karat reads and writes. What it does not know is refused by name, never ignored.

use super::action::{Metadata, Protocol};
use crate::LakeError;
use crate::error::{COPY, COPY_WHOLE};

/// Reader features that change nothing in how we read. Files with deletion vectors are refused one by one, v2 checkpoints where one is needed.
const READS: [&str; 4] = [
    "timestampNtz",
    "deletionVectors",
    "v2Checkpoint",
    "vacuumProtocolCheck",
];
/// Writer features under which our commits are right.
const WRITES: [&str; 2] = ["timestampNtz", "appendOnly"];

/// Refuses a table that we would read wrongly.
pub(crate) fn check_read(
    table: &str,
    protocol: &Protocol,
    metadata: &Metadata,
) -> Result<(), LakeError> {
    let mode = metadata
        .configuration
        .get("delta.columnMapping.mode")
        .and_then(Option::as_deref);
    if mode.is_some_and(|mode| mode != "none") {
        return Err(LakeError::refused(
            "read",
            table,
            "it uses the Delta feature columnMapping",
            COPY,
        ));
    }
    if protocol.min_reader_version > 3 {
        let why = format!(
            "it needs Delta reader version {}, karat knows 3",
            protocol.min_reader_version
        );
        return Err(LakeError::refused(
            "read",
            table,
            why,
            "use a newer karat, or copy the table",
        ));
    }
    if protocol.min_reader_version == 3 {
        for feature in protocol.reader_features.iter().flatten() {
            let unused = feature == "columnMapping";
            if !unused && !READS.contains(&feature.as_str()) {
                return Err(LakeError::refused(
                    "read",
                    table,
                    format!("it uses the Delta feature {feature}"),
                    COPY,
                ));
            }
        }
    }
    if !metadata.partition_columns.is_empty() {
        let why = format!(
            "it is partitioned by {}",
            metadata.partition_columns.join(", ")
        );
        return Err(LakeError::refused("read", table, why, COPY_WHOLE));
    }
    Ok(())
}

/// Refuses a table whose rules our commits would not keep. `rules` are the `delta.` keys of its columns.
pub(crate) fn check_write(
    table: &str,
    protocol: &Protocol,
    metadata: &Metadata,
    rules: &[(String, String)],
) -> Result<(), LakeError> {
    let refuse = |why: String, hint: &str| Err(LakeError::refused("write", table, why, hint));
    if let Some((column, key)) = rules.iter().find(|(_, key)| binds_writers(key)) {
        let what = match key.as_str() {
            "delta.invariants" => "an invariant",
            "delta.generationExpression" => "a generated value",
            key if key.starts_with("delta.identity.") => "an identity value",
            _ => "a rule of Delta",
        };
        return refuse(
            format!("column `{column}` has {what} ({key})"),
            "drop the rule; state it as an expectation of the silver model",
        );
    }
    for (key, value) in &metadata.configuration {
        let on = value.as_deref() == Some("true");
        if let Some(name) = key.strip_prefix("delta.constraints.") {
            return refuse(
                format!("it has the constraint {name}"),
                "drop the constraint; state it as an expectation of the silver model",
            );
        }
        match key.as_str() {
            "delta.appendOnly" if on => {
                return refuse(
                    "it is append-only (delta.appendOnly)".into(),
                    "unset the property",
                );
            }
            "delta.enableChangeDataFeed" if on => {
                return refuse(
                    "it keeps a change data feed (delta.enableChangeDataFeed)".into(),
                    "unset the property",
                );
            }
            "delta.enableRowTracking" if on => {
                return refuse(
                    "it tracks rows (delta.enableRowTracking)".into(),
                    "unset the property",
                );
            }
            _ => {}
        }
    }
    match protocol.min_writer_version {
        ..=2 => Ok(()),
        7 => match protocol
            .writer_features
            .iter()
            .flatten()
            .find(|feature| !WRITES.contains(&feature.as_str()))
        {
            Some(feature) => refuse(
                format!("it uses the Delta feature {feature}"),
                "drop the feature, or write to a table of karat's own",
            ),
            None => Ok(()),
        },
        version => refuse(
            format!("it needs Delta writer version {version}, karat writes 2 and 7"),
            "write to a table of karat's own",
        ),
    }
}

fn binds_writers(key: &str) -> bool {
    key == "delta.invariants"
        || key == "delta.generationExpression"
        || key.starts_with("delta.identity.")
}
