//! What the memory core asks of the machine it runs on.
//!
//! One trait, dispatched statically: the kernel implements it with a handful of instructions, a host
//! test with threads for CPUs and a vector for memory. Nothing else comes into this crate from below,
//! and nothing is printed by it: what there is to say is handed out as a [`Report`].

use core::fmt;
use core::ptr::NonNull;

use crate::addr::{Order, Pfn, PhysAddr, VirtAddr};
use crate::dma::DmaFault;
use crate::frame::{FreeError, PageState};
use crate::kfence::{KfenceReport, PageGuard};
use crate::map::area::{Failure, RegionName};
use crate::map::kmap::WrongUnmap;
use crate::map::module_area::{FullRegions, ModuleAreaError};
use crate::map::vmalloc::{AreaError, VmallocError};
use crate::object::guarded::{Fault, LiveObject, ObjectState, Way};
use crate::object::{Busy, Name, ObjectError};
use crate::zone::Gfp;
use crate::zone::figures::MemoryFigures;

/// The machine beneath the page allocator.
pub trait Platform {
    /// Interrupts are masked on this CPU for as long as one lives. They nest, and end in the reverse
    /// order of their making.
    type Masked;

    /// Masks interrupts on this CPU. Any context.
    fn mask(&self) -> Self::Masked;

    /// The number of the CPU that runs this, below the allocator's `CPUS`. It stays the same for as long
    /// as interrupts are masked. No two CPUs may say the same: each would take the other's blocks.
    fn cpu(&self, masked: &Self::Masked) -> usize;

    /// A lock is held that this CPU, whose interrupts are masked, is about to wait for. On a machine
    /// with one CPU that can only be a handler that wants what it interrupted, and the lock will
    /// never be free: there, this does not return.
    fn contended(&self);

    /// Fills every byte of a block that nobody else uses, mapped or not. Any context.
    fn fill(&self, pfn: Pfn, order: Order, byte: u8);

    /// The first byte of a block that is not `byte`, and what it is. Any context.
    fn first_other_than(&self, pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)>;

    /// Zeroes every byte of a block that nobody else uses: what the quickest way is.
    fn zero(&self, pfn: Pfn, order: Order) {
        self.fill(pfn, order, 0);
    }

    /// The return address of the code outside the page allocator that called it; 0 if it is not known.
    /// Only asked when owners are tracked.
    fn call_site(&self) -> u32;

    /// Waits for memory to come free, in the context of a request that may sleep, without a lock held.
    ///
    /// Four wait here: a request for pages, one for an element of a pool that is empty, who destroys a
    /// cache, for the ticks of other CPUs, and who wants a slot of the pkmap when all are in use. Nobody calls the machine when what they wait for has come: so this
    /// must return after a tick at the latest, and may not sleep until it is woken. After
    /// [`Answer::Retry`] the caller looks for itself and waits again, with `round` one higher; whether it is
    /// served before others who wait is not promised.
    fn wait(&self, shortage: &Shortage) -> Answer;

    /// Something to be told to whoever watches the machine. No lock is held; interrupts may be masked
    /// by the caller of the allocator.
    fn report(&self, report: &Report<'_>);
}

/// A machine whose lowmem is mapped, so that what lies there can be read and written: what objects need.
pub trait Lowmem: Platform {
    /// The byte at `virt`, an address of the linear map. Any context.
    fn pointer(&self, virt: VirtAddr) -> NonNull<u8>;

    /// The address in the linear map of something that lies there: the reverse of
    /// [`pointer`](Self::pointer).
    fn address(&self, pointer: *const u8) -> VirtAddr;

    /// Ticks since boot, of whatever length, for the age of what is reported; 0 if nothing ticks.
    fn now(&self) -> u32;

    /// Who has single pages of the linear map fault; `None` if nobody can. Any context. The same for good as soon as
    /// there is one.
    fn page_guard(&self) -> Option<&dyn PageGuard> {
        None
    }

    /// Zeroes bytes of the linear map that nobody else uses, from a multiple of 8 on, and perhaps the rest of
    /// the last word. Any context.
    fn zero_bytes(&self, virt: VirtAddr, bytes: u32);
}

/// A request that found no memory, before it is given up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shortage {
    /// What it asked for.
    pub gfp: Gfp,
    /// How large a block.
    pub order: Order,
    /// How many rounds it has been through, from 0.
    pub round: u32,
    /// How many pages the shrinkers freed in this one.
    pub freed: u32,
}

/// Whether there is a point in trying again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Something may have changed.
    Retry,
    /// Nobody who could free memory will run.
    NobodyCanHelp,
}

/// What the memory core has to tell.
#[derive(Clone, Copy, Debug)]
pub enum Report<'r> {
    /// A request failed, and did not say `__GFP_NOWARN`.
    AllocationFailed {
        /// What it asked for.
        gfp: Gfp,
        /// How large a block.
        order: Order,
        /// The state of memory.
        figures: &'r MemoryFigures,
    },
    /// Somebody gave back what was not theirs. Nothing has changed.
    WrongFree {
        /// What was wrong.
        error: FreeError,
    },
    /// Somebody gave up a mapping that was not theirs. Nothing has changed.
    WrongUnmap {
        /// What was wrong.
        error: WrongUnmap,
    },
    /// Somebody has overwritten a descriptor in a CPU's stack. The blocks below are kept out of
    /// circulation.
    StackCut {
        /// Where the stack goes on.
        pfn: Pfn,
        /// What is there, which is no block of the stack; `None` if that is no memory.
        state: Option<PageState>,
    },
    /// Somebody gave back an object that was not theirs. Nothing has changed, unless the error says so.
    WrongObject {
        /// What was wrong.
        error: ObjectError<'r>,
    },
    /// Something is wrong with an object of a guarded cache.
    ObjectFault {
        /// The cache.
        cache: &'r Name,
        /// What is wrong.
        fault: Fault,
        /// The object.
        state: ObjectState,
    },
    /// Something is wrong with an object that lies in a guarded page, and it was found when that came back.
    Sampled {
        /// What.
        report: &'r KfenceReport,
    },
    /// An object of a cache with `SLAB_TRACE` came or went.
    ObjectTrace {
        /// The cache.
        cache: &'r Name,
        /// The object.
        object: VirtAddr,
        /// Which way.
        way: Way,
    },
    /// A cache was not destroyed, since objects of it are allocated.
    CacheBusy {
        /// The cache.
        cache: &'r Name,
        /// How many they are.
        busy: Busy,
        /// The first of them.
        live: &'r [LiveObject],
        /// The platform's ticks.
        now: u32,
    },
    /// Somebody used DMA memory wrongly.
    Dma {
        /// The device, or the pool of blocks for one.
        device: &'r str,
        /// What is wrong.
        fault: DmaFault,
    },
    /// Somebody wrote into a free block. It is kept out of circulation.
    WrittenWhileFree {
        /// The block.
        pfn: Pfn,
        /// Its size.
        order: Order,
        /// The first byte that is not poison.
        at: PhysAddr,
        /// What it is.
        found: u8,
        /// Who gave the block back last, if owners are tracked.
        freed_by: Option<u32>,
    },
    /// An area of a region was not made, or not made larger, and the request did not say `__GFP_NOWARN`.
    NoArea {
        /// The region.
        name: RegionName,
        /// What was asked for, in bytes.
        bytes: u32,
        /// The request's flags.
        gfp: Gfp,
        /// The return address in who asked; 0 if it is not known.
        caller: u32,
        /// Why.
        error: &'r VmallocError,
        /// What the region looks like, if it has no room.
        failure: Option<&'r Failure>,
    },
    /// An area for a module was not made, and the request did not say `__GFP_NOWARN`.
    NoModuleArea {
        /// What was asked for, in bytes.
        bytes: u32,
        /// The request's flags.
        gfp: Gfp,
        /// The return address in who asked; 0 if it is not known.
        caller: u32,
        /// What each region said.
        error: &'r ModuleAreaError,
        /// What those of them look like that have no room.
        full: FullRegions<'r>,
    },
    /// Somebody gave back an area that was not theirs. Nothing has changed.
    WrongArea {
        /// The region.
        name: RegionName,
        /// What was wrong.
        error: AreaError,
    },
}

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // Linux's line, without the name of a task before it. There is one node, so no request has a
            // mask of nodes.
            Self::AllocationFailed { gfp, order, .. } => write!(
                f,
                "page allocation failure: order:{order}, mode:{:#x}({gfp}), nodemask=(null)",
                gfp.bits()
            ),
            Self::WrongFree { error } => write!(f, "BUG: Bad page state: {error}"),
            Self::WrongUnmap { error } => write!(f, "BUG: kunmap: {error}"),
            Self::StackCut { pfn, state: Some(state) } => {
                write!(
                    f,
                    "BUG: Bad page state: a per-CPU stack goes on at pfn {pfn}, which is {state}"
                )
            }
            Self::StackCut { pfn, state: None } => {
                write!(f, "BUG: Bad page state: a per-CPU stack goes on at pfn {pfn}: no memory")
            }
            Self::WrongObject { error } => write!(f, "BUG: {error}"),
            Self::ObjectFault { cache, fault, .. } => {
                write!(f, "BUG {cache} (Not tainted): {fault}")
            }
            Self::Sampled { report } => report.fmt(f),
            Self::ObjectTrace { cache, object, way } => write!(f, "TRACE {cache} {way} {object}"),
            Self::CacheBusy { cache, busy, .. } => {
                write!(f, "kmem_cache_destroy {cache}: Slab cache still has objects: {busy}")
            }
            Self::Dma { device, fault } => write!(f, "DMA-API: {device}: {fault}"),
            Self::WrittenWhileFree { pfn, order, at, found, .. } => write!(
                f,
                "pagealloc: memory corruption: byte {found:#04x} at {at} in the free block of order \
                 {order} at pfn {pfn}, which is kept out of circulation"
            ),
            Self::NoArea { name, bytes, gfp, error, failure, .. } => {
                write!(
                    f,
                    "{name} allocation failure: {bytes} bytes, mode:{:#x}({gfp}): {error}",
                    gfp.bits()
                )?;
                failure.map_or(Ok(()), |failure| write!(f, "\n{failure}"))
            }
            Self::NoModuleArea { bytes, gfp, error, full, .. } => {
                write!(
                    f,
                    "module allocation failure: {bytes} bytes, mode:{:#x}({gfp}): {error}",
                    gfp.bits()
                )?;
                full.fmt(f)
            }
            Self::WrongArea { name, error } => write!(f, "BUG: bad free in {name}: {error}"),
        }
    }
}
