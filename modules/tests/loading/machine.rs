//! A kernel for the loader: addresses, symbols, and memory that is not zero.

use std::collections::BTreeMap;

use mm::addr::VirtAddr;
use modules::{Area, Imports, Linked, Object, Plan, Sizes, link};

/// Where areas lie unless a test has others.
pub const CORE: u32 = 0xbf80_0000;
pub const INIT: u32 = 0xbf81_0000;

/// A module that was loaded.
#[derive(Clone, PartialEq, Debug)]
pub struct Loaded {
    pub linked: Linked,
    pub core: Vec<u8>,
    pub core_base: u32,
    pub core_sizes: Sizes,
    pub init: Vec<u8>,
    pub init_base: u32,
    pub init_sizes: Sizes,
}

/// Symbols that a kernel has, and those that it was asked for.
#[derive(Clone, Default)]
pub struct Kernel {
    pub symbols: BTreeMap<String, u32>,
    pub asked: Vec<String>,
}

impl Kernel {
    pub fn with(symbols: &[(&str, u32)]) -> Self {
        let symbols = symbols.iter().map(|(name, address)| ((*name).into(), *address)).collect();
        Self { symbols, asked: Vec::new() }
    }
}

impl Imports for Kernel {
    fn find(&mut self, name: &str) -> Option<VirtAddr> {
        self.asked.push(name.into());
        self.symbols.get(name).copied().map(VirtAddr::new)
    }
}

/// Loads an object at the addresses above.
pub fn load(object: &[u8], kernel: &mut Kernel) -> Result<Loaded, String> {
    load_with(object, kernel, "", CORE, INIT)
}

/// Loads an object.
pub fn load_with(
    object: &[u8],
    kernel: &mut Kernel,
    arguments: &str,
    core_base: u32,
    init_base: u32,
) -> Result<Loaded, String> {
    let object = Object::parse(object).map_err(|error| error.to_string())?;
    let plan = Plan::of(&object, arguments).map_err(|error| error.to_string())?;
    let (core_sizes, init_sizes) = (plan.core(), plan.init());
    let mut core = vec![0xaa; core_sizes.bytes() as usize];
    let mut init = vec![0xaa; init_sizes.bytes() as usize];
    let core_area = Area { base: VirtAddr::new(core_base), bytes: &mut core };
    let init_area = Area { base: VirtAddr::new(init_base), bytes: &mut init };
    let init_area = Some(init_area).filter(|_| !init_sizes.is_empty());
    let linked = link(&object, &plan, core_area, init_area, kernel);
    let linked = linked.map_err(|error| error.to_string())?;
    Ok(Loaded { linked, core, core_base, core_sizes, init, init_base, init_sizes })
}

impl Loaded {
    /// The bytes from an address of either area on.
    pub fn from(&self, address: u32) -> &[u8] {
        for (base, bytes) in [(self.core_base, &self.core), (self.init_base, &self.init)] {
            if let Some(rest) =
                address.checked_sub(base).and_then(|offset| bytes.get(offset as usize..))
            {
                return rest;
            }
        }
        panic!("{address:#x} is not in the module");
    }

    pub fn word(&self, address: u32) -> u32 {
        u32::from_le_bytes(*self.from(address).first_chunk().unwrap())
    }

    pub fn half(&self, address: u32) -> u16 {
        u16::from_le_bytes(*self.from(address).first_chunk().unwrap())
    }

    /// The text from an address up to its NUL.
    pub fn text(&self, address: u32) -> &str {
        let rest = self.from(address);
        let end = rest.iter().position(|byte| *byte == 0).unwrap();
        str::from_utf8(&rest[..end]).unwrap()
    }

    /// The bytes of the table of functions.
    pub fn functions(&self) -> &[u8] {
        let table = self.linked.functions;
        &self.from(table.start().as_u32())[..table.len() as usize]
    }

    /// Where the core's parts begin.
    pub fn rodata(&self) -> u32 {
        self.core_base + self.core_sizes.text
    }

    pub fn data(&self) -> u32 {
        self.rodata() + self.core_sizes.rodata
    }
}

/// Where an ARM branch at `address` goes.
pub fn arm_branch(word: u32, address: u32) -> u32 {
    let offset = ((word << 8).cast_signed() >> 6).cast_unsigned();
    let is_blx = word >> 28 == 0xf;
    let half = if is_blx { word >> 23 & 2 } else { 0 };
    (address + 8).wrapping_add(offset).wrapping_add(half) | u32::from(is_blx)
}

/// Where a Thumb `BL`, `BLX` or `B.W` at `address` goes (*ARM DDI 0406C, A8.8.18, A8.8.25*).
pub fn thumb_branch(first: u16, second: u16, address: u32) -> u32 {
    let (first, second) = (u32::from(first), u32::from(second));
    let s = first >> 10 & 1;
    let i1 = !(second >> 13 ^ s) & 1;
    let i2 = !(second >> 11 ^ s) & 1;
    let bits = s << 24 | i1 << 23 | i2 << 22 | (first & 0x3ff) << 12 | (second & 0x7ff) << 1;
    let offset = ((bits << 7).cast_signed() >> 7).cast_unsigned();
    let is_blx = second >> 12 & 0b1101 == 0b1100;
    let pc = if is_blx { (address + 4) & !3 } else { address + 4 };
    pc.wrapping_add(offset) | u32::from(!is_blx)
}
