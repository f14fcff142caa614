//! What the kernel is and how it was laid out.

use mm::report::layout;
use monitor::argument::Args;

use super::Kernel;
use super::table::Failure;
use crate::console::{Out, println};
use crate::{image, readback};

pub fn layout(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let seen = readback::observe(kernel);
    let _ = if args.has("--json") {
        layout::write_json(&mut Out, &seen, kernel.memory.warnings.iter())
    } else {
        layout::write_table(&mut Out, &seen)
    };
    Ok(())
}

pub fn cmdline(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    println!("{}", kernel.memory.command_line);
    Ok(())
}

pub fn version(_: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    println!("vmsplit {} ({} split)", env!("CARGO_PKG_VERSION"), image::SPLIT.name());
    Ok(())
}
