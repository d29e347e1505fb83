//! Kills at random moments, of whoever it hits, in one transfer over a bad line.

use crate::home::{Home, Running, bytes, within};
use crate::line::{Half, Line};
use std::fs;
use std::time::Duration;

/// As many as a short test has time for.
#[test]
fn kills_at_random_moments_cost_time_and_nothing_else() {
    // Where everything is slow, the file may be there before the last one.
    let hits = survive(3, 24);
    assert!(hits > 0);
}

/// Fifty kills in one file of 2 GiB; `INTERBANK_KILLS` and `INTERBANK_MIB` say otherwise.
#[test]
#[ignore = "takes minutes: cargo xtask kills"]
fn many_kills_at_random_moments_cost_time_and_nothing_else() {
    let number = |name: &str, default: usize| {
        std::env::var(name).map_or(default, |text| text.parse().unwrap())
    };
    let kills = number("INTERBANK_KILLS", 50);
    let hits = survive(kills, number("INTERBANK_MIB", 2_048));
    assert_eq!(hits, kills, "the file was too quick for the rest");
}

/// Returns how many kills hit the transfer.
fn survive(kills: usize, mib: usize) -> usize {
    let home = Home::new();
    let line = Line::lay(&home);
    // Slow enough for the kills to hit it: one in 0.7 s, on average.
    let rate = ((mib << 20) / (kills * 2)).max(1 << 20);
    home.change("[forwarder]\n", &format!("[forwarder]\nbytes_per_s = {rate}\n"));
    home.append("\n[pace]\nagain_ms = 200\npatience_ms = 1500\nretry_ms = 100\n");
    let content = bytes(mib << 20, 1);
    let total = (content.len() as u64) / 16_384;
    fs::write(home.path("files/ledger/huge.bin"), &content).unwrap();
    let sides: [(Half, &[&str]); 3] = [
        (Half::Inside, &["run", "--only", "r1", "--only", "ledger"]),
        (Half::Outside, &["access"]),
        (Half::Outside, &["client"]),
    ];
    let start = |side: usize| line.start(&home, sides[side].0, sides[side].1);
    let mut servers: Vec<Running> = (0..3).map(start).collect();
    let submit = ["submit", "--as", "ledger", "--to", "merchant", "huge.bin"];
    let id = home.json(&submit)["id"].as_str().unwrap().to_owned();
    let over = || {
        let status = home.json(&["status", "--of", "ledger", "--id", &id]);
        let request = &status["requests"][0];
        (request["is_over"] == true).then(|| request.clone())
    };
    let moved = || {
        let status = home.json(&["status", "--of", "merchant"]);
        status[0]["groups_moved"].as_u64().unwrap_or(0)
    };
    within(Duration::from_secs(60), "the first groups", || (moved() > 0).then_some(()));
    // The moments come from the content, so that a run can be repeated as far as time allows.
    let draws = bytes(kills * 4, 2);
    let (mut hits, mut written) = ([0_u64; 3], 0);
    for draw in draws.chunks(4) {
        let ms = u64::from(u16::from_be_bytes([draw[0], draw[1]])) % 1_000 + 50;
        std::thread::sleep(Duration::from_millis(ms));
        if over().is_some() {
            break;
        }
        let side = usize::from(draw[2]) % 3;
        if side == 2 {
            written += moved();
        }
        hits[side] += 1;
        let server = servers.remove(side);
        server.kill();
        assert!(!home.path("files/merchant/huge.bin").exists(), "half a file is visible");
        std::thread::sleep(Duration::from_millis(u64::from(draw[3])));
        servers.insert(side, start(side));
    }
    let result = within(Duration::from_secs(1_200), "the result", over);
    assert_eq!(result["state"], "delivered");
    written += moved();
    assert!(fs::read(home.path("files/merchant/huge.bin")).unwrap() == content);
    assert_eq!(result["root"], blake3::hash(&content).to_hex().as_str());
    // Each kill of the receiver costs what came after its last checkpoint: less than 64 MiB and what was on its way.
    let most = total + hits[2] * (4_096 + 512);
    eprintln!(
        "kills {hits:?} over {}: {written} groups written of {total}, at most {most}",
        line.name()
    );
    assert!(written >= total && written <= most);
    assert_eq!(home.json(&["audit"])["is_whole"], true);
    let names = fs::read_dir(home.path("files/merchant")).unwrap();
    assert_eq!(names.count(), 2, "the file and the folder of what is unpublished");
    hits.iter().map(|hits| usize::try_from(*hits).unwrap()).sum()
}
