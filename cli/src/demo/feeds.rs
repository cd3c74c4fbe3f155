//! The recorded feeds that the demo replays, without end. Their sources and licences are named in
//! `examples/feeds/README.md`.

use std::collections::HashMap;
use std::error::Error;
use std::io::Cursor;

use outpour::{Session, UpdateStream};

use crate::feed::{Feed, FeedLine};
use crate::publish::{Pace, feed_value};

/// A recorded feed.
struct Recording {
    name: &'static str,
    /// What its topics are put under.
    prefix: &'static str,
    bytes: &'static [u8],
    updates_per_second: f64,
}

const RECORDINGS: [Recording; 5] = [
    Recording {
        name: "binance_bookticker",
        prefix: "prices",
        bytes: include_bytes!("../../../examples/feeds/binance_bookticker.jsonl.zst"),
        updates_per_second: 60.0,
    },
    Recording {
        name: "capmetro_vehicle",
        prefix: "transit",
        bytes: include_bytes!("../../../examples/feeds/capmetro_vehicle.jsonl.zst"),
        updates_per_second: 60.0,
    },
    Recording {
        name: "coinbase_book",
        prefix: "books",
        bytes: include_bytes!("../../../examples/feeds/coinbase_book.jsonl.zst"),
        updates_per_second: 15.0,
    },
    Recording {
        name: "adsb_state",
        prefix: "sky",
        bytes: include_bytes!("../../../examples/feeds/adsb_state.jsonl.zst"),
        updates_per_second: 10.0,
    },
    Recording {
        name: "edit_code_blog",
        prefix: "writing",
        bytes: include_bytes!("../../../examples/feeds/edit_code_blog.jsonl.zst"),
        updates_per_second: 5.0,
    },
];

/// Starts a publisher for each feed, at the gateways in turns.
pub(super) async fn replay(urls: &[String; 2], speed: f64) -> Result<(), Box<dyn Error>> {
    for (recording, url) in RECORDINGS.into_iter().zip(urls.iter().cycle()) {
        let lines = Feed::from_reader(recording.name, Cursor::new(recording.bytes))?.collect::<Result<Vec<_>, _>>()?;
        let session = outpour::connect(url).await?;
        let rate = recording.updates_per_second * speed;
        tokio::spawn(publish(session, recording.prefix, lines, rate));
    }
    Ok(())
}

/// Publishes a feed again and again, over update streams: upstream too only what changed is sent.
async fn publish(
    session: Session,
    prefix: &'static str,
    lines: Vec<FeedLine>,
    rate: f64,
) -> Result<(), outpour::Error> {
    let mut streams: HashMap<String, UpdateStream> = HashMap::new();
    let mut pace = Pace::new(rate);
    for line in lines.iter().cycle() {
        pace.wait().await;
        if !streams.contains_key(&line.topic) {
            let stream = session.update_stream(&format!("{prefix}/{}", line.topic))?;
            streams.insert(line.topic.clone(), stream);
        }
        if let Some(stream) = streams.get(&line.topic) {
            // The demo doesn't wait for verdicts, only for room.
            stream.set(feed_value(line.value.clone())).send_when_possible().await?;
        }
    }
    Ok(())
}
