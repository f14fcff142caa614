//! The initrd's files: listed, and shown.

use core::fmt;

use arrayvec::ArrayString;
use crc32fast::Hasher;
use monitor::argument::Args;
use monitor::nearest::Nearest;
use monitor::plain::{NotText, Pieces};
use newc::{Entry, File, Kind};

use super::Kernel;
use super::failure::{Failure, typed};
use crate::console::{self, print, println};
use crate::initrd::{Initrd, InitrdError};

/// The most bytes of a text that one command shows.
const MOST_SHOWN: u32 = 64 << 10;
/// Bytes read at once, on the stack.
const CHUNK_BYTES: usize = 512;

pub fn list(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let initrd = initrd(kernel)?;
    let wanted = args.text("NAME").ok();
    let mut listed = 0;
    for entry in initrd.archive().entries() {
        let entry = entry.map_err(Failure::Initrd)?;
        let name = &entry.name;
        if wanted.is_none_or(|path| name.is(path.as_bytes()) || name.is_in(path.as_bytes())) {
            listed += 1;
            show(initrd, &entry).map_err(Failure::Initrd)?;
        }
    }
    match wanted {
        Some(path) if listed == 0 => Err(no_file(initrd, path)),
        _ => Ok(()),
    }
}

pub fn show_file(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let initrd = initrd(kernel)?;
    let archive = initrd.archive();
    let entry = find(initrd, args.text("NAME")?)?;
    let file = archive.open(&entry).map_err(Failure::Initrd)?;
    if entry.kind() == Kind::Symlink {
        println!("{} leads to {}", entry.name, Target(&file));
        return Ok(());
    }
    match text(&file, &mut |_| ())? {
        Ok(()) => {
            let mut is_ended = true;
            let _ = text(&file, &mut |part| {
                print!("{part}");
                is_ended = part.ends_with('\n');
            })?;
            if !is_ended {
                println!();
            }
            if file.size() > MOST_SHOWN {
                println!("(the first {MOST_SHOWN} bytes of {})", file.size());
            }
        }
        Err(not_text) => {
            let (size, sum) = (file.size(), sum(&file)?);
            println!("{}: {size} bytes, no text ({not_text}), CRC-32 {sum:08x}", entry.name);
        }
    }
    Ok(())
}

/// The initrd.
///
/// # Errors
///
/// [`Failure::NoInitrd`].
pub fn initrd(kernel: &Kernel) -> Result<&Initrd, Failure> {
    kernel.initrd.as_ref().ok_or(Failure::NoInitrd { refused: kernel.memory.refused_initrd })
}

/// What is called `path` in the initrd.
///
/// # Errors
///
/// [`Failure::NoFile`], [`Failure::Initrd`].
pub fn find(initrd: &Initrd, path: &str) -> Result<Entry, Failure> {
    let found = initrd.archive().find(path).map_err(Failure::Initrd)?;
    found.ok_or_else(|| no_file(initrd, path))
}

/// Calls `see` with the name of each file whose name is text.
pub fn each_name(initrd: &Initrd, see: &mut dyn FnMut(&str)) {
    let archive = initrd.archive();
    let entries = archive.entries();
    let files = entries.map_while(Result::ok).filter(|entry| entry.kind() == Kind::File);
    for entry in files.filter(|entry| entry.name.is_whole()) {
        if let Ok(name) = str::from_utf8(entry.name.path())
            && !name.contains(char::is_control)
        {
            see(name);
        }
    }
}

fn no_file(initrd: &Initrd, path: &str) -> Failure {
    let mut nearest = Nearest::new(path);
    each_name(initrd, &mut |name| nearest.see(name));
    let nearest = nearest.found().and_then(|name| ArrayString::from(&name).ok());
    Failure::NoFile { name: typed(path), nearest }
}

/// One line of a list.
fn show(initrd: &Initrd, entry: &Entry) -> Result<(), InitrdError> {
    let archive = initrd.archive();
    let Entry { mode, name, mut size, nlink, .. } = *entry;
    // The data of a file with several names lies with one of them.
    if entry.kind() == Kind::File && nlink > 1 && size == 0 {
        size = archive.open(entry)?.size();
    }
    print!("{} {size:>9} {name}", Mode(mode));
    if entry.kind() == Kind::Symlink {
        print!(" -> {}", Target(&archive.open(entry)?));
    }
    println!();
    Ok(())
}

/// Reads as much of the file as is shown, passes on what is text, and says what is none.
fn text(
    file: &File<'_, &Initrd>,
    pass: &mut dyn FnMut(&str),
) -> Result<Result<(), NotText>, Failure> {
    let mut pieces = Pieces::new();
    let mut wrong = Ok(());
    let whole = chunks(file, MOST_SHOWN, &mut |piece| {
        wrong = pieces.take(piece, pass);
        wrong.is_ok()
    })?;
    // Where it is cut off a character may be, too.
    Ok(if wrong.is_ok() && whole == file.size() { pieces.end() } else { wrong })
}

fn sum(file: &File<'_, &Initrd>) -> Result<u32, Failure> {
    let mut hasher = Hasher::new();
    chunks(file, u32::MAX, &mut |piece| {
        hasher.update(piece);
        true
    })?;
    Ok(hasher.finalize())
}

/// Calls `see` with the file's bytes, `most` at most, piece by piece for as long as it wants more; returns how many
/// there were. Ctrl-C ends it.
fn chunks(
    file: &File<'_, &Initrd>,
    most: u32,
    see: &mut dyn FnMut(&[u8]) -> bool,
) -> Result<u32, Failure> {
    let mut chunk = [0; CHUNK_BYTES];
    let mut bytes = 0;
    loop {
        let wanted = chunk.len().min((most - bytes) as usize);
        let part = chunk.get_mut(..wanted).unwrap_or_default();
        let len = file.read(bytes, part).map_err(Failure::Initrd)?;
        if len == 0 || !see(part.get(..len).unwrap_or_default()) {
            return Ok(bytes);
        }
        bytes += len as u32;
        if console::stop_was_typed() {
            return Err(Failure::StoppedReading { bytes });
        }
    }
}

/// Where a symbolic link leads to, as far as it is shown.
struct Target<'f, 'a>(&'f File<'a, &'a Initrd>);

impl fmt::Display for Target<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = [0; 128];
        let len = self.0.read(0, &mut bytes).unwrap_or(0);
        let shown = bytes.get(..len).unwrap_or_default();
        write!(f, "{}", shown.escape_ascii())?;
        if self.0.size() as usize > len { f.write_str("...") } else { Ok(()) }
    }
}

/// A mode as `ls -l` of every Unix shows it.
struct Mode(u32);

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.0 >> 12 & 0xf {
            0o01 => "p",
            0o02 => "c",
            0o04 => "d",
            0o06 => "b",
            0o10 => "-",
            0o12 => "l",
            0o14 => "s",
            _ => "?",
        };
        f.write_str(kind)?;
        // Who; the bit that changes how the last letter is shown, and that letter with the right to execute, and
        // without.
        for (shift, special, with, without) in
            [(6, 0o4000, "s", "S"), (3, 0o2000, "s", "S"), (0, 0o1000, "t", "T")]
        {
            let rights = self.0 >> shift;
            f.write_str(if rights & 4 != 0 { "r" } else { "-" })?;
            f.write_str(if rights & 2 != 0 { "w" } else { "-" })?;
            f.write_str(match (self.0 & special != 0, rights & 1 != 0) {
                (true, true) => with,
                (true, false) => without,
                (false, true) => "x",
                (false, false) => "-",
            })?;
        }
        Ok(())
    }
}
