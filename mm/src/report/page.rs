//! All that is known of one page.
//!
//! ```text
//! pfn 0x40804, 0x40804000, mapped at 0xc0804000
//! zone       : DMA
//! state      : allocated
//! block      : pfn 0x40800, order 3, 8 pages
//! mobility   : Movable, in a page block that is for Movable
//! references : 1
//! owner      : 0xc0207f1c in vmsplit::monitor::pages::alloc
//! ```
//!
//! A page that never was the allocator's has no more than its state, *reserved* or *no memory*. The
//! owner's line is there when the owner is known; of a page that is free it is who gave it back last.

use core::fmt::{Result, Write};

use crate::addr::VirtAddr;
use crate::frame::PageState;
use crate::zone::owner::PageFigures;

/// What is known of the page beside the allocator's own figures.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// Where the linear map has it.
    pub virt: Option<VirtAddr>,
    /// Is there memory at all?
    pub is_memory: bool,
}

/// Writes the form. `name` writes a call site, with its name if it has one.
///
/// # Errors
///
/// When `out` does.
pub fn write(
    out: &mut dyn Write,
    page: &PageFigures,
    known: Known,
    name: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    write!(out, "pfn {}, {}, ", page.pfn, page.pfn.start())?;
    match known.virt {
        Some(virt) => writeln!(out, "mapped at {virt}")?,
        None => writeln!(out, "without an address")?,
    }
    match page.zone {
        Some(zone) => writeln!(out, "zone       : {zone}")?,
        None => writeln!(out, "zone       : none")?,
    }
    let Some(block) = page.block else {
        let state = if known.is_memory { "reserved" } else { "no memory" };
        return writeln!(out, "state      : {state}");
    };
    let state = match block.state {
        PageState::NoHead => "reserved",
        PageState::Free { .. } => "free",
        PageState::Allocated { .. } => "allocated",
        PageState::Stacked { .. } => "free, in a per-CPU stack",
        PageState::Bad { .. } => "bad: written to while it was free, and kept out",
        PageState::Parked { .. } => "allocated, and set aside in a pool",
        PageState::Slab { .. } => "allocated, for objects or their books",
        PageState::Corrupt { .. } => "not known: the descriptor has been overwritten",
    };
    writeln!(out, "state      : {state}")?;
    if let PageState::Corrupt { word } = block.state {
        writeln!(out, "descriptor : {word:#010x}")?;
    }
    if let Some(order) = block.state.order() {
        let pages = order.pages();
        writeln!(out, "block      : pfn {}, order {order}, {pages} pages", block.head)?;
    }
    let own = match block.state {
        PageState::NoHead | PageState::Corrupt { .. } => None,
        PageState::Free { mobility, .. } => Some(mobility),
        PageState::Allocated { class, .. }
        | PageState::Stacked { class, .. }
        | PageState::Bad { class, .. }
        | PageState::Parked { class, .. }
        | PageState::Slab { class, .. } => Some(class.mobility()),
    };
    if let Some(own) = own {
        let around = page.page_block;
        writeln!(out, "mobility   : {own}, in a page block that is for {around}")?;
    }
    if let PageState::Allocated { further_references, .. } = block.state {
        writeln!(out, "references : {}", u32::from(further_references) + 1)?;
    }
    if let Some(site) = page.owner {
        let is_held = matches!(
            block.state,
            PageState::Allocated { .. } | PageState::Parked { .. } | PageState::Slab { .. }
        );
        write!(out, "{}", if is_held { "owner      : " } else { "freed by   : " })?;
        name(out, site)?;
        writeln!(out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;
    use crate::addr::{Order, Pfn};
    use crate::frame::{Block, Class, Mobility};
    use crate::zone::ZoneKind;

    fn page(state: Option<PageState>) -> PageFigures {
        PageFigures {
            pfn: Pfn::new(0x40804),
            zone: Some(ZoneKind::Dma),
            block: state.map(|state| Block { head: Pfn::new(0x40800), state }),
            page_block: Mobility::Movable,
            owner: None,
        }
    }

    fn order() -> Order {
        Order::new(3).unwrap()
    }

    fn form(page: &PageFigures, virt: Option<u32>, is_memory: bool) -> String {
        let known = Known { virt: virt.map(VirtAddr::new), is_memory };
        print(|out| write(out, page, known, &|out, site| write!(out, "{site:#x} in somebody")))
    }

    #[test]
    fn golden() {
        let class = Class::of_flags(0);
        let allocated = PageState::Allocated { order: order(), class, further_references: 2 };
        let mut page = page(Some(allocated));
        page.owner = Some(0xc020_7f1c);
        assert_eq!(
            form(&page, Some(0xc080_4000), true),
            "pfn 0x40804, 0x40804000, mapped at 0xc0804000
zone       : DMA
state      : allocated
block      : pfn 0x40800, order 3, 8 pages
mobility   : Unmovable, in a page block that is for Movable
references : 3
owner      : 0xc0207f1c in somebody
"
        );
    }

    #[test]
    fn each_state_has_its_lines() {
        let lines = |state, owner| {
            let page = PageFigures { owner, ..page(state) };
            let text = form(&page, None, true);
            assert!(text.starts_with("pfn 0x40804, 0x40804000, without an address\n"), "{text}");
            let lines: Vec<String> = text.lines().skip(2).map(str::to_string).collect();
            lines
        };
        let (order, class, zone) = (order(), Class::of_flags(0), ZoneKind::Dma.id());
        for (state, word) in [
            (PageState::Free { order, zone, mobility: Mobility::Movable }, "free"),
            (PageState::Stacked { order, class }, "free, in a per-CPU stack"),
            (PageState::Bad { order, class }, "bad: written to while it was free, and kept out"),
        ] {
            let lines = lines(Some(state), Some(5));
            assert_eq!(lines[0], format!("state      : {word}"));
            assert_eq!((lines.len(), lines[3].as_str()), (4, "freed by   : 0x5 in somebody"));
        }
        for (state, word) in [
            (PageState::Parked { order, class }, "allocated, and set aside in a pool"),
            (PageState::Slab { order, class }, "allocated, for objects or their books"),
        ] {
            let lines = lines(Some(state), Some(5));
            assert_eq!(lines[0], format!("state      : {word}"));
            assert_eq!((lines.len(), lines[3].as_str()), (4, "owner      : 0x5 in somebody"));
        }
        let corrupt = Some(PageState::Corrupt { word: 0xdead_beef });
        assert_eq!(lines(corrupt, None)[1..], ["descriptor : 0xdeadbeef"]);
        assert_eq!(lines(None, None), ["state      : reserved"]);
        let nowhere = PageFigures { zone: None, ..page(None) };
        let text = form(&nowhere, None, false);
        assert!(text.ends_with("zone       : none\nstate      : no memory\n"), "{text}");
    }
}
