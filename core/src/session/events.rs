//! What the application has not heard yet.

use alloc::collections::VecDeque;

use super::Session;
use super::event::Event;

/// How many events that only describe the session's state may wait to be heard.
const MAX_STATES: usize = 4096;

/// Events, in order, in bounded memory: verdicts and answers are bounded by the requests that may
/// wait for them, and of what else happened an application that does not listen misses the oldest.
#[derive(Debug, Default)]
pub(super) struct Events {
    queue: VecDeque<Event>,
    verdicts: usize,
    answers: usize,
    states: usize,
}

enum Class {
    Verdict,
    Answer,
    State,
}

impl Events {
    /// Verdicts on publishes that have not been heard yet.
    pub(super) fn verdicts(&self) -> usize {
        self.verdicts
    }

    /// Answers to fetches that have not been heard yet.
    pub(super) fn answers(&self) -> usize {
        self.answers
    }

    fn count(&mut self, event: &Event) -> &mut usize {
        match class(event) {
            Class::Verdict => &mut self.verdicts,
            Class::Answer => &mut self.answers,
            Class::State => &mut self.states,
        }
    }

    fn push(&mut self, event: Event) {
        *self.count(&event) += 1;
        self.queue.push_back(event);
        if self.states > MAX_STATES
            && let Some(oldest) = self.queue.iter().position(|event| matches!(class(event), Class::State))
        {
            self.queue.remove(oldest);
            self.states -= 1;
        }
    }

    fn pop(&mut self) -> Option<Event> {
        let event = self.queue.pop_front()?;
        *self.count(&event) -= 1;
        Some(event)
    }
}

fn class(event: &Event) -> Class {
    match event {
        Event::PublishSettled { .. } => Class::Verdict,
        Event::FetchEnded { .. } | Event::FetchFailed { .. } => Class::Answer,
        Event::Connecting { .. }
        | Event::Moving { .. }
        | Event::Moved { .. }
        | Event::Suspended
        | Event::Connected { .. }
        | Event::Resumed { .. }
        | Event::Disconnected { .. }
        | Event::Closed { .. }
        | Event::Subscribed { .. }
        | Event::SubscriptionRefused { .. } => Class::State,
    }
}

impl Session {
    /// The next thing that the application has to hear.
    #[must_use]
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop()
    }

    pub(super) fn push_event(&mut self, event: Event) {
        self.events.push(event);
    }
}
