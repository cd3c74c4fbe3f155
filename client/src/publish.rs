//! Changes to topics, each acknowledged.

use std::future::IntoFuture;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use outpour_core::session::{Publication, PublicationChange, StreamId};
use outpour_core::wire::Condition;
use outpour_core::{ErrorCode, Path, Value, Version};
use tokio::sync::oneshot;

use crate::Error;
use crate::session::Handle;

/// A change that is about to be published: give it a condition, then `.await` it for its
/// acknowledgement, or [`send`](Self::send) it and await that later.
#[derive(Debug)]
#[must_use = "a change is published when it is awaited or sent"]
pub struct Publish {
    handle: Arc<Handle>,
    path: Result<Path, Error>,
    change: PublicationChange,
    condition: Condition,
}

impl Publish {
    pub(crate) const fn new(handle: Arc<Handle>, path: Result<Path, Error>, change: PublicationChange) -> Self {
        Self { handle, path, change, condition: Condition::Always }
    }

    /// Only if the topic's version is still this one; otherwise [`ErrorCode::VersionMismatch`].
    pub const fn if_version(mut self, version: Version) -> Self {
        self.condition = Condition::IfVersion(version);
        self
    }

    /// Only if there is no such topic; otherwise [`ErrorCode::AlreadyExists`].
    pub const fn if_absent(mut self) -> Self {
        self.condition = Condition::IfAbsent;
        self
    }

    /// Queues the change. It is sent as soon as there is a connection, and again after a lost one;
    /// it is applied once.
    ///
    /// # Errors
    /// [`ErrorCode::QueueFull`] if too much waits already; what is wrong with path or value.
    pub fn send(self) -> Result<Acknowledgement, Error> {
        let path = self.path?;
        let publication = Publication { change: self.change, condition: self.condition };
        self.handle.shared.ask(|state, now| {
            let ticket = state.core.publish(&path, publication, now)?;
            Ok(Acknowledgement { verdict: state.expect_verdict(ticket) })
        })
    }

    /// Queues the change, waiting for room if too much waits already.
    ///
    /// # Errors
    /// What is wrong with path or value, or why the session is over.
    pub async fn send_when_possible(self) -> Result<Acknowledgement, Error> {
        let path = self.path?;
        let shared = &self.handle.shared;
        loop {
            let room = shared.room.notified();
            let mut room = std::pin::pin!(room);
            room.as_mut().enable();
            let publication = Publication { change: self.change.clone(), condition: self.condition };
            let sent = shared.ask(|state, now| {
                let ticket = state.core.publish(&path, publication, now)?;
                Ok::<_, ErrorCode>(state.expect_verdict(ticket))
            });
            match sent {
                Ok(verdict) => return Ok(Acknowledgement { verdict }),
                Err(ErrorCode::QueueFull) => room.await,
                Err(code) => return Err(code.into()),
            }
        }
    }
}

impl IntoFuture for Publish {
    type Output = Result<Version, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let waits = self.handle.shared.waits_for_room;
            let sent = if waits { self.send_when_possible().await? } else { self.send()? };
            sent.await
        })
    }
}

/// The verdict on a published change, when it comes: the version that it gave the topic.
#[derive(Debug)]
pub struct Acknowledgement {
    verdict: oneshot::Receiver<Result<Version, Error>>,
}

impl Future for Acknowledgement {
    type Output = Result<Version, Error>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.verdict)
            .poll(context)
            .map(|verdict| verdict.unwrap_or_else(|_| Err(ErrorCode::Closed.into())))
    }
}

/// A stream of values for one topic, of which only what changed goes upstream. Dropping it ends it.
#[derive(Debug)]
pub struct UpdateStream {
    handle: Arc<Handle>,
    path: Path,
    id: StreamId,
}

impl UpdateStream {
    pub(crate) const fn new(handle: Arc<Handle>, path: Path, id: StreamId) -> Self {
        Self { handle, path, id }
    }

    /// Sets the topic's value. If somebody else has set it meanwhile, the whole value is sent.
    pub fn set(&self, value: impl Into<Value>) -> Publish {
        let change = PublicationChange::Stream(self.id, value.into());
        Publish::new(Arc::clone(&self.handle), Ok(self.path.clone()), change)
    }
}

impl Drop for UpdateStream {
    fn drop(&mut self) {
        self.handle.shared.ask(|state, _| state.core.close_stream(self.id));
    }
}
