//! What a project without mistakes holds.

use expect_test::expect;
use karat_project::{ModelKind, TableName};

use crate::{diagnostics, load_text, with};

/// The example of DESIGN.md, with what is not there yet taken out.
const DESIGN: &str = r#"--- karat.yaml
karat: 1
project: contoso
timezone: Europe/Zurich
targets:
  dev:  { lake: ./lake, default: true }
  prod: { lake: "${env:PROD_LAKE}", catalog: contoso, format: delta, require_signature: true }
sources:
  shop:    { type: sqlite, path: "${env:SHOP_PATH}" }
  landing: { type: files, path: ./landing }
defaults:
  on_schema_change: { added: evolve, missing: fail, types: freeze }
  null_values: [N/A, 0]
  csv: { delimiter: ";" }
--- domains/sales/domain.yaml
domain: sales
owner: sales-data@contoso.com
feeds:
  - { source: shop, table: public.customers, mode: full, key: [Customer_ID] }
  - { source: shop, table: public.rates, mode: incremental, cursor: { column: updated_at, lag: 15m } }
  - { source: landing, name: targets, mode: full, key: [region, month], path: "plans/*.csv", csv: { encoding: windows-1252 }, file_order: 'plan_(\d{8})', max_delete: 0.1% }
--- domains/sales/silver/customers.yaml
from: shop.customers
select:
  customer_id: cast(customer_id as bigint)
  company:     trim(company)
  country:     lower(country)
  version:     1
  updated_at:  cast(updated_at as timestamp)
expectations:
  valid_id:      { expect: "customer_id is not null", action: fail }
  known_country: { expect: "length(country) = 2", action: quarantine, limit: 1% }
  _rescued:      { action: drop }
auto_cdc: { keys: [customer_id], sequence_by: updated_at, stored_as_scd_type: 2 }
--- domains/sales/gold/daily.sql
-- One line a country.
with current as (
    select c.country, c.customer_id, c.__START_AT as since
    from sales_silver.customers as c
    where c.__END_AT is null
)
select current.country, count(*) as customers, max(since) as newest
from current
group by country
order by customers desc;
--- domains/sales/gold/daily.yaml
key: [country]
"#;

#[test]
fn the_example_of_the_design() {
    expect!["nothing to say"].assert_eq(&diagnostics(DESIGN));
    let project = load_text(DESIGN).sound().unwrap();
    let mut shown = String::new();
    for feed in project.feeds() {
        shown += &format!(
            "{} lag {:?} null {:?} max_delete {} delimiter {:?}\n{}",
            feed.bronze,
            feed.cursor.as_ref().and_then(|cursor| cursor.lag),
            feed.null_values,
            feed.max_delete,
            feed.csv.delimiter,
            feed.code_text()
        );
    }
    for model in &project.models {
        shown += &format!(
            "\n{} reads {} columns {} key {:?}\n{}",
            model.name,
            model
                .inputs
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join(" "),
            model.columns().join(" "),
            model.row_key(),
            model.code_text()
        );
    }
    expect![[r#"
        sales_bronze.shop__customers lag None null ["N/A", "0"] max_delete 5% delimiter ","
        karat feed 1
        bronze sales_bronze.shop__customers
        table "public.customers"
        path ""
        mode full
        key "customer_id"
        csv delimiter "," terminator "" quote "\"" header true encoding utf-8 compression auto max_line_bytes 67108864
        file_order ""
        parts false
        on_schema_change added evolve missing fail
        sales_bronze.shop__rates lag Some(Time(900s)) null ["N/A", "0"] max_delete 5% delimiter ","
        karat feed 1
        bronze sales_bronze.shop__rates
        table "public.rates"
        path ""
        mode incremental
        key 
        cursor "updated_at" lag 900000ms nulls false
        csv delimiter "," terminator "" quote "\"" header true encoding utf-8 compression auto max_line_bytes 67108864
        file_order ""
        parts false
        on_schema_change added evolve missing fail
        sales_bronze.landing__targets lag None null ["N/A", "0"] max_delete 0.1% delimiter ";"
        karat feed 1
        bronze sales_bronze.landing__targets
        table ""
        path "plans/*.csv"
        mode full
        key "region" "month"
        csv delimiter ";" terminator "" quote "\"" header true encoding windows-1252 compression auto max_line_bytes 67108864
        file_order "plan_(\\d{8})"
        parts false
        on_schema_change added evolve missing fail

        sales_silver.customers reads sales_bronze.shop__customers columns customer_id company country version updated_at __START_AT __END_AT key Some(["customer_id", "__START_AT"])
        karat model 1
        layer silver
        rounding half_away_from_zero
        timezone "Europe/Zurich"
        from sales_bronze.shop__customers
        mode full key "customer_id"
        null_values "0" "N/A"
        on_duplicate Once file_order ""
        select customer_id cast ( customer_id as bigint )
        select company trim ( company )
        select country lower ( country )
        select version 1
        select updated_at cast ( updated_at as timestamp )
        expect _rescued drop 
        expect known_country quarantine length ( country ) = 2
        expect valid_id fail customer_id is not null
        scd 2 keys "customer_id"
        sequence_by "updated_at"
        valid_from ""
        apply_as_deletes 
        track all 

        sales_gold.daily reads sales_silver.customers columns country customers newest key Some(["country"])
        karat model 1
        layer gold
        rounding half_away_from_zero
        timezone "Europe/Zurich"
        key "country"
        sql with current as ( select c . country , c . customer_id , c . __start_at as since from sales_silver . customers as c where c . __end_at is null ) select current . country , count ( * ) as customers , max ( since ) as newest from current group by country order by customers desc
    "#]].assert_eq(&shown);
    let customers: TableName = "sales_silver.customers".parse().unwrap();
    let ModelKind::Silver(silver) = &project.model(&customers).unwrap().kind else {
        panic!("silver")
    };
    assert_eq!(
        project.feed(&silver.from).unwrap().short_name(),
        "shop.customers"
    );
    assert_eq!(project.target(None).unwrap().catalog, "contoso_dev");
    assert_eq!(
        project.sources["shop"].kind.path().value(),
        "/secret/shop.db"
    );
    assert!(!format!("{:?}", project.sources).contains("secret"));
}

#[test]
fn code_text_does_not_see_comments_white_space_limits_and_rule_order() {
    let silver = |text: &str| {
        let project = load_text(&with(&format!(
            "--- domains/sales/silver/plans.yaml\n{text}"
        )))
        .sound()
        .unwrap();
        project
            .model(&"sales_silver.plans".parse().unwrap())
            .unwrap()
            .code_text()
            .to_string()
    };
    let one = silver(
        "from: landing.plans\nselect: { a: \"CAST(a AS bigint)\", b: b }\nexpectations:\n  x: { expect: a > 0 }\n  y: { expect: b is not null }\n",
    );
    let other = silver(
        "# a comment\nfrom: sales_bronze.landing__plans\ndescription: plans\nselect:\n  a: cast( a as BIGINT ) -- why\n  b: |\n    b\nexpectations:\n  y: { expect: \"b IS NOT NULL\", limit: 1%, action: warn }\n  x: { expect: a>0 }\n",
    );
    assert_eq!(one, other);
    assert_ne!(
        one,
        silver(
            "from: landing.plans\nselect: { b: b, a: \"CAST(a AS bigint)\" }\nexpectations:\n  x: { expect: a > 0 }\n  y: { expect: b is not null }\n"
        )
    );
}

#[test]
fn columns_are_not_guessed() {
    // Everything here is beyond what text alone tells, so nothing is said about columns.
    let sql = "select c.id, u.anything, total, (select max(id) from sales_silver.customers where company = outside) as m, struct_column.field as f
from sales_silver.customers c
cross join lateral (select c.id as total) t
join unnest([1, 2]) as u(anything) on true
where outside = 1 and exists (select 1 from sales_silver.customers d where d.id = c.id and updated_at > other)
group by total order by m";
    expect!["nothing to say"].assert_eq(&diagnostics(&with(&format!(
        "--- domains/sales/gold/x.sql\n{sql}\n"
    ))));
    let sql = "select id as key, company as name from sales_silver.customers union all select id, company from sales_silver.customers order by name";
    expect!["nothing to say"].assert_eq(&diagnostics(&with(&format!(
        "--- domains/sales/gold/x.sql\n{sql}\n"
    ))));
    let sql = "select customers.id, sales_silver.customers.company, count(distinct company) filter (where id > 1) as n, row_number() over (partition by company order by id) as r from sales_silver.customers group by customers.id, company having n > 1 qualify r = 1";
    expect!["nothing to say"].assert_eq(&diagnostics(&with(&format!(
        "--- domains/sales/gold/x.sql\n{sql}\n"
    ))));
}

/// Names that look like columns and are none.
#[test]
fn what_is_no_column_is_no_unknown_column() {
    let lists = [
        "id, f(a => 1) as x, f(a := 1) as y",
        "id, extract(epoch from updated_at) as e, trim(leading 'x' from company) as t",
        "id, position('a' in company) as p, substring(company from 1 for 2) as s, overlay(company placing 'x' from 1) as o",
        "id, interval '1 day' as i, interval '1' month as j, date '2020-01-01' as d, current_date as today, current_timestamp as n",
        "id, sum(id) over w as s, lag(id, 1) over (partition by company order by updated_at rows between 1 preceding and current row) as l",
        "id, array_agg(company order by id) as a, company like 'x%' escape '\\' as l, id between 1 and 2 as b, company similar to 'x' as m",
        "id, case company when 'a' then 1 else 0 end as c, cast(id as decimal(10, 2)) as d, id::text as t, try_cast(id as int) as u",
        "id, struct(id as a, company as b) as s, named_struct('a', id) as n, [id, 1] as l, {'a': id} as m, array[id][1] as f",
        "id, percentile_cont(0.5) within group (order by id) as p, count(*) filter (where id > 1) as c, ceil(updated_at to day) as d",
        "id, list_transform([1], x -> x + id) as v, grouping(id) as g",
    ];
    for list in lists {
        let tail = if list.contains(" w ") {
            " window w as (partition by company)"
        } else {
            ""
        };
        let group = if list.contains("grouping") {
            " group by grouping sets ((id), ())"
        } else {
            ""
        };
        let sql = format!("select {list} from sales_silver.customers{group}{tail}");
        let found = diagnostics(&with(&format!("--- domains/sales/gold/x.sql\n{sql}\n")));
        assert_eq!(found, "nothing to say", "{sql}");
    }
}
