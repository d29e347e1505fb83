//! What was measured, for people and for the table.

use std::path::Path;

#[derive(Default)]
pub(crate) struct Figures {
    count: usize,
}

impl Figures {
    pub(crate) fn put(&mut self, name: &str, value: f64, unit: &str) {
        let id = format!("filexfer_transfer/{name}");
        println!("{id}: {value:.3} {unit}");
        self.count += 1;
        let Ok(folder) = std::env::var("INTERBANK_BENCH_FIGURES") else { return };
        let figure = serde_json::json!({ "id": id, "value": round(value), "unit": unit });
        let file = format!("filexfer_transfer_{}.json", self.count);
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
