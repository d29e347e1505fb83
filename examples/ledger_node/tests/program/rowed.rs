//! What lies in the rows of a node that does not run: its sealed documents, and what the chain says of them.

use crate::home::Home;
use ledger::{Block, Body, ChainId, Height, NodeId, SealedDocument, SealingKey};
use port::{CrateTag, Key, Scan, Store, Tenant};
use seal::Secret;
use std::collections::BTreeMap;
use std::fs;
use store_redb::{Options, RedbStore};

/// The rows of one node.
pub(crate) struct Rowed {
    chain: ChainId,
    node: NodeId,
    /// Of each request on the chain whose document is here: its digits, the document, the commitment.
    documents: BTreeMap<String, (SealedDocument, [u8; 32])>,
}

impl Rowed {
    /// Reads them; nodes have the numbers of their founding records.
    pub(crate) fn of(home: &Home, name: &str, number: u64) -> Self {
        let store = RedbStore::open(home.path(name).join("state/rows"), Options::new()).unwrap();
        let tenant = Tenant::new(1);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let rows = |prefix: Key| runtime.block_on(all(&store, prefix));
        let mut parts: BTreeMap<[u8; 32], Vec<u8>> = BTreeMap::new();
        for (key, value) in rows(Key::new(CrateTag::PORT, tenant, 176)) {
            let digest = key[Key::HEAD_BYTES..][..32].try_into().unwrap();
            parts.entry(digest).or_default().extend(value);
        }
        let mut documents = BTreeMap::new();
        let mut chain = None;
        for (_, value) in rows(Key::new(CrateTag::LEDGER, tenant, 2)) {
            for transaction in Block::parse(&value).unwrap().transactions {
                chain = Some(transaction.chain);
                let Body::Register(request) = &transaction.body else { continue };
                let Some(bytes) = parts.get(&request.sealed) else { continue };
                let sealed = SealedDocument::parse(bytes).unwrap();
                documents.insert(hex(&transaction.digest().unwrap()), (sealed, request.commitment));
            }
        }
        Self { chain: chain.unwrap(), node: NodeId(Height(number)), documents }
    }

    /// Whether a document opens with the key of a seed as the node's file has it.
    pub(crate) fn opens(&self, file: &str, seed: &str) -> bool {
        let (sealed, commitment) = &self.documents[file];
        sealed.open(self.chain, commitment, self.node, &sealing(seed)).is_ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.documents.len()
    }

    pub(crate) fn files(&self) -> impl Iterator<Item = &String> {
        self.documents.keys()
    }
}

/// The text of a node's file.
pub(crate) fn seed(home: &Home, node: &str, name: &str) -> String {
    fs::read_to_string(home.path(node).join(name)).unwrap()
}

fn sealing(seed: &str) -> SealingKey {
    let digits = seed.split(' ').next().unwrap().trim();
    let byte = |at: usize| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap();
    SealingKey::from_seed(&Secret::new(std::array::from_fn(byte)))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn all(store: &RedbStore, prefix: Key) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows: Vec<(Key, Vec<u8>)> = Vec::new();
    loop {
        let after = rows.last().map(|(key, _)| key.clone());
        let scan = Scan { prefix: prefix.clone(), after, limit: Scan::ROWS_MAX };
        let page = store.read(&port::ReadSet::scan(scan)).await.unwrap().scans.remove(0);
        if page.is_empty() {
            return rows.into_iter().map(|(key, value)| (key.as_bytes().to_vec(), value)).collect();
        }
        rows.extend(page.into_iter().map(|(key, row)| (key, row.value.to_vec())));
    }
}
