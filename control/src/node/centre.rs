//! What changes from one declaration to the next.

use std::collections::BTreeMap;

use patchbay_core::Centre;
use patchbay_core::centre::{Agent, Ask, Calendar, Menu, Queue, Rule, Site};

use super::views::Applied;

/// Names every entry that differs; rules count by their content, and their order by itself.
pub(crate) fn compare(before: &Centre, after: &Centre) -> Applied {
    let mut applied = Applied::default();
    let queue = |queue: &Queue| queue.id.to_string();
    differences("queue", &before.queues, &after.queues, queue, &mut applied);
    let agent = |agent: &Agent| agent.id.to_string();
    differences("agent", &before.agents, &after.agents, agent, &mut applied);
    let calendar = |calendar: &Calendar| calendar.id.to_string();
    let (old, new) = (&before.calendars, &after.calendars);
    differences("calendar", old, new, calendar, &mut applied);
    let ask = |ask: &Ask| ask.id.to_string();
    differences("ask", &before.asks, &after.asks, ask, &mut applied);
    let menu = |menu: &Menu| menu.id.to_string();
    differences("menu", &before.menus, &after.menus, menu, &mut applied);
    let site = |site: &Site| site.id.to_string();
    differences("site", &before.sites, &after.sites, site, &mut applied);
    let rule = |rule: &Rule| rule.id.to_string();
    differences("rule", &before.rules, &after.rules, rule, &mut applied);
    let order = |centre: &Centre| -> Vec<String> {
        centre
            .rules
            .iter()
            .map(|rule| rule.id.to_string())
            .collect()
    };
    let same_rules = !applied
        .added
        .iter()
        .chain(&applied.removed)
        .any(|e| e.starts_with("rule:"));
    if same_rules && order(before) != order(after) {
        applied.changed.push("rules:order".to_owned());
    }
    if before.offers != after.offers {
        applied.changed.push("offers".to_owned());
    }
    if before.phones != after.phones {
        applied.changed.push("phones".to_owned());
    }
    applied
}

fn differences<T: PartialEq>(
    kind: &str,
    before: &[T],
    after: &[T],
    id: impl Fn(&T) -> String,
    applied: &mut Applied,
) {
    let entries = |all| -> BTreeMap<String, &T> { <[T]>::iter(all).map(|e| (id(e), e)).collect() };
    let (before, after) = (entries(before), entries(after));
    for (id, entry) in &after {
        match before.get(id) {
            None => applied.added.push(format!("{kind}:{id}")),
            Some(old) if old != entry => applied.changed.push(format!("{kind}:{id}")),
            Some(_) => {}
        }
    }
    let gone = before.keys().filter(|id| !after.contains_key(*id));
    applied
        .removed
        .extend(gone.map(|id| format!("{kind}:{id}")));
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn centre(text: &str) -> Centre {
        toml::from_str(text).unwrap()
    }

    #[test]
    fn additions_changes_and_removals_are_named() {
        let site = "[[site]]\nid = 'lyon'\nurl = 'https://l'\ntoken = 't'\nedge = 'sip:l'\n\
                    queues = { a = 'a' }\n";
        let other = centre(&format!("[phones]\nring_seconds = 9\n{site}"));
        let applied = compare(&Centre::default(), &other);
        assert_eq!(applied.added, ["site:lyon"]);
        assert_eq!(applied.changed, ["phones"]);
        let before = centre(
            "[[queue]]\nid = 'a'\n[[queue]]\nid = 'b'\n[[agent]]\nid = 'anna'\nuri = 'sip:a@b'\n",
        );
        let after = centre(
            "[[queue]]\nid = 'a'\nring_seconds = 5\n[[queue]]\nid = 'c'\n\
             [[agent]]\nid = 'anna'\nuri = 'sip:a@b'\n",
        );
        let applied = compare(&before, &after);
        assert_eq!(applied.added, ["queue:c"]);
        assert_eq!(applied.changed, ["queue:a"]);
        assert_eq!(applied.removed, ["queue:b"]);
        assert_eq!(compare(&after, &after), Applied::default());
    }

    #[test]
    fn the_order_of_rules_is_a_change_of_its_own() {
        let one = "[[rule]]\nid = 'x'\nthen = { queue = 'a' }\n";
        let two = "[[rule]]\nid = 'y'\nthen = { queue = 'a' }\n";
        let before = centre(&format!("{one}{two}"));
        let after = centre(&format!("{two}{one}"));
        assert_eq!(compare(&before, &after).changed, ["rules:order"]);
    }
}
