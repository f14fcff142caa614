//! A module's parameters as it declares them: the records of `__param`.
//!
//! ```text
//! 0    address of the name
//! 4    type: 0 bool, 1 byte, 2 short, 3 ushort, 4 int, 5 uint, 6 long, 7 ulong, 8 charp, 9 string,
//!      10 invbool; +0x100 for an array of it
//! 8    address of the variable
//! 12   its bytes: of the whole array, of the buffer
//! 16   address of the number of an array's elements, a 32-bit one, or 0
//! ```
//!
//! Invariant: a [`Record`] has a name in the module's memory, a type, and a variable of that type
//! in the module's data.

use mm::addr::VirtAddr;

use crate::bytes::word;
use crate::error::{LoadError, RecordFault};
use crate::link::Memory;
use crate::plan::{Home, PARAM, Part, Place, Plan};

/// Bytes of a record.
const RECORD_BYTES: u32 = PARAM.entry_bytes;
/// Added to the type of an array.
const ARRAY: u32 = 0x100;

/// What a parameter's variable holds, or each element of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Type {
    /// `bool`.
    Bool,
    /// A number of so many bytes.
    Number { bytes: u32, is_signed: Signed },
    /// `char *`.
    Charp,
    /// `char[]`.
    String,
    /// `bool`, the other way round.
    Invbool,
}

/// Is a number below zero one of the type's?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Signed {
    No,
    Yes,
}

impl Type {
    /// The type of this number, without what is added for an array.
    const fn from_number(number: u32) -> Option<Self> {
        let number = match number {
            0 => return Some(Self::Bool),
            8 => return Some(Self::Charp),
            9 => return Some(Self::String),
            10 => return Some(Self::Invbool),
            1..8 => number,
            _ => return None,
        };
        let bytes = match number {
            1 => 1,
            2 | 3 => 2,
            _ => 4,
        };
        // byte 1, then short 2, ushort 3, and so on.
        let is_signed = if number % 2 == 0 { Signed::Yes } else { Signed::No };
        Some(Self::Number { bytes, is_signed })
    }

    /// Bytes of a variable; of a string's buffer, the least.
    pub const fn bytes(self) -> u32 {
        match self {
            Self::Bool | Self::Invbool | Self::String => 1,
            Self::Number { bytes, .. } => bytes,
            Self::Charp => 4,
        }
    }
}

/// A parameter that a module declares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    /// Its index in the table.
    pub index: u32,
    /// Address of its name.
    pub name: u32,
    pub kind: Type,
    pub is_array: Arity,
    /// Address of its variable.
    pub variable: u32,
    /// Bytes of its variable.
    pub size: u32,
    /// Address of an array's number of elements.
    pub count: Option<u32>,
}

/// One value, or several?
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Arity {
    One,
    Several,
}

/// How many records the module has.
pub(crate) const fn count(plan: &Plan<'_>) -> u32 {
    plan.param.bytes / RECORD_BYTES
}

impl Record {
    /// The record of this index, checked.
    pub fn read<'f>(
        plan: &Plan<'f>,
        memory: &mut Memory<'_>,
        index: u32,
    ) -> Result<Self, LoadError<'f>> {
        Self::read_or_fault(plan, memory, index).map_err(|fault| LoadError::Record {
            table: PARAM.name,
            index,
            fault,
        })
    }

    fn read_or_fault(
        plan: &Plan<'_>,
        memory: &mut Memory<'_>,
        index: u32,
    ) -> Result<Self, RecordFault> {
        let table = Place { home: Home::Core, part: Part::Rodata, at: plan.param.at };
        let at = memory.address(table).wrapping_add(index.wrapping_mul(RECORD_BYTES));
        let record = memory.bytes(at, RECORD_BYTES).unwrap_or_default();
        let [name, number, variable, size, count] =
            [0, 4, 8, 12, 16].map(|at| word(record, at).unwrap_or(0));

        if memory.name(name).is_none_or(str::is_empty) {
            return Err(RecordFault::Name(VirtAddr::new(name)));
        }
        let is_array = if number & ARRAY == 0 { Arity::One } else { Arity::Several };
        let kind = Type::from_number(number & !ARRAY);
        let kind = kind.filter(|kind| !(*kind == Type::String && is_array == Arity::Several));
        let kind = kind.ok_or(RecordFault::Type(number))?;
        let fits = match (kind, is_array) {
            (Type::String, _) => size >= 1,
            (kind, Arity::One) => size == kind.bytes(),
            (kind, Arity::Several) => size >= 1 && size.is_multiple_of(kind.bytes()),
        };
        if !fits {
            return Err(RecordFault::Size { kind: number, size });
        }
        let count = Some(count).filter(|count| *count != 0 && is_array == Arity::Several);
        for (at, size) in [Some((variable, size)), count.map(|at| (at, 4))].into_iter().flatten() {
            if memory.data_mut(at, size).is_none() {
                return Err(RecordFault::Outside { at: VirtAddr::new(at), size });
            }
        }
        Ok(Self { index, name, kind, is_array, variable, size, count })
    }
}
