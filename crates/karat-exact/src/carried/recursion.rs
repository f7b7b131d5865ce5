//! Recursive queries: the working table carries the errors of its rows. A row in doubt is not gone on with, and puts every row of the
//! result in doubt, since what would have come of it is unknown.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::{Column, Result};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::logical_expr::{
    Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder, RecursiveQuery, TableScan, cast,
};

use super::{Carrier, Rows, filter, min_over, named, no_code, no_rule, project, window};
use crate::error::ExactError;
use crate::total::first_error;

/// The hidden columns of a working table: one for each of its columns, and one for the row.
#[derive(Clone, Debug)]
pub(super) struct Working {
    cells: Vec<String>,
    row: String,
}

impl Carrier {
    pub(super) fn recursion(&mut self, query: &RecursiveQuery) -> Result<Rows> {
        let visible = query.schema.columns();
        let working = Working {
            cells: visible.iter().map(|_| self.name()).collect(),
            row: self.name(),
        };
        let before = self.working.insert(query.name.clone(), working.clone());
        let first = self.node(&query.static_term);
        let next = self.node(&query.recursive_term);
        match before {
            Some(outer) => self.working.insert(query.name.clone(), outer),
            None => self.working.remove(&query.name),
        };
        let terms = [first?, next?];
        let mut plans = Vec::with_capacity(terms.len());
        for rows in terms {
            plans.push(Arc::new(with_all_codes(rows, query, &working)?));
        }
        let [static_term, recursive_term] = plans.as_slice() else {
            return Err(ExactError::Internal("a recursion of two terms".to_owned()).into());
        };
        let plan = LogicalPlan::RecursiveQuery(RecursiveQuery::try_new(
            query.name.clone(),
            static_term.clone(),
            recursive_term.clone(),
            query.is_distinct,
        )?);
        let found = plan.schema().columns();
        let hidden = |name: &String| {
            let column = found.iter().find(|column| column.name == *name);
            column
                .cloned()
                .ok_or_else(|| ExactError::Internal(format!("no column {name} of a recursion")))
        };
        let of_rows = hidden(&working.row)?;
        let least = self.column();
        let over = min_over(Expr::Column(of_rows), Vec::new());
        let plan = window(plan.clone(), vec![named(over, &least)])?;
        let mut all = Vec::with_capacity(2 * visible.len() + 1);
        for (own, column) in found.iter().zip(&visible) {
            all.push(named(Expr::Column(own.clone()), column));
        }
        let mut cells = BTreeMap::new();
        for (name, column) in working.cells.iter().zip(&visible) {
            let cell = self.column();
            all.push(named(Expr::Column(hidden(name)?), &cell));
            cells.insert(column.clone(), cell);
        }
        let row = self.column();
        all.push(named(Expr::Column(least), &row));
        Ok(Rows {
            plan: project(plan, all)?,
            visible,
            cells,
            row: Some(row),
        })
    }

    /// The rows of the last step that are not in doubt, if the scan is one of a working table.
    pub(super) fn working(&mut self, scan: &TableScan) -> Result<Option<Rows>> {
        let Ok(provider) = source_as_provider(&scan.source) else {
            return Ok(None);
        };
        let Some(table) = provider.downcast_ref::<CteWorkTable>() else {
            return Ok(None);
        };
        let Some(working) = self.working.get(table.name()).cloned() else {
            return Ok(None);
        };
        if !scan.filters.is_empty() || scan.fetch.is_some() {
            return Err(no_rule("a recursive query"));
        }
        let schema = table.schema();
        let mut fields: Vec<Arc<Field>> = schema.fields().iter().cloned().collect();
        let hidden = working.cells.iter().chain([&working.row]);
        fields.extend(hidden.map(|name| Arc::new(Field::new(name, DataType::Int32, true))));
        let with_codes = CteWorkTable::new(table.name(), Arc::new(Schema::new(fields)));
        let source = provider_as_source(Arc::new(with_codes));
        let plan = LogicalPlanBuilder::scan(scan.table_name.clone(), source, None)?.build()?;
        let hidden = |name: &str| Column::new(Some(scan.table_name.clone()), name);
        let sure = Expr::Column(hidden(&working.row)).is_null();
        let visible = scan.projected_schema.columns();
        let mut cells = BTreeMap::new();
        for (field, name) in schema.fields().iter().zip(&working.cells) {
            let column = Column::new(Some(scan.table_name.clone()), field.name());
            if visible.contains(&column) {
                cells.insert(column, hidden(name));
            }
        }
        let rows = Rows {
            plan: filter(plan, sure)?,
            visible,
            cells,
            row: None,
        };
        rows.tidy().map(Some)
    }
}

/// The rows under the names and with all the codes of a working table; where equal rows are one, a row with an error is in doubt.
fn with_all_codes(rows: Rows, query: &RecursiveQuery, working: &Working) -> Result<LogicalPlan> {
    let schema = rows.plan.schema().clone();
    let mut all = Vec::new();
    let mut codes: Vec<Expr> = rows.row.iter().cloned().map(Expr::Column).collect();
    for (own, field) in rows.visible.iter().zip(query.schema.fields()) {
        let value = Expr::Column(own.clone());
        let value = match value.get_type(&schema)? == *field.data_type() {
            true => value,
            false => cast(value, field.data_type().clone()),
        };
        all.push(value.alias(field.name()));
    }
    for (own, name) in rows.visible.iter().zip(&working.cells) {
        let code = rows.cells.get(own).cloned();
        if query.is_distinct {
            codes.extend(code.clone().map(Expr::Column));
        }
        all.push(code.map_or_else(no_code, Expr::Column).alias(name));
    }
    all.push(
        first_error(codes)
            .unwrap_or_else(no_code)
            .alias(&working.row),
    );
    project(rows.plan, all)
}
