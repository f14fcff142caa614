//! What a cache is for, and how it is watched: the `SLAB_` flags, with the values of Linux 6.1.

use bitflags::bitflags;

use crate::zone::Gfp;

bitflags! {
    /// Flags of a cache.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct SlabFlags: u32 {
        /// Check objects and lists at every step; the letter `F`.
        const SLAB_CONSISTENCY_CHECKS = 0x0000_0100;
        /// Bytes before and behind each object that nobody may write; the letter `Z`.
        const SLAB_RED_ZONE = 0x0000_0400;
        /// Free objects hold a pattern; the letter `P`.
        const SLAB_POISON = 0x0000_0800;
        /// Objects begin at a cache line, small ones at a part of one that divides it.
        const SLAB_HWCACHE_ALIGN = 0x0000_2000;
        /// Objects lie where every device reaches them.
        const SLAB_CACHE_DMA = 0x0000_4000;
        /// Remember who took and who gave back each object; the letter `U`.
        const SLAB_STORE_USER = 0x0001_0000;
        /// A shrinker can free the objects.
        const SLAB_RECLAIM_ACCOUNT = 0x0002_0000;
        /// A cache that can not be made is the end of the kernel.
        const SLAB_PANIC = 0x0004_0000;
        /// Slabs stay what they are for readers without a lock. Refused: there is no RCU here.
        const SLAB_TYPESAFE_BY_RCU = 0x0008_0000;
        /// Print each taking and giving back; the letter `T`.
        const SLAB_TRACE = 0x0020_0000;
        /// Never share slabs with another cache.
        const SLAB_NO_MERGE = 0x0100_0000;
        /// `failslab=` is for this cache and others with the flag, and no more, if `slab_debug=` has its
        /// letter, `A`; otherwise for all.
        const SLAB_FAILSLAB = 0x0200_0000;
    }
}

impl SlabFlags {
    /// What `slab_debug` without letters switches on: `FZPU`.
    pub const DEBUG_DEFAULT: Self = Self::SLAB_CONSISTENCY_CHECKS
        .union(Self::SLAB_RED_ZONE)
        .union(Self::SLAB_POISON)
        .union(Self::SLAB_STORE_USER);

    /// Flags that change how an object lies in memory.
    pub const DEBUG_LAYOUT: Self =
        Self::SLAB_RED_ZONE.union(Self::SLAB_POISON).union(Self::SLAB_STORE_USER);

    /// Flags with which every request takes the way under the cache's lock.
    pub const DEBUG: Self =
        Self::DEBUG_LAYOUT.union(Self::SLAB_CONSISTENCY_CHECKS).union(Self::SLAB_TRACE);

    /// A cache with one of these shares its slabs with no other.
    pub const NEVER_MERGE: Self = Self::DEBUG_LAYOUT
        .union(Self::SLAB_TRACE)
        .union(Self::SLAB_TYPESAFE_BY_RCU)
        .union(Self::SLAB_FAILSLAB)
        .union(Self::SLAB_NO_MERGE);

    /// Caches that share slabs have these in common.
    pub const MERGE_SAME: Self = Self::SLAB_RECLAIM_ACCOUNT.union(Self::SLAB_CACHE_DMA);

    /// What the pages of a cache's slabs are asked for, in addition to a request's own flags.
    #[must_use]
    pub const fn page_flags(self) -> Gfp {
        let zone = if self.contains(Self::SLAB_CACHE_DMA) { Gfp::__GFP_DMA } else { Gfp::empty() };
        if self.contains(Self::SLAB_RECLAIM_ACCOUNT) {
            zone.union(Gfp::__GFP_RECLAIMABLE)
        } else {
            zone
        }
    }
}
