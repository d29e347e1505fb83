//! The test functions in Rust sources, and whether they assert anything. Read with `syn`, because a
//! search for text believes comments, strings and ignored tests.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit::{self, Visit};

/// A function with a `#[test]` attribute of any kind, also inside `proptest!`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TestFn {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    /// Whether it can fail for another reason than a crash.
    pub(crate) asserts: bool,
    /// Whether a plain test run leaves it out.
    pub(crate) ignored: bool,
}

/// The test functions of these files, in order of file and line.
pub(crate) fn tests_in<'a>(files: impl IntoIterator<Item = &'a PathBuf>) -> Result<Vec<TestFn>> {
    let mut functions = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file)
            .with_context(|| format!("cannot read {}", file.display()))?;
        functions.extend(functions_in(file, &text)?);
    }
    Ok(judge(functions))
}

/// A function, as far as we care.
struct Function {
    name: String,
    file: PathBuf,
    is_test: bool,
    ignored: bool,
    asserts: bool,
    calls: BTreeSet<String>,
}

fn functions_in(file: &Path, text: &str) -> Result<Vec<Function>> {
    let syntax =
        syn::parse_file(text).with_context(|| format!("{} is not Rust", file.display()))?;
    let mut collector = Collector { file, functions: Vec::new() };
    collector.visit_file(&syntax);
    Ok(collector.functions)
}

/// Decides for each test whether it asserts, itself or through a function that it calls.
fn judge(functions: Vec<Function>) -> Vec<TestFn> {
    let mut asserting: BTreeSet<(PathBuf, String)> = functions
        .iter()
        .filter(|f| f.asserts)
        .map(|f| (neighbourhood(&f.file), f.name.clone()))
        .collect();
    // a called function may call another: repeat until nothing is added
    loop {
        let before = asserting.len();
        for function in &functions {
            let home = neighbourhood(&function.file);
            if function.calls.iter().any(|c| asserting.contains(&(home.clone(), c.clone()))) {
                asserting.insert((home, function.name.clone()));
            }
        }
        if asserting.len() == before {
            break;
        }
    }
    let tests = functions.into_iter().filter(|f| f.is_test);
    tests
        .map(|f| TestFn {
            asserts: asserting.contains(&(neighbourhood(&f.file), f.name.clone())),
            name: f.name,
            file: f.file,
            ignored: f.ignored,
        })
        .collect()
}

/// Where the functions that a file's tests call are looked up: the file, or all of its `tests/` folder,
/// whose modules share them.
fn neighbourhood(file: &Path) -> PathBuf {
    let tests = file.ancestors().skip(1).find(|dir| dir.ends_with("tests"));
    tests.unwrap_or(file).to_owned()
}

struct Collector<'a> {
    file: &'a Path,
    functions: Vec<Function>,
}

impl Collector<'_> {
    fn add(&mut self, name: String, attributes: &[TokenStream], body: TokenStream) {
        let mut signs = Signs::default();
        signs.read(body);
        let mut is_test = false;
        let mut ignored = false;
        for attribute in attributes {
            let path = path_of(attribute);
            is_test |= path.last().is_some_and(|last| last == "test");
            ignored |= path == ["ignore"];
            signs.asserts |= path == ["should_panic"];
        }
        self.functions.push(Function {
            name,
            file: self.file.to_owned(),
            is_test,
            ignored,
            asserts: signs.asserts,
            calls: signs.calls,
        });
    }

    /// Functions in the tokens of a macro such as `proptest!`, whose arguments are no Rust that
    /// `syn` knows.
    fn add_from_tokens(&mut self, tokens: TokenStream) {
        let mut attributes = Vec::new();
        let mut tokens = tokens.into_iter().peekable();
        while let Some(token) = tokens.next() {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(TokenTree::Group(group)) = tokens.peek() {
                        attributes.push(group.stream());
                        tokens.next();
                    }
                }
                TokenTree::Ident(word) if word == "fn" => {
                    let Some(TokenTree::Ident(name)) = tokens.next() else { continue };
                    let body = tokens.by_ref().find_map(|token| match token {
                        TokenTree::Group(g) if g.delimiter() == Delimiter::Brace => {
                            Some(g.stream())
                        }
                        _ => None,
                    });
                    self.add(name.to_string(), &attributes, body.unwrap_or_default());
                    attributes.clear();
                }
                TokenTree::Punct(punct) if punct.as_char() == ';' => attributes.clear(),
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Collector<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(item.sig.ident.to_string(), &metas(&item.attrs), item.block.to_token_stream());
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(item.sig.ident.to_string(), &metas(&item.attrs), item.block.to_token_stream());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        // the definition of a macro holds patterns, not functions
        if item.ident.is_none() {
            self.add_from_tokens(item.mac.tokens.clone());
        }
    }
}

/// What the body of a function shows: its own assertions, and the names that it calls.
#[derive(Default)]
struct Signs {
    asserts: bool,
    calls: BTreeSet<String>,
}

impl Signs {
    fn read(&mut self, tokens: TokenStream) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.read(group.stream()),
                TokenTree::Ident(word) => {
                    let word = word.to_string();
                    let rest = &tokens[at + 1..];
                    let method = at > 0 && is_punct(&tokens[at - 1], '.');
                    match rest {
                        [bang, TokenTree::Group(group), ..] if is_punct(bang, '!') => {
                            self.asserts |= is_assertion(&word, group.stream());
                        }
                        _ if is_call(rest) => {
                            self.asserts |= method && REFUSALS.contains(&word.as_str());
                            self.calls.insert(word);
                        }
                        // handed over, to be called by somebody else
                        _ if !method && rest.first().is_none_or(|next| is_punct(next, ',')) => {
                            self.calls.insert(word);
                        }
                        _ => {}
                    }
                }
                _ => {}
            }
        }
    }
}

/// Whether what follows a name makes it a call: `(…)`, or `::<…>(…)`.
fn is_call(rest: &[TokenTree]) -> bool {
    let is_arguments = |token: &TokenTree| matches!(token, TokenTree::Group(g) if g.delimiter() == Delimiter::Parenthesis);
    match rest {
        [first, ..] if is_arguments(first) => true,
        [a, b, c, ..] if is_punct(a, ':') && is_punct(b, ':') && is_punct(c, '<') => {
            let mut depth = 0_u32;
            for (at, token) in rest.iter().enumerate().skip(2) {
                if is_punct(token, '<') {
                    depth += 1;
                } else if is_punct(token, '>') && !is_punct(&rest[at - 1], '-') {
                    depth -= 1;
                    if depth == 0 {
                        return rest.get(at + 1).is_some_and(is_arguments);
                    }
                }
            }
            false
        }
        _ => false,
    }
}

/// Whether a macro is an assertion about something: `assert!(true)` and `assert_eq!(1, 1)` are not.
fn is_assertion(name: &str, arguments: TokenStream) -> bool {
    match name {
        "panic" | "unreachable" => true,
        _ if name.starts_with("assert") || name.starts_with("prop_assert") => {
            mentions_something(arguments)
        }
        _ => false,
    }
}

fn mentions_something(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Group(group) => mentions_something(group.stream()),
        TokenTree::Ident(word) => word != "true" && word != "false",
        _ => false,
    })
}

fn metas(attributes: &[syn::Attribute]) -> Vec<TokenStream> {
    attributes.iter().map(|attribute| attribute.meta.to_token_stream()).collect()
}

/// The path at the start of an attribute: `tokio::test(flavor = "…")` gives `["tokio", "test"]`.
fn path_of(attribute: &TokenStream) -> Vec<String> {
    let mut path = Vec::new();
    for token in attribute.clone() {
        match token {
            TokenTree::Ident(word) => path.push(word.to_string()),
            TokenTree::Punct(punct) if punct.as_char() == ':' => {}
            _ => break,
        }
    }
    path
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

/// Methods that panic unless the answer is a refusal.
const REFUSALS: &[&str] = &["unwrap_err", "expect_err"];

/// All tests by name, for those who look one up.
pub(crate) fn by_name(tests: &[TestFn]) -> BTreeMap<&str, &TestFn> {
    tests.iter().filter(|test| !test.ignored).map(|test| (test.name.as_str(), test)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tests_of(text: &str) -> Vec<(String, bool, bool)> {
        let functions = functions_in(Path::new("crates/x/src/lib.rs"), text).unwrap();
        judge(functions).into_iter().map(|t| (t.name, t.asserts, t.ignored)).collect()
    }

    fn asserts(body: &str) -> bool {
        tests_of(&format!("#[test] fn t() {{ {body} }}"))[0].1
    }

    #[test]
    fn assertions_are_recognized() {
        assert!(asserts("assert_eq!(parse(b\"x\"), Ok(()));"));
        assert!(asserts("for x in 0..3 { if x > 1 { assert!(matches!(f(x), Some(_))); } }"));
        assert!(asserts("let Ok(x) = f() else { panic!(\"no\") };"));
        assert!(asserts("f().unwrap_err();"));
        assert!(asserts("proptest!(|(x in 0..9)| { prop_assert!(x < 9); });"));
    }

    #[test]
    fn what_cannot_fail_is_no_assertion() {
        assert!(!asserts(""));
        assert!(!asserts("let _ = f();"));
        assert!(!asserts("assert!(true); assert_eq!(1, 1);"));
        assert!(!asserts("// assert!(x)\n let s = \"assert!(x)\";"));
        assert!(!asserts("prop_assume!(x);"));
        assert!(!asserts("unwrap_err(f());"));
    }

    #[test]
    fn called_functions_of_the_file_count_also_through_each_other() {
        let text = "
            #[test] fn direct() { check(1); }
            #[test] fn generic() { check::<Vec<u8>>(1); }
            #[test] fn far() { outer(); }
            #[test] fn handed_over() { for_all(0..9, &check); }
            #[test] fn none() { quiet(); foreign(); let check = 1; }
            fn outer() { inner() }
            fn inner() { check(2) }
            fn quiet() {}
            fn check<T>(x: T) { assert!(x > 0) }
        ";
        let flags: Vec<_> = tests_of(text).into_iter().map(|t| (t.0, t.1)).collect();
        let expected = [
            ("direct", true),
            ("generic", true),
            ("far", true),
            ("handed_over", true),
            ("none", false),
        ];
        assert_eq!(flags, expected.map(|(name, flag)| (name.to_owned(), flag)));
    }

    #[test]
    fn called_functions_are_shared_in_a_tests_folder_but_not_beyond() {
        let mut functions = functions_in(
            Path::new("crates/x/tests/sim/world.rs"),
            "pub fn explore() { assert!(ok()) }",
        )
        .unwrap();
        for file in ["crates/x/tests/sim/main.rs", "crates/x/src/lib.rs"] {
            functions
                .extend(functions_in(Path::new(file), "#[test] fn t() { explore() }").unwrap());
        }
        let flags: Vec<_> = judge(functions).into_iter().map(|t| t.asserts).collect();
        assert_eq!(flags, [true, false]);
    }

    #[test]
    fn tests_in_modules_and_macros_are_found_and_ignored_ones_marked() {
        let text = "
            mod tests {
                #[tokio::test(flavor = \"multi_thread\")] async fn a() { assert!(x) }
                #[test] #[ignore = \"slow\"] fn b() { assert!(x) }
                #[test] #[should_panic(expected = \"x\")] fn c() { f() }
                fn not_a_test() {}
                proptest! {
                    #![proptest_config(ProptestConfig::with_cases(64))]
                    /// A comment.
                    #[test]
                    fn d(x in 0..10_u8, y in any::<u8>()) { prop_assert_eq!(x, y) }
                }
            }
            macro_rules! make { ($name:ident) => { #[test] fn $name() {} } }
        ";
        let expected =
            [("a", true, false), ("b", true, true), ("c", true, false), ("d", true, false)];
        assert_eq!(tests_of(text), expected.map(|(n, a, i)| (n.to_owned(), a, i)));
    }
}
