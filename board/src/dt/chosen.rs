//! `/chosen`: what the boot loader tells the kernel, rather than what the machine is.
//!
//! Invariant: an initrd, where there is one, holds at least a byte.

use mm::addr::{PhysAddr, PhysRange};

use super::{Error, Tree, cells::Width, node::Node};

/// The boot loader's words (Devicetree Specification v0.4, 3.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chosen<'t> {
    /// The command line.
    pub bootargs: Option<&'t str>,
    /// The console: a path or an alias, then perhaps `:` and options, as it is written.
    pub stdout_path: Option<&'t str>,
    /// The initial RAM disk.
    pub initrd: Option<PhysRange>,
}

impl<'t> Chosen<'t> {
    /// What follows the colon of `stdout-path`, such as `115200n8`.
    #[must_use]
    pub fn stdout_options(&self) -> Option<&'t str> {
        self.stdout_path?.split_once(':').map(|(_, options)| options)
    }
}

/// Reads `/chosen`; a tree without one has nothing chosen.
pub(crate) fn chosen<'t>(tree: &Tree<'t>) -> Result<Chosen<'t>, Error<'t>> {
    let Some(node) = tree.below_root("chosen") else {
        return Ok(Chosen::default());
    };
    Ok(Chosen {
        bootargs: node.string("bootargs")?,
        stdout_path: node.string("stdout-path")?,
        initrd: initrd(&node)?,
    })
}

/// The initrd's bounds, each of one or two cells by the length of the property: loaders write what
/// they like, whatever the cell counts say.
fn initrd<'t>(node: &Node<'_, 't>) -> Result<Option<PhysRange>, Error<'t>> {
    const START: &str = "linux,initrd-start";
    const END: &str = "linux,initrd-end";
    if !node.has(START) && !node.has(END) {
        return Ok(None);
    }
    let address = |property| {
        let value = node.required(property)?;
        let width = match value.len() {
            4 => Width::One,
            8 => Width::Two,
            _ => return Err(node.bad_length(property, value, "4 or 8")),
        };
        Ok(PhysAddr::new(width.read(value)))
    };
    let (start, end) = (address(START)?, address(END)?);
    if end < start {
        return Err(Error::InitrdReversed { start, end });
    }
    Ok(Some(PhysRange::new(start, end)).filter(|range| !range.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::blob::Blob;

    fn read<R>(
        build: impl FnOnce(&mut Blob),
        look: impl FnOnce(Chosen<'_>) -> R,
    ) -> Result<R, String> {
        let mut blob = Blob::new();
        blob.begin("").begin("chosen");
        build(&mut blob);
        let mut bytes = blob.end().end().finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        chosen(&tree).map(look).map_err(|error| error.to_string())
    }

    #[test]
    fn nothing_chosen_is_nothing() {
        assert_eq!(read(|_| (), |c| c == Chosen::default()), Ok(true));
        let mut bytes = Blob::new().begin("").end().finish();
        assert_eq!(chosen(&Tree::parse(&mut bytes).unwrap()), Ok(Chosen::default()));
    }

    #[test]
    fn bootargs_end_at_the_first_nul_or_the_end() {
        for value in
            [&b"vmalloc=\xc3\xa9\0"[..], b"vmalloc=\xc3\xa9", b"vmalloc=\xc3\xa9\0tail\xff\0"]
        {
            let got = read(|b| _ = b.bytes("bootargs", value), |c| c.bootargs.map(str::to_owned));
            assert_eq!(got.unwrap().as_deref(), Some("vmalloc=é"));
        }
        let got = read(|b| _ = b.bytes("bootargs", b""), |c| c.bootargs == Some(""));
        assert_eq!(got, Ok(true));
    }

    #[test]
    fn bootargs_that_are_not_text_name_the_byte() {
        let got = read(|b| _ = b.bytes("bootargs", b"mem=\xff1\0"), |_| ());
        assert_eq!(got.unwrap_err(), "chosen: bootargs is not UTF-8 at byte 4");
    }

    #[test]
    fn stdout_options_follow_the_colon() {
        let options = |text: &str| {
            read(|b| _ = b.text("stdout-path", text), |c| c.stdout_options().map(str::to_owned))
        };
        assert_eq!(options("serial0:115200n8").unwrap().as_deref(), Some("115200n8"));
        assert_eq!(options("/pl011@9000000").unwrap(), None);
    }

    fn initrd_of(start: Option<&[u32]>, end: Option<&[u32]>) -> Result<Option<PhysRange>, String> {
        read(
            |b| {
                start.inspect(|cells| _ = b.cells("linux,initrd-start", cells));
                end.inspect(|cells| _ = b.cells("linux,initrd-end", cells));
            },
            |c| c.initrd,
        )
    }

    #[test]
    fn initrd_bounds_have_one_cell_or_two() {
        let want = PhysRange::new(PhysAddr::new(0x4800_0000), PhysAddr::new(0x1_0000_0000));
        assert_eq!(initrd_of(Some(&[0x4800_0000]), Some(&[1, 0])), Ok(Some(want)));
        assert_eq!(initrd_of(Some(&[0, 0x4800_0000]), Some(&[1, 0])), Ok(Some(want)));
        assert_eq!(initrd_of(Some(&[7]), Some(&[7])), Ok(None));
        assert_eq!(initrd_of(None, None), Ok(None));
    }

    #[test]
    fn initrd_faults_are_named() {
        assert_eq!(
            initrd_of(Some(&[2]), Some(&[1])).unwrap_err(),
            "chosen: the initrd ends at 0x00000001, before its start at 0x00000002"
        );
        assert_eq!(initrd_of(Some(&[2]), None).unwrap_err(), "chosen: no linux,initrd-end");
        assert_eq!(
            initrd_of(Some(&[1, 2, 3]), Some(&[9])).unwrap_err(),
            "chosen: linux,initrd-start has 12 bytes, expected 4 or 8"
        );
    }
}
