//! Which files are new, whole, delivered again (B4), and what full loads make of them (B6).

use std::io::Write;
use std::time::Duration;

use expect_test::{Expect, expect};
use karat_source::{ErrorKind, FeedSpec, Known, KnownObject, Mode, Planned, Source, SourceConfig, open_source};

use crate::show::{Folder, collect, error_text, feed, load_all, show};

fn gzip(text: &str) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(text.as_bytes()).unwrap();
    packer.finish().unwrap()
}

fn show_plan(planned: &Planned) -> String {
    let mut out = String::new();
    for load in &planned.loads {
        out.push_str(&format!("load {} {} -> {}\n", load.mark.as_deref().unwrap_or("-"), load.from, load.to));
        for o in &load.objects {
            out.push_str(&format!("  {} {} bytes, {} delivery {} mark {}", o.path, o.size, &o.sha256[..8], o.delivery, o.mark));
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
    for path in &planned.waiting {
        out.push_str(&format!("waiting {path}\n"));
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
            known.extend(planned.loads.into_iter().flat_map(|l| l.objects).map(KnownObject::from));
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
    step(&folder, &spec, &mut known, expect![[r#""#]]);
    step(&folder, &spec, &mut known, expect![[""]]);
    // Touched, changed, and changed back with the old time.
    folder.put("in/a.csv", "id\n1\n", 2);
    step(&folder, &spec, &mut known, expect![[r#""#]]);
    folder.put("in/b.csv", "id\n2\n", 2);
    step(&folder, &spec, &mut known, expect![[r#""#]]);
    folder.put("in/b.csv", "id\n1\n", 1);
    step(&folder, &spec, &mut known, expect![[r#""#]]);
    // The content that b.csv had in between is held by nobody any more.
    folder.put("in/c.csv", "id\n2\n", 3);
    folder.put("in/d.csv", "id\n1\n", 3);
    step(&folder, &spec, &mut known, expect![[r#""#]]);
    folder.put("in/e.csv", "id\n1\n", 3);
    step(&folder, &FeedSpec { on_duplicate_load: true, ..spec }, &mut known, expect![[r#""#]]);
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
    std::fs::create_dir(folder.path().join("h.csv")).unwrap();
    let stop = FeedSpec { on_broken_stop: true, ..spec.clone() };
    step(&folder, &stop, &mut known, expect![[r#""#]]);
    let load = folder.source().plan(&spec, &Known::Files(Vec::new())).unwrap().loads.remove(0);
    expect![[r#""#]].assert_eq(&show(&collect(&folder.source(), &spec, &load).unwrap(), true));
    let count = folder.source().read(&spec, &load, &mut |_| Ok(())).unwrap();
    assert_eq!(count.object_rows, [2, 0, 0, 0, 0, 3, 0, 0]);
    let planned = folder.source().plan(&spec, &Known::Files(Vec::new())).unwrap();
    let shown: String = show_plan(&planned).lines().filter(|l| l.contains("broken")).map(|l| format!("{l}\n")).collect();
    // Sizes and digests of what a packer made may change with its version.
    let shown: String = shown.lines().map(|l| format!("{} {}\n", l.split_whitespace().next().unwrap(), l.split("broken").nth(1).unwrap())).collect();
    expect![[r#""#]].assert_eq(&shown);
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
    let load = folder.source().plan(&spec, &Known::Files(Vec::new())).unwrap().loads.remove(0);
    assert_eq!(load.objects[0].broken.as_deref(), Some("a row is longer than 100000 bytes"));
    assert_eq!(folder.source().read(&spec, &load, &mut |_| Ok(())).unwrap().object_rows, [0, 1]);
}

#[test]
fn full_loads_come_one_a_file_in_mark_order_and_late_ones_are_held() {
    let folder = Folder::new();
    let spec = FeedSpec { mode: Mode::Full, file_order: Some(r"(\d{8})".to_owned()), ..feed("**/plan_*.csv") };
    let mut known = Vec::new();
    folder.put("new/plan_20261030.csv", "id\n3\n", 1);
    folder.put("old/plan_20261029.csv", "id\n1\n2\n", 1);
    let source = folder.source();
    let loads = source.plan(&spec, &Known::Files(Vec::new())).unwrap().loads;
    expect![[r#""#]].assert_eq(&show(&collect(&source, &spec, &loads[0]).unwrap(), true));
    step(&folder, &spec, &mut known, expect![[r#""#]]);
    folder.put("old/plan_20261028.csv", "id\n0\n", 1);
    folder.put("new/plan_20261031.csv", "id\n4\n", 1);
    step(&folder, &spec, &mut known, expect![[r#""#]]);
    folder.put("new/plan_today.csv", "id\n4\n", 1);
    step(&folder, &spec, &mut known, expect![[r#""#]]);
}

#[test]
fn parts_of_one_mark_are_one_load_and_a_broken_part_holds_it() {
    let folder = Folder::new();
    let spec = FeedSpec { mode: Mode::Full, parts: true, file_order: Some(r"_(\d+)_".to_owned()), ..feed("*.csv*") };
    let mut known = Vec::new();
    folder.put("p_2_1.csv", "id\n3\n", 1);
    folder.put("p_1_2.csv", "id\n2\n", 1);
    folder.put("p_1_1.csv", "id\n1\n", 1);
    step(&folder, &spec, &mut known, expect![[r#""#]]);
    folder.put("p_2_2.csv", "id\n4\n", 1);
    step(&folder, &spec, &mut known, expect![[r#""#]]);
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
    let spec = FeedSpec { stable_for: Some(Duration::from_secs(60)), ..feed("*.csv") };
    step(&folder, &spec, &mut Vec::new(), expect![[r#""#]]);
}

#[test]
fn a_file_that_changed_since_the_plan_is_not_read() {
    let folder = Folder::new();
    folder.put("a.csv", "id\n1\n", 1);
    let source = folder.source();
    let load = source.plan(&feed("*.csv"), &Known::Files(Vec::new())).unwrap().loads.remove(0);
    let read = || collect(&source, &feed("*.csv"), &load);
    folder.put("a.csv", "id\n1\n", 7);
    assert_eq!(read().unwrap().len(), 1, "a copy with another time is the same file");
    folder.put("a.csv", "id\n2\n", 7);
    expect![[r#""#]].assert_eq(&error_text(&read().unwrap_err()));
    folder.put("a.csv", "id\n22\n", 1);
    assert_eq!(read().unwrap_err().kind(), ErrorKind::Changed);
    std::fs::remove_file(folder.path().join("a.csv")).unwrap();
    expect![[r#""#]].assert_eq(&error_text(&read().unwrap_err()));
}

#[test]
fn each_object_brings_its_own_header() {
    let folder = Folder::new();
    folder.put("a.csv", "id,name\n1,x\n", 1);
    folder.put("b.csv", "name,id,new\ny,2,z\n", 1);
    expect![[r#""#]].assert_eq(&show(&load_all(&folder.source(), &feed("*.csv")).unwrap(), false));
}

#[test]
fn a_path_with_spaces_and_umlauts_is_read() {
    let folder = Folder::new();
    folder.put("Bücher und mehr/größe 1.csv", "id\n1\n", 1);
    expect![[r#""#]].assert_eq(&show(&load_all(&folder.source(), &feed("Bücher und mehr/*.csv")).unwrap(), true));
}

#[test]
fn what_cannot_be_listed_is_told() {
    let folder = Folder::new();
    folder.put("a.csv", "id\n1\n", 1);
    let mut known = Vec::new();
    step(&folder, &feed("/a.csv"), &mut known, expect![[r#""#]]);
    step(&folder, &feed("../a.csv"), &mut known, expect![[r#""#]]);
    step(&folder, &feed("[a.csv"), &mut known, expect![[r#""#]]);
    step(&folder, &feed("none/*.csv"), &mut known, expect![[""]]);
    let at = |path: &str| open_source("files", &SourceConfig::new(folder.path().join(path))).unwrap().test().unwrap_err().kind();
    assert_eq!(at("none"), ErrorKind::NotFound);
    assert_eq!(at("a.csv"), ErrorKind::Config);
    let error = open_source("oracle", &SourceConfig::new(folder.path())).err().unwrap();
    expect![[r#""#]].assert_eq(&error_text(&error));
}

#[cfg(unix)]
#[test]
fn a_file_without_permission_is_an_error_and_not_a_broken_object() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new();
    folder.put("a.csv", "id\n1\n", 1);
    let path = folder.path().join("a.csv");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0)).unwrap();
    if std::fs::File::open(&path).is_ok() {
        return; // The superuser may read everything.
    }
    step(&folder, &feed("*.csv"), &mut Vec::new(), expect![[r#""#]]);
}

#[test]
fn discover_proposes_types_from_a_sample() {
    let folder = Folder::new();
    folder.put("a.csv", "Id,Code,Amount,Day,At,Text,None\n1,007,-12.50,2026-10-29,2026-10-29 08:00:00,x,\n20,010,3,2026-10-30,2026-10-30 09:00:00.5,2,\n", 1);
    let found = folder.source().discover(None).unwrap();
    let shown: String = found[0].columns.iter().map(|c| format!("{} ({}): {}\n", c.name, c.source_name, c.proposed)).collect();
    expect![[r#""#]].assert_eq(&shown);
}
