//! An echo client on the SDK's transport.

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async_with_config,
    tungstenite::{Message, protocol::WebSocketConfig},
};

use crate::Result;

/// The suite gives up on a case long before this.
const CASE_TIMEOUT: Duration = Duration::from_secs(300);

/// Opens a connection as the SDK does: the one place that follows it.
async fn connect(url: &str) -> Result<WebSocketStream<MaybeTlsStream<TcpStream>>> {
    let config = WebSocketConfig::default().read_buffer_size(16 << 10);
    let (socket, _response) = connect_async_with_config(url, Some(config), true).await?;
    Ok(socket)
}

/// Goes through all cases that the suite at `url` has, as `agent`, and gives their number.
pub(crate) fn run(url: &str, agent: &str) -> Result<usize> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
        let Some(Ok(Message::Text(count))) = connect(&format!("{url}/getCaseCount")).await?.next().await else {
            return Err("the suite did not tell the number of its cases".into());
        };
        let count = count.parse()?;
        for case in 1..=count {
            timeout(CASE_TIMEOUT, echo(&format!("{url}/runCase?case={case}&agent={agent}"))).await??;
        }
        let mut socket = connect(&format!("{url}/updateReports?agent={agent}")).await?;
        while let Some(Ok(_)) = socket.next().await {}
        Ok(count)
    })
}

async fn echo(url: &str) -> Result<()> {
    let mut socket = connect(url).await?;
    // An error is what many cases provoke; the suite judges how the connection ends.
    while let Some(Ok(message)) = socket.next().await {
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            break;
        }
    }
    Ok(())
}
