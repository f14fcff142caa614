//! A few objects under guard, all the time: one request for an object in a while gets a page of its own, between
//! pages that fault. Linux's KFENCE.
//!
//! | file | idea |
//! |---|---|
//! | [`pool`] | which page is an object's, and which one a guard |
//! | `record` | what is known about each object of the pool |
//! | `quarantine` | who is handed out next: whoever has been free for longest |
//! | `gate` | when the next request is the one |
//! | `random` | at which end of its page an object lies |
//! | `canary` | what the rest of its page holds |
//! | `sampler` | all of it, under one lock: objects come, go, and are parked |
//! | `fault` | what an access to a page of the pool was that faulted |
//! | [`report`] | what there is to say about it |
//! | `memory` | where addresses become references |
//!
//! ```text
//! page   0       1       2        3       4        5
//!      ┌───────┬───────┬────────┬───────┬────────┬───────┬ ─ ─
//!      │ guard │ guard │ object │ guard │ object │ guard │
//!      │ ///// │ ///// │ 0      │ ///// │ 1      │ ///// │
//!      └───────┴───────┴────────┴───────┴────────┴───────┴ ─ ─
//!                       ▒▒▒▒▓▓▓▓         ▓▓▓▓▒▒▒▒
//!                canary ┘   └ object     └ at the other end of its page
//! ```
//!
//! The pool lies in the linear map, so an object of it has a frame like any other. The hook is
//! `mm::object::sampled`: the slab allocator's slow path looks at the gate, and its way of an object that
//! is of no slab ends here.
//!
//! The life of a page of an object, and what an access to it means:
//!
//! | state | page | an access |
//! |---|---|---|
//! | free | faults | use after free, if it was ever handed out |
//! | allocated, parked | mapped | the user's; beyond the object's bytes it is found when that comes back |
//! | leaving | mapped, then faults | on its way back: who gives it looks at the canary, and runs the destructor |
//!
//! Invariants:
//!
//! - **G1** A guard page faults, and so does the page of a free object, unless an access to it has been reported:
//!   then it is open, its record says so, and it is closed with the object's next change of state.
//! - **G2** An object that came back is handed out again after all that came back before it.
//! - **G3** One request is sampled for each time that the gate opens, and it opens at most once an interval.
//!
//! Protocol: the sampler's lock guards all records, interrupts masked. Under it nothing is called that is not
//! this folder's: pages are protected, objects filled and reports made without it.

#[cfg(not(loom))]
mod canary;
#[cfg(not(loom))]
mod fault;
#[cfg(not(loom))]
mod gate;
#[cfg(not(loom))]
mod memory;
pub mod pool;
#[cfg(not(loom))]
mod quarantine;
#[cfg(not(loom))]
mod random;
#[cfg(not(loom))]
mod record;
pub mod report;
#[cfg(not(loom))]
mod sampler;

#[cfg(not(loom))]
pub use gate::GateState;
pub use pool::Pool;
pub use report::{Access, AccessKind, Corrupted, KfenceReport, SampledObject, What};
#[cfg(not(loom))]
pub use sampler::{BeginError, Figures};
#[cfg(not(loom))]
pub(crate) use sampler::{Refused, Sampler, Want};

use crate::addr::VirtAddr;

/// Who has single pages of the linear map fault.
///
/// Each call is about one page, by the address of its first byte, that is mapped by an entry of its own: a
/// section has been split before. Calls about one page do not overlap. Context: any, interrupts on or off; it
/// does not sleep.
pub trait PageGuard: Sync {
    /// Every access to the page faults, on all CPUs, when this returns. A page that does so already stays so.
    fn protect(&self, page: VirtAddr);

    /// The page can be read and written again as the rest of the linear map can.
    fn unprotect(&self, page: VirtAddr);
}
