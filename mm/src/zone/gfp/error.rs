//! Flags that no request can have, and text that is no flags.

use core::fmt;

use super::{Gfp, MOBILITIES, ZONES};

/// Why a request's flags are refused. Nothing has been allocated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GfpError {
    /// Bits that no modifier has.
    Unknown {
        /// The bits.
        flags: Gfp,
    },
    /// More than one zone modifier. Linux takes the DMA zone and says nothing.
    Zones {
        /// The zone modifiers.
        flags: Gfp,
    },
    /// Pages that move, and pages that do not move but can be given up.
    MovableAndReclaimable,
    /// A caller that cannot sleep and may sleep. Linux warns once and drops `__GFP_ATOMIC`.
    AtomicMaySleep,
    /// A request that never fails and gives up. Linux lets one of them win.
    NofailGivesUp {
        /// `__GFP_NOFAIL`, and those of `__GFP_NORETRY` and `__GFP_RETRY_MAYFAIL` that were given.
        flags: Gfp,
    },
    /// A request that never fails and may not wait for a page to come free: a promise that cannot
    /// be kept. Linux warns, and breaks it.
    NofailCannotWait,
    /// A request for an address, of pages that need not have one. Linux drops the flag silently.
    NoAddress,
    /// A request for an exact number of pages, as one compound page, which has a power of two.
    /// Linux warns once and drops the flag.
    ExactCompound,
    /// A request for an object that devices reach, of a cache whose slabs lie anywhere. Linux takes no
    /// notice of the flag.
    NotDmaCache,
    /// A request for a zeroed object, of a cache whose objects are constructed. Linux warns, and zeroes what
    /// was constructed.
    ZeroOfConstructed,
}

impl GfpError {
    /// The flags at fault.
    #[must_use]
    pub const fn flags(self) -> Gfp {
        match self {
            Self::Unknown { flags } | Self::Zones { flags } | Self::NofailGivesUp { flags } => {
                flags
            }
            Self::MovableAndReclaimable => MOBILITIES,
            Self::AtomicMaySleep => Gfp::__GFP_ATOMIC.union(Gfp::__GFP_DIRECT_RECLAIM),
            Self::NofailCannotWait => Gfp::__GFP_NOFAIL,
            Self::NoAddress => Gfp::__GFP_HIGHMEM,
            Self::ExactCompound => Gfp::__GFP_COMP,
            Self::NotDmaCache => Gfp::__GFP_DMA,
            Self::ZeroOfConstructed => Gfp::__GFP_ZERO,
        }
    }
}

impl fmt::Display for GfpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = self.flags();
        match self {
            Self::Unknown { .. } => write!(f, "{flags:#x} is no GFP flag"),
            Self::Zones { .. } => write!(f, "{flags}: a request has one zone modifier at most"),
            Self::MovableAndReclaimable => {
                write!(f, "{flags}: a request has one mobility modifier at most")
            }
            Self::AtomicMaySleep => write!(f, "{flags}: who cannot sleep cannot reclaim"),
            Self::NofailGivesUp { .. } => write!(f, "{flags}: what may fail is not NOFAIL"),
            Self::NofailCannotWait => {
                write!(f, "{flags} without {}: it cannot wait", Gfp::__GFP_DIRECT_RECLAIM)
            }
            Self::NoAddress => write!(f, "{flags}: a highmem page has no address to return"),
            Self::ExactCompound => {
                write!(f, "{flags}: an exact number of pages is no compound page")
            }
            Self::ZeroOfConstructed => {
                write!(f, "{flags}: the cache's objects are as their constructor made them")
            }
            Self::NotDmaCache => write!(f, "{flags}: the cache has no SLAB_CACHE_DMA"),
        }
    }
}

impl core::error::Error for GfpError {}

/// Text that [`Gfp::parse`] cannot read. The word at fault is borrowed from it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ParseGfpError<'a> {
    /// Nothing at all, or nothing beside a `|`.
    NoWord,
    /// No flag has this name.
    UnknownName {
        /// The word.
        word: &'a str,
    },
    /// Two flags have this name when their prefixes are left off.
    Ambiguous {
        /// The word.
        word: &'a str,
        /// The full names that it may stand for.
        names: [&'static str; 2],
    },
    /// Begins with a digit, and is no number of 32 bits.
    NotANumber {
        /// The word.
        word: &'a str,
    },
}

impl fmt::Display for ParseGfpError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoWord => f.write_str("a GFP flag is missing"),
            Self::UnknownName { word } => write!(f, "no GFP flag is called {word}"),
            Self::Ambiguous { word, names: [one, other] } => {
                write!(f, "{word} is either {one} or {other}")
            }
            Self::NotANumber { word } => write!(f, "{word} is no number of 32 bits"),
        }
    }
}

impl core::error::Error for ParseGfpError<'_> {}

/// What is wrong with flags taken together.
impl Gfp {
    /// Do the flags make sense together, for a request that returns pages?
    ///
    /// `__GFP_MEMALLOC|__GFP_NOMEMALLOC` does: the latter overrides. So does
    /// `__GFP_NORETRY|__GFP_RETRY_MAYFAIL`, see [`tries_once`](Self::tries_once).
    ///
    /// # Errors
    ///
    /// [`GfpError`] for the first of: unknown bits, two zone modifiers, two mobility modifiers,
    /// `__GFP_ATOMIC` with leave to sleep, `__GFP_NOFAIL` with leave to fail or without leave to
    /// reclaim.
    pub const fn check(self) -> Result<(), GfpError> {
        let unknown = self.difference(Self::all());
        if !unknown.is_empty() {
            return Err(GfpError::Unknown { flags: unknown });
        }
        let zones = self.intersection(ZONES);
        if zones.bits().count_ones() > 1 {
            return Err(GfpError::Zones { flags: zones });
        }
        if self.contains(MOBILITIES) {
            return Err(GfpError::MovableAndReclaimable);
        }
        if self.contains(Self::__GFP_ATOMIC) && self.may_reclaim() {
            return Err(GfpError::AtomicMaySleep);
        }
        if self.never_fails() {
            const GIVES_UP: Gfp = Gfp::__GFP_NORETRY.union(Gfp::__GFP_RETRY_MAYFAIL);
            if self.intersects(GIVES_UP) {
                let flags = self.intersection(GIVES_UP.union(Self::__GFP_NOFAIL));
                return Err(GfpError::NofailGivesUp { flags });
            }
            if !self.may_reclaim() {
                return Err(GfpError::NofailCannotWait);
            }
        }
        Ok(())
    }

    /// [`check`](Self::check), for a request that returns an address (Linux's
    /// `__get_free_pages`): its pages have to be mapped at all times.
    ///
    /// # Errors
    ///
    /// [`GfpError::NoAddress`] for `__GFP_HIGHMEM`, and those of `check`, which come first.
    pub const fn check_addressable(self) -> Result<(), GfpError> {
        match self.check() {
            Ok(()) if self.contains(Self::__GFP_HIGHMEM) => Err(GfpError::NoAddress),
            result => result,
        }
    }

    /// [`check_addressable`](Self::check_addressable), for a request of an exact number of pages
    /// (Linux's `alloc_pages_exact`): it returns an address, and gives back the pages that a power
    /// of two has too many, so that the rest are no block.
    ///
    /// # Errors
    ///
    /// [`GfpError::ExactCompound`] for `__GFP_COMP`, and those of `check_addressable`, which come
    /// first.
    pub const fn check_exact(self) -> Result<(), GfpError> {
        match self.check_addressable() {
            Ok(()) if self.contains(Self::__GFP_COMP) => Err(GfpError::ExactCompound),
            result => result,
        }
    }
}
