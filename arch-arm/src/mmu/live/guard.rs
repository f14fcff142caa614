//! Single pages of the linear map that fault, and then work again.
//!
//! While a page faults its word stays dead: it names the frame, and holds all attributes but XN, which is always set
//! here. So the same page comes back, with the same type, and no cache is touched. Written over the page, the word
//! is flushed; written over a fault it needs none (*ARM DDI 0406C, B3.10.1*: an entry that faults is not
//! cached). So break comes before make.

use mm::addr::{PAGE_SIZE, VirtAddr, VirtRange};

use super::words::{self, NEVER_EXECUTE, SMALL_PAGE};
use super::{LiveTables, Machine, at};

impl<M: Machine + Copy> LiveTables<M> {
    /// Every access to the page at `page` faults, on all CPUs, when this returns; says whether it is so. A page that
    /// does so already stays so. One that may be executed is refused, as is what no word of its own maps.
    ///
    /// The page lies in a range that was [split](Self::split) and that nobody [joins](Self::join), and is the caller's.
    /// Any context.
    pub fn protect(&self, page: VirtAddr) -> bool {
        let entry = at(self.word(page));
        let word = self.machine.read(entry);
        if words::is_dead(word) {
            return true;
        }
        let is_data = word & (SMALL_PAGE | NEVER_EXECUTE) == SMALL_PAGE | NEVER_EXECUTE;
        if is_data {
            self.machine.write(entry, words::dead(word));
            self.forget(VirtRange::new(page, VirtAddr::new(page.as_u32() + PAGE_SIZE)));
        }
        is_data
    }

    /// The page at `page`, which [`protect`](Self::protect) made fault, can be used again, by all CPUs, as before. Any
    /// other stays as it is. Any context.
    pub fn unprotect(&self, page: VirtAddr) {
        let entry = at(self.word(page));
        let word = self.machine.read(entry);
        if words::is_dead(word) {
            self.machine.write(entry, word | SMALL_PAGE | NEVER_EXECUTE);
            // The walker sees the word before the next access is translated.
            self.machine.dsb_ishst();
            self.machine.isb();
        }
    }
}
