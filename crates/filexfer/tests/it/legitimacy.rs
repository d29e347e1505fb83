use crate::asking::{NOW, key, member, party, request, sign};
use crate::place::{bare, metadata, registry, site};
use interbank_filexfer::*;
use port::Time;
use proptest::prelude::*;

/// Judges at [`NOW`] as a request that came directly.
fn judge(registry: &Registry, request: &Request, file: Option<&FileMetadata>) -> Option<Reason> {
    judge_known(registry, request, file, Known::default())
}

fn judge_known(
    registry: &Registry,
    request: &Request,
    file: Option<&FileMetadata>,
    known: Known,
) -> Option<Reason> {
    let legitimacy = Legitimacy::new(registry, Limits::default());
    legitimacy.judge(request, &HopList::new(), NOW, file, &known).err()
}

fn ask() -> Request {
    request("b1", "b1", "b2", "out/day.csv")
}

fn changed(change: impl FnOnce(&mut Request)) -> Request {
    let mut request = ask();
    change(&mut request);
    sign(request)
}

#[test]
fn f06_sender_destination_and_file_are_needed() {
    let file = metadata();
    let refused = |request: &Request| judge(&registry(), request, Some(&file));
    assert_eq!(refused(&ask()), None);
    assert_eq!(refused(&changed(|r| r.sender.clear())), Some(Reason::UnknownParty));
    assert_eq!(refused(&changed(|r| r.destination.clear())), Some(Reason::UnknownParty));
    assert_eq!(refused(&changed(|r| r.file.name.clear())), Some(Reason::BadName));
}

#[test]
fn f05_only_backstage_servers_may_ask() {
    let file = metadata();
    for requester in ["c1", "a1", "nfs1", "r1"] {
        let mut registry = registry();
        registry.delegate(party("b1"), party(requester));
        let request = request(requester, "b1", "c1", "a");
        let refused = judge(&registry, &request, Some(&file));
        assert_eq!(refused, Some(Reason::RequesterNotEntitled), "{requester}");
    }
}

/// A request, a registry, a file and a history that are refused for exactly this reason.
fn refused_for(reason: Reason) -> (Registry, Request, Option<FileMetadata>, Known) {
    let mut case = (registry(), ask(), Some(metadata()), Known::default());
    match reason {
        Reason::BadAuth => case.1.signature[3] ^= 1,
        Reason::UnknownParty => case.1 = changed(|r| r.destination = "b8".into()),
        Reason::PartyDisabled => assert!(case.0.enable(&party("b2"), false)),
        Reason::RouteNotAllowed => case.0 = bare(),
        Reason::RequesterNotEntitled => case.1 = request("b2", "b1", "c1", "a"),
        Reason::BadName => case.1 = changed(|r| r.file.name = "../a".into()),
        Reason::FileMissing => case.2 = None,
        Reason::FileUnstable => case.1 = changed(|r| r.file.size = Some(999)),
        Reason::TooLarge => {
            case.0 = bare();
            case.0.grant(Grant::new(Who::Anyone, Who::Anyone, 999));
        }
        Reason::QuotaExceeded => case.3.quota_left = 999,
        Reason::Duplicate => case.3.is_other_request = true,
        Reason::Expired => case.1 = changed(|r| r.deadline = Some(NOW)),
        // Needs a hop list: a test of its own.
        _ => case.1.signature = [0; 64],
    }
    case
}

#[test]
fn fd05_every_reason_is_reached() {
    for reason in Reason::ALL.into_iter().filter(|reason| *reason != Reason::Loop) {
        let (registry, request, file, known) = refused_for(reason);
        assert_eq!(judge_known(&registry, &request, file.as_ref(), known), Some(reason));
    }
    let mut hops = HopList::new();
    hops.visit(&site("s1")).unwrap();
    hops.visit(&site("s2")).unwrap();
    let registry = registry();
    let legitimacy = Legitimacy::new(&registry, Limits::default());
    let refused = legitimacy.judge(&ask(), &hops, NOW, Some(&metadata()), &Known::default());
    assert_eq!(refused.err(), Some(Reason::Loop));
    let codes: Vec<u32> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(codes, (5_040..=5_052).collect::<Vec<_>>());
}

#[test]
fn f07_causes_are_tried_in_the_order_of_the_specification() {
    // Everything is wrong at once; each cause that is mended shows the next.
    let mut registry = bare();
    registry.enable(&party("b2"), false);
    let mut request = request("c1", "b1", "b8", "../a");
    request.file.size = Some(1);
    request.deadline = Some(NOW);
    let mut known = Known { is_other_request: true, quota_left: 0 };
    let mut file = None;
    let mut found = Vec::new();
    for step in 0..13 {
        let why = judge_known(&registry, &request, file.as_ref(), known);
        found.extend(why);
        match step {
            0 => {}
            1 => request.destination = "b2".into(),
            2 => assert!(registry.enable(&party("b2"), true)),
            3 => {
                registry.grant(Grant::new(Who::Anyone, Who::Anyone, 999));
            }
            4 => request.requester = party("b1"),
            5 => request.file.name = "a".into(),
            6 => file = Some(metadata()),
            7 => request.file.size = None,
            8 => {
                registry.grant(Grant::new(Who::Anyone, Who::Anyone, 1 << 30));
            }
            9 => known.quota_left = 1_000,
            10 => known.is_other_request = false,
            11 => request.deadline = None,
            _ => assert_eq!(why, None),
        }
        request = sign(request);
    }
    let expected: Vec<Reason> =
        Reason::ALL.into_iter().filter(|reason| *reason != Reason::Loop).collect();
    assert_eq!(found, expected);
}

#[test]
fn f07_nothing_of_the_file_is_needed_before_the_requester_stands() {
    let registry = registry();
    let legitimacy = Legitimacy::new(&registry, Limits::default());
    let standing = legitimacy.standing(&ask(), &HopList::new(), NOW).unwrap();
    assert_eq!(standing.name().as_str(), "out/day.csv");
    assert_eq!(standing.route().kind, RouteKind::BackstageToBackstage);
}

/// The whole answer as it is sent.
fn answer(registry: &Registry, request: &Request, file: Option<&FileMetadata>) -> Vec<u8> {
    let outcome = Legitimacy::new(registry, Limits::default())
        .judge(request, &HopList::new(), NOW, file, &Known::default())
        .map(|_| ());
    let verdict = Verdict {
        request: request.digest().unwrap(),
        id: request.id,
        site: site("s1"),
        outcome,
        rules: registry.rules(),
        at: NOW,
    };
    let signature = key("r1").sign(&verdict.to_sign().unwrap());
    let mut bytes = Vec::new();
    SignedVerdict { verdict, signature }.encode(&mut bytes).unwrap();
    bytes
}

fn any_file() -> impl Strategy<Value = Option<FileMetadata>> {
    const KINDS: [FileKind; 4] =
        [FileKind::Regular, FileKind::Folder, FileKind::Link, FileKind::Device];
    let file =
        (prop::sample::select(&KINDS[..]), any::<u64>(), any::<[bool; 2]>(), any::<[u8; 32]>())
            .prop_map(|(kind, size, [is_being_written, is_stream], root)| FileMetadata {
                kind,
                class: FileClass::new("secret").unwrap(),
                size: Some(size),
                root: Some(root),
                is_being_written,
                is_stream,
                stamp: FileStamp { size, changed: size, number: 3 },
            });
    prop::option::of(file)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whoever may not know of a file gets the same bytes whatever is there.
    #[test]
    fn fd05_a_refusal_tells_nothing_about_the_file(file in any_file()) {
        let mut limited = bare();
        limited.grant(Grant {
            class: Some(FileClass::new("settlement").unwrap()),
            ..Grant::new(Who::Anyone, Who::Anyone, 1 << 30)
        });
        let cases = [
            // allowed for another class only: as if it were not there
            (limited, ask()),
            (bare(), ask()),
            (registry(), request("b2", "b1", "c1", "a")),
            (registry(), changed(|r| r.sender = "x".into())),
        ];
        for (registry, request) in cases {
            prop_assert_eq!(answer(&registry, &request, file.as_ref()), answer(&registry, &request, None));
        }
    }

    #[test]
    fn requests_and_verdicts_come_back(
        name in "\\PC{0,40}", size in any::<Option<u64>>(), root in any::<Option<[u8; 32]>>(),
        times in any::<[Option<u64>; 2]>(), priority in any::<u8>(), cut in any::<prop::sample::Index>(),
    ) {
        let mut request = ask();
        request.file.name = name;
        request.file.size = size;
        request.file.root = root;
        request.not_before = times[0].map(Time::from_ms);
        request.deadline = times[1].map(Time::from_ms);
        request.priority = priority;
        let mut bytes = Vec::new();
        request.encode(&mut bytes).unwrap();
        prop_assert_eq!(Request::parse(&bytes), Ok(request));
        prop_assert!(Request::parse(&bytes[..cut.index(bytes.len())]).is_err());
        let bytes = answer(&registry(), &ask(), None);
        let verdict = SignedVerdict::parse(&bytes).unwrap();
        let mut again = Vec::new();
        verdict.encode(&mut again).unwrap();
        prop_assert_eq!(again, bytes);
        prop_assert!(verdict.is_signed_by(&key("r1").verifying_key()));
    }

    #[test]
    fn fd05_no_changed_request_is_authentic(at in any::<prop::sample::Index>(), bit in 0..8_u32) {
        let registry = registry();
        let mut bytes = Vec::new();
        ask().encode(&mut bytes).unwrap();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        if let Ok(changed) = Request::parse(&bytes) {
            prop_assert_eq!(judge(&registry, &changed, Some(&metadata())), Some(Reason::BadAuth));
        }
    }
}

#[test]
fn fd05_old_and_early_requests_are_not_believed() {
    let registry = registry();
    let at = |made: Time| judge(&registry, &changed(|r| r.made = made), Some(&metadata()));
    assert_eq!(at(NOW.minus_ms(300_000)), None);
    assert_eq!(at(NOW.minus_ms(300_001)), Some(Reason::BadAuth));
    assert_eq!(at(NOW.plus_ms(5_000)), None);
    assert_eq!(at(NOW.plus_ms(5_001)), Some(Reason::BadAuth));
    let mut revoked = registry.clone();
    assert!(revoked.revoke(&party("b1"), 1, NOW));
    assert_eq!(judge(&revoked, &ask(), Some(&metadata())), Some(Reason::BadAuth));
}

#[test]
fn fd04_links_and_devices_are_no_files() {
    for kind in [FileKind::Link, FileKind::Device, FileKind::Folder] {
        let file = FileMetadata { kind, ..metadata() };
        assert_eq!(judge(&registry(), &ask(), Some(&file)), Some(Reason::FileMissing));
    }
}

#[test]
fn grants_are_lines_of_who_what_and_when() {
    let grant = || Grant::new(Who::Party(party("b1")), Who::At(site("s1")), 1 << 30);
    let with = |grant: Grant, request: &Request| {
        let mut registry = bare();
        registry.grant(grant);
        judge(&registry, request, Some(&metadata()))
    };
    assert_eq!(with(grant(), &ask()), None);
    assert_eq!(with(grant(), &request("b1", "b1", "b9", "a")), Some(Reason::RouteNotAllowed));
    let other = Grant { class: FileClass::new("other").ok(), ..grant() };
    assert_eq!(with(other, &ask()), Some(Reason::RouteNotAllowed));
    let pull = Grant { mode: Some(Mode::Pull), ..grant() };
    assert_eq!(with(pull, &ask()), Some(Reason::RouteNotAllowed));
    let folder = Grant { folder: "in".into(), ..grant() };
    assert_eq!(with(folder, &ask()), Some(Reason::FileMissing));
    // 2027-01-15 08:00 UTC is a Friday.
    let closed = Grant { hours: Hours::new(0b000_1111, 0, 1_440).unwrap(), ..grant() };
    assert_eq!(with(closed, &ask()), Some(Reason::RouteNotAllowed));
    let open = Grant { hours: Hours::new(0b001_0000, 480, 481).unwrap(), ..grant() };
    assert_eq!(with(open, &ask()), None);
}

#[test]
fn a_delegate_may_ask() {
    let mut registry = registry();
    let request = request("b2", "b1", "c1", "a");
    assert_eq!(judge(&registry, &request, Some(&metadata())), Some(Reason::RequesterNotEntitled));
    registry.delegate(party("b1"), party("b2"));
    assert_eq!(judge(&registry, &request, Some(&metadata())), None);
}

#[test]
fn fd09_a_file_that_is_being_written_is_unstable_unless_it_is_a_stream() {
    let writing = FileMetadata { is_being_written: true, ..metadata() };
    assert_eq!(judge(&registry(), &ask(), Some(&writing)), Some(Reason::FileUnstable));
    let stream = FileMetadata { is_stream: true, size: None, root: None, ..writing };
    assert_eq!(judge(&registry(), &ask(), Some(&stream)), None);
    let other_root = changed(|r| r.file.root = Some([1; 32]));
    assert_eq!(judge(&registry(), &other_root, Some(&metadata())), Some(Reason::FileUnstable));
}

#[test]
fn a_pair_is_disabled_with_either_half() {
    let mut registry = registry();
    registry.enable(&party("nfs2"), false);
    assert_eq!(judge(&registry, &ask(), Some(&metadata())), Some(Reason::PartyDisabled));
    assert!(!registry.enable(&party("nobody"), true));
    assert_eq!(member("x", Role::Client).role, Role::Client);
}

#[test]
fn fd04_a_name_that_is_none_at_the_client_is_refused() {
    let mut registry = registry();
    let long = ["folder"; 15].join("/");
    let names = NameMapping::new(&[("out", &long)]).unwrap();
    let profile = Profile::new(ProtocolName::new("sftp").unwrap()).with_names(names);
    registry.serve(&party("c1"), profile).unwrap();
    let legitimacy = Legitimacy::new(&registry, Limits::default());
    let judged = |name: &str, to: &str| {
        let request = request("b1", "b1", to, name);
        let file = metadata();
        let judged =
            legitimacy.judge(&request, &HopList::new(), NOW, Some(&file), &Known::default());
        judged.err()
    };
    assert_eq!(judged("out/a", "c1"), None);
    assert_eq!(judged("out/b/a", "c1"), Some(Reason::BadName));
    assert_eq!(judged("out/b/a", "c2"), None);
}
