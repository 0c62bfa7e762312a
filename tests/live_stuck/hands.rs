//! Sockets that a fork has doubled: who is left with them.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::look::Look;
use crate::space::Space;
use crate::{Holder, opened, pids};

/// A shell that connects to `port`, forks, and lets one of the two close the connection; both live until their input ends.
fn forked(space: &Space, host: &str, port: u16, who_closes: &str) -> Holder {
    // What it runs does not get the fd, so only the fork has it. The clock of processes has 10 ms.
    let (child, parent) = match who_closes {
        "child" => ("exec 3>&-;", ""),
        _ => ("", "exec 3>&-;"),
    };
    let script = format!(
        "exec 4<&0 3<>/dev/tcp/{host}/{port}; sleep 0.2 3>&-; ({child} read -u 4; :) & {parent} wait"
    );
    let child = space.inside(|| {
        Command::new("bash")
            .args(["-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    });
    Holder(child)
}

fn both_ways(host: &str, name: &str) {
    let Some(space) = Space::new(name) else { return };
    let look = Look::new(&space, &["CLOSE_WAIT>1s"]);
    let listener = space.inside(|| TcpListener::bind((host, 0)).unwrap());
    let port = listener.local_addr().unwrap().port();
    for (who_closes, verdict) in [("parent", "inherited_fd"), ("child", "leaked_fd")] {
        let shell = forked(&space, host, port, who_closes);
        let (server, from) = listener.accept().unwrap();
        drop(server);
        // Until the fork is over both have it.
        let one = look.wait_for(|record| {
            let held = pids(record);
            record["lport"] == from.port()
                && held.len() == 1
                && (held[0] == shell.pid()) == (who_closes == "child")
        });
        assert_eq!((&one["verdict"], &one["holders"][0]["comm"]), (&verdict.into(), &"bash".into()), "{one}");
        let holder = pids(&one)[0];
        assert_eq!(one["owner"]["pid"], holder, "{one}");
        if who_closes == "parent" {
            assert_eq!(opened(&one, holder), Some(false), "{one}");
        } else {
            assert_ne!(opened(&one, holder), Some(false), "{one}");
        }
    }
}

#[test]
fn whoever_of_a_fork_is_left_with_an_ipv4_connection_holds_it() {
    both_ways("127.0.0.1", "fork4");
}

#[test]
fn whoever_of_a_fork_is_left_with_an_ipv6_connection_holds_it() {
    both_ways("::1", "fork6");
}
