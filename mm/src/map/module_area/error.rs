//! Why there is no memory for a module, and what is told of it: of each region that was asked, what was full.
//!
//! ```text
//! modules: no room for 8388608 bytes at a multiple of 2^12 in 0xbf000000 - 0xbfe00000
//!   free: 6144 kB, the largest area 4092 kB, at that alignment 4092 kB
//!   …
//! vmalloc: no room for 8388608 bytes at a multiple of 2^12 in 0xf0800000 - 0xff800000
//!   …
//!   vmalloc=248M would make room
//! ```
//!
//! What helps is said once, behind the last region: who can not have a larger modules region gets along with a larger
//! vmalloc region.

use core::fmt;

use crate::map::area::Failure;
use crate::map::vmalloc::VmallocError;

/// An area for a module that was not made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ModuleAreaError {
    /// What the modules region said.
    pub modules: VmallocError,
    /// What the vmalloc region said; `None` if it was not asked, since it would not have helped.
    pub vmalloc: Option<VmallocError>,
}

impl fmt::Display for ModuleAreaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "modules: {}", self.modules)?;
        self.vmalloc.map_or(Ok(()), |error| write!(f, "; vmalloc: {error}"))
    }
}

impl core::error::Error for ModuleAreaError {}

/// What the regions look like that had no room.
#[derive(Clone, Copy, Debug)]
pub struct FullRegions<'r> {
    /// The modules region, if it had none.
    pub modules: Option<&'r Failure>,
    /// The vmalloc region, if it had none either.
    pub vmalloc: Option<&'r Failure>,
}

impl FullRegions<'_> {
    /// Of no region there is more to tell.
    pub const NONE: Self = Self { modules: None, vmalloc: None };

    /// Writes what there is to tell, a new line before each region. `site` writes a call site, with its name if it has
    /// one.
    ///
    /// # Errors
    ///
    /// When `f` does.
    pub fn write(
        &self,
        f: &mut dyn fmt::Write,
        site: &dyn Fn(&mut dyn fmt::Write, u32) -> fmt::Result,
    ) -> fmt::Result {
        if let Some(modules) = self.modules {
            f.write_char('\n')?;
            modules.write_state(f, site)?;
        }
        if let Some(vmalloc) = self.vmalloc {
            f.write_char('\n')?;
            vmalloc.write(f, site)?;
        }
        Ok(())
    }
}

/// Without names.
impl fmt::Display for FullRegions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, &|f, caller| write!(f, "{caller:#010x}"))
    }
}
