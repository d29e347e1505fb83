//! Files by heights.

use crate::digest_map::DigestMap;
use crate::{FileId, Height};
use alloc::collections::BTreeMap;

/// Files by a height of each, in the order of the heights, then of their names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Calendar {
    /// No height without files.
    days: BTreeMap<Height, DigestMap<FileId, ()>>,
}

impl Calendar {
    pub(super) fn insert(&mut self, height: Height, file: FileId) {
        self.days.entry(height).or_insert_with(DigestMap::new).insert(file, ());
    }

    pub(super) fn remove(&mut self, height: Height, file: FileId) {
        if let Some(files) = self.days.get_mut(&height) {
            files.remove(&file);
            if files.is_empty() {
                self.days.remove(&height);
            }
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Height, FileId)> {
        self.days.iter().flat_map(|(height, files)| files.keys().map(move |file| (*height, *file)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn a_calendar_is_one_sorted_set(steps in vec((0..4_u64, any::<u8>(), any::<bool>()), 0..300)) {
            let (mut calendar, mut model) = (Calendar::default(), BTreeSet::new());
            for (height, file, stays) in steps {
                let (height, file) = (Height(height), FileId([file; 32]));
                if stays {
                    calendar.insert(height, file);
                    model.insert((height, file));
                } else {
                    calendar.remove(height, file);
                    model.remove(&(height, file));
                }
            }
            prop_assert!(calendar.iter().eq(model.clone()));
            let mut other = Calendar::default();
            model.iter().for_each(|(height, file)| other.insert(*height, *file));
            prop_assert_eq!(calendar, other);
        }
    }
}
