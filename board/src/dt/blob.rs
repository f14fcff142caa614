//! A writer of trees for tests, which writes what it is told, sound or not.

/// A flattened device tree under construction.
pub struct Blob {
    pub reserve_map: Vec<u8>,
    pub structure: Vec<u8>,
    pub strings: Vec<u8>,
    pub version: u32,
    /// Closes the structure with an end token.
    pub close: bool,
}

pub const NOP: u32 = 4;

impl Blob {
    pub fn new() -> Self {
        let (reserve_map, structure, strings) = Default::default();
        Self { reserve_map, structure, strings, version: 17, close: true }
    }

    pub fn token(&mut self, token: u32) -> &mut Self {
        self.raw(&token.to_be_bytes())
    }

    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.structure.extend_from_slice(bytes);
        self.structure.resize(self.structure.len().next_multiple_of(4), 0);
        self
    }

    pub fn begin(&mut self, name: &str) -> &mut Self {
        self.token(1).raw(format!("{name}\0").as_bytes())
    }

    pub fn end(&mut self) -> &mut Self {
        self.token(2)
    }

    pub fn nop(&mut self) -> &mut Self {
        self.token(NOP)
    }

    /// A property whose name starts at `name_offset` of the strings block.
    pub fn property_at(&mut self, name_offset: usize, value: &[u8]) -> &mut Self {
        self.token(3).token(value.len() as u32).token(name_offset as u32).raw(value)
    }

    pub fn bytes(&mut self, name: &str, value: &[u8]) -> &mut Self {
        let name_offset = self.strings.len();
        self.strings.extend_from_slice(name.as_bytes());
        self.strings.push(0);
        self.property_at(name_offset, value)
    }

    pub fn cells(&mut self, name: &str, cells: &[u32]) -> &mut Self {
        let value: Vec<u8> = cells.iter().flat_map(|cell| cell.to_be_bytes()).collect();
        self.bytes(name, &value)
    }

    /// A string; `\0` inside makes a list.
    pub fn text(&mut self, name: &str, text: &str) -> &mut Self {
        self.bytes(name, format!("{text}\0").as_bytes())
    }

    pub fn reserve(&mut self, start: u64, len: u64) -> &mut Self {
        self.reserve_map.extend_from_slice(&start.to_be_bytes());
        self.reserve_map.extend_from_slice(&len.to_be_bytes());
        self
    }

    /// Header, reservations, structure, strings, in this order and without gaps.
    pub fn finish(&self) -> Vec<u8> {
        let mut structure = self.structure.clone();
        if self.close {
            structure.extend_from_slice(&9_u32.to_be_bytes());
        }
        let off_structure = 40 + self.reserve_map.len() + 16;
        let off_strings = off_structure + structure.len();
        let total = off_strings + self.strings.len();
        // Version 16 has no size of the structure block: what is there then is noise.
        let size = if self.version < 17 { 0xdead_beef } else { structure.len() as u32 };
        let header = [
            0xd00d_feed,
            total as u32,
            off_structure as u32,
            off_strings as u32,
            40,
            self.version,
            16,
            0,
            self.strings.len() as u32,
            size,
        ];
        let mut blob: Vec<u8> = header.iter().flat_map(|word| word.to_be_bytes()).collect();
        blob.extend_from_slice(&self.reserve_map);
        blob.extend_from_slice(&[0; 16]);
        blob.extend_from_slice(&structure);
        blob.extend_from_slice(&self.strings);
        blob
    }
}
