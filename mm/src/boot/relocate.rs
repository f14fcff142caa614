//! Where the kernel image belongs, and how it gets there from wherever a boot loader put it.
//!
//! The image is linked [`IMAGE_OFFSET`] above `PAGE_OFFSET`, so in memory it belongs that far above
//! `PHYS_OFFSET`, which is the start of its own bank rounded down to 2 MiB. A device tree or an
//! initrd that lies there is moved away first; memory that the tree reserves is not touched.
//!
//! This is the plan only. The copying is done with the MMU off, by code in a page of its own that
//! no copy overwrites: [`Plan::stub`].

use core::fmt;

use arrayvec::ArrayVec;

use super::layout::{FDT, Request, Settings};
use super::lowmem::vmalloc_limit;
use super::memory::phys_offset_of_bank;
use crate::addr::{MIB, PAGE_SIZE, PHYS_LIMIT_32, PhysAddr, PhysRange};

/// How far above `PHYS_OFFSET` the image lies: 2 MiB. QEMU's device tree is 1 MiB long and lies at
/// the start of RAM.
pub const IMAGE_OFFSET: u64 = 2 * MIB;

/// What a boot loader put into memory.
#[derive(Clone, Copy, Debug)]
pub struct Loaded {
    /// The kernel image, from its first byte to the end of `.bss`.
    pub image: PhysRange,
    /// The device tree, which may lie outside RAM.
    pub dtb: PhysRange,
    /// The initial RAM disk.
    pub initrd: Option<PhysRange>,
}

/// One copy. Source and destination may overlap.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CopyStep {
    /// What is copied.
    pub from: PhysRange,
    /// Where its first byte goes.
    pub to: PhysAddr,
}

/// The copies, in order, and where everything is after them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Where the linear map begins.
    pub phys_offset: PhysAddr,
    /// What to copy; the image comes last. Empty when everything is in its place.
    pub copies: ArrayVec<CopyStep, 3>,
    /// A free page for the code that copies; of no meaning when there are no copies.
    pub stub: PhysAddr,
    /// The image after the copies.
    pub image: PhysRange,
    /// The device tree after the copies.
    pub dtb: PhysRange,
    /// The initial RAM disk after the copies.
    pub initrd: Option<PhysRange>,
}

/// Why the image can not be put in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PlanError {
    /// The image's place does not lie in its bank.
    OutsideBank {
        /// The bank.
        bank: PhysRange,
        /// The image's place.
        place: PhysRange,
    },
    /// The tree reserves memory in the image's place.
    Reserved {
        /// The image's place.
        place: PhysRange,
        /// The reservation.
        by: PhysRange,
    },
    /// The bank has no free room for what must move.
    NoRoom {
        /// The bank.
        bank: PhysRange,
        /// How much room is needed, in bytes.
        bytes: u64,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OutsideBank { bank, place } => {
                write!(f, "the kernel belongs at {place}, outside its memory bank {bank}")
            }
            Self::Reserved { place, by } => {
                write!(f, "the kernel belongs at {place}, where the tree reserves {by}")
            }
            Self::NoRoom { bank, bytes } => {
                write!(
                    f,
                    "no {bytes} free bytes in {bank} to move things out of the kernel's place"
                )
            }
        }
    }
}

impl core::error::Error for PlanError {}

/// Plans the way of the image to its place in `bank`, the bank that holds it.
///
/// `reserved` gives the ranges that nothing may be copied to, each time it is called.
/// `unfit_for_stub` are addresses at which the copying code must not run, because they mean
/// something else while the MMU is still on. An initrd that shares bytes with the image or the tree
/// can be none, and is left out.
///
/// # Errors
///
/// See [`PlanError`]; then nothing can be done but to load the image elsewhere.
pub fn plan<I: Iterator<Item = PhysRange>>(
    bank: PhysRange,
    loaded: Loaded,
    reserved: impl Fn() -> I,
    unfit_for_stub: &[PhysRange],
) -> Result<Plan, PlanError> {
    let phys_offset = phys_offset_of_bank(bank.start());
    let start = phys_offset.saturating_add(IMAGE_OFFSET);
    let place = PhysRange::new(start, start.saturating_add(loaded.image.len()));
    // Nobody loads an initrd onto the image or the tree: where one is said to be there, it is not.
    let loaded = Loaded {
        initrd: loaded
            .initrd
            .filter(|initrd| !initrd.overlaps(&loaded.image) && !initrd.overlaps(&loaded.dtb)),
        ..loaded
    };
    let mut plan = Plan {
        phys_offset,
        copies: ArrayVec::new(),
        stub: PhysAddr::default(),
        image: place,
        dtb: loaded.dtb,
        initrd: loaded.initrd,
    };
    if place == loaded.image {
        return Ok(plan);
    }
    if !bank.contains_range(&place) {
        return Err(PlanError::OutsideBank { bank, place });
    }
    // A device tree or an initrd may be named among the reservations as well, in whole pages or to
    // the byte; it is moved all the same.
    let movable = |range: &PhysRange| {
        let mut movables = [Some(loaded.dtb), loaded.initrd].into_iter().flatten();
        movables.any(|movable| movable.covering_pages().contains_range(range))
    };
    if let Some(by) = reserved().find(|range| range.overlaps(&place) && !movable(range)) {
        return Err(PlanError::Reserved { place, by });
    }
    let room = |bytes: u64, align: u64, taken: &[PhysRange]| {
        let fixed = [place, loaded.image, loaded.dtb, loaded.initrd.unwrap_or_default()];
        let obstacles = || reserved().chain(fixed).chain(taken.iter().copied());
        highest_room(bank, bytes, align, obstacles).ok_or(PlanError::NoRoom { bank, bytes })
    };
    let page = u64::from(PAGE_SIZE);
    // The tree's window starts on a MiB boundary. A long tree that starts late in its MiB would run
    // out of it.
    let fits_anywhere = loaded.dtb.len() <= u64::from(FDT.len()) - MIB;
    let dtb_align = if fits_anywhere { page } else { MIB };
    let mut taken = ArrayVec::<PhysRange, 2>::new();
    let movables = [(Some(&mut plan.dtb), dtb_align), (plan.initrd.as_mut(), page)];
    for (range, align) in movables {
        let Some(range) = range else { continue };
        if range.overlaps(&place) {
            let to = room(range.len(), align, &taken)?;
            plan.copies.push(CopyStep { from: *range, to });
            *range = PhysRange::new(to, to.saturating_add(range.len()));
            taken.push(*range);
        }
    }
    plan.copies.push(CopyStep { from: loaded.image, to: place.start() });
    let avoid: ArrayVec<PhysRange, 8> =
        taken.iter().chain(unfit_for_stub).copied().take(8).collect();
    plan.stub = room(page, page, &avoid)?;
    Ok(plan)
}

/// The part of the kernel's own `bank` that stays: without HighMem what is above lowmem will be dropped.
#[must_use]
pub fn lasting_part(bank: PhysRange, settings: Settings<'_>) -> PhysRange {
    let request = Request::read(settings, &mut |_| ());
    if request.highmem {
        return bank;
    }
    let limit = vmalloc_limit(request.split, request.phys_offset, request.vmalloc_bytes);
    PhysRange::new(bank.start(), bank.end().min(limit))
}

/// How often [`highest_room`] looks at all obstacles before it gives up.
const MAX_PASSES: u32 = 256;

/// The highest place below 4 GiB for `bytes` in `bank`, a multiple of `align`, that overlaps none
/// of `obstacles`. `align` is a power of two.
///
/// This is how boot finds memory while it has no list of it, and it needs none of its own: whenever
/// an obstacle is in the way, it goes below that, until a pass over all of them finds nothing in the
/// way. Obstacles that lie on top of each other in ascending order cost a pass each. Hundreds of
/// them no machine has, and a tree that names more must not keep the kernel busy for minutes, so
/// then there is no room.
pub fn highest_room<I: Iterator<Item = PhysRange>>(
    bank: PhysRange,
    bytes: u64,
    align: u64,
    obstacles: impl Fn() -> I,
) -> Option<PhysAddr> {
    let below = |end: PhysAddr| {
        let start = PhysAddr::new(end.as_u64().checked_sub(bytes)?).align_down(align);
        let room = PhysRange::new(start, start.saturating_add(bytes));
        (start >= bank.start()).then_some(room)
    };
    let mut room = below(bank.end().min(PHYS_LIMIT_32))?;
    for _ in 0..MAX_PASSES {
        let before = room;
        for obstacle in obstacles() {
            if obstacle.overlaps(&room) {
                room = below(obstacle.start())?;
            }
        }
        if room == before {
            return Some(room.start());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::KIB;

    const RAM: u64 = 0x4000_0000;

    fn range(start: u64, len: u64) -> PhysRange {
        PhysRange::from_len(PhysAddr::new(start), len).unwrap()
    }

    fn loaded(image: u64, dtb: u64) -> Loaded {
        Loaded { image: range(image, 600 * KIB), dtb: range(dtb, 8 * KIB), initrd: None }
    }

    fn go(bank: PhysRange, loaded: Loaded, reserved: &[PhysRange]) -> Result<Plan, PlanError> {
        let plan = plan(bank, loaded, || reserved.iter().copied(), &[])?;
        check(bank, loaded, reserved, &plan);
        Ok(plan)
    }

    /// No copy writes on what is still needed, and everything ends up apart.
    fn check(bank: PhysRange, loaded: Loaded, reserved: &[PhysRange], plan: &Plan) {
        let stub = range(plan.stub.as_u64(), u64::from(PAGE_SIZE));
        let mut still_needed = vec![loaded.image, loaded.dtb];
        still_needed.extend(loaded.initrd);
        for step in &plan.copies {
            let to = range(step.to.as_u64(), step.from.len());
            assert!(bank.contains_range(&to), "{to} outside {bank}");
            let tree = loaded.dtb.covering_pages();
            assert!(reserved.iter().all(|r| !r.overlaps(&to) || tree.contains_range(r)));
            still_needed.retain(|needed| *needed != step.from);
            assert!(still_needed.iter().all(|needed| !needed.overlaps(&to)), "{to} overwrites");
            still_needed.push(to);
            assert!(!stub.overlaps(&to) && !stub.overlaps(&step.from));
        }
        let after = [Some(plan.image), Some(plan.dtb), plan.initrd];
        for (i, a) in after.iter().flatten().enumerate() {
            assert!(after.iter().flatten().skip(i + 1).all(|b| !a.overlaps(b)));
        }
    }

    #[test]
    fn an_image_in_its_place_stays() {
        let plan = go(range(RAM, 1 << 30), loaded(RAM + 0x20_0000, RAM), &[]).unwrap();
        assert!(plan.copies.is_empty());
        assert_eq!(plan.phys_offset, PhysAddr::new(RAM));
    }

    #[test]
    fn a_raw_image_moves_up_from_64k() {
        let plan = go(range(RAM, 1 << 30), loaded(RAM + 0x1_0000, RAM + 0x800_0000), &[]).unwrap();
        assert_eq!(plan.copies.len(), 1);
        assert_eq!(plan.copies[0].to, PhysAddr::new(RAM + 0x20_0000));
    }

    #[test]
    fn what_lies_in_the_image_s_place_moves_first() {
        let mut at = loaded(RAM + 0x800_0000, RAM + 0x20_1000);
        at.initrd = Some(range(RAM + 0x21_0000, 100 * MIB));
        let plan = go(range(RAM, 1 << 30), at, &[range(RAM + (1 << 30) - 0x1000, 0x1000)]).unwrap();
        assert_eq!(plan.copies.len(), 3);
        assert_eq!(plan.copies[2].from, at.image);
    }

    #[test]
    fn room_is_looked_for_below_4_gib_only() {
        let at = loaded(RAM + 0x80_0000, RAM + 0x20_0000);
        for len in [3 << 30, 4 << 30] {
            let plan = go(range(RAM, len), at, &[]).unwrap();
            assert_eq!(plan.copies[0].to, PhysAddr::new(0xffff_e000));
        }
    }

    /// Whatever the order of the obstacles, the room is below them all; and the number of passes has
    /// a limit.
    #[test]
    fn room_is_found_below_a_pile_of_obstacles_or_given_up() {
        let bank = range(RAM, 1 << 30);
        let pile =
            |count: u64| (0..count).map(move |i| range(RAM + (1 << 30) - (i + 1) * KIB, KIB));
        let passes = std::cell::Cell::new(0);
        let room = |descending: bool, count| {
            passes.set(0);
            let obstacles = || {
                passes.set(passes.get() + 1);
                let mut all: Vec<_> = pile(count).collect();
                if !descending {
                    all.reverse();
                }
                all.into_iter()
            };
            highest_room(bank, 512, 4 * KIB, obstacles)
        };
        let top = RAM + (1 << 30);
        assert_eq!(room(true, 5000), Some(PhysAddr::new(top - 5004 * KIB)));
        assert_eq!(passes.get(), 2);
        assert_eq!(room(false, 200), Some(PhysAddr::new(top - 204 * KIB)));
        assert_eq!(room(false, 5000), None);
        assert_eq!(passes.get(), MAX_PASSES);
    }

    #[test]
    fn a_tree_that_is_reserved_in_whole_pages_moves() {
        let at = loaded(RAM + 0x80_0000, RAM + 0x20_0800);
        let plan = go(range(RAM, 1 << 30), at, &[range(RAM + 0x20_0000, 0x3000)]).unwrap();
        assert_eq!(plan.copies.len(), 2);
    }

    /// The tree's window starts on a MiB boundary and is 4 MiB long, so a long tree must not start
    /// late in its MiB.
    #[test]
    fn a_long_tree_moves_to_where_its_window_holds_it() {
        for (len, end) in [(4 * MIB, 0x8_0000), (0x30_0001, 0x1000), (3 * MIB, 0x1000), (9, 0)] {
            let mut at = loaded(RAM + 0x80_0000, RAM + 0x20_0000);
            at.dtb = range(RAM + 0x20_0000, len);
            let plan = go(range(RAM, 64 * MIB + end), at, &[]).unwrap();
            let offset = plan.dtb.start().as_u64() % MIB;
            assert_ne!(plan.dtb, at.dtb);
            assert!(offset + len <= u64::from(FDT.len()), "{len:#x} bytes at {}", plan.dtb);
        }
    }

    #[test]
    fn an_initrd_on_the_image_or_the_tree_is_none() {
        let mut at = loaded(RAM + 0x1_0000, RAM + 0x800_0000);
        for initrd in [(RAM + 0x2_0000, MIB), (RAM + 0x20_0000, 126 * MIB + 1), (0, 1 << 40)] {
            at.initrd = Some(range(initrd.0, initrd.1));
            let plan = plan(range(RAM, 1 << 30), at, core::iter::empty, &[]).unwrap();
            assert_eq!((plan.initrd, plan.copies.len()), (None, 1), "{:?}", at.initrd);
        }
        at.initrd = Some(range(RAM + 0x20_0000, 126 * MIB));
        assert!(go(range(RAM, 1 << 30), at, &[]).unwrap().initrd.is_some());
    }

    #[test]
    fn the_bank_decides_and_not_the_granule() {
        let bank = range(0x3800_0000, 1 << 30);
        let plan = go(bank, loaded(0x4020_0000, 0x5000_0000), &[]).unwrap();
        assert_eq!(plan.phys_offset, bank.start());
        let odd = range(0x4010_0000, 1 << 30);
        let plan = go(odd, loaded(0x4020_0000, 0x5000_0000), &[]).unwrap();
        assert_eq!((plan.phys_offset, plan.copies.len()), (PhysAddr::new(RAM), 0));
    }

    #[test]
    fn what_can_not_be_says_why() {
        let at = loaded(RAM + 0x1_0000, RAM + 0x1000);
        let small = range(RAM, 2 * MIB + 64 * KIB);
        assert!(matches!(go(small, at, &[]), Err(PlanError::OutsideBank { .. })));
        let by = range(RAM + 0x28_0000, 0x1000);
        let error = go(range(RAM, 1 << 30), at, &[by]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "the kernel belongs at [0x40200000-0x40295fff], where the tree reserves \
             [0x40280000-0x40280fff]"
        );
        let mut at = loaded(RAM + 0x1_0000, RAM + 0x1000);
        at.initrd = Some(range(RAM + 0x20_0000, 40 * MIB));
        let bank = range(RAM, 64 * MIB);
        assert!(matches!(go(bank, at, &[]), Err(PlanError::NoRoom { .. })));
    }

    #[test]
    fn the_copying_code_keeps_off_unfit_addresses() {
        let unfit = [range(RAM + 0x100_0000, (1 << 30) - 0x100_0000)];
        let at = loaded(RAM + 0x1_0000, RAM + 0x80_0000);
        let plan = plan(range(RAM, 1 << 30), at, core::iter::empty, &unfit).unwrap();
        assert!(plan.stub < unfit[0].start());
    }
}
