//! The kernel's short name of a task.

use std::borrow::Cow;
use std::fmt;

/// A task's `comm`: up to 15 bytes that the task itself chose, of any value (Linux `TASK_COMM_LEN`).
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Comm(pub [u8; 16]);

impl Comm {
    /// The bytes before the first NUL.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        let end = self.0.iter().position(|byte| *byte == 0).unwrap_or(self.0.len());
        &self.0[..end]
    }

    /// As text; bytes that are no UTF-8 become U+FFFD. Not yet safe for a terminal: see `sink::text::escape`.
    #[must_use]
    pub fn as_str(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(self.bytes())
    }
}

impl From<&str> for Comm {
    /// Cuts after 15 bytes, as `prctl(PR_SET_NAME)` does.
    fn from(name: &str) -> Self {
        let mut comm = [0; 16];
        for (to, from) in comm.iter_mut().zip(name.bytes().take(15)) {
            *to = from;
        }
        Self(comm)
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_str(), f)
    }
}
