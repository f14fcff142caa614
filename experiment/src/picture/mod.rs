//! An answer, drawn to scale as SVG.
