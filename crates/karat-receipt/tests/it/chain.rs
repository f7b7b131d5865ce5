//! The chain: what an honest history looks like, and each way to break it.

use std::slice;

use karat_receipt::{ChainLink, ChainProblem, Digest, FileRef, Kind, Receipt, check_chain, seal};

use crate::{example, file, live};

fn step(
    version: i64,
    added: &[FileRef],
    removed: &[FileRef],
    live_now: &[&FileRef],
    total: (u64, u128),
) -> Receipt {
    Receipt {
        version,
        files_added: added.to_vec(),
        files_removed: removed.to_vec(),
        live_files: live(live_now),
        fingerprint: format!("{}:{:032x}", total.0, total.1),
        previous: None,
        ..example()
    }
}

/// Three versions: a file, a second one, both replaced by a third.
fn history() -> Vec<Receipt> {
    let (a, b, c) = (file("a", 2, u128::MAX), file("b", 3, 4), file("c", 4, 1));
    vec![
        step(0, slice::from_ref(&a), &[], &[&a], (2, u128::MAX)),
        step(1, slice::from_ref(&b), &[], &[&a, &b], (5, 3)),
        step(2, slice::from_ref(&c), &[a, b], &[&c], (4, 1)),
    ]
}

/// Links each receipt to the one before, as an honest run (or a forger without the head) would.
fn linked(mut receipts: Vec<Receipt>) -> Vec<(Digest, Receipt)> {
    let mut chain: Vec<(Digest, Receipt)> = Vec::new();
    for receipt in &mut receipts {
        if let Some((digest, _)) = chain.last() {
            receipt.previous = Some(*digest);
        }
        chain.push((seal(receipt, None).digest, receipt.clone()));
    }
    chain
}

fn findings(chain: &[(Digest, Receipt)]) -> Vec<(i64, ChainProblem)> {
    let links = chain.iter().map(|(digest, receipt)| ChainLink {
        digest: *digest,
        receipt,
    });
    check_chain(links)
        .into_iter()
        .map(|finding| (finding.version, finding.problem))
        .collect()
}

#[test]
fn an_honest_chain_has_no_findings() {
    assert_eq!(findings(&linked(history())), []);
    assert_eq!(findings(&[]), []);
}

#[test]
fn a_chain_may_begin_after_older_versions_have_gone() {
    assert_eq!(findings(&linked(history())[1..]), []);
}

#[test]
fn a_changed_receipt_breaks_the_link_after_it() {
    let mut chain = linked(history());
    chain[1].1.principal = "someone else".to_owned();
    chain[1].0 = seal(&chain[1].1, None).digest;
    assert!(matches!(
        findings(&chain)[..],
        [(2, ChainProblem::Previous { .. })]
    ));
}

#[test]
fn a_receipt_left_out_is_found() {
    let mut chain = linked(history());
    chain.remove(1);
    let found = findings(&chain);
    assert!(
        found.contains(&(2, ChainProblem::ForeignVersions { first: 1, last: 1 })),
        "{found:?}"
    );
    assert!(
        found
            .iter()
            .any(|(_, problem)| matches!(problem, ChainProblem::Previous { .. })),
        "{found:?}"
    );
}

#[test]
fn receipts_out_of_order_or_twice_are_found() {
    let mut chain = linked(history());
    chain.swap(1, 2);
    assert!(findings(&chain).contains(&(1, ChainProblem::VersionOrder { before: 2 })));
    let mut chain = linked(history());
    chain.insert(1, chain[0].clone());
    assert!(findings(&chain).contains(&(0, ChainProblem::VersionOrder { before: 0 })));
}

#[test]
fn a_first_receipt_has_none_before_and_no_versions() {
    let mut first = history()[0].clone();
    first.previous = Some(Digest::of(b"x"));
    assert!(matches!(
        findings(&[(Digest::of(b"d"), first.clone())])[..],
        [(0, ChainProblem::Previous { .. })]
    ));
    first.previous = None;
    first.version = 2;
    let found = findings(&[(Digest::of(b"d"), first)]);
    assert_eq!(
        found,
        [(2, ChainProblem::ForeignVersions { first: 0, last: 1 })]
    );
}

#[test]
fn a_receipt_of_another_table_is_found() {
    let mut receipts = history();
    receipts[1].table = "ledger_silver.other".to_owned();
    assert!(matches!(
        findings(&linked(receipts))[0],
        (1, ChainProblem::OtherTable { .. })
    ));
}

#[test]
fn a_file_kept_back_or_slipped_in_is_found() {
    let mut receipts = history();
    receipts[1].files_added.push(file("slipped in", 0, 0));
    assert!(matches!(
        findings(&linked(receipts))[0],
        (1, ChainProblem::LiveFiles { .. })
    ));

    let mut receipts = history();
    receipts[2].files_removed.push(file("never there", 0, 0));
    assert!(matches!(
        findings(&linked(receipts))[0],
        (2, ChainProblem::FileList { .. })
    ));

    let mut receipts = history();
    let again = receipts[0].files_added[0].clone();
    receipts[1].files_added = vec![again];
    assert!(matches!(
        findings(&linked(receipts))[0],
        (1, ChainProblem::FileList { .. })
    ));
}

#[test]
fn a_fingerprint_that_does_not_follow_is_found() {
    let mut receipts = history();
    receipts[1].fingerprint = format!("5:{:032x}", 4);
    let found = findings(&linked(receipts));
    assert!(
        matches!(found[0], (1, ChainProblem::Fingerprint { .. })),
        "{found:?}"
    );
}

#[test]
fn an_adopted_version_bridges_foreign_ones() {
    let mut receipts = history();
    receipts[2].version = 9;
    receipts[2].kind = Kind::Adopt;
    receipts[2].reason = Some("written by hand on 3 May".to_owned());
    assert_eq!(findings(&linked(receipts.clone())), []);
    receipts[2].kind = Kind::Transform;
    assert!(matches!(
        findings(&linked(receipts))[0],
        (9, ChainProblem::ForeignVersions { first: 2, last: 8 })
    ));
}

#[test]
fn a_finding_reads_as_a_sentence() {
    let mut chain = linked(history());
    chain.remove(1);
    let links = chain.iter().map(|(digest, receipt)| ChainLink {
        digest: *digest,
        receipt,
    });
    let text = check_chain(links)[0].to_string();
    assert!(
        text.starts_with("version 2: version 1 has no receipt (receipt "),
        "{text}"
    );
}
