//! Suite `layout`: what the tables and allocators hold is what was decided.

use mm::report::layout::Observed;

use super::Checks;
use crate::monitor::Kernel;
use crate::readback;

/// Runs the suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let seen = readback::observe(kernel);
    let planned = Observed::predicted(&kernel.layout);
    checks.that(
        (seen.page_offset, seen.phys_offset, seen.lowmem_end)
            == (planned.page_offset, planned.phys_offset, planned.lowmem_end),
        format_args!(
            "PAGE_OFFSET, PHYS_OFFSET, end of lowmem: {} {} {}, decided {} {} {}",
            seen.page_offset,
            seen.phys_offset,
            seen.lowmem_end,
            planned.page_offset,
            planned.phys_offset,
            planned.lowmem_end
        ),
    );
    checks.that(
        seen.regions.len() == planned.regions.len(),
        format_args!("{} regions, decided {}", seen.regions.len(), planned.regions.len()),
    );
    for (seen, planned) in seen.regions.iter().zip(&planned.regions) {
        checks.that(
            seen == planned,
            format_args!(
                "{} at {}, decided {} at {}",
                seen.0.name(),
                seen.1,
                planned.0.name(),
                planned.1
            ),
        );
    }
    for (seen, planned) in seen.zones.iter().zip(&planned.zones) {
        checks.that(
            seen.span == planned.span,
            format_args!("zone {:?}, decided {:?}", seen.span, planned.span),
        );
    }
}
