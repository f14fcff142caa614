//! The operations on pages, done to our allocator.

use core::hint::black_box;

use arch_arm::pmu::InstructionCounter;
use mm::addr::{Order, Pfn};
use workload::{Flags, Operation, Subject, What};

use super::meter::{Brackets, Figures};
use super::subject::{Addresses, BULK, Blocks, Bulk, gfp};
use super::{areas, dma, frames, objects};
use crate::monitor::Kernel;

/// Pairs before the measured ones, so that what is filled on demand has been filled.
pub const WARM_UP: u32 = 1000;

/// Measures `operation`; `None` when memory ran out, or when it is wrong in the table.
pub fn measure(
    kernel: &Kernel,
    counter: InstructionCounter,
    operation: &Operation,
    held: &mut [u32],
) -> Option<Figures> {
    let linear = kernel.tables.linear();
    // Whatever the compiler might know of the arguments, it forgets here.
    let pages = black_box(kernel.pages);
    match operation.what {
        What::Pages { flags, order } => {
            let gfp = black_box(gfp(flags));
            let order = black_box(Order::new(order)?);
            measure_subject(Blocks { pages, gfp, order }, counter, operation, held)
        }
        What::Address => {
            let gfp = black_box(gfp(Flags::Kernel));
            measure_subject(Addresses { pages, linear, gfp }, counter, operation, held)
        }
        What::Bulk { pages: count } => {
            let gfp = black_box(gfp(Flags::Kernel));
            let mut pfns = [Pfn::default(); BULK];
            let pfns = black_box(pfns.get_mut(..count)?);
            measure_subject(Bulk { pages, gfp, pfns }, counter, operation, held)
        }
        What::Kmap { .. } | What::KmapLocal { .. } | What::ClearPage | What::CopyPage => {
            frames::measure(kernel, counter, operation, held)
        }
        What::Vmalloc { .. } | What::Vmap { .. } | What::Ioremap { .. } => {
            areas::measure(kernel, counter, operation, held)
        }
        What::Coherent { .. } | What::Streaming { .. } => dma::measure(kernel, counter, operation),
        _ => objects::measure(kernel, counter, operation, held),
    }
}

/// Measures `operation` on any subject.
#[inline(always)]
pub fn measure_subject<S: Subject>(
    mut subject: S,
    counter: InstructionCounter,
    operation: &Operation,
    held: &mut [S::Block],
) -> Option<Figures> {
    let mut brackets = Brackets::new(counter);
    let pairs = (WARM_UP.min(operation.pairs), operation.pairs);
    let done = workload::run(operation.shape, pairs, &mut subject, &mut brackets, held);
    done.is_ok().then(|| brackets.figures())
}
