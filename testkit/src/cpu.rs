//! One CPU: what code under test does on it, an instruction a method.
//!
//! All of it is privileged. Maintenance methods are counted, and one of them can be left out
//! ([`Machine::drop_call`]).

use mm::addr::{PhysAddr, VirtAddr};

use crate::abort::{Abort, Status, Wanted};
use crate::cache::LineOp;
use crate::calls::{Dsb, Scope};
use crate::machine::Machine;
use crate::state::Space;
use crate::tlb::Entries;

/// A CPU of a machine.
#[derive(Clone, Copy, Debug)]
pub struct Cpu<'m> {
    machine: &'m Machine,
    index: usize,
}

/// Maintenance without an operand that can fault.
macro_rules! operations {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) => $call:expr;)*) => {$(
        $(#[$doc])*
        #[track_caller]
        pub fn $name(&self, $($argument: $type),*) {
            let operation = $call;
            self.machine.step(Some(self.index), |state| operation(state, self.index));
        }
    )*};
}

/// A barrier, as a step.
macro_rules! dsb {
    ($kind:ident) => {
        |state: &mut crate::state::State, cpu| state.dsb(cpu, Dsb::$kind)
    };
}

/// A TLB operation, as a step.
macro_rules! tlbi {
    ($scope:ident, $entries:expr) => {{
        let entries = $entries;
        move |state: &mut crate::state::State, cpu| state.tlbi(cpu, Scope::$scope, entries)
    }};
}

impl<'m> Cpu<'m> {
    pub(crate) const fn new(machine: &'m Machine, index: usize) -> Self {
        Self { machine, index }
    }

    /// Its number.
    #[must_use]
    pub const fn index(&self) -> usize {
        self.index
    }

    /// Its machine.
    #[must_use]
    pub const fn machine(&self) -> &'m Machine {
        self.machine
    }

    /// The word at `virt`.
    ///
    /// # Errors
    ///
    /// The abort. An address that is no multiple of 4 is one.
    #[track_caller]
    pub fn load_u32(&self, virt: VirtAddr) -> Result<u32, Abort> {
        self.machine.step(Some(self.index), |state| state.load_word(self.index, virt.as_u32()))
    }

    /// Writes the word at `virt`.
    ///
    /// # Errors
    ///
    /// The abort. An address that is no multiple of 4 is one.
    #[track_caller]
    pub fn store_u32(&self, virt: VirtAddr, value: u32) -> Result<(), Abort> {
        self.machine
            .step(Some(self.index), |state| state.store_word(self.index, virt.as_u32(), value))
    }

    /// The byte at `virt`.
    ///
    /// # Errors
    ///
    /// The abort.
    #[track_caller]
    pub fn load_u8(&self, virt: VirtAddr) -> Result<u8, Abort> {
        let mut byte = [0];
        self.load_bytes(virt, &mut byte)?;
        Ok(byte[0])
    }

    /// Writes the byte at `virt`.
    ///
    /// # Errors
    ///
    /// The abort.
    #[track_caller]
    pub fn store_u8(&self, virt: VirtAddr, byte: u8) -> Result<(), Abort> {
        self.store_bytes(virt, &[byte])
    }

    /// The bytes from `virt` on, in one step.
    ///
    /// # Errors
    ///
    /// The first abort, with the bytes before it read.
    #[track_caller]
    pub fn load_bytes(&self, virt: VirtAddr, bytes: &mut [u8]) -> Result<(), Abort> {
        self.machine
            .step(Some(self.index), |state| state.load_bytes(self.index, virt.as_u32(), bytes))
    }

    /// Writes the bytes from `virt` on, in one step.
    ///
    /// # Errors
    ///
    /// The first abort, with the bytes before it written.
    #[track_caller]
    pub fn store_bytes(&self, virt: VirtAddr, bytes: &[u8]) -> Result<(), Abort> {
        self.machine
            .step(Some(self.index), |state| state.store_bytes(self.index, virt.as_u32(), bytes))
    }

    /// Fetches an instruction from `virt`, of which only the physical address is told.
    ///
    /// # Errors
    ///
    /// The prefetch abort.
    #[track_caller]
    pub fn fetch(&self, virt: VirtAddr) -> Result<PhysAddr, Abort> {
        let (cpu, wanted) = (self.index, Wanted::Fetch);
        self.machine.step(Some(cpu), |state| {
            let (phys, _) = state.translate(cpu, virt.as_u32(), wanted)?;
            match state.memory.contains(phys, 4) {
                true => Ok(PhysAddr::new(phys)),
                false => Err(Abort { cpu, virt, wanted, status: Status::External }),
            }
        })
    }

    /// TTBR0 and CONTEXTIDR get new values, with the barriers that this takes (*ARM DDI 0406C, B3.10.4*).
    #[track_caller]
    pub fn switch_space(&self, root: PhysAddr, asid: u8) {
        let space = Space { root: root.as_u64(), asid };
        self.machine.step(Some(self.index), |state| state.switch_space(self.index, space));
    }

    /// This CPU has observed all that `other` stored so far: it took a lock that the other gave up, say. Its next DSB
    /// completes those stores as it does its own (K4; *ARM DDI 0406C, A3.8.3, Memory barriers*). Nothing else does: not the
    /// observing, no barrier before it, and no TLB operation.
    ///
    /// # Panics
    ///
    /// If there is no CPU of that number.
    pub fn observe(&self, other: usize) {
        assert!(other < self.machine.cpus(), "there is no CPU {other}");
        if other != self.index {
            self.machine.step(None, |state| state.stores.observe(self.index, other));
        }
    }

    operations! {
        /// `dsb ishst`: stores are seen by the walkers of all CPUs.
        dsb_ishst() => dsb!(InnerStores);
        /// `dsb ish`: and TLB operations are complete on all CPUs.
        dsb_ish() => dsb!(Inner);
        /// `dsb nsh`: stores are seen by this CPU's walker, and TLB operations are complete on this CPU.
        dsb_nsh() => dsb!(Local);
        /// `dsb sy`: as [`dsb_ish`](Self::dsb_ish), and cache operations are complete.
        dsb_sy() => dsb!(System);
        /// `isb`: what follows on this CPU is translated anew.
        isb() => |state: &mut crate::state::State, cpu| state.isb(cpu);

        /// TLBIMVAAIS: an address, of all address spaces, on all CPUs.
        tlbi_mva_all_asids_is(virt: VirtAddr) => tlbi!(InnerShareable, Entries::Address(virt));
        /// TLBIMVAIS: an address, global or of one address space, on all CPUs.
        tlbi_mva_is(virt: VirtAddr, asid: u8) =>
            tlbi!(InnerShareable, Entries::AddressOfAsid(virt, asid));
        /// TLBIASIDIS: an address space, on all CPUs. Global entries stay.
        tlbi_asid_is(asid: u8) => tlbi!(InnerShareable, Entries::Asid(asid));
        /// TLBIALLIS: everything, on all CPUs.
        tlbi_all_is() => tlbi!(InnerShareable, Entries::All);
        /// TLBIMVAA: an address, of all address spaces, on this CPU.
        tlbi_mva_all_asids(virt: VirtAddr) => tlbi!(Local, Entries::Address(virt));
        /// TLBIMVA: an address, global or of one address space, on this CPU.
        tlbi_mva(virt: VirtAddr, asid: u8) => tlbi!(Local, Entries::AddressOfAsid(virt, asid));
        /// TLBIASID: an address space, on this CPU. Global entries stay.
        tlbi_asid(asid: u8) => tlbi!(Local, Entries::Asid(asid));
        /// TLBIALL: everything, on this CPU.
        tlbi_all() => tlbi!(Local, Entries::All);
    }

    /// DCCMVAC: the line that holds `virt` is written to memory if it is dirty.
    ///
    /// # Errors
    ///
    /// The abort, if `virt` is not mapped readable.
    #[track_caller]
    pub fn clean_line(&self, virt: VirtAddr) -> Result<(), Abort> {
        self.line(LineOp::Clean, virt)
    }

    /// DCIMVAC: the line that holds `virt` is dropped.
    ///
    /// # Errors
    ///
    /// The abort, if `virt` is not mapped readable.
    #[track_caller]
    pub fn invalidate_line(&self, virt: VirtAddr) -> Result<(), Abort> {
        self.line(LineOp::Invalidate, virt)
    }

    /// DCCIMVAC: the line that holds `virt` is written to memory if it is dirty, and dropped.
    ///
    /// # Errors
    ///
    /// The abort, if `virt` is not mapped readable.
    #[track_caller]
    pub fn clean_invalidate_line(&self, virt: VirtAddr) -> Result<(), Abort> {
        self.line(LineOp::CleanInvalidate, virt)
    }

    #[track_caller]
    fn line(&self, op: LineOp, virt: VirtAddr) -> Result<(), Abort> {
        self.machine.step(Some(self.index), |state| state.line(self.index, op, virt.as_u32()))
    }
}
