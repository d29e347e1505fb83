//! `cargo xtask kills`: one file transfer over a bad line, and a SIGKILL every moment.

use anyhow::Result;
use clap::Args;

use crate::shell::Program;

/// Kills the servers of filexfer-site at random moments while one file moves, and counts what moves
/// again.
///
/// The line has 50 ms and loses one packet in a hundred: network namespaces with tc netem where this
/// may make them (as root, with iproute2, where the kernel has netem), otherwise a relay between two
/// processes. The tests have a short run of the same.
#[derive(Args)]
pub(crate) struct Kills {
    /// How many kills
    #[arg(long, default_value_t = 50)]
    kills: u32,
    /// The size of the file, in MiB
    #[arg(long, default_value_t = 2_048)]
    mib: u32,
}

impl Kills {
    pub(crate) fn run(self) -> Result<()> {
        Program::cargo()
            .args(["test", "--release", "--package", "filexfer-site", "--test", "program"])
            .args(["--", "--ignored", "--nocapture", "many_kills_at_random_moments"])
            .env("INTERBANK_KILLS", self.kills.to_string())
            .env("INTERBANK_MIB", self.mib.to_string())
            .run()?;
        println!("xtask kills: ok: {} kills in {} MiB", self.kills, self.mib);
        Ok(())
    }
}
