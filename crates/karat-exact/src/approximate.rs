//! `approx_distinct`, answered exactly (rule E4): an estimate would depend on a sketch, and the number itself is to be had.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::functions_aggregate::count::count_udaf;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::AggregateOrderSensitivity;
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, GroupsAccumulator, ReversedUDAF, Signature,
    Volatility,
};

/// `count(distinct x)` under the name `approx_distinct(x)`.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Different {
    count: Arc<AggregateUDF>,
    signature: Signature,
    aliases: Vec<String>,
}

impl Different {
    pub(crate) fn new() -> Different {
        Different {
            count: count_udaf(),
            signature: Signature::any(1, Volatility::Immutable),
            aliases: vec!["approx_count_distinct".to_owned()],
        }
    }
}

fn of_distinct(args: AccumulatorArgs) -> AccumulatorArgs {
    AccumulatorArgs {
        is_distinct: true,
        ..args
    }
}

impl AggregateUDFImpl for Different {
    fn name(&self) -> &str {
        "approx_distinct"
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.count.return_type(types)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        self.count.state_fields(StateFieldsArgs {
            is_distinct: true,
            ..args
        })
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.count.accumulator(of_distinct(args))
    }

    fn create_sliding_accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        self.count
            .inner()
            .create_sliding_accumulator(of_distinct(args))
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        self.count.groups_accumulator_supported(of_distinct(args))
    }

    fn create_groups_accumulator(
        &self,
        args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        self.count.create_groups_accumulator(of_distinct(args))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}
