//! Who has a symbol: the kernel, else a module that is loaded.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;

use mm::addr::VirtAddr;
use modules::Imports;

use super::error::ModuleError;
use super::name::ModuleName;
use super::registry::Registry;
use crate::exports;

/// Looks up symbols, and keeps in mind which modules had some.
pub struct KernelAndModules<'r> {
    registry: &'r Registry,
    uses: Vec<ModuleName>,
    /// There was no memory to note one.
    incomplete: Option<TryReserveError>,
}

impl<'r> KernelAndModules<'r> {
    /// Nothing was looked up yet.
    pub const fn new(registry: &'r Registry) -> Self {
        Self { registry, uses: Vec::new(), incomplete: None }
    }

    fn note(&mut self, name: ModuleName) {
        if self.uses.contains(&name) {
            return;
        }
        match self.uses.try_reserve(1) {
            Ok(()) => self.uses.push(name),
            Err(error) => self.incomplete = Some(error),
        }
    }

    /// The modules that had a symbol, each once.
    ///
    /// # Errors
    ///
    /// [`ModuleError::Books`] when there was no memory to note them all.
    pub fn uses(self) -> Result<Vec<ModuleName>, ModuleError<'static>> {
        match self.incomplete {
            None => Ok(self.uses),
            Some(error) => Err(ModuleError::Books(error)),
        }
    }
}

impl Imports for KernelAndModules<'_> {
    fn find(&mut self, name: &str) -> Option<VirtAddr> {
        if let Some(address) = exports::find(name) {
            return Some(address);
        }
        let (module, address) = self.registry.export(name)?;
        self.note(module);
        Some(address)
    }
}
