//! Tables that a query may read: immutable Parquet files with a declared unique key.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, PathBuf};
use std::sync::{Arc, OnceLock};

use arrow::array::{Array, ArrayRef, Float32Array, Float64Array};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Float32Type, Float64Type, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{
    CatalogProvider, CatalogProviderList, MemoryCatalogProvider, MemoryCatalogProviderList,
    MemorySchemaProvider, SchemaProvider, Session, TableProvider,
};
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{
    ColumnStatistics, Constraint, Constraints, DataFusionError, Result, Statistics,
};
use datafusion::datasource::TableType;
use datafusion::datasource::listing::PartitionedFile;
use datafusion::datasource::physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource};
use datafusion::datasource::source::DataSourceExec;
use datafusion::execution::object_store::ObjectStoreUrl;
use datafusion::logical_expr::{
    ColumnarValue, Expr, LogicalPlan, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF,
    ScalarUDFImpl, Signature, TableScan, Volatility,
};
use datafusion::object_store::ObjectMeta;
use datafusion::object_store::path::Path;
use datafusion::physical_expr::ScalarFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::empty::EmptyExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::{ExecutionPlan, PhysicalExpr};

use crate::checksums::CheckedReaders;
use crate::error::ExactError;
use crate::nested::plain;
use crate::numbers::canonical;
use crate::ranges;
use crate::walks::WalkPlan;

/// Catalog under which tables are registered; no query needs to name it.
pub(crate) const CATALOG: &str = "karat";
/// Schema of tables with one-part names.
pub(crate) const SCHEMA: &str = "public";

/// The name by which a query reads a table, `schema.table`; what a function makes is none.
pub(crate) fn name_of(scan: &TableScan) -> Option<String> {
    let name = &scan.table_name;
    if name.table().ends_with("()") {
        return None;
    }
    Some(match name.schema() {
        Some(schema) if schema != SCHEMA => format!("{schema}.{}", name.table()),
        _ => name.table().to_owned(),
    })
}

/// The tables that a plan reads, also in subqueries.
pub(crate) fn tables_read(plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    let mut tables = BTreeSet::new();
    plan.walk_with_subqueries(|node| {
        if let LogicalPlan::TableScan(scan) = node {
            tables.extend(name_of(scan));
        }
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tables)
}

/// The tables that the expressions of a plan's topmost operator ask, in subqueries.
pub(crate) fn tables_asked(plan: &LogicalPlan) -> Result<BTreeSet<String>> {
    let mut tables = BTreeSet::new();
    plan.apply_subqueries(|subquery| {
        tables.extend(tables_read(subquery)?);
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(tables)
}

/// One immutable Parquet file.
#[derive(Clone, Debug)]
pub struct DataFileRef {
    /// Absolute path.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Rows.
    pub rows: u64,
}

/// Files that make a table. A column that an older file lacks reads as null.
#[derive(Clone, Debug)]
pub struct FileSet {
    /// Columns of the table.
    pub schema: SchemaRef,
    /// Its files; [`crate::Engine::scan`] reads them in this order.
    pub files: Vec<DataFileRef>,
    /// Columns that together identify a row, if that is known (D2).
    pub key: Option<Vec<String>>,
}

/// Tables by name.
#[derive(Clone, Default)]
pub struct Tables {
    tables: BTreeMap<(String, String), Arc<dyn TableProvider>>,
}

impl Tables {
    /// No tables.
    pub fn new() -> Tables {
        Tables::default()
    }

    /// Adds a table under a two-part name.
    pub fn insert(&mut self, schema: &str, table: &str, files: FileSet) -> Result<(), ExactError> {
        let provider = FileTable::new(files)?;
        self.tables
            .insert((schema.to_owned(), table.to_owned()), Arc::new(provider));
        Ok(())
    }

    /// Adds a table under a one-part name.
    pub fn insert_plain(&mut self, table: &str, files: FileSet) -> Result<(), ExactError> {
        self.insert(SCHEMA, table, files)
    }

    /// A catalog that holds these tables and nothing else.
    pub(crate) fn catalog(&self) -> Result<Arc<dyn CatalogProviderList>> {
        let catalog = MemoryCatalogProvider::new();
        catalog.register_schema(SCHEMA, Arc::new(MemorySchemaProvider::new()))?;
        let mut schemas: BTreeMap<&str, Arc<MemorySchemaProvider>> = BTreeMap::new();
        for ((schema, table), provider) in &self.tables {
            let schema = schemas.entry(schema).or_default();
            schema.register_table(table.clone(), provider.clone())?;
        }
        for (name, schema) in schemas {
            catalog.register_schema(name, schema)?;
        }
        let list = MemoryCatalogProviderList::new();
        list.register_catalog(CATALOG.to_owned(), Arc::new(catalog));
        Ok(Arc::new(list))
    }
}

/// A table over files. SQL sees its column names folded to lower case (F3).
#[derive(Debug)]
struct FileTable {
    files: FileSet,
    folded: SchemaRef,
    constraints: Constraints,
    /// What is known of the columns, once somebody has asked.
    columns: OnceLock<Vec<ColumnStatistics>>,
}

impl FileTable {
    fn new(files: FileSet) -> Result<FileTable, ExactError> {
        let fields: Vec<Field> = files
            .schema
            .fields()
            .iter()
            .map(|field| {
                field
                    .as_ref()
                    .clone()
                    .with_name(field.name().to_lowercase())
                    .with_data_type(plain(field.data_type()))
            })
            .collect();
        let folded = Schema::new(fields);
        for (at, field) in folded.fields().iter().enumerate() {
            if folded.fields()[..at]
                .iter()
                .any(|other| other.name() == field.name())
            {
                return Err(ExactError::refused(
                    format!(
                        "two columns of a table are called `{}` in SQL",
                        field.name()
                    ),
                    "names are folded to lower case; rename one of them".to_owned(),
                ));
            }
        }
        let mut constraints = Vec::new();
        if let Some(key) = &files.key {
            let indices: Option<Vec<usize>> = key
                .iter()
                .map(|name| folded.index_of(&name.to_lowercase()).ok())
                .collect();
            constraints.extend(indices.map(Constraint::PrimaryKey));
        }
        Ok(FileTable {
            folded: Arc::new(folded),
            constraints: Constraints::new_unverified(constraints),
            columns: OnceLock::new(),
            files,
        })
    }
}

#[async_trait]
impl TableProvider for FileTable {
    fn schema(&self) -> SchemaRef {
        self.folded.clone()
    }

    fn constraints(&self) -> Option<&Constraints> {
        Some(&self.constraints)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn statistics(&self) -> Option<Statistics> {
        let rows = self.files.files.iter().map(|file| file.rows);
        let rows = rows.fold(0, u64::saturating_add);
        let mut known = Statistics::new_unknown(&self.folded);
        let columns = self.columns.get_or_init(|| ranges::known(&self.files));
        known.column_statistics = columns.clone();
        known.num_rows = Precision::Exact(usize::try_from(rows).unwrap_or(usize::MAX));
        Some(known)
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let known = self.columns.get().map(Vec::as_slice);
        let plan = file_scan(&self.files, projection.cloned(), known, false)?;
        let schema = plan.schema();
        let renamed = |name: &str| name.to_lowercase();
        let changed = |field: &Field| {
            matches!(field.data_type(), DataType::Float32 | DataType::Float64)
                || plain(field.data_type()) != *field.data_type()
        };
        if schema
            .fields()
            .iter()
            .all(|field| renamed(field.name()) == *field.name() && !changed(field))
        {
            return Ok(plan);
        }
        let options = Arc::new(state.config_options().clone());
        let mut columns: Vec<(Arc<dyn PhysicalExpr>, String)> = Vec::new();
        for (at, field) in schema.fields().iter().enumerate() {
            let column: Arc<dyn PhysicalExpr> = Arc::new(Column::new(field.name(), at));
            let column: Arc<dyn PhysicalExpr> = if changed(field) {
                let function = Arc::new(ScalarUDF::new_from_impl(OneZero::new()));
                Arc::new(ScalarFunctionExpr::try_new(
                    function,
                    vec![column],
                    schema.as_ref(),
                    options.clone(),
                )?)
            } else {
                column
            };
            columns.push((column, renamed(field.name())));
        }
        Ok(Arc::new(ProjectionExec::try_new(columns, plan)?))
    }
}

/// The function of [`OneZero`].
pub(crate) const ONE_ZERO: &str = "karat_one_zero";

/// Columns as queries see them: doubles with one zero and one NaN (E6), so that sorting, grouping and joining by their bits is right;
/// lists of one kind.
#[derive(Debug, PartialEq, Eq, Hash)]
struct OneZero {
    signature: Signature,
}

impl OneZero {
    fn new() -> OneZero {
        OneZero {
            signature: Signature::any(1, Volatility::Immutable),
        }
    }
}

impl ScalarUDFImpl for OneZero {
    fn name(&self) -> &str {
        ONE_ZERO
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        match types {
            [one] => Ok(plain(one)),
            _ => Err(ExactError::Internal("one column has one zero".to_owned()).into()),
        }
    }

    /// The column keeps what its file says of it beside its type, as the plan expects.
    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.arg_fields {
            [one] => {
                let field = one.as_ref().clone().with_name(self.name());
                Ok(Arc::new(field.with_data_type(plain(one.data_type()))))
            }
            _ => Err(ExactError::Internal("one column has one zero".to_owned()).into()),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [column] = args.args.as_slice() else {
            return Err(ExactError::Internal("one column has one zero".to_owned()).into());
        };
        let column = column.to_array(args.number_rows)?;
        let data_type = plain(column.data_type());
        let column = match data_type == *column.data_type() {
            true => column,
            false => {
                let strict = CastOptions {
                    safe: false,
                    ..CastOptions::default()
                };
                cast_with_options(&column, &data_type, &strict)?
            }
        };
        Ok(ColumnarValue::Array(one_zero(column)))
    }
}

/// The array with one zero and one NaN, if it holds doubles.
pub(crate) fn one_zero(column: ArrayRef) -> ArrayRef {
    let any = column.as_any();
    if let Some(doubles) = any.downcast_ref::<Float64Array>() {
        return Arc::new(doubles.unary::<_, Float64Type>(canonical));
    }
    if let Some(singles) = any.downcast_ref::<Float32Array>() {
        let fold = |x: f32| if x.is_nan() { f32::NAN } else { x + 0.0 };
        return Arc::new(singles.unary::<_, Float32Type>(fold));
    }
    column
}

/// Reads files, in list order within one partition if `in_order`.
pub(crate) fn file_scan(
    files: &FileSet,
    projection: Option<Vec<usize>>,
    known: Option<&[ColumnStatistics]>,
    in_order: bool,
) -> Result<Arc<dyn ExecutionPlan>> {
    if files.files.is_empty() {
        let schema = match projection {
            Some(columns) => Arc::new(files.schema.project(&columns)?),
            None => files.schema.clone(),
        };
        return Ok(Arc::new(EmptyExec::new(schema)));
    }
    let mut group = Vec::with_capacity(files.files.len());
    let (mut rows, mut bytes) = (0, 0);
    for file in &files.files {
        group.push(partitioned(file)?);
        rows += usize::try_from(file.rows).unwrap_or(usize::MAX);
        bytes += usize::try_from(file.size).unwrap_or(usize::MAX);
    }
    let mut statistics = Statistics::new_unknown(&files.schema);
    if let Some(known) = known {
        statistics.column_statistics = known.to_vec();
    }
    statistics.num_rows = Precision::Exact(rows);
    statistics.total_byte_size = Precision::Inexact(bytes);
    let source = ParquetSource::new(files.schema.clone())
        .with_parquet_file_reader_factory(Arc::new(CheckedReaders::new()));
    let source = Arc::new(source);
    let config = FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), source)
        .with_file_group(FileGroup::new(group))
        .with_statistics(statistics)
        .with_preserve_order(in_order)
        .with_projection_indices(projection)?
        .build();
    Ok(DataSourceExec::from_data_source(config))
}

/// A file as scans take it.
pub(crate) fn partitioned(file: &DataFileRef) -> Result<PartitionedFile> {
    // Object stores take no path with `..`.
    let climbs = file
        .path
        .components()
        .any(|part| part == Component::ParentDir);
    let path = match climbs {
        true => Cow::Owned(file.path.canonicalize()?),
        false => Cow::Borrowed(file.path.as_path()),
    };
    let location = Path::from_absolute_path(path)
        .map_err(|error| DataFusionError::External(Box::new(error)))?;
    Ok(PartitionedFile::new_from_meta(ObjectMeta {
        location,
        // A data file never changes, so its time is of no interest.
        last_modified: Default::default(),
        size: file.size,
        e_tag: None,
        version: None,
    }))
}
