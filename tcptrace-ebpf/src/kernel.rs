//! The programs and what they share.

mod accept;
mod brief;
mod change;
mod classic;
mod config;
mod derived;
mod diagnose;
mod filter;
mod fork;
mod group;
mod held;
mod histogram;
mod memory;
mod mini;
mod neighbour;
mod nested;
mod octave;
mod ring;
mod sock;
mod stack;
mod state_change;
mod task;
mod timer;

/// Helpers such as `bpf_get_socket_cookie` are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // The verifier refuses a program that could get here.
    loop {}
}
