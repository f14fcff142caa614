//! A small sweep: predictions of the kernel's own rules, a row whose boot differs, a row that failed.

use experiment::answer::Answer;
use experiment::compare::differences;
use experiment::configuration::{Configuration, Shorthands};
use experiment::machine::Machine;
use experiment::predict::predict;
use experiment::results::{Given, Results, Row, VERSION, Verdict};
use mm::boot::split::Split;
use mm::param::read_size;

/// RAM, split, `vmalloc=`, `dma_zone=`, HighMem.
type Values = (&'static str, &'static str, Option<&'static str>, Option<&'static str>, bool);

const ROWS: [Values; 12] = [
    ("256M", "3g", None, None, true),
    ("1G", "3g", None, None, true),
    ("1G", "3g", Some("16M"), None, true),
    ("1G", "3g", Some("960M"), None, true),
    ("1G", "3g", None, None, false),
    ("2G", "3g", Some("1M"), Some("32M"), true),
    ("2G", "3g", Some("960M"), Some("32M"), false),
    ("1G", "2g", None, None, true),
    ("2G", "2g", None, Some("32M"), true),
    ("3G", "1g", Some("16M"), None, true),
    ("1G", "3g-opt", None, None, true),
    ("16M", "3g", Some("240M"), None, true),
];

/// The number of the row whose boot differs.
pub const DIFFERS: usize = 9;
/// The number of the row that failed.
pub const FAILED: usize = 12;
/// Why it did. A page that takes it for markup is wrong.
pub const REASON: &str = "kernel stopped:\n<b>no usable memory</b> lies below the lowmem limit";

/// Bytes of a size as options have it.
pub fn bytes(text: &str) -> u64 {
    read_size(text).bytes
}

/// The sweep.
pub fn results() -> Results {
    let rows = ROWS.iter().enumerate().map(|(index, values)| row(index + 1, *values)).collect();
    Results { version: VERSION, kernel: "vmsplit 0.1.0, Cortex-A15, a sample".to_owned(), rows }
}

fn row(number: usize, (mem, split, vmalloc, dma_zone, highmem): Values) -> Row {
    let machine = Machine::virt(bytes(mem));
    let short = Shorthands { vmalloc, dma_zone, no_highmem: !highmem };
    let configuration = Configuration::new(Split::from_name(split).unwrap(), "", short);
    let predicted = predict(&machine, &configuration).map_err(|error| error.to_string());
    let (predicted, booted, verdict) = match number {
        FAILED => (Err("a sample".to_owned()), None, Verdict::Failed { reason: REASON.to_owned() }),
        DIFFERS => {
            let predicted = predicted.unwrap();
            let booted = shifted(&predicted);
            let differences = differences(&value(&predicted), &value(&booted));
            (Ok(predicted), Some(booted), Verdict::Differs { differences })
        }
        _ if number.is_multiple_of(2) => (predicted, None, Verdict::Predicted),
        _ => (predicted.clone(), predicted.ok(), Verdict::Agrees),
    };
    let owned = |value: Option<&str>| value.map(str::to_owned);
    let given = Given {
        mem: mem.to_owned(),
        cpu: if number.is_multiple_of(5) { "cortex-a7" } else { "cortex-a15" }.to_owned(),
        vmsplit: split.to_owned(),
        vmalloc: owned(vmalloc),
        dma_zone: owned(dma_zone),
        highmem,
    };
    Row { given, machine, configuration, predicted, booted, verdict }
}

/// An answer as JSON.
pub fn value(answer: &Answer) -> serde_json::Value {
    serde_json::to_value(answer).unwrap()
}

/// What a kernel with one shifted mapping would read back.
fn shifted(answer: &Answer) -> Answer {
    let mut shifted = answer.clone();
    shifted.layout.vmalloc_start.0 += 1 << 20;
    for region in &mut shifted.layout.regions {
        if region.name == "vmalloc" {
            region.start.0 += 1 << 20;
        }
    }
    shifted
}
