//! The data cache: physically tagged, one for all CPUs, which are coherent among themselves.
//!
//! Lines are 64 bytes. A line is *held* when a cacheable mapping leads to it, or did since it was last invalidated:
//! the cache may have filled it whenever it liked. That matters only when memory changes behind the cache, so it is
//! then that the adversary says whether it had. A dirty line may be written back at any time, also over what a
//! device has written since.
//!
//! Operations by address do their work between their issue and the DSB that completes them.

use crate::adversary::Will;
use crate::hash::Map;
use crate::memory::{FRAME_WORDS, Memory, place};

/// Bytes in a line.
pub const LINE_BYTES: u32 = 64;
const LINE_WORDS: usize = 16;

/// What a cache operation does with a line.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum LineOp {
    /// DCCMVAC: writes it to memory if it is dirty.
    Clean,
    /// DCIMVAC: drops it, dirty or not.
    Invalidate,
    /// DCCIMVAC: writes it to memory if it is dirty, and drops it.
    CleanInvalidate,
}

/// An operation that has been issued, and its line.
#[derive(Clone, Debug)]
struct Issued {
    op: LineOp,
    line: u64,
    /// What the line held at that time, if it was dirty.
    dirty: Option<[u32; LINE_WORDS]>,
    /// Has it done its work already?
    is_done: bool,
}

/// The lines of a frame, a bit for each.
#[derive(Debug)]
struct Lines {
    words: Box<[u32; FRAME_WORDS]>,
    present: u64,
    dirty: u64,
}

impl Default for Lines {
    fn default() -> Self {
        Self { words: Box::new([0; FRAME_WORDS]), present: 0, dirty: 0 }
    }
}

/// The cache.
#[derive(Debug)]
pub(crate) struct DataCache {
    frames: Map<u32, Lines>,
    /// By frame: lines that may be held though no mapping leads there now.
    left: Map<u32, u64>,
    issued: Vec<Vec<Issued>>,
    /// Lines that were made dirty lately, to evict at random.
    recent: Vec<u64>,
}

/// The frame of a line's or word's address, the bit of its line, and its first word in the frame.
fn line_place(phys: u64) -> (u32, u64, usize) {
    let (frame, word) = place(phys);
    let line = word / LINE_WORDS;
    (frame, 1 << line, line * LINE_WORDS)
}

/// The line that holds a byte.
pub(crate) fn line_of(phys: u64) -> u64 {
    phys & !u64::from(LINE_BYTES - 1)
}

impl DataCache {
    pub(crate) fn new(cpus: usize) -> Self {
        Self {
            frames: Map::default(),
            left: Map::default(),
            issued: vec![Vec::new(); cpus],
            recent: Vec::new(),
        }
    }

    /// The word, if its line is in the cache.
    pub(crate) fn peek(&self, phys: u64) -> Option<u32> {
        let (frame, bit, _) = line_place(phys);
        let lines = self.frames.get(&frame)?;
        (lines.present & bit != 0).then(|| lines.words[place(phys).1])
    }

    pub(crate) fn is_dirty(&self, phys: u64) -> bool {
        let (frame, bit, _) = line_place(phys);
        self.frames.get(&frame).is_some_and(|lines| lines.dirty & bit != 0)
    }

    /// A cacheable load.
    pub(crate) fn load(&mut self, phys: u64, memory: &Memory) -> u32 {
        self.fill(phys, memory).words[place(phys).1]
    }

    /// A store to write-back memory.
    pub(crate) fn store(&mut self, phys: u64, value: u32, memory: &mut Memory, will: &mut Will) {
        let (_, bit, _) = line_place(phys);
        let lines = self.fill(phys, memory);
        lines.words[place(phys).1] = value;
        lines.dirty |= bit;
        if will.writes_back_at_once() {
            self.write_back(phys, memory);
        } else if self.recent.last() != Some(&line_of(phys)) {
            self.recent.push(line_of(phys));
        }
        if will.evicts_now() && !self.recent.is_empty() {
            let at = will.pick(self.recent.len());
            let line = self.recent.swap_remove(at);
            self.write_back(line, memory);
        }
    }

    /// A store to write-through memory.
    pub(crate) fn store_through(&mut self, phys: u64, value: u32, memory: &mut Memory) {
        self.fill(phys, memory).words[place(phys).1] = value;
        memory.write(phys, value);
    }

    /// Memory is about to change behind the cache, in the line at `line`, to which a cacheable mapping leads, or not.
    pub(crate) fn before_change(
        &mut self,
        line: u64,
        reach: Reach,
        memory: &Memory,
        will: &mut Will,
    ) {
        let (frame, bit, _) = line_place(line);
        let lines = self.frames.get(&frame);
        let (present, dirty) = lines
            .map_or((false, false), |lines| (lines.present & bit != 0, lines.dirty & bit != 0));
        let left = self.left.get(&frame).is_some_and(|left| left & bit != 0);
        let held = present || left || reach == Reach::Cacheable;
        if held && !dirty && will.has_filled() {
            self.fill(line, memory);
            // It was filled after an invalidation that is not complete yet, which had done its work by then.
            for list in &mut self.issued {
                list.retain(|issued| issued.line != line);
            }
        }
    }

    /// Memory has changed behind the cache, in the line at `line`.
    pub(crate) fn after_change(&mut self, line: u64, memory: &mut Memory, will: &mut Will) {
        if self.is_dirty(line) && will.writes_back_over() {
            self.write_back(line, memory);
        }
    }

    /// A cacheable mapping of a whole frame has gone: its lines may stay.
    pub(crate) fn leave(&mut self, frame: u32) {
        self.left.insert(frame, u64::MAX);
    }

    /// `cpu` issues an operation on the line at `line`. The operation is complete after [`complete`](Self::complete).
    pub(crate) fn issue(
        &mut self,
        cpu: usize,
        op: LineOp,
        line: u64,
        memory: &mut Memory,
        will: &mut Will,
    ) {
        let dirty = self.is_dirty(line).then(|| self.line(line));
        let mut issued = Issued { op, line, dirty, is_done: false };
        if will.does_at_once() {
            self.perform(&issued, memory, will);
            issued.is_done = true;
        }
        self.issued[cpu].push(issued);
    }

    /// The lines of operations of `cpu` that are not complete.
    pub(crate) fn lines_in_flight(&self, cpu: usize) -> Vec<u64> {
        self.issued[cpu].iter().map(|issued| issued.line).collect()
    }

    /// A DSB of `cpu`: its operations are complete. `reach` says of the line of each whether a mapping leads there.
    pub(crate) fn complete(
        &mut self,
        cpu: usize,
        memory: &mut Memory,
        will: &mut Will,
        reach: &[Reach],
    ) {
        for (issued, reach) in std::mem::take(&mut self.issued[cpu]).iter().zip(reach) {
            if !issued.is_done {
                self.perform(issued, memory, will);
            }
            let (frame, bit, _) = line_place(issued.line);
            let gone = issued.op != LineOp::Clean && *reach == Reach::None;
            if gone && let Some(left) = self.left.get_mut(&frame) {
                *left &= !bit;
            }
        }
    }

    fn perform(&mut self, issued: &Issued, memory: &mut Memory, will: &mut Will) {
        let line = issued.line;
        let has_changed = issued.dirty.is_some_and(|words| words != self.line(line));
        if let Some(words) = issued.dirty
            && self.is_dirty(line)
            && (issued.op != LineOp::Invalidate || will.writes_back_at_once())
        {
            // What was stored after the operation it need not have seen.
            for (at, word) in (line..).step_by(4).zip(words) {
                memory.write(at, word);
            }
            if !has_changed {
                self.set_clean(line);
            }
        }
        let drops = match issued.op {
            LineOp::Clean => false,
            LineOp::Invalidate => true,
            LineOp::CleanInvalidate => !self.is_dirty(line),
        };
        if drops {
            let (frame, bit, _) = line_place(line);
            if let Some(lines) = self.frames.get_mut(&frame) {
                lines.present &= !bit;
                lines.dirty &= !bit;
            }
        }
    }

    fn line(&self, line: u64) -> [u32; LINE_WORDS] {
        let (frame, _, first) = line_place(line);
        let mut words = [0; LINE_WORDS];
        if let Some(lines) = self.frames.get(&frame) {
            words.copy_from_slice(&lines.words[first..first + LINE_WORDS]);
        }
        words
    }

    fn fill(&mut self, phys: u64, memory: &Memory) -> &mut Lines {
        let (frame, bit, first) = line_place(phys);
        let lines = self.frames.entry(frame).or_default();
        if lines.present & bit == 0 {
            lines.present |= bit;
            for (at, word) in
                (line_of(phys)..).step_by(4).zip(&mut lines.words[first..][..LINE_WORDS])
            {
                *word = memory.read(at);
            }
        }
        lines
    }

    fn write_back(&mut self, phys: u64, memory: &mut Memory) {
        if self.is_dirty(phys) {
            let line = line_of(phys);
            for (at, word) in (line..).step_by(4).zip(self.line(line)) {
                memory.write(at, word);
            }
            self.set_clean(line);
        }
    }

    fn set_clean(&mut self, line: u64) {
        let (frame, bit, _) = line_place(line);
        if let Some(lines) = self.frames.get_mut(&frame) {
            lines.dirty &= !bit;
        }
    }
}

/// Whether speculation may fill a line now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reach {
    /// A cacheable mapping leads there, in the tables or in a TLB.
    Cacheable,
    /// None does.
    None,
}

#[cfg(test)]
mod tests;
