//! How objects lie in a slab: pure arithmetic, by the rules of Linux 6.1's SLUB.
//!
//! ```text
//! slab    │ object 0 │ object 1 │ …                    │ object n-1 │ rest │
//!         └─ stride ─┘
//! stride  │ left red zone │ the object │ red zone │ tracks │ rest │
//!                         └─ what the user gets, aligned
//! ```
//!
//! Only the object and the rest that aligns the next one are always there; the other parts are for
//! debugging. There are no links in it (they are in the books), so unlike in SLUB a constructor makes no
//! object larger.

use core::fmt;

use super::flags::SlabFlags;
use crate::addr::{Order, PAGE_SIZE};

/// Objects are aligned to 8 bytes at least: what a `u64` needs.
pub const MIN_ALIGN: u32 = 8;
/// The line that `SLAB_HWCACHE_ALIGN` aligns to: the largest L1 line of an ARMv7 core.
pub const CACHE_LINE: u32 = 64;
/// The most objects in one slab: as many as a record that takes half a page has entries for. Linux's limit is
/// 32767; a slab of one page has more than ours only if they have 8 bytes. Of those a page would hold 512: 31
/// places, 248 bytes, stay empty.
pub const MAX_OBJECTS: u32 = 481;
/// Slabs are no larger than that as long as one object fits.
const MAX_USUAL_ORDER: Order = Order::COSTLY;
/// Bytes behind an object that nobody may write, at least: one word.
const RED_ZONE: u32 = 4;
/// Bytes that tell who took an object or gave it back: the call site, and when.
pub const TRACK: u32 = 16;

/// How the objects of a cache lie in its slabs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Geometry {
    /// Bytes that the user of an object may use.
    pub object_size: u32,
    /// From one object to the next, in bytes, a multiple of `align`.
    pub stride: u32,
    /// Bytes of the stride before the object: the left red zone. A multiple of `align`.
    pub left: u32,
    /// Where in the stride the tracks begin, counted from the object, if there are any.
    pub tracks: u32,
    /// What every object's address is a multiple of: a power of two.
    pub align: u32,
    /// How large a slab is.
    pub order: Order,
    /// How large it is when there is no block of `order`: room for one object.
    pub min_order: Order,
}

/// Objects that there can be no cache of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum GeometryError {
    /// An alignment that is no power of two, or above the page size.
    Align {
        /// The alignment.
        align: u32,
    },
    /// An object of no bytes.
    Empty,
    /// An object that does not fit the largest block of pages.
    TooLarge {
        /// Its size in bytes.
        size: u32,
    },
}

impl fmt::Display for GeometryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Align { align } => {
                write!(f, "alignment {align} is no power of two up to {PAGE_SIZE}")
            }
            Self::Empty => f.write_str("objects of 0 bytes"),
            Self::TooLarge { size } => {
                write!(f, "an object of {size} bytes does not fit a block of order {}", Order::MAX)
            }
        }
    }
}

impl core::error::Error for GeometryError {}

impl Geometry {
    /// How objects of `size` bytes lie, aligned to `align` (0: as the size demands), on a machine with so
    /// many CPUs.
    ///
    /// # Errors
    ///
    /// [`GeometryError`].
    pub fn new(size: u32, align: u32, flags: SlabFlags, cpus: u32) -> Result<Self, GeometryError> {
        let too_large = GeometryError::TooLarge { size };
        if size == 0 {
            return Err(GeometryError::Empty);
        }
        if align > PAGE_SIZE || (align != 0 && !align.is_power_of_two()) {
            return Err(GeometryError::Align { align });
        }
        if size > Order::MAX.pages() * PAGE_SIZE {
            return Err(too_large);
        }
        let align = alignment(size, align, flags);
        let words = size.next_multiple_of(4);
        let mut end = words;
        if flags.contains(SlabFlags::SLAB_RED_ZONE) && end == size {
            end += RED_ZONE;
        }
        let tracks = end;
        if flags.contains(SlabFlags::SLAB_STORE_USER) {
            end += 2 * TRACK;
        }
        let mut left = 0;
        if flags.contains(SlabFlags::SLAB_RED_ZONE) {
            // A word more, so that even a neighbour's tracks do not touch the object.
            end += RED_ZONE;
            left = RED_ZONE.next_multiple_of(align);
        }
        let stride = (left + end).next_multiple_of(align);
        let min_order = order_for(stride).ok_or(too_large)?;
        let order = order(stride, cpus).ok_or(too_large)?;
        Ok(Self { object_size: size, stride, left, tracks, align, order, min_order })
    }

    /// How many objects a slab of `order` holds.
    #[must_use]
    pub const fn objects(&self, order: Order) -> u32 {
        objects(order, self.stride)
    }

    /// What an offset is multiplied by for its object's number: the upper 32 bits of the product, of
    /// every offset that is a multiple of the stride.
    #[must_use]
    pub const fn reciprocal(&self) -> u32 {
        // At least 8, so it fits.
        (1_u64 << 32).div_ceil(self.stride as u64) as u32
    }

    /// How many slabs that are not full a cache keeps without need: more for larger objects, since
    /// those are made more often.
    #[must_use]
    pub fn min_partial(&self) -> u32 {
        (self.stride.ilog2() / 2).clamp(5, 10)
    }
}

/// What objects are aligned to.
fn alignment(size: u32, align: u32, flags: SlabFlags) -> u32 {
    let mut line = MIN_ALIGN;
    if flags.contains(SlabFlags::SLAB_HWCACHE_ALIGN) {
        line = CACHE_LINE;
        while size <= line / 2 {
            line /= 2;
        }
    }
    align.max(line).max(MIN_ALIGN)
}

const fn objects(order: Order, stride: u32) -> u32 {
    let count = order.pages() * PAGE_SIZE / stride;
    if count < MAX_OBJECTS { count } else { MAX_OBJECTS }
}

/// The smallest order of so many bytes.
const fn order_for(bytes: u32) -> Option<Order> {
    Order::for_bytes(bytes)
}

/// The smallest order with enough objects of which little is lost at the end; Linux's `calculate_order`.
fn order(stride: u32, cpus: u32) -> Option<Order> {
    let wanted = 4 * (u32::BITS - cpus.leading_zeros() + 1);
    let most = objects(MAX_USUAL_ORDER, stride);
    for count in (2..=wanted.min(most)).rev() {
        for fraction in [16, 8, 4] {
            let first = order_for(count * stride)?;
            let order = Order::all().find(|order| {
                let bytes = order.pages() * PAGE_SIZE;
                *order >= first && *order <= MAX_USUAL_ORDER && bytes % stride <= bytes / fraction
            });
            if order.is_some() {
                return order;
            }
        }
    }
    order_for(stride)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn order_of(size: u32, cpus: u32) -> (u8, u32) {
        let geometry = Geometry::new(size, 0, SlabFlags::empty(), cpus).unwrap();
        (geometry.order.as_u8(), geometry.objects(geometry.order))
    }

    /// `arm-layout-rules.md`, section 16.3.
    #[test]
    fn orders_are_linux_s() {
        let sizes = [64, 128, 192, 256, 512, 1024, 2048, 4096, 8192];
        let four_cpus =
            [(0, 64), (0, 32), (0, 21), (0, 16), (1, 16), (2, 16), (3, 16), (3, 8), (3, 4)];
        assert_eq!(sizes.map(|size| order_of(size, 4)), four_cpus);
        let one_cpu =
            [(512, (0, 8)), (1024, (1, 8)), (2048, (2, 8)), (4096, (3, 8)), (8192, (3, 4))];
        for (size, expected) in one_cpu {
            assert_eq!(order_of(size, 1), expected, "{size}");
        }
        let geometry = |size| Geometry::new(size, 0, SlabFlags::empty(), 4).unwrap();
        assert_eq!(sizes.map(|size| geometry(size).min_partial()), [5, 5, 5, 5, 5, 5, 5, 6, 6]);
    }

    #[test]
    fn large_objects_have_a_slab_each() {
        for (size, order) in
            [(32768, 3), (32769, 4), (1 << 20, 8), ((1 << 22) - 7, 10), (1 << 22, 10)]
        {
            assert_eq!(order_of(size, 1), (order, 1), "{size}");
        }
        let too_large = GeometryError::TooLarge { size: (1 << 22) + 1 };
        assert_eq!(Geometry::new((1 << 22) + 1, 0, SlabFlags::empty(), 1), Err(too_large));
        let with_red_zone = Geometry::new(1 << 22, 0, SlabFlags::SLAB_RED_ZONE, 1);
        assert_eq!(with_red_zone, Err(GeometryError::TooLarge { size: 1 << 22 }));
    }

    #[test]
    fn what_can_not_be_is_refused() {
        let new = |size, align| Geometry::new(size, align, SlabFlags::empty(), 1);
        assert_eq!(new(0, 0), Err(GeometryError::Empty));
        for align in [3, 24, 8192, u32::MAX] {
            assert_eq!(new(8, align), Err(GeometryError::Align { align }));
        }
        assert_eq!(new(u32::MAX, 8), Err(GeometryError::TooLarge { size: u32::MAX }));
    }

    #[test]
    fn small_objects_share_a_line() {
        let align = |size| Geometry::new(size, 0, SlabFlags::SLAB_HWCACHE_ALIGN, 1).unwrap().align;
        assert_eq!(
            [1, 8, 9, 16, 17, 32, 33, 64, 200].map(align),
            [8, 8, 16, 16, 32, 32, 64, 64, 64]
        );
    }

    proptest! {
        #[test]
        fn every_object_has_its_own_bytes_and_number(
            size in prop_oneof![1_u32..300, 1_u32..40000, 1_u32..(1_u32 << 22)],
            align in prop_oneof![Just(0_u32), (0_u32..13).prop_map(|shift| 1_u32 << shift)],
            bits in any::<u32>(),
            cpus in 1_u32..9,
        ) {
            let flags = SlabFlags::from_bits_truncate(bits);
            let Ok(geometry) = Geometry::new(size, align, flags, cpus) else {
                // Only what debugging and alignment add can make it too large.
                prop_assert!(size + 2 * align.max(64) + 60 > 1 << 22);
                return Ok(());
            };
            let Geometry { stride, left, align: real, order, min_order, .. } = geometry;
            prop_assert!(real.is_power_of_two() && real >= align.max(8));
            prop_assert_eq!((stride % real, left % real), (0, 0));
            prop_assert!(left + size <= stride && min_order <= order);
            let red = flags.contains(SlabFlags::SLAB_RED_ZONE);
            prop_assert!(!red || (left + size < stride && left >= 4));
            for order in [min_order, order] {
                let objects = geometry.objects(order);
                prop_assert!(objects > 0 && objects * stride <= order.pages() * PAGE_SIZE);
                let number = |offset: u32| (u64::from(offset) * u64::from(geometry.reciprocal())) >> 32;
                for object in (0..=objects).step_by(7).chain([objects]) {
                    prop_assert_eq!(number(object * stride), u64::from(object));
                }
            }
        }
    }
}
