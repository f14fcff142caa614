//! Which modules are loaded, for reports: whose code is at an address, and all their names.
//!
//! ```text
//!  FIRST ─▶ record ─▶ record ─▶ 0        the newest first, as in Linux's lists
//!             │
//!             └ name, state │ core: where, text, unwind index │ init: the same │ table of functions
//! ```
//!
//! A report may begin anywhere, also in the middle of a change, and in a handler that has interrupted one. It takes no
//! lock and allocates nothing. A record is words that are stored one by one; whoever reads them does so through
//! [`ReadMemory`], so that a list which somebody has written over is the end of the list, and no second fault.
//!
//! Invariants:
//!
//! - A record is complete before it is linked, and unlinked before it goes; the same holds for the memory that it
//!   names, and for the init area, which is nobody's any more once the state is not [`State::Coming`].
//! - A walk ends: it takes no more than [`MOST`] steps.
//!
//! **Why no reader follows memory that is gone.** There is one CPU. The list is changed by `insmod` and `rmmod`, which
//! run in no handler: so a handler, and a report in one, sees the list between two stores of theirs, and is through before
//! the next. Whoever a change interrupts does not exist. With more CPUs a reader elsewhere may stand on a record that was
//! just unlinked: between unlinking and giving back, all CPUs would have to have been seen outside of readers
//! (Linux's `synchronize_rcu`). Readers mask nothing, but none waits: an interrupt that each CPU takes with its
//! readers' masks open is enough.

use alloc::collections::TryReserveError;
use alloc::vec::Vec;
use core::fmt;
use core::str;
use core::sync::atomic::{AtomicU32, Ordering, compiler_fence};

use arch_arm::sync::IrqLock;
use arch_arm::trap::unwind::{Code, FindCode, ReadMemory};
use mm::addr::{VirtAddr, VirtRange};

use super::name::MAX_NAME_BYTES;

/// The most bytes of a name.
pub const NAME_BYTES: usize = MAX_NAME_BYTES;
/// The most modules that a reader looks at: more than the modules region has room for.
const MOST: usize = 4096;

/// Words of a record: the next one's address, the state, the uses that the module counts, then what does not change.
const NEXT: u32 = 0;
const STATE: u32 = 1;
const USES: u32 = 2;
const CORE: u32 = 3;
const INIT: u32 = CORE + HALF_WORDS;
const FUNCTIONS: u32 = INIT + HALF_WORDS;
const NAME: u32 = FUNCTIONS + 2;
const NAME_WORDS: u32 = (NAME_BYTES as u32 + 1) / 4;
const WORDS: usize = (NAME + NAME_WORDS) as usize;
const HALF_WORDS: u32 = 6;

/// Where one half of a module lies: the core, or what is only there while it initialises.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Half {
    /// All of it.
    pub whole: VirtRange,
    /// The instructions.
    pub text: VirtRange,
    /// The unwind index for them, sorted; `None` if there is none.
    pub index: Option<VirtRange>,
}

/// What a record is made of.
#[derive(Clone, Copy, Debug)]
pub struct Description<'a> {
    /// The module's name.
    pub name: &'a str,
    /// What stays.
    pub core: Half,
    /// What goes when it is initialised.
    pub init: Option<Half>,
    /// The table of functions, for [`modules::functions::find`], in the core's read-only data; that of both halves.
    pub functions: Option<VirtRange>,
}

/// Where a module is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum State {
    /// Its init function runs, or is about to.
    Coming = 1,
    /// It is initialised, and its init area is gone, or about to go.
    Live,
    /// Its exit function runs, or it could not be initialised.
    Going,
}

impl State {
    const fn from_word(word: u32) -> Option<Self> {
        match word {
            1 => Some(Self::Coming),
            2 => Some(Self::Live),
            3 => Some(Self::Going),
            _ => None,
        }
    }
}

/// Why a module was not made known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PublishError {
    /// Its name has so many bytes, which is none, or too many.
    Name(usize),
    /// There is no memory for the record.
    NoMemory(TryReserveError),
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(bytes) => {
                write!(f, "a module's name has 1 to {NAME_BYTES} bytes, this one {bytes}")
            }
            Self::NoMemory(error) => write!(f, "no memory for a module's record: {error}"),
        }
    }
}

impl core::error::Error for PublishError {}

type Record = [AtomicU32; WORDS];

/// The address of the newest record; 0 if there is none.
static FIRST: AtomicU32 = AtomicU32::new(0);
/// Who changes the list.
static CHANGE: IrqLock<()> = IrqLock::new(());

/// A module that reports know, for as long as the value lives.
///
/// Whoever also owns the module's memory drops this first: fields drop in the order in which they are declared.
#[must_use = "reports forget the module when it is dropped"]
pub struct Published {
    /// One, which stays where it is.
    record: Vec<Record>,
}

/// Makes a module known to reports, as [coming](State::Coming). In no handler; may sleep.
///
/// # Errors
///
/// [`PublishError`].
pub fn publish(module: &Description<'_>) -> Result<Published, PublishError> {
    let name = module.name.as_bytes();
    if name.is_empty() || name.len() > NAME_BYTES {
        return Err(PublishError::Name(name.len()));
    }
    let mut record = Vec::new();
    record.try_reserve_exact(1).map_err(PublishError::NoMemory)?;
    record.push([const { AtomicU32::new(0) }; WORDS]);
    let published = Published { record };
    published.set(State::Coming);
    published.put_half(CORE, Some(module.core));
    published.put_half(INIT, module.init);
    published.put(FUNCTIONS, words_of(module.functions));
    for (at, bytes) in (NAME..).zip(name.chunks(4)) {
        let mut word = [0; 4];
        word[..bytes.len()].copy_from_slice(bytes);
        published.put(at, [u32::from_le_bytes(word)]);
    }
    let _changing = CHANGE.lock();
    published.put(NEXT, [FIRST.load(Ordering::Relaxed)]);
    FIRST.store(published.address(), Ordering::Release);
    Ok(published)
}

impl Published {
    /// From now on it is there in its life. Once it is not [coming](State::Coming), reports do not look at its init area,
    /// which may go.
    pub fn set(&self, state: State) {
        self.put(STATE, [state as u32]);
        // What follows may take memory away.
        compiler_fence(Ordering::SeqCst);
    }

    /// How many uses the module counts: of those [`hold`] has begun, how many [`let_go`] has not ended.
    pub fn uses(&self) -> u32 {
        self.words().get(USES as usize).map_or(0, |uses| uses.load(Ordering::Relaxed))
    }

    fn address(&self) -> u32 {
        self.record.as_ptr() as u32
    }

    fn words(&self) -> &[AtomicU32] {
        self.record.first().map_or(&[], |record| record)
    }

    fn put<const N: usize>(&self, at: u32, words: [u32; N]) {
        for (place, word) in self.words().iter().skip(at as usize).zip(words) {
            place.store(word, Ordering::Release);
        }
    }

    fn put_half(&self, at: u32, half: Option<Half>) {
        let Some(Half { whole, text, index }) = half else { return };
        for (offset, range) in (0..).step_by(2).zip([Some(whole), Some(text), index]) {
            self.put(at + offset, words_of(range));
        }
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        let _changing = CHANGE.lock();
        let own = self.address();
        let next = self.words().first().map_or(0, |next| next.load(Ordering::Relaxed));
        let mut link = &FIRST;
        loop {
            match link.load(Ordering::Relaxed) {
                at if at == own => break link.store(next, Ordering::Release),
                // It is not in the list, which somebody has written over.
                0 => break,
                // SAFETY: a record that is linked belongs to a `Published`, which unlinks it, under this lock, before it
                // goes. The first of its words is the link.
                at => link = unsafe { &*(at as *const AtomicU32) },
            }
        }
        // The record goes after this, and what it names.
        compiler_fence(Ordering::SeqCst);
    }
}

/// One use more of the module whose core holds `address`, unless it is going: it stays until [`let_go`]. Says whether there
/// is such a module. Any context. Linux's `try_module_get`.
pub fn hold(address: VirtAddr) -> bool {
    change_uses(address, |state, uses| (state != State::Going).then(|| uses.checked_add(1))?)
}

/// One use less. Says whether there was one. Any context. Linux's `module_put`.
pub fn let_go(address: VirtAddr) -> bool {
    change_uses(address, |_, uses| uses.checked_sub(1))
}

/// The uses that the module counts whose core holds `address`; 0 if there is none.
pub fn uses(address: VirtAddr) -> u32 {
    let mut seen = 0;
    change_uses(address, |_, uses| {
        seen = uses;
        None
    });
    seen
}

/// Has `change` say what the module's uses are from now on. Says whether it said anything.
fn change_uses(address: VirtAddr, change: impl FnOnce(State, u32) -> Option<u32>) -> bool {
    let _changing = CHANGE.lock();
    let mut at = FIRST.load(Ordering::Relaxed);
    while at != 0 {
        // SAFETY: as in `drop`: it is linked, and stays so under the lock.
        let record = unsafe { &*(at as *const Record) };
        let word = |number: u32| record[number as usize].load(Ordering::Relaxed);
        if (word(CORE)..word(CORE + 1)).contains(&address.as_u32()) {
            let new = State::from_word(word(STATE)).and_then(|state| change(state, word(USES)));
            if let Some(uses) = new {
                record[USES as usize].store(uses, Ordering::Relaxed);
            }
            return new.is_some();
        }
        at = word(NEXT);
    }
    false
}

/// Start and end; of nothing, two zeroes.
fn words_of(range: Option<VirtRange>) -> [u32; 2] {
    range.map_or([0; 2], |range| [range.start().as_u32(), range.end().as_u32()])
}

/// A module's name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Name([u8; NAME_BYTES + 1]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = self.0.split(|byte| *byte == 0).next().unwrap_or(&[]);
        f.write_str(str::from_utf8(bytes).unwrap_or("?"))
    }
}

/// A record of the list, as one reads it who trusts nothing.
pub struct Loaded<'m, M> {
    memory: &'m M,
    at: VirtAddr,
}

impl<M: ReadMemory> Loaded<'_, M> {
    fn word(&self, number: u32) -> Option<u32> {
        self.memory.word(self.at.checked_add(4 * number)?)
    }

    fn range(&self, number: u32) -> Option<VirtRange> {
        let (start, end) = (self.word(number)?, self.word(number + 1)?);
        (start < end).then(|| VirtRange::new(VirtAddr::new(start), VirtAddr::new(end)))
    }

    /// Where in its life it is; `None` if the record makes no sense.
    pub fn state(&self) -> Option<State> {
        State::from_word(self.word(STATE)?)
    }

    /// Its name.
    pub fn name(&self) -> Option<Name> {
        let mut bytes = [0; NAME_BYTES + 1];
        for (number, place) in (NAME..).zip(bytes.chunks_exact_mut(4)) {
            place.copy_from_slice(&self.word(number)?.to_le_bytes());
        }
        Some(Name(bytes))
    }

    /// The code around an address, if it is this module's.
    fn code_at(&self, address: VirtAddr) -> Option<Code> {
        let half = |at: u32| {
            let text = self.range(at + 2).filter(|text| text.contains(address))?;
            let none = VirtRange::new(text.start(), text.start());
            Some(Code { text, index: self.range(at + 4).unwrap_or(none) })
        };
        half(CORE).or_else(|| {
            (self.state() == Some(State::Coming)).then_some(())?;
            half(INIT)
        })
    }

    /// Where its table of functions is.
    pub fn functions(&self) -> Option<VirtRange> {
        self.range(FUNCTIONS)
    }
}

/// All modules that are loaded, the newest first. Any context; never faults, if `memory` does not.
pub fn iter<M: ReadMemory>(memory: &M) -> impl Iterator<Item = Loaded<'_, M>> {
    let mut next = FIRST.load(Ordering::Acquire);
    (0..MOST).map_while(move |_| {
        let loaded = Loaded { memory, at: VirtAddr::new(next) };
        next = loaded.word(NEXT).filter(|_| next != 0)?;
        Some(loaded)
    })
}

/// The module whose code is around an address. Context as [`iter`].
pub fn find<M: ReadMemory>(memory: &M, address: VirtAddr) -> Option<Loaded<'_, M>> {
    iter(memory).find(|loaded| loaded.code_at(address).is_some())
}

/// The code of all modules.
#[derive(Clone, Copy)]
pub struct ModuleCode<'m, M>(pub &'m M);

impl<M: ReadMemory> FindCode for ModuleCode<'_, M> {
    fn code_at(&self, address: VirtAddr) -> Option<Code> {
        iter(self.0).find_map(|loaded| loaded.code_at(address))
    }
}

/// As Linux has it in reports: `Modules linked in: a b(+)`, the newest first, without an end of line.
///
/// # Errors
///
/// When `out` does.
pub fn write_linked_in(out: &mut dyn fmt::Write, memory: &impl ReadMemory) -> fmt::Result {
    out.write_str("Modules linked in:")?;
    for loaded in iter(memory) {
        let Some(name) = loaded.name() else { continue };
        let state = match loaded.state() {
            Some(State::Live) => "",
            Some(State::Coming) => "(+)",
            Some(State::Going) => "(-)",
            None => "(?)",
        };
        write!(out, " {name}{state}")?;
    }
    Ok(())
}
