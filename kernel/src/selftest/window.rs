//! Suite `window`: every frame can be looked at for a moment, and nothing stays of it.
//!
//! Frames of HighMem are mapped for this CPU one at a time, stamped, and read back in another order: a translation
//! that the TLB has kept would show another frame's stamp. In between the tick looks at a frame of its
//! own, whenever it comes. Blocks of both kinds of memory are zeroed, poisoned and searched.
//!
//! Without HighMem only lowmem's blocks are checked; without a tick nobody interrupts.

use core::iter;
use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::interrupt;
use arch_arm::pmu::InstructionCounter;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use arch_arm::trap::{FaultStatus, Level};
use arrayvec::ArrayVec;
use mm::addr::{Order, PAGE_SIZE, Pfn, VirtAddr};
use mm::map::fixmap::Slot;
use mm::zone::{Gfp, ZoneKind};

use super::Checks;
use crate::interrupts::tick;
use crate::monitor::Kernel;
use crate::{kmap, pages};

/// Frames of HighMem that are held at once.
const FRAMES: usize = 64;
/// Ticks that interrupt, and looks at frames after which none is waited for any more.
const TICKS: u32 = 5;
const MAX_LOOKS: u32 = 20_000_000;
/// Instructions that zeroing a page may take. 175 of them fill it; the rest finds out where it is, and
/// maps and unmaps it.
const LOWMEM_BUDGET: u32 = 240;
const HIGHMEM_BUDGET: u32 = 290;

/// The frame that the tick's handler looks at; 0 when it takes no part.
static HANDLERS: AtomicU32 = AtomicU32::new(0);
/// How often the handler came, and how often it did not find its stamp.
static CAME: AtomicU32 = AtomicU32::new(0);
static FOUND_OTHER: AtomicU32 = AtomicU32::new(0);

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    for zone in ZoneKind::ALL {
        for order in [0, 1, 3, 6].into_iter().filter_map(Order::new) {
            if let Some(pfn) = take(kernel, zone, order) {
                block(checks, pfn, order);
                give(kernel, checks, pfn, order);
            }
        }
    }
    let highmem = || take(kernel, ZoneKind::HighMem, Order::ZERO);
    let frames: ArrayVec<Pfn, FRAMES> = iter::from_fn(highmem).take(FRAMES).collect();
    if let [first, others @ ..] = &*frames {
        mapping(kernel, checks, *first);
        stamps(checks, &frames);
        interrupted(checks, *first, others);
    }
    for pfn in frames {
        give(kernel, checks, pfn, Order::ZERO);
    }
    if let Some(counter) = InstructionCounter::find() {
        budgets(kernel, checks, counter);
    }
}

fn take(kernel: &Kernel, zone: ZoneKind, order: Order) -> Option<Pfn> {
    kernel.pages.alloc_raw_in(zone, Gfp::GFP_KERNEL, order).ok()
}

fn give(kernel: &Kernel, checks: &mut Checks, pfn: Pfn, order: Order) {
    // SAFETY: 1. `take` took it; 2. no page is looked at any more.
    let freed = unsafe { pages::free(kernel.pages, pfn, order) };
    checks.that(freed.is_ok(), format_args!("free of pfn {pfn}, order {order}: {freed:?}"));
}

/// Words of a page that are stamped.
const STAMPED: [usize; 3] = [0, 517, PAGE_SIZE as usize / 4 - 1];

/// Writes `stamp` into the frame, which is the suite's.
fn stamp(pfn: Pfn, stamp: u32) {
    let write = |page: *mut u8| {
        for word in STAMPED {
            // SAFETY: a word of the page, which is mapped; nobody else uses the frame.
            unsafe { page.cast::<u32>().add(word).write_volatile(stamp) };
        }
    };
    // SAFETY: 1. the allocator gave the frame; 2. the closure writes words of it.
    unsafe { kmap::with_page(pfn, write) };
}

/// Does the frame, which is the suite's, hold `stamp`?
fn holds(pfn: Pfn, stamp: u32) -> bool {
    let read = |page: *mut u8| {
        STAMPED.iter().all(|&word| {
            // SAFETY: as in `stamp`.
            unsafe { page.cast::<u32>().add(word).read_volatile() == stamp }
        })
    };
    // SAFETY: as in `stamp`.
    unsafe { kmap::with_page(pfn, read) }
}

/// Fills a block, which is the suite's, and changes single bytes of it.
fn block(checks: &mut Checks, pfn: Pfn, order: Order) {
    // SAFETY: 1. the allocator gave the block; 2. to this suite.
    let fill = |pfn, order, byte| unsafe { kmap::fill(pfn, order, byte) };
    // SAFETY: as before.
    let differs = |pfn, order, byte| unsafe { kmap::first_difference(pfn, order, byte) };
    let what = format_args!("block of order {order} at pfn {pfn}");
    for byte in [0xaa, 0x01] {
        fill(pfn, order, byte);
        checks.equal(differs(pfn, order, byte), None, format_args!("{what}: filled"));
        checks.equal(
            differs(pfn, order, byte ^ 0x80),
            Some((pfn.start(), byte)),
            format_args!("{what}: searched for another byte"),
        );
    }
    // SAFETY: as before.
    unsafe { kmap::zero(pfn, order) };
    checks.equal(differs(pfn, order, 0), None, format_args!("{what}: zeroed"));
    // One byte at a time is changed, the last one first, so that the first one found is it.
    for (page, at) in [(order.pages() - 1, PAGE_SIZE - 1), (order.pages() / 2, 2049), (0, 0)] {
        let page = pfn.saturating_add(page);
        let put = |byte: *mut u8| {
            // SAFETY: a byte of the page, which is mapped and the suite's.
            unsafe { byte.add(at as usize).write_volatile(0x5a) };
        };
        // SAFETY: 1. the allocator gave the frame; 2. the closure writes a byte of it.
        unsafe { kmap::with_page(page, put) };
        let place = page.start().saturating_add(u64::from(at));
        checks.equal(
            differs(pfn, order, 0),
            Some((place, 0x5a)),
            format_args!("{what}: changed at {place}"),
        );
    }
    // A block within the block: its neighbours stay as they are.
    if let Some(inner) = order.as_u8().checked_sub(2).and_then(Order::new) {
        fill(pfn, order, 0x11);
        let start = pfn.saturating_add(inner.pages());
        fill(start, inner, 0xc3);
        for part in 0..4 {
            let (byte, part) = (if part == 1 { 0xc3 } else { 0x11 }, inner.pages() * part);
            let part = pfn.saturating_add(part);
            checks.equal(differs(part, inner, byte), None, format_args!("{what}: around {start}"));
        }
    }
}

/// What the tables and the MMU say of a frame of HighMem, in the window and after it.
fn mapping(kernel: &Kernel, checks: &mut Checks, pfn: Pfn) {
    let asks = |page: *mut u8| {
        let at = VirtAddr::new(page as u32);
        let translations = [Purpose::Read, Purpose::Write]
            .map(|purpose| translate_at(at, Privilege::Privileged, purpose).ok());
        let users = translate_at(at, Privilege::User, Purpose::Read).is_ok();
        let mapped = kernel.tables.walker().translate(at).mapping;
        (at, translations, users, mapped.map(|mapped| mapped.attributes), interrupt::are_masked())
    };
    let were_masked = interrupt::are_masked();
    // SAFETY: 1. the allocator gave the frame; 2. the closure asks about it.
    let (at, translations, users, attributes, masked) = unsafe { kmap::with_page(pfn, asks) };
    checks.equal(at, level_page(), format_args!("address of pfn {pfn}"));
    checks.equal(translations, [Some(pfn.start()); 2], format_args!("to read, to write {at}"));
    checks.that(!users, format_args!("user mode reads {at}"));
    checks.equal(masked, were_masked, format_args!("masked interrupts in the page window"));
    let are_masked = interrupt::are_masked();
    checks.equal(are_masked, were_masked, format_args!("masked interrupts after the page window"));
    let linear = kernel.tables.linear();
    let any_lowmem = linear.lowmem().start();
    let data =
        linear.phys_to_virt(any_lowmem).and_then(|at| kernel.tables.walker().translate(at).mapping);
    checks.equal(
        attributes,
        data.map(|data| data.attributes),
        format_args!("attributes of the page window, and of the linear map at {any_lowmem}"),
    );
    is_unmapped(checks, kernel);
}

/// Where the outermost level of the one CPU is mapped.
const fn level_page() -> VirtAddr {
    match Slot::kmap_local(0, 0) {
        Some(slot) => slot.address(),
        None => panic!("the fixmap has no slot for the first CPU"),
    }
}

/// Nothing is left in the window: tables and MMU agree.
fn is_unmapped(checks: &mut Checks, kernel: &Kernel) {
    let at = level_page();
    let translated = translate_at(at, Privilege::Privileged, Purpose::Read);
    let is_fault = translated
        .is_err_and(|fault| matches!(fault.status, FaultStatus::Translation(Level::Page)));
    checks.that(is_fault, format_args!("{at} leads to {translated:?} when nothing is there"));
    let mapping = kernel.tables.walker().translate(at).mapping;
    checks.that(mapping.is_none(), format_args!("the tables map {at}: {mapping:?}"));
}

/// Each frame has its own content, in whatever order they are looked at.
fn stamps(checks: &mut Checks, frames: &[Pfn]) {
    for pfn in frames {
        stamp(*pfn, pfn.as_u32());
    }
    for pfn in frames.iter().rev().chain(frames.iter().step_by(3)).chain(frames) {
        checks.that(
            holds(*pfn, pfn.as_u32()),
            format_args!("pfn {pfn} does not hold its number: another frame was written or read"),
        );
    }
    // The same two, again and again, with a change in between.
    if let [one, .., other] = frames {
        for round in 0..100 {
            stamp(*one, round);
            let good = holds(*other, other.as_u32()) && holds(*one, round);
            checks.that(good, format_args!("pfns {one} and {other} mixed up in round {round}"));
        }
        stamp(*one, one.as_u32());
    }
}

/// At every tick, if there are any: the handler looks at its frame.
pub fn on_tick() {
    let pfn = HANDLERS.load(Ordering::Relaxed);
    if pfn == 0 {
        return;
    }
    // The suite takes the frame back only when it has put 0.
    if !holds(Pfn::new(pfn), pfn) {
        FOUND_OTHER.fetch_add(1, Ordering::Relaxed);
    }
    stamp(Pfn::new(pfn), pfn);
    CAME.fetch_add(1, Ordering::Relaxed);
}

/// The suite looks at frames while the handler of the tick looks at one of its own.
fn interrupted(checks: &mut Checks, handlers: Pfn, others: &[Pfn]) {
    if tick::clock().is_none() || others.is_empty() {
        return;
    }
    tick::watch(super::on_tick);
    CAME.store(0, Ordering::Relaxed);
    FOUND_OTHER.store(0, Ordering::Relaxed);
    HANDLERS.store(handlers.as_u32(), Ordering::Relaxed);
    let (mut looks, mut wrong) = (0, 0_u32);
    for pfn in others.iter().cycle() {
        wrong += u32::from(!holds(*pfn, pfn.as_u32()));
        looks += 1;
        if CAME.load(Ordering::Relaxed) >= TICKS || looks == MAX_LOOKS {
            break;
        }
    }
    HANDLERS.store(0, Ordering::Relaxed);
    let came = CAME.load(Ordering::Relaxed);
    let found_other = FOUND_OTHER.load(Ordering::Relaxed);
    checks.that(came >= TICKS, format_args!("{came} ticks came in {looks} looks at frames"));
    checks.equal(wrong, 0, format_args!("frames that did not hold their numbers, of {looks}"));
    checks.equal(found_other, 0, format_args!("times that the tick did not find its number"));
}

/// What it costs to zero a page, where the compiler optimises and instructions are counted.
fn budgets(kernel: &Kernel, checks: &mut Checks, counter: InstructionCounter) {
    for zone in ZoneKind::ALL {
        let budget = if zone == ZoneKind::HighMem { HIGHMEM_BUDGET } else { LOWMEM_BUDGET };
        let Some(pfn) = take(kernel, zone, Order::ZERO) else { continue };
        let masked = interrupt::mask();
        let before = counter.read();
        // SAFETY: 1. the allocator gave the page; 2. to this suite.
        unsafe { kmap::zero(pfn, Order::ZERO) };
        let took = counter.read().since(before);
        drop(masked);
        checks.that(
            cfg!(debug_assertions) || took <= budget,
            format_args!("{took} instructions to zero a page of {zone:?}, expected {budget}"),
        );
        give(kernel, checks, pfn, Order::ZERO);
    }
}
