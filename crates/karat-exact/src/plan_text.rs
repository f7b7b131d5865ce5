//! A physical plan for people: one operator a line, in SQL's words, inputs further right.

use datafusion::datasource::physical_plan::FileScanConfig;
use datafusion::datasource::source::DataSourceExec;
use datafusion::physical_plan::{ExecutionPlan, displayable};

/// The plan's operators, the last one first.
pub(crate) fn lines(plan: &dyn ExecutionPlan) -> Vec<String> {
    let mut lines = Vec::new();
    write(plan, 0, &mut lines);
    lines
}

fn write(plan: &dyn ExecutionPlan, depth: usize, lines: &mut Vec<String>) {
    if let ("CooperativeExec", [input]) = (plan.name(), plan.children().as_slice()) {
        return write(input.as_ref(), depth, lines);
    }
    let indent = "  ".repeat(depth);
    lines.push(format!("{indent}{}", line(plan)));
    for child in plan.children() {
        write(child.as_ref(), depth + 1, lines);
    }
}

fn line(plan: &dyn ExecutionPlan) -> String {
    if let Some(scan) = plan.downcast_ref::<DataSourceExec>() {
        return scanned(scan);
    }
    let shown = displayable(plan).one_line().to_string();
    let details = shown.trim().split_once(": ").map(|(_, details)| details);
    let word = word(plan.name());
    match details {
        Some(details) => format!("{word}: {}", plain(details)),
        None => word,
    }
}

fn scanned(scan: &DataSourceExec) -> String {
    let files = (scan.data_source().as_ref() as &dyn std::any::Any)
        .downcast_ref::<FileScanConfig>()
        .map(|config| {
            config
                .file_groups
                .iter()
                .map(|group| group.len())
                .sum::<usize>()
        });
    let schema = scan.schema();
    let columns: Vec<&str> = schema
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .collect();
    let files = match files {
        Some(1) => " 1 file".to_owned(),
        Some(files) => format!(" {files} files"),
        None => String::new(),
    };
    format!("scan{files}: columns [{}]", columns.join(", "))
}

/// What SQL calls an operator.
fn word(name: &str) -> String {
    let name = name.split('(').next().unwrap_or(name);
    let known = match name {
        "AggregateExec" => "group",
        "BoundedWindowAggExec" | "WindowAggExec" => "window",
        "CoalesceBatchesExec" => "larger batches",
        "CoalescePartitionsExec" => "gather",
        "CrossJoinExec" => "cross join",
        "DictionaryAggregateExec" => "group on codes",
        "EmptyExec" => "no rows",
        "FilterExec" => "filter",
        "GlobalLimitExec" | "LocalLimitExec" => "limit",
        "FittingJoinExec" | "HashJoinExec" => "hash join",
        "HeldRowsExec" => "count memory",
        "OnceExec" => "compute once",
        "NestedLoopJoinExec" => "nested-loop join",
        "PlaceholderRowExec" => "one row",
        "ProjectionExec" => "select",
        "RepartitionExec" => "exchange",
        "SortExec" => "sort",
        "SortMergeJoinExec" => "merge join",
        "SortPreservingMergeExec" => "merge sorted",
        "UnionExec" => "union all",
        "WindowPiecesExec" => "by partitions",
        other => return other.trim_end_matches("Exec").to_owned(),
    };
    known.to_owned()
}

/// Details without the places of columns and without karat's own prefix.
fn plain(details: &str) -> String {
    let mut text = String::with_capacity(details.len());
    let mut letters = details.chars().peekable();
    while let Some(letter) = letters.next() {
        if letter == '@' && letters.peek().is_some_and(char::is_ascii_digit) {
            while letters.next_if(char::is_ascii_digit).is_some() {}
        } else {
            text.push(letter);
        }
    }
    text.replace("karat_", "")
        .replace("count(Int64(1))", "count(*)")
}
