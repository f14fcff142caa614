//! Virtio devices behind registers in memory: `virtio,mmio` (Virtual I/O Device specification 1.2, 4.2).
//!
//! The tree says where a transport is, not whether a device is there, or which: QEMU's board has 32 of them, most with
//! nothing behind. That is for the registers to say.

use mm::addr::PhysRange;

use super::{DmaView, Error, Gic, Interrupt, Tree, place::Place};

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VirtioMmio {
    /// Its registers.
    pub registers: PhysRange,
    /// Its interrupt, if it is the interrupt controller's.
    pub interrupt: Option<Interrupt>,
    /// How its device sees memory.
    pub dma: DmaView,
}

/// Calls `visit` with every enabled transport, in the order of the tree; with an error for one that can not be used.
pub(crate) fn virtio<'t>(
    tree: &Tree<'t>,
    gic: Option<&Gic>,
    visit: &mut dyn FnMut(Result<VirtioMmio, Error<'t>>),
) {
    let _: Option<()> = tree.search(&mut |place| {
        if place.node().is_compatible(&["virtio,mmio"]) {
            visit(transport(place, gic));
        }
        None
    });
}

fn transport<'t>(place: &Place<'_, 't>, gic: Option<&Gic>) -> Result<VirtioMmio, Error<'t>> {
    Ok(VirtioMmio {
        registers: place.registers(0)?,
        interrupt: place.interrupt(gic, 0)?,
        dma: place.dma_view()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::blob::Blob;

    #[test]
    fn each_enabled_transport_is_named_once() {
        let mut blob = Blob::new();
        blob.begin("").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        for (at, status) in [(0x1000, "okay"), (0x1200, "disabled"), (0x1400, "okay")] {
            blob.begin(&format!("virtio_mmio@{at:x}")).text("compatible", "virtio,mmio");
            blob.cells("reg", &[at, 0x200]).text("status", status).end();
        }
        blob.begin("virtio_mmio@0").text("compatible", "virtio,mmio").end();
        let mut bytes = blob.end().finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let mut seen = Vec::new();
        virtio(&tree, None, &mut |found| {
            seen.push(
                found.map(|found| found.registers.start().as_u64()).map_err(|e| e.to_string()),
            );
        });
        assert_eq!(seen, [Ok(0x1000), Ok(0x1400), Err("virtio_mmio@0: no reg".to_owned())]);
    }
}
