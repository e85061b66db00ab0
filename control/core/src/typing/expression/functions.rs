//! The environment of expressions: the standard one without text growth and regular expressions,
//! and two functions of our own.

use crate::typing::{Pattern, Prefix};
use cel::common::types::{CelBool, CelList, CelString};
use cel::{DeclarationError, Env, ExecutionError};
use core::net::IpAddr;
use std::sync::{Arc, LazyLock};

static ENVIRONMENT: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut environment = Env::stdlib();
    let added = add(&mut environment);
    debug_assert!(added.is_ok(), "the names are ours alone");
    Arc::new(environment)
});

/// The environment that all expressions share; it is never changed.
pub(super) fn environment() -> Arc<Env> {
    ENVIRONMENT.clone()
}

fn add(environment: &mut Env) -> Result<(), DeclarationError> {
    cel::add_overload!(environment, fn like: (CelString, CelString) -> Result<CelBool>)?;
    cel::add_overload!(environment, fn any_like: (CelList, CelString) -> Result<CelBool>,
        name = "like", id = "like_list")?;
    cel::add_overload!(environment, fn in_network: (CelString, CelString) -> Result<CelBool>,
        name = "in_network", id = "in_network")
}

/// Whether a text fits a pattern.
fn like(text: &CelString<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    Ok(CelBool::from(ready(pattern)?.matches(text.inner())))
}

/// Whether any text of a list fits a pattern.
fn any_like(texts: &CelList<'_>, pattern: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    let pattern = ready(pattern)?;
    let mut texts = texts.inner().iter();
    let fits = texts.any(|one| {
        one.downcast_ref::<CelString<'_>>()
            .is_some_and(|text| pattern.matches(text.inner()))
    });
    Ok(CelBool::from(fits))
}

fn ready(pattern: &CelString<'_>) -> Result<Pattern, ExecutionError> {
    Pattern::new(pattern.inner()).map_err(|error| ExecutionError::function_error("like", error))
}

/// Whether an address lies in a network; no address lies in none.
fn in_network(address: &CelString<'_>, network: &CelString<'_>) -> Result<CelBool, ExecutionError> {
    let Some(network) = Prefix::parse(network.inner()) else {
        let message = format!("`{}` is neither an address nor a prefix", network.inner());
        return Err(ExecutionError::function_error("in_network", message));
    };
    let address: Option<IpAddr> = address.inner().parse().ok();
    Ok(CelBool::from(
        address.is_some_and(|one| network.contains(one)),
    ))
}
