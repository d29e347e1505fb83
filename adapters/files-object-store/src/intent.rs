//! What a name was before a transfer was to be published under it, so that after a crash it can be told whether it was.

use filexfer::FileName;
use object_store::ObjectMeta;
use port::wire::{Reader, Writer};

/// Written before anything is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Intent {
    pub(crate) name: String,
    pub(crate) before: Option<[u8; 32]>,
}

impl Intent {
    pub(crate) fn new(name: &FileName, before: Option<&ObjectMeta>) -> Self {
        Self { name: name.as_str().to_owned(), before: before.map(mark) }
    }

    pub(crate) fn encode(&self) -> Result<Vec<u8>, port::WireError> {
        let mut bytes = Vec::new();
        let mut to = Writer::new(&mut bytes, VERSION);
        to.lp16(self.name.as_bytes())?;
        to.lp8(self.before.as_ref().map_or(&[][..], |mark| mark))?;
        Ok(bytes)
    }

    /// `None` if it is none, as of a writer that was cut off.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let parse = || {
            let mut from = Reader::new(bytes);
            from.version(VERSION)?;
            let name = Reader::text(from.lp16()?)?.to_owned();
            let before = from.lp8()?.to_vec();
            from.finish()?;
            Ok::<_, port::WireError>((name, before))
        };
        let (name, before) = parse().ok()?;
        let before = match &before[..] {
            [] => None,
            mark => Some(mark.try_into().ok()?),
        };
        Some(Self { name, before })
    }
}

/// What tells an object from the one that takes its place.
pub(crate) fn mark(meta: &ObjectMeta) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in [&meta.e_tag, &meta.version] {
        let part = part.as_deref().unwrap_or_default().as_bytes();
        hasher.update(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes()).update(part);
    }
    hasher.update(&meta.size.to_be_bytes());
    hasher.update(&meta.last_modified.timestamp_millis().to_be_bytes());
    *hasher.finalize().as_bytes()
}

const VERSION: u8 = 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intent_is_read_as_it_was_written_and_nothing_else_is() {
        for before in [None, Some([7; 32])] {
            let intent = Intent { name: "out/day.csv".into(), before };
            let bytes = intent.encode().unwrap();
            assert_eq!(Intent::parse(&bytes), Some(intent));
            assert_eq!(Intent::parse(&bytes[..bytes.len() - 1]), None);
            assert_eq!(Intent::parse(&[&bytes[..], &[0]].concat()), None);
        }
        assert_eq!(Intent::parse(&[]), None);
        assert_eq!(Intent::parse(&[1, 0, 1, b'a', 2, 0, 0]), None, "no mark has two bytes");
        assert_eq!(Intent::parse(&[2, 0, 1, b'a', 0]), None, "another version");
    }
}
