//! Relative links in the Markdown pages lead somewhere, down to the heading.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, Path, PathBuf};

use anyhow::Result;
use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

/// One line for each dead link in the Markdown pages among these files, and how many links were
/// followed.
pub(crate) fn faults(files: &[PathBuf]) -> Result<(Vec<String>, usize)> {
    let mut pages = BTreeMap::new();
    for file in files.iter().filter(|file| file.extension().is_some_and(|e| e == "md")) {
        pages.insert(file.clone(), Page::parse(&std::fs::read_to_string(file)?));
    }
    let known: BTreeSet<&Path> = files.iter().flat_map(|file| file.ancestors()).collect();
    let mut faults = Vec::new();
    let mut followed = 0;
    for (file, page) in &pages {
        for link in page.links.iter().filter(|link| is_relative(link)) {
            followed += 1;
            if let Some(reason) = fault(file, link, &known, &pages) {
                faults.push(format!("{}: `{link}` {reason}", file.display()));
            }
        }
    }
    Ok((faults, followed))
}

/// What links need to know of a page.
struct Page {
    links: Vec<String>,
    anchors: BTreeSet<String>,
}

impl Page {
    fn parse(text: &str) -> Self {
        let mut page = Self { links: Vec::new(), anchors: BTreeSet::new() };
        let mut heading: Option<String> = None;
        let mut slugs: BTreeMap<String, usize> = BTreeMap::new();
        let options =
            Options::ENABLE_TABLES | Options::ENABLE_FOOTNOTES | Options::ENABLE_TASKLISTS;
        for event in Parser::new_ext(text, options) {
            match event {
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push(dest_url.into_string());
                }
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let slug = slug(&heading.take().unwrap_or_default());
                    let earlier = slugs.entry(slug.clone()).or_default();
                    page.anchors.insert(match *earlier {
                        0 => slug,
                        n => format!("{slug}-{n}"),
                    });
                    *earlier += 1;
                }
                Event::Text(text) | Event::Code(text) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&text);
                    }
                }
                Event::Html(html) | Event::InlineHtml(html) => {
                    page.anchors.extend(attributes(&html, &["id", "name"]));
                    page.links.extend(attributes(&html, &["href", "src"]));
                }
                _ => {}
            }
        }
        page
    }
}

fn fault(
    from: &Path,
    link: &str,
    known: &BTreeSet<&Path>,
    pages: &BTreeMap<PathBuf, Page>,
) -> Option<&'static str> {
    let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = path.split('?').next().unwrap_or(path);
    let target = if path.is_empty() { from.to_owned() } else { resolve(from, path)? };
    if !known.contains(target.as_path()) {
        return Some("leads to no file of the repository");
    }
    match pages.get(&target) {
        Some(page) if !anchor.is_empty() && !page.anchors.contains(anchor) => {
            Some("leads to no heading of that page")
        }
        _ => None,
    }
}

/// The file that a link means, relative to the root of the repository. Above the root there is
/// none.
fn resolve(from: &Path, link: &str) -> Option<PathBuf> {
    let link = link.replace("%20", " ");
    let start = if link.starts_with('/') { Path::new("") } else { from.parent()? };
    let mut target = PathBuf::new();
    for component in start.join(link.trim_start_matches('/')).components() {
        match component {
            Component::ParentDir if !target.pop() => return Some("..".into()),
            Component::Normal(name) => target.push(name),
            _ => {}
        }
    }
    Some(target)
}

/// Whether a link stays in the repository: not a URL, and not a Rust path that rustdoc resolves.
fn is_relative(link: &str) -> bool {
    let scheme = link.split_once(':').is_some_and(|(scheme, _)| {
        !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
    });
    !scheme && !link.starts_with("//")
}

/// The anchor that GitHub gives a heading.
fn slug(heading: &str) -> String {
    heading
        .trim()
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .flat_map(char::to_lowercase)
        .collect()
}

/// The quoted values of these attributes in a piece of HTML.
fn attributes(html: &str, names: &[&str]) -> Vec<String> {
    let mut values = Vec::new();
    for name in names {
        for (at, _) in html.match_indices(&format!(" {name}=\"")) {
            let value = &html[at + name.len() + 3..];
            values.extend(value.split_once('"').map(|(value, _)| value.to_owned()));
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_become_anchors_as_on_github() {
        let page = Page::parse(
            "# Four shapes, and no fifth\n## `port`: Time & money\n## Same\n## Same\n<a id=\"here\"></a>\n",
        );
        let anchors: Vec<_> = page.anchors.iter().map(String::as_str).collect();
        assert_eq!(
            anchors,
            ["four-shapes-and-no-fifth", "here", "port-time--money", "same", "same-1"]
        );
    }

    #[test]
    fn urls_and_rust_paths_are_not_followed() {
        for link in ["https://example.org/x.md", "mailto:a@b.c", "crate::Store", "//host/x"] {
            assert!(!is_relative(link), "{link}");
        }
        for link in ["a.md", "../b/c.md#d", "#e", "/docs/x.md", "docs/a b:c.md"] {
            assert!(is_relative(link), "{link}");
        }
    }

    #[test]
    fn links_resolve_from_their_page_and_from_the_root() {
        let from = Path::new("docs/adr/0001.md");
        assert_eq!(resolve(from, "../a.md"), Some("docs/a.md".into()));
        assert_eq!(resolve(from, "./b%20c.md"), Some("docs/adr/b c.md".into()));
        assert_eq!(resolve(from, "/README.md"), Some("README.md".into()));
        assert_eq!(resolve(from, "../../../etc"), Some("..".into()));
    }

    #[test]
    fn dead_links_are_found_and_live_ones_are_not() {
        let text = "# A b\n[x](b.md) [y](b.md#there) [z](#a-b) ![i](img/) [s](b.md?raw#nowhere)\n\
                    [dead](c.md) [dead](#nope)\n\n[r]: ../d.md\n[dead][r]\n\n`[code](e.md)`\n";
        let pages = BTreeMap::from([
            (PathBuf::from("docs/a.md"), Page::parse(text)),
            (PathBuf::from("docs/b.md"), Page::parse("# There\n")),
        ]);
        let known =
            ["docs/a.md", "docs/b.md", "docs/img"].iter().map(Path::new).collect::<BTreeSet<_>>();
        let dead: Vec<_> = pages[Path::new("docs/a.md")]
            .links
            .iter()
            .filter(|link| fault(Path::new("docs/a.md"), link, &known, &pages).is_some())
            .collect();
        assert_eq!(dead, ["b.md?raw#nowhere", "c.md", "#nope", "../d.md"]);
    }
}
