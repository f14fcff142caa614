//! A table of slots for tests, with TLBs that go stale, and an eye on the rules.
//!
//! Every access is through [`TestSlots::read`], which remembers the translation until it is flushed. It is a panic
//! to map over an entry that is not a fault, to map at an address that a TLB still knows, to use what was not
//! published, to use what is not mapped, or to clear what is not mapped. A read through a stale translation is a panic too.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::{MappedBytes, WrongUnmap};
use crate::addr::{Order, PAGE_SIZE, Pfn, PhysAddr, VirtAddr, VirtRange};
use crate::map::duty::{Fresh, Stale};
use crate::map::slots::{SlotTable, page_at};
use crate::platform::{Answer, Platform, Report, Shortage};

#[derive(Default)]
struct State {
    entries: BTreeMap<VirtAddr, Pfn>,
    unpublished: Vec<VirtAddr>,
    tlb: BTreeMap<VirtAddr, Pfn>,
    flushes: Vec<VirtRange>,
    memory: BTreeMap<Pfn, Vec<u8>>,
}

/// The table; clones are the same one.
#[derive(Clone, Default)]
pub(in crate::map) struct TestSlots {
    state: Arc<Mutex<State>>,
}

impl TestSlots {
    /// The frame that an access to `virt` reaches.
    pub(in crate::map) fn read(&self, virt: VirtAddr) -> Pfn {
        let page = virt.align_down(PAGE_SIZE);
        let mut state = self.state.lock().unwrap();
        assert!(!state.unpublished.contains(&page), "{virt} is used before it is published");
        let entry = state.entries.get(&page).copied();
        let pfn = *state.tlb.get(&page).or(entry.as_ref()).unwrap();
        assert_eq!(entry, Some(pfn), "{virt} is read through a stale translation");
        state.tlb.insert(page, pfn);
        pfn
    }

    /// How many entries there are.
    pub(in crate::map) fn mapped(&self) -> usize {
        self.state.lock().unwrap().entries.len()
    }

    /// Is the frame mapped anywhere, or known to a TLB?
    pub(in crate::map) fn knows(&self, pfn: Pfn) -> bool {
        let state = self.state.lock().unwrap();
        state.entries.values().chain(state.tlb.values()).any(|known| *known == pfn)
    }

    /// The flushes since it was asked last.
    pub(in crate::map) fn flushes(&self) -> Vec<VirtRange> {
        std::mem::take(&mut self.state.lock().unwrap().flushes)
    }

    /// What a frame holds; zeroes at first. Bytes at an address are those of the frame that is mapped there, and of the
    /// one with the same number where nothing is: lowmem, whose linear map begins at 0.
    fn with_bytes<R>(&self, at: VirtAddr, f: impl FnOnce(&mut [u8]) -> R) -> R {
        let page = at.align_down(PAGE_SIZE);
        let is_slot = self.state.lock().unwrap().entries.contains_key(&page);
        let pfn = if is_slot { self.read(at) } else { Pfn::new(at.as_u32() >> 12) };
        let mut state = self.state.lock().unwrap();
        let memory = state.memory.entry(pfn).or_insert_with(|| vec![0; PAGE_SIZE as usize]);
        f(&mut memory[(at.as_u32() % PAGE_SIZE) as usize..])
    }

    fn each_page(at: VirtAddr, bytes: u32) -> impl Iterator<Item = (VirtAddr, usize)> {
        let end = at.as_u32() + bytes;
        let mut next = at.as_u32();
        std::iter::from_fn(move || {
            let at = next;
            next = ((at & !(PAGE_SIZE - 1)) + PAGE_SIZE).min(end);
            (at < end).then(|| (VirtAddr::new(at), (next - at) as usize))
        })
    }
}

impl SlotTable for TestSlots {
    fn map(&self, virt: VirtAddr, pfn: Pfn) -> Fresh {
        let mut state = self.state.lock().unwrap();
        assert!(virt.is_aligned(PAGE_SIZE));
        assert!(!state.tlb.contains_key(&virt), "{virt} is reused before it was flushed");
        let before = state.entries.insert(virt, pfn);
        assert_eq!(before, None, "{virt} is mapped over a live entry");
        state.unpublished.push(virt);
        Fresh::owed()
    }

    fn publish(&self, fresh: Fresh) {
        self.state.lock().unwrap().unpublished.clear();
        fresh.paid();
    }

    fn clear(&self, virt: VirtAddr) -> Stale {
        let before = self.state.lock().unwrap().entries.remove(&virt);
        assert!(before.is_some(), "{virt} is not mapped");
        Stale::owed(page_at(virt))
    }

    fn flush(&self, stale: Stale) {
        let range = stale.paid();
        let mut state = self.state.lock().unwrap();
        state.tlb.retain(|virt, _| !range.contains(*virt));
        state.flushes.push(range);
    }
}

impl MappedBytes for TestSlots {
    fn fill(&self, at: VirtAddr, bytes: u32, word: u32) {
        assert!(at.is_aligned(4) && bytes.is_multiple_of(4));
        for (at, len) in Self::each_page(at, bytes) {
            self.with_bytes(at, |memory| {
                memory[..len].chunks_mut(4).for_each(|to| to.copy_from_slice(&word.to_ne_bytes()));
            });
        }
    }

    fn copy_page(&self, to: VirtAddr, from: VirtAddr) {
        let bytes = self.with_bytes(from, |memory| memory.to_vec());
        self.with_bytes(to, |memory| memory.copy_from_slice(&bytes));
    }

    fn read(&self, at: VirtAddr, into: &mut [u8]) {
        self.with_bytes(at, |memory| into.copy_from_slice(&memory[..into.len()]));
    }

    fn write(&self, at: VirtAddr, from: &[u8]) {
        self.with_bytes(at, |memory| memory[..from.len()].copy_from_slice(from));
    }

    fn zero(&self, at: VirtAddr, bytes: u32) {
        self.with_bytes(at, |memory| memory[..bytes as usize].fill(0));
    }

    fn first_other_than(&self, at: VirtAddr, bytes: u32, byte: u8) -> Option<(u32, u8)> {
        assert!(at.is_aligned(32) && bytes.is_multiple_of(32));
        Self::each_page(at, bytes).find_map(|(page, len)| {
            self.with_bytes(page, |memory| {
                let offset = memory[..len].iter().position(|found| *found != byte)?;
                Some((page.as_u32() - at.as_u32() + offset as u32, memory[offset]))
            })
        })
    }
}

/// A machine for who neither allocates nor locks: one thread, which is the CPU that the test says.
#[derive(Default)]
pub(in crate::map) struct OneThread {
    cpu: Cell<usize>,
    masks: Cell<u32>,
    told: RefCell<Vec<WrongUnmap>>,
}

impl OneThread {
    /// Goes on as this CPU.
    pub(in crate::map) fn set_cpu(&self, cpu: usize) {
        self.cpu.set(cpu);
    }

    /// How often interrupts were masked since it was asked last.
    pub(in crate::map) fn masks(&self) -> u32 {
        self.masks.take()
    }

    /// The reports since it was asked last.
    pub(in crate::map) fn told(&self) -> Vec<WrongUnmap> {
        self.told.take()
    }
}

impl Platform for OneThread {
    type Masked = ();

    fn mask(&self) {
        self.masks.set(self.masks.get() + 1);
    }

    fn cpu(&self, (): &()) -> usize {
        self.cpu.get()
    }

    fn contended(&self) {
        panic!("there is no lock");
    }

    fn fill(&self, _: Pfn, _: Order, _: u8) {
        panic!("there is no allocator");
    }

    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        panic!("there is no allocator");
    }

    fn call_site(&self) -> u32 {
        0
    }

    fn wait(&self, _: &Shortage) -> Answer {
        panic!("nothing waits");
    }

    fn report(&self, report: &Report<'_>) {
        match *report {
            Report::WrongUnmap { error } => self.told.borrow_mut().push(error),
            _ => panic!("{report}"),
        }
    }
}
