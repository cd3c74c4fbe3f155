//! What is told about the rounds: a table, or one JSON object.

use std::fmt::Write as _;

use serde::Serialize;

use super::measure::Round;

/// One server over all rounds: medians, but `lost` and the like in sum and `max_ms` the largest.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Summary {
    pub(super) name: String,
    pub(super) deliveries_per_s: Option<f64>,
    pub(super) p50_ms: Option<f64>,
    pub(super) p99_ms: Option<f64>,
    pub(super) p999_ms: Option<f64>,
    pub(super) max_ms: Option<f64>,
    pub(super) lost: u64,
    pub(super) conflated: u64,
    pub(super) repeated: u64,
    pub(super) disconnected: usize,
    pub(super) server_us_per_delivery: Option<f64>,
    pub(super) server_cpu_percent: Option<f64>,
    pub(super) generator_cpu_percent: Option<f64>,
    pub(super) foreign_cpu_percent: Option<f64>,
    pub(super) server_bytes_per_session: Option<f64>,
    pub(super) server_bytes_per_session_loaded: Option<f64>,
    pub(super) wire_bytes_per_delivery: Option<f64>,
    /// The median of the ratios to the floor within each round, so that noise that hit both cancels.
    pub(super) cpu_to_floor: Option<f64>,
    pub(super) p99_to_floor: Option<f64>,
    /// The same for the floor that coalesces.
    pub(super) cpu_to_coalescing_floor: Option<f64>,
    pub(super) rounds: Vec<Round>,
}

impl Summary {
    pub(super) fn new(name: &str, rounds: Vec<Round>, floor: &[Round], coalescing: &[Round]) -> Self {
        let median_of = |of: fn(&Round) -> Option<f64>| median(rounds.iter().filter_map(of));
        Self {
            name: name.to_owned(),
            deliveries_per_s: median_of(|round| round.deliveries_per_s),
            p50_ms: median_of(|round| round.p50_ms),
            p99_ms: median_of(|round| round.p99_ms),
            p999_ms: median_of(|round| round.p999_ms),
            max_ms: rounds.iter().filter_map(|round| round.max_ms).reduce(f64::max),
            lost: rounds.iter().map(|round| round.lost).sum(),
            conflated: rounds.iter().map(|round| round.conflated).sum(),
            repeated: rounds.iter().map(|round| round.repeated).sum(),
            disconnected: rounds.iter().map(|round| round.disconnected).sum(),
            server_us_per_delivery: median_of(|round| round.server_us_per_delivery),
            server_cpu_percent: median_of(|round| round.server_cpu_percent),
            generator_cpu_percent: median_of(|round| round.generator_cpu_percent),
            foreign_cpu_percent: median_of(|round| round.foreign_cpu_percent),
            server_bytes_per_session: median_of(|round| round.server_bytes_per_session),
            server_bytes_per_session_loaded: median_of(|round| round.server_bytes_per_session_loaded),
            wire_bytes_per_delivery: median_of(|round| round.wire_bytes_per_delivery),
            cpu_to_floor: ratio(&rounds, floor, |round| round.server_us_per_delivery),
            p99_to_floor: ratio(&rounds, floor, |round| round.p99_ms),
            cpu_to_coalescing_floor: ratio(&rounds, coalescing, |round| round.server_us_per_delivery),
            rounds,
        }
    }
}

/// The median of the ratios within each round.
fn ratio(rounds: &[Round], floor: &[Round], of: fn(&Round) -> Option<f64>) -> Option<f64> {
    median(rounds.iter().zip(floor).filter_map(|(round, floor)| Some(of(round)? / of(floor)?)))
}

/// The middle value, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let upper = *values.get(values.len() / 2)?;
    let lower = *values.get((values.len() - 1) / 2)?;
    Some((lower + upper) / 2.0)
}

/// What was done, for whoever reads the figures later.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Conditions {
    pub(super) subscribers: usize,
    pub(super) topics: usize,
    pub(super) size: usize,
    pub(super) change_percent: u8,
    pub(super) events: bool,
    /// Updates a second, unless so many were kept in flight.
    pub(super) rate: Option<f64>,
    pub(super) in_flight: Option<usize>,
    pub(super) seconds: f64,
    pub(super) rounds: usize,
    /// Whether server and generator had a core each.
    pub(super) pinned: bool,
}

/// The JSON object: the measured server's figures at the top, the floor's beside them, all servers below.
#[derive(Debug, Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    measured: &'a Summary,
    floor_us_per_delivery: Option<f64>,
    floor_coalescing_us_per_delivery: Option<f64>,
    floor_deliveries_per_s: Option<f64>,
    floor_p50_ms: Option<f64>,
    floor_p99_ms: Option<f64>,
    floor_bytes_per_session: Option<f64>,
    conditions: &'a Conditions,
    floors: Vec<&'a Summary>,
    peers: Vec<&'a Summary>,
}

/// All servers of one run.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) conditions: Conditions,
    /// The server that the run is about.
    pub(super) measured: Option<Summary>,
    pub(super) floor: Summary,
    pub(super) coalescing_floor: Option<Summary>,
    pub(super) peers: Vec<Summary>,
}

impl Report {
    pub(super) fn json(&self) -> String {
        let floor = &self.floor;
        let document = Document {
            measured: self.measured.as_ref().unwrap_or(floor),
            floor_us_per_delivery: floor.server_us_per_delivery,
            floor_coalescing_us_per_delivery: self.coalescing_floor.as_ref().and_then(|f| f.server_us_per_delivery),
            floor_deliveries_per_s: floor.deliveries_per_s,
            floor_p50_ms: floor.p50_ms,
            floor_p99_ms: floor.p99_ms,
            floor_bytes_per_session: floor.server_bytes_per_session,
            conditions: &self.conditions,
            floors: std::iter::once(floor).chain(&self.coalescing_floor).collect(),
            peers: self.peers.iter().collect(),
        };
        serde_json::to_string(&document).unwrap_or_default()
    }

    pub(super) fn table(&self) -> String {
        let Conditions { subscribers, topics, size, rounds, .. } = self.conditions;
        let pace = match (self.conditions.in_flight, self.conditions.rate) {
            (Some(count), _) => format!("{count} in flight"),
            (None, Some(rate)) => format!("{rate} updates/s"),
            (None, None) => "idle".to_owned(),
        };
        let kind = if self.conditions.events { "events" } else { "values" };
        let mut out = format!(
            "{subscribers} subscribers, {topics} topic{}, {kind} of {size} B, {pace}; median of {rounds} rounds\n\n",
            if topics == 1 { "" } else { "s" }
        );
        let _ = writeln!(
            out,
            "{:<19}{:>13}{:>9}{:>9}{:>8}{:>9}{:>6}{:>10}{:>9}{:>8}{:>8}{:>11}{:>8}",
            "",
            "deliveries/s",
            "p50 ms",
            "p99 ms",
            "×floor",
            "p99.9",
            "lost",
            "conflated",
            "µs/del.",
            "×floor",
            "×coal.",
            "B/session",
            "B/del."
        );
        for row in self.rows() {
            let _ = writeln!(
                out,
                "{:<19}{:>13}{:>9}{:>9}{:>8}{:>9}{:>6}{:>10}{:>9}{:>8}{:>8}{:>11}{:>8}",
                row.name,
                number(row.deliveries_per_s, 0),
                number(row.p50_ms, 2),
                number(row.p99_ms, 2),
                number(row.p99_to_floor, 2),
                number(row.p999_ms, 2),
                row.lost,
                row.conflated,
                number(row.server_us_per_delivery, 2),
                number(row.cpu_to_floor, 2),
                number(row.cpu_to_coalescing_floor, 2),
                number(row.server_bytes_per_session, 0),
                number(row.wire_bytes_per_delivery, 0),
            );
        }
        out
    }

    fn rows(&self) -> impl Iterator<Item = &Summary> {
        let own = [self.measured.as_ref(), Some(&self.floor), self.coalescing_floor.as_ref()];
        own.into_iter().flatten().chain(&self.peers)
    }

    /// What a reader must know to trust the figures or not, a sentence each.
    pub(super) fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        for row in self.rows() {
            let name = &row.name;
            if row.lost > 0 {
                warnings.push(format!("{name} lost {} deliveries", row.lost));
            }
            if row.repeated > 0 {
                warnings.push(format!("{name} delivered {} updates twice or late", row.repeated));
            }
            if row.disconnected > 0 {
                warnings.push(format!("{name} ended {} connections", row.disconnected));
            }
        }
        let foreign = self.rows().filter_map(|row| row.foreign_cpu_percent).fold(0.0, f64::max);
        if foreign > 15.0 {
            warnings.push(format!(
                "other programs used up to {foreign:.0} % of a core: trust the ratios, not the latencies"
            ));
        }
        let busiest = self.rows().filter_map(|row| row.generator_cpu_percent).fold(0.0, f64::max);
        if busiest > 90.0 && self.conditions.rate.is_some() {
            warnings.push("the generator was at its limit: latencies are its own, lower --rate".to_owned());
        }
        if cfg!(debug_assertions) {
            warnings.push("this is a debug build: build with --release to measure".to_owned());
        }
        if !self.conditions.pinned {
            warnings.push("there is one core only: server and generator share it".to_owned());
        }
        warnings
    }
}

fn number(value: Option<f64>, decimals: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |value| format!("{value:.decimals$}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round(us: f64, p99: f64) -> Round {
        Round {
            deliveries: 10,
            lost: 1,
            conflated: 0,
            repeated: 0,
            disconnected: 0,
            updates: 1,
            deliveries_per_s: Some(10.0),
            p50_ms: Some(1.0),
            p99_ms: Some(p99),
            p999_ms: None,
            max_ms: Some(p99 + 1.0),
            server_us_per_delivery: Some(us),
            server_cpu_percent: None,
            generator_cpu_percent: None,
            foreign_cpu_percent: None,
            wire_bytes_per_delivery: None,
            server_bytes_per_session: None,
            server_bytes_per_session_loaded: None,
        }
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
    }

    #[test]
    fn ratios_are_taken_within_each_round() {
        // The third round was noisy for both.
        let floor = [round(5.0, 10.0), round(5.0, 10.0), round(50.0, 100.0)];
        let summary = Summary::new("x", vec![round(6.0, 12.0), round(6.5, 13.0), round(60.0, 120.0)], &floor, &[]);
        assert_eq!(summary.cpu_to_floor, Some(1.2));
        assert_eq!(summary.p99_to_floor, Some(1.2));
        assert_eq!(summary.cpu_to_coalescing_floor, None);
        assert_eq!((summary.lost, summary.max_ms, summary.server_us_per_delivery), (3, Some(121.0), Some(6.5)));
    }

    #[test]
    fn the_json_object_has_the_promised_keys() {
        let summary = |name| Summary::new(name, vec![round(6.0, 12.0)], &[], &[]);
        let report = Report {
            conditions: Conditions {
                subscribers: 10,
                topics: 1,
                size: 200,
                change_percent: 100,
                events: false,
                rate: Some(1.0),
                in_flight: None,
                seconds: 1.0,
                rounds: 1,
                pinned: true,
            },
            measured: Some(summary("outpour")),
            floor: summary("floor"),
            coalescing_floor: None,
            peers: vec![summary("nats")],
        };
        let json: serde_json::Value = serde_json::from_str(&report.json()).unwrap();
        for key in [
            "deliveries_per_s",
            "p50_ms",
            "p99_ms",
            "p999_ms",
            "lost",
            "server_us_per_delivery",
            "floor_us_per_delivery",
            "server_bytes_per_session",
            "peers",
        ] {
            assert!(json.get(key).is_some(), "{key} is missing");
        }
        assert_eq!(json["peers"][0]["name"], "nats");
        assert!(report.table().contains("nats"));
        let warnings = report.warnings();
        for name in ["outpour", "floor", "nats"] {
            assert!(warnings.contains(&format!("{name} lost 1 deliveries")), "{warnings:?}");
        }
    }
}
