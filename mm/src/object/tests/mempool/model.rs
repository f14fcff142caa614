//! Random operations beside a plain model: a vector, and a number.

use proptest::prelude::*;

use super::super::super::mempool::{
    Elements, KmallocElements, Mempool, NoElement, PageElements, PoolError, SlabElements,
};
use super::super::super::test_machine::{Machine, with_slabs};
use super::super::super::{NotGiven, SlabAllocator, SlabFlags};
use super::{Limited, free, free_pages};
use crate::addr::{Order, VirtAddr};
use crate::zone::Gfp;

#[derive(Clone, Debug)]
enum Op {
    Take,
    /// Give back the element at this place.
    Give(usize),
    /// Give back again what lies at this place in the pool.
    Again(usize),
    Resize(u32),
    Cpu(usize),
    /// So many more or fewer elements are left for the allocator.
    Left(u32),
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => Just(Op::Take),
        7 => any::<usize>().prop_map(Op::Give),
        2 => any::<usize>().prop_map(Op::Again),
        1 => (0_u32..12).prop_map(Op::Resize),
        1 => (0_usize..2).prop_map(Op::Cpu),
        1 => (0_u32..8).prop_map(Op::Left),
    ];
    prop::collection::vec(op, 1..200)
}

/// What a pool is.
#[derive(Default)]
struct Model {
    min_nr: u32,
    pool: Vec<VirtAddr>,
    left: u32,
    held: Vec<VirtAddr>,
}

fn run<E: Elements>(slabs: &SlabAllocator<'_, '_, Machine, 2>, elements: E, ops: &[Op]) {
    let pool = Mempool::new(slabs, 3, Limited::new(elements, 3)).unwrap();
    let mut model = Model { min_nr: 3, ..Model::default() };
    // What lies there is found out by taking it.
    for _ in 0..3 {
        model.held.push(pool.alloc(Gfp::GFP_ATOMIC).unwrap());
    }
    for op in ops {
        match *op {
            Op::Take => {
                let got = pool.alloc(Gfp::GFP_ATOMIC);
                if model.left > 0 {
                    model.left -= 1;
                    let got = got.unwrap();
                    assert!(!model.held.contains(&got) && !model.pool.contains(&got));
                    model.held.push(got);
                } else {
                    assert_eq!(got, model.pool.last().copied().ok_or(NoElement::Empty));
                    model.held.extend(model.pool.pop());
                }
            }
            Op::Give(index) if !model.held.is_empty() => {
                let element = model.held.remove(index % model.held.len());
                assert_eq!(free(&pool, element), Ok(()));
                if (model.pool.len() as u32) < model.min_nr {
                    model.pool.push(element);
                } else {
                    model.left += 1;
                }
            }
            Op::Again(index) if !model.pool.is_empty() => {
                let element = model.pool[index % model.pool.len()];
                assert_eq!(free(&pool, element), Err(NotGiven { object: element }));
                assert_eq!(slabs.memory().told().len(), 1);
            }
            Op::Give(_) | Op::Again(_) => {}
            Op::Resize(0) => assert_eq!(pool.resize(0), Err(PoolError::NoElements)),
            Op::Resize(min_nr) => {
                let more = min_nr.saturating_sub(model.min_nr);
                if more > model.left {
                    let error = pool.resize(min_nr);
                    let Err(PoolError::Element { taken, .. }) = error else { panic!("{error:?}") };
                    assert_eq!(taken, model.left);
                } else {
                    assert_eq!(pool.resize(min_nr), Ok(()));
                    model.min_nr = min_nr;
                    model.left -= more;
                    while model.pool.len() as u32 > min_nr {
                        model.pool.pop();
                        model.left += 1;
                    }
                    // The new ones, beneath the others.
                    let kept = model.pool.len();
                    let left = pool.elements().left.replace(0);
                    let all: Vec<VirtAddr> =
                        std::iter::from_fn(|| pool.alloc(Gfp::GFP_ATOMIC).ok()).collect();
                    assert_eq!(all.len(), kept + more as usize);
                    all.iter().rev().for_each(|element| free(&pool, *element).unwrap());
                    pool.elements().left.set(left);
                    let all: Vec<VirtAddr> = all.into_iter().rev().collect();
                    assert_eq!(all[more as usize..], model.pool);
                    model.pool = all;
                }
            }
            Op::Cpu(cpu) => slabs.memory().set_cpu(cpu),
            Op::Left(left) => {
                pool.elements().left.set(left);
                model.left = left;
            }
        }
        assert_eq!((pool.min_nr(), pool.curr_nr()), (model.min_nr, model.pool.len() as u32));
        assert_eq!(pool.elements().left.get(), model.left);
        assert_eq!(pool.outstanding(), model.min_nr - model.pool.len() as u32);
        assert_eq!(slabs.validate(), Ok(()));
    }
    for element in model.held {
        assert_eq!(free(&pool, element), Ok(()));
    }
    assert_eq!(pool.destroy(), Ok(()));
    assert!(slabs.memory().told().is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn any_pool_is_a_stack_before_an_allocator(ops in ops()) {
        with_slabs::<2>(512, |slabs| {
            let cache = slabs.create("model", 200, 0, SlabFlags::SLAB_NO_MERGE, None).unwrap();
            run(slabs, SlabElements::new(slabs, cache), &ops);
            assert_eq!(slabs.objects_out(cache), 0);
            let free_before = free_pages(slabs);
            run(slabs, KmallocElements::new(slabs, 500, Gfp::empty()), &ops);
            run(slabs, KmallocElements::new(slabs, 9000, Gfp::empty()), &ops);
            run(slabs, PageElements::new(slabs, Order::ZERO, Gfp::GFP_DMA), &ops);
            assert_eq!(free_pages(slabs), free_before);
        });
    }
}
