//! Is the machine code of a function the same in two images?
//!
//! Addresses differ from image to image, and so do the instructions that hold them. So code is
//! compared with each address replaced by what lies there: a function or a named object and the
//! offset in it, or the section for what has no name. Everything else must be equal, bit by bit.
//!
//! | file | idea |
//! |---|---|
//! | `image` | what of an ELF file is looked at: symbols, sections, the words of a function |
//! | `normal` | a function's words without addresses |
//!
//! A function is compared together with those of its callees that the caller chooses; others are
//! compared by name.

mod image;
mod normal;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

pub use image::{Image, ImageError};
use normal::{Place, Word, normal};

/// What differs between the functions `names` in two images, and between all that they call, directly
/// or not, as long as `follows` says so of the name; nothing when they are the same.
///
/// Names are as they are in the source, without the hashes of the mangled form. A name that several
/// functions have, which were made for several types, means all of them.
#[must_use]
pub fn differences(
    one: &Image,
    other: &Image,
    names: &[&str],
    follows: &dyn Fn(&str) -> bool,
) -> Vec<String> {
    let mut comparison =
        Comparison { one, other, follows, seen: BTreeSet::new(), found: Vec::new() };
    for name in names {
        let (ours, theirs) = (one.functions(name), other.functions(name));
        if ours.is_empty() || ours.len() != theirs.len() {
            let (ours, theirs) = (ours.len(), theirs.len());
            comparison.found.push(format!("{name}: {ours} in one image, {theirs} in the other"));
            continue;
        }
        comparison.any_order(name, &ours, &theirs);
    }
    comparison.found
}

struct Comparison<'a> {
    one: &'a Image,
    other: &'a Image,
    follows: &'a dyn Fn(&str) -> bool,
    /// Pairs of addresses that have been compared.
    seen: BTreeSet<(u32, u32)>,
    found: Vec<String>,
}

impl Comparison<'_> {
    /// Compares functions of one name, of which each must have its like in the other image.
    fn any_order(&mut self, name: &str, ours: &[u32], theirs: &[u32]) {
        let mut left = theirs.to_vec();
        for &address in ours {
            let same = |&their: &u32| normal(self.one, address) == normal(self.other, their);
            match left.iter().position(same) {
                Some(index) => {
                    let their = left.swap_remove(index);
                    self.pair(name, address, their);
                }
                // To say what differs, against any.
                None => self.pair(name, address, left.pop().unwrap_or_default()),
            }
        }
    }

    fn pair(&mut self, name: &str, ours: u32, theirs: u32) {
        if !self.seen.insert((ours, theirs)) {
            return;
        }
        let (Some(mine), Some(their)) = (normal(self.one, ours), normal(self.other, theirs)) else {
            self.found.push(format!("{name}: its code could not be read"));
            return;
        };
        if mine.len() != their.len() {
            let (mine, their) = (mine.len(), their.len());
            self.found.push(format!("{name}: {mine} words in one image, {their} in the other"));
            return;
        }
        for (index, (mine, their)) in mine.iter().zip(&their).enumerate() {
            if mine != their {
                let at = 4 * index;
                self.found
                    .push(format!("{name}+{at:#x}: {mine} in one image, {their} in the other"));
                return;
            }
        }
        let called = |words: &[Word]| -> Vec<(String, u32)> {
            words.iter().filter_map(|word| callee(word.place.as_ref()?)).collect()
        };
        for ((name, mine), (_, their)) in called(&mine).into_iter().zip(called(&their)) {
            if (self.follows)(&name) {
                self.pair(&name, mine, their);
            }
        }
    }
}

/// The function that a place is the beginning of.
fn callee(place: &Place) -> Option<(String, u32)> {
    (place.is_function && place.offset == 0).then(|| (place.name.clone(), place.address))
}
