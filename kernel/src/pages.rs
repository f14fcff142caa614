//! The one page allocator, behind a lock, where everybody finds it: boot's steps, the monitor, and the
//! report of a crash.

use arch_arm::sync::IrqLock;
use mm::report::show_mem::MemoryState;
use mm::zone::PageAllocator;
use spin::Once;

/// The page allocator and its lock.
pub type Pages = IrqLock<PageAllocator<'static>>;

static PAGES: Once<Pages> = Once::new();

/// Makes `allocator` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish(allocator: PageAllocator<'static>) -> &'static Pages {
    PAGES.call_once(|| IrqLock::new(allocator))
}

/// What a report may know of memory.
pub enum Figures {
    /// There is no page allocator yet.
    NoneYet,
    /// As they are.
    Whole(MemoryState),
    /// The allocator was in the midst of something, which will not be finished.
    Interrupted(MemoryState),
    /// The allocator is in the midst of something, which will go on.
    Busy,
}

/// The figures, without waiting for anybody.
///
/// # Safety
///
/// 1. If `holder_is_gone`, then whoever holds the lock, if anybody does, will never run again.
pub unsafe fn figures(holder_is_gone: bool) -> Figures {
    let Some(pages) = PAGES.get() else { return Figures::NoneYet };
    match pages.try_lock() {
        Some(allocator) => Figures::Whole(MemoryState::new(&allocator)),
        None if holder_is_gone => {
            // SAFETY: the value lives for ever, and the reference that the lock's holder has is not
            // used any more (1). Every value that its counters can have is one.
            Figures::Interrupted(MemoryState::new(unsafe { &*pages.as_ptr() }))
        }
        None => Figures::Busy,
    }
}
