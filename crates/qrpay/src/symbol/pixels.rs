//! A symbol as grey pixels.

use super::Symbol;

impl Symbol {
    /// The symbol with its quiet zone as grey pixels, computed as they are asked for.
    pub fn pixels(&self, style: &PixelStyle) -> Pixels<'_> {
        Pixels { symbol: self, style: *style }
    }
}

/// How to cut a symbol into pixels. The default is a quiet zone of 4 modules and 4 pixels a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PixelStyle {
    /// Light modules on each side. The standard asks for 4.
    pub quiet_zone_modules: u8,
    /// Pixels a module; 0 is taken as 1.
    pub module_px: u16,
}

impl Default for PixelStyle {
    fn default() -> Self {
        Self { quiet_zone_modules: QUIET_ZONE, module_px: 4 }
    }
}

/// A square of grey pixels: 0 is dark, 255 is light.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    symbol: &'a Symbol,
    style: PixelStyle,
}

impl<'a> Pixels<'a> {
    /// Pixels a side.
    pub fn side_px(&self) -> usize {
        (self.symbol.size() + 2 * usize::from(self.style.quiet_zone_modules)) * self.module_px()
    }

    /// The grey of one pixel. Everything outside is light.
    pub fn luma(&self, x: usize, y: usize) -> u8 {
        let quiet = usize::from(self.style.quiet_zone_modules);
        let module = |px: usize| (px / self.module_px()).checked_sub(quiet);
        match (module(x), module(y)) {
            (Some(x), Some(y)) if self.symbol.is_dark(x, y) => 0,
            _ => 255,
        }
    }

    /// All pixels, row by row from the top left.
    pub fn iter(&self) -> impl Iterator<Item = u8> + use<'a> {
        let pixels = *self;
        let side = pixels.side_px();
        (0..side).flat_map(move |y| (0..side).map(move |x| pixels.luma(x, y)))
    }

    fn module_px(&self) -> usize {
        usize::from(self.style.module_px.max(1))
    }
}

/// Modules of quiet zone that ISO/IEC 18004 asks for.
pub(super) const QUIET_ZONE: u8 = 4;
