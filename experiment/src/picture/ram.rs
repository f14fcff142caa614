//! The picture of RAM: what became of each piece, with its zones on the left.
//!
//! ```text
//!  HighMem  256 MiB ─┃ ┌────┐── HighMem            0x70000000  256 MiB
//!                      ├────┤
//!  DMA      768 MiB ─┃ │    │── DMA                0x40600000  762 MiB
//!                    ┃ │    │── kernel image       0x40200000    4 MiB
//!                      └────┘
//! ```
//!
//! Pieces are in proportion, but none is thinner than a few pixels; a hole between banks is a broken line of one height,
//! however large it is. The legend has every class with its bytes, those of pieces drawn together included.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::Write as _;

use maud::{Markup, html};

use super::labels::{Wanted, needed, place};
use super::pieces::{Part, parts, reason, zone_class};
use super::scale::{Px, heights, share};
use super::size::Size;
use super::svg::{Columns, Frame, ROW, boxed, leader, line, picture, row};
use crate::address::Address;
use crate::answer::{Account, Answer, Layout};

const WIDTH: Px = Px::new(576);
const TOP: Px = Px::new(24);
const HEIGHT: Px = Px::new(512);
const COLUMN: (Px, Px) = (Px::new(186), Px::new(60));
/// The bars of the zones: where they begin, and how wide they are.
const BARS: (Px, Px) = (Px::new(173), Px::new(7));
const LEFT: Columns =
    Columns { name: Px::new(2), letters: 12, start: Px::new(154), size: Px::new(154) };
const RIGHT: Columns =
    Columns { name: Px::new(270), letters: 23, start: Px::new(428), size: Px::new(574) };
const NEAR: Px = Px::new(6);
/// What a hole takes, whatever its size.
const HOLE: Px = Px::new(16);
/// What a piece takes at least.
const LEAST: Px = Px::new(4);

/// The RAM of `answer`, as SVG.
#[must_use]
pub fn ram(answer: &Answer) -> Markup {
    let parts = parts(&answer.account);
    let frames = column(&parts);
    let wanted: Vec<_> =
        frames.iter().map(|frame| Wanted { middle: frame.middle(), height: ROW }).collect();
    let marks = marks(answer, &parts, &frames);
    let wanted_left: Vec<_> =
        marks.iter().map(|mark| Wanted { middle: mark.middle(), height: ROW }).collect();
    let bottom = TOP + HEIGHT.max(needed(&wanted)).max(needed(&wanted_left));
    let places = place(&wanted, TOP, bottom);
    let places_left = place(&wanted_left, TOP, bottom);
    let entries = entries(&answer.account);
    let legend_top = bottom + Px::new(16);
    let end = legend_top + ROW.times(entries.len() + 1);

    let body = html! {
        (line("heading", COLUMN.0, Px::default(), &heading(&answer.account, &parts)))
        @for (part, frame) in parts.iter().zip(&frames) {
            @if part.is_hole() {
                (broken(*frame, &words(part)))
            } @else {
                (boxed(part.class(), *frame, &words(part)))
            }
        }
        @for ((part, frame), y) in parts.iter().zip(&frames).zip(&places) {
            (leader((frame.right(), frame.middle()), (RIGHT.name - NEAR, *y + ROW.half())))
            (row(RIGHT, *y, &name(part), &Address(part.start).to_string(), &size(part)))
        }
        @for (mark, y) in marks.iter().zip(&places_left) {
            @if let Some(class) = mark.class {
                (boxed(&format!("bar {class}"), mark.frame(), &mark.name))
            }
            (leader((mark.edge(), mark.middle()), (LEFT.size + NEAR, *y + ROW.half())))
            (row(LEFT, *y, &mark.name, "", &Size(mark.bytes).to_string()))
        }
        (legend(&entries, legend_top))
    };
    picture("ram", (WIDTH, end + Px::new(4)), "RAM", &description(answer, &parts), &body)
}

fn heading(account: &Account, parts: &[Part]) -> String {
    let holes = if parts.iter().any(Part::is_hole) { ", holes cut" } else { "" };
    format!("{} of RAM to scale{holes}", Size(account.ram))
}

/// The boxes of the column.
fn column(parts: &[Part]) -> Vec<Frame> {
    let bytes: Vec<_> = parts.iter().filter(|part| !part.is_hole()).map(Part::bytes).collect();
    let holes = HOLE.times(parts.len() - bytes.len());
    let mut heights = heights(&bytes, HEIGHT - holes, LEAST).into_iter();
    let mut y = TOP;
    let frame = |part: &Part| {
        let height = if part.is_hole() { HOLE } else { heights.next().unwrap_or(LEAST) };
        let frame = Frame { x: COLUMN.0, y, width: COLUMN.1, height };
        y += height;
        frame
    };
    parts.iter().map(frame).collect()
}

/// A hole: the edges of the column, broken.
fn broken(frame: Frame, title: &str) -> Markup {
    let Frame { x, y, height, .. } = frame;
    let right = frame.right();
    let d = format!("M{x} {y}v{height}M{right} {y}v{height}");
    html! { path class="hole" d=(d) { title { (title) } } }
}

/// What is marked at the left of the column.
struct Mark {
    name: String,
    bytes: u64,
    /// Zones have a bar of their class.
    class: Option<&'static str>,
    top: Px,
    bottom: Px,
}

impl Mark {
    fn middle(&self) -> Px {
        (self.top + self.bottom).half()
    }

    fn frame(&self) -> Frame {
        let height = (self.bottom - self.top).max(LEAST);
        Frame { x: BARS.0, y: self.top, width: BARS.1, height }
    }

    fn edge(&self) -> Px {
        if self.class.is_some() { BARS.0 } else { COLUMN.0 }
    }
}

/// The zones, and what a boot loader loaded, in the order of their places.
fn marks(answer: &Answer, parts: &[Part], frames: &[Frame]) -> Vec<Mark> {
    let at = |address: u64| edge(address, parts, frames);
    let Answer { layout: Layout { zones, .. }, account } = answer;
    let zones = zones.iter().map(|(name, zone)| Mark {
        name: format!("zone {name}"),
        bytes: u64::from(zone.present) << 12,
        class: Some(zone_class(name)),
        top: at(u64::from(zone.end_pfn) << 12),
        bottom: at(u64::from(zone.start_pfn) << 12),
    });
    let loaded = &account.loaded;
    let loaded = [
        ("kernel", &loaded.kernel),
        ("device tree", &loaded.device_tree),
        ("initrd", &loaded.initrd),
    ];
    let loaded = loaded.into_iter().filter_map(|(name, placed)| {
        let placed = placed.as_ref()?;
        let middle = placed.start.0 + placed.end.0.saturating_sub(placed.start.0) / 2;
        let outside = placed.place == "outside_ram";
        (!outside).then(|| Mark {
            name: name.to_string(),
            bytes: placed.end.0.saturating_sub(placed.start.0),
            class: None,
            top: at(middle),
            bottom: at(middle),
        })
    });
    let mut marks: Vec<_> = zones.chain(loaded).collect();
    marks.sort_by_key(Mark::middle);
    marks
}

/// Where `address` is in the column.
fn edge(address: u64, parts: &[Part], frames: &[Frame]) -> Px {
    for (part, frame) in parts.iter().zip(frames) {
        if address >= part.start {
            let below = address.min(part.end) - part.start;
            let rise = share(below.into(), (part.end - part.start).into(), frame.height);
            return frame.bottom() - rise;
        }
    }
    frames.last().map_or(TOP, Frame::bottom)
}

fn name(part: &Part) -> String {
    match part.kinds.as_slice() {
        [] => "hole".to_string(),
        [(kind, _)] if part.pieces == 1 => kind.name.clone(),
        [(kind, _)] if part.lost() == 0 => format!("{}, {} pieces", kind.name, part.pieces),
        _ if part.lost() > 0 => format!("{} pieces, lost {}", part.pieces, Size(part.lost())),
        _ => format!("{} pieces", part.pieces),
    }
}

fn size(part: &Part) -> String {
    Size(if part.is_hole() { part.end - part.start } else { part.bytes() }).to_string()
}

/// `DMA: 768 MiB, 0x40000000 to 0x6fffffff`.
fn words(part: &Part) -> String {
    let (start, last) = (Address(part.start), Address(part.end - 1));
    let mut text = format!("{}: {}, {start} to {last}", name(part), size(part));
    if part.pieces > 1 {
        for (kind, bytes) in &part.kinds {
            // A `String` takes all that is written to it.
            let _ = write!(text, "; {} {}", kind.name, Size(*bytes));
        }
    }
    text
}

/// The classes that there are, with their bytes: style class, name, bytes.
fn entries(account: &Account) -> Vec<(&'static str, String, u64)> {
    let mut entries = Vec::new();
    for (totals, suffix) in [(&account.tree, ""), (&account.beyond_tree, ", only by mem=")] {
        let mut push = |class, name: &str, bytes| {
            if bytes > 0 {
                entries.push((class, [name, suffix].concat(), bytes));
            }
        };
        for (zone, bytes) in &totals.usable {
            push(zone_class(zone), &format!("usable, {zone}"), *bytes);
        }
        push("reserved", "reserved", totals.reserved.values().fold(0, |a, b| a.saturating_add(*b)));
        push("no-map", "not to be mapped", totals.no_map);
        for (key, bytes) in &totals.lost {
            push("lost", &reason(key), *bytes);
        }
    }
    entries
}

fn legend(entries: &[(&'static str, String, u64)], y: Px) -> Markup {
    let swatch =
        |y: Px| Frame { x: COLUMN.0, y: y + Px::new(3), width: Px::new(20), height: Px::new(11) };
    let columns =
        Columns { name: COLUMN.0 + Px::new(28), letters: 40, start: RIGHT.start, size: RIGHT.size };
    let rows = entries.iter().enumerate().map(|(index, entry)| (y + ROW.times(index + 1), entry));
    html! {
        (line("heading", COLUMN.0, y, "What became of it"))
        @for (y, (class, name, bytes)) in rows {
            (boxed(class, swatch(y), name))
            (row(columns, y, name, "", &Size(*bytes).to_string()))
        }
    }
}

fn description(answer: &Answer, parts: &[Part]) -> String {
    let account = &answer.account;
    let plural = if account.banks == 1 { "" } else { "s" };
    let mut text = format!("{} of RAM in {} bank{plural}: ", Size(account.ram), account.banks);
    for (index, (_, name, bytes)) in entries(account).iter().enumerate() {
        let comma = if index == 0 { "" } else { "; " };
        let _ = write!(text, "{comma}{name} {}", Size(*bytes));
    }
    text.push_str(". From the highest address down: ");
    for (index, part) in parts.iter().enumerate() {
        let comma = if index == 0 { "" } else { "; " };
        let _ = write!(text, "{comma}{}", words(part));
    }
    text.push('.');
    text
}
