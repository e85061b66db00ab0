//! Conditions as expressions in the Common Expression Language (CEL).
//!
//! An expression is read once, when the centre is configured, and refused if anything in it could
//! not be meant. What it can cost is bounded: it is short and flat ([`shape`]), a loop does not
//! stand within a loop and `map` is missing ([`names`]), so that neither time nor text can grow
//! beyond the product of its length and a contact's facts.

mod functions;
mod names;
mod shape;
mod values;

pub(crate) use values::{Shared, Variable};

use super::calendar::Calendar;
use super::condition::Seen;
use super::hours;
use crate::facts::{Facts, Medium};
use crate::media::Usable;
use cel::common::types::CelBool;
use cel::parser::{Expression as Tree, PrattParser};
use cel::{Context, ExecutionError, Value};
use jiff::tz::TimeZone;
use names::Named;
use std::collections::BTreeSet;
use values::Variables;

/// An expression that is ready.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    tree: Tree,
    zone: TimeZone,
    named: Named,
}

/// Why an expression cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    /// `expression` or `zone`.
    pub field: &'static str,
    pub message: String,
    pub remedy: String,
}

impl Problem {
    fn new(message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            field: "expression",
            message: message.into(),
            remedy: remedy.into(),
        }
    }
}

impl Expression {
    /// Reads an expression, whose times are those of a zone of the IANA database, and which may
    /// name these calendars.
    pub fn new(text: &str, zone: &str, calendars: &[Calendar]) -> Result<Self, Problem> {
        shape::check(text)?;
        let parser = PrattParser::new().error_reporting_limit(1);
        let tree = parser.parse(text).map_err(|errors| {
            let error = errors.errors.first();
            let message = error.map_or("the expression cannot be read".into(), |error| {
                let (line, character) = error.pos;
                let said = error.msg.trim_start_matches("Syntax error: ");
                format!("line {line}, character {character}: {said}")
            });
            Problem::new(message, "correct it; docs/operations.md shows expressions")
        })?;
        let named = names::check(&tree, calendars)?;
        let zone = hours::zone(zone).map_err(|wrong| Problem {
            field: wrong.field,
            ..Problem::new(wrong.message, wrong.remedy)
        })?;
        let ready = Self { tree, zone, named };
        ready.try_out(calendars)?;
        Ok(ready)
    }

    /// Whether it holds of a contact, or why that cannot be said.
    pub fn holds(&self, seen: &Seen<'_>) -> Result<bool, String> {
        let variables = Variables::new(seen, &self.zone);
        match self.evaluate(&variables) {
            Ok(Some(holds)) => Ok(holds),
            Ok(None) => Err("it is neither true nor false".into()),
            Err(error) => Err(told(&error)),
        }
    }

    /// The variables that it names.
    pub fn variables(&self) -> &BTreeSet<Variable> {
        &self.named.variables
    }

    /// The result and the values that decide it, for people.
    pub fn found(&self, seen: &Seen<'_>) -> String {
        let variables = Variables::new(seen, &self.zone);
        let mut context = Context::with_env(functions::environment());
        context.set_variable_resolver(&variables);
        let mut found = match self.holds(seen) {
            Ok(holds) => holds.to_string(),
            Err(why) => format!("cannot be said: {why}"),
        };
        for (index, (text, tree)) in self.named.shown.iter().enumerate() {
            found.push_str(if index == 0 { "; " } else { ", " });
            found.push_str(text);
            match Value::resolve_val(tree, &context) {
                Ok(value) => {
                    found.push_str(" = ");
                    found.push_str(&values::shown(text, value.as_ref()));
                }
                Err(_) => found.push_str(" is missing"),
            }
        }
        found
    }

    /// The result if it is true or false.
    fn evaluate(&self, variables: &Variables<'_, '_>) -> Result<Option<bool>, ExecutionError> {
        let mut context = Context::with_env(functions::environment());
        context.set_variable_resolver(variables);
        let value = Value::resolve_val(&self.tree, &context)?;
        Ok(value.downcast_ref::<CelBool>().map(|truth| *truth.inner()))
    }

    /// Tries it on a typical contact: what is wrong with its types shows there.
    fn try_out(&self, calendars: &[Calendar]) -> Result<(), Problem> {
        let facts = typical();
        let usable = Usable::of(&facts);
        let seen = Seen::new(&facts, &usable, 0, calendars);
        match self.evaluate(&Variables::new(&seen, &self.zone)) {
            Ok(Some(_)) => Ok(()),
            Ok(None) => Err(Problem::new(
                "the expression is neither true nor false",
                "compare its value with something, such as time.hour < 12",
            )),
            Err(error) if depends_on_contact(&error) => Ok(()),
            Err(error) => Err(Problem::new(
                told(&error),
                "compare like with like; int(text) makes a number of a text",
            )),
        }
    }
}

/// Whether another contact may have what this one lacks.
fn depends_on_contact(error: &ExecutionError) -> bool {
    matches!(
        error,
        ExecutionError::NoSuchKey(_)
            | ExecutionError::IndexOutOfBounds(_)
            | ExecutionError::FunctionError { .. }
            | ExecutionError::DivisionByZero(_)
            | ExecutionError::RemainderByZero(_)
            | ExecutionError::Overflow(..)
    )
}

/// An error in our words where it is one that a contact can cause.
fn told(error: &ExecutionError) -> String {
    match error {
        ExecutionError::NoSuchKey(key) => format!("there is no `{key}`"),
        ExecutionError::IndexOutOfBounds(_) => "the list is shorter".into(),
        ExecutionError::FunctionError { function, message } => format!("{function}: {message}"),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => {
            "division by zero".into()
        }
        ExecutionError::NoSuchOverload(wrong) => format!(
            "`{}` cannot take {}",
            wrong.function().trim_matches(['_', '@']),
            wrong.argument_types().join(" and ")
        ),
        other => {
            let text = other.to_string();
            let end = text.floor_char_boundary(crate::limits::MAX_SHOWN_BYTES);
            text.get(..end).unwrap_or_default().to_string()
        }
    }
}

fn typical() -> Facts {
    Facts {
        request_uri: "sip:service@example.com".into(),
        to: "sip:service@example.com".into(),
        from: "sip:caller@example.net".into(),
        media: vec![Medium {
            kind: "audio".into(),
            port: 9,
            protocol: "RTP/AVP".into(),
            codecs: vec!["PCMA".into()],
        }],
        transport: "udp".into(),
        ..Facts::default()
    }
}

#[cfg(test)]
mod tests;
