//! Where the programs of PostgreSQL are, and as whom they run.

use crate::Error;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The programs of one PostgreSQL and the user who runs them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Installation {
    programs: PathBuf,
    user: Option<User>,
}

/// PostgreSQL refuses to run as root: root hands it to this user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl Installation {
    /// The variable that names the program `postgres`; set, it decides.
    pub const VARIABLE: &'static str = "INTERBANK_POSTGRES";

    /// Looks where [`Self::VARIABLE`] says, on the `PATH`, and in [`program_folders`](Self::program_folders).
    ///
    /// # Errors
    /// There is none, or none that can be run: what to install.
    pub fn find() -> Result<Self, Error> {
        match std::env::var_os(Self::VARIABLE) {
            Some(postgres) => Self::at(Path::new(&postgres)),
            None => {
                let path = std::env::var_os("PATH").unwrap_or_default();
                let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
                folders.extend(Self::program_folders());
                let postgres = folders.iter().map(|folder| folder.join("postgres"));
                match postgres.into_iter().find(|file| is_program(file)) {
                    Some(postgres) => Self::at(&postgres),
                    None => Err(Error::new(NOT_FOUND)),
                }
            }
        }
    }

    /// The PostgreSQL whose program `postgres` this is.
    ///
    /// # Errors
    /// It is no program, or those that belong to it are not beside it.
    pub fn at(postgres: &Path) -> Result<Self, Error> {
        if !is_program(postgres) {
            return Err(Error::while_doing(postgres.display(), "no program"));
        }
        // a link on the `PATH` often stands alone; what it belongs to is beside its target
        let real = postgres.canonicalize().unwrap_or_else(|_| postgres.to_owned());
        for file in [real.as_path(), postgres] {
            let folder = file.parent().unwrap_or(Path::new("."));
            if ["initdb", "pg_basebackup", "psql"].iter().all(|name| is_program(&folder.join(name)))
            {
                return Ok(Self { programs: folder.to_owned(), user: unprivileged()? });
            }
        }
        Err(Error::while_doing(
            postgres.display(),
            "initdb, pg_basebackup and psql are not beside it",
        ))
    }

    /// Where distributions keep the programs of the server outside of the `PATH`, the newest version first.
    pub fn program_folders() -> Vec<PathBuf> {
        let mut found = Vec::new();
        for (home, inner) in [("/usr/lib/postgresql", "bin"), ("/usr", "bin")] {
            let Ok(entries) = std::fs::read_dir(home) else { continue };
            for entry in entries.flatten() {
                let name = entry.file_name();
                // Debian: /usr/lib/postgresql/15/bin; Red Hat: /usr/pgsql-15/bin
                let name = name.to_string_lossy();
                let version =
                    if home == "/usr" { name.strip_prefix("pgsql-") } else { Some(&*name) };
                if let Some(version) = version.and_then(|text| text.parse::<u32>().ok()) {
                    found.push((version, entry.path().join(inner)));
                }
            }
        }
        found.sort();
        found.into_iter().rev().map(|(_, folder)| folder).collect()
    }

    /// The folder with the programs.
    pub fn programs(&self) -> &Path {
        &self.programs
    }

    /// One of the programs, as the user who may run it, with nothing of our environment that could lead it elsewhere.
    pub(crate) fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = self.as_user(self.programs.join(program), folder);
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command
    }

    /// Any program as that user.
    pub(crate) fn as_user(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(folder).stdin(Stdio::null());
        if let Some(User { uid, gid }) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Hands a file or folder that we wrote to that user.
    pub(crate) fn give(&self, path: &Path) -> Result<(), Error> {
        let Some(User { uid, gid }) = self.user else { return Ok(()) };
        std::os::unix::fs::chown(path, Some(uid), Some(gid))
            .map_err(|why| Error::while_doing(path.display(), why))
    }
}

fn is_program(file: &Path) -> bool {
    file.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Nobody, if we are root.
fn unprivileged() -> Result<Option<User>, Error> {
    if !rustix::process::geteuid().is_root() {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd")
        .map_err(|why| Error::while_doing("/etc/passwd", why))?;
    match user(&users, "nobody") {
        Some(user) => Ok(Some(user)),
        None => Err(Error::new("PostgreSQL refuses to run as root, and there is no user `nobody`")),
    }
}

fn user(users: &str, name: &str) -> Option<User> {
    let line = users.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some(User { uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

const NOT_FOUND: &str = "there is no PostgreSQL server here. Install it with\n  sudo apt-get install -y postgresql\n\
     or give the path of its program `postgres` in INTERBANK_POSTGRES";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_found_by_the_whole_name() {
        let users =
            "root:x:0:0::/root:/bin/sh\nnobody2:x:7:8::/:\nnobody:x:65534:65533:n:/:/bin/false\n";
        assert_eq!(user(users, "nobody"), Some(User { uid: 65_534, gid: 65_533 }));
        assert_eq!(user(users, "body"), None);
    }

    #[test]
    fn a_link_leads_to_the_programs_beside_its_target() {
        let dir = tempfile::tempdir().unwrap();
        let (real, links) = (dir.path().join("bin"), dir.path().join("links"));
        std::fs::create_dir_all(&real).unwrap();
        std::fs::create_dir_all(&links).unwrap();
        for name in ["postgres", "initdb", "pg_basebackup", "psql"] {
            std::fs::write(real.join(name), "").unwrap();
            std::fs::set_permissions(real.join(name), PermissionsExt::from_mode(0o755)).unwrap();
        }
        std::os::unix::fs::symlink(real.join("postgres"), links.join("postgres")).unwrap();
        let found = Installation::at(&links.join("postgres")).unwrap();
        assert_eq!(found.programs(), real.canonicalize().unwrap());
        std::fs::remove_file(real.join("initdb")).unwrap();
        let refused = Installation::at(&links.join("postgres")).unwrap_err().to_string();
        assert!(refused.ends_with("initdb, pg_basebackup and psql are not beside it"), "{refused}");
        assert!(Installation::at(dir.path()).is_err());
    }
}
