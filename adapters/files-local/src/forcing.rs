//! Forcing to disk: one file by itself, or everything of a file system at one time where many wait.

use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Threads that want something on disk. A few are served one by one; where there are many, one of them forces the whole file
/// system for all who came before, which costs about as much as forcing one file.
#[derive(Debug, Default)]
pub(crate) struct Forcing {
    line: Mutex<Line>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Line {
    /// Threads that are in here.
    inside: usize,
    /// The number of the next who waits.
    next: u64,
    /// Whoever has a lower number has been served.
    served: u64,
    is_led: bool,
    /// Rounds that failed, by their numbers, lately.
    failed: Vec<(u64, u64, io::ErrorKind)>,
}

impl Forcing {
    /// Forces what the caller has written: by `alone`, or by whoever calls `all` next.
    pub(crate) fn force(
        &self,
        alone: impl FnOnce() -> io::Result<()>,
        all: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut line = self.line();
        line.inside += 1;
        let is_crowded = line.inside >= CROWD;
        let done = if is_crowded {
            self.queue(line, all)
        } else {
            drop(line);
            alone()
        };
        self.line().inside -= 1;
        done
    }

    /// The same for what the caller has written of many: each by `alone` where they are few.
    pub(crate) fn force_each<T>(
        &self,
        written: &[T],
        alone: impl Fn(&T) -> io::Result<()>,
        all: impl Fn() -> io::Result<()>,
    ) -> Vec<io::Result<()>> {
        if written.len() < CROWD {
            return written.iter().map(|one| self.force(|| alone(one), &all)).collect();
        }
        let mut line = self.line();
        line.inside += 1;
        let done = self.queue(line, all);
        self.line().inside -= 1;
        let done = done.map_err(|why| why.kind());
        written.iter().map(|_| done.map_err(io::Error::from)).collect()
    }

    fn queue<'a>(
        &'a self,
        mut line: MutexGuard<'a, Line>,
        all: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let number = line.next;
        line.next += 1;
        while line.served <= number && line.is_led {
            line = self.moved.wait(line).unwrap_or_else(PoisonError::into_inner);
        }
        if line.served <= number {
            let (first, end) = (line.served, line.next);
            line.is_led = true;
            drop(line);
            let done = all();
            line = self.line();
            line.is_led = false;
            line.served = end;
            if let Err(why) = done {
                if line.failed.len() >= FAILED_MAX {
                    line.failed.remove(0);
                }
                line.failed.push((first, end, why.kind()));
            }
            self.moved.notify_all();
        }
        let mut failed = line.failed.iter();
        match failed.find(|(first, end, _)| (*first..*end).contains(&number)) {
            Some((_, _, kind)) => Err((*kind).into()),
            None => Ok(()),
        }
    }

    /// No code that holds it can panic half way.
    fn line(&self) -> MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// So many at one time are many. Where a file system cannot be forced as a whole, no number is.
const CROWD: usize = if cfg!(target_os = "linux") { 6 } else { usize::MAX };
/// More than rounds that threads can still have to look at.
const FAILED_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::thread;
    use std::time::Duration;

    #[test]
    fn who_comes_alone_is_served_alone() {
        let forcing = Forcing::default();
        for _ in 0..10 {
            forcing.force(|| Ok(()), || panic!("nobody else is here")).unwrap();
        }
        let failed = forcing.force(|| Err(io::ErrorKind::Other.into()), || Ok(()));
        assert_eq!(failed.unwrap_err().kind(), io::ErrorKind::Other);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn many_of_one_thread_are_forced_at_once_and_few_one_by_one() {
        let forcing = Forcing::default();
        let many = [(); CROWD];
        let done = forcing.force_each(&many, |()| panic!("they are many"), || Ok(()));
        assert!(done.len() == CROWD && done.iter().all(Result::is_ok));
        let full = || Err(io::ErrorKind::StorageFull.into());
        let done = forcing.force_each(&many, |()| Ok(()), full);
        assert!(done.len() == CROWD && done.iter().all(Result::is_err));
        let done = forcing.force_each(&many[1..], |()| Ok(()), || panic!("they are few"));
        assert!(done.len() == CROWD - 1 && done.iter().all(Result::is_ok));
        assert_eq!(forcing.line().inside, 0);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_round_serves_who_came_before_it_and_nobody_else() {
        let forcing = Forcing::default();
        // What is written, and what was on disk when a round began that has ended.
        let (written, durable, rounds) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..40 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let mine = written.fetch_add(1, Ordering::SeqCst) + 1;
                        let force = || {
                            let now = written.load(Ordering::SeqCst);
                            thread::sleep(Duration::from_micros(200));
                            durable.fetch_max(now, Ordering::SeqCst);
                            Ok(())
                        };
                        let all = || {
                            rounds.fetch_add(1, Ordering::SeqCst);
                            force()
                        };
                        forcing.force(force, all).unwrap();
                        assert!(durable.load(Ordering::SeqCst) >= mine);
                    }
                });
            }
        });
        assert!(rounds.into_inner() < 400, "few rounds for 800 threads");
        let line = forcing.line();
        assert_eq!((line.inside, line.is_led), (0, false));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn everybody_of_a_round_that_fails_is_told() {
        let forcing = Forcing::default();
        let failed = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..30 {
                scope.spawn(|| {
                    let wait = || {
                        thread::sleep(Duration::from_millis(30));
                        Ok(())
                    };
                    let done = forcing.force(wait, || {
                        thread::sleep(Duration::from_millis(30));
                        Err(io::ErrorKind::StorageFull.into())
                    });
                    failed.fetch_add(u64::from(done.is_err()), Ordering::SeqCst);
                });
            }
        });
        // All but those who came first, one by one.
        assert!(failed.into_inner() >= 30 - CROWD as u64);
    }
}
