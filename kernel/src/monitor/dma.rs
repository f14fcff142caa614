//! Memory that devices look at: who has how much of it.

use core::fmt;

use mm::report::dmainfo;
use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use crate::console::Out;
use crate::dma;
use crate::platform::Site;

pub fn dmainfo(_: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let dma = dma::get().ok_or(Failure::NoDma)?;
    // The console can not fail, here as below.
    let _ = dmainfo::write(&mut Out, &dma.figures());
    if dma.devices().next().is_some() {
        let _ = dmainfo::write_devices(&mut Out, dma.devices().map(|device| device.figures()));
    }
    let site = |out: &mut dyn fmt::Write, site| write!(out, "{}", Site(site));
    let mut seen = 0;
    loop {
        let mappings = dma.live_mappings(seen);
        if mappings.is_empty() {
            return Ok(());
        }
        for mapping in &mappings {
            let name = dma.device(mapping.device).map_or("gone", |device| device.name());
            let _ = dmainfo::write_mapping(&mut Out, name, mapping, &site);
        }
        seen += mappings.len();
    }
}
