//! The shapes that both pictures are made of.
//!
//! A box is a rectangle of a class, with a pattern on it where the class has one. A row is a label: what it is, where it
//! starts, how large it is, in three columns. A leader leads from the box to its row.

use alloc::format;
use alloc::string::{String, ToString};

use maud::{Markup, html};

use super::scale::Px;

/// The height of a row of text.
pub const ROW: Px = Px::new(17);
/// From the upper edge of a row to the line that letters stand on.
const BASELINE: Px = Px::new(12);
/// The most letters of an address: 40 bits.
const ADDRESS: usize = 12;
/// The most letters of a size: `9999.9 MiB`.
const SIZE: usize = 10;

/// Where the columns of a label are. They are as wide as their letters: 6.62 pixels each in the widest of the fonts that
/// style sheets name.
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// Where names begin.
    pub name: Px,
    /// The most characters of a name.
    pub letters: usize,
    /// Where addresses begin.
    pub start: Px,
    /// Where sizes end.
    pub size: Px,
}

/// A rectangle.
#[derive(Clone, Copy, Debug)]
pub struct Frame {
    /// The left edge.
    pub x: Px,
    /// The upper edge.
    pub y: Px,
    /// From left to right.
    pub width: Px,
    /// From top to bottom.
    pub height: Px,
}

impl Frame {
    /// The middle, from top to bottom.
    pub fn middle(&self) -> Px {
        self.y + self.height.half()
    }

    /// The lower edge.
    pub fn bottom(&self) -> Px {
        self.y + self.height
    }

    /// The right edge.
    pub fn right(&self) -> Px {
        self.x + self.width
    }
}

/// A box of `class`; a pointer that rests on it is told `title`.
pub fn boxed(class: &str, frame: Frame, title: &str) -> Markup {
    let Frame { x, y, width, height } = frame;
    html! {
        rect class={ "box " (class) } x=(x) y=(y) width=(width) height=(height) { title { (title) } }
        @if let Some(pattern) = pattern_of(class) {
            rect class="hatch" fill={ "url(#" (pattern) ")" } x=(x) y=(y) width=(width) height=(height) {}
        }
    }
}

/// A label whose upper edge is `y`.
pub fn row(columns: Columns, y: Px, name: &str, start: &str, size: &str) -> Markup {
    html! {
        text y=(y + BASELINE) {
            tspan class="name" x=(columns.name) { (shortened(name, columns.letters)) }
            tspan class="start" x=(columns.start) { (shortened(start, ADDRESS)) }
            tspan class="size" text-anchor="end" x=(columns.size) { (shortened(size, SIZE)) }
        }
    }
}

/// One line of text whose upper edge is `y`.
pub fn line(class: &str, x: Px, y: Px, text: &str) -> Markup {
    html! { text class=(class) x=(x) y=(y + BASELINE) { (text) } }
}

/// A line from a box's edge to a label: straight out, across, and straight in.
pub fn leader(from: (Px, Px), to: (Px, Px)) -> Markup {
    let ((x1, y1), (x2, y2)) = (from, to);
    let quarter = Px((x2.0 - x1.0) / 4);
    let d = if y1 == y2 {
        format!("M{x1} {y1}H{x2}")
    } else {
        format!("M{x1} {y1}h{quarter}L{} {y2}H{x2}", x2 - quarter)
    };
    html! { path class="leader" d=(d) {} }
}

/// The whole picture. `words` say what it shows to those who do not see it.
pub fn picture(
    class: &str,
    (width, height): (Px, Px),
    title: &str,
    words: &str,
    body: &Markup,
) -> Markup {
    html! {
        svg class={ "picture " (class) } viewBox=(format!("0 0 {width} {height}")) role="img"
            xmlns="http://www.w3.org/2000/svg" {
            title { (title) }
            desc { (words) }
            (body)
        }
    }
}

/// A name of `most` letters; what is too long ends with an ellipsis.
fn shortened(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_string();
    }
    name.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Which pattern is on boxes of `class`.
fn pattern_of(class: &str) -> Option<&'static str> {
    Some(match class {
        "lost" => "hatch-lost",
        "no-map" => "hatch-no-map",
        "reserved" => "hatch-reserved",
        "highmem" | "pkmap" => "hatch-highmem",
        "zone-dma" | "dma" => "hatch-dma",
        "gap" => "hatch-gap",
        "mixed" => "hatch-mixed",
        _ => return None,
    })
}

/// The patterns that pictures refer to: once on a page, whatever the number of pictures.
#[must_use]
pub fn patterns() -> Markup {
    let pattern = |id: &str, side: u32, d: &str| {
        html! {
            pattern id={ "hatch-" (id) } width=(side) height=(side) patternUnits="userSpaceOnUse" {
                path d=(d) {}
            }
        }
    };
    html! {
        // Not `display: none`, with which browsers do not draw them.
        svg class="patterns" width="0" height="0" aria-hidden="true" focusable="false" {
            defs {
                (pattern("lost", 8, "M-2 2L2 -2M-2 10L10 -2M6 10L10 6"))
                (pattern("no-map", 8, "M-2 2L2 -2M-2 10L10 -2M6 10L10 6M-2 6L2 10M-2 -2L10 10M6 -2L10 2"))
                (pattern("reserved", 5, "M1.5 2.5h2"))
                (pattern("highmem", 12, "M-2 10L2 14M-2 -2L14 14M10 -2L14 2"))
                (pattern("dma", 8, "M0 4h8"))
                (pattern("gap", 5, "M2.5 0v2"))
                (pattern("mixed", 6, "M3 0v6"))
            }
        }
    }
}
