//! Parameter sets in files: TOML or JSON as people write them, or signed.

use crate::failure::Failure;
use crate::faults::{self, Faults};
use crate::{keys, mask};
use port::wire::Reader;
use port::{Time, WireError};
use seal::TrustList;
use serde_json::Value;
use standin::{Parameters, ParametersDraft, SealedParameters};
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

/// Reads a valid set, signed or not.
pub(crate) fn read(path: &Path, trust: Option<&Path>) -> Result<Parameters, Failure> {
    match open(path)? {
        Content::Text(value) => {
            let faults = faults::of(value);
            match (faults.parameters, &faults.found[..]) {
                (Some(parameters), []) => Ok(parameters),
                (_, [first, ..]) => Err(Failure::file(path, first)),
                (None, []) => Err(Failure::file(path, "it is no parameter set")),
            }
        }
        Content::Signed(sealed) => {
            let trust = trust.ok_or_else(|| {
                let name = path.display();
                Failure::Usage(format!("{name} is signed: say by --trust whose signature counts"))
            })?;
            verified(path, &sealed, &keys::trust(trust)?)
        }
    }
}

/// All faults of a set that nobody signed yet; a signed one has none, or is not believed.
pub(crate) fn check(path: &Path, trust: Option<&Path>) -> Result<Faults, Failure> {
    match open(path)? {
        Content::Text(value) => Ok(faults::of(value)),
        Content::Signed(_) => read(path, trust).map(|set| Faults {
            found: vec![],
            parameters: Some(set),
            more: false,
        }),
    }
}

/// Checks the signature of a set, whenever it decides.
pub(crate) fn verified(
    path: &Path,
    sealed: &SealedParameters,
    trust: &TrustList,
) -> Result<Parameters, Failure> {
    let draft = body(sealed).map_err(|why| Failure::file(path, why))?;
    let institution = standin::InstitutionId::new(draft.institution)
        .ok_or_else(|| Failure::file(path, "it is no parameter set"))?;
    // At the time when it was issued it was neither over nor stale.
    let then = Time::from_ms(draft.issued_at_ms);
    sealed
        .open(then, trust, institution, 0)
        .map_err(|why| Failure::Refused(format!("{}: {why}", path.display())))
}

/// Reads a signed set; nothing of it is believed.
pub(crate) fn signed(path: &Path) -> Result<SealedParameters, Failure> {
    match open(path)? {
        Content::Signed(sealed) => Ok(sealed),
        Content::Text(_) => Err(Failure::file(path, "it is not signed")),
    }
}

/// Reads a file that is not too large to be what it should be.
pub(crate) fn bytes(path: &Path, most: u64) -> Result<Vec<u8>, Failure> {
    let file = File::open(path).map_err(|why| Failure::file(path, why))?;
    let mut bytes = Vec::new();
    file.take(most + 1).read_to_end(&mut bytes).map_err(|why| Failure::file(path, why))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > most) {
        return Err(Failure::file(path, format!("it is longer than {most} bytes")));
    }
    Ok(bytes)
}

enum Content {
    Text(Value),
    Signed(SealedParameters),
}

fn open(path: &Path) -> Result<Content, Failure> {
    let bytes = bytes(path, BYTES_MAX)?;
    // No text begins with the version of the signed form.
    if bytes.first() == Some(&1) {
        let sealed = SealedParameters::parse(&bytes);
        return sealed
            .map(Content::Signed)
            .map_err(|why| Failure::file(path, format!("it is no signed set: {why}")));
    }
    let text = String::from_utf8(bytes).map_err(|_| Failure::file(path, "it is no text"))?;
    let json = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json"))
        || text.trim_start().starts_with('{');
    let value = if json {
        serde_json::from_str(&text)
            .map_err(|why| Failure::file(path, format!("line {}: it is no JSON", why.line())))?
    } else {
        toml::from_str(&text).map_err(|why| {
            let at = why.span().map_or(0, |span| span.start);
            let line = text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
            Failure::file(
                path,
                format!("line {line}: it is no TOML ({})", mask::digits(why.message())),
            )
        })?
    };
    Ok(Content::Text(value))
}

/// What a signed set says, believed by nobody yet: needed to know when and for whom to open it.
fn body(sealed: &SealedParameters) -> Result<ParametersDraft, WireError> {
    let mut bytes = Vec::new();
    sealed.encode(&mut bytes)?;
    let mut reader = Reader::new(&bytes);
    reader.version(1)?;
    reader.lp8()?;
    reader.u8()?;
    ParametersDraft::parse(reader.lp32()?)
}

/// The form in text is longer than the signed one.
const BYTES_MAX: u64 = 16 * 1024 * 1024;
