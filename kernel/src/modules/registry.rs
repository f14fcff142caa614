//! The modules that are loaded: put in, taken out, and who uses whom.
//!
//! ```text
//! insert: file ─▶ Object ─▶ Plan ─▶ memory ─▶ link ─▶ seal ─▶ publish ─▶ init()
//!                                                                          │ 0: init memory goes
//! remove: nobody uses it ─▶ exit() ─▶ withdrawn ─▶ memory goes ◀───────────┘ error: all goes
//! ```
//!
//! Each step hands a value to the next, and values give back what they hold: so whichever step fails, nothing is left.
//!
//! Invariant: a module's memory stays for as long as somebody may run it: while it is in the list, while another module
//! has addresses of it (`uses`), and while its own count of uses is not zero; but one whose init function fails goes
//! whatever it counts. A module is code of the kernel: what it does with the kernel's memory nobody watches.

use core::mem;

use alloc::vec::Vec;

use mm::addr::VirtAddr;
use mm::object::typed::{Cache, CacheBox};
use mm::zone::Gfp;
use modules::exports::Exports;
use modules::{Area, Linked, Object, Plan, link};

use super::error::ModuleError;
use super::imports::KernelAndModules;
use super::loaded::{self, Description, Half, Published, State};
use super::memory::{ModuleMemory, Parts, Placement, SealedMemory};
use super::name::ModuleName;
use crate::console;
use crate::exports;
use crate::maps::Maps;
use crate::monitor::typed;
use crate::platform::Hardware;
use crate::report;
use crate::slabs::Slabs;
use crate::vmalloc::Modules;

/// The cache that modules' records come from.
pub type ModuleCache = Cache<'static, 'static, 'static, Module, Hardware>;
type ModuleBox = CacheBox<'static, 'static, 'static, 'static, Module, Hardware>;

/// A module that is loaded.
pub struct Module {
    // Fields drop in this order: reports forget it first.
    published: Published,
    name: ModuleName,
    linked: Linked,
    core: SealedMemory,
    /// The modules whose addresses it has.
    uses: Vec<ModuleName>,
}

impl Module {
    /// Its name.
    pub const fn name(&self) -> ModuleName {
        self.name
    }

    /// Where its core lies.
    pub fn parts(&self) -> Parts {
        self.core.parts()
    }

    /// Branches that go through a veneer.
    pub const fn veneers(&self) -> u32 {
        self.linked.veneers
    }

    /// Uses that it counts itself.
    pub fn count(&self) -> u32 {
        self.published.uses()
    }

    /// Will it ever go? One that has an init function, and no exit function, will not.
    pub const fn stays(&self) -> bool {
        self.linked.init.is_some() && self.linked.exit.is_none()
    }

    /// Does it export `symbol`?
    pub fn exports(&self, symbol: &str) -> bool {
        self.export(symbol).is_some()
    }

    fn export(&self, symbol: &str) -> Option<VirtAddr> {
        Exports::new(self.core.fixed(), self.parts().text.start(), self.linked.exports).find(symbol)
    }
}

/// What the registry asks of the kernel.
#[derive(Clone, Copy)]
pub struct Home {
    /// Where modules' memory comes from.
    pub area: &'static Modules,
    /// Who changes the rights of memory.
    pub maps: &'static Maps,
    /// Where records come from.
    pub cache: &'static ModuleCache,
    /// Whose caches may call modules' code.
    pub slabs: &'static Slabs,
}

/// All modules that are loaded, the oldest first.
pub struct Registry {
    modules: Vec<ModuleBox>,
    home: Home,
}

impl Registry {
    /// None yet.
    pub const fn new(home: Home) -> Self {
        Self { modules: Vec::new(), home }
    }

    /// All, the newest first, as Linux lists them.
    pub fn iter(&self) -> impl Iterator<Item = &Module> {
        self.modules.iter().rev().map(|module| &**module)
    }

    /// The module of this name.
    pub fn find(&self, name: ModuleName) -> Option<&Module> {
        self.iter().find(|module| module.name == name)
    }

    /// The modules that have addresses of `name`, the newest first.
    pub fn users_of(&self, name: ModuleName) -> impl Iterator<Item = ModuleName> {
        let users = self.iter().filter(move |module| module.uses.contains(&name));
        users.map(|module| module.name)
    }

    /// Who exports `symbol`, and where it is.
    pub fn export(&self, symbol: &str) -> Option<(ModuleName, VirtAddr)> {
        self.iter().find_map(|module| Some((module.name, module.export(symbol)?)))
    }

    /// Makes a module of an object, and runs its init function. May sleep.
    ///
    /// # Errors
    ///
    /// [`ModuleError`]. Then nothing is left of it but what its init function did not give back.
    pub fn insert<'f>(
        &mut self,
        name: ModuleName,
        file: &'f [u8],
        arguments: &'f str,
        placement: Placement,
    ) -> Result<&Module, ModuleError<'f>> {
        if self.find(name).is_some() {
            return Err(ModuleError::Exists);
        }
        let object = Object::parse(file).map_err(ModuleError::Object)?;
        let plan = Plan::of(&object, arguments).map_err(ModuleError::Object)?;
        let Home { area, maps, cache, .. } = self.home;
        let take = |sizes| {
            ModuleMemory::alloc(area, sizes, placement, Gfp::GFP_KERNEL, report::call_site())
                .map_err(ModuleError::Memory)
        };
        let mut core = take(plan.core())?;
        let mut init = if plan.init().is_empty() { None } else { Some(take(plan.init())?) };
        let mut imports = KernelAndModules::new(self);
        let init_area = init.as_mut().map(ModuleMemory::as_area);
        let linked = link(&object, &plan, core.as_area(), init_area, &mut imports)
            .map_err(ModuleError::Object)?;
        let uses = imports.uses()?;
        self.check_exports(core.as_area(), &linked)?;
        let seal =
            |memory: ModuleMemory| memory.seal(maps, Gfp::GFP_KERNEL).map_err(ModuleError::Rights);
        let (core, init) = (seal(core)?, init.map(seal).transpose()?);
        let half = |memory: &SealedMemory, index| {
            let parts = memory.parts();
            Half { whole: parts.whole(), text: parts.text, index }
        };
        let published = loaded::publish(&Description {
            name: name.as_str(),
            core: half(&core, linked.core_index),
            init: init.as_ref().map(|init| half(init, linked.init_index)),
            functions: Some(linked.functions),
        })
        .map_err(ModuleError::Unpublished)?;
        self.modules.try_reserve(1).map_err(ModuleError::Books)?;
        let module = Module { published, name, linked, core, uses };
        let module =
            cache.alloc(Gfp::GFP_KERNEL, module).map_err(|full| ModuleError::Record(full.error))?;
        self.modules.push(module);
        self.start(init)
    }

    /// A symbol has one owner, whom a later module gets it from.
    fn check_exports(&self, core: Area<'_>, linked: &Linked) -> Result<(), ModuleError<'static>> {
        for (symbol, _) in Exports::new(core.bytes, core.base, linked.exports).iter() {
            let owner = match exports::find(symbol) {
                Some(_) => None,
                None => match self.export(symbol) {
                    Some((owner, _)) => Some(owner),
                    None => continue,
                },
            };
            return Err(ModuleError::Exported { symbol: typed(symbol), owner });
        }
        Ok(())
    }

    /// Runs the init function of the module that was put in last.
    fn start(&mut self, init: Option<SealedMemory>) -> Result<&Module, ModuleError<'static>> {
        let run = self.modules.last().and_then(|module| module.linked.init);
        let code = run.map_or(0, |run| {
            // SAFETY: the loader found a function of the module there, which is linked and sealed. Whoever inserts a
            // module vouches for what it does, as for the kernel's own code.
            unsafe { call::<i32>(run) }
        });
        // What it printed last may have no end of line.
        console::end_line();
        if code < 0 {
            if let Some(module) = self.modules.pop() {
                module.published.set(State::Going);
                self.give_back(module);
            }
            return Err(ModuleError::Init(code));
        }
        let module = self.modules.last().ok_or(ModuleError::Init(code))?;
        if code > 0 {
            log::warn!("{}: init returned {code}: 0 or a negative error was expected", module.name);
        }
        // From now on reports do not look at the init memory, which goes when this returns.
        module.published.set(State::Live);
        drop(init);
        Ok(module)
    }

    /// Runs a module's exit function, and gives back all that the module has. May sleep.
    ///
    /// # Errors
    ///
    /// [`ModuleError`] when there is none of this name, when it is in use, or when it has no exit function. Nothing has
    /// changed then.
    pub fn remove(&mut self, name: ModuleName) -> Result<(), ModuleError<'static>> {
        let Some(at) = self.modules.iter().position(|module| module.name == name) else {
            return Err(ModuleError::NotLoaded(name));
        };
        if let Some(user) = self.users_of(name).next() {
            return Err(ModuleError::UsedBy { name, user });
        }
        let module = &self.modules[at];
        if let users @ 1.. = module.count() {
            return Err(ModuleError::InUse { name, users });
        }
        if module.stays() {
            return Err(ModuleError::NoExit(name));
        }
        module.published.set(State::Going);
        if let Some(exit) = module.linked.exit {
            // SAFETY: as of the init function. Nobody uses the module, by its own count and by the symbols that others
            // have.
            unsafe { call::<()>(exit) };
            console::end_line();
        }
        let module = self.modules.remove(at);
        self.give_back(module);
        Ok(())
    }

    /// Gives back what a module has that is over. One that has left a cache behind whose constructor is its own
    /// leaves its memory, too: Linux would jump to whatever lies there when the cache makes its next slab.
    fn give_back(&self, mut module: ModuleBox) {
        let whole = module.parts().whole();
        for cache in self.home.slabs.caches().filter(|cache| cache.calls_into(whole)) {
            let (name, cache) = (module.name, cache.name());
            log::error!(
                "{name}: its cache {cache} is left, and has its constructor: {whole} is kept"
            );
            module.core.keep();
        }
    }
}

/// Calls a function of a module that takes nothing.
///
/// # Safety
///
/// 1. There is one at `function`, with this result, in the state that bit 0 says.
/// 2. It may run now.
unsafe fn call<R>(function: VirtAddr) -> R {
    // SAFETY: 1. the caller's. A function pointer is an address, and `blx` takes the state from bit 0.
    let function = unsafe { mem::transmute::<u32, unsafe extern "C" fn() -> R>(function.as_u32()) };
    // SAFETY: 1. and 2. the caller's.
    unsafe { function() }
}
