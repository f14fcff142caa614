//! A layout predicted on the host, from the same code that the kernel runs.

use mm::addr::{MIB, PhysAddr, PhysRange};
use mm::boot::layout::Layout;
use mm::boot::memblock::{INIT_REGIONS, Memblock, Region};
use mm::boot::predict::{self, Question};
use mm::boot::split::Split;

/// Where RAM starts on QEMU's `virt` board.
pub const RAM: u64 = 0x4000_0000;

/// A machine to predict a layout for.
#[derive(Clone, Debug)]
pub struct Machine<'a> {
    /// Its memory banks.
    pub banks: Vec<PhysRange>,
    /// Its no-map reservations.
    pub no_map: Vec<PhysRange>,
    /// The split of the kernel.
    pub split: Split,
    /// The kernel command line.
    pub command_line: &'a str,
}

impl<'a> Machine<'a> {
    /// QEMU's `virt` board with `mib` MiB of RAM, under the default split.
    #[must_use]
    pub fn virt(mib: u64, command_line: &'a str) -> Self {
        Self::with_banks(&[(RAM, RAM + mib * MIB)], command_line)
    }

    /// A board with the banks `start..end`, under the default split.
    #[must_use]
    pub fn with_banks(banks: &[(u64, u64)], command_line: &'a str) -> Self {
        let range =
            |&(start, end): &(u64, u64)| PhysRange::new(PhysAddr::new(start), PhysAddr::new(end));
        let banks = banks.iter().map(range).collect();
        Self { banks, no_map: Vec::new(), split: Split::default(), command_line }
    }

    /// The layout, and the lines of warning on the way to it.
    ///
    /// # Panics
    ///
    /// When the machine is beyond what a test may ask for: no usable memory, too many banks.
    #[must_use]
    pub fn predict(&self) -> (Layout, Vec<String>) {
        let (layout, _, lines) = self.predict_all();
        (layout, lines)
    }

    /// The layout, and the memory that may be mapped.
    ///
    /// # Panics
    ///
    /// As [`Machine::predict`].
    #[must_use]
    pub fn predict_memory(&self) -> (Layout, Vec<PhysRange>) {
        let (layout, memory, _) = self.predict_all();
        (layout, memory)
    }

    #[expect(clippy::expect_used, reason = "a test's own set-up")]
    fn predict_all(&self) -> (Layout, Vec<PhysRange>, Vec<String>) {
        let mut memory = vec![Region::EMPTY; INIT_REGIONS.max(2 * self.banks.len())];
        let mut reserved = vec![Region::EMPTY; INIT_REGIONS.max(2 * self.banks.len())];
        let mut memblock = Memblock::new(&mut memory, &mut reserved);
        let mut lines = Vec::new();
        let question = Question {
            banks: &self.banks,
            no_map: &self.no_map,
            split: self.split,
            phys_offset: None,
            command_line: self.command_line,
            image_bytes: 2 * predict::IMAGE_BYTES,
        };
        let layout = predict::predict(&mut memblock, &question, &mut |warning| {
            lines.push(warning.to_string());
        });
        let memory = memblock.mapped_memory().collect();
        (layout.expect("a machine with usable memory"), memory, lines)
    }
}
