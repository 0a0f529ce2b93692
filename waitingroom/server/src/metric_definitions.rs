//! Every metric of the HTTP server and the runtime.

use waitingroom_domain::define_metrics;

define_metrics! {
    HTTP_REQUEST_DURATION: histogram "stanchion_http_request_duration_seconds" (was "stanchion_http_request_seconds") ["route", "status"] = "Seconds from a request to its answer.";
    BODIES_REJECTED: counter "stanchion_bodies_rejected_total" (was "stanchion_bodies_refused_total") ["reason"] = "Request bodies that were rejected before they were read in full.";
    CONNECTIONS_REJECTED: counter "stanchion_connections_rejected_total" (was "stanchion_connections_refused_total") ["reason"] = "Connections that were rejected because a limit was reached.";
    CONNECTIONS_EVICTED: counter "stanchion_connections_evicted_total" ["reason"] = "Quiet connections that were closed in favour of new ones.";
    CONNECTIONS_ABANDONED: counter "stanchion_connections_abandoned_total" (was "stanchion_connections_given_up_total") ["reason"] = "Connections that the server closed because their client was too slow.";
    ACCEPT_ERRORS: counter "stanchion_accept_errors_total" [] = "Connections that the operating system could not hand over.";
    TOKIO_ALIVE_TASKS: gauge "stanchion_tokio_alive_tasks" (was "stanchion_live_tasks") [] = "Tasks of the runtime that have not ended.";
}
