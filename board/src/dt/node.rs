//! A node, and the plain types of its properties.
//!
//! Wraps `fdt`'s node so that the rest of the crate sees only the calls that are safe on a
//! validated tree, and values decoded by us. Strings end at their first NUL, or at the end of the
//! value where a sloppy boot loader left the NUL out.

use core::str;

use fdt::node::FdtNode;

use super::{Error, validate::be32};

/// Whether a node's device may be used (Devicetree Specification v0.4, 2.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// `okay`, the older `ok`, or no status at all.
    Okay,
    /// `disabled`. For a CPU: quiescent, and to be started by its enable method.
    Disabled,
    /// Anything else: `reserved`, `fail`, or a word without meaning.
    Unusable,
}

/// A node of a validated tree.
#[derive(Clone, Copy)]
pub(crate) struct Node<'n, 't>(FdtNode<'n, 't>);

impl<'n, 't> Node<'n, 't> {
    pub(super) fn new(node: FdtNode<'n, 't>) -> Self {
        Self(node)
    }

    /// The name with its unit address; empty for the root.
    pub fn name(&self) -> &'t str {
        self.0.name
    }

    /// The name without a unit address.
    pub fn base_name(&self) -> &'t str {
        self.name().split('@').next().unwrap_or_default()
    }

    /// Does one component of a path mean this node? Without a unit address it means the first node
    /// of that name.
    pub fn answers_to(&self, component: &str) -> bool {
        self.name() == component || (!component.contains('@') && self.base_name() == component)
    }

    /// The child nodes, in the order of the tree.
    pub fn children(&self) -> impl Iterator<Item = Node<'n, 't>> + use<'n, 't> {
        self.0.children().map(|child| {
            #[cfg(test)]
            super::work::step();
            Node(child)
        })
    }

    /// The bytes of the first property `name`.
    pub fn value(&self, name: &str) -> Option<&'t [u8]> {
        let mut properties = self.0.properties();
        let found = properties.find(|property| {
            #[cfg(test)]
            super::work::step();
            property.name == name
        });
        found.map(|property| property.value)
    }

    /// The bytes of a property that must be there.
    pub fn required(&self, property: &'static str) -> Result<&'t [u8], Error<'t>> {
        self.value(property).ok_or(Error::Missing { node: self.name(), property })
    }

    /// Is there a property `name`, whatever its value?
    pub fn has(&self, name: &str) -> bool {
        self.value(name).is_some()
    }

    /// A property of one cell.
    pub fn u32(&self, property: &'static str) -> Result<Option<u32>, Error<'t>> {
        let Some(value) = self.value(property) else {
            return Ok(None);
        };
        match <[u8; 4]>::try_from(value) {
            Ok(cell) => Ok(Some(u32::from_be_bytes(cell))),
            Err(_) => Err(self.bad_length(property, value, "4")),
        }
    }

    /// A property that is a string, or the first string of a list.
    pub fn string(&self, property: &'static str) -> Result<Option<&'t str>, Error<'t>> {
        let Some(value) = self.value(property) else {
            return Ok(None);
        };
        match str::from_utf8(first_string(value)) {
            Ok(text) => Ok(Some(text)),
            Err(error) => {
                let offset = error.valid_up_to() as u64;
                Err(Error::NotUtf8 { node: self.name(), property, offset })
            }
        }
    }

    pub fn status(&self) -> Status {
        match self.value("status").map(first_string) {
            None | Some(b"okay" | b"ok") => Status::Okay,
            Some(b"disabled") => Status::Disabled,
            Some(_) => Status::Unusable,
        }
    }

    pub fn is_okay(&self) -> bool {
        self.status() == Status::Okay
    }

    /// Is the property a string equal to `text`?
    pub fn says(&self, property: &str, text: &str) -> bool {
        self.value(property).is_some_and(|value| first_string(value) == text.as_bytes())
    }

    /// Is one of `names` in the node's `compatible` list?
    pub fn is_compatible(&self, names: &[&str]) -> bool {
        let list = self.value("compatible").unwrap_or_default();
        list.split(|byte| *byte == 0).any(|entry| names.iter().any(|name| name.as_bytes() == entry))
    }

    /// The cell at byte `at` of `value`, for arrays of cells; a value too short is a wrong length.
    pub fn cell(
        &self,
        property: &'static str,
        value: &'t [u8],
        at: usize,
    ) -> Result<u32, Error<'t>> {
        be32(value, at).ok_or(self.too_short(property, value))
    }

    pub fn bad_length(
        &self,
        property: &'static str,
        value: &[u8],
        expected: &'static str,
    ) -> Error<'t> {
        Error::Length { node: self.name(), property, len: value.len() as u64, expected }
    }

    pub fn bad_entries(&self, property: &'static str, value: &[u8], entry: usize) -> Error<'t> {
        let (len, entry) = (value.len() as u64, entry as u32);
        Error::Entries { node: self.name(), property, len, entry }
    }

    pub fn too_short(&self, property: &'static str, value: &[u8]) -> Error<'t> {
        Error::TooShort { node: self.name(), property, len: value.len() as u64 }
    }

    pub fn bad_value(&self, property: &'static str, value: impl Into<u64>) -> Error<'t> {
        Error::Value { node: self.name(), property, value: value.into() }
    }
}

fn first_string(value: &[u8]) -> &[u8] {
    value.split(|byte| *byte == 0).next().unwrap_or_default()
}
