//! The C side of modules, held against the Rust side: headers, what they put into an object, and the
//! examples.
//!
//! | file | idea |
//! |---|---|
//! | `headers` | each compiles alone; their numbers are `mm`'s; what they declare is exported |
//! | `records` | parameters and exports lie in an object as decision 15 says |
//! | `loading` | the kernel's loader takes each example, near the kernel and far from it |
//! | `examples` | each compiles without a warning, and asks for nothing that is not there |
//!
//! Everything is compiled by `cargo xtask module`, with the compiler that this host has.

#![expect(clippy::unwrap_used, reason = "tests")]

mod examples;
mod headers;
mod loading;
mod records;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use tempfile::TempDir;
use tests::object::Object;
use tests::xtask::xtask;

/// The workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

fn include() -> PathBuf {
    root().join("include")
}

/// What a source is compiled to.
const INSTRUCTION_SETS: [&[&str]; 2] = [&[], &["--thumb"]];

/// A folder for sources and objects.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Puts a source here.
    fn source(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).unwrap();
        path
    }

    /// Calls `cargo xtask module` for an object here.
    fn call(&self, source: &Path, options: &[&str], compiler: &[&str]) -> Output {
        let object = self.path("object.ko");
        let mut words = vec!["module", source.to_str().unwrap(), "-o", object.to_str().unwrap()];
        words.extend(options);
        if !compiler.is_empty() {
            words.push("--");
            words.extend(compiler);
        }
        xtask(&words.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    /// The object of a source, whose warnings are errors.
    fn object(&self, source: &Path, options: &[&str]) -> Object {
        Object::read(&self.file(source, options)).unwrap()
    }

    /// The object's bytes.
    fn file(&self, source: &Path, options: &[&str]) -> Vec<u8> {
        let strict: &[&str] =
            if source.is_dir() { &[] } else { &["-Wextra", "-Werror", "-Wmissing-prototypes"] };
        let output = self.call(source, options, strict);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{} {options:?}: {said}", source.display());
        fs::read(self.path("object.ko")).unwrap()
    }

    /// The object of a text.
    fn compiled(&self, text: &str) -> Object {
        self.object(&self.source("text.c", text), &[])
    }
}
