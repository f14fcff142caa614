//! The one writer of the live page tables, where everybody finds it.

mod machine;

use arch_arm::mmu::live::LiveTables;
use spin::Once;

pub use machine::TableMachine;

/// The live page tables of this machine.
pub type Maps = LiveTables<TableMachine>;

static MAPS: Once<Maps> = Once::new();

/// Makes `maps` the one that everybody shares. Called once, at boot; a second one is lost.
pub fn publish(maps: Maps) -> &'static Maps {
    MAPS.call_once(|| maps)
}
