//! The move of the image to its place: the code that copies runs with the MMU off, from a page that
//! no copy overwrites, and ends by entering the image anew.
//!
//! Nothing of the first entry survives but what the job carries, so that the kernel can start from
//! nothing a second time. `.data` is copied as it is by then: until the move, the kernel changes
//! nothing in it that a second start would mind.

use core::arch::global_asm;
use core::ptr;

use mm::boot::relocate::CopyStep;

unsafe extern "C" {
    fn vmsplit_leave_caches(target: u32) -> !;
    static __mover_start: u8;
    static __mover_job: u8;
    static __mover_end: u8;
    static _entry_moved: u8;
    static __image_start: u8;
}

/// The most copies one move can have.
pub const MAX_COPIES: usize = 3;

global_asm!(
    include_str!("mover.s"),
    job_bytes = const size_of::<MoveJob>(),
    clean_invalidate_all = sym crate::cache::clean_invalidate_all,
);

/// What the copying code reads, in the order in which it reads it. Physical addresses.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct MoveJob {
    dtb: u32,
    moved_initrd: u32,
    entry: u32,
    copies: u32,
    steps: [[u32; 3]; MAX_COPIES],
}

impl MoveJob {
    /// The job of making `steps` and entering the image at `image`, with the device tree at `dtb`
    /// and, if it was moved, the initrd at `moved_initrd` (else 0).
    ///
    /// `None` when a step reaches beyond 4 GiB or there are more than [`MAX_COPIES`].
    #[must_use]
    pub fn new(steps: &[CopyStep], image: u32, dtb: u32, moved_initrd: u32) -> Option<Self> {
        // SAFETY: only the addresses of two linker symbols are taken.
        let offset = unsafe { (&raw const _entry_moved).offset_from(&raw const __image_start) };
        let entry = image.checked_add(offset as u32)?;
        let copies = steps.len() as u32;
        let mut job = Self { dtb, moved_initrd, entry, copies, steps: [[0; 3]; MAX_COPIES] };
        if steps.len() > MAX_COPIES {
            return None;
        }
        for (words, step) in job.steps.iter_mut().zip(steps) {
            let len = u32::try_from(step.from.len()).ok()?;
            let from = step.from.start().as_u32()?;
            let to = step.to.as_u32()?;
            let fits = |start: u32| u64::from(start) + u64::from(len) <= 1 << 32;
            if !fits(from) || !fits(to) {
                return None;
            }
            *words = [from, to, len];
        }
        Some(job)
    }
}

/// Carries out `job` from the page at `stub` and enters the image anew.
///
/// # Safety
///
/// 1. `stub` is a page of RAM that nothing else uses, mapped at its physical address, writable and
///    executable, and none of the job's copies reads or writes it.
/// 2. The job's copies overwrite nothing that the second start needs; no other CPU and no device
///    uses the memory they touch.
/// 3. Interrupts are masked.
pub unsafe fn move_and_restart(stub: *mut u8, job: &MoveJob) -> ! {
    let start = &raw const __mover_start;
    // SAFETY: the three symbols bound one object, the copying code with room for its job behind it,
    // and the page at `stub` is writable and large enough (duty 1).
    unsafe {
        let len = (&raw const __mover_end).offset_from(start) as usize;
        let job_at = (&raw const __mover_job).offset_from(start) as usize;
        ptr::copy_nonoverlapping(start, stub, len);
        ptr::copy_nonoverlapping(
            ptr::from_ref(job).cast::<u8>(),
            stub.add(job_at),
            size_of::<MoveJob>(),
        );
    }
    // SAFETY: the target is the copy made above, valid with the MMU on and off (duty 1), and what
    // follows is the move that duties 2 and 3 allow.
    unsafe { vmsplit_leave_caches(stub as u32) }
}
