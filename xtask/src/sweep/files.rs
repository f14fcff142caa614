//! What a sweep leaves behind: `results.json` with everything, `results.csv` with a line for each row, `report.html` to
//! look at.
//!
//! Invariant: files are of the whole sweep or of an earlier one, never half of one; a page is not left beside results
//! that it does not show; and the same rows make the same bytes: no time of day, no duration, no path.

use anyhow::{Context as _, Result};
use experiment::answer::Zone;
use experiment::figures::Figures;
use experiment::results::{Results, Row, Verdict};
use serde::Serialize;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::explore::Module;
use crate::image::publish;
use crate::report;

const PAGE: &str = "report.html";

/// Writes the files, the page if there is a `module` for its explorer, and otherwise removes that of an earlier sweep;
/// where they are.
///
/// # Errors
///
/// What the host says of one.
pub fn write_reports(
    folder: &Path,
    results: &Results,
    module: Option<&Module>,
) -> Result<Vec<PathBuf>> {
    let page = module.map(|module| report::page(results, &module.bytes).into_bytes());
    if page.is_none() {
        remove(&folder.join(PAGE))?;
    }
    let page = page.map(|page| (PAGE, page));
    let files = [("results.json", json(results)?), ("results.csv", csv(results)?)];
    let mut paths = Vec::new();
    for (name, bytes) in files.into_iter().chain(page) {
        let path = folder.join(name);
        publish(&path, &bytes)?;
        paths.push(path);
    }
    Ok(paths)
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn json(results: &Results) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(results)?;
    bytes.push(b'\n');
    Ok(bytes)
}

fn csv(results: &Results) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in &results.rows {
        writer.serialize(Line::of(row))?;
    }
    writer.into_inner().context("results.csv")
}

/// A row: what was given, what came of it, and the figures that people compare. Those are the boot's, or the
/// prediction's if nothing booted, which has no managed pages.
#[derive(Serialize)]
struct Line<'a> {
    mem: &'a str,
    cpu: &'a str,
    vmsplit: &'a str,
    vmalloc: Option<&'a str>,
    dma_zone: Option<&'a str>,
    highmem: &'a str,
    command_line: &'a str,
    verdict: &'a str,
    reason: String,
    lowmem_mib: Option<String>,
    highmem_mib: Option<String>,
    lost_mib: Option<String>,
    high_memory: Option<String>,
    vmalloc_start: Option<String>,
    vmalloc_end: Option<String>,
    vmalloc_mib: Option<String>,
    dma_present: Option<u32>,
    dma_managed: Option<u32>,
    normal_present: Option<u32>,
    normal_managed: Option<u32>,
    highmem_present: Option<u32>,
    highmem_managed: Option<u32>,
    warnings: Option<String>,
}

impl<'a> Line<'a> {
    fn of(row: &'a Row) -> Self {
        let answer = row.booted.as_ref().or(row.predicted.as_ref().ok());
        let figures = answer.map(Figures::of);
        let figures = figures.as_ref();
        let layout = answer.map(|answer| &answer.layout);
        let zone = |name| layout.and_then(|layout| layout.zones.get(name));
        let present = |name| zone(name).map(|zone: &Zone| zone.present);
        let managed = |name| zone(name).and_then(|zone: &Zone| zone.managed);
        let given = &row.given;
        Self {
            mem: &given.mem,
            cpu: &given.cpu,
            vmsplit: &given.vmsplit,
            vmalloc: given.vmalloc.as_deref(),
            dma_zone: given.dma_zone.as_deref(),
            highmem: if given.highmem { "on" } else { "off" },
            command_line: &row.configuration.command_line,
            verdict: row.verdict.name(),
            reason: reason(&row.verdict),
            lowmem_mib: figures.map(|figures| mib(figures.lowmem)),
            highmem_mib: figures.map(|figures| mib(figures.highmem)),
            lost_mib: figures.map(|figures| mib(figures.lost)),
            high_memory: layout.map(|layout| layout.high_memory.to_string()),
            vmalloc_start: layout.map(|layout| layout.vmalloc_start.to_string()),
            vmalloc_end: layout.map(|layout| layout.vmalloc_end.to_string()),
            vmalloc_mib: figures.map(|figures| mib(figures.vmalloc)),
            dma_present: present("DMA"),
            dma_managed: managed("DMA"),
            normal_present: present("Normal"),
            normal_managed: managed("Normal"),
            highmem_present: present("HighMem"),
            highmem_managed: managed("HighMem"),
            warnings: layout.map(|layout| layout.warnings.join("; ")),
        }
    }
}

/// MiB, with as many decimals as it takes to be exact.
pub fn mib(bytes: u64) -> String {
    let (whole, rest) = (bytes >> 20, bytes & ((1 << 20) - 1));
    if rest == 0 {
        return whole.to_string();
    }
    // A 2^20th has twenty decimals.
    let decimals = (u128::from(rest) * 10_u128.pow(20)) >> 20;
    format!("{whole}.{decimals:020}").trim_end_matches('0').to_owned()
}

/// Why a row does not agree; empty for one that does.
fn reason(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Predicted | Verdict::Agrees => String::new(),
        Verdict::Differs { differences } => {
            differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
        }
        Verdict::Failed { reason } => reason.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Combination;
    use super::*;

    #[test]
    fn mebibytes_are_exact() {
        for (bytes, text) in [
            (0, "0"),
            (768 << 20, "768"),
            (65537 << 10, "64.0009765625"),
            (1, "0.00000095367431640625"),
            ((1 << 20) - 1, "0.99999904632568359375"),
            (4096, "0.00390625"),
        ] {
            assert_eq!(mib(bytes), text);
        }
    }

    #[test]
    fn a_row_is_a_line_with_its_figures() {
        let reason = "QEMU said: \"no\", twice".to_owned();
        let rows = vec![
            Combination::row_of("1G", Verdict::Agrees),
            Combination::row_of("65537K", Verdict::Failed { reason }),
        ];
        let results = Results { version: 1, kernel: "x".into(), rows };
        let text = String::from_utf8(csv(&results).unwrap()).unwrap();
        assert_eq!(
            text,
            "mem,cpu,vmsplit,vmalloc,dma_zone,highmem,command_line,verdict,reason,lowmem_mib,highmem_mib,lost_mib,\
             high_memory,vmalloc_start,vmalloc_end,vmalloc_mib,dma_present,dma_managed,normal_present,normal_managed,\
             highmem_present,highmem_managed,warnings\n\
             1G,cortex-a15,3g,,,on,,agrees,,768,256,0,0xf0000000,0xf0800000,0xff800000,240,196608,,,,65536,,\n\
             65537K,cortex-a15,3g,,,on,,failed,\"QEMU said: \"\"no\"\", twice\",64.0078125,0,0,0xc4002000,\
             0xc4800000,0xff800000,944,16386,,,,,,\n"
        );
    }

    #[test]
    fn a_page_that_shows_other_results_does_not_stay() {
        let folder = tempfile::tempdir().unwrap();
        let page = folder.path().join(PAGE);
        let results = Results { version: 1, kernel: "x".into(), rows: Vec::new() };
        let module = Module { path: PathBuf::new(), bytes: Vec::new() };
        assert_eq!(write_reports(folder.path(), &results, Some(&module)).unwrap().len(), 3);
        assert!(page.exists());
        assert_eq!(write_reports(folder.path(), &results, None).unwrap().len(), 2);
        assert!(!page.exists());
        write_reports(folder.path(), &results, None).unwrap();
    }

    #[test]
    fn results_are_read_as_they_are_written() {
        let results = Results {
            version: 1,
            kernel: "x".into(),
            rows: vec![Combination::row_of("1G", Verdict::Predicted)],
        };
        let bytes = json(&results).unwrap();
        assert_eq!(serde_json::from_slice::<Results>(&bytes).unwrap(), results);
        assert_eq!(bytes.last(), Some(&b'\n'));
    }
}
