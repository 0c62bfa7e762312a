//! The kernel's type information.

use tcptrace::source::kernel::btf::Btf;
use tcptrace::source::kernel::resolve;

/// Parses it and asks for everything that tcptrace asks a kernel for.
pub fn target(bytes: &[u8]) {
    let Ok(btf) = Btf::parse(bytes.to_vec()) else { return };
    let _ = resolve(&btf);
    let _ = btf.has_struct("sock");
    let _ = btf.tracepoint_arguments("inet_sock_set_state");
    let _ = btf.enumerators("sk_rst_reason");
}
