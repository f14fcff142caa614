//! Forms of the page allocator's figures, whatever these are.

use core::fmt;

use proptest::prelude::*;

use super::memory_line::{self, ImageSizes};
use super::test_machine::print;
use super::{buddyinfo, fragment, meminfo, pagetypeinfo, show_mem, zoneinfo};
use crate::addr::{Order, Pfn, PfnRange};
use crate::map::vmalloc::{VmallocFigures, VmallocUse};
use crate::zone::figures::PerCpuFigures;
use crate::zone::watermark::Watermarks;
use crate::zone::{MemoryFigures, ZoneFigures, ZoneKind};

/// A figure: any, with those at the ends of the range often.
fn figure() -> impl Strategy<Value = u32> {
    prop_oneof![any::<u32>(), 0..=12_u32, Just(u32::MAX), Just(1 << 31)]
}

/// Any figures of the three zones.
fn memory() -> impl Strategy<Value = MemoryFigures> {
    // A list, as a tree of arrays is too large for a test's stack.
    proptest::collection::vec(figure(), 320).prop_map(|list| {
        let mut list = list.into_iter();
        let mut next = || list.next().unwrap();
        let zones = ZoneKind::ALL.map(|kind| ZoneFigures {
            kind,
            span: PfnRange::new(Pfn::new(next()), Pfn::new(next())),
            present: next(),
            managed: next(),
            free: next(),
            blocks: core::array::from_fn(|_| core::array::from_fn(|_| next())),
            watermarks: Watermarks { min: next(), low: next(), high: next() },
            reserve: core::array::from_fn(|_| next()),
            high_atomic: next(),
            cpus: next(),
            per_cpu: core::array::from_fn(|_| PerCpuFigures {
                count: next(),
                high: next(),
                batch: next(),
            }),
        });
        MemoryFigures { zones, total_reserve: next() }
    })
}

/// Fails when it has no more room.
struct Room(usize);

impl fmt::Write for Room {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0 = self.0.checked_sub(text.len()).ok_or(fmt::Error)?;
        Ok(())
    }
}

/// A form with all that it shows.
type Form<'a> = dyn Fn(&mut dyn fmt::Write) -> fmt::Result + 'a;

proptest! {
    #[test]
    fn every_form_prints_any_figures(
        figures in memory(), more in figure(), room in 0..8192_usize,
    ) {
        let page_blocks = [[more; 6]; ZoneKind::COUNT];
        let image = ImageSizes { code: more, rwdata: !more, rodata: more, init: 0, bss: more };
        let use_of_it = Some(VmallocUse { used: more, chunk: !more });
        let vmalloc = VmallocFigures { total: more, use_of_it };
        let forms: [&Form<'_>; 7] = [
            &|out| buddyinfo::write(out, &figures),
            &|out| zoneinfo::write(out, &figures),
            &|out| pagetypeinfo::write(out, &figures, &page_blocks),
            &|out| meminfo::write(out, &figures, Default::default(), vmalloc),
            &|out| memory_line::write(out, &figures, &image),
            &|out| show_mem::write(out, &figures, more),
            &|out| fragment::write(out, &figures),
        ];
        for form in forms {
            let text = print(form);
            prop_assert!(text.is_empty() || text.ends_with('\n'));
            prop_assert_eq!(form(&mut Room(room)).is_ok(), room >= text.len());
        }
    }

    #[test]
    fn the_picture_is_at_most_80_columns_wide_and_the_index_never_falls(figures in memory()) {
        for line in print(|out| fragment::write(out, &figures)).lines() {
            let Some(line) = line.strip_prefix("Node 0, zone ") else {
                prop_assert!(line.len() <= 80, "{line}");
                continue;
            };
            let index: Vec<f32> =
                line.split_whitespace().skip(1).map(|word| word.parse().unwrap()).collect();
            prop_assert_eq!(index.len(), Order::COUNT);
            prop_assert!(index.is_sorted() && index.iter().all(|share| *share <= 1.0), "{line}");
        }
    }
}
