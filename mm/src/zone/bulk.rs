//! Many single pages at once: one masked stretch for all that the CPU's stack has, or has room for.

use arrayvec::ArrayVec;

use super::block::PageBlock;
use super::error::{AllocError, NotFreed};
use super::gfp::Gfp;
use super::page_alloc::PageAllocator;
use super::request::NOT_QUICK;
use crate::addr::{Order, Pfn};
use crate::frame::Class;
use crate::frame::head::Head;
use crate::platform::Platform;

impl<'a, P: Platform, const CPUS: usize> PageAllocator<'a, P, CPUS> {
    /// Fills `into` with single pages, as far as they are easy to have, and says how many came: at least
    /// one, if `into` is not full. Only for the first is anybody asked to free something, or a reserve
    /// used. Linux's `alloc_pages_bulk_array`.
    ///
    /// Contexts and flags are those of [`alloc_pages`](Self::alloc_pages).
    ///
    /// # Errors
    ///
    /// As `alloc_pages`, when not even one page came.
    pub fn alloc_pages_bulk<'p, const N: usize>(
        &'p self,
        gfp: Gfp,
        into: &mut ArrayVec<PageBlock<'p, 'a, P, CPUS>, N>,
    ) -> Result<usize, AllocError> {
        let before = into.len();
        while !into.is_full() {
            let mut pfns = [Pfn::default(); 32];
            let wanted = into.remaining_capacity().min(pfns.len());
            let got = self.alloc_bulk(gfp, &mut pfns[..wanted]);
            if into.len() == before {
                got?;
            }
            let got = got.unwrap_or(0);
            into.extend(pfns[..got].iter().map(|pfn| self.block(*pfn, Order::ZERO)));
            if got < wanted {
                break;
            }
        }
        Ok(into.len() - before)
    }

    /// Writes the frames of single pages into `pfns`, from the front, and says how many there are.
    ///
    /// # Errors
    ///
    /// As [`alloc_pages_bulk`](Self::alloc_pages_bulk).
    #[inline]
    pub(super) fn alloc_bulk(&self, gfp: Gfp, pfns: &mut [Pfn]) -> Result<usize, AllocError> {
        let got = self.pop_bulk(gfp, pfns);
        if got < pfns.len() { self.alloc_bulk_hard(gfp, pfns, got) } else { Ok(got) }
    }

    /// What this CPU's stack has, if the request may be quick.
    #[inline(always)]
    fn pop_bulk(&self, gfp: Gfp, pfns: &mut [Pfn]) -> usize {
        if gfp.intersects(NOT_QUICK) {
            return 0;
        }
        let masked = self.platform.mask();
        let head = Head::allocated(Order::ZERO, Class::of_flags(gfp.bits()));
        self.current(&masked).pop_many(&self.frames, head, pfns)
    }

    /// The stack has given the first `got` pages and is empty: the others.
    #[inline(never)]
    fn alloc_bulk_hard(
        &self,
        gfp: Gfp,
        pfns: &mut [Pfn],
        mut got: usize,
    ) -> Result<usize, AllocError> {
        while let Some(next) = pfns.get_mut(got) {
            // The first page is worth an effort. The others come if that is easy, as in Linux.
            *next = if got == 0 {
                self.alloc_from_zones(gfp, Order::ZERO)?
            } else {
                let Some(pfn) = self.alloc_easily(gfp, Order::ZERO) else { break };
                pfn
            };
            got += 1;
            got += self.pop_bulk(gfp, &mut pfns[got..]);
        }
        Ok(got)
    }

    /// Gives back single pages. One that is wrong is reported and left alone, and the first such error is
    /// returned; the others are given back all the same.
    pub(super) fn free_bulk(&self, pfns: &[Pfn]) -> Result<(), NotFreed> {
        let mut result = Ok(());
        let mut rest = pfns;
        while !rest.is_empty() {
            let pushed = {
                let masked = self.platform.mask();
                self.current(&masked).push_many(&self.frames, rest)
            };
            rest = &rest[pushed..];
            if let Some((pfn, others)) = rest.split_first() {
                result = result.and(self.free_to_zones(*pfn, Order::ZERO));
                rest = others;
            }
        }
        result
    }
}
