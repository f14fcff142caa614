//! The vmalloc region, and device memory in it, where everybody finds them.

use mm::map::ioremap::IoMap;
use mm::map::vmalloc::MappedRegion;
use spin::Once;

use crate::maps::Maps;
use crate::platform::Hardware;

/// The vmalloc region of this machine.
pub type Vmalloc = MappedRegion<'static, 'static, Hardware, Maps>;
/// Device memory in it.
pub type Io = IoMap<'static, 'static, 'static, Hardware, Maps>;

static VMALLOC: Once<Vmalloc> = Once::new();
static IO: Once<Io> = Once::new();

/// Makes `region` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish(region: Vmalloc) -> &'static Vmalloc {
    VMALLOC.call_once(|| region)
}

/// Makes `io` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish_io(io: Io) -> &'static Io {
    IO.call_once(|| io)
}
