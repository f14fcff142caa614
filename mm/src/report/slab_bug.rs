//! What SLUB says of an object whose surroundings somebody has written to.

use core::fmt::{Result, Write};

use crate::addr::VirtAddr;
use crate::object::Name;
use crate::object::guarded::{ObjectState, Overwritten, Track};

/// Bytes in a line of a dump.
const LINE: u32 = 16;
/// The most of an object that is shown: a page, as in Linux.
const MOST: u32 = 4096;

/// Writes the report. `byte` reads memory, `site` writes a return address as a name.
///
/// # Errors
///
/// When `out` does.
pub fn write(
    out: &mut dyn Write,
    cache: &Name,
    overwritten: &Overwritten,
    state: &ObjectState,
    is_isolated: bool,
    byte: &dyn Fn(VirtAddr) -> u8,
    site: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    let Overwritten { what, from, last, found, expected } = *overwritten;
    let ObjectState { object, geometry, slab, objects, used, .. } = *state;
    let offset = |at: VirtAddr| at.as_u32().wrapping_sub(slab.as_u32());
    writeln!(out, "{:=<77}", "")?;
    writeln!(out, "BUG {cache} (Not tainted): {what} overwritten")?;
    writeln!(out, "{:-<77}\n", "")?;
    writeln!(
        out,
        "{from}-{last} @offset={}. First byte {found:#x} instead of {expected:#x}",
        offset(from)
    )?;
    write_track(out, "Allocated", state.taken, state.now, site)?;
    write_track(out, "Freed", state.given, state.now, site)?;
    writeln!(out, "Slab {slab} objects={objects} used={used}")?;
    writeln!(out, "Object {object} @offset={}\n", offset(object))?;
    let at = object.as_u32();
    let size = geometry.object_size;
    let end = at - geometry.left + geometry.stride;
    let tracks_end = end.min(at + geometry.tracks + 2 * crate::object::geometry::TRACK);
    let padding = if state.taken.is_some() { tracks_end } else { at + geometry.tracks };
    for (name, start, end) in [
        ("Redzone", at - geometry.left, at),
        ("Object", at, at + size.min(MOST)),
        ("Redzone", at + size, at + geometry.tracks),
        ("Padding", padding, end),
    ] {
        dump(out, name, start, end, byte)?;
    }
    writeln!(out, "FIX {cache}: Restoring {what} {from}-{last}={expected:#x}")?;
    if is_isolated {
        writeln!(out, "FIX {cache}: Marking all objects used")
    } else {
        writeln!(out, "FIX {cache}: Object at {object} not freed")
    }
}

fn write_track(
    out: &mut dyn Write,
    what: &str,
    track: Option<Track>,
    now: u32,
    site: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    let Some(Track { site: address, cpu, when }) = track else { return Ok(()) };
    write!(out, "{what} in ")?;
    site(out, address)?;
    writeln!(out, " age={} cpu={cpu}", now.wrapping_sub(when))
}

/// Bytes from `start` to `end`, sixteen in a line, with the characters that they are.
fn dump(
    out: &mut dyn Write,
    name: &str,
    start: u32,
    end: u32,
    byte: &dyn Fn(VirtAddr) -> u8,
) -> Result {
    for line in (start..end).step_by(LINE as usize) {
        write!(out, "{name:<8} {line:08x}: ")?;
        let bytes = |from: u32| (from..end.min(from + LINE)).map(|at| byte(VirtAddr::new(at)));
        for value in bytes(line) {
            write!(out, "{value:02x} ")?;
        }
        let missing = (LINE - (end - line).min(LINE)) as usize * 3;
        write!(out, "{:missing$} ", "")?;
        for value in bytes(line) {
            let shown = if value.is_ascii_graphic() || value == b' ' { value as char } else { '.' };
            out.write_char(shown)?;
        }
        out.write_char('\n')?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;
    use crate::object::SlabFlags;
    use crate::object::geometry::Geometry;

    #[test]
    fn golden() {
        let geometry = Geometry::new(20, 0, SlabFlags::DEBUG_DEFAULT, 1).unwrap();
        let object = VirtAddr::new(0xc040_4008);
        let overwritten = Overwritten {
            what: "Right Redzone",
            from: VirtAddr::new(0xc040_401c),
            last: VirtAddr::new(0xc040_401d),
            found: 0x41,
            expected: 0xcc,
        };
        let taken = Track { site: 0xc020_1000, cpu: 0, when: 40 };
        let state = ObjectState {
            object,
            geometry,
            slab: VirtAddr::new(0xc040_4000),
            objects: 56,
            used: 1,
            taken: Some(taken),
            given: None,
            now: 42,
        };
        let byte = |at: VirtAddr| match at.as_u32().wrapping_sub(object.as_u32()) {
            0..20 => b'a',
            20 | 21 => 0x41,
            22..24 => 0xcc,
            _ if at < object => 0xcc,
            _ => 0x5a,
        };
        let name = Name::new("twenty").unwrap();
        let site = |out: &mut dyn Write, site: u32| write!(out, "[{site:#x}]");
        assert_eq!(
            print(|out| write(out, &name, &overwritten, &state, false, &byte, &site)),
            "\
=============================================================================
BUG twenty (Not tainted): Right Redzone overwritten
-----------------------------------------------------------------------------

0xc040401c-0xc040401d @offset=28. First byte 0x41 instead of 0xcc
Allocated in [0xc0201000] age=2 cpu=0
Slab 0xc0404000 objects=56 used=1
Object 0xc0404008 @offset=8

Redzone  c0404000: cc cc cc cc cc cc cc cc                          ........
Object   c0404008: 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61 61  aaaaaaaaaaaaaaaa
Object   c0404018: 61 61 61 61                                      aaaa
Redzone  c040401c: 41 41 cc cc                                      AA..
Padding  c0404040: 5a 5a 5a 5a 5a 5a 5a 5a                          ZZZZZZZZ
FIX twenty: Restoring Right Redzone 0xc040401c-0xc040401d=0xcc
FIX twenty: Object at 0xc0404008 not freed
"
        );
    }
}
