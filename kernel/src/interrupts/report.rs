//! Interrupts in the form of Linux's `/proc/interrupts`.
//!
//! A row for each interrupt that has a handler or has come, then what has no interrupt of its own to
//! stand under, in the form that Linux gives to such counts.

use core::fmt::{self, Write};
use core::sync::atomic::Ordering;

use board::dt::Trigger;

use super::{LINES, SPURIOUS, UNHANDLED, tick};
use crate::console;

/// Writes the table.
///
/// # Errors
///
/// Those of `out`.
pub fn write(out: &mut dyn Write) -> fmt::Result {
    writeln!(out, "{:11}CPU0", "")?;
    for (id, line) in LINES.iter().enumerate() {
        let count = line.count.load(Ordering::Relaxed);
        match line.action.get() {
            Some((action, trigger)) => {
                let trigger = match trigger {
                    Trigger::Level => "Level",
                    Trigger::Edge => "Edge",
                };
                let name = action.name;
                writeln!(out, "{id:3}: {count:10}  {:>8} {id:3} {trigger:<8}  {name}", "GIC-0")?;
            }
            None if count > 0 => writeln!(out, "{id:3}: {count:10}  {:>8} {id:3}", "GIC-0")?,
            None => {}
        }
    }
    writeln!(out, "Err: {:10}", UNHANDLED.load(Ordering::Relaxed))?;
    let (tick, console) = (tick::figures(), console::losses());
    let rows: [(&str, u64, &str); 6] = [
        ("Spu", SPURIOUS.load(Ordering::Relaxed).into(), "Spurious interrupts"),
        ("Tck", tick.ticks, "Ticks"),
        ("Mrg", tick.late, "Ticks merged into the next"),
        ("Lat", tick.max_latency, "Longest latency of a tick, in timer counts"),
        ("Ful", console.held_back.into(), "Console held back, its ring full"),
        ("Ovr", console.overruns.into(), "Console overruns, with bytes lost"),
    ];
    rows.iter().try_for_each(|(name, count, what)| writeln!(out, "{name}: {count:10}  {what}"))
}
