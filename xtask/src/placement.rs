//! Where the parts of a boot lie in the emulated machine's RAM: arithmetic, and no QEMU.
//!
//! Invariant: what is placed lies in RAM below 4 GiB, and apart from everything else that does.
//! QEMU would ignore the one and refuse the other in words about its own parts.

use std::fmt;

use mm::addr::{MIB, PAGE_SIZE, PHYS_LIMIT_32, PhysAddr, PhysRange};

/// Where RAM starts on QEMU's `virt` board.
pub const RAM: PhysAddr = PhysAddr::new(0x4000_0000);
/// Where QEMU puts a raw image, from the start of RAM.
const QEMU_IMAGE_OFFSET: u64 = 0x1_0000;
/// The name of the tree that QEMU makes.
const QEMU_TREE: &str = "QEMU's device tree";

/// What there is to place, all in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sizes {
    /// RAM.
    pub ram: u64,
    /// The kernel image.
    pub image: u64,
    /// A device tree of the user's.
    pub tree: Option<u64>,
    /// The file that QEMU makes its own tree of; without one it makes one up.
    pub qemu_tree: Option<u64>,
    /// The initial RAM disk.
    pub initrd: Option<u64>,
}

/// Where the user wants things, as far as that has been said.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wishes {
    /// The image.
    pub image: Option<u32>,
    /// The user's device tree.
    pub tree: Option<u32>,
}

/// Where things go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The image.
    pub image: PhysRange,
    /// The user's device tree.
    pub tree: Option<PhysRange>,
}

/// Why something can not be where it was asked to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misplaced {
    /// Not all of it is in RAM below 4 GiB.
    OutsideRam {
        /// What.
        what: &'static str,
        /// Where it should have been.
        range: PhysRange,
        /// RAM.
        ram: PhysRange,
    },
    /// Something else is there.
    Overlap {
        /// What.
        what: &'static str,
        /// Where it should have been.
        range: PhysRange,
        /// What else.
        other: &'static str,
        /// Where that is.
        at: PhysRange,
    },
    /// No MiB boundary has room behind it.
    NoRoom {
        /// Bytes of the device tree.
        bytes: u64,
        /// RAM.
        ram: PhysRange,
    },
}

impl fmt::Display for Misplaced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideRam { what, range, ram } => {
                write!(f, "{what} at {range} would not lie in RAM, {ram}")
            }
            Self::Overlap { what, range, other, at } => {
                write!(f, "{what} at {range} would lie on {other} at {at}")
            }
            Self::NoRoom { bytes, ram } => {
                write!(f, "no room for a device tree of {bytes} bytes in RAM, {ram}")
            }
        }
    }
}

impl std::error::Error for Misplaced {}

/// A thing in RAM, by its name.
type Thing = (&'static str, PhysRange);

/// Finds a place for everything.
///
/// # Errors
///
/// [`Misplaced`].
pub fn place(sizes: Sizes, wishes: Wishes) -> Result<Places, Misplaced> {
    let ram = PhysRange::new(RAM, RAM.saturating_add(sizes.ram).min(PHYS_LIMIT_32));
    let wish = |at: u32| PhysAddr::new(at.into());

    let image = wishes.image.map_or(qemus_image(sizes.image), |at| sized(wish(at), sizes.image));
    let image = ("the image", image);
    let mut taken = qemus_own(sizes);
    settle(image, ram, &taken)?;
    taken.push(image);

    let tree = match (sizes.tree, wishes.tree) {
        (Some(bytes), Some(at)) => Some(sized(wish(at), bytes)),
        (Some(bytes), None) => {
            Some(free_mib(ram, bytes, &taken).ok_or(Misplaced::NoRoom { bytes, ram })?)
        }
        (None, _) => None,
    };
    if let Some(tree) = tree {
        settle(("the device tree", tree), ram, &taken)?;
    }
    Ok(Places { image: image.1, tree })
}

/// Where QEMU puts its own tree when it boots a raw image.
pub fn qemus_tree(sizes: Sizes) -> PhysRange {
    let mut things = qemus_own(sizes).into_iter();
    things.find(|(what, _)| *what == QEMU_TREE).map(|(_, at)| at).unwrap_or_default()
}

/// Where QEMU puts a raw image of `bytes`.
pub fn qemus_image(bytes: u64) -> PhysRange {
    sized(RAM.saturating_add(QEMU_IMAGE_OFFSET), bytes)
}

fn sized(start: PhysAddr, bytes: u64) -> PhysRange {
    PhysRange::new(start, start.saturating_add(bytes))
}

/// What QEMU puts into RAM by itself when it boots a Linux kernel: its own few instructions, the
/// initrd, and the tree, for which it sets more aside than the tree is long.
fn qemus_own(sizes: Sizes) -> Vec<Thing> {
    let page = u64::from(PAGE_SIZE);
    let middle = RAM.saturating_add((sizes.ram / 2).min(128 * MIB)).align_up(page);
    let initrd = sized(middle, sizes.initrd.unwrap_or(0));
    let tree_bytes = sizes.qemu_tree.map_or(MIB, |bytes| 2 * (bytes + 10_000));
    let mut things = vec![
        ("QEMU's boot code", sized(RAM, page)),
        (QEMU_TREE, sized(initrd.end().align_up(page), tree_bytes)),
    ];
    if !initrd.is_empty() {
        things.push(("the initrd", initrd));
    }
    things
}

/// Checks that `thing` is in RAM and on nothing else. An empty one is where it starts.
fn settle((what, range): Thing, ram: PhysRange, taken: &[Thing]) -> Result<(), Misplaced> {
    if !ram.contains_range(&range) || !ram.contains(range.start()) {
        return Err(Misplaced::OutsideRam { what, range, ram });
    }
    match taken.iter().find(|(_, at)| at.overlaps(&range)) {
        Some(&(other, at)) => Err(Misplaced::Overlap { what, range, other, at }),
        None => Ok(()),
    }
}

/// Room for a tree on a MiB boundary, where the kernel's window of 4 MiB holds the longest: the
/// first behind QEMU's own tree, else the first of all.
fn free_mib(ram: PhysRange, bytes: u64, taken: &[Thing]) -> Option<PhysRange> {
    let boundaries_from = |first: PhysAddr| {
        let first = first.align_up(MIB);
        let count = ram.end().as_u64().saturating_sub(first.as_u64()).div_ceil(MIB);
        (0..count).map(move |index| sized(first.saturating_add(index * MIB), bytes))
    };
    let behind = taken.iter().find(|(what, _)| *what == QEMU_TREE);
    let behind = behind.map_or(ram.start(), |(_, tree)| tree.end());
    // An empty tree has a byte to itself all the same, so that r2 points at nothing else.
    let fits = |range: &PhysRange| {
        let room = sized(range.start(), range.len().max(1));
        settle(("the device tree", room), ram, taken).is_ok()
    };
    boundaries_from(behind).chain(boundaries_from(ram.start())).find(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IMAGE: u64 = 0x7_6000;

    fn range(start: u64, len: u64) -> PhysRange {
        PhysRange::from_len(PhysAddr::new(start), len).unwrap()
    }

    /// On a machine of `mib` MiB with QEMU's own tree.
    fn on(mib: u64, tree: Option<u64>, wishes: Wishes) -> Result<Places, String> {
        let sizes = Sizes { ram: mib * MIB, image: IMAGE, tree, ..Sizes::default() };
        place(sizes, wishes).map_err(|error| error.to_string())
    }

    fn image_at(at: u32) -> Wishes {
        Wishes { image: Some(at), tree: None }
    }

    fn tree_at(at: u32) -> Wishes {
        Wishes { image: None, tree: Some(at) }
    }

    #[test]
    fn the_image_goes_where_it_is_wanted_or_where_qemu_puts_it() {
        let places = on(512, None, image_at(0x4700_3000)).unwrap();
        assert_eq!(places, Places { image: range(0x4700_3000, IMAGE), tree: None });
        let places = on(512, None, Wishes::default()).unwrap();
        assert_eq!(places.image.start(), PhysAddr::new(0x4001_0000));
    }

    #[test]
    fn a_tree_goes_to_the_first_mib_that_is_free() {
        for (mib, bytes, want) in [
            // QEMU's own tree is at 128 MiB, or in the middle, and a MiB long.
            (512, 9, Some(0x4810_0000)),
            (1 << 20, 9, Some(0x4810_0000)),
            (64, 9, Some(0x4210_0000)),
            (64, 31 * MIB, Some(0x4210_0000)),
            // The image is in the first MiB. No room behind QEMU's tree, but before it.
            (8, 2 * MIB, Some(0x4050_0000)),
            (8, 3 * MIB, Some(0x4050_0000)),
            (8, 3 * MIB + 1, None),
            (7, 2 * MIB + 1, Some(0x4010_0000)),
            (7, 3 * MIB, None),
            (4, MIB, Some(0x4030_0000)),
            (4, MIB + 1, None),
            (3, MIB, None),
            (2, 0, None),
            (3, 0, Some(0x4010_0000)),
            (4, 0, Some(0x4030_0000)),
        ] {
            let places = on(mib, Some(bytes), Wishes::default());
            let start = places.ok().map(|places| places.tree.unwrap().start().as_u64());
            assert_eq!(start, want, "{mib} MiB, a tree of {bytes} bytes");
        }
        let places = on(512, Some(9), image_at(0x4810_0000)).unwrap();
        assert_eq!(places.tree, Some(range(0x4820_0000, 9)));
    }

    #[test]
    fn empty_and_odd_trees_have_a_place() {
        let empty = on(512, Some(0), Wishes::default()).unwrap();
        assert_eq!(empty.tree, Some(range(0x4810_0000, 0)));
        let odd = on(512, Some(5), tree_at(0x4900_0003)).unwrap();
        assert_eq!(odd.tree, Some(range(0x4900_0003, 5)));
    }

    #[test]
    fn the_last_byte_of_ram_can_be_used_and_no_further() {
        for (mib, end) in [(64, 0x4400_0000), (3072, 1 << 32), (8192, 1 << 32)] {
            let last = (end - IMAGE) as u32;
            assert_eq!(on(mib, None, image_at(last)).unwrap().image.end(), PhysAddr::new(end));
            let error = on(mib, None, image_at(last + 4)).unwrap_err();
            assert!(error.contains("would not lie in RAM"), "{error}");
        }
    }

    #[test]
    fn what_can_not_be_says_why() {
        let error = |tree, wishes| on(256, tree, wishes).unwrap_err();
        assert_eq!(
            error(None, image_at(0x3fff_f000)),
            "the image at [0x3ffff000-0x40074fff] would not lie in RAM, [0x40000000-0x4fffffff]"
        );
        assert_eq!(
            error(None, image_at(0x4000_0000)),
            "the image at [0x40000000-0x40075fff] would lie on QEMU's boot code at \
             [0x40000000-0x40000fff]"
        );
        let on_tree = error(None, image_at(0x47ff_f000));
        assert!(on_tree.contains("on QEMU's device tree at [0x48000000-0x480fffff]"), "{on_tree}");
        let both = |tree| Wishes { image: Some(0x4100_0000), tree: Some(tree) };
        assert!(error(Some(1), both(0x4107_5fff)).contains("on the image at [0x41000000-"));
        assert!(on(256, Some(1), both(0x4107_6000)).is_ok(), "directly behind it");
        assert!(error(Some(0), tree_at(0x5000_0000)).contains("not lie in RAM"), "though empty");
        assert_eq!(
            error(Some(300 * MIB), Wishes::default()),
            "no room for a device tree of 314572800 bytes in RAM, [0x40000000-0x4fffffff]"
        );
    }

    #[test]
    fn qemus_own_things_follow_the_other_options() {
        let mut sizes = Sizes { ram: 2 * MIB, ..Sizes::default() };
        let boot_code = ("QEMU's boot code", range(0x4000_0000, 0x1000));
        let tree = |start, len| (QEMU_TREE, range(start, len));
        assert_eq!(qemus_own(sizes), [boot_code, tree(0x4010_0000, MIB)]);
        sizes = Sizes { ram: 512 * MIB, qemu_tree: Some(8000), initrd: Some(300_001), ..sizes };
        let initrd = ("the initrd", range(0x4800_0000, 300_001));
        assert_eq!(qemus_own(sizes), [boot_code, tree(0x4804_a000, 36_000), initrd]);
    }
}
