//! A program that a command starts: what is run is always shown, and nothing ever waits for a key.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};

/// A program with its arguments, to be run once.
pub(crate) struct Program {
    command: Command,
    line: String,
    limit: Option<Duration>,
}

impl Program {
    /// A program by name or path, without arguments.
    pub(crate) fn new(name: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(name.as_ref());
        command.stdin(Stdio::null());
        Self { command, line: name.as_ref().to_string_lossy().into_owned(), limit: None }
    }

    /// The cargo that started us, so that a `+toolchain` given once holds for everything.
    pub(crate) fn cargo() -> Self {
        let mut cargo = Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        "cargo".clone_into(&mut cargo.line);
        cargo
    }

    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.line.push(' ');
        self.line.push_str(&arg.as_ref().to_string_lossy());
        self.command.arg(arg);
        self
    }

    pub(crate) fn args<A: AsRef<OsStr>>(self, args: impl IntoIterator<Item = A>) -> Self {
        args.into_iter().fold(self, Self::arg)
    }

    pub(crate) fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.line = format!("{name}={} {}", quoted(&value.as_ref().to_string_lossy()), self.line);
        self.command.env(name, value);
        self
    }

    pub(crate) fn envs<'a>(
        self,
        variables: impl IntoIterator<Item = &'a (&'static str, PathBuf)>,
    ) -> Self {
        variables.into_iter().fold(self, |program, (name, value)| program.env(name, value))
    }

    pub(crate) fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Kills the program when it runs longer: for programs that could wait for ever.
    pub(crate) fn limit(mut self, limit: Duration) -> Self {
        self.limit = Some(limit);
        self
    }

    /// Runs it with its output on ours, and shows the line itself among the errors: what it prints is for a program.
    pub(crate) fn run_quietly(mut self) -> Result<()> {
        eprintln!("    $ {}", self.line);
        let status = self.spawn_and_wait(None)?;
        self.judge(status)
    }

    /// Runs it with its output on ours.
    pub(crate) fn run(mut self) -> Result<()> {
        println!("    $ {}", self.line);
        let status = self.spawn_and_wait(None)?;
        self.judge(status)
    }

    /// Runs it, passes its standard output on line by line, and shows each line to `each`.
    pub(crate) fn lines(mut self, mut each: impl FnMut(&str) + Send) -> Result<()> {
        println!("    $ {}", self.line);
        self.command.stdout(Stdio::piped());
        let status = self.spawn_and_wait(Some(&mut |line| {
            each(&String::from_utf8_lossy(line));
            let mut out = std::io::stdout().lock();
            // a closed pipe downstream is no reason to stop the tests
            let _ = out.write_all(line).and_then(|()| out.flush());
        }))?;
        self.judge(status)
    }

    /// Runs it quietly and returns its standard output.
    pub(crate) fn text(mut self) -> Result<String> {
        self.command.stdout(Stdio::piped());
        let mut text = Vec::new();
        let status = self.spawn_and_wait(Some(&mut |line| text.extend_from_slice(line)))?;
        self.judge(status)?;
        String::from_utf8(text).with_context(|| format!("`{}` printed no UTF-8", self.line))
    }

    /// Whether it can be started and succeeds; its output is dropped.
    pub(crate) fn works(mut self) -> bool {
        self.command.stdout(Stdio::null()).stderr(Stdio::null());
        self.command.status().is_ok_and(|status| status.success())
    }

    fn spawn_and_wait(&mut self, each: Option<&mut LineSink<'_>>) -> Result<ExitStatus> {
        let mut child =
            self.command.spawn().with_context(|| format!("`{}` cannot be started", self.line))?;
        let stdout = child.stdout.take();
        std::thread::scope(|scope| {
            if let (Some(stdout), Some(each)) = (stdout, each) {
                scope.spawn(move || read_lines(stdout, each));
            }
            let Some(limit) = self.limit else {
                return Ok(child.wait()?);
            };
            let begun = Instant::now();
            loop {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
                if begun.elapsed() > limit {
                    child.kill()?;
                    child.wait()?;
                    bail!("`{}` was still running after {} s", self.line, limit.as_secs());
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        })
    }

    fn judge(&self, status: ExitStatus) -> Result<()> {
        match status.code() {
            Some(0) => Ok(()),
            Some(code) => Err(anyhow!("`{}` failed with exit code {code}", self.line)),
            None => Err(anyhow!("`{}` was ended by a signal", self.line)),
        }
    }
}

/// Takes the lines of a program's output, with their ends.
type LineSink<'a> = dyn FnMut(&[u8]) + Send + 'a;

/// Where a program of this name is found on the `PATH`.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|dir| dir.join(name)).find(|file| is_executable(file))
}

/// Whether this is a file that may be executed.
pub(crate) fn is_executable(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// All files under a folder, sorted, without following into build folders and hidden ones.
pub(crate) fn files_under(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut dirs = vec![dir.to_owned()];
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = std::fs::read_dir(&dir) else { continue };
        for path in entries.flatten().map(|entry| entry.path()) {
            let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes()[0] == b'.');
            if path.is_dir() {
                // cargo marks its build folders so that backups leave them out; we do too
                if !hidden && !path.join("CACHEDIR.TAG").exists() {
                    dirs.push(path);
                }
            } else {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn read_lines(stdout: impl Read, each: &mut LineSink<'_>) {
    let mut reader = BufReader::new(stdout);
    let mut line = Vec::new();
    while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
        each(&line);
        line.clear();
    }
}

fn quoted(value: &str) -> String {
    if value.contains(' ') { format!("'{value}'") } else { value.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_captured_and_failure_is_an_error() {
        assert_eq!(Program::new("echo").arg("two words").text().unwrap(), "two words\n");
        let error = Program::new("sh").args(["-c", "exit 3"]).text().unwrap_err();
        assert!(error.to_string().ends_with("exit code 3"), "{error}");
        assert!(!Program::new("a-program-that-nobody-has").works());
    }

    #[test]
    fn a_program_past_its_limit_is_killed() {
        let begun = Instant::now();
        let error =
            Program::new("sleep").arg("30").limit(Duration::from_millis(50)).run().unwrap_err();
        assert!(error.to_string().contains("still running"), "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn build_folders_and_hidden_ones_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        for file in ["a/b.rs", "target/CACHEDIR.TAG", "target/x.rs", ".git/config", "c.md"] {
            let file = dir.path().join(file);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, "").unwrap();
        }
        let found = files_under(dir.path());
        let found: Vec<_> = found.iter().map(|f| f.strip_prefix(dir.path()).unwrap()).collect();
        assert_eq!(found, [Path::new("a/b.rs"), Path::new("c.md")]);
    }
}
