//! A machine before its MMU is on: banks, CPUs, and the tables they start with.
//!
//! The tables are written straight into memory, and are complete and visible when [`Setup::build`] returns. The
//! rules hold for them as for any others, so a wrong first table is a violation.

use mm::addr::{PhysAddr, PhysRange, VirtAddr};

use crate::adversary::Adversary;
use crate::machine::Machine;
use crate::state::Linear;

/// A section of the linear map: write-back, shareable, read and write, XN, global, domain 0.
pub const LINEAR_SECTION: u32 = 0x0001_141e;
/// A first-level word for a table, domain 0, without its address.
pub const TABLE: u32 = 0x1;

/// How a machine begins.
#[derive(Clone, Debug)]
pub struct Setup {
    pub(crate) cpus: usize,
    pub(crate) banks: Vec<PhysRange>,
    pub(crate) root: u64,
    pub(crate) linear: Vec<Linear>,
    /// Words of memory, in order.
    pub(crate) words: Vec<(u64, u32)>,
    pub(crate) dacr: u32,
}

impl Setup {
    /// A machine with `cpus` CPUs, 1 to 8, whose TTBR0 all hold `root`, a multiple of 16 KiB in one of the banks that
    /// follow. The root is empty; all domains are clients; the address space's number is 0.
    ///
    /// # Panics
    ///
    /// If there are no CPUs or more than 8, or `root` is not aligned.
    #[must_use]
    pub fn new(cpus: usize, root: PhysAddr) -> Self {
        assert!((1..=8).contains(&cpus), "{cpus} CPUs");
        assert!(root.is_aligned(0x4000), "the root {root} is no multiple of 16 KiB");
        let root = root.as_u64();
        let words = (0..4096).map(|index| (root + index * 4, 0)).collect();
        Self { cpus, banks: Vec::new(), root, linear: Vec::new(), words, dacr: 0x5555_5555 }
    }

    /// Adds a bank: RAM, or a device's registers, which remember what is written.
    #[must_use]
    pub fn bank(mut self, bank: PhysRange) -> Self {
        self.banks.push(bank);
        self
    }

    /// Maps `phys` at `virt` with sections, all three multiples of 1 MiB. The mapping counts as the linear map: frames
    /// are freed and used anew under it.
    #[must_use]
    pub fn linear_map(mut self, virt: VirtAddr, phys: PhysRange) -> Self {
        self.linear.push(Linear { virt, phys });
        let mibs = phys.len() >> 20;
        (0..mibs).fold(self, |setup, mib| {
            let section = (phys.start().as_u64() + (mib << 20)) as u32;
            let virt = VirtAddr::new(virt.as_u32().wrapping_add((mib << 20) as u32));
            setup.first_level(virt, section | LINEAR_SECTION)
        })
    }

    /// Sets the first-level word of the MiB at `virt`.
    #[must_use]
    pub fn first_level(self, virt: VirtAddr, word: u32) -> Self {
        let at = self.root + u64::from(virt.as_u32() >> 20) * 4;
        self.word(PhysAddr::new(at), word)
    }

    /// Clears the second-level table at `table`, a multiple of 1 KiB below 4 GiB, and links it for the MiB at `virt`.
    #[must_use]
    pub fn second_level(mut self, virt: VirtAddr, table: PhysAddr) -> Self {
        let table = table.as_u64();
        self.words.extend((0..256).map(|index| (table + index * 4, 0)));
        self.first_level(virt, table as u32 | TABLE)
    }

    /// Sets the word of memory at `phys`, a multiple of 4.
    #[must_use]
    pub fn word(mut self, phys: PhysAddr, word: u32) -> Self {
        self.words.push((phys.as_u64(), word));
        self
    }

    /// The domain access control register, two bits for each domain.
    #[must_use]
    pub fn dacr(mut self, dacr: u32) -> Self {
        self.dacr = dacr;
        self
    }

    /// The machine, which panics at a violation.
    ///
    /// # Panics
    ///
    /// If a word lies outside all banks, or the tables break a rule.
    #[must_use]
    #[track_caller]
    pub fn build(&self, adversary: Adversary) -> Machine {
        Machine::new(self, adversary)
    }
}
