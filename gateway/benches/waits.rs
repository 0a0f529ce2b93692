//! Accuracy of estimated waits, over simulated sales of seven kinds: the median error of the
//! estimate, and the part of the waits that ended in the range. `cargo bench -p gateway --features
//! measure
//! --bench waits -- --plot docs/performance/waits.svg`.
//!
//! No time is measured: the figures are the same on every machine.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on ends")]

use std::path::PathBuf;

use gateway::bench_support::sales::{SALE_KINDS, SaleKind, SampledWait, Score, simulate};
use plotters::prelude::*;

/// Sales of each kind.
const SEEDS: u64 = 5;

/// Waits that are drawn of each kind.
const DRAWN: usize = 300;

fn main() {
    // Cargo runs a bench in its package's folder; the file is named from the repository's.
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..");
    let plot = std::env::args()
        .skip_while(|argument| argument != "--plot")
        .nth(1)
        .map(|file| repository.join(file));
    let waits: Vec<(SaleKind, Vec<SampledWait>)> = SALE_KINDS
        .map(|kind| {
            (
                kind,
                (1..=SEEDS).flat_map(|seed| simulate(kind, seed)).collect(),
            )
        })
        .into();

    println!("| sale | waits | median error | in the range |\n|---|---|---|---|");

    for (kind, waits) in &waits {
        let score = Score::of(waits);
        let (error, within) = (100.0 * score.median_error, 100.0 * score.within_range);
        println!(
            "| {} | {} | {error:.1} % | {within:.1} % |",
            kind.name(),
            score.samples
        );
    }

    if let Some(file) = plot {
        draw(&file, &waits).unwrap();
    }
}

/// Estimates against the waits that followed, a panel for each kind; on the diagonal they were
/// right.
fn draw(
    file: &std::path::Path,
    waits: &[(SaleKind, Vec<SampledWait>)],
) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::new(file, (1_000, 560)).into_drawing_area();
    area.fill(&WHITE)?;

    for ((kind, waits), panel) in waits.iter().zip(area.split_evenly((2, 4))) {
        let waits: Vec<_> = waits.iter().step_by((waits.len() / DRAWN).max(1)).collect();
        let most = waits
            .iter()
            .map(|one| one.truth.max(one.wait))
            .fold(1.0, f64::max);
        let mut chart = ChartBuilder::on(&panel)
            .caption(kind.name(), ("sans-serif", 14))
            .margin(8)
            .x_label_area_size(30)
            .y_label_area_size(36)
            .build_cartesian_2d(0.0..most, 0.0..most)?;
        chart
            .configure_mesh()
            .x_desc("came, s")
            .y_desc("told, s")
            .x_labels(4)
            .y_labels(4)
            .disable_mesh()
            .draw()?;
        let ranges = waits.iter().filter_map(|one| {
            one.range
                .map(|(low, high)| (one.truth, low, high.min(most)))
        });
        chart.draw_series(ranges.map(|(at, low, high)| {
            PathElement::new([(at, low), (at, high)], RGBColor(190, 205, 230))
        }))?;
        chart.draw_series(
            waits
                .iter()
                .map(|one| Circle::new((one.truth, one.wait), 1, BLUE.filled())),
        )?;
        chart.draw_series([PathElement::new([(0.0, 0.0), (most, most)], BLACK)])?;
    }

    area.present()?;
    Ok(())
}
