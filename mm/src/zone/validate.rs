//! The page allocator's invariants: each zone's own, and that its pages add up.
//!
//! Like [`Buddy::validate`](crate::frame::Buddy::validate), this believes nothing and reads every
//! descriptor, so it is for tests, the monitor and self-tests.

use core::fmt;

use super::page_alloc::PageAllocator;
use super::span::ZoneKind;
use crate::addr::{Pfn, PfnRange};
use crate::frame;
use crate::frame::validate::Elsewhere;
use crate::platform::Platform;

/// A broken invariant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Inconsistency {
    /// In a zone's buddy or descriptors.
    Zone {
        /// The zone.
        kind: ZoneKind,
        /// What is wrong.
        what: frame::Inconsistency,
    },
    /// A zone's pages do not add up.
    Managed {
        /// The zone.
        kind: ZoneKind,
        /// Pages handed over.
        managed: u32,
        /// Pages free.
        free: u32,
        /// Pages that are not free.
        elsewhere: Elsewhere,
    },
    /// The stacks of all CPUs do not hold as many pages as say that they are in one.
    Stacked {
        /// The zone.
        kind: ZoneKind,
        /// Pages that the stacks count.
        counted: u32,
        /// Pages whose descriptors say so.
        found: u32,
    },
    /// A zone manages more pages than are present.
    MoreThanPresent {
        /// The zone.
        kind: ZoneKind,
        /// Pages handed over.
        managed: u32,
        /// Pages present.
        present: u32,
    },
    /// A descriptor in no zone's span is in use.
    NoZone {
        /// Its frame.
        pfn: Pfn,
    },
}

impl fmt::Display for Inconsistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zone { kind, what } => write!(f, "zone {kind}: {what}"),
            Self::Managed { kind, managed, free, elsewhere } => {
                let Elsewhere { allocated, stacked, bad } = elsewhere;
                write!(
                    f,
                    "zone {kind}: {managed} pages managed, but {free} free, {allocated} allocated, \
                     {stacked} in stacks and {bad} bad"
                )
            }
            Self::Stacked { kind, counted, found } => {
                write!(f, "zone {kind}: stacks with {counted} pages, but {found} say that they are")
            }
            Self::MoreThanPresent { kind, managed, present } => {
                write!(f, "zone {kind}: {managed} pages managed of {present} present")
            }
            Self::NoZone { pfn } => write!(f, "pfn {pfn}: descriptor in use outside every zone"),
        }
    }
}

impl core::error::Error for Inconsistency {}

impl<P: Platform, const CPUS: usize> PageAllocator<'_, P, CPUS> {
    /// Checks every invariant of every zone. No CPU may take or give back pages meanwhile.
    ///
    /// # Errors
    ///
    /// The first [`Inconsistency`] found.
    pub fn validate(&self) -> Result<(), Inconsistency> {
        let figures = self.figures();
        let mut below = self.frames.range().start();
        for zone in self.zones.iter().filter(|zone| !zone.span().is_empty()) {
            self.validate_gap(PfnRange::new(below, zone.span().start()))?;
            below = zone.span().end();

            let kind = zone.kind();
            let elsewhere = {
                let _masked = self.platform.mask();
                let buddy = zone.buddy.lock(|| self.platform.contended());
                buddy.validate(&self.frames, &zone.counts)
            };
            let elsewhere = elsewhere.map_err(|what| Inconsistency::Zone { kind, what })?;
            let (managed, present, free) = (zone.managed(), zone.present(), zone.free_pages());
            let Elsewhere { allocated, stacked, bad } = elsewhere;
            if managed != free + allocated + stacked + bad {
                return Err(Inconsistency::Managed { kind, managed, free, elsewhere });
            }
            let counted = figures.zone(kind).per_cpu.iter().map(|cpu| cpu.count).sum();
            if counted != stacked {
                return Err(Inconsistency::Stacked { kind, counted, found: stacked });
            }
            if managed > present {
                return Err(Inconsistency::MoreThanPresent { kind, managed, present });
            }
        }
        self.validate_gap(PfnRange::new(below, self.frames.range().end()))
    }

    /// No block may begin outside every zone.
    fn validate_gap(&self, gap: PfnRange) -> Result<(), Inconsistency> {
        match gap.iter().find(|&pfn| self.frames.block_of(pfn).is_some()) {
            Some(pfn) => Err(Inconsistency::NoZone { pfn }),
            None => Ok(()),
        }
    }
}
