//! So many pieces of work at a time, and how they are stopped.
//!
//! Workers take the next piece and hand back what came of it to the one thread that keeps it. Invariant: all workers
//! have ended when [`each`] returns, so that whatever guards they hold have been dropped.

use anyhow::{Context as _, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

/// Does `work` on each of `items`, `jobs` at a time, and calls `finished` on this thread with what each gave.
///
/// No piece is begun once `stop` is set; `None` is of one that was stopped. An error sets it.
///
/// # Errors
///
/// The first of `finished`.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    stop: &AtomicBool,
    work: impl Fn(&T) -> Option<R> + Sync,
    mut finished: impl FnMut(&T, R) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let (next, work) = (&next, &work);
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            let sender = sender.clone();
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed)
                    && let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    if let Some(result) = work(item)
                        && sender.send((item, result)).is_err()
                    {
                        break;
                    }
                }
            });
        }
        // The channel ends with the last worker.
        drop(sender);
        let mut first = Ok(());
        for (item, result) in receiver {
            if first.is_ok() {
                first = finished(item, result);
            }
            if first.is_err() {
                stop.store(true, Ordering::Relaxed);
            }
        }
        first
    })
}

/// A flag that Ctrl-C sets, or SIGTERM. A second one ends this process at once.
///
/// # Errors
///
/// When the host refuses.
pub fn stop_on_signal() -> Result<Arc<AtomicBool>> {
    let stop = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&stop);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            process::exit(super::EXIT_INTERRUPTED.into());
        }
    })
    .context("can not wait for signals")?;
    Ok(stop)
}

/// The progress of `count` pieces of work, on standard error if that is a terminal; otherwise nothing.
pub fn bar(count: usize) -> ProgressBar {
    let bar = ProgressBar::new(count.try_into().unwrap_or(u64::MAX));
    let style = "{wide_bar} {pos} of {len} boots, {eta} left";
    // A bar of another look is no reason to stop.
    if let Ok(style) = ProgressStyle::with_template(style) {
        bar.set_style(style);
    }
    bar.tick();
    bar
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::bail;

    #[test]
    fn every_piece_is_done_once_whatever_the_number_of_workers() {
        for jobs in [1, 3, 500] {
            let items: Vec<u32> = (0..200).collect();
            let (stop, mut sum, mut count) = (AtomicBool::new(false), 0, 0);
            each(
                &items,
                jobs,
                &stop,
                |item| Some(2 * item),
                |item, twice| {
                    assert_eq!(2 * item, twice);
                    (sum, count) = (sum + item, count + 1);
                    Ok(())
                },
            )
            .unwrap();
            assert_eq!((count, sum), (200, 199 * 100), "{jobs} workers");
        }
        each(&[0_u32; 0], 2, &AtomicBool::new(false), |_| Some(()), |_, ()| Ok(())).unwrap();
    }

    #[test]
    fn no_piece_is_begun_after_a_stop() {
        let (stop, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        let mut kept = 0;
        let work = |item: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            if *item == 10 {
                stop.store(true, Ordering::Relaxed);
                return None;
            }
            Some(())
        };
        let items: Vec<usize> = (0..100).collect();
        each(&items, 1, &stop, work, |_, ()| {
            kept += 1;
            Ok(())
        })
        .unwrap();
        assert_eq!((begun.into_inner(), kept), (11, 10));
    }

    #[test]
    fn an_error_stops_the_rest_and_nothing_is_kept_after_it() {
        let items: Vec<usize> = (0..10_000).collect();
        let (stop, mut calls) = (AtomicBool::new(false), 0);
        let error = each(
            &items,
            2,
            &stop,
            |_| Some(()),
            |_, ()| {
                calls += 1;
                bail!("disk full")
            },
        );
        assert_eq!((error.unwrap_err().to_string().as_str(), calls), ("disk full", 1));
        assert!(stop.into_inner());
    }
}
