//! A walk down a stack that has left its CPU's hands, to give its blocks back.

use super::head::Head;
use super::page::Page;
use super::stack_word::{Stack, StackId};
use super::table::{FrameTable, Place};
use crate::addr::Pfn;

/// The blocks of a stack that was taken out of its CPU's hands, from the top. Each is read before it is
/// handed out, so that whoever gets it may write it.
///
/// Who gets a block makes its head another one before it asks for the next. So a walk ends whatever the
/// links say: one that has been overwritten leads out of the table, to what is in no such stack, or
/// back.
pub(crate) struct Blocks<'t, 'a> {
    frames: &'t FrameTable<'a>,
    rest: Stack,
    head: Head,
}

impl<'t, 'a> Blocks<'t, 'a> {
    /// The blocks of `stack`, which has this number.
    pub(crate) const fn of(frames: &'t FrameTable<'a>, stack: Stack, id: StackId) -> Self {
        Self { frames, rest: stack, head: Head::in_stack(id.0) }
    }

    /// Where a walk came to what is no block of the stack; `None` if it came to the stack's end.
    pub(crate) fn cut_at(&self) -> Option<Pfn> {
        (!self.rest.is_empty()).then(|| self.frames.pfn(self.rest.top()))
    }
}

impl<'a> Iterator for Blocks<'_, 'a> {
    type Item = (Place, &'a Page);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let place = self.rest.top();
        let page = self.frames.page(place).filter(|page| page.head() == self.head)?;
        self.rest = Stack(page.below());
        Some((place, page))
    }
}
