//! From a key to instances that have accepted a set.

use crate::desk::{DATA, Desk};
use port::Time;
use seal::{Secret, SigningKey, TrustList, TrustedKey, Validity, VerifyingKey};
use serde_json::Value;
use standin::{Acknowledgement, InstitutionId, SealedAcknowledgement, SealedParameters};
use std::fs;

#[test]
fn a_signature_is_the_one_that_the_module_checks() {
    let desk = Desk::with_key();
    desk.signed("set.signed", 7);
    let public: Value = serde_json::from_slice(&desk.read("key.pub")).unwrap();
    assert_eq!((&public["issuer"], &public["key_id"]), (&"accounting.example".into(), &3.into()));
    let key = base16ct::lower::decode_vec(public["key"].as_str().unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(&key.try_into().unwrap()).unwrap();
    let mut trust = TrustList::new();
    trust.add("accounting.example", 3, TrustedKey::new(key, Validity::always()));
    let sealed = SealedParameters::parse(&desk.read("set.signed")).unwrap();
    let institution = InstitutionId::new(6222).unwrap();
    let opened = sealed.open(Time::from_s(1_780_000_000), &trust, institution, 6).unwrap();
    assert_eq!(opened.version(), 7);
    // The desk reads it, too, and only with a key that is said.
    assert!(desk.done("parameters check set.signed --trust key.pub").contains("version 7"));
    assert_eq!(
        desk.done("parameters diff set.signed set.signed.toml --trust key.pub"),
        "nothing has changed\n"
    );
    assert!(desk.fails(2, "parameters check set.signed").contains("--trust"));
}

#[cfg(unix)]
#[test]
fn a_key_that_others_can_read_signs_nothing() {
    use std::os::unix::fs::PermissionsExt as _;
    let desk = Desk::with_key();
    let mode =
        |mode| fs::set_permissions(desk.path("key"), fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(fs::metadata(desk.path("key")).unwrap().permissions().mode() & 0o777, 0o600);
    desk.set("set.toml", &[]);
    for open in [0o604, 0o640, 0o602, 0o644] {
        mode(open);
        let said =
            desk.fails(6, "parameters sign set.toml --key key --out set.signed --with-findings");
        assert!(said.contains("others may use it"), "{said}");
        assert!(!desk.path("set.signed").exists());
    }
    mode(0o400);
    desk.done("parameters sign set.toml --key key --out set.signed --with-findings");
}

#[cfg(unix)]
#[test]
fn a_damaged_key_signs_nothing() {
    use std::os::unix::fs::OpenOptionsExt as _;
    let desk = Desk::with_key();
    desk.set("set.toml", &[]);
    for (name, content) in [("empty", ""), ("short", r#"{"issuer":"a","key_id":1,"seed":"00ff"}"#)]
    {
        let mut options = fs::OpenOptions::new();
        let mut file =
            options.write(true).create_new(true).mode(0o600).open(desk.path(name)).unwrap();
        std::io::Write::write_all(&mut file, content.as_bytes()).unwrap();
        desk.fails(6, &format!("parameters sign set.toml --key {name} --out s --with-findings"));
    }
    desk.fails(6, "parameters sign set.toml --key nowhere --out s --with-findings");
    // A public key is no secret one, and the other way round.
    desk.signed("set.signed", 7);
    desk.fails(6, "parameters check set.signed --trust key");
    desk.fails(6, "parameters sign set.toml --key key.pub --out s --with-findings");
    desk.fails(7, "parameters key --issuer other --out other --public key.pub");
    assert!(!desk.path("other").exists());
    let said = desk.fails(7, "parameters key --issuer other --out key --public other.pub");
    assert!(said.contains("key") && !desk.path("other.pub").exists(), "{said}");
    for public in ["nowhere/other.pub", "other"] {
        desk.fails(7, &format!("parameters key --issuer other --out other --public {public}"));
        assert!(!desk.path("other").exists(), "{public}");
    }
    desk.fails(2, "parameters key --issuer 123456789012345678901234567890123 --out k2 --public p2");
}

#[test]
fn what_should_not_be_signed_is_not() {
    let desk = Desk::with_key();
    desk.set("set.toml", &[]);
    let said = desk.fails(5, "parameters sign set.toml --key key --out set.signed");
    assert!(said.contains("1 finding"), "{said}");
    desk.set("over.toml", &[("4102444800000", "1767225600001")]);
    let said =
        desk.fails(5, "parameters sign over.toml --key key --out set.signed --with-findings");
    assert!(said.contains("its time is over"), "{said}");
    desk.set("stale.toml", &[("3155760000000", "1000")]);
    let said =
        desk.fails(5, "parameters sign stale.toml --key key --out set.signed --with-findings");
    assert!(said.contains("stale"), "{said}");
    desk.fails(3, &format!("parameters sign {DATA}/faulty.toml --key key --out set.signed"));
    assert!(!desk.path("set.signed").exists());
    desk.write("set.signed", "there");
    desk.fails(7, "parameters sign set.toml --key key --out set.signed --with-findings");
    assert_eq!(desk.read("set.signed"), b"there");
}

#[test]
fn instances_take_sets_whole_or_as_changes_and_it_shows_who_lags() {
    let desk = Desk::with_key();
    desk.signed("7.signed", 7);
    desk.signed("8.signed", 8);
    desk.signed("9.signed", 9);
    let in_folder = "--trust key.pub --folder sets --instances instances";
    let lag = |status: &Value| {
        let all = status["instances"].as_array().unwrap().iter();
        all.map(|one| {
            let name = one["instance"].as_str().unwrap().to_owned();
            (name, one["version"].as_u64(), one["sets_behind"].as_u64().unwrap())
        })
        .collect::<Vec<_>>()
    };
    let named = |name: &str, version, behind| (name.to_owned(), version, behind);
    let put = desk.json(&format!("parameters distribute 7.signed {in_folder} --to east --to west"));
    assert_eq!(put["files"].as_array().unwrap().len(), 1);
    assert_eq!(lag(&put["status"]), [named("east", None, 1), named("west", None, 1)]);
    let status =
        desk.json(&format!("parameters acknowledge 7.signed --from east --key east {in_folder}"));
    assert_eq!(lag(&status), [named("east", Some(7), 0), named("west", None, 1)]);

    desk.done(&format!("parameters distribute 8.signed {in_folder}"));
    let delta = "sets/set-00000008-after-00000007.delta";
    let (changes, whole) = (desk.read(delta), desk.read("sets/set-00000008.signed"));
    assert!(changes.len() < whole.len());
    assert_eq!(whole, desk.read("8.signed"));
    // Changes are of use only to whoever holds what they change.
    let said = desk
        .fails(5, &format!("parameters acknowledge {delta} --from west --key west {in_folder}"));
    assert!(said.contains("other parameters than those that are held"), "{said}");
    desk.done(&format!("parameters acknowledge {delta} --from east --key east {in_folder}"));

    // West still holds nothing, east 8: changes to 8 alone.
    let put = desk.json(&format!("parameters distribute 9.signed {in_folder}"));
    let names: Vec<&str> = put["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| file["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["set-00000009-after-00000008.delta", "set-00000009.signed"]);
    let status = desk.json("parameters status --folder sets --instances instances");
    assert_eq!(lag(&status), [named("east", Some(8), 1), named("west", None, 3)]);
    desk.done(&format!("parameters acknowledge 9.signed --from west --key west {in_folder}"));
    // What was distributed before may be again; nobody needs changes that lead back.
    let put = desk.json(&format!("parameters distribute 8.signed {in_folder}"));
    assert_eq!(put["files"].as_array().unwrap().len(), 2);
    assert!(!desk.path("sets/set-00000008-after-00000009.delta").exists());
    // The same once more, and an older one.
    desk.done(&format!("parameters acknowledge 9.signed --from west --key west {in_folder}"));
    let said = desk
        .fails(5, &format!("parameters acknowledge 8.signed --from west --key west {in_folder}"));
    assert!(said.contains("not above"), "{said}");
    let said = desk.done("parameters status --folder sets --instances instances");
    assert!(said.contains("newest set: version 9") && said.contains("lags 1 set behind"), "{said}");
    assert!(said.contains("up to date"), "{said}");
}

#[test]
fn the_folder_takes_only_what_follows_and_is_signed() {
    let desk = Desk::with_key();
    desk.signed("7.signed", 7);
    desk.signed("8.signed", 8);
    let in_folder = "--trust key.pub --folder sets --instances instances";
    desk.done(&format!("parameters distribute 8.signed {in_folder} --to east"));
    // Again is no harm; an older one is refused.
    desk.done(&format!("parameters distribute 8.signed {in_folder}"));
    let said = desk.fails(5, &format!("parameters distribute 7.signed {in_folder}"));
    assert!(said.contains("not above"), "{said}");
    // Another set of the same version.
    desk.set(
        "other.toml",
        &[("version = 7", "version = 8"), ("single_minor = 30000", "single_minor = 1")],
    );
    desk.done("parameters sign other.toml --key key --out other.signed --with-findings");
    desk.fails(5, &format!("parameters distribute other.signed {in_folder}"));
    // Damaged, by another key, and not signed at all.
    let mut bytes = desk.read("8.signed");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    desk.write("damaged.signed", &bytes);
    let said = desk.fails(5, &format!("parameters distribute damaged.signed {in_folder}"));
    assert!(said.contains("signature"), "{said}");
    desk.done("parameters key --issuer accounting.example --key-id 3 --out key2 --public key2.pub");
    desk.fails(
        5,
        "parameters distribute 8.signed --trust key2.pub --folder elsewhere --instances instances",
    );
    desk.done("parameters key --issuer other.example --key-id 3 --out key3 --public key3.pub");
    desk.fails(
        5,
        "parameters distribute 8.signed --trust key3.pub --folder elsewhere --instances instances",
    );
    desk.fails(3, &format!("parameters distribute other.toml {in_folder}"));
    // Another institution's set.
    desk.set(
        "foreign.toml",
        &[("version = 7", "version = 9"), ("institution = 6222", "institution = 6223")],
    );
    desk.done("parameters sign foreign.toml --key key --out foreign.signed --with-findings");
    let said = desk.fails(5, &format!("parameters distribute foreign.signed {in_folder}"));
    assert!(said.contains("another institution"), "{said}");
    // Instances that nobody named, names that are no names, folders that are none.
    desk.fails(2, &format!("parameters acknowledge 8.signed --from nobody --key east {in_folder}"));
    desk.fails(2, &format!("parameters distribute 8.signed {in_folder} --to ../up"));
    desk.fails(3, "parameters status --folder nowhere --instances instances");
    let said = desk
        .fails(5, &format!("parameters acknowledge 7.signed --from east --key east {in_folder}"));
    assert!(said.contains("no set of version 7"), "{said}");
}

#[test]
fn acknowledgements_of_the_modules_own_are_compared_with_what_was_distributed() {
    let desk = Desk::with_key();
    desk.signed("7.signed", 7);
    let in_folder = "--trust key.pub --folder sets --instances instances";
    desk.done(&format!("parameters distribute 7.signed {in_folder} --to east --to west"));
    desk.done(&format!("parameters acknowledge 7.signed --from west --key west {in_folder}"));
    let theirs = desk.read("sets/acknowledged/west/00000007.ack");
    // What the module of the east would have made, by its own key.
    let keys: Value = serde_json::from_slice(&desk.read("east")).unwrap();
    let seed = base16ct::lower::decode_vec(keys["seed"].as_str().unwrap()).unwrap();
    let east = SigningKey::from_seed(&Secret::new(seed.try_into().unwrap()));
    let signed = |one: &Acknowledgement, name: &str| {
        let signature = east.sign(&SealedAcknowledgement::message(one));
        let mut bytes = Vec::new();
        SealedAcknowledgement::new(one, name, 1, signature).unwrap().encode(&mut bytes).unwrap();
        bytes
    };
    let set = SealedParameters::parse(&desk.read("7.signed")).unwrap();
    let mut trust = TrustList::new();
    let public: Value = serde_json::from_slice(&desk.read("key.pub")).unwrap();
    let key = base16ct::lower::decode_vec(public["key"].as_str().unwrap()).unwrap();
    let key = VerifyingKey::from_bytes(&key.try_into().unwrap()).unwrap();
    trust.add("accounting.example", 3, TrustedKey::new(key, Validity::always()));
    let institution = InstitutionId::new(6222).unwrap();
    let at = Time::from_s(1_780_000_000);
    let mark = set.open(at, &trust, institution, 0).unwrap().mark();
    let right = Acknowledgement { institution, mark, at, effective_from: at };
    desk.write("right.ack", signed(&right, "east"));
    let mut wrong = right;
    wrong.mark.digest[0] ^= 1;
    desk.write("wrong.ack", signed(&wrong, "east"));
    desk.write("broken.ack", &theirs[1..]);
    desk.write("unsigned.ack", right.encode());
    desk.write("strange.ack", signed(&right, "north"));
    let mut bytes = signed(&right, "east");
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    desk.write("damaged.ack", bytes);
    desk.write("theirs.ack", &theirs);
    let received =
        |name: &str| format!("parameters acknowledge --received {name} --from east {in_folder}");
    let said = desk.fails(5, &received("wrong.ack"));
    assert!(said.contains("another set"), "{said}");
    // By nobody, by a stranger, damaged, and by the west in the name of the east.
    for name in ["strange.ack", "damaged.ack", "theirs.ack"] {
        desk.fails(5, &received(name));
    }
    desk.fails(3, &received("unsigned.ack"));
    desk.fails(3, &received("broken.ack"));
    assert_eq!(
        desk.json("parameters status --folder sets --instances instances")["instances"][0]["version"],
        Value::Null
    );
    let status = desk.json(&received("right.ack"));
    assert_eq!(status["instances"][0]["version"], 7);
    assert_eq!(status["instances"][0]["accepted_at_ms"], right.at.as_ms());
    desk.fails(2, &format!("parameters acknowledge --from east {in_folder}"));
    desk.fails(2, &format!("parameters acknowledge 7.signed --from east {in_folder}"));
    // Whoever may write to the folder cannot acknowledge for an instance.
    desk.write("sets/acknowledged/west/00000007.ack", signed(&right, "east"));
    let said = desk.fails(5, "parameters status --folder sets --instances instances");
    assert!(said.contains("00000007.ack"), "{said}");
    desk.write("sets/acknowledged/west/00000007.ack", &theirs);
    // A second key beside the first; an instance without any is not handed anything.
    fs::rename(desk.path("instances/west.pub"), desk.path("instances/west.old.pub")).unwrap();
    desk.done("parameters key --issuer west --key-id 2 --out west2 --public instances/west.pub");
    desk.done(&format!("parameters acknowledge 7.signed --from west --key west2 {in_folder}"));
    let said = desk.fails(6, &format!("parameters distribute 7.signed {in_folder} --to north"));
    assert!(said.contains("no public key"), "{said}");
    desk.fails(
        2,
        &format!("parameters acknowledge 7.signed --received right.ack --from east {in_folder}"),
    );
}
