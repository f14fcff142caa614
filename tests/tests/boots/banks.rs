//! Memory that is really there, in banks that are not QEMU's: the tree says what of QEMU's RAM is
//! memory, and is handed over as it is.

use serde_json::Value;
use tests::predict::Machine;

use crate::images::images;
use crate::read_back::{assert_same, predicted};
use crate::run::{Run, run};
use crate::source::Source;

const MIB: u64 = 1 << 20;

/// The bytes from `start` to `end` of the banks that a tree names.
type Bank = (u64, u64);

/// Boots the image at `load` of 1 GiB of RAM with a tree of `banks`.
fn boot(name: &str, banks: &[Bank], load: &str, chosen: &str, commands: &str) -> Run {
    let sizes: Vec<_> = banks.iter().map(|&(start, end)| (start, end - start)).collect();
    let dtb = Source::virt().banks(&sizes).chosen(chosen).compile(name);
    let options = ["-m", "1G", "--load", load, "--dtb-raw", dtb.to_str().unwrap()];
    run(&options, commands)
}

pub fn ram_at_0x60000000() {
    let banks = [(0x6000_0000, 0x8000_0000)];
    for load in ["0x60000000", "0x60010000", "0x60200000", "0x6f003000"] {
        let run = boot("at-0x60000000", &banks, load, "", "layout --json; iomem");
        run.expect_status(0);
        let (seen, expected) = (run.layout(), predicted(&Machine::with_banks(&banks, "")));
        assert_same(&seen, &expected);
        assert_eq!(seen["phys_offset"], "0x60000000");
        run.expect(&["60000000-7fffffff : System RAM\n  60200000-"]);
    }
}

/// `PHYS_OFFSET` is the bank's start rounded down to 2 MiB, where there is no memory.
pub fn bank_off_a_2_mib_boundary() {
    let banks = [(0x6010_0000, 0x7010_0000)];
    for load in ["0x60100000", "0x60308000", "0x60200000"] {
        let run = boot("off-2m", &banks, load, "", "layout --json; memblock");
        run.expect_status(0);
        let seen = run.layout();
        assert_same(&seen, &predicted(&Machine::with_banks(&banks, "")));
        assert_eq!(seen["phys_offset"], "0x60000000");
        run.expect(&["memory[0x0]\t[0x60100000-0x700fffff]"]);
    }
}

/// The bank that the image is in decides. The one below it can not be mapped.
pub fn ram_below_phys_offset() {
    let banks = [(0x4000_0000, 0x5000_0000), (0x6000_0000, 0x7000_0000)];
    let run = boot("below", &banks, "0x60010000", "", "layout --json");
    run.expect_status(0);
    run.expect(&[
        "OF: fdt: Ignoring memory block 0x40000000 - 0x50000000 (below PHYS_OFFSET, where the \
         kernel's own bank starts)",
    ]);
    // The prediction takes the first bank for the kernel's.
    let kernels_first = [banks[1], banks[0]];
    assert_same(&run.layout(), &predicted(&Machine::with_banks(&kernels_first, "")));
}

/// The kernel's own bank is not the tree's first, and lies below the others.
pub fn banks_in_no_order() {
    let banks =
        [(0x7000_0000, 0x8000_0000), (0x4000_0000, 0x4800_0000), (0x5000_0000, 0x5800_0000)];
    let run = boot("no-order", &banks, "0x40010000", "", "layout --json");
    run.expect_status(0);
    let kernels_first = [banks[1], banks[0], banks[2]];
    assert_same(&run.layout(), &predicted(&Machine::with_banks(&kernels_first, "")));
}

/// The blocks of 4 MiB that `alloc 10 ZONE` gave, by their addresses, and whether it ran dry.
fn blocks(run: &Run, zone: &str) -> (Vec<u64>, bool) {
    let echo = format!("vmsplit> alloc 10 {zone}\n");
    let answers = run.text.split(&echo).skip(1);
    let mut blocks = Vec::new();
    for answer in answers {
        let line = answer.lines().next().unwrap();
        match line.rsplit_once(" pages at 0x") {
            Some((_, at)) => {
                let digits = at.split(',').next().unwrap();
                blocks.push(u64::from_str_radix(digits, 16).unwrap());
            }
            None => {
                assert!(line.starts_with("error: "), "{line}");
                return (blocks, true);
            }
        }
    }
    (blocks, false)
}

/// Five banks with holes between them. Every block of each is handed out, and none of a hole.
pub fn banks_with_holes() {
    let banks = [
        (0x4000_0000, 0x4200_0000),
        (0x4400_0000, 0x4600_0000),
        (0x5000_0000, 0x5100_0000),
        (0x6000_0000, 0x6400_0000),
        (0x7800_0000, 0x7a00_0000),
    ];
    let commands = ["alloc 10 DMA"; 40].into_iter().chain(["alloc 10 HighMem"; 10]);
    let commands: Vec<_> = ["layout --json"].into_iter().chain(commands).collect();
    let run = boot("holes", &banks, "0x40010000", "", &commands.join(";"));
    // The last allocations fail, as they should.
    run.expect_status(1);
    assert_same(&run.layout(), &predicted(&Machine::with_banks(&banks, "")));
    let (mut taken, dma_is_dry) = blocks(&run, "DMA");
    let (high, high_is_dry) = blocks(&run, "HighMem");
    assert!(dma_is_dry && high_is_dry, "not all was taken:\n{}", run.text);
    assert!(high.iter().all(|block| (banks[4].0..banks[4].1).contains(block)), "{high:x?}");
    taken.extend(high);
    taken.sort_unstable();
    assert!(taken.windows(2).all(|pair| pair[0] + 4 * MIB <= pair[1]), "{taken:x?}");
    let image_end = 2 * MIB + images("3g").1.metadata().unwrap().len();
    for (index, (start, end)) in banks.into_iter().enumerate() {
        let inside = taken.iter().filter(|block| (start..end).contains(block)).count() as u64;
        // The image is in the first, and so is what boot takes low; page tables and the page array in the last of lowmem.
        let all = (end - start) / (4 * MIB);
        let in_use = [image_end.div_ceil(4 * MIB) + 1, 0, 0, 2, 0][index];
        assert!((all - in_use..=all).contains(&inside), "{inside} blocks of bank {index}");
        taken.retain(|block| !(start..end).contains(block));
    }
    assert!(taken.is_empty(), "blocks in no bank: {taken:x?}");
}

/// Lowmem is 32 MiB, and the tree lies above it: where QEMU puts it, and at the end of memory.
pub fn tree_in_highmem() {
    let expected = |seen: &Value| {
        assert_same(seen, &predicted(&Machine::virt(1024, "vmalloc=976M")));
    };
    let own = run(&["--image", "raw", "--append", "vmalloc=976M"], "layout --json; memblock");
    own.expect_status(0);
    own.expect(&["reserved[0x", "[0x48000000-0x480fffff]"]);
    expected(&own.layout());

    let dtb = Source::virt().chosen("bootargs = \"vmalloc=976M\";").compile("tree-in-highmem");
    for at in ["0x42400000", "0x7ff00000", "0x7fffc003"] {
        let options = ["--dtb-raw", dtb.to_str().unwrap(), "--dtb-at", at];
        let run = run(&options, "layout --json; memblock");
        run.expect_status(0);
        run.expect(&["reserved[0x", &format!("[{at}-")]);
        expected(&run.layout());
    }
}

pub const BOOTS: [(&str, fn()); 6] = [
    ("RAM that starts at 0x60000000", ram_at_0x60000000),
    ("a bank off a 2 MiB boundary", bank_off_a_2_mib_boundary),
    ("RAM below PHYS_OFFSET is left out", ram_below_phys_offset),
    ("banks in no order", banks_in_no_order),
    ("five banks with holes, all of it used", banks_with_holes),
    ("the tree in HighMem", tree_in_highmem),
];
