//! Servers that are not what they should be: each ends in its code, and none in a panic.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use outpour::{ConnectionState, ErrorCode, SessionBuilder};
use outpour_server::gateway::Gateway;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};

type Result<T = ()> = std::result::Result<T, Box<dyn std::error::Error>>;

/// Connects to a server that does what it likes with its one connection, and gives the code.
async fn code_of<F>(serve: impl FnOnce(TcpStream) -> F + Send + 'static) -> Result<ErrorCode>
where
    F: Future<Output = ()> + Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    tokio::spawn(async move {
        if let Ok((socket, _)) = listener.accept().await {
            serve(socket).await;
        }
    });
    match SessionBuilder::new(&url).reconnect(false).connect().await {
        Err(error) => Ok(error.code()),
        Ok(session) => {
            let mut states = session.connection();
            while let Some(state) = states.next().await {
                if let ConnectionState::Closed { error } = state {
                    return Ok(error.code());
                }
            }
            Err("the session went on".into())
        }
    }
}

/// Answers whatever comes first with these bytes.
async fn answer(mut socket: TcpStream, bytes: &'static [u8]) {
    let mut request = [0; 1024];
    let _read = socket.read(&mut request).await;
    let _sent = socket.write_all(bytes).await;
}

/// Upgrades, sends one message, and waits for the client to go.
async fn upgraded(socket: TcpStream, message: Message) {
    #[expect(clippy::result_large_err, reason = "the signature is the library's")]
    let choose = |_: &Request, mut response: Response| {
        let protocol = "outpour.v1".parse().expect("a header");
        response.headers_mut().insert("sec-websocket-protocol", protocol);
        Ok(response)
    };
    let Ok(mut socket) = tokio_tungstenite::accept_hdr_async(socket, choose).await else { return };
    let _sent = socket.send(message).await;
    while let Some(Ok(_)) = socket.next().await {}
}

#[tokio::test]
async fn what_is_no_gateway_is_told_by_its_code() -> Result {
    let not_found = code_of(|socket| answer(socket, b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n"));
    assert_eq!(not_found.await?, ErrorCode::UpgradeRefused);
    let full = code_of(|socket| answer(socket, b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"));
    assert_eq!(full.await?, ErrorCode::TooManyConnections);
    assert_eq!(code_of(|socket| upgraded(socket, Message::text("hello"))).await?, ErrorCode::TextMessage);
    assert_eq!(code_of(|socket| upgraded(socket, Message::binary(vec![0xff; 40]))).await?, ErrorCode::MalformedFrame);
    // A ping before the welcome.
    assert_eq!(code_of(|socket| upgraded(socket, Message::binary(vec![0x19, 0]))).await?, ErrorCode::UnexpectedFrame);
    let gone = code_of(|socket| async move { drop(socket) }).await?;
    assert!(matches!(gone, ErrorCode::ConnectFailed | ErrorCode::UpgradeRefused), "{gone}");
    Ok(())
}

#[tokio::test]
async fn a_server_that_never_answers_is_given_up() -> Result {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("ws://{}", listener.local_addr()?);
    let session = SessionBuilder::new(&url).connect_timeout(Duration::from_millis(50)).connect().await;
    assert_eq!(session.unwrap_err().code(), ErrorCode::ConnectFailed);
    Ok(())
}

#[tokio::test]
async fn secure_connections_trust_whom_they_are_told_to() -> Result {
    let gateway = Gateway::ephemeral()?;
    let certificate = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
    let der = certificate.cert.der().to_vec();
    let key = rustls::pki_types::PrivateKeyDer::try_from(certificate.signing_key.serialize_der())?;
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![certificate.cert.der().clone()], key)?;
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("wss://localhost:{}", listener.local_addr()?.port());
    let address = gateway.address();
    // Takes the secrecy off and passes everything on.
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(mut outside) = acceptor.accept(socket).await else { return };
                let Ok(mut inside) = TcpStream::connect(address).await else { return };
                let _done = tokio::io::copy_bidirectional(&mut outside, &mut inside).await;
            });
        }
    });
    let untrusted = SessionBuilder::new(&url).connect().await.unwrap_err();
    assert_eq!(untrusted.code(), ErrorCode::TlsFailed, "{untrusted}");
    let session = SessionBuilder::new(&url).root_certificate(der).connect().await?;
    session.set("a", 1).await?;
    assert_eq!(session.get("a").await?.ok_or("no value")?.value.as_i64(), Some(1));
    Ok(())
}
