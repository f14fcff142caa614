//! `/cpus`: one node for each CPU, whether it runs yet or not.
//!
//! Invariant: once [`check_cpus`] has passed, every number that [`cpus`] gives has only affinity
//! bits (23 to 0 of MPIDR), and no two are the same. The devicetree binding for ARM CPUs asks for both.

use mm::addr::{PhysAddr, PhysRange};

use super::{
    Error, Status, Tree,
    cells::Width,
    memory::{Clash, check_disjoint},
    node::Node,
};

/// A CPU that the tree names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu<'t> {
    /// The affinity fields of its MPIDR, bits 23 to 0 (ARM DDI 0406C, B4.1.106), by which PSCI
    /// starts it.
    pub mpidr: u32,
    /// How to start it: `psci`, or something this kernel does not know.
    pub enable_method: Option<&'t str>,
    /// `Disabled` is a CPU that waits to be started.
    pub status: Status,
}

fn nodes<'n, 't>(
    tree: &'n Tree<'t>,
) -> impl Iterator<Item = Result<Cpu<'t>, Error<'t>>> + use<'n, 't> {
    tree.below_root("cpus").into_iter().flat_map(|parent| {
        // Read once: the parent may have as many properties as children.
        let shared =
            Shared { width: parent.address_width(), enable_method: parent.string("enable-method") };
        parent.children().filter(is_cpu).map(move |node| cpu(&shared, &node))
    })
}

/// What `/cpus` says for all CPUs.
struct Shared<'t> {
    width: Result<Width, Error<'t>>,
    enable_method: Result<Option<&'t str>, Error<'t>>,
}

fn is_cpu(node: &Node<'_, '_>) -> bool {
    if node.has("device_type") {
        node.says("device_type", "cpu")
    } else {
        node.base_name() == "cpu"
    }
}

fn cpu<'t>(shared: &Shared<'t>, node: &Node<'_, 't>) -> Result<Cpu<'t>, Error<'t>> {
    let width = shared.width?;
    let reg = node.required("reg")?;
    if reg.len() != width.bytes() {
        return Err(node.bad_length("reg", reg, width.expected()));
    }
    let number = width.read(reg);
    let mpidr = u32::try_from(number).ok().filter(|number| *number < 1 << 24);
    let mpidr = mpidr.ok_or(node.bad_value("reg", number))?;
    // The method may be said once for all CPUs.
    let own = node.string("enable-method")?;
    let enable_method = own.map_or(shared.enable_method, |own| Ok(Some(own)))?;
    Ok(Cpu { mpidr, enable_method, status: node.status() })
}

/// The CPUs of a tree that [`check_cpus`] has passed, in the order of the tree.
pub(crate) fn cpus<'n, 't>(tree: &'n Tree<'t>) -> impl Iterator<Item = Cpu<'t>> + use<'n, 't> {
    nodes(tree).filter_map(Result::ok)
}

/// The first `compatible` of the first CPU that has one.
pub(crate) fn cpu_compatible<'t>(tree: &Tree<'t>) -> Option<&'t str> {
    let mut cpus = tree.below_root("cpus")?.children().filter(is_cpu);
    cpus.find_map(|node| node.string("compatible").ok().flatten())
}

/// Holds every CPU node against the rules.
pub(crate) fn check_cpus<'t>(tree: &Tree<'t>) -> Result<(), Error<'t>> {
    nodes(tree).try_for_each(|cpu| cpu.map(drop))?;
    // As ranges of one number each, distinct means disjoint.
    let numbers = || {
        let starts = cpus(tree).map(|cpu| PhysAddr::new(cpu.mpidr.into()));
        starts.map(|start| PhysRange::new(start, start.saturating_add(1)))
    };
    check_disjoint(numbers).map_err(|clash| match clash {
        Clash::Overlap(_, same) => Error::SameCpu { mpidr: same.start().as_u64() },
        Clash::Disorder(limit) => Error::Disorder { what: "CPU numbers", limit },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::blob::Blob;

    fn read(build: impl FnOnce(&mut Blob)) -> Result<Vec<String>, String> {
        let mut blob = Blob::new();
        blob.begin("").begin("cpus").cells("#address-cells", &[1]).cells("#size-cells", &[0]);
        build(&mut blob);
        let mut bytes = blob.end().end().finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        check_cpus(&tree).map_err(|error| error.to_string())?;
        let show = |c: Cpu<'_>| format!("{:#x} {:?} {:?}", c.mpidr, c.enable_method, c.status);
        Ok(cpus(&tree).map(show).collect())
    }

    fn cpu(blob: &mut Blob, reg: &[u32]) {
        blob.begin("cpu@0").text("device_type", "cpu").cells("reg", reg).end();
    }

    #[test]
    fn cpus_have_a_number_a_method_and_a_status() {
        let got = read(|b| {
            b.begin("cpu-map").begin("core0").end().end();
            cpu(b, &[0]);
            b.begin("cpu@101").cells("reg", &[0x101]).text("enable-method", "psci\0spin-table");
            b.text("status", "disabled").end();
            b.begin("other").text("device_type", "cpu").cells("reg", &[1]).end();
        });
        let want = ["0x0 None Okay", "0x101 Some(\"psci\") Disabled", "0x1 None Okay"];
        assert_eq!(got.unwrap(), want);
    }

    #[test]
    fn the_method_may_be_said_once_for_all() {
        let got = read(|b| {
            b.text("enable-method", "psci");
            cpu(b, &[0]);
        });
        assert_eq!(got.unwrap(), ["0x0 Some(\"psci\") Okay"]);
    }

    #[test]
    fn two_cells_hold_a_number_as_well() {
        let mut blob = Blob::new();
        blob.begin("").begin("cpus").cells("#address-cells", &[2]);
        cpu(&mut blob, &[0, 3]);
        let mut bytes = blob.end().end().finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        assert_eq!(check_cpus(&tree), Ok(()));
        assert_eq!(cpus(&tree).next().unwrap().mpidr, 3);
    }

    #[test]
    fn faults_are_named() {
        let fault = |reg: &[u32]| read(|b| cpu(b, reg)).unwrap_err();
        assert_eq!(fault(&[0x0100_0000]), "cpu@0: reg cannot be 0x1000000");
        assert_eq!(fault(&[]), "cpu@0: reg has 0 bytes, expected 4");
        let got = read(|b| [2, 1, 2].iter().for_each(|n| cpu(b, &[*n])));
        assert_eq!(got.unwrap_err(), "two CPUs have the number 0x2");
        let got = read(|b| _ = b.begin("cpu@0").end());
        assert_eq!(got.unwrap_err(), "cpu@0: no reg");
    }
}
