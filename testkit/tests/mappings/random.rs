//! Everything at once: random sequences of all mapping operations on two or three CPUs, against a model of who has written what.
//!
//! A CPU takes over from another as by a lock. Whatever is mapped is written and read by each; a frame that is
//! given back, a write without break before make or two types of one frame is a violation of the machine, and panics.

use std::collections::BTreeMap;

use mm::addr::{Order, PAGE_SIZE, Pfn, VirtAddr};
use mm::boot::layout;
use mm::dma::{CoherentBuffer, Device, Direction, DmaMemory, Watching};
use mm::map::Prot;
use mm::map::ioremap::map::IoMap;
use mm::zone::Gfp;
use proptest::prelude::*;
use testkit::Adversary;

use crate::dma::{Dma, bus_to_phys, device, give_coherent, narrow, stream};
use crate::dma_machine::DmaParts;
use crate::ioremap::Io;
use crate::kit::{Kit, with_kit};
use crate::kmap::{Slots, pkmap, take_high};
use crate::live_tables::add_root;
use crate::place::*;
use crate::vmalloc::{Region, give, region};

const KERNEL: Gfp = Gfp::GFP_KERNEL;
/// The most objects at a time.
const MOST: usize = 10;
/// A section of lowmem that is split and joined: above the DMA zone, which gives sections to devices.
const SECTION: u32 = RAM + (6 << 20);
/// Pages of registers.
const REGISTERS: u32 = 4;

#[derive(Clone, Copy, Debug)]
enum Step {
    TakeOver,
    Vmalloc { pages: u32, high: bool },
    Vmap { pages: u32 },
    Resize { which: usize, pages: u32 },
    Coherent { bytes: u32, narrow: bool },
    Registers { first: u32, pages: u32, combine: bool },
    Kmap,
    Free { which: usize },
    Purge,
    MakeRoom,
    Flush,
    Write { which: usize, word: u32, value: u32 },
    Read { which: usize },
    Protect { which: usize },
    Device { which: usize, byte: u8 },
    Stream { place: (u32, u32), direction: u32, narrow: bool },
    Local { which: usize },
    Split,
    Join,
}

fn step() -> impl Strategy<Value = Step> {
    let which = || 0..MOST;
    prop_oneof![
        4 => Just(Step::TakeOver),
        4 => (1..24_u32, any::<bool>()).prop_map(|(pages, high)| Step::Vmalloc { pages, high }),
        2 => (1..4_u32).prop_map(|pages| Step::Vmap { pages }),
        2 => (which(), 1..24_u32).prop_map(|(which, pages)| Step::Resize { which, pages }),
        2 => (8..9000_u32, any::<bool>()).prop_map(|(bytes, narrow)| Step::Coherent { bytes, narrow }),
        2 => (0..REGISTERS, 1..3_u32, any::<bool>())
            .prop_map(|(first, pages, combine)| Step::Registers { first, pages, combine }),
        2 => Just(Step::Kmap),
        7 => which().prop_map(|which| Step::Free { which }),
        1 => Just(Step::Purge),
        1 => Just(Step::MakeRoom),
        1 => Just(Step::Flush),
        8 => (which(), any::<u32>(), any::<u32>())
            .prop_map(|(which, word, value)| Step::Write { which, word, value }),
        6 => which().prop_map(|which| Step::Read { which }),
        2 => which().prop_map(|which| Step::Protect { which }),
        3 => (which(), any::<u8>()).prop_map(|(which, byte)| Step::Device { which, byte }),
        2 => ((200..1000_u32, 1..500_u32), 0..3_u32, any::<bool>())
            .prop_map(|(place, direction, narrow)| Step::Stream { place, direction, narrow }),
        2 => which().prop_map(|which| Step::Local { which }),
        1 => Just(Step::Split),
        1 => Just(Step::Join),
    ]
}

/// What an object is, beside its addresses.
#[derive(Clone, Debug)]
enum Kind {
    Vmalloc,
    Vmap(Vec<Pfn>),
    Coherent { buffer: CoherentBuffer, narrow: bool },
    Registers(Mapping),
    Kmap(Pfn),
}

/// Registers that are mapped, from page `first` on. Who wants a part of them has all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Mapping {
    at: VirtAddr,
    first: u32,
    pages: u32,
    combine: bool,
}

impl Mapping {
    fn meets(&self, first: u32, pages: u32) -> bool {
        self.first < first + pages && first < self.first + self.pages
    }

    fn holds(&self, first: u32, pages: u32) -> bool {
        self.first <= first && first + pages <= self.first + self.pages
    }
}

#[derive(Clone, Debug)]
struct Object {
    kind: Kind,
    at: VirtAddr,
    pages: u32,
    /// What was written, by word.
    words: BTreeMap<u32, u32>,
}

impl Object {
    fn new(kind: Kind, at: VirtAddr, pages: u32) -> Self {
        Self { kind, at, pages, words: BTreeMap::new() }
    }

    fn word(&self, number: u32) -> u32 {
        self.at.as_u32() + number * 4
    }
}

/// The code under test, and the model.
struct Run<'a, 'd, 'w> {
    kit: Kit<'a, 'w>,
    region: &'a Region<'a, 'w>,
    io: &'a Io<'a, 'a, 'w>,
    dma: &'a Dma<'d, 'w>,
    pkmap: &'a Slots<'a, 'w>,
    /// One that reaches everything, and one that does not.
    devices: [Device; 2],
    objects: Vec<Object>,
    cpu: usize,
}

impl Run<'_, '_, '_> {
    fn device(&self, is_narrow: bool) -> &Device {
        &self.devices[usize::from(is_narrow)]
    }

    fn add(&mut self, kind: Kind, at: VirtAddr, pages: u32) {
        self.objects.push(Object::new(kind, at, pages));
    }

    fn step(&mut self, step: Step) {
        let Self { kit, region, .. } = *self;
        let has_room = self.objects.len() < MOST;
        match step {
            Step::TakeOver => {
                self.cpu = (self.cpu + 1) % kit.on.0.emulated.cpus();
                kit.on.hand_over_to(self.cpu);
            }
            Step::Vmalloc { pages, high } if has_room => {
                let gfp = if high { KERNEL | Gfp::__GFP_HIGHMEM } else { KERNEL };
                let at = region.vmalloc(pages * PAGE_SIZE, gfp, 0).unwrap();
                self.add(Kind::Vmalloc, at, pages);
            }
            Step::Vmap { pages } if has_room => {
                let gfp = KERNEL | Gfp::__GFP_HIGHMEM;
                let take = |_| kit.pages.alloc_raw(gfp, Order::ZERO).unwrap();
                let frames: Vec<Pfn> = (0..pages).map(take).collect();
                let at = region.vmap(&frames, Prot::KERNEL, KERNEL, 0).unwrap();
                self.add(Kind::Vmap(frames), at, pages);
            }
            Step::Coherent { bytes, narrow } if has_room => {
                let device = self.device(narrow);
                let buffer = self.dma.alloc_coherent_raw(device, bytes, KERNEL).unwrap();
                let all = kit.on.load_bytes(buffer.virt, bytes);
                assert!(all.iter().all(|byte| *byte == 0));
                self.add(Kind::Coherent { buffer, narrow }, buffer.virt, bytes.div_ceil(PAGE_SIZE));
            }
            Step::Registers { first, pages, combine } if has_room => {
                self.map_registers(first, pages, combine);
            }
            Step::Kmap if has_room => {
                let pfn = take_high(kit);
                let at = self.pkmap.kmap_raw(pfn).unwrap();
                self.add(Kind::Kmap(pfn), at, 1);
            }
            Step::Free { which } if which < self.objects.len() => self.free(which),
            Step::Purge => _ = region.purge(),
            Step::MakeRoom => _ = region.make_room(),
            Step::Flush => _ = self.pkmap.flush_unused(),
            Step::Stream { place, direction, narrow } => {
                let direction = Direction::from_number(direction).unwrap();
                stream(kit, self.dma, self.device(narrow), place, direction);
                kit.on.hand_over_to(self.cpu);
            }
            Step::Split => _ = kit.live.split(section(), KERNEL).unwrap(),
            Step::Join => _ = kit.live.join(section()),
            step => self.use_one(step),
        }
    }

    /// Steps of one object, if there is that one.
    fn use_one(&mut self, step: Step) {
        let kit = self.kit;
        let which = match step {
            Step::Resize { which, .. }
            | Step::Write { which, .. }
            | Step::Read { which }
            | Step::Protect { which }
            | Step::Device { which, .. }
            | Step::Local { which } => which,
            _ => return,
        };
        let Some(object) = self.objects.get_mut(which) else { return };
        match (step, &object.kind) {
            (Step::Write { word, value, .. }, _) => {
                // Few words, so that they are written again; on any page.
                let word = (word % object.pages) * 1024 + word / 64 % 4 * 16;
                if fits(object, word) {
                    kit.on.store(object.word(word), value);
                    object.words.insert(word, value);
                }
            }
            (Step::Read { .. }, _) => check(kit, object),
            (Step::Resize { pages, .. }, Kind::Vmalloc) => {
                let bytes = pages * PAGE_SIZE;
                let at = self.region.vrealloc(object.at, bytes, KERNEL | Gfp::__GFP_HIGHMEM, 0);
                (object.at, object.pages) = (at.unwrap(), pages);
                object.words.retain(|word, _| *word < pages * 1024);
            }
            (Step::Protect { .. }, Kind::Vmalloc | Kind::Vmap(_)) => {
                let page = range(object.at.as_u32(), PAGE_SIZE);
                kit.live.set_memory_ro(page, KERNEL).unwrap();
                assert!(kit.on.here().store_u32(object.at, 0).is_err());
                check(kit, object);
                kit.live.set_memory_rw(page, KERNEL).unwrap();
            }
            (Step::Device { byte, .. }, Kind::Coherent { buffer, narrow }) => {
                let start = bus_to_phys(&self.devices[usize::from(*narrow)], buffer.dma);
                for (word, value) in &mut object.words {
                    let at = start.saturating_add(u64::from(*word) * 4);
                    let mut read = [0; 4];
                    kit.on.0.emulated.device_read(at, &mut read);
                    assert_eq!(u32::from_le_bytes(read), *value);
                    *value = u32::from_le_bytes([byte; 4]);
                    kit.on.0.emulated.device_write(at, &[byte; 4]);
                }
            }
            (Step::Local { .. }, Kind::Kmap(pfn)) => {
                kit.local.with_page(*pfn, |at| {
                    for (word, value) in &object.words {
                        assert_eq!(kit.on.load(at.as_u32() + word * 4), *value);
                    }
                });
            }
            _ => {}
        }
    }

    /// Maps registers, if nobody has them mapped with another type.
    fn map_registers(&mut self, first: u32, pages: u32, combine: bool) {
        let mapped = self.objects.iter().filter_map(|object| match object.kind {
            Kind::Registers(mapping) => Some(mapping),
            _ => None,
        });
        let mapped: Vec<Mapping> = mapped.collect();
        let is_refused =
            mapped.iter().any(|other| other.meets(first, pages) && other.combine != combine);
        let (at, bytes) = (phys(DEVICE + first * PAGE_SIZE), pages * PAGE_SIZE);
        let result = match combine {
            true => self.io.ioremap_wc(at, bytes, 1),
            false => self.io.ioremap(at, bytes, 1),
        };
        assert_eq!(result.is_err(), is_refused, "{result:?}");
        if let Ok(at) = result {
            let shared = mapped.into_iter().find(|other| {
                let offset = first.wrapping_sub(other.first).wrapping_mul(PAGE_SIZE);
                other.holds(first, pages) && at.as_u32().wrapping_sub(offset) == other.at.as_u32()
            });
            let mapping = shared.unwrap_or(Mapping { at, first, pages, combine });
            self.add(Kind::Registers(mapping), at, pages);
        }
    }

    fn free(&mut self, which: usize) {
        let (kit, region) = (self.kit, self.region);
        let object = self.objects.swap_remove(which);
        check(kit, &object);
        match object.kind {
            Kind::Vmalloc => region.vfree(object.at).unwrap(),
            Kind::Vmap(frames) => {
                region.vunmap(object.at).unwrap();
                give(kit, &frames);
            }
            Kind::Coherent { buffer, narrow } => {
                give_coherent(self.dma, self.device(narrow), buffer);
            }
            Kind::Registers(_) => self.io.iounmap(object.at).unwrap(),
            Kind::Kmap(pfn) => {
                self.pkmap.kunmap_raw(object.at).unwrap();
                give(kit, &[pfn]);
            }
        }
    }
}

/// The section that is split and joined.
fn section() -> mm::addr::VirtRange {
    range(linear(SECTION).as_u32(), 1 << 20)
}

/// Is the word one of the object's?
fn fits(object: &Object, word: u32) -> bool {
    match &object.kind {
        Kind::Coherent { buffer, .. } => word * 4 + 4 <= buffer.bytes,
        // Two mappings may have the same registers: those are not written.
        Kind::Registers(_) => false,
        _ => true,
    }
}

/// Everything is as it was written. Registers can be reached.
fn check(kit: Kit<'_, '_>, object: &Object) {
    for (word, value) in &object.words {
        assert_eq!(kit.on.load(object.word(*word)), *value, "{object:?}");
    }
    kit.on.load(object.word(object.pages * 1024 - 1024));
}

fn run(machine: &testkit::Machine, steps: &[Step]) {
    with_kit(machine, |kit| {
        // The last CPU is in an address space of its own.
        let last = kit.on.0.emulated.cpus() - 1;
        add_root(kit.on, kit.live, ROOTS[0]);
        kit.on.hand_over_to(last);
        kit.on.switch(ROOTS[0], 3);
        kit.on.hand_over_to(0);
        let region = region(kit);
        let ram = [memory(RAM, RAM_END - RAM)];
        let io = IoMap::new(&region, &ram);
        let parts = DmaParts::new(kit);
        let (pages, slabs) = (kit.pages, kit.slabs);
        let dma = DmaMemory::new(layout::DMA, linear_map(), pages, slabs, &parts, Watching::Off);
        let mut dma = dma.unwrap();
        let devices = [device(), narrow()];
        dma.make_bounce_pool(2 * PAGE_SIZE, devices[1].streaming_reach()).unwrap();
        let pkmap = pkmap(kit);
        let (region, io, dma, pkmap) = (&region, &io, &dma, &pkmap);
        let mut run = Run { kit, region, io, dma, pkmap, devices, objects: Vec::new(), cpu: 0 };
        steps.iter().for_each(|step| run.step(*step));
        // All of it is somebody else's in the end.
        while !run.objects.is_empty() {
            run.free(0);
        }
        pkmap.flush_unused();
        region.make_room();
        region.validate().unwrap();
        io.validate().unwrap();
        kit.on.0.emulated.range_reused(VMALLOC);
        kit.on.0.emulated.range_reused(range(PKMAP, 2 << 20));
        kit.on.0.emulated.range_reused(layout::DMA);
    });
}

fn adversary() -> impl Strategy<Value = Adversary> {
    prop_oneof![
        1 => Just(Adversary::Lazy),
        1 => Just(Adversary::Eager),
        1 => Just(Adversary::Faulting),
        5 => any::<u64>().prop_map(Adversary::Random),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_operations_is_right(
        cpus in 2..4_usize,
        adversary in adversary(),
        steps in proptest::collection::vec(step(), 1..240),
    ) {
        run(&setup(cpus).build(adversary), &steps);
    }
}
