//! Tests of memblock. Case by case they follow Linux's `tools/testing/memblock`, under its names;
//! its NUMA cases do not apply, for there is one node. What Linux leaves to these cases is held
//! against a plain model as well, in `model`.

mod alloc;
mod alloc_min_max;
mod basic;
mod grow;
mod invariants;
mod model;

use std::cell::RefCell;
use std::rc::Rc;

use super::*;

/// Where the memory of most tests starts.
const BASE: u64 = 0x4000_0000;

fn addr(value: u64) -> PhysAddr {
    PhysAddr::new(value)
}

/// `len` bytes from `start`, cut at the highest address.
fn range(start: u64, len: u64) -> PhysRange {
    PhysRange::new(addr(start), addr(start).saturating_add(len))
}

fn array(slots: usize) -> &'static mut [Region] {
    // What an array holds at first must not matter.
    let junk = Region { range: range(0x1234, 0x5678), flags: Flags::all() };
    Box::leak(vec![junk; slots].into_boxed_slice())
}

/// A memblock without memory, whose two arrays have `slots` each.
fn empty_machine(slots: usize) -> Memblock<'static> {
    Memblock::new(array(slots), array(slots))
}

/// A memblock with `size` bytes of memory at [`BASE`].
fn machine(size: u64) -> Memblock<'static> {
    let mut memblock = empty_machine(INIT_REGIONS);
    memblock.add(range(BASE, size), Flags::empty()).unwrap();
    memblock
}

/// The regions of a list as starts and lengths, after a check of all invariants.
fn regions(memblock: &Memblock<'_>, list: ListKind) -> Vec<(u64, u64)> {
    assert_eq!(memblock.validate(), Ok(()));
    let list = match list {
        ListKind::Memory => memblock.memory(),
        ListKind::Reserved => memblock.reserved(),
    };
    let regions: Vec<_> =
        list.regions().iter().map(|r| (r.range.start().as_u64(), r.range.len())).collect();
    assert_eq!(list.total_size(), regions.iter().map(|(_, len)| len).sum::<u64>());
    regions
}

/// Both lists, to tell whether anything has changed.
fn snapshot(memblock: &Memblock<'_>) -> [(Vec<Region>, Option<PhysRange>, usize); 2] {
    [memblock.memory(), memblock.reserved()]
        .map(|list| (list.regions().to_vec(), list.array(), list.capacity()))
}

/// The requests that a [`Heap`] has seen.
type Requests = Rc<RefCell<Vec<(PhysRange, usize)>>>;

/// A storage that makes its arrays on the heap and refuses some requests.
struct Heap<F> {
    requests: Requests,
    refuses: F,
}

impl<F: FnMut(usize) -> bool> RegionStorage<'static> for Heap<F> {
    fn array_at(&mut self, range: PhysRange, len: usize) -> Option<&'static mut [Region]> {
        assert!(range.start().is_aligned(4096) && range.len().is_multiple_of(4096));
        assert!(range.len() >= (len * size_of::<Region>()) as u64);
        let index = self.requests.borrow().len();
        self.requests.borrow_mut().push((range, len));
        (!(self.refuses)(index)).then(|| array(len))
    }
}

/// Lets `memblock` grow; request number `n`, from 0, is refused when `refuses(n)`.
fn allow_growth(
    memblock: &mut Memblock<'static>,
    refuses: impl FnMut(usize) -> bool + 'static,
) -> Requests {
    let requests = Requests::default();
    memblock.allow_growth(Box::leak(Box::new(Heap { requests: requests.clone(), refuses })));
    requests
}
