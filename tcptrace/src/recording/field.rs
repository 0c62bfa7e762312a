//! What a decoder asks of a line.

use std::fmt;

/// A key as it stands inside a line: `,"lport":`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    text: &'static str,
    /// The first eight bytes of it, or as many as there are, and which these are.
    head: u64,
    mask: u64,
}

impl Key {
    pub(super) const fn new(text: &'static str) -> Self {
        let (mut head, mut mask, mut rest) = (0_u64, 0_u64, text.as_bytes());
        let mut shift = 0;
        while shift < 64
            && let Some((byte, more)) = rest.split_first()
        {
            head |= (*byte as u64) << shift;
            mask |= 0xff << shift;
            (shift, rest) = (shift + 8, more);
        }
        Self { text, head, mask }
    }

    /// With comma, quotes and colon.
    pub(super) const fn bytes(self) -> &'static [u8] {
        self.text.as_bytes()
    }

    /// What follows the key, where `line` begins with it. Most keys that are asked for are not there: eight bytes tell.
    #[inline(always)]
    pub(super) fn strip(self, line: &[u8]) -> Option<&[u8]> {
        if let Some(eight) = line.first_chunk()
            && (u64::from_le_bytes(*eight) ^ self.head) & self.mask != 0
        {
            return None;
        }
        line.strip_prefix(self.bytes())
    }

    /// The bare name.
    pub(super) fn name(self) -> &'static str {
        self.text.trim_start_matches(",\"").trim_end_matches("\":")
    }
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wrong {
    /// A key that this type of event must have is not there.
    Missing(Key),
    /// A value is no such thing as its key wants.
    Value(Key),
    /// No such type of event.
    Type(String),
    /// Not JSON, or no object.
    Json(String),
    /// Over the limit.
    TooLong,
    /// Not as this tcptrace writes it, though it may be right: ask the loose reader.
    Unordered,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(key) => write!(f, "`{}` is missing", key.name()),
            Self::Value(key) => write!(f, "the value of `{}` makes no sense", key.name()),
            Self::Type(word) => write!(f, "`{}` is no type of line", word.escape_debug()),
            Self::Json(what) => write!(f, "not JSON: {what}"),
            Self::TooLong => f.write_str("it is longer than 1 MiB"),
            Self::Unordered => f.write_str("its keys are not in order"),
        }
    }
}

/// The fields of one line, asked for in the order of [`super::key`]; what is left out or null is `None`.
pub(super) trait Fields<'a> {
    fn number(&mut self, key: Key) -> Result<Option<u64>, Wrong>;
    fn signed(&mut self, key: Key) -> Result<Option<i64>, Wrong>;
    fn text(&mut self, key: Key) -> Result<Option<&'a [u8]>, Wrong>;
    fn flag(&mut self, key: Key) -> Result<bool, Wrong>;

    /// A number that fits.
    #[inline(always)]
    fn fitting<T: TryFrom<u64>>(&mut self, key: Key) -> Result<Option<T>, Wrong> {
        match self.number(key)? {
            Some(number) => T::try_from(number).map(Some).map_err(|_| Wrong::Value(key)),
            None => Ok(None),
        }
    }

    /// A number that fits; left out it is 0.
    #[inline(always)]
    fn or_zero<T: TryFrom<u64> + Default>(&mut self, key: Key) -> Result<T, Wrong> {
        Ok(self.fitting(key)?.unwrap_or_default())
    }

    /// A number that must be there.
    #[inline(always)]
    fn needed<T: TryFrom<u64>>(&mut self, key: Key) -> Result<T, Wrong> {
        self.fitting(key)?.ok_or(Wrong::Missing(key))
    }

    /// A text that must be there, understood by `meaning`.
    #[inline(always)]
    fn meaning<T>(&mut self, key: Key, meaning: impl Fn(&[u8]) -> Option<T>) -> Result<T, Wrong> {
        self.maybe(key, meaning)?.ok_or(Wrong::Missing(key))
    }

    /// A text that may be there, understood by `meaning`.
    #[inline(always)]
    fn maybe<T>(&mut self, key: Key, meaning: impl Fn(&[u8]) -> Option<T>) -> Result<Option<T>, Wrong> {
        match self.text(key)? {
            Some(text) => meaning(text).map(Some).ok_or(Wrong::Value(key)),
            None => Ok(None),
        }
    }
}
