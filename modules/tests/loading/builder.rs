//! Objects written by hand: sections, symbols and relocations, right unless a test wants them wrong.

/// Types and flags of sections, as `elf.h` has them.
pub const PROGBITS: u32 = 1;
pub const STRTAB: u32 = 3;
pub const RELA: u32 = 4;
pub const NOBITS: u32 = 8;
pub const REL: u32 = 9;
pub const INIT_ARRAY: u32 = 14;
pub const EXIDX: u32 = 0x7000_0001;
pub const ATTRIBUTES: u32 = 0x7000_0003;
pub const W: u32 = 1;
pub const A: u32 = 2;
pub const X: u32 = 4;
pub const TLS: u32 = 0x400;
pub const COMPRESSED: u32 = 0x800;

/// Section indices that are none.
pub const UNDEFINED: u16 = 0;
pub const ABSOLUTE: u16 = 0xfff1;
pub const COMMON: u16 = 0xfff2;

/// `MOV PC, LR`.
pub const RETURN: [u8; 4] = 0xe1a0_f00e_u32.to_le_bytes();

#[derive(Clone)]
pub struct Section {
    pub name: String,
    pub kind: u32,
    pub flags: u32,
    pub link: u32,
    pub info: u32,
    pub align: u32,
    pub entry_bytes: u32,
    pub bytes: Vec<u8>,
    /// Another size than that of the bytes.
    pub size: Option<u32>,
    /// Another offset than where the bytes are.
    pub offset: Option<u32>,
}

#[derive(Clone, Copy)]
pub enum Binding {
    Local = 0,
    Global = 1,
    Weak = 2,
}

#[derive(Clone, Copy)]
pub enum Type {
    Untyped = 0,
    Object = 1,
    Function = 2,
    Section = 3,
}

#[derive(Clone)]
pub struct Symbol {
    pub name: String,
    pub value: u32,
    pub size: u32,
    pub binding: Binding,
    pub kind: Type,
    pub section: u16,
}

/// An object. Sections have the index that [`Builder::section`] returns; then come the symbol table and
/// two tables of names.
#[derive(Clone)]
pub struct Builder {
    pub sections: Vec<Section>,
    pub symbols: Vec<Symbol>,
}

impl Builder {
    /// One with nothing but the vermagic.
    pub fn new() -> Self {
        let mut builder = Self::empty();
        builder.section(".modinfo", PROGBITS, A, b"license=MIT\0vermagic=vmsplit 1 ARMv7\0");
        builder
    }

    /// One with nothing.
    pub const fn empty() -> Self {
        Self { sections: Vec::new(), symbols: Vec::new() }
    }

    /// Adds a section, and returns its index.
    pub fn section(&mut self, name: &str, kind: u32, flags: u32, bytes: &[u8]) -> u16 {
        self.sections.push(Section {
            name: name.into(),
            kind,
            flags,
            link: 0,
            info: 0,
            align: 4,
            entry_bytes: 0,
            bytes: bytes.into(),
            size: None,
            offset: None,
        });
        self.sections.len() as u16
    }

    /// The section of this index.
    pub fn at(&mut self, index: u16) -> &mut Section {
        &mut self.sections[usize::from(index) - 1]
    }

    /// Code, data that is only read, data, and data that is zero.
    pub fn text(&mut self, bytes: &[u8]) -> u16 {
        self.section(".text", PROGBITS, A | X, bytes)
    }

    pub fn rodata(&mut self, bytes: &[u8]) -> u16 {
        self.section(".rodata", PROGBITS, A, bytes)
    }

    pub fn data(&mut self, bytes: &[u8]) -> u16 {
        self.section(".data", PROGBITS, A | W, bytes)
    }

    pub fn bss(&mut self, size: u32) -> u16 {
        let section = self.section(".bss", NOBITS, A | W, &[]);
        self.at(section).size = Some(size);
        section
    }

    /// Adds a symbol, and returns its index.
    pub fn symbol(&mut self, name: &str, kind: Type, section: u16, value: u32) -> u32 {
        let (name, binding) = (name.into(), Binding::Global);
        self.symbols.push(Symbol { name, value, size: 0, binding, kind, section });
        self.symbols.len() as u32
    }

    /// The symbol of this index.
    pub fn symbol_at(&mut self, index: u32) -> &mut Symbol {
        &mut self.symbols[index as usize - 1]
    }

    /// A symbol of others.
    pub fn import(&mut self, name: &str) -> u32 {
        self.symbol(name, Type::Untyped, UNDEFINED, 0)
    }

    /// A section's own symbol.
    pub fn section_symbol(&mut self, section: u16) -> u32 {
        let index = self.symbol("", Type::Section, section, 0);
        self.symbol_at(index).binding = Binding::Local;
        index
    }

    /// Relocates a section: offset, type and symbol of each relocation. Returns the index of the
    /// section that lists them.
    pub fn relocate(&mut self, target: u16, relocations: &[(u32, u32, u32)]) -> u16 {
        let name = format!(".rel{}", self.at(target).name);
        let bytes: Vec<u8> = relocations
            .iter()
            .flat_map(|(offset, kind, symbol)| [*offset, symbol << 8 | kind])
            .flat_map(u32::to_le_bytes)
            .collect();
        let section = self.section(&name, REL, 0, &bytes);
        self.at(section).info = target.into();
        self.at(section).entry_bytes = 8;
        section
    }

    /// The index of the symbol table.
    pub fn symbol_table(&self) -> u32 {
        self.sections.len() as u32 + 1
    }

    /// The object's bytes, and where its section headers are.
    pub fn bytes_and_headers(&self) -> (Vec<u8>, usize) {
        let mut strings = vec![0];
        let mut table = vec![0; 16];
        for symbol in &self.symbols {
            let name = add_name(&mut strings, &symbol.name);
            table.extend([name, symbol.value, symbol.size].into_iter().flat_map(u32::to_le_bytes));
            table.extend([(symbol.binding as u8) << 4 | symbol.kind as u8, 0]);
            table.extend(symbol.section.to_le_bytes());
        }
        let mut all = self.clone();
        let symbols = all.symbol_table();
        for section in all.sections.iter_mut().filter(|section| section.kind == REL) {
            section.link = if section.link == 0 { symbols } else { section.link };
        }
        let symbols = all.section(".symtab", 2, 0, &table);
        all.at(symbols).link = u32::from(symbols) + 1;
        all.at(symbols).entry_bytes = 16;
        all.section(".strtab", STRTAB, 0, &strings);
        let names_index = all.section(".shstrtab", STRTAB, 0, &[]);
        let mut names = vec![0];
        let name_offsets: Vec<u32> =
            all.sections.iter().map(|section| add_name(&mut names, &section.name)).collect();
        all.at(names_index).bytes = names;

        let mut file = vec![0; 52];
        let mut headers = vec![0_u32; 10];
        for (section, name) in all.sections.iter().zip(name_offsets) {
            file.resize(file.len().next_multiple_of(4), 0);
            let offset = section.offset.unwrap_or(file.len() as u32);
            let size = section.size.unwrap_or(section.bytes.len() as u32);
            let Section { kind, flags, link, info, align, entry_bytes, .. } = *section;
            headers.extend([name, kind, flags, 0, offset, size, link, info, align, entry_bytes]);
            file.extend(&section.bytes);
        }
        file.resize(file.len().next_multiple_of(4), 0);
        let at = file.len();
        file.extend(headers.into_iter().flat_map(u32::to_le_bytes));

        file[..20].copy_from_slice(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0\x01\0\x28\0");
        file[20] = 1;
        file[32..36].copy_from_slice(&(at as u32).to_le_bytes());
        file[36..40].copy_from_slice(&0x0500_0000_u32.to_le_bytes());
        let count = all.sections.len() as u16 + 1;
        let halves = [52, 0, 0, 40, count, names_index];
        for (index, half) in halves.into_iter().enumerate() {
            file[40 + 2 * index..42 + 2 * index].copy_from_slice(&half.to_le_bytes());
        }
        (file, at)
    }

    /// The object's bytes.
    pub fn bytes(&self) -> Vec<u8> {
        self.bytes_and_headers().0
    }
}

fn add_name(strings: &mut Vec<u8>, name: &str) -> u32 {
    if name.is_empty() {
        return 0;
    }
    let at = strings.len() as u32;
    strings.extend(name.as_bytes());
    strings.push(0);
    at
}
