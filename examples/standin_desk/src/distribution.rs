//! The folder that instances take signed sets from, and what each has acknowledged.

use crate::failure::Failure;
use crate::rehearsal::Rehearsal;
use crate::{keys, sets, table, when};
use port::{Time, Zone};
use seal::TrustList;
use serde_json::{Value, json};
use standin::{
    Acknowledgement, InstallVerdict, Offer, Parameters, ParametersDelta, SealedAcknowledgement,
    SealedParameters,
};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// The folder.
pub(crate) struct Distribution {
    folder: PathBuf,
    /// Where the public keys of instances are: not in the folder that instances write to.
    keys: PathBuf,
    /// The files of whole sets by version.
    sets: BTreeMap<u64, PathBuf>,
    /// What each instance acknowledged last; `None` for one that has acknowledged nothing.
    instances: BTreeMap<String, Option<Acknowledgement>>,
}

/// What was put into the folder.
pub(crate) struct Put {
    pub(crate) version: u64,
    /// Name and length of each file.
    pub(crate) files: Vec<(String, usize)>,
}

impl Distribution {
    /// Reads a folder; an empty one, if it is not there and `make` says so. Acknowledgements in it count if the instance's key in
    /// `keys` signed them.
    pub(crate) fn open(folder: &Path, keys: &Path, make: bool) -> Result<Self, Failure> {
        if make {
            let instances = folder.join(INSTANCES);
            fs::create_dir_all(&instances).map_err(|why| Failure::write(&instances, why))?;
        }
        let mut sets = BTreeMap::new();
        for (name, path) in list(folder)? {
            let version = name.strip_prefix("set-").and_then(|name| name.strip_suffix(".signed"));
            if let Some(version) = version.and_then(|digits| digits.parse().ok()) {
                sets.insert(version, path);
            }
        }
        let mut instances = BTreeMap::new();
        for (name, path) in list(&folder.join(INSTANCES))? {
            let mut last: Option<Acknowledgement> = None;
            let trust = keys::of_instance(keys, &name)?;
            for (_, file) in list(&path)?.into_iter().filter(|(name, _)| name.ends_with(".ack")) {
                let (_, one) = acknowledgement(&file, &trust)?;
                if last.is_none_or(|last| last.mark.version < one.mark.version) {
                    last = Some(one);
                }
            }
            instances.insert(name, last);
        }
        Ok(Self { folder: folder.into(), keys: keys.into(), sets, instances })
    }

    /// Puts a signed set into the folder, whole and as changes to what instances hold.
    pub(crate) fn put(
        &mut self,
        now: Time,
        path: &Path,
        trust: &TrustList,
        to: &[String],
    ) -> Result<Put, Failure> {
        let sealed = sets::signed(path)?;
        let parameters = sets::verified(path, &sealed, trust)?;
        let version = parameters.version();
        let bytes = encoded(&sealed)?;
        let mut put = Put { version, files: Vec::new() };
        let there =
            self.sets.get(&version).map(|held| sets::bytes(held, u64::MAX - 1)).transpose()?;
        if there.as_ref() != Some(&bytes) {
            let newest = self.newest();
            // As every instance will check it.
            sealed
                .open(now, trust, parameters.institution(), newest)
                .map_err(|why| Failure::Refused(format!("{}: {why}", path.display())))?;
            if let Some((_, held)) = self.sets.last_key_value() {
                let before = self.verified(held, trust)?;
                if before.institution() != parameters.institution() {
                    let why = "the folder holds sets of another institution";
                    return Err(Failure::Refused(why.into()));
                }
            }
        }
        for name in to {
            keys::of_instance(&self.keys, name)?;
            let path = self.folder.join(INSTANCES).join(name);
            fs::create_dir_all(&path).map_err(|why| Failure::write(&path, why))?;
            self.instances.entry(name.clone()).or_insert(None);
        }
        let held = self.instances.values().flatten().map(|one| one.mark.version);
        let before = self.sets.range(..version).next_back().map(|(version, _)| *version);
        let bases: BTreeSet<u64> = held.chain(before).filter(|base| *base < version).collect();
        for base in bases {
            let Some(path) = self.sets.get(&base) else { continue };
            let base_set = self.verified(path, trust)?;
            let delta = ParametersDelta::between(&base_set, &sealed).map_err(run)?;
            let mut changes = Vec::new();
            delta.encode(&mut changes).map_err(run)?;
            // Where nearly everything has changed, the whole set is the shorter way.
            if changes.len() < bytes.len() {
                let name = format!("set-{version:08}-after-{base:08}.delta");
                self.write(&name, &changes)?;
                put.files.push((name, changes.len()));
            }
        }
        let name = format!("set-{version:08}.signed");
        self.write(&name, &bytes)?;
        self.sets.insert(version, self.folder.join(&name));
        put.files.push((name, bytes.len()));
        Ok(put)
    }

    /// Lets an instance accept a signed set, as its stand-in module would, and sign that it did; what it has accepted before decides
    /// with it.
    pub(crate) fn accept(
        &mut self,
        now: Time,
        path: &Path,
        trust: &TrustList,
        instance: &str,
        signer: &keys::Signer,
    ) -> Result<Acknowledgement, Failure> {
        let held = self.known(instance)?;
        let bytes = sets::bytes(path, u64::try_from(SealedParameters::BYTES_MAX).unwrap_or(0))?;
        let offer: Offer = match (SealedParameters::parse(&bytes), ParametersDelta::parse(&bytes)) {
            (Ok(sealed), _) => sealed.into(),
            (_, Ok(delta)) => delta.into(),
            (Err(_), Err(_)) => {
                return Err(Failure::file(path, "it is no signed set, whole or as changes"));
            }
        };
        let version = match &offer {
            Offer::Whole(sealed) => sets::verified(path, sealed, trust)?.version(),
            Offer::Delta(delta) => delta.result().version,
        };
        let distributed = self.set(version, trust)?;
        let rehearsal = Rehearsal::empty(&distributed, Zone::utc());
        if let Some(held) = held {
            let path = self.path(held.mark.version)?;
            let before = rehearsal.install(held.at, trust, sets::signed(&path)?)?;
            if let InstallVerdict::Refused(why) = before {
                return Err(Failure::Refused(format!("{}: {why}", path.display())));
            }
        }
        match rehearsal.install_signed(now, trust, offer, signer)? {
            InstallVerdict::Accepted { sealed: Some(sealed), .. }
            | InstallVerdict::Repeated { sealed: Some(sealed), .. } => {
                self.record(&sealed, trust, instance)
            }
            InstallVerdict::Refused(why) => {
                Err(Failure::Refused(format!("{}: {why}", path.display())))
            }
            other => Err(Failure::Run(format!("unforeseen: {other:?}"))),
        }
    }

    /// Writes down what an instance has acknowledged itself.
    pub(crate) fn receive(
        &mut self,
        path: &Path,
        trust: &TrustList,
        instance: &str,
    ) -> Result<Acknowledgement, Failure> {
        self.known(instance)?;
        let (sealed, _) = acknowledgement(path, &keys::of_instance(&self.keys, instance)?)?;
        self.record(&sealed, trust, instance)
    }

    /// Which instance has accepted what.
    pub(crate) fn status(&self, json: bool) -> Result<String, Failure> {
        if json {
            return table::json(&self.status_json());
        }
        let newest = self.newest();
        let behind = |held: u64| self.sets.range(held + 1..).count();
        let mut text = match newest {
            0 => "no set was distributed\n".to_owned(),
            version => format!("newest set: version {version}\n"),
        };
        let mut rows = table::new(["instance", "version", "accepted", "decides from", ""]);
        for (name, held) in &self.instances {
            let lag = match (held, behind(held.map_or(0, |held| held.mark.version))) {
                (_, 0) => "up to date".to_owned(),
                (None, _) => "lags: has acknowledged nothing".into(),
                (Some(_), sets) => format!("lags {} behind", table::counted(sets, "set", "sets")),
            };
            let row = match held {
                None => [name.clone(), "-".into(), "-".into(), "-".into(), lag],
                Some(held) => [
                    name.clone(),
                    held.mark.version.to_string(),
                    held.at.to_string(),
                    held.effective_from.to_string(),
                    lag,
                ],
            };
            rows.add_row(row);
        }
        // Writing into a text cannot fail.
        let _ = write!(text, "{rows}");
        Ok(text)
    }

    /// The same, for programs.
    pub(crate) fn status_json(&self) -> Value {
        let instances = self.instances.iter().map(|(name, held)| {
            let version = held.map_or(0, |held| held.mark.version);
            json!({
                "instance": name,
                "version": held.map(|held| held.mark.version),
                "accepted_at_ms": held.map(|held| held.at.as_ms()),
                "effective_from_ms": held.map(|held| held.effective_from.as_ms()),
                "sets_behind": self.sets.range(version + 1..).count(),
            })
        });
        json!({ "newest": self.newest(), "instances": instances.collect::<Vec<_>>() })
    }

    /// The highest version; 0 without any.
    fn newest(&self) -> u64 {
        self.sets.last_key_value().map_or(0, |(version, _)| *version)
    }

    fn record(
        &mut self,
        sealed: &SealedAcknowledgement,
        trust: &TrustList,
        instance: &str,
    ) -> Result<Acknowledgement, Failure> {
        let opened = sealed.open(when::now(), &keys::of_instance(&self.keys, instance)?);
        let acknowledgement = opened
            .map_err(|why| Failure::Refused(format!("the acknowledgement of {instance}: {why}")))?;
        let version = acknowledgement.mark.version;
        let distributed = self.set(version, trust)?;
        let same = distributed.mark() == acknowledgement.mark
            && distributed.institution() == acknowledgement.institution;
        if !same {
            let why = "the acknowledgement is of another set than the one that was distributed";
            return Err(Failure::Refused(why.into()));
        }
        let name = format!("{INSTANCES}/{instance}/{version:08}.ack");
        let mut bytes = Vec::new();
        sealed.encode(&mut bytes).map_err(run)?;
        self.write(&name, &bytes)?;
        let held = self.instances.entry(instance.into()).or_insert(None);
        if held.is_none_or(|held| held.mark.version <= version) {
            *held = Some(acknowledgement);
        }
        Ok(acknowledgement)
    }

    /// What a known instance has acknowledged last.
    fn known(&self, instance: &str) -> Result<Option<Acknowledgement>, Failure> {
        self.instances.get(instance).copied().ok_or_else(|| {
            Failure::Usage(format!("nothing was distributed to {instance}; see distribute --to"))
        })
    }

    fn set(&self, version: u64, trust: &TrustList) -> Result<Parameters, Failure> {
        self.verified(&self.path(version)?, trust)
    }

    fn path(&self, version: u64) -> Result<PathBuf, Failure> {
        self.sets.get(&version).cloned().ok_or_else(|| {
            Failure::Refused(format!("no set of version {version} was distributed here"))
        })
    }

    fn verified(&self, path: &Path, trust: &TrustList) -> Result<Parameters, Failure> {
        sets::verified(path, &sets::signed(path)?, trust)
    }

    /// Whole or not at all: instances may be reading.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let path = self.folder.join(name);
        let draft = path.with_extension("draft");
        // What a run that was cut short left behind.
        let _ = fs::remove_file(&draft);
        keys::write_new(&draft, bytes, false)?;
        fs::rename(&draft, &path).map_err(|why| Failure::write(&path, why))
    }
}

/// The name of an instance: also that of its folder.
pub(crate) fn name(text: &str) -> Result<String, String> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_');
    let fits = (1..=64).contains(&text.len()) && text.chars().all(plain);
    fits.then(|| text.to_owned()).ok_or_else(|| "it has up to 64 letters, digits, - and _".into())
}

fn list(folder: &Path) -> Result<Vec<(String, PathBuf)>, Failure> {
    let entries = fs::read_dir(folder).map_err(|why| Failure::file(folder, why))?;
    let mut all = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|why| Failure::file(folder, why))?;
        if let Ok(name) = entry.file_name().into_string() {
            all.push((name, entry.path()));
        }
    }
    all.sort();
    Ok(all)
}

/// Reads what an instance acknowledged, and checks who did.
fn acknowledgement(
    path: &Path,
    trust: &TrustList,
) -> Result<(SealedAcknowledgement, Acknowledgement), Failure> {
    let bytes = sets::bytes(path, ACKNOWLEDGEMENT_BYTES_MAX)?;
    let sealed = SealedAcknowledgement::parse(&bytes)
        .map_err(|why| Failure::file(path, format!("it is no acknowledgement: {why}")))?;
    let opened = sealed.open(when::now(), trust);
    let opened = opened.map_err(|why| Failure::Refused(format!("{}: {why}", path.display())))?;
    Ok((sealed, opened))
}

fn encoded(sealed: &SealedParameters) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    sealed.encode(&mut bytes).map_err(run)?;
    Ok(bytes)
}

fn run(why: impl std::fmt::Display) -> Failure {
    Failure::Run(why.to_string())
}

const INSTANCES: &str = "acknowledged";
const ACKNOWLEDGEMENT_BYTES_MAX: u64 = 256;
