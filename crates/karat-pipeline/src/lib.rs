//! From sources to proven gold: decisions as pure functions, effects at the edge.
//!
//! In the order data passes: [`context`] what a run takes from outside; [`layout`] where things lie; [`epochs`] intents and what is
//! settled; [`ingest`] loads a feed into bronze, shaped by [`bronze`] and compared with [`known_rows`] and with what an undo `held`; [`deliveries`] which objects
//! silver reads, `snapshots` when each full load holds, [`repairs`] which rows stand in the place of others; [`judge`] select and expectations; [`scd`] AUTO CDC; [`silver`] and [`gold`] the two generic
//! processors, the second by parts where `increment` finds what `touched` them; whose
//! declared keys `unique` proves and whose clock value `clock` tells;
//! `audit` makes the `checks` of a model on a version before it is visible;
//! [`publish`] the one way into a table, with [`accounting`] before it; [`manifest`] the consistent cut; [`schedule`] a whole run;
//! [`repair`] makes repairs of rows in quarantine; [`undo`] takes a run back, as [`undo_plan`] decides; [`backfill`] reads a range again; [`status`], [`quarantine`], [`receipts`], [`verify`] read what is there, [`cut`] says which versions a query reads, [`diff`] what differs
//! between two, [`damage`] which file of them is not as it was written, which [`proven`] asks before rows are used; [`fixture`] tests a model on
//! a few rows, [`replay`] puts a version's recorded code and inputs into a lake of their own, where [`explain`] finds what stands behind a row; [`model_check`] and [`plan`] say what would be
//! done, [`pace`] how long it takes, [`absent`] which feeds would find nothing, `reshaped` which are no longer declared as their table was
//! loaded, `drifted` which columns are not as they were, [`undated`] whose deletes may have no time, [`untyped`] which read columns without a type, [`near_misses`] which files they pass
//! over by a letter, all four from one list of each source, [`inventories`];
//! [`journal`] is the cache beside the project.

pub mod absent;
pub mod accounting;
pub mod address;
pub mod adopt;
pub mod at_work;
mod audit;
pub mod backfill;
pub mod bronze;
pub mod changed;
mod checks;
mod clock;
pub mod closing;
pub mod context;
mod current;
pub mod cut;
pub mod damage;
pub mod deliveries;
pub mod diff;
mod drifted;
pub mod epochs;
pub mod error;
pub mod event_log;
pub mod expected;
pub mod explain;
pub mod export;
pub mod fixture;
pub mod given;
pub mod gold;
mod held;
mod high_water;
mod increment;
pub mod ingest;
pub mod inventories;
pub mod journal;
pub mod judge;
pub mod known_rows;
pub mod layout;
pub mod manifest;
mod marks;
pub mod model_check;
pub mod near_misses;
pub mod pace;
pub mod plan;
pub mod position;
pub mod profile;
pub mod proven;
mod prune;
pub mod publish;
pub mod quarantine;
mod questions;
pub mod read;
pub mod receipts;
pub mod rehearse;
pub mod repair;
pub mod repairs;
pub mod replay;
mod reshaped;
mod row_json;
pub mod run_key;
pub mod scd;
pub mod schedule;
pub mod schema_accept;
pub mod silver;
mod snapshots;
pub mod status;
pub mod step;
mod touched;
pub mod undated;
pub mod undo;
pub mod undo_plan;
mod unique;
pub mod untyped;
pub mod verify;

pub use context::{Context, Event, Progress, Silent, Site};
pub use error::PipelineError;
pub use schedule::{RunReport, Sources};
pub use step::{StepReport, StepStatus};
