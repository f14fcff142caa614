//! What can be compared: one list of facts, filled from either side as far as that side tells.
//!
//! Zones are compared by what is in them, not by name: Linux may have all low memory in DMA or in Normal, and ours both.

use std::collections::BTreeMap;
use std::fmt;

use experiment::answer::Answer;
use serde::{Serialize, Serializer};

use super::boot::Told;
use super::said::{Said, is_low};

/// Bytes of a page.
const PAGE: u64 = 4096;
/// The kernel's code lies in so much from the start of the linear map; each split is a multiple of it.
const SPLIT_STEP: u64 = 256 << 20;
/// Where the exception vectors are.
const VECTORS: u64 = 0xffff_0000;

/// A fact, in the order of the table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// `PAGE_OFFSET`.
    PageOffset,
    /// `PHYS_OFFSET`.
    PhysOffset,
    /// The end of low memory, physical.
    LowmemEnd,
    /// `high_memory`.
    HighMemory,
    /// `VMALLOC_START`.
    VmallocStart,
    /// `VMALLOC_END`.
    VmallocEnd,
    /// `VmallocTotal`.
    VmallocTotal,
    /// `PKMAP_BASE`.
    Pkmap,
    /// `MODULES_VADDR`.
    Modules,
    /// `TASK_SIZE`.
    UserEnd,
    /// Where the boot loader's device tree is mapped.
    DeviceTree,
    /// The fixmap's slot 0, its highest page: the early console's.
    Fixmap,
    /// The exception vectors.
    Vectors,
    /// The zones of low memory.
    LowZones,
    /// Their first byte.
    LowStart,
    /// The byte behind their last.
    LowEnd,
    /// Their pages, with holes.
    LowSpanned,
    /// Their pages that are memory.
    LowPresent,
    /// Those that the allocator got.
    LowManaged,
    /// Those that are free after boot.
    LowFree,
    /// The zones of high memory.
    HighZones,
    /// Their first byte.
    HighStart,
    /// The byte behind their last.
    HighEnd,
    /// Their pages, with holes.
    HighSpanned,
    /// Their pages that are memory.
    HighPresent,
    /// Those that the allocator got.
    HighManaged,
    /// Those that are free after boot.
    HighFree,
    /// `MemTotal`.
    MemTotal,
    /// `LowTotal`.
    LowTotal,
    /// `HighTotal`.
    HighTotal,
    /// `MemFree`.
    MemFree,
    /// Bytes of the kernel's image in memory.
    Image,
    /// Bytes of the page array.
    PageArray,
}

impl Fact {
    /// Its name in the table.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PageOffset => "PAGE_OFFSET",
            Self::PhysOffset => "PHYS_OFFSET",
            Self::LowmemEnd => "lowmem end, physical",
            Self::HighMemory => "high_memory",
            Self::VmallocStart => "VMALLOC_START",
            Self::VmallocEnd => "VMALLOC_END",
            Self::VmallocTotal => "VmallocTotal",
            Self::Pkmap => "pkmap start",
            Self::Modules => "modules start",
            Self::UserEnd => "user space end",
            Self::DeviceTree => "device tree, mapped",
            Self::Fixmap => "fixmap, slot 0",
            Self::Vectors => "vectors",
            Self::LowZones => "low memory: zones",
            Self::LowStart | Self::HighStart => "  start",
            Self::LowEnd | Self::HighEnd => "  end",
            Self::LowSpanned | Self::HighSpanned => "  spanned",
            Self::LowPresent | Self::HighPresent => "  present",
            Self::LowManaged | Self::HighManaged => "  managed",
            Self::LowFree | Self::HighFree => "  free after boot",
            Self::HighZones => "high memory: zones",
            Self::MemTotal => "MemTotal",
            Self::LowTotal => "LowTotal",
            Self::HighTotal => "HighTotal",
            Self::MemFree => "MemFree after boot",
            Self::Image => "kernel image",
            Self::PageArray => "page array",
        }
    }
}

impl Fact {
    /// Its name where no heading is above it.
    pub fn full_name(self) -> String {
        let Some(name) = self.name().strip_prefix("  ") else { return self.name().to_owned() };
        let heading = if self > Self::HighZones { "high" } else { "low" };
        format!("{heading} {name}")
    }
}

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Value {
    /// An address.
    Address(u64),
    /// Page frames.
    Pages(u64),
    /// An amount in kB.
    KiB(u64),
    /// Names.
    Names(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => write!(f, "{address:#010x}"),
            Self::Pages(pages) => write!(f, "{pages} pages"),
            Self::KiB(kib) => write!(f, "{kib} kB"),
            Self::Names(names) => f.write_str(names),
        }
    }
}

impl Serialize for Value {
    /// Addresses as elsewhere, `"0x40000000"`; amounts as numbers.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Pages(number) | Self::KiB(number) => serializer.serialize_u64(*number),
            Self::Address(_) | Self::Names(_) => serializer.collect_str(self),
        }
    }
}

/// What one side tells.
pub type Facts = BTreeMap<Fact, Value>;

/// Zones of one kind together.
#[derive(Default)]
struct Zones {
    names: Vec<String>,
    start: Option<u64>,
    end: u64,
    spanned: u64,
    present: u64,
    managed: u64,
    free: u64,
}

/// A zone of either side.
struct Zone<'a> {
    name: &'a str,
    start: u64,
    end: u64,
    present: u64,
    managed: u64,
    free: u64,
}

impl Zones {
    fn add(&mut self, zone: &Zone<'_>) {
        self.names.push(zone.name.to_owned());
        self.start = Some(self.start.map_or(zone.start, |start| start.min(zone.start)));
        self.end = self.end.max(zone.end);
        self.spanned += zone.end.saturating_sub(zone.start);
        self.present += zone.present;
        self.managed += zone.managed;
        self.free += zone.free;
    }
}

/// The facts of zones, and the sums.
fn add_zones<'a>(facts: &mut Facts, zones: impl Iterator<Item = Zone<'a>>) {
    let (mut low, mut high) = (Zones::default(), Zones::default());
    for zone in zones {
        if is_low(zone.name) { low.add(&zone) } else { high.add(&zone) }
    }
    let kinds = [
        (
            &low,
            [Fact::LowZones, Fact::LowStart, Fact::LowEnd, Fact::LowSpanned, Fact::LowPresent],
            [Fact::LowManaged, Fact::LowFree, Fact::LowTotal],
        ),
        (
            &high,
            [Fact::HighZones, Fact::HighStart, Fact::HighEnd, Fact::HighSpanned, Fact::HighPresent],
            [Fact::HighManaged, Fact::HighFree, Fact::HighTotal],
        ),
    ];
    for (zones, [names, start, end, spanned, present], [managed, free, total]) in kinds {
        let Some(first) = zones.start else { continue };
        facts.insert(names, Value::Names(zones.names.join(" + ")));
        facts.insert(start, Value::Address(first * PAGE));
        facts.insert(end, Value::Address(zones.end * PAGE));
        facts.insert(spanned, Value::Pages(zones.spanned));
        facts.insert(present, Value::Pages(zones.present));
        facts.insert(managed, Value::Pages(zones.managed));
        facts.insert(free, Value::Pages(zones.free));
        facts.insert(total, Value::KiB(zones.managed * PAGE / 1024));
    }
    let kib = |pages: u64| Value::KiB(pages * PAGE / 1024);
    facts.insert(Fact::MemTotal, kib(low.managed + high.managed));
    facts.insert(Fact::MemFree, kib(low.free + high.free));
}

/// What a Linux tells that died after its *Zone ranges*.
pub fn of_zone_ranges(zones: &[(String, u64, u64)]) -> Facts {
    let mut facts = Facts::new();
    for (is_high, names, start, end) in [
        (false, Fact::LowZones, Fact::LowStart, Fact::LowEnd),
        (true, Fact::HighZones, Fact::HighStart, Fact::HighEnd),
    ] {
        let zones: Vec<_> = zones.iter().filter(|zone| is_low(&zone.0) != is_high).collect();
        let first = zones.iter().map(|zone| zone.1).min();
        let last = zones.iter().map(|zone| zone.2).max();
        if let (Some(first), Some(last)) = (first, last) {
            let all: Vec<_> = zones.iter().map(|zone| zone.0.as_str()).collect();
            facts.insert(names, Value::Names(all.join(" + ")));
            facts.insert(start, Value::Address(first));
            facts.insert(end, Value::Address(last));
            if !is_high {
                facts.insert(Fact::LowmemEnd, Value::Address(last));
            }
        }
    }
    facts
}

/// What Linux tells.
pub fn of_linux(told: &Told) -> Facts {
    let said = &told.said;
    let mut facts = Facts::new();
    if !said.zones.is_empty() {
        add_zones(
            &mut facts,
            said.zones.iter().map(|zone| Zone {
                name: &zone.name,
                start: zone.start_pfn,
                end: zone.start_pfn + zone.spanned,
                present: zone.present,
                managed: zone.managed,
                free: zone.free,
            }),
        );
    }
    let mut address = |fact, value: Option<u64>| {
        if let Some(value) = value {
            facts.insert(fact, Value::Address(value));
        }
    };
    let tables = told.tables.as_ref().ok();
    address(Fact::PageOffset, page_offset(told));
    let phys = tables.map(|tables| (tables.linear.start as u32).wrapping_sub(tables.offset));
    address(Fact::PhysOffset, phys.map(u64::from));
    address(Fact::LowmemEnd, said.lowmem_end());
    address(Fact::HighMemory, tables.map(|tables| tables.linear.end));
    let vmalloc = said.vmalloc_region();
    address(Fact::VmallocStart, vmalloc.map(|(start, _)| start));
    address(Fact::VmallocEnd, vmalloc.map(|(_, end)| end));
    address(Fact::Pkmap, tables.and_then(|tables| tables.pkmap).map(|run| run.start));
    address(Fact::Modules, said.module);
    address(Fact::UserEnd, said.stack_end);
    let top = tables.map(|tables| tables.top.as_slice()).unwrap_or_default();
    let is_vectors = |start: u64, end: u64| start <= VECTORS && VECTORS < end;
    let is_tree = |start: u64, end: u64| end - start >= 1 << 20;
    let first = |wanted: &dyn Fn(u64, u64) -> bool| {
        top.iter().find(|run| wanted(run.start, run.end)).map(|run| run.start)
    };
    address(Fact::Vectors, first(&is_vectors).map(|_| VECTORS));
    address(Fact::DeviceTree, first(&is_tree));
    // Slots below are taken and given back all the time.
    let fixmap = top
        .iter()
        .rev()
        .find(|run| !is_vectors(run.start, run.end) && !is_tree(run.start, run.end));
    address(Fact::Fixmap, fixmap.map(|run| run.end - PAGE));
    let mut kib = |fact, value: Option<u64>| {
        if let Some(value) = value {
            facts.insert(fact, Value::KiB(value));
        }
    };
    for (fact, name) in [
        (Fact::VmallocTotal, "VmallocTotal"),
        (Fact::MemTotal, "MemTotal"),
        (Fact::LowTotal, "LowTotal"),
        (Fact::HighTotal, "HighTotal"),
        (Fact::MemFree, "MemFree"),
    ] {
        kib(fact, said.kib(name).filter(|kib| *kib != 0));
    }
    kib(Fact::Image, image_kib(said));
    facts
}

/// Where the linear map begins: by the tables, else by where the kernel's code is.
pub fn page_offset(told: &Told) -> Option<u64> {
    let by_tables = told.tables.as_ref().ok().map(|tables| tables.linear.start);
    by_tables.or_else(|| told.said.stext.map(|stext| stext / SPLIT_STEP * SPLIT_STEP))
}

/// From the first byte of the kernel's code to the last of its data.
fn image_kib(said: &Said) -> Option<u64> {
    let ((start, _), (_, end)) = (said.code?, said.data?);
    Some(end.checked_sub(start)?.div_ceil(1024))
}

/// What ours tells.
pub fn of_ours(answer: &Answer) -> Facts {
    let (layout, account) = (&answer.layout, &answer.account);
    let mut facts = Facts::new();
    let pages = account.zones.as_ref();
    add_zones(
        &mut facts,
        layout.zones.iter().map(|(name, zone)| Zone {
            name,
            start: zone.start_pfn.into(),
            end: zone.end_pfn.into(),
            present: zone.present.into(),
            managed: zone.managed.unwrap_or_default().into(),
            free: pages.and_then(|pages| pages.get(name)).map_or(0, |zone| zone.free.into()),
        }),
    );
    let region = |name: &str| layout.regions.iter().find(|region| region.name == name);
    let start_of = |name: &str| region(name).map(|region| region.start.0);
    for (fact, value) in [
        (Fact::PageOffset, Some(layout.page_offset.0)),
        (Fact::PhysOffset, Some(layout.phys_offset.0)),
        (Fact::LowmemEnd, Some(layout.lowmem_end_phys.0)),
        (Fact::HighMemory, Some(layout.high_memory.0)),
        (Fact::VmallocStart, Some(layout.vmalloc_start.0)),
        (Fact::VmallocEnd, Some(layout.vmalloc_end.0)),
        (Fact::Pkmap, layout.pkmap_base.map(|base| base.0)),
        (Fact::Modules, Some(layout.modules_start.0)),
        (Fact::UserEnd, region("user").map(|region| region.end.0)),
        (Fact::DeviceTree, start_of("fdt")),
        (Fact::Fixmap, region("fixmap").map(|region| region.end.0.saturating_sub(PAGE))),
        (Fact::Vectors, start_of("vector")),
    ] {
        if let Some(value) = value {
            facts.insert(fact, Value::Address(value));
        }
    }
    let mut bytes = |fact, bytes: u64| facts.insert(fact, Value::KiB(bytes.div_ceil(1024)));
    bytes(Fact::VmallocTotal, layout.vmalloc_end.0.saturating_sub(layout.vmalloc_start.0));
    if let Some(kernel) = &account.loaded.kernel {
        bytes(Fact::Image, kernel.end.0.saturating_sub(kernel.start.0));
    }
    if let Some(array) = account.tree.reserved.get("page_array") {
        bytes(Fact::PageArray, *array);
    }
    facts
}
