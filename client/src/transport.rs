//! A WebSocket to a gateway.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::{Sink, Stream};
use outpour_core::ErrorCode;
use outpour_core::wire::SUBPROTOCOL;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as WebSocketError, Message};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::Error;
use crate::endpoint::Endpoint;

/// A connected socket, secured or not.
pub(crate) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// What messages go through.
pub(crate) type Transport = WebSocketStream<Box<dyn Socket>>;

const _: () = {
    const fn is_duplex<T: Stream + Sink<Message>>() {}
    is_duplex::<Transport>();
};

/// What a gateway chooses that takes a message along with the upgrade.
const EARLY_SUBPROTOCOL: &str = "outpour.v1.early";
/// Bytes of a message that are read at once.
const READ_BYTES: usize = 16 << 10;
/// Bytes that may wait in the transport before it takes no more.
const WRITE_BYTES: usize = 128 << 10;

/// The WebSocket settings of every connection: `max_message` bounds what the gateway may send.
pub(crate) fn websocket_config(max_message: usize) -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BYTES)
        .write_buffer_size(0)
        .max_write_buffer_size(WRITE_BYTES + max_message)
        .max_message_size(Some(max_message))
        .max_frame_size(Some(max_message))
}

/// A transport that is ready.
pub(crate) struct Opened {
    pub(crate) transport: Transport,
    /// Whether the gateway took the message that was offered with the upgrade.
    pub(crate) early_taken: bool,
}

/// Connects, secures and upgrades. The gateway may take the `early` message along with the request.
pub(crate) async fn open(
    endpoint: &Endpoint,
    tls: &Arc<rustls::ClientConfig>,
    max_message: usize,
    early: Option<&[u8]>,
) -> Result<Opened, Error> {
    let tcp = TcpStream::connect((endpoint.host.as_str(), endpoint.port))
        .await
        .map_err(|error| Error::with_detail(ErrorCode::ConnectFailed, format!("{}: {error}", endpoint.url)))?;
    // Without this a small update may wait for the acknowledgement of the one before.
    tcp.set_nodelay(true).map_err(|error| Error::with_detail(ErrorCode::ConnectFailed, error.to_string()))?;
    let socket: Box<dyn Socket> = if endpoint.secure {
        let failed = |error: String| Error::with_detail(ErrorCode::TlsFailed, format!("{}: {error}", endpoint.url));
        let name = ServerName::try_from(endpoint.host.clone()).map_err(|error| failed(error.to_string()))?;
        let connector = TlsConnector::from(Arc::clone(tls));
        Box::new(connector.connect(name, tcp).await.map_err(|error| failed(error.to_string()))?)
    } else {
        Box::new(tcp)
    };
    let mut request = endpoint
        .url
        .as_str()
        .into_client_request()
        .map_err(|error| Error::with_detail(ErrorCode::BadEndpoint, error.to_string()))?;
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocols(early));
    let (transport, response) = client_async_with_config(request, socket, Some(websocket_config(max_message)))
        .await
        .map_err(|error| refused(endpoint, error))?;
    let chosen = response.headers().get(SEC_WEBSOCKET_PROTOCOL);
    let early_taken = chosen.is_some_and(|chosen| chosen.as_bytes() == EARLY_SUBPROTOCOL.as_bytes());
    Ok(Opened { transport, early_taken })
}

/// The subprotocols to offer: a gateway that chooses the first one of several has taken the message in the last.
fn subprotocols(early: Option<&[u8]>) -> HeaderValue {
    let offered = early.and_then(|message| {
        let message = URL_SAFE_NO_PAD.encode(message);
        HeaderValue::try_from(format!("{EARLY_SUBPROTOCOL}, {SUBPROTOCOL}, hello.{message}")).ok()
    });
    offered.unwrap_or_else(|| HeaderValue::from_static(SUBPROTOCOL))
}

fn refused(endpoint: &Endpoint, error: WebSocketError) -> Error {
    match error {
        WebSocketError::Http(response) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            let sentence: String = body.chars().filter(|character| !character.is_control()).take(300).collect();
            let code = if response.status() == 503 { ErrorCode::TooManyConnections } else { ErrorCode::UpgradeRefused };
            Error::with_detail(code, format!("{} answered {}: {sentence}", endpoint.url, response.status()))
        }
        WebSocketError::Io(error) => Error::with_detail(ErrorCode::ConnectFailed, format!("{}: {error}", endpoint.url)),
        error => Error::with_detail(ErrorCode::UpgradeRefused, format!("{}: {error}", endpoint.url)),
    }
}

/// The settings of secure connections: the roots that browsers trust, and those given.
pub(crate) fn tls_config(roots: &[Vec<u8>]) -> Result<Arc<rustls::ClientConfig>, Error> {
    let failed = |error: rustls::Error| Error::with_detail(ErrorCode::TlsFailed, error.to_string());
    let mut store = rustls::RootCertStore::empty();
    store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    for root in roots {
        store.add(CertificateDer::from(root.clone())).map_err(failed)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .with_root_certificates(store)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
