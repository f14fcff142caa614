//! The driver on registers that are plain memory, with a model of the GIC behind them.
//!
//! [`Model`] lets the driver make *one* call, and then takes in what the call left in the registers.
//! So of a register that a call writes twice only the last word shows, and the order of writes to
//! different registers does not; everything else is held against *ARM IHI 0048B* by a state machine
//! that shares no code with the driver.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::{Acknowledged, CpuInterface, Distributor, EnableError, IntId, Priority};
use crate::dt::{Interrupt, InterruptKind, Trigger};

const CTLR: usize = 0;
const TYPER: usize = 1;
const IGROUPR: usize = 0x80 / 4;
const ISENABLER: usize = 0x100 / 4;
const ICENABLER: usize = 0x180 / 4;
const ISPENDR: usize = 0x200 / 4;
const ICPENDR: usize = 0x280 / 4;
const ICACTIVER: usize = 0x380 / 4;
const IPRIORITYR: usize = 0x400 / 4;
const ITARGETSR: usize = 0x800 / 4;
const ICFGR: usize = 0xc00 / 4;
const CPENDSGIR: usize = 0xf10 / 4;

const PMR: usize = 1;
const IAR: usize = 3;
const EOIR: usize = 4;
const APR: usize = 0xd0 / 4;
const IIDR: usize = 0xfc / 4;

/// What EOIR holds until it is written to.
const UNTOUCHED: u32 = 0xdead_0000;
const SPURIOUS: u32 = 1023;

/// A GIC-400 says this of itself.
const VERSION_2: u32 = 0x0002_043b;
/// A Cortex-A9's.
const VERSION_1: u32 = 0x3901_043b;

#[derive(Clone)]
struct Model {
    distributor: [u32; 1024],
    cpu: [u32; 64],
    lines: u16,
    enabled: BTreeSet<u16>,
    pending: BTreeSet<u16>,
    active: BTreeSet<u16>,
}

impl Model {
    /// After a boot loader that left everything on.
    fn new(lines: u16, version: u32) -> Self {
        let mut model = Self {
            distributor: [0xa5a5_a5a5; 1024],
            cpu: [0xa5a5_a5a5; 64],
            lines,
            enabled: (0..lines).collect(),
            pending: (0..lines).collect(),
            active: (0..lines).collect(),
        };
        model.distributor[TYPER] = u32::from(lines.div_ceil(32)) - 1;
        // The bytes of private interrupts read as the CPU that asks: the third.
        model.distributor[ITARGETSR..ITARGETSR + 8].fill(0x0404_0404);
        model.cpu[IIDR] = version;
        model
    }

    fn ready(lines: u16) -> Self {
        let mut model = Self::new(lines, VERSION_2);
        model.call(|distributor, _| distributor.init());
        model.call(|_, cpu| cpu.init());
        model
    }

    /// One call of the driver.
    fn call<R>(&mut self, drive: impl FnOnce(&mut Distributor, &CpuInterface) -> R) -> R {
        for file in [ISENABLER, ICENABLER, ISPENDR, ICPENDR, ICACTIVER] {
            self.distributor[file..file + 32].fill(0);
        }
        self.cpu[IAR] = self.most_urgent();
        self.cpu[EOIR] = UNTOUCHED;
        let result = {
            let mut distributor = Distributor::over(&mut self.distributor);
            let cpu = CpuInterface::over(&mut self.cpu);
            drive(&mut distributor, &cpu)
        };
        for id in 0..self.lines {
            let written =
                |file: usize| self.distributor[file + usize::from(id) / 32] >> (id % 32) & 1 != 0;
            let (set, clear) = (written(ISENABLER), written(ICENABLER));
            let (raised, pending, active) =
                (written(ISPENDR), written(ICPENDR), written(ICACTIVER));
            // A call that does both disables first.
            if clear {
                self.enabled.remove(&id);
            }
            if set {
                self.enabled.insert(id);
            }
            if pending {
                self.pending.remove(&id);
            }
            if raised {
                self.pending.insert(id);
            }
            if active {
                self.active.remove(&id);
            }
        }
        if self.cpu[EOIR] != UNTOUCHED {
            let ended = (self.cpu[EOIR] & 0x3ff) as u16;
            assert!(self.active.remove(&ended), "{ended} was ended and was not active");
        }
        result
    }

    /// The interrupts that the driver reads as enabled.
    fn seen_enabled(&mut self) -> BTreeSet<u16> {
        let enabled = &mut self.distributor[ISENABLER..ISENABLER + 32];
        enabled.fill(0);
        self.enabled.iter().for_each(|id| enabled[usize::from(*id) / 32] |= 1 << (id % 32));
        let distributor = Distributor::over(&mut self.distributor);
        (0..self.lines).filter(|id| distributor.is_enabled(line(*id))).collect()
    }

    fn priority(&self, id: u16) -> u8 {
        self.distributor[IPRIORITYR + usize::from(id) / 4].to_ne_bytes()[usize::from(id) % 4]
    }

    /// What IAR reads as.
    fn most_urgent(&self) -> u32 {
        if self.distributor[CTLR] & 1 == 0 || self.cpu[0] & 1 == 0 {
            return SPURIOUS;
        }
        let running = self.active.iter().map(|id| self.priority(*id)).min().unwrap_or(0xff);
        let candidates = self.pending.intersection(&self.enabled);
        candidates
            .filter(|id| !self.active.contains(id))
            .map(|id| (self.priority(*id), *id))
            .filter(|(priority, _)| u32::from(*priority) < self.cpu[PMR] && *priority < running)
            .min()
            .map_or(SPURIOUS, |(_, id)| u32::from(id))
    }

    fn acknowledge(&mut self) -> Option<Acknowledged> {
        let acknowledged = self.call(|_, cpu| cpu.acknowledge());
        if let Some(interrupt) = &acknowledged {
            self.pending.remove(&interrupt.id().get());
            self.active.insert(interrupt.id().get());
        }
        acknowledged
    }

    fn enable(
        &mut self,
        id: u16,
        trigger: Option<Trigger>,
        priority: Priority,
    ) -> Result<(), EnableError> {
        self.call(|distributor, _| distributor.enable(line(id), trigger, priority))
    }

    fn trigger(&self, id: u16) -> u32 {
        self.distributor[ICFGR + usize::from(id) / 16] >> (id % 16 * 2) & 3
    }
}

fn line(id: u16) -> IntId {
    IntId::new(id).unwrap()
}

#[test]
fn init_leaves_every_interrupt_in_the_same_state() {
    for lines in [32, 64, 288, 992, 1020] {
        let mut model = Model::new(lines, VERSION_2);
        assert_eq!(model.call(|distributor, _| distributor.lines()), lines);
        let before = model.clone();
        model.call(|distributor, _| distributor.init());
        assert!(model.enabled.is_empty() && model.pending.is_empty() && model.active.is_empty());
        assert_eq!(model.distributor[CTLR], 1);
        for id in 0..lines {
            let group = model.distributor[IGROUPR + usize::from(id) / 32] >> (id % 32) & 1;
            assert_eq!((group, model.priority(id)), (0, Priority::Normal as u8), "{id}");
            let target = model.distributor[ITARGETSR + usize::from(id) / 4].to_ne_bytes();
            assert_eq!(target[usize::from(id) % 4], 4, "{id} goes to the CPU that asked");
            // What is wired to the core is signalled as it is wired.
            let was = before.trigger(id);
            assert_eq!(model.trigger(id), if id < 32 { was } else { 0 }, "{id}");
        }
        assert_eq!(model.distributor[CPENDSGIR..CPENDSGIR + 4], [u32::MAX; 4]);
        // Files end where the lines do.
        let beyond = usize::from(lines).div_ceil(4);
        assert_eq!(model.distributor[IPRIORITYR + beyond], 0xa5a5_a5a5);
    }
}

#[test]
fn the_cpu_interface_lets_all_through_and_forgets_what_was_active() {
    for (version, apr) in [(VERSION_1, 0xa5a5_a5a5), (VERSION_2, 0)] {
        let mut model = Model::new(64, version);
        model.call(|_, cpu| cpu.init());
        // Three of the four bits that keep the legacy lines from bypassing the GIC were set.
        assert_eq!(model.cpu[0], 0x1a0 | 1);
        assert_eq!((model.cpu[PMR], model.cpu[APR]), (0xf0, apr));
        assert_eq!(model.call(|_, cpu| cpu.version()), version >> 16 & 15);
        model.call(|_, cpu| cpu.disable());
        assert_eq!(model.cpu[0], 0x1a0);
    }
}

#[test]
fn one_interrupt_from_enable_to_end() {
    let mut model = Model::ready(288);
    model.call(|distributor, _| distributor.raise(line(27)));
    assert_eq!(model.pending, BTreeSet::from([27]));
    assert!(model.acknowledge().is_none(), "it is not enabled");
    model.enable(27, Some(Trigger::Level), Priority::High).unwrap();
    assert_eq!(model.enabled, BTreeSet::from([27]));
    let interrupt = model.acknowledge().unwrap();
    assert_eq!(interrupt.id(), line(27));
    model.pending.insert(27);
    assert!(model.acknowledge().is_none(), "it is active");
    model.call(|_, cpu| cpu.end(interrupt));
    let again = model.acknowledge().unwrap();
    model.call(|_, cpu| cpu.end(again));
    assert!(model.active.is_empty());
    model.call(|distributor, _| distributor.disable(line(27)));
    assert!(model.enabled.is_empty());
}

#[test]
fn the_more_urgent_comes_first_and_is_not_preempted() {
    let mut model = Model::ready(288);
    model.enable(33, Some(Trigger::Level), Priority::Normal).unwrap();
    model.enable(40, Some(Trigger::Edge), Priority::High).unwrap();
    model.pending.extend([33, 40]);
    let first = model.acknowledge().unwrap();
    assert_eq!(first.id(), line(40));
    assert!(model.acknowledge().is_none());
    model.call(|_, cpu| cpu.end(first));
    assert_eq!(model.acknowledge().unwrap().id(), line(33));
}

#[test]
fn the_four_answers_that_are_no_interrupt() {
    let mut model = Model::ready(64);
    for answer in 1020..1024 {
        // With another CPU's number, as a GIC would not have it.
        for word in [answer, answer | 3 << 10] {
            model.cpu[IAR] = word;
            let cpu = CpuInterface::over(&mut model.cpu);
            assert!(cpu.acknowledge().is_none(), "{answer}");
        }
    }
}

#[test]
fn the_end_of_a_software_interrupt_names_the_cpu_that_raised_it() {
    let mut model = Model::ready(64);
    model.cpu[IAR] = 5 | 3 << 10;
    let cpu = CpuInterface::over(&mut model.cpu);
    let interrupt = cpu.acknowledge().unwrap();
    assert_eq!(interrupt.id(), line(5));
    cpu.end(interrupt);
    assert_eq!(model.cpu[EOIR], 5 | 3 << 10);
}

#[test]
fn what_cannot_be_enabled_is_named() {
    let mut model = Model::ready(64);
    let error = model.enable(64, None, Priority::Normal).unwrap_err();
    assert_eq!(error.to_string(), "the interrupt controller has 64 lines, and no line 64");
    assert!(model.enabled.is_empty());
    assert_eq!(IntId::new(1019).map(IntId::get), Some(1019));
    assert!((1020..=u16::MAX).all(|id| IntId::new(id).is_none()));
    let far = Interrupt { kind: InterruptKind::Shared, number: u16::MAX, flags: 4 };
    assert_eq!(IntId::of(&far), None);
    let error = EnableError::FixedTrigger { id: line(40) };
    assert!(error.to_string().contains("interrupt 40 is fixed"), "{error}");
}

proptest! {
    /// Any calls in any order touch the interrupt they name, and no other.
    #[test]
    fn calls_touch_one_interrupt_only(
        lines in prop::sample::select(&[32_u16, 96, 288, 1020]),
        calls in prop::collection::vec((0_u16..1020, 0..4_u8, any::<bool>()), 1..40),
    ) {
        let mut model = Model::ready(lines);
        for (id, kind, high) in calls {
            let before = model.clone();
            let trigger = [Some(Trigger::Level), Some(Trigger::Edge), None].get(usize::from(kind));
            let priority = if high { Priority::High } else { Priority::Normal };
            let done = match trigger {
                Some(trigger) => model.enable(id, *trigger, priority),
                None => {
                    model.call(|distributor, _| distributor.disable(line(id)));
                    Ok(())
                }
            };
            let enables = trigger.is_some() && id < lines;
            prop_assert_eq!(done.is_ok(), enables || trigger.is_none());
            let mut expected = before.enabled.clone();
            if enables {
                expected.insert(id);
            } else {
                expected.remove(&id);
            }
            prop_assert_eq!(&model.enabled, &expected);
            for other in 0..lines {
                let is_it = enables && other == id;
                let wanted = match trigger {
                    Some(Some(Trigger::Level)) if is_it => 0,
                    Some(Some(Trigger::Edge)) if is_it => 2,
                    _ => before.trigger(other) & 2,
                };
                prop_assert_eq!(model.trigger(other) & 2, wanted, "{}", other);
                let wanted = if is_it { priority as u8 } else { before.priority(other) };
                prop_assert_eq!(model.priority(other), wanted, "{}", other);
            }
            prop_assert_eq!(model.seen_enabled(), expected);
        }
    }
}
