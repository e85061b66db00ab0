#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
use super::*;

fn calendar(text: &str) -> Calendar {
    Calendar::new(&toml::from_str(text).unwrap()).unwrap()
}

fn wrong(text: &str) -> Vec<String> {
    let declared = toml::from_str(&format!("id = \"c\"\n{text}")).unwrap();
    let problems = Calendar::new(&declared).expect_err(text);
    problems.into_iter().map(|(field, _)| field).collect()
}

fn at(text: &str) -> u64 {
    let stamp: Timestamp = text.parse().unwrap();
    u64::try_from(stamp.as_millisecond()).unwrap()
}

const OFFICE: &str = r#"
id = "office"
zone = "Europe/Zurich"
open = [
  { days = ["mon", "tue", "wed", "thu", "fri"], from = "08:00", to = "12:00" },
  { days = ["mon", "tue", "wed", "thu", "fri"], from = "13:00", to = "18:00" },
]
holidays = [
  "2026-12-25",
  "*-01-01",
  { date = "easter-2", name = "Good Friday" },
  { date = "easter+39", name = "Ascension" },
  { date = "*-12-24", name = "Christmas Eve", from = "12:00" },
]
exceptions = [{ date = "2026-12-27", name = "Sale", from = "10:00", to = "16:00" }]
"#;

// A3
#[test]
fn an_office_is_open_when_it_says() {
    let office = calendar(OFFICE);
    let open = |text: &str| office.at(at(text)).open;
    let holiday = |text: &str| office.at(at(text)).holiday.to_string();
    assert!(open("2026-12-23T08:00:00+01:00") && !open("2026-12-23T07:59:59+01:00"));
    assert!(!open("2026-12-23T12:30:00+01:00"), "lunch");
    assert!(!open("2026-12-26T10:00:00+01:00"), "a Saturday");
    assert!(!open("2026-12-25T10:00:00+01:00"));
    assert_eq!(holiday("2026-12-25T10:00:00+01:00"), "2026-12-25");
    assert_eq!(holiday("2026-12-23T10:00:00+01:00"), "");
    assert!(!open("2030-01-01T10:00:00+01:00"), "of every year");
    // A part of the day.
    assert!(open("2026-12-24T11:59:00+01:00") && !open("2026-12-24T14:00:00+01:00"));
    assert_eq!(holiday("2026-12-24T09:00:00+01:00"), "Christmas Eve");
    // Open on a Sunday.
    assert!(open("2026-12-27T10:00:00+01:00") && !open("2026-12-27T16:00:00+01:00"));
    // The day is the local one: 25 December begins at 23:00 UTC.
    assert_eq!(holiday("2026-12-24T22:59:00Z"), "Christmas Eve");
    assert_eq!(holiday("2026-12-24T23:00:00Z"), "2026-12-25");
    assert_eq!(
        office.told(at("2026-04-03T10:00:00+02:00")),
        "office is closed (Fri 2026-04-03 10:00, holiday Good Friday)"
    );
}

// A3
#[test]
fn easter_is_where_the_almanac_has_it() {
    for (year, date) in [
        (1961, "1961-04-02"),
        (2000, "2000-04-23"),
        (2008, "2008-03-23"),
        (2019, "2019-04-21"),
        (2025, "2025-04-20"),
        (2026, "2026-04-05"),
        (2038, "2038-04-25"),
        (2285, "2285-03-22"),
    ] {
        assert_eq!(easter(year).unwrap().to_string(), date);
    }
    let office = calendar(OFFICE);
    assert_eq!(
        office.at(at("2026-05-14T10:00:00+02:00")).holiday,
        "Ascension"
    );
    assert_eq!(
        office.at(at("2027-05-06T10:00:00+02:00")).holiday,
        "Ascension"
    );
}

// A3
#[test]
fn both_changes_of_the_clocks_are_right() {
    let night = calendar(
        "id = \"night\"\nzone = \"Europe/Zurich\"\nopen = [{ days = [\"sun\"], from = \"02:30\", to = \"04:00\" }]",
    );
    let open = |text: &str| night.at(at(text)).open;
    // 2026-03-29: from 02:00 straight to 03:00. 02:30 does not exist; it opens at 03:00.
    assert!(!open("2026-03-29T00:59:59Z") && open("2026-03-29T01:00:00Z"));
    assert!(open("2026-03-29T01:59:59Z") && !open("2026-03-29T02:00:00Z"));
    // 2026-10-25: from 03:00 back to 02:00. 02:30 comes twice, and it is open both times.
    assert!(!open("2026-10-25T00:29:59Z") && open("2026-10-25T00:30:00Z"));
    assert!(!open("2026-10-25T01:00:00Z"), "02:00 again");
    assert!(open("2026-10-25T01:30:00Z") && open("2026-10-25T02:59:59Z"));
    assert!(!open("2026-10-25T03:00:00Z"));
    // A holiday in a part of such a day follows the local clock too.
    let holiday = calendar(
        "id = \"h\"\nzone = \"Europe/Zurich\"\nholidays = [{ date = \"2026-10-25\", from = \"02:00\", to = \"03:00\" }]",
    );
    let open = |text: &str| holiday.at(at(text)).open;
    assert!(open("2026-10-24T23:59:59Z") && !open("2026-10-25T00:00:00Z"));
    assert!(!open("2026-10-25T01:59:59Z") && open("2026-10-25T02:00:00Z"));
}

// A3
#[test]
fn without_times_it_is_open_always_and_with_none_never() {
    assert!(calendar("id = \"a\"").at(0).open);
    assert!(!calendar("id = \"n\"\nopen = []").at(0).open);
    let sometimes = calendar("id = \"n\"\nopen = []\nexceptions = [{ date = \"*-02-29\" }]");
    assert!(sometimes.at(at("2028-02-29T12:00:00Z")).open);
    assert!(!sometimes.at(at("2027-03-01T12:00:00Z")).open);
    assert!(!calendar("id = \"a\"").at(u64::MAX).open, "no such time");
}

// A3
#[test]
fn what_is_wrong_is_named_with_its_place() {
    for date in [
        "2026-02-29",
        "2026-13-01",
        "*-02-30",
        "*",
        "26-01-01",
        "2026-1-1",
        "easter+81",
        "easter2",
        "easter-",
        "Easter",
        "",
        "2026-12-25T00:00:00",
        "+002026-01-01",
    ] {
        assert_eq!(
            wrong(&format!("holidays = [\"{date}\"]")).first().unwrap(),
            "holidays[0].date"
        );
    }
    assert_eq!(wrong("zone = \"Mars\"\nopen = [{}, {}]"), ["zone"]);
    assert_eq!(
        wrong("open = [{ from = \"25:00\" }, { days = [\"monday\"] }]"),
        ["open[0].from", "open[1].days"]
    );
    assert_eq!(
        wrong("exceptions = [{ date = \"*-01-01\", from = \"18:00\", to = \"08:00\" }]"),
        ["exceptions[0].to"]
    );
    assert_eq!(
        wrong("holidays = [\"*-01-01\", { date = \"*-01-02\", name = \"\" }]"),
        ["holidays[1].name"]
    );
}
