//! A kernel that can be looked into when it is dead: its serial line, and QEMU's monitor, from which
//! memory is read.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use elf::ElfBytes;
use elf::endian::AnyEndian;
use tempfile::TempDir;

use crate::images::images;
use crate::serial::{PROMPT, Serial};

/// How long anything may take that a test waits for.
pub const TIMEOUT: Duration = Duration::from_secs(60);

/// The kernel, its machine, and a folder for what is between them and the test.
pub struct DeadKernel {
    serial: Serial,
    monitor: UnixStream,
    folder: TempDir,
    record_at: u32,
}

impl DeadKernel {
    /// Boots the ELF and types `command`, which kills it, at the first prompt.
    pub fn boot(command: &str) -> Self {
        let (elf, _) = images("3g");
        let mut kernel = Self::start(&["-serial", "stdio", "-kernel", elf.to_str().unwrap()]);
        kernel.serial.wait_for(PROMPT);
        kernel.serial.send(format!("{command}\n"));
        kernel
    }

    /// Starts a machine of 1 GiB with `options`.
    pub fn start(options: &[&str]) -> Self {
        // A socket's path is short; the target directory's need not be.
        let folder = tempfile::tempdir().unwrap();
        let socket = folder.path().join("monitor");
        let monitor = format!("unix:{},server,nowait", socket.display());
        let serial = Serial::start(&[&["-m", "1G", "-monitor", &monitor][..], options].concat());
        let deadline = Instant::now() + TIMEOUT;
        let monitor = loop {
            match UnixStream::connect(&socket) {
                Ok(monitor) => break monitor,
                Err(error) => assert!(Instant::now() < deadline, "QEMU's monitor: {error}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        monitor.set_read_timeout(Some(TIMEOUT)).unwrap();
        let record_at = symbol("vmsplit_death_record");
        let mut kernel = Self { serial, monitor, folder, record_at };
        kernel.wait_for_monitor();
        kernel
    }

    /// What the console says from the command on, its last line included.
    pub fn report(&mut self) -> String {
        const LAST_LINE: &str = "vmsplit: halted: ";
        let report = self.serial.wait_for(LAST_LINE);
        format!("{report}{LAST_LINE}{}\n", self.serial.wait_for("\n"))
    }

    pub fn record(&mut self) -> Record {
        self.try_record().expect("the record's memory can be read")
    }

    /// Memory at the record's address, as the CPU sees it, if it is mapped.
    pub fn try_record(&mut self) -> Option<Record> {
        let file = self.folder.path().join("memory");
        let _ = std::fs::remove_file(&file);
        let command = format!("memsave {:#x} 384 \"{}\"\n", self.record_at, file.display());
        self.monitor.write_all(command.as_bytes()).unwrap();
        self.wait_for_monitor();
        std::fs::read(&file).ok().filter(|bytes| bytes.len() == 384).map(Record)
    }

    /// Reads to the monitor's next prompt.
    fn wait_for_monitor(&mut self) {
        let mut said = Vec::new();
        let mut byte = [0];
        while !said.ends_with(b"(qemu) ") {
            self.monitor.read_exact(&mut byte).expect("QEMU's monitor answers");
            said.push(byte[0]);
        }
    }
}

/// The bytes of a record of death.
pub struct Record(Vec<u8>);

impl Record {
    pub fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(*self.0[at..].first_chunk().unwrap())
    }

    pub fn reason(&self) -> String {
        let len = self.word(132) as usize;
        String::from_utf8(self.0[136..136 + len].to_vec()).unwrap()
    }
}

/// The address of a symbol of the default image.
fn symbol(name: &str) -> u32 {
    let (path, _) = images("3g");
    let bytes = std::fs::read(path).unwrap();
    let elf = ElfBytes::<AnyEndian>::minimal_parse(&bytes).unwrap();
    let (symbols, names) = elf.symbol_table().unwrap().unwrap();
    let found =
        symbols.iter().find(|symbol| names.get(symbol.st_name as usize).is_ok_and(|n| n == name));
    u32::try_from(found.unwrap_or_else(|| panic!("no symbol {name}")).st_value).unwrap()
}
