//! The layout that a booted kernel reads back is the predicted one.

use mm::addr::VirtRange;
use mm::boot::edges::{Contents, edges, expected};
use mm::boot::layout::FDT;
use mm::boot::split::Split;
use mm::map::fixmap::Slot;
use mm::report::layout::{Observed, write_json};
use serde_json::Value;
use tests::predict::Machine;

use crate::run::{finished, run, xtask};

/// A boot on the `virt` board whose layout is held against the prediction.
#[derive(Clone, Copy)]
pub struct Boot {
    mib: u64,
    cpu: &'static str,
    split: &'static str,
    image: &'static str,
    append: &'static str,
}

const fn boot(mib: u64, append: &'static str) -> Boot {
    Boot { mib, cpu: "cortex-a15", split: "3g", image: "elf", append }
}

impl Boot {
    const fn a7(self) -> Self {
        Self { cpu: "cortex-a7", ..self }
    }

    const fn raw(self) -> Self {
        Self { image: "raw", ..self }
    }

    const fn split(self, split: &'static str) -> Self {
        Self { split, ..self }
    }
}

pub const CONFIGURATIONS: [Boot; 32] = [
    boot(64, ""),
    boot(64, "").a7().raw(),
    boot(48, ""),
    boot(128, "vmalloc=1G"),
    boot(256, ""),
    boot(512, "").a7(),
    boot(511, ""),
    boot(768, ""),
    boot(1024, ""),
    boot(1024, "").a7().raw(),
    boot(1024, "vmalloc=241M").raw(),
    boot(1024, "vmalloc=268435457"),
    boot(1024, "vmalloc=abc"),
    boot(1024, "vmalloc"),
    boot(1024, "vmalloc=4G"),
    boot(2048, ""),
    // Linux dies here for want of lowmem for its page array.
    boot(2048, "vmalloc=960M"),
    boot(3072, ""),
    boot(3072, "vmalloc=976M").a7(),
    boot(3072, "").split("1g").raw(),
    boot(1024, "").split("3g-opt"),
    boot(1024, "").split("3g-opt").raw().a7(),
    boot(1024, "").split("2g"),
    boot(2048, "vmalloc=1000M").split("2g").raw(),
    boot(2048, "").split("1g"),
    boot(1024, "mem=256M@0x40000000 mem=256M@0x70000000"),
    boot(1024, "mem=300M@0x40100000"),
    boot(1024, "mem=256M@0x50000000"),
    boot(1024, "mem=523776K"),
    // The four distributions are DMA and HighMem, above, and these three.
    boot(1024, "dma_zone=64M"),
    boot(1024, "dma_zone=64M nohighmem"),
    boot(1024, "nohighmem"),
];

impl Boot {
    pub fn name(&self) -> String {
        let Self { mib, cpu, split, image, append } = self;
        format!("{mib}M {cpu} {split} {image} {append}").trim_end().to_string()
    }

    fn arguments(&self) -> Vec<String> {
        let size = format!("{}M", self.mib);
        ["-m", &size, "--cpu", self.cpu, "--vmsplit", self.split, "--image", self.image]
            .into_iter()
            .chain(["--append", self.append])
            .map(str::to_string)
            .collect()
    }

    fn prediction(&self) -> Value {
        predicted(&self.machine())
    }

    fn machine(&self) -> Machine<'static> {
        let mut machine = Machine::virt(self.mib, self.append);
        machine.split = Split::from_name(self.split).unwrap();
        machine
    }

    /// What touching the pages at the edges of the regions must show, as the monitor prints it.
    fn edges(&self) -> String {
        let (layout, memory) = self.machine().predict_memory();
        let whole_pages = layout.lowmem_end.pfn_down().start();
        let devices = [Slot::EARLY_CONSOLE.address(), layout.vmalloc().start()];
        let contents = Contents {
            uncached: &|page| devices.contains(&page),
            modules: &|_| None,
            // QEMU's tree is a MiB long, on a boundary of one.
            dtb: VirtRange::new(FDT.start(), FDT.start().checked_add(1 << 20).unwrap()),
            // The image is at no edge.
            read_only: VirtRange::default(),
            ram: &|page| {
                page.end() <= whole_pages && memory.iter().any(|block| block.contains_range(&page))
            },
        };
        edges(&layout)
            .iter()
            .map(|edge| {
                let access = expected(&layout, &contents, edge.page);
                let (region, place) = (edge.region.name(), edge.place.to_string());
                format!("{region:<7} {place:<5} {} {access}\n", edge.page)
            })
            .collect()
    }

    pub fn compare(&self) {
        let run = run(&self.arguments(), "layout --json; edges");
        run.expect_status(0);
        assert_eq!(run.output_of("edges"), self.edges());
        assert!(run.text.contains("Checked W+X mappings: passed, no W+X pages found"));
        assert_same(&run.layout(), &self.prediction());
    }
}

/// What the host code predicts, as the JSON object that both sides print.
pub fn predicted(machine: &Machine<'_>) -> Value {
    let (layout, lines) = machine.predict();
    let mut text = String::new();
    write_json(&mut text, &Observed::predicted(&layout), lines.iter()).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// The booted layout is the predicted one, and each zone manages a sensible share of its pages.
pub fn assert_same(booted: &Value, predicted: &Value) {
    let mut booted = booted.clone();
    for (name, zone) in booted["zones"].as_object_mut().unwrap() {
        let managed = zone.as_object_mut().unwrap().remove("managed").unwrap().as_u64().unwrap();
        let present = zone["present"].as_u64().unwrap();
        assert!(managed <= present, "{name} manages {managed} of {present} pages");
        // The page array is 1/256 of the memory that it describes, on top of image and tree; with
        // little lowmem for much HighMem that is a large share of the lower zone.
        let all = predicted["zones"].as_object().unwrap();
        let spanned: u64 = all.values().map(|zone| zone["spanned"].as_u64().unwrap()).sum();
        assert!(managed + spanned / 256 + 2048 >= present, "{name}: {managed} of {present} pages");
    }
    assert_eq!(&booted, predicted, "what was read back (left) is not what was predicted (right)");
}

pub fn host_and_kernel_print_alike() {
    let append = "vmalloc=300M dma_zone=32M";
    let options = ["-m", "700M", "--append", append];
    let booted = run(&options, "layout --json");
    let mut arguments = vec!["layout".to_string(), "--json".to_string()];
    arguments.extend(options.map(str::to_string));
    let host = finished(&xtask(&arguments));
    host.expect_status(0);
    assert_same(&booted.layout(), &host.layout());
}

/// The boots of this file.
pub const BOOTS: [(&str, fn()); 1] =
    [("layout: the host prints what the kernel prints", host_and_kernel_print_alike)];
