//! Names on the monitor's command line: the regions of the layout and the sections of the image, each
//! for its first address, and the initrd's files.

use mm::addr::VirtAddr;
use monitor::argument::Names;

use super::{Kernel, files};
use crate::{image, readback};

impl Names for Kernel {
    fn each(&self, see: &mut dyn FnMut(&str)) {
        readback::observe(self).regions.iter().for_each(|(kind, _)| see(kind.name()));
        image::sections().iter().for_each(|section| see(section.name));
    }

    fn address(&self, name: &str) -> Option<u32> {
        let seen = readback::observe(self);
        let region = seen.regions.iter().find(|(kind, _)| kind.name() == name);
        let section = seen.sections.iter().find(|section| section.name == name);
        let start = region.map(|(_, range)| range).or(section.map(|section| &section.range));
        start.map(|range| VirtAddr::as_u32(range.start()))
    }

    fn files(&self, see: &mut dyn FnMut(&str)) {
        if let Some(initrd) = &self.initrd {
            files::each_name(initrd, see);
        }
    }
}
