//! Rows of lists: an error in a list is one row in doubt, since nobody knows how many rows it stands for; fields of a struct share the
//! error of the struct, and what is repeated keeps its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ListArray, new_null_array};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::DataType;
use datafusion::common::{Column, ExprSchema, Result, ScalarValue};
use datafusion::logical_expr::{Expr, LogicalPlan, Unnest};

use super::{Carrier, Rows, case, named, no_rule, project};
use crate::total::first_error;
use crate::types::type_name;

impl Carrier {
    pub(super) fn unnested(&mut self, node: &Unnest) -> Result<Rows> {
        let input = self.node(&node.input)?;
        let over = |plan: LogicalPlan| {
            Unnest::try_new(plan.into(), node.exec_columns.clone(), node.options.clone())
                .map(LogicalPlan::Unnest)
        };
        if input.is_plain() {
            return Ok(Rows::plain(over(input.plan)?));
        }
        let sources = node.input.schema().columns();
        let input = self.with_lists(node, &sources, input)?.tidy()?;
        let (cells, row) = (input.cells, input.row);
        let plan = over(input.plan)?;
        let visible = node.schema.columns();
        let mut all: Vec<Expr> = visible.iter().cloned().map(Expr::Column).collect();
        let mut own = BTreeMap::new();
        for (column, source) in visible.iter().zip(&node.dependency_indices) {
            if let Some(cell) = sources.get(*source).and_then(|source| cells.get(source)) {
                let copy = self.column();
                all.push(named(Expr::Column(cell.clone()), &copy));
                own.insert(column.clone(), copy);
            }
        }
        all.extend(row.clone().map(Expr::Column));
        Ok(Rows {
            plan: project(plan, all)?,
            visible,
            cells: own,
            row,
        })
    }

    /// The rows in which a list that is an error has one element, and its row is in doubt.
    fn with_lists(&mut self, node: &Unnest, sources: &[Column], input: Rows) -> Result<Rows> {
        let mut deepest: BTreeMap<usize, usize> = BTreeMap::new();
        for (index, list) in &node.list_type_columns {
            let depth = deepest.entry(*index).or_default();
            *depth = list.depth.max(*depth);
        }
        let mut lists: BTreeMap<Column, (Expr, Expr)> = BTreeMap::new();
        for (index, depth) in deepest {
            let Some(column) = sources.get(index) else {
                continue;
            };
            let Some(cell) = input.cells.get(column) else {
                continue;
            };
            let data_type = input.schema().field_from_column(column)?.data_type();
            let error = Expr::Column(cell.clone());
            let one = Expr::Literal(list_of_one(data_type, depth)?, None);
            let value = case(
                error.clone().is_not_null(),
                one,
                Expr::Column(column.clone()),
            );
            lists.insert(column.clone(), (value, error));
        }
        if lists.is_empty() {
            return Ok(input);
        }
        let failed: BTreeSet<&Column> = lists.keys().collect();
        let mut cells = input.cells.clone();
        cells.retain(|column, _| !failed.contains(column));
        let codes = lists.values().map(|(_, error)| error.clone());
        let codes: Vec<Expr> = codes.chain(input.row.clone().map(Expr::Column)).collect();
        let mut all: Vec<Expr> = Vec::with_capacity(input.visible.len());
        for column in &input.visible {
            all.push(match lists.get(column) {
                Some((value, _)) => named(value.clone(), column),
                None => Expr::Column(column.clone()),
            });
        }
        all.extend(cells.values().cloned().map(Expr::Column));
        let row = self.column();
        if let Some(code) = first_error(codes) {
            all.push(named(code, &row));
        }
        Ok(Rows {
            plan: project(input.plan, all)?,
            visible: input.visible,
            cells,
            row: Some(row),
        })
    }
}

/// A list that gives one row when it is taken apart this deep.
fn list_of_one(data_type: &DataType, depth: usize) -> Result<ScalarValue> {
    let DataType::List(item) = data_type else {
        return Err(no_rule(&format!("unnest of {}", type_name(data_type))));
    };
    let element: ArrayRef = match depth {
        0 | 1 if item.is_nullable() => new_null_array(item.data_type(), 1),
        0 | 1 => ScalarValue::new_default(item.data_type())?.to_array()?,
        _ => list_of_one(item.data_type(), depth - 1)?.to_array()?,
    };
    let offsets = OffsetBuffer::from_lengths([element.len()]);
    let list = ListArray::try_new(item.clone(), offsets, element, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}
