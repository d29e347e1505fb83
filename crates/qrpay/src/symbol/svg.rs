//! A symbol as SVG.

use alloc::string::String;
use core::fmt;

use super::grid::Grid;
use super::pixels::QUIET_ZONE;
use super::{Clearing, Logo, LogoError, Symbol};

impl Symbol {
    /// The symbol with its quiet zone as an SVG document: a ground, and all dark modules as one
    /// path of horizontal runs, in pixels where [`SvgStyle::module_px`] is set (some readers of SVG take no other unit), in
    /// modules otherwise.
    ///
    /// # Errors
    /// [`SvgError::LowContrast`] when readers would not tell the colours apart,
    /// [`SvgError::Logo`] when the symbol does not bear the logo, [`SvgError::NotADataUri`] for a
    /// picture that a viewer would have to fetch.
    pub fn to_svg(&self, style: &SvgStyle<'_>) -> Result<String, SvgError> {
        let contrast_percent = style.light.contrast_percent(style.dark);
        if contrast_percent < MIN_CONTRAST_PERCENT {
            return Err(SvgError::LowContrast { contrast_percent });
        }
        let placed = match &style.logo {
            Some(logo) => Some((logo, logo.logo.place(&self.layout())?)),
            None => None,
        };
        let quiet = usize::from(style.quiet_zone_modules);
        let modules = self.size() + 2 * quiet;
        let unit = usize::from(style.module_px.unwrap_or(1).max(1));
        let side = modules * unit;
        // a run and the move to it take about 12 bytes, and one module in four begins a run
        let mut out = String::with_capacity(1024 + 3 * self.size() * self.size());
        out.push_str("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
        push_number(&mut out, side);
        out.push(' ');
        push_number(&mut out, side);
        out.push('"');
        if style.module_px.is_some() {
            for name in [" width=\"", " height=\""] {
                out.push_str(name);
                push_number(&mut out, side);
                out.push('"');
            }
        }
        out.push_str(" role=\"img\"");
        if let Some(title) = style.title {
            out.push_str(" aria-label=\"");
            push_escaped(&mut out, title);
            out.push('"');
        }
        out.push('>');
        if let Some(title) = style.title {
            out.push_str("<title>");
            push_escaped(&mut out, title);
            out.push_str("</title>");
        }
        out.push_str("<path fill=\"");
        style.light.push_to(&mut out);
        out.push_str("\" d=\"M0 0h");
        push_number(&mut out, side);
        out.push('v');
        push_number(&mut out, side);
        out.push_str("H0z\"/><path fill=\"");
        style.dark.push_to(&mut out);
        out.push_str("\" shape-rendering=\"crispEdges\" d=\"");
        match &placed {
            None => push_runs(&mut out, &self.grid, quiet, unit),
            Some((_, clearing)) => {
                push_runs(&mut out, &cleared(&self.grid, clearing), quiet, unit);
            }
        }
        out.push_str("\"/>");
        if let Some((logo, _)) = placed {
            push_logo(&mut out, logo, modules, unit)?;
        }
        out.push_str("</svg>");
        Ok(out)
    }
}

/// How to draw as SVG. The default is black on white with a quiet zone of 4 modules, as large as
/// its container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SvgStyle<'a> {
    /// Light modules on each side. The standard asks for 4.
    pub quiet_zone_modules: u8,
    /// Pixels a module, for a fixed width and height; `None` to fill the container.
    pub module_px: Option<u16>,
    /// The dark modules.
    pub dark: Colour,
    /// The light modules and the quiet zone.
    pub light: Colour,
    /// What the picture is, for those who do not see it. Any text; it is escaped.
    pub title: Option<&'a str>,
    /// A logo in the middle.
    pub logo: Option<SvgLogo<'a>>,
}

impl Default for SvgStyle<'_> {
    fn default() -> Self {
        Self {
            quiet_zone_modules: QUIET_ZONE,
            module_px: None,
            dark: Colour::BLACK,
            light: Colour::WHITE,
            title: None,
            logo: None,
        }
    }
}

/// A logo with its picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SvgLogo<'a> {
    /// The place that it takes.
    pub logo: Logo,
    /// The picture, fitted into that place.
    pub art: Art<'a>,
}

/// The picture of a logo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Art<'a> {
    /// SVG elements in a coordinate system of `width` by `height`. They go into the document as
    /// they are: never pass what a stranger wrote.
    Fragment {
        /// Width of the fragment in its own units.
        width: u32,
        /// Height of the fragment in its own units.
        height: u32,
        /// The elements.
        svg: &'a str,
    },
    /// A picture as `data:image/…`. It is escaped.
    DataUri(&'a str),
}

/// A colour in sRGB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Colour {
    /// Red, 0 to 255.
    pub red: u8,
    /// Green, 0 to 255.
    pub green: u8,
    /// Blue, 0 to 255.
    pub blue: u8,
}

impl Colour {
    /// `#000000`.
    pub const BLACK: Self = Self { red: 0, green: 0, blue: 0 };
    /// `#ffffff`.
    pub const WHITE: Self = Self { red: 255, green: 255, blue: 255 };

    /// By how much of the range from black to white this colour is lighter than another, in the
    /// grey that cameras work on (Rec. 709 weights); negative when it is darker.
    pub fn contrast_percent(self, other: Self) -> i32 {
        (self.grey() - other.grey()) / (255 * 100)
    }

    /// Ten thousand times the grey, 0 to 2,550,000.
    fn grey(self) -> i32 {
        2126 * i32::from(self.red) + 7152 * i32::from(self.green) + 722 * i32::from(self.blue)
    }

    fn push_to(self, out: &mut String) {
        out.push('#');
        for part in [self.red, self.green, self.blue] {
            for digit in [part >> 4, part & 15] {
                out.push(char::from(HEX[usize::from(digit)]));
            }
        }
    }
}

/// Why there is no SVG.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SvgError {
    /// The light colour is not lighter than the dark one by the 40 per cent that grade C for symbol
    /// contrast asks for (ISO/IEC 15415); negative when the two are exchanged.
    LowContrast {
        /// The difference in grey.
        contrast_percent: i32,
    },
    /// The symbol does not bear the logo.
    Logo(LogoError),
    /// The picture is not a `data:image/` URI.
    NotADataUri,
    /// The fragment has no width or no height.
    FragmentWithoutArea,
}

impl SvgError {
    /// The stable number of the error.
    pub fn code(&self) -> u32 {
        match self {
            Self::LowContrast { .. } => 2740,
            Self::Logo(error) => error.code(),
            Self::NotADataUri => 2741,
            Self::FragmentWithoutArea => 2742,
        }
    }
}

impl fmt::Display for SvgError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::LowContrast { contrast_percent } => {
                write!(f, "contrast of {contrast_percent} %, at least {MIN_CONTRAST_PERCENT} %")
            }
            Self::Logo(error) => error.fmt(f),
            Self::NotADataUri => f.write_str("logo picture is no image data uri"),
            Self::FragmentWithoutArea => f.write_str("logo fragment without area"),
        }
    }
}

impl core::error::Error for SvgError {}

impl From<LogoError> for SvgError {
    fn from(error: LogoError) -> Self {
        Self::Logo(error)
    }
}

fn cleared(grid: &Grid, clearing: &Clearing) -> Grid {
    let mut grid = grid.clone();
    for y in clearing.y..clearing.y + clearing.height {
        for x in clearing.x..clearing.x + clearing.width {
            grid.lighten(x, y);
        }
    }
    grid
}

/// Each run of dark modules as a closed box. After `z` the pen is back at the box's first corner,
/// so the boxes of one row follow each other by relative moves.
fn push_runs(out: &mut String, grid: &Grid, quiet: usize, unit: usize) {
    for y in 0..grid.size() {
        let row = grid.row(y);
        let mut pen = None;
        let mut x = 0;
        while let Some(start) = next_change(&row, x, 0) {
            let end = next_change(&row, start, u64::MAX).unwrap_or(grid.size());
            match pen {
                None => {
                    out.push('M');
                    push_number(out, (start + quiet) * unit);
                    out.push(' ');
                    push_number(out, (y + quiet) * unit);
                }
                Some(pen) => match MOVES.get(start - pen) {
                    Some(&text) if unit == 1 => out.push_str(text),
                    _ => {
                        out.push('m');
                        push_number(out, (start - pen) * unit);
                        out.push_str(" 0");
                    }
                },
            }
            match RUNS.get(end - start) {
                Some(&text) if unit == 1 => out.push_str(text),
                _ => {
                    out.push('h');
                    push_number(out, (end - start) * unit);
                    out.push('v');
                    push_number(out, unit);
                    out.push_str("h-");
                    push_number(out, (end - start) * unit);
                    out.push('z');
                }
            }
            pen = Some(start);
            x = end;
        }
    }
}

/// The first column from `from` on whose bit is not that of `colour` (all zeros or all ones).
fn next_change(row: &[u64], from: usize, colour: u64) -> Option<usize> {
    let mut unseen = u64::MAX << (from % 64);
    for (index, word) in row.iter().enumerate().skip(from / 64) {
        let other = (word ^ colour) & unseen;
        if other != 0 {
            return Some(64 * index + usize::try_from(other.trailing_zeros()).unwrap_or(0));
        }
        unseen = u64::MAX;
    }
    None
}

fn push_logo(
    out: &mut String,
    logo: &SvgLogo<'_>,
    side: usize,
    unit: usize,
) -> Result<(), SvgError> {
    let width = usize::from(logo.logo.width_modules);
    let height = usize::from(logo.logo.height_modules);
    let place = |out: &mut String| {
        for (name, doubled) in [
            (" x=\"", side - width),
            (" y=\"", side - height),
            (" width=\"", 2 * width),
            (" height=\"", 2 * height),
        ] {
            out.push_str(name);
            push_number(out, doubled * unit / 2);
            out.push_str(if doubled * unit % 2 == 1 { ".5\"" } else { "\"" });
        }
    };
    match logo.art {
        Art::Fragment { width, height, .. } if width == 0 || height == 0 => {
            return Err(SvgError::FragmentWithoutArea);
        }
        Art::Fragment { width, height, svg } => {
            out.push_str("<svg");
            place(out);
            out.push_str(&alloc::format!(" viewBox=\"0 0 {width} {height}\">"));
            out.push_str(svg);
            out.push_str("</svg>");
        }
        Art::DataUri(uri) if uri.starts_with("data:image/") => {
            out.push_str("<image");
            place(out);
            out.push_str(" href=\"");
            push_escaped(out, uri);
            out.push_str("\"/>");
        }
        Art::DataUri(_) => return Err(SvgError::NotADataUri),
    }
    Ok(())
}

fn push_number(out: &mut String, number: usize) {
    if number >= 10 {
        push_number(out, number / 10);
    }
    out.push(char::from(HEX[number % 10]));
}

/// Text as XML character data and attribute value. Characters that XML 1.0 does not have are
/// replaced.
fn push_escaped(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'.. => out.push(character),
            _ => out.push('\u{fffd}'),
        }
    }
}

/// The boxes of the shortest runs; nearly all runs are such.
const RUNS: [&str; 8] =
    ["", "h1v1h-1z", "h2v1h-2z", "h3v1h-3z", "h4v1h-4z", "h5v1h-5z", "h6v1h-6z", "h7v1h-7z"];

/// The moves to a box nearby in the same row.
const MOVES: [&str; 10] =
    ["", "m1 0", "m2 0", "m3 0", "m4 0", "m5 0", "m6 0", "m7 0", "m8 0", "m9 0"];

/// Grade C for symbol contrast.
const MIN_CONTRAST_PERCENT: i32 = 40;

const HEX: &[u8; 16] = b"0123456789abcdef";
