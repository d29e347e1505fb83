//! A logo in the middle of a symbol, and what it may cover.

use core::fmt;

use super::Layout;

/// A logo in the middle of a symbol, measured in modules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Logo {
    /// Width of the box that holds the logo.
    pub width_modules: u8,
    /// Height of the box that holds the logo.
    pub height_modules: u8,
    /// Share of the correctable codewords, in per cent, that the logo must leave for the damage
    /// that print, light and hands do later.
    pub reserve_percent: u8,
}

impl Logo {
    /// A logo that leaves half of the correctable codewords.
    pub fn new(width_modules: u8, height_modules: u8) -> Self {
        Self { width_modules, height_modules, reserve_percent: 50 }
    }

    /// The modules that the logo takes from symbols of a layout.
    ///
    /// Each codeword with a module under the logo counts as lost, whatever colour the logo has
    /// there, and the block that loses most decides.
    ///
    /// # Errors
    /// [`LogoError::NoArea`] and [`LogoError::TooLarge`] for its measures,
    /// [`LogoError::OnFunctionModule`] when it would cover a finder, timing, alignment, format or
    /// version module, [`LogoError::OverBudget`] when a block would lose more than the budget.
    pub fn place(&self, layout: &Layout) -> Result<Clearing, LogoError> {
        let size = layout.version().size();
        let (x, width) = span(size, self.width_modules)?;
        let (y, height) = span(size, self.height_modules)?;
        for at_y in y..y + height {
            for at_x in x..x + width {
                if layout.is_function(at_x, at_y) {
                    return Err(LogoError::OnFunctionModule { x: at_x, y: at_y });
                }
            }
        }
        let clearing = Clearing { x, y, width, height, lost_codewords: 0 };
        let mut lost: alloc::vec::Vec<_> = layout
            .data_modules()
            .filter(|&(_, at_x, at_y)| clearing.covers(at_x, at_y))
            .map(|(codeword, _, _)| codeword)
            .collect();
        lost.sort_unstable();
        lost.dedup();
        let blocks = lost.chunk_by(|a, b| a.block == b.block);
        let worst = blocks.filter_map(|own| Some((own.len(), own.first()?.block))).max();
        let (lost_codewords, block) = worst.unwrap_or((0, 0));
        let correctable = layout.correctable();
        let kept = usize::from(self.reserve_percent.min(100));
        let allowed = correctable * (100 - kept) / 100;
        if lost_codewords > allowed {
            return Err(LogoError::OverBudget { block, lost_codewords, allowed, correctable });
        }
        Ok(Clearing { lost_codewords, ..clearing })
    }
}

/// The modules under a logo. They are drawn light.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Clearing {
    /// The first column.
    pub x: usize,
    /// The first row.
    pub y: usize,
    /// Columns; one more than the logo has when it lies between columns.
    pub width: usize,
    /// Rows; one more than the logo has when it lies between rows.
    pub height: usize,
    /// Codewords lost in the block that loses most.
    pub lost_codewords: usize,
}

impl Clearing {
    /// Whether the module is under the logo.
    pub fn covers(&self, x: usize, y: usize) -> bool {
        (self.x..self.x + self.width).contains(&x) && (self.y..self.y + self.height).contains(&y)
    }
}

/// Why a symbol does not bear a logo.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogoError {
    /// The logo has no width or no height.
    NoArea,
    /// The logo is larger than the symbol.
    TooLarge {
        /// Modules of its longer side.
        logo_modules: usize,
        /// Modules a side of the symbol.
        symbol_modules: usize,
    },
    /// The logo would cover a module that readers need to find and lay out the symbol.
    OnFunctionModule {
        /// The column of the first such module.
        x: usize,
        /// Its row.
        y: usize,
    },
    /// The logo would cover more codewords of a block than the budget.
    OverBudget {
        /// The block that loses most, counted from 0.
        block: usize,
        /// What it loses.
        lost_codewords: usize,
        /// What it may lose: the correctable codewords less the reserve.
        allowed: usize,
        /// What a reader can put right.
        correctable: usize,
    },
}

impl LogoError {
    /// The stable number of the error.
    pub fn code(&self) -> u32 {
        match self {
            Self::NoArea => 2720,
            Self::TooLarge { .. } => 2721,
            Self::OnFunctionModule { .. } => 2722,
            Self::OverBudget { .. } => 2723,
        }
    }
}

impl fmt::Display for LogoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoArea => f.write_str("logo without area"),
            Self::TooLarge { logo_modules, symbol_modules } => {
                write!(f, "logo of {logo_modules} modules in a symbol of {symbol_modules}")
            }
            Self::OnFunctionModule { x, y } => {
                write!(f, "logo covers the function module in column {x}, row {y}")
            }
            Self::OverBudget { block, lost_codewords, allowed, correctable } => write!(
                f,
                "logo covers {lost_codewords} codewords of block {block}, \
                 {allowed} of {correctable} correctable ones are allowed"
            ),
        }
    }
}

impl core::error::Error for LogoError {}

/// First module and number of modules that a centred stretch touches.
fn span(size: usize, length: u8) -> Result<(usize, usize), LogoError> {
    let length = usize::from(length);
    if length == 0 {
        return Err(LogoError::NoArea);
    }
    if length > size {
        return Err(LogoError::TooLarge { logo_modules: length, symbol_modules: size });
    }
    // sizes are odd: a stretch of even length begins and ends within a module
    let first = (size - length) / 2;
    Ok((first, size - 2 * first))
}
