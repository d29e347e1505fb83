//! Driving risk: the checklist of the spec (V1 to V17), the worked example, properties and misuse.

mod drivers;
mod evaluation;
mod models;
mod platform;
mod registration;
mod samples;
mod service;
mod setting;
mod window;
