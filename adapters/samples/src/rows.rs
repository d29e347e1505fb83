//! Rows of a file, one at a time.

use crate::number::reading;
use crate::slots::Slots;
use crate::{BadRow, Column, Error, Layout};
use core::fmt;
use csv::{ByteRecord, Trim};
use flate2::bufread::MultiGzDecoder;
use port::Time;
use std::io::{self, BufReader, ErrorKind, Read};
use vmload::{Sample, Source, VmId};

/// The rows of one machine's file, in its order; plain or gzipped, which the first bytes tell. Memory is bounded by
/// [`Rows::ROW_BYTES_MAX`], however long the file is. As a [`Source`] it feeds a node with recorded samples.
pub struct Rows<'a> {
    vm: VmId,
    reader: csv::Reader<Bounded<'a>>,
    record: ByteRecord,
    slots: Slots,
    on_bad_row: OnBadRow,
    taken: u64,
    skipped: Skipped,
    line: u64,
}

impl<'a> Rows<'a> {
    /// Reads the header, if the layout has one.
    ///
    /// # Errors
    /// [`Error::NoColumn`], [`Error::Unreadable`], [`Error::Truncated`], [`Error::TooLong`].
    pub fn new(
        vm: VmId,
        layout: &Layout,
        on_bad_row: OnBadRow,
        file: impl Read + Send + 'a,
    ) -> Result<Self, Error> {
        let plain = plain(file).map_err(|why| unreadable(0, &why))?;
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(layout.separator)
            .has_headers(false)
            .flexible(true)
            .trim(Trim::All)
            .buffer_capacity(BUFFER_BYTES)
            .from_reader(Bounded { reader: plain, budget: 0 });
        let mut record = ByteRecord::new();
        if layout.has_header {
            advance(&mut reader, &mut record, 0)?;
        }
        let slots = Slots::new(layout, |column| find(&record, column))?;
        Ok(Self {
            vm,
            reader,
            record,
            slots,
            on_bad_row,
            taken: 0,
            skipped: Skipped::default(),
            line: u64::from(layout.has_header),
        })
    }

    /// The next good row; `None` at the end.
    ///
    /// # Errors
    /// [`Error::BadRow`] if bad ones are refused; [`Error::Unreadable`], [`Error::Truncated`], [`Error::TooLong`].
    pub fn next_row(&mut self) -> Result<Option<Row<'_>>, Error> {
        let at = loop {
            if !advance(&mut self.reader, &mut self.record, self.line)? {
                return Ok(None);
            }
            self.line = self.record.position().map_or(self.line + 1, csv::Position::line);
            // A row counts for the time of those after it even if it is bad.
            let number = self.taken + self.skipped.total();
            let record = &self.record;
            let cell = |place: usize| reading(record.get(place).ok_or(BadRow::Short)?);
            match self.slots.fill(number, cell) {
                Ok(at) => break at,
                Err(why) if self.on_bad_row == OnBadRow::Refuse => {
                    return Err(Error::BadRow { line: self.line, why });
                }
                Err(why) => self.skipped.count(why),
            }
        };
        self.taken += 1;
        let (readings, allotment) = (&self.slots.readings, &self.slots.allotment);
        Ok(Some(Row { at, line: self.line, readings, allotment }))
    }

    /// The bad rows that were passed over so far.
    pub const fn skipped(&self) -> Skipped {
        self.skipped
    }

    /// The longest row, in bytes as read.
    pub const ROW_BYTES_MAX: usize = 64 * 1024;
}

impl fmt::Debug for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rows")
            .field("vm", &self.vm)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl Source for Rows<'_> {
    type Error = Error;

    fn pull(
        &mut self,
        _now: Time,
        samples_max: usize,
        sink: &mut dyn FnMut(Sample),
    ) -> Result<usize, Error> {
        for pulled in 0..samples_max {
            let vm = self.vm.clone();
            let Some(row) = self.next_row()? else { return Ok(pulled) };
            let (readings, allotment) = (row.readings.to_vec(), row.allotment.to_vec());
            sink(Sample { vm, at: row.at, readings, allotment });
        }
        Ok(samples_max)
    }
}

/// A row as numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Row<'a> {
    /// Its time.
    pub at: Time,
    /// Its line in the file, from 1.
    pub line: u64,
    /// A reading for each metric; `None` where the file has none.
    pub readings: &'a [Option<f64>],
    /// What is full load of each metric that reads it from a column; 1 for the others.
    pub allotment: &'a [f64],
}

/// What to do with a row that is not as the layout says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBadRow {
    /// The file is refused, with the line.
    #[default]
    Refuse,
    /// It is passed over and counted.
    Skip,
}

/// Bad rows that were passed over, by what was wrong with them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// A column was missing.
    pub short: u64,
    /// A cell was not a number.
    pub number: u64,
    /// The time could not be used.
    pub time: u64,
    /// The machine was allotted nothing, as while it was off.
    pub allotment: u64,
}

impl Skipped {
    /// All of them.
    pub const fn total(&self) -> u64 {
        self.short + self.number + self.time + self.allotment
    }

    pub(crate) const fn count(&mut self, why: BadRow) {
        match why {
            BadRow::Short => self.short += 1,
            BadRow::Number => self.number += 1,
            BadRow::Time => self.time += 1,
            BadRow::Allotment => self.allotment += 1,
        }
    }
}

/// Ends with an error when more is read for one row than a row may have.
struct Bounded<'a> {
    reader: Box<dyn Read + Send + 'a>,
    budget: usize,
}

impl Read for Bounded<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.budget == 0 {
            return Err(ErrorKind::FileTooLarge.into());
        }
        let read = self.reader.read(buffer)?;
        self.budget = self.budget.saturating_sub(read);
        Ok(read)
    }
}

/// What is inside of the compressed form, if there is one, and behind the byte order mark, if there is one.
fn plain<'a>(file: impl Read + Send + 'a) -> io::Result<Box<dyn Read + Send + 'a>> {
    let (start, file) = start::<2, _>(file)?;
    let whole = BufReader::with_capacity(BUFFER_BYTES, start.clone().chain(file));
    let text: Box<dyn Read + Send + 'a> = if start.into_inner() == GZIP {
        Box::new(MultiGzDecoder::new(whole))
    } else {
        Box::new(whole)
    };
    let (start, text) = self::start::<3, _>(text)?;
    if start.get_ref() == BYTE_ORDER_MARK { Ok(text) } else { Ok(Box::new(start.chain(text))) }
}

/// The first `N` bytes, however few come at a time, and the rest.
fn start<const N: usize, R: Read>(mut file: R) -> io::Result<(io::Cursor<Vec<u8>>, R)> {
    let mut start = Vec::with_capacity(N);
    let wanted = u64::try_from(N).unwrap_or(u64::MAX);
    (&mut file).take(wanted).read_to_end(&mut start)?;
    Ok((io::Cursor::new(start), file))
}

/// The next record; whether there is one.
fn advance(
    reader: &mut csv::Reader<Bounded<'_>>,
    record: &mut ByteRecord,
    line: u64,
) -> Result<bool, Error> {
    // What the buffer holds already is not read again, so that a row may have this much and a buffer more.
    reader.get_mut().budget = Rows::ROW_BYTES_MAX;
    reader.read_byte_record(record).map_err(|why| match why.into_kind() {
        csv::ErrorKind::Io(why) => unreadable(line, &why),
        _ => Error::Unreadable { line, kind: ErrorKind::InvalidData },
    })
}

fn unreadable(line: u64, why: &io::Error) -> Error {
    match why.kind() {
        ErrorKind::UnexpectedEof => Error::Truncated { line },
        ErrorKind::FileTooLarge => Error::TooLong { line: line + 1 },
        kind => Error::Unreadable { line, kind },
    }
}

fn find(header: &ByteRecord, column: &Column) -> Result<usize, Error> {
    match column {
        Column::At(place) => Ok(*place),
        Column::Named(name) => {
            let place = header.iter().position(|cell| cell == name.as_bytes());
            place.ok_or_else(|| Error::NoColumn(name.clone()))
        }
    }
}

const GZIP: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
const BUFFER_BYTES: usize = 32 * 1024;
