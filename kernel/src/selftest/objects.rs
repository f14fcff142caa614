//! Suite `objects`: the slab allocator at work, from two sides.
//!
//! Random sizes, caches and orders, while the handler of the tick takes and gives back objects of the same
//! caches. Each object is stamped with its own address from end to end, so that one with two owners is
//! noticed. Then an object is given back twice, and one that is none. At the end every slab is back, and
//! free memory is what it was, block by block.

use arch_arm::sync::IrqLock;
use arrayvec::ArrayVec;
use mm::addr::VirtAddr;
use mm::object::SlabFlags;
use mm::zone::Gfp;

use super::Checks;
use super::ledger::Ledger;
use super::soak::random::Random;
use crate::interrupts::tick;
use crate::monitor::Kernel;
use crate::slabs::{self, Cache, Slabs};

const OPERATIONS: u32 = 60_000;
/// Objects held at once, by the suite and by the handler.
const HELD: usize = 512;
const HANDLER_HELD: usize = 24;
/// Sizes of the suite's caches.
const SIZES: [u32; 4] = [8, 40, 192, 1000];
/// The gravest sizes of `kmalloc`.
const MOST: u32 = 20_000;
const ATOMIC: Gfp = Gfp::GFP_ATOMIC.union(Gfp::__GFP_NOWARN);
const KERNEL: Gfp = Gfp::GFP_KERNEL.union(Gfp::__GFP_NOWARN);

/// An object, and where it came from.
#[derive(Clone, Copy)]
struct Held {
    object: VirtAddr,
    bytes: u32,
    cache: Option<&'static Cache>,
}

/// What takes and gives back.
struct Player {
    slabs: &'static Slabs,
    caches: ArrayVec<&'static Cache, { SIZES.len() }>,
    random: Random,
}

impl Player {
    fn take(&mut self, gfp: Gfp) -> Option<Held> {
        let which = self.random.below(2 * SIZES.len() as u32) as usize;
        let zero = if self.random.one_in(8) { Gfp::__GFP_ZERO } else { Gfp::empty() };
        let (bytes, cache, taken) = match self.caches.get(which).copied() {
            Some(cache) => {
                let taken = slabs::take(self.slabs, cache, gfp | zero);
                (cache.object_size(), Some(cache), taken)
            }
            None => {
                // Small ones are frequent.
                let most = if self.random.one_in(8) { MOST } else { 600 };
                let bytes = 1 + self.random.below(most);
                (bytes, None, slabs::kmalloc(self.slabs, bytes, gfp | zero))
            }
        };
        let held = Held { object: taken.result().ok()?, bytes, cache };
        stamp(&held);
        Some(held)
    }

    /// Gives an object back. Says whether it was still its owner's.
    fn give(&self, held: &Held) -> bool {
        let is_ours = is_stamped(held);
        let given = give(self.slabs, held);
        is_ours && given
    }
}

fn give(slabs: &Slabs, held: &Held) -> bool {
    // SAFETY: 1. `take` took it, and forgets it; 2. nobody else looks at it; 3. there are no constructors.
    let given = unsafe {
        match held.cache {
            Some(cache) => slabs::give(slabs, cache, held.object),
            None => slabs::kfree(slabs, held.object),
        }
    };
    given.is_ok()
}

/// The words that an object has for a stamp.
fn words(held: &Held) -> impl Iterator<Item = *mut u32> {
    let at = held.object.as_u32();
    (0..held.bytes / 4).map(move |word| (at + 4 * word) as *mut u32)
}

fn stamp(held: &Held) {
    // SAFETY: the object is ours, in the linear map, and begins at a multiple of 8.
    words(held).for_each(|word| unsafe { word.write_volatile(held.object.as_u32()) });
}

fn is_stamped(held: &Held) -> bool {
    // SAFETY: as in `stamp`.
    words(held).all(|word| unsafe { word.read_volatile() == held.object.as_u32() })
}

/// The handler's side.
struct Handler {
    player: Player,
    held: ArrayVec<Held, HANDLER_HELD>,
    ticks: u32,
    broken: u32,
}

static HANDLER: IrqLock<Option<Handler>> = IrqLock::new(None);

/// At every tick.
pub fn on_tick() {
    let Some(mut handler) = HANDLER.try_lock() else { return };
    let Some(Handler { player, held, ticks, broken }) = handler.as_mut() else { return };
    *ticks += 1;
    for _ in 0..8 {
        if player.random.one_in(2) {
            if let Some(object) = held.pop() {
                *broken += u32::from(!player.give(&object));
            }
        } else if !held.is_full()
            && let Some(object) = player.take(ATOMIC)
        {
            held.push(object);
        }
    }
}

/// The suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let slabs = kernel.slabs;
    slabs.shrink_all();
    let ledger = Ledger::open(kernel.pages);
    let mut caches = ArrayVec::new();
    for size in SIZES {
        match slabs.create("selftest", size, 0, SlabFlags::SLAB_NO_MERGE, None) {
            Ok(cache) => caches.push(cache),
            Err(error) => checks.that(false, format_args!("{error}")),
        }
    }
    play(slabs, &caches, checks);
    if let Some(cache) = caches.first() {
        wrong_frees(slabs, cache, checks);
    }
    for cache in caches {
        checks.equal(slabs.objects_out(cache), 0, format_args!("objects of {}", cache.name()));
        // SAFETY: 1. created above; 2. nobody uses it any more.
        let destroyed = unsafe { slabs.destroy(cache) };
        checks.that(destroyed.is_ok(), format_args!("{destroyed:?}"));
    }
    slabs.shrink_all();
    let valid = slabs.validate();
    checks.that(valid.is_ok(), format_args!("{valid:?}"));
    ledger.check(checks, format_args!("at the end"));
}

fn play(
    slabs: &'static Slabs,
    caches: &ArrayVec<&'static Cache, { SIZES.len() }>,
    checks: &mut Checks,
) {
    let player = |seed| Player { slabs, caches: caches.clone(), random: Random::new(seed) };
    let handler = Handler { player: player(2), held: ArrayVec::new(), ticks: 0, broken: 0 };
    *HANDLER.lock() = Some(handler);
    tick::watch(super::on_tick);
    let mut player = player(1);
    let mut held: ArrayVec<Held, HELD> = ArrayVec::new();
    let mut broken = 0;
    for _ in 0..OPERATIONS {
        // More are taken as long as there are few.
        let fill = player.random.below(HELD as u32) as usize >= held.len();
        if fill && !held.is_full() {
            if let Some(object) = player.take(KERNEL) {
                held.push(object);
            }
        } else if !held.is_empty() {
            let index = player.random.below(held.len() as u32) as usize;
            broken += u32::from(!player.give(&held.swap_remove(index)));
        }
    }
    let valid = slabs.validate();
    checks.that(valid.is_ok(), format_args!("while objects are held: {valid:?}"));
    let handler = HANDLER.lock().take();
    for object in held {
        broken += u32::from(!player.give(&object));
    }
    checks.equal(broken, 0, format_args!("objects that were not as they were left"));
    let Some(handler) = handler else { return };
    let left = handler.held.iter().filter(|object| !handler.player.give(object)).count() as u32;
    checks.equal(handler.broken + left, 0, format_args!("objects of the handler that were not"));
    let ticks_need = tick::clock().is_some();
    checks.that(!ticks_need || handler.ticks > 0, format_args!("no tick came meanwhile"));
}

/// Any free object is found to be free, not only the last; and what is no object is found to be none.
fn wrong_frees(slabs: &'static Slabs, cache: &'static Cache, checks: &mut Checks) {
    let mut objects = [VirtAddr::new(0); 16];
    let taken = slabs.take_objects(cache, KERNEL, &mut objects);
    checks.that(taken.is_ok(), format_args!("{taken:?}"));
    if taken.is_err() {
        return;
    }
    let held = |object| Held { object, bytes: cache.object_size(), cache: Some(cache) };
    for object in &objects[4..] {
        checks.that(give(slabs, &held(*object)), format_args!("{object} was not given back"));
    }
    for object in &objects[6..8] {
        checks.that(!give(slabs, &held(*object)), format_args!("{object} was given back twice"));
    }
    let inside = VirtAddr::new(objects[0].as_u32() + 4);
    checks.that(!give(slabs, &held(inside)), format_args!("{inside} was given back"));
    for object in &objects[..4] {
        checks.that(give(slabs, &held(*object)), format_args!("{object} was not given back"));
    }
}
