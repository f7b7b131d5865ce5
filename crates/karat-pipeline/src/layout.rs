//! Where everything lies below `_karat/` (H4), and the names that tables carry for their writers.

use karat_project::TableName;
use karat_receipt::Digest;

/// Folder of the run manifests.
pub const RUNS: &str = "_karat/runs";

/// Folder of the intents.
pub const INTENTS: &str = "_karat/intents";

/// Folder of the receipts.
pub const RECEIPTS: &str = "_karat/receipts";

/// Folder of the recorded code.
pub const CODE: &str = "_karat/code";

/// Folder of what was checked on versions that were there already.
pub const AUDITS: &str = "_karat/audits";

/// Folder of what people accepted for the schemas of feeds.
pub const SCHEMA: &str = "_karat/schema";

/// Folder of the tags of closed business days.
pub const TAGS: &str = "_karat/tags";

/// A tag, under its name.
pub fn tag(name: &str) -> String {
    format!("{TAGS}/{name}.json")
}

/// Folder of the notes of runs that were given a key.
pub const KEYS: &str = "_karat/keys";

/// Folder of what undos set out to take back.
pub const UNDO: &str = "_karat/undo";

/// What was set out to take a run back.
pub fn undo(run: &str) -> String {
    format!("{UNDO}/{run}.json")
}

/// A receipt, under its digest.
pub fn receipt(digest: Digest) -> String {
    format!("_karat/receipts/{digest}.json")
}

/// Per-file fingerprints beside a receipt; may be deleted, they are computed again.
pub fn file_fingerprints(receipt: Digest) -> String {
    format!("_karat/receipts/{receipt}.files.json")
}

/// A run's manifest.
pub fn manifest(run: &str) -> String {
    format!("{RUNS}/{run}.json")
}

/// Recorded code, under its digest.
pub fn code(digest: Digest) -> String {
    format!("{CODE}/{digest}.txt")
}

/// Folder of the intents of whatever writes this table: `{domain}/{source}__{feed}` for a feed, `{domain}/{layer}.{table}`
/// for a model.
pub fn intents(table: &TableName) -> String {
    match table.layer.as_str() {
        "bronze" => format!("{INTENTS}/{}/{}", table.domain, table.table),
        layer => format!("{INTENTS}/{}/{layer}.{}", table.domain, table.table),
    }
}

/// The intent of one epoch.
pub fn intent(table: &TableName, epoch: i64) -> String {
    format!("{}/{epoch}.json", intents(table))
}

/// The note that settles an epoch without a commit.
pub fn closed(table: &TableName, epoch: i64) -> String {
    format!("{}/{epoch}.closed.json", intents(table))
}

/// Folder of what people accepted for a feed's schema.
pub fn accepted(table: &TableName) -> String {
    format!("{SCHEMA}/{}/{}", table.domain, table.table)
}

/// What was checked on a version of a model's table that was there already, under the digest of all that the outcome follows from.
pub fn audit(table: &TableName, of: Digest) -> String {
    format!(
        "{AUDITS}/{}/{}.{}/{of}.json",
        table.domain, table.layer, table.table
    )
}

/// What the documents of a feed's repairs call their writer: it has epochs of its own, beside those of the loads.
pub fn repair_writer(bronze: &TableName) -> String {
    format!("{REPAIR}{bronze}")
}

/// Begins the name of a feed's second writer, its repairs.
pub const REPAIR: &str = "repair:";

/// Folder of the intents of a feed's repairs.
pub fn repair_intents(bronze: &TableName) -> String {
    format!("{INTENTS}/{}/repair.{}", bronze.domain, bronze.table)
}

/// The application name of a feed's repairs, in the transactions of its bronze table.
pub fn repair_app(bronze: &TableName) -> String {
    format!("{REPAIR}{}.{}", bronze.domain, bronze.table)
}

/// The application name of a table's writer, in the table's own transaction.
pub fn app(table: &TableName) -> String {
    match table.layer.as_str() {
        "bronze" => format!("feed:{}.{}", table.domain, table.table),
        _ => format!("model:{table}"),
    }
}
