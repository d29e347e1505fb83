//! What is wrong with a configuration, said without showing what stands in it.

/// What does not fit, and on which line. Neither the line nor its value is shown: somebody may have written a secret there.
pub(crate) fn fault(text: &str, why: &toml::de::Error) -> String {
    let said = without_value(why.message()).lines().collect::<Vec<_>>().join(", ");
    let Some(before) = why.span().and_then(|span| text.get(..span.start)) else { return said };
    let number = before.matches('\n').count() + 1;
    let line = text.lines().nth(number - 1).unwrap_or_default();
    match line.split_once('=') {
        Some((field, _)) => format!("line {number}, {}: {said}", field.trim()),
        None => format!("line {number}: {said}"),
    }
}

/// A message without the value that it quotes: of `invalid type: string "…", expected u64` the ends. Of a choice that there is
/// not, the name stays.
fn without_value(said: &str) -> String {
    const QUOTING: [&str; 3] = ["invalid type: ", "invalid value: ", "invalid length "];
    let Some(start) = QUOTING.iter().find(|start| said.starts_with(**start)) else {
        return said.into();
    };
    // what is expected comes last: a value may hold these words too
    let expected = said.rsplit_once(", expected ").map_or("something else", |(_, what)| what);
    format!("{}, expected {expected}", start.trim_end_matches([' ', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[test]
    fn a_fault_names_the_line_and_the_field_and_quotes_no_value() {
        for (text, said) in [
            ("[pace]\nagain_ms = \"hunter2\"", "line 2, again_ms: invalid type, expected u64"),
            (
                "[pace]\nagain_ms = \"hunter2, expected x\"",
                "line 2, again_ms: invalid type, expected u64",
            ),
            ("[pace]\nagain_ms = -5551234", "line 2, again_ms: invalid value, expected u64"),
            ("role = \"c\"", "line 1, role: unknown variant `c`, expected `a` or `b`"),
        ] {
            let why = toml::from_str::<Probe>(text).err().unwrap();
            let fault = fault(text, &why);
            assert_eq!(fault, said);
            assert!(!fault.contains("hunter2") && !fault.contains("5551234"));
        }
    }

    #[derive(Debug, Deserialize)]
    struct Probe {
        #[expect(dead_code, reason = "only read from the file")]
        pace: Option<Pace>,
        #[expect(dead_code, reason = "only read from the file")]
        role: Option<ProbeRole>,
    }

    #[derive(Debug, Deserialize)]
    struct Pace {
        #[expect(dead_code, reason = "only read from the file")]
        again_ms: u64,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum ProbeRole {
        A,
        B,
    }
}
