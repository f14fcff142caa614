//! Flags as text: printing them as Linux's `%pGg` does, and reading what was printed or typed.
//!
//! Invariant: reading what was printed gives the same flags, unknown bits and all.

use core::fmt;

use super::{Gfp, ParseGfpError};

/// A table from names to the constants that bear them.
macro_rules! names {
    ($($name:ident)*) => { &[$((stringify!($name), Gfp::$name)),*] };
}

/// All names, in the order in which Linux 6.1 tries them: the combinations with the most bits
/// first, so that `GFP_USER` is not printed as `GFP_KERNEL|__GFP_HARDWALL`. It leaves some names
/// that are never printed, since all their bits go by a name further up: they can only be read.
const NAMES: &[(&str, Gfp)] = names! {
    GFP_TRANSHUGE GFP_TRANSHUGE_LIGHT GFP_HIGHUSER_MOVABLE GFP_HIGHUSER GFP_USER GFP_KERNEL_ACCOUNT
    GFP_KERNEL GFP_NOFS GFP_ATOMIC GFP_NOIO GFP_NOWAIT GFP_DMA __GFP_HIGHMEM GFP_DMA32 __GFP_HIGH
    __GFP_ATOMIC __GFP_IO __GFP_FS __GFP_NOWARN __GFP_RETRY_MAYFAIL __GFP_NOFAIL __GFP_NORETRY
    __GFP_COMP __GFP_ZERO __GFP_NOMEMALLOC __GFP_MEMALLOC __GFP_HARDWALL __GFP_THISNODE
    __GFP_RECLAIMABLE __GFP_MOVABLE __GFP_ACCOUNT __GFP_WRITE __GFP_RECLAIM __GFP_DIRECT_RECLAIM
    __GFP_KSWAPD_RECLAIM __GFP_ZEROTAGS __GFP_SKIP_ZERO __GFP_SKIP_KASAN_POISON
    __GFP_SKIP_KASAN_UNPOISON
    // Linux 6.1 prints these as a number, or never.
    __GFP_NOLOCKDEP __GFP_DMA __GFP_DMA32
};

/// Names of older kernels: read, but neither printed nor offered.
const OLD_NAMES: &[(&str, Gfp)] = names! { __GFP_REPEAT __GFP_WAIT __GFP_COLD };

/// The names that are printed and offered.
const TODAYS: [&str; NAMES.len()] = {
    let mut names = [""; NAMES.len()];
    let mut index = 0;
    while index < names.len() {
        names[index] = NAMES[index].0;
        index += 1;
    }
    names
};

/// No flags.
const NONE: &str = "none";

impl fmt::Display for Gfp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str(NONE);
        }
        let mut rest = *self;
        let mut bar = "";
        for &(name, flags) in NAMES {
            if rest.contains(flags) {
                write!(f, "{bar}{name}")?;
                bar = "|";
                rest.remove(flags);
            }
        }
        if rest.is_empty() { Ok(()) } else { write!(f, "{bar}{rest:#x}") }
    }
}

/// Flags as text.
impl Gfp {
    /// The names of all flags and combinations that today's Linux has.
    pub const NAMES: &'static [&'static str] = &TODAYS;

    /// Reads flags joined by `|`: names of any letter case, or numbers, hexadecimal with `0x` and
    /// else decimal. `GFP_` or `__GFP_` can be left off, unless two flags that differ have the
    /// same name then. `none` is no flags. Blanks around a word do not count.
    ///
    /// A number may have bits that no modifier has, and the flags may contradict each other:
    /// [`check`](Self::check) finds out.
    ///
    /// # Errors
    ///
    /// [`ParseGfpError`] for the first word that is neither.
    pub fn parse(text: &str) -> Result<Self, ParseGfpError<'_>> {
        text.split('|').try_fold(Self::empty(), |sum, word| Ok(sum.union(read_word(word.trim())?)))
    }
}

fn read_word(word: &str) -> Result<Gfp, ParseGfpError<'_>> {
    if word.is_empty() {
        return Err(ParseGfpError::NoWord);
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        return read_number(word).ok_or(ParseGfpError::NotANumber { word });
    }
    if word.eq_ignore_ascii_case(NONE) {
        return Ok(Gfp::empty());
    }
    let names = || NAMES.iter().chain(OLD_NAMES);
    if let Some(&(_, flags)) = names().find(|(name, _)| name.eq_ignore_ascii_case(word)) {
        return Ok(flags);
    }
    let mut short = names().filter(|(name, _)| without_prefix(name).eq_ignore_ascii_case(word));
    let &(first, flags) = short.next().ok_or(ParseGfpError::UnknownName { word })?;
    match short.find(|(_, other)| *other != flags) {
        Some(&(second, _)) => Err(ParseGfpError::Ambiguous { word, names: [first, second] }),
        None => Ok(flags),
    }
}

fn without_prefix(name: &str) -> &str {
    name.trim_start_matches('_').trim_start_matches("GFP_")
}

fn read_number(word: &str) -> Option<Gfp> {
    let (digits, radix) = match word.strip_prefix("0x").or_else(|| word.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None => (word, 10),
    };
    // The library's reader would take a sign after the `0x`.
    if !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok().map(Gfp::from_bits_retain)
}
