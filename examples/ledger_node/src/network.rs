//! What everybody may know of a network: how it began, who founded it, how it orders. Whoever has this file verifies proofs.

use crate::failure::Failure;
use crate::hex;
use ledger::{Body, ChainId, Genesis, Height, Identity, NodeId, Role, Transaction};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// A network as its public file says.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    pub(crate) genesis: Genesis,
    pub(crate) chain: ChainId,
    pub(crate) ordering: Ordering,
    /// The identity records of its first nodes, signed by whoever has to; each is a block, in this order.
    pub(crate) founding: Vec<Transaction>,
}

/// How transactions are put in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ordering {
    /// By the founder alone; other supervision nodes audit.
    Single,
    /// By votes of all supervision nodes; fewer than a third may be away, or lie.
    Bft,
}

/// The file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct NetworkFile {
    /// What its log is called, and how it orders, for people; the genesis says both.
    origin: String,
    genesis: String,
    ordering: OrderingFile,
    founding: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderingFile {
    kind: Ordering,
}

impl Network {
    /// # Errors
    /// [`Failure::Usage`] for founding records that are none.
    pub(crate) fn new(genesis: Genesis, founding: Vec<Transaction>) -> Result<Self, Failure> {
        let chain = genesis.chain().map_err(Failure::run)?;
        let ordering = if genesis.is_by_votes() { Ordering::Bft } else { Ordering::Single };
        let network = Self { genesis, chain, ordering, founding };
        match network.nodes().count() == network.founding.len() && !network.founding.is_empty() {
            true => Ok(network),
            false => Err(Failure::usage("a founding record is no identity record of this chain")),
        }
    }

    /// Reads the public file.
    pub(crate) fn load(path: &Path) -> Result<Self, Failure> {
        let text = std::fs::read_to_string(path).map_err(|why| Failure::file(path, why))?;
        let file: NetworkFile =
            toml::from_str(&text).map_err(|why| Failure::file(path, why.to_string().trim_end()))?;
        let damaged = |what: &str| Failure::file(path, format!("{what} is damaged"));
        let genesis = hex::all(&file.genesis).and_then(|bytes| Genesis::parse(&bytes).ok());
        let genesis = genesis.filter(|genesis| genesis.origin() == file.origin);
        let founding = file.founding.iter().map(|text| {
            let read = hex::all(text).and_then(|bytes| Transaction::parse(&bytes).ok());
            read.ok_or_else(|| damaged("a founding record"))
        });
        let founding = founding.collect::<Result<_, _>>()?;
        let genesis = genesis.ok_or_else(|| damaged("the genesis"))?;
        let network = Self::new(genesis, founding).map_err(|why| Failure::file(path, why))?;
        if network.ordering == file.ordering.kind {
            Ok(network)
        } else {
            Err(Failure::file(path, "its ordering is not the one of its genesis"))
        }
    }

    /// The public file's text.
    pub(crate) fn to_text(&self) -> Result<String, Failure> {
        use std::fmt::Write as _;
        let mut genesis = Vec::new();
        self.genesis.encode(&mut genesis).map_err(Failure::run)?;
        let mut text = String::from(
            "# What a network is, for everybody: nodes start from it, and strangers verify proofs with it. Nothing in it is secret.\n",
        );
        let kind = match self.ordering {
            Ordering::Single => "single",
            Ordering::Bft => "bft",
        };
        let _ = write!(
            text,
            "origin = \"{}\"\ngenesis = \"{}\"\nordering = {{ kind = \"{kind}\" }}\nfounding = [\n",
            self.genesis.origin(),
            hex::text(&genesis),
        );
        for transaction in &self.founding {
            let bytes = transaction.to_bytes().map_err(Failure::run)?;
            let _ = writeln!(text, "    \"{}\",", hex::text(&bytes));
        }
        text.push_str("]\n");
        Ok(text)
    }

    /// The first nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = (NodeId, &Identity)> {
        (0..).zip(&self.founding).filter_map(|(height, it)| match &it.body {
            Body::Join(identity) if it.chain == self.chain => {
                Some((NodeId(Height(height)), identity))
            }
            _ => None,
        })
    }

    pub(crate) fn node(&self, name: &str) -> Option<(NodeId, &Identity)> {
        self.nodes().find(|(_, identity)| identity.name.as_str() == name)
    }

    /// The nodes that take transactions.
    pub(crate) fn orderers(&self) -> impl Iterator<Item = (NodeId, &Identity)> {
        let all = self.nodes().filter(|(_, identity)| identity.role == Role::Supervision);
        all.take(match self.ordering {
            Ordering::Single => 1,
            Ordering::Bft => ledger::VALIDATORS_MAX,
        })
    }
}
