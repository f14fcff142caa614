//! The emulated machine as the code under test sees it: one value, [`On`], that answers what `arch-arm` and `mm` ask.
//!
//! Every access is that of the CPU which is said to run, through its MMU, table words included. So a table that is not
//! mapped any more, or a stack that is touched between break and make, is an abort.
//!
//! Maintenance is `#[track_caller]`: a call that nobody misses is named by the line that makes it.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};

use arch_arm::mmu::live::{Alone, Machine};
use arch_arm::tlb::Operations;
use mm::addr::{Order, PAGE_SIZE, Pfn, PhysAddr, VirtAddr, VirtRange};
use mm::dma::{DataCache, KernelMemory};
use mm::map::fixmap::Slot;
use mm::platform::{Answer, Platform, Report, Shortage};
use mm::zone::Gfp;
use testkit::{Cpu, LINE_BYTES};

use crate::place::*;

/// A small page of the linear map's kind.
const KERNEL_PAGE: u32 = 0x45f;

/// The machine, and what is the test's about it.
#[derive(Debug)]
pub struct World<'m> {
    pub emulated: &'m testkit::Machine,
    cpu: AtomicUsize,
    roots: Mutex<Vec<PhysAddr>>,
    /// Tables that nobody has; the last is taken next.
    free_tables: Mutex<Vec<u32>>,
    masks: AtomicU32,
    /// The other CPUs are stopped.
    is_alone: AtomicBool,
}

impl<'m> World<'m> {
    pub fn new(emulated: &'m testkit::Machine) -> Self {
        Self {
            emulated,
            cpu: AtomicUsize::new(0),
            roots: Mutex::new(vec![phys(ROOT); emulated.cpus()]),
            free_tables: Mutex::new((TABLES..TABLES_END).step_by(0x400).rev().collect()),
            masks: AtomicU32::new(0),
            is_alone: AtomicBool::new(false),
        }
    }
}

/// The CPU that runs.
#[derive(Clone, Copy, Debug)]
pub struct On<'w>(pub &'w World<'w>);

impl<'w> On<'w> {
    /// The CPU that runs.
    pub fn here(self) -> Cpu<'w> {
        self.0.emulated.cpu(self.0.cpu.load(Relaxed))
    }

    /// Goes on as this CPU.
    pub fn run_on(self, cpu: usize) {
        assert!(cpu < self.0.emulated.cpus());
        assert!(!self.0.is_alone.load(Relaxed), "CPU {cpu} is stopped");
        self.0.cpu.store(cpu, Relaxed);
    }

    /// Goes on as this CPU, which takes a lock that the one before has given up: it has observed all that is stored.
    pub fn hand_over_to(self, cpu: usize) {
        let before = self.0.cpu.load(Relaxed);
        self.run_on(cpu);
        self.here().observe(before);
    }

    /// The CPU that runs goes over to another address space.
    pub fn switch(self, root: u32, asid: u8) {
        self.here().switch_space(phys(root), asid);
        self.0.roots.lock().unwrap()[self.0.cpu.load(Relaxed)] = phys(root);
    }

    /// How many tables have been taken and not given back.
    pub fn tables(self) -> usize {
        ((TABLES_END - TABLES) / 0x400) as usize - self.0.free_tables.lock().unwrap().len()
    }

    #[track_caller]
    pub fn load(self, at: u32) -> u32 {
        self.here().load_u32(virt(at)).unwrap()
    }

    #[track_caller]
    pub fn store(self, at: u32, value: u32) {
        self.here().store_u32(virt(at), value).unwrap();
    }

    #[track_caller]
    pub fn load_bytes(self, at: VirtAddr, bytes: u32) -> Vec<u8> {
        let mut into = vec![0; bytes as usize];
        self.here().load_bytes(at, &mut into).unwrap();
        into
    }

    #[track_caller]
    pub fn store_bytes(self, at: VirtAddr, bytes: &[u8]) {
        self.here().store_bytes(at, bytes).unwrap();
    }

    /// The lines that share a byte with `range`: those that it holds wholly, or not.
    fn lines(range: VirtRange) -> impl Iterator<Item = (VirtAddr, bool)> {
        let (start, end) = (range.start().as_u32(), range.end().as_u32());
        let first = start & !(LINE_BYTES - 1);
        (first..end).step_by(LINE_BYTES as usize).map(move |line| {
            let is_whole = start <= line && line + LINE_BYTES <= end;
            // Named by a byte of the range: the others may not be mapped.
            (virt(line.max(start)), is_whole)
        })
    }
}

impl Operations for On<'_> {
    #[track_caller]
    fn dsb_ishst(&self) {
        self.here().dsb_ishst();
    }

    #[track_caller]
    fn dsb_ish(&self) {
        self.here().dsb_ish();
    }

    #[track_caller]
    fn isb(&self) {
        self.here().isb();
    }

    #[track_caller]
    fn tlbi_mva(&self, virt: VirtAddr) {
        self.here().tlbi_mva_all_asids_is(virt);
    }

    #[track_caller]
    fn tlbi_all(&self) {
        self.here().tlbi_all_is();
    }
}

fn low(address: PhysAddr) -> u32 {
    address.as_u32().unwrap()
}

impl Machine for On<'_> {
    #[track_caller]
    fn read(&self, entry: PhysAddr) -> u32 {
        self.here().load_u32(linear(low(entry))).unwrap()
    }

    #[track_caller]
    fn write(&self, entry: PhysAddr, word: u32) {
        self.here().store_u32(linear(low(entry)), word).unwrap();
    }

    fn take_table(&self, _: Gfp) -> Option<PhysAddr> {
        let table = self.0.free_tables.lock().unwrap().pop()?;
        self.store_bytes(linear(table), &[0; 0x400]);
        Some(phys(table))
    }

    fn give_table(&self, table: PhysAddr) {
        self.0.emulated.table_freed(table);
        let table = low(table);
        assert!(self.load_bytes(linear(table), 0x400).iter().all(|byte| *byte == 0));
        // Whoever has the memory next writes there, and what it writes looks like pages.
        self.store_bytes(linear(table), &[0x5a; 0x400]);
        self.0.free_tables.lock().unwrap().push(table);
    }

    fn current_root(&self) -> PhysAddr {
        self.0.roots.lock().unwrap()[self.0.cpu.load(Relaxed)]
    }

    /// As the kernel does it: through another mapping of the word's page, which is made before and taken away after.
    fn alone(&self, run: impl FnOnce(&Alone)) {
        assert!(!self.0.is_alone.swap(true, Relaxed), "alone twice");
        run(&Alone::promised());
        self.0.is_alone.store(false, Relaxed);
    }

    fn replace_live(&self, _: &Alone, entry: PhysAddr, _: VirtAddr, new: u32) {
        assert!(self.0.is_alone.load(Relaxed));
        let entry = low(entry);
        let alias = Slot::TABLE_ALIAS.address();
        let at = virt(alias.as_u32() + entry % PAGE_SIZE);
        let cpu = self.here();
        assert_eq!(self.read(phys(ALIAS_WORD)), 0, "two words are replaced at once");
        self.write(phys(ALIAS_WORD), (entry & !(PAGE_SIZE - 1)) | KERNEL_PAGE);
        cpu.dsb_ishst();
        cpu.isb();
        // No access but these two from here to the make.
        cpu.store_u32(at, 0).unwrap();
        cpu.dsb_ishst();
        cpu.tlbi_all_is();
        cpu.dsb_ish();
        cpu.isb();
        cpu.store_u32(at, new).unwrap();
        cpu.dsb_ishst();
        cpu.isb();
        self.write(phys(ALIAS_WORD), 0);
        cpu.dsb_ishst();
        cpu.tlbi_mva_all_asids_is(alias);
        cpu.dsb_ish();
        cpu.isb();
        // The next one maps another page there.
        self.0.emulated.range_reused(range(alias.as_u32(), PAGE_SIZE));
    }
}

impl DataCache for On<'_> {
    #[track_caller]
    fn clean(&self, range: VirtRange) {
        for (line, _) in Self::lines(range) {
            self.here().clean_line(line).unwrap();
        }
        self.here().dsb_sy();
    }

    #[track_caller]
    fn invalidate(&self, range: VirtRange) {
        for (line, is_whole) in Self::lines(range) {
            if is_whole {
                self.here().invalidate_line(line).unwrap();
            } else {
                self.here().clean_invalidate_line(line).unwrap();
            }
        }
        self.here().dsb_sy();
    }

    #[track_caller]
    fn clean_invalidate(&self, range: VirtRange) {
        for (line, _) in Self::lines(range) {
            self.here().clean_invalidate_line(line).unwrap();
        }
        self.here().dsb_sy();
    }
}

impl KernelMemory for On<'_> {
    fn zero(&self, range: VirtRange) {
        self.store_bytes(range.start(), &vec![0; range.len() as usize]);
    }

    fn copy(&self, from: VirtAddr, to: VirtAddr, bytes: u32) {
        self.store_bytes(to, &self.load_bytes(from, bytes));
    }
}

/// Interrupts are masked.
#[derive(Debug)]
pub struct Masked<'w>(&'w AtomicU32);

impl Drop for Masked<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// What `kmap_local` asks: all but what needs `kmap_local` itself.
impl<'w> Platform for On<'w> {
    type Masked = Masked<'w>;

    fn mask(&self) -> Masked<'w> {
        self.0.masks.fetch_add(1, Relaxed);
        Masked(&self.0.masks)
    }

    fn cpu(&self, _: &Masked<'w>) -> usize {
        assert!(self.0.masks.load(Relaxed) > 0);
        self.0.cpu.load(Relaxed)
    }

    fn contended(&self) {
        panic!("who has this lock will never run");
    }

    fn fill(&self, pfn: Pfn, _: Order, _: u8) {
        unreachable!("pfn {pfn} is filled by way of kmap_local");
    }

    fn first_other_than(&self, pfn: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        unreachable!("pfn {pfn} is looked at by way of kmap_local");
    }

    fn call_site(&self) -> u32 {
        0
    }

    fn wait(&self, _: &Shortage) -> Answer {
        assert_eq!(self.0.masks.load(Relaxed), 0, "a request sleeps where it must not");
        Answer::NobodyCanHelp
    }

    fn report(&self, report: &Report<'_>) {
        panic!("{report}");
    }
}
