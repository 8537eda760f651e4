//! Serde support: rules are text in configuration files.

use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use crate::{PolicyName, Rule, Rules};

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for Rules {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Serialize for PolicyName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Rule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text::new("a rule, such as \"100/minute\""))
    }
}

impl<'de> Deserialize<'de> for Rules {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text::new("rules, such as \"10/second; 1000/hour\""))
    }
}

impl<'de> Deserialize<'de> for PolicyName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Text::new("the name of a policy"))
    }
}

/// Deserializes a `T` from a string.
struct Text<T> {
    expected: &'static str,
    target: PhantomData<T>,
}

impl<T> Text<T> {
    fn new(expected: &'static str) -> Self {
        Self { expected, target: PhantomData }
    }
}

impl<T: FromStr<Err: fmt::Display>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Debug;

    use serde::de::DeserializeOwned;
    use serde::ser::Serialize;

    use crate::{PolicyName, Rule, Rules};

    fn assert_round_trip<T: Serialize + DeserializeOwned + Debug + PartialEq>(json: &str) {
        let value: T = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&value).unwrap(), json);
    }

    fn error<T: DeserializeOwned + Debug>(json: &str) -> String {
        serde_json::from_str::<T>(json).unwrap_err().to_string()
    }

    #[test]
    fn rules_and_names_round_trip() {
        assert_round_trip::<Rule>("\"100/minute\"");
        assert_round_trip::<Rule>("\"0/week\"");
        assert_round_trip::<Rules>("\"10/second; 1000/hour\"");
        assert_round_trip::<PolicyName>("\"api/search\"");
    }

    #[test]
    fn errors_describe_the_expected_text() {
        let message =
            "expected a limit from 0 to 4294967295, found '-'\n-1/minute\n^ at line 1 column 11";
        assert_eq!(error::<Rule>("\"-1/minute\""), message);
        assert_eq!(error::<Rules>("\"-1/minute\""), message);
        assert_eq!(
            error::<PolicyName>("\"a b\""),
            "a policy's name is 1 to 64 characters of A-Z a-z 0-9 . _ : - / at line 1 column 5"
        );
        let invalid_type =
            |expected| format!("invalid type: integer `5`, expected {expected} at line 1 column 1");
        assert_eq!(error::<Rule>("5"), invalid_type("a rule, such as \"100/minute\""));
        assert_eq!(error::<Rules>("5"), invalid_type("rules, such as \"10/second; 1000/hour\""));
        assert_eq!(error::<PolicyName>("5"), invalid_type("the name of a policy"));
    }
}
