//! Any request may fail, for a table or a record, and nothing is lost: the n-th fails, for n = 1, 2, 3 … until none
//! does.

use super::*;
use crate::fault::FailConfig;

/// Maps ranges of all sizes, and unmaps what was mapped. Says whether anything failed.
fn everything(bench: &Bench<'_, '_>) -> bool {
    let mut failed = false;
    let mut mapped = Vec::new();
    let ranges: [(u64, u32); 9] = [
        (0x900_0000, 0x1000),
        (0x900_0000, 0x1000),
        (0x900_0800, 0x1000),
        (0xa00_0000, 0x1_0000),
        (0xa01_0000, 0x1_1000),
        (0x1000_0000, 1 << 20),
        (0x1008_0000, 3 << 20),
        (0x2000_0000, 16 << 20),
        (0x2000_0000, 1 << 20),
    ];
    for (phys, len) in ranges {
        match bench.io.ioremap(PhysAddr::new(phys), len, 0) {
            Ok(virt) => mapped.push((virt, phys)),
            Err(error) => {
                let text = error.to_string();
                assert!(text.contains("no memory for"), "{text}");
                failed = true;
            }
        }
        bench.io.validate().unwrap();
    }
    for (virt, phys) in mapped {
        assert_eq!(bench.phys(virt), Some(phys));
        bench.io.iounmap(virt).unwrap();
    }
    bench.io.validate().unwrap();
    bench.region.validate().unwrap();
    failed
}

fn each_fails_once(inject: impl Fn(&Bench<'_, '_>, u32)) {
    with_io(space(64), |bench| {
        assert!(!everything(bench), "nothing fails yet");
        let free = bench.free();
        for n in 1.. {
            inject(bench, n);
            let failed = everything(bench);
            inject(bench, 0);
            bench.is_as_new();
            assert_eq!(bench.free(), free, "pages are lost when request {n} fails");
            if !failed {
                assert!(n > 5, "{n}");
                break;
            }
        }
        bench.told();
    });
}

#[test]
fn records() {
    each_fails_once(|bench, n| {
        bench.slabs.inject_failures(if n == 0 { FailConfig::OFF } else { FailConfig::nth(n) });
    });
}

#[test]
fn tables() {
    each_fails_once(|bench, n| {
        bench.mmu.asked.set(0);
        bench.mmu.fails_at.set(n);
    });
}

#[test]
fn a_full_region_is_told_and_named() {
    with_io(space(1), |bench| {
        let refused = bench.io.ioremap(PhysAddr::new(0x1000_0000), 1 << 20, 0xc012_0000);
        assert!(refused.unwrap_err().to_string().contains("no gap for 1048576 bytes"));
        let told = bench.told();
        assert_eq!(told.len(), 1);
        assert!(told[0].contains("vmalloc=") && told[0].contains("largest area"), "{told:?}");
    });
}
