//! Suite `kfence`: real mistakes with objects in guarded pages are found, each once, and the kernel goes on.
//!
//! Each is reported, which is no sign of a fault. The cases are those of Linux's `kfence_test`.

use core::hint::black_box;
use core::ptr::NonNull;

use mm::addr::{PAGE_SIZE, VirtAddr};
use mm::object::SlabFlags;
use mm::zone::Gfp;

use super::Checks;
use crate::monitor::Kernel;
use crate::slabs::{self, Cache, Slabs};

/// Also while requests for objects fail on purpose.
const KERNEL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN).union(Gfp::__GFP_NOFAIL);
/// Bytes of an object: no whole words, and behind them no whole line.
const BYTES: u32 = 73;

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let slabs = kernel.slabs;
    if slabs.kfence_pool().objects() == 0 {
        return checks.skip("no kfence.sample_interval= on the command line");
    }
    if slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    // Whose turn it is, is said here.
    let interval = slabs.kfence_figures().interval;
    slabs.set_sample_interval(0);
    match slabs.create("selftest", BYTES, 0, SlabFlags::SLAB_NO_MERGE, None) {
        Ok(cache) => {
            Suite { slabs, cache, checks }.all();
            // SAFETY: 1. created above; 2. and 3. nobody uses it any more.
            let destroyed = unsafe { slabs.destroy(cache) };
            checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
        }
        Err(error) => checks.that(false, format_args!("{error}")),
    }
    constructed(slabs, checks);
    let valid = slabs.validate();
    checks.that(valid.is_ok(), format_args!("{valid:?}"));
    slabs.set_sample_interval(interval);
}

struct Suite<'s, 'c> {
    slabs: &'s Slabs,
    cache: &'s Cache,
    checks: &'c mut Checks,
}

impl Suite<'_, '_> {
    fn all(&mut self) {
        self.out_of_bounds();
        self.use_after_free();
        self.wrong_frees();
        self.corruption();
        self.zeroes();
    }

    /// An object of the pool.
    #[inline(never)]
    fn take(&mut self, gfp: Gfp) -> VirtAddr {
        self.slabs.sample_next(self.cache);
        let object = slabs::take(self.slabs, self.cache, gfp).result().unwrap_or_default();
        let is_of_pool = self.slabs.kfence_pool().object_at(object).is_some();
        self.checks.that(is_of_pool, format_args!("{object} is not of the pool"));
        object
    }

    /// One that begins with its page, or one that does not.
    fn take_at(&mut self, is_wanted: impl Fn(VirtAddr) -> bool) -> VirtAddr {
        for _ in 0..64 {
            let object = self.take(KERNEL);
            if is_wanted(object) {
                return object;
            }
            self.give(object);
        }
        self.checks.that(false, format_args!("all objects lie at one end of their pages"));
        self.take(KERNEL)
    }

    #[inline(never)]
    fn give(&mut self, object: VirtAddr) -> bool {
        // SAFETY: 1. it was taken here, or must be refused; 2. who uses it is to be found; 3. there is no
        // constructor.
        unsafe { slabs::give(self.slabs, self.cache, object) }.is_ok()
    }

    /// As [`give`](Self::give), of an object that is ours.
    fn ends(&mut self, object: VirtAddr) {
        let is_given = self.give(object);
        self.checks.that(is_given, format_args!("{object} was not given back"));
    }

    /// `mistake` is found, once.
    fn finds<R>(&mut self, what: &str, mistake: impl FnOnce(&mut Self) -> R) -> R {
        let before = self.slabs.kfence_figures().bugs;
        let result = mistake(self);
        let found = self.slabs.kfence_figures().bugs - before;
        self.checks.equal(found, 1, format_args!("reports of {what}"));
        result
    }

    fn out_of_bounds(&mut self) {
        let object = self.take_at(|object| object.is_aligned(PAGE_SIZE));
        let before = plus(object, -1);
        self.finds("a read before an object", |_| read(before));
        // The page is open now.
        read(before);
        self.ends(object);

        let object = self.take_at(|object| !object.is_aligned(PAGE_SIZE));
        let behind = plus(object.align_down(PAGE_SIZE), PAGE_SIZE as i32);
        self.finds("a write behind an object", |_| write(behind, 0x41));
        self.checks.equal(read(behind), 0x41, format_args!("what was written there"));
        self.ends(object);
        self.finds("a read behind it once more", |_| read(behind));
    }

    fn use_after_free(&mut self) {
        let object = self.take(KERNEL);
        write(object, 0x17);
        self.ends(object);
        let seen = self.finds("a read of a free object", |_| read(object));
        self.checks.equal(seen, 0x17, format_args!("what was there"));
        let object = self.take(KERNEL);
        self.ends(object);
        self.finds("a write to a free object", |_| write(plus(object, 8), 1));
    }

    fn wrong_frees(&mut self) {
        let object = self.take(KERNEL);
        let inside = self.finds("a free of no object", |this| this.give(plus(object, 1)));
        let first = self.give(object);
        let second = self.finds("a second free", |this| this.give(object));
        self.checks.equal([inside, first, second], [false, true, false], format_args!("frees"));
    }

    /// A byte on either side, in the object's page.
    fn corruption(&mut self) {
        let object = self.take(KERNEL);
        write(plus(object, BYTES as i32), 0);
        self.finds("a write behind an object, in its page", |this| this.give(object));
        let object = self.take_at(|object| !object.is_aligned(PAGE_SIZE));
        write(plus(object, -1), 0);
        self.finds("a write before an object, in its page", |this| this.give(object));
    }

    fn zeroes(&mut self) {
        for _ in 0..4 {
            let object = self.take(KERNEL | Gfp::__GFP_ZERO);
            let is_zero = (0..BYTES).all(|offset| read(plus(object, offset as i32)) == 0);
            self.checks.that(is_zero, format_args!("{object} is not zeroed"));
            (0..BYTES).for_each(|offset| write(plus(object, offset as i32), 0xaa));
            let bugs = self.slabs.kfence_figures().bugs;
            self.give(object);
            self.checks.equal(self.slabs.kfence_figures().bugs, bugs, format_args!("mistakes"));
        }
    }
}

/// What a constructor makes is there.
fn constructed(slabs: &Slabs, checks: &mut Checks) {
    let cache = match slabs.create("selftest", 48, 0, SlabFlags::empty(), Some(construct)) {
        Ok(cache) => cache,
        Err(error) => return checks.that(false, format_args!("{error}")),
    };
    slabs.sample_next(cache);
    let object = slabs::take(slabs, cache, KERNEL).result().unwrap_or_default();
    let is_made = slabs.kfence_pool().object_at(object).is_some()
        && (0..48).all(|offset| read(plus(object, offset)) == b'x');
    checks.that(is_made, format_args!("{object} is no object of the pool that was constructed"));
    // SAFETY: 1. taken above; 2. nobody looks at it any more; 3. it is as it was.
    let given = unsafe { slabs::give(slabs, cache, object) };
    // SAFETY: 1. created above; 2. and 3. nobody uses it any more.
    let destroyed = unsafe { slabs.destroy(cache) };
    checks.that(given.is_ok() && destroyed.is_ok(), format_args!("{given:?}, {destroyed:?}"));
}

/// # Safety
///
/// 1. The object has 48 bytes.
unsafe extern "C" fn construct(object: NonNull<u8>) {
    // SAFETY: 1.
    unsafe { object.write_bytes(b'x', 48) };
}

fn plus(at: VirtAddr, bytes: i32) -> VirtAddr {
    VirtAddr::new(at.as_u32().wrapping_add_signed(bytes))
}

/// Reads a byte of the pool, allowed or not.
#[inline(never)]
fn read(at: VirtAddr) -> u8 {
    // SAFETY: the pool is memory that is mapped, or faults; then the handler opens the page.
    black_box(unsafe { (at.as_u32() as *const u8).read_volatile() })
}

/// Writes a byte of the pool, allowed or not.
#[inline(never)]
fn write(at: VirtAddr, byte: u8) {
    // SAFETY: as in `read`. Nobody else has what lies there.
    unsafe { (at.as_u32() as *mut u8).write_volatile(byte) };
}
