//! One thread and two on one allocator, each with blocks of its own.
//!
//! The time of a pair is that of the slowest thread. All allocators are measured in one run, several
//! times, and the median counts: the least would be of a run in which the threads did not meet.

use anyhow::{Context as _, Result};
use std::io::Write;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};
use workload::{MAX_HELD, OPERATIONS, Operation, Silent, What};

use crate::store::{Blocks, Store, plain};

/// What is measured.
const NAMES: [&str; 6] = [
    "page_o0_KERNEL",
    "page_o0_KERNEL_batch256",
    "page_o0_KERNEL_random1024",
    "page_o0_KERNEL_churn4096",
    "page_o3_KERNEL",
    "page_o3_KERNEL_random1024",
];
/// By how many threads.
const THREADS: [usize; 2] = [1, 2];
/// A clock needs more pairs than a counter.
const PAIRS: u32 = 200_000;
const REPETITIONS: usize = 5;

fn operations() -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(|operation| NAMES.contains(&operation.name))
}

/// Nanoseconds of a pair: for each operation, by each number of threads.
pub fn measure<S: Store>(store: &S) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for operation in operations() {
        let What::Pages { order, .. } = operation.what else { continue };
        for threads in THREADS {
            let mut times_now = [Duration::ZERO; REPETITIONS];
            for time in &mut times_now {
                *time = once(store, operation, order, threads)?;
            }
            times_now.sort_unstable();
            let median = times_now[REPETITIONS / 2];
            times.push(median.as_secs_f64() * 1e9 / f64::from(PAIRS));
        }
    }
    Ok(times)
}

/// The time of the slowest thread.
fn once<S: Store>(store: &S, operation: &Operation, order: u8, threads: usize) -> Result<Duration> {
    let start = Barrier::new(threads);
    let work = |cpu: usize| -> Result<Duration> {
        store.enter(cpu);
        let mut held = vec![0; MAX_HELD];
        let mut subject = Blocks { store, order };
        let mut run =
            |pairs| workload::run(operation.shape, pairs, &mut subject, &mut Silent, &mut held);
        let warm = run((0, PAIRS / 20));
        start.wait();
        let begin = Instant::now();
        let done = warm.and_then(|()| run((0, PAIRS)));
        let time = begin.elapsed();
        done.ok().with_context(|| format!("{} ran out of pages in {}", S::NAME, operation.name))?;
        Ok(time)
    };
    thread::scope(|scope| {
        let work = &work;
        let others: Vec<_> = (0..threads).map(|cpu| scope.spawn(move || work(cpu))).collect();
        let mut slowest = Duration::ZERO;
        for other in others {
            let time = other.join().ok().context("a thread died")??;
            slowest = slowest.max(time);
        }
        Ok(slowest)
    })
}

/// Writes the table.
pub fn write(out: &mut impl Write, times: &[(&'static str, Vec<f64>)]) -> Result<()> {
    writeln!(
        out,
        "Threads on the host, each with blocks of its own on one allocator: ns of a pair, and how many\n\
         times ours. The others stand behind a mutex. Times are this host's, now; only ratios mean much.\n"
    )?;
    let header: Vec<_> = ["operation", "threads"].into_iter().map(String::from).collect();
    let header = times.iter().fold(header, |mut header, (name, _)| {
        header.push((*name).to_owned());
        header
    });
    let cases = operations().flat_map(|operation| THREADS.map(|threads| (operation, threads)));
    let rows = cases.enumerate().map(|(index, (operation, threads))| {
        let mut row = vec![operation.name.to_owned(), threads.to_string()];
        let time = |times: &[f64]| times.get(index).copied().unwrap_or(f64::NAN);
        let ours = times.first().map_or(f64::NAN, |(_, times)| time(times));
        row.extend(times.iter().enumerate().map(|(place, (_, times))| match place {
            0 => format!("{:.1}", time(times)),
            _ => format!("{:.1} ({:.1}x)", time(times), time(times) / ours),
        }));
        row
    });
    write!(out, "{}", plain(header, rows.collect()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{peers, stores};

    #[test]
    fn every_name_is_an_operation_on_blocks() {
        assert_eq!(operations().count(), NAMES.len());
        assert!(operations().all(|operation| matches!(operation.what, What::Pages { .. })));
    }

    #[test]
    fn two_threads_get_through_and_too_little_memory_is_an_error() {
        let operation = operations().next().unwrap();
        let bitmap = peers::Bitmap::new(64);
        assert!(once(&bitmap, operation, 0, 2).is_ok());
        assert!(once(&bitmap, operation, 7, 1).is_err());
        assert_eq!(stores().unwrap().len(), 3);
    }
}
