//! The records that the kernel's loader reads from an object's sections `.modinfo` and `__param`.
//!
//! They are laid out as decision 15 says (`docs/decisions/0015-modules.md`), and as
//! `include/linux/moduleparam.h` lays them out for C.

use core::ffi::{CStr, c_char, c_void};
use core::sync::atomic::AtomicI32;

/// The strings `tag=value` of `.modinfo`, each with a byte 0 behind it.
macro_rules! modinfo {
    ($($text:literal),+ $(,)?) => {
        #[used]
        #[unsafe(link_section = ".modinfo")]
        static MODINFO: [u8; concat!($($text, "\0"),+).len()] =
            *concat!($($text, "\0"),+).as_bytes().first_chunk().unwrap();
    };
}
pub(crate) use modinfo;

/// A record of `__param`: 20 bytes.
#[repr(C)]
pub struct Parameter {
    name: *const c_char,
    kind: u32,
    variable: *const c_void,
    bytes: u32,
    count: *const u32,
}

const _: () = assert!(size_of::<Parameter>() == 20);

/// Type 4 of decision 15's table: a signed 32-bit number.
const INT: u32 = 4;

impl Parameter {
    /// A number that the loader may write before init runs.
    pub const fn int(name: &'static CStr, variable: &'static AtomicI32) -> Self {
        Self {
            name: name.as_ptr(),
            kind: INT,
            variable: variable.as_ptr().cast_const().cast(),
            bytes: 4,
            count: core::ptr::null(),
        }
    }
}

// SAFETY: the record is never changed, and read by the loader only, before any code of the module runs.
unsafe impl Sync for Parameter {}
