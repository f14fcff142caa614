//! Each thing that may happen to a line, and each that an operation must prevent.

use super::*;
use crate::adversary::Adversary;
use mm::addr::{PhysAddr, PhysRange};

/// A cache over one bank, one CPU.
struct Rig {
    memory: Memory,
    cache: DataCache,
    will: Will,
}

const LINE: u64 = 0x1040;

impl Rig {
    fn new(adversary: Adversary) -> Self {
        let bank = PhysRange::new(PhysAddr::new(0x1000), PhysAddr::new(0x2000));
        let mut memory = Memory::new(vec![bank]);
        for at in (0x1000..0x2000).step_by(4) {
            memory.write(at, 1);
        }
        Self { memory, cache: DataCache::new(1), will: Will::new(adversary) }
    }

    fn store(&mut self, value: u32) {
        self.cache.store(LINE, value, &mut self.memory, &mut self.will);
    }

    fn load(&mut self) -> u32 {
        self.cache.load(LINE, &self.memory)
    }

    fn issue(&mut self, op: LineOp) {
        self.cache.issue(0, op, LINE, &mut self.memory, &mut self.will);
    }

    fn complete(&mut self, reach: Reach) {
        let count = self.cache.lines_in_flight(0).len();
        self.cache.complete(0, &mut self.memory, &mut self.will, &vec![reach; count]);
    }

    fn device(&mut self, value: u32, reach: Reach) {
        self.cache.before_change(LINE, reach, &self.memory, &mut self.will);
        self.memory.write(LINE, value);
        self.cache.after_change(LINE, &mut self.memory, &mut self.will);
    }
}

#[test]
fn memory_lags_until_the_clean_is_complete() {
    let mut rig = Rig::new(Adversary::Lazy);
    rig.store(2);
    assert_eq!((rig.load(), rig.memory.read(LINE)), (2, 1));
    rig.issue(LineOp::Clean);
    assert_eq!(rig.memory.read(LINE), 1);
    rig.complete(Reach::Cacheable);
    assert_eq!((rig.load(), rig.memory.read(LINE)), (2, 2));
}

#[test]
fn a_clean_need_not_see_a_later_store() {
    let mut rig = Rig::new(Adversary::Lazy);
    rig.store(2);
    rig.issue(LineOp::Clean);
    rig.store(3);
    rig.complete(Reach::Cacheable);
    assert_eq!((rig.load(), rig.memory.read(LINE)), (3, 2));
    assert!(rig.cache.is_dirty(LINE));
}

#[test]
fn the_eager_write_back_at_once() {
    let mut rig = Rig::new(Adversary::Eager);
    rig.store(2);
    assert_eq!(rig.memory.read(LINE), 2);
}

#[test]
fn a_dirty_line_goes_over_what_a_device_wrote() {
    let mut rig = Rig::new(Adversary::Lazy);
    rig.store(2);
    rig.device(9, Reach::Cacheable);
    assert_eq!(rig.memory.read(LINE), 2);
}

#[test]
fn a_clean_line_hides_what_a_device_wrote_until_it_is_invalidated() {
    for adversary in [Adversary::Lazy, Adversary::Eager] {
        let mut rig = Rig::new(adversary);
        rig.device(9, Reach::Cacheable);
        assert_eq!(rig.load(), 1, "{adversary:?}");
        rig.issue(LineOp::Invalidate);
        assert_eq!(rig.load(), 1, "{adversary:?}");
        rig.complete(Reach::Cacheable);
        assert_eq!(rig.load(), 9, "{adversary:?}");
    }
}

#[test]
fn an_invalidation_before_the_device_is_no_use() {
    let mut rig = Rig::new(Adversary::Lazy);
    rig.issue(LineOp::Invalidate);
    rig.device(9, Reach::Cacheable);
    rig.complete(Reach::Cacheable);
    assert_eq!(rig.load(), 1);
}

#[test]
fn an_invalidation_loses_what_was_stored_or_not() {
    for (adversary, left) in [(Adversary::Lazy, 1), (Adversary::Eager, 2)] {
        let mut rig = Rig::new(adversary);
        rig.store(2);
        rig.issue(LineOp::Invalidate);
        rig.complete(Reach::Cacheable);
        assert_eq!(rig.load(), left);
    }
}

#[test]
fn lines_outlive_the_mapping_that_filled_them() {
    let mut rig = Rig::new(Adversary::Lazy);
    rig.device(5, Reach::None);
    assert_eq!(rig.cache.peek(LINE), None);
    rig.cache.leave(1);
    rig.device(9, Reach::None);
    assert_eq!(rig.load(), 5);
    rig.issue(LineOp::CleanInvalidate);
    rig.complete(Reach::None);
    rig.device(10, Reach::None);
    assert_eq!(rig.load(), 10);
}

#[test]
fn write_through_is_in_both() {
    let mut rig = Rig::new(Adversary::Lazy);
    rig.cache.store_through(LINE, 4, &mut rig.memory);
    assert_eq!((rig.load(), rig.memory.read(LINE)), (4, 4));
    assert!(!rig.cache.is_dirty(LINE));
}
