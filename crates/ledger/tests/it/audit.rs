//! Audits: what a pipeline finds, asks, and concludes.

use crate::place::*;
use interbank_ledger::*;

fn document(media_type: &str) -> Document {
    Document::new(media_type, b"a deed".to_vec(), [1; 32]).unwrap()
}

/// A request for a thing with a document of a type, and its file.
fn requested(
    place: &mut Place,
    n: u32,
    owner: Through,
    predecessor: Option<FileId>,
) -> (Register, FileId) {
    let request = place.request_after(thing(n), owner, predecessor);
    let Body::Register(mut register) = request.body else { panic!("no request") };
    register.commitment = document("application/pdf").commitment();
    let request = place.transaction(Body::Register(register.clone()), &signers(&[owner]));
    place.apply(&request).unwrap();
    (register, request.file().unwrap().unwrap())
}

fn case<'a>(
    place: &'a Place,
    request: &'a Register,
    file: FileId,
    document: Result<&'a Document, SealError>,
) -> Case<'a> {
    Case { file, request, document, state: &place.state, at: place.at(), auditor: SUPERVISION }
}

fn pipeline() -> Pipeline {
    Pipeline::new()
        .with(OwnerKnown)
        .with(ThingFree)
        .with(LiensClear)
        .with(DocumentCommitted)
        .with(DocumentTypes::new(1_000, ["application/pdf"]))
}

fn reasons(conclusion: Conclusion) -> Vec<VerdictReason> {
    match conclusion {
        Conclusion::Done(verdict) => verdict.reasons,
        Conclusion::Ask(questions) => panic!("{questions:?}"),
    }
}

#[test]
fn l04_an_audit_names_every_reason() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let right = document("application/pdf");
    let (request, file) = requested(&mut place, 1, owner, None);
    let conclude = |place: &Place, request: &Register, document| {
        let case = case(place, request, file, document);
        reasons(pipeline().conclude(&case, &Answers::new()))
    };
    assert_eq!(conclude(&place, &request, Ok(&right)), []);
    let other_type = document("image/png");
    let found = conclude(&place, &request, Ok(&other_type));
    assert_eq!(found, [VerdictReason::Document, VerdictReason::TypeRules]);
    let found = conclude(&place, &request, Err(SealError::NotForYou));
    assert_eq!(found, [VerdictReason::Document, VerdictReason::TypeRules]);
    let mut stranger = request.clone();
    stranger.owner.party = PartyId([9; 32]);
    assert_eq!(conclude(&place, &stranger, Ok(&right)), [VerdictReason::OwnerIdentity]);
    // Registered by somebody else meanwhile.
    let other = place.party(21, MEMBER_B);
    place.registered(thing(1), other);
    assert_eq!(conclude(&place, &request, Ok(&right)), [VerdictReason::AlreadyRegistered]);
}

#[test]
fn l14_after_a_transfer_the_audit_looks_at_what_was_before() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let buyer = place.party(21, MEMBER_B);
    let old = place.registered(thing(1), owner);
    let lien = place.lien(old, owner, buyer);
    place.apply(&lien).unwrap();
    let transfer = place.transfer(old, owner, buyer);
    place.apply(&transfer).unwrap();
    let right = document("application/pdf");
    let (request, file) = requested(&mut place, 1, buyer, Some(old));
    let found = |pipeline: Pipeline, request: &Register| {
        let case = case(&place, request, file, Ok(&right));
        reasons(pipeline.conclude(&case, &Answers::new()))
    };
    assert_eq!(found(pipeline(), &request), [VerdictReason::Liens]);
    assert_eq!(found(Pipeline::new().with(ThingFree), &request), []);
    let wrong = Register { owner, ..request.clone() };
    assert_eq!(found(Pipeline::new().with(ThingFree), &wrong), [VerdictReason::Predecessor]);
    let wrong = Register { thing: thing(2), ..request };
    assert_eq!(found(Pipeline::new().with(ThingFree), &wrong), [VerdictReason::Predecessor]);
}

#[test]
fn l04_people_are_asked_about_what_nothing_else_speaks_against() {
    let mut place = Place::new(policy());
    let owner = place.party(20, MEMBER_A);
    let right = document("application/pdf");
    let (request, file) = requested(&mut place, 1, owner, None);
    let pipeline = pipeline().with(HumanApproval::of_kinds([Label::new("vehicle").unwrap()]));
    let mut answers = Answers::new();
    let wrong = case(&place, &request, file, Err(SealError::Damaged));
    assert_eq!(reasons(pipeline.conclude(&wrong, &answers)).len(), 2);
    let case = case(&place, &request, file, Ok(&right));
    let Conclusion::Ask(questions) = pipeline.conclude(&case, &answers) else {
        panic!("nobody is asked")
    };
    assert_eq!(questions, [Question { file, rule: Label::new("vehicle").unwrap() }]);
    let mut rejecting = Answers::new();
    rejecting.say(questions[0].clone(), false).say(questions[0].clone(), true);
    assert_eq!(reasons(pipeline.conclude(&case, &rejecting)), [VerdictReason::Human]);
    answers.say(questions[0].clone(), true);
    let Conclusion::Done(verdict) = pipeline.conclude(&case, &answers) else {
        panic!("asked again")
    };
    assert!(verdict.is_approval());
    assert_eq!((verdict.auditor, verdict.rules), (SUPERVISION, pipeline.rules()));
    // Signed and submitted, it registers.
    let window = Window::new(place.height, 10);
    let transaction = verdict.into_transaction(&place.state, window);
    let transaction = place.sign(transaction, &[Signer::Node(SUPERVISION)]);
    place.apply(&transaction).unwrap();
    assert_eq!(place.stage(file), Stage::Registered);
    // Other kinds need nobody.
    let houses = Pipeline::new().with(HumanApproval::of_kinds([Label::new("house").unwrap()]));
    let (request, file) = requested(&mut place, 2, owner, None);
    let second = self::case(&place, &request, file, Ok(&right));
    assert_eq!(reasons(houses.conclude(&second, &Answers::new())), []);
}

#[test]
fn rules_have_a_digest_of_all_their_words() {
    let base = Pipeline::new().with(DocumentTypes::new(10, ["a/b"]));
    let same = Pipeline::new().with(DocumentTypes::new(10, ["a/b"]));
    assert_eq!(base.rules(), same.rules());
    for other in [
        Pipeline::new(),
        Pipeline::new().with(DocumentTypes::new(11, ["a/b"])),
        Pipeline::new().with(DocumentTypes::new(10, ["a/c"])),
        Pipeline::new().with(DocumentTypes::new(10, ["a/b"])).with(ThingFree),
        Pipeline::new().with(ThingFree).with(DocumentTypes::new(10, ["a/b"])),
    ] {
        assert_ne!(base.rules(), other.rules());
    }
}
