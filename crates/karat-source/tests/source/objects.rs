//! Which files are new, whole, delivered again (B4), and what full loads make of them (B6).

use std::io::Write;
use std::time::Duration;

use expect_test::{Expect, expect};
use karat_source::{
    Compression, ErrorKind, FeedSpec, Known, KnownObject, Mode, Planned, Source, SourceConfig,
    open_source,
};

use crate::show::{Folder, collect, error_text, feed, load_all, show};

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

fn show_plan(planned: &Planned) -> String {
    let mut out = String::new();
    for load in &planned.loads {
        out.push_str(&format!(
            "load {} {} -> {}\n",
            load.mark.as_deref().unwrap_or("-"),
            load.from,
            load.to
        ));
        for o in &load.objects {
            out.push_str(&format!(
                "  {} {} bytes, {} delivery {} mark {}",
                o.path,
                o.size,
                &o.sha256[..8],
                o.delivery,
                o.mark
            ));
            for (label, value) in [("duplicate of", &o.duplicate_of), ("broken:", &o.broken)] {
                if let Some(value) = value {
                    out.push_str(&format!(", {label} {value}"));
                }
            }
            out.push('\n');
        }
    }
    for o in &planned.late {
        out.push_str(&format!("late {}\n", o.path));
    }
    for o in &planned.touched {
        out.push_str(&format!("touched {}\n", o.path));
    }
    for waits in &planned.waiting {
        out.push_str(&format!("waiting: {} {}\n", waits.path, waits.why));
    }
    for warning in &planned.warnings {
        out.push_str(&format!("warning: {warning}\n"));
    }
    out
}

/// Plans, shows, and takes what was planned as known.
fn step(folder: &Folder, feed: &FeedSpec, known: &mut Vec<KnownObject>, expected: Expect) {
    match folder.source().plan(feed, &Known::Files(known.clone())) {
        Ok(planned) => {
            expected.assert_eq(&show_plan(&planned));
            known.extend(
                planned
                    .loads
                    .into_iter()
                    .flat_map(|l| l.objects)
                    .map(KnownObject::from),
            );
        }
        Err(e) => expected.assert_eq(&error_text(&e)),
    }
}

#[test]
fn deliveries_and_duplicates() {
    let folder = Folder::new();
    let spec = feed("in/*.csv");
    let mut known = Vec::new();
    folder.put("in/b.csv", "id\n1\n", 1);
    folder.put("in/a.csv", "id\n1\n", 1);
    folder.put("in/empty1.csv", "id\n", 1);
    folder.put("in/empty2.csv", "id\n", 1);
    folder.put("in/skipped.txt", "id\n", 1);
    folder.put("in/deeper/c.csv", "id\n", 1);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
            load - {"objects":0} -> {"objects":4}
              in/a.csv 5 bytes, 7cde7fb6 delivery 1 mark in/a.csv
              in/b.csv 5 bytes, 7cde7fb6 delivery 1 mark in/b.csv, duplicate of in/a.csv
              in/empty1.csv 3 bytes, 984a644e delivery 1 mark in/empty1.csv
              in/empty2.csv 3 bytes, 984a644e delivery 1 mark in/empty2.csv
            warning: `in/b.csv` holds, byte for byte, what `in/a.csv` holds, and counts as a duplicate: where both count, declare `on_duplicate: load`
        "#]],
    );
    step(&folder, &spec, &mut known, expect![[""]]);
    // Touched, changed, and changed back with the old time.
    folder.put("in/a.csv", "id\n1\n", 2);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
        touched in/a.csv
    "#]],
    );
    folder.put("in/b.csv", "id\n2\n", 2);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
        load - {"objects":4} -> {"objects":5}
          in/b.csv 5 bytes, 4ece338a delivery 2 mark in/b.csv
        touched in/a.csv
    "#]],
    );
    folder.put("in/b.csv", "id\n1\n", 1);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
        load - {"objects":5} -> {"objects":6}
          in/b.csv 5 bytes, 7cde7fb6 delivery 3 mark in/b.csv
        touched in/a.csv
    "#]],
    );
    // The content that b.csv had in between is held by nobody any more.
    folder.put("in/c.csv", "id\n2\n", 3);
    folder.put("in/d.csv", "id\n1\n", 3);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
            load - {"objects":6} -> {"objects":8}
              in/c.csv 5 bytes, 4ece338a delivery 1 mark in/c.csv
              in/d.csv 5 bytes, 7cde7fb6 delivery 1 mark in/d.csv, duplicate of in/a.csv
            touched in/a.csv
            warning: `in/d.csv` holds, byte for byte, what `in/a.csv` holds, and counts as a duplicate: where both count, declare `on_duplicate: load`
        "#]],
    );
    folder.put("in/e.csv", "id\n1\n", 3);
    step(
        &folder,
        &FeedSpec {
            on_duplicate_load: true,
            ..spec
        },
        &mut known,
        expect![[r#"
        load - {"objects":8} -> {"objects":9}
          in/e.csv 5 bytes, 7cde7fb6 delivery 1 mark in/e.csv
        touched in/a.csv
    "#]],
    );
}

#[test]
fn broken_objects_are_listed_and_the_rest_goes_on() {
    let folder = Folder::new();
    let spec = feed("*.csv*");
    let mut known = Vec::new();
    let packed = gzip("id,t\n1,x\n2,y\n");
    folder.put("a.csv.gz", &packed, 1);
    folder.put("b.csv.gz", &packed[..packed.len() - 9], 1);
    folder.put("c.csv.gz", [&packed[..], b"rubbish"].concat(), 1);
    folder.put("d.csv.gz", "id,t\n", 1);
    folder.put("e.csv.gz", "", 1);
    folder.put("f.csv", [&packed[..], &gzip("3,z\n")].concat(), 1);
    folder.put("g.csv", "", 1);
    folder.put("i.csv.gz", [&packed[..20], &packed[..]].concat(), 1);
    std::fs::create_dir(folder.path().join("h.csv")).unwrap();
    let stop = FeedSpec {
        on_broken_stop: true,
        ..spec.clone()
    };
    step(
        &folder,
        &stop,
        &mut known,
        expect![[r#"
        Broken: cannot load `b.csv.gz` of feed `f`: gzip ends early
        hint: have it delivered again, or take `on_broken_object: stop` from the feed to go on without it
    "#]],
    );
    let load = folder
        .source()
        .plan(&spec, &Known::Files(Vec::new()))
        .unwrap()
        .loads
        .remove(0);
    expect![[r#"
           id | t
        2: 1 | x   I a.csv.gz 612e6373762e677a000000000000000001
        3: 2 | y   I a.csv.gz 612e6373762e677a000000000000000002
        2: 1 | x   I f.csv 662e637376000000000000000001
        3: 2 | y   I f.csv 662e637376000000000000000002
        4: 3 | z   I f.csv 662e637376000000000000000003
    "#]]
    .assert_eq(&show(
        &collect(&folder.source(), &spec, &load).unwrap(),
        true,
    ));
    let count = folder.source().read(&spec, &load, &mut |_| Ok(())).unwrap();
    assert_eq!(count.object_rows, [2, 0, 0, 0, 0, 3, 0, 0, 0]);
    let planned = folder
        .source()
        .plan(&spec, &Known::Files(Vec::new()))
        .unwrap();
    let shown: String = show_plan(&planned)
        .lines()
        .filter(|l| l.contains("broken"))
        .map(|l| format!("{l}\n"))
        .collect();
    // Sizes and digests of what a packer made may change with its version.
    let shown: String = shown
        .lines()
        .map(|l| {
            format!(
                "{} {}\n",
                l.split_whitespace().next().unwrap(),
                l.split("broken").nth(1).unwrap()
            )
        })
        .collect();
    expect![[r#"
        b.csv.gz : gzip ends early
        c.csv.gz : gzip is complete, but bytes that are no gzip follow it
        d.csv.gz : it is no gzip, and should be by its name or by `compression`
        e.csv.gz : it is empty, and should be gzip by its name or by `compression`
        h.csv : it is a folder, not a file
        i.csv.gz : gzip is damaged
    "#]]
    .assert_eq(&shown);
    known.extend(load.objects.into_iter().map(KnownObject::from));
    step(&folder, &stop, &mut known, expect![[""]]);
}

#[test]
fn a_very_long_line_is_a_broken_object_and_needs_no_memory() {
    let folder = Folder::new();
    let mut spec = feed("*.csv");
    spec.csv.max_line_bytes = 100_000;
    folder.put("a.csv", format!("a,b\n1,{}\n", "x".repeat(2_000_000)), 1);
    folder.put("b.csv", format!("a,b\n1,{}\n", "x".repeat(90_000)), 1);
    // Rows that are long because of their quotes, and a file that is long because of its rows.
    folder.put(
        "c.csv",
        format!("a,b\n1,2\n1,\"{}", "x\n".repeat(60_000)),
        1,
    );
    folder.put(
        "d.csv",
        format!("a,b\n1,2\n1,\"{}\"\n", "x\n".repeat(40_000)),
        1,
    );
    folder.put("e.csv", "1,\"2\"\n".repeat(40_000), 1);
    let utf16 = |n| -> Vec<u8> {
        let text = format!("\u{feff}a,b\n1,{}ℵ\n", "Ċ".repeat(n));
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    };
    // One character is two bytes there, and two in UTF-8; one of its bytes is that of a line feed.
    folder.put("f.csv", utf16(49_000), 1);
    folder.put("g.csv", utf16(50_000), 1);
    let mut known = Vec::new();
    let load = folder
        .source()
        .plan(&spec, &Known::Files(Vec::new()))
        .unwrap()
        .loads
        .remove(0);
    let shown: Vec<String> = load
        .objects
        .iter()
        .map(|o| format!("{}: {}\n", o.path, o.broken.as_deref().unwrap_or("whole")))
        .collect();
    expect![[r#"
        a.csv: the row that begins in line 2 is longer than 100000 bytes
        b.csv: whole
        c.csv: the row that begins in line 3 is longer than 100000 bytes; a quote in it is opened and not closed
        d.csv: whole
        e.csv: whole
        f.csv: whole
        g.csv: the row that begins in line 2 is longer than 100000 bytes
    "#]].assert_eq(&shown.concat());
    assert_eq!(
        folder
            .source()
            .read(&spec, &load, &mut |_| Ok(()))
            .unwrap()
            .object_rows,
        [0, 1, 0, 2, 39_999, 1, 0]
    );
    // Nothing changed: nothing to load. A higher limit: those that were too long are delivered once more.
    known.extend(load.objects.into_iter().map(KnownObject::from));
    step(&folder, &spec, &mut known, expect![[""]]);
    spec.csv.max_line_bytes = 10_000_000;
    let load = folder
        .source()
        .plan(&spec, &Known::Files(known.clone()))
        .unwrap()
        .loads
        .remove(0);
    let shown: Vec<String> = load
        .objects
        .iter()
        .map(|o| format!("{} delivery {}: {:?}\n", o.path, o.delivery, o.broken))
        .collect();
    expect![[r#"
        a.csv delivery 2: None
        c.csv delivery 2: None
        g.csv delivery 2: None
    "#]]
    .assert_eq(&shown.concat());
    known.extend(load.objects.into_iter().map(KnownObject::from));
    step(&folder, &spec, &mut known, expect![[""]]);
}

#[test]
fn a_line_of_200_megabytes_is_a_broken_object() {
    let folder = Folder::new();
    folder.put("a.csv", "a,b\n1,", 1);
    let mut file = std::fs::File::options()
        .append(true)
        .open(folder.path().join("a.csv"))
        .unwrap();
    let part = vec![b'x'; 1 << 20];
    for _ in 0..200 {
        file.write_all(&part).unwrap();
    }
    drop(file);
    folder.put("b.csv", "a,b\n1,2\n", 1);
    let load = folder
        .source()
        .plan(&feed("*.csv"), &Known::Files(Vec::new()))
        .unwrap()
        .loads
        .remove(0);
    expect!["the row that begins in line 2 is longer than 67108864 bytes"]
        .assert_eq(load.objects[0].broken.as_deref().unwrap());
    assert_eq!(
        folder
            .source()
            .read(&feed("*.csv"), &load, &mut |_| Ok(()))
            .unwrap()
            .object_rows,
        [0, 1]
    );
}

#[test]
fn a_folder_or_a_wrong_packing_may_be_mended() {
    let folder = Folder::new();
    let mut spec = feed("*.csv*");
    let mut known = Vec::new();
    std::fs::create_dir(folder.path().join("a.csv")).unwrap();
    folder.put("b.csv.gz", "id\n1\n", 1);
    let show = |planned: Planned, known: &mut Vec<KnownObject>| {
        let objects: Vec<KnownObject> = planned
            .loads
            .into_iter()
            .flat_map(|l| l.objects)
            .map(KnownObject::from)
            .collect();
        let shown: String = objects
            .iter()
            .map(|o| {
                format!(
                    "{} delivery {}: {}\n",
                    o.path,
                    o.delivery,
                    o.broken.as_deref().unwrap_or("whole")
                )
            })
            .collect();
        known.extend(objects);
        shown
    };
    expect![[r#"
        a.csv delivery 1: it is a folder, not a file
        b.csv.gz delivery 1: it is no gzip, and should be by its name or by `compression`
    "#]]
    .assert_eq(&show(
        folder
            .source()
            .plan(&spec, &Known::Files(Vec::new()))
            .unwrap(),
        &mut known,
    ));
    std::fs::remove_dir(folder.path().join("a.csv")).unwrap();
    folder.put("a.csv", "", 1);
    spec.csv.compression = Compression::None;
    expect![[r#"
        a.csv delivery 2: whole
        b.csv.gz delivery 2: whole
    "#]]
    .assert_eq(&show(
        folder
            .source()
            .plan(&spec, &Known::Files(known.clone()))
            .unwrap(),
        &mut known,
    ));
    expect![[""]].assert_eq(&show(
        folder
            .source()
            .plan(&spec, &Known::Files(known.clone()))
            .unwrap(),
        &mut known,
    ));
}

#[test]
fn full_loads_come_one_a_file_in_mark_order_and_late_ones_are_held() {
    let folder = Folder::new();
    let spec = FeedSpec {
        mode: Mode::Full,
        file_order: Some(r"(\d{8})".to_owned()),
        ..feed("**/plan_*.csv")
    };
    let mut known = Vec::new();
    folder.put("new/plan_20261030.csv", "id\n3\n", 1);
    folder.put("old/plan_20261029.csv", "id\n1\n2\n", 1);
    let source = folder.source();
    let loads = source.plan(&spec, &Known::Files(Vec::new())).unwrap().loads;
    expect![[r#"
           id
        2: 1   R old/plan_20261029.csv 3230323631303239000000000000000001
        3: 2   R old/plan_20261029.csv 3230323631303239000000000000000002
    "#]]
    .assert_eq(&show(&collect(&source, &spec, &loads[0]).unwrap(), true));
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
        load 20261029 {"objects":0} -> {"objects":1}
          old/plan_20261029.csv 7 bytes, 1d1c91d1 delivery 1 mark 20261029
        load 20261030 {"objects":1} -> {"objects":2}
          new/plan_20261030.csv 5 bytes, d7847e01 delivery 1 mark 20261030
    "#]],
    );
    folder.put("old/plan_20261028.csv", "id\n0\n", 1);
    folder.put("new/plan_20261031.csv", "id\n4\n", 1);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
        load 20261031 {"objects":2} -> {"objects":3}
          new/plan_20261031.csv 5 bytes, 6b34c476 delivery 1 mark 20261031
        late old/plan_20261028.csv
        warning: `old/plan_20261028.csv` is older than the newest extract loaded; it is held as late_extract
    "#]],
    );
    folder.put("new/plan_today.csv", "id\n4\n", 1);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
        Config: cannot order `new/plan_today.csv` among the files of feed `f`: `file_order` does not match it
        hint: widen `file_order`, or narrow the feed's `path` so that it leaves this file out
    "#]],
    );
}

#[test]
fn parts_of_one_mark_are_one_load_and_a_broken_part_holds_it() {
    let folder = Folder::new();
    let spec = FeedSpec {
        mode: Mode::Full,
        parts: true,
        file_order: Some(r"_(\d+)_".to_owned()),
        ..feed("*.csv*")
    };
    let mut known = Vec::new();
    folder.put("p_2_1.csv", "id\n3\n", 1);
    folder.put("p_1_2.csv", "id\n2\n", 1);
    folder.put("p_1_1.csv", "id\n1\n", 1);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
            load 00000001 {"objects":0} -> {"objects":2}
              p_1_1.csv 5 bytes, 7cde7fb6 delivery 1 mark 00000001
              p_1_2.csv 5 bytes, 4ece338a delivery 1 mark 00000001
            load 00000002 {"objects":2} -> {"objects":3}
              p_2_1.csv 5 bytes, d7847e01 delivery 1 mark 00000002
        "#]],
    );
    folder.put("p_2_2.csv", "id\n4\n", 1);
    step(
        &folder,
        &spec,
        &mut known,
        expect![[r#"
            load 00000002 {"objects":3} -> {"objects":5}
              p_2_1.csv 5 bytes, d7847e01 delivery 1 mark 00000002
              p_2_2.csv 5 bytes, 6b34c476 delivery 1 mark 00000002
        "#]],
    );
    folder.put("p_3_1.csv", "id\n4\n", 1);
    folder.put("p_3_2.csv.gz", "no gzip", 1);
    let planned = folder.source().plan(&spec, &Known::Files(known)).unwrap();
    assert!(!planned.loads[0].is_readable(Mode::Full));
}

#[test]
fn young_files_wait() {
    let folder = Folder::new();
    folder.put("a.csv", "id\n1\n", 990);
    folder.put("b.csv", "id\n2\n", 900);
    let spec = FeedSpec {
        stable_for: Some(Duration::from_secs(60)),
        ..feed("*.csv")
    };
    step(
        &folder,
        &spec,
        &mut Vec::new(),
        expect![[r#"
        load - {"objects":0} -> {"objects":1}
          b.csv 5 bytes, 4ece338a delivery 1 mark b.csv
        waiting: a.csv is younger than `stable_for`
    "#]],
    );
}

#[test]
fn a_file_that_changed_since_the_plan_is_not_read() {
    let folder = Folder::new();
    folder.put("a.csv", "id\n1\n", 1);
    let source = folder.source();
    let load = source
        .plan(&feed("*.csv"), &Known::Files(Vec::new()))
        .unwrap()
        .loads
        .remove(0);
    let read = || collect(&source, &feed("*.csv"), &load);
    folder.put("a.csv", "id\n1\n", 7);
    assert_eq!(
        read().unwrap().len(),
        1,
        "a copy with another time is the same file"
    );
    folder.put("a.csv", "id\n2\n", 7);
    expect![[r#"
        Changed: cannot read `a.csv`: it is not the file that was planned, its content changed since
        hint: run again: the new content is planned as the next delivery
    "#]]
    .assert_eq(&error_text(&read().unwrap_err()));
    folder.put("a.csv", "id\n22\n", 1);
    assert_eq!(read().unwrap_err().kind(), ErrorKind::Changed);
    std::fs::remove_file(folder.path().join("a.csv")).unwrap();
    expect![[r#"
        NotFound: cannot open `a.csv`: it is not there
        hint: check the path, or whether something removed it meanwhile
    "#]]
    .assert_eq(&error_text(&read().unwrap_err()));
}

#[test]
fn each_object_brings_its_own_header() {
    let folder = Folder::new();
    folder.put("a.csv", "id,name\n1,x\n", 1);
    folder.put("b.csv", "name,id,new\ny,2,z\n", 1);
    expect![[r#"
           id | name
        2: 1 | x
           name | id | new
        2: y | 2 | z
    "#]]
    .assert_eq(&show(
        &load_all(&folder.source(), &feed("*.csv")).unwrap(),
        false,
    ));
}

#[test]
fn a_path_with_spaces_and_umlauts_is_read() {
    let folder = Folder::new();
    folder.put("Bücher und mehr/größe 1.csv", "id\n1\n", 1);
    expect![[r#"
           id
        2: 1   I Bücher und mehr/größe 1.csv 42c3bc6368657220756e64206d6568722f6772c3b6c39f6520312e637376000000000000000001
    "#]].assert_eq(&show(&load_all(&folder.source(), &feed("Bücher und mehr/*.csv")).unwrap(), true));
}

#[test]
fn what_cannot_be_listed_is_told() {
    let folder = Folder::new();
    folder.put("a.csv", "id\n1\n", 1);
    let mut known = Vec::new();
    step(
        &folder,
        &feed("/a.csv"),
        &mut known,
        expect![[r#"
        Config: cannot list the files of feed `f`: its path `/a.csv` is not relative to the source's folder
        hint: write a path relative to the source's folder, with `/`, e.g. `entries/*.csv`
    "#]],
    );
    step(
        &folder,
        &feed("../a.csv"),
        &mut known,
        expect![[r#"
        Config: cannot list the files of feed `f`: its path `../a.csv` is not relative to the source's folder
        hint: write a path relative to the source's folder, with `/`, e.g. `entries/*.csv`
    "#]],
    );
    step(
        &folder,
        &feed("[a.csv"),
        &mut known,
        expect![[r#"
        Config: cannot list the files of feed `f`: its path `[a.csv` is no glob
        hint: write a path relative to the source's folder, with `/`, e.g. `entries/*.csv`
    "#]],
    );
    step(
        &folder,
        &feed("none/*.csv"),
        &mut known,
        expect![[r#"
        warning: no file matches `none/*.csv` in the source's folder
    "#]],
    );
    let at = |path: &str| {
        open_source("files", &SourceConfig::new(folder.path().join(path)))
            .unwrap()
            .test()
            .unwrap_err()
            .kind()
    };
    assert_eq!(at("none"), ErrorKind::NotFound);
    assert_eq!(at("a.csv"), ErrorKind::Config);
    let error = open_source("oracle", &SourceConfig::new(folder.path()))
        .err()
        .unwrap();
    expect![[r#"
        Config: cannot open a source of type `oracle`: karat reads `files` and `sqlite`
        hint: set `type: files` or `type: sqlite`
    "#]]
    .assert_eq(&error_text(&error));
}

#[test]
fn discover_proposes_types_from_a_sample() {
    let folder = Folder::new();
    folder.put("a.csv", "Id,Code,Amount,Day,At,Text,None\n1,007,-12.50,2026-10-29,2026-10-29 08:00:00,x,\n20,010,3,2026-10-30,2026-10-30 09:00:00.5,2,\n", 1);
    let found = folder.source().discover(None).unwrap();
    let shown: String = found[0]
        .columns
        .iter()
        .map(|c| format!("{} ({}): {}\n", c.name, c.source_name, c.proposed))
        .collect();
    expect![[r#"
        id (Id): cast(id as bigint)
        code (Code): code
        amount (Amount): cast(amount as decimal(12, 2))
        day (Day): cast(day as date)
        at (At): cast(at as timestamp)
        text (Text): text
        none (None): none
    "#]]
    .assert_eq(&shown);
}

#[cfg(unix)]
#[test]
fn what_can_be_no_object_is_held_by_name_and_the_rest_goes_on() {
    use std::os::unix::ffi::OsStrExt;
    let folder = Folder::new();
    let at = |name: &str| folder.path().join(name);
    folder.put("a.csv", "id\n1\n", 1);
    folder.put("sub/b.csv", "id\n2\n", 1);
    let strange = std::ffi::OsStr::from_bytes(b"caf\xE9.csv");
    std::fs::write(folder.path().join(strange), "id\n3\n").unwrap();
    std::os::unix::fs::symlink(at("gone.csv"), at("link.csv")).unwrap();
    std::os::unix::fs::symlink(at("loop.csv"), at("loop.csv")).unwrap();
    let broken: [(&str, &[u8]); 7] = [
        ("rand.csv", b"\x93\xC6o\x1Fdy6,\xB7\x80\n\x01\xFF\n"),
        ("latin.csv", b"Gr\xF6\xDFe,b\n1,2\n"),
        ("p.parquet", b"PAR1\x15\x04\x15\n1"),
        ("b.bz2", b"BZh91AY&SY\x00\x00\n1"),
        ("u.csv", b"i\0d\0\n\0"),
        ("w.xlsx", b"PK\x03\x04\x14\x00"),
        ("z.zst", b"\x28\xB5\x2F\xFD\x04"),
    ];
    for (name, bytes) in broken {
        folder.put(name, bytes, 1);
    }
    let planned = folder
        .source()
        .plan(&feed("*"), &Known::Files(Vec::new()))
        .unwrap();
    let shown = show_plan(&planned);
    let shown: String = shown
        .lines()
        .map(|line| match line.split_once(" bytes, ") {
            Some((object, rest)) => {
                let name = object.trim().rsplit_once(' ').unwrap().0;
                let why = rest.split_once("broken: ").map_or("whole", |(_, why)| why);
                format!("{name}: {why}\n")
            }
            None => format!("{line}\n"),
        })
        .collect();
    expect![[r#"
        load - {"objects":0} -> {"objects":11}
        a.csv: whole
        b.bz2: bzip2 ends early
        caf\xE9.csv: its name is not valid Unicode: rename it
        latin.csv: its header cannot be read: it is not valid in `utf-8`, the default; if it is Windows-1252, `csv: { encoding: windows-1252 }` of a feed reads it
        link.csv: it is a link that leads nowhere
        loop.csv: it is a link that leads nowhere
        p.parquet: it is Parquet, not text
        rand.csv: its header cannot be read: it is not valid in `utf-8`, the default; if it is Windows-1252, `csv: { encoding: windows-1252 }` of a feed reads it
        u.csv: its header cannot be read: it holds zero bytes, as UTF-16 does; `csv: { encoding: utf-16le }` of a feed reads it
        w.xlsx: ZIP archive ends early
        z.zst: Zstandard ends early
        warning: `sub` is a folder that `*` matches too; what is in it is not read: `*/*` would name it
    "#]].assert_eq(&shown);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_named_is_read_whatever_lies_beside_it() {
    let folder = Folder::new();
    folder.put("a.csv", "id\n1\n", 1);
    let endless = folder.path().join("loop.csv");
    std::os::unix::fs::symlink(&endless, &endless).unwrap();
    step(
        &folder,
        &feed("a.csv"),
        &mut Vec::new(),
        expect![[r#"
        load - {"objects":0} -> {"objects":1}
          a.csv 5 bytes, 7cde7fb6 delivery 1 mark a.csv
    "#]],
    );
}

#[test]
fn whole_paths_say_where_numbers_would_be_another_order() {
    let folder = Folder::new();
    let mut known = Vec::new();
    folder.put("f_9.csv", "id\n1\n", 1);
    folder.put("f_10.csv", "id\n2\n", 1);
    step(
        &folder,
        &feed("*.csv"),
        &mut known,
        expect![[r#"
        load - {"objects":0} -> {"objects":2}
          f_10.csv 5 bytes, 4ece338a delivery 1 mark f_10.csv
          f_9.csv 5 bytes, 7cde7fb6 delivery 1 mark f_9.csv
        warning: `f_10.csv` counts as older than `f_9.csv`: whole paths are ordered as text; capture the number with `file_order` to order by it
    "#]],
    );
    step(&folder, &feed("*.csv"), &mut known, expect![[r#""#]]);
    let spec = FeedSpec {
        file_order: Some(r"f_(\d+)".to_owned()),
        ..feed("*.csv")
    };
    step(
        &folder,
        &spec,
        &mut Vec::new(),
        expect![[r#"
        load - {"objects":0} -> {"objects":2}
          f_9.csv 5 bytes, 7cde7fb6 delivery 1 mark 00000009
          f_10.csv 5 bytes, 4ece338a delivery 1 mark 00000010
    "#]],
    );
}

#[test]
fn values_that_silver_reads_as_null_say_nothing_about_types() {
    let folder = Folder::new();
    folder.put("a.csv", "v\n1.5\nN/A\n\"N/A\"\n", 1);
    let spec = FeedSpec {
        null_values: vec!["N/A".to_owned()],
        ..feed("a.csv")
    };
    let found = folder.source().discover(Some(&spec)).unwrap();
    assert_eq!(found[0].columns[0].proposed, "cast(v as decimal(11, 1))");
}
