//! An area's three parts, and how much each holds.
//!
//! Invariant: parts are whole pages, in the order text, read-only data, data; all three together
//! have a 32-bit size.

use core::fmt;

use mm::addr::{PAGE_SIZE, VirtAddr};

/// One of the two areas that a module has.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Home {
    /// As long as the module is loaded.
    Core,
    /// Until its init function has returned.
    Init,
}

impl Home {
    /// What messages call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Core => "core",
            Self::Init => "init",
        }
    }
}

/// A part of an area, by the rights that it has when the module runs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Part {
    /// Read and executed.
    Text,
    /// Read.
    Rodata,
    /// Read and written.
    Data,
}

/// Bytes of an area's parts: multiples of a page's 4096, in this order in memory.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sizes {
    /// To be executed and read.
    pub text: u32,
    /// To be read.
    pub rodata: u32,
    /// To be read and written.
    pub data: u32,
}

impl Sizes {
    /// Bytes of the area.
    #[must_use]
    pub const fn bytes(&self) -> u32 {
        // `Layout::check` saw to it that the sum has 32 bits.
        self.text.saturating_add(self.rodata).saturating_add(self.data)
    }

    /// Is there nothing to load?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.bytes() == 0
    }
}

/// What is wrong with an area of memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AreaFault {
    /// No address space has room for what the object has it hold.
    TooLarge,
    /// It does not begin at a page.
    Base(VirtAddr),
    /// It is not as long as was planned, or ends past the last address.
    Bytes {
        /// Bytes given.
        given: usize,
        /// Bytes planned.
        planned: u32,
    },
}

impl fmt::Display for AreaFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => f.write_str("would be larger than the address space"),
            Self::Base(base) => write!(f, "{base} is no page's address"),
            Self::Bytes { given, planned } => {
                write!(f, "{given:#x} bytes were given, and {planned:#x} are needed")
            }
        }
    }
}

/// Where something lies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    pub home: Home,
    pub part: Part,
    /// Offset in the part.
    pub at: u32,
}

/// How full the parts of an area are.
#[derive(Clone, Copy, Default, Debug)]
pub(crate) struct Layout {
    used: [u32; 3],
}

impl Layout {
    /// Room for `bytes` at the end of a part, at a multiple of `align` (a power of two): its offset.
    /// `None` when the part would be larger than the address space.
    pub fn push(&mut self, part: Part, bytes: u32, align: u32) -> Option<u32> {
        let used = &mut self.used[part as usize];
        let at = used.checked_add(align - 1)? & !(align - 1);
        *used = at.checked_add(bytes)?;
        Some(at)
    }

    /// Do all three parts together have a 32-bit size?
    pub fn check(&self) -> Option<()> {
        let pages = self.used.iter().map(|used| used.div_ceil(PAGE_SIZE)).sum::<u32>();
        pages.checked_mul(PAGE_SIZE).map(|_| ())
    }

    /// Bytes that a part uses, not rounded.
    pub const fn used(&self, part: Part) -> u32 {
        self.used[part as usize]
    }

    /// The parts in whole pages.
    pub const fn sizes(&self) -> Sizes {
        let [text, rodata, data] = self.used;
        Sizes { text: whole_pages(text), rodata: whole_pages(rodata), data: whole_pages(data) }
    }

    /// Offset of a part in the area.
    pub const fn start(&self, part: Part) -> u32 {
        let sizes = self.sizes();
        match part {
            Part::Text => 0,
            Part::Rodata => sizes.text,
            Part::Data => sizes.text.saturating_add(sizes.rodata),
        }
    }
}

const fn whole_pages(bytes: u32) -> u32 {
    bytes.div_ceil(PAGE_SIZE).saturating_mul(PAGE_SIZE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_whole_pages_one_after_the_other() {
        let mut layout = Layout::default();
        assert!(layout.sizes().is_empty());
        assert_eq!(layout.push(Part::Text, 5, 4), Some(0));
        assert_eq!(layout.push(Part::Text, 5, 8), Some(8));
        assert_eq!(layout.push(Part::Data, 4097, 1), Some(0));
        assert_eq!(layout.push(Part::Data, 0, 4096), Some(8192));
        assert_eq!(layout.used(Part::Text), 13);
        assert_eq!(layout.sizes(), Sizes { text: 4096, rodata: 0, data: 8192 });
        assert_eq!(layout.sizes().bytes(), 12288);
        assert_eq!(
            [Part::Text, Part::Rodata, Part::Data].map(|part| layout.start(part)),
            [0, 4096, 4096]
        );
    }

    #[test]
    fn what_does_not_fit_32_bits_is_refused() {
        let mut layout = Layout::default();
        assert_eq!(layout.push(Part::Data, u32::MAX - 4095, 4), Some(0));
        assert_eq!(layout.check(), Some(()));
        assert_eq!(layout.push(Part::Data, 4096, 1), None);
        assert_eq!(layout.push(Part::Text, 1, 1), Some(0));
        assert_eq!(layout.check(), None);
        assert_eq!(Layout { used: [u32::MAX; 3] }.check(), None);
        assert_eq!(Layout { used: [u32::MAX; 3] }.push(Part::Text, 0, 4096), None);
    }
}
