//! Suite `edges`: the pages at the edges of every region work or fault as the layout predicts.

use super::Checks;
use crate::edges;
use crate::monitor::Kernel;

/// Runs the suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    edges::touch_all(kernel, &mut |touched| {
        let (edge, expected, seen) = (touched.edge, touched.expected, touched.seen);
        checks.that(
            seen == expected,
            format_args!(
                "{} {} page at {}: {seen}, predicted: {expected}",
                edge.place,
                edge.region.name(),
                edge.page
            ),
        );
    });
}
