//! The *Virtual kernel memory layout* table of Linux up to 5.0, and the same facts as JSON.
//!
//! Both are printed from an [`Observed`], which the host tool fills from a prediction and the
//! kernel from what it reads back: its live page tables, its allocators' ranges, its zones.

use core::fmt::{self, Write};

use arrayvec::ArrayVec;

use crate::addr::{PhysAddr, VirtAddr, VirtRange};
use crate::boot::layout::{Layout, MAX_REGIONS, RegionKind};
use crate::zone::{ZoneKind, ZoneSpan};

/// A section of the kernel image, for the table's last rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Section {
    /// Its name, with the dot.
    pub name: &'static str,
    /// Its addresses.
    pub range: VirtRange,
}

/// A zone as seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ObservedZone {
    /// Kind, spanned frames and frames present.
    pub span: ZoneSpan,
    /// Frames that the allocator has got; `None` in a prediction.
    pub managed: Option<u32>,
}

/// The facts that the table and the JSON object show.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Observed {
    /// `PAGE_OFFSET`.
    pub page_offset: VirtAddr,
    /// `PHYS_OFFSET`.
    pub phys_offset: PhysAddr,
    /// The end of lowmem, physical.
    pub lowmem_end: PhysAddr,
    /// The regions, in the order of the table.
    pub regions: ArrayVec<(RegionKind, VirtRange), MAX_REGIONS>,
    /// The image's sections; none in a prediction.
    pub sections: ArrayVec<Section, 4>,
    /// The zones, lowest first, also those that span nothing.
    pub zones: [ObservedZone; ZoneKind::COUNT],
}

impl Observed {
    /// What `layout` predicts.
    #[must_use]
    pub fn predicted(layout: &Layout) -> Self {
        Self {
            page_offset: layout.split.page_offset(),
            phys_offset: layout.phys_offset,
            lowmem_end: layout.lowmem_end,
            regions: layout.regions().iter().map(|row| (row.kind, row.range)).collect(),
            sections: ArrayVec::new(),
            zones: layout.zones.map(|span| ObservedZone { span, managed: None }),
        }
    }

    fn region(&self, kind: RegionKind) -> Option<VirtRange> {
        self.regions.iter().find(|row| row.0 == kind).map(|row| row.1)
    }
}

/// Writes the table.
///
/// # Errors
///
/// Only those of `out`.
pub fn write_table(out: &mut dyn Write, seen: &Observed) -> fmt::Result {
    writeln!(out, "Virtual kernel memory layout:")?;
    for (kind, range) in &seen.regions {
        let (size, unit) = size_of(*range);
        writeln!(out, "    {:<7} : {range}   ({size:4} {unit})", kind.name())?;
    }
    for Section { name, range } in &seen.sections {
        // Sections are measured in kB, and their names stand before the colon, as in Linux.
        let size = range.len().div_ceil(1024);
        writeln!(out, "    {name:>7} : {range}   ({size:4} kB)")?;
    }
    Ok(())
}

/// Size and unit: MB where a region is at least one, as in Linux cut to whole ones; else kB.
fn size_of(range: VirtRange) -> (u32, &'static str) {
    if range.len() >= 1 << 20 { (range.len() >> 20, "MB") } else { (range.len() >> 10, "kB") }
}

/// Writes one JSON object on one line: addresses as strings, counts and frame numbers as integers.
///
/// `warnings` are the lines that were printed. The object is written by hand because the kernel
/// has no heap where it is printed.
///
/// # Errors
///
/// Only those of `out`.
pub fn write_json(
    out: &mut dyn Write,
    seen: &Observed,
    warnings: impl Iterator<Item = impl fmt::Display>,
) -> fmt::Result {
    let vmalloc = seen.region(RegionKind::Vmalloc).unwrap_or_default();
    let lowmem = seen.region(RegionKind::Lowmem).unwrap_or_default();
    let modules = seen.region(RegionKind::Modules).unwrap_or_default();
    write!(out, "{{\"page_offset\":\"{}\"", seen.page_offset)?;
    write!(out, ",\"phys_offset\":\"{}\"", seen.phys_offset)?;
    write!(out, ",\"high_memory\":\"{}\"", lowmem.end())?;
    write!(out, ",\"lowmem_end_phys\":\"{}\"", seen.lowmem_end)?;
    write!(out, ",\"vmalloc_start\":\"{}\"", vmalloc.start())?;
    write!(out, ",\"vmalloc_end\":\"{}\"", vmalloc.end())?;
    write!(out, ",\"modules_start\":\"{}\"", modules.start())?;
    write!(out, ",\"modules_end\":\"{}\"", modules.end())?;
    match seen.region(RegionKind::Pkmap) {
        Some(pkmap) => write!(out, ",\"pkmap_base\":\"{}\"", pkmap.start())?,
        None => out.write_str(",\"pkmap_base\":null")?,
    }
    out.write_str(",\"regions\":[")?;
    for (index, (kind, range)) in seen.regions.iter().enumerate() {
        let (comma, name) = (if index == 0 { "" } else { "," }, kind.name());
        let (start, end) = (range.start(), range.end());
        write!(out, "{comma}{{\"name\":\"{name}\",\"start\":\"{start}\",\"end\":\"{end}\"}}")?;
    }
    out.write_str("],\"warnings\":[")?;
    for (index, warning) in warnings.enumerate() {
        out.write_str(if index == 0 { "\"" } else { ",\"" })?;
        write!(JsonText(out), "{warning}")?;
        out.write_char('"')?;
    }
    out.write_str("],\"zones\":{")?;
    let spanning = seen.zones.iter().filter(|zone| !zone.span.range.is_empty());
    for (index, zone) in spanning.enumerate() {
        let ZoneSpan { kind, range, present } = zone.span;
        write!(
            out,
            "{}\"{kind}\":{{\"start_pfn\":{},\"end_pfn\":{},\"spanned\":{},\"present\":{present}",
            if index == 0 { "" } else { "," },
            range.start().as_u32(),
            range.end().as_u32(),
            range.len(),
        )?;
        if let Some(managed) = zone.managed {
            write!(out, ",\"managed\":{managed}")?;
        }
        out.write_char('}')?;
    }
    out.write_str("}}\n")
}

/// Escapes what a JSON string must not hold.
pub(super) struct JsonText<'w>(pub(super) &'w mut dyn Write);

impl Write for JsonText<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        text.chars().try_for_each(|c| match c {
            '"' | '\\' => write!(self.0, "\\{c}"),
            c if c < ' ' => write!(self.0, "\\u{:04x}", u32::from(c)),
            c => self.0.write_char(c),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boot::layout::Settings;
    use crate::boot::memblock::{Flags, Memblock, Region};
    use crate::boot::split::Split;
    use crate::boot::warning::Warning;

    const GIB_BOARD: [(u64, u64); 1] = [(0x4000_0000, 0x4000_0000)];

    fn seen(command_line: &str) -> Observed {
        let (mut memory, mut reserved) = ([Region::EMPTY; 128], [Region::EMPTY; 128]);
        let mut memblock = Memblock::new(&mut memory, &mut reserved);
        for (start, len) in GIB_BOARD {
            let range = crate::addr::PhysRange::from_len(PhysAddr::new(start), len).unwrap();
            memblock.add(range, Flags::empty()).unwrap();
        }
        let settings = Settings {
            split: Split::ThreeG,
            phys_offset: PhysAddr::new(0x4000_0000),
            command_line,
            board_dma_zone: None,
        };
        Observed::predicted(&Layout::decide(&memblock, settings, &mut |_| ()).unwrap())
    }

    #[test]
    fn the_table_of_a_gigabyte_board() {
        let mut text = String::new();
        let mut seen = seen("");
        seen.sections.push(Section {
            name: ".text",
            range: VirtRange::new(VirtAddr::new(0xc020_0000), VirtAddr::new(0xc020_0401)),
        });
        write_table(&mut text, &seen).unwrap();
        assert_eq!(
            text,
            "\
Virtual kernel memory layout:
    vector  : 0xffff0000 - 0xffff1000   (   4 kB)
    stubs   : 0xffff1000 - 0xffff2000   (   4 kB)
    fixmap  : 0xfff00000 - 0xfffe0000   ( 896 kB)
    DMA     : 0xffc00000 - 0xfff00000   (   3 MB)
    fdt     : 0xff800000 - 0xffc00000   (   4 MB)
    vmalloc : 0xf0800000 - 0xff800000   ( 240 MB)
    lowmem  : 0xc0000000 - 0xf0000000   ( 768 MB)
    pkmap   : 0xbfe00000 - 0xc0000000   (   2 MB)
    modules : 0xbf000000 - 0xbfe00000   (  14 MB)
    user    : 0x00000000 - 0xbf000000   (3056 MB)
      .text : 0xc0200000 - 0xc0200401   (   2 kB)
"
        );
    }

    #[test]
    fn the_object_is_one_line_with_the_text_escaped() {
        let mut text = String::new();
        let warning = Warning::NotASize { name: "vmalloc", value: "a\\\"\n" };
        write_json(&mut text, &seen("nohighmem"), [warning].iter()).unwrap();
        assert_eq!(
            text,
            concat!(
                r#"{"page_offset":"0xc0000000","phys_offset":"0x40000000","#,
                r#""high_memory":"0xf0000000","lowmem_end_phys":"0x70000000","#,
                r#""vmalloc_start":"0xf0800000","vmalloc_end":"0xff800000","#,
                r#""modules_start":"0xbf000000","modules_end":"0xc0000000","pkmap_base":null,"#,
                r#""regions":[{"name":"vector","start":"0xffff0000","end":"0xffff1000"},"#,
                r#"{"name":"stubs","start":"0xffff1000","end":"0xffff2000"},"#,
                r#"{"name":"fixmap","start":"0xfff00000","end":"0xfffe0000"},"#,
                r#"{"name":"DMA","start":"0xffc00000","end":"0xfff00000"},"#,
                r#"{"name":"fdt","start":"0xff800000","end":"0xffc00000"},"#,
                r#"{"name":"vmalloc","start":"0xf0800000","end":"0xff800000"},"#,
                r#"{"name":"lowmem","start":"0xc0000000","end":"0xf0000000"},"#,
                r#"{"name":"modules","start":"0xbf000000","end":"0xc0000000"},"#,
                r#"{"name":"user","start":"0x00000000","end":"0xbf000000"}],"#,
                r#""warnings":["vmalloc=a\\\"\u000a: \"a\\\"\u000a\" is not a size, taken as 0"],"#,
                r#""zones":{"DMA":{"start_pfn":262144,"end_pfn":458752,"spanned":196608,"#,
                r#""present":196608}}}"#,
                "\n"
            )
        );
    }
}
