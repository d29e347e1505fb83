//! QR symbols (ISO/IEC 18004): made, checked for a logo, and drawn.
//!
//! [`Symbol::encode`] turns a text into a square of modules. The data and check codewords are laid
//! out by the `qrcodegen` crate under one mask; this module then tries all eight masks on whole
//! rows of bits at a time and keeps the one with the lowest penalty. The symbol is the same,
//! module for module, that `qrcodegen` chooses by itself, many times sooner.
//!
//! A symbol is drawn as SVG ([`Symbol::to_svg`]), for a terminal ([`Symbol::to_terminal`]), as grey
//! pixels ([`Symbol::pixels`]) and, with the feature `png`, as a PNG file (`Symbol::to_png`). All of
//! them draw the quiet zone of four modules unless told otherwise, and all sizes are exact: a
//! module is a whole number of pixels.
//!
//! A [`Logo`] in the middle destroys codewords. It is refused, with numbers, when it would cover a
//! function pattern or more codewords of a block than the level can restore less a reserve.
//!
//! ```
//! use interbank_qrpay::symbol::{Level, Options, SvgStyle, Symbol, TerminalStyle};
//!
//! let options = Options { level: Level::Q, ..Options::default() };
//! let symbol = Symbol::encode("QP1.AQAKT1JERVItMDAwMaChoqOkpaanqKmqq6ytrq8", &options)?;
//! assert_eq!((symbol.version().number(), symbol.size()), (4, 33));
//!
//! let style = SvgStyle { title: Some("Pay 123.45 to Book Shop"), ..SvgStyle::default() };
//! let svg = symbol.to_svg(&style)?;
//! assert!(svg.starts_with("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 41 41\""));
//!
//! let drawing = symbol.to_terminal(&TerminalStyle::default());
//! assert_eq!(drawing.lines().count(), 21); // two rows of modules a line
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```
//!
//! What it does not do: Kanji mode, structured append, Micro QR, and reading symbols.

mod grid;
mod layout;
mod logo;
mod mask;
mod penalty;
mod pixels;
#[cfg(feature = "png")]
mod png;
mod segment;
mod svg;
mod terminal;

use alloc::vec::Vec;
use core::fmt;

use qrcodegen::{QrCode, QrCodeEcc};

pub use layout::{Codeword, Layout};
pub use logo::{Clearing, Logo, LogoError};
pub use mask::Mask;
pub use pixels::{PixelStyle, Pixels};
#[cfg(feature = "png")]
pub use png::PngError;
pub use segment::Segment;
pub use svg::{Art, Colour, SvgError, SvgLogo, SvgStyle};
pub use terminal::{Background, TerminalStyle};

use grid::Grid;
use mask::Unmasked;
use segment::BitWriter;

/// A QR symbol: a square of dark and light modules.
///
/// Equal text and options give an equal symbol, on every platform.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    version: Version,
    level: Level,
    mask: Mask,
    grid: Grid,
}

impl Symbol {
    /// The smallest symbol within the options that holds the text.
    ///
    /// # Errors
    /// [`SymbolError::TooLong`] when no allowed version holds it, [`SymbolError::NoVersion`] when
    /// the options allow none.
    pub fn encode(text: &str, options: &Options) -> Result<Self, SymbolError> {
        Self::draw(&Plan::of_text(text, options)?, options)
    }

    /// The smallest symbol within the options that holds the segments in their order.
    /// [`Options::segmentation`] and [`Options::utf8_eci`] have no meaning here.
    ///
    /// # Errors
    /// As [`Symbol::encode`].
    pub fn encode_segments(
        segments: &[Segment<'_>],
        options: &Options,
    ) -> Result<Self, SymbolError> {
        Self::draw(&Plan::of_segments(segments.to_vec(), options)?, options)
    }

    /// The smallest symbol within the options that holds the text and bears the logo.
    ///
    /// Some versions have an alignment pattern in the middle (7 to 13, 21 to 27, 35 to 40); they
    /// are passed over, as are versions in which the logo covers too much.
    ///
    /// # Errors
    /// As [`Symbol::encode`], and [`SymbolError::Logo`] with the complaint of the largest version
    /// tried when no allowed version bears the logo.
    pub fn encode_with_logo(
        text: &str,
        options: &Options,
        logo: &Logo,
    ) -> Result<Self, SymbolError> {
        let mut refusal = None;
        let mut options = options.clone();
        loop {
            let plan = match Plan::of_text(text, &options) {
                Ok(plan) => plan,
                Err(error) => return Err(refusal.unwrap_or(error)),
            };
            match logo.place(&Layout::new(plan.version, plan.level)) {
                Ok(_) => return Self::draw(&plan, &options),
                Err(error) => refusal = Some(SymbolError::Logo(error)),
            }
            match plan.version.next() {
                Some(next) => options.min_version = next,
                None => return Err(refusal.unwrap_or(SymbolError::NoVersion)),
            }
        }
    }

    /// The version, which gives the size.
    pub fn version(&self) -> Version {
        self.version
    }

    /// The error-correction level; above that of the options when it was boosted.
    pub fn level(&self) -> Level {
        self.level
    }

    /// The mask.
    pub fn mask(&self) -> Mask {
        self.mask
    }

    /// Modules a side, without the quiet zone: 21 to 177.
    pub fn size(&self) -> usize {
        self.grid.size()
    }

    /// Whether the module in column `x` and row `y` is dark. Everything outside of the symbol is
    /// light, as its quiet zone is.
    pub fn is_dark(&self, x: usize, y: usize) -> bool {
        self.grid.is_dark(x, y)
    }

    /// Where codewords and function modules are in this symbol.
    pub fn layout(&self) -> Layout {
        Layout::new(self.version, self.level)
    }

    fn draw(plan: &Plan<'_>, options: &Options) -> Result<Self, SymbolError> {
        let Plan { version, level, .. } = *plan;
        let codewords = plan.data_codewords();
        // any mask does, as it comes off again; this one takes the least time to put on
        let given = options.mask.unwrap_or(Mask::ALL[1]);
        let drawn = QrCode::encode_codewords(
            qrcodegen::Version::new(version.number()),
            level.of_qrcodegen(),
            &codewords,
            Some(qrcodegen::Mask::new(given.number())),
        );
        let grid = Grid::from_modules(version.size(), |x, y| {
            let coordinate = |at: usize| i32::try_from(at).unwrap_or(-1);
            drawn.get_module(coordinate(x), coordinate(y))
        });
        let (mask, grid) = match options.mask {
            Some(mask) => (mask, grid),
            None => Unmasked::new(grid, given, Layout::new(version, level).function()).best(level),
        };
        Ok(Self { version, level, mask, grid })
    }
}

/// How to make a symbol. The default is level M, not boosted, any version, the best mask, the
/// smallest segmentation and no ECI mark.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How much damage the symbol survives.
    pub level: Level,
    /// Raise the level as far as the version allows once that is chosen.
    pub boost_level: bool,
    /// The smallest version to consider.
    pub min_version: Version,
    /// The largest version to consider.
    pub max_version: Version,
    /// A fixed mask; `None` for the one with the lowest penalty.
    pub mask: Option<Mask>,
    /// How the text is cut into modes.
    pub segmentation: Segmentation,
    /// Begin a text that has characters outside of ASCII with the ECI mark of UTF-8. Some readers
    /// need it, others do not know it.
    pub utf8_eci: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: Level::M,
            boost_level: false,
            min_version: Version::MIN,
            max_version: Version::MAX,
            mask: None,
            segmentation: Segmentation::Smallest,
            utf8_eci: false,
        }
    }
}

/// How a text is cut into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Segmentation {
    /// Numeric, alphanumeric and byte segments with the fewest bits, where that makes the symbol
    /// smaller; else as [`Segmentation::Single`], because plain symbols suit more readers.
    Smallest,
    /// One segment in the mode that suits all of the text.
    Single,
}

/// The error-correction level: the share of codewords that may be lost, roughly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Seven per cent.
    L,
    /// Fifteen per cent.
    M,
    /// Twenty-five per cent.
    Q,
    /// Thirty per cent.
    H,
}

impl Level {
    /// All levels from low to high.
    pub const ALL: [Self; 4] = [Self::L, Self::M, Self::Q, Self::H];

    fn of_qrcodegen(self) -> QrCodeEcc {
        match self {
            Self::L => QrCodeEcc::Low,
            Self::M => QrCodeEcc::Medium,
            Self::Q => QrCodeEcc::Quartile,
            Self::H => QrCodeEcc::High,
        }
    }
}

/// The version of a symbol, 1 to 40, which gives its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version(u8);

impl Version {
    /// Version 1, 21 modules a side.
    pub const MIN: Self = Self(1);
    /// Version 40, 177 modules a side.
    pub const MAX: Self = Self(40);

    /// The version with this number, if it is 1 to 40.
    pub fn new(number: u8) -> Option<Self> {
        (1..=40).contains(&number).then_some(Self(number))
    }

    /// The number, 1 to 40.
    pub fn number(self) -> u8 {
        self.0
    }

    /// Modules a side.
    pub fn size(self) -> usize {
        17 + 4 * usize::from(self.0)
    }

    fn next(self) -> Option<Self> {
        Self::new(self.0 + 1)
    }
}

/// Why there is no symbol.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SymbolError {
    /// The content does not fit into the largest version allowed.
    TooLong {
        /// Bits of the content with its headers.
        needed_bits: usize,
        /// Bits that the largest version allowed has at the level.
        capacity_bits: usize,
    },
    /// The smallest version allowed is larger than the largest.
    NoVersion,
    /// A numeric segment has something else than a digit.
    NotNumeric {
        /// The byte where it begins.
        at: usize,
    },
    /// An alphanumeric segment has a character outside of the 45 of that mode.
    NotAlphanumeric {
        /// The byte where it begins.
        at: usize,
    },
    /// ECI assignments end at 999,999.
    NoSuchEci {
        /// The number asked for.
        assignment: u32,
    },
    /// No version allowed bears the logo.
    Logo(LogoError),
}

impl SymbolError {
    /// The stable number of the error.
    pub fn code(&self) -> u32 {
        match self {
            Self::TooLong { .. } => 2700,
            Self::NoVersion => 2701,
            Self::NotNumeric { .. } => 2702,
            Self::NotAlphanumeric { .. } => 2703,
            Self::NoSuchEci { .. } => 2704,
            Self::Logo(error) => error.code(),
        }
    }
}

impl fmt::Display for SymbolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong { needed_bits, capacity_bits } => {
                write!(f, "content needs {needed_bits} bits, the symbol holds {capacity_bits}")
            }
            Self::NoVersion => f.write_str("no version between the smallest and the largest"),
            Self::NotNumeric { at } => write!(f, "no digit at byte {at}"),
            Self::NotAlphanumeric { at } => write!(f, "no alphanumeric character at byte {at}"),
            Self::NoSuchEci { assignment } => write!(f, "no eci assignment {assignment}"),
            Self::Logo(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for SymbolError {}

impl From<LogoError> for SymbolError {
    fn from(error: LogoError) -> Self {
        Self::Logo(error)
    }
}

/// What is to be drawn: content that is known to fit.
struct Plan<'a> {
    segments: Vec<Segment<'a>>,
    version: Version,
    level: Level,
}

impl<'a> Plan<'a> {
    fn of_text(text: &'a str, options: &Options) -> Result<Self, SymbolError> {
        let mark = options.utf8_eci && !text.is_ascii();
        let mark = if mark { Some(Segment::eci(UTF8_ECI)?) } else { None };
        let marked = |segments: Vec<Segment<'a>>| -> Vec<Segment<'a>> {
            mark.into_iter().chain(segments).collect()
        };
        let whole = if text.is_empty() { Vec::new() } else { [Segment::whole(text)].to_vec() };
        let single = Self::of_segments(marked(whole), options);
        // longer texts fit in no way, and shall not cost time
        let may_shrink = text.len() <= MOST_CHARACTERS
            && !single.as_ref().is_ok_and(|plan| plan.version == options.min_version);
        if options.segmentation == Segmentation::Single || !may_shrink {
            return single;
        }
        // headers grow at versions 10 and 27, so the best cut is sought for each of the three
        for (first, last) in [(1, 9), (10, 26), (27, 40)] {
            let range = Options {
                min_version: options.min_version.max(Version(first)),
                max_version: options.max_version.min(Version(last)),
                ..options.clone()
            };
            if range.min_version > range.max_version
                || single.as_ref().is_ok_and(|plan| plan.version <= range.min_version)
            {
                continue;
            }
            let segments = marked(Segment::fewest_bits(text, range.min_version));
            match Self::of_segments(segments, &range) {
                Ok(mixed) if single.as_ref().is_ok_and(|one| one.version <= mixed.version) => {}
                Ok(mixed) => return Ok(mixed),
                Err(_) => {}
            }
        }
        single
    }

    fn of_segments(segments: Vec<Segment<'a>>, options: &Options) -> Result<Self, SymbolError> {
        let mut version = options.min_version;
        if version > options.max_version {
            return Err(SymbolError::NoVersion);
        }
        let needed = loop {
            let capacity_bits = 8 * layout::data_codewords(version, options.level);
            let bits = bits_of(&segments, version);
            if let Some(bits) = bits.filter(|&bits| bits <= capacity_bits) {
                break bits;
            }
            match version.next().filter(|next| *next <= options.max_version) {
                Some(next) => version = next,
                None => {
                    let needed_bits = bits.unwrap_or(usize::MAX);
                    return Err(SymbolError::TooLong { needed_bits, capacity_bits });
                }
            }
        };
        let mut level = options.level;
        for higher in Level::ALL {
            if options.boost_level
                && higher > level
                && needed <= 8 * layout::data_codewords(version, higher)
            {
                level = higher;
            }
        }
        Ok(Self { segments, version, level })
    }

    fn data_codewords(&self) -> Vec<u8> {
        let codewords = layout::data_codewords(self.version, self.level);
        let mut out = BitWriter::with_capacity(codewords);
        for segment in &self.segments {
            segment.write(self.version, &mut out);
        }
        out.finish(codewords)
    }
}

fn bits_of(segments: &[Segment<'_>], version: Version) -> Option<usize> {
    segments.iter().try_fold(0usize, |sum, segment| sum.checked_add(segment.bits(version)?))
}

/// The ECI assignment of UTF-8.
const UTF8_ECI: u32 = 26;

/// Digits in a symbol of version 40 at level L: no text has more characters.
const MOST_CHARACTERS: usize = 7089;
