//! From a client's bytes to events.

use std::{borrow::Cow, mem, str};

use super::{
    ReadError, close_code,
    frame::{FrameHeader, MAX_HEADER, Opcode, unmask},
};

/// What a [`Reader`] takes before it calls a message an attack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most bytes of payload in one message, over all its fragments. Default: 1 MiB.
    pub max_message: usize,
    /// The most frames one message may come in, so that endless empty or tiny fragments end. Default: 1024.
    pub max_fragments: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message: 1 << 20, max_fragments: 1024 }
    }
}

/// Whether a message came as text or as binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MessageKind {
    /// A text message. Its payload has been checked to be UTF-8.
    Text,
    /// A binary message.
    Binary,
}

/// What the client said.
///
/// Payloads are unmasked. They are borrowed from the input when the frame arrived whole, and owned when they had to be
/// put together, so `into_owned` on one never copies what was copied already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event<'a> {
    /// A whole message.
    Message {
        /// Text or binary.
        kind: MessageKind,
        /// The message's bytes, at most [`Limits::max_message`].
        payload: Cow<'a, [u8]>,
    },
    /// To be answered with a [`pong`](super::pong) that carries the same payload (at most 125 bytes).
    Ping(Cow<'a, [u8]>),
    /// The answer to a ping, or a heartbeat that nobody asked for (at most 125 bytes).
    Pong(Cow<'a, [u8]>),
    /// The client closes. To be answered with a [`close_frame`](super::close_frame) of the same code, unless one was
    /// sent already. It is the last event.
    Close {
        /// The code, one that may be sent; `None` if the frame was empty.
        code: Option<u16>,
        /// The reason, often empty (at most 123 bytes).
        reason: Cow<'a, str>,
    },
}

impl Event<'_> {
    /// The same event, with payloads that outlive the input.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        let owned = |payload: Cow<'_, [u8]>| Cow::Owned(payload.into_owned());
        match self {
            Event::Message { kind, payload } => Event::Message { kind, payload: owned(payload) },
            Event::Ping(payload) => Event::Ping(owned(payload)),
            Event::Pong(payload) => Event::Pong(owned(payload)),
            Event::Close { code, reason } => Event::Close { code, reason: Cow::Owned(reason.into_owned()) },
        }
    }
}

/// Reads one client's frames: give it the bytes as they come, take [`Event`]s.
///
/// It holds no memory while nothing is half-received. Otherwise it holds what arrived of the current message, with
/// spare room for at most as much again and never for more than [`Limits::max_message`], plus a small constant.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    /// The close frame has come, or an error: nothing more is read.
    finished: bool,
    partial: Option<Box<Partial>>,
}

/// What has arrived of a frame or message that is not complete.
#[derive(Debug, Default)]
struct Partial {
    header: [u8; MAX_HEADER],
    header_length: usize,
    /// The frame whose payload is arriving, and how much of it has.
    frame: Option<(FrameHeader, usize)>,
    /// The payload of that frame, if it is a control frame. These may come between the fragments of a message.
    control: Vec<u8>,
    /// The message that the frame, or a fragment before it, belongs to.
    message: Option<Message>,
}

impl Reader {
    /// A reader for a connection that has just been upgraded.
    #[must_use]
    pub const fn new(limits: Limits) -> Self {
        Self { limits, finished: false, partial: None }
    }

    /// Takes the next event from the front of `input`, which moves on past what was used.
    ///
    /// `None` means that all of `input` is used up: what belongs to an incomplete frame is kept inside, and the
    /// buffer is free for other connections. Stopping earlier is fine as long as the rest of `input` comes first the
    /// next time. The contents of `input` are overwritten. What comes after a close frame or an error is ignored.
    ///
    /// # Errors
    ///
    /// When the client breaks the protocol or a limit. Send a close frame with the error's
    /// [`close_code`](ReadError::close_code) and text, then drop the connection.
    #[inline]
    pub fn next_event<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ReadError> {
        if self.finished {
            *input = &mut [];
            return Ok(None);
        }
        let event = self.advance(input);
        if matches!(event, Err(_) | Ok(Some(Event::Close { .. }))) {
            self.finished = true;
            self.partial = None;
        } else if self.partial.as_ref().is_some_and(|partial| partial.is_empty()) {
            self.partial = None;
        }
        event
    }

    /// Whether the close frame or an error has come, so that no event follows.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        self.finished
    }

    /// The bytes of heap that this reader holds for an incomplete message.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.partial.as_ref().map_or(0, |partial| {
            let message = partial.message.as_ref().map_or(0, |message| message.payload.capacity());
            size_of::<Partial>() + partial.control.capacity() + message
        })
    }

    fn advance<'b>(&mut self, input: &mut &'b mut [u8]) -> Result<Option<Event<'b>>, ReadError> {
        loop {
            let (header, received) = match self.partial.as_mut().and_then(|partial| partial.frame.take()) {
                Some(frame) => frame,
                None => match self.header(input)? {
                    Some(header) => {
                        self.admit(&header)?;
                        (header, 0)
                    }
                    None => return Ok(None),
                },
            };

            // `admit` has held the length against `max_message`, so it fits into `usize`.
            let missing = header.length as usize - received;
            let part = split_front(input, missing);
            let mut mask = header.mask;
            mask.rotate_left(received % 4);
            unmask(part, mask);

            let complete = part.len() == missing;
            let message_open = self.partial.as_ref().is_some_and(|partial| partial.message.is_some());
            if complete && received == 0 && (header.opcode.is_control() || (header.fin && !message_open)) {
                return event(header.opcode, Cow::Borrowed(part)).map(Some);
            }
            let partial = self.partial.get_or_insert_default();
            if !complete {
                partial.frame = Some((header, received + part.len()));
            }
            if header.opcode.is_control() {
                partial.control.reserve_exact(missing);
                partial.control.extend_from_slice(part);
                if complete {
                    return event(header.opcode, Cow::Owned(mem::take(&mut partial.control))).map(Some);
                }
            } else {
                let message = partial.message.get_or_insert_with(|| Message::new(header.opcode));
                message.fragments += u32::from(complete);
                let most = if header.fin { message.payload.len() + missing } else { self.limits.max_message };
                message.extend(part, most)?;
                if complete && header.fin {
                    message.finish()?;
                    if let Some(Message { kind, payload, .. }) = partial.message.take() {
                        return Ok(Some(Event::Message { kind, payload: Cow::Owned(payload) }));
                    }
                }
            }
            if !complete {
                return Ok(None);
            }
        }
    }

    /// Takes a header from the front of `input`, or keeps what there is of one.
    #[inline]
    fn header(&mut self, input: &mut &mut [u8]) -> Result<Option<FrameHeader>, ReadError> {
        match &mut self.partial {
            Some(partial) if partial.header_length > 0 => {
                let kept = partial.header_length;
                for (to, from) in partial.header.iter_mut().skip(kept).zip(input.iter()) {
                    *to = *from;
                    partial.header_length += 1;
                }
                let known = partial.header.get(..partial.header_length).unwrap_or_default();
                let Some((header, length)) = FrameHeader::parse(known)? else {
                    *input = &mut [];
                    return Ok(None);
                };
                split_front(input, length - kept);
                partial.header_length = 0;
                Ok(Some(header))
            }
            partial => {
                if let Some((header, length)) = FrameHeader::parse(input)? {
                    split_front(input, length);
                    return Ok(Some(header));
                }
                if !input.is_empty() {
                    let partial = partial.get_or_insert_default();
                    partial.header.iter_mut().zip(input.iter()).for_each(|(to, from)| *to = *from);
                    partial.header_length = input.len();
                    *input = &mut [];
                }
                Ok(None)
            }
        }
    }

    /// Judges a frame by its header, before any memory is taken for it.
    #[inline]
    fn admit(&self, header: &FrameHeader) -> Result<(), ReadError> {
        if header.opcode.is_control() {
            return Ok(());
        }
        let open = self.partial.as_ref().and_then(|partial| partial.message.as_ref());
        let (received, fragments) = match (header.opcode, open) {
            (Opcode::Continuation, Some(message)) => (message.payload.len() as u64, message.fragments),
            (Opcode::Continuation, None) => return Err(ReadError::UnexpectedContinuation),
            (_, Some(_)) => return Err(ReadError::ExpectedContinuation),
            (_, None) => (0, 0),
        };
        let (length, limit) = (received.saturating_add(header.length), self.limits.max_message);
        if usize::try_from(length).map_or(true, |length| length > limit) {
            return Err(ReadError::MessageTooBig { length, limit });
        }
        if fragments >= self.limits.max_fragments {
            return Err(ReadError::TooManyFragments { limit: self.limits.max_fragments });
        }
        Ok(())
    }
}

impl Partial {
    fn is_empty(&self) -> bool {
        self.header_length == 0 && self.frame.is_none() && self.message.is_none()
    }
}

/// A message that is being put together.
#[derive(Debug)]
struct Message {
    kind: MessageKind,
    payload: Vec<u8>,
    /// Up to here a text is known to be UTF-8; at most three bytes of an unfinished character follow.
    checked: usize,
    fragments: u32,
}

impl Message {
    const fn new(opcode: Opcode) -> Self {
        let kind = if matches!(opcode, Opcode::Text) { MessageKind::Text } else { MessageKind::Binary };
        Self { kind, payload: Vec::new(), checked: 0, fragments: 0 }
    }

    /// Appends `part`. Room grows with what has arrived, not with what a header promises, and not beyond `most`.
    fn extend(&mut self, part: &[u8], most: usize) -> Result<(), ReadError> {
        let needed = self.payload.len() + part.len();
        if needed > self.payload.capacity() {
            let room = needed.max(most.min(2 * self.payload.capacity()));
            self.payload.reserve_exact(room - self.payload.len());
        }
        self.payload.extend_from_slice(part);
        if self.kind == MessageKind::Text {
            match str::from_utf8(self.payload.get(self.checked..).unwrap_or_default()) {
                Ok(text) => self.checked += text.len(),
                // The end may be the beginning of a character.
                Err(error) if error.error_len().is_none() => self.checked += error.valid_up_to(),
                Err(_) => return Err(ReadError::TextNotUtf8),
            }
        }
        Ok(())
    }

    fn finish(&self) -> Result<(), ReadError> {
        if self.kind == MessageKind::Text && self.checked < self.payload.len() {
            return Err(ReadError::TextNotUtf8);
        }
        Ok(())
    }
}

/// The event for a complete frame that is not a fragment.
#[inline]
fn event(opcode: Opcode, payload: Cow<'_, [u8]>) -> Result<Event<'_>, ReadError> {
    Ok(match opcode {
        Opcode::Binary | Opcode::Continuation => Event::Message { kind: MessageKind::Binary, payload },
        Opcode::Text => {
            str::from_utf8(&payload).map_err(|_| ReadError::TextNotUtf8)?;
            Event::Message { kind: MessageKind::Text, payload }
        }
        Opcode::Ping => Event::Ping(payload),
        Opcode::Pong => Event::Pong(payload),
        Opcode::Close => close(payload)?,
    })
}

fn close(payload: Cow<'_, [u8]>) -> Result<Event<'_>, ReadError> {
    let Some(&code) = payload.first_chunk() else {
        return if payload.is_empty() {
            Ok(Event::Close { code: None, reason: Cow::Borrowed("") })
        } else {
            Err(ReadError::TruncatedCloseCode)
        };
    };
    let code = u16::from_be_bytes(code);
    if !close_code::is_valid(code) {
        return Err(ReadError::InvalidCloseCode(code));
    }
    let reason = match payload {
        Cow::Borrowed(bytes) => str::from_utf8(bytes.get(2..).unwrap_or_default()).map(Cow::Borrowed),
        Cow::Owned(mut bytes) => {
            bytes.drain(..2);
            String::from_utf8(bytes).map(Cow::Owned).map_err(|error| error.utf8_error())
        }
    };
    let reason = reason.map_err(|_| ReadError::CloseReasonNotUtf8)?;
    Ok(Event::Close { code: Some(code), reason })
}

/// Takes `length` bytes, or all there are, from the front of `input`.
#[inline]
fn split_front<'b>(input: &mut &'b mut [u8], length: usize) -> &'b mut [u8] {
    let length = length.min(input.len());
    let (front, rest) = mem::take(input).split_at_mut(length);
    *input = rest;
    front
}

#[cfg(test)]
mod tests;
