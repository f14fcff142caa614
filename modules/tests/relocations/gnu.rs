//! Vectors made by GNU as and GNU ld.
//!
//! A source says in comments which options the two take:
//!
//! ```text
//! @ as: -march=armv7-a
//! @ ld: --section-start=.place=0x08000000
//! ```
//!
//! Each of its sections becomes one of the program, which may end with veneers of GNU ld.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

use elf::ElfBytes;
use elf::abi;
use elf::endian::LittleEndian;
use elf::section::SectionHeader;
use elf::symbol::Symbol;
use modules::reloc::Kind;

use super::vector::{Symbolic, Vector};

const AS: &str = "arm-none-eabi-as";
const LD: &str = "arm-none-eabi-ld";

/// Which linker is installed, or why none can be asked.
pub fn version() -> Result<String, String> {
    for tool in [AS, LD] {
        Command::new(tool).arg("--version").output().map_err(|error| format!("{tool}: {error}"))?;
    }
    let output = Command::new(LD).arg("--version").output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    // GNU ld (2.40-2+18+b1) 2.40
    let number = text.lines().next().and_then(|line| line.split_whitespace().last()).unwrap();
    Ok(format!("GNU ld {number}"))
}

/// The relocations of the assembly `source`, section by section.
pub fn vectors(source: &Path) -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let family = source.file_stem().unwrap();
    let object = folder.join(family).with_extension("o");
    let program = folder.join(family).with_extension("elf");
    let text = fs::read_to_string(source).unwrap();
    run(Command::new(AS).args(options(&text, "@ as: ")).arg("-o").args([&object, source]));
    run(Command::new(LD)
        // A repair of Cortex-A8 that moves branches, and a warning that concerns nobody here.
        .args(["--no-fix-cortex-a8", "--no-warn-rwx-segments", "--entry=0"])
        .args(options(&text, "@ ld: "))
        .arg("-o")
        .args([&program, &object]));
    let object = fs::read(object).unwrap();
    let program = fs::read(program).unwrap();
    compare(&File::new(&object), &File::new(&program))
}

fn options<'a>(source: &'a str, start: &str) -> Vec<&'a str> {
    let lines = source.lines().filter_map(|line| line.strip_prefix(start));
    lines.flat_map(str::split_whitespace).collect()
}

fn run(command: &mut Command) {
    let output = command.output().unwrap();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && messages.is_empty(), "{command:?}: {messages}");
}

/// An ELF file with what a linker's reader wants of it.
struct File<'a> {
    elf: ElfBytes<'a, LittleEndian>,
    sections: Vec<(&'a str, SectionHeader)>,
    symbols: Vec<(&'a str, Symbol)>,
}

impl<'a> File<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        let elf = ElfBytes::minimal_parse(bytes).unwrap();
        let (headers, names) = elf.section_headers_with_strtab().unwrap();
        let (headers, names) = (headers.unwrap(), names.unwrap());
        let sections = headers.iter().map(|it| (names.get(it.sh_name as usize).unwrap(), it));
        let (table, names) = elf.symbol_table().unwrap().unwrap();
        let symbols = table.iter().map(|it| (names.get(it.st_name as usize).unwrap(), it));
        Self { sections: sections.collect(), symbols: symbols.collect(), elf }
    }

    fn section(&self, name: &str) -> &SectionHeader {
        &self.sections.iter().find(|section| section.0 == name).unwrap().1
    }

    fn bytes(&self, name: &str) -> &'a [u8] {
        self.elf.section_data(self.section(name)).unwrap().0
    }

    fn symbol(&self, name: &str) -> Option<&Symbol> {
        Some(&self.symbols.iter().find(|symbol| symbol.0 == name)?.1)
    }
}

fn compare(object: &File<'_>, program: &File<'_>) -> Vec<Vector> {
    let mut vectors = Vec::new();
    for (_, rel_section) in &object.sections {
        if rel_section.sh_type != abi::SHT_REL {
            continue;
        }
        let (name, _) = object.sections[rel_section.sh_info as usize];
        let start = program.section(name).sh_addr as u32;
        let before = object.bytes(name);
        let after = &program.bytes(name)[..before.len()];
        let mut relocated = vec![false; before.len()];
        for rel in object.elf.section_data_as_rels(rel_section).unwrap() {
            let kind = Kind::from_elf(rel.r_type).unwrap();
            let offset = rel.r_offset as usize;
            let place = offset..offset + kind.bytes();
            relocated[place.clone()].fill(true);
            let (name, symbol) = &object.symbols[rel.r_sym as usize];
            // The null symbol, which marks of `BX` have, is like a section at 0.
            let name = match symbol.st_symtype() {
                abi::STT_SECTION => object.sections[symbol.st_shndx as usize].0,
                _ if rel.r_sym == 0 => "-",
                _ => name,
            };
            vectors.push(Vector {
                kind,
                address: start + offset as u32,
                before: before[place.clone()].to_vec(),
                after: after[place].to_vec(),
                symbol: resolve(program, name, symbol),
                name: name.to_owned(),
                veneer: veneer(program, name, kind),
            });
        }
        // ld changed nothing else.
        for at in (0..before.len()).filter(|&at| !relocated[at]) {
            assert_eq!(before[at], after[at], "{name}+{at:#x}");
        }
    }
    vectors
}

fn resolve(program: &File<'_>, name: &str, symbol: &Symbol) -> Symbolic {
    if name == "-" {
        return Symbolic::Label(0);
    }
    if symbol.st_symtype() == abi::STT_SECTION {
        return Symbolic::Label(program.section(name).sh_addr as u32);
    }
    if symbol.is_undefined() {
        assert_eq!(symbol.st_bind(), abi::STB_WEAK, "{name} is not defined");
        return Symbolic::UndefinedWeak;
    }
    let linked = program.symbol(name).unwrap();
    let value = linked.st_value as u32;
    match linked.st_symtype() {
        abi::STT_FUNC => Symbolic::Function(value),
        _ => Symbolic::Label(value),
    }
}

/// The veneer that ld made for branches to `name`, if it made one. In no source one branch to a
/// function needs it and another does not.
fn veneer(program: &File<'_>, name: &str, kind: Kind) -> Option<(u32, [u8; 8])> {
    kind.branch_from()?;
    let symbol = ["veneer", "from_arm", "from_thumb"]
        .iter()
        .find_map(|end| program.symbol(&format!("__{name}_{end}")))?;
    let address = symbol.st_value as u32 & !1;
    let (name, section) = program.sections.iter().find(|(_, section)| {
        let (start, size) = (section.sh_addr as u32, section.sh_size as u32);
        section.sh_flags & u64::from(abi::SHF_ALLOC) != 0 && address.wrapping_sub(start) < size
    })?;
    let offset = (address - section.sh_addr as u32) as usize;
    Some((address, program.bytes(name)[offset..offset + 8].try_into().unwrap()))
}
