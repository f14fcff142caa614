//! What is asked of the machine: by the page allocator, the slab allocator, and DMA memory.

use super::*;

/// The machine as the code under test sees it.
#[derive(Clone, Copy)]
pub(in super::super) struct Machine<'w>(pub(in super::super) &'w World);

/// Interrupts are masked.
pub(in super::super) struct Masked(u32);

impl Drop for Masked {
    fn drop(&mut self) {
        DEPTH.set(self.0);
        watch::forbid(self.0 == 0);
    }
}

impl Platform for Machine<'_> {
    type Masked = Masked;

    fn mask(&self) -> Masked {
        let outer = DEPTH.get();
        DEPTH.set(outer + 1);
        watch::forbid(false);
        Masked(outer)
    }

    fn cpu(&self, _: &Masked) -> usize {
        0
    }

    fn contended(&self) {
        panic!("who has this lock will never run");
    }

    fn fill(&self, pfn: Pfn, order: Order, byte: u8) {
        let phys = pfn.as_u32() * PAGE_SIZE;
        self.0.forget_lines(phys, order.bytes());
        // SAFETY: a block that the allocator says is ours.
        unsafe { self.0.pointer_to(phys).write_bytes(byte, order.bytes() as usize) };
    }

    fn first_other_than(&self, _: Pfn, _: Order, _: u8) -> Option<(PhysAddr, u8)> {
        None
    }

    fn call_site(&self) -> u32 {
        0xc020_0000
    }

    fn wait(&self, shortage: &Shortage) -> Answer {
        assert_eq!((DEPTH.get(), watch::held()), (0, 0), "a request sleeps where it must not");
        if shortage.freed > 0 { Answer::Retry } else { Answer::NobodyCanHelp }
    }

    fn report(&self, report: &Report<'_>) {
        assert_eq!(watch::held(), 0, "a report with a lock held");
        self.0.with(|inner| inner.told.push(report.to_string()));
    }
}

impl Lowmem for Machine<'_> {
    fn pointer(&self, virt: VirtAddr) -> NonNull<u8> {
        let phys = virt.as_u32() - PAGE_OFFSET + FIRST * PAGE_SIZE;
        // The allocators' own accesses go past the model: what lines there are is in memory first.
        self.0.forget_lines(phys & !(PAGE_SIZE - 1), PAGE_SIZE);
        self.0.pointer_to(phys)
    }

    fn address(&self, pointer: *const u8) -> VirtAddr {
        let offset = pointer.addr() - self.0.bytes.addr().get();
        VirtAddr::new(PAGE_OFFSET + offset as u32)
    }

    fn now(&self) -> u32 {
        0
    }

    fn zero_bytes(&self, virt: VirtAddr, bytes: u32) {
        let at = self.pointer(virt);
        // SAFETY: the caller's object.
        unsafe { at.write_bytes(0, bytes.next_multiple_of(4) as usize) };
    }
}

impl KernelMemory for Machine<'_> {
    fn zero(&self, range: VirtRange) {
        assert_eq!(watch::held(), 0, "a zeroing with a lock held");
        // One access in each line is enough for the model; the others are like it.
        for page in (range.start().as_u32()..range.end().as_u32()).step_by(4) {
            for at in page..page + 4 {
                self.0.cpu_store(at, 0);
            }
        }
    }

    fn copy(&self, from: VirtAddr, to: VirtAddr, bytes: u32) {
        for offset in 0..bytes {
            let byte = self.0.cpu_load(from.as_u32() + offset);
            self.0.cpu_store(to.as_u32() + offset, byte);
        }
    }
}

impl DataCache for Machine<'_> {
    fn clean(&self, range: VirtRange) {
        self.0.maintain(Op::Clean, range, true, false);
    }

    fn invalidate(&self, range: VirtRange) {
        self.0.maintain(Op::Invalidate, range, false, true);
    }

    fn clean_invalidate(&self, range: VirtRange) {
        self.0.maintain(Op::Clean, range, true, true);
    }
}

impl HighPage for Machine<'_> {
    fn with_page<R>(&self, pfn: Pfn, f: impl FnOnce(VirtAddr) -> R) -> R {
        let index = self.0.with(|inner| {
            inner.windows.push(pfn);
            inner.windows.len() as u32 - 1
        });
        let result = f(VirtAddr::new(WINDOW + index * PAGE_SIZE));
        assert_eq!(self.0.with(|inner| inner.windows.pop()), Some(pfn));
        result
    }
}

impl LinearSections for Machine<'_> {
    fn take_out(&self, range: PhysRange) -> Result<(), NotTakenOut> {
        assert_eq!((watch::held(), DEPTH.get()), (0, 0));
        self.0.with(|inner| {
            if inner.fails_take_out
                || !range.start().is_aligned(MIB)
                || !range.len().is_multiple_of(MIB)
            {
                return Err(NotTakenOut { range });
            }
            // Left out: TLBs go on knowing them.
            let is_stale = inner.skips(Op::TakeOut);
            let sections = range.start().as_u64() / MIB..range.end().as_u64() / MIB;
            for section in sections {
                assert!(inner.out.insert(section as u32, is_stale).is_none(), "{range} is out");
            }
            Ok(())
        })
    }

    fn put_back(&self, range: PhysRange) {
        assert_eq!(watch::held(), 0);
        self.0.with(|inner| {
            for section in range.start().as_u64() / MIB..range.end().as_u64() / MIB {
                assert!(inner.out.remove(&(section as u32)).is_some(), "{range} is not out");
            }
            let is_in = |pfn: Pfn| range.contains(pfn.start());
            if inner.region.values().any(|(pfn, _)| is_in(*pfn)) {
                inner.wrong.push(format!("{range} is put back, and mapped uncached"));
            }
        });
    }
}

impl DmaMachine for Machine<'_> {
    type Tables = Self;

    fn tables(&self) -> &Self {
        self
    }
}

/// The region's part of it: the rest is not used.
impl Mmu for Machine<'_> {
    fn hold_tables(&self, range: VirtRange, _: Gfp) -> Result<(), NoTable> {
        assert_eq!(range, DMA);
        self.0.with(|inner| inner.tables = true);
        Ok(())
    }

    fn drop_tables(&self, _: VirtRange) {
        unreachable!("the region's tables stay");
    }

    fn map_pages(&self, _: VirtAddr, _: &[Pfn], _: Prot) -> Fresh {
        unreachable!("buffers are runs");
    }

    fn map_run(&self, virt: VirtAddr, frames: PfnRange, prot: Prot) -> Fresh {
        assert_eq!((prot.memory, watch::held()), (MemoryType::WriteCombine, 0));
        self.0.with(|inner| {
            assert!(inner.tables);
            for (page, pfn) in (virt.as_u32() / PAGE_SIZE..).zip(frames.iter()) {
                if let Some((_, state)) = inner.region.insert(page, (pfn, State::Fresh)) {
                    let why =
                        if state == State::Stale { "before the flush" } else { "over another" };
                    inner.wrong.push(format!("page {page:#x} is mapped {why}"));
                }
            }
        });
        Fresh::owed()
    }

    fn publish(&self, fresh: Fresh) {
        self.0.with(|inner| {
            if !inner.skips(Op::Publish) {
                let fresh = inner.region.values_mut().filter(|(_, state)| *state == State::Fresh);
                fresh.for_each(|(_, state)| *state = State::Live);
            }
        });
        fresh.paid();
    }

    fn clear(&self, range: VirtRange) -> Stale {
        self.0.with(|inner| {
            for page in range.start().as_u32() / PAGE_SIZE..range.end().as_u32() / PAGE_SIZE {
                inner.region.get_mut(&page).unwrap().1 = State::Stale;
            }
        });
        Stale::owed(range)
    }

    fn retire(&self, _: VirtRange) -> Stale {
        unreachable!("nothing waits for a flush");
    }

    fn take_dead(&self, _: VirtRange, _: &mut [Pfn]) -> (usize, VirtAddr) {
        unreachable!("nothing waits for a flush");
    }

    fn flush(&self, stale: Stale) {
        self.0.with(|inner| {
            if !inner.skips(Op::Flush) {
                let range = stale.range();
                let pages = range.start().as_u32() / PAGE_SIZE..range.end().as_u32() / PAGE_SIZE;
                inner
                    .region
                    .retain(|page, (_, state)| *state != State::Stale || !pages.contains(page));
            }
        });
        stale.paid();
    }

    fn flush_all(&self) {
        unreachable!("nothing waits for a flush");
    }

    fn map_blocks(&self, _: VirtAddr, _: PhysRange, _: Prot, _: Gfp) -> Result<Fresh, NoTable> {
        unreachable!("buffers are small pages");
    }

    fn unmap_blocks(&self, _: VirtRange) -> Stale {
        unreachable!("buffers are small pages");
    }

    fn lookup(&self, _: VirtAddr) -> Option<Mapped> {
        unreachable!("records say what is mapped");
    }
}
