//! Zones: which frames a device, the kernel or a user page may have, and the page allocator over them.
//!
//! | file | idea |
//! |---|---|
//! | [`span`] | which frames are in which zone |
//! | [`gfp`] | what a request says about itself |
//! | [`page_alloc`] | the allocator: zones and per-CPU stacks over one frame table; the quick paths |
//! | `take`, `give` | the ways from and to the zones, when a stack does not do |
//! | `slow_path` | when every zone is short |
//! | [`shrink`] | who can free memory then |
//! | `request`, `state` | a request taken apart; one zone at work |
//! | [`block`], [`bulk`], [`range`], [`raw`] | owned blocks, many at once, sizes that are no power of two, and the forms for C |
//! | `hold` | references by any frame of a block |
//! | `park` | allocated blocks that are set aside in a pool |
//! | [`watermark`] | how much each zone keeps back |
//! | [`debug`] | poison, owners, made-up failures ([`fault`](crate::fault)) |
//! | [`figures`] | the figures of one moment, for reports |
//! | [`owner`] | one page with all that is known of it, and who holds what |
//! | [`validate`] | checks that every page is accounted for |
//!
//! # An allocator on the host
//!
//! A machine of vectors: 64 MiB of memory, one zone, one CPU that nothing interrupts.
//!
//! ```
//! use std::{error::Error, iter, ops::Range, sync::Mutex};
//!
//! use mm::addr::{Order, PAGE_SIZE, Pfn, PfnRange, PhysAddr};
//! use mm::frame::{FrameTable, Page, PageBlocks};
//! use mm::platform::{Answer, Platform, Report, Shortage};
//! use mm::sync::AtomicU8;
//! use mm::zone::{Gfp, PageAllocator, ZoneKind, ZoneSpan};
//!
//! const PAGES: u32 = 16 * 1024;
//! const FIRST: Pfn = Pfn::new(0x40000);
//!
//! struct Machine {
//!     memory: Mutex<Vec<u8>>,
//! }
//!
//! fn bytes(pfn: Pfn, order: Order) -> Range<usize> {
//!     let start = (pfn.as_u32() - FIRST.as_u32()) * PAGE_SIZE;
//!     start as usize..(start + order.pages() * PAGE_SIZE) as usize
//! }
//!
//! impl Platform for Machine {
//!     type Masked = ();
//!     fn mask(&self) {}
//!     fn cpu(&self, _: &()) -> usize {
//!         0
//!     }
//!     fn contended(&self) {
//!         panic!("with one CPU nobody ever lets go");
//!     }
//!     fn fill(&self, pfn: Pfn, order: Order, byte: u8) {
//!         self.memory.lock().unwrap()[bytes(pfn, order)].fill(byte);
//!     }
//!     fn first_other_than(&self, pfn: Pfn, order: Order, byte: u8) -> Option<(PhysAddr, u8)> {
//!         let memory = self.memory.lock().unwrap();
//!         let at = memory[bytes(pfn, order)].iter().position(|found| *found != byte)?;
//!         let found = memory[bytes(pfn, order).start + at];
//!         Some((pfn.start().saturating_add(at as u64), found))
//!     }
//!     fn call_site(&self) -> u32 {
//!         0
//!     }
//!     fn wait(&self, _: &Shortage) -> Answer {
//!         Answer::NobodyCanHelp
//!     }
//!     fn report(&self, report: &Report<'_>) {
//!         println!("{report}");
//!     }
//! }
//!
//! fn main() -> Result<(), Box<dyn Error>> {
//!     // What the allocator keeps its books in: 16 bytes a page, a byte for each 4 MiB.
//!     let frames = PfnRange::new(FIRST, FIRST.saturating_add(PAGES));
//!     let pages: Vec<Page> = (0..PAGES).map(|_| Page::RESERVED).collect();
//!     let blocks: Vec<AtomicU8> =
//!         (0..PageBlocks::bytes_for(frames)).map(|_| AtomicU8::new(0)).collect();
//!     let table = FrameTable::new(FIRST, &pages, &blocks)?;
//!     let spans = [
//!         ZoneSpan::empty(ZoneKind::Dma),
//!         ZoneSpan { kind: ZoneKind::Normal, range: frames, present: PAGES },
//!         ZoneSpan::empty(ZoneKind::HighMem),
//!     ];
//!     let machine = Machine { memory: Mutex::new(vec![0; (PAGES * PAGE_SIZE) as usize]) };
//!     let allocator: PageAllocator<'_, Machine> = PageAllocator::new(table, &spans, machine)?;
//!     allocator.release(frames)?;
//!     allocator.start();
//!     let free = || {
//!         allocator.drain();
//!         allocator.zone(ZoneKind::Normal).free_pages()
//!     };
//!
//!     // A block is free when the last who has it lets go.
//!     let order = Order::new(3).ok_or("no such order")?;
//!     let block = allocator.alloc_pages(Gfp::GFP_KERNEL | Gfp::__GFP_ZERO, order)?;
//!     let shared = block.share()?;
//!     drop(block);
//!     assert_eq!(free(), PAGES - 8);
//!     drop(shared);
//!     assert_eq!(free(), PAGES);
//!
//!     // Who may go how low: the min watermark is 256 pages.
//!     for (gfp, left) in [
//!         (Gfp::GFP_KERNEL, 256),
//!         (Gfp::GFP_KERNEL | Gfp::__GFP_HIGH, 128),
//!         (Gfp::GFP_ATOMIC, 96),
//!         (Gfp::GFP_KERNEL | Gfp::__GFP_MEMALLOC, 0),
//!     ] {
//!         let take = || allocator.alloc_page(gfp | Gfp::__GFP_NOWARN).ok();
//!         let all: Vec<_> = iter::from_fn(take).collect();
//!         assert_eq!(free(), left, "{gfp}");
//!         drop(all);
//!         assert_eq!(free(), PAGES);
//!     }
//!     allocator.validate()?;
//!     Ok(())
//! }
//! ```

pub mod block;
pub mod bulk;
pub mod debug;
pub mod error;
pub mod figures;
pub mod gfp;
mod give;
mod hold;
#[cfg(all(test, loom))]
pub(crate) mod loom_machine;
#[cfg(all(test, loom))]
mod loom_tests;
pub mod owner;
pub mod page_alloc;
#[cfg_attr(all(loom, not(test)), expect(dead_code, reason = "only its model is run"))]
mod park;
pub mod range;
pub mod raw;
mod request;
pub mod shrink;
mod slow_path;
pub mod span;
pub mod state;
mod take;
#[cfg(all(test, not(loom)))]
pub(crate) mod test_machine;
pub mod validate;
pub mod watermark;

pub use block::PageBlock;
pub use error::{AllocError, NotFreed, ReleaseError, ShareError, SpanError, Why};
pub use figures::{MAX_CPUS, MemoryFigures, PerCpuFigures, ZoneFigures};
pub use gfp::{Gfp, GfpError, ParseGfpError};
pub use page_alloc::PageAllocator;
pub use range::PageRun;
pub use span::{ZoneKind, ZoneSpan};
pub use state::Zone;
pub use validate::Inconsistency;
