//! Text that may hold a card number, made fit to be shown.

/// With each run of nine digits or more put out of sight but for its last four (PCI DSS requirement 3.4 allows more).
pub(crate) fn digits(text: &str) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut run = String::new();
    for letter in text.chars().chain(['\n']) {
        if letter.is_ascii_digit() {
            run.push(letter);
            continue;
        }
        match run.len() {
            RUN_MIN.. => {
                masked.push('…');
                masked.push_str(&run[run.len() - 4..]);
            }
            _ => masked.push_str(&run),
        }
        run.clear();
        masked.push(letter);
    }
    masked.pop();
    masked
}

const RUN_MIN: usize = 9;

#[cfg(test)]
mod tests {
    use super::digits;

    #[test]
    fn long_runs_are_out_of_sight() {
        assert_eq!(digits("card 6200000000000005, 12345678"), "card …0005, 12345678");
        assert_eq!(digits("6200000000000005"), "…0005");
        assert_eq!(digits("line 3\nnothing"), "line 3\nnothing");
    }
}
