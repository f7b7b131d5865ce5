//! The same tests on Iceberg tables: what holds on one format holds on the other.

use crate::project::on_iceberg;
use crate::two_days;

macro_rules! on_iceberg {
    ($($module:ident { $($name:ident),* $(,)? })*) => {
        $(mod $module {
            $(#[test]
            fn $name() {
                super::on_iceberg(crate::$module::$name);
            })*
        })*
    };
}

on_iceberg! {
    crash {
        what_changed_since_a_kill_is_planned_anew,
        a_source_that_changes_under_an_open_intent_loses_nothing,
    }
    flips {
        whatever_is_done_to_a_file_is_found,
        no_version_is_made_from_damaged_files,
        a_changed_log_entry_is_not_vouched_for_by_later_runs,
        verify_decodes_no_damaged_file,
    }
    replay {
        every_run_of_a_lake_is_made_again,
    }
    increments {
        only_the_days_that_changed_are_computed,
        a_part_survives_a_kill,
        checks_see_the_whole_version,
    }
    silver {
        every_rule_is_counted_and_the_strongest_decides,
        provenance_is_no_content,
        texts_become_values_or_fail_the_row,
    }
    gold {
        sums_and_means_are_exact,
        rows_add_up_from_source_to_gold,
    }
    undo {
        the_first_run_is_taken_back,
        repairs_are_taken_back,
        full_loads_are_taken_back,
    }
    repairs {
        rows_are_fixed_released_and_discarded,
        the_newest_repair_counts_and_lapses_with_its_delivery,
        a_repair_killed_anywhere_is_typed_again,
    }
}

/// A4: a run killed where the format writes; intents, receipts and manifests are the same on all.
#[test]
fn a_run_killed_at_a_step_of_the_table_is_continued_to_the_same_tables() {
    on_iceberg(|| crate::crash::killed_anywhere(&["files", "commit", "close"]));
}

/// A4, A10: what a killed process could not tell other readers, the next run does.
#[test]
fn a_hint_that_was_not_written_is_unfinished() {
    on_iceberg(|| {
        let project = two_days::project();
        two_days::arrive(&project, 1);
        let killed =
            project.karat_with(&["run", "--quiet"], &[("KARAT_FAILPOINT", "commit.hint:3")]);
        assert_eq!(killed.code, -1, "{}", killed.text());
        let verified = project.karat(&["verify"]);
        assert_eq!(verified.code, 0, "{}", verified.text());
        let is_told = |line: &str| line.starts_with("unfinished") && line.contains("version-hint");
        assert!(verified.stdout.lines().any(is_told), "{}", verified.text());
        project.run(0);
        let verified = project.karat(&["verify"]);
        assert_eq!(verified.code, 0, "{}", verified.text());
        assert!(
            !verified.stdout.contains("version-hint"),
            "{}",
            verified.text()
        );
    });
}
