//! How a session begins: who the client is, and whether it goes on from where it was.

use core::time::Duration;
use std::sync::Arc;

use bytes::Bytes;
use outpour_core::peer::Reception;
use outpour_core::{ErrorCode, PublishNumber, PublisherId, ResumePoint, Timestamp};

use super::matching::remembers;
use super::session::Session;
use super::shard::Shard;
use crate::auth::Identity;
use crate::broker::Broker;

/// What a client says first.
pub(super) struct Hello {
    pub(super) publisher: PublisherId,
    pub(super) settled: PublishNumber,
    pub(super) resume: Option<ResumePoint>,
    pub(super) credentials: Bytes,
}

impl Shard {
    /// Welcomes a client, or sends it away.
    pub(super) fn greet(&mut self, key: u32, hello: Hello, broker: &mut Broker, wall_ms: u64, now: Timestamp) {
        let Hello { publisher, settled, resume, credentials } = hello;
        let Identity { principal, expires_ms } = match self.config.authenticator.authenticate(&credentials, wall_ms) {
            Ok(identity) => identity,
            Err(error) => return self.say_goodbye(key, error.code(), &error.to_string(), Duration::ZERO),
        };
        let resume = resume.filter(|point| point.epoch == broker.epoch());
        if resume.as_ref().is_some_and(|point| point.newest() > broker.head()) {
            self.park(key, now);
        }
        let grace = self.config.credentials_grace;
        let Some(session) = self.sessions.get_mut(key as usize) else { return };
        session.expires = expires_ms.map(|at| now + Duration::from_millis(at.saturating_sub(wall_ms)) + grace);
        session.resumed = resume.as_ref().is_some_and(|point| remembers(broker, point));
        session.resume = resume.map(Arc::new);
        let (applied, resumed) = (broker.greet(publisher, settled), session.resumed);
        let reception = Reception { epoch: broker.epoch(), applied, resumed, principal: &principal };
        session.peer.welcome(&reception, now);
        self.reschedule(key);
    }

    /// The client was told more at another gateway than this one has read: it is served when that is done.
    fn park(&mut self, key: u32, now: Timestamp) {
        if let Some(session) = self.sessions.get_mut(key as usize) {
            session.parked_until = Some(now + self.config.peer.handshake_timeout);
            self.parked.push(key);
        }
        self.reschedule(key);
    }

    /// Serves those that the broker has caught up with, and sends away who would have to wait too long.
    pub(super) fn unpark(&mut self, broker: &Broker, now: Timestamp) {
        self.stirred = false;
        let sessions = &mut self.sessions;
        let asking = &mut self.asking;
        let mut late = Vec::new();
        self.parked.retain(|key| {
            let Some(session) = sessions.get_mut(*key as usize) else { return false };
            let is_read = session.resume.as_ref().is_none_or(|point| point.newest() <= broker.head());
            let is_late = session.parked_until.is_some_and(|until| until <= now);
            if is_read || is_late {
                session.parked_until = None;
                if !session.asking {
                    session.asking = true;
                    asking.push_back(*key);
                }
                if !is_read {
                    late.push(*key);
                }
            }
            !is_read && !is_late
        });
        for key in late {
            let code = ErrorCode::Lagging;
            self.say_goodbye(key, code, code.message(), Duration::ZERO);
        }
    }
}

impl Session {
    /// Ends the session if its credentials have expired.
    pub(super) fn end_expired(&mut self, now: Timestamp) {
        if self.expires.is_some_and(|expires| expires <= now) {
            self.expires = None;
            let code = ErrorCode::CredentialsExpired;
            self.peer.close(code, code.message(), Duration::ZERO, "");
        }
    }
}
