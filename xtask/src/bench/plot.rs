//! A picture: what a pair of `vmalloc` and `vfree` costs, by how many areas are live.
//!
//! Both axes are logarithmic: a search that looks at every area would be a straight line upwards, one that halves
//! hardly rises. Linux's two points are drawn beside it.

use anyhow::{Context as _, Result};
use plotters::prelude::*;
use std::fs;
use std::path::Path;

use super::guest::{self, Measured};
use super::linux::Linux;
use crate::image::Image;
use crate::qemu::MemorySize;

/// How the operations' names begin; what follows is the number of areas that live meanwhile.
const PREFIX: &str = "vmalloc_1p_live";
/// Linux's figures: how many areas live meanwhile, and the operation.
const LINUX: [(u32, &str); 2] = [(1, "vmalloc_1p"), (256, "vmalloc_1p_batch256")];
const SIZE: (u32, u32) = (720, 420);

/// A point: so many areas, and what a pair costs.
type Point = (u32, f64);

/// The operations that are measured.
pub fn operations() -> Vec<&'static str> {
    workload::names().into_iter().filter(|name| name.starts_with(PREFIX)).collect()
}

/// Measures, and writes the picture.
pub fn write(path: &Path, image: &Image, memory: MemorySize) -> Result<()> {
    let measured = guest::measure(image, memory, Some(&operations()))?;
    let linux = Linux::recorded()?;
    let theirs = LINUX.iter().filter_map(|&(live, name)| Some((live, linux.pair(name)?))).collect();
    let svg = draw(&points(&measured), theirs)?;
    fs::write(path, svg).with_context(|| format!("can not write {}", path.display()))
}

/// The points of ours, by the number of areas.
fn points(measured: &[Measured]) -> Vec<Point> {
    let point =
        |found: &Measured| Some((found.name.strip_prefix(PREFIX)?.parse().ok()?, found.pair));
    let mut points: Vec<Point> = measured.iter().filter_map(point).collect();
    points.sort_by_key(|&(live, _)| live);
    points
}

/// The picture, as SVG.
fn draw(ours: &[Point], theirs: Vec<Point>) -> Result<String> {
    let all = || ours.iter().chain(&theirs);
    let most = all().map(|&(live, _)| live).max().context("nothing was measured")?;
    let highest = all().map(|&(_, pair)| pair).fold(0.0, f64::max);
    let mut svg = String::new();
    {
        let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
        root.fill(&WHITE).map_err(picture)?;
        let mut chart = ChartBuilder::on(&root)
            .caption("vmalloc and vfree of one page", ("sans-serif", 18))
            .margin(14)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d((1..most * 2).log_scale(), (10.0..highest * 2.0).log_scale())
            .map_err(picture)?;
        chart
            .configure_mesh()
            .x_desc("live areas")
            .y_desc("guest instructions of a pair")
            .x_label_formatter(&|live| live.to_string())
            .y_label_formatter(&|pair| format!("{pair:.0}"))
            .label_style(("sans-serif", 13))
            .light_line_style(TRANSPARENT)
            .draw()
            .map_err(picture)?;
        for (name, points, color) in [("vmsplit", ours.to_vec(), BLUE), ("Linux 6.1", theirs, RED)]
        {
            chart
                .draw_series(LineSeries::new(points.iter().copied(), color.stroke_width(2)))
                .map_err(picture)?
                .label(name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2))
                });
            let dot = |&point| {
                let label =
                    Text::new(format!("{:.0}", point_cost(point)), (-12, -18), ("sans-serif", 12));
                EmptyElement::at(point) + Circle::new((0, 0), 3, color.filled()) + label
            };
            chart.draw_series(points.iter().map(dot)).map_err(picture)?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::MiddleRight)
            .background_style(WHITE)
            .border_style(BLACK)
            .label_font(("sans-serif", 13))
            .draw()
            .map_err(picture)?;
        root.present().map_err(picture)?;
    }
    Ok(svg)
}

fn point_cost((_, pair): Point) -> f64 {
    pair
}

/// What can go wrong while drawing into memory, in words.
fn picture(error: impl std::fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("can not draw: {error}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, pair: f64) -> Measured {
        Measured { name: name.into(), get: 0.0, put: 0.0, pair, peers: Vec::new() }
    }

    #[test]
    fn there_are_operations_from_few_areas_to_very_many() {
        let measured: Vec<_> = operations().into_iter().map(|name| measured(name, 1.0)).collect();
        let live: Vec<u32> = points(&measured).iter().map(|&(live, _)| live).collect();
        assert!(live.first() == Some(&10) && live.last() >= Some(&10_000), "{live:?}");
    }

    #[test]
    fn the_picture_has_every_point_and_both_names() {
        let found = [measured("vmalloc_1p_live100", 222.0), measured("vmalloc_1p_live10", 111.0)];
        let svg = draw(&points(&found), vec![(1, 3496.0)]).unwrap();
        for text in ["111", "222", "3496", "vmsplit", "Linux 6.1", "live areas"] {
            assert!(svg.contains(text), "{text} is missing:\n{svg}");
        }
    }

    #[test]
    fn nothing_measured_is_no_picture() {
        assert!(draw(&[], Vec::new()).is_err());
    }
}
