//! Loads and stores: through the cache or past it, as the mapping says.

use super::State;
use crate::abort::{Abort, Status, Wanted};
use crate::attributes::{Attributes, MemoryType};
use crate::cache::line_of;
use mm::addr::VirtAddr;

impl State {
    /// The aligned word at `virt`.
    pub(crate) fn load_word(&mut self, cpu: usize, virt: u32) -> Result<u32, Abort> {
        let (phys, attributes) = self.reach_word(cpu, virt, Wanted::Load)?;
        Ok(self.load_at(phys, attributes))
    }

    /// Writes the aligned word at `virt`.
    pub(crate) fn store_word(&mut self, cpu: usize, virt: u32, value: u32) -> Result<(), Abort> {
        let (phys, attributes) = self.reach_word(cpu, virt, Wanted::Store)?;
        self.store_at(cpu, phys, value, attributes);
        Ok(())
    }

    /// The bytes from `virt` on, with one translation for each page.
    pub(crate) fn load_bytes(
        &mut self,
        cpu: usize,
        virt: u32,
        bytes: &mut [u8],
    ) -> Result<(), Abort> {
        let mut page = None;
        for (offset, byte) in (0_u32..).zip(bytes) {
            let at = virt.wrapping_add(offset);
            let (phys, attributes) = self.in_page(cpu, at, Wanted::Load, &mut page)?;
            let word = self.load_at(phys & !3, attributes);
            *byte = word.to_le_bytes()[(phys % 4) as usize];
        }
        Ok(())
    }

    /// Writes the bytes from `virt` on, with one translation for each page.
    pub(crate) fn store_bytes(&mut self, cpu: usize, virt: u32, bytes: &[u8]) -> Result<(), Abort> {
        let mut page = None;
        let mut rest = bytes;
        let mut at = virt;
        while let Some((&byte, others)) = rest.split_first() {
            let (phys, attributes) = self.in_page(cpu, at, Wanted::Store, &mut page)?;
            let taken = if phys % 4 == 0
                && let Some(word) = rest.first_chunk::<4>()
            {
                self.store_at(cpu, phys, u32::from_le_bytes(*word), attributes);
                rest = &rest[4..];
                4
            } else {
                let mut word = self.load_at(phys & !3, attributes).to_le_bytes();
                word[(phys % 4) as usize] = byte;
                self.store_at(cpu, phys & !3, u32::from_le_bytes(word), attributes);
                rest = others;
                1
            };
            at = at.wrapping_add(taken);
        }
        Ok(())
    }

    fn in_page(
        &mut self,
        cpu: usize,
        virt: u32,
        wanted: Wanted,
        page: &mut Option<(u32, u64, Attributes)>,
    ) -> Result<(u64, Attributes), Abort> {
        if let Some((start, phys, attributes)) = *page
            && start == virt & !0xfff
        {
            return Ok((phys + u64::from(virt & 0xfff), attributes));
        }
        let (phys, attributes) = self.reach_word(cpu, virt & !3, wanted)?;
        *page = Some((virt & !0xfff, phys & !0xfff, attributes));
        Ok((phys + u64::from(virt & 3), attributes))
    }

    fn reach_word(
        &mut self,
        cpu: usize,
        virt: u32,
        wanted: Wanted,
    ) -> Result<(u64, Attributes), Abort> {
        let abort = |status| Abort { cpu, virt: VirtAddr::new(virt), wanted, status };
        if !virt.is_multiple_of(4) {
            return Err(abort(Status::Alignment));
        }
        let (phys, leaf) = self.translate(cpu, virt, wanted)?;
        if !self.memory.contains(phys, 4) {
            return Err(abort(Status::External));
        }
        Ok((phys, leaf.attributes))
    }

    fn load_at(&mut self, phys: u64, attributes: Attributes) -> u32 {
        if attributes.memory.is_cacheable() {
            self.cache.load(phys, &self.memory)
        } else {
            self.memory.read(phys)
        }
    }

    fn store_at(&mut self, cpu: usize, phys: u64, value: u32, attributes: Attributes) {
        let before = self.word(phys);
        match attributes.memory {
            MemoryType::WriteBack => {
                self.cache.store(phys, value, &mut self.memory, &mut self.will);
            }
            MemoryType::WriteThrough => self.cache.store_through(phys, value, &mut self.memory),
            _ => self.write_behind(phys, value),
        }
        self.note_store(cpu, phys, before, value);
    }

    /// Writes a word of memory, past the cache.
    pub(crate) fn write_behind(&mut self, phys: u64, value: u32) {
        let line = line_of(phys);
        let reach = self.reach(phys);
        self.cache.before_change(line, reach, &self.memory, &mut self.will);
        self.memory.write(phys, value);
        self.cache.after_change(line, &mut self.memory, &mut self.will);
    }

    /// A device writes: whole lines at a time, so that no line is written back between two of its words.
    pub(crate) fn device_write(&mut self, phys: u64, bytes: &[u8]) {
        let end = phys + bytes.len() as u64;
        let lines = || (line_of(phys)..end).step_by(crate::LINE_BYTES as usize);
        for line in lines() {
            let reach = self.reach(line);
            self.cache.before_change(line, reach, &self.memory, &mut self.will);
        }
        for (at, &byte) in (phys..).zip(bytes) {
            let mut word = self.memory.read(at).to_le_bytes();
            word[(at % 4) as usize] = byte;
            self.memory.write(at, u32::from_le_bytes(word));
        }
        for line in lines() {
            self.cache.after_change(line, &mut self.memory, &mut self.will);
        }
    }

    /// A device reads: memory, and nothing else.
    pub(crate) fn device_read(&self, phys: u64, bytes: &mut [u8]) {
        for (at, byte) in (phys..).zip(bytes) {
            *byte = self.memory.read(at).to_le_bytes()[(at % 4) as usize];
        }
    }
}
