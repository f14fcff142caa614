//! Addresses and ranges of them in JSON: strings in hexadecimal, since a reader looks for `0xc0000000`.

use alloc::string::String;
use core::fmt;

use mm::addr::{PhysAddr, PhysRange};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An address, physical or virtual; in JSON `"0x40000000"`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub struct Address(pub u64);

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#010x}", self.0)
    }
}

impl From<PhysAddr> for Address {
    fn from(address: PhysAddr) -> Self {
        Self(address.as_u64())
    }
}

impl From<Address> for PhysAddr {
    fn from(address: Address) -> Self {
        Self::new(address.0)
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digits = text.strip_prefix("0x").filter(|digits| !digits.starts_with('+'));
        let value = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
        value
            .map(Self)
            .ok_or_else(|| Error::custom(format_args!("'{text}' is no address such as 0x40000000")))
    }
}

/// The addresses from `start` on, before `end`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first.
    pub start: Address,
    /// The one behind the last.
    pub end: Address,
}

impl Range {
    /// How many bytes these are; 0 for a range that ends before it starts.
    #[must_use]
    pub const fn len(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Is there no address in it?
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl From<PhysRange> for Range {
    fn from(range: PhysRange) -> Self {
        Self { start: range.start().into(), end: range.end().into() }
    }
}

impl From<Range> for PhysRange {
    /// An empty range for one that ends before it starts.
    fn from(range: Range) -> Self {
        Self::new(range.start.into(), range.end.max(range.start).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_they_are_written() {
        for (value, text) in
            [(0, "\"0x00000000\""), (0x4000_0000, "\"0x40000000\""), (1 << 32, "\"0x100000000\"")]
        {
            assert_eq!(serde_json::to_string(&Address(value)).unwrap(), text);
            assert_eq!(serde_json::from_str::<Address>(text).unwrap(), Address(value));
        }
        for bad in
            ["\"40000000\"", "\"0x\"", "\"0x+1\"", "\"0x1_0\"", "\"0x10000000000000000\"", "7"]
        {
            assert!(serde_json::from_str::<Address>(bad).is_err(), "{bad}");
        }
    }
}
