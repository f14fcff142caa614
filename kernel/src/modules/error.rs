//! Why a module is not inserted, or not removed.
//!
//! Invariant: a variant carries the value at fault, and its text names it. What an object is refused for borrows from
//! its file, so such an error is told while the file is there, and not returned further.

use alloc::collections::TryReserveError;
use core::fmt;

use arch_arm::mmu::live::ChangeError;
use arrayvec::ArrayString;
use mm::map::vmalloc::KvError;
use mm::zone::AllocError;
use modules::LoadError;

use super::loaded::PublishError;
use super::memory::MemoryError;
use super::name::{ModuleName, NoName};
use crate::initrd::InitrdError;

/// Why.
pub enum ModuleError<'f> {
    /// There is no initrd that files could be in.
    NoInitrd,
    /// The archive can not be read.
    Initrd(InitrdError),
    /// The initrd has no such file.
    NotFound,
    /// It is no regular file, or has no bytes.
    NoFile,
    /// The file's name makes no module's.
    Name(NoName),
    /// A module of this name is there.
    Exists,
    /// There is no memory to read the file into.
    FileMemory {
        /// How much it takes.
        bytes: u32,
        /// Why.
        error: KvError,
    },
    /// A parameter that can not be passed on as it is.
    Word(ArrayString<64>),
    /// More parameters than there is room for.
    Parameters {
        /// Bytes.
        room: usize,
    },
    /// The object is refused.
    Object(LoadError<'f>),
    /// It exports what somebody else does.
    Exported {
        /// The symbol, or the start of it.
        symbol: ArrayString<64>,
        /// The module that has it; `None` for the kernel.
        owner: Option<ModuleName>,
    },
    /// There is no memory for the module.
    Memory(MemoryError),
    /// Its rights can not be set.
    Rights(ChangeError),
    /// There is no memory for the lists of who uses whom.
    Books(TryReserveError),
    /// There is no memory for the module's record.
    Record(AllocError),
    /// Reports can not be told of it.
    Unpublished(PublishError),
    /// Its init function returned an error.
    Init(i32),
    /// There is no module of this name.
    NotLoaded(ModuleName),
    /// Another module has addresses of it.
    UsedBy {
        /// Which is to go.
        name: ModuleName,
        /// One that uses it.
        user: ModuleName,
    },
    /// It counts uses of its own.
    InUse {
        /// Which.
        name: ModuleName,
        /// How many.
        users: u32,
    },
    /// It has no exit function.
    NoExit(ModuleName),
}

impl fmt::Display for ModuleError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoInitrd => {
                f.write_str("there is no initrd: run --module or --initrd brings one")
            }
            Self::Initrd(error) => write!(f, "initrd: {error}"),
            Self::NotFound => {
                f.write_str("no such file in the initrd, and no .ko or .o of that name")
            }
            Self::NoFile => f.write_str("no regular file with any bytes; links are not followed"),
            Self::Name(error) => error.fmt(f),
            Self::Exists => f.write_str("a module of this name is loaded"),
            Self::FileMemory { bytes, error } => {
                write!(f, "no memory to read {bytes} bytes into: {error}")
            }
            Self::Word(word) => {
                write!(f, "no PARAMETER=VALUE, or a quotation mark too few: {word}")
            }
            Self::Parameters { room } => write!(f, "more than {room} bytes of parameters"),
            Self::Object(error) => error.fmt(f),
            Self::Exported { symbol, owner: None } => {
                write!(f, "exports `{symbol}`, which is the kernel's")
            }
            Self::Exported { symbol, owner: Some(owner) } => {
                write!(f, "exports `{symbol}`, which is {owner}'s")
            }
            Self::Memory(error) => error.fmt(f),
            Self::Rights(error) => error.fmt(f),
            Self::Books(error) => write!(f, "no memory for a list: {error}"),
            Self::Record(error) => write!(f, "no memory for its record: {error}"),
            Self::Unpublished(error) => error.fmt(f),
            Self::Init(code) => {
                write!(f, "init returned {code}")?;
                match printk::errno::name(code.unsigned_abs()) {
                    Some(name) => write!(f, " ({name})"),
                    None => Ok(()),
                }
            }
            Self::NotLoaded(name) => write!(f, "no module {name} is loaded"),
            Self::UsedBy { name, user } => write!(f, "{name} is in use by {user}"),
            Self::InUse { name, users } => write!(f, "{name} is in use, and counts {users}"),
            Self::NoExit(name) => write!(f, "{name} has no exit function: it stays"),
        }
    }
}
