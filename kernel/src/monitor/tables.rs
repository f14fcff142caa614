//! The live page tables: all of them, or the way of one address through them.

use arch_arm::cp15::DACR;
use arch_arm::mmu::explain::{self, Use, Verdict, verdict};
use arch_arm::mmu::ptdump;
use arch_arm::mmu::walk::Translation;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use arrayvec::ArrayVec;
use mm::addr::{Pfn, PhysAddr, VirtAddr};
use mm::boot::layout::{DMA, FDT, FIXMAP, STUBS, VECTORS};
use mm::boot::split::MODULES_SIZE;
use mm::frame::{Block, PageState};
use monitor::argument::Args;
use tock_registers::interfaces::Readable;

use super::failure::Failure;
use super::{Kernel, memory};
use crate::console::{Out, print, println};
use crate::{image, readback};

pub fn ptdump(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let page_offset = image::SPLIT.page_offset();
    let vmalloc = kernel.vmalloc.region();
    let mut markers = ArrayVec::<_, 10>::new();
    markers.push((VirtAddr::new(page_offset.as_u32() - MODULES_SIZE), "Modules"));
    // There is none without HighMem.
    markers.extend(kernel.layout.pkmap().map(|pkmap| (pkmap.start(), "Pkmap Area")));
    markers.extend([
        (page_offset, "Kernel Mapping"),
        (vmalloc.start(), "vmalloc() Area"),
        (FDT.start(), "FDT Area"),
        (DMA.start(), "DMA Area"),
        (FIXMAP.start(), "Fixmap Area"),
        (VECTORS.start(), "Vectors"),
        (STUBS.end(), "Vectors End"),
    ]);
    let _ = ptdump::dump(&kernel.tables.walker(), &markers, &mut Out);
    Ok(())
}

pub fn translate(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let address = VirtAddr::new(args.number("ADDR")?);
    let translation = kernel.tables.walker().translate(address);
    let dacr = DACR.get();
    region(kernel, address);
    let _ = explain::write(&mut Out, &translation, dacr);
    if let Some(phys) = translation.phys() {
        frame(kernel, phys);
    }
    agreement(&translation, dacr)
}

/// The region that the address is in, and the section of the image, if any.
fn region(kernel: &Kernel, address: VirtAddr) {
    let seen = readback::observe(kernel);
    let region = seen.regions.iter().find(|(_, range)| range.contains(address));
    let section = seen.sections.iter().find(|section| section.range.contains(address));
    match region {
        Some((kind, range)) => print!("region      : {}, {range}", kind.name()),
        None => print!("region      : none"),
    }
    match section {
        Some(section) => println!("; {}", section.name),
        None => println!(),
    }
}

/// What the frame at `phys` is: its zone, and whose it is by its descriptor; or what else is there.
fn frame(kernel: &Kernel, phys: PhysAddr) {
    let pfn = phys.pfn_down();
    let kind = {
        let zone = kernel.pages.zones().iter().find(|zone| zone.span().contains(pfn));
        zone.map(mm::zone::Zone::kind)
    };
    match kind {
        Some(kind) => println!("frame       : pfn {pfn}, zone {kind}, {}", State(pfn, kernel)),
        None => {
            let (resources, _) = memory::resources(kernel);
            let around = resources.iter().filter(|resource| resource.range.contains(phys));
            let name = around.min_by_key(|resource| resource.range.len()).map(|r| r.name);
            println!("frame       : pfn {pfn}, in no zone, {}", name.unwrap_or("not known"));
        }
    }
}

/// What holds a frame, in words.
struct State<'k>(Pfn, &'k Kernel);

impl core::fmt::Display for State<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let block = self.1.pages.frames().block_of(self.0);
        match block {
            None => {
                let mut memory = self.1.memory.memblock.mapped_memory();
                let is_memory = memory.any(|range| range.contains(self.0.start()));
                f.write_str(if is_memory { "reserved" } else { "no memory" })
            }
            Some(Block { head, state: state @ PageState::Corrupt { .. } }) => {
                write!(f, "descriptor of pfn {head}: {state}")
            }
            Some(Block { head, state }) => write!(f, "{state}, in the block at pfn {head}"),
        }
    }
}

/// Asks the MMU, for every access that it can be asked about, and says whether it gives the answer
/// of the tables.
fn agreement(translation: &Translation, dacr: u32) -> Result<(), Failure> {
    let mut agree = true;
    for who in [Privilege::Privileged, Privilege::User] {
        for (purpose, what) in [(Purpose::Read, Use::Read), (Purpose::Write, Use::Write)] {
            let answer = translate_at(translation.virt, who, purpose);
            let same = match verdict(translation, dacr, who, what) {
                Verdict::Allowed(phys) => answer == Ok(phys),
                Verdict::Fault(status) => answer.err().map(|fault| fault.status) == Some(status),
                Verdict::Unknown => true,
            };
            if !same {
                agree = false;
                match answer {
                    Ok(phys) => println!("MMU         : {who:?} {what}: {phys}"),
                    Err(fault) => println!("MMU         : {who:?} {what}: {fault}"),
                }
            }
        }
    }
    if !agree {
        return Err(Failure::Disagree { address: translation.virt });
    }
    println!("MMU         : the same");
    Ok(())
}
