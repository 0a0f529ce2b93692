//! Every metric that all roles have.

use crate::define_metrics;

define_metrics! {
    CLOCK_OFFSET: gauge "stanchion_clock_offset_seconds" [] = "Seconds by which the clock of this host is ahead of the shared one.";
    ENGINE_BATCH_SIZE: histogram "stanchion_engine_batch_size" (was "stanchion_line_batch_size") [] = "User actions in one call of the queue engine.";
    REDIS_FULL: gauge "stanchion_redis_full" [] = "1 while Redis has reached maxmemory and takes no new users, else 0.";
    REDIS_RECONNECTS: counter "stanchion_redis_reconnects_total" [] = "Redis connections that were replaced because they gave no answer.";
    HTTP_REQUEST_DURATION: histogram "stanchion_http_request_duration_seconds" (was "stanchion_http_request_seconds") ["route", "status"] = "Seconds from a request to its answer.";
    BODIES_REJECTED: counter "stanchion_bodies_rejected_total" (was "stanchion_bodies_refused_total") ["reason"] = "Request bodies that were rejected before they were read in full.";
    CONNECTIONS_REJECTED: counter "stanchion_connections_rejected_total" (was "stanchion_connections_refused_total") ["reason"] = "Connections that were rejected because a limit was reached.";
    CONNECTIONS_EVICTED: counter "stanchion_connections_evicted_total" ["reason"] = "Quiet connections that were closed in favour of new ones.";
    CONNECTIONS_ABANDONED: counter "stanchion_connections_abandoned_total" (was "stanchion_connections_given_up_total") ["reason"] = "Connections that the server closed because their client was too slow.";
    ACCEPT_ERRORS: counter "stanchion_accept_errors_total" [] = "Connections that the operating system could not hand over.";
    TOKIO_ALIVE_TASKS: gauge "stanchion_tokio_alive_tasks" (was "stanchion_live_tasks") [] = "Tasks of the runtime that have not ended.";
}
