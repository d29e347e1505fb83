//! What must be true of a world.

use crate::asking::key;
use crate::world::{Roles, World};
use interbank_filexfer::*;

impl World {
    /// What must be true whenever everything is over.
    pub(crate) fn check(&self) -> Result<(), String> {
        for request in &self.asked {
            let name = format!("{} {}→{}", request.id, request.sender, request.destination);
            let transfer = request.transfer().unwrap();
            let published: u32 = self
                .nodes
                .values()
                .map(|node| node.disk.published.get(&transfer).copied().unwrap_or(0))
                .sum();
            if let Some(answer) = self.answers.get(&request.id)
                && answer.verdict.outcome.is_err()
            {
                if published != 0 {
                    return Err(format!("{name} was refused and published"));
                }
                continue;
            }
            let Some(results) = self.results.get(&request.id) else {
                let jobs: Vec<String> = ["r1", "r2", "r3"]
                    .iter()
                    .filter_map(|r| {
                        let job = self.forwarder(r).job(&transfer)?;
                        Some(format!("{r}: {:?} try {:?}", job.state, job.try_at))
                    })
                    .collect();
                let answer = self.answers.get(&request.id).map(|answer| answer.verdict.outcome);
                return Err(format!(
                    "{name} never ended: answer {answer:?}, jobs {jobs:?}, now {:?}",
                    self.now
                ));
            };
            let [result] = &results[..] else {
                return Err(format!("{name} has {} results", results.len()));
            };
            if result.state.is_delivered() {
                let (size, root) = result.file.unwrap();
                let found = self.content(&request.destination, &result.name);
                let content = found.ok_or(format!("{name} is not there"))?;
                if content.len() as u64 != size || *blake3::hash(content).as_bytes() != root {
                    return Err(format!("{name} has other content"));
                }
                if published != 1 {
                    return Err(format!("{name} was published {published} times"));
                }
                let is_backstage = request.destination.starts_with('b');
                if is_backstage && !self.arrivals.contains_key(&transfer) {
                    return Err(format!("{name}: the destination was not told"));
                }
                self.check_receipts(request, result)?;
                self.check_hand_over(request, result)?;
            } else if published != 0 {
                return Err(format!("{name} ended as {:?} and was published", result.state));
            }
        }
        for (id, node) in &self.nodes {
            if let Roles::Forwarder(forwarder) = &node.role {
                if forwarder.jobs() != 0 {
                    return Err(format!("{id} has jobs left"));
                }
                self.trail(id);
            }
        }
        Ok(())
    }

    /// The chain of receipts ends with the destination's own, which follows the verification.
    fn check_hand_over(&self, request: &Request, result: &Notice) -> Result<(), String> {
        let transfer = request.transfer().unwrap();
        let name = format!("{} {}→{}", request.id, request.sender, request.destination);
        let told = self.handed.get(&transfer).map_or(&[][..], Vec::as_slice);
        let [handed] = told else {
            return Err(format!("{name} was handed over {} times", told.len()));
        };
        let signed = handed.receipt(Stage::HandedOver).ok_or("no receipt of the hand-over")?;
        let public = key(&request.destination).verifying_key();
        signed.verify(&public).map_err(|why| why.to_string())?;
        let verified = result.receipt(Stage::Verified).ok_or("no receipt of verification")?.receipt;
        let right = Receipt {
            stage: Stage::HandedOver,
            party: PartyId::new(&request.destination).unwrap(),
            at: signed.receipt.at,
            content: signed.receipt.content,
            follows: Some(verified.digest().unwrap()),
            ..verified
        };
        if signed.receipt == right { Ok(()) } else { Err(format!("{name}: another hand-over")) }
    }

    fn check_receipts(&self, request: &Request, result: &Notice) -> Result<(), String> {
        let mut verified = 0;
        for bytes in &result.receipts {
            let signed = SignedReceipt::parse(bytes).map_err(|why| why.to_string())?;
            let public = key(signed.receipt.party.as_str()).verifying_key();
            signed.verify(&public).map_err(|why| why.to_string())?;
            let receipt = &signed.receipt;
            let is_its = receipt.id == request.id
                && receipt.request == request.digest().unwrap()
                && Some((receipt.size, receipt.root)) == result.file;
            if !is_its {
                return Err("a receipt is about something else".into());
            }
            verified += u32::from(receipt.stage == Stage::Verified);
        }
        if verified == 1 { Ok(()) } else { Err(format!("{verified} receipts of verification")) }
    }
}
