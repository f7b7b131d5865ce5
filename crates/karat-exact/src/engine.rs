//! The engine: one configuration, one memory limit, one place to spill, shared by everything that runs side by side.

use std::path::PathBuf;
use std::sync::Arc;

use chrono_tz::Tz;
use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::memory_pool::{FairSpillPool, TrackConsumersPool};
use datafusion::execution::runtime_env::{RuntimeEnv, RuntimeEnvBuilder};
use datafusion::execution::session_state::SessionState;
use datafusion::prelude::SessionConfig;

use crate::error::ExactError;
use crate::memory;
use crate::numbers::Rounding;
use crate::parameters::Parameters;
use crate::session::{Settings, session_state};
use crate::tables::{CATALOG, SCHEMA};

/// What an engine needs to know.
#[derive(Clone, Debug)]
pub struct EngineConfig {
    /// Threads that one query may use.
    pub threads: usize,
    /// Memory of all queries together; sorts, joins and aggregations spill beyond it. None: no limit.
    pub memory_bytes: Option<usize>,
    /// Folder for spilled rows, made when needed.
    pub spill_dir: PathBuf,
    /// The logical time of `now()`, microseconds since 1970 (A6).
    pub logical_time_us: i64,
    /// Name of the zone in which local times are read, from the time-zone database.
    pub timezone: String,
    /// How decimals lose digits (E2).
    pub rounding: Rounding,
    /// Rows in a batch.
    pub batch_rows: usize,
}

/// Plans and runs SQL whose answers depend on nothing but its tables and its configuration.
#[derive(Clone)]
pub struct Engine {
    pub(crate) settings: Settings,
    pub(crate) state: SessionState,
    /// Values of `$names` for every text that this engine plans.
    pub(crate) given: Arc<Parameters>,
}

/// Consumers that an error about memory names.
const NAMED_CONSUMERS: std::num::NonZeroUsize = std::num::NonZeroUsize::new(3).expect("not zero");

impl Engine {
    /// An engine, or why the configuration is none.
    pub fn new(config: EngineConfig) -> Result<Engine, ExactError> {
        let timezone = time_zone(&config.timezone)?;
        let settings = Settings {
            rounding: config.rounding,
            timezone,
            logical_time_us: config.logical_time_us,
        };
        let partitions = memory::partitions(config.threads, config.memory_bytes);
        let session = SessionConfig::new()
            .with_target_partitions(partitions)
            .with_batch_size(memory::batch_rows(config.batch_rows, config.memory_bytes))
            .with_create_default_catalog_and_schema(false)
            .with_default_catalog_and_schema(CATALOG, SCHEMA)
            .with_information_schema(false);
        let usual = session.options().execution.sort_spill_reservation_bytes;
        let reserve = memory::merge_reserve(partitions, config.memory_bytes, usual);
        let session = session.with_sort_spill_reservation_bytes(reserve);
        let runtime = runtime(&config, partitions, reserve)?;
        let state = session_state(&settings, session, runtime);
        Ok(Engine {
            settings,
            state,
            given: Arc::default(),
        })
    }

    /// Threads that one query may use.
    pub fn threads(&self) -> usize {
        self.state.config().target_partitions()
    }

    /// The engine with values for the `$names` of every text that it plans, and for `business_date()`.
    #[must_use]
    pub fn given(mut self, parameters: Parameters) -> Engine {
        self.given = Arc::new(parameters);
        self
    }

    /// The engine with an option of DataFusion changed, one that must not change any answer: for tests that show it.
    #[doc(hidden)]
    pub fn vary(mut self, option: &str, value: &str) -> Result<Engine, ExactError> {
        let options = self.state.config_mut().options_mut();
        options.set(option, value)?;
        Ok(self)
    }
}

fn time_zone(name: &str) -> Result<Tz, ExactError> {
    name.parse().map_err(|_| {
        ExactError::refused(
            format!("`{name}` is no time zone of the time-zone database"),
            "write it like `Europe/Berlin` or `UTC`".to_owned(),
        )
    })
}

/// Whether an engine knows a time zone of this name, or why not.
pub fn check_time_zone(name: &str) -> Result<(), ExactError> {
    time_zone(name).map(drop)
}

fn runtime(
    config: &EngineConfig,
    partitions: usize,
    reserve: usize,
) -> Result<Arc<RuntimeEnv>, ExactError> {
    let spill = DiskManagerBuilder::default()
        .with_mode(DiskManagerMode::Directories(vec![config.spill_dir.clone()]));
    let mut builder = RuntimeEnvBuilder::new().with_disk_manager_builder(spill);
    if let Some(bytes) = config.memory_bytes {
        let runs = memory::merged_at_once(partitions, bytes, reserve);
        builder = builder.with_max_spill_merge_fan_in(runs);
        let pool = TrackConsumersPool::new(FairSpillPool::new(bytes), NAMED_CONSUMERS);
        builder = builder.with_memory_pool(Arc::new(pool));
    }
    builder.build_arc().map_err(ExactError::from)
}
