//! The RDD interface is used.

use super::{CallFacts, Rule};
use crate::occurrence::Severity;

/// The rule.
pub(super) static RULE: Rule = Rule {
    id: "refused/rdd",
    severity: Severity::Error,
    finds: "The RDD interface is used.",
    why: "Unity Catalog refuses RDDs on clusters of standard (shared) access mode and on serverless compute: they would pass by the rights on tables.",
    before: "df.rdd.map(f).collect()",
    after: "df.mapInPandas(f, schema)",
    not_safe: "Functions on rows and functions on frames get their data in another shape. `sc.parallelize(rows)` becomes `spark.createDataFrame(rows)`.",
};

const METHODS: &[&str] = &[
    "parallelize",
    "mapPartitions",
    "mapPartitionsWithIndex",
    "foreachPartition",
    "emptyRDD",
    "wholeTextFiles",
    "binaryRecords",
    "binaryFiles",
    "sequenceFile",
    "newAPIHadoopFile",
    "newAPIHadoopRDD",
    "hadoopFile",
    "hadoopRDD",
    "pickleFile",
    "saveAsTextFile",
    "saveAsObjectFile",
    "saveAsSequenceFile",
    "saveAsPickleFile",
    "saveAsHadoopFile",
    "saveAsNewAPIHadoopFile",
    "saveAsHadoopDataset",
    "saveAsNewAPIHadoopDataset",
    "union",
    "runJob",
    "textFile",
    "aggregateByKey",
    "reduceByKey",
    "groupByKey",
    "zipWithIndex",
    "sparkSession.emptyDataset",
];

pub(super) fn check(facts: &CallFacts<'_>) -> Option<String> {
    let context = facts.on_context();
    let plain = matches!(facts.method, "union" | "textFile" | "groupByKey");
    let found = METHODS.contains(&facts.method)
        && (context || !plain && (!facts.path.is_empty() && facts.path != "?"));
    found.then(|| format!("`{}` belongs to the RDD interface", facts.method))
}

pub(super) fn attribute(path: &str) -> Option<String> {
    path.ends_with(".rdd")
        .then(|| "`.rdd` belongs to the RDD interface".to_owned())
}
