//! Four CPUs take, give, tick, shrink, fail on purpose, and make and end caches, in an order that a seed begins.
//!
//! Beside it stands a plain list of who has what. Slabs go from CPU to CPU all the time here, and after each
//! step everything is accounted for, the hints as well.
#![expect(unsafe_code, reason = "caches are destroyed, and objects given back by their address")]

use super::super::error::Busy;
use super::super::test_machine::{Machine, with_slabs};
use super::super::{CacheRef, SlabAllocator, SlabFlags};
use crate::addr::VirtAddr;
use crate::fault::FailConfig;
use crate::platform::{Answer, Platform, Shortage};
use crate::sync::Ordering::Relaxed;
use crate::zone::Gfp;

const CPUS: usize = 4;
const SIZES: [u32; 3] = [24, 512, 1500];
const STEPS: u32 = 250;
/// As many objects of a cache are held at most.
const MOST: usize = 1000;

type Slabs<'p, 'a> = SlabAllocator<'p, 'a, Machine, CPUS>;

/// Numbers that a seed other than 0 begins: xorshift.
struct Random(u32);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        (self.0 >> 8) as usize % limit
    }
}

/// A cache, and what somebody has of it: each object with the byte that it holds.
struct Slot<'s> {
    cache: CacheRef<'s, CPUS>,
    held: Vec<(VirtAddr, u8)>,
}

/// How often slabs changed hands.
#[derive(Default)]
struct Passed {
    shared: u32,
    adopted: u32,
    destroyed: u32,
    failed: u32,
}

fn make<'s>(slabs: &'s Slabs<'_, '_>, size: u32) -> CacheRef<'s, CPUS> {
    slabs.create(&format!("cpus-{size}"), size, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap()
}

impl Slot<'_> {
    fn size(&self) -> u32 {
        self.cache.object_size()
    }

    fn take(&mut self, slabs: &Slabs<'_, '_>, count: usize, random: &mut Random) -> bool {
        let mut objects = vec![VirtAddr::new(0); count];
        let is_taken = if count == 1 {
            let taken = slabs.take_object(self.cache, Gfp::GFP_KERNEL);
            taken.map(|object| objects[0] = object).is_ok()
        } else {
            slabs.take_objects(self.cache, Gfp::GFP_KERNEL, &mut objects).is_ok()
        };
        if is_taken {
            for object in objects {
                let byte = random.below(256) as u8;
                slabs.memory().fill_object(object, self.size(), byte);
                self.held.push((object, byte));
            }
        }
        is_taken
    }

    fn give(&mut self, slabs: &Slabs<'_, '_>, count: usize, random: &mut Random) {
        let mut objects = Vec::new();
        while objects.len() < count && !self.held.is_empty() {
            let (object, byte) = self.held.swap_remove(random.below(self.held.len()));
            assert!(slabs.memory().is_filled(object, self.size(), byte), "{object}");
            objects.push(object);
        }
        // SAFETY: 1. the test has taken each, once; 2. and forgets it; 3. there is no constructor.
        let given = unsafe {
            match objects[..] {
                [object] => slabs.free_object(self.cache, object),
                _ => slabs.free_objects(self.cache, &objects),
            }
        };
        assert_eq!(given, Ok(()));
        // Nobody looks at what is free.
        objects.iter().for_each(|object| slabs.memory().fill_object(*object, self.size(), 0xee));
    }

    /// How many slabs no CPU owns.
    fn shared_slabs(&self, slabs: &Slabs<'_, '_>) -> u32 {
        let _masked = slabs.memory().mask();
        self.cache.shared.lock(|| slabs.memory().contended()).partial_slabs.load(Relaxed)
    }

    /// Ends the cache, while the other CPUs go on. Says `false` if somebody has objects of it.
    fn destroy(&self, slabs: &Slabs<'_, '_>, cpu: usize) -> bool {
        let others_tick = |shortage: &Shortage| {
            (0..CPUS).filter(|other| *other != cpu).for_each(|other| {
                slabs.memory().set_cpu(other);
                slabs.tick();
            });
            slabs.memory().set_cpu(cpu);
            let may_help = shortage.round < 2 || shortage.freed > 0;
            if may_help { Answer::Retry } else { Answer::NobodyCanHelp }
        };
        // SAFETY: 1. the test made it once, and destroys it once; 2. with `Ok` it makes another one; 3. there is
        // one thread.
        let destroy = || unsafe { slabs.destroy(self.cache) };
        let destroyed = slabs.memory().with_waits(others_tick, destroy);
        if self.held.is_empty() {
            assert_eq!(destroyed, Ok(()));
            return true;
        }
        let Err(Busy { objects, .. }) = destroyed else { panic!("objects are out") };
        assert_eq!((objects as usize, slabs.memory().told().len()), (self.held.len(), 1));
        false
    }
}

fn run(seed: u32, passed: &mut Passed) {
    with_slabs::<CPUS>(2048, |slabs| {
        let mut random = Random(seed);
        let mut slots = SIZES.map(|size| Slot { cache: make(slabs, size), held: Vec::new() });
        let mut cpu = 0;
        for step in 0..STEPS {
            let slot = &mut slots[random.below(SIZES.len())];
            let shared = slot.shared_slabs(slabs);
            let many = 1 + random.below(200);
            match random.below(24) {
                0..3 => {
                    slot.take(slabs, 1, &mut random);
                }
                3..9 if slot.held.len() < MOST => {
                    let is_taken = slot.take(slabs, many, &mut random);
                    assert!(is_taken || slabs.injects_failures(), "seed {seed}, step {step}");
                    passed.failed += u32::from(!is_taken);
                    passed.adopted += shared.saturating_sub(slot.shared_slabs(slabs));
                }
                9..11 => slot.give(slabs, 1, &mut random),
                3..16 => slot.give(slabs, many, &mut random),
                16..20 => {
                    cpu = random.below(CPUS);
                    slabs.memory().set_cpu(cpu);
                }
                20..22 => {
                    slabs.tick();
                    passed.shared += slot.shared_slabs(slabs).saturating_sub(shared);
                }
                22 if many < 20 => {
                    slabs.shrink_all();
                }
                22 if many < 100 => {
                    let off = slabs.injects_failures();
                    let config = FailConfig::one_in(5 * many as u32);
                    slabs.inject_failures(if off { FailConfig::OFF } else { config });
                }
                22 => {
                    slabs.shrink(slot.cache);
                }
                _ => {
                    if many.is_multiple_of(4) {
                        slot.give(slabs, usize::MAX, &mut random);
                    }
                    let size = slot.size();
                    if slot.destroy(slabs, cpu) {
                        slot.cache = make(slabs, size);
                        passed.destroyed += 1;
                    }
                }
            }
            assert_eq!(slabs.validate(), Ok(()), "seed {seed}, step {step}");
        }
        slabs.inject_failures(FailConfig::OFF);
        for slot in &mut slots {
            assert_eq!(slabs.objects_out(slot.cache) as usize, slot.held.len());
            slot.give(slabs, usize::MAX, &mut random);
            assert!(slot.destroy(slabs, cpu));
        }
        assert_eq!(slabs.validate(), Ok(()), "seed {seed}");
        assert!(slabs.memory().told().is_empty());
    });
}

#[test]
fn four_cpus_pass_slabs_around() {
    let mut passed = Passed::default();
    (1..=12).for_each(|seed| run(seed, &mut passed));
    let Passed { shared, adopted, destroyed, failed } = passed;
    assert!(
        shared.min(adopted).min(destroyed).min(failed) >= 10,
        "{shared} {adopted} {destroyed} {failed}"
    );
}
