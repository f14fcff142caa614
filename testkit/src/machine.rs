//! The machine as tests hold it: CPUs to run on, a device's view, and the moments when something changes hands.

use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

use mm::addr::{PhysAddr, PhysRange, VirtAddr, VirtRange};

use crate::adversary::{Adversary, Will};
use crate::cache::DataCache;
use crate::calls::{Call, Calls};
use crate::cpu::Cpu;
use crate::memory::Memory;
use crate::setup::Setup;
use crate::state::{Space, State};
use crate::store_buffer::StoreBuffers;
use crate::tables::Tables;
use crate::tlb::Tlb;
use crate::violation::{OnViolation, Violation};

/// An emulated ARMv7 machine with its MMU and caches on.
///
/// All methods take `&self` and may be called from several threads; each call is one step.
#[derive(Debug)]
pub struct Machine {
    state: Mutex<State>,
}

impl Machine {
    #[track_caller]
    pub(crate) fn new(setup: &Setup, adversary: Adversary) -> Self {
        let mut memory = Memory::new(setup.banks.clone());
        for &(phys, value) in &setup.words {
            assert!(memory.contains(phys, 4), "there is no memory at {phys:#x}");
            memory.write(phys, value);
        }
        let state = State {
            memory,
            cache: DataCache::new(setup.cpus),
            stores: StoreBuffers::new(setup.cpus),
            tables: Tables::default(),
            tlbs: (0..setup.cpus).map(|_| Tlb::default()).collect(),
            issued: vec![Vec::new(); setup.cpus],
            spaces: vec![Space { root: setup.root, asid: 0 }; setup.cpus],
            will: Will::new(adversary),
            time: 0,
            linear: setup.linear.clone(),
            dacr: setup.dacr,
            calls: Calls::default(),
            violations: Vec::new(),
            on_violation: OnViolation::Panic,
            cpu: None,
            at: Location::caller(),
        };
        let machine = Self { state: Mutex::new(state) };
        machine.step(None, |state| {
            state.add_root(setup.root);
            state.tables.name_root(setup.root, 0);
        });
        machine
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that panicked has been told already.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One step of `cpu`, or of nobody's. Panics at a violation, with the machine unlocked.
    #[track_caller]
    pub(crate) fn step<R>(&self, cpu: Option<usize>, step: impl FnOnce(&mut State) -> R) -> R {
        let mut state = self.lock();
        state.time += 1;
        state.cpu = cpu;
        state.at = Location::caller();
        let before = state.violations.len();
        let result = step(&mut state);
        let first = state.violations.get(before).copied();
        let panics = state.on_violation == OnViolation::Panic;
        drop(state);
        if let Some(violation) = first
            && panics
        {
            panic!("{violation}");
        }
        result
    }

    /// How many CPUs there are.
    #[must_use]
    pub fn cpus(&self) -> usize {
        self.lock().cpus()
    }

    /// CPU number `index`.
    ///
    /// # Panics
    ///
    /// If there is none of that number.
    #[must_use]
    pub fn cpu(&self, index: usize) -> Cpu<'_> {
        assert!(index < self.cpus(), "there is no CPU {index}");
        Cpu::new(self, index)
    }

    /// The address of `phys` in the linear map; `None` if it is not mapped there.
    #[must_use]
    pub fn linear(&self, phys: PhysAddr) -> Option<VirtAddr> {
        let state = self.lock();
        let linear = state.linear.iter().find(|linear| linear.phys.contains(phys))?;
        let offset = phys.as_u64() - linear.phys.start().as_u64();
        Some(VirtAddr::new(linear.virt.as_u32().wrapping_add(offset as u32)))
    }

    /// What happens at a violation from now on.
    pub fn on_violation(&self, what: OnViolation) {
        self.lock().on_violation = what;
    }

    /// All violations so far.
    #[must_use]
    pub fn violations(&self) -> Vec<Violation> {
        self.lock().violations.clone()
    }

    /// All maintenance calls so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.made().to_vec()
    }

    /// The maintenance call number `number`, from 0, will do nothing.
    pub fn drop_call(&self, number: usize) {
        self.lock().calls.drop_call(number);
    }

    /// A device reads memory from `phys` on.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[track_caller]
    pub fn device_read(&self, phys: PhysAddr, bytes: &mut [u8]) {
        self.step(None, |state| {
            let (at, len) = (phys.as_u64(), bytes.len() as u64);
            assert!(state.memory.contains(at, len), "a device reads {len} bytes at {phys}");
            state.device_read(at, bytes);
        });
    }

    /// A device writes memory from `phys` on.
    ///
    /// # Panics
    ///
    /// If there is no memory.
    #[track_caller]
    pub fn device_write(&self, phys: PhysAddr, bytes: &[u8]) {
        self.step(None, |state| {
            let (at, len) = (phys.as_u64(), bytes.len() as u64);
            assert!(state.memory.contains(at, len), "a device writes {len} bytes at {phys}");
            state.device_write(at, bytes);
        });
    }

    /// The word at `phys`, a multiple of 4, as CPUs and walkers see it: for tests to look at.
    #[must_use]
    pub fn peek(&self, phys: PhysAddr) -> u32 {
        self.lock().word(phys.as_u64())
    }

    /// The frame at `phys` is used for something else from now on. Only the linear map may lead to it.
    #[track_caller]
    pub fn frame_reused(&self, phys: PhysAddr) {
        self.step(None, |state| state.frame_reused(phys.as_u64()));
    }

    /// The frame at `phys` is given back: the same as [`frame_reused`](Self::frame_reused), and the name that a
    /// page allocator's hook reads best with.
    #[track_caller]
    pub fn frame_freed(&self, phys: PhysAddr) {
        self.frame_reused(phys);
    }

    /// All frames that start in `range` are used for something else from now on.
    #[track_caller]
    pub fn frames_reused(&self, range: PhysRange) {
        self.step(None, |state| {
            for frame in range.whole_frames().iter() {
                state.frame_reused(frame.start().as_u64());
            }
        });
    }

    /// The addresses are used for something else from now on. None of them may lead anywhere.
    #[track_caller]
    pub fn range_reused(&self, range: VirtRange) {
        self.step(None, |state| state.range_reused(range));
    }

    /// A second-level table at `table`, 1 KiB, is memory again. Nothing may lead there.
    #[track_caller]
    pub fn table_freed(&self, table: PhysAddr) {
        self.step(None, |state| state.table_freed(table.as_u64()));
    }

    /// A first-level table at `root`, 16 KiB, is that of an address space, though no CPU uses it yet. Switching to it
    /// says so too.
    #[track_caller]
    pub fn add_root(&self, root: PhysAddr) {
        self.step(None, |state| state.add_root(root.as_u64()));
    }

    /// A first-level table at `root`, 16 KiB, is memory again. No CPU may use it.
    #[track_caller]
    pub fn root_freed(&self, root: PhysAddr) {
        self.step(None, |state| state.root_freed(root.as_u64()));
    }
}
