//! PSCI: how to ask firmware to start a CPU or to switch the machine off.
//!
//! From version 0.2 on the function numbers are fixed by the specification (Arm DEN 0022, section
//! 5.1); only a tree for version 0.1, whose sole `compatible` is `arm,psci`, states them itself.

use super::{Error, Tree, node::Node};

/// The instruction that calls the firmware.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conduit {
    /// `HVC`: firmware, or a hypervisor, in Hyp mode.
    Hvc,
    /// `SMC`: firmware in Monitor mode.
    Smc,
}

/// Numbers of the functions, for r0. `None` is a function that the firmware has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the names are the specification's")]
pub struct Functions {
    pub psci_version: Option<u32>,
    pub cpu_suspend: Option<u32>,
    pub cpu_off: Option<u32>,
    pub cpu_on: Option<u32>,
    pub affinity_info: Option<u32>,
    pub migrate: Option<u32>,
    pub system_off: Option<u32>,
    pub system_reset: Option<u32>,
}

/// The firmware's power interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Psci {
    /// How it is called.
    pub conduit: Conduit,
    /// What can be called.
    pub functions: Functions,
}

impl Psci {
    /// PSCI 0.2 or newer, with the 32-bit function numbers of the specification.
    #[must_use]
    pub const fn standard(conduit: Conduit) -> Self {
        let functions = Functions {
            psci_version: Some(0x8400_0000),
            cpu_suspend: Some(0x8400_0001),
            cpu_off: Some(0x8400_0002),
            cpu_on: Some(0x8400_0003),
            affinity_info: Some(0x8400_0004),
            migrate: Some(0x8400_0005),
            system_off: Some(0x8400_0008),
            system_reset: Some(0x8400_0009),
        };
        Self { conduit, functions }
    }
}

/// Finds the first enabled PSCI node.
pub(crate) fn psci<'t>(tree: &Tree<'t>) -> Result<Option<Psci>, Error<'t>> {
    let found = tree.search(&mut |place| {
        let node = place.node();
        if node.is_compatible(&["arm,psci-1.0", "arm,psci-0.2"]) {
            Some(conduit(node).map(Psci::standard))
        } else if node.is_compatible(&["arm,psci"]) {
            Some(version_0_1(node))
        } else {
            None
        }
    });
    found.transpose()
}

fn conduit<'t>(node: &Node<'_, 't>) -> Result<Conduit, Error<'t>> {
    match node.string("method")? {
        Some("hvc") => Ok(Conduit::Hvc),
        Some("smc") => Ok(Conduit::Smc),
        Some(value) => Err(Error::Word { node: node.name(), property: "method", value }),
        None => Err(Error::Missing { node: node.name(), property: "method" }),
    }
}

fn version_0_1<'t>(node: &Node<'_, 't>) -> Result<Psci, Error<'t>> {
    let functions = Functions {
        psci_version: None,
        cpu_suspend: node.u32("cpu_suspend")?,
        cpu_off: node.u32("cpu_off")?,
        cpu_on: node.u32("cpu_on")?,
        affinity_info: None,
        migrate: node.u32("migrate")?,
        system_off: None,
        system_reset: None,
    };
    Ok(Psci { conduit: conduit(node)?, functions })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::blob::Blob;

    fn read(build: impl FnOnce(&mut Blob)) -> Result<Option<Psci>, String> {
        let mut blob = Blob::new();
        build(blob.begin("").begin("psci"));
        let mut bytes = blob.end().end().finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        psci(&tree).map_err(|error| error.to_string())
    }

    #[test]
    fn from_0_2_on_the_numbers_are_the_specifications() {
        let got = read(|b| {
            b.text("compatible", "arm,psci-0.2\0arm,psci").text("method", "smc");
            b.cells("cpu_on", &[0x9500_0000]);
        });
        assert_eq!(got, Ok(Some(Psci::standard(Conduit::Smc))));
    }

    #[test]
    fn in_0_1_the_tree_states_them() {
        let got = read(|b| {
            b.text("compatible", "arm,psci").text("method", "hvc").cells("cpu_on", &[0x9500_0000]);
        });
        let got = got.unwrap().unwrap();
        assert_eq!(got.conduit, Conduit::Hvc);
        assert_eq!(got.functions.cpu_on, Some(0x9500_0000));
        assert_eq!((got.functions.cpu_off, got.functions.system_off), (None, None));
    }

    #[test]
    fn faults_are_named() {
        let fault = |build: &dyn Fn(&mut Blob)| read(build).unwrap_err();
        assert_eq!(fault(&|b| _ = b.text("compatible", "arm,psci-1.0")), "psci: no method");
        assert_eq!(
            fault(&|b| _ = b.text("compatible", "arm,psci-1.0").text("method", "\u{1b}[2J")),
            "psci: method cannot be \"\\u{1b}[2J\""
        );
        assert_eq!(
            fault(&|b| _ = b.text("compatible", "arm,psci").cells("cpu_on", &[1, 2])),
            "psci: cpu_on has 8 bytes, expected 4"
        );
        assert_eq!(read(|b| _ = b.text("compatible", "arm,psci-2")), Ok(None));
    }
}
