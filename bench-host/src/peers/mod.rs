//! The other crates, each behind the standard library's mutex: they bring no protection against other
//! threads that suits a kernel.

mod bitmap;
mod buddy_system;

pub use bitmap::Bitmap;
pub use buddy_system::BuddySystem;

use std::sync::{Mutex, MutexGuard, PoisonError};

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
