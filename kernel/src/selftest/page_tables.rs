//! Suite `page-tables`: tables change while they are in use, and the MMU does what they say at once.
//!
//! A free mebibyte of lowmem, which the linear map has as a section, is the subject. Its rights change by pages; it is
//! split and joined while the stack lies in it, and the first-level table that the CPU walks; it leaves the linear map
//! and comes back; and it is mapped a second time where the vmalloc region ends. Whether an access works is tried
//! out, by probes. In the end all tables are what they were, to the word of `ptdump`.

use core::arch::naked_asm;
use core::fmt;
use core::ptr;

use arch_arm::banked;
use arch_arm::barrier;
use arch_arm::cache;
use arch_arm::cp15::TTBR0;
use arch_arm::cp15::ttbr0::WALK_ATTRIBUTES;
use arch_arm::interrupt;
use arch_arm::mmu::descriptor::{RootBase, SECTION_SIZE};
use arch_arm::mmu::live::{ChangeError, SplitError};
use arch_arm::mmu::ptdump;
use arch_arm::mmu::walk::Level;
use arch_arm::pmu::InstructionCounter;
use arch_arm::probe::{self, BX_LR, FetchError};
use arch_arm::tlb;
use arch_arm::trap::{FaultStatus, Level as FaultLevel};
use mm::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr, PhysRange, VirtAddr, VirtRange};
use mm::map::{Mapped, Mmu, Prot};
use mm::zone::{Gfp, ZoneKind};
use tock_registers::interfaces::{Readable, Writeable};

use super::Checks;
use crate::maps::Maps;
use crate::monitor::Kernel;
use crate::pages;

// Requests that are made to fail are another suite's.
const GFP: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOFAIL);
/// A mebibyte.
const SECTION_ORDER: u8 = 8;
/// Pages that the small-page paths are counted over, and what each may cost, in instructions.
const COUNTED: u32 = 256;
const MAP_BUDGET: u32 = 5;
const CLEAR_BUDGET: u32 = 6;
const RETIRE_BUDGET: u32 = 5;
const TAKE_DEAD_BUDGET: u32 = 10;
/// What comes on top of that for a whole call: to find the table, and to flush.
const CALL_BUDGET: u32 = 110;
/// What calls may cost that concern one page or one table, and those that map and unmap so many mebibytes.
const HOLD_BUDGET: u32 = 200;
const LOOKUP_BUDGET: u32 = 50;
const PAGE_BUDGET: u32 = 130;
const BLOCK_BUDGETS: [(u32, u32); 2] = [(1, 340), (16, 680)];

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let before = (Digest::of(kernel), tables(kernel));
    let Some(order) = Order::new(SECTION_ORDER) else { return };
    let Ok(pfn) = pages::alloc(kernel.pages, Gfp::GFP_KERNEL | Gfp::__GFP_NOWARN, order) else {
        return checks.skip("no mebibyte is free");
    };
    if let Some(virt) = kernel.tables.linear().page_address(pfn) {
        let section = sized(virt, SECTION_SIZE);
        level(kernel, checks, section, Level::Section, "at first");
        rights(kernel, checks, section);
        in_use(kernel, checks, section);
        own_table(kernel, checks);
        out_and_back(kernel, checks, section);
        if let Some(place) = free_end_of_vmalloc(kernel) {
            small_pages(kernel, checks, place);
            blocks(kernel, checks, section, place);
        }
        level(kernel, checks, section, Level::Section, "in the end");
    }
    // SAFETY: 1. `alloc` gave it; 2. all second mappings are gone, and nothing points into it.
    let freed = unsafe { pages::free(kernel.pages, pfn, order) };
    checks.that(freed.is_ok(), format_args!("free of pfn {pfn}: {freed:?}"));
    checks.equal(Digest::of(kernel), before.0, format_args!("digest of the page tables"));
    checks.equal(tables(kernel), before.1, format_args!("tables in use"));
    let cache = kernel.slabs.caches().find(|cache| cache.name().as_str() == "page_tables");
    cache.map(|cache| kernel.slabs.shrink(cache));
}

/// Second-level tables that were made after boot.
fn tables(kernel: &Kernel) -> Option<u32> {
    let cache = kernel.slabs.caches().find(|cache| cache.name().as_str() == "page_tables");
    cache.map(|cache| kernel.slabs.objects_out(cache))
}

/// `bytes` from `virt` on.
fn sized(virt: VirtAddr, bytes: u32) -> VirtRange {
    VirtRange::new(virt, VirtAddr::new(virt.as_u32() + bytes))
}

fn plus(virt: VirtAddr, bytes: u32) -> VirtAddr {
    VirtAddr::new(virt.as_u32() + bytes)
}

/// What kind of entry maps all of `range`.
fn level(kernel: &Kernel, checks: &mut Checks, range: VirtRange, expected: Level, when: &str) {
    let mut mappings = kernel.tables.walker().mappings_in(range);
    let other = mappings.find(|mapping| mapping.level != expected);
    checks.that(other.is_none(), format_args!("{range} {when}: {other:?}, expected {expected}"));
}

/// Rights of one page: of those around it nothing changes.
fn rights(kernel: &Kernel, checks: &mut Checks, section: VirtRange) {
    let maps = kernel.maps;
    let page = sized(plus(section.start(), 0x5000), PAGE_SIZE);
    let at = plus(page.start(), 0x10);
    // SAFETY: words of the block, which is the suite's.
    let (read, write) = unsafe {
        (|at| probe::read_u32(at).ok(), |at, word| probe::write_u32(at, word).map_err(|f| f.fault))
    };
    checks.equal(write(at, 1), Ok(()), format_args!("a write before"));
    checks.equal(maps.set_memory_ro(page, GFP), Ok(()), format_args!("set_memory_ro"));
    level(kernel, checks, section, Level::SmallPage, "after a change of one page");
    let refused = write(at, 2).err();
    let is_permission = |fault: arch_arm::trap::DataFault| {
        fault.is_write() && fault.status() == FaultStatus::Permission(FaultLevel::Page)
    };
    checks.that(refused.is_some_and(is_permission), format_args!("a write to ro: {refused:?}"));
    checks.equal(read(at), Some(1), format_args!("what ro holds"));
    for around in [VirtAddr::new(page.start().as_u32() - 4), page.end()] {
        checks.equal(write(around, 3), Ok(()), format_args!("a write beside ro, to {around}"));
    }
    checks.equal(maps.set_memory_rw(page, GFP), Ok(()), format_args!("set_memory_rw"));
    checks.equal(write(at, BX_LR), Ok(()), format_args!("a write to rw"));

    cache::sync_instructions(page);
    // SAFETY: 1. memory; 2. its instructions were synchronised, and nobody writes it any more.
    let fetch = || unsafe { probe::fetch(at) };
    let refused = |seen| matches!(seen, Err(FetchError::Refused { address, .. }) if address == at);
    let both = Err(ChangeError::WriteAndExecute { virt: page.start() });
    checks.equal(maps.set_memory_x(page, GFP), both, format_args!("set_memory_x of rw"));
    checks.that(refused(fetch()), format_args!("a fetch from rw"));
    checks.equal(maps.set_memory_ro(page, GFP), Ok(()), format_args!("set_memory_ro"));
    checks.equal(maps.set_memory_x(page, GFP), Ok(()), format_args!("set_memory_x"));
    checks.equal(fetch(), Ok(()), format_args!("a fetch from x"));
    checks.equal(maps.set_memory_rw(page, GFP), both, format_args!("set_memory_rw of x"));
    checks.equal(maps.join(section), 0, format_args!("sections joined while a page differs"));
    checks.equal(maps.set_memory_nx(page, GFP), Ok(()), format_args!("set_memory_nx"));
    checks.that(refused(fetch()), format_args!("a fetch from nx"));
    checks.equal(maps.set_memory_rw(page, GFP), Ok(()), format_args!("set_memory_rw"));
    checks.equal(maps.join(section), 1, format_args!("sections joined"));
    checks.equal(write(at, 4), Ok(()), format_args!("a write to the section"));

    // All of a section needs no pages.
    checks.equal(maps.set_memory_ro(section, GFP), Ok(()), format_args!("set_memory_ro, section"));
    level(kernel, checks, section, Level::Section, "read-only");
    checks.that(write(at, 5).is_err(), format_args!("a write to a section that is ro"));
    checks.equal(maps.set_memory_rw(section, GFP), Ok(()), format_args!("set_memory_rw, section"));
    checks.equal(write(at, 6), Ok(()), format_args!("a write to a section that is rw again"));
}

/// What happens on the stack in the section.
struct Inside<'k> {
    maps: &'k Maps,
    kernel: &'k Kernel,
    section: VirtRange,
    sp: u32,
    split: Result<u32, SplitError>,
    level_then: Option<Level>,
    joined: u32,
    level_afterwards: Option<Level>,
}

/// The section is split and joined while it holds the stack that runs, and the first-level table that is walked.
fn in_use(kernel: &Kernel, checks: &mut Checks, section: VirtRange) {
    let linear = kernel.tables.linear();
    let half = plus(section.start(), SECTION_SIZE / 2);
    let root = linear.virt_to_phys(half).and_then(RootBase::new);
    let (Some(root), Some(own)) = (root, own_root()) else { return };
    // What user space would have is empty; the rest is what `add_root` copies.
    for word in 0..RootBase::TABLE_BYTES / 4 {
        // SAFETY: a word of the block, which is the suite's.
        unsafe { ptr::write_volatile((half.as_u32() + word * 4) as *mut u32, 0) };
    }
    let added = kernel.maps.add_root(root);
    checks.equal(added, Ok(()), format_args!("add_root"));
    if added.is_err() {
        return;
    }
    let split = Ok(0);
    let mut inside = Inside {
        maps: kernel.maps,
        kernel,
        section,
        sp: 0,
        split,
        level_then: None,
        joined: 0,
        level_afterwards: None,
    };
    for (root, which) in [(own, "its own"), (root, "the section's")] {
        // SAFETY: both tables have the same entries for the kernel, and none for anybody else.
        unsafe { walk_from(root) };
        // SAFETY: 1. the block's second half is the table's, the first is the stack; 2. is the function's argument.
        unsafe { on_stack(half.as_u32(), split_and_join, &raw mut inside) };
        let what = format_args!("on a stack in the section, with {which} first-level table");
        checks.that(section.contains(VirtAddr::new(inside.sp)), format_args!("sp {what}"));
        checks.equal(inside.split, Ok(1), format_args!("split {what}"));
        let then = inside.level_then;
        checks.that(then == Some(Level::SmallPage), format_args!("{then:?} {what}, split"));
        checks.equal(inside.joined, 1, format_args!("joined {what}"));
        let afterwards = inside.level_afterwards;
        checks.that(
            afterwards == Some(Level::Section),
            format_args!("{afterwards:?} {what}, joined"),
        );
    }
    // A change that the other first-level table sees.
    let page = sized(section.start(), PAGE_SIZE);
    let changed = kernel.maps.set_memory_ro(page, GFP);
    checks.equal(changed, Ok(()), format_args!("set_memory_ro on another first-level table"));
    // SAFETY: as above.
    unsafe { walk_from(own) };
    // SAFETY: a word of the block.
    let refused = unsafe { probe::write_u32(page.start(), 1) }.is_err();
    checks.that(refused, format_args!("a write to what is ro by another first-level table"));
    let restored = kernel.maps.set_memory_rw(page, GFP);
    checks.equal(restored, Ok(()), format_args!("set_memory_rw"));
    checks.equal(kernel.maps.join(section), 1, format_args!("joined after the change"));
    checks.equal(kernel.maps.remove_root(root), Ok(()), format_args!("remove_root"));
}

/// The section is split and joined that holds the first-level table that boot made, if it is one.
fn own_table(kernel: &Kernel, checks: &mut Checks) {
    let root = own_root().and_then(|root| kernel.tables.linear().phys_to_virt(root.address()));
    let Some(virt) = root else { return };
    let section = sized(virt.align_down(SECTION_SIZE), SECTION_SIZE);
    let mapping = kernel.tables.walker().translate(virt).mapping;
    if mapping.is_some_and(|mapping| mapping.level == Level::Section) {
        checks.equal(kernel.maps.split(section, GFP), Ok(1), format_args!("split of {section}"));
        level(kernel, checks, section, Level::SmallPage, "with the first-level table, split");
        checks.equal(kernel.maps.join(section), 1, format_args!("sections joined in {section}"));
        level(kernel, checks, section, Level::Section, "with the first-level table, joined");
    }
}

extern "C" fn split_and_join(inside: *mut Inside<'_>) {
    // SAFETY: the caller lends it.
    let inside = unsafe { &mut *inside };
    let level = |kernel: &Kernel, at| kernel.tables.walker().translate(at).mapping.map(|m| m.level);
    let start = inside.section.start();
    inside.sp = banked::sp();
    inside.split = inside.maps.split(inside.section, GFP);
    inside.level_then = level(inside.kernel, start);
    inside.joined = inside.maps.join(inside.section);
    inside.level_afterwards = level(inside.kernel, start);
}

/// Calls `function` on another stack.
///
/// # Safety
///
/// 1. `top` is a multiple of 8, with enough memory below it that nobody else uses.
/// 2. `function` may be called with `argument`.
#[unsafe(naked)]
unsafe extern "C" fn on_stack<T>(top: u32, function: extern "C" fn(*mut T), argument: *mut T) {
    naked_asm!(
        "push   {{r4, lr}}",
        "mov    r4, sp",
        "mov    sp, r0",
        "mov    r0, r2",
        "blx    r1",
        "mov    sp, r4",
        "pop    {{r4, pc}}",
    );
}

/// The first-level table that this CPU walks.
fn own_root() -> Option<RootBase> {
    let base = TTBR0.get() & !(RootBase::TABLE_BYTES - 1);
    RootBase::new(PhysAddr::new(u64::from(base)))
}

/// Has this CPU's walks start at `root`.
///
/// # Safety
///
/// 1. The table says what the one in use says.
unsafe fn walk_from(root: RootBase) {
    let _masked = interrupt::mask();
    barrier::dsb_ishst();
    // SAFETY: 1. whatever the TLB holds is in both tables (1); 2. the barriers are around it, and a flush of what
    // walks remember of the old one follows.
    unsafe { TTBR0.writer() }.set(root.address().as_u64() as u32 | WALK_ATTRIBUTES);
    barrier::isb();
    tlb::flush_all();
}

/// The mebibyte leaves the linear map, and its content is there when it is back.
fn out_and_back(kernel: &Kernel, checks: &mut Checks, section: VirtRange) {
    let (maps, at) = (kernel.maps, plus(section.start(), 0x8_1234));
    // SAFETY: a word of the block, which is the suite's.
    let (read, write) = unsafe { (|| probe::read_u32(at), |word| probe::write_u32(at, word)) };
    checks.that(write(0x5ca1_ab1e).is_ok(), format_args!("a write to {at}"));
    cache::clean_invalidate_to_poc(section);
    checks.equal(maps.take_out(section), Ok(()), format_args!("take_out"));
    let gone = read().map_err(|fault| fault.fault.status());
    let expected = Err(FaultStatus::Translation(FaultLevel::Section));
    checks.equal(gone, expected, format_args!("a read of what was taken out"));
    checks.equal(maps.lookup(at), None, format_args!("lookup of what was taken out"));
    checks.equal(maps.put_back(section), Ok(()), format_args!("put_back"));
    checks.equal(read().ok(), Some(0x5ca1_ab1e), format_args!("a read of what was put back"));
}

/// The last whole 16 MiB of the vmalloc region, if nothing is mapped there. Areas are taken from its start.
fn free_end_of_vmalloc(kernel: &Kernel) -> Option<VirtRange> {
    const SIZE: u32 = 16 * SECTION_SIZE;
    let region = kernel.vmalloc.region();
    let start = region.end().align_down(SIZE).checked_sub(SIZE)?;
    let place = sized(start, SIZE);
    let is_free = kernel.tables.walker().mapped_extent(place).is_none()
        && kernel.tables.walker().table_extent(place).is_none();
    (start > region.start() && is_free).then_some(place)
}

/// Frames of any zone are mapped one by one, are there, are gone, and come back out of their entries.
fn small_pages(kernel: &Kernel, checks: &mut Checks, place: VirtRange) {
    let maps = kernel.maps;
    // Over the border of two mebibytes.
    let area = sized(plus(place.start(), SECTION_SIZE - PAGE_SIZE), 3 * PAGE_SIZE);
    let take = |zone| kernel.pages.alloc_raw_in(zone, GFP, Order::ZERO).ok();
    let highmem =
        take(ZoneKind::HighMem).or_else(|| pages::alloc(kernel.pages, GFP, Order::ZERO).ok());
    let others = [(); 2].map(|()| pages::alloc(kernel.pages, GFP, Order::ZERO).ok());
    let (Some(a), [Some(b), Some(c)]) = (highmem, others) else {
        return checks.that(false, format_args!("no three frames"));
    };
    let frames = [c, a, b];
    checks.equal(maps.hold_tables(area, GFP), Ok(()), format_args!("hold_tables"));
    maps.publish(maps.map_pages(area.start(), &frames, Prot::KERNEL));
    for (n, pfn) in frames.into_iter().enumerate() {
        let at = plus(area.start(), n as u32 * PAGE_SIZE + 0x124);
        let phys = pfn.start().saturating_add(0x124);
        let mapped = Some(Mapped { phys, prot: Some(Prot::KERNEL) });
        checks.equal(maps.lookup(at), mapped, format_args!("lookup of {at}"));
        // SAFETY: a word of a frame of the suite's.
        let seen = unsafe { probe::write_u32(at, n as u32).and_then(|()| probe::read_u32(at)) };
        checks.equal(seen.ok(), Some(n as u32), format_args!("a word at {at}"));
    }
    maps.flush(maps.retire(area));
    for n in 0..3 {
        // SAFETY: nothing is there.
        let gone = unsafe { probe::read_u32(plus(area.start(), n * PAGE_SIZE)) };
        let expected = Err(FaultStatus::Translation(FaultLevel::Page));
        let status = gone.map_err(|fault| fault.fault.status());
        checks.equal(status, expected, format_args!("a read of what was unmapped"));
    }
    let mut found = [Pfn::new(0); 4];
    let taken = maps.take_dead(area, &mut found);
    checks.equal(taken, (3, area.end()), format_args!("dead entries"));
    checks.equal(found, [c, a, b, Pfn::new(0)], format_args!("frames of dead entries"));
    maps.drop_tables(area);
    for pfn in frames {
        // SAFETY: 1. it was taken above; 2. it is not mapped any more but where it always is.
        let freed = unsafe { pages::free(kernel.pages, pfn, Order::ZERO) };
        checks.that(freed.is_ok(), format_args!("free of pfn {pfn}: {freed:?}"));
    }
    if let Some(counter) = InstructionCounter::find() {
        budgets(kernel, checks, place, counter);
    }
}

/// What the counted paths cost, where the compiler optimises.
fn budgets(kernel: &Kernel, checks: &mut Checks, place: VirtRange, counter: InstructionCounter) {
    let maps = kernel.maps;
    let prot = Prot::KERNEL_RO;
    // Frames that stay what they are: nobody touches them through these mappings.
    let start = kernel.tables.linear().lowmem().start().align_up(u64::from(place.len()));
    let run = PfnRange::new(start.pfn_up(), start.pfn_up().saturating_add(COUNTED));
    let mut frames = [Pfn::new(0); COUNTED as usize];
    frames.iter_mut().zip(run.iter()).for_each(|(frame, pfn)| *frame = pfn);
    let area = sized(place.start(), COUNTED * PAGE_SIZE);
    let page = sized(place.start(), PAGE_SIZE);

    let measure = |call: &mut dyn FnMut()| {
        let _masked = interrupt::mask();
        let before = counter.read();
        call();
        counter.read().since(before)
    };
    let nothing = measure(&mut || ());
    let mut count = |what: &str, budget, call: &mut dyn FnMut()| {
        let took = measure(call).saturating_sub(nothing);
        checks.that(
            cfg!(debug_assertions) || took <= budget,
            format_args!("{what}: {took} instructions, expected {budget}"),
        );
    };
    let hold = || _ = maps.hold_tables(area, GFP);
    hold();
    count("a table held and let go", HOLD_BUDGET, &mut || {
        hold();
        maps.drop_tables(page);
    });
    let many = |each| COUNTED * each + CALL_BUDGET;
    count("map_pages", many(MAP_BUDGET), &mut || {
        maps.publish(maps.map_pages(area.start(), &frames, prot));
    });
    count("lookup", LOOKUP_BUDGET, &mut || _ = maps.lookup(area.start()));
    count("retire", many(RETIRE_BUDGET), &mut || maps.flush(maps.retire(area)));
    count("take_dead", many(TAKE_DEAD_BUDGET), &mut || _ = maps.take_dead(area, &mut frames));
    count("map_run", many(MAP_BUDGET), &mut || {
        maps.publish(maps.map_run(area.start(), run, prot));
    });
    count("clear", many(CLEAR_BUDGET), &mut || maps.flush(maps.clear(area)));
    count("a page mapped, unmapped and flushed", PAGE_BUDGET, &mut || {
        maps.publish(maps.map_run(
            page.start(),
            PfnRange::new(run.start(), run.start().saturating_add(1)),
            prot,
        ));
        maps.flush(maps.clear(page));
    });
    maps.drop_tables(area);
    for (mebibytes, budget) in BLOCK_BUDGETS {
        let range = sized(place.start(), mebibytes * SECTION_SIZE);
        let Some(phys) = PhysRange::from_len(start, u64::from(range.len())) else { continue };
        count("a block mapped, unmapped and flushed", budget, &mut || {
            if let Ok(fresh) = maps.map_blocks(range.start(), phys, prot, GFP) {
                maps.publish(fresh);
                maps.flush(maps.unmap_blocks(range));
            }
        });
    }
}

/// The mebibyte has a second mapping, a section; and the start of lowmem one of 16 MiB, that is read only.
fn blocks(kernel: &Kernel, checks: &mut Checks, section: VirtRange, place: VirtRange) {
    let (maps, linear) = (kernel.maps, kernel.tables.linear());
    let Some(phys) = linear.phys(section) else { return };
    let twin = sized(place.start(), SECTION_SIZE);
    match maps.map_blocks(twin.start(), phys, Prot::KERNEL, GFP) {
        Ok(fresh) => maps.publish(fresh),
        Err(error) => return checks.that(false, format_args!("map_blocks: {error}")),
    }
    level(kernel, checks, twin, Level::Section, "mapped as a block");
    let (at, same) = (plus(twin.start(), 0xf_fffc), plus(section.start(), 0xf_fffc));
    // SAFETY: a word of the block, by its two addresses.
    let seen = unsafe { probe::write_u32(at, 0x7e57).and_then(|()| probe::read_u32(same)) };
    checks.equal(seen.ok(), Some(0x7e57), format_args!("a word by its other address"));
    maps.flush(maps.unmap_blocks(twin));
    // SAFETY: nothing is there.
    let gone = unsafe { probe::read_u32(at) }.is_err();
    checks.that(gone, format_args!("a read of a block that was unmapped"));

    let start = linear.lowmem().start().align_up(u64::from(place.len()));
    let Some(phys) = PhysRange::from_len(start, u64::from(place.len())) else { return };
    let Some(original) = linear.phys_to_virt(start) else { return };
    if !linear.lowmem().contains_range(&phys) {
        return;
    }
    match maps.map_blocks(place.start(), phys, Prot::KERNEL_RO, GFP) {
        Ok(fresh) => maps.publish(fresh),
        Err(error) => return checks.that(false, format_args!("map_blocks: {error}")),
    }
    level(kernel, checks, place, Level::Supersection, "mapped as 16 MiB");
    for offset in (0..place.len()).step_by(SECTION_SIZE as usize / 2) {
        let (at, same) = (plus(place.start(), offset), plus(original, offset));
        // SAFETY: reads of memory, where it is mapped at all.
        let (seen, original) = unsafe { (probe::read_u32(at), probe::read_u32(same)) };
        // Memory that the tree keeps from being mapped would be read here, and is no memory for tests.
        if let Ok(original) = original {
            checks.equal(seen.ok(), Some(original), format_args!("{at}, also at {same}"));
        }
        let phys = start.saturating_add(u64::from(offset));
        let mapped = Some(Mapped { phys, prot: Some(Prot::KERNEL_RO) });
        checks.equal(maps.lookup(at), mapped, format_args!("lookup of {at}"));
    }
    // SAFETY: it is read-only.
    let refused = unsafe { probe::write_u32(place.start(), 0) }.is_err();
    checks.that(refused, format_args!("a write to 16 MiB that are ro"));
    maps.flush(maps.unmap_blocks(place));
    // SAFETY: nothing is there.
    let gone = unsafe { probe::read_u32(plus(place.start(), 15 * SECTION_SIZE)) }.is_err();
    checks.that(gone, format_args!("a read of 16 MiB that were unmapped"));
}

/// What `ptdump` prints, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Digest(u32);

impl Digest {
    fn of(kernel: &Kernel) -> Self {
        let mut digest = Self(0x811c_9dc5);
        // It takes any text.
        let _ = ptdump::dump(&kernel.tables.walker(), &[], &mut digest);
        digest
    }
}

/// FNV-1a.
impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
        Ok(())
    }
}
