//! The declaration on its way in and out: all faults together, and no password ever out.

use patchbay_core::centre::{
    Agent, Ask, Calendar, Menu, Offers, Phones, Queue, Rule, Secret, Site,
};
use patchbay_core::{Centre, validate};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::body::SEE_DOCUMENT;
use super::problem::{Failure, Fault};

/// Stands in for a password on the way out; on the way in it keeps the password as it is.
const PASSWORD_SET: &str = "password_set";

/// The same for the secret of a server that is asked.
const SECRET_SET: &str = "secret_set";

/// The same for the token that another centre gave.
const TOKEN_SET: &str = "token_set";

/// A declaration for everybody's eyes.
pub fn shown(centre: &Centre) -> Value {
    let mut value = serde_json::to_value(centre).unwrap_or(Value::Null);
    let agents = value.get_mut("agent").and_then(Value::as_array_mut);
    for agent in agents.into_iter().flatten() {
        hide_of_agent(agent);
    }
    let asks = value.get_mut("ask").and_then(Value::as_array_mut);
    for ask in asks.into_iter().flatten() {
        hide(ask, "secret", SECRET_SET);
    }
    let sites = value.get_mut("site").and_then(Value::as_array_mut);
    for site in sites.into_iter().flatten() {
        hide(site, "token", TOKEN_SET);
    }
    value
}

/// An agent's declaration for everybody's eyes.
pub fn shown_agent(agent: &Agent) -> Value {
    let mut value = serde_json::to_value(agent).unwrap_or(Value::Null);
    hide_of_agent(&mut value);
    value
}

fn hide_of_agent(agent: &mut Value) {
    hide(agent, "password", PASSWORD_SET);
    if let Some(webhook) = agent.get_mut("webhook") {
        hide(webhook, "secret", SECRET_SET);
    }
}

fn hide(entry: &mut Value, secret: &str, set_key: &str) {
    if let Some(fields) = entry.as_object_mut() {
        let set = fields.remove(secret).is_some();
        fields.insert(set_key.to_owned(), Value::Bool(set));
    }
}

/// Reads and checks a declaration. Passwords that it says are set are those of `before`.
///
/// # Errors
/// Every fault of it.
pub fn read(value: Value, before: &Centre) -> Result<Centre, Failure> {
    let mut faults = Vec::new();
    let Value::Object(mut fields) = value else {
        let fault = Fault::new("", "a declaration is an object", SEE_DOCUMENT);
        return Err(Failure::invalid(vec![fault]));
    };
    let centre = Centre {
        queues: list::<Queue>(&mut fields, "queue", &mut faults),
        agents: agents(&mut fields, before, &mut faults),
        asks: asks(&mut fields, before, &mut faults),
        calendars: list::<Calendar>(&mut fields, "calendar", &mut faults),
        menus: list::<Menu>(&mut fields, "menu", &mut faults),
        rules: list::<Rule>(&mut fields, "rule", &mut faults),
        sites: sites(&mut fields, before, &mut faults),
        offers: match fields.remove("offers") {
            None => Offers::default(),
            Some(value) => one("offers", value, &mut faults).unwrap_or_default(),
        },
        phones: match fields.remove("phones") {
            None => Phones::default(),
            Some(value) => one("phones", value, &mut faults).unwrap_or_default(),
        },
    };
    for key in fields.keys() {
        let remedy = "the keys of a declaration are: queue, agent, ask, calendar, menu, rule, site, offers, phones";
        faults.push(Fault::new(key, format!("there is no key `{key}`"), remedy));
    }
    // An entry that cannot be read is missing now: what refers to it would be blamed for it.
    if faults.is_empty() {
        faults.extend(validate(&centre).into_iter().map(Fault::from));
    }
    match faults.is_empty() {
        true => Ok(centre),
        false => Err(Failure::invalid(faults)),
    }
}

/// Reads one agent's declaration, whose identifier may be left out.
///
/// # Errors
/// Its faults.
pub fn read_agent(id: &str, value: Value, before: &Centre) -> Result<Agent, Failure> {
    let mut faults = Vec::new();
    let mut value = value;
    if let Some(fields) = value.as_object_mut() {
        let given = fields.insert("id".to_owned(), Value::String(id.to_owned()));
        if given.is_some_and(|given| given != id) {
            let message = format!("the path names `{id}`");
            faults.push(Fault::new("id", message, "give the same, or leave it out"));
        }
    }
    let agent = agent("", value, before, &mut faults);
    match agent {
        Some(agent) if faults.is_empty() => Ok(agent),
        _ => Err(Failure::invalid(faults)),
    }
}

fn agents(fields: &mut Map<String, Value>, before: &Centre, faults: &mut Vec<Fault>) -> Vec<Agent> {
    let values = elements(fields, "agent", faults).into_iter().enumerate();
    values
        .filter_map(|(index, value)| agent(&format!("agent[{index}]"), value, before, faults))
        .collect()
}

fn agent(path: &str, mut value: Value, before: &Centre, faults: &mut Vec<Fault>) -> Option<Agent> {
    let kept = value
        .as_object_mut()
        .and_then(|fields| fields.remove(PASSWORD_SET));
    keep_webhook_secret(&mut value, before);
    let mut agent: Agent = one(path, value, faults)?;
    if kept == Some(Value::Bool(true)) && agent.password.is_none() {
        agent.password = password(&agent, before);
        if agent.password.is_none() {
            let at = if path.is_empty() {
                PASSWORD_SET.to_owned()
            } else {
                format!("{path}.{PASSWORD_SET}")
            };
            let message = format!("agent `{}` has no password to keep", agent.id);
            faults.push(Fault::new(at, message, "give its `password`"));
        }
    }
    Some(agent)
}

/// A webhook's secret that is said to be set is that of `before`.
fn keep_webhook_secret(agent: &mut Value, before: &Centre) {
    let id = agent.get("id").and_then(Value::as_str).map(str::to_owned);
    let webhook = agent.get_mut("webhook").and_then(Value::as_object_mut);
    let Some(webhook) = webhook else { return };
    let kept = webhook.remove(SECRET_SET) == Some(Value::Bool(true));
    if !kept || webhook.contains_key("secret") {
        return;
    }
    let mut old = before.agents.iter();
    let old = old.find(|agent| Some(agent.id.as_str()) == id.as_deref());
    if let Some(old) = old.and_then(|agent| agent.webhook.as_ref()) {
        let secret = Value::String(old.secret.expose().to_owned());
        webhook.insert("secret".to_owned(), secret);
    }
}

fn password(agent: &Agent, before: &Centre) -> Option<Secret> {
    before
        .agents
        .iter()
        .find(|old| old.id == agent.id)
        .and_then(|old| old.password.clone())
}

/// Reads servers that are asked; a secret that is said to be set is that of `before`.
fn asks(fields: &mut Map<String, Value>, before: &Centre, faults: &mut Vec<Fault>) -> Vec<Ask> {
    let old = |id: &str| before.asks.iter().find(|ask| ask.id.as_str() == id);
    let kept = |id: &str| old(id).map(|ask| ask.secret.clone());
    with_secrets(fields, ("ask", "secret", SECRET_SET), kept, faults)
}

/// Reads other centres, likewise with their tokens.
fn sites(fields: &mut Map<String, Value>, before: &Centre, faults: &mut Vec<Fault>) -> Vec<Site> {
    let old = |id: &str| before.sites.iter().find(|site| site.id.as_str() == id);
    let kept = |id: &str| old(id).map(|site| site.token.clone());
    with_secrets(fields, ("site", "token", TOKEN_SET), kept, faults)
}

fn with_secrets<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    (kind, secret, set_key): (&'static str, &str, &str),
    kept: impl Fn(&str) -> Option<Secret>,
    faults: &mut Vec<Fault>,
) -> Vec<T> {
    let values = elements(fields, kind, faults).into_iter().enumerate();
    let read = values.filter_map(|(index, mut value)| {
        if let Some(entry) = value.as_object_mut()
            && entry.remove(set_key) == Some(Value::Bool(true))
            && !entry.contains_key(secret)
        {
            let id = entry.get("id").and_then(Value::as_str);
            if let Some(kept) = id.and_then(&kept) {
                let kept = Value::String(kept.expose().to_owned());
                entry.insert(secret.to_owned(), kept);
            }
        }
        one(&format!("{kind}[{index}]"), value, faults)
    });
    read.collect()
}

fn list<T: DeserializeOwned>(
    fields: &mut Map<String, Value>,
    key: &'static str,
    faults: &mut Vec<Fault>,
) -> Vec<T> {
    let values = elements(fields, key, faults).into_iter().enumerate();
    values
        .filter_map(|(index, value)| one(&format!("{key}[{index}]"), value, faults))
        .collect()
}

fn elements(
    fields: &mut Map<String, Value>,
    key: &'static str,
    faults: &mut Vec<Fault>,
) -> Vec<Value> {
    match fields.remove(key) {
        None => Vec::new(),
        Some(Value::Array(values)) => values,
        Some(_) => {
            faults.push(Fault::new(key, "is not a list", SEE_DOCUMENT));
            Vec::new()
        }
    }
}

fn one<T: DeserializeOwned>(path: &str, value: Value, faults: &mut Vec<Fault>) -> Option<T> {
    match serde_json::from_value(value) {
        Ok(read) => Some(read),
        Err(error) => {
            faults.push(Fault::new(path, error.to_string(), SEE_DOCUMENT));
            None
        }
    }
}
