//! Texts that a condition on the rows of a file only compares with texts in it are read as views: a dictionary's entry is pointed to, where
//! it would be copied for each row, and most texts differ in the length and the four letters that a view has of them. The rows that are
//! left have texts again.
//!
//! The same where a scan, or who takes the rows that are left, makes views of all that is read of a column ([`crate::passing_texts`]).

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::common::{Result, ScalarValue};
use datafusion::datasource::physical_plan::{
    FileScanConfig, FileScanConfigBuilder, FileSource, ParquetSource,
};
use datafusion::datasource::source::DataSourceExec;
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{
    BinaryExpr, CastExpr, Column, InListExpr, IsNotNullExpr, IsNullExpr, LikeExpr, Literal,
    NotExpr, in_list,
};
use datafusion::physical_expr::projection::{ProjectionExpr, ProjectionExprs};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_plan::filter::{FilterExec, FilterExecBuilder};
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::dictionary_aggregate::DictionaryAggregateExec;
use crate::walks::Walk;

/// The rule; after all that look at the types of scans.
#[derive(Debug)]
pub(crate) struct ViewedTexts;

impl PhysicalOptimizerRule for ViewedTexts {
    fn optimize(
        &self,
        plan: Arc<dyn ExecutionPlan>,
        _: &ConfigOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let changed = plan.walk_down(|node| {
            // It knows the columns of its scan.
            if node.is::<DictionaryAggregateExec>() {
                return Ok(Transformed::new(node, false, TreeNodeRecursion::Jump));
            }
            Ok(match viewed(&node)? {
                Some(changed) => Transformed::new(changed, true, TreeNodeRecursion::Jump),
                None => Transformed::no(node),
            })
        })?;
        Ok(changed.data)
    }

    fn name(&self) -> &str {
        "karat_viewed_texts"
    }

    fn schema_check(&self) -> bool {
        true
    }
}

fn viewed(node: &Arc<dyn ExecutionPlan>) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(above) = node.downcast_ref::<ProjectionExec>() {
        let Some(filter) = above.input().downcast_ref::<FilterExec>() else {
            return Ok(None);
        };
        return match viewed_rows(filter, &taken_as_views(above))? {
            Some(below) => put_together(above, below).map(Some),
            None => Ok(None),
        };
    }
    if let Some(filter) = node.downcast_ref::<FilterExec>() {
        return viewed_rows(filter, &BTreeSet::new());
    }
    let Some(scan) = Scan::of(node) else {
        return Ok(None);
    };
    let views = scan.views(&BTreeSet::new());
    match views.is_empty() {
        true => Ok(None),
        false => scan.with(&views).map(Some),
    }
}

/// The columns of its input that a projection takes as views, and not otherwise.
fn taken_as_views(projection: &ProjectionExec) -> BTreeSet<usize> {
    let (mut views, mut others) = (BTreeSet::new(), BTreeSet::new());
    for output in projection.expr() {
        match viewed_column(&output.expr) {
            Some(column) => {
                views.insert(column.index());
            }
            None => others.extend(collect_columns(&output.expr).iter().map(Column::index)),
        }
    }
    views.difference(&others).copied().collect()
}

/// The rows of a file that a condition leaves: what it only compares, or who takes them has as views, is read as views.
fn viewed_rows(
    filter: &FilterExec,
    taken: &BTreeSet<usize>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let Some(scan) = Scan::of(filter.input()) else {
        return Ok(None);
    };
    let predicate = filter.predicate();
    let mut asked = Asked::default();
    asked.see(predicate);
    let taken = taken.iter().map(|at| match filter.projection() {
        Some(projection) => projection[*at],
        None => *at,
    });
    let mut compared: BTreeSet<usize> = taken.collect();
    compared.extend(&asked.compared);
    compared.retain(|at| !asked.otherwise.contains(at));
    let views = scan.views(&compared);
    if views.is_empty() {
        return Ok(None);
    }
    let input = scan.with(&views)?;
    let is_view = |at: usize| {
        *filter.input().schema().field(at).data_type() != *input.schema().field(at).data_type()
    };
    let predicate = as_views(predicate, &is_view, &input.schema())?;
    let filtered = FilterExecBuilder::from(filter)
        .with_input(input)
        .with_predicate(predicate)
        .build()?;
    as_before(filter, Arc::new(filtered)).map(Some)
}

/// The columns of a filter with the types that they had.
fn as_before(before: &FilterExec, now: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let (old, new) = (before.schema(), now.schema());
    if old == new {
        return Ok(now);
    }
    let fields = old.fields().iter().zip(new.fields()).enumerate();
    let columns = fields.map(|(at, (old, new))| {
        let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(new.name(), at));
        let expr = match old.data_type() == new.data_type() {
            true => column,
            false => Arc::new(CastExpr::new(column, old.data_type().clone(), None)),
        };
        (expr, old.name().clone())
    });
    let columns: Vec<(Arc<dyn PhysicalExpr>, String)> = columns.collect();
    Ok(Arc::new(ProjectionExec::try_new(columns, now)?))
}

/// A projection over new rows of the same types: what they have as a text again and it takes as a view stays a view.
fn put_together(
    above: &ProjectionExec,
    below: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let of_outputs = |outputs: &[ProjectionExpr]| -> Option<Vec<(Arc<dyn PhysicalExpr>, String)>> {
        let again = below.downcast_ref::<ProjectionExec>()?;
        let views = again.input().schema();
        let outputs = outputs.iter().map(|output| {
            let (column, as_view) = match column_of(&output.expr) {
                Some(column) => (column, false),
                None => (viewed_column(&output.expr)?, true),
            };
            let expr = &again.expr()[column.index()].expr;
            let text = expr.downcast_ref::<CastExpr>().map(CastExpr::expr);
            let view = text.and_then(column_of).filter(|view| {
                as_view && *views.field(view.index()).data_type() == DataType::Utf8View
            });
            let expr: Arc<dyn PhysicalExpr> = match (view, as_view) {
                (Some(view), _) => Arc::new(view.clone()),
                (None, true) => Arc::new(CastExpr::new(Arc::clone(expr), DataType::Utf8View, None)),
                (None, false) => Arc::clone(expr),
            };
            Some((expr, output.alias.clone()))
        });
        outputs.collect()
    };
    match (
        of_outputs(above.expr()),
        below.downcast_ref::<ProjectionExec>(),
    ) {
        (Some(outputs), Some(again)) => {
            let input = Arc::clone(again.input());
            let fields = input.schema();
            let are_all = outputs.len() == fields.fields().len();
            let as_they_are = outputs.iter().enumerate().all(|(at, (expr, name))| {
                column_of(expr).is_some_and(|column| column.index() == at)
                    && name == fields.field(at).name()
            });
            match are_all && as_they_are {
                true => Ok(input),
                false => Ok(Arc::new(ProjectionExec::try_new(outputs, input)?)),
            }
        }
        _ => {
            let outputs = above.expr().iter();
            let outputs: Vec<_> = outputs
                .map(|output| (Arc::clone(&output.expr), output.alias.clone()))
                .collect();
            Ok(Arc::new(ProjectionExec::try_new(outputs, below)?))
        }
    }
}

/// A scan of Parquet files and what it makes of their columns.
struct Scan<'p> {
    config: &'p FileScanConfig,
    source: &'p ParquetSource,
    projection: &'p ProjectionExprs,
    table: &'p Schema,
}

impl<'p> Scan<'p> {
    fn of(plan: &'p Arc<dyn ExecutionPlan>) -> Option<Self> {
        let scan = plan.downcast_ref::<DataSourceExec>()?;
        let (config, source) = scan.downcast_to_file_source::<ParquetSource>()?;
        let schema = source.table_schema();
        schema.table_partition_cols().is_empty().then_some(())?;
        Some(Self {
            config,
            source,
            projection: source.projection()?,
            table: schema.table_schema(),
        })
    }

    /// Which columns of the files can be read as views: texts that come out as they are among those that are `compared`, or as views
    /// alone, and that are asked for nowhere else.
    fn views(&self, compared: &BTreeSet<usize>) -> BTreeSet<usize> {
        let (mut views, mut texts) = (BTreeSet::new(), BTreeSet::new());
        for (at, output) in self.projection.iter().enumerate() {
            let expr = &output.expr;
            if let Some(column) = column_of(expr).filter(|_| compared.contains(&at)) {
                views.insert(column.index());
            } else if let Some(column) = viewed_column(expr) {
                views.insert(column.index());
            } else {
                texts.extend(collect_columns(expr).iter().map(Column::index));
            }
        }
        if let Some(pruned_by) = self.source.filter() {
            let mut asked = Asked::default();
            asked.see(&pruned_by);
            texts.extend(asked.otherwise);
        }
        views.retain(|at| {
            let field = self.table.fields().get(*at);
            let is_text = field.is_some_and(|field| *field.data_type() == DataType::Utf8);
            is_text && !texts.contains(at)
        });
        views
    }

    /// The scan that reads these columns as views.
    fn with(&self, views: &BTreeSet<usize>) -> Result<Arc<dyn ExecutionPlan>> {
        let fields = self.table.fields().iter().enumerate();
        let fields = fields.map(|(at, field)| match views.contains(&at) {
            true => Arc::new(field.as_ref().clone().with_data_type(DataType::Utf8View)),
            false => Arc::clone(field),
        });
        let fields: Vec<_> = fields.collect();
        let table = Schema::new_with_metadata(fields, self.table.metadata().clone());
        let outputs = self.projection.iter().map(|output| {
            let view = viewed_column(&output.expr).filter(|column| views.contains(&column.index()));
            ProjectionExpr {
                expr: match view {
                    Some(column) => Arc::new(column.clone()),
                    None => Arc::clone(&output.expr),
                },
                alias: output.alias.clone(),
            }
        });
        let outputs = ProjectionExprs::new(outputs);
        let mut source = ParquetSource::new(Arc::new(table.clone()))
            .with_table_parquet_options(self.source.table_parquet_options().clone());
        if let Some(readers) = self.source.parquet_file_reader_factory() {
            source = source.with_parquet_file_reader_factory(Arc::clone(readers));
        }
        if let Some(pruned_by) = self.source.filter() {
            let is_view = |at: usize| views.contains(&at);
            source = source.with_predicate(as_views(&pruned_by, &is_view, &table)?);
        }
        let projected = source.try_pushdown_projection(&outputs)?;
        let source = projected.unwrap_or_else(|| Arc::new(source));
        let config = FileScanConfigBuilder::from(self.config.clone())
            .with_source(source)
            .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

/// The columns that a condition asks for.
#[derive(Default)]
struct Asked {
    /// Those that it compares with texts in it, or asks whether they are null.
    compared: BTreeSet<usize>,
    otherwise: BTreeSet<usize>,
}

impl Asked {
    fn see(&mut self, condition: &Arc<dyn PhysicalExpr>) {
        if let Some(column) = compared_column(condition) {
            self.compared.insert(column.index());
        } else if connects(condition) {
            for part in condition.children() {
                self.see(part);
            }
        } else {
            let columns = collect_columns(condition);
            self.otherwise.extend(columns.iter().map(Column::index));
        }
    }
}

fn connects(condition: &Arc<dyn PhysicalExpr>) -> bool {
    let binary = condition.downcast_ref::<BinaryExpr>();
    condition.is::<NotExpr>()
        || binary.is_some_and(|binary| matches!(binary.op(), Operator::And | Operator::Or))
}

fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<&Column> {
    expr.downcast_ref::<Column>()
}

/// The column that an expression makes views of.
fn viewed_column(expr: &Arc<dyn PhysicalExpr>) -> Option<&Column> {
    let cast = expr.downcast_ref::<CastExpr>()?;
    let is_plain = *cast.cast_type() == DataType::Utf8View && !cast.has_explicit_metadata();
    column_of(cast.expr()).filter(|_| is_plain)
}

fn is_text(expr: &Arc<dyn PhysicalExpr>) -> bool {
    let literal = expr.downcast_ref::<Literal>();
    literal.is_some_and(|literal| matches!(literal.value(), ScalarValue::Utf8(_)))
}

/// The column of a comparison with texts that stand in the condition, or of a question for null.
fn compared_column(condition: &Arc<dyn PhysicalExpr>) -> Option<&Column> {
    if let Some(binary) = condition.downcast_ref::<BinaryExpr>() {
        let (left, right) = (binary.left(), binary.right());
        return match binary.op() {
            Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
                if is_text(right) =>
            {
                column_of(left)
            }
            _ => None,
        };
    }
    if let Some(list) = condition.downcast_ref::<InListExpr>() {
        return column_of(list.expr()).filter(|_| list.list().iter().all(is_text));
    }
    if let Some(like) = condition.downcast_ref::<LikeExpr>() {
        return column_of(like.expr()).filter(|_| is_text(like.pattern()));
    }
    if let Some(null) = condition.downcast_ref::<IsNullExpr>() {
        return column_of(null.arg());
    }
    let known = condition.downcast_ref::<IsNotNullExpr>()?;
    column_of(known.arg())
}

/// A condition over columns of which some are views.
fn as_views(
    condition: &Arc<dyn PhysicalExpr>,
    is_view: &impl Fn(usize) -> bool,
    schema: &Schema,
) -> Result<Arc<dyn PhysicalExpr>> {
    if let Some(column) = compared_column(condition) {
        if !is_view(column.index()) {
            return Ok(Arc::clone(condition));
        }
        if let Some(list) = condition.downcast_ref::<InListExpr>() {
            let values = list.list().iter().map(text_as_view).collect();
            return in_list(Arc::clone(list.expr()), values, &list.negated(), schema);
        }
        let parts = condition.children().into_iter().map(text_as_view).collect();
        return Arc::clone(condition).with_new_children(parts);
    }
    if !connects(condition) {
        return Ok(Arc::clone(condition));
    }
    let parts = condition.children().into_iter();
    let parts = parts.map(|part| as_views(part, is_view, schema));
    Arc::clone(condition).with_new_children(parts.collect::<Result<_>>()?)
}

fn text_as_view(expr: &Arc<dyn PhysicalExpr>) -> Arc<dyn PhysicalExpr> {
    match expr.downcast_ref::<Literal>().map(Literal::value) {
        Some(ScalarValue::Utf8(text)) => {
            Arc::new(Literal::new(ScalarValue::Utf8View(text.clone())))
        }
        _ => Arc::clone(expr),
    }
}
