//! Functions by what they mean: only those of which it is known that karat gives the same are taken over.

use super::Dialect;

/// What becomes of a function's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// karat has it under this name.
    Same,
    /// karat has it under another.
    Renamed(&'static str),
    /// Spark's `concat`, null where one argument is: `a || b`.
    Joined,
    /// It means something else, or nobody looked; with what to write instead, where that is known.
    Other(&'static str),
}

/// The same in all engines that are imported.
const SAME: &[&str] = &[
    "abs",
    "acos",
    "asin",
    "atan",
    "atan2",
    "avg",
    "bool_and",
    "bool_or",
    "ceil",
    "ceiling",
    "coalesce",
    "concat_ws",
    "cos",
    "count",
    "cume_dist",
    "current_date",
    "current_timestamp",
    "degrees",
    "dense_rank",
    "exp",
    "extract",
    "first_value",
    "floor",
    "ifnull",
    "lag",
    "last_value",
    "lead",
    "left",
    "ln",
    "lower",
    "lpad",
    "ltrim",
    "max",
    "md5",
    "min",
    "mod",
    "nth_value",
    "ntile",
    "nullif",
    "percent_rank",
    "pi",
    "power",
    "pow",
    "radians",
    "rank",
    "repeat",
    "replace",
    "reverse",
    "right",
    "round",
    "row_number",
    "rpad",
    "rtrim",
    "sin",
    "sqrt",
    "substr",
    "substring",
    "sum",
    "tan",
    "trim",
    "upper",
    "char_length",
    "character_length",
    "length",
    "try_cast",
    "unnest",
    "stddev_samp",
    "stddev_pop",
    "var_samp",
    "var_pop",
    "covar_samp",
    "covar_pop",
    "corr",
    "grouping",
    "if",
    "year",
    "month",
    "quarter",
    "hour",
    "minute",
];

const DAYS_BETWEEN: Meaning = Meaning::Other("of dates `a - b` is the number of days between them");
const FIRST_OF: Meaning = Meaning::Other("`first_value(…) over (…)`: nulls count otherwise there");

const DUCKDB: &[(&str, Meaning)] = &[
    ("concat", Meaning::Same),
    ("greatest", Meaning::Same),
    ("least", Meaning::Same),
    ("date_trunc", Meaning::Same),
    ("date_part", Meaning::Same),
    ("datetrunc", Meaning::Renamed("date_trunc")),
    ("now", Meaning::Same),
    ("today", Meaning::Renamed("current_date")),
    ("len", Meaning::Renamed("length")),
    ("strpos", Meaning::Same),
    ("instr", Meaning::Same),
    ("starts_with", Meaning::Same),
    ("contains", Meaning::Same),
    ("split_part", Meaning::Same),
    ("string_agg", Meaning::Same),
    ("listagg", Meaning::Renamed("string_agg")),
    ("group_concat", Meaning::Renamed("string_agg")),
    ("array_agg", Meaning::Same),
    ("list", Meaning::Same),
    ("any_value", Meaning::Same),
    ("arg_max", FIRST_OF),
    ("arg_min", FIRST_OF),
    ("max_by", FIRST_OF),
    ("min_by", FIRST_OF),
    ("median", Meaning::Same),
    ("mode", Meaning::Same),
    ("quantile_cont", Meaning::Same),
    ("quantile_disc", Meaning::Same),
    ("percentile_cont", Meaning::Same),
    ("percentile_disc", Meaning::Same),
    ("stddev", Meaning::Same),
    ("variance", Meaning::Same),
    ("count_if", Meaning::Same),
    ("countif", Meaning::Renamed("count_if")),
    ("day", Meaning::Same),
    ("dayofyear", Meaning::Same),
    ("week", Meaning::Same),
    ("trunc", Meaning::Same),
    ("sign", Meaning::Same),
    ("gcd", Meaning::Same),
    ("lcm", Meaning::Same),
    ("make_date", Meaning::Same),
    ("regexp_replace", Meaning::Same),
    ("levenshtein", Meaning::Same),
    ("chr", Meaning::Same),
    ("ascii", Meaning::Same),
    ("log10", Meaning::Same),
    ("log2", Meaning::Same),
    ("date_diff", DAYS_BETWEEN),
    ("datediff", DAYS_BETWEEN),
    ("strftime", Meaning::Other("`to_char(x, '%Y-%m')`")),
    (
        "regexp_matches",
        Meaning::Other("`regexp_like(text, pattern)`, if the pattern means the same"),
    ),
];

const POSTGRES: &[(&str, Meaning)] = &[
    ("initcap", Meaning::Same),
    ("concat", Meaning::Same),
    ("greatest", Meaning::Same),
    ("least", Meaning::Same),
    ("date_trunc", Meaning::Same),
    ("date_part", Meaning::Same),
    ("now", Meaning::Same),
    ("strpos", Meaning::Same),
    ("starts_with", Meaning::Same),
    ("split_part", Meaning::Same),
    ("string_agg", Meaning::Same),
    ("array_agg", Meaning::Same),
    ("btrim", Meaning::Same),
    ("every", Meaning::Same),
    ("mode", Meaning::Same),
    ("percentile_cont", Meaning::Same),
    ("percentile_disc", Meaning::Same),
    ("stddev", Meaning::Same),
    ("variance", Meaning::Same),
    ("div", Meaning::Same),
    ("trunc", Meaning::Same),
    ("sign", Meaning::Same),
    ("gcd", Meaning::Same),
    ("lcm", Meaning::Same),
    ("make_date", Meaning::Same),
    ("chr", Meaning::Same),
    ("ascii", Meaning::Same),
    ("nvl", Meaning::Same),
    (
        "to_char",
        Meaning::Other("`to_char(x, '%Y-%m')`: karat's patterns have `%`"),
    ),
    (
        "to_date",
        Meaning::Other("`to_date(x, '%Y-%m-%d')`: karat's patterns have `%`"),
    ),
    ("datediff", DAYS_BETWEEN),
];

const SPARK: &[(&str, Meaning)] = &[
    ("concat", Meaning::Joined),
    ("greatest", Meaning::Same),
    ("least", Meaning::Same),
    ("date_trunc", Meaning::Same),
    ("date_part", Meaning::Same),
    ("now", Meaning::Same),
    ("nvl", Meaning::Same),
    ("nvl2", Meaning::Same),
    ("ucase", Meaning::Renamed("upper")),
    ("lcase", Meaning::Renamed("lower")),
    ("len", Meaning::Renamed("length")),
    ("instr", Meaning::Same),
    ("startswith", Meaning::Renamed("starts_with")),
    ("contains", Meaning::Same),
    ("btrim", Meaning::Same),
    ("split_part", Meaning::Same),
    ("any_value", Meaning::Same),
    ("max_by", Meaning::Same),
    ("min_by", Meaning::Same),
    ("median", Meaning::Same),
    ("percentile", Meaning::Renamed("percentile_cont")),
    ("percentile_cont", Meaning::Same),
    ("percentile_disc", Meaning::Same),
    ("stddev", Meaning::Same),
    ("variance", Meaning::Same),
    ("std", Meaning::Renamed("stddev")),
    ("count_if", Meaning::Same),
    ("every", Meaning::Same),
    ("some", Meaning::Renamed("bool_or")),
    ("any", Meaning::Renamed("bool_or")),
    ("day", Meaning::Same),
    ("dayofmonth", Meaning::Same),
    ("dayofyear", Meaning::Same),
    ("weekofyear", Meaning::Renamed("week")),
    ("sign", Meaning::Same),
    ("signum", Meaning::Same),
    ("factorial", Meaning::Same),
    ("levenshtein", Meaning::Same),
    ("chr", Meaning::Same),
    ("ascii", Meaning::Same),
    ("log10", Meaning::Same),
    ("log2", Meaning::Same),
    ("make_date", Meaning::Same),
    ("approx_count_distinct", Meaning::Same),
    (
        "collect_list",
        Meaning::Other("`array_agg(x)`, which keeps nulls"),
    ),
    (
        "collect_set",
        Meaning::Other("`array_agg(distinct x)`, which keeps nulls"),
    ),
    (
        "date_add",
        Meaning::Other("`d + n` of a date and whole days"),
    ),
    (
        "date_sub",
        Meaning::Other("`d - n` of a date and whole days"),
    ),
    ("datediff", DAYS_BETWEEN),
    (
        "date_format",
        Meaning::Other("`to_char(x, '%Y-%m')`: karat's patterns have `%`"),
    ),
    (
        "to_date",
        Meaning::Other("`cast(x as date)`, or `to_date(x, '%d.%m.%Y')`: karat's patterns have `%`"),
    ),
    (
        "to_timestamp",
        Meaning::Other(
            "`cast(x as timestamp)`, or `to_timestamp(x, '%d.%m.%Y %H:%M')`: karat's patterns have `%`",
        ),
    ),
    (
        "from_json",
        Meaning::Other("take the fields in the feed: `json: { … }`"),
    ),
    (
        "input_file_name",
        Meaning::Other("`_object` of bronze, in a silver model"),
    ),
    ("log", Meaning::Other("`ln(x)` for one argument")),
];

const SNOWFLAKE: &[(&str, Meaning)] = &[
    // Null where one argument is.
    ("concat_ws", Meaning::Other("`a || '-' || b`")),
    ("concat", Meaning::Joined),
    ("date_trunc", Meaning::Same),
    ("date_part", Meaning::Same),
    ("nvl", Meaning::Same),
    ("nvl2", Meaning::Same),
    ("iff", Meaning::Renamed("if")),
    ("len", Meaning::Renamed("length")),
    ("startswith", Meaning::Renamed("starts_with")),
    ("contains", Meaning::Same),
    ("split_part", Meaning::Same),
    (
        "listagg",
        Meaning::Other("`string_agg(x, ',' order by x)`, which is null where no row is"),
    ),
    ("any_value", Meaning::Same),
    ("max_by", Meaning::Same),
    ("min_by", Meaning::Same),
    ("median", Meaning::Same),
    ("stddev", Meaning::Same),
    ("variance", Meaning::Same),
    ("count_if", Meaning::Same),
    ("booland_agg", Meaning::Renamed("bool_and")),
    ("boolor_agg", Meaning::Renamed("bool_or")),
    ("day", Meaning::Same),
    ("sign", Meaning::Same),
    ("datediff", DAYS_BETWEEN),
    ("dateadd", Meaning::Other("`d + interval '1 day'`")),
];

const BIGQUERY: &[(&str, Meaning)] = &[
    // It gives bytes.
    ("md5", Meaning::Other("")),
    ("concat", Meaning::Joined),
    ("countif", Meaning::Renamed("count_if")),
    ("logical_and", Meaning::Renamed("bool_and")),
    ("logical_or", Meaning::Renamed("bool_or")),
    ("starts_with", Meaning::Same),
    ("strpos", Meaning::Same),
    ("string_agg", Meaning::Same),
    ("any_value", Meaning::Same),
    ("stddev", Meaning::Same),
    ("variance", Meaning::Same),
    ("sign", Meaning::Same),
    ("div", Meaning::Same),
    ("safe_cast", Meaning::Renamed("try_cast")),
];

/// Why a call of a function that is taken over is not, by its arguments: each engine reads them otherwise.
pub(crate) fn odd_call(
    dialect: Dialect,
    name: &str,
    arguments: usize,
    has_open_frame: bool,
) -> Option<&'static str> {
    match name {
        // Spark has the letters first, others the text.
        "ltrim" | "rtrim" | "trim" if arguments > 1 => match dialect {
            Dialect::DuckDb | Dialect::Postgres | Dialect::Snowflake => None,
            _ => Some("which of its arguments is the text is not the same everywhere"),
        },
        "last_value" | "nth_value" if has_open_frame => match dialect {
            Dialect::DuckDb | Dialect::Postgres | Dialect::Spark | Dialect::BigQuery => None,
            _ => Some("which rows it looks at where no frame is stated is not the same everywhere"),
        },
        "string_agg" | "listagg" | "group_concat" if arguments < 2 => Some(
            "what stands between the texts where it does not say so is not the same everywhere",
        ),
        _ => None,
    }
}

/// What becomes of a function, by its name in lower case.
pub(crate) fn meaning(dialect: Dialect, name: &str) -> Meaning {
    let own = match dialect {
        Dialect::DuckDb => DUCKDB,
        Dialect::Postgres => POSTGRES,
        Dialect::Spark => SPARK,
        Dialect::Snowflake => SNOWFLAKE,
        Dialect::BigQuery => BIGQUERY,
        // What one of them has otherwise is not the same everywhere.
        Dialect::Unknown | Dialect::Redshift => {
            let all = [DUCKDB, POSTGRES, SPARK, SNOWFLAKE, BIGQUERY];
            let mut found = all.into_iter().flatten().filter(|(own, _)| *own == name);
            return match SAME.contains(&name) && found.all(|(_, it)| *it == Meaning::Same) {
                true => Meaning::Same,
                false => Meaning::Other(""),
            };
        }
    };
    if let Some((_, meaning)) = own.iter().find(|(own, _)| *own == name) {
        return *meaning;
    }
    match SAME.contains(&name) {
        true => Meaning::Same,
        false => Meaning::Other(""),
    }
}
