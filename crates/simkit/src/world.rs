//! People, places and vehicles, drawn from a seed: plain data for whoever judges surroundings or driving.
//!
//! A [`City`] has dwellings, offices, cafés, shops and vehicles with their radio devices; its people move between them
//! day by day, their phones report scans and pay. Thieves take phones elsewhere, and forge scans. A [`Fleet`] has cars
//! with one driver or several, each with a style, and their trips.
//!
//! What is modelled is what a back end sees: identifiers, relations, dwell times; no signal strengths, no positions.
//! Every number stands in [`parameters`].

mod attack;
mod chance;
mod city;
mod device;
mod fleet;
pub mod parameters;
mod person;
mod place;
mod scan;
mod trip;

pub use attack::{copied, half_copied, relayed};
pub use city::City;
pub use device::{Device, DeviceKind};
pub use fleet::{Car, Driver, Fleet};
pub use parameters::{CityParameters, FleetParameters};
pub use person::{Activity, Event, Person, Stay, Truth};
pub use place::{Fixture, Place, PlaceId, PlaceKind, Role};
pub use scan::{Relation, Scan, Sighting};
pub use trip::{ATTRIBUTES, Attribute, Trip, TripSample};
