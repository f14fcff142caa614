//! Suite `tables`: the walker that this kernel reads tables with, and the MMU, agree.
//!
//! The MMU is asked about the first and last word of every mapping that the walker finds, and about
//! the word before and behind it: for reading and writing, as the kernel and as user mode.

use arch_arm::mmu::attributes::Access;
use arch_arm::mmu::walk::Walker;
use arch_arm::translate::{Privilege, Purpose, translate_at};
use mm::addr::{PhysAddr, VirtAddr};

use super::Checks;
use crate::boot::LinearMap;
use crate::monitor::Kernel;

/// Runs the suite.
pub fn run(kernel: &mut Kernel, checks: &mut Checks) {
    let walker = kernel.tables.walker();
    for mapping in walker.mappings() {
        let (first, len) = (mapping.virt, mapping.len_bytes);
        let words =
            [first.checked_sub(4), Some(first), first.checked_add(len - 4), first.checked_add(len)];
        for word in words.into_iter().flatten() {
            compare(&walker, word, checks);
        }
    }
}

fn compare(walker: &Walker<'_, LinearMap>, word: VirtAddr, checks: &mut Checks) {
    let translation = walker.translate(word);
    for (privilege, purpose) in [
        (Privilege::Privileged, Purpose::Read),
        (Privilege::Privileged, Purpose::Write),
        (Privilege::User, Purpose::Read),
        (Privilege::User, Purpose::Write),
    ] {
        let access = translation.mapping.map(|mapping| mapping.attributes.leaf.access);
        let expected: Option<PhysAddr> =
            access.filter(|access| allows(*access, privilege, purpose)).and(translation.phys());
        let seen = translate_at(word, privilege, purpose);
        checks.that(
            seen.ok() == expected,
            format_args!(
                "{word} {privilege:?} {purpose:?}: the MMU says {seen:?}, the tables {expected:?}"
            ),
        );
    }
}

/// *ARM DDI 0406C, Table B3-8*, with SCTLR.AFE = 0.
fn allows(access: Access, privilege: Privilege, purpose: Purpose) -> bool {
    let (kernel, user) = match access {
        Access::None | Access::Reserved => ("", ""),
        Access::KernelReadWrite => ("rw", ""),
        Access::KernelReadWriteUserRead => ("rw", "r"),
        Access::ReadWrite => ("rw", "rw"),
        Access::KernelRead => ("r", ""),
        Access::ReadDeprecated | Access::Read => ("r", "r"),
    };
    let rights = match privilege {
        Privilege::Privileged => kernel,
        Privilege::User => user,
    };
    rights.contains(match purpose {
        Purpose::Read => 'r',
        Purpose::Write => 'w',
    })
}
