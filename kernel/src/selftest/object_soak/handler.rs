//! The tick's part: its handler takes objects with GFP_ATOMIC from the same caches and pools, whatever it
//! has interrupted, holds some over ticks, and gives back its own and what was left to it.

use core::mem;

use arch_arm::sync::IrqLock;
use arrayvec::ArrayVec;
use mm::zone::Gfp;
use spin::RwLock;

use super::super::soak::random::Random;
use super::held::Held;
use super::world::World;
use crate::slabs::Cache;

/// Objects that it holds at most.
const HELD: usize = 48;
/// Objects that it takes or gives back at a tick.
const MOVES: u32 = 24;
/// Caches that come and go, at most.
pub const GUESTS: usize = 3;
/// Its requests.
const ATOMIC: Gfp = Gfp::GFP_ATOMIC.union(Gfp::__GFP_NOWARN);

/// What it takes from. Written while the handler has no part, by nobody else; so nobody ever waits for it.
pub static WORLD: RwLock<Option<World>> = RwLock::new(None);

/// What the handler has done.
#[derive(Clone, Copy, Default, Debug)]
pub struct Figures {
    /// Times that it came.
    pub ticks: u32,
    /// Objects that it took.
    pub taken: u32,
    /// Requests that found nothing.
    pub refused: u32,
}

/// Its own state.
struct Handler {
    figures: Figures,
    random: Random,
    held: ArrayVec<Held, HELD>,
    guests: ArrayVec<&'static Cache, GUESTS>,
    /// Given back, and still written to.
    #[cfg(feature = "test-late-write")]
    written: mm::addr::VirtAddr,
}

static HANDLER: IrqLock<Option<Handler>> = IrqLock::new(None);

/// Has the handler take part from the next tick on.
pub fn start(seed: u32) {
    *HANDLER.lock() = Some(Handler {
        figures: Figures::default(),
        random: Random::new(!seed),
        held: ArrayVec::new(),
        guests: ArrayVec::new(),
        #[cfg(feature = "test-late-write")]
        written: mm::addr::VirtAddr::new(0),
    });
}

/// Times that it came.
pub fn ticks() -> u32 {
    HANDLER.lock().as_ref().map_or(0, |handler| handler.figures.ticks)
}

/// It takes no part any more, and all that it held is back.
pub fn stop(world: &World) -> Figures {
    let Some(handler) = HANDLER.lock().take() else { return Figures::default() };
    handler.held.into_iter().for_each(|held| world.give(held));
    handler.figures
}

/// Leaves it an object to give back, for one that it has taken, if it has any.
pub fn swap(held: &mut Held) {
    if let Some(handler) = HANDLER.lock().as_mut()
        && let Some(other) = handler.held.first_mut()
    {
        mem::swap(held, other);
    }
}

/// It takes from this cache as well.
pub fn invite(cache: &'static Cache) {
    if let Some(handler) = HANDLER.lock().as_mut() {
        let _ = handler.guests.try_push(cache);
    }
}

/// It takes from this cache no more; of all that it has of it the caller is the owner now.
pub fn take_leave(cache: &'static Cache) -> ArrayVec<Held, HELD> {
    let mut theirs = ArrayVec::new();
    if let Some(handler) = HANDLER.lock().as_mut() {
        handler.guests.retain(|guest| !core::ptr::eq(*guest, cache));
        let all = mem::take(&mut handler.held);
        for held in all {
            let place = if held.is_of(cache) { &mut theirs } else { &mut handler.held };
            place.push(held);
        }
    }
    theirs
}

/// At every tick.
pub fn on_tick() {
    let (Some(world), Some(mut state)) = (WORLD.try_read(), HANDLER.try_lock()) else { return };
    if let (Some(world), Some(handler)) = (world.as_ref(), state.as_mut()) {
        handler.tick(world);
    }
}

impl Handler {
    fn tick(&mut self, world: &World) {
        self.figures.ticks += 1;
        for _ in 0..MOVES {
            if self.held.is_full() || (!self.held.is_empty() && self.random.one_in(2)) {
                self.give(world);
            } else {
                self.take(world);
            }
        }
    }

    fn give(&mut self, world: &World) {
        let index = self.random.below(self.held.len() as u32) as usize;
        let held = self.held.swap_remove(index);
        #[cfg(feature = "test-late-write")]
        let object = held.object;
        world.give(held);
        #[cfg(feature = "test-late-write")]
        self.write_late(object);
    }

    /// The deliberate fault: writes into what was given back for a while.
    #[cfg(feature = "test-late-write")]
    fn write_late(&mut self, given: mm::addr::VirtAddr) {
        if self.figures.ticks.is_multiple_of(16) {
            self.written = given;
        }
        if self.written.as_u32() != 0 {
            // SAFETY: none. It is somebody else's by now, or will be.
            unsafe { (self.written.as_u32() as *mut u32).write_volatile(0x1a7e) };
        }
    }

    fn take(&mut self, world: &World) {
        let guest = self.random.below(4 * GUESTS as u32) as usize;
        let taken = match self.guests.get(guest) {
            Some(cache) => world.take_of(cache, &mut self.random, ATOMIC),
            None => world.take(&mut self.random, ATOMIC),
        };
        match taken {
            Some(held) => {
                self.held.push(held);
                self.figures.taken += 1;
            }
            None => self.figures.refused += 1,
        }
    }
}
