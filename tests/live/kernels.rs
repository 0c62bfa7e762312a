//! This kernel: what the README says of it is what `preflight` says on it, and its verifier has room to spare.

use crate::support::ability::has;
use crate::support::space::Space;

const README: &str = include_str!("../../README.md");

#[test]
fn the_readme_says_of_this_kernel_what_preflight_says() {
    let Some(_) = Space::new() else { return };
    let cells = |row: &'static str| row.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let mut rows = README.lines().skip_while(|line| !line.starts_with("| Linux |")).map(cells);
    let names = rows.next().unwrap();
    let release = rustix::system::uname();
    let release = release.release().to_str().unwrap();
    let ours = rows.skip(1).take_while(|row| row.len() == names.len()).find(|row| {
        release.strip_prefix(row[0]).is_some_and(|rest| !rest.starts_with(|next: char| next.is_ascii_digit()))
    });
    let Some(ours) = ours else {
        println!("skipped: the README has no row for Linux {release}");
        return;
    };
    for (name, said) in names.iter().zip(&ours).skip(1) {
        assert_eq!(*said, if has(name) { "yes" } else { "no" }, "{name} on Linux {release}");
    }
}

/// An older verifier looks at the same program many times as often; beyond a million instructions it refuses it.
#[test]
fn the_verifier_looks_at_less_than_half_of_what_it_may() {
    let Some(space) = Space::new() else { return };
    for attach in ["btf", "classic"] {
        let filters = ["--port", "5000-5009,7001", "--lport", "1-65535", "--uid", "0,1001"];
        let words = if attach == "btf" { &filters[..] } else { &filters[..4] };
        for words in [&[], words] {
            let tracer = space.tracer(attach, words);
            let folder = std::fs::read_dir(format!("/proc/{}/fdinfo", tracer.pid())).unwrap();
            let counts: Vec<u32> = folder
                .filter_map(|fd| std::fs::read_to_string(fd.ok()?.path()).ok())
                .filter_map(|info| {
                    info.lines().find_map(|line| line.strip_prefix("verified_insns:")?.trim().parse().ok())
                })
                .collect();
            tracer.stop().check();
            let Some(most) = counts.iter().max() else {
                println!("skipped: this kernel does not tell how much its verifier looked at");
                return;
            };
            println!("{attach} {words:?}: {most}");
            assert!((100..500_000).contains(most), "{attach} {words:?}: {counts:?}");
        }
    }
}
