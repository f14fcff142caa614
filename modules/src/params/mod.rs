//! Parameters: the values that were given, in the module's variables.
//!
//! Values are given as a kernel command line gives them ([`mm::param`]): `name=value`, separated by
//! blanks, with double quotes around a value that holds some. A value of several is separated by
//! commas.
//!
//! Invariant: only variables of parameters, an array's count, and the room that the plan kept for
//! texts are written to. All of that is in the module's data.

mod record;
mod value;

use alloc::vec::Vec;

use mm::addr::VirtAddr;
use mm::param::{Param, params};

use crate::error::{LoadError, RecordFault};
use crate::link::Memory;
use crate::plan::{Home, PARAM, Part, Place, Plan, push};
use record::{Arity, Record, Type};

pub use value::ValueFault;

/// Where the texts of `charp` parameters are kept, one after the other.
struct Texts {
    next: u32,
}

/// Checks all records, and gives each parameter that is named in the plan's arguments its value. One
/// that is named several times has the last value.
pub(crate) fn set<'f>(plan: &Plan<'f>, memory: &mut Memory<'_>) -> Result<(), LoadError<'f>> {
    let mut records = Vec::new();
    for index in 0..record::count(plan) {
        push(&mut records, Record::read(plan, memory, index)?)?;
    }
    records.sort_unstable_by(|one, other| {
        letters(name(memory, one))
            .cmp(letters(name(memory, other)))
            .then(one.index.cmp(&other.index))
    });
    for pair in records.windows(2) {
        if let [one, other] = pair
            && letters(name(memory, one)).eq(letters(name(memory, other)))
        {
            let fault = RecordFault::Twice(VirtAddr::new(other.name));
            return Err(LoadError::Record { table: PARAM.name, index: other.index, fault });
        }
    }
    let room = Place { home: Home::Core, part: Part::Data, at: plan.values.at };
    let mut texts = Texts { next: memory.address(room) };
    for argument in params(plan.arguments) {
        set_one(&records, memory, &mut texts, argument)
            .map_err(|fault| LoadError::Parameter { name: argument.name, fault })?;
    }
    Ok(())
}

/// The name of a parameter.
fn name<'m>(memory: &'m Memory<'_>, record: &Record) -> &'m str {
    memory.name(record.name).unwrap_or_default()
}

/// A name as names are compared: dashes and underscores are equal, as [`Param::is`] has it.
fn letters(name: &str) -> impl Iterator<Item = u8> {
    name.bytes().map(|byte| if byte == b'-' { b'_' } else { byte })
}

fn set_one(
    records: &[Record],
    memory: &mut Memory<'_>,
    texts: &mut Texts,
    argument: Param<'_>,
) -> Result<(), ValueFault> {
    let found = records
        .binary_search_by(|record| letters(name(memory, record)).cmp(letters(argument.name)))
        .ok()
        .and_then(|found| records.get(found));
    let record = found.ok_or(ValueFault::Unknown)?;
    if record.is_array == Arity::One {
        return set_variable(record, record.variable, memory, texts, argument.value);
    }
    let max = record.size / record.kind.bytes();
    let mut count = 0;
    for value in argument.value.ok_or(ValueFault::Missing)?.split(',') {
        if count == max {
            return Err(ValueFault::Elements { max });
        }
        let variable = record.variable.wrapping_add(count * record.kind.bytes());
        set_variable(record, variable, memory, texts, Some(value))?;
        count += 1;
    }
    if let Some(at) = record.count {
        store(memory, at, &count.to_le_bytes());
    }
    Ok(())
}

/// Sets one variable of the record's type, or one element.
fn set_variable(
    record: &Record,
    variable: u32,
    memory: &mut Memory<'_>,
    texts: &mut Texts,
    value: Option<&str>,
) -> Result<(), ValueFault> {
    match (record.kind, value) {
        (Type::Charp | Type::String, None) => Err(ValueFault::Missing),
        (Type::Charp | Type::String, Some(text)) if text.contains('\0') => Err(ValueFault::Nul),
        (Type::Charp, Some(text)) => {
            let at = texts.next;
            store(memory, at, text.as_bytes());
            texts.next = at.wrapping_add(text.len() as u32 + 1);
            // The plan kept room for all arguments, each with a byte more, which is zero.
            store(memory, variable, &at.to_le_bytes());
            Ok(())
        }
        (Type::String, Some(text)) => {
            if text.len() as u64 >= u64::from(record.size) {
                return Err(ValueFault::TooLong { buffer: record.size });
            }
            store(memory, variable, text.as_bytes());
            store(memory, variable.wrapping_add(text.len() as u32), &[0]);
            Ok(())
        }
        (kind, value) => {
            let bits = value::bits(kind, value)?.to_le_bytes();
            store(memory, variable, bits.get(..kind.bytes() as usize).unwrap_or_default());
            Ok(())
        }
    }
}

/// Writes to the module's data, where `Record::read` found that there is room.
fn store(memory: &mut Memory<'_>, at: u32, bytes: &[u8]) {
    if let Some(place) = memory.data_mut(at, bytes.len() as u32) {
        place.copy_from_slice(bytes);
    }
}
