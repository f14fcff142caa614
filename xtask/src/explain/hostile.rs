//! Trees that nobody vouches for: each is refused with a text, or has an account that is all of its RAM.

use std::fs;
use std::path::Path;

use experiment::answer::Totals;
use experiment::configuration::{Configuration, Shorthands};
use experiment::predict::predict;
use mm::boot::split::Split;

use super::tree::{Described, read};

/// Trees that the reader of the kernel is tested with.
const TREES: [&str; 4] = ["qemu-virt-1g.dtb", "reserved.dtb", "above-4g.dtb", "soc.dtb"];
/// Trees that are made of them.
const MUTANTS: u32 = 10_000;

/// Numbers without a pattern, the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }
}

fn tree(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../board/tests/data");
    let mut bytes = fs::read(folder.join(name)).unwrap();
    let size = u32::from_be_bytes(*bytes[4..].first_chunk().unwrap());
    bytes.truncate(size as usize);
    bytes
}

/// Where values of properties that decide something begin: a change there is worth more than in a device's name.
fn interesting(bytes: &[u8]) -> Vec<usize> {
    let reg_of = |name: &[u8]| bytes.windows(name.len()).position(|window| window == name);
    let nodes: [&[u8]; 4] = [b"memory@", b"memory\0", b"reserved-memory\0", b"chosen\0"];
    let mut places: Vec<usize> = nodes.iter().filter_map(|name| reg_of(name)).collect();
    places.extend([0, 16, 40, 56]);
    places
}

fn mutate(bytes: &mut Vec<u8>, places: &[usize], random: &mut Random) {
    for _ in 0..=random.below(3) {
        let near = places[random.below(places.len())] + random.below(160);
        let at = if random.below(3) == 0 { random.below(bytes.len()) } else { near % bytes.len() };
        let cell_at = at & !3;
        match random.below(16) {
            0 => bytes[at] = random.below(256) as u8,
            1..4 => bytes[at] ^= 1 << random.below(8),
            4 => bytes.truncate(bytes.len() - random.below(64).min(bytes.len() - 64)),
            5 => {
                let [from, to] = [0; 2].map(|_| random.below(bytes.len() - 16));
                bytes.copy_within(from..from + 16, to);
            }
            kind => {
                // A cell among those that are numbers already, since that of a token ends the tree.
                let cells =
                    [0, 1, 0xffff_ffff, 0x4000_0000, 0x8000_0000, 0x10_0000, 0xfff, 0x5000_0000];
                let cell: u32 = cells[random.below(cells.len())];
                let Some(word) = bytes.get_mut(cell_at..cell_at + 4) else { continue };
                if kind == 6 || word[0] != 0 || word[1] != 0 {
                    word.copy_from_slice(&cell.to_be_bytes());
                }
            }
        }
    }
}

fn sum(totals: &Totals) -> u64 {
    let Totals { usable, reserved, no_map, lost } = totals;
    usable.values().chain(reserved.values()).chain(lost.values()).sum::<u64>() + no_map
}

#[test]
fn ten_thousand_mutants_are_refused_or_accounted_for_to_the_byte() {
    let trees = TREES.map(tree);
    let mut random = Random(0x5eed);
    let (mut refused, mut stopped, mut explained) = (0_u32, 0_u32, 0_u32);
    for index in 0..MUTANTS {
        let original = &trees[index as usize % trees.len()];
        let mut bytes = original.clone();
        mutate(&mut bytes, &interesting(original), &mut random);
        let Ok(Described { mut machine, bootargs, bytes: len, .. }) = read(bytes) else {
            refused += 1;
            continue;
        };
        let line = ["", "nohighmem", "vmalloc=700M", "mem=100M"][random.below(4)];
        let line = format!("{} {line}", bootargs.unwrap_or_default());
        let configuration = Configuration::new(Split::ThreeG, &line, Shorthands::default());
        let first = machine.banks[0].start;
        let end = experiment::address::Address(first.0.saturating_add(len));
        machine.device_tree = Some(experiment::address::Range { start: first, end });
        match predict(&machine, &configuration) {
            Ok(answer) => {
                let ram: u64 = machine.banks.iter().map(|bank| bank.len()).sum();
                assert_eq!(answer.account.ram, ram, "mutant {index}");
                assert_eq!(sum(&answer.account.tree), ram, "mutant {index}: {machine:?} {line}");
                explained += 1;
            }
            Err(error) => {
                assert!(!error.to_string().is_empty());
                stopped += 1;
            }
        }
    }
    // Otherwise the mutants are too tame or too wild to show anything.
    assert!(refused > 1000 && stopped > 20 && explained > 1000, "{refused} {stopped} {explained}");
}
