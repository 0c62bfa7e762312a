//! Fields of any JSON object: other orders, spaces, escapes, nulls, fields that we do not know.

use serde_json::{Map, Value};

use super::field::{Fields, Key, Wrong};

/// The object of one line.
#[derive(Debug)]
pub(super) struct Loose<'a> {
    object: &'a Map<String, Value>,
}

impl<'a> Loose<'a> {
    pub(super) fn new(object: &'a Map<String, Value>) -> Self {
        Self { object }
    }

    /// The object that `line` is.
    pub(super) fn parse(line: &[u8]) -> Result<Map<String, Value>, Wrong> {
        match serde_json::from_slice(line) {
            Ok(Value::Object(object)) => Ok(object),
            Ok(_) => Err(Wrong::Json("not an object".to_owned())),
            Err(error) => Err(Wrong::Json(error.to_string())),
        }
    }

    fn value(&self, key: Key) -> Option<&'a Value> {
        self.object.get(key.name()).filter(|value| !value.is_null())
    }

    fn read<T>(&self, key: Key, read: impl Fn(&'a Value) -> Option<T>) -> Result<Option<T>, Wrong> {
        self.value(key).map(|value| read(value).ok_or(Wrong::Value(key))).transpose()
    }
}

impl<'a> Fields<'a> for Loose<'a> {
    fn number(&mut self, key: Key) -> Result<Option<u64>, Wrong> {
        self.read(key, Value::as_u64)
    }

    fn signed(&mut self, key: Key) -> Result<Option<i64>, Wrong> {
        self.read(key, Value::as_i64)
    }

    fn text(&mut self, key: Key) -> Result<Option<&'a [u8]>, Wrong> {
        self.read(key, |value| value.as_str().map(str::as_bytes))
    }

    fn flag(&mut self, key: Key) -> Result<bool, Wrong> {
        Ok(self.read(key, Value::as_bool)?.unwrap_or(false))
    }
}
