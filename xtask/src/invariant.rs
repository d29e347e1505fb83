//! Every *Invariant:* paragraph of ARCHITECTURE.md names a test that exists.

use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::source::{TestFn, by_name};

/// The page that holds the invariants.
pub(crate) const PAGE: &str = "ARCHITECTURE.md";

/// One line for each invariant that names no existing test, and how many invariants there are.
pub(crate) fn faults(page: &str, tests: &[TestFn]) -> (Vec<String>, usize) {
    let known = by_name(tests);
    let invariants = invariants(page);
    let faults = invariants.iter().filter_map(|Invariant { words, names }| {
        let held = names.iter().any(|name| {
            known.contains_key(name.rsplit("::").next().unwrap_or(name).trim_end_matches("()"))
        });
        (!held).then(|| format!("{PAGE}: no existing test is named by: {}", start_of(words)))
    });
    (faults.collect(), invariants.len())
}

/// An invariant: its words, and what it puts between backticks.
struct Invariant {
    words: String,
    names: Vec<String>,
}

fn invariants(page: &str) -> Vec<Invariant> {
    let mut invariants = Vec::new();
    let mut paragraph: Option<Invariant> = None;
    for event in Parser::new(page) {
        match event {
            // an item of a tight list holds its text without a paragraph
            Event::Start(Tag::Paragraph | Tag::Item) => {
                paragraph = Some(Invariant { words: String::new(), names: Vec::new() });
            }
            Event::End(TagEnd::Paragraph | TagEnd::Item) => {
                invariants
                    .extend(paragraph.take().filter(|p| p.words.trim_start().starts_with(MARK)));
            }
            Event::Text(text) => {
                if let Some(paragraph) = &mut paragraph {
                    paragraph.words.push_str(&text);
                }
            }
            Event::SoftBreak | Event::HardBreak => {
                if let Some(paragraph) = &mut paragraph {
                    paragraph.words.push(' ');
                }
            }
            Event::Code(code) => {
                if let Some(paragraph) = &mut paragraph {
                    paragraph.words.push_str(&code);
                    paragraph.names.push(code.into_string());
                }
            }
            _ => {}
        }
    }
    invariants
}

fn start_of(words: &str) -> String {
    let start: String = words.chars().take(80).collect();
    if start.len() < words.len() { format!("{start}…") } else { start }
}

const MARK: &str = "Invariant:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invariant_needs_a_test_that_exists_and_runs() {
        let test = |name: &str, ignored| TestFn {
            name: name.into(),
            file: "a.rs".into(),
            asserts: true,
            ignored,
        };
        let tests = [test("debits_once", false), test("sleeps", true)];
        let page = "# A\n\n*Invariant:* one debit, held by\n`qrpay::tests::debits_once`.\n\n\
                    **Invariant:** nothing is lost (`nobody_tests_this`).\n\n\
                    - *Invariant:* awake (`sleeps`)\n- other\n\n\
                    The word Invariant: within a text is not one.\n";
        let (faults, count) = faults(page, &tests);
        assert_eq!(count, 3);
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("nothing is lost"), "{faults:?}");
        assert!(faults[1].contains("awake"), "{faults:?}");
    }
}
