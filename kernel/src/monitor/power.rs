//! The two ends that somebody may ask for.

use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use crate::stop;

pub fn poweroff(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    stop::power_off(kernel.conduit())
}

pub fn reboot(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    stop::reboot(kernel.conduit())
}
