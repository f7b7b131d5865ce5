//! Packed objects: every packing gives the same rows, half of one is a broken object, and a bomb stops at its limit (B4).

use std::io::Write;

use expect_test::{Expect, expect};
use karat_source::{FeedSpec, Known, Source, Unpack};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::show::{Folder, feed, load_all, show};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    // With a checksum, as the program `zstd` writes it.
    let mut packer = zstd::stream::Encoder::new(Vec::new(), 3).unwrap();
    packer.include_checksum(true).unwrap();
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut packer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

/// Members in this order, deflated.
fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut packer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in members {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::DEFLATE);
        packer.start_file(*name, options).unwrap();
        packer.write_all(bytes).unwrap();
    }
    packer.finish().unwrap().into_inner()
}

/// What a plan says of the files, one a line.
fn broken(folder: &Folder, spec: &FeedSpec) -> String {
    let planned = folder.source().plan(spec, &Known::Files(Vec::new()));
    let objects = planned.unwrap().loads.into_iter().flat_map(|l| l.objects);
    objects
        .map(|o| format!("{}: {}\n", o.path, o.broken.as_deref().unwrap_or("whole")))
        .collect()
}

fn check_broken(files: &[(&str, Vec<u8>)], spec: &FeedSpec, expected: Expect) {
    let folder = Folder::new();
    for (name, bytes) in files {
        folder.put(name, bytes, 1);
    }
    expected.assert_eq(&broken(&folder, spec));
}

#[test]
fn every_packing_gives_the_same_rows() {
    let text = b"id,t\n1,x\n2,\"y\ny\"\n";
    let more = b"3,z\n";
    let packed: [(&str, Vec<u8>); 5] = [
        ("f.csv.gz", [gzip(text), gzip(more)].concat()),
        ("f.csv.zst", [zstd(text), zstd(more)].concat()),
        ("f.csv.bz2", [bzip2(text), bzip2(more)].concat()),
        ("f.csv.zip", zip(&[("a.csv", &[&text[..], more].concat())])),
        // Known by its first bytes, not its name.
        ("f.csv", zstd(&[&text[..], more].concat())),
    ];
    for (name, bytes) in packed {
        let folder = Folder::new();
        folder.put(name, bytes, 1);
        let rows = load_all(&folder.source(), &feed("*")).unwrap();
        assert_eq!(
            show(&rows, false),
            "   id | t\n2: 1 | x\n3: 2 | y\\ny\n5: 3 | z\n",
            "{name}"
        );
    }
}

#[test]
fn an_archive_is_one_object_of_its_members_in_name_order() {
    let folder = Folder::new();
    let archive = zip(&[
        ("b.csv", b"t,id\nx,3\ny,4"),
        ("empty.csv", b""),
        ("a.csv", b"id,t\n1,\"v\nw\"\n\n2,w\n"),
        ("deep/c.csv", b"id,t\n5\n"),
    ]);
    folder.put("d.zip", &archive, 1);
    let mut spec = feed("*.zip");
    let rows = load_all(&folder.source(), &spec).unwrap();
    expect![[r#"
           id | t
        2: 1 | v\nw   I d.zip 642e7a6970000000000000000001
        5: 2 | w   I d.zip 642e7a6970000000000000000002
        8: 3 | x   I d.zip 642e7a6970000000000000000003
        9: 4 | y   I d.zip 642e7a6970000000000000000004
        12: 5 | ∅   I d.zip 642e7a6970000000000000000005   {"reason":"missing_fields","missing":["t"]}
    "#]]
    .assert_eq(&show(&rows, true));
    spec.unpack.members = Some("deep/*".to_owned());
    let rows = load_all(&folder.source(), &spec).unwrap();
    expect![[r#"
           id | t
        2: 5 | ∅   {"reason":"missing_fields","missing":["t"]}
    "#]]
    .assert_eq(&show(&rows, false));
}

#[test]
fn half_an_object_is_a_broken_one() {
    let text: Vec<u8> = (0..2000)
        .flat_map(|i| format!("{i},{}\n", i * 7919 % 1013).into_bytes())
        .collect();
    let text = [b"id,t\n".to_vec(), text].concat();
    let half = |bytes: Vec<u8>| bytes[..bytes.len() / 2].to_vec();
    let flipped = |mut bytes: Vec<u8>| {
        let at = bytes.len() / 2;
        bytes[at] ^= 0xFF;
        bytes
    };
    let archive = zip(&[("a.csv", &text)]);
    let files = [
        ("1.bz2", half(bzip2(&text))),
        ("2.bz2", flipped(bzip2(&text))),
        ("3.zst", half(zstd(&text))),
        ("4.zst", flipped(zstd(&text))),
        ("5.zip", half(archive.clone())),
        ("6.zip", flipped(archive)),
        ("7.bz2", b"id,t\n1,x\n".to_vec()),
        ("8.zip", b"id,t\n1,x\n".to_vec()),
        ("9.zst", Vec::new()),
        ("a.zst", [zstd(&text), b"tail".to_vec()].concat()),
        ("whole.bz2", bzip2(&text)),
    ];
    check_broken(
        &files,
        &feed("*"),
        expect![[r#"
            1.bz2: bzip2 ends early
            2.bz2: bzip2 is damaged
            3.zst: Zstandard ends early
            4.zst: Zstandard is damaged
            5.zip: ZIP archive ends early
            6.zip: its member `a.csv` is damaged
            7.bz2: it is no bzip2, and should be by its name or by `compression`
            8.zip: it is no ZIP archive, and should be by its name or by `compression`
            9.zst: it is empty, and should be Zstandard by its name or by `compression`
            a.zst: Zstandard is damaged
            whole.bz2: whole
        "#]],
    );
}

#[test]
fn archives_that_are_none_of_text_files() {
    let files = [
        (
            "book.zip",
            zip(&[("[Content_Types].xml", b"<x/>"), ("xl/a.xml", b"<x/>")]),
        ),
        (
            "columns.zip",
            zip(&[("a.csv", b"id,t\n1,x\n"), ("b.csv", b"id,u\n1,x\n")]),
        ),
        (
            "mac.zip",
            zip(&[("a.csv", b"id,t\n1,x\n"), ("__MACOSX/._a.csv", b"\x00\x05")]),
        ),
        (
            "readme.zip",
            zip(&[("a.csv", b"id,t\n1,x\n"), ("README", b"hello\n")]),
        ),
    ];
    check_broken(
        &files,
        &feed("*.zip"),
        expect![[r#"
            book.zip: it is a workbook or another Office document, not an archive of text files
            columns.zip: its member `b.csv` has other columns than `a.csv`; `members` under `unpack` of the feed names those that are read
            mac.zip: whole
            readme.zip: its member `a.csv` has other columns than `README`; `members` under `unpack` of the feed names those that are read
        "#]],
    );
    let mut spec = feed("*.zip");
    spec.unpack.members = Some("*.csv".to_owned());
    check_broken(
        &files,
        &spec,
        expect![[r#"
            book.zip: no file in the archive is called like `members` of the feed's `unpack`
            columns.zip: its member `b.csv` has other columns than `a.csv`; `members` under `unpack` of the feed names those that are read
            mac.zip: whole
            readme.zip: whole
        "#]],
    );
}

#[test]
fn a_bomb_stops_at_its_limit() {
    // 300 MiB of one line in some kilobytes.
    let line = b"1,x\n".repeat(1 << 18);
    let mut bomb = zstd::stream::Encoder::new(Vec::new(), 1).unwrap();
    bomb.write_all(b"id,t\n").unwrap();
    for _ in 0..300 {
        bomb.write_all(&line).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let member = b"id,t\n".to_vec();
    let files = [
        ("bomb.zst", bomb.clone()),
        (
            "small.gz",
            gzip(&[member, b"1,x\n".repeat(1 << 20)].concat()),
        ),
        ("whole.csv", b"id,t\n1,x\n".to_vec()),
    ];
    check_broken(
        &files,
        &feed("*"),
        expect![[r#"
        bomb.zst: it unpacks to more than 250 times its size: `max_ratio` of the feed's `unpack` is the limit
        small.gz: whole
        whole.csv: whole
    "#]],
    );
    let mut spec = feed("*");
    spec.unpack = Unpack {
        max_ratio: 1_000_000,
        max_bytes: 1 << 20,
        members: None,
    };
    check_broken(
        &files,
        &spec,
        expect![[r#"
        bomb.zst: it unpacks to more than 1048576 bytes: `max_bytes` of the feed's `unpack` is the limit
        small.gz: it unpacks to more than 1048576 bytes: `max_bytes` of the feed's `unpack` is the limit
        whole.csv: whole
    "#]],
    );
    // Raised, the object is whole, though its bytes are the same.
    let folder = Folder::new();
    folder.put("bomb.zst", &bomb, 1);
    let mut spec = feed("*");
    let known = |spec: &FeedSpec, known: Vec<_>| {
        let planned = folder.source().plan(spec, &Known::Files(known)).unwrap();
        let objects = planned.loads.into_iter().flat_map(|l| l.objects);
        objects
            .map(karat_source::KnownObject::from)
            .collect::<Vec<_>>()
    };
    let first = known(&spec, Vec::new());
    assert!(first[0].broken.is_some());
    assert!(
        known(&spec, first.clone()).is_empty(),
        "nothing has changed"
    );
    spec.unpack.max_ratio = 1_000_000;
    assert!(known(&spec, first)[0].broken.is_none());
}
