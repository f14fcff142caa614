//! Trees that are sound, and say what can not be: each boot ends with a line that names it, at
//! once.

use crate::broken::{Broken, MIB, broken, sound};
use crate::source::Source;

/// The sound tree with other memory nodes.
fn memory(nodes: &str) -> Vec<u8> {
    Source::virt().memory(nodes).bytes()
}

pub const TREES: &[Broken] = &[
    // Memory.
    broken("no memory", "bad device tree: no memory: no enabled memory node holds a byte", || {
        memory("")
    }),
    broken(
        "memory of no bytes",
        "bad device tree: no memory: no enabled memory node holds a byte",
        || memory("memory@0 { device_type = \"memory\"; reg = <0 0 0 0>; };"),
    ),
    broken("memory without reg", "bad device tree: memory@0: no reg", || {
        memory("memory@0 { device_type = \"memory\"; };")
    }),
    broken(
        "memory with half an entry",
        "bad device tree: memory@0: reg has 3 bytes, which are no whole entries of 16",
        || memory("memory@0 { device_type = \"memory\"; reg = [00 01 02]; };"),
    ),
    broken(
        "memory that wraps",
        "bad device tree: memory@ffffffffffff0000: reg: 0x10001 bytes at 0xffffffffffff0000 wrap",
        || Source::virt().banks(&[(0xffff_ffff_ffff_0000, 0x1_0001)]).bytes(),
    ),
    broken(
        "memory above 4 GiB",
        "the kernel runs at [0x40010000-…], outside all memory of the device tree",
        || Source::virt().banks(&[(1 << 32, 1 << 32)]).bytes(),
    ),
    broken(
        "memory somewhere else",
        "the kernel runs at [0x40010000-…], outside all memory of the device tree",
        || Source::virt().banks(&[(0, 256 * MIB), (0x8000_0000, 256 * MIB)]).bytes(),
    ),
    broken(
        "overlapping banks",
        "bad device tree: memory banks [0x40000000-0x4fffffff] and [0x4fffffff-0x4fffffff] overlap",
        || Source::virt().banks(&[(0x4000_0000, 256 * MIB), (0x4fff_ffff, 1)]).bytes(),
    ),
    broken(
        "overlapping banks, the last of very many",
        "bad device tree: memory banks [0x200000000-0x200000fff] and \
         [0x200000000-0x200000000] overlap",
        || {
            // In order, then as far out of order as is looked at, then on the first.
            let high = |index: u64| (index * 0x2000, 0x1000);
            let in_order = (0..150_000).map(|index| high((1 << 20) + index));
            let strays = (0..250).map(|index| high((1 << 20) - 1 - index));
            let all = [(0x4000_0000, 256 * MIB)].into_iter().chain(in_order).chain(strays);
            let last = [(high(1 << 20).0, 1)];
            let cells = |value: u64| format!("{:#x} {:#x}", value >> 32, value as u32);
            let reg = all.chain(last).map(|(start, len)| cells(start) + " " + &cells(len));
            let reg = reg.collect::<Vec<_>>().join(" ");
            memory(&format!("memory@0 {{ device_type = \"memory\"; reg = <{reg}>; }};"))
        },
    ),
    broken(
        "addresses of nine cells",
        "bad device tree: /: #address-cells is 9, which no range can have",
        || sound().replace("#address-cells = <0x02>", "#address-cells = <9>").bytes(),
    ),
    broken(
        "sizes of no cells",
        "bad device tree: /: #size-cells is 0, which no range can have",
        || sound().replace("#size-cells = <0x02>", "#size-cells = <0>").bytes(),
    ),
    broken(
        "memory where a device is",
        "can not move the kernel: no memory at 0x09000000, whatever the tree says",
        || Source::virt().banks(&[(0x8f0_0000, 0x4710_0000)]).bytes(),
    ),
    broken(
        "memory where the flash is",
        "can not move the kernel: no memory at 0x00200000, whatever the tree says",
        || Source::virt().banks(&[(0, 0x5000_0000)]).bytes(),
    ),
    broken("more memory than there is", "data abort at 0x…: external abort", || {
        Source::virt().bytes()
    }),
    broken(
        "a bank that ends in the image",
        "the kernel runs at [0x40010000-…], outside all memory of the device tree",
        || Source::virt().banks(&[(0x4000_0000, 0x2_0000)]).bytes(),
    ),
    broken(
        "a bank that stops short of the kernel's place",
        "can not move the kernel: the kernel belongs at [0x40200000-…], \
         outside its memory bank [0x40010000-0x402effff]",
        || Source::virt().banks(&[(0x4001_0000, 0x2e_0000)]).bytes(),
    ),
    // Reservations.
    broken(
        "the kernel's place reserved",
        "can not move the kernel: the kernel belongs at [0x40200000-…], \
         where the tree reserves [0x40200000-0x40200fff]",
        || sound().reserve(0x4020_0000, 0x1000).bytes(),
    ),
    broken(
        "everything reserved",
        "can not move the kernel: the kernel belongs at [0x40200000-…], \
         where the tree reserves [0x40000000-0x4fffffff]",
        || {
            sound()
                .below_root(
                    "reserved-memory {
        #address-cells = <2>; #size-cells = <2>; ranges;
        all@40000000 { reg = <0 0x40000000 0 0x10000000>; }; };",
                )
                .bytes()
        },
    ),
    broken(
        "a reservation that wraps",
        "bad device tree: /: /memreserve/: 0x2 bytes at 0xffffffffffffffff wrap around",
        || sound().reserve(u64::MAX, 2).bytes(),
    ),
    broken("a reservation that says nothing", "bad device tree: nothing: no reg or size", || {
        sound()
            .below_root(
                "reserved-memory {
        #address-cells = <2>; #size-cells = <2>; ranges; nothing { }; };",
            )
            .bytes()
    }),
    broken(
        "no-map and reusable",
        "bad device tree: both@48000000: both no-map and reusable",
        || {
            sound()
                .below_root(
                    "reserved-memory {
        #address-cells = <2>; #size-cells = <2>; ranges;
        both@48000000 { reg = <0 0x48000000 0 0x1000>; no-map; reusable; }; };",
                )
                .bytes()
        },
    ),
    // What else the kernel relies on.
    broken(
        "bootargs that are not UTF-8",
        "bad device tree: chosen: bootargs is not UTF-8 at byte 2",
        || sound().chosen("bootargs = [76 6d ff fe 00];").bytes(),
    ),
    broken(
        "an initrd that ends before it starts",
        "bad device tree: chosen: the initrd ends at 0x48000000, before its start at 0x48000001",
        || {
            sound()
                .chosen("linux,initrd-start = <0x48000001>; linux,initrd-end = <0x48000000>;")
                .bytes()
        },
    ),
    broken(
        "a console beyond 4 GiB",
        "can not map the console: 0x1000 bytes of memory at 0x100000000 run past 4 GiB",
        || sound().replace("reg = <0x00 0x9000000 0x00 0x1000>", "reg = <1 0 0 0x1000>").bytes(),
    ),
    broken("a console without registers", "bad device tree: pl011@9000000: no reg", || {
        sound().replace("reg = <0x00 0x9000000 0x00 0x1000>;", "").bytes()
    }),
    broken(
        "PSCI by no known instruction",
        "bad device tree: psci: method cannot be \"svc\"",
        || sound().replace("method = \"hvc\"", "method = \"svc\"").bytes(),
    ),
];
