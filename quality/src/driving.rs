//! The driving engine on a generated fleet. The engine is not there yet, so nothing is measured, and the page says so.

use crate::figures::Driving;
use anyhow::Result;
use simkit::world::FleetParameters;

/// What the fleets of some seeds say.
#[derive(Default)]
pub struct Cases {}

impl Cases {
    pub fn draw(_: &FleetParameters, _: u64, _: u32) -> Result<Self> {
        Ok(Self {})
    }

    pub fn merge(&mut self, _: Self) {}

    pub fn finish(&self, parameters: &FleetParameters, _: usize) -> Driving {
        Driving {
            cars: parameters.cars,
            windows: Vec::new(),
            too_short: 0,
            too_short_judged: 0,
            generated: Vec::new(),
        }
    }
}
