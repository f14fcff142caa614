//! The image in its place: 2 MiB above the start of its own bank, or moved there.

use arch_arm::entry::{BootRegisters, MoveJob, move_and_restart};
use board::Machine;
use board::dt::Placement;
use mm::addr::{PAGE_SIZE, PhysAddr, PhysRange, VirtRange};
use mm::boot::initrd::{self, Reason, Refused};
use mm::boot::layout::{FDT, Settings};
use mm::boot::memory::phys_offset_of_bank;
use mm::boot::relocate::{self, Loaded, Plan};

use super::early::EarlyTables;
use super::machine::Dtb;
use super::stop_for;
use crate::image;
use crate::stop::halt;

/// In the registers of a second start: what is called the initrd lay on the image or the tree. No address of one that
/// was moved, which starts a page.
const OVERWRITTEN: u32 = u32::MAX;

/// The initial RAM disk, wherever an earlier start may have moved it; `Err` if what was loaded there was something
/// else. What is wrong with the command line is said by `memory`, once.
pub fn initrd(
    machine: &Machine<'_>,
    registers: &BootRegisters,
) -> Result<Option<PhysRange>, Refused> {
    let command_line = machine.chosen.bootargs.unwrap_or("");
    let Some(range) = initrd::named(machine.chosen.initrd, command_line, &mut |_| ()) else {
        return Ok(None);
    };
    match registers.moved_initrd {
        0 => Ok(Some(range)),
        OVERWRITTEN => Err(Refused { range, reason: Reason::Overwritten }),
        moved => Ok(PhysRange::from_len(PhysAddr::new(u64::from(moved)), range.len())),
    }
}

/// The image as it runs now.
pub fn image_now(registers: &BootRegisters) -> PhysRange {
    let start = registers.image_start();
    PhysRange::new(start, start.saturating_add(u64::from(image::whole().len())))
}

/// Every fixed range that the tree reserves, by either of its two ways.
pub fn reserved<'m>(machine: &'m Machine<'_>) -> impl Iterator<Item = PhysRange> + use<'m> {
    let regions = machine.reserved_regions().filter_map(|region| match region.placement {
        Placement::Fixed(ranges) => Some(ranges),
        Placement::Dynamic { .. } => None,
    });
    machine.memreserve().chain(regions.flat_map(|ranges| ranges.iter()))
}

/// Does the tree say that all of `range` is memory?
pub fn is_memory(machine: &Machine<'_>, range: &PhysRange) -> bool {
    let parts = machine.banks().filter_map(|bank| bank.intersection(range));
    parts.map(|part| part.len()).sum::<u64>() == range.len()
}

/// Returns if the image is in its place; otherwise moves it and starts anew.
pub fn ensure_in_place(
    machine: &Machine<'_>,
    registers: &BootRegisters,
    dtb: &Dtb,
    early: &mut EarlyTables,
) {
    let image = image_now(registers);
    let initrd = initrd(machine, registers).ok().flatten();
    let initrd = initrd.filter(|initrd| is_memory(machine, initrd));
    let loaded = Loaded { image, dtb: dtb.range, initrd };
    let Some(bank) = machine.banks().find(|bank| bank.contains_range(&image)) else {
        halt(format_args!("the kernel runs at {image}, outside all memory of the device tree"));
    };
    // While the MMU is on, the copying code's address must mean nothing else.
    let unfit = [image::whole(), VirtRange::new(FDT.start(), FDT.end())].map(same_numbers);
    let fixed_up = PhysRange::new(PhysAddr::new(u64::from(FDT.end().as_u32())), TOP);
    let unfit = [unfit[0], unfit[1], fixed_up, PhysRange::new(TOP, PhysAddr::new(u64::MAX))];
    let plan_within = |bank| relocate::plan(bank, loaded, || reserved(machine), &unfit);
    // An initrd that there is no other room for is better lost than the boot.
    let plan = plan_within(lasting_part(machine, bank)).or_else(|_| plan_within(bank));
    let plan = stop_for(plan, "can not move the kernel");
    if !plan.copies.is_empty() {
        let is_overwritten = initrd.is_some() && plan.initrd.is_none();
        let overwritten = if is_overwritten { OVERWRITTEN } else { 0 };
        carry_out(&plan, overwritten, dtb, registers, early);
    }
}

/// See [`relocate::lasting_part`].
fn lasting_part(machine: &Machine<'_>, bank: PhysRange) -> PhysRange {
    let command_line = machine.chosen.bootargs.unwrap_or("");
    let phys_offset = phys_offset_of_bank(bank.start());
    let settings =
        Settings { split: image::SPLIT, phys_offset, command_line, board_dma_zone: None };
    relocate::lasting_part(bank, settings)
}

const TOP: PhysAddr = mm::addr::PHYS_LIMIT_32;

/// The physical addresses with the same numbers as `range`.
fn same_numbers(range: VirtRange) -> PhysRange {
    let phys = |virt: mm::addr::VirtAddr| PhysAddr::new(u64::from(virt.as_u32()));
    PhysRange::new(phys(range.start()), phys(range.end()))
}

/// Stops unless all of `range` is memory, but for the pages that `in_use` shares: what has been run
/// and read is. A tree may call memory what is none, and once the move has begun nobody can tell any
/// more.
fn check_memory(range: PhysRange, in_use: [PhysRange; 2], early: &mut EarlyTables) {
    let page_bytes = u64::from(PAGE_SIZE);
    let mut start = range.start().align_down(page_bytes);
    while start < range.end() {
        let page = PhysRange::new(start, start.saturating_add(page_bytes));
        if !in_use.iter().any(|used| used.overlaps(&page)) {
            // SAFETY: 1. what runs is the image, what is referred to lies in it and in the tree, and
            // one CPU runs; 2. only those two have been written to since the caches were turned on.
            let kept = unsafe { early.is_memory(start) };
            if !stop_for(kept, "can not look at memory") {
                halt(format_args!(
                    "can not move the kernel: no memory at {start}, whatever the tree says"
                ));
            }
        }
        start = page.end();
    }
}

/// Makes the copies of `plan` and starts anew, with `unmoved` in the registers for an initrd that is not among them.
fn carry_out(
    plan: &Plan,
    unmoved: u32,
    dtb: &Dtb,
    registers: &BootRegisters,
    early: &mut EarlyTables,
) -> ! {
    for step in &plan.copies {
        log::info!("moving {} to {}", step.from, step.to);
    }
    let stub = PhysRange::new(plan.stub, plan.stub.saturating_add(u64::from(PAGE_SIZE)));
    let targets = plan
        .copies
        .iter()
        .map(|step| PhysRange::new(step.to, step.to.saturating_add(step.from.len())));
    for range in targets.chain([stub]) {
        check_memory(range, [image_now(registers), dtb.range], early);
    }
    let was_moved = |range: &PhysRange| plan.copies.iter().any(|step| step.to == range.start());
    let job = (|| {
        let moved_initrd = match plan.initrd.filter(was_moved) {
            Some(range) => range.start().as_u32()?,
            None => unmoved,
        };
        let image = plan.image.start().as_u32()?;
        let dtb = plan.dtb.start().as_u32()?;
        MoveJob::new(&plan.copies, image, dtb, moved_initrd)
    })();
    let Some(job) = job else {
        halt(format_args!("can not move the kernel to {}: beyond 4 GiB", plan.image));
    };
    debug_assert_eq!(registers.moved_initrd, 0, "a kernel that was moved is in its place");
    stop_for(early.map_identity(plan.stub), "can not map the code that moves the kernel");
    debug_assert!(plan.stub.is_aligned(u64::from(PAGE_SIZE)));
    let stub = plan.stub.as_u64() as *mut u8;
    // SAFETY: 1. the plan found the page free, apart from every copy, and it was mapped just now;
    // 2. the plan's copies keep everything that the second start reads, one CPU runs, and no
    // device has been started; 3. interrupts have been masked since entry.
    unsafe { move_and_restart(stub, &job) }
}
