//! Onboarding files of sdp-meta.

use expect_test::expect;
use karat_import::sdp_meta;

use super::{folder, printed, sound, told};

#[test]
fn a_data_flow_becomes_a_feed_and_silver_tables() {
    let import = sdp_meta(
        &folder(
            r#"
--- conf/onboarding.template
[
  {
    "data_flow_id": "100",
    "data_flow_group": "A1",
    "source_system": "mysql",
    "source_format": "cloudFiles",
    "source_details": {
      "source_path_prod": "{uc_volume_path}/data/customers",
      "source_schema_path": "{uc_volume_path}/ddl/customers.ddl"
    },
    "bronze_table": "customers",
    "bronze_reader_options": { "cloudFiles.format": "csv", "cloudFiles.rescuedDataColumn": "_rescued_data", "header": "true" },
    "bronze_data_quality_expectations_json_prod": "{uc_volume_path}/conf/dqe/customers.json",
    "bronze_quarantine_table": "customers_quarantine",
    "silver_table": "customers",
    "silver_table_comment": "Everybody, with history.",
    "silver_cdc_apply_changes": {
      "keys": ["customer_id"], "sequence_by": "dmsTimestamp", "scd_type": "2",
      "apply_as_deletes": "Op = 'D'", "except_column_list": ["Op", "dmsTimestamp", "_rescued_data"]
    },
    "silver_transformation_json_prod": "{uc_volume_path}/conf/silver_transformations.json",
    "silver_data_quality_expectations_json_prod": "{uc_volume_path}/conf/dqe/silver.json",
    "silver_sinks": []
  },
  { "data_flow_id": "101", "source_format": "eventhub", "bronze_table": "iot" },
  { "data_flow_id": "102", "source_format": "cloudFiles", "bronze_table": "lost", "source_details": {} }
]
--- conf/dqe/customers.json
{ "expect_or_drop": { "no_rescued_data": "_rescued_data IS NULL", "valid_id": "customer_id IS NOT NULL" },
  "expect_or_quarantine": { "bad": "customer_id IS NULL" } }
--- conf/dqe/silver.json
{ "expect": { "has_name": "full_name <> ''" }, "expect_or_fail": { "has_time": "dmsTimestamp IS NOT NULL" } }
--- conf/silver_transformations.json
[ { "target_table": "customers",
    "select_exp": ["customer_id", "concat(first_name,' ',last_name) as full_name", "dmsTimestamp", "Op", "_rescued_data"],
    "where_clause": [" "] } ]
--- ddl/customers.ddl
Op: string, dmsTimestamp: timestamp,
customer_id: int, first_name: string, last_name: string
"#,
        ),
        "shop",
    )
    .unwrap();
    sound(&import);
    expect![[r#"
        --- domains/shop/domain.yaml
        domain: shop
        feeds:
          - source: landing
            name: customers
            mode: incremental
            path: data/customers/**
            format: csv
            on_duplicate: load
            on_schema_change: { missing: "null" }
        --- domains/shop/silver/customers.yaml
        from: landing.customers
        select:
          customer_id:  CAST(customer_id AS INT)
          full_name:    "(first_name || ' ' || last_name)"
          dmstimestamp: CAST(dmstimestamp AS TIMESTAMP)
        expectations:
          valid_id: { expect: customer_id IS NOT NULL, action: quarantine, on: all }
          has_name: { expect: "NOT coalesce(customer_id IS NOT NULL, false) OR (full_name <> '')", action: warn, on: all }
          has_time: { expect: "NOT coalesce(customer_id IS NOT NULL, false) OR (dmsTimestamp IS NOT NULL)", action: fail, on: all }
        auto_cdc:
          keys: [customer_id]
          sequence_by: dmstimestamp
          apply_as_deletes: "op = 'D'"
          stored_as_scd_type: 2
        --- domains/shop/silver/customers_bronze.yaml
        from: landing.customers
        select:
          op:           op
          dmstimestamp: CAST(dmstimestamp AS TIMESTAMP)
          customer_id:  CAST(customer_id AS INT)
          first_name:   first_name
          last_name:    last_name
        expectations:
          valid_id: { expect: customer_id IS NOT NULL, action: quarantine }
        --- domains/shop/silver/customers_changes.yaml
        description: Everybody, with history.
        from: landing.customers
        select:
          customer_id:  CAST(customer_id AS INT)
          full_name:    "(first_name || ' ' || last_name)"
          dmstimestamp: CAST(dmstimestamp AS TIMESTAMP)
          op:           op
        expectations:
          valid_id: { expect: customer_id IS NOT NULL, action: quarantine }
          has_name: { expect: "NOT coalesce(customer_id IS NOT NULL, false) OR (full_name <> '')", action: warn }
          has_time: { expect: "NOT coalesce(customer_id IS NOT NULL, false) OR (dmsTimestamp IS NOT NULL)", action: fail }
        --- karat.yaml
        # Imported from an onboarding of sdp-meta: IMPORT.md says what became of each data flow.
        karat: 1
        project: shop
        sources:
          landing: { type: files, path: "./landing" }
        ---
        auto cdc: 1 mapped, 0 unmapped
        bronze table: 1 mapped, 0 unmapped
        data flow: 0 mapped, 2 unmapped
        expectation: 3 mapped, 0 unmapped
        silver table: 1 mapped, 0 unmapped
        note conf/onboarding.template:13 `expect_or_quarantine`: rows that the table drops are held in karat's quarantine; a condition of its own it has not; look whether it finds rows that the table keeps
        note conf/onboarding.template:13 `no_rescued_data`: rows with something that does not fit are held back by the built-in rule `_rescued`; nothing
        note conf/onboarding.template:17 `dmstimestamp`: it stays in the table: `sequence_by` names columns of the table; leave it out where the table is read
        unmapped conf/onboarding.template:23 `silver_sinks`: it is not taken over; write it in karat by hand where it is needed
        unmapped conf/onboarding.template:25 `source_format: eventhub`: karat reads files and SQLite in this version; land the source as files
        unmapped conf/onboarding.template:26 `source_details`: it names no path; state `source_path_…`
    "#]].assert_eq(&printed(&import));
}

#[test]
fn no_onboarding_is_refused() {
    let error = sdp_meta(&folder("--- a.json\n[]\n"), "x")
        .unwrap_err()
        .to_string();
    assert!(error.contains("data_flow_id"), "{error}");
    // A file that is broken is told.
    let import = sdp_meta(&folder("--- a.json\n[{\"data_flow_id\": \"1\",\n"), "x").unwrap();
    assert!(import.needs_person());
}

#[test]
fn what_an_onboarding_says_of_several_environments_is_told() {
    let flow = |id: u8, details: &str, more: &str| {
        format!(
            r#"{{ "data_flow_id": "{id}", "source_format": "cloudFiles", "bronze_reader_options": {{ "cloudFiles.format": "json" }},
              "source_details": {{ {details} }}, "bronze_table": "b{id}", "silver_table": "s{id}",
              "silver_cdc_apply_changes": {{ "keys": ["id"], "sequence_by": "ts", "ignore_null_updates": "true", "scd_type": "1" }} {more} }}"#
        )
    };
    let text = format!(
        "--- onb.json\n[{},\n{},\n{}]\n--- dqe.json\n{}\n",
        flow(
            1,
            r#""source_path_dev": "/dev", "source_path_prod": "/prod""#,
            ""
        ),
        flow(
            2,
            r#""source_path_dev": "/dev", "source_metadata": {}"#,
            r#", "bronze_data_quality_expectations_json_dev": "dqe.json""#
        ),
        flow(
            3,
            r#""source_path_dev": "/d""#,
            r#", "silver_transformation_json_a": "x", "silver_transformation_json_b": "y""#
        ),
        r#"{ "expect": { "valid": "_rescued_data IS NULL AND id IS NOT NULL", "plain": "_rescued_data is null" } }"#
    );
    let import = sdp_meta(&folder(&text), "shop").unwrap();
    sound(&import);
    let files = import.files();
    let silver = String::from_utf8(files["domains/shop/silver/s2.yaml"].clone()).unwrap();
    expect![[r#"
        from: landing.dev
        select:
          id: id
          ts: ts
        auto_cdc:
          keys: [id]
          sequence_by: ts
          ignore_null_updates: true
          stored_as_scd_type: 1
        ---
        auto cdc: 1 mapped, 0 unmapped
        bronze table: 1 mapped, 0 unmapped
        data flow: 0 mapped, 2 unmapped
        silver table: 1 mapped, 0 unmapped
        unmapped onb.json:2 `source_path_prod`: it has another value in each environment, and nothing says which is meant; import an onboarding of one environment
        unmapped onb.json:5 `source_metadata`: it is not taken over; write it in the feed, or in the silver model, where it is needed
        note onb.json:5 `*`: the columns of the files are not declared: those that the pipeline names are there; add those that are missing to `select`
        note onb.json:5 `inferColumnTypes`: columns of text files are texts in karat until they are cast; cast them in `select`
        unmapped onb.json:6 `valid`: bronze of karat has no `_rescued_data`: what does not fit is held back by the built-in rule `_rescued`; write the rest of it as an expectation of the silver model
        note onb.json:6 `plain`: rows with something that does not fit are held back by the built-in rule `_rescued`; nothing
        unmapped onb.json:9 `silver_transformation_json_b`: it has another value in each environment, and nothing says which is meant; import an onboarding of one environment
    "#]].assert_eq(&(silver + &told(&import)));
}
