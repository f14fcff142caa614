//! Warnings and what to do: those of boot, and what nobody but a report looks for.
//!
//! Boot's own come with a remedy of their own from [`mm::boot::remedy`]. The rest is what a kernel has no business with:
//! whether the tree's devices can be mapped at all, what was loaded onto what, which words of the command line mean nothing.

use experiment::rehearse::Rehearsal;
use mm::addr::{MIB, PhysRange};
use mm::boot::explain::class::{Lost, Owner};
use mm::boot::explain::placement::Place;
use mm::boot::explain::{Inventory, Situation};
use mm::boot::memory::PHYS_OFFSET_ALIGN;
use mm::param::known::{is_known, meant};
use mm::param::params;
use serde::Serialize;

use super::subject::Subject;

/// A warning, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Advice {
    /// What is the matter.
    pub text: String,
    /// What to do.
    pub remedy: String,
}

/// Devices that are named one by one.
const LISTED: usize = 8;

/// All that there is to say, boot's own lines first.
pub fn all(subject: &Subject, boot: &Rehearsal<'_, '_>) -> Vec<Advice> {
    let mut list = List(Vec::new());
    for warning in &boot.warnings {
        list.add(warning.to_string(), warning.remedy().to_string());
    }
    list.reservations(boot);
    if let Some(refused) = boot.refused_initrd {
        list.add(refused.to_string(), refused.remedy().to_string());
    }
    list.memory(&boot.situation);
    list.loaded(&boot.situation);
    list.machine(subject);
    list.words(&subject.configuration.command_line);
    list.0
}

struct List(Vec<Advice>);

impl List {
    fn add(&mut self, text: impl Into<String>, remedy: impl Into<String>) {
        self.0.push(Advice { text: text.into(), remedy: remedy.into() });
    }

    fn reservations(&mut self, boot: &Rehearsal<'_, '_>) {
        let end = boot.situation.layout.lowmem_end;
        for name in &boot.unplaced {
            self.add(
                format!("OF: reserved mem: no room for {}", name.escape_debug()),
                format!("Make it smaller, or give it alloc-ranges with as much free below {end}."),
            );
        }
        for range in &boot.mapped_all_the_same {
            self.add(
                format!("OF: reserved mem: {range} is in use, so it stays mapped"),
                format!("Load what lies there elsewhere: {range} is not to be mapped."),
            );
        }
    }

    /// What of the banks is easily overlooked.
    fn memory<I: Inventory>(&mut self, situation: &Situation<'_, '_, I>) {
        let image = situation.loaded.image;
        match situation.kernel_bank() {
            None => self.add(
                format!("the kernel's place {image} is not in one bank"),
                "Load it into a bank that has as much room 2 MiB above its start (--load).",
            ),
            Some(bank) if !bank.start().is_aligned(PHYS_OFFSET_ALIGN) => {
                let offset = situation.layout.phys_offset;
                let head = bank.start().as_u64() - offset.as_u64();
                self.add(
                    format!("the kernel's bank {bank} does not start on a multiple of 2 MiB"),
                    format!(
                        "Nothing is lost here: the linear map begins {} KiB lower, at {offset}. Linux loses the RAM up to \
                         the next 2 MiB: let the firmware keep its memory elsewhere.",
                        head >> 10
                    ),
                );
            }
            Some(_) => {}
        }
        let account = situation.account();
        let left_out = account.lost(Lost::LeftOut);
        if left_out.bytes > 0 {
            let first = left_out.first;
            self.add(
                format!("mem= leaves out {} of the tree's RAM, from {first} on", kib(left_out.bytes)),
                format!(
                    "The first mem= forgets every bank: give a mem=SIZE@START for each, here mem={}@{:#x}, or none.",
                    kib(first.len()).replace(" MiB", "M").replace(" KiB", "K"),
                    first.start().as_u64()
                ),
            );
        }
    }

    /// What a loader put where it is in the way, or where only this kernel reads it.
    fn loaded<I: Inventory>(&mut self, situation: &Situation<'_, '_, I>) {
        let loaded = situation.loaded;
        let things = [
            ("kernel", Some(loaded.image)),
            ("device tree", Some(loaded.dtb).filter(|dtb| !dtb.is_empty())),
            ("initrd", loaded.initrd),
        ];
        for (what, range) in things.into_iter().filter_map(|(what, range)| Some((what, range?))) {
            // U-Boot reserves the tree and the initrd that it loads.
            let is_its_own =
                |held: &PhysRange| what != "kernel" && range.covering_pages().contains_range(held);
            let of_tree = situation.inventory.reservations().filter(|one| one.owner.is_of_tree());
            for held in
                of_tree.filter(|held| held.range.overlaps(&range) && !is_its_own(&held.range))
            {
                let name = held.name.unwrap_or(Owner::MemReserve.name());
                self.add(
                    format!("the {what} at {range} lies on {} {}", name.escape_debug(), held.range),
                    format!(
                        "Load the {what} elsewhere; the addresses above are on no reservation."
                    ),
                );
            }
            let place = match situation.place_of(range) {
                Place::HighMem => "above the end of lowmem",
                Place::Across => "across the end of lowmem",
                Place::Unused => "in RAM that is not used",
                Place::OutsideRam => "outside the tree's RAM",
                Place::Lowmem => continue,
            };
            if what == "device tree"
                || matches!(place, "above the end of lowmem" | "across the end of lowmem")
            {
                let end = situation.layout.lowmem_end;
                self.add(
                    format!("the {what} at {range} lies {place}"),
                    format!("This kernel reads it all the same, Linux does not: load it below {end} (addresses above)."),
                );
            }
        }
        let dtb = loaded.dtb;
        let others = [("kernel", loaded.image), ("initrd", loaded.initrd.unwrap_or_default())];
        for (what, other) in others.into_iter().filter(|(_, other)| other.overlaps(&dtb)) {
            self.add(
                format!("the device tree at {dtb} lies on the {what} at {other}"),
                "One was written over the other: load them apart (addresses above).",
            );
        }
    }

    fn machine(&mut self, subject: &Subject) {
        if !subject.far.is_empty() {
            let windows = subject.far.iter().take(LISTED);
            let windows: Vec<_> = windows
                .map(|far| format!("{} {} {}", far.node.escape_debug(), far.property, far.range))
                .collect();
            let more = match subject.far.len().saturating_sub(LISTED) {
                0 => String::new(),
                more => format!(", and {more} more"),
            };
            self.add(
                format!("devices above 4 GiB: {}{more}", windows.join(", ")),
                "No mapping with short descriptors reaches them, and their drivers fail: move them below 4 GiB \
                 (QEMU: -M virt,highmem=off), or use a kernel with LPAE.",
            );
        }
        let cpu = subject.cpu.as_deref();
        if let Some(cpu) = cpu.filter(|cpu| !is_armv7(cpu)) {
            self.add(
                format!("the tree's CPU is {}", cpu.escape_debug()),
                "This kernel is for 32-bit ARMv7-A cores with short descriptors, such as Cortex-A7 and A15; \
                 vmalloc= and these splits mean nothing on other architectures.",
            );
        }
    }

    fn words(&mut self, command_line: &str) {
        for param in params(command_line).filter(|param| !is_known(param)) {
            let name = param.name.escape_debug();
            let remedy = match meant(param.name) {
                Some(known) => format!("Did you mean {known}?"),
                None if param.is("cma") => {
                    "This kernel has no CMA: nothing is set aside, whatever it says.".to_owned()
                }
                None => {
                    "This kernel does not read it; it is there for the first program.".to_owned()
                }
            };
            self.add(format!("{name}: no parameter of this kernel"), remedy);
        }
    }
}

/// Is the core of the family that this kernel is for, by its name in a tree?
fn is_armv7(compatible: &str) -> bool {
    const CORES: [&str; 7] = ["5", "7", "8", "9", "12", "15", "17"];
    let core = compatible.strip_prefix("arm,cortex-a").map(|core| CORES.contains(&core));
    core.unwrap_or_else(|| {
        let others = ["arm,armv7", "qcom,krait", "qcom,scorpion", "marvell,pj4", "marvell,sheeva"];
        others.iter().any(|other| compatible.starts_with(other)) || compatible == "brcm,brahma-b15"
    })
}

/// Bytes in MiB where they are whole ones, else in KiB.
fn kib(bytes: u64) -> String {
    if bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{} KiB", bytes >> 10)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        let mut list = List(Vec::new());
        list.words(line);
        list.0.into_iter().map(|one| format!("{} {}", one.text, one.remedy)).collect()
    }

    #[test]
    fn words_that_mean_nothing_are_listed() {
        assert_eq!(words("vmalloc=16M nohighmem quiet -- vmaloc=1"), [""; 0]);
        assert_eq!(
            words("vmaloc=16M"),
            ["vmaloc: no parameter of this kernel Did you mean vmalloc?"]
        );
        assert!(words("cma=64M")[0].contains("has no CMA"));
        assert!(words("root=/dev/vda")[0].contains("does not read it"));
    }

    #[test]
    fn cores_of_other_families_are_told_apart() {
        for core in ["arm,cortex-a7", "arm,cortex-a15", "arm,armv7-timer", "qcom,krait"] {
            assert!(is_armv7(core), "{core}");
        }
        for core in ["arm,cortex-a53", "arm,cortex-a72", "arm,armv8", "riscv", "PowerPC,e500"] {
            assert!(!is_armv7(core), "{core}");
        }
    }
}
