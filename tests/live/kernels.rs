//! What the README says of this kernel is what `preflight` says on it.

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
