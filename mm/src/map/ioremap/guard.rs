//! A mapping that ends with its owner, and registers that are mapped for good.
#![expect(unsafe_code, reason = "a mapping becomes registers")]

use core::fmt;
use core::mem;

use super::error::IoremapError;
use super::map::IoMap;
use crate::addr::{PhysRange, VirtAddr, VirtRange};
use crate::map::mmio::{Mmio, Registers, TooFewRegisters};
use crate::map::mmu::Mmu;
use crate::map::prot::MemoryType;
use crate::platform::Lowmem;

/// Device memory that is mapped for as long as this lives, whatever others unmap.
#[must_use = "dropped, it is unmapped"]
pub struct IoMapping<'i, 'r, 's, 'a, P: Lowmem, T: Mmu, const CPUS: usize> {
    home: &'i IoMap<'r, 's, 'a, P, T, CPUS>,
    range: VirtRange,
}

impl<'r, 's, 'a, P: Lowmem, T: Mmu, const CPUS: usize> IoMap<'r, 's, 'a, P, T, CPUS> {
    /// Maps `range` with this type, as [`ioremap`](Self::ioremap) does. May sleep.
    ///
    /// # Errors
    ///
    /// As `ioremap`.
    pub fn map(
        &self,
        range: PhysRange,
        memory: MemoryType,
        caller: u32,
    ) -> Result<IoMapping<'_, 'r, 's, 'a, P, T, CPUS>, IoremapError> {
        let start = self.map_owned(range, memory, caller)?;
        // A range that is longer than addresses are has not been mapped.
        let end = VirtAddr::new(start.as_u32().saturating_add(range.len() as u32));
        Ok(IoMapping { home: self, range: VirtRange::new(start, end) })
    }

    /// Maps the registers at the start of what a device has, as Device memory and for good. May sleep. `caller` is
    /// named to whoever wants another type there.
    ///
    /// # Errors
    ///
    /// [`IoremapError::TooFew`] and [`Misaligned`](IoremapError::Misaligned), and those of `ioremap`. Nothing is mapped
    /// then.
    ///
    /// # Safety
    ///
    /// 1. What lies at the start of `device` are registers that `R` describes.
    pub unsafe fn map_registers<R: Registers>(
        &self,
        device: PhysRange,
        caller: u32,
    ) -> Result<Mmio<R>, IoremapError> {
        let (phys, wanted) = (device.start(), Mmio::<R>::BYTES);
        if device.len() < u64::from(wanted) {
            return Err(IoremapError::TooFew(TooFewRegisters { registers: device, wanted }));
        }
        let used = PhysRange::new(phys, phys.saturating_add(u64::from(wanted)));
        let mapping = self.map(used, MemoryType::Device, caller)?;
        // SAFETY: 1. the caller says so; 2. they were mapped as a device just now, and if the address is good, for ever:
        // an owner's use ends with `IoMapping`, which is leaked, and no `iounmap` takes it away.
        let registers = unsafe { Mmio::new(mapping.start()) };
        let registers = registers.ok_or(IoremapError::Misaligned { phys })?;
        mapping.leak();
        Ok(registers)
    }
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> IoMapping<'_, '_, '_, '_, P, T, CPUS> {
    /// Where the range starts.
    #[must_use]
    pub const fn start(&self) -> VirtAddr {
        self.range.start()
    }

    /// Its addresses: the bytes that were asked for.
    #[must_use]
    pub const fn range(&self) -> VirtRange {
        self.range
    }

    /// Keeps it mapped for good: no [`iounmap`](IoMap::iounmap) of these addresses ends it.
    pub fn leak(self) -> VirtRange {
        let range = self.range;
        mem::forget(self);
        range
    }
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> Drop for IoMapping<'_, '_, '_, '_, P, T, CPUS> {
    fn drop(&mut self) {
        self.home.unmap_owned(self.range.start());
    }
}

impl<P: Lowmem, T: Mmu, const CPUS: usize> fmt::Debug for IoMapping<'_, '_, '_, '_, P, T, CPUS> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IoMapping({})", self.range)
    }
}
