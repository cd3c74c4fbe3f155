//! An echo server on the gateway's WebSocket code, one thread per connection.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use outpour_server::websocket::{
    Event, Limits, MessageKind, Opcode, Reader, Upgrade, UpgradePolicy, UpgradeStatus, close_frame, header, pong,
};

/// The suite sends messages of 16 MiB, and some of 4 MiB in fragments of 64 bytes and an empty one at the end.
const LIMITS: Limits = Limits { max_message: 16 << 20, max_fragments: (1 << 16) + 1 };

/// Serves until the process ends.
pub(crate) fn serve(listener: &TcpListener) {
    for stream in listener.incoming() {
        thread::spawn(move || {
            if let Err(error) = stream.and_then(|stream| echo(&stream)) {
                eprintln!("The echo server lost a connection: {error}");
            }
        });
    }
}

fn echo(mut stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut scratch = vec![0; 64 << 10];
    let mut filled = 0;
    let policy = UpgradePolicy { subprotocol: None, ..UpgradePolicy::default() };
    let consumed = loop {
        let read = stream.read(&mut scratch[filled..])?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        match Upgrade::parse(&scratch[..filled], &policy) {
            UpgradeStatus::NeedMore => {}
            UpgradeStatus::Accepted { response, consumed, .. } => {
                stream.write_all(&response)?;
                break consumed;
            }
            UpgradeStatus::Rejected { response, reason } => {
                eprintln!("The echo server refused a request: {reason}");
                return stream.write_all(&response);
            }
            UpgradeStatus::Http { .. } => return Ok(()),
        }
    };

    let mut reader = Reader::new(LIMITS);
    let mut input = &mut scratch[consumed..filled];
    loop {
        if let Some(goodbye) = answer(&mut reader, &mut input, stream)? {
            stream.write_all(&goodbye)?;
            return hang_up(stream);
        }
        let read = stream.read(&mut scratch)?;
        if read == 0 {
            return Ok(());
        }
        input = &mut scratch[..read];
    }
}

/// Answers all of `input`; gives the close frame if the conversation is over.
fn answer(reader: &mut Reader, input: &mut &mut [u8], mut stream: &TcpStream) -> io::Result<Option<Vec<u8>>> {
    loop {
        match reader.next_event(input) {
            Ok(None) => return Ok(None),
            Ok(Some(Event::Message { kind, payload })) => {
                let opcode = match kind {
                    MessageKind::Text => Opcode::Text,
                    MessageKind::Binary => Opcode::Binary,
                };
                stream.write_all(&[&header(opcode, payload.len()), &*payload].concat())?;
            }
            Ok(Some(Event::Ping(payload))) => stream.write_all(&pong(&payload))?,
            Ok(Some(Event::Pong(_))) => {}
            Ok(Some(Event::Close { code, .. })) => return Ok(Some(close_frame(code, "").to_vec())),
            Err(error) => return Ok(Some(close_frame(Some(error.close_code()), &error.to_string()).to_vec())),
        }
    }
}

/// Closes without losing what was written: bytes left unread would make the system reset the connection.
fn hang_up(mut stream: &TcpStream) -> io::Result<()> {
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut rest = [0; 4096];
    while stream.read(&mut rest).is_ok_and(|read| read > 0) {}
    Ok(())
}
