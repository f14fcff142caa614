//! What the page allocator asks of the machine, answered by this kernel.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};

use arch_arm::clear;
use arch_arm::interrupt::{self, MaskGuard};
use mm::addr::{Order, Pfn, PhysAddr, VirtAddr};
use mm::kfence::PageGuard;
use mm::map::module_area::FullRegions;
use mm::platform::{Answer, Lowmem, Platform, Report, Shortage};
use mm::report::{self as text, show_mem, slab_bug};

use crate::console::{self, Out, print, println};
use crate::interrupts::tick;
use crate::kfence;
use crate::kmap;
use crate::report;

/// The machine, of which there is one.
#[derive(Clone, Copy, Debug)]
pub struct Hardware;

/// The CPU that runs. There is no other yet.
const CPU: usize = 0;

impl Platform for Hardware {
    type Masked = MaskGuard;

    #[inline(always)]
    fn mask(&self) -> MaskGuard {
        interrupt::mask()
    }

    #[inline(always)]
    fn cpu(&self, _: &MaskGuard) -> usize {
        CPU
    }

    /// With one CPU, whoever holds the lock was interrupted and waits for this one: nobody ever lets go.
    #[cold]
    fn contended(&self) {
        panic!("the page allocator was interrupted under its lock, by code that wants it");
    }

    fn fill(&self, pfn: Pfn, order: Order, byte: u8) {
        // SAFETY: 1. the allocator asks for blocks that it was given; 2. and that nobody uses.
        unsafe { kmap::fill(pfn, order, byte) };
    }

    fn zero(&self, pfn: Pfn, order: Order) {
        // SAFETY: as in `fill`.
        unsafe { kmap::zero(pfn, order) };
    }

    fn first_other_than(&self, pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)> {
        // SAFETY: as in `fill`.
        unsafe { kmap::first_difference(pfn, order, byte) }
    }

    fn call_site(&self) -> u32 {
        report::call_site()
    }

    /// There are no threads, so only the shrinkers and interrupt handlers can free anything. The allocator
    /// has called the shrinkers before it asks, and does so in each round. Handlers need no call: the
    /// allocator masks nothing here, so what is pending is handled before its next try.
    ///
    /// So one more round is worth it after one that freed a page; and after the first one, for what handlers
    /// free, unless the caller keeps interrupts out. Then there is nobody left.
    fn wait(&self, shortage: &Shortage) -> Answer {
        let handlers_may_help = shortage.round == 0 && !interrupt::are_masked();
        if shortage.freed > 0 || handlers_may_help { Answer::Retry } else { Answer::NobodyCanHelp }
    }

    fn report(&self, report: &Report<'_>) {
        let limit = match report {
            Report::AllocationFailed { .. }
            | Report::NoArea { .. }
            | Report::NoModuleArea { .. } => &FAILURES,
            Report::WrongFree { .. } | Report::StackCut { .. } | Report::WrongArea { .. } => {
                &WRONG_FREES
            }
            Report::WrongUnmap { .. } => &WRONG_UNMAPS,
            Report::WrongObject { .. } | Report::ObjectFault { .. } => &WRONG_OBJECTS,
            // Each closes its page, or ends with the object: there are no more than objects come and go.
            Report::Sampled { .. } => &SAMPLED,
            // Few caches end, and what keeps one is said once: no free of an object may hide it.
            Report::CacheBusy { .. } => &BUSY_CACHES,
            Report::Dma { .. } => &DMA_FAULTS,
            Report::ObjectTrace { .. } => {
                println!("{report}");
                return;
            }
            Report::WrittenWhileFree { .. } => &WRITES,
        };
        if !limit.one_more() {
            return;
        }
        // A module's line may be open.
        console::end_line();
        let site = |out: &mut dyn fmt::Write, site| write!(out, "{}", Site(site));
        if let Report::ObjectFault { cache, fault, state } = report {
            // SAFETY: the object's slab is in the linear map. Whoever writes there writes bytes.
            let byte = |at: VirtAddr| unsafe { self.pointer(at).read_volatile() };
            // The console can not fail.
            let _ = slab_bug::write(&mut Out, cache, fault, state, &byte, &site);
        } else if let Report::Sampled { report } = report {
            // The console can not fail.
            let _ = text::kfence::write(&mut Out, report, &site);
        } else if let Report::NoArea { name, bytes, gfp, caller, error, failure: Some(failure) } =
            *report
        {
            println!("{}", Report::NoArea { name, bytes, gfp, caller, error, failure: None });
            // The console can not fail.
            let _ = failure.write(&mut Out, &site);
            println!();
        } else if let Report::NoModuleArea { bytes, gfp, caller, error, full } = *report {
            let bare = FullRegions::NONE;
            print!("{}", Report::NoModuleArea { bytes, gfp, caller, error, full: bare });
            let _ = full.write(&mut Out, &site);
            println!();
        } else {
            println!("{report}");
        }
        match report {
            Report::AllocationFailed { figures, .. } => {
                println!("Call site: {}", Site(self.call_site()));
                // The console can not fail.
                let _ = show_mem::write(&mut Out, figures, CPU as u32);
            }
            Report::WrongFree { .. }
            | Report::WrongUnmap { .. }
            | Report::StackCut { .. }
            | Report::WrongObject { .. }
            | Report::ObjectFault { .. }
            | Report::WrongArea { .. }
            | Report::Dma { .. } => {
                println!("Call site: {}", Site(self.call_site()))
            }
            Report::CacheBusy { busy, live, now, .. } => {
                // The console can not fail.
                let _ = slab_bug::write_live(&mut Out, live, busy.objects, *now, &site);
                println!("Call site: {}", Site(self.call_site()));
            }
            Report::ObjectTrace { .. } | Report::Sampled { .. } => {}
            Report::NoArea { caller, .. } | Report::NoModuleArea { caller, .. } => {
                println!("Call site: {}", Site(*caller))
            }
            Report::WrittenWhileFree { freed_by, .. } => {
                if let Some(site) = *freed_by {
                    println!("Last freed by: {}", Site(site));
                }
            }
        }
    }
}

impl Lowmem for Hardware {
    #[inline(always)]
    fn pointer(&self, virt: VirtAddr) -> NonNull<u8> {
        debug_assert!(virt.as_u32() != 0);
        let pointer = virt.as_u32() as *mut u8;
        // SAFETY: the linear map does not begin at 0.
        unsafe { NonNull::new_unchecked(pointer) }
    }

    #[inline(always)]
    fn address(&self, pointer: *const u8) -> VirtAddr {
        VirtAddr::new(pointer as u32)
    }

    fn now(&self) -> u32 {
        tick::figures().ticks as u32
    }

    fn page_guard(&self) -> Option<&dyn PageGuard> {
        kfence::guard()
    }

    fn zero_bytes(&self, virt: VirtAddr, bytes: u32) {
        let bytes = bytes.next_multiple_of(4) as usize;
        // SAFETY: 1. the caller's, in the linear map; 2. objects begin at a multiple of 8, and have whole
        // words.
        unsafe { clear::clear(virt.as_u32() as *mut u8, bytes) };
    }
}

/// A return address, as a name if it has one.
pub struct Site(pub u32);

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let site = VirtAddr::new(self.0);
        match report::function_at(site) {
            Some(caller) => write!(f, "{site} in {caller}"),
            None => write!(f, "{site}"),
        }
    }
}

/// Reports of each kind in one period of so many ticks, as Linux has it: ten in five seconds.
const PERIOD_TICKS: u64 = 5 * tick::HZ.get() as u64;
const REPORTS: u64 = 10;

/// Keeps a machine that is short of memory for long from doing nothing but say so. Each kind of report
/// has its own: a mistake that comes after many failures, or many mistakes of another kind, is seen.
struct RateLimit {
    /// What there are too many of, for the line that says so.
    what: &'static str,
    /// The period's number, and how many reports there were in it: 32 bits each.
    state: AtomicU64,
}

static FAILURES: RateLimit = RateLimit::new("page allocation failures");
static WRONG_FREES: RateLimit = RateLimit::new("wrong frees");
static WRONG_UNMAPS: RateLimit = RateLimit::new("wrong kunmaps");
static WRONG_OBJECTS: RateLimit = RateLimit::new("wrong frees of objects");
static SAMPLED: RateLimit = RateLimit::new("mistakes with guarded pages");
static DMA_FAULTS: RateLimit = RateLimit::new("wrong uses of DMA memory");
static BUSY_CACHES: RateLimit = RateLimit::new("caches that can not be destroyed");
static WRITES: RateLimit = RateLimit::new("writes into free pages");

impl RateLimit {
    const fn new(what: &'static str) -> Self {
        Self { what, state: AtomicU64::new(0) }
    }

    /// May one more be made? The first that may not is announced.
    fn one_more(&self) -> bool {
        let ticks = tick::figures().ticks;
        if ticks == 0 {
            // Nothing ticks, or not yet: the period might never end, and all but its first reports be lost.
            return true;
        }
        let period = ticks / PERIOD_TICKS;
        let count =
            |state: u64| if state >> 32 == period { state & u64::from(u32::MAX) } else { 0 };
        let next = |state: u64| Some(period << 32 | (count(state) + 1).min(REPORTS + 1));
        let Ok(before) = self.state.fetch_update(Ordering::Relaxed, Ordering::Relaxed, next) else {
            return true;
        };
        match count(before) {
            REPORTS => {
                println!("reports: more {} are left out for some seconds", self.what);
                false
            }
            more if more > REPORTS => false,
            _ => true,
        }
    }
}
