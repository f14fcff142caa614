//! The address space as spans: the regions, and what is between them, with nothing left out.
//!
//! Most of the kernel's regions are a thousandth of the space or less. Neighbours that are too thin for a label are
//! enlarged together ([`zooms`]). Invariant: the spans are in order from the top, and are 4 GiB together.

use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::ops::Range;

use super::scale::{Px, share};
use crate::answer::Layout;

/// How large the address space is.
pub const SPACE: u64 = 1 << 32;

/// A region, or a gap.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Span {
    /// The region's name, or what the gap is.
    pub name: String,
    /// The style class.
    pub class: &'static str,
    /// The first address.
    pub start: u64,
    /// The address behind the last.
    pub end: u64,
}

impl Span {
    /// How many bytes it has.
    pub fn len(&self) -> u64 {
        self.end - self.start
    }

    /// Is it a region? Otherwise nothing is there.
    pub fn is_region(&self) -> bool {
        self.class != GAP
    }
}

const GAP: &str = "gap";

/// The spans, from the top. Of regions that overlap the upper part of the lower one is left out.
pub fn spans(layout: &Layout) -> Vec<Span> {
    let mut regions: Vec<_> =
        layout.regions.iter().filter(|region| region.start < region.end).collect();
    regions.sort_by_key(|region| core::cmp::Reverse((region.start, region.end)));
    let mut spans = Vec::new();
    let mut top = SPACE;
    for region in regions {
        let (start, end) = (region.start.0, region.end.0.min(top));
        if start >= end {
            continue;
        }
        if end < top {
            // What lies between the linear map and vmalloc is kept free, to catch who runs over an end.
            let name = if end == layout.high_memory.0 { "gap" } else { "unused" };
            spans.push(Span { name: name.to_string(), class: GAP, start: end, end: top });
        }
        spans.push(Span { name: region.name.clone(), class: class(&region.name), start, end });
        top = start;
    }
    if top > 0 {
        spans.push(Span { name: "unused".to_string(), class: GAP, start: 0, end: top });
    }
    spans
}

fn class(name: &str) -> &'static str {
    match name {
        "user" => "user",
        "modules" => "modules",
        "pkmap" => "pkmap",
        "lowmem" => "lowmem",
        "vmalloc" => "vmalloc",
        "fdt" => "fdt",
        "DMA" => "dma",
        "fixmap" => "fixmap",
        "vector" | "stubs" => "vector",
        _ => "other",
    }
}

/// Which neighbours are enlarged together: runs of spans that are less than `least` of a column of `height`, with
/// two regions or more.
pub fn zooms(spans: &[Span], height: Px, least: Px) -> Vec<Range<usize>> {
    let thin = |span: &Span| share(span.len().into(), SPACE.into(), height) < least;
    let mut zooms = Vec::new();
    let mut at = 0;
    while at < spans.len() {
        let run = spans.iter().skip(at).take_while(|span| thin(span)).count();
        let range = at..at + run;
        let regions = spans.get(range.clone()).unwrap_or_default();
        if regions.iter().filter(|span| span.is_region()).count() >= 2 {
            zooms.push(range);
        }
        at += run.max(1);
    }
    zooms
}
