//! A fleet that is made up, so that the program shows what it does without any data.

use crate::failure::Failure;
use crate::fleet::stage_one;
use crate::options::Options;
use crate::profile::Profile;
use rayon::prelude::*;
use samples::{Layout, read_vm};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use vmload::{Policy, VmId};

/// Reads 48 machines' files of one week, which are written in memory first: this way the whole program is run.
pub(crate) fn read(layout: &Layout, options: &Options) -> Result<Vec<Profile>, Failure> {
    let stage_one = stage_one(layout.metrics(), options)?;
    let numbers: Vec<u64> = (0..48).collect();
    let read = |&number: &u64| {
        let (name, file) = file(number, options);
        let vm = VmId::new(&name).map_err(|why| Failure::Run(why.to_string()))?;
        let read = read_vm(vm, layout, &Policy::default(), options.on_bad_row(), file.as_bytes());
        let collected = read.map_err(|why| Failure::File { path: name.into(), why })?;
        Ok(Profile::new(&collected, &stage_one, Sha256::digest(&file).into()))
    };
    numbers.par_iter().map(read).collect()
}

/// A machine's week in the Bitbrains layout, a sample every five minutes.
fn file(number: u64, options: &Options) -> (String, String) {
    let mut draw = Draw(number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x5eed);
    let role = match number % 6 {
        0 => Role { name: "batch", cpu: 0.12, memory: 0.35, io: 0.1, day: 0.0, nights: 0.75 },
        1 => Role { name: "web", cpu: 0.1, memory: 0.4, io: 0.15, day: 0.5, nights: 0.0 },
        2 => Role { name: "cache", cpu: 0.08, memory: 0.85, io: 0.1, day: 0.05, nights: 0.0 },
        3 => Role { name: "backup", cpu: 0.05, memory: 0.2, io: 0.15, day: 0.0, nights: 0.25 },
        4 => Role { name: "proxy", cpu: 0.15, memory: 0.15, io: 0.35, day: 0.35, nights: 0.0 },
        _ => Role { name: "spare", cpu: 0.01, memory: 0.05, io: 0.0, day: 0.01, nights: 0.0 },
    };
    let size = draw.next().mul_add(3.0, 1.0).floor();
    let (mhz, kb) = (2_600.0 * size, 4_194_304.0 * size);
    let strength = draw.next().mul_add(0.5, 0.7);
    let io_role = matches!(role.name, "backup" | "proxy");
    let mut text = HEADER.to_owned();
    for sample in 0..7 * 288_u32 {
        let hour = f64::from(sample % 288) / 12.0;
        let day = (((hour - 14.0) / 24.0 * std::f64::consts::TAU).cos()).max(0.0) * role.day;
        let night = if (1.0..4.0).contains(&hour) { role.nights } else { 0.0 };
        let mut around =
            |load: f64| (load * strength * draw.next().mul_add(0.3, 0.85)).clamp(0.0, 1.0);
        let cpu = around(role.cpu + if io_role { day * 0.3 } else { day } + night);
        let memory = around(role.memory + day * 0.2);
        let io = around(role.io + if io_role { day + night * 3.0 } else { day * 0.2 });
        let throughput = io * options.io_full / 4.0;
        // writing to a String cannot fail
        let _ = writeln!(
            text,
            "{};\t{size};\t{mhz};\t{:.3};\t{:.3};\t{kb};\t{:.1};\t{throughput:.3};\t{throughput:.3};\t{throughput:.3};\t{throughput:.3}",
            1_767_571_200 + u64::from(sample) * 300,
            cpu * mhz,
            cpu * 100.0,
            memory * kb,
        );
    }
    (format!("{}-{:02}", role.name, number / 6 + 1), text)
}

struct Role {
    name: &'static str,
    cpu: f64,
    memory: f64,
    io: f64,
    /// More in the afternoon.
    day: f64,
    /// More from one to four.
    nights: f64,
}

/// SplitMix64: the same fleet each time.
struct Draw(u64);

impl Draw {
    /// In [0, 1).
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        crate::profile::float((mixed ^ (mixed >> 31)) >> 11) / 9_007_199_254_740_992.0
    }
}

const HEADER: &str = "Timestamp [ms];\tCPU cores;\tCPU capacity provisioned [MHZ];\tCPU usage [MHZ];\tCPU usage [%];\t\
    Memory capacity provisioned [KB];\tMemory usage [KB];\tDisk read throughput [KB/s];\tDisk write throughput [KB/s];\t\
    Network received throughput [KB/s];\tNetwork transmitted throughput [KB/s]\n";
