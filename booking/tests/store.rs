//! One contract, both databases.

#![expect(
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by a panic"
)]

mod store {
    pub(crate) mod audit;
    pub(crate) mod bookings;
    pub(crate) mod databases;
    pub(crate) mod dropped;
    pub(crate) mod events;
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
    audit::each_change_is_written_down_with_what_it_touched,
    audit::a_change_that_fails_leaves_no_line,
    audit::pages_go_back_in_time,
    bookings::a_refused_row_does_not_hinder_its_neighbours,
    bookings::a_pass_makes_one_booking,
    bookings::a_key_makes_one_booking_for_each_user,
    bookings::decisions_move_seats_once,
    bookings::somebody_elses_booking_is_not_found,
    bookings::two_wishes_for_one_booking_in_a_batch,
    bookings::what_is_over_can_only_expire,
    bookings::lists_and_summaries,
    bookings::keys_are_forgotten_in_time,
    bookings::reset_frees_everything,
    limits::nobody_gets_more_than_the_limit,
    limits::what_is_asked_again_is_found_at_the_limit,
    limits::what_is_given_back_may_be_had_again,
    limits::a_crowd_of_batches_keeps_every_limit,
    outages::a_heart_that_beats_owes_nothing,
    outages::a_gap_is_owed_until_it_is_given_back,
    outages::holds_get_back_what_they_had_to_bear,
    outages::several_instances_give_back_once,
    races::seats_are_never_oversold,
    races::confirm_against_expiry_has_one_winner,
    races::confirm_against_cancel_has_one_winner,
    races::expiry_by_many_instances_expires_each_once,
    races::counters_agree_with_bookings_after_anything,
    races::crossing_batches_do_not_lock_each_other_out,
    outbox::two_relays_publish_each_message_once,
    outbox::a_dead_relays_messages_are_taken_over,
    outbox::what_the_bus_refuses_stays,
    outbox::messages_tell_the_booking,
    outbox::messages_are_those_of_the_bookings,
    hold_resolution::what_is_not_there_never_will_be,
    hold_resolution::a_booking_keeps_its_place,
    hold_resolution::the_databases_clock_decides,
    events::an_event_comes_back_as_it_was,
    events::ids_are_taken_once,
    events::patches_of_the_settings_do_not_undo_each_other,
    events::the_snapshot_is_what_the_engine_needs,
    events::checkpoints_never_move_back,
    events::one_instance_syncs_at_a_time,
}
