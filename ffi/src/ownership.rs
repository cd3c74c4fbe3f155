//! What belongs to one process.

use std::fmt;
use std::process;
use std::sync::{Mutex, PoisonError};

use outpour::ErrorCode;

use crate::error::{Result, refuse};

/// Something that a child of `fork` must leave alone: the threads that drive it are in the parent, and a lock in it may have
/// been held when the child was made, and so is held in the child for ever.
pub(crate) struct Owned<T> {
    process: u32,
    /// There until it is dropped.
    thing: Option<T>,
}

impl<T> Owned<T> {
    pub(crate) fn new(thing: T) -> Self {
        Self { process: process::id(), thing: Some(thing) }
    }

    /// What is owned, in the process that owns it.
    pub(crate) fn get(&self) -> Result<&T> {
        self.thing.as_ref().filter(|_| self.is_at_home()).ok_or_else(|| refuse(ErrorCode::Forked))
    }

    fn is_at_home(&self) -> bool {
        self.process == process::id()
    }
}

impl<T> Drop for Owned<T> {
    fn drop(&mut self) {
        if !self.is_at_home() {
            std::mem::forget(self.thing.take());
        }
    }
}

/// What each process makes for itself when it first needs it, and never gives up.
pub(crate) struct PerProcess<T>(Mutex<Option<(u32, T)>>);

impl<T: Clone> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    /// This process's own. What a parent has made is left alone, as [`Owned`] leaves it.
    pub(crate) fn get<E>(&self, make: impl FnOnce() -> std::result::Result<T, E>) -> std::result::Result<T, E> {
        let mut current = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, thing)) = current.as_ref().filter(|(process, _)| *process == process::id()) {
            return Ok(thing.clone());
        }
        let thing = make()?;
        std::mem::forget(current.replace((process::id(), thing.clone())));
        Ok(thing)
    }
}

impl<T: fmt::Debug> fmt::Debug for Owned<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.get() {
            Ok(thing) => thing.fmt(f),
            Err(_) => f.write_str("of another process"),
        }
    }
}
