//! What a server may answer.

use super::{AskFailure, Failed};
use crate::centre::{Problem, Then, check_then};
use crate::facts::Facts;
use crate::id::{AgentId, QueueId};
use crate::limits::{MAX_ID_BYTES, MAX_RECORD_ENTRIES, MAX_SUBJECT_BYTES};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use std::collections::{BTreeMap, BTreeSet};

/// What a server says of a contact; everything may be missing.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Answer {
    /// What the customer's record says. Numbers and truths become texts, an entry of a record within
    /// it gets the name `record.entry`, null is left out.
    #[serde(deserialize_with = "record")]
    pub customer: BTreeMap<String, String>,
    /// What the customer is entitled to.
    pub entitlements: Vec<String>,
    /// What the caller chose elsewhere, by the name of what was asked.
    #[serde(deserialize_with = "record")]
    pub answers: BTreeMap<String, String>,
    /// What becomes of the contact; without one the rules decide.
    pub decision: Option<Decision>,
}

/// What a server decides: one of `queue`, `refuse` and `redirect`, and what goes with a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decision {
    /// The queue that it waits in.
    pub queue: Option<QueueId>,
    /// Skills that its agent must have, with their lowest level.
    pub skills: BTreeMap<String, u8>,
    /// The higher is served first.
    pub priority: i32,
    /// The call type's name; default: the server's identifier.
    pub call_type: Option<String>,
    /// What else is to be known of it.
    pub attributes: BTreeMap<String, String>,
    /// The one agent that it is for: it is offered to that agent at once, or refused.
    pub agent: Option<AgentId>,
    /// The SIP status that it is refused with, 400 to 699.
    pub refuse: Option<u16>,
    /// The URI that its caller is told to call instead.
    pub redirect: Option<String>,
}

impl Answer {
    /// Adds what it says to a contact's facts; the names of what was added.
    pub(crate) fn add_to(&self, facts: &mut Facts) -> Vec<String> {
        let named = |of: &str, entries: &BTreeMap<String, String>| -> Vec<String> {
            entries.keys().map(|key| format!("{of}.{key}")).collect()
        };
        let mut added = named("customer", &self.customer);
        if !self.entitlements.is_empty() {
            added.push("entitlements".into());
        }
        added.extend(named("answers", &self.answers));
        facts.customer.extend(self.customer.clone());
        facts.answers.extend(self.answers.clone());
        facts.entitlements.extend(self.entitlements.iter().cloned());
        added
    }

    /// Whether it is within the limits.
    pub(crate) fn check(&self) -> Result<(), Failed> {
        let entries = self.customer.iter().chain(&self.answers);
        let count = self.customer.len() + self.answers.len() + self.entitlements.len();
        let keys_fit = entries
            .clone()
            .all(|(key, _)| key.len() <= 2 * MAX_ID_BYTES + 1);
        let mut values = entries.map(|(_, value)| value).chain(&self.entitlements);
        let limit = if count > MAX_RECORD_ENTRIES {
            format!("at most {MAX_RECORD_ENTRIES} facts are taken")
        } else if !keys_fit {
            format!("a name has at most {MAX_ID_BYTES} bytes")
        } else if values.any(|value| value.len() > MAX_SUBJECT_BYTES) {
            format!("a value has at most {MAX_SUBJECT_BYTES} bytes")
        } else {
            return Ok(());
        };
        Err(Failed::new(AskFailure::Malformed, limit))
    }
}

impl Decision {
    /// Why the declaration does not allow it.
    pub(crate) fn check(
        &self,
        queues: &BTreeSet<&QueueId>,
        knows_agent: impl Fn(&AgentId) -> bool,
    ) -> Result<(), Failed> {
        let wrong = |text: String| Err(Failed::new(AskFailure::Invalid, text));
        let ways = [
            self.queue.is_some(),
            self.refuse.is_some(),
            self.redirect.is_some(),
        ];
        if ways.into_iter().filter(|given| *given).count() != 1 {
            return wrong("one of queue, refuse and redirect must be given".into());
        }
        if let Some(uri) = &self.redirect {
            return match crate::centre::plausible(uri) {
                true => Ok(()),
                false => wrong(format!("redirect: `{uri}` is not a SIP URI")),
            };
        }
        match &self.agent {
            Some(_) if self.queue.is_none() => {
                return wrong("agent: the queue that the contact counts for is missing".into());
            }
            Some(agent) if !knows_agent(agent) => {
                return wrong(format!("agent: there is no agent `{agent}`"));
            }
            _ => {}
        }
        match check_then(&self.then(), queues).first() {
            None => Ok(()),
            Some(Problem { path, message, .. }) => wrong(format!("{path}: {message}")),
        }
    }

    fn then(&self) -> Then {
        Then {
            queue: self.queue.clone(),
            refuse: self.refuse,
            skills: self.skills.clone(),
            priority: self.priority,
            call_type: self.call_type.clone(),
            attributes: self.attributes.clone(),
            ..Then::default()
        }
    }

    /// For people.
    pub(crate) fn told(&self) -> String {
        if let Some(status) = self.refuse {
            return format!("refuse with {status}");
        }
        if let Some(uri) = &self.redirect {
            return format!("redirect to {uri}");
        }
        let queue = self.queue.as_ref().map_or("", QueueId::as_str);
        let mut told = format!("queue {queue}");
        for (skill, level) in &self.skills {
            told.push_str(&format!(", {skill} {level}"));
        }
        if let Some(agent) = &self.agent {
            told.push_str(&format!(", for {agent} alone"));
        }
        told
    }
}

/// One value of a record.
#[derive(Deserialize)]
#[serde(untagged)]
enum Plain {
    Text(String),
    Truth(bool),
    Whole(i64),
    Number(f64),
}

impl From<Plain> for String {
    fn from(value: Plain) -> Self {
        match value {
            Plain::Text(text) => text,
            Plain::Truth(truth) => truth.to_string(),
            Plain::Whole(number) => number.to_string(),
            Plain::Number(number) => number.to_string(),
        }
    }
}

/// An entry of a record: a value, or a record of values.
#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Plain(Plain),
    Record(BTreeMap<String, Option<Plain>>),
}

fn record<'de, D: Deserializer<'de>>(from: D) -> Result<BTreeMap<String, String>, D::Error> {
    let read = BTreeMap::<String, Option<Entry>>::deserialize(from).map_err(|error| {
        D::Error::custom(format!(
            "not a record of texts, numbers and truths, or of such records: {error}"
        ))
    })?;
    let mut flat = BTreeMap::new();
    for (name, entry) in read {
        match entry {
            None => {}
            Some(Entry::Plain(value)) => drop(flat.insert(name, value.into())),
            Some(Entry::Record(inner)) => flat.extend(
                inner
                    .into_iter()
                    .filter_map(|(key, value)| Some((format!("{name}.{key}"), value?.into()))),
            ),
        }
    }
    Ok(flat)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<Answer, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    // D13 A3
    #[test]
    fn a_record_is_flat_and_made_of_texts() {
        let answer = read(
            r#"{"customer": {"tier": "gold", "since": 2019, "vip": true, "debt": null,
                "address": {"city": "Bern", "zip": 3011}}, "entitlements": ["priority"]}"#,
        )
        .unwrap();
        let mut facts = Facts::default();
        let added = answer.add_to(&mut facts);
        assert_eq!(facts.customer["tier"], "gold");
        assert_eq!(facts.customer["since"], "2019");
        assert_eq!(facts.customer["vip"], "true");
        assert_eq!(facts.customer["address.city"], "Bern");
        assert_eq!(facts.customer["address.zip"], "3011");
        assert_eq!(facts.customer.len(), 5, "null is left out");
        assert!(added.contains(&"customer.tier".to_owned()), "{added:?}");
        assert!(added.contains(&"entitlements".to_owned()), "{added:?}");
    }

    // D13
    #[test]
    fn what_is_not_expected_is_refused() {
        assert!(read("{}").unwrap().decision.is_none());
        for text in [
            "\"hello\"",
            r#"{"custommer": {}}"#,
            r#"{"customer": {"a": {"b": {"c": 1}}}}"#,
            r#"{"customer": {"a": [1]}}"#,
            r#"{"entitlements": "priority"}"#,
            r#"{"decision": {"queu": "support"}}"#,
            r#"{"decision": {"priority": "high"}}"#,
        ] {
            assert!(read(text).is_err(), "{text}");
        }
        let many: BTreeMap<String, String> = (0..=MAX_RECORD_ENTRIES)
            .map(|n| (n.to_string(), String::new()))
            .collect();
        let customer = |customer| Answer {
            customer,
            ..Answer::default()
        };
        assert!(customer(many).check().is_err());
        let long = [("a".to_owned(), "x".repeat(MAX_SUBJECT_BYTES + 1))];
        assert!(customer(long.into()).check().is_err());
    }

    // D13
    #[test]
    fn a_decision_that_contradicts_the_declaration_says_why() {
        let support = QueueId::from("support");
        let queues = BTreeSet::from([&support]);
        let why = |text: &str| {
            let answer = read(&format!("{{\"decision\": {text}}}")).unwrap();
            let checked = answer
                .decision
                .unwrap()
                .check(&queues, |agent| agent.as_str() == "anna");
            checked.err().map(|failed| {
                assert_eq!(failed.why, AskFailure::Invalid);
                failed.detail
            })
        };
        for text in [
            r#"{"queue": "support", "skills": {"german": 3}, "priority": 5, "agent": "anna"}"#,
            r#"{"refuse": 603}"#,
            r#"{"redirect": "sip:mail@voice.example"}"#,
        ] {
            assert_eq!(why(text), None, "{text}");
        }
        for (text, words) in [
            ("{}", "one of queue"),
            (r#"{"queue": "support", "refuse": 603}"#, "one of queue"),
            (r#"{"queue": "sales"}"#, "there is no queue `sales`"),
            (
                r#"{"queue": "support", "agent": "zoe"}"#,
                "there is no agent `zoe`",
            ),
            (
                r#"{"refuse": 603, "agent": "anna"}"#,
                "queue that the contact counts for",
            ),
            (
                r#"{"queue": "support", "skills": {"german": 0}}"#,
                "out of range",
            ),
            (r#"{"queue": "support", "priority": 9999}"#, "out of range"),
            (r#"{"refuse": 200}"#, "out of range"),
            (r#"{"redirect": "http://x"}"#, "not a SIP URI"),
        ] {
            let said = why(text).unwrap_or_default();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
