//! How much of each zone is kept back: `min_free_kbytes`, watermarks, lowmem reserves, and how many
//! pages the CPUs' stacks may hold.
//!
//! Pure arithmetic over how many pages each zone manages, with Linux's constants, so that a
//! figure can be compared with `/proc/zoneinfo` of a Linux machine with the same memory. Holding
//! requests to these figures is the page allocator's part.
//!
//! Invariant: `min <= low <= high` for each zone, and every batch is at least one page.

use crate::zone::ZoneKind;

/// Pages that each zone manages, by [`ZoneKind::index`].
pub type Managed = [u32; ZoneKind::COUNT];

/// Kibibytes in a page.
const KIB_PER_PAGE: u64 = 4;
/// The least and the most that `min_free_kbytes` becomes by itself.
const MIN_FREE_KBYTES: (u32, u32) = (128, 262_144);
/// Distance between watermarks at least, in ten-thousandths of the zone: Linux's
/// `watermark_scale_factor`.
const SCALE_FACTOR: u64 = 10;
/// One page of a zone is kept from requests that could use a higher one, for each so many pages
/// of the higher ones: Linux's `lowmem_reserve_ratio`. HighMem is nobody's last resort.
const RESERVE_RATIO: [Option<u32>; ZoneKind::COUNT] = [Some(256), Some(32), None];
/// A CPU's batch is wanted to be one page for so many pages of the zone.
const PAGES_PER_BATCH_PAGE: u32 = 4096;
/// The largest batch that is wanted, in pages: a quarter of a mebibyte.
const MOST_BATCH: u32 = 64;

/// Levels of free pages, in pages.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Watermarks {
    /// Below it, only urgent requests are served.
    pub min: u32,
    /// Below it, reclaim begins.
    pub low: u32,
    /// Above it, reclaim ends.
    pub high: u32,
}

/// Free memory to keep, in kibibytes: four times the square root of lowmem in kibibytes.
#[must_use]
pub fn min_free_kbytes(managed: &Managed) -> u32 {
    let lowmem_kib = lowmem_pages(managed) * KIB_PER_PAGE;
    let (least, most) = MIN_FREE_KBYTES;
    // The root of a number below 2^39 fits.
    ((lowmem_kib * 16).isqrt() as u32).clamp(least, most)
}

/// The watermarks of each zone, by [`ZoneKind::index`].
///
/// Lowmem zones share `min_free_kbytes` in proportion to their size. HighMem gets a token
/// minimum: its pages are never a way out for a request that cannot wait.
#[must_use]
pub fn watermarks(managed: &Managed, min_free_kbytes: u32) -> [Watermarks; ZoneKind::COUNT] {
    let pages_min = u64::from(min_free_kbytes) / KIB_PER_PAGE;
    let lowmem = lowmem_pages(managed);
    ZoneKind::ALL.map(|kind| {
        let pages = managed[kind.index()];
        let share = (pages_min * u64::from(pages)).checked_div(lowmem).unwrap_or(0);
        let min = match kind {
            ZoneKind::Dma | ZoneKind::Normal => share,
            ZoneKind::HighMem => u64::from((pages / 1024).clamp(32, 128)),
        };
        let step = (share / 4).max(u64::from(pages) * SCALE_FACTOR / 10_000);
        let [min, low, high] = [min, min + step, min + 2 * step].map(saturate);
        Watermarks { min, low, high }
    })
}

/// Who asks, seen from a zone: the highest zone that the request could use. Linux has one class
/// more than there are kinds here, for its movable zone; that is always empty here, so its column
/// repeats HighMem's.
pub const REQUEST_CLASSES: usize = ZoneKind::COUNT + 1;

/// Pages of each zone that requests of each class may not have, in pages: `[zone][class]`.
#[must_use]
pub fn lowmem_reserve(managed: &Managed) -> [[u32; REQUEST_CLASSES]; ZoneKind::COUNT] {
    ZoneKind::ALL.map(|kind| {
        let zone = kind.index();
        let mut reserve = [0; REQUEST_CLASSES];
        if let Some(ratio) = RESERVE_RATIO[zone]
            && managed[zone] > 0
        {
            let mut above = 0;
            for (class, reserve) in reserve.iter_mut().enumerate().skip(zone + 1) {
                above += u64::from(managed.get(class).copied().unwrap_or(0));
                *reserve = saturate(above / u64::from(ratio));
            }
        }
        reserve
    })
}

/// Pages that are not to be had without hardship, in pages: in each zone what lies below the high
/// watermark, and what is kept from the request that has the largest reserve against it; but no
/// zone keeps more than it has.
///
/// The three arguments go together: what [`watermarks`] and [`lowmem_reserve`] say of `managed`.
#[must_use]
pub fn total_reserve(
    managed: &Managed,
    watermarks: &[Watermarks; ZoneKind::COUNT],
    reserves: &[[u32; REQUEST_CLASSES]; ZoneKind::COUNT],
) -> u32 {
    let of_zone = |kind: ZoneKind| {
        let zone = kind.index();
        let largest = reserves[zone].into_iter().max().unwrap_or(0);
        u64::from(largest.saturating_add(watermarks[zone].high).min(managed[zone]))
    };
    saturate(ZoneKind::ALL.into_iter().map(of_zone).sum())
}

/// How many pages a CPU's stacks take from a zone, or give back to it, at once: Linux's `batch`.
/// `managed` is the zone's pages.
///
/// A 4096th of the zone and no more than 64, brought near a power of two but one less than it:
/// Linux found that with a power of two some of the cache's lines get more than their share.
#[must_use]
pub fn pcp_batch(managed: u32) -> u32 {
    let wanted = (managed / PAGES_PER_BATCH_PAGE).clamp(1, MOST_BATCH);
    // At least 1, so it has a logarithm.
    let power = 1_u32 << (wanted + wanted / 2).ilog2();
    (power - 1).max(1)
}

/// Pages in the zones that the kernel can use directly.
fn lowmem_pages(managed: &Managed) -> u64 {
    u64::from(managed[ZoneKind::Dma.index()]) + u64::from(managed[ZoneKind::Normal.index()])
}

fn saturate(pages: u64) -> u32 {
    u32::try_from(pages).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn marks(min: u32, low: u32, high: u32) -> Watermarks {
        Watermarks { min, low, high }
    }

    /// Worked out by hand from Linux's rules: 768 MiB of lowmem and 256 MiB of HighMem.
    #[test]
    fn a_gibibyte_with_the_default_split() {
        let managed = [0, 196_608, 65_536];
        assert_eq!(min_free_kbytes(&managed), 3547);
        assert_eq!(
            watermarks(&managed, 3547),
            [marks(0, 0, 0), marks(886, 1107, 1328), marks(64, 137, 210)]
        );
        assert_eq!(lowmem_reserve(&managed), [[0; 4], [0, 0, 2048, 2048], [0; 4]]);
    }

    #[test]
    fn what_all_zones_keep_together() {
        let reserve = |managed: Managed| {
            let marks = watermarks(&managed, min_free_kbytes(&managed));
            total_reserve(&managed, &marks, &lowmem_reserve(&managed))
        };
        // Normal 1328 + 2048, HighMem 210.
        assert_eq!(reserve([0, 196_608, 65_536]), 3586);
        // A zone cannot keep what it does not have: HighMem's high watermark is 32 or more.
        assert_eq!(reserve([0, 0, 7]), 7);
        assert_eq!(reserve([0; 3]), 0);
        let most = [u32::MAX; ZoneKind::COUNT];
        let marks = [marks(0, 0, u32::MAX); ZoneKind::COUNT];
        assert_eq!(total_reserve(&most, &marks, &[[u32::MAX; 4]; 3]), u32::MAX);
    }

    #[test]
    fn batches_are_one_less_than_a_power_of_two() {
        assert_eq!((pcp_batch(196_608), pcp_batch(65_536)), (63, 15));
        assert_eq!([0, 4095, 8191, 12_287].map(pcp_batch), [1; 4]);
        assert_eq!([12_288, 262_144, u32::MAX].map(pcp_batch), [3, 63, 63]);
    }

    /// `lowmem_reserve_ratio` 32: 1280 MiB of HighMem keep 40 MiB of Normal.
    #[test]
    fn much_highmem_reserves_much_lowmem() {
        assert_eq!(lowmem_reserve(&[0, 196_608, 327_680])[1], [0, 0, 10_240, 10_240]);
    }

    #[test]
    fn dma_is_kept_from_both_zones_above_it() {
        assert_eq!(lowmem_reserve(&[4096, 8192, 16_384])[0], [0, 32, 96, 96]);
    }

    #[test]
    fn two_lowmem_zones_share_in_proportion() {
        let managed = [65_536, 131_072, 0];
        let [dma, normal, high] = watermarks(&managed, min_free_kbytes(&managed));
        assert_eq!((dma.min, normal.min), (295, 590));
        assert_eq!(high, marks(32, 32, 32));
    }

    #[test]
    fn small_and_huge_machines_are_clamped() {
        assert_eq!(min_free_kbytes(&[0, 1, 0]), 128);
        assert_eq!(min_free_kbytes(&[0, 0, 1 << 20]), 128);
        assert_eq!(min_free_kbytes(&[u32::MAX; 3]), 262_144);
    }

    #[test]
    fn no_memory_and_all_memory_there_can_be_are_numbers_too() {
        assert_eq!(watermarks(&[0; 3], 128), [marks(0, 0, 0), marks(0, 0, 0), marks(32, 32, 32)]);
        let most = watermarks(&[u32::MAX; 3], u32::MAX);
        assert!(most.iter().all(|mark| mark.min <= mark.low && mark.low <= mark.high));
        assert_eq!(lowmem_reserve(&[u32::MAX; 3])[1][3], u32::MAX / 32);
    }

    /// The step between watermarks is a thousandth of a large zone with a small minimum.
    #[test]
    fn the_scale_factor_takes_over_in_a_large_zone() {
        assert_eq!(watermarks(&[0, 1_000_000, 0], 400)[1], marks(100, 1100, 2100));
    }
}
