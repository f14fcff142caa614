//! Who has the addresses of a region: the largest holders, by the return address of who asked.
//!
//! One pass over the areas, with a table of 32 callers. When a caller finds no place, it takes that of the one with
//! the least, and its sum as well: so everybody who has more than a 32nd part of all is in the table afterwards
//! (Metwally's *space saving*). A second pass counts those of the table exactly.

use arrayvec::ArrayVec;

use super::record::{AreaInfo, AreaState};

/// How many are told of.
pub const TOP_HOLDERS: usize = 5;
const CANDIDATES: usize = 32;

/// Who has areas.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Holder {
    /// The return address; 0 stands for boot, and for whoever is not known.
    pub caller: u32,
    /// Bytes of its areas, without guard pages.
    pub bytes: u32,
    /// How many areas.
    pub areas: u32,
}

/// The passes.
#[derive(Clone, Debug, Default)]
pub struct Holders {
    table: ArrayVec<Holder, CANDIDATES>,
}

impl Holders {
    /// Nobody yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { table: ArrayVec::new_const() }
    }

    /// First pass: an area. Those that were given back count for nobody.
    pub fn look_for(&mut self, info: &AreaInfo) {
        if !is_held(info) {
            return;
        }
        let bytes = info.range.len();
        if let Some(holder) = self.find(info.caller) {
            holder.bytes = holder.bytes.saturating_add(bytes);
        } else if self.table.is_full() {
            if let Some(least) = self.table.iter_mut().min_by_key(|holder| holder.bytes) {
                least.caller = info.caller;
                least.bytes = least.bytes.saturating_add(bytes);
            }
        } else {
            self.table.push(Holder { caller: info.caller, bytes, areas: 0 });
        }
    }

    /// Between the passes.
    pub fn turn(&mut self) {
        for holder in &mut self.table {
            holder.bytes = 0;
        }
    }

    /// Second pass: an area.
    pub fn count(&mut self, info: &AreaInfo) {
        if is_held(info)
            && let Some(holder) = self.find(info.caller)
        {
            holder.bytes += info.range.len();
            holder.areas += 1;
        }
    }

    /// After the second pass: those with most, the largest first.
    #[must_use]
    pub fn top(mut self) -> ArrayVec<Holder, TOP_HOLDERS> {
        self.table.sort_unstable_by_key(|holder| (u32::MAX - holder.bytes, holder.caller));
        self.table.into_iter().filter(|holder| holder.areas > 0).take(TOP_HOLDERS).collect()
    }

    fn find(&mut self, caller: u32) -> Option<&mut Holder> {
        self.table.iter_mut().find(|holder| holder.caller == caller)
    }
}

fn is_held(info: &AreaInfo) -> bool {
    matches!(info.state, AreaState::Live | AreaState::Making)
}
