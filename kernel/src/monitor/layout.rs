//! What the kernel is and how it was laid out.

use mm::addr::{PhysAddr, VirtAddr};
use mm::param::read_size;
use mm::report::layout;
use monitor::argument::Args;

use super::Kernel;
use super::failure::{Failure, address_limit, typed};
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
    let subject = subject(args.text("ADDR").ok(), args.has("--json"), args.has("--virt"))?;
    let _ = explain::write(kernel, subject, &mut Out);
    Ok(())
}

/// What is asked for by the address that was typed, if any, and the flags.
fn subject(word: Option<&str>, json: bool, virt: bool) -> Result<Subject, Failure> {
    if json {
        return match word.or(virt.then_some("--virt")) {
            None => Ok(Subject::Json),
            Some(word) => Err(Failure::TooMuch { word: typed(word) }),
        };
    }
    let no_address = || Failure::NotAnAddress { word: typed(word.unwrap_or_default()), virt };
    let Some(word) = word else {
        return if virt { Err(no_address()) } else { Ok(Subject::All) };
    };
    let size = read_size(word);
    if !size.is_number || !size.rest.is_empty() || size.bytes >= address_limit(virt) {
        return Err(no_address());
    }
    if !virt {
        return Ok(Subject::Address(PhysAddr::new(size.bytes)));
    }
    let virt = u32::try_from(size.bytes).map_err(|_| no_address())?;
    Ok(Subject::Virtual(VirtAddr::new(virt)))
}
