//! A few rounds of everything at once; `cargo xtask faults` runs more.

use std::time::Duration;

use outpour_faults::soak;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_for_a_few_seconds() {
    let report = soak::soak(1, Duration::from_secs(5), |_| {}).await;
    assert!(report.faults > 0 && report.observed > 0, "{report:?}");
}
