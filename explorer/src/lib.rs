//! The layout explorer's questions, and their answers: JSON text in, JSON text out.
//!
//! A page asks in the browser, where this crate is a WebAssembly module without imports and without generated glue; a
//! test asks on the host. What a question means is [`experiment`]'s business.
//!
//! ```text
//! {"predict": {"machine": {…}, "configuration": {…}}}      {"answer": {…}}
//! {"draw":    {"machine": {…}, "configuration": {…}}}      {"answer": {…}, "figures": {…}, "pictures": {…}}
//! {"compare": {"left": {…}, "right": {…}}}                 {"differences": [{"path": …, "left": …, "right": …}, …]}
//! {"configure": {"split": …, "append": …, "vmalloc": …, …}}   {"configuration": {…}}
//! anything else, or what has no answer                     {"error": "…"}
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `request` | the questions |
//! | `reply` | the answers, and the way to them |
//! | `export` | who owns the bytes that go in and out of the module |
//!
//! Invariant: every text has a reply, and the reply is a JSON object with one of the keys above.

#![deny(unsafe_code)]

#[expect(unsafe_code, reason = "the module's boundary; everything behind it is safe")]
pub mod export;
mod reply;
mod request;

pub use reply::{Pictures, Reply};
pub use request::{Experiment, Request, Sides};

/// The longest question, in bytes.
pub const MAX_REQUEST_BYTES: usize = 1 << 20;

/// The reply to `request`, as JSON.
#[must_use]
pub fn ask(request: &str) -> String {
    let reply = if request.len() > MAX_REQUEST_BYTES {
        Reply::Error(format!(
            "a question of {} bytes; the longest is {MAX_REQUEST_BYTES}",
            request.len()
        ))
    } else {
        match serde_json::from_str::<Request>(request) {
            Ok(request) => reply::reply(&request),
            Err(error) => Reply::Error(format!("not a question: {error}")),
        }
    };
    serde_json::to_string(&reply).unwrap_or_else(|error| {
        // Only a map whose keys are no strings could not be written, and there is none.
        serde_json::json!({ "error": error.to_string() }).to_string()
    })
}
