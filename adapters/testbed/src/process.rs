//! Processes by number: whether they live, what they are, and how to end them.

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use std::path::Path;
use std::time::{Duration, Instant};

/// Sends a signal; a process that is gone already is no error.
pub(crate) fn signal(pid: u32, signal: Signal) {
    if let Some(pid) = number(pid) {
        let _ = kill_process(pid, signal);
    }
}

/// Whether there is such a process; one that only waits to be collected counts as gone.
pub(crate) fn is_alive(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// Waits until a process that was told to stop does nothing any more.
pub(crate) fn await_stop(pid: u32) {
    let until = Instant::now() + Duration::from_secs(2);
    while stat(pid).is_some_and(|(state, _)| !matches!(state, 'T' | 'Z')) && Instant::now() < until
    {
        std::thread::yield_now();
    }
}

/// Whether they all went within that time.
pub(crate) fn are_gone(pids: &[u32], within: Duration) -> bool {
    let until = Instant::now() + within;
    loop {
        if !pids.iter().any(|pid| is_alive(*pid)) {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The processes that it started and that still are its children.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// Whether a process was started with this argument, such as a server with its data folder.
///
/// Process numbers are used again: this tells a server from a stranger that got its number.
pub(crate) fn has_argument(pid: u32, argument: &Path) -> bool {
    let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).any(|part| part == argument.as_os_str().as_encoded_bytes())
}

/// Takes note of the end of a process, should it have been a child of ours: until then its number is taken.
pub(crate) fn collect(pid: u32) {
    let _ = waitpid(number(pid), WaitOptions::NOHANG);
}

fn number(pid: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(pid).ok()?)
}

/// The state of a process and its parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // the name before it may hold anything, also parentheses
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_process_is_known_by_its_parent_and_its_arguments_until_it_is_gone() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let pid = child.id();
        assert!(is_alive(pid) && children(std::process::id()).contains(&pid));
        // the name changes with `exec`, a moment after `spawn`
        let until = Instant::now() + Duration::from_secs(5);
        while !has_argument(pid, Path::new("60")) && Instant::now() < until {
            std::thread::yield_now();
        }
        assert!(has_argument(pid, Path::new("60")) && !has_argument(pid, Path::new("6")));
        assert!(!are_gone(&[pid], Duration::from_millis(20)));
        signal(pid, Signal::KILL);
        assert!(are_gone(&[pid], Duration::from_secs(5)), "not collected yet, but gone");
        child.wait().unwrap();
        assert!(!is_alive(pid) && !has_argument(pid, Path::new("60")));
    }
}
