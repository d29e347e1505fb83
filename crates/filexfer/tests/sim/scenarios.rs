use crate::world::{World, bytes, sign};
use interbank_filexfer::*;
use simkit::Weather;

fn deliver(world: &mut World, request: &Request) -> State {
    world.submit(request);
    world.settle();
    world.check().unwrap();
    world.results.get(&request.id).map_or(State::Received, |results| results[0].state)
}

#[test]
fn f08_f11_f12_f13_the_file_arrives_on_every_route() {
    // within a site, over one link, over two
    for (requester, from, to) in [
        ("b1", "b1", "bb1"),
        ("b1", "b1", "c1"),
        ("b1", "c1", "b1"),
        ("b1", "b1", "b2"),
        ("b1", "b1", "c2"),
        ("b3", "b3", "b1"),
        ("b1", "b1", "c3"),
        ("b1", "c1", "b1"),
    ] {
        let mut world = World::new(1);
        let content = bytes(100_000, 1);
        world.put(from, "out/day.csv", content.clone());
        let request = world.request(requester, from, to, "out/day.csv");
        assert_eq!(deliver(&mut world, &request), State::Delivered, "{from} {to}");
        assert_eq!(world.content(to, "out/day.csv"), Some(&content), "{from} {to}");
        assert_eq!(world.unpublished(), 0, "{from} {to}");
    }
}
