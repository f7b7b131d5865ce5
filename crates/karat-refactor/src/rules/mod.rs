//! Code that breaks on three-part names though the name is right, and code that Unity Catalog refuses. One rule, one file.
//!
//! Each file says what its rule finds, why it matters, an example before and after, and when the change is not safe: that text is
//! test and manual page. Rules look at one call, attribute, import, path or SQL text; the evaluation tells them what it is called on.
//! They find and never edit.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::fragment::{Fragment, is_placeholder};
use crate::language::evaluate::{Given, Machine};
use crate::occurrence::{Doubt, Finding, Occurrence, Severity, Subject, Verdict};
use crate::reader::Reader;
use crate::session::Namespace;

/// A rule.
#[derive(Debug)]
pub struct Rule {
    /// By what decisions, SARIF and baselines know it: `family/what`.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What it finds.
    pub finds: &'static str,
    /// Why it matters.
    pub why: &'static str,
    /// An example.
    pub before: &'static str,
    /// The same, mended; empty where there is no general way.
    pub after: &'static str,
    /// When the change is not safe.
    pub not_safe: &'static str,
}

mod called_by_name;
mod catalog_interface;
mod continuous_streams;
mod database_apart;
mod dbfs_paths;
mod default_format;
mod driver_log;
mod from_caller;
mod global_views;
mod hadoop_files;
mod hive_syntax;
mod input_file_name;
mod java_udf;
mod jvm;
mod listed_names;
mod location_in_volume;
mod mounts;
mod name_helper;
mod notebook_context;
mod notebook_path;
mod r_on_clusters;
mod rdd;
mod replaced_dots;
mod run_code;
mod show_statements;
mod spark_context;
mod split_at_dots;
mod storage_keys;
mod udf_runtime;

pub(crate) use database_apart::RULE as DATABASE_APART;
pub(crate) use location_in_volume::RULE as LOCATION_IN_VOLUME;

/// All rules, in the order of their names.
pub static RULES: &[&Rule] = &[
    &from_caller::RULE,
    &notebook_path::RULE,
    &catalog_interface::RULE,
    &continuous_streams::RULE,
    &dbfs_paths::RULE,
    &default_format::RULE,
    &driver_log::RULE,
    &global_views::RULE,
    &hadoop_files::RULE,
    &hive_syntax::RULE,
    &input_file_name::RULE,
    &java_udf::RULE,
    &jvm::RULE,
    &location_in_volume::RULE,
    &mounts::RULE,
    &notebook_context::RULE,
    &r_on_clusters::RULE,
    &rdd::RULE,
    &spark_context::RULE,
    &storage_keys::RULE,
    &udf_runtime::RULE,
    &called_by_name::RULE,
    &database_apart::RULE,
    &listed_names::RULE,
    &name_helper::RULE,
    &replaced_dots::RULE,
    &run_code::RULE,
    &show_statements::RULE,
    &split_at_dots::RULE,
];

/// What is known of a call.
pub(crate) struct CallFacts<'a> {
    /// The language.
    pub(crate) namespace: Namespace,
    /// What it is called on, as `spark.read`; empty for a function.
    pub(crate) path: &'a str,
    /// The last name.
    pub(crate) method: &'a str,
    /// The arguments.
    pub(crate) given: &'a [Given],
}

impl CallFacts<'_> {
    /// The known texts of an argument.
    fn text(&self, index: usize) -> Vec<String> {
        self.given.get(index).map(Given::texts).unwrap_or_default()
    }

    /// The known texts of all arguments.
    fn texts(&self) -> Vec<String> {
        self.given.iter().flat_map(Given::shape).collect()
    }

    /// Whether an argument is exactly one known text.
    fn is_known(&self, index: usize) -> bool {
        self.given.get(index).is_some_and(Given::is_known)
    }

    fn is_literal(&self, index: usize) -> bool {
        self.is_known(index)
    }

    /// Whether it is called on the session.
    fn on_session(&self) -> bool {
        self.path == "spark" || self.path == "sqlContext" || self.path.ends_with("spark")
    }

    /// Whether it is called on the Spark context.
    fn on_context(&self) -> bool {
        self.path == "sc"
            || self.path.ends_with("sparkContext")
            || self.path.ends_with("._sc")
            || self.path.ends_with("SparkContext")
    }
}

type CallRule = (&'static Rule, fn(&CallFacts<'_>) -> Option<String>);
type AttributeRule = (&'static Rule, fn(&str) -> Option<String>);

static CALL_RULES: &[CallRule] = &[
    (&split_at_dots::RULE, split_at_dots::check),
    (&replaced_dots::RULE, replaced_dots::check),
    (&called_by_name::RULE, called_by_name::check),
    (&catalog_interface::RULE, catalog_interface::check),
    (&continuous_streams::RULE, continuous_streams::check),
    (&default_format::RULE, default_format::check),
    (&driver_log::RULE, driver_log::check),
    (&global_views::RULE, global_views::check),
    (&hive_syntax::RULE, hive_syntax::check),
    (&input_file_name::RULE, input_file_name::check),
    (&java_udf::RULE, java_udf::check),
    (&jvm::RULE, jvm::check),
    (&listed_names::RULE, listed_names::check),
    (&mounts::RULE, mounts::check),
    (&notebook_context::RULE, notebook_context::check),
    (&notebook_path::RULE, notebook_path::check),
    (&r_on_clusters::RULE, r_on_clusters::check),
    (&rdd::RULE, rdd::check),
    (&run_code::RULE, run_code::check),
    (&show_statements::RULE, show_statements::check),
    (&spark_context::RULE, spark_context::check),
    (&storage_keys::RULE, storage_keys::check),
    (&udf_runtime::RULE, udf_runtime::check),
];

static ATTRIBUTE_RULES: &[AttributeRule] = &[
    (&driver_log::RULE, driver_log::attribute),
    (&hadoop_files::RULE, hadoop_files::attribute),
    (&jvm::RULE, jvm::attribute),
    (&rdd::RULE, rdd::attribute),
    (&spark_context::RULE, spark_context::attribute),
];

/// Looks at a call.
pub(crate) fn call(
    machine: &mut Machine<'_, '_>,
    path: &str,
    method: &str,
    given: &[Given],
    span: Range<usize>,
) {
    let facts = CallFacts {
        namespace: machine.namespace(),
        path,
        method,
        given,
    };
    for (rule, check) in CALL_RULES {
        if let Some(message) = check(&facts) {
            machine.found(rule, span.clone(), &message);
        }
    }
}

/// Looks at an attribute, `path` and all.
pub(crate) fn attribute(machine: &mut Machine<'_, '_>, path: &str, span: Range<usize>) {
    for (rule, check) in ATTRIBUTE_RULES {
        if let Some(message) = check(path) {
            machine.found(rule, span.clone(), &message);
        }
    }
}

/// Looks at an import.
pub(crate) fn import(
    machine: &mut Machine<'_, '_>,
    span: Range<usize>,
    module: &str,
    names: &[(String, String)],
) {
    let rdd = module.starts_with("pyspark.rdd") || names.iter().any(|(name, _)| name == "RDD");
    if rdd {
        machine.found(&rdd::RULE, span.clone(), "the RDD interface is imported");
    }
    let context = names
        .iter()
        .find(|(name, _)| matches!(name.as_str(), "SparkContext" | "SQLContext" | "HiveContext"));
    if let Some((name, _)) = context {
        machine.found(
            &spark_context::RULE,
            span,
            &format!("`{name}` is an old context that shared clusters refuse"),
        );
    }
}

/// A text is split at its dots.
pub(crate) fn split_by_dot(machine: &mut Machine<'_, '_>, span: Range<usize>) {
    machine.found(
        &split_at_dots::RULE,
        span,
        "with three parts, the first is the catalog and the second the schema",
    );
}

/// Dots of a text are replaced.
pub(crate) fn replaced_dot(machine: &mut Machine<'_, '_>, span: Range<usize>) {
    machine.found(
        &replaced_dots::RULE,
        span,
        "a name with three parts gives another text than before",
    );
}

/// A name is put together from two variables.
pub(crate) fn name_helper(machine: &mut Machine<'_, '_>, span: Range<usize>) {
    machine.found(
        &name_helper::RULE,
        span,
        "a name is put together from a database and a table; it has no catalog",
    );
}

/// A name comes from the caller of a function.
pub(crate) fn from_caller(machine: &mut Machine<'_, '_>, span: Range<usize>) {
    machine.found(
        &from_caller::RULE,
        span,
        "the name is given by the caller of this function, and judged there",
    );
}

/// Looks at a path that code uses.
pub(crate) fn path(reader: &mut Reader<'_>, fragment: &Arc<Fragment>, range: Range<usize>) {
    let Some(text) = fragment.text().get(range.clone()) else {
        return;
    };
    let Some(doubt) = doubt_of_path(text) else {
        return;
    };
    reader.finding(fragment, range, dbfs_paths::RULE.severity, doubt);
}

/// What is told of a path, with a placeholder where something is put in; `None` for paths that Unity Catalog takes.
fn doubt_of_path(text: &str) -> Option<Doubt> {
    let what = dbfs_paths::check(text)?;
    let known: String = text
        .chars()
        .take_while(|letter| !is_placeholder(*letter))
        .take(80)
        .collect();
    let open = if known.len() < text.len() { "…" } else { "" };
    Some(Doubt::new(
        dbfs_paths::RULE.id,
        format!("`{known}{open}`: {what}"),
    ))
}

/// What is told of paths that are rewritten is about the new path: nothing, if Unity Catalog takes it.
pub(crate) fn about_new_paths(findings: &mut Vec<Finding>, occurrences: &[Occurrence]) {
    let mut rewritten: BTreeMap<(usize, usize), String> = BTreeMap::new();
    for occurrence in occurrences {
        if let (Subject::Path, Verdict::Rewritten { new, .. }, Some(old)) =
            (occurrence.subject, &occurrence.verdict, &occurrence.old)
            && let Some((_, rest)) = occurrence.text.split_once(old.as_str())
        {
            let place = (occurrence.range.start, occurrence.range.end);
            rewritten.insert(place, format!("{new}{rest}"));
        }
    }
    findings.retain_mut(|finding| {
        let place = (finding.range.start, finding.range.end);
        let new = rewritten.get(&place);
        let Some(new) = new.filter(|_| finding.doubt.rule == dbfs_paths::RULE.id) else {
            return true;
        };
        let doubt = doubt_of_path(new);
        let is_refused = doubt.is_some();
        finding.doubt = doubt.unwrap_or_else(|| finding.doubt.clone());
        is_refused
    });
}
