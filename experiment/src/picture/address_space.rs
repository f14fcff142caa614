//! The picture of the address space: 4 GiB to scale in one column, and what is too thin to see there enlarged beside it.
//!
//! ```text
//!  user     0x00000000  3056 MiB ──┬────┐        ┌────┐
//!                                  │    │╲______ │    │── fixmap  0xfff00000  896 KiB
//!                                  │    │        │    │── DMA     0xffc00000    3 MiB
//!                                  └────┘╲______ └────┘
//! ```
//!
//! A span has one label: beside the column, or beside its enlargement.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;
use core::ops::Range;

use maud::{Markup, html};

use super::labels::{Wanted, needed, place};
use super::scale::{Px, heights, share};
use super::size::Size;
use super::spans::{SPACE, Span, spans, zooms};
use super::svg::{Columns, Frame, ROW, boxed, leader, line, picture, row};
use crate::address::Address;
use crate::answer::Answer;

const WIDTH: Px = Px::new(604);
/// Where columns begin: below their headings.
const TOP: Px = Px::new(24);
/// The column to scale: 8 MiB are a pixel.
const HEIGHT: Px = Px::new(512);
const COLUMN: (Px, Px) = (Px::new(224), Px::new(60));
const ENLARGED: (Px, Px) = (Px::new(332), Px::new(60));
const LEFT: Columns =
    Columns { name: Px::new(2), letters: 8, start: Px::new(60), size: Px::new(200) };
const RIGHT: Columns =
    Columns { name: Px::new(410), letters: 8, start: Px::new(468), size: Px::new(602) };
/// From a leader's end to the text.
const NEAR: Px = Px::new(6);
/// What is thinner than this is enlarged.
const THIN: Px = Px::new(12);
/// The least height of an enlarged span: a label's, and some air.
const LEAST: Px = Px::new(20);
/// Between an enlargement and the next one's heading.
const SPACING: Px = Px::new(14);

/// The virtual address space of `answer`, as SVG.
#[must_use]
pub fn address_space(answer: &Answer) -> Markup {
    let spans = spans(&answer.layout);
    let zooms = zooms(&spans, HEIGHT, THIN);
    let frames = column(&spans);

    let is_enlarged = |index: usize| zooms.iter().any(|zoom| zoom.contains(&index));
    let named: Vec<_> =
        spans.iter().zip(&frames).enumerate().filter(|(index, _)| !is_enlarged(*index)).collect();
    let wanted: Vec<_> = named
        .iter()
        .map(|(_, (_, frame))| Wanted { middle: frame.middle(), height: ROW })
        .collect();

    let blocks: Vec<_> = zooms.iter().map(|zoom| block(&frames, zoom)).collect();
    let bottom = TOP + HEIGHT.max(needed(&wanted)).max(needed(&blocks));
    let places = place(&wanted, TOP, bottom);
    let block_places = place(&blocks, Px::default(), bottom);

    let body = html! {
        (line("heading", COLUMN.0, Px::default(), "4 GiB to scale"))
        @for (zoom, y) in zooms.iter().zip(&block_places) {
            (wedge(&frames, zoom, *y))
        }
        @for (span, frame) in spans.iter().zip(&frames) {
            (boxed(span.class, *frame, &words(span)))
        }
        @for ((_, (span, frame)), y) in named.iter().zip(&places) {
            (leader((frame.x, frame.middle()), (LEFT.size + NEAR, *y + ROW.half())))
            (label(LEFT, *y, span))
        }
        @for (zoom, y) in zooms.iter().zip(&block_places) {
            (enlargement(spans.get(zoom.clone()).unwrap_or_default(), *y))
        }
    };
    let description = description(&spans);
    picture(
        "address-space",
        (WIDTH, bottom + Px::new(4)),
        "Virtual address space",
        &description,
        &body,
    )
}

/// The boxes of the column to scale.
fn column(spans: &[Span]) -> Vec<Frame> {
    let edge = |address: u64| TOP + share((SPACE - address).into(), SPACE.into(), HEIGHT);
    let frame = |span: &Span| {
        let y = edge(span.end);
        Frame { x: COLUMN.0, y, width: COLUMN.1, height: edge(span.start) - y }
    };
    spans.iter().map(frame).collect()
}

/// How high the boxes of an enlargement of `count` spans are together.
fn height(count: usize) -> Px {
    LEAST.times(count) + Px::new(40)
}

/// An enlargement wants to be beside what it enlarges.
fn block(frames: &[Frame], zoom: &Range<usize>) -> Wanted {
    let (top, bottom) = edges(frames, zoom);
    Wanted { middle: (top + bottom).half(), height: ROW + height(zoom.len()) + SPACING }
}

fn edges(frames: &[Frame], zoom: &Range<usize>) -> (Px, Px) {
    let inside = frames.get(zoom.clone()).unwrap_or_default();
    let top = inside.first().map_or(TOP, |frame| frame.y);
    (top, inside.last().map_or(TOP, Frame::bottom))
}

/// The lines that lead from the place in the column to its enlargement.
fn wedge(frames: &[Frame], zoom: &Range<usize>, y: Px) -> Markup {
    let (top, bottom) = edges(frames, zoom);
    let (from, to) = (COLUMN.0 + COLUMN.1, ENLARGED.0);
    let (upper, lower) = (y + ROW, y + ROW + height(zoom.len()));
    let area = format!("M{from} {top}L{to} {upper}V{lower}L{from} {bottom}Z");
    let lines = format!("M{from} {top}L{to} {upper}M{to} {lower}L{from} {bottom}");
    html! {
        path class="wedge" d=(area) {}
        path class="leader" d=(lines) {}
    }
}

/// The spans of a zoom, from `y` on.
fn enlargement(spans: &[Span], y: Px) -> Markup {
    let sizes: Vec<_> = spans.iter().map(Span::len).collect();
    let all: u64 = sizes.iter().sum();
    let mut y = y;
    let heading = line("heading", ENLARGED.0, y, &format!("{} enlarged", Size(all)));
    y += ROW;
    let boxes =
        spans.iter().zip(heights(&sizes, height(spans.len()), LEAST)).map(|(span, height)| {
            let frame = Frame { x: ENLARGED.0, y, width: ENLARGED.1, height };
            y += height;
            html! {
                (boxed(span.class, frame, &words(span)))
                (leader((frame.right(), frame.middle()), (RIGHT.name - NEAR, frame.middle())))
                (label(RIGHT, frame.middle() - ROW.half(), span))
            }
        });
    let boxes: Vec<_> = boxes.collect();
    html! {
        (heading)
        @for one in &boxes { (one) }
    }
}

fn label(columns: Columns, y: Px, span: &Span) -> Markup {
    let start = Address(span.start).to_string();
    row(columns, y, &span.name, &start, &Size(span.len()).to_string())
}

/// `vmalloc: 240 MiB, 0xf0800000 to 0xff7fffff`.
fn words(span: &Span) -> String {
    let (start, last) = (Address(span.start), Address(span.end - 1));
    format!("{}: {}, {start} to {last}", span.name, Size(span.len()))
}

fn description(spans: &[Span]) -> String {
    let mut text = "From the highest address down. ".to_string();
    for (index, span) in spans.iter().enumerate() {
        let comma = if index == 0 { "" } else { "; " };
        // A `String` takes all that is written to it.
        let _ = write!(text, "{comma}{}", words(span));
    }
    text.push('.');
    text
}
