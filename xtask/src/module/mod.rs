//! `module`: makes a kernel module of a C source or of a Rust crate: one relocatable object, which
//! the kernel's loader takes.
//!
//! | file | idea |
//! |---|---|
//! | `c` | which C compiler, and how it is called |
//! | `rust` | how cargo is called |
//! | `attributes` | what a Rust object says of floating-point hardware, put right |
//! | `archive` | several objects as an initial RAM disk |
//!
//! A module is called as its file is, without the ending and with `_` for `-`: that is what `insmod`
//! is given, what the headers put into messages, and the file's name in the archive. Invariant: a
//! published object is whole, as in [`crate::image`].

mod archive;
mod attributes;
pub mod c;
mod rust;

use anyhow::{Context as _, Result};
use std::fmt;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::image;
use crate::setup::{self, Need};
use crate::toolchain::Target;
use crate::workspace::Workspace;

pub use archive::pack;

/// The kernel's longest name for a module, with its end: `MODULE_NAME_LEN` of the headers.
const NAME_ROOM: usize = 56;

/// Arguments of `module`.
#[derive(clap::Args)]
#[command(after_help = "FILE is a C source (.c), a folder with the Cargo.toml of a crate, or an \
                        object (.ko, .o), which is taken as it is. The object is \
                        target/modules/NAME.ko. VMSPLIT_CC=PROGRAM overrides the choice of the C \
                        compiler.")]
pub struct Args {
    /// What to make modules of
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Compile C to Thumb instructions
    #[arg(long)]
    thumb: bool,
    /// Put the object here
    #[arg(short, value_name = "FILE.ko", conflicts_with = "pack")]
    output: Option<PathBuf>,
    /// Pack all of them into an archive, for run --initrd, and leave nothing but that
    #[arg(long, value_name = "FILE.cpio")]
    pack: Option<PathBuf>,
    /// More options for the C compiler, as they are
    #[arg(last = true, value_name = "COMPILER OPTION")]
    compiler: Vec<String>,
}

/// What was asked for is no module: wrong usage.
#[derive(Debug)]
pub struct NotAModule(String);

impl fmt::Display for NotAModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for NotAModule {}

/// The instructions that C is compiled to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InstructionSet {
    /// ARM: four bytes each.
    Arm,
    /// Thumb-2: two or four.
    Thumb,
}

/// How a module comes about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    C,
    Rust,
    Object,
}

/// A module to be made.
#[derive(Clone, Debug)]
pub struct Source {
    path: PathBuf,
    kind: Kind,
    name: String,
}

/// A finished module.
#[derive(Debug)]
pub struct Module {
    /// What `insmod` calls it.
    pub name: String,
    /// The object.
    pub bytes: Vec<u8>,
}

impl Source {
    /// Looks at what the user named.
    ///
    /// # Errors
    ///
    /// [`NotAModule`] says what is missing.
    pub fn find(path: &Path) -> Result<Self, NotAModule> {
        let shown = path.display();
        let found = path.metadata().map_err(|error| NotAModule(format!("{shown}: {error}")))?;
        let kind = if found.is_dir() {
            if !path.join("Cargo.toml").is_file() {
                return Err(NotAModule(format!("{shown}: a folder without Cargo.toml")));
            }
            Kind::Rust
        } else {
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("c") => Kind::C,
                Some("ko" | "o") => Kind::Object,
                _ => {
                    return Err(NotAModule(format!(
                        "{shown}: expected FILE.c, FILE.ko, FILE.o or a crate's folder"
                    )));
                }
            }
        };
        // `.` and `..` have no name of their own.
        let whole = path.canonicalize().map_err(|error| NotAModule(format!("{shown}: {error}")))?;
        let named = if kind == Kind::Rust { &whole } else { path };
        let stem = if kind == Kind::Rust { named.file_name() } else { named.file_stem() };
        let name = stem.and_then(|stem| stem.to_str()).unwrap_or_default().replace('-', "_");
        let is_fine = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(is_fine) {
            return Err(NotAModule(format!(
                "{shown}: a module's name has letters, digits, '-' and '_'"
            )));
        }
        if name.len() >= NAME_ROOM {
            return Err(NotAModule(format!(
                "{shown}: a module's name has at most {} letters",
                NAME_ROOM - 1
            )));
        }
        Ok(Self { path: path.to_owned(), kind, name })
    }

    /// [`find`](Self::find) for each; two of one name are refused.
    ///
    /// # Errors
    ///
    /// [`NotAModule`].
    pub fn find_all(paths: &[PathBuf]) -> Result<Vec<Self>, NotAModule> {
        let mut sources: Vec<Self> = Vec::new();
        for path in paths {
            let source = Self::find(path)?;
            if let Some(other) = sources.iter().find(|other| other.name == source.name) {
                return Err(NotAModule(format!(
                    "{} and {} would both be called {}",
                    other.path.display(),
                    path.display(),
                    source.name
                )));
            }
            sources.push(source);
        }
        Ok(sources)
    }
}

/// What it takes to make modules of `sources`.
pub fn needs(sources: &[Source]) -> Vec<Need> {
    let mut needs = Vec::new();
    for (kind, need) in [(Kind::C, Need::CCompiler), (Kind::Rust, Need::Compiler(Target::Kernel))] {
        if sources.iter().any(|source| source.kind == kind) {
            needs.push(need);
        }
    }
    needs
}

/// Makes one module. What [`needs`] names must be there.
///
/// # Errors
///
/// The compiler's have been said by itself; this names it.
pub fn make(
    workspace: &Workspace,
    source: &Source,
    instructions: InstructionSet,
    compiler: &[String],
) -> Result<Module> {
    let folder = workspace.target_dir.join("modules");
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let bytes = match source.kind {
        Kind::C => {
            let options = c::Options { instructions, name: &source.name, more: compiler };
            c::compile(workspace, &source.path, &folder, options)
        }
        Kind::Rust => rust::compile(workspace, &source.path, &source.name),
        Kind::Object => fs::read(&source.path).map_err(anyhow::Error::from),
    };
    let bytes = bytes.with_context(|| source.path.display().to_string())?;
    Ok(Module { name: source.name.clone(), bytes })
}

/// The command.
pub fn run(args: &Args) -> Result<ExitCode> {
    let sources = Source::find_all(&args.files)?;
    if args.output.is_some() && sources.len() > 1 {
        let text = format!("-o is for one module, and these are {}", sources.len());
        return Err(NotAModule(text).into());
    }
    let not_c = sources.iter().find(|source| source.kind != Kind::C);
    if let (Some(source), true) = (not_c, args.thumb || !args.compiler.is_empty()) {
        let shown = source.path.display();
        let text = format!("{shown}: --thumb and compiler options are for C sources");
        return Err(NotAModule(text).into());
    }
    let instructions = if args.thumb { InstructionSet::Thumb } else { InstructionSet::Arm };
    let workspace = Workspace::find()?;
    setup::ensure(&needs(&sources))?;

    let mut out = io::stdout().lock();
    let mut say = |path: &Path, bytes: &[u8]| {
        writeln!(out, "{}  {} bytes", workspace.shorten(path).display(), bytes.len())
    };
    let mut modules = Vec::new();
    for source in &sources {
        let module = make(&workspace, source, instructions, &args.compiler)?;
        if args.pack.is_none() {
            let own = workspace.target_dir.join("modules").join(format!("{}.ko", module.name));
            let path = args.output.as_ref().unwrap_or(&own);
            write(path, &module.bytes)?;
            say(path, &module.bytes)?;
        }
        modules.push(module);
    }
    if let Some(path) = &args.pack {
        let archive = pack(&modules)?;
        write(path, &archive)?;
        say(path, &archive)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes a file where the user wants it.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    // A bare name has no folder in which the file could be written aside.
    let path = std::path::absolute(path).with_context(|| path.display().to_string())?;
    image::publish(&path, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(path: &Path) -> Result<(Kind, String), String> {
        Source::find(path)
            .map(|source| (source.kind, source.name))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn a_module_is_called_as_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, "").unwrap();
            find(&path)
        };
        assert_eq!(file("one.c"), Ok((Kind::C, "one".into())));
        assert_eq!(file("two-words.c"), Ok((Kind::C, "two_words".into())));
        assert_eq!(file("a-b_c9.ko"), Ok((Kind::Object, "a_b_c9".into())));
        assert_eq!(file("x.o"), Ok((Kind::Object, "x".into())));
        let longest = format!("{}.c", "n".repeat(55));
        assert!(file(&longest).is_ok());
        for (bad, reason) in [
            ("one.rs", "expected FILE.c, FILE.ko"),
            ("one", "expected FILE.c"),
            ("a.b.c", "letters, digits"),
            ("a b.c", "letters, digits"),
            ("ä.c", "letters, digits"),
            (".c", "expected FILE.c"),
            (&format!("{}.c", "n".repeat(56)), "at most 55 letters"),
        ] {
            let error = file(bad).unwrap_err();
            assert!(error.contains(reason), "{bad}: {error}");
        }
        let none = find(&folder.path().join("none.c")).unwrap_err();
        assert!(none.contains("none.c: No such file"), "{none}");
    }

    #[test]
    fn a_crate_is_called_as_its_folder() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("my-crate");
        fs::create_dir(&inner).unwrap();
        assert!(find(&inner).unwrap_err().ends_with("my-crate: a folder without Cargo.toml"));
        fs::write(inner.join("Cargo.toml"), "").unwrap();
        fs::create_dir(inner.join("src")).unwrap();
        assert_eq!(find(&inner), Ok((Kind::Rust, "my_crate".into())));
        assert_eq!(find(&inner.join("src/..")), Ok((Kind::Rust, "my_crate".into())));
    }

    #[test]
    fn two_of_one_name_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let paths = ["a-b.c", "other.c", "a_b.ko"].map(|name| folder.path().join(name));
        for path in &paths {
            fs::write(path, "").unwrap();
        }
        assert_eq!(Source::find_all(&paths[..2]).unwrap().len(), 2);
        let error = Source::find_all(&paths).unwrap_err().to_string();
        assert!(error.ends_with("would both be called a_b"), "{error}");
    }
}
