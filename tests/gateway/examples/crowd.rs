//! What those who are in notice while a crowd comes back: `cargo run --release -p outpour-gateway-tests --example crowd
//! -- [CLIENTS] [ADMISSIONS_PER_SECOND]…`, one line for each rate.
//!
//! Each of the crowd brings a hello and a subscription to ten topics along with its request, and stays. One session
//! publishes to itself every five milliseconds, and measures how long each takes to come back.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use outpour_gateway_tests::{Client, Setup, gateway_with, hello, message, set, subscribe, upgrade_request};

const THREADS: usize = 4;
const PACE: Duration = Duration::from_millis(5);

fn main() {
    let mut numbers = std::env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let clients: usize = numbers.next().unwrap_or(10_000);
    let rates: Vec<usize> = numbers.collect();
    println!("{:>12} {:>9} {:>22} {:>22}", "admissions/s", "all in", "alone p50/p99/max ms", "crowd p50/p99/max ms");
    for rate in if rates.is_empty() { vec![500, 1_000, 2_000, 4_000, 1_000_000] } else { rates } {
        measure(clients, rate as u32);
    }
}

fn measure(clients: usize, rate: u32) {
    let gateway = gateway_with(|config, _| config.admissions_per_second = rate);
    let address = gateway.address();
    let mut publisher = gateway.client("topics");
    let value = "x".repeat(100);
    let paths: Vec<String> = (0..10).map(|topic| format!("topics/{topic}")).collect();
    for (number, path) in (1..).zip(&paths) {
        publisher.publish(number, &set(number, path, &value)).expect("applied");
    }
    let is_over = AtomicBool::new(false);
    let has_begun = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let watcher = scope.spawn(|| watch(gateway.client("inside"), &has_begun, &is_over));
        std::thread::sleep(Duration::from_secs(2));
        let start = Instant::now();
        has_begun.store(true, Ordering::Relaxed);
        let crowd: Vec<_> = (0..THREADS).map(|_| scope.spawn(move || come_in(address, clients / THREADS))).collect();
        let sockets: Vec<_> = crowd.into_iter().map(|thread| thread.join().expect("all are let in")).collect();
        let took = start.elapsed();
        is_over.store(true, Ordering::Relaxed);
        let (mut before, mut during) = watcher.join().expect("the session inside is served");
        println!("{rate:>12} {:>7.1} s {:>22} {:>22}", took.as_secs_f64(), shown(&mut before), shown(&mut during));
        drop(sockets);
    });
}

/// Opens connections, and waits until each has been told its topics.
fn come_in(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let first = URL_SAFE_NO_PAD.encode(message(&[hello(&Setup::publisher("crowd")), subscribe(1, "topics/**")]));
    let request = upgrade_request(&format!("Sec-WebSocket-Protocol: outpour.v1.early, hello.{first}\r\n"));
    let open = || {
        let mut socket = TcpStream::connect(address).expect("the gateway listens");
        socket.write_all(request.as_bytes()).expect("the gateway takes the request");
        socket
    };
    let mut sockets: Vec<TcpStream> = std::iter::repeat_with(open).take(count).collect();
    let mut bytes = vec![0; 4 << 10];
    for socket in &mut sockets {
        let mut length = 0;
        // The head of the response, and ten values of a hundred bytes.
        while length < 1_000 {
            match socket.read(&mut bytes).expect("an answer") {
                0 => panic!("refused"),
                more => length += more,
            }
        }
    }
    sockets
}

/// Publishes at a pace, and gives how long each took: before the crowd came, and since.
fn watch(mut client: Client, has_begun: &AtomicBool, is_over: &AtomicBool) -> (Vec<Duration>, Vec<Duration>) {
    client.follow(1, "inside");
    let (mut before, mut during) = (Vec::new(), Vec::new());
    let mut next = Instant::now();
    for number in 1.. {
        if is_over.load(Ordering::Relaxed) {
            break;
        }
        let times = if has_begun.load(Ordering::Relaxed) { &mut during } else { &mut before };
        // From when it was due, so that a delay counts for all that it holds up.
        let value = number.to_string();
        client.say(&[set(number, "inside", &value)]);
        while client.value("inside") != value {}
        times.push(next.elapsed());
        next += PACE;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    (before, during)
}

fn shown(times: &mut [Duration]) -> String {
    times.sort_unstable();
    let at = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    format!("{:.2} / {:.1} / {:.0}", at(0.5), at(0.99), at(1.0))
}
