//! The cases of Linux's `test_vmalloc` that need neither RCU nor a per-CPU allocator, scaled to an arena.

use super::*;
use crate::map::area::AreaKind;

/// Numbers that repeat from run to run (Marsaglia's xorshift).
struct Random(u32);

impl Random {
    /// From 1 to `most`.
    fn up_to(&mut self, most: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        1 + self.0 % most
    }
}

fn aligned(bench: &Bench<'_, '_>, pages: u32, align_shift: u32) -> Result<VirtAddr, VmallocError> {
    let spec = AreaSpec::new(AreaKind::Vmalloc, Prot::KERNEL, 0);
    bench.region.alloc(pages * PAGE_SIZE, QUIET, &AreaSpec { align_shift, ..spec })
}

#[test]
fn fix_size() {
    with_region(2048, space(64), |bench| {
        for pages in [1, 2, 16, 17, 100] {
            for _ in 0..600 {
                let area = bench.region.vmalloc(pages * PAGE_SIZE, KERNEL, 0).unwrap();
                bench.region.vfree(area).unwrap();
            }
        }
    });
}

/// Single pages fill the area, every second goes, and a pair finds one of the holes of just its size.
#[test]
fn full_fit() {
    with_region(2048, space(4), |bench| {
        let region = bench.region;
        let mut areas = Vec::new();
        while let Ok(area) = region.vmalloc(1, QUIET, 0) {
            areas.push(area);
        }
        assert_eq!(areas.len(), 512);
        for area in areas.iter().step_by(2) {
            region.vfree(*area).unwrap();
        }
        region.make_room();
        assert_eq!(region.figures().largest, PAGE_SIZE);
        assert_eq!(region.holes().count(), 256);
        for _ in 0..1000 {
            let area = region.vmalloc(1, KERNEL, 0).unwrap();
            region.vfree(area).unwrap();
        }
        for area in areas.iter().skip(1).step_by(2) {
            region.vfree(*area).unwrap();
        }
    });
}

/// At its full size it wants twice 8192 areas for each doubling of the CPUs: 128 MiB for one. A smaller area is full
/// before, and says so.
#[test]
fn full_fit_at_full_size_fails_as_documented() {
    with_region(20_000, space(64), |bench| {
        let region = bench.region;
        let mut areas = Vec::new();
        let error = loop {
            match region.vmalloc(1, QUIET, 0) {
                Ok(area) => areas.push(area),
                Err(error) => break error,
            }
        };
        assert_eq!(areas.len(), 8192);
        assert!(matches!(error, VmallocError::NoHole(_)), "{error}");
        for area in areas {
            region.vfree(area).unwrap();
        }
    });
}

#[test]
fn long_busy_list() {
    with_region(20_000, space(160), |bench| {
        let region = bench.region;
        let areas: Vec<_> = (0..15_000).map(|_| region.vmalloc(1, KERNEL, 0).unwrap()).collect();
        for _ in 0..500 {
            let large = region.vmalloc(100 * PAGE_SIZE, KERNEL, 0).unwrap();
            let small = region.vmalloc(1, KERNEL, 0).unwrap();
            region.vfree(large).unwrap();
            region.vfree(small).unwrap();
        }
        region.validate().unwrap();
        for area in areas {
            region.vfree(area).unwrap();
        }
    });
}

#[test]
fn random_size() {
    let mut rng = Random(0x9e37_79b9);
    with_region(2048, space(64), |bench| {
        for _ in 0..2000 {
            let bytes = rng.up_to(100) * PAGE_SIZE;
            bench.region.vfree(bench.region.vmalloc(bytes, KERNEL, 0).unwrap()).unwrap();
        }
    });
}

/// Five pages at a multiple of two stacks of 8 KiB.
#[test]
fn fix_align() {
    with_region(2048, space(64), |bench| {
        for _ in 0..2000 {
            let area = aligned(bench, 5, 14).unwrap();
            assert!(area.is_aligned(1 << 14));
            bench.region.vfree(area).unwrap();
        }
    });
}

#[test]
fn random_size_align() {
    let mut rng = Random(0x9e37_79b9);
    with_region(2048, space(64), |bench| {
        for _ in 0..2000 {
            let shift = 11 + rng.up_to(11);
            let area = aligned(bench, rng.up_to(10), shift).unwrap();
            assert!(area.is_aligned(1 << shift));
            bench.region.vfree(area).unwrap();
        }
    });
}

/// Every alignment there is. At the top there is no such address: that is how Linux's case ends as well.
#[test]
fn align_shift() {
    with_region(2048, space(64), |bench| {
        for shift in 0..32 {
            match aligned(bench, 1, shift) {
                Ok(area) => {
                    assert!(area.is_aligned(1 << shift) && shift <= 26, "2^{shift}");
                    bench.region.vfree(area).unwrap();
                }
                Err(error) => {
                    assert!(matches!(error, VmallocError::NoHole(_)), "{error}");
                    assert!(shift > 26, "2^{shift}");
                }
            }
        }
        let at_top = aligned(bench, 1, 32).unwrap_err();
        assert!(matches!(at_top, VmallocError::NoHole(_)), "{at_top}");
    });
}
