//! Interrupts: who handles which, and how often each came.
//!
//! ```text
//! IRQ ─▶ vmsplit_exception ─▶ handle_irq: acknowledge ─▶ LINES[id]: count, handler ─▶ end ─┐
//!                                              ▲                                           │
//!                                              └─────────── until none is pending ─────────┘
//! ```
//!
//! Protocol: handlers run one after the other with interrupts masked, on the stack of the code they
//! interrupted. So a handler is short, waits for nobody, and takes no lock that other code holds
//! without masking: what it shares lies in an `IrqLock` or in atomics. A handler is named once, for
//! ever, before its interrupt is enabled; the table needs no lock.
//!
//! An interrupt without a handler is disabled when it comes, and named once. So is one whose handler
//! does not lower its line, so that it comes for ever: the tree may name the wrong interrupt.
//!
//! A machine without a controller, without a timer, or whose console has no interrupt, does without:
//! the console is then polled, and the log says what is missing.

mod report;
pub mod tick;

use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

use arch_arm::barrier;
use arch_arm::interrupt;
use arch_arm::probe::{self, Fault};
use arch_arm::sync::IrqLock;
use board::Machine;
use board::dt::{Interrupt, Trigger};
use board::irq::gic::{CpuInterface, Distributor, EnableError, IntId, Priority};
use mm::addr::VirtAddr;
use spin::Once;

use crate::boot::GicRegisters;
use crate::console;

pub use report::write;

/// What is done about an interrupt.
#[derive(Clone, Copy)]
pub struct Action {
    /// Whose interrupt it is, for the report.
    pub name: &'static str,
    /// Makes the device drop its line, or the same interrupt comes again.
    pub handler: fn(),
}

/// One interrupt.
struct Line {
    action: Once<(Action, Trigger)>,
    /// How often it came. It wraps, as Linux's does.
    count: AtomicU32,
}

static LINES: [Line; IntId::COUNT] =
    [const { Line { action: Once::new(), count: AtomicU32::new(0) } }; IntId::COUNT];

static DISTRIBUTOR: IrqLock<Option<Distributor>> = IrqLock::new(None);
static CPU_INTERFACE: Once<CpuInterface> = Once::new();

/// Signals that led to no interrupt.
static SPURIOUS: AtomicU32 = AtomicU32::new(0);
/// Interrupts that nobody handles.
static UNHANDLED: AtomicU32 = AtomicU32::new(0);

/// Why an interrupt has no handler.
pub enum RequestError {
    /// There is no interrupt controller.
    NoController,
    /// The device tree names none.
    NotInTree,
    /// The device tree gives a number that no interrupt can have.
    NoSuchId(u16),
    /// It has a handler already.
    Taken(IntId),
    /// The controller refuses.
    Enable(EnableError),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoController => f.write_str("there is no interrupt controller"),
            Self::NotInTree => f.write_str("the device tree names no interrupt for it"),
            Self::NoSuchId(id) => write!(f, "no interrupt has the number {id}"),
            Self::Taken(id) => write!(f, "interrupt {id} is taken"),
            Self::Enable(error) => error.fmt(f),
        }
    }
}

/// Names the handler of an interrupt, and enables it.
pub fn request(
    interrupt: &Interrupt,
    priority: Priority,
    action: Action,
) -> Result<(), RequestError> {
    let no_such_id = RequestError::NoSuchId(interrupt.id());
    let Some((id, line)) = IntId::of(interrupt).and_then(|id| Some((id, LINES.get(id.index())?)))
    else {
        return Err(no_such_id);
    };
    let mut distributor = DISTRIBUTOR.lock();
    let distributor = distributor.as_mut().ok_or(RequestError::NoController)?;
    if line.action.is_completed() {
        return Err(RequestError::Taken(id));
    }
    let enabled = distributor.enable(id, interrupt.trigger(), priority);
    enabled.map_err(RequestError::Enable)?;
    // The lock masks, so the handler is there before the interrupt can be.
    line.action.call_once(|| (action, distributor.trigger(id)));
    Ok(())
}

/// The last step of boot: takes the controller, the tick and the console's interrupt into use, as far
/// as the machine has them, and lets interrupts in. Prints one line.
pub fn start(machine: &Machine<'_>, gic: Option<GicRegisters>) {
    let (version, lines) = match start_controller(gic) {
        Ok(about) => about,
        Err(reason) => {
            log::warn!("interrupts: none, {reason}: no tick, a polled console");
            return;
        }
    };
    let console = Started(start_console(machine), "a polled console");
    let tick = Started(tick::start(machine.timer.as_ref()), "no tick");
    // SAFETY: 1. the vectors are in use since the switch to the kernel's tables, and `handle_irq`
    // has every interrupt dismissed or disabled; 2. boot holds no guard: entry masked interrupts.
    unsafe { interrupt::allow() };
    log::info!("interrupts: GICv{version}, {lines} lines; {tick}; {console}");
}

/// What a part of the start came to, in the log's words.
struct Started<T, E>(Result<T, E>, &'static str);

impl<T: fmt::Display, E: fmt::Display> fmt::Display for Started<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Ok(started) => started.fmt(f),
            Err(reason) => write!(f, "{}: {reason}", self.1),
        }
    }
}

/// Why there is no interrupt controller.
enum NoController {
    /// The tree names none.
    NotInTree,
    /// Nothing answers where the tree says that one is.
    Silent(Fault),
}

impl fmt::Display for NoController {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInTree => f.write_str("the device tree names no interrupt controller"),
            Self::Silent(fault) => write!(f, "no interrupt controller answers ({fault})"),
        }
    }
}

/// Every interrupt disabled, and this CPU ready to take them. Returns the controller's version and
/// the number of its lines.
fn start_controller(gic: Option<GicRegisters>) -> Result<(u32, u16), NoController> {
    let gic = gic.ok_or(NoController::NotInTree)?;
    for (registers, offset) in [
        (gic.distributor.address(), Distributor::TYPE_OFFSET),
        (gic.cpu_interface.address(), CpuInterface::IDENTITY_OFFSET),
    ] {
        // Both lie in the structures that were mapped.
        let identity = VirtAddr::new(registers.as_u32() + offset);
        // SAFETY: should a controller answer, the register only says what it is.
        unsafe { probe::read_u32(identity) }.map_err(NoController::Silent)?;
    }
    // SAFETY: 1. the tree says that they are there, and something is; 2. boot comes here once.
    let mut distributor = unsafe { Distributor::new(gic.distributor) };
    // SAFETY: as above.
    let cpu_interface = unsafe { CpuInterface::new(gic.cpu_interface) };
    distributor.init();
    cpu_interface.init();
    let about = (cpu_interface.version(), distributor.lines());
    *DISTRIBUTOR.lock() = Some(distributor);
    CPU_INTERFACE.call_once(|| cpu_interface);
    Ok(about)
}

/// Has the console receive by interrupt.
fn start_console(machine: &Machine<'_>) -> Result<&'static str, RequestError> {
    let interrupt = machine.console.and_then(|console| console.uart.interrupt);
    let interrupt = interrupt.ok_or(RequestError::NotInTree)?;
    let action = Action { name: "uart-pl011", handler: console::on_interrupt };
    request(&interrupt, Priority::Normal, action)?;
    console::receive_by_interrupt();
    Ok("console by interrupt")
}

/// How often an interrupt may come without a pause before nobody is thought to care. It is more than
/// the console's ring has bytes: a device that is served byte by byte comes less often.
const STORM: u32 = 10_000;

/// Finds the interrupt that comes again and again while the CPU gets to nothing else, though others
/// may come in between. Each vote for the candidate counts one up, each for another one down (Boyer
/// and Moore's majority vote), so no count for each interrupt is needed.
struct Storm {
    candidate: IntId,
    votes: u32,
}

impl Storm {
    /// Counts `id`, which came. Says whether it came too often.
    fn is_one(&mut self, id: IntId) -> bool {
        if self.votes == 0 {
            self.candidate = id;
        }
        if self.candidate != id {
            self.votes -= 1;
            return false;
        }
        self.votes += 1;
        self.votes > STORM
    }
}

/// An IRQ: has every pending interrupt handled.
pub fn handle_irq() {
    let Some(cpu_interface) = CPU_INTERFACE.get() else { return };
    let mut found = false;
    let mut storm: Option<Storm> = None;
    while let Some(interrupt) = cpu_interface.acknowledge() {
        found = true;
        let id = interrupt.id();
        dispatch(id);
        let storm = storm.get_or_insert(Storm { candidate: id, votes: 0 });
        if storm.is_one(id) {
            disable(id);
            storm.votes = 0;
            log::warn!("interrupt {id}: nobody cared, {}", state(id));
        }
        // What the handler wrote has reached the device, and the line is down, before the end.
        barrier::dsb_sy();
        cpu_interface.end(interrupt);
    }
    if !found {
        SPURIOUS.fetch_add(1, Ordering::Relaxed);
    }
}

fn dispatch(id: IntId) {
    let Some(line) = LINES.get(id.index()) else { return };
    let before = line.count.fetch_add(1, Ordering::Relaxed);
    if let Some((action, _)) = line.action.get() {
        return (action.handler)();
    }
    UNHANDLED.fetch_add(1, Ordering::Relaxed);
    disable(id);
    if before == 0 {
        log::warn!("interrupt {id}: nobody handles it, {}", state(id));
    }
}

/// What became of an interrupt that was to be disabled. Those by software can not be in every
/// controller, and come again.
fn state(id: IntId) -> &'static str {
    if is_enabled(id) { "and it can not be disabled" } else { "disabled" }
}

/// Keeps an interrupt out. Its handler, if it has one, stays named.
pub fn disable(id: IntId) {
    if let Some(distributor) = DISTRIBUTOR.lock().as_mut() {
        distributor.disable(id);
    }
}

/// Lets an interrupt in whether it has a handler or not, and raises it as its device would.
pub fn provoke(id: IntId) -> Result<(), RequestError> {
    let mut distributor = DISTRIBUTOR.lock();
    let distributor = distributor.as_mut().ok_or(RequestError::NoController)?;
    let enabled = distributor.enable(id, None, Priority::Normal);
    enabled.map_err(RequestError::Enable)?;
    distributor.raise(id);
    Ok(())
}

/// Has interrupt `id` no handler?
pub fn is_free(id: IntId) -> bool {
    LINES.get(id.index()).is_some_and(|line| !line.action.is_completed())
}

/// Is interrupt `id` let in?
pub fn is_enabled(id: IntId) -> bool {
    DISTRIBUTOR.lock().as_ref().is_some_and(|distributor| distributor.is_enabled(id))
}

/// The number of interrupts that the controller knows; `None` without one.
pub fn lines() -> Option<u16> {
    DISTRIBUTOR.lock().as_ref().map(Distributor::lines)
}

/// How often interrupt `id` came.
pub fn count(id: IntId) -> u32 {
    LINES.get(id.index()).map_or(0, |line| line.count.load(Ordering::Relaxed))
}

/// Before this CPU stops for good: no pending interrupt ends its sleep any more.
pub fn silence() {
    if let Some(cpu_interface) = CPU_INTERFACE.get() {
        cpu_interface.disable();
    }
}
