//! Early ioremap: device registers and tables that boot looks at before there is an allocator.
//!
//! Six windows of 32 pages overlay the fixmap's kmap-local slots ([`fixmap`](super::fixmap)). This is who has which; the
//! early page tables are written by who asks. It [ends](EarlyWindows::end) before the first kmap-local mapping is
//! made, and names what is still mapped then: whoever mapped it would find another frame there. Linux's
//! `early_ioremap`, which says so too (`early_ioremap_leak`).
//!
//! Context: boot, one CPU.

use core::fmt;

use arrayvec::ArrayVec;

use super::fixmap::{
    EARLY_IOREMAP_PAGES, EARLY_IOREMAP_WINDOWS, early_ioremap_window as addresses_of,
};
use crate::addr::{PAGE_SHIFT, PAGE_SIZE, PhysAddr, PhysRange, VirtAddr, VirtRange};

const WINDOWS: usize = EARLY_IOREMAP_WINDOWS as usize;

/// Memory that is mapped in a window.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct EarlyWindow {
    /// The whole pages of memory.
    pub phys: PhysRange,
    /// Where they are mapped: as many pages.
    pub pages: VirtRange,
    /// Where the first byte that was asked for is.
    pub virt: VirtAddr,
}

impl fmt::Display for EarlyWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.phys, self.pages.start())
    }
}

/// Why a window was not given, or not given up. Nothing has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EarlyError {
    /// Early ioremap has ended.
    Ended {
        /// What was asked for.
        phys: PhysAddr,
    },
    /// No byte, more than 32 pages, or beyond the end of memory.
    Size {
        /// From where.
        phys: PhysAddr,
        /// How many bytes.
        bytes: u32,
    },
    /// All six windows are in use.
    NoWindow {
        /// What was asked for.
        phys: PhysAddr,
    },
    /// No window was given at this address.
    NotMapped {
        /// The address.
        virt: VirtAddr,
    },
}

impl fmt::Display for EarlyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended { phys } => write!(f, "early ioremap of {phys} after its end"),
            Self::Size { phys, bytes } => {
                write!(f, "early ioremap of {bytes} bytes at {phys}: 1 byte to 32 pages")
            }
            Self::NoWindow { phys } => {
                write!(f, "early ioremap of {phys}: all {WINDOWS} windows are in use")
            }
            Self::NotMapped { virt } => {
                write!(f, "early iounmap of {virt}, where no window begins")
            }
        }
    }
}

impl core::error::Error for EarlyError {}

/// Who has which window.
#[derive(Debug, Default)]
pub struct EarlyWindows {
    windows: [Option<EarlyWindow>; WINDOWS],
    has_ended: bool,
}

impl EarlyWindows {
    /// None is in use.
    #[must_use]
    pub const fn new() -> Self {
        Self { windows: [None; WINDOWS], has_ended: false }
    }

    /// Gives a window for `bytes` bytes from `phys` on, which need not be whole pages. The caller maps its pages.
    ///
    /// # Errors
    ///
    /// [`EarlyError`].
    pub fn ioremap(&mut self, phys: PhysAddr, bytes: u32) -> Result<EarlyWindow, EarlyError> {
        if self.has_ended {
            return Err(EarlyError::Ended { phys });
        }
        let size = EarlyError::Size { phys, bytes };
        let asked = PhysRange::from_len(phys, u64::from(bytes)).ok_or(size)?;
        let memory = asked.covering_pages();
        let most = u64::from(EARLY_IOREMAP_PAGES) << PAGE_SHIFT;
        if asked.is_empty() || memory.end() < asked.end() || memory.len() > most {
            return Err(size);
        }
        let free = self.windows.iter_mut().zip(0..).find(|(window, _)| window.is_none());
        let free = free.and_then(|(window, index)| Some((window, addresses_of(index)?.start())));
        let (window, start) = free.ok_or(EarlyError::NoWindow { phys })?;
        let end = VirtAddr::new(start.as_u32() + memory.len() as u32);
        let offset = phys.as_u64() as u32 & (PAGE_SIZE - 1);
        let pages = VirtRange::new(start, end);
        let virt = VirtAddr::new(start.as_u32() + offset);
        Ok(*window.insert(EarlyWindow { phys: memory, pages, virt }))
    }

    /// Gives up the window at `virt`, as it was given. The caller unmaps its pages before he asks for another one.
    ///
    /// # Errors
    ///
    /// [`EarlyError::NotMapped`].
    pub fn iounmap(&mut self, virt: VirtAddr) -> Result<EarlyWindow, EarlyError> {
        let is_it = |window: &&mut Option<EarlyWindow>| window.is_some_and(|at| at.virt == virt);
        let window = self.windows.iter_mut().find(is_it);
        window.and_then(Option::take).ok_or(EarlyError::NotMapped { virt })
    }

    /// From now on no window is given. Returns those that are still mapped.
    pub fn end(&mut self) -> ArrayVec<EarlyWindow, WINDOWS> {
        self.has_ended = true;
        self.windows.iter_mut().filter_map(Option::take).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::fixmap::Slot;

    fn phys(address: u64) -> PhysAddr {
        PhysAddr::new(address)
    }

    #[test]
    fn windows_hold_what_was_asked_for_and_do_not_meet() {
        let mut early = EarlyWindows::new();
        let mut given = Vec::new();
        for number in 0..6 {
            let at = phys(0x900_0ff0 + number * 0x10_0000);
            let window = early.ioremap(at, 0x20).unwrap();
            assert_eq!(window.pages.len(), 2 * PAGE_SIZE, "across a page's end");
            assert_eq!(window.phys.start(), phys(at.as_u64() & !0xfff));
            assert_eq!(window.virt.as_u32() - window.pages.start().as_u32(), 0xff0);
            assert!(given.iter().all(|other: &EarlyWindow| !other.pages.overlaps(&window.pages)));
            assert!(window.pages.end() <= Slot::EARLY_CONSOLE.address());
            given.push(window);
        }
        let at = phys(1);
        assert_eq!(early.ioremap(at, 1), Err(EarlyError::NoWindow { phys: at }));
        assert_eq!(early.iounmap(given[3].virt), Ok(given[3]));
        let again = early.iounmap(given[3].virt);
        assert_eq!(again, Err(EarlyError::NotMapped { virt: given[3].virt }));
        assert_eq!(early.ioremap(at, 1).unwrap().pages.start(), given[3].pages.start());
    }

    #[test]
    fn what_no_window_holds_is_refused() {
        let mut early = EarlyWindows::new();
        let most = EARLY_IOREMAP_PAGES * PAGE_SIZE;
        for (at, bytes) in
            [(0x1000, 0), (0x1000, most + 1), (0x1fff, most), (u64::MAX - 5, 5), (u64::MAX, 9)]
        {
            let error = EarlyError::Size { phys: phys(at), bytes };
            assert_eq!(early.ioremap(phys(at), bytes), Err(error));
        }
        assert_eq!(early.ioremap(phys(0x1000), most).unwrap().pages.len(), most);
        assert_eq!(early.ioremap(phys(0x1fff), most - 0xfff).unwrap().pages.len(), most);
        let virt = VirtAddr::new(0xfff0_0000);
        assert_eq!(early.iounmap(virt), Err(EarlyError::NotMapped { virt }));
    }

    #[test]
    fn at_the_end_what_is_left_is_named_and_no_more_is_given() {
        let mut early = EarlyWindows::new();
        let [one, two] = [0x1000, 0x5000].map(|at| early.ioremap(phys(at), 4).unwrap());
        early.iounmap(one.virt).unwrap();
        assert_eq!(early.end().as_slice(), [two]);
        assert_eq!(
            early.ioremap(two.phys.start(), 4),
            Err(EarlyError::Ended { phys: phys(0x5000) })
        );
        assert!(early.end().is_empty());
        assert_eq!(early.iounmap(two.virt), Err(EarlyError::NotMapped { virt: two.virt }));
    }
}
