//! The books equal what terminals were told: each approval once, less what was reversed; nothing for a decline (spec Sd3, Sd4, Sd12).

use crate::world::{Peek, World};
use interbank_standin::{RequestKey, Response, TransactionRequest};
use std::collections::BTreeMap;

pub(crate) fn holds<S: Peek>(world: &World<S>) -> Result<(), String> {
    let mut right: BTreeMap<RequestKey, i64> = BTreeMap::new();
    let mut reversed = Vec::new();
    for draft in &world.play.requests {
        let request = TransactionRequest::new(draft.clone()).unwrap();
        let Some(bytes) = world.told(&request.key).next() else { continue };
        let response = Response::parse(bytes).map_err(|why| why.to_string())?;
        if !response.is_approval() {
            continue;
        }
        match request.original {
            Some(original) => reversed.push(original),
            None => {
                right.insert(request.key, response.approved.map_or(0, |amount| amount.minor()));
            }
        }
    }
    for original in &reversed {
        right.remove(original);
    }
    let mut books: BTreeMap<RequestKey, Vec<i64>> = BTreeMap::new();
    for posting in &world.host.book {
        books.entry(posting.about).or_default().push(posting.minor);
    }
    for (about, lines) in &books {
        let net: i64 = lines.iter().sum();
        let due = right.remove(about).unwrap_or(0);
        let ups = lines.iter().filter(|minor| **minor > 0).count();
        if net != due || ups > 1 || lines.len() > 2 {
            return Err(format!("{about:?}: {due} is right, the books say {lines:?}"));
        }
    }
    match right.iter().find(|(_, minor)| **minor != 0) {
        Some((about, minor)) => Err(format!("{about:?}: {minor} was never posted")),
        None => Ok(()),
    }
}
