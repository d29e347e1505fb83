//! What the cells of a row mean, whatever the file's format is.

use crate::number::time_ms;
use crate::{BadRow, Column, Error, Full, Layout, TimeColumn};
use port::Time;

/// Where in a row which metric stands, and what the last row said.
pub(crate) struct Slots {
    places: Vec<Places>,
    time: When,
    /// A reading for each metric; `None` where the row has none.
    pub(crate) readings: Vec<Option<f64>>,
    /// Full load of each metric that reads it from a column; 1 for the others.
    pub(crate) allotment: Vec<f64>,
}

impl Slots {
    /// Looks up the layout's columns with `place`.
    pub(crate) fn new(
        layout: &Layout,
        place: impl Fn(&Column) -> Result<usize, Error>,
    ) -> Result<Self, Error> {
        let mut places = Vec::new();
        for of in &layout.columns {
            let sum: Result<Vec<usize>, Error> = of.sum.iter().map(&place).collect();
            let full = match &of.full {
                Full::Column(column) => Some(place(column)?),
                Full::Fixed(_) => None,
            };
            places.push(Places { sum: sum?, full });
        }
        let time = match &layout.time {
            TimeColumn::Seconds(column) => When::At { column: place(column)?, unit_ms: 1_000.0 },
            TimeColumn::Milliseconds(column) => When::At { column: place(column)?, unit_ms: 1.0 },
            TimeColumn::Every { interval_ms } => When::Every(*interval_ms),
        };
        let (readings, allotment) = (vec![None; places.len()], vec![1.0; places.len()]);
        Ok(Self { places, time, readings, allotment })
    }

    /// Takes the row with this number from 0, whose cells `cell` gives; its time.
    pub(crate) fn fill(
        &mut self,
        number: u64,
        cell: impl Fn(usize) -> Result<Option<f64>, BadRow>,
    ) -> Result<Time, BadRow> {
        let at = match self.time {
            When::At { column, unit_ms } => time_ms(cell(column), unit_ms)?,
            When::Every(interval_ms) => number.saturating_mul(interval_ms),
        };
        let slots = self.readings.iter_mut().zip(&mut self.allotment);
        for (places, (slot, allotted)) in self.places.iter().zip(slots) {
            let mut sum = Some(0.0);
            for &place in &places.sum {
                // one absent part leaves the sum unknown
                sum = cell(place)?.and_then(|part| sum.map(|sum: f64| sum + part));
                if sum.is_none() {
                    break;
                }
            }
            *slot = sum;
            if let Some(place) = places.full {
                let full = cell(place).map_err(|why| match why {
                    BadRow::Short => why,
                    _ => BadRow::Allotment,
                })?;
                let fits = full.filter(|full| full.is_finite() && *full > 0.0);
                *allotted = fits.ok_or(BadRow::Allotment)?;
            }
        }
        Ok(Time::from_ms(at))
    }

    /// Milliseconds in a unit of the time column; 1 if there is none.
    #[cfg(feature = "parquet")]
    pub(crate) const fn time_unit_ms(&self) -> f64 {
        match self.time {
            When::At { unit_ms, .. } => unit_ms,
            When::Every(_) => 1.0,
        }
    }
}

struct Places {
    sum: Vec<usize>,
    full: Option<usize>,
}

enum When {
    At { column: usize, unit_ms: f64 },
    Every(u64),
}
