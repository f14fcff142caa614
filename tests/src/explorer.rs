//! The explorer's module, run in an interpreter as a page runs it in the browser.
//!
//! `cargo xtask explore` builds it, once in a test process. How bytes go in and out is what the crate `explorer`
//! says of its boundary.

use std::path::PathBuf;
use std::sync::LazyLock;

use serde_json::Value;
use wasmi::{Engine, Instance, Linker, Memory, Module, Store, TypedFunc};

use crate::xtask::xtask;

/// A module that runs.
pub struct Explorer {
    store: Store<()>,
    memory: Memory,
    allocate: TypedFunc<u32, u32>,
    release: TypedFunc<(u32, u32), ()>,
    ask: TypedFunc<(u32, u32), u32>,
}

/// The module, built.
static MODULE: LazyLock<Module> = LazyLock::new(build);

/// # Panics
///
/// When the module can not be built, or is none.
fn build() -> Module {
    let output = xtask(&["explore".to_string()]);
    let (out, error) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "cargo xtask explore failed ({}):\n{error}", output.status);
    let path = out.lines().find_map(|line| line.split_once(".wasm ").map(|(path, _)| path));
    let path = path.unwrap_or_else(|| panic!("no module is named by cargo xtask explore:\n{out}"));
    // Named as a user at the workspace's root would type it.
    let root = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let path = root.join(format!("{path}.wasm"));
    let bytes = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    Module::new(&Engine::default(), bytes)
        .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

impl Explorer {
    /// The module, freshly started.
    ///
    /// # Panics
    ///
    /// When it can not be built, imports anything, or lacks one of its functions.
    #[must_use]
    #[expect(clippy::expect_used, reason = "a test's own set-up")]
    pub fn start() -> Self {
        let engine = MODULE.engine();
        let mut store = Store::new(engine, ());
        let instance: Instance = Linker::new(engine)
            .instantiate_and_start(&mut store, &MODULE)
            .expect("a module without imports");
        Self {
            memory: instance.get_memory(&store, "memory").expect("the module exports its memory"),
            allocate: instance.get_typed_func(&store, "allocate").expect("allocate"),
            release: instance.get_typed_func(&store, "release").expect("release"),
            ask: instance.get_typed_func(&store, "ask").expect("ask"),
            store,
        }
    }

    /// The reply to `request`.
    ///
    /// # Panics
    ///
    /// When the module traps, or does not keep to its boundary.
    #[expect(clippy::expect_used, reason = "a test's own set-up")]
    pub fn ask_bytes(&mut self, request: &[u8]) -> String {
        let length = u32::try_from(request.len()).expect("a request of this memory");
        let buffer = self.allocate.call(&mut self.store, length).expect("allocate returns");
        assert_ne!(buffer, 0, "no memory for {length} bytes");
        self.memory.write(&mut self.store, buffer as usize, request).expect("a buffer in memory");
        let reply = self.ask.call(&mut self.store, (buffer, length)).expect("ask returns");
        self.release.call(&mut self.store, (buffer, length)).expect("release returns");

        let mut count = [0; 4];
        self.memory.read(&self.store, reply as usize, &mut count).expect("a length in memory");
        let count = u32::from_le_bytes(count);
        let mut text = vec![0; count as usize];
        self.memory.read(&self.store, reply as usize + 4, &mut text).expect("a text in memory");
        self.release.call(&mut self.store, (reply, 4 + count)).expect("release returns");
        String::from_utf8(text).expect("JSON is UTF-8")
    }

    /// The reply to `request`, as text.
    ///
    /// # Panics
    ///
    /// As [`ask_bytes`](Self::ask_bytes).
    pub fn ask(&mut self, request: &Value) -> String {
        self.ask_bytes(request.to_string().as_bytes())
    }

    /// Bytes of the module's memory.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.memory.data_size(&self.store)
    }
}
