//! Which UART the kernel speaks on.
//!
//! `stdout-path` names it by a path, or by an alias that `/aliases` turns into one. An alias stands
//! for a full path and never for another alias, so it is looked up once, and a loop of aliases is
//! only a console that is not found. The kernel has a driver for the PL011 alone: where
//! `stdout-path` leads to something else, or nowhere, the first PL011 is taken and the choice says
//! so, because a boot that reports on the wrong line is of more use than one that stops in silence.

use mm::addr::PhysRange;

use super::{Chosen, Error, Gic, Interrupt, Tree, place::Place};

/// A PL011 in the tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Uart<'t> {
    /// The node's name with its unit address.
    pub name: &'t str,
    /// Its registers.
    pub registers: PhysRange,
    /// Its interrupt, if it has one at the GIC.
    pub interrupt: Option<Interrupt>,
}

/// Why a console is the one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConsoleChoice<'t> {
    /// `stdout-path` leads to it.
    StdoutPath,
    /// There is no `stdout-path`, and it is the first.
    First,
    /// `stdout-path`, which is this, leads to no enabled PL011, and it is the first. Worth a
    /// warning.
    InsteadOf(&'t str),
}

/// The UART to speak on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Console<'t> {
    /// The device.
    pub uart: Uart<'t>,
    /// How it was found.
    pub choice: ConsoleChoice<'t>,
}

/// Chooses the console; `None` in a tree without an enabled PL011.
pub(crate) fn console<'t>(
    tree: &Tree<'t>,
    chosen: &Chosen<'t>,
    gic: Option<&Gic>,
) -> Result<Option<Console<'t>>, Error<'t>> {
    let mut choice = ConsoleChoice::First;
    if let Some(path) = chosen.stdout_path {
        if let Some(uart) = named(tree, path, gic)? {
            return Ok(Some(Console { uart, choice: ConsoleChoice::StdoutPath }));
        }
        choice = ConsoleChoice::InsteadOf(path);
    }
    let first = tree.search(&mut |place| uart(place, gic).transpose()).transpose()?;
    Ok(first.map(|uart| Console { uart, choice }))
}

/// The PL011 that `stdout_path` leads to.
fn named<'t>(
    tree: &Tree<'t>,
    stdout_path: &str,
    gic: Option<&Gic>,
) -> Result<Option<Uart<'t>>, Error<'t>> {
    let path = stdout_path.split(':').next().unwrap_or_default();
    let (prefix, path) = if path.starts_with('/') {
        ("/", path)
    } else {
        let (alias, rest) = path.split_once('/').unwrap_or((path, ""));
        (aliased(tree, alias).unwrap_or_default(), rest)
    };
    let (Some(root), true) = (tree.root(), prefix.starts_with('/')) else {
        return Ok(None);
    };
    let components = prefix.split('/').chain(path.split('/'));
    let mut components = components.filter(|component| !component.is_empty());
    let found = Place::root(root).descend(&mut components, &mut |place| {
        if place.is_okay() { uart(place, gic) } else { Ok(None) }
    });
    Ok(found.transpose()?.flatten())
}

fn aliased<'t>(tree: &Tree<'t>, alias: &str) -> Option<&'t str> {
    let value = tree.below_root("aliases")?.value(alias)?;
    core::str::from_utf8(value).ok()?.split('\0').next()
}

fn uart<'t>(place: &Place<'_, 't>, gic: Option<&Gic>) -> Result<Option<Uart<'t>>, Error<'t>> {
    if !place.node().is_compatible(&["arm,pl011"]) {
        return Ok(None);
    }
    let (name, registers) = (place.node().name(), place.registers(0)?);
    Ok(Some(Uart { name, registers, interrupt: place.interrupt(gic, 0)? }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dt::{blob::Blob, chosen};

    /// Name, why, and the address of the console in a tree with two PL011 and one other UART.
    fn choose(stdout: Option<&str>, extra: impl FnOnce(&mut Blob)) -> Result<String, String> {
        let mut blob = Blob::new();
        blob.begin("").cells("#address-cells", &[1]).cells("#size-cells", &[1]);
        blob.begin("chosen");
        stdout.inspect(|path| _ = blob.text("stdout-path", path));
        blob.end();
        blob.begin("aliases").text("serial0", "/soc/uart@2000").text("bus", "/soc");
        blob.text("loop", "loop").text("ping", "pong").text("pong", "ping").end();
        blob.begin("uart@1000")
            .text("compatible", "arm,pl011")
            .cells("reg", &[0x1000, 0x1000])
            .end();
        blob.begin("soc").bytes("ranges", &[]).cells("#address-cells", &[1]);
        blob.begin("uart@2000").text("compatible", "arm,pl011\0arm,primecell");
        blob.cells("reg", &[0x2000, 0x1000]).end();
        blob.begin("uart@3000").text("compatible", "ns16550").cells("reg", &[0x3000, 0x1000]).end();
        extra(&mut blob);
        let mut bytes = blob.end().end().finish();
        let tree = Tree::parse(&mut bytes).unwrap();
        let chosen = chosen(&tree).unwrap();
        let console = console(&tree, &chosen, None).map_err(|error| error.to_string())?.unwrap();
        Ok(format!("{} {:?}", console.uart.registers.start(), console.choice))
    }

    #[test]
    fn paths_and_aliases_lead_to_it() {
        for path in [
            "/soc/uart@2000",
            "/soc/uart@2000:115200n8",
            "//soc//uart@2000/",
            "/soc/uart",
            "serial0",
            "serial0:115200n8",
            "bus/uart@2000:9600",
        ] {
            assert_eq!(
                choose(Some(path), |_| ()).as_deref(),
                Ok("0x00002000 StdoutPath"),
                "{path}"
            );
        }
    }

    #[test]
    fn without_a_path_the_first_is_taken() {
        assert_eq!(choose(None, |_| ()).as_deref(), Ok("0x00001000 First"));
    }

    #[test]
    fn a_path_to_nothing_is_told() {
        for path in
            ["/soc/uart@3000", "/soc/uart@9", "/", "", ":", "serial1", "loop", "ping", "uart@2000"]
        {
            let want = format!("0x00001000 InsteadOf({path:?})");
            assert_eq!(choose(Some(path), |_| ()), Ok(want));
        }
    }

    #[test]
    fn a_disabled_uart_is_not_spoken_on() {
        let got = choose(Some("/soc/uart@4000"), |b| {
            b.begin("uart@4000").text("compatible", "arm,pl011").text("status", "disabled").end();
        });
        assert_eq!(got.as_deref(), Ok("0x00001000 InsteadOf(\"/soc/uart@4000\")"));
    }

    #[test]
    fn a_uart_without_registers_is_an_error() {
        let got = choose(Some("/soc/uart@4000"), |b| {
            b.begin("uart@4000").text("compatible", "arm,pl011").end();
        });
        assert_eq!(got.unwrap_err(), "uart@4000: no reg");
    }
}
