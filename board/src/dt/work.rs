//! How much a tree makes the walk do, in steps that tests count: a property looked at, a child
//! come to.
//!
//! Invariant: reading a machine takes a number of steps that is linear in the size of the tree,
//! whoever wrote it. So what holds for all children of a node is read from the node once.

use core::cell::Cell;

use super::{MAX_DEPTH, Tree, blob::Blob};
use crate::Machine;

std::thread_local! {
    static STEPS: Cell<u64> = const { Cell::new(0) };
}

/// Counts one step.
pub(super) fn step() {
    STEPS.set(STEPS.get() + 1);
}

/// Steps for each property and each node that a tree may cost, those of its iterators included.
/// There are seven walks over all nodes, each looking for up to three properties, and the lists
/// are gone through twice.
const STEPS_EACH: u64 = 64;

/// A tree of so many properties and nodes in each of its large parts.
const MANY: u32 = 10_000;

struct Hostile {
    blob: Blob,
    /// Where the names start that all the properties share.
    filler: usize,
    reg: usize,
    tokens: u64,
}

impl Hostile {
    fn new() -> Self {
        let mut blob = Blob::new();
        blob.begin("").text("filler", "");
        let filler = 0;
        let reg = blob.strings.len();
        blob.strings.extend_from_slice(b"reg\0");
        Self { blob, filler, reg, tokens: 16 }
    }

    /// A great many properties, then what is looked for.
    fn properties(&mut self, wanted: &[(&str, u32)]) -> &mut Self {
        (0..MANY).for_each(|_| _ = self.blob.property_at(self.filler, b""));
        wanted.iter().for_each(|(name, value)| _ = self.blob.cells(name, &[*value]));
        self.tokens += u64::from(MANY);
        self
    }

    /// Nodes of one name, a `reg` in each.
    fn nodes(&mut self, name: &str, regs: impl Iterator<Item = Vec<u32>>) -> &mut Self {
        for reg in regs {
            let reg: Vec<u8> = reg.into_iter().flat_map(u32::to_be_bytes).collect();
            self.blob.begin(name).property_at(self.reg, &reg).end();
            self.tokens += 2;
        }
        self
    }

    /// Reads the tree, and everything that comes in numbers. Gives the steps that a token took.
    fn steps_each(&mut self) -> u64 {
        self.blob.end();
        let mut bytes = self.blob.finish();
        STEPS.set(0);
        let machine = Machine::from_tree(Tree::parse(&mut bytes).unwrap()).unwrap();
        assert!(machine.banks().count() + machine.cpus().count() > 0);
        machine.reserved_regions().for_each(drop);
        STEPS.get() / self.tokens
    }
}

const CELLS: [(&str, u32); 2] = [("#address-cells", 1), ("#size-cells", 1)];

fn bytes_at(step: u32) -> impl Iterator<Item = Vec<u32>> {
    (0..MANY).map(move |i| vec![i * step, 1])
}

#[test]
fn the_root_s_cells_are_read_once() {
    let mut tree = Hostile::new();
    tree.properties(&CELLS).nodes("memory", bytes_at(2));
    let steps = tree.steps_each();
    assert!(steps <= STEPS_EACH, "{steps} steps for each property and node");
}

#[test]
fn what_holds_for_all_cpus_is_read_once() {
    let mut tree = Hostile::new();
    tree.properties(&CELLS).nodes("memory", bytes_at(2).take(1));
    tree.blob.begin("cpus");
    tree.properties(&CELLS[..1]).nodes("cpu", (0..MANY).map(|i| vec![i]));
    tree.blob.end();
    let steps = tree.steps_each();
    assert!(steps <= STEPS_EACH, "{steps} steps for each property and node");
}

#[test]
fn what_holds_for_all_reserved_regions_is_read_once() {
    let mut tree = Hostile::new();
    tree.properties(&CELLS).nodes("memory", bytes_at(2).take(1));
    tree.blob.begin("reserved-memory");
    tree.properties(&CELLS).nodes("r", bytes_at(2));
    tree.blob.end();
    let steps = tree.steps_each();
    assert!(steps <= STEPS_EACH, "{steps} steps for each property and node");
}

#[test]
fn ranges_out_of_order_are_compared_many_at_a_time() {
    let mut tree = Hostile::new();
    tree.properties(&CELLS).nodes("memory", bytes_at(2).map(|reg| vec![reg[0] + 0x10_0000, 1]));
    tree.nodes("memory", bytes_at(2).take(250));
    let steps = tree.steps_each();
    assert!(steps <= STEPS_EACH, "{steps} steps for each property and node");
}

#[test]
fn nesting_costs_no_steps() {
    let mut tree = Hostile::new();
    tree.properties(&CELLS).nodes("memory", bytes_at(2).take(1));
    (2..MAX_DEPTH).for_each(|_| _ = tree.blob.begin("n"));
    tree.properties(&[]);
    (2..MAX_DEPTH).for_each(|_| _ = tree.blob.end());
    let steps = tree.steps_each();
    assert!(steps <= STEPS_EACH, "{steps} steps for each property and node");
}
