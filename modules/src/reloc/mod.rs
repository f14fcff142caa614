//! Stand-in for the relocation arithmetic, until the real one is merged.
#![allow(missing_docs)]
use core::fmt;
pub mod veneer;
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    Arm,
    Thumb,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    None,
    Abs32,
    Rel32,
    Prel31,
    Call,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Symbol {
    pub address: u32,
    pub is_thumb: bool,
}
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Misfit {
    NeedsVeneer,
    OutOfRange,
}
impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("does not fit")
    }
}
impl Kind {
    pub fn from_elf(kind: u32) -> Option<Self> {
        Some(match kind {
            0 => Self::None,
            2 => Self::Abs32,
            3 => Self::Rel32,
            42 => Self::Prel31,
            28 => Self::Call,
            _ => return None,
        })
    }
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "R_ARM_NONE",
            Self::Abs32 => "R_ARM_ABS32",
            Self::Rel32 => "R_ARM_REL32",
            Self::Prel31 => "R_ARM_PREL31",
            Self::Call => "R_ARM_CALL",
        }
    }
    pub fn bytes(self) -> usize {
        if self == Self::None { 0 } else { 4 }
    }
    pub fn align(self) -> u32 {
        if self == Self::Call { 4 } else { 1 }
    }
    pub fn branch_from(self) -> Option<State> {
        (self == Self::Call).then_some(State::Arm)
    }
    pub fn addend(self, b: &[u8]) -> i32 {
        let w = w(b);
        match self {
            Self::None => 0,
            Self::Abs32 | Self::Rel32 => w as i32,
            Self::Prel31 => (w << 1) as i32 >> 1,
            Self::Call => (w << 8) as i32 >> 6,
        }
    }
    pub fn destination(self, b: &[u8], s: Symbol) -> u32 {
        s.address.wrapping_add(self.addend(b) as u32).wrapping_add(8) | u32::from(s.is_thumb)
    }
    pub fn apply(self, b: &mut [u8], address: u32, s: Symbol) -> Result<(), Misfit> {
        let t = u32::from(s.is_thumb);
        let sa = s.address.wrapping_add(self.addend(b) as u32);
        let old = w(b);
        let new = match self {
            Self::None => return Ok(()),
            Self::Abs32 => sa | t,
            Self::Rel32 => (sa | t).wrapping_sub(address),
            Self::Prel31 => (sa | t).wrapping_sub(address) & 0x7fff_ffff | old & 1 << 31,
            Self::Call => {
                let d = sa.wrapping_sub(address) as i32;
                if !(-(1 << 25)..1 << 25).contains(&d) {
                    return Err(Misfit::NeedsVeneer);
                }
                (old & 0xff00_0000) | (d as u32 >> 2 & 0x00ff_ffff)
            }
        };
        b.copy_from_slice(&new.to_le_bytes());
        Ok(())
    }
    pub fn apply_veneer(self, b: &mut [u8], address: u32, veneer: u32) -> Result<(), Misfit> {
        let d = veneer.wrapping_sub(address).wrapping_sub(8);
        let new = (w(b) & 0xff00_0000) | (d >> 2 & 0x00ff_ffff);
        b.copy_from_slice(&new.to_le_bytes());
        Ok(())
    }
}
fn w(b: &[u8]) -> u32 {
    b.first_chunk().map_or(0, |c| u32::from_le_bytes(*c))
}
