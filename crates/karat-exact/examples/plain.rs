//! DataFusion as it comes, in the same build as karat: what a query costs with its own functions. `bench/query.py` measures it.
//!
//! `plain THREADS NAME=PATH … SQL` answers as CSV; with `--plan` before the query it plans only.

use std::error::Error;

use datafusion::arrow::csv::Writer;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use futures::StreamExt;

/// That of karat.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let sql = arguments.pop().ok_or("a query is missing")?;
    let plan_only = arguments.last().is_some_and(|last| last == "--plan");
    if plan_only {
        arguments.pop();
    }
    let (threads, tables) = arguments.split_first().ok_or("the threads are missing")?;
    let threads: usize = threads.parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let config = SessionConfig::new().with_target_partitions(threads);
        let context = SessionContext::new_with_config(config);
        for table in tables {
            let (name, path) = table
                .split_once('=')
                .ok_or("a table is not of the form NAME=PATH")?;
            let options = ParquetReadOptions::default();
            context.register_parquet(name, path, options).await?;
        }
        let answer = context.sql(&sql).await?;
        if plan_only {
            let plan = answer.create_physical_plan().await?;
            println!("{}", plan.name());
            return Ok(());
        }
        let mut rows = answer.execute_stream().await?;
        let mut writer = Writer::new(std::io::stdout().lock());
        while let Some(batch) = rows.next().await {
            writer.write(&batch?)?;
        }
        Ok(())
    })
}
