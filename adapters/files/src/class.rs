//! Which class a file is of, by the folder that it is in.

use filexfer::{FileClass, FileName};

/// The class of the longest of the folders that a file is in, or `other`.
pub fn class_of<'a>(
    name: &FileName,
    classes: &'a [(String, FileClass)],
    other: &'a FileClass,
) -> &'a FileClass {
    let fitting = classes.iter().filter(|(folder, _)| name.is_in(folder));
    let longest = fitting.max_by_key(|(folder, _)| folder.trim_end_matches('/').len());
    longest.map_or(other, |(_, class)| class)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_folder_gives_the_class() {
        let class = |text: &str| FileClass::new(text).unwrap();
        let classes = [
            ("out".into(), class("general")),
            ("out/settlement/".into(), class("settlement")),
            ("outer".into(), class("wrong")),
        ];
        let other = class("other");
        let of = |name: &str| {
            class_of(&FileName::new(name).unwrap(), &classes, &other).as_str().to_owned()
        };
        assert_eq!(of("out/a"), "general");
        assert_eq!(of("out/settlement/a"), "settlement");
        assert_eq!(of("out/settlements"), "general");
        assert_eq!(of("output"), "other");
    }
}
