//! One contract, both databases.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

#[expect(dead_code, reason = "shared with the other suites, which use the rest")]
#[expect(unreachable_pub, reason = "comes from the harness of the other suites")]
#[path = "../../tests/harness/wait.rs"]
mod wait;

mod store {
    pub(crate) mod audit;
    pub(crate) mod bookings;
    pub(crate) mod databases;
    pub(crate) mod dropped;
    pub(crate) mod events;
    #[cfg(unix)]
    pub(crate) mod file_modes;
    pub(crate) mod fixtures;
    pub(crate) mod hold_resolution;
    pub(crate) mod limits;
    pub(crate) mod outages;
    pub(crate) mod outbox;
    pub(crate) mod races;
}

macro_rules! contract {
    ($($module:ident::$name:ident,)*) => {
        mod sqlite_file {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let (store, _file) = crate::store::databases::sqlite_file().await;
                crate::store::$module::$name(store).await;
            })*
        }
        mod sqlite_memory {
            $(#[tokio::test]
            async fn $name() {
                crate::store::$module::$name(crate::store::databases::sqlite_memory().await).await;
            })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                crate::store::$module::$name(crate::store::databases::postgres().await).await;
            })*
        }
    };
}

contract! {
    audit::audits_each_change_with_values,
    audit::failed_change_is_not_audited,
    audit::audit_pages_go_back_in_time,
    bookings::rejected_row_leaves_others_stored,
    bookings::a_pass_makes_one_booking,
    bookings::a_key_makes_one_booking_for_each_user,
    bookings::transitions_move_seats_once,
    bookings::other_users_booking_is_not_found,
    bookings::first_transition_in_batch_wins,
    bookings::overdue_hold_can_only_expire,
    bookings::lists_and_summaries,
    bookings::clears_expired_keys,
    bookings::reset_frees_everything,
    limits::no_user_exceeds_limit,
    limits::repeat_at_limit_is_duplicate,
    limits::released_seats_count_no_more,
    limits::concurrent_batches_keep_limits,
    outages::regular_heartbeats_owe_nothing,
    outages::outage_is_owed_until_holds_extended,
    outages::holds_are_extended_by_outage,
    outages::instances_extend_holds_once,
    races::seats_are_never_oversold,
    races::confirm_against_expiry_has_one_winner,
    races::confirm_against_cancel_has_one_winner,
    races::instances_expire_each_hold_once,
    races::counters_agree_with_bookings,
    races::crossing_batches_do_not_deadlock,
    outbox::two_relays_publish_each_message_once,
    outbox::takes_over_dead_relays_messages,
    outbox::unacknowledged_messages_stay,
    outbox::messages_describe_booking,
    outbox::sql_messages_match_bookings,
    hold_resolution::missing_booking_gets_tombstone,
    hold_resolution::existing_booking_gets_no_tombstone,
    hold_resolution::database_clock_decides_expiry,
    events::event_round_trips,
    events::ids_are_taken_once,
    events::concurrent_patches_keep_each_other,
    events::snapshot_has_seats_holds_and_users,
    events::checkpoints_never_move_back,
    events::one_instance_rebuilds_at_a_time,
}
