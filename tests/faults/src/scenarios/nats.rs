//! NATS is away, dies, or loses the stream.

use stanchion_tests::process::Signal;

use super::USUAL;
use crate::{installation::PREFIX, scenario::Scenario};

/// See the module's documentation.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "nats-stopped",
        text: "NATS is away for 25 s, and back with its data",
        run: |context| {
            Box::pin(async move {
                context.begin("stopped for 25 s", "nats", false);
                context.installation.stores().nats.stop(Signal::Terminate).await;
                context.pause(25.0, 25.0).await;
                context.installation.stores().nats.start_again().await;
                context.end();
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "nats-killed",
        text: "kill -9 of NATS six times, back after 0.2 to 2 s with its data",
        run: |context| {
            Box::pin(async move {
                for _ in 0..6 {
                    context.begin("kill -9 and start", "nats", false);
                    context.installation.stores().nats.stop(Signal::Kill).await;
                    context.pause(0.2, 2.0).await;
                    context.installation.stores().nats.start_again().await;
                    context.end();
                    context.pause(0.5, 3.0).await;
                }
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 25.0,
    },
    Scenario {
        name: "nats-stream-deleted",
        text: "the stream is deleted",
        run: |context| {
            Box::pin(async move {
                context.pause(1.0, 5.0).await;
                context.stream_is_lost = true;
                context.begin("stream deleted", "nats", false);
                let client = async_nats::connect(context.installation.stores().nats_url()).await?;
                async_nats::jetstream::new(client).delete_stream(PREFIX.to_uppercase()).await?;
                context.end();
                Ok(())
            })
        },
        shape: USUAL,
        sale_seconds: 20.0,
    },
];
