//! Caches of values: the ordinary way to have objects.
//!
//! A [`Cache`] of `T` hands out boxes, each of which gives its object back when it is dropped. A
//! [`ReadyCache`] hands out values that were constructed when their slab was made, and that are given back
//! as they are: what a constructor is for.
#![expect(unsafe_code, reason = "values lie in objects")]

use core::fmt;
use core::marker::PhantomData;
use core::mem::ManuallyDrop;
use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use super::allocator::{CacheRef, SlabAllocator};
use super::error::{Busy, CreateError};
use super::flags::SlabFlags;
use crate::addr::VirtAddr;
use crate::platform::Lowmem;
use crate::zone::{AllocError, Gfp};

/// A cache under one name, which ends with it.
struct Named<'s, 'p, 'a, P: Lowmem, const CPUS: usize> {
    slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
    cache: CacheRef<'s, CPUS>,
}

impl<'s, P: Lowmem, const CPUS: usize> Named<'s, '_, '_, P, CPUS> {
    fn place<T>(&self, gfp: Gfp) -> Result<NonNull<T>, AllocError> {
        let object = self.slabs.take_object(self.cache, gfp)?;
        Ok(self.slabs.memory().pointer(object).cast())
    }

    fn give<T>(&self, place: NonNull<T>) {
        let object: VirtAddr = self.slabs.memory().address(place.as_ptr().cast());
        // What can go wrong is somebody else's mistake, and the allocator has reported it.
        let _ = self.slabs.give_object(self.cache, object);
    }

    /// Ends the name. The caller answers for nobody using it any more.
    fn end(&self) -> Result<(), Busy> {
        // SAFETY: 1. the name is ours, and this runs once with `Ok`; 2. and 3. the borrows of all boxes
        // have ended.
        unsafe { self.slabs.destroy(self.cache) }
    }
}

/// A cache of values of one type. When it is dropped, it is destroyed; if objects of it have been leaked, it
/// stays, and that is reported.
pub struct Cache<'s, 'p, 'a, T, P: Lowmem, const CPUS: usize = 1> {
    named: Named<'s, 'p, 'a, P, CPUS>,
    /// The cache may be shared whatever `T` is: it keeps no value. Each is in its [`CacheBox`], which goes to
    /// another CPU only if the value may, and drops it before the object goes back.
    values: PhantomData<fn() -> T>,
}

/// A value that there was no memory for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoRoom<T> {
    /// Why.
    pub error: AllocError,
    /// The value.
    pub value: T,
}

impl<T> fmt::Display for NoRoom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T: fmt::Debug> core::error::Error for NoRoom<T> {}

impl<'s, 'p, 'a, T, P: Lowmem, const CPUS: usize> Cache<'s, 'p, 'a, T, P, CPUS> {
    /// A cache of this name. May sleep.
    ///
    /// # Errors
    ///
    /// [`CreateError`], also if `T` has no bytes.
    pub fn new(
        slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
        name: &str,
        flags: SlabFlags,
    ) -> Result<Self, CreateError> {
        let (size, align) = (size_of::<T>() as u32, align_of::<T>() as u32);
        let cache = slabs.create(name, size, align, flags, None)?;
        Ok(Self { named: Named { slabs, cache }, values: PhantomData })
    }

    /// Puts a value into an object. Context as of [`SlabAllocator::take_object`].
    ///
    /// # Errors
    ///
    /// [`NoRoom`], with the value.
    pub fn alloc(
        &self,
        gfp: Gfp,
        value: T,
    ) -> Result<CacheBox<'_, 's, 'p, 'a, T, P, CPUS>, NoRoom<T>> {
        match self.named.place::<T>(gfp) {
            Ok(place) => {
                // SAFETY: the object is ours, and as large and aligned as a `T` (`new`).
                unsafe { place.write(value) };
                Ok(CacheBox { cache: self, place })
            }
            Err(error) => Err(NoRoom { error, value }),
        }
    }

    /// The cache itself, for reports.
    #[must_use]
    pub fn as_ref(&self) -> CacheRef<'s, CPUS> {
        self.named.cache
    }

    /// Destroys the cache, and says if it could not be.
    ///
    /// # Errors
    ///
    /// [`Busy`] when objects have been leaked; the cache stays, for good.
    pub fn destroy(self) -> Result<(), Busy> {
        ManuallyDrop::new(self).named.end()
    }
}

impl<T, P: Lowmem, const CPUS: usize> Drop for Cache<'_, '_, '_, T, P, CPUS> {
    fn drop(&mut self) {
        // What is left has been reported.
        let _ = self.named.end();
    }
}

/// A value in an object of a cache, which gives itself back.
pub struct CacheBox<'c, 's, 'p, 'a, T, P: Lowmem, const CPUS: usize = 1> {
    cache: &'c Cache<'s, 'p, 'a, T, P, CPUS>,
    place: NonNull<T>,
}

impl<T, P: Lowmem, const CPUS: usize> Deref for CacheBox<'_, '_, '_, '_, T, P, CPUS> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value is ours alone.
        unsafe { self.place.as_ref() }
    }
}

impl<T, P: Lowmem, const CPUS: usize> DerefMut for CacheBox<'_, '_, '_, '_, T, P, CPUS> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the value is ours alone.
        unsafe { self.place.as_mut() }
    }
}

impl<T, P: Lowmem, const CPUS: usize> Drop for CacheBox<'_, '_, '_, '_, T, P, CPUS> {
    fn drop(&mut self) {
        // SAFETY: the value is ours, and nobody sees it again.
        unsafe { self.place.drop_in_place() };
        self.cache.named.give(self.place);
    }
}

impl<T: fmt::Debug, P: Lowmem, const CPUS: usize> fmt::Debug
    for CacheBox<'_, '_, '_, '_, T, P, CPUS>
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

// SAFETY: a box is its value and the right to give its object back, which any CPU may do.
unsafe impl<T: Send, P: Lowmem + Sync, const CPUS: usize> Send
    for CacheBox<'_, '_, '_, '_, T, P, CPUS>
{
}
// SAFETY: a shared box shares its value.
unsafe impl<T: Sync, P: Lowmem + Sync, const CPUS: usize> Sync
    for CacheBox<'_, '_, '_, '_, T, P, CPUS>
{
}

/// A value that is made once, and used by one after another.
///
/// ```
/// use mm::object::typed::Construct;
///
/// struct Table(Vec<u32>);
///
/// impl Construct for Table {
///     fn construct() -> Self {
///         Self(vec![1, 2, 3])
///     }
/// }
/// ```
///
/// Whichever CPU makes a slab makes its values, another may use them, and a third give the slab back. So they
/// are `Send`:
///
/// ```compile_fail,E0277
/// use mm::object::typed::Construct;
///
/// struct Table(std::rc::Rc<u32>);
///
/// impl Construct for Table {
///     fn construct() -> Self {
///         Self(std::rc::Rc::new(1))
///     }
/// }
/// ```
///
/// What one user leaves in a value the next one finds, and if the cache is leaked the value outlives that. So it
/// borrows nothing:
///
/// ```compile_fail,E0478
/// use mm::object::typed::Construct;
///
/// struct Table<'t>(&'t u32);
///
/// impl<'t> Construct for Table<'t> {
///     fn construct() -> Self {
///         Self(&1)
///     }
/// }
/// ```
pub trait Construct: Sized + Send + 'static {
    /// The value as its first user finds it. Each next one finds it as the one before left it.
    fn construct() -> Self;
}

unsafe extern "C" fn construct<T: Construct>(place: NonNull<u8>) {
    // SAFETY: the cache's objects are as large and aligned as a `T`, and this one is nobody's.
    unsafe { place.cast::<T>().write(T::construct()) };
}

unsafe extern "C" fn destruct<T: Construct>(place: NonNull<u8>) {
    // SAFETY: `construct` made the value, and nobody has it.
    unsafe { place.cast::<T>().drop_in_place() };
}

/// A cache of values that are ready when they are taken. When it is dropped, it is destroyed, as a
/// [`Cache`] is.
pub struct ReadyCache<'s, 'p, 'a, T, P: Lowmem, const CPUS: usize = 1> {
    named: Named<'s, 'p, 'a, P, CPUS>,
    /// Values stay, and are found again: so no cache passes for one of a subtype or a supertype. They go from CPU
    /// to CPU, and [`Construct`] says that they may.
    values: PhantomData<fn(T) -> T>,
}

impl<'s, 'p, 'a, T: Construct, P: Lowmem, const CPUS: usize> ReadyCache<'s, 'p, 'a, T, P, CPUS> {
    /// A cache of this name. May sleep.
    ///
    /// # Errors
    ///
    /// [`CreateError`], also if `T` has no bytes.
    pub fn new(
        slabs: &'s SlabAllocator<'p, 'a, P, CPUS>,
        name: &str,
        flags: SlabFlags,
    ) -> Result<Self, CreateError> {
        let (size, align) = (size_of::<T>() as u32, align_of::<T>() as u32);
        let (make, end) = (Some(construct::<T> as _), Some(destruct::<T> as _));
        let cache = slabs.create_with(name, size, align, flags, make, end)?;
        Ok(Self { named: Named { slabs, cache }, values: PhantomData })
    }

    /// Takes a value. Context as of [`SlabAllocator::take_object`].
    ///
    /// # Errors
    ///
    /// [`AllocError`]; `__GFP_ZERO` is refused, since it would undo what was constructed.
    pub fn take(&self, gfp: Gfp) -> Result<Ready<'_, 's, 'p, 'a, T, P, CPUS>, AllocError> {
        Ok(Ready { cache: self, place: self.named.place(gfp)? })
    }

    /// Destroys the cache, and says if it could not be.
    ///
    /// # Errors
    ///
    /// [`Busy`] when objects have been leaked; the cache stays, for good.
    pub fn destroy(self) -> Result<(), Busy> {
        ManuallyDrop::new(self).named.end()
    }
}

impl<T, P: Lowmem, const CPUS: usize> Drop for ReadyCache<'_, '_, '_, T, P, CPUS> {
    fn drop(&mut self) {
        // What is left has been reported.
        let _ = self.named.end();
    }
}

/// A value of a [`ReadyCache`], which gives itself back as it is.
pub struct Ready<'c, 's, 'p, 'a, T, P: Lowmem, const CPUS: usize = 1> {
    cache: &'c ReadyCache<'s, 'p, 'a, T, P, CPUS>,
    place: NonNull<T>,
}

impl<T, P: Lowmem, const CPUS: usize> Deref for Ready<'_, '_, '_, '_, T, P, CPUS> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the value was constructed, and is ours alone.
        unsafe { self.place.as_ref() }
    }
}

impl<T, P: Lowmem, const CPUS: usize> DerefMut for Ready<'_, '_, '_, '_, T, P, CPUS> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the value was constructed, and is ours alone.
        unsafe { self.place.as_mut() }
    }
}

impl<T, P: Lowmem, const CPUS: usize> Drop for Ready<'_, '_, '_, '_, T, P, CPUS> {
    fn drop(&mut self) {
        self.cache.named.give(self.place);
    }
}
