//! How long files and functions are. A report, not a rule: length is a reason to look, not a fault.

use std::path::PathBuf;

use anyhow::Result;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

/// One line for each file and function beyond what is advised.
pub(crate) fn report(files: &[PathBuf]) -> Result<Vec<String>> {
    let mut lines = Vec::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "rs")) {
        let text = std::fs::read_to_string(file)?;
        let sizes = Sizes::measure(&text)?;
        if sizes.code > FILE_LINES {
            lines.push(format!("{}: {} lines before its tests", file.display(), sizes.code));
        }
        for (name, length) in sizes.functions.iter().filter(|(_, length)| *length > FN_LINES) {
            lines.push(format!("{}: `{name}` has {length} lines", file.display()));
        }
    }
    Ok(lines)
}

struct Sizes {
    /// Lines before the tests.
    code: usize,
    functions: Vec<(String, usize)>,
}

impl Sizes {
    fn measure(text: &str) -> Result<Self> {
        let syntax = syn::parse_file(text)?;
        let tests = syntax.items.iter().find_map(|item| match item {
            syn::Item::Mod(module) if module.ident == "tests" => Some(module.span().start().line),
            _ => None,
        });
        let code = tests.map_or(text.lines().count(), |line| line - 1);
        let mut sizes = Self { code, functions: Vec::new() };
        sizes.visit_file(&syntax);
        Ok(sizes)
    }

    fn add(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let lines = block.span().end().line - signature.span().start().line + 1;
        self.functions.push((signature.ident.to_string(), lines));
    }
}

impl<'ast> Visit<'ast> for Sizes {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.add(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }
}

const FILE_LINES: usize = 400;
const FN_LINES: usize = 70;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_counted_without_tests() {
        let text = "struct A;\nimpl A {\n    fn long() {\n        x();\n    }\n}\nfn short() {}\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n";
        let sizes = Sizes::measure(text).unwrap();
        assert_eq!(sizes.code, 8);
        let expected = [("long", 3), ("short", 1), ("t", 1)];
        assert_eq!(sizes.functions, expected.map(|(name, lines)| (name.to_owned(), lines)));
    }
}
