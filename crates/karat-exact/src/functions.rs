//! The functions that SQL may call: an allow-list of DataFusion's deterministic ones, and karat's own. Everything else is refused by name.

use std::collections::BTreeSet;
use std::sync::Arc;

use datafusion::execution::session_state::SessionStateBuilder;
use datafusion::logical_expr::{AggregateUDF, HigherOrderUDF, ScalarUDF, WindowUDF};

use crate::accumulators;
use crate::aggregates::{self, Extreme};
use crate::approximate::Different;
use crate::checked::{Checked, Clock, Operation, Places};
use crate::collected::Collected;
use crate::elementary::Elementary;
use crate::named::Named;
use crate::numbers::Op;
use crate::parameters::BUSINESS_DATE;
use crate::scalar::Scalar;
use crate::session::Settings;

/// DataFusion's scalar functions that give one answer everywhere, and whether a row's values can make them fail.
const SCALAR: &[(&str, Fails)] = {
    use Fails::{Never, OnValues};
    &[
        ("array_any_value", OnValues),
        ("array_append", OnValues),
        ("array_compact", OnValues),
        ("array_concat", OnValues),
        ("array_dims", OnValues),
        ("array_distinct", OnValues),
        ("array_element", OnValues),
        ("array_except", OnValues),
        ("array_has", OnValues),
        ("array_has_all", OnValues),
        ("array_has_any", OnValues),
        ("array_intersect", OnValues),
        ("array_length", OnValues),
        ("array_max", OnValues),
        ("array_min", OnValues),
        ("array_ndims", OnValues),
        ("array_pop_back", OnValues),
        ("array_pop_front", OnValues),
        ("array_position", OnValues),
        ("array_positions", OnValues),
        ("array_prepend", OnValues),
        ("array_remove", OnValues),
        ("array_remove_all", OnValues),
        ("array_remove_n", OnValues),
        ("array_repeat", OnValues),
        ("array_replace", OnValues),
        ("array_replace_all", OnValues),
        ("array_replace_n", OnValues),
        ("array_resize", OnValues),
        ("array_reverse", OnValues),
        ("array_slice", OnValues),
        ("array_sort", OnValues),
        ("array_to_string", OnValues),
        ("array_union", OnValues),
        ("arrays_zip", OnValues),
        ("ascii", Never),
        ("bit_length", Never),
        ("btrim", Never),
        ("cardinality", OnValues),
        ("character_length", Never),
        ("chr", OnValues),
        ("coalesce", Never),
        ("concat", Never),
        ("concat_ws", Never),
        ("contains", Never),
        ("date_part", Never),
        ("empty", OnValues),
        ("ends_with", Never),
        ("find_in_set", Never),
        ("flatten", OnValues),
        ("get_field", OnValues),
        ("greatest", Never),
        ("initcap", Never),
        ("least", Never),
        ("left", Never),
        ("levenshtein", Never),
        ("lower", Never),
        ("lpad", OnValues),
        ("ltrim", Never),
        ("make_array", Never),
        ("make_date", OnValues),
        ("map", OnValues),
        ("map_entries", OnValues),
        ("map_extract", OnValues),
        ("map_keys", OnValues),
        ("map_values", OnValues),
        ("named_struct", Never),
        ("nullif", Never),
        ("nvl", Never),
        ("nvl2", Never),
        ("octet_length", Never),
        ("overlay", OnValues),
        ("regexp_count", OnValues),
        ("regexp_instr", OnValues),
        ("regexp_like", OnValues),
        ("regexp_match", OnValues),
        ("regexp_replace", OnValues),
        ("repeat", OnValues),
        ("replace", OnValues),
        ("reverse", Never),
        ("right", Never),
        ("rpad", OnValues),
        ("rtrim", Never),
        ("split_part", OnValues),
        ("starts_with", Never),
        ("string_to_array", OnValues),
        ("strpos", Never),
        ("struct", Never),
        ("substr", OnValues),
        ("substr_index", Never),
        ("to_char", OnValues),
        ("to_hex", OnValues),
        ("translate", OnValues),
        ("upper", Never),
    ]
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Fails {
    Never,
    OnValues,
}

/// Aggregates of DataFusion that are exact in any order.
const AGGREGATES: &[&str] = &[
    "array_agg",
    "bit_and",
    "bit_or",
    "bit_xor",
    "bool_and",
    "bool_or",
    "count",
    "first_value",
    "grouping",
    "last_value",
    "max",
    "min",
    "nth_value",
    "string_agg",
];

/// DataFusion's functions of a list and of a function of its elements.
const HIGHER_ORDER: &[&str] = &[
    "array_all_match",
    "array_any_match",
    "array_filter",
    "array_first",
    "array_transform",
];

/// Window functions of DataFusion.
const WINDOWS: &[&str] = &[
    "cume_dist",
    "dense_rank",
    "first_value",
    "lag",
    "last_value",
    "lead",
    "nth_value",
    "ntile",
    "percent_rank",
    "rank",
    "row_number",
];

/// Whether DataFusion's function of this name can fail for what a row holds.
pub(crate) fn fails_on_values(name: &str) -> bool {
    SCALAR
        .binary_search_by(|(known, _)| known.cmp(&name))
        .map_or(true, |index| SCALAR[index].1 == Fails::OnValues)
}

fn own(settings: &Settings) -> Vec<Arc<ScalarUDF>> {
    let operations = [
        Operation::Negate,
        Operation::Absolute,
        Operation::Round(Places::Round),
        Operation::Round(Places::Truncate),
        Operation::Round(Places::Floor),
        Operation::Round(Places::Ceiling),
        Operation::DecimalFromDouble,
        Operation::ToDate,
        Operation::ToTimestamp,
        Operation::DateTrunc,
        Operation::UuidFrom,
        Operation::Clock(Clock::Now),
        Operation::Clock(Clock::Date),
        Operation::Clock(Clock::Time),
    ];
    let udf = |operation| {
        Arc::new(ScalarUDF::new_from_impl(Checked::new(
            operation,
            settings.rules(),
            settings.logical_time_us,
        )))
    };
    let arithmetic = Op::ALL.into_iter().map(Operation::Arithmetic);
    let elementary = Elementary::ALL.into_iter().map(Operation::Elementary);
    let further = Scalar::NAMED.into_iter().map(Operation::Scalar);
    arithmetic
        .chain(operations)
        .chain(elementary)
        .chain(further)
        .map(udf)
        .collect()
}

/// The functions of a session.
pub(crate) struct Registry {
    pub(crate) scalar: Vec<Arc<ScalarUDF>>,
    pub(crate) aggregate: Vec<Arc<AggregateUDF>>,
    pub(crate) window: Vec<Arc<WindowUDF>>,
    pub(crate) higher_order: Vec<Arc<HigherOrderUDF>>,
}

impl Registry {
    pub(crate) fn new(settings: &Settings) -> Registry {
        let mut defaults = SessionStateBuilder::new_with_default_features();
        let mut scalar: Vec<Arc<ScalarUDF>> =
            defaults.scalar_functions().take().unwrap_or_default();
        scalar.retain(|f| {
            SCALAR
                .binary_search_by(|(known, _)| (*known).cmp(f.name()))
                .is_ok()
        });
        for function in &mut scalar {
            // The optimizer knows `get_field` by its type.
            if fails_on_values(function.name()) && function.name() != "get_field" {
                let inner = function.as_ref().clone();
                *function = Arc::new(ScalarUDF::new_from_impl(Named::new(inner)));
            }
        }
        scalar.extend(own(settings));
        let mut aggregate: Vec<Arc<AggregateUDF>> =
            defaults.aggregate_functions().take().unwrap_or_default();
        aggregate.retain(|f| AGGREGATES.contains(&f.name()));
        for function in &mut aggregate {
            let inner = function.as_ref().clone();
            match function.name() {
                "min" | "max" => {
                    *function = Arc::new(AggregateUDF::new_from_impl(Extreme { inner }));
                }
                "array_agg" | "string_agg" => {
                    *function = Arc::new(AggregateUDF::new_from_impl(Collected { inner }));
                }
                _ => {}
            }
        }
        aggregate.extend(aggregates::functions(settings.rounding));
        aggregate.extend(accumulators::functions(settings.rounding));
        aggregate.push(Arc::new(AggregateUDF::new_from_impl(Different::new())));
        let mut window: Vec<Arc<WindowUDF>> =
            defaults.window_functions().take().unwrap_or_default();
        window.retain(|f| WINDOWS.contains(&f.name()));
        let mut higher_order: Vec<Arc<HigherOrderUDF>> =
            defaults.higher_order_functions().take().unwrap_or_default();
        higher_order.retain(|f| HIGHER_ORDER.contains(&f.name()));
        Registry {
            scalar,
            aggregate,
            window,
            higher_order,
        }
    }

    /// All names that SQL may use.
    pub(crate) fn names(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        for f in &self.scalar {
            names.insert(f.name().to_string());
            names.extend(f.aliases().iter().cloned());
        }
        for f in &self.aggregate {
            names.insert(f.name().to_string());
            names.extend(f.aliases().iter().cloned());
        }
        for f in &self.window {
            names.insert(f.name().to_string());
            names.extend(f.aliases().iter().cloned());
        }
        for f in &self.higher_order {
            names.insert(f.name().to_string());
            names.extend(f.aliases().iter().cloned());
        }
        names.retain(|name| !name.starts_with("karat_"));
        names
    }
}

/// The names of all functions that SQL may call, sorted.
pub fn function_names() -> Vec<String> {
    let mut names = crate::session::known_functions().clone();
    names.insert(BUSINESS_DATE.to_owned());
    names.into_iter().collect()
}

/// Why a function that exists elsewhere is not offered, and what to use instead.
pub(crate) fn refused(name: &str) -> Option<(&'static str, &'static str)> {
    Some(match name {
        "random" | "rand" => (
            "has no single answer",
            "take a value from a column, or uuid_from(...) of a key",
        ),
        "uuid" | "gen_random_uuid" | "newid" => (
            "has no single answer",
            "use uuid_from(...) of the columns that identify the row",
        ),
        "business_date" => ("takes no argument", "write business_date()"),
        "approx_percentile_cont_with_weight" => (
            "has no exact answer: weights that are no whole numbers are not rows",
            "percentile_cont(x, 0.9) within group (order by x) is exact",
        ),
        "first" | "last" | "arbitrary" => (
            "has no single answer",
            "use any_value(x), or first_value(x order by ...)",
        ),
        "version" | "input_file_name" | "file_row_index" => {
            ("tells of the machine, not of the rows", "")
        }
        "arrow_field" | "arrow_metadata" => (
            "tells of the plan, not of the rows",
            "arrow_typeof(x) names the type",
        ),
        "date_diff" | "datediff" => ("is not there yet", "use date - date"),
        "blake2b" | "blake2s" | "blake3" => ("is not offered", "use sha256(x)"),
        _ => return None,
    })
}

/// What to write for a function that other databases have under this name, where no name near it is meant.
pub(crate) fn called_elsewhere(name: &str) -> Option<&'static str> {
    Some(match name {
        "to_number" | "parse_number" | "try_to_number" | "to_decimal" => {
            "write cast(x as decimal(18, 2)), for '1.234,56' cast(translate(x, ',.', '.') as decimal(18, 2))"
        }
        "len" => "write length(x)",
        "listagg" | "group_concat" => "write string_agg(x, ', ' order by x)",
        "count_distinct" => "write count(distinct x)",
        "strptime" | "str_to_date" | "parse_date" | "parse_timestamp" => {
            "write to_timestamp(x, '%d.%m.%Y %H:%M:%S') or to_date(x, '%d.%m.%Y')"
        }
        "getdate" | "sysdate" | "sysdatetime" => "write now() or current_date",
        "iif" => "write case when c then a else b end, or if(c, a, b)",
        "date" => "write cast(x as date)",
        "isnull" => "write coalesce(x, y), or ask x is null",
        "charindex" | "locate" => "write strpos(text, part)",
        "dateadd" | "date_add" | "adddate" => "write x + interval '1 day'",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_sorted() {
        assert!(SCALAR.is_sorted_by(|a, b| a.0 < b.0));
        assert!(AGGREGATES.is_sorted());
        assert!(WINDOWS.is_sorted());
    }
}
