//! How a row is called.

use experiment::results::Given;

/// A row in a line: `1G, 3g, vmalloc=16M, nohighmem`.
pub fn title(given: &Given) -> String {
    let mut parts = vec![given.mem.clone(), given.vmsplit.clone()];
    parts.extend(given.vmalloc.as_ref().map(|value| format!("vmalloc={value}")));
    parts.extend(given.dma_zone.as_ref().map(|value| format!("dma_zone={value}")));
    parts.extend((!given.highmem).then(|| "nohighmem".to_owned()));
    parts.push(given.cpu.clone());
    parts.join(", ")
}
