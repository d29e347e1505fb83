//! Data objects: a two-digit id, a two-digit length in characters, a value.

use alloc::string::String;

use super::error::{EmvError, Path};

/// One data object (QRCPS MPM v1.1 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Object<'a> {
    /// The id, 0 to 99.
    pub id: u8,
    /// The value, 1 to 99 characters.
    pub value: &'a str,
    /// Where the object's header starts, in bytes from the start of the text it was read from.
    pub at: usize,
}

/// The objects of a payload or template that was already found to be well formed, in their order.
#[derive(Clone, Debug)]
pub struct Objects<'a> {
    walk: Walk<'a>,
}

/// The value of a template: objects within an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Template<'a> {
    text: &'a str,
}

impl<'a> Template<'a> {
    /// Reads `text` as a template: objects that exactly fill it, no id twice, no empty value.
    /// `None` if it is not one.
    pub fn read(text: &'a str) -> Option<Self> {
        check_nested(Path::root(0), text).is_ok().then_some(Self { text })
    }

    /// The objects in their order.
    pub fn objects(&self) -> Objects<'a> {
        Objects::of(self.text)
    }

    /// The value of the object `id`, if it is there.
    pub fn value(&self, id: u8) -> Option<&'a str> {
        self.objects().find(|object| object.id == id).map(|object| object.value)
    }

    /// The globally unique identifier (id 00), which says who defined the template.
    pub fn guid(&self) -> Option<&'a str> {
        self.value(0)
    }
}

impl<'a> Objects<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        Self { walk: Walk::new(text) }
    }
}

impl<'a> Iterator for Objects<'a> {
    type Item = Object<'a>;

    fn next(&mut self) -> Option<Object<'a>> {
        self.walk.step()?.ok()
    }
}

/// Reads objects one after the other; stops for good at the first fault.
#[derive(Clone, Debug)]
pub(super) struct Walk<'a> {
    text: &'a str,
    pub(super) at: usize,
}

/// Why no object could be read at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The four characters of id and length are not four digits.
    Header { at: usize },
    /// The length says more characters than there are left.
    PastEnd { id: u8, at: usize },
    /// The length is 00.
    Empty { id: u8, at: usize },
}

impl<'a> Walk<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    #[inline(always)]
    pub(super) fn step(&mut self) -> Option<Result<Object<'a>, Fault>> {
        let at = self.at;
        let rest = self.text.as_bytes().get(at..)?;
        if rest.is_empty() {
            return None;
        }
        let read = self.object(at, rest);
        // After a fault nothing more can be made sense of.
        self.at = match read {
            Ok((_, end)) => end,
            Err(_) => self.text.len(),
        };
        Some(read.map(|(object, _)| object))
    }

    #[inline(always)]
    fn object(&self, at: usize, rest: &[u8]) -> Result<(Object<'a>, usize), Fault> {
        let header =
            rest.first_chunk::<4>().and_then(|&[a, b, c, d]| Some((pair(a, b)?, pair(c, d)?)));
        let Some((id, chars)) = header else {
            return Err(Fault::Header { at });
        };
        if chars == 0 {
            return Err(Fault::Empty { id, at });
        }
        let start = at + 4;
        let end = end_of(self.text, start, usize::from(chars)).ok_or(Fault::PastEnd { id, at })?;
        let value = self.text.get(start..end).ok_or(Fault::PastEnd { id, at })?;
        Ok((Object { id, value, at }, end))
    }
}

/// Where the `chars` characters that begin at byte `start` end; `None` if there are fewer.
#[inline(always)]
fn end_of(text: &str, start: usize, chars: usize) -> Option<usize> {
    // The common case: plain ASCII, where characters are bytes.
    if let Some(plain) = text.as_bytes().get(start..start + chars)
        && is_plain(plain)
    {
        return Some(start + chars);
    }
    let mut rest = text.get(start..)?.chars();
    for _ in 0..chars {
        rest.next()?;
    }
    Some(text.len() - rest.as_str().len())
}

/// Whether all bytes are ASCII; made for values of a few bytes, which most are.
#[inline(always)]
fn is_plain(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    let high = words.iter().fold(0, |high, word| high | u64::from_ne_bytes(*word));
    let tail = rest.iter().fold(0, |high, byte| high | byte);
    high & 0x8080_8080_8080_8080 == 0 && tail < 0x80
}

/// Two ASCII digits as a number.
#[inline]
pub(super) fn pair(tens: u8, ones: u8) -> Option<u8> {
    (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| (tens - b'0') * 10 + (ones - b'0'))
}

/// Checks that `text` is a template: objects that exactly fill it, no id twice, none empty.
pub(super) fn check_nested(path: Path, text: &str) -> Result<(), EmvError> {
    each_nested(path, text, |_| Ok(())).map(|_| ())
}

/// As [`check_nested`], and each object as `check` says; gives the ids that are there.
#[inline]
pub(super) fn each_nested(
    path: Path,
    text: &str,
    mut check: impl FnMut(Object<'_>) -> Result<(), EmvError>,
) -> Result<Seen, EmvError> {
    let mut walk = Walk::new(text);
    let mut seen = Seen::default();
    while let Some(step) = walk.step() {
        let object = match step {
            Ok(object) => object,
            Err(Fault::Empty { id, .. }) => {
                return Err(EmvError::Empty { path: path.child(id) });
            }
            Err(_) => return Err(EmvError::TemplateBroken { path }),
        };
        if !seen.insert(object.id) {
            return Err(EmvError::Duplicate { path: path.child(object.id) });
        }
        check(object)?;
    }
    Ok(seen)
}

/// Which ids were met so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen(u128);

impl Seen {
    /// Notes `id`; false if it was there already.
    #[inline]
    pub(super) fn insert(&mut self, id: u8) -> bool {
        let bit = 1u128 << (id & 127);
        let fresh = self.0 & bit == 0;
        self.0 |= bit;
        fresh
    }

    #[inline]
    pub(super) fn contains(&self, id: u8) -> bool {
        self.0 & (1u128 << (id & 127)) != 0
    }

    pub(super) fn any_between(&self, first: u8, last: u8) -> bool {
        (first..=last).any(|id| self.contains(id))
    }
}

/// Appends one object; refuses an empty value and one of more than 99 characters.
pub(super) fn push_object(
    out: &mut String,
    path: Path,
    id: u8,
    value: &str,
) -> Result<(), EmvError> {
    let chars = value.chars().count();
    if chars == 0 {
        return Err(EmvError::Empty { path });
    }
    let Some(chars) = u8::try_from(chars).ok().filter(|&chars| chars <= 99) else {
        return Err(EmvError::FieldTooLong { path, limit: 99 });
    };
    for number in [id, chars] {
        out.push(char::from(b'0' + number / 10 % 10));
        out.push(char::from(b'0' + number % 10));
    }
    out.push_str(value);
    Ok(())
}
