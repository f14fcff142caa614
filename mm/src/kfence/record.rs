//! What is known about each object of the pool.
//!
//! Words, and all zeroes are a record of an object that was never handed out. They are read and written with the
//! sampler's lock held.

use crate::addr::VirtAddr;
use crate::object::guarded::Track;
use crate::sync::AtomicU32;
use crate::sync::Ordering::Relaxed;

/// Bytes of a record.
pub(super) const RECORD_BYTES: u32 = size_of::<Record>() as u32;
const _: () = assert!(RECORD_BYTES == 48 && align_of::<Record>() == 4);

/// An object's record.
#[repr(C)]
pub(super) struct Record {
    state: AtomicU32,
    /// The object's address; 0 if it was never handed out.
    pub(super) object: AtomicU32,
    /// Bytes that its user may use.
    pub(super) size: AtomicU32,
    /// The address of its cache; 0 if that is gone.
    pub(super) cache: AtomicU32,
    /// Who took it last.
    pub(super) taken: TrackWords,
    /// Who gave it back last.
    pub(super) given: TrackWords,
    /// Pages that an access was reported of, and that are open since then: [`LEFT`](Self::LEFT) and so on.
    pub(super) open: AtomicU32,
    /// The next one in quarantine.
    pub(super) next: AtomicU32,
}

/// What an object is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum State {
    /// In quarantine.
    Free,
    /// Somebody's.
    Allocated,
    /// Allocated, and set aside in a pool: nobody may give it back.
    Parked,
    /// On its way back.
    Leaving,
}

impl Record {
    /// In `open`: the guard before the object's page.
    pub(super) const LEFT: u32 = 1;
    /// In `open`: the guard behind it.
    pub(super) const RIGHT: u32 = 2;
    /// In `open`: the page itself, though the object is free.
    pub(super) const OWN: u32 = 4;

    /// Of an object that was never handed out.
    #[cfg(test)]
    pub(super) fn new() -> Self {
        let zero = || AtomicU32::new(0);
        let track = || TrackWords { site: zero(), cpu: zero(), when: zero() };
        Self {
            state: zero(),
            object: zero(),
            size: zero(),
            cache: zero(),
            taken: track(),
            given: track(),
            open: zero(),
            next: zero(),
        }
    }

    pub(super) fn state(&self) -> State {
        match self.state.load(Relaxed) {
            1 => State::Allocated,
            2 => State::Parked,
            3 => State::Leaving,
            _ => State::Free,
        }
    }

    pub(super) fn set_state(&self, state: State) {
        let word = match state {
            State::Free => 0,
            State::Allocated => 1,
            State::Parked => 2,
            State::Leaving => 3,
        };
        self.state.store(word, Relaxed);
    }

    /// Where the object is, or was.
    pub(super) fn object(&self) -> VirtAddr {
        VirtAddr::new(self.object.load(Relaxed))
    }

    /// Was it ever handed out?
    pub(super) fn is_known(&self) -> bool {
        self.object.load(Relaxed) != 0
    }

    /// Does somebody, or a pool, have the object that begins at this address?
    pub(super) fn is_out_at(&self, object: VirtAddr) -> bool {
        matches!(self.state(), State::Allocated | State::Parked) && self.object() == object
    }

    /// The pages that are open, which are closed from now on.
    pub(super) fn take_open(&self) -> u32 {
        let open = self.open.load(Relaxed);
        self.open.store(0, Relaxed);
        open
    }

    pub(super) fn add_open(&self, page: u32) {
        self.open.store(self.open.load(Relaxed) | page, Relaxed);
    }
}

/// A [`Track`], as words.
#[repr(C)]
pub(super) struct TrackWords {
    site: AtomicU32,
    cpu: AtomicU32,
    when: AtomicU32,
}

impl TrackWords {
    pub(super) fn get(&self) -> Track {
        Track {
            site: self.site.load(Relaxed),
            cpu: self.cpu.load(Relaxed),
            when: self.when.load(Relaxed),
        }
    }

    pub(super) fn set(&self, track: Track) {
        self.site.store(track.site, Relaxed);
        self.cpu.store(track.cpu, Relaxed);
        self.when.store(track.when, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeroes_are_a_free_object_that_was_never_handed_out() {
        let record = Record::new();
        assert_eq!(record.state(), State::Free);
        assert!(!record.is_known() && !record.is_out_at(VirtAddr::new(0)));
        for state in [State::Allocated, State::Parked, State::Leaving, State::Free] {
            record.set_state(state);
            assert_eq!(record.state(), state);
        }
        record.add_open(Record::LEFT);
        record.add_open(Record::OWN);
        assert_eq!((record.take_open(), record.take_open()), (Record::LEFT | Record::OWN, 0));
    }
}
