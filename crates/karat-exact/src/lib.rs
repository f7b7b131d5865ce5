//! Exact, deterministic SQL on Arrow: checked numbers, exact sums, fingerprints, and the guard that refuses what has no single answer.
//!
//! The only crate that names DataFusion.

pub mod error;
pub mod fingerprint;
pub mod types;

pub use error::{ExactError, SqlError, SqlErrorKind};
pub use fingerprint::Fingerprint;
pub use types::{float_columns, type_name};
pub type BatchStream = datafusion::physical_plan::SendableRecordBatchStream;
pub use datafusion::error::DataFusionError;
pub const TZDATA_VERSION: &str = "x"; pub const UNICODE_VERSION: &str = "x";
use arrow::{array::*, datatypes::*, buffer::BooleanBuffer}; use std::collections::BTreeSet; use std::path::PathBuf;
pub struct Engine;
pub struct FileSet { pub schema: SchemaRef, pub files: Vec<DataFileRef>, pub key: Option<Vec<String>>, pub order: Vec<String> }
pub struct DataFileRef { pub path: PathBuf, pub size: u64, pub rows: u64 }
pub struct Tables; impl Tables { pub fn new()->Self{Tables} pub fn insert(&mut self, _s:&str,_t:&str,_f:FileSet)->Result<(),ExactError>{todo!()} }
pub enum Purpose { Model { key: Option<Vec<String>>, cluster_by: Vec<String>, allow_float: bool }, Query { strict: bool } }
pub struct Prepared; impl Prepared { pub fn schema(&self)->SchemaRef{todo!()} pub fn uses_clock(&self)->bool{todo!()} pub fn notes(&self)->Vec<String>{todo!()} }
pub struct SortColumn; impl SortColumn { pub fn ascending(_n:&str)->Self{SortColumn} pub fn descending(_n:&str)->Self{SortColumn} }
impl Engine { pub fn prepare(&self,_s:&str,_t:&Tables,_p:&Purpose)->Result<Prepared,SqlError>{todo!()} pub async fn stream(&self,_p:&Prepared)->Result<BatchStream,ExactError>{todo!()} pub async fn scan(&self,_f:&FileSet,_c:Option<&[String]>)->Result<BatchStream,ExactError>{todo!()} pub async fn sort(&self,_s:BatchStream,_b:&[SortColumn])->Result<BatchStream,ExactError>{todo!()} }
pub struct RowExpressions; pub struct Evaluated { pub columns: Vec<ArrayRef>, pub failed: Vec<Option<BooleanBuffer>> }
impl RowExpressions { pub fn compile(_e:&Engine,_i:SchemaRef,_x:&[(String,String)])->Result<Self,Vec<(usize,SqlError)>>{todo!()} pub fn output_schema(&self)->SchemaRef{todo!()} pub fn evaluate(&self,_b:&RecordBatch)->Result<Evaluated,ExactError>{todo!()} pub fn columns_used(&self)->BTreeSet<String>{todo!()} pub fn uses_clock(&self)->bool{todo!()} }
pub fn batch_stream(_s:SchemaRef,_x: impl futures::Stream<Item=Result<RecordBatch,ExactError>>+Send+'static)->BatchStream{todo!()}
impl From<DataFusionError> for ExactError { fn from(_e:DataFusionError)->Self{todo!()} }
impl ExactError { pub fn failed_in(_s:&str)->Self{todo!()} }
