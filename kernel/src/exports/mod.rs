//! What a module can call: C's names, with C's signatures, for what this kernel does.
//!
//! A module names a function, and the loader asks [`find`] where it is. Each is `extern "C"`: arguments and results go
//! where the AAPCS has them, so that C, assembly and Rust call it alike. Bodies are a few lines over the parts that do the
//! work; what they add is what C wants and Rust has not: NULL for an error, nothing for a NULL that is freed.
//!
//! | file | family |
//! |---|---|
//! | `slab` | `kmalloc`, `kmem_cache_alloc`, `kvmalloc` and their like |
//! | `mempool` | pools, also over a module's own functions |
//! | `page` | `alloc_pages`, `struct page *`, addresses of the linear map |
//! | `vmalloc` | areas |
//! | `kmap` | frames without an address |
//! | `io` | `ioremap` |
//! | `dma` | coherent memory and streaming mappings |
//! | `text` | `printk`, `snprintf`, `panic` |
//! | `string`, `number` | C's strings, and numbers in them |
//! | `runtime` | what compilers call by themselves |
//!
//! ```text
//! families ──▶ sorted() ──▶ TABLE ──▶ find("kmalloc") ──▶ address
//!              at compile time: by name, none twice
//! ```
//!
//! Conventions, for all families:
//!
//! - `size_t`, `unsigned long`, `gfp_t`, `phys_addr_t`, `dma_addr_t` and pointers have 32 bits; `gfp_t` and `slab_flags_t`
//!   have Linux 6.1's numbers, and unknown bits are for the memory core to refuse.
//! - `struct page *` is the address of the frame's descriptor; nobody outside looks into it. `struct kmem_cache *` and
//!   `mempool_t *` are addresses too, and `struct device *` is not looked at.
//! - What is given back wrongly is reported by the memory core, as of any other caller, and changes nothing. An argument
//!   that can mean nothing, such as a `struct page *` that is no descriptor, is a line that begins with `BUG: ` and the
//!   function's name; the result is NULL, or all ones.
//! - A function whose arguments can break nothing is safe. The others number the duties of their callers, which are
//!   those of C.
//! - Before boot has made the part that a function asks, it answers as if there were no memory.
//!
//! Invariant: [`TABLE`] is sorted by name, and no name is in it twice. The build fails otherwise.

mod c;
mod dma;
mod io;
mod kmap;
mod mempool;
mod number;
mod page;
mod runtime;
mod slab;
mod string;
mod text;
mod vmalloc;

use mm::addr::VirtAddr;

/// A function that modules call.
#[derive(Clone, Copy)]
pub struct Export {
    /// Its name in C.
    pub name: &'static str,
    function: *const (),
}

// SAFETY: the pointer is that of a function, which is the same for all who call it.
unsafe impl Sync for Export {}

impl Export {
    const fn new(name: &'static str, function: *const ()) -> Self {
        Self { name, function }
    }

    /// Where it is. Bit 0 would say that it is Thumb code; the kernel has none.
    pub fn address(&self) -> VirtAddr {
        VirtAddr::new(self.function as u32)
    }
}

/// The functions of a family, each under its own name.
macro_rules! exports {
    ($($function:ident),+ $(,)?) => {
        /// What modules call of this family.
        pub(super) const EXPORTS: &[$crate::exports::Export] = &[
            $($crate::exports::Export::new(stringify!($function), $function as *const ())),+
        ];
    };
}
use exports;

const FAMILIES: [&[Export]; 11] = [
    slab::EXPORTS,
    mempool::EXPORTS,
    page::EXPORTS,
    vmalloc::EXPORTS,
    kmap::EXPORTS,
    io::EXPORTS,
    dma::EXPORTS,
    text::EXPORTS,
    string::EXPORTS,
    number::EXPORTS,
    runtime::EXPORTS,
];

const COUNT: usize = {
    let (mut family, mut count) = (0, 0);
    while family < FAMILIES.len() {
        count += FAMILIES[family].len();
        family += 1;
    }
    count
};

static TABLE: [Export; COUNT] = sorted();

/// Does one name come before another, as `str` compares them?
const fn is_before(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at < other.len() && (at == one.len() || one[at] < other[at])
}

/// All functions, by insertion.
const fn sorted() -> [Export; COUNT] {
    let mut table = [FAMILIES[0][0]; COUNT];
    let (mut family, mut len) = (0, 0);
    while family < FAMILIES.len() {
        let mut index = 0;
        while index < FAMILIES[family].len() {
            let export = FAMILIES[family][index];
            let mut place = len;
            while place > 0 && is_before(export.name, table[place - 1].name) {
                table[place] = table[place - 1];
                place -= 1;
            }
            assert!(
                place == 0 || is_before(table[place - 1].name, export.name),
                "two functions are exported under one name"
            );
            table[place] = export;
            len += 1;
            index += 1;
        }
        family += 1;
    }
    table
}

/// Where the function with this name is, by binary search; `None` if there is none. Any context.
pub fn find(name: &str) -> Option<VirtAddr> {
    let found = TABLE.binary_search_by(|export| export.name.cmp(name)).ok()?;
    TABLE.get(found).map(Export::address)
}

/// All functions, by name.
pub fn iter() -> impl ExactSizeIterator<Item = &'static Export> {
    TABLE.iter()
}
