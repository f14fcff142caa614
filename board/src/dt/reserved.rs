//! `/reserved-memory`: what firmware, a device or a later driver keeps for itself.
//!
//! A child with `reg` is fixed where it is; one with only `size` asks for a place, which the kernel
//! chooses (Devicetree Specification v0.4, 3.5). Both say what may be done with the memory:
//! `no-map` keeps it out of the linear map, `reusable` lends it out until it is claimed.
//!
//! The node is required to have the root's cell counts and an empty `ranges`. Its own counts are
//! used here, and a missing `ranges` is forgiven: to honour a reservation is the safe side, where
//! Linux drops all of them with a message. A `ranges` that does say something is refused.

use super::{Error, RangeList, Tree, cells::Cells, node::Node};

/// One child of `/reserved-memory`.
#[derive(Clone, Copy, Debug)]
pub struct ReservedRegion<'t> {
    /// The node's name with its unit address.
    pub name: &'t str,
    /// The kernel must not map it as memory, not even for speculation to reach.
    pub no_map: bool,
    /// The kernel may use it until its owner claims it back.
    pub reusable: bool,
    /// Where it is, or may be.
    pub placement: Placement<'t>,
}

/// Where a reserved region lies.
#[derive(Clone, Copy, Debug)]
pub enum Placement<'t> {
    /// At these places, of which there may be several or none.
    Fixed(RangeList<'t>),
    /// Anywhere that suits.
    Dynamic {
        /// Bytes to set aside.
        size: u64,
        /// A power of two that the start must be a multiple of.
        alignment: Option<u64>,
        /// The region has to lie within one of these; `None` leaves all memory open.
        within: Option<RangeList<'t>>,
    },
}

fn regions<'n, 't>(
    tree: &'n Tree<'t>,
) -> impl Iterator<Item = Result<ReservedRegion<'t>, Error<'t>>> + use<'n, 't> {
    tree.below_root("reserved-memory").into_iter().flat_map(|parent| {
        let nodes = parent.children().filter(Node::is_okay);
        // Read once: the parent may have as many properties as children.
        let cells = cells_below(&parent);
        nodes.map(move |node| region(cells?, &node))
    })
}

/// How the addresses of `/reserved-memory` are written, which are the CPU's.
fn cells_below<'t>(parent: &Node<'_, 't>) -> Result<Cells, Error<'t>> {
    let ranges = parent.value("ranges").unwrap_or_default();
    if !ranges.is_empty() {
        return Err(parent.bad_length("ranges", ranges, "none"));
    }
    parent.cells()
}

fn region<'t>(cells: Cells, node: &Node<'_, 't>) -> Result<ReservedRegion<'t>, Error<'t>> {
    let placement = match node.value("reg") {
        Some(reg) => Placement::Fixed(node.range_list("reg", reg, cells)?),
        None => {
            let number = |property| match node.value(property) {
                Some(value) if value.len() == cells.size.bytes() => {
                    Ok(Some(cells.size.read(value)))
                }
                Some(value) => Err(node.bad_length(property, value, cells.size.expected())),
                None => Ok(None),
            };
            let missing = Error::Missing { node: node.name(), property: "reg or size" };
            let alignment = number("alignment")?;
            if let Some(bad) = alignment.filter(|alignment| !alignment.is_power_of_two()) {
                return Err(node.bad_value("alignment", bad));
            }
            const WITHIN: &str = "alloc-ranges";
            let within = node.value(WITHIN).map(|list| node.range_list(WITHIN, list, cells));
            let size = number("size")?.ok_or(missing)?;
            Placement::Dynamic { size, alignment, within: within.transpose()? }
        }
    };
    let (no_map, reusable) = (node.has("no-map"), node.has("reusable"));
    if no_map && reusable {
        return Err(Error::NoMapReusable { node: node.name() });
    }
    Ok(ReservedRegion { name: node.name(), no_map, reusable, placement })
}

/// The regions of a tree that [`check_reserved_regions`] has passed.
pub(crate) fn reserved_regions<'n, 't>(
    tree: &'n Tree<'t>,
) -> impl Iterator<Item = ReservedRegion<'t>> + use<'n, 't> {
    regions(tree).filter_map(Result::ok)
}

/// Holds every child of `/reserved-memory` against the rules.
pub(crate) fn check_reserved_regions<'t>(tree: &Tree<'t>) -> Result<(), Error<'t>> {
    regions(tree).try_for_each(|region| region.map(drop))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::blob::Blob;

    fn read(build: impl FnOnce(&mut Blob)) -> Result<Vec<String>, String> {
        let mut blob = Blob::new();
        blob.begin("").begin("reserved-memory");
        blob.cells("#address-cells", &[2]).cells("#size-cells", &[2]);
        build(&mut blob);
        let mut bytes = blob.end().end().finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        check_reserved_regions(&tree).map_err(|error| error.to_string())?;
        Ok(reserved_regions(&tree).map(|region| describe(&region)).collect())
    }

    fn describe(region: &ReservedRegion<'_>) -> String {
        let list = |list: RangeList<'_>| list.iter().map(|r| r.to_string()).collect::<Vec<_>>();
        let place = match region.placement {
            Placement::Fixed(at) => format!("at {:?}", list(at)),
            Placement::Dynamic { size, alignment, within } => {
                format!("{size:#x} aligned {alignment:?} within {:?}", within.map(list))
            }
        };
        let ReservedRegion { name, no_map, reusable, .. } = region;
        format!("{name} no_map={no_map} reusable={reusable} {place}")
    }

    #[test]
    fn fixed_regions_may_have_several_ranges() {
        let got = read(|b| {
            b.bytes("ranges", &[]);
            b.begin("fw@50000000").cells("reg", &[0, 0x5000_0000, 0, 0x1000, 1, 0, 0, 0x2000]);
            b.bytes("no-map", &[]).end();
            b.begin("off").cells("reg", &[0, 0, 0, 1]).text("status", "disabled").end();
        });
        let want = "fw@50000000 no_map=true reusable=false at [\"[0x50000000-0x50000fff]\", \
                    \"[0x100000000-0x100001fff]\"]";
        assert_eq!(got.unwrap(), [want]);
    }

    #[test]
    fn dynamic_regions_say_what_they_need() {
        let got = read(|b| {
            b.begin("cma").cells("size", &[0, 0x100_0000]).cells("alignment", &[0, 0x2000]);
            b.cells("alloc-ranges", &[0, 0x4000_0000, 1, 0]).bytes("reusable", &[]).end();
            b.begin("any").cells("size", &[1, 0]).end();
        });
        let want = [
            "cma no_map=false reusable=true 0x1000000 aligned Some(8192) \
             within Some([\"[0x40000000-0x13fffffff]\"])",
            "any no_map=false reusable=false 0x100000000 aligned None within None",
        ];
        assert_eq!(got.unwrap(), want);
    }

    #[test]
    fn a_fixed_place_wins_over_a_size() {
        let got = read(|b| _ = b.begin("x").cells("size", &[9]).cells("reg", &[0, 1, 0, 1]).end());
        assert!(got.unwrap()[0].contains("at ["));
    }

    #[test]
    fn faults_are_named() {
        let fault = |build: &dyn Fn(&mut Blob)| read(build).unwrap_err();
        assert_eq!(fault(&|b| _ = b.begin("x").end()), "x: no reg or size");
        assert_eq!(
            fault(&|b| _ = b.begin("x").cells("size", &[1]).end()),
            "x: size has 4 bytes, expected 8"
        );
        assert_eq!(
            fault(&|b| _ = b.begin("x").cells("size", &[0, 1]).cells("alignment", &[0, 3]).end()),
            "x: alignment cannot be 0x3"
        );
        assert_eq!(
            fault(&|b| _ = b.begin("x").cells("reg", &[u32::MAX, u32::MAX, 0, 1]).end()),
            "x: reg: 0x1 bytes at 0xffffffffffffffff wrap around the end of 64 bits"
        );
        assert_eq!(
            fault(&|b| {
                b.begin("x")
                    .cells("reg", &[0; 4])
                    .bytes("no-map", &[])
                    .bytes("reusable", &[])
                    .end();
            }),
            "x: both no-map and reusable"
        );
        assert_eq!(
            fault(&|b| _ = b.cells("ranges", &[0; 6]).begin("x").cells("reg", &[0; 4]).end()),
            "reserved-memory: ranges has 24 bytes, expected none"
        );
    }
}
