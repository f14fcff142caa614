//! Questions as text: the right ones are answered as [`experiment`] answers them, all others with a message.

#![expect(clippy::unwrap_used, reason = "tests")]

use experiment::compare::differences;
use experiment::configuration::{Configuration, Shorthands};
use experiment::machine::Machine;
use experiment::predict::predict;
use explorer::{MAX_REQUEST_BYTES, ask};
use mm::boot::split::Split;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

const KEYS: [&str; 6] = ["answer", "figures", "pictures", "differences", "configuration", "error"];

fn configuration(append: &str) -> Configuration {
    Configuration::new(Split::ThreeG, append, Shorthands::default())
}

fn question(name: &str, machine: &Machine, configuration: &Configuration) -> String {
    json!({ name: { "machine": machine, "configuration": configuration } }).to_string()
}

fn object(reply: &str) -> Value {
    let value: Value = serde_json::from_str(reply).unwrap();
    let keys: Vec<_> = value.as_object().unwrap().keys().collect();
    assert!(!keys.is_empty() && keys.iter().all(|key| KEYS.contains(&key.as_str())), "{reply}");
    value
}

/// The message of a reply that is nothing else.
fn error(request: &str) -> String {
    let reply = object(&ask(request));
    assert_eq!(reply.as_object().unwrap().len(), 1, "{reply}");
    reply["error"].as_str().unwrap().to_owned()
}

#[test]
fn a_prediction_is_the_answer_of_the_rules_byte_for_byte() {
    for (mib, append) in [(256, ""), (1024, "vmalloc=1M"), (4096, "nohighmem dma_zone=\"32M\"")] {
        let (machine, configuration) = (Machine::virt(mib << 20), configuration(append));
        let answer = predict(&machine, &configuration).unwrap();
        assert_eq!(
            ask(&question("predict", &machine, &configuration)),
            format!("{{\"answer\":{}}}", serde_json::to_string(&answer).unwrap())
        );
        let drawn = object(&ask(&question("draw", &machine, &configuration)));
        assert_eq!(drawn["answer"], serde_json::to_value(&answer).unwrap());
        assert!(drawn["pictures"].is_object());
    }
}

#[test]
fn two_answers_are_compared_field_by_field() {
    let machine = Machine::virt(1 << 30);
    let answer = |append| predict(&machine, &configuration(append)).unwrap();
    let (left, right) = (answer(""), answer("vmalloc=128M"));
    let reply = object(&ask(&json!({"compare": {"left": left, "right": right}}).to_string()));
    let (left, right) = (json!(left), json!(right));
    let expected = differences(&left, &right);
    assert!(expected.iter().any(|one| one.path == "layout.high_memory"));
    assert_eq!(reply["differences"], json!(expected));
    let same = ask(&json!({"compare": {"left": left, "right": left}}).to_string());
    assert_eq!(same, "{\"differences\":[]}");
}

#[test]
fn settings_make_the_command_line_of_the_host_tool() {
    for append in ["", "quiet", "quiet -- init", "a=\"b c"] {
        let reply = object(&ask(&json!({"configure": {
            "split": "2g", "append": append, "vmalloc": "16M", "dma_zone": null, "no_highmem": true
        }})
        .to_string()));
        let short = Shorthands { vmalloc: Some("16M"), dma_zone: None, no_highmem: true };
        let expected = Configuration::new(Split::TwoG, append, short);
        assert_eq!(reply["configuration"], json!(expected), "{append}");
    }
}

#[test]
fn what_is_no_question_gets_a_message() {
    let machine = json!({"banks": [{"start": "0x40000000", "end": "0x80000000"}]});
    let with = |machine: Value, configuration: Value| {
        error(&json!({"predict": {"machine": machine, "configuration": configuration}}).to_string())
    };
    let plain = json!({"split": "3g", "command_line": ""});
    for (message, part) in [
        (error(""), "EOF while parsing"),
        (error("null"), "expected value"),
        (error("{}"), "expected value"),
        (error("{\"forget\": {}}"), "unknown variant `forget`, expected one of `predict`"),
        (error("{\"predict\": {}}"), "missing field `machine`"),
        (error(&"[".repeat(100_000)), "expected value"),
        (error(&format!("{{\"predict\": {}", "{\"machine\":".repeat(1000))), "unknown field"),
        (error(&" ".repeat(MAX_REQUEST_BYTES + 1)), "a question of 1048577 bytes"),
        (with(json!({"banks": []}), plain.clone()), "there is no memory bank"),
        (with(json!({"banks": [], "bank": 1}), plain.clone()), "unknown field `bank`"),
        (with(json!({"banks": [{"start": 1, "end": 2}]}), plain.clone()), "invalid type: integer"),
        (
            with(json!({"banks": [{"start": "0x1ffffffffffffffff", "end": "0x0"}]}), plain.clone()),
            "'0x1ffffffffffffffff' is no address such as 0x40000000",
        ),
        (
            with(machine.clone(), json!({"split": "4g", "command_line": ""})),
            "'4g' is no split: 3g, 3g-opt, 2g or 1g",
        ),
        (with(machine, json!({"split": "3g", "command_line": 1e300})), "invalid type: floating"),
    ] {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

/// JSON that may stand where a question has something else.
fn value() -> impl Strategy<Value = Value> {
    let addresses = ["0x0", "0xffffffffffffffff", "0x40000000", "0x80000000", "-1", "3g", "1g", ""];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(addresses.to_vec()).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let keys = ["banks", "start", "end", "range", "name", "no_map", "split", "command_line"];
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((select(keys.to_vec()), inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().map(|(key, v)| (key.to_owned(), v)).collect()),
        ]
    })
}

/// How many values there are in `value`, itself included.
fn size(value: &Value) -> usize {
    1 + match value {
        Value::Array(items) => items.iter().map(size).sum(),
        Value::Object(map) => map.values().map(size).sum(),
        _ => 0,
    }
}

/// Puts `new` in the place of the value number `index` of `value`.
fn replace(value: &mut Value, index: usize, new: &Value) {
    if index == 0 {
        *value = new.clone();
        return;
    }
    let children: Vec<&mut Value> = match value {
        Value::Array(items) => items.iter_mut().collect(),
        Value::Object(map) => map.values_mut().collect(),
        _ => return,
    };
    let mut rest = index - 1;
    for child in children {
        let len = size(child);
        if rest < len {
            return replace(child, rest, new);
        }
        rest -= len;
    }
}

fn good() -> Vec<Value> {
    let mut machine = Machine::virt(1 << 30);
    machine.initrd = Some(machine.banks[0]);
    let configuration = configuration("mem=64M vmalloc=16M");
    let answer = predict(&machine, &configuration).unwrap();
    vec![
        json!({"predict": {"machine": machine, "configuration": configuration}}),
        json!({"draw": {"machine": machine, "configuration": configuration}}),
        json!({"compare": {"left": answer, "right": answer}}),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn every_text_has_a_reply(text in any::<String>()) {
        object(&ask(&text));
    }

    #[test]
    fn a_question_with_anything_in_the_place_of_a_part_has_a_reply(
        question in select(good()),
        place in any::<Index>(),
        value in value(),
    ) {
        let mut question = question;
        let place = place.index(size(&question));
        replace(&mut question, place, &value);
        object(&ask(&question.to_string()));
    }

    #[test]
    fn a_question_with_bytes_changed_has_a_reply(
        question in select(good()),
        changes in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut bytes = question.to_string().into_bytes();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        object(&ask(&String::from_utf8_lossy(&bytes)));
    }
}
