//! DataFusion's messages about what somebody wrote, in karat's words: what is wrong, and what to write.

use crate::error::SqlErrorKind;

/// A message in our words.
pub(crate) struct Told {
    pub(crate) kind: SqlErrorKind,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

fn told(kind: SqlErrorKind, message: impl Into<String>, hint: &str) -> Told {
    Told {
        kind,
        message: message.into(),
        hint: Some(hint.to_owned()).filter(|hint| !hint.is_empty()),
    }
}

/// Every message that a text can bring about and that is known; another keeps its words, with our names of types.
pub(crate) fn in_our_words(text: &str) -> Told {
    use SqlErrorKind::{Name, Refused, Type};
    let after = |start: &str| text.split_once(start).map(|(_, rest)| rest);
    if let Some(call) = after("given name and argument types '").and_then(|rest| {
        let end = rest.find("'.").or_else(|| rest.rfind('\''))?;
        rest.get(..end)
    }) && let Some((name, types)) = call.split_once('(')
    {
        let types = our_types(types.trim_end_matches(')'));
        return told(
            Type,
            format!("`{name}` does not take ({types})"),
            "cast an argument, or look at the order of the arguments",
        );
    }
    if text.contains("queries have different number of columns") {
        let verb = text.split(' ').next().unwrap_or_default().to_lowercase();
        return told(
            Type,
            format!("the sides of this `{verb}` have different numbers of columns"),
            "give each side the same columns, in the same order",
        );
    }
    if text.starts_with("Too many columns! The subquery should only return one column") {
        return told(
            Type,
            "a subquery that stands for a value has several columns",
            "let it select one",
        );
    }
    if text.starts_with("Substring without for/from") {
        return told(
            Type,
            "`substr` has no start",
            "write substr(text, start, length), the first letter is 1",
        );
    }
    for (clause, start, between) in [
        (
            "group by",
            "Cannot find column with position ",
            " in SELECT clause. Valid columns: 1 to ",
        ),
        (
            "order by",
            "Order by column out of bounds, specified: ",
            ", max: ",
        ),
    ] {
        if let Some((asked, most)) = after(start).and_then(|rest| rest.split_once(between)) {
            let are = if most == "1" { "is" } else { "are" };
            return told(
                Name,
                format!("`{clause} {asked}` counts columns, and there {are} {most}"),
                &format!("{} by a name", clause.trim_end_matches(" by")),
            );
        }
    }
    if let Some(rest) = after("Source table contains ")
        && let Some((has, rest)) = rest.split_once(" columns but only ")
        && let Some((named, _)) = rest.split_once(' ')
    {
        return told(
            Name,
            format!("a table has {has} columns, and its alias names {named}"),
            "name all of them, or none",
        );
    }
    if let Some(rest) = after("Invalid input syntax for type interval: ") {
        let written = rest.trim_matches('"');
        return told(
            Type,
            format!("`{written}` is no interval"),
            "write it like interval '1 month' or interval '2 days'",
        );
    }
    if let Some(rest) = text.strip_prefix("Cannot access field at argument ") {
        let of = rest
            .split_once("type ")
            .and_then(|(_, rest)| rest.split_once(" is not"))
            .map_or("value", |(of, _)| of);
        return told(
            Type,
            format!("a field of a {}: only a struct has fields", our_types(of)),
            "a column is written column, or table.column",
        );
    }
    if text.starts_with("Correlated scalar subquery can only be used in") {
        return told(
            Refused,
            "a subquery that asks for the row stands in `order by` or in the condition of a join",
            "give it a name in the select list and order by that; or join without it, and write it into `where`",
        );
    }
    if text.contains("LIMIT must be >= 0") || text.contains("OFFSET must be >= 0") {
        return told(
            Type,
            "`limit` and `offset` count rows: less than 0 there are not",
            "write a number of at least 0",
        );
    }
    if text.starts_with("Unsupported ast node") || text.contains("Unsupported JOIN operator") {
        return told(
            Refused,
            "this form of SQL is not offered",
            "docs/sql.md tells what is; look at the part of the query that is less usual",
        );
    }
    if text.starts_with("Unnest should be rewritten") {
        return told(
            Refused,
            "`unnest` stands where no list is taken apart: in `where`, an aggregate, a window or `distinct on`",
            "take it apart in a subquery: select … from (select unnest(list) as element from t)",
        );
    }
    if text.starts_with("unnest() can only be applied to") {
        return told(
            Type,
            "`unnest` takes a list or a struct",
            "map_entries(m) is the list of a map's entries",
        );
    }
    if text.starts_with("Aggregate ORDER BY is not implemented for window functions") {
        return told(
            Refused,
            "an aggregate with `over` has no order of its own",
            "write the order into over (…), with a frame: rows between unbounded preceding and unbounded following",
        );
    }
    if text.starts_with("OVER and WITHIN GROUP") {
        return told(
            Refused,
            "`within group` and `over` do not go together",
            "compute it by group in a subquery, and join it",
        );
    }
    if let Some(name) = text.strip_prefix("Unsupported SQL type ") {
        return told(
            Type,
            format!("no type `{name}`"),
            "types are bigint, integer, decimal(p, s), double, string, boolean, date, timestamp and others",
        );
    }
    if text.starts_with("Physical plan does not support logical expression") {
        return match after("logical expression ").unwrap_or_default() {
            rest if rest.starts_with("WindowFunction") => told(
                Refused,
                "a window function (`over`) stands where rows are chosen",
                "compute it in a subquery, and choose by its column outside",
            ),
            rest if rest.starts_with("Exists") => told(
                Refused,
                "`exists` stands where the engine has no join for it",
                "let it be a condition of its own in `where`, or join a subquery and ask whether it gave a row",
            ),
            _ => told(
                Refused,
                "a subquery stands where the engine has no join for it",
                "write a correlated subquery as a join",
            ),
        };
    }
    if let Some(rest) = after("Cannot infer common argument type for comparison operation ") {
        return told(
            Type,
            format!("no comparison {}", our_types(rest)),
            "cast one side to the type of the other",
        );
    }
    if let Some(rest) = text.strip_prefix("Can not find compatible types to compare ")
        && let Some((of, list)) = rest.split_once(" with [")
    {
        let list = our_types(list.trim_end_matches(']'));
        return told(
            Type,
            format!("no comparison {} in ({list})", our_type(of)),
            "give the list values of one type, that of its left side",
        );
    }
    if let Some((of, _)) = after("There isn't a common type to coerce ")
        .and_then(|rest| rest.strip_suffix(" in LIKE expression"))
        .and_then(|rest| rest.split_once(" and "))
    {
        return told(
            Type,
            format!("`like` asks about text, not about {}", our_type(of)),
            "cast it: cast(x as string) like 'a%'",
        );
    }
    if text.starts_with("SELECT list is empty after resolving *") {
        return told(
            Name,
            "a select list is empty: its `*` gives no column",
            "leave a column of the table in it",
        );
    }
    if let Some(name) = text.strip_prefix("Invalid qualifier ") {
        return told(
            Name,
            format!("no table here is called `{name}`"),
            "a table keeps its whole name, like sales_gold.t, until `as t` gives it another",
        );
    }
    if let Some((of, with)) = after("Failed to coerce case (")
        .and_then(|rest| rest.strip_suffix(") to common types in CASE WHEN expression"))
        .and_then(|rest| rest.split_once(") and when ("))
    {
        return told(
            Type,
            format!(
                "`case` of {} has no comparison with `when` of {}",
                our_type(of),
                our_type(with)
            ),
            "cast one side to the type of the other",
        );
    }
    if let Some((then, otherwise)) = after("Failed to coerce then (")
        .and_then(|rest| rest.strip_suffix(") to common types in CASE WHEN expression"))
        .and_then(|rest| rest.split_once(") and else ("))
    {
        let mut types = our_type(then);
        if otherwise != "None" {
            types = format!("{types}, and `else` {}", our_type(otherwise));
        }
        return told(
            Type,
            format!("the answers of a `case` have no common type: `then` gives {types}"),
            "cast them to one type",
        );
    }
    told(Type, our_types(text), "")
}

/// The name of one type.
fn our_type(name: &str) -> String {
    let parsed = name.parse::<arrow::datatypes::DataType>();
    parsed.map_or_else(|_| our_types(name), |known| crate::types::type_name(&known))
}

/// DataFusion's names of types as karat writes them.
fn our_types(text: &str) -> String {
    const NAMES: [(&str, &str); 22] = [
        ("LargeUtf8", "string"),
        ("Utf8View", "string"),
        ("Utf8", "string"),
        ("UInt64", "bigint"),
        ("UInt32", "bigint"),
        ("UInt16", "integer"),
        ("UInt8", "smallint"),
        ("Int64", "bigint"),
        ("Int32", "integer"),
        ("Int16", "smallint"),
        ("Int8", "tinyint"),
        ("Float64", "double"),
        ("Float32", "real"),
        ("Boolean", "boolean"),
        ("Date32", "date"),
        ("Decimal128", "decimal"),
        ("Decimal256", "decimal"),
        ("Timestamp(Microsecond, None)", "timestamp"),
        ("Timestamp(µs)", "timestamp"),
        ("Time64(Microsecond)", "time"),
        ("Interval(MonthDayNano)", "interval"),
        ("Null", "null"),
    ];
    NAMES.iter().fold(text.to_owned(), |text, (engine, ours)| {
        text.replace(engine, ours)
    })
}
