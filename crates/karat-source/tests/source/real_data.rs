//! The files as their publishers ship them; traps that are really there.

use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use expect_test::expect;
use karat_source::files::Files;
use karat_source::{
    CsvOptions, Encoding, FeedSpec, Known, Mode, ReadCount, Source, SourceConfig, open_source,
};

use crate::show::{collect, feed, load_all};

/// The folder `shared/data` beside the clone, or what KARAT_SHARED_DATA names.
fn data(folder: &str) -> PathBuf {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    let named = std::env::var_os("KARAT_SHARED_DATA").map(PathBuf::from);
    let found = named
        .into_iter()
        .chain([beside])
        .map(|root| root.join(folder))
        .find(|path| path.exists());
    found.unwrap_or_else(|| {
        panic!("the test data `{folder}` is not there: set KARAT_SHARED_DATA to the folder that holds `adventureworks`, `chinook`, `ecb` and `northwind`")
    })
}

fn lines(path: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    text.lines()
        .skip(1)
        .map(|l| l.split(',').map(str::to_owned).collect())
        .collect()
}

fn count_of(root: &Path, spec: &FeedSpec) -> ReadCount {
    let source = Files::open(&SourceConfig::new(root)).unwrap();
    let planned = source.plan(spec, &Known::Files(Vec::new())).unwrap();
    source
        .read(spec, &planned.loads[0], &mut |_| Ok(()))
        .unwrap()
}

fn rows_of(root: &Path, spec: &FeedSpec) -> (u64, u64) {
    let count = count_of(root, spec);
    (count.rows, count.rescued)
}

#[test]
fn all_adventureworks_files_have_their_rows() {
    let root = data("adventureworks");
    let columns = lines(&root.join("columns.csv"));
    let files = lines(&root.join("files.csv"));
    assert_eq!(files.len(), 61);
    for file in &files {
        let unescape = |t: &str| {
            t.replace("\\\\t", "\t")
                .replace("\\t", "\t")
                .replace("\\\\n", "\n")
                .replace("\\n", "\n")
                .replace("0x0a", "\n")
        };
        let csv = CsvOptions {
            delimiter: unescape(&file[4]),
            terminator: Some(unescape(&file[5])),
            quote: None,
            header: false,
            encoding: Encoding::from_name(&file[3]).unwrap(),
            ..CsvOptions::default()
        };
        let names = columns
            .iter()
            .filter(|c| c[0] == file[0])
            .map(|c| c[2].clone())
            .collect();
        let spec = FeedSpec {
            csv,
            columns: Some(names),
            ..feed(&file[0])
        };
        let count = count_of(&root, &spec);
        // The publisher's count of `ProductReview` is one of lines, of which three are blank.
        assert_eq!(
            count.rows + count.blank_lines,
            file[6].parse::<u64>().unwrap(),
            "{}",
            file[0]
        );
        let torn = file[0] == "oltp/ProductReview.csv";
        assert_eq!(
            (count.rescued > 0, count.blank_lines),
            (torn, if torn { 3 } else { 0 }),
            "{}: {} rows rescued",
            file[0],
            count.rescued
        );
    }
}

#[test]
fn product_review_has_four_records_of_eight_columns() {
    let root = data("adventureworks");
    let names = lines(&root.join("columns.csv"))
        .iter()
        .filter(|c| c[0] == "oltp/ProductReview.csv")
        .map(|c| c[2].clone())
        .collect();
    let csv = CsvOptions {
        delimiter: "\t".to_owned(),
        terminator: Some("\n".to_owned()),
        quote: None,
        header: false,
        terminator_in_fields: true,
        ..CsvOptions::default()
    };
    let spec = FeedSpec {
        csv,
        columns: Some(names),
        ..feed("oltp/ProductReview.csv")
    };
    assert_eq!(rows_of(&root, &spec), (4, 0));
    let batch =
        &load_all(&Files::open(&SourceConfig::new(&root)).unwrap(), &spec).unwrap()[0].batch;
    let column = |name: &str| batch.column_by_name(name).unwrap();
    let comments = column("comments").as_string::<i32>();
    let shown: String = (0..4)
        .map(|i| {
            let text = comments.value(i);
            let line = column("_row")
                .as_primitive::<arrow::datatypes::Int64Type>()
                .value(i);
            format!(
                "line {line}: {} by {}, {} lines, {}\n",
                column("productreviewid").as_string::<i32>().value(i),
                column("reviewername").as_string::<i32>().value(i),
                text.lines().count(),
                column("modifieddate").as_string::<i32>().value(i)
            )
        })
        .collect();
    expect![[r#"
        line 1: 1 by John Smith, 5 lines, 2024-09-17 00:00:00.000
        line 6: 2 by David, 3 lines, 2024-11-12 00:00:00.000
        line 9: 3 by Jill, 3 lines, 2024-11-14 00:00:00.000
        line 12: 4 by Laura Norman, 23 lines, 2024-11-14 00:00:00.000
    "#]]
    .assert_eq(&shown);
}

#[test]
fn the_reference_rates_of_the_european_central_bank() {
    let root = data("ecb");
    let batches = load_all(
        &Files::open(&SourceConfig::new(&root)).unwrap(),
        &feed("eurofxref-hist.csv"),
    )
    .unwrap();
    let schema = batches[0].batch.schema();
    let names: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(
        (names[0], names[42], names[43]),
        ("date", "column_43", "_seq")
    );
    let text = std::fs::read_to_string(root.join("eurofxref-hist.csv")).unwrap();
    let rows: usize = batches.iter().map(|b| b.batch.num_rows()).sum();
    assert_eq!(rows, text.trim_end().lines().count() - 1);
    for batch in &batches {
        let batch = &batch.batch;
        assert_eq!(batch.column(42).null_count(), batch.num_rows());
        assert_eq!(
            batch.column_by_name("_rescued").unwrap().null_count(),
            batch.num_rows()
        );
    }
}

#[test]
fn northwind_has_headers() {
    let root = data("northwind");
    for (file, rows) in [
        ("customers.csv", 91),
        ("orders.csv", 830),
        ("order_details.csv", 2155),
        ("products.csv", 77),
    ] {
        assert_eq!(rows_of(&root, &feed(file)), (rows, 0), "{file}");
    }
}

#[test]
fn chinook_reads_all_its_tables() {
    let source = open_source(
        "sqlite",
        &SourceConfig::new(data("chinook").join("chinook.sqlite")),
    )
    .unwrap();
    let mut shown = String::new();
    for table in source.discover(None).unwrap() {
        let spec = FeedSpec {
            name: "f".to_owned(),
            table: Some(table.name.clone()),
            mode: Mode::Full,
            ..FeedSpec::default()
        };
        let planned = source
            .plan(
                &spec,
                &Known::Full {
                    mark: "m".to_owned(),
                },
            )
            .unwrap();
        let batches = collect(&*source, &spec, &planned.loads[0]).unwrap();
        let rows: usize = batches.iter().map(|b| b.batch.num_rows()).sum();
        let rescued: usize = batches
            .iter()
            .map(|b| b.batch.num_rows() - b.batch.column_by_name("_rescued").unwrap().null_count())
            .sum();
        let columns: Vec<String> = planned.loads[0]
            .header
            .as_ref()
            .unwrap()
            .iter()
            .map(|c| format!("{} {}", c.name, c.data_type))
            .collect();
        shown.push_str(&format!(
            "{}: {rows} rows, {rescued} rescued, key {:?}, {}\n",
            table.name,
            table.key_hint,
            columns.join(", ")
        ));
    }
    expect![[r#"
        Album: 347 rows, 0 rescued, key ["albumid"], albumid Int64, title Utf8, artistid Int64
        Artist: 275 rows, 0 rescued, key ["artistid"], artistid Int64, name Utf8
        Customer: 59 rows, 0 rescued, key ["customerid"], customerid Int64, firstname Utf8, lastname Utf8, company Utf8, address Utf8, city Utf8, state Utf8, country Utf8, postalcode Utf8, phone Utf8, fax Utf8, email Utf8, supportrepid Int64
        Employee: 8 rows, 0 rescued, key ["employeeid"], employeeid Int64, lastname Utf8, firstname Utf8, title Utf8, reportsto Int64, birthdate Utf8, hiredate Utf8, address Utf8, city Utf8, state Utf8, country Utf8, postalcode Utf8, phone Utf8, fax Utf8, email Utf8
        Genre: 25 rows, 0 rescued, key ["genreid"], genreid Int64, name Utf8
        Invoice: 412 rows, 0 rescued, key ["invoiceid"], invoiceid Int64, customerid Int64, invoicedate Utf8, billingaddress Utf8, billingcity Utf8, billingstate Utf8, billingcountry Utf8, billingpostalcode Utf8, total Float64
        InvoiceLine: 2240 rows, 0 rescued, key ["invoicelineid"], invoicelineid Int64, invoiceid Int64, trackid Int64, unitprice Float64, quantity Int64
        MediaType: 5 rows, 0 rescued, key ["mediatypeid"], mediatypeid Int64, name Utf8
        Playlist: 18 rows, 0 rescued, key ["playlistid"], playlistid Int64, name Utf8
        PlaylistTrack: 8715 rows, 0 rescued, key ["playlistid", "trackid"], playlistid Int64, trackid Int64
        Track: 3503 rows, 0 rescued, key ["trackid"], trackid Int64, name Utf8, albumid Int64, mediatypeid Int64, genreid Int64, composer Utf8, milliseconds Int64, bytes Int64, unitprice Float64
    "#]].assert_eq(&shown);
}
