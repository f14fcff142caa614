//! The generic timer: which interrupts its four timers raise, under the names of the devicetree
//! binding. Its registers are in CP15, so the tree has no address for it (ARM DDI 0406C, chapter
//! B8).

use super::{Error, Gic, Interrupt, Tree};

/// The generic timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timer {
    /// The physical timer as seen from the Secure state.
    pub secure_phys: Option<Interrupt>,
    /// The physical timer of the Non-secure state: the kernel's, unless a hypervisor holds it.
    pub phys: Option<Interrupt>,
    /// The virtual timer.
    pub virt: Option<Interrupt>,
    /// The hypervisor's timer.
    pub hyp_phys: Option<Interrupt>,
    /// Counts per second, where firmware failed to set CNTFRQ.
    pub clock_frequency: Option<u32>,
}

/// Finds the first enabled ARMv7 timer.
pub(crate) fn timer<'t>(tree: &Tree<'t>, gic: Option<&Gic>) -> Result<Option<Timer>, Error<'t>> {
    let found = tree.search(&mut |place| {
        place.node().is_compatible(&["arm,armv7-timer"]).then(|| {
            Ok(Timer {
                secure_phys: place.interrupt(gic, 0)?,
                phys: place.interrupt(gic, 1)?,
                virt: place.interrupt(gic, 2)?,
                hyp_phys: place.interrupt(gic, 3)?,
                clock_frequency: place.node().u32("clock-frequency")?,
            })
        })
    });
    found.transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::{blob::Blob, gic::gic};

    #[test]
    fn the_binding_orders_the_four_interrupts() {
        let mut blob = Blob::new();
        blob.begin("").cells("interrupt-parent", &[1]).cells("#address-cells", &[1]);
        blob.begin("intc").text("compatible", "arm,cortex-a7-gic").cells("phandle", &[1]);
        blob.cells("#interrupt-cells", &[3]).cells("reg", &[0, 1, 2, 1]).end();
        blob.begin("timer").text("compatible", "arm,armv7-timer");
        blob.cells("interrupts", &[1, 13, 8, 1, 14, 8, 1, 11, 8]);
        blob.cells("clock-frequency", &[24_000_000]).end().end();
        let mut bytes = blob.finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let gic = gic(&tree).unwrap();
        let timer = timer(&tree, gic.as_ref()).unwrap().unwrap();
        let all = [timer.secure_phys, timer.phys, timer.virt, timer.hyp_phys];
        let ids = all.map(|interrupt| interrupt.map(|interrupt| interrupt.id()));
        assert_eq!(ids, [Some(29), Some(30), Some(27), None]);
        assert_eq!(timer.clock_frequency, Some(24_000_000));
    }
}
