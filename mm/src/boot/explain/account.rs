//! The account: each byte of the tree's RAM in one class.
//!
//! A sweep goes up through each bank. At every address it asks the lists that boot left (memblock's
//! two, the zones, who holds what) which class the byte is in, and how far up that holds: to the
//! next border of any range that was asked about. So a sweep takes as many steps as there are
//! borders in the bank, and remembers nothing.
//!
//! Memblock's word comes before the rules': what it knows is usable, reserved or not mapped. Why it
//! does not know a byte follows from where the byte lies.

use super::class::{Class, Lost, Owner};
use super::{Inventory, Reservation, Situation};
use crate::addr::{PHYS_LIMIT_32, PhysAddr, PhysRange};
use crate::boot::memblock::Region;
use crate::boot::memory::mem_ranges;
use crate::zone::ZoneKind;

/// What belongs to one class.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Sum {
    /// Bytes.
    pub bytes: u64,
    /// In how many ranges.
    pub ranges: u32,
    /// The first of them.
    pub first: PhysRange,
}

impl Sum {
    fn add(&mut self, range: PhysRange) {
        if self.ranges == 0 {
            self.first = range;
        }
        self.ranges = self.ranges.saturating_add(1);
        self.bytes += range.len();
    }
}

/// The sums of all classes.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Totals {
    /// Usable memory, by [`ZoneKind::index`].
    pub usable: [Sum; ZoneKind::COUNT],
    /// Reserved memory, in the order of [`Owner::ALL`].
    pub reserved: [Sum; Owner::COUNT],
    /// Memory that must not be mapped.
    pub no_map: Sum,
    /// Memory that is not used, in the order of [`Lost::ALL`].
    pub lost: [Sum; Lost::COUNT],
}

impl Totals {
    /// What an owner holds.
    #[must_use]
    pub const fn reserved(&self, owner: Owner) -> &Sum {
        &self.reserved[owner as usize]
    }

    /// What is lost for a reason.
    #[must_use]
    pub const fn lost(&self, reason: Lost) -> &Sum {
        &self.lost[reason as usize]
    }

    /// Bytes that the page allocator got.
    #[must_use]
    pub fn usable_bytes(&self) -> u64 {
        self.usable.iter().map(|sum| sum.bytes).sum()
    }

    /// Bytes in use since boot.
    #[must_use]
    pub fn reserved_bytes(&self) -> u64 {
        self.reserved.iter().map(|sum| sum.bytes).sum()
    }

    /// Bytes that are not used.
    #[must_use]
    pub fn lost_bytes(&self) -> u64 {
        self.lost.iter().map(|sum| sum.bytes).sum()
    }

    /// Bytes in all classes together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.usable_bytes() + self.reserved_bytes() + self.no_map.bytes + self.lost_bytes()
    }

    fn add(&mut self, range: PhysRange, class: Class<'_>) {
        let sum = match class {
            Class::Usable(zone) => &mut self.usable[zone.index()],
            Class::Reserved { owner, .. } => &mut self.reserved[owner as usize],
            Class::NoMap(_) => &mut self.no_map,
            Class::Lost(reason) => &mut self.lost[reason as usize],
        };
        sum.add(range);
    }
}

/// What is known of one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Finding<'a> {
    /// The range of the same class that the address lies in, within `bank`.
    pub range: PhysRange,
    /// What became of it.
    pub class: Class<'a>,
    /// The tree's bank that holds it; `None` for RAM that only `mem=` names.
    pub bank: Option<PhysRange>,
}

impl<'a, I: Inventory> Situation<'a, '_, I> {
    /// What became of the tree's RAM. The [bytes](Totals::bytes) are all of it. O(borders ×
    /// reservations).
    #[must_use]
    pub fn account(&self) -> Totals {
        let mut totals = Totals::default();
        self.for_each(|range, class| totals.add(range, class));
        totals
    }

    /// What became of the RAM in use that `mem=` names and the tree does not.
    #[must_use]
    pub fn account_beyond_tree(&self) -> Totals {
        let mut totals = Totals::default();
        self.for_each_invented(|range, class| totals.add(range, class));
        totals
    }

    /// Calls `visit` with every range of the tree's RAM and its class: bank by bank as the tree has
    /// them, upwards in each. Neighbours differ in class.
    pub fn for_each(&self, mut visit: impl FnMut(PhysRange, Class<'a>)) {
        let mut merge = Merge::new(&mut visit);
        for bank in self.inventory.banks() {
            self.sweep(bank, &mut merge);
        }
        merge.flush();
    }

    /// As [`for_each`](Self::for_each), for the RAM in use that only `mem=` names.
    pub fn for_each_invented(&self, mut visit: impl FnMut(PhysRange, Class<'a>)) {
        let mut merge = Merge::new(&mut visit);
        self.invented(|range| self.sweep(range, &mut merge));
        merge.flush();
    }

    /// What became of the byte at `address`; `None` where there is no RAM, as far as anyone said.
    #[must_use]
    pub fn find(&self, address: PhysAddr) -> Option<Finding<'a>> {
        let bank = self.inventory.banks().find(|bank| bank.contains(address));
        let mut around = bank;
        if bank.is_none() {
            self.invented(|range| {
                if range.contains(address) {
                    around = Some(range);
                }
            });
        }
        let mut found = None;
        let mut visit = |range: PhysRange, class| {
            if range.contains(address) {
                found = Some(Finding { range, class, bank });
            }
        };
        let mut merge = Merge::new(&mut visit);
        self.sweep(around?, &mut merge);
        merge.flush();
        found
    }

    /// Ranges of memory in use that no bank of the tree holds.
    fn invented(&self, mut visit: impl FnMut(PhysRange)) {
        if mem_ranges(self.given()).next().is_none() {
            return;
        }
        for region in self.memblock.memory().regions() {
            let mut at = region.range.start();
            while at < region.range.end() {
                let mut reach = Reach { at, end: region.range.end() };
                let in_bank = self.inventory.banks().fold(false, |in_bank, bank| {
                    let inside = reach.within(bank);
                    in_bank || inside
                });
                let dropped = self.dropped.is_some_and(|dropped| reach.within(dropped));
                if !in_bank && !dropped {
                    visit(PhysRange::new(at, reach.end));
                }
                at = reach.end;
            }
        }
    }

    fn sweep(&self, bank: PhysRange, merge: &mut Merge<'_, 'a>) {
        let mut at = bank.start();
        while at < bank.end() {
            let mut reach = Reach { at, end: bank.end() };
            let class = self.class(bank, &mut reach);
            merge.push(PhysRange::new(at, reach.end), class);
            at = reach.end;
        }
    }

    /// The class of the byte at `reach.at` in `bank`; `reach.end` becomes where that may end.
    fn class(&self, bank: PhysRange, reach: &mut Reach) -> Class<'a> {
        let dropped = self.dropped.is_some_and(|dropped| reach.within(dropped));
        let known = reach.region(self.memblock.memory().regions());
        match known {
            Some(region) if !dropped => self.class_of_known(region, reach),
            _ => Class::Lost(self.why_unknown(bank, dropped, reach)),
        }
    }

    /// Why memblock does not have the byte at `reach.at` of `bank`, or has it no more.
    fn why_unknown(&self, bank: PhysRange, dropped: bool, reach: &mut Reach) -> Lost {
        reach.up_to(PHYS_LIMIT_32);
        reach.up_to(self.layout.phys_offset);
        if reach.at >= PHYS_LIMIT_32 {
            return Lost::Above4G;
        }
        if reach.at < self.layout.phys_offset {
            return Lost::BelowPhysOffset;
        }
        let in_whole_page = reach.within(bank.whole_frames().as_phys());
        let (mut replaced, mut named) = (false, false);
        for range in mem_ranges(self.given()) {
            replaced = true;
            named |= reach.within(range);
        }
        if !in_whole_page && !named {
            Lost::PartialPage
        } else if dropped && named == replaced {
            Lost::NoHighMem
        } else {
            Lost::LeftOut
        }
    }

    /// The class of a byte in `region` of memblock's memory.
    fn class_of_known(&self, region: &Region, reach: &mut Reach) -> Class<'a> {
        if !region.is_allocatable() {
            let holder = self.holder(reach, &|one| one.no_map);
            return Class::NoMap(holder.and_then(|one| one.name));
        }
        let reserved = self.memblock.reserved().regions();
        if reach.region(reserved).is_some() {
            return match self.holder(reach, &|_| true) {
                Some(one) => Class::Reserved { owner: one.owner, name: one.name },
                None => Class::Reserved { owner: Owner::BootAllocation, name: None },
            };
        }
        let mut zones = self.layout.zones.iter();
        let Some(zone) = zones.find(|zone| reach.within(zone.range.as_phys())) else {
            return Class::Lost(Lost::LimitPage);
        };
        // What is handed over are the whole frames between two reservations.
        let next = reserved.partition_point(|taken| taken.range.end() <= reach.at);
        let below = next.checked_sub(1).and_then(|index| reserved.get(index));
        let start = below.map_or(region.range.start(), |b| b.range.end().max(region.range.start()));
        let above = reserved.get(next).map_or(region.range.end(), |taken| taken.range.start());
        let free = PhysRange::new(start, above.min(region.range.end()));
        if reach.within(free.whole_frames().as_phys()) {
            Class::Usable(zone.kind)
        } else {
            Class::Reserved { owner: Owner::PageRest, name: None }
        }
    }

    /// The first holder of the byte at `reach.at` that `counts`.
    fn holder(
        &self,
        reach: &mut Reach,
        counts: &dyn Fn(&Reservation<'_>) -> bool,
    ) -> Option<Reservation<'a>> {
        let inventory: &'a I = self.inventory;
        let mut found = None;
        for one in inventory.reservations().filter(|one| counts(one)) {
            let holds = reach.within(one.range);
            found = found.or(holds.then_some(one));
        }
        found
    }
}

/// An address, and how far up what was said of it is true.
struct Reach {
    at: PhysAddr,
    end: PhysAddr,
}

impl Reach {
    /// Things may be different from `border` on.
    fn up_to(&mut self, border: PhysAddr) {
        if border > self.at {
            self.end = self.end.min(border);
        }
    }

    /// Is the address in `range`?
    fn within(&mut self, range: PhysRange) -> bool {
        self.up_to(range.start());
        self.up_to(range.end());
        range.contains(self.at)
    }

    /// The region that holds the address, in a sorted list.
    fn region<'r>(&mut self, regions: &'r [Region]) -> Option<&'r Region> {
        let next = regions.partition_point(|region| region.range.end() <= self.at);
        regions.get(next).filter(|region| self.within(region.range))
    }
}

/// Joins neighbours of one class before they are shown.
struct Merge<'v, 'a> {
    visit: &'v mut dyn FnMut(PhysRange, Class<'a>),
    last: Option<(PhysRange, Class<'a>)>,
}

impl<'v, 'a> Merge<'v, 'a> {
    fn new(visit: &'v mut dyn FnMut(PhysRange, Class<'a>)) -> Self {
        Self { visit, last: None }
    }

    fn push(&mut self, range: PhysRange, class: Class<'a>) {
        match &mut self.last {
            Some((last, same)) if last.end() == range.start() && *same == class => {
                *last = PhysRange::new(last.start(), range.end());
            }
            _ => {
                self.flush();
                self.last = Some((range, class));
            }
        }
    }

    fn flush(&mut self) {
        if let Some((range, class)) = self.last.take() {
            (self.visit)(range, class);
        }
    }
}
