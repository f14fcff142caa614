//! What a request for pages says about itself: Linux's "get free pages" flags.
//!
//! Names and numbers are those of Linux 6.1, so that its documentation, its drivers and its logs
//! can be read side by side with this kernel. Every modifier of Linux is accepted; what each means
//! *here* stands at its constant. Three groups:
//!
//! - *where*: the zone modifiers `__GFP_DMA`, `__GFP_HIGHMEM`, `__GFP_DMA32`, and the mobility
//!   modifiers `__GFP_MOVABLE` and `__GFP_RECLAIMABLE`, see [`Gfp::highest_zone`] and
//!   [`Gfp::mobility`];
//! - *how hard*: whether the allocator may sleep, reclaim, use reserves or give up, see the
//!   questions from [`Gfp::may_reclaim`] on;
//! - *accepted, without effect*: `__GFP_HARDWALL`, `__GFP_THISNODE`, `__GFP_ACCOUNT` and
//!   `__GFP_WRITE` (one node, no cgroups), `__GFP_ZEROTAGS` and the `__GFP_SKIP_` modifiers (no
//!   tagged memory), `__GFP_NOLOCKDEP` (no lock checker), `__GFP_COMP` (each block is freed whole
//!   anyway) and `__GFP_ATOMIC` (the other modifiers of `GFP_ATOMIC` say it all).
//!
//! Flags that contradict each other are an error, never a guess: whoever takes flags from a caller
//! asks [`Gfp::check`] first. Linux takes the DMA zone when two zone modifiers meet, warns once, or
//! says nothing. `names` prints flags and reads them.

mod error;
mod names;

pub use error::{GfpError, ParseGfpError};

use super::span::ZoneKind;
use crate::frame::Mobility;

bitflags::bitflags! {
    /// The flags of a request for pages: the modifiers, each one bit. The combinations that callers
    /// use, such as [`GFP_KERNEL`](Self::GFP_KERNEL), are constants beside them.
    #[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
    pub struct Gfp: u32 {
        /// From the DMA zone only.
        const __GFP_DMA = 0x1;
        /// May come from highmem, and so without an address.
        const __GFP_HIGHMEM = 0x2;
        /// From below 4 GiB. All of lowmem is, so this is no restriction.
        const __GFP_DMA32 = 0x4;
        /// The pages can be moved: see [`Mobility::Movable`].
        const __GFP_MOVABLE = 0x8;
        /// The pages can be given up: see [`Mobility::Reclaimable`].
        const __GFP_RECLAIMABLE = 0x10;
        /// May use half of the reserve below the min watermark.
        const __GFP_HIGH = 0x20;
        /// Reclaim may start I/O.
        const __GFP_IO = 0x40;
        /// Reclaim may call into filesystems.
        const __GFP_FS = 0x80;
        /// The pages are zeroed.
        const __GFP_ZERO = 0x100;
        /// The caller cannot sleep and is important. No effect: whether one can sleep is
        /// `__GFP_DIRECT_RECLAIM`, and importance `__GFP_HIGH`. Linux removed it in 6.3 for that
        /// reason. It contradicts `__GFP_DIRECT_RECLAIM`.
        const __GFP_ATOMIC = 0x200;
        /// May sleep, and reclaim pages itself.
        const __GFP_DIRECT_RECLAIM = 0x400;
        /// May wake the background reclaim.
        const __GFP_KSWAPD_RECLAIM = 0x800;
        /// The caller will write to the pages soon. No effect: dirty pages have no limit by zone.
        const __GFP_WRITE = 0x1000;
        /// A failure is not reported.
        const __GFP_NOWARN = 0x2000;
        /// Tries hard, but fails rather than have the OOM killer called.
        const __GFP_RETRY_MAYFAIL = 0x4000;
        /// Never fails: tries for ever.
        const __GFP_NOFAIL = 0x8000;
        /// Gives up after one light try.
        const __GFP_NORETRY = 0x1_0000;
        /// No watermark holds the request back: it is about to free more than it takes.
        const __GFP_MEMALLOC = 0x2_0000;
        /// One compound page. No effect: each block of several pages is freed whole here, and its
        /// head is found from any of its pages. Requests for an exact number of pages refuse it.
        const __GFP_COMP = 0x4_0000;
        /// Keeps watermarks whatever else says not to: overrides `__GFP_MEMALLOC`.
        const __GFP_NOMEMALLOC = 0x8_0000;
        /// Keeps to the task's cpuset. No effect: there are no cpusets.
        const __GFP_HARDWALL = 0x10_0000;
        /// From this node only. No effect: there is one node.
        const __GFP_THISNODE = 0x20_0000;
        /// Charged to the task's memory cgroup. No effect: there are no cgroups.
        const __GFP_ACCOUNT = 0x40_0000;
        /// Zeroes the memory tags. No effect: 32-bit memory has no tags.
        const __GFP_ZEROTAGS = 0x80_0000;
        /// Leaves zeroing to the tags' code. No effect: 32-bit memory has no tags. On Linux this
        /// and the next two are 0 on CPUs without tags.
        const __GFP_SKIP_ZERO = 0x100_0000;
        /// Leaves the tags of allocated pages alone. No effect: 32-bit memory has no tags.
        const __GFP_SKIP_KASAN_UNPOISON = 0x200_0000;
        /// Leaves the tags of freed pages alone. No effect: 32-bit memory has no tags.
        const __GFP_SKIP_KASAN_POISON = 0x400_0000;
        /// Out of the lock checker's sight. No effect: there is none.
        const __GFP_NOLOCKDEP = 0x800_0000;
    }
}

/// The union of flags, for constants.
const fn all_of(flags: &[Gfp]) -> Gfp {
    let mut sum = Gfp::empty();
    let mut rest = flags;
    while let [first, others @ ..] = rest {
        sum = sum.union(*first);
        rest = others;
    }
    sum
}

/// The zone modifiers: at most one of them makes sense.
const ZONES: Gfp = all_of(&[Gfp::__GFP_DMA, Gfp::__GFP_HIGHMEM, Gfp::__GFP_DMA32]);
/// The mobility modifiers: at most one of them makes sense.
const MOBILITIES: Gfp = Gfp::__GFP_MOVABLE.union(Gfp::__GFP_RECLAIMABLE);

/// The combinations that callers use, and the names that older books and drivers use.
impl Gfp {
    /// Both kinds of reclaim: the caller may sleep, and the background reclaim is woken.
    pub const __GFP_RECLAIM: Self = Self::__GFP_DIRECT_RECLAIM.union(Self::__GFP_KSWAPD_RECLAIM);

    /// For the kernel itself, where sleeping is allowed: the usual choice.
    pub const GFP_KERNEL: Self = all_of(&[Self::__GFP_RECLAIM, Self::__GFP_IO, Self::__GFP_FS]);
    /// [`GFP_KERNEL`](Self::GFP_KERNEL), charged to a cgroup: the same thing here.
    pub const GFP_KERNEL_ACCOUNT: Self = Self::GFP_KERNEL.union(Self::__GFP_ACCOUNT);
    /// For interrupt handlers and under locks: does not sleep, and may use most of the reserve.
    /// It is 0x820, as in Linux from 6.3 on; before, it had `__GFP_ATOMIC` as well and was 0xa20, which
    /// asks for the same here.
    pub const GFP_ATOMIC: Self = Self::__GFP_HIGH.union(Self::__GFP_KSWAPD_RECLAIM);
    /// Does not sleep and has no part of the reserve: for callers that have another way.
    pub const GFP_NOWAIT: Self = Self::__GFP_KSWAPD_RECLAIM;
    /// May sleep, but reclaim starts no I/O: for what I/O itself needs.
    pub const GFP_NOIO: Self = Self::__GFP_RECLAIM;
    /// May sleep and start I/O, but does not call into filesystems: for filesystems.
    pub const GFP_NOFS: Self = Self::__GFP_RECLAIM.union(Self::__GFP_IO);
    /// For user space, where the kernel too needs the address.
    pub const GFP_USER: Self = Self::GFP_KERNEL.union(Self::__GFP_HARDWALL);
    /// For user space, where the kernel needs no address.
    pub const GFP_HIGHUSER: Self = Self::GFP_USER.union(Self::__GFP_HIGHMEM);
    /// For user space, and can be moved: the pages of processes. The `__GFP_SKIP_` modifiers that
    /// Linux adds are 0 on CPUs without tags, so this is its number on ARM.
    pub const GFP_HIGHUSER_MOVABLE: Self = Self::GFP_HIGHUSER.union(Self::__GFP_MOVABLE);
    /// From the DMA zone. Says nothing else, not even that one may reclaim: join it to
    /// [`GFP_KERNEL`](Self::GFP_KERNEL) or [`GFP_ATOMIC`](Self::GFP_ATOMIC).
    pub const GFP_DMA: Self = Self::__GFP_DMA;
    /// From below 4 GiB, which is no restriction; see [`GFP_DMA`](Self::GFP_DMA) for the rest.
    pub const GFP_DMA32: Self = Self::__GFP_DMA32;
    /// A huge page for user space, if there is one at once: no reclaim.
    pub const GFP_TRANSHUGE_LIGHT: Self =
        all_of(&[Self::GFP_HIGHUSER_MOVABLE, Self::__GFP_COMP, Self::__GFP_NOMEMALLOC])
            .union(Self::__GFP_NOWARN)
            .difference(Self::__GFP_RECLAIM);
    /// A huge page for user space, reclaiming for it; the background reclaim is left alone.
    pub const GFP_TRANSHUGE: Self = Self::GFP_TRANSHUGE_LIGHT.union(Self::__GFP_DIRECT_RECLAIM);

    /// Became `__GFP_RETRY_MAYFAIL` in Linux 4.13.
    pub const __GFP_REPEAT: Self = Self::__GFP_RETRY_MAYFAIL;
    /// Became `__GFP_RECLAIM` in Linux 4.4, when sleeping and waking were told apart.
    pub const __GFP_WAIT: Self = Self::__GFP_RECLAIM;
    /// Asked for a page that is in no cache. Linux removed it in 4.15 and has nothing in its place,
    /// so it is no flag at all.
    pub const __GFP_COLD: Self = Self::empty();
}

/// Where the pages may come from.
impl Gfp {
    /// The highest zone that the request may use; it may use those below, too. Where a board has
    /// no such zone, Linux takes Normal in its place; that is for the allocator to do, which knows
    /// the board.
    ///
    /// For more than one zone modifier, which [`check`](Self::check) refuses, it is the lowest
    /// zone, as in Linux: too little rather than memory that someone cannot reach.
    #[must_use]
    pub const fn highest_zone(self) -> ZoneKind {
        let zones = self.intersection(ZONES).bits();
        if zones == 0 || zones == Self::__GFP_DMA32.bits() {
            ZoneKind::Normal
        } else if zones == Self::__GFP_HIGHMEM.bits() {
            ZoneKind::HighMem
        } else {
            ZoneKind::Dma
        }
    }

    /// Which kind of pageblock the pages come from.
    ///
    /// For both mobility modifiers, which [`check`](Self::check) refuses, it is
    /// [`Mobility::Unmovable`], the kind that promises nothing.
    #[must_use]
    pub const fn mobility(self) -> Mobility {
        let kinds = self.intersection(MOBILITIES).bits();
        if kinds == Self::__GFP_MOVABLE.bits() {
            Mobility::Movable
        } else if kinds == Self::__GFP_RECLAIMABLE.bits() {
            Mobility::Reclaimable
        } else {
            Mobility::Unmovable
        }
    }
}

/// How hard the allocator may try.
impl Gfp {
    /// May the request sleep, and reclaim pages itself?
    #[must_use]
    pub const fn may_reclaim(self) -> bool {
        self.contains(Self::__GFP_DIRECT_RECLAIM)
    }

    /// Does the request wake the background reclaim when a zone runs low?
    #[must_use]
    pub const fn wakes_kswapd(self) -> bool {
        self.contains(Self::__GFP_KSWAPD_RECLAIM)
    }

    /// May the request use half of the reserve below the min watermark? `__GFP_NOMEMALLOC` does
    /// not forbid this part, as in Linux.
    #[must_use]
    pub const fn min_reserve(self) -> bool {
        self.contains(Self::__GFP_HIGH)
    }

    /// May the request use a quarter of what [`min_reserve`](Self::min_reserve) leaves as well, so
    /// that it sees 3/8 of the min watermark, and large ones the blocks kept for such requests?
    /// Yes when it is important, cannot wait for reclaim, and does not say `__GFP_NOMEMALLOC`.
    #[must_use]
    pub const fn non_blocking_high(self) -> bool {
        self.min_reserve() && !self.may_reclaim() && !self.contains(Self::__GFP_NOMEMALLOC)
    }

    /// Does no watermark hold the request back?
    #[must_use]
    pub const fn ignores_watermarks(self) -> bool {
        self.contains(Self::__GFP_MEMALLOC) && !self.contains(Self::__GFP_NOMEMALLOC)
    }

    /// Must the request never fail?
    #[must_use]
    pub const fn never_fails(self) -> bool {
        self.contains(Self::__GFP_NOFAIL)
    }

    /// Does the request give up after one light try? With `__GFP_RETRY_MAYFAIL`, too: the modesty
    /// counts, as in Linux, where pools add it to whatever their callers say.
    #[must_use]
    pub const fn tries_once(self) -> bool {
        self.contains(Self::__GFP_NORETRY)
    }

    /// Does the request try hard, and fail rather than have the OOM killer called?
    #[must_use]
    pub const fn tries_hard(self) -> bool {
        self.contains(Self::__GFP_RETRY_MAYFAIL) && !self.tries_once()
    }

    /// Must the pages be zero?
    #[must_use]
    pub const fn wants_zero(self) -> bool {
        self.contains(Self::__GFP_ZERO)
    }

    /// Does a look at a few bits show that the flags make sense together, those that name zones left out,
    /// and that the pages are taken as they are? Of `__GFP_NOFAIL`, [`check`](Self::check) knows more.
    #[inline(always)]
    #[must_use]
    pub const fn is_plain(self) -> bool {
        let bits = self.bits();
        // Pairs of neighbours: MOVABLE and RECLAIMABLE, ATOMIC and DIRECT_RECLAIM.
        let neighbours = bits & bits >> 1 & 0x208;
        let careful =
            bits & (Self::__GFP_NOFAIL.bits() | Self::__GFP_ZERO.bits() | !Self::all().bits());
        neighbours | careful == 0
    }

    /// Is a failure to be reported?
    #[must_use]
    pub const fn warns(self) -> bool {
        !self.contains(Self::__GFP_NOWARN)
    }
}

#[cfg(test)]
mod tests;
