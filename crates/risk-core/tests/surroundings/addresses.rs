use interbank_risk_core::surroundings::*;

#[test]
fn r03_addresses_are_classified_by_their_bits() {
    use Class::*;
    for (protocol, text, class, standing) in [
        (Protocol::Wifi, "00:00:5e:00:53:01", Universal, Standing::Reference),
        (Protocol::Wifi, "02:00:00:00:00:00", Placeholder, Standing::Rejected),
        (Protocol::Bluetooth, "02:00:00:00:00:00", Placeholder, Standing::Rejected),
        (Protocol::Lan, "da:a1:19:12:34:56", Randomised, Standing::Unresolvable),
        (Protocol::Wifi, "da:a1:19:12:34:56", LocalAccessPoint, Standing::Weak),
        (Protocol::Wifi, "01:80:c2:00:00:00", Group, Standing::Rejected),
        (Protocol::Lan, "01:80:c2:00:00:00", Group, Standing::Rejected),
        (Protocol::Wifi, "ff:ff:ff:ff:ff:ff", Invalid, Standing::Rejected),
        (Protocol::Bluetooth, "00:00:00:00:00:00", Invalid, Standing::Rejected),
        (Protocol::BleRandom, "c0:01:02:03:04:05", StaticRandom, Standing::Weak),
        (Protocol::BleRandom, "FF-01-02-03-04-05", StaticRandom, Standing::Weak),
        (Protocol::BleRandom, "40:01:02:03:04:05", Resolvable, Standing::Unresolvable),
        (Protocol::BleRandom, "7f:01:02:03:04:05", Resolvable, Standing::Unresolvable),
        (Protocol::BleRandom, "3f:01:02:03:04:05", NonResolvable, Standing::Unresolvable),
        (Protocol::BleRandom, "00:01:02:03:04:05", NonResolvable, Standing::Unresolvable),
        (Protocol::BleRandom, "80:01:02:03:04:05", Reserved, Standing::Rejected),
        (Protocol::BleRandom, "bf:01:02:03:04:05", Reserved, Standing::Rejected),
        (Protocol::BleRandom, "ff:ff:ff:ff:ff:ff", Invalid, Standing::Rejected),
        (Protocol::BlePublic, "00:00:5e:00:53:01", Universal, Standing::Reference),
    ] {
        let address = Address::parse(protocol, text).unwrap();
        assert_eq!((address.class(), address.standing()), (class, standing), "{protocol:?} {text}");
    }
    assert_eq!(Address::cell(262, 1, 0x01AB_CDEF).class(), Universal);
    assert_eq!(Address::cell(0, 1, 5).class(), Invalid);
    assert_eq!(Address::cell(262, 1, 0).class(), Invalid);
}

#[test]
fn text_that_is_no_address_is_refused() {
    for text in [
        "",
        "00:00:5e:00:53",
        "00:00:5e:00:53:0",
        "00:00:5e:00:53:0g",
        "00.00.5e.00.53.01",
        "00:00:5e:00:53:01:",
    ] {
        assert_eq!(Address::parse(Protocol::Wifi, text), None, "{text}");
    }
    assert_eq!(Address::parse(Protocol::Cell, "00:00:5e:00:53:01"), None);
}

#[test]
fn names_that_opt_out_are_known() {
    for (name, out) in [
        (&b"Home_nomap"[..], true),
        (b"HOME_NOMAP", true),
        (b"_nomap", true),
        (b"caf\xc3\xa9_optout_5G", true),
        (b"Home_nomap2", false),
        (b"nomap", false),
        (b"", false),
    ] {
        assert_eq!(opts_out(name), out, "{name:?}");
    }
}

#[test]
fn clear_addresses_are_not_printed() {
    let address = Address::parse(Protocol::Wifi, "00:00:5e:00:53:7b").unwrap();
    assert_eq!(format!("{address:?}"), "Address(Wifi 00:00:5e:..)");
    // Where no maker stands in the first octets, they would be half of the address.
    for (protocol, text, shown) in [
        (Protocol::BleRandom, "c1:23:45:67:89:ab", "Address(BleRandom StaticRandom)"),
        (Protocol::Wifi, "da:a1:19:12:34:56", "Address(Wifi LocalAccessPoint)"),
    ] {
        assert_eq!(format!("{:?}", Address::parse(protocol, text).unwrap()), shown);
    }
    assert_eq!(format!("{:?}", Address::cell(262, 1, 77)), "Address(Cell Universal)");
}
