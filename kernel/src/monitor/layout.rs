//! What the kernel is and how it was laid out.

use arrayvec::ArrayString;
use mm::addr::{PhysAddr, VirtAddr};
use mm::param::read_size;
use mm::report::layout;
use monitor::argument::Args;

use super::Kernel;
use super::table::Failure;
use crate::console::{Out, print, println};
use crate::edges::{self, Touched};
use crate::explain::{self, Subject};
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

pub fn edges(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let mut wrong = 0;
    edges::touch_all(kernel, &mut |touched| {
        let Touched { edge, expected, seen } = touched;
        print!("{:<7} {:<5} {} {seen}", edge.region.name(), edge.place, edge.page);
        if seen == expected {
            println!();
        } else {
            println!(", predicted: {expected}");
            wrong += 1;
        }
    });
    if wrong == 0 { Ok(()) } else { Err(Failure::Edges { wrong }) }
}

pub fn explain(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let word = args.text("ADDR").ok();
    let no_address = || {
        // A line is shorter than what fits.
        let word = ArrayString::from(word.unwrap_or_default()).unwrap_or_default();
        Failure::NotAnAddress { word }
    };
    let address = match word.map(read_size) {
        Some(size) if size.is_number && size.rest.is_empty() => Some(size.bytes),
        Some(_) => return Err(no_address()),
        None => None,
    };
    let subject = match (args.has("--json"), args.has("--virt"), address) {
        (true, ..) => Subject::Json,
        (_, false, None) => Subject::All,
        (_, false, Some(phys)) => Subject::Address(PhysAddr::new(phys)),
        (_, true, address) => {
            let virt = address.and_then(|value| u32::try_from(value).ok());
            Subject::Virtual(VirtAddr::new(virt.ok_or_else(no_address)?))
        }
    };
    let _ = explain::write(kernel, subject, &mut Out);
    Ok(())
}
