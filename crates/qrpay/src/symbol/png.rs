//! A symbol as a PNG file.

use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use super::{PixelStyle, Symbol};

impl Symbol {
    /// The symbol with its quiet zone as a PNG file of one bit a pixel, [`Pixels::side_px`] a side.
    ///
    /// [`Pixels::side_px`]: super::Pixels::side_px
    ///
    /// # Errors
    /// [`PngError::TooLarge`] above 16,384 pixels a side.
    pub fn to_png(&self, style: &PixelStyle) -> Result<Vec<u8>, PngError> {
        let pixels = self.pixels(style);
        let side_px = pixels.side_px();
        let side = u32::try_from(side_px).ok().filter(|&side| side <= MAX_SIDE_PX);
        let side = side.ok_or(PngError::TooLarge { side_px })?;
        let stride = side_px.div_ceil(8);
        let mut rows = Vec::with_capacity(stride * side_px);
        let module_px = usize::from(style.module_px.max(1));
        for module_y in 0..side_px / module_px {
            let mut row = vec![0u8; stride];
            for x in (0..side_px).filter(|&x| pixels.luma(x, module_y * module_px) == 255) {
                if let Some(byte) = row.get_mut(x / 8) {
                    *byte |= 0x80 >> (x % 8);
                }
            }
            for _ in 0..module_px {
                rows.extend_from_slice(&row);
            }
        }
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side, side);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::One);
        // filters compare bytes; on packed bits they only cost time
        encoder.set_filter(png::Filter::NoFilter);
        let written = encoder.write_header().and_then(|mut writer| {
            writer.write_image_data(&rows)?;
            writer.finish()
        });
        written.map_err(|_| PngError::Encoder)?;
        Ok(file)
    }
}

/// Why there is no PNG file.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PngError {
    /// The picture would have more than 16,384 pixels a side.
    TooLarge {
        /// Pixels a side asked for.
        side_px: usize,
    },
    /// The PNG encoder failed.
    Encoder,
}

impl PngError {
    /// The stable number of the error.
    pub fn code(&self) -> u32 {
        match self {
            Self::TooLarge { .. } => 2760,
            Self::Encoder => 2761,
        }
    }
}

impl fmt::Display for PngError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { side_px } => {
                write!(f, "picture of {side_px} pixels a side, at most {MAX_SIDE_PX}")
            }
            Self::Encoder => f.write_str("png encoder failed"),
        }
    }
}

impl core::error::Error for PngError {}

/// 32 MiB of pixels.
const MAX_SIDE_PX: u32 = 16_384;
