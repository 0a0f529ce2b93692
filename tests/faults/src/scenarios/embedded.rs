//! One process that runs everything dies, or its disk is full.

use anyhow::Context as _;

use crate::{installation::Shape, scenario::Scenario};

/// A disk for a small sale, in MiB.
const SMALL_DISK: u32 = 16;

const EMBEDDED: Shape = Shape {
    embedded: true,
    ..super::USUAL
};

/// See the module's documentation.
pub const LIST: &[Scenario] = &[
    Scenario {
        name: "embedded-killed",
        text: "kill -9 of the process that runs everything, three times, back after 0.05 to 1 s",
        run: |context| {
            Box::pin(async move {
                for _ in 0..3 {
                    context.begin("kill -9 and start", "embedded-1", true);
                    context.installation.member("embedded-1").kill().await;
                    context.pause(0.05, 1.0).await;
                    context.installation.member("embedded-1").start().await?;
                    context.end();
                    context.pause(6.0, 9.0).await;
                }
                Ok(())
            })
        },
        shape: EMBEDDED,
        sale_seconds: 30.0,
    },
    Scenario {
        name: "embedded-disk-full",
        text: "the disk of the process that runs everything is full for 8 s",
        run: |context| {
            Box::pin(async move {
                context.pause(1.0, 3.0).await;
                context.begin("disk full", "embedded-1", false);
                context
                    .installation
                    .disk
                    .as_ref()
                    .context("a small disk")?
                    .fill()?;
                context.pause(8.0, 8.0).await;
                context
                    .installation
                    .disk
                    .as_ref()
                    .context("a small disk")?
                    .clear()?;
                context.end();
                Ok(())
            })
        },
        shape: Shape {
            small_disk_mib: Some(SMALL_DISK),
            ..EMBEDDED
        },
        sale_seconds: 25.0,
    },
];
