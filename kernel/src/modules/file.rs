//! A file of the initrd, copied to where it has an address.
//!
//! The loader wants the object's bytes side by side; in the initrd they may lie in HighMem, page by page.

use core::slice;

use mm::addr::VirtAddr;
use mm::map::vmalloc::KvError;
use mm::zone::Gfp;
use newc::{Entry, Kind};

use super::error::ModuleError;
use super::name::{ModuleName, NoName};
use crate::initrd::Initrd;
use crate::vmalloc::Vmalloc;

/// A file's bytes, for as long as the value lives.
pub struct FileBytes {
    home: &'static Vmalloc,
    at: VirtAddr,
    len: u32,
}

impl FileBytes {
    /// Reads the file. Who `caller` is reports of memory say.
    ///
    /// # Errors
    ///
    /// [`ModuleError`] when it is no file, can not be read, or there is no memory for it.
    pub fn read(
        initrd: &Initrd,
        entry: &Entry,
        home: &'static Vmalloc,
        caller: u32,
    ) -> Result<Self, ModuleError<'static>> {
        if entry.kind() != Kind::File {
            return Err(ModuleError::NoFile);
        }
        let archive = initrd.archive();
        let file = archive.open(entry).map_err(ModuleError::Initrd)?;
        let len = file.size();
        if len == 0 {
            return Err(ModuleError::NoFile);
        }
        let no_memory = |error: KvError| ModuleError::FileMemory { bytes: len, error };
        let at =
            home.kvmalloc(len, Gfp::GFP_KERNEL | Gfp::__GFP_ZERO, caller).map_err(no_memory)?;
        let mut bytes = Self { home, at, len };
        let read = file.read(0, bytes.as_mut()).map_err(ModuleError::Initrd)?;
        if read == len as usize { Ok(bytes) } else { Err(ModuleError::NoFile) }
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8] {
        // SAFETY: `kvmalloc` gave so many bytes, which were zeroed, to this value alone.
        unsafe { slice::from_raw_parts(self.at.as_u32() as *const u8, self.len as usize) }
    }

    fn as_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `bytes`.
        unsafe { slice::from_raw_parts_mut(self.at.as_u32() as *mut u8, self.len as usize) }
    }
}

impl Drop for FileBytes {
    fn drop(&mut self) {
        // SAFETY: 1. nobody borrows the bytes any more; 2. it has no constructor. What could go wrong is somebody else's
        // free, which was reported.
        let _ = unsafe { self.home.kvfree(self.at) };
    }
}

/// Does a file of this name hold an object?
pub fn is_object(path: &str) -> bool {
    path.ends_with(".ko") || path.ends_with(".o")
}

/// The file that `word` means: one of this path; else the first whose module has this name.
///
/// # Errors
///
/// [`ModuleError::Initrd`] when the archive can not be read so far, [`ModuleError::Name`] for no word.
pub fn find(initrd: &Initrd, word: &str) -> Result<Option<Entry>, ModuleError<'static>> {
    if word.is_empty() {
        return Err(ModuleError::Name(NoName::Empty));
    }
    let archive = initrd.archive();
    if let Some(entry) = archive.find(word).map_err(ModuleError::Initrd)? {
        return Ok(Some(entry));
    }
    let Ok(wanted) = ModuleName::of_file(word) else { return Ok(None) };
    for entry in archive.entries() {
        let entry = entry.map_err(ModuleError::Initrd)?;
        let path = str::from_utf8(entry.name.path()).ok().filter(|path| is_object(path));
        if path.map(ModuleName::of_file) == Some(Ok(wanted)) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}
