//! Correct code is never blamed, and sees plain memory: random mappings, accesses, DMA and changes of type with the
//! maintenance that the manual asks for, from any CPU, against a map from slots to frames and bytes.

#![expect(clippy::unwrap_used, reason = "tests")]

mod common;

use std::collections::BTreeMap;

use common::*;
use proptest::prelude::*;
use testkit::{Adversary, Cpu, LINE_BYTES, Machine};

/// What may be mapped: frames outside the linear map, and as many inside it.
const FRAMES: u32 = 4;
const SLOTS: u32 = 3;

fn frame(index: u32) -> u32 {
    if index < FRAMES / 2 { HIGH + (index << 12) } else { 0x4030_0000 + (index << 12) }
}

fn slot(index: u32) -> u32 {
    AREA + (index << 12)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Map { slot: u32, frame: u32, uncached: bool },
    Unmap { slot: u32 },
    Protect { slot: u32 },
    Store { slot: u32, word: u32, value: u32 },
    Load { slot: u32, word: u32 },
    ToDevice { slot: u32, line: u32 },
    FromDevice { slot: u32, line: u32, byte: u8 },
    Split,
}

fn step() -> impl Strategy<Value = Step> {
    let slot = || 0..SLOTS;
    prop_oneof![
        4 => (slot(), 0..FRAMES, any::<bool>())
            .prop_map(|(slot, frame, uncached)| Step::Map { slot, frame, uncached }),
        2 => slot().prop_map(|slot| Step::Unmap { slot }),
        1 => slot().prop_map(|slot| Step::Protect { slot }),
        5 => (slot(), 0..6_u32, any::<u32>())
            .prop_map(|(slot, word, value)| Step::Store { slot, word, value }),
        5 => (slot(), 0..6_u32).prop_map(|(slot, word)| Step::Load { slot, word }),
        2 => (slot(), 0..2_u32).prop_map(|(slot, line)| Step::ToDevice { slot, line }),
        2 => (slot(), 0..2_u32, any::<u8>())
            .prop_map(|(slot, line, byte)| Step::FromDevice { slot, line, byte }),
        1 => Just(Step::Split),
    ]
}

#[derive(Clone, Copy)]
struct Mapped {
    frame: u32,
    uncached: bool,
    writable: bool,
}

struct Rig<'m> {
    machine: &'m Machine,
    slots: BTreeMap<u32, Mapped>,
    /// Words of frames that somebody wrote.
    words: BTreeMap<u32, u32>,
    is_split: bool,
}

impl Rig<'_> {
    fn clear_cache(cpu: Cpu<'_>, at: u32) {
        for line in (at..at + 0x1000).step_by(LINE_BYTES as usize) {
            cpu.clean_invalidate_line(virt(line)).unwrap();
        }
        cpu.dsb_sy();
    }

    fn map(&mut self, cpu: Cpu<'_>, slot_index: u32, index: u32, uncached: bool) {
        let inside = index >= FRAMES / 2;
        let mixes =
            self.slots.values().any(|other| other.frame == index && other.uncached != uncached);
        if self.slots.contains_key(&slot_index) || (uncached && inside) || mixes {
            return;
        }
        let at = slot(slot_index);
        if uncached && !self.slots.values().any(|other| other.frame == index) {
            // What the cache has of the frame goes to memory first.
            map(cpu, at, frame(index), WB);
            Self::clear_cache(cpu, at);
            unmap(cpu, at);
        }
        map(cpu, at, frame(index), if uncached { NC } else { WB });
        if !uncached && !inside {
            // Lines that speculation left from before the frame was uncached.
            Self::clear_cache(cpu, at);
        }
        self.slots.insert(slot_index, Mapped { frame: index, uncached, writable: true });
    }

    fn unmap(&mut self, cpu: Cpu<'_>, slot_index: u32) {
        if let Some(mapped) = self.slots.remove(&slot_index) {
            unmap(cpu, slot(slot_index));
            self.machine.range_reused(page(slot(slot_index)));
            if !self.slots.values().any(|other| other.frame == mapped.frame) {
                self.machine.frame_reused(phys(frame(mapped.frame)));
            }
        }
    }

    fn protect(&mut self, cpu: Cpu<'_>, slot_index: u32) {
        if let Some(mapped) = self.slots.get_mut(&slot_index)
            && !mapped.uncached
        {
            mapped.writable = !mapped.writable;
            let bits = if mapped.writable { WB } else { WB_RO };
            write(cpu, l2(slot(slot_index)), frame(mapped.frame) | bits);
            flush(cpu, slot(slot_index));
        }
    }

    fn step(&mut self, cpu: Cpu<'_>, step: Step) {
        match step {
            Step::Map { slot, frame, uncached } => self.map(cpu, slot, frame, uncached),
            Step::Unmap { slot } => self.unmap(cpu, slot),
            Step::Protect { slot } => self.protect(cpu, slot),
            Step::Store { slot: index, word, value } => {
                let result = cpu.store_u32(virt(slot(index) + word * 16), value);
                let mapped = self.slots.get(&index).filter(|mapped| mapped.writable);
                assert_eq!(result.is_ok(), mapped.is_some(), "{result:?}");
                if let Some(mapped) = mapped {
                    self.words.insert(frame(mapped.frame) + word * 16, value);
                }
            }
            Step::Load { slot: index, word } => {
                let result = cpu.load_u32(virt(slot(index) + word * 16));
                match self.slots.get(&index) {
                    None => assert!(result.is_err(), "{result:?}"),
                    Some(mapped) => {
                        let known = self.words.get(&(frame(mapped.frame) + word * 16));
                        assert!(known.is_none_or(|value| result == Ok(*value)), "{result:?}");
                    }
                }
            }
            Step::ToDevice { slot: index, line } => {
                let Some(mapped) = self.slots.get(&index) else { return };
                let offset = line * LINE_BYTES;
                cpu.clean_line(virt(slot(index) + offset)).unwrap();
                cpu.dsb_sy();
                let start = frame(mapped.frame) + offset;
                for at in (start..start + LINE_BYTES).step_by(4) {
                    let mut bytes = [0; 4];
                    self.machine.device_read(phys(at), &mut bytes);
                    let known = self.words.get(&at);
                    assert!(known.is_none_or(|value| *value == u32::from_le_bytes(bytes)));
                }
            }
            Step::FromDevice { slot: index, line, byte } => {
                let Some(mapped) = self.slots.get(&index) else { return };
                let at = virt(slot(index) + line * LINE_BYTES);
                cpu.clean_invalidate_line(at).unwrap();
                cpu.dsb_sy();
                let start = frame(mapped.frame) + line * LINE_BYTES;
                self.machine.device_write(phys(start), &[byte; LINE_BYTES as usize]);
                cpu.invalidate_line(at).unwrap();
                cpu.dsb_sy();
                let value = u32::from_le_bytes([byte; 4]);
                self.words.extend((start..start + LINE_BYTES).step_by(4).map(|at| (at, value)));
            }
            Step::Split => self.split(cpu),
        }
    }

    /// The section of the linear map with half of the frames becomes pages, or one section again.
    fn split(&mut self, cpu: Cpu<'_>) {
        let (at, base, table) = (LINEAR + 0x30_0000, 0x4030_0000, TABLE + 0x400);
        let value = if self.is_split {
            base | testkit::LINEAR_SECTION
        } else {
            for index in 0..256 {
                write(cpu, table + index * 4, (base + (index << 12)) | WB);
            }
            table | 1
        };
        write(cpu, l1(at), 0);
        cpu.dsb_ishst();
        cpu.tlbi_all_is();
        cpu.dsb_ish();
        if self.is_split {
            self.machine.table_freed(phys(table));
        }
        write(cpu, l1(at), value);
        cpu.dsb_ishst();
        cpu.isb();
        self.is_split = !self.is_split;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn correct_code_is_never_blamed(
        steps in prop::collection::vec((0..3_usize, step()), 1..120),
        seed: u64,
    ) {
        let extremes = [Adversary::Lazy, Adversary::Eager, Adversary::Faulting];
        for adversary in extremes.into_iter().chain([Adversary::Random(seed)]) {
            let machine = setup(3).build(adversary);
            let mut rig = Rig {
                machine: &machine,
                slots: BTreeMap::new(),
                words: BTreeMap::new(),
                is_split: false,
            };
            for &(cpu, step) in &steps {
                rig.step(machine.cpu(cpu), step);
            }
        }
    }
}
