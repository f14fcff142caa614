//! Suite `kmap`: frames of HighMem in slots, for everybody and for one CPU.
//!
//! What `mm`'s tests show of the policy is shown here of the machine: the MMU translates as the slots say, each frame
//! is seen the same through every mapping of it, and what is unmapped faults. Slots go round until they wrap, all
//! of them are pinned, levels nest to the last.

use core::hint::black_box;

use arch_arm::probe;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use arch_arm::trap::{FaultStatus, Level};
use mm::addr::{Order, PAGE_SIZE, Pfn, VirtAddr};
use mm::frame::PageState;
use mm::map::kmap::local::MAX_DEPTH;
use mm::map::kmap::pkmap::PKMAP_SLOTS;
use mm::map::kmap::{TooDeep, WhyNotMapped};
use mm::zone::{Gfp, PageRun, ZoneKind};

use super::Checks;
use crate::kmap::{self, Local, Pkmap};
use crate::monitor::Kernel;
use crate::platform::Hardware;

/// Frames, of which all but one can have slots at once.
const FRAMES: u32 = PKMAP_SLOTS as u32 + 1;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let has_highmem = kernel.pages.zone(ZoneKind::HighMem).managed() > 0;
    // The compiler must not know which value it is: or what is called with it is made for that one alone, and is
    // not the code that the benchmark measures.
    let local = black_box(kmap::local());
    let (Some(pkmap), true) = (kmap::pkmap(), has_highmem) else {
        checks.skip("no HighMem");
        return;
    };
    let order = Order::all().find(|order| order.pages() >= FRAMES).unwrap_or(Order::MAX);
    let block = kernel.pages.alloc_pages(Gfp::GFP_HIGHUSER | Gfp::__GFP_NOWARN, order);
    let Ok(Ok(run)) = block.map(|block| block.split()) else {
        checks.skip("too little HighMem");
        return;
    };
    if kmap::in_linear_map(run.frames().as_phys()).is_some() {
        checks.skip("too little HighMem");
        return;
    }
    let frames = Frames { first: run.frames().start() };
    pkmap.flush_unused();
    // Each frame holds its number.
    for pfn in frames.all() {
        // SAFETY: 1. the allocator gave the frame; 2. the closure writes a word of it.
        unsafe { kmap::with_page(pfn, |at| at.cast::<u32>().write_volatile(pfn.as_u32())) };
    }
    levels(checks, local, &frames);
    aliases(checks, pkmap, local, &frames);
    wrap(checks, pkmap, &frames);
    pinned(checks, pkmap, &frames);
    wrong(checks, pkmap, local, &frames);
    whole_pages(checks, local, &frames);
    idle(kernel, checks, pkmap, run, &frames);
}

/// The suite's frames, which lie side by side.
struct Frames {
    first: Pfn,
}

impl Frames {
    fn at(&self, number: u32) -> Pfn {
        self.first.saturating_add(number % FRAMES)
    }

    fn all(&self) -> impl Iterator<Item = Pfn> + use<'_> {
        (0..FRAMES).map(|number| self.at(number))
    }
}

/// The word at an address that is mapped.
fn word(virt: VirtAddr) -> u32 {
    // SAFETY: the first word of a frame of the suite's, mapped by the caller.
    unsafe { (virt.as_u32() as *const u32).read_volatile() }
}

/// An access to `virt` faults, since its page is not mapped.
fn faults(checks: &mut Checks, virt: VirtAddr, what: &str) {
    // SAFETY: a page of a slot, in which nothing is mapped; if it is, the word is the suite's.
    let read = unsafe { probe::read_u32(virt) };
    let is_fault = read
        .is_err_and(|fault| matches!(fault.fault.status(), FaultStatus::Translation(Level::Page)));
    checks.that(is_fault, format_args!("{virt} after {what}: {read:?}"));
    let translated = translate_at(virt, Privilege::Privileged, Purpose::Read).ok();
    checks.equal(translated, None, format_args!("translation of {virt} after {what}"));
}

/// Levels nest to the last, each with its frame; then there is an error, and then they end.
fn levels(checks: &mut Checks, local: &Local, frames: &Frames) {
    let mut pages = [VirtAddr::new(0); MAX_DEPTH as usize];
    for (depth, (page, pfn)) in pages.iter_mut().zip(frames.all()).enumerate() {
        match kmap::kmap_local(local, pfn) {
            Ok(virt) => *page = virt,
            Err(error) => return checks.that(false, format_args!("level {depth}: {error}")),
        }
    }
    for (page, pfn) in pages.iter().zip(frames.all()) {
        checks.equal(word(*page), pfn.as_u32(), format_args!("pfn {pfn} at {page}"));
        let physical = translate_at(*page, Privilege::Privileged, Purpose::Write).ok();
        checks.equal(physical, Some(pfn.start()), format_args!("translation of {page}"));
        let users = translate_at(*page, Privilege::User, Purpose::Read).ok();
        checks.equal(users, None, format_args!("user mode's translation of {page}"));
    }
    let pfn = frames.at(MAX_DEPTH);
    let more = kmap::kmap_local(local, pfn);
    checks.equal(more, Err(TooDeep { pfn }), format_args!("one level more"));
    // Above the levels a page can still be cleared.
    // SAFETY: 1, 2. the frame is the suite's.
    unsafe { kmap::clear_highpage(local, pfn) };
    // SAFETY: 1. the allocator gave the frame; 2. the closure reads and writes a word of it.
    let cleared = unsafe {
        kmap::with_page(pfn, |at| {
            let word = at.cast::<u32>();
            let before = word.read_volatile();
            word.write_volatile(pfn.as_u32());
            before
        })
    };
    checks.equal(cleared, 0, format_args!("a page that was cleared above all levels"));
    for page in pages.iter().rev() {
        let ended = kmap::kunmap_local(local, *page);
        checks.that(ended.is_ok(), format_args!("the level at {page} ends: {ended:?}"));
        faults(checks, *page, "the end of its level");
    }
}

/// What is written through one mapping of a frame is read through the other.
fn aliases(checks: &mut Checks, pkmap: &Pkmap, local: &Local, frames: &Frames) {
    for number in 0..8 {
        let pfn = frames.at(number);
        let (Ok(shared), Ok(own)) = (kmap::kmap(pkmap, pfn), kmap::kmap_local(local, pfn)) else {
            return checks.that(false, format_args!("pfn {pfn} is mapped twice"));
        };
        checks.equal(pkmap.kmap_to_pfn(shared), Some(pfn), format_args!("the frame at {shared}"));
        for offset in [0, 2048, PAGE_SIZE - 4] {
            let (one, other) = (shared.as_u32() + offset, own.as_u32() + offset);
            // SAFETY: words of the suite's frame, mapped twice.
            let (seen, back) = unsafe {
                (one as *mut u32).write_volatile(one);
                let seen = (other as *mut u32).read_volatile();
                (other as *mut u32).write_volatile(pfn.as_u32());
                (seen, (one as *mut u32).read_volatile())
            };
            checks.equal(seen, one, format_args!("pfn {pfn} at {own}, written at {shared}"));
            checks.equal(back, pfn.as_u32(), format_args!("pfn {pfn} at {shared}"));
        }
        checks.that(kmap::kunmap_local(local, own).is_ok(), format_args!("{own} is unmapped"));
        checks.that(kmap::kunmap(pkmap, shared).is_ok(), format_args!("{shared} is unmapped"));
        // The slot is idle, and stays mapped.
        checks.equal(word(shared), pfn.as_u32(), format_args!("the idle slot of pfn {pfn}"));
    }
}

/// Slots go round, with one flush at the wrap, past one that is in use all the time.
fn wrap(checks: &mut Checks, pkmap: &Pkmap, frames: &Frames) {
    pkmap.flush_unused();
    let Ok(busy) = kmap::kmap(pkmap, frames.at(0)) else {
        return checks.that(false, format_args!("there is a slot"));
    };
    let before = pkmap.figures().flushes;
    for round in 0..3 {
        for number in 1..FRAMES {
            let pfn = frames.at(number);
            match kmap::kmap(pkmap, pfn) {
                Ok(virt) => {
                    let seen = word(virt);
                    checks.that(
                        seen == pfn.as_u32() && virt != busy,
                        format_args!("round {round}: pfn {pfn} at {virt} holds {seen:#x}"),
                    );
                    checks.that(
                        kmap::kunmap(pkmap, virt).is_ok(),
                        format_args!("round {round}: {virt} is unmapped"),
                    );
                }
                Err(error) => checks.that(false, format_args!("round {round}: {error}")),
            }
        }
    }
    checks.equal(word(busy), frames.at(0).as_u32(), format_args!("the slot in use at {busy}"));
    // 512 frames in 511 slots, three times.
    let flushes = pkmap.figures().flushes - before;
    checks.that((3..=4).contains(&flushes), format_args!("{flushes} flushes in 1536 mappings"));
    checks.that(kmap::kunmap(pkmap, busy).is_ok(), format_args!("{busy} is unmapped"));
}

/// When all slots are in use, one frame more is an error.
fn pinned(checks: &mut Checks, pkmap: &Pkmap, frames: &Frames) {
    pkmap.flush_unused();
    let mapped = |number| kmap::kmap(pkmap, frames.at(number)).is_ok();
    let count = (0..FRAMES - 1).filter(|number| mapped(*number)).count();
    checks.equal(count, PKMAP_SLOTS, format_args!("frames that are mapped at once"));
    let pfn = frames.at(FRAMES - 1);
    let why = kmap::kmap(pkmap, pfn).map_err(|error| error.why());
    let all_pinned = Err(WhyNotMapped::AllPinned { pfn });
    checks.equal(why, all_pinned, format_args!("one frame more"));
    for slot in pkmap.slots() {
        let is_right = slot.users == 1 && word(slot.virt) == slot.pfn.as_u32();
        checks.that(is_right, format_args!("{slot:?} holds {:#x}", word(slot.virt)));
        checks.that(
            kmap::kunmap(pkmap, slot.virt).is_ok(),
            format_args!("{} is unmapped", slot.virt),
        );
    }
    match kmap::kmap(pkmap, pfn) {
        Ok(virt) => {
            checks.equal(word(virt), pfn.as_u32(), format_args!("pfn {pfn} at {virt}"));
            checks.that(kmap::kunmap(pkmap, virt).is_ok(), format_args!("{virt} is unmapped"));
        }
        Err(error) => checks.that(false, format_args!("when slots have come free: {error}")),
    }
}

/// After the flush nothing is mapped, and what is free can not be mapped.
fn wrong(checks: &mut Checks, pkmap: &Pkmap, local: &Local, frames: &Frames) {
    let pfn = frames.at(3);
    if let Ok(virt) = kmap::kmap(pkmap, pfn) {
        checks.that(kmap::kunmap(pkmap, virt).is_ok(), format_args!("{virt} is unmapped"));
        checks.equal(word(virt), pfn.as_u32(), format_args!("the idle slot at {virt}"));
        pkmap.flush_unused();
        faults(checks, virt, "the flush");
        checks.equal(pkmap.kmap_to_pfn(virt), None, format_args!("the frame at {virt}"));
    }
    for virt in [pkmap.region().start(), VirtAddr::new(pkmap.region().end().as_u32() - PAGE_SIZE)] {
        faults(checks, virt, "the flush");
    }
    checks.equal(local.depth(0).map(|depth| depth.now), Some(0), format_args!("levels left over"));
}

/// Pages are cleared, copied and compared.
fn whole_pages(checks: &mut Checks, local: &Local, frames: &Frames) {
    let [to, from] = [frames.at(1), frames.at(2)];
    let mut bytes = [0_u8; 64];
    for offset in (0..PAGE_SIZE).step_by(bytes.len()) {
        for (byte, number) in bytes.iter_mut().zip(offset..) {
            *byte = (number.wrapping_mul(167) >> 3) as u8;
        }
        let written = local.copy_to_page(from, offset, &bytes);
        checks.that(written.is_ok(), format_args!("{written:?}"));
    }
    // SAFETY: 1, 2. both frames are the suite's.
    let copied = unsafe { kmap::copy_highpage(local, to, from) };
    checks.that(copied.is_ok(), format_args!("{copied:?}"));
    for offset in (0..PAGE_SIZE).step_by(bytes.len()) {
        let read = local.copy_from_page(to, offset, &mut bytes);
        let expected = (offset..).map(|number: u32| (number.wrapping_mul(167) >> 3) as u8);
        let is_same = read.is_ok() && bytes.iter().copied().eq(expected.take(bytes.len()));
        checks.that(is_same, format_args!("the copy at offset {offset:#x}"));
    }
    // SAFETY: 1, 2. the frame is the suite's.
    unsafe { kmap::clear_highpage(local, to) };
    let other = local.first_other_than(to, Order::ZERO, 0);
    checks.equal(other, None, format_args!("a byte of a page that was cleared"));
    let zeroed = local.zero_page_part(from, 1, PAGE_SIZE - 2);
    checks.that(zeroed.is_ok(), format_args!("{zeroed:?}"));
    let other = local.first_other_than(from, Order::ZERO, 0);
    let last = from.start().saturating_add(u64::from(PAGE_SIZE) - 1);
    let expected = ((PAGE_SIZE - 1).wrapping_mul(167) >> 3) as u8;
    checks.equal(other, Some((last, expected)), format_args!("what is left of the page"));
}

/// The owner gives its frames up while slots are idle: they are free only after the flush.
fn idle(
    kernel: &Kernel,
    checks: &mut Checks,
    pkmap: &Pkmap,
    run: PageRun<'_, '_, Hardware>,
    frames: &Frames,
) {
    let state = |pfn| kernel.pages.frames().block_of(pfn).map(|block| block.state);
    let is_held = |pfn| matches!(state(pfn), Some(PageState::Allocated { .. }));
    let chosen = [0, 17, 400].map(|number| frames.at(number));
    for pfn in chosen {
        match kmap::kmap(pkmap, pfn) {
            Ok(virt) => {
                checks.that(kmap::kunmap(pkmap, virt).is_ok(), format_args!("{virt} is unmapped"));
            }
            Err(error) => checks.that(false, format_args!("{error}")),
        }
    }
    drop(run);
    for pfn in chosen {
        checks.that(is_held(pfn), format_args!("pfn {pfn}, idle in a slot, is {:?}", state(pfn)));
    }
    let other = frames.at(1);
    checks.that(!is_held(other), format_args!("pfn {other}, in no slot, is {:?}", state(other)));
    let why = kmap::kmap(pkmap, other).map_err(|error| error.why());
    let free = Err(WhyNotMapped::NotAllocated { pfn: other });
    checks.equal(why, free, format_args!("kmap of a frame that is free"));
    checks.equal(pkmap.flush_unused(), 3, format_args!("pages that the flush frees"));
    for pfn in chosen {
        checks.that(!is_held(pfn), format_args!("pfn {pfn}, after the flush, is {:?}", state(pfn)));
    }
    checks.equal(pkmap.figures().used, 0, format_args!("slots in use at the end"));
}
