//! What every engine does, as one suite that runs on each of them.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on ends")]

#[path = "engine_contract/absence.rs"]
mod absence;
#[path = "../../../tests/harness/redis_cluster.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "the suites share it, and none needs all of it"
)]
mod cluster;
#[path = "engine_contract/events.rs"]
mod events;
#[path = "engine_contract/line.rs"]
mod line;
#[path = "engine_contract/progress.rs"]
mod progress;
#[path = "engine_contract/push.rs"]
mod push;
#[path = "engine_contract/recovery.rs"]
mod recovery;
#[path = "fixture/redis.rs"]
mod redis;
#[path = "engine_contract/release.rs"]
mod release;
#[path = "engine_contract/reserve.rs"]
mod reserve;
#[path = "engine_contract/sale.rs"]
mod sale;
#[path = "engine_contract/settle.rs"]
mod settle;
#[path = "fixture/single_action.rs"]
#[allow(dead_code, reason = "the suites share it, and none needs all of it")]
mod single_action;
#[path = "engine_contract/sync.rs"]
mod sync;
#[path = "engine_contract/tally.rs"]
mod tally;
#[path = "engine_contract/together.rs"]
mod together;

/// Each behaviour as a test on each engine.
macro_rules! contract {
    ($($part:ident: $($behaviour:ident),* $(,)?;)*) => {
        mod on_memory {
            use std::sync::Arc;
            use waitingroom_engine::memory::InMemoryEngine;

            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$part::$behaviour(Arc::new(InMemoryEngine::new())).await;
            })*)*
        }

        mod on_redis {
            use std::sync::Arc;

            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $behaviour() {
                super::$part::$behaviour(Arc::new(super::redis::engine().await.0)).await;
            })*)*
        }

        /// One after the other on one cluster: it takes six servers. Each behaviour has events of
        /// its own, on any shard.
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn on_cluster() {
            let cluster = cluster::RedisCluster::start(cluster::NEVER);
            $($({
                let engine = redis::engine_on(&cluster.url).await.0;
                let behaviour = tokio::spawn($part::$behaviour(std::sync::Arc::new(engine)));
                assert!(behaviour.await.is_ok(), concat!(stringify!($behaviour), " on a cluster"));
            })*)*
        }
    };
}

contract! {
    events:
        an_event_that_is_not_open_is_unknown,
        opening_again_changes_nothing,
        a_removed_event_is_forgotten,
        settings_are_answered_as_they_were_given,
        time_never_runs_backwards,
        counters_tell_what_happened,
        re_taken_places_count_as_joined;
    line:
        one_user_has_one_place,
        a_user_who_joins_a_hundred_times_at_once_has_one_place,
        places_are_in_the_order_of_joining,
        leaving_gives_up_the_place_in_every_standing,
        a_full_line_takes_nobody_but_who_is_in_it,
        the_sale_must_admit_joins,
        a_ticket_of_an_earlier_line_is_seated_again_once,
        nobody_is_released_before_the_line_has_recovered;
    recovery:
        who_was_not_served_is_known,
        a_number_below_the_head_that_was_not_served_is_taken_up_again_once,
        who_was_released_and_not_reached_is_first_and_outside_of_the_count,
        numbers_survive_a_second_loss,
        while_a_line_is_rebuilt_bounds_are_told,
        what_was_told_before_a_loss_comes_back_with_the_place,
        a_line_that_is_not_rebuilt_remembers_nothing_that_was_told,
        a_line_is_whole_as_soon_as_every_node_has_brought_its_users_back,
        a_node_that_is_not_heard_of_holds_nobody_up_for_longer,
        while_a_line_is_rebuilt_nobody_new_is_taken_in,
        a_ticket_is_good_in_a_full_line,
        too_many_unserved_numbers_err_towards_the_users,
        a_frozen_line_changes_nothing_until_it_goes_on;
    together:
        what_comes_together_is_answered_in_order,
        a_crowd_in_one_step_stands_in_its_order,
        the_limit_of_a_line_holds_within_a_step,
        tickets_that_return_together_stand_in_their_old_order,
        who_comes_and_goes_in_one_step_leaves_nothing_behind;
    release:
        first_come_first_served,
        rate_and_burst_hold_across_releasers,
        the_cap_holds_across_releasers_and_frees_with_every_end,
        a_share_of_the_rate_is_released,
        a_sale_that_stands_still_releases_nobody,
        what_is_sold_is_sold_out_until_seats_come_back,
        a_pass_nobody_acknowledges_is_sent_again_each_second,
        an_expired_pass_is_gone,
        passes_stand_still_while_booking_can_take_nobody,
        passes_do_not_stand_still_for_ever,
        time_in_which_a_line_could_not_be_reached_is_given_back,
        only_the_live_pass_can_be_acknowledged,
        a_step_looks_at_so_many_of_the_absent_only,
        a_crowd_is_served_in_bounded_steps,
        a_step_of_passes_leaves_all_else_to_the_next_whole_one;
    absence:
        the_absent_are_skipped_and_first_again_on_return,
        a_pass_nobody_claims_is_taken_back_and_its_place_reused,
        the_absent_keep_their_place_for_the_grace_period,
        polling_is_presence_for_a_while,
        users_of_a_dead_node_are_absent,
        a_leap_of_time_makes_nobody_lose_their_place,
        who_lets_three_passes_lie_loses_the_place,
        a_node_learns_that_it_was_taken_for_dead,
        a_new_connection_does_not_hide_that_its_node_was_taken_for_dead,
        a_second_connection_keeps_a_user_present,
        only_the_latest_nodes_of_a_user_are_kept,
        absence_counts_from_the_last_sign_of_life,
        users_with_a_pass_are_not_counted_as_absent;
    push:
        who_can_be_told_is_released_though_absent,
        who_is_here_is_told_as_well,
        a_subscription_needs_a_place_and_ends_with_it,
        a_used_pass_ends_the_subscription,
        a_user_has_few_browsers_each_once,
        the_claim_window_waits_for_a_push_to_be_opened,
        an_ended_subscription_ends_the_longer_window,
        a_window_for_pushes_is_never_the_shorter_one,
        who_can_be_told_keeps_the_place_beyond_the_grace_period,
        an_absent_user_without_a_subscription_is_skipped_again;
    progress:
        revisions_meet_across_releasers,
        positions_projected_from_progress_are_exact;
    reserve:
        each_refusal_has_its_reason_and_changes_nothing,
        a_pass_of_an_earlier_line_counts_as_live,
        a_hold_takes_seats_and_burns_the_pass,
        a_repeated_attempt_is_answered_with_its_booking,
        of_a_hundred_replays_one_holds,
        what_is_asked_together_is_answered_as_if_one_after_the_other,
        nobody_holds_a_seat_too_many;
    settle:
        an_aborted_hold_gives_everything_back,
        an_aborted_hold_does_not_revive_an_ended_pass,
        a_released_hold_gives_its_seats_back_once,
        a_confirmed_hold_is_sold,
        whoever_waits_for_a_commit_keeps_place_and_pass,
        a_used_pass_has_arrived,
        holds_are_stale_when_the_database_has_to_be_asked;
    tally:
        a_tally_tells_what_is_free_what_waits_for_its_commit_and_what_users_have,
        everybody_whose_seats_are_counted_is_found;
    sync:
        a_sync_stops_holds_for_a_while,
        a_snapshot_replaces_the_inventory,
        pending_holds_survive_a_snapshot_that_lacks_them,
        settlements_during_a_sync_are_applied_to_the_snapshot,
        an_inventory_of_any_size_is_loaded_whole,
        a_pass_burned_before_a_loss_stays_burned;
}
