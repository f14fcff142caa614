//! What boot parameters say of caches: `slab_debug=`, `slab_nomerge`, `slab_freelist_random`.
//!
//! `slab_debug` alone is `FZPU` for every cache. With a value it has Linux's form, blocks with a semicolon
//! between them, each of letters and, behind a comma, names:
//!
//! ```text
//! slab_debug=FZ              every cache: checks and red zones
//! slab_debug=P,kmalloc-*,io  poison, for these; * stands for any text
//! slab_debug=-;ZU,bio        none but the cache bio
//! ```
//!
//! | letter | what |
//! |---|---|
//! | `F` | consistency checks |
//! | `Z` | red zones |
//! | `P` | poison |
//! | `U` | who took and gave back each object |
//! | `T` | a line for each taking and giving back |
//! | `A` | `failslab=` is for these caches, and no others |
//! | `O` | none of it for caches whose slabs would become larger |
//! | `-` | nothing |

use core::fmt;

use arrayvec::ArrayVec;

use super::flags::SlabFlags;

/// How many blocks `slab_debug=` may have.
pub const MAX_BLOCKS: usize = 8;

/// Flags for the caches that a pattern names.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Block<'t> {
    flags: SlabFlags,
    /// Only where no larger slab is needed for it.
    only_if_free: bool,
    /// Patterns with commas between them; empty for every cache.
    names: &'t str,
}

/// The options.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SlabOptions<'t> {
    blocks: ArrayVec<Block<'t>, MAX_BLOCKS>,
    /// No two caches share slabs.
    pub nomerge: bool,
    /// The objects of a new slab are handed out in an order that this seed begins; by address if there is
    /// none.
    pub random_seed: Option<u32>,
}

/// Text that is no value of `slab_debug=`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum BadSlabDebug<'t> {
    /// A letter that stands for nothing. It is left out, as in Linux, and all else holds.
    Letter {
        /// The letter.
        letter: char,
        /// The block that it is in.
        block: &'t str,
    },
    /// More blocks than [`MAX_BLOCKS`]. Those from here on are left out.
    TooMany {
        /// The first that is too many.
        block: &'t str,
    },
}

impl fmt::Display for BadSlabDebug<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Letter { letter, block } => write!(
                f,
                "{letter:?} in {block:?} of slab_debug= is unknown and skipped: the letters are F Z P U T A O \
                 and -"
            ),
            Self::TooMany { block } => {
                write!(
                    f,
                    "{block:?} of slab_debug= is one block more than {MAX_BLOCKS}, and skipped"
                )
            }
        }
    }
}

impl core::error::Error for BadSlabDebug<'_> {}

impl<'t> SlabOptions<'t> {
    /// Reads the value of `slab_debug`; `None` is the parameter without one. What it said before is
    /// forgotten. What stands for nothing is left out, and `skipped` told.
    pub fn read_debug(
        &mut self,
        value: Option<&'t str>,
        mut skipped: impl FnMut(BadSlabDebug<'t>),
    ) {
        self.blocks.clear();
        let value = value.unwrap_or("");
        for block in value.split(';') {
            let (letters, names) = block.split_once(',').unwrap_or((block, ""));
            let mut read = Block { flags: SlabFlags::empty(), only_if_free: false, names };
            if letters.is_empty() {
                read.flags = SlabFlags::DEBUG_DEFAULT;
            }
            for letter in letters.chars() {
                let flag = match letter.to_ascii_uppercase() {
                    'F' => SlabFlags::SLAB_CONSISTENCY_CHECKS,
                    'Z' => SlabFlags::SLAB_RED_ZONE,
                    'P' => SlabFlags::SLAB_POISON,
                    'U' => SlabFlags::SLAB_STORE_USER,
                    'T' => SlabFlags::SLAB_TRACE,
                    'A' => SlabFlags::SLAB_FAILSLAB,
                    'O' => {
                        read.only_if_free = true;
                        SlabFlags::empty()
                    }
                    '-' => {
                        read.flags = SlabFlags::empty();
                        SlabFlags::empty()
                    }
                    _ => {
                        skipped(BadSlabDebug::Letter { letter, block });
                        SlabFlags::empty()
                    }
                };
                read.flags |= flag;
            }
            if self.blocks.try_push(read).is_err() {
                return skipped(BadSlabDebug::TooMany { block });
            }
        }
    }

    /// Does any block have one of these flags, also for caches that are not there yet?
    #[must_use]
    pub fn names_caches_for(&self, flags: SlabFlags) -> bool {
        self.blocks.iter().any(|block| block.flags.intersects(flags))
    }

    /// The flags that a cache of this name gets, and whether only if its slabs stay as large. Blocks that
    /// name it go before those for every cache; of several the last.
    #[must_use]
    pub fn debug_flags(&self, name: &str) -> (SlabFlags, bool) {
        let named = |block: &&Block<'_>| {
            !block.names.is_empty() && block.names.split(',').any(|pattern| matches(pattern, name))
        };
        let found = self.blocks.iter().rfind(named);
        let found = found.or_else(|| self.blocks.iter().rfind(|block| block.names.is_empty()));
        found.map_or((SlabFlags::empty(), false), |block| (block.flags, block.only_if_free))
    }
}

/// Does `name` look like `pattern`, in which `*` stands for any text?
fn matches(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut pieces = rest.split('*').peekable();
    while let Some(piece) = pieces.next() {
        if pieces.peek().is_none() {
            return name.ends_with(piece);
        }
        let Some(at) = name.find(piece) else { return false };
        name = &name[at + piece.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: SlabFlags = SlabFlags::DEBUG_DEFAULT;

    fn flags(value: Option<&str>, name: &str) -> SlabFlags {
        let mut options = SlabOptions::default();
        options.read_debug(value, |bad| panic!("{bad}"));
        options.debug_flags(name).0
    }

    #[test]
    fn the_forms_of_linux() {
        let (z, p) = (SlabFlags::SLAB_RED_ZONE, SlabFlags::SLAB_POISON);
        let none = SlabFlags::empty();
        for (value, name, expected) in [
            (None, "any", ALL),
            (Some(""), "any", ALL),
            (Some("-"), "any", none),
            (Some("Z"), "any", z),
            (Some("zp"), "any", z | p),
            (Some("Z,one,two"), "two", z),
            (Some("Z,one,two"), "three", none),
            (Some(",one"), "one", ALL),
            (Some("P;Z,kmalloc-*"), "kmalloc-1k", z),
            (Some("P;Z,kmalloc-*"), "kmem_cache", p),
            (Some("-;ZP,bio"), "bio", z | p),
            (Some("Z,a*c*e"), "abcde", z),
            (Some("Z,a*c*e"), "abde", none),
            (Some("Z,*"), "all", z),
            (Some("Z,*k"), "kmalloc-8k", z),
        ] {
            assert_eq!(flags(value, name), expected, "{value:?} {name}");
        }
        let mut options = SlabOptions::default();
        options.read_debug(Some("OZ"), |bad| panic!("{bad}"));
        assert_eq!(options.debug_flags("x"), (z, true));
    }

    #[test]
    fn what_can_not_be_read_is_skipped() {
        let mut options = SlabOptions::default();
        let mut read = |value| {
            let mut skipped = Vec::new();
            options.read_debug(Some(value), |bad| skipped.push(bad));
            (options.debug_flags("one").0, skipped)
        };
        let letter = |letter, block| BadSlabDebug::Letter { letter, block };
        let (u, z) = (SlabFlags::SLAB_STORE_USER, SlabFlags::SLAB_RED_ZONE);
        assert_eq!(read("UX"), (u, vec![letter('X', "UX")]));
        let block = "xUy,one";
        assert_eq!(read("Z;xUy,one"), (u, ['x', 'y'].map(|c| letter(c, block)).to_vec()));
        // A block without a letter that is known is one without flags, not the default.
        assert_eq!(read("X"), (SlabFlags::empty(), vec![letter('X', "X")]));
        let block = "U";
        assert_eq!(read("Z;Z;Z;Z;Z;Z;Z;Z;U;P"), (z, vec![BadSlabDebug::TooMany { block }]));
    }
}
