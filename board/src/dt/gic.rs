//! The interrupt controller (ARM Generic Interrupt Controller, architecture version 1 or 2), and
//! interrupts as devices name them to it.
//!
//! An interrupt specifier is three cells: 0 for a shared interrupt or 1 for a private one, its
//! number among those, and flags. A device's specifiers mean the controller that the nearest
//! `interrupt-parent` on the way to the root points at; only those that mean the GIC are read, and
//! only from `interrupts`: `interrupts-extended`, which a few boards use instead, counts as none.

use mm::addr::PhysRange;

use super::{Error, Tree, place::Place};

/// Controllers that are a GIC of version 1 or 2, as Linux 6.1 knows them for ARMv7-A cores.
const COMPATIBLE: [&str; 6] = [
    "arm,gic-400",
    "arm,cortex-a15-gic",
    "arm,cortex-a9-gic",
    "arm,cortex-a7-gic",
    "arm,cortex-a5-gic",
    "arm,pl390",
];

/// The interrupt controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gic {
    /// The distributor's registers, shared by all CPUs.
    pub distributor: PhysRange,
    /// The CPU interface's registers, at the same address for each CPU.
    pub cpu_interface: PhysRange,
    /// By which other nodes point at it.
    phandle: Option<u32>,
}

/// Finds the first enabled GIC.
pub(crate) fn gic<'t>(tree: &Tree<'t>) -> Result<Option<Gic>, Error<'t>> {
    let found = tree.search(&mut |place| {
        place.node().is_compatible(&COMPATIBLE).then(|| {
            let node = place.node();
            match node.u32("#interrupt-cells")? {
                Some(3) => {}
                Some(count) => return Err(node.bad_value("#interrupt-cells", count)),
                None => node.required("#interrupt-cells").map(drop)?,
            }
            Ok(Gic {
                distributor: place.registers(0)?,
                cpu_interface: place.registers(1)?,
                phandle: node.u32("phandle")?,
            })
        })
    });
    found.transpose()
}

/// Whether an interrupt is one CPU's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptKind {
    /// SPI: any CPU can take it.
    Shared,
    /// PPI: each CPU has its own of this number.
    Private,
}

/// How an interrupt is signalled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// For as long as the line is active.
    Level,
    /// Once, when the line becomes active.
    Edge,
}

/// An interrupt of the GIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interrupt {
    /// Shared or private.
    pub kind: InterruptKind,
    /// The number among those of its kind, from 0.
    pub number: u16,
    /// Bits 3 to 0 trigger (1 rising edge, 2 falling, 4 high level, 8 low), for a private one bits
    /// 15 to 8 the CPUs.
    pub flags: u32,
}

impl Interrupt {
    const BYTES: usize = 12;

    /// The interrupt ID by which the GIC's registers know it: private ones from 16, shared ones
    /// from 32 (ARM IHI 0048B, 2.2.1).
    #[must_use]
    pub const fn id(&self) -> u16 {
        match self.kind {
            InterruptKind::Private => 16_u16.saturating_add(self.number),
            InterruptKind::Shared => 32_u16.saturating_add(self.number),
        }
    }

    /// How the device signals it; `None` if the tree leaves it open. A GIC knows one polarity, so
    /// where a tree says low or falling, the line is inverted on its way (trees of real boards say
    /// so of the timer).
    #[must_use]
    pub const fn trigger(&self) -> Option<Trigger> {
        match self.flags & 0xf {
            1..=3 => Some(Trigger::Edge),
            4 | 8 | 12 => Some(Trigger::Level),
            _ => None,
        }
    }
}

impl<'t> Place<'_, 't> {
    /// Entry `index` of the node's `interrupts`. `None` if it has not that many, or if they are
    /// not the GIC's.
    pub(super) fn interrupt(
        &self,
        gic: Option<&Gic>,
        index: usize,
    ) -> Result<Option<Interrupt>, Error<'t>> {
        const PROPERTY: &str = "interrupts";
        let Some(value) = self.node().value(PROPERTY) else {
            return Ok(None);
        };
        let parent =
            self.upwards().find_map(|place| place.node().u32("interrupt-parent").transpose());
        let parent = parent.transpose()?;
        if parent.is_none() || parent != gic.and_then(|gic| gic.phandle) {
            return Ok(None);
        }
        let node = self.node();
        if !value.len().is_multiple_of(Interrupt::BYTES) {
            return Err(node.bad_entries(PROPERTY, value, Interrupt::BYTES));
        }
        let Some(entry) = value.chunks_exact(Interrupt::BYTES).nth(index) else {
            return Ok(None);
        };
        let (kind, kinds) = match node.cell(PROPERTY, entry, 0)? {
            0 => (InterruptKind::Shared, 988),
            1 => (InterruptKind::Private, 16),
            kind => return Err(node.bad_value(PROPERTY, kind)),
        };
        let number = node.cell(PROPERTY, entry, 4)?;
        let flags = node.cell(PROPERTY, entry, 8)?;
        match u16::try_from(number) {
            Ok(number) if number < kinds => Ok(Some(Interrupt { kind, number, flags })),
            _ => Err(node.bad_value(PROPERTY, number)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::blob::Blob;

    fn tree(build: impl FnOnce(&mut Blob)) -> Vec<u8> {
        let mut blob = Blob::new();
        blob.begin("").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        build(&mut blob);
        blob.end().finish()
    }

    fn controller(blob: &mut Blob, reg: &[u32]) {
        blob.begin("intc").text("compatible", "arm,gic-400\0arm,cortex-a15-gic");
        blob.cells("#interrupt-cells", &[3]).cells("phandle", &[7]).cells("reg", reg).end();
    }

    fn interrupt_of(root: &[u32], own: &[u32], interrupts: &[u32]) -> Result<Option<u16>, String> {
        let mut bytes = tree(|b| {
            if !root.is_empty() {
                b.cells("interrupt-parent", root);
            }
            controller(b, &[0x1000, 0x1000, 0x2000, 0x2000]);
            b.begin("dev").text("compatible", "dev").cells("interrupts", interrupts);
            if !own.is_empty() {
                b.cells("interrupt-parent", own);
            }
            b.end();
        });
        let tree = Tree::parse(&mut bytes).unwrap();
        let gic = gic(&tree).unwrap().unwrap();
        let found = tree.search(&mut |place| {
            let is_it = place.node().is_compatible(&["dev"]);
            is_it.then(|| place.interrupt(Some(&gic), 0))
        });
        let found = found.unwrap().map_err(|error| error.to_string())?;
        Ok(found.map(|interrupt| interrupt.id()))
    }

    #[test]
    fn the_first_two_ranges_are_distributor_and_cpu_interface() {
        let mut bytes = tree(|b| controller(b, &[0x1000, 0x1000, 0x2000, 0x2000, 0x4000, 1]));
        let tree = Tree::parse(&mut bytes).unwrap();
        let gic = gic(&tree).unwrap().unwrap();
        assert_eq!(gic.distributor.to_string(), "[0x00001000-0x00001fff]");
        assert_eq!(gic.cpu_interface.to_string(), "[0x00002000-0x00003fff]");
    }

    #[test]
    fn a_controller_that_cannot_be_used_is_named() {
        let fault = |build: &dyn Fn(&mut Blob)| {
            let mut bytes = tree(build);
            let tree = Tree::parse(&mut bytes).unwrap();
            gic(&tree).unwrap_err().to_string()
        };
        let one = fault(&|b| controller(b, &[0x1000, 0x1000]));
        assert_eq!(one, "intc: reg has too few entries in 8 bytes");
        let empty = fault(&|b| controller(b, &[0x1000, 0, 0x2000, 1]));
        assert_eq!(empty, "intc: reg cannot be 0x0");
        let cells = fault(&|b| {
            b.begin("intc").text("compatible", "arm,pl390").cells("#interrupt-cells", &[2]).end();
        });
        assert_eq!(cells, "intc: #interrupt-cells cannot be 0x2");
        let none = fault(&|b| _ = b.begin("intc").text("compatible", "arm,pl390").end());
        assert_eq!(none, "intc: no #interrupt-cells");
    }

    #[test]
    fn shared_interrupts_start_at_32_and_private_ones_at_16() {
        assert_eq!(interrupt_of(&[7], &[], &[0, 1, 4]), Ok(Some(33)));
        assert_eq!(interrupt_of(&[7], &[], &[1, 13, 0x104]), Ok(Some(29)));
        assert_eq!(interrupt_of(&[7], &[], &[]), Ok(None));
    }

    #[test]
    fn flags_say_how_it_is_signalled() {
        let of = |flags| Interrupt { kind: InterruptKind::Private, number: 0, flags }.trigger();
        for flags in 0..16_u32 {
            // A contradiction says as little as nothing.
            let want = match (flags & 3 != 0, flags & 12 != 0) {
                (true, false) => Some(Trigger::Edge),
                (false, true) => Some(Trigger::Level),
                _ => None,
            };
            assert_eq!((of(flags), of(flags | 0xf00)), (want, want), "{flags}");
        }
        let far = Interrupt { kind: InterruptKind::Shared, number: u16::MAX, flags: 4 };
        assert_eq!(far.id(), u16::MAX);
    }

    #[test]
    fn the_nearest_parent_counts() {
        assert_eq!(interrupt_of(&[9], &[7], &[0, 1, 4]), Ok(Some(33)));
        assert_eq!(interrupt_of(&[7], &[9], &[0, 1, 4]), Ok(None));
        assert_eq!(interrupt_of(&[], &[], &[0, 1, 4]), Ok(None));
    }

    #[test]
    fn interrupts_that_the_gic_has_not_are_named() {
        let fault = |cells: &[u32]| interrupt_of(&[7], &[], cells).unwrap_err();
        assert_eq!(fault(&[2, 0, 4]), "dev: interrupts cannot be 0x2");
        assert_eq!(fault(&[1, 16, 4]), "dev: interrupts cannot be 0x10");
        assert_eq!(fault(&[0, 988, 4]), "dev: interrupts cannot be 0x3dc");
        assert_eq!(fault(&[0, 0x1_0001, 4]), "dev: interrupts cannot be 0x10001");
        assert_eq!(fault(&[0, 1]), "dev: interrupts has 8 bytes, which are no whole entries of 12");
        let error = interrupt_of(&[7, 7], &[], &[0, 1, 4]).unwrap_err();
        assert_eq!(error, "/: interrupt-parent has 8 bytes, expected 4");
    }
}
