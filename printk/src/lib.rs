//! C's format strings, as Linux's `printk` and its like read them.
//!
//! ```text
//!  "\001" "6" "%s at %px\n"      [`format`] ──▶ [`Sink`] ── [`Line`], for printk: level, text, at most 1024 bytes
//!  format, in memory ──────────▶   ▲   ▲                └─ [`Buffer`], for snprintf: cut, counted, with a NUL
//!                      [`Arguments`]   [`Context`]
//!                     words in order   memory that may fault; names of addresses
//! ```
//!
//! Format, strings and arguments are somebody else's memory, read byte by byte through [`Context`]: what can not be
//! read is said in the text, as `(efault)`.
//!
//! # What is understood
//!
//! | | |
//! |---|---|
//! | flags | `-` `+` space `#` `0` |
//! | width, precision | a number or `*`; at most 8388607 and 32767 |
//! | size | `hh` `h` `l` `ll` `L` `q` `j` `z` `t`; `ll`, `L`, `q`, `j` are 64 bits, `l`, `z`, `t` 32 |
//! | conversion | `d` `i` `u` `o` `x` `X` `c` `s` `p` `%` |
//! | `%p` `%px` `%pK` | the address, eight digits |
//! | `%pS` `%pSR` `%pB` `%ps` | the function at the address: `name+offset/size [module]`, or the name alone |
//! | `%pa` `%pap` `%pad` | the physical or DMA address that lies there, 32 bits |
//! | `%pe` | an error pointer, as `-ENOMEM` |
//! | `%*ph` `%*phC` `%*phD` `%*phN` | up to 64 bytes in hexadecimal, between spaces, `:`, `-`, nothing |
//! | `%pM` `%pMF` `%pMR` `%pm` `%pmR` | a MAC address |
//! | `%pI4` `%pi4` | an IPv4 address, with `h`, `l` behind it for one in little-endian order |
//! | `%pUb` `%pUB` `%pUl` `%pUL` | a UUID |
//! | `%pV` | a format and its arguments (`struct va_format`) |
//!
//! Letters and digits behind `%p` belong to it. Those that are not known print the address, as on Linux.
//!
//! `%n` is printed as it is and its argument passed over: nothing is ever written through an argument. Behind any other
//! conversion that is not known (`%f`), which argument is next is not known either; the rest of the format is printed
//! as it is.
//!
//! # Where Linux and the C standard differ
//!
//! What a module prints is what Linux would print:
//!
//! | | C | Linux, and here |
//! |---|---|---|
//! | `%#x` of 0 | `0` | `0x0` |
//! | `%.0d` of 0 | nothing | `0` |
//! | `%#o` with a precision | zeros up to it | one `0` more |
//! | `%08.3d` | `0` means nothing | zeros up to the width |
//! | `*` below 0 as a precision | none | 0 |
//! | `%.s` | precision 0 | none |
//! | `%p` | as the library likes | eight digits |
//!
//! There is one difference to Linux: its `%p` and `%pK` print a hash, so that a log gives no addresses away. This kernel is
//! there to show addresses, so they print what `%px` does.
//!
//! Invariant: no format and no arguments make it panic, or run without end; it reads memory only through [`Context`],
//! and a string not beyond its precision.

#![cfg_attr(not(any(test, feature = "exercise")), no_std)]
#![forbid(unsafe_code)]

mod arguments;
mod bytes;
mod context;
mod directive;
mod errno;
#[cfg(any(test, feature = "exercise"))]
pub mod exercise;
mod format;
mod line;
mod number;
mod pointer;
mod reader;
mod sink;
#[cfg(test)]
mod tests;
mod text;

pub use arguments::{Arguments, VaList};
pub use context::{Context, Show};
pub use format::format;
pub use line::{LINE_BYTES, Level, Line, Message, Place};
pub use sink::{Buffer, Rest, Sink};
