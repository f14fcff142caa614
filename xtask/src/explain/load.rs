//! Where a boot loader should put things, in U-Boot's words.
//!
//! The kernel goes to its own place, so that nothing has to be moved. Tree and initrd go behind it, into the largest range
//! that stays lowmem whatever `vmalloc=` and split say: 32 MiB from `PHYS_OFFSET`. An initrd that is larger than that goes
//! where lowmem ends now, and the addresses say so.

use experiment::address::{Address, Range};
use mm::addr::{MIB, PhysAddr, PhysRange};
use mm::boot::explain::{Inventory, Situation};
use serde::Serialize;

/// Room for what a boot loader writes into the tree before it hands it on.
const TREE_GROWS: u64 = 64 << 10;

/// The addresses.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LoadAddresses {
    /// Bytes that the image takes.
    pub image_bytes: u64,
    /// Where that number is from.
    pub image_from: String,
    /// Where the image goes: `kernel_addr_r`.
    pub kernel: Address,
    /// Where the tree goes: `fdt_addr_r`.
    pub fdt: Option<Address>,
    /// Where the initrd goes: `ramdisk_addr_r`.
    pub ramdisk: Option<Address>,
    /// Up to where U-Boot may move the tree: `fdt_high`.
    pub fdt_high: Option<Address>,
    /// Up to where U-Boot may move the initrd: `initrd_high`.
    pub initrd_high: Option<Address>,
    /// The range that the three are safe in.
    pub safe: Option<Range>,
    /// Is that so whatever `vmalloc=` and split say? Otherwise as long as they are what they are.
    pub always: bool,
}

impl LoadAddresses {
    /// Addresses for a tree of `tree_bytes`, or one of usual size, and the initrd that there is.
    pub fn of<I: Inventory>(
        situation: &Situation<'_, '_, I>,
        tree_bytes: Option<u64>,
        image_from: &str,
    ) -> Self {
        let tree_room = (tree_bytes.unwrap_or(0) + TREE_GROWS).next_multiple_of(MIB);
        let initrd_bytes = situation.loaded.initrd.map_or(1, |initrd| initrd.len());
        let safe_in = |lowmem| situation.safe_range(above_zero(lowmem));
        let always = safe_in(situation.always_lowmem());
        let fits = |range: &PhysRange| places(*range, tree_room, initrd_bytes).is_some();
        let is_always = always.is_some_and(|range| fits(&range));
        let safe = always.filter(fits).or(safe_in(situation.lowmem()));
        let found = safe.and_then(|range| places(range, tree_room, initrd_bytes));
        let high = safe.filter(|_| found.is_some()).map(|range| Address::from(range.end()));
        Self {
            image_bytes: situation.image_place().len(),
            image_from: image_from.to_owned(),
            kernel: situation.image_place().start().into(),
            fdt: found.map(|(fdt, _)| fdt.into()),
            ramdisk: found.map(|(_, ramdisk)| ramdisk.into()),
            fdt_high: high,
            initrd_high: high,
            safe: safe.map(Range::from),
            always: is_always,
        }
    }
}

/// `range` without what is at 0, an address that a boot loader, and Linux in r2, take for no tree.
fn above_zero(range: PhysRange) -> PhysRange {
    let start = range.start().max(PhysAddr::new(MIB));
    PhysRange::new(start, range.end().max(start))
}

/// The tree and the initrd in `safe`, each on a MiB boundary; `None` if there is no room.
fn places(safe: PhysRange, tree_room: u64, initrd_bytes: u64) -> Option<(PhysAddr, PhysAddr)> {
    let fdt = safe.start().align_up(MIB);
    let ramdisk = fdt.saturating_add(tree_room);
    let end = ramdisk.saturating_add(initrd_bytes);
    (end <= safe.end()).then_some((fdt, ramdisk))
}

#[cfg(test)]
mod tests {
    use super::*;
    use experiment::configuration::Configuration;
    use experiment::machine::Machine;
    use experiment::rehearse::rehearse;

    #[test]
    fn nothing_is_loaded_at_0() {
        let bank = PhysRange::new(PhysAddr::new(0), PhysAddr::new(8 * MIB));
        let machine = Machine { banks: vec![bank.into()], ..Machine::default() };
        let found = rehearse(&machine, &Configuration::default(), |boot, _| {
            LoadAddresses::of(&boot.situation, None, "")
        });
        // The 2 MiB below the image are as good but for that.
        assert_eq!(found.unwrap().fdt, Some(Address(6 * MIB)));
    }

    #[test]
    fn tree_and_initrd_lie_behind_each_other_on_mib_boundaries() {
        let safe = PhysRange::new(PhysAddr::new(0x4040_1000), PhysAddr::new(0x4200_0000));
        let at = |tree, initrd| {
            places(safe, tree, initrd).map(|(fdt, ramdisk)| (fdt.as_u64(), ramdisk.as_u64()))
        };
        assert_eq!(at(MIB, 1), Some((0x4050_0000, 0x4060_0000)));
        assert_eq!(at(2 * MIB, 0x4200_0000 - 0x4070_0000), Some((0x4050_0000, 0x4070_0000)));
        assert_eq!(at(2 * MIB, 0x4200_0001 - 0x4070_0000), None);
    }
}
