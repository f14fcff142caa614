//! Modules: in, out, listed, and what their files say.

use core::fmt::{self, Write as _};

use arrayvec::ArrayString;
use modules::Object;
use monitor::argument::Args;

use super::Kernel;
use super::failure::Failure;
use crate::console::{Out, level, println};
use crate::exports;
use crate::modules::error::ModuleError;
use crate::modules::file::{self, FileBytes};
use crate::modules::insert::{Told, insert};
use crate::modules::memory::Placement;
use crate::modules::name::ModuleName;
use crate::modules::registry::{Module, Registry};
use crate::report;
use crate::selftest;

pub fn insmod(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let word = args.text("NAME")?;
    let placement = placement(args);
    let tell = |error: &ModuleError<'_>| refuse(word, error);
    let inserted = insert(kernel, word, args.texts("PARAMETER=VALUE"), placement, tell);
    println!("{}", inserted.map_err(|Told| Failure::Told)?);
    Ok(())
}

pub fn rmmod(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let word = args.text("NAME")?;
    let removed = match ModuleName::of_file(word) {
        Ok(name) => kernel.modules.remove(name),
        Err(error) => Err(ModuleError::Name(error)),
    };
    removed.map_err(|error| {
        println!("error: {error}");
        Failure::Told
    })
}

pub fn loglevel(_: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    match args.number("LEVEL") {
        Ok(number) => level::set(number),
        Err(_) => println!("{}", level::get()),
    }
    Ok(())
}

pub fn soak(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let rounds = args.number("COUNT").unwrap_or(1);
    selftest::run_module_soak(kernel, rounds, placement(args)).map_err(Failure::SelfTest)
}

/// The line of a command that fails, with what was typed.
fn refuse(word: &str, error: &ModuleError<'_>) {
    match word {
        "" => println!("error: {error}"),
        word => println!("error: {word}: {error}"),
    }
}

fn placement(args: &Args<'_>) -> Placement {
    if args.has("--far") { Placement::Far } else { Placement::NearFirst }
}

pub fn lsmod(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let modules = &kernel.modules;
    println!("{:<19} {:>8}  Used by", "Module", "Size");
    for module in modules.iter() {
        let (name, bytes) = (module.name(), module.parts().whole().len());
        println!("{name:<19} {bytes:>8}  {}{}", uses(modules, module), Users(modules, module, " "));
    }
    Ok(())
}

pub fn proc_modules(kernel: &mut Kernel, _: &Args<'_>) -> Result<(), Failure> {
    let modules = &kernel.modules;
    for module in modules.iter() {
        let (name, parts) = (module.name(), module.parts());
        let (bytes, start) = (parts.whole().len(), parts.whole().start());
        let users = Users(modules, module, "");
        println!("{name} {bytes} {} {users} Live {start}", uses(modules, module));
    }
    Ok(())
}

pub fn modinfo(kernel: &mut Kernel, args: &Args<'_>) -> Result<(), Failure> {
    let word = args.text("NAME")?;
    show_info(kernel, word).map_err(|Told| Failure::Told)
}

/// How often a module is in use: by others, and by its own count.
fn uses(modules: &Registry, module: &Module) -> u32 {
    module.count() + modules.users_of(module.name()).count() as u32
}

/// The modules that use one, with commas; if there are none, nothing after a blank, or `-` alone.
struct Users<'r>(&'r Registry, &'r Module, &'static str);

impl fmt::Display for Users<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(modules, module, before) = *self;
        let mut names = modules.users_of(module.name()).peekable();
        let is_proc = before.is_empty();
        if names.peek().is_none() && !module.stays() {
            return f.write_str(if is_proc { "-" } else { "" });
        }
        f.write_str(before)?;
        while let Some(name) = names.next() {
            let more = is_proc || names.peek().is_some() || module.stays();
            write!(f, "{name}{}", if more { "," } else { "" })?;
        }
        match (module.stays(), is_proc) {
            (true, true) => f.write_str("[permanent],"),
            (true, false) => f.write_str("[permanent]"),
            (false, _) => Ok(()),
        }
    }
}

fn show_info(kernel: &Kernel, word: &str) -> Result<(), Told> {
    let told = |error: ModuleError<'_>| {
        refuse(word, &error);
        Told
    };
    let read = || {
        let initrd = kernel.initrd.as_ref().ok_or(ModuleError::NoInitrd)?;
        let entry = file::find(initrd, word)?.ok_or(ModuleError::NotFound)?;
        let file = FileBytes::read(initrd, &entry, kernel.vmalloc, report::call_site())?;
        Ok((entry.name, file))
    };
    let (name, file) = read().map_err(told)?;
    let object = Object::parse(file.bytes()).map_err(|error| told(ModuleError::Object(error)))?;
    println!("{:<16}{name}", "filename:");
    // The console can not fail.
    let _ = write_tags(&object);
    let _ = write_needs(&object, &kernel.modules);
    Ok(())
}

/// What `.modinfo` has, parameters with their types.
fn write_tags(object: &Object<'_>) -> fmt::Result {
    for (tag, value) in object.info().filter(|(tag, _)| !matches!(*tag, "parm" | "parmtype")) {
        writeln!(Out, "{:<16}{}", Tag(tag), Plain(value))?;
    }
    for (name, kind, text) in object.info().parameters() {
        write!(Out, "{:<16}{}:", "parm:", Plain(name))?;
        if !text.is_empty() {
            write!(Out, "{} ", Plain(text))?;
        }
        writeln!(Out, "({})", Plain(kind))?;
    }
    Ok(())
}

/// The modules that it would have addresses of, and the symbols that nobody has.
fn write_needs(object: &Object<'_>, modules: &Registry) -> fmt::Result {
    let mut between = "        ";
    write!(Out, "depends:")?;
    for module in modules.iter() {
        let is_needed = |symbol| exports::find(symbol).is_none() && module.exports(symbol);
        if object.imports().any(is_needed) {
            write!(Out, "{between}{}", module.name())?;
            between = ",";
        }
    }
    writeln!(Out)?;
    let nobodys =
        |symbol: &&str| exports::find(symbol).is_none() && modules.export(symbol).is_none();
    for symbol in object.imports().filter(nobodys) {
        writeln!(Out, "{:<16}{}", "unknown symbol:", Plain(symbol))?;
    }
    Ok(())
}

/// A tag, with its colon.
struct Tag<'t>(&'t str);

impl fmt::Display for Tag<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Padded as a whole; a tag that is longer than any is cut.
        let mut text = ArrayString::<32>::new();
        let _ = write!(text, "{}:", Plain(self.0));
        f.pad(&text)
    }
}

/// Text of a file, without what would move the cursor.
struct Plain<'t>(&'t str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| f.write_char(if c.is_control() { '?' } else { c }))
    }
}
