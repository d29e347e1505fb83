//! Receipts: saved as files, and verified with public keys alone.

use super::is_server;
use crate::config::Config;
use crate::control::{Question, ask};
use crate::failure::Failure;
use crate::hex;
use crate::options::{Save, Verify};
use filexfer::pack::{Manifest, MemberReceipt};
use filexfer::{SignedReceipt, Stage};
use serde_json::{Value, json};
use std::io::Read as _;
use std::path::Path;

/// Saves the receipts of a request, and those of the files in a pack.
pub(crate) async fn save(config: &Config, options: &Save) -> Result<Value, Failure> {
    is_server(config, &options.requester)?;
    let question = Question::Receipts { id: options.id.clone() };
    let answer = ask(&config.socket(&options.requester), &options.requester, &question).await?;
    let unreadable = |why: String| Failure::Unproven(format!("a receipt cannot be read: {why}"));
    let manifest = match answer["manifest"].as_str().map(hex::all) {
        Some(bytes) => Manifest::parse(&bytes.unwrap_or_default()).map(Some),
        None => Ok(None),
    };
    let manifest = manifest.map_err(|why| unreadable(why.to_string()))?;
    let mut saved = Vec::new();
    let mut save = |name: String, bytes: &[u8]| {
        let path = options.to.join(name);
        std::fs::write(&path, bytes).map_err(|why| Failure::file(&path, why))?;
        saved.push(path.display().to_string());
        Ok(())
    };
    let mut is_found = options.file.is_none();
    for receipt in answer["receipts"].as_array().into_iter().flatten() {
        let bytes = hex::all(receipt.as_str().unwrap_or_default()).unwrap_or_default();
        let signed = SignedReceipt::parse(&bytes).map_err(|why| unreadable(why.to_string()))?;
        let receipt = &signed.receipt;
        let of = format!("{}.{}", receipt.id, receipt.party);
        if options.file.is_none() {
            save(format!("{of}.{}.receipt", stage(receipt.stage)), &bytes)?;
        }
        let members = manifest.as_ref().and_then(|manifest| manifest.receipts(&signed));
        for member in members.into_iter().flatten() {
            if options.file.as_ref().is_some_and(|name| name != member.entry.name.as_str()) {
                continue;
            }
            is_found = true;
            let mut bytes = Vec::new();
            member.encode(&mut bytes).map_err(|why| unreadable(why.to_string()))?;
            save(format!("{of}.{}.receipt", member.index), &bytes)?;
        }
    }
    match &options.file {
        Some(name) if !is_found => Err(Failure::Usage(format!(
            "there is no receipt for {name}: it is in no pack of that request, or the pack is not taken yet"
        ))),
        _ => Ok(json!({ "saved": saved })),
    }
}

/// What a file says of itself that should be a receipt.
struct Shown {
    signed: SignedReceipt,
    /// Of a file in a pack.
    member: Option<MemberReceipt>,
}

impl Shown {
    fn parse(bytes: &[u8]) -> Option<Self> {
        if let Ok(signed) = SignedReceipt::parse(bytes) {
            return Some(Self { signed, member: None });
        }
        let member = MemberReceipt::parse(bytes).ok()?;
        Some(Self { signed: member.pack.clone(), member: Some(member) })
    }

    /// Root and size of the content that it is about.
    fn content(&self) -> ([u8; 32], u64) {
        match &self.member {
            Some(member) => (member.entry.root, member.entry.size),
            None => (self.signed.receipt.root, self.signed.receipt.size),
        }
    }
}

/// Verifies receipts with public keys alone.
pub(crate) fn verify(config: &Config, options: &Verify) -> Result<Value, Failure> {
    let content = options.content.as_deref().map(digest).transpose()?;
    let mut verified = Vec::new();
    for path in &options.receipts {
        let bytes = std::fs::read(path).map_err(|why| Failure::file(path, why))?;
        let unproven =
            |why: String| Failure::Unproven(format!("{} proves nothing: {why}", path.display()));
        let shown = Shown::parse(&bytes).ok_or_else(|| unproven("it is no receipt".into()))?;
        let receipt = &shown.signed.receipt;
        let party = config.registry.party(&receipt.party);
        let key = party.and_then(|party| party.keys.get(&shown.signed.key_number));
        let (key, _) = key.ok_or_else(|| {
            unproven(format!("the configuration has no such key of {}", receipt.party))
        })?;
        let is_right = match &shown.member {
            Some(member) => member.verify(key),
            None => shown.signed.verify(key),
        };
        is_right.map_err(|why| unproven(why.to_string()))?;
        let (root, size) = shown.content();
        if content.is_some_and(|content| content != (root, size)) {
            return Err(unproven("it is about other content".into()));
        }
        verified.push(json!({
            "party": receipt.party.as_str(),
            "stage": stage(receipt.stage),
            "id": receipt.id.to_string(),
            "file": shown.member.as_ref().map(|member| member.entry.name.as_str()),
            "root": hex::text(&root),
            "size": size,
            "at": receipt.at.to_string(),
        }));
    }
    Ok(Value::Array(verified))
}

/// Root and size of a file.
fn digest(path: &Path) -> Result<([u8; 32], u64), Failure> {
    let mut file = std::fs::File::open(path).map_err(|why| Failure::file(path, why))?;
    let mut root = filexfer::StreamingRoot::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).map_err(|why| Failure::file(path, why))?;
        if read == 0 {
            return Ok(root.finish());
        }
        root.update(&buffer[..read]);
    }
}

const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Origin => "origin",
        Stage::Received => "received",
        Stage::Verified => "verified",
        Stage::HandedOver => "handed-over",
    }
}
