//! Modules in and out, for long: what they take comes back.
//!
//! All modules of the initrd go in, in its order, and out backwards: so one that uses another's symbols has them. After
//! the first round, which makes slabs that stay, the ledger of the page allocator is opened; after the last one
//! it must be as it was. Every kind of area that modules take must be gone as well.

use alloc::vec::Vec;

use newc::Entry;

use super::Checks;
use super::ledger::Ledger;
use crate::console::{self, level, println};
use crate::kmap;
use crate::modules::error::ModuleError;
use crate::modules::file::is_object;
use crate::modules::insert::insert;
use crate::modules::memory::Placement;
use crate::modules::name::ModuleName;
use crate::monitor::Kernel;

/// The level at which modules are heard after the first round: errors and worse.
const QUIET: u32 = 4;
/// Rounds after which there is a line, for who waits.
const PROGRESS: u32 = 100;

/// So many rounds.
pub fn run_for(kernel: &mut Kernel, rounds: u32, placement: Placement, checks: &mut Checks) {
    if kernel.pages.injects_failures() || kernel.slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    let names = match objects(kernel) {
        Ok(names) if names.is_empty() => return checks.skip("the initrd has no modules"),
        Ok(names) => names,
        Err(error) => return checks.that(false, format_args!("{error}")),
    };
    if let Some(module) = kernel.modules.iter().find(|module| names.contains(&module.name())) {
        return checks.that(false, format_args!("{} is loaded", module.name()));
    }
    // With whatever stays of modules that were here before.
    round(kernel, &names, placement, checks);
    settle(kernel);
    let ledger = Ledger::open(kernel.pages);
    let areas = areas(kernel);
    let before = level::get();
    level::set(before.min(QUIET));
    let mut done = 1;
    while done < rounds {
        round(kernel, &names, placement, checks);
        done += 1;
        if done.is_multiple_of(PROGRESS) && done < rounds {
            println!("module-soak: {done} of {rounds} rounds");
        }
        if console::stop_was_typed() {
            println!("module-soak: stopped by Ctrl-C after {done} rounds");
            break;
        }
    }
    level::set(before);
    settle(kernel);
    checks.equal(self::areas(kernel), areas, format_args!("areas after {done} rounds"));
    ledger.check(checks, format_args!("after {done} rounds of {} modules", names.len()));
}

/// All in, and all out.
fn round(kernel: &mut Kernel, names: &[ModuleName], placement: Placement, checks: &mut Checks) {
    for name in names {
        let tell = |error: &ModuleError<'_>| println!("module-soak: {name}: {error}");
        let inserted = insert(kernel, name.as_str(), core::iter::empty(), placement, tell);
        checks.that(inserted.is_ok(), format_args!("{name} goes in"));
    }
    for name in names.iter().rev() {
        // One that did not go in is not there to go out.
        if kernel.modules.find(*name).is_some()
            && let Err(error) = kernel.modules.remove(*name)
        {
            checks.that(false, format_args!("{name} goes out: {error}"));
        }
    }
}

/// The names of the initrd's modules, in its order.
fn objects(kernel: &Kernel) -> Result<Vec<ModuleName>, ModuleError<'static>> {
    let initrd = kernel.initrd.as_ref().ok_or(ModuleError::NoInitrd)?;
    let mut names = Vec::new();
    for entry in initrd.archive().entries() {
        let Entry { name, .. } = entry.map_err(ModuleError::Initrd)?;
        let Some(path) = str::from_utf8(name.path()).ok().filter(|path| is_object(path)) else {
            continue;
        };
        let name = ModuleName::of_file(path).map_err(ModuleError::Name)?;
        names.try_reserve(1).map_err(ModuleError::Books)?;
        names.push(name);
    }
    Ok(names)
}

/// Areas of both regions that modules lie in, and that they take.
fn areas(kernel: &Kernel) -> [u32; 2] {
    [kernel.module_area.modules(), kernel.vmalloc].map(|region| region.figures().areas)
}

/// Gives back what waits, or is kept for the next request.
fn settle(kernel: &Kernel) {
    kernel.module_area.modules().make_room();
    kernel.vmalloc.make_room();
    // A frame that is given back while a slot has it waits for the slot.
    if let Some(pkmap) = kmap::pkmap() {
        pkmap.flush_unused();
    }
    kernel.slabs.shrink_all();
}
