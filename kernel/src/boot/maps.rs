//! From tables that boot has built to tables that change.

use mm::boot::layout::Layout;
use mm::object::SlabFlags;

use super::KernelTables;
use crate::maps::{self, Maps, TableMachine};
use crate::slabs::Slabs;
use crate::stop::halt;

/// Hands the live `tables` to the one who changes them from now on, from the modules region up: what all address
/// spaces share.
pub fn adopt(tables: &KernelTables, layout: &Layout, slabs: &'static Slabs) -> &'static Maps {
    // Not shared with another cache: who looks at it sees the tables.
    let cache = slabs.create("page_tables", 1024, 1024, SlabFlags::SLAB_NO_MERGE, None);
    let cache = match cache {
        Ok(cache) => cache,
        Err(error) => halt(format_args!("can not make the cache of page tables: {error}")),
    };
    let Some(machine) = TableMachine::new(tables, slabs, cache) else {
        halt(format_args!("the fixmap has no table for other mappings of tables"));
    };
    let kernel_start = layout.modules().start();
    maps::publish(Maps::adopt(machine, tables.root, kernel_start, *tables.linear()))
}
