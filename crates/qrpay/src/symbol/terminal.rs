//! A symbol for a terminal.

use alloc::string::String;

use super::Symbol;
use super::pixels::QUIET_ZONE;

impl Symbol {
    /// The symbol with its quiet zone in half blocks, two rows of modules a line, each line ended
    /// by a line feed. No escape codes: the colours are the terminal's own.
    pub fn to_terminal(&self, style: &TerminalStyle) -> String {
        let quiet = usize::from(style.quiet_zone_modules);
        let side = self.size() + 2 * quiet;
        // ink shows in the terminal's text colour
        let inked = |x: usize, y: usize| {
            let dark = match (x.checked_sub(quiet), y.checked_sub(quiet)) {
                (Some(x), Some(y)) => self.is_dark(x, y),
                _ => false,
            };
            y < side
                && match style.background {
                    Background::Dark => !dark,
                    Background::Light => dark,
                }
        };
        let mut out = String::with_capacity(side.div_ceil(2) * (3 * side + 1));
        for y in (0..side).step_by(2) {
            for x in 0..side {
                out.push(match (inked(x, y), inked(x, y + 1)) {
                    (true, true) => '█',
                    (true, false) => '▀',
                    (false, true) => '▄',
                    (false, false) => ' ',
                });
            }
            out.push('\n');
        }
        out
    }
}

/// How to draw for a terminal. The default is a quiet zone of 4 modules on a dark background.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalStyle {
    /// Light modules on each side. The standard asks for 4; 2 often do on a screen.
    pub quiet_zone_modules: u8,
    /// The terminal's background. Readers want dark modules on a light ground, so it must be told.
    pub background: Background,
}

impl Default for TerminalStyle {
    fn default() -> Self {
        Self { quiet_zone_modules: QUIET_ZONE, background: Background::Dark }
    }
}

/// The background of a terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Light text on a dark ground: the light modules are drawn.
    Dark,
    /// Dark text on a light ground: the dark modules are drawn.
    Light,
}
