//! Modules as an initial RAM disk: an archive in cpio's newc form, `NAME.ko` for each.

use anyhow::{Context as _, Result};
use cpio::newc;
use std::io::Write as _;

use super::Module;

/// A regular file that everybody reads.
const MODE: u32 = 0o100_644;

/// The archive, with its trailer. The same modules give the same bytes: no time, no owner.
///
/// # Errors
///
/// A module of 4 GiB, which the form has no number for.
pub fn pack(modules: &[Module]) -> Result<Vec<u8>> {
    let mut archive = Vec::new();
    for (number, module) in (1..).zip(modules) {
        let name = format!("{}.ko", module.name);
        let length = u32::try_from(module.bytes.len()).context(name.clone())?;
        let mut file =
            newc::Builder::new(&name).ino(number).mode(MODE).nlink(1).write(archive, length);
        file.write_all(&module.bytes)?;
        archive = file.finish()?;
    }
    Ok(newc::trailer(archive)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    #[test]
    fn files_come_out_as_they_went_in() {
        let module = |name: &str, bytes: &[u8]| Module { name: name.into(), bytes: bytes.into() };
        let modules = [module("one", b"\x7fELF..."), module("none", b""), module("last", b"5 by.")];
        let archive = pack(&modules).unwrap();
        assert_eq!(archive, pack(&modules).unwrap());
        let mut rest = archive.as_slice();
        for module in &modules {
            let mut file = newc::Reader::new(rest).unwrap();
            assert_eq!(file.entry().name(), format!("{}.ko", module.name));
            assert_eq!(file.entry().mode(), MODE);
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes).unwrap();
            assert_eq!(bytes, module.bytes);
            rest = file.finish().unwrap();
        }
        assert!(newc::Reader::new(rest).unwrap().entry().is_trailer());
    }
}
