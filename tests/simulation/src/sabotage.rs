//! Deliberate defects, to see that the simulation finds them. They are put between the real parts, so that these stay as
//! they are: what a defective part would say is said in its place.

use outpour_core::check::check;
use outpour_core::wire::{ClientFrame, Frames, GatewayFrame};
use outpour_core::{ResumePoint, Version};

use crate::random::Random;

/// A deliberate defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sabotage {
    /// None.
    None,
    /// The network loses messages without a word.
    LoseMessages,
    /// A shard is not told of some outcomes.
    SkipOutcomes,
    /// Applications lose updates that they have taken.
    DropUpdates,
    /// Clients forget messages that they were about to send.
    ForgetMessages,
    /// Clients say that they know more than they were told.
    MarkTooHigh,
    /// Clients do not say of which topics they were told more than the mark says.
    HideExceptions,
    /// Gateways do not tell of removals in the message that welcomes a client.
    HideRemovals,
    /// Gateways leave out the marks that hold clients back.
    DropMarks,
    /// Gateways say that more has been told than was.
    RaiseMarks,
    /// A gateway that has not read as far as the client was told elsewhere serves it at once.
    ServeBehind,
    /// Clients are somebody else after each reconnect, so that what is sent again is applied again.
    ForgetPublisher,
    /// A log that begins anew says that it is the old one.
    KeepEpoch,
    /// Values that change on their way pass their check.
    MendChecks,
    /// Gateways count from a version of a topic that the client does not hold.
    MoveCursor,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::LoseMessages,
        Self::SkipOutcomes,
        Self::DropUpdates,
        Self::ForgetMessages,
        Self::MarkTooHigh,
        Self::HideExceptions,
        Self::HideRemovals,
        Self::DropMarks,
        Self::RaiseMarks,
        Self::ServeBehind,
        Self::ForgetPublisher,
        Self::KeepEpoch,
        Self::MendChecks,
        Self::MoveCursor,
    ];

    /// The defect with this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .chain([Self::None])
            .find(|sabotage| format!("{sabotage:?}").eq_ignore_ascii_case(&name.replace('-', "")))
    }

    /// What a client says in place of this message, on its `connection`, to a gateway that has read up to `head`.
    #[must_use]
    pub fn change_up(self, message: Vec<u8>, connection: u64, head: Version) -> Vec<u8> {
        if !matches!(self, Self::MarkTooHigh | Self::HideExceptions | Self::ServeBehind | Self::ForgetPublisher) {
            return message;
        }
        let mut changed = Vec::new();
        for frame in Frames::new(&message).filter_map(Result::ok).map(ClientFrame::decode) {
            let Ok(Some(mut frame)) = frame else { return message };
            if let ClientFrame::Hello(hello) = &mut frame {
                match (self, &mut hello.resume) {
                    (Self::ForgetPublisher, _) => hello.publisher.0[15] = connection as u8,
                    (Self::MarkTooHigh, Some(point)) => point.marks.iter_mut().for_each(|(_, mark)| mark.0 += 2),
                    (Self::HideExceptions, Some(point)) => point.exceptions.clear(),
                    (Self::ServeBehind, Some(point)) => clamp(point, head),
                    _ => {}
                }
            }
            frame.encode(&mut changed);
        }
        changed
    }

    /// What a gateway says in place of this message.
    #[must_use]
    pub fn change_down(self, message: Vec<u8>, random: &mut Random) -> Vec<u8> {
        let tampers = [Self::HideRemovals, Self::DropMarks, Self::RaiseMarks, Self::MendChecks, Self::MoveCursor];
        if !tampers.contains(&self) {
            return message;
        }
        let frames: Vec<_> = Frames::new(&message).filter_map(Result::ok).map(GatewayFrame::decode).collect();
        let welcomes = frames.iter().any(|frame| matches!(frame, Ok(Some(GatewayFrame::Welcome(_)))));
        let mut changed = Vec::new();
        for frame in frames {
            let Ok(Some(mut frame)) = frame else { return message };
            let mut spoilt = Vec::new();
            match (self, &mut frame) {
                (Self::HideRemovals, GatewayFrame::Removed { .. }) if welcomes => continue,
                (Self::DropMarks, GatewayFrame::Mark { .. }) => continue,
                (Self::RaiseMarks, GatewayFrame::Mark { version, .. }) => version.0 += 2,
                (Self::MoveCursor, GatewayFrame::Announce(announce)) if random.once_in(8) => announce.version.0 += 1,
                (Self::MendChecks, GatewayFrame::Snapshot { version, check: sum, value, .. })
                    if random.once_in(8) && !value.is_empty() =>
                {
                    spoilt.extend_from_slice(value);
                    spoilt.iter_mut().filter(|byte| **byte == b'x').take(1).for_each(|byte| *byte = b'y');
                    *sum = check(&spoilt, *version);
                }
                _ => {}
            }
            if let (GatewayFrame::Snapshot { topic, version, check, .. }, false) = (&frame, spoilt.is_empty()) {
                let (topic, version, check) = (*topic, *version, *check);
                GatewayFrame::Snapshot { topic, version, check, value: &spoilt }.encode(&mut changed);
            } else {
                frame.encode(&mut changed);
            }
        }
        changed
    }
}

fn clamp(point: &mut ResumePoint, head: Version) {
    point.marks.iter_mut().for_each(|(_, mark)| *mark = (*mark).min(head));
    point.exceptions.retain(|(_, version)| *version <= head);
}
