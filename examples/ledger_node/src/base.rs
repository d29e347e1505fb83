//! What a node does not have that joined by a snapshot: the blocks before it.

use crate::failure::Failure;
use crate::network::Ordering;
use crate::rows::{self, Table};
use ledger::{Chain, Height, NodeId};
use port::{Batch, Expect, Store};

/// From where on a node has blocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base {
    from: Height,
    ordering: Ordering,
}

impl Base {
    /// `None`: it has all of them.
    pub(crate) async fn load<S: Store>(
        store: &S,
        ordering: Ordering,
    ) -> Result<Option<Self>, Failure> {
        let Some(row) = rows::one(store, Table::Base.prefix()).await? else { return Ok(None) };
        let from = row.value[..].try_into().map(u64::from_be_bytes);
        let from = from.map_err(|_| Failure::run("a stored row is damaged: the base"))?;
        Ok(Some(Self { from: Height(from), ordering }))
    }

    /// What is stored of it, with the index beginning there.
    pub(crate) fn put(batch: &mut Batch, from: Height) {
        for table in [Table::Base, Table::Indexed] {
            batch.put(table.prefix(), Expect::Any, from.0.to_be_bytes().to_vec());
        }
    }

    pub(crate) const fn from(&self) -> Height {
        self.from
    }

    /// Why something older is not answered, and who answers it: whoever orders has all blocks.
    pub(crate) fn why(&self, chain: &Chain) -> String {
        let ids = match self.ordering {
            Ordering::Single => vec![NodeId::FOUNDER],
            Ordering::Bft => chain.validators(chain.next_height()),
        };
        let nodes = ids.into_iter().filter_map(|id| chain.state().node(id));
        let names: Vec<_> = nodes.map(|node| node.name.as_str()).collect();
        format!(
            "this node joined by a snapshot and has no blocks before {}; ask {}",
            self.from,
            names.join(" or ")
        )
    }
}
