//! The machine, as its device tree describes it: the value that the rest of the kernel works from.
//!
//! [`Machine::from_tree`] reads and checks everything once. What there is one of is a field; what
//! there may be any number of is an iterator over the tree, which has no capacity to run out of and
//! cannot fail any more.

use mm::addr::PhysRange;

use crate::dt::{
    self, Chosen, Console, Cpu, Error, Gic, Psci, ReservedRegion, Timer, Tree, VirtioMmio, Window,
};

/// What a device tree says of the machine. Borrows the tree, so the tree's bytes must stay.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'t> {
    tree: Tree<'t>,
    banks: Banks,
    /// The board's name, for the log.
    pub model: Option<&'t str>,
    /// Command line, console path and initrd.
    pub chosen: Chosen<'t>,
    /// The UART to speak on. Without one, the fallback.
    pub console: Option<Console<'t>>,
    /// The interrupt controller.
    pub gic: Option<Gic>,
    /// The generic timer.
    pub timer: Option<Timer>,
    /// The firmware's power interface.
    pub psci: Option<Psci>,
}

/// The banks, where they are few, as they are on most machines. Boot asks for them a dozen times,
/// and each walk over the tree costs it a hundred thousand instructions.
#[derive(Clone, Copy, Debug)]
enum Banks {
    /// So many of these.
    Few([PhysRange; Banks::FEW], usize),
    /// More than that: only the tree has room for them.
    Many,
}

impl Banks {
    const FEW: usize = 8;

    fn of(tree: &Tree<'_>) -> Self {
        let mut few = [PhysRange::default(); Self::FEW];
        let mut count = 0;
        for bank in dt::banks(tree) {
            let Some(place) = few.get_mut(count) else { return Self::Many };
            *place = bank;
            count += 1;
        }
        Self::Few(few, count)
    }
}

impl<'t> Machine<'t> {
    /// Reads the machine from its tree. Recurses once for each level of the tree, which takes less
    /// than 16 KiB of stack for the deepest (half of that on a 32-bit machine).
    ///
    /// # Errors
    ///
    /// The first fault in what the kernel relies on. Nodes that it does not know are not looked at.
    pub fn from_tree(tree: Tree<'t>) -> Result<Self, Error<'t>> {
        dt::check_banks(&tree)?;
        dt::check_memreserve(&tree)?;
        dt::check_reserved_regions(&tree)?;
        dt::check_cpus(&tree)?;
        let chosen = dt::chosen(&tree)?;
        let gic = dt::gic(&tree)?;
        Ok(Self {
            banks: Banks::of(&tree),
            model: tree.model()?,
            chosen,
            console: dt::console(&tree, &chosen, gic.as_ref())?,
            gic,
            timer: dt::timer(&tree, gic.as_ref())?,
            psci: dt::psci(&tree)?,
            tree,
        })
    }

    /// Bytes of the device tree, which must be kept out of the allocators' hands.
    #[must_use]
    pub fn dtb_len(&self) -> u32 {
        self.tree.total_size()
    }

    /// The memory banks, in the order of the tree: at least one, none empty, no two overlapping.
    /// Neither page-aligned nor below 4 GiB of necessity.
    pub fn banks(&self) -> impl Iterator<Item = PhysRange> + use<'_, 't> {
        let (few, walk) = match self.banks {
            Banks::Few(banks, count) => (Some(banks.into_iter().take(count)), None),
            Banks::Many => (None, Some(dt::banks(&self.tree))),
        };
        few.into_iter().flatten().chain(walk.into_iter().flatten())
    }

    /// The memory reservation block, `/memreserve/` in source form. The entries may overlap each
    /// other and lie outside all banks.
    pub fn memreserve(&self) -> impl Iterator<Item = PhysRange> + use<'t> {
        dt::memreserve(&self.tree).filter_map(Result::ok)
    }

    /// The children of `/reserved-memory`. They may overlap each other and lie outside all banks.
    pub fn reserved_regions(&self) -> impl Iterator<Item = ReservedRegion<'t>> + use<'_, 't> {
        dt::reserved_regions(&self.tree)
    }

    /// The CPUs, in the order of the tree; none in a tree without `/cpus`.
    pub fn cpus(&self) -> impl Iterator<Item = Cpu<'t>> + use<'_, 't> {
        dt::cpus(&self.tree)
    }

    /// Calls `visit` with each virtio transport, in the order of the tree; with an error for one that can not be
    /// used, of which the others know nothing.
    pub fn virtio(&self, visit: &mut dyn FnMut(Result<VirtioMmio, Error<'t>>)) {
        dt::virtio(&self.tree, self.gic.as_ref(), visit);
    }

    /// Calls `visit` with the addresses at which devices answer, in the order of the tree.
    pub fn windows(&self, visit: &mut dyn FnMut(Window<'t>)) {
        dt::windows(&self.tree, visit);
    }

    /// What the first CPU says that it is: the first of its `compatible` list.
    #[must_use]
    pub fn cpu_compatible(&self) -> Option<&'t str> {
        dt::cpu_compatible(&self.tree)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::{ConsoleChoice, MAX_DEPTH, blob::Blob};

    /// The root of a machine with a bank of memory, left open.
    fn root() -> Blob {
        let mut blob = Blob::new();
        blob.begin("").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        blob
    }

    fn close(mut blob: Blob) -> Vec<u8> {
        blob.begin("memory@0").cells("reg", &[0, 0x1000]).end().end().finish()
    }

    #[test]
    fn a_tree_of_memory_alone_is_a_machine() {
        let mut bytes = close(root());
        let machine = Machine::from_tree(Tree::parse(&mut bytes).unwrap()).unwrap();
        assert_eq!(machine.banks().count(), 1);
        assert!(machine.console.is_none() && machine.gic.is_none() && machine.psci.is_none());
        assert_eq!((machine.model, machine.cpus().count()), (None, 0));
    }

    #[test]
    fn few_banks_and_many_are_told_alike() {
        for count in [1, 7, 8, 9, 30] {
            let mut blob = root();
            (1..count).for_each(|i| {
                let name = format!("memory@{:x}", i << 16);
                blob.begin(&name).cells("reg", &[i << 16, 0x1000]).end();
            });
            let mut bytes = close(blob);
            let machine = Machine::from_tree(Tree::parse(&mut bytes).unwrap()).unwrap();
            let starts: Vec<_> = machine.banks().map(|bank| bank.start().as_u64() >> 16).collect();
            let mut expected: Vec<_> = (1..u64::from(count)).collect();
            expected.push(0);
            assert_eq!(starts, expected);
        }
    }

    #[test]
    fn a_board_without_a_model_goes_by_what_it_is_compatible_with() {
        let mut blob = root();
        blob.text("compatible", "acme,board\0acme,soc");
        let mut bytes = close(blob);
        let machine = Machine::from_tree(Tree::parse(&mut bytes).unwrap()).unwrap();
        assert_eq!(machine.model, Some("acme,board"));
    }

    #[test]
    fn each_part_of_the_tree_is_held_to_its_rules() {
        type Break = fn(&mut Blob);
        let faults: [(Break, &str); 8] = [
            (|b| _ = b.begin("memory@1").cells("reg", &[0, 1]).end(), "overlap"),
            (|b| _ = b.reserve(u64::MAX, 2), "wrap"),
            (|b| _ = b.begin("reserved-memory").begin("x").end().end(), "x: no reg or size"),
            (|b| _ = b.begin("cpus").begin("cpu").end().end(), "cpu: no reg"),
            (|b| _ = b.begin("chosen").bytes("bootargs", b"\xff").end(), "not UTF-8"),
            (|b| _ = b.begin("x").text("compatible", "arm,pl390").end(), "x: no #interrupt-cells"),
            (|b| _ = b.begin("x").text("compatible", "arm,pl011").end(), "x: no reg"),
            (|b| _ = b.begin("x").text("compatible", "arm,psci").end(), "x: no method"),
        ];
        for (break_it, want) in faults {
            let mut blob = root();
            break_it(&mut blob);
            let mut bytes = close(blob);
            let error = Machine::from_tree(Tree::parse(&mut bytes).unwrap()).unwrap_err();
            assert!(error.to_string().contains(want), "{error}, not {want}");
        }
    }

    /// The walks recurse, so a tree that is as deep as may be must not use up a kernel's stack.
    #[test]
    fn the_deepest_tree_needs_little_stack() {
        let mut blob = root();
        blob.begin("chosen").text("stdout-path", &"/n".repeat(MAX_DEPTH as usize - 1)).end();
        for _ in 2..MAX_DEPTH {
            blob.begin("n").bytes("ranges", b"");
            blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        }
        blob.begin("n").text("compatible", "arm,pl011").cells("reg", &[0x1000, 0x1000]).end();
        (2..MAX_DEPTH).for_each(|_| _ = blob.end());
        let mut bytes = close(blob);
        let deep = move || {
            let machine = Machine::from_tree(Tree::parse(&mut bytes).unwrap()).unwrap();
            assert_eq!(machine.console.unwrap().choice, ConsoleChoice::StdoutPath);
        };
        let thread = std::thread::Builder::new().stack_size(STACK).spawn(deep).unwrap();
        thread.join().unwrap();
    }

    /// Bytes of stack that the test above gets by with on a 64-bit host, the thread's own start
    /// included: the least that a thread can have. Twice as deep a tree overflows it.
    const STACK: usize = 16 << 10;

    /// Many nodes below one with many properties: what all of them share is read once, not for each.
    #[test]
    fn what_many_nodes_share_is_read_once() {
        type Child = fn(&mut Blob, u32);
        let parents: [(&str, Child); 3] = [
            ("", |b, i| _ = b.begin("memory").cells("reg", &[0x10_0000 + 2 * i, 1]).end()),
            ("reserved-memory", |b, i| _ = b.begin("r").cells("reg", &[i, 1]).end()),
            ("cpus", |b, i| _ = b.begin("cpu").cells("reg", &[i]).end()),
        ];
        for (parent, child) in parents {
            let mut blob = Blob::new();
            blob.begin("");
            let named = !parent.is_empty();
            if named {
                blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]).begin(parent);
            }
            let name_offset = blob.strings.len();
            blob.bytes("x", b"");
            (0..200_000).for_each(|_| _ = blob.property_at(name_offset, b""));
            blob.cells("#address-cells", &[1]).cells("#size-cells", &[1]);
            (0..50_000).for_each(|index| child(&mut blob, index));
            if named {
                blob.end();
            }
            let mut bytes = close(blob);
            let machine = Machine::from_tree(Tree::parse(&mut bytes).unwrap()).unwrap();
            let counts = [
                machine.banks().count() - 1,
                machine.reserved_regions().count(),
                machine.cpus().count(),
            ];
            assert_eq!(counts.iter().sum::<usize>(), 50_000, "{parent}");
        }
    }

    /// A mebibyte of nodes that each have to be looked at, side by side and stacked up.
    #[test]
    fn large_trees_are_read_in_linear_time() {
        let mut blob = root();
        let siblings = |blob: &mut Blob| {
            let name_offset = blob.strings.len();
            blob.strings.extend_from_slice(b"compatible\0");
            (0..20_000).for_each(|_| _ = blob.begin("x").property_at(name_offset, b"x\0").end());
        };
        siblings(&mut blob);
        (2..MAX_DEPTH).for_each(|_| _ = blob.begin("n"));
        siblings(&mut blob);
        (2..MAX_DEPTH).for_each(|_| _ = blob.end());
        let mut bytes = close(blob);
        assert!(bytes.len() > 1 << 20);
        let machine = Machine::from_tree(Tree::parse(&mut bytes).unwrap()).unwrap();
        assert!(machine.console.is_none());
    }
}
