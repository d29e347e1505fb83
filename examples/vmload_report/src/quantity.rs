//! Numbers as people read them.

/// In the unit that leaves one to four digits before the point, with three digits that count: `11.7 GHz`, `8 GB`. Bytes go
/// by 1024. Units that are not known keep theirs.
pub(crate) fn quantity(value: f64, unit: &str) -> String {
    let (stem, per) = unit.strip_suffix("/s").map_or((unit, ""), |stem| (stem, "/s"));
    let ladder = LADDERS.iter().find(|(_, units)| units.contains(&stem));
    let Some((factor, units)) = ladder else {
        return [rounded(value), unit.to_owned()].join(" ").trim_end().to_owned();
    };
    let mut value = value;
    let mut unit = stem;
    for next in units.iter().skip_while(|of| **of != stem).skip(1) {
        if value.abs() < *factor {
            break;
        }
        value /= factor;
        unit = next;
    }
    format!("{} {unit}{per}", rounded(value))
}

/// A whole number with its thousands apart.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// One or several.
pub(crate) fn counted(number: u64, one: &str, several: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { one } else { several })
}

/// With one decimal.
pub(crate) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// Three digits that count, without zeros at the end.
fn rounded(value: f64) -> String {
    let decimals = match value.abs() {
        size if size >= 99.95 => 0,
        size if size >= 9.995 => 1,
        _ => 2,
    };
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text.parse().map_or(text, grouped)
    }
}

const LADDERS: [(f64, &[&str]); 2] =
    [(1_000.0, &["Hz", "kHz", "MHz", "GHz"]), (1_024.0, &["B", "KB", "MB", "GB", "TB", "PB"])];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn k05_quantities_go_up_the_ladder_of_their_unit() {
        for (value, unit, text) in [
            (5_852.0, "MHz", "5.85 GHz"),
            (8_388_608.0, "KB", "8 GB"),
            (84_379.0, "KB/s", "82.4 MB/s"),
            (999.0, "MHz", "999 MHz"),
            (1_519_270.0, "MHz", "1,519 GHz"),
            (0.0, "KB", "0 KB"),
            (12.5, "", "12.5"),
            (100.0, "requests", "100 requests"),
        ] {
            assert_eq!(quantity(value, unit), text);
        }
        assert_eq!([0, 999, 1_000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
