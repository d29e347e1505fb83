//! A car that pays for its fuel. It has no road here, so its trips are made up; only what the bank does with them is real.

use crate::trouble::Trouble;
use interbank::port::Time;
use interbank::risk_core::driving::{Attribute, Reading, Samples, VehicleId};
use interbank::seal::{Secret, SigningKey, VerifyingKey, derive};

/// Ava's car, with the device that signs what its sensors say.
pub(crate) struct Car {
    pub(crate) vehicle: VehicleId,
    device: SigningKey,
}

impl Car {
    /// The one car of the demo. Its device draws its key from `root`.
    pub(crate) fn new(root: &Secret<32>) -> Result<Self, Trouble> {
        let vehicle = VehicleId::vin(VIN).map_err(|why| Trouble::Inside(Box::new(why)))?;
        let seed = derive(root.expose(), "refbank/car/v1", &[VIN.as_bytes()]);
        Ok(Self { vehicle, device: SigningKey::from_seed(&seed) })
    }

    /// What the bank checks the samples with.
    pub(crate) fn device(&self) -> VerifyingKey {
        self.device.verifying_key()
    }

    /// The samples of a trip that ends at `until`, signed.
    pub(crate) fn drive(&self, trip: Trip, until: Time) -> Result<(Samples, [u8; 64]), Trouble> {
        let seed = match trip {
            // The same values as on a day of the past, under new numbers and times
            Trip::Recording => LAST_LEARNED_DAY,
            _ => until.as_ms(),
        };
        self.drive_as(trip.style(), seed, trip.minutes(), until)
    }

    /// The samples of one of the owner's trips in the first month; `day` is 1 to [`LAST_LEARNED_DAY`].
    pub(crate) fn first_month(
        &self,
        day: u64,
        until: Time,
    ) -> Result<(Samples, [u8; 64]), Trouble> {
        self.drive_as(OWNER, day, 20, until)
    }

    fn drive_as(
        &self,
        style: Style,
        seed: u64,
        minutes: u64,
        until: Time,
    ) -> Result<(Samples, [u8; 64]), Trouble> {
        let seconds = minutes * 60;
        let at = |s: u64| until.minus_ms((seconds - s) * 1_000);
        let mut dice = Dice(seed);
        // Each trip is a little different from the others, and each moment from the one before.
        let moods = style.values.map(|(_, _, spread)| dice.about(0, spread));
        let mut readings = vec![Reading::new(at(0), Attribute::SeatSlot, style.seat)];
        for s in (0..=seconds).step_by(4) {
            for ((attribute, mean, spread), mood) in style.values.into_iter().zip(moods) {
                let often = matches!(attribute, Attribute::CruiseSpeed | Attribute::SteeringRate);
                if often || s % 60 == 0 {
                    let value = dice.about(mean + mood, spread / 2).max(1);
                    readings.push(Reading::new(at(s), attribute, value));
                }
            }
        }
        // Numbers rise with time, and none is used twice.
        let counter = until.as_ms() * Samples::READINGS_MAX as u64;
        let samples = Samples::new(self.vehicle.clone(), counter, readings);
        let samples = samples.map_err(|why| Trouble::Inside(Box::new(why)))?;
        let signature = self.device.sign(&samples.signed_bytes());
        Ok((samples, signature))
    }
}

/// A made-up trip to the pump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trip {
    /// The owner, as usual.
    Usual,
    /// The owner, late for something.
    Hurry,
    /// Somebody else.
    Thief,
    /// The owner, from round the corner.
    Short,
    /// Somebody else, with a recording of the owner's driving.
    Recording,
}

impl Trip {
    /// All of them, the usual one first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Usual, Self::Hurry, Self::Thief, Self::Short, Self::Recording];

    /// By its name in forms.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|trip| trip.name() == name)
    }

    /// Its name in forms.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Usual => "usual",
            Self::Hurry => "hurry",
            Self::Thief => "thief",
            Self::Short => "short",
            Self::Recording => "recording",
        }
    }

    /// For people.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Usual => "Ava, twenty minutes, as always",
            Self::Hurry => "Ava, twenty minutes, late for something",
            Self::Thief => "A thief, twenty minutes",
            Self::Short => "Ava, nine minutes",
            Self::Recording => "A thief who sends a recording of Ava’s driving",
        }
    }

    const fn minutes(self) -> u64 {
        match self {
            Self::Short => 9,
            _ => 20,
        }
    }

    const fn style(self) -> Style {
        match self {
            Self::Usual | Self::Short | Self::Recording => OWNER,
            Self::Hurry => HURRY,
            Self::Thief => THIEF,
        }
    }
}

/// The owner's first month has a trip on each of these days.
pub(crate) const LAST_LEARNED_DAY: u64 = 29;

/// How somebody drives: mean, and how far it varies from trip to trip.
#[derive(Clone, Copy)]
struct Style {
    seat: i32,
    values: [(Attribute, i32, i32); 5],
}

const OWNER: Style = style(1, 5_600, 220, 1_400, 1_900, 2_450);
const HURRY: Style = style(1, 5_750, 230, 2_600, 3_300, 2_500);
const THIEF: Style = style(3, 9_200, 520, 3_100, 3_900, 3_900);

const fn style(seat: i32, speed: i32, steering: i32, faster: i32, slower: i32, rpm: i32) -> Style {
    Style {
        seat,
        values: [
            (Attribute::CruiseSpeed, speed, 300),
            (Attribute::SteeringRate, steering, 14),
            (Attribute::Acceleration, faster, 120),
            (Attribute::Deceleration, slower, 140),
            (Attribute::UpshiftRpm, rpm, 110),
        ],
    }
}

/// Numbers that look random and are the same for the same seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn about(&mut self, mean: i32, spread: i32) -> i32 {
        // The sum of four is close to normal.
        let sum: i64 = (0..4).map(|_| i64::from(self.next_u16()) - 32_768).sum();
        let off = sum * i64::from(spread) / 37_837;
        mean + i32::try_from(off).unwrap_or(0)
    }

    fn next_u16(&mut self) -> u16 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        u16::try_from((z ^ (z >> 31)) & 0xFFFF).unwrap_or(0)
    }
}

/// A number in the form of a vehicle's; the check digit is right.
const VIN: &str = "1M8GDM9AXKP042788";
