//! What a client holds: it believes nothing that does not check.

use std::collections::HashMap;

use outpour_core::check::{check, short_check};
use outpour_core::wire::{GatewayFrame, Welcome};
use outpour_core::{TopicKind, delta};

use crate::told::{Goodbye, Told};

#[derive(Debug, Default)]
pub(crate) struct Replicas {
    topics: HashMap<u32, Replica>,
    /// The mark, as `docs/protocol.md` §8.6 has it.
    pub(crate) mark: u64,
}

#[derive(Debug)]
struct Replica {
    path: String,
    kind: TopicKind,
    cursor: u64,
    sequence: u64,
    held: Option<(u64, Vec<u8>)>,
}

impl Replicas {
    /// Takes in a message. Panics if it breaks the protocol.
    pub(crate) fn take(&mut self, frames: &[GatewayFrame<'_>]) -> Vec<Told> {
        let mut newest = 0;
        let mut explicit = None;
        let told: Vec<Told> =
            frames.iter().filter_map(|frame| self.take_frame(frame, &mut newest, &mut explicit)).collect();
        let mark = explicit.unwrap_or(newest.max(self.mark));
        assert!(mark >= self.mark, "the mark went from {} down to {mark}: {frames:?}", self.mark);
        self.mark = mark;
        told
    }

    fn topic(&mut self, number: outpour_core::TopicNumber) -> &mut Replica {
        self.topics.get_mut(&number.0).unwrap_or_else(|| panic!("topic {} was never announced", number.0))
    }

    fn take_frame(&mut self, frame: &GatewayFrame<'_>, newest: &mut u64, explicit: &mut Option<u64>) -> Option<Told> {
        let mut note = |version: u64| *newest = (*newest).max(version);
        Some(match frame {
            // A test ends before a few names matter.
            GatewayFrame::Welcome(welcome) => {
                Told::Welcome(Welcome { principal: welcome.principal.to_owned().leak(), ..*welcome })
            }
            GatewayFrame::Announce(announce) => {
                let path = announce.path.as_str().to_owned();
                let held = self.topics.remove(&announce.topic.0).and_then(|before| before.held);
                let replica = Replica {
                    path: path.clone(),
                    kind: announce.kind,
                    cursor: announce.version.0,
                    sequence: announce.sequence,
                    held,
                };
                self.topics.insert(announce.topic.0, replica);
                let (kind, value_type, sequence) = (announce.kind, announce.value_type, announce.sequence);
                Told::Announced { path, kind, value_type, sequence }
            }
            GatewayFrame::Snapshot { topic, version, check: sum, value } => {
                note(version.0);
                let replica = self.topic(*topic);
                assert_eq!(replica.kind, TopicKind::Value);
                assert_eq!(check(value, *version), *sum, "the check of {} is wrong", replica.path);
                replica.cursor = version.0;
                replica.held = Some((version.0, value.to_vec()));
                Told::Value { path: replica.path.clone(), version: version.0, value: text(value), whole: true }
            }
            GatewayFrame::Delta { topic, distance, check: sum, delta } => {
                let replica = self.topic(*topic);
                assert_eq!(replica.kind, TopicKind::Value);
                assert!(*distance > 0, "a delta to the same version");
                let base = replica.cursor;
                let version = outpour_core::Version(base + distance);
                replica.cursor = version.0;
                note(version.0);
                let path = replica.path.clone();
                match &replica.held {
                    Some((held, old)) if *held == base => {
                        let mut value = Vec::new();
                        delta::apply(old, delta, 64 << 20, &mut value).expect("the delta applies");
                        assert_eq!(short_check(check(&value, version)), *sum, "the check of {path} is wrong");
                        let told = Told::Value { path, version: version.0, value: text(&value), whole: false };
                        replica.held = Some((version.0, value));
                        told
                    }
                    _ => Told::Unusable { path },
                }
            }
            GatewayFrame::Event { topic, distance, value } => {
                let replica = self.topic(*topic);
                assert_eq!(replica.kind, TopicKind::Event);
                assert!(*distance > 0, "an event of the same version");
                replica.cursor += distance;
                replica.sequence += 1;
                note(replica.cursor);
                let (path, version, sequence) = (replica.path.clone(), replica.cursor, replica.sequence);
                Told::Event { path, version, sequence, value: text(value) }
            }
            GatewayFrame::Removed { topic, version } => {
                note(version.0);
                let path = self.topic(*topic).path.clone();
                self.topics.remove(&topic.0);
                Told::Removed { path }
            }
            GatewayFrame::Gap { topic, version, sequence } => {
                note(version.0);
                let replica = self.topic(*topic);
                assert!(version.0 > replica.cursor && *sequence > replica.sequence, "a gap of nothing");
                let first = replica.sequence + 1;
                replica.cursor = version.0;
                replica.sequence = *sequence;
                Told::Gap { path: replica.path.clone(), first, last: *sequence }
            }
            GatewayFrame::Mark { version, .. } => {
                *explicit = Some(version.0);
                return None;
            }
            GatewayFrame::Ack(ack) => Told::Ack(*ack),
            GatewayFrame::Ping { .. } | GatewayFrame::Pong { .. } => return None,
            GatewayFrame::Unsubscribed { id } => Told::Unsubscribed { id: id.0 },
            GatewayFrame::Subscribed { id, topics, .. } => Told::Subscribed { id: id.0, topics: *topics },
            GatewayFrame::Fetched(fetched) => Told::Fetched {
                id: fetched.id.0,
                path: fetched.path.as_str().to_owned(),
                sequence: fetched.sequence,
                value: text(fetched.value),
            },
            GatewayFrame::FetchEnd { id, more } => Told::FetchEnd { id: id.0, more: *more },
            GatewayFrame::Refused(refused) => {
                Told::Refused { request: refused.request, code: refused.code, reason: refused.reason.to_owned() }
            }
            GatewayFrame::Move(moving) => {
                Told::Move { within_ms: moving.within_ms, redirect: moving.redirect.to_owned() }
            }
            GatewayFrame::Goodbye(goodbye) => Told::Goodbye(Goodbye {
                code: goodbye.code,
                reason: goodbye.reason.to_owned(),
                retry_after_ms: goodbye.retry_after_ms,
                redirect: goodbye.redirect.to_owned(),
                speaks: goodbye.speaks.clone(),
            }),
            other => panic!("an unknown frame: {other:?}"),
        })
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
