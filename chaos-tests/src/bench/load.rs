//! A closed-loop load: so many clients, each of which sends its next request when the last one is answered.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;
use tokio::task::LocalSet;

/// Not counted: connections warm up, the leader settles.
pub const WARM_UP: Duration = Duration::from_millis(500);
pub const MEASURED: Duration = Duration::from_secs(4);

#[derive(Clone, Copy, Debug)]
pub struct LoadReport {
    pub per_second: f64,
    pub p50: Duration,
    pub p99: Duration,
    pub errors: u64,
}

struct Tally {
    latencies: Histogram<u64>,
    errors: u64,
    first_error: Option<anyhow::Error>,
}

/// Runs the clients side by side on one thread: the generator then never takes more than one core from what it measures.
/// Errors are counted, and the first is printed; a run of nothing but errors is one.
pub fn closed_loop<C>(clients: Vec<C>, runtime: &tokio::runtime::Runtime) -> Result<LoadReport>
where
    C: AsyncFnMut(u64) -> Result<()> + 'static,
{
    let latencies = Histogram::new(3).context("could not make a histogram")?;
    let tally = Rc::new(RefCell::new(Tally { latencies, errors: 0, first_error: None }));
    let count_from = Instant::now() + WARM_UP;
    let end = count_from + MEASURED;
    let local = LocalSet::new();
    for client in clients {
        local.spawn_local(one_client(client, count_from, end, tally.clone()));
    }
    runtime.block_on(local);
    let elapsed = count_from.elapsed();
    let tally = Rc::into_inner(tally).context("a client has not ended")?.into_inner();
    report(tally, elapsed)
}

async fn one_client<C>(mut client: C, count_from: Instant, end: Instant, tally: Rc<RefCell<Tally>>)
where
    C: AsyncFnMut(u64) -> Result<()>,
{
    let mut number = 0;
    while Instant::now() < end {
        let start = Instant::now();
        let outcome = client(number).await;
        number += 1;
        let mut tally = tally.borrow_mut();
        match outcome {
            Err(error) => {
                tally.errors += 1;
                tally.first_error.get_or_insert(error);
            }
            Ok(()) if start >= count_from => record(&mut tally.latencies, start.elapsed()),
            Ok(()) => {}
        }
    }
}

/// The histogram grows as it needs to; a number that it could not hold would be one of centuries.
fn record(latencies: &mut Histogram<u64>, elapsed: Duration) {
    let nanos = u64::try_from(elapsed.as_nanos()).expect("a latency under 500 years");
    latencies.record(nanos).expect("a histogram that grows");
}

fn report(tally: Tally, elapsed: Duration) -> Result<LoadReport> {
    let Tally { latencies, errors, first_error } = tally;
    if let Some(error) = first_error {
        if latencies.is_empty() {
            return Err(error.context("not one request succeeded"));
        }
        println!("  {errors} requests failed, the first: {error:#}");
    }
    let quantile = |q| Duration::from_nanos(latencies.value_at_quantile(q));
    let per_second = latencies.len() as f64 / elapsed.as_secs_f64();
    Ok(LoadReport { per_second, p50: quantile(0.5), p99: quantile(0.99), errors })
}
