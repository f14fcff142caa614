//! All of memory management on an emulated machine: live tables, `kmap_local`, page and slab allocator.
//!
//! Free pages are poisoned, which is how a test learns that a frame is given back: at that moment nobody may reach
//! it but the linear map. Its next owner dirties it at once.

use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arch_arm::mmu::descriptor::RootBase;
use arch_arm::mmu::live::LiveTables;
use mm::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr, VirtAddr};
use mm::frame::{FrameTable, Page, PageBlocks};
use mm::map::MmuSlots;
use mm::map::kmap::KmapLocal;
use mm::object::{SlabAllocator, SlabOptions};
use mm::platform::{Answer, Lowmem, Platform, Report, Shortage};
use mm::sync::AtomicU8;
use mm::zone::debug::POISON;
use mm::zone::{PageAllocator, ZoneKind, ZoneSpan};

use crate::arena::Arena;
use crate::bridge::{Masked, On, World};
use crate::place::*;

/// CPUs that the allocators know, whether they run or not.
pub const CPUS: usize = 4;

pub type Live<'w> = LiveTables<On<'w>>;
pub type Local<'w> = KmapLocal<On<'w>, MmuSlots<'w, Live<'w>>, CPUS>;
pub type Pages<'w> = PageAllocator<'w, Books<'w>, CPUS>;
pub type Slabs<'s, 'w> = SlabAllocator<'s, 'w, Books<'w>, CPUS>;

/// Live page tables on the machine as boot left it.
pub fn live<'w>(world: &'w World<'w>) -> Live<'w> {
    let root = RootBase::new(phys(ROOT)).unwrap();
    LiveTables::adopt(On(world), root, virt(KERNEL_START), linear_map())
}

/// All that there is.
#[derive(Clone, Copy)]
pub struct Kit<'s, 'w> {
    pub on: On<'w>,
    pub live: &'w Live<'w>,
    pub local: &'w Local<'w>,
    pub pages: &'s Pages<'w>,
    pub slabs: &'s Slabs<'s, 'w>,
}

/// Runs a scenario with live tables and nothing else.
pub fn with_live(machine: &testkit::Machine, scenario: impl FnOnce(On<'_>, &Live<'_>)) {
    let world = World::new(machine);
    scenario(On(&world), &live(&world));
}

/// Runs a scenario with everything.
pub fn with_kit(machine: &testkit::Machine, scenario: impl for<'s, 'w> FnOnce(Kit<'s, 'w>)) {
    let all = PfnRange::new(pfn(RAM), pfn(RAM_END));
    let frames: Vec<Page> = all.iter().map(|_| Page::RESERVED).collect();
    let blocks: Vec<AtomicU8> = (0..PageBlocks::bytes_for(all)).map(|_| AtomicU8::new(0)).collect();
    let arena = Arena::new();
    let world = World::new(machine);
    let on = On(&world);
    let live = live(&world);
    let local = KmapLocal::new(&linear_map(), on, MmuSlots(&live));
    let table = FrameTable::new(all.start(), &frames, &blocks).unwrap();
    let span = |kind, start, end| {
        let range = PfnRange::new(pfn(start), pfn(end));
        ZoneSpan { kind, range, present: range.len() }
    };
    let spans = [
        span(ZoneKind::Dma, RAM, RAM + DMA_ZONE_BYTES),
        span(ZoneKind::Normal, RAM + DMA_ZONE_BYTES, HIGH),
        span(ZoneKind::HighMem, HIGH, RAM_END),
    ];
    let is_up = AtomicBool::new(false);
    let books = Books { on, local: &local, arena: &arena, is_up: &is_up };
    let mut pages = PageAllocator::new(table, &spans, books).unwrap();
    pages.poison_free_pages();
    pages.release(PfnRange::new(pfn(FREE), all.end())).unwrap();
    pages.start();
    is_up.store(true, Relaxed);
    let mut place = Box::new(MaybeUninit::uninit());
    let options = SlabOptions::default();
    let slabs = SlabAllocator::new_in(&mut place, &pages, linear_map(), options).unwrap();
    scenario(Kit { on, live: &live, local: &local, pages: &pages, slabs });
}

/// The machine beneath the allocators.
#[derive(Clone, Copy)]
pub struct Books<'w> {
    on: On<'w>,
    local: &'w Local<'w>,
    arena: &'w Arena,
    /// Pages that are poisoned from now on were somebody's.
    is_up: &'w AtomicBool,
}

impl<'w> Platform for Books<'w> {
    type Masked = Masked<'w>;

    fn mask(&self) -> Masked<'w> {
        self.on.mask()
    }

    fn cpu(&self, masked: &Masked<'w>) -> usize {
        Platform::cpu(&self.on, masked)
    }

    fn contended(&self) {
        self.on.contended();
    }

    fn fill(&self, pfn: Pfn, order: Order, byte: u8) {
        if byte != POISON {
            unreachable!("pages are zeroed, or poisoned");
        }
        if self.is_up.load(Relaxed) {
            let block = PfnRange::new(pfn, pfn.saturating_add(order.pages()));
            self.on.0.emulated.frames_reused(block.as_phys());
            for start in block.iter().map(|pfn| pfn.as_u32() * PAGE_SIZE).filter(|at| *at < HIGH) {
                self.on.store(linear(start).as_u32(), 0x5a5a_5a5a);
            }
        }
    }

    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        None
    }

    fn zero(&self, pfn: Pfn, order: Order) {
        for pfn in PfnRange::new(pfn, pfn.saturating_add(order.pages())).iter() {
            let start = pfn.as_u32() * PAGE_SIZE;
            if start < HIGH {
                self.arena.fill(start - RAM, PAGE_SIZE, 0);
            }
            let zeroes = [0; PAGE_SIZE as usize];
            self.local.with_page(pfn, |virt| self.on.store_bytes(virt, &zeroes));
        }
    }

    fn call_site(&self) -> u32 {
        0
    }

    fn wait(&self, shortage: &Shortage) -> Answer {
        self.on.wait(shortage)
    }

    fn report(&self, report: &Report<'_>) {
        self.on.report(report);
    }
}

impl Lowmem for Books<'_> {
    fn pointer(&self, virt: VirtAddr) -> NonNull<u8> {
        self.arena.pointer(virt)
    }

    fn address(&self, pointer: *const u8) -> VirtAddr {
        self.arena.address(pointer)
    }

    fn now(&self) -> u32 {
        0
    }

    fn zero_bytes(&self, virt: VirtAddr, bytes: u32) {
        self.arena.fill(virt.as_u32() - LINEAR, bytes.next_multiple_of(4), 0);
    }
}
