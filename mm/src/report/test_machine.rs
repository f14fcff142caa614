//! A machine for the golden tests, as figures made by hand: two CPUs, 8 MiB of DMA memory, of which
//! a part is reserved, a hole, and 1 MiB of HighMem.

use core::fmt;

use crate::addr::{Pfn, PfnRange};
use crate::zone::figures::{MAX_CPUS, PerCpuFigures};
use crate::zone::watermark::Watermarks;
use crate::zone::{MemoryFigures, ZoneFigures, ZoneKind};

/// Two CPUs of which each holds that many pages, of `high` at most.
fn two_cpus(counts: [u32; 2], high: u32) -> [PerCpuFigures; MAX_CPUS] {
    let mut per_cpu = [PerCpuFigures::EMPTY; MAX_CPUS];
    for (cpu, count) in per_cpu.iter_mut().zip(counts) {
        *cpu = PerCpuFigures { count, high, batch: 1 };
    }
    per_cpu
}

/// The machine's figures: 90 pages of DMA memory are allocated, none of HighMem.
pub(super) fn figures() -> MemoryFigures {
    let mut dma = ZoneFigures {
        span: PfnRange::new(Pfn::new(0x40000), Pfn::new(0x40800)),
        present: 0x800,
        managed: 1533,
        free: 1435,
        watermarks: Watermarks { min: 78, low: 97, high: 116 },
        reserve: [0, 0, 1, 1],
        high_atomic: 1024,
        cpus: 2,
        per_cpu: two_cpus([5, 3], 48),
        ..ZoneFigures::empty(ZoneKind::Dma)
    };
    dma.blocks[0] = [1, 2, 0, 0, 0, 0];
    dma.blocks[2] = [0, 1, 1, 0, 0, 0];
    dma.blocks[4] = [0, 0, 1, 0, 0, 0];
    dma.blocks[6] = [0, 2, 0, 0, 0, 0];
    dma.blocks[8] = [0, 0, 0, 1, 0, 0];
    dma.blocks[10] = [0, 1, 0, 0, 0, 0];
    let mut high = ZoneFigures {
        span: PfnRange::new(Pfn::new(0x40800), Pfn::new(0x41100)),
        present: 0x100,
        managed: 0x100,
        free: 254,
        watermarks: Watermarks { min: 32, low: 35, high: 38 },
        cpus: 2,
        per_cpu: two_cpus([0, 2], 17),
        ..ZoneFigures::empty(ZoneKind::HighMem)
    };
    for blocks in &mut high.blocks[1..8] {
        *blocks = [0, 1, 0, 0, 0, 0];
    }
    MemoryFigures { zones: [dma, ZoneFigures::empty(ZoneKind::Normal), high], total_reserve: 155 }
}

/// What a form writes.
pub(super) fn print(form: impl FnOnce(&mut dyn fmt::Write) -> fmt::Result) -> String {
    let mut text = String::new();
    form(&mut text).unwrap();
    text
}
