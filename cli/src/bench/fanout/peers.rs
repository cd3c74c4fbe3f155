//! Servers of others that the same work can be given to, as Debian packages them.

mod mqtt;
mod nats;
mod redis;

use std::{fs, net::SocketAddr};

use super::{
    BenchError,
    process::{self, Scratch, Server},
    protocol::Protocol,
};

/// A server of somebody else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Peer {
    /// Eclipse mosquitto: MQTT 3.1.1, QoS 0
    Mosquitto,
    /// nats-server: core NATS over TCP
    Nats,
    /// redis-server: RESP publish and subscribe
    Redis,
}

impl Peer {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats",
            Self::Redis => "redis",
        }
    }

    /// The program, which is the name of its Debian package as well.
    fn program(self) -> &'static str {
        match self {
            Self::Mosquitto => "mosquitto",
            Self::Nats => "nats-server",
            Self::Redis => "redis-server",
        }
    }

    pub(super) fn protocol(self) -> Box<dyn Protocol> {
        match self {
            Self::Mosquitto => Box::new(mqtt::Mqtt),
            Self::Nats => Box::new(nats::Nats),
            Self::Redis => Box::new(redis::Redis),
        }
    }

    /// Fails if the program is not installed.
    pub(super) fn check_installed(self) -> Result<(), BenchError> {
        let program = self.program();
        process::find_program(program).map(drop).ok_or(BenchError::NotInstalled { program })
    }

    /// Starts it on a free loopback port, without persistence, without logs, without limits that the work would meet.
    pub(super) fn start(self, core: Option<usize>) -> Result<(Server, SocketAddr), BenchError> {
        let program = self.program();
        let path = process::find_program(program).ok_or(BenchError::NotInstalled { program })?;
        let scratch = Scratch::new(self.name())?;
        let port = process::free_port()?;
        let config = match self {
            Self::Mosquitto => format!(
                "listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n\
                 max_queued_messages 0\nmax_queued_bytes 0\nsys_interval 0\nlog_type error\nuser root\n"
            ),
            Self::Nats => format!(
                "listen: \"127.0.0.1:{port}\"\nping_interval: \"1h\"\nwrite_deadline: \"60s\"\nmax_connections: 1000000\n\
                 max_pending: 1GB\n"
            ),
            Self::Redis => format!(
                "bind 127.0.0.1\nport {port}\nsave \"\"\nappendonly no\ndaemonize no\nmaxclients 19900\n\
                 client-output-buffer-limit pubsub 0 0 0\ntcp-backlog 4096\ntimeout 0\n"
            ),
        };
        let file = scratch.path().join("config");
        fs::write(&file, config)
            .map_err(|error| BenchError::Io { doing: format!("write {}", file.display()), error })?;
        let file = file.display().to_string();
        let arguments = match self {
            Self::Mosquitto | Self::Nats => vec!["-c".to_owned(), file],
            Self::Redis => vec![file],
        };
        let mut server = Server::start(self.name(), &path, &arguments, scratch, core)?;
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        server.accepts(address)?;
        Ok((server, address))
    }
}
