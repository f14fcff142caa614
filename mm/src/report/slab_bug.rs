//! What SLUB says of an object that somebody wrote over, or gave back and did not have.

use core::fmt::{Result, Write};

use crate::addr::VirtAddr;
use crate::object::Name;
use crate::object::guarded::{Fault, LiveObject, ObjectState, Overwritten, Track};

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
    fault: &Fault,
    state: &ObjectState,
    byte: &dyn Fn(VirtAddr) -> u8,
    site: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    let ObjectState { object, geometry, slab, objects, used, .. } = *state;
    let offset = |at: VirtAddr| at.as_u32().wrapping_sub(slab.as_u32());
    writeln!(out, "{:=<77}", "")?;
    writeln!(out, "BUG {cache} (Not tainted): {fault}")?;
    writeln!(out, "{:-<77}\n", "")?;
    if let Fault::Overwritten { bytes, .. } = fault {
        let Overwritten { from, last, found, expected, .. } = *bytes;
        writeln!(
            out,
            "{from}-{last} @offset={}. First byte {found:#x} instead of {expected:#x}",
            offset(from)
        )?;
    }
    write_track(out, "Allocated", state.taken, state.now, site)?;
    write_track(out, "Freed", state.given, state.now, site)?;
    writeln!(out, "Slab {slab} objects={objects} used={used}")?;
    writeln!(out, "Object {object} @offset={}\n", offset(object))?;
    let at = object.as_u32();
    let size = geometry.object_size;
    let end = at - geometry.left + geometry.stride;
    for (name, start, end) in [
        ("Redzone", at - geometry.left, at),
        ("Object", at, at + size.min(MOST)),
        ("Redzone", at + size, at + geometry.tracks),
        ("Padding", at + state.padding, end),
    ] {
        dump(out, name, start, end, byte)?;
    }
    let mut not_freed = object;
    match *fault {
        Fault::Overwritten { bytes, is_isolated } => {
            let Overwritten { what, from, last, expected, .. } = bytes;
            writeln!(out, "FIX {cache}: Restoring {what} {from}-{last}={expected:#x}")?;
            if is_isolated {
                return writeln!(out, "FIX {cache}: Marking all objects used");
            }
        }
        Fault::NoObject { at } => not_freed = at,
        Fault::AlreadyFree | Fault::InPool => {}
    }
    writeln!(out, "FIX {cache}: Object at {not_freed} not freed")
}

/// Writes the objects that keep a cache from being destroyed: these, of so many.
///
/// # Errors
///
/// When `out` does.
pub fn write_live(
    out: &mut dyn Write,
    live: &[LiveObject],
    objects: u32,
    now: u32,
    site: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    for LiveObject { object, taken } in live {
        writeln!(out, "Object {object}")?;
        write_track(out, "Allocated", *taken, now, site)?;
    }
    match objects.saturating_sub(live.len() as u32) {
        0 => Ok(()),
        more => writeln!(out, "and {more} more"),
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
    use crate::object::geometry::{Geometry, TRACK};

    const OBJECT: VirtAddr = VirtAddr::new(0xc040_4008);

    /// The report of an object of 20 bytes `a`, with two bytes `A` behind them.
    fn report(fault: Fault, given: Option<Track>) -> String {
        let geometry = Geometry::new(20, 0, SlabFlags::DEBUG_DEFAULT, 1).unwrap();
        let state = ObjectState {
            object: OBJECT,
            geometry,
            padding: geometry.tracks + 2 * TRACK,
            slab: VirtAddr::new(0xc040_4000),
            objects: 56,
            used: 1,
            taken: Some(Track { site: 0xc020_1000, cpu: 0, when: 40 }),
            given,
            now: 42,
        };
        let byte = |at: VirtAddr| match at.as_u32().wrapping_sub(OBJECT.as_u32()) {
            0..20 => b'a',
            20 | 21 => 0x41,
            22..24 => 0xcc,
            _ if at < OBJECT => 0xcc,
            _ => 0x5a,
        };
        let name = Name::new("twenty").unwrap();
        let site = |out: &mut dyn Write, site: u32| write!(out, "[{site:#x}]");
        print(|out| write(out, &name, &fault, &state, &byte, &site))
    }

    #[test]
    fn golden() {
        let bytes = Overwritten {
            what: "Right Redzone",
            from: VirtAddr::new(0xc040_401c),
            last: VirtAddr::new(0xc040_401d),
            found: 0x41,
            expected: 0xcc,
        };
        assert_eq!(
            report(Fault::Overwritten { bytes, is_isolated: false }, None),
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

    #[test]
    fn live_objects() {
        let taken = Some(Track { site: 0xc020_1000, cpu: 0, when: 40 });
        let live = [taken, None].map(|taken| LiveObject { object: OBJECT, taken });
        let site = |out: &mut dyn Write, site: u32| write!(out, "[{site:#x}]");
        let report = |objects| print(|out| write_live(out, &live, objects, 42, &site));
        let two = "\
Object 0xc0404008
Allocated in [0xc0201000] age=2 cpu=0
Object 0xc0404008
";
        assert_eq!(report(2), two);
        assert_eq!(report(5), format!("{two}and 3 more\n"));
    }

    /// Who gave it back first is said, and the address that was given back is the one that is not freed.
    #[test]
    fn wrong_frees() {
        let given = Some(Track { site: 0xc020_2000, cpu: 0, when: 41 });
        let report = |fault| report(fault, given);
        let at = VirtAddr::new(0xc040_400c);
        for (fault, reason, not_freed) in [
            (Fault::AlreadyFree, "Object already free", OBJECT),
            (Fault::InPool, "Object is in a pool", OBJECT),
            (Fault::NoObject { at }, "Invalid object pointer 0xc040400c", at),
        ] {
            let report = report(fault);
            let head: Vec<_> = report.lines().skip(1).take(7).collect();
            assert_eq!(head[0], format!("BUG twenty (Not tainted): {reason}"));
            assert_eq!(
                head[3..],
                [
                    "Allocated in [0xc0201000] age=2 cpu=0",
                    "Freed in [0xc0202000] age=1 cpu=0",
                    "Slab 0xc0404000 objects=56 used=1",
                    "Object 0xc0404008 @offset=8",
                ]
            );
            let fix: Vec<_> = report.lines().filter(|line| line.starts_with("FIX")).collect();
            assert_eq!(fix, [format!("FIX twenty: Object at {not_freed} not freed")]);
        }
    }
}
