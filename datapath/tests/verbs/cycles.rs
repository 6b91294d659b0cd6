//! Paths come and go, and leave nothing behind.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::machine::{Machine, address, devices, message, until};

const CYCLES: usize = 20;
const PEERS: u8 = 50;

/// What the kernel counts of this machine's RDMA objects, and the descriptors of this process.
#[derive(Debug, PartialEq, Eq)]
struct Held {
    resources: String,
    descriptors: usize,
}

fn held() -> Held {
    let output = Command::new("rdma").args(["resource", "show"]).output().expect("the program rdma");
    assert!(output.status.success(), "{output:?}");
    let descriptors = std::fs::read_dir("/proc/self/fd").unwrap().count();
    Held { resources: String::from_utf8_lossy(&output.stdout).into_owned(), descriptors }
}

#[test]
#[ignore = "needs RDMA devices: the guest runs it"]
fn twenty_cycles_of_fifty_peers_leak_nothing() {
    let [first, second] = devices();
    let before = held();
    let mut director = Machine::new(1, &first, 1024);
    let idle = held();
    for cycle in 0..CYCLES {
        let mut servers: Vec<Machine> = (0..PEERS).map(|it| Machine::with_slots(10 + it, &second, 64, 8)).collect();
        let peers: Vec<_> = (0..PEERS).map(|it| address(10 + it)).collect();
        let mut heard = vec![false; usize::from(PEERS)];
        until("fifty paths", || {
            director.greet(&peers);
            for (server, heard) in servers.iter_mut().zip(&mut heard) {
                server.greet(&[director.address]);
                if !*heard {
                    director.send(0, server.address, &message(cycle as u32, 200), 0);
                }
                *heard |= !server.receive().is_empty();
            }
            director.receive();
            heard.iter().all(|it| *it)
        });
        drop(servers);
        // The peers are gone, which the director learns from their kernel when it says hello.
        let waiting = Instant::now();
        until("the director to let go", || {
            director.greet(&peers);
            director.receive();
            director.flush(1);
            waiting.elapsed() > Duration::from_millis(100) && held() == idle
        });
    }
    drop(director);
    assert_eq!(held(), before);
}
