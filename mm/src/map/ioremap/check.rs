//! What is refused before anything is taken, in Linux's order: nothing at all, the end of physical addresses, what no
//! table reaches, and memory that the kernel uses.

use super::error::IoremapError;
use crate::addr::{MIB, PHYS_LIMIT_32, PfnRange, PhysAddr, PhysRange};

/// Bytes of a supersection: the one leaf that reaches past 4 GiB.
const SUPERSECTION: u64 = 16 * MIB;
/// Physical addresses have 40 bits (*ARM DDI 0406C, B3.5.1*).
const PHYS_END: u64 = 1 << 40;

/// The frames of `bytes` at `phys`, if they may be mapped as a device's. Tables reach up to `reach`, and `ram` is the
/// memory that the kernel uses, upwards.
#[inline(always)]
pub(super) fn check(
    phys: PhysAddr,
    bytes: u64,
    reach: PhysAddr,
    ram: &[PhysRange],
) -> Result<PfnRange, IoremapError> {
    if bytes == 0 {
        return Err(IoremapError::Empty { phys });
    }
    let Some(range) =
        PhysRange::from_len(phys, bytes).filter(|range| range.end().as_u64() <= PHYS_END)
    else {
        return Err(IoremapError::Wraps { phys, bytes });
    };
    if range.end() > PHYS_LIMIT_32 {
        check_high(range, reach)?;
    }
    let behind = ram.partition_point(|memory| memory.end() <= range.start());
    if let Some(memory) = ram.get(behind).filter(|memory| memory.start() < range.end()) {
        return Err(IoremapError::Ram { range, memory: common(range, *memory) });
    }
    Ok(PfnRange::new(range.start().pfn_down(), range.end().pfn_up()))
}

#[cold]
fn check_high(range: PhysRange, reach: PhysAddr) -> Result<(), IoremapError> {
    let is_whole = range.start().is_aligned(SUPERSECTION) && range.end().is_aligned(SUPERSECTION);
    if is_whole && range.end() <= reach { Ok(()) } else { Err(IoremapError::OutOfReach { range }) }
}

fn common(range: PhysRange, memory: PhysRange) -> PhysRange {
    range.intersection(&memory).unwrap_or(memory)
}

#[cfg(test)]
mod tests {
    use super::*;

    const REACH: PhysAddr = PhysAddr::new(PHYS_END);

    fn range(start: u64, end: u64) -> PhysRange {
        PhysRange::new(PhysAddr::new(start), PhysAddr::new(end))
    }

    fn run(start: u64, bytes: u64) -> Result<(u32, u32), IoremapError> {
        let ram = [range(0x4000_0000, 0x4800_0000), range(0x4900_0000, 0x5000_0800)];
        let frames = check(PhysAddr::new(start), bytes, REACH, &ram)?;
        Ok((frames.start().as_u32(), frames.end().as_u32()))
    }

    #[test]
    fn all_pages_that_the_range_touches() {
        assert_eq!(run(0x900_0ffc, 8), Ok((0x9000, 0x9002)));
        assert_eq!(run(0xffff_f000, 0x1000), Ok((0xf_ffff, 0x10_0000)));
    }

    #[test]
    fn nothing_and_too_much() {
        let phys = PhysAddr::new(0x900_0000);
        assert_eq!(run(0x900_0000, 0), Err(IoremapError::Empty { phys }));
        for (start, bytes) in [(u64::MAX, 2), (PHYS_END - 1, 2), (PHYS_END, 1), (1, u64::MAX)] {
            let phys = PhysAddr::new(start);
            assert_eq!(run(start, bytes), Err(IoremapError::Wraps { phys, bytes }));
        }
    }

    #[test]
    fn supersections_alone_reach_past_4_gib() {
        for (start, bytes) in
            [(0xffff_f000, 0x2000), (0x1_0000_0000, 0x1000), (0x1_0010_0000, SUPERSECTION)]
        {
            let range = range(start, start + bytes);
            assert_eq!(run(start, bytes), Err(IoremapError::OutOfReach { range }));
        }
        assert_eq!(run(0xf_0000_0000, SUPERSECTION), Ok((0xf0_0000, 0xf0_1000)));
        let phys = PhysAddr::new(0x1_0000_0000);
        let refused = check(phys, SUPERSECTION, PHYS_LIMIT_32, &[]);
        assert!(matches!(refused, Err(IoremapError::OutOfReach { .. })));
    }

    #[test]
    fn memory_is_named_and_a_hole_in_it_is_none() {
        let cases = [
            ((0x3fff_ffff, 2), (0x4000_0000, 0x4000_0001)),
            ((0x4123_4000, 0x1000), (0x4123_4000, 0x4123_5000)),
            ((0x4700_0000, 0x400_0000), (0x4700_0000, 0x4800_0000)),
            ((0x5000_07ff, 0x1000), (0x5000_07ff, 0x5000_0800)),
        ];
        for ((start, bytes), (first, end)) in cases {
            let whole = range(start, start + bytes);
            let memory = range(first, end);
            assert_eq!(run(start, bytes), Err(IoremapError::Ram { range: whole, memory }));
        }
        assert_eq!(run(0x4800_0000, 0x100_0000), Ok((0x4_8000, 0x4_9000)));
        assert_eq!(run(0x5000_0800, 0x100), Ok((0x5_0000, 0x5_0001)));
    }
}
