//! The report of an exception, piece by piece, in the form of a Linux oops.
//!
//! Everybody who debugs ARM knows that form, and tools look for its lines. Each piece is a pure function
//! of what it shows; memory and names come through two traits, so that the kernel can answer with
//! probes and its symbol table, and a test with a map.
//!
//! - [`headline`]: what happened, and where;
//! - [`dump`]: the stack and the instructions around pc;
//! - [`backtrace`]: who called whom.
//!
//! The forms are those of Linux 6.1 (`arch/arm/kernel/traps.c`, `arch/arm/mm/fault.c`), with the kind of
//! access at the end of the first line as newer kernels have it. The back-trace is that of a kernel with
//! `CONFIG_BACKTRACE_VERBOSE`, since an address can be looked up in a disassembly and a name can not.
//! What stands for processes there is left out.

pub mod backtrace;
pub mod dump;
pub mod headline;

use core::fmt;

use mm::addr::VirtAddr;

/// What is where in the code.
pub trait Names {
    /// A function's name.
    type Name: fmt::Display;
    /// A module's.
    type Module: fmt::Display;

    /// The function around `address`.
    fn find(&self, address: VirtAddr) -> Option<Function<Self::Name, Self::Module>>;
}

/// A function.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Function<N, M> {
    /// Its name.
    pub name: N,
    /// Its first address.
    pub start: VirtAddr,
    /// Its size in bytes.
    pub size: u32,
    /// The module that it is in; `None` for the kernel.
    pub module: Option<M>,
}

/// What Linux has behind a name: ` [module]`, or nothing for the kernel's own.
pub struct InModule<M>(pub Option<M>);

impl<M: fmt::Display> fmt::Display for InModule<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_ref().map_or(Ok(()), |module| write!(f, " [{module}]"))
    }
}

/// An address in code, as Linux's `%pS` prints it: `name+0x1c/0x40`, `name+0x1c/0x40 [module]`, or as a number.
#[derive(Clone, Copy, Debug)]
pub struct Location<'n, N> {
    names: &'n N,
    /// What to print the offset of.
    address: VirtAddr,
    /// An address in the instruction that is meant; see [`super::unwind::Frame::instruction`].
    instruction: VirtAddr,
}

impl<'n, N: Names> Location<'n, N> {
    /// An instruction.
    pub const fn exact(names: &'n N, address: VirtAddr) -> Self {
        Self { names, address, instruction: address }
    }

    /// What a call returns to. The function meant is the one that called, which ends with the call if
    /// that never returns.
    pub const fn return_to(names: &'n N, address: VirtAddr) -> Self {
        let instruction = VirtAddr::new(address.as_u32().wrapping_sub(1));
        Self { names, address, instruction }
    }
}

impl<N: Names> fmt::Display for Location<'_, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.names.find(self.instruction) {
            Some(Function { name, start, size, module }) => {
                let offset = self.address.as_u32().wrapping_sub(start.as_u32());
                write!(f, "{name}+{offset:#x}/{size:#x}{}", InModule(module))
            }
            None => write!(f, "{:#x}", self.address),
        }
    }
}

#[cfg(test)]
mod test_machine {
    //! A little memory and a few names.

    use super::*;
    use crate::trap::unwind::ReadMemory;
    use std::collections::BTreeMap;

    pub(super) struct Words(pub(super) BTreeMap<u32, u32>);

    impl ReadMemory for Words {
        fn word(&self, address: VirtAddr) -> Option<u32> {
            self.0.get(&address.as_u32()).copied()
        }
    }

    /// `(name, first address, size)`. A name of the form `function module` is in a module.
    pub(super) struct Table(pub(super) &'static [(&'static str, u32, u32)]);

    impl Names for Table {
        type Name = &'static str;
        type Module = &'static str;

        fn find(&self, address: VirtAddr) -> Option<Function<&'static str, &'static str>> {
            let at = address.as_u32();
            let found = self.0.iter().find(|(_, start, size)| (*start..start + size).contains(&at));
            found.map(|&(full, start, size)| {
                let (name, module) = full.split_once(' ').unzip();
                Function { name: name.unwrap_or(full), start: VirtAddr::new(start), size, module }
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_return_address_belongs_to_the_function_that_called() {
        let names = test_machine::Table(&[("first", 0x1000, 0x40), ("second", 0x1040, 0x10)]);
        let exact = |at| Location::exact(&names, VirtAddr::new(at)).to_string();
        let return_to = |at| Location::return_to(&names, VirtAddr::new(at)).to_string();
        assert_eq!(
            (exact(0x1040), return_to(0x1040)),
            ("second+0x0/0x10".into(), "first+0x40/0x40".into())
        );
        assert_eq!((exact(0), return_to(0)), ("0x0".into(), "0x0".into()));
        assert_eq!(exact(0xc020_0000), "0xc0200000");
    }

    #[test]
    fn a_modules_function_names_its_module() {
        let names = test_machine::Table(&[("work", 0x1000, 0x40), ("work hello", 0x2000, 0x18)]);
        let exact = |at| Location::exact(&names, VirtAddr::new(at)).to_string();
        assert_eq!(
            (exact(0x1004), exact(0x2004)),
            ("work+0x4/0x40".into(), "work+0x4/0x18 [hello]".into())
        );
    }
}
