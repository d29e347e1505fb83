//! What users ask of running nodes. What needs a signature is checked and signed here: keys never leave the user's side.

use crate::adding;
use crate::config::Config;
use crate::control::{Payment, Question, Wish};
use crate::desk::{Desk, POLL, Submitted, ask_of, outcome, submit};
use crate::failure::Failure;
use crate::hex;
use crate::network::Network;
use crate::options::{
    Accept, Audit, Document, End, Erase, Let, Node, Offer, Party, Prove, Register, Release, Retire,
    Security, Settle, Status, Supervise, Verify,
};
use crate::proof::Proof;
use crate::say;
use crate::secrets;
use base64ct::{Base64, Encoding as _};
use ledger::{
    Associate, Body, FileId, Height, LeaseTerms, LienTerms, PartyId, PartyKind, Signer, Through,
    Transaction, Transfer,
};
use seal::SigningKey;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;
use std::time::{Duration, Instant};

/// Makes a user's key if it is not there, and lets the user reach the chain.
pub(crate) async fn party(options: &Party) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if options.name.is_empty() || !options.name.bytes().all(is_name) {
        return Err(Failure::usage("a user's name has letters, digits, and - _ ."));
    }
    let folder = config.parties();
    let path = options.key.clone();
    let path = path.unwrap_or_else(|| folder.join(format!("{}.seed", options.name)));
    if options.key.is_none() {
        std::fs::create_dir_all(&folder).map_err(|why| Failure::file(&folder, why))?;
    }
    let (seed, note) = match path.exists() {
        true => secrets::noted(&path)?,
        false => (secrets::draw(&path, "")?, String::new()),
    };
    if !note.is_empty() {
        let name = &options.name;
        return Err(Failure::usage(format!("{name} is known to the chain already, as {note}")));
    }
    let key = SigningKey::from_seed(&seed);
    let public = key.verifying_key();
    let wish = Wish::Associate {
        name: options.name.clone(),
        key: hex::text(&public.to_bytes()),
        is_intermediary: options.intermediary,
    };
    let party = PartyId::of(&public);
    let kind = if options.intermediary { PartyKind::Intermediary } else { PartyKind::Individual };
    let through = Through { party, member: config.node()? };
    let meant = Body::Associate(Associate {
        through,
        kind,
        key: Some(public.clone()),
        leaves: None,
        sequence: 0,
    });
    let is_meant = |it: &Transaction| it.body == meant;
    let by = [(Signer::Key(public.to_bytes()), 0, &key)];
    let digest = submit(&config, wish, is_meant, &by).await?.digest;
    let mut shown = outcome(&config, &digest, options.wait).await?;
    shown["party"] = hex::text(&party.0).into();
    shown["public_key"] = hex::text(&public.to_bytes()).into();
    shown["name"] = options.name.as_str().into();
    shown["member"] = config.file.name.as_str().into();
    shown["key"] = path.display().to_string().into();
    Ok(shown)
}

/// Has a file registered.
pub(crate) async fn register(options: &Register) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let path = &options.document;
    let media_type = match &options.media_type {
        Some(media_type) => media_type.clone(),
        None => media_type(path)?.to_owned(),
    };
    let bytes = std::fs::read(path).map_err(|why| Failure::file(path, why))?;
    let kind = (options.kind.as_str(), options.region.as_str());
    let digest = desk.register(&options.thing, kind, (&media_type, bytes)).await?;
    desk.outcome(&digest, options.wait).await.map(|mut outcome| {
        outcome["thing"] = options.thing.as_str().into();
        outcome
    })
}

/// Nodes of the chain, and who of them joins and leaves.
pub(crate) async fn node(options: &Node) -> Result<Value, Failure> {
    let (at, question) = match options {
        Node::List(at) => (at, Question::Nodes),
        Node::Admit(it) => (&it.at, Question::Admit { name: it.name.clone() }),
        Node::Revoke(it) => (&it.at, Question::Revoke { name: it.name.clone() }),
        Node::Reload(at) => (at, Question::Reload),
        Node::Add(add) => return adding::add(add).await,
    };
    ask_of(&Config::load(&at.config)?, &question).await
}

/// What waits at a supervision node, or a decision about it.
pub(crate) async fn audit(options: &Audit) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    let reason = options.reason.clone().unwrap_or_default();
    let question = match (&options.approve, &options.reject) {
        (Some(file), _) => Question::Say { file: file.clone(), approves: true, reason },
        (None, Some(file)) => Question::Say { file: file.clone(), approves: false, reason },
        (None, None) => Question::Audit,
    };
    ask_of(&config, &question).await
}

/// Offers a thing.
pub(crate) async fn offer(options: &Offer) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let to = say::party(&options.to).map_err(Failure::Usage)?;
    let (file, height) = live(&desk.config, &options.thing).await?;
    let settlement = options.pay.clone().zip(options.witness.clone());
    let paid = settlement.clone().map(|(reference, witness)| {
        let until = height.after(options.pay_within);
        (digest_of(&reference), say::digest(&witness), until..=until.after(BUILT_WITHIN))
    });
    let settlement = settlement.map(|(reference, witness)| Payment {
        reference,
        witness,
        blocks: options.pay_within,
    });
    let (owner, thing, to_text) = (desk.party(), options.thing.clone(), options.to.clone());
    let wish = Wish::Offer { owner, thing, to: to_text, settlement };
    let is_meant = |it: &Transaction| match &it.body {
        Body::Transfer(it) => {
            let is_settled_so = match (&it.settlement, &paid) {
                (None, None) => true,
                (Some(it), Some((reference, witness, until))) => {
                    it.reference == *reference
                        && Some(it.witness.to_bytes()) == *witness
                        && until.contains(&it.until)
                }
                _ => false,
            };
            it.on.file == file && it.member == desk.node && it.to.party == to && is_settled_so
        }
        _ => false,
    };
    let offer = desk.submit(wish, is_meant).await?;
    Ok(json!({ "offer": offer, "thing": options.thing, "to": options.to }))
}

/// Offers a thing as security.
pub(crate) async fn lien(options: &Security) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let to = say::party(&options.to).map_err(Failure::Usage)?;
    let (file, _) = live(&desk.config, &options.thing).await?;
    let wish = Wish::Lien {
        owner: desk.party(),
        thing: options.thing.clone(),
        to: options.to.clone(),
        reference: options.reference.clone(),
    };
    let reference = digest_of(&options.reference);
    let is_meant = |it: &Transaction| match &it.body {
        Body::PlaceLien(it) => {
            it.on.file == file
                && it.member == desk.node
                && it.holder.party == to
                && it.reference == reference
        }
        _ => false,
    };
    let offer = desk.submit(wish, is_meant).await?;
    Ok(json!({ "offer": offer, "thing": options.thing, "to": options.to }))
}

/// Releases what one has as security.
pub(crate) async fn release(options: &Release) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let (file, _) = live(&desk.config, &options.thing).await?;
    let wish = Wish::Release { party: desk.party(), thing: options.thing.clone() };
    let is_meant = |it: &Transaction| match &it.body {
        Body::ReleaseLien(it) => it.on.file == file && it.by == desk.through(),
        _ => false,
    };
    let digest = desk.submit(wish, is_meant).await?;
    desk.outcome(&digest, options.wait).await
}

/// Offers the use of a thing.
pub(crate) async fn lease(options: &Let) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let to = say::party(&options.to).map_err(Failure::Usage)?;
    let from = say::time(&options.from).map_err(Failure::Usage)?;
    let until = say::time(&options.until).map_err(Failure::Usage)?;
    if from >= until {
        return Err(Failure::usage("--until has to be after --from"));
    }
    let (file, _) = live(&desk.config, &options.thing).await?;
    let wish = Wish::Lease {
        owner: desk.party(),
        thing: options.thing.clone(),
        to: options.to.clone(),
        from_ms: from.as_ms(),
        until_ms: until.as_ms(),
        exclusive: options.exclusive,
    };
    let is_meant = |it: &Transaction| match &it.body {
        Body::Lease(it) => {
            it.on.file == file
                && it.member == desk.node
                && it.lessee.party == to
                && (it.from, it.until, it.exclusive) == (from, until, options.exclusive)
        }
        _ => false,
    };
    let offer = desk.submit(wish, is_meant).await?;
    Ok(json!({
        "offer": offer,
        "thing": options.thing,
        "to": options.to,
        "from_time": from.to_string(),
        "until_time": until.to_string(),
    }))
}

/// Ends a lease, or offers to.
pub(crate) async fn end_lease(options: &End) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let lease = options.lease.as_deref().map(say::lease).transpose().map_err(Failure::Usage)?;
    let (file, _) = live(&desk.config, &options.thing).await?;
    let wish = Wish::EndLease {
        party: desk.party(),
        thing: options.thing.clone(),
        lease: options.lease.clone(),
    };
    let is_meant = |it: &Transaction| match &it.body {
        Body::EndLease(it) => {
            it.on.file == file
                && it.by == desk.through()
                && lease.is_none_or(|lease| lease == it.claim)
        }
        _ => false,
    };
    let by = [(Signer::Party(desk.party), desk.number, &desk.key)];
    let Submitted { digest, is_offer } = submit(&desk.config, wish, is_meant, &by).await?;
    if is_offer {
        return Ok(json!({ "offer": digest, "thing": options.thing }));
    }
    desk.outcome(&digest, options.wait).await
}

/// Has a document erased.
pub(crate) async fn erase(options: &Erase) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let file = say::file(&options.file).map_err(Failure::Usage)?;
    let wish = Wish::Erase { owner: desk.party(), file: options.file.clone() };
    let is_meant = |it: &Transaction| match &it.body {
        Body::Erase(it) => it.on.file == file && it.by == desk.through(),
        _ => false,
    };
    let digest = desk.submit(wish, is_meant).await?;
    desk.outcome(&digest, options.wait).await
}

/// Takes a thing out of the registry.
pub(crate) async fn retire(options: &Retire) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let (file, _) = live(&desk.config, &options.thing).await?;
    let wish = Wish::Retire { owner: desk.party(), thing: options.thing.clone() };
    let is_meant = |it: &Transaction| match &it.body {
        Body::Retire(it) => it.on.file == file && it.by == desk.through(),
        _ => false,
    };
    let digest = desk.submit(wish, is_meant).await?;
    desk.outcome(&digest, options.wait).await
}

/// Has a thing frozen, or let go again; returns when that stands in a block.
pub(crate) async fn freeze(options: &Supervise, is_frozen: bool) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    let (what, reference) = (options.what.clone(), options.reference.clone());
    let question = Question::Freeze { what, reference, is_frozen };
    let until = Instant::now() + Duration::from_secs(options.timeout_s);
    loop {
        let answer = ask_of(&config, &question).await?;
        if answer["is_frozen"] == is_frozen {
            return Ok(answer);
        }
        if Instant::now() >= until {
            return Err(Failure::Unfinished("no block says so yet; ask again".into()));
        }
        tokio::time::sleep(POLL * 4).await;
    }
}

/// Accepts an offer.
pub(crate) async fn accept(options: &Accept) -> Result<Value, Failure> {
    let desk = Desk::open(&options.user).await?;
    let wish = Wish::Accept { party: desk.party(), offer: options.offer.clone() };
    let named = say::digest(&options.offer);
    let is_meant = |it: &Transaction| match &it.body {
        Body::Transfer(Transfer { to, .. })
        | Body::PlaceLien(LienTerms { holder: to, .. })
        | Body::Lease(LeaseTerms { lessee: to, .. }) => {
            *to == desk.through() && it.digest().ok() == named
        }
        Body::EndLease(_) => it.digest().ok() == named,
        _ => false,
    };
    let digest = desk.submit(wish, is_meant).await?;
    desk.outcome(&digest, options.wait).await
}

/// Says that a payment was made.
pub(crate) async fn settle(options: &Settle) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    let key = SigningKey::from_seed(&secrets::seed(&options.witness_key)?);
    let by = [(Signer::Key(key.verifying_key().to_bytes()), 0, &key)];
    let (file, _) = live(&config, &options.thing).await?;
    let wish = Wish::Settle { thing: options.thing.clone() };
    let is_meant = |it: &Transaction| matches!(&it.body, Body::Settle(it) if it.file == file);
    let digest = submit(&config, wish, is_meant, &by).await?.digest;
    outcome(&config, &digest, options.wait).await
}

/// Saves a document.
pub(crate) async fn document(options: &Document) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    let question = Question::Document { file: options.file.clone() };
    let found = ask_of(&config, &question).await?;
    let bytes = found["bytes"].as_str().and_then(|text| Base64::decode_vec(text).ok());
    let bytes = bytes.ok_or_else(|| Failure::run("the node sent no document"))?;
    std::fs::write(&options.to, &bytes).map_err(|why| Failure::file(&options.to, why))?;
    Ok(json!({
        "saved": options.to.display().to_string(),
        "media_type": found["media_type"],
        "bytes": bytes.len(),
    }))
}

/// Writes a proof file.
pub(crate) async fn prove(options: &Prove) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    let question = Question::Prove { what: options.what.clone(), history: !options.only_now };
    let until = Instant::now() + CHECKPOINT_PATIENCE;
    let proof = loop {
        match ask_of(&config, &question).await {
            // The newest block is a moment ahead of its checkpoint.
            Err(Failure::Usage(why)) if why == crate::node::NOT_YET && Instant::now() < until => {
                tokio::time::sleep(POLL).await;
            }
            answer => break answer?,
        }
    };
    let mut text = serde_json::to_string_pretty(&proof).map_err(Failure::run)?;
    text.push('\n');
    // Whoever takes it away should find that it holds.
    let shown = Proof::parse(text.as_bytes())?.verify(&config.network)?;
    std::fs::write(&options.to, &text).map_err(|why| Failure::file(&options.to, why))?;
    Ok(json!({
        "proof": options.to.display().to_string(),
        "bytes": text.len(),
        "as_of": shown["as_of"],
        "owner": shown["owner"],
    }))
}

/// Verifies a proof file: no node has to run.
pub(crate) fn verify(options: &Verify) -> Result<Value, Failure> {
    let network = Network::load(&options.network)?;
    let path = &options.proof;
    let bytes = std::fs::read(path).map_err(|why| Failure::file(path, why))?;
    let shown = Proof::parse(&bytes).and_then(|proof| proof.verify(&network));
    shown.map_err(|why| Failure::Unproven(format!("{} proves nothing: {why}", path.display())))
}

/// Where a node stands, or what became of a transaction.
pub(crate) async fn status(options: &Status) -> Result<Value, Failure> {
    let config = Config::load(&options.at.config)?;
    let question = match &options.transaction {
        Some(digest) => Question::Outcome { digest: digest.clone() },
        None => Question::Status,
    };
    ask_of(&config, &question).await
}

/// The live file of a thing after some block, as the network's supervision has signed it: what the member says of it is not believed.
async fn live(config: &Config, thing: &str) -> Result<(FileId, Height), Failure> {
    let key = say::thing(thing).map_err(Failure::Usage)?.key();
    let question = Question::Prove { what: thing.into(), history: false };
    let proof = ask_of(config, &question).await?;
    let shown = Proof::parse(proof.to_string().as_bytes())?.verify(&config.network)?;
    if shown["thing_key"] != hex::text(&key.0) {
        return Err(Failure::Unproven(format!("{} proved another thing", config.file.name)));
    }
    let file = shown["file"].as_str().map(say::file).transpose().map_err(Failure::Unproven)?;
    let height = Height(shown["as_of"]["height"].as_u64().unwrap_or_default());
    file.map(|file| (file, height.next()))
        .ok_or_else(|| Failure::usage(format!("{thing} is not registered")))
}

/// What both sides know of a payment or a debt, as the chain has it.
fn digest_of(reference: &str) -> [u8; 32] {
    Sha256::digest(reference.as_bytes()).into()
}

fn media_type(path: &Path) -> Result<&'static str, Failure> {
    let extension = path.extension().and_then(|it| it.to_str()).unwrap_or_default();
    Ok(match extension.to_ascii_lowercase().as_str() {
        "pdf" => "application/pdf",
        "json" => "application/json",
        "png" => "image/png",
        "jpg" | "jpeg" => "image/jpeg",
        "txt" => "text/plain",
        _ => {
            return Err(Failure::usage(format!(
                "the name {} says no media type; give one with --media-type",
                path.display()
            )));
        }
    })
}

/// A member may know so many blocks more than it has proved.
const BUILT_WITHIN: u64 = 100;
const CHECKPOINT_PATIENCE: Duration = Duration::from_secs(10);
