//! The first message, offered along with the request for an upgrade.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{SinkExt, StreamExt};
use outpour::SessionBuilder;
use outpour_core::wire::{ClientFrame, Frames, GatewayFrame, PROTOCOL_MAJOR, PROTOCOL_MINOR, Welcome};
use outpour_core::{Epoch, PublishNumber};
use tokio::net::TcpListener;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

const EARLY: &str = "outpour.v1.early";
const PLAIN: &str = "outpour.v1";

/// The names of the frames in a message.
fn names(message: &[u8]) -> Vec<&'static str> {
    let decoded = Frames::new(message).map(|frame| frame.and_then(ClientFrame::decode));
    let name = |frame| match frame {
        Ok(Some(ClientFrame::Hello(_))) => "hello",
        Ok(Some(ClientFrame::Subscribe(_))) => "subscribe",
        Ok(Some(ClientFrame::Ping { .. })) => "ping",
        Ok(Some(ClientFrame::Publish(_))) => "publish",
        _ => "another",
    };
    decoded.map(name).collect()
}

fn welcome() -> Message {
    let welcome = Welcome {
        major: PROTOCOL_MAJOR,
        minor: PROTOCOL_MINOR,
        epoch: Epoch([1; 16]),
        heartbeat_ms: 10_000,
        max_message: 1 << 20,
        max_value: 1 << 20,
        max_in_flight: 16,
        max_subscriptions: 16,
        applied: PublishNumber(0),
        resumed: false,
        principal: "",
    };
    let mut message = Vec::new();
    GatewayFrame::Welcome(welcome).encode(&mut message);
    Message::binary(message)
}

/// What a session with a subscription and a publish offers along with its request, and the messages that it
/// sends to a gateway that chooses `subprotocol`: before it is welcomed, if it took nothing early, and after.
async fn offered_and_sent(subprotocol: &'static str) -> Result<(Vec<u8>, Vec<Vec<u8>>)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let session = SessionBuilder::new(&format!("ws://{}", listener.local_addr()?)).start()?;
    let _subscription = session.subscribe("prices/**")?;
    let _verdict = session.set("prices/eurusd", 1).send()?;
    let (socket, _) = listener.accept().await?;
    let offered = Arc::new(Mutex::new(String::new()));
    let seen = Arc::clone(&offered);
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    let choose = move |request: &Request, mut response: Response| {
        let header = request.headers().get("sec-websocket-protocol").expect("subprotocols");
        seen.lock().expect("nobody panics").push_str(header.to_str().expect("text"));
        response.headers_mut().insert("sec-websocket-protocol", subprotocol.parse().expect("a header"));
        Ok(response)
    };
    let mut socket = tokio_tungstenite::accept_hdr_async(socket, choose).await?;
    let mut sent = Vec::new();
    if subprotocol == PLAIN {
        sent.push(socket.next().await.ok_or("no hello")??.into_data().to_vec());
    }
    socket.send(welcome()).await?;
    sent.push(socket.next().await.ok_or("no publish")??.into_data().to_vec());
    let offered = offered.lock().expect("nobody panics").clone();
    let [early, plain, hello] = offered.split(", ").collect::<Vec<_>>()[..] else { return Err(offered.into()) };
    assert_eq!((early, plain), (EARLY, PLAIN));
    Ok((URL_SAFE_NO_PAD.decode(hello.strip_prefix("hello.").ok_or("no message")?)?, sent))
}

#[tokio::test]
async fn what_was_taken_along_with_the_request_is_not_sent_again() -> Result {
    let (offered, sent) = offered_and_sent(EARLY).await?;
    assert_eq!(names(&offered), ["hello"], "it dials before it is asked for more");
    assert_eq!(sent.iter().map(|message| names(message)).collect::<Vec<_>>(), [["ping", "subscribe", "publish"]]);
    Ok(())
}

#[tokio::test]
async fn what_was_not_taken_is_sent_as_ever() -> Result {
    let (offered, sent) = offered_and_sent(PLAIN).await?;
    assert_eq!(names(&offered), ["hello"]);
    assert_eq!(
        sent.iter().map(|message| names(message)).collect::<Vec<_>>(),
        [vec!["hello", "subscribe"], vec!["ping", "publish"]]
    );
    Ok(())
}
