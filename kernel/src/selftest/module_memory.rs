//! Suite `module-memory`: code runs where modules lie, data does not, and all of it comes back.
//!
//! A module is made up here, a few instructions in ARM and in Thumb state, and put where modules go: near the kernel, and,
//! when the modules region is full, far away. Rights are tried out by probes. The region is filled with one frame mapped
//! over and over, so that a small machine can, too.
//!
//! Then it calls the kernel, and is found on the stack: as the one who asks, by its name, as long as it is loaded.

use core::fmt::Write;
use core::mem;

use alloc::vec::Vec;

use arch_arm::probe::{self, BX_LR, FetchError};
use arch_arm::trap::{DataFault, FaultStatus, Level};
use arrayvec::ArrayString;
use mm::addr::{PAGE_SIZE, Pfn, VirtAddr, VirtRange};
use mm::map::Prot;
use mm::map::area::AreaKind;
use mm::map::module_area::ModuleAreaError;
use mm::map::vmalloc::VmallocError;
use mm::zone::Gfp;
use modules::Sizes;

use super::Checks;
use super::ledger::Ledger;
use crate::modules::loaded::{self, Description, Half, State};
use crate::modules::memory::{MemoryError, ModuleMemory, Parts, Placement, SealedMemory};
use crate::monitor::Kernel;
use crate::report::{self, call_site};

const KERNEL: Gfp = Gfp::GFP_KERNEL;
const QUIET: Gfp = KERNEL.union(Gfp::__GFP_NOWARN);

/// The module's text, words: what each function is, and where.
const TEXT: [u32; 9] = [
    0xe3a0_002a, // mov r0, #42
    BX_LR,       // bx lr
    0x4770_202a, // movs r0, #42; bx lr
    0,
    0xe92d_4800, // push {r11, lr}
    0xe12f_ff30, // blx r0
    0xe8bd_8800, // pop {r11, pc}
    0x4780_b580, // push {r7, lr}; blx r0
    0xbf00_bd80, // pop {r7, pc}; nop
];
const ANSWER: u32 = 0;
const THUMB_ANSWER: u32 = 8 | 1;
const CALLER: (u32, u32, &str) = (16, 12, "arm_caller");
const THUMB_CALLER: (u32, u32, &str) = (28, 8, "thumb_caller");
/// Where the two return to, behind their calls.
const RETURNS: [u32; 2] = [CALLER.0 + 8, THUMB_CALLER.0 + 4];

/// Its unwind index: what cannot be unwound, `pop {r11, lr}`, `pop {r7, lr}` (*IHI 0038B, 9.3, Table 4*).
const INDEX: [(u32, u32); 3] = [(0, 1), (CALLER.0, 0x8084_80b0), (THUMB_CALLER.0, 0x8084_08b0)];
/// Where its table of functions lies in the read-only data, behind the index.
const FUNCTIONS: u32 = 8 * INDEX.len() as u32;

const SIZES: Sizes = Sizes { text: 4 * TEXT.len() as u32, rodata: PAGE_SIZE + 1, data: 1 };
const NAME: &str = "sample";

/// Frames of a mapping that fills the region, and those of the last ones.
const FILLERS: [usize; 4] = [512, 64, 8, 1];

/// Memory near the kernel, if there is room.
fn alloc(kernel: &Kernel, sizes: Sizes, gfp: Gfp) -> Result<ModuleMemory, MemoryError> {
    ModuleMemory::alloc(kernel.module_area, sizes, Placement::NearFirst, gfp, call_site())
}

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    if kernel.pages.injects_failures() || kernel.slabs.injects_failures() {
        return checks.skip("requests fail on purpose");
    }
    // What is made once is there afterwards: slabs of records.
    a_module(kernel, checks, 42);
    settle(kernel);
    let (near, far) = (kernel.module_area.modules(), kernel.vmalloc);
    let areas = [near, far].map(|region| region.figures().areas);
    let ledger = Ledger::open(kernel.pages);
    // The same addresses again, with other instructions.
    for answer in [43, 44] {
        a_module(kernel, checks, answer);
    }
    refused(kernel, checks);
    full_region(kernel, checks);
    both_full(kernel, checks);
    calls(kernel, checks);
    settle(kernel);
    checks.equal([near, far].map(|region| region.figures().areas), areas, format_args!("areas"));
    for region in [near, far] {
        checks.that(region.validate().is_ok(), format_args!("the areas of {}", region.name()));
    }
    ledger.check(checks, format_args!("afterwards"));
}

fn settle(kernel: &Kernel) {
    kernel.module_area.modules().make_room();
    kernel.vmalloc.make_room();
    kernel.slabs.shrink_all();
}

fn plus(at: VirtAddr, bytes: u32) -> VirtAddr {
    VirtAddr::new(at.as_u32() + bytes)
}

/// Loads the module, whose functions give `answer`.
fn load(kernel: &Kernel, checks: &mut Checks, answer: u32) -> Option<SealedMemory> {
    let mut memory = match alloc(kernel, SIZES, KERNEL) {
        Ok(memory) => memory,
        Err(error) => {
            checks.that(false, format_args!("memory for a module: {error}"));
            return None;
        }
    };
    let Parts { text, rodata, data } = memory.parts();
    checks.equal(
        [text, rodata, data].map(|range| range.len() / PAGE_SIZE),
        [1, 2, 1],
        format_args!("pages of each part"),
    );
    let bytes = memory.bytes_mut();
    checks.that(bytes.iter().all(|byte| *byte == 0), format_args!("memory for a module is zero"));
    let mut put = |at: VirtAddr, word: u32| {
        let offset = (at.as_u32() - text.start().as_u32()) as usize;
        if let Some(place) = bytes.get_mut(offset..offset + 4) {
            place.copy_from_slice(&word.to_le_bytes());
        }
    };
    for (offset, word) in (0..).step_by(4).zip(TEXT) {
        put(plus(text.start(), offset), word);
    }
    // Both have a byte for it at their begin.
    put(text.start(), TEXT[0] & !0xff | answer);
    put(plus(text.start(), 8), TEXT[2] & !0xff | answer);
    let mut at = rodata.start();
    for (function, how) in INDEX {
        let offset = plus(text.start(), function).as_u32().wrapping_sub(at.as_u32());
        put(at, offset & 0x7fff_ffff);
        put(plus(at, 4), how);
        at = plus(at, 8);
    }
    // As `modules::functions` describes it.
    let table = plus(rodata.start(), FUNCTIONS);
    let functions = [CALLER, THUMB_CALLER];
    put(table, functions.len() as u32);
    let (mut at, mut name_at) = (plus(table, 4), 4 + 16 * functions.len() as u32);
    for (offset, size, name) in functions {
        for word in [plus(text.start(), offset).as_u32(), size, name_at, name.len() as u32] {
            put(at, word);
            at = plus(at, 4);
        }
        for chunk in name.as_bytes().chunks(4) {
            let mut word = [0; 4];
            word[..chunk.len()].copy_from_slice(chunk);
            put(plus(table, name_at), u32::from_le_bytes(word));
            name_at += 4;
        }
    }
    // Something that a fetch may be tried with.
    for at in [plus(rodata.start(), PAGE_SIZE), data.start()] {
        put(at, BX_LR);
    }
    for at in [plus(text.start(), 4), plus(rodata.start(), PAGE_SIZE), data.start()] {
        never_executed(checks, at, "before it is sealed");
    }
    let sealed = memory.seal(kernel.maps, KERNEL);
    if let Err(error) = &sealed {
        checks.that(false, format_args!("a module is sealed: {error}"));
    }
    sealed.ok()
}

/// A call of the module's function at an address, bit 0 of which says in what state.
fn call(at: u32, argument: u32) -> u32 {
    // SAFETY: a function of the module's, which is sealed, or a copy in it: it keeps to the AAPCS.
    let function = unsafe { mem::transmute::<usize, extern "C" fn(u32) -> u32>(at as usize) };
    function(argument)
}

/// A fetch of the `bx lr` at `at` is refused.
fn never_executed(checks: &mut Checks, at: VirtAddr, when: &str) {
    // SAFETY: 1. memory of the module; 2. should it be executed, which is a fault that the check finds, it is fetched for
    // the first time since this address has had a page.
    let seen = unsafe { probe::fetch(at) };
    let is_refused = matches!(seen, Err(FetchError::Refused { address, .. }) if address == at);
    checks.that(is_refused, format_args!("a fetch from {at} {when}: {seen:?}"));
}

/// Loads it, uses it, looks at its rights, and gives it back.
fn a_module(kernel: &Kernel, checks: &mut Checks, answer: u32) {
    let Some(module) = load(kernel, checks, answer) else { return };
    let near = kernel.module_area.modules().region();
    checks.that(near.contains(module.parts().text.start()), format_args!("a module is near"));
    works(kernel, checks, &module, answer);
    is_gone(checks, module);
}

fn works(kernel: &Kernel, checks: &mut Checks, module: &SealedMemory, answer: u32) {
    let Parts { text, rodata, data } = module.parts();
    let text_at = text.start().as_u32();
    checks.equal(call(text_at + ANSWER, 0), answer, format_args!("ARM code at {text}"));
    checks.equal(call(text_at + THUMB_ANSWER, 0), answer, format_args!("Thumb code at {text}"));
    // SAFETY: 1. memory; 2. the module's second instruction.
    let fetched = unsafe { probe::fetch(plus(text.start(), 4)) };
    checks.that(fetched.is_ok(), format_args!("a fetch from text: {fetched:?}"));
    for at in [text.start(), rodata.start(), plus(rodata.start(), PAGE_SIZE)] {
        // SAFETY: should it work, the checks below tell.
        let refused = unsafe { probe::write_u32(at, 0) }.err().map(|fault| fault.fault);
        checks.that(
            refused.is_some_and(is_refused_write),
            format_args!("a write to {at}: {refused:?}"),
        );
    }
    // SAFETY: a word of the module's data, which nobody uses.
    let wrote = unsafe { probe::write_u32(plus(data.start(), 4), 7) };
    checks.that(wrote.is_ok(), format_args!("a write to data: {wrote:?}"));
    never_executed(checks, data.start(), "as data");
    never_executed(checks, plus(rodata.start(), PAGE_SIZE), "as read-only data");
    let fixed = module.fixed();
    checks.equal(
        fixed.len() as u32,
        text.len() + rodata.len(),
        format_args!("what does not change"),
    );
    let first = fixed.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
    checks.equal(first, Some(TEXT[0] & !0xff | answer), format_args!("the first word of text"));
    let info = kernel.module_area.area_at(plus(data.start(), PAGE_SIZE - 1));
    let kind = info.map(|info| (info.kind, info.range));
    let whole = module.parts().whole();
    checks.equal(kind, Some((AreaKind::Module, whole)), format_args!("the area"));
}

fn is_refused_write(fault: DataFault) -> bool {
    fault.is_write() && fault.status() == FaultStatus::Permission(Level::Page)
}

/// Gives it back: at once nothing is there any more.
fn is_gone(checks: &mut Checks, module: SealedMemory) {
    let Parts { text, rodata, data } = module.parts();
    drop(module);
    for at in [text.start(), rodata.start(), data.start()] {
        // SAFETY: nothing is mapped there.
        let seen = unsafe { probe::read_u32(at) }.map_err(|fault| fault.fault.status());
        let is_translation = matches!(seen, Err(FaultStatus::Translation(_)));
        checks.that(is_translation, format_args!("{at} is gone: {seen:?}"));
    }
}

/// What is no module.
fn refused(kernel: &Kernel, checks: &mut Checks) {
    let refused = |sizes| alloc(kernel, sizes, QUIET).err();
    let nothing = refused(Sizes::default());
    let is_empty = matches!(
        nothing,
        Some(MemoryError::NoArea(ModuleAreaError { modules: VmallocError::Empty, .. }))
    );
    checks.that(is_empty, format_args!("no bytes: {nothing:?}"));
    let sizes = Sizes { text: u32::MAX - PAGE_SIZE, rodata: PAGE_SIZE, data: PAGE_SIZE };
    let all = refused(sizes);
    checks.equal(all, Some(MemoryError::TooLarge(sizes)), format_args!("4 GiB"));
    let sizes = Sizes { text: 1 << 31, rodata: 1 << 30, data: 0 };
    checks.that(refused(sizes).is_some(), format_args!("3 GiB"));
    // Only what there is of it.
    let sizes = Sizes { text: 0, rodata: 0, data: 1 };
    match alloc(kernel, sizes, KERNEL) {
        Ok(memory) => {
            let sealed = memory.seal(kernel.maps, KERNEL).map(|memory| memory.parts().data.len());
            checks.equal(sealed, Ok(PAGE_SIZE), format_args!("data without text"));
        }
        Err(error) => checks.that(false, format_args!("data without text: {error}")),
    }
}

/// With the modules region full, a module lies far away, and works.
fn full_region(kernel: &Kernel, checks: &mut Checks) {
    let near = kernel.module_area.modules();
    let Ok(page) = kernel.pages.alloc_page(KERNEL) else {
        return checks.that(false, format_args!("a page"));
    };
    let frames = [page.pfn(); FILLERS[0]];
    let Some(fillers) = fill(kernel, checks, &frames) else { return };
    checks.equal(near.figures().largest, 0, format_args!("room in the full region"));
    if let Some(module) = load(kernel, checks, 45) {
        let at = module.parts().text.start();
        checks.that(kernel.vmalloc.region().contains(at), format_args!("{at} is far away"));
        works(kernel, checks, &module, 45);
        is_gone(checks, module);
    }
    for filler in fillers {
        let unmapped = near.vunmap(filler);
        checks.that(unmapped.is_ok(), format_args!("vunmap of {filler}: {unmapped:?}"));
    }
    near.make_room();
    if let Some(module) = load(kernel, checks, 46) {
        let at = module.parts().text.start();
        checks.that(near.region().contains(at), format_args!("{at} is near again"));
        is_gone(checks, module);
    }
}

/// More than either region has room for, where there is so much memory: that is told once, of both.
fn both_full(kernel: &Kernel, checks: &mut Checks) {
    let regions = [kernel.module_area.modules(), kernel.vmalloc];
    regions.iter().for_each(|region| _ = region.make_room());
    let largest = regions.map(|region| region.largest_area(0)).into_iter().max().unwrap_or(0);
    if u64::from(largest / PAGE_SIZE) + 1 > kernel.pages.figures().free() {
        return;
    }
    let sizes = Sizes { text: PAGE_SIZE, rodata: 0, data: largest };
    let error = alloc(kernel, sizes, KERNEL).err();
    let is_both = matches!(
        error,
        Some(MemoryError::NoArea(ModuleAreaError {
            modules: VmallocError::NoHole(_),
            vmalloc: Some(VmallocError::NoHole(_)),
        }))
    );
    checks.that(is_both, format_args!("no room in either region: {error:?}"));
}

/// Maps the frames until the modules region has no room for one.
fn fill(kernel: &Kernel, checks: &mut Checks, frames: &[Pfn]) -> Option<Vec<VirtAddr>> {
    let near = kernel.module_area.modules();
    let mut fillers = Vec::new();
    // 16 MiB at most, and the rest of each size.
    if fillers.try_reserve_exact(64).is_err() {
        checks.that(false, format_args!("room for a list"));
        return None;
    }
    for count in FILLERS {
        let frames = frames.get(..count).unwrap_or(frames);
        while fillers.len() < fillers.capacity()
            && let Ok(filler) = near.vmap(frames, Prot::KERNEL, QUIET, call_site())
        {
            fillers.push(filler);
        }
    }
    Some(fillers)
}

/// It calls the kernel: it is the module that asks, while reports know it.
fn calls(kernel: &Kernel, checks: &mut Checks) {
    if call_site() == 0 {
        return;
    }
    let (Some(core), Some(init)) = (load(kernel, checks, 42), load(kernel, checks, 42)) else {
        return;
    };
    let half = |Parts { text, rodata, data }: Parts| Half {
        whole: VirtRange::new(text.start(), data.end()),
        text,
        index: Some(VirtRange::new(rodata.start(), plus(rodata.start(), FUNCTIONS))),
    };
    let functions =
        VirtRange::new(plus(core.parts().rodata.start(), FUNCTIONS), core.parts().rodata.end());
    let description = Description {
        name: NAME,
        core: half(core.parts()),
        init: Some(half(init.parts())),
        functions: Some(functions),
    };
    for name in ["", "a name of more bytes than are kept for one, which there are 59 of"] {
        let refused = loaded::publish(&Description { name, ..description }).err();
        checks.that(refused.is_some(), format_args!("a module named {name:?}"));
    }
    let linked_in = |text: &str| {
        let mut line = ArrayString::<256>::new();
        // Others that are loaded may be too many.
        let _ = report::write_linked_in(&mut line);
        line.contains(text)
    };
    asks(checks, core.parts(), None, "before it is known");
    match loaded::publish(&description) {
        Ok(published) => {
            checks.that(linked_in(" sample(+)"), format_args!("a module that comes is linked in"));
            asks(checks, core.parts(), Some(&["arm_caller [sample]", "thumb_caller [sample]"]), "");
            // Its functions are not in the table.
            asks(checks, init.parts(), Some(&["", ""]), "init");
            published.set(State::Live);
            asks(checks, init.parts(), None, "init is over");
            is_gone(checks, init);
            asks(checks, core.parts(), Some(&["arm_caller [sample]", "thumb_caller [sample]"]), "");
            let is_live = linked_in(" sample") && !linked_in(" sample(+)");
            checks.that(is_live, format_args!("a module that is live is linked in"));
            published.set(State::Going);
            checks.that(linked_in(" sample(-)"), format_args!("a module that goes is linked in"));
        }
        Err(error) => checks.that(false, format_args!("a module is published: {error}")),
    }
    checks.that(!linked_in(" sample"), format_args!("a module that is gone is not linked in"));
    asks(checks, core.parts(), None, "afterwards");
    is_gone(checks, core);
}

/// Has both of the module's callers ask who asks. It is they, by these names, or, if they are not known, this function.
fn asks(checks: &mut Checks, parts: Parts, names: Option<&[&str; 2]>, when: &str) {
    let text = parts.text.start();
    let kernels = report::call_site_for_c as *const () as u32;
    for (index, entry) in [CALLER.0, THUMB_CALLER.0 | 1].into_iter().enumerate() {
        let site = VirtAddr::new(call(text.as_u32() + entry, kernels));
        let mut name = ArrayString::<128>::new();
        if let Some(caller) = report::function_at(site) {
            // As much as there is room for.
            let _ = write!(name, "{caller}");
        }
        match names {
            Some(names) => {
                let expected = plus(text, RETURNS[index]);
                checks.equal(site, expected, format_args!("who asks {when}"));
                checks.equal(name.as_str(), names[index], format_args!("its name {when}"));
            }
            // The walk ends in code that is nobody's.
            None => checks.equal(site.as_u32(), 0, format_args!("who asks {when}, {name}")),
        }
    }
}
