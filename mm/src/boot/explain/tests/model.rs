//! What became of one byte, from flat lists and the rules as they are written: slow, and with
//! nothing of memblock's lists, sweeps or borders in it.

use super::Machine;
use crate::addr::{PAGE_SIZE, PhysRange};
use crate::boot::explain::class::{Class, Lost, Owner};
use crate::boot::explain::{Reservation, Situation};
use crate::boot::memory::PHYS_OFFSET_ALIGN;
use crate::param::{params, read_size};
use crate::zone::ZoneKind;

const LIMIT: u64 = 1 << 32;
const PAGE: u64 = PAGE_SIZE as u64;

/// The flat lists.
pub(super) struct Model {
    phys_offset: u64,
    banks: Vec<(u64, u64)>,
    /// What `mem=` names, cut to what can be used.
    mem: Option<Vec<(u64, u64)>>,
    /// The memory of the image, which `mem=` can not take away.
    image: (u64, u64),
    /// The part of that which is in use.
    image_kept: bool,
    dropped: Option<(u64, u64)>,
    held: Vec<Reservation<'static>>,
    /// Ranges that boot allocated, whoever for.
    taken: Vec<(u64, u64)>,
    zones: Vec<(ZoneKind, u64, u64)>,
}

fn ends(range: PhysRange) -> (u64, u64) {
    (range.start().as_u64(), range.end().as_u64())
}

fn inside(at: u64, (start, end): (u64, u64)) -> bool {
    start <= at && at < end
}

impl Model {
    pub fn new(machine: &Machine, booted: &Situation<'_, '_, super::Known>) -> Self {
        let up = |value: u64| value.checked_next_multiple_of(PAGE).unwrap_or(!(PAGE - 1));
        let phys_offset = machine.phys_offset;
        let mut mem = Vec::new();
        for param in params(&machine.command_line).filter(|param| param.is("mem")) {
            let (size, start) = match param.value.unwrap_or("").split_once('@') {
                Some((size, start)) => (size, read_size(start).bytes),
                None => (param.value.unwrap_or(""), phys_offset),
            };
            let bytes = read_size(size).bytes & !(PAGE - 1);
            if bytes > 0 {
                mem.push((up(start), up(start).saturating_add(bytes)));
            }
        }
        let zones = booted.layout.zones.iter().map(|zone| {
            let (start, end) = ends(zone.range.as_phys());
            (zone.kind, start, end)
        });
        let align = PHYS_OFFSET_ALIGN;
        let (start, end) = ends(machine.image());
        let mut model = Self {
            phys_offset,
            banks: machine.banks.iter().copied().map(ends).collect(),
            mem: (!mem.is_empty()).then_some(mem),
            image: (start & !(align - 1), end.next_multiple_of(align)),
            image_kept: false,
            dropped: booted.dropped.map(ends),
            held: booted.inventory.held.clone(),
            taken: Vec::new(),
            zones: zones.collect(),
        };
        // Looked at in steps of a page, as `mem=` names pages.
        model.image_kept = (start..end).step_by(PAGE as usize).any(|at| !model.described(at));
        // What is reserved and held by nobody was allocated.
        let reserved = booted.memblock.reserved().regions().iter();
        model.taken = reserved.map(|region| ends(region.range)).collect();
        model
    }

    /// Every address at which something may change.
    pub fn borders(&self) -> Vec<u64> {
        let page = |at: u64| [at, at & !(PAGE - 1), (at & !(PAGE - 1)).saturating_add(PAGE)];
        let mut all = vec![self.phys_offset, LIMIT, self.image.0, self.image.1];
        let lists = self.banks.iter().chain(self.mem.iter().flatten()).chain(&self.dropped);
        let held = self.held.iter().map(|one| ends(one.range));
        let zones = self.zones.iter().map(|&(_, start, end)| (start, end));
        for (start, end) in lists.chain(&self.taken).copied().chain(held).chain(zones) {
            all.extend([start, end].into_iter().flat_map(page));
        }
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Is the byte in a whole page of a bank, between `PHYS_OFFSET` and 4 GiB?
    fn whole(&self, at: u64) -> bool {
        let page = (at & !(PAGE - 1), (at & !(PAGE - 1)) + PAGE);
        let whole = |bank: &&(u64, u64)| bank.0 <= page.0 && page.1 <= bank.1;
        inside(at, (self.phys_offset, LIMIT)) && self.banks.iter().any(|bank| whole(&bank))
    }

    /// Was the byte described as memory?
    fn described(&self, at: u64) -> bool {
        match &self.mem {
            None => self.whole(at),
            Some(mem) => {
                let named = mem.iter().any(|range| inside(at, *range));
                let usable = inside(at, (self.phys_offset, LIMIT));
                named && usable || self.image_kept && inside(at, self.image) && self.whole(at)
            }
        }
    }

    fn holder(
        &self,
        at: u64,
        counts: impl Fn(&Reservation<'_>) -> bool,
    ) -> Option<Reservation<'static>> {
        let mut held = self.held.iter().filter(|one| counts(one));
        held.find(|one| inside(at, ends(one.range))).copied()
    }

    /// Must the byte not be mapped? A no-map range that was honoured is not reserved by itself.
    fn no_map(&self, at: u64) -> Option<Reservation<'static>> {
        let honoured = |one: &Reservation<'_>| {
            let mut before = self.held.iter().take_while(|other| *other != one);
            let reserves = |other: &Reservation<'_>| !other.no_map || self.no_map_refused(other);
            one.no_map && !before.any(|other| reserves(other) && other.range.overlaps(&one.range))
        };
        self.holder(at, honoured)
    }

    fn no_map_refused(&self, one: &Reservation<'_>) -> bool {
        let mut before = self.held.iter().take_while(|other| *other != one);
        before.any(|other| {
            (!other.no_map || self.no_map_refused(other)) && other.range.overlaps(&one.range)
        })
    }

    fn reserved(&self, at: u64) -> bool {
        self.taken.iter().any(|range| inside(at, *range))
    }

    /// What became of the byte, which is in a bank.
    pub fn class(&self, at: u64) -> Class<'static> {
        let lost = |reason| Class::Lost(reason);
        let partial = !self.whole(at) && inside(at, (self.phys_offset, LIMIT));
        let dropped = self.dropped.is_some_and(|dropped| inside(at, dropped));
        if !self.described(at) {
            return lost(match at {
                _ if at >= LIMIT => Lost::Above4G,
                _ if at < self.phys_offset => Lost::BelowPhysOffset,
                _ if partial => Lost::PartialPage,
                _ => Lost::LeftOut,
            });
        }
        if dropped {
            return lost(Lost::NoHighMem);
        }
        if let Some(one) = self.no_map(at) {
            // The first that wants it so is named, honoured or not.
            let first = self.holder(at, |one| one.no_map).unwrap_or(one);
            return Class::NoMap(first.name);
        }
        if self.reserved(at) {
            let owner = self.holder(at, |_| true);
            return match owner {
                Some(one) => Class::Reserved { owner: one.owner, name: one.name },
                None => Class::Reserved { owner: Owner::BootAllocation, name: None },
            };
        }
        let zone = self.zones.iter().find(|&&(_, start, end)| inside(at, (start, end)));
        let Some(&(kind, ..)) = zone else { return lost(Lost::LimitPage) };
        let page = at & !(PAGE - 1);
        let shares = self.taken.iter().any(|&(start, end)| start < page + PAGE && page < end);
        if shares {
            Class::Reserved { owner: Owner::PageRest, name: None }
        } else {
            Class::Usable(kind)
        }
    }
}
