//! The table of cases that all implementations share, against the script.

use ratelog_client::script::{check, peek, refund};
use ratelog_client::{Check, Rules};
use ratelog_core::wire;
use serde_json::Value;

use super::fake_clock::{FakeClock, START};
use super::{cost, rule, server};

#[test]
fn every_case_gets_its_decisions() {
    let table = include_str!("../../../../../tests/cases.json");
    let table: Value = serde_json::from_str(table).unwrap();
    let cases = table["cases"].as_array().unwrap();
    assert!(!cases.is_empty());
    let server = server();
    let mut script = FakeClock::on(&server);
    for case in cases {
        let key = case["name"].as_str().unwrap();
        for event in case["events"].as_array().unwrap() {
            let now = START + number(&event["at"]);
            let cost = cost(event.get("cost").map_or(1, |cost| small(number(cost))));
            if let Some(units) = event.get("refund") {
                let taken = script.run(now, &refund(key, self::cost(small(number(units)))));
                assert_eq!(taken, event["units"].as_u64().unwrap(), "{key}: {event}");
                continue;
            }
            let rules = rules(event.get("check").unwrap_or(&event["peek"]));
            let check_with_cost = Check::from(&rules).cost(cost);
            let is_check = event.get("check").is_some();
            let command =
                if is_check { check(key, check_with_cost) } else { peek(key, check_with_cost) };
            let decision = script.run(now, &command.unwrap());
            let fields = wire::encode(decision.as_core());
            let expected: Vec<_> =
                event["decision"].as_array().unwrap().iter().map(number).collect();
            assert_eq!(fields[..], expected, "{key}: {event}");
        }
    }
}

fn number(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

fn small(number: i64) -> u32 {
    number.try_into().unwrap()
}

fn rules(pairs: &Value) -> Rules {
    let pairs = pairs.as_array().unwrap().iter();
    let rules = pairs.map(|pair| rule(small(number(&pair[0])), pair[1].as_u64().unwrap()));
    Rules::new(rules).unwrap()
}
