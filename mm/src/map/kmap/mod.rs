//! Frames that are mapped for a while: how the kernel reads and writes memory that has no address.
//!
//! | | [`Pkmap`] (`kmap`) | [`KmapLocal`] (`kmap_local`) |
//! |---|---|---|
//! | who may use the address | everybody | the CPU that mapped it |
//! | how long | as long as one likes, and may sleep | until the innermost level ends |
//! | from handlers | no | yes |
//! | how many | 512 frames | 15 levels on each CPU |
//! | when there is no more | it waits | an error |
//! | cost | two atomic operations when the frame has been mapped lately | a store, a flush of one page |
//!
//! A frame of lowmem costs neither a slot nor a level: its address is that of the linear map.
//!
//! [`highpage`] does on top of the second what is done to whole pages: clear, copy, compare.

pub mod error;
pub mod highpage;
pub mod local;
pub mod pkmap;
#[cfg(all(test, not(loom)))]
mod test_slots;

pub use error::{KmapError, NotUnmapped, TooDeep, WhyNotMapped, WrongUnmap};
pub use highpage::MappedBytes;
pub use local::{KmapLocal, LocalPage};
pub use pkmap::{Kmap, Pkmap};
