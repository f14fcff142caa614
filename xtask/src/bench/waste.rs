//! Bytes that nobody asked for: what each allocator holds for the same objects of mixed sizes.

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use std::io::Write;

use super::guest;
use super::table::plain;
use crate::image::Image;
use crate::note;
use crate::qemu::MemorySize;

/// The moments, by the kernel's word and by what the table says.
const MOMENTS: [(&str, &str); 2] = [("filled", "filled"), ("churned", "replaced")];

/// A line, as the kernel prints it, in bytes.
#[derive(Deserialize)]
struct Line {
    waste: String,
    when: String,
    asked: u32,
    usable: u32,
    held: u32,
}

/// Boots, measures and writes a table: where the bytes are, a row for each allocator.
pub fn write(out: &mut impl Write, image: &Image, memory: MemorySize) -> Result<()> {
    note(format_args!("bench: -m {memory}, waste"));
    let text = guest::boot(image, memory, vec!["bench waste".to_owned()])?;
    let lines = read(&text)?;
    ensure!(!lines.is_empty(), "the kernel printed no figures:\n{text}");
    writeln!(
        out,
        "{} objects of 8 to 8192 bytes, half of them below 64: when all have been taken, and when random\n\
         ones have been replaced, four times as many. KiB of memory held, and of it in percent: asked for;\n\
         rounding inside blocks; free between blocks, and the allocator's books. Of the others only the pages\n\
         count in which a block lies, though they give none back; our slabs without an object count as given\n\
         back as well. The smallest class of kmalloc is a cache line, as devices need it.\n",
        workload::mix::HELD
    )?;
    let header = std::iter::once(String::new()).chain(MOMENTS.iter().flat_map(|(_, says)| {
        ["KiB", "asked", "rounding", "between"].map(|what| format!("{says}\n{what}"))
    }));
    write!(out, "{}", plain(header.collect(), rows(&lines)))?;
    Ok(())
}

fn read(text: &str) -> Result<Vec<Line>> {
    let lines = text.lines().filter_map(|line| line.strip_prefix(guest::PREFIX));
    let mut read = Vec::new();
    for line in lines {
        if !line.starts_with('{') {
            note(format_args!("bench: {line}"));
            continue;
        }
        let line: Line =
            serde_json::from_str(line).with_context(|| format!("the kernel printed {line}"))?;
        ensure!(
            line.asked <= line.usable && line.usable <= line.held,
            "{}: {} bytes were asked for, {} usable, {} held",
            line.waste,
            line.asked,
            line.usable,
            line.held
        );
        read.push(line);
    }
    Ok(read)
}

/// A row for each allocator; dashes where it ran out of memory.
fn rows(lines: &[Line]) -> Vec<Vec<String>> {
    let mut names: Vec<&str> = Vec::new();
    for line in lines {
        if !names.contains(&line.waste.as_str()) {
            names.push(&line.waste);
        }
    }
    let cells = |name: &str, when: &str| {
        let found = lines.iter().find(|line| line.waste == name && line.when == when);
        found.map_or(["-"; 4].map(String::from), |&Line { asked, usable, held, .. }| {
            let part = |bytes: u32| format!("{:.1}", f64::from(bytes) * 100.0 / f64::from(held));
            let kib = held.div_ceil(1024).to_string();
            [kib, part(asked), part(usable - asked), part(held - usable)]
        })
    };
    let row = |&name: &&str| {
        let cells = MOMENTS.iter().flat_map(|(when, _)| cells(name, when));
        std::iter::once(name.to_owned()).chain(cells).collect()
    };
    names.iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_percentages() {
        let text = "vmsplit> bench waste\n\
            bench: {\"waste\":\"a\",\"when\":\"filled\",\"asked\":512,\"usable\":768,\"held\":1024}\n\
            bench: {\"waste\":\"a\",\"when\":\"churned\",\"asked\":500,\"usable\":500,\"held\":2000}\n\
            bench: {\"waste\":\"b\",\"when\":\"filled\",\"asked\":1,\"usable\":2,\"held\":3}\n\
            bench: waste: b ran out of memory\n";
        let rows = rows(&read(text).unwrap());
        assert_eq!(rows[0], ["a", "1", "50.0", "25.0", "25.0", "2", "25.0", "0.0", "75.0"]);
        assert_eq!(rows[1], ["b", "1", "33.3", "33.3", "33.3", "-", "-", "-", "-"]);
        assert_eq!(rows.len(), 2);
    }

    #[test]
    fn a_torn_line_and_bytes_that_do_not_add_up_are_errors() {
        assert!(read("bench: {\"waste\":\"a\",\"when\":\"fil").is_err());
        let wrong =
            "bench: {\"waste\":\"a\",\"when\":\"filled\",\"asked\":3,\"usable\":2,\"held\":4}";
        let error = read(wrong).err().unwrap().to_string();
        assert_eq!(error, "a: 3 bytes were asked for, 2 usable, 4 held");
    }
}
