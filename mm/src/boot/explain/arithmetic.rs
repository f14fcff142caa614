//! Why lowmem ends where it ends: the sum that decides it, with this machine's numbers.
//!
//! ```text
//!    4 GiB − PAGE_OFFSET            kernel addresses
//!  − 4 GiB − VMALLOC_END            device tree, DMA, fixmap, vectors
//!  − vmalloc=                       kept for vmalloc
//!  − VMALLOC_OFFSET                 the gap between lowmem and vmalloc
//!  = addresses for the linear map, which begins at PHYS_OFFSET
//! ```

use super::{Inventory, Situation};
use crate::addr::{GIB, PhysAddr, PhysRange};
use crate::boot::layout::{Request, VMALLOC_END, VMALLOC_OFFSET};
use crate::boot::lowmem::vmalloc_limit;
use crate::param::{params, read_size};

/// All 32-bit addresses, in bytes.
const ADDRESS_SPACE: u64 = 4 * GIB;

/// The sum. Lengths in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arithmetic<'a> {
    /// The numbers that went in.
    pub request: Request,
    /// Where the vmalloc request is from.
    pub vmalloc_from: VmallocFrom<'a>,
    /// Addresses from `PAGE_OFFSET` to 4 GiB.
    pub kernel: u64,
    /// Addresses from the end of vmalloc to 4 GiB.
    pub above_vmalloc: u64,
    /// The gap that is kept between lowmem and vmalloc.
    pub gap: u64,
    /// What is left for the linear map.
    pub linear: u64,
    /// The physical address that lowmem must not pass.
    pub limit: PhysAddr,
    /// Where lowmem ends.
    pub lowmem_end: PhysAddr,
    /// Why there.
    pub because: Because,
}

/// Where the vmalloc request is from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VmallocFrom<'a> {
    /// The default.
    Default,
    /// A `vmalloc=` of this value.
    Given(&'a str),
    /// A `vmalloc=` of this value, which was too small or too big.
    Clamped(&'a str),
}

/// Why lowmem ends at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Because {
    /// RAM goes on, and the linear map has no more addresses.
    Limit,
    /// RAM ends there.
    RamEnds,
    /// No memory that may be mapped starts between there and the limit; the next starts here.
    Gap(PhysAddr),
}

impl<'a, I: Inventory> Situation<'a, '_, I> {
    /// The sum of this machine.
    #[must_use]
    pub fn arithmetic(&self) -> Arithmetic<'a> {
        let request = self.request();
        let lowmem_end = self.layout.lowmem_end;
        let limit = vmalloc_limit(request.split, request.phys_offset, request.vmalloc_bytes);
        let kernel = ADDRESS_SPACE - u64::from(request.split.page_offset().as_u32());
        let above_vmalloc = ADDRESS_SPACE - u64::from(VMALLOC_END.as_u32());
        let gap = u64::from(VMALLOC_OFFSET);
        let linear = limit.as_u64() - request.phys_offset.as_u64();
        let above = PhysRange::new(lowmem_end, PhysAddr::new(u64::MAX));
        let mapped = self.memblock.mapped_memory().chain(self.dropped);
        let next = mapped.filter_map(|block| block.intersection(&above)).map(|rest| rest.start());
        let because = match next.min() {
            None => Because::RamEnds,
            Some(_) if lowmem_end == limit => Because::Limit,
            Some(next) => Because::Gap(next),
        };
        Arithmetic {
            request,
            vmalloc_from: vmalloc_from(self.command_line, request.vmalloc_bytes),
            kernel,
            above_vmalloc,
            gap,
            linear,
            limit,
            lowmem_end,
            because,
        }
    }
}

/// The `vmalloc=` that led to `taken` bytes: the last one that has a value.
fn vmalloc_from(command_line: &str, taken: u32) -> VmallocFrom<'_> {
    let given = params(command_line).filter(|param| param.is("vmalloc"));
    match given.filter_map(|param| param.value).last() {
        None => VmallocFrom::Default,
        Some(value) if read_size(value).bytes == u64::from(taken) => VmallocFrom::Given(value),
        Some(value) => VmallocFrom::Clamped(value),
    }
}
