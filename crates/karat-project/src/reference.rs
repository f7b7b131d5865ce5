//! The key tables for people and editors: JSON Schemas and `docs/project.md`.

use std::fmt::Write as _;

use serde_json::{Map, Value, json};

use crate::schema::{Choice, KINDS, Key, MapKey, Object, Presence, Type};

/// What [`json_schema`] takes.
pub const SCHEMA_KINDS: [&str; 5] = ["karat", "domain", "silver", "gold", "tests"];

/// The JSON Schema (draft 2020-12) of a kind of file, for editors; `None` for an unknown kind.
pub fn json_schema(kind: &str) -> Option<Value> {
    let (_, object, file) = KINDS.iter().find(|(name, ..)| *name == kind)?;
    let mut schema = object_schema(object);
    let head = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": format!("karat: {file}"),
    });
    let mut all = match head {
        Value::Object(head) => head,
        _ => Map::new(),
    };
    all.append(&mut schema);
    Some(Value::Object(all))
}

fn object_schema(object: &Object) -> Map<String, Value> {
    let mut schema = Map::new();
    let keys = || {
        object
            .keys
            .iter()
            .filter(|key| key.presence != Presence::NotYet)
    };
    schema.insert("description".into(), json!(object.doc));
    schema.insert("type".into(), json!("object"));
    let properties: Map<String, Value> = keys()
        .map(|key| (key.name.to_string(), key_schema(key)))
        .collect();
    schema.insert("properties".into(), Value::Object(properties));
    let required: Vec<&str> = keys()
        .filter(|key| key.presence == Presence::Required)
        .map(|key| key.name)
        .collect();
    if !required.is_empty() {
        schema.insert("required".into(), json!(required));
    }
    schema.insert("additionalProperties".into(), json!(false));
    schema
}

fn key_schema(key: &Key) -> Value {
    let mut schema = Map::new();
    schema.insert("description".into(), json!(key.doc));
    if let Value::Object(of) = type_schema(&key.of) {
        for (name, value) in of {
            schema.entry(name).or_insert(value);
        }
    }
    if let Presence::Default(value) = key.presence {
        let value = match (&key.of, value) {
            (Type::Bool, value) => json!(value == "true"),
            (Type::Integer { .. }, value) => value
                .parse::<u64>()
                .map_or(Value::Null, |number| json!(number)),
            (Type::List(_), _) => json!([]),
            (_, value) => json!(value),
        };
        schema.insert("default".into(), value);
    }
    Value::Object(schema)
}

const NAME: &str = "^[a-z][a-z0-9_]*$";
const TIME: &str = "^[0-9]+(ms|s|m|h|d)$";

fn type_schema(of: &Type) -> Value {
    match of {
        Type::Bool => json!({ "type": "boolean" }),
        Type::Integer { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Type::Text | Type::Expression => json!({ "type": ["string", "number", "boolean"] }),
        Type::Cell => json!({ "type": ["string", "number", "boolean", "null"] }),
        Type::Setting | Type::Column => json!({ "type": "string" }),
        Type::Name => json!({ "type": "string", "pattern": NAME }),
        Type::Ratio => {
            json!({ "type": ["string", "number"], "pattern": "^[0-9]+(\\.[0-9]+)? ?%$", "maximum": 0 })
        }
        Type::Duration => json!({ "type": "string", "pattern": TIME }),
        Type::Lag => json!({ "type": ["string", "integer"], "pattern": TIME, "minimum": 0 }),
        Type::Choice(choices) => json!({ "enum": available(choices) }),
        Type::List(of) => json!({ "type": "array", "items": type_schema(of) }),
        Type::ColumnOrList => json!({ "oneOf": [
            type_schema(&Type::Column),
            type_schema(&Type::List(&Type::Column)),
        ] }),
        Type::ColumnsOrMap => json!({ "oneOf": [
            type_schema(&Type::List(&Type::Text)),
            type_schema(&Type::Map(&Type::Text, MapKey::Output)),
        ] }),
        Type::Map(of, keys) => {
            let names = match keys {
                MapKey::Name | MapKey::Output => json!({ "pattern": NAME }),
                MapKey::Rule => json!({ "pattern": "^([a-z][a-z0-9_]*|_expression|_rescued)$" }),
                MapKey::Column | MapKey::Table | MapKey::Pattern => json!({}),
            };
            json!({ "type": "object", "propertyNames": names, "additionalProperties": type_schema(of) })
        }
        Type::Object(object) => Value::Object(object_schema(object)),
        Type::Tagged(variants) => {
            let all: Vec<Value> = variants
                .iter()
                .filter_map(|variant| {
                    let mut schema = object_schema(variant.object?);
                    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
                        properties.insert(
                            "type".into(),
                            json!({ "const": variant.tag, "description": variant.doc }),
                        );
                    }
                    Some(Value::Object(schema))
                })
                .collect();
            json!({ "oneOf": all })
        }
        Type::ChoiceOr(choices, object) => {
            json!({ "oneOf": [{ "enum": available(choices) }, Value::Object(object_schema(object))] })
        }
    }
}

fn available(choices: &[Choice]) -> Vec<&'static str> {
    choices
        .iter()
        .filter(|choice| choice.available)
        .map(|choice| choice.word)
        .collect()
}

/// A project with a bit of everything: each file's path stands in its first line. A test loads it out of the page.
const EXAMPLE: [&str; 7] = [
    r#"# karat.yaml
karat: 1
project: contoso
timezone: Europe/Zurich
targets:
  dev:  { lake: ./lake, default: true }
  prod: { lake: "${env:CONTOSO_LAKE}", catalog: contoso, require_signature: true, key: "${env:CONTOSO_KEY}" }
sources:
  landing: { type: files, path: ./landing }
  shop:    { type: sqlite, path: "${env:SHOP_DB}" }
defaults:
  on_schema_change: { added: evolve, missing: fail, types: freeze }
  null_values: [N/A]
"#,
    r#"# domains/sales/domain.yaml
domain: sales
owner: sales-data@contoso.example
defaults:
  silver:
    "*": { trim: true, key_not_null: fail }  # all silver of sales
feeds:
  # A table with a column that grows: bronze `sales_bronze.shop__orders`.
  - { source: shop, table: orders, mode: incremental, key: [order_id], cursor: { column: updated_at, lag: 15m }, deletes: none }
  # The whole list of customers every day, each file a full load; with a key, bronze stores the changes.
  - source: landing
    name: customers
    mode: full
    key: [customer_id]
    path: "customers/*.csv"
    file_order: 'customers_(\d{8})'
    csv: { delimiter: ";", encoding: windows-1252 }
"#,
    r#"# domains/sales/silver/orders.yaml
from: shop.orders
access: public
select:
  order_id:    cast(order_id as bigint)
  customer_id: cast(customer_id as bigint)
  order_date:  cast(ordered_at as date)
  # SQLite keeps numbers with a fraction as doubles: 7.1 is none of two places, and a cast would quarantine its row. Of text: cast(amount as decimal(18, 2)).
  amount:      decimal_from_double(amount, 2)
  updated_at:  cast(updated_at as timestamp)
expectations:
  valid_id:   { expect: "order_id is not null", action: fail }
  not_zero:   { expect: "amount <> 0", action: warn }
  known_date: { expect: "order_date >= date '2010-01-01'", action: quarantine, limit: 1% }
auto_cdc: { keys: [order_id], sequence_by: updated_at }
"#,
    r#"# domains/sales/silver/customers.yaml
description: Every customer with its history.
from: landing.customers
select:
  customer_id: cast(customer_id as bigint)
  company:     trim(company)
  country:     upper(country)
  changed_at:  cast(changed_at as timestamp)
expectations:
  known_country: { expect: "length(country) = 2", action: quarantine }
  _expression:   { action: quarantine, limit: 0.1% }
auto_cdc: { keys: [customer_id], sequence_by: changed_at, stored_as_scd_type: 2 }
"#,
    r#"-- domains/sales/gold/daily_revenue.sql
select o.order_date, c.country, count(*) as orders, sum(o.amount) as revenue
from sales_silver.orders as o
join sales_silver.customers as c
  on c.customer_id = o.customer_id and c.__END_AT is null
group by o.order_date, c.country
"#,
    r#"# domains/sales/gold/daily_revenue.yaml
description: Revenue by day and by the country of the customer today.
key: [order_date, country]
incremental: { by: [order_date], rebuild_on: [sales_silver.customers] }
access: public
checks:
  has_country: { not_null: [country] }
  all_counted: { same_as: { this: "select sum(revenue) from this", query: "select sum(amount) from sales_silver.orders" } }
  as_usual:    { volume: { within: 20%, of_last: 28d }, action: warn }
"#,
    r#"# domains/sales/tests/daily_revenue.yaml
model: sales_gold.daily_revenue
tests:
  - name: an order counts for the country of its customer today
    given:
      sales_silver.orders:
        - { order_id: 1, customer_id: 7, order_date: 2026-01-05, amount: 10.00 }
        - { order_id: 2, customer_id: 7, order_date: 2026-01-05, amount: 2.50 }
      sales_silver.customers:
        - { customer_id: 7, country: CH, __START_AT: 2026-01-01T00:00:00 }
        - { customer_id: 7, country: DE, __START_AT: 2020-01-01T00:00:00, __END_AT: 2026-01-01T00:00:00 }
    expect:
      - { order_date: 2026-01-05, country: CH, orders: 2, revenue: 12.50 }
"#,
];

/// `docs/project.md`: every key of every file.
pub fn reference_page() -> String {
    let mut page = String::from(
        "# The project on disk\n\n\
         <!-- Made from the key tables by a test of karat-project; do not edit. -->\n\n\
         Every key of every file. Names are lower case letters, digits and `_`, a letter first. A share is written `1%`, a time `15m` (`ms s m h d`).\n\
         Letters and numbers like B8 are rules of `docs/semantics.md`. What stands under *Not yet* is refused by name in this version.\n\
         JSON Schemas for editors lie in `docs/schema/`; put `# yaml-language-server: $schema=…` at the head of a file to use one.\n",
    );
    page.push_str(
        "\n## A complete example\n\n\
         With `SHOP_DB` set, `karat validate` finds nothing to say about it.\n",
    );
    for file in EXAMPLE {
        let language = if file.starts_with("--") {
            "sql"
        } else {
            "yaml"
        };
        write!(page, "\n```{language}\n{file}```\n").expect("writing to a string");
    }
    for (kind, object, file) in KINDS {
        write_object(&mut page, object, &format!("`{file}`"), 2);
        if kind == "domain" {
            page.push_str(FEEDS_CSV);
        }
    }
    page
}

/// What there is to say about the control table as a spreadsheet; its columns are the keys of a feed.
const FEEDS_CSV: &str = r#"
## `domains/*/feeds.csv`

The control table for people who work in a spreadsheet: beside `feeds` in `domain.yaml` or instead of it, and equal in power. A row is a feed, a
column one of its keys; a dot leads into a map. A row becomes what the same feed in `domain.yaml` is, so all checks and messages are the same.

    source;name;mode;path;key;csv.delimiter;max_delete;null_values
    landing;customers;full;customers/*.csv;customer_id;;;
    landing;targets;full;plans/*.csv;"region; month";";";2.5%;"N/A; ""-"""

| a cell under | holds |
|---|---|
| text, name, word, time | the text as it is. In quotes, as in YAML, where blanks at its ends count, where it is empty, or where it begins and ends with quotes itself |
| true, false | `TRUE` or `true`, `FALSE` or `false` |
| share | `5%`, `2.50%`; where `;` separates the columns also `2,50%`. `0.05` is refused: a spreadsheet may have made it of `5%` |
| list | items separated by `;`, or each on a line of the cell; or a list as in YAML: `[region, month]` |
| map | `{ delimiter: ";", header: false }` as in YAML; or a column for each key: `csv.delimiter`, `rename.price` |

- An empty cell is a key that is left out. Blanks around a cell do not count, nor do empty rows, empty columns, and a byte order mark.
- Columns are separated by `;`, `,` or tabs: what the first row uses, or what a line `sep=;` before it says. Cells may be quoted; a quote within is written twice.
- The file is UTF-8 (in Excel: *CSV UTF-8*). Format the whole sheet as text before you write into it: a spreadsheet makes `1.5` of `1.50`, and a date of `3-4`,
  without a trace. Where there is one, it is told: `0.05` for a share, `1.2E+11` for a long number, `#NAME?` for a formula.
"#;

fn write_object(page: &mut String, object: &Object, title: &str, depth: usize) {
    let mut add = |text: String| page.push_str(&text);
    add(format!(
        "\n{} {title}\n\n{}\n\n",
        "#".repeat(depth),
        object.doc
    ));
    add("| key | value | default | meaning |\n|---|---|---|---|\n".to_string());
    let mut inner: Vec<(String, &Object)> = Vec::new();
    let mut variants = Vec::new();
    for key in object
        .keys
        .iter()
        .filter(|key| key.presence != Presence::NotYet)
    {
        let default = match key.presence {
            Presence::Required => "**required**".to_string(),
            Presence::Default(value) if value.contains('`') => value.to_string(),
            Presence::Default(value) => format!("`{}`", value.replace('|', "\\|")),
            Presence::Optional | Presence::NotYet => String::new(),
        };
        let mut doc = key.doc.to_string();
        let mut choices_of = |choices: &[Choice]| {
            for choice in choices.iter().filter(|choice| choice.available) {
                write!(doc, "<br>`{}`: {}", choice.word, choice.doc).expect("writing to a string");
            }
        };
        match &key.of {
            Type::Choice(choices) => choices_of(choices),
            Type::ChoiceOr(choices, of) => {
                choices_of(choices);
                inner.push((key.name.to_string(), of));
            }
            Type::Object(of) => inner.push((key.name.to_string(), of)),
            Type::List(Type::Object(of)) => inner.push((format!("{}[]", key.name), of)),
            Type::Map(Type::Object(of), MapKey::Pattern) => {
                inner.push((format!("{}.PATTERN", key.name), of));
            }
            Type::Map(Type::Object(of), _) => inner.push((format!("{}.NAME", key.name), of)),
            Type::Map(Type::Tagged(of), _) => {
                variants.extend(of.iter().map(|variant| (key.name, variant)))
            }
            _ => {}
        }
        add(format!(
            "| `{}` | {} | {default} | {doc} |\n",
            key.name,
            value_of(&key.of)
        ));
    }
    let later: Vec<String> = not_yet(object);
    if !later.is_empty() {
        add(format!("\nNot yet: {}.\n", later.join(", ")));
    }
    let unavailable: Vec<String> = variants
        .iter()
        .filter(|(_, variant)| variant.object.is_none())
        .map(|(_, variant)| format!("`{}`", variant.tag))
        .collect();
    if !unavailable.is_empty() {
        add(format!(
            "\nSource types, not yet: {}.\n",
            unavailable.join(", ")
        ));
    }
    for (key, variant) in variants {
        if let Some(of) = variant.object {
            write_object(
                page,
                of,
                &format!("`{key}.NAME` with `type: {}`", variant.tag),
                depth + 1,
            );
        }
    }
    for (key, of) in inner {
        // What is the same in several places is shown once: with the feed what defaults say of feeds, with the project the
        // defaults of domains, with silver the checks of gold and the expectations of defaults.
        let shown_elsewhere = match object.name {
            "`defaults`" => key != "silver.PATTERN",
            "the domain" => key == "defaults",
            "a gold model" => key == "checks.NAME",
            "defaults of silver models" => true,
            _ => false,
        };
        if shown_elsewhere {
            continue;
        }
        write_object(page, of, &format!("`{key}`"), (depth + 1).min(5));
    }
}

fn not_yet(object: &Object) -> Vec<String> {
    let keys = object
        .keys
        .iter()
        .filter(|key| key.presence == Presence::NotYet)
        .map(|key| format!("`{}`", key.name));
    let choices = object.keys.iter().flat_map(|key| match &key.of {
        Type::Choice(choices) | Type::ChoiceOr(choices, _) => choices
            .iter()
            .filter(|choice| !choice.available)
            .map(|choice| format!("`{}: {}`", key.name, choice.word))
            .collect(),
        _ => Vec::new(),
    });
    keys.chain(choices).collect()
}

fn value_of(of: &Type) -> String {
    match of {
        Type::Bool => "true, false".to_string(),
        Type::Integer { min, max } if min == max => format!("{min}"),
        Type::Integer { min, max } if *max == min + 1 => format!("{min}, {max}"),
        Type::Integer { .. } => "number".to_string(),
        Type::Text => "text".to_string(),
        Type::Cell => "value".to_string(),
        Type::Setting => "text, variables".to_string(),
        Type::Name => "name".to_string(),
        Type::Column => "column".to_string(),
        Type::Expression => "SQL".to_string(),
        Type::Ratio => "share".to_string(),
        Type::Duration => "time".to_string(),
        Type::Lag => "time or number".to_string(),
        Type::Choice(_) => "word".to_string(),
        Type::List(of) => format!("list of {}", value_of(of)),
        Type::ColumnOrList => "column, or list of column".to_string(),
        Type::ColumnsOrMap => "list of text, or name: text".to_string(),
        Type::Map(of, MapKey::Column) => format!("column: {}", value_of(of)),
        Type::Map(of, MapKey::Table) => format!("table: {}", value_of(of)),
        Type::Map(of, MapKey::Pattern) => format!("pattern: {}", value_of(of)),
        Type::Map(of, _) => format!("name: {}", value_of(of)),
        Type::Object(_) | Type::Tagged(_) => "map".to_string(),
        Type::ChoiceOr(..) => "word or map".to_string(),
    }
}
