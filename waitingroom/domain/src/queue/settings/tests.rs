//! Settings as their table says.

use super::*;

#[test]
fn a_patch_changes_what_it_names_and_nothing_else() {
    let before = QueueSettings::default();
    let patch = QueuePatch {
        rate_per_second: Some(5.0),
        ..QueuePatch::default()
    };
    let after = before.with(&patch).unwrap();

    assert_eq!(
        after,
        QueueSettings {
            rate_per_second: 5.0,
            ..before
        }
    );
}

#[test]
fn settings_out_of_range_are_refused_by_name() {
    let bad = [
        (
            QueuePatch {
                rate_per_second: Some(-1.0),
                ..QueuePatch::default()
            },
            "rate_per_second",
        ),
        (
            QueuePatch {
                rate_per_second: Some(f64::NAN),
                ..QueuePatch::default()
            },
            "rate_per_second",
        ),
        (
            QueuePatch {
                burst: Some(0),
                ..QueuePatch::default()
            },
            "burst",
        ),
        (
            QueuePatch {
                max_active: Some(0),
                ..QueuePatch::default()
            },
            "max_active",
        ),
        (
            QueuePatch {
                pass_ttl_seconds: Some(0),
                ..QueuePatch::default()
            },
            "pass_ttl_seconds",
        ),
        (
            QueuePatch {
                claim_window_seconds: Some(0),
                ..QueuePatch::default()
            },
            "claim_window_seconds",
        ),
        (
            QueuePatch {
                grace_seconds: Some(90_000),
                ..QueuePatch::default()
            },
            "grace_seconds",
        ),
        (
            QueuePatch {
                max_in_line: Some(0),
                ..QueuePatch::default()
            },
            "max_in_line",
        ),
        (
            QueuePatch {
                message: Some("x".repeat(501)),
                ..QueuePatch::default()
            },
            "message",
        ),
        (
            QueuePatch {
                message: Some("a\0b".into()),
                ..QueuePatch::default()
            },
            "message",
        ),
    ];

    for (patch, field) in bad {
        assert_eq!(
            QueueSettings::default().with(&patch).unwrap_err().field,
            field
        );
    }

    let lines = QueuePatch {
        message: Some("Doors at eight.\r\n\tBe there.".into()),
        ..QueuePatch::default()
    };
    assert_eq!(
        QueueSettings::default().with(&lines).unwrap().message,
        lines.message
    );
}
