//! What a tracer printed.

use std::collections::BTreeMap;

use serde_json::Value;

/// A run that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) records: Vec<Value>,
    pub(crate) said: Vec<String>,
}

/// The state changes of one connection.
pub(crate) type Life<'a> = Vec<&'a Value>;

/// A record in a few words.
pub(crate) fn short(record: &Value) -> String {
    if record["type"] != "transition" {
        return record.to_string();
    }
    let text = |key: &str| record[key].as_str().unwrap_or("?").to_owned();
    let (from, to, laddr, raddr) = (text("from"), text("to"), text("laddr"), text("raddr"));
    let owner = &record["owner"];
    format!(
        "#{} {laddr}:{} {raddr}:{} {from}>{to} {} {} {} [{}]",
        record["id"],
        record["lport"],
        record["rport"],
        owner["pid"],
        owner["comm"],
        owner["how"],
        record["end"]
    )
}

/// `FROM>TO` of each.
pub(crate) fn moves(life: &[&Value]) -> Vec<String> {
    let text = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
    life.iter().map(|record| format!("{}>{}", text(record, "from"), text(record, "to"))).collect()
}

impl Ended {
    pub(crate) fn transitions(&self) -> impl Iterator<Item = &Value> {
        self.records.iter().filter(|record| record["type"] == "transition")
    }

    /// Every connection, in the order of birth.
    pub(crate) fn lives(&self) -> Vec<Life<'_>> {
        let mut lives: BTreeMap<u64, Life<'_>> = BTreeMap::new();
        for record in self.transitions() {
            lives.entry(record["id"].as_u64().unwrap()).or_default().push(record);
        }
        lives.into_values().collect()
    }

    /// The connections between two ports; the local one may be unknown at first, and the peer's of one that is accepted.
    pub(crate) fn lives_of(&self, lport: u16, rport: Option<u16>) -> Vec<Life<'_>> {
        let fits = |record: &Value| {
            record["lport"] == lport && record["rport"] == rport.map_or(Value::Null, Into::into)
        };
        let fit = |life: &Life<'_>| match rport {
            Some(_) => life.iter().any(|record| fits(record)),
            None => {
                life.iter().any(|record| fits(record)) && life.iter().all(|record| record["rport"].is_null())
            }
        };
        self.lives().into_iter().filter(fit).collect()
    }

    /// The only connection between two ports.
    pub(crate) fn life(&self, lport: u16, rport: Option<u16>) -> Life<'_> {
        let mut lives = self.lives_of(lport, rport);
        assert_eq!(lives.len(), 1, "lives of {lport}-{rport:?} in {:#?}", self.shortly());
        lives.remove(0)
    }

    /// Everything, for a person.
    pub(crate) fn shortly(&self) -> Vec<String> {
        self.records.iter().map(short).chain(self.said.iter().cloned()).collect()
    }

    /// The last line.
    pub(crate) fn summary(&self) -> &Value {
        let last = self.records.last().unwrap();
        assert_eq!(last["type"], "summary", "{:#?}", self.shortly());
        last
    }

    /// It ended as it should, and lost nothing.
    #[track_caller]
    pub(crate) fn check(&self) {
        assert_eq!((self.code, self.summary()["lost"].as_u64()), (Some(0), Some(0)), "{:#?}", self.shortly());
    }
}
