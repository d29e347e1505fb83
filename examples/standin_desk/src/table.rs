//! Tables and JSON, as they are printed.

use crate::failure::Failure;
use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde_json::Value;

/// A table without lines.
pub(crate) fn new<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_preset(NOTHING).set_header(header);
    table
}

/// JSON over several lines.
pub(crate) fn json(value: &Value) -> Result<String, Failure> {
    serde_json::to_string_pretty(value).map_err(|why| Failure::Run(why.to_string()))
}

/// `1 fault`, `2 faults`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
