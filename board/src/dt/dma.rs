//! How a device sees memory: `dma-ranges` of the buses above it, and `dma-coherent`.
//!
//! A bus carries a device's accesses upwards to memory, perhaps at other addresses and perhaps only some of them:
//! `dma-ranges` says which (Devicetree Specification v0.4, 2.3.9). Without the property, or with an empty one, the bus
//! changes nothing. Linux asks the nearest bus that has it, and takes the whole of what its entries span.

use mm::addr::{PhysAddr, PhysRange};

use super::{Error, place::Place};

/// What a device reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DmaView {
    /// The memory, by the CPU's addresses: all of it if the tree does not limit it.
    pub memory: PhysRange,
    /// What the device calls the first byte of that.
    pub device_start: u64,
    /// Do its accesses look into the CPUs' caches?
    pub is_coherent: bool,
}

impl DmaView {
    const EVERYTHING: PhysRange = PhysRange::new(PhysAddr::new(0), PhysAddr::new(u64::MAX));
}

impl<'t> Place<'_, 't> {
    /// How the device here sees memory.
    pub(super) fn dma_view(&self) -> Result<DmaView, Error<'t>> {
        let is_coherent = self.upwards().any(|place| place.node().has("dma-coherent"));
        let (memory, device_start) = self.dma_window()?.unwrap_or((DmaView::EVERYTHING, 0));
        Ok(DmaView { memory, device_start, is_coherent })
    }

    /// What the nearest `dma-ranges` that is not empty spans, and the device's address of its first byte.
    fn dma_window(&self) -> Result<Option<(PhysRange, u64)>, Error<'t>> {
        const DMA_RANGES: &str = "dma-ranges";
        for bus in self.upwards().skip(1) {
            let (Some(value), Some(above)) = (bus.node().value(DMA_RANGES), bus.parent()) else {
                continue;
            };
            if value.is_empty() {
                continue;
            }
            let (child, parent) = (bus.node().cells()?, above.node().address_width()?);
            let (child_bytes, parent_bytes) = (child.address.bytes(), parent.bytes());
            let entry_bytes = child_bytes + parent_bytes + child.size.bytes();
            if !value.len().is_multiple_of(entry_bytes) {
                return Err(bus.node().bad_entries(DMA_RANGES, value, entry_bytes));
            }
            let mut window: Option<(PhysRange, u64)> = None;
            for entry in value.chunks_exact(entry_bytes) {
                let (from, entry) = entry.split_at(child_bytes);
                let (to, len) = entry.split_at(parent_bytes);
                let (from, to, len) =
                    (child.address.read(from), parent.read(to), child.size.read(len));
                bus.node().range(DMA_RANGES, from, len)?;
                let memory = bus.node().range(DMA_RANGES, to, len)?;
                window = Some(match window {
                    // One distance between the two sides is all that the core knows. An entry with another one
                    // is left out: less memory is reached, and none at a wrong address.
                    Some((all, first))
                        if all.start().as_u64().wrapping_sub(first) == to.wrapping_sub(from) =>
                    {
                        let start = all.start().min(memory.start());
                        let end = all.end().max(memory.end());
                        (PhysRange::new(start, end), first.min(from))
                    }
                    Some(other) => other,
                    None => (memory, from),
                });
            }
            return Ok(window);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::{Tree, blob::Blob};

    fn view(
        bus: impl FnOnce(&mut Blob),
        device: impl FnOnce(&mut Blob),
    ) -> Result<DmaView, String> {
        let mut blob = Blob::new();
        blob.begin("").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        blob.begin("soc").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        bus(&mut blob);
        blob.begin("dev").text("compatible", "x");
        device(&mut blob);
        blob.end().end().end();
        let mut bytes = blob.finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let found =
            tree.search(&mut |place| place.node().is_compatible(&["x"]).then(|| place.dma_view()));
        found.unwrap().map_err(|error| error.to_string())
    }

    #[test]
    fn without_a_word_a_device_reaches_everything() {
        let seen = view(|_| (), |_| ()).unwrap();
        assert_eq!(
            seen,
            DmaView { memory: DmaView::EVERYTHING, device_start: 0, is_coherent: false }
        );
        let empty = view(|b| _ = b.cells("dma-ranges", &[]), |_| ()).unwrap();
        assert_eq!(empty, seen);
    }

    #[test]
    fn a_bus_moves_and_limits() {
        // As on a Raspberry Pi: memory from 0 is seen from 0xc0000000 on, 512 MiB of it.
        let ranges = [0xc000_0000, 0, 0x2000_0000];
        let seen = view(|b| _ = b.cells("dma-ranges", &ranges), |_| ()).unwrap();
        assert_eq!(seen.memory, PhysRange::new(PhysAddr::new(0), PhysAddr::new(0x2000_0000)));
        assert_eq!(seen.device_start, 0xc000_0000);
    }

    #[test]
    fn entries_with_one_distance_are_one_window() {
        let ranges = [0, 0x4000_0000, 0x1000, 0x3000, 0x4000_3000, 0x1000, 0x5000, 0, 0x1000];
        let seen = view(|b| _ = b.cells("dma-ranges", &ranges), |_| ()).unwrap();
        assert_eq!(
            seen.memory,
            PhysRange::new(PhysAddr::new(0x4000_0000), PhysAddr::new(0x4000_4000))
        );
        assert_eq!(seen.device_start, 0);
    }

    #[test]
    fn coherent_is_said_by_the_device_or_by_a_bus() {
        assert!(view(|_| (), |d| _ = d.bytes("dma-coherent", b"")).unwrap().is_coherent);
        assert!(view(|b| _ = b.bytes("dma-coherent", b""), |_| ()).unwrap().is_coherent);
    }

    #[test]
    fn broken_ranges_are_named() {
        let error = view(|b| _ = b.cells("dma-ranges", &[0; 4]), |_| ()).unwrap_err();
        assert_eq!(error, "soc: dma-ranges has 16 bytes, which are no whole entries of 12");
        let wraps = [u32::MAX, 0, 2];
        // 64 bits: an address of one cell does not wrap.
        assert!(view(|b| _ = b.cells("dma-ranges", &wraps), |_| ()).is_ok());
    }
}
