//! The list of features, and the tests that prove them.

use std::collections::BTreeSet;

use super::{read, report, root};

/// One row of docs/features.md.
struct Feature {
    id: String,
    row: String,
    works: bool,
    proofs: Vec<String>,
}

fn features() -> Vec<Feature> {
    let text = read("docs/features.md");
    let rows = text.lines().filter_map(|line| {
        let cells: Vec<&str> = line
            .trim()
            .trim_matches('|')
            .split('|')
            .map(str::trim)
            .collect();
        let id = *cells.first()?;
        let letter = id.chars().next()?;
        let number: u32 = id.get(1..)?.parse().ok()?;
        ('A'..='G').contains(&letter).then(|| Feature {
            id: format!("{letter}{number}"),
            row: line.to_owned(),
            works: !line.contains("not yet") && !line.contains("partly"),
            proofs: cells
                .last()
                .into_iter()
                .flat_map(|cell| cell.split('`'))
                .filter(|word| word.ends_with(".rs"))
                .map(str::to_owned)
                .collect(),
        })
    });
    rows.collect()
}

#[test]
fn every_requirement_is_listed_once() {
    let wanted = [
        ('A', 10),
        ('B', 7),
        ('C', 6),
        ('D', 15),
        ('E', 11),
        ('F', 7),
        ('G', 9),
    ];
    let wanted: Vec<String> = wanted
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")))
        .collect();
    let listed: Vec<String> = features().into_iter().map(|feature| feature.id).collect();
    assert_eq!(
        listed, wanted,
        "docs/features.md lists A1 to G9, each once, in order"
    );
}

#[test]
fn what_works_is_proved_by_a_test_that_names_it() {
    let mut broken = Vec::new();
    for feature in features() {
        if feature.works && feature.proofs.is_empty() {
            broken.push(format!("no test is given: {}", feature.row));
        }
        for proof in &feature.proofs {
            let named = root().join(proof).is_file() && names(&read(proof), &feature.id);
            if !named {
                broken.push(format!("{proof} does not name {}", feature.id));
            }
        }
    }
    report("A row works when a test that names its ID passes.", &broken);
}

/// Whether a comment of the text has the identifier as a word of its own.
fn names(text: &str, id: &str) -> bool {
    let comments = text
        .lines()
        .filter(|line| line.trim_start().starts_with("//"));
    let words: BTreeSet<&str> = comments
        .flat_map(|line| line.split(|c: char| !c.is_ascii_alphanumeric()))
        .collect();
    words.contains(id)
}
