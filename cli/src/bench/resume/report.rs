//! What is told about the cases: a table, or one JSON object.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;

use super::{
    conversation::Bytes,
    scenario::{Connection, Round, Scenario},
    work,
};

/// All cases of one run.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    value_bytes: u32,
    rounds: u32,
    /// Whether the program was built to be fast; bytes do not depend on it.
    optimized: bool,
    cases: Vec<Case>,
}

/// One case over all rounds: times are medians, bytes and round trips the most of any round.
#[derive(Debug, Serialize)]
struct Case {
    #[serde(flatten)]
    scenario: Scenario,
    resumed: Figures,
    /// A new session's, on the same topics at the same gateway.
    afresh: Figures,
    /// The mean bytes of a changed topic's delta, without any frame around it.
    delta_bytes: Option<f64>,
    /// What each changed topic took beyond its delta: the bytes down, less those of the case in which nothing changed.
    /// Nothing if they are fewer than the deltas, so that it was not told by deltas.
    beyond_delta_bytes: Option<f64>,
}

#[derive(Debug, Serialize)]
struct Figures {
    /// Beyond the WebSocket handshake.
    up_bytes: u64,
    /// Beyond the WebSocket handshake.
    down_bytes: u64,
    handshake_up_bytes: u64,
    handshake_down_bytes: u64,
    /// From the TCP connection being open until the application held everything.
    caught_up_ms: f64,
    /// From the TCP connection being open until the first update; the WebSocket handshake is one of them.
    round_trips_to_first_update: Option<u32>,
}

impl Figures {
    fn new(rounds: impl Iterator<Item = Connection> + Clone) -> Self {
        let most = |of: fn(&Connection) -> u64| rounds.clone().map(|round| of(&round)).max().unwrap_or_default();
        let mut times: Vec<Duration> = rounds.clone().map(|round| round.caught_up).collect();
        times.sort();
        let median = times.get(times.len() / 2).copied().unwrap_or_default();
        Self {
            up_bytes: most(|round| round.up.beyond),
            down_bytes: most(|round| round.down.beyond),
            handshake_up_bytes: most(|round| round.up.handshake),
            handshake_down_bytes: most(|round| round.down.handshake),
            caught_up_ms: (median.as_secs_f64() * 1e5).round() / 1e2,
            round_trips_to_first_update: rounds.filter_map(|round| round.round_trips).max(),
        }
    }
}

impl Report {
    pub(super) const fn new(value_bytes: u32, rounds: u32) -> Self {
        Self { value_bytes, rounds, optimized: !cfg!(debug_assertions), cases: Vec::new() }
    }

    /// Adds a case. Those with as many topics and nothing changed have to come before.
    pub(super) fn add(&mut self, scenario: Scenario, rounds: &[Round]) {
        let resumed = Figures::new(rounds.iter().map(|round| round.resumed));
        let afresh = Figures::new(rounds.iter().map(|round| round.afresh));
        let changed = scenario.changed;
        let step = scenario.topics / changed.max(1);
        let deltas: u64 = (0..changed).map(|change| work::delta_bytes(change * step, scenario.size)).sum();
        let delta_bytes = (changed > 0).then(|| round(deltas as f64 / f64::from(changed)));
        let unchanged = self.cases.iter().find(|case| {
            let other = case.scenario;
            (other.topics, other.changed, other.gateways) == (scenario.topics, 0, scenario.gateways)
        });
        let beyond_delta_bytes = unchanged.filter(|_| changed > 0).and_then(|unchanged| {
            let beyond = resumed.down_bytes.checked_sub(unchanged.resumed.down_bytes + deltas)?;
            Some(round(beyond as f64 / f64::from(changed)))
        });
        self.cases.push(Case { scenario, resumed, afresh, delta_bytes, beyond_delta_bytes });
    }

    pub(super) fn json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    pub(super) fn table(&self) -> String {
        let Self { value_bytes, rounds, .. } = self;
        let handshake = self.cases.first().map_or_else(Bytes::default, |case| Bytes {
            handshake: case.resumed.handshake_up_bytes,
            beyond: case.resumed.handshake_down_bytes,
        });
        let mut out = format!(
            "Going on after a lost connection: values of {value_bytes} B under one selector, one small change of each \
             changed topic.\n\
             The gateway is the same one, or another: the first was killed, and another process goes on with its data.\n\
             B: of the TCP connection, beyond the WebSocket handshake ({} up, {} down), of which the message that rides in \
             the request\nis not a part; the most of {rounds} rounds.\n\
             B/change: down for each changed topic, its delta + what comes on top of it.\n\
             ms: from the connection being open until the application has everything; median.\n\
             RTT: round trips from then until the first update, that of the WebSocket handshake included.\n\n",
            handshake.handshake, handshake.beyond
        );
        let _ = writeln!(out, "{:<25}{:^47} {:^34}", "", "resumed", "a new session instead");
        let _ = writeln!(
            out,
            "{:>7}{:>9}{:>9}{:>9}{:>11}{:>14}{:>9}{:>5} {:>8}{:>12}{:>9}{:>5}",
            "topics", "changed", "gateway", "B up", "B down", "B/change", "ms", "RTT", "B up", "B down", "ms", "RTT"
        );
        for case in &self.cases {
            let Case { scenario, resumed, afresh, .. } = case;
            let per_change = match (case.delta_bytes, case.beyond_delta_bytes) {
                (Some(delta), Some(beyond)) => format!("{delta:.1} + {beyond:.1}"),
                _ => "–".to_owned(),
            };
            let gateway = format!("{:?}", scenario.gateways).to_lowercase();
            let _ = writeln!(
                out,
                "{:>7}{:>9}{:>9}{:>9}{:>11}{:>14}{:>9.2}{:>5} {:>8}{:>12}{:>9.2}{:>5}",
                scenario.topics,
                scenario.changed,
                gateway,
                resumed.up_bytes,
                resumed.down_bytes,
                per_change,
                resumed.caught_up_ms,
                count(resumed.round_trips_to_first_update),
                afresh.up_bytes,
                afresh.down_bytes,
                afresh.caught_up_ms,
                count(afresh.round_trips_to_first_update),
            );
        }
        if !self.optimized {
            out.push_str("\nThis is a debug build: build with --release to measure times.\n");
        }
        out
    }
}

fn round(number: f64) -> f64 {
    (number * 100.0).round() / 100.0
}

fn count(number: Option<u32>) -> String {
    number.map_or_else(|| "–".to_owned(), |number| number.to_string())
}
