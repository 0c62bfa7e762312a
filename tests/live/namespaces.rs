//! Network namespaces that go while they are watched.

use super::support::run;
use super::support::space::Space;
use super::support::wait_until;

/// A namespace that nobody uses any more goes, and takes its end of a cable with it, although a socket of the tracer's is in it.
#[test]
fn a_namespace_that_is_left_is_not_kept_alive() {
    let (Some(near), Some(far)) = (Space::new(), Space::new()) else { return };
    near.ip(&["link", "add", "near", "type", "veth", "peer", "name", "far", "netns", &far.name]);
    let actor = far.actor("far");
    let mut tracer = near.tracer("btf", &["-v"]);
    // It has looked into both once it tells of what was there before.
    let mut server = near.actor("near");
    let port = server.listen("l", near.at4(0)).port();
    tracer.wait_for("the listener", |record| record["lport"] == port);
    drop(actor);
    run("ip", &["netns", "del", &far.name]);
    wait_until("the end of the namespace", || !near.ip(&["-o", "link"]).contains("near"));
    tracer.stop();
}
