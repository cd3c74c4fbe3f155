//! `outpour sub`: follow topics.

use std::error::Error;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::{SelectAll, select_all};
use outpour::{HistoryStart, ResumeOutcome, Resumption, Resumptions, Session, SubscribeOptions, Subscription, Update};

use crate::access::Access;
use crate::interrupt::Interrupt;
use crate::output::{self, Style};

/// Updates that wait for standard output before values are merged.
const MAILBOX: usize = 100_000;

/// Options of `outpour sub`.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// Which topics: paths in which * stands for one segment and ** for any number
    #[arg(required = true, value_name = "SELECTOR")]
    selectors: Vec<String>,
    /// Print JSON, an object a line
    #[arg(long)]
    jsonl: bool,
    /// Stop after so many updates
    #[arg(long, value_name = "N")]
    count: Option<u64>,
    /// Stop when nothing came for so many seconds
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    idle_exit: Option<Duration>,
    /// The most updates a second for each topic
    #[arg(long, value_name = "R", value_parser = crate::publish::rate)]
    max_rate: Option<f64>,
    /// Keep what is held in this file: the next start shows it at once, and is then told only what has changed
    #[arg(long, value_name = "FILE")]
    store: Option<PathBuf>,
    /// Begin event topics with their newest so many past events
    #[arg(long, value_name = "N")]
    history: Option<u64>,
}

pub(crate) fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| "give a number of seconds".into())
}

/// Says on standard error what came of each reconnect.
async fn report(mut resumptions: Resumptions) {
    while let Some(Resumption { away, outcome }) = resumptions.next().await {
        let outcome = match outcome {
            ResumeOutcome::Complete => "nothing is missing".to_owned(),
            ResumeOutcome::Gaps { missed, more } => {
                format!("events of {} topics are missing", missed.len() as u64 + more)
            }
            _ => "the log began anew, and everything was told from the beginning".to_owned(),
        };
        eprintln!("resumed after {:.1} s: {outcome}", away.as_secs_f64());
    }
}

/// Follows topics until told to stop.
pub(crate) async fn run(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let mut interrupt = Interrupt::new()?;
    let session = match &arguments.store {
        // What is stored is shown before there is a connection.
        Some(store) => arguments.access.builder().with_store(store).start()?,
        None => arguments.access.connect().await?,
    };
    tokio::spawn(report(session.resumptions()));
    let options = SubscribeOptions {
        max_rate: arguments.max_rate,
        from: arguments.history.map_or(HistoryStart::Live, HistoryStart::Last),
        mailbox_count: MAILBOX,
        mailbox_bytes: 256 << 20,
    };
    let subscriptions = arguments
        .selectors
        .iter()
        .map(|selector| session.subscribe_with(selector, &options))
        .collect::<Result<Vec<_>, _>>()?;
    let mut follower = Follower {
        updates: select_all(subscriptions),
        out: BufWriter::new(io::stdout().lock()),
        style: Style { jsonl: arguments.jsonl, colours: io::stdout().is_terminal() },
        left: arguments.count.unwrap_or(u64::MAX),
        printed: 0,
    };
    let done = follower.follow(arguments.idle_exit, &mut interrupt).await;
    let printed = follower.printed;
    summarise(&session, printed);
    // What is still subscribed to goes into the store.
    session.close_within(Duration::ZERO).await;
    drop(follower);
    match done {
        // Whoever read has had enough.
        Err(error) if error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) => {
            Ok(())
        }
        done => done,
    }
}

struct Follower<W> {
    updates: SelectAll<Subscription>,
    out: W,
    style: Style,
    left: u64,
    printed: u64,
}

impl<W: Write> Follower<W> {
    async fn follow(&mut self, idle_exit: Option<Duration>, interrupt: &mut Interrupt) -> Result<(), Box<dyn Error>> {
        while self.left > 0 {
            let idle = tokio::time::sleep(idle_exit.unwrap_or(Duration::from_secs(1 << 30)));
            let update = tokio::select! {
                update = self.updates.next() => update,
                () = interrupt.wait() => break,
                () = idle, if idle_exit.is_some() => break,
            };
            let Some(update) = update else { break };
            self.print(&update?)?;
            // What has arrived together is written together.
            while self.left > 0
                && let Some(Some(update)) = futures_util::FutureExt::now_or_never(self.updates.next())
            {
                self.print(&update?)?;
            }
            self.out.flush()?;
        }
        Ok(())
    }

    fn print(&mut self, update: &Update) -> io::Result<()> {
        self.left -= 1;
        self.printed += 1;
        output::write_update(&mut self.out, update, self.style)
    }
}

fn summarise(session: &Session, printed: u64) {
    let counted = session.statistics();
    eprintln!("{printed} updates, {} bytes received, {} bytes as full values", counted.bytes_in, counted.full_bytes);
}
