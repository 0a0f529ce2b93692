//! The order of messages, without a room.

use super::*;

fn progress(from: u64, removed: Vec<u64>) -> Progress {
    Progress {
        event_id: uuid::Uuid::nil().into(),
        epoch: "e1".parse().unwrap(),
        from,
        to: from + removed.len() as u64,
        removed,
        total: 9,
        active: 0,
        seats_left: 10,
        settings: QueueSettings::default(),
        share: 1.0,
        released: None,
        present: None,
        passed_over: 0,
        counting: false,
        seats_known: true,
    }
}

fn now() -> Timestamp {
    Timestamp::from_millis(1_000)
}

/// The revisions at which the messages begin that can be applied now.
fn begins(ingested: &Result<Ingested, ProgressOutcome>) -> Vec<u64> {
    let ready = ingested.iter().flat_map(|ingested| &ingested.ready);
    ready.map(|progress| progress.from).collect()
}

fn outcome(ingested: Result<Ingested, ProgressOutcome>) -> Option<ProgressOutcome> {
    ingested.err()
}

#[test]
fn applies_swapped_messages_in_order() {
    let mut buffer = ProgressBuffer::default();
    let first = buffer.ingest(&progress(0, vec![1]), now());
    assert!(first.as_ref().is_ok_and(|ingested| ingested.is_first));
    assert_eq!(begins(&first), [0]);

    let early = buffer.ingest(&progress(3, vec![4]), now());
    assert_eq!(outcome(early), Some(ProgressOutcome::Buffered));
    assert_eq!(
        begins(&buffer.ingest(&progress(1, vec![2, 3]), now())),
        [1, 3]
    );
    assert!(!buffer.drop_stale_gap(now().plus(REORDER_TIMEOUT)));
}

#[test]
fn applies_each_message_once() {
    let mut buffer = ProgressBuffer::default();
    let _ = buffer.ingest(&progress(0, vec![1]), now());

    for _ in 0..2 {
        let repeated = buffer.ingest(&progress(0, vec![1]), now());
        assert!(repeated.is_ok_and(|ingested| ingested.ready.is_empty()));
    }
    assert_eq!(begins(&buffer.ingest(&progress(1, vec![]), now())), [1]);
    assert_eq!(begins(&buffer.ingest(&progress(1, vec![2]), now())), [1]);
}

#[test]
fn gives_gap_up_when_message_missing() {
    let mut buffer = ProgressBuffer::default();
    let _ = buffer.ingest(&progress(0, vec![1]), now());
    let late = buffer.ingest(&progress(2, vec![3]), now());
    assert_eq!(outcome(late), Some(ProgressOutcome::Buffered));

    assert!(!buffer.drop_stale_gap(now()));
    assert!(buffer.drop_stale_gap(now().plus(REORDER_TIMEOUT)));
    assert!(
        !buffer.drop_stale_gap(now().plus(REORDER_TIMEOUT)),
        "it was given up"
    );
    assert_eq!(begins(&buffer.ingest(&progress(3, vec![4]), now())), [3]);
}

#[test]
fn gives_gap_up_when_too_many_wait() {
    let mut buffer = ProgressBuffer::default();
    let _ = buffer.ingest(&progress(0, vec![1]), now());

    let last = MAX_BUFFERED as u64 + 2;
    for from in 2..last {
        let late = buffer.ingest(&progress(from, vec![from + 1]), now());
        assert_eq!(outcome(late), Some(ProgressOutcome::Buffered));
    }
    let too_many = buffer.ingest(&progress(last, vec![last + 1]), now());
    assert_eq!(outcome(too_many), Some(ProgressOutcome::GapDetected));
    assert_eq!(
        begins(&buffer.ingest(&progress(last + 1, vec![last + 2]), now())),
        [last + 1]
    );
}

#[test]
fn notices_when_ranks_are_known_again() {
    let mut buffer = ProgressBuffer::default();
    let counting = Progress {
        counting: true,
        ..progress(0, vec![])
    };
    let is_recounted = |ingested: Result<Ingested, ProgressOutcome>| {
        ingested.is_ok_and(|ingested| ingested.is_recounted)
    };

    assert!(!is_recounted(buffer.ingest(&counting, now())));
    assert!(buffer.is_counting());
    assert!(is_recounted(buffer.ingest(&progress(0, vec![]), now())));
    assert!(!is_recounted(buffer.ingest(&progress(0, vec![]), now())));
}

#[test]
fn begins_again_when_epoch_changes() {
    let mut buffer = ProgressBuffer::default();
    let _ = buffer.ingest(&progress(0, vec![1, 2]), now());

    let other = Progress {
        epoch: "e2".parse().unwrap(),
        ..progress(0, vec![])
    };
    let changed = buffer.ingest(&other, now());
    assert_eq!(outcome(changed), Some(ProgressOutcome::GapDetected));
    assert_eq!(buffer.revision_of(&other.epoch), Some(0));
    assert_eq!(buffer.revision_of(&"e1".parse().unwrap()), None);
}
