//! What KFENCE says of a mistake, in Linux's form. There are no tasks, and no times but ticks: so who did
//! something is a call site, a CPU and an age.

use core::fmt::{Result, Write};

use crate::addr::VirtAddr;
use crate::kfence::{Access, Corrupted, KfenceReport, SampledObject, What};
use crate::object::guarded::Track;

/// Writes the report. `site` writes an address of code as a name.
///
/// # Errors
///
/// When `out` does.
pub fn write(
    out: &mut dyn Write,
    report: &KfenceReport,
    site: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    writeln!(out, "{:=<66}", "")?;
    write!(out, "{report} in ")?;
    site(out, report.site())?;
    out.write_str("\n\n")?;
    write_what(out, report)?;
    out.write_str(":\n ")?;
    site(out, report.site())?;
    out.write_str("\n\n")?;
    if let Some(object) = &report.object {
        write_object(out, object, report.now, site)?;
    }
    writeln!(out, "{:=<66}", "")
}

/// What happened where, up to the colon.
fn write_what(out: &mut dyn Write, report: &KfenceReport) -> Result {
    let number = report.object.map(|object| object.number);
    match &report.what {
        What::OutOfBounds(Access { at, kind, .. }) => {
            write!(out, "Out-of-bounds {kind} at {at}")?;
            let Some(SampledObject { number, object, .. }) = report.object else { return Ok(()) };
            let (bytes, side) = offset(*at, object);
            write!(out, " ({bytes}B {side} of kfence-#{number})")
        }
        What::UseAfterFree(Access { at, kind, .. }) => {
            write!(out, "Use-after-free {kind} at {at}")?;
            write_in(out, number)
        }
        What::InvalidAccess(Access { at, kind, .. }) => write!(out, "Invalid {kind} at {at}"),
        What::Corruption { bytes: Corrupted { at, bytes }, .. } => {
            write!(out, "Corrupted memory at {at} [")?;
            for byte in bytes {
                match byte {
                    Some(byte) => write!(out, " {byte:#04x}")?,
                    None => out.write_str(" .")?,
                }
            }
            out.write_str(" ]")?;
            write_in(out, number)
        }
        What::InvalidFree { at, .. } => {
            write!(out, "Invalid free of {at}")?;
            write_in(out, number)
        }
    }
}

/// How far an address is from the first byte of an object, and on which side.
fn offset(at: VirtAddr, object: VirtAddr) -> (u32, &'static str) {
    match object.as_u32().checked_sub(at.as_u32()) {
        Some(left @ 1..) => (left, "left"),
        _ => (at.as_u32() - object.as_u32(), "right"),
    }
}

fn write_in(out: &mut dyn Write, number: Option<u32>) -> Result {
    number.map_or(Ok(()), |number| write!(out, " (in kfence-#{number})"))
}

fn write_object(
    out: &mut dyn Write,
    object: &SampledObject,
    now: u32,
    site: &dyn Fn(&mut dyn Write, u32) -> Result,
) -> Result {
    let SampledObject { number, object, size, cache, taken, given } = *object;
    let last = VirtAddr::new(object.as_u32() + size.saturating_sub(1));
    write!(out, "kfence-#{number}: {object}-{last}, size={size}, cache=")?;
    match cache {
        Some(cache) => writeln!(out, "{cache}\n")?,
        None => out.write_str("<destroyed>\n\n")?,
    }
    let mut write_track = |what: &str, Track { site: address, cpu, when }: Track| {
        writeln!(out, "{what} on cpu {cpu} age={}:", now.wrapping_sub(when))?;
        out.write_char(' ')?;
        site(out, address)?;
        out.write_str("\n\n")
    };
    write_track("allocated", taken)?;
    given.map_or(Ok(()), |given| write_track("freed", given))
}

#[cfg(test)]
mod tests {
    use super::super::test_machine::print;
    use super::*;
    use crate::kfence::AccessKind;
    use crate::object::Name;

    const OBJECT: VirtAddr = VirtAddr::new(0xc070_2fc0);

    fn report(what: What, given: Option<Track>) -> String {
        let object = SampledObject {
            number: 7,
            object: OBJECT,
            size: 64,
            cache: Name::new("kmalloc-64").ok(),
            taken: Track { site: 0xc020_1000, cpu: 0, when: 40 },
            given,
        };
        let object = (!matches!(what, What::InvalidAccess(_))).then_some(object);
        let report = KfenceReport { what, object, now: 42 };
        let site = |out: &mut dyn Write, site: u32| write!(out, "[{site:#x}]");
        print(|out| write(out, &report, &site))
    }

    fn access(at: u32, kind: AccessKind) -> Access {
        Access { at: VirtAddr::new(at), kind, site: 0xc020_3000 }
    }

    #[test]
    fn golden() {
        assert_eq!(
            report(What::OutOfBounds(access(0xc070_3000, AccessKind::Read)), None),
            "\
==================================================================
BUG: KFENCE: out-of-bounds read in [0xc0203000]

Out-of-bounds read at 0xc0703000 (64B right of kfence-#7):
 [0xc0203000]

kfence-#7: 0xc0702fc0-0xc0702fff, size=64, cache=kmalloc-64

allocated on cpu 0 age=2:
 [0xc0201000]

==================================================================
"
        );
        let given = Some(Track { site: 0xc020_2000, cpu: 1, when: 41 });
        assert_eq!(
            report(What::UseAfterFree(access(0xc070_2fc8, AccessKind::Write)), given),
            "\
==================================================================
BUG: KFENCE: use-after-free write in [0xc0203000]

Use-after-free write at 0xc0702fc8 (in kfence-#7):
 [0xc0203000]

kfence-#7: 0xc0702fc0-0xc0702fff, size=64, cache=kmalloc-64

allocated on cpu 0 age=2:
 [0xc0201000]

freed on cpu 1 age=1:
 [0xc0202000]

==================================================================
"
        );
    }

    /// The two lines that tell one mistake from another.
    #[test]
    fn what_is_said_of_each_mistake() {
        let site = 0xc020_4000;
        let at = VirtAddr::new(0xc070_2fbe);
        let bytes = Corrupted { at, bytes: [Some(0xac), None, Some(0)].into_iter().collect() };
        let head = |what| {
            let report = report(what, None);
            let lines: Vec<_> = report.lines().map(str::to_owned).collect();
            [lines[1].clone(), lines[3].clone()]
        };
        assert_eq!(
            head(What::OutOfBounds(access(0xc070_1fff, AccessKind::Write))),
            [
                "BUG: KFENCE: out-of-bounds write in [0xc0203000]",
                "Out-of-bounds write at 0xc0701fff (4033B left of kfence-#7):"
            ]
        );
        assert_eq!(
            head(What::Corruption { bytes, site }),
            [
                "BUG: KFENCE: memory corruption in [0xc0204000]",
                "Corrupted memory at 0xc0702fbe [ 0xac . 0x00 ] (in kfence-#7):"
            ]
        );
        assert_eq!(
            head(What::InvalidFree { at, site }),
            [
                "BUG: KFENCE: invalid free in [0xc0204000]",
                "Invalid free of 0xc0702fbe (in kfence-#7):"
            ]
        );
        assert_eq!(
            head(What::InvalidAccess(access(0xc070_0000, AccessKind::Read))),
            ["BUG: KFENCE: invalid read in [0xc0203000]", "Invalid read at 0xc0700000:"]
        );
    }
}
