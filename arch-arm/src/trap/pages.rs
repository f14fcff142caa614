//! What the two pages at the top of the address space hold.
//!
//! ```text
//! 0xffff0000  vector page: user mode reads and executes it
//!       0000  8 vectors: ldr pc, [pc, #…], each from a word of the next page
//!       0020  undefined instructions
//!       0f60  the kuser helpers, to the end
//! 0xffff1000  stubs page: the kernel's own
//!       1000  address of the stub of svc; Linux has its handler of system calls here
//!       1004  of undefined instructions     1010  of data aborts       101c  of FIQs
//!       100c  of prefetch aborts            1018  of IRQs
//!       …     undefined instructions
//! ```
//!
//! A load reaches just over a page, so each vector finds its word at the same distance from it, but
//! for that of svc, whose word has to be the first. Hardware fetches a vector in a privileged mode,
//! which may read the stubs page; user mode that jumps to one gets a fault.
//!
//! Invariant: no word of the vector page depends on where the kernel is.

use super::ExceptionKind;
use super::kuser;
use mm::addr::PAGE_SIZE;
use mm::boot::layout::{STUBS, VECTORS};

/// Undefined in ARM state, and in Thumb state from its first half: what stands in place of code
/// that nobody may reach. Linux fills these pages with the same word.
pub const UNDEFINED_INSTRUCTION: u32 = 0xe7fd_def1;

/// Words of a page.
pub const PAGE_WORDS: usize = PAGE_SIZE as usize / 4;

const _: () = assert!(VECTORS.start().as_u32() + PAGE_SIZE == STUBS.start().as_u32());

/// The exception of the vector at word `index`; `None` for reset, for HYP mode's and beyond.
const fn kind(index: usize) -> Option<ExceptionKind> {
    Some(match index {
        1 => ExceptionKind::Undefined,
        2 => ExceptionKind::SupervisorCall,
        3 => ExceptionKind::PrefetchAbort,
        4 => ExceptionKind::DataAbort,
        6 => ExceptionKind::Irq,
        7 => ExceptionKind::Fiq,
        _ => return None,
    })
}

/// The word of the stubs page with the address of `kind`'s stub.
const fn slot(kind: ExceptionKind) -> usize {
    match kind {
        ExceptionKind::SupervisorCall => 0,
        kind => kind as usize,
    }
}

/// `ldr pc, [pc, #…]` from the word of the stubs page that belongs to the vector of `kind`.
const fn vector(kind: ExceptionKind) -> u32 {
    // pc reads as the address of the vector and 8.
    let offset = PAGE_SIZE + 4 * slot(kind) as u32 - (4 * kind as u32 + 8);
    assert!(offset < 1 << 12);
    0xe59f_f000 | offset
}

/// The words of the vector page, which ends with `helpers` ([`kuser`]).
pub fn vector_page(helpers: &[u32; kuser::WORDS]) -> impl Iterator<Item = u32> {
    let code = (0..PAGE_WORDS - kuser::WORDS)
        .map(|index| kind(index).map_or(UNDEFINED_INSTRUCTION, vector));
    code.chain(helpers.iter().copied())
}

/// The words of the stubs page, `stub` being the virtual address that each exception goes to.
pub fn stubs_page(stub: impl Fn(ExceptionKind) -> u32) -> impl Iterator<Item = u32> {
    (0..PAGE_WORDS).map(move |index| {
        let owner = (0..8).filter_map(kind).find(|kind| slot(*kind) == index);
        owner.map_or(UNDEFINED_INSTRUCTION, &stub)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELPERS: [u32; kuser::WORDS] = {
        let mut words = [0; kuser::WORDS];
        let mut n = 0;
        while n < words.len() {
            words[n] = 0x5500_0000 + n as u32;
            n += 1;
        }
        words
    };

    fn both() -> (Vec<u32>, Vec<u32>) {
        let stub = |kind| 0xc020_0000 + kind as u32;
        (vector_page(&HELPERS).collect(), stubs_page(stub).collect())
    }

    #[test]
    fn both_fill_a_page() {
        let (vectors, stubs) = both();
        assert_eq!((vectors.len(), stubs.len()), (PAGE_WORDS, PAGE_WORDS));
    }

    #[test]
    fn every_vector_loads_the_address_of_its_own_stub() {
        let (vectors, stubs) = both();
        for (index, kind) in [
            (1, ExceptionKind::Undefined),
            (2, ExceptionKind::SupervisorCall),
            (3, ExceptionKind::PrefetchAbort),
            (4, ExceptionKind::DataAbort),
            (6, ExceptionKind::Irq),
            (7, ExceptionKind::Fiq),
        ] {
            // ldr pc, [pc, #+offset], encoding A1 (ARM DDI 0406C, A8.8.64).
            let (opcode, offset) = (vectors[index] & !0xfff, vectors[index] & 0xfff);
            assert_eq!(opcode, 0xe59f_f000, "{kind}");
            let from = index as u32 * 4 + 8 + offset - PAGE_SIZE;
            assert_eq!(stubs[from as usize / 4], 0xc020_0000 + kind as u32, "{kind}");
        }
        // As Linux has it.
        assert_eq!(vectors[2], 0xe59f_fff0);
        assert_eq!(stubs[0], 0xc020_0000 + ExceptionKind::SupervisorCall as u32);
    }

    #[test]
    fn what_is_not_used_is_undefined() {
        let (vectors, stubs) = both();
        for index in [0, 5].into_iter().chain(8..0xf60 / 4) {
            assert_eq!(vectors[index], 0xe7fd_def1, "{index}");
        }
        for index in [2, 5].into_iter().chain(8..PAGE_WORDS) {
            assert_eq!(stubs[index], 0xe7fd_def1, "{index}");
        }
    }

    #[test]
    fn the_helpers_end_the_vector_page() {
        let first = (kuser::CMPXCHG64.as_u32() - VECTORS.start().as_u32()) as usize / 4;
        assert_eq!(both().0[first..], HELPERS);
    }
}
