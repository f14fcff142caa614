//! Checks that a tree is what it says.

use core::fmt;

use super::Words;
use super::aligned::computed;
use super::balance::{MARK, best, height, summary, summed_up};
use super::record::{ALIGNED, AreaId, Fields, GAP, LEFT, NONE, PARENT, RIGHT, START, SUMMARY};
use super::tree::{AreaTree, GUARD_BYTES};
use crate::addr::VirtAddr;

/// Something in a tree is not as it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// The area's start, as its record says.
    pub start: VirtAddr,
    /// What is wrong.
    pub what: &'static str,
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the area at {}: {}", self.start, self.what)
    }
}

impl core::error::Error for Damage {}

impl AreaTree {
    /// Checks every node. Takes as long as there are areas; for tests, and for whoever looks at a machine.
    ///
    /// # Errors
    ///
    /// The first [`Damage`] that it meets.
    pub fn validate(&self, words: &impl Words) -> Result<(), Damage> {
        let mut gap_start = self.region().start().as_u32();
        let (mut areas, mut free) = (0, 0);
        let sentinel = AreaId::some(self.sentinel);
        for area in self.iter(words).chain(sentinel) {
            let at = area.at();
            self.validate_node(words, at)?;
            let damage = |what| Err(damage(words, at, what));
            let start = words.get(at, START);
            if start < gap_start {
                return damage("it overlaps the one before, or its guard page");
            }
            if words.get(at, GAP) != start - gap_start {
                return damage("the gap before it has another size");
            }
            free += start - gap_start;
            if at != self.sentinel {
                areas += 1;
                if words.end(at) <= start {
                    return damage("it is empty");
                }
                gap_start = words.end(at) + GUARD_BYTES;
            } else if start != self.region().end().as_u32() {
                return damage("the sentinel is not at the end");
            }
        }
        if (areas, free) != (self.areas(), self.free_bytes()) {
            return Err(damage(words, self.root, "the totals are wrong"));
        }
        Ok(())
    }

    fn validate_node(&self, words: &impl Words, at: u32) -> Result<(), Damage> {
        let [left, right, parent] = [LEFT, RIGHT, PARENT].map(|field| words.get(at, field));
        let is_linked = |child: u32| child == NONE || words.get(child, PARENT) == at;
        let own = words.get(at, SUMMARY);
        let is_marked = own & MARK != 0;
        let what = if !is_linked(left) || !is_linked(right) || (parent == NONE) != (at == self.root)
        {
            "its links are wrong"
        } else if height(summary(words, left)).abs_diff(height(summary(words, right))) > 1 {
            "the tree is out of balance"
        } else if height(own) != height(summed_up(words, at)) {
            "its height is wrong"
        } else if best(own) != best(summed_up(words, at)) {
            "its largest gap is wrong"
        } else if is_marked && parent != NONE && summary(words, parent) & MARK == 0 {
            "a mark ends below the root"
        } else if !is_marked
            && (0..)
                .zip(computed(words, at))
                .any(|(n, pair)| words.get(at, ALIGNED + 4 * n) != pair)
        {
            "its aligned bests are wrong, and not marked"
        } else {
            return Ok(());
        };
        Err(damage(words, at, what))
    }
}

fn damage(words: &impl Words, at: u32, what: &'static str) -> Damage {
    Damage { start: VirtAddr::new(words.get(at, START)), what }
}
