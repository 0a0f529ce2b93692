//! Every metric of a queue worker.

use waitingroom_domain::define_metrics;

define_metrics! {
    ADMISSION_THROTTLE: gauge "stanchion_admission_throttle_ratio" (was "stanchion_pace") [] = "Share of the configured release rate that booking can take, 0 to 1.";
    PASSES_RELEASED: counter "stanchion_passes_released_total" ["event"] = "Passes that were issued.";
    PUSHES: counter "stanchion_pushes_total" ["outcome"] = "Pushes to browsers of released users, by what came of them: sent, gone (the browser has unsubscribed), refused, failed (too late), dropped.";
    PUSHES_WAITING: gauge "stanchion_pushes_waiting" [] = "Pushes that are being sent or wait for it.";
    PASSES_REPUBLISHED: counter "stanchion_passes_republished_total" (was "stanchion_passes_resent_total") ["event"] = "Passes that were published again because no client acknowledged them.";
    QUEUE_LENGTH: gauge "stanchion_queue_length" (was "stanchion_line_length") ["event"] = "Users in the queue.";
    RELEASE_RATE: gauge "stanchion_release_rate_per_second" (was "stanchion_rate_effective") ["event"] = "Passes a second that the queue may release now.";
    ACTIVE_PASSES: gauge "stanchion_active_passes" (was "stanchion_passes_active") ["event"] = "Passes that are neither used nor over.";
}
