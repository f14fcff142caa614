//! `/proc/slabinfo`, version 2.1: a row for each cache, the newest first.

use core::fmt::{Result, Write};

use crate::object::figures::CacheFigures;

/// Writes the form: the heading, and the rows.
///
/// # Errors
///
/// When `out` does.
pub fn write(out: &mut dyn Write, caches: impl Iterator<Item = CacheFigures>) -> Result {
    out.write_str(
        "\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> \
<batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
",
    )?;
    for cache in caches {
        let CacheFigures { name, active, objects, stride, objects_per_slab, pages_per_slab, slabs } =
            cache;
        writeln!(
            out,
            "{name:<17} {active:6} {objects:6} {stride:6} {objects_per_slab:4} {pages_per_slab:4} \
             : tunables {:4} {:4} {:4} : slabdata {slabs:6} {slabs:6} {:6}",
            0, 0, 0, 0
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;
    use crate::object::Name;

    #[test]
    fn golden() {
        let cache = |name, active| CacheFigures {
            name: Name::new(name).unwrap(),
            active,
            objects: 128,
            stride: 64,
            objects_per_slab: 64,
            pages_per_slab: 1,
            slabs: 2,
        };
        let caches = [cache("dma-kmalloc-64", 0), cache("a_name_that_is_longer", 1_234_567)];
        // Linux 6.1 prints the same for these figures.
        assert_eq!(
            print(|out| write(out, caches.into_iter())),
            "\
slabinfo - version: 2.1
# name            <active_objs> <num_objs> <objsize> <objperslab> <pagesperslab> : tunables <limit> <batchcount> <sharedfactor> : slabdata <active_slabs> <num_slabs> <sharedavail>
dma-kmalloc-64         0    128     64   64    1 : tunables    0    0    0 : slabdata      2      2      0
a_name_that_is_longer 1234567    128     64   64    1 : tunables    0    0    0 : slabdata      2      2      0
"
        );
    }
}
