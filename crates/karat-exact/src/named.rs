//! DataFusion's functions that can fail for what a row holds, with an error that names the function and shows no row.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::type_coercion::functions::fields_with_udf;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
};

use crate::checked::type_error;
use crate::error::ExactError;
use crate::nested::element;
use crate::numbers::{Number, decimal, number};
use crate::types::type_name;

/// Functions of a list and elements: beside doubles, an element that is a decimal is brought to a double.
const OF_ELEMENTS: [&str; 16] = [
    "array_append",
    "array_concat",
    "array_except",
    "array_has",
    "array_has_all",
    "array_has_any",
    "array_intersect",
    "array_position",
    "array_positions",
    "array_prepend",
    "array_remove",
    "array_remove_all",
    "array_remove_n",
    "array_replace",
    "array_replace_all",
    "array_union",
];

/// A function of DataFusion under its own name.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Named {
    inner: ScalarUDF,
    /// Instead of the function's own.
    signature: Option<Signature>,
}

impl Named {
    pub(crate) fn new(inner: ScalarUDF) -> Named {
        let of_elements = OF_ELEMENTS.contains(&inner.name());
        let volatility = inner.signature().volatility;
        Named {
            signature: of_elements.then(|| Signature::user_defined(volatility)),
            inner,
        }
    }
}

impl ScalarUDFImpl for Named {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.signature
            .as_ref()
            .unwrap_or_else(|| self.inner.signature())
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        self.inner.return_type(types)
    }

    fn with_updated_config(&self, config: &ConfigOptions) -> Option<ScalarUDF> {
        let inner = self.inner.inner().with_updated_config(config)?;
        Some(ScalarUDF::new_from_impl(Named::new(inner)))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        self.inner.return_field_from_args(args)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        self.inner
            .simplify(args, info)
            .map_err(|error| self.outside(error))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if self.signature.is_none() {
            return self.inner.coerce_types(types);
        }
        let found = self.coerced(types);
        if found.is_ok() {
            return found;
        }
        let Some(common) = common_number(types) else {
            return Err(self.takes_no(types));
        };
        let types: Vec<DataType> = types.iter().map(|t| with_item(t, &common)).collect();
        self.coerced(&types).map_err(|_| self.takes_no(&types))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        self.inner
            .invoke_with_args(args)
            .map_err(|error| self.outside(error))
    }
}

/// The type of a list's elements, or of the value itself.
fn item(data_type: &DataType) -> &DataType {
    element(data_type).map_or(data_type, |item| item.data_type())
}

/// The type to which numbers are brought of which some are decimals: that of doubles if one is a double, else a decimal that holds all.
fn common_number(types: &[DataType]) -> Option<DataType> {
    let (mut whole, mut places) = (0, 0);
    let mut decimals = false;
    let mut doubles = false;
    for data_type in types {
        match number(item(data_type)) {
            Some(Number::Decimal(p, s)) => {
                decimals = true;
                whole = whole.max(i32::from(p) - i32::from(s));
                places = places.max(i32::from(s));
            }
            Some(Number::Integer(digits)) => whole = whole.max(i32::from(digits)),
            Some(Number::Double) => doubles = true,
            Some(Number::Null) | None => {}
        }
    }
    match (decimals, doubles) {
        (false, _) => None,
        (true, true) => Some(DataType::Float64),
        (true, false) => (whole + places <= 76).then(|| decimal(whole + places, places)),
    }
}

/// The type with another in the place of decimals, and of integers beside them.
fn with_item(data_type: &DataType, common: &DataType) -> DataType {
    match number(item(data_type)) {
        Some(Number::Decimal(..) | Number::Integer(_)) if element(data_type).is_some() => {
            DataType::new_list(common.clone(), true)
        }
        Some(Number::Decimal(..)) => common.clone(),
        Some(Number::Integer(_)) if is_exact(common) => common.clone(),
        _ => data_type.clone(),
    }
}

fn is_exact(data_type: &DataType) -> bool {
    matches!(number(data_type), Some(Number::Decimal(..)))
}

impl Named {
    /// What DataFusion's own function takes for arguments of these types.
    fn coerced(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let field = |t: &DataType| Arc::new(Field::new("x", t.clone(), true));
        let fields: Vec<FieldRef> = types.iter().map(field).collect();
        let found = fields_with_udf(&fields, &self.inner)?;
        Ok(found
            .iter()
            .map(|field| field.data_type().clone())
            .collect())
    }

    fn takes_no(&self, types: &[DataType]) -> DataFusionError {
        let told: Vec<String> = types.iter().map(type_name).collect();
        type_error(
            format!("`{}` does not take ({})", self.name(), told.join(", ")),
            Some("cast an argument, or look at the order of the arguments"),
        )
    }

    fn outside(&self, error: DataFusionError) -> DataFusionError {
        match error {
            DataFusionError::Execution(_)
            | DataFusionError::ArrowError(..)
            | DataFusionError::External(_)
            | DataFusionError::NotImplemented(_) => {
                ExactError::Domain(self.name().to_string()).into()
            }
            other => other,
        }
    }
}
