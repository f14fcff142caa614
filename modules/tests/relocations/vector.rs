//! A relocation and its effect, as one line of text.
//!
//! Bytes are as they lie in memory, addresses are numbers. A function of Thumb code has an odd
//! address. Where GNU ld aimed a branch at a veneer, that one's address and first 8 bytes follow.
//!
//! ```text
//! type       place    before   after    kind     address  name [veneer bytes]
//! R_ARM_CALL 08000004 feffffeb ff3f00fa function 08010009 near_thumb
//! ```

use std::fmt;

use elf::abi;
use modules::reloc::Kind;

/// What a relocation points at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Symbolic {
    /// A function, at an address whose bit 0 says that it is Thumb code.
    Function(u32),
    /// Anything else, at an address.
    Label(u32),
    /// Nothing: a weak symbol that nobody defines.
    UndefinedWeak,
}

/// One relocation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Vector {
    pub kind: Kind,
    pub address: u32,
    pub before: Vec<u8>,
    pub after: Vec<u8>,
    pub symbol: Symbolic,
    pub name: String,
    pub veneer: Option<(u32, [u8; 8])>,
}

impl fmt::Display for Vector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, address) = match self.symbol {
            Symbolic::Function(address) => ("function", address),
            Symbolic::Label(address) => ("label", address),
            Symbolic::UndefinedWeak => ("weak", 0),
        };
        write!(
            f,
            "{:23}{:08x} {:9}{:9}{kind:9}{address:08x} {}",
            self.kind.name(),
            self.address,
            hex(&self.before),
            hex(&self.after),
            self.name,
        )?;
        match &self.veneer {
            Some((address, bytes)) => write!(f, " {address:08x} {}", hex(bytes)),
            None => Ok(()),
        }
    }
}

/// A file of vectors, its first line saying who made it.
pub fn print(version: &str, vectors: &[Vector]) -> String {
    let lines = vectors.iter().map(|vector| format!("{vector}\n"));
    format!("# {version}\n{}", lines.collect::<String>())
}

/// The line that says who made the file.
pub fn version(text: &str) -> &str {
    text.lines().next().unwrap()
}

/// The vectors of a file.
pub fn parse(text: &str) -> Vec<Vector> {
    let vectors: Vec<_> = text.lines().skip(1).map(parse_line).collect();
    assert_eq!(print(&version(text)[2..], &vectors), text);
    vectors
}

fn parse_line(line: &str) -> Vector {
    let words: Vec<_> = line.split_whitespace().collect();
    let [kind, address, before, after, symbol_kind, symbol, name, veneer @ ..] = &words[..] else {
        panic!("{line}");
    };
    let symbol = match *symbol_kind {
        "function" => Symbolic::Function(number(symbol)),
        "label" => Symbolic::Label(number(symbol)),
        "weak" => Symbolic::UndefinedWeak,
        _ => panic!("{line}"),
    };
    Vector {
        kind: kind_of_name(kind),
        address: number(address),
        before: bytes(before),
        after: bytes(after),
        symbol,
        name: (*name).to_owned(),
        veneer: match veneer {
            [] => None,
            [address, code] => Some((number(address), bytes(code).try_into().unwrap())),
            _ => panic!("{line}"),
        },
    }
}

/// By the names of the crate `elf`, not by ours.
fn kind_of_name(name: &str) -> Kind {
    let r_type = (0..=255).find(|&r_type| abi_name(r_type) == Some(name)).unwrap();
    let kind = Kind::from_elf(r_type).unwrap();
    assert_eq!(kind.name(), name);
    kind
}

fn abi_name(r_type: u32) -> Option<&'static str> {
    macro_rules! names {
        ($($name:ident)*) => {
            match r_type {
                $(abi::$name => Some(stringify!($name)),)*
                _ => None,
            }
        };
    }
    names! {
        R_ARM_NONE R_ARM_PC24 R_ARM_ABS32 R_ARM_REL32 R_ARM_THM_CALL R_ARM_CALL R_ARM_JUMP24
        R_ARM_THM_JUMP24 R_ARM_TARGET1 R_ARM_V4BX R_ARM_PREL31 R_ARM_MOVW_ABS_NC R_ARM_MOVT_ABS
        R_ARM_MOVW_PREL_NC R_ARM_MOVT_PREL R_ARM_THM_MOVW_ABS_NC R_ARM_THM_MOVT_ABS
        R_ARM_THM_MOVW_PREL_NC R_ARM_THM_MOVT_PREL R_ARM_THM_JUMP19 R_ARM_THM_JUMP11
        R_ARM_THM_JUMP8
    }
}

fn number(hex: &str) -> u32 {
    u32::from_str_radix(hex, 16).unwrap()
}

/// `-` for no bytes.
fn hex(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "-".to_owned();
    }
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Vec<u8> {
    let hex = if hex == "-" { "" } else { hex };
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}
