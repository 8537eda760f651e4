//! Runs the shared table of rules as text.
#![allow(missing_docs, clippy::unwrap_used, reason = "a failing test should say where")]

use ratelog_core::{Rule, Rules};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    #[serde(rename = "about")]
    _about: String,
    accept: Vec<(String, String)>,
    reject: Vec<Rejected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rejected {
    text: String,
    error: Vec<String>,
}

fn table() -> Table {
    serde_json::from_str(include_str!("../../../tests/rules_cases.json")).unwrap()
}

#[test]
fn every_accepted_text_has_its_canonical_form() {
    let accepted = table().accept;
    assert!(!accepted.is_empty());
    for (text, canonical) in accepted {
        let rules = text.parse::<Rules>().unwrap();
        assert_eq!(rules.to_string(), canonical, "{text:?}");
        assert_eq!(Rules::try_from(&*text).as_ref(), Ok(&rules));
        assert_eq!(Rule::try_from(&*text).is_ok(), rules.rest().is_empty(), "{text:?}");
    }
}

#[test]
fn every_rejected_text_has_its_error() {
    let rejected = table().reject;
    assert!(!rejected.is_empty());
    for Rejected { text, error } in rejected {
        assert_eq!(text.parse::<Rules>().unwrap_err().to_string(), error.join("\n"), "{text:?}");
    }
}
