//! dbt.

use expect_test::{Expect, expect};
use karat_import::{DbtSettings, Dialect, dbt};

use super::{folder, printed, sound, told};

const PROJECT: &str = "--- dbt_project.yml\nname: shop\nprofile: shop\n";

fn imported(text: &str) -> karat_import::Import {
    let settings = DbtSettings {
        dialect: Some(Dialect::DuckDb),
        vars: Vec::new(),
    };
    dbt(&folder(&format!("{PROJECT}{text}")), &settings).unwrap()
}

fn check(text: &str, expected: Expect) {
    let import = imported(text);
    sound(&import);
    expected.assert_eq(&printed(&import));
}

fn check_told(text: &str, expected: Expect) {
    let import = imported(text);
    sound(&import);
    expected.assert_eq(&told(&import));
}

#[test]
fn seeds_models_and_tests_become_silver_gold_and_checks() {
    check(
        "
--- seeds/raw_orders.csv
id,user_id,order_date,price,is_new,note
1,7,2018-01-01,10.5,true,null
2,8,2018-01-02,3,FALSE,hello
--- models/docs.md
{% docs order_status %}
How far the order is.
{% enddocs %}
--- models/schema.yml
models:
  - name: orders
    description: One row per order.
    columns:
      - name: order_id
        description: The key.
        tests: [unique, not_null]
      - name: price
        description: '{{ doc(\"order_status\") }}'
        tests:
          - dbt_utils.accepted_range: { min_value: 0 }
          - not_null: { config: { severity: warn, where: \"price > 1\" } }
  - name: customers
    columns:
      - name: customer_id
        data_tests:
          - unique
          - relationships: { arguments: { to: ref('orders'), field: customer_id } }
          - accepted_values: { values: [7, 8], quote: false }
--- models/staging/orders.sql
{{ config(materialized='view') }}
with source as (
    {# the seed stands for the shop #}
    select * from {{ ref('raw_orders') }}
)
select
    id as order_id, -- the key
    user_id as customer_id, order_date, price::decimal as price
from source
--- models/customers.sql
{% set kinds = ['new', 'old'] %}
select o.customer_id,
    {% for kind in kinds -%}
    sum(case when r.is_new = {{ kind == 'new' }} then 1 else 0 end) as {{ kind }}_orders{{ \",\" if not loop.last }}
    {% endfor %}
from {{ ref('orders') }} as o
join {{ ref('raw_orders') }} r on r.id = o.order_id
group by 1
",
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: seeds, name: raw_orders, mode: full, path: raw_orders.csv, null_values: ["null"] }
            --- domains/shop/gold/customers.sql
            select o.customer_id,
                sum(case when r.is_new = True then 1 else 0 end) as new_orders,
                sum(case when r.is_new = False then 1 else 0 end) as old_orders

            from shop_gold.orders as o
            join shop_silver.raw_orders r on r.id = o.order_id
            group by 1
            --- domains/shop/gold/customers.yaml
            checks:
              unique_customer_id: { unique: [customer_id], where: customer_id is not null }
              relationships_customer_id: { foreign_key: { columns: [customer_id], references: shop_gold.orders } }
              accepted_values_customer_id: { sql: "select customer_id from this where customer_id not in (7, 8)" }
            --- domains/shop/gold/orders.sql
            with source as (
                /* the seed stands for the shop */
                select id, user_id, order_date, price, is_new, note from shop_silver.raw_orders
            )
            select
                id as order_id, -- the key
                user_id as customer_id, order_date, price::decimal(18, 3) as price
            from source
            --- domains/shop/gold/orders.yaml
            # order_id: The key.
            # price: How far the order is.
            description: One row per order.
            key: [order_id]
            checks:
              unique_order_id: { unique: [order_id] }
              not_null_order_id: { not_null: [order_id] }
              accepted_range_price: { sql: select price from this where (price < 0) }
              not_null_price: { not_null: [price], where: price > 1, action: warn }
            --- domains/shop/silver/raw_orders.yaml
            from: seeds.raw_orders
            select:
              id:         cast(id as bigint)
              user_id:    cast(user_id as bigint)
              order_date: cast(order_date as date)
              price:      cast(price as decimal(38, 1))
              is_new:     cast(lower(is_new) as boolean)
              note:       note
            --- karat.yaml
            # Imported from the dbt project `shop`: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              seeds: { type: files, path: "./seeds" }
            --- seeds/raw_orders.csv
            id,user_id,order_date,price,is_new,note
            1,7,2018-01-01,10.5,true,null
            2,8,2018-01-02,3,FALSE,hello
            ---
            model: 2 mapped, 0 unmapped
            seed: 1 mapped, 0 unmapped
            test: 7 mapped, 0 unmapped
        "#]],
    );
}

#[test]
fn stars_are_written_out_and_what_they_stand_for_is_known() {
    check(
        "
--- seeds/a.csv
id,x,order
1,2,3
--- seeds/b.csv
id,y
1,2
--- models/both.sql
select a.* exclude (x), b.y from {{ ref('a') }} a join {{ ref('b') }} as b on a.id = b.id
--- models/using_it.sql
select * from {{ ref('a') }} join {{ ref('b') }} using (id)
--- models/replaced.sql
with c as (select * replace (x + 1 as x) from {{ ref('a') }})
select * from (select * from c) as d
",
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: seeds, name: a, mode: full, path: a.csv }
              - { source: seeds, name: b, mode: full, path: b.csv }
            --- domains/shop/gold/both.sql
            select a.id, a."order", b.y from shop_silver.a a join shop_silver.b as b on a.id = b.id
            --- domains/shop/gold/replaced.sql
            with c as (select id, x + 1 as x, "order" from shop_silver.a)
            select id, x, "order" from (select id, x, "order" from c) as d
            --- domains/shop/gold/using_it.sql
            select id, a.x, a."order", b.y from shop_silver.a join shop_silver.b using (id)
            --- domains/shop/silver/a.yaml
            from: seeds.a
            select:
              id:    cast(id as bigint)
              x:     cast(x as bigint)
              order: 'cast("order" as bigint)'
            --- domains/shop/silver/b.yaml
            from: seeds.b
            select:
              id:  cast(id as bigint)
              "y": cast(y as bigint)
            --- karat.yaml
            # Imported from the dbt project `shop`: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              seeds: { type: files, path: "./seeds" }
            --- seeds/a.csv
            id,x,order
            1,2,3
            --- seeds/b.csv
            id,y
            1,2
            ---
            model: 3 mapped, 0 unmapped
            seed: 2 mapped, 0 unmapped
        "#]],
    );
}

#[test]
fn columns_of_a_source_are_those_that_are_declared_or_named() {
    check(
        "
--- models/sources.yml
sources:
  - name: crm
    tables:
      - name: people
        description: Everybody.
        columns:
          - { name: Id, data_type: int, tests: [unique, not_null] }
          - { name: name }
      - name: visits
      - name: nobody
--- models/people.sql
select * from {{ source('crm', 'people') }}
--- models/visits.sql
with s as (select * from {{ source('crm', 'visits') }}), renamed as (select s.person_id, cast(day as date) as day from s where not deleted)
select * from renamed order by day
",
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: landing, name: crm_people, mode: full, path: crm/people/*.csv }
              - { source: landing, name: crm_visits, mode: full, path: crm/visits/*.csv }
            --- domains/shop/gold/people.sql
            select id, name from shop_silver.crm_people
            --- domains/shop/gold/visits.sql
            with s as (select person_id, day, deleted from shop_silver.crm_visits), renamed as (select s.person_id, cast(day as date) as day from s where not deleted)
            select person_id, day from renamed order by day
            --- domains/shop/silver/crm_people.yaml
            description: Everybody.
            from: landing.crm_people
            select:
              id:   cast(id as int)
              name: name
            key: [id]
            checks:
              unique_id: { unique: [id] }
              not_null_id: { not_null: [id] }
            --- domains/shop/silver/crm_visits.yaml
            from: landing.crm_visits
            select:
              person_id: person_id
              day:       day
              deleted:   deleted
            --- karat.yaml
            # Imported from the dbt project `shop`: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              landing: { type: files, path: "./landing" }
            ---
            model: 2 mapped, 0 unmapped
            source: 2 mapped, 1 unmapped
            test: 2 mapped, 0 unmapped
            unmapped models/sources.yml:4 `crm.people`: where the rows come from is known to the loader of the warehouse alone; put files into landing/crm/people/, or name another source of the feed in domain.yaml
            unmapped models/sources.yml:9 `crm.visits`: where the rows come from is known to the loader of the warehouse alone; put files into landing/crm/visits/, or name another source of the feed in domain.yaml
            note models/sources.yml:9 `crm.visits`: its columns are not declared: those that models name are taken, as text; cast them in the silver model, and add those that are missing
            unmapped models/sources.yml:10 `crm.nobody`: no model reads it, and its columns are not declared; nothing, until a model reads it
        "#]],
    );
}

#[test]
fn what_is_not_plain_is_listed_with_what_reads_it() {
    check_told(
        "
--- seeds/a.csv
id
1
--- macros/m.sql
{% macro doubled(x) %}({{ x }} * 2){% endmacro %}
{% macro asks() %}{% set r = run_query('select 1') %}{{ r }}{% endmacro %}
{% macro by_engine(x) %}{{ return(adapter.dispatch('by_engine')(x)) }}{% endmacro %}
{% macro default__by_engine(x) %}{{ x }}{% endmacro %}
{% macro duckdb__by_engine(x) %}{{ x }} + 1{% endmacro %}
--- models/fine.sql
select {{ doubled('id') }} as d, {{ by_engine('id') }} as e from {{ ref('a') }}
--- models/asks.sql
select
  {{ asks() }} as x
from {{ ref('a') }}
--- models/reads_it.sql
select x from {{ ref('asks') }}
--- models/no_table.sql
select id
from raw.other
--- models/no_function.sql
select id, 
  strftime(id, '%Y') as y
from {{ ref('a') }}
--- models/no_name.sql
select count(*) from {{ ref('a') }}
--- models/grows.sql
{{ config(materialized='incremental', post_hook='analyze') }}
select id from {{ ref('a') }}
{% if is_incremental() %} where id > (select max(id) from {{ this }}) {% endif %}
--- models/env.sql
select '{{ env_var('STAGE', 'dev') }}' as stage, id from {{ ref('a') }}
--- models/no_var.sql
select {{ var('start') }} as s from {{ ref('a') }}
--- models/python.py
def model(dbt, session): pass
--- models/exposures.yml
exposures:
  - name: board
metrics:
  - name: revenue
models:
  - name: asks
    columns: [{ name: x, tests: [not_null] }]
  - name: fine
    tests: [my_own_test]
--- analyses/look.sql
select 1
",
        expect![[r#"
            ---
            analysis: 0 mapped, 1 unmapped
            exposure: 0 mapped, 1 unmapped
            metric: 0 mapped, 1 unmapped
            model: 3 mapped, 7 unmapped
            seed: 1 mapped, 0 unmapped
            test: 0 mapped, 2 unmapped
            unmapped analyses/look.sql:1 `look`: an analysis makes no table; ask it with `karat query`
            unmapped models/asks.sql:2 `run_query`: in the macro `asks`: this call is not taken over: what it gives is known to dbt alone; write out the SQL that it gives (`dbt compile` shows it)
            note models/env.sql:1 `env_var('STAGE')`: the default is taken: variables of the environment shape no rows in karat (A9); look whether that is what is wanted
            unmapped models/exposures.yml:2 `exposure board`: who reads a table is not declared in karat; take it over by hand where it is needed
            unmapped models/exposures.yml:4 `metric revenue`: karat has no layer of metrics: write the figure as a gold model; take it over by hand where it is needed
            unmapped models/exposures.yml:7 `not_null of asks.x`: `asks` is left out; bring `asks` over first
            unmapped models/exposures.yml:9 `my_own_test`: this test is a macro of the project or of a package; write what it asks as a check with `sql`
            unmapped models/grows.sql:1 `post_hook`: karat runs no statements beside models; run it where the schedule is
            note models/grows.sql:3 `is_incremental()`: it is false, as in a full refresh: karat makes the whole table; look whether that is what is wanted
            unmapped models/no_function.sql:2 `strftime()`: it is not known to mean the same in karat; write `to_char(x, '%Y-%m')`
            unmapped models/no_name.sql:1 `select list`: this column has no name, and each engine gives it another; add `as name`
            unmapped models/no_table.sql:2 `raw.other`: no statement that is taken over makes this table; bring it over first, or declare it as a source
            unmapped models/no_var.sql:1 `var('start')`: the variable has no value in the project and no default; give it one with `--var start=VALUE`
            unmapped models/python.py:1 `python`: a model of Python is a program; write it as one SELECT
            unmapped models/reads_it.sql:1 `ref('asks')`: it reads `asks`, which is left out, or which the project has not; bring `asks` over first
        "#]],
    );
}

#[test]
fn circles_and_equal_names_are_told() {
    check_told(
        "
--- seeds/t.csv
id
1
--- models/a.sql
select id from {{ ref('b') }}
--- models/b.sql
select id from {{ ref('a') }}
--- models/after.sql
select id from {{ ref('a') }}
--- models/x/T.sql
select id from {{ ref('t') }}
--- models/One.sql
select id from {{ ref('t') }}
--- models/one.sql
select id from {{ ref('t') }}
--- models/t.sql
select 1 as id
--- models/schema.yml
models:
  - name: One
    columns:
      - name: id
        tests:
          - relationships: { to: ref('last'), field: id }
--- models/last.sql
select id from {{ ref('One') }}
",
        expect![[r#"
            ---
            model: 3 mapped, 5 unmapped
            seed: 1 mapped, 0 unmapped
            test: 0 mapped, 1 unmapped
            unmapped models/a.sql:1 `a`: it reads b, and a circle of models leads back; break the circle with a model of its own
            unmapped models/after.sql:1 `after`: it reads a, and a circle of models leads back; break the circle with a model of its own
            unmapped models/b.sql:1 `b`: it reads a, and a circle of models leads back; break the circle with a model of its own
            unmapped models/one.sql:1 `one`: `One` of models/One.sql:1 is the same name in karat, where names are lower case letters, digits and `_` (F3); rename one of them
            unmapped models/schema.yml:6 `relationships`: `shop_gold.last` is made of `shop_gold.one`, and what a check reads is made before it; state it on the table that is made last
            unmapped models/t.sql:1 `t`: a seed has this name, and `ref` means one table; rename one of them
        "#]],
    );
}

#[test]
fn snapshots_become_auto_cdc() {
    check(
        "
--- dbt_project.yml
name: shop
profile: shop
snapshots:
  shop:
    +unique_key: id
    +strategy: timestamp
    +updated_at: changed_at
    off: { +enabled: false }
--- seeds/few.csv
id,changed_at
1,2024-01-01 10:00:00
--- models/s.yml
sources:
  - name: crm
    tables:
      - name: people
        columns: [ { name: id, data_type: bigint }, { name: name }, { name: changed_at, data_type: timestamp } ]
--- snapshots/history.sql
{% snapshot people_history %}
{{ config(target_schema='s') }}
select * from {{ source('crm', 'people') }}
{% endsnapshot %}
{% snapshot people_days %}
{{ config(strategy='check', check_cols='all', invalidate_hard_deletes=true) }}
select * from {{ source('crm', 'people') }}
{% endsnapshot %}
{% snapshot no_deletes %}
{{ config(strategy='check', check_cols='all') }}
select * from {{ source('crm', 'people') }}
{% endsnapshot %}
{% snapshot some_columns %}
{{ config(strategy='check', check_cols=['name'], hard_deletes='invalidate') }}
select * from {{ source('crm', 'people') }}
{% endsnapshot %}
{% snapshot of_a_seed %}select * from {{ ref('few') }}{% endsnapshot %}
{% snapshot open_end %}{{ config(dbt_valid_to_current=\"to_date('9999-12-31')\") }}
select * from {{ source('crm', 'people') }}{% endsnapshot %}
{% snapshot renamed %}{{ config(snapshot_meta_column_names={'dbt_valid_from': 'start'}) }}
select * from {{ source('crm', 'people') }}{% endsnapshot %}
--- snapshots/off/later.sql
{% snapshot later %}select * from {{ source('crm', 'people') }}{% endsnapshot %}
--- models/now.sql
select id, name from {{ ref('people_history') }} where dbt_valid_to is null
",
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: seeds, name: few, mode: full, path: few.csv }
              - { source: landing, name: crm_people, mode: full, path: crm/people/*.csv }
              - { source: landing, name: people_history_states, mode: incremental, path: crm/people/*.csv }
              - { source: landing, name: people_days_states, mode: full, path: crm/people/*.csv }
            --- domains/shop/gold/now.sql
            select id, name from shop_gold.people_history where dbt_valid_to is null
            --- domains/shop/gold/people_days.sql
            select
                id,
                name,
                changed_at,
                __start_at as dbt_valid_from,
                __end_at as dbt_valid_to
            from shop_silver.people_days_states
            --- domains/shop/gold/people_history.sql
            select
                id,
                name,
                changed_at,
                __start_at as dbt_valid_from,
                __end_at as dbt_valid_to,
                changed_at as dbt_updated_at
            from shop_silver.people_history_states
            --- domains/shop/silver/crm_people.yaml
            from: landing.crm_people
            select:
              id:         cast(id as bigint)
              name:       name
              changed_at: cast(changed_at as timestamp)
            --- domains/shop/silver/few.yaml
            from: seeds.few
            select:
              id:         cast(id as bigint)
              changed_at: cast(changed_at as timestamp)
            --- domains/shop/silver/people_days_states.yaml
            from: landing.people_days_states
            select:
              id:         cast(id as bigint)
              name:       name
              changed_at: cast(changed_at as timestamp)
            auto_cdc:
              keys: [id]
              from: snapshots
              stored_as_scd_type: 2
            --- domains/shop/silver/people_history_states.yaml
            from: landing.people_history_states
            select:
              id:         cast(id as bigint)
              name:       name
              changed_at: cast(changed_at as timestamp)
            auto_cdc:
              keys: [id]
              sequence_by: changed_at
              stored_as_scd_type: 2
            --- karat.yaml
            # Imported from the dbt project `shop`: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              landing: { type: files, path: "./landing" }
              seeds: { type: files, path: "./seeds" }
            --- seeds/few.csv
            id,changed_at
            1,2024-01-01 10:00:00
            ---
            model: 1 mapped, 0 unmapped
            seed: 1 mapped, 0 unmapped
            snapshot: 2 mapped, 5 unmapped
            source: 1 mapped, 0 unmapped
            unmapped models/s.yml:4 `crm.people`: where the rows come from is known to the loader of the warehouse alone; put files into landing/crm/people/, or name another source of the feed in domain.yaml
            unmapped snapshots/history.sql:1 `updated_at: changed_at`: a row of which only this time moves begins a new state in dbt, and none in karat (C5); look whether the rows are read by their states, or by what they say at a time
            note snapshots/history.sql:1 `snapshot`: its states are those that the files bring from now on, dated by `updated_at`; states that dbt has kept and files no longer have are not known to karat; export the table of dbt once if its past is wanted
            note snapshots/history.sql:5 `snapshot`: its states are those that the files bring from now on, each dated by its load, or by `snapshot_version`; states that dbt has kept and files no longer have are not known to karat; export the table of dbt once if its past is wanted
            unmapped snapshots/history.sql:9 `hard_deletes`: karat compares whole snapshots, in which a row that is gone ends; this one keeps it; use `strategy: check` with `hard_deletes: invalidate`, or `timestamp` without it
            unmapped snapshots/history.sql:13 `check_cols`: a state of dbt keeps the other columns as they were when it began, one of karat shows their newest values; write `check_cols: all`
            unmapped snapshots/history.sql:17 `snapshot`: it reads a seed, a file of the project: its columns have the types of all its values, and nobody dates its states; take the history of the source that the file stands for, in a silver model with `auto_cdc`
            unmapped snapshots/history.sql:18 `dbt_valid_to_current`: columns of histories have karat's own names, and an end that is open is null; leave it out, and rename the columns where the table is read
            unmapped snapshots/history.sql:20 `snapshot_meta_column_names`: columns of histories have karat's own names, and an end that is open is null; leave it out, and rename the columns where the table is read
            note snapshots/off/later.sql:1 `later`: the snapshot is switched off (`enabled`); switch it on there if it is wanted
        "#]],
    );
}

#[test]
fn a_seed_whose_declared_type_has_no_place_stays_text() {
    check(
        "
--- dbt_project.yml
name: shop
profile: shop
seeds: { shop: { zips: { +column_types: { zip: char(5), n: bpchar(3) } } } }
--- seeds/zips.csv
zip,n
01234,007
",
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: seeds, name: zips, mode: full, path: zips.csv }
            --- domains/shop/silver/zips.yaml
            from: seeds.zips
            select:
              zip: cast(zip as varchar)
              "n": "n"
            --- karat.yaml
            # Imported from the dbt project `shop`: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              seeds: { type: files, path: "./seeds" }
            --- seeds/zips.csv
            zip,n
            01234,007
            ---
            seed: 1 mapped, 0 unmapped
            unmapped seeds/zips.csv:1 `column_types: bpchar(3)`: a cast to it cuts texts off or pads them, by the engine; name a type of docs/types.md in the model's `select`
        "#]],
    );
}

#[test]
fn unit_tests_and_tests_that_are_a_select() {
    check(
        "
--- seeds/a.csv
id,n
1,2
--- models/m.sql
select id, n * 2 as twice from {{ ref('a') }}
--- models/m.yml
unit_tests:
  - name: doubles
    model: m
    given:
      - input: ref('a')
        rows:
          - { id: 1, n: 2 }
    expect:
      rows:
        - { id: 1, twice: 4 }
--- tests/never_odd.sql
-- twice is even
select * from {{ ref('m') }} m join {{ ref('a') }} a using (id) where twice % 2 = 1
",
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: seeds, name: a, mode: full, path: a.csv }
            --- domains/shop/gold/m.sql
            select id, n * 2 as twice from shop_silver.a
            --- domains/shop/gold/m.yaml
            checks:
              never_odd:
                sql: |-
                  -- twice is even
                  select id, m.twice, a.n from shop_gold.m m join shop_silver.a a using (id) where twice % 2 = 1
            --- domains/shop/silver/a.yaml
            from: seeds.a
            select:
              id:  cast(id as bigint)
              "n": cast(n as bigint)
            --- domains/shop/tests/m.yaml
            model: shop_gold.m
            tests:
              - name: doubles
                given:
                  shop_silver.a:
                    - { id: 1, n: 2 }
                expect:
                  - { id: 1, twice: 4 }
            --- karat.yaml
            # Imported from the dbt project `shop`: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              seeds: { type: files, path: "./seeds" }
            --- seeds/a.csv
            id,n
            1,2
            ---
            model: 1 mapped, 0 unmapped
            seed: 1 mapped, 0 unmapped
            test: 1 mapped, 0 unmapped
            unit test: 1 mapped, 0 unmapped
        "#]],
    );
}

#[test]
fn a_quotient_is_taken_over_where_it_means_the_same() {
    let text = "--- dbt_project.yml\nname: shop\n--- seeds/a.csv\nid,n\n1,2\n--- models/m.sql\nselect id, n / 2 as half from {{ ref('a') }}\n--- models/exact.sql\nselect id, n / 2.0 as half from {{ ref('a') }}\n";
    for (dialect, expected) in [
        (Some(Dialect::DuckDb), 2),
        (Some(Dialect::Postgres), 1),
        (None, 1),
    ] {
        let settings = DbtSettings {
            dialect,
            vars: Vec::new(),
        };
        let import = dbt(&folder(text), &settings).unwrap();
        assert_eq!(
            import.counts()["model"].mapped,
            expected,
            "{}",
            told(&import)
        );
    }
}

#[test]
fn nulls_stand_where_the_engine_has_them() {
    let text = "--- dbt_project.yml\nname: shop\n--- seeds/a.csv\nid,n\n1,2\n--- models/m.sql\nselect id, row_number() over (partition by n order by (n + id), id desc rows unbounded preceding) as nth, extract(year from date '2024-01-01') as y from {{ ref('a') }} order by n desc, id limit 3\n";
    let mut found = String::new();
    for dialect in [
        Some(Dialect::DuckDb),
        Some(Dialect::Postgres),
        Some(Dialect::Spark),
        None,
    ] {
        let settings = DbtSettings {
            dialect,
            vars: Vec::new(),
        };
        let import = dbt(&folder(text), &settings).unwrap();
        let files = import.files();
        let sql = files
            .get("domains/shop/gold/m.sql")
            .map(|text| String::from_utf8_lossy(text).into_owned());
        found.push_str(&sql.unwrap_or_else(|| told(&import)));
    }
    expect![[r#"
        select id, row_number() over (partition by n order by (n + id), id desc rows unbounded preceding) as nth, extract(year from date '2024-01-01') as y from shop_silver.a order by n desc, id limit 3
        select id, row_number() over (partition by n order by (n + id), id desc nulls first rows unbounded preceding) as nth, extract(year from date '2024-01-01') as y from shop_silver.a order by n desc nulls first, id limit 3
        select id, row_number() over (partition by n order by (n + id) nulls first, id desc rows unbounded preceding) as nth, extract(year from date '2024-01-01') as y from shop_silver.a order by n desc, id nulls first limit 3
        ---
        model: 0 mapped, 1 unmapped
        seed: 1 mapped, 0 unmapped
        note dbt_project.yml:1 `profile`: no `profiles.yml` in the project says whose SQL it is, or which of several targets: only what means the same everywhere is taken over; name it with `--dialect`
        unmapped models/m.sql:1 `order by`: some engines have nulls first, and nothing says whose SQL this is; name the engine with `--dialect`, or write `nulls last`
    "#]].assert_eq(&found);
}

#[test]
fn what_counts_otherwise_is_not_taken_over() {
    let text = "--- dbt_project.yml\nname: shop\n--- seeds/a.csv\nid,d\nx,2024-01-01\n--- models/a1.sql\nselect substr(id, -1) as x from {{ ref('a') }}\n--- models/a2.sql\nselect substring(id, 0, 2) as x from {{ ref('a') }}\n--- models/a3.sql\nselect substr(id, 2) as x from {{ ref('a') }}\n--- models/a4.sql\nselect date_part('second', d) as x from {{ ref('a') }}\n--- models/a5.sql\nselect extract(dow from d) as x from {{ ref('a') }}\n";
    let settings = DbtSettings {
        dialect: Some(Dialect::Spark),
        vars: Vec::new(),
    };
    expect![[r#"
        ---
        model: 1 mapped, 4 unmapped
        seed: 1 mapped, 0 unmapped
        unmapped models/a1.sql:1 `substring(…)`: it begins before the first letter, which each engine reads otherwise; write `right(x, n)`, or begin at 1
        unmapped models/a2.sql:1 `substring(…)`: it begins before the first letter, which each engine reads otherwise; write `right(x, n)`, or begin at 1
        unmapped models/a4.sql:1 `part second`: it is not known to be counted as in karat; write it with functions of docs/types.md
        unmapped models/a5.sql:1 `part DOW`: it is not known to be counted as in karat; write it with functions of docs/types.md
    "#]].assert_eq(&told(&dbt(&folder(text), &settings).unwrap()));
}

#[test]
fn what_is_switched_off_or_not_known_is_left_out() {
    check_told(
        "
--- dbt_project.yml
name: shop
profile: shop
vars:
  shop: { wanted: 1, off: no }
  wanted: 2
  old: on
models:
  shop:
    maybe: { +enabled: \"{{ target.name == 'prod' }}\" }
    never: { +enabled: no }
    by_var: { +enabled: \"{{ var('old') }}\" }
--- seeds/a.csv
id
1
--- models/maybe/m.sql
select id from {{ ref('a') }}
--- models/never/n.sql
select id from {{ ref('a') }}
--- models/by_var/v.sql
select id from {{ ref('a') }}
--- models/odd.sql
{{ config(materialized='scd2_custom') }} select id from {{ ref('a') }}
--- models/wanted.sql
{% if var('wanted') == 1 and not var('off') %}select id from {{ ref('a') }}{% else %}broken{% endif %}
--- models/s.yml
models:
  - name: wanted
    columns:
      - name: id
        tests:
          - accepted_values: { values: [1.10, 1e5, 010, yes], name: places }
",
        expect![[r#"
            ---
            model: 2 mapped, 2 unmapped
            seed: 1 mapped, 0 unmapped
            test: 1 mapped, 0 unmapped
            unmapped models/maybe/m.sql:1 `enabled: {{ target.name == 'prod' }}`: whether the model is switched on is not known; write true or false, or give its variable with `--var`
            note models/never/n.sql:1 `n`: the model is switched off (`enabled`); switch it on there if it is wanted
            unmapped models/odd.sql:1 `materialized: scd2_custom`: what it makes of the SELECT is not known; write it as a table or view, if its rows are those of the SELECT
        "#]],
    );
}

#[test]
fn a_target_that_a_template_names_tells_no_dialect() {
    let text = "
--- dbt_project.yml
name: shop
profile: shop
--- profiles.yml
shop:
  target: \"{{ env_var('TARGET') }}\"
  outputs: { dev: { type: duckdb }, prod: { type: snowflake } }
--- models/m.sql
select 7 / 2 as x
";
    let import = dbt(&folder(text), &DbtSettings::default()).unwrap();
    expect![[r#"
        ---
        model: 0 mapped, 1 unmapped
        note dbt_project.yml:2 `profile`: no `profiles.yml` in the project says whose SQL it is, or which of several targets: only what means the same everywhere is taken over; name it with `--dialect`
        unmapped models/m.sql:1 `/`: some engines cut the quotient of whole numbers off, and nothing says whose SQL this is; name the engine with `--dialect`
    "#]].assert_eq(&told(&import));
}

#[test]
fn what_configures_a_test_is_taken_over_or_the_test_is_listed() {
    check(
        "
--- dbt_project.yml
name: shop
profile: shop
data_tests:
  shop:
    soft: { +severity: warn }
    off: { +enabled: false }
--- seeds/a.csv
id
1
--- models/soft/m.sql
select id from {{ ref('a') }}
--- models/soft/m.yml
models:
  - name: m
    columns:
      - name: id
        tests:
          - unique
          - not_null: { config: { severity: error, tags: [x] } }
          - accepted_values: { values: [1], config: { error_if: '>10' } }
          - dbt_utils.not_empty_string: { trim_whitespace: false }
          - not_null: { name: named, enabled: \"{{ target.name == 'prod' }}\" }
sources:
  - name: crm
    freshness: { error_after: { count: 1, period: hour } }
    tables: [ { name: people, loaded_at_field: ts, columns: [ { name: ts } ] } ]
--- tests/soft/one.sql
-- depends_on: {{ ref('a') }}
select id from {{ ref('m') }} where id < 0
--- tests/off/two.sql
select id from {{ ref('m') }} where id < 0
--- tests/three.sql
{{ config(enabled=false) }} select id from {{ ref('m') }} where id < 0
--- tests/four.sql
{{ config(limit=1) }} select id from {{ ref('m') }} where id < 0
--- tests/five.sql
{{ config(where='id > 1') }} select id from {{ ref('m') }} where id < 0
",
        expect![[r#"
            --- domains/shop/domain.yaml
            domain: shop
            feeds:
              - { source: seeds, name: a, mode: full, path: a.csv }
              - { source: landing, name: crm_people, mode: full, path: crm/people/*.csv }
            --- domains/shop/gold/m.sql
            select id from shop_silver.a
            --- domains/shop/gold/m.yaml
            checks:
              unique_id: { unique: [id], where: id is not null, action: warn }
              not_null_id: { not_null: [id] }
              one:
                sql: |-
                  -- depends_on: shop_silver.a
                  select id from shop_gold.m where id < 0
                action: warn
            --- domains/shop/silver/a.yaml
            from: seeds.a
            select:
              id: cast(id as bigint)
            --- domains/shop/silver/crm_people.yaml
            from: landing.crm_people
            select:
              ts: ts
            --- karat.yaml
            # Imported from the dbt project `shop`: IMPORT.md says what became of each statement.
            karat: 1
            project: shop
            sources:
              landing: { type: files, path: "./landing" }
              seeds: { type: files, path: "./seeds" }
            --- seeds/a.csv
            id
            1
            ---
            model: 1 mapped, 0 unmapped
            seed: 1 mapped, 0 unmapped
            source: 1 mapped, 0 unmapped
            test: 3 mapped, 5 unmapped
            unmapped models/soft/m.yml:8 `error_if`: karat's checks have no such setting; write the condition as a check with `sql`
            unmapped models/soft/m.yml:9 `trim_whitespace`: what it changes of the test is not taken over; write what it asks as a check with `sql`
            unmapped models/soft/m.yml:10 `enabled: {{ target.name == 'prod' }}`: whether the test is switched on is not known; write true or false
            unmapped models/soft/m.yml:13 `freshness of crm`: how old rows may be is not taken over; say by when a file is due with `expect` of the feed
            unmapped models/soft/m.yml:14 `crm.people`: where the rows come from is known to the loader of the warehouse alone; put files into landing/crm/people/, or name another source of the feed in domain.yaml
            unmapped models/soft/m.yml:14 `loaded_at_field of crm.people`: how old rows may be is not taken over; say by when a file is due with `expect` of the feed
            unmapped tests/five.sql:1 `where`: it has no place in a test that is a SELECT; write it into the SELECT
            unmapped tests/four.sql:1 `limit`: karat's checks have no such setting; write the condition as a check with `sql`
            note tests/off/two.sql:1 `two`: the test is switched off (`enabled`); switch it on there if it is wanted
            note tests/three.sql:1 `three`: the test is switched off (`enabled`); switch it on there if it is wanted
        "#]],
    );
}

#[test]
fn jinja_gives_what_it_gives_in_dbt_or_is_listed() {
    let text = "
--- macros/m.sql
{% macro m(a, b='x') %}{{ a | default('none') }}_{{ b }}{% endmacro %}
{% macro asks(a) %}{% if a is defined %}1{% else %}2{% endif %}{% endmacro %}
--- models/fine.sql
select '{{ '' | default('x', true) }}' as a, '{{ '' | default('x') }}' as b, '{{ m() }}' as c,
    'it {# no comment #} stays' as d, {# a comment #} 1 as e,
    {%- set f %}'{# nor here #}g'{% endset %}
    {{ f }} as f, '{{ nobody | default('n') }}' as g
--- models/target.sql
select '{{ target.name | default('dev') }}' as a
--- models/sorted.sql
select '{{ ['b', 'a'] | sort(reverse=true) | join }}' as a
--- models/missing.sql
select {{ asks() }} as a
--- models/method.sql
select '{{ 'aaa'.replace('a', 'b', 1) }}' as a
--- models/named.sql
select '{{ m(c=1) }}' as a
--- models/equal.sql
select {% if 1.0 == 1 %}1{% else %}2{% endif %} as a
--- models/kind.sql
select {% if target.name is string %}1{% else %}2{% endif %} as a
--- models/first.sql
select '{{ [] | first }}' as a
";
    let import = imported(text);
    let files = import.files();
    let fine = files["domains/shop/gold/fine.sql"].clone();
    let fine = String::from_utf8(fine).unwrap();
    expect![[r#"
        select 'x' as a, '' as b, 'none_x' as c,
            'it  stays' as d, /* a comment */ 1 as e,
            'g' as f, 'n' as g
        ---
        model: 1 mapped, 8 unmapped
        unmapped models/equal.sql:1 `==`: it is not taken over for a number; write out what it gives
        unmapped models/first.sql:1 `| first`: this filter is not taken over for a list; write out what it gives
        unmapped models/kind.sql:1 `is string`: this test is not taken over; write out what it gives
        unmapped models/method.sql:1 `replace`: an argument of it is not taken over; write out what it gives
        unmapped models/missing.sql:1 `is defined`: in the macro `asks`: this test is not taken over; write out what it gives
        unmapped models/named.sql:1 `m`: the macro takes no argument `c`; mend the template
        unmapped models/sorted.sql:1 `sort`: what `reverse` changes is not taken over; write out what it gives
        unmapped models/target.sql:1 `target.name`: nothing in the project says what it is; write out what it gives (`dbt compile` shows it)
    "#]].assert_eq(&(fine + &told(&import)));
}

#[test]
fn engines_differ_in_more_than_names() {
    let files = "
--- macros/m.sql
{% macro m() %}{{ return(adapter.dispatch('m')()) }}{% endmacro %}
{% macro default__m() %}1{% endmacro %}
{% macro postgres__m() %}2{% endmacro %}
{% macro databricks__m() %}3{% endmacro %}
--- seeds/a.csv
id,t
1,x
--- models/dispatched.sql
select {{ m() }} as x
--- models/typed.sql
select '{{ target.type }}' as x
--- models/escaped.sql
select 'a\\\\b' as x
--- models/trimmed.sql
select ltrim('x', t) as x from {{ ref('a') }}
--- models/last.sql
select last_value(t) over (order by id nulls last) as x from {{ ref('a') }}
--- models/similar.sql
select t similar to 'x+' as x from {{ ref('a') }}
--- models/matched.sql
select t ~ 'x' as x from {{ ref('a') }}
--- models/letter.sql
select t::char as x from {{ ref('a') }}
--- models/tried.sql
select try_cast(t as int) as x from {{ ref('a') }}
--- models/joined.sql
select concat_ws('-', t, t) as x, md5(t) as y from {{ ref('a') }}
--- models/placed.sql
select position('a', t) as x from {{ ref('a') }}
--- models/most.sql
select arg_max(t, id) as x from {{ ref('a') }}
";
    let mut out = String::new();
    for dialect in [
        Dialect::DuckDb,
        Dialect::Postgres,
        Dialect::Redshift,
        Dialect::Spark,
        Dialect::Snowflake,
        Dialect::Unknown,
    ] {
        let settings = DbtSettings {
            dialect: Some(dialect),
            vars: Vec::new(),
        };
        let import = dbt(&folder(&format!("{PROJECT}{files}")), &settings).unwrap();
        let left: Vec<&str> = import
            .items()
            .iter()
            .filter(|item| item.kind == "model" && item.became.is_none())
            .map(|item| item.name.as_str())
            .collect();
        out.push_str(&format!(
            "{}: left out {}\n",
            dialect.name(),
            left.join(", ")
        ));
    }
    expect![[r#"
        duckdb: left out matched, most, placed, similar, tried
        postgres: left out letter, most, placed, similar
        redshift: left out escaped, joined, last, letter, matched, most, placed, similar, tried, trimmed
        databricks: left out dispatched, escaped, letter, matched, most, placed, similar, trimmed, typed
        snowflake: left out escaped, joined, last, letter, matched, most, placed, similar
        unknown: left out dispatched, escaped, joined, last, letter, matched, most, placed, similar, tried, trimmed, typed
    "#]].assert_eq(&out);
}

#[test]
fn names_of_tables_in_comments_are_those_of_karat() {
    let import = imported(
        "
--- seeds/a.csv
id
1
--- models/m.sql
-- depends_on: {{ ref('a') }}
select id, id / 3 as third, avg(id) over () as mean from {{ ref('a') }}
--- models/in_text.sql
select '{{ ref('a') }}' as x from {{ ref('a') }}
",
    );
    let files = import.files();
    let sql = String::from_utf8(files["domains/shop/gold/m.sql"].clone()).unwrap();
    expect![[r#"
        -- depends_on: shop_silver.a
        select id, id / 3 as third, avg(id) over () as mean from shop_silver.a
        ---
        model: 1 mapped, 1 unmapped
        seed: 1 mapped, 0 unmapped
        unmapped models/in_text.sql:1 `'{{ ref(…) }}'`: the name of a table in a text is another in karat; write the text that is meant
        note models/m.sql:2 `/`: of whole numbers it is a decimal in karat, rounded once (docs/types.md), and a double or of other digits there; cast it to the digits that are wanted
        note models/m.sql:2 `avg(…)`: of whole numbers it is a decimal in karat, rounded once (docs/types.md), and a double or of other digits there; cast it to the digits that are wanted
    "#]].assert_eq(&(sql + &told(&import)));
}
