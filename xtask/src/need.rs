//! What a test run needs beside Rust: found on the machine, installed when we may, otherwise named
//! exactly.

use std::fs::File;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{Program, find_program, is_executable};

/// A program that tests or benches start.
#[derive(Clone, Copy)]
pub(crate) struct Need {
    /// Why it is needed, for the one who is asked to install it.
    purpose: &'static str,
    /// The variable that hands its path to the tests. Set beforehand, it decides.
    variable: &'static str,
    /// The names under which distributions install it.
    programs: &'static [&'static str],
    /// Where distributions put it outside of the `PATH`.
    folders: fn() -> Vec<PathBuf>,
    /// The Debian package that brings it.
    debian: &'static str,
    /// A file that lies there while the package is installed, to keep it from more than bringing
    /// programs: its path and text.
    meanwhile: Option<(&'static str, &'static str)>,
    /// The packages whose tests start it, or benches by their names.
    packages: &'static [&'static str],
}

/// Everything that tests and benches need. Extend this table when one starts another program.
const NEEDS: &[Need] = &[
    Need {
        purpose: "the browser tests of refbank and vmload-report",
        variable: "INTERBANK_CHROMIUM",
        programs: &["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"],
        folders: Vec::new,
        debian: "chromium",
        meanwhile: None,
        packages: &["refbank", "vmload-report"],
    },
    Need {
        purpose: "the browser test of refbank",
        variable: "INTERBANK_CHROMEDRIVER",
        programs: &["chromedriver"],
        folders: Vec::new,
        debian: "chromium-driver",
        meanwhile: None,
        packages: &["refbank"],
    },
    Need {
        purpose: "reading QR codes back with an independent decoder",
        variable: "INTERBANK_ZBARIMG",
        programs: &["zbarimg"],
        folders: Vec::new,
        debian: "zbar-tools",
        meanwhile: None,
        packages: &["interbank-qrpay", "refbank"],
    },
    Need {
        purpose: "drawing the demo's SVG for that decoder",
        variable: "INTERBANK_RSVG",
        programs: &["rsvg-convert"],
        folders: Vec::new,
        debian: "librsvg2-bin",
        meanwhile: None,
        packages: &["refbank"],
    },
    Need {
        purpose: "tests against a private PostgreSQL",
        variable: testbed::Installation::VARIABLE,
        programs: &["postgres"],
        // Debian: /usr/lib/postgresql/15/bin
        folders: testbed::Installation::program_folders,
        debian: "postgresql",
        // otherwise Debian makes a cluster, and starts it on the standard port
        meanwhile: Some((
            "/etc/postgresql-common/createcluster.d/interbank.conf",
            "create_main_cluster = false\n",
        )),
        packages: &["interbank-testbed", "interbank-store-postgres", "refbank", "xtask"],
    },
    Need {
        purpose: "the tests of filexfer-site with a client that speaks only SFTP",
        // its ssh, scp and ssh-keygen lie in the same folder
        variable: "INTERBANK_SFTP",
        programs: &["sftp"],
        folders: Vec::new,
        debian: "openssh-client",
        meanwhile: None,
        packages: &["filexfer-site"],
    },
    Need {
        purpose: "the bench of file transfers, beside rsync",
        variable: "INTERBANK_RSYNC",
        programs: &["rsync"],
        folders: Vec::new,
        debian: "rsync",
        meanwhile: None,
        packages: &[TRANSFER_BENCH],
    },
    Need {
        purpose: "the bench of file transfers, beside scp",
        variable: "INTERBANK_SSHD",
        programs: &["sshd"],
        folders: || vec!["/usr/sbin".into()],
        debian: "openssh-server",
        // otherwise Debian starts it on the standard port
        meanwhile: Some(("/etc/ssh/sshd_not_to_be_run", "")),
        packages: &[TRANSFER_BENCH],
    },
];

/// What a bench needs is listed under the bench's name.
const TRANSFER_BENCH: &str = "filexfer_transfer";

/// Variables for the tests: name and path of each program found.
pub(crate) type Found = Vec<(&'static str, PathBuf)>;

/// Finds what the tests of these packages need, and installs what is missing when that is allowed
/// and possible.
pub(crate) fn satisfy(packages: &[&str], may_install: bool) -> Result<Found> {
    let machine =
        Machine { is_root: is_root(), has_apt_get: find_program("apt-get").is_some(), may_install };
    let needs = needed_by(packages);
    match plan(&needs, locate, &machine)? {
        Plan::Ready(found) => Ok(found),
        Plan::Tell(advice) => bail!("{advice}"),
        Plan::Install(debian) => {
            install(&needs, &debian).with_context(|| advice(&needs, &debian))?;
            // a second look: a package may have installed something else than we expect
            match plan(&needs, locate, &Machine { may_install: false, ..machine })? {
                Plan::Ready(found) => Ok(found),
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
    let mut text = String::from("programs are needed that are not installed:\n");
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
        None => {
            Ok(need.programs.iter().find_map(|name| find_program(name)).or_else(|| beside(need)))
        }
    }
}

/// A program that is not on the `PATH`.
fn beside(need: &Need) -> Option<PathBuf> {
    let folders = (need.folders)();
    let mut files = folders.iter().flat_map(|dir| need.programs.iter().map(|name| dir.join(name)));
    files.find(|file| is_executable(file))
}

fn install(needs: &[&Need], debian: &[&str]) -> Result<()> {
    let apt = || Program::new("apt-get").env("DEBIAN_FRONTEND", "noninteractive");
    // stale lists are the usual reason for a failing install, and lists we have may do when the
    // update fails
    if let Err(error) = apt().args(["update", "--quiet"]).run() {
        println!("    {error:#}; going on with the package lists at hand");
    }
    let missing = needs.iter().filter(|need| debian.contains(&need.debian));
    let meanwhile = missing
        .filter_map(|need| need.meanwhile)
        .map(|(path, text)| Meanwhile::put(Path::new(path), text).with_context(|| path.to_owned()));
    let _meanwhile: Vec<_> = meanwhile.collect::<Result<_>>()?;
    apt().args(["install", "--yes", "--quiet", "--no-install-recommends"]).args(debian).run()
}

/// A file that goes with this value. What was there before stays.
struct Meanwhile(Option<PathBuf>);

impl Meanwhile {
    fn put(path: &Path, text: &str) -> Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        match File::create_new(path) {
            Ok(mut file) => {
                file.write_all(text.as_bytes())?;
                Ok(Self(Some(path.to_owned())))
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(Self(None)),
            Err(error) => Err(error.into()),
        }
    }
}

impl Drop for Meanwhile {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // a file that stays does no harm: it only says again what is wanted
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Says what was found.
pub(crate) fn report(found: &Found) {
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
        assert_eq!(variables(&["interbank-store-postgres"]), ["INTERBANK_POSTGRES"]);
        assert_eq!(variables(&["filexfer-site"]), ["INTERBANK_SFTP"]);
        assert_eq!(variables(&["filexfer_transfer"]), ["INTERBANK_RSYNC", "INTERBANK_SSHD"]);
        assert_eq!(variables(&["refbank", "interbank-port"]).len(), 5);
    }

    #[test]
    fn found_programs_are_handed_on() {
        let plan = plan(&needed_by(&["refbank"])[..1], only_chromium, &ROOT_ON_DEBIAN).unwrap();
        assert_eq!(plan, Plan::Ready(vec![("INTERBANK_CHROMIUM", "/usr/bin/chromium".into())]));
    }

    #[test]
    fn root_on_debian_installs_what_is_missing_and_only_that() {
        let plan = plan(&needed_by(&["refbank"]), only_chromium, &ROOT_ON_DEBIAN).unwrap();
        assert_eq!(
            plan,
            Plan::Install(vec!["chromium-driver", "zbar-tools", "librsvg2-bin", "postgresql"])
        );
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
            let line =
                "\n  sudo apt-get install -y chromium-driver zbar-tools librsvg2-bin postgresql\n";
            assert!(advice.contains(line), "{advice}");
            assert!(!advice.contains("INTERBANK_CHROMIUM,"), "{advice}");
        }
    }

    #[test]
    fn a_program_is_found_in_the_folders_of_its_distribution() {
        let need = Need {
            programs: &["sh-that-is-not-there", "sh"],
            folders: || vec!["/nowhere".into(), "/bin".into()],
            ..*needed_by(&["xtask"])[0]
        };
        assert_eq!(beside(&need), Some("/bin/sh".into()));
        assert_eq!(beside(&Need { folders: Vec::new, ..need }), None);
    }

    #[test]
    fn what_keeps_a_package_from_more_is_there_only_meanwhile() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf.d/ours.conf");
        let first = Meanwhile::put(&path, "ours").unwrap();
        drop(Meanwhile::put(&path, "second").unwrap());
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "ours", "what was there stays");
        drop(first);
        assert!(!path.exists());
    }
}
