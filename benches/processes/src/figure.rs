//! What was measured, for people and for the table.

use std::path::Path;

/// The figures of one bench.
pub struct Figures {
    bench: &'static str,
}

impl Figures {
    /// Of the bench of this name.
    pub const fn new(bench: &'static str) -> Self {
        Self { bench }
    }

    /// Prints a figure, and keeps it for the table.
    pub fn put(&self, name: &str, value: f64, unit: &str) {
        let id = format!("{}/{name}", self.bench);
        println!("{id}: {value:.3} {unit}");
        let Ok(folder) = std::env::var("INTERBANK_BENCH_FIGURES") else { return };
        let figure = serde_json::json!({ "id": id, "value": round(value), "unit": unit });
        let file = format!("{}.json", id.replace('/', "_"));
        std::fs::write(Path::new(&folder).join(file), figure.to_string()).unwrap();
    }
}

/// Four digits: more is noise.
fn round(value: f64) -> f64 {
    if value == 0.0 {
        return value;
    }
    let scale = 10_f64.powf(3.0 - value.abs().log10().floor());
    (value * scale).round() / scale
}
