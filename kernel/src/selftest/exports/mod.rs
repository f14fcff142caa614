//! Suite `exports`: a module's functions, found by their C names and called as C declares them.
//!
//! The declarations are made here a second time, from the headers under `include/`, so that a signature that is not the
//! kernel's own is a failed check. Some checks give back what is not theirs, or ask for what there is not: those are
//! reported, which is no sign of a fault.

mod memory;
mod objects;
mod printf;
mod runtime;
mod text;

use mm::addr::VirtAddr;

use super::Checks;
use super::ledger::Ledger;
use crate::monitor::Kernel;
use crate::{dma, exports, image};

/// `GFP_KERNEL`, without reports.
const GFP_KERNEL: u32 = 0xcc0 | 0x2000;
/// `__GFP_ZERO`.
const GFP_ZERO: u32 = 0x100;

/// A structure of functions by their C names, with the types that C declares.
macro_rules! functions {
    ($(#[$doc:meta])* $family:ident { $($name:ident: fn($($argument:ty),*) $(-> $result:ty)?;)+ }) => {
        $(#[$doc])*
        struct $family {
            $($name: unsafe extern "C" fn($($argument),*) $(-> $result)?,)+
        }

        impl $family {
            /// Finds all of them; a name that there is not is a failed check.
            fn find(checks: &mut $crate::selftest::Checks) -> Option<Self> {
                Some(Self {
                    $($name: {
                        let at = $crate::selftest::exports::address(checks, stringify!($name))?;
                        // SAFETY: it is the function of this name, and C calls it with these types.
                        unsafe { core::mem::transmute::<*const (), unsafe extern "C" fn($($argument),*) $(-> $result)?>(at) }
                    },)+
                })
            }
        }
    };
}
use functions;

/// Where a function is.
fn address(checks: &mut Checks, name: &str) -> Option<*const ()> {
    let found = exports::find(name);
    checks.that(found.is_some(), format_args!("{name} is not exported"));
    found.map(|at| at.as_u32() as *const ())
}

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    table(checks);
    text::run(checks);
    printf::run(checks);
    runtime::run(checks);
    if kernel.pages.injects_failures() || kernel.slabs.injects_failures() {
        // What needs no memory has been checked.
        return;
    }
    settle(kernel);
    let ledger = Ledger::open(kernel.pages);
    let areas = kernel.vmalloc.figures().areas;
    let slabs_before = kernel.slabs.caches().count();
    objects::run(kernel, checks);
    memory::run(kernel, checks);
    text::copies(checks);
    printf::allocated(checks);
    settle(kernel);
    checks.equal(kernel.vmalloc.figures().areas, areas, format_args!("areas"));
    checks.equal(kernel.slabs.caches().count(), slabs_before, format_args!("caches"));
    ledger.check(checks, format_args!("at the end"));
}

/// Nothing is kept for later that could be given back now.
fn settle(kernel: &Kernel) {
    use mm::zone::shrink::Shrinker;
    if let Some(pkmap) = crate::kmap::pkmap() {
        pkmap.flush_unused();
    }
    kernel.vmalloc.make_room();
    if let Some(dma) = dma::get() {
        dma.shrink(u32::MAX, mm::zone::Gfp::GFP_KERNEL);
    }
    kernel.slabs.shrink_all();
}

/// Each function is found by its name, and by no other; each is code of the kernel's.
fn table(checks: &mut Checks) {
    let mut last = "";
    for export in exports::iter() {
        let (name, at) = (export.name, export.address());
        checks.that(last < name, format_args!("{last} comes before {name}"));
        checks.equal(exports::find(name), Some(at), format_args!("{name}"));
        let is_code = image::text().contains(at) && at.is_aligned(4);
        checks.that(is_code, format_args!("{name} is at {at}, which is no code of the kernel's"));
        last = name;
        let mut longer = arrayvec::ArrayString::<64>::new();
        // No name is so long.
        let _ = longer.try_push_str(name).and_then(|()| longer.try_push_str("\0"));
        checks.equal(exports::find(&longer), None, format_args!("{name} and a byte more"));
    }
    for name in ["", "A", "kmallo", "kmallocx", "KMALLOC", "~"] {
        checks.equal(exports::find(name), None, format_args!("'{name}'"));
    }
}

/// Writes bytes to memory that a function gave, and reads them back.
///
/// # Safety
///
/// 1. So many bytes are there, and nobody else's.
unsafe fn holds(at: *mut u8, bytes: u32) -> bool {
    let value = |offset: u32| (offset ^ offset >> 8) as u8 ^ 0x5a;
    for offset in 0..bytes {
        // SAFETY: 1. the caller's.
        unsafe { at.add(offset as usize).write_volatile(value(offset)) };
    }
    // SAFETY: 1. the caller's.
    (0..bytes).all(|offset| unsafe { at.add(offset as usize).read_volatile() } == value(offset))
}

/// Is each of so many bytes this one?
///
/// # Safety
///
/// 1. So many bytes are there.
unsafe fn is_filled(at: *const u8, bytes: u32, byte: u8) -> bool {
    // SAFETY: 1. the caller's.
    (0..bytes).all(|offset| unsafe { at.add(offset as usize).read_volatile() } == byte)
}

/// An address of C's.
fn virt<T>(pointer: *const T) -> VirtAddr {
    VirtAddr::new(pointer as u32)
}
