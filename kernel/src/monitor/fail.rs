//! Requests that fail on purpose, for pages and for objects.

use mm::fault::{FAIL_PAGE_ALLOC, FAILSLAB, FailConfig};
use monitor::argument::Args;

use super::Kernel;
use super::failure::{Failure, typed};
use crate::console::println;

pub fn pages(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let pages = kernel.pages;
    match when(FAIL_PAGE_ALLOC, args)? {
        Some(config) => pages.inject_failures(config),
        None => show(FAIL_PAGE_ALLOC, pages.failures_to_come(), pages.injected_failures()),
    }
    Ok(())
}

pub fn objects(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let slabs = kernel.slabs;
    match when(FAILSLAB, args)? {
        Some(config) => slabs.inject_failures(config),
        None => show(FAILSLAB, slabs.failures_to_come(), slabs.injected_failures()),
    }
    Ok(())
}

/// The argument WHEN, which has the form of a boot parameter's value; `None` if it is not given.
fn when(parameter: &'static str, args: &Args<'_>) -> Result<Option<FailConfig>, Failure> {
    match args.text("WHEN") {
        Ok("off") => Ok(Some(FailConfig::OFF)),
        Ok(text) => FailConfig::parse(parameter, text)
            .map(Some)
            .map_err(|error| Failure::BadFailConfig { parameter, part: typed(error.part) }),
        Err(_) => Ok(None),
    }
}

fn show(parameter: &str, config: FailConfig, failed: u32) {
    match config.interval {
        0 => println!("{parameter} is off"),
        _ => println!("{parameter}={config}, {failed} failed so far"),
    }
}
