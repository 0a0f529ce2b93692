//! Every metric of a gateway.

use waitingroom_domain::define_metrics;

define_metrics! {
    GUESTS_CREATED: counter "stanchion_guests_created_total" [] = "Guests that were created or renewed.";
    GUESTS_MAJORITY_RATIO: gauge "stanchion_guests_majority_ratio" [] = "Share of the new guests of a minute that come from one address, if it is more than half of at least 100, else 0.";
    GUESTS_REJECTED: counter "stanchion_guests_rejected_total" (was "stanchion_guests_refused_total") ["reason"] = "Guests that were rejected because an address or network has too many, or the guest is too old.";
    PASSES_DELIVERED: counter "stanchion_passes_delivered_total" (was "stanchion_passes_sent_total") [] = "Passes that were written to a connection of this node.";
    PUBSUB_GAPS: counter "stanchion_pubsub_gaps_total" (was "stanchion_signal_gaps_total") [] = "Interruptions of the subscription after which positions are read again.";
    PUSH_SUBSCRIPTIONS: counter "stanchion_push_subscriptions_total" ["outcome"] = "Browsers that asked to be notified of the turn by a push, and those that asked not to be notified any more.";
    POSITION_RESYNCS: counter "stanchion_position_resyncs_total" (was "stanchion_resyncs_total") [] = "Rounds in which a node read the positions of its users again.";
    REMEMBERED_USERS: gauge "stanchion_remembered_users" [] = "Users without a connection whose place this node remembers.";
    WEBSOCKET_CONNECTIONS: gauge "stanchion_websocket_connections" (was "stanchion_sockets") [] = "Open WebSocket connections.";
    WEBSOCKET_DISCONNECTS: counter "stanchion_websocket_disconnects_total" (was "stanchion_socket_ends_total") ["reason"] = "WebSocket connections that ended.";
    AUTO_HOLDS: counter "stanchion_auto_holds_total" (was "stanchion_wishes_total") ["outcome"] = "Holds that this node asked booking for on behalf of a user with a seat preference.";
}
