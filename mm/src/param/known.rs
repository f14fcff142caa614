//! Every boot parameter that this kernel reads, by name.
//!
//! Boot does not need the list: each part looks for its own words, and Linux programs have theirs on the same line. It is
//! for whoever wants to know that `vmaloc=` does nothing. A test holds it against the sources.

use super::Param;

/// The names, with what they decide.
pub const PARAMETERS: [(&str, &str); 27] = [
    ("coherent_pool", "the size of the atomic DMA pool"),
    ("debug", "all lines are shown"),
    ("dma_debug", "DMA mappings are watched"),
    ("dma_zone", "how far devices reach, in bytes from PHYS_OFFSET"),
    ("fail_page_alloc", "requests for pages that fail"),
    ("failslab", "requests for objects that fail"),
    ("initrd", "where the initrd is"),
    ("initrdmem", "where the initrd is"),
    ("kfence.num_objects", "how many guarded objects there are"),
    ("kfence.sample_interval", "how often an object is guarded"),
    ("loglevel", "which lines are shown"),
    ("mem", "the RAM, instead of the tree's"),
    ("memblock", "memblock=debug: the early lists are shown"),
    ("modules-load", "modules to insert at boot"),
    ("nohighmem", "RAM above lowmem is not used"),
    ("page_owner", "who took each page is remembered"),
    ("page_poison", "free pages are filled"),
    ("quiet", "fewer lines are shown"),
    ("slab_debug", "objects are guarded and filled"),
    ("slab_freelist_random", "objects come in no order"),
    ("slab_nomerge", "like caches are kept apart"),
    ("slub_debug", "as slab_debug"),
    ("slub_nomerge", "as slab_nomerge"),
    ("swiotlb", "the size of the bounce pool"),
    ("virtio.dma_mask", "what disks reach"),
    ("virtio.noncoherent", "disks do not look into the caches"),
    ("vmalloc", "what is kept for the vmalloc region"),
];

/// Is this a parameter that the kernel reads?
#[must_use]
pub fn is_known(param: &Param<'_>) -> bool {
    PARAMETERS.iter().any(|(name, _)| param.is(name))
}

/// The known name that `name` is a slip of: one letter too many, too few, other, or two in the wrong order.
#[must_use]
pub fn meant(name: &str) -> Option<&'static str> {
    PARAMETERS
        .iter()
        .map(|(known, _)| *known)
        .find(|known| is_slip(name.as_bytes(), known.as_bytes()))
}

/// Is `a` one slip away from `b`?
fn is_slip(a: &[u8], b: &[u8]) -> bool {
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let (a, b) = (a.get(same..).unwrap_or_default(), b.get(same..).unwrap_or_default());
    match (a, b) {
        ([x, y, a @ ..], [u, v, b @ ..]) if (x, y) == (v, u) && a == b => true,
        ([_, a @ ..], [_, b @ ..]) if a == b => true,
        ([_, rest @ ..], b) if rest == b => true,
        (a, [_, rest @ ..]) => a == rest,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::param::params;

    #[test]
    fn names_are_sorted_and_each_is_known() {
        assert!(PARAMETERS.is_sorted_by(|a, b| a.0 < b.0));
        for (name, what) in PARAMETERS {
            assert!(is_known(&params(name).next().unwrap()), "{name}");
            assert!(!what.is_empty(), "{name}");
        }
        assert!(is_known(&params("dma-zone=1M").next().unwrap()));
        assert!(!is_known(&params("vmaloc=1M").next().unwrap()));
    }

    #[test]
    fn a_slip_leads_to_the_name() {
        for (slip, name) in [
            ("vmaloc", "vmalloc"),
            ("vmallloc", "vmalloc"),
            ("vmallco", "vmalloc"),
            ("vmallox", "vmalloc"),
            ("nohighmen", "nohighmem"),
            ("me", "mem"),
            ("dma_zon", "dma_zone"),
        ] {
            assert_eq!(meant(slip), Some(name), "{slip}");
        }
        for other in ["console", "root", "rw", "", "vmalalocc", "cma"] {
            assert_eq!(meant(other), None, "{other}");
        }
    }
}
