//! Postings of an account are in the order of answers (spec Sd6): what was answered before something else was asked is posted
//! before that.

use crate::world::{Peek, Said, World};
use interbank_standin::TransactionRequest;

pub(crate) fn holds<S: Peek>(world: &World<S>) -> Result<(), String> {
    let requests: Vec<TransactionRequest> = world
        .play
        .requests
        .iter()
        .map(|draft| TransactionRequest::new(draft.clone()).unwrap())
        .collect();
    for first in &requests {
        for second in &requests {
            let one_account = first.account.token == second.account.token;
            if !one_account || first.key == second.key {
                continue;
            }
            let told = world.said.iter().position(|(said, _)| match said {
                Said::Told(key, _) => *key == first.key,
                Said::Asked(_) => false,
            });
            let asked = world.said.iter().position(|(said, _)| *said == Said::Asked(second.key));
            let (Some(told), Some(asked)) = (told, asked) else { continue };
            if told > asked {
                continue;
            }
            let (Some(one), Some(other)) = (posted(world, first), posted(world, second)) else {
                continue;
            };
            if one > other {
                return Err(format!(
                    "{:?} was answered before {:?} was asked, and posted after it",
                    first.key, second.key
                ));
            }
        }
    }
    Ok(())
}

/// Where in the book a request was posted: what it moved, or what it moved back.
fn posted<S: Peek>(world: &World<S>, request: &TransactionRequest) -> Option<usize> {
    let mut book = world.host.book.iter();
    match request.original {
        None => book.position(|one| one.about == request.key && one.minor > 0),
        Some(original) => book.position(|one| one.about == original && one.minor < 0),
    }
}
