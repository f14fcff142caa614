//! What the page allocator has done to the memory of whole blocks: zeroed, poisoned, looked at.
//!
//! A block in lowmem is done in one go through the linear map, a block in HighMem page by page through
//! the [`window`]. A block lies in one zone (F2 of `docs/model.md`), so there is no third kind; if there
//! were, it would be done page by page.
//!
//! All of it in any context. In HighMem interrupts are masked for one page at a time.

use core::ops::ControlFlow;
use core::ptr;

use arch_arm::clear;
use mm::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr};

use crate::window;

/// Bytes that are compared at once.
const CHUNK_BYTES: usize = size_of::<[u32; 8]>();
const _: () = assert!((PAGE_SIZE as usize).is_multiple_of(CHUNK_BYTES));

/// Zeroes the block of `order` at `pfn`.
///
/// # Safety
///
/// As of [`fill`].
pub unsafe fn zero(pfn: Pfn, order: Order) {
    // SAFETY: the caller's duties are the same.
    unsafe { fill_words(pfn, order, 0) };
}

/// Puts `byte` into every byte of the block of `order` at `pfn`.
///
/// # Safety
///
/// 1. The block is memory that the page allocator was given.
/// 2. Nobody else uses it for as long as this runs.
pub unsafe fn fill(pfn: Pfn, order: Order, byte: u8) {
    // SAFETY: the caller's duties are the same.
    unsafe { fill_words(pfn, order, u32::from_ne_bytes([byte; 4])) };
}

/// Puts `word` into every word of the block of `order` at `pfn`.
///
/// # Safety
///
/// As of [`fill`].
unsafe fn fill_words(pfn: Pfn, order: Order, word: u32) {
    let fill_piece = |_, at, bytes| {
        // SAFETY: 1. the piece is mapped, and nobody else's (duty 2); 2. it is whole pages.
        unsafe { clear::fill(at, bytes, word) };
        ControlFlow::<()>::Continue(())
    };
    // SAFETY: 1. is duty 1; 2. the closure writes the piece and does no more.
    let done = unsafe { for_each_piece(pfn, order, fill_piece) };
    debug_assert!(done.is_continue());
}

/// The first byte of the block of `order` at `pfn` that is not `byte`: where it is, and what it is.
///
/// # Safety
///
/// As of [`fill`].
pub unsafe fn first_difference(pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)> {
    let look = |start: PhysAddr, at: *mut u8, bytes| {
        // SAFETY: 1. the piece is mapped, and nobody else's (duty 2); 2. it is whole pages.
        match unsafe { difference_in(at, bytes, byte) } {
            Some((offset, other)) => {
                ControlFlow::Break((start.saturating_add(offset as u64), other))
            }
            None => ControlFlow::Continue(()),
        }
    };
    // SAFETY: 1. is duty 1; 2. the closure reads the piece and does no more.
    unsafe { for_each_piece(pfn, order, look) }.break_value()
}

/// Gives `visit` the block piece by piece, until it breaks off: where the piece is in memory, where it
/// is mapped meanwhile, how many bytes it has. Pieces are whole pages.
///
/// # Safety
///
/// 1. The block is memory that the page allocator was given.
/// 2. `visit` keeps to the piece, does not let interrupts in, and keeps no pointer.
unsafe fn for_each_piece<B>(
    pfn: Pfn,
    order: Order,
    mut visit: impl FnMut(PhysAddr, *mut u8, usize) -> ControlFlow<B>,
) -> ControlFlow<B> {
    let block = PfnRange::new(pfn, pfn.saturating_add(order.pages()));
    if let Some(at) = window::in_linear_map(block.as_phys()) {
        return visit(pfn.start(), at, order.bytes() as usize);
    }
    block.iter().try_for_each(|page| {
        // SAFETY: 1. is the caller's first duty; 2. and 3. are the second.
        unsafe { window::with_page(page, |at| visit(page.start(), at, PAGE_SIZE as usize)) }
    })
}

/// The first of `bytes` bytes at `at` that is not `byte`: its offset, and what it is.
///
/// # Safety
///
/// 1. The bytes can be read, and nobody writes them for as long as this runs.
/// 2. `at` and `bytes` are multiples of [`CHUNK_BYTES`].
unsafe fn difference_in(at: *const u8, bytes: usize, byte: u8) -> Option<(usize, u8)> {
    let word = u32::from_ne_bytes([byte; 4]);
    let differs = |offset: &usize| {
        // SAFETY: an aligned chunk of the bytes (1, 2).
        let words = unsafe { ptr::read(at.add(*offset).cast::<[u32; CHUNK_BYTES / 4]>()) };
        words.iter().fold(0, |bits, &read| bits | (read ^ word)) != 0
    };
    let chunk = (0..bytes).step_by(CHUNK_BYTES).find(differs)?;
    (chunk..chunk + CHUNK_BYTES).find_map(|offset| {
        // SAFETY: one of the bytes (1).
        let other = unsafe { ptr::read(at.add(offset)) };
        (other != byte).then_some((offset, other))
    })
}
