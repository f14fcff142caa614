//! What an operation may cost: instructions of a pair.
//!
//! A budget is a promise. It is raised only with a measured floor that shows why, written beside it,
//! and then to at most 1.3 times that floor.

use super::guest::Measured;

/// Operation and budget.
const BUDGETS: [(&str, u32); 50] = [
    ("page_o0_KERNEL", 60),
    ("page_o0_ATOMIC", 60),
    ("page_o0_HIGHMEM", 60),
    ("page_o3_KERNEL", 90),
    ("page_o9_KERNEL", 300),
    ("page_o10_KERNEL", 300),
    ("page_o0_KERNEL_batch256", 90),
    ("page_o0_KERNEL_batch4096", 130),
    ("page_o0_ZERO", 300),
    ("page_bulk32", 900),
    // The issue asked for 40, 36 and 36, and for 60 in batches. The floor, which makes the same promises for one size
    // and one slab, takes 37: among them that the second free of any object is found, and not only of the last one. One
    // of the 47 keeps the size, by which a guarded object is as large as was asked for.
    ("kmalloc_8", 47),
    ("kmalloc_32", 47),
    ("kmalloc_64", 47),
    ("kmalloc_96", 47),
    ("kmalloc_128", 47),
    ("kmalloc_192", 47),
    ("kmalloc_256", 47),
    ("kmalloc_512", 47),
    ("kmalloc_1024", 47),
    ("kmalloc_2048", 47),
    ("kmalloc_4096", 47),
    ("kmalloc_8192", 47),
    ("kmalloc_const_64", 41),
    ("kmem_cache_64_b1", 40),
    // The issue asked for 110. It is a pair of pages of order 2, which takes 55, behind the question whether an
    // address is an object's, which a pair of the caches answers in 46.
    ("kmalloc_16384", 130),
    ("kmalloc_64_batch1024", 61),
    ("kmalloc_1024_batch1024", 110),
    ("kmem_cache_64_b1024", 60),
    ("kmem_cache_64_b1024_reverse_free", 60),
    ("kmem_cache_64_b1024_scatter_free", 60),
    ("kmem_cache_1024_b1024", 100),
    // The issue asked for 450. Of an object, taking is 5.25 instructions of the innermost loop, unrolled, and giving it
    // back 9.9, since each one's number is found and compared by itself: 485 of 32. The floor takes 631.
    ("kmem_cache_64_bulk32", 620),
    ("kzalloc_4096", 290),
    ("mempool_slab256", 60),
    // The issue asked for 40. Of the 44 measured, the atomic operations with their loops are 12, finding the hint, the word
    // and the result 12, calls, frames and returns 8, what is checked 10: the frame, the count, the region, the user; and
    // 2 are arguments that move into their registers.
    ("kmap_same_page", 44),
    // Pages that stay mapped.
    ("kmap_batch256", 90),
    // Linux's figure for 256 pages is this one: each is mapped anew, since they are some of 1024. The issue asked for 90.
    // Of the 220 for a `kmap`, holding the frame and giving it up by the flush take 57, the lock and the mask 25, finding
    // the slot and noting it 50, entry, barriers and the word 25, and a slot's part of the flush 42.
    ("kmap_batch256_of_1024", 245),
    ("kmap_local_page", 60),
    ("clear_highpage", 320),
    ("vmalloc_1p", 350),
    ("vmalloc_16p", 1500),
    ("vmalloc_256p", 18_000),
    ("vmalloc_1p_batch256", 420),
    ("vmap_16p", 700),
    ("ioremap_4K", 300),
    ("ioremap_1M", 400),
    ("ioremap_16M_aligned", 600),
    ("dma_alloc_coherent_4K", 1500),
    ("dma_alloc_coherent_4K_ATOMIC", 300),
    // The issue asked for 330. The 64 lines of a page are an operation each, for anybody.
    ("dma_map_single_4K_todev", 290),
];

/// The budget of the operation `name`, if it has one.
pub fn budget(name: &str) -> Option<u32> {
    BUDGETS.iter().find(|(operation, _)| *operation == name).map(|&(_, budget)| budget)
}

/// What is wrong with the figures of the operations that are `wanted`: those above their budget, and
/// those with a budget that were not measured.
pub fn faults(measured: &[Measured], wanted: impl Fn(&str) -> bool) -> Vec<String> {
    let fault = |&(name, budget): &(&str, u32)| {
        let Some(found) = measured.iter().find(|found| found.name == name) else {
            return Some(format!("{name} was not measured; its budget is {budget}"));
        };
        let pair = found.pair;
        (pair > f64::from(budget))
            .then(|| format!("{name} takes {pair} instructions; its budget is {budget}"))
    };
    BUDGETS.iter().filter(|(name, _)| wanted(name)).filter_map(fault).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measured(name: &str, pair: f64) -> Measured {
        Measured { name: name.into(), get: 0.0, put: pair, pair, peers: Vec::new() }
    }

    #[test]
    fn every_budget_is_of_an_operation_that_linux_has_too() {
        let linux = crate::bench::linux::Linux::recorded().unwrap();
        for (name, budget) in BUDGETS {
            assert!(workload::names().contains(&name), "{name}");
            // Linux's operation of this name is another one; what it would take is a hit as well.
            let name = if name == "kmap_batch256" { "kmap_same_page" } else { name };
            assert!(linux.pair(name).is_some_and(|pair| pair > 2.0 * f64::from(budget)), "{name}");
        }
    }

    #[test]
    fn a_figure_above_its_budget_and_a_missing_one_are_named() {
        let mut figures: Vec<_> =
            BUDGETS.iter().map(|&(name, budget)| measured(name, budget.into())).collect();
        assert_eq!(faults(&figures, |_| true), [""; 0], "just within");
        figures[0].pair += 0.01;
        let bulk = figures.iter().position(|found| found.name == "page_bulk32").unwrap();
        figures.remove(bulk);
        let expected = [
            "page_o0_KERNEL takes 60.01 instructions; its budget is 60",
            "page_bulk32 was not measured; its budget is 900",
        ];
        assert_eq!(faults(&figures, |_| true), expected);
        assert_eq!(faults(&figures, |name| name == "page_bulk32"), expected[1..]);
        assert_eq!(faults(&[measured("page_o4_KERNEL", 1e9)], |_| false), [""; 0]);
    }
}
