//! The kernel image as the linker script laid it out, and the split that it was built for.

use mm::addr::{VirtAddr, VirtRange};
use mm::boot::split::Split;
use mm::report::layout::Section;

/// The split that this image is linked for.
pub const SPLIT: Split = {
    let chosen = [
        (cfg!(feature = "vmsplit-3g"), Split::ThreeG),
        (cfg!(feature = "vmsplit-3g-opt"), Split::ThreeGOpt),
        (cfg!(feature = "vmsplit-2g"), Split::TwoG),
        (cfg!(feature = "vmsplit-1g"), Split::OneG),
    ];
    let mut found = None;
    let mut index = 0;
    while index < chosen.len() {
        if chosen[index].0 {
            assert!(found.is_none(), "an image has one split: enable one vmsplit feature");
            found = Some(chosen[index].1);
        }
        index += 1;
    }
    match found {
        Some(split) => split,
        None => panic!("an image has a split: enable one vmsplit feature"),
    }
};

macro_rules! linker_ranges {
    ($($(#[$doc:meta])* $name:ident: $start:ident .. $end:ident;)*) => {
        unsafe extern "C" {
            $(static $start: u8; static $end: u8;)*
        }
        $(
            $(#[$doc])*
            pub fn $name() -> VirtRange {
                VirtRange::new(address(&raw const $start), address(&raw const $end))
            }
        )*
    };
}

linker_ranges! {
    /// Everything that a loader loads, `.bss` included.
    whole: __image_start .. __image_end;
    /// Code: readable and executable.
    text: __text_start .. __text_end;
    /// Constants: readable.
    rodata: __rodata_start .. __rodata_end;
    /// The index of the unwind tables, in `.rodata`.
    unwind_index: __exidx_start .. __exidx_end;
    /// The symbol table, or the room for one, in `.rodata`.
    symbols: __symbols_start .. __symbols_end;
    /// The entry code, used once.
    init: __init_start .. __init_end;
    /// Variables with initial values.
    data: __data_start .. __data_end;
    /// Variables that start as zero, stacks and early page tables.
    bss: __bss_start .. __bss_end;
    /// The page below the boot stack, which is not mapped once boot is done.
    stack_guard: __boot_stack_guard .. __boot_stack_bottom;
    /// The page below the report stack, which is not mapped either.
    report_stack_guard: __report_stack_guard .. __report_stack_bottom;
    /// The second-level tables of the early page tables.
    early_l2_pool: __early_l2_pool .. __early_l2_pool_end;
}

/// The boot stack, on which everything but exceptions runs.
pub fn boot_stack() -> VirtRange {
    unsafe extern "C" {
        static __boot_stack_top: u8;
    }
    VirtRange::new(stack_guard().end(), address(&raw const __boot_stack_top))
}

fn address(symbol: *const u8) -> VirtAddr {
    VirtAddr::new(symbol as u32)
}

/// The rows of the layout table that show the image.
pub fn sections() -> [Section; 4] {
    [
        Section { name: ".text", range: text() },
        Section { name: ".init", range: init() },
        Section { name: ".data", range: data() },
        Section { name: ".bss", range: bss() },
    ]
}
