//! From the name of a file in the initrd to a module that is loaded: what `insmod` and boot do.

use core::fmt;
use core::iter;

use mm::addr::VirtRange;
use mm::param::params;

use super::arguments::Arguments;
use super::error::ModuleError;
use super::file::{self, FileBytes};
use super::memory::Placement;
use super::name::ModuleName;
use crate::console::println;
use crate::monitor::Kernel;
use crate::report;

/// The module was not inserted, and the reason has been told.
#[derive(Debug)]
pub struct Told;

/// What was inserted.
#[derive(Debug)]
pub struct Inserted {
    name: ModuleName,
    range: VirtRange,
    veneers: u32,
}

impl fmt::Display for Inserted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, range, veneers } = self;
        write!(f, "{name}: loaded at {range}, {} kB, {veneers} veneers", range.len() >> 10)
    }
}

/// Inserts the module of the file that `word` means, with `typed` parameters, one for each word. Why it can not be
/// inserted is told by `tell`: a reason may borrow from the file.
///
/// # Errors
///
/// [`Told`].
pub fn insert<'w>(
    kernel: &mut Kernel,
    word: &str,
    typed: impl Iterator<Item = &'w str>,
    placement: Placement,
    tell: impl Fn(&ModuleError<'_>),
) -> Result<Inserted, Told> {
    let told = |error: ModuleError<'_>| {
        tell(&error);
        Told
    };
    let read = || {
        let initrd = kernel.initrd.as_ref().ok_or(ModuleError::NoInitrd)?;
        let entry = file::find(initrd, word)?.ok_or(ModuleError::NotFound)?;
        let path = str::from_utf8(entry.name.path()).unwrap_or_default();
        let name = ModuleName::of_file(path).map_err(ModuleError::Name)?;
        let arguments = Arguments::gather(&name, kernel.memory.command_line, typed)?;
        let file = FileBytes::read(initrd, &entry, kernel.vmalloc, report::call_site())?;
        Ok((name, arguments, file))
    };
    let (name, arguments, file) = read().map_err(told)?;
    let inserted = kernel.modules.insert(name, file.bytes(), arguments.as_str(), placement);
    let module = inserted.map_err(told)?;
    Ok(Inserted { name, range: module.parts().whole(), veneers: module.veneers() })
}

/// Inserts what the boot parameter `modules-load=` names, with commas between, in this order. One that can not be
/// inserted is said so of, and the next one's turn comes.
pub fn at_boot(kernel: &mut Kernel) {
    for param in params(kernel.memory.command_line).filter(|param| param.is("modules-load")) {
        let words = param.value.unwrap_or_default().split(',').filter(|word| !word.is_empty());
        for word in words {
            let tell = |error: &ModuleError<'_>| println!("error: modules-load: {word}: {error}");
            if let Ok(inserted) = insert(kernel, word, iter::empty(), Placement::NearFirst, tell) {
                log::info!("{inserted}");
            }
        }
    }
}
