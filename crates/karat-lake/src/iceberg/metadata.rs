//! A metadata file as karat reads it, and what must hold of it.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

/// Ids of columns and schemas are below: above it Iceberg has ids of its own.
const ID_MAX: i32 = 2_000_000_000;
/// Versions, sequence numbers and times in milliseconds are below, so that one more is always a number.
pub(crate) const COUNT_MAX: i64 = 1 << 53;

/// What a metadata file says, as far as karat looks at it.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Metadata {
    #[serde(rename = "table-uuid")]
    pub(crate) _table_uuid: String,
    pub(crate) location: String,
    pub(crate) last_sequence_number: i64,
    pub(crate) last_updated_ms: i64,
    pub(crate) last_column_id: i32,
    pub(crate) current_schema_id: i32,
    pub(crate) schemas: Vec<Columns>,
    pub(crate) default_spec_id: i32,
    pub(crate) partition_specs: Vec<Spec>,
    #[serde(default)]
    pub(crate) properties: BTreeMap<String, String>,
    #[serde(default)]
    current_snapshot_id: Option<i64>,
    #[serde(default)]
    pub(crate) snapshots: Vec<SnapshotOf>,
}

/// One of the schemas that the table had.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Columns {
    pub(crate) schema_id: i32,
    pub(crate) fields: Vec<Field>,
    #[serde(default)]
    pub(crate) identifier_field_ids: Vec<i32>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Field {
    pub(crate) id: i32,
    pub(crate) name: String,
    pub(crate) required: bool,
    #[serde(rename = "type")]
    pub(crate) of: Value,
    #[serde(default)]
    pub(crate) doc: Option<String>,
}

/// How the table is or was partitioned.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Spec {
    pub(crate) spec_id: i32,
    pub(crate) fields: Vec<SpecField>,
}

#[derive(Debug, Clone, Deserialize)]
pub(crate) struct SpecField {
    pub(crate) name: String,
}

/// A snapshot, in Iceberg's sense.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SnapshotOf {
    pub(crate) snapshot_id: i64,
    pub(crate) manifest_list: String,
    #[serde(default)]
    pub(crate) summary: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) schema_id: Option<i32>,
}

impl Metadata {
    /// Reads a metadata file of format version 2; the error says what it contradicts.
    pub(crate) fn parse(bytes: &[u8]) -> Result<Self, String> {
        let metadata: Self = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        let ids = metadata.schemas.iter().map(|schema| schema.schema_id);
        let ids = ids.chain([metadata.last_column_id]);
        let counts = [metadata.last_sequence_number, metadata.last_updated_ms];
        let mut ids = ids;
        if ids.any(|id| !(0..ID_MAX).contains(&id))
            || counts.iter().any(|count| !(0..COUNT_MAX).contains(count))
        {
            return Err("a number in it is none that a table comes to".into());
        }
        if metadata.schema(metadata.current_schema_id).is_none() {
            return Err("it does not hold the schema that it names".into());
        }
        if metadata.spec(metadata.default_spec_id).is_none() {
            return Err("it does not hold the partition spec that it names".into());
        }
        if let Some(current) = metadata.current_snapshot_id()
            && metadata.snapshot(current).is_none()
        {
            return Err("it does not hold the snapshot that it names".into());
        }
        Ok(metadata)
    }

    pub(crate) fn schema(&self, id: i32) -> Option<&Columns> {
        self.schemas.iter().find(|schema| schema.schema_id == id)
    }

    /// The columns of the table; that they are there was checked.
    pub(crate) fn current_schema(&self) -> &Columns {
        let current = self.schema(self.current_schema_id);
        current.unwrap_or(&self.schemas[0])
    }

    pub(crate) fn spec(&self, id: i32) -> Option<&Spec> {
        self.partition_specs.iter().find(|spec| spec.spec_id == id)
    }

    pub(crate) fn snapshot(&self, id: i64) -> Option<&SnapshotOf> {
        let snapshots = self.snapshots.iter();
        snapshots.rev().find(|snapshot| snapshot.snapshot_id == id)
    }

    /// The id of the newest snapshot; some writers say -1 where there is none.
    pub(crate) fn current_snapshot_id(&self) -> Option<i64> {
        self.current_snapshot_id.filter(|id| *id != -1)
    }

    pub(crate) fn current_snapshot(&self) -> Option<&SnapshotOf> {
        self.current_snapshot_id().and_then(|id| self.snapshot(id))
    }
}
