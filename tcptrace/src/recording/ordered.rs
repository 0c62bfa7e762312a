//! Fields of a line exactly as this tcptrace writes it: one pass, no allocation, no search for the line's end.

use super::field::{Fields, Key, Wrong};
use super::swar;

/// Where a line begins.
const BEGIN: &[u8] = b"{\"type\":\"";

/// The rest of the frame, from the next field on.
#[derive(Debug)]
pub(super) struct Ordered<'a> {
    rest: &'a [u8],
}

impl<'a> Ordered<'a> {
    /// The type of the line that `text` begins with, and its fields.
    pub(super) fn begin(text: &'a [u8]) -> Option<(&'a [u8], Self)> {
        let mut fields = Self { rest: text.strip_prefix(BEGIN)? };
        let kind = fields.quoted()?;
        Some((kind, fields))
    }

    /// What follows the line, when nothing of it is left over.
    pub(super) fn end(self) -> Option<&'a [u8]> {
        self.rest.strip_prefix(b"}\n")
    }

    #[inline(always)]
    fn at(&mut self, key: Key) -> bool {
        match key.strip(self.rest) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    /// Up to the closing quote. Escapes are left to the loose reader.
    #[inline(always)]
    fn quoted(&mut self) -> Option<&'a [u8]> {
        let end = swar::plain(self.rest);
        let (text, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest.strip_prefix(b"\"")?;
        Some(text)
    }

    /// Digits as JSON has them: no leading zero, nothing that overflows.
    #[inline(always)]
    fn digits(&mut self) -> Option<u64> {
        let (number, length) = swar::number(self.rest)?;
        self.rest = self.rest.get(length..)?;
        Some(number)
    }
}

impl<'a> Fields<'a> for Ordered<'a> {
    #[inline(always)]
    fn number(&mut self, key: Key) -> Result<Option<u64>, Wrong> {
        if !self.at(key) {
            return Ok(None);
        }
        self.digits().map(Some).ok_or(Wrong::Unordered)
    }

    #[inline(always)]
    fn signed(&mut self, key: Key) -> Result<Option<i64>, Wrong> {
        if !self.at(key) {
            return Ok(None);
        }
        let minus = self.rest.strip_prefix(b"-");
        self.rest = minus.unwrap_or(self.rest);
        let magnitude =
            self.digits().and_then(|digits| i64::try_from(digits).ok()).ok_or(Wrong::Unordered)?;
        Ok(Some(if minus.is_some() { -magnitude } else { magnitude }))
    }

    #[inline(always)]
    fn text(&mut self, key: Key) -> Result<Option<&'a [u8]>, Wrong> {
        if !self.at(key) {
            return Ok(None);
        }
        if let Some(rest) = self.rest.strip_prefix(b"\"") {
            self.rest = rest;
        } else {
            return Err(Wrong::Unordered);
        }
        self.quoted().map(Some).ok_or(Wrong::Unordered)
    }

    #[inline(always)]
    fn flag(&mut self, key: Key) -> Result<bool, Wrong> {
        if !self.at(key) {
            return Ok(false);
        }
        self.rest = self.rest.strip_prefix(b"true").ok_or(Wrong::Unordered)?;
        Ok(true)
    }
}
