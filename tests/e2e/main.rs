//! End-to-end tests of the built binary: each starts its own processes, and owns its part of the
//! servers.

mod auto_hold;
mod backpressure;
mod bad_input;
mod booking_routes;
mod booking_unavailable;
mod cluster;
mod connection_handling;
mod connection_limit;
mod contention;
mod database_stopped;
mod dead_subscription;
mod demo_crowd;
mod drain;
mod full_journey;
mod golden;
mod guests;
mod handover;
mod holds;
mod live_dashboard;
mod live_tasks;
mod lost_clients;
mod missed_settlements;
mod multiple_tabs;
mod nats_cluster;
mod nats_stopped;
mod no_leaks;
mod operators;
mod passes;
mod pending_reservation;
mod places;
mod places_after_redis_loss;
mod positions_after_redis_loss;
mod pushes;
mod readme;
mod redis_lost;
mod restarts;
mod settings_agreement;
mod single_subscription;
mod worker_crash;

/// A test runs on two threads, as a client machine would; the processes under test have their own.
macro_rules! on_both {
    ($scenario:path) => {
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn embedded() {
            $scenario(&stanchion_tests::Stack::embedded().await).await;
        }

        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn servers() {
            $scenario(&stanchion_tests::Stack::servers(stanchion_tests::Shape::default()).await)
                .await;
        }
    };
}
pub(crate) use on_both;
