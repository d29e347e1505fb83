//! What a test run needs beside Rust: found on the machine, installed when we may, otherwise named
//! exactly.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{Program, find_program, is_executable};

/// A program that tests start.
pub(crate) struct Need {
    /// Why it is needed, for the one who is asked to install it.
    purpose: &'static str,
    /// The variable that hands its path to the tests. Set beforehand, it decides.
    variable: &'static str,
    /// The names under which distributions install it.
    programs: &'static [&'static str],
    /// The Debian package that brings it.
    debian: &'static str,
    /// The packages whose tests start it.
    packages: &'static [&'static str],
}

/// Everything that tests need. Extend this table when a test starts another program.
const NEEDS: &[Need] = &[
    Need {
        purpose: "the browser test of refbank",
        variable: "INTERBANK_CHROMIUM",
        programs: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
        debian: "chromium",
        packages: &["refbank"],
    },
    Need {
        purpose: "the browser test of refbank",
        variable: "INTERBANK_CHROMEDRIVER",
        programs: &["chromedriver"],
        debian: "chromium-driver",
        packages: &["refbank"],
    },
    Need {
        purpose: "reading QR codes back with an independent decoder",
        variable: "INTERBANK_ZBARIMG",
        programs: &["zbarimg"],
        debian: "zbar-tools",
        packages: &["interbank-qrpay", "refbank"],
    },
];

/// Variables for the tests: name and path of each program found.
pub(crate) type Found = Vec<(&'static str, PathBuf)>;

/// Finds what the tests of these packages need, and installs what is missing when that is allowed
/// and possible.
pub(crate) fn satisfy(packages: &[&str], may_install: bool) -> Result<Found> {
    let machine =
        Machine { is_root: is_root(), has_apt_get: find_program("apt-get").is_some(), may_install };
    let needs = needed_by(packages);
    match plan(&needs, locate, &machine)? {
        Plan::Ready(found) => {
            report(&found);
            Ok(found)
        }
        Plan::Tell(advice) => bail!("{advice}"),
        Plan::Install(debian) => {
            install(&debian).with_context(|| advice(&needs, &debian))?;
            // a second look: a package may have installed something else than we expect
            match plan(&needs, locate, &Machine { may_install: false, ..machine })? {
                Plan::Ready(found) => {
                    report(&found);
                    Ok(found)
                }
                Plan::Tell(advice) => {
                    bail!("{} was installed, but still: {advice}", debian.join(" "))
                }
                Plan::Install(_) => {
                    bail!("installed {}, and it is still missing", debian.join(" "))
                }
            }
        }
    }
}

/// What can be done on this machine.
#[derive(Clone, Copy)]
struct Machine {
    is_root: bool,
    has_apt_get: bool,
    may_install: bool,
}

/// What to do about the needs.
#[derive(Debug, PartialEq)]
enum Plan {
    Ready(Found),
    Install(Vec<&'static str>),
    Tell(String),
}

fn needed_by(packages: &[&str]) -> Vec<&'static Need> {
    NEEDS.iter().filter(|need| need.packages.iter().any(|p| packages.contains(p))).collect()
}

fn plan(
    needs: &[&'static Need],
    locate: impl Fn(&Need) -> Result<Option<PathBuf>>,
    machine: &Machine,
) -> Result<Plan> {
    let mut found = Vec::new();
    let mut missing = Vec::new();
    for need in needs {
        match locate(need)? {
            Some(path) => found.push((need.variable, path)),
            None => missing.push(need.debian),
        }
    }
    Ok(if missing.is_empty() {
        Plan::Ready(found)
    } else if machine.may_install && machine.is_root && machine.has_apt_get {
        Plan::Install(missing)
    } else {
        Plan::Tell(advice(needs, &missing))
    })
}

fn advice(needs: &[&Need], missing: &[&str]) -> String {
    let mut text = String::from("the tests need programs that are not installed:\n");
    for need in needs.iter().filter(|need| missing.contains(&need.debian)) {
        text.push_str(&format!("  {} for {}\n", need.programs[0], need.purpose));
    }
    text.push_str("install them with\n  sudo apt-get install -y ");
    text.push_str(&missing.join(" "));
    text.push_str("\nor, where they have other names, give their paths in ");
    let variables: Vec<_> =
        needs.iter().filter(|n| missing.contains(&n.debian)).map(|n| n.variable).collect();
    text.push_str(&variables.join(", "));
    text
}

fn locate(need: &Need) -> Result<Option<PathBuf>> {
    match std::env::var_os(need.variable) {
        Some(path) if is_executable(Path::new(&path)) => Ok(Some(path.into())),
        Some(path) => bail!("{}={} is no program", need.variable, path.to_string_lossy()),
        None => Ok(need.programs.iter().find_map(|name| find_program(name))),
    }
}

fn install(debian: &[&str]) -> Result<()> {
    let apt = || Program::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive");
    // stale lists are the usual reason for a failing install, and lists we have may do when the
    // update fails
    if let Err(error) = apt().args(["update", "--quiet"]).run() {
        println!("    {error:#}; going on with the package lists at hand");
    }
    apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(debian).run()
}

fn report(found: &Found) {
    for (variable, path) in found {
        println!("    {variable}={}", path.display());
    }
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    // a process owns its own entry in /proc
    std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT_ON_DEBIAN: Machine = Machine { is_root: true, has_apt_get: true, may_install: true };

    fn only_chromium(need: &Need) -> Result<Option<PathBuf>> {
        Ok((need.debian == "chromium").then(|| "/usr/bin/chromium".into()))
    }

    #[test]
    fn only_the_needs_of_the_tested_packages_count() {
        let variables = |packages: &[&str]| -> Vec<_> {
            needed_by(packages).iter().map(|need| need.variable).collect()
        };
        assert_eq!(variables(&["interbank-port"]), [""; 0]);
        assert_eq!(variables(&["interbank-qrpay"]), ["INTERBANK_ZBARIMG"]);
        assert_eq!(variables(&["refbank", "interbank-port"]).len(), 3);
    }

    #[test]
    fn found_programs_are_handed_on() {
        let plan = plan(&needed_by(&["refbank"])[..1], only_chromium, &ROOT_ON_DEBIAN).unwrap();
        assert_eq!(plan, Plan::Ready(vec![("INTERBANK_CHROMIUM", "/usr/bin/chromium".into())]));
    }

    #[test]
    fn root_on_debian_installs_what_is_missing_and_only_that() {
        let plan = plan(&needed_by(&["refbank"]), only_chromium, &ROOT_ON_DEBIAN).unwrap();
        assert_eq!(plan, Plan::Install(vec!["chromium-driver", "zbar-tools"]));
    }

    #[test]
    fn who_may_not_install_is_told_the_one_line() {
        for machine in [
            Machine { is_root: false, ..ROOT_ON_DEBIAN },
            Machine { has_apt_get: false, ..ROOT_ON_DEBIAN },
            Machine { may_install: false, ..ROOT_ON_DEBIAN },
        ] {
            let Plan::Tell(advice) =
                plan(&needed_by(&["refbank"]), only_chromium, &machine).unwrap()
            else {
                panic!("installed without being allowed");
            };
            let line = "\n  sudo apt-get install -y chromium-driver zbar-tools\n";
            assert!(advice.contains(line), "{advice}");
            assert!(!advice.contains("INTERBANK_CHROMIUM,"), "{advice}");
        }
    }
}
