//! The shared table of cases. A server's clock cannot be set, so this runs only the cases whose events all
//! happen at one instant.

use serde_json::Value;

use crate::support::{Decision, Server};

/// The time that may pass during a case, in milliseconds.
const SLACK: i64 = 30_000;

#[test]
fn cases_at_one_instant_return_the_expected_decisions() {
    let table: Value = serde_json::from_str(include_str!("../../cases.json")).expect("JSON");
    let cases = table["cases"].as_array().expect("a list of cases");
    let server = Server::start();
    let mut db = server.connect();
    let mut run = 0;
    for case in cases {
        let events = case["events"].as_array().expect("a list of events");
        if events.iter().any(|event| event["at"] != 0 || is_short(event)) {
            continue;
        }
        for event in events {
            let place = format!("{}: {event}", case["name"]);
            let given = db.decide(&command(&case["name"], event));
            let fields: Vec<_> = event["decision"]
                .as_array()
                .expect("a decision")
                .iter()
                .map(|field| field.as_i64().expect("an integer"))
                .collect();
            assert_near(given, &fields, &place);
        }
        run += 1;
    }
    assert!(run >= 5, "only {run} cases could be run");
}

fn is_short(event: &Value) -> bool {
    rules(event).iter().any(|(_, window)| *window < 2 * SLACK)
}

fn rules(event: &Value) -> Vec<(i64, i64)> {
    let rules = event.get("check").or_else(|| event.get("peek")).and_then(Value::as_array);
    let pair = |rule: &Value| (rule[0].as_i64().unwrap(), rule[1].as_i64().unwrap());
    rules.map(|rules| rules.iter().map(pair).collect()).unwrap_or_default()
}

fn command(name: &Value, event: &Value) -> String {
    let verb = if event.get("check").is_some() { "RL.CHECK" } else { "RL.PEEK" };
    let key = name.as_str().expect("a name").replace(' ', "-");
    let rules: String =
        rules(event).iter().map(|(limit, window)| format!(" {limit} {window}ms")).collect();
    let cost = event.get("cost").map(|cost| format!(" COST {cost}")).unwrap_or_default();
    format!("{verb} {key}{rules}{cost}")
}

/// Compares a decision with the expected fields. Durations may be shorter by the time since the case started.
fn assert_near(given: Decision, fields: &[i64], place: &str) {
    let near = |given: i64, expected: i64| match expected {
        -1..=0 => given == expected,
        span => (span - SLACK..=span).contains(&given),
    };
    assert_eq!(i64::from(given.allowed), fields[0], "{place}");
    assert_eq!(given.limit, fields[1], "{place}");
    assert_eq!(given.remaining, fields[2], "{place}");
    assert!(near(given.retry_after_ms, fields[3]), "{place}: {given:?}");
    assert!(near(given.reset_after_ms, fields[4]), "{place}: {given:?}");
    assert_eq!(given.window_ms, fields[5], "{place}");
}
