//! Every id of a specification has a test: `docs/spec/*.ids` against the names of the tests, and
//! the table of both in `docs/conformance.md`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::source::{TestFn, tests_in};
use crate::workspace::Workspace;

/// The ids of all specifications, each with its tests.
pub(crate) struct Conformance {
    chapters: Vec<Chapter>,
}

impl Conformance {
    /// Reads `docs/spec/*.ids` and the sources of the crates that they are named after, and of folders that a list names by
    /// a line `# also: folder`, where a part of the crate has a package of its own.
    pub(crate) fn read(workspace: &Workspace, files: &[PathBuf]) -> Result<Self> {
        let mut chapters = Vec::new();
        for list in files.iter().filter(|f| f.starts_with("docs/spec") && has_extension(f, "ids")) {
            let name = list.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let folder = workspace
                .find(&name)
                .with_context(|| format!("{} is named after no crate", list.display()))?
                .folder();
            let text = std::fs::read_to_string(list)?;
            let ids = parse_ids(&text).with_context(|| list.display().to_string())?;
            let also: Vec<_> = text.lines().filter_map(|l| l.strip_prefix("# also: ")).collect();
            let is_its = |f: &PathBuf| {
                f.starts_with(&folder) || also.iter().any(|folder| f.starts_with(folder))
            };
            let tests = tests_in(files.iter().filter(|f| is_its(f) && has_extension(f, "rs")))?;
            chapters.push(Chapter { name, ids, tests });
        }
        if chapters.is_empty() {
            bail!("docs/spec holds no list of ids");
        }
        Ok(Self { chapters })
    }

    /// One line for each id without a test, each test that asserts nothing, each test named after
    /// no id.
    pub(crate) fn faults(&self) -> Vec<String> {
        self.chapters.iter().flat_map(Chapter::faults).collect()
    }

    /// How many ids there are.
    pub(crate) fn len(&self) -> usize {
        self.chapters.iter().map(|chapter| chapter.ids.len()).sum()
    }

    /// The page that lists ids, requirements and tests.
    pub(crate) fn page(&self) -> String {
        let mut page = String::from(
            "# Conformance\n\n\
             Which test holds which requirement. `cargo xtask fix` writes this page from\n\
             `docs/spec/*.ids` and the names of the tests; `cargo xtask tidy` fails when it is stale.\n",
        );
        for Chapter { name, ids, tests } in &self.chapters {
            let _ = write!(page, "\n## {name}\n\n| Id | Requirement | Tests |\n|---|---|---|\n");
            for id in ids {
                let links: Vec<_> = id
                    .tests(tests)
                    .map(|t| format!("[`{}`](../{})", t.name, t.file.display()))
                    .collect();
                let links = if links.is_empty() { "none".to_owned() } else { links.join("<br>") };
                let _ =
                    writeln!(page, "| {} | {} | {links} |", id.id, id.words.replace('|', "\\|"));
            }
        }
        page
    }
}

/// Where the page is committed.
pub(crate) const PAGE: &str = "docs/conformance.md";

/// The ids of one crate and all of its tests.
struct Chapter {
    name: String,
    ids: Vec<Id>,
    tests: Vec<TestFn>,
}

impl Chapter {
    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for id in &self.ids {
            let mut has_test = false;
            for test in id.tests(&self.tests) {
                has_test = true;
                if !test.asserts {
                    faults.push(format!(
                        "{}: `{}` asserts nothing",
                        test.file.display(),
                        test.name
                    ));
                }
            }
            if !has_test {
                faults.push(format!(
                    "{}: {} has no test (`{}…`): {}",
                    self.name, id.id, id.prefix, id.words
                ));
            }
        }
        let prefixes: BTreeSet<_> = self.ids.iter().map(|id| id.prefix.as_str()).collect();
        let series: BTreeSet<_> = self.ids.iter().map(|id| letters(&id.prefix)).collect();
        for test in &self.tests {
            let Some(prefix) = id_like_prefix(&test.name) else { continue };
            if series.contains(letters(prefix)) && !prefixes.contains(prefix) {
                faults.push(format!(
                    "{}: `{}` is named after no id",
                    test.file.display(),
                    test.name
                ));
            }
        }
        faults
    }
}

/// One requirement.
#[derive(Debug, PartialEq, Eq)]
struct Id {
    id: String,
    /// How the names of its tests begin.
    prefix: String,
    words: String,
}

impl Id {
    fn parse(line: &str) -> Result<Self> {
        let (id, words) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let words = words.trim();
        if words.is_empty() {
            bail!("`{id}` stands without a word of what it requires");
        }
        let Some(prefix) = prefix(id) else {
            bail!("`{id}` is no id: letters, then a number, such as `Q1` or `Qd12`");
        };
        Ok(Self { id: id.to_owned(), prefix, words: words.to_owned() })
    }

    fn tests<'a>(&'a self, tests: &'a [TestFn]) -> impl Iterator<Item = &'a TestFn> {
        tests.iter().filter(|test| !test.ignored && test.name.starts_with(&self.prefix))
    }
}

fn parse_ids(text: &str) -> Result<Vec<Id>> {
    let mut seen = BTreeSet::new();
    let mut ids = Vec::new();
    for line in text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#')) {
        let id = Id::parse(line)?;
        if !seen.insert(id.prefix.clone()) {
            bail!("`{}` is listed twice", id.id);
        }
        ids.push(id);
    }
    Ok(ids)
}

/// `Q1` gives `q01_`, `Qd12` gives `qd12_`.
fn prefix(id: &str) -> Option<String> {
    let digits = id.find(|c: char| c.is_ascii_digit())?;
    let (series, number) = id.split_at(digits);
    let number: u32 = number.parse().ok()?;
    let is_series = !series.is_empty()
        && series.starts_with(|c: char| c.is_ascii_uppercase())
        && series.bytes().all(|b| b.is_ascii_alphabetic());
    is_series.then(|| format!("{}{number:02}_", series.to_ascii_lowercase()))
}

/// The start of a test's name when it looks like an id: `qd12_` of `qd12_decodes_after_damage`.
fn id_like_prefix(name: &str) -> Option<&str> {
    let end = name.find('_')? + 1;
    let digits = name[..end].trim_start_matches(|c: char| c.is_ascii_lowercase());
    let is_number =
        digits.len() >= 3 && digits[..digits.len() - 1].bytes().all(|b| b.is_ascii_digit());
    (is_number && digits.len() < end).then_some(&name[..end])
}

fn letters(prefix: &str) -> &str {
    prefix.trim_end_matches(|c: char| !c.is_ascii_lowercase())
}

fn has_extension(file: &Path, extension: &str) -> bool {
    file.extension().is_some_and(|e| e == extension)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chapter(ids: &str, tests: &[(&str, bool, bool)]) -> Chapter {
        let tests = tests.iter().map(|(name, asserts, ignored)| TestFn {
            name: (*name).into(),
            file: "crates/x/src/lib.rs".into(),
            asserts: *asserts,
            ignored: *ignored,
        });
        Chapter { name: "x".into(), ids: parse_ids(ids).unwrap(), tests: tests.collect() }
    }

    #[test]
    fn ids_become_prefixes() {
        assert_eq!(prefix("Q1").as_deref(), Some("q01_"));
        assert_eq!(prefix("Qd3").as_deref(), Some("qd03_"));
        assert_eq!(prefix("S5").as_deref(), Some("s05_"));
        assert_eq!(prefix("L112").as_deref(), Some("l112_"));
        for wrong in ["Q", "1", "q1", "Q1a", "Q-1", "Q 1", ""] {
            assert_eq!(prefix(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_list_is_read_with_comments_and_refused_with_doubles() {
        let ids = parse_ids("# heading\n\nQ1 Two parties\n  Qd2   One debit  \n").unwrap();
        let pairs: Vec<_> = ids.iter().map(|i| (i.prefix.as_str(), i.words.as_str())).collect();
        assert_eq!(pairs, [("q01_", "Two parties"), ("qd02_", "One debit")]);
        for wrong in ["Q1", "Q1 \n", "Q1 a\nQ1 b", "what is this"] {
            assert!(parse_ids(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn an_id_needs_a_running_test_that_asserts() {
        let ids = "Q1 a\nQ2 b\nQ3 c\nQd1 d";
        let tests = [
            ("q01_fine", true, false),
            ("q02_says_nothing", false, false),
            ("q03_never_runs", true, true),
            ("qd01_fine", true, false),
            ("q1_is_not_padded", true, false),
        ];
        let faults = chapter(ids, &tests).faults();
        assert_eq!(faults.len(), 2, "{faults:?}");
        assert!(faults[0].contains("`q02_says_nothing` asserts nothing"), "{faults:?}");
        assert!(faults[1].contains("Q3 has no test"), "{faults:?}");
    }

    #[test]
    fn a_test_named_after_no_id_is_a_fault_in_a_known_series_only() {
        let tests = [("q01_a", true, false), ("q77_b", true, false), ("rfc6287_c", true, false)];
        let faults = chapter("Q1 a", &tests).faults();
        assert_eq!(faults, ["crates/x/src/lib.rs: `q77_b` is named after no id"]);
    }

    #[test]
    fn the_page_names_each_requirement_and_its_tests() {
        let chapter = chapter("Q1 a | b\nQ2 c", &[("q01_y", true, false)]);
        let page = Conformance { chapters: vec![chapter] }.page();
        assert!(page.contains("| Q1 | a \\| b | [`q01_y`](../crates/x/src/lib.rs) |\n"), "{page}");
        assert!(page.contains("| Q2 | c | none |\n"), "{page}");
    }
}
