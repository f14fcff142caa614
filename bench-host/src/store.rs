//! What an allocator must do to be measured here.

use comfy_table::{CellAlignment, Table, presets};
use workload::Subject;

/// An allocator of pages that several threads share.
pub trait Store: Sync {
    /// What it is called.
    const NAME: &'static str;

    /// The thread that calls this is CPU `cpu` from now on.
    fn enter(&self, _cpu: usize) {}

    /// Takes a block of 2^`order` pages, by the number of its first page. Blocks that are not
    /// `movable` stay for good; an allocator may keep them apart.
    fn get(&self, order: u8, movable: bool) -> Option<u32>;

    /// Gives a block back.
    fn put(&self, page: u32, order: u8);
}

/// Blocks of one order.
pub struct Blocks<'s, S> {
    /// Of whom.
    pub store: &'s S,
    /// How large.
    pub order: u8,
}

impl<S: Store> Subject for Blocks<'_, S> {
    type Block = u32;
    type Given<'a>
        = (&'a S, u8)
    where
        Self: 'a;
    type Got = Option<u32>;

    #[inline(always)]
    fn given(&mut self) -> (&S, u8) {
        (self.store, self.order)
    }

    #[inline(always)]
    fn get((store, order): (&S, u8)) -> Option<u32> {
        store.get(order, false)
    }

    #[inline(always)]
    fn block(got: Option<u32>) -> Option<u32> {
        got
    }

    #[inline(always)]
    fn put((store, order): (&S, u8), block: u32) {
        store.put(block, order);
    }
}

/// A table without lines, numbers to the right.
pub fn plain(header: Vec<String>, rows: Vec<Vec<String>>) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(header).add_rows(rows);
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
}
