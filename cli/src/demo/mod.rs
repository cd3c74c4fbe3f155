//! `outpour demo`: two gateways of one log, recorded feeds, the console for browsers, and a view of what a subscriber sees.

mod feeds;
mod gateways;
mod model;
mod plain;
mod shared_log;
mod terminal;

use std::error::Error;
use std::io::IsTerminal;
use std::net::SocketAddr;
use std::time::Duration;

use outpour::{SubscribeOptions, Subscription};
use outpour_server::gateway::Gateway;

use crate::interrupt::Interrupt;
use crate::subscribe::seconds;
use model::Model;

/// Options of `outpour demo`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the demo's gateway listens; a second one takes the next port, and others are taken for those in use
    #[arg(long, default_value = "127.0.0.1:7400")]
    listen: SocketAddr,
    /// Print a line a second in place of the view; so it does by itself without a terminal
    #[arg(long)]
    plain: bool,
    /// End after so many seconds
    #[arg(long, value_name = "N", value_parser = seconds)]
    seconds: Option<Duration>,
    /// How many times as fast as usual the feeds are replayed
    #[arg(long, value_name = "FACTOR", default_value_t = 1.0, value_parser = speed)]
    speed: f64,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if (0.01..=1000.0).contains(&speed) => Ok(speed),
        _ => Err("give a factor from 0.01 to 1000".into()),
    }
}

/// Runs the demo until it is told to stop, or its time is over.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let interrupt = Interrupt::new()?;
    let gateways = gateways::start(arguments.listen)?;
    let urls = gateways.each_ref().map(Gateway::url);
    feeds::replay(&urls, arguments.speed).await?;
    let [url, _] = &urls;
    let session = outpour::connect(url).await?;
    let updates = session.subscribe_with("**", &SubscribeOptions::default())?;
    let mut demo =
        Demo { model: Model::new(url.clone(), session.clone()), updates, interrupt, time: arguments.seconds };
    let is_plain = arguments.plain || !std::io::stdout().is_terminal();
    if is_plain {
        plain::show(&mut demo).await?;
    } else {
        terminal::show(&mut demo).await?;
    }
    println!("{}", demo.model.summary());
    session.close_within(Duration::ZERO).await;
    for gateway in gateways {
        gateway.shutdown();
    }
    Ok(())
}

/// What a view shows, and until when.
struct Demo {
    model: Model,
    updates: Subscription,
    interrupt: Interrupt,
    time: Option<Duration>,
}

impl Demo {
    /// Takes in updates until it is time to draw. `false` when the demo is over.
    async fn follow_until(
        &mut self,
        draw: tokio::time::Instant,
        end: Option<tokio::time::Instant>,
    ) -> Result<bool, Box<dyn Error>> {
        loop {
            tokio::select! {
                biased;
                () = self.interrupt.wait() => return Ok(false),
                () = tokio::time::sleep_until(end.unwrap_or(draw)), if end.is_some() => return Ok(false),
                () = tokio::time::sleep_until(draw) => return Ok(true),
                update = self.updates.next() => match update {
                    Some(update) => self.model.take(&update?),
                    None => return Ok(false),
                },
            }
        }
    }

    fn end(&self) -> Option<tokio::time::Instant> {
        self.time.map(|time| tokio::time::Instant::now() + time)
    }
}
