//! TTBR0, Translation Table Base Register 0: the table that translates every address.

use core::fmt;

super::fields! {
    /// Fields of [`TTBR0`](const@TTBR0) and [`TTBR1`](const@super::TTBR1), with the Multiprocessing
    /// Extensions and TTBCR.N = 0.
    TTBR0 [
        /// Physical address of the first-level table, a multiple of 16 KiB, shifted down by 14.
        BASE OFFSET(14) NUMBITS(18) [],
        /// Inner cacheability of walks, bit 0 of two.
        IRGN_LOW OFFSET(6) NUMBITS(1) [],
        /// Not outer shareable: a shareable walk is inner shareable only.
        NOS OFFSET(5) NUMBITS(1) [],
        /// Outer cacheability of walks.
        RGN OFFSET(3) NUMBITS(2) [
            NonCacheable = 0,
            WriteBackWriteAllocate = 1,
            WriteThrough = 2,
            WriteBack = 3
        ],
        /// Walks are shareable.
        S OFFSET(1) NUMBITS(1) [],
        /// Inner cacheability of walks, bit 1 of two; the two together are coded as `RGN`.
        IRGN_HIGH OFFSET(0) NUMBITS(1) []
    ]
}

super::cp15_register! {
    /// Translation Table Base Register 0.
    ///
    /// A write needs a `dsb` before it, so that the table's stores are seen by the walker, and an
    /// `isb` after it. Unless both tables agree on all that the TLB may hold, the old table's
    /// entries must be flushed, or the ASID changed (*ARM DDI 0406C, B3.10.4*).
    TTBR0: TTBR0::Register, rw [p15 0 c2 c0 0]
}

/// The low bits of both table registers: walks read Normal memory, write-back write-allocate
/// inside and out, inner shareable. So a walk sees what the data caches hold and no table entry has
/// to be cleaned.
pub const WALK_ATTRIBUTES: u32 = TTBR0::IRGN_LOW::SET.value
    | TTBR0::NOS::SET.value
    | TTBR0::RGN::WriteBackWriteAllocate.value
    | TTBR0::S::SET.value;

/// A value of TTBR0 or TTBR1, in words, for `TTBCR.N = 0`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ttbr(pub u32);

impl fmt::Display for Ttbr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let policy = |rgn| match rgn {
            0 => "non-cacheable",
            1 => "write-back write-allocate",
            2 => "write-through",
            _ => "write-back",
        };
        let outer = policy(TTBR0::RGN.read(self.0));
        let inner = policy(TTBR0::IRGN_HIGH.read(self.0) << 1 | TTBR0::IRGN_LOW.read(self.0));
        let shared = match (TTBR0::S.is_set(self.0), TTBR0::NOS.is_set(self.0)) {
            (false, _) => "not shareable",
            (true, false) => "outer shareable",
            (true, true) => "inner shareable",
        };
        let table = TTBR0::BASE.read(self.0) << 14;
        write!(f, "table at {table:#010x}, walks ")?;
        match inner == outer {
            true => f.write_str(inner)?,
            false => write!(f, "{inner} inside, {outer} outside")?,
        }
        write!(f, ", {shared}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walk_attributes_are_linuxs_smp_flags() {
        assert_eq!(WALK_ATTRIBUTES, 0x6a);
        assert_eq!(WALK_ATTRIBUTES & !0x7f, 0, "no attribute lies in the address");
    }

    #[test]
    fn base_is_the_address_of_a_16_kib_table() {
        assert_eq!(TTBR0::BASE.read(0x4020_4000 | WALK_ATTRIBUTES) << 14, 0x4020_4000);
    }

    #[test]
    fn table_and_walks_are_told() {
        assert_eq!(
            Ttbr(0x4020_4000 | WALK_ATTRIBUTES).to_string(),
            "table at 0x40204000, walks write-back write-allocate, inner shareable"
        );
        assert_eq!(
            Ttbr(0x4020_4000 | 1 | 3 << 3 | 2).to_string(),
            "table at 0x40204000, walks write-through inside, write-back outside, outer shareable"
        );
        assert!(Ttbr(0).to_string().ends_with("walks non-cacheable, not shareable"));
    }
}
