//! An answer, drawn to scale as SVG: the address space, and RAM.
//!
//! High addresses are at the top, as in the *Virtual kernel memory layout* table, and a picture says in words, for those
//! who do not see it, what it shows. Colours are the page's: every shape has a class, and what a class looks like is
//! decided by style sheets, so that one picture serves dark, light and print. Beside its colour every class has a
//! pattern ([`patterns`]) or a label, so that nothing is told by colour alone.
//!
//! | file | idea |
//! |---|---|
//! | `scale` | bytes to lengths, exact to a tenth of a pixel, the same on every machine |
//! | `labels` | places for labels, none on another |
//! | `size` | a number of bytes in words |
//! | `svg` | the shapes that both pictures are made of |
//! | `spans` | the address space as spans without holes, and which of them need enlarging |
//! | `address_space` | the picture of it |
//! | `pieces` | RAM as pieces, small neighbours together |
//! | `ram` | the picture of it |
//!
//! Invariant: any [`Answer`](crate::answer::Answer) has both pictures; in each no label touches another and all lie
//! within the view box.

mod address_space;
mod labels;
mod pieces;
mod ram;
mod scale;
mod size;
mod spans;
mod svg;
#[cfg(test)]
mod tests;

pub use address_space::address_space;
pub use pieces::reason;
pub use ram::ram;
pub use size::Size;
pub use svg::patterns;
