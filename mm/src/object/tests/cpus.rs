//! Slabs that pass from CPU to CPU.
#![expect(unsafe_code, reason = "objects are given back by their address")]

use super::super::SlabFlags;
use super::super::test_machine::with_slabs;
use crate::addr::VirtAddr;
use crate::zone::Gfp;

/// CPU 0 has taken and freed far more than it wants to keep, and CPU 1 wants as much: it makes no slab as long as
/// there is one.
#[test]
fn a_cpu_takes_from_slabs_that_another_one_has_too_many_of() {
    with_slabs::<2>(1024, |slabs| {
        let cache = slabs.create("shared", 512, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
        let take = || slabs.take_object(cache, Gfp::GFP_KERNEL).unwrap();
        let free = |object: &VirtAddr| {
            // SAFETY: 1. it was taken below; 2. nobody looks at it; 3. there is no constructor.
            unsafe { slabs.free_object(cache, *object) }.unwrap();
        };
        let on_cpu = |cpu| slabs.memory().set_cpu(cpu);
        let objects: Vec<_> = (0..400).map(|_| take()).collect();
        // One of four stays, so that no slab is empty.
        let (stay, go): (Vec<_>, Vec<_>) =
            objects.iter().enumerate().partition(|(at, _)| at % 4 == 0);
        go.iter().for_each(|(_, object)| free(object));
        let made = slabs.cache_figures(cache).slabs;
        for _ in 0..made {
            slabs.tick();
        }
        assert_eq!(slabs.validate(), Ok(()));
        let kept = cache.cpu[0].partial_slabs.load(crate::sync::Ordering::Relaxed);
        assert_eq!(kept, cache.min_partial);
        on_cpu(1);
        let per_slab = cache.geometry().objects(cache.geometry().order);
        let free_elsewhere = (kept + 1) * per_slab;
        let taken: Vec<_> = (0..go.len() as u32 - free_elsewhere).map(|_| take()).collect();
        assert_eq!(slabs.cache_figures(cache).slabs, made);
        // Objects of slabs that were CPU 0's come back from it to whose they are now.
        on_cpu(0);
        stay.iter().for_each(|(_, object)| free(object));
        assert_eq!(slabs.validate(), Ok(()));
        on_cpu(1);
        taken.iter().for_each(free);
        slabs.tick();
        assert_eq!(slabs.validate(), Ok(()));
        for cpu in [0, 1] {
            on_cpu(cpu);
            slabs.shrink(cache);
        }
        assert_eq!(slabs.cache_figures(cache).slabs, 0);
    });
}
