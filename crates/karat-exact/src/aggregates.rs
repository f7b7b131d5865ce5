//! Exact sums and means.

use std::sync::Arc;

use datafusion::logical_expr::AggregateUDF;

use crate::numbers::Rounding;

/// `sum` and `avg`.
pub(crate) fn functions(_rounding: Rounding) -> Vec<Arc<AggregateUDF>> {
    Vec::new()
}
