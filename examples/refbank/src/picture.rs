//! Codes as pictures, and pictures back to codes.

use crate::trouble::Trouble;
use image::codecs::png::PngEncoder;
use image::{ColorType, DynamicImage, ImageEncoder as _, ImageReader, Limits};
use interbank::qrpay::symbol::{Options, PixelStyle, SvgStyle, Symbol, TerminalStyle};
use std::fmt;
use std::io::Cursor;

/// The symbol of a code.
pub(crate) fn symbol(code: &str) -> Result<Symbol, Trouble> {
    Symbol::encode(code, &Options::default()).map_err(|why| Trouble::Inside(Box::new(why)))
}

/// A code as SVG, as large as its container.
pub(crate) fn svg(code: &str, title: &str) -> Result<String, Trouble> {
    let style = SvgStyle { title: Some(title), ..SvgStyle::default() };
    symbol(code)?.to_svg(&style).map_err(|why| Trouble::Inside(Box::new(why)))
}

/// A code as an SVG file, in pixels: what independent readers take.
pub(crate) fn svg_file(code: &str) -> Result<String, Trouble> {
    let style = SvgStyle { module_px: Some(8), ..SvgStyle::default() };
    symbol(code)?.to_svg(&style).map_err(|why| Trouble::Inside(Box::new(why)))
}

/// A code as PNG.
pub(crate) fn png(code: &str) -> Result<Vec<u8>, Trouble> {
    let symbol = symbol(code)?;
    let pixels = symbol.pixels(&PixelStyle { module_px: 6, ..PixelStyle::default() });
    let luma: Vec<u8> = pixels.iter().collect();
    let side = u32::try_from(pixels.side_px()).unwrap_or(u32::MAX);
    let mut png = Vec::new();
    PngEncoder::new(&mut png)
        .write_image(&luma, side, side, ColorType::L8.into())
        .map_err(|why| Trouble::Inside(Box::new(why)))?;
    Ok(png)
}

/// A code in half blocks, for a dark terminal.
pub(crate) fn terminal(code: &str) -> Result<String, Trouble> {
    Ok(symbol(code)?.to_terminal(&TerminalStyle::default()))
}

/// Reads the text of the QR symbol in a PNG or JPEG picture.
///
/// Sizes are checked before a pixel is decoded. Takes up to a second for a photo: not for an executor's thread.
pub(crate) fn read(bytes: &[u8]) -> Result<String, Unreadable> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|_| Unreadable::NoPicture)?;
    if reader.format().is_none() {
        return Err(Unreadable::NoPicture);
    }
    let mut limits = Limits::default();
    limits.max_image_width = Some(SIDE_MAX);
    limits.max_image_height = Some(SIDE_MAX);
    limits.max_alloc = Some(ALLOC_MAX);
    reader.limits(limits);
    let picture = reader.decode().map_err(|why| match why {
        image::ImageError::Limits(_) => Unreadable::TooLarge,
        _ => Unreadable::NoPicture,
    })?;
    // Screens photographed too closely read better when they are smaller.
    [1, 2, 4].into_iter().find_map(|by| decode(&picture, by)).ok_or(Unreadable::NoCode)
}

fn decode(picture: &DynamicImage, by: u32) -> Option<String> {
    let luma = if by == 1 {
        on_white(picture)
    } else {
        let (width, height) = (picture.width() / by, picture.height() / by);
        if width.min(height) < 21 {
            return None;
        }
        on_white(&picture.thumbnail(width, height))
    };
    let (width, height) = luma.dimensions();
    let pixel = |x: usize, y: usize| {
        let at = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
        luma.get_pixel_checked(at(x), at(y)).map_or(255, |pixel| pixel.0[0])
    };
    let size = |n: u32| usize::try_from(n).unwrap_or(0);
    let mut prepared =
        rqrr::PreparedImage::prepare_from_greyscale(size(width), size(height), pixel);
    prepared.detect_grids().iter().find_map(|grid| grid.decode().ok()).map(|(_, text)| text)
}

/// What is transparent counts as paper.
fn on_white(picture: &DynamicImage) -> image::GrayImage {
    if !picture.color().has_alpha() {
        return picture.to_luma8();
    }
    let both = picture.to_luma_alpha8();
    image::GrayImage::from_fn(both.width(), both.height(), |x, y| {
        let [luma, alpha] = both.get_pixel(x, y).0.map(u16::from);
        let mixed = (luma * alpha + 255 * (255 - alpha)) / 255;
        image::Luma([u8::try_from(mixed).unwrap_or(255)])
    })
}

/// Why a picture gives no code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    NoCode,
    NoPicture,
    TooLarge,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoCode => "There is no QR code in this picture that can be read.",
            Self::NoPicture => "This is no PNG or JPEG picture.",
            Self::TooLarge => "This picture is too large: at most 5,000 pixels a side.",
        })
    }
}

const SIDE_MAX: u32 = 5_000;
const ALLOC_MAX: u64 = 104 * 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const CODE: &str = "QP1.some-code-of-a-payment";

    #[test]
    fn what_is_drawn_can_be_read() {
        assert_eq!(read(&png(CODE).unwrap()).as_deref(), Ok(CODE));
    }

    #[test]
    fn bytes_that_are_no_picture_are_refused() {
        assert_eq!(read(b"not a picture"), Err(Unreadable::NoPicture));
        let drawn = png(CODE).unwrap();
        assert_eq!(read(&drawn[..drawn.len() / 2]), Err(Unreadable::NoPicture));
    }

    #[test]
    fn a_picture_without_a_code_says_so() {
        let mut png = Vec::new();
        PngEncoder::new(&mut png).write_image(&[255; 64], 8, 8, ColorType::L8.into()).unwrap();
        assert_eq!(read(&png), Err(Unreadable::NoCode));
    }

    /// A small file that claims 100,000 pixels a side.
    #[test]
    fn a_decompression_bomb_is_refused_by_its_header() {
        let mut png = png(CODE).unwrap();
        // Width and height follow the signature and the chunk's length and type; its checksum follows the chunk.
        png[16..20].copy_from_slice(&100_000_u32.to_be_bytes());
        png[20..24].copy_from_slice(&100_000_u32.to_be_bytes());
        let checksum = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(read(&png), Err(Unreadable::TooLarge));
    }

    /// The checksum of PNG chunks (ISO/IEC 15948, annex D).
    fn crc32(bytes: &[u8]) -> u32 {
        !bytes.iter().fold(!0, |crc: u32, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                if crc & 1 == 1 { (crc >> 1) ^ 0xEDB8_8320 } else { crc >> 1 }
            })
        })
    }
}
