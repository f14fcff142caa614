//! What is typed: from the UART into a ring, by interrupt, and out of the ring when somebody reads.
//!
//! ```text
//! UART's FIFO ─▶ LINE: the interrupt's handler ─▶ ring ─▶ TYPED: whoever reads
//! ```
//!
//! The ring has one producer and one consumer and needs no lock between them, so each end has a lock
//! of its own: the handler never waits for one that the code it interrupted holds.
//!
//! A ring that is full is no reason to lose anything: the handler masks the UART's interrupts and
//! leaves the rest in the UART, where the sender sees flow control, if the line has any. The reader
//! lets it go on when the ring is half empty. Only the UART itself drops what its FIFO has no room
//! for; that is counted.
//!
//! Without an interrupt (before there is an interrupt controller, or on a machine without one) the
//! reader carries the bytes over itself, the same way. It also does when it finds the ring empty: a
//! tree may name an interrupt that the UART does not have, and the console would be deaf. The tick
//! wakes the reader often enough for a typist; without a tick it does not sleep at all.
//!
//! A command that takes long asks now and then whether Ctrl-C was typed ([`stop_was_typed`]). As with a
//! terminal of Unix, what was typed before it is thrown away then; what nobody stops loses nothing.

use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arch_arm::barrier;
use arch_arm::interrupt;
use arch_arm::sync::IrqLock;
use board::serial::pl011::Receiver;
use heapless::spsc::{Consumer, Producer, Queue};

use crate::interrupts::tick;
use crate::take_cell::TakeCell;

/// Bytes of the ring, one of which stays empty: as much as a Linux terminal buffers.
const RING_BYTES: usize = 4096;
/// Bytes that one interrupt carries over at most. If there is more, the line stays up and the next
/// one follows, after whatever is more urgent.
const BYTES_AT_ONCE: usize = 32;

/// Ctrl-C.
const STOP: u8 = 0x03;

static RING: TakeCell<Queue<u8, RING_BYTES>> = TakeCell::new(Queue::new());

/// The producer's end, and the UART that feeds it.
struct Line {
    receiver: Option<Receiver>,
    ring: Option<Producer<'static, u8>>,
    /// How often the ring was full.
    held_back: u32,
}

static LINE: IrqLock<Line> = IrqLock::new(Line { receiver: None, ring: None, held_back: 0 });
static TYPED: IrqLock<Option<Consumer<'static, u8>>> = IrqLock::new(None);

/// Do bytes come by interrupt?
static BY_INTERRUPT: AtomicBool = AtomicBool::new(false);
/// Does the UART wait for the ring to empty, its interrupts masked?
static HELD_BACK: AtomicBool = AtomicBool::new(false);
/// How many Ctrl-C are in the ring. Each is counted before it is put there, so there are never more than
/// this says.
static STOPS: AtomicU32 = AtomicU32::new(0);

/// Puts a byte into the ring, which has room.
fn put(ring: &mut Producer<'static, u8>, byte: u8) {
    if byte == STOP {
        STOPS.fetch_add(1, Ordering::Relaxed);
    }
    if ring.enqueue(byte).is_err() && byte == STOP {
        STOPS.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Line {
    /// Carries over what the UART has, until it is empty, the ring is full or `at_most` are done.
    /// Says whether the ring is full.
    fn carry(&mut self, at_most: usize) -> bool {
        let (Some(receiver), Some(ring)) = (&mut self.receiver, &mut self.ring) else {
            return false;
        };
        for _ in 0..at_most {
            if !ring.ready() {
                return true;
            }
            let Some(byte) = receiver.read_byte() else { break };
            put(ring, byte);
        }
        false
    }
}

/// Takes a UART's receiving half into use.
pub(super) fn use_receiver(receiver: Receiver) {
    if let Some(ring) = RING.take() {
        let (producer, consumer) = ring.split();
        LINE.lock().ring = Some(producer);
        *TYPED.lock() = Some(consumer);
    }
    LINE.lock().receiver = Some(receiver);
}

/// Keeps a byte that arrived while the UART was set up.
pub(super) fn keep(byte: u8) {
    if let Some(ring) = &mut LINE.lock().ring {
        // More than the ring holds can not have arrived.
        put(ring, byte);
    }
}

/// From now on the UART's interrupt leads to [`on_interrupt`].
pub fn receive_by_interrupt() {
    BY_INTERRUPT.store(true, Ordering::Relaxed);
    if let Some(receiver) = &mut LINE.lock().receiver {
        receiver.unmask_interrupts();
    }
}

/// The UART's interrupt handler.
pub fn on_interrupt() {
    let mut line = LINE.lock();
    if line.carry(BYTES_AT_ONCE) {
        line.held_back = line.held_back.saturating_add(1);
        if let Some(receiver) = &mut line.receiver {
            receiver.mask_interrupts();
        }
        HELD_BACK.store(true, Ordering::Relaxed);
    }
}

/// Carries over what no interrupt does.
fn poll() {
    if !BY_INTERRUPT.load(Ordering::Relaxed) || waiting_bytes() == 0 {
        LINE.lock().carry(BYTES_AT_ONCE);
    }
}

/// The next byte that was typed, if there is one.
fn read_byte() -> Option<u8> {
    poll();
    let (byte, left) = {
        let mut typed = TYPED.lock();
        let typed = typed.as_mut()?;
        (typed.dequeue(), typed.len())
    };
    if byte == Some(STOP) {
        STOPS.fetch_sub(1, Ordering::Relaxed);
    }
    if HELD_BACK.load(Ordering::Relaxed) && left <= RING_BYTES / 2 {
        HELD_BACK.store(false, Ordering::Relaxed);
        if let Some(receiver) = &mut LINE.lock().receiver {
            receiver.unmask_interrupts();
        }
    }
    byte
}

/// Was Ctrl-C typed since the last line? Then it is gone, with what was typed before it.
pub fn stop_was_typed() -> bool {
    poll();
    if STOPS.load(Ordering::Relaxed) == 0 {
        return false;
    }
    while read_byte().is_some_and(|byte| byte != STOP) {}
    true
}

/// Waits for a byte. The CPU sleeps, if the tick will wake it: the UART's interrupt alone may never
/// come.
pub fn wait_for_byte() -> u8 {
    loop {
        let masked = interrupt::mask();
        if let Some(byte) = read_byte() {
            return byte;
        }
        if BY_INTERRUPT.load(Ordering::Relaxed) && tick::wakes() {
            interrupt::wait(&masked);
        }
        drop(masked);
        // What ended the sleep is taken here, before the mask is set again.
        barrier::isb();
    }
}

/// How many bytes wait to be read.
pub fn waiting_bytes() -> usize {
    TYPED.lock().as_ref().map_or(0, Consumer::len)
}

/// What went other than it should on the way in.
pub struct Losses {
    /// How often the UART had no room for a character.
    pub overruns: u32,
    /// How often the ring had no room, and the UART was held back.
    pub held_back: u32,
}

/// See [`Losses`].
pub fn losses() -> Losses {
    let line = LINE.lock();
    let overruns = line.receiver.as_ref().map_or(0, Receiver::overruns);
    Losses { overruns, held_back: line.held_back }
}
