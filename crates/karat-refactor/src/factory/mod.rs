//! Data Factory and Synapse: pipelines, datasets, linked services, triggers and data flows, alone or in ARM templates.
//!
//! - [`expression`]: the expression language, text to tree.
//! - [`evaluate`]: what an expression can be, and the texts it builds.
//! - [`system`]: which connectors lead to tables of the metastore.
//! - `resources`: the resources that a file holds.
//! - `spots`: every text of a resource, and what it means.
//! - [`facts`]: what the factory as a whole says: types of connections, values of parameters.
//! - `read`: hands the texts to the reader.

pub mod evaluate;
pub mod expression;
pub mod facts;
mod read;
mod resources;
mod spots;
pub mod system;
#[cfg(test)]
mod tests;

pub use facts::Factory;
pub(crate) use read::read;
