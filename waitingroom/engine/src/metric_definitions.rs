//! Every metric of the engine, its connection to Redis and the shared clock.

use waitingroom_domain::define_metrics;

define_metrics! {
    CLOCK_OFFSET: gauge "stanchion_clock_offset_seconds" [] = "Seconds by which the clock of this host is ahead of the shared one.";
    ENGINE_BATCH_SIZE: histogram "stanchion_engine_batch_size" (was "stanchion_line_batch_size") [] = "User actions in one call of the queue engine.";
    REDIS_FULL: gauge "stanchion_redis_full" [] = "1 while Redis has reached maxmemory and takes no new users, else 0.";
    REDIS_RECONNECTS: counter "stanchion_redis_reconnects_total" [] = "Redis connections that were replaced because they gave no answer.";
}
