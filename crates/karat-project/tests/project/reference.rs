//! Pages made from the key tables.

use expect_test::expect_file;
use karat_project::{SCHEMA_KINDS, json_schema, reference_page};

#[test]
fn json_schemas_are_those_of_the_key_tables() {
    for kind in SCHEMA_KINDS {
        let schema = serde_json::to_string_pretty(&json_schema(kind).unwrap()).unwrap() + "\n";
        expect_file![format!("../../../../docs/schema/{kind}.json")].assert_eq(&schema);
    }
    assert!(json_schema("other").is_none());
}

#[test]
fn the_reference_is_that_of_the_key_tables() {
    expect_file!["../../../../docs/project.md"].assert_eq(&reference_page());
}
