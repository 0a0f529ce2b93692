//! How many users had their pass after how long, a curve for each strategy.

use std::path::Path;

use anyhow::{Context, Result};
use plotters::prelude::*;

use crate::{cli::Workload, report::Run};

const SIZE: (u32, u32) = (860, 420);
const MILLISECONDS: std::ops::Range<f64> = 0.3..60_000.0;

/// Draws the last run of each strategy.
///
/// # Errors
/// A file that cannot be written.
pub fn write(file: &Path, workload: &Workload, runs: &[Run]) -> Result<()> {
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    draw(&area, workload, runs)
        .map_err(|error| anyhow::anyhow!("{error}"))
        .context("the plot")?;
    area.present().with_context(|| file.display().to_string())
}

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

fn draw(
    area: &Area<'_>,
    workload: &Workload,
    runs: &[Run],
) -> Result<(), Box<dyn std::error::Error>> {
    area.fill(&WHITE)?;
    let title = format!(
        "{} users, {} passes/s: from the release to the browser",
        workload.users, workload.rate
    );
    let mut chart = ChartBuilder::on(area);

    chart
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(42)
        .y_label_area_size(60);

    let mut chart = chart.build_cartesian_2d(MILLISECONDS.log_scale(), 0.0..100.0)?;
    let mesh = &mut chart.configure_mesh();

    mesh.max_light_lines(2)
        .x_desc("milliseconds")
        .y_desc("users with their pass, %")
        .x_label_formatter(&|ms| format!("{ms}"))
        .draw()?;

    for (strategy, colour) in workload.strategies.iter().zip(COLOURS) {
        let Some(run) = runs.iter().rfind(|run| run.strategy == *strategy) else {
            continue;
        };
        let style = ShapeStyle::from(&colour).stroke_width(2);
        let legend = move |(x, y)| PathElement::new([(x, y), (x + 18, y)], style);
        chart
            .draw_series(LineSeries::new(curve(run), style))?
            .label(strategy.title())
            .legend(legend);
    }

    let legend = &mut chart.configure_series_labels();
    legend
        .position(SeriesLabelPosition::MiddleRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    Ok(())
}

/// Told apart by people who see colours differently, too (Okabe and Ito's palette).
const COLOURS: [RGBColor; 4] = [
    RGBColor(230, 159, 0),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 114, 178),
];

fn curve(run: &Run) -> Vec<(f64, f64)> {
    let mut seen = 0.0;
    let mut points = vec![(MILLISECONDS.start, 0.0)];

    for (us, count) in &run.received.latencies {
        seen += *count as f64;
        points.push((
            (*us as f64 / 1_000.0).max(MILLISECONDS.start),
            100.0 * seen / f64::from(run.users),
        ));
    }

    points
}
