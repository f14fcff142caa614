//! The page allocator on a machine made of vectors, by topic.

mod blocks;
mod building;
mod debugging;
mod model;
mod shortage;
mod stacks;
mod zones;

use super::*;
use crate::frame::PageState;
use crate::zone::Inconsistency;
use crate::zone::test_machine::{Memory, TestMachine, Told, spans};

/// An allocator for tests.
type Allocator<'a, const CPUS: usize = 1> = PageAllocator<'a, TestMachine<'a>, CPUS>;

fn pfn(value: u32) -> Pfn {
    Pfn::new(value)
}

fn order(value: u8) -> Order {
    Order::new(value).unwrap()
}

fn range(start: u32, end: u32) -> PfnRange {
    PfnRange::new(pfn(start), pfn(end))
}

/// A machine all of whose memory between these borders was handed over, and that has started.
fn started<const CPUS: usize>(memory: &Memory, borders: [u32; 4]) -> Allocator<'_, CPUS> {
    let allocator = memory.allocator(borders);
    allocator.release(range(borders[0], borders[3])).unwrap();
    allocator.start();
    allocator
}

/// Pages that each zone has free, those in stacks left out.
fn free_pages<const CPUS: usize>(allocator: &Allocator<'_, CPUS>) -> [u32; 3] {
    allocator.zones().each_ref().map(Zone::free_pages)
}

/// How many free blocks each zone has of each order.
fn free_blocks<const CPUS: usize>(allocator: &Allocator<'_, CPUS>) -> [[u32; Order::COUNT]; 3] {
    allocator.zones().each_ref().map(|zone| zone.counts().all_blocks().map(|row| row.iter().sum()))
}

/// The zone of a frame.
fn zone_of<const CPUS: usize>(allocator: &Allocator<'_, CPUS>, frame: Pfn) -> Option<ZoneKind> {
    allocator.zones().iter().find(|zone| zone.span().contains(frame)).map(Zone::kind)
}

/// Takes blocks until there are none, and says which came.
fn exhaust<const CPUS: usize>(allocator: &Allocator<'_, CPUS>, gfp: Gfp, order: Order) -> Vec<Pfn> {
    let taken = core::iter::from_fn(|| allocator.alloc_block(gfp, order).ok()).collect();
    allocator.validate().unwrap();
    taken
}

/// Gives blocks back.
fn give_back<const CPUS: usize>(allocator: &Allocator<'_, CPUS>, taken: Vec<Pfn>, order: Order) {
    for pfn in taken {
        allocator.free_block(pfn, order).unwrap();
    }
    allocator.validate().unwrap();
}
