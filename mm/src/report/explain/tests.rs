//! The text of well-known machines, held against files in `golden/`. With `VMSPLIT_BLESS=1` in the
//! environment the files are rewritten instead.

use std::env;
use std::fs;
use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::addr::{GIB, PhysAddr};
use crate::boot::explain::tests::properties::machine;
use crate::boot::explain::tests::{Machine, range};
use crate::boot::split::Split;

const RAM: u64 = 0x4000_0000;

fn gigabytes(count: u64, command_line: &str) -> Machine {
    Machine::new(&[(RAM, RAM + count * GIB)], command_line)
}

/// A board that many have asked about: a GiB from address 0, no HighMem, memory kept for a GPU.
fn raspberry(command_line: &str) -> Machine {
    let mut machine = Machine::new(&[(0, GIB)], command_line);
    machine.hold_for(range(0x3c00_0000, 0x4000_0000), "gpu@3c000000", true);
    machine
}

fn machines() -> Vec<(&'static str, Machine)> {
    let mut upper = Machine::new(&[(0x8000_0000, 0xa000_0000)], "");
    upper.banks.insert(0, range(RAM, RAM + 256 * MIB));
    let mut odd = Machine::new(&[(RAM + MIB, RAM + 512 * MIB + 0x801)], "dma_zone=64M");
    odd.initrd = Some(range(0x4800_0000, 0x4804_93e0));
    odd.hold(range(0x4800_0000, 0x4804_93e0), Owner::Initrd);
    odd.hold_for(range(0x5000_0000, 0x5010_0000), "camera@50000000", false);
    odd.hold_for(range(0x5800_0000, 0x5810_0000), "secure@58000000", true);
    odd.hold(range(0x4600_0000, 0x4600_0100), Owner::MemReserve);
    odd.allocated.extend([(0x20_0000, Some(Owner::PageArray)), (0x5000, None)]);
    let mut moved = Machine::new(&[(RAM, RAM + 2 * GIB)], "vmalloc=960M");
    moved.held[2].range = range(0x4800_0000, 0x4810_0000);
    let mut out_of_lowmem = gigabytes(1, "nohighmem mem=960M mem=16M@0x7e000000");
    for (at, start, owner) in [(2, 0x7b00_0000, Owner::DeviceTree), (3, 0x7c00_0000, Owner::Initrd)]
    {
        let range = range(start, start + MIB);
        out_of_lowmem.held.truncate(at);
        out_of_lowmem.hold(range, owner);
    }
    out_of_lowmem.initrd = Some(range(0x7c00_0000, 0x7c10_0000));
    vec![
        ("lost-device-tree", out_of_lowmem),
        ("odd-vmalloc", gigabytes(1, "vmalloc=300000001")),
        ("odd-vmalloc-nohighmem", gigabytes(1, "nohighmem vmalloc=300000001")),
        ("1g", gigabytes(1, "")),
        ("2g", gigabytes(2, "")),
        ("3g", gigabytes(3, "")),
        ("2g-vmalloc-960m", moved),
        ("raspberry-760", raspberry("nohighmem vmalloc=248M")),
        ("raspberry-768", raspberry("nohighmem")),
        ("raspberry-3g-opt", Machine { split: Split::ThreeGOpt, ..raspberry("nohighmem") }),
        ("bank-above-4g", Machine::new(&[(RAM, 0x8000_0000), (GIB << 2, 5 * GIB)], "")),
        ("hole", Machine::new(&[(RAM, 0x5000_0000), (0x8000_0000, 0xa000_0000)], "")),
        ("kernel-in-upper-bank", upper),
        ("misaligned", odd),
        ("mem-typo", Machine::new(&[(RAM, RAM + 512 * MIB)], "mem=384M mem=128M@0x70000000")),
        ("limit-in-page", gigabytes(1, "nohighmem vmalloc=268435457")),
    ]
}

fn printed(machine: &Machine, live: bool) -> String {
    let mut text = String::new();
    machine
        .boot(|booted, scratch| {
            let room = VmallocRoom::after(booted.layout.vmalloc(), 2 * PAGE_SIZE);
            let usable = usable_bytes(booted);
            let pages = |index: usize| (usable[index] / u64::from(PAGE_SIZE)) as u32;
            let zones =
                [0, 1, 2].map(|index| ZonePages { managed: pages(index), free: pages(index) / 2 });
            let live = if live {
                Live { vmalloc: Some(room), zones: Some(zones) }
            } else {
                Live::default()
            };
            write(&mut text, booted, live, scratch).unwrap();
        })
        .unwrap();
    text
}

fn hold_against(name: &str, text: &str) {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("src/report/explain/golden/{name}"));
    if env::var_os("VMSPLIT_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    assert_eq!(text, golden, "what is printed (left) is not {name}; VMSPLIT_BLESS=1 rewrites it");
}

#[test]
fn well_known_machines() {
    for (name, machine) in machines() {
        let live = name == "2g";
        let text = printed(&machine, live);
        assert!(text.lines().all(|line| line.chars().count() < 100), "{text}");
        hold_against(&format!("{name}.txt"), &text);
    }
}

#[test]
fn single_addresses() {
    let mut text = String::new();
    for (name, machine) in machines() {
        let addresses: &[u64] = match name {
            "2g" => &[0x4020_0000, 0x6000_0000, 0xa000_0000, RAM - 1],
            "raspberry-760" => &[0x3bff_ffff, 0x3c00_0000],
            "bank-above-4g" => &[GIB << 2],
            "kernel-in-upper-bank" => &[RAM + 5],
            "misaligned" => &[RAM, 0x4400_0000, 0x4600_0100, 0x5000_0000, 0x6000_0000],
            "mem-typo" => &[0x5800_0000, 0x7000_0000],
            "3g" => &[0xffff_f000],
            "limit-in-page" => &[0x6eff_ffff, 0x6eff_fffe],
            _ => continue,
        };
        machine
            .boot(|booted, scratch| {
                for at in addresses {
                    write_address(&mut text, booted, PhysAddr::new(*at), scratch).unwrap();
                }
            })
            .unwrap();
    }
    hold_against("addresses.txt", &text);
}

#[test]
fn the_object_for_programs() {
    let (_, machine) = machines().into_iter().find(|(name, _)| *name == "misaligned").unwrap();
    let mut text = String::new();
    machine
        .boot(|booted, scratch| {
            let room = VmallocRoom::empty(booted.layout.vmalloc());
            let zones = [ZonePages { managed: 3, free: 2 }; 3];
            let live = Live { vmalloc: Some(room), zones: Some(zones) };
            write_json(&mut text, booted, live, scratch).unwrap();
        })
        .unwrap();
    assert_eq!(text.lines().count(), 1);
    hold_against("misaligned.json", &text);
}

proptest! {
    /// Whatever the machine, no line is too wide, and the first table adds up.
    #[test]
    fn every_report_is_narrow_and_adds_up(machine in machine()) {
        let mut text = String::new();
        let booted = machine.boot(|booted, scratch| {
            write(&mut text, booted, Live::default(), scratch).unwrap();
            let mut line = String::new();
            for bank in &machine.banks {
                write_address(&mut line, booted, bank.start(), scratch).unwrap();
            }
            text += &line;
        });
        if booted.is_some() {
            for line in text.lines() {
                prop_assert!(line.chars().count() < 100, "{line}");
            }
            let table = text.lines().skip(1).take_while(|line| !line.contains("all RAM in the tree"));
            let bytes = |line: &str| line[27..39].trim().parse::<u64>().unwrap();
            let all = text.lines().find(|line| line.contains("all RAM in the tree")).unwrap();
            prop_assert_eq!(table.map(bytes).sum::<u64>(), bytes(all), "{}", text);
        }
    }
}
