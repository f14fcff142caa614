//! What mdBook warns of, kept.
//!
//! mdBook goes on after a warning (a chapter twice, HTML that is not closed) and says so in its log. Invariant: no
//! message of level warning or error is lost, so that the caller can refuse the book.

use anyhow::{Context as _, Result};
use std::fmt::{Debug, Write as _};
use std::sync::{Arc, Mutex, PoisonError};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// The messages so far.
#[derive(Clone, Default)]
pub struct Warnings(Arc<Mutex<Vec<String>>>);

impl Warnings {
    /// Listens to this process, from now on.
    pub fn listen() -> Result<Self> {
        let warnings = Self::default();
        tracing::subscriber::set_global_default(warnings.clone())
            .context("somebody else listens")?;
        Ok(warnings)
    }

    /// Takes the messages.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= Level::WARN
    }

    fn event(&self, event: &Event<'_>) {
        let mut message = Message(String::new());
        event.record(&mut message);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(message.0);
    }

    // Spans say where a message comes from; the messages name their file themselves.
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The text of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            // Writing to a string does not fail.
            let _ = write!(self.0, "{value:?}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_and_errors_are_kept_and_nothing_else() {
        let warnings = Warnings::default();
        tracing::subscriber::with_default(warnings.clone(), || {
            tracing::info!("a page");
            tracing::warn!("{} is there twice", "x.md");
            tracing::error!("no y.md");
        });
        assert_eq!(warnings.take(), ["x.md is there twice", "no y.md"]);
        assert!(warnings.take().is_empty());
    }
}
