//! Pages of lists. The next page is where `Link: <…>; rel="next"` says (RFC 8288); the last has none.

use axum::extract::{FromRequestParts, MatchedPath};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, header};
use patchbay_sip::uri::escape;
use serde::Deserialize;

use super::limits::MAX_LIST;
use super::problem::{Failure, Kind};

/// Which page of a list that goes forward.
#[derive(Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListParams {
    /// What comes after this: `Link` with `rel="next"` of the page before has it.
    pub after: Option<String>,
    /// Entries on the page, 1 to 1000; default 1000.
    pub limit: Option<usize>,
}

/// A page, and where the next one begins.
pub struct Cut<T> {
    /// The entries.
    pub items: Vec<T>,
    /// What the next page comes after; `None` on the last.
    pub next: Option<String>,
}

/// Cuts a page out of entries in the order of their keys. Entries may come and go between two pages.
pub fn by_key<T>(mut items: Vec<T>, params: &ListParams, key: impl Fn(&T) -> String) -> Cut<T> {
    items.sort_by_cached_key(&key);
    let start = match &params.after {
        Some(after) => items.partition_point(|item| key(item) <= *after),
        None => 0,
    };
    cut(items, start, params.limit, key)
}

/// Cuts a page out of entries in an order of their own.
///
/// # Errors
/// [`Kind::Gone`] if the entry that the page comes after is not there any more.
pub fn as_listed<T>(
    items: Vec<T>,
    params: &ListParams,
    key: impl Fn(&T) -> String,
) -> Result<Cut<T>, Failure> {
    let start = match &params.after {
        Some(after) => items
            .iter()
            .position(|item| key(item) == *after)
            .map(|place| place + 1)
            .ok_or_else(|| {
                let detail = format!("`{after}` is not in the list any more; begin it anew");
                Failure::new(Kind::Gone, detail)
            })?,
        None => 0,
    };
    Ok(cut(items, start, params.limit, key))
}

fn cut<T>(
    mut items: Vec<T>,
    start: usize,
    limit: Option<usize>,
    key: impl Fn(&T) -> String,
) -> Cut<T> {
    let limit = limit.unwrap_or(MAX_LIST).clamp(1, MAX_LIST);
    items.drain(..start.min(items.len()));
    let more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().map(key).filter(|_| more);
    Cut { items, next }
}

/// What was asked for: the path of a list, and its query.
pub struct Asked {
    path: String,
    query: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Failure;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Failure> {
        // A nested router sees a part of the path only; those of lists have nothing in them to fill in.
        let path = MatchedPath::from_request_parts(parts, state).await;
        let path = path.map_err(|error| Failure::new(Kind::Internal, error.body_text()))?;
        Ok(Asked {
            path: path.as_str().to_owned(),
            query: parts.uri.query().unwrap_or("").to_owned(),
        })
    }
}

impl Asked {
    /// The Link header of a page: the same request with another cursor, which is the parameter `name`.
    pub fn next(&self, name: &str, cursor: Option<String>) -> HeaderMap {
        let Some(cursor) = cursor else {
            return HeaderMap::new();
        };
        let kept = self.query.split('&').filter(|pair| {
            let of = pair.split('=').next();
            !pair.is_empty() && of != Some(name)
        });
        let own = format!("{name}={}", escape(&cursor));
        let query = kept.chain([own.as_str()]).collect::<Vec<_>>().join("&");
        let value = HeaderValue::try_from(format!("<{}?{query}>; rel=\"next\"", self.path));
        let link = value.ok().map(|value| (header::LINK, value));
        link.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(after: Option<&str>, limit: usize) -> ListParams {
        ListParams {
            after: after.map(str::to_owned),
            limit: Some(limit),
        }
    }

    #[test]
    fn entries_that_come_and_go_neither_hide_nor_repeat_others() {
        let list = |text: &str| text.chars().map(String::from).collect::<Vec<_>>();
        let first = by_key(list("dbac"), &params(None, 2), String::clone);
        assert_eq!(
            (first.items, first.next.as_deref()),
            (list("ab"), Some("b"))
        );
        let next = by_key(list("acde"), &params(Some("b"), 2), String::clone);
        assert_eq!((next.items, next.next.as_deref()), (list("cd"), Some("d")));
        let last = by_key(list("acde"), &params(Some("d"), 2), String::clone);
        assert_eq!((last.items, last.next), (list("e"), None));
        let listed = as_listed(list("dbac"), &params(Some("b"), 9), String::clone);
        assert_eq!(listed.ok().map(|cut| cut.items), Some(list("ac")));
        assert!(as_listed(list("dac"), &params(Some("b"), 9), String::clone).is_err());
    }

    #[test]
    fn the_link_keeps_what_was_asked_for() {
        let asked = Asked {
            path: "/api/v1/contacts".to_owned(),
            query: "state=live&after=old&limit=2".to_owned(),
        };
        let headers = asked.next("after", Some("a b&c".to_owned()));
        let value = headers
            .get(header::LINK)
            .and_then(|value| value.to_str().ok());
        assert_eq!(
            value,
            Some("</api/v1/contacts?state=live&limit=2&after=a%20b%26c>; rel=\"next\"")
        );
        assert!(asked.next("after", None).is_empty());
    }
}
