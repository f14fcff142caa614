//! Which messages of `printk` reach the console: those that matter more than the console's level.
//!
//! Linux's rule and numbers: a message is shown if its level's number is lower, one without a level counts as
//! `KERN_WARNING`, and the console's level is 7 unless `loglevel=`, `quiet` or `debug` on the command line says otherwise. What
//! continues a line goes where its beginning went. A message that is not shown is lost: there is no `dmesg`.
//!
//! The kernel's own lines have no level: what boot finds and what a command prints is what this kernel is for.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use mm::param::{params, read_size};
use printk::{Level, Place};

/// Linux's `CONSOLE_LOGLEVEL_DEFAULT`, and what `quiet` and `debug` make of it.
const DEFAULT: u32 = 7;
const QUIET: u32 = 4;
const DEBUG: u32 = 10;
/// The highest that can be set: above it nothing changes.
pub const HIGHEST: u32 = 15;

static LEVEL: AtomicU32 = AtomicU32::new(DEFAULT);
/// Was the last message shown?
static SHOWN: AtomicBool = AtomicBool::new(true);

/// The console's level.
pub fn get() -> u32 {
    LEVEL.load(Ordering::Relaxed)
}

/// Shows messages below this level from now on. Any context.
pub fn set(level: u32) {
    LEVEL.store(level.min(HIGHEST), Ordering::Relaxed);
}

/// Sets what the command line says; the last word counts.
pub fn set_from(command_line: &str) {
    for param in params(command_line) {
        let number =
            || param.value.map(read_size).filter(|size| size.is_number && size.rest.is_empty());
        match param.value {
            None if param.is("quiet") => set(QUIET),
            None if param.is("debug") => set(DEBUG),
            _ if param.is("loglevel") => match number() {
                Some(size) => set(u32::try_from(size.bytes).unwrap_or(HIGHEST)),
                None => log::warn!("loglevel={}: no number", param.value.unwrap_or_default()),
            },
            _ => {}
        }
    }
}

/// Is this message to be shown? Any context.
pub fn shows(level: Option<Level>, place: Place) -> bool {
    if place == Place::Continued && level.is_none() {
        return SHOWN.load(Ordering::Relaxed);
    }
    let is_shown = (level.unwrap_or(Level::Warning) as u32) < get();
    SHOWN.store(is_shown, Ordering::Relaxed);
    is_shown
}
