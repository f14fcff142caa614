//! An emulated ARMv7 machine, for host tests of code that writes live page tables and maintains caches.
//!
//! QEMU has no caches, and its TLBs forget early: code that lacks a flush, a barrier or a clean works there. Here it
//! does not. The code under test loads and stores through the machine's MMU, page tables included, and issues its
//! barriers and maintenance to it; the machine does everything that the architecture allows at the worst moment, and
//! knows the rules that code may break without being caught at once.
//!
//! ```
//! use mm::addr::{PhysAddr, PhysRange, VirtAddr};
//! use testkit::{Adversary, Setup};
//!
//! let ram = PhysRange::new(PhysAddr::new(0x4000_0000), PhysAddr::new(0x4400_0000));
//! let setup = Setup::new(2, PhysAddr::new(0x4000_4000))
//!     .bank(ram)
//!     .linear_map(VirtAddr::new(0xc000_0000), ram)
//!     .second_level(VirtAddr::new(0xf000_0000), PhysAddr::new(0x4001_0000));
//! let machine = setup.build(Adversary::Lazy);
//! let cpu = machine.cpu(0);
//!
//! // The table's first word, through the linear map: a page of the linear map, once more.
//! cpu.store_u32(VirtAddr::new(0xc001_0000), 0x4020_0000 | 0x45f)?;
//! cpu.dsb_ishst();
//! cpu.isb();
//! cpu.store_u32(VirtAddr::new(0xf000_0008), 7)?;
//! assert_eq!(machine.cpu(1).load_u32(VirtAddr::new(0xc020_0008)), Ok(7));
//! # Ok::<(), testkit::Abort>(())
//! ```
//!
//! | what | where |
//! |---|---|
//! | how a machine begins | [`Setup`] |
//! | loads, stores, barriers, maintenance | [`Cpu`] |
//! | a device's view; the moments when frames, addresses and tables change hands | [`Machine`] |
//! | what is left open by the architecture, and who decides it | [`Adversary`] |
//! | what code may not do | [`Kind`] |
//! | a scenario without each of its maintenance calls | [`every_dropped_call_is_noticed`] |
//! | descriptors, as the hardware reads them | [`walk`] |
//!
//! # The model
//!
//! Sections are those of *ARM DDI 0406C*. Where a choice had to be made, the model does more than hardware does, and
//! never less, but for what the last part lists.
//!
//! ## Translation
//!
//! - **K1** TTBCR is 0: one first-level table covers all addresses. Short descriptors, with supersections and PXN
//!   (*B3.5.1*). TEX remap is on, PRRR and NMRR are Linux's; AFE is off (*B3.7.1*, *B3.8.3*).
//! - **K2** All accesses are privileged. Rights of user mode are decoded, and count for the rules.
//! - **K3** A walker reads tables through the data cache: it is coherent with the CPUs, as ID_MMFR3 says of
//!   Cortex-A7 and A15 (*B4.1*).
//! - **K4** A store is seen by a walker at any moment from its issue on, at the latest when a DSB of the CPU that
//!   stored is complete (*B3.10.1*), or one of a CPU that has [observed](Cpu::observe) the store before: a DSB waits
//!   for what its CPU has observed of others in the shareability domain as for its own (*A3.8.3, Memory barriers*).
//!   That a walker counts among those that it is then complete for is this model's reading. The manual of ARMv8
//!   (*DDI 0487, D5*) promises it of the storing CPU's DSB only, so who keeps to that asks for more. Linux's purge of
//!   lazily freed areas rests on the same: another CPU cleared the entries. Walkers of different CPUs see it at different moments, and stores to different words in any order. `dsb nsh` is
//!   for the own walker.
//! - **K5** After that DSB, the CPU itself may still find a fault where it stored an entry over one, until its ISB.
//!   Other CPUs find the new entry.
//!
//! ## TLBs
//!
//! - **K6** No fault is ever cached (*B3.10.1*).
//! - **K7** A walker walks at any moment, for any address, and what it finds may stay in the TLB for ever. So a TLB
//!   may hold all that its walker could find since it was last told to forget: [`Adversary`] says what it answers
//!   with, and checks assume that it holds all of it. There is nothing that is found by luck only.
//! - **K8** First-level pointers are cached like leaves, under the number of the address space. An operation by address
//!   takes the pointer of that MiB, one by number those of that number.
//! - **K9** An operation takes what a walker could find before the operation was *issued*, and is complete, on other
//!   CPUs and on its own, when a DSB of the CPU that issued it is: `ish` or `sy` for all, `nsh` for the own.
//!   `ishst` waits for stores, not for it.
//! - **K10** Instructions of the CPU that issued it may use what it took until that CPU's ISB.
//! - **K11** An entry that differs from the tables in permissions or domain alone is stale and nothing worse. Any other
//!   difference asks for break before make.
//! - **K12** After a switch of the address space, a TLB keeps what could be found in the old one.
//!
//! ## Data cache
//!
//! - **K13** One physically tagged cache with lines of 64 bytes stands for those of all CPUs, which are coherent.
//! - **K14** A line is filled at any moment while a cacheable mapping leads to it, in the tables or in a TLB, and may
//!   stay when none does any more (*A3.5.7*, *B2.2*).
//! - **K15** A dirty line is written back at any moment, over whatever is in memory.
//! - **K16** A clean line is never dirty by speculation, and an access that is not cacheable never hits a line.
//! - **K17** An operation by address does its work once, at some moment from its issue on, at the latest when a
//!   `dsb sy` of its CPU is complete: a device is outside the inner shareable domain. It asks for a mapping that
//!   can be read (*B2.2*).
//! - **K18** A device sees memory and nothing else.
//!
//! ## What is not modelled
//!
//! - **K19** Data accesses of CPUs are sequentially consistent: a missing DMB is not seen. Stores to non-cacheable and
//!   device memory are in memory at once: nor is a missing barrier before a device is told.
//! - **K20** There are no instruction caches and no branch predictors.
//! - **K21** A fault at one of the 16 words of a supersection or large page faults, though an entry made from another
//!   of them might serve. [`Machine::range_reused`] knows of it.
//! - **K22** A store to a word that another CPU has observed, and once more to the same word before that one's DSB: the
//!   DSB completes both.
#![deny(unsafe_code)]

mod abort;
mod adversary;
mod attributes;
mod cache;
mod calls;
mod cpu;
mod drop_calls;
mod hash;
mod machine;
mod memory;
mod setup;
mod state;
mod store_buffer;
mod tables;
mod tlb;
mod violation;
pub mod walk;

pub use abort::{Abort, Status, Wanted};
pub use adversary::Adversary;
pub use attributes::{Access, Attributes, MemoryType, NMRR, PRRR};
pub use cache::{LINE_BYTES, LineOp};
pub use calls::{Call, Dsb, Op, Scope};
pub use cpu::Cpu;
pub use drop_calls::{every_dropped_call_is_noticed, under_every_adversary};
pub use machine::Machine;
pub use setup::{LINEAR_SECTION, Setup, TABLE};
pub use tlb::Entries;
pub use violation::{Holder, Kind, OnViolation, Violation};
