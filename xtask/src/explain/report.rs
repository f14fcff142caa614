//! The text: from the command line down to a boot loader's addresses.
//!
//! Layout, zones and account are the kernel's own writers'. What is added here comes last, where a terminal shows it:
//! warnings with what to do about them, the smallest change, the addresses.

use std::fmt::{Display, Result, Write};

use experiment::rehearse::Rehearsal;
use mm::addr::MIB;
use mm::boot::memblock::Region;
use mm::report::explain::{self, Live, VmallocRoom};
use mm::report::layout::{Observed, write_table};
use mm::report::zone_ranges;

use super::Explained;
use super::load::LoadAddresses;
use super::subject::Subject;
use super::suggest::{Goal, Suggestion};

/// No line is wider.
const WIDTH: usize = 99;

/// Writes all of it.
pub fn write(
    out: &mut String,
    subject: &Subject,
    boot: &Rehearsal<'_, '_>,
    explained: &Explained,
    room: VmallocRoom,
    scratch: &mut [Region],
) -> Result {
    for note in &subject.notes {
        paragraph(out, "", note)?;
    }
    for (from, to) in &boot.moved {
        writeln!(out, "moved by the kernel: {from} to {to}")?;
    }
    let situation = &boot.situation;
    writeln!(out)?;
    write_table(out, &Observed::predicted(situation.layout))?;
    zone_ranges::write(out, &situation.layout.zones, situation.memblock)?;
    writeln!(out)?;
    let live = Live { vmalloc: Some(room), zones: None };
    explain::write(out, situation, live, scratch)?;
    writeln!(
        out,
        "What boot takes is counted as boot takes it; the image is one piece (padding), with its .init."
    )?;
    write_suggestions(out, explained)?;
    write_addresses(out, &explained.load_addresses)?;
    write_warnings(out, explained)
}

fn write_suggestions(out: &mut String, explained: &Explained) -> Result {
    let Some(what_if) = &explained.answer.account.what_if else { return Ok(()) };
    let now = &what_if.now;
    if now.highmem + now.lost + now.limit_page == 0 {
        return writeln!(
            out,
            "\nAll RAM that can be mapped is lowmem: nothing has to change for that."
        );
    }
    writeln!(out, "\nThe smallest changes, each tried:")?;
    let is_all = |one: &&Suggestion| one.goal == Goal::AllLowmem;
    if !explained.suggestions.iter().any(|one| is_all(&one)) {
        writeln!(out, "  no vmalloc= and no split makes all RAM lowmem")?;
    }
    for one in &explained.suggestions {
        let (change, result) = (&one.change, &one.result);
        let what = match one.goal {
            Goal::AllLowmem => format!("makes all {} lowmem", mib(result.lowmem)),
            Goal::AllUsed => {
                let (lowmem, highmem) = (mib(result.lowmem), mib(result.highmem));
                format!("uses all RAM: {lowmem} lowmem, {highmem} HighMem")
            }
        };
        writeln!(out, "  {change} {what};")?;
        let user = match one.user_less {
            0 => "nothing from programs".to_owned(),
            bytes => format!("{} from programs ({} left)", mib(bytes), mib(result.user)),
        };
        let left = mib(result.vmalloc);
        let vmalloc = match one.vmalloc_less {
            0 => format!("vmalloc keeps its {left}"),
            less @ 1.. => format!("{} from vmalloc ({left} left)", mib(less.unsigned_abs())),
            more => format!("vmalloc gets {} more ({left})", mib(more.unsigned_abs())),
        };
        writeln!(out, "    it takes {user}; {vmalloc}")?;
    }
    if explained
        .suggestions
        .iter()
        .any(|one| one.configuration.split != explained.configuration.split)
    {
        paragraph(
            out,
            "  ",
            "Another split is another kernel, and modules built for it; programs that need more than is left \
             to them, and modules built before, do not run.",
        )?;
    }
    Ok(())
}

fn write_addresses(out: &mut String, found: &LoadAddresses) -> Result {
    let kib = found.image_bytes >> 10;
    writeln!(
        out,
        "\nSafe addresses for a boot loader, as U-Boot's variables; {kib} KiB of image:"
    )?;
    writeln!(out, "  setenv kernel_addr_r  {}", found.kernel)?;
    let rest = [
        ("fdt_addr_r", found.fdt),
        ("ramdisk_addr_r", found.ramdisk),
        ("fdt_high", found.fdt_high),
        ("initrd_high", found.initrd_high),
    ];
    for (name, address) in rest {
        if let Some(address) = address {
            writeln!(out, "  setenv {name:<14} {address}")?;
        }
    }
    match (&found.safe, found.fdt) {
        (Some(_), Some(_)) if found.always => {
            writeln!(
                out,
                "  They hold with any vmalloc= and any split; up to fdt_high nothing is in the way."
            )
        }
        (Some(_), Some(_)) => {
            writeln!(out, "  They hold with this split, and with this vmalloc= or a smaller one.")
        }
        _ => writeln!(out, "  nothing of lowmem is left for a device tree and an initrd"),
    }
}

fn write_warnings(out: &mut String, explained: &Explained) -> Result {
    if explained.warnings.is_empty() {
        return writeln!(out, "\nNo warnings.");
    }
    writeln!(out, "\nWarnings, and what to do:")?;
    for one in &explained.warnings {
        paragraph(out, "  ", &one.text)?;
        paragraph(out, "    ", &one.remedy)?;
    }
    Ok(())
}

/// Writes `text` in lines of at most [`WIDTH`], each behind `indent`. Longer words are left whole.
pub fn paragraph(out: &mut String, indent: &str, text: &str) -> Result {
    let mut used = 0;
    for word in text.split(' ') {
        let len = word.chars().count();
        if used == 0 {
            write!(out, "{indent}")?;
            used = indent.len();
        } else if used + 1 + len > WIDTH {
            write!(out, "\n{indent}")?;
            used = indent.len();
        } else {
            out.push(' ');
            used += 1;
        }
        write!(out, "{word}")?;
        used += len;
    }
    writeln!(out)
}

/// The text with every control character written out but the ends of lines: what a tree or a command line says must not
/// reach a terminal as an order.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() && c != '\n' { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Bytes in MiB, with a fraction where there is one.
pub fn mib(bytes: u64) -> impl Display {
    if bytes.is_multiple_of(MIB) {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{}.{:03} MiB", bytes / MIB, bytes % MIB * 1000 / MIB)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paragraphs_are_broken_between_words() {
        let mut text = String::new();
        paragraph(&mut text, "    ", &"word ".repeat(50)).unwrap();
        paragraph(&mut text, "", &"x".repeat(150)).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("    word") && lines[0].len() <= WIDTH, "{text}");
        assert_eq!(lines.last().unwrap().len(), 150);
        assert_eq!(lines.len(), 4);
    }

    #[test]
    fn control_characters_are_written_out() {
        assert_eq!(printable("a\x1b[2J\r\n\u{9b}1m\u{e9}"), "a\\u{1b}[2J\\r\n\\u{9b}1m\u{e9}");
    }

    #[test]
    fn sizes_are_mib_to_the_kib() {
        assert_eq!(mib(3 * MIB).to_string(), "3 MiB");
        assert_eq!(mib(MIB + MIB / 2).to_string(), "1.500 MiB");
    }
}
